"""Sends the calls of HTTP libraries to a mock in this process, whatever address they are for.

Each library is patched at its lowest seam that still knows the address: the transport of httpx and httpx2, the
connection of http.client and urllib3 (which requests stands on), and the connector of aiohttp. What reaches the network
in another way meets the guard of `network`.
"""

import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any, NamedTuple, Self
from unittest.mock import patch
from urllib.parse import urlsplit

from msgspec import structs

from mockserver.errors import UsageError
from mockserver.messages import Handler, Request, Response
from mockserver.server.transport import NAMES, AsyncHandlerTransport, HandlerTransport
from mockserver.server.wire import WireSocket, WireTransport
from mockserver.testing.network import Guard, NetworkRefusedError, canonical, guarded_sockets, installed, refusal

_PORTS = {"http": 80, "https": 443}


class Address(NamedTuple):
    """An address that stands for the mock: calls below its path reach the mock without it."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        return self.scheme, self.host, self.port


def read_address(text: str) -> Address:
    """Read an address; a UsageError says why it is none."""
    try:
        split = urlsplit(text)
        port = split.port
    except ValueError:
        split, port = urlsplit(""), None
    if split.scheme not in _PORTS or not split.hostname or split.query or split.fragment:
        raise UsageError(
            f"{text!r} is no address that can be intercepted", fix="write https://HOST, or https://HOST/PATH"
        )
    return Address(split.scheme, canonical(split.hostname), port or _PORTS[split.scheme], split.path.rstrip("/"))


class Origin:
    """One scheme, host and port whose calls go to a handler."""

    def __init__(self, addresses: Sequence[Address], handler: Handler, waits: Callable[[], bool]) -> None:
        self._addresses = sorted(addresses, key=lambda each: -len(each.path))
        self._handler, self.waits = handler, waits
        self.sync, self.asynchronous = HandlerTransport(self.answer), AsyncHandlerTransport(self.answer, waits=waits)
        self.wires: weakref.WeakSet[Any] = weakref.WeakSet()
        """The connections in memory, which end with the interception."""

    def answer(self, request: Request) -> Response:
        """Answer a call by the mock, without the path of the address; refuse one outside that path."""
        for each in self._addresses:
            if not each.path or request.path == each.path or request.path.startswith(each.path + "/"):
                path = request.path[len(each.path) :] or "/"
                return self._handler(structs.replace(request, path=path, root=each.path))
        known = " and ".join(each.host + each.path for each in self._addresses)
        raise refusal(f"{self._addresses[0].host}{request.path}, which is not below {known},")


class Interception:
    """Calls to some addresses go to a handler, from its start until it is closed."""

    def __init__(
        self,
        addresses: Iterable[str],
        handler: Handler,
        waits: Callable[[], bool],
        allow_network: bool | str | Iterable[str] = False,
    ) -> None:
        named: dict[tuple[str, str, int], list[Address]] = {}
        for each in map(read_address, addresses):
            named.setdefault(each.origin, []).append(each)
        self.origins = {origin: Origin(found, handler, waits) for origin, found in named.items()}
        self.allowed = _read_allowed(allow_network)
        self._is_open = False

    def start(self) -> Self:
        """Begin; the first one patches the libraries."""
        _open(self)
        self._is_open = True
        return self

    def close(self) -> None:
        """End; the last one takes all patches back."""
        if self._is_open:
            self._is_open = False
            _close(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _read_allowed(allowed: Any) -> bool | tuple[str, ...]:
    """Read which hosts may be reached besides; a UsageError says why they cannot be read."""
    if isinstance(allowed, bool):
        return allowed
    hosts = tuple(allowed) if isinstance(allowed, Iterable) and not isinstance(allowed, str | bytes) else (allowed,)
    for each in hosts:
        if not isinstance(each, str) or not each or "/" in each or each.count(":") == 1:
            fix = "write True, or names such as example.com and *.example.com, without a port"
            raise UsageError(f"allow_network names hosts, and {each!r} is none", fix=fix)
    return tuple(map(canonical, hosts))


# -- what is intercepted now

_lock = threading.RLock()
_active: list[Interception] = []
_guard = Guard()
_patches = ExitStack()


def _open(interception: Interception) -> None:
    with _lock:
        if not _active:
            _patches.enter_context(_patched())
        _active.append(interception)
        _guard.rules.append(interception.allowed)


def _close(interception: Interception) -> None:
    with _lock:
        _active.remove(interception)
        _guard.rules.remove(interception.allowed)
        if not _active:
            _patches.close()
            _guard.forget()
    for wires in (_forwarding.wires, *(origin.wires for origin in interception.origins.values())):
        for wire in list(wires):
            wire.end()


def route(scheme: str, host: str, port: int | None) -> Origin | None:
    """Return what intercepts an address, the latest first; None if it may be reached; else NetworkRefusedError."""
    active, number = list(_active), port or _PORTS.get(scheme, 0)
    if not active:  # another tool has put a patch back that was over
        return None
    wanted = (scheme, canonical(host), number)
    for each in reversed(active):
        if wanted in each.origins:
            return each.origins[wanted]
    if not _guard.allows(host):
        raise refusal(f"{scheme}://{host}:{number}")
    return None


# -- the libraries


@contextmanager
def _patched() -> Iterator[None]:
    """Patch all libraries that are installed, and the sockets below them."""
    with ExitStack() as stack:
        for place, name, make in _seams():
            stack.enter_context(patch.object(place, name, make(getattr(place, name))))
        stack.enter_context(guarded_sockets(_guard))
        yield


Seam = tuple[Any, str, Callable[[Callable[..., Any]], Callable[..., Any]]]
"""A class, the name of its method, and what makes the method that intercepts."""


def _seams() -> Sequence[Seam]:
    client = import_module("http.client")
    seams: list[Seam] = [
        (client.HTTPConnection, "connect", _connecting),
        (client.HTTPSConnection, "connect", _connecting),
        (client.HTTPConnection, "putrequest", _putting),
    ]
    for name in NAMES:
        if (library := installed(name)) is not None:
            seams += [
                (library.HTTPTransport, "handle_request", _handling),
                (library.AsyncHTTPTransport, "handle_async_request", _handling_later),
            ]
    if (library := installed("urllib3.connection")) is not None:
        seams += [(each, "connect", _connecting) for each in (library.HTTPConnection, library.HTTPSConnection)]
    if (library := installed("aiohttp.connector")) is not None:
        seams += [
            (library.TCPConnector, "_create_connection", _creating),
            (library.BaseConnector, "_get", _reusing),
        ]
    return seams


def _handling(original: Callable[..., Any]) -> Callable[..., Any]:
    """Intercept the transport of httpx or httpx2."""

    def handle_request(self: Any, request: Any) -> Any:
        with _as_connect_error(request):
            found = route(request.url.scheme, request.url.raw_host.decode(), request.url.port)
            if found is not None:
                return found.sync.handle_request(request)
        return original(self, request)

    return handle_request


def _handling_later(original: Callable[..., Any]) -> Callable[..., Any]:
    """Intercept the async transport of httpx or httpx2."""

    async def handle_async_request(self: Any, request: Any) -> Any:
        with _as_connect_error(request):
            found = route(request.url.scheme, request.url.raw_host.decode(), request.url.port)
            if found is not None:
                return await found.asynchronous.handle_async_request(request)
        return await original(self, request)

    return handle_async_request


@contextmanager
def _as_connect_error(request: Any) -> Iterator[None]:
    """Raise a refusal as what the request's library raises where it cannot connect."""
    try:
        yield
    except NetworkRefusedError as error:
        library = sys.modules[type(request).__module__.partition(".")[0]]
        raise library.ConnectError(str(error), request=request) from error


def _connecting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Intercept a connection of http.client or urllib3."""

    def connect(self: Any) -> None:
        found = _target(self)
        if found is None:
            original(self)
            return
        self.sock = _wire(self, found)
        self.is_verified = True  # or urllib3 would warn

    return connect


def _target(connection: Any) -> "Origin | Forwarding | None":
    """Return what answers on a connection of http.client or urllib3; None if it may lead to its own address."""
    scheme = "https" if connection.default_port == _PORTS["https"] else "http"
    tunnel = getattr(connection, "_tunnel_host", None)
    if tunnel:
        return route("https", tunnel, connection._tunnel_port)
    if getattr(connection, "proxy", None) is not None and _active:  # each request names its whole address
        return _forwarding
    return route(scheme, connection.host, connection.port)


class Forwarding:
    """Answers requests to a forwarding proxy, each by the address in its first line."""

    def __init__(self) -> None:
        self.wires: weakref.WeakSet[Any] = weakref.WeakSet()

    def answer(self, request: Request) -> Response:
        """Answer one request; refuse one for another machine that is not intercepted."""
        split = urlsplit(request.path)
        found = route(split.scheme, split.hostname or "", split.port)
        if found is None:
            raise refusal(f"{request.path} by a proxy")
        return found.answer(structs.replace(request, path=split.path or "/"))


_forwarding = Forwarding()


def _wire(connection: Any, found: Origin | Forwarding) -> WireSocket:
    timeout = connection.timeout
    wire = WireSocket(found.answer, timeout if isinstance(timeout, int | float) else None)
    found.wires.add(wire)
    return wire


def _putting(original: Callable[..., Any]) -> Callable[..., Any]:
    """Let go of a connection that was opened before: it may lead to another machine, or to a mock that is over.

    A request that names its whole address is for a proxy, which might send it on.
    """

    close = import_module("http.client").HTTPConnection.close  # without what a subclass forgets with it

    def putrequest(self: Any, method: str, url: str, *arguments: Any, **named: Any) -> None:
        is_whole = url.startswith(("http://", "https://")) and bool(_active)
        if self.sock is not None and not _may_go_on(self, is_whole=is_whole):
            close(self)
        if is_whole and self.sock is None:
            self.sock = _wire(self, _forwarding)
        original(self, method, url, *arguments, **named)

    return putrequest


def _may_go_on(connection: Any, *, is_whole: bool) -> bool:
    """Return whether an open connection leads where one would be opened now."""
    sock = connection.sock
    try:
        found = _forwarding if is_whole else _target(connection)
    except NetworkRefusedError:
        return False
    if found is not None:
        return sock in found.wires and not sock.closed
    return not isinstance(sock, WireSocket) and _guard.allows(_peer(sock))


def _peer(sock: Any) -> Any:
    try:
        peer = sock.getpeername()
    except OSError:  # it is not connected
        return None
    return peer[0] if isinstance(peer, tuple) else None


def _creating(original: Callable[..., Any]) -> Callable[..., Any]:
    """Intercept a connection of aiohttp."""

    async def _create_connection(self: Any, req: Any, *rest: Any) -> Any:
        found = route(req.url.scheme, req.url.raw_host or "", req.url.port)
        if found is None:
            return await original(self, req, *rest)
        protocol = self._factory()
        transport = WireTransport(protocol, found.answer, found.waits)
        found.wires.add(transport)
        protocol.connection_made(transport)
        return protocol

    return _create_connection


def _reusing(original: Callable[..., Any]) -> Callable[..., Any]:
    """Let aiohttp reuse no connection that leads elsewhere than one that would be opened now."""

    async def _get(self: Any, key: Any, *rest: Any) -> Any:
        found, is_refused = None, False
        try:
            found = route("https" if key.is_ssl else "http", key.host, key.port)
        except NetworkRefusedError:
            is_refused = True
        for protocol, _ in self._conns.get(key, ()):
            is_wire = isinstance(protocol.transport, WireTransport)
            if is_refused or (is_wire if found is None else protocol.transport not in found.wires):
                protocol.close()
        return await original(self, key, *rest)

    return _get
