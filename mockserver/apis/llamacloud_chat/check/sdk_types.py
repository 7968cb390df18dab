"""The types of a client's package as JSON Schema, read in its source files; nothing of it is imported."""

import ast
from collections.abc import Collection, Iterator, Mapping, Set
from dataclasses import dataclass
from functools import cached_property
from importlib.resources.abc import Traversable
from typing import NamedTuple, TypeAlias

from mockserver.contract.resolved import UNKNOWN
from mockserver.contract.tree import join
from mockserver.errors import ContractError
from mockserver.messages import Json

PACKAGE = "llama_cloud"
"""The package of the official Python client, as it is imported."""

SCALARS: Mapping[str, Json] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "object": {},
    "Any": {},
    "None": {"type": "null"},
    "NoneType": {"type": "null"},
    "datetime": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
}
LISTS = frozenset({"List", "list", "Iterable", "Sequence", "SequenceNotStr"})
MAPS = frozenset({"Dict", "dict", "Mapping"})
WRAPPERS = frozenset({"Required", "NotRequired", "Annotated"})
MODELS = frozenset({"BaseModel", "GenericModel", "BasePage", "BaseSyncPage", "BaseAsyncPage"})
LEFT_OUT = frozenset({"Omit", "NotGiven"})
"""What stands in a method's types for an argument that is not given."""


class Field(NamedTuple):
    """A field of a class: its name on the wire, its schema, whether it must be there."""

    name: str
    schema: Json
    required: bool


KnownTypes: TypeAlias = Mapping[str, Json]
"""The schemas of type variables, by name."""


@dataclass(frozen=True)
class Module:
    """A module of the package, parsed; `name` is dotted, from the package on."""

    name: str
    is_package: bool
    tree: ast.Module

    @cached_property
    def classes(self) -> dict[str, ast.ClassDef]:
        """The classes, by name."""
        return {each.name: each for each in self.tree.body if isinstance(each, ast.ClassDef)}

    @cached_property
    def aliases(self) -> dict[str, ast.expr]:
        """What is assigned to names, by them."""
        found: dict[str, ast.expr] = {}
        for each in self.tree.body:
            if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.value is not None:
                found[each.target.id] = each.value
            elif isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name):
                found[each.targets[0].id] = each.value
        return found

    @cached_property
    def imports(self) -> dict[str, tuple[str, str]]:
        """Where names come from that are imported from the package: the module and its name there."""
        return {
            alias.asname or alias.name: (source, alias.name)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.ImportFrom) and (source := self._source(node)) is not None
            for alias in node.names
        }

    def _source(self, node: ast.ImportFrom) -> str | None:
        if not node.level:
            first, _, rest = (node.module or "").partition(".")
            return rest if first == PACKAGE else None
        parts = self.name.split(".") if self.name else []
        up = node.level - 1 if self.is_package else node.level
        kept = parts[: len(parts) - up] if up else parts
        return ".".join([*kept, *((node.module or "").split(".") if node.module else ())])


class Sources:
    """The modules of a package, each read and parsed once."""

    def __init__(self, root: Traversable) -> None:
        self.root = root
        self._read: dict[str, Module | None] = {}

    def module(self, name: str) -> Module | None:
        """Return a module by its dotted name from the package on; None where there is none.

        A ContractError names the file that is not Python.
        """
        if name not in self._read:
            self._read[name] = self._parse(name)
        return self._read[name]

    def _parse(self, name: str) -> Module | None:
        place = self.root
        *folders, last = name.split(".")
        for each in folders:
            place = place / each
        for file, is_package in ((place / f"{last}.py", False), (place / last / "__init__.py", True)):
            if last and file.is_file():
                try:
                    return Module(name, is_package, ast.parse(file.read_text("utf-8")))
                except (SyntaxError, ValueError) as error:
                    raise ContractError(
                        "a file of the package is not Python", where=str(file), why=str(error)
                    ) from error
        return None

    def find(self, module: Module, name: str) -> tuple[Module, ast.ClassDef | ast.expr] | None:
        """Return what a name in a module stands for, and the module in which that is; imports are followed."""
        seen = set()
        while (module.name, name) not in seen:
            seen.add((module.name, name))
            if name in module.classes:
                return module, module.classes[name]
            if name in module.aliases:
                return module, module.aliases[name]
            source, name = module.imports.get(name, ("", name))
            found = self.module(source) if source else None
            if found is None:
                return None
            module = found
        return None


class Schemas:
    """Schemas of the types of a package; a class becomes a component, called as it is imported."""

    def __init__(self, sources: Sources) -> None:
        self.sources = sources
        self.components: dict[str, Json] = {}

    def of(self, node: ast.expr | None, module: Module, known: KnownTypes) -> Json:
        """Return the schema of a type as it is written in a module; what is not understood is marked as unknown."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node = ast.parse(node.value, mode="eval").body
        if isinstance(node, ast.Constant) and node.value is None:
            return dict(SCALARS["None"])
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self._union([node.left, node.right], module, known)
        if isinstance(node, ast.Subscript):
            return self._subscript(node, module, known)
        name = last_name(node)
        if name in known:
            return known[name]
        if name in SCALARS:
            return dict(SCALARS[name])
        found = self.sources.find(module, name) if name else None
        if found is None:
            return unknown(node)
        owner, definition = found
        if isinstance(definition, ast.ClassDef):
            return self._component(owner, definition)
        return self.of(definition, owner, known)

    def _subscript(self, node: ast.Subscript, module: Module, known: KnownTypes) -> Json:
        name, arguments = last_name(node.value), _arguments(node)
        if name in WRAPPERS:
            made = self.of(arguments[0], module, known)
            key = _option(arguments[1:], "discriminator")
            if isinstance(key, str) and "anyOf" in made:
                return {**made, "discriminator": {"propertyName": key}}
            return made
        if name == "Literal":
            return {"enum": [ast.literal_eval(each) for each in arguments]}
        if name == "Optional":
            return {"anyOf": [self.of(arguments[0], module, known), dict(SCALARS["None"])]}
        if name == "Union":
            return self._union(arguments, module, known)
        if name in LISTS:
            return {"type": "array", "items": self.of(arguments[0], module, known)}
        if name in MAPS:
            return {"type": "object", "additionalProperties": self.of(arguments[1], module, known)}
        found = self.sources.find(module, name)
        if found is None or not isinstance(found[1], ast.ClassDef):
            return unknown(node)
        return self._generic(found[0], found[1], [self.of(each, module, known) for each in arguments])

    def _union(self, nodes: list[ast.expr], module: Module, known: KnownTypes) -> Json:
        """Return a union; what stands for an argument that is not given is no member of it."""
        members = [self.of(each, module, known) for each in nodes if last_name(each) not in LEFT_OUT]
        return members[0] if len(members) == 1 else {"anyOf": members}

    def _generic(self, module: Module, definition: ast.ClassDef, arguments: list[Json]) -> Json:
        """Return the schema of a class with its type variables set."""
        generic = (each for each in definition.bases if isinstance(each, ast.Subscript))
        names = [last_name(each) for base in generic if last_name(base.value) == "Generic" for each in _arguments(base)]
        return self._object(module, definition, dict(zip(names, arguments, strict=False)))

    def _component(self, module: Module, definition: ast.ClassDef) -> Json:
        name = f"{module.name}.{definition.name}"
        if name not in self.components:
            self.components[name] = {}
            self.components[name] = self._object(module, definition, {})
        return {"$ref": "#" + join("/components/schemas", name)}

    def _object(self, module: Module, definition: ast.ClassDef, known: KnownTypes) -> Json:
        if not self._is_one_of(module, definition, {"TypedDict", *MODELS}):
            return {UNKNOWN: definition.name}
        text = ast.get_docstring(definition)
        made = record(self.fields(module, definition, known).values())
        return made | ({"description": text} if text else {})

    def _is_one_of(self, module: Module, definition: ast.ClassDef, names: Set[str]) -> bool:
        """Return whether a class has one of these among its bases and theirs."""
        return any(each in names for each in _base_names(definition)) or any(
            self._is_one_of(owner, base, names) for owner, base in self._bases(module, definition)
        )

    def _bases(self, module: Module, definition: ast.ClassDef) -> Iterator[tuple[Module, ast.ClassDef]]:
        for name in _base_names(definition):
            found = None if name in MODELS else self.sources.find(module, name)
            if found is not None and isinstance(found[1], ast.ClassDef):
                yield found[0], found[1]

    def fields(self, module: Module, definition: ast.ClassDef, known: KnownTypes) -> dict[str, Field]:
        """Return the fields of a class, those of the classes that it stands on first, by their names in Python."""
        found: dict[str, Field] = {}
        for owner, base in reversed(list(self._bases(module, definition))):
            found |= self.fields(owner, base, known)
        total = not any(each.arg == "total" and _is_false(each.value) for each in definition.keywords)
        is_dictionary = self._is_one_of(module, definition, {"TypedDict"})
        for node, text in _annotated(definition):
            name = node.target.id if isinstance(node.target, ast.Name) else ""
            schema = self.of(node.annotation, module, known)
            alias = _option([node.annotation], "alias") or _option([node.value] if node.value else [], "alias")
            needed = _is_required(node, total=total) if is_dictionary else _has_no_default(node)
            if text:
                schema = {**schema, "description": text}
            found[name] = Field(str(alias or name), schema, needed)
        return found


def record(fields: Collection[Field]) -> Json:
    """Return the schema of an object with these fields."""
    needed = [each.name for each in fields if each.required]
    made: Json = {"type": "object", "properties": {each.name: each.schema for each in fields}}
    return made | ({"required": needed} if needed else {})


def _base_names(definition: ast.ClassDef) -> list[str]:
    return [last_name(each.value if isinstance(each, ast.Subscript) else each) for each in definition.bases]


def unknown(node: ast.expr | None) -> Json:
    """Return the schema of what is not understood; nothing is compared with it."""
    return {UNKNOWN: "" if node is None else ast.unparse(node)}


def last_name(node: ast.expr | None) -> str:
    """Return the last part of a dotted name; "" for anything else."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _arguments(node: ast.Subscript) -> list[ast.expr]:
    return node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]


def _option(nodes: list[ast.expr], key: str) -> Json:
    """Return the argument that PropertyInfo or FieldInfo has by a keyword, anywhere in some nodes."""
    for node in nodes:
        for each in ast.walk(node):
            if isinstance(each, ast.Call) and last_name(each.func) in ("PropertyInfo", "FieldInfo"):
                value = keyword_of(each, key)
                if isinstance(value, ast.Constant):
                    return value.value
    return None


def keyword_of(call: ast.expr | None, key: str) -> ast.expr | None:
    """Return the argument that a call passes by a keyword; None where it passes none."""
    keywords = call.keywords if isinstance(call, ast.Call) else []
    return next((each.value for each in keywords if each.arg == key), None)


def _annotated(definition: ast.ClassDef) -> Iterator[tuple[ast.AnnAssign, str]]:
    """Yield the fields as they are written, each with the docstring below it."""
    for index, node in enumerate(definition.body):
        name = node.target.id if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) else "_"
        if not isinstance(node, ast.AnnAssign) or name.startswith("_") or name == "model_config":
            continue
        after = definition.body[index + 1] if index + 1 < len(definition.body) else None
        value = after.value if isinstance(after, ast.Expr) else None
        text = value.value if isinstance(value, ast.Constant) else ""
        yield node, " ".join(text.split()) if isinstance(text, str) else ""


def _is_required(node: ast.AnnAssign, *, total: bool) -> bool:
    """Return whether a key of a typed dictionary is required."""
    names = {last_name(each.value) for each in ast.walk(node.annotation) if isinstance(each, ast.Subscript)}
    return "Required" in names or (total and "NotRequired" not in names)


def _has_no_default(node: ast.AnnAssign) -> bool:
    """Return whether a field of a model is required."""
    if isinstance(node.value, ast.Call) and last_name(node.value.func) == "FieldInfo":
        return not node.value.args and "default" not in {each.arg for each in node.value.keywords}
    return node.value is None


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False
