"""No answer leaves that its contract does not allow."""

import json
from collections.abc import Sequence
from http import HTTPStatus
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from mockserver.answer.making.nodes import StuckError
from mockserver.answer.render import Renderer
from mockserver.api import Draft
from mockserver.apis.llamacloud_chat.pack import NAME, VERSIONS, ChatSettings, style
from mockserver.contract.router import NO_MATCH, Match
from mockserver.contract.schema import Schema
from mockserver.engine import Mock
from mockserver.messages import Finding, Json, Request, Response, header_value
from mockserver.settings import Settings
from mockserver.sse import Step, paced
from mockserver.store.base import Found, Record, Update
from mockserver.store.memory import MemoryStore
from tests.strategies import Judge, contract_of, judge, near, operations, own_document, write_document
from tests.talk import MESSAGE, TITLE, ask, events, header, value, whole

SUMMARY = {"session_id": "s", "last_updated_at": "2026-05-01T00:00:00.000000"}


CHAT = style(ChatSettings())


def renderer(version: str) -> Renderer:
    """Give what renders the answers of a version."""
    return Renderer(contract_of(version), CHAT)


def render(version: str, name: str, draft: Draft, method: str = "POST") -> Response:
    """Render a draft as the answer of an operation."""
    return renderer(version).render(Request(method, "/"), Match(operations(version)[name]), draft)


def is_loud(response: Response) -> bool:
    """Say whether an answer is the mock's confession."""
    return (response.status, header(response, "x-mock-fault")) == (500, "mock")


# -- the mock's own faults are loud ----------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["simulated", "canned", "documented", "generated"])
@pytest.mark.parametrize(
    ("status", "broken", "pointer"),
    [
        (200, {**SUMMARY, "session_id": 5}, "/body/session_id"),
        (200, {"session_id": "s"}, "/body"),
        (200, {**SUMMARY, "job_metadata": {"turns": "x"}}, "/body/job_metadata/turns"),
        (200, {**SUMMARY, "index_ids": ["a", None]}, "/body/index_ids/1"),
        (200, None, "/body"),
        (404, {"detail": ["x"]}, "/body/detail"),
        (422, {"detail": "x"}, "/body/detail"),
    ],
)
def test_an_answer_that_breaks_its_contract_becomes_a_500_that_names_the_place(
    source: str, status: int, broken: Json, pointer: str
) -> None:
    response = render("2.6", "set_title", Draft(status, broken, source=source))
    assert is_loud(response)
    assert header(response, "x-mock-pointer") == pointer
    assert (header(response, "x-mock-contract") or "").startswith("2.6#/components/schemas/")
    assert pointer in value(response)["detail"]
    assert judge("2.6").errors("/components/schemas/HTTPError", value(response)) == []
    assert header(response, "x-mock-source") is None


def test_a_session_without_shared_access_is_no_answer_of_2_17() -> None:
    assert is_loud(render("2.17", "get_summary", Draft(200, SUMMARY, source="canned"), "GET"))
    assert render("2.8", "get_summary", Draft(200, SUMMARY, source="canned"), "GET").status == 200


@pytest.mark.parametrize(
    "draft",
    [
        Draft(201, SUMMARY, source="canned"),
        Draft(200, SUMMARY, "text/plain", "canned"),
        Draft(200, None, None, "canned"),
        Draft(200, SUMMARY, "application/problem+json", "canned"),
    ],
    ids=["status", "text", "no body", "another JSON"],
)
def test_what_is_not_declared_is_no_answer(draft: Draft) -> None:
    response = render("2.6", "set_title", draft)
    assert is_loud(response)
    assert "is not declared" in value(response)["detail"]


def test_a_body_where_none_is_declared_is_no_answer() -> None:
    assert is_loud(render("2.6", "delete", Draft(204, {}, source="canned"), "DELETE"))
    assert render("2.6", "delete", Draft(204, None, None, "canned"), "DELETE").status == 204


@pytest.mark.parametrize(
    ("event", "pointer"),
    [({"type": "text"}, "/body/1"), ({"type": "text", "content": 5}, "/body/1/content")],
)
def test_an_event_that_breaks_the_contract_is_no_answer(event: Json, pointer: str) -> None:
    good = {"type": "text", "content": "x"}
    text = "".join(f"event: message\ndata: {json.dumps(each)}\n\n" for each in (good, event))
    response = render("2.17", "stream", Draft(200, text, "text/event-stream", "canned"))
    assert is_loud(response)
    assert header(response, "x-mock-pointer") == pointer


def test_a_stream_whose_data_is_no_json_is_no_answer() -> None:
    draft = Draft(200, "event: message\ndata: {\n\n", "text/event-stream", "canned")
    assert is_loud(render("2.17", "stream", draft))


def lied(record: Record) -> Record:
    """Give a session that is none."""
    return structs.replace(record, data={**record.data, "job_metadata": {"turns": "many"}})


class Liar(MemoryStore):
    """A store whose sessions are no sessions."""

    def update(self, scope: str, collection: str, id: str, step: Update) -> Record | None:
        honest = super().update(scope, collection, id, step)
        return honest and lied(honest)

    def find(self, scope: str, collection: str, id: str, *, parts: bool = False) -> Found:
        found = super().find(scope, collection, id, parts=parts)
        return structs.replace(found, record=found.record and lied(found.record))

    def page(
        self, scope: str, collection: str, group: str | None, past: int | None, size: int, *, oldest: bool = False
    ) -> Sequence[Record]:
        return [lied(each) for each in super().page(scope, collection, group, past, size, oldest=oldest)]


@pytest.mark.parametrize(
    ("method", "ending", "pointer"),
    [
        ("POST", "", "/body/job_metadata/turns"),
        ("POST", "/ses-abc123/title", "/body/job_metadata/turns"),
        ("GET", "/ses-abc123/summary", "/body/job_metadata/turns"),
        ("GET", "/ses-abc123", "/body/job_metadata/turns"),
        ("GET", "", "/body/items/0/job_metadata/turns"),
    ],
)
def test_a_simulation_that_lies_is_found_out(method: str, ending: str, pointer: str) -> None:
    mock = Mock(Settings(contract="2.6", seed=0), store=Liar())
    ask(mock.handle, "POST", TITLE, {"first_message": MESSAGE})
    body = {"first_message": MESSAGE} if ending.endswith("title") else None
    response = ask(mock.handle, method, "/api/v1/chat" + ending, body)
    assert is_loud(response)
    assert header(response, "x-mock-pointer") == pointer
    assert header(response, "x-mock-contract") == "2.6#/components/schemas/JobMetadata/properties/turns/type"


# -- a turn is judged before it is told ------------------------------------------------------------------------------


def turn(*told: Json) -> tuple[Draft, list[int]]:
    """Make a turn; gives its draft, and the list to which is added how many events went out when it is closed."""
    closed: list[int] = []

    def close(sent: int) -> Json:
        closed.append(sent)
        return told[-1]

    stream = paced([Step(event) for event in told], CHAT, Random(0), close)
    return Draft(200, list(told), "text/event-stream", "simulated", stream=stream), closed


TEXT: Json = {"type": "text", "content": "Yes."}
STOP: Json = {"type": "stop", "usage": {}, "is_error": False, "error": None}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_right_turn_leaves_as_a_stream_that_nobody_has_closed(version: str) -> None:
    draft, closed = turn(TEXT, STOP)
    response = render(version, "stream", draft)
    assert (response.status, closed) == (200, [])
    assert header(response, "content-length") is None
    assert header(response, "cache-control") == "no-cache"
    assert (events(whole(response).body), closed) == ([TEXT, STOP], [1])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("told", "pointer"),
    [
        ([TEXT, {"type": "text", "content": 5}, STOP], "/body/1/content"),
        ([{"type": "text"}, STOP], "/body/0"),
        ([TEXT, {"type": "laugh"}, STOP], "/body/1"),
        ([TEXT, {"type": "stop"}], "/body/1"),
        ([TEXT, {**STOP, "usage": {"turns": "x"}}], "/body/1/usage/turns"),
    ],
)
def test_a_turn_with_an_event_that_the_contract_does_not_allow_never_leaves_and_is_closed(
    version: str, told: list[Json], pointer: str
) -> None:
    draft, closed = turn(*told)
    response = render(version, "stream", draft)
    assert is_loud(response)
    assert response.stream is None
    assert closed == [0]
    assert header(response, "x-mock-pointer") == pointer
    assert header(response, "x-mock-source") is None
    assert header(response, "content-type") == "application/json"
    assert judge(version).errors("/components/schemas/HTTPError", value(response)) == []


def test_a_turn_that_ones_own_contract_forbids_is_answered_unplayed_and_fails_in_the_history(tmp_path: Path) -> None:
    document: Any = json.loads(json.dumps(contract_of("2.17").document))
    document["components"]["schemas"]["ThinkingEvent"]["properties"]["content"]["maxLength"] = 100
    mock = Mock(Settings(api=NAME, contract=str(write_document(tmp_path, document)), seed=0))
    session = "/api/v1/chat/ses-abc123"
    turn = {"index_ids": ["idx-a"], "prompt": "x"}
    assert whole(ask(mock.handle, "POST", session + "/messages/stream", turn)).status == 200
    response = ask(mock.handle, "POST", session + "/messages/stream", {**turn, "prompt": "x" * 1000})
    assert (response.status, header(response, "x-mock-source")) == (200, "documented")
    history = value(ask(mock.handle, "GET", session))["events"]
    assert history[-2:] == [{"type": "user_input", "content": "x" * 1000}, history[-1]]
    assert (history[-1]["type"], history[-1]["is_error"]) == ("stop", True)


def made_up(folder: Path, schema: Json, example_: Json) -> Response:
    """Give a made-up answer of a schema whose contract has a right example."""
    document = own_document()
    document["components"]["schemas"]["Note"] = schema
    media = document["components"]["responses"]["Note"]["content"]["application/json"]
    media["examples"] = {"right": {"value": example_}}
    mock = Mock(Settings(contract=str(write_document(folder, document)), seed=0))
    assert ask(mock.handle, "GET", "/notes/n").status == 200
    return ask(mock.handle, "GET", "/notes/n", prefer="dynamic=true")


def test_what_is_made_up_wrongly_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mockserver.answer.choose.generate", lambda *_, **__: {"a": 1})
    response = made_up(tmp_path, {"type": "object", "minProperties": 3}, {"a": 1, "aa": 2, "aaa": 3})
    assert (response.status, header(response, "x-mock-fault")) == (501, "mock")
    assert header(response, "x-mock-contract") == "notes#/components/schemas/Note/minProperties"
    assert header(response, "x-mock-pointer") == "/body"
    assert header(response, "x-should-retry") == "false"
    assert "the value that was made breaks the contract at /body" in response.body.decode()
    assert "give the answer an example" in response.body.decode()
    assert header(response, "preference-applied") is None


def test_a_search_that_ends_without_a_value_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make(_: Random, __: int) -> Json:
        raise StuckError

    monkeypatch.setattr("mockserver.answer.generate._root", lambda *_: make)
    response = made_up(tmp_path, {"type": "integer"}, 1)
    assert (response.status, header(response, "x-mock-fault")) == (501, "contract")
    assert "none was found" in response.body.decode()


def test_an_answer_without_a_required_field_that_requests_alone_have_is_right(tmp_path: Path) -> None:
    secret = {"type": "string", "writeOnly": True}
    note = {"type": "object", "properties": {"a": {"type": "integer"}, "b": secret}, "required": ["a", "b"]}
    response = made_up(tmp_path, note, {"a": 1})
    assert (response.status, list(value(response)), header(response, "x-mock-source")) == (200, ["a"], "generated")


def test_what_cannot_be_made_up_is_the_contracts_fault(tmp_path: Path) -> None:
    response = made_up(tmp_path, {"type": "string", "pattern": "^[a-z]{8}$", "not": {"pattern": "[a-y]"}}, "zzzzzzzz")
    assert (response.status, header(response, "x-mock-fault")) == (501, "contract")
    assert header(response, "x-mock-contract") == "notes#/components/schemas/Note"
    assert "give the answer an example" in value(response)["detail"]


ANY = [("2.6", "set_title"), ("2.17", "get_summary"), ("2.17", "retrieve"), ("2.8", "list"), ("2.17", "create")]


@given(st.data())
def test_every_answer_that_leaves_is_right_by_an_independent_judge(data: st.DataObject) -> None:
    version, name = data.draw(st.sampled_from(ANY))
    operation = operations(version)[name]
    status = data.draw(st.sampled_from([operation.success, 404, 422, 503]))
    media = operation.exact[status].preferred
    assert media is not None
    assert media.schema is not None
    drawn = data.draw(near(media.schema))
    response = render(version, name, Draft(status, drawn, source="canned"))
    right = not judge(version).errors(media.schema.pointer, drawn)
    assert is_loud(response) != right
    assert judge(version).errors(pointer_of(version, name, response.status), value(response)) == []
    if right:
        assert value(response) == drawn


def pointer_of(version: str, name: str, status: int) -> str:
    media = operations(version)[name].exact[status].preferred
    assert media is not None
    assert isinstance(media.schema, Schema)
    return media.schema.pointer


# -- what belongs to no operation ------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("status", [400, 404, 405, 408, 413, 414, 431, 500, 503])
def test_errors_of_no_operation_have_their_place_in_the_contract(version: str, status: int) -> None:
    finding = Finding("/path", "path", "why", "client")
    draft = Draft(status, {"detail": "x"}, findings=(finding,))
    response = renderer(version).render(Request("GET", "/x"), NO_MATCH, draft)
    assert response.status == status
    assert (header(response, "x-mock-contract") or "").startswith(f"{version}#/components/responses/")
    wrong = renderer(version).render(Request("GET", "/x"), NO_MATCH, Draft(status, {"detail": 5}))
    assert is_loud(wrong)


# -- headers ---------------------------------------------------------------------------------------------------------


@given(st.text())
@example("東京\r\nX-Evil: 1")
@example("100 %")
@example("\ud800")
@example("x" * 10_000)
def test_a_text_as_a_header_is_printable_ascii_of_bounded_length(text: str) -> None:
    made = header_value(text)
    assert all(0x20 <= byte < 0x7F for byte in made)
    assert len(made) < 400 * 12


def test_an_answer_tells_its_length_and_where_it_comes_from() -> None:
    response = render("2.6", "set_title", Draft(200, {**SUMMARY, "generated_title": "東京"}, source="canned"))
    assert header(response, "content-length") == str(len(response.body))
    assert header(response, "content-type") == "application/json"
    assert header(response, "x-mock-source") == "canned"
    assert "東京".encode() in response.body
    assert b": " not in response.body


def test_no_header_stands_twice() -> None:
    for prefer in (None, "code=404", "code=xyz"):
        response = ask(Mock(Settings(seed=0)).handle, "POST", TITLE, {"first_message": 5}, prefer=prefer)
        names = [name for name, _ in response.headers]
        assert len(names) == len(set(names))


# -- a contract of one's own says what its errors look like ----------------------------------------------------------

PROBLEM: Any = {
    "type": "object",
    "required": ["title", "status"],
    "properties": {"title": {"type": "string"}, "status": {"type": "integer"}, "detail": {"type": "string"}},
}


def own_mock(folder: Path, *statuses: str, shared: bool = False, example_: bool = True) -> Mock:
    """Give a mock of a contract whose errors are problem+json, declared for `statuses`."""
    document = own_document()
    media: Any = {"schema": {"$ref": "#/components/schemas/Problem"}}
    if example_:
        media["examples"] = {"problem": {"value": {"title": "A problem", "status": 400}}}
    document["components"]["schemas"]["Problem"] = PROBLEM
    problem = {"description": "A problem.", "content": {"application/problem+json": media}}
    for method in ("get", "put"):
        document["paths"]["/notes/{note_id}"][method]["responses"] |= dict.fromkeys(statuses, problem)
    if shared:
        document["components"]["responses"] |= {"NotFound": problem, "MethodNotAllowed": problem}
    document["components"]["securitySchemes"] = {"Key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"Key": []}]
    return Mock(Settings(contract=str(write_document(folder, document)), seed=0))


def check_problem(mock: Mock, response: Response, status: int) -> None:
    assert (response.status, header(response, "content-type")) == (status, "application/problem+json")
    assert Judge(mock.document()).errors("/components/schemas/Problem", value(response)) == []


@pytest.mark.parametrize("example_", [True, False], ids=["with example", "without"])
@pytest.mark.parametrize(("declared", "status"), [("400", 400), ("422", 422), ("4XX", 422), ("default", 422)])
def test_a_bad_request_is_refused_in_the_contracts_own_form(
    tmp_path: Path, declared: str, status: int, example_: bool
) -> None:
    mock = own_mock(tmp_path, declared, example_=example_)
    response = ask(mock.handle, "PUT", "/notes/n", {"id": "n"})
    check_problem(mock, response, status)
    assert header(response, "x-mock-fault") == "client"
    assert header(response, "x-mock-pointer") == "/body/text"
    message = "'text' is a required property"
    assert header(response, "x-mock-message") == message
    assert (header(response, "x-mock-contract") or "").startswith("notes#/components/schemas/Note")
    made = {"title": HTTPStatus(status).phrase, "status": status, "detail": message}
    assert value(response) == ({"title": "A problem", "status": 400} if example_ else made)


def test_a_missing_key_is_told_in_the_contracts_own_form(tmp_path: Path) -> None:
    mock = own_mock(tmp_path, "401")
    response = ask(mock.handle, "GET", "/notes/n", authorization=None)
    check_problem(mock, response, 401)
    assert header(response, "www-authenticate") == "Bearer"
    assert header(response, "x-mock-fault") == "client"
    assert "Bearer" in (header(response, "x-mock-message") or "")


def test_an_unmet_wish_is_told_in_the_contracts_own_form(tmp_path: Path) -> None:
    mock = own_mock(tmp_path, "404")
    response = ask(mock.handle, "GET", "/notes/n", prefer="code=418")
    check_problem(mock, response, 404)
    assert header(response, "x-mock-pointer") == "/header/prefer"
    assert "declared are 200, 404" in (header(response, "x-mock-message") or "")


def test_a_missing_key_is_401_even_where_the_contract_does_not_say_so(tmp_path: Path) -> None:
    response = ask(own_mock(tmp_path).handle, "GET", "/notes/n", authorization=None)
    assert (response.status, header(response, "content-type")) == (401, "application/problem+json")
    assert value(response)["status"] == 401


@pytest.mark.parametrize(
    ("body", "status"), [({"id": "n"}, 422), (b"{", 422), (None, 422)], ids=["wrong", "no JSON", "none"]
)
def test_a_bad_request_is_the_callers_fault_even_where_the_contract_declares_no_error(
    tmp_path: Path, body: Json, status: int
) -> None:
    response = ask(own_mock(tmp_path).handle, "PUT", "/notes/n", body)
    assert header(response, "x-mock-fault") == "client"
    assert response.status in (400, status)


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/none", 404), ("POST", "/notes/n", 405)])
@pytest.mark.parametrize("shared", [False, True], ids=["not declared", "declared as problem+json"])
def test_an_unknown_path_or_method_is_the_callers_fault(
    tmp_path: Path, method: str, path: str, status: int, shared: bool
) -> None:
    mock = own_mock(tmp_path, shared=shared)
    response = ask(mock.handle, method, path)
    assert (response.status, header(response, "x-mock-fault")) == (status, "client")
    if shared:
        check_problem(mock, response, status)
