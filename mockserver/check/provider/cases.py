"""Requests of an operation as a checker sends them, and what must become of them: taken, refused, or either."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import quote, urlencode

from mockserver.api import Call
from mockserver.contract.openapi import Operation, Parameter
from mockserver.contract.schema import join
from mockserver.messages import Headers, Request
from mockserver.request.validate import RequestValidator, readings

ExpectedOutcome: TypeAlias = Literal["valid", "invalid", "either", "malformed"]
"""What must become of a request: taken; refused as the contract says; one of both; refused in whatever form."""

UNSENT: Any = object()
"""Stands for a body that is not sent."""

JSON_TYPE = "application/json"


class Case(NamedTuple):
    """One request of an operation; `query` in order, `body` any JSON, bytes as they are, or UNSENT."""

    name: str
    operation: Operation
    path: Mapping[str, str]
    query: Sequence[tuple[str, str]] = ()
    body: Any = UNSENT
    content_type: str | None = JSON_TYPE
    headers: Sequence[tuple[str, str]] = ()

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
    if case.body is not UNSENT and case.content_type is not None:
        headers.append((b"content-type", case.content_type.encode()))
    query = urlencode(list(case.query), quote_via=quote, errors="surrogatepass")
    return Request(case.operation.method, target_of(case.operation, case.path), query, Headers(headers), body)


@lru_cache(maxsize=256)
def _judge(operation: Operation) -> RequestValidator:
    return RequestValidator(operation)


def expectation_of(case: Case) -> Expectation:
    """Return the outcome that a request must have.

    What its schemas allow must be taken. What they forbid must be refused, unless the service's framework is known to
    read it all the same: "yes" for a boolean, say.
    """
    sent = None if case.body is UNSENT else case.sent
    return _verdict(
        case.operation,
        tuple(case.path.items()),
        tuple(case.query),
        sent,
        case.content_type,
        isinstance(case.body, bytes),
    )


@lru_cache(maxsize=8_192)
def _verdict(
    operation: Operation,
    path: tuple[tuple[str, str], ...],
    query: tuple[tuple[str, str], ...],
    sent: bytes | None,
    content_type: str | None,
    raw: bool,
) -> Expectation:
    """The same; the cases of the boundaries come again in every run."""
    body = UNSENT if sent is None else sent if raw else json.loads(sent)
    case = Case("", operation, dict(path), query, body, content_type)
    judged = _judge(operation).validate(request_of(case, None), case.path)
    strict = _holds(case)
    if isinstance(judged, Call):
        return Expectation("valid" if strict else "either")
    if strict:
        return Expectation("either")
    detail = judged.value.get("detail")
    if judged.status != 422 or not isinstance(detail, list):
        return Expectation("malformed")
    return Expectation("invalid", tuple(tuple(each["loc"]) for each in detail))


def _holds(case: Case) -> bool:
    """Return whether every part of a request holds its schema to the letter."""
    return all(_parameter_is_right(case, each) for each in case.operation.parameters) and _body_is_right(case)


def _parameter_is_right(case: Case, parameter: Parameter) -> bool:
    sent = {"path": case.path, "query": dict(case.query)}.get(parameter.location)
    if sent is None or parameter.name not in sent:
        return not parameter.required
    return parameter_holds(parameter, sent[parameter.name])


def _body_is_right(case: Case) -> bool:
    body = case.operation.body
    if body is None:
        return True
    if case.body is UNSENT:
        return not body.required
    return not isinstance(case.body, bytes) and case.content_type == JSON_TYPE and body.schema.is_valid(case.body)


def parameter_holds(parameter: Parameter, text: str) -> bool:
    """Return whether a text is a value of a parameter: as it is, or read as the number or the truth that it spells."""
    return any(parameter.schema.is_valid(value) for value in readings(text))


def pointer_of(loc: Sequence[str | int]) -> str:
    """Write a place of a refusal as a JSON pointer into the request."""
    return join("/request", *loc)
