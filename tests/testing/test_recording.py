"""Tests record the real service once, and replay it from then on."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from mockserver.errors import UsageError
from mockserver.proxy.recording import FILE, read_recordings
from mockserver.testing import MockServer, VerificationError, connect, open_mock
from tests.proxy.services import contract_file, json_answer, raw_service, sends

REX = {"id": 1, "name": "Rex"}
GONE = "http://127.0.0.1:1"
"""A service that is not there."""


@contextmanager
def service_of(folder: Path, url: str = GONE, mode: Any = None) -> Iterator[MockServer]:
    """Record a service, or replay it."""
    with (
        open_mock(contract=str(contract_file(folder))) as mock,
        mock.record(url, folder / "rec", mode) as service,
    ):
        yield service


def ask(folder: Path, *paths: str, url: str = GONE, mode: Any = None) -> list[httpx.Response]:
    """Ask the stand-in for some paths, and return its answers."""
    with service_of(folder, url, mode) as service:
        return [httpx.get(service.base_url + path) for path in paths]


def record(folder: Path, *paths: str, answer: bytes = json_answer([REX]), mode: Any = None) -> list[httpx.Response]:
    """Record a service that answers so."""
    with raw_service(sends(answer)) as real:
        return ask(folder, *paths, url=real.url, mode=mode)


def test_the_first_run_asks_the_service_and_later_ones_do_not(tmp_path: Path) -> None:
    assert record(tmp_path, "/pets")[0].json() == [REX]
    assert [each.exchange.path for each in read_recordings(tmp_path / "rec")] == ["/pets"]
    assert json.loads((tmp_path / "rec" / "listPets" / "200.json").read_text()) == [REX]
    with service_of(tmp_path) as service:
        assert service.http_client().get("/pets").json() == [REX]
        service.journal.verify("listPets", times=1)


def test_a_block_that_fails_leaves_no_recording(tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="limit"):
        record(tmp_path, "/pets?limit=many")

    def fail() -> None:
        with raw_service(sends(json_answer([REX]))) as real, service_of(tmp_path, real.url) as service:
            httpx.get(service.base_url + "/pets")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [each.name for each in tmp_path.iterdir()] == ["pets.json"]


def test_what_was_not_recorded_fails_the_block(tmp_path: Path) -> None:
    record(tmp_path, "/pets")
    with pytest.raises(VerificationError, match=r"GET /pets\?limit=1 was not recorded; the nearest is #1"):
        ask(tmp_path, "/pets", "/pets?limit=1")


def test_what_nobody_asked_for_fails_the_block_unless_that_is_allowed(tmp_path: Path) -> None:
    record(tmp_path, "/pets")
    with pytest.raises(VerificationError, match="never asked for: #1 GET /pets -> 200"):
        ask(tmp_path)
    with service_of(tmp_path) as service:
        service.allow_unused()


def test_what_cannot_be_recorded_fails_the_block(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: br\r\n\r\nxx"
    with pytest.raises(VerificationError, match="was not recorded: its bodies cannot be read whole"):
        record(tmp_path, "/pets", answer=answer)


def test_everything_can_be_recorded_anew_and_fixtures_of_ones_own_stay(tmp_path: Path) -> None:
    record(tmp_path, "/pets")
    own = tmp_path / "rec" / "listPets" / "200.own.json"
    own.write_text("[]")
    assert record(tmp_path, "/pets", answer=json_answer([]), mode="all")[0].json() == []
    assert [each.exchange.answer for each in read_recordings(tmp_path / "rec")] == [b"[]"]
    assert json.loads((own.parent / "200.json").read_text()) == []
    assert own.exists()


@pytest.mark.parametrize(("mode", "message"), [("none", "none is to be made"), ("twice", "no way 'twice' to record")])
def test_what_cannot_be_recorded_so_is_refused(tmp_path: Path, mode: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ask(tmp_path, mode=mode)


def test_a_mock_that_runs_elsewhere_records_nothing(tmp_path: Path) -> None:
    with (
        open_mock(contract=str(contract_file(tmp_path)), live=True) as live,
        connect(live.base_url) as mock,
        pytest.raises(UsageError, match="cannot record"),
        mock.record(GONE, tmp_path / "rec"),
    ):
        pass


SUITE = """
import httpx
import pytest

@pytest.fixture
def mockserver_settings():
    return {{"contract": "pets.json"}}

def test_pets(mockserver):
    with mockserver.record("{url}", "recordings/pets") as service:
        assert httpx.get(service.base_url + "/pets").json() == [{{"id": 1, "name": "Rex"}}]
"""


@pytest.mark.usefixtures("loaded")
def test_a_suite_records_once_and_then_needs_no_service(pytester: pytest.Pytester) -> None:
    contract_file(pytester.path)
    options = ("-p", "no:cacheprovider", "-p", "no:xdist")
    with raw_service(sends(json_answer([REX]))) as real:
        pytester.makepyfile(test_pets=SUITE.format(url=real.url))
        pytester.runpytest_inprocess(*options, "--mockserver-record=none").assert_outcomes(failed=1)
        pytester.runpytest_inprocess(*options).assert_outcomes(passed=1)
    assert (pytester.path / "recordings" / "pets" / FILE).exists()
    pytester.runpytest_inprocess(*options, "--mockserver-record=none").assert_outcomes(passed=1)
    pytester.runpytest_inprocess(*options, "--mockserver-record=all").assert_outcomes(failed=1)
    assert (pytester.path / "recordings" / "pets" / FILE).exists()
