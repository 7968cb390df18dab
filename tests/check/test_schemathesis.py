"""Published documents are served, and Schemathesis asks: nothing but refusals that a document forgot to declare."""

import sys
from pathlib import Path

import pytest

from mockserver.check.target import at_url
from tests.grid import KEY
from tests.needs import PATIENCE, running
from tests.real_documents import DIRECTORY, OAS_EXAMPLES, installed
from tests.schemathesis_runs import judge

REFUSALS = {400, 401, 404, 405, 415, 422}
"""What the mock may answer to a wrong request, though its document does not declare it."""

UNDECLARED = "UndefinedStatusCode"
"""Schemathesis's word for that."""

STATELESS = "use_after_free,ensure_resource_availability"
"""The checks of state, which a mock of a document has only where it is asked for."""

DOCUMENTS: dict[tuple[str, str], set[str]] = {
    (OAS_EXAMPLES, "3.0/json/link-example.json"): {UNDECLARED},
    (OAS_EXAMPLES, "3.0/json/petstore-expanded.json"): set(),
    (OAS_EXAMPLES, "3.0/json/request-examples.json"): {UNDECLARED},
    (OAS_EXAMPLES, "3.0/json/response-schemas.json"): {UNDECLARED},
    (OAS_EXAMPLES, "3.0/json/star-trek.json"): {UNDECLARED},
    (OAS_EXAMPLES, "3.0/json/uspto.json"): {UNDECLARED},
    (OAS_EXAMPLES, "3.1/json/train-travel.json"): {"JsonSchemaError"},
    (DIRECTORY, "api/azure.com/advisor.json"): {UNDECLARED},
    (DIRECTORY, "api/greenpeace.org.json"): {UNDECLARED},
    (DIRECTORY, "api/miataru.com.json"): set(),
}
"""What is found in each: but for undeclared refusals, only an example that shows a field which is for writing alone."""


@pytest.mark.thorough("ten documents take minutes")
@pytest.mark.parametrize(("package", "name"), DOCUMENTS)
def test_schemathesis_finds_nothing_in_a_published_document(package: str, name: str, tmp_path: Path) -> None:
    path = str(installed(package) / name)
    command = [sys.executable, "-m", "mockserver", "serve", "--contract", path, "--port", "0", "--api-key", KEY]
    with running(command, tmp_path / "serve.log") as server:
        url = server.said("mockserver is ready at ").partition("ready at ")[2].partition(": ")[0]
        with at_url(url, PATIENCE):
            verdict = judge(
                url, KEY, tmp_path, "--exclude-checks", STATELESS, "--continue-on-failure", "-n", "10", contract=path
            )
    assert "Traceback" not in (tmp_path / "serve.log").read_text("utf-8")
    assert verdict.cases > 20, verdict.text
    assert verdict.kinds <= DOCUMENTS[package, name], verdict.text
    assert verdict.undeclared <= REFUSALS, verdict.text
    assert bool(verdict.undeclared) == (UNDECLARED in verdict.kinds), "its words for a status are others now"
