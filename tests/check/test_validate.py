"""`mockserver validate` lists every problem of a document with its line."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from mockserver.cli import main
from mockserver.errors import ContractError

BROKEN = """\
openapi: 3.1.0
info: {title: T, version: "1"}
paths:
  /a:
    get:
      operationId: same
      security: [{nobody: []}]
      responses:
        "200":
          description: d
          content:
            application/json:
              schema: {type: string, minLength: 3, maxLength: 2}
  /b:
    get:
      operationId: same
      responses:
        "200":
          description: d
          content:
            application/json:
              schema: {$ref: "#/components/schemas/Non"}
  /c:
    post:
      operationId: c
      parameters: [{name: q, in: query, schema: {type: string, pattern: "("}}]
      requestBody: {content: {application/json: {schema: {not: {}}}}}
      responses:
        "200":
          description: d
          content:
            application/json:
              schema: {$ref: "other.yaml#/S"}
              examples: {bad: {value: 7}}
components:
  schemas:
    Unused: {type: integer, lenght: 3, default: text}
"""
OTHER = "S:\n  type: string\n  maxLength: -1\n"

SOUND = """\
openapi: 3.1.0
info: {title: T, version: "1"}
paths: {/a: {get: {responses: {"200": {description: d, content: {application/json: {schema: {type: string}}}}}}}}
"""


def write(folder: Path, text: str) -> None:
    """Write a document, and the other file that it may refer to."""
    (folder / "api.yaml").write_text(text)
    (folder / "other.yaml").write_text(OTHER)


def _validate(folder: Path, text: str, *more: str) -> Result:
    write(folder, text)
    return CliRunner().invoke(main, ["validate", str(folder / "api.yaml"), *more])


def test_every_problem_has_its_line_its_column_and_what_it_is(tmp_path: Path) -> None:
    """Errors and warnings of operations, of schemas that none uses, and of other files, in the order of the files."""
    result = _validate(tmp_path, BROKEN)
    lines = [line.replace(f"{tmp_path}/", "") for line in result.output.splitlines() if not line.startswith("  ")]
    assert lines == [
        "api.yaml:7:7: warning: the security scheme 'nobody' is not defined",
        "api.yaml:13:15: error: no value can be made",
        "api.yaml:15:5: warning: the operationId 'same' stands twice",
        "api.yaml:22:24: error: the reference '#/components/schemas/Non' names nothing",
        "api.yaml:26:64: warning: the pattern '(' is not judged",
        "api.yaml:27:50: warning: no value can be made",
        "api.yaml:34:26: warning: the example 'bad' breaks its own schema, and is not used",
        "api.yaml:37:29: warning: the schema keyword 'lenght' is not known, and is ignored",
        "api.yaml:37:40: warning: the default breaks its own schema, and is not used",
        "other.yaml:3:3: warning: the keyword 'maxLength' is ignored",
        "api.yaml: 2 errors, 8 warnings in 3 operations",
    ]
    assert "  why: no value satisfies it" in result.output
    assert "  fix: correct it, or add what it names" in result.output
    assert result.exit_code == 1


def test_a_sound_document_has_none(tmp_path: Path) -> None:
    """It ends with 0, and counts."""
    result = _validate(tmp_path, SOUND)
    assert (result.exit_code, result.output) == (0, f"{tmp_path}/api.yaml: 0 errors, 0 warnings in 1 operation\n")


def test_warnings_alone_fail_nothing(tmp_path: Path) -> None:
    """What is only ignored is told, and ends with 0."""
    result = _validate(tmp_path, SOUND.replace("type: string", "type: string, colour: red"))
    assert result.exit_code == 0
    assert "0 errors, 1 warning in 1 operation" in result.output


@pytest.mark.parametrize(("text", "code"), [("a: 1\na: 2\n", 3), ("just text", 3), ("openapi: 4.0.0", 3)])
def test_what_is_no_document_ends_with_3(tmp_path: Path, text: str, code: int) -> None:
    """Nothing of it can be read."""
    result = _validate(tmp_path, text)
    assert isinstance(result.exception, ContractError)
    assert result.exception.exit_code == code


def test_a_file_that_there_is_not_is_a_usage_error() -> None:
    """With 2, as other wrong arguments."""
    result = CliRunner().invoke(main, ["validate", "nowhere.yaml"])
    assert getattr(result.exception, "exit_code", None) == 2


def test_programs_read_json_and_sarif(tmp_path: Path) -> None:
    """With the same places."""
    found = json.loads(_validate(tmp_path, BROKEN, "--format", "json").output)
    assert found["operations"] == 3
    assert [(each["line"], each["column"], each["level"]) for each in found["problems"]][1] == (13, 15, "error")
    assert len(found["problems"]) == 10
    result = _validate(tmp_path, BROKEN, "--report", "sarif")
    run = json.loads(result.output)["runs"][0]
    assert result.exit_code == 1
    regions = [each["locations"][0]["physicalLocation"]["region"]["startLine"] for each in run["results"][:9]]
    assert regions == [7, 13, 15, 22, 26, 27, 34, 37, 37]
