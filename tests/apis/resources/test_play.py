"""What a client creates is there afterwards, in every operation of its resource, in every store."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import yaml

from mockserver.apis.resources.infer import infer
from mockserver.apis.resources.resource import Inferred
from mockserver.contract.openapi import Contract
from mockserver.messages import Json
from mockserver.testing import MockServer, open_mock
from tests.apis.resources.documents import shop
from tests.apis.resources.test_infer import document, get, take

CLOCK = "2026-11-28T12:00:00"
MERGE = "application/merge-patch+json"


@pytest.fixture(params=["memory", "sqlite", "redis"])
def mock(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MockServer]:
    """A mock of the shop, over each store."""
    store = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/state.db"}.get(request.param, "")
    if not store:
        redis = request.getfixturevalue("redis")
        store = f"{redis.url}/?prefix={tmp_path.name}"
    with open_mock(contract=shop(tmp_path), store=store) as opened:
        yield opened


def ask(mock: MockServer, method: str, path: str, body: Json = None, **headers: str) -> httpx.Response:
    content = None if body is None else json.dumps(body)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if content is not None:
        named.setdefault("content-type", "application/json")
    return mock.http_client(library="httpx").request(method, path, content=content, headers=named)


def order(mock: MockServer, customer: str = "ada", **more: Json) -> Json:
    answer = ask(mock, "POST", "/orders", {"customer": customer, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_what_is_created_is_answered_kept_and_listed(mock: MockServer) -> None:
    made = order(mock, count=3)
    assert (made["customer"], made["count"], made["status"]) == ("ada", 3, "open")
    assert "note" not in made
    assert ask(mock, "GET", f"/orders/{made['id']}").json() == made
    page = ask(mock, "GET", "/orders").json()
    assert (page["data"], page["total"], page["has_more"]) == ([made], 1, False)
    assert mock.resources["orders"][made["id"]] == made


def test_the_answer_of_a_creation_says_where_the_item_is(mock: MockServer) -> None:
    answer = ask(mock, "POST", "/orders", {"customer": "ada"})
    assert answer.headers["location"] == f"/orders/{answer.json()['id']}"
    assert answer.headers["x-mock-state"] == f"orders/{answer.json()['id']} created"


def test_ids_differ_and_defaults_are_filled_in(mock: MockServer) -> None:
    made = [order(mock) for _ in range(5)]
    assert len({each["id"] for each in made}) == 5
    assert {each["count"] for each in made} == {1}


def test_an_event_that_has_not_happened_has_no_time(mock: MockServer) -> None:
    assert order(mock).get("shipped_at") is None


def test_pages_show_each_item_once_while_others_are_created_and_changed(mock: MockServer) -> None:
    before = [order(mock)["id"] for _ in range(7)]
    seen: list[int] = []
    cursor = ""
    while True:
        page = ask(mock, "GET", "/orders" + (f"?cursor={cursor}" if cursor else "")).json()
        seen += [each["id"] for each in page["data"]]
        order(mock) if len(seen) < 6 else None
        ask(mock, "PATCH", f"/orders/{before[0]}", {"note": "x"}, content_type="application/merge-patch+json")
        if page["next_cursor"] is None:
            break
        cursor = page["next_cursor"]
    assert [each for each in seen if each in before] == before
    assert len(seen) == len(set(seen))


def test_lists_are_filtered_and_sorted(mock: MockServer) -> None:
    for customer, count in (("ada", 2), ("bob", 9), ("ada", 1)):
        order(mock, customer, count=count)
    found = ask(mock, "GET", "/orders?customer=ada&limit=9").json()
    assert [each["count"] for each in found["data"]] == [2, 1]
    assert found["total"] == 2
    assert [each["count"] for each in ask(mock, "GET", "/orders?sort=-count&limit=9").json()["data"]] == [9, 2, 1]


def test_a_replacement_keeps_only_what_was_sent_and_what_the_server_sets(mock: MockServer) -> None:
    made = order(mock, count=3, note="x")
    changed = ask(mock, "PUT", f"/orders/{made['id']}", {"customer": "bob"}).json()
    assert (changed["customer"], changed["id"], changed["created_at"]) == ("bob", made["id"], made["created_at"])
    assert "note" not in changed
    assert ask(mock, "GET", f"/orders/{made['id']}").json() == changed


def test_a_merge_patch_changes_and_removes_fields(mock: MockServer) -> None:
    made = order(mock, count=3, note="x")
    patch = {"count": 4, "note": None}
    changed = ask(mock, "PATCH", f"/orders/{made['id']}", patch, content_type="application/merge-patch+json").json()
    assert changed["count"] == 4
    assert "note" not in changed


def test_a_json_patch_is_applied(mock: MockServer) -> None:
    made = order(mock, count=3)
    patch = [{"op": "test", "path": "/count", "value": 3}, {"op": "replace", "path": "/count", "value": 8}]
    changed = ask(mock, "PATCH", f"/orders/{made['id']}", patch, content_type="application/json-patch+json").json()
    assert changed["count"] == 8


@pytest.mark.parametrize(
    "patch",
    [
        [{"op": "test", "path": "/count", "value": 99}],
        [{"op": "move", "path": "/x"}],
        [7],
        [{"op": "remove", "path": "/z"}],
    ],
)
def test_a_json_patch_that_does_not_apply_changes_nothing(mock: MockServer, patch: Json) -> None:
    made = order(mock, count=3)
    answer = ask(mock, "PATCH", f"/orders/{made['id']}", patch, content_type="application/json-patch+json")
    assert 400 <= answer.status_code < 500
    assert ask(mock, "GET", f"/orders/{made['id']}").json() == made


def test_a_json_patch_that_doubles_itself_is_refused(mock: MockServer) -> None:
    made = order(mock, note="x" * 1000)
    patch = [{"op": "copy", "from": "", "path": f"/a{index}"} for index in range(60)]
    answer = ask(mock, "PATCH", f"/orders/{made['id']}", patch, content_type="application/json-patch+json")
    assert answer.status_code == 422
    assert "copies too much" in answer.headers["x-mock-message"]


def test_what_is_deleted_is_gone_with_what_stands_below_it(mock: MockServer) -> None:
    made = order(mock)
    note = ask(mock, "POST", f"/orders/{made['id']}/notes", {"text": "hi"}).json()
    where = f"/orders/{made['id']}/notes/{note['note_id']}"
    assert ask(mock, "GET", where).json() == note
    assert ask(mock, "DELETE", f"/orders/{made['id']}").status_code == 204
    for path in (f"/orders/{made['id']}", where, f"/orders/{made['id']}/notes", f"/orders/{made['id']}/invoice"):
        answer = ask(mock, "GET", path)
        assert answer.status_code == 404, path
        assert "it was deleted" in answer.headers["x-mock-message"]
    assert ask(mock, "DELETE", f"/orders/{made['id']}").status_code == 404
    assert ask(mock, "GET", "/orders").json()["data"] == []
    assert len(mock.resources["notes"]) == 0


def test_things_below_one_are_not_below_another(mock: MockServer) -> None:
    one, other = order(mock)["id"], order(mock)["id"]
    note = ask(mock, "POST", f"/orders/{one}/notes", {"text": "hi"}).json()
    assert ask(mock, "GET", f"/orders/{one}/notes").json() == [note]
    ask(mock, "POST", f"/orders/{other}/notes", {"text": "ho"})
    assert [each["text"] for each in ask(mock, "GET", f"/orders/{other}/notes").json()] == ["ho"]


def test_an_action_moves_an_item_once(mock: MockServer) -> None:
    made = order(mock)
    answer = ask(mock, "POST", f"/orders/{made['id']}/ship")
    assert answer.json()["status"] == "shipped"
    assert answer.json()["shipped_at"] is not None
    assert answer.headers["x-mock-state"] == f"orders/{made['id']} status open -> shipped"
    assert ask(mock, "GET", f"/orders/{made['id']}").json() == answer.json()
    assert ask(mock, "POST", f"/orders/{made['id']}/ship").status_code == 409


def test_a_collection_begins_with_its_documented_examples(mock: MockServer) -> None:
    assert ask(mock, "GET", "/customers/ada").json() == {"login": "ada", "name": "Ada"}
    assert ask(mock, "POST", "/customers", {"login": "eve", "name": "Eve"}).status_code == 201
    assert [each["login"] for each in ask(mock, "GET", "/customers").json()] == ["ada", "bob", "eve"]


def test_a_taken_identity_is_a_conflict(mock: MockServer) -> None:
    assert ask(mock, "POST", "/customers", {"login": "bob", "name": "Other"}).status_code == 409
    assert ask(mock, "GET", "/customers/bob").json()["name"] == "Bob"


def test_a_singleton_is_changed_at_its_own_path(mock: MockServer) -> None:
    changed = {"theme": "dark", "beta": True}
    assert ask(mock, "PATCH", "/settings", changed).json() == changed
    assert ask(mock, "GET", "/settings").json() == changed


def test_an_id_that_was_never_seen_is_answered_statelessly(mock: MockServer) -> None:
    answer = ask(mock, "GET", "/orders/77")
    assert answer.status_code == 200
    assert answer.json()["id"] == 77
    assert answer.headers["x-mock-state"] == "stateless: orders/77 is not kept"
    assert ask(mock, "DELETE", "/orders/77").status_code == 204
    assert ask(mock, "GET", "/orders/77").status_code == 404


def test_a_change_of_an_unseen_id_is_kept(mock: MockServer) -> None:
    ask(mock, "PUT", "/orders/78", {"customer": "eve"})
    assert ask(mock, "GET", "/orders/78").json()["customer"] == "eve"
    assert [each["id"] for each in ask(mock, "GET", "/orders").json()["data"]] == [78]


def test_tags_tell_versions_apart(mock: MockServer) -> None:
    made = order(mock)
    path = f"/orders/{made['id']}"
    tag = ask(mock, "GET", path).headers["etag"]
    assert ask(mock, "GET", path, if_none_match=tag).status_code == 304
    assert ask(mock, "PUT", path, {"customer": "bob"}, if_match='"old"').status_code == 412
    assert ask(mock, "PUT", path, {"customer": "bob"}, if_match=tag).status_code == 200
    assert ask(mock, "GET", path, if_none_match=tag).status_code == 200


def test_scopes_share_nothing(mock: MockServer) -> None:
    made = order(mock)
    path = f"/orders/{made['id']}"
    assert ask(mock, "GET", path, x_mock_scope="other").headers["x-mock-state"].startswith("stateless: ")
    other = ask(mock, "POST", "/orders", {"customer": "eve"}, x_mock_scope="other").json()
    for scope, expected in (("default", made), ("other", other)):
        assert ask(mock, "GET", "/orders", x_mock_scope=scope).json()["data"] == [expected]
    ask(mock, "DELETE", f"/orders/{other['id']}", x_mock_scope="other")
    assert ask(mock, "GET", path).json() == made
    assert len(mock.resources["orders"]) == 1


def test_a_snapshot_brings_everything_back(mock: MockServer) -> None:
    made, other = order(mock), order(mock)
    ask(mock, "DELETE", f"/orders/{other['id']}")
    saved = mock.snapshot()
    ask(mock, "DELETE", f"/orders/{made['id']}")
    mock.restore(saved)
    assert ask(mock, "GET", f"/orders/{made['id']}").json() == made
    assert ask(mock, "GET", f"/orders/{other['id']}").status_code == 404
    assert order(mock)["id"] not in (made["id"], other["id"])


# -- modes, preferences, functions


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[MockServer]:
    with open_mock(contract=shop(tmp_path), state="strict", clock=CLOCK) as opened:
        yield opened


def test_strict_knows_only_what_was_created(strict: MockServer) -> None:
    assert ask(strict, "GET", "/orders").json() == {"data": [], "total": 0, "next_cursor": None, "has_more": False}
    for method in ("GET", "DELETE"):
        assert ask(strict, method, "/orders/77").status_code == 404
    assert ask(strict, "POST", "/orders/77/notes", {"text": "x"}).status_code == 404
    assert ask(strict, "GET", "/customers/ada").status_code == 200


def test_times_come_from_the_clock(strict: MockServer) -> None:
    assert order(strict)["created_at"] == "2026-11-28T12:00:00.000Z"


def test_off_remembers_nothing(tmp_path: Path) -> None:
    with open_mock(contract=shop(tmp_path), state="off") as mock:
        made = ask(mock, "POST", "/orders", {"customer": "ada"}).json()
        assert "x-mock-state" not in ask(mock, "GET", f"/orders/{made['id']}").headers
        assert list(mock.resources) == []


def test_a_preference_or_a_stub_wins_and_is_not_kept(mock: MockServer) -> None:
    ask(mock, "POST", "/orders", {"customer": "ada"}, prefer="dynamic=true")
    mock.stub.create(
        "create_order", body={"id": 5, "status": "open", "created_at": "2026-11-28T12:00:00Z", "customer": "x"}
    )
    assert ask(mock, "POST", "/orders", {"customer": "ada"}).json()["id"] == 5
    assert "orders" not in list(mock.resources)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    def play() -> bytes:
        with open_mock(contract=shop(tmp_path), seed=3, clock=CLOCK) as mock:
            answers = [ask(mock, "POST", "/orders", {"customer": "ada"}) for _ in range(3)]
            answers.append(ask(mock, "POST", f"/orders/{answers[0].json()['id']}/notes", {"text": "x"}))
            return b"".join(each.content for each in answers)

    assert play() == play()


def test_a_test_sees_and_changes_what_is_kept(mock: MockServer) -> None:
    made = order(mock)
    orders = mock.resources["orders"]
    orders.put(made["id"], made | {"status": "shipped"})
    assert ask(mock, "GET", f"/orders/{made['id']}").json()["status"] == "shipped"
    with pytest.raises(Exception, match="cannot be kept in orders"):
        orders.put(made["id"], {"status": "nonsense"})
    orders.delete(made["id"])
    assert made["id"] not in orders
    with pytest.raises(KeyError):
        orders[made["id"]]


def test_a_function_plays_an_operation(mock: MockServer) -> None:
    made = order(mock)

    @mock.play("ship_order")
    def ship(call: Any, records: Any) -> Json:
        orders = records["orders"]
        return orders.put(call.path["order_id"], orders[call.path["order_id"]] | {"status": "shipped", "count": 99})

    assert ask(mock, "POST", f"/orders/{made['id']}/ship").json()["count"] == 99
    assert ask(mock, "GET", f"/orders/{made['id']}").json()["count"] == 99
    mock.reset()
    again = order(mock)
    assert ask(mock, "POST", f"/orders/{again['id']}/ship").json()["count"] == 1


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda *_: 1 / 0, "raised ZeroDivisionError"),
        (lambda *_: {"status": "lost"}, "returned what cannot be sent"),
        (lambda *_: object(), "returned no answer"),
    ],
)
def test_what_a_function_does_wrong_is_its_own_fault(strict: MockServer, answer: Any, told: str) -> None:
    strict.play("POST /orders/{order_id}/ship")(answer)
    response = ask(strict, "POST", "/orders/1/ship")
    assert response.status_code == 500
    assert response.headers["x-mock-fault"] == "stub"
    assert told in response.headers["x-mock-message"]


def test_a_template_sees_the_item_that_the_path_names(tmp_path: Path) -> None:
    folder = tmp_path / "answers" / "get_invoice"
    folder.mkdir(parents=True)
    body = {"for": "{{ record.customer | default('nobody') }}"}
    (folder / "200.json").write_text(json.dumps({"template": True, "body": body}))
    with open_mock(contract=shop(tmp_path), fixtures=tmp_path / "answers") as mock:
        made = order(mock, "ada")
        assert ask(mock, "GET", f"/orders/{made['id']}/invoice").json() == {"for": "ada"}
        assert ask(mock, "GET", "/orders/99/invoice").json() == {"for": "nobody"}


def test_a_taken_identity_without_a_declared_conflict_is_taken_over(tmp_path: Path) -> None:
    file = Path(shop(tmp_path))
    file.write_text(file.read_text().replace("'409'", "'400'"))
    with open_mock(contract=str(file)) as mock:
        assert ask(mock, "POST", "/customers", {"login": "bob", "name": "Other"}).status_code == 201
        assert ask(mock, "GET", "/customers/bob").json()["name"] == "Other"


def wrapping(folder: Path) -> str:
    """Write the shop with changes of orders that answer the order in an envelope, and something else."""
    document = yaml.safe_load(Path(shop(folder)).read_text())
    paths, order_of = document["paths"], {"$ref": "#/components/schemas/Order"}
    properties = {"data": order_of, "took": {"type": "integer"}}
    envelope = {"type": "object", "required": ["data", "took"], "properties": properties}
    for method, schema in (("put", envelope), ("patch", {"type": "object", "required": ["done"]})):
        paths["/orders/{order_id}"][method]["responses"]["200"]["content"]["application/json"]["schema"] = schema
    file = folder / "wrapping.yaml"
    file.write_text(yaml.safe_dump(document))
    return str(file)


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_a_change_that_is_answered_by_more_than_the_item_ends(tmp_path: Path, store: str) -> None:
    url = {"memory": "memory://", "sqlite": f"sqlite:///{tmp_path}/state.db"}[store]
    with open_mock(contract=wrapping(tmp_path), store=url, state="strict") as mock:
        made, answers = order(mock), []

        def change() -> None:
            answers.append(ask(mock, "PUT", f"/orders/{made['id']}", {"customer": "bob"}))
            answers.append(ask(mock, "PATCH", f"/orders/{made['id']}", {"count": 7}, content_type=MERGE))

        thread = Thread(target=change, daemon=True)  # what waits for itself would never end
        thread.start()
        thread.join(30)
        assert [each.status_code for each in answers] == [200, 200]
        assert answers[0].json()["data"]["customer"] == "bob"
        assert ask(mock, "GET", f"/orders/{made['id']}").json()["count"] == 7


HOSTILE = ["a/b", "a%2Fb", "%2F", "é", "\u202e", "\0", "x" * 10_240, "-1", "9" * 30, "1e3", "null", "_begun", "💩"]


@pytest.mark.parametrize("state", ["auto", "strict"])
def test_no_id_makes_the_mock_fail(tmp_path: Path, state: str) -> None:
    with open_mock(contract=shop(tmp_path), state=state) as mock:
        for each in HOSTILE:
            assert ask(mock, "POST", "/customers", {"login": each, "name": "x"}).status_code == 201
            found = ask(mock, "GET", "/customers/" + quote(each, safe=""))
            assert (found.status_code, found.json()["login"]) == (200, each)
            for method in ("GET", "PUT", "PATCH", "DELETE", "HEAD", "POST"):
                for path in ("/orders/{}", "/orders/{}/ship", "/orders/1/notes/{}", "/orders/{}/notes"):
                    body = {"customer": "x", "text": "x"} if method in ("PUT", "POST") else None
                    answer = ask(mock, method, path.format(quote(each, safe="")), body)
                    assert answer.status_code < 500, (method, path, each, answer.text)


BODIES = [[], [1], "x", 1, None, True, {"customer": ["x"]}, {"customer": {"a": 1}}, {"customer": "\ud800"}]
DEEP = '{"customer":"x","note":' + "[" * 5_000 + "]" * 5_000 + "}"
NESTED = '{"a":' * 900 + "1" + "}" * 900
CALLED = [("POST", "/orders"), ("PUT", "/orders/{}"), ("PATCH", "/orders/{}"), ("PATCH", "/settings")]
HUGE = '{"customer":"x","count":1' + "0" * 400 + "}"


def test_no_body_makes_the_mock_fail(mock: MockServer) -> None:
    made = order(mock)
    for body in (*map(json.dumps, BODIES), DEEP, NESTED, HUGE):
        for kind in ("application/json", MERGE, "application/json-patch+json"):
            for method, path in CALLED:
                answer = mock.http_client(library="httpx").request(
                    method, path.format(made["id"]), content=body.encode(), headers={"content-type": kind}
                )
                assert answer.status_code < 500, (method, path, kind, body[:60], answer.text)


def test_half_of_a_surrogate_pair_is_kept_as_it_was_sent(mock: MockServer) -> None:
    made = order(mock, "\ud800")
    assert made["customer"] == "\ud800"
    assert ask(mock, "GET", f"/orders/{made['id']}").json() == made
    assert ask(mock, "GET", "/orders").json()["data"] == [made]
    patch = [{"op": "copy", "from": "/customer", "path": "/note"}]
    assert (
        ask(mock, "PATCH", f"/orders/{made['id']}", patch, content_type="application/json-patch+json").json()["note"]
        == "\ud800"
    )


def test_what_several_threads_create_at_once_is_all_there(mock: MockServer) -> None:
    begun = [order(mock, "base")["id"] for _ in range(10)]
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda index: order(mock, f"c{index}")["id"], range(128)))
        pages = list(pool.map(lambda _: listed_ids(mock), range(4)))
        list(pool.map(lambda id: ask(mock, "DELETE", f"/orders/{id}"), made[::2]))
    assert len({*begun, *made}) == 138
    assert sorted(listed_ids(mock)) == sorted([*begun, *made[1::2]])
    assert all(each[:10] == begun and len(set(each)) == len(each) for each in pages)


def listed_ids(mock: MockServer) -> list[int]:
    """Read the list of orders to its end."""
    found: list[int] = []
    query = "?limit=25"
    while True:
        page = ask(mock, "GET", f"/orders{query}").json()
        found += [each["id"] for each in page["data"]]
        if page["next_cursor"] is None:
            return found
        query = f"?limit=25&cursor={page['next_cursor']}"


def test_what_is_sent_is_kept_under_the_names_of_the_item(tmp_path: Path) -> None:
    item = {
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "integer"}, "friendly_name": {"type": "string"}},
    }
    new = {"type": "object", "properties": {"FriendlyName": {"type": "string"}}}
    paths = {"/lines": {"post": take(new, item, "201")}, "/lines/{id}": {"get": get(item)}}
    with open_mock(contract=document(tmp_path, paths)) as mock:
        made = ask(mock, "POST", "/lines", {"FriendlyName": "x"}).json()
        assert made["friendly_name"] == "x"


def test_the_first_page_has_none_before_it(tmp_path: Path) -> None:
    item = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}
    address = {"type": ["string", "null"], "format": "uri"}
    fields = {"items": {"type": "array", "items": item}, "next": address, "previous": address}
    page = {"type": "object", "required": list(fields), "properties": fields}
    asked = [{"name": name, "in": "query", "schema": {"type": "integer"}} for name in ("page", "size")]
    listed, new = get(page) | {"parameters": asked}, {"type": "object"}
    paths = {"/lines": {"get": listed, "post": take(new, item, "201")}, "/lines/{id}": {"get": get(item)}}
    with open_mock(contract=document(tmp_path, paths)) as mock:
        for _ in range(3):
            ask(mock, "POST", "/lines", {})
        first = ask(mock, "GET", "/lines?size=2").json()
        assert (len(first["items"]), first["previous"]) == (2, None)
        last = mock.http_client(library="httpx").get(first["next"]).json()
        assert (len(last["items"]), last["next"]) == (1, None)


THING = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "name": {"type": "string"}}}


def test_of_two_deletions_at_once_one_finds_the_item_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_mock(contract=shop(tmp_path)) as mock:
        made = order(mock)
        assert mock.mock is not None
        store = mock.mock.store
        stale = store.find("default", "orders", str(made["id"]))
        assert ask(mock, "DELETE", f"/orders/{made['id']}").status_code == 204
        monkeypatch.setattr(store, "find", lambda *_, **__: stale)
        assert ask(mock, "DELETE", f"/orders/{made['id']}").status_code == 404


def test_a_change_since_the_tag_was_read_stops_a_deletion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tagged = {"delete": {"responses": {"204": {"description": "x"}, "412": {"description": "x"}}}}
    with open_mock(contract=shop(tmp_path, **{"__orders__{order_id}": tagged})) as mock:
        made = order(mock)
        tag = ask(mock, "GET", f"/orders/{made['id']}").headers["etag"]
        assert mock.mock is not None
        store = mock.mock.store
        stale = store.find("default", "orders", str(made["id"]))
        ask(mock, "PUT", f"/orders/{made['id']}", {"customer": "bob"})
        monkeypatch.setattr(store, "find", lambda *_, **__: stale)
        assert ask(mock, "DELETE", f"/orders/{made['id']}", if_match=tag).status_code == 412


@pytest.mark.parametrize(
    ("collection", "item", "posted", "where"),
    [
        ("/things.json", "/things/{id}.json", "/things.json", "/things/1.json"),
        ("/users/{user_id}/things", "/things/{id}", "/users/7/things", "/things/1"),
        ("/users/{user_id}/things", "/users/{user_id}/things/{id}", "/users/7/things", "/users/7/things/1"),
    ],
)
def test_location_is_the_path_that_the_contract_has_for_the_item(
    tmp_path: Path, collection: str, item: str, posted: str, where: str
) -> None:
    seen = {"$ref": "#/paths/" + item.replace("/", "~1").replace("{", "%7B").replace("}", "%7D") + JSON_OF_GET}
    made = take({"type": "object"}, seen, "201")
    made["responses"]["201"]["headers"] = {"Location": {"schema": {"type": "string"}}}
    listed = get({"type": "array", "items": seen})
    paths = {collection: {"get": listed, "post": made}, item: {"get": get(THING), "delete": {}}}
    with open_mock(contract=document(tmp_path, paths)) as mock:
        answer = ask(mock, "POST", posted, {})
        assert answer.headers["location"] == where
        assert ask(mock, "GET", where).json()["id"] == answer.json()["id"]


JSON_OF_GET = "/get/responses/200/content/application~1json/schema"


def test_resources_of_two_documents_share_no_name(tmp_path: Path) -> None:
    files = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        paths = {"/things": {"post": take({"type": "object"}, THING, "201")}, "/things/{id}": {"get": get(THING)}}
        files.append(Path(document(folder, paths)).rename(folder / f"{name}.yaml"))
    with open_mock(contract=f"/a={files[0]},/b={files[1]}", state="strict") as mock:
        made = ask(mock, "POST", "/a/things", {}).json()
        assert ask(mock, "GET", f"/b/things/{made['id']}").status_code == 404
        assert list(mock.resources) == ["one.things"]


@pytest.mark.parametrize("kind", ["string", "integer"])
def test_a_cursor_is_a_token_or_the_id_of_an_item_below_another(tmp_path: Path, kind: str) -> None:
    fields = {"data": {"type": "array", "items": THING}, "next_cursor": {"type": [kind, "null"]}}
    page = {"type": "object", "required": ["data"], "properties": fields}
    asked = [{"name": "limit", "in": "query", "schema": {"type": "integer"}}]
    listed = get(page) | {"parameters": [*asked, {"name": "after", "in": "query", "schema": {"type": kind}}]}
    path = "/users/{user_id}/things"
    paths = {path: {"get": listed, "post": take({"type": "object"}, THING, "201")}, path + "/{id}": {"get": get(THING)}}
    with open_mock(contract=document(tmp_path, paths)) as mock:
        for _ in range(5):
            ask(mock, "POST", "/users/8/things", {})
        ids = [ask(mock, "POST", "/users/7/things", {}).json()["id"] for _ in range(4)]
        first = ask(mock, "GET", "/users/7/things?limit=2").json()
        second = ask(mock, "GET", f"/users/7/things?limit=2&after={first['next_cursor']}").json()
        assert [each["id"] for each in (*first["data"], *second["data"])] == ids
        below = ask(mock, "GET", f"/users/7/things?after={ids[2]}").json()
        assert [each["id"] for each in below["data"]] == ids[3:]


def test_a_document_is_looked_at_once_for_all_mocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Contract] = []

    def look(contract: Contract, *declared: Any) -> Inferred:
        looked.append(contract)
        return infer(contract, *declared)

    monkeypatch.setattr("mockserver.apis.resources.pack.infer", look)
    file = shop(tmp_path)
    for _ in range(3):
        with open_mock(contract=file) as mock:
            order(mock)
    assert len(looked) == 1


def test_an_operation_tells_only_what_is_wrong_with_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wrong = {"200": {"description": "x", "content": {"application/json": {"schema": THING, "example": {"id": "no"}}}}}
    paths = {
        "/things": {"post": take({"type": "object"}, THING, "201")},
        "/things/{id}": {"get": {"operationId": "odd", "responses": wrong}},
    }
    with open_mock(contract=document(tmp_path, paths)) as mock:
        ask(mock, "POST", "/things", {})
        assert caplog.messages == []
        ask(mock, "GET", "/things/1")
        assert [text.partition(":")[0] for text in caplog.messages] == ["odd"]


@pytest.mark.parametrize("names", [["new", "old"], ["new", "new"]])
def test_of_a_list_with_a_taken_identity_nothing_is_kept(tmp_path: Path, names: list[str]) -> None:
    person = {"type": "object", "required": ["login"], "properties": {"login": {"type": "string"}}}
    listed = {"type": "array", "items": person}
    posted = take(listed, listed, "201")
    posted["responses"]["409"] = {"description": "Taken."}
    paths = {"/people": {"get": get(listed), "post": posted}, "/people/{login}": {"get": get(person)}}
    with open_mock(contract=document(tmp_path, paths), state="strict") as mock:
        assert ask(mock, "POST", "/people", [{"login": "old"}]).status_code == 201
        assert ask(mock, "POST", "/people", [{"login": name} for name in names]).status_code == 409
        assert ask(mock, "GET", "/people").json() == [{"login": "old"}]


@pytest.mark.parametrize("envelope", [False, True])
def test_each_item_of_a_list_is_created(tmp_path: Path, envelope: bool) -> None:
    listed = {"type": "array", "items": THING}
    answer = {"type": "object", "required": ["things"], "properties": {"things": listed}} if envelope else listed
    new = {"type": "array", "items": {"type": "object", "properties": {"name": {"type": "string"}}}}
    paths = {
        "/things": {"get": get(listed)},
        "/things/batch": {"post": take(new, answer, "201")},
        "/things/{id}": {"get": get(THING)},
    }
    with open_mock(contract=document(tmp_path, paths), state="strict") as mock:
        answered = ask(mock, "POST", "/things/batch", [{"name": "a"}, {"name": "b"}])
        made = answered.json()["things"] if envelope else answered.json()
        assert [each["name"] for each in made] == ["a", "b"]
        assert ask(mock, "GET", "/things").json() == made
        assert answered.headers["x-mock-state"] == "things: 2 created"


def query(*names: str, kind: str = "string") -> Json:
    return [{"name": name, "in": "query", "schema": {"type": kind}} for name in names]


STATED = {
    "type": "object",
    "required": ["id", "status"],
    "properties": {"id": {"type": "integer"}, "status": {"type": "string"}, "name": {"type": "string"}},
}


def ref_to(path: str) -> Json:
    """Refer to what GET answers at a path."""
    pointer = path.replace("/", "~1").replace("{", "%7B").replace("}", "%7D")
    return {"$ref": "#/paths/" + pointer + JSON_OF_GET}


def test_a_list_at_a_path_of_its_own_shows_some_of_the_items(tmp_path: Path) -> None:
    one = ref_to("/things/{id}")
    listed = {"type": "array", "items": one}
    paths = {
        "/things": {"post": take(STATED | {"required": ["status"]}, one, "201"), "put": take(STATED, one)},
        "/things/findByStatus": {"get": get(listed) | {"parameters": query("status", "near")}},
        "/things/{id}": {"get": get(STATED)},
    }
    with open_mock(contract=document(tmp_path, paths), state="strict") as mock:
        made = [ask(mock, "POST", "/things", {"status": status}).json() for status in ("new", "old", "new")]
        assert ask(mock, "GET", "/things/findByStatus?status=new").json() == [made[0], made[2]]
        unknown = ask(mock, "GET", "/things/findByStatus?near=here")
        assert unknown.headers["x-mock-state"].startswith("stateless: it is not known which")
        changed = made[0] | {"status": "sold"}
        assert ask(mock, "PUT", "/things", changed).json() == changed
        assert ask(mock, "GET", f"/things/{made[0]['id']}").json() == changed


def test_a_whole_list_is_deleted_as_far_as_filters_say(tmp_path: Path) -> None:
    listed = {"type": "array", "items": STATED}
    paths = {
        "/things": {
            "get": get(listed),
            "post": take(STATED | {"required": ["status"]}, STATED, "201"),
            "delete": {"parameters": query("status")},
        },
        "/things/{id}": {"get": get(STATED)},
    }
    with open_mock(contract=document(tmp_path, paths)) as mock:
        made = [ask(mock, "POST", "/things", {"status": status}).json() for status in ("new", "old", "new")]
        answer = ask(mock, "DELETE", "/things?status=new")
        assert (answer.status_code, answer.headers["x-mock-state"]) == (204, "things: 2 deleted")
        assert ask(mock, "GET", "/things").json() == [made[1]]
        assert ask(mock, "GET", f"/things/{made[0]['id']}").status_code == 404
        ask(mock, "DELETE", "/things")
        assert ask(mock, "GET", "/things").json() == []


def test_several_parameters_find_one_thing(tmp_path: Path) -> None:
    repo = {
        "type": "object",
        "required": ["owner", "name"],
        "properties": {"owner": {"type": "string"}, "name": {"type": "string"}, "stars": {"type": "integer"}},
    }
    paths = {
        "/repos": {"get": get({"type": "array", "items": repo}), "post": take(repo, repo, "201")},
        "/repos/{owner}/{repo}": {"get": get(repo), "delete": {}},
    }
    with open_mock(contract=document(tmp_path, paths), state="strict") as mock:
        for owner in ("ann", "bob"):
            assert ask(mock, "POST", "/repos", {"owner": owner, "name": "x"}).status_code == 201
        assert ask(mock, "DELETE", "/repos/ann/x").status_code == 204
        assert ask(mock, "GET", "/repos/bob/x").json()["owner"] == "bob"
        assert [each["owner"] for each in ask(mock, "GET", "/repos").json()] == ["bob"]


@pytest.mark.parametrize(("first", "pages"), [(0, [0, 1, 2]), (1, [1, 2, 3])])
def test_pages_by_number_say_how_many_there_are(tmp_path: Path, first: int, pages: list[int]) -> None:
    whole = {"type": "integer"}
    fields = {"items": {"type": "array", "items": THING}, "page": whole, "total_pages": whole, "total": whole}
    listed = get({"type": "object", "required": list(fields), "properties": fields})
    listed["parameters"] = [
        {"name": "page", "in": "query", "schema": {"type": "integer", "default": first}},
        {"name": "per_page", "in": "query", "schema": {"type": "integer", "default": 2}},
    ]
    listed["responses"]["200"]["headers"] = {"Link": {"schema": {"type": "string"}}}
    paths = {
        "/things": {"get": listed, "post": take({"type": "object"}, THING, "201")},
        "/things/{id}": {"get": get(THING)},
    }
    with open_mock(contract=document(tmp_path, paths)) as mock:
        ids = [ask(mock, "POST", "/things", {}).json()["id"] for _ in range(5)]
        seen = []
        for number in pages:
            answer = ask(mock, "GET", f"/things?page={number}")
            page = answer.json()
            assert (page["page"], page["total_pages"], page["total"]) == (number, 3, 5)
            following = answer.links.get("next")
            assert (following is not None) is (number != pages[-1])
            assert answer.links["first"]["url"].endswith("/things")
            seen += [each["id"] for each in page["items"]]
        assert seen == ids
