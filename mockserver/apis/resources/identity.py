"""Makes the ids of new items, and reads those that clients give."""

from collections.abc import Callable, Mapping
from random import Random
from uuid import UUID

from mockserver.answer.generate import generate
from mockserver.apis.resources.bodies import fields_of
from mockserver.apis.resources.items import Item
from mockserver.apis.resources.resource import Resource
from mockserver.contract.resolved import View, said
from mockserver.contract.schema import Schema
from mockserver.errors import ContractError
from mockserver.messages import Json

MOST_COUNTED = 1_000_000
"""Up to this number, ids that are plain numbers need no look at their schema."""


class Identity:
    """Makes the ids of new items."""

    def __init__(self, resource: Resource) -> None:
        self._name = resource.identity
        self._resource, self._views = resource, resource.views
        view = None
        if resource.schema is not None and self._name is not None:
            view = fields_of(self._views, self._views.of(resource.schema.pointer)).get(self._name)
        self._view = view
        self._schema = None if view is None else Schema(resource.contract.document, view.pointer, "")
        self._parameter = self._path_schema()
        self._is_counted = all(map(self._is_number, (1, 2, 10, MOST_COUNTED)))
        """Whether ids are plain numbers."""

    def _is_number(self, number: int) -> bool:
        """Return whether a number may be an id."""
        if self._view is None or self._schema is None or "integer" not in (self._view.types or ()):
            return False
        return self._schema.is_valid(number) and (self._parameter is None or self._parameter.is_valid(number))

    def _path_schema(self) -> Schema | None:
        """Return the schema of the path's parameter, which an id must satisfy, too."""
        for part in self._resource.parts.values():
            if part.operation.path == self._resource.item and self._resource.keys:
                name = self._resource.keys[-1]
                for each in part.operation.parameters:
                    if each.location == "path" and each.name == name:
                        return each.schema
        return None

    def sent(self, asked: Mapping[str, View], sent: Item) -> Json:
        """Return the identity that a client gave to an item; None if the server gives it."""
        if self._name is None or self._name not in asked or said(asked[self._name], "readOnly") is True:
            return None
        value = sent.get(self._name)
        return value if isinstance(value, str | int) and not isinstance(value, bool) and value != "" else None

    def of_path(self, given: Json, like: Json) -> Json:
        """Return an id of a path as the item shows it."""
        if isinstance(like, int) and isinstance(given, str) and given.isdigit():
            return int(given)
        return str(given) if isinstance(like, str) else given

    def make(self, rng: Callable[[], Random], number: int) -> Json:
        """Make the id of a new item."""
        if self._is_counted and number <= MOST_COUNTED:
            return number
        made = self._make(rng, number)
        if self._parameter is None or self._parameter.is_valid(made):
            return made
        try:
            other = generate(self._parameter, rng())
        except ContractError:
            return made
        return other if self._schema is None or self._schema.is_valid(other) else made

    def _make(self, rng: Callable[[], Random], number: int) -> Json:
        view, schema = self._view, self._schema
        if view is None or schema is None:
            return number
        types = view.types or frozenset(("string",))
        if "integer" in types or "number" in types:
            return number if schema.is_valid(number) else generate(schema, rng())
        if said(view, "format") == "uuid":
            return str(UUID(int=rng().getrandbits(128), version=4))
        return self._text(view, schema, rng(), number)

    def _text(self, view: View, schema: Schema, rng: Random, number: int) -> Json:
        shown = said(view, "example")
        head, mark, tail = shown.partition("_") if isinstance(shown, str) else ("", "", "")
        plain_text = f"{rng.getrandbits(64):016x}"
        candidates = [f"{head}_{plain_text}"] if mark and head.isalpha() and tail.isalnum() else []
        if isinstance(shown, str) and shown.isdigit():
            candidates.append(str(number))
        for each in (*candidates, plain_text, str(UUID(int=rng.getrandbits(128), version=4))):
            if schema.is_valid(each):
                return each
        return generate(schema, rng)
