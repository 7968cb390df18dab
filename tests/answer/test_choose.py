"""Every declared answer can be had, each from where it was wished for."""

import json
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.contract.openapi import Media, Operation
from mockserver.engine import Mock
from mockserver.errors import UsageError
from mockserver.messages import Json, Response
from mockserver.settings import SOURCES, Settings, Source
from tests.conftest import settings
from tests.strategies import (
    BODIES,
    Canned,
    Place,
    bundled_fixtures,
    every_media,
    every_operation,
    judge,
    operations,
    own_document,
    satisfies,
    target,
    write_document,
)
from tests.talk import ask, events, header, value, whole

STATUSES = [
    (version, name, status) for version, name in every_operation() for status in operations(version)[name].exact
]
CANNED = [(version, canned) for version in VERSIONS for canned in bundled_fixtures() if satisfies(version, canned)]
DOCUMENTED = [(place, name) for place in every_media() for name in place.media.examples]


@cache
def mock_of(version: str, source: Source = "simulated") -> Mock:
    return Mock(Settings(contract=version, answers=source, seed=11))


def call(mock: Mock, operation: Operation, prefer: str | None = None) -> Response:
    """Make a right call of an operation."""
    return whole(ask(mock.handle, operation.method, target(operation), BODIES.get(operation.id), prefer=prefer))


def errors(version: str, operation: Operation, response: Response) -> list[str]:
    """Judge an answer independently of the mock: status, type, body and required headers."""
    reply = operation.exact[response.status]
    kind = header(response, "content-type")
    if not reply.media:
        return [] if kind is None and response.body == b"" else ["a body where none is declared"]
    media = [each for each in reply.media if each.type == kind]
    return judge(version).errors_of(media[0], response.body) if media else [f"no {kind} is declared"]


def is_same(received: bytes, expected: Json) -> bool:
    """Say whether a body is a value to the letter: the same keys in the same order."""
    return json.dumps(json.loads(received)) == json.dumps(expected)


def tells(received: bytes, script: Json) -> bool:
    """Say whether a stream tells a script to the letter."""
    return json.dumps(events(received)) == json.dumps([step["event"] for step in script])


# -- every status ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_declared_status_can_be_had(version: str, source: Source) -> None:
    for _, name, status in (each for each in STATUSES if each[0] == version):
        operation = operations(version)[name]
        response = call(mock_of(version, source), operation, f"code={status}")
        assert response.status == status, (name, status, response.body)
        assert errors(version, operation, response) == [], (name, status)
        assert header(response, "preference-applied") == f"code={status}"
        assert header(response, "x-mock-contract") == version
        assert header(response, "x-mock-fault") is None


@pytest.mark.parametrize("version", VERSIONS)
def test_every_declared_status_can_be_made_up(version: str) -> None:
    for _, name, status in (each for each in STATUSES if each[0] == version):
        operation = operations(version)[name]
        for seed in range(3):
            response = call(mock_of(version), operation, f"code={status}, dynamic=true, seed={seed}")
            assert response.status == status, (name, status, response.body)
            assert errors(version, operation, response) == [], (name, status)
            assert header(response, "x-mock-source") == "generated"


@pytest.mark.parametrize(("version", "name"), every_operation())
def test_without_a_wish_the_answer_is_a_success(version: str, name: str) -> None:
    operation = operations(version)[name]
    for source in SOURCES:
        response = call(mock_of(version, source), operation)
        assert response.status == operation.success
        assert errors(version, operation, response) == []
        assert header(response, "preference-applied") is None


@pytest.mark.parametrize("status", [401, 405, 429])
def test_an_answer_that_was_wished_for_has_its_required_headers(status: int) -> None:
    operation = operations("2.6")["set_title"]
    pointer = operation.exact[status].pointer
    declared = mock_of("2.6").document()
    for part in pointer.split("/")[1:]:
        declared = declared[part]
    required = [name for name, node in declared["headers"].items() if node["required"]]
    response = call(mock_of("2.6"), operation, f"code={status}")
    assert [name for name in required if header(response, name.lower()) is None] == []


# -- every name ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "canned"), CANNED, ids=str)
def test_every_fixture_can_be_had_by_name_wherever_answers_come_from(version: str, canned: Canned) -> None:
    operation = operations(version)[canned.operation]
    for source in SOURCES:
        response = call(mock_of(version, source), operation, f"code={canned.status}, example={canned.name}")
        assert response.status == canned.status
        assert errors(version, operation, response) == []
        assert header(response, "preference-applied") == f"code={canned.status}, example={canned.name}"
        if canned.is_script:
            assert tells(response.body, canned.value)
            assert header(response, "x-mock-source") == ("simulated" if source == "simulated" else "canned")
        else:
            assert is_same(response.body, canned.value)
            assert header(response, "x-mock-source") == "canned"


def canned_names(version: str, operation: Operation, status: int) -> set[str]:
    return {each.name for own, each in CANNED if (own, each.operation, each.status) == (version, operation.id, status)}


@pytest.mark.parametrize(("place", "name"), DOCUMENTED, ids=str)
def test_every_example_of_the_contract_can_be_had_by_name_wherever_answers_come_from(place: Place, name: str) -> None:
    version, operation, status, media = place
    if name in canned_names(version, operation, status):
        return  # a fixture of that name stands before it; shown above
    for source in SOURCES:
        response = call(mock_of(version, source), operation, f'code={status}, example="{name}"')
        assert response.status == status
        assert header(response, "content-type") == media.type
        assert is_example(response, media, name)
        assert header(response, "x-mock-source") == "documented"


def is_example(response: Response, media: Media, name: str) -> bool:
    if media.type.startswith("text/"):
        return response.body == str(media.examples[name]).encode()
    return is_same(response.body, media.examples[name])


@pytest.mark.parametrize(
    ("wish", "status"),
    [("unbound", 200), ("unknown-session", 404), ("overloaded", 503), ("invalid-token", 401), ("documented", 200)],
)
def test_a_name_alone_finds_its_status(wish: str, status: int) -> None:
    response = call(mock_of("2.6"), operations("2.6")["set_title"], f"example={wish}")
    assert (response.status, header(response, "preference-applied")) == (status, f"example={wish}")


def test_of_a_name_that_stands_twice_the_success_is_given() -> None:
    mock = mock_of("2.6")
    named = [(status, name) for status, name, _ in mock.served.answers.examples(operations_in(mock)["create"])]
    assert named[0][0] == 201
    assert [status for status, _ in named if status != 201] == sorted(status for status, _ in named if status != 201)


def operations_in(mock: Mock) -> dict[str, Operation]:
    return {each.id: each for each in mock.served.contracts[0].operations}


# -- where answers come from -----------------------------------------------------------------------------------------


def source_of(response: Response) -> str | None:
    return header(response, "x-mock-source")


@pytest.mark.parametrize("version", VERSIONS)
def test_simulated_comes_first_by_default_where_there_is_a_simulation(version: str) -> None:
    assert Settings().answers == "simulated"
    for operation in operations(version).values():
        assert source_of(call(mock_of(version), operation)) == "simulated"


@pytest.mark.parametrize("name", ["", "mine"])
def test_a_fixture_of_ones_own_does_not_stand_before_a_simulation_unless_it_is_asked_for(
    name: str, tmp_path: Path
) -> None:
    path = tmp_path / "get_summary" / f"200{name and '.'}{name}.json"
    path.parent.mkdir()
    path.write_text('{"session_id": "ses-mine", "last_updated_at": "x", "shared_access": "query"}', "utf-8")
    mock = Mock(Settings(contract="2.17", fixtures=tmp_path, seed=1))
    operation = operations("2.17")["get_summary"]
    assert source_of(call(mock, operation)) == "simulated"
    if name:
        assert value(call(mock, operation, "example=mine"))["session_id"] == "ses-mine"
    canned = Mock(Settings(contract="2.17", fixtures=tmp_path, seed=1, answers="canned"))
    assert source_of(call(canned, operation)) == "canned"


@pytest.mark.parametrize(("version", "name"), every_operation())
def test_canned_gives_one_of_the_fixtures(version: str, name: str) -> None:
    operation = operations(version)[name]
    mine = [each for own, each in CANNED if (own, each.operation, each.status) == (version, name, operation.success)]
    response = call(mock_of(version, "canned"), operation)
    assert source_of(response) == ("canned" if mine else "documented")
    assert bool(mine) is (name != "delete")
    if mine:
        assert any((tells if each.is_script else is_same)(response.body, each.value) for each in mine)


@pytest.mark.parametrize("name", ["set_title", "stream"])
def test_canned_gives_each_of_the_fixtures_in_turn_of_chance(name: str) -> None:
    operation = operations("2.6")[name]
    seen = {call(mock_of("2.6", "canned"), operation, f"seed={seed}").body for seed in range(40)}
    served = [each for version, each in CANNED if version == "2.6" and str(each).startswith(f"{name}-200")]
    assert len(seen) == len(served)


@pytest.mark.parametrize(("version", "name"), every_operation())
def test_documented_gives_the_first_example_of_the_contract(version: str, name: str) -> None:
    operation = operations(version)[name]
    response = call(mock_of(version, "documented"), operation)
    media = operation.exact[operation.success].preferred
    assert source_of(response) == "documented"
    if media is None:
        assert response.body == b""
    else:
        assert is_example(response, media, next(iter(media.examples)))


@pytest.mark.parametrize(("version", "name"), every_operation())
def test_generated_makes_answers_up(version: str, name: str) -> None:
    operation = operations(version)[name]
    responses = [call(mock_of(version, "generated"), operation, f"seed={seed}") for seed in range(6)]
    assert {source_of(response) for response in responses} == {"generated"}
    assert len({response.body for response in responses}) > (1 if operation.id != "delete" else 0)


@pytest.mark.parametrize("source", SOURCES)
def test_ones_own_documented_answers_come_before_ones_own_canned_where_that_is_asked(
    tmp_path: Path, source: Source
) -> None:
    canned = tmp_path / "canned" / "read"
    canned.mkdir(parents=True)
    (canned / "200.json").write_text('{"id": "canned", "text": "x"}', "utf-8")
    path = str(write_document(tmp_path, own_document()))
    mock = Mock(Settings(contract=path, fixtures=tmp_path / "canned", answers=source, seed=1))
    expected = {"simulated": "canned", "canned": "canned", "documented": "documented", "generated": "generated"}
    assert source_of(ask(mock.handle, "GET", "/notes/n1")) == expected[source]


def test_what_has_neither_fixture_nor_example_is_made_up(tmp_path: Path) -> None:
    document = own_document()
    del document["components"]["responses"]["Note"]["content"]["application/json"]["examples"]
    for source in SOURCES:
        mock = Mock(Settings(contract=str(write_document(tmp_path, document)), answers=source, seed=1))
        assert source_of(ask(mock.handle, "GET", "/notes/n1")) == "generated"


@pytest.mark.parametrize("name", ["get_summary", "retrieve", "set_title"])
def test_the_id_of_the_path_is_echoed_in_what_is_made_up(name: str) -> None:
    operation = operations("2.6")[name]
    path = target(operation, "ses-mine%2Fown")
    response = ask(mock_of("2.6", "generated").handle, operation.method, path, BODIES.get(name))
    assert value(response)["session_id"] == "ses-mine/own"


def test_the_documented_answer_is_given_whoever_is_asked_for() -> None:
    response = call(mock_of("2.6", "documented"), operations("2.6")["set_title"])
    assert value(response)["session_id"] == "ses-abc123"
    assert value(response)["generated_title"] == "What were the main findings in Q3?..."


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("source", SOURCES)
def test_a_stream_is_written_block_by_block_and_ends_with_its_only_stop(source: Source, version: str) -> None:
    for seed in range(10):
        response = call(mock_of(version, source), operations(version)["stream"], f"seed={seed}")
        assert header(response, "content-type") == "text/event-stream"
        blocks = response.body.decode().split("\n\n")
        assert blocks.pop() == ""
        told = events(response.body)
        assert [event["type"] for event in told].index("stop") == len(told) - 1
        for block, event in zip(blocks, told, strict=True):
            kind = "delta" if event["type"].endswith("_delta") else "message"
            assert block.split("\n")[0] == f"event: {kind}"
            assert json.loads(block.split("\n")[1].removeprefix("data: ")) == event


ORDER = re.compile(
    r"(thinking_delta )*(thinking )*(tool_call (tool_result )?)*(user_input )*(text_delta )*(text )*stop "
)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_made_up_stream_has_the_order_of_a_turn(version: str) -> None:
    seen = set()
    for seed in range(60):
        told = events(call(mock_of(version), operations(version)["stream"], f"dynamic=true, seed={seed}").body)
        types = "".join(event["type"] + " " for event in told)
        assert ORDER.fullmatch(types), types
        for event, after in pairwise(told):
            if after["type"] == "tool_result":
                assert (event["type"], event["call_id"], event["name"]) == (
                    "tool_call",
                    after["call_id"],
                    after["name"],
                )
        for kind in ("text", "thinking"):
            pieces = [event["content"] for event in told if event["type"] == f"{kind}_delta"]
            texts = [event["content"] for event in told if event["type"] == kind]
            if pieces and texts:
                assert texts == ["".join(pieces)]
                seen.add(kind)
        seen |= {event["type"] for event in told}
    assert seen >= {"text", "thinking", "tool_call", "tool_result", "text_delta", "thinking_delta", "stop"}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("version", VERSIONS)
def test_where_json_is_asked_for_no_source_gives_a_stream(version: str, source: Source) -> None:
    mock = Mock(settings(contract=version, answers=source, stream="json", seed=1))
    operation = operations(version)["stream"]
    for prefer in (None, "code=200", "dynamic=false"):
        response = call(mock, operation, prefer)
        assert (response.status, header(response, "content-type")) == (200, "application/json")
        assert errors(version, operation, response) == []
        if source != "generated":
            assert value(response) == {}
    assert header(call(mock, operation, 'example="one-turn"'), "content-type") == "text/event-stream"
    assert call(mock, operation, "code=404").status == 404


def test_head_has_the_headers_of_get_and_no_body() -> None:
    path = "/api/v1/chat/x/summary"
    whole, head = (ask(mock_of("2.6").handle, method, path) for method in ("GET", "HEAD"))
    assert head.headers == whole.headers
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize(("version", "name"), every_operation())
def test_a_wish_for_another_answer_leaves_the_sessions_alone(version: str, name: str) -> None:
    mock, operation = Mock(Settings(contract=version, seed=1)), operations(version)[name]
    call(mock, operation, "code=503")
    call(mock, operation, "code=422")
    call(mock, operation, "dynamic=true")
    for status, example, draft in mock.served.answers.examples(operations_in(mock)[name]):
        if not (draft.media == "text/event-stream" and draft.source == "canned"):
            call(mock, operation, f'code={status}, example="{example}"')
    assert dict(mock.store.scopes()) == {}


@pytest.mark.parametrize("source", ["canned", "documented", "generated"])
def test_only_what_is_simulated_is_remembered(source: Source) -> None:
    mock = Mock(Settings(contract="2.6", answers=source, seed=1))
    for operation in operations("2.6").values():
        call(mock, operation)
    assert dict(mock.store.scopes()) == {}


@pytest.mark.parametrize(("version", "name"), every_operation())
def test_a_wish_for_success_or_for_what_is_not_made_up_is_met_by_the_simulation(version: str, name: str) -> None:
    operation = operations(version)[name]
    for prefer in (f"code={operation.success}", "dynamic=false"):
        response = call(mock_of(version), operation, prefer)
        assert (response.status, source_of(response)) == (operation.success, "simulated")
        assert header(response, "preference-applied") == prefer


@pytest.mark.parametrize("prefer", [None, "code=200", "example=two-tools"])
def test_a_session_that_refuses_a_call_refuses_it_whatever_was_preferred(prefer: str | None) -> None:
    mock = Mock(settings(contract="2.17", unknown_sessions="404", seed=1))
    response = call(mock, operations("2.17")["stream"], prefer)
    assert (response.status, value(response)) == (404, {"detail": "Session not found"})
    assert source_of(response) is None
    assert header(response, "preference-applied") is None
    assert header(response, "x-mock-fault") == "client"


# -- what schemas show, and language -----------------------------------------------------------------------------------


def notes(folder: Path, *, examples: bool = False, **settings: Any) -> Mock:
    """Give a mock of a document whose schemas show values."""
    document = own_document()
    parts = {
        "note_id": {"type": "string"},
        "text": {"type": "string", "example": "buy milk"},
        "city": {"type": "string"},
    }
    document["components"]["schemas"]["Note"] = {"type": "object", "properties": parts, "required": ["text"]}
    if not examples:
        del document["components"]["responses"]["Note"]["content"]["application/json"]["examples"]
    return Mock(Settings(contract=str(write_document(folder, document)), **settings))


def test_what_schemas_show_is_put_together_with_the_path_whatever_the_seed(tmp_path: Path) -> None:
    answers = [ask(notes(tmp_path, seed=seed).handle, "GET", "/notes/mine") for seed in (1, 2)]
    assert {source_of(each) for each in answers} == {"assembled"}
    assert value(answers[0]) == value(answers[1])
    assert (value(answers[0])["note_id"], value(answers[0])["text"]) == ("mine", "buy milk")


def test_an_example_of_the_answer_comes_before_and_a_generated_value_where_it_is_asked_for(tmp_path: Path) -> None:
    assert source_of(ask(notes(tmp_path, examples=True, seed=1).handle, "GET", "/notes/mine")) == "documented"
    mock = notes(tmp_path, seed=1)
    asked = ask(mock.handle, "GET", "/notes/mine", prefer="dynamic=true")
    assert (source_of(asked), value(asked)["note_id"]) == ("generated", "mine")
    generated = notes(tmp_path, seed=1, answers="generated")
    assert source_of(ask(generated.handle, "GET", "/notes/mine")) == "generated"


def test_words_are_of_the_language_of_the_settings(tmp_path: Path) -> None:
    cities = {
        locale: {
            value(ask(notes(tmp_path, seed=seed, answers="generated", locale=locale).handle, "GET", "/notes/n"))["city"]
            for seed in range(12)
        }
        for locale in ("en_US", "de_DE")
    }
    assert not cities["en_US"] & cities["de_DE"]
    with pytest.raises(UsageError, match="no words for the locale 'xx_XX'"):
        notes(tmp_path, locale="xx_XX")
