"""What reads a body of each media type: JSON, lines of JSON, forms, XML, text; anything else stays bytes."""

from collections.abc import Mapping

from mockserver.contract.media import MediaType, kind_of
from mockserver.contract.schema import Schema
from mockserver.messages import Json
from mockserver.request.reading.forms import form_reader, multipart_reader
from mockserver.request.reading.media import BodyReader, lines_of, read_json, text_of, unnamed
from mockserver.request.reading.shapes import Ready, shape_of
from mockserver.request.reading.xml import xml_reader


def media_reader(media: MediaType, schema: Schema | None, encoding: Mapping[str, Json]) -> BodyReader:
    """Return what reads a media type as values of a schema."""
    match kind_of(media):
        case "json":
            return lambda data, _parameters, _wrong: [Ready(read_json(data))]
        case "lines":
            return lambda data, _parameters, _wrong: [Ready(list(map(read_json, lines_of(data))))]
        case "form":
            return form_reader(schema, encoding)
        case "multipart":
            return multipart_reader(schema, encoding)
        case "xml":
            return xml_reader(schema)
        case "text" | "csv" | "yaml" | "events":
            return lambda data, parameters, _wrong: [text_of(data, parameters)]
    shape = None if schema is None else shape_of(schema)
    return lambda data, parameters, _wrong: [unnamed(data, parameters, shape)]
