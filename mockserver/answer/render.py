"""Draft -> Response: an answer that its contract does not allow is never sent."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson
from msgspec import structs

from mockserver.answer.body import BodyFormat, format_of, is_body, representation
from mockserver.answer.errors import not_made, not_served
from mockserver.answer.headers import declared_fields
from mockserver.answer.refusal import Refusals, shared_reply
from mockserver.answer.written import write_json
from mockserver.api import Draft
from mockserver.contract.openapi import Contract, Media, Operation, Reply
from mockserver.contract.router import Match
from mockserver.errors import ContractError
from mockserver.messages import Finding, Json, Request, Response, header_value
from mockserver.redact import DEFAULT, Redactor
from mockserver.sse import PLAIN, StreamStyle

MOST_SPECS = 10_000
"""How many kinds of answers are kept ready; a client may ask for any content type where a contract allows all."""

_NOTHING: Sequence[Finding] = ()


def _must_be_checked(_: Json) -> bool:
    return False


def _need_not_be_checked(_: Json) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class ResponseSpec:
    """How answers of one operation, status, media type and source are rendered; without a reply it is undeclared."""

    contract: str
    headers: tuple[tuple[bytes, bytes], ...]
    """The header fields of every such answer."""
    reply: Reply | None = None
    media: Media | None = None
    body: BodyFormat | None = None
    """How the body is judged and written."""
    declared: tuple[tuple[bytes, bytes], ...] = ()
    """Header fields that the contract declares, added if the answer lacks them."""
    write: Callable[[Json], bytes] = orjson.dumps
    """Writes the body; raises TypeError for a number that it cannot write."""
    is_valid: Callable[[Json], bool] = _must_be_checked
    """Validates a value quickly; false if more than the value must be checked."""
    is_item: Callable[[Json], bool] | None = None
    """Validates an item of a sequence quickly; None if more than the items must be judged."""
    sized: bool = True
    """Whether the answers have a content-length."""

    @property
    def place(self) -> str:
        """The place as `<contract>#<pointer>`."""
        return f"{self.contract}#{self.reply.pointer}" if self.reply else self.contract


class Renderer:
    """Validates drafts and writes them out. What answers of one kind share is made once."""

    def __init__(self, newest: Contract, style: StreamStyle = PLAIN, redactor: Redactor = DEFAULT) -> None:
        self._newest, self._style, self._redactor = newest, style, redactor
        self._is_own = False
        """Whether the mock's own errors have a form of their own, and need not be declared."""
        self._specs: dict[tuple[Operation | None, int, str | None, str], ResponseSpec] = {}

    def render(self, request: Request, match: Match, draft: Draft) -> Response:
        """Return the answer as it is sent: the draft, or an error if the draft breaks the contract."""
        operation = match.operation
        spec = self._specs.get((operation, draft.status, draft.media, draft.source))
        if spec is None:
            draft, spec = self._first(operation, draft)
        try:
            is_right = draft.stream is None and (draft.is_valid or spec.is_valid(draft.value))
        except ValueError:  # a value that is not JSON
            is_right = False
        if not is_right:
            draft, spec = self._checked(operation, draft, spec)
        if draft.findings:
            draft = structs.replace(draft, findings=self._redactor.findings(draft.findings, request))
        headers, body, stream = [*spec.headers, *draft.headers], b"", draft.stream
        if stream is None:
            try:
                body = spec.write(draft.value)
            except TypeError:  # an integer of more than 64 bits, half of a surrogate pair
                body = _as_json(draft.value)
            if spec.sized:
                headers.append((b"content-length", b"%d" % len(body)))
        if spec.declared or draft.findings or stream is not None or match.withdrawn is not None:
            headers = _rare_headers(headers, spec, match, draft)
        if request.method == "HEAD":
            body, stream = b"", None
        return Response(
            status=draft.status,
            headers=headers,
            body=body,
            stream=stream,
            findings=draft.findings,
            source=draft.source,
        )

    def spec(self, operation: Operation | None, draft: Draft) -> ResponseSpec:
        """Return how an answer is rendered; computed once for each kind."""
        key = (operation, draft.status, draft.media, draft.source)
        spec = self._specs.get(key)
        if spec is None:
            if len(self._specs) >= MOST_SPECS:
                self._specs.clear()
            spec = self._specs[key] = self._find(operation, draft)
        return spec

    def _first(self, operation: Operation | None, draft: Draft) -> tuple[Draft, ResponseSpec]:
        """Return the spec of the first answer of a kind; a 501 where its contract cannot be used."""
        try:
            return draft, self.spec(operation, draft)
        except ContractError as error:
            if operation is None:
                raise
            draft = self._fitted(operation, not_served(error, operation))
            media = (draft.media or "application/json").encode()
            headers = ((b"content-type", media), (b"x-mock-contract", header_value(operation.contract)))
            return draft, ResponseSpec(operation.contract, headers, write=_as_json, is_valid=_need_not_be_checked)

    def _find(self, operation: Operation | None, draft: Draft) -> ResponseSpec:
        if operation is not None:
            name, reply = operation.contract, operation.reply(draft.status)
        else:
            name, reply = self._newest.name, shared_reply(self._newest, draft.status)
        headers = [(b"x-mock-contract", header_value(name))]
        if draft.source != "mock":
            headers.append((b"x-mock-source", draft.source.encode()))
        media = representation(reply, draft.media) if reply is not None else None
        body = None if media is None else format_of(media, draft.media or "")
        if reply is not None and len(reply.media) > 1 and operation is not None and not operation.bundled:
            headers.append((b"vary", b"accept"))
        if draft.media:
            sent = draft.media if body is None else body.header(draft.media)
            headers.insert(0, (b"content-type", sent.encode("latin-1", "replace")))
        return ResponseSpec(
            contract=name,
            headers=tuple(headers),
            reply=reply,
            media=media,
            body=body,
            declared=() if reply is None else declared_fields(operation, reply),
            write=_writer(draft, body),
            is_valid=_need_not_be_checked if self._is_own and draft.source == "mock" else _quick(body),
            is_item=None if body is None else body.is_item,
            sized=draft.status not in (204, 304),
        )

    def _checked(self, operation: Operation | None, draft: Draft, spec: ResponseSpec) -> tuple[Draft, ResponseSpec]:
        """Return a draft that may be sent, with its spec: the draft, or an error instead."""
        found = self.problems(spec, draft)
        if found:
            if draft.stream is not None:
                draft.stream.close(0)
            draft = self._fitted(operation, self._instead(operation, draft, found))
            spec = self.spec(operation, draft)
        return draft, spec

    def _instead(self, _operation: Operation | None, _draft: Draft, found: Sequence[Finding]) -> Draft:
        """Return the error that is sent instead of an answer that breaks its contract."""
        return _broken(found)

    def _fitted(self, _operation: Operation | None, draft: Draft) -> Draft:
        """Return one of the mock's errors in the form of its document: a bundled one has the form already."""
        return draft

    def problems(self, spec: ResponseSpec, draft: Draft) -> Sequence[Finding]:
        """Return what is wrong with an answer. The mock's own errors need not be declared."""
        media = spec.media
        if media is None:
            if spec.reply is None:
                return [] if draft.source == "mock" else [_undeclared(spec, f"the status {draft.status}")]
            fits = draft.media is None and not (spec.reply.media and is_body(draft.status))
            return [] if fits else [_undeclared(spec, f"a body of type {draft.media}")]
        if spec.body is None or (
            spec.is_item and isinstance(draft.value, list) and _are_valid(spec.is_item, draft.value)
        ):
            return _NOTHING
        return spec.body.problems(draft.value, self._style)


class OwnRenderer(Renderer):
    """Renders the answers of a user's document, which may have a form of its own for errors."""

    def __init__(self, newest: Contract, refusals: Refusals, style: StreamStyle, redactor: Redactor) -> None:
        super().__init__(newest, style, redactor)
        self._refusals, self._is_own = refusals, True

    def render(self, request: Request, match: Match, draft: Draft) -> Response:
        """Return the answer as it is sent."""
        if draft.source == "mock":
            draft = self._fitted(match.operation, draft)
        return super().render(request, match, draft)

    def _fitted(self, operation: Operation | None, draft: Draft) -> Draft:
        return self._refusals.fitted(operation, draft)

    def _instead(self, operation: Operation | None, draft: Draft, found: Sequence[Finding]) -> Draft:
        if operation is None or draft.source not in ("generated", "assembled"):
            return _broken(found)
        return not_made(operation, found[0])


def _rare_headers(
    headers: list[tuple[bytes, bytes]], spec: ResponseSpec, match: Match, draft: Draft
) -> list[tuple[bytes, bytes]]:
    """Add header fields that few answers have: declared ones, findings, streams, withdrawn operations."""
    sent = {name for name, _ in headers}
    headers += [field for field in spec.declared if field[0] not in sent]
    if draft.stream is not None and not any(name == b"cache-control" for name, _ in headers):
        headers.append((b"cache-control", b"no-cache"))
    if draft.findings:
        headers = _with_finding(draft.findings[0], spec, headers)
    if draft.status == 500 and draft.source == "mock":  # a defect: trying again does not help
        headers.append((b"x-should-retry", b"false"))
    if match.withdrawn is not None and match.operation is not None:
        text = f"{match.operation.id} is not in {match.withdrawn}; answered from {match.operation.contract}"
        headers.append((b"x-mock-withdrawn", text.encode()))
    return headers


def _with_finding(
    finding: Finding, spec: ResponseSpec, headers: list[tuple[bytes, bytes]]
) -> list[tuple[bytes, bytes]]:
    """Add whose fault an error is, where it is, and the violated place in the contract."""
    return [
        *(field for field in headers if field[0] != b"x-mock-contract"),
        *finding_fields(finding, spec.place),
    ]


def finding_fields(finding: Finding, place: str) -> list[tuple[bytes, bytes]]:
    """Return the header fields that tell a finding; `place` is the contract's where the finding names none."""
    return [
        (b"x-mock-fault", finding.fault.encode()),
        (b"x-mock-pointer", header_value(finding.where)),
        (b"x-mock-message", header_value(finding.message)),
        (b"x-mock-contract", header_value(finding.contract or place)),
    ]


def _writer(draft: Draft, body: BodyFormat | None) -> Callable[[Json], bytes]:
    """Return the writer of such a body; errors are written by the standard library, as FastAPI does."""
    if draft.media is None:
        return _nothing
    if body is not None and body.kind != "json":
        return body.writer(draft.source)
    return _as_json if draft.source == "mock" else orjson.dumps


def _as_json(value: Json) -> bytes:
    try:
        return write_json(value).encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which only an escape can hold
        return json.dumps(value).encode()


def _nothing(_: Json) -> bytes:
    return b""


def _are_valid(is_item: Callable[[Json], bool], values: list[Json]) -> bool:
    try:
        return all(map(is_item, values))
    except ValueError:  # a value that is not JSON
        return False


def _quick(body: BodyFormat | None) -> Callable[[Json], bool]:
    """Return what validates a value quickly."""
    if body is None or body.schema is None or body.items is not None:
        return _must_be_checked
    return body.schema.compiled()


def _undeclared(spec: ResponseSpec, what: str) -> Finding:
    message = f"{what} is not declared"
    return Finding("", "declared", message, "mock", contract=spec.place)


def _broken(found: Sequence[Finding]) -> Draft:
    """Answer 500: the mock's answer broke the contract."""
    first = found[0]
    text = f"The mock's answer breaks the contract at {first.where or 'the root'}: {first.message} ({first.contract})."
    return Draft(500, {"detail": text}, findings=tuple(found))
