"""Each scope is a world of its own, named by header or path; nothing of one is ever seen in another."""

import asyncio
import json
import re
from collections.abc import Callable
from itertools import count
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.engine import Mock
from mockserver.messages import Json, Response
from mockserver.settings import Settings
from tests.apis.test_sessions import CHAT
from tests.server.test_streaming import Connection
from tests.talk import KEY, MESSAGE, ask, header, value, whole

Serve = Callable[..., str]

MOCK = Mock(Settings(seed=0))
TITLE_BODY = {"first_message": MESSAGE}
NAMES = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:@+-"
_fresh = map("fresh-{}".format, count())


def fresh() -> str:
    """Give a name that no scope has yet."""
    return next(_fresh)


def by_path(name: str, path: str = "") -> str:
    """Give the path of a call in a scope."""
    return f"/scope/{name}{CHAT}{path}"


def sessions(path: str = CHAT, **headers: str) -> list[str]:
    """Give the ids of the sessions that are listed at a path."""
    return [each["session_id"] for each in value(ask(MOCK.handle, "GET", path, **headers))["items"]]


def sent_by(name: str, path: str, *, header: bool) -> Response:
    """Send the title call of a session in a scope, named by header or path."""
    if header:
        return ask(MOCK.handle, "POST", CHAT + path, TITLE_BODY, x_mock_scope=name)
    return ask(MOCK.handle, "POST", by_path(quote(name, safe=""), path), TITLE_BODY)


# Names

good_names = st.text(NAMES, min_size=1, max_size=100)
ways = pytest.mark.parametrize("header", [True, False], ids=["header", "path"])


@ways
@given(name=good_names)
@example(name="x" * 100)
@example(name="..")
@example(name="default")
@example(name="a+b@c:d~e")
def test_a_name_of_a_hundred_plain_characters_is_a_scope(name: str, header: bool) -> None:
    MOCK.store.drop(name)
    assert sent_by(name, "/ses-a/title", header=header).status == 200
    assert MOCK.store.scopes()[name] == 1
    assert sessions(x_mock_scope=name) == sessions(by_path(name)) == ["ses-a"]


@ways
@given(name=st.text(st.characters(max_codepoint=255), max_size=20).filter(lambda text: set(text) - set(NAMES)))
@example(name="")
@example(name="x" * 101)
@example(name="a b")
@example(name="a/b")
@example(name="a%")
@example(name="a\n")
@example(name="ä")
def test_any_other_name_is_refused_with_the_rule(name: str, header: bool) -> None:
    before = MOCK.store.scopes()
    response = sent_by(name, "/ses-a/title", header=header)
    assert response.status == 400
    assert "A-Z a-z 0-9" in value(response)["detail"]
    assert MOCK.store.scopes() == before


def test_a_request_that_names_no_scope_plays_in_the_default_one() -> None:
    mock = Mock(Settings(seed=0))
    ask(mock.handle, "POST", CHAT + "/ses-a/title", TITLE_BODY)
    ask(mock.handle, "POST", CHAT + "/ses-b/title", TITLE_BODY, x_mock_scope="default")
    ask(mock.handle, "POST", by_path("default", "/ses-c/title"), TITLE_BODY)
    assert mock.store.scopes() == {"default": 3}


def test_header_and_path_name_the_same_world() -> None:
    name = fresh()
    sent_by(name, "/ses-a/title", header=True)
    sent_by(name, "/ses-b/title", header=False)
    assert sessions(x_mock_scope=name) == sessions(by_path(name)) == ["ses-b", "ses-a"]


def test_the_path_wins_over_the_header() -> None:
    near, far = fresh(), fresh()
    ask(MOCK.handle, "POST", by_path(near, "/ses-a/title"), TITLE_BODY, x_mock_scope=far)
    assert sessions(x_mock_scope=near) == ["ses-a"]
    assert sessions(x_mock_scope=far) == []
    assert ask(MOCK.handle, "GET", by_path(near), x_mock_scope="no name!").status == 200


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/scope/a/api/v1/chat/", "/scope/a/api/v1/chat"),
        ("/scope/a/api/v1/chat/ses-a/", "/scope/a/api/v1/chat/ses-a"),
        ("/scope/a%2Bb/api/v1/chat/ses%2Fa/title/", "/scope/a%2Bb/api/v1/chat/ses%2Fa/title"),
    ],
)
@pytest.mark.parametrize("query", ["", "page_size=2"])
def test_a_trailing_slash_is_redirected_within_the_scope(path: str, target: str, query: str) -> None:
    response = ask(MOCK.handle, "GET", path, query=query)
    assert (response.status, header(response, "location")) == (307, target + ("?" + query if query else ""))


@pytest.mark.parametrize("path", ["/scope", "/scope/", "/scope/a", "/scope/a/", "/scope/a/nowhere", "/scope/a/scope/b"])
def test_a_path_that_leads_nowhere_is_unknown(path: str) -> None:
    assert ask(MOCK.handle, "GET", path).status == (400 if path == "/scope/" else 404)


def test_a_call_that_keeps_nothing_makes_no_scope() -> None:
    name = fresh()
    for path in (by_path(name), by_path(name) + "?page_size=-1", by_path(name, "/ses-a/title")):
        ask(MOCK.handle, "GET", path)
    ask(MOCK.handle, "POST", by_path(name, "/ses-a/title"), {})
    assert name not in MOCK.store.scopes()


# Chance


def created(mock: Mock, name: str, size: int = 3) -> list[str]:
    """Create some sessions in a scope, and give their ids."""
    return [value(ask(mock.handle, "POST", CHAT, x_mock_scope=name))["session_id"] for _ in range(size)]


def told(mock: Mock, name: str) -> bytes:
    """Play a turn in a scope, and give its text."""
    body = {"index_ids": ["idx-a"], "prompt": MESSAGE}
    return whole(ask(mock.handle, "POST", CHAT + "/ses-a/messages/stream", body, x_mock_scope=name)).body


def test_the_same_requests_get_other_ids_and_turns_in_another_scope() -> None:
    mock = Mock(Settings(seed=0))
    names = ["default", "a", "b", "A", "ab"]
    assert len({each for name in names for each in created(mock, name)}) == 15
    assert len({told(mock, name) for name in names}) == 5


def test_what_happens_in_one_scope_leaves_the_chance_of_another() -> None:
    alone, among = Mock(Settings(seed=0)), Mock(Settings(seed=0))
    created(among, "b")
    first = created(among, "a", 1)
    created(among, "b")
    told(among, "b")
    assert first + created(among, "a", 2) == created(alone, "a")
    assert told(among, "a") == told(alone, "a")


def test_a_scopes_own_seed_stands_for_the_servers(serve: Serve) -> None:
    with httpx.Client(base_url=serve(seed=0), headers={"authorization": KEY}) as client:
        given = client.put("/__mock__/scopes/a", json={"seed": 7})
        assert (given.status_code, given.json()) == (200, {"name": "a", "records": 0, "seed": 7})
        made = [client.post(by_path("a")).json()["session_id"] for _ in range(3)]
        others = [client.post(by_path("b")).json()["session_id"] for _ in range(3)]
    assert made == created(Mock(Settings(seed=7)), "default")
    assert others == created(Mock(Settings(seed=0)), "b")


@pytest.mark.parametrize("given", [{}, {"seed": None}, {"seed": "7"}, {"seed": True}, {"seed": 7, "x": 1}, [7], 2**63])
def test_what_is_no_seed_is_refused(given: Json, serve: Serve) -> None:
    url = serve(seed=0) + "/__mock__/scopes/a"
    body = {"seed": given} if isinstance(given, int) else given
    assert httpx.put(url, json=body).status_code == 400
    assert httpx.get(url).json()["seed"] == 0


# Forgetting


@pytest.fixture
def client(serve: Serve) -> Any:
    """Give a client of a server with two sessions in each of three scopes, two of which have seeds of their own."""
    with httpx.Client(base_url=serve(seed=0), headers={"authorization": KEY}) as client:
        for name in ("a", "b"):
            client.put(f"/__mock__/scopes/{name}", json={"seed": 7})
        for name in ("a", "b", "default") * 2:
            assert client.post(by_path(name)).status_code == 201
        yield client


def everything(client: httpx.Client) -> dict[str, Any]:
    """Give what each scope is and lists."""
    return {
        name: (client.get(f"/__mock__/scopes/{name}").json(), client.get(by_path(name)).json()["items"])
        for name in ("a", "b", "default")
    }


def test_scopes_are_listed_with_the_number_of_their_records(client: httpx.Client) -> None:
    listed = [{"name": name, "records": 2} for name in ("a", "b", "default")]
    assert client.get("/__mock__/scopes").json() == {"scopes": listed}


@pytest.mark.parametrize(("method", "end", "seed"), [("POST", "/reset", 7), ("DELETE", "", 0)])
def test_a_scope_is_forgotten_and_the_others_stay(method: str, end: str, seed: int, client: httpx.Client) -> None:
    before = everything(client)
    ids = [each["session_id"] for each in before["a"][1]][::-1]
    assert client.request(method, f"/__mock__/scopes/a{end}").is_success
    after = everything(client)
    assert after.pop("a") == ({"name": "a", "records": 0, "seed": seed}, [])
    assert after == {name: each for name, each in before.items() if name != "a"}
    again = [client.post(by_path("a")).json()["session_id"] for _ in range(2)]
    assert (again == ids) is (seed == 7)


def test_all_scopes_are_forgotten_at_once(client: httpx.Client) -> None:
    assert sorted(client.post("/__mock__/reset").json()["dropped"]) == ["a", "b", "default"]
    assert client.get("/__mock__/scopes").json() == {"scopes": []}
    assert all(listed == [] for _, listed in everything(client).values())


def test_a_deleted_session_is_unknown_in_its_own_scope_only(client: httpx.Client) -> None:
    session_id = client.get(by_path("a")).json()["items"][0]["session_id"]
    assert client.delete(by_path("a", f"/{session_id}")).status_code == 204
    assert client.get(by_path("a", f"/{session_id}")).status_code == 404
    assert client.get(by_path("b", f"/{session_id}")).status_code == 200
    client.post("/__mock__/scopes/a/reset")
    assert client.get(by_path("a", f"/{session_id}")).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_bad_name_is_refused_by_the_control_routes_too(method: str, client: httpx.Client) -> None:
    before = everything(client)
    assert client.request(method, "/__mock__/scopes/a%20b", json={"seed": 1}).status_code == 400
    assert everything(client) == before


# Sixty-four at once

CANARY = re.compile(r"canary\d+x")


async def live(url: str, number: int) -> str:
    """Play a life in a scope, in which everything carries its canary; give all that was answered."""
    async with Connection.open(url) as connection:
        return await played(connection, f"canary{number}x", by_header=number % 2 == 1)


async def played(connection: Connection, canary: str, *, by_header: bool) -> str:
    base, fields = (CHAT, {"x_mock_scope": canary}) if by_header else (by_path(canary), {})
    seen: list[str] = []

    async def send(method: str, path: str = "", body: Json = None) -> str:
        head, text = await connection.send(method, base + path, body, **fields)
        seen.append(head + text)
        return text

    body = {"index_ids": [f"idx-{canary}"]}
    ids = [json.loads(await send("POST", "", body))["session_id"] for _ in range(2)]
    for session_id in (ids[0], "session_id"):  # the latter is there in all scopes
        await send("POST", f"/{session_id}/title", {"first_message": f"{canary} title"})
        await send("POST", f"/{session_id}/messages/stream", {**body, "prompt": f"{canary} prompt"})
        await send("GET", f"/{session_id}")
        await send("GET", f"/{session_id}/summary")
    await send("POST", f"/{ids[0]}/messages/stream", {"index_ids": [f"other-{canary}"], "prompt": canary})
    await send("POST", f"/{ids[0]}/messages/stream", {"index_ids": canary, "prompt": 5})
    await send("DELETE", f"/{ids[1]}")
    await send("GET", f"/{ids[1]}")
    await send("GET", f"/{ids[0]}/nowhere")
    listed = json.loads(await send("GET", "?page_size=100"))["items"]
    assert {each["session_id"] for each in listed} == {ids[0], "session_id"}
    return "\n".join(seen)


async def lives(url: str) -> list[str]:
    return await asyncio.gather(*(live(url, number) for number in range(64)))


def test_nothing_of_a_scope_is_seen_in_another_under_load(serve: Serve) -> None:
    url = serve(seed=0, stream_rate=2000)
    for number, seen in enumerate(asyncio.run(lives(url))):
        assert set(CANARY.findall(seen)) == {f"canary{number}x"}
        assert "HTTP/1.1 500" not in seen
    listed = httpx.get(url + "/__mock__/scopes").json()["scopes"]
    assert listed == sorted(({"name": f"canary{number}x", "records": 2} for number in range(64)), key=str)
