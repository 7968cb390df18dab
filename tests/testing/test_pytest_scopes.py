"""Whose requests a test is judged by: reruns, other fixtures, and mocks that tests share."""

import pytest

from mockserver.control.app import make_app
from mockserver.server.uvicorn import running
from mockserver.settings import Settings
from tests.testing.test_pytest_plugin import outcome

pytestmark = pytest.mark.usefixtures("loaded")


def test_a_rerun_is_judged_by_its_own_mock(pytester: pytest.Pytester) -> None:
    ran = outcome(
        pytester,
        """
runs = []

@pytest.mark.flaky(reruns=2)
def test_second_run_is_right(mockserver):
    runs.append(1)
    if len(runs) == 1:
        mockserver.stub.create("set_title", status=429)  # never used: this run fails

@pytest.mark.flaky(reruns=1)
def test_each_run_is_wrong(mockserver):
    title(mockserver, message=None)
""",
    )
    ran.assert_outcomes(passed=1, failed=1)
    ran.stdout.fnmatch_lines(["*2 rerun*"])


def test_what_another_fixture_sends_in_its_teardown_is_judged(pytester: pytest.Pytester) -> None:
    ran = outcome(
        pytester,
        """
@pytest.fixture
def app(mockserver):
    yield
    title(mockserver, message=None)

@pytest.fixture
def permitted(mockserver):
    yield
    title(mockserver, message=None)
    mockserver.allow_invalid()

def test_wrong_at_the_end(app): pass

def test_permitted(permitted): pass

def test_wrong_throughout(app, mockserver):
    title(mockserver, "ses-9", message=None)

def test_failed_itself(mockserver):
    title(mockserver, "ses-8", message=None)
    assert False
""",
    )
    ran.assert_outcomes(passed=2, failed=2, errors=2)
    told = ran.stdout.str()
    assert told.count("the client broke the contract: #1 POST /api/v1/chat/ses-1/title -> 422") == 1
    assert told.count("the client broke the contract: #2 POST /api/v1/chat/ses-1/title -> 422") == 1
    assert told.count("the client broke the contract: #1 POST /api/v1/chat/ses-9/title") == 1, "it is judged once"
    assert "the client broke the contract: #1 POST /api/v1/chat/ses-8" not in told, "the test's own failure is enough"
    assert "pytest_fixtures.py" not in told


@pytest.mark.parametrize("fixture", ["mockserver_module", "mockserver_session"])
def test_a_shared_mock_judges_each_test_by_its_own_exchanges(pytester: pytest.Pytester, fixture: str) -> None:
    ran = outcome(
        pytester,
        f"""
@pytest.fixture
def mock({fixture}):
    return {fixture}

def test_right(mock):
    assert title(mock).status_code == 200

def test_wrong(mock):
    title(mock, "ses-2", message=None)

def test_unused(mock):
    mock.stub.create("set_title", session_id="ses-3", status=429)

def test_right_again(mock):
    assert "ses-1" in mock.sessions
    assert [each.path for each in mock.journal][:1] == [CHAT + "/ses-1/title"]
    mock.stub.clear()

def test_permitted(mock):
    mock.allow_invalid()
    title(mock, "ses-4", message=None)

def test_not_permitted(mock):
    title(mock, "ses-5", message=None)

def test_cleared(mock):
    mock.reset()
    title(mock, "ses-6", message=None)

def test_right_at_last(mock):
    assert title(mock).status_code == 200
""",
    )
    ran.assert_outcomes(passed=4, failed=4)
    told = ran.stdout.str()
    for number, session in ((2, "ses-2"), (4, "ses-5"), (1, "ses-6")):
        assert told.count(f"the client broke the contract: #{number} POST /api/v1/chat/{session}/title") == 1
    assert told.count("was never used") == 1
    assert "\n#1 POST /api/v1/chat/ses-1/title" not in told, "a report shows the exchanges of its own test"


def test_a_mock_of_a_module_ends_with_it_and_one_of_the_session_does_not(pytester: pytest.Pytester) -> None:
    text = """
def test_it(mockserver_module, mockserver_session):
    assert (len(mockserver_module.journal), len(mockserver_session.journal)) == (0, {sent})
    for mock in (mockserver_module, mockserver_session):
        mock.http_client().post("/api/v1/chat", headers={{"authorization": "Bearer k"}})
"""
    pytester.makepyfile(test_a=text.format(sent=0), test_b=text.format(sent=1))
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)


def test_stubs_of_a_shared_fixture_are_judged_at_the_end_of_the_scope(pytester: pytest.Pytester) -> None:
    ran = outcome(
        pytester,
        """
@pytest.fixture(scope="module")
def stubbed(mockserver_module):
    mockserver_module.stub.create("set_title", session_id="ses-1", status=429)
    mockserver_module.stub.create("set_title", session_id="ses-2", status=503)
    return mockserver_module

def test_first(stubbed): pass

def test_second(stubbed):
    assert title(stubbed).status_code == 429
""",
    )
    ran.assert_outcomes(passed=2, errors=1)
    ran.stdout.fnmatch_lines(["*ERROR at teardown of test_second*", "*was never used*503*"])
    assert '"ses-1"} was never used' not in ran.stdout.str()


def test_teardown_of_a_test_is_judged_on_a_shared_mock_too(pytester: pytest.Pytester) -> None:
    ran = outcome(
        pytester,
        """
@pytest.fixture
def app(mockserver_session):
    yield
    title(mockserver_session, message=None)

def test_first(app): pass

def test_second(mockserver_session): pass
""",
    )
    ran.assert_outcomes(passed=2, errors=1)
    ran.stdout.fnmatch_lines(["*ERROR at teardown of test_first*", "*the client broke the contract*"])


def test_a_shared_mock_has_settings_and_a_socket_of_its_own(pytester: pytest.Pytester) -> None:
    ran = outcome(
        pytester,
        """
import os

pytestmark = pytest.mark.mockserver(title_length=2)

@pytest.fixture(scope="session")
def mockserver_session_settings():
    return {"live": True, "title_length": "3"}

def test_it(mockserver_session, mockserver_module):
    assert mockserver_session.base_url == os.environ["MOCKSERVER_URL"]
    assert title(mockserver_session, message="abcdef").json()["generated_title"] == "abc..."
    assert title(mockserver_module, message="abcdef").json()["generated_title"] == "ab..."
    assert mockserver_module.in_process

@pytest.mark.mockserver(live=True)
def test_of_one_test(mockserver): pass
""",
    )
    ran.assert_outcomes(passed=1, errors=1)
    ran.stdout.fnmatch_lines(["*the setting 'live' is for mocks that tests share*", "*mockserver_live*"])


def test_a_shared_mock_is_a_scope_of_a_server_that_runs(pytester: pytest.Pytester) -> None:
    with running(make_app(Settings(seed=9))) as url:
        ran = outcome(
            pytester,
            """
@pytest.mark.parametrize("number", [0, 1])
def test_it(mockserver_module, mockserver, number):
    assert len(mockserver_module.journal) == number
    assert len(mockserver.journal) == 0
    assert title(mockserver_module).status_code == 200

def test_wrong(mockserver_module):
    title(mockserver_module, message=None)

def test_right(mockserver_module): pass
""",
            f"--mockserver-url={url}",
        )
    ran.assert_outcomes(passed=3, failed=1)
