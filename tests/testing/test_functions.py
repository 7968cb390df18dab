"""A stub may be a function of the call: what it returns is checked, and what goes wrong fails the test."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from mockserver.apis.llamacloud_chat.testing import ChatMockServer, connect, open_mock
from mockserver.control.app import make_app
from mockserver.errors import StubError
from mockserver.messages import Json
from mockserver.server.uvicorn import running
from mockserver.stub.rules import spec_json
from mockserver.testing import Call, StubAnswer, VerificationError
from tests.conftest import settings
from tests.talk import KEY
from tests.testing.test_pytest_plugin import outcome

SESSION: Json = {"session_id": "ses-1", "last_updated_at": "2026-04-22T12:34:41Z", "generated_title": "From a function"}


def title(mock: ChatMockServer, session: str = "ses-1", message: str = "Q3") -> httpx.Response:
    path = f"/api/v1/chat/{session}/title"
    return mock.http_client().post(path, json={"first_message": message}, headers={"authorization": KEY})


@pytest.mark.parametrize("live", [False, True])
def test_a_function_gets_the_decoded_call_and_returns_a_body(live: bool) -> None:
    calls: list[Call] = []

    def answer(call: Call) -> Json:
        calls.append(call)
        return {**SESSION, "session_id": call.path["session_id"], "generated_title": call.body["first_message"]}

    with open_mock(live=live) as mock:
        stub = mock.stub.create("set_title", answer=answer)
        answers = [title(mock, "ses-7", "Q3").json(), title(mock).json()]
        assert (answers[0]["session_id"], answers[0]["generated_title"]) == ("ses-7", "Q3")
        assert answers[1]["generated_title"] == "Q3...", "it answers once by default"
        assert (len(calls), calls[0].operation.id, calls[0].request.method) == (1, "set_title", "POST")
        assert [each.source for each in mock.journal] == ["stubbed", "simulated"]
        assert stub.spec["answers"] == [{"answer": answer}]
        assert mock.http_client().get("/__mock__/stubs").json()["stubs"][0]["answers"] == [{"answer": "answer"}]
        mock.check()


@pytest.mark.parametrize(
    ("returned", "status", "expected"),
    [
        (StubAnswer(status=429, retry_after_ms=20), 429, {}),
        (StubAnswer(body=SESSION, headers={"x-own": "1"}), 200, SESSION),
        (StubAnswer(partial={"generated_title": "Part"}), 200, {"generated_title": "Part"}),
        (StubAnswer(), 200, {"generated_title": "Q3..."}),
        (StubAnswer(status=418, body="x", invalid=True), 418, None),
        (StubAnswer(body={**SESSION, "own": 1}, extra=True), 200, {"own": 1}),
    ],
)
def test_a_function_may_return_any_stubbed_answer(returned: StubAnswer, status: int, expected: Json) -> None:
    with open_mock() as mock:
        mock.stub.create("set_title", answer=lambda _: returned, times="always")
        answer = title(mock)
        assert answer.status_code == status
        if expected is not None:
            assert answer.json().items() >= expected.items()
        for name, value in returned.get("headers", {}).items():
            assert answer.headers[name] == value
        mock.check()


def test_faults_and_delays_of_a_function_are_done() -> None:
    with open_mock() as mock:
        mock.stub.create("set_title", answer=lambda _: StubAnswer(faults="reset"))
        with pytest.raises(httpx.ReadError):
            title(mock)
        mock.stub.create("set_title", answer=lambda _: SESSION, faults="close")
        with pytest.raises(httpx.RemoteProtocolError):
            title(mock)


def _raises(_: Call) -> Json:
    raise ValueError("no such session")


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda _: {"session_id": 5}, "the stub breaks the contract"),
        (lambda _: {**SESSION, "titel": 5}, "does not know: /titel"),
        (lambda _: None, "the stub breaks the contract"),
        (lambda _: StubAnswer(status=418), "has no answer 418"),
        (lambda _: StubAnswer(statsu=429), "did you mean 'status'?"),
        (lambda _: {1, 2}, "a body is a value of JSON"),
        (_raises, "the function _raises raised ValueError: no such session"),
    ],
)
def test_what_a_function_must_not_return_is_a_500_and_fails_the_test(
    function: Callable[[Call], Any], told: str
) -> None:
    with open_mock() as mock:
        mock.stub.create("set_title", answer=function)
        answer = title(mock)
        assert (answer.status_code, answer.headers["x-mock-fault"]) == (500, "stub")
        with pytest.raises(VerificationError, match="a stub could not answer: #1 POST") as failed:
            mock.check()
        assert told in str(failed.value)


async def _async(_: Call) -> Json:
    return None


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"answer": 5}, "answer is a function"),
        ({"answer": _async}, "it is async"),
        ({"answer": _raises, "status": 429}, "the stub also says status"),
        ({"answer": _raises, "body": {}}, "the stub also says body"),
    ],
)
def test_what_is_no_function_is_refused(options: dict[str, Any], told: str) -> None:
    with open_mock() as mock, pytest.raises(StubError, match=told):
        mock.stub.create("set_title", **options)


def test_a_function_cannot_be_sent_to_another_process() -> None:
    with (
        running(make_app(settings(seed=0))) as url,
        connect(url, "a") as mock,
        pytest.raises(StubError, match=r"a function cannot be sent to another process(?s:.)*_raises"),
    ):
        mock.stub.create("set_title", answer=_raises)
    with pytest.raises(StubError, match="a function cannot be sent to another process"):
        spec_json({"operation": "set_title", "when": {}, "answers": [{"answer": _raises}]})  # as shared stores write it


def test_an_exchange_has_the_request_as_it_came() -> None:
    with open_mock() as mock:
        title(mock)
        request = mock.journal[0].request
        assert (request.method, request.path) == ("POST", "/api/v1/chat/ses-1/title")
        assert (request.headers[b"content-type"], request.body) == (b"application/json", b'{"first_message":"Q3"}')
        assert request.headers[b"authorization"] != KEY.encode(), "secrets stay hidden"


WRONG = [
    ('mock.stub.create("set_titel")', "did you mean 'set_title'?"),
    ('mock.stub.create("set_title", frist_message="x")', "did you mean 'first_message'?"),
    ('mock.stub.create("set_title", statsu=429)', "did you mean 'status'?"),
    ('mock.stub.create("set_title", partial={"generated_titel": "x"})', "did you mean 'generated_title'?"),
    ('mock.stub.create("set_title").then(boddy={})', "did you mean 'body'?"),
    ('mock.stub.create("set_title", first_message={"$regex": "("})', "no regular expression"),
    ('mock.journal.verify("set_titel")', "did you mean 'set_title'?"),
    ('mock.journal.verify("set_title", times="often")', "does not say how often"),
]


@pytest.mark.usefixtures("loaded")
def test_a_wrong_stub_is_one_error_at_the_tests_own_line(pytester: pytest.Pytester) -> None:
    tests = [f"def test_{number}(mock):\n    {line}\n" for number, (line, _) in enumerate(WRONG)]
    ran = outcome(
        pytester,
        "@pytest.fixture\ndef mock(mockserver):\n    mockserver.allow_unused()\n    return mockserver\n"
        + "\n".join(tests),
    )
    ran.assert_outcomes(failed=len(WRONG))
    for line, told in WRONG:
        ran.stdout.fnmatch_lines([f">*{line.replace('[', '[[]')}", f"E*{told}*", "test_suite.py:*Error"])
    text = ran.stdout.str()
    assert "mockserver/" not in text.replace("llamacloud-mockserver", ""), "no line of ours is shown"
    assert "During handling" not in text
    assert "direct cause" not in text
