"""The check of a server finds nothing in a right one, whatever it is, and what it finds can be seen again."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import structs

from mockserver.api import make_settings
from mockserver.apis.llamacloud_chat.check.mutators import answers, fields, is_call
from mockserver.apis.llamacloud_chat.check.part import PART
from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.check.mutants.mutators import body_of, plain, with_header
from mockserver.check.provider.cases import Case, expectation_of
from mockserver.check.provider.checks import CHECKS
from mockserver.check.provider.command import command, placed
from mockserver.check.provider.protocol import PROTOCOL
from mockserver.check.provider.run import Options, check_target
from mockserver.check.report.model import Report
from mockserver.check.target import of_app, of_handler
from mockserver.control.app import make_app
from mockserver.engine import Mock
from mockserver.messages import Handler, Request, Response
from mockserver.server.uvicorn import running
from mockserver.settings import SOURCES, Settings
from tests import commands
from tests.conftest import app_of
from tests.redis_server import redis_server
from tests.strategies import ROOT, operations, own_document, write_document

WHOLE = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
CHECK = [sys.executable, "-m", "mockserver", "check"]


def checked(mock: Mock, handler: Handler | None = None, **options: Any) -> Report:
    """Check a mock, or what stands before it, in this process."""
    with of_handler(handler or mock.handle, 5.0) as target:
        drawn = {"examples": 350 if WHOLE else 42, **options}
        return check_target(target, placed(mock.served.contracts), Options(part=PART, **drawn))


def told(report: Report) -> list[str]:
    return [f"{each.rule} {each.operation} {each.where}: {each.message}" for each in report.findings]


# -- no false alarms -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("era", [*VERSIONS, "auto"])
def test_a_mock_that_plays_keeps_every_rule(era: str) -> None:
    report = checked(Mock(Settings(contract=era, seed=1)))
    assert told(report) == []
    assert not {name for name, why in report.figures.items() if "could not be read" in str(why)}
    assert int(report.figures["cases"]) > 900


@pytest.mark.parametrize(
    ("source", "era"), [("canned", "2.6"), ("documented", "2.17"), ("generated", "2.8"), ("generated", "2.17")]
)
def test_every_source_of_answers_keeps_the_rules_of_shape(source: Any, era: str) -> None:
    mock = Mock(Settings(contract=era, seed=1, answers=source))
    assert told(checked(mock, state=False)) == []


def test_every_source_is_one_of_these() -> None:
    assert set(SOURCES) == {"simulated", "canned", "documented", "generated"}


@pytest.mark.parametrize("store", ["sqlite", "redis"])
def test_every_store_keeps_the_rules_of_state(store: str, tmp_path: Path) -> None:
    with redis_server() as redis:
        url = redis.url if store == "redis" else f"sqlite:///{tmp_path}/s.db"
        mock = Mock(Settings(contract="2.6", seed=1, store=url))
        assert told(checked(mock, operations=("delete",))) == []


def test_an_asgi_application_is_checked_in_this_process() -> None:
    mock = Mock(Settings(contract="2.8", seed=1))
    with of_app(app_of(mock), 5.0) as target:
        options = Options(part=PART, examples=14, operations=("create", "stream"))
        report = check_target(target, placed(mock.served.contracts), options)
    assert told(report) == []


def test_a_strict_mock_over_a_socket_by_the_command(tmp_path: Path) -> None:
    with running(make_app(make_settings({"seed": 1, "unknown_sessions": "404", "locked_status": "409"}))) as url:
        done = subprocess.run(
            [
                *(*CHECK, url, "--examples", "14", "--operation", "set_title"),
                *("--report", f"json={tmp_path}/r.json", "--report", "terminal"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "check: nothing wrong"), done.stdout
        assert re.search(r"\d+ cases, \d+ a second, 0 problems", done.stderr)
        assert httpx.get(url + "/__mock__/scopes").json()["scopes"] == [], "its scope is dropped"
    report = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert set(CHECKS) | set(PROTOCOL) | set(PART.state) <= report["rules"].keys()
    assert "title-is-kept" in report["passed"]
    assert "set_title: body-schema" in report["passed"]


def test_a_contract_of_ones_own_is_checked_by_every_rule_of_shape(tmp_path: Path) -> None:
    path = write_document(tmp_path, own_document())
    mock = Mock(Settings(contract=str(path), seed=1))
    report = checked(mock, state=True)
    assert report.errors == ()
    assert {(each.rule, each.fault, each.level) for each in report.findings} == {
        ("status-declared", "contract", "warning")
    }, "it declares no refusal"
    spoiled = checked(mock, answers_html(mock.handle), state=False)
    assert spoiled.findings


def answers_html(handler: Handler) -> Handler:
    def handle(request: Request) -> Response:
        response = handler(request)
        return with_header(response, "content-type", "text/html") if response.status == 200 else response

    return handle


def test_a_method_in_allow_is_read_as_it_is_written() -> None:
    mock = Mock(Settings(contract="2.6", seed=1))

    def handle(request: Request) -> Response:
        response = mock.handle(request)
        allowed = dict(response.headers).get(b"allow")
        return response if allowed is None else with_header(response, "allow", allowed.decode().lower())

    report = checked(mock, handle, examples=0, state=False)
    assert {each.rule for each in report.findings} == {"allow-header"}


# -- findings --------------------------------------------------------------------------------------------------------


def test_one_cause_is_one_finding_however_many_cases_show_it() -> None:
    mock = Mock(Settings(contract="2.6", seed=1))
    report = checked(mock, fields("set_title", session_id=17)(mock.handle), operations=("set_title",))
    (problem,) = report.findings
    assert (problem.rule, problem.fault, problem.operation) == ("body-schema", "server", "set_title")
    assert (problem.where, problem.received) == ("/response/body/session_id", 17)
    assert problem.expected == {"type": "string"}
    assert problem.contract == "2.6#/components/schemas/ChatSessionSummary/properties/session_id/type"
    assert problem.count > 20


def test_the_same_seed_gives_the_same_run() -> None:
    def transcript(seed: int) -> list[tuple[str, str, bytes]]:
        mock = Mock(Settings(contract="2.17", seed=1))
        asked = []

        def handle(request: Request) -> Response:
            asked.append((request.method, request.path + request.query, request.body))
            return mock.handle(request)

        checked(mock, handle, seed=seed, examples=28, operations=("create", "list"))
        return sorted(asked)  # what is asked at once comes in any order

    assert transcript(3) == transcript(3)
    assert transcript(3) != transcript(4)


def test_a_drawn_case_is_shrunk_to_the_least_that_shows_the_problem() -> None:
    mock = Mock(Settings(contract="2.6", seed=1))

    def handle(request: Request) -> Response:
        message = str(body_of(request).get("first_message", ""))
        odd = is_call(request, "set_title") and len(message) > 12 and not message.isascii()
        return plain(500, {"detail": "x"}) if odd and "Ünïcödé" not in message else mock.handle(request)

    report = checked(mock, handle, examples=100, state=False, operations=("set_title",))
    (problem,) = report.findings
    assert problem.rule == "no-server-error"
    assert problem.reproduction is not None
    (body,) = re.findall(r"content=(b.*)\)$", problem.reproduction.python, re.MULTILINE)
    assert len(json.loads(ast.literal_eval(body))["first_message"]) == 13


def test_what_is_found_is_seen_again_by_its_curl_and_its_python() -> None:
    mock = Mock(Settings(contract="2.6", seed=1))
    broken = answers(lambda response, _: structs.replace(response, status=202), "create")(mock.handle)

    class Broken(Mock):
        def handle(self, request: Request) -> Response:
            return broken(request)

    with running(make_app(mock.settings, Broken(mock.settings))) as url:
        done = subprocess.run(
            [*CHECK, url, "--fail-fast", "--quiet", "--report", "json", "--api-key-env", "SECRET_KEY"],
            env=os.environ | {"SECRET_KEY": "very-secret"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 1
        assert "very-secret" not in done.stdout + done.stderr
        (problem,) = json.loads(done.stdout)["problems"]
        assert (problem["rule"], problem["received"]) == ("status-declared", 202)
        environ = os.environ | {"SECRET_KEY": "very-secret"}
        for how in (
            ["bash", "-c", problem["reproduction"]["curl"]],
            [sys.executable, "-c", problem["reproduction"]["python"]],
        ):
            again = subprocess.run(how, env=environ, capture_output=True, text=True, timeout=60, check=False)
            assert "202" in again.stdout, again


# -- bounds ----------------------------------------------------------------------------------------------------------


def asked_by(options: dict[str, Any], era: str = "2.6") -> list[Request]:
    mock = Mock(Settings(contract=era, seed=1))
    requests: list[Request] = []

    def handle(request: Request) -> Response:
        requests.append(request)
        return mock.handle(request)

    checked(mock, handle, **options)
    return requests


def test_a_run_that_only_reads_changes_nothing() -> None:
    requests = asked_by({"read_only": True, "examples": 40})
    assert {each.method for each in requests} == {"GET", "HEAD"}
    assert len(requests) > 100


def test_examples_bound_what_is_drawn() -> None:
    few, many = (
        len(asked_by({"examples": count, "state": False, "operations": ("list", "create")})) for count in (10, 110)
    )
    assert 60 < many - few <= 120


def test_only_the_named_operations_get_cases_of_their_own_and_sequences_call_every_one() -> None:
    titles, all_titles = (
        [each for each in asked_by(options) if is_call(each, "set_title")]
        for options in ({"operations": ("list",), "examples": 40}, {"examples": 40})
    )
    assert 20 < len(titles) < len(all_titles) - 100
    alone = asked_by({"operations": ("list",), "examples": 40, "state": False})
    assert {each.path for each in alone} == {"/api/v1/chat", "/api/v1/chat/unknown/path"}
    assert len(alone) > 120


def test_the_time_bounds_a_run() -> None:
    report = checked(Mock(Settings(contract="2.6", seed=1)), seconds=0.05, examples=10_000)
    assert float(report.figures["seconds"]) < 2
    assert int(report.figures["cases"]) < 500


@pytest.mark.parametrize(
    ("arguments", "code", "told_"),
    [
        (["http://example.org"], 2, "is not this machine"),
        (["http://10.0.0.1:4010", "--read-only"], 2, "--allow-remote"),
        (["https://example.org", "--allow-remote"], 2, "there is no key in LLAMA_CLOUD_API_KEY"),
        (["ftp://127.0.0.1"], 2, "is no URL of a server"),
        (["nonsense"], 2, "is no URL of a server"),
        (["http://127.0.0.1:9"], 3, "the server cannot be reached"),
        (["http://127.0.0.1:9", "--report", "xml"], 2, "is no report"),
        (["http://127.0.0.1:9", "--contract", "9.9"], 3, "cannot be reached"),
        ([], 2, "Missing argument"),
    ],
)
def test_what_cannot_be_checked_is_told(arguments: list[str], code: int, told_: str, tmp_path: Path) -> None:
    unset = {name: None for name in os.environ if name.startswith("LLAMA_")}
    done = commands.run("check", *arguments, cwd=tmp_path, env=unset)
    assert (done.returncode, told_ in done.stderr) == (code, True), done.stderr


def test_an_operation_that_the_contract_has_not_is_named() -> None:
    with running(make_app(Settings(contract="2.17", seed=1))) as url:
        done = commands.run("check", url, "--operation", "set_title")
    assert done.returncode == 2
    assert "there is no operation 'set_title'" in done.stderr
    assert "fix: there are create, delete, get_summary, list, retrieve, stream" in done.stderr


def test_every_rule_has_a_sentence_and_stands_in_the_documents() -> None:
    text = (ROOT / "docs" / "checking.md").read_text("utf-8")
    sentences = {name: each.sentence for name, each in CHECKS.items()}
    sentences |= {name: each[0] for name, each in PROTOCOL.items()} | {
        name: each.sentence for name, each in PART.state.items()
    }
    for name, sentence in sentences.items():
        assert sentence.endswith("."), name
        assert f"| `{name}` | {sentence} |" in text, name


def test_the_documented_options_are_those_of_the_command() -> None:
    text = (ROOT / "docs" / "checking.md").read_text("utf-8")
    assert {
        opt for each in command.params for opt in each.opts if opt.startswith("--") and f"`{opt}" not in text
    } == set()


# -- verdicts --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "body", "query", "expected"),
    [
        ("set_title", {"first_message": "x"}, (), "valid"),
        ("set_title", {"first_message": ""}, (), "valid"),
        ("set_title", {"first_message": "x", "more": 1}, (), "valid"),
        ("set_title", {"first_message": None}, (), "invalid"),
        ("set_title", {}, (), "invalid"),
        ("set_title", b"{", (), "malformed"),
        ("set_title", {"first_message": "x"}, (("project_id", "x"),), "invalid"),
        ("set_title", {"first_message": "x"}, (("project_id", "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"),), "valid"),
        ("set_title", {"first_message": "x"}, (("project_id", "182bd5e56e1a4fe4a799aa6d9a6ab26e"),), "either"),
        ("stream", {"index_ids": ["a"], "prompt": "x" * 1000}, (), "valid"),
        ("stream", {"index_ids": ["a"], "prompt": "x" * 1001}, (), "invalid"),
        ("stream", {"index_ids": [], "prompt": "x"}, (), "invalid"),
        ("create", {"index_ids": ["a"] * 10}, (), "valid"),
        ("create", {"index_ids": ["a"] * 11}, (), "invalid"),
        ("create", None, (), "valid"),
    ],
)
def test_what_must_become_of_a_request(name: str, body: Any, query: Any, expected: str) -> None:
    operation = operations("2.6")[name]
    case = Case("x", operation, dict.fromkeys(operation.names, "s"), query, body)
    verdict = expectation_of(case)
    if expected == "malformed":
        assert verdict.expected in ("invalid", "malformed")
    else:
        assert verdict.expected == expected


def test_a_request_is_sent_as_it_is() -> None:
    seen: list[Request] = []

    def handler(request: Request) -> Response:
        seen.append(request)
        return Response(200, [])

    with of_handler(handler, 1.0) as asked:
        asked.ask(Request("POST", "/a%2Fb/%00", "x=%20", body=b""))
    assert (seen[0].path, seen[0].query) == ("/a%2Fb/%00", "x=%20")
    assert seen[0].headers.text(b"content-length") == "0"
    assert seen[0].headers.text(b"accept-encoding") == "identity"
