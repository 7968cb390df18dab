"""What HTTP libraries send to an address reaches the mock, what they send elsewhere is refused, nothing goes out."""

import asyncio
import http.client
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from importlib import import_module
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3

from mockserver.apis.llamacloud_chat.testing import ChatMockServer, connect
from mockserver.apis.llamacloud_chat.testing import open_mock as open_chat
from mockserver.control.app import make_app
from mockserver.errors import UsageError
from mockserver.server.uvicorn import running
from mockserver.testing import network
from mockserver.testing.intercept import _seams
from mockserver.testing.network import NetworkRefusedError, call_place, is_local
from mockserver.testing.server import open_mock
from tests.conftest import settings
from tests.testing.documents import document_with
from tests.testing.libraries import FAILURES, HEADERS, LIBRARIES, PATIENCE, Seen, each_library, gone, nothing_sent

API = "https://api.cloud.llamaindex.ai"
TITLE = "/api/v1/chat/ses-1/title"
STREAM = "/api/v1/chat/ses-1/messages/stream"
QUESTION = {"first_message": "Q3"}
TURN = {"index_ids": ["a"], "prompt": "Q3"}
SHORT = 0.1


@pytest.fixture(autouse=True)
def nothing_goes_out() -> Iterator[None]:
    with nothing_sent():
        yield


@pytest.fixture
def mock() -> Iterator[ChatMockServer]:
    with open_chat() as mock:
        yield mock


@each_library
def test_what_is_sent_to_the_apis_own_address_reaches_the_mock(mock: ChatMockServer, send: Callable[..., Seen]) -> None:
    with mock.intercept():
        status, body = send(API + TITLE, QUESTION)
    assert (status, json.loads(body)["generated_title"]) == (200, "Q3...")
    mock.journal.verify("set_title", times=1, session_id="ses-1", first_message="Q3")
    mock.check()


@each_library
def test_errors_long_bodies_and_streams_come_whole(mock: ChatMockServer, send: Callable[..., Seen]) -> None:
    mock.intercept()
    assert send(API + TITLE, {}).status == 422
    message = "x" * 300_000
    status, body = send(API + TITLE, {"first_message": message})
    assert status == 200
    assert mock.journal[1].size > 300_000
    turn = send(API + STREAM, TURN)
    assert turn.status == 200
    events = [json.loads(line[6:]) for line in turn.body.split(b"\n") if line.startswith(b"data: ")]
    assert events[-1]["type"] == "stop"
    assert len(events) > 3
    assert len(body) > 50


@each_library
@pytest.mark.parametrize(
    "stub",
    [
        {"faults": "close"},
        {"faults": "reset"},
        {"faults": {"truncate": 5}},
        {"faults": {"reset-body": 5}},
        {"delay": 0.5},
        {"faults": {"slow-body": 1}},
    ],
    ids=str,
)
def test_faults_are_exceptions(mock: ChatMockServer, send: Callable[..., Seen], stub: dict[str, Any]) -> None:
    mock.stub.create("set_title", times="always", **stub)
    with mock.intercept(), pytest.raises(FAILURES) as raised:
        send(API + TITLE, QUESTION, timeout=SHORT)
    text = f"{type(raised.value).__mro__} {raised.value!r}".lower()
    if "delay" in stub or "slow" in str(stub):
        assert "timeout" in text or "timed out" in text


@each_library
@pytest.mark.parametrize("url", ["https://example.com/x", "http://api.cloud.llamaindex.ai/x", "http://192.0.2.1:81/x"])
def test_another_address_is_refused_with_the_place_of_the_call(
    mock: ChatMockServer, send: Callable[..., Seen], url: str
) -> None:
    def deep_inside() -> None:
        send(url)

    with mock.intercept(), pytest.raises(Exception, match=r"(?s)was refused.*libraries\.py:\d+ in ") as raised:
        deep_inside()
    assert not isinstance(raised.value, AssertionError)
    host = url.split("/")[2]
    assert f"a call to {url.split('/')[0]}//{host}" in str(raised.value)
    assert "allow_network=" in str(raised.value)


@each_library
def test_this_machine_is_reached_as_ever(mock: ChatMockServer, send: Callable[..., Seen]) -> None:
    with running(make_app(settings(seed=0))) as url, mock.intercept():
        assert send(url + TITLE, QUESTION).status == 200
        assert send(url.replace("127.0.0.1", "localhost") + TITLE, QUESTION).status == 200
    assert len(mock.journal) == 0


@each_library
def test_all_is_undone_at_the_end(mock: ChatMockServer, send: Callable[..., Seen]) -> None:
    import socket

    before = [(place, name, place.__dict__.get(name)) for place, name, _ in _seams()]
    before += [(socket.socket, name, None) for name in ("connect", "connect_ex", "sendto", "sendmsg")]
    before += [(socket, name, getattr(socket, name)) for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex")]
    with mock.intercept():
        send(API + TITLE, QUESTION)
        with mock.intercept("https://other.example"):
            send(API + TITLE, QUESTION)
        send(API + TITLE, QUESTION)
    assert [(place, name, place.__dict__.get(name)) for place, name, _ in before] == before
    with pytest.raises(Exception, match=r"(?s)."):  # what watches at the ground stops it
        send(API + TITLE, QUESTION)
    assert gone, "the call went its usual way"
    gone.clear()


def test_the_end_of_the_mock_ends_it() -> None:
    with open_chat() as mock:
        mock.intercept()
        assert httpx.HTTPTransport.handle_request.__module__ == "mockserver.testing.intercept"
    assert httpx.HTTPTransport.handle_request.__module__ == "httpx._transports.default"


def test_a_patch_that_another_tool_puts_back_later_does_nothing(
    mock: ChatMockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    with mock.intercept():
        handle, connect = httpx.HTTPTransport.handle_request, socket.socket.connect
    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", handle)
    monkeypatch.setattr(socket.socket, "connect", connect)
    with running(make_app(settings(seed=0))) as url:
        assert httpx.post(url + TITLE, json=QUESTION, headers=HEADERS).status_code == 200
    with pytest.raises(AssertionError, match="getaddrinfo to example"):  # what watches at the ground
        httpx.get("http://example.com")
    with socket.socket() as sock, pytest.raises(AssertionError, match=r"connect to 192\.0\.2\.1"):
        sock.connect(("192.0.2.1", 80))
    gone.clear()


def test_nothing_is_patched_by_an_import() -> None:
    import subprocess

    code = (
        "import socket, http.client, httpx, mockserver.testing, mockserver.testing.intercept;"
        "print('connect' in socket.socket.__dict__, http.client.HTTPConnection.connect.__module__,"
        "httpx.HTTPTransport.handle_request.__module__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["False", "http.client", "httpx._transports.default"]


# -- sessions and threads --------------------------------------------------------------------------------------------


def test_a_session_keeps_its_connection_and_leaves_it_with_the_mock() -> None:
    session, pool = requests.Session(), http.client.HTTPSConnection("api.cloud.llamaindex.ai", timeout=PATIENCE)
    fields = {**HEADERS, "content-type": "application/json"}
    for seed in (1, 2):  # the second mock gets what is sent by the same session
        with open_chat(seed=seed) as mock, mock.intercept():
            for _ in range(3):
                assert session.post(API + TITLE, json=QUESTION, headers=HEADERS, timeout=PATIENCE).status_code == 200
                pool.request("POST", TITLE, json.dumps(QUESTION), fields)
                assert pool.getresponse().read()
            assert len(mock.journal) == 6


def test_clients_that_were_made_before_are_intercepted_too(mock: ChatMockServer) -> None:
    clients: list[Any] = [httpx.Client(headers=HEADERS), httpx2.Client(headers=HEADERS)]
    with mock.intercept():
        assert [each.post(API + TITLE, json=QUESTION).status_code for each in clients] == [200, 200]


@pytest.mark.parametrize("allowed", [False, True])
def test_a_connection_that_was_open_before_is_not_used(mock: ChatMockServer, *, allowed: bool) -> None:
    connection = http.client.HTTPSConnection("api.cloud.llamaindex.ai", timeout=PATIENCE)

    class Elsewhere:
        def getpeername(self) -> tuple[str, int]:
            return "192.0.2.1", 443

        def close(self) -> None:
            pass

        def sendall(self, _: bytes) -> None:
            gone.append("over an open connection")

    connection.sock = Elsewhere()
    with mock.intercept(allow_network=allowed):
        connection.request("POST", TITLE, json.dumps(QUESTION), {**HEADERS, "content-type": "application/json"})
        assert connection.getresponse().status == 200


class Before:
    """A connection of aiohttp that was opened before, as far as its pool asks."""

    transport = None
    is_open = True

    def is_connected(self) -> bool:
        return self.is_open

    def close(self) -> None:
        self.is_open = False


def test_an_open_connection_in_the_pool_of_aiohttp_is_not_used(mock: ChatMockServer) -> None:
    before = Before()

    async def send() -> list[int]:
        async with aiohttp.ClientSession(headers=HEADERS) as session:
            found = []
            for _ in range(2):
                async with session.post(API + TITLE, json=QUESTION) as answer:
                    await answer.read()
                    found.append(answer.status)
                pool: Any = session.connector
                for waiting in pool._conns.values():
                    while waiting:
                        waiting.pop()[0].close()
                    waiting.append((before, time.monotonic()))
            pool._conns.clear()
            return found

    for allowed in (False, True):
        before.is_open = True
        with mock.intercept(allow_network=allowed):
            assert asyncio.run(send()) == [200, 200]
        assert not before.is_open


def test_the_latest_interception_gets_what_is_sent_on_connections_of_an_earlier_one(mock: ChatMockServer) -> None:
    """Also at once after it ends, before asyncio has closed a connection."""

    async def send(session: aiohttp.ClientSession, pool: requests.Session) -> None:
        async with session.post(API + TITLE, json=QUESTION) as answer:
            await answer.read()
        pool.post(API + TITLE, json=QUESTION, headers=HEADERS, timeout=PATIENCE)

    async def nested() -> list[int]:
        with mock.intercept(), open_chat() as inner, requests.Session() as pool:
            async with aiohttp.ClientSession(headers=HEADERS) as session:
                await send(session, pool)
                with inner.intercept():
                    await send(session, pool)
                await send(session, pool)
                return [len(mock.journal), len(inner.journal)]

    assert asyncio.run(nested()) == [4, 2]


def test_threads_and_nested_tasks_are_intercepted(mock: ChatMockServer) -> None:
    seen: list[int] = []

    async def nested() -> None:
        async def one(library: Any) -> int:
            async with library.AsyncClient() as client:
                return int((await client.post(API + TITLE, json=QUESTION, headers=HEADERS)).status_code)

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(library)) for library in (httpx, httpx2)]
            threads = [
                group.create_task(asyncio.to_thread(LIBRARIES[name], API + TITLE, QUESTION)) for name in LIBRARIES
            ]
        seen.extend(each.result() for each in tasks)
        seen.extend(each.result().status for each in threads)

    with mock.intercept():
        thread = threading.Thread(target=lambda: asyncio.run(nested()))
        thread.start()
        thread.join()
    assert seen == [200] * (2 + len(LIBRARIES))


def test_a_streams_parts_come_one_by_one() -> None:
    with open_chat(stream_delay=0.0, stream_rate=200) as mock, mock.intercept():
        with requests.post(API + STREAM, json=TURN, headers=HEADERS, stream=True, timeout=PATIENCE) as answer:
            first = next(answer.iter_lines())
        assert first.startswith((b"data: ", b"event"))

        async def read() -> int:
            async with (
                aiohttp.ClientSession() as session,
                session.post(API + STREAM, json=TURN, headers=HEADERS) as turn,
            ):
                return len([line async for line in turn.content])

        assert asyncio.run(read()) > 3


# -- proxies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["requests", "urllib", "httpx", "httpx2", "httpx, async"])
@pytest.mark.parametrize("address", [API, "http://plain.example"])
def test_a_proxy_of_the_environment_is_not_used(
    mock: ChatMockServer, monkeypatch: pytest.MonkeyPatch, name: str, address: str
) -> None:
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with mock.intercept(API, "http://plain.example"):
        assert LIBRARIES[name](address + TITLE, QUESTION).status == 200
        with pytest.raises(Exception, match="was refused"):
            LIBRARIES[name]("http://other.example/x")


def test_a_connection_to_a_proxy_in_memory_ends_with_the_interception(mock: ChatMockServer) -> None:
    with urllib3.ProxyManager("http://127.0.0.1:9", retries=False) as pool:
        for _ in range(2):
            with mock.intercept("http://plain.example"):
                answer = pool.request("POST", "http://plain.example" + TITLE, json=QUESTION, headers=HEADERS)
                assert answer.status == 200
            with pytest.raises(urllib3.exceptions.ProxyError):  # nothing listens there
                pool.request("POST", "http://plain.example" + TITLE, json=QUESTION, headers=HEADERS)


# -- what is more than a plain request -------------------------------------------------------------------------------


def test_an_offered_upgrade_is_ignored_and_the_body_read(mock: ChatMockServer) -> None:
    offer = {**HEADERS, "Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings", "HTTP2-Settings": "AAAA"}
    parts = (b'{"first_', b'message": "Q3"}')

    async def by_aiohttp() -> list[int]:
        async with aiohttp.ClientSession() as session:
            found = []
            for _ in range(2):
                async with session.post(API + TITLE, json=QUESTION, headers=offer) as answer:
                    found.append(answer.status)
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(API + TITLE)
            return found

    with mock.intercept(), requests.Session() as session:
        for _ in range(2):
            assert session.post(API + TITLE, json=QUESTION, headers=offer, timeout=PATIENCE).status_code == 200
        fields = {**offer, "content-type": "application/json"}
        assert session.post(API + TITLE, data=iter(parts), headers=fields, timeout=PATIENCE).status_code == 200
        assert asyncio.run(by_aiohttp()) == [200, 200]
        assert [dict(each.headers).get(b"upgrade") for each in mock.journal] == [b"h2c"] * 5 + [b"websocket"]


def test_a_client_that_waits_to_be_asked_for_the_body_is_asked(mock: ChatMockServer) -> None:
    async def send() -> int:
        timeout = aiohttp.ClientTimeout(total=PATIENCE)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(API + TITLE, json=QUESTION, headers=HEADERS, expect100=True) as answer,
        ):
            return answer.status

    with mock.intercept():
        assert asyncio.run(send()) == 200


@pytest.mark.parametrize("sent", [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"no request\r\n\r\n"])
def test_what_is_no_request_gets_a_400_and_ends_the_connection(mock: ChatMockServer, sent: bytes) -> None:
    with mock.intercept(), closing(http.client.HTTPSConnection("api.cloud.llamaindex.ai")) as connection:
        connection.connect()
        for part in (sent, b"more"):
            connection.sock.sendall(part)
        answer = http.client.HTTPResponse(connection.sock)
        answer.begin()
        assert (answer.status, answer.read()) == (400, b"Invalid HTTP request received.")
        assert connection.sock.recv(1) == b""
    assert len(mock.journal) == 0


# -- addresses and permissions ---------------------------------------------------------------------------------------


def test_an_address_with_a_path_stands_for_the_root_of_the_mock(tmp_path: Path) -> None:
    own = document_with(tmp_path, {"/models": {"get": ("models", {"type": "array"})}})
    with (
        open_mock(api="none", contract=own) as mock,
        mock.intercept("https://api.openai.com/v1", "http://b.example:81"),
    ):
        mock.stub.create("models", body=["a"], times="always")
        assert httpx.get("https://api.openai.com/v1/models").json() == ["a"]
        assert httpx.get("https://API.openai.com:443/v1/models?x=1").json() == ["a"]
        assert requests.get("http://b.example:81/models", timeout=PATIENCE).json() == ["a"]
        for send in (httpx.get, httpx2.get, requests.get):
            with pytest.raises(Exception, match=r"api\.openai\.com/v2/models, which is not below api\.openai\.com/v1"):
                send("https://api.openai.com/v2/models")


@each_library
@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example.", "https://BÜCHER.example"),
        ("https://faß.example", "https://xn--fa-hia.example"),
        ("https://[2001:0DB8:0::1]:443", "https://[2001:db8::1]"),
        ("https://[2001:db8::1]", "https://[2001:db8:0:0::1]"),
    ],
)
def test_a_host_is_the_same_however_it_is_written(
    mock: ChatMockServer, send: Callable[..., Seen], address: str, url: str
) -> None:
    with mock.intercept(address):
        assert send(url + TITLE, QUESTION).status == 200


@pytest.mark.parametrize("allowed", [5, None, b"a.example", "", "a.example:443", "https://a.example", ["a", 1]])
def test_what_allow_network_cannot_mean_is_refused(mock: ChatMockServer, allowed: Any) -> None:
    with pytest.raises(UsageError, match=r"allow_network names hosts, and .* is none"):
        mock.intercept(allow_network=allowed)


@pytest.mark.parametrize(
    "text", ["api.example.com", "ftp://example.com", "https://", "https://a/?b=c", "http://[x", ""]
)
def test_what_is_no_address_is_refused(mock: ChatMockServer, text: str) -> None:
    with pytest.raises(UsageError, match="no address that can be intercepted"):
        mock.intercept(text)


def test_without_an_address_that_the_pack_names_one_is_asked_for(tmp_path: Path) -> None:
    own = document_with(tmp_path, {"/models": {"get": ("models", {"type": "array"})}})
    with open_mock(api="none", contract=own) as mock, pytest.raises(UsageError, match="no address is named"):
        mock.intercept()


def test_a_mock_that_runs_elsewhere_cannot_intercept() -> None:
    with (
        running(make_app(settings(seed=0))) as url,
        connect(url, "a") as mock,
        pytest.raises(UsageError, match="runs elsewhere cannot intercept"),
    ):
        mock.intercept()


@pytest.mark.parametrize("allowed", [True, "example.com", ["*.com"], ("other", "example.com")])
def test_a_permitted_host_is_called(mock: ChatMockServer, allowed: Any) -> None:
    with mock.intercept(allow_network=allowed):
        with pytest.raises(AssertionError, match=r"socket\.getaddrinfo to example\.com"):
            http.client.HTTPConnection("example.com").connect()
        if allowed is not True:
            with pytest.raises(NetworkRefusedError):
                http.client.HTTPConnection("example.org").connect()
        gone.clear()


def test_the_addresses_of_a_permitted_name_are_permitted_and_no_others() -> None:
    guard = network.Guard()
    guard.rules.append(("example.com",))
    assert not guard.allows("192.0.2.7")
    guard.learn("example.com", [(2, 1, 6, "", ("192.0.2.7", 80))])
    assert guard.allows("192.0.2.7")
    assert not guard.allows("192.0.2.8")


def test_sockets_of_any_library_are_guarded(mock: ChatMockServer) -> None:
    import socket

    async def by_asyncio() -> None:
        await asyncio.open_connection("192.0.2.1", 80)

    async def by_name() -> None:
        await asyncio.open_connection("example.com", 80)

    def datagram() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"x", ("192.0.2.1", 53))

    attempts: list[Callable[[], Any]] = [
        lambda: socket.create_connection(("192.0.2.1", 80), 0.1),
        lambda: socket.getaddrinfo("example.com", 80),
        lambda: socket.gethostbyname("example.com"),
        lambda: socket.gethostbyaddr("192.0.2.1"),
        lambda: socket.getnameinfo(("192.0.2.1", 80), 0),
        datagram,
        lambda: asyncio.run(by_asyncio()),
        lambda: asyncio.run(by_name()),
    ]
    if sys.platform != "win32":
        uvloop = import_module("uvloop")
        asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
            ("create_datagram_endpoint", (asyncio.DatagramProtocol,), {"remote_addr": ("192.0.2.1", 53)}),
            ("create_datagram_endpoint", (asyncio.DatagramProtocol,), {"local_addr": ("::", 0)}),
            ("getaddrinfo", ("example.com", 80), {}),
            ("getnameinfo", (("192.0.2.1", 80),), {}),
        ]

        async def by_loop(name: str, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            await getattr(asyncio.get_running_loop(), name)(*arguments, **named)

        attempts += [lambda: uvloop.run(by_asyncio()), lambda: uvloop.run(by_name())]
        attempts += [partial(lambda each: uvloop.run(by_loop(*each)), each) for each in asked]
    with mock.intercept():
        for attempt in attempts:
            with pytest.raises(NetworkRefusedError, match="was refused"):
                attempt()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost", "a.localhost", "", None, str(IPv4Address(0))],
)
def test_this_machine_is_local(host: str | None) -> None:
    assert is_local(host)


@pytest.mark.parametrize(
    "host", ["10.0.0.1", "example.com", "localhost.example.com", "::2", "169.254.169.254", b"a.com"]
)
def test_others_are_not(host: str | bytes) -> None:
    assert not is_local(host)


def test_the_place_is_the_innermost_line_of_ones_own_code() -> None:
    assert call_place().startswith(f"{__file__}:")
    assert call_place().endswith("in test_the_place_is_the_innermost_line_of_ones_own_code")
