"""The feed of exchanges: batches with what came, at no cost to a mock that nobody watches, and who may listen."""

import asyncio
import json
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from mockserver.cli import ready_lines
from mockserver.control.access import cookie_of, unproven
from mockserver.control.client import LocalAdmin
from mockserver.control.feed import MOST_ROWS, JournalFeed
from mockserver.engine import Mock
from mockserver.server.asgi import Message, Receive, Scope, Send
from mockserver.server.uvicorn import running
from tests.conftest import app_of, settings
from tests.needs import running as process
from tests.oracle import Answer, call
from tests.talk import KEY, MESSAGE, TITLE, ask

THERE = ("192.0.2.7", 50_000)


def batch(feed: JournalFeed) -> Any:
    """Give the data of the next batch; None if nothing happened."""
    text = feed.batch().decode()
    lines = dict(line.split(": ", 1) for line in text.splitlines() if line)
    return json.loads(lines["data"]) if text else None


def numbers(found: Any) -> list[int]:
    return [row["number"] for row in found["rows"]]


def test_a_batch_has_what_came_since_the_last_and_of_too_much_the_newest() -> None:
    mock = Mock(settings(seed=1))
    for _ in range(MOST_ROWS + 3):
        ask(mock.handle, "POST", TITLE, {"first_message": MESSAGE})
    feed = JournalFeed(mock, "default", 0)
    assert numbers(batch(feed)) == list(range(1, MOST_ROWS + 4))  # at first all
    assert batch(feed) is None
    for _ in range(MOST_ROWS + 5):
        ask(mock.handle, "POST", TITLE, {"first_message": 5})
    found = batch(feed)
    assert (len(found["rows"]), found["skipped"], found["forgotten"]) == (MOST_ROWS, 5, False)
    assert found["rows"][0]["fault"] == "client"
    assert numbers(batch_after(mock, 200)) == list(range(201, 2 * MOST_ROWS + 9))


def batch_after(mock: Mock, number: int) -> Any:
    feed = LocalAdmin(mock, "default").call("GET", "/__mock__/events", query={"after": str(number)}).feed
    assert isinstance(feed, JournalFeed)
    return batch(feed)


def test_a_journal_that_was_forgotten_begins_anew() -> None:
    mock = Mock(settings(seed=1))
    feed = JournalFeed(mock, "default", 0)
    for _ in range(3):
        ask(mock.handle, "POST", TITLE, {"first_message": MESSAGE})
    batch(feed)
    mock.store.clear_entries("default")
    assert batch(feed) == {"forgotten": True, "skipped": 0, "rows": []}
    ask(mock.handle, "POST", TITLE, {"first_message": MESSAGE})
    assert numbers(batch(feed)) == [1]


def test_a_journal_in_a_database_is_fed_as_well(tmp_path: Path) -> None:
    mock = Mock(settings(seed=1, store=f"sqlite:///{tmp_path / 'store.db'}"))
    feed = JournalFeed(mock, "default", 0)
    for message in (MESSAGE, 5):
        ask(mock.handle, "POST", TITLE, {"first_message": message})
    assert [(row["status"], row["fault"]) for row in batch(feed)["rows"]] == [(200, None), (422, "client")]
    assert batch(feed) is None
    mock.store.close()


def test_secrets_are_hidden_in_the_rows() -> None:
    mock = Mock(settings(seed=1))
    ask(mock.handle, "POST", TITLE, {"first_message": MESSAGE}, query="api_key=hush")
    assert "hush" not in JournalFeed(mock, "default", 0).batch().decode()


def test_an_exchange_that_is_not_there_is_not_found() -> None:
    reply = LocalAdmin(Mock(settings(seed=1)), "default").call("GET", "/__mock__/journal/{number}", number="7")
    assert (reply.status, reply.value) == (404, {"detail": "The journal has no exchange 7."})


@contextmanager
def listening(url: str) -> Iterator[httpx.Response]:
    with httpx.stream("GET", f"{url}/__mock__/events", timeout=30) as response:
        yield response


def test_what_comes_is_sent_to_who_listens_and_the_stream_ends_with_the_server() -> None:
    with running(app_of(Mock(settings(seed=1))), shutdown_timeout=60) as url:
        first = threading.Event()
        lines: list[str] = []

        def listen() -> None:
            with listening(url) as response:
                assert response.headers["content-type"].startswith("text/event-stream")
                for line in response.iter_lines():
                    lines.append(line)
                    first.set()

        listener = threading.Thread(target=listen)
        listener.start()
        httpx.post(url + TITLE, json={"first_message": MESSAGE}, headers={"authorization": KEY})
        assert first.wait(30)
    listener.join(30)  # long before the 60 seconds that open answers get
    assert not listener.is_alive()
    assert '"operation":"set_title"' in "".join(lines)


def test_a_feed_ends_when_its_listener_leaves() -> None:
    app = app_of(Mock(settings(seed=1)))

    async def left_at_once(scope: Scope, receive: Receive, send: Send) -> None:
        messages = iter([await receive()])

        async def receive_or_leave() -> Message:
            return next(messages, {"type": "http.disconnect"})

        async with asyncio.timeout(30):
            await app(scope, receive_or_leave, send)

    assert call(left_at_once, "GET", "/__mock__/events").status == 200


def test_a_mock_that_nobody_watches_reads_no_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    mock = Mock(settings(seed=1))
    monkeypatch.setattr(mock.store, "entries", lambda _: pytest.fail("nobody listens"))
    ask(mock.handle, "POST", TITLE, {"first_message": MESSAGE})


# -- who may look ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("client", "cookie", "token", "let_in"),
    [
        (("127.0.0.1", 1), "", "secret", True),
        (("127.0.0.1", 1), "", None, True),
        (None, "", "secret", True),
        (THERE, "", "secret", False),
        (THERE, "=".join(cookie_of("secret")), "secret", True),
        (THERE, f"a=b; {'='.join(cookie_of('secret'))}; c=d", "secret", True),
        (THERE, "=".join(cookie_of("secret"))[:-1], "secret", False),
        (THERE, "=".join(cookie_of("another")), "secret", False),
        (THERE, f"{cookie_of('secret')[0]}=secret", "secret", False),
        (THERE, "=".join(cookie_of("None")), None, False),
    ],
)
def test_another_machine_needs_the_token(client: Any, cookie: str, token: str | None, let_in: bool) -> None:
    scope = {"type": "http", "client": client, "headers": [(b"cookie", cookie.encode())]}
    assert (unproven(scope, token) == "") is let_in


def ask_from_there(path: str, query: str = "", cookie: str = "") -> Answer:
    token = " ".join(("let", "me", "in;", "please"))
    app = app_of(Mock(settings(seed=1, control_remote=True, control_token=token)))

    async def seen_from_there(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "client": THERE}, receive, send)

    return call(seen_from_there, "GET", path, query=query, headers=[("host", "192.0.2.1:4010"), ("cookie", cookie)])


def test_the_address_with_the_token_sets_a_cookie_that_no_script_and_no_other_site_has() -> None:
    refused = ask_from_there("/__mock__/")
    assert refused.status == 403
    assert "open the address that the start printed" in refused.body.decode()
    assert ask_from_there("/__mock__/events").status == 403
    assert ask_from_there("/__mock__/", "token=let+me+out").status == 403
    led = ask_from_there("/__mock__/", "token=let+me+in%3B+please")
    (cookie,) = [value for name, value in led.headers if name == "set-cookie"]
    assert led.status == 303
    assert {"HttpOnly", "SameSite=strict", "Path=/__mock__/"} <= set(cookie.split("; "))
    assert "token" not in dict(led.headers)["location"]
    assert ask_from_there("/__mock__/", cookie=cookie.partition(";")[0]).status == 200


def test_the_start_prints_the_address_with_a_token_that_it_drew(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mockserver", "serve", "--port", "0", "--control-remote"]
    with process(command, tmp_path / "log") as served:
        found = re.search(
            r"its page, for other machines: (http://\S+/__mock__/\?token=[\w-]{20,})", served.said("token=")
        )
    assert found is not None


def test_only_with_control_remote_there_is_a_token_to_print() -> None:
    token = " ".join(("x", "&", "y"))
    told = [
        ready_lines(Mock(settings(seed=1, control_remote=remote, control_token=token, control=control)), "http://h")
        for remote, control in ((True, True), (False, True), (True, False))
    ]
    assert ["http://h/__mock__/?token=x%20%26%20y" in each for each in told] == [True, False, False]
