"""A client that follows streams of events, one after the other or many at once, and notes when what arrives."""

import json
import re
import select
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchmarks.children import Stop

PROMPT = "How do I rotate the keys of an index without any downtime?"
LONGEST = 60.0
"""How long many streams may take together, in seconds."""

_BODY = json.dumps({"index_ids": ["idx-abc123"], "prompt": PROMPT})
_END = b"\r\n0\r\n\r\n"


def turn_request(session_id: str) -> bytes:
    """Give the request for a turn."""
    return (
        f"POST /api/v1/chat/{session_id}/messages/stream HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        "content-type: application/json\r\nauthorization: Bearer any-key\r\n"
        f"content-length: {len(_BODY)}\r\n\r\n{_BODY}"
    ).encode()


@dataclass(slots=True)
class Told:
    """A stream as it arrives: moments are on the clock of time.perf_counter."""

    began: float
    first: float = 0.0
    """When its first event was there."""
    ended: float = 0.0
    parts: list[bytes] = field(default_factory=list)

    def take(self, part: bytes) -> bool:
        """Take what arrived; say whether it was the last."""
        now = time.perf_counter()
        if not part:
            raise Stop("a stream was closed before its end")
        self.parts.append(part)
        if not self.first and b"event:" in b"".join(self.parts):
            self.first = now
        if part.endswith(_END) or (len(part) < len(_END) and b"".join(self.parts[-8:]).endswith(_END)):
            self.ended = now
        return bool(self.ended)

    def events(self) -> list[str]:
        """Give its events, each with its name and its data."""
        head, _, rest = b"".join(self.parts).partition(b"\r\n\r\n")
        if not re.match(rb"HTTP/1.1 200 .*transfer-encoding: chunked", head, re.DOTALL | re.IGNORECASE):
            raise Stop(f"a stream begins wrongly: {head[:300]!r}")
        return b"".join(_chunks(rest)).decode().removesuffix("\n\n").split("\n\n")


def _chunks(rest: bytes) -> Iterator[bytes]:
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        yield rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]


def connected(port: int) -> socket.socket:
    """Give a connection, which sends at once."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def follow(connection: socket.socket, session_id: str) -> Told:
    """Ask for a turn and follow it to its end."""
    request = turn_request(session_id)
    told = Told(time.perf_counter())
    connection.sendall(request)
    while not told.take(connection.recv(65536)):
        pass
    return told


def follow_all(port: int, session_ids: Sequence[str]) -> list[Told]:
    """Ask for a turn of each session at once, each on a connection of its own, and follow all to their ends."""
    connections = [connected(port) for _ in session_ids]
    try:
        poll = select.epoll()
        by_number = {each.fileno(): each for each in connections}
        found: dict[int, Told] = {}
        for connection, session_id in zip(connections, session_ids, strict=True):
            poll.register(connection, select.EPOLLIN)
            found[connection.fileno()] = Told(time.perf_counter())
            connection.sendall(turn_request(session_id))
        deadline = time.perf_counter() + LONGEST
        left = len(found)
        while left:
            if time.perf_counter() > deadline:
                raise Stop(f"{left} of {len(found)} streams did not end within {LONGEST:g} s")
            for number, _ in poll.poll(1.0):
                if found[number].take(by_number[number].recv(65536)):
                    poll.unregister(number)
                    left -= 1
        return list(found.values())
    finally:
        for each in connections:
            each.close()


def in_order(events: Sequence[str]) -> bool:
    """Say whether a turn is whole and in order: its pieces add up to the texts after them, and it ends with its stop.

    So no piece is missing, twice there, or in another's place.
    """
    told = [json.loads(event.partition("data: ")[2]) for event in events]
    pieces = ""
    for event in told:
        if event["type"].endswith("_delta"):
            pieces += event["content"]
        elif event["type"] in ("thinking", "text"):
            if pieces != event["content"]:
                return False
            pieces = ""
    stops = [event["type"] == "stop" and not event["is_error"] for event in told]
    return stops.index(True) == len(stops) - 1 if any(stops) else False
