"""Draft -> Response: no answer leaves that its contract does not allow."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from urllib.parse import quote

import orjson

from mockserver.answer.choose import Draft
from mockserver.answer.generate import generate
from mockserver.answer.prefer import NONE, Preference
from mockserver.contract.openapi import Contract, Media, Operation, Reply
from mockserver.contract.router import Match
from mockserver.contract.schema import Schema
from mockserver.errors import ContractError
from mockserver.messages import Finding, Json, Request, Response
from mockserver.sse import event_text

SHARED: Mapping[int, str] = {
    204: "Options",
    400: "BadRequest",
    307: "TemporaryRedirect",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    413: "ContentTooLarge",
    414: "UriTooLong",
    431: "RequestHeaderFieldsTooLarge",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}
"""The shared replies of the contract in which the answers that belong to no operation have their place."""

_new = tuple.__new__
"""Makes a named tuple in half the time of its own constructor; every answer is one."""

_SAFE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")
_LONGEST = 400
_NOTHING: Sequence[Finding] = ()
_write_as_upstream = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a contract an answer stands; without a reply, the contract says nothing of it.

    `headers` are the fields that every answer of this place and source has.
    """

    name: str
    headers: tuple[tuple[bytes, bytes], ...]
    reply: Reply | None = None
    media: Media | None = None
    required: tuple[tuple[bytes, bytes], ...] = ()
    """Fields that the contract requires, for an answer that does not bring them."""

    @property
    def pointer(self) -> str:
        """The place as `<contract>#<pointer>`."""
        return f"{self.name}#{self.reply.pointer}" if self.reply else self.name


class Sealer:
    """Validates drafts and writes them out; what answers of one place have in common is made once."""

    def __init__(self, newest: Contract) -> None:
        self._newest = newest
        self._places: dict[tuple[Operation | None, int, str | None, str], Place] = {}

    def seal(self, request: Request, match: Match, draft: Draft) -> Response:
        """Give the answer as it leaves: the draft, or, where that breaks the contract, a 500 that says so."""
        place = self.place(match.operation, draft)
        found = self.judge(place, draft)
        if draft.source == "mock" and not self._newest.bundled and (found or place.reply is None):
            draft = _fitted(match.operation, place.reply, draft)
            place = self.place(match.operation, draft)
            found = self.judge(place, draft)
        if found:
            if draft.stream is not None:
                draft.stream.close(0)
            draft = _broken(found)
            place = self.place(match.operation, draft)
            if not self._newest.bundled and self.judge(place, draft):
                draft = _fitted(match.operation, place.reply, draft)
                place = self.place(match.operation, draft)
        return _written(request, match, draft, place)

    def place(self, operation: Operation | None, draft: Draft) -> Place:
        """Find the place of a draft in the contract."""
        key = (operation, draft.status, draft.media, draft.source)
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = self._find(operation, draft)
        return place

    def _find(self, operation: Operation | None, draft: Draft) -> Place:
        if operation is not None:
            name, reply = operation.contract, operation.reply(draft.status)
        else:
            name, reply = self._newest.name, self._newest.replies.get(SHARED.get(draft.status, ""))
        headers = [(b"content-type", draft.media.encode())] if draft.media else []
        headers.append((b"x-mock-contract", encoded(name)))
        if draft.source != "mock":
            headers.append((b"x-mock-source", draft.source.encode()))
        media = next((media for media in reply.media if media.type == draft.media), None) if reply else None
        required = _required_fields(operation, reply) if reply is not None else ()
        return Place(name, tuple(headers), reply, media, required)

    def judge(self, place: Place, draft: Draft) -> Sequence[Finding]:
        """Give what is wrong with an answer; an error of ours may stand where the contract says nothing."""
        media = place.media
        if media is None:
            if place.reply is None:
                return [] if draft.source == "mock" else [_undeclared(place, f"the status {draft.status}")]
            fits = draft.media is None and not place.reply.media
            return [] if fits else [_undeclared(place, f"a body of type {draft.media}")]
        schema, value = media.schema, draft.value
        if draft.stream is not None and isinstance(value, list):
            found = _judge_turn(media.item_schema, value)
            if found or schema is None or schema.node == {"type": "string"}:  # which every turn is, written out
                return found
            value = "".join(event_text(event) for event in value)
        if schema is not None and not schema.is_valid(value):
            return schema.explain(value, where="/body", fault="mock")
        return _judge_events(media.item_schema, value) if media.item_schema is not None else _NOTHING


def _fitted(operation: Operation | None, reply: Reply | None, draft: Draft) -> Draft:
    """Put an error of ours into the contract's own form, where that is another than upstream's."""
    status = draft.status
    if status == 422 and reply is None and operation is not None and operation.reply(400) is not None:
        status, reply = 400, operation.reply(400)
    if reply is None:
        return draft
    media = reply.preferred
    if media is None:
        return draft._replace(status=status, value=None, media=None)
    return draft._replace(status=status, value=_stand_in(media, draft, status), media=media.type)


def _required_fields(operation: Operation | None, reply: Reply) -> tuple[tuple[bytes, bytes], ...]:
    """Make the header fields that a reply must have."""
    known = {"www-authenticate": "Bearer", "allow": "" if operation is None else operation.allow}
    fields = []
    for name, schema in reply.required_headers.items():
        made = known[name] if name in known else generate(schema, Random(0)) if schema else ""
        fields.append((name.encode(), encoded(str(made))))
    return tuple(fields)


def _required(place: Place, sent: Collection[bytes]) -> list[tuple[bytes, bytes]]:
    return [field for field in place.required if field[0] not in sent]


def _written(request: Request, match: Match, draft: Draft, place: Place) -> Response:
    status, _, _, source, more, findings, preference, _, stream = draft
    body = _body(draft) if stream is None else b""
    headers = [*place.headers, *more]
    if place.required:
        headers += _required(place, {name for name, _ in more})
    if stream is not None:
        headers.append((b"cache-control", b"no-cache"))
    elif status != 204:
        headers.append((b"content-length", b"%d" % len(body)))
    if findings:
        headers = _told(findings[0], place, headers)
    if match.withdrawn is not None and match.operation is not None:
        text = f"{match.operation.id} is not in {match.withdrawn}; answered from {match.operation.contract}"
        headers.append((b"x-mock-withdrawn", text.encode()))
    if preference is not NONE and (applied := _applied(preference)):
        headers.append((b"preference-applied", applied))
    if request.method == "HEAD":
        body, stream = b"", None
    response: Response = _new(Response, (status, headers, body, stream, None, findings, source))
    return response


def encoded(text: str) -> bytes:
    """Write a text as a header value: printable ASCII stays, all else and % percent-encoded; long ones cut."""
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 3] + "..."
    return quote(text, safe=_SAFE, errors="replace").encode()


def _told(finding: Finding, place: Place, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Add whose fault an error is, where it is, and the place in the contract that says so."""
    return [
        *(field for field in headers if field[0] != b"x-mock-contract"),
        (b"x-mock-fault", finding.fault.encode()),
        (b"x-mock-pointer", encoded(finding.where)),
        (b"x-mock-message", encoded(finding.message)),
        (b"x-mock-contract", encoded(finding.contract or place.pointer)),
    ]


def _applied(preference: Preference) -> bytes:
    wishes = {"code": preference.code, "example": preference.example, "seed": preference.seed}
    if preference.dynamic is not None:
        wishes["dynamic"] = "true" if preference.dynamic else "false"
    return encoded(", ".join(f"{name}={value}" for name, value in wishes.items() if value is not None))


def _body(draft: Draft) -> bytes:
    media = draft.media
    if media is None:
        return b""
    if media != "application/json" and media.startswith("text/"):
        return str(draft.value).encode()
    if draft.source != "mock":
        try:
            return orjson.dumps(draft.value)
        except orjson.JSONEncodeError:  # a whole number of more than 64 bits
            pass
    return _write_as_upstream(draft.value).encode()


def _judge_turn(schema: Schema | None, events: list[Json]) -> list[Finding]:
    """Judge the events of a turn."""
    wrong = [] if schema is None else [index for index, event in enumerate(events) if not schema.is_valid(event)]
    return [finding for index in wrong if schema for finding in schema.explain(events[index], where=f"/body/{index}")]


def _judge_events(schema: Schema, value: Json) -> list[Finding]:
    """Judge each event of a stream by the schema of its events."""
    found = []
    lines = [line.removeprefix("data: ") for line in value.split("\n") if line.startswith("data: ")]
    for index, line in enumerate(lines):
        try:
            event = json.loads(line)
        except ValueError as error:
            found.append(Finding(f"/body/{index}", "json", f"the event is not JSON: {error}", "mock", received=line))
            continue
        if not schema.is_valid(event):
            found += schema.explain(event, where=f"/body/{index}")
    return found


def _stand_in(media: Media, draft: Draft, status: int) -> Json:
    """Make a body that the contract allows for an error of ours, with its message where there is room for one."""
    if media.schema is None:
        return draft.value
    message = draft.findings[0].message if draft.findings else str(draft.value)
    told = {"status": status, **dict.fromkeys(("detail", "error", "message", "title"), message)}
    try:
        made = generate(media.schema, Random(0), told)
        if media.schema.is_valid(made):
            return made
        return next(iter(media.examples.values()), generate(media.schema, Random(0)))
    except ContractError:
        return next(iter(media.examples.values()), None)


def _undeclared(place: Place, what: str) -> Finding:
    message = f"{what} is not declared"
    return Finding("", "declared", message, "mock", contract=place.pointer)


def _broken(found: Sequence[Finding]) -> Draft:
    """Say loudly that an answer of ours broke the contract."""
    first = found[0]
    text = f"The mock's answer breaks the contract at {first.where or 'the root'}: {first.message} ({first.contract})."
    return Draft(500, {"detail": text}, findings=tuple(found))
