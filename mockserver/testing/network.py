"""Keeps calls on this machine: every connection to another machine is refused with the place of the call."""

import codecs
import fnmatch
import ipaddress
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Any
from unittest.mock import patch

from mockserver.errors import MockserverError

_PACKAGE = str(Path(__file__).parents[1])
_STANDARD = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
_INSTALLED = ("site-packages", "dist-packages")


class NetworkRefusedError(MockserverError, ConnectionRefusedError):
    """A call to another machine, which a test must not make."""


def refusal(target: str) -> NetworkRefusedError:
    """Describe a refused call: the address, and the place in the caller's code."""
    return NetworkRefusedError(
        f"a call to {target} was refused",
        where=call_place(),
        why="while a test intercepts calls, none may leave this machine",
        fix="intercept this address as well, or permit it: allow_network=['HOST']",
    )


def call_place() -> str:
    """Return the innermost line of the caller's own code: not ours, the standard library's or an installed one's."""
    frames = list(_frames())
    own = next((frame for frame in frames if _is_own(frame.f_code.co_filename)), None)
    if own is None:
        own = next((frame for frame in frames if not frame.f_code.co_filename.startswith((_PACKAGE, *_STANDARD))), None)
    if own is None:
        return "a thread of a library, without a line of yours"
    return f"{own.f_code.co_filename}:{own.f_lineno} in {own.f_code.co_name}"


def _frames() -> Iterator[FrameType]:
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_own(file: str) -> bool:
    outside = file.startswith((_PACKAGE, "<")) or any(part in file for part in _INSTALLED)
    return not outside and not file.startswith(_STANDARD)


def is_local(host: Any) -> bool:
    """Return whether a host is this machine: a loopback address, or a name of one."""
    if isinstance(host, bytes | bytearray):
        host = bytes(host).decode("latin-1")
    if host is None or not isinstance(host, str):
        return True
    name = host.strip("[]").rstrip(".").partition("%")[0].lower()
    if name in ("", "localhost") or name.endswith(".localhost"):
        return True
    address = _address(name)
    return address is not None and (address.is_loopback or address.is_unspecified)


def canonical(host: str) -> str:
    """Return a host as it is compared: in lower case and in ASCII, an address in its shortest form."""
    name = host.strip("[]").rstrip(".").lower()
    address = _address(name)
    return ".".join(map(_in_ascii, name.split("."))) if address is None else str(address)


def _in_ascii(label: str) -> str:
    """Encode a part of a name as the clients do: by the package idna, where it is installed."""
    if label.isascii():
        return label
    encode: Any = codecs.lookup("idna").encode
    with suppress(ImportError):
        encode = partial(import_module("idna").encode, uts46=True)
    try:
        encoded = encode(label)
    except ValueError:  # there is no such name
        return label
    return bytes(encoded if isinstance(encoded, bytes) else encoded[0]).decode()


def installed(name: str) -> Any:
    """Load a library, or return None where it is not installed."""
    if name not in sys.modules and find_spec(name.partition(".")[0]) is None:
        return None
    return import_module(name)


def is_address(host: Any) -> bool:
    """Return whether a host is a number, which needs no look-up."""
    return _address(str(host)) is not None


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(name)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found


class Guard:
    """Which hosts may be reached; `True` is any."""

    def __init__(self) -> None:
        self.rules: list[Any] = []
        """What each block allows: True, or a list of hosts with `*`."""
        self._addresses: set[str] = set()
        """The addresses of allowed names."""

    def allows(self, host: Any) -> bool:
        """Return whether a host is this machine, or is allowed; without rules all are."""
        if is_local(host) or True in self.rules or not self.rules:
            return True
        name = canonical(bytes(host).decode("latin-1") if isinstance(host, bytes | bytearray) else str(host))
        if name in self._addresses:
            return True
        return any(fnmatch.fnmatchcase(name, each) for rule in self.rules if rule for each in rule)

    def forget(self) -> None:
        """Forget the addresses of allowed names."""
        self._addresses.clear()

    def check(self, host: Any, port: Any = None) -> None:
        """Refuse a host that is not allowed."""
        if not self.allows(host):
            raise refusal(f"{host}:{port}" if port is not None else str(host))

    def check_address(self, address: Any) -> None:
        """Refuse an address of a socket; one that is no pair, such as a path, is local."""
        if isinstance(address, tuple) and len(address) >= 2:
            self.check(*address[:2])

    def learn(self, host: Any, found: Any) -> None:
        """Note the addresses of an allowed name."""
        if not is_local(host) and not is_address(host):
            self._addresses |= {canonical(str(each[4][0])) for each in found}


def _connecting(guard: Guard, original: Callable[..., Any]) -> Callable[..., Any]:
    def connect(self: Any, address: Any) -> Any:
        guard.check_address(address)
        return original(self, address)

    return connect


def _sending(guard: Guard, original: Callable[..., Any]) -> Callable[..., Any]:
    def send(self: Any, data: Any, *rest: Any) -> Any:
        if rest:
            guard.check_address(rest[-1])
        return original(self, data, *rest)

    return send


def _resolving(guard: Guard, original: Callable[..., Any]) -> Callable[..., Any]:
    def resolve(host: Any, *rest: Any, **named: Any) -> Any:
        if not is_address(host):
            guard.check(host)
        found = original(host, *rest, **named)
        if isinstance(found, list):
            guard.learn(host, found)
        return found

    return resolve


def _looking_up(guard: Guard, original: Callable[..., Any]) -> Callable[..., Any]:
    """Guard the look-up of an address's name."""

    def look_up(target: Any, *rest: Any) -> Any:
        if not rest:
            guard.check(target)
        elif not rest[0] & import_module("socket").NI_NUMERICHOST:
            guard.check_address(target)
        return original(target, *rest)

    return look_up


# -- uvloop, which does all that without Python's sockets


def _opening(guard: Guard, original: Callable[..., Any]) -> Callable[..., Any]:
    async def open_connection(self: Any, factory: Any, host: Any = None, port: Any = None, **named: Any) -> Any:
        if host is not None:
            guard.check(host, port)
        return await original(self, factory, host, port, **named)

    return open_connection


def _opening_datagrams(guard: Guard, original: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse an endpoint that could send to any address: what it sends cannot be guarded."""

    async def open_endpoint(
        self: Any, factory: Any, local_addr: Any = None, remote_addr: Any = None, **named: Any
    ) -> Any:
        if remote_addr is not None:
            guard.check_address(remote_addr)
        elif (
            isinstance(local_addr, tuple)
            and not _is_loopback(local_addr[0])
            and True not in guard.rules
            and guard.rules
        ):
            raise refusal(f"any address, by datagrams from {local_addr[0]}:{local_addr[1]},")
        return await original(self, factory, local_addr, remote_addr, **named)

    return open_endpoint


def _is_loopback(host: Any) -> bool:
    address = _address(str(host))
    return bool(host) and is_local(host) and not (address is not None and address.is_unspecified)


def _resolving_later(guard: Guard, original: Callable[..., Any]) -> Callable[..., Any]:
    async def resolve(self: Any, host: Any, *rest: Any, **named: Any) -> Any:
        if not is_address(host):
            guard.check(host)
        found = await original(self, host, *rest, **named)
        guard.learn(host, found)
        return found

    return resolve


def _looking_up_later(guard: Guard, original: Callable[..., Any]) -> Callable[..., Any]:
    async def look_up(self: Any, address: Any, flags: int = 0) -> Any:
        if not flags & import_module("socket").NI_NUMERICHOST:
            guard.check_address(address)
        return await original(self, address, flags)

    return look_up


_LATER = (
    ("create_connection", _opening),
    ("create_datagram_endpoint", _opening_datagrams),
    ("getaddrinfo", _resolving_later),
    ("getnameinfo", _looking_up_later),
)


@contextmanager
def guarded_sockets(guard: Guard) -> Iterator[None]:
    """Refuse what is not allowed at the lowest place that Python has: sockets and the resolution of names."""
    socket = import_module("socket")
    with ExitStack() as stack:
        for name, make in (
            ("connect", _connecting),
            ("connect_ex", _connecting),
            ("sendto", _sending),
            ("sendmsg", _sending),
        ):
            original = getattr(socket.socket, name)
            stack.enter_context(patch.object(socket.socket, name, make(guard, original)))
        for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
            stack.enter_context(patch.object(socket, name, _resolving(guard, getattr(socket, name))))
        for name in ("gethostbyaddr", "getnameinfo"):
            stack.enter_context(patch.object(socket, name, _looking_up(guard, getattr(socket, name))))
        loops = installed("uvloop")
        for name, make in _LATER if loops is not None else ():
            stack.enter_context(patch.object(loops.Loop, name, make(guard, getattr(loops.Loop, name))))
        yield
