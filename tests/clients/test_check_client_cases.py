"""What is played to a client: nothing that the contract allows is left out, and nothing else is judged."""

import pytest

from mockserver.apis.llamacloud_chat.check.part import SDK
from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.check.client.cases import (
    KINDS,
    ClientCase,
    ClientOperation,
    answers,
    events,
    is_listing,
    kinds_of,
    pages,
    requests,
    scripts,
    success_media,
)
from mockserver.check.client.errors import error_bodies, errors, lasting, outside, retries, words
from mockserver.check.client.values import fields
from mockserver.contract.openapi import Operation
from mockserver.contract.resolved import Views
from mockserver.engine import Mock
from mockserver.settings import Settings
from mockserver.sse import script
from tests.strategies import ROOT, contract_of

OPERATIONS = [each for era in VERSIONS for each in contract_of(era).operations]


def side_of(operation: Operation) -> ClientOperation:
    """Give an operation as a client has it that takes all of its arguments."""
    names = {each.name for each in operation.parameters if each.location in ("path", "query")}
    body = {"index_ids", "prompt", "first_message", "shared_access", "require_all_indexes"}
    return ClientOperation(operation, frozenset(names | body), SDK.turns)


def judged(side: ClientOperation) -> list[ClientCase]:
    """Give all cases that are judged."""
    made = [*requests(side), *answers(side, 1, 0), *events(side, 1, 0), *pages(side)]
    return [*made, *errors(side), *error_bodies(side), *retries(side), *lasting(side), *words(side)]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.contract}-{each.id}")
def test_every_answer_that_is_judged_is_one_that_can_be_planned_so_that_the_contract_allows_it(
    operation: Operation,
) -> None:
    mock = Mock(Settings(contract=operation.contract, seed=1))
    for case in judged(side_of(operation)):
        if case.answers and "-edges-" not in str(case.answers[0].get("example")):
            mock.served.stubs.add("s", {"operation": operation.id, "answers": list(case.answers)})
            mock.store.drop("s")
            assert not any(each.get("invalid") for each in case.answers), case.name


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.contract}-{each.id}")
def test_every_documented_status_and_example_is_played(operation: Operation) -> None:
    played = judged(side_of(operation))
    told = {each.get("status") for case in played if case.kind == "error" for each in case.answers}
    assert told == {status for status in operation.exact if status >= 400}
    media = success_media(operation)
    for name in media.examples if media is not None else ():
        if "event" not in kinds_of(operation):
            assert any(each.get("example") == name for case in played for each in case.answers)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.contract}-{each.id}")
def test_every_kind_has_a_case_and_every_case_a_kind(operation: Operation) -> None:
    assert {case.kind for case in judged(side_of(operation))} == set(kinds_of(operation))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.contract}-{each.id}")
def test_every_argument_is_given_is_null_and_is_left_out(operation: Operation) -> None:
    cases = list(requests(side_of(operation)))
    for each in operation.parameters:
        if each.location == "query":
            given = [case.arguments.get(each.name) for case in cases if each.name in case.arguments]
            assert None in given
            assert any(value is not None for value in given)
            assert any(each.name not in case.arguments for case in cases)


def test_events_of_every_type_stand_in_the_scripts_at_every_edge_and_each_script_can_be_told() -> None:
    for era in VERSIONS:
        (operation,) = (each for each in contract_of(era).operations if each.id == "stream")
        turns = scripts(operation, SDK.turns)
        told = [step["event"] for turn in turns.values() for step in turn]
        assert all(script(turn) for turn in turns.values())
        types = {event["type"] for event in told}
        assert types == set("thinking_delta thinking text_delta text tool_call tool_result stop".split())
        for name, place in (("stop", "StopEvent"), ("tool_result", "ToolResultEvent")):
            document = contract_of(era).document
            views = Views(document)
            for field in fields(views, views.of(f"/components/schemas/{place}")):
                mine = [event for event in told if event["type"] == name]
                assert any(field in event for event in mine)
                if field not in (*document["components"]["schemas"][place]["required"], "type"):
                    assert any(field not in event for event in mine)


def test_only_the_list_has_pages_and_they_end_in_every_way() -> None:
    for operation in OPERATIONS:
        assert is_listing(operation) is (operation.id == "list")
    (operation,) = (each for each in contract_of("2.17").operations if each.id == "list")
    last = [case.answers[-1]["body"] for case in pages(side_of(operation)) if case.pages > 1]
    assert [each.get("next_page_token", "left out") for each in last] == ["left out", None, ""]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: f"{each.contract}-{each.id}")
def test_what_is_outside_breaks_the_contract_or_damages_the_answer(operation: Operation) -> None:
    media = success_media(operation)
    for case in outside(side_of(operation)):
        for answer in case.answers:
            if "body" in answer and answer.get("invalid") and answer.get("status") is None:
                assert media is not None
                assert media.schema is not None
                assert not media.schema.is_valid(answer["body"]), case.name


def test_every_kind_stands_in_the_documents() -> None:
    text = (ROOT / "docs" / "clients.md").read_text("utf-8")
    for kind in KINDS:
        assert f"| {kind} |" in text
