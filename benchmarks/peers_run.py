"""Starts what is no command of its own: connexion's mock, and ASGI apps on granian. Run as `benchmark_peers`.

The file is copied into the environments of these two, which are not that of the project.
`connexion <port> <document>` serves a document; `granian <mock|plain|bare> <port> <body>` an app.
"""

import os
import sys
from typing import Any

APP, BODY = "BENCHMARK_APP", "BENCHMARK_BODY"
"""Names in the environment, by which a worker of granian is told what it serves."""


def known(_token: str) -> dict[str, str]:
    """Take any key, as the mock does; connexion asks for such a function."""
    return {"sub": "anybody"}


def connexion_mock(port: str, document: str) -> None:
    """Serve a document by connexion's mock, without its reloader and without a line for each request."""
    import logging

    import uvicorn
    from connexion import AsyncApp
    from connexion.mock import MockResolver

    logging.disable(logging.ERROR)
    app = AsyncApp("benchmark")
    app.add_api(document, resolver=MockResolver(mock_all=True))
    uvicorn.run(app, host="127.0.0.1", port=int(port), access_log=False, log_level="critical", ws="none")


def app() -> Any:
    """Make the app that the environment names."""
    import benchmark_reference

    kind = os.environ[APP]
    if kind == "bare":
        return benchmark_reference.bare(os.environ[BODY].encode())
    if kind == "plain":
        return benchmark_reference.plain()
    return _mock()


def _mock() -> Any:
    """Make the mock."""
    from mockserver.settings import Settings
    from mockserver.testing.server import make_app

    return make_app(Settings(seed=0))


def on_granian(kind: str, port: str, body: str) -> None:
    """Serve an app by granian: one worker, HTTP/1."""
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces, Loops

    os.environ[APP], os.environ[BODY] = kind, body
    Granian(
        "benchmark_peers:app",
        address="127.0.0.1",
        port=int(port),
        interface=Interfaces.ASGINL,
        http=HTTPModes.http1,
        loop=Loops.uvloop,
        factory=True,
        websockets=False,
        log_enabled=False,
        backlog=2048,
    ).serve()


def main() -> None:
    """Serve what the arguments name."""
    kind, *rest = sys.argv[1:]
    {"connexion": connexion_mock, "granian": on_granian}[kind](*rest)


if __name__ == "__main__":
    main()
