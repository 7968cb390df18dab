"""`mockserver drift` reads what is named, tells it in every format, and ends as --fail-on says."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from mockserver.apis.llamacloud_chat.pack import API
from mockserver.check.changes.command import FailOn, command, read_source, report_of
from mockserver.check.changes.rules import RULES
from mockserver.check.report.formats import FORMATS
from mockserver.check.report.locate import NO_FILES
from mockserver.cli import main
from mockserver.errors import ContractError, MockserverError, UsageError
from mockserver.messages import Json
from tests.check.test_package import written
from tests.drifts import edited, sided
from tests.strategies import ROOT
from tests.wheels import release

DOCUMENT = (ROOT / "docs" / "drift.md").read_text("utf-8")


def run(*arguments: str) -> Result:
    """Run the command; what stops it is raised."""
    result = CliRunner().invoke(command, arguments)
    if isinstance(result.exception, MockserverError):
        raise result.exception
    return result


def kept(path: Path, document: Json) -> str:
    text = json.dumps(document) if path.suffix == ".json" else yaml.safe_dump(document)
    path.write_text(text, "utf-8")
    return str(path)


def texts(most: int) -> Json:
    return sided({"type": "string", "maxLength": most}, "request")


# -- ends and reports ------------------------------------------------------------------------------------------------


def test_it_says_that_the_title_was_withdrawn_and_fails() -> None:
    result = run("2.6", "2.8")
    assert result.exit_code == 1
    assert "breaking: POST /api/v1/chat/{session_id}/title was withdrawn; calls that were right fail" in result.output
    assert "version major, breaking 1, risky 0, harmless 6" in result.output


@pytest.mark.parametrize(
    ("a", "b", "fail_on", "code"),
    [
        ("2.6", "2.8", "breaking", 1),
        ("2.6", "2.8", "risky", 1),
        ("2.6", "2.8", "never", 0),
        ("2.8", "2.17", "breaking", 0),
        ("2.8", "2.17", "risky", 0),
        ("2.8", "2.8", "risky", 0),
    ],
)
def test_it_ends_as_it_was_told(a: str, b: str, fail_on: str, code: int) -> None:
    assert run(a, b, "--fail-on", fail_on).exit_code == code


@pytest.mark.parametrize(("fail_on", "code"), [("breaking", 0), ("risky", 1), ("never", 0)])
def test_a_risky_change_fails_where_that_is_asked(tmp_path: Path, fail_on: str, code: int) -> None:
    a = kept(tmp_path / "a.json", sided({"type": "string", "default": "a"}, "request"))
    b = kept(tmp_path / "b.json", sided({"type": "string", "default": "b"}, "request"))
    result = run(a, b, "--fail-on", fail_on, "--report", "json")
    assert result.exit_code == code
    (problem,) = json.loads(result.output)["problems"]
    assert problem["level"] == ("error" if code else "warning")


def found(a: str, b: str, fail_on: FailOn = "breaking") -> Any:
    return report_of(read_source(a, API).description, read_source(b, API).description, fail_on)


def test_a_report_has_verdict_counts_rules_places_and_what_is_unchanged() -> None:
    report = found("2.6", "2.8")
    assert report.figures == {"version": "major", "breaking": 1, "risky": 0, "harmless": 6}
    assert report.rules.keys() == RULES.keys()
    (first, *others) = report.findings
    assert (first.rule, first.operation, first.level) == ("operation-withdrawn", "set_title", "error")
    assert first.contract == "2.6#/paths/~1api~1v1~1chat~1{session_id}~1title/post"
    assert {each.level for each in others} == {"note"}
    assert {each.contract.partition("#")[0] for each in others} == {"2.8"}
    assert report.passed == ()
    assert found("2.8", "2.17").passed == ("delete unchanged",)


def test_where_a_place_is_another_in_a_that_is_told_too(tmp_path: Path) -> None:
    a = sided({"$ref": "#/components/schemas/It"}, "request", {"It": {"type": "string", "maxLength": 9}})
    b = sided({"$ref": "#/components/schemas/Es"}, "request", {"Es": {"type": "string", "maxLength": 8}})
    (problem,) = found(kept(tmp_path / "a.yaml", a), kept(tmp_path / "b.yaml", b)).findings
    assert problem.contract == f"{tmp_path}/b.yaml#/components/schemas/Es/maxLength"
    assert problem.message.endswith(f"(was {tmp_path}/a.yaml#/components/schemas/It/maxLength)")
    assert (problem.expected, problem.received) == (9, 8)
    assert problem.where == "/request/body"


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_tells_it(name: str) -> None:
    output = run("2.6", "2.8", "--report", name).output
    assert "operation-withdrawn" in output
    assert "set_title" in output


def test_an_annotation_stands_at_the_line_of_a_users_own_file(tmp_path: Path) -> None:
    a, b = (kept(tmp_path / f"{most}.yaml", texts(most)) for most in (9, 8))
    output = run(a, b, "--report", "github").output
    lines = Path(b).read_text("utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "maxLength" in text)
    assert output.startswith(f"::error file={b},line={line},title=limit-tightened make::/request/body: breaking: ")


def test_the_command_is_one_of_the_programs() -> None:
    result = CliRunner().invoke(main, ["drift", "2.8", "2.8"])
    assert result.exit_code == 0
    assert "version none" in result.output


# -- what is named ---------------------------------------------------------------------------------------------------


def test_a_client_may_be_a_folder_or_a_release_in_the_cache(tmp_path: Path) -> None:
    site = written(tmp_path / "site")
    by_place = run(f"client:{site}", f"client:{site}")
    assert (by_place.exit_code, "unchanged: chat.send, chat.drop" in by_place.output) == (0, True)
    name = f"llama-cloud-1.2.3-py{sys.version_info.major}.{sys.version_info.minor}"
    written(tmp_path / name / "lib" / "python3.11" / "site-packages")
    by_release = run(f"client:{site}", "client:1.2.3", "--cache", str(tmp_path))
    assert by_release.exit_code == 0
    assert f"drift: client:{site} -> client:1.2.3" in by_release.output


def test_of_two_clients_it_is_the_clients_fault(tmp_path: Path) -> None:
    client = f"client:{written(tmp_path)}"
    contract = kept(tmp_path / "none.json", {"openapi": "3.1.0", "paths": {}})
    assert {each.fault for each in found(contract, client).findings} == {"client"}
    assert {each.fault for each in found(client, contract).findings} == {"contract"}


def test_a_place_of_a_client_that_is_called_like_a_release_is_a_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path / "1.2.3")
    monkeypatch.chdir(tmp_path)
    assert run("client:1.2.3", "client:1.2.3", "--cache", str(tmp_path / "none")).exit_code == 0
    with pytest.raises(UsageError, match="there is no package llama_cloud in nowhere"):
        run("client:nowhere", "2.8")


@pytest.mark.parametrize("name", ["2.9", "nowhere.yaml", "client"])
def test_what_is_nothing_says_what_can_be_named(name: str) -> None:
    with pytest.raises(UsageError, match="nothing that can be compared") as caught:
        run(name, "2.8")
    assert "2.17, 2.8, 2.6" in str(caught.value)


@pytest.mark.parametrize(
    ("document", "what", "where"),
    [
        ([], "the document is not OpenAPI", ""),
        ({"openapi": "4.0.3", "paths": {}}, "the document is not OpenAPI", "#/openapi"),
        ({"openapi": "3.1.0"}, "the document has no paths", "#/paths"),
        ({"openapi": "3.1.0", "paths": {"/a": {"get": 1}}}, "the document is not valid OpenAPI 3.1", ""),
        (
            edited(texts(3), ("/paths/~1things/post/parameters", [{"name": "x"}])),
            "'in' is missing, or is not a text",
            "#/paths/~1things/post/parameters/0",
        ),
        (
            edited(texts(3), ("/paths/~1things/post/parameters", [7])),
            "an object is missing",
            "#/paths/~1things/post/parameters/0",
        ),
        (
            edited(texts(3), ("/paths/~1things/post/security", [{}, {"Gone": []}])),
            "the security scheme 'Gone' is not declared",
            "#/paths/~1things/post/security/1/Gone",
        ),
        (
            edited(texts(3), ("/security", [{"Gone": []}]), ("/components/securitySchemes", {"Key": {}})),
            "the security scheme 'Gone' is not declared",
            "#/security/0/Gone",
        ),
        (
            sided({"$ref": "other.yaml#/It"}, "response"),
            "the reference 'other.yaml#/It' cannot be followed",
            "#/paths/~1things/post/responses/200/content/application~1json/schema",
        ),
    ],
)
def test_a_document_that_is_not_understood_is_an_error_with_its_file_and_place(
    tmp_path: Path, document: Json, what: str, where: str
) -> None:
    path = tmp_path / "own.json"
    kept(path, document)
    with pytest.raises(ContractError) as caught:
        run("2.8", str(path))
    assert caught.value.what == what
    assert caught.value.where == f"{path}{where}"


def test_a_document_that_is_nested_too_deeply_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    schema = '{"items": ' * 700 + "{}" + "}" * 700
    path.write_text(json.dumps(sided({"$comment": "x"}, "request")).replace('{"$comment": "x"}', schema), "utf-8")
    with pytest.raises(ContractError, match="nested deeper than 200 levels"):
        run(str(path), "2.8")


def test_a_document_that_cannot_be_served_can_be_compared(tmp_path: Path) -> None:
    base = edited(
        texts(3),
        ("/paths/~1things/post/requestBody/content", {"multipart/form-data": {"schema": {"type": "object"}}}),
        ("/paths/~1things/post/security", [{"Basic": []}]),
        ("/components/securitySchemes", {"Basic": {"type": "http", "scheme": "basic"}}),
    )
    path = kept(tmp_path / "a.yaml", base)
    assert run(path, path).exit_code == 0


# -- the page --------------------------------------------------------------------------------------------------------


def test_the_table_of_rules_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (\w+) \| (\w+) \| (.+) \|$", DOCUMENT, re.MULTILINE)
    assert rows == [(name, rule.request, rule.response, rule.sentence) for name, rule in RULES.items()]


def test_every_option_stands_on_the_page() -> None:
    for option in command.params:
        if option.param_type_name == "option":
            assert f"`{option.opts[0]}`" in DOCUMENT


EXAMPLES = re.findall(r"```console\n\$ mockserver drift (\S+) (\S+)\n(.+?)```", DOCUMENT, re.DOTALL)


@pytest.mark.parametrize(("a", "b", "shown"), EXAMPLES, ids=[f"{a}-{b}" for a, b, _ in EXAMPLES])
def test_the_examples_on_the_page_are_what_the_command_says(a: str, b: str, shown: str) -> None:
    first, second = (
        release(name.removeprefix("client:")) if name.startswith("client:") else read_source(name, API).description
        for name in (a, b)
    )
    said = FORMATS["terminal"](report_of(first, second, "breaking"), NO_FILES)
    begin, cut, end = shown.partition("\n...\n")
    assert said.startswith(begin)
    assert said.endswith(end if cut else begin)


def test_the_page_has_examples_of_contracts_and_of_clients() -> None:
    assert [(a, b) for a, b, _ in EXAMPLES] == [
        ("2.6", "2.8"),
        ("client:2.9.0", "client:2.9.1"),
        ("client:2.7.0", "2.17"),
    ]
