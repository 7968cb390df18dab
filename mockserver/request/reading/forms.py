"""Forms as JSON: urlencoded ones, and multipart with files; each field as its schema and its encoding object say."""

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from mockserver.contract.media import covers, kind_of
from mockserver.contract.media import read as read_type
from mockserver.contract.openapi import ANYTHING, OTHERS, HeaderField
from mockserver.contract.schema import Schema
from mockserver.contract.tree import join
from mockserver.messages import Json
from mockserver.request.reading.media import (
    MOST_FIELDS,
    MOST_PARTS,
    BodyReader,
    MalformedError,
    TooManyError,
    WrongParts,
    read_json,
    text_of,
    unnamed,
)
from mockserver.request.reading.shapes import Raw, Ready, TextShape, shape_of
from mockserver.request.reading.styles import Pairs, decoded, deep_readings, form_readings, pairs_of
from mockserver.request.reading.xml import xml_reader

logging.getLogger("python_multipart").addHandler(logging.NullHandler())  # what it says is in the refusal


class FieldStyle(NamedTuple):
    """How a field of a form is written."""

    name: str
    style: str
    explode: bool
    reserved: bool = False


# -- urlencoded

RESERVED = re.compile(r"[:/?#\[\]@!$]")
"""What a form has to encode, and every client does."""


def form_reader(schema: Schema | None, encoding: Mapping[str | int, Json]) -> BodyReader:
    """Return what reads an urlencoded form."""
    shape = shape_of(schema or ANYTHING)

    escaped = {key for key, told in encoding.items() if isinstance(told, dict) and told.get("allowReserved") is False}

    def read(data: bytes, _parameters: Mapping[str, str], wrong: WrongParts) -> list[Raw]:
        if data.count(b"&") >= MOST_FIELDS:
            raise TooManyError(MOST_FIELDS, "fields")
        pairs = pairs_of(data.decode("latin-1"))
        for name in dict.fromkeys(key for key, text in pairs if key in escaped and RESERVED.search(text)):
            wrong.append((join("", name), "allowReserved", f"{name!r} has reserved characters that are not encoded"))
        return [_read_form(pairs, shape, encoding)]

    return read


def _read_form(pairs: Pairs, shape: TextShape, encoding: Mapping[str | int, Json]) -> dict[str, Raw]:
    found: dict[str, Raw] = {}
    for name, field in shape.fields.items():
        readings = _field(name, field, pairs, encoding.get(name))
        if readings:
            found[name] = Ready(field.best(readings))
    others: dict[str, list[str]] = {}
    for key, text in pairs:
        if key.partition("[")[0] not in found and key not in shape.fields:
            others.setdefault(key, []).append(decoded(text))
    return found | {key: texts if len(texts) > 1 else texts[0] for key, texts in others.items()}


def _field(name: str, shape: TextShape, pairs: Pairs, encoding: Json) -> list[Raw] | None:
    """Return the readings of a field, None where it was not sent."""
    told = encoding if isinstance(encoding, dict) else {}
    is_styled = bool(told.keys() & {"style", "explode", "allowReserved"})
    style = str(told.get("style", "form"))
    if not is_styled and (shape.takes("object") or shape.item(0).takes("object")):
        texts = [decoded(text) for key, text in pairs if key == name]
        if not texts:
            return deep_readings(name, shape, pairs)
        values: list[Raw] = [_json_or_text(text) for text in texts]
        return [values, values[-1]] if shape.takes("array") else [values[-1]]
    if not is_styled and kind_of(read_type(str(told.get("contentType", "")))) == "json":
        texts = [decoded(text) for key, text in pairs if key == name]
        return [_json_or_text(texts[-1])] if texts else None
    named = FieldStyle(name, style, bool(told.get("explode", style == "form")))
    return form_readings(named, shape, pairs, frozenset(), plus=told.get("allowReserved") is not True)


def _json_or_text(text: str) -> Raw:
    try:
        return Ready(read_json(text))
    except MalformedError:
        return text


# -- multipart


class FormPart(NamedTuple):
    """A part of a multipart body."""

    name: str
    is_file: bool
    media: str
    data: bytes
    headers: Mapping[str, str] = {}
    """Its header fields, by their names in lower case."""


HeaderValues: TypeAlias = Callable[[str, HeaderField, list[str]], Iterable[Json]]
"""Returns what a header field may say."""


def encoding_of(encoding: Mapping[str | int, Json], part: str | int) -> Mapping[str, Json]:
    """Return how a part is encoded: a field by its name, an item by its place, or as all items are."""
    told = encoding.get(part, encoding.get(OTHERS) if isinstance(part, int) else None)
    return told if isinstance(told, Mapping) else {}


def part_headers(told: Mapping[str, Json]) -> Iterator[tuple[str, HeaderField]]:
    """Yield the header fields that an encoding object declares, but for the media type, which it tells otherwise."""
    for name, field in told.get("headers", {}).items():
        if isinstance(field, HeaderField) and name != "content-type":
            yield name, field


def multipart_reader(schema: Schema | None, encoding: Mapping[str | int, Json], values: HeaderValues) -> BodyReader:
    """Return what reads a multipart body; `values` reads the header fields of its parts."""
    shape = shape_of(schema or ANYTHING)

    def told_of(part: FormPart, place: str | int, wrong: WrongParts) -> Mapping[str, Json]:
        told = encoding_of(encoding, place)
        where = join("", place)
        _check_type(part, where, str(told.get("contentType", "")), wrong)
        for name, field in part_headers(told):
            sent = part.headers.get(name)
            if sent is None and field.required:
                wrong.append((where, "required", f"the part has no header field {name}, which is required"))
            elif sent is not None and field.schema is not None:
                found = list(values(name, field, [sent]))
                if not any(map(field.schema.is_valid, found)):
                    told_why = field.schema.explain(found[0] if found else sent)[0].message
                    wrong.append((where, "header", f"the header field {name} of the part is wrong: {told_why}"))
        return told

    def read(data: bytes, parameters: Mapping[str, str], wrong: WrongParts) -> list[Raw]:
        parts = read_parts(data, parameters.get("boundary", ""))
        if any(part.name for part in parts) or not shape.takes("array"):
            return [_read_multipart(parts, shape, lambda part: told_of(part, part.name, wrong))]
        return [[_part_value(part, shape.item(at), told_of(part, at, wrong)) for at, part in enumerate(parts)]]

    return read


def _read_multipart(
    parts: Sequence[FormPart], shape: TextShape, told_of: Callable[[FormPart], Mapping[str, Json]]
) -> dict[str, Raw]:
    found: dict[str, Raw] = {}
    for part in parts:
        field, told = shape.field(part.name), told_of(part)
        is_list = field.takes("array") and not field.takes("string")
        value = _part_value(part, field.item(len(found.get(part.name, ()))) if is_list else field, told)
        if is_list and isinstance(value, Ready) and isinstance(value.value, list):
            found[part.name] = value  # a list that was sent as one part of JSON
        elif is_list:
            found.setdefault(part.name, []).append(value)
        else:
            found[part.name] = value
    return found


def _check_type(part: FormPart, where: str, declared: str, wrong: WrongParts) -> None:
    """Add what is wrong where a part has another media type than its encoding object lists."""
    if not declared or not part.media:
        return
    sent = read_type(part.media)
    if not any(covers(read_type(each), sent) for each in declared.split(",")):
        message = f"the part is {sent.essence}, and must be {declared}"
        wrong.append((where, "contentType", message))


def _part_value(part: FormPart, shape: TextShape, told: Mapping[str, Json]) -> Raw:
    declared = str(told.get("contentType", ""))
    media = read_type(part.media or ("" if "," in declared or "*" in declared else declared))
    wants_json = shape.takes("object") and media.essence in ("", "text/plain")
    try:
        if kind_of(media) == "json" or wants_json:
            return Ready(read_json(part.data))
        if kind_of(media) == "xml" and shape.schema is not None:
            return xml_reader(shape.schema)(part.data, {}, [])[0]
        if (part.is_file and not shape.kinds) or shape.is_binary:
            return part.data
        return text_of(part.data, dict(media.parameters))
    except MalformedError:
        return unnamed(part.data, {}, shape)


def read_parts(data: bytes, boundary: str) -> list[FormPart]:
    """Split a multipart body into its parts."""
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser

    if not boundary:
        raise MalformedError("its Content-Type has no boundary")
    made = _Parts()
    try:
        parser = MultipartParser(boundary, made.callbacks())
        parser.write(data)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise MalformedError(f"it is no multipart body: {error}") from error
    if not made.is_whole:
        raise MalformedError("the multipart body has no end: its last boundary is missing")
    return made.parts


class _Parts:
    """Collects the parts of a multipart body as its parser finds them."""

    def __init__(self) -> None:
        self.parts: list[FormPart] = []
        self.is_whole = False
        self._headers: dict[str, str] = {}
        self._name, self._value, self._data = bytearray(), bytearray(), bytearray()

    def callbacks(self) -> Any:
        """Return what the parser calls."""

        def adding(target: bytearray) -> Callable[[bytes, int, int], None]:
            return lambda data, start, end: target.extend(data[start:end])

        return {
            "on_part_begin": self._begin,
            "on_header_field": adding(self._name),
            "on_header_value": adding(self._value),
            "on_header_end": self._header,
            "on_part_data": adding(self._data),
            "on_part_end": self._end,
            "on_end": self._finish,
        }

    def _begin(self) -> None:
        if len(self.parts) == MOST_PARTS:
            raise TooManyError(MOST_PARTS, "parts")
        self._headers = {}
        self._data.clear()

    def _header(self) -> None:
        self._headers[self._name.decode("latin-1").lower()] = self._value.decode("utf-8", "replace")
        self._name.clear()
        self._value.clear()

    def _end(self) -> None:
        from python_multipart.multipart import parse_options_header

        told = parse_options_header(self._headers.get("content-disposition", "").encode())[1]
        name = told.get(b"name", b"").decode("utf-8", "replace")
        media = self._headers.get("content-type", "")
        self.parts.append(FormPart(name, b"filename" in told, media, bytes(self._data), self._headers))

    def _finish(self) -> None:
        self.is_whole = True
