"""JSON Schema 2020-12 over one document: references, validators, and why a value breaks its schema."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from mockserver.errors import ContractError
from mockserver.messages import Blame, Finding, Json

if TYPE_CHECKING:
    from mockserver.contract.explain import SchemaError
    from mockserver.contract.validator import Validator

NESTED = frozenset(
    "additionalProperties contains contentSchema else if items not propertyNames then unevaluatedItems "
    "unevaluatedProperties".split()
)
"""Keywords whose value is a schema."""

NESTED_LISTS = frozenset("allOf anyOf oneOf prefixItems".split())
"""Keywords whose value is a list of schemas."""

NESTED_MAPS = frozenset("$defs dependentSchemas patternProperties properties".split())
"""Keywords whose value maps names to schemas."""

ASSERTIONS = frozenset(
    "const dependentRequired enum exclusiveMaximum exclusiveMinimum format maxContains maxItems maxLength "
    "maxProperties maximum minContains minItems minLength minProperties minimum multipleOf pattern "
    "required type uniqueItems".split()
)
"""Keywords that restrict a value without a subschema."""

NOTES = frozenset(
    "$comment $ref contentEncoding contentMediaType default deprecated description discriminator example "
    "examples externalDocs readOnly title writeOnly xml".split()
)
"""Keywords that refer to schemas or describe them."""

KEYWORDS = NESTED | NESTED_LISTS | NESTED_MAPS | ASSERTIONS | NOTES


def unwritable(value: Json) -> str:
    """Return why a parsed value is not JSON (NaN, half a surrogate pair, a type of YAML's own), or "" if it is."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        return str(error)
    return ""


def join(pointer: str, *parts: str | int) -> str:
    """Extend a JSON pointer by reference tokens, escaped by RFC 6901."""
    return pointer + "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


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


def resolve(document: Json, pointer: str) -> tuple[str, Json]:
    """Follow the local reference at `pointer`, if there is one; return the final place and its value."""
    node = lookup(document, pointer)
    seen = {pointer}
    while isinstance(node, dict) and isinstance(node.get("$ref"), str):
        target = node["$ref"]
        if not target.startswith("#/components/"):
            raise ContractError(
                f"the reference {target!r} cannot be followed",
                where="#" + pointer,
                why="only references into the document's own components are served",
                fix="bundle the document into one file, with what is shared under components",
            )
        pointer = target[1:]
        if pointer in seen:
            raise ContractError(f"the reference {target!r} leads to itself", where="#" + pointer)
        seen.add(pointer)
        try:
            node = lookup(document, pointer)
        except KeyError:
            raise ContractError(f"the reference {target!r} names nothing", where="#" + pointer) from None
    return pointer, node


class SubSchema(NamedTuple):
    """A schema that stands in another: its keyword, its name or number there (None for neither), its place."""

    keyword: str
    name: str | int | None
    pointer: str
    node: Json


def subschemas(node: Json, pointer: str) -> Iterator[SubSchema]:
    """List the direct subschemas of a schema, with their places."""
    for key, value in node.items():
        if key in NESTED:
            yield SubSchema(key, None, join(pointer, key), value)
        elif key in NESTED_LISTS or key in NESTED_MAPS:
            inner = enumerate(value) if key in NESTED_LISTS else value.items()
            yield from (SubSchema(key, name, join(pointer, key, name), item) for name, item in inner)


def check_schema(document: Json, pointer: str, seen: set[str]) -> None:
    """Reject any keyword or shape that is not fully understood, in a schema and its subschemas, with its place."""
    if pointer not in seen:
        _check_node(document, pointer, lookup(document, pointer), seen)


def _check_node(document: Json, pointer: str, node: Json, seen: set[str]) -> None:
    if pointer in seen or isinstance(node, bool):
        return
    seen.add(pointer)
    if not isinstance(node, dict):
        raise ContractError("a schema must be an object or a boolean", where="#" + pointer)
    for key in node:
        if key not in KEYWORDS and not key.startswith("x-"):
            raise ContractError(
                f"the schema keyword {key!r} is not known",
                where="#" + join(pointer, key),
                why="a keyword that is only half understood would let wrong answers pass",
                fix="nullable: true is written as type: [..., 'null'] in OpenAPI 3.1"
                if key == "nullable"
                else "use JSON Schema 2020-12's keywords, or begin the name of your own with x-",
            )
    if "$ref" in node:
        target, found = resolve(document, pointer)
        _check_node(document, target, found, seen)
    try:
        below = list(subschemas(node, pointer))
    except (AttributeError, TypeError):
        raise ContractError("a keyword holds no schemas where it must", where="#" + pointer) from None
    for each in below:
        _check_node(document, each.pointer, each.node, seen)


class Schema:
    """One schema of a document: its verdict on a value, and why a value breaks it."""

    __slots__ = ("_compiled", "document", "name", "node", "pointer")

    def __init__(self, document: Json, pointer: str, name: str) -> None:
        self.document, self.name = document, name
        self.pointer, self.node = pointer, lookup(document, pointer)
        if isinstance(self.node, dict) and self.node.keys() <= NOTES:  # a reference without other keywords
            self.pointer, self.node = resolve(document, pointer)
        self._compiled: Validator | None = None

    def rooted(self) -> Json:
        """Return the schema as a standalone document, with the components that it refers to."""
        if isinstance(self.node, bool):
            return self.node
        return {
            **self.node,
            "components": {"schemas": self.document.get("components", {}).get("schemas", {})},
        }

    def is_valid(self, value: Json) -> bool:
        """Return whether `value` is valid, as far as it can be judged.

        A value that is not JSON (a lone surrogate, bytes) is not.
        """
        validator = self._compiled or self._validator()
        try:
            return validator.is_valid(value)
        except ValueError:
            return False

    def compiled(self) -> Callable[[Json], bool]:
        """Return what says whether a value is valid beyond doubt, and raises a ValueError if it is not JSON."""
        return (self._compiled or self._validator()).surely_valid

    def _validator(self) -> "Validator":
        if self._compiled is None:
            from mockserver.contract.validator import compiled

            self._compiled = compiled(self.rooted())
        return self._compiled

    def unjudged(self, value: Json) -> list[str]:
        """Return the patterns by which `value` could not be judged, since that would have taken too many steps."""
        validator = self._validator()
        try:
            return validator.unjudged(value)
        except ValueError:
            return []

    def errors(self, value: Json) -> "list[SchemaError]":
        """List what is wrong with `value`; for a union, in the branch probably meant; if it is large, the first.

        There are none for a value that is not JSON.
        """
        validator = self._validator()
        try:
            found = validator.errors(value, self._said)
            return found if found or self.is_valid(value) else [_error("schema", "the value breaks the schema", value)]
        except ValueError:
            return []

    def explain(self, value: Json, *, where: str = "", fault: Blame = "mock") -> list[Finding]:
        """List what is wrong with `value`, each with its place in the value and in the contract."""
        found = self.errors(value)
        if not found and not self.is_valid(value):
            found = [_error("json", f"is no value of JSON: {unwritable(value) or 'it is nested too deep'}", value)]
        return [
            Finding(
                where=join(where, *error.path),
                rule=error.keyword,
                message=error.message if len(error.message) < 300 else error.message[:297] + "...",
                fault=fault,
                expected={error.keyword: error.expected},
                received=error.instance,
                contract=self.place(error.schema_path),
            )
            for error in found
        ]

    def place(self, path: Sequence[str | int] = ()) -> str:
        """Name a place below this schema, references followed, as `<contract>#<pointer>`."""
        return f"{self.name}#{self._follow(path)[0]}"

    def _said(self, path: Sequence[str | int]) -> Json:
        """Return what the schema says at a place below it."""
        return self._follow(path)[1]

    def _follow(self, path: Sequence[str | int]) -> tuple[str, Json]:
        pointer, node = self.pointer, self.node
        for part in path:
            if part == "$ref" and isinstance(node.get("$ref"), str):
                pointer, node = resolve(self.document, pointer)
            else:
                pointer, node = join(pointer, part), node[part]
        return pointer, node


def _error(rule: str, message: str, value: Json) -> "SchemaError":
    """Report a value that the validator refuses without an error of its own."""
    from mockserver.contract.explain import SchemaError

    return SchemaError(keyword=rule, message=message, path=[], schema_path=[], instance=value, expected=None)
