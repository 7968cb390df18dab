"""The fixtures as a test author uses them: in suites that pytest runs."""

import subprocess
import sys
from pathlib import Path

import pytest

from mockserver.control.app import make_app
from mockserver.server.uvicorn import running
from mockserver.settings import Settings

HEAD = """
import httpx
import pytest

CHAT = "/api/v1/chat"
KEY = {"authorization": "Bearer k"}

def title(mock, session_id="ses-1", message="x", **more):
    body = {} if message is None else {"first_message": message}
    return mock.http_client().post(f"{CHAT}/{session_id}/title", json=body, headers=KEY, **more)
"""


pytestmark = pytest.mark.usefixtures("loaded")


def outcome(pytester: pytest.Pytester, text: str, *arguments: str) -> pytest.RunResult:
    """Run a suite of one file."""
    pytester.makepyfile(test_suite=HEAD + text)
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "-p", "no:xdist", *arguments)


MANY_TESTS = """
@pytest.mark.parametrize("number", range(5))
def test_it(mockserver, number): pass
"""


def refused_once(ran: pytest.RunResult, *told: str) -> None:
    """Expect that a run ended before its first test, and said why."""
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    assert "test_it" not in ran.stdout.str()
    ran.stderr.fnmatch_lines([f"*{line}*" for line in told])


def test_a_test_begins_with_nothing_whatever_ran_before(pytester: pytest.Pytester) -> None:
    ran = outcome(
        pytester,
        """
@pytest.mark.parametrize("number", range(20))
@pytest.mark.parametrize("fixture", ["mockserver", "mockserver_live"])
def test_clean(request, fixture, number):
    mock = request.getfixturevalue(fixture)
    assert (len(mock.journal), len(mock.sessions), len(mock.stub)) == (0, 0, 0)
    assert title(mock).status_code == 200
    mock.stub.create("delete")
    mock.allow_unused()
    assert (len(mock.journal), len(mock.sessions), len(mock.stub)) == (1, 1, 1)
""",
    )
    ran.assert_outcomes(passed=40)


def test_the_two_fixtures_are_one_mock(pytester: pytest.Pytester) -> None:
    ran = outcome(
        pytester,
        """
def test_one(mockserver, mockserver_live):
    assert mockserver is mockserver_live
    title(mockserver)
    mockserver_live.journal.verify("set_title", times=1)
    assert mockserver.base_url.startswith("http://127.0.0.1:")

def test_in_process(mockserver):
    assert mockserver.base_url == "http://mockserver.test"
    assert mockserver.in_process
""",
    )
    ran.assert_outcomes(passed=2)


@pytest.mark.parametrize("fixture", ["mockserver", "mockserver_live"])
def test_what_the_client_did_wrong_fails_the_test_and_is_no_error_beside_it(
    pytester: pytest.Pytester, fixture: str
) -> None:
    ran = outcome(
        pytester,
        f"""
def test_invalid({fixture}):
    title({fixture}, message=None)

def test_unused({fixture}):
    {fixture}.stub.create("set_title", session_id="ses-2", status=429)
    title({fixture})

def test_allowed({fixture}):
    {fixture}.allow_invalid()
    {fixture}.allow_unused()
    {fixture}.stub.create("set_title", session_id="ses-2", status=429)
    title({fixture}, message=None)

@pytest.mark.xfail(strict=True)
def test_expected({fixture}):
    title({fixture}, message=None)
""",
    )
    ran.assert_outcomes(passed=1, failed=2, xfailed=1)
    ran.stdout.fnmatch_lines(
        [
            "*the client broke the contract: #1 POST /api/v1/chat/ses-1/title -> 422*",
            "*client: /body/first_message: Field required*",
            "*stub 1 for set_title with path*ses-2* was never used: *429*",
            "*/path/session_id: expected *ses-2*, received *ses-1*",
        ]
    )


def test_a_failed_test_tells_its_seed_and_its_exchanges(pytester: pytest.Pytester) -> None:
    ran = outcome(
        pytester,
        """
@pytest.mark.mockserver(seed=77)
def test_wrong(mockserver):
    title(mockserver, message=5)
    assert False

def test_other(mockserver):
    assert False
""",
        "--mockserver-seed=78",
    )
    ran.assert_outcomes(failed=2)
    ran.stdout.fnmatch_lines(
        [
            "*- mockserver -*",
            "seed 77, http://mockserver.test",
            "#1 POST /api/v1/chat/ses-1/title -> 422 (set_title, 2.6, mock)",
            "  client: /body/first_message: Input should be a valid string*",
            "*- mockserver -*",
            "seed 78, http://mockserver.test",
        ]
    )
    assert "the client broke the contract" not in ran.stdout.str()  # the test's own failure comes first


def test_settings_come_from_ini_fixture_and_marker_the_nearest_wins(pytester: pytest.Pytester) -> None:
    pytester.makeini(
        """
[pytest]
mockserver_settings =
    title_length = 3
    seed = 5
    unknown-sessions = 404
    auth = false
"""
    )
    ran = outcome(
        pytester,
        """
class TestSuite:
    @pytest.fixture
    def mockserver_settings(self):
        return {"title_length": 2}

    def test_fixture(self, mockserver):
        assert mockserver.seed == 5
        mockserver.sessions.add("ses-1")
        assert title(mockserver, message="abcdef").json()["generated_title"] == "ab..."

    @pytest.mark.mockserver(title_length=1, seed=6)
    def test_marker(self, mockserver):
        assert mockserver.seed == 6
        mockserver.sessions.add("ses-1")
        assert title(mockserver, message="abcdef").json()["generated_title"] == "a..."

@pytest.mark.mockserver(title_length=4)
class TestClass:
    @pytest.mark.mockserver(seed=8)
    def test_both(self, mockserver):
        assert mockserver.seed == 8
        mockserver.sessions.add("ses-1")
        assert title(mockserver, message="abcdef").json()["generated_title"] == "abcd..."

def test_ini(mockserver):
    assert title(mockserver).status_code == 404
    assert mockserver.http_client().post(CHAT).status_code == 201
""",
    )
    ran.assert_outcomes(passed=4)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("sed = 5", "no setting 'sed'"),
        ("seed = x", "cannot be 'x'"),
        ("auth = perhaps", "cannot be 'perhaps'"),
        ("answers = guessed", "cannot be 'guessed'"),
        ("title_length = 0", "cannot be '0'"),
        ("contract = missing.yaml", "no contract 'missing.yaml'"),
        ("store = redis://127.0.0.1:9", "Redis cannot be used"),
    ],
)
def test_a_wrong_setting_of_the_run_ends_it_once(pytester: pytest.Pytester, line: str, told: str) -> None:
    pytester.makeini(f"[pytest]\nmockserver_settings =\n    {line}\n")
    refused_once(outcome(pytester, MANY_TESTS), told, "where: mockserver_settings in *tox.ini*")


def test_a_marker_with_a_wrong_setting_is_told(pytester: pytest.Pytester) -> None:
    ran = outcome(
        pytester,
        """
@pytest.mark.mockserver(sed=1)
def test_wrong(mockserver): pass

@pytest.mark.mockserver(1)
def test_by_place(mockserver): pass
""",
    )
    ran.assert_outcomes(errors=2)
    ran.stdout.fnmatch_lines(["*no setting 'sed'*", "*takes settings by name*"])


OWN = """
{"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {"/notes": {"get": {
    "operationId": "list_notes", "responses": {"200": {"description": "", "content": {"application/json": {
        "schema": {"type": "array"}, "example": ["one"]}}}}}}}}
"""


@pytest.mark.parametrize("said", ['api="none", contract="own.json"', 'contract="own.json"'])
def test_a_marker_names_the_api_pack_or_none(pytester: pytest.Pytester, said: str) -> None:
    pytester.makefile(".json", own=OWN)
    ran = outcome(
        pytester,
        f"""
@pytest.mark.mockserver({said})
@pytest.mark.parametrize("fixture", ["mockserver", "mockserver_live"])
def test_own(request, fixture, monkeypatch):
    mock = request.getfixturevalue(fixture)
    assert mock.http_client().get("/notes").json() == ["one"]
    assert not hasattr(mock, "sessions")
    assert "LLAMA_CLOUD_BASE_URL" not in mock.environ()

@pytest.mark.mockserver(api="llamacloud-chat")
def test_chat(mockserver):
    assert len(mockserver.sessions) == 0

@pytest.mark.mockserver({said}, title_length=5)
def test_setting_of_another(mockserver): pass

@pytest.mark.mockserver(api="unknown")
def test_unknown(mockserver): pass
""",
    )
    ran.assert_outcomes(passed=3, errors=2)
    ran.stdout.fnmatch_lines(["*no setting 'title_length' with*API pack*", "*add api=llamacloud-chat*"])
    ran.stdout.fnmatch_lines(["*there is no API pack 'unknown'*"])


def test_the_ini_option_names_the_api_pack_too(pytester: pytest.Pytester) -> None:
    pytester.makefile(".json", own=OWN)
    pytester.makeini("[pytest]\nmockserver_settings =\n    api = none\n    contract = own.json\n")
    ran = outcome(
        pytester,
        """
def test_own(mockserver):
    assert mockserver.http_client().get("/notes").json() == ["one"]
    mockserver.stub.create("list_notes", body=["two"])
    assert mockserver.http_client().get("/notes").json() == ["two"]
""",
    )
    ran.assert_outcomes(passed=1)
    pytester.makeini("[pytest]\nmockserver_settings =\n    api = none\n    title_length = 5\n")
    refused_once(
        outcome(pytester, MANY_TESTS), "no setting 'title_length' without an API pack", "*add api=llamacloud-chat"
    )


def test_code_that_builds_its_own_client_is_reached_by_the_environment(pytester: pytest.Pytester) -> None:
    ran = outcome(
        pytester,
        """
import os

def code():
    return httpx.post(os.environ["LLAMA_CLOUD_BASE_URL"] + CHAT,
        headers={"authorization": "Bearer " + os.environ["LLAMA_CLOUD_API_KEY"]})

def test_own(mockserver_live, monkeypatch):
    assert code().status_code == 201
    mockserver_live.journal.verify("create", times=1)

def test_gone():
    assert "LLAMA_CLOUD_BASE_URL" not in os.environ
""",
    )
    ran.assert_outcomes(passed=2)


def test_async_tests_run_by_anyio(pytester: pytest.Pytester) -> None:
    ran = outcome(
        pytester,
        """
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("fixture", ["mockserver", "mockserver_live"])
async def test_it(request, fixture, anyio_backend):
    mock = request.getfixturevalue(fixture)
    async with mock.async_http_client(headers=KEY) as client:
        assert (await client.post(CHAT)).status_code == 201
    mock.journal.verify("create", times=1)
""",
    )
    ran.assert_outcomes(passed=2)


def test_a_unittest_finds_the_mock_as_an_attribute(pytester: pytest.Pytester) -> None:
    ran = outcome(
        pytester,
        """
import unittest

@pytest.mark.usefixtures("mockserver_live")
class TestIt(unittest.TestCase):
    def test_right(self):
        self.assertEqual(title(self.mockserver).status_code, 200)
        self.mockserver.journal.verify("set_title", times=1)

    def test_wrong(self):
        title(self.mockserver, message=None)
""",
    )
    ran.assert_outcomes(passed=1, failed=1)


def test_what_a_test_left_behind_reaches_no_other(pytester: pytest.Pytester) -> None:
    ran = outcome(
        pytester,
        """
left = []

def test_first(mockserver_live):
    left.append(mockserver_live.base_url)

def test_second(mockserver_live):
    answer = httpx.post(left[0] + CHAT, headers=KEY)
    assert (answer.status_code, "is over" in answer.text) == (404, True)
    assert len(mockserver_live.journal) == 0
""",
    )
    ran.assert_outcomes(passed=2)


def test_a_redirect_stays_in_the_world_of_its_test(pytester: pytest.Pytester) -> None:
    ran = outcome(
        pytester,
        """
@pytest.mark.parametrize("fixture", ["mockserver", "mockserver_live"])
def test_it(request, fixture):
    mock = request.getfixturevalue(fixture)
    answer = mock.http_client(follow_redirects=True).post(CHAT + "/", headers=KEY)
    assert [each.status_code for each in (*answer.history, answer)] == [307, 201]
""",
    )
    ran.assert_outcomes(passed=2)


# -- one server for all ----------------------------------------------------------------------------------------------


def test_a_running_server_is_used_a_scope_for_each_test(pytester: pytest.Pytester) -> None:
    with running(make_app(Settings(seed=9))) as url:
        ran = outcome(
            pytester,
            """
@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize("fixture", ["mockserver", "mockserver_live"])
def test_clean(request, fixture, number):
    mock = request.getfixturevalue(fixture)
    assert (len(mock.journal), len(mock.sessions), len(mock.stub), mock.seed) == (0, 0, 0, 0)
    assert "/scope/test-" in mock.base_url
    assert title(mock).status_code == 200
    mock.journal.verify("set_title", times=1)

def test_wrong(mockserver):
    title(mockserver, message=None)

@pytest.mark.mockserver(title_length=3)
def test_settings(mockserver): pass
""",
            f"--mockserver-url={url}",
        )
    ran.assert_outcomes(passed=20, failed=1, errors=1)
    ran.stdout.fnmatch_lines(["*title_length*cannot be given to a server that runs already*"])


def test_a_server_that_does_not_run_is_told(pytester: pytest.Pytester) -> None:
    ran = outcome(pytester, MANY_TESTS, "--mockserver-url=http://127.0.0.1:9")
    refused_once(ran, "cannot be reached", "*mockserver serve*")


def test_a_wrong_seed_ends_the_run_once(pytester: pytest.Pytester) -> None:
    refused_once(
        outcome(pytester, MANY_TESTS, "--mockserver-seed=x"), "--mockserver-seed x is no seed", "*whole number*"
    )


# -- many tests, many processes --------------------------------------------------------------------------------------

MANY = """
@pytest.mark.parametrize("number", range({half}))
@pytest.mark.parametrize("fixture", ["mockserver", "mockserver_live"])
def test_nothing_of_another_is_seen(request, fixture, number):
    mock = request.getfixturevalue(fixture)
    assert (len(mock.journal), len(mock.sessions), len(mock.stub)) == (0, 0, 0)
    mock.stub.create("set_title", status=429)
    with mock.http_client(headers=KEY) as client:
        for status in (429, 200):
            path = CHAT + "/ses-" + str(number) + "/title"
            assert client.post(path, json={"first_message": "x"}).status_code == status
    assert [each["session_id"] for each in mock.sessions] == ["ses-" + str(number)]
"""

SHUFFLED = """
import random

def pytest_collection_modifyitems(items):
    random.Random(20261124).shuffle(items)
"""


def run_many(folder: Path, count: int, processes: int, *arguments: str) -> str:
    """Run a suite of so many tests, shuffled, in so many processes."""
    (folder / "test_many.py").write_text(HEAD + MANY.replace("{half}", str(count // 2)), "utf-8")
    (folder / "conftest.py").write_text(SHUFFLED, "utf-8")
    others = [f"-pno:{name}" for name in ("cacheprovider", "hypothesispytest", "faker", "anyio", "pytester")]
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(processes), *others, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    return done.stdout + done.stderr


many_on_many = pytest.mark.parametrize(
    ("count", "processes"),
    [(80, 2), pytest.param(1_000, 8, marks=pytest.mark.thorough("it takes a quarter of a minute"))],
)


@many_on_many
def test_tests_in_any_order_on_many_processes_share_nothing(tmp_path: Path, count: int, processes: int) -> None:
    assert f"{count} passed" in run_many(tmp_path, count, processes)


@many_on_many
def test_many_tests_on_one_server_share_nothing_either(tmp_path: Path, count: int, processes: int) -> None:
    with running(make_app(Settings(seed=9))) as url:
        assert f"{count} passed" in run_many(tmp_path, count, processes, f"--mockserver-url={url}")


# -- weight ----------------------------------------------------------------------------------------------------------


def test_the_plugin_loads_nothing_but_pytest_until_a_fixture_is_asked_for() -> None:
    code = (
        "import sys, pytest; import mockserver.pytest_plugin; "
        "print(*(name for name in sys.modules if name.startswith('mockserver')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == {"mockserver", "mockserver.pytest_plugin"}


def test_an_unused_plugin_leaves_no_trace_of_the_mock(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import sys

def test_it():
    idle = {"mockserver.engine", "mockserver.testing.server", "uvicorn", "httpx", "httpx2", "starlette"}
    assert not idle & set(sys.modules)
"""
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:anyio").assert_outcomes(passed=1)
