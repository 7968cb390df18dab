"""Makes the items of a resource, changes them, and shows them in the answers of its operations."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Literal, NamedTuple

from mockserver.answer.generate import assemble, problems
from mockserver.api import Call, PlayContext
from mockserver.apis.resources.bodies import fields_of, json_schema
from mockserver.apis.resources.moments import Clock
from mockserver.apis.resources.names import CHANGED, CREATED, is_time, plain, words
from mockserver.apis.resources.resource import ItemOperation, Path, Resource
from mockserver.contract.openapi import Operation
from mockserver.contract.resolved import View, required, said
from mockserver.contract.schema import Schema
from mockserver.errors import ContractError
from mockserver.messages import Finding, Json

Item = dict[str, Json]

MOST_TRIED = 8
"""How many generated items are tried as what the server adds to what was sent."""

MOST_DROPPED = 16
"""How many of the fields that were sent are left out because the item's schema does not allow them."""


class ItemField(NamedTuple):
    """A field of an item: its schema, whether what a client sends for it is kept, and whether it must be there."""

    view: View
    takes: bool
    required: bool

    @property
    def read_only(self) -> bool:
        """Whether only the server sets it."""
        return said(self.view, "readOnly") is True


class ItemFieldPlan(NamedTuple):
    """How a field of a new item is filled: by what was sent, else from a source."""

    name: str
    takes: bool
    source: Literal["base", "value", "nothing"]
    """The item that the contract shows, or a value."""
    value: Json = None


class Items:
    """Makes, changes and shows the items of one resource."""

    def __init__(self, resource: Resource, context: PlayContext) -> None:
        self.resource, self._context = resource, context
        self._views = resource.views
        view = None if resource.schema is None else self._views.of(resource.schema.pointer)
        self._is_open = view is None or bool(said(view, "additionalProperties", False))
        """Whether items may have fields that the contract does not name."""
        self.fields: Mapping[str, ItemField] = {} if view is None else self._read(view)
        self._by_plain = {plain(name): name for name in self.fields}
        self._sent: dict[Operation, Mapping[str, View]] = {}
        self._plans: dict[Operation, Sequence[ItemFieldPlan]] = {}
        self._shown: dict[tuple[Operation, Path], Schema | None] = {}
        self._fillers: dict[str, Item] = {}
        self._bases: dict[Operation, Item] = {}
        self._of_above: dict[Operation, Sequence[tuple[str, str]]] = {}
        self._reading = resource.part("get")
        self._clock = Clock(context.now)
        self._writers: dict[str, Callable[[Json], Json] | None] = {}
        self._created = [name for name in self.fields if is_time(name, CREATED)]
        self._changed = [name for name in self.fields if is_time(name, CHANGED)]
        self._events = [name for name, each in self.fields.items() if _is_event(name, each.view)]

    def _read(self, view: View) -> Mapping[str, ItemField]:
        needed = required(view)
        return {
            name: ItemField(
                view=each,
                takes=said(each, "readOnly") is not True
                and said(each, "writeOnly") is not True
                and not self._context.is_secret(name),
                required=name in needed,
            )
            for name, each in fields_of(self._views, view).items()
        }

    def sent_fields(self, part: ItemOperation) -> Mapping[str, View]:
        """Return the fields that a client can send with an operation."""
        if part.operation not in self._sent:
            self._sent[part.operation] = self._find_sent(part)
        return self._sent[part.operation]

    def _find_sent(self, part: ItemOperation) -> Mapping[str, View]:
        body = part.operation.body
        if body is None or body.preferred.schema is None or part.body is None:
            return {}
        view = self._views.of(body.preferred.schema.pointer)
        if part.role == "bulk create":
            view = self._views.below(view, "items")
        for name in part.body:
            found = fields_of(self._views, view).get(name)
            view = view if found is None else found
        return {self._own_name(name): each for name, each in fields_of(self._views, view).items()}

    def _own_name(self, name: str) -> str:
        """Return the name of the item's field that a sent one means: UniqueName is its unique_name."""
        return name if name in self.fields else self._by_plain.get(plain(name), name)

    def named(self, sent: Item) -> Item:
        """Return what was sent with the names that the item's fields have."""
        if sent.keys() <= self.fields.keys():
            return sent
        return {self._own_name(name): value for name, value in sent.items()}

    # -- making

    def created(
        self, call: Call, part: ItemOperation, sent: Item, identity: Json, rng: Callable[[], Random]
    ) -> Item | None:
        """Make an item of what was sent; the server adds the rest. None if no valid item was found."""
        best, fewest, life = None, MOST_DROPPED, self.resource.life
        for base in self._shown_bases(call, part, rng):
            made = self.overlaid(part, base, sent)
            for name, parameter in self._above(part):
                if name not in sent and parameter in call.path:
                    made[name] = call.path[parameter]
            self._stamp(made, base, new=True)
            if life is not None and life.initial is not None:
                made[life.field] = life.initial
            if identity is not None and self.resource.identity is not None:
                made[self.resource.identity] = identity
            right, dropped = self._right(made, base, sent)
            if right is not None and dropped < fewest:
                best, fewest = right, dropped
            if best is not None and fewest == 0:
                break
        return best

    def _above(self, part: ItemOperation) -> Sequence[tuple[str, str]]:
        """Return the fields that are called as a parameter of what an item stands below, each with the parameter."""
        if part.operation not in self._of_above:
            names = part.operation.names if part.role in ("create", "bulk create") else part.operation.names[:-1]
            by_name = self._by_plain
            self._of_above[part.operation] = [
                (by_name[plain(each)], each)
                for each in names
                if plain(each) in by_name and by_name[plain(each)] != self.resource.identity
            ]
        return self._of_above[part.operation]

    def _shown_bases(self, call: Call, part: ItemOperation, rng: Callable[[], Random]) -> Iterator[Item]:
        """Yield the items that may stand behind what was sent: the one that the contract shows, then generated ones."""
        found = self.base(call, part)
        if found is not None:
            yield found
        chance = rng()
        for _ in range(MOST_TRIED):
            made = self.made(chance)
            if made is None:
                return
            yield made

    def base(self, call: Call, part: ItemOperation) -> Item | None:
        """Return the item that the contract shows: in the answer that reads it, else in the operation's own."""
        for each in (self._reading, part):
            if each is None or each.answer is None:
                continue
            if each.operation in self._bases:
                return self._bases[each.operation]
            body = call.body if each is part else None
            asked = Call(request=call.request, operation=each.operation, path=call.path, query={}, body=body)
            try:
                draft = self._context.unplayed(asked)
            except ContractError:  # which is that operation's own matter
                continue
            found = at(draft.value, each.answer)
            if isinstance(found, dict):
                if draft.source in ("documented", "canned"):  # which are always the same
                    self._bases[each.operation] = found
                return found
        return None

    def made(self, rng: Random) -> Item | None:
        """Make an item by its schema alone."""
        schema = self.resource.schema
        if schema is None:
            return {}
        try:
            value = self._context.make(schema, rng)
        except ContractError:
            return None
        return value if isinstance(value, dict) else None

    def overlaid(self, part: ItemOperation, base: Item, sent: Item) -> Item:
        """Return an item: what was sent, and of the rest what only the server sets, or what must be there."""
        made: Item = {}
        plans = self._plans.get(part.operation)
        for name, takes, source, value in self._plan(part) if plans is None else plans:
            if takes and name in sent:
                made[name] = sent[name]
            elif source == "value":
                made[name] = value
            elif source == "base" and name in base:
                made[name] = base[name]
        if self._is_open:
            made |= {name: value for name, value in base.items() if name not in self.fields}
            made |= {name: value for name, value in sent.items() if self._takes(name)}
        return made

    def _plan(self, part: ItemOperation) -> Sequence[ItemFieldPlan]:
        asked = self.sent_fields(part)
        self._plans[part.operation] = found = [
            self._field_plan(name, known, asked.get(name)) for name, known in self.fields.items()
        ]
        return found

    def _field_plan(self, name: str, known: ItemField, asked: View | None) -> ItemFieldPlan:
        """Plan a field: one that could have been sent has its default, else only what must be there."""
        if asked is None or known.read_only:
            return ItemFieldPlan(name, known.takes, "base")
        default = said(asked, "default", said(known.view, "default"))
        if default is None and not (known.required and known.view.null):
            return ItemFieldPlan(name, known.takes, "base" if known.required else "nothing")
        return ItemFieldPlan(name, known.takes, "value", default)

    def _takes(self, name: str) -> bool:
        known = self.fields.get(name)
        return known.takes if known is not None else self._is_open and not self._context.is_secret(name)

    def _right(self, made: Item, base: Item, sent: Item) -> tuple[Item | None, int]:
        """Return an item without the fields that its schema does not allow, and how many of those were sent."""
        schema, dropped = self.resource.schema, 0
        if schema is None or schema.is_valid(made):
            return made, 0
        for _ in range(MOST_DROPPED):
            found = problems(schema, made)
            if not found:
                return made, dropped
            name = _top(found[0].where)
            if name is None and found[0].rule == "required":
                missing = [each for each in found[0].expected.get("required", ()) if each not in made]
                if not missing or any(each not in base for each in missing):
                    return None, dropped
                made |= {each: base[each] for each in missing}
            elif name is None or name not in made:
                return None, dropped
            else:
                dropped += name in sent and made[name] is sent[name]
                if name in base and made[name] is not base[name]:
                    made[name] = base[name]
                elif name in self.fields and self.fields[name].required:
                    return None, dropped
                else:
                    del made[name]
        return None, dropped

    # -- times

    def _stamp(self, made: Item, base: Item, *, new: bool) -> None:
        """Set the times at which an item was made and changed; what has not happened yet has no time."""
        for name in (*self._created, *self._changed) if new else self._changed:
            written = self.time(name, made.get(name, base.get(name)))
            if written is not None:
                made[name] = written
        for name in self._events if new else ():
            if name in made and made[name] is base.get(name):
                known = self.fields[name]
                if known.view.null:
                    made[name] = None
                elif not known.required:
                    del made[name]

    def time(self, name: str, like: Json) -> Json:
        """Return the time now as a field writes it; None if the field is not written as a time."""
        if name not in self._writers:
            self._writers[name] = None if name not in self.fields else self._clock.writer(self.fields[name].view)
        writer = self._writers[name]
        return None if writer is None else writer(like)

    # -- changing

    def changed(self, old: Item, new: Item, sent: Item) -> Item | None:
        """Return an item after a change, with what only the server sets kept; None if no valid one was found."""
        made = dict(new)
        for name, known in self.fields.items():
            if not known.takes and name in old:
                made[name] = old[name]
        if self.resource.identity is not None and self.resource.identity in old:
            made[self.resource.identity] = old[self.resource.identity]
        self._stamp(made, old, new=False)
        right, _ = self._right(made, old, sent)
        return right

    def settled(self, old: Item, new: Item) -> Item | None:
        """Return an item after an action, with the time of its change; None if no valid one was found."""
        made = dict(new)
        self._stamp(made, old, new=False)
        return self._right(made, old, {})[0]

    def merged(self, old: Item, sent: Item) -> Item:
        """Return an item with the fields that were sent; null deletes a field that does not allow it (RFC 7396)."""
        made = dict(old)
        for name, value in sent.items():
            known = self.fields.get(name)
            if not self._takes(name):
                continue
            if value is None and (known is None or not known.view.null):
                made.pop(name, None)
            else:
                made[name] = merge_patch(made.get(name), value)
        return made

    # -- showing

    def shown(self, item: Item, part: ItemOperation) -> Json:
        """Return an item as an operation's answer shows it."""
        path = () if part.answer is None else part.answer
        return self._fit(item, self._answer_schema(part.operation, path))

    def listed(self, items: Sequence[Item], part: ItemOperation) -> list[Json]:
        """Return items as an operation's list shows them."""
        path = () if part.answer is None else part.answer
        schema = self._answer_schema(part.operation, path, items=True)
        return [self._fit(each, schema) for each in items]

    def _answer_schema(self, operation: Operation, path: Path, *, items: bool = False) -> Schema | None:
        """Return the schema of an item in an answer; None where it is the item's own."""
        key = operation, (*path, "*") if items else path
        if key not in self._shown:
            self._shown[key] = self._find_schema(operation, path, items=items)
        return self._shown[key]

    def _find_schema(self, operation: Operation, path: Path, *, items: bool) -> Schema | None:
        reply = operation.reply(operation.success)
        schema = None if reply is None else json_schema(reply)
        if schema is None:
            return None
        view = self._views.of(schema.pointer)
        for name in path:
            found = fields_of(self._views, view).get(name)
            if found is None:
                return None
            view = found
        view = self._views.below(view, "items") if items else view
        own = self.resource.schema
        made = Schema(schema.document, view.pointer, schema.name)
        return None if own is not None and made.pointer == own.pointer else made

    def _fit(self, item: Item, schema: Schema | None) -> Json:
        """Return an item as a schema describes it: without the fields that it does not name, with those it requires."""
        if schema is None:
            return item
        names = fields_of(self._views, self._views.of(schema.pointer))
        made = {name: value for name, value in item.items() if name in names} if names else dict(item)
        found = problems(schema, made)
        filler = self._filler(schema) if found else {}
        for _ in range(MOST_DROPPED):
            if not found:
                break
            for one in found:
                _mend(made, filler, one)
            found = problems(schema, made)
        return made

    def _filler(self, schema: Schema) -> Item:
        """Return what stands in an answer for the fields that an item lacks."""
        if schema.pointer not in self._fillers:
            value = assemble(schema)
            try:
                value = self._context.make(schema, Random(0)) if value is None else value
            except ContractError:
                value = None
            self._fillers[schema.pointer] = value if isinstance(value, dict) else {}
        return self._fillers[schema.pointer]


def _top(where: str) -> str | None:
    """Return the field of the object at the root that a pointer leads into."""
    parts = where.split("/")
    return parts[1].replace("~1", "/").replace("~0", "~") if len(parts) > 1 else None


def _is_event(name: str, view: View) -> bool:
    """Return whether a field is the time of something that has not happened to a new item: captured_at."""
    own, types = words(name), view.types or ()
    is_moment = said(view, "format") in ("date-time", "date") or (own[-1:] == ["at"] and "integer" in types)
    return is_moment and bool(own) and own[0].endswith("ed") and not {own[0]} & (CREATED | CHANGED)


def _mend(made: Item, filler: Item, found: Finding) -> None:
    """Put the filler's fields where a value lacks some, or has some that are not allowed there."""
    name = _top(found.where)
    if name is None:
        made |= {each: value for each, value in filler.items() if each not in made}
    elif name in filler:
        made[name] = filler[name]
    else:
        made.pop(name, None)


def at(value: Json, path: Path) -> Json:
    """Return the part of a value at a path; None if it is not there."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def placed(value: Json, path: Path, inner: Json) -> Json:
    """Return a value with another part at a path."""
    if not path:
        return inner
    whole = value if isinstance(value, dict) else {}
    return {**whole, path[0]: placed(whole.get(path[0]), path[1:], inner)}


def merge_patch(old: Json, patch: Json) -> Json:
    """Apply a JSON Merge Patch. Source: RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    made = dict(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = merge_patch(made.get(name), value)
    return made
