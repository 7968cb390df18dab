"""A list shows what its query parameters ask for: each kind of page, each order, filters, and what stands beside."""

from pathlib import Path
from typing import Any

import pytest

from mockserver.messages import Json
from mockserver.testing import MockServer, open_mock
from tests.apis.resources.test_infer import document, get, reply, take
from tests.apis.resources.test_play import ask

TEXT: Json = {"type": "string"}
WHOLE: Json = {"type": "integer"}
THING: Json = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {
        "id": {**WHOLE, "readOnly": True},
        "name": TEXT,
        "rank": WHOLE,
        "state": {"type": "string", "enum": ["open", "closed"]},
    },
}
NEXT: Json = {"type": ["string", "null"]}


def things(folder: Path, asked: Json, beside: Json = None, thing: Json = THING, **more: Any) -> str:
    """Write a document whose list takes query parameters, and says something beside its things."""
    fields = {"things": {"type": "array", "items": thing}, **(beside or {})}
    page = {"type": "object", "required": list(fields), "properties": fields}
    parameters = [{"name": name, "in": "query", "schema": schema} for name, schema in asked.items()]
    listed = {"responses": reply(page), "parameters": parameters}
    listed["responses"]["200"] |= more
    paths = {"/things": {"get": listed, "post": take(thing, thing, "201")}, "/things/{id}": {"get": get(thing)}}
    return document(folder, paths)


def fill(mock: MockServer, *ranks: int) -> None:
    """Create a thing for each rank; those of an even one are open."""
    for rank in ranks:
        sent = {"name": f"n{rank}", "rank": rank, "state": "closed" if rank % 2 else "open"}
        assert ask(mock, "POST", "/things", sent).status_code == 201


def ranks(page: Json) -> list[int]:
    return [each["rank"] for each in page["things"]]


def listed(mock: MockServer, query: str = "") -> list[int]:
    """Return the ranks that a list shows."""
    return ranks(ask(mock, "GET", f"/things{query}").json())


def whole(mock: MockServer, query: str) -> list[list[int]]:
    """Follow the tokens of a list to its end; return the ranks of each page."""
    found, token = [], ""
    for _ in range(9):
        page = ask(mock, "GET", f"/things?limit=2{query}{token}").json()
        found.append(ranks(page))
        if page["next"] is None:
            return found
        token = f"&cursor={page['next']}"
    raise AssertionError("the list has no end")


FIRST_IS_0, FIRST_IS_1 = {**WHOLE, "minimum": 0}, {**WHOLE, "minimum": 1}


@pytest.mark.parametrize(
    ("asked", "query", "expected"),
    [
        ({"offset": WHOLE, "limit": WHOLE}, "?offset=1&limit=2", [2, 3]),
        ({"offset": WHOLE, "limit": WHOLE}, "?limit=2", [1, 2]),
        ({"offset": WHOLE, "limit": WHOLE}, "?offset=4", [5]),
        ({"startIndex": FIRST_IS_1, "count": WHOLE}, "?startIndex=2&count=2", [2, 3]),
        ({"page": WHOLE, "size": WHOLE}, "?page=2&size=2", [3, 4]),
        ({"page": WHOLE, "size": WHOLE}, "?page=1&size=2", [1, 2]),
        ({"page": FIRST_IS_0, "size": WHOLE}, "?page=1&size=2", [3, 4]),
        ({"page": WHOLE, "size": {**WHOLE, "default": 3}}, "", [1, 2, 3]),
        ({"page": WHOLE, "size": {**WHOLE, "maximum": 4}}, "", [1, 2, 3, 4]),
    ],
)
def test_a_page_begins_where_it_is_asked_to(tmp_path: Path, asked: Json, query: str, expected: list[int]) -> None:
    with open_mock(contract=things(tmp_path, asked)) as mock:
        fill(mock, 1, 2, 3, 4, 5)
        assert listed(mock, query) == expected


def test_a_page_begins_after_the_thing_whose_id_is_named(tmp_path: Path) -> None:
    thing = {
        **THING,
        "properties": {**THING["properties"], "id": {"type": "string", "format": "uuid", "readOnly": True}},
    }
    with open_mock(contract=things(tmp_path, {"starting_after": TEXT, "limit": WHOLE}, thing=thing)) as mock:
        fill(mock, 1, 2, 3, 4, 5)
        third = ask(mock, "GET", "/things").json()["things"][2]["id"]
        assert listed(mock, f"?limit=2&starting_after={third}") == [4, 5]
        assert listed(mock, f"?limit=1&starting_after={third}") == [4]


SORTED = {"sort": TEXT, "order": {"type": "string", "enum": ["asc", "desc"]}}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?sort=rank", [1, 2, 3]),
        ("?sort=%2Brank", [1, 2, 3]),
        ("?sort=-rank", [3, 2, 1]),
        ("?sort=rank:desc", [3, 2, 1]),
        ("?sort=rank%20desc", [3, 2, 1]),
        ("?sort=rank_desc", [3, 2, 1]),
        ("?sort=rank_asc", [1, 2, 3]),
        ("?sort=rank&order=desc", [3, 2, 1]),
        ("?sort=rank&order=asc", [1, 2, 3]),
        ("?order=desc", [2, 1, 3]),
        ("", [3, 1, 2]),
    ],
)
def test_a_list_is_sorted_as_it_is_asked_to_be(tmp_path: Path, query: str, expected: list[int]) -> None:
    with open_mock(contract=things(tmp_path, SORTED)) as mock:
        fill(mock, 3, 1, 2)
        assert listed(mock, query) == expected


@pytest.mark.parametrize(
    ("schema", "query", "expected"),
    [
        (TEXT, "?state=open", [2, 4]),
        ({"type": "string", "enum": ["open", "closed", "all"]}, "?state=all", [1, 2, 3, 4]),
        ({"type": "array", "items": TEXT}, "?state=open", [2, 4]),
        ({"type": "array", "items": TEXT}, "?state=open&state=closed", [1, 2, 3, 4]),
    ],
)
def test_a_filter_shows_what_has_one_of_its_values(
    tmp_path: Path, schema: Json, query: str, expected: list[int]
) -> None:
    with open_mock(contract=things(tmp_path, {"state": schema})) as mock:
        fill(mock, 1, 2, 3, 4)
        assert listed(mock, query) == expected


def test_tokens_lead_through_a_list_that_is_filtered_or_sorted(tmp_path: Path) -> None:
    asked = {"limit": WHOLE, "cursor": TEXT, "state": TEXT, "sort": TEXT}
    with open_mock(contract=things(tmp_path, asked, {"next": NEXT})) as mock:
        fill(mock, 1, 2, 4, 3, 6, 8, 10)
        assert whole(mock, "&state=open") == [[2, 4], [6, 8], [10]]
        assert whole(mock, "&sort=-rank") == [[10, 8], [6, 4], [3, 2], [1]]
        assert whole(mock, "") == [[1, 2], [4, 3], [6, 8], [10]]


def test_what_stands_beside_a_list_tells_how_much_there_is(tmp_path: Path) -> None:
    beside = dict.fromkeys(("total", "totalPages", "count", "page", "size"), WHOLE) | {"hasMore": {"type": "boolean"}}
    with open_mock(contract=things(tmp_path, {"page": WHOLE, "size": WHOLE}, beside)) as mock:
        fill(mock, 1, 2, 3, 4, 5)
        found = [ask(mock, "GET", f"/things?size=2&page={page}").json() for page in (1, 3)]
    told = [{name: page[name] for name in beside} for page in found]
    assert told[0] == {"total": 5, "totalPages": 3, "count": 2, "page": 1, "size": 2, "hasMore": True}
    assert told[1] == {"total": 5, "totalPages": 3, "count": 1, "page": 3, "size": 2, "hasMore": False}


def test_an_example_of_a_link_leads_nobody_beyond_the_last_page(tmp_path: Path) -> None:
    link = {"Link": {"schema": TEXT, "example": '<http://there/things?page=2>; rel="next"'}}
    with open_mock(contract=things(tmp_path, {"page": WHOLE, "size": WHOLE}, headers=link)) as mock:
        fill(mock, 1, 2, 3)
        first = ask(mock, "GET", "/things?size=2")
        last = mock.http_client(library="httpx").get(first.links["next"]["url"])
    assert (ranks(first.json()), ranks(last.json())) == ([1, 2], [3])
    assert "next" not in last.links
