"""What passes is judged, and what is wrong is told: in header fields, in the journal, in the log."""

import gzip
import logging
import socket
import threading
import zlib
from pathlib import Path

import httpx
import pytest

from mockserver.messages import Finding
from mockserver.proxy.judge import MOST_TIMES, Budget, Copy
from tests.proxy.services import Proxied, get, json_answer, proxied, raw_service, sends

WRONG_PET = [{"id": "1", "name": "Rex"}]


def errors(proxy: Proxied) -> list[tuple[str, str]]:
    """Return the faults and places of the errors of the only exchange."""
    (exchange,) = proxy.exchanges
    return [(each.fault, each.where) for each in exchange.findings if each.level == "error"]


def notes(proxy: Proxied) -> list[Finding]:
    (exchange,) = proxy.exchanges
    return [each for each in exchange.findings if each.rule == "unjudged"]


@pytest.mark.parametrize(
    ("path", "answer", "where"),
    [
        ("/pets", json_answer(WRONG_PET), "/response/body/0/id"),
        ("/pets", json_answer([], "201 Created"), "/response/status"),
        ("/pets", json_answer([], "500 Oops"), "/response/status"),
        ("/pets", b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<p>", "/response/header/content-type"),
        ("/pets", b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[{", "/response/body"),
        ("/pets/1", b"HTTP/1.1 404 No\r\ncontent-type: application/json\r\n\r\n[]", "/response/body"),
        (
            "/events",
            b'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {"m": 1}\n\n',
            "/response/body/0",
        ),
    ],
)
def test_a_wrong_answer_is_told(tmp_path: Path, path: str, answer: bytes, where: str) -> None:
    with raw_service(sends(answer)) as service, proxied(service.url, tmp_path) as proxy:
        sent = get(proxy.url, path)
    assert errors(proxy) == [("server", where)]
    assert proxy.proxy.counts.answers == 1
    assert proxy.proxy.counts.fails("response")
    assert not proxy.proxy.counts.fails("request")
    if path != "/events":
        assert b"x-mock-fault: server\r\n" in sent
        assert b"x-mock-pointer: " + where.encode() in sent


def test_a_right_answer_has_no_findings(tmp_path: Path) -> None:
    with (
        raw_service(sends(json_answer([{"id": 1, "name": "Rex"}]))) as service,
        proxied(service.url, tmp_path) as proxy,
    ):
        get(proxy.url)
    assert proxy.exchanges[0].findings == ()
    assert not proxy.proxy.counts.fails("any")


def test_what_is_wrong_in_a_compressed_answer_is_found(tmp_path: Path) -> None:
    packed = gzip.compress(b'[{"id": "1", "name": "Rex"}]')
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\r\n"
    with raw_service(sends(head + packed)) as service, proxied(service.url, tmp_path) as proxy:
        get(proxy.url)
    assert errors(proxy) == [("server", "/response/body/0/id")]


def test_a_wrong_request_is_passed_on_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (
        raw_service(sends(json_answer([]))) as service,
        proxied(service.url, tmp_path) as proxy,
        caplog.at_level(logging.WARNING),
    ):
        answer = httpx.get(proxy.url + "/pets?limit=many")
        assert len(service.received) == 1
    assert answer.status_code == 200
    assert answer.headers["x-mock-fault"] == "client"
    assert answer.headers["x-mock-pointer"] == "/query/limit"
    assert errors(proxy) == [("client", "/query/limit")]
    assert "client: /query/limit" in caplog.text
    assert proxy.proxy.counts.fails("request")
    assert not proxy.proxy.counts.fails("response")


def test_a_wrong_body_of_a_request_is_told_before_the_answer(tmp_path: Path) -> None:
    with (
        raw_service(sends(json_answer({"id": 1, "name": "x"}, "201 Created"))) as service,
        proxied(service.url, tmp_path) as proxy,
    ):
        answer = httpx.post(proxy.url + "/pets", json={"id": "x", "name": "Rex"})
    assert answer.headers["x-mock-pointer"] == "/body/id"
    assert errors(proxy) == [("client", "/body/id")]


def test_a_path_that_is_not_in_the_contract_is_the_clients_fault_and_its_answer_is_not_judged(tmp_path: Path) -> None:
    with raw_service(sends(json_answer([]))) as service, proxied(service.url, tmp_path) as proxy:
        answer = httpx.get(proxy.url + "/dogs")
    assert errors(proxy) == [("client", "/path")]
    assert "no operation of the contract" in answer.headers["x-mock-unjudged"]


@pytest.mark.parametrize(
    "answer",
    [
        json_answer([{"id": 1, "name": "x" * 3_000}]),
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\r\n"
        + gzip.compress(b"[" + b" " * 1_000_000 + b"]"),
    ],
    ids=["long", "bomb"],
)
def test_what_is_longer_than_the_bound_passes_and_is_said_not_to_be_judged(tmp_path: Path, answer: bytes) -> None:
    with raw_service(sends(answer)) as service, proxied(service.url, tmp_path, max_body=2_000) as proxy:
        sent = get(proxy.url)
    assert answer.partition(b"\r\n\r\n")[2] in sent
    assert [each.where for each in notes(proxy)] == ["/response/body"]
    assert b"x-mock-unjudged: not judged: the body is longer than 2000 bytes" in sent
    assert proxy.proxy.counts.unjudged == 1


def test_a_request_that_is_longer_than_the_bound_passes(tmp_path: Path) -> None:
    with (
        raw_service(sends(json_answer({"id": 1, "name": "x"}, "201 Created"))) as service,
        proxied(service.url, tmp_path, max_body=2_000) as proxy,
    ):
        assert httpx.post(proxy.url + "/pets", json={"id": 1, "name": "x" * 3_000}).status_code == 201
        assert b"x" * 3_000 in service.received[0]
    assert [each.where for each in notes(proxy)] == ["/body"]


@pytest.mark.parametrize(
    ("encoding", "body"),
    [(b"br", b"\x0b\x02\x80[]\x03"), (b"gzip", b"damaged"), (b"deflate", zlib.compress(b"[]")[:-3])],
)
def test_an_encoding_that_cannot_be_read_passes(tmp_path: Path, encoding: bytes, body: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: " + encoding + b"\r\n\r\n"
    with raw_service(sends(head + body)) as service, proxied(service.url, tmp_path) as proxy:
        assert get(proxy.url).partition(b"\r\n\r\n")[2].endswith(b"0\r\n\r\n")
    assert (errors(proxy) == []) == (encoding == b"br")
    assert bool(notes(proxy)) == (encoding == b"br")


def test_secrets_are_neither_in_the_journal_nor_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    answer = json_answer([{"id": "topsecret99", "api_key": "hushhush1"}], "200 OK", b"Set-Cookie: sid=cookie77; Path=/")
    with (
        raw_service(sends(answer)) as service,
        proxied(service.url, tmp_path) as proxy,
        caplog.at_level(logging.WARNING),
    ):
        got = httpx.get(proxy.url + "/pets", headers={"authorization": "Bearer topsecret99"})
        assert got.json()[0]["api_key"] == "hushhush1"
        journal = httpx.get(proxy.url + "/__mock__/journal").text
    for secret in ("topsecret99", "hushhush1", "cookie77"):
        assert secret not in journal + caplog.text
    assert "Bearer [redacted]" in journal


def test_a_stream_that_the_client_leaves_is_judged_as_far_as_it_came(tmp_path: Path) -> None:
    gone = threading.Event()

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {"m": 1}\n\ndata: {"n"')
        gone.wait(10)

    with raw_service(answer) as service, proxied(service.url, tmp_path) as proxy:
        with httpx.stream("GET", proxy.url + "/events") as stream:
            next(stream.iter_raw())
        while not proxy.exchanges:
            gone.wait(0.01)
        gone.set()
    assert errors(proxy) == [("server", "/response/body/0")]


def test_scopes_have_their_own_journals(tmp_path: Path) -> None:
    with raw_service(sends(json_answer([]))) as service, proxied(service.url, tmp_path) as proxy:
        httpx.get(proxy.url + "/scope/one/pets")
        httpx.get(proxy.url + "/pets", headers={"x-mock-scope": "two"})
        assert [each.split(b" ")[1] for each in service.received] == [b"/pets", b"/pets"]
        assert not any(b"x-mock-scope" in each for each in service.received)
    assert [len(proxy.mock.exchanges(scope)) for scope in ("one", "two", "default")] == [1, 1, 0]


def test_a_copy_is_bounded_in_bytes_and_in_times_and_gives_them_back() -> None:
    budget = Budget(250_000)
    copy = Copy(200_000, budget)
    for _ in range(150_000):
        copy.add(b"x", 1.0)
    assert (copy.body, copy.why, len(copy.times)) == (b"x" * 150_000, "", MOST_TIMES)
    copy.add(b"y" * 100_000)
    assert (len(copy.body), copy.size) == (150_000, 250_000)
    assert "longer than 200000 bytes" in copy.why
    other = Copy(200_000, budget)
    other.add(b"z" * 150_000)
    assert "in flight" in other.why
    copy.release()
    assert budget.taken == 0
