"""The route that checks refuses what it cannot read, and says when the check ends before it is done."""

import json
from typing import Any

import pytest

from mockserver.control import checks
from mockserver.control.client import LocalAdmin
from mockserver.engine import Mock
from mockserver.errors import UsageError
from mockserver.messages import Json
from mockserver.server.asgi import Receive, Scope, Send
from tests.conftest import app_of, settings
from tests.oracle import call


def lines(given: Json) -> list[Any]:
    reply = LocalAdmin(Mock(settings(seed=1)), "default").call("POST", "/__mock__/check", given)
    assert reply.content is not None
    return [json.loads(line) for line in reply.content]


@pytest.mark.parametrize(
    "given",
    [
        None,
        {},
        [],
        5,
        {"url": 5},
        {"url": "--help"},
        {"url": "file:///etc/passwd"},
        {"url": "http://127.0.0.1:1", "examples": -1},
        {"url": "http://127.0.0.1:1", "examples": True},
        {"url": "http://127.0.0.1:1", "examples": 100_001},
        {"url": "http://127.0.0.1:1", "read_only": 1},
        {"url": "http://127.0.0.1:1", "more": 1},
    ],
)
def test_what_cannot_be_checked_is_refused_before_anything_runs(given: Json) -> None:
    with pytest.raises(UsageError):
        lines(given)


def test_a_server_that_is_not_there_is_told_as_an_error() -> None:
    (line,) = lines({"url": "http://127.0.0.1:9"})
    assert "cannot be reached" in line["error"]["detail"]
    assert line["error"]["fix"]


def test_a_check_that_dies_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "PROGRAM", "tests.page.endless:die")
    assert lines({"url": "http://127.0.0.1:9"})[-1]["error"]["detail"] == "the check ended before it was done"


@pytest.mark.parametrize(
    ("scheme", "server", "address"),
    [
        ("http", ("127.0.0.1", 4010), "http://127.0.0.1:4010"),
        ("https", ("127.0.0.1", 4010), "https://127.0.0.1:4010"),
        ("http", ("::1", 4010), "http://[::1]:4010"),
    ],
)
def test_without_an_address_the_mock_is_checked_where_it_was_asked(
    monkeypatch: pytest.MonkeyPatch, scheme: str, server: tuple[str, int], address: str
) -> None:
    monkeypatch.setattr(checks, "PROGRAM", "tests.page.endless:echo")
    app = app_of(Mock(settings(seed=1, contract="2.6", api_key="only this one")))

    async def reached(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "scheme": scheme, "server": server}, receive, send)

    options = call(reached, "POST", "/__mock__/check", headers=[("host", "localhost")], body=b'{"seed": 7}').value[
        "report"
    ]
    assert (options["url"], options["contract"], options["key"]) == (address, "2.6", "only this one")
    assert (options["seed"], options["allow_remote"]) == (7, True)


def test_another_server_is_not_given_the_key_of_the_mock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "PROGRAM", "tests.page.endless:echo")
    mock = Mock(settings(seed=1, api_key="only this one"))
    request = {"url": "http://127.0.0.1:9"}
    reply = LocalAdmin(mock, "default").call("POST", "/__mock__/check", request)
    (line,) = reply.content or ()
    options = json.loads(line)["report"]
    assert (options["key"], options["allow_remote"]) == (None, False)
