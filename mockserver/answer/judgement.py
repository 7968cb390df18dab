"""What is wrong with an answer of any server, by its contract: status, media type, body, header fields."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from mockserver.answer.body import BODILESS, format_of, representation
from mockserver.answer.headers import is_declarable
from mockserver.contract import media as media_types
from mockserver.contract.openapi import EVENT_STREAM, Media, Operation, Reply, is_json
from mockserver.contract.schema import Schema
from mockserver.contract.sides import seen_from
from mockserver.contract.tree import join
from mockserver.messages import Blame, Finding, Headers, Json, Level
from mockserver.request.reading.bodies import header_values, media_reader
from mockserver.request.reading.media import MalformedError, WrongParts, judged, lines_of, read_json
from mockserver.request.reading.shapes import shape_of

BOM = b"\xef\xbb\xbf"
"""A byte order mark, which a reader of JSON may ignore or refuse (RFC 8259, 8.1)."""

DONE = re.compile(r"data: ?\[DONE\]\s*\Z")
"""What many services send as the last event of a stream, whatever its events are."""

_MISSING = re.compile(r"'(.+)' is a required property")


class ReceivedAnswer(NamedTuple):
    """An answer of any server, and the operation that was called; the body is decoded."""

    operation: Operation
    method: str
    status: int
    headers: Headers
    body: bytes

    @property
    def reply(self) -> Reply | None:
        """What the contract says of this status."""
        return self.operation.reply(self.status)

    @property
    def media(self) -> Media | None:
        """What the contract says of this representation."""
        reply = self.reply
        return None if reply is None else representation(reply, self.headers.text(b"content-type"))

    @property
    def media_type(self) -> str:
        """The content type without its parameters, in lower case; "" for none."""
        return self.headers.media_type

    @property
    def is_bodiless(self) -> bool:
        """Whether HTTP has no body here."""
        return self.method == "HEAD" or self.status in BODILESS


def wrong(
    message: str,
    where: str = "",
    expected: Json = None,
    received: Json = None,
    contract: str = "",
    fault: Blame = "server",
    level: Level = "error",
    rule: str = "",
) -> Finding:
    """Make a finding about an answer; a check's run adds the name of its rule."""
    return Finding(where, rule, message, fault, expected, received, contract, level=level)


def problems_of(answer: ReceivedAnswer, *, is_valid: bool = True) -> Iterator[Finding]:
    """Yield what is wrong with an answer that came whole; `is_valid` says whether its request was."""
    if answer.reply is None:
        yield undeclared_status(answer, is_valid=is_valid)
        return
    if answer.reply.media and not answer.is_bodiless:
        yield from wrong_media_type(answer)
    if answer.body:
        yield from wrong_charset(answer)
    if answer.is_bodiless or not answer.reply.media:
        yield from unwanted_body(answer)
    elif answer.media is not None:
        found = list(unparsed_body(answer)) if is_json(answer.media_type) else []
        yield from found or wrong_body(answer)
    yield from wrong_headers(answer)


HTTP_OWN = (401, 405, 406, 411, 413, 414, 415, 431)
"""The refusals that HTTP itself has a status for, whatever a contract declares."""


def undeclared_status(answer: ReceivedAnswer, *, is_valid: bool) -> Finding:
    """Report a status that is not declared: a warning where no refusal is, a note where HTTP itself has it."""
    status, operation = answer.status, answer.operation
    level: Level = "error"
    if 400 <= status < 500 and not is_valid and status in HTTP_OWN:
        level = "note"
    elif 400 <= status < 500 and not declares_refusals(operation):
        level = "warning"
    declared = ", ".join(operation.replies)
    place = f"{operation.place}/responses"
    return wrong(
        f"the status {status} is not declared", "/response/status", declared, status, place, level=level, rule="status"
    )


def declares_refusals(operation: Operation) -> bool:
    """Return whether a contract declares any answer to an operation that is an error."""
    return any(name[0] in "45" for name in operation.replies)


def wrong_media_type(answer: ReceivedAnswer) -> Iterator[Finding]:
    """Report a content type that is not declared for the status."""
    reply = answer.reply
    if reply is not None and answer.media is None:
        declared = ", ".join(media.type for media in reply.media)
        received = answer.headers.text(b"content-type")
        message = f"the content type {received!r} is not declared for {answer.status}"
        place = answer.operation.placed("#" + reply.pointer)
        yield wrong(message, "/response/header/content-type", declared, received, place, rule="media-type")


def wrong_charset(answer: ReceivedAnswer) -> Iterator[Finding]:
    """Report a text in another character set than it says, and JSON that is not in UTF-8."""
    kind = answer.headers.text(b"content-type") or ""
    named = re.search(r'charset\s*=\s*"?([^";\s]+)', kind, re.IGNORECASE)
    if named and named[1].lower() not in ("utf-8", "utf8"):
        yield wrong("the character set is another", "/response/header/content-type", "utf-8", named[1], rule="charset")
    if is_json(answer.media_type) or answer.media_type.startswith("text/"):
        try:
            answer.body.decode("utf-8")
        except UnicodeDecodeError as error:
            message = f"the body is not in UTF-8: {error.reason}"
            yield wrong(message, "/response/body", "UTF-8", error.start, rule="charset")


def unwanted_body(answer: ReceivedAnswer) -> Iterator[Finding]:
    """Report a body where HTTP has none; note one where the contract declares none."""
    status = answer.status
    declared = answer.headers.text(b"content-length")
    if answer.method == "HEAD" or answer.status == 304:
        declared = None  # that of GET's (RFC 9110, 8.6)
    if answer.body or declared not in (None, "0"):
        received = answer.body[:100].decode("utf-8", "replace") or f"a length of {declared}"
        level: Level = "error" if answer.is_bodiless else "note"
        message = f"the answer {status} has a body"
        yield wrong(message, "/response/body", "no body", received, level=level, rule="no-body")


def unparsed_body(answer: ReceivedAnswer) -> Iterator[Finding]:
    """Report a body that is no JSON, or that says a field twice."""
    if answer.body.startswith(BOM):
        message, expected = "the body begins with a byte order mark", "JSON (RFC 8259, 8.1)"
        yield wrong(message, "/response/body", expected, "EF BB BF", rule="body")
        return
    try:
        json.loads(answer.body, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        received = answer.body[:200].decode("utf-8", "replace")
        yield wrong(f"the body is no JSON: {error}", "/response/body", "JSON", received, rule="body")


def _once(pairs: list[tuple[str, Json]]) -> Json:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"a field stands twice: {max(names, key=names.count)!r}")
    return dict(pairs)


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is no value of JSON")


def wrong_body(answer: ReceivedAnswer) -> Iterator[Finding]:
    """Report a body that its schema does not allow, or events of a stream that theirs does not."""
    media = answer.media
    if media is None:
        return
    written = format_of(media, answer.media_type)
    if written.kind == "lines":
        values, problem = _read_lines(answer.body)
        found = [wrong(problem, "/body", "lines of JSON", rule="body")] if problem else written.problems(values)
        yield from (replace(each, where=f"/response{each.where}", fault="server") for each in found)
    elif answer.media_type == EVENT_STREAM:
        text = DONE.sub("", answer.body.decode("utf-8", "replace"))
        found = written.problems(text) if text.strip() else ()
        yield from (replace(each, where=f"/response{each.where}", fault="server") for each in found)
    elif media.schema is not None:
        yield from _whole_body(answer, media, seen_from(media.schema, "answer"))


def _whole_body(answer: ReceivedAnswer, media: Media, schema: Schema) -> Iterator[Finding]:
    if is_json(answer.media_type):
        try:
            values = [json.loads(answer.body)]
        except (ValueError, RecursionError):
            values = []
    else:
        values, problem = _read_body(media, schema, answer)
        if problem:
            received = answer.body[:200].decode("utf-8", "replace")
            message = f"the body cannot be read: {problem}"
            yield wrong(message, "/response/body", answer.media_type, received, rule="body")
    if values and not any(map(schema.is_valid, map(judged, values))):
        yield from explained(schema, judged(values[0]), "/response/body")


def explained(schema: Schema, value: Json, where: str) -> Iterator[Finding]:
    """Yield why a server's value breaks a schema; a missing field is reported at its own place."""
    for each in schema.explain(value, where=where):
        missing = _MISSING.match(each.message) if each.rule == "required" else None
        place = each.where if missing is None else join(each.where, missing[1])
        yield replace(each, where=place, fault="server")


def wrong_headers(answer: ReceivedAnswer) -> Iterator[Finding]:
    """Report required header fields that are missing, and declared ones that their schemas do not allow."""
    reply = answer.reply
    for name, field in (reply.headers if reply is not None else {}).items():
        where = join("/response/header", name)
        sent = answer.headers.all(name.encode("latin-1", "replace"))
        if name == "content-type":  # which OpenAPI leaves to the media types
            continue
        if not sent and field.required:
            place = answer.operation.placed("#" + reply.pointer) if reply else ""
            message = f"the header field {name} is missing"
            yield wrong(message, where, name, None, place, rule="headers")
        elif sent and field.schema is not None and (field.required or is_declarable(name)):
            values = list(header_values(name, field, sent))
            if not any(map(field.schema.is_valid, values)):
                yield from explained(field.schema, values[0] if values else sent[0], where)


def _read_body(media: Media, schema: Schema, answer: ReceivedAnswer) -> tuple[list[Json], str]:
    """Return the readings of a body of text, XML, a form or lines; none for bytes; and why it cannot be read, or ""."""
    sent, shape = media_types.read(answer.headers.text(b"content-type") or media.type), shape_of(schema)
    problems: WrongParts = []
    try:
        raws = media_reader(sent, schema, media.encoding)(answer.body, dict(sent.parameters), problems)
    except MalformedError as error:
        return [], str(error)
    return [shape.value(raw) for raw in raws], problems[0][2] if problems else ""


def _read_lines(body: bytes) -> tuple[list[Json], str]:
    """Return the values of lines of JSON, and why one cannot be read, or ""."""
    try:
        return [read_json(line) for line in lines_of(body)], ""
    except MalformedError as error:
        return [], f"a line cannot be read: {error}"
