"""JSON Schema 2020-12 over one document: references, validators, and why a value breaks its schema."""

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from mockserver.contract.tree import Document, document_of, join, lookup, named_place, pointed, resolve
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

_DESCRIBING = NOTES - frozenset("default discriminator example examples readOnly writeOnly".split())
"""Keywords beside a reference that change neither what is valid nor what is shown."""

KEYWORDS = NESTED | NESTED_LISTS | NESTED_MAPS | ASSERTIONS | NOTES


def unwritable(value: Json) -> str:
    """Return why a parsed value is not JSON (NaN, half a surrogate pair, a type of YAML's own), or "" if it is."""
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        return str(error)
    return ""


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
    tolerant = isinstance(document, Document) and document.tolerant
    for key in node if not tolerant else ():
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


MOST_BRANCHES = 20_000
"""How many schemas may apply to one value at one place, each counted as often as a branch leads to it."""

IN_PLACE = frozenset("$ref allOf anyOf dependentSchemas else if not oneOf then".split())
"""Keywords whose schemas apply to the same value as the schema that holds them."""


def check_branches(document: Document, pointer: str) -> None:
    """Refuse a schema whose branches double at each step: to judge one value by it would take for ever.

    A ContractError names the place. Each schema of a document is looked at once.
    """
    known = document.branches
    stack: list[tuple[str, list[str] | None, list[str]]] = [(pointer, None, [])]
    while stack:
        place, inside, below = stack.pop()
        if inside is not None:
            count = 1 + sum(known.get(each, 1) for each in inside)
            worst = max((known.get(each, 1) for each in below), default=0)
            known[place] = min(worst if worst > MOST_BRANCHES else count, MOST_BRANCHES + 1)
        elif place not in known:
            known[place] = 1
            inside, below = _branches(document, place)
            stack.append((place, inside, below))
            stack += [(each, None, []) for each in (*inside, *below)]
    if known[pointer] > MOST_BRANCHES:
        why = f"more than {MOST_BRANCHES:,} branches apply to one value of it, or of a part"
        raise ContractError("a schema cannot be used", where="#" + pointer, why=why, fix="merge equal branches")


def _branches(document: Document, place: str) -> tuple[list[str], list[str]]:
    """Return the places of the schemas that apply in place of a schema, and of those for parts of a value."""
    try:
        node = lookup(document, place)
    except KeyError:  # which compiling will tell
        return [], []
    if not isinstance(node, dict):
        return [], []
    found: dict[bool, list[str]] = {True: [], False: []}
    for each in subschemas(node, place):
        found[each.keyword in IN_PLACE].append(each.pointer)
    target = node.get("$ref")
    if isinstance(target, str) and target.startswith("#"):
        found[True].append(pointed(target))
    return found[True], found[False]


class Schema:
    """One schema of a document: its verdict on a value, and why a value breaks it."""

    __slots__ = ("_compiled", "_place", "document", "name", "node", "pointer")

    def __init__(self, document: Json, pointer: str, name: str) -> None:
        self.document, self.name = document, name
        self.pointer, self.node = resolve(document, pointer, _DESCRIBING)
        self._compiled: Validator | None = None
        self._place = ""

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

    def is_surely_valid(self, value: Json) -> bool:
        """Return whether `value` is valid beyond doubt, so that there is nothing to say of it."""
        try:
            return (self._compiled or self._validator()).surely_valid(value)
        except ValueError:
            return False

    def without_formats(self) -> "Schema":
        """Return the schema as one in which formats are notes."""
        from mockserver.contract.validator import compiled

        made = Schema(self.document, self.pointer, self.name)
        check_branches(document_of(self.document), self.pointer)
        made._compiled = compiled(document_of(self.document), self.pointer, formats=False)
        return made

    def compiled(self) -> Callable[[Json], bool]:
        """Return what says whether a value is valid beyond doubt, and raises a ValueError if it is not JSON."""
        return (self._compiled or self._validator()).surely_valid

    def _validator(self) -> "Validator":
        if self._compiled is None:
            from mockserver.contract.validator import compiled

            document = document_of(self.document)
            check_branches(document, self.pointer)
            self._compiled = compiled(document, self.pointer, formats=document.formats)
        return self._compiled

    def judge(self, value: Json) -> tuple[bool, list[str]]:
        """Return what `is_valid` does, and the patterns that would take too many steps to judge `value` by."""
        validator = self._validator()
        try:
            return (validator.is_valid(value), []) if validator.judge is None else validator.judge(value)
        except ValueError:
            return False, []

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
                contract=self.place(error.pointer),
            )
            for error in found
        ]

    def place(self, pointer: str | None = None) -> str:
        """Name this schema's place, or another of its document, as `<contract>#<pointer>`."""
        if pointer is not None:
            return named_place(self.document, self.name, pointer)
        if not self._place:
            self._place = named_place(self.document, self.name, self.pointer)
        return self._place

    def _said(self, pointer: str) -> Json:
        """Return what the document says at a place."""
        try:
            return lookup(self.document, pointer)
        except KeyError:
            return None


def _error(rule: str, message: str, value: Json) -> "SchemaError":
    """Report a value that the validator refuses without an error of its own."""
    from mockserver.contract.explain import SchemaError

    return SchemaError(keyword=rule, message=message, path=[], pointer="", instance=value, expected=None)
