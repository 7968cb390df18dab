"""Runs an ASGI app on a real socket, in the foreground or in a thread."""

import asyncio
import errno
import gc
import inspect
import logging
import multiprocessing
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import uvicorn

from mockserver.errors import BindError, MockserverError
from mockserver.server.connection import FullWatch, HeadWatch, Protocol
from mockserver.server.tls import Tls

if TYPE_CHECKING:
    from uvicorn.config import HTTPProtocolType

BACKLOG = 2048

HEAD_TIMEOUT = 10.0
"""Seconds that the head of a request may take to arrive."""

WORKER_PATIENCE = 30
"""Seconds after which a worker that does not answer its parent is restarted."""


def bind(host: str, port: int) -> socket.socket:
    """Open a listening socket; port 0 takes a free one. A BindError says why the address cannot be used.

    The protocol is explicit, because asyncio turns off Nagle's algorithm only for sockets that name TCP.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise BindError(f"the host {host!r} is unknown", why=str(error), fix="use --host 127.0.0.1") from error
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise BindError(
            f"cannot listen on {host}:{port}",
            why=error.strerror or str(error),
            fix="use --host 127.0.0.1"
            if error.errno == errno.EADDRNOTAVAIL
            else "stop what listens there, or take a free port with --port 0",
        ) from error
    return listener


def address(listener: socket.socket, tls: Tls | None = None) -> str:
    """Return the base URL of a listening socket."""
    host, port = listener.getsockname()[:2]
    scheme = "http" if tls is None else "https"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def make_server(
    app: Any,
    *,
    shutdown_timeout: int = 3,
    on_ready: Callable[[], None] = lambda: None,
    http: "HTTPProtocolType | None" = None,
    head_timeout: float = HEAD_TIMEOUT,
    date: bool = True,
    tls: Tls | None = None,
) -> "PromptServer":
    """Make a uvicorn server that reports when it is ready, and logs only its own failures.

    `http` names another protocol of uvicorn's than ours; without `date` answers get no Date of its own.
    """
    import uvicorn

    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    logging.getLogger("uvicorn.error").addFilter(_is_failure)
    config = uvicorn.Config(
        app,
        http=http or Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=date,
        backlog=BACKLOG,
        timeout_graceful_shutdown=shutdown_timeout,
        ssl_certfile=None if tls is None else tls.certificate,
        ssl_keyfile=None if tls is None else tls.key,
    )
    return PromptServer(config, on_ready, head_timeout)


def _is_failure(record: logging.LogRecord) -> bool:
    """Leave out what uvicorn says of answers that were not done when the server stopped: they are cut on purpose."""
    return not str(record.msg).startswith(("Cancel ", "ASGI callable returned without completing response"))


def end_quietly() -> None:
    """From now on, end this process with 0 on SIGTERM and SIGINT."""
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *_: sys.exit(0))


def spare_collector() -> None:
    """Run the garbage collector less often on long-lived objects: with many records it took a fifth of the time."""
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


def serve(
    app: Any,
    listener: socket.socket,
    *,
    shutdown_timeout: int,
    on_ready: Callable[[], None],
    head_timeout: float = HEAD_TIMEOUT,
    date: bool = True,
    tls: Tls | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, give open answers `shutdown_timeout` seconds to end, and exit with 0."""
    end_quietly()
    spare_collector()
    server = make_server(
        app, shutdown_timeout=shutdown_timeout, on_ready=on_ready, head_timeout=head_timeout, date=date, tls=tls
    )
    server.run(sockets=[listener])


def serve_many(
    make_app: Callable[[], Any],
    listener: socket.socket,
    workers: int,
    *,
    shutdown_timeout: int,
    on_ready: Callable[[], None],
    head_timeout: float = HEAD_TIMEOUT,
    tls: Tls | None = None,
) -> None:
    """Serve from several processes on one socket until SIGTERM or SIGINT; a process that dies is restarted.

    Each process makes its own app by `make_app`, which must be picklable. A BindError reports that none could start.
    """
    from uvicorn.supervisors import Multiprocess

    server = make_server(_Worker(make_app), shutdown_timeout=shutdown_timeout, head_timeout=head_timeout, tls=tls)
    server.config.factory, server.config.workers = True, workers
    server.config.timeout_worker_healthcheck = WORKER_PATIENCE

    class Supervisor(Multiprocess):
        """Keeps the processes running until it is stopped."""

        told = False

        def handle_int(self) -> None:
            self.told = True
            super().handle_int()

        def handle_term(self) -> None:
            self.told = True
            super().handle_term()

    make: Any = Supervisor  # some releases of uvicorn pass the target, others do not
    target = {"target": server.run} if "target" in inspect.signature(Multiprocess).parameters else {}
    supervisor = make(server.config, sockets=[listener], **target)
    failures = list[OSError]()
    threading.Thread(target=_announce, args=(address(listener, tls), on_ready, failures), daemon=True).start()
    supervisor.run()
    if failures:
        raise failures[0]
    if not supervisor.told:
        raise BindError("no worker could start", why="see the log for its reason")


class _Worker:
    """Starts a worker: unpickled in its process, it installs quiet signal handlers and then makes the app.

    The handlers must be installed before uvicorn's, since uvicorn raises signals again at its end: one that killed
    the process would leave cut streams unrecorded.
    """

    def __init__(self, make_app: Callable[[], Any]) -> None:
        self.make_app = make_app

    def __call__(self) -> Any:
        return _work(self.make_app)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        end_quietly()


def _work(make_app: Callable[[], Any]) -> Any:
    """Make the app of a worker, which ends with its parent. If making it fails, the parent tries again."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def end_too() -> None:
            parent.join()
            os.kill(os.getpid(), signal.SIGTERM)

        threading.Thread(target=end_too, daemon=True).start()
    try:
        app = make_app()
    except MockserverError as error:
        print(f"mockserver: a worker cannot start: {error}", file=sys.stderr)
        sys.exit(1)
    spare_collector()
    return app


def _announce(url: str, on_ready: Callable[[], None], failures: list[OSError]) -> None:
    """Report that the server is ready once it answers; where that cannot be reported, note why and stop it."""
    from ssl import CERT_NONE, PROTOCOL_TLS_CLIENT, SSLContext
    from urllib.error import HTTPError
    from urllib.request import HTTPSHandler, ProxyHandler, build_opener

    anyone = SSLContext(PROTOCOL_TLS_CLIENT)  # whose certificate it is does not matter: only that it answers
    anyone.check_hostname, anyone.verify_mode = False, CERT_NONE
    reach = url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
    with suppress(HTTPError):
        build_opener(ProxyHandler({}), HTTPSHandler(context=anyone)).open(reach + "/__mock__/health").close()
    try:
        on_ready()
    except OSError as error:
        failures.append(error)
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def running(
    app: Any,
    host: str = "127.0.0.1",
    port: int = 0,
    http: "HTTPProtocolType | None" = None,
    shutdown_timeout: int = 3,
    head_timeout: float = HEAD_TIMEOUT,
    date: bool = True,
    tls: Tls | None = None,
) -> Iterator[str]:
    """Serve from a thread during the block; yields the base URL."""
    ready = threading.Event()
    listener = bind(host, port)
    server = make_server(
        app,
        shutdown_timeout=shutdown_timeout,
        on_ready=ready.set,
        http=http,
        head_timeout=head_timeout,
        date=date,
        tls=tls,
    )
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        while not ready.wait(0.05):
            if not thread.is_alive():
                raise BindError("the server ended before it was ready", why="see the log for its reason")
        yield address(listener, tls)
    finally:
        server.stop()
        thread.join()
        listener.close()


TICK = 0.1
"""Seconds between a server's checks of whether it should stop."""

LOOK = 5
"""Every how many ticks it looks for connections that wait too long."""

LOOKS = 20
"""How often a stopping server checks whether its connections are closed, a millisecond apart."""

LAST_LOOKS = 1_000
"""How often it then checks whether cancelled tasks have ended."""


class PromptServer(uvicorn.Server):
    """Serves like uvicorn, but stops at once: uvicorn's own loop checks only every 0.1 s whether it should."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None], head_timeout: float = 10.0) -> None:
        super().__init__(config)
        self._on_ready, self.head_timeout = on_ready, head_timeout
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and report it."""
        await super().startup(sockets)
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self._on_ready()

    async def main_loop(self) -> None:
        """Serve until stopped."""
        tick = 0
        heads, full = HeadWatch(self.head_timeout), FullWatch()
        while self._stopped is not None and not await self.on_tick(tick):
            tick = (tick + 1) % 864_000
            if tick % LOOK == 0:
                now, connections = time.monotonic(), self.server_state.connections
                heads.look(list(connections), now)
                full.look(len(connections), now)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Shut down: at once if nothing is in progress, else as uvicorn does."""
        for listener in sockets or []:
            listener.close()
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if await self._idle(LOOKS):
            return
        if self.config.is_ssl:  # a client that is idle does not answer the end of TLS
            for connection in [each for each in self.server_state.connections if each.transport.is_closing()]:
                connection.transport.abort()
        await super().shutdown(sockets)
        await self._idle(LAST_LOOKS, tasks_only=True)  # cancelled streams record what they sent before the loop ends

    async def _idle(self, looks: int, *, tasks_only: bool = False) -> bool:
        """Check this many times whether nothing is in progress; return whether that is so."""
        for _ in range(looks):
            if not self.server_state.tasks and (tasks_only or not self.server_state.connections):
                return True
            await asyncio.sleep(0.001)
        return False

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Handle a signal by stopping."""
        super().handle_exit(sig, frame)
        self.stop()

    def stop(self) -> None:
        """Stop now; from any thread, and from the handler of a signal."""
        self.should_exit = True
        if self._loop is not None and self._stopped is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)
