"""The sample project passes, and with one defect at a time in its client it fails and names the defect."""

import shutil
from pathlib import Path

import pytest

from tests.strategies import ROOT

SAMPLE = ROOT / "examples" / "testing"

DEFECTS = {
    "a field is misspelt": (
        '"first_message": message',
        '"first_mesage": message',
        "/body/first_message: Field required",
    ),
    "no key is sent": ('"authorization": f"Bearer {self.key}", ', "", "Not authenticated"),
    "the path is wrong": ("/title", "/titles", "No operation has the path /api/v1/chat/ses-1/titles"),
    "the method is wrong": ('"DELETE"', '"PATCH"', "PATCH is not served here; DELETE, GET, HEAD, OPTIONS are"),
    "a list is sent as a text": (
        '{"index_ids": list(index_ids)}',
        '{"index_ids": ",".join(index_ids)}',
        "/body/index_ids: Input should be a valid list",
    ),
    "a long prompt is not cut": ("prompt[:LONGEST_PROMPT]", "prompt", "String should have at most 1000 characters"),
    "a number is no number": ('{"page_size": str(size)}', '{"page_size": "two"}', "/query/page_size: Input should be"),
    "a rate limit is not retried": ("RETRIED = (408, 429, 500", "RETRIED = (408, 500", "429 Too Many Requests"),
    "everything is retried": (
        "if response.status_code not in RETRIED or",
        "if response.is_success or",
        "expected once to be attempted: set_title; there were calls of 3 attempts",
    ),
    "it never gives up so soon": ("ATTEMPTS = 3", "ATTEMPTS = 5", "there were calls of 5 attempts"),
    "the pause that is asked for is not made": (
        'float(response.headers.get("retry-after", 0.1))',
        "0.1",
        r"assert [0.1] == [7.0]",
    ),
    "broken connections are not made again": ("except httpx.TransportError", "except ZeroDivisionError", "ReadError"),
    "only the first page is read": (
        'if not told.get("next_page_token")',
        "if True",
        "expected 3 times: list; it happened once",
    ),
    "an answer that was cut off is taken for whole": (
        'if not events or events[-1]["type"] != "stop":',
        "if not events:",
        "DID NOT RAISE",
    ),
    "the wrong session is told": (
        'f"{CHAT}/{session_id}/title", json',
        'f"{CHAT}/session/title", json',
        '/path/session_id: expected "ses-1", received "session"',
    ),
}
"""Defect -> what is put in the place of what, and what the failure says of it."""


OPTIONS = ("-q", *(f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "faker")))
"""Nothing from outside."""


@pytest.fixture(autouse=True)
def sample(pytester: pytest.Pytester) -> Path:
    """Give a copy of the sample, in which its tests are run."""
    ignored = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(SAMPLE, pytester.path, ignore=ignored, dirs_exist_ok=True)


def test_the_sample_has_ten_tests_which_pass(pytester: pytest.Pytester, sample: Path) -> None:
    assert (sample / "test_titles.py").read_text("utf-8").count("\ndef test_") == 10
    pytester.runpytest_subprocess(*OPTIONS).assert_outcomes(passed=11)


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_of_the_client_is_named(pytester: pytest.Pytester, sample: Path, defect: str) -> None:
    right, wrong, told = DEFECTS[defect]
    path = sample / "titles.py"
    text = path.read_text("utf-8")
    assert text.count(right) == 1
    path.write_text(text.replace(right, wrong), "utf-8")
    done = pytester.runpytest_inprocess(*OPTIONS, "-pno:xdist")
    outcomes = done.parseoutcomes()
    assert outcomes["failed"] > 0
    assert "errors" not in outcomes
    assert told in done.stdout.str()
