"""With a contract of a user's own the pack plays what takes and gives the same, and nothing else; nothing fails."""

import copy
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from mockserver.apis.llamacloud_chat.pack import NAME, VERSIONS
from mockserver.engine import Mock
from mockserver.messages import Json, Response
from tests.apis.test_sessions import CALLS, CHAT, INDEXES, Client, prompts
from tests.conftest import settings
from tests.strategies import Judge, contract_of, write_document
from tests.talk import MESSAGE, header, value

Change = Callable[[Any], object]
"""Makes another document of one, in place."""

BASE, ONE = CHAT, CHAT + "/{session_id}"
PLACES = {
    "create": (BASE, "post"),
    "list": (BASE, "get"),
    "retrieve": (ONE, "get"),
    "delete": (ONE, "delete"),
    "get_summary": (ONE + "/summary", "get"),
    "set_title": (ONE + "/title", "post"),
    "stream": (ONE + "/messages/stream", "post"),
}
STREAM_MEDIA = "text/event-stream"
PATTERN: Json = {"type": "string", "pattern": "^ses-abc", "examples": ["ses-abc123"]}
OBJECT: Json = {"type": "object", "required": ["nope"]}


def without_examples(node: Any) -> Any:
    """Give a document without examples, which a change could make wrong."""
    if isinstance(node, dict):
        return {key: without_examples(each) for key, each in node.items() if key != "examples"}
    return [without_examples(each) for each in node] if isinstance(node, list) else node


def own(folder: Path, *changes: Change, version: str = "2.6", **options: Any) -> Client:
    """Give a client of a mock that serves a changed copy of a version with the pack; operations have other ids."""
    document = without_examples(copy.deepcopy(contract_of(version).document))
    for number, path in enumerate(document["paths"].values()):
        for method in path.keys() & {"get", "post", "delete"}:
            path[method]["operationId"] = f"{method}{number}"
    for change in changes:
        change(document)
    contract = str(write_document(folder, document))
    return Client(Mock(settings(api=NAME, contract=contract, seed=0, **options)))


def life(client: Client) -> Iterator[tuple[str, Response]]:
    """Play a session's life, and one that create issued as far as it can be had; give each operation's answers."""
    for body in (None, {}, {"index_ids": INDEXES}):
        yield "create", client.send("POST", "", body)
    for name in ("get_summary", "retrieve", "set_title", "stream", "stream", "get_summary", "retrieve", "set_title"):
        yield name, client.call(name, "ses-x")
    yield "stream", client.attempt("ses-x", "A longer prompt about the findings in Q3 " * 10, ["idx-other"])
    for query in ("", "page_size=1", "page_token=x"):
        yield "list", client.send("GET", "", query=query)
    issued = client.send("POST")
    if issued.status == 201 and "session_id" in value(issued):
        for name in [*CALLS, *CALLS]:  # the second time it is gone
            yield name, client.call(name, value(issued)["session_id"])
    yield "delete", client.call("delete", "ses-x")


def sources(client: Client) -> dict[str, set[str | None]]:
    """Play a session's life, in which nothing may fail; give the sources of the right answers of each operation."""
    answers = list(life(client))
    failed = [(name, response.body) for name, response in answers if response.status >= 500]
    assert failed == []
    found: dict[str, set[str | None]] = {}
    for name, response in answers:
        if response.status < 300:
            found.setdefault(name, set()).add(header(response, "x-mock-source"))
    return found


def played(client: Client) -> set[str]:
    """Play a session's life, and name the operations of which each right answer was simulated; of the others none."""
    found = sources(client)
    mixed = {name for name, each in found.items() if "simulated" in each and len(each) > 1}
    assert mixed == set()
    return {name for name, each in found.items() if "simulated" in each}


# What is changed


def operation(document: Any, name: str) -> Any:
    path, method = PLACES[name]
    return document["paths"][path][method]


def schema(document: Any, name: str) -> Any:
    return document["components"]["schemas"][name]


def answer(name: str, status: str, content: Json) -> Change:
    """Let an operation answer with another status or content only."""

    def change(document: Any) -> None:
        errors = {each: reply for each, reply in operation(document, name)["responses"].items() if each >= "400"}
        reply = {"description": "Another.", **({"content": content} if content is not None else {})}
        operation(document, name)["responses"] = {status: reply, **errors}

    return change


def body(name: str, given: Json, *, required: bool = True) -> Change:
    """Let an operation take another body."""

    def change(document: Any) -> None:
        content = {"application/json": {"schema": given}}
        operation(document, name)["requestBody"] = {"content": content, "required": required}

    return change


def field(kind: str, name: str, given: Json) -> Change:
    """Let a field of a schema be another."""

    def change(document: Any) -> None:
        kinds = [kind, "SessionDetail"] if kind == "ChatSessionSummary" else [kind]
        for each in kinds:
            schema(document, each)["properties"][name] = given

    return change


def need(kind: str, name: str) -> Change:
    """Let a schema require one more field."""
    return lambda document: schema(document, kind).setdefault("required", []).append(name)


def media(given: Json) -> Json:
    return {"application/json": {"schema": given}}


def renamed(document: Any) -> None:
    """Call the path parameter otherwise."""
    text = {path: item for path, item in document["paths"].items() if "{session_id}" in path}
    for path, item in text.items():
        del document["paths"][path]
        document["paths"][path.replace("{session_id}", "{chat_id}")] = item
    for parameter in document["components"]["parameters"].values():
        if parameter["name"] == "session_id":
            parameter["name"] = "chat_id"


SUMMARIES = {"create", "get_summary", "set_title", "list"}


@pytest.mark.parametrize("version", VERSIONS)
def test_what_takes_and_gives_the_same_is_played_whatever_it_is_called(version: str, tmp_path: Path) -> None:
    client = own(tmp_path, version=version)
    assert played(client) == set(PLACES) - ({"set_title"} if version != "2.6" else set())


def test_the_very_contract_of_the_chat_is_not_played_without_the_pack(tmp_path: Path) -> None:
    contract = str(write_document(tmp_path, contract_of("2.6").document))
    client = Client(Mock(settings(contract=contract, seed=0, api="none")))
    assert set().union(*sources(client).values()) == {"documented"}
    assert len(client.mock.store) == 0


def test_a_played_contract_of_ones_own_keeps_the_rules_of_its_features(tmp_path: Path) -> None:
    newest, oldest = (
        own(tmp_path, version="2.17", missing_indexes="idx-gone"),
        own(tmp_path, missing_indexes="idx-gone"),
    )
    assert newest.create()["shared_access"] == "read_only"
    assert "shared_access" not in oldest.create()
    assert newest.turn("ses-a", indexes=["idx-gone"])[-1]["skipped_index_ids"] == ["idx-gone"]
    assert "skipped_index_ids" not in oldest.turn("ses-a", indexes=["idx-gone"])[-1]
    assert newest.summary("ses-a")["generated_title"] is not None
    assert oldest.summary("ses-a")["generated_title"] is None


@pytest.mark.parametrize(
    ("change", "unplayed"),
    [
        pytest.param(renamed, set(PLACES) - {"create", "list"}, id="another name of the path's parameter"),
        pytest.param(need("ChatSessionSummary", "owner"), SUMMARIES, id="summary with one more field"),
        pytest.param(need("SessionDetail", "owner"), {"retrieve"}, id="detail with one more field"),
        pytest.param(
            field("ChatSessionSummary", "session_id", {"type": "integer"}), {*SUMMARIES, "retrieve"}, id="ids"
        ),
        pytest.param(answer("list", "200", media({"type": "array"})), {"list"}, id="list as an array"),
        pytest.param(
            answer("list", "200", media({"type": "object", "required": ["data"]})), {"list"}, id="list of data"
        ),
        pytest.param(answer("get_summary", "200", {"text/plain": {}}), {"get_summary"}, id="summary as text"),
        pytest.param(answer("get_summary", "200", None), {"get_summary"}, id="summary without a body"),
        pytest.param(answer("delete", "200", media(OBJECT)), {"delete"}, id="delete with a body"),
        pytest.param(body("set_title", OBJECT), {"set_title"}, id="title from something else"),
        pytest.param(lambda document: operation(document, "set_title").pop("requestBody"), {"set_title"}, id="no body"),
        pytest.param(body("set_title", {"type": "string"}), {"set_title"}, id="title from a text"),
        pytest.param(body("create", OBJECT), {"create"}, id="create from something else"),
        pytest.param(body("stream", OBJECT), {"stream"}, id="turn from something else"),
        pytest.param(field("ChatParams", "index_ids", {"type": "string"}), {"stream"}, id="one index"),
        pytest.param(answer("stream", "200", media(OBJECT)), {"stream"}, id="turn as another JSON"),
        pytest.param(
            answer("stream", "200", {STREAM_MEDIA: {"schema": {"type": "string"}, "x-item-schema": OBJECT}}),
            {"stream"},
            id="events of another shape",
        ),
    ],
)
def test_what_takes_or_gives_something_else_is_not_played(
    change: Change, unplayed: Collection[str], tmp_path: Path
) -> None:
    assert played(own(tmp_path, change)) == PLACES.keys() - unplayed


@pytest.mark.parametrize(
    "change",
    [
        answer("create", "200", media({"$ref": "#/components/schemas/ChatSessionSummary"})),
        answer("delete", "200", None),
        answer("set_title", "202", media({})),
        field("SessionCreate", "name", {"type": "string"}),
        lambda document: document["paths"][BASE].pop("parameters", None),
        lambda document: operation(document, "list").pop("parameters"),
        lambda document: document["paths"].pop(ONE + "/summary"),
        body("set_title", {}, required=False),
        body("set_title", {"$ref": "#/components/schemas/GenerateTitleParams"}, required=False),
        field("SessionCreate", "index_ids", {"type": "array"}),
        field("ChatParams", "prompt", {"type": "string", "minLength": 9}),
    ],
    ids=[
        "create 200",
        "delete 200",
        "title 202",
        "a field more to take",
        "no shared parameters",
        "no paging",
        "a path",
        "title from anything",
        "title from what may be left out",
        "indexes of any kind",
        "long prompts",
    ],
)
def test_what_differs_without_harm_is_played(change: Change, tmp_path: Path) -> None:
    client = own(tmp_path, change)
    there = {name for name, (path, _) in PLACES.items() if path in client.mock.document()["paths"]}
    assert played(client) == there


OTHER_SESSIONS: dict[str, Change] = {
    "a title always": field("ChatSessionSummary", "generated_title", {"type": "string"}),
    "never a title": field("ChatSessionSummary", "generated_title", {"type": "null"}),
    "indexes always": field("ChatSessionSummary", "index_ids", {"type": "array"}),
    "never indexes": field("ChatSessionSummary", "index_ids", {"type": "null"}),
    "never a run": field("ChatSessionSummary", "job_metadata", {"type": "null"}),
    "a run always": field("ChatSessionSummary", "job_metadata", {"type": "object"}),
    "runs with one more field": need("JobMetadata", "cost"),
    "times with a zone": field("ChatSessionSummary", "last_updated_at", {"type": "string", "format": "date-time"}),
    "times as numbers": field("ChatSessionSummary", "last_updated_at", {"type": "integer"}),
    "no more fields": lambda document: schema(document, "ChatSessionSummary").update(additionalProperties=False),
    "another history": field("SessionDetail", "events", {"type": "array", "items": OBJECT}),
    "a history always": field("SessionDetail", "events", {"type": "array", "minItems": 1}),
    "stops with one more field": need("StopEvent", "cost"),
    "messages with one more field": need("UserInputEvent", "at"),
    "a token always": need("SessionList", "next_page_token"),
    "a count of all": need("SessionList", "total"),
    "turns on no index": field("ChatParams", "index_ids", {"type": "array", "items": {"type": "string"}}),
    "turns on anything": field("ChatParams", "index_ids", {"type": ["array", "null"]}),
    "no errors declared": lambda document: [
        operation(document, name)["responses"].pop(status, None) for name in PLACES for status in ("400", "404", "422")
    ],
}
LIMITS: dict[str, Change] = {
    "ids of another form": field("ChatSessionSummary", "session_id", PATTERN),
    "short titles": field("ChatSessionSummary", "generated_title", {"type": ["string", "null"], "maxLength": 10}),
    "one index": field("ChatSessionSummary", "index_ids", {"type": ["array", "null"], "maxItems": 1}),
    "short ids": field("ChatSessionSummary", "session_id", {"type": "string", "maxLength": 10}),
    "a short history": field("SessionDetail", "events", {"type": "array", "maxItems": 2}),
    "short messages": field("UserInputEvent", "content", {"type": "string", "maxLength": 9}),
    "short pages": field("SessionList", "items", {"type": "array", "maxItems": 1}),
}


@pytest.mark.parametrize("change", OTHER_SESSIONS.values(), ids=OTHER_SESSIONS)
def test_whatever_a_contract_says_of_sessions_no_call_fails(change: Change, tmp_path: Path) -> None:
    client = own(tmp_path, change)
    sources(client)
    judge = Judge(client.mock.document())
    for name in ("create", "get_summary", "retrieve", "set_title", "list"):
        response = client.send("GET") if name == "list" else client.send("POST") if name == "create" else None
        response = client.call(name, "ses-y") if response is None else response
        path = PLACES[name][0].replace("~", "~0").replace("/", "~1")
        place = f"/paths/{path}/{PLACES[name][1]}/responses/{response.status}/content/application~1json/schema"
        assert judge.errors(place, value(response)) == []


@pytest.mark.parametrize("change", LIMITS.values(), ids=LIMITS)
def test_whatever_limits_a_contract_sets_no_call_fails(change: Change, tmp_path: Path) -> None:
    sources(own(tmp_path, change))


TEXTS: Json = {"type": "array", "items": {"type": "string"}}
LOOSER: dict[str, tuple[Change, str, Json]] = {
    "no message": (
        field("GenerateTitleParams", "first_message", {"type": ["string", "null"]}),
        "set_title",
        {"first_message": None},
    ),
    "a message of another kind": (body("set_title", {}), "set_title", {"first_message": 5}),
    "a message that is left out": (body("set_title", {"type": "object"}), "set_title", {}),
    "a title from a text": (body("set_title", {"type": "string"}), "set_title", MESSAGE),
    "a title from nothing": (body("set_title", {}, required=False), "set_title", None),
    "no prompt": (
        field("ChatParams", "prompt", {"type": ["string", "null"]}),
        "stream",
        {"index_ids": INDEXES, "prompt": None},
    ),
    "no indexes": (
        field("ChatParams", "index_ids", {"anyOf": [TEXTS, {"type": "null"}]}),
        "stream",
        {"index_ids": None, "prompt": MESSAGE},
    ),
    "indexes of another kind": (
        field("ChatParams", "index_ids", {"type": "array"}),
        "stream",
        {"index_ids": [["idx-abc123"]], "prompt": MESSAGE},
    ),
    "a turn from a list": (body("stream", {"type": "array"}), "stream", INDEXES),
    "a session on indexes of another kind": (
        field("SessionCreate", "index_ids", {"type": "array"}),
        "create",
        {"index_ids": [["idx-abc123"]]},
    ),
    "a session shared in another way": (
        field("SessionCreate", "shared_access", {"type": "boolean"}),
        "create",
        {"shared_access": True},
    ),
    "a session from a text": (body("create", {"type": "string"}), "create", "a session"),
}
"""What a contract lets in that the chat does not take: a change, the operation, the body."""


@pytest.mark.parametrize(("change", "name", "sent"), LOOSER.values(), ids=LOOSER)
def test_a_body_that_only_the_contract_takes_is_answered_and_not_played(
    change: Change, name: str, sent: Json, tmp_path: Path
) -> None:
    client = own(tmp_path, change, version="2.17" if "shared_access" in str(sent) else "2.6")
    method, end, _ = CALLS.get(name, ("POST", "", None))
    response = client.send(method, f"/ses-a{end}" if end else "", sent)
    assert response.status in (200, 201)
    assert header(response, "x-mock-source") in ("assembled", "generated")
    assert len(client.mock.store) == 0


@pytest.mark.parametrize("indexes", [[], [f"idx-{number}" for number in range(40)]], ids=["none", "forty"])
def test_a_looser_contract_may_let_in_any_number_of_indexes(indexes: list[str], tmp_path: Path) -> None:
    client = own(tmp_path, field("ChatParams", "index_ids", TEXTS), field("SessionCreate", "index_ids", TEXTS))
    session_id = client.create(index_ids=indexes)["session_id"]
    assert client.turn(session_id, indexes=indexes)[-1]["type"] == "stop"
    assert client.summary(session_id)["index_ids"] == indexes


# Turns without a stream


def plain(document: Any) -> None:
    """Leave of a turn's answer what upstream's published contract declares."""
    operation(document, "stream")["responses"]["200"]["content"].pop(STREAM_MEDIA)


def test_a_turn_without_a_stream_declared_is_played_and_answered_with_an_empty_object(tmp_path: Path) -> None:
    client = own(tmp_path, plain)
    response = client.attempt("ses-a", "What happened?")
    assert (response.status, header(response, "content-type")) == (200, "application/json")
    assert (header(response, "x-mock-source"), response.body) == ("simulated", b"{}")
    history = client.retrieve("ses-a")
    assert prompts(history) == ["What happened?"]
    assert history["events"][-1]["type"] == "stop"
    assert history["job_metadata"]["is_error"] is False


def test_of_a_declared_stream_nothing_need_be_said_of_its_events(tmp_path: Path) -> None:
    bare = answer("stream", "200", {STREAM_MEDIA: {"schema": {"type": "string"}}})
    assert own(tmp_path, bare).turn("ses-a")[-1]["type"] == "stop"


def test_where_nothing_but_a_stream_is_declared_asking_for_json_does_not_fail(tmp_path: Path) -> None:
    bare = answer("stream", "200", {STREAM_MEDIA: {"schema": {"type": "string"}}})
    assert own(tmp_path, bare, stream="json").attempt("ses-a").status < 500


def test_a_declared_stream_can_be_answered_with_json(tmp_path: Path) -> None:
    client = own(tmp_path, stream="json")
    assert client.attempt("ses-a").body == b"{}"
    assert prompts(client.retrieve("ses-a"))
