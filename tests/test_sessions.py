"""A session is titled as far as anything is known of how."""

import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.engine import Mock
from mockserver.exchange import Response
from mockserver.sessions import title_of
from mockserver.settings import TITLE_LENGTH, Settings
from mockserver.stores import MemoryStore
from tests.strategies import contract_of, judge, write_document
from tests.talk import MESSAGE, TITLE, ask, header, value

MOCK = Mock(Settings(seed=0))
"""For what leaves no trace in a session but its own title."""


def title(mock: Mock, message: str = MESSAGE, path: str = TITLE) -> Response:
    response = ask(mock.handle, "POST", path, {"first_message": message})
    assert (response.status, header(response, "x-mock-source")) == (200, "simulated")
    return response


def test_the_documented_message_gets_the_documented_title() -> None:
    operation = next(each for each in contract_of("2.6").operations if each.id == "set_title")
    media = operation.exact[200].preferred
    assert media is not None
    documented = media.examples["documented"]
    made = value(title(Mock(Settings(seed=0))))
    assert made["generated_title"] == documented["generated_title"] == "What were the main findings in Q3?..."
    assert made["session_id"] == documented["session_id"]
    assert list(made) == list(documented)


@given(st.text())
@example("")
@example("x" * 50)
@example("x" * 51)
@example("👩‍👩‍👧‍👦" * 20)
@example("\n\t\x00")
@example("{{ 7 * 7 }}")
def test_any_text_is_titled_by_its_beginning(message: str) -> None:
    made = value(title(MOCK, message))
    assert made["generated_title"] == message[:TITLE_LENGTH] + "..."
    assert judge("2.6").errors("/components/schemas/ChatSessionSummary", made) == []


@given(st.text(max_size=40), st.integers(1, 60))
def test_a_title_is_a_beginning_and_three_dots(message: str, length: int) -> None:
    made = title_of(message, length)
    assert made.endswith("...")
    assert message.startswith(made[:-3])
    assert len(made[:-3]) == min(length, len(message))


@pytest.mark.parametrize("length", [1, 33, 34, 35, 5000])
def test_the_length_of_titles_can_be_set(length: int) -> None:
    mock = Mock(Settings(contract="2.6", title_length=length))
    for message in (MESSAGE, MESSAGE * 10, "東京" * 3000):
        assert value(title(mock, message))["generated_title"] == message[:length] + "..."


def test_the_default_length_keeps_the_documented_message_whole() -> None:
    assert Settings().title_length == TITLE_LENGTH >= len(MESSAGE)


def test_a_session_that_never_ran_has_neither_run_nor_indexes() -> None:
    made = value(title(Mock(Settings(seed=0))))
    assert (made["job_metadata"], made["index_ids"]) == (None, None)


def test_time_is_told_in_utc_with_six_digits_and_no_zone() -> None:
    before = datetime.now(UTC).replace(tzinfo=None)
    text = value(title(Mock(Settings(seed=0))))["last_updated_at"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", text)
    assert before <= datetime.fromisoformat(text) <= before + timedelta(seconds=30)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 4, 22, 12, 34, 41, 342245), "2026-04-22T12:34:41.342245"),
        (datetime(2026, 4, 22, 12, 34, 41), "2026-04-22T12:34:41.000000"),
        (datetime(2026, 4, 22, 14, 34, 41, tzinfo=timezone(timedelta(hours=2))), "2026-04-22T12:34:41.000000"),
    ],
    ids=["microseconds", "whole second", "another zone"],
)
def test_a_clock_that_stands_still_tells_its_time(moment: datetime, text: str) -> None:
    mock = Mock(Settings(clock=moment))
    assert [value(title(mock))["last_updated_at"] for _ in range(2)] == [text, text]


def test_a_second_title_overwrites_the_first() -> None:
    mock = Mock(Settings(seed=0))
    assert value(title(mock, "One"))["generated_title"] == "One..."
    second = value(title(mock, "Two"))
    assert second["generated_title"] == "Two..."
    assert len(mock.store) == 1


def test_time_moves_on_with_each_title() -> None:
    mock = Mock(Settings(seed=0))
    first, second = (value(title(mock))["last_updated_at"] for _ in range(2))
    assert first < second


def test_sessions_do_not_touch_each_other() -> None:
    mock = Mock(Settings(seed=0))
    paths = [TITLE, TITLE.replace("abc", "xyz")]
    made: list[Any] = [value(title(mock, str(index), path)) for index, path in enumerate(paths)]
    assert [each["session_id"] for each in made] == ["ses-abc123", "ses-xyz123"]
    assert [each["generated_title"] for each in made] == ["0...", "1..."]
    assert len(mock.store) == 2


def test_the_store_that_is_given_is_used() -> None:
    store = MemoryStore()
    title(Mock(Settings(seed=0), store=store))
    assert len(store) == 1


def test_of_too_many_sessions_the_one_touched_longest_ago_is_forgotten() -> None:
    store = MemoryStore(most=2)
    for session_id in ("a", "b", "a", "c"):
        store.set_title("", session_id, session_id, "now")
    assert len(store) == 2
    assert store.set_title("", "a", "again", "now").title == "again"


@pytest.mark.parametrize("body", [{"type": "object", "required": ["text"]}, {"type": "object"}, {"type": "string"}])
def test_a_title_call_of_another_kind_is_not_played(body: Any, tmp_path: Path) -> None:
    reply = {"description": "ok", "content": {"application/json": {"schema": {"type": "object"}}}}
    parameter = {"name": "session_id", "in": "path", "required": True, "schema": {"type": "string"}}
    operation = {
        "parameters": [parameter],
        "requestBody": {"content": {"application/json": {"schema": body}}},
        "responses": {"200": reply},
    }
    document = {"openapi": "3.1.0", "paths": {"/api/v1/chat/{session_id}/title": {"post": operation}}}
    mock = Mock(Settings(contract=str(write_document(tmp_path, document))))
    response = ask(mock.handle, "POST", TITLE, "text" if body["type"] == "string" else {"text": "x"})
    assert (response.status, header(response, "x-mock-source")) == (200, "generated")
