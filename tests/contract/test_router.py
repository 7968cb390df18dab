"""A request finds the operation that its path, its method and its client's version name."""

import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.apis.llamacloud_chat.pack import VERSIONS, client_version
from mockserver.contract.reader import read_contract
from mockserver.contract.router import Match, Router
from mockserver.engine import Mock
from mockserver.messages import Headers, Json
from mockserver.settings import Settings
from tests.strategies import BODIES, contract_of, every_operation, operations, target, write_document
from tests.talk import MESSAGE, TITLE, ask, header, value

AUTO = Router([contract_of(version) for version in VERSIONS], client_version)
SUMMARY = "/api/v1/chat/ses-abc123/summary"

RELEASES = {
    "2.5.0": ("2.6", "2.6", None),
    "2.6.0": ("2.6", "2.6", None),
    "2.7.0": ("2.6", "2.6", None),
    "2.8.0": ("2.8", "2.6", "2.8"),
    "2.9.0": ("2.8", "2.6", "2.8"),
    "2.9.1": ("2.8", "2.6", "2.8"),
    "2.10.0": ("2.8", "2.6", "2.8"),
    "2.11.0": ("2.8", "2.6", "2.8"),
    "2.12.0": ("2.8", "2.6", "2.8"),
    "2.13.0": ("2.8", "2.6", "2.8"),
    "2.14.1": ("2.8", "2.6", "2.8"),
    "2.15.0": ("2.8", "2.6", "2.8"),
    "2.16.0": ("2.8", "2.6", "2.8"),
    "2.17.0": ("2.17", "2.6", "2.17"),
    "2.18.0": ("2.17", "2.6", "2.17"),
    "2.19.0": ("2.17", "2.6", "2.17"),
    "3.0.0": ("2.17", "2.6", "2.17"),
}
"""Release of a client -> the version of its summaries, the version of its titles, the version that withdrew them."""


def agent(text: str) -> Headers:
    return Headers([(b"user-agent", text.encode())])


def stainless(lang: str, version: str) -> Headers:
    fields = {"user-agent": "proxy/1", "x-stainless-lang": lang, "x-stainless-package-version": version}
    return Headers([(name.encode(), text.encode()) for name, text in fields.items()])


def said(version: str) -> list[Headers]:
    """Give the ways in which a client tells its version."""
    names = ("LlamaCloud/Python", "AsyncLlamaCloud/Python", "LlamaCloud/JS")
    return [*(agent(f"{name} {version}") for name in names), stainless("python", version), stainless("js", version)]


# -- versions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", RELEASES)
def test_a_client_is_answered_from_its_own_version(version: str) -> None:
    summary, title, withdrawn = RELEASES[version]
    for headers in said(version):
        found = AUTO.match("GET", SUMMARY, headers)
        assert found.operation is operations_of_router(summary)["get_summary"]
        assert found.withdrawn is None
        found = AUTO.match("POST", TITLE, headers)
        assert found.operation is operations_of_router(title)["set_title"]
        assert found.withdrawn == withdrawn


def operations_of_router(version: str) -> dict[str, Any]:
    return {each.id: each for contract in AUTO.contracts if contract.name == version for each in contract.operations}


@pytest.mark.parametrize(
    "headers",
    [
        Headers(),
        agent("curl/8.5.0"),
        agent("LlamaCloud/Go 1.3.0"),
        agent("LlamaCloud/CLI 1.3.0"),
        agent("Mozilla/5.0 LlamaCloud/Python 2.6.0"),
        agent("LlamaCloud/Python two"),
        agent("LlamaCloud/Python 2"),
        agent("LlamaCloud/Python 9999999999.0"),
        stainless("go", "2.6.0"),
        stainless("java", "2.6.0"),
        stainless("python", "unknown"),
        stainless("python", ""),
        Headers([(b"x-stainless-package-version", b"2.6.0")]),
    ],
    ids=lambda headers: repr([text.decode() for _, text in headers.raw]),
)
def test_unknown_callers_get_the_newest_version_that_has_the_operation(headers: Headers) -> None:
    assert client_version(headers) is None
    summary, title = AUTO.match("GET", SUMMARY, headers), AUTO.match("POST", TITLE, headers)
    assert summary.operation is not None
    assert title.operation is not None
    assert (summary.operation.contract, summary.withdrawn) == ("2.17", None)
    assert (title.operation.contract, title.withdrawn) == ("2.6", None)


def test_versions_are_compared_as_numbers() -> None:
    assert client_version(agent("LlamaCloud/Python 2.10.3")) == (2, 10)
    assert client_version(agent("LlamaCloud/Python 2.18.0-rc1")) == (2, 18)


def test_the_user_agent_counts_before_the_package_version() -> None:
    headers = Headers([*agent("LlamaCloud/JS 2.8.0").raw, *stainless("js", "2.17.0").raw[1:]])
    assert client_version(headers) == (2, 8)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_pinned_version_answers_every_caller(version: str) -> None:
    router = Router([contract_of(version)], client_version)
    for release in (None, "2.6.0", "2.8.0", "2.17.0"):
        headers = agent(f"LlamaCloud/Python {release}") if release else Headers()
        found = router.match("GET", SUMMARY, headers)
        assert found.operation is operations(version)["get_summary"]
        assert found.withdrawn is None


@pytest.mark.parametrize("version", ["2.8", "2.17"])
def test_a_pinned_version_without_the_title_call_does_not_know_its_path(version: str) -> None:
    assert Router([contract_of(version)], client_version).match("POST", TITLE, Headers()) == Match()
    assert ask(Mock(Settings(contract=version, seed=0)).handle, "POST", TITLE, BODIES["set_title"]).status == 404


def test_a_call_that_the_callers_version_withdrew_is_answered_and_says_so() -> None:
    mock = Mock(Settings(seed=0))
    response = ask(mock.handle, "POST", TITLE, {"first_message": MESSAGE}, user_agent="LlamaCloud/Python 2.17.0")
    assert response.status == 200
    assert header(response, "x-mock-withdrawn") == "set_title is not in 2.17; answered from 2.6"
    assert header(response, "x-mock-contract") == "2.6"


@pytest.mark.parametrize("agent_text", ["LlamaCloud/Python 2.7.0", "curl/8.5.0", None])
def test_nothing_is_called_withdrawn_that_was_not(agent_text: str | None) -> None:
    mock = Mock(Settings(seed=0))
    for method, path, body in (("POST", TITLE, {"first_message": MESSAGE}), ("GET", SUMMARY, None)):
        response = ask(mock.handle, method, path, body, user_agent=agent_text)
        assert response.status == 200
        assert header(response, "x-mock-withdrawn") is None


def test_contracts_whose_clients_state_no_version_are_asked_newest_first() -> None:
    router = Router(AUTO.contracts)
    for headers in (Headers(), *said("2.6.0")):
        found = router.match("GET", SUMMARY, headers)
        assert found.operation is operations("2.17")["get_summary"]
        assert found.withdrawn is None


# -- paths -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("version", "name"), every_operation())
def test_every_operation_is_found_by_its_method_and_path(version: str, name: str) -> None:
    operation = operations(version)[name]
    found = Router([contract_of(version)]).match(operation.method, target(operation, "x"), Headers())
    assert found.operation is operation
    assert dict(found.path) == ({"session_id": "x"} if "{session_id}" in operation.path else {})


@given(st.text(min_size=1))
@example("a/b")
@example("%")
@example("a%2Fb")
@example(".")
@example("..")
@example("../../etc")
@example("ses abc?x#y;z")
@example("Zürich 東京 📈")
@example("+")
@example("{session_id}")
@example("summary")
def test_any_id_reaches_its_operation_as_it_was_meant(session_id: str) -> None:
    for path in (
        f"/api/v1/chat/{quote(session_id, safe='')}/title",
        f"/api/v1/chat/{quote(session_id, safe='+:@')}/title",
    ):
        found = AUTO.match("POST", path, Headers())
        assert found.operation is not None
        assert (found.operation.id, dict(found.path)) == ("set_title", {"session_id": session_id})


@pytest.mark.parametrize("session_id", ["a/b", ".", "..", "東京", "a b", "%", "%2F"])
def test_the_id_of_the_path_is_the_id_of_the_answer(session_id: str) -> None:
    path = f"/api/v1/chat/{quote(session_id, safe='')}/title"
    response = ask(Mock(Settings(seed=0)).handle, "POST", path, {"first_message": "x"})
    assert value(response)["session_id"] == session_id


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/api/v1/chat/summary", "retrieve"),
        ("GET", "/api/v1/chat/title/summary", "get_summary"),
        ("POST", "/%61pi/v1/chat/x/title", "set_title"),
        ("POST", "/api/v1/chat//title", None),
        ("GET", "/api/v1/chat//summary", None),
        ("GET", "/api/v1/chat/", None),
        ("GET", "/api/v1/chat/a/b", None),
        ("GET", "/api/v1", None),
        ("GET", "/", None),
        ("GET", "", None),
        ("GET", "*", None),
        ("GET", "/API/v1/chat", None),
        ("GET", "/api%2Fv1/chat", None),
    ],
)
def test_a_path_names_an_operation_or_nothing(method: str, path: str, operation: str | None) -> None:
    found = AUTO.match(method, path, Headers())
    assert (found.operation.id if found.operation else None) == operation
    assert found.allowed == frozenset()


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/api/v1/chat", {"GET", "HEAD", "OPTIONS", "POST"}),
        ("/api/v1/chat/x", {"DELETE", "GET", "HEAD", "OPTIONS"}),
        ("/api/v1/chat/x/summary", {"GET", "HEAD", "OPTIONS"}),
        ("/api/v1/chat/x/title", {"OPTIONS", "POST"}),
        ("/api/v1/chat/x/messages/stream", {"OPTIONS", "POST"}),
    ],
)
def test_a_known_path_tells_its_methods(path: str, allowed: set[str]) -> None:
    for method in ("PUT", "PATCH", "OPTIONS", "TRACE", "BREW"):
        found = AUTO.match(method, path, Headers())
        assert found.operation is None
        assert found.allowed == allowed


def test_head_is_answered_by_get() -> None:
    found = AUTO.match("HEAD", SUMMARY, Headers())
    assert found.operation is not None
    assert found.operation.id == "get_summary"


# -- the law of routing ----------------------------------------------------------------------------------------------


def named(part: str, index: int) -> str:
    """Name the parameters of a segment."""
    for letter in "pq":
        part = part.replace("{}", f"{{{letter}{index}}}", 1)
    return part


segments = st.sampled_from(["a", "b", "{}", "a:{}", "{}.b", "a%2Fb", "{}-{}"])
templates = st.lists(segments, min_size=1, max_size=3).map(
    lambda parts: "".join("/" + named(part, index) for index, part in enumerate(parts))
)
methods = st.sampled_from(["GET", "POST", "DELETE", "HEAD", "OPTIONS"])
ACTUAL = ("a", "b", "c", "", "%61", "a%2Fb", "%E2%82%AC", "a:c", "a:", "c.b", "a:c.b", "a-b-c", "a:%2E.b")


def document_of(drawn: list[tuple[str, str]]) -> Any:
    """Give a document with an operation for each (method, path)."""
    paths: dict[str, Any] = {}
    for method, path in drawn:
        names = re.findall(r"\{(.*?)\}", path)
        parameters = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]
        operation = {"parameters": parameters, "responses": {"200": {"description": ""}}}
        paths.setdefault(path, {})[method.lower()] = operation
    return {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": paths}


def fits(want: str, have: str) -> bool:
    """Tell whether a segment fits that of a template."""
    return greedy(want, have) is not None


def greedy(want: str, have: str) -> tuple[str, ...] | None:
    """Give the values of the parameters of a segment; None if it does not fit."""
    parts = [re.escape(unquote(part)) for part in re.split(r"\{.*?\}", want)]
    match = re.fullmatch("(.+)".join(parts), have, re.DOTALL)
    return None if match is None else match.groups()


def rank(template: str) -> list[tuple[int, int, str]]:
    """Order templates: fixed segments first, then those that are fixed in part, the longest first."""
    found = []
    for part in template.split("/"):
        kind = 0 if "{" not in part else 2 if re.fullmatch(r"\{[^{}]*\}", part) else 1
        found.append((kind, -len(part) if kind == 1 else 0, part if kind == 1 else ""))
    return found


def reference(drawn: list[tuple[str, str]], method: str, path: str) -> tuple[str | None, frozenset[str]]:
    """Route as simply as can be: of the templates that fit and take the method, the most fixed one."""
    segments = [unquote(segment) for segment in path.split("/")]
    fitting = []
    for template in {each for _, each in drawn}:
        parts = template.split("/")
        if len(parts) == len(segments) and all(map(fits, parts, segments)):
            fitting.append(template)
    allowed: frozenset[str] = frozenset()
    for template in sorted(fitting, key=rank):
        has = {each for each, owner in drawn if owner == template}
        if method in has or (method == "HEAD" and "GET" in has):
            return template, frozenset()
        allowed |= has | {"OPTIONS"} | ({"HEAD"} if "GET" in has else set())
    return None, allowed


requests = st.lists(st.sampled_from(ACTUAL), min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))


@given(
    st.lists(st.tuples(methods, templates), min_size=1, max_size=8, unique=True),
    st.lists(st.tuples(methods, requests), min_size=1, max_size=20),
)
@example([("GET", "/a/{p1}"), ("POST", "/{p0}/a")], [("POST", "/a/a"), ("GET", "/a/a"), ("GET", "/%61/b")])
def test_routing_does_what_trying_one_template_after_the_other_would(
    drawn: list[tuple[str, str]], asked: list[tuple[str, str]]
) -> None:
    router = Router([read_contract(document_of(drawn), name="drawn", file="drawn")])
    for method, path in asked:
        found = router.match(method, path, Headers())
        assert (found.operation.path if found.operation else None, found.allowed) == reference(drawn, method, path)


def document_at(servers: list[str], *paths: str) -> Any:
    """Give a document of some paths below the addresses of servers."""
    return {**document_of([("GET", path) for path in paths]), "servers": [{"url": url} for url in servers]}


def found_in(document: Any, path: str, prefix: str = "") -> str | None:
    router = Router([read_contract(document, name="drawn", file="drawn", prefix=prefix)])
    operation = router.match("GET", path, Headers()).operation
    return None if operation is None else operation.path


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/pets", "/pets"),
        ("/v1/pets", "/pets"),
        ("/api/pets", "/pets"),
        ("/v1/api/pets", None),
        ("/v1/v1/own", "/v1/own"),
        ("/v1/own", "/v1/own"),
        ("/v10/pets", None),
        ("/v1", None),
    ],
)
def test_paths_are_served_with_the_path_of_a_server_and_without(path: str, found: str | None) -> None:
    document = document_at(["https://a.example/v1/", "/api", "not a url ["], "/pets", "/v1/own", "/own")
    assert found_in(document, path) == found


def test_a_base_path_may_hold_variables_and_belong_to_one_path_or_operation() -> None:
    document = document_at(["https://{host}/{version}"], "/a", "/b", "/c")
    document["servers"][0]["variables"] = {"host": {"default": "x"}, "version": {"default": "v2"}}
    document["paths"]["/b"]["servers"] = [{"url": "/of/path"}]
    document["paths"]["/c"]["get"]["servers"] = [{"url": "/of/operation"}]
    for path, found in {"/v2/a": "/a", "/of/path/b": "/b", "/of/operation/c": "/c", "/b": "/b"}.items():
        assert found_in(document, path) == found


def test_a_document_is_served_under_a_path_of_its_own() -> None:
    document = document_at(["/v1"], "/pets")
    paths = ["/b/pets", "/b/v1/pets", "/pets"]
    assert [found_in(document, path, "/b") for path in paths] == ["/b/pets", "/b/pets", None]


def test_values_of_parts_of_a_segment_reach_the_call() -> None:
    router = Router([read_contract(document_of([("GET", "/f/{a}-{b}.json")]), name="drawn", file="drawn")])
    assert router.match("GET", "/f/x%20-1-y.json", Headers()).path == {"a": "x -1", "b": "y"}


@given(st.text("ab-.", max_size=9), st.text("a-.{", max_size=9))
@example("a-b-c", "{-{")
@example("-a-", "{-{")
@example("ab", "{{")
def test_values_of_parts_are_those_of_a_greedy_search(have: str, shape: str) -> None:
    names = iter("pqrstuvwx")
    template = "".join(f"{{{next(names)}}}" if letter == "{" else letter for letter in shape)
    router = Router([read_contract(document_of([("GET", f"/f/{template}")]), name="drawn", file="drawn")])
    found = router.match("GET", f"/f/{have}", Headers())
    expected = greedy(template, have)
    assert (None if found.operation is None else tuple(found.path.values())) == expected


def test_a_path_that_nearly_fits_is_judged_in_linear_time() -> None:
    router = Router([read_contract(document_of([("GET", "/f/{a}-{b}-{c}-{d}.x")]), name="drawn", file="drawn")])
    before = time.process_time()
    assert router.match("GET", f"/f/{'-' * 60_000}.y", Headers()).operation is None
    assert router.match("GET", f"/f/{'-' * 60_000}.x", Headers()).operation is not None
    assert time.process_time() - before < 5, "it hangs"


def test_paths_of_a_document_that_begin_as_those_of_scopes_are_its_own(tmp_path: Path) -> None:
    """Its scopes are then named by the header alone; any other document is served below their paths."""
    answer: Json = {"content": {"application/json": {"example": 1}}, "description": ""}
    data: Json = {"openapi": "3.1.0", "info": {"title": "T", "version": "1"}, "paths": {}}
    job = {"name": "job", "in": "path", "required": True, "schema": {"type": "string"}}
    own = {"get": {"parameters": [job], "responses": {"200": answer}}}
    data["paths"] = {"/scope/{job}": own, "/b": {"get": {"responses": {"200": answer}}}}
    mock = Mock(Settings(contract=str(write_document(tmp_path, data)), auth=False))
    assert ask(mock.handle, "GET", "/scope/some%20job").status == 200
    assert ask(mock.handle, "GET", "/scope/b/b").status == 404
    assert ask(mock.handle, "GET", "/b", x_mock_scope="b").status == 200
    assert [each.path for each in mock.exchanges("b")] == ["/b"]
    del data["paths"]["/scope/{job}"]
    mock = Mock(Settings(contract=str(write_document(tmp_path, data)), auth=False))
    assert ask(mock.handle, "GET", "/scope/b/b").status == 200
