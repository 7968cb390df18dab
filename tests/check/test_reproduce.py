"""What is written to see a problem again sends the same requests, as curl and as Python, whatever they hold."""

import http.server
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from mockserver.check.report.reproduce import reproduction
from mockserver.messages import Headers, Request

ODD = random.Random(7).randbytes(60_000)
BODIES = {
    "short": b'{"a": "it\'s"}',
    "nul": b"\x00" * 64,
    "a file's name": b"@/etc/hostname",
    "lines": b"a\r\nb\n\n",
    "no UTF-8": b"\xff\xfe'\"$`\\",
    "long": b'{"a":"' + b"x" * 200_000 + b'"}',
    "long beyond ASCII": b'{"a":"' + "漢".encode() * 70_000 + b'"}',
    "deep": b'{"a":' * 5_000,
    "without repeats": ODD,
    "none": b"",
}

Heard = list[tuple[str, str, str | None, str | None, bytes]]


@pytest.fixture(scope="module")
def listening() -> Iterator[tuple[str, Heard]]:
    """Serve what remembers requests: method, target, key, content type, body."""
    heard: Heard = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            fields = self.headers.get("authorization"), self.headers.get("content-type")
            heard.append((self.command, self.path, *fields, body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", heard
        server.shutdown()


def played(how: str, text: str) -> None:
    command = ["bash", "-c", text] if how == "curl" else [sys.executable, "-c", text]
    subprocess.run(command, env=os.environ | {"A_KEY": "secret"}, check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("how", ["curl", "python"])
@pytest.mark.parametrize("name", BODIES)
def test_a_body_is_sent_whole_and_printed_short(name: str, how: str, listening: tuple[str, Heard]) -> None:
    url, heard = listening
    request = Request("POST", "/x%2Fy", "q=%00", Headers([(b"authorization", b"Bearer secret")]), BODIES[name])
    text = getattr(reproduction(url, [request], "A_KEY"), how)
    heard.clear()
    played(how, text)
    assert heard == [("POST", "/x%2Fy?q=%00", "Bearer secret", None, BODIES[name])]
    assert "secret" not in text
    assert len(text) < (3_000 if name != "without repeats" else 90_000)


@pytest.mark.parametrize("how", ["curl", "python"])
def test_a_trail_is_sent_whole_and_what_follows_itself_stands_once(how: str, listening: tuple[str, Heard]) -> None:
    url, heard = listening
    trail = [Request("POST", "/made", "", Headers(), b"1"), *[Request("GET", "/read")] * 30, Request("GET", "/end")]
    text = getattr(reproduction(url, trail, "A_KEY"), how)
    heard.clear()
    played(how, text)
    assert [each[1] for each in heard] == ["/made", *["/read"] * 30, "/end"]
    assert text.count("/read") == 1


def test_a_key_that_is_wrong_on_purpose_is_no_secret() -> None:
    wrong = Request("GET", "/", "", Headers([(b"authorization", b"Bearer wrong")]))
    again = reproduction("http://127.0.0.1", [wrong], "A_KEY", (), (b"Bearer wrong",))
    assert "Bearer wrong" in again.curl
    assert "Bearer wrong" in again.python
    assert "A_KEY" not in again.curl + again.python
