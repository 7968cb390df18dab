"""A contract's files as one document in OpenAPI 3.1's form: references local, schemas in JSON Schema 2020-12.

Every reference becomes a pointer into the one document; what other files hold stands below `x-files`. What is not
understood is a Problem, and is dropped where it would stop a validator. Places are told as the user's files have them.
"""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from mockserver.contract.schema import KEYWORDS, NESTED, NESTED_LISTS, NESTED_MAPS
from mockserver.contract.tree import Document, Problem, join, lookup
from mockserver.errors import ContractError
from mockserver.messages import Json, kind_of

FILES = "x-files"
"""The key of a document below which the contents of its other files stand, by name."""

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")
"""The methods that a path item names."""


Kind = str
"""What OpenAPI calls an object that may stand at a place: "schema", "parameter", "response" and so on."""

SHAPES: Mapping[Kind, Mapping[str, tuple[str, Kind]]] = {
    "document": {
        "paths": ("map", "path"),
        "webhooks": ("map", "path"),
        "components": ("one", "components"),
    },
    "components": {
        "schemas": ("map", "schema"),
        "responses": ("map", "response"),
        "parameters": ("map", "parameter"),
        "examples": ("map", "example"),
        "requestBodies": ("map", "body"),
        "headers": ("map", "header"),
        "securitySchemes": ("map", "scheme"),
        "links": ("map", "link"),
        "callbacks": ("map", "callback"),
        "pathItems": ("map", "path"),
        "mediaTypes": ("map", "media"),
    },
    "path": {
        **dict.fromkeys(METHODS, ("one", "operation")),
        "parameters": ("list", "parameter"),
        "additionalOperations": ("map", "operation"),
    },
    "operation": {
        "parameters": ("list", "parameter"),
        "requestBody": ("one", "body"),
        "responses": ("map", "response"),
        "callbacks": ("map", "callback"),
    },
    "parameter": {"schema": ("one", "schema"), "content": ("map", "media"), "examples": ("map", "example")},
    "header": {"schema": ("one", "schema"), "content": ("map", "media"), "examples": ("map", "example")},
    "body": {"content": ("map", "media")},
    "response": {"headers": ("map", "header"), "content": ("map", "media"), "links": ("map", "link")},
    "media": {
        "schema": ("one", "schema"),
        "itemSchema": ("one", "schema"),
        "x-item-schema": ("one", "schema"),
        "examples": ("map", "example"),
        "encoding": ("map", "encoding"),
    },
    "encoding": {"headers": ("map", "header")},
    "callback": {},
    "example": {},
    "link": {},
    "scheme": {},
}
"""Where OpenAPI's objects hold others: key -> how ("one", "map" of names, "list") and what."""


def _parts(
    node: Mapping[str, Json], pointer: str, shape: Mapping[str, tuple[str, Kind]]
) -> Iterator[tuple[str, Json, Kind]]:
    """Yield what stands in an object: its place, itself, its kind."""
    for key, (form, kind) in shape.items():
        value, place = node.get(key), join(pointer, key)
        if form == "one" and value is not None:
            yield place, value, kind
        elif form == "list" and isinstance(value, list):
            yield from ((join(place, index), item, kind) for index, item in enumerate(value))
        elif form == "map" and isinstance(value, dict):
            yield from ((join(place, name), item, kind) for name, item in value.items())


_NAMES = frozenset("array boolean integer null number object string".split())
_FOREIGN = frozenset("$id $schema $anchor $dynamicAnchor $vocabulary id".split())
"""Keywords that name a schema. Once each reference is a pointer, they would only mislead."""


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


def _is_number(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Json) -> bool:
    return _is_number(value) and value >= 0 and float(value).is_integer()


def _is_bool(value: Json) -> bool:
    return isinstance(value, bool)


def _are_names(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_type(value: Json) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(isinstance(each, str) and each in _NAMES for each in names)


FORMS: Mapping[str, tuple[Callable[[Json], bool], str]] = {
    "type": (_is_type, "a type of JSON, or a list of them"),
    "enum": (lambda value: isinstance(value, list) and bool(value), "a list of values"),
    **dict.fromkeys(("format", "pattern"), (_is_text, "a text")),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), (_is_number, "a number")),
    "multipleOf": (lambda value: _is_number(value) and value > 0, "a number above 0"),
    **dict.fromkeys(
        "minLength maxLength minItems maxItems minProperties maxProperties minContains maxContains".split(),
        (_is_count, "a whole number from 0 on"),
    ),
    "uniqueItems": (_is_bool, "true or false"),
    "required": (_are_names, "a list of names"),
    "dependentRequired": (
        lambda value: isinstance(value, dict) and all(map(_are_names, value.values())),
        "a map of lists of names",
    ),
    **dict.fromkeys(NESTED_MAPS, (lambda value: isinstance(value, dict), "a map of schemas")),
    **dict.fromkeys(NESTED_LISTS, (lambda value: isinstance(value, list) and bool(value), "a list of schemas")),
    **dict.fromkeys(NESTED, (lambda value: isinstance(value, dict | bool), "a schema")),
}
"""What the value of each keyword must be, and how that is told."""


class Conversion:
    """Converts one document in place. `load` returns the contents of another file by its name."""

    def __init__(
        self,
        data: Mapping[str, Json],
        name: str,
        version: str,
        load: Callable[[str], Json],
        moved: Mapping[str, str] | None = None,
    ) -> None:
        self._moved: dict[str, str] = dict(moved or {})
        self.document = Document(data, self._moved)
        self.old = version.startswith(("2", "3.0"))
        """Whether schemas are written in the dialect of OpenAPI 2.0 and 3.0."""
        self.version = version
        self._name, self._load = name, load
        self._done: set[tuple[int, Kind]] = set()
        self._files: dict[str, Json] = {}
        self._unreadable: dict[str, ContractError] = {}
        self._left: list[tuple[str, str, Json, Kind]] = []
        self._ids: dict[str, str] = {}
        """Absolute `$id`s and anchors -> pointers."""

    def run(self) -> Document:
        """Convert the document and everything it refers to."""
        data = self.document
        self._index(data, "")
        self._object(data, "", "", "document")
        while self._left:
            file, pointer, node, kind = self._left.pop()
            self._visit(node, pointer, file, kind)
        return data

    def problem(self, place: str, what: str, why: str = "", fix: str = "", *, error: bool = False) -> None:
        """Note what is not served as it is written."""
        self.document.problems.append(Problem(place, what, why, fix, "error" if error else "warning"))

    # -- objects of OpenAPI

    def _visit(self, node: Json, pointer: str, file: str, kind: Kind) -> None:
        """Convert what stands at a place, once."""
        key = (id(node), kind)
        if key in self._done:
            return
        self._done.add(key)
        if kind == "schema":
            if not isinstance(node, dict | bool):
                owner, _, token = pointer.rpartition("/")
                holder, name = lookup(self.document, owner), _unescaped(token)
                self._below(holder, int(name) if isinstance(holder, list) else name, pointer, file, "")
            else:
                self._schema(node, pointer, file)
        elif isinstance(node, dict):
            if isinstance(node.get("$ref"), str) and kind != "document":
                self._reference(node, pointer, file, kind)
            self._object(node, pointer, file, kind)

    def _object(self, node: dict[str, Json], pointer: str, file: str, kind: Kind) -> None:
        """Convert what OpenAPI puts into an object of a kind."""
        if kind == "callback":
            items = [(join(pointer, name), item) for name, item in node.items() if not name.startswith(("x-", "$"))]
            parts = [(place, item, "path") for place, item in items]
        else:
            parts = list(_parts(node, pointer, SHAPES[kind]))
        for place, item, inner in parts:
            self._visit(item, place, file, inner)

    # -- references

    def _reference(self, node: dict[str, Json], pointer: str, file: str, kind: Kind, base: str = "") -> None:
        """Write a reference as a pointer into this document, and have its target converted, too."""
        place = join(pointer, "$ref")
        try:
            target = self._target(node["$ref"], file, base)
            found = lookup(self.document, target)
        except ContractError as error:
            self.problem(place, error.what, error.why, error.fix, error=True)
            return
        except KeyError:
            fix = "correct it, or add what it names"
            self.problem(place, f"the reference {node['$ref']!r} names nothing", fix=fix, error=True)
            return
        node["$ref"] = "#" + target
        owner = _unescaped(target.split("/")[2]) if target.startswith(f"/{FILES}/") else ""
        self._left.append((owner, target, found, kind))

    def _target(self, reference: str, file: str, base: str) -> str:
        """Return the pointer in this document that a reference means."""
        absolute = urljoin(base, reference)
        if absolute in self._ids:
            return self._ids[absolute]
        address, fragment = urldefrag(absolute)
        if address in self._ids and (not fragment or fragment.startswith("/")):
            return self._ids[address] + unquote(fragment)
        name, _, fragment = reference.partition("#")
        owner = _relative(file, name) if name else file
        root = self._file(owner) if owner not in ("", self._name) else ""
        fragment = unquote(fragment)
        if fragment and not fragment.startswith("/"):
            raise ContractError(f"the reference {reference!r} names no anchor", fix="name a place: #/components/...")
        return root + (fragment if root else self._renamed(fragment))

    def _renamed(self, fragment: str) -> str:
        """Return where a pointer of an OpenAPI 2.0 document leads to in its converted form."""
        for new, old in self._moved.items():
            before = old.removeprefix("#")
            if not new.startswith(f"/{FILES}/") and (fragment == before or fragment.startswith(before + "/")):
                return new + fragment[len(before) :]
        return fragment

    def _file(self, name: str) -> str:
        """Return the pointer below which the contents of another file stand; ContractError if it cannot be read."""
        root = join(f"/{FILES}", name)
        if name in self._unreadable:
            raise self._unreadable[name]
        if name not in self._files:
            try:
                self._files[name] = self._load(name)
            except ContractError as error:
                why = ": ".join(filter(None, (error.what, error.why)))
                self._unreadable[name] = ContractError(f"the file {name!r} cannot be read", why=why, fix=error.fix)
                raise self._unreadable[name] from error
            self.document.setdefault(FILES, {})[name] = self._files[name]
            self._moved[root] = f"{name}#"
            self._index(self._files[name], root)
        return root

    def _index(self, data: Json, root: str) -> None:
        """Note the places of all identifiers and anchors of a file."""
        stack: list[tuple[Json, str, str]] = [(data, root, "")]
        while stack:
            node, pointer, base = stack.pop()
            if isinstance(node, dict):
                own = node.get("$id")
                if isinstance(own, str):
                    base = urldefrag(urljoin(base, own))[0]
                    self._ids.setdefault(base, pointer)
                for key in ("$anchor", "$dynamicAnchor"):
                    if isinstance(node.get(key), str):
                        self._ids.setdefault(f"{base}#{node[key]}", pointer)
                stack += [
                    (item, join(pointer, key), base) for key, item in node.items() if isinstance(item, dict | list)
                ]
            elif isinstance(node, list):
                stack += [
                    (item, join(pointer, at), base) for at, item in enumerate(node) if isinstance(item, dict | list)
                ]

    # -- schemas

    def _schema(self, node: Json, pointer: str, file: str, base: str = "") -> None:
        """Convert a schema and what is below it to JSON Schema 2020-12, without what no validator can read."""
        if not isinstance(node, dict):
            return
        if isinstance(node.get("$id"), str):
            base = urldefrag(urljoin(base, node["$id"]))[0]
        for key in _FOREIGN & node.keys():
            if isinstance(node[key], str):
                del node[key]
        self._refer(node, pointer, file, base)
        if self.old:
            _modernise(node)
        _renew(node)
        self._repair(node, pointer)
        for owner, name, place in _holders(node, pointer):
            self._below(owner, name, place, file, base)

    def _below(self, owner: Any, key: str | int, pointer: str, file: str, base: str) -> None:
        """Convert a schema that stands in another."""
        node = owner[key]
        if not isinstance(node, dict | bool):
            self.problem(pointer, "a schema must be an object or a boolean", f"it is {kind_of(node)}, and is ignored")
            owner[key] = {}
            return
        mark = (id(node), "schema")
        if mark not in self._done:
            self._done.add(mark)
            self._schema(node, pointer, file, base)

    def _refer(self, node: dict[str, Json], pointer: str, file: str, base: str) -> None:
        if "$dynamicRef" in node and "$ref" not in node:
            node["$ref"] = node.pop("$dynamicRef")
        if "$ref" not in node:
            return
        if not isinstance(node["$ref"], str):
            self.problem(join(pointer, "$ref"), "a reference must be a text", f"it is {kind_of(node['$ref'])}")
            del node["$ref"]
            return
        if self.old:
            ignored = [key for key in node if key in FORMS or key == "nullable"]
            for key in ignored:
                self.problem(
                    join(pointer, key),
                    f"{key!r} beside a reference is ignored",
                    f"OpenAPI {self.version} says so",
                    "put both under allOf",
                )
                del node[key]
        self._reference(node, pointer, file, "schema", base)

    def _repair(self, node: dict[str, Json], pointer: str) -> None:
        """Drop the keywords that no validator can read, each with a warning, and warn of those that are not known."""
        for key in node.keys() - KEYWORDS:
            if not key.startswith("x-") and not (key == "nullable" and not self.old):
                fix = "correct it, or begin the name of your own with x-"
                self.problem(join(pointer, key), f"the schema keyword {key!r} is not known, and is ignored", fix=fix)
        if "nullable" in node and not self.old:
            _take_null(node, node.pop("nullable"))
            what = "'nullable' is no keyword of OpenAPI 3.1; it is read as OpenAPI 3.0 means it"
            self.problem(join(pointer, "nullable"), what, fix="write type: [..., 'null']")
        for key in FORMS.keys() & node.keys():
            is_right, form = FORMS[key]
            value = node[key]
            if not is_right(value):
                why = f"its value must be {form}, and is {kind_of(value)}"
                self.problem(join(pointer, key), f"the keyword {key!r} is ignored", why, "correct it")
                del node[key]
            elif isinstance(value, list) and key in ("type", "required"):
                node[key] = list(dict.fromkeys(value))
            elif isinstance(value, float) and value.is_integer() and key.startswith(("min", "max")):
                node[key] = int(value)


_HOLDERS = NESTED | NESTED_LISTS | NESTED_MAPS | {"definitions"}
"""Keywords that hold schemas."""


def _holders(node: dict[str, Json], pointer: str) -> Iterator[tuple[Any, str | int, str]]:
    """Yield where the schemas below a schema stand: what holds one, its key there, its place."""
    for key in node.keys() & _HOLDERS:
        value, place = node[key], join(pointer, key)
        if key in NESTED:
            yield node, key, place
        elif isinstance(value, dict):
            yield from ((value, name, join(place, name)) for name in value)
        elif isinstance(value, list):
            yield from ((value, index, join(place, index)) for index in range(len(value)))


def _take_null(node: dict[str, Json], nullable: Json) -> None:
    """Let a schema with a type take null."""
    kinds = node.get("type")
    if nullable is True and kinds is not None:
        node["type"] = [*(kinds if isinstance(kinds, list) else [kinds]), "null"]


def _modernise(node: dict[str, Json]) -> None:
    """Write the keywords of OpenAPI 2.0 and 3.0 as those of JSON Schema 2020-12."""
    for exclusive, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(node.get(exclusive), bool) and node.pop(exclusive) and limit in node:
            node[exclusive] = node.pop(limit)
    if node.get("type") == "file":
        node["type"], node["format"] = "string", "binary"
    _take_null(node, node.pop("nullable", None) or node.get("x-nullable"))


def _renew(node: dict[str, Json]) -> None:
    """Write the keywords of older drafts of JSON Schema as those of 2020-12."""
    if isinstance(node.get("items"), list):
        listed = node.pop("items")
        if listed:
            node.setdefault("prefixItems", listed)
        if "additionalItems" in node:
            node["items"] = node.pop("additionalItems")
    needed = node.pop("dependencies", None)
    for name, value in needed.items() if isinstance(needed, dict) else ():
        key = "dependentRequired" if isinstance(value, list) else "dependentSchemas"
        node.setdefault(key, {})[name] = value


def _unescaped(token: str) -> str:
    return token.replace("~1", "/").replace("~0", "~")


def _relative(file: str, name: str) -> str:
    """Return the name of a file that another one refers to, relative to the root document."""
    if is_remote(name) or is_remote(file):
        return urljoin(file, name)
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), unquote(name)))


def is_remote(name: str) -> bool:
    """Return whether a file is named by an address."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", name) is not None
