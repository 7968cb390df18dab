"""Plays the operations of inferred resources over a store."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from hashlib import blake2b
from random import Random
from typing import TypeAlias
from urllib.parse import quote

import orjson
from msgspec import structs

from mockserver.answer.body import MADE
from mockserver.api import STATE, Call, Draft, Play, PlayContext, RejectedError
from mockserver.apis.resources.bodies import UNREADABLE
from mockserver.apis.resources.identity import Identity
from mockserver.apis.resources.items import Item, at, placed
from mockserver.apis.resources.kept import BEGUN, Family, Kept, StatelessError, conflict, missing
from mockserver.apis.resources.lists import Envelope, Query, everything, page_of
from mockserver.apis.resources.moves import Move
from mockserver.apis.resources.resource import Inferred, ItemOperation, Resource
from mockserver.contract.openapi import Operation
from mockserver.messages import Finding, Json, header_value
from mockserver.store.base import Change, Counters, Record

JSON = "application/json"

MOST_TRIED = 1_000
"""How many ids are tried for a new item."""


ItemStep: TypeAlias = Callable[[Item], Item | None]
"""Makes the new item of an old one; None if no valid one came of it."""


class ResourcePlayer(Kept):
    """Plays the operations of one resource."""

    def __init__(self, resource: Resource, context: PlayContext, family: Family) -> None:
        super().__init__(resource, context, family)
        self._queries: dict[Operation, tuple[Query, Envelope]] = {}
        self._with_fields: dict[tuple[Operation, int], bool] = {}
        self.identity = Identity(resource)

    # -- one item

    def get(self, call: Call, part: ItemOperation) -> Draft:
        """Answer an item that is kept."""
        place = self.place(call, part)
        found = self.find(call, place.id)
        if found.record is None:
            self.check_above(call, part)
            if not found.gone:
                self.begin(call, part, place.group)
                found = self.find(call, place.id)
        if found.record is None:
            self._unknown(call, place.id, gone=found.gone)
            raise StatelessError(f"{self.name}/{place.id} is not kept")
        return self.unless_same(call, self.answer(call, part, found.record.data), found.record.data)

    def _unknown(self, call: Call, id: str, *, gone: bool) -> None:
        """Reject a call on an item that is not there, where that counts."""
        if gone or (self.is_strict and not self.resource.singleton):
            raise missing(call, self.resource, id, deleted=gone)

    def change(
        self, call: Call, part: ItemOperation, step: ItemStep, done: str, fresh: Callable[[], Item | None]
    ) -> Draft:
        """Change an item that is kept, or keep the one that an unseen id stands for, and answer it."""
        place, drafts = self.place(call, part), []
        self.check_above(call, part)
        self.begin(call, part, place.group)
        first = fresh() if self.find(call, place.id).record is None else None
        around = self.context.unplayed(call) if part.answer != () else None  # it asks the store, which update locks

        def update(old: Record | None, gone: bool) -> Change:
            if old is None:
                self._unseen(call, part, place.id, gone=gone)
                new = first
            else:
                self.check_match(call, old.data)
                new = step(old.data)
            if new is None:
                raise StatelessError(f"no valid item of {self.name} came of it")
            said = f"{self.name}/{place.id} {done if old is not None else 'created'}"
            draft = self.answer(call, part, new, said, is_new=old is None, is_made=True, around=around)
            drafts.append(self.checked(draft, call))
            return Change(Record(collection=self.name, id=place.id, data=new, group=place.group), stays=True)

        self.store.update(call.request.scope, self.name, place.id, update)
        return drafts[-1]

    def _unseen(self, call: Call, part: ItemOperation, id: str, *, gone: bool) -> None:
        """Reject a change of an item that is not there, unless it may be made by it."""
        if part.role == "replace":
            operation = part.operation
            if not self.is_strict or 201 in operation.exact or 404 not in operation.exact:
                return
        self._unknown(call, id, gone=gone)

    def _adopted(self, call: Call, part: ItemOperation) -> Item:
        """Return the item that an id stands for that was never seen: the one that the contract shows, with that id."""
        base = dict(self.items.base(call, part) or self.items.made(self._chance(call)) or {})
        name = self.resource.identity
        if name is not None and self.resource.keys and self.resource.keys[-1] in call.path:
            base[name] = self.identity.of_path(
                call.path[call.operation.names[len(self.resource.keys) - 1]], base.get(name)
            )
        return base

    def _chance(self, call: Call) -> Random:
        return self.context.chance(call.request.scope, self.name, call.request.path)

    def replace(self, call: Call, part: ItemOperation) -> Draft:
        """Replace an item by what was sent."""
        sent = self.sent(call, part)

        def step(old: Item) -> Item | None:
            return self.items.changed(old, self.items.overlaid(part, old, sent), sent)

        def fresh() -> Item | None:
            name = self.resource.identity
            identity = sent.get(name) if name is not None and self._key(call) is None else self._key(call)
            base = self.items.base(call, part) or {}
            like = base.get(name) if name is not None else None
            own = self.identity.of_path(identity, like)
            return self.items.created(call, part, sent, own, partial(self._chance, call))

        return self.change(call, part, step, "replaced", fresh)

    def _key(self, call: Call) -> Json:
        """Return what the last parameter of an item's path says; None if the path has none."""
        return call.path.get(self.resource.keys[-1]) if self.resource.keys else None

    def update(self, call: Call, part: ItemOperation) -> Draft:
        """Change the fields of an item that were sent, or as a JSON Patch says."""
        kind = (call.request.headers.get(b"content-type") or b"").partition(b";")[0].strip().lower()
        is_patch = kind == b"application/json-patch+json"
        sent = {} if is_patch else self.sent(call, part)

        def step(old: Item) -> Item | None:
            new = self._patched(call, old) if is_patch else self.items.merged(old, sent)
            return self.items.changed(old, new, new if is_patch else sent)

        return self.change(call, part, step, "changed", lambda: step(self._adopted(call, part)))

    def _patched(self, call: Call, old: Item) -> Item:
        from mockserver.apis.resources.patch import PatchError, patched

        try:
            new = patched(old, call.body)
        except PatchError as error:
            finding = Finding(error.where, "patch", str(error), "client", contract=call.operation.place)
            raise RejectedError(Draft(422, {"detail": str(error)}, findings=(finding,))) from None
        return new

    def delete(self, call: Call, part: ItemOperation) -> Draft:
        """Delete an item, with all that stands below it."""
        place, scope = self.place(call, part), call.request.scope
        self.check_above(call, part)
        self.begin(call, part, place.group)
        found = self.find(call, place.id)
        if found.record is None:
            self._unknown(call, place.id, gone=found.gone)
            self.store.restore(scope, Counters({}, 0, [(self.name, place.id)]))
            return self.stateless(call, part, f"{self.name}/{place.id} was not kept, and is gone now")
        draft = self.answer(call, part, found.record.data, f"{self.name}/{place.id} deleted")

        def step(old: Record | None, gone: bool) -> Change:
            if old is None:  # another call was faster
                raise missing(call, self.resource, place.id, deleted=gone)
            self.check_match(call, old.data)
            return Change(None, gone=True)

        self.store.update(scope, self.name, place.id, step)
        self.delete_below(scope, place.id)
        return draft

    # -- collections

    def listing(self, call: Call, part: ItemOperation) -> Draft:
        """Answer a page of what is kept."""
        group, scope = self.place(call, part).group, call.request.scope
        self.check_above(call, part)
        self.begin(call, part, group)
        query, envelope = self._query(part)
        if part.is_view and not query.knows(call):
            raise StatelessError(f"it is not known which {self.name} {part.operation.path} lists")
        page = page_of(self.store, call, query, self.name, group)
        if not page.items and not self.is_strict and self._is_untouched(scope, group):
            raise StatelessError(f"nothing was written to {self.name}")
        listed = self.items.listed(page.items, part)
        status = part.operation.success
        media = self.context.media(call, status)
        value: Json = listed
        if part.answer:
            value = envelope.filled(self.context.unplayed(call).value, listed, page, call)
        headers = ((b"link", envelope.links(call, page)),) if envelope.has_link else ()
        return Draft(status, value, media, "simulated", headers=headers)

    def _query(self, part: ItemOperation) -> tuple[Query, Envelope]:
        if part.operation not in self._queries:
            query = Query(part.operation, self.items.fields)
            self._queries[part.operation] = query, Envelope(part, query, self.resource.views)
        return self._queries[part.operation]

    def _is_untouched(self, scope: str, group: str | None) -> bool:
        """Return whether nothing was ever written to an empty collection."""
        if self.store.size(scope, self.name, group):
            return False
        counters, before = self.store.counters(scope), "" if group is None else group + "/"
        marker = self.name if group is None else f"{self.name}/{group}"
        return (
            not counters.counts.get(marker)
            and self.store.find(scope, BEGUN, marker).record is None
            and not any(name == self.name and id.startswith(before) for name, id in counters.gone)
        )

    def create(self, call: Call, part: ItemOperation) -> Draft:
        """Create an item of what was sent, with an id of its own."""
        self.check_above(call, part)
        group = self.place(call, part).group
        self.begin(call, part, group)
        drafts: list[Draft] = []

        def show(made: Item, id: str) -> None:
            done = f"{self.name}/{id} created"
            drafts.append(self.checked(self.answer(call, part, made, done, is_new=True, is_made=True), call))

        self._create(call, part, self.sent(call, part), group, show)
        return drafts[-1]

    def bulk(self, call: Call, part: ItemOperation) -> Draft:
        """Create an item of each that was sent."""
        self.check_above(call, part)
        group = self.place(call, part).group
        self.begin(call, part, group)
        sent = at(call.body, part.body or ())
        if not isinstance(sent, list) or not all(isinstance(each, dict) for each in sent):
            raise StatelessError("what was sent is no list of objects")
        named = [self.items.named(without_files(each)) for each in sent]
        self._refuse_any_taken(call, part, named)
        made = [self._create(call, part, each, group, _show_later) for each in named]
        status, media = part.operation.success, self.context.media(call, part.operation.success)
        said = ((STATE, header_value(f"{self.name}: {len(made)} created")),)
        if media is None or part.answer is None:
            draft = self.context.unplayed(call)
            return structs.replace(draft, source="simulated", headers=(*draft.headers, *said))
        listed = self.items.listed(made, part)
        value = placed(self.context.unplayed(call).value, part.answer, listed) if part.answer else listed
        return Draft(status, value, media, "simulated", headers=said)

    def _create(
        self, call: Call, part: ItemOperation, sent: Item, group: str | None, show: Callable[[Item, str], None]
    ) -> Item:
        """Keep a new item of what was sent; `show` may refuse it before, since its answer would not be allowed."""
        scope, own = call.request.scope, self.identity.sent(self.items.sent_fields(part), sent)
        counter = self.name if group is None else f"{self.name}/{group}"
        made: Item | None = None
        for _ in range(MOST_TRIED):
            number = self.store.count(scope, counter)
            rng = partial(self.context.chance, scope, counter, number)
            identity = self.identity.make(rng, number) if own is None else own
            if made is None:
                made = self.items.created(call, part, sent, identity, rng)
            elif self.resource.identity is not None:
                made = {**made, self.resource.identity: identity}
            if made is None:
                raise StatelessError(f"no valid item of {self.name} was found")
            id = self.id_of(call, part, made, identity)
            show(made, id)
            record = Record(collection=self.name, id=id, data=made, group=group)
            taken: list[bool] = []
            self.store.update(scope, self.name, id, partial(_new, record, taken))
            if not taken:
                return made
            if own is not None:
                self._refuse_taken(call, id)
                self.store.update(scope, self.name, id, partial(_over, record))
                return made
        raise StatelessError(f"no id of {self.name} is free")

    def _refuse_any_taken(self, call: Call, part: ItemOperation, sent: Sequence[Item]) -> None:
        """Reject a list in which an identity is taken, or there twice, before any of it is kept."""
        seen: set[str] = set()
        for each in sent:
            own = self.identity.sent(self.items.sent_fields(part), each)
            id = "" if own is None else self.id_of(call, part, each, own)
            if id and (id in seen or self.find(call, id).record is not None):
                self._refuse_taken(call, id)
            seen.add(id)

    def _refuse_taken(self, call: Call, id: str) -> None:
        """Reject an identity that another item has, where the contract has an answer for it."""
        if call.operation.reply(409) is not None:
            message = f"{self.name}/{id} is there already."
            raise RejectedError(conflict(call, 409, f"/body/{self.resource.identity}", message))

    def clear(self, call: Call, part: ItemOperation) -> Draft:
        """Delete all items that the request's filters let through."""
        self.check_above(call, part)
        group, scope = self.place(call, part).group, call.request.scope
        self.begin(call, part, group)
        query, _ = self._query(part)
        found = query.matching(call, everything(self.store, scope, self.name, group))
        for each in found:
            self.store.update(scope, self.name, each.id, lambda *_: Change(None, gone=True))
            self.delete_below(scope, each.id)
        draft = self.context.unplayed(call)
        said = (STATE, header_value(f"{self.name}: {len(found)} deleted"))
        return structs.replace(draft, source="simulated", headers=(*draft.headers, said))

    # -- actions

    def action(self, call: Call, part: ItemOperation) -> Draft:
        """Move an item through its life."""
        sent = at(call.body, part.body or ())
        move = Move(self, call, part, sent if isinstance(sent, dict) else {})
        draft = self.change(call, part, move.step, "changed", lambda: move.step(self._adopted(call, part)))
        if move.told:
            said = header_value(f"{self.name}/{self.place(call, part).id} {move.told}")
            draft = structs.replace(
                draft, headers=tuple((name, said if name == STATE else value) for name, value in draft.headers)
            )
        return draft

    # -- answers

    def sent(self, call: Call, part: ItemOperation) -> Item:
        """Return the item that was sent."""
        found = at(call.body, part.body or ())
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise StatelessError("what was sent is no object")
        return self.items.named(without_files(found))

    def answer(
        self,
        call: Call,
        part: ItemOperation,
        item: Item,
        done: str = "",
        *,
        is_new: bool = False,
        is_made: bool = False,
        around: Draft | None = None,
    ) -> Draft:
        """Return the answer that shows an item, and says what was done; `is_made` if the item was just validated.

        `around` is the answer that would be made without the item, where that is known.
        """
        operation = part.operation
        status = 201 if is_new and part.role == "replace" and 201 in operation.exact else operation.success
        headers: tuple[tuple[bytes, bytes], ...] = ((STATE, header_value(done)),) if done else ()
        if self._has_fields(operation, status):
            headers += self._declared(call, part, status, item, is_new=is_new)
        media = self.context.media(call, status)
        if media is None:
            return Draft(status, None, None, "simulated", headers=headers)
        if part.answer is None:
            draft = around or self.context.unplayed(call)
            return structs.replace(
                draft,
                value=self._with_identity(draft.value, item),
                source="simulated",
                headers=(*draft.headers, *headers),
            )
        value = self.items.shown(item, part)
        if part.answer:
            value = placed((around or self.context.unplayed(call)).value, part.answer, value)
        is_valid = is_made and value is item and status == operation.success and media == JSON
        return Draft(status, value, media, "simulated", headers=headers, is_valid=is_valid)

    def _has_fields(self, operation: Operation, status: int) -> bool:
        """Return whether an answer declares header fields of an item."""
        key = operation, status
        if key not in self._with_fields:
            reply = operation.reply(status)
            self._with_fields[key] = reply is not None and not {"location", "etag"}.isdisjoint(reply.headers)
        return self._with_fields[key]

    def _with_identity(self, value: Json, item: Item) -> Json:
        """Return an answer that is no item, with the item's identity where it has a field for it."""
        name = self.resource.identity
        if not isinstance(value, dict) or name is None or name not in value or name not in item:
            return value
        return {**value, name: item[name]} if type(value[name]) is type(item[name]) else value

    def _declared(
        self, call: Call, part: ItemOperation, status: int, item: Item, *, is_new: bool
    ) -> tuple[tuple[bytes, bytes], ...]:
        """Return the header fields that the contract declares of an item: where it is, and its tag."""
        reply = part.operation.reply(status)
        found: list[tuple[bytes, bytes]] = []
        if reply is None:
            return ()
        if is_new and "location" in reply.headers:
            found.append((b"location", f"{call.request.root}{self._location(call, item)}".encode()))
        if "etag" in reply.headers:
            found.append((b"etag", tag_of(item)))
        return tuple(found)

    def _location(self, call: Call, item: Item) -> str:
        """Return the path of an item: the one that the contract has for it, below the same base as the request's."""
        request, own = call.request.path.rstrip("/"), self.resource
        if own.item is None:
            return request
        values = dict(zip(own.keys[len(own.keys) - len(own.identities) :], own.identities, strict=True))
        parts = {
            key: item[name] if (name := values.get(key)) is not None and name in item else call.path.get(key, "")
            for key in own.keys
        }
        base = request.split("/")[: -len(call.operation.path.rstrip("/").split("/")) + 1]
        path = own.item
        for key, value in parts.items():
            path = path.replace(f"{{{key}}}", escaped(str(value)))
        return "/".join(base) + path

    def check_match(self, call: Call, item: Item) -> None:
        """Reject a change whose If-Match names another version of an item."""
        wanted = call.request.headers.get(b"if-match")
        if wanted is None or wanted.strip() == b"*" or not _takes_tags(call.operation):
            return
        if tag_of(item) not in [each.strip().removeprefix(b"W/") for each in wanted.split(b",")]:
            message = "The item has changed since: its ETag is another."
            finding = Finding("/header/if-match", "state", message, "client", contract=call.operation.place)
            raise RejectedError(Draft(412, {"detail": message}, findings=(finding,)))

    def unless_same(self, call: Call, draft: Draft, item: Item) -> Draft:
        """Return 304 in place of an answer that the client has, where the contract declares it."""
        wanted = call.request.headers.get(b"if-none-match")
        if wanted is None or 304 not in call.operation.exact:
            return draft
        tags = [each.strip().removeprefix(b"W/") for each in wanted.split(b",")]
        if tag_of(item) in tags or b"*" in tags:
            return Draft(304, None, None, "simulated", headers=((b"etag", tag_of(item)),))
        return draft

    def checked(self, draft: Draft, call: Call) -> Draft:
        """Return an answer that the contract allows; an item whose answer it does not allow is not kept."""
        if draft.is_valid:
            return draft
        if not self.context.allows(draft, call.operation):
            raise StatelessError("the contract does not allow the answer that would be played")
        return structs.replace(draft, is_valid=True)

    def stateless(self, call: Call, part: ItemOperation, why: str) -> Draft:
        """Return the answer of a call as if nothing were kept, which says so.

        A made item has the id that was asked for.
        """
        draft, key = self.context.unplayed(call), self._key(call)
        if draft.source in MADE and part.role == "get" and part.answer is not None and key is not None:
            item, name = at(draft.value, part.answer), self.resource.identity
            if isinstance(item, dict) and name in item and name is not None:
                own = {**item, name: self.identity.of_path(key, item[name])}
                named = structs.replace(draft, value=placed(draft.value, part.answer, own))
                draft = named if self.context.allows(named, call.operation) else draft
        return structs.replace(draft, headers=(*draft.headers, (STATE, header_value(f"stateless: {why}"))))


def _show_later(_: Item, __: str) -> None:
    """Show nothing yet: the answer has all items."""


def without_files(sent: Item) -> Item:
    """Return what was sent without the fields that hold files, which are no JSON."""
    if not any(type(value) is bytes or (type(value) is list and bytes in map(type, value)) for value in sent.values()):
        return sent
    return {
        name: value
        for name, value in sent.items()
        if not isinstance(value, bytes) and not (isinstance(value, list) and bytes in map(type, value))
    }


def escaped(text: str) -> str:
    """Escape a text for a path."""
    return text if text.isascii() and text.isalnum() else quote(text, safe="")


def tag_of(item: Item) -> bytes:
    """Return the tag of a version of an item."""
    try:
        line = orjson.dumps(item, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # an integer of more than 64 bits, half of a surrogate pair
        line = json.dumps(item, sort_keys=True).encode()
    return b'"%s"' % blake2b(line, digest_size=8).hexdigest().encode()


def _takes_tags(operation: Operation) -> bool:
    return any(each.location == "header" and each.name == "if-match" for each in operation.parameters) or (
        412 in operation.exact
    )


def _over(record: Record, _old: Record | None, _gone: bool) -> Change:
    return Change(record, stays=True)


def _new(record: Record, taken: list[bool], old: Record | None, _gone: bool) -> Change:
    taken[:] = [True] if old is not None else []
    return Change(record if old is None else old)


# -- all of a contract


class Plays(Mapping[Operation, Play]):
    """What plays each operation of the resources of some contracts, and guards those below deleted items.

    The contracts are looked at when an operation is first called.
    """

    def __init__(self, infer: Callable[[], Sequence[Inferred]], context: PlayContext) -> None:
        self._infer, self._context = infer, context

    @cached_property
    def _found(self) -> Mapping[Operation, "tuple[Family, Resource | None]"]:
        """The family of each operation, and its resource if it has one."""
        found: dict[Operation, tuple[Family, Resource | None]] = {}
        for each in self._infer():
            family = Family(each.resources, lambda resource, own: ResourcePlayer(resource, self._context, own))
            found.update({operation: (family, one) for one in each.resources for operation in one.parts})
            found.update(dict.fromkeys(each.left, (family, None)))
        return found

    def record(self, call: Call) -> Json:
        """Return the item that the path of a call names; None if none is kept."""
        family, _ = self._found[call.operation]
        nearest = next(iter(family.above(call.operation.path)), None)
        found = None if nearest is None else nearest.find(call, nearest.id_in_path(call)).record
        return None if found is None else found.data

    def __getitem__(self, operation: Operation) -> Play:
        family, resource = self._found[operation]
        try:
            if resource is None:
                above = family.above(operation.path)
            else:
                player = family.of(resource)
        except UNREADABLE as error:  # the operation is stateless, and says itself what is wrong
            raise KeyError(operation) from error
        if resource is not None and isinstance(player, ResourcePlayer):
            part = resource.parts[operation]
            return partial(_played, player, METHODS[part.role], part)
        if resource is None and above:
            return partial(_guarded, above)
        raise KeyError(operation)

    def __iter__(self) -> Iterator[Operation]:
        return (each for each in self._found if each in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


Method: TypeAlias = Callable[[ResourcePlayer, Call, ItemOperation], Draft]

METHODS: Mapping[str, Method] = {
    "get": ResourcePlayer.get,
    "replace": ResourcePlayer.replace,
    "update": ResourcePlayer.update,
    "delete": ResourcePlayer.delete,
    "list": ResourcePlayer.listing,
    "create": ResourcePlayer.create,
    "bulk create": ResourcePlayer.bulk,
    "clear": ResourcePlayer.clear,
    "action": ResourcePlayer.action,
}


def _played(kept: ResourcePlayer, method: Method, part: ItemOperation, call: Call) -> Draft:
    try:
        return method(kept, call, part)
    except StatelessError as error:
        return kept.stateless(call, part, str(error))


def _guarded(above: Sequence[Kept], call: Call) -> None:
    """Reject a call below an item that is not there; all others are answered statelessly."""
    for each in above:
        each.check_item(call)
