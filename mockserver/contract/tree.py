"""JSON pointers (RFC 6901) into one document, and the local references that are written as such."""

import copy
import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal
from urllib.parse import quote, unquote

from mockserver.errors import ContractError
from mockserver.messages import Json, Value

_PLAIN = re.compile(r"[\w/~.-]*", re.ASCII).fullmatch


def join(pointer: str, *parts: str | int) -> str:
    """Extend a JSON pointer by reference tokens, escaped by RFC 6901."""
    return pointer + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def pointed(reference: str) -> str:
    """Return the pointer that a local reference, `#/...`, names."""
    return unquote(reference[1:]) if "%" in reference else reference[1:]


def reference_to(pointer: str) -> str:
    """Return the local reference that names a pointer, in the characters of an address."""
    return "#" + (pointer if _PLAIN(pointer) else quote(pointer, safe="/~!$&'()*+,;=:@"))


def lookup(document: Json, pointer: str) -> Json:
    """Return what a JSON pointer names; KeyError if it names nothing."""
    node = document
    for token in pointer.split("/")[1:]:
        token = token.replace("~1", "/").replace("~0", "~")
        try:
            node = node[int(token)] if isinstance(node, list) else node[token]
        except (IndexError, ValueError, TypeError) as error:
            raise KeyError(pointer) from error
    return node


def resolve(document: Json, pointer: str, beside: frozenset[str] | None = None) -> tuple[str, Json]:
    """Follow the local reference at `pointer`, if there is one; return the final place and its value.

    With `beside`, a reference that has other keys than these beside it is not followed.
    """
    node = lookup(document, pointer)
    seen = {pointer}
    while isinstance(node, dict) and isinstance(node.get("$ref"), str) and (beside is None or node.keys() <= beside):
        target = node["$ref"]
        if not target.startswith("#"):
            raise ContractError(
                f"the reference {target!r} cannot be followed", where="#" + pointer, fix="correct it: #/components/..."
            )
        holder, pointer = pointer, pointed(target)
        if pointer in seen:
            raise ContractError(f"the reference {target!r} leads to itself", where="#" + pointer)
        seen.add(pointer)
        try:
            node = lookup(document, pointer)
        except KeyError:
            raise ContractError(f"the reference {target!r} names nothing", where="#" + holder) from None
    return pointer, node


ADDRESS = "mock:///document"
"""What a document is called in its registry."""


class Problem(Value, frozen=True):
    """Something in a document that is not served as written; `place` is a pointer in the converted document."""

    place: str
    what: str
    why: str = ""
    fix: str = ""
    level: Literal["error", "warning"] = "warning"
    """An error concerns an operation that cannot be served; a warning is something that is ignored."""


class Document(dict[str, Json]):
    """A document in OpenAPI 3.1's form, which knows where its parts stand in the user's files."""

    def __init__(self, data: Mapping[str, Json], origins: Mapping[str, str] | None = None) -> None:
        super().__init__(data)
        self.origins: Mapping[str, str] = {} if origins is None else origins
        """Pointers of this document -> places in the user's files, where they differ."""
        self.problems: list[Problem] = []
        """What is not served as it is written, as far as it was read."""
        self.files: list[str] = []
        """The other files that it refers to, readable or not, by their names relative to its own."""
        self.branches: dict[str, int] = {}
        """How many schemas apply to one value, for each schema that was looked at, by its pointer."""
        self.formats = True
        """Whether formats are asserted."""
        self.tolerant = False
        """Whether keywords that are not known are taken for annotations, as in users' documents."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "Document":
        made = Document(copy.deepcopy(dict(self), memo), self.origins)
        made.formats, made.tolerant = self.formats, self.tolerant
        return made

    @cached_property
    def registry(self) -> Any:
        """What its schemas are compiled from."""
        import jsonschema_rs

        return jsonschema_rs.Registry([(ADDRESS, self)])

    def origin(self, pointer: str) -> str:
        """Return where a place stands in the user's files, as "#/pointer" or "file#/pointer"."""
        head, tail = pointer, ""
        while self.origins and head:
            if head in self.origins:
                return self.origins[head] + tail
            head, _, last = head.rpartition("/")
            tail = f"/{last}{tail}"
        return "#" + pointer


def origin(document: Json, pointer: str) -> str:
    """Return where a place of a document stands in the user's files, as "#/pointer" or "file#/pointer"."""
    return document.origin(pointer) if isinstance(document, Document) else "#" + pointer


def named_place(document: Json, name: str, pointer: str) -> str:
    """Return a place of a document with a name: `name#/pointer`, or `file#/pointer` in another of its files."""
    place = origin(document, pointer)
    return name + place if place.startswith("#") else place


def document_of(document: Json) -> Document:
    """Return a document as a Document, which compiles its schemas from one registry."""
    return document if isinstance(document, Document) else Document(document)
