"""Times calls in one process, by each way that a test has. Run as a file, in the environment of the peers.

`calls.py <rounds> <calls>` prints, as one JSON object, for each measurement and each way the microseconds or
milliseconds of each round; the ways take turns.
"""

import asyncio
import json
import logging
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

import benchmark_reference
import httpx
import respx
from llama_cloud import AsyncLlamaCloud, LlamaCloud
from pytest_httpserver import HTTPServer

from mockserver.engine import Mock
from mockserver.testing.pytest_fixtures import LiveServer
from mockserver.testing.server import MockServer, open_mock

SESSION = "ses-abc123"
PATH = f"/api/v1/chat/{SESSION}/title"
MESSAGE = "How do I rotate the keys of an index without any downtime?"
TITLE = MESSAGE[:50] + "..."
BODY = {"first_message": MESSAGE}
ANSWER = {
    "session_id": SESSION,
    "generated_title": TITLE,
    "last_updated_at": "2026-04-22T12:34:41.342245",
    "job_metadata": None,
    "index_ids": None,
}
KEY = {"authorization": "Bearer any-key"}
BASE = "http://mockserver.test"

Times = dict[str, dict[str, list[float]]]


def note(found: Times, measure: str, way: str, value: float) -> None:
    """Keep a sample."""
    found.setdefault(measure, {}).setdefault(way, []).append(value)


def right(title: str | None) -> None:
    """End where an answer is wrong."""
    if title != TITLE:
        sys.exit(f"the answer was {title!r}")


def of_httpx(client: httpx.Client) -> Callable[[], object]:
    """Give a call by a client of httpx."""
    right(client.post(PATH, json=BODY, headers=KEY).json()["generated_title"])
    return lambda: client.post(PATH, json=BODY, headers=KEY).json()


def of_official(client: LlamaCloud) -> Callable[[], object]:
    """Give a call by the official client."""
    right(client.beta.chat.set_title(SESSION, first_message=MESSAGE).generated_title)
    return lambda: client.beta.chat.set_title(SESSION, first_message=MESSAGE)


@contextmanager
def patched() -> Iterator[None]:
    """Let respx answer, as its users do: by its patch of httpx."""
    with respx.mock(assert_all_called=False, base_url=BASE) as router:
        router.post(PATH).respond(json=ANSWER)
        yield


AROUND: Mapping[str, Callable[[], AbstractContextManager[None]]] = {"respx": patched}
"""What stands around the calls of a way."""


@contextmanager
def sync_ways() -> Iterator[Mapping[str, Mapping[str, Callable[[], object]]]]:
    """Give the ways of a sync call: measurement -> way -> call."""
    with ExitStack() as stack:
        mock = stack.enter_context(open_mock(contract="2.6"))
        server = stack.enter_context(HTTPServer(host="127.0.0.1"))
        server.expect_request(PATH, method="POST").respond_with_json(ANSWER)
        options: dict[str, Any] = {"api_key": "any-key"}
        here = server.url_for("")
        with patched():
            by_respx = of_httpx(httpx.Client(base_url=BASE, verify=False))  # noqa: S501  # no TLS there
            official_by_respx = of_official(LlamaCloud(base_url=BASE, **options))
        yield {
            "httpx": {
                "mockserver": of_httpx(mock.http_client()),
                "respx": by_respx,
                "pytest-httpserver": of_httpx(httpx.Client(base_url=here, verify=False)),  # noqa: S501  # nor there
            },
            "official client": {
                "mockserver": of_official(LlamaCloud(**mock.client_options())),
                "respx": official_by_respx,
                "pytest-httpserver": of_official(LlamaCloud(base_url=here, **options)),
            },
        }


async def async_ways(rounds: int, calls: int, found: Times) -> None:
    """Time async calls: ours, and httpx's own transport to a bare Starlette app."""
    with open_mock(contract="2.6") as mock:
        plain = httpx.ASGITransport(app=benchmark_reference.plain())  # type: ignore[arg-type]  # it is an ASGI app
        clients = {
            "mockserver": mock.async_http_client(),
            "httpx to Starlette": httpx.AsyncClient(transport=plain, base_url=BASE),
        }
        official = {
            "mockserver": AsyncLlamaCloud(**mock.async_client_options()),
            "httpx to Starlette": AsyncLlamaCloud(
                base_url=BASE, api_key="any-key", http_client=httpx.AsyncClient(transport=plain, base_url=BASE)
            ),
        }

        def by_httpx(client: httpx.AsyncClient) -> Callable[[], Awaitable[Any]]:
            async def call() -> Any:
                return (await client.post(PATH, json=BODY, headers=KEY)).json()["generated_title"]

            return call

        def by_official(client: AsyncLlamaCloud) -> Callable[[], Awaitable[Any]]:
            async def call() -> Any:
                return (await client.beta.chat.set_title(SESSION, first_message=MESSAGE)).generated_title

            return call

        ways = {
            "httpx, async": {name: by_httpx(client) for name, client in clients.items()},
            "official client, async": {name: by_official(client) for name, client in official.items()},
        }
        for number in range(rounds + 1):
            for measure, by_way in ways.items():
                for way, call in list(by_way.items())[:: -1 if number % 2 else 1]:
                    began = time.perf_counter()
                    for _ in range(calls):
                        title = await call()
                    spent = time.perf_counter() - began
                    right(title)
                    if number:  # the first round is not counted
                        note(found, measure, way, spent / calls * 1e6)


def opened() -> float:
    """Open a mock in process as the fixture does, and close it; give the milliseconds."""
    began = time.perf_counter()
    with open_mock():
        pass
    return (time.perf_counter() - began) * 1000


def mock_of(server: MockServer) -> Mock:
    """Give the mock behind a mock in this process."""
    if server.mock is None:
        sys.exit("the mock is elsewhere")
    return server.mock


def live(server: LiveServer) -> float:
    """Put a mock behind the socket as the fixture does, and take it away; give the milliseconds."""
    began = time.perf_counter()
    with open_mock() as opened_mock, server.serving(mock_of(opened_mock)):
        pass
    return (time.perf_counter() - began) * 1000


def stopped(*, asked: bool) -> float:
    """Stop a live server, with a connection open where it was asked; give the milliseconds."""
    server = LiveServer()
    with httpx.Client(verify=False) as client:  # noqa: S501  # no TLS there
        if asked:
            client.get(server.url)
        began = time.perf_counter()
        server.close()
        return (time.perf_counter() - began) * 1000


def stopped_other() -> float:
    """Stop a pytest-httpserver; give the milliseconds."""
    server = HTTPServer(host="127.0.0.1")
    server.start()  # type: ignore[no-untyped-call]
    began = time.perf_counter()
    server.stop()  # type: ignore[no-untyped-call]
    return (time.perf_counter() - began) * 1000


def sync_calls(rounds: int, calls: int, found: Times) -> None:
    """Time sync calls by each way."""
    with sync_ways() as ways:
        for number in range(rounds + 1):
            for measure, by_way in ways.items():
                for way, call in list(by_way.items())[:: -1 if number % 2 else 1]:
                    with AROUND.get(way, nullcontext)():
                        began = time.perf_counter()
                        for _ in range(calls):
                            call()
                        spent = time.perf_counter() - began
                    if number:  # the first round is not counted
                        note(found, measure, way, spent / calls * 1e6)


def fixtures(rounds: int, found: Times) -> None:
    """Time what a fixture does before and after a test, and at the end of a run."""
    server = LiveServer()
    for number in range(10 * rounds + 1):
        for measure, taken in (("set-up in process", opened()), ("set-up on a socket", live(server))):
            if number:
                note(found, measure, "mockserver", taken)
    server.close()
    for number in range(rounds + 1):
        samples = {"mockserver": max(stopped(asked=False), stopped(asked=True)), "pytest-httpserver": stopped_other()}
        for way, taken in samples.items():
            if number:
                note(found, "stop", way, taken)


def main() -> None:
    """Measure, and print."""
    rounds, calls = map(int, sys.argv[1:])
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # pytest-httpserver's, which would tell each request
    found: Times = {}
    sync_calls(rounds, calls, found)
    asyncio.run(async_ways(rounds, calls, found))
    fixtures(rounds, found)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
