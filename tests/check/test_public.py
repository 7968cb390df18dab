"""The checks in Python say what the commands say, and load nothing that is heavy before they are called."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

import pytest
from msgspec import structs

from mockserver.check import Report, check_client, check_server, drift, render
from mockserver.check.provider.protocol import WRONG_KEY
from mockserver.engine import Mock
from mockserver.errors import StartError, UsageError
from mockserver.messages import Request, Response
from mockserver.server.uvicorn import running
from mockserver.settings import Settings
from tests.conftest import app_of
from tests.strategies import ROOT

Form: TypeAlias = Literal["terminal", "markdown", "json", "html", "junit", "sarif", "github"]

HEAVY = ("httpx", "httpx2", "hypothesis", "click", "yaml", "mockserver.engine", "mockserver.apis")
PAGES = ("checking", "clients", "drift")


def mock() -> Mock:
    return Mock(Settings(contract="2.17", seed=1))


def test_a_handler_an_application_and_a_url_are_checked_alike() -> None:
    with running(app_of(mock())) as url:
        reports = [
            check_server(each, contract="2.17", examples=10, operations=["get_summary", "list"])
            for each in (mock().handle, app_of(mock()), url)
        ]
    assert [each.findings for each in reports] == [(), (), ()]
    assert len({each.figures["cases"] for each in reports}) == 1
    assert all("created-is-found" in each.passed for each in reports)


def test_what_is_wrong_is_found_with_its_reproduction_and_can_be_rendered() -> None:
    def broken(request: Request) -> Response:
        return structs.replace(mock().handle(request), status=599)

    report = check_server(broken, contract="2.17", examples=0, operations=["get_summary"], fail_fast=True)
    assert not report.clean
    assert {each.rule for each in report.findings} >= {"no-server-error"}
    assert report.findings[0].reproduction is not None
    assert "no-server-error" in render(report)
    assert json.loads(render(report, "json"))["clean"] is False


@pytest.mark.parametrize("form", ["terminal", "markdown", "json", "html", "junit", "sarif", "github"])
def test_a_key_that_the_server_echoes_is_in_no_report(form: Form) -> None:
    key = "sk-5ecret+of/mine="

    def echoes(request: Request) -> Response:
        sent = request.headers.get(b"authorization", b"")
        body = json.dumps({"detail": sent.decode(), "quoted": quote(sent)}).encode()
        fields = [(b"content-type", b"application/json"), (b"x-echo", sent), (b"content-length", b"%d" % len(body))]
        return Response(599, fields, body)

    report = check_server(echoes, contract="2.17", key=key, examples=0, operations=["get_summary", "list"])
    assert report.findings
    text = render(report, form)
    assert key not in text
    assert quote(key) not in text
    assert json.dumps(key)[1:-1] not in text


def test_without_a_pack_only_the_checks_that_hold_for_every_api_are_made() -> None:
    path = ROOT / "schemas" / "llamacloud-chat" / "2.17.yaml"
    report = check_server(mock().handle, api="none", contract=str(path), examples=30)
    assert report.clean, render(report)
    assert not {"stream-stop", "created-is-found"} & report.rules.keys()
    assert {"body-schema", "key-enforced"} <= report.rules.keys()


def test_a_server_that_is_not_there_or_not_meant_is_an_error() -> None:
    with pytest.raises(StartError, match="cannot be reached"):
        check_server("http://127.0.0.1:9", timeout=1.0)
    with pytest.raises(UsageError, match="is not this machine"):
        check_server("https://api.example.org")
    with pytest.raises(UsageError, match="there is no operation 'nothing'"):
        check_server(mock().handle, operations=["nothing"])


def test_a_drift_is_what_the_command_reports() -> None:
    report = drift("2.8", "2.17")
    assert isinstance(report, Report)
    assert (report.command, report.subject) == ("drift", "2.8 -> 2.17")
    assert report.findings
    assert drift("2.8", "2.8").findings == ()
    assert drift("2.8", "2.17", fail_on="never").clean


def test_a_client_is_one_release_or_one_interpreter() -> None:
    with pytest.raises(UsageError, match="name two clients"):
        check_client("2.19.0", python=Path(sys.executable))
    with pytest.raises(UsageError, match="no official client is known"):
        check_client(api="none")


def test_to_import_it_loads_nothing_heavy() -> None:
    code = f"import sys, mockserver.check; print([each for each in {HEAVY!r} if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("page", PAGES)
def test_the_pages_use_nothing_but_the_public_interface(page: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / f"{page}.md").read_text("utf-8"), re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, page, "exec")
        assert set(re.findall(r"from (mockserver\S*) import", block)) == {"mockserver.check"}


WORDS = re.compile(
    r"(?<![a-z])llama(?!cloud-mockserver)|stainless|(?<![a-z])ses-|idx-|generated_title|first_message|set_title"
    r"|session_id|index_ids|/api/v1/chat|mockserver\.apis"
)
"""What only a pack may say; the distribution's own name is no such word."""


@pytest.mark.parametrize("path", sorted((ROOT / "mockserver" / "check").rglob("*.py")), ids=lambda each: each.stem)
def test_the_check_knows_no_api(path: Path) -> None:
    assert WORDS.findall(path.read_text("utf-8")) == []


@pytest.mark.parametrize(("own", "told"), [("secret", {"key-enforced"}), (None, set())])
def test_a_wrong_key_is_sent_to_a_mock_that_takes_one_and_to_no_other(own: str | None, told: set[str]) -> None:
    mock = app_of(Mock(Settings(contract="2.17", seed=1, api_key=own)))

    async def takes_any(scope: Any, receive: Any, send: Any) -> None:
        fields = [(name, b"Bearer secret" if value == WRONG_KEY else value) for name, value in scope["headers"]]
        await mock({**scope, "headers": fields}, receive, send)

    options: Any = {"contract": "2.17", "key": "secret", "examples": 0, "operations": ["list"]}
    assert {each.rule for each in check_server(takes_any, **options).errors} == told
    assert check_server(mock, **options).findings == ()
