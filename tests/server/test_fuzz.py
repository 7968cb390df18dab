"""Raw and structured noise on a real socket: no failure, no hang, no request that costs seconds of the processor."""

import json
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from mockserver.messages import Json
from tests.needs import PATIENCE, Running, running
from tests.strategies import own_document, write_document

MOST_WORK = 5.0
"""Seconds of the processor that one request may take; what else the machine does is not counted."""

WHOLE = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
SECONDS = 300
"""How long each server is asked; there are two."""

LONGEST = 200_000

ATOMS = [
    "a", "0", '"', "\\", "\\u0000", "\\ud800", "[", "{", "]", "}", ",", ":", " ", "\n", "é", "😀", "\x00", "%", "%2F",
    "&", "=", "null", "1e9", "-", ".", '{"a":', '["', '"first_message":', '"index_ids":["', "ses-", "../",
    ";", "(a+)+", "bearer ",
]  # fmt: skip

METHODS = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "get", "P\x7fST", ""]
FIELDS = [
    "content-type: application/json", "content-type: text/plain", "content-type: application/json; charset=utf-16",
    "transfer-encoding: chunked", "content-length: 5", "content-length: -1", "content-length: 99999999999999999999",
    "expect: 100-continue", "connection: upgrade", "upgrade: h2c", "connection: close", "prefer: code=404",
    "prefer: example=x, dynamic=true", "prefer: code=" + "9" * 40, "x-mock-scope: a b", "x-mock-scope: a",
    "origin: http://x",
    "cookie: a=b; a=b", "content-encoding: gzip", "accept: */*", "authorization: Basic x",
    "x-stainless-retry-count: -1",
    "user-agent: LlamaCloud/Python 2.8.0", "x-stainless-package-version: " + "9." * 90,
]  # fmt: skip


def hard_document() -> Json:
    """Return a contract whose schemas tempt an engine to try everything."""
    document = own_document()
    note = document["components"]["schemas"]["Note"]
    note["properties"] |= {
        "again": {"type": "string", "pattern": "^(a+)+$"},
        "either": {"type": "string", "pattern": "^(a|aa)+$"},
        "every": {"type": "array", "uniqueItems": True},
        "named": {"type": "object", "patternProperties": {"^(x+x+)+y$": {"type": "integer"}}},
        "one": {"oneOf": [{"type": "object", "properties": {"k": {"const": n}}} for n in range(20)]},
    }
    return document


class Noise:
    """Draws requests: sound ones, ones with something odd in one place, and bytes that are none."""

    def __init__(self, seed: int, paths: list[str], body: Callable[[Random], Json]) -> None:
        self.chance, self._paths, self._body = Random(seed), paths, body

    def text(self, most: int = 40) -> str:
        """Draw a text of a few atoms; now and then of very many."""
        draw = self.chance
        count = draw.randrange(1, 6) if draw.random() < 0.8 else draw.randrange(1, LONGEST // 4)
        return "".join(draw.choices(ATOMS, k=draw.randrange(1, 4))) * min(count, most if count < 6 else count)

    def value(self, depth: int = 3) -> Json:
        """Draw a JSON value."""
        draw = self.chance
        kind = draw.randrange(8)
        if kind < 2 and depth:
            return [self.value(depth - 1) for _ in range(draw.randrange(4))]
        if kind < 4 and depth:
            return {self.text(3)[:50]: self.value(depth - 1) for _ in range(draw.randrange(4))}
        return draw.choice([None, True, 0, -1, 2**63, 1e300, self.text(), "a" * draw.randrange(50_000) + "!"])

    def body(self) -> bytes:
        """Draw a body: right, almost right, or anything."""
        draw, made = self.chance, self._body(self.chance)
        if draw.random() < 0.5 and isinstance(made, dict):
            made[draw.choice([*made, "extra"])] = self.value()
        text = json.dumps(made if draw.random() < 0.7 else self.value())
        return (text if draw.random() < 0.8 else self.text())[:LONGEST].encode("utf-8", "surrogatepass")

    def request(self) -> bytes:
        """Draw a request."""
        draw = self.chance
        path = draw.choice(self._paths)
        if draw.random() < 0.3:
            path = re.sub("ses-1|n1", lambda _: re.sub(r"[\s\x00]", "", self.text(3))[:300], path)
        query = "" if draw.random() < 0.6 else "?" + re.sub(r"[\s\x00]", "", self.text())[:20_000]
        fields = ["host: x", "authorization: Bearer k", *draw.sample(FIELDS, draw.randrange(3))]
        body = self.body() if draw.random() < 0.8 else b""
        if draw.random() < 0.8:
            fields += ["content-type: application/json", f"content-length: {len(body)}"]
        method = draw.choice(METHODS[:4]) if draw.random() < 0.9 else draw.choice(METHODS)
        head = "\r\n".join([f"{method} {path}{query} HTTP/1.1", *fields, "", ""])
        return head.encode("utf-8", "surrogatepass") + body

    def raw(self) -> bytes:
        """Draw a request, and mostly damage its bytes."""
        draw, data = self.chance, bytearray(self.request())
        if draw.random() < 0.6:
            return bytes(data)
        for _ in range(draw.randrange(1, 5)):
            at = draw.randrange(len(data) + 1)
            change = draw.randrange(4)
            if change == 0:
                data[at:at] = bytes(draw.choices(range(256), k=draw.randrange(1, 9)))
            elif change == 1:
                del data[at : at + draw.randrange(1, 40)]
            elif change == 2:
                data[at:at] = data[at : at + draw.randrange(1, 400)] * draw.randrange(1, 9)
            else:
                data = data[:at]
        return bytes(data)


def chat_body(draw: Random) -> Json:
    """Draw a body that fits one of the operations of the chat."""
    ids = ["i" * draw.randrange(1, 3_000) for _ in range(draw.randrange(1, 30))]
    made: list[Json] = [{"first_message": "word " * draw.randrange(9_000)}, {"index_ids": ids}]
    return draw.choice([*made, {"prompt": "why " * draw.randrange(1, 9_000), "index_ids": ids}])


def note_body(draw: Random) -> Json:
    """Draw a note that its contract allows or almost allows."""
    length = draw.randrange(1, 40_000)
    odd: dict[str, Json] = {
        "again": "a" * length + draw.choice(["", "!"]),
        "either": "a" * length + draw.choice(["", "!"]),
        "every": [{"n": n % draw.choice([7, 10**9])} for n in range(length // 8)],
        "named": {"x" * (length // 10) + str(n): n for n in range(3)},
        "one": {"k": draw.randrange(25)},
    }
    return {"id": "n1", "text": "t", **{name: odd[name] for name in draw.sample(sorted(odd), draw.randrange(3))}}


CHAT = "/api/v1/chat"
CHAT_PATHS = [
    CHAT,
    f"{CHAT}/ses-1",
    *(f"{CHAT}/ses-1/{name}" for name in ("title", "summary", "messages/stream")),
    "/x",
]


@pytest.fixture(params=["chat", "own"])
def noisy(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Running, str, Noise]]:
    """Serve in a process of its own, the chat and a contract of one's own; gives it with its port and the noise."""
    seed = Random().randrange(10**9) if WHOLE else 7
    command = [
        sys.executable,
        "-m",
        "mockserver",
        "serve",
        "--port",
        "0",
        "--head-timeout",
        "0.3",
        "--body-timeout",
        "0.3",
    ]
    if request.param == "chat":
        noise = Noise(seed, CHAT_PATHS, chat_body)
    else:
        command += ["--contract", str(write_document(tmp_path, hard_document()))]
        noise = Noise(seed, ["/notes/n1", "/notes/n1/", "/nothing"], note_body)
    with running(command, tmp_path / "server.log") as server:
        port = re.search(r"http://127\.0\.0\.1:(\d+)", server.said("http://127.0.0.1:"))
        assert port is not None
        print(f"seed {seed}")
        yield server, port[1], noise


def work_of(pid: int) -> float:
    """Return the seconds of the processor that a process has used; 0 where the system does not say."""
    with suppress(OSError):
        tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
        return sum(int(each.read_text("ascii").split()[0]) for each in tasks) / 1e9
    return 0.0


def answered(port: str, data: bytes) -> bytes:
    """Send bytes, end the sending, and return the first bytes of what comes back."""
    with suppress(ConnectionError), socket.create_connection(("127.0.0.1", int(port)), timeout=PATIENCE) as connection:
        with suppress(OSError):  # the server has hung up
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
        found = b""
        while len(found) < 12 and (part := connection.recv(65_536)):
            found += part
        while connection.recv(1 << 20):
            pass
        return found
    return b""


@pytest.mark.thorough("ten minutes of noise; a few seconds of it are below")
def test_nothing_that_arrives_fails_or_hangs_the_server(noisy: tuple[Running, str, Noise]) -> None:
    make_noise(*noisy, SECONDS)


def test_a_little_noise_neither_fails_nor_hangs_the_server(noisy: tuple[Running, str, Noise]) -> None:
    make_noise(*noisy, 4)


def make_noise(server: Running, port: str, noise: Noise, seconds: float) -> None:
    """Send noise for some time, and look at each answer and at what it cost."""
    end, count = time.monotonic() + seconds, 0
    before = work_of(server.pid)
    while time.monotonic() < end or count < 100:
        data = noise.raw()
        answer = answered(port, data)
        spent = work_of(server.pid) - before
        assert spent < MOST_WORK, f"{spent:.1f} s of the processor for request {count}: {data[:300]!r}... {len(data)}"
        status = re.match(rb"HTTP/1\.1 (\d{3})", answer)
        assert not answer or status is not None, (answer, data[:300])
        assert status is None or int(status[1]) < 500, (answer, data[:300])
        before, count = before + spent, count + 1
    assert server.process.poll() is None
    written = server.log.read_text("utf-8", "replace")
    assert "Traceback" not in written, written
    assert "the mock failed" not in written, written
