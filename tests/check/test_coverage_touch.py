"""Each place goes from never touched to touched by exactly the exchange that is made for it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.apis.llamacloud_chat.pack import API, VERSIONS
from mockserver.check.changes.rules import Direction
from mockserver.check.coverage.count import CoverageCounter
from mockserver.check.coverage.targets import Place, places_of
from mockserver.check.coverage.visit import covered, visitor_of
from mockserver.contract.router import Router
from mockserver.journal.exchange import Exchange
from mockserver.messages import Json
from tests import drifts, exchanges
from tests.coverage_cases import BEYOND, CASES, TREE
from tests.coverage_parts import LEFT_OUT, PARTS, of_type, things
from tests.coverages import (
    JSON,
    all_contracts,
    below_body,
    contract,
    coverage,
    heard,
    journals,
    made_for,
    of_schema,
    talk,
    told,
    values_of_fields,
    with_value,
)
from tests.strategies import contract_of

# -- values ------------------------------------------------------------------------------------------------------------


def named(part: Any) -> str:
    """Name a case by its parts; a set is told in order, so that all processes call it the same."""
    return str(sorted(part) if isinstance(part, set) else part)[:80]


ROWS = [(schema, *row) for schema, rows in CASES for row in rows]


@pytest.mark.parametrize(("schema", "value", "anywhere", "asked"), ROWS, ids=named)
def test_a_value_touches_exactly_what_is_made_for_it(
    schema: Json, value: Json, anywhere: set[str], asked: set[str]
) -> None:
    sides: dict[Direction, set[str]] = {"request": anywhere | asked, "response": anywhere}
    for side, expected in sides.items():
        own = of_schema(schema, side, TREE)
        assert below_body(told(coverage([own])), side) == set()
        assert below_body(told(coverage([own], with_value(side, value))), side) == expected, side


@pytest.mark.parametrize("side", ["request", "response"])
def test_those_values_touch_all_that_is_counted_of_their_schemas(side: Direction) -> None:
    left: set[str] = set()
    for schema, rows in CASES:
        found = coverage([of_schema(schema, side, TREE)], *(with_value(side, value) for value, *_ in rows))
        left |= below_body(told(found, frozenset(found.untouched)), side)
    assert left == {each for each in BEYOND if side == "request" or not each.startswith("violation")}


# -- the parts of an exchange ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("said", "more", "less"), PARTS, ids=named)
def test_a_part_of_an_exchange_touches_exactly_what_is_made_for_it(
    said: dict[str, Any], more: set[str], less: set[str]
) -> None:
    own = contract(things())
    assert told(coverage([own], talk("POST", "/things", **said))) == (LEFT_OUT - less) | more


def test_those_exchanges_touch_all_that_is_counted_of_their_contract() -> None:
    found = coverage([contract(things())], *(talk("POST", "/things", **said) for said, *_ in PARTS))
    secret = {f"{kind} /request/header/X-Api-Key/minLength" for kind in ("limit", "violation")}
    assert told(found, frozenset(found.untouched)) - secret == set()
    assert not any("login" in name for name in told(found, frozenset(found.places))), "cookies are never remembered"


def test_a_null_that_no_text_can_be_is_not_counted_of_a_parameter() -> None:
    names = told(coverage([contract(things())]), frozenset(coverage([contract(things())]).places))
    assert "type /request/query/size/type/0" in names
    assert "type /request/query/size/type/1" not in names


def test_what_is_asked_by_head_has_no_body() -> None:
    document = drifts.document({}, {"enum": ["a"]})
    document["paths"]["/things"]["get"] = document["paths"]["/things"].pop("post") | {"operationId": "read"}
    own = contract(document)
    right = {"status": 200, "answer": "a"}
    assert "member /response/200/body/enum/0" in told(coverage([own], talk("GET", "/things", **right)))
    assert "status /response/200" in told(coverage([own], talk("HEAD", "/things", **right)))
    assert "member /response/200/body/enum/0" not in told(coverage([own], talk("HEAD", "/things", **right)))


def test_of_a_body_that_was_cut_only_whole_events_are_seen() -> None:
    events = b'data: {"type":"text","content":"x"}\n\ndata: {"type":"thinking","conte'
    said: dict[str, Any] = {"status": 200, "answer": events, "answer_headers": of_type("text/event-stream")}
    asked = ("POST", "/api/v1/chat/ses-1/messages/stream")
    cut = coverage([contract_of("2.17")], talk(*asked, **said, is_cut=True))
    branches = {name for name in told(cut) if name.startswith("branch")}
    assert (branches, cut.cut) == ({"branch /response/200/body/*/oneOf/3"}, 1)
    whole = exchanges.exchange(answer=events, answer_size=len(events))
    assert not covered(whole).is_cut
    assert covered(whole._replace(answer_size=len(events) + 1)).is_cut
    assert covered(whole._replace(size=whole.size + 1)).is_cut


# -- the bundled contracts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("era", "name"), [(era, each.id) for era in VERSIONS for each in contract_of(era).operations])
def test_every_place_of_a_bundled_contract_is_touched_by_the_exchange_made_for_it(era: str, name: str) -> None:
    own = contract_of(era)
    operation = next(each for each in own.operations if each.id == name)
    router, toucher = Router([own]), visitor_of(own)
    touched: set[Place] = set()
    for place, known in places_of(own, operation).items():
        made = made_for(own, operation, place, known)
        match = router.match(made.method, made.path, made.headers)
        found = toucher.touched(operation, match.path, made)
        assert place in found, (place, known, made)
        touched |= found
    assert places_of(own, operation).keys() - touched == set()


def test_a_schema_whose_value_is_itself_comes_to_an_end() -> None:
    again = {"It": {"anyOf": [{"$ref": "#/components/schemas/Node"}, {"type": "null"}]}}
    node = {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/It"}, "all": {}}}
    own = of_schema({"$ref": "#/components/schemas/It"}, "response", {**again, "Node": node})
    value: Json = None
    for _ in range(700):
        value = {"next": value}
    assert "branch /anyOf/0" in below_body(told(coverage([own], with_value("response", value))), "response")
    deep = b'{"next":' * 50_000 + b"null" + b"}" * 50_000
    assert told(coverage([own], talk("POST", "/things", status=200, answer=deep, answer_headers=JSON)))


# -- laws --------------------------------------------------------------------------------------------------------------


def touched(journal: list[Exchange]) -> frozenset[Any]:
    return CoverageCounter(all_contracts()).add_all(journal).result().touched


@given(one=journals, other=journals)
def test_the_coverage_of_two_journals_is_the_union_of_theirs(one: list[Exchange], other: list[Exchange]) -> None:
    both = touched(one + other)
    assert both == touched(one) | touched(other) == touched(other + one)
    assert touched(one) <= both, "more exchanges never touch less"


@given(journal=journals)
def test_what_is_touched_is_counted_and_a_journal_alone_says_in_which_contracts(journal: list[Exchange]) -> None:
    found = CoverageCounter(api=API).add_all(journal).result()
    assert found.touched <= found.places.keys()
    assert found.touched == touched(journal)
    assert found.exchanges == len(journal)
    assert found.exchanges - found.outside == sum(
        bool({each.kind for each in touched([one])} & {"operation"}) for one in journal
    )


@given(one=heard())
def test_an_exchange_touches_places_of_one_operation_of_one_contract(one: Exchange) -> None:
    assert len({(place.contract, place.operation) for place in touched([one])}) <= 1


@given(made=drifts.drawn_documents, sent=values_of_fields, came=values_of_fields)
def test_whatever_the_contract_what_is_touched_is_counted_and_what_is_right_breaks_nothing(
    made: Json, sent: Json, came: Json
) -> None:
    it = contract(made)
    heard = talk("POST", "/things", body=json.dumps(sent).encode(), status=200, answer=json.dumps(came).encode())
    (operation,) = it.operations
    places = places_of(it, operation)
    touched = visitor_of(it).touched(operation, {}, heard)
    assert {place.kind for place in touched - places.keys()} <= {"field-absent"}, "which another part may require"
    assert operation.body is not None
    if operation.body.schema.is_valid(sent):
        assert {place.kind for place in touched if place.side == "request"}.isdisjoint({"violation"})
    assert told(coverage([it], heard)) == told(coverage([contract(drifts.renamed(made))], heard))
    assert len({(place.kind, known.where) for place, known in places.items()}) == len(places)


@given(exchange=exchanges.exchanges, era=st.sampled_from(VERSIONS))
def test_any_exchange_can_be_counted(exchange: Exchange, era: str) -> None:
    found = CoverageCounter([contract_of(era)]).add_all([exchange]).result()
    assert found.touched <= found.places.keys()
