"""A server as the checks of state see it: the operations of one resource, called one after the other, with a trail."""

from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

from mockserver.answer.generate import generate
from mockserver.api import STATE
from mockserver.apis.resources.bodies import fields_of
from mockserver.apis.resources.declared import read_declared
from mockserver.apis.resources.infer import infer
from mockserver.apis.resources.items import Item, at, placed
from mockserver.apis.resources.kept import shape
from mockserver.apis.resources.resource import ItemOperation, Resource, Role
from mockserver.check.part import DriverContext, HeldOperation, LackingError
from mockserver.check.provider.cases import JSON_PATCH, UNSENT, Expectation, parameter_holds, request_of
from mockserver.check.provider.checks import Interaction
from mockserver.check.provider.values import usual
from mockserver.check.provider.writing import segment_of
from mockserver.contract.openapi import Media, Operation, Parameter, is_json
from mockserver.contract.resolved import View, said
from mockserver.contract.sides import seen_from
from mockserver.errors import ContractError
from mockserver.messages import Json, Request
from mockserver.redact import Redactor

MOST_DRAWN = 8
"""How many bodies are drawn in search of one with many fields."""

MOST_TRIED = 3
"""How many bodies are drawn until the server takes one: what it has already may be refused."""


is_secret = Redactor().is_secret


class Subject(NamedTuple):
    """A resource, and all that are inferred from its contract."""

    resource: Resource
    all: Sequence[Resource]


def subjects(operations: Sequence[HeldOperation]) -> Mapping[str, Subject]:
    """Return the resources of which an operation is asked, by name."""
    found: dict[str, Subject] = {}
    held = {operation for _, operation in operations}
    for contract in dict.fromkeys(contract for contract, _ in operations):
        resources = infer(contract, read_declared(contract, None)).resources
        for each in resources:
            if held.intersection(each.parts):
                name = f"{contract.name}.{each.name}" if each.name in found else each.name
                found[name] = Subject(each, resources)
    return found


class Made(NamedTuple):
    """An item that the server created."""

    given: tuple[str, ...]
    """The texts of its path."""
    identity: Json
    sent: Item
    answered: Item | None
    """The item as the answer shows it; None where the answer shows none."""


class Trail:
    """What drivers of one check have in common: the requests, what was created, whether an answer was misshapen."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.misshapen = False
        self.made: list[tuple[ResourceDriver, tuple[str, ...]]] = []


class ResourceDriver:
    """Calls the operations of a resource; each answer is shown to `observe`, which judges its shape."""

    def __init__(self, context: DriverContext, trail: Trail | None = None) -> None:
        self._context, self._common = context, trail or Trail()
        self.chance = Random(context.chance.getrandbits(64))  # what other cases draw begins with small seeds
        subject: Subject = context.subject
        self.resource, self._all = subject.resource, subject.all
        self._views = self.resource.views
        self._above: tuple[str, ...] | None = None
        schema = self.resource.schema
        self.fields: Mapping[str, View] = {} if schema is None else self._fields(self._views.of(schema.pointer))

    def _fields(self, view: View) -> Mapping[str, View]:
        return fields_of(self._views, view)

    @property
    def trail(self) -> list[Request]:
        """The requests so far."""
        return self._common.requests

    @property
    def misshapen(self) -> bool:
        """Whether the shape of an answer was wrong, which then tells more than what follows from it."""
        return self._common.misshapen

    def operation(self, role: str) -> Operation:
        """Return an operation by its role; any other where it is missing."""
        found = [each for each in self.resource.parts.values() if each.role == role]
        return (found or list(self.resource.parts.values()))[0].operation

    def part(self, role: Role) -> ItemOperation:
        """Return the operation of a role, at a path of the resource's own; a LackingError where there is none."""
        own = (self.resource.item, self.resource.collection)
        for each in self.resource.parts.values():
            if each.role == role and each.above is None and not each.is_view and each.operation.path in own:
                return each
        raise LackingError(f"it has no {role}")

    def has(self, role: Role) -> bool:
        """Return whether there is an operation of a role."""
        try:
            return self.part(role) is not None
        except LackingError:
            return False

    # -- calls

    def call(
        self,
        part: ItemOperation,
        given: Sequence[str],
        body: Json = UNSENT,
        query: Sequence[tuple[str, str]] = (),
        media: Media | None = None,
    ) -> Interaction:
        """Call an operation; the answer is looked at, and the request stands on the trail."""
        operation, contract = part.operation, self.resource.contract
        if len(given) < len(operation.names):
            raise LackingError("not all parameters of its path are known")
        try:
            case = usual(operation, dict(zip(operation.names, given, strict=False)), f"{part.role} of one", media)
            names = {name for name, _ in query}
            asked = [*(pair for pair in case.query if pair[0] not in names), *query]
            request = request_of(case := case._replace(query=asked, body=body, media=media), self._context.key)
        except ContractError as error:
            raise LackingError(f"it cannot be asked: {error.what}") from None
        self.trail.append(request)
        answer = self._context.target.ask(request)
        seen = Interaction(case, request, Expectation("either"), answer, contract, self._context.patience)
        self._common.misshapen |= self._context.observe(seen)
        told = answer.headers.text(STATE)
        if told is not None and told.startswith("stateless"):
            raise LackingError("the server says that it answers as if nothing were kept")
        return seen

    def taken(self, part: ItemOperation, given: Sequence[str], **more: Any) -> Interaction:
        """Call an operation that must succeed; a LackingError where it does not."""
        seen = self.call(part, given, **more)
        if not seen.is_success:
            raise LackingError(f"{part.role} was answered {seen.answer.status}")
        return seen

    def item(self, seen: Interaction, part: ItemOperation) -> Item | None:
        """Return the item that an answer shows; None where it shows none."""
        found = None if part.answer is None or not seen.answer.body else at(seen.value, part.answer)
        return found if isinstance(found, dict) else None

    def read(self, given: Sequence[str]) -> Item | None:
        """Return an item as it is read; None where the server does not know it."""
        part = self.part("get")
        seen = self.call(part, given)
        if not seen.is_success:
            return None
        found = self.item(seen, part)
        if found is None:
            raise LackingError("what is read shows no item")
        return found

    # -- creating

    def create(self) -> Made:
        """Create an item, of a body that no other call had where the server takes that."""
        part, seen = self.part("create"), None
        above = self.above(part.operation)
        for body in self.bodies(part):
            seen = self.call(part, above, body)
            if seen.is_success:
                return self._made(part, seen, above, body)
        raise LackingError(f"no item can be created: {'no body is known' if seen is None else seen.answer.status}")

    def _made(self, part: ItemOperation, seen: Interaction, above: tuple[str, ...], body: Json) -> Made:
        found, sent = self.item(seen, part), at(body, part.body or ()) if body is not UNSENT else {}
        sent = sent if isinstance(sent, dict) else {}
        values: list[Json] = []
        for name in self.resource.identities:
            known = next((each[name] for each in (found or {}, sent) if name is not None and name in each), None)
            values.append(_located(seen) if known is None and name == self.resource.identity else known)
        if not values or any(not isinstance(each, str | int) or each == "" for each in values):
            raise LackingError("what creates one does not say its id")
        given = (*above, *(self._text(name, value) for name, value in zip(self._own_keys, values, strict=False)))
        if (key := self._key) is not None and not parameter_holds(key, given[-1]):
            raise LackingError("what is created has an id that its path does not take")
        if self.has("delete"):
            self._common.made.append((self, given))
        return Made(given, values[-1], sent, found)

    @property
    def _own_keys(self) -> tuple[str, ...]:
        return self.resource.keys[self.resource.depth :]

    def _text(self, key: str, value: Json) -> str:
        """Write an id as the path has it."""
        found = self._parameter(key)
        return str(value) if found is None else segment_of(found, value)

    @property
    def _key(self) -> Parameter | None:
        """The parameter of the path that names an item."""
        return self._parameter(self.resource.keys[-1]) if self.resource.keys else None

    def _parameter(self, key: str) -> Parameter | None:
        for part in self.resource.parts.values():
            for each in part.operation.parameters:
                if (each.location, each.name) == ("path", key):
                    return each
        return None

    def above(self, operation: Operation) -> tuple[str, ...]:
        """Return texts for the path of a collection: of an item that is made for it, else that the server takes."""
        if self._above is None:
            names = operation.names[: self.resource.depth]
            is_told = any(self._context.paths.told(operation, name) for name in names)
            made = () if not names or is_told else self._made_above(len(names))
            if len(made) < len(names):
                try:
                    values = self._context.paths.of(operation)
                except ContractError as error:
                    raise LackingError(f"it cannot be asked: {error.what}") from None
                made = tuple(values[name] for name in names)
            self._above = made
        return self._above

    def _made_above(self, count: int) -> tuple[str, ...]:
        """Create an item of the resource above; () where that cannot be."""
        path = shape(self.resource.collection or self.resource.item or "") + "/"
        found = [
            each
            for each in self._all
            if each is not self.resource
            and each.item is not None
            and not each.singleton
            and len(each.keys) == count
            and path.startswith(shape(each.item) + "/")
        ]
        for each in found[:1]:
            context = self._context._replace(subject=Subject(each, self._all))
            try:
                return ResourceDriver(context, self._common).create().given
            except LackingError:
                return ()
        return ()

    # -- bodies

    def bodies(self, part: ItemOperation) -> Iterator[Json]:
        """Yield bodies of an operation: some that are drawn, with many fields, then the usual one, then examples."""
        if part.operation.body is None:
            yield UNSENT
            return
        for _ in range(MOST_TRIED):
            if (drawn := self.drawn(part)) is not None:
                yield self._named(drawn, part)
        try:
            yield usual(part.operation, dict.fromkeys(part.operation.names, "x")).body
        except ContractError:
            return
        yield from part.operation.body.preferred.examples.values()

    def _named(self, body: Json, part: ItemOperation) -> Json:
        """Return the body of an item whose identity, if it is sent, is one that the path takes."""
        inner, name, key = at(body, part.body or ()), self.resource.identity, self._key
        if part.role != "create" or not isinstance(inner, dict) or name not in inner or name is None or key is None:
            return body
        if parameter_holds(key, self._text(key.name, inner[name])):
            return body
        try:
            return placed(body, part.body or (), {**inner, name: generate(key.schema, self.chance)})
        except ContractError:
            return body

    def drawn(self, part: ItemOperation) -> Json:
        """Draw a valid body with many fields; None where none can be drawn."""
        body = part.operation.body
        if body is None or body.preferred.schema is None or not is_json(body.preferred.type):
            return None
        schema, best = seen_from(body.preferred.schema, "strict request"), None
        for _ in range(MOST_DRAWN):
            try:
                made = generate(body.preferred.schema, self.chance, direction="request")
            except ContractError:
                return None
            is_better = isinstance(made, dict) and (best is None or len(made) > len(best))
            if is_better and schema.is_valid(made):
                best = made
        return best

    def asked_fields(self, part: ItemOperation) -> Mapping[str, View]:
        """Return the fields of an item that a client can send with an operation."""
        body = part.operation.body
        if body is None or body.preferred.schema is None or part.body is None:
            return {}
        view = self._views.of(body.preferred.schema.pointer)
        for name in part.body:
            view = self._fields(view).get(name, view)
        return self._fields(view)

    def is_kept(self, name: str) -> bool:
        """Return whether a field that a client sends is one of the item's, which is then shown to everybody."""
        view = self.fields.get(name)
        if view is None or is_secret(name) or name in (*self.resource.identities, *self.resource.keys):
            return False
        return said(view, "readOnly") is not True and said(view, "writeOnly") is not True

    def with_identity(self, body: Json, part: ItemOperation, made: Item) -> Json:
        """Return a body whose identity, and the fields that name what stands above, are those of an item."""
        inner = at(body, part.body or ())
        if not isinstance(inner, dict):
            return body
        own = {name for name in (*self.resource.identities, *self.resource.keys) if name is not None}
        same = {name: made[name] for name in own & inner.keys() & made.keys()}
        return placed(body, part.body or (), {**inner, **same})

    # -- the end

    def clean_up(self) -> None:
        """Delete what was created, the last first; what the server says of it is not looked at."""
        while self._common.made:
            driver, given = self._common.made.pop()
            driver.remove(given)

    def remove(self, given: Sequence[str]) -> None:
        """Delete an item, if the server lets it."""
        operation = self.part("delete").operation
        try:
            case = usual(operation, dict(zip(operation.names, given, strict=False)))
            self._context.target.ask(request_of(case, self._context.key))
        except ContractError:
            return


def _located(seen: Interaction) -> Json:
    """Return the last part of the place that an answer names."""
    target = urlsplit(seen.answer.headers.text(b"location") or "").path.rstrip("/").rpartition("/")[2]
    return unquote(target) or None


def json_media(operation: Operation) -> Media | None:
    """Return the representation in which fields of an item are sent: JSON, but no JSON Patch."""
    found = () if operation.body is None else operation.body.media
    plain = [each for each in found if is_json(each.type) and not each.type.startswith(JSON_PATCH)]
    return plain[0] if plain else None
