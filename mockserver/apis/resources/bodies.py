"""The JSON of requests and answers, as far as their schemas describe it: fields, what is wrapped, lists."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

from mockserver.apis.resources.names import ENVELOPES, LISTS, SURE, Nouns, identity_score, is_noun, plain
from mockserver.apis.resources.resource import Path
from mockserver.contract.media import kind_of, read
from mockserver.contract.openapi import Operation, Reply
from mockserver.contract.resolved import View, Views
from mockserver.contract.schema import Schema
from mockserver.errors import ContractError
from mockserver.messages import Json

UNREADABLE = (ContractError, RecursionError, KeyError, TypeError, AttributeError)
"""What a schema raises that cannot be walked through."""


class JsonBody(NamedTuple):
    """The schema of a JSON body, resolved."""

    schema: Schema
    view: View


class Bodies:
    """The JSON bodies of a contract's operations."""

    def __init__(self, document: Json) -> None:
        self.document, self.views = document, Views(document)

    def answer(self, operation: Operation) -> JsonBody | None:
        """Return the JSON that a success answers with; None where there is none, or none that can be read."""
        with suppress(*UNREADABLE):
            reply = operation.reply(operation.success)
            if reply is not None and 200 <= operation.success < 300:
                return self._body(json_schema(reply))
        return None

    def request(self, operation: Operation) -> JsonBody | None:
        """Return the JSON that an operation takes."""
        with suppress(*UNREADABLE):
            if operation.body is not None:
                return self._body(operation.body.preferred.schema)
        return None

    def _body(self, schema: Schema | None) -> JsonBody | None:
        return None if schema is None else JsonBody(schema, self.views.of(schema.pointer))

    def fields(self, view: View) -> Mapping[str, View]:
        """Return the fields of an object, and of each member of a union."""
        return fields_of(self.views, view)

    def names(self, schema: Schema | None) -> set[str]:
        """Return the names of the fields of an object."""
        return set() if schema is None else set(self.fields(self.views.of(schema.pointer)))

    def wrapped(self, view: View) -> Iterator[tuple[Path, Mapping[str, View]]]:
        """Yield the objects that an answer may be about: itself, and what it wraps."""
        fields = self.fields(view)
        yield (), fields
        for name, below in fields.items():
            inner = self.fields(below) if "array" not in (below.types or ()) else {}
            if inner:
                yield (name,), inner
            for other, deeper in inner.items() if name.lower() in ENVELOPES else ():
                if found := self.fields(deeper):
                    yield (name, other), found

    def at(self, view: View, path: Path) -> View | None:
        """Return a part of a body; None where it has none."""
        for name in path:
            found = self.fields(view).get(name)
            if found is None:
                return None
            view = found
        return view

    def schema_at(self, body: JsonBody, path: Path) -> Schema:
        """Return the schema of a part of a body."""
        view = self.at(body.view, path) if path else None
        return body.schema if view is None else Schema(self.document, view.pointer, body.schema.name)

    def items(self, body: JsonBody, path: Path) -> Schema | None:
        """Return the schema of the items of a list in a body."""
        view = self.at(body.view, path)
        if view is None:
            return None
        return Schema(self.document, self.views.below(view, "items").pointer, body.schema.name)

    def is_list(self, operation: Operation) -> bool:
        """Return whether an answer is a list and nothing else."""
        body = self.answer(operation)
        return body is not None and kinds_of(body.view) == {"array"}

    def list_place(self, operation: Operation, schema: Schema | None, key: str, nouns: Nouns) -> Path | None:
        """Return where the list of things stands in an answer; None where there is none."""
        body = self.answer(operation)
        if body is None:
            return None
        own = self.names(schema)
        found: list[tuple[int, Path]] = []
        for path, view in self._arrays(body.view):
            items = self.views.below(view, "items")
            fields = self.fields(items)
            if fields:
                score = self._score_items(items, fields, schema, own) - len(path)
                score += 3 if any(identity_score(name, key, nouns) >= 6 for name in fields) else 0
                score += _score_place(path, nouns)
                found.append((score, path))
        score, place = max(found, key=lambda each: each[0], default=(0, ()))
        return place if score > 0 or (len(found) == 1 and self._is_envelope(body.view)) else None

    def _score_items(self, items: View, fields: Mapping[str, View], schema: Schema | None, own: set[str]) -> int:
        if schema is not None and items.pointer == schema.pointer:
            return 8
        return 4 if own and len(own & fields.keys()) * 2 >= len(fields) else 0

    def _is_envelope(self, view: View) -> bool:
        """Return whether an object holds little else than a list: it does not describe a thing of its own."""
        return not any(plain(name) in SURE for name in self.fields(view))

    def _arrays(self, view: View) -> Iterator[tuple[Path, View]]:
        if kinds_of(view) == {"array"}:
            yield (), view
            return
        for name, each in self.fields(view).items():
            if "array" in kinds_of(each):
                yield (name,), each
            elif plain(name) in ENVELOPES | LISTS:
                for other, below in self.fields(each).items():
                    if "array" in kinds_of(below):
                        yield (name, other), below


def _score_place(path: Path, nouns: Nouns) -> int:
    """Score by its name how surely a field is the list of things."""
    if not path:
        return 1
    last = plain(path[-1])
    return 4 if is_noun(nouns, last) else 3 if last in LISTS else 0


MOST_MEMBERS = 200
"""How many members of unions, one within the other, are looked at for their fields."""


def fields_of(views: Views, view: View) -> Mapping[str, View]:
    """Return the fields of an object, and of each member of a union, as far as they can be read."""
    found: dict[str, View] = {}
    with suppress(*UNREADABLE):
        for leaf in islice(views.leaves(view), MOST_MEMBERS):
            if leaf.types is None or "object" in leaf.types:
                for name, each in views.fields(leaf).items():
                    found.setdefault(name, each)
    return found


def is_scalar(view: View) -> bool:
    """Return whether a schema takes texts or numbers, or says nothing of types."""
    return view.types is None or not view.types.isdisjoint(("string", "integer", "number"))


def kinds_of(view: View) -> set[str]:
    """Return the types that a schema allows but for null; {"array"} too where only its items are described."""
    if view.types is not None:
        return set(view.types)
    return {"array"} if "items" in view.words and "properties" not in view.words else set()


def json_schema(reply: Reply) -> Schema | None:
    """Return the schema of a reply's JSON; None if it has none."""
    for media in reply.media:
        if media.type.startswith("*/*") or kind_of(read(media.type)) == "json":
            return media.schema
    return None
