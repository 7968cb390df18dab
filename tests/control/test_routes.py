"""Each control route does what its document says: routes, bodies, statuses, refusals."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from mockserver.api import Api, default
from mockserver.contract.schema import Schema
from mockserver.contract.source import read_source
from mockserver.contract.tree import join, resolve
from mockserver.control.routes import control_document, table_of
from mockserver.errors import ContractError
from mockserver.matching import RESPONSE_KEYS
from mockserver.messages import Json
from mockserver.stub.faults import KINDS
from tests.talk import KEY, MESSAGE

CHAT = "/api/v1/chat"


@cache
def document() -> Json:
    return control_document(default())


@cache
def schema(pointer: str) -> Schema:
    return Schema(document(), pointer, "control")


def described(document: Json) -> list[tuple[str, str]]:
    """List the method and the path of each operation of a document."""
    methods = ("get", "put", "post", "delete")
    return [(method.upper(), path) for path, item in document["paths"].items() for method in methods if method in item]


APIS = pytest.mark.parametrize("api", [None, default()], ids=["no pack", "the chat"])


@APIS
def test_the_document_is_valid(api: Api | None) -> None:
    OpenAPIV31SpecValidator(control_document(api)).validate()


def test_the_document_of_the_chats_routes_is_valid_alone() -> None:
    api = default()
    assert api.control is not None
    OpenAPIV31SpecValidator(read_source(api.control).data).validate()


@APIS
def test_the_document_names_the_routes_that_there_are(api: Api | None) -> None:
    assert set(described(control_document(api))) == set(table_of(api))


def test_without_a_pack_no_route_is_the_chats() -> None:
    assert "session" not in json.dumps(control_document())
    assert {path for _, path in described(document())} > {path for _, path in described(control_document())}


@pytest.mark.parametrize(
    ("own", "place"),
    [
        ({"paths": {"/__mock__/reset": {}}}, "#/paths"),
        ({"paths": {}, "components": {"schemas": {"Error": {"type": "string"}}}}, "#/components/schemas"),
    ],
    ids=["path", "schema"],
)
def test_a_pack_that_describes_anew_what_all_mocks_have_is_refused_with_the_place(
    tmp_path: Path, own: Json, place: str
) -> None:
    path = tmp_path / "control.yaml"
    path.write_text(json.dumps(own), "utf-8")
    with pytest.raises(ContractError, match=r"describes '(/__mock__/reset|Error)' anew") as refused:
        control_document(replace(default(), control=path))
    assert refused.value.where == f"{path}{place}"
    assert refused.value.why
    assert refused.value.fix


def test_the_document_names_what_can_be_said_of_an_answer() -> None:
    schemas = control_document()["components"]["schemas"]
    assert set(schemas["Answer"]["properties"]) == set(RESPONSE_KEYS)
    own = {"operation", "when", "answers", "probability", "off"}
    assert set(schemas["Stub"]["properties"]) == own | set(RESPONSE_KEYS)


def test_every_fault_stands_in_the_documents() -> None:
    from tests.project.test_house import documents

    assert {name for name in KINDS if f"| `{name}` |" not in documents()} == set()


def check(method: str, url: str, response: httpx.Response) -> None:
    """Hold an answer of a control route against the document."""
    path = httpx.URL(url).path
    path = "/" + path.split("/", 3)[3] if path.startswith("/scope/") else path
    segments = path.split("/")
    for known, template in described(document()):
        shape = template.split("/")
        fits = len(shape) == len(segments) and all(
            one == other or one.startswith("{") for one, other in zip(shape, segments, strict=True)
        )
        if fits and known == method:
            check_reply(join("/paths", template, method.lower(), "responses", response.status_code), response)
            return
    pytest.fail(f"{method} {path} is not described")


def check_reply(pointer: str, response: httpx.Response) -> None:
    """Hold an answer against its reply; one that is not declared is a KeyError."""
    pointer, reply = resolve(document(), pointer)
    ((media_type, _),) = reply.get("content", {"": None}).items()
    if not media_type:
        assert response.content == b""
        return
    assert response.headers["content-type"].startswith(media_type)
    value = response.json() if media_type == "application/json" else response.text
    found = schema(join(pointer, "content", media_type, "schema"))
    assert found.is_valid(value), found.explain(value)


class Controlled:
    """A client whose control calls are held against the document."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def __call__(self, method: str, path: str, body: Any = None, *, scope: str = "", below: bool = False) -> Any:
        url = (f"/scope/{scope}" if below else "") + "/__mock__/" + path
        headers = {"x-mock-scope": scope} if scope and not below else {}
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
        response = self.client.request(method, url, content=content, headers=headers)
        check(method, url, response)
        self.status = response.status_code
        return (
            response.json()
            if "json" in response.headers.get("content-type", "").replace("ndjson", "")
            else (response.content)
        )

    def title(self, session_id: str = "ses-1", message: Json = MESSAGE, scope: str = "default") -> httpx.Response:
        """Call the API."""
        headers = {"authorization": KEY, "x-mock-scope": scope}
        return self.client.post(f"{CHAT}/{session_id}/title", json={"first_message": message}, headers=headers)


@contextmanager
def controlled(url: str) -> Iterator[Controlled]:
    with httpx.Client(base_url=url) as client:
        yield Controlled(client)


@pytest.fixture
def ask(serve: Callable[..., str]) -> Iterator[Controlled]:
    with controlled(serve(seed=0)) as asked:
        yield asked


def test_the_document_is_served(ask: Controlled) -> None:
    assert ask("GET", "openapi.json") == document()


def test_the_operations_in_force_are_told_with_what_their_requests_may_have(ask: Controlled) -> None:
    told = ask("GET", "contract")
    assert told["api"] == "llamacloud-chat"
    assert [each["name"] for each in told["contracts"]] == ["2.17", "2.8", "2.6"]
    assert told["fields"]["set_title"] == {
        "path": ["session_id"],
        "query": ["organization_id", "project_id"],
        "headers": [],
        "body": ["first_message"],
    }
    assert told["fields"]["stream"]["body"] == ["index_ids", "prompt", "require_all_indexes"]


def test_the_journal_tells_exchanges_and_calls(ask: Controlled) -> None:
    ask.title()
    ask.title("ses-2", 5)
    told = ask("GET", "journal")
    assert [each["answer"]["status"] for each in told["exchanges"]] == [200, 422]
    assert told["exchanges"][1]["findings"][0]["where"] == "/body/first_message"
    assert told["calls"] == [[1], [2]]
    assert "any-key" not in json.dumps(told)
    assert ask("GET", "journal?operation=create")["exchanges"] == []
    assert len(ask("GET", "journal?format=har")["log"]["entries"]) == 2
    ask("GET", "journal?format=xml")
    assert ask.status == 400
    ask("DELETE", "journal")
    assert ask("GET", "journal")["exchanges"] == []


def test_control_calls_are_not_in_the_journal(ask: Controlled) -> None:
    for path in ("health", "journal", "stubs"):
        ask("GET", path)
    assert ask("GET", "journal")["exchanges"] == []


@pytest.mark.parametrize("below", [False, True])
def test_a_route_concerns_the_scope_that_header_or_path_names(ask: Controlled, below: bool) -> None:
    ask.title(scope="a")
    assert len(ask("GET", "journal", scope="a", below=below)["exchanges"]) == 1
    assert ask("GET", "journal")["exchanges"] == []
    assert ask("GET", "sessions", scope="a", below=below)["sessions"][0]["session_id"] == "ses-1"
    ask("POST", "stubs", {"operation": "set_title", "status": 503}, scope="a", below=below)
    assert ask.title().status_code == 200
    assert ask.title(scope="a").status_code == 503


def test_a_scope_with_no_name_is_refused(ask: Controlled) -> None:
    ask("GET", "journal", scope="a b")
    assert ask.status == 400


def test_a_verification_tells_what_came_nearest(ask: Controlled) -> None:
    ask.title()
    assert ask("POST", "verify", {"operation": "set_title", "times": 1}) == {"ok": True, "message": "", "calls": 1}
    told = ask("POST", "verify", {"operation": "set_title", "when": {"first_message": {"$regex": "Q4"}}})
    assert ask.status == 406
    assert "/body/first_message: expected text with /Q4/" in told["message"]
    assert ask("POST", "verify", {"order": ["set_title", "delete"]})["ok"] is False


@pytest.mark.parametrize(
    "question",
    [
        [],
        {},
        {"operation": "set_titel"},
        {"operation": "set_title", "when": {"first_mesage": "x"}},
        {"operation": "set_title", "when": {"body": {"first_message": {"$regex": "("}}}},
        {"operation": "set_title", "when": {"body": {"first_message": {"$regex": "(?=a)"}}}},
        {"operation": "set_title", "when": {"query": {"nothing": "x"}}},
        {"operation": "set_title", "when": 5},
        {"operation": "set_title", "times": -1},
        {"operation": "set_title", "times": {"at_least": 2, "at_most": 1}},
        {"operation": "set_title", "times": True},
        {"operation": "set_title", "unknown": 1},
        {"order": []},
        {"order": ["set_title"], "operation": "set_title"},
        {"order": [{"operation": "set_title", "times": 1}]},
        b"{",
        b"\xff",
    ],
)
def test_a_question_that_cannot_be_meant_is_refused(ask: Controlled, question: Any) -> None:
    told = ask("POST", "verify", question)
    assert ask.status == 400
    assert told["detail"]


def test_a_stub_is_created_changed_and_removed(ask: Controlled) -> None:
    (number,) = ask("POST", "stubs", {"operation": "set_title", "status": 429})["numbers"]
    assert ask("GET", f"stubs/{number}")["unused"]
    ask("PUT", f"stubs/{number}", {"operation": "set_title", "status": 503, "times": 2})
    assert [ask.title().status_code for _ in range(3)] == [503, 503, 200]
    told = ask("GET", "stubs")["stubs"]
    assert (told[0]["uses"], "unused" in told[0]) == (2, False)
    ask("DELETE", f"stubs/{number}")
    assert ask("GET", "stubs")["stubs"] == []
    for method, body in (("GET", None), ("PUT", {"operation": "set_title"}), ("DELETE", None)):
        ask(method, f"stubs/{number}", body)
        assert ask.status == 404


def test_a_stub_of_half_a_surrogate_pair_is_shown_as_it_was_created(ask: Controlled) -> None:
    half = b'{"operation": "set_title", "when": {"body": {"first_message": "\\ud800"}}, "status": 429}'
    ask("POST", "stubs", half)
    (told,) = ask("GET", "stubs")["stubs"]
    assert (ask.status, told["when"]["body"]) == (200, {"first_message": "\ud800"})


def test_a_stub_of_the_file_is_shown_and_stays(serve: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "stubs.json").write_text('[{"operation": "delete", "status": 503}]', "utf-8")
    with controlled(serve(seed=0, stubs=tmp_path / "stubs.json")) as ask:
        ask("POST", "stubs", {"operation": "set_title", "status": 429})
        assert [each["number"] for each in ask("GET", "stubs")["stubs"]] == [-1, 1]
        assert ask("GET", "stubs/-1")["operation"] == "delete"
        for method, body in (("DELETE", None), ("PUT", {"operation": "delete"})):
            assert "a stub of the file cannot be changed" in ask(method, "stubs/-1", body)["detail"]
            assert ask.status == 400
        assert ask.title().status_code == 429


def test_of_several_stubs_all_are_created_or_none(ask: Controlled) -> None:
    told = ask("POST", "stubs", [{"operation": "set_title"}, {"operation": "set_title", "status": 418}])
    assert ask.status == 400
    assert "set_title has no answer 418" in told["detail"]
    assert ask("GET", "stubs")["stubs"] == []
    assert len(ask("POST", "stubs", [{"operation": "set_title"}] * 3)["numbers"]) == 3
    ask("DELETE", "stubs")
    assert ask("GET", "stubs")["stubs"] == []


def test_a_session_is_kept_shown_and_deleted(ask: Controlled) -> None:
    event = {"type": "user_input", "content": "x"}
    made = ask("PUT", "sessions/ses-9", {"generated_title": "Nine", "index_ids": ["idx-1"], "events": [event]})
    assert (made["generated_title"], made["events"], made["issued"]) == ("Nine", [event], True)
    seen = ask.client.get(f"{CHAT}/ses-9", headers={"authorization": KEY}).json()
    assert (seen["generated_title"], seen["events"], seen["index_ids"]) == ("Nine", [event], ["idx-1"])
    assert ask("GET", "sessions/ses-9") == made
    ask("DELETE", "sessions/ses-9")
    ask("GET", "sessions/ses-9")
    assert ask.status == 404
    ask("DELETE", "sessions/ses-9")
    assert ask.status == 404
    assert ask.client.get(f"{CHAT}/ses-9", headers={"authorization": KEY}).status_code == 404


@pytest.mark.parametrize(
    "value",
    [
        [],
        5,
        {"title": "x"},
        {"generated_title": 5},
        {"index_ids": "idx"},
        {"events": [{"type": "surprise"}]},
        {"events": {}},
        {"job_metadata": {"turns": "x"}},
        {"shared_access": "all"},
        {"project_id": 7},
        {"last_updated_at": 7},
        {"session_id": "another"},
    ],
)
def test_what_is_no_session_is_refused_and_changes_nothing(ask: Controlled, value: Any) -> None:
    ask("PUT", "sessions/ses-1", {"generated_title": "before"})
    ask("PUT", "sessions/ses-1", value)
    assert ask.status == 400
    assert ask("GET", "sessions/ses-1")["generated_title"] == "before"


def test_the_state_is_saved_and_restored(ask: Controlled) -> None:
    ask.title(scope="a")
    ask.title(scope="b")
    saved = ask("GET", "state")
    of_a = ask("GET", "state", scope="a")
    ask.title("ses-2", scope="a")
    assert ask("PUT", "state", saved) == {"records": 2}
    assert len(ask("GET", "sessions", scope="a")["sessions"]) == 1
    ask("PUT", "state", of_a, scope="c")
    assert ask("GET", "sessions", scope="c")["sessions"][0]["session_id"] == "ses-1"
    assert ask("GET", "sessions", scope="b")["sessions"]


@pytest.mark.parametrize("state", [b"", b"{}", b"nonsense", b'{"mockserver":"state","version":9}\n'])
def test_a_state_that_cannot_be_read_changes_nothing(ask: Controlled, state: bytes) -> None:
    ask.title()
    ask("PUT", "state", state)
    assert ask.status == 400
    assert len(ask("GET", "sessions")["sessions"]) == 1


def test_a_state_of_several_scopes_does_not_fit_in_one(ask: Controlled) -> None:
    ask.title(scope="a")
    ask.title(scope="b")
    told = ask("PUT", "state", ask("GET", "state"), scope="c")
    assert ask.status == 400
    assert "a, b" in told["why"]


def test_a_scope_is_reset_with_journal_and_stubs_but_keeps_its_seed(ask: Controlled) -> None:
    ask("PUT", "scopes/a", {"seed": 7})
    ask.title(scope="a")
    ask("POST", "stubs", {"operation": "set_title"}, scope="a")
    assert ask("POST", "scopes/a/reset") == {"name": "a", "records": 0, "seed": 7}
    assert ask("GET", "journal", scope="a")["exchanges"] == []
    assert ask("GET", "stubs", scope="a")["stubs"] == []
    ask("DELETE", "scopes/a")
    assert ask("GET", "scopes/a")["seed"] == 0


def test_a_reset_forgets_journals_and_stubs_of_all_scopes(ask: Controlled) -> None:
    ask("POST", "stubs", {"operation": "set_title"}, scope="only-stubs")
    ask.title(scope="a")
    assert ask("POST", "reset") == {"dropped": ["a"]}
    for scope in ("a", "only-stubs"):
        assert ask("GET", "stubs", scope=scope)["stubs"] == []
        assert ask("GET", "journal", scope=scope)["exchanges"] == []


def test_a_body_that_is_too_long_is_refused(ask: Controlled) -> None:
    ask("POST", "stubs", b"[" + b" " * 1_048_577 + b"]")
    assert ask.status == 413


def test_the_control_routes_can_be_switched_off_but_for_the_health(serve: Callable[..., str]) -> None:
    with controlled(serve(seed=0, control=False)) as ask:
        assert ask("GET", "health")["status"] == "ok"
        for method, path in (("GET", "journal"), ("GET", "contract"), ("POST", "verify"), ("GET", "openapi.json")):
            ask(method, path)
            assert ask.status == 404
        assert ask.client.get("/openapi.json").status_code == 200


def test_without_a_journal_nothing_can_be_verified(serve: Callable[..., str]) -> None:
    with controlled(serve(seed=0, journal_size=0)) as ask:
        ask.title()
        told = ask("POST", "verify", {"operation": "set_title", "times": 0})
        assert ask.status == 400
        assert "no journal" in told["detail"]
