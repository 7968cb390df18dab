"""What an answer takes from its request: the example of the same name, echoed fields, how often it came."""

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from threading import Lock
from typing import NamedTuple

from mockserver.answer.generate import problems
from mockserver.api import Call
from mockserver.contract.openapi import Operation
from mockserver.contract.resolved import is_same, keywords, type_of, view_of
from mockserver.contract.schema import Schema
from mockserver.contract.tree import join
from mockserver.errors import ContractError
from mockserver.messages import Json, Request

MOST_TURNS = 10_000
"""How many requests are counted; the one that was counted first is forgotten first."""


MOST_REFUSED = 10
"""How often fields that the schema does not allow to be echoed are taken back."""


class _Part(NamedTuple):
    """A part of an example of a request: where it stands (path, query, body), its name there, its value."""

    where: str
    name: str
    value: Json


def example_of_request(call: Call, names: Mapping[str, Json]) -> str | None:
    """Return a name under which both the request and its answer have an example, if the request is that example.

    It is if each part that was sent, and has an example of this name, equals it.
    """
    for name, parts in _named_parts(call.operation).items():
        if name in names:
            sent = [(part, _sent(call, part)) for part in parts]
            known = [(part, value) for part, value in sent if value is not None]
            if known and all(is_same(part.value, value) for part, value in known):
                return name
    return None


def has_named_examples(operation: Operation) -> bool:
    """Return whether the requests of an operation have examples."""
    return bool(_named_parts(operation))


@lru_cache(maxsize=512)
def _named_parts(operation: Operation) -> Mapping[str, list[_Part]]:
    """Return the parts of an operation's request examples, by the name of the example."""
    found: dict[str, list[_Part]] = {}
    for name, part in _parts_of(operation):
        found.setdefault(name, []).append(part)
    return found


def _parts_of(operation: Operation) -> Iterator[tuple[str, _Part]]:
    for media in operation.body.media if operation.body is not None else ():
        yield from ((name, _Part("body", "", value)) for name, value in media.examples.items())
    for parameter in operation.parameters:
        for name, value in parameter.named.items():
            yield name, _Part(parameter.location, parameter.name, value)


def _sent(call: Call, part: _Part) -> Json:
    """Return what was sent for a part of an example; None if it was not."""
    if part.where == "body":
        return call.body
    return {"path": call.path, "query": call.query}.get(part.where, {}).get(part.name)


def echoed(value: dict[str, Json], call: Call, schema: Schema, is_echoed: Callable[[str], bool]) -> Json:
    """Return a made object whose fields have the values that path and body say under the same names.

    A field keeps its own value where the types differ, where the schema does not allow the other, and where it tells
    which schema the object has.
    """
    body, path = call.body if isinstance(call.body, dict) else {}, call.path
    shared = value.keys() & (body.keys() | path.keys() if path else body.keys())
    if not shared:
        return value
    made, wanted = value.copy(), []
    for name in shared - _tags(schema):
        own, other = value[name], path[name] if name in path else body[name]
        if (type(own) is type(other) or own is None or _is_alike(own, other)) and is_echoed(name):
            made[name] = other
            wanted.append(name)
    for _ in range(MOST_REFUSED if wanted else 0):
        if schema.is_valid(made) or not (found := problems(schema, made)):
            return made
        refused = [name for name in wanted if any(_is_below(join("", name), each.where) for each in found)]
        if not refused:
            break
        made |= {name: value[name] for name in refused}
    return value


@lru_cache(maxsize=512)
def _tags(schema: Schema) -> frozenset[str]:
    """Return the fields by which discriminators tell the schemas of an object."""
    try:
        views, view = view_of(schema)
        parts = [view, *views.leaves(view)]
    except (ContractError, RecursionError):
        return frozenset()
    told = [each.value for part in parts for each in keywords(part, "discriminator")]
    told += [union.discriminator.value for part in parts for union in part.unions if union.discriminator is not None]
    names = [each.get("propertyName") for each in told if isinstance(each, dict)]
    return frozenset(name for name in names if isinstance(name, str))


def _is_below(place: str, pointer: str) -> bool:
    return pointer == place or pointer.startswith(place + "/")


def _is_alike(one: Json, other: Json) -> bool:
    numbers = ("integer", "number")
    return type_of(one) == type_of(other) or (type_of(one) in numbers and type_of(other) in numbers)


class Turns:
    """Counts how often each request came, in each scope."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, bytes], int] = {}
        self._lock = Lock()

    def next(self, request: Request) -> int:
        """Return how often a request came before. HEAD repeats what GET was answered last."""
        is_head = request.method == "HEAD"
        text = "\0".join(("GET" if is_head else request.method, request.path, request.query))
        key = request.scope, blake2b(text.encode() + b"\0" + request.body, digest_size=16).digest()
        with self._lock:
            count = self._counts.get(key, 0)
            if is_head:
                return max(0, count - 1)
            if count == 0 and len(self._counts) >= MOST_TURNS:
                del self._counts[next(iter(self._counts))]
            self._counts[key] = count + 1
            return count

    def forget(self, scope: str) -> None:
        """Forget the requests of a scope."""
        with self._lock:
            for key in [key for key in self._counts if key[0] == scope]:
                del self._counts[key]
