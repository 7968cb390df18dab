"""What the mock says about itself, and what can be set while it serves."""

import json
import socket
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.engine import Mock
from mockserver.errors import StoreError
from mockserver.messages import Json
from mockserver.server.uvicorn import running
from mockserver.settings import Settings
from mockserver.store.base import Store
from mockserver.store.memory import MemoryStore
from mockserver.store.snapshot import dump_state, load_state
from tests.conftest import app_of, settings
from tests.oracle import Answer, call
from tests.strategies import (
    BODIES,
    contract_of,
    every_operation,
    judge,
    operations,
    own_document,
    target,
    write_document,
)
from tests.talk import KEY, MESSAGE, TITLE, ask, events

CHAT = "/api/v1/chat"
JSON = ("content-type", "application/json")
SEVEN = ["create", "delete", "get_summary", "list", "retrieve", "set_title", "stream"]


def test_health_tells_what_is_served(base_url: str) -> None:
    response = httpx.get(base_url + "/__mock__/health")
    told = response.json()
    assert response.status_code == 200
    assert told.pop("records") >= 0
    assert told == {
        "status": "ok",
        "api": "llamacloud-chat",
        "contracts": list(VERSIONS),
        "operations": SEVEN,
        "answers": "simulated",
        "state": "auto",
        "keys": "any",
        "seed": 0,
        "store": "memory://",
    }


def test_health_counts_the_records_and_needs_no_key(serve: Callable[..., str]) -> None:
    url = serve(contract="2.6", seed=8, api_key="secret", answers="simulated")
    headers = {"authorization": "Bearer secret"}
    for session_id in ("a", "b", "a"):
        path = TITLE.replace("ses-abc123", session_id)
        assert httpx.post(url + path, json={"first_message": "x"}, headers=headers).status_code == 200
    told = httpx.get(url + "/__mock__/health").json()
    assert (told["records"], told["contracts"], told["seed"]) == (2, ["2.6"], 8)
    assert "secret" not in str(told)


@pytest.mark.parametrize("query", ["", "?contract=2.17"])
def test_the_document_in_force_is_the_newest(base_url: str, query: str) -> None:
    response = httpx.get(base_url + "/openapi.json" + query)
    assert response.status_code == 200
    assert response.json() == contract_of("2.17").document


@pytest.mark.parametrize("version", VERSIONS)
def test_any_document_in_force_can_be_had(base_url: str, version: str) -> None:
    response = httpx.get(base_url + "/openapi.json", params={"contract": version})
    assert response.headers["content-type"] == "application/json"
    assert response.json() == contract_of(version).document


@pytest.mark.parametrize("name", ["2.7", "", "auto", "../2.6"])
def test_an_unknown_document_is_told_with_those_that_there_are(base_url: str, name: str) -> None:
    response = httpx.get(base_url + "/openapi.json", params={"contract": name})
    assert response.status_code == 404
    assert f"there is no contract {name!r}" in response.json()["detail"]
    assert "2.17, 2.8, 2.6" in response.json()["detail"]


def test_a_document_of_ones_own_is_given(serve: Callable[..., str], tmp_path: Path) -> None:
    path = write_document(tmp_path, own_document())
    url = serve(contract=str(path), seed=1)
    assert httpx.get(url + "/openapi.json").json() == own_document()
    assert httpx.get(url + "/openapi.json?contract=2.6").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/__mock__/none", 404),
        ("POST", "/__mock__/", 405),
        ("POST", "/__mock__/health", 405),
        ("DELETE", "/__mock__/scopes", 405),
        ("POST", "/__mock__/scopes/a", 405),
        ("GET", "/__mock__/scopes/a/reset", 405),
        ("GET", "/__mock__/scopes/a/b", 404),
        ("GET", "/__mock__/reset", 405),
        ("POST", "/__mock__/state", 405),
    ],
)
def test_what_the_control_does_not_know_is_refused_as_json(base_url: str, method: str, path: str, status: int) -> None:
    response = httpx.request(method, base_url + path, headers={"authorization": KEY})
    assert response.status_code == status
    assert response.json().keys() == {"detail"}


# -- scopes ----------------------------------------------------------------------------------------------------------


class Controlled:
    """A mock, asked in process: its API and its control routes."""

    def __init__(self, mock: Mock) -> None:
        self.mock, self._app = mock, app_of(mock)

    def control(self, method: str, path: str, body: Json = None) -> Answer:
        """Ask for a control route, without a key."""
        sent = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return call(self._app, method, "/__mock__/" + path, headers=[JSON], body=sent)

    def play(self, name: str, session_id: str = "ses-abc123", scope: str = "default", version: str = "2.6") -> Answer:
        """Call an operation in a scope."""
        operation = operations(version)[name]
        fields = [("authorization", KEY), ("x-mock-scope", scope)]
        body = BODIES.get(name)
        sent = b"" if body is None else json.dumps(body).encode()
        path = target(operation, session_id)
        return call(self._app, operation.method, path, headers=[*fields, *([JSON] if sent else [])], body=sent)


def controlled(**options: Any) -> Controlled:
    return Controlled(Mock(settings(**{"contract": "2.6", "seed": 5, "clock": datetime(2026, 4, 22), **options})))


def test_scopes_are_named_with_their_records_once_something_is_kept_in_them() -> None:
    asked = controlled()
    assert asked.control("GET", "scopes").value == {"scopes": []}
    for scope, count in (("b", 2), ("a", 1)):
        for number in range(count):
            asked.play("set_title", f"ses-{number}", scope)
    asked.play("list", scope="empty")
    expected = [{"name": "a", "records": 1}, {"name": "b", "records": 2}]
    assert asked.control("GET", "scopes").value == {"scopes": expected}
    assert asked.control("GET", "health").value["records"] == 3


def test_a_scope_tells_its_records_and_its_seed_also_before_it_is_there() -> None:
    asked = controlled()
    assert asked.control("GET", "scopes/a").value == {"name": "a", "records": 0, "seed": 5}
    assert asked.control("GET", "scopes").value == {"scopes": []}
    asked.play("create", scope="a")
    assert asked.control("GET", "scopes/a").value == {"name": "a", "records": 1, "seed": 5}


def test_a_scope_is_given_a_seed_of_its_own() -> None:
    asked, other = controlled(seed=5), controlled(seed=7)
    given = asked.control("PUT", "scopes/a", {"seed": 7})
    assert (given.status, given.value) == (200, {"name": "a", "records": 0, "seed": 7})
    assert asked.control("GET", "scopes/a").value["seed"] == 7
    assert asked.control("GET", "scopes/b").value["seed"] == 5
    assert asked.control("GET", "health").value["seed"] == 5
    for name in ("create", "stream"):
        assert asked.play(name, scope="a").body == other.play(name).body


@pytest.mark.parametrize("seed", [0, -1, 2**63 - 1, -(2**63) + 1])
def test_a_seed_is_any_whole_number_of_63_bits(seed: int) -> None:
    assert controlled().control("PUT", "scopes/a", {"seed": seed}).value["seed"] == seed


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"seed": ' + b"9" * 4000 + b"}",
        {},
        [],
        None,
        7,
        {"seed": None},
        {"seed": "7"},
        {"seed": 7.0},
        {"seed": True},
        {"seed": 2**63},
        {"seed": -(2**63)},
        {"seed": 7, "records": 0},
        {"Seed": 7},
    ],
    ids=lambda body: str(body)[:20],
)
def test_what_is_no_seed_is_refused_with_what_can_be_one(body: Json) -> None:
    asked = controlled()
    answer = asked.control("PUT", "scopes/a", body)
    assert answer.status == 400
    assert answer.value == {"detail": 'A scope takes {"seed": <whole number of at most 63 bits>}.'}
    assert dict(asked.mock.store.scopes()) == {}


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000], ids=["cut", "no UTF-8", "too deep"])
def test_what_is_no_json_is_refused_as_such(body: bytes) -> None:
    asked = controlled()
    answer = asked.control("PUT", "scopes/a", body)
    assert (answer.status, answer.value["detail"]) == (400, "the body is not JSON")
    assert answer.value["why"]
    assert dict(asked.mock.store.scopes()) == {}


def test_a_scope_that_is_dropped_is_as_if_it_had_never_been() -> None:
    asked, fresh = controlled(), controlled()
    asked.control("PUT", "scopes/a", {"seed": 7})
    first = asked.play("create", scope="a").value["session_id"]
    asked.play("create", scope="b")
    asked.play("delete", first, "a")
    gone = asked.control("DELETE", "scopes/a")
    assert (gone.status, gone.body) == (204, b"")
    assert asked.control("GET", "scopes").value == {"scopes": [{"name": "b", "records": 1}]}
    assert asked.control("GET", "scopes/a").value == {"name": "a", "records": 0, "seed": 5}
    assert asked.play("get_summary", first, "a").status == 200, "it is not known as deleted any more"
    asked.control("DELETE", "scopes/a")
    made, expected = (each.play("create", scope="a").value["session_id"] for each in (asked, fresh))
    assert made == expected != first


def test_dropping_a_scope_that_is_not_there_is_no_fault() -> None:
    assert controlled().control("DELETE", "scopes/none").status == 204


@pytest.mark.parametrize("seed", [None, 7])
def test_a_scope_that_is_reset_forgets_its_records_and_keeps_its_seed(seed: int | None) -> None:
    asked = controlled()
    if seed is not None:
        asked.control("PUT", "scopes/a", {"seed": seed})
    first = [asked.play("create", scope="a").body for _ in range(2)]
    asked.play("create", scope="b")
    answer = asked.control("POST", "scopes/a/reset")
    assert (answer.status, answer.value) == (200, {"name": "a", "records": 0, "seed": seed or 5})
    assert asked.play("list", scope="a").value["items"] == []
    ids = [json.loads(body)["session_id"] for body in first]
    assert [asked.play("create", scope="a").value["session_id"] for _ in range(2)] == ids
    assert len(asked.play("list", scope="b").value["items"]) == 1


def test_a_reset_forgets_all_scopes() -> None:
    asked = controlled()
    for scope in ("b", "a", "default"):
        asked.play("create", scope=scope)
    asked.control("PUT", "scopes/a", {"seed": 7})
    answer = asked.control("POST", "reset")
    assert (answer.status, answer.value) == (200, {"dropped": ["a", "b", "default"]})
    assert asked.control("GET", "scopes").value == {"scopes": []}
    assert asked.control("GET", "scopes/a").value["seed"] == 5
    assert asked.control("GET", "health").value["records"] == 0
    assert asked.control("POST", "reset").value == {"dropped": []}


@pytest.mark.parametrize("name", ["a b", "\xe9", "x" * 101, "a,b", "%", "a\x00b", "*", "a?b", "\u6771\u4eac"])
@pytest.mark.parametrize(
    ("method", "ending"), [("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/reset")], ids=lambda each: each
)
def test_what_names_no_scope_is_refused_by_every_route(method: str, ending: str, name: str) -> None:
    asked = controlled()
    answer = asked.control(method, f"scopes/{quote(name, safe='')}{ending}", {"seed": 7})
    assert answer.status == 400
    assert "names no scope" in answer.value["detail"]
    assert "1 to 100 of the characters" in answer.value["detail"]
    assert dict(asked.mock.store.scopes()) == {}


@pytest.mark.parametrize("name", ["A-Z.a~b_c:d@e+1", "default", "x" * 100, "reset"])
def test_every_name_of_a_scope_is_known_to_every_route(name: str) -> None:
    asked = controlled()
    path = "scopes/" + quote(name, safe="")
    assert asked.control("PUT", path, {"seed": 7}).value == {"name": name, "records": 0, "seed": 7}
    asked.play("create", scope=name)
    assert asked.control("GET", path).value == {"name": name, "records": 1, "seed": 7}
    assert asked.control("POST", path + "/reset").value == {"name": name, "records": 0, "seed": 7}
    assert asked.control("DELETE", path).status == 204


# -- state -----------------------------------------------------------------------------------------------------------


def test_the_state_is_all_that_is_kept_as_lines_of_json_and_starts_another(tmp_path: Path) -> None:
    asked = controlled()
    for name in ("create", "stream", "set_title"):
        asked.play(name, scope="a")
    answer = asked.control("GET", "state")
    assert (answer.status, answer.header("content-type")) == (200, "application/x-ndjson")
    assert answer.body == b"".join(dump_state(asked.mock.store))
    assert all(isinstance(json.loads(line), dict) for line in answer.body.splitlines())
    path = tmp_path / "state.jsonl"
    path.write_bytes(answer.body)
    store = MemoryStore()
    assert load_state(store, path) == 2
    assert Controlled(Mock(Settings(contract="2.6", seed=5), store)).control("GET", "state").body == answer.body


def test_the_state_of_an_empty_store_is_its_head() -> None:
    assert controlled().control("GET", "state").body == b'{"mockserver":"state","version":2}\n'


# -- a store that fails ----------------------------------------------------------------------------------------------

METHODS = {name for name, member in vars(Store).items() if callable(member) and not name.startswith("_")}


class Flaky(MemoryStore):
    """A store that can be taken away, and given back."""

    away = False

    def __getattribute__(self, name: str) -> Any:
        if name in METHODS and self.away:
            raise StoreError("the store cannot be reached", where="flaky://", why="it was taken away", fix="wait")
        return super().__getattribute__(name)

    def __len__(self) -> int:
        self.scopes()
        return super().__len__()


def check_unkept(answer: Answer) -> None:
    assert (answer.status, answer.header("x-mock-fault")) == (503, "store")
    assert answer.header("content-type") == "application/json"
    assert answer.value.keys() == {"detail"}
    assert "the store cannot be reached" in answer.value["detail"]
    assert "it was taken away" in answer.value["detail"]


def test_the_methods_that_fail_are_all_that_a_store_has() -> None:
    assert {"count", "update", "find", "page", "scopes", "drop", "seed", "set_seed", "counters", "restore"} <= METHODS


@pytest.mark.parametrize(("version", "name"), every_operation())
def test_while_the_store_fails_every_operation_is_503_and_afterwards_all_is_as_before(version: str, name: str) -> None:
    store = Flaky()
    asked = Controlled(Mock(Settings(contract=version, seed=5), store))
    asked.play("stream", version=version)
    before = b"".join(dump_state(store))
    store.away = True
    for _ in range(2):
        answer = asked.play(name, version=version)
        check_unkept(answer)
        assert answer.header("x-mock-message")
        assert answer.header("x-mock-source") is None
        assert judge(version).errors("/components/schemas/HTTPError", answer.value) == []
    store.away = False
    assert b"".join(dump_state(store)) == before
    assert asked.play(name, version=version).status == operations(version)[name].success


def test_while_the_store_fails_a_bad_request_is_still_the_callers_fault() -> None:
    store = Flaky()
    asked = Controlled(Mock(Settings(contract="2.6", seed=5), store))
    store.away = True
    fields = [JSON, ("authorization", KEY)]
    assert call(app_of(asked.mock), "POST", TITLE, headers=fields, body=b"{}").status == 422
    assert call(app_of(asked.mock), "POST", TITLE, headers=[JSON], body=b"{}").status == 401


CONTROLS = [
    ("GET", "health", 200),
    ("GET", "scopes", 200),
    ("GET", "scopes/a", 200),
    ("PUT", "scopes/a", 200),
    ("DELETE", "scopes/a", 204),
    ("POST", "scopes/a/reset", 200),
    ("POST", "reset", 200),
    ("GET", "state", 200),
]


@pytest.mark.parametrize(("method", "path", "status"), CONTROLS)
def test_while_the_store_fails_every_control_route_is_503_and_works_again_when_it_is_back(
    method: str, path: str, status: int
) -> None:
    store = Flaky()
    asked = Controlled(Mock(Settings(contract="2.6", seed=5), store))
    asked.play("create", scope="a")
    store.away = True
    check_unkept(asked.control(method, path, {"seed": 7}))
    store.away = False
    assert asked.control(method, path, {"seed": 7}).status == status


def test_a_store_that_fails_while_a_turn_is_told_makes_it_a_failed_one() -> None:
    store = Flaky()
    asked = Controlled(Mock(Settings(contract="2.17", seed=5), store))
    response = ask(asked.mock.handle, "POST", target(operations("2.17")["stream"]), BODIES["stream"])
    assert response.stream is not None
    store.away = True
    last = response.stream.close(len(response.stream.chunks))
    (stop,) = events(last)
    assert (stop["type"], stop["is_error"]) == ("stop", True)
    assert "could not be kept" in stop["error"]
    assert judge("2.17").errors("/components/schemas/Event", stop) == []
    store.away = False
    history = asked.play("retrieve", version="2.17").value["events"]
    assert history == [{"type": "user_input", "content": MESSAGE}]


@pytest.mark.parametrize("sent", [b"", b'{"operation"'])
def test_a_body_to_a_control_route_that_does_not_arrive_is_408(sent: bytes) -> None:
    with running(app_of(Mock(Settings(body_timeout=0.2)))) as url:
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            head = f"POST /__mock__/stubs HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-length: 99\r\n\r\n"
            connection.sendall(head.encode() + sent)
            answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"The body did not arrive in time." in answer
