"""What was never touched is told once, in sentences, and figures are what they say."""

import pytest

from mockserver.apis.llamacloud_chat.pack import API
from mockserver.check.coverage.count import Coverage, CoverageCounter
from mockserver.check.coverage.report import Share, report_of, table_of, untouched
from mockserver.check.coverage.targets import RULES, Place, PlaceInfo
from mockserver.journal.exchange import Exchange
from mockserver.messages import Json
from tests import drifts
from tests.coverages import all_contracts, contract, coverage, of_schema, talk
from tests.exchanges import exchange, journal
from tests.strategies import ROOT, contract_of

HEARD: list[Exchange] = journal(
    exchange(body=b'{"first_message": "x"}'),
    exchange(contract="2.17", method="GET", path="/api/v1/chat", operation="list", body=b"", answer=b'{"items": []}'),
)


def test_every_place_that_was_not_touched_is_told_once_with_what_lies_below_it() -> None:
    found = CoverageCounter(all_contracts()).add_all(HEARD).result()
    each = untouched(found, each=True)
    assert len(each) == len(found.untouched) == len({problem.cause for problem in each})
    outermost = untouched(found)
    assert len({problem.cause for problem in outermost}) == len(outermost)
    below = sum(int(told.split("(")[-1].split()[0]) for told in (one.message for one in outermost) if " below)" in told)
    alone = sum(len(problem.operation.split(", ")) for problem in outermost)
    assert below + alone == len(found.untouched)
    assert {problem.level for problem in outermost} == {"warning", "note"}


def test_what_several_operations_share_is_told_once() -> None:
    found = coverage(
        [contract_of("2.17")],
        *(talk("GET", path) for path in ("/api/v1/chat", "/api/v1/chat/s", "/api/v1/chat/s/summary")),
    )
    (told,) = (each for each in untouched(found) if each.message.startswith("the query parameter project_id"))
    assert told.operation == "list, retrieve, get_summary"
    assert told.contract == "2.17#/components/parameters/ProjectId"
    (told,) = (each for each in untouched(found) if each.where == "/response/429")
    assert told.contract == "2.17#/components/responses/TooManyRequests"


def test_an_operation_of_two_contracts_is_told_apart() -> None:
    calls = [exchange(contract=era, method="GET", path="/api/v1/chat", operation="list") for era in ("2.17", "2.8")]
    report = report_of(CoverageCounter(api=API).add_all(calls).result(), "both")
    rows = [row[0] for row in report.tables[0].rows]
    assert {"list (2.17)", "list (2.8)", "all", "percent"} <= set(rows)
    told = {each.operation for each in report.findings if "429" in each.message}
    assert {"list (2.17)", "list (2.8)"} <= told
    assert len({each.cause for each in report.findings}) == len(report.findings)


SENTENCES: list[tuple[Json, dict[str, str]]] = [
    ({"type": "string", "maxLength": 9}, {"limit": "no value lay at the edge of maxLength 9"}),
    ({"format": "uuid"}, {"limit": 'no value held format "uuid"'}),
    ({"enum": ["a"]}, {"member": '"a" was never sent', "violation": "a value that is no member was never sent"}),
    ({"const": "x" * 99}, {"member": f'"{"x" * 56}... was never sent'}),
    ({"type": ["null"]}, {"type": "a value of type null was never sent"}),
    ({"anyOf": [{"$ref": "#/components/schemas/It"}]}, {"branch": "It was never sent"}),
    ({"anyOf": [{"title": "a name", "type": "string"}]}, {"branch": "a name was never sent"}),
    ({"anyOf": [{"type": "string"}]}, {"branch": "string was never sent"}),
    ({"oneOf": [{"minLength": 0}]}, {"branch": "branch 0 was never sent"}),
    ({"if": {}, "then": {"minLength": 0}}, {"branch": "then was never sent"}),
    ({"properties": {"a": {}}}, {"field-present": "a was never sent", "field-absent": "a was never left out"}),
    ({"patternProperties": {"^a": {}}}, {"field-present": "^a was never sent"}),
    ({"additionalProperties": {"type": "string"}}, {"field-present": "a field of another name was never sent"}),
    ({"additionalProperties": False}, {"violation": "a field that there is not was never sent"}),
    ({"required": ["a"]}, {"violation": "a, which is required, was never left out"}),
    ({"maxLength": 9}, {"violation": "maxLength 9 was never broken"}),
    ({"pattern": "^a"}, {"violation": 'pattern "^a" was never broken'}),
]


@pytest.mark.parametrize(("schema", "sentences"), SENTENCES)
def test_a_sentence_says_what_was_never_touched(schema: Json, sentences: dict[str, str]) -> None:
    found = coverage([of_schema(schema, "request", {"It": {}})])
    inside = [place for place in found.places if place.side == "request" and "/schema/" in place.pointer]
    for kind, sentence in sentences.items():
        assert [found.places[place].untouched for place in inside if place.kind == kind] == [sentence]
    came = coverage([of_schema(schema, "response", {"It": {}})])
    told = {known.untouched for place, known in came.places.items() if place.kind in ("member", "type", "branch")}
    assert {each.replace("was never sent", "never came") for each in sentences.values()} >= told


def test_a_parameter_says_where_it_is_sent() -> None:
    it = contract_of("2.17")
    told = {each.message for each in untouched(coverage([it]), each=True)}
    assert "the path parameter session_id was never sent" in told
    assert "the query parameter page_size was never left out" in told
    assert "a body was never sent" in told
    assert "the body, which is required, was never left out" in told
    assert "a body was never sent as application/json" in told
    assert "200 never came as text/event-stream" in told


@pytest.mark.parametrize(
    ("touched", "all_", "percent"), [(0, 3, 0.0), (1, 3, 33.3), (2, 3, 66.6), (9999, 10000, 99.9), (3, 3, 100.0)]
)
def test_a_percentage_is_never_rounded_up(touched: int, all_: int, percent: float) -> None:
    assert Share(touched, all_).percent == percent


@pytest.mark.parametrize(("limit", "is_less"), [(0, False), (20, False), (20.000001, True), (100, True)])
def test_what_is_less_than_was_asked_for_is_a_problem(limit: float, is_less: bool) -> None:
    places = [Place("own", "make", "", "member", f"/{number}") for number in range(5)]
    known = PlaceInfo("/x", "x never came", "/x", ())
    found = Coverage(("own",), dict.fromkeys(places, known), frozenset(places[:1]), exchanges=1)
    report = report_of(found, "x", fail_under=limit)
    assert [each.rule for each in report.errors] == ["fail-under"] * is_less
    assert "fail-under" in report.rules
    assert report_of(found, "x").errors == ()


def test_no_exchange_is_a_warning_and_no_success() -> None:
    report = report_of(CoverageCounter(api=API).result(), "nothing")
    assert (report.findings[0].rule, report.findings[0].level) == ("something-heard", "warning")
    assert [each.rule for each in report_of(CoverageCounter(api=API).result(), "nothing", fail_under=1).errors] == [
        "fail-under"
    ]


def test_what_is_whole_is_passed_and_what_is_nothing_has_no_column() -> None:
    document = drifts.document({}, {"type": ["string", "null"]})
    made = [talk("POST", "/things", status=200, answer=value) for value in ("x", None)]
    report = report_of(coverage([contract(document)], *made), "x")
    assert "make (own): types" in report.passed
    assert "make (own): fields" not in report.passed
    columns = ["", "operation", "statuses", "media types", "fields", "types", "all", "percent"]
    assert list(report.tables[0].columns) == columns


def test_bodies_that_were_cut_are_told() -> None:
    found = CoverageCounter(api=API).add_all([exchange(answer_size=99)]).result()
    assert report_of(found, "x").figures["with a cut body"] == 1
    assert "--journal-body" in table_of(found).notes[0]
    assert table_of(CoverageCounter(api=API).add_all([exchange()]).result()).notes == []


def test_the_page_tells_every_kind() -> None:
    page = (ROOT / "docs" / "coverage.md").read_text("utf-8")
    for kind, sentence in RULES.items():
        assert f"| `{kind}` | {sentence} |" in page
