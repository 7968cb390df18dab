"""Each way of mishandling an answer is found, in a released client in which it was planted, and named as what it is."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import NamedTuple

import pytest

from mockserver.apis.llamacloud_chat.check.part import SDK
from mockserver.apis.llamacloud_chat.pack import API
from mockserver.check.client.cases import CaseKind
from mockserver.check.client.process import Driver
from mockserver.check.client.report import client_report
from mockserver.check.client.result import Result, verdict_of
from mockserver.check.client.run import Choice, play
from mockserver.messages import Json
from mockserver.testing.pytest_fixtures import LiveServer
from tests.clients.checked import Failure
from tests.clients.defects import DEFECTS


class Planted(NamedTuple):
    """Where a defect shows, and by which rules at which place it must be found."""

    operation: str
    kind: CaseKind
    rules: Sequence[str]
    where: str


PLANTED: dict[str, Planted] = {
    "sends_other_indexes": Planted("create", "request", ["request-faithful"], "/request/body/index_ids"),
    "forgets_the_project": Planted("create", "request", ["request-faithful"], "/request/query/project_id"),
    "adds_a_parameter": Planted("list", "request", ["request-faithful"], "/request/query/page"),
    "breaks_the_contract": Planted(
        "stream", "event", ["request-valid", "request-faithful", "answer-taken"], "/request/body/index_ids"
    ),
    "calls_another_operation": Planted("get_summary", "answer", ["exercised"], ""),
    "sends_nothing": Planted("get_summary", "answer", ["exercised"], ""),
    "asks_twice": Planted("delete", "answer", ["request-once"], "/requests"),
    "loses_a_field": Planted("get_summary", "answer", ["answer-kept"], "/answer/generated_title"),
    "loses_a_field_where_nothing_waits": Planted("get_summary", "answer", ["answer-kept"], "/answer/generated_title"),
    "rounds_a_number": Planted("get_summary", "answer", ["answer-kept"], "/answer/job_metadata/duration_ms"),
    "invents_a_field": Planted("get_summary", "answer", ["answer-pure"], "/answer/read_at"),
    "loses_an_item": Planted("list", "answer", ["answer-kept"], "/answer/items"),
    "stops_at_the_first_page": Planted("list", "page", ["answer-kept", "request-once"], "/answer"),
    "mistakes_the_class": Planted("retrieve", "answer", ["answer-class"], "/answer/events/0/type"),
    "gives_a_dict": Planted("get_summary", "answer", ["answer-class"], "/answer"),
    "stumbles_over_null": Planted("get_summary", "answer", ["answer-taken"], "/answer"),
    "swallows_an_error": Planted("delete", "error", ["error-raised"], "/raised"),
    "raises_another_error": Planted("delete", "error", ["error-raised"], "/raised"),
    "hides_the_body": Planted("delete", "error", ["error-reported"], "/raised/body"),
    "tries_a_404_again": Planted("delete", "error", ["retry-count"], "/requests"),
    "gives_up_at_once": Planted("delete", "retry", ["answer-taken", "retry-count"], "/requests"),
    "does_not_listen": Planted("delete", "retry", ["retry-wait"], "/waits"),
    "loses_an_event": Planted("stream", "event", ["answer-kept"], "/answer"),
}


class Checker:
    """Checks the client with whatever defect is in force."""

    def __init__(self, broken: Failure, driver: Driver, live: LiveServer) -> None:
        self.broken, self._driver, self._live = broken, driver, live
        self._surface: Json = driver.describe()
        del self._surface["doors"]["beta.chat"]

    def check(self, defect: str, operation: str, kind: CaseKind) -> Result:
        self.broken.be(defect)
        choice = Choice(drawn=0, operations=(operation,), kinds=(kind,))
        try:
            return play(self._driver, self._surface, API, "auto", self._live, choice)
        finally:
            self.broken.be("")


@pytest.fixture(scope="module")
def checker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checker]:
    broken = Failure(tmp_path_factory.mktemp("broken") / "client")
    with Driver(broken.python, SDK) as driver, closing(LiveServer()) as live:
        yield Checker(broken, driver, live)


def test_every_defect_is_looked_for() -> None:
    assert set(PLANTED) | {"dies"} == set(DEFECTS)


@pytest.mark.parametrize("defect", PLANTED)
def test_a_planted_defect_is_found_and_named(checker: Checker, defect: str) -> None:
    planted = PLANTED[defect]
    result = checker.check(defect, planted.operation, planted.kind)
    found = [each for each in client_report(result).findings if each.operation]
    assert {each.operation for each in found} == {f"chat.{planted.operation}"}
    assert {each.rule for each in found} == set(planted.rules)
    assert planted.where in {each.where for each in found}
    assert {(each.fault, each.level) for each in found} == {("client", "error")}


@pytest.mark.parametrize("place", sorted({(planted.operation, planted.kind) for planted in PLANTED.values()}))
def test_where_no_defect_is_planted_none_is_found(checker: Checker, place: tuple[str, CaseKind]) -> None:
    operation, kind = place
    result = checker.check("", operation, kind)
    assert result.broken == {}
    assert {verdict_of(each) for each in result.tallies.values()} == {"handled"}


def test_a_defect_of_one_client_says_of_which(checker: Checker) -> None:
    result = checker.check("loses_a_field_where_nothing_waits", "get_summary", "answer")
    assert {each.variant.asynchronous for each in result.broken.values()} == {True}


def test_a_client_that_dies_is_said_to_and_begun_anew(checker: Checker) -> None:
    (problem,) = (each for each in client_report(checker.check("dies", "delete", "answer")).findings if each.operation)
    assert (problem.rule, problem.level) == ("exercised", "error")
    assert "its process ended" in problem.message
    assert checker.check("", "delete", "answer").broken == {}


def test_a_problem_says_how_to_see_it_again(checker: Checker) -> None:
    problem = client_report(checker.check("loses_a_field", "get_summary", "answer")).findings[0]
    assert problem.reproduction is not None
    assert "/__mock__/stubs" in problem.reproduction.curl
    compile(problem.reproduction.python, "again.py", "exec")
    assert "client.chat.get_summary(session_id=" in problem.reproduction.python
