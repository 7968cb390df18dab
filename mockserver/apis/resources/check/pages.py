"""Reads a list to its end as a client would: by tokens, links, offsets or numbers of pages."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

from mockserver.apis.resources.check.driver import ResourceDriver
from mockserver.apis.resources.items import Item, ItemField, at
from mockserver.apis.resources.lists import Query
from mockserver.apis.resources.names import MORES, NEXTS, plain
from mockserver.apis.resources.resource import ItemOperation
from mockserver.check.part import LackingError
from mockserver.check.provider.cases import parameter_holds
from mockserver.check.provider.checks import Interaction
from mockserver.contract.openapi import Parameter
from mockserver.messages import Json

MOST_PAGES = 60
"""How many pages of a list are read."""

LARGE, SMALL = 100, 2
"""How many items a page is asked to have: to see all soon, and to see several pages."""

MOST_IN_SMALL = 24
"""How many items a list may have that is read in small pages."""

Pairs = list[tuple[str, str]]


class Listed(NamedTuple):
    """The items of a list, in its order."""

    items: Sequence[Item]
    pages: int

    def times(self, name: str | None, identity: Json) -> int:
        """Return how often an item is listed."""
        return sum(str(each.get(name)) == str(identity) for each in self.items if name is not None)


class ListReader:
    """Reads the list of a resource."""

    def __init__(self, driver: ResourceDriver) -> None:
        self._driver, self.part = driver, driver.part("list")
        if driver.resource.identity is None:
            raise LackingError("it is not known what tells its items apart")
        self._name = driver.resource.identity
        fields = {name: ItemField(view=view, takes=True, required=False) for name, view in driver.fields.items()}
        self._query = Query(self.part.operation, fields)

    def whole(self) -> Listed:
        """Read all items, in large pages."""
        found = self._read(self._sized(LARGE))
        if found.items and not any(self._name in each for each in found.items):
            raise LackingError("the items of its list do not show their ids")
        return found

    def in_small_pages(self) -> Listed | None:
        """Read all items in pages of two; None where no size can be asked for."""
        sized = self._sized(SMALL)
        return self._read(sized) if sized and self._has_pages else None

    def _sized(self, count: int) -> Pairs:
        size = self._query.size
        for number in (count, count // 2, count // 4) if size is not None else ():
            if size is not None and number > 1 and parameter_holds(size, str(number)):
                return [(size.name, str(number))]
        return []

    def _read(self, sized: Pairs) -> Listed:
        items: list[Item] = []
        asked, before, given = sized, None, self._driver.above(self.part.operation)
        for number in range(MOST_PAGES):
            seen = self._driver.taken(self.part, given, query=asked)
            page = _items(seen, self.part)
            if not page or page == before:
                return Listed(items, number or 1)
            items += page
            after = self._next(seen, page, sized, len(items), number + 1)
            if after is None:
                self._refuse_cut(items, sized)
                return Listed(items, number + 1)
            asked, before = after, page
        raise LackingError(f"its list has more than {MOST_PAGES} pages")

    def _refuse_cut(self, items: Sequence[Item], sized: Pairs) -> None:
        """Refuse a list that shows so many items and no more, and has no pages, by a LackingError."""
        most = int(sized[0][1]) if sized else LARGE
        if self._query.size is not None and not self._has_pages and len(items) >= most:
            raise LackingError(f"its list shows no more than {len(items)} items, and has no pages")

    @property
    def _has_pages(self) -> bool:
        return any(each is not None for each in (self._query.cursor, self._query.offset, self._query.page))

    def _next(self, seen: Interaction, page: Sequence[Item], sized: Pairs, count: int, number: int) -> Pairs | None:
        """Return the query of the next page; None where there is none."""
        told = dict(_told(seen.value))
        addresses = (each for each in told.values() if isinstance(each, str) and "?" in each and "=" in each)
        link = _link(seen) or next(addresses, None)
        if link is not None:
            return parse_qsl(urlsplit(link).query, keep_blank_values=True)
        query, token = self._query, next((each for name, each in told.items() if plain(name) in NEXTS and each), None)
        if query.cursor is not None:
            if token is None and any(plain(name) in MORES and each is True for name, each in told.items()):
                token = page[-1].get(self._name)  # the last item's id, as in starting_after
            return None if token is None else [*sized, (query.cursor.name, str(token))]
        if any(plain(name) in MORES and each is False for name, each in told.items()) or _is_ended(told):
            return None
        if query.offset is not None:
            return self._at(query.offset, count + _first(query.offset, 0), sized)
        return None if query.page is None else self._at(query.page, number + _first(query.page, 1), sized)

    def _at(self, parameter: Parameter, number: int, sized: Pairs) -> Pairs | None:
        return [*sized, (parameter.name, str(number))] if parameter_holds(parameter, str(number)) else None


def _first(parameter: Parameter, usual: int) -> int:
    """Return the number of the first page or item."""
    node = parameter.schema.node if isinstance(parameter.schema.node, dict) else {}
    return next((node[key] for key in ("minimum", "default") if node.get(key) in (0, 1)), usual)


def _items(seen: Interaction, part: ItemOperation) -> list[Item]:
    found = at(seen.value, part.answer or ())
    if not isinstance(found, list):
        raise LackingError("its list shows no items")
    return [each for each in found if isinstance(each, dict)]


def _told(value: Json) -> Iterator[tuple[str, Json]]:
    """Yield what stands beside a list, or in an object there, and may say where the next page is."""
    whole = value if isinstance(value, dict) else {}
    for held in (whole, *(each for each in whole.values() if isinstance(each, dict))):
        yield from ((name, each) for name, each in held.items() if plain(name) in NEXTS | MORES)


def _is_ended(told: Mapping[str, Json]) -> bool:
    """Return whether an answer has a place for the next page, and says that there is none."""
    nexts = [each for name, each in told.items() if plain(name) in NEXTS]
    return bool(nexts) and not any(nexts)


def _link(seen: Interaction) -> str | None:
    for each in (seen.answer.headers.text(b"link") or "").split(","):
        address, _, rest = each.partition(";")
        if 'rel="next"' in rest or "rel=next" in rest:
            return address.strip().strip("<>")
    return None
