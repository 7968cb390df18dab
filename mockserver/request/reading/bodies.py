"""What reads a body of each media type: JSON, lines of JSON, forms, XML, text; anything else stays bytes."""

from collections.abc import Iterator, Mapping
from contextlib import suppress

from mockserver.contract.media import MediaType, kind_of, read
from mockserver.contract.openapi import HeaderField
from mockserver.contract.schema import Schema
from mockserver.messages import Json
from mockserver.request.reading.forms import FieldStyle, form_reader, multipart_reader
from mockserver.request.reading.media import BodyReader, MalformedError, lines_of, read_json, text_of, unnamed
from mockserver.request.reading.shapes import Ready, shape_of
from mockserver.request.reading.styles import simple_readings
from mockserver.request.reading.xml import xml_reader


def media_reader(media: MediaType, schema: Schema | None, encoding: Mapping[str | int, Json]) -> BodyReader:
    """Return what reads a media type as values of a schema."""
    match kind_of(media):
        case "json":
            return lambda data, _parameters, _wrong: [Ready(read_json(data))]
        case "lines":
            return lambda data, _parameters, _wrong: [Ready(list(map(read_json, lines_of(data))))]
        case "form":
            return form_reader(schema, encoding)
        case "multipart":
            return multipart_reader(schema, encoding, header_values)
        case "xml":
            return xml_reader(schema)
        case "text" | "csv" | "yaml" | "events":
            return lambda data, parameters, _wrong: [text_of(data, parameters)]
    shape = None if schema is None else shape_of(schema)
    return lambda data, parameters, _wrong: [unnamed(data, parameters, shape)]


def header_values(name: str, field: HeaderField, told: list[str]) -> Iterator[Json]:
    """Yield what a header field may say: in its media type, or in the style that it has; it may be UTF-8."""
    if field.schema is None:
        return
    shape = shape_of(field.schema)
    if not all(text.isascii() for text in told):
        with suppress(UnicodeDecodeError):
            told = [text.encode("latin-1").decode() for text in told]
    if field.media:
        with suppress(MalformedError):
            sent = read(field.media)
            raws = media_reader(sent, field.schema, {})(told[0].encode(), dict(sent.parameters), [])
            yield from map(shape.value, raws)
        return
    style = FieldStyle(name, "simple", field.explode)
    yield from map(shape.value, simple_readings(style, shape, told) or [])
    yield from (shape.value(text) for text in told[:1])
