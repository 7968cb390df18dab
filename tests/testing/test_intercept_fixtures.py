"""The marker and the ini option intercept calls for a test, and undo it at its end."""

import pytest

from tests.testing.test_pytest_plugin import outcome

APP = """
def app():
    url = "https://api.cloud.llamaindex.ai" + CHAT + "/ses-1/title"
    return httpx.post(url, json={"first_message": "x"}, headers=KEY)
"""


@pytest.mark.usefixtures("loaded")
def test_a_marker_intercepts_for_one_test(pytester: pytest.Pytester) -> None:
    ran = outcome(
        pytester,
        APP
        + """
import unittest

@pytest.mark.mockserver_intercept
def test_own():
    assert app().status_code == 200

@pytest.mark.mockserver_intercept("https://other.example", allow_network=["api.example"])
def test_other(mockserver):
    with pytest.raises(httpx.ConnectError, match="was refused"):
        app()

@pytest.mark.mockserver_intercept
class TestIt(unittest.TestCase):
    def test_it(self):
        assert app().status_code == 200
        self.mockserver.journal.verify("set_title", times=1)

@pytest.mark.mockserver_intercept
def test_wrong():
    httpx.post("https://api.cloud.llamaindex.ai" + CHAT + "/ses-1/title", json={}, headers=KEY)

@pytest.mark.mockserver_intercept("nowhere")
def test_no_address(): pass

def test_undone(mockserver):
    assert httpx.HTTPTransport.handle_request.__module__ == "httpx._transports.default"
""",
    )
    ran.assert_outcomes(passed=4, failed=1, errors=1)
    ran.stdout.fnmatch_lines(["'nowhere' is no address that can be intercepted", "*the client broke the contract*"])


@pytest.mark.usefixtures("loaded")
def test_a_wrong_address_of_the_ini_option_ends_the_run_once(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nmockserver_intercept = nowhere\n")
    ran = outcome(pytester, "def test_it(mockserver): pass")
    assert ran.ret == pytest.ExitCode.USAGE_ERROR
    ran.stderr.fnmatch_lines(["*'nowhere' is no address that can be intercepted*"])


@pytest.mark.usefixtures("loaded")
def test_an_ini_option_intercepts_for_all_tests_with_a_mock(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nmockserver_intercept =\n    https://api.cloud.llamaindex.ai\n    https://old.example\n")
    ran = outcome(
        pytester,
        APP
        + """
@pytest.mark.parametrize("fixture", ["mockserver", "mockserver_live", "mockserver_module"])
def test_it(request, fixture):
    mock = request.getfixturevalue(fixture)
    assert app().status_code == 200
    mock.journal.verify("set_title", attempts=1)

def test_without():
    pass
""",
    )
    ran.assert_outcomes(passed=4)
