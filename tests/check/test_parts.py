"""A pack's part of the checks is found by its name, runs beside the generic checks, and no other pack's does."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from mockserver import api as packs
from mockserver.api import Api
from mockserver.check import check_server
from mockserver.check.changes.command import command as drift
from mockserver.check.client.command import command as check_client
from mockserver.check.client.command import matrix
from mockserver.check.coverage.report import command as coverage
from mockserver.check.mutants.run import command as mutants
from mockserver.check.part import CheckPart, DriverContext, LackingError, StateCheck
from mockserver.check.provider.checks import Check, Interaction, check, wrong
from mockserver.check.provider.command import command as check_url
from mockserver.errors import MockserverError, UsageError
from mockserver.messages import Finding, Request, Response

CHECKS: dict[str, Check] = {}


@check("polite", CHECKS)
def polite(seen: Interaction) -> Iterator[Finding]:
    """An answer says please."""
    if seen.is_success and seen.request.method != "HEAD" and seen.value != {"word": "please"}:
        yield wrong("it is not polite", "/response/body/word", "please", seen.value)


class Driver:
    """Calls the one operation that there is."""

    def __init__(self, context: DriverContext) -> None:
        self._context = context
        self.trail: list[Request] = []
        self.misshapen = False

    def operation(self, _: str) -> Any:
        return self._context.operations[0][1]

    def word(self) -> bytes:
        self.trail.append(Request("GET", "/word"))
        return self._context.target.ask(self.trail[-1]).body


def _constant(driver: Driver) -> Iterator[Finding]:
    if driver.word() != driver.word():
        yield wrong("the word changed", "/response/body/word")


def _never(_: Driver) -> Iterator[Finding]:
    raise LackingError("there is nothing to see")


PART = CheckPart(
    key_variable="WORDS_KEY",
    checks=CHECKS,
    state={
        "constant": StateCheck("constant", "The word stays.", "word", _constant),
        "never": StateCheck("never", "Nothing is seen.", "word", _never),
    },
    driver=Driver,
    operations=frozenset({("GET", "/word")}),
)

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "words", "version": "1"},
    "paths": {
        "/word": {
            "get": {
                "operationId": "word",
                "responses": {
                    "200": {
                        "description": "a word",
                        "content": {
                            "application/json": {
                                "schema": {"type": "object", "properties": {"word": {"type": "string"}}},
                            }
                        },
                    }
                },
            }
        }
    },
}


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let there be a pack of words; gives the file of its contract."""
    path = tmp_path / "1.yaml"
    path.write_text(yaml.safe_dump(DOCUMENT), "utf-8")
    pack = Api(name="words", title="words", contracts={"1": path}, check=f"{__name__}:PART")
    find = packs.find
    monkeypatch.setattr(packs, "find", lambda name: pack if name == "words" else find(name))
    return path


def saying(*said: str) -> Any:
    """Give a server that says these words in turn, the last one from then on."""
    left = list(said)

    def handle(request: Request) -> Response:
        if request.path != "/word":
            return Response(404, [(b"content-type", b"application/json")], b"{}")
        if request.method not in ("GET", "HEAD"):
            return Response(405, [(b"allow", b"GET"), (b"content-type", b"application/json")], b"{}")
        word = left.pop(0) if len(left) > 1 else left[0]
        body = b'{"word":"%s"}' % word.encode()
        fields = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        return Response(200, fields, b"" if request.method == "HEAD" else body)

    return handle


def rules(**options: Any) -> Mapping[str, str]:
    report = check_server(saying("please"), examples=3, **options)
    return report.rules


@pytest.mark.usefixtures("words")
def test_the_checks_of_a_pack_run_beside_the_generic_ones() -> None:
    report = check_server(saying("please"), api="words", examples=3)
    assert report.findings == ()
    assert {"polite", "constant", "never", "body-schema"} <= report.rules.keys()
    assert "word: polite" in report.passed
    assert "constant" in report.passed
    assert report.figures["not looked at"] == "never (there is nothing to see)"


@pytest.mark.usefixtures("words")
def test_what_a_pack_finds_is_reported_with_its_operation_and_the_requests_that_show_it() -> None:
    rude = check_server(saying("now"), api="words", examples=3)
    assert {(each.rule, each.operation, each.fault) for each in rude.findings} == {("polite", "word", "server")}
    assert rude.findings[0].reproduction is not None
    changing = check_server(saying(*(f"please {n}" for n in range(99))), api="words", examples=3)
    (found,) = (each for each in changing.findings if each.rule == "constant")
    assert found.reproduction is not None
    assert found.reproduction.curl.count("curl") == 2


def test_no_pack_and_another_pack_bring_none_of_them(words: Path) -> None:
    for api in ("none", "llamacloud-chat", None):
        assert not {"polite", "constant"} & rules(api=api, contract=str(words)).keys()
    assert "stream-stop" not in rules(api="none", contract=str(words))
    assert "stream-stop" in rules(api="llamacloud-chat", contract=str(words))


COMMANDS = {
    "check": (check_url, ["http://127.0.0.1:9"]),
    "check-client": (check_client, []),
    "matrix": (matrix, []),
    "drift": (drift, ["2.6", "2.8"]),
    "mutants": (mutants, []),
    "coverage": (coverage, ["nothing.jsonl"]),
}


def invoked(name: str, *more: str, **environ: str) -> Result:
    command, arguments = COMMANDS[name]
    return CliRunner(env=environ).invoke(command, [*arguments, *more])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_refuses_a_pack_that_there_is_not(name: str) -> None:
    by_option, by_variable = invoked(name, "--api", "no-such"), invoked(name, MOCKSERVER_API="no-such")
    for done in (by_option, by_variable):
        assert isinstance(done.exception, UsageError)
        assert "there is no API pack 'no-such'" in str(done.exception)


@pytest.mark.parametrize(("name", "text"), [("check-client", "client"), ("matrix", "client"), ("mutants", "catalogue")])
def test_what_only_a_pack_can_tell_is_asked_of_none_in_vain(name: str, text: str) -> None:
    done = invoked(name, "--api", "none")
    assert isinstance(done.exception, MockserverError)
    assert text in str(done.exception)


def test_without_a_pack_there_is_no_version_to_compare(words: Path) -> None:
    done = invoked("drift", "--api", "none")
    assert "'2.6' is nothing that can be compared" in str(done.exception)
    assert CliRunner().invoke(drift, [str(words), str(words), "--api", "none"]).exit_code == 0
