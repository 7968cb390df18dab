"""A contract's files as one document in OpenAPI 3.1's form: references local, schemas in JSON Schema 2020-12.

Every reference becomes a pointer into the one document; what other files hold stands below `x-files`. What is not
understood is a Problem, and is dropped where it would stop a validator. Places are told as the user's files have them.
"""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

from mockserver.contract.identifiers import NOWHERE, Identifiers, Surroundings, absolute
from mockserver.contract.schema import KEYWORDS, NESTED, NESTED_LISTS, NESTED_MAPS
from mockserver.contract.swagger import Followed, Swagger, renamed
from mockserver.contract.tree import Document, Problem, join, lookup, origin, pointed, reference_to
from mockserver.errors import ContractError
from mockserver.messages import Json, kind_of

FILES = "x-files"
"""The key of a document below which the contents of its other files stand, by name."""

LONGEST_CHAIN = 100
"""How many references may lead from one to the next."""

COPIES = "x-dynamic"
"""The key below which copies of schemas stand, one for each meaning of the dynamic anchors that they use."""

MOST_COPIES = 1_000

DIALECTS = ("https://json-schema.org/draft/2020-12/schema", "https://spec.openapis.org/oas/3.")
"""How the dialects begin that a document may name."""

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
        "prefixEncoding": ("list", "encoding"),
        "itemEncoding": ("one", "encoding"),
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
        read: Callable[[str], bytes],
        moved: Mapping[str, str] | None = None,
    ) -> None:
        self._moved: dict[str, str] = dict(moved or {})
        self.document = Document(data, self._moved)
        self.document.tolerant = True
        self.old = version.startswith(("2", "3.0"))
        """Whether schemas are written in the dialect of OpenAPI 2.0 and 3.0."""
        self.version = version
        self._name, self._load, self._read = name, load, read
        self._done: set[tuple[int, Kind]] = set()
        self._files: dict[str, Json] = {}
        self._unreadable: dict[str, ContractError] = {}
        self._left: list[tuple[str, str, Json, Kind]] = []
        self._names = Identifiers()
        self._raw: dict[str, Json] = {}
        """The files with dynamic references or anchors, as they were read, by their pointers."""
        self._special: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}
        """The places of schemas, with what dynamic anchors mean there -> the places of copies with that meaning."""
        self._needs: dict[str, frozenset[str]] = {}
        """The places of schemas -> the names of the dynamic references that they reach."""
        self._scopes: dict[str, tuple[str, Surroundings]] = {}
        """The places of copies -> what they are copies of, and their scopes."""
        self._swagger = Swagger(self.document, self._moved, self._followed) if version == "2.0" else None

    def run(self) -> Document:
        """Convert the document and everything it refers to."""
        data = self.document
        dialect = data.get("jsonSchemaDialect")
        if dialect is not None and not str(dialect).startswith(DIALECTS):
            what = f"the dialect {str(dialect)[:100]!r} is read as JSON Schema 2020-12"
            self.problem("/jsonSchemaDialect", what, "it is not known", f"name {DIALECTS[0]}")
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
                self._below(holder, int(name) if isinstance(holder, list) else name, pointer, file, NOWHERE)
            else:
                self._schema(node, pointer, file, self._scope(pointer))
        elif isinstance(node, dict):
            if isinstance(node.get("$ref"), str) and kind != "document":
                self._reference(node, pointer, file, kind)
            if self._swagger is not None:
                self._swagger.upgrade(node, pointer, file, kind)
            if kind == "example" and "externalValue" in node:
                self._external(node, pointer, file)
            self._object(node, pointer, file, kind)

    def _external(self, node: dict[str, Json], pointer: str, file: str) -> None:
        """Put the text of a file into an example that stands there; one that is kept apart is told."""
        name = _relative(file, str(node["externalValue"]))
        self.document.files.append(name)
        try:
            node["serializedValue"] = self._read(name).decode()
            del node["externalValue"]
        except (ContractError, UnicodeDecodeError) as error:
            why = error.why or error.what if isinstance(error, ContractError) else "it is no text in UTF-8"
            self.problem(pointer, f"the example {name[:100]!r} is not used", why, "name a text beside the document")

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

    def _reference(
        self,
        node: dict[str, Json],
        pointer: str,
        file: str,
        kind: Kind,
        scope: Surroundings = NOWHERE,
        key: str = "$ref",
    ) -> None:
        """Write a reference as a pointer into this document, and have its target converted, too."""
        place = join(pointer, key)
        try:
            target = self._target(node[key], file, scope.base)
            if self._names.dynamic and kind == "schema":
                name = node[key].partition("#")[2]
                if key != "$ref" and self._names.is_dynamic(target, name):
                    target = scope.bound.get(name, target)
                target = self._specialised(target, scope.bound)
            found = lookup(self.document, target)
        except ContractError as error:
            self.problem(place, error.what, error.why, error.fix, error=True)
            return
        except KeyError:
            fix = "correct it, or add what it names"
            self.problem(place, f"the reference {node[key]!r} names nothing", fix=fix, error=True)
            return
        node[key] = reference_to(target)
        self._left.append((_file_of(self._source(target)), target, found, kind))

    def _target(self, reference: str, file: str, base: str) -> str:
        """Return the pointer in this document that a reference means."""
        if reference.startswith(f"#/{FILES}/"):  # it is converted already
            return pointed(reference)
        is_absolute = self._names.places and (base or not reference.startswith("#"))
        known = self._named(absolute(base, reference)) if is_absolute else None
        if known is not None:
            return known
        name, _, fragment = reference.partition("#")
        owner = _relative(file, name) if name else file
        try:
            root = self._file(owner) if owner not in ("", self._name) else ""
        except ContractError:
            if not name or not is_remote(address := urljoin(base, name)) or address == owner:
                raise
            root = self._file(address)
        fragment = unquote(fragment)
        if fragment and not fragment.startswith("/"):
            known = self._named(f"{self._names.scope(root).base or root}#{fragment}")
            if known is not None:
                return known
            raise ContractError(f"the reference {reference!r} names no anchor", fix="name a place: #/components/...")
        return renamed(fragment) if not root and self.version == "2.0" else root + fragment

    def _named(self, identifier: str) -> str | None:
        """Return the place of an absolute identifier, or below it."""
        address, fragment = urldefrag(identifier)
        fragment, places = unquote(fragment), self._names.places
        if fragment and not fragment.startswith("/"):
            return places.get(f"{address}#{fragment}")
        return places[address] + fragment if address and address in places else None

    def _followed(self, node: Json, pointer: str, file: str) -> Followed:
        """Return where the references of an object lead, in the form that it has by now."""
        for _ in range(LONGEST_CHAIN):
            if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
                return Followed(pointer, node)
            pointer = self._target(node["$ref"], file, "")
            file = _file_of(pointer)
            try:
                node = lookup(self.document, pointer)
            except KeyError:
                break
        raise ContractError("a reference leads nowhere", where="#" + pointer)

    def _file(self, name: str) -> str:
        """Return the pointer below which the contents of another file stand; ContractError if it cannot be read."""
        root = join(f"/{FILES}", name)
        if name in self._unreadable:
            raise self._unreadable[name]
        if name not in self._files:
            self.document.files.append(name)
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
        """Note the identifiers of a file, and keep it as it is if dynamic references may need copies of it."""
        if self._names.index(data, root):
            self._raw[root] = deepcopy(data if root else dict(data))

    # -- schemas

    def _scope(self, pointer: str) -> Surroundings:
        """Return the scope of a schema that is not below another one."""
        return self._scopes[pointer][1] if pointer in self._scopes else self._names.scope(pointer)

    def _specialised(self, target: str, bound: Mapping[str, str]) -> str:
        """Return the place of a schema as it is where dynamic anchors have a meaning: its own, or that of a copy."""
        if target not in self._needs:
            self._needs[target] = self._needed(target)
        needed = self._needs[target]
        reached, usual = self._names.reached(target, bound), self._names.scope(target).bound
        bound = {name: reached[name] for name in sorted(needed & reached.keys())}
        if all(usual.get(name) == place for name, place in bound.items()):
            return target
        key = target, tuple(bound.items())
        if key not in self._special and len(self._special) < MOST_COPIES:
            made = join(f"/{COPIES}", len(self._special))
            self._special[key] = made
            self._scopes[made] = target, Surroundings(self._names.scope(target).base, bound)
            self._moved[made] = self.document.origin(target)
            self.document.setdefault(COPIES, {})[made.rpartition("/")[2]] = deepcopy(self._unconverted(target))
        return self._special.get(key, target)

    def _unconverted(self, pointer: str) -> Json:
        """Return what a place held before it was converted; KeyError if that is not kept."""
        file = _file_of(pointer)
        root = join(f"/{FILES}", file) if file else ""
        return lookup(self._raw[root], pointer[len(root) :])

    def _needed(self, pointer: str) -> frozenset[str]:
        """Return the names of the dynamic references that a schema reaches."""
        found: set[str] = set()
        seen, left = {pointer}, [pointer]
        while left:
            place = left.pop()
            try:
                stack = [(self._unconverted(place), place)]
            except KeyError:
                continue
            while stack:
                node, at = stack.pop()
                pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
                stack += [(each, join(at, name)) for name, each in pairs]
                for key in ("$ref", "$dynamicRef") if isinstance(node, dict) else ():
                    if isinstance(node.get(key), str):
                        if key == "$dynamicRef":
                            found.add(node[key].partition("#")[2])
                        with suppress(ContractError):
                            target = self._target(node[key], _file_of(at), self._names.scope(at).base)
                            if target not in seen:
                                seen.add(target)
                                left.append(target)
        return frozenset(found)

    def _schema(self, node: Json, pointer: str, file: str, scope: Surroundings) -> None:
        """Convert a schema and what is below it to JSON Schema 2020-12, without what no validator can read."""
        if not isinstance(node, dict):
            return
        if "$id" in node or "$dynamicAnchor" in node:
            scope = self._names.enter(self._source(pointer), scope)
        for key in _FOREIGN & node.keys():
            if isinstance(node[key], str) or key == "$vocabulary":
                del node[key]
        self._refer(node, pointer, file, scope)
        if self.old:
            _modernise(node)
        _renew(node)
        self._repair(node, pointer)
        for owner, name, place in _holders(node, pointer):
            self._below(owner, name, place, file, scope)

    def _source(self, pointer: str) -> str:
        """Return the place that a place is a copy of, or itself."""
        if not pointer.startswith(f"/{COPIES}/"):
            return pointer
        root = "/".join(pointer.split("/", 3)[:3])
        return self._scopes[root][0] + pointer[len(root) :]

    def _check_patterns(self, node: dict[str, Json], pointer: str, key: str) -> None:
        """Drop the patterns that no engine runs, each with a warning."""
        from mockserver.contract.pattern import compiles

        for pattern in [node[key]] if key == "pattern" else list(node[key]):
            if not compiles(pattern):
                what, why = f"the pattern {pattern[:100]!r} is not judged", "it is no regular expression of ECMA-262"
                if key == "pattern":
                    self.problem(pointer, what, why, "correct it")
                    del node[key]
                else:
                    self.problem(join(pointer, pattern), what, why, "correct it")
                    del node[key][pattern]

    def _below(self, owner: Any, key: str | int, pointer: str, file: str, scope: Surroundings) -> None:
        """Convert a schema that stands in another."""
        node = owner[key]
        if not isinstance(node, dict | bool):
            self.problem(pointer, "a schema must be an object or a boolean", f"it is {kind_of(node)}, and is ignored")
            owner[key] = {}
            return
        mark = (id(node), "schema")
        if mark not in self._done:
            self._done.add(mark)
            self._schema(node, pointer, file, scope)

    def _refer(self, node: dict[str, Json], pointer: str, file: str, scope: Surroundings) -> None:
        """Write the references of a schema as pointers into this document."""
        for key in ("$dynamicRef", "$recursiveRef"):
            if isinstance(node.get(key), str):
                self._reference(node, pointer, file, "schema", scope, key)
                held = {"$ref": node.pop(key)}
                self._done.add((id(held), "schema"))
                if "$ref" in node:
                    node["allOf"] = [*node.get("allOf", ()), held]
                else:
                    node.update(held)
                    return
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
        self._reference(node, pointer, file, "schema", scope)

    def _repair(self, node: dict[str, Json], pointer: str) -> None:
        """Drop the keywords that no validator can read, each with a warning, and warn of those that are not known."""
        for key in node.keys() - KEYWORDS - {"definitions"}:
            if not key.startswith("x-") and not (key == "nullable" and not self.old):
                fix = "correct it, or begin the name of your own with x-"
                self.problem(join(pointer, key), f"the schema keyword {key!r} is not known, and is ignored", fix=fix)
        if "nullable" in node and not self.old:
            _take_null(node, node["nullable"])  # the keyword stays, so that null is taken, and never made
            what = "'nullable' is no keyword of OpenAPI 3.1; null is taken, and never made"
            self.problem(join(pointer, "nullable"), what, fix="write type: [..., 'null']")
        for key in FORMS.keys() & node.keys():
            is_right, form = FORMS[key]
            value = node[key]
            if not is_right(value):
                why = f"its value must be {form}, and is {kind_of(value)}"
                self.problem(join(pointer, key), f"the keyword {key!r} is ignored", why, "correct it")
                del node[key]
            elif key in ("pattern", "patternProperties"):
                self._check_patterns(node, join(pointer, key), key)
            elif isinstance(value, list) and key in ("type", "required"):
                node[key] = list(dict.fromkeys(value))
            elif isinstance(value, float) and value.is_integer() and key.startswith(("min", "max")):
                node[key] = int(value)
        self._limit(node, pointer)

    def _limit(self, node: dict[str, Json], pointer: str) -> None:
        """Write out the range of the formats of whole numbers, which validators leave out."""
        bits = {"int32": 31, "int64": 63}.get(str(node.get("format")))
        kinds = node.get("type")
        if bits is None or "integer" not in (kinds if isinstance(kinds, list) else [kinds]):
            return
        for limits, bound in (
            (("minimum", "exclusiveMinimum"), -(2**bits)),
            (("maximum", "exclusiveMaximum"), 2**bits - 1),
        ):
            if not node.keys() & set(limits):
                node[limits[0]] = bound
                self._moved[join(pointer, limits[0])] = f"{origin(self.document, pointer)}/format"


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
    if isinstance(node.get("discriminator"), str):
        node["discriminator"] = {"propertyName": node["discriminator"]}
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


def _file_of(pointer: str) -> str:
    """Return the name of the file that a place of the converted document belongs to, "" for the root."""
    return _unescaped(pointer.split("/")[2]) if pointer.startswith(f"/{FILES}/") else ""


def _relative(file: str, name: str) -> str:
    """Return the name of a file that another one refers to, relative to the root document."""
    if is_remote(name) or is_remote(file):
        return urljoin(file, name)
    return posixpath.normpath(posixpath.join(posixpath.dirname(file), unquote(name)))


def is_remote(name: str) -> bool:
    """Return whether a file is named by an address."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", name) is not None
