"""A strict contract must be served as it is written; else an operation's first call logs what it cannot do."""

import logging
from pathlib import Path

import pytest

from mockserver.engine import Mock
from mockserver.errors import ContractError
from mockserver.messages import Json
from mockserver.settings import Settings
from tests.check.test_validate import BROKEN, SOUND, write
from tests.talk import ask, value


def test_a_strict_contract_does_not_start(tmp_path: Path) -> None:
    """The error is the list; a sound document starts."""
    path = tmp_path / "api.yaml"
    write(tmp_path, BROKEN)
    with pytest.raises(ContractError) as told:
        Mock(Settings(contract=str(path), strict_contract=True))
    assert f"{path}:13:15: error: no value can be made" in str(told.value)
    assert "2 errors, 8 warnings" in str(told.value)
    assert told.value.exit_code == 3
    write(tmp_path, SOUND)
    Mock(Settings(contract=str(path), strict_contract=True))


def test_the_first_call_logs_what_an_operation_cannot_do(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Once, for its own part of the document."""
    write(tmp_path, BROKEN)
    mock = Mock(Settings(contract=str(tmp_path / "api.yaml"), auth=False))
    with caplog.at_level(logging.WARNING, "mockserver"):
        assert ask(mock.handle, "GET", "/b").status == 501
        assert ask(mock.handle, "POST", "/c").status == 200
        first = [each.getMessage() for each in caplog.records]
        ask(mock.handle, "GET", "/b")
        ask(mock.handle, "POST", "/c")
    assert [each.getMessage() for each in caplog.records] == first
    assert first[0].startswith("GET /b is answered with 501: the reference '#/components/schemas/Non'")
    assert first[1].startswith("c: the example 'bad' breaks its own schema, and is not used")
    assert len(first) == 2


@pytest.mark.parametrize("key", ["Bearer any-key", None])
def test_an_operation_whose_requests_cannot_be_judged_answers_501_that_says_why(
    tmp_path: Path, key: str | None
) -> None:
    """Whatever is sent; the others are served."""
    body = 'requestBody: {content: {application/json: {schema: {$ref: "#/components/schemas/Gone"}}}}'
    write(tmp_path, SOUND.replace("{get:", f"{{post: {{{body}, responses: {{'200': {{description: d}}}}}}, get:"))
    mock = Mock(Settings(contract=str(tmp_path / "api.yaml"), seed=0))
    bodies: tuple[Json | bytes, ...] = (None, {}, b"{")
    for sent in bodies:
        answer = ask(mock.handle, "POST", "/a", sent, authorization=key)
        assert (answer.status, answer.source, answer.findings[0].fault) == (501, "mock", "contract")
        assert "names nothing" in str(value(answer))
    assert ask(mock.handle, "GET", "/a").status == 200
