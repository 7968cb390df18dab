"""Where the records of a resource stand, what stands above them, and what they begin with."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property, partial
from random import Random
from threading import RLock
from typing import NamedTuple
from urllib.parse import quote

from msgspec import structs

from mockserver.api import Call, Draft, PlayContext, RejectedError
from mockserver.apis.resources.items import Item, Items, at
from mockserver.apis.resources.lists import everything
from mockserver.apis.resources.resource import ItemOperation, Resource
from mockserver.contract.openapi import Operation
from mockserver.errors import ContractError
from mockserver.messages import Finding, Json
from mockserver.store.base import Change, Found, Record

BEGUN = "_begun"
"""The collection that notes which lists have begun with the items of their documented examples."""


class StatelessError(Exception):
    """A call that is answered as if nothing were kept; its text says why."""


class RecordPlace(NamedTuple):
    """Where the records of a call stand: in a group, under an id, if the call names one."""

    group: str | None
    id: str = ""


class Kept:
    """The records of one resource."""

    def __init__(self, resource: Resource, context: PlayContext, family: "Family") -> None:
        self.resource, self.context, self.store, self.family = resource, context, context.store, family
        self.name = resource.name
        self.items = Items(resource, context)
        self.depth = resource.depth
        self.is_flat = self.depth == 0 and not resource.singleton and len(resource.identities) <= 1
        """Whether an item's id is that of its record."""
        self._listing = resource.part("list")
        self._listed: dict[Operation, list[Item]] = {}

    # -- places

    def place(self, call: Call, part: ItemOperation) -> RecordPlace:
        """Return where the records of a call stand."""
        if self.is_flat and part.above is None:
            key = call.path.get(self.resource.keys[-1])
            if key is not None or (part.operation.path != self.resource.item and part.role != "replace"):
                return RecordPlace(None, "" if key is None else segment(key))
        given = [segment(call.path[name]) for name in call.operation.names if name in call.path]
        if part.above is not None:
            return RecordPlace("/".join((shape(part.above), *given)))
        group = "/".join(given[: self.depth]) if self.depth > 0 else None
        if self.resource.singleton:
            return RecordPlace(group, "/".join(given) or "one")
        own = given[: len(self.resource.keys)]
        if len(own) < len(self.resource.keys) and part.role == "replace":  # the body says which
            body = at(call.body, part.body or ())
            identity = body.get(self.resource.identity) if isinstance(body, dict) else None
            if identity is None:
                raise StatelessError("what was sent names no item")
            own.append(segment(identity))
        return RecordPlace(group, "/".join(own))

    def id_of(self, call: Call, part: ItemOperation, item: Item, identity: Json) -> str:
        """Return the id of the record of an item."""
        if self.is_flat:
            return segment(identity)
        names, above = self.resource.identities[:-1], []
        if any(name is None or item.get(name) is None for name in names):
            raise StatelessError(f"what was made says not where it stands in {self.name}")
        if part.above is None:
            above = [segment(call.path[name]) for name in call.operation.names if name in call.path][: self.depth]
        return "/".join((*above, *(segment(item[name]) for name in names if name is not None), segment(identity)))

    def id_in_path(self, call: Call) -> str:
        """Return the id that the path of a call names, which may lead further down."""
        given = [segment(call.path[name]) for name in call.operation.names if name in call.path]
        return "/".join(given[: len(self.resource.keys)])

    def find(self, call: Call, id: str) -> Found:
        """Look up an item."""
        return self.store.find(call.request.scope, self.name, id)

    # -- what is above

    def check_above(self, call: Call, part: ItemOperation) -> None:
        """Reject a call below an item that was deleted, or that was never there where that counts."""
        for each in self._above if part.above is None else self.family.above(part.above):
            each.check_item(call)

    @cached_property
    def _above(self) -> "tuple[Kept, ...]":
        """The resources whose items its own stand below, the nearest first."""
        path = self.resource.collection or (self.resource.item or "").rpartition("/")[0]
        return tuple(each for each in self.family.above(path) if each is not self)

    def check_item(self, call: Call) -> None:
        """Reject a call whose path names an item that was deleted, or that was never there where that counts."""
        id = self.id_in_path(call)
        found = self.find(call, id)
        if found.record is None and (found.gone or (self.is_strict and not self.exists(call, id))):
            raise missing(call, self.resource, id, deleted=found.gone)

    def exists(self, call: Call, id: str) -> bool:
        """Return whether an item is there, after its collection has begun."""
        listing = self._listing
        if listing is not None:
            self.begin(call, listing, "/".join(id.split("/")[: self.depth]) if self.depth else None)
        return self.find(call, id).record is not None

    @property
    def is_strict(self) -> bool:
        """Whether an id that was never seen is unknown."""
        return self.context.memory == "strict"

    def delete_below(self, scope: str, id: str) -> None:
        """Delete what stands below an item."""
        for each in self.family.below(self.resource):
            group = id if each.depth else "/".join((shape(self.resource.item or ""), id))
            for record in everything(self.store, scope, each.name, group):
                self.store.update(scope, each.name, record.id, lambda *_: Change(None, gone=True))
                each.delete_below(scope, record.id)

    # -- the beginning

    def begin(self, call: Call, part: ItemOperation, group: str | None) -> None:
        """Let a collection begin with the items of its documented examples, once in a scope."""
        listing, scope = part if part.role == "list" else self._listing, call.request.scope
        if listing is None or listing.is_view or listing.above != part.above or not self._examples(call, listing):
            return
        marker = self.name if group is None else f"{self.name}/{group}"
        if self.store.find(scope, BEGUN, marker).record is not None:
            return
        for each in self._examples(call, listing):
            identity = each.get(self.resource.identity) if self.resource.identity else None
            if identity is None:
                continue
            made = self._completed(call, each)
            try:
                id = self.id_of(call, part, made, identity)
            except StatelessError:
                continue
            record = Record(collection=self.name, id=id, data=made, group=group)
            self.store.update(scope, self.name, record.id, partial(_unless_known, record))
        note = Record(collection=BEGUN, id=marker, data={})
        self.store.update(scope, BEGUN, marker, lambda old, _: Change(old or note, minor=True))

    def _examples(self, call: Call, listing: ItemOperation) -> Sequence[Item]:
        """Return the items of the documented example of the list."""
        key = listing.operation
        if key not in self._listed:
            asked = structs.replace(call, operation=key, query={}, body=None)
            found: Json = None
            with suppress(ContractError):  # which is that operation's own matter
                draft = self.context.unplayed(asked)
                found = at(draft.value, listing.answer or ()) if draft.source in ("documented", "canned") else None
            self._listed[key] = [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
        return self._listed[key]

    def _completed(self, call: Call, item: Item) -> Item:
        """Return an item of a list with the fields that only its own answer shows."""
        schema, reading = self.resource.schema, self.resource.part("get")
        if schema is None or schema.is_valid(item):
            return item
        base = self.items.base(call, reading) if reading is not None else None
        whole = {**(base or self.items.made(Random(0)) or {}), **item}
        return whole if schema.is_valid(whole) else item


class Family:
    """The resources of a contract, each with its records, which are made when they are first needed."""

    def __init__(self, resources: Sequence[Resource], make: "Callable[[Resource, Family], Kept]") -> None:
        self._resources, self._make = resources, make
        self._made: dict[str, Kept] = {}
        self._by_item = {shape(each.item): each for each in resources if each.item is not None and not each.singleton}
        self._lock = RLock()

    def of(self, resource: Resource) -> Kept:
        """Return the records of a resource."""
        found = self._made.get(resource.name)
        if found is None:
            with self._lock:
                found = self._made.get(resource.name) or self._make(resource, self)
                self._made[resource.name] = found
        return found

    def above(self, path: str) -> tuple[Kept, ...]:
        """Return the resources whose item's path a path begins with, the nearest first."""
        return tuple(map(self.of, self._resources_above(path)))

    def _resources_above(self, path: str) -> Iterator[Resource]:
        parts = shape(path).split("/")
        for count in range(len(parts), 0, -1):
            found = self._by_item.get("/".join(parts[:count]))
            if found is not None:
                yield found

    def below(self, resource: Resource) -> Sequence[Kept]:
        """Return the resources whose items stand right below those of another."""
        return [self.of(each) for each in self._resources if each is not resource and resource in self._parents(each)]

    def _parents(self, resource: Resource) -> list[Resource]:
        path = resource.collection or (resource.item or "").rpartition("/")[0]
        paths = [path, *(part.above for part in resource.parts.values() if part.above is not None)]
        nearest = [next((each for each in self._resources_above(one) if each is not resource), None) for one in paths]
        return [each for each in nearest if each is not None]


def missing(call: Call, resource: Resource, id: str, *, deleted: bool) -> RejectedError:
    """Return the rejection of a call on an item that is not there."""
    why = "it was deleted" if deleted else "nothing created it"
    names = call.operation.names
    where = f"/path/{names[min(len(resource.keys), len(names)) - 1]}" if names else "/path"
    finding = Finding(
        where, "state", f"There is no {resource.name}/{id}: {why}.", "client", contract=call.operation.place
    )
    return RejectedError(Draft(404, {"detail": "Not Found"}, findings=(finding,)))


def conflict_status(operation: Operation) -> int | None:
    """Return the declared status of what cannot be done now: 409, else another that refuses a request."""
    for status in (409, 422, 400, 412, 403):
        if status in operation.exact:
            return status
    return 409 if operation.reply(409) is not None else None


def conflict(call: Call, status: int, where: str, message: str) -> Draft:
    """Return the answer of a call that the state of an item does not allow."""
    finding = Finding(where, "state", message, "client", contract=call.operation.place)
    return Draft(status, {"detail": message}, findings=(finding,))


def segment(value: Json) -> str:
    """Write a value of a path as a part of an id."""
    text = value if type(value) is str else str(value)
    return text if text.isalnum() or not ("/" in text or "%" in text) else quote(text, safe="")


def _unless_known(record: Record, old: Record | None, gone: bool) -> Change:
    return Change(old if old is not None or gone else record)


def shape(path: str) -> str:
    """Return a path in which all parameters are alike."""
    return "/".join("{}" if "{" in part else part for part in path.strip("/").split("/"))
