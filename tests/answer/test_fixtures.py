"""Canned answers are found by name, and serve the contracts that they satisfy."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mockserver.answer.fixtures import Fixtures
from mockserver.apis.llamacloud_chat.pack import API, VERSIONS, ChatSettings, style
from mockserver.contract.reader import read_file
from mockserver.engine import Mock
from mockserver.errors import FixtureError, UsageError
from mockserver.messages import Json, Response
from mockserver.settings import Settings, Source
from tests.conftest import settings
from tests.strategies import (
    FIXTURES,
    ROOT,
    Canned,
    bundled_fixtures,
    contract_of,
    every_operation,
    operations,
    own_document,
    satisfies,
    write_document,
)
from tests.talk import MESSAGE, TITLE, ask, events, header, value, whole

STREAM = "/api/v1/chat/ses-abc123/messages/stream"
SCRIPTS = {"short-answer", "two-tools", "failed-turn", "slow-start"}
ALL = bundled_fixtures()
AUTO = tuple(contract_of(version) for version in VERSIONS)
SESSION: dict[str, Json] = {
    "session_id": "ses-mine",
    "generated_title": "Mine...",
    "last_updated_at": "2026-05-01T00:00:00.000000",
    "job_metadata": None,
    "index_ids": None,
}


def bundled(folder: Path | None = None) -> Fixtures:
    """Give the pack's fixtures for its contracts, and those of a folder of one's own."""
    return Fixtures(AUTO, folder, API.fixtures, style(ChatSettings()))


def put(folder: Path, name: str, content: Json) -> Path:
    """Write a fixture into a folder; text is written as it is."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


# -- the bundled ones ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("canned", ALL, ids=str)
def test_every_bundled_fixture_serves_the_versions_whose_contract_it_satisfies(canned: Canned) -> None:
    fixtures = bundled()
    serving = set()
    for version in VERSIONS:
        operation = operations(version).get(canned.operation)
        named = fixtures.named(operation, canned.status) if operation else {}
        if canned.name in named:
            assert named[canned.name] == canned.value
            serving.add(version)
    assert serving == {version for version in VERSIONS if satisfies(version, canned)}
    assert serving


def test_there_are_bundled_fixtures_for_every_operation() -> None:
    assert {canned.operation for canned in ALL} == {name for _, name in every_operation()}


@pytest.mark.parametrize(("version", "name"), every_operation())
def test_an_operation_has_the_fixtures_of_its_own_folder_and_no_others(version: str, name: str) -> None:
    fixtures, operation = bundled(), operations(version)[name]
    found = {(status, each) for status in operation.exact for each in fixtures.named(operation, status)}
    assert found == {
        (canned.status, canned.name) for canned in ALL if canned.operation == name and satisfies(version, canned)
    }


def test_the_bundled_scripts_are_those_of_the_documents() -> None:
    text = (ROOT / "docs" / "sessions.md").read_text("utf-8")
    assert {canned.name for canned in ALL if canned.is_script} == SCRIPTS
    assert [name for name in SCRIPTS if f"`{name}`" not in text] == []


def test_no_fixture_has_private_looking_ids() -> None:
    for canned in ALL:
        text = canned.path.read_text("utf-8")
        assert "llx-" not in text
        assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2) + "\n"


# -- a folder of one's own -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["", "llamacloud-chat/"])
def test_a_folder_of_ones_own_is_served(tmp_path: Path, below: str) -> None:
    put(tmp_path, f"{below}set_title/200.mine.json", SESSION)
    mock = Mock(Settings(fixtures=tmp_path, seed=0))
    response = ask(mock.handle, "POST", TITLE, {"first_message": "x"}, prefer="example=mine")
    assert (response.status, value(response)) == (200, SESSION)
    assert header(response, "x-mock-source") == "canned"


def test_ones_own_wins_by_name_and_the_others_stay(tmp_path: Path) -> None:
    put(tmp_path, "set_title/200.unbound.json", SESSION)
    operation = operations("2.6")["set_title"]
    named = bundled(tmp_path).named(operation, 200)
    assert named["unbound"] == SESSION
    assert set(named) == set(bundled().named(operation, 200))


def test_an_unnamed_one_is_the_answer_of_its_operation(tmp_path: Path) -> None:
    put(tmp_path, "get_summary/200.json", {**SESSION, "shared_access": "query"})
    mock = Mock(Settings(fixtures=tmp_path, seed=0, answers="canned"))
    for _ in range(3):
        response = ask(mock.handle, "GET", "/api/v1/chat/x/summary")
        assert value(response)["session_id"] == "ses-mine"
        assert header(response, "x-mock-source") == "canned"


def test_ones_own_serves_the_versions_that_it_satisfies(tmp_path: Path) -> None:
    put(tmp_path, "get_summary/200.old.json", SESSION)
    fixtures = bundled(tmp_path)
    serving = {version for version in VERSIONS if "old" in fixtures.named(operations(version)["get_summary"], 200)}
    assert serving == {"2.6", "2.8"}  # 2.17 wants shared_access


def test_ones_own_serves_a_contract_of_ones_own(tmp_path: Path) -> None:
    contract = read_file(write_document(tmp_path, own_document()))
    put(tmp_path / "canned", "read/200.long.json", {"id": "n", "text": "x" * 80})
    fixtures = Fixtures((contract,), tmp_path / "canned")
    assert fixtures.named(contract.operations[0], 200) == {"long": {"id": "n", "text": "x" * 80}}
    assert fixtures.named(contract.operations[1], 200) == {}


def test_bundled_fixtures_do_not_serve_a_contract_of_ones_own(tmp_path: Path) -> None:
    document = own_document()
    document["paths"]["/notes/{note_id}"]["get"]["operationId"] = "get_summary"
    document["components"]["schemas"]["Note"] = {}
    contract = read_file(write_document(tmp_path, document))
    assert Fixtures((contract,), None, API.fixtures).named(contract.operations[0], 200) == {}


def test_dot_files_are_left_alone(tmp_path: Path) -> None:
    put(tmp_path, "set_title/.DS_Store", "\x00")
    put(tmp_path, "set_title/.200.json.swp", "x")
    put(tmp_path, "set_title/200.mine.json", SESSION)
    assert "mine" in bundled(tmp_path).named(operations("2.6")["set_title"], 200)


def test_dot_folders_and_files_beside_the_folders_are_left_alone(tmp_path: Path) -> None:
    put(tmp_path, ".git/config", "x")
    put(tmp_path, "README.md", "x")
    put(tmp_path, "set_title/200.mine.json", SESSION)
    assert "mine" in bundled(tmp_path).named(operations("2.6")["set_title"], 200)


# -- what stops the start --------------------------------------------------------------------------------------------


def refused(folder: Path) -> FixtureError:
    with pytest.raises(FixtureError) as caught:
        Mock(Settings(fixtures=folder))
    return caught.value


@pytest.mark.parametrize(
    ("change", "pointer", "expected", "received"),
    [
        ({"last_updated_at": 5}, "/last_updated_at", '{"type": "string"}', "received 5"),
        ({"session_id": None}, "/session_id", '{"type": "string"}', "received null"),
        ({"job_metadata": {"turns": "x"}}, "/job_metadata/turns", '{"type": "integer"}', 'received "x"'),
        ({"index_ids": ["a", 7]}, "/index_ids/1", '{"type": "string"}', "received 7"),
    ],
    ids=["timestamp", "id", "deep inside", "in a list"],
)
def test_one_that_breaks_every_contract_stops_the_start(
    tmp_path: Path, change: dict[str, Any], pointer: str, expected: str, received: str
) -> None:
    path = put(tmp_path, "set_title/200.mine.json", {**SESSION, **change})
    error = refused(tmp_path)
    assert error.what == "a fixture breaks the contract"
    assert error.where == f"{path}#{pointer}"
    assert f"expected {expected}" in error.why
    assert received in error.why
    assert "2.6#/components/schemas/" in error.why
    assert error.exit_code == 3


def test_what_is_missing_is_told_at_the_root(tmp_path: Path) -> None:
    path = put(tmp_path, "set_title/200.mine.json", {"session_id": "s"})
    error = refused(tmp_path)
    assert error.where.startswith(f"{path}#")
    assert "'last_updated_at' is a required property" in error.why


@pytest.mark.parametrize(
    "name", ["200.txt", "ok.json", "title.json", "600.json", "20.json", "200..json", "200.json.bak", "200"]
)
def test_a_name_that_says_nothing_stops_the_start(tmp_path: Path, name: str) -> None:
    path = put(tmp_path, f"set_title/{name}", SESSION)
    error = refused(tmp_path)
    assert (error.what, error.where) == ("a fixture's name cannot be read", str(path))
    assert "<operation>/<status>.<name>.json" in error.why


@pytest.mark.parametrize("content", ["", "{", "{'a': 1}"])
def test_one_that_is_not_json_stops_the_start(tmp_path: Path, content: str) -> None:
    path = put(tmp_path, "set_title/200.mine.json", content)
    error = refused(tmp_path)
    assert error.what == "a fixture is not JSON"
    assert error.where.startswith(f"{path}:1:")


def test_one_that_is_not_utf_8_stops_the_start(tmp_path: Path) -> None:
    path = put(tmp_path, "set_title/200.mine.json", "")
    path.write_bytes(b'"\xff"')
    assert refused(tmp_path).where == str(path)


def test_one_of_an_unknown_operation_stops_the_start(tmp_path: Path) -> None:
    path = put(tmp_path, "settitle/200.json", SESSION)
    error = refused(tmp_path)
    assert "'settitle'" in error.what
    assert error.where == str(path)
    assert "set_title" in error.why


def test_one_of_a_status_that_no_contract_declares_stops_the_start(tmp_path: Path) -> None:
    path = put(tmp_path, "set_title/202.json", SESSION)
    error = refused(tmp_path)
    assert error.what == "no contract declares a JSON answer 202 here"
    assert error.where == str(path)
    assert "200" in error.why


def test_one_where_no_body_is_declared_stops_the_start(tmp_path: Path) -> None:
    put(tmp_path, "delete/204.json", None)
    assert refused(tmp_path).what == "no contract declares a JSON answer 204 here"


# -- scripted turns --------------------------------------------------------------------------------------------------

STOP: dict[str, Json] = {"type": "stop", "usage": {}, "is_error": False, "error": None}
TEXT: dict[str, Json] = {"type": "text", "content": "Yes."}


@pytest.mark.parametrize(
    "script",
    [
        [{"event": STOP}],
        [{"event": TEXT, "after_ms": 0}, {"event": STOP}],
        [{"after_ms": 40, "event": TEXT}, {"after_ms": 0.5, "event": STOP}],
        [{"event": TEXT, "after_ms": None}, {"event": STOP}],
        [{"event": TEXT}, {"event": TEXT}, {"event": {**STOP, "is_error": True, "error": "It failed."}}],
    ],
    ids=["stop alone", "at once", "pauses", "no pause said", "two texts and a failure"],
)
def test_a_script_of_ones_own_is_told(tmp_path: Path, script: Json) -> None:
    put(tmp_path, "stream/200.mine.json", script)
    response = whole(played(Mock(Settings(fixtures=tmp_path, seed=0)), "example=mine"))
    assert events(response.body) == [step["event"] for step in script]


def test_a_script_without_a_name_is_what_every_turn_says_and_the_history_has_it(tmp_path: Path) -> None:
    put(tmp_path, "stream/200.json", [{"event": TEXT}, {"event": STOP}])
    mock = Mock(Settings(fixtures=tmp_path, seed=0))
    assert events(whole(played(mock)).body) == [TEXT, STOP]
    history = value(ask(mock.handle, "GET", "/api/v1/chat/ses-abc123"))["events"]
    assert history == [{"type": "user_input", "content": MESSAGE}, TEXT, STOP]


def test_a_fixture_that_is_in_no_folder_stops_the_start(tmp_path: Path) -> None:
    put(tmp_path, "stream/200.mine.json", [{"event": STOP}])
    with pytest.raises(FixtureError) as caught:
        Mock(Settings(fixtures=tmp_path / "stream"))
    assert caught.value.where.endswith("stream/200.mine.json")
    assert "name the folder above" in caught.value.fix


def test_an_event_type_that_there_is_not_is_told_with_those_that_there_are(tmp_path: Path) -> None:
    put(tmp_path, "stream/200.mine.json", [{"event": {"type": "txt", "content": "x"}}, {"event": STOP}])
    with pytest.raises(FixtureError) as caught:
        Mock(Settings(fixtures=tmp_path))
    assert caught.value.where.endswith("#/0/event/type")
    assert "text_delta" in caught.value.why
    assert '"txt"' in caught.value.why


def played(mock: Mock, prefer: str | None = None, session_id: str = "ses-abc123") -> Response:
    """Ask for a turn."""
    path = STREAM.replace("ses-abc123", session_id)
    response = ask(mock.handle, "POST", path, {"index_ids": ["idx-a"], "prompt": MESSAGE}, prefer=prefer)
    assert (response.status, header(response, "content-type")) == (200, "text/event-stream")
    return response


EVENT_PLACE = 'expected "a script", received '


@pytest.mark.parametrize(
    ("script", "pointer", "texts"),
    [
        ({}, "", [EVENT_PLACE + "{}", "a script is a list of events"]),
        ([], "", [EVENT_PLACE + "[]", "a script is a list of events"]),
        (None, "", [EVENT_PLACE + "null"]),
        ("data: {}", "", [EVENT_PLACE + '"data: {}"']),
        ([STOP], "/0", [EVENT_PLACE, "each entry has an event, may have an after_ms, and nothing else"]),
        ([{"event": STOP}, 5], "/1", [EVENT_PLACE + "5", "each entry has an event"]),
        ([{"event": TEXT}, 5], "/1", [EVENT_PLACE + "5", "each entry has an event"]),
        ([{"event": STOP, "after": 5}], "/0", [EVENT_PLACE, "and nothing else"]),
        ([{"after_ms": 5}], "/0", [EVENT_PLACE + '{"after_ms": 5}', "each entry has an event"]),
        ([{"event": "stop"}], "/0/event", [EVENT_PLACE + '"stop"', "an event is an object with a type"]),
        ([{"event": {}}], "/0/event", [EVENT_PLACE + "{}", "an event is an object with a type"]),
        ([{"event": {**STOP, "type": None}}], "/0/event", ["an event is an object with a type"]),
        ([{"event": STOP, "after_ms": -1}], "/0/after_ms", [EVENT_PLACE + "-1", "from 0 to 3600000"]),
        ([{"event": STOP, "after_ms": "40"}], "/0/after_ms", [EVENT_PLACE + '"40"', "a number of milliseconds"]),
        ([{"event": STOP, "after_ms": True}], "/0/after_ms", [EVENT_PLACE + "true", "a number of milliseconds"]),
        ([{"event": STOP, "after_ms": [1]}], "/0/after_ms", [EVENT_PLACE + "[1]", "a number of milliseconds"]),
        (
            [{"event": {"type": "user_input", "content": "x"}}, {"event": STOP}],
            "/0/event",
            ["a turn is what is answered"],
        ),
        (
            [{"event": {"type": "text_delta", "content": "No"}}, {"event": TEXT}, {"event": STOP}],
            "/1/event",
            ["do not add up to it: they say 'No'"],
        ),
        (
            [{"event": {"type": "tool_result", "call_id": "c", "name": "n", "result": 1}}, {"event": STOP}],
            "/0/event",
            ["a result has the call_id and the name of a call before it"],
        ),
        ([{"event": TEXT}], "/0/event", [EVENT_PLACE, "a turn ends with its stop, and has no other"]),
        ([{"event": STOP}, {"event": STOP}], "/0/event", ["a turn ends with its stop, and has no other"]),
        ([{"event": STOP}, {"event": TEXT}], "/0/event", ["a turn ends with its stop, and has no other"]),
        ([{"event": {**TEXT, "content": 5}}, {"event": STOP}], "/0/event/content", ['{"type": "string"}, received 5']),
        ([{"event": {"type": "text"}}, {"event": STOP}], "/0/event", ["'content' is a required property"]),
        (
            [{"event": {"type": "laugh"}}, {"event": STOP}],
            "/0/event/type",
            ['received "laugh"', "there is no event of type"],
        ),
        ([{"event": TEXT}, {"event": {"type": "stop"}}], "/1/event", ["'usage' is a required property"]),
        ([{"event": {**STOP, "usage": {"turns": "x"}}}], "/0/event/usage/turns", ['{"type": "integer"}, received "x"']),
    ],
)
def test_a_bad_script_stops_the_start_with_its_place_and_what_was_expected(
    tmp_path: Path, script: Json, pointer: str, texts: list[str]
) -> None:
    path = put(tmp_path, "stream/200.mine.json", json.dumps(script))
    error = refused(tmp_path)
    assert (error.what, error.where) == ("a fixture breaks the contract", f"{path}#{pointer}")
    assert [text for text in texts if text not in error.why] == []
    assert "expected " in error.why
    assert error.fix


def test_an_error_of_a_turn_is_a_body_and_no_script(tmp_path: Path) -> None:
    put(tmp_path, "stream/404.mine.json", {"detail": "Gone"})
    mock = Mock(Settings(fixtures=tmp_path, seed=0))
    response = ask(mock.handle, "POST", STREAM, {"index_ids": ["a"], "prompt": "x"}, prefer="example=mine")
    assert (response.status, value(response)) == (404, {"detail": "Gone"})
    put(tmp_path, "stream/429.mine.json", [{"event": STOP}])
    assert refused(tmp_path).where.endswith("stream/429.mine.json#")


def test_an_event_that_only_a_later_version_knows_serves_that_version_alone(tmp_path: Path) -> None:
    put(tmp_path, "stream/200.mine.json", [{"event": {**STOP, "skipped_index_ids": [5]}}])
    fixtures = bundled(tmp_path)
    serving = {version for version in VERSIONS if "mine" in fixtures.named(operations(version)["stream"], 200)}
    assert serving == {"2.6", "2.8"}  # 2.17 says what the field holds


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_a_script_is_played_through_the_session_where_turns_are_simulated(name: str) -> None:
    (canned,) = (each for each in ALL if each.is_script and each.name == name)
    mock = Mock(Settings(contract="2.17", seed=0))
    for _ in range(2):
        response = whole(played(mock, f"example={name}"))
        assert events(response.body) == canned.events
        assert header(response, "x-mock-source") == "simulated"
        assert header(response, "preference-applied") == f"example={name}"
    turn = [{"type": "user_input", "content": MESSAGE}]
    turn += [event for event in canned.events if not event["type"].endswith("_delta")]
    session = value(ask(mock.handle, "GET", STREAM.removesuffix("/messages/stream")))
    assert session["events"] == turn * 2
    assert session["generated_title"] == MESSAGE + "..."
    assert session["job_metadata"]["is_error"] is canned.events[-1]["is_error"]
    assert session["job_metadata"]["export_config_ids"] == ["idx-a"]


@pytest.mark.parametrize("source", ["canned", "documented", "generated"])
def test_a_script_is_told_without_a_session_where_turns_are_not_simulated(source: Source) -> None:
    mock = Mock(settings(contract="2.17", seed=0, answers=source, unknown_sessions="404"))
    response = whole(played(mock, "example=two-tools"))
    assert [event["type"] for event in events(response.body)][-1] == "stop"
    assert header(response, "x-mock-source") == "canned"
    assert dict(mock.store.scopes()) == {}


def test_a_script_keeps_its_own_pauses_and_where_it_says_none_takes_those_of_the_options(tmp_path: Path) -> None:
    steps = [{"event": TEXT}, {"event": TEXT, "after_ms": 500}, {"event": TEXT}, {"event": STOP, "after_ms": 0}]
    put(tmp_path, "stream/200.mine.json", steps)
    for source in ("simulated", "canned"):
        mock = Mock(settings(fixtures=tmp_path, answers=source, seed=0, stream_delay=2, stream_rate=4))
        response = played(mock, "example=mine")
        assert response.stream is not None
        assert [chunk.at for chunk in response.stream.chunks] == [2, 2.5, 2.75, 2.75]


def test_a_script_on_other_indexes_than_the_sessions_is_refused() -> None:
    mock = Mock(Settings(contract="2.17", seed=0))
    created = ask(mock.handle, "POST", "/api/v1/chat", {"index_ids": ["idx-a"]})
    session_id = value(created)["session_id"]
    whole(played(mock, "example=short-answer", session_id))
    body = {"index_ids": ["idx-b"], "prompt": MESSAGE}
    path = STREAM.replace("ses-abc123", session_id)
    response = ask(mock.handle, "POST", path, body, prefer="example=short-answer")
    assert (response.status, header(response, "preference-applied")) == (400, None)
    assert header(response, "x-mock-pointer") == "/body/index_ids"


def test_a_folder_that_is_not_there_is_a_mistake_of_the_command(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        Mock(Settings(fixtures=tmp_path / "gone"))


@pytest.mark.parametrize("text", ['{"session_id": "\\ud800", "last_updated_at": "x"}', "[NaN]", "[1e999]", "[" * 5000])
def test_a_fixture_that_cannot_be_written_as_json_stops_the_start(text: str, tmp_path: Path) -> None:
    path = tmp_path / "set_title" / "200.odd.json"
    path.parent.mkdir()
    path.write_text(text, "utf-8")
    with pytest.raises(FixtureError) as caught:
        Mock(Settings(fixtures=tmp_path))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("text", ["{broken", '{"session_id": 5, "last_updated_at": "x"}'])
def test_a_bundled_fixture_that_was_broken_is_found_when_files_are_read_again(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied = shutil.copytree(FIXTURES, tmp_path / "fixtures")
    monkeypatch.setattr("mockserver.api.choose", lambda *_: replace(API, fixtures=copied))
    mock = Mock(Settings())
    mock.reload()
    path = copied / "set_title" / "200.finished-run.json"
    path.write_text(text, "utf-8")
    served = mock.served
    with pytest.raises(FixtureError) as caught:
        mock.reload()
    assert str(path) in str(caught.value)
    assert mock.served is served
