"""Sends callbacks after an answer: to this machine, unless other hosts are allowed."""

import logging
from collections.abc import Iterable, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from threading import BoundedSemaphore, Thread
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec import structs

from mockserver.messages import Chunk, Response, Stream

MOST_SENDERS = 32
"""How many callbacks are sent at a time; those beyond are dropped."""

TIMEOUT = 10.0
"""Seconds that the receiver of a callback has."""

log = logging.getLogger("mockserver")


class Callback(NamedTuple):
    """A request that is sent after an answer."""

    method: str
    url: str
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""


class CallbackSender:
    """Sends callbacks, each in a thread of its own."""

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._free = BoundedSemaphore(MOST_SENDERS)

    def after(self, response: Response, callbacks: Sequence[Callback]) -> Response:
        """Return an answer at whose end callbacks are sent."""
        stream = response.stream or Stream([Chunk(0.0, response.body)] if response.body else [], lambda _: b"")

        def close(sent: int) -> bytes:
            last = stream.close(sent)
            for each in callbacks:
                self.send(each)
            return last

        return structs.replace(response, stream=stream._replace(close=close))

    def send(self, callback: Callback) -> None:
        """Send a callback without waiting for it; what cannot be sent is logged."""
        why = self._refused(callback.url)
        if not why and not self._free.acquire(blocking=False):
            why = f"{MOST_SENDERS} others are being sent"
        if why:
            log.warning("the callback %s %s is not sent: %s", callback.method, callback.url, why)
            return
        Thread(target=self._deliver, args=(callback,), name="mockserver-callback", daemon=True).start()

    def _refused(self, url: str) -> str:
        """Return why nothing is sent to an address, or ""."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError as error:
            return str(error)
        if parts.scheme not in ("http", "https") or not host:
            return "it is no address of HTTP"
        if host in self._hosts or is_loopback(host):
            return ""
        return f"{host} is another machine; allow it with --callback-hosts {host}"

    def _deliver(self, callback: Callback) -> None:
        parts = urlsplit(callback.url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
        try:
            target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
            fields = {name.decode("latin-1"): value.decode("latin-1") for name, value in callback.headers}
            connection.request(callback.method, target, callback.body, fields)
            status = connection.getresponse().status
            log.info("the callback %s %s was answered with %d", callback.method, callback.url, status)
        except (OSError, HTTPException, ValueError) as error:
            log.warning("the callback %s %s failed: %s", callback.method, callback.url, error)
        finally:
            connection.close()
            self._free.release()


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, by its name or its number alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
