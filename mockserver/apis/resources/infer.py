"""Infers from a contract which resources its operations create, read, list, change and delete.

It goes by paths and methods first, then by schemas, and by names where these leave a choice. What it inferred, and
why, is in each Resource; what it did not understand is left to be answered statelessly.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from mockserver.apis.resources.bodies import UNREADABLE, Bodies, JsonBody, is_scalar, kinds_of
from mockserver.apis.resources.declared import Declared
from mockserver.apis.resources.names import (
    ENVELOPES,
    STATES,
    Nouns,
    identity_score,
    is_noun,
    names_in,
    nouns_of,
    participles,
    plain,
    split_item,
    words,
)
from mockserver.apis.resources.resource import Inferred, ItemOperation, Path, Resource, Role
from mockserver.contract.openapi import Contract, Operation
from mockserver.contract.resolved import values
from mockserver.contract.schema import Schema
from mockserver.errors import ContractError

ITEM_ROLES: Mapping[str, Role] = {
    "GET": "get",
    "PUT": "replace",
    "PATCH": "update",
    "POST": "update",
    "DELETE": "delete",
}

SURE_SCORE = 6
"""From this score on a property identifies things beyond doubt."""


def infer(contract: Contract, declared: Mapping[str, Declared] = MappingProxyType({})) -> Inferred:
    """Infer the resources of a contract; what is declared, by path or name, is not guessed."""
    return _Inference(contract, declared).result()


class ItemPath(NamedTuple):
    """The path of one thing, taken apart."""

    path: str
    collection: str
    keys: tuple[str, ...]
    """The parameters after the collection's path: most often one."""

    @property
    def key(self) -> str:
        """The last parameter."""
        return self.keys[-1]

    @property
    def nouns(self) -> Nouns:
        """What the things may be called."""
        return nouns_of(self.collection)


class _Inference:
    """Infers the resources of one contract."""

    def __init__(self, contract: Contract, declared: Mapping[str, Declared]) -> None:
        self.declared = declared
        self.contract, self.bodies = contract, Bodies(contract.document)
        self.paths: dict[str, dict[str, Operation]] = defaultdict(dict)
        """The operations by path, without a slash at its end, and method."""
        for each in contract.operations:
            self.paths[each.path.rstrip("/") or "/"].setdefault(each.method, each)
        self.taken: set[Operation] = set()
        self.left: dict[Operation, str] = {}

    def result(self) -> Inferred:
        """Infer them: those with paths of their own, then lists and singletons, then actions."""
        found: list[Resource] = []
        for make in (self._of_items, self._alone):
            for path in list(self.paths):
                with suppress(*UNREADABLE):  # what cannot be read stops nothing else
                    if (made := make(path)) is not None:
                        found.append(made)
                        self.taken.update(made.parts)
            found = [self._extended(each, self._with_lists_below) for each in found]
        found = [self._extended(self._extended(each, self._with_others), self._with_actions) for each in found]
        found = [each for each in found if not self._is_denied(each)]
        names = unique_names(found, self.declared)
        named = tuple(replace(each, name=name) for each, name in zip(found, names, strict=True))
        left = {
            each: self.left.get(each, "its path is none of a resource")
            for each in self.contract.operations
            if each not in self.taken
        }
        return Inferred(named, left)

    def _of_items(self, path: str) -> Resource | None:
        item = self._split(path)
        return None if item is None else self._with_items(item)

    def _extended(self, resource: Resource, extend: Callable[[Resource], Resource]) -> Resource:
        """Return a resource with further operations, as far as they can be read."""
        with suppress(*UNREADABLE):
            return extend(resource)
        return resource

    def _said(self, *paths: str | None) -> Declared | None:
        """Return what is said of a resource, by its paths."""
        return next((self.declared[path] for path in paths if path is not None and path in self.declared), None)

    def _is_denied(self, resource: Resource) -> bool:
        """Return whether it is said that this is no resource; its operations are then stateless."""
        said = self._said(resource.item, resource.collection, resource.name)
        if said is None or not said.is_none:
            return False
        self._leave(resource.parts, f"it is said to be no resource, at {said.place}")
        self.taken.difference_update(resource.parts)
        return True

    def _leave(self, operations: Iterable[Operation], why: str) -> None:
        self.left.update(dict.fromkeys(operations, why))

    # -- resources whose things have paths of their own

    def _split(self, path: str) -> ItemPath | None:
        """Split the path of one thing into its collection's and its parameters."""
        split = split_item(path)
        if split is None:
            return None
        collection, keys = split[0], split[1:]
        while (
            collection not in self.paths
            and (above := split_item(collection)) is not None
            and not above[0].endswith("}")
        ):
            if above[0] not in self.paths:
                return ItemPath(path, split[0], split[1:])
            collection, keys = above[0], (above[1], *keys)
        return ItemPath(path, collection, keys)

    def _with_items(self, item: ItemPath) -> Resource | None:
        operations = self.paths[item.path]
        if "GET" in operations and self.bodies.is_list(operations["GET"]):
            self._leave(operations.values(), "its path ends in a parameter, but its answer is a list")
            return None
        said = self._said(next(iter(operations.values())).path, item.path, item.collection)
        if said is not None and said.collection is not None:
            item = item._replace(collection=said.collection.rstrip("/"), keys=item.keys[-1:])
        above, body = self.paths.get(item.collection, {}), self._item_body(operations)
        place, identity, why = self._identity(body, item)
        if said is not None and said.identity is not None:
            identity, why = said.identity, f"{said.place} says so"
            place = self._place_of(body, identity)
        schema = None if body is None else self.bodies.schema_at(body, place)
        parts = list(self._item_parts(operations, identity, item.nouns))
        around = list(self._collection_parts(above, schema, item.key, item.nouns))
        if said is None and (reason := self._doubt(operations, around, body)) is not None:
            self._leave(operations.values(), reason)
            return None
        if said is not None and said.list is not None:
            around = [each._replace(answer=said.list) if each.role == "list" else each for each in around]
        listing = next((each for each in around if each.role == "list"), None)
        if identity is None and listing is not None:
            identity, why = self._listed_identity(listing, item, why)
        others = tuple(self._named(schema, key, item.nouns) for key in item.keys[:-1])
        return Resource(
            name=item.nouns[0],
            contract=self.contract,
            views=self.bodies.views,
            collection=around[0].operation.path if around else None,
            item=next(iter(operations.values())).path,
            keys=names_in(item.path),
            identities=(*others, identity),
            schema=schema,
            list=None if listing is None else listing.answer,
            life=None if said is None else said.life,
            parts={each.operation: each for each in (*parts, *around)},
            why=(f"{item.path} names one of {item.collection or '/'}", why),
        )

    def _doubt(
        self, operations: Mapping[str, Operation], around: Sequence[ItemOperation], body: JsonBody | None
    ) -> str | None:
        """Return why the path of one thing is not taken for a resource; None if it is."""
        roles, methods = {each.role for each in around}, operations.keys()
        if not roles & {"list", "create", "bulk create"}:
            if not methods & {"PUT", "PATCH", "DELETE"} and not {"GET", "POST"} <= methods:
                return "its path names one thing, but nothing creates, lists or changes it"
            if body is None and not ("GET" in methods and methods & {"PUT", "DELETE"}):
                return "neither it nor a collection says what it is about"
            if not methods & {"GET", "DELETE"}:
                return "it is changed, but neither read nor deleted"
        elif roles == {"list"} and body is None and methods == {"GET"}:
            return "its answer is no object"
        return None

    def _item_body(self, operations: Mapping[str, Operation]) -> JsonBody | None:
        """Return the JSON of an item: of what reads it, else of what changes it."""
        for read in (self.bodies.answer, self.bodies.request):
            for method in ("GET", "PUT", "PATCH", "POST"):
                body = read(operations[method]) if method in operations else None
                if body is not None and self.bodies.fields(body.view):
                    return body
        return None

    def _identity(self, body: JsonBody | None, item: ItemPath) -> tuple[Path, str | None, str]:
        """Find where the item stands in its answer, and the field that the path's parameter names."""
        if body is None:
            return (), None, "no answer of it has fields"
        best, named = 0, None
        where: Path = ()
        for path, fields in self.bodies.wrapped(body.view):
            for name, view in fields.items():
                score = identity_score(name, item.key, item.nouns) if is_scalar(view) else 0
                if score and path:
                    is_wrapper = path[-1].lower() in ENVELOPES or is_noun(item.nouns, plain(path[-1]))
                    score -= len(path) if is_wrapper else 6 + len(path)
                if score > best:
                    best, where, named = score, path, name
        if named is None:
            return self._wrapper(body, item.nouns), None, f"no field of its answer is named like {{{item.key}}}"
        return where, named, f"{{{item.key}}} names its {named}"

    def _place_of(self, body: JsonBody | None, identity: str) -> Path:
        """Return where the object with a field stands in an answer."""
        found = () if body is None else self.bodies.wrapped(body.view)
        return next((path for path, fields in found if identity in fields), ())

    def _wrapper(self, body: JsonBody, nouns: Nouns) -> Path:
        """Return where an item without an identity stands in its answer."""
        fields = self.bodies.fields(body.view)
        if len(fields) == 1:
            name, view = next(iter(fields.items()))
            if (name.lower() in ENVELOPES or is_noun(nouns, plain(name))) and self.bodies.fields(view):
                return (name,)
        return ()

    def _listed_identity(self, listing: ItemOperation, item: ItemPath, why: str) -> tuple[str | None, str]:
        """Find the identity among the fields of the items in a list."""
        body = self.bodies.answer(listing.operation)
        schema = None if body is None else self.bodies.items(body, listing.answer or ())
        found = self._named(schema, item.key, item.nouns)
        return (None, why) if found is None else (found, f"{{{item.key}}} names the {found} of what the list shows")

    def _named(self, schema: Schema | None, key: str, nouns: Nouns) -> str | None:
        """Return the field of an object that a parameter names."""
        if schema is None:
            return None
        fields = self.bodies.fields(self.bodies.views.of(schema.pointer))
        scored = [(identity_score(name, key, nouns), name) for name, each in fields.items() if is_scalar(each)]
        score, name = max(scored, default=(0, ""), key=lambda each: each[0])
        return name if score else None

    def _item_parts(
        self, operations: Mapping[str, Operation], identity: str | None, nouns: Nouns
    ) -> Iterator[ItemOperation]:
        for method, operation in operations.items():
            role = ITEM_ROLES.get(method)
            if operation in self.taken or role is None:
                continue
            if method == "POST" and not self._is_update(operation, identity):
                continue
            answer = self._item_place(self.bodies.answer(operation), identity, nouns)
            body = self._item_place(self.bodies.request(operation), identity, nouns, is_request=True)
            yield ItemOperation(operation, role, answer, body)

    def _is_update(self, operation: Operation, identity: str | None) -> bool:
        """Return whether a POST to the path of an item changes it: then it answers it."""
        body = self.bodies.answer(operation)
        if body is None or identity is None or operation.body is None:
            return False
        return any(identity in fields for _, fields in self.bodies.wrapped(body.view))

    def _item_place(
        self, body: JsonBody | None, identity: str | None, nouns: Nouns, *, is_request: bool = False
    ) -> Path | None:
        """Return where an item stands in a body; None where the body holds none."""
        if body is None or kinds_of(body.view) == {"array"}:
            return None
        for path, fields in self.bodies.wrapped(body.view) if identity is not None else ():
            is_wrapper = not path or path[-1].lower() in ENVELOPES or is_noun(nouns, plain(path[-1]))
            if identity in fields and is_wrapper:
                return path
        if not self.bodies.fields(body.view):
            return None
        wrapper = self._wrapper(body, nouns)
        return wrapper if wrapper or is_request or identity is None else None

    # -- collections

    def _collection_parts(
        self, operations: Mapping[str, Operation], schema: Schema | None, key: str, nouns: Nouns
    ) -> Iterator[ItemOperation]:
        for method, operation in operations.items():
            if operation in self.taken:
                continue
            if method == "GET":
                found = self.bodies.list_place(operation, schema, key, nouns)
                if found is not None:
                    yield ItemOperation(operation, "list", found)
            elif method == "POST":
                part = self._create(operation, schema, key, nouns)
                if part is not None:
                    yield part
            elif method == "DELETE" and not requires_query(operation):
                yield ItemOperation(operation, "clear")

    def _create(self, operation: Operation, schema: Schema | None, key: str, nouns: Nouns) -> ItemOperation | None:
        """Return a POST to a collection as what creates: one item, or several."""
        request, answer = self.bodies.request(operation), self.bodies.answer(operation)
        if request is not None and kinds_of(request.view) == {"array"}:
            place = None if answer is None else self.bodies.list_place(operation, schema, key, nouns)
            return ItemOperation(operation, "bulk create", place, ())
        own = None if answer is None else self._created_place(answer, schema, key, nouns)
        if answer is not None and self._is_listed(operation, answer):
            self.left[operation] = "it answers what the list at its path answers: it searches"
            return None
        if answer is not None and own is None and not self._is_alike(request, schema):
            self.left[operation] = "neither what it takes nor what it answers is like the items of its collection"
            return None
        body = None if request is None else self._request_place(request, own, schema, nouns)
        return ItemOperation(operation, "create", own, body)

    def _is_listed(self, operation: Operation, answer: JsonBody) -> bool:
        """Return whether a POST answers what the GET at its path does, which is a list."""
        reading = self.paths[operation.path.rstrip("/") or "/"].get("GET", operation)
        listed = self.bodies.answer(reading) if reading is not operation else None
        return listed is not None and listed.view.pointer == answer.view.pointer

    def _created_place(self, answer: JsonBody, schema: Schema | None, key: str, nouns: Nouns) -> Path | None:
        """Return where the created item stands in an answer."""
        if schema is not None and answer.view.pointer == schema.pointer:
            return ()
        own = self.bodies.names(schema)
        for path, fields in self.bodies.wrapped(answer.view):
            shared = own & fields.keys()
            is_wrapper = not path or path[-1].lower() in ENVELOPES or is_noun(nouns, plain(path[-1]))
            if shared and len(shared) * 2 >= min(len(own), len(fields)) and (is_wrapper or len(fields) > 2):
                return path
        for path, fields in self.bodies.wrapped(answer.view):
            if any(identity_score(name, key, nouns) >= SURE_SCORE and is_scalar(each) for name, each in fields.items()):
                return path
        return None

    def _request_place(self, request: JsonBody, answer: Path | None, schema: Schema | None, nouns: Nouns) -> Path:
        """Return where an item stands in the request that creates it: alone, or wrapped as in the answer."""
        wrapper, names = self._wrapper(request, nouns), self.bodies.names(schema)
        fields = self.bodies.fields(request.view)
        if (
            not wrapper
            and len(fields) == 1
            and answer == tuple(fields)
            and self.bodies.fields(next(iter(fields.values())))
        ):
            wrapper = answer
        return () if wrapper and wrapper[0] in names else wrapper

    def _is_alike(self, request: JsonBody | None, schema: Schema | None) -> bool:
        """Return whether a request has at least half of its fields from an item."""
        own = self.bodies.names(schema)
        if request is None or not own:
            return False
        sent = {name for _, fields in self.bodies.wrapped(request.view) for name in fields}
        top = self.bodies.fields(request.view).keys()
        return bool(sent & own) and (len(top & own) * 2 >= len(top) or len(sent & own) >= 3)

    # -- collections alone, and singletons

    def _alone(self, path: str) -> Resource | None:
        operations = {name: each for name, each in self.paths[path].items() if each not in self.taken}
        if split_item(path) is not None or "GET" not in operations:
            return None
        listed = self.bodies.list_place(operations["GET"], None, "id", nouns_of(path))
        if listed is not None:
            return self._collection_alone(path, operations, listed)
        return self._singleton(path, operations)

    def _collection_alone(self, path: str, operations: Mapping[str, Operation], listed: Path) -> Resource | None:
        posting, body, nouns = operations.get("POST"), self.bodies.answer(operations["GET"]), nouns_of(path)
        if posting is None or body is None:
            return None
        schema = self.bodies.items(body, listed)
        parts = {each.operation: each for each in self._collection_parts(operations, schema, "id", nouns)}
        if posting not in parts:
            return None
        return Resource(
            name=nouns[0],
            contract=self.contract,
            views=self.bodies.views,
            collection=path,
            keys=(*names_in(path), ""),
            identities=(self._named(schema, "id", nouns),),
            schema=schema,
            list=listed,
            parts=parts,
            why=("its things are created and listed, and have no path of their own",),
        )

    def _singleton(self, path: str, operations: Mapping[str, Operation]) -> Resource | None:
        """Return a thing that there is once: it is read, and replaced or changed at the same path."""
        reading = operations["GET"]
        body = self.bodies.answer(reading)
        writing = [operations[name] for name in ("PUT", "PATCH", "POST") if name in operations]
        if body is None or not self.bodies.fields(body.view):
            return None
        parts = {reading: ItemOperation(reading, "get", ())}
        for each in writing:
            part = self._of_singleton(each, body)
            if part is not None:
                parts[each] = part
        if len(parts) == 1:
            return None
        if "DELETE" in operations:
            parts[operations["DELETE"]] = ItemOperation(operations["DELETE"], "delete")
        return Resource(
            name=nouns_of(path)[0],
            contract=self.contract,
            views=self.bodies.views,
            item=path,
            singleton=True,
            keys=names_in(path),
            schema=body.schema,
            parts=parts,
            why=("it is read and changed at one path, and has no id",),
        )

    def _of_singleton(self, operation: Operation, body: JsonBody) -> ItemOperation | None:
        """Return an operation as what changes a singleton: it takes its fields, or answers it."""
        fields = {name for _, each in self.bodies.wrapped(body.view) for name in each}
        request, answer = self.bodies.request(operation), self.bodies.answer(operation)
        sent = set() if request is None else {name for _, own in self.bodies.wrapped(request.view) for name in own}
        answered = set() if answer is None else self.bodies.names(answer.schema)
        own = self.bodies.names(body.schema)
        is_same = bool(answered) and len(answered & own) * 2 >= len(own)
        takes = bool(sent & fields) and len(sent & fields) * 2 >= len(sent)
        if not takes and not (is_same and request is not None):
            return None
        role: Role = "replace" if operation.method == "PUT" else "update"
        return ItemOperation(operation, role, () if is_same else None, ())

    # -- further operations of a resource

    def _with_lists_below(self, resource: Resource) -> Resource:
        """Return a resource with the lists of its things below others: /users/{id}/posts beside /posts/{id}."""
        if resource.schema is None or resource.depth or resource.singleton or resource.item is None:
            return resource
        parts, nouns = dict(resource.parts), nouns_of(resource.item)
        for path, operations in self.paths.items():
            above = path.rpartition("/")[0]
            if not above.endswith("}") or nouns_of(path)[-1] != nouns[-1] or split_item(path) is not None:
                continue
            for each in self._collection_parts(operations, resource.schema, resource.keys[-1], nouns):
                if each.role in ("list", "create") and self._is_of(each, resource.schema):
                    parts[each.operation] = each._replace(above=above)
                    self.taken.add(each.operation)
        return replace(resource, parts=parts)

    def _is_of(self, part: ItemOperation, schema: Schema) -> bool:
        """Return whether the very items of a resource are in an answer."""
        body = self.bodies.answer(part.operation)
        if body is None or part.answer is None:
            return False
        own = self.bodies.items(body, part.answer) if part.role == "list" else self.bodies.schema_at(body, part.answer)
        return own is not None and own.pointer == schema.pointer

    def _with_others(self, resource: Resource) -> Resource:
        """Return a resource with what stands beside its things: /pets/findByStatus, PUT /pets, POST /pets/batch."""
        if resource.item is None or resource.singleton or resource.schema is None:
            return resource
        split = split_item(resource.item.rstrip("/"))
        parts = dict(resource.parts)
        for path, operations in self.paths.items() if split is not None else ():
            rest = "" if split is None else path.removeprefix(split[0] + "/") if path != split[0] else "."
            if split is None or "/" in rest or "{" in rest or rest == path:
                continue
            for method, operation in operations.items():
                part = (
                    None if operation in self.taken else self._other(method, operation, resource, is_below=rest != ".")
                )
                if part is not None:
                    parts[operation] = part
                    self.taken.add(operation)
        return replace(resource, parts=parts)

    def _other(self, method: str, operation: Operation, resource: Resource, *, is_below: bool) -> ItemOperation | None:
        request, answer, schema = self.bodies.request(operation), self.bodies.answer(operation), resource.schema
        if method == "GET" and is_below and answer is not None and schema is not None:
            place = self.bodies.list_place(operation, schema, resource.keys[-1], nouns_of(resource.item or ""))
            found = None if place is None else ItemOperation(operation, "list", place, is_view=True)
            return found if found is not None and self._is_of(found, schema) else None
        if request is None or schema is None:
            return None
        if method == "POST" and is_below and kinds_of(request.view) == {"array"}:
            items = self.bodies.items(request, ())
            if items is not None and len(self.bodies.names(items) & self.bodies.names(schema)) * 2 >= len(
                self.bodies.names(schema)
            ):
                nouns = nouns_of(resource.item or "")
                place = None if answer is None else self.bodies.list_place(operation, schema, resource.keys[-1], nouns)
                return ItemOperation(operation, "bulk create", place, ())
        if method == "PUT" and not is_below and resource.identity in self.bodies.fields(request.view):
            same = answer is not None and answer.view.pointer == schema.pointer
            return ItemOperation(operation, "replace", () if same else None, ())
        return None

    # -- actions

    def _with_actions(self, resource: Resource) -> Resource:
        """Return a resource with the actions on one of its things: /things/{id}/cancel, which answers the thing."""
        if resource.item is None or resource.singleton:
            return resource
        parts = dict(resource.parts)
        for path, verb in self._below(resource.item):
            for method, operation in self.paths[path].items():
                if operation in self.taken or method not in ("POST", "PUT", "PATCH"):
                    continue
                place = self._action_place(operation, resource)
                if place is None and not self._has_state(resource, verb):
                    self.left[operation] = f"it does not answer one of {resource.name}"
                else:
                    parts[operation] = ItemOperation(operation, "action", place, (), verb)
                    self.taken.add(operation)
        return replace(resource, parts=parts)

    def _has_state(self, resource: Resource, verb: str) -> bool:
        """Return whether an item has a state whose word is an action's, which the action sets, whatever it answers."""
        if resource.schema is None or not words(verb):
            return False
        led = {plain(each) for each in participles(words(verb)[0])}
        fields = self.bodies.fields(self.bodies.views.of(resource.schema.pointer))
        states = [values(view) or {} for name, view in fields.items() if plain(name) in STATES]
        return any(plain(each) in led for found in states for each in found.values() if isinstance(each, str))

    def _below(self, item: str) -> Iterator[tuple[str, str]]:
        for path in self.paths:
            rest = path[len(item) + 1 :] if path.startswith((item + "/", item + ":")) else ""
            if rest and "/" not in rest and "{" not in rest:
                yield path, rest

    def _action_place(self, operation: Operation, resource: Resource) -> Path | None:
        body, own = self.bodies.answer(operation), self.bodies.names(resource.schema)
        if body is None or not own or resource.identity is None:
            return None
        for path, fields in self.bodies.wrapped(body.view):
            if resource.identity in fields and len(own & fields.keys()) * 3 >= 2 * len(own):
                return path
        return None


# -- paths


def requires_query(operation: Operation) -> bool:
    """Return whether an operation requires query parameters, so that it concerns only some things."""
    try:
        return any(each.required and each.location == "query" for each in operation.parameters)
    except ContractError:
        return True


def unique_names(resources: Sequence[Resource], declared: Mapping[str, Declared]) -> list[str]:
    """Return a name for each resource: the last part of its path that is no parameter, with those before if needed."""
    literal = [
        [part for part in (each.collection or each.item or "").strip("/").split("/") if part and "{" not in part]
        or [each.name]
        for each in resources
    ]
    names, depth = [parts[-1] for parts in literal], 1
    while len(set(names)) < len(names) and depth < max(map(len, literal)):
        depth += 1
        twice = {name for name in names if names.count(name) > 1}
        names = [
            ".".join(parts[-depth:]) if name in twice else name for name, parts in zip(names, literal, strict=True)
        ]
    for index, each in enumerate(resources):
        said = declared.get(each.item or "") or declared.get(each.collection or "")
        names[index] = names[index] if said is None or said.name is None else said.name
    before = [names[:index].count(name) for index, name in enumerate(names)]
    return [f"{name}.{count + 1}" if count else name for name, count in zip(names, before, strict=True)]
