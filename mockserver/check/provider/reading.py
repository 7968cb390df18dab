"""What an answer says in any media type."""

from mockserver.check.target import Answer
from mockserver.contract import media as media_types
from mockserver.contract.openapi import Media
from mockserver.contract.schema import Schema
from mockserver.messages import Json
from mockserver.request.reading.bodies import media_reader
from mockserver.request.reading.media import MalformedError, WrongParts, lines_of, read_json
from mockserver.request.reading.shapes import shape_of


def read_body(media: Media, schema: Schema, answer: Answer) -> tuple[list[Json], str]:
    """Return the readings of a body of text, XML, a form or lines; none for bytes; and why it cannot be read, or ""."""
    sent, shape = media_types.read(answer.headers.text(b"content-type") or media.type), shape_of(schema)
    problems: WrongParts = []
    try:
        raws = media_reader(sent, schema, media.encoding)(answer.body, dict(sent.parameters), problems)
    except MalformedError as error:
        return [], str(error)
    return [shape.value(raw) for raw in raws], problems[0][2] if problems else ""


def read_lines(body: bytes) -> tuple[list[Json], str]:
    """Return the values of lines of JSON, and why one cannot be read, or ""."""
    try:
        return [read_json(line) for line in lines_of(body)], ""
    except MalformedError as error:
        return [], f"a line cannot be read: {error}"
