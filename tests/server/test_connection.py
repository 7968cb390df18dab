"""Connections of clients that speak HTTP otherwise: offers to upgrade, HTTP/1.0, heads that never end."""

import logging
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from mockserver.engine import Mock
from mockserver.server import connection
from mockserver.server.connection import AGAIN, SPARE, FullWatch, HeadWatch
from mockserver.server.uvicorn import running
from mockserver.settings import Settings
from tests.conftest import app_of
from tests.talk import TITLE

PATIENCE = 60
BODY = b'{"first_message": "hello"}'
PROMPT = b'{"prompt": "What is new?", "index_ids": ["idx-1"]}'


def head(version: str = "1.1", *more: str, path: str = TITLE, length: int = len(BODY)) -> bytes:
    fields = ["host: x", "authorization: Bearer k", "content-type: application/json", *more]
    fields += [f"content-length: {length}"] if not any("chunked" in each for each in more) else []
    return "\r\n".join([f"POST {path} HTTP/{version}", *fields, "", ""]).encode()


UPGRADES = {
    "curl": ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQCAAAAAAIAAAAA"),
    "websocket": ("connection: upgrade", "upgrade: websocket"),
    "java": ("connection: Upgrade, HTTP2-Settings", "http2-settings: AAEAAEAA", "upgrade: h2c"),
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running(app_of(Mock(Settings(seed=1)))) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[socket.socket]:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as client:
        yield client


def read(client: socket.socket, answers: int = 1) -> list[tuple[bytes, bytes]]:
    """Read answers with a length; gives the head and the body of each."""
    found: list[tuple[bytes, bytes]] = []
    data = b""
    while len(found) < answers:
        while b"\r\n\r\n" not in data:
            data += (part := client.recv(65_536))
            assert part, (found, data)
        fields, data = data.split(b"\r\n\r\n", 1)
        length = int(next(line for line in fields.split(b"\r\n") if line.startswith(b"content-length"))[15:])
        while len(data) < length:
            data += client.recv(65_536)
        found.append((fields, data[:length]))
        data = data[length:]
    return found


@pytest.mark.parametrize("fields", UPGRADES.values(), ids=list(UPGRADES))
@pytest.mark.parametrize("cuts", [(), (10,), (400,), (-4,)], ids=str)
def test_an_offer_to_upgrade_is_ignored_and_the_body_read(
    client: socket.socket, fields: tuple[str, ...], cuts: tuple[int, ...]
) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sent = head("1.1", *fields) + BODY
    for part in (sent[: cuts[0]], sent[cuts[0] :]) if cuts else (sent,):
        client.sendall(part)
    ((fields_, body),) = read(client)
    assert fields_.startswith(b"HTTP/1.1 200 ")
    assert b'"generated_title":"hello..."' in body


def test_a_chunked_body_is_read_after_an_offer_to_upgrade(client: socket.socket) -> None:
    chunks = b"5\r\n" + BODY[:5] + b"\r\n%x\r\n" % len(BODY[5:]) + BODY[5:] + b"\r\n0\r\n\r\n"
    client.sendall(head("1.1", *UPGRADES["curl"], "transfer-encoding: chunked") + chunks)
    ((_, body),) = read(client)
    assert b'"generated_title":"hello..."' in body


def test_the_connection_goes_on_after_an_offer_to_upgrade(client: socket.socket) -> None:
    offered = head("1.1", *UPGRADES["curl"]) + BODY
    summary = b"GET /api/v1/chat/ses-abc123/summary HTTP/1.1\r\nhost: x\r\nauthorization: Bearer k\r\n"
    asked = "\r\n".join([*UPGRADES["websocket"], "", ""]).encode()
    client.sendall(offered + summary + asked + offered + head() + BODY)
    answers = read(client, 4)
    assert [each[0][:13] for each in answers] == [b"HTTP/1.1 200 "] * 4
    assert [b'"hello..."' in each[1] for each in answers] == [True] * 4


def test_a_stream_to_http_1_0_has_no_chunks_and_ends_with_its_connection(client: socket.socket) -> None:
    client.sendall(head("1.0", path="/api/v1/chat/ses-1/messages/stream", length=len(PROMPT)) + PROMPT)
    fields, _, body = b"".join(iter(lambda: client.recv(65_536), b"")).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in fields
    assert b"\r\nconnection: close" in fields
    assert body.startswith(b"event: ")
    assert all(line.startswith((b"event: ", b"data: ")) for line in body.splitlines() if line)
    assert b'"type":"stop"' in body


def test_other_answers_to_http_1_0_have_a_length(client: socket.socket) -> None:
    client.sendall(head("1.0") + BODY)
    data = b"".join(iter(lambda: client.recv(65_536), b""))
    assert b"content-length: " in data
    assert data.endswith(b"}")


@pytest.mark.parametrize("sent", [b"", b"POST /api/v1/chat HTTP/1.1\r\nhost: x", head() + BODY + b"GET / HT"])
def test_a_connection_that_sends_no_whole_head_is_let_go(sent: bytes) -> None:
    with running(app_of(Mock(Settings(seed=1))), head_timeout=0.2) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE) as client:
            client.sendall(sent)
            data = b"".join(iter(lambda: client.recv(65_536), b""))
            assert data.count(b"HTTP/1.1 200 ") == (BODY in sent)


class Fake:
    """A connection as the server keeps it."""

    def __init__(self, cycle: Any = None) -> None:
        self.cycle, self.closed = cycle, False
        self.transport = SimpleNamespace(close=self.close)

    def close(self) -> None:
        self.closed = True


def test_only_what_waits_for_a_head_too_long_is_closed() -> None:
    heads = HeadWatch(10)
    silent, answering = Fake(), Fake(SimpleNamespace(response_complete=False))
    idle, busy = Fake(SimpleNamespace(response_complete=True)), Fake(SimpleNamespace(response_complete=True))
    every = [silent, answering, idle, busy]
    heads.look(every, 0)
    heads.look(every, 9)
    busy.cycle = SimpleNamespace(response_complete=True)  # it was answered once more
    heads.look(every, 10)
    assert [each.closed for each in every] == [True, False, True, False]


def test_connections_that_are_refused_are_told_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connection, "_most_files", lambda: 100)
    full = FullWatch()
    for count, now in ((100 - SPARE - 1, 0.0), (100 - SPARE, 1.0), (100, 2.0), (100, 1.0 + AGAIN)):
        full.look(count, now)
    assert [each.levelno for each in caplog.records] == [logging.ERROR] * 2
    assert "the limit of open files is 100; raise it with ulimit -n" in caplog.text
