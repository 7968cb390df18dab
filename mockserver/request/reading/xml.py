"""XML as JSON, as the `xml` objects of a schema say: names, attributes, wrapped lists, texts."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mockserver.contract.openapi import ANYTHING
from mockserver.contract.schema import Schema
from mockserver.messages import Json
from mockserver.request.reading.media import MOST_TAGS, BodyReader, MalformedError, TooManyError, WrongParts
from mockserver.request.reading.shapes import Raw, TextShape, shape_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

DEEPEST = 60
"""How many levels of elements are read."""

_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


def xml_reader(schema: Schema | None) -> BodyReader:
    """Return what reads XML."""
    shape = shape_of(schema or ANYTHING)

    def read(data: bytes, _parameters: Mapping[str, str], wrong: WrongParts) -> list[Raw]:
        from xml.etree.ElementTree import ParseError

        from defusedxml.common import DefusedXmlException
        from defusedxml.ElementTree import fromstring

        if data.count(b"<") > MOST_TAGS:
            raise TooManyError(MOST_TAGS, "tags")
        try:
            root = fromstring(data, forbid_dtd=True)
        except (ParseError, LookupError, ValueError) as error:
            why = "it declares entities or a DTD" if isinstance(error, DefusedXmlException) else str(error)
            raise MalformedError(f"it is not XML: {why}") from error
        declared = shape.xml.get("name")
        if declared and local(root.tag) != declared:
            wrong.append(("", "xml", f"the root element is {local(root.tag)!r}, and must be {declared!r}"))
        return [read_element(root, shape)]

    return read


def local(tag: str) -> str:
    """Return the name of an element or attribute without its namespace."""
    return tag.rpartition("}")[2]


def read_element(element: "Element", shape: TextShape, depth: int = 0) -> Raw:
    """Return what an element holds: an object, a list or a text."""
    if element.get(_NIL) in ("true", "1"):
        return "" if shape.takes("string") and not shape.takes("null") else "null"
    if depth > DEEPEST:
        return element.text or ""
    text = (element.text or "").strip()
    if shape.takes("object") or (not shape.kinds and len(element)):
        found = dict(_fields(element, shape, depth))
        return found if found or len(element) or not text else text
    if shape.takes("array"):
        return [read_element(each, shape.item(index), depth + 1) for index, each in enumerate(element)]
    return text if not shape.takes("string") else element.text or ""


def _fields(element: "Element", shape: TextShape, depth: int) -> Iterator[tuple[str, Raw]]:
    """Yield the fields of an object: attributes, elements, the text; those without a description last."""
    children: dict[str, list[Element]] = {}
    for child in element:
        children.setdefault(local(child.tag), []).append(child)
    attributes = {local(name): text for name, text in element.attrib.items()}
    for name, field in shape.fields.items():
        sent = str(field.xml.get("name", name))
        kind = node_type(field)
        if kind == "attribute":
            if sent in attributes:
                yield name, attributes.pop(sent)
        elif kind in ("text", "cdata"):
            yield name, (element.text or "").strip()
        elif field.takes("array"):
            yield from ((name, found) for found in _list(children, sent, field, name, depth))
        elif sent in children:
            yield name, read_element(children.pop(sent)[-1], field, depth + 1)
    for name, found in children.items():
        yield name, read_element(found[-1], shape.field(name), depth + 1)


def _list(
    children: "dict[str, list[Element]]", sent: str, shape: TextShape, name: str, depth: int
) -> Iterator[list[Raw]]:
    """Yield the list that elements make, if there is one: each an item, or all of them in one."""
    if shape.xml.get("wrapped") is True or shape.xml.get("nodeType") == "element":
        if sent in children:
            found = list(children.pop(sent)[-1])
            yield [read_element(each, shape.item(index), depth + 1) for index, each in enumerate(found)]
        return
    own = str(shape.item(0).xml.get("name", name))
    if own in children:
        yield [read_element(each, shape.item(index), depth + 1) for index, each in enumerate(children.pop(own))]


def node_type(shape: TextShape) -> Json:
    """Return what a field is in XML: an element, an attribute, a text."""
    return "attribute" if shape.xml.get("attribute") is True else shape.xml.get("nodeType", "element")
