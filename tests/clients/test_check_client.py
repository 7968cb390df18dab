"""Released clients keep their contracts, as `mockserver check-client` finds; and what it says of them."""

import os
import re
import sys
from collections.abc import Sequence

import pytest
from click.testing import CliRunner, Result

from mockserver.apis.llamacloud_chat.pack import API
from mockserver.check import check_client
from mockserver.check.client.cases import KINDS
from mockserver.check.client.checks import RULES
from mockserver.check.client.command import command
from mockserver.check.client.environments import interpreter
from mockserver.check.client.report import accepting
from mockserver.check.client.run import own_version
from mockserver.check.report.formats import FORMATS
from mockserver.check.report.locate import NO_FILES
from mockserver.check.report.model import Report
from mockserver.errors import StartError, UsageError
from mockserver.messages import Json
from tests.clients.checked import released, reported
from tests.strategies import contract_of

THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
OPERATIONS = ("set_title", "retrieve", "stream", "list")


@pytest.fixture(scope="module")
def titled(tmp_path_factory: pytest.TempPathFactory) -> Json:
    """Give the report on the last release that has the title."""
    released("2.7.0")
    chosen = [] if THOROUGH else [part for name in OPERATIONS for part in ("--operation", name)]
    return reported(tmp_path_factory, "titled", "check-client", "--release", "2.7.0", "--examples", "1", *chosen)


def check(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(command, ["--quiet", *arguments])


def test_a_release_keeps_the_contract_of_its_era(titled: Json) -> None:
    assert titled["subject"] == "llama-cloud 2.7.0 against contract auto (2.6)"
    assert titled["problems"] == []
    assert titled["rules"] == dict(RULES)
    figures = titled["figures"]
    assert (figures["mishandled"], figures["never exercised"]) == (0, 0)
    assert figures["handled"] == len(titled["passed"]) > 16
    assert figures["requests"] > figures["calls"] > 800


def test_every_operation_and_kind_of_answer_has_its_verdict(titled: Json) -> None:
    table = titled["tables"][0]
    assert table["columns"] == ["operation", *KINDS]
    rows = {row[0]: row[1:] for row in table["rows"]}
    chosen = {each.id for each in contract_of("2.6").operations} if THOROUGH else set(OPERATIONS)
    assert set(rows) == {f"beta.chat.{name}" for name in chosen}
    cells = [cell for row in rows.values() for cell in row if cell]
    assert all(re.fullmatch(r"handled \d+", cell) for cell in cells)
    assert [name for name, row in rows.items() if row[3]] == ["beta.chat.list"]


def test_what_no_contract_allows_is_told_and_not_judged(titled: Json) -> None:
    rows = {(row[0], row[1]): row[2:] for row in titled["tables"][1]["rows"]}
    loose, strict = rows["an event of an unknown type", "retrieve"]
    assert loose == 'EventThinkingDeltaEvent(content="This event is in no contract.", type="surprise")'
    assert strict == "APIResponseValidationError"
    assert rows["cut-stream by close", "stream"][0] == "2 events, then RemoteProtocolError"
    assert rows["events, by the plain call", "stream"] == ["the whole body as a text", "APIResponseValidationError"]


def test_a_strict_client_of_a_later_era_mishandles_an_earlier_one_by_what_it_requires() -> None:
    python = str(interpreter(released("2.19.0")))
    done = check("--python", python, "--contract", "2.8", "--operation", "get_summary", "--report", "github")
    assert done.exit_code == 1
    lines = done.stdout.splitlines()
    assert len(lines) == 2  # one for each of its resources
    for line in lines:
        assert line.startswith("::error file=schemas/llamacloud-chat/2.8.yaml,line=")
        assert "APIResponseValidationError" in line
        assert "shared_access: Field required" in line
        assert "strict" in line


@pytest.fixture(scope="module")
def surplus() -> Report:
    """Give the report on a release whose title the contract no longer has."""
    python = interpreter(released("2.7.0"))
    return check_client(python=python, contract="2.8", operations=["set_title", "delete"], examples=0)


def test_a_method_that_the_contract_no_longer_has_is_found(surplus: Report) -> None:
    (finding,) = surplus.findings
    assert (finding.rule, finding.operation, finding.level) == ("not-in-contract", "beta.chat.set_title", "error")
    assert finding.message == "NOT IN CONTRACT: set_title: the client has it, and contract 2.8 does not"
    assert [row[:2] for row in surplus.tables[0].rows][-1] == ["beta.chat.set_title", "NOT IN CONTRACT"]
    assert not any("set_title" in name for name in surplus.passed)


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_tells_a_method_that_the_contract_does_not_have(surplus: Report, form: str) -> None:
    text = FORMATS[form](surplus, NO_FILES)
    assert "NOT IN CONTRACT: set_title" in text
    assert "not-in-contract" in text


@pytest.mark.parametrize(
    ("allowed", "clean"),
    [
        ("not-in-contract:set_title", True),
        ("not-in-contract:beta.chat.set_title", True),
        ("not-in-contract:title", False),
        ("exercised:set_title", False),
    ],
)
def test_what_is_allowed_is_still_told_and_fails_nothing(surplus: Report, allowed: str, clean: bool) -> None:
    accepted = accepting(surplus, [allowed])
    assert (accepted.clean, len(accepted.findings)) == (clean, 1)


def test_where_no_more_than_a_method_that_is_allowed_was_chosen_nothing_fails() -> None:
    python = str(interpreter(released("2.7.0")))
    arguments = ("--contract", "2.8", "--operation", "set_title", "--allow", "not-in-contract:set_title")
    done = check("--python", python, *arguments)
    assert (done.exit_code, "nothing was judged" in done.stdout) == (0, False)
    assert check("--python", python, *arguments[:4]).exit_code == 1


@pytest.mark.parametrize("text", ["set_title", "not-in-contract", "not-in-contract:", "no-rule:set_title"])
def test_what_cannot_be_allowed_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="is nothing that can be allowed"):
        check_client("2.7.0", allow=[text])


@pytest.mark.parametrize(
    ("version", "era"),
    [("2.5.0", "2.6"), ("2.6.0", "2.6"), ("2.7.9", "2.6"), ("2.8.0", "2.8"), ("2.16.0", "2.8"), ("2.17.0", "2.17")],
)
def test_a_release_is_held_to_the_newest_era_that_is_not_newer(version: str, era: str) -> None:
    assert own_version(version, API) == era


def test_one_whose_version_cannot_be_read_is_held_to_the_newest() -> None:
    assert own_version("main", API) == "2.17"
    assert own_version("3.0.0", API) == "2.17"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--release", "2.7.0", "--python", "x"), "name two clients"),
        (("--release", "../x"), "is no version"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(arguments: Sequence[str], text: str) -> None:
    error = check(*arguments).exception
    assert isinstance(error, UsageError)
    assert text in str(error)


def test_an_operation_that_there_is_not_is_named_before_anything_is_played() -> None:
    error = check("--python", str(interpreter(released("2.7.0"))), "--operation", "title").exception
    assert isinstance(error, UsageError)
    assert "there is no operation 'title'" in str(error)


@pytest.mark.parametrize(
    ("python", "text"),
    [("no/such/python", "the client cannot be run"), (sys.executable, "No module named 'llama_cloud'")],
)
def test_what_is_no_client_cannot_be_checked(python: str, text: str) -> None:
    error = check("--python", python).exception
    assert isinstance(error, StartError)
    assert text in str(error)
