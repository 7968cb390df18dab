"""A turn is told over a socket in its time: each event when it is due, to its end or until its client is gone."""

import asyncio
import json
import logging
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import httpx
import pytest

from mockserver.engine import Mock
from mockserver.messages import Json
from mockserver.server.uvicorn import running
from mockserver.settings import Settings
from tests.apis.test_sessions import CHAT, INDEXES, Client
from tests.apis.test_turns import ORDER, joined, types_of
from tests.conftest import app_of, settings
from tests.talk import KEY, MESSAGE

Serve = Callable[..., str]

PATIENCE = 20.0
"""Seconds after which what should come soon does not come any more."""

BODY = {"index_ids": INDEXES, "prompt": MESSAGE}
SLOW = {"seed": 0, "stream_rate": 20.0}
"""A turn takes about two seconds."""


def path_of(session_id: str, end: str = "") -> str:
    return f"{CHAT}/{session_id}{end}"


def caller(url: str) -> httpx.Client:
    """Give a client of a server."""
    return httpx.Client(base_url=url, headers={"authorization": KEY}, timeout=PATIENCE)


def events_of(text: str) -> list[Json]:
    """Read a whole stream as its grammar has it, comments left out."""
    blocks = text.split("\n\n")
    assert blocks.pop() == ""
    found = []
    for block in blocks:
        if not re.fullmatch(r":[^\n]*", block):
            match = re.fullmatch(r"event: (delta|message)\ndata: (.*)", block)
            assert match is not None, block
            found.append(json.loads(match[2]))
            assert (match[1] == "delta") is found[-1]["type"].endswith("_delta")
    return found


def history(client: httpx.Client, session_id: str = "ses-a") -> list[Json]:
    """Give the history of a session."""
    events: list[Json] = client.get(path_of(session_id)).json()["events"]
    return events


def ended(client: httpx.Client, session_id: str = "ses-a") -> list[Json]:
    """Give the history of a session once its turn has ended."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        events = history(client, session_id)
        if events[-1]["type"] == "stop":
            return events
        time.sleep(0.02)
    raise AssertionError(f"the turn has no end: {types_of(events)}")


def begun(client: httpx.Client, session_id: str = "ses-a") -> Any:
    """Begin a turn, as a context that gives its response; what is not read when it ends is left."""
    return client.stream("POST", path_of(session_id, "/messages/stream"), json=BODY)


@pytest.fixture
def slow(serve: Serve) -> Iterator[httpx.Client]:
    """Give a client of a server whose turns take about two seconds."""
    with caller(serve(**SLOW)) as client:
        yield client


# What is told


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream", "text/html", "image/png", None])
def test_a_turn_is_told_as_events_whatever_is_accepted(accept: str | None, base_url: str) -> None:
    with caller(base_url) as client:
        del client.headers["accept"]
        fields = {} if accept is None else {"accept": accept}
        response = client.post(path_of("ses-accept", "/messages/stream"), json=BODY, headers=fields)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in response.headers
    assert ORDER.fullmatch(types_of(events_of(response.text)))


def test_a_connection_serves_on_after_a_turn(base_url: str) -> None:
    async def twice() -> list[list[Json]]:
        async with Connection.open(base_url) as connection:
            return [events_of((await connection.turn("ses-kept"))[1]) for _ in range(2)]

    for events in asyncio.run(twice()):
        assert ORDER.fullmatch(types_of(events))


def test_a_refused_turn_is_no_stream(serve: Serve) -> None:
    with caller(serve(seed=0, unknown_sessions="404")) as client:
        response = client.post(path_of("ses-a", "/messages/stream"), json=BODY)
        assert (response.status_code, response.headers["content-type"]) == (404, "application/json")
        assert response.json() == {"detail": "Session not found"}


def test_json_can_be_asked_of_the_server_and_the_turn_is_played_all_the_same(serve: Serve) -> None:
    with caller(serve(seed=0, stream="json", stream_rate=0.1)) as client:
        response = client.post(path_of("ses-a", "/messages/stream"), json=BODY, headers={"accept": "text/event-stream"})
        assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
        assert response.json() == {}
        events = history(client)
        assert events[0] == {"type": "user_input", "content": MESSAGE}
        assert (events[-1]["type"], events[-1]["is_error"]) == ("stop", False)


# When it is told


def test_the_first_event_is_there_before_the_last_is_due(slow: httpx.Client) -> None:
    with begun(slow) as response:
        parts = response.iter_text()
        first = next(parts)
        assert [each["type"] for each in events_of(first)] == ["thinking_delta"]
        assert history(slow) == [{"type": "user_input", "content": MESSAGE}]
        assert slow.get(path_of("ses-a", "/summary")).json()["job_metadata"] is None
        events = events_of(first + "".join(parts))
    assert ORDER.fullmatch(types_of(events))
    pieces = ("text_delta", "thinking_delta")
    assert history(slow)[1:] == [event for event in events if event["type"] not in pieces]


def test_each_event_is_sent_by_itself(slow: httpx.Client) -> None:
    with begun(slow) as response:
        parts = list(response.iter_raw())
    assert len(parts) > 20
    assert all(len(events_of(part.decode())) == 1 for part in parts[:10])


def test_a_turn_takes_its_time(serve: Serve) -> None:
    with caller(serve(seed=0, stream_delay=0.3, stream_rate=200)) as client, begun(client) as response:
        started = time.monotonic()
        times = [time.monotonic() - started for _ in response.iter_raw()]
    assert times[0] > 0.2
    assert times[-1] > 0.3 + (len(times) - 2) / 200 - 0.1


def test_a_long_pause_is_filled_with_comments(serve: Serve) -> None:
    with caller(serve(seed=0, stream_delay=0.3, keep_alive=0.05)) as client:
        started = time.monotonic()
        response = client.post(path_of("ses-a", "/messages/stream"), json=BODY)
        most = (time.monotonic() - started) / 0.05 + 1
        filled = re.match(r"((?::[^\n]*\n\n)+)event: delta\n", response.text)
        assert filled is not None
        assert 2 <= filled[1].count("\n\n") <= most  # however late the first event came
        assert ORDER.fullmatch(types_of(events_of(response.text)))
        assert history(client)[-1]["is_error"] is False


def test_a_slow_turn_holds_nobody_up(slow: httpx.Client) -> None:
    with begun(slow) as response:
        parts = response.iter_text()
        text = next(parts)
        for number in range(20):
            body = {"first_message": f"{number}"}
            assert slow.post(path_of("ses-a", "/title"), json=body).json()["generated_title"] == f"{number}..."
        assert history(slow)[-1]["type"] == "user_input"  # the turn is still told
        text += "".join(parts)
    assert ORDER.fullmatch(types_of(events_of(text)))
    assert slow.get(path_of("ses-a", "/summary")).json()["generated_title"] == "19..."


def test_the_end_of_a_turn_is_an_update_too(slow: httpx.Client) -> None:
    with begun(slow) as response:
        parts = response.iter_text()
        next(parts)
        before = slow.get(path_of("ses-a", "/summary")).json()["last_updated_at"]
        slow.post(path_of("ses-b", "/title"), json={"first_message": MESSAGE})
        list(parts)
    listed = slow.get(CHAT).json()["items"]
    assert [each["session_id"] for each in listed] == ["ses-a", "ses-b"]
    assert listed[0]["last_updated_at"] > before


def test_a_page_of_another_origin_is_told_the_same_in_the_same_time(slow: httpx.Client) -> None:
    slow.headers["origin"] = "https://app.example"
    with begun(slow) as response:
        assert response.headers["access-control-allow-origin"] == "*"
        assert response.headers["content-type"] == "text/event-stream"
        parts = response.iter_text()  # httpx closes the connection of an iterator that is let go
        assert [each["type"] for each in events_of(next(parts))] == ["thinking_delta"]
        assert [event["type"] for event in history(slow)] == ["user_input"]
    assert ended(slow)[-1]["is_error"] is True


# Who goes away


@pytest.mark.parametrize("size", [1, 9])
def test_a_client_that_goes_away_leaves_what_was_sent_and_a_failed_stop(size: int, slow: httpx.Client) -> None:
    with begun(slow) as response:
        parts = response.iter_text()
        sent = events_of("".join(next(parts) for _ in range(size)))
    user, *told, stop = ended(slow)
    assert user == {"type": "user_input", "content": MESSAGE}
    assert (stop["is_error"], bool(stop["error"])) == (True, True)
    whole = Client(Mock(Settings(seed=0))).turn("ses-a", MESSAGE, INDEXES)
    for kind in ("thinking", "text"):
        assert joined(whole, kind).startswith(joined(told, kind))
        assert joined(told, kind).startswith(joined(sent, f"{kind}_delta"))
    tools = [event for event in told if event["type"].startswith("tool_")]
    assert tools == [event for event in whole if event["type"].startswith("tool_")][: len(tools)]
    assert re.fullmatch(r"thinking (tool_call (tool_result )?)*(text )?", types_of(told))
    record = slow.get(path_of("ses-a", "/summary")).json()["job_metadata"]
    assert record == {**stop["usage"], "is_error": True, "error": stop["error"], "export_config_ids": INDEXES}


@pytest.mark.parametrize("keep_alive", [0.0, 0.02])
def test_a_client_that_goes_away_in_a_long_pause_is_missed_at_once(keep_alive: float, serve: Serve) -> None:
    with caller(serve(seed=0, stream_delay=600, keep_alive=keep_alive)) as client:
        with begun(client) as response:
            comments = response.iter_text()
            if keep_alive:
                assert [next(comments)[:1] for _ in range(3)] == [":"] * 3
            assert [event["type"] for event in history(client)] == ["user_input"]
        user, stop = ended(client)
    assert user["type"] == "user_input"
    assert stop["is_error"] is True


def test_nothing_is_left_of_the_clients_that_have_gone(caplog: pytest.LogCaptureFixture) -> None:
    left: list[asyncio.Task[Any]] = []

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/tasks":
            left.extend(asyncio.all_tasks() - {asyncio.current_task()})
        await app(scope, receive, send)

    app = app_of(Mock(settings(seed=0, stream_delay=600)))
    with caplog.at_level(logging.WARNING), running(watched) as url, caller(url) as client:
        client.get("/tasks")
        before = len(left)
        for number in range(20):
            with begun(client, f"ses-{number}"):
                pass
        for number in range(20):
            ended(client, f"ses-{number}")
        left.clear()
        client.get("/tasks")
        assert len(left) <= before
    assert caplog.records == []


def test_a_session_that_is_deleted_while_it_is_told_stays_deleted(slow: httpx.Client) -> None:
    session_id = slow.post(CHAT).json()["session_id"]
    with begun(slow, session_id) as response:
        parts = response.iter_text()
        text = next(parts)
        assert slow.delete(path_of(session_id)).status_code == 204
        text += "".join(parts)
    assert ORDER.fullmatch(types_of(events_of(text)))
    assert slow.get(path_of(session_id)).status_code == 404


def test_a_turn_is_not_put_into_another_session_of_the_same_id(slow: httpx.Client) -> None:
    with begun(slow) as response:
        parts = response.iter_text()
        next(parts)
        slow.delete(path_of("ses-a"))
        assert history(slow) == []
        list(parts)
    assert history(slow) == []


def test_a_server_that_stops_in_mid_stream_ends_and_keeps_what_was_told() -> None:
    mock = Mock(settings(seed=0, stream_rate=2, keep_alive=0))
    with ExitStack() as stack:
        with running(app_of(mock)) as url:
            response = stack.enter_context(begun(stack.enter_context(caller(url))))
            parts = response.iter_text()
            assert events_of(next(parts))
            started = time.monotonic()
        assert time.monotonic() - started < PATIENCE
    ((_, kept),) = mock.store.find("default", "sessions", "ses-a", parts=True).parts
    assert kept[0] == {"type": "user_input", "content": MESSAGE}
    assert (kept[-1]["type"], kept[-1]["is_error"]) == ("stop", True)


# Many at once


class Connection:
    """One connection, kept alive; of httpx's a hundred at once cost more than the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str) -> AsyncIterator["Connection"]:
        """Connect to a server."""
        host, _, port = url.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            yield cls(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()

    async def send(self, method: str, path: str, body: Json = None, **fields: str) -> tuple[str, str]:
        """Send a request, and give head and body of its answer."""
        data = b"" if body is None else json.dumps(body).encode()
        head = {"host": "mock", "authorization": KEY, "content-length": str(len(data)), **fields}
        head |= {"content-type": "application/json"} if data else {}
        lines = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in head.items())
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + data)
        async with asyncio.timeout(PATIENCE):
            told = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            if "transfer-encoding: chunked" in told.lower():
                return told, (await self._chunks()).decode()
            length = re.search(r"content-length: (\d+)", told, re.IGNORECASE)
            return told, (await self._reader.readexactly(int(length[1]) if length else 0)).decode()

    async def _chunks(self) -> bytes:
        parts = []
        while size := int(await self._reader.readline(), 16):
            parts.append((await self._reader.readexactly(size + 2))[:-2])
        await self._reader.readline()
        return b"".join(parts)

    async def turn(self, session_id: str, prompt: str = MESSAGE) -> tuple[str, str]:
        """Play a turn."""
        return await self.send("POST", path_of(session_id, "/messages/stream"), {**BODY, "prompt": prompt})


async def turns_at_once(url: str, turns: list[tuple[str, str]]) -> list[str]:
    """Play turns at once, each given by its session and its prompt."""

    async def one(session_id: str, prompt: str) -> str:
        async with Connection.open(url) as connection:
            head, text = await connection.turn(session_id, prompt)
            assert head.startswith("HTTP/1.1 200 ")
            return text

    return await asyncio.gather(*(one(*turn) for turn in turns))


def without_pieces(text: str) -> list[Json]:
    return [event for event in events_of(text) if not event["type"].endswith("_delta")]


def test_a_hundred_turns_at_once_are_each_told_whole_and_in_order(serve: Serve) -> None:
    url = serve(seed=0, stream_rate=100, stream_jitter=0.5)
    turns = [(f"ses-{number}", f"Where is number {number}?") for number in range(100)]
    texts = asyncio.run(turns_at_once(url, turns))
    with caller(url) as client:
        for (session_id, prompt), text in zip(turns, texts, strict=True):
            events = events_of(text)
            assert ORDER.fullmatch(types_of(events))
            assert joined(events, "text_delta") == joined(events, "text")
            assert history(client, session_id) == [{"type": "user_input", "content": prompt}, *without_pieces(text)]


def test_turns_at_once_on_one_session_all_stand_whole_in_its_history(serve: Serve) -> None:
    url = serve(seed=0, stream_rate=200, stream_jitter=1.0)
    prompts = [f"Question {number}" for number in range(8)]
    texts = dict(zip(prompts, asyncio.run(turns_at_once(url, [("ses-a", prompt) for prompt in prompts])), strict=True))
    with caller(url) as client:
        events = history(client)
        record = client.get(path_of("ses-a", "/summary")).json()["job_metadata"]
    starts = [index for index, event in enumerate(events) if event["type"] == "user_input"]
    said = [events[start]["content"] for start in starts]
    assert sorted(said) == prompts
    for prompt, start, end in zip(said, starts, [*starts[1:], len(events)], strict=True):
        assert events[start + 1 : end] == without_pieces(texts[prompt])
    stops = [event["usage"] for event in events if event["type"] == "stop"]
    assert {name: record[name] for name in stops[0]} in stops


def test_turns_at_once_stand_in_the_order_in_which_they_began(slow: httpx.Client) -> None:
    with begun(slow) as first, begun(slow) as second:
        second.read()
        first.read()
        texts = [first.text, second.text]
    user = {"type": "user_input", "content": MESSAGE}
    assert history(slow) == [user, *without_pieces(texts[0]), user, *without_pieces(texts[1])]
