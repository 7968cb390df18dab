"""What is counted of a contract is what stands in it, and a run's coverage is that of its journal."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from mockserver.apis.llamacloud_chat.check.part import PART
from mockserver.apis.llamacloud_chat.pack import API, VERSIONS
from mockserver.check.client.traffic import teller
from mockserver.check.coverage.count import Coverage, CoverageCounter
from mockserver.check.coverage.report import GROUPS, RecordingTarget, Share, coverage_of, report_of, share, summary_of
from mockserver.check.coverage.targets import RULES, places_of
from mockserver.check.provider.command import placed
from mockserver.check.provider.run import Options, check_target
from mockserver.check.target import at_url, of_handler
from mockserver.contract.openapi import Contract
from mockserver.contract.reader import read_file
from mockserver.engine import Mock
from mockserver.errors import UsageError
from mockserver.messages import Delivery, Headers, Json, Request, Response
from mockserver.settings import Settings
from mockserver.testing.run import Allowed, Ran
from tests.coverages import all_contracts, contract, coverage, of_schema
from tests.exchanges import exchange
from tests.strategies import contract_of, own_document, write_document
from tests.talk import TITLE, ask

# -- a count of its own: each place by its kind and JSON pointer -------------------------------------------------------


class Count:
    """Goes through a document for one operation, and shares no code with what it is compared with."""

    def __init__(self, document: Json, path: str, method: str) -> None:
        self.document, self.path, self.method = document, path, method
        self.found: set[tuple[str, str, str]] = set()

    def at(self, pointer: str) -> tuple[str, Json]:
        """Give what stands at a pointer, references followed, with its place."""
        node = self.document
        for part in pointer.split("/")[1:]:
            part = part.replace("~1", "/").replace("~0", "~")
            node = node[int(part)] if isinstance(node, list) else node[part]
        return self.at(node["$ref"][1:]) if isinstance(node, dict) and "$ref" in node else (pointer, node)

    def all(self) -> set[tuple[str, str, str]]:
        """Give the side, the kind and the pointer of every place."""
        item = "/paths/" + self.path.replace("/", "~1")
        root = f"{item}/{self.method}"
        node = self.at(root)[1]
        self.found.add(("", "operation", root))
        for owner, here in ((item, self.at(item)[1]), (root, node)):
            for index, _ in enumerate(here.get("parameters", [])):
                self.parameter(f"{owner}/parameters/{index}")
        if "requestBody" in node:
            self.body(f"{root}/requestBody")
        for status in node["responses"]:
            self.found.add(("response", "status", f"{root}/responses/{status}"))
            self.content("response", f"{root}/responses/{status}")
        return self.found

    def parameter(self, pointer: str) -> None:
        place, node = self.at(pointer)
        if node["in"] == "cookie":
            return
        self.found.add(("parameter", "parameter-sent", place))
        if not node.get("required"):
            self.found.add(("parameter", "parameter-left-out", place))
        elif node["in"] != "path":
            self.found.add(("parameter", "violation", f"{place}/required"))
        self.schema("parameter", f"{place}/schema", set())

    def body(self, pointer: str) -> None:
        place, node = self.at(pointer)
        self.found.add(("request", "field-present", place))
        required = node.get("required", False)
        self.found.add(
            ("request", "violation", f"{place}/required") if required else ("request", "field-absent", place)
        )
        self.content("request", pointer)

    def content(self, side: str, pointer: str) -> None:
        place, node = self.at(pointer)
        for kind, media in node.get("content", {}).items():
            here = f"{place}/content/{kind.replace('/', '~1')}"
            self.found.add((side, "media-type", here))
            name = "x-item-schema" if kind == "text/event-stream" else "schema"
            if name in media:
                self.schema(side, f"{here}/{name}", set())

    def schema(self, side: str, pointer: str, within: set[tuple[str, bool]], *, tagged: bool = False) -> None:
        """Go through a schema; `within` are those that it stands in, whether their tags tell them apart."""
        place, node = self.at(pointer)
        if (place, tagged) in within:
            return
        inner = within | {(place, tagged)}
        self.found |= {(side, kind, f"{place}/{tail}") for kind, tail in own_places(node, side)}
        for union in ("anyOf", "oneOf"):
            for index, branch in enumerate(node.get(union, [])):
                if side != "parameter" or branch.get("type") != "null":
                    self.found.add((side, "branch", f"{place}/{union}/{index}"))
                    self.schema(side, f"{place}/{union}/{index}", inner, tagged="discriminator" in node)
        for name in node.get("properties", {}):
            self.found.add((side, "field-present", f"{place}/properties/{name}"))
            if name not in node.get("required", []) and not (tagged and name == "type"):
                self.found.add((side, "field-absent", f"{place}/properties/{name}"))
            self.schema(side, f"{place}/properties/{name}", inner)
        if "items" in node:
            self.schema(side, f"{place}/items", inner)


def own_places(node: Json, side: str) -> Iterator[tuple[str, str]]:
    """Give kind and keyword of what is counted of a schema itself, of those that the bundled contracts use."""
    for index, _ in enumerate(node.get("enum", [])):
        yield "member", f"enum/{index}"
    if "const" in node:
        yield "member", "const"
    for keyword in {"minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum", "format"} & node.keys():
        yield "limit", keyword
        if side != "response":
            yield "violation", keyword
    if side != "response" and "enum" in node:
        yield "violation", "enum"
    for index, _ in enumerate(node.get("required", []) if side != "response" else []):
        yield "violation", f"required/{index}"


@pytest.mark.parametrize("era", VERSIONS)
def test_the_places_of_a_bundled_contract_are_those_that_another_walk_finds(era: str) -> None:
    it = contract_of(era)
    for operation in it.operations:
        found = {(place.side, place.kind, place.pointer) for place in places_of(it, operation)}
        assert found == Count(it.document, operation.path, operation.method.lower()).all(), operation.id


@pytest.mark.parametrize("era", [*VERSIONS, "auto"])
def test_the_totals_of_a_report_are_those_of_that_walk(era: str) -> None:
    contracts = all_contracts() if era == "auto" else [contract_of(era)]
    counts: Counter[str] = Counter()
    for each, operation in placed(contracts):
        counts.update(kind for _, kind, _ in Count(each.document, operation.path, operation.method.lower()).all())
    found = coverage(contracts)
    assert {kind: share(found, (kind,)) for kind in RULES} == {kind: Share(0, counts[kind]) for kind in RULES}
    report = report_of(found, "nothing")
    assert (report.figures["places"], report.figures["touched"]) == (sum(counts.values()), 0)
    (all_of_them,) = (row for row in report.tables[0].rows if row[0] == "all")
    assert all_of_them[-2:] == [f"0/{sum(counts.values())}", "0"]


def test_a_small_contract_is_counted_by_hand() -> None:
    found = coverage([contract(own_document())])
    assert Counter(place.kind for place in found.places) == {
        "operation": 2,
        "status": 2,
        "media-type": 3,  # one of the body, one of each answer
        "parameter-sent": 2,  # note_id
        "field-present": 10,  # the body, and id, text, parent three times
        "field-absent": 3,  # parent, and the parent's parent is the same place
        "branch": 6,
        "limit": 3,
        "violation": 4,  # the body, id, text left out, text too long
    }


def test_every_kind_has_a_rule_and_a_column() -> None:
    assert sorted(kind for kinds in GROUPS.values() for kind in kinds) == sorted(RULES)


def test_a_field_that_is_required_elsewhere_is_not_one_that_may_be_left_out() -> None:
    base = {"Base": {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}}}
    both = {"allOf": [{"$ref": "#/components/schemas/Base"}, {"required": ["a"]}], "required": ["b"]}
    found = coverage([of_schema(both, "response", base)])
    assert [place.pointer for place in found.places if place.kind == "field-absent" and place.side == "response"] == [
        "/components/schemas/Base/properties/c"
    ]


# -- in which contract -------------------------------------------------------------------------------------------------


def counted(found: Coverage) -> dict[str, set[str]]:
    """Give the operations that are counted, by contract."""
    made: dict[str, set[str]] = {}
    for place in found.places:
        made.setdefault(place.contract, set()).add(place.operation)
    return made


LATER = {"list", "create", "retrieve", "delete", "get_summary", "stream"}


def test_an_operation_is_counted_where_it_was_called_and_else_in_the_newest_contract() -> None:
    one, other = exchange(contract="2.6"), exchange(contract="2.8#/paths", method="GET", path="/api/v1/chat")
    assert counted(CoverageCounter(api=API).result()) == {"2.17": LATER, "2.6": {"set_title"}}, (
        "what is served by default"
    )
    assert counted(CoverageCounter(api=API).add_all([one]).result()) == {"2.6": LATER | {"set_title"}}
    assert counted(CoverageCounter(api=API).add_all([one, other]).result()) == {"2.8": LATER, "2.6": {"set_title"}}
    newest = other._replace(contract="2.17")
    assert counted(CoverageCounter(api=API).add_all([one, other, newest]).result()) == {
        "2.17": LATER,
        "2.8": {"list"},
        "2.6": {"set_title"},
    }


def test_a_contract_that_is_named_is_the_one_for_all() -> None:
    heard = [exchange(contract="2.6"), exchange(contract="2.8", method="GET", path="/api/v1/chat")]
    found = CoverageCounter([contract_of("2.17")]).add_all(heard).result()
    assert counted(found) == {"2.17": LATER}
    assert (found.exchanges, found.outside) == (2, 1), "it has no titles"
    served = CoverageCounter(api=API)
    served.serve(["2.17", "2.8"])
    assert counted(served.result()) == {"2.17": LATER}


def test_a_contract_of_ones_own_must_be_named(tmp_path: Any) -> None:
    heard = exchange(contract="notes#/paths", method="GET", path="/notes/n1", operation="read")
    with pytest.raises(UsageError, match="the journal is of the contract 'notes'") as caught:
        CoverageCounter(api=API).add_all([heard])
    assert "fix: name its file: --contract FILE" in str(caught.value)
    found = CoverageCounter([read_file(write_document(tmp_path, own_document()))]).add_all([heard]).result()
    assert {place.operation for place in found.touched} == {"read"}


# -- a run of our own --------------------------------------------------------------------------------------------------

ERRORS = {"401", "422"}
ANSWERED = {
    "list": {"200", *ERRORS},
    "create": {"201", "400", *ERRORS},
    "retrieve": {"200", "404", *ERRORS},
    "delete": {"204", "404", *ERRORS},
    "get_summary": {"200", "404", *ERRORS},
    "stream": {"200", "400", "404", *ERRORS},
    "set_title": {"200", "400", "404", *ERRORS},
}
"""The statuses that a mock answers by itself: no plan, no preference and no fault asks for another."""


def statuses(found: Coverage) -> dict[str, set[str]]:
    made: dict[str, set[str]] = {}
    for place in found.touched:
        if place.kind == "status":
            made.setdefault(place.operation, set()).add(place.pointer.rpartition("/")[2])
    return made


@pytest.fixture(scope="module")
def checked() -> tuple[Coverage, Coverage]:
    """Check a mock as the command does; give what the check heard, and what the mock's journal has."""
    mock = Mock(Settings(seed=1, journal_size=100_000))
    with of_handler(mock.handle, 5.0) as target:
        hearing = RecordingTarget(target)
        report = check_target(hearing, placed(mock.served.contracts), Options(part=PART, examples=70))
        assert not report.findings
    heard = hearing.coverage(mock.served.contracts)
    return heard, coverage_of(mock.served.contracts, mock.exchanges("default"))


def test_what_a_check_hears_is_what_the_mock_remembers(checked: tuple[Coverage, Coverage]) -> None:
    heard, remembered = checked
    assert heard.touched == remembered.touched
    assert heard.exchanges == remembered.exchanges > 900
    assert heard.outside == remembered.outside > 0, "unknown paths and methods are asked for"


def test_a_check_exercises_every_operation_and_every_status_that_a_mock_answers_by_itself(
    checked: tuple[Coverage, Coverage],
) -> None:
    heard, _ = checked
    assert share(heard, ("operation",)) == Share(7, 7)
    assert statuses(heard) == ANSWERED


def test_a_check_exercises_all_of_every_request(checked: tuple[Coverage, Coverage]) -> None:
    heard, _ = checked
    left = [(place, heard.places[place]) for place in heard.untouched if place.side in ("parameter", "request")]
    assert left == []


def test_what_could_not_be_sent_was_not_said_and_what_was_not_answered_was(base_url: str) -> None:
    with at_url(base_url, 5.0) as target:
        unsent = RecordingTarget(target)
        wrong = Headers([(b"x-wrong", b"a\nb")])
        assert unsent.ask(Request("GET", "/api/v1/chat", "", wrong)).failure == "unsent"
    with of_handler(lambda _: Response(200, (), delivery=Delivery(unanswered=True)), 5.0) as target:
        unanswered = RecordingTarget(target)
        unanswered.ask(Request("GET", "/api/v1/chat"))
    one, other = (each.coverage([contract_of("2.17")]) for each in (unsent, unanswered))
    assert (one.exchanges, other.exchanges) == (0, 1)
    assert {place.kind for place in other.touched} == {"operation", "parameter-left-out"}


def test_a_program_that_is_run_is_told_its_coverage(capsys: pytest.CaptureFixture[str]) -> None:
    mock = Mock(Settings(seed=1))
    ask(mock.handle, "POST", TITLE, {"first_message": "x"})
    heard = list(mock.exchanges("default"))
    ran = Ran(["program"], 0, 1, Allowed(), ["set_title"], [heard], [], clock_stands=False)
    ran = ran._replace(contracts=mock.served.contracts)
    assert teller((), coverage=True)(ran) is False
    told = capsys.readouterr()
    found = coverage_of(mock.served.contracts, heard)
    assert (told.out, told.err) == ("", summary_of(found, "program") + "\n")
    assert f"coverage {share(found).percent:g} %" in told.err
    assert teller(("markdown",), coverage=True)(ran) is False
    told = capsys.readouterr()
    assert "### Verdicts" in told.out
    assert "### Coverage: touched of all places" in told.out
    assert "429 was never answered" in told.out
    teller(("markdown",))(ran)
    assert "Coverage" not in capsys.readouterr().out


def test_contracts_are_told_newest_first() -> None:
    calls = [exchange(contract=era) for era in ("2.6", "2.17", "2.8")]
    assert CoverageCounter(api=API).add_all(calls).result().contracts == ("2.17", "2.8", "2.6")
    own_: Contract = contract(own_document())
    assert CoverageCounter([own_]).result().contracts == ("own",)
