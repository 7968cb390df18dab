"""Requests of an operation as a checker sends them, and what must become of them: taken, refused, or either."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice, product, zip_longest
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import quote, urlencode

from mockserver.answer.judgement import BOM
from mockserver.api import Call
from mockserver.check.provider.credentials import credentials
from mockserver.check.provider.writing import body_of, cookies_in, encoded_segment, pairs_of, segment_of, type_sent
from mockserver.contract.openapi import Media, Operation, Parameter, is_json
from mockserver.contract.resolved import is_same, view_of
from mockserver.contract.schema import Schema
from mockserver.contract.sides import asked, seen_from
from mockserver.contract.tree import join
from mockserver.messages import Headers, Request
from mockserver.request.decode import StrictValidator
from mockserver.request.dialect import speaks_fastapi
from mockserver.request.validate import Rejection, RequestValidator, readings

ExpectedOutcome: TypeAlias = Literal["valid", "invalid", "either", "malformed"]
"""What must become of a request: taken; refused as the contract says; one of both; refused in whatever form."""

UNSENT: Any = object()
"""Stands for a body that is not sent."""

JSON_TYPE = "application/json"

JSON_PATCH = "application/json-patch+json"
"""A media type that says itself which bodies there are, and which can be applied, beside any schema."""

ANY_JSON = Media(type=JSON_TYPE, schema=None, examples={})

USUAL_TYPE = ""
"""Stands for the content type that the contract gives the body."""


class Case(NamedTuple):
    """One request of an operation: the texts of its path and its query as they are written, not encoded.

    `body` is a value, bytes as they are, or UNSENT.
    """

    name: str
    operation: Operation
    path: Mapping[str, str]
    query: Sequence[tuple[str, str]] = ()
    body: Any = UNSENT
    content_type: str | None = USUAL_TYPE
    headers: Sequence[tuple[str, str]] = ()
    media: Media | None = None
    """The representation of the body; the preferred one where it is None."""

    @property
    def written_as(self) -> Media | None:
        """The representation in which the body is written; None for an operation that takes none."""
        body = self.operation.body
        return self.media or (None if body is None else body.preferred)

    @property
    def sent_type(self) -> str | None:
        """The content type that is sent with a body."""
        if self.content_type != USUAL_TYPE:
            return self.content_type
        media = self.written_as
        return JSON_TYPE if media is None else type_sent(media)

    @property
    def sent(self) -> bytes:
        """The body as it is sent."""
        if self.body is UNSENT:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        return body_of(self.written_as or ANY_JSON, self.body)


class Expectation(NamedTuple):
    """What must become of a request, and, where it must be refused, the places that the refusal may name."""

    expected: ExpectedOutcome
    places: tuple[tuple[str | int, ...], ...] = ()
    why: str = ""
    """The part and the constraint that it breaks, in words."""
    where: str = ""
    """The place of what is wrong, as a pointer into the request, where no place is named as FastAPI does."""


def target_of(operation: Operation, path: Mapping[str, str]) -> str:
    """Fill the path of an operation, each value percent-encoded."""
    parts = re.split(r"\{([^{}]+)\}", operation.path)
    fixed = [quote(part, safe="/%:@!$&'()*+,;=~-._?#") for part in parts[::2]]
    filled = [encoded_segment(operation, name, path[name]) for name in parts[1::2]]
    return "".join(part for pair in zip_longest(fixed, filled, fillvalue="") for part in pair)


def request_of(case: Case, key: str | None) -> Request:
    """Make the request of a case, with a key if there is one."""
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in case.headers]
    query = list(case.query)
    if key is not None:
        names = {name for name, _ in headers}
        held = credentials(case.operation, key)
        headers += [field for field in held.headers if field[0] not in names]
        query += held.query
        headers += [(b"cookie", cookies_in(held.cookies).encode())] if held.cookies else []
    body = case.sent
    if case.body is not UNSENT and case.sent_type is not None:
        headers.append((b"content-type", case.sent_type.encode("latin-1", "replace")))
    text = urlencode(query, quote_via=quote, errors="surrogatepass", safe=",")
    return Request(case.operation.method, target_of(case.operation, case.path), text, Headers(_joined(headers)), body)


def _joined(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Write all cookies in one field."""
    cookies = [value for name, value in headers if name == b"cookie"]
    if len(cookies) < 2:
        return headers
    return [*(field for field in headers if field[0] != b"cookie"), (b"cookie", b"; ".join(cookies))]


@lru_cache(maxsize=256)
def _judge(operation: Operation) -> RequestValidator:
    return RequestValidator(asked(operation))


class _Sent(NamedTuple):
    """What a case sends, as a key: the cases of the boundaries come again in every run."""

    operation: Operation
    path: tuple[tuple[str, str], ...]
    query: tuple[tuple[str, str], ...]
    body: bytes | None
    content_type: str | None
    headers: tuple[tuple[str, str], ...]

    def case(self, body: Any) -> Case:
        """Return a case that sends it, with the value of its body."""
        return Case("", self.operation, dict(self.path), self.query, body, self.content_type, self.headers)


def expectation_of(case: Case) -> Expectation:
    """Return the outcome that a request must have.

    What its schemas allow must be taken. What they forbid must be refused, unless the service's framework is known to
    read it all the same ("yes" for a boolean, say), or it sends what only answers have.
    """
    body, is_raw, media = None if case.body is UNSENT else case.sent, isinstance(case.body, bytes), case.written_as
    path, query, headers = tuple(case.path.items()), tuple(case.query), tuple(case.headers)
    sent = _Sent(case.operation, path, query, body, None if body is None else case.sent_type, headers)
    if speaks_fastapi(case.operation, "auto") and (media is None or is_json(media.type)):
        found = _as_fastapi(sent, is_raw)
    else:
        found = _strictly(sent, None if body is None or is_raw else json.dumps(case.body))
    has_form = body is not None and (case.sent_type or "").startswith(JSON_PATCH)
    return Expectation("either") if has_form and found.expected == "valid" else found


@lru_cache(maxsize=8_192)
def _as_fastapi(sent: _Sent, is_raw: bool) -> Expectation:
    """Return the outcome where the service reads as FastAPI does; a raw body need not be JSON."""
    raw = sent.body
    case = sent.case(UNSENT if raw is None else raw if is_raw else json.loads(raw))
    judged = _judge(sent.operation).validate(request_of(case, None), case.path)
    strict = _holds(case)
    if isinstance(judged, Call):
        return Expectation("valid" if strict else "either")
    if strict or (is_raw and (raw or b"").startswith(BOM)):
        return Expectation("either")
    detail = judged.value.get("detail")
    if judged.status != 422 or not isinstance(detail, list):
        return Expectation("malformed", why="the body cannot be read as JSON")
    return Expectation("invalid", tuple(tuple(each["loc"]) for each in detail), _why(detail[0]))


@lru_cache(maxsize=256)
def _reader(operation: Operation) -> StrictValidator:
    return StrictValidator(operation)


@lru_cache(maxsize=8_192)
def _strictly(sent: _Sent, body: str | None) -> Expectation:
    """Return the outcome by JSON Schema alone; `body` is its value as JSON, where it was written from one.

    What can be written in another way, or is read as another value than was meant, may be taken or refused.
    """
    case = sent.case(UNSENT if sent.body is None else sent.body)
    judged = _reader(sent.operation).validate(request_of(case, None), case.path)
    if sent.body is not None and sent.body.startswith(BOM):
        return Expectation("either")
    if isinstance(judged, Call):
        is_plain = _is_usual(judged, case) and _is_as_meant(judged, body)
        is_plain = is_plain and _sends_no_read_only(judged, sent.content_type)
        return Expectation("valid" if is_plain else "either")
    if judged.status in (400, 415):
        return Expectation("malformed", why=judged.findings[0].message, where="/request" + judged.findings[0].where)
    if _is_excusable(judged, case, body):
        return Expectation("either")
    first = judged.findings[0]
    return Expectation("invalid", (), f"{_named(first.where)}: {first.message}", "/request" + first.where)


def _named(where: str) -> str:
    """Name a place of a request in words: body name.first."""
    place, *parts = [each.replace("~1", "/").replace("~0", "~") for each in where.split("/")[1:]] or ["request"]
    return " ".join([place, ".".join(parts)]).strip()


def _is_excusable(judged: Rejection, case: Case, body: str | None) -> bool:
    """Return whether a request that breaks its schema may be taken all the same."""
    if _is_only_empty(judged, case) or judged.call is None:
        return True
    if not _is_as_meant(judged.call, body):
        return True
    schema = _schema_of(case.operation, case.content_type)
    in_body = all(each.where.startswith("/body/") for each in judged.findings)
    return in_body and schema is not None and seen_from(schema, "request").is_valid(judged.call.body)


def _is_usual(call: Call, case: Case) -> bool:
    """Return whether all parameters of a path and a query are written as their values are usually written."""
    pairs: list[tuple[str, str]] = []
    for each in case.operation.parameters:
        held = call.path if each.location == "path" else call.query
        if each.name not in held or each.location not in ("path", "query", "querystring"):
            continue
        value = held[each.name]
        if isinstance(value, float) and value.is_integer() and not _takes_fractions(each.schema):
            return False
        if each.location != "path":
            pairs += pairs_of(each, value)
        elif segment_of(each, value) != case.path[each.name]:
            return False
    return sorted(pairs) == sorted(case.query)


def _is_as_meant(call: Call, body: str | None) -> bool:
    """Return whether a body is read as the value that was written."""
    return body is None or is_same(call.body, json.loads(body))


def _sends_no_read_only(call: Call, content_type: str | None) -> bool:
    """Return whether a body has nothing that only answers have."""
    if call.body is None or call.operation.body is None:
        return True
    if content_type is None:
        return False
    schema = _schema_of(call.operation, content_type)
    return schema is None or not isinstance(call.body, dict) or seen_from(schema, "strict request").is_valid(call.body)


def _schema_of(operation: Operation, content_type: str | None) -> Schema | None:
    """Return the schema of the body that is sent as a content type."""
    media = operation.body.media if operation.body is not None else ()
    return next((each.schema for each in media if type_sent(each) == content_type), None)


def _is_only_empty(judged: Rejection, case: Case) -> bool:
    """Return whether nothing is wrong but that parameters have no value, which servers may take for none."""
    empty = {join("/query", name) for name, text in case.query if not text}
    return all(any(each.where == at or each.where.startswith(at + "/") for at in empty) for each in judged.findings)


def _why(detail: Mapping[str, Any]) -> str:
    """Describe what is wrong with a request: the part, and the constraint that it breaks."""
    place, *parts = map(str, detail["loc"])
    return f"{' '.join([place, '.'.join(parts)]).strip()}: {detail['msg']}"


def _holds(case: Case) -> bool:
    """Return whether every part of a request holds its schema to the letter."""
    return all(_parameter_is_right(case, each) for each in case.operation.parameters) and _body_is_right(case)


def _parameter_is_right(case: Case, parameter: Parameter) -> bool:
    texts = _sent_texts(case, parameter)
    return parameter_holds(parameter, *texts) if texts else not parameter.required


def _sent_texts(case: Case, parameter: Parameter) -> list[str]:
    """Return the texts that a case sends for a parameter."""
    if parameter.location == "path":
        return [case.path[parameter.name]] if parameter.name in case.path else []
    if parameter.location == "query":
        return [text for name, text in case.query if name == parameter.name]
    headers = [(name.lower(), text) for name, text in case.headers]
    if parameter.location == "header":
        return [text for name, text in headers if name == parameter.name]
    cookies = "; ".join(text for name, text in headers if name == "cookie")
    pairs = [each.strip().partition("=") for each in cookies.split(";")]
    return [text for name, _, text in pairs if name == parameter.name]


def _body_is_right(case: Case) -> bool:
    body = case.operation.body
    if body is None:
        return True
    if case.body is UNSENT:
        return not body.required
    is_readable = not isinstance(case.body, bytes) and case.sent_type == body.type
    return is_readable and seen_from(body.schema, "strict request").is_valid(case.body)


def parameter_holds(parameter: Parameter, *texts: str) -> bool:
    """Return whether texts are a value of a parameter: the last as it is or as what it spells, or all as a list."""
    schema = parameter.schema
    if re.fullmatch(r"-?[0-9]+\.0+", texts[-1]) and not _takes_fractions(schema):
        return schema.is_valid(texts[-1])
    if any(schema.is_valid(value) for value in readings(texts[-1])):
        return True
    return any(map(schema.is_valid, islice(map(list, product(*map(readings, texts))), 64)))


@lru_cache(maxsize=1_024)
def _takes_fractions(schema: Schema) -> bool:
    """Return whether 1.0 is a way to write a value: of a number it is, of an integer it may be refused."""
    views, view = view_of(schema)
    return any(leaf.types is None or "number" in leaf.types for leaf in views.leaves(view))


def pointer_of(loc: Sequence[str | int]) -> str:
    """Write a place of a refusal as a JSON pointer into the request."""
    return join("/request", *loc)
