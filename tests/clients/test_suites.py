"""The clients' own tests, which upstream skips for want of a mock server, run against this one."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.conftest import missing
from tests.clients.environments import UnavailableError
from tests.clients.releases import PYTHON_2_7
from tests.clients.suites import NEWEST, SUITES, TITLED, Suite, run, sources_of

every_suite = pytest.mark.parametrize("suite", [*TITLED, NEWEST], ids=str)
titled = pytest.mark.parametrize("suite", TITLED, ids=str)
AGAIN = pytest.mark.thorough("that it is the mock's doing is shown by one release")

STREAM = (
    "test_method_stream",
    "test_method_stream_with_all_params",
    "test_raw_response_stream",
    "test_streaming_response_stream",
)
STRICT = ("TestChat::{}[strict]", "TestAsyncChat::{}[strict]", "TestAsyncChat::{}[aiohttp]")
"""The clients that take nothing for an answer but what they were promised: of a stream, JSON."""


def outcomes(suite: Suite, base_url: str) -> dict[str, str]:
    """Run a suite, and end the test where it cannot be had."""
    try:
        return run(suite, base_url)
    except UnavailableError as error:
        missing(error)


def failed(ended: dict[str, str]) -> set[str]:
    """Name the tests that failed, each with its class."""
    return {name.partition("::")[2] for name, outcome in ended.items() if outcome == "failed"}


@every_suite
def test_every_test_of_a_release_passes_where_a_turn_is_answered_as_json(
    serve: Callable[..., str], suite: Suite
) -> None:
    ended = outcomes(suite, serve(seed=0, stream="json"))
    assert failed(ended) == set()
    assert Counter(ended.values()) == {"passed": suite.tests}


@pytest.mark.parametrize("suite", [pytest.param(TITLED[0], marks=AGAIN), TITLED[1]], ids=str)
def test_where_a_turn_is_streamed_the_strict_stream_tests_fail_and_no_others(
    serve: Callable[..., str], suite: Suite
) -> None:
    ended = outcomes(suite, serve(seed=0))
    assert failed(ended) == {place.format(name) for place in STRICT for name in STREAM}
    assert Counter(ended.values()) == {"passed": 153, "failed": 12}


@pytest.mark.parametrize("suite", [*(pytest.param(each, marks=AGAIN) for each in TITLED), NEWEST], ids=str)
def test_where_no_key_is_right_only_the_tests_that_call_no_server_pass(serve: Callable[..., str], suite: Suite) -> None:
    ended = outcomes(suite, serve(seed=0, stream="json", api_key="another key"))
    assert Counter(ended.values()) == {"passed": suite.offline, "failed": suite.tests - suite.offline}
    assert {name for name, outcome in ended.items() if outcome == "passed"} == {
        name for name in ended if "::test_path_params_" in name
    }


@titled
def test_fetched_tests_are_kept_and_ask_no_index_again(monkeypatch: pytest.MonkeyPatch, suite: Suite) -> None:
    try:
        sources_of(suite.release, SUITES)
    except UnavailableError as error:
        missing(error)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert all((sources_of(suite.release, SUITES) / name).is_file() for name in suite.files)


def test_tests_that_cannot_be_fetched_are_named_and_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(UnavailableError, match=r"^llama-cloud 2\.7\.0 cannot be had: .+"):
        sources_of(PYTHON_2_7, tmp_path)
    assert [each.suffix for each in tmp_path.iterdir()] == [".lock"]
