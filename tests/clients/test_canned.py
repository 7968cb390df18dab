"""The bundled canned answers, as the clients read them."""

import json
from pathlib import Path

import pytest

from tests.clients.cases import STYLES
from tests.clients.conftest import Drive
from tests.clients.environments import ROOT
from tests.clients.judgement import faults_of_answer, node, same, validator
from tests.clients.releases import PYTHONS, Release
from tests.talk import MESSAGE

ARGUMENTS = {
    "create": {},
    "list": {},
    "retrieve": {"session_id": "ses-abc123"},
    "get_summary": {"session_id": "ses-abc123"},
    "set_title": {"session_id": "ses-abc123", "first_message": MESSAGE},
}
CANNED = sorted(
    path for method in ARGUMENTS for path in (ROOT / "fixtures" / "llamacloud-chat" / method).glob("20*.json")
)


def allowed(era: str, path: Path) -> bool:
    """Say whether an era has the operation of a canned answer, and allows the answer."""
    schema = {"list": "SessionList", "retrieve": "SessionDetail"}.get(path.parent.name, "ChatSessionSummary")
    has_title = node(era, "paths", "/api/v1/chat/{session_id}/title") is not None
    judge = validator(era, "components", "schemas", schema)
    return (path.parent.name != "set_title" or has_title) and bool(judge.is_valid(json.loads(path.read_text("utf-8"))))


SHOWN = [(release, path) for release in PYTHONS for path in CANNED if allowed(release.era, path)]


@pytest.mark.parametrize(("release", "path"), SHOWN, ids=lambda each: getattr(each, "stem", str(each)))
def test_a_canned_answer_is_parsed_as_it_stands_in_its_file(
    drive: Drive, base_url: str, release: Release, path: Path
) -> None:
    status, _, name = path.stem.partition(".")
    method = path.parent.name
    for way, strict, asynchronous in STYLES:
        arguments = ARGUMENTS[method] | {"extra_headers": {"Prefer": f"example={name}"}}
        outcome = drive(release).call(base_url, method, arguments, way=way, strict=strict, asynchronous=asynchronous)
        assert outcome.error is None
        assert (outcome.exchange.status, outcome.exchange.headers["x-mock-source"]) == (int(status), "canned")
        assert faults_of_answer(release.era, outcome.exchange) == []
        assert same(outcome.parsed, json.loads(path.read_text("utf-8")))


@pytest.mark.parametrize("release", PYTHONS, ids=str)
def test_every_operation_of_a_release_has_canned_answers(release: Release) -> None:
    shown = {path.parent.name for each, path in SHOWN if each == release}
    assert shown == ARGUMENTS.keys() - (set() if release.era == "2.6" else {"set_title"})
