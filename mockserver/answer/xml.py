"""Values as XML, by the `xml` objects of their schemas."""

from collections.abc import Iterator
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from mockserver.contract.schema import Schema
from mockserver.contract.tree import join, lookup, pointed, resolve
from mockserver.messages import Json

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'

_NAME_START = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz")


class _Written(NamedTuple):
    """A schema's `xml` object, and what else decides how its values are written."""

    name: str
    prefix: str = ""
    namespace: str = ""
    wrapped: bool = False
    node: str = "element"
    """element, attribute, text, cdata or none, as OpenAPI 3.2 calls it."""


def write_xml(schema: Schema, value: Json) -> str:
    """Write a value of a schema as an XML document."""
    return HEAD + _Writer(schema.document).root(schema.pointer, value)


class _Writer:
    """Writes values by the schemas of one document."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self.prefixes: list[str] = []
        """The prefixes that are bound to a namespace here."""

    def root_name(self, pointer: str) -> str:
        """Return the name of a root element without one of its own: that of its component."""
        head, _, last = pointer.rpartition("/")
        return _as_name(last) if head in ("/components/schemas", "/definitions") else "root"

    def root(self, pointer: str, value: Json) -> str:
        nodes = list(self.nodes(pointer, value))
        written = self.written(nodes, self.root_name(resolve(self.document, pointer)[0]))
        written = written._replace(wrapped=True, node="element")
        return self.element(written, nodes, value)

    def nodes(self, pointer: str, value: Json, seen: frozenset[str] = frozenset()) -> Iterator[tuple[str, Json]]:
        """Yield the schema objects that describe a value, outermost first; of a union, the branch that it satisfies."""
        if pointer in seen or not pointer:
            return
        seen |= {pointer}
        try:
            node = lookup(self.document, pointer)
        except KeyError:
            return
        if not isinstance(node, dict):
            return
        yield pointer, node
        if isinstance(node.get("$ref"), str):
            yield from self.nodes(pointed(node["$ref"]), value, seen)
        for index in range(len(node.get("allOf", ()))):
            yield from self.nodes(join(pointer, "allOf", index), value, seen)
        for union in ("oneOf", "anyOf"):
            for index in range(len(node.get(union, ()))):
                place = join(pointer, union, index)
                if Schema(self.document, place, "").is_valid(value):
                    yield from self.nodes(place, value, seen)
                    break

    def written(self, nodes: list[tuple[str, Json]], name: str) -> _Written:
        """Read the `xml` objects of a schema, the outermost first."""
        said: dict[str, Json] = {}
        for _, node in nodes:
            if isinstance(node.get("xml"), dict):
                said = {**node["xml"], **said}
        node = said.get("nodeType") or ("attribute" if said.get("attribute") is True else "element")
        return _Written(
            name=_as_name(str(said.get("name") or name)),
            prefix=str(said.get("prefix") or ""),
            namespace=str(said.get("namespace") or ""),
            wrapped=said.get("wrapped") is True or said.get("nodeType") == "element",
            node=str(node),
        )

    def property(self, nodes: list[tuple[str, Json]], name: str, value: Json) -> list[tuple[str, Json]]:
        """List the schema objects of a field."""
        found: list[tuple[str, Json]] = []
        for pointer, node in nodes:
            properties, other = node.get("properties"), node.get("additionalProperties")
            if isinstance(properties, dict) and name in properties:
                found += self.nodes(join(pointer, "properties", name), value)
            elif isinstance(other, dict):
                found += self.nodes(join(pointer, "additionalProperties"), value)
        return found

    def items(self, nodes: list[tuple[str, Json]], value: Json) -> list[tuple[str, Json]]:
        """List the schema objects of an item."""
        return [
            each
            for pointer, node in nodes
            if isinstance(node.get("items"), dict)
            for each in self.nodes(join(pointer, "items"), value)
        ]

    def element(self, written: _Written, nodes: list[tuple[str, Json]], value: Json) -> str:
        """Write a value as an element; a list as its items, in an element of its own if it is wrapped."""
        known = len(self.prefixes)
        if written.namespace and written.prefix:
            self.prefixes.append(written.prefix)
        attributes = inside = ""
        if isinstance(value, list):
            inside = "".join(self.item(written, nodes, each) for each in value)
        elif isinstance(value, dict):
            attributes, inside = self.fields(nodes, value)
        elif value is None:
            attributes = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"'
        else:
            inside = escape(_text(value))
        if not (isinstance(value, list) and not written.wrapped) and written.node != "none":
            inside = self.tag(written, attributes, inside)
        del self.prefixes[known:]
        return inside

    def fields(self, nodes: list[tuple[str, Json]], value: dict[str, Json]) -> tuple[str, str]:
        """Write the fields of an object: those that are attributes, and all others."""
        attributes = inside = ""
        for name, each in value.items():
            below = self.property(nodes, name, each)
            field = self.written(below, name)
            if isinstance(each, list) and not field.wrapped:
                field = field._replace(name=_as_name(name))  # its own name is that of its wrapper
            if field.node == "attribute":
                attributes += "" if each is None else self.attribute(field, each)
            elif field.node in ("text", "cdata") and not isinstance(each, dict | list):
                inside += escape(_text(each))
            else:
                inside += self.element(field, below, each)
        return attributes, inside

    def item(self, written: _Written, nodes: list[tuple[str, Json]], value: Json) -> str:
        """Write an item of a list: under its own name, else under that of the list."""
        below = self.items(nodes, value)
        return self.element(self.written(below, written.name)._replace(wrapped=True), below, value)

    def tag(self, written: _Written, attributes: str, inside: str) -> str:
        name = self.name(written)
        if written.namespace:
            attributes = _namespace(written) + attributes
        return f"<{name}{attributes}>{inside}</{name}>" if inside else f"<{name}{attributes}/>"

    def attribute(self, field: _Written, value: Json) -> str:
        text = " ".join(map(_text, value)) if isinstance(value, list) else _text(value)
        namespace = _namespace(field) if field.namespace and field.prefix else ""
        return f"{namespace} {self.name(field)}={quoteattr(text)}"

    def name(self, written: _Written) -> str:
        """Return a name with its prefix, if that is bound to a namespace."""
        is_bound = written.namespace or written.prefix in self.prefixes
        return f"{written.prefix}:{written.name}" if written.prefix and is_bound else written.name


def _namespace(written: _Written) -> str:
    return f" xmlns{':' + written.prefix if written.prefix else ''}={quoteattr(written.namespace)}"


def _text(value: Json) -> str:
    """Write a single value as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else _clean(str(value))


def _clean(text: str) -> str:
    """Leave out the characters that XML cannot hold."""
    return "".join(char for char in text if char in "\t\n\r" or (ord(char) >= 0x20 and char not in "\ufffe\uffff"))


def _as_name(text: str) -> str:
    """Make a name of an element of any text."""
    made = "".join(char if char.isalnum() or char in "._-" else "_" for char in text) or "_"
    return made if made[0] in _NAME_START or made[0].isalpha() else "_" + made
