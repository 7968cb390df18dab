"""Filters, sorts and pages the items of a list, by the query parameters that their names tell."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode

from mockserver.api import Call
from mockserver.apis.resources.bodies import fields_of, json_schema
from mockserver.apis.resources.items import Item, ItemField, at, placed
from mockserver.apis.resources.names import (
    COUNTS,
    CURSORS,
    DIRECTIONS,
    MORES,
    NEXTS,
    OFFSETS,
    PAGES,
    PREVIOUS,
    SIZES,
    SORTS,
    TOTAL_PAGES,
    TOTALS,
    plain,
)
from mockserver.apis.resources.resource import ItemOperation, Path
from mockserver.contract.openapi import Operation, Parameter
from mockserver.contract.resolved import View, Views, is_same, said, type_of, values
from mockserver.messages import Json
from mockserver.store.base import Record, Store

USUAL_SIZE = 100
"""How many items a page has where neither request nor contract says it."""

LONGEST = 10_000
"""The most items of a list that has no pages."""

_CHUNK = 1_000
_META = frozenset("meta pagination paging pageinfo links page metadata responsemetadata listmetadata".split())
"""Fields beside a list that hold what is said of its page."""


class ItemPage(NamedTuple):
    """The items of a page, and where it stands in the list."""

    items: list[Item]
    total: Callable[[], int]
    first: int
    """How many items come before it, as far as that is known."""
    size: int
    """How many items a page has at most."""
    next: "int | None"
    """The place after which the next page begins: a count for pages by number, else the place of the last record."""


class Query:
    """The query parameters of a list operation, by what their names tell."""

    def __init__(self, operation: Operation, fields: Mapping[str, ItemField]) -> None:
        self.size: Parameter | None = None
        self.offset: Parameter | None = None
        self.page: Parameter | None = None
        self.cursor: Parameter | None = None
        self.sort: Parameter | None = None
        self.order: Parameter | None = None
        self.filters: dict[str, str] = {}
        """The field that each filtering parameter names."""
        self._fields = fields
        by_name = {plain(name): name for name in fields}
        for each in operation.parameters:
            if each.location == "query":
                self._read(each, by_name)

    def _read(self, parameter: Parameter, fields: Mapping[str, str]) -> None:
        name = plain(parameter.name)
        kinds = (("page", PAGES), ("offset", OFFSETS), ("cursor", CURSORS), ("size", SIZES))
        for slot, known in kinds:
            if name in known and getattr(self, slot) is None and not (slot == "size" and name in fields):
                setattr(self, slot, parameter)
                return
        if name in SORTS:
            slot = "order" if name in DIRECTIONS and _is_direction(parameter) else "sort"
            if getattr(self, slot) is None:
                setattr(self, slot, parameter)
        elif name in fields:
            self.filters[parameter.name] = fields[name]

    def knows(self, call: Call) -> bool:
        """Return whether it is known what each query parameter of a request does."""
        own = (self.size, self.offset, self.page, self.cursor, self.sort, self.order)
        return call.query.keys() <= {*self.filters, *(each.name for each in own if each is not None)}

    def is_plain(self, call: Call) -> bool:
        """Return whether a request asks for the items in their own order, unfiltered."""
        return not call.query or not (self.is_sorted(call) or self.filters.keys() & call.query.keys())

    def is_sorted(self, call: Call) -> bool:
        """Return whether a request asks for an order."""
        return any(each is not None and each.name in call.query for each in (self.sort, self.order))

    def matching(self, call: Call, items: list[Record]) -> list[Record]:
        """Return the records that a request's filters let through, in the order that it asks for."""
        for name, field in self.filters.items():
            if name in call.query and self._filters(field, call.query[name]):
                items = [each for each in items if _matches(each.data.get(field), call.query[name])]
        order, down = self._order(call)
        if order is not None:
            items = sorted(items, key=lambda each: _sort_key(each.data.get(order)), reverse=down)
        elif down:
            items = items[::-1]
        return items

    def _filters(self, field: str, asked: Json) -> bool:
        """Return whether a filter's value is one of the field's: state=all is none of open and closed."""
        allowed = values(self._fields[field].view)
        return allowed is None or isinstance(asked, list) or any(is_same(asked, each) for each in allowed.values())

    def _order(self, call: Call) -> tuple[str | None, bool]:
        asked = call.query.get(self.sort.name) if self.sort else None
        order = str(call.query.get(self.order.name, "") if self.order else "").lower()
        down = order.startswith("desc") or order == "-1"
        text = str(asked[0] if isinstance(asked, list) and asked else asked or "")
        if text[:1] in "+-" and text:
            down, text = text[0] == "-", text[1:]
        for mark in (":", " ", ",", "_"):
            head, _, tail = text.rpartition(mark)
            if tail.lower() in ("asc", "desc", "ascending", "descending"):
                text, down = head, tail.lower().startswith("desc")
        wanted = plain(text)
        if not wanted:
            return None, down
        exact: str | None = next((name for name in self._fields if plain(name) == wanted), None)
        return exact or next((name for name in self._fields if plain(name).startswith(wanted)), None), down

    def limit(self, call: Call) -> int:
        """Return how many items a page has."""
        parameter = self.size
        if parameter is None:
            paged = self.offset or self.page or self.cursor
            return USUAL_SIZE if paged else LONGEST
        asked = _whole(call.query.get(parameter.name))
        if asked is None or asked < 0:
            node = parameter.schema.node if isinstance(parameter.schema.node, dict) else {}
            asked = _whole(node.get("default"))
            if asked is None:
                most = _whole(node.get("maximum"))
                asked = USUAL_SIZE if most is None else min(most, USUAL_SIZE)
        return min(asked, LONGEST)

    def start(self, call: Call, size: int) -> int:
        """Return how many items come before the page that a request asks for by a number."""
        if self.offset is not None and self.offset.name in call.query:
            return max(0, (_whole(call.query[self.offset.name]) or 0) - _base(self.offset, 0))
        if self.page is not None and self.page.name in call.query:
            return max(0, (_whole(call.query[self.page.name]) or 0) - _base(self.page, 1)) * size
        return 0


def _whole(value: Json) -> int | None:
    if isinstance(value, str) and value.isdigit() and len(value) < 16:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _base(parameter: Parameter, usual: int) -> int:
    """Return the number of the first page or item: what the contract says, else the usual one."""
    node = parameter.schema.node if isinstance(parameter.schema.node, dict) else {}
    for key in ("minimum", "default"):
        if (found := _whole(node.get(key))) is not None and found in (0, 1):
            return found
    return usual


def _is_direction(parameter: Parameter) -> bool:
    """Return whether a parameter takes asc and desc."""
    node = parameter.schema.node if isinstance(parameter.schema.node, dict) else {}
    listed = node.get("enum")
    if not isinstance(listed, list):
        return plain(parameter.name) in DIRECTIONS - {"order"}
    return any(str(each).lower().startswith(("asc", "desc")) for each in listed)


def _matches(value: Json, asked: Json) -> bool:
    wanted = asked if isinstance(asked, list) else [asked]
    held = value if isinstance(value, list) else [value]
    return any(
        is_same(one, other) or (one is not None and _text(one) == _text(other)) for one in held for other in wanted
    )


def _text(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _sort_key(value: Json) -> tuple[int, Any]:
    kind = type_of(value)
    if kind in ("integer", "number"):
        return 1, value
    return (2, value) if kind == "string" else (3, str(value)) if value is not None else (0, "")


# -- pages


def page_of(store: Store, call: Call, query: Query, collection: str, group: str | None) -> ItemPage:
    """Return the page of a collection that a request asks for."""
    scope, size = call.request.scope, query.limit(call)
    past = _past(store, call, query, collection, group)
    if not query.is_plain(call):
        found = query.matching(call, everything(store, scope, collection, group))
        return _page_of_list(found, call, query, size, past)
    start = 0 if past is not None else query.start(call, size)
    records = _read(store, scope, collection, group, past, start + size + 1)[start:]
    more, records = len(records) > size, records[:size]
    following = (records[-1].seq if query.cursor is not None else start + len(records)) if more and records else None
    return ItemPage(
        [each.data for each in records], lambda: store.size(scope, collection, group), start, size, following
    )


def _page_of_list(found: list[Record], call: Call, query: Query, size: int, past: int | None) -> ItemPage:
    """Return a page of what filters let through: by the places of its records, but by numbers where it is sorted."""
    total, by_place = len(found), query.cursor is not None and not query.is_sorted(call)
    start = query.start(call, size)
    if past is not None:
        start = next((i for i, each in enumerate(found) if each.seq > past), total) if by_place else min(past, total)
    records = found[start : start + size]
    following = None
    if records and start + size < total:
        following = records[-1].seq if by_place else start + len(records)
    return ItemPage([each.data for each in records], lambda: total, start, size, following)


def everything(store: Store, scope: str, collection: str, group: str | None) -> list[Record]:
    """Return all records of a collection or group, the earliest first."""
    return _read(store, scope, collection, group, None, None)


def _read(
    store: Store, scope: str, collection: str, group: str | None, past: int | None, count: int | None
) -> list[Record]:
    found: list[Record] = []
    while count is None or len(found) < count:
        wanted = _CHUNK if count is None else min(_CHUNK, count - len(found))
        part = store.page(scope, collection, group, past, wanted, oldest=True)
        found += part
        if len(part) < wanted:
            break
        past = part[-1].seq
    return found


def _past(store: Store, call: Call, query: Query, collection: str, group: str | None) -> int | None:
    """Return the place after which a page begins that a request asks for by a cursor: a token, or an item's id."""
    asked = call.query.get(query.cursor.name) if query.cursor is not None else None
    if asked is None:
        return None
    id = str(asked) if group is None else f"{group}/{asked}"
    known = store.find(call.request.scope, collection, id).record
    return known.seq if known is not None else _read_token(asked, 0)


def write_token(place: int) -> str:
    """Write the token of the page after a place."""
    return urlsafe_b64encode(b"after:%d" % place).decode().rstrip("=")


def _read_token(token: Json, otherwise: int) -> int:
    if not isinstance(token, str):
        return _whole(token) or otherwise
    try:
        text = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except ValueError:
        return _whole(token) or otherwise
    number = text.partition(b"after:")[2]
    return int(number) if number.isdigit() and len(number) < 16 else _whole(token) or otherwise


# -- what is said beside a list


class Envelope:
    """What a list's answer says beside the list: totals, tokens, links."""

    def __init__(self, part: ItemOperation, query: Query, views: Views) -> None:
        self._query, self._views, self._path = query, views, part.answer or ()
        reply = part.operation.reply(part.operation.success)
        schema = None if reply is None else json_schema(reply)
        self.has_link = reply is not None and "link" in reply.headers
        self._places: list[tuple[Path, Mapping[str, View]]] = []
        if schema is not None and self._path:
            self._find(views.of(schema.pointer))

    def _find(self, view: View) -> None:
        """Note the objects that may say something of the page: those around the list, and meta objects in them."""
        path: Path = ()
        for name in (*self._path[:-1], None):
            fields = fields_of(self._views, view)
            self._places.append((path, fields))
            for inner, below in fields.items():
                if plain(inner) in _META and inner != name and (found := fields_of(self._views, below)):
                    self._places.append(((*path, inner), found))
            if name is None or name not in fields:
                return
            path, view = (*path, name), fields[name]

    def filled(self, value: Json, listed: list[Json], page: ItemPage, call: Call) -> Json:
        """Return an answer with a list at its place, and what it says of the page."""
        made = placed(value, self._path, listed)
        for path, fields in self._places:
            held = at(made, path)
            if not isinstance(held, dict):
                continue
            own = dict(held)
            for name, view in fields.items():
                if (*path, name) != self._path:
                    self._fill(own, name, view, listed, page, call)
            made = placed(made, path, own)
        return made

    def _fill(
        self, own: dict[str, Json], name: str, view: View, listed: list[Json], page: ItemPage, call: Call
    ) -> None:
        known, numbers = plain(name), _is_number(view)
        if known in TOTALS and numbers:
            own[name] = page.total()
        elif known in TOTAL_PAGES and numbers:
            own[name] = -(-page.total() // page.size) if page.size else 0
        elif known in MORES and (view.types is None or "boolean" in view.types):
            own[name] = page.next is not None
        elif known in NEXTS:
            self._fill_next(own, name, view, page, call)
        elif known in COUNTS and numbers:
            is_size = self._query.size is not None and plain(self._query.size.name) == known
            own[name] = page.size if is_size else page.total() if known == "count" and self._counts_all else len(listed)
        elif known in OFFSETS and numbers:
            own[name] = page.first
        elif known in SIZES and numbers:
            own[name] = page.size
        elif known in PAGES and numbers:
            own[name] = page.first // page.size + _base_of(self._query.page) if page.size else 1
        elif known in PREVIOUS and view.null and not page.first:
            own[name] = None

    @property
    def _counts_all(self) -> bool:
        """Whether `count` is that of all items: there is no other total, but links to other pages."""
        names = {plain(name) for _, fields in self._places for name in fields}
        return not names & TOTALS and bool(names & {"next", "previous"})

    def _fill_next(self, own: dict[str, Json], name: str, view: View, page: ItemPage, call: Call) -> None:
        if page.next is None:
            if view.null:
                own[name] = None
            else:
                own.pop(name, None)
            return
        is_text = view.types is None or "string" in view.types
        is_address = said(view, "format") in ("uri", "url", "uri-reference") or plain(name).endswith(
            ("link", "url", "href")
        )
        if is_address or (is_text and self._query.cursor is None):
            own[name] = self.link(call, page)
        else:
            own[name] = self._token(page) if is_text else self._number(page)

    def _token(self, page: ItemPage) -> str:
        """Return the text that asks for the next page: a number, where the cursor takes no other text."""
        token, cursor = write_token(page.next or 0), self._query.cursor
        return token if cursor is None or cursor.schema.is_valid(token) else str(page.next or 0)

    def _number(self, page: ItemPage) -> int:
        """Return the number that asks for the next page."""
        if self._query.cursor is None and self._query.page is not None and page.size:
            return (page.next or 0) // page.size + _base_of(self._query.page)
        return page.next or 0

    def links(self, call: Call, page: ItemPage) -> bytes:
        """Return the value of a Link field: the first page, and the next one if there is one. Source: RFC 8288."""
        addresses = {"next": self.link(call, page)} if page.next is not None else {}
        addresses["first"] = self._address(call, None)
        return ", ".join(f'<{address}>; rel="{name}"' for name, address in addresses.items()).encode()

    def link(self, call: Call, page: ItemPage) -> str:
        """Return the address of the next page."""
        query = self._query
        parameter = query.cursor or query.offset or query.page
        if parameter is None:
            return self._address(call, None)
        return self._address(
            call, self._token(page) if parameter is query.cursor else self._next_number(parameter, page)
        )

    def _address(self, call: Call, asked: str | int | None) -> str:
        """Return the address of a page: of the first one, or of the one that a value asks for."""
        request, query = call.request, self._query
        parameter = query.cursor or query.offset or query.page
        name = None if parameter is None else parameter.name
        pairs = [each for each in parse_qsl(request.query, keep_blank_values=True) if each[0] != name]
        if name is not None and asked is not None:
            pairs.append((name, str(asked)))
        path = f"{request.root}{request.path}" + (f"?{urlencode(pairs)}" if pairs else "")
        host = request.headers.text(b"host")
        return f"http://{host}{path}" if host else path

    def _next_number(self, parameter: Parameter, page: ItemPage) -> int:
        if parameter is self._query.page:
            return self._number(page)
        return (page.next or 0) + _base(parameter, 0)


def _base_of(parameter: Parameter | None) -> int:
    return 1 if parameter is None else _base(parameter, 1)


def _is_number(view: View) -> bool:
    return view.types is None or not view.types.isdisjoint(("integer", "number"))
