"""The HTTP libraries of the tests, each as one function, and a watch over what leaves this machine."""

import asyncio
import http.client
import json
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3

from mockserver.testing import network
from mockserver.testing.intercept import read_address
from mockserver.testing.network import is_local
from tests.talk import KEY

HEADERS = {"authorization": KEY}
PATIENCE = 5.0


# -- nothing goes out ------------------------------------------------------------------------------------------------

gone: list[str] = []
"""What Python itself was asked to send to another machine."""

_watching = threading.Event()
"""Set during the tests of this module: a hook for audits cannot be removed, and others may look up what they like."""


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Note each connection, datagram and look-up of a name that leaves this machine, below all patches."""
    if not _watching.is_set():
        return
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        host = address[0] if isinstance(address, tuple) else None
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        host = arguments[0]
    else:
        return
    if not is_local(host) and not (event == "socket.getaddrinfo" and network.is_address(host)):
        gone.append(f"{event} {host}")
        raise AssertionError(f"{event} to {host}")


sys.addaudithook(_watch)


@contextmanager
def nothing_sent() -> Iterator[None]:
    """Watch a block; an AssertionError says what went out."""
    gone.clear()
    _watching.set()
    yield
    _watching.clear()
    assert gone == []


# -- the libraries ---------------------------------------------------------------------------------------------------


class Seen(NamedTuple):
    status: int
    body: bytes


def _httpx(library: Any) -> Callable[..., Seen]:
    def send(url: str, body: Any = None, timeout: float = PATIENCE) -> Seen:
        answer = library.post(url, json=body, headers=HEADERS, timeout=timeout)
        return Seen(answer.status_code, answer.content)

    return send


def _async_httpx(library: Any) -> Callable[..., Seen]:
    async def send(url: str, body: Any = None, timeout: float = PATIENCE) -> Seen:
        async with library.AsyncClient(timeout=timeout) as client:
            answer = await client.post(url, json=body, headers=HEADERS)
            return Seen(answer.status_code, answer.content)

    return _run(send)


def _run(send: Callable[..., Coroutine[Any, Any, Seen]]) -> Callable[..., Seen]:
    return lambda *arguments, **named: asyncio.run(send(*arguments, **named))


def _requests(url: str, body: Any = None, timeout: float = PATIENCE) -> Seen:
    answer = requests.post(url, json=body, headers=HEADERS, timeout=timeout)
    return Seen(answer.status_code, answer.content)


def _urllib3(url: str, body: Any = None, timeout: float = PATIENCE) -> Seen:
    with urllib3.PoolManager(retries=False, timeout=timeout) as pool:
        answer = pool.request("POST", url, json=body, headers=HEADERS)
        return Seen(answer.status, answer.data)


def _http_client(url: str, body: Any = None, timeout: float = PATIENCE) -> Seen:
    address = read_address(url)
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.host, address.port, timeout=timeout)
    with closing(connection):
        fields = {**HEADERS, "content-type": "application/json"}
        connection.request("POST", address.path or "/", json.dumps(body), fields)
        answer = connection.getresponse()
        return Seen(answer.status, answer.read())


class _AsJson(urllib.request.BaseHandler):
    """Sends every body as JSON; urllib itself sends it as a form."""

    handler_order = 100  # before urllib's own

    def http_request(self, request: urllib.request.Request) -> urllib.request.Request:
        request.add_header("content-type", "application/json")
        return request

    https_request = http_request


def _urllib(url: str, body: Any = None, timeout: float = PATIENCE) -> Seen:
    opener = urllib.request.build_opener(_AsJson)  # with the proxies of now
    opener.addheaders = list(HEADERS.items())
    try:
        with opener.open(url, json.dumps(body).encode(), timeout) as answer:
            return Seen(answer.status, answer.read())
    except urllib.error.HTTPError as error:
        return Seen(error.code, error.read())


async def _aiohttp(url: str, body: Any = None, timeout: float = PATIENCE) -> Seen:
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(sock_read=timeout)) as session,
        session.post(url, json=body, headers=HEADERS) as answer,
    ):
        return Seen(answer.status, await answer.read())


LIBRARIES: dict[str, Callable[..., Seen]] = {
    "httpx": _httpx(httpx),
    "httpx, async": _async_httpx(httpx),
    "httpx2": _httpx(httpx2),
    "httpx2, async": _async_httpx(httpx2),
    "requests": _requests,
    "urllib3": _urllib3,
    "http.client": _http_client,
    "urllib": _urllib,
    "aiohttp": _run(_aiohttp),
}

FAILURES = (
    httpx.HTTPError,
    httpx2.HTTPError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    aiohttp.ClientError,
    OSError,
)
"""What the libraries raise if the connection fails; OSError is also that of timeouts and urllib."""

each_library = pytest.mark.parametrize("send", LIBRARIES.values(), ids=list(LIBRARIES))
