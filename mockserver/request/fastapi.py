"""Request schemas as the validators that FastAPI would build, so that errors read the same.

The service is a FastAPI application: it reads a request with pydantic, whose engine is pydantic-core. The same
engine, given the same schemas, accepts what the service accepts and words its errors as the service does.
Source: docs/upstream.md, "Error bodies".
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic_core import CoreSchema, SchemaError, SchemaValidator, ValidationError, core_schema

from mockserver.contract.schema import Schema
from mockserver.contract.tree import join, lookup, resolve
from mockserver.messages import Json

if TYPE_CHECKING:
    from mockserver.contract import explain

Detail = dict[str, Any]
"""One entry of a 422 body: type, loc (a tuple), msg, input and, for some, ctx."""


MOST_ERRORS = 10_000
"""The most errors that are worded one by one."""


class TakenValue(NamedTuple):
    """A value as the service reads it, what is wrong with it, and how many errors there are in all."""

    value: Json
    details: list[Detail]
    total: int

    @classmethod
    def of(cls, value: Json, details: list[Detail]) -> "TakenValue":
        """Make one whose errors are all listed."""
        return cls(value, details, len(details))


class Build(NamedTuple):
    """How a schema is built, as in `Model`; `depth` is the level of nesting."""

    brief: bool
    depth: int = 0

    def below(self) -> "Build":
        """Return the same, one level deeper."""
        return Build(self.brief, self.depth + 1)


class Model:
    """The validator of one request schema.

    A `brief` one is for large values. It reports only the first wrong item of each list and converts nothing: "1" is
    no integer.
    """

    __slots__ = ("_brief", "_schema", "_validator")

    def __init__(self, schema: Schema, *, brief: bool = False) -> None:
        self._schema, self._brief = schema, brief
        try:
            self._validator = SchemaValidator(_core(schema.document, schema.pointer, Build(brief)))
        except SchemaError:  # the engine has no such limits; JSON Schema alone decides
            self._validator = SchemaValidator(core_schema.any_schema())

    def read(self, value: Json) -> TakenValue:
        """Return the value as the service would read it ("1" is an integer), and what is wrong with it.

        If the schema says more than the engine can express, JSON Schema decides,
        on the value as it was read. It also words the error if there are too many.
        """
        try:
            taken = self._validator.validate_python(value, from_attributes=True)
        except ValidationError as error:
            count = error.error_count()
            if count > MOST_ERRORS and (found := forbidden(self._schema, value)):
                return TakenValue(None, found, max(count, len(found)))
            return TakenValue.of(None, [dict(detail) for detail in error.errors(include_url=False)])
        if self._brief:
            return TakenValue.of(value, forbidden(self._schema, value))
        whole = _converted(value, taken)
        return TakenValue.of(taken, [] if self._schema.is_valid(whole) else forbidden(self._schema, whole))


def forbidden(schema: Schema, value: Json) -> list[Detail]:
    """List the schema's errors for a value, as entries of a 422 body."""
    return [_detail(each) for each in schema.errors(value)]


def _converted(value: Json, taken: Any) -> Json:
    """Return the value with the engine's conversions; parts that the engine skipped stay unchanged."""
    if isinstance(value, dict) and isinstance(taken, dict):
        return {key: _converted(item, taken[key]) if key in taken else item for key, item in value.items()}
    if isinstance(value, list) and isinstance(taken, list):
        return [_converted(*pair) for pair in zip(value, taken, strict=True)]
    return taken if taken is None or isinstance(taken, str | int | float | list | dict) else str(taken)


def _detail(error: "explain.SchemaError") -> Detail:
    message = error.message
    return {
        "type": "value_error",
        "loc": tuple(error.path),
        "msg": f"Value error, {message}",
        "input": error.instance,
        "ctx": {"error": message},
    }


def _core(document: Json, pointer: str, build: Build) -> CoreSchema:
    pointer, node = resolve(document, pointer)
    if isinstance(node, bool) or build.depth > 20:
        return core_schema.any_schema()
    if "const" in node:
        return core_schema.literal_schema([node["const"]])
    if "enum" in node:
        return core_schema.literal_schema(node["enum"])
    for union in ("anyOf", "oneOf"):
        if union in node:
            tags = _tags(document, join(pointer, union), node)
            return _union(document, join(pointer, union), node[union], build, tags)
    kinds = node.get("type", "any")
    if isinstance(kinds, list):
        choices = [_typed(document, pointer, node, kind, build) for kind in kinds if kind != "null"]
        return _optional(choices, "null" in kinds)
    return _typed(document, pointer, node, kinds, build)


class Tags(NamedTuple):
    """The field that tells the branches of a union apart, and for each branch the values that name it."""

    name: str
    branches: Sequence[Sequence[str]]


def _tags(document: Json, pointer: str, node: Json) -> Tags | None:
    """Return how a union's branches are told apart; None if it has no discriminator that names all of them."""
    discriminator = node.get("discriminator")
    name = discriminator.get("propertyName") if isinstance(discriminator, dict) else None
    if not isinstance(name, str):
        return None
    mapping = discriminator.get("mapping") or {}
    indexes = range(len(lookup(document, pointer)))
    branches = [_tags_of(document, join(pointer, index), name, mapping) for index in indexes]
    return Tags(name, branches) if all(branches) else None


def _tags_of(document: Json, pointer: str, name: str, mapping: Mapping[str, str]) -> list[str]:
    """Return the values that name a branch: by the mapping, else by its own field, else by the schema's name."""
    target, node = resolve(document, pointer)
    if not isinstance(node, dict):
        return []
    short = [] if target == pointer else [target.rpartition("/")[2]]
    if found := [tag for tag, place in mapping.items() if place in (f"#{target}", *short)]:
        return found
    _, field = resolve(document, join(target, "properties", name)) if name in node.get("properties", {}) else ("", {})
    own = [field["const"]] if "const" in field else field.get("enum", short)
    return [each for each in own if isinstance(each, str)]


def _union(
    document: Json, pointer: str, branches: Sequence[Json], build: Build, tags: Tags | None = None
) -> CoreSchema:
    choices = {
        index: _core(document, join(pointer, index), build.below())
        for index, branch in enumerate(branches)
        if branch != {"type": "null"}
    }
    nullable = {"type": "null"} in branches
    if tags is not None and choices:
        by_tag = {tag: choice for index, choice in choices.items() for tag in tags.branches[index]}
        inner = core_schema.tagged_union_schema(by_tag, discriminator=tags.name)
        return core_schema.nullable_schema(inner) if nullable else inner
    named = [(choice, _label(document, join(pointer, index))) for index, choice in choices.items()]
    return _optional([(choice, label) if label else choice for choice, label in named], nullable)


def _label(document: Json, pointer: str) -> str:
    """Return what the place of an error calls a branch of a union; "" for what the engine calls it itself."""
    target, node = resolve(document, pointer)
    if not isinstance(node, dict):
        return ""
    if node.get("type") == "array" and "items" in node:
        inner = _label(document, join(target, "items"))
        return f"list[{inner}]" if inner else ""
    if "properties" not in node:
        return ""
    return str(node.get("title") or ("dict" if target == pointer else target.rpartition("/")[2]))


def _optional(choices: Sequence[CoreSchema | tuple[CoreSchema, str]], nullable: bool) -> CoreSchema:
    if not choices:
        return core_schema.none_schema()
    first = choices[0]
    one = first[0] if isinstance(first, tuple) else first
    inner = one if len(choices) == 1 else core_schema.union_schema(list(choices))
    return core_schema.nullable_schema(inner) if nullable else inner


def _typed(document: Json, pointer: str, node: Json, kind: str, build: Build) -> CoreSchema:
    match kind:
        case "string" if node.get("format") == "uuid":
            return core_schema.uuid_schema()
        case "string":
            return core_schema.str_schema(min_length=node.get("minLength"), max_length=node.get("maxLength"))
        case "integer":
            return core_schema.int_schema(**_limits(node))
        case "number":
            return core_schema.float_schema(**_limits(node))
        case "boolean":
            return core_schema.bool_schema()
        case "null":
            return core_schema.none_schema()
        case "array":
            items = _core(document, join(pointer, "items"), build.below()) if "items" in node else None
            sizes = {"min_length": node.get("minItems"), "max_length": node.get("maxItems")}
            return core_schema.list_schema(items, fail_fast=build.brief, **sizes)
        case "object" if "properties" in node:
            return _object(document, pointer, node, build)
        case "object":
            return core_schema.dict_schema(core_schema.str_schema())
        case _:
            return core_schema.any_schema()


def _object(document: Json, pointer: str, node: Json, build: Build) -> CoreSchema:
    required = node.get("required", [])
    fields = {name: core_schema.model_field(core_schema.any_schema()) for name in required}
    for name, below in node["properties"].items():
        inner = _core(document, join(pointer, "properties", name), build.below())
        if name not in required:
            default = below.get("default") if isinstance(below, dict) else None
            inner = core_schema.with_default_schema(inner, default=default)
        fields[name] = core_schema.model_field(inner)
    ordered = {name: fields[name] for name in (*node["properties"], *required)}
    extra: Literal["forbid", "ignore"] = "forbid" if node.get("additionalProperties") is False else "ignore"
    model = core_schema.model_fields_schema(ordered, extra_behavior=extra)
    return model if build.brief else core_schema.no_info_after_validator_function(_fields, model)


def _fields(made: tuple[dict[str, Json], Any, Any]) -> dict[str, Json]:
    """Return the fields of the engine's result for a model: (fields, extra, names set)."""
    return made[0]


def _limits(node: Json) -> dict[str, Any]:
    names = {"minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt"}
    names["multipleOf"] = "multiple_of"
    return {short: node[long] for long, short in names.items() if long in node}
