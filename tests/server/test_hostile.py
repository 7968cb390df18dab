"""Whatever arrives on a real socket is answered with less than 500 or hung up on, and the server serves on."""

import errno
import http.client
import json
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mockserver.engine import Mock
from mockserver.messages import LONGEST_HEADERS, LONGEST_TARGET, Headers, Request
from mockserver.server.uvicorn import running
from mockserver.settings import Settings
from tests.conftest import app_of
from tests.needs import PATIENCE
from tests.talk import MESSAGE, TITLE

MOST_WORK = 5.0
"""Seconds of the processor that one request may take; what else the machine does is not counted."""

MAX_BODY = 200_000
GOOD = json.dumps({"first_message": MESSAGE}).encode()
NESTED = [("[", "]"), ('{"a":', "}")]


class Server(NamedTuple):
    """Where a mock listens."""

    host: str
    port: int


class Answer(NamedTuple):
    """What came back: the status, 0 for a connection closed without an answer; the headers; the body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_refusal(self) -> bool:
        """Say whether the request was refused, or hung up on, as the caller's own fault."""
        return self.status == 0 or 400 <= self.status < 500


CLOSED = Answer(0, {}, b"")


def where(url: str) -> Server:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return Server(host, int(port))


@pytest.fixture(scope="module", params=["h11", None])
def listening(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Serve a mock with each of the two HTTP implementations."""
    mock = Mock(Settings(seed=0, max_body=MAX_BODY))
    with running(app_of(mock), http=request.param) as url:
        yield where(url)


@pytest.fixture
def server(listening: Server) -> Iterator[Server]:
    """Give the running mock, and see after the test that it still gives a title."""
    yield listening
    assert_serves(listening)


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(server, timeout=PATIENCE) as connection:
        yield connection


def received(connection: socket.socket, method: str = "POST") -> Answer:
    """Read one answer; a connection that is closed without one is an answer, one that stays silent is a failure."""
    response = http.client.HTTPResponse(connection, method=method)
    try:
        response.begin()
        return Answer(response.status, {key.lower(): text for key, text in response.getheaders()}, response.read())
    except (ConnectionError, http.client.BadStatusLine, http.client.IncompleteRead):
        return CLOSED
    finally:
        response.close()


def send(connection: socket.socket, data: bytes) -> None:
    """Send all, or as much as is taken before the server hangs up."""
    try:
        connection.sendall(data)
    except ConnectionError:
        return


def told(server: Server, data: bytes, method: str = "POST") -> Answer:
    """Send one complete request as it is, and give what comes back."""
    with connected(server) as connection:
        send(connection, data)
        return received(connection, method)


def head(*fields: str | bytes, target: str | bytes = TITLE, method: str = "POST", key: bool = True) -> bytes:
    """Write the head of a request."""
    line = b" ".join([method.encode(), target if isinstance(target, bytes) else target.encode(), b"HTTP/1.1"])
    lines = [line, b"Host: mock", *([b"Authorization: Bearer any-key"] if key else [])]
    lines += [field if isinstance(field, bytes) else field.encode("latin-1") for field in fields]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def post(
    body: bytes, *fields: str | bytes, content_type: str = "application/json", target: str | bytes = TITLE
) -> bytes:
    """Write a whole request with a body."""
    stated = [f"Content-Type: {content_type}"] if content_type else []
    return head(*stated, f"Content-Length: {len(body)}", *fields, target=target) + body


def assert_serves(server: Server) -> None:
    answer = told(server, post(GOOD))
    assert (answer.status, json.loads(answer.body)["generated_title"]) == (200, MESSAGE + "...")


# Bodies


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"\x00", 422),
        (b'{"first_message":"\x00"}', 422),
        (b'{"first_message":"\\u0000"}', 200),
        (b'{"first_message":"\xff\xfe"}', 400),
        (b"\xff\xfe\xff", 400),
        (b'{"first_message":"\\ud800"}', 422),
        (b'{"first_message":"\xed\xa0\x80"}', 422),
        (b'{"first_message":"x","other":"\\ud800"}', 200),
        (b'{"first_message":NaN}', 422),
        (b'{"first_message":"x","other":[NaN,-Infinity]}', 200),
        (b'{"first_message":"x","first_message":"y"}', 200),
        (b'{"first_message":1e999}', 422),
        (b'{"first_message":' + b"9" * 10_000 + b"}", 400),
        (b'{"first_message":1e' + b"9" * 10_000 + b"}", 422),
        (b'{"first_message":"x","other":-0.' + b"0" * 10_000 + b"1}", 200),
        (b'{"first_message":' + b'"' + b"\\" * 99_999 + b'"}', 422),
        (b"{" + b'"a":1,' * 30_000 + b'"first_message":"x"}', 200),
        (b" " * 100_000 + GOOD, 200),
    ],
)
def test_a_strange_body_gets_its_verdict(server: Server, body: bytes, status: int) -> None:
    assert told(server, post(body)).status == status


@pytest.mark.parametrize(("opening", "closing"), NESTED)
@pytest.mark.parametrize("depth", [100, 900])
def test_a_deep_body_is_refused_as_what_it_is(server: Server, opening: str, closing: str, depth: int) -> None:
    answer = told(server, post((opening * depth + "1" + closing * depth).encode()))
    assert answer.status == 422
    assert json.loads(answer.body)["detail"][0]["loc"][0] == "body"


@pytest.mark.parametrize(("opening", "closing"), NESTED)
@pytest.mark.parametrize("message", ["x", "é", "\\ud834\\udd1e"])
@pytest.mark.parametrize("depth", [100, 900])
def test_a_deep_value_in_a_field_that_no_one_reads_does_no_harm(
    server: Server, opening: str, closing: str, message: str, depth: int
) -> None:
    body = f'{{"other":{opening * depth}1{closing * depth},"first_message":"{message}"}}'
    assert told(server, post(body.encode())).status == 200


@pytest.mark.parametrize(("opening", "closing"), NESTED)
@pytest.mark.parametrize("prefix", ["", '{"first_message":"x","other":'])
def test_a_body_too_deep_to_read_is_refused(prefix: str, opening: str, closing: str) -> None:
    with running(app_of(Mock(Settings(seed=0)))) as url:
        body = prefix + opening * 100_000 + "1" + closing * 100_000 + ("}" if prefix else "")
        assert told(where(url), post(body.encode())).status == 400


@pytest.mark.parametrize("message", ["x", "é", "\\ud800"])
def test_there_is_no_depth_between_read_and_refused_at_which_the_mock_fails(server: Server, message: str) -> None:
    with connected(server) as connection:
        for depth in range(950, 1000):
            body = f'{{"first_message":"{message}","other":{"[" * depth}{"]" * depth}}}'
            send(connection, post(body.encode()))
            assert received(connection).status in (200, 400, 422)


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "x", "application/", "\xff", "a" * 10_000, "application/json;" * 999]
)
def test_a_strange_content_type_gets_a_verdict(server: Server, content_type: str) -> None:
    assert told(server, post(GOOD, content_type=content_type)).status in (200, 422)


def test_a_body_of_the_longest_size_is_read(server: Server) -> None:
    body = GOOD + b" " * (MAX_BODY - len(GOOD))
    assert told(server, post(body)).status == 200
    assert told(server, post(body + b" ")).status == 413


def test_a_body_declared_too_long_is_refused_before_it_is_sent(server: Server) -> None:
    answer = told(server, head("Content-Type: application/json", "Content-Length: 1000000000000"))
    assert answer.status == 413
    assert answer.headers["connection"] == "close"
    assert answer.headers["x-mock-pointer"] == "/body"


def test_a_body_declared_too_long_is_refused_at_its_first_bytes(server: Server) -> None:
    answer = told(server, head("Content-Type: application/json", "Content-Length: 1000000000000") + b"{")
    assert (answer.status, answer.headers["connection"]) == (413, "close")


def chunked(body: bytes, size: int = 8192) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def test_a_body_in_chunks_is_read_up_to_the_longest_size(server: Server) -> None:
    start = head("Content-Type: application/json", "Transfer-Encoding: chunked")
    fitting = GOOD + b" " * (MAX_BODY - len(GOOD))
    assert told(server, start + chunked(fitting)).status == 200
    assert told(server, start + chunked(GOOD, 1)).status == 200
    assert told(server, start + chunked(fitting + b" ")).status == 413


def test_a_body_in_chunks_without_end_is_refused_when_it_grows_too_long(server: Server) -> None:
    start = head("Content-Type: application/json", "Transfer-Encoding: chunked")
    with connected(server) as connection:
        send(connection, start)
        for _ in range(2 * MAX_BODY // 8192):
            send(connection, b"2000\r\n" + b" " * 8192 + b"\r\n")
        answer = received(connection)
    assert answer in (CLOSED, answer._replace(status=413))


@pytest.mark.parametrize("sent", [b"", b'{"first'])
def test_a_caller_that_leaves_before_its_body_is_sent_is_let_go(server: Server, sent: bytes) -> None:
    with connected(server) as connection:
        send(connection, head("Content-Type: application/json", "Content-Length: 100") + sent)
        connection.shutdown(socket.SHUT_WR)
        assert received(connection).is_refusal


@pytest.mark.parametrize("sent", [b"", b'{"first'])
@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_a_body_that_never_arrives_is_408(http: Literal["h11", "httptools"], framing: str, sent: bytes) -> None:
    with running(app_of(Mock(Settings(body_timeout=0.2))), http=http) as url:
        data = b"%x\r\n%s\r\n" % (len(sent), sent) if sent and "chunked" in framing else sent
        answer = told(where(url), head("Content-Type: application/json", framing) + data)
    assert (answer.status, answer.headers.get("connection")) == (408, "close")


# Headers


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(["X-Long: " + "x" * 1_000_000], id="a-megabyte"),
        pytest.param(["X-Long: " + "x" * (LONGEST_HEADERS + 1)], id="just-too-long"),
        pytest.param([f"X-{number}: {'x' * 200}" for number in range(1000)], id="a-thousand-long"),
        pytest.param(["X-Nul: a\x00b"], id="nul"),
        pytest.param(["Content-Length: ten"], id="length-is-no-number"),
        pytest.param(["Content-Length: -1"], id="length-is-negative"),
        pytest.param(["Content-Length: 5", "Content-Length: 6"], id="two-lengths"),
        pytest.param(["Content-Length: 1" + "0" * 400], id="length-of-400-digits"),
        pytest.param(["Content-Length: +5"], id="length-with-a-sign"),
        pytest.param(["Transfer-Encoding: gzip"], id="unknown-coding"),
        pytest.param(["Transfer-Encoding: gzip, chunked"], id="two-codings"),
        pytest.param(["no colon"], id="no-colon"),
        pytest.param([": empty"], id="no-name"),
        pytest.param(["Sp ace: x"], id="space-in-name"),
        pytest.param(["X: \x01\x7f"], id="control-characters"),
    ],
)
def test_an_absurd_header_is_refused_or_hung_up_on(server: Server, fields: list[str]) -> None:
    assert told(server, head("Content-Type: application/json", *fields) + GOOD).status < 500


def test_headers_that_are_merely_many_do_no_harm(server: Server) -> None:
    fields = [f"X-{number}: {number}" for number in range(1000)]
    assert told(server, post(GOOD, *fields)).status in (200, 431, 400)


def test_folded_and_raw_headers_do_no_harm(server: Server) -> None:
    assert told(server, post(GOOD, "X-Folded: a\r\n b\r\n\tc")).status in (200, 400)
    assert told(server, post(GOOD, b"X-Raw: \xff\xfe\xe9")).status == 200


@pytest.mark.parametrize(
    "prefer",
    [
        "code=abc",
        "code=99999999999999999999",
        "code=-1",
        "code=\xb2\xb2\xb2",
        "code",
        "code=",
        "code=200",
        "code=999",
        "example=",
        'example="',
        'example="\\',
        "example=nothing",
        "example=../../etc/passwd",
        "dynamic=maybe",
        "seed=" + "9" * 1000,
        "seed=1.5",
        "seed=\xb9",
        "=",
        ",,,;;;",
        '"""',
        "respond-async, wait=10",
        "\xff",
        "code=404, code=200",
        "code=404;example=x, seed=1",
        'a="' * 2000,
        "a=" * 3000,
        " \t" * 3000,
        "a " * 3000,
    ],
)
def test_an_odd_preference_is_answered(server: Server, prefer: str) -> None:
    answer = told(server, post(GOOD, f"Prefer: {prefer}"))
    assert answer.status in (200, 400, 404)


@pytest.mark.parametrize(
    "name", ["Authorization", "Cookie", "User-Agent", "X-Stainless-Package-Version", "Origin", "Accept", "Host"]
)
@pytest.mark.parametrize(
    "text", ["", "\xff" * 100, "=" * 5000, ";" * 5000, "LlamaCloud/Python 99999999999.1", '"', "0.0"]
)
def test_an_odd_header_of_any_known_name_is_answered(server: Server, name: str, text: str) -> None:
    assert told(server, post(GOOD, f"{name}: {text}")).status < 500
    assert told(server, head(f"{name}: {text}", target="/api/v1/chat", method="GET", key=False), "GET").status < 500


# Paths


@pytest.mark.parametrize(
    "target",
    [
        "//",
        "/..",
        "/../../etc/passwd",
        "/api/v1/chat/../chat",
        "/api/v1/chat/%00/title",
        "/api/v1/chat/%FF/title",
        "/api/v1/chat/%zz/title",
        "/api/v1/chat/%/title",
        "/api/v1/chat/%2e%2e%2f/title",
        b"/api/v1/chat/\xff\xfe/title",
        "/api/v1/chat/\u00e9/title",
        b"/\x01",
        b"/api/v1/chat/a\tb/title",
        "/" * 5000,
        "/a" * 5000,
        "/api/v1/chat/" + "x" * 10_000 + "/title",
        "/api/v1/chat/" + "%25" * 3_000 + "/title",
        TITLE + "/" * 5000,
        "/" + "x" * LONGEST_TARGET,
        "/" + "x" * 1_000_000,
        TITLE + "?" + "x" * LONGEST_TARGET,
        TITLE + "?" + "a&" * 7000,
        TITLE + "?" + "project_id=" * 1200,
        TITLE + "?" + "%" * 9000,
        TITLE + "#fragment",
        "http://mock" + TITLE,
        "http://[::1",
        "http://",
        "mock:80",
        "*",
        "?",
        "",
        "api/v1/chat",
        "/__mock__/../..",
        "/__mock__/\x00",
        "/openapi.json?contract=%00",
        "/openapi.json?contract=../../x",
    ],
)
@pytest.mark.parametrize("method", ["POST", "OPTIONS"])
def test_an_absurd_path_is_answered_or_hung_up_on(server: Server, target: str | bytes, method: str) -> None:
    fields = ("Content-Type: application/json", f"Content-Length: {len(GOOD)}")
    assert told(server, head(*fields, target=target, method=method) + GOOD).status < 500


@pytest.mark.parametrize("target", ["/" + "x" * LONGEST_TARGET, TITLE + "?" + "x" * LONGEST_TARGET])
def test_a_target_that_is_too_long_is_refused_as_such(server: Server, target: str) -> None:
    answer = told(server, post(GOOD, target=target))
    assert answer.status in (414, 400, 431), "h11 has a limit of its own"


# Conversations


def test_requests_sent_at_once_are_answered_in_their_order(server: Server) -> None:
    wanted = [200, 422, 404, 200, 401]
    requests = [
        post(GOOD),
        post(b"{}"),
        post(GOOD, target="/nowhere"),
        post(GOOD, content_type="application/vnd.api+json"),
        head("Content-Length: 0", key=False),
    ]
    with connected(server) as connection, connection.makefile("rb") as stream:
        send(connection, b"".join(requests))
        statuses = []
        for _ in wanted:
            statuses.append(int(stream.readline().split()[1]))
            length = 0
            while (line := stream.readline()) != b"\r\n":
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            stream.read(length)
    assert statuses == wanted


def test_a_caller_that_waits_to_be_told_to_continue_is_told(server: Server) -> None:
    with connected(server) as connection:
        start = head("Content-Type: application/json", f"Content-Length: {len(GOOD)}", "Expect: 100-continue")
        send(connection, start)
        assert connection.recv(25).startswith(b"HTTP/1.1 100 Continue")
        send(connection, GOOD)
        assert received(connection).status == 200


def test_another_expectation_does_no_harm(server: Server) -> None:
    assert told(server, post(GOOD, "Expect: miracles")).status < 500


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"\x00" * 1000,
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"GET / HTTP/1.1\n\n",
        b"G" * 100_000,
        head("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: x", method="GET"),
        head("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: x", method="GET"),
        head(method="CONNECT", target="mock:443"),
        head("Content-Type: application/json", "Transfer-Encoding: chunked") + b"zz\r\n",
        head("Content-Type: application/json", "Transfer-Encoding: chunked") + b"-1\r\n",
        head("Content-Type: application/json", "Transfer-Encoding: chunked") + b"f" * 40 + b"\r\n",
        head("Content-Length: 5", "Transfer-Encoding: chunked") + chunked(GOOD),
    ],
)
def test_what_is_no_request_is_refused_or_hung_up_on(server: Server, data: bytes) -> None:
    for status in statuses_until_the_end(server, data):
        assert status < 500


def statuses_until_the_end(server: Server, data: bytes) -> list[int]:
    """Send bytes and say that they were all; give the status of each answer until the server hangs up, as it must."""
    with connected(server) as connection:
        send(connection, data)
        try:
            connection.shutdown(socket.SHUT_WR)
            got = b""
            while part := connection.recv(65_536):
                got += part
        except ConnectionError:
            return []
        except OSError as error:
            if error.errno != errno.ENOTCONN:  # a server that reset the connection before: Python has no class for it
                raise
            return []
    return [int(line.split()[1]) for line in got.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]


request_pieces = st.lists(
    st.binary(max_size=20)
    | st.sampled_from(
        [
            *(b"POST ", b"GET ", b"OPTIONS * ", TITLE.encode(), b"/api/v1/chat", b"?project_id=", b"%", b"\xff"),
            *(
                b" HTTP/1.1\r\n",
                b" HTTP/1.0\r\n",
                b"\r\n",
                b"\r\n\r\n",
                b"\n",
                b": ",
                b"Host: mock\r\n",
                b"Origin: x\r\n",
            ),
            *(b"Authorization: Bearer k\r\n", b"Connection: close\r\n", b"Content-Type: application/json\r\n"),
            *(
                b"Content-Length: 21\r\n",
                b"Transfer-Encoding: chunked\r\n",
                b"Expect: 100-continue\r\n",
                b"Prefer: code=",
            ),
            *(b'{"first_message":"x"}', b"15\r\n", b"0\r\n\r\n"),
        ]
    ),
    max_size=14,
).map(b"".join)


@settings(max_examples=max(20, settings().max_examples // 2))
@given(data=request_pieces | st.binary(max_size=200))
@example(data=head("Content-Length: 21") + b'{"first_message":"x"}POST ')
def test_drawn_bytes_are_answered_below_500_and_hung_up_on(listening: Server, data: bytes) -> None:
    assert all(status < 500 for status in statuses_until_the_end(listening, data))
    assert_serves(listening)


def test_many_callers_that_say_nothing_keep_no_one_waiting(server: Server) -> None:
    silent: list[socket.socket] = []
    try:
        for index in range(100):
            silent.append(socket.create_connection(server, timeout=PATIENCE))
            silent[-1].sendall(b"" if index % 2 else head("Content-Length: 10")[:-2])
        assert_serves(server)
    finally:
        for connection in silent:
            connection.close()


def test_a_limit_of_no_bytes_refuses_every_body(serve: Callable[..., str]) -> None:
    server = where(serve(max_body=0))
    assert told(server, post(GOOD)).status == 413
    assert told(server, head("Content-Length: 0")).status == 422


LONG = [
    (b"prefer", b"a," + b" " * 100_000 + b",b"),
    (b"prefer", b'code="' * 15_000),
    (b"prefer", b'a="' + b"\\" * 100_000),
]


@pytest.mark.parametrize("field", LONG, ids=["spaces", "quotes", "backslashes"])
def test_a_long_preference_hangs_nobody(field: tuple[bytes, bytes]) -> None:
    fields = [(b"authorization", b"Bearer k"), (b"content-type", b"application/json"), field]
    started = time.thread_time()
    response = Mock(Settings()).handle(
        Request("POST", "/api/v1/chat/s/title", "", Headers(fields), b'{"first_message":"x"}')
    )
    assert response.status == 400
    assert time.thread_time() - started < MOST_WORK


BROAD = [
    ("/api/v1/chat/s/messages/stream", b'{"prompt":"x","index_ids":[' + b"1," * 500_000 + b"1]}"),
    ("/api/v1/chat/s/title", b'{"first_message":[' + b"[]," * 340_000 + b"[]]}"),
    ("/api/v1/chat", b'{"index_ids":[' + b"{}," * 340_000 + b"{}]}"),
]


@pytest.mark.parametrize(("path", "body"), BROAD, ids=["many-wrong-items", "large-echo", "too-many"])
def test_a_body_with_very_much_wrong_is_refused_soon_and_shortly(path: str, body: bytes) -> None:
    fields = [(b"authorization", b"Bearer k"), (b"content-type", b"application/json")]
    mock = Mock(Settings())
    assert mock.handle(Request("POST", path, "", Headers(fields), b"{}")).status in (201, 422)  # all is loaded
    assert len(body) <= mock.settings.max_body
    started = time.thread_time()
    response = mock.handle(Request("POST", path, "", Headers(fields), body))
    assert response.status == 422
    assert len(response.body) < 2 * len(body)
    assert time.thread_time() - started < MOST_WORK
