"""Runs an ASGI app on a real socket: in the foreground, or in a thread beside the caller."""

import logging
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mockserver.errors import BindError

if TYPE_CHECKING:
    from uvicorn import Server
    from uvicorn.config import HTTPProtocolType

BACKLOG = 2048


def bind(host: str, port: int) -> socket.socket:
    """Give a listening socket; port 0 takes a free one. A BindError says why an address cannot be had.

    The protocol is named, because asyncio switches Nagle's algorithm off only for sockets that say TCP.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise BindError(f"the host {host!r} is unknown", why=str(error), mend="use --host 127.0.0.1") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise BindError(
            f"cannot listen on {host}:{port}",
            why=error.strerror or str(error),
            mend="stop what listens there, or take a free port with --port 0",
        ) from error
    return listener


def address(listener: socket.socket) -> str:
    """Give the base URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(
    app: Any,
    *,
    shutdown_timeout: int = 3,
    on_ready: Callable[[], None] = lambda: None,
    http: "HTTPProtocolType" = "auto",
) -> "Server":
    """Make a uvicorn server that says when it is ready, and logs nothing but its own failures."""
    import uvicorn

    class Announcing(uvicorn.Server):
        """A server that says when it is ready."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            on_ready()

    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    config = uvicorn.Config(
        app,
        http=http,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=shutdown_timeout,
    )
    return Announcing(config)


def serve(app: Any, listener: socket.socket, *, shutdown_timeout: int, on_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT; open answers get `shutdown_timeout` seconds to end; then exit with 0."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: sys.exit(0))
    make_server(app, shutdown_timeout=shutdown_timeout, on_ready=on_ready).run(sockets=[listener])


@contextmanager
def running(app: Any, host: str = "127.0.0.1", port: int = 0, http: "HTTPProtocolType" = "auto") -> Iterator[str]:
    """Serve from a thread for as long as the block lasts; gives the base URL."""
    ready = threading.Event()
    listener = bind(host, port)
    server = make_server(app, on_ready=ready.set, http=http)
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        while not ready.wait(0.05):
            if not thread.is_alive():
                raise BindError("the server ended before it was ready", why="see the log for its reason")
        yield address(listener)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
