"""Requests of an operation as a checker sends them, and what must become of them: taken, refused, or either."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import islice, product
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import quote, urlencode

from mockserver.api import Call
from mockserver.contract.openapi import Operation, Parameter
from mockserver.contract.resolved import view_of
from mockserver.contract.schema import Schema
from mockserver.contract.sides import asked, seen_from
from mockserver.contract.tree import join
from mockserver.messages import Headers, Request
from mockserver.request.validate import RequestValidator, readings

ExpectedOutcome: TypeAlias = Literal["valid", "invalid", "either", "malformed"]
"""What must become of a request: taken; refused as the contract says; one of both; refused in whatever form."""

UNSENT: Any = object()
"""Stands for a body that is not sent."""

JSON_TYPE = "application/json"

USUAL_TYPE = ""
"""Stands for the content type that the contract gives the body."""

BOM = b"\xef\xbb\xbf"
"""A byte order mark, which a reader of JSON may ignore or refuse (RFC 8259, 8.1)."""


class Case(NamedTuple):
    """One request of an operation; `query` in order, `body` any JSON, bytes as they are, or UNSENT."""

    name: str
    operation: Operation
    path: Mapping[str, str]
    query: Sequence[tuple[str, str]] = ()
    body: Any = UNSENT
    content_type: str | None = USUAL_TYPE
    headers: Sequence[tuple[str, str]] = ()

    @property
    def sent_type(self) -> str | None:
        """The content type that is sent with a body."""
        if self.content_type != USUAL_TYPE:
            return self.content_type
        return JSON_TYPE if self.operation.body is None else self.operation.body.type

    @property
    def sent(self) -> bytes:
        """The body as it is sent."""
        if self.body is UNSENT:
            return b""
        if isinstance(self.body, bytes):
            return self.body
        return json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


class Expectation(NamedTuple):
    """What must become of a request, and, where it must be refused, the places that the refusal may name."""

    expected: ExpectedOutcome
    places: tuple[tuple[str | int, ...], ...] = ()
    why: str = ""
    """The part and the constraint that it breaks, in words."""


def target_of(operation: Operation, path: Mapping[str, str]) -> str:
    """Fill the path of an operation, each value percent-encoded whole."""
    return re.sub(r"\{([^{}]+)\}", lambda match: quote(path[match[1]], safe=""), operation.path)


def request_of(case: Case, key: str | None) -> Request:
    """Make the request of a case, with a key if there is one."""
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in case.headers]
    names = {name for name, _ in headers}
    if key is not None and b"authorization" not in names:
        headers.append((b"authorization", b"Bearer " + key.encode()))
    body = case.sent
    if case.body is not UNSENT and case.sent_type is not None:
        headers.append((b"content-type", case.sent_type.encode()))
    query = urlencode(list(case.query), quote_via=quote, errors="surrogatepass")
    return Request(case.operation.method, target_of(case.operation, case.path), query, Headers(headers), body)


@lru_cache(maxsize=256)
def _judge(operation: Operation) -> RequestValidator:
    return RequestValidator(asked(operation))


def expectation_of(case: Case) -> Expectation:
    """Return the outcome that a request must have.

    What its schemas allow must be taken. What they forbid must be refused, unless the service's framework is known to
    read it all the same ("yes" for a boolean, say), or it sends what only answers have.
    """
    sent = None if case.body is UNSENT else case.sent
    return _verdict(
        case.operation,
        tuple(case.path.items()),
        tuple(case.query),
        sent,
        case.sent_type,
        tuple(case.headers),
        isinstance(case.body, bytes),
    )


@lru_cache(maxsize=8_192)
def _verdict(
    operation: Operation,
    path: tuple[tuple[str, str], ...],
    query: tuple[tuple[str, str], ...],
    sent: bytes | None,
    content_type: str | None,
    headers: tuple[tuple[str, str], ...],
    raw: bool,
) -> Expectation:
    """The same; the cases of the boundaries come again in every run."""
    body = UNSENT if sent is None else sent if raw else json.loads(sent)
    case = Case("", operation, dict(path), query, body, content_type, headers)
    judged = _judge(operation).validate(request_of(case, None), case.path)
    strict = _holds(case)
    if isinstance(judged, Call):
        return Expectation("valid" if strict else "either")
    if strict or (raw and (sent or b"").startswith(BOM)):
        return Expectation("either")
    detail = judged.value.get("detail")
    if judged.status != 422 or not isinstance(detail, list):
        return Expectation("malformed", why="the body cannot be read as JSON")
    return Expectation("invalid", tuple(tuple(each["loc"]) for each in detail), _why(detail[0]))


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
