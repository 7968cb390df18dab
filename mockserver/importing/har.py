"""Reads HTTP archives (HAR 1.2), as browsers and proxies save them."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_plus, urlencode, urlsplit

from mockserver.contract.router import Match
from mockserver.endpoint import Unserved
from mockserver.engine import Mock
from mockserver.importing.found import ForeignAnswer, ForeignStub, LeftOut, LeftOutError, member, without_secrets
from mockserver.journal.exchange import SERVICE, Entry
from mockserver.matching import Fields, parts_of
from mockserver.messages import Headers, Json, Request, Response
from mockserver.proxy.recording import scrubbed
from mockserver.redact import Redactor
from mockserver.request.validate import Rejection


def read_har(entries: list[Any], name: str, mock: Mock) -> Iterator[ForeignStub | LeftOut]:
    """Yield what the entries of an archive become; those with the same request become one, in their order."""
    same: dict[str, ForeignStub] = {}
    for number, entry in enumerate(entries, 1):
        where = f"{name}: entry {number}"
        try:
            request = _request(entry)
            where += f": {request.method} {request.path:.200}"
            found = _found(where, entry, request, mock)
        except LeftOutError as error:
            yield LeftOut(where, str(error))
            continue
        key = json.dumps([found.operation and found.operation.id, found.when], sort_keys=True)
        before = same.get(key)
        same[key] = found if before is None else before._replace(answers=(*before.answers, *found.answers))
    yield from sorted(same.values(), key=lambda each: _weight(dict(each.when)))  # later stubs win


def _weight(value: Json) -> int:
    """Return how much an expected value says: more than each that it includes."""
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(_weight, below))


def _found(where: str, entry: Any, request: Request, mock: Mock) -> ForeignStub:
    response = _response(entry)
    match = matched(mock, request)
    known = mock.served.stubs.fields[match.operation.id] if match.operation else Fields()
    when, notes = _when(request, match, known, mock.redactor)
    exchange = scrubbed(Entry(0, request, match, "", response), 1, mock.reading)
    answer = ForeignAnswer(exchange.status, exchange.answer_headers, exchange.answer)
    return ForeignStub(where, match.operation, when, (answer,), notes)


def matched(mock: Mock, request: Request) -> Match:
    """Return the operation of a request that the contract allows; LeftOutError says why there is none."""
    match = mock.served.router.match(request.method, request.path, request.headers)
    if match.operation is None:
        allowed = ", ".join(sorted(match.allowed))
        raise LeftOutError(f"the contract has {allowed} here" if allowed else "the contract has no such path")
    if match.operation.method != request.method:
        raise LeftOutError(f"an answer to {request.method} has no body to keep")
    endpoint = mock.served.endpoints[match.operation]
    if isinstance(endpoint, Unserved):
        raise LeftOutError("the contract of the operation cannot be read")
    judged = endpoint.validator.validate(request, match.path)
    if isinstance(judged, Rejection):
        first = mock.redactor.findings(judged.findings, request)[0]
        raise LeftOutError(f"the request breaks the contract at {first.where or 'the root'}: {first.message}")
    return match


def _request(entry: Any) -> Request:
    sent = member(entry, "request", dict)
    url = member(sent, "url", str)
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise LeftOutError(f"its URL cannot be read: {error}") from error
    body, kind = _posted(sent)
    path = quote(parts.path or "/", safe="/:@!$&'()*+,;=~%")
    query = quote(parts.query, safe="/:@!$&'()*+,;=~%?")
    return Request(member(sent, "method", str).upper(), path, query, Headers(_fields(sent, kind)), body)


def _posted(sent: Any) -> tuple[bytes, str]:
    """Return the body of a request, and its media type."""
    data = member(sent, "postData", dict, {})
    kind, text = member(data, "mimeType", str, ""), member(data, "text", str, "")
    parameters = member(data, "params", list, [])
    if not text and parameters and kind.startswith("application/x-www-form-urlencoded"):
        pairs = [(member(each, "name", str), member(each, "value", str, "")) for each in parameters]
        text = urlencode([(unquote_plus(name), unquote_plus(value)) for name, value in pairs])
    return text.encode("utf-8", "replace"), kind


def _response(entry: Any) -> Response:
    answer = member(entry, "response", dict)
    status = member(answer, "status", int)
    if not 200 <= status <= 599:
        raise LeftOutError(f"it has no answer that can be given: status {status}")
    content = member(answer, "content", dict, {})
    text, kind = member(content, "text", str, ""), member(content, "mimeType", str, "")
    if not text and member(content, "size", int, 0) > 0:
        raise LeftOutError("the archive does not hold the body of the answer; save it with content")
    return Response(status, _fields(answer, kind), _decoded(text, member(content, "encoding", str, "")), source=SERVICE)


def _decoded(text: str, encoding: str) -> bytes:
    if encoding != "base64":
        return text.encode("utf-8", "replace")
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise LeftOutError(f"its body is no base64: {error}") from error


def _fields(message: Any, kind: str) -> list[tuple[bytes, bytes]]:
    """Return header fields, with the media type of the body; those of HTTP/2 that are no fields are left out."""
    found = list[tuple[bytes, bytes]]()
    for each in member(message, "headers", list, []):
        name, value = member(each, "name", str), member(each, "value", str, "")
        if not name.startswith(":"):
            found.append((name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace")))
    if kind and not any(name == b"content-type" for name, _ in found):
        found.append((b"content-type", kind.encode("latin-1", "replace")))
    return found


def _when(request: Request, match: Match, known: Fields, redactor: Redactor) -> tuple[dict[str, Json], tuple[str, ...]]:
    """Return what a stub expects of the request, and notes of what it does not."""
    notes = []
    when: dict[str, Json] = {}
    path = {name: value for name, value in match.path.items() if not redactor.is_secret(name)}
    query = dict(parse_qsl(request.query, keep_blank_values=True))
    public = {name: value for name, value in query.items() if name in known.query and not redactor.is_secret(name)}
    body = parts_of({}, "", (), request.body).body
    if _is_matched(request, body, redactor):
        body = without_secrets(body, redactor)
    elif body is not None:
        body = None
        notes.append("its body is not matched")
    for name in sorted(query.keys() - public.keys()):
        notes.append(f"the query parameter {name!r} is not matched")
    for part, value in (("path", path), ("query", public), ("body", body)):
        if value or (part == "body" and value is not None):
            when[part] = value
    return when, tuple(notes)


def _is_matched(request: Request, body: Json, redactor: Redactor) -> bool:
    """Return whether a body is the same when it is sent again, and may be written down: JSON, and forms."""
    kind = request.headers.text(b"content-type") or ""
    if kind.startswith("application/x-www-form-urlencoded"):
        return isinstance(body, str) and redactor.query(body) == body
    return body is not None and (not isinstance(body, str) or "json" in kind)
