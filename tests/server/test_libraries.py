"""The transport in process is the same for httpx and for httpx2, and generated clients of either kind get theirs."""

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

from mockserver.apis.llamacloud_chat.testing import ChatMockServer
from mockserver.apis.llamacloud_chat.testing import open_mock as open_chat
from mockserver.errors import StartError, UsageError
from mockserver.messages import Json
from mockserver.server.transport import NAMES
from mockserver.testing import server
from mockserver.testing.server import MockServer, library_under, open_mock
from tests.talk import KEY
from tests.wheels import official

TITLE = "/api/v1/chat/ses-1/title"
STREAM = "/api/v1/chat/ses-1/messages/stream"

each_library = pytest.mark.parametrize("library", NAMES)
both_colours = pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])


@pytest.fixture
def mock() -> Iterator[ChatMockServer]:
    with open_chat() as mock:
        mock.allow_unused()
        yield mock


def ask(mock: MockServer, library: str, asynchronous: bool, path: str, body: Json, timeout: float = 5.0) -> Any:
    """Send one request with a client of a library, and return its response or its exception's name."""
    module = import_module(library)
    options: dict[str, Any] = {"headers": {"authorization": KEY}, "timeout": timeout, "library": library}

    async def later() -> Any:
        async with mock.async_http_client(**options) as client:
            assert isinstance(client, module.AsyncClient)
            return await client.post(path, json=body)

    try:
        if asynchronous:
            return asyncio.run(later())
        client = mock.http_client(**options)
        assert isinstance(client, module.Client)
        return client.post(path, json=body)
    except module.TransportError as error:
        return type(error).__name__


@each_library
@both_colours
def test_a_client_gets_a_response_of_its_own_library(mock: ChatMockServer, library: str, asynchronous: bool) -> None:
    answer = ask(mock, library, asynchronous, TITLE, {"first_message": "Q3"})
    assert isinstance(answer, import_module(library).Response)
    assert (answer.status_code, answer.json()["generated_title"]) == (200, "Q3...")
    turn = ask(mock, library, asynchronous, STREAM, {"index_ids": ["a"], "prompt": "Q3"})
    assert turn.headers["content-type"].startswith("text/event-stream")
    assert '"type":"stop"' in turn.text.replace(" ", "")


@each_library
@both_colours
@pytest.mark.parametrize(
    ("stub", "expected"),
    [
        ({"faults": "close"}, "RemoteProtocolError"),
        ({"faults": "reset"}, "ReadError"),
        ({"faults": {"truncate": 5}}, "RemoteProtocolError"),
        ({"faults": {"reset-body": 5}}, "ReadError"),
        ({"delay": 60}, "ReadTimeout"),
        ({"faults": {"slow-body": 1}}, "ReadTimeout"),
    ],
)
def test_faults_are_exceptions_of_its_own_library(
    mock: ChatMockServer, library: str, asynchronous: bool, stub: dict[str, Any], expected: str
) -> None:
    mock.stub.create("set_title", **stub)
    assert ask(mock, library, asynchronous, TITLE, {"first_message": "Q3"}, timeout=0.1) == expected


def test_a_request_of_ones_own_class_gets_an_answer_of_its_library(mock: ChatMockServer) -> None:
    import httpx2

    class Own(httpx2.Request):
        pass

    client: Any = mock.http_client(library="httpx2")
    with client:
        url = f"{mock.base_url}{TITLE}"
        answer = client.send(Own("POST", url, json={"first_message": "Q3"}, headers={"authorization": KEY}))
    assert isinstance(answer, httpx2.Response)
    assert answer.status_code == 200


def test_an_unknown_library_or_one_that_is_not_there_is_refused(
    mock: ChatMockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match=r"no client library 'requests' here\n  fix: name one of httpx, httpx2"):
        mock.http_client(library="requests")

    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(server, "import_module", missing)
    with pytest.raises(StartError, match="httpx2 is not installed"):
        mock.http_client(library="httpx2")
    monkeypatch.setattr(server, "import_module", lambda name: missing(name) if name == "httpx" else import_module(name))
    assert type(mock.http_client()).__module__ == "httpx2", "it is used where httpx is not there"


# -- generated clients -----------------------------------------------------------------------------------------------

COMPLETION: Json = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "small",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}],
}
SCHEMA: Json = {"type": "object", "required": ["id"], "properties": {name: {} for name in COMPLETION}}


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Write a document that openai's client can be pointed at."""
    content = {"application/json": {"schema": SCHEMA, "example": COMPLETION}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "security": [{"bearer": []}],
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "paths": {
            "/chat/completions": {
                "post": {
                    "operationId": "complete",
                    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
                    "responses": {
                        "200": {"description": "", "content": content},
                        "429": {"description": "", "content": {"application/json": {"schema": {"type": "object"}}}},
                    },
                }
            }
        },
    }
    path = tmp_path / "own.json"
    path.write_text(json.dumps(document), "utf-8")
    return path


QUESTION: dict[str, Any] = {"model": "small", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("live", [False, True], ids=["in process", "on a socket"])
def test_a_client_on_httpx2_gets_a_client_of_httpx2(own: Path, live: bool) -> None:
    with open_mock(api="none", contract=own, live=live) as mock:
        mock.stub.create("complete", status=429, retry_after_ms=1)
        client = OpenAI(**mock.client_options("openai"))
        assert client.chat.completions.create(**QUESTION).choices[0].message.content == "Hello"

        async def later() -> Any:
            async with AsyncOpenAI(**mock.async_client_options("openai")) as client:
                return (await client.chat.completions.create(**QUESTION)).choices[0].message.content

        assert asyncio.run(later()) == "Hello"
        assert [each.status for each in mock.journal] == [429, 200, 200]
        mock.check()


def test_a_client_made_deep_inside_an_app_is_intercepted_with_its_retries(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)

    def app() -> Any:
        return OpenAI(api_key="k").chat.completions.create(**QUESTION).choices[0].message.content

    async def later() -> Any:
        async with AsyncOpenAI(api_key="k") as client:
            return (await client.chat.completions.create(**QUESTION)).choices[0].message.content

    with open_mock(api="none", contract=own) as mock, mock.intercept("https://api.openai.com/v1"):
        mock.stub.create("complete", status=429, retry_after_ms=1).then(faults="reset")
        assert app() == "Hello"
        assert asyncio.run(later()) == "Hello"
        assert [each.status for each in mock.journal][-2:] == [200, 200]
        assert len(mock.journal) == 4
        mock.check()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses of clients, in seconds, which nobody waits for."""
    made: list[float] = []

    async def pause(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr("time.sleep", lambda seconds: made.append(seconds) if seconds else None)
    monkeypatch.setattr("anyio.sleep", pause)
    return made


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 599])
def test_a_test_does_not_wait_out_the_backoff_of_the_official_client(
    mock: ChatMockServer, pauses: list[float], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(official()))
    monkeypatch.setitem(sys.modules, "distro", SimpleNamespace(id=lambda: "", version=lambda: ""))  # which it asks
    client = import_module("llama_cloud").LlamaCloud(**mock.client_options())
    mock.stub.create("set_title", status=status, body={"detail": "no"}, times=2, invalid=True)
    client.post("/api/v1/chat/ses-1/title", body={"first_message": "Q3"}, cast_to=object)
    assert [each.status for each in mock.journal] == [status, status, 200]
    assert pauses == [0.001, 0.001]


def test_so_does_an_async_client_and_one_that_is_intercepted(own: Path, pauses: list[float]) -> None:
    async def later(mock: Any) -> None:
        async with AsyncOpenAI(**mock.async_client_options("openai")) as client:
            await client.chat.completions.create(**QUESTION)

    with open_mock(api="none", contract=own) as mock:
        mock.stub.create("complete", status=503, body={"error": "no"}, invalid=True)
        asyncio.run(later(mock))
        with mock.intercept("https://api.openai.com/v1"):
            mock.stub.create("complete", status=503, body={"error": "no"}, invalid=True)
            OpenAI(api_key="k", base_url="https://api.openai.com/v1").chat.completions.create(**QUESTION)
    assert pauses == [0.001, 0.001]


@pytest.mark.parametrize(
    ("stub", "headers"),
    [
        ({"status": 429}, {"retry-after-ms": "1"}),
        ({"status": 429, "retry_after": 7}, {"retry-after": "7"}),
        ({"status": 429, "retry_after_ms": 20}, {"retry-after-ms": "20"}),
        ({"status": 429, "should_retry": False}, {"x-should-retry": "false"}),
        ({"status": 404, "should_retry": True}, {"x-should-retry": "true", "retry-after-ms": "1"}),
        ({"status": 404}, {}),
    ],
    ids=str,
)
def test_a_stub_that_says_when_to_try_again_is_obeyed(
    mock: ChatMockServer, stub: dict[str, Any], headers: dict[str, str]
) -> None:
    mock.stub.create("set_title", invalid=True, body={"detail": "no"}, **stub)
    answer = mock.http_client().post(TITLE, json={"first_message": "Q3"}, headers={"authorization": KEY})
    assert {name: text for name, text in answer.headers.items() if "retry" in name} == headers


def test_over_a_socket_a_client_waits_as_ever(own: Path) -> None:
    with open_mock(api="none", contract=own, live=True) as mock:
        mock.stub.create("complete", status=503, body={"error": "no"}, invalid=True)
        answer = mock.http_client().post("/chat/completions", json=QUESTION, headers={"authorization": KEY})
    assert answer.status_code == 503
    assert not [name for name in answer.headers if "retry" in name]


def test_what_a_client_is_built_on_is_read_from_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    needs: dict[str, list[str] | None] = {
        "new": ["anyio<5", "httpx2<3,>=2.12.0", "httpx>=0.23 ; extra == 'old'"],
        "old": ["httpx<1,>=0.23.0", "httpx-aiohttp>=0.1 ; extra == 'aiohttp'"],
        "neither": ["requests"],
        "nothing": None,
    }
    monkeypatch.setattr(server, "requires", needs.__getitem__)
    found = {name: library_under.__wrapped__(name) for name in needs}
    assert found == {"new": "httpx2", "old": "httpx", "neither": None, "nothing": None}


def test_the_chats_options_follow_its_client(mock: ChatMockServer, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def under(distribution: str) -> str:
        asked.append(distribution)
        return "httpx2"

    monkeypatch.setattr(server, "library_under", under)
    makes: list[Callable[[], dict[str, Any]]] = [mock.client_options, mock.async_client_options]
    for make in makes:
        assert type(make()["http_client"]).__module__ == "httpx2"
    assert asked == ["llama-cloud", "llama-cloud"]
