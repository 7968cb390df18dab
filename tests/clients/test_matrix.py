"""A matrix finds by itself what changed between releases, and says which of them fit which contract."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mockserver.apis.llamacloud_chat.check.part import RELEASES
from mockserver.apis.llamacloud_chat.pack import API
from mockserver.check.client.command import matrix as command
from mockserver.check.client.environments import UnavailableError
from mockserver.check.client.matrix import run_matrix
from mockserver.check.client.matrix_report import DOES, SAYS, ReleaseChange, described, matrix_report
from mockserver.check.client.run import Choice
from mockserver.errors import UsageError
from mockserver.messages import Json
from tests.clients.checked import released, reported
from tests.clients.environments import CACHE

ROOT = Path(__file__).parents[2]

CHOSEN = ("2.7.0", "2.9.0", "2.9.1", "2.19.0")
"""Releases with a change between each and the next."""

CONTRACTS = ("auto", "2.8", "2.17")


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """Give the report on a few releases, of which one operation is played."""
    for release in CHOSEN:
        released(release)
    chosen = ("--releases", ",".join(CHOSEN), "--contracts", ",".join(CONTRACTS), "--operation", "retrieve")
    return reported(tmp_path_factory, "matrix", "matrix", *chosen, "--examples", "0")


def has(found: Sequence[ReleaseChange], release: str, seen: str, *parts: str) -> bool:
    """Say whether a change was found, by parts of its text."""
    return any(
        (each.release, each.seen) == (release, seen) and all(part in each.text for part in parts) for each in found
    )


def facts(found: Sequence[ReleaseChange], later: dict[str, str]) -> None:
    """Assert that all is found that is known of the releases; `later` names the first release after each change."""
    title, events, access, top = later["title"], later["events"], later["access"], later["top"]
    assert has(found, title, SAYS, "the method set_title is gone")
    assert has(found, events, SAYS, "the classes of events are in another order")
    unknown = ("an event of an unknown type becomes EventStopEvent(", "is_error lacking", "EventThinkingDeltaEvent(")
    assert has(found, events, DOES, *unknown)
    assert has(found, access, SAYS, "the required field shared_access is new in ChatCreateResponse")
    assert has(found, access, SAYS, "beta.chat.create: the optional parameter shared_access is new")
    assert has(found, access, SAYS, "beta.chat.stream: the optional parameter require_all_indexes is new")
    assert has(found, top, SAYS, "the resource chat is new, with create, retrieve")
    assert has(found, top, SAYS, "beta.chat: every method is deprecated: Moved out of beta")
    assert has(found, top, DOES, "calls warn: DeprecationWarning: Moved out of beta")
    assert {each.release for each in found} == {title, events, access, top}


def changes_in(report: Json) -> list[ReleaseChange]:
    return [ReleaseChange(*row) for row in report["tables"][1]["rows"]]


def test_it_finds_by_itself_what_changed(report: Json) -> None:
    facts(changes_in(report), {"title": "2.9.0", "events": "2.9.1", "access": "2.19.0", "top": "2.19.0"})


def test_a_release_handles_its_own_contract_and_what_a_version_requires_is_mishandled_before_it(report: Json) -> None:
    table = report["tables"][0]
    cells = {row[0]: dict(zip(table["columns"], row, strict=True)) for row in table["rows"]}
    assert list(cells) == list(CHOSEN)
    assert {row["auto"] for row in cells.values()} == {"handled"}
    assert {row["2.17"] for row in cells.values()} == {"handled"}
    assert cells["2.19.0"]["2.8"] == "MISHANDLED: retrieve by strict clients"
    assert cells["2.9.1"]["2.8"] == "handled"
    assert cells["2.19.0"]["resources"] == "chat (6), beta.chat (6, deprecated)"
    assert cells["2.7.0"]["resources"] == "beta.chat (7)"


def test_what_a_release_makes_of_another_version_is_told_and_fails_nothing(report: Json) -> None:
    assert report["clean"] is True
    assert {each["message"].partition(":")[0] for each in report["problems"]} == {"2.19.0 against 2.8"}
    assert {(each["rule"], each["level"]) for each in report["problems"]} == {("answer-taken", "warning")}


def test_a_release_that_lacks_a_method_is_never_exercised_and_this_is_told() -> None:
    released("2.9.0")
    rows = run_matrix(API, ["2.9.0"], ["2.6"], CACHE, choice=Choice(operations=("set_title",)))
    report = matrix_report(rows, ["2.6"], 1.0)
    assert report.tables[0].rows[0][-1] == "NEVER EXERCISED: set_title"
    loud = [each.message for each in report.findings]
    assert "2.9.0 against 2.6: NEVER EXERCISED: beta.chat has no method set_title, which contract 2.6 has" in loud


def test_a_method_that_no_contract_has_fails_the_run_of_any_version_unless_it_is_allowed() -> None:
    released("2.7.0")
    arguments = ("--releases", "2.7.0", "--contracts", "auto,2.8", "--operation", "set_title", "--examples", "0")
    told = "2.7.0 against 2.8: NOT IN CONTRACT: set_title: the client has it, and contract 2.8 does not"
    done = run("--cache", str(CACHE), *arguments)
    assert done.exit_code == 1
    assert told in done.stdout
    assert re.search(r"2\.7\.0 .* handled +NOT IN CONTRACT: set_title$", done.stdout, re.MULTILINE)
    allowed = run("--cache", str(CACHE), *arguments, "--allow", "not-in-contract:set_title")
    assert (allowed.exit_code, told in allowed.stdout) == (0, True)


def test_the_result_of_an_era_is_that_of_a_release_made_from_it() -> None:
    released("2.19.0")
    choice = Choice(operations=("delete",), kinds=("answer",))
    (row,) = run_matrix(API, ["2.19.0"], ["auto", "2.8", "2.17"], CACHE, choice=choice)
    assert row.results["auto"].tallies is row.results["2.17"].tallies
    assert row.results["auto"].tallies is not row.results["2.8"].tallies
    assert row.results["2.17"].contract == "2.17"
    (verdicts, _) = matrix_report([row], ["auto"], 1.0).tables
    assert [(each[0], each[-1]) for each in verdicts.rows] == [("2.19.0", "handled")]


# -- the command -----------------------------------------------------------------------------------------------------


def run(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(command, ["--quiet", *arguments])


def test_a_release_that_cannot_be_had_keeps_its_row_and_the_run_could_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    done = run("--releases", "9.9.9", "--contracts", "auto", "--cache", str(tmp_path))
    assert "NOT RUN: nothing was judged, since llama-cloud 9.9.9 cannot be had" in done.stdout
    assert "nothing wrong" not in done.stdout
    assert isinstance(done.exception, UnavailableError)
    assert done.exception.what == "llama-cloud 9.9.9 cannot be had"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--releases", ","), "names nothing"),
        (("--contracts", "auto,auto"), "something twice"),
        (("--contracts", "3.0"), "there is no contract '3.0'"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(arguments: Sequence[str], text: str) -> None:
    error = run(*arguments).exception
    assert isinstance(error, UsageError)
    assert text in str(error)


@pytest.mark.thorough("every release with every contract takes minutes; a part of it is run by the tests above")
def test_the_whole_matrix_finds_what_is_known_of_all_releases(tmp_path_factory: pytest.TempPathFactory) -> None:
    for release in RELEASES:
        released(release)
    report = reported(tmp_path_factory, "whole", "matrix")
    facts(changes_in(report), {"title": "2.8.0", "events": "2.9.1", "access": "2.17.0", "top": "2.18.0"})
    assert {row[0]: row[3] for row in report["tables"][0]["rows"]} == dict.fromkeys(RELEASES, "handled")
    rows = [f"| {' | '.join(row)} |" for row in report["tables"][0]["rows"]]
    page = (ROOT / "docs" / "clients.md").read_text("utf-8")
    shown = re.findall(r"^\| 2\.[0-9.]+ \| 2\.[0-9]+ .*$", page, re.MULTILINE)
    assert shown
    assert [row for row in shown if row not in rows] == []


# -- what a release says of itself -----------------------------------------------------------------------------------


def field(kind: str = "str", *, required: bool = True) -> Json:
    return {"required": required, "type": kind, "models": [], "literals": []}


def surface(**methods: Json) -> Json:
    """Give what a client says of itself that has one resource."""
    made = {
        name: {"parameters": {"id": field()}, "returns": "It", "models": ["It"], "deprecated": None, **method}
        for name, method in methods.items()
    }
    models = {"It": {"a": field(), "b": field("List[One | Two]")}}
    return {"version": "1.0.0", "python": "3.11", "doors": {"chat": {"methods": made, "models": models}}}


def test_what_is_the_same_is_no_change() -> None:
    assert list(described(surface(get={}), surface(get={}))) == []


@pytest.mark.parametrize(
    ("method", "text"),
    [
        ({"parameters": {}}, "chat.get: the parameter id is gone"),
        ({"parameters": {"id": field(required=False)}}, "chat.get: the parameter id is optional now"),
        ({"parameters": {"id": field("int")}}, "chat.get: the parameter id is int, before str"),
        ({"parameters": {"id": field(), "x": field()}}, "chat.get: the required parameter x is new"),
        ({"returns": "Other"}, "chat.get gives Other, before It"),
        ({"deprecated": "use put"}, "chat: every method is deprecated: use put"),
    ],
)
def test_a_change_of_a_method_is_told(method: Json, text: str) -> None:
    assert list(described(surface(get={}), surface(get=method))) == [text]


def test_methods_resources_and_models_that_come_and_go_are_told() -> None:
    old, new = surface(get={}), surface(get={}, put={})
    new["doors"]["chat"]["models"]["New"] = {}
    assert set(described(old, new)) == {"chat: the method put is new", "chat: the model New is new"}
    assert set(described(new, old)) == {"chat: the method put is gone", "chat: the model New is gone"}
    assert list(described(old, {**old, "doors": {}})) == ["the resource chat is gone"]


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"a": field()}, "chat: the field b is gone in It"),
        ({"a": field(required=False), "b": field("List[One | Two]")}, "chat: the field a is optional now in It"),
        ({"a": field("int"), "b": field("List[One | Two]")}, "chat: the field a is int, before str, in It"),
        (
            {"a": field(), "b": field("List[Two | One]")},
            "chat: the classes of b are in another order, with Two before One, in It",
        ),
    ],
)
def test_a_change_of_a_model_is_told(fields: Json, text: str) -> None:
    new = surface(get={})
    new["doors"]["chat"]["models"]["It"] = fields
    assert list(described(surface(get={}), new)) == [text]
