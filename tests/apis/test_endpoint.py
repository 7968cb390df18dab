"""A plain title call is answered as the engine answers it, and whatever is not plain is left to the engine."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.contract.router import Router
from mockserver.endpoint import MOST_VERSIONS
from mockserver.engine import Mock
from mockserver.errors import PlanError
from mockserver.messages import Headers, Json, Request, Response
from mockserver.server.transport import BASE_URL, HandlerTransport
from mockserver.server.uvicorn import running
from mockserver.settings import ERAS, Settings
from mockserver.store.base import Change, Session
from mockserver.testing.server import make_app
from tests.strategies import json_values
from tests.talk import MESSAGE, TITLE, ask, whole

STILL = datetime(2026, 4, 22, 12, 34, 41)
LONG_ID = "s" * 3_000

PATHS = [
    TITLE,
    *["/api/v1/chat/other/title", "/scope/alice/api/v1/chat/ses-abc123/title", "/api/v1/chat/ses-project/title"],
    *["/api/v1/chat//title", "/api/v1/chat/a/b/title", "/api/v1/chat/ses%2Dabc123/title", "/api/v1/chat/title"],
    *["/api/v1/chat/\xe9/title", f"/api/v1/chat/{LONG_ID}/title", "/api/v1/chat/ses-abc123/title/", "/title"],
    *["/api/v1/chat/ses-odd/title", "/api/v1/chat/ses-long/title"],
]

BODIES = [
    b'{"first_message": "' + MESSAGE.encode() + b'"}',
    b'{"first_message":"x","more":[1,null]}',
    *[b"", b"{", b"null", b'{"first_message": 5}', b'{"first_message": "a\\u00e9"}', b'{"first_message": "\xc3\xa9"}'],
    *[
        b' {"first_message": "x"}',
        b'{"first_message": "x"} ',
        b'{"first_message": "\\ud83d"}',
        b'{"first_message": ""}',
    ],
    *[b'{"first_message": "a\x00"}', b'{"first_message": "\n"}', b"[" * 100_000, b"1" * 5_000, b"\xff\xfe{\x00}\x00"],
    *[
        '{"first_message": "x é 😀"}'.encode(kind)
        for kind in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be")
    ],
    *[b'{"first_message": "\xed\xa0\x80"}', b'{"first_message": "\xe9"}', b'{"a": 1, "a": 2, "first_message": "x"}'],
    b'{"first_message": "' + b"x" * 300 + b'"}',
]

PLAIN: Any = ("ask", "POST", TITLE, "", BODIES[0], {})

FIELDS: Sequence[dict[str, str]] = [
    {},
    *[
        {"authorization": value}
        for value in ("Bearer other", "bearer any-key", "Bearer ", "Basic x", "Bearer  any-key ")
    ],
    *[{"content-type": value} for value in ("application/json; charset=utf-8", "text/plain", "APPLICATION/JSON")],
    *[
        {"user-agent": f"LlamaCloud/Python {version}"}
        for version in ("2.6.0", "2.7.3", "2.8.0", "2.17.1", "9.9.9", "1.0.0")
    ],
    *[{"prefer": value} for value in ("code=422", "dynamic=true, seed=7", "nonsense")],
    *[{"x-mock-scope": value} for value in ("alice", "no name")],
    {"cookie": "session=abc"},
]

titles = st.builds(
    lambda method, path, query, body, fields: ("ask", method, path, query, body, fields),
    st.sampled_from(["POST"] * 6 + ["GET", "HEAD", "OPTIONS", "PUT"]),
    st.sampled_from([TITLE] * 8 + PATHS),
    st.sampled_from([""] * 6 + ["project_id=p1", "x=1"]),
    st.sampled_from([BODIES[0]] * 8 + BODIES)
    | st.builds(
        lambda text: b'{"first_message": "%b"}' % text.encode(), st.text("abc \t\x7f~'/é😀\ufeff", max_size=60)
    ),
    st.sampled_from([{}] * 6 + [*FIELDS]),
)
AROUND: Sequence[Any] = [
    ("ask", "GET", "/api/v1/chat/ses-abc123/summary", "", b"", {}),
    ("ask", "GET", "/api/v1/chat", "", b"", {}),
    ("ask", "DELETE", "/api/v1/chat/ses-abc123", "", b"", {}),
    ("ask", "POST", "/api/v1/chat", "project_id=p1", b"{}", {}),
    ("ask", "POST", "/api/v1/chat/ses-abc123/messages/stream", "", b'{"index_ids": ["i"], "prompt": "x"}', {}),
    ("plan", {"operation": "set_title", "answers": [{"status": 422}]}),
    ("plan", {"operation": "*", "answers": [{"delay": 0.5, "times": "always"}]}),
    ("unplan",),
    ("reload",),
]
around = st.sampled_from(AROUND)
chosen = st.fixed_dictionaries(
    {},
    optional={
        "contract": st.sampled_from(["auto", *ERAS]),
        "auth": st.just(False),
        "api_key": st.just("any-key"),
        "answers": st.sampled_from(["simulated", "canned", "generated"]),
        "unknown_sessions": st.just("404"),
        "title_length": st.sampled_from([0, 1, 100]),
        "journal_size": st.sampled_from([0, 2]),
        "journal_body": st.sampled_from([0, 40, 200]),
        "strict": st.just(True),
    },
)


def _born(session: Session, _old: Session | None, _gone: bool) -> Change:
    return Change(session)


def made(settings: dict[str, Any], *, quick: bool) -> Mock:
    """Make a mock in which some sessions are, with its quick way or without it."""
    mock = Mock(Settings(seed=0, clock=STILL, **settings))
    odd = Session("ses-odd", "2026-04-22T12:34:41.342245", job_metadata={"turns": 2**70}, born=7)
    long = Session("ses-long", "2026-04-22T12:34:41.342245", index_ids=["i" * 100] * 50, born=8)
    project = Session("ses-project", "2026-04-22T12:34:41.342245", project_id="p1", born=9)
    for session in (odd, long, project):
        mock.store.change("default", session.id, partial(_born, session))
    if not quick:
        mock.served = replace(mock.served, quick=None)
    return mock


def done(mock: Mock, step: Any, *, quick: bool) -> Response | None:
    """Do one step with a mock."""
    if step[0] == "plan":
        with suppress(PlanError):  # an era without the title call
            mock.served.planner.add("default", step[1])
    elif step[0] == "unplan":
        mock.shelf.remove("default")
    elif step[0] == "reload":
        mock.reload()
        mock.served = mock.served if quick else replace(mock.served, quick=None)
    else:
        _, method, path, query, body, fields = step
        usual = {"authorization": "Bearer any-key", "content-type": "application/json", **fields}
        raw = [(name.encode(), value.encode("latin-1")) for name, value in usual.items()]
        return whole(mock.handle(Request(method, path, query, Headers(raw), body)))
    return None


def kept(mock: Mock, scope: str) -> Json:
    """Give all that a mock keeps of a scope."""
    exchanges = [each._replace(headers=list(each.headers)) for each in mock.shelf.exchanges(scope)]
    return exchanges, mock.store.page(scope, None, None, 100), mock.store.page(scope, "p1", None, 100)


@given(chosen, st.lists(titles | titles | titles | around, max_size=12))
@example({}, [PLAIN] * 3)
@example({}, [("ask", "POST", "/api/v1/chat/ses-odd/title", "", BODIES[0], {})] * 2)
@example({}, [("ask", "POST", "/api/v1/chat/ses-long/title", "", BODIES[0], {})] * 2)
@example({"journal_body": 40}, [PLAIN] * 3)
@example({"journal_body": 250}, [("ask", "POST", TITLE, "", BODIES[-1], {})] * 3)
@example({"journal_size": 0}, [PLAIN] * 2)
@example({}, [("ask", "POST", "/api/v1/chat/ses-project/title", "", BODIES[0], {})])
@example({"api_key": "any-key"}, [("ask", "POST", TITLE, "", BODIES[0], each) for each in FIELDS])
@example({}, [("ask", "POST", TITLE, "", each, {}) for each in BODIES])
@example(
    {},
    [
        ("ask", "POST", f"/api/v1/chat/ses{slash}abc123/title", "", BODIES[0], {})
        for slash in ("%252D", "-", "%2D", "%252D")
    ],
)
@example({}, [each for step in AROUND for each in (step, PLAIN)])
def test_the_quick_way_answers_and_keeps_as_the_engine_does(settings: dict[str, Any], steps: Sequence[Any]) -> None:
    quick, engine = made(settings, quick=True), made(settings, quick=False)
    for step in steps:
        assert done(quick, step, quick=True) == done(engine, step, quick=False)
    for scope in ("default", "alice"):
        assert kept(quick, scope) == kept(engine, scope)
        assert quick.store.counters(scope) == engine.store.counters(scope)
    assert quick.shelf.scopes() == engine.shelf.scopes()


@given(json_values)
@example({"first_message": MESSAGE})
def test_the_quick_way_takes_no_other_bodies_than_the_engine(value: Json) -> None:
    quick, engine = made({}, quick=True), made({}, quick=False)
    for mock in (quick, engine):
        ask(mock.handle, "POST", TITLE, {"first_message": "x"})
    assert ask(quick.handle, "POST", TITLE, value) == ask(engine.handle, "POST", TITLE, value)
    assert kept(quick, "default") == kept(engine, "default")


def title(mock: Mock, path: str = TITLE, body: bytes = BODIES[0], query: str = "", **fields: str) -> Request:
    """Give a title call of a session that is there."""
    assert mock.served.quick is not None
    ask(mock.handle, "POST", TITLE, {"first_message": "x"})
    usual = {"authorization": "Bearer any-key", "content-type": "application/json", **fields}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in usual.items()]
    return Request("POST", path, query, Headers(raw), body)


@pytest.mark.parametrize("era", ["auto", "2.6"])
@pytest.mark.parametrize("message", [MESSAGE, "Où sont les données de cet été ? 😀", "x" * 1_000])
def test_a_plain_title_call_is_answered_at_once(era: str, message: str) -> None:
    mock = Mock(Settings(contract=era))
    request = title(mock, body=json.dumps({"first_message": message}, ensure_ascii=False).encode())
    assert mock.served.quick is not None
    answered = mock.served.quick.answer(request)
    assert answered is not None
    assert json.loads(answered.body)["generated_title"] == message[:50] + "..."
    assert len(mock.shelf.exchanges("default")) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"path": "/api/v1/chat/new/title"},
        {"path": "/api/v1/chat/a/b/title"},
        {"path": "/api/v1/chat/ses%2Dabc123/title"},
        {"query": "project_id=p1"},
        {"body": b'{"first_message": 5}'},
        {"body": b'{"first_message": "\\ud83d"}'},
        {"body": b'{"first_message": "x"} '},
        {"body": '{"first_message": "x"}'.encode("utf-16")},
        {"body": b'{"first_message": "\xe9"}'},
        {"authorization": "Basic x"},
        {"content_type": "text/plain"},
        {"prefer": "code=422"},
    ],
)
def test_what_is_not_plain_is_left_to_the_engine_and_nothing_was_done(changed: dict[str, Any]) -> None:
    mock = Mock(Settings(seed=0))
    request = title(mock)
    before = kept(mock, "default")
    fields = {"authorization": "Bearer any-key", "content_type": "application/json"}
    fields |= {name: value for name, value in changed.items() if name not in ("path", "query", "body")}
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in fields.items()]
    parts = {name: value for name, value in changed.items() if name in ("path", "query", "body")}
    assert mock.served.quick is not None
    assert mock.served.quick.answer(request._replace(headers=Headers(raw), **parts)) is None
    assert kept(mock, "default") == before


@pytest.mark.parametrize(
    "settings",
    [{"answers": "canned"}, {"store": "sqlite"}, {"journal": "file"}, {"plan": "file"}],
    ids=lambda each: next(iter(each)),
)
def test_a_mock_that_keeps_or_plans_elsewhere_has_no_quick_way(settings: dict[str, Any], tmp_path: Any) -> None:
    plan = tmp_path / "plan.yaml"
    plan.write_text("- {operation: set_title, status: 422}\n", "utf-8")
    paths = {"store": f"sqlite:///{tmp_path}/s.db", "journal": tmp_path / "j", "plan": plan}
    mock = Mock(Settings(**{name: paths.get(name, value) for name, value in settings.items()}))
    assert mock.served.quick is None


def test_the_plan_of_another_scope_is_no_hindrance() -> None:
    mock = Mock(Settings(seed=0))
    request = title(mock)
    mock.served.planner.add("alice", {"operation": "set_title", "answers": [{"status": 422}]})
    assert mock.served.quick is not None
    assert mock.served.quick.answer(request) is not None
    mock.served.planner.add("default", {"operation": "set_title", "answers": [{"status": 422}]})
    assert mock.served.quick.answer(request) is None


def test_of_more_clients_than_it_remembers_it_knows_each_all_the_same() -> None:
    mock = Mock(Settings(seed=0))
    for minor in range(250):
        request = title(mock, user_agent=f"LlamaCloud/Python 2.{minor}.0")
        response = mock.handle(request)
        engine = replace(mock.served, quick=None)
        mock.served, old = engine, mock.served
        assert mock.handle(request).headers == response.headers
        mock.served = old
        assert len(vars(mock.served.quick)["_routes"]) <= MOST_VERSIONS


def only_quick() -> Mock:
    """Give a mock with a session, in which nothing but the quick way knows an operation."""
    mock = Mock(Settings(seed=0))
    ask(mock.handle, "POST", TITLE, {"first_message": "x"})
    mock.served = replace(mock.served, router=Router([]))
    return mock


OFFICIAL = {
    "authorization": "Bearer any-key",
    "accept": "application/json",
    "user-agent": "LlamaCloud/Python 2.7.0",
    "x-stainless-lang": "python",
    "x-stainless-package-version": "2.7.0",
    "x-stainless-retry-count": "0",
}
"""Header fields as the official client sends them. Source: docs/upstream.md, "Client headers"."""


def test_a_client_in_process_is_answered_at_once() -> None:
    with httpx.Client(transport=HandlerTransport(only_quick().handle), base_url=BASE_URL) as client:
        for _ in range(2):
            assert client.post(TITLE, json={"first_message": MESSAGE}, headers=OFFICIAL).status_code == 200


def test_a_client_of_a_server_is_answered_at_once() -> None:
    mock = only_quick()
    with running(make_app(mock.settings, mock)) as url, httpx.Client(base_url=url) as client:
        for _ in range(2):
            assert client.post(TITLE, json={"first_message": MESSAGE}, headers=OFFICIAL).status_code == 200
        assert client.get("/api/v1/chat/ses-abc123").status_code == 404  # which only the engine plays
