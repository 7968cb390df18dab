"""An application runs on a real socket, several at a time, and ends."""

import socket
from contextlib import ExitStack
from typing import Literal

import httpx
import pytest

from mockserver.engine import Mock
from mockserver.errors import BindError
from mockserver.server.asgi import App
from mockserver.server.uvicorn import address, bind, running
from mockserver.settings import Settings
from tests.conftest import app_of
from tests.talk import KEY, TITLE


def title(url: str, text: str) -> str:
    response = httpx.post(url + TITLE, json={"first_message": text}, headers={"authorization": KEY})
    return str(response.json()["generated_title"])


def mock_app() -> App:
    return app_of(Mock(Settings(contract="2.6", seed=0)))


def test_several_servers_run_at_a_time_each_on_its_own_port() -> None:
    with ExitStack() as stack:
        urls = [stack.enter_context(running(mock_app())) for _ in range(3)]
        assert len(set(urls)) == 3
        for url in urls:
            assert title(url, url) == url[:50] + "..."
        counts = [httpx.get(url + "/__mock__/health").json()["records"] for url in urls]
        assert counts == [1, 1, 1]


def test_a_server_ends_with_its_block() -> None:
    with running(mock_app()) as url:
        assert title(url, "x") == "x..."
    with pytest.raises(httpx.ConnectError):
        title(url, "x")


def test_a_port_can_be_taken_again_at_once() -> None:
    with running(mock_app()) as url:
        port = int(url.rpartition(":")[2])
        assert title(url, "x") == "x..."
    with running(mock_app(), port=port) as again:
        assert again == url
        assert title(again, "y") == "y..."


def test_a_block_that_fails_ends_its_server() -> None:
    with pytest.raises(KeyError), running(mock_app()) as url:
        raise KeyError(url)
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)


@pytest.mark.parametrize("http", ["h11", "httptools"])
def test_both_of_uvicorns_protocols_serve(http: Literal["h11", "httptools"]) -> None:
    with running(mock_app(), http=http) as url:
        assert title(url, http) == f"{http}..."


def test_a_listening_socket_does_not_wait_to_send() -> None:
    with bind("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP  # asyncio sets TCP_NODELAY for these alone
        assert address(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_an_ipv6_address_is_written_in_brackets() -> None:
    class Six(socket.socket):
        """A socket that says what one of IPv6 says, also on a machine without it."""

        def getsockname(self) -> tuple[str, int, int, int]:
            return ("::1", 4010, 0, 0)

    with Six() as listener:
        assert address(listener) == "http://[::1]:4010"


def test_a_port_that_is_taken_is_told_with_a_way_out() -> None:
    with bind("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(BindError, match=f"cannot listen on 127.0.0.1:{port}") as caught:
            bind("127.0.0.1", port)
    assert "in use" in caught.value.why
    assert "--port 0" in caught.value.fix


def test_an_unknown_host_is_told_with_a_way_out() -> None:
    with pytest.raises(BindError, match="the host 'no such host' is unknown") as caught:
        bind("no such host", 0)
    assert "--host" in caught.value.fix
