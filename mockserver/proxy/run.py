"""Runs a proxy on a socket until it is stopped, and sums up what passed."""

import sys
from collections.abc import Callable
from contextlib import suppress

from mockserver import api as packs
from mockserver.engine import Mock
from mockserver.proxy.app import Proxy
from mockserver.proxy.forward import Service
from mockserver.server.uvicorn import address, bind, serve


def run_proxy(mock: Mock, service: Service, fail_on: str, say: Callable[[str], None]) -> int:
    """Stand before a service until SIGINT or SIGTERM; return the exit code."""
    settings = mock.settings
    proxy = Proxy(mock, service)
    listener = bind(settings.host, settings.port)
    with suppress(SystemExit):  # a signal, after which the verdict is still to come
        serve(
            proxy,
            listener,
            shutdown_timeout=settings.shutdown_timeout,
            head_timeout=settings.head_timeout,
            on_ready=lambda: say(ready_lines(mock, service, address(listener))),
            date=False,
        )
    print(f"mockserver proxy: {proxy.counts}", file=sys.stderr, flush=True)
    return int(proxy.counts.fails(fail_on))


def ready_lines(mock: Mock, service: Service, url: str) -> str:
    """Describe in one line what passes where, then how to point a client here."""
    lines = [f"mockserver stands at {url} before {service.url}: judged by {packs.describe(mock.served.contracts)}"]
    if notes := packs.describe_notes(mock.served.contracts):
        lines.append(notes)
    lines += [f"export {name}={url}" for name in (() if mock.api is None else mock.api.client.url_variables)]
    return "\n".join(lines)
