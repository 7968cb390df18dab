"""Functions of a user's own play operations: in a test, and from a file."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mockserver.errors import UsageError
from mockserver.testing import MockServer, StubAnswer, connect, open_mock
from tests.apis.resources.documents import shop

PLAYED = """
from mockserver.testing import play

PRICE = {price}

@play("create_order")
def priced(call, records):
    number = len(records["orders"]) + PRICE
    made = {{"id": number, "status": "open", "created_at": "2026-11-28T12:00:00Z", **call.body}}
    return records["orders"].put(number, made)
"""


@pytest.fixture
def mock(tmp_path: Path) -> Iterator[MockServer]:
    with open_mock(contract=shop(tmp_path)) as opened:
        yield opened


def post(mock: MockServer, path: str = "/orders", body: Any = None) -> Any:
    return mock.http_client(library="httpx").post(path, json={"customer": "ada"} if body is None else body)


def test_a_function_gets_the_call_and_the_records(mock: MockServer) -> None:
    seen: list[Any] = []

    @mock.play("POST /orders/{order_id}/notes")
    def note(call: Any, records: Any) -> Any:
        seen.append((call.path, call.body, list(records)))
        return {"note_id": "b1110f3d-c15d-47f3-a7c2-e64f16ac333c", "text": "from a function"}

    post(mock)
    assert post(mock, "/orders/1/notes", {"text": "x"}).json()["text"] == "from a function"
    assert seen == [({"order_id": 1}, {"text": "x"}, ["orders"])]


def test_a_function_may_refuse(mock: MockServer) -> None:
    mock.play("ship_order")(lambda *_: StubAnswer(status=409, headers={"x-why": "sold out"}))
    answer = post(mock, "/orders/1/ship")
    assert (answer.status_code, answer.headers["x-why"]) == (409, "sold out")


def test_records_are_counted_listed_and_deleted(mock: MockServer) -> None:
    @mock.play("ship_order")
    def ship(call: Any, records: Any) -> Any:
        orders = records["orders"]
        one = orders[call.path["order_id"]]
        assert call.path["order_id"] in orders
        assert orders.get(99) is None
        assert [each["id"] for each in orders] == [1, 2]
        with pytest.raises(KeyError):
            orders[99]
        with pytest.raises(KeyError):
            orders.delete(99)
        orders.delete(2)
        return {**one, "count": len(orders)}

    post(mock)
    post(mock)
    assert post(mock, "/orders/1/ship").json()["count"] == 1
    assert mock.http_client(library="httpx").get("/orders/2").status_code == 404


def test_an_operation_that_there_is_not_is_refused_with_the_one_that_is_meant(mock: MockServer) -> None:
    with pytest.raises(UsageError, match="create_order"):
        mock.play("craete_order")(lambda *_: None)


async def later(*_: Any) -> None:
    """Answer later."""


@pytest.mark.parametrize("function", [later, "text", 5])
def test_what_cannot_answer_at_once_is_refused(mock: MockServer, function: Any) -> None:
    with pytest.raises(UsageError, match="a function that answers at once"):
        mock.play("create_order")(function)


def test_a_mock_elsewhere_cannot_call_a_function(tmp_path: Path) -> None:
    refused = pytest.raises(UsageError, match="cannot call a function")
    with open_mock(contract=shop(tmp_path), live=True) as live, connect(live.base_url) as other, refused:
        other.play("create_order")


def test_a_file_plays_operations_and_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "played.py"
    file.write_text(PLAYED.format(price=100))
    with open_mock(contract=shop(tmp_path), play=file) as mock:
        assert post(mock).json()["id"] == 100
        assert mock.http_client(library="httpx").get("/orders/100").json()["customer"] == "ada"
        file.write_text(PLAYED.format(price=500))
        assert mock.mock is not None
        mock.mock.reload()
        assert post(mock).json()["id"] == 501


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def (", "SyntaxError"),
        ("1 / 0", "played.py:1"),
        ("import nothing_of_the_kind", "ModuleNotFoundError"),
        ("raise SystemExit(3)", "SystemExit"),
        ("from mockserver.testing import play\n@play('craete_order')\ndef f(call, records): ...", "create_order"),
        ("from mockserver.testing import play\n@play('create_order')\nasync def f(call, records): ...", "it is async"),
        (None, "there is no such file"),
    ],
)
def test_a_file_that_fails_says_where(tmp_path: Path, text: str | None, told: str) -> None:
    file = tmp_path / "played.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UsageError) as caught, open_mock(contract=shop(tmp_path), play=file):
        pass
    assert told in str(caught.value)


def test_the_chat_can_be_played_otherwise() -> None:
    with open_mock() as mock:
        mock.play("set_title")(
            lambda call, _: {
                "session_id": call.path["session_id"],
                "generated_title": "Mine",
                "last_updated_at": "2026-04-22T12:34:41.342245",
            }
        )
        client = mock.http_client(library="httpx", headers={"authorization": "Bearer x"})
        answer = client.post("/api/v1/chat/ses-1/title", content=json.dumps({"first_message": "x"}))
        assert answer.status_code in (200, 422)
        answer = client.post("/api/v1/chat/ses-1/title", json={"first_message": "x"})
        assert answer.json()["generated_title"] == "Mine"
