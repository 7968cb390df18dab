"""Whatever a service does, its client gets the answer as it is, a 502 that says so, or a cut; never a hang."""

import socket
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.proxy.services import get, proxied, raw_service, sends

OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize(
    "parts",
    [
        (b"",),
        (b"nonsense\r\n\r\n",),
        (b"HTTP/1.1 abc OK\r\n\r\n",),
        (b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n",),
        (b"HTTP/1.1 99 Odd\r\ncontent-length: 0\r\n\r\n",),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nx-big: " + b"a" * 1_000_000 + b"\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\n" + b"x-many: 1\r\n" * 100_000 + b"\r\n",),
        (b"HTTP/1.1 200 OK\r\nbad name: 1\r\ncontent-length: 0\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\nx-a: \x01\x02\r\ncontent-length: 0\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",),
        (b"HTTP/1.1 200 OK\r\ncontent-type: application/js",),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: zip\r\n\r\n",),
    ],
)
def test_what_is_no_answer_becomes_a_502_that_says_whose_fault_it_is(tmp_path: Path, parts: tuple[bytes, ...]) -> None:
    with raw_service(sends(*parts)) as service, proxied(service.url, tmp_path) as proxy:
        answer = httpx.get(proxy.url + "/pets", timeout=10)
    assert answer.status_code == 502
    assert answer.headers["x-mock-fault"] == "server"
    assert service.url in answer.json()["detail"]
    assert proxy.exchanges[0].status == 502
    assert proxy.proxy.counts.fails("response")


def test_a_service_that_is_not_there_is_a_502(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with proxied(f"http://127.0.0.1:{port}", tmp_path) as proxy:
        answer = httpx.post(proxy.url + "/pets", json={"id": "x"})
    assert answer.status_code == 502
    assert answer.headers["x-mock-fault"] == "server"
    assert f"http://127.0.0.1:{port} gave no answer" in answer.headers["x-mock-message"]


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"content-length: 10\r\n\r\n[]",
        OK + b"transfer-encoding: chunked\r\n\r\n2\r\n[]\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n2\r\n[]\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    ],
)
def test_an_answer_that_breaks_off_breaks_off_for_the_client(tmp_path: Path, answer: bytes) -> None:
    with (
        raw_service(sends(answer)) as service,
        proxied(service.url, tmp_path) as proxy,
        pytest.raises(httpx.RemoteProtocolError),
    ):
        httpx.get(proxy.url + "/pets", timeout=10)
    (exchange,) = proxy.exchanges
    assert [each.where for each in exchange.findings if "broke off" in each.message] == ["/response"]
    assert proxy.proxy.counts.fails("response")


def test_more_bytes_than_the_length_says_are_left_out(tmp_path: Path) -> None:
    with (
        raw_service(sends(OK + b"content-length: 2\r\n\r\n[]{}HTTP/1.1 200 OK\r\n\r\n")) as service,
        proxied(service.url, tmp_path) as proxy,
    ):
        assert httpx.get(proxy.url + "/pets").text == "[]"
        assert httpx.get(proxy.url + "/pets").text == "[]"


@pytest.mark.parametrize("begin", [b"", OK, OK + b"content-length: 10\r\n\r\n["])
def test_a_service_that_falls_silent_is_given_up(tmp_path: Path, begin: bytes) -> None:
    over = threading.Event()

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(begin)
        over.wait(20)

    with raw_service(answer) as service, proxied(service.url, tmp_path, timeout=0.4) as proxy:
        if begin.endswith(b"["):
            with pytest.raises(httpx.RemoteProtocolError):
                httpx.get(proxy.url + "/pets", timeout=10)
        else:
            answered = httpx.get(proxy.url + "/pets", timeout=10)
            assert answered.status_code == 502
            assert "within 0.4 s" in answered.json()["detail"]
        over.set()


def test_a_head_that_drips_for_ever_is_given_up(tmp_path: Path) -> None:
    over = threading.Event()

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nx-long: ")
        while not over.wait(0.05):
            connection.sendall(b"a")

    with raw_service(answer) as service, proxied(service.url, tmp_path, timeout=0.4) as proxy:
        assert httpx.get(proxy.url + "/pets", timeout=10).status_code == 502
        over.set()


def test_a_stream_without_an_end_does_not_keep_the_proxy_from_stopping(tmp_path: Path) -> None:
    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        while True:
            connection.sendall(b'data: {"n": 1}\n\n')
            time.sleep(0.01)

    with (
        raw_service(answer) as service,
        proxied(service.url, tmp_path, max_body=1_000) as proxy,
        httpx.stream("GET", proxy.url + "/events") as stream,
    ):
        parts = stream.iter_raw()
        assert sum(len(next(parts)) for _ in range(100)) > 1_000
        began = threading.Event()
        began.wait(0.01)
    (exchange,) = proxy.exchanges
    assert [each.rule for each in exchange.findings] == ["unjudged"]
    assert proxy.proxy.budget.taken == 0


def test_a_client_that_reads_nothing_holds_no_more_than_a_few_parts(tmp_path: Path) -> None:
    sent = [0]
    over = threading.Event()

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.settimeout(0.5)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/octet-stream\r\n\r\n")
        try:
            while sent[0] < 200_000_000:
                sent[0] += connection.send(b"x" * 65_536)
        except TimeoutError:
            over.set()

    with (
        raw_service(answer) as service,
        proxied(service.url, tmp_path) as proxy,
        httpx.stream("GET", proxy.url + "/pets") as stream,
    ):
        assert over.wait(20)
        assert stream.status_code == 200
    assert sent[0] < 100_000_000


def test_a_request_whose_head_is_too_long_is_refused(tmp_path: Path) -> None:
    with raw_service(sends(OK)) as service, proxied(service.url, tmp_path) as proxy:
        assert (
            get(
                proxy.url, "/pets", b"x-long: " + b"a" * 60_000, b"x-more: " + b"a" * 60_000, b"x-z: " + b"a" * 20_000
            ).split(b" ")[1]
            == b"431"
        )
        assert service.received == []
