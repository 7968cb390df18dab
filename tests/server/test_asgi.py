"""What every caller meets before and around an answer: paths and methods, keys, other origins, and labelled errors."""

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import structs

from mockserver.contract.tree import lookup
from mockserver.engine import Mock
from mockserver.messages import LONGEST_HEADERS, LONGEST_TARGET, Chunk, Json, Request, Response, Stream
from mockserver.server.asgi import App
from mockserver.settings import SOURCES, Settings
from mockserver.store.base import Record, Update
from mockserver.store.memory import MemoryStore
from mockserver.testing import open_mock
from tests.conftest import app_of
from tests.oracle import Answer, call, oracle
from tests.strategies import Judge, bodies, body_values, content_types, own_document, queries, write_document
from tests.talk import KEY, MESSAGE, TITLE, ask, events, header, value

CHAT = "/api/v1/chat"
GOOD = json.dumps({"first_message": MESSAGE}).encode()
JSON = ("content-type", "application/json")
AUTH = ("authorization", KEY)
ORIGIN = ("origin", "https://app.example")
CLOCK = "2026-04-22T12:34:41.342245"
TEMPLATES = {
    "/api/v1/chat": ("GET", "POST"),
    "/api/v1/chat/{session_id}": ("DELETE", "GET"),
    "/api/v1/chat/{session_id}/summary": ("GET",),
    "/api/v1/chat/{session_id}/title": ("POST",),
    "/api/v1/chat/{session_id}/messages/stream": ("POST",),
}
"""Every path of the API, with its methods."""

mock = Mock(Settings(seed=0))
app = app_of(mock)


def paths() -> list[tuple[str, frozenset[str]]]:
    """Give every path with all methods that it answers."""
    return [
        (path.replace("{session_id}", "ses-abc123"), frozenset({*methods, "OPTIONS", *(["HEAD"] * ("GET" in methods))}))
        for path, methods in TEMPLATES.items()
    ]


def title(*fields: tuple[str, str], body: bytes = GOOD, on: App = app) -> Answer:
    return call(on, "POST", TITLE, headers=[JSON, *fields], body=body)


# What a server gives to be awaited


class Bare:
    """An awaitable that is an iterator and no generator, as some servers give: it asks for one turn of the loop."""

    def __init__(self, message: dict[str, Any], turns: int) -> None:
        self.message, self.turns = message, turns

    def __await__(self) -> Any:
        return self

    def __iter__(self) -> "Bare":
        return self

    def __next__(self) -> None:
        if not self.turns:
            raise StopIteration(self.message)
        self.turns -= 1


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_a_body_is_read_whatever_a_server_gives_to_be_awaited(turns: int) -> None:
    parts = [GOOD[:9], GOOD[9:]]
    messages = [{"type": "http.request", "body": part, "more_body": part is parts[0]} for part in parts]
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(name.encode(), value.encode()) for name, value in (JSON, AUTH)]
    scope = {"type": "http", "method": "POST", "path": TITLE, "query_string": b"", "headers": headers}
    asyncio.run(app(scope, lambda: Bare(messages.pop(0), turns), send))
    assert (sent[0]["status"], messages) == (200, [])


# Paths and methods

segments = st.sampled_from(["api", "v1", "chat", "ses-abc123", "title", "summary", "messages", "stream", ""])
near_paths = st.lists(segments, max_size=7).map(lambda parts: "/" + "/".join(parts)) | st.builds(
    lambda path, end: path + end,
    st.sampled_from([path for path, _ in paths()]),
    st.sampled_from(["", "/", "//", "/x", "/title/", "x"]),
)


@given(st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "FOO"]), near_paths)
@example("DELETE", "/api/v1/chat/")
@example("POST", "/api/v1/chat//title")
@example("POST", "/api/v1/chat/ses-abc123/title///")
@example("GET", "/")
def test_paths_and_methods_are_told_apart_as_upstream_does(method: str, path: str) -> None:
    theirs = call(oracle, method, path, headers=[JSON], body=GOOD)
    ours = call(app, method, path, headers=[JSON], body=GOOD)
    if theirs.status in (404, 405):
        assert (ours.status, ours.body) == (theirs.status, theirs.body)
    elif theirs.status == 307:
        assert (ours.status, f"http://127.0.0.1{ours.header('location')}") == (307, theirs.header("location"))
    else:
        assert ours.status == 401


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "TRACE", "FOO", "get", "\xe9"])
@pytest.mark.parametrize("path", ["/", "/api/v1", "/api/v1/chats", "/api/v1/chat/a/b", "/api/v1/chat//title", "*"])
def test_an_unknown_path_is_404_for_every_method(method: str, path: str) -> None:
    answer = call(app, method, path)
    assert answer.status == 404
    assert answer.body == (b"" if method == "HEAD" else b'{"detail":"Not Found"}')


@pytest.mark.parametrize(("path", "methods"), paths())
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "TRACE", "FOO", "post", "\xe9"])
def test_a_method_that_a_path_has_not_is_405_with_all_that_it_has(
    path: str, methods: frozenset[str], method: str
) -> None:
    answer = call(app, method, path, headers=[AUTH])
    if method in methods:
        assert answer.status not in (404, 405)
        return
    assert answer.status == 405
    assert answer.body == (b"" if method == "HEAD" else b'{"detail":"Method Not Allowed"}')
    assert set((answer.header("allow") or "").split(", ")) == methods


@pytest.mark.parametrize(("path", "methods"), paths())
def test_options_says_what_a_path_has_and_asks_for_no_key(path: str, methods: frozenset[str]) -> None:
    answer = call(app, "OPTIONS", path)
    assert (answer.status, answer.body) == (204, b"")
    assert set((answer.header("allow") or "").split(", ")) == methods
    assert answer.header("content-length") is None


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("path", [path for path, methods in paths() if "GET" in methods])
def test_head_gives_the_headers_of_get_and_no_body(path: str, source: Any) -> None:
    chosen = app_of(Mock(Settings(seed=3, answers=source)))
    got = call(chosen, "GET", path, headers=[AUTH])
    headed = call(chosen, "HEAD", path, headers=[AUTH])
    assert got.status == 200
    assert got.header("content-length") == str(len(got.body))
    assert (headed.status, headed.headers, headed.body) == (got.status, got.headers, b"")


@pytest.mark.parametrize("query", ["", "?project_id=abc&x=%20%C3%A9&x"])
def test_a_slash_at_the_end_is_redirected_with_its_query(query: str) -> None:
    answer = call(app, "POST", TITLE + "/", query=query.removeprefix("?"))
    assert (answer.status, answer.header("location"), answer.body) == (307, TITLE + query, b"")


def test_a_client_that_follows_the_redirect_gets_its_answer(base_url: str) -> None:
    with httpx.Client(base_url=base_url, follow_redirects=True, headers={"authorization": KEY}) as client:
        answer = client.post(TITLE + "/?x=1", json={"first_message": MESSAGE})
    assert [each.status_code for each in answer.history] == [307]
    assert (answer.status_code, answer.json()["generated_title"]) == (200, MESSAGE + "...")
    assert str(answer.url) == base_url + TITLE + "?x=1"


@given(st.text(min_size=1, max_size=30))
@example("a/b")
@example("a%2Fb")
@example("..")
@example("%")
@example("title")
@example("\x00\r\n")
@example("a?b#c;d e")
@example("\U0001f600é\u202e")
def test_an_id_is_echoed_exactly_whatever_it_is_made_of(session_id: str) -> None:
    answer = call(app, "POST", f"{CHAT}/{quote(session_id, safe='')}/title", headers=[AUTH, JSON], body=GOOD)
    assert (answer.status, answer.value["session_id"]) == (200, session_id)


def test_an_id_that_is_no_text_is_echoed_as_near_as_text_can() -> None:
    answer = call(app, "POST", f"{CHAT}/a%FF%ED%A0%80b/title", headers=[AUTH, JSON], body=GOOD)
    assert (answer.status, answer.value["session_id"]) == (200, "a\ufffd\ufffd\ufffd\ufffdb")


# Keys


@pytest.mark.parametrize(
    "sent",
    [None, "", "Bearer", "Bearer ", "Bearer   ", "Basic dXNlcjpwYXNz", "any-key", "Bearer\tkey", "Bearerkey", " "],
)
@pytest.mark.parametrize("api_key", [None, "right-key"])
def test_a_missing_or_malformed_key_is_401(sent: str | None, api_key: str | None) -> None:
    answer = title(*([("authorization", sent)] if sent is not None else []), on=app_of(Mock(Settings(api_key=api_key))))
    assert (answer.status, answer.body) == (401, b'{"detail":"Not authenticated"}')
    assert answer.header("www-authenticate") == "Bearer"
    assert answer.header("x-mock-pointer") == "/header/authorization"


@pytest.mark.parametrize("sent", ["Bearer x", "bearer x", "BEARER My API Key", "Bearer string", "Bearer llx-\xe9"])
def test_any_key_is_right_by_default(sent: str) -> None:
    assert title(("authorization", sent)).status == 200


@pytest.mark.parametrize("sent", ["Bearer right-ke", "Bearer right-key2", "Bearer RIGHT-KEY", "Bearer right-key, x"])
def test_another_key_than_the_right_one_is_401(sent: str) -> None:
    answer = title(("authorization", sent), on=app_of(Mock(Settings(api_key="right-key"))))
    assert (answer.status, answer.body) == (401, b'{"detail":"Invalid authentication token"}')
    assert answer.header("www-authenticate") == "Bearer"


@pytest.mark.parametrize("sent", ["Bearer right-key", "bearer right-key", "Bearer  right-key"])
def test_the_right_key_is_right(sent: str) -> None:
    assert title(("authorization", sent), on=app_of(Mock(Settings(api_key="right-key")))).status == 200


@pytest.mark.parametrize("fields", [[], [("authorization", "Basic x")], [("authorization", "Bearer wrong")]])
def test_without_authentication_no_key_is_asked_for(fields: list[tuple[str, str]]) -> None:
    assert title(*fields, on=app_of(Mock(Settings(auth=False, api_key="right-key")))).status == 200


@pytest.mark.parametrize(
    ("method", "path", "fields", "body", "status"),
    [
        ("POST", "/api/v1/chats", [], b"", 404),
        ("PUT", TITLE, [], b"", 405),
        ("POST", TITLE + "/", [], b"", 307),
        ("POST", TITLE, [], b"{", 401),
        ("POST", TITLE, [("prefer", "code=999")], b"{}", 401),
        ("POST", TITLE, [AUTH, ("prefer", "code=999")], b"{}", 422),
        ("POST", TITLE, [AUTH, ("prefer", "code=999")], GOOD, 400),
    ],
)
def test_path_and_method_are_judged_before_the_key_and_the_key_before_the_request(
    method: str, path: str, fields: list[tuple[str, str]], body: bytes, status: int
) -> None:
    assert call(app, method, path, headers=[JSON, *fields], body=body).status == status


# Streams


ROOT_CALL: Any = {
    "type": "http",
    "method": "POST",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "headers": [],
}


class Teller(Mock):
    """A mock that tells one stream, whatever it is asked; it notes that, and how much of the stream went out."""

    def __init__(self, *chunks: Chunk, fails: bool = False) -> None:
        super().__init__(Settings(seed=0))
        self.chunks, self.fails, self.closed, self.asked = chunks, fails, list[int](), list[Request]()

    def handle(self, request: Request) -> Response:
        self.asked.append(request)
        return Response(200, [(b"content-type", b"text/event-stream")], stream=Stream(self.chunks, self.close))

    def close(self, sent: int) -> bytes:
        self.closed.append(sent)
        if self.fails:
            raise RuntimeError("no end today")
        return b"end"


def listened(teller: Teller, leaves_after: float | None = None) -> list[tuple[float, bytes]]:
    """Ask for the stream; gives its parts, each with the seconds until it came. The caller may leave in between."""

    async def ask_and_listen() -> list[tuple[float, bytes]]:
        loop, parts, waiting = asyncio.get_running_loop(), list[tuple[float, bytes]](), [{"type": "http.request"}]
        began = loop.time()

        async def receive() -> Any:
            if not waiting:
                await (asyncio.Event().wait() if leaves_after is None else asyncio.sleep(leaves_after))
                return {"type": "http.disconnect"}
            return waiting.pop()

        async def send(message: Any) -> None:
            if message.get("more_body"):
                parts.append((loop.time() - began, message["body"]))

        await asyncio.wait_for(App(teller, control=oracle)(ROOT_CALL, receive, send), 10)
        return parts

    return asyncio.run(ask_and_listen())


def test_a_stream_leaves_part_by_part_in_its_time_and_is_closed_once() -> None:
    teller = Teller(Chunk(0.0, b"a"), Chunk(0.2, b"b"), Chunk(0.2, b"c"), Chunk(0.4, b""))
    parts = listened(teller)
    assert [part for _, part in parts] == [b"a", b"b", b"c", b"end"]
    for (came, _), due in zip(parts, (0.0, 0.2, 0.2, 0.4), strict=True):
        assert came >= due - 0.01
    assert parts[0][0] < 0.2
    assert teller.closed == [4]


def test_a_caller_that_leaves_ends_the_stream_at_once_and_it_is_told_how_far_it_went() -> None:
    teller = Teller(Chunk(0.0, b"a"), Chunk(60.0, b"b"))
    assert [part for _, part in listened(teller, leaves_after=0.1)] == [b"a"]
    assert teller.closed == [1]


def test_a_stream_whose_end_fails_ends_all_the_same() -> None:
    teller = Teller(Chunk(0.0, b"a"), fails=True)
    assert [part for _, part in listened(teller)] == [b"a"]
    assert teller.closed == [1]


class Waiting(Teller):
    """A teller whose store takes its time to keep what was told, in a thread."""

    threads, waits = 1, True

    def __init__(self, *chunks: Chunk) -> None:
        super().__init__(*chunks)
        self.closing = threading.Event()

    def close(self, sent: int) -> bytes:
        self.closing.set()
        time.sleep(0.05)
        return super().close(sent)


def test_a_turn_that_a_stopping_server_cuts_off_is_kept_before_its_loop_ends() -> None:
    teller = Waiting(Chunk(0.0, b"a"), Chunk(60.0, b"b"))

    async def stop_in_between() -> None:
        begun, waiting = asyncio.Event(), [{"type": "http.request"}]

        async def receive() -> Any:
            return waiting.pop() if waiting else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            if message.get("body") == b"a":
                begun.set()

        task = asyncio.ensure_future(App(teller, control=oracle)(ROOT_CALL, receive, send))
        await begun.wait()
        task.cancel()  # the server's patience is over
        while not teller.closing.is_set():
            await asyncio.sleep(0)
        task.cancel()  # its loop ends
        await asyncio.wait_for(task, 10)

    asyncio.run(stop_in_between())
    assert teller.closed == [1]


def test_a_turn_is_sent_as_a_stream_of_events_that_a_browser_can_read() -> None:
    body = json.dumps({"index_ids": ["idx-a"], "prompt": MESSAGE}).encode()
    answer = call(app, "POST", f"{CHAT}/s/messages/stream", headers=[AUTH, JSON, ORIGIN], body=body)
    assert (answer.status, answer.header("content-type")) == (200, "text/event-stream")
    assert (answer.header("cache-control"), answer.header("content-length")) == ("no-cache", None)
    assert answer.header("access-control-allow-origin") == "*"
    assert events(answer.body)[-1]["type"] == "stop"


# Other origins


def preflight(path: str, method: str, fields: str, on: App = app) -> Answer:
    asked = [("access-control-request-method", method), ("access-control-request-headers", fields)]
    return call(on, "OPTIONS", path, headers=[ORIGIN, *asked])


@pytest.mark.parametrize(("path", "method"), [(TITLE, "POST"), (CHAT, "GET"), (CHAT + "/ses-abc123", "DELETE")])
def test_a_browser_may_ask_from_another_origin(path: str, method: str) -> None:
    answer = preflight(path, method, "authorization, content-type, prefer, x-stainless-lang")
    assert answer.status == 200
    assert answer.header("access-control-allow-origin") == "*"
    assert method in (answer.header("access-control-allow-methods") or "")
    allowed = (answer.header("access-control-allow-headers") or "").lower().replace(" ", "").split(",")
    assert {"authorization", "content-type", "prefer", "x-stainless-lang"} <= set(allowed)


def test_a_browser_can_read_an_answer_and_what_the_mock_says_of_it() -> None:
    answer = title(AUTH, ORIGIN)
    assert (answer.status, answer.header("access-control-allow-origin")) == (200, "*")
    exposed = {name.strip().lower() for name in (answer.header("access-control-expose-headers") or "").split(",")}
    said = {name for name, _ in (*answer.headers, *title(ORIGIN).headers) if name.startswith("x-mock-")}
    assert said <= exposed
    assert {"x-mock-withdrawn", "preference-applied", "retry-after-ms", "x-should-retry"} <= exposed


def test_a_browser_can_read_the_fields_that_the_contract_declares(tmp_path: Path) -> None:
    document = own_document()
    document["components"]["responses"]["Note"]["headers"] = {"X-Total": {"schema": {"type": "integer"}}}
    own = app_of(Mock(Settings(contract=str(write_document(tmp_path, document)), seed=0)))
    answer = call(own, "GET", "/notes/n1", headers=[ORIGIN])
    assert "x-total" in (answer.header("access-control-expose-headers") or "").split(", ")


def test_named_origins_are_answered_with_credentials_and_no_others() -> None:
    named = app_of(Mock(Settings(seed=0, cors_origin="http://other.test, http://b.test")))
    headers = [AUTH, JSON, ("origin", "http://b.test")]
    answer = call(named, "POST", TITLE, headers=headers, body=GOOD)
    assert answer.header("access-control-allow-origin") == "http://b.test"
    assert answer.header("access-control-allow-credentials") == "true"
    stranger = call(named, "POST", TITLE, headers=[AUTH, JSON, ("origin", "http://evil.test")], body=GOOD)
    assert stranger.header("access-control-allow-origin") is None
    assert title(AUTH, ORIGIN).header("access-control-allow-credentials") is None, "by default every origin, without"


def test_a_preflight_that_is_none_is_answered_as_any_options() -> None:
    answer = call(app, "OPTIONS", TITLE, headers=[ORIGIN])
    assert (answer.status, answer.header("allow"), answer.header("access-control-allow-origin")) == (
        204,
        "OPTIONS, POST",
        "*",
    )


def test_without_cors_no_other_origin_is_answered() -> None:
    closed = app_of(Mock(Settings(seed=0, cors=False)))
    answers = [title(AUTH, ORIGIN, on=closed), title(ORIGIN, on=closed), preflight(TITLE, "POST", "prefer", on=closed)]
    assert [answer.status for answer in answers] == [200, 401, 204]
    assert not [name for answer in answers for name, _ in answer.headers if name.startswith("access-control-")]


# Retries


def test_a_defect_of_the_mock_is_not_to_be_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a defect")

    mine = Mock(Settings(seed=0))
    monkeypatch.setattr(mine.store, "update", fail)
    answer = call(app_of(mine), "POST", TITLE, headers=[AUTH, JSON], body=GOOD)
    assert (answer.status, answer.header("x-mock-fault"), answer.header("x-should-retry")) == (500, "mock", "false")


def test_a_500_that_was_asked_for_may_be_tried_again() -> None:
    mine = Mock(Settings(seed=0))
    mine.served.stubs.add("default", {"operation": "set_title", "status": 500})
    answer = call(app_of(mine), "POST", TITLE, headers=[AUTH, JSON], body=GOOD)
    assert (answer.status, answer.header("x-should-retry")) == (500, None)


# Errors


class Wrong(NamedTuple):
    """A request that is refused, and what must be said of it."""

    name: str
    status: int
    pointer: str
    method: str = "POST"
    path: str = TITLE
    template: str | None = "/api/v1/chat/{session_id}/title"
    query: str = ""
    fields: tuple[tuple[str, str], ...] = (AUTH, JSON)
    body: bytes = GOOD

    def __str__(self) -> str:
        return self.name

    def sent(self, on: App = app, *more: tuple[str, str]) -> Answer:
        return call(on, self.method, self.path, query=self.query, headers=[*self.fields, *more], body=self.body)


TURN = Wrong("", 0, "", path=f"{CHAT}/s/messages/stream", template="/api/v1/chat/{session_id}/messages/stream")
WRONG = [
    Wrong("path", 404, "/path", path="/api/v1/chats", template=None),
    Wrong("method", 405, "/method", method="PUT", template=None),
    Wrong("no-key", 401, "/header/authorization", fields=(JSON,)),
    Wrong("query", 422, "/query/project_id", query="project_id=abc"),
    Wrong("page-size", 422, "/query/page_size", "GET", CHAT, CHAT, "page_size=abc"),
    Wrong("missing-body", 422, "/body", body=b""),
    Wrong("no-object", 422, "/body", body=b"[]"),
    Wrong("field", 422, "/body/first_message", body=b'{"first_message":5}'),
    TURN._replace(name="item", status=422, pointer="/body/index_ids/1", body=b'{"prompt":"x","index_ids":["a",5]}'),
    Wrong("no-json", 422, "/body", body=b'{"first_message":'),
    Wrong("no-text", 400, "/body", body=b'{"first_message":"\xff"}'),
    Wrong("surrogate", 422, "/body/first_message", body=b'{"first_message":"\\ud800"}'),
    Wrong("preference-form", 400, "/header/prefer", fields=(AUTH, JSON, ("prefer", "code=abc"))),
    Wrong("preference-status", 400, "/header/prefer", fields=(AUTH, JSON, ("prefer", "code=299"))),
    Wrong("preference-example", 400, "/header/prefer", fields=(AUTH, JSON, ("prefer", 'example="\xe9%"'))),
    Wrong("long-body", 413, "/body", body=b" " * 9_000_000),
    Wrong("long-target", 414, "", query="x" * (LONGEST_TARGET + 1)),
    Wrong("long-headers", 431, "", fields=(AUTH, JSON, ("x-long", "x" * LONGEST_HEADERS))),
]


def assert_told(answer: Answer, served: Mock, status: int, fault: str, pointer: str) -> None:
    """See that an error says whose fault it is, where, what, and by which place of the contract."""
    assert answer.status == status
    assert answer.header("x-mock-fault") == fault
    assert answer.header("x-mock-pointer") == pointer
    assert len(answer.header("x-mock-message") or "") > 10
    name, _, place = (answer.header("x-mock-contract") or "").partition("#")
    assert place.startswith("/")
    lookup(served.document(name), unquote(place))


def declared(document: Json, template: str | None, method: str, status: int) -> str:
    """Give the place of the schema that an error's body must satisfy, found without the mock's own reader."""
    if template is None:
        place = "/components/responses/" + {404: "NotFound", 405: "MethodNotAllowed"}[status]
    else:
        place = f"/paths/{template.replace('/', '~1')}/{method.lower()}/responses/{status}"
        place = lookup(document, place).get("$ref", "#" + place).removeprefix("#")
    return place + "/content/application~1json/schema"


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_an_error_says_whose_fault_it_is_where_and_what_the_contract_says(wrong: Wrong) -> None:
    assert_told(wrong.sent(), mock, wrong.status, "client", wrong.pointer)


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_an_error_has_the_form_that_the_contract_gives_it(wrong: Wrong) -> None:
    answer = wrong.sent()
    document = mock.document((answer.header("x-mock-contract") or "").partition("#")[0])
    assert answer.header("content-type") == "application/json"
    assert answer.header("content-length") == str(len(answer.body))
    place = declared(document, wrong.template, wrong.method, answer.status)
    assert Judge(document).errors(place, answer.value) == []


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_browser_can_read_an_error(wrong: Wrong) -> None:
    answer = wrong.sent(app, ORIGIN)
    assert (answer.status, answer.header("access-control-allow-origin")) == (wrong.status, "*")
    assert "x-mock-message" in (answer.header("access-control-expose-headers") or "").lower()
    assert answer.body == wrong.sent().body


@pytest.mark.parametrize("version", ["2.6", "2.8", "2.17"])
@pytest.mark.parametrize("status", [401, 404, 405, 422])
def test_errors_are_told_in_each_version(version: str, status: int) -> None:
    served = Mock(Settings(seed=0, contract=version))
    wrong = {
        401: Wrong("", 401, "/header/authorization", "GET", CHAT, CHAT, fields=()),
        404: Wrong("", 404, "/path", "GET", "/x", None),
        405: Wrong("", 405, "/method", "PUT", CHAT, None),
        422: Wrong("", 422, "/body/index_ids", path=CHAT, template=CHAT, body=b'{"index_ids":5}'),
    }[status]
    answer = wrong.sent(app_of(served))
    assert_told(answer, served, status, "client", wrong.pointer)
    document = served.document(version)
    assert Judge(document).errors(declared(document, wrong.template, wrong.method, status), answer.value) == []


def test_a_body_that_does_not_arrive_is_408_with_the_same_words_about_it() -> None:
    async def ask_without_end() -> list[Any]:
        sent: list[Any] = []
        waiting = [{"type": "http.request", "body": b'{"first', "more_body": True}]

        async def receive() -> Any:
            return waiting.pop() if waiting else await asyncio.Event().wait()

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": TITLE, "raw_path": TITLE.encode(), "query_string": b""}
        impatient = app_of(Mock(Settings(body_timeout=0.05)))
        await asyncio.wait_for(impatient({**scope, "headers": [(b"content-length", b"99")]}, receive, send), 5)
        return sent

    start, body = asyncio.run(ask_without_end())
    fields = [(name.decode(), text.decode()) for name, text in start["headers"]]
    answer = Answer(start["status"], fields, body["body"])
    assert_told(answer, mock, 408, "client", "/body")
    assert answer.header("connection") == "close"
    document = mock.document("2.6")
    place = declared(document, "/api/v1/chat/{session_id}/title", "POST", 408)
    assert Judge(document).errors(place, answer.value) == []


def test_only_the_first_of_several_faults_stands_in_the_headers() -> None:
    wrong = WRONG[0]._replace(path=TITLE, query="organization_id=x&project_id=y", body=b"{}")
    answer = wrong.sent()
    assert len(answer.value["detail"]) == 3
    assert answer.header("x-mock-pointer") == "/query/project_id"


class Broken(Mock):
    """A mock that fails at every request."""

    def handle(self, request: Request) -> Response:
        raise RuntimeError(f"no {request.method} today")


def test_a_failure_of_the_mock_is_a_500_in_the_contracts_form_and_called_its_own() -> None:
    broken = Broken(Settings(seed=0))
    answer = title(AUTH, ORIGIN, on=App(broken, control=oracle))
    assert_told(answer, broken, 500, "mock", "")
    assert answer.header("access-control-allow-origin") == "*"
    document = broken.document("2.6")
    place = declared(document, "/api/v1/chat/{session_id}/title", "POST", 500)
    assert Judge(document).errors(place, answer.value) == []
    assert "today" not in answer.body.decode(), "what went wrong inside is for the log"


class Forgetful(MemoryStore):
    """A store that loses a session's id."""

    def update(self, scope: str, collection: str, id: str, step: Update) -> Record | None:
        kept = super().update(scope, collection, id, step)
        lost: dict[str, Any] = {"id": None}
        return kept and structs.replace(kept, **lost)


def test_an_answer_that_breaks_the_contract_is_a_500_that_says_where() -> None:
    forgetful = Mock(Settings(seed=0), Forgetful())
    answer = title(AUTH, on=app_of(forgetful))
    assert_told(answer, forgetful, 500, "mock", "/body/session_id")
    assert "/body/session_id" in answer.value["detail"]


def test_a_value_that_the_contract_gives_no_way_to_make_is_called_the_contracts_fault(tmp_path: Path) -> None:
    document = own_document()
    document["components"]["schemas"]["Note"]["properties"]["text"] = {
        "type": "string",
        "pattern": "^[a-z]{8}$",
        "not": {"pattern": "[a-y]"},
    }
    examples = document["components"]["responses"]["Note"]["content"]["application/json"]["examples"]
    examples["short"]["value"]["text"] = "zzzzzzzz"
    served = Mock(Settings(seed=0, contract=str(write_document(tmp_path, document))))
    answer = call(app_of(served), "GET", "/notes/n1", headers=[("prefer", "dynamic=true")])
    assert answer.status == 501
    assert answer.header("x-mock-fault") == "contract"
    name, _, place = (answer.header("x-mock-contract") or "").partition("#")
    assert place.startswith("/components/schemas/Note/properties/text")
    lookup(served.document(name), unquote(place))


@pytest.mark.parametrize(("declared_as", "status"), [("400", 400), ("422", 422), ("4XX", 422), ("default", 422)])
def test_an_error_takes_the_form_that_ones_own_contract_gives_it(tmp_path: Path, declared_as: str, status: int) -> None:
    document = own_document()
    form = {"type": "object", "required": ["error"], "properties": {"error": {"const": "no"}}}
    document["paths"]["/notes/{note_id}"]["put"]["responses"][declared_as] = {
        "description": "An error.",
        "content": {"application/json": {"schema": form}},
    }
    served = Mock(Settings(seed=0, contract=str(write_document(tmp_path, document))))
    answer = call(app_of(served), "PUT", "/notes/n1", headers=[JSON], body=b'{"id":"n1"}')
    assert (answer.status, answer.value) == (status, {"error": "no"})
    assert answer.header("x-mock-fault") == "client"
    assert answer.header("x-mock-pointer") == "/body/text"


texts = st.text(st.characters(max_codepoint=0xFF), max_size=40)


@given(st.data())
def test_what_is_said_in_headers_is_printable_ascii_whatever_was_sent(data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from(["set_title", "create", "stream"]))
    ending = {"set_title": "/s/title", "create": "", "stream": "/s/messages/stream"}[operation]
    response = ask(
        mock.handle,
        data.draw(st.sampled_from(["POST", "POST", "POST", "GET"]) | texts, "method"),
        data.draw(
            st.sampled_from([CHAT + ending, CHAT + ending, CHAT + ending + "/"]) | texts.map("/".__add__), "path"
        ),
        data.draw(bodies(body_values[operation]), "body"),
        query=data.draw(queries() | texts, "query"),
        content_type=data.draw(content_types, "content type"),
        prefer=data.draw(
            st.none()
            | st.sampled_from(["code=", "example=", "seed=", "dynamic=", ""]).flatmap(
                lambda name: texts.map(name.__add__)
            ),
            "prefer",
        ),
        user_agent=data.draw(st.none() | texts, "user agent"),
    )
    for name, text in response.headers:
        if name.startswith(b"x-mock-") or name == b"preference-applied":
            assert all(0x20 <= byte < 0x7F for byte in text), (name, text)
            assert len(text) < 8_000


@pytest.mark.parametrize("path", [f"{CHAT}/\xff\xe9/", f"{CHAT}/%FF%0D%0A/title/", f"{CHAT}/%2F%2Fexample.com/"])
def test_a_redirect_stays_here_and_is_printable_ascii(path: str) -> None:
    answer = call(app, "POST", path, query="x=\xe9")
    location = answer.header("location") or ""
    assert answer.status == 307
    assert location.startswith(CHAT)
    assert location.isascii()
    assert location.isprintable()


@given(texts.map("/".__add__), texts)
def test_an_unknown_path_is_told_in_full_and_encoded(path: str, query: str) -> None:
    response = ask(mock.handle, "GET", path, query=query)
    assert (response.status, value(response)) == (404, {"detail": "Not Found"})
    assert path in unquote(header(response, "x-mock-message") or "")


def test_a_document_may_have_an_openapi_json_of_its_own(tmp_path: Path) -> None:
    document = own_document()
    mine = {"content": {"application/json": {"schema": {}, "example": {"mine": True}}}, "description": ""}
    document["paths"]["/openapi.json"] = {"get": {"operationId": "mine", "responses": {"200": mine}}}
    path = str(write_document(tmp_path, document))
    assert call(app_of(Mock(Settings(seed=0, contract=path))), "GET", "/openapi.json").value == {"mine": True}
    with open_mock(contract=path) as mock:
        assert mock.http_client().get("/openapi.json").json() == {"mine": True}
        assert mock.http_client().get("/__mock__/openapi.json").json()["openapi"].startswith("3.")
