"""What passes through a proxy is unchanged, and comes as it is sent."""

import gzip
import socket
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.proxy.services import get, json_answer, proxied, raw_service, read_request, sends, talk

PET = {"id": 1, "name": "Rex"}


def test_an_answer_passes_with_its_bytes_and_fields_in_their_order(tmp_path: Path) -> None:
    packed = gzip.compress(b'[{"id": 1, "name": "Rex"}]')
    head = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/\r\nContent-Type: application/json\r\nSet-Cookie: b=2\r\n"
        b"Content-Encoding: gzip\r\nX-Odd:  two  words \r\nDate: Mon, 01 Jan 2024 00:00:00 GMT\r\n"
        b"Content-Length: %d\r\n\r\n" % len(packed)
    )
    with raw_service(sends(head + packed)) as service, proxied(service.url, tmp_path) as proxy:
        fields, _, body = get(proxy.url).partition(b"\r\n\r\n")
    assert body == packed
    assert fields.split(b"\r\n")[1:8] == [
        b"set-cookie: a=1; Path=/",
        b"content-type: application/json",
        b"set-cookie: b=2",
        b"content-encoding: gzip",
        b"x-odd: two  words",
        b"date: Mon, 01 Jan 2024 00:00:00 GMT",
        b"content-length: %d" % len(packed),
    ]
    assert b"x-mock-source: service\r\n" in fields
    assert b"x-mock-fault" not in fields


def test_a_request_passes_with_its_target_fields_and_body(tmp_path: Path) -> None:
    body = b'{"id": 1, "name": "Rex"}'
    sent = (
        b"POST /pets?q=a%%2Fb&&x=%%c3%%a9+ HTTP/1.1\r\nHost: here\r\nX-B: 1\r\nCookie: a=b\r\nX-A: 2\r\nX-B: 3\r\n"
        b"Content-Type: application/json\r\nKeep-Alive: 5\r\nX-Own: secret\r\nTE: trailers\r\n"
        b"Proxy-Authorization: Basic b64\r\nX-Mock-Scope: alice\r\n"
        b"Connection: close, X-Own, Content-Length\r\nContent-Length: %d\r\n\r\n" % len(body)
    ) + body
    answer = json_answer(PET, "201 Created")
    with raw_service(sends(answer)) as service, proxied(service.url + "/base/", tmp_path) as proxy:
        talk(proxy.url, sent)
        host = urlsplit(service.url).netloc.encode()
        assert (
            service.received[0].lower()
            == (
                b"POST /base/pets?q=a%2Fb&&x=%c3%a9+ HTTP/1.1\r\nhost: "
                + host
                + b"\r\nx-b: 1\r\ncookie: a=b\r\nx-a: 2\r\n"
                b"x-b: 3\r\ncontent-type: application/json\r\ncontent-length: 24\r\n\r\n" + body
            ).lower()
        )


def test_a_request_in_chunks_passes_in_chunks(tmp_path: Path) -> None:
    with raw_service(sends(json_answer(PET, "201 Created"))) as service, proxied(service.url, tmp_path) as proxy:
        answer = httpx.post(
            proxy.url + "/pets",
            content=iter([b'{"id": 1, ', b'"name": "Rex"}']),
            headers={"content-type": "application/json"},
        )
        assert answer.status_code == 201
        assert b"content-length" not in service.received[0]
        assert b'{"id": 1, ' in service.received[0]
    assert proxy.exchanges[0].body == b'{"id": 1, "name": "Rex"}'
    assert proxy.exchanges[0].findings == ()


def test_events_arrive_as_they_come(tmp_path: Path) -> None:
    go_on = threading.Event()

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {"n": 1}\n\n')
        assert go_on.wait(10)
        connection.sendall(b'data: {"n": 2}\n\n')

    with (
        raw_service(answer) as service,
        proxied(service.url, tmp_path) as proxy,
        httpx.stream("GET", proxy.url + "/events") as stream,
    ):
        parts = stream.iter_raw()
        assert next(parts) == b'data: {"n": 1}\n\n'
        go_on.set()
        assert b"".join(parts) == b'data: {"n": 2}\n\n'
    assert proxy.exchanges[0].answer == b'data: {"n": 1}\n\ndata: {"n": 2}\n\n'
    assert proxy.exchanges[0].findings == ()


def test_a_slow_body_that_is_no_stream_is_not_held_back_for_long(tmp_path: Path) -> None:
    go_on = threading.Event()

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n[")
        assert go_on.wait(10)
        connection.sendall(b"]")

    with (
        raw_service(answer) as service,
        proxied(service.url, tmp_path) as proxy,
        httpx.stream("GET", proxy.url + "/pets") as stream,
    ):
        parts = stream.iter_raw()
        assert next(parts) == b"["
        go_on.set()
        assert b"".join(parts) == b"]"


def test_a_redirect_is_passed_back_and_not_followed(tmp_path: Path) -> None:
    head = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/elsewhere\r\ncontent-length: 0\r\n\r\n"
    with raw_service(sends(head)) as service, proxied(service.url, tmp_path) as proxy:
        answer = get(proxy.url)
        assert answer.startswith(b"HTTP/1.1 302 ")
        assert b"location: http://127.0.0.1:1/elsewhere" in answer
        assert len(service.received) == 1


def test_what_an_answer_says_of_its_own_connection_is_not_passed_on(tmp_path: Path) -> None:
    own = (b"Connection: close, X-Own", b"X-Own: 1", b"Keep-Alive: timeout=7", b"Proxy-Authenticate: Basic", b"X-B: 2")
    with raw_service(sends(json_answer([PET], "200 OK", *own))) as service, proxied(service.url, tmp_path) as proxy:
        fields = get(proxy.url).partition(b"\r\n\r\n")[0].lower().split(b"\r\n")[1:]
    names = {field.partition(b":")[0] for field in fields}
    assert b"x-b" in names
    assert not names & {b"x-own", b"keep-alive", b"proxy-authenticate"}


@pytest.mark.parametrize(
    ("method", "head"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n"),
        (b"DELETE", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET", b'HTTP/1.1 304 Not Modified\r\netag: "x"\r\ncontent-length: 99\r\n\r\n'),
        (b"GET", b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 304 Not Modified\r\n\r\n"),
    ],
)
def test_answers_without_a_body_have_none(tmp_path: Path, method: bytes, head: bytes) -> None:
    with raw_service(sends(head)) as service, proxied(service.url, tmp_path) as proxy:
        fields, _, body = get(proxy.url, "/pets/1", method=method).partition(b"\r\n\r\n")
    assert fields.split(b" ")[1] in (b"200", b"204", b"304")
    assert body == b""
    assert (b"content-length: 99" in fields) == (method == b"HEAD")
    assert proxy.exchanges[0].findings == ()


def test_a_client_of_http_1_0_gets_no_chunks(tmp_path: Path) -> None:
    chunked = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"
    )
    with raw_service(sends(chunked)) as service, proxied(service.url, tmp_path) as proxy:
        answer = talk(proxy.url, b"GET /pets HTTP/1.0\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n[]")
    assert b"chunked" not in answer


def test_the_control_routes_are_the_proxys_own(tmp_path: Path) -> None:
    with raw_service(sends(json_answer([]))) as service, proxied(service.url, tmp_path) as proxy:
        httpx.get(proxy.url + "/pets")
        journal = httpx.get(proxy.url + "/__mock__/journal").json()
        assert [each["source"] for each in journal["exchanges"]] == ["service"]
        httpx.get(proxy.url + "/openapi.json")
        assert len(service.received) == 2


def test_the_service_learns_that_the_client_has_left(tmp_path: Path) -> None:
    left = threading.Event()

    def answer(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {"n": 1}\n\n')
        connection.settimeout(10)
        if connection.recv(1) == b"":
            left.set()

    with raw_service(answer) as service, proxied(service.url, tmp_path) as proxy:
        with httpx.stream("GET", proxy.url + "/events") as stream:
            next(stream.iter_raw())
        assert left.wait(10)
        deadline = time.monotonic() + 10
        while not proxy.exchanges and time.monotonic() < deadline:
            time.sleep(0.01)
    assert proxy.exchanges[0].answer == b'data: {"n": 1}\n\n'
    assert proxy.exchanges[0].findings == ()


def test_stubs_answer_before_the_service_is_asked(tmp_path: Path) -> None:
    with raw_service(sends(json_answer([]))) as service, proxied(service.url, tmp_path) as proxy:
        stub = {"operation": "createPet", "when": {"name": "Rex"}, "status": 422, "faults": ["truncate"]}
        made = httpx.post(proxy.url + "/__mock__/stubs", json=stub)
        assert made.status_code < 300, made.text
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.post(proxy.url + "/pets", json=PET)
        assert service.received == []
        httpx.post(proxy.url + "/pets", json={"id": 2, "name": "Tom"})
        assert b'"name":"Tom"' in service.received[0]
    assert [each.stub for each in proxy.exchanges] == [1, 0]


def test_read_request_reads_chunks() -> None:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n")
        assert read_request(here).endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("target", [b"http://127.0.0.1:1/pets", b"//127.0.0.1:1/pets", b"/pets@127.0.0.1:1"])
def test_no_target_leads_to_another_host(tmp_path: Path, target: bytes) -> None:
    with raw_service(sends(json_answer([]))) as service, proxied(service.url + "/base", tmp_path) as proxy:
        answer = talk(proxy.url, b"GET " + target + b" HTTP/1.1\r\nhost: 127.0.0.1:1\r\nconnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert service.received[0].startswith(b"GET /base/")
        assert b"\r\nhost: " + urlsplit(service.url).netloc.encode() in service.received[0].lower()


def test_a_stub_without_an_answer_damages_that_of_the_service(tmp_path: Path) -> None:
    with raw_service(sends(json_answer([PET]))) as service, proxied(service.url, tmp_path) as proxy:
        stub = {"operation": "listPets", "faults": {"truncate": 5}, "headers": {"x-added": "1"}}
        httpx.post(proxy.url + "/__mock__/stubs", json=stub).raise_for_status()
        sent = get(proxy.url)
        assert get(proxy.url).endswith(b"]")
    head, _, body = sent.partition(b"\r\n\r\n")
    assert body == b'[{"id'
    assert b"x-added: 1" in head
    assert b"x-mock-source: service" in head
    first = proxy.exchanges[0]
    assert (first.stub, first.source, first.answer) == (1, "service", b'[{"id": 1, "name": "Rex"}]')


def test_a_stream_of_the_service_can_be_cut_by_a_stub(tmp_path: Path) -> None:
    events = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n" + b'data: {"n": 1}\n\n' * 5
    with raw_service(sends(events)) as service, proxied(service.url, tmp_path) as proxy:
        stub = {"operation": "watchPets", "faults": {"cut-stream": 2}}
        httpx.post(proxy.url + "/__mock__/stubs", json=stub).raise_for_status()
        assert get(proxy.url, "/events").count(b"data: ") == 2


def test_an_answer_that_is_too_long_for_a_fault_passes(tmp_path: Path) -> None:
    long = json_answer([{"id": 1, "name": "x" * 5_000}])
    with raw_service(sends(long)) as service, proxied(service.url, tmp_path, max_body=2_000) as proxy:
        httpx.post(
            proxy.url + "/__mock__/stubs", json={"operation": "listPets", "faults": "truncate"}
        ).raise_for_status()
        assert get(proxy.url).endswith(b'"}]')


def test_a_service_may_answer_before_it_has_read_the_request(tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1_000)
            connection.sendall(json_answer({}, "413 Too Large", b"connection: close"))
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass

    threading.Thread(target=serve, daemon=True).start()
    with listener, proxied(f"http://127.0.0.1:{listener.getsockname()[1]}", tmp_path) as proxy:
        assert httpx.post(proxy.url + "/pets", content=b"x" * 5_000_000).status_code == 413


def test_a_client_that_stops_within_its_body_is_refused(tmp_path: Path) -> None:
    head = b"POST /pets HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\ncontent-length: 10\r\n\r\n{"
    with raw_service(sends(b"")) as service, proxied(service.url, tmp_path, timeout=0.3) as proxy:
        assert talk(proxy.url, head).startswith(b"HTTP/1.1 408 ")
        httpx.post(proxy.url + "/__mock__/stubs", json={"operation": "createPet", "status": 422}).raise_for_status()
        assert talk(proxy.url, head).startswith(b"HTTP/1.1 408 ")
