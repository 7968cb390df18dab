"""Settings of the fixtures and of `open_mock` are checked and converted as on the command line."""

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from mockserver.apis.llamacloud_chat.testing import open_mock
from mockserver.errors import UsageError
from mockserver.testing.server import settings_of
from tests.testing.test_pytest_plugin import outcome

pytestmark = pytest.mark.usefixtures("loaded")


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("fixtures", "canned", Path("canned")),
        ("clock", "2026-04-22T12:00:00", datetime(2026, 4, 22, 12)),
        ("max_body", "5", 5),
        ("keep_alive", "1.5", 1.5),
        ("keep_alive", 2, 2.0),
        ("auth", "false", False),
        ("auth", "NO", False),
        ("strict", 1, True),
        ("api_key", 123, "123"),
        ("store", Path("memory:"), "memory:"),
        ("state", None, None),
        ("seed", None, None),
    ],
)
def test_a_setting_is_converted_to_its_type(name: str, given: Any, expected: Any) -> None:
    found = getattr(settings_of({name: given}), name)
    assert (found, type(found)) == (expected, type(expected))


def test_a_setting_of_the_pack_is_converted_too() -> None:
    own = settings_of({"unknown_sessions": 404, "title_length": "5", "stream_delay": "0.5"}).own
    assert (own.unknown_sessions, own.title_length, own.stream_delay) == ("404", 5, 0.5)


@pytest.mark.parametrize(
    ("name", "given", "why"),
    [
        ("fixtures", 5, "it is a path, not a number"),
        ("clock", "yesterday", "Invalid isoformat"),
        ("clock", 5, "it is a time, not a number"),
        ("clock", "0001-01-01T00:00:00+14:00", "out of range"),
        ("max_body", "many", "invalid literal"),
        ("max_body", True, "it is a whole number, not true or false"),
        ("max_body", 1.5, "it is a whole number, not a number"),
        ("max_body", None, "it is a whole number, not nothing"),
        ("max_scopes", 0, "it is at least 1"),
        ("port", 65536, "it is a number from 0 to 65535"),
        ("keep_alive", "inf", "it is a finite number"),
        ("keep_alive", [1], "it is a number, not a list"),
        ("auth", "perhaps", "it is true or false"),
        ("contract", 2.6, "it is a text, not a number"),
        ("answers", "guessed", "it is one of simulated"),
        ("unknown_sessions", 403, "it is one of adopt"),
        ("title_length", "0", "it is at least 1"),
        ("stream_jitter", 1.5, "it is a number from 0 to 1"),
    ],
)
def test_an_invalid_setting_is_refused_with_its_name_and_why(name: str, given: Any, why: str) -> None:
    with pytest.raises(UsageError, match=f"the setting {name} cannot be .*(?s:.)*{why}(?s:.)*fix: write "):
        settings_of({"api": "llamacloud-chat", name: given})


def test_a_misspelt_setting_names_the_nearest_one() -> None:
    with (
        pytest.raises(UsageError, match=r"no setting 'title_lenght'(?s:.)*did you mean 'title_length'"),
        open_mock(title_lenght=5),
    ):
        pass


def test_a_marker_and_a_fixture_take_what_the_command_line_takes(pytester: pytest.Pytester) -> None:
    ran = outcome(
        pytester,
        """
class TestSuite:
    @pytest.fixture
    def mockserver_settings(self):
        return {"clock": "2026-04-22T12:00:00", "title_length": "3"}

    @pytest.mark.mockserver(unknown_sessions=404)
    def test_it(self, mockserver):
        assert title(mockserver).status_code == 404
        made = mockserver.http_client().post(CHAT, headers=KEY).json()
        assert made["last_updated_at"].startswith("2026-04-22T12:00:00")
        answer = title(mockserver, made["session_id"], "abcdef")
        assert answer.json()["generated_title"] == "abc..."
""",
    )
    ran.assert_outcomes(passed=1)


def test_a_wrong_setting_says_where_it_stands_without_a_traceback(pytester: pytest.Pytester) -> None:
    ran = outcome(
        pytester,
        """
@pytest.mark.mockserver(title_length="long")
def test_marker(mockserver): pass

class TestSuite:
    @pytest.fixture
    def mockserver_settings(self):
        return {"fixtures": 5}

    def test_fixture(self, mockserver): pass
""",
    )
    ran.assert_outcomes(errors=2)
    ran.stdout.fnmatch_lines(
        [
            "the setting title_length cannot be 'long'",
            "  where: the marker mockserver of test_suite.py::test_marker",
            "  fix: write a whole number",
            "the setting fixtures cannot be 5",
            "  where: the fixture mockserver_settings",
        ]
    )
    assert "pytest_fixtures.py" not in ran.stdout.str()
