"""How the values of each representation are judged and written: JSON, texts, XML, forms, sequences, binary."""

import csv
import json
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from io import StringIO
from random import Random
from urllib.parse import urlencode

import orjson

from mockserver.answer.generate import problems
from mockserver.answer.headers import made_field
from mockserver.answer.samples import sample
from mockserver.answer.written import as_text, write_json
from mockserver.contract import media as media_types
from mockserver.contract.media import Holds, MediaKind
from mockserver.contract.openapi import Media, Reply
from mockserver.contract.schema import Schema
from mockserver.contract.tree import join, lookup, pointed
from mockserver.messages import Finding, Json
from mockserver.request.reading.forms import encoding_of, part_headers
from mockserver.request.reading.shapes import shape_of
from mockserver.sse import PLAIN, StreamStyle, parse, read_fields

Write = Callable[[Json], bytes]

BODILESS = (204, 205, 304)
"""Statuses whose answers have no body in HTTP; a range or default that declares a body does not apply to them."""

MOST_KEPT = 512
"""How many formats are kept; they hold their documents."""

MADE = ("assembled", "generated")
"""The sources of values that were not written by anybody."""

SEQUENCES = ("events", "lines")
"""The kinds of bodies whose values are lists that are written item by item."""

BOUNDARY = "mockserver-boundary-7f3a9c51"
"""Separates the parts of a multipart body."""

_ANY_TEXT = {"type": "string"}
_PLAIN_TYPES = frozenset(("integer", "number", "boolean", "null"))
_FIELDS = frozenset(("data", "event", "id", "retry"))


@dataclass(frozen=True, slots=True, eq=False)
class BodyFormat:
    """How the values of one representation are judged and written."""

    media: Media
    kind: MediaKind
    holds: Holds
    """Whether its values are texts, bytes or any JSON."""
    schema: Schema | None
    """What a whole value satisfies."""
    items: Schema | None
    """What each item of a sequence satisfies."""
    types: frozenset[str] | None
    """The JSON types of its values; None for any."""
    has_fields: bool = False
    """Whether its events are described field by field (data, event, id, retry), not by their data."""

    def allows(self, value: Json, style: StreamStyle = PLAIN) -> bool:
        """Return whether a value may be sent."""
        return not self.problems(value, style)

    def problems(self, value: Json, style: StreamStyle = PLAIN) -> Sequence[Finding]:
        """List what is wrong with a value; a text stands for what it is written as, but in JSON."""
        if self.kind in SEQUENCES and (self.items is not None or isinstance(value, list)):
            return self._sequence_problems(value, style)
        schema = self.schema
        if schema is None or (isinstance(value, str) and self._is_written(value)):
            return ()
        return problems(schema, value, where="/body")

    def _is_written(self, text: str) -> bool:
        """Return whether a text may be a written value of a schema that takes no texts."""
        if self.kind == "json" or self.schema is None or self.types is None or "string" in self.types:
            return False
        if self.kind in ("text", "other") and self.types <= _PLAIN_TYPES:
            try:
                return self.schema.is_valid(json.loads(text))
            except ValueError:
                return False
        return True

    def _sequence_problems(self, value: Json, style: StreamStyle) -> Sequence[Finding]:
        schema, items = self.schema, self.items
        if isinstance(value, str):
            broken = () if schema is None else problems(schema, value, where="/body")
            return broken or (() if items is None else self._text_problems(items, value))
        if not isinstance(value, list):
            return [Finding("/body", "type", "a sequence is a list of its items", "mock")]
        found = [] if items is None else _item_problems(items, value)
        if found or schema is None or schema.node == _ANY_TEXT:  # which every stream is, written out
            return found
        whole = "".join(map(style.text, value)) if self.takes_text else value
        return problems(schema, whole, where="/body")

    @property
    def is_item(self) -> Callable[[Json], bool] | None:
        """Validates an item of a sequence quickly; None if more than the items must be judged."""
        whole = self.schema
        return None if self.items is None or (whole and whole.node != _ANY_TEXT) else self.items.compiled()

    @property
    def takes_text(self) -> bool:
        """Whether the schema of the whole is for its text."""
        return self.types is None or "string" in self.types

    def _text_problems(self, items: Schema, text: str) -> Sequence[Finding]:
        """Validate each item of a written sequence by the schema of the items."""
        problem = ""
        if self.kind == "lines":
            found, problem = _read_lines(text)
        elif self.has_fields:
            found = read_fields(text)
        else:
            events, problem = parse((text.rstrip("\n") + "\n\n").encode("utf-8", "surrogatepass"))
            found = [event.data for event in events]
        findings = _item_problems(items, found)
        if problem:
            findings.append(Finding(f"/body/{len(found)}", "json", f"the stream cannot be read: {problem}", "mock"))
        return findings

    def writer(self, source: str) -> Write:
        """Return the writer of its values."""
        match self.kind:
            case "json":
                return orjson.dumps
            case "xml":
                return self._xml if source in MADE else self._given_xml
            case "lines":
                return self._lines
            case "form":
                return self._form
            case "multipart":
                return self._multipart
            case "csv":
                return _csv
            case _:
                return _bytes if source == "generated" and self.holds == "bytes" else _text

    def _xml(self, value: Json) -> bytes:
        if self.schema is None:
            return b"<root/>" if not isinstance(value, str) else _text(value)
        from mockserver.answer.xml import write_xml

        return _text(write_xml(self.schema, value))

    def _given_xml(self, value: Json) -> bytes:
        return _text(value) if isinstance(value, str) else self._xml(value)

    def _lines(self, value: Json) -> bytes:
        if isinstance(value, str):
            return _text(value)
        before = "\x1e" if "json-seq" in self.media.type.lower() else ""
        return "".join(f"{before}{write_json(each)}\n" for each in value).encode()

    def _form(self, value: Json) -> bytes:
        if not isinstance(value, dict):
            return _text(value)
        pairs = [pair for name, each in value.items() for pair in self._pairs(name, each)]
        return urlencode(pairs).encode()

    def _pairs(self, name: str, value: Json) -> Iterable[tuple[str, str]]:
        """Write a field of a form in its style: a pair for each item, or one for all."""
        said = self.media.encoding.get(name)
        said = said if isinstance(said, Mapping) else {}
        style = said.get("style", "form")
        if isinstance(value, dict) and "style" in said:
            if style == "deepObject":
                return [(f"{name}[{key}]", as_text(each)) for key, each in value.items()]
            if said.get("explode", style == "form"):
                return [(key, as_text(each)) for key, each in value.items()]
            return [(name, ",".join(part for key, each in value.items() for part in (key, as_text(each))))]
        if isinstance(value, list) and all(not isinstance(each, dict | list) for each in value):
            if said.get("explode", style == "form"):
                return [(name, as_text(each)) for each in value]
            return [(name, _SEPARATORS.get(style, ",").join(map(as_text, value)))]
        return [(name, as_text(value))]

    def _multipart(self, value: Json) -> bytes:
        if isinstance(value, str):
            return _text(value)
        named = list(value.items()) if isinstance(value, dict) else [("", each) for each in value or ()]
        parts = [
            (name, each)
            for name, item in named
            for each in (item if isinstance(item, list) and isinstance(value, dict) else [item])
        ]
        written = b"".join(self._part(name, at, each) for at, (name, each) in enumerate(parts))
        return written + f"--{BOUNDARY}--\r\n".encode()

    def _part(self, name: str, at: int, value: Json) -> bytes:
        """Write a part: a field by its name, an item by its place; bytes have the name of a file, too."""
        said = encoding_of(self.media.encoding, name or at)
        is_file = self._is_file(name)
        default = "application/json" if isinstance(value, dict | list) else "text/plain"
        stated = said.get("contentType", "application/octet-stream" if is_file else default)
        kind = media_types.concrete(str(stated).partition(",")[0].strip())
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        file = f'; filename="{quoted}"' if is_file else ""
        head = f'Content-Disposition: form-data; name="{quoted}"{file}\r\n' if name else ""
        fields = [(key, made_field(key, field)) for key, field in part_headers(said)]
        lines = b"".join(key.encode() + b": " + text + b"\r\n" for key, text in fields if text is not None)
        start = f"--{BOUNDARY}\r\n{head}Content-Type: {kind}\r\n".encode()
        return start + lines + b"\r\n" + _text(value) + b"\r\n"

    def _is_file(self, name: str) -> bool:
        """Return whether a field holds bytes."""
        if not name or self.schema is None:
            return False
        shape = shape_of(self.schema).field(name)
        shape = shape.item(0) if shape.takes("array") else shape
        return bool(shape.kinds) and shape.is_binary

    def header(self, sent: str) -> str:
        """Return the content type to send: a multipart body names what separates its parts."""
        if self.kind == "multipart" and "boundary" not in dict(media_types.read(sent).parameters):
            return f"{sent}; boundary={BOUNDARY}"
        return sent

    def sample(self, sent: str, rng: Random) -> str | None:
        """Return a small file as a text of one character for each byte; None if its schema does not allow one."""
        if self.holds != "bytes":
            return None
        data = sample(media_types.read(sent).essence, rng)
        node = self.schema.node if self.schema is not None else {}
        encoded = isinstance(node, dict) and node.get("contentEncoding") == "base64"
        text = b64encode(data).decode() if encoded else data.decode("latin-1")
        return text if self.schema is None or self.schema.is_valid(text) else None


_SEPARATORS = {"spaceDelimited": " ", "pipeDelimited": "|"}


DEEPEST = 100
"""How many references and members of unions are followed, one below the other, in search of a schema's types."""


@lru_cache(maxsize=MOST_KEPT)
def format_of(media: Media, sent: str = "") -> BodyFormat:
    """Return how the values of a representation are judged, and written as the type that is sent for a range."""
    kind, schema = media_types.kind_of(media_types.read(sent or media.type)), media.schema
    types = None if schema is None else types_of(schema)
    items = media.item_schema
    if kind in SEQUENCES and items is None and schema is not None and not (types is None or "string" in types):
        items, schema = _items_of(schema, types)
    return BodyFormat(
        media=media,
        kind=kind,
        holds=_holds(kind, schema, types),
        schema=schema,
        items=items,
        types=types,
        has_fields=kind == "events" and items is not None and _has_fields(items),
    )


def is_body(status: int) -> bool:
    """Return whether answers of a status may have a body."""
    return status >= 200 and status not in BODILESS


@lru_cache(maxsize=MOST_KEPT)
def usable_examples(body: BodyFormat) -> Mapping[str, Json]:
    """Return the examples of a representation that may be sent."""
    return {name: value for name, value in body.media.examples.items() if body.allows(value)}


def representation(reply: Reply, sent: str | None) -> Media | None:
    """Return the declared representation of a content type: the most exact one."""
    if sent is None:
        return None
    index = media_types.declared_index([media.type for media in reply.media], sent)
    return None if index is None else reply.media[index]


def default_media(reply: Reply, *, stream: bool) -> Media | None:
    """Return the representation that is sent if nobody asks for another: a stream if wanted, else JSON."""
    return next(iter(in_order(reply, stream=stream)), None)


def in_order(reply: Reply, *, stream: bool) -> list[Media]:
    """List the representations of a reply, the preferred one first."""
    kinds = {id(each): media_types.kind_of(media_types.read(each.type)) for each in reply.media}
    ranks = {"events": 0 if stream else 3, "json": 1}
    return sorted(reply.media, key=lambda each: ranks.get(kinds[id(each)], 2))


def _items_of(schema: Schema, types: frozenset[str] | None) -> tuple[Schema, Schema | None]:
    """Return the schema of the items of a sequence, and that of the whole: a list's, else each item is such a value."""
    if types is None or types != {"array"}:
        return schema, None
    node = schema.node
    if isinstance(node, dict) and isinstance(node.get("items"), dict):
        return Schema(schema.document, join(schema.pointer, "items"), schema.name), schema
    return schema, None


def _holds(kind: MediaKind, schema: Schema | None, types: frozenset[str] | None) -> Holds:
    if schema is None:
        return "bytes" if kind in ("binary", "other") else "data"
    node = schema.node if isinstance(schema.node, dict) else {}
    if types is not None and types <= {"string", "null"}:
        is_binary = node.get("format") == "binary" or kind == "binary" or "contentMediaType" in node
        return "bytes" if is_binary and kind not in ("json", "text", "csv", "xml", *SEQUENCES) else "text"
    return "bytes" if kind == "binary" and types is None else "data"


def _has_fields(items: Schema) -> bool:
    """Return whether a schema describes events field by field, as OpenAPI 3.2 does."""
    names = {
        name
        for node in _nodes(items.document, items.pointer)
        for name in (node["properties"] if isinstance(node.get("properties"), dict) else ())
    }
    return bool(names & {"data", "event"}) and names <= _FIELDS


def _nodes(document: Json, pointer: str) -> list[Mapping[str, Json]]:
    """List the schema objects at a place: itself, what it refers to, and the members of its allOf and unions."""
    found: dict[str, Mapping[str, Json]] = {}
    places = [pointer]
    while places:
        place = places.pop()
        node = None if place in found else _at(document, place)
        if not isinstance(node, dict):
            continue
        found[place] = node
        if isinstance(node.get("$ref"), str):
            places.append(pointed(node["$ref"]))
        for key in ("allOf", "oneOf", "anyOf"):
            members = node[key] if isinstance(node.get(key), list) else []
            places += [join(place, key, index) for index in range(len(members))]
    return list(found.values())


def _at(document: Json, pointer: str) -> Json:
    try:
        return lookup(document, pointer)
    except KeyError:
        return None


def types_of(schema: Schema) -> frozenset[str] | None:
    """Return the JSON types of a schema's values, as far as it says; None for any."""
    return _types(schema.document, schema.pointer, {})


def _types(
    document: Json, pointer: str, read: dict[str, frozenset[str] | None], depth: int = 0
) -> frozenset[str] | None:
    """Return the types at a place; `read` has those of the places that were read, each of which is read once."""
    if pointer in read:
        return read[pointer]
    node = _at(document, pointer)
    read[pointer] = None  # within itself it says nothing
    if isinstance(node, dict) and depth < DEEPEST:
        at = partial(_types, document, read=read, depth=depth + 1)
        read[pointer] = _types_of(node, lambda *keys: at(join(pointer, *keys)), at)
    return read[pointer]


def _types_of(
    node: Mapping[str, Json],
    below: Callable[..., frozenset[str] | None],
    at: Callable[[str], frozenset[str] | None],
) -> frozenset[str] | None:
    found: list[frozenset[str] | None] = []
    if "type" in node:
        said = node["type"]
        found.append(frozenset(said if isinstance(said, list) else [said]))
    if isinstance(node.get("$ref"), str):
        found.append(at(pointed(node["$ref"])))
    found += [below("allOf", index) for index in range(len(node.get("allOf", ())))]
    for union in ("oneOf", "anyOf"):
        members = [below(union, index) for index in range(len(node.get(union, ())))]
        if members and None not in members:
            found.append(frozenset().union(*(each for each in members if each is not None)))
    if "properties" in node and not any(found):
        found.append(frozenset(("object",)))
    known = [each for each in found if each is not None]
    return frozenset.intersection(*known) if known else None


def _item_problems(items: Schema, values: Sequence[Json]) -> list[Finding]:
    return [found for index, each in enumerate(values) for found in problems(items, each, where=f"/body/{index}")]


def _read_lines(text: str) -> tuple[list[Json], str]:
    """Read a sequence of JSON values, one on each line; return them, and what is wrong, or ""."""
    found = []
    for line in text.replace("\x1e", "").splitlines():
        if line.strip():
            try:
                found.append(json.loads(line))
            except ValueError as error:
                return found, str(error)
    return found, ""


def _text(value: Json) -> bytes:
    return ("null" if value is None else as_text(value)).encode("utf-8", "surrogatepass")


def _bytes(value: Json) -> bytes:
    """Write a text of one character for each byte."""
    try:
        return as_text(value).encode("latin-1")
    except UnicodeEncodeError:
        return _text(value)


def _csv(value: Json) -> bytes:
    """Write a list of objects or lists as rows; anything else as a text."""
    if not isinstance(value, list) or not value:
        return b"" if value == [] else _text(value)
    out = StringIO()
    writer = csv.writer(out)
    if all(isinstance(each, dict) for each in value):
        names = list(dict.fromkeys(name for each in value for name in each))
        if not names:
            return b"\r\n" * len(value)
        writer.writerow(names)
        writer.writerows([as_text(each.get(name)) for name in names] for each in value)
    else:
        rows = (each if isinstance(each, list) else [each] for each in value)
        writer.writerows(map(as_text, row) for row in rows)
    return out.getvalue().encode()
