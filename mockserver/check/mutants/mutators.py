"""What every catalogue of mutants is made of: a server spoiled in one way, and how its answers are changed."""

import json
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from msgspec import structs

from mockserver.messages import Handler, Json, RawHeaders, Request, Response

Wrap: TypeAlias = Callable[[Handler], Handler]
"""Makes a Handler that is otherwise than the one that it is given."""


class Mutant(NamedTuple):
    """A server that is otherwise than the mock in exactly one way."""

    name: str
    what: str
    """What it does, in words."""
    wrap: Wrap
    rule: str = ""
    """The rule that alone sees it; "" where several may."""
    version: str = ""
    """The version of the contract that it serves."""


def mutants(rule: str, *rows: tuple[str, str, Wrap], version: str = "") -> tuple[Mutant, ...]:
    """Make mutants that one rule alone sees ("" where several may), each of its name, what it does, and how."""
    return tuple(Mutant(name, what, wrap, rule, version) for name, what, wrap in rows)


def parsed(body: bytes, default: Json = None) -> Json:
    """Return the decoded JSON of a body, or a default where it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return default


def body_of(request: Request) -> Json:
    """Return the body of a request; {} where it is no object."""
    value = parsed(request.body)
    return value if isinstance(value, dict) else {}


def is_malformed(request: Request) -> bool:
    """Return whether a request has a body that is not JSON."""
    return bool(request.body) and parsed(request.body, ...) is ...


def is_json(request: Request) -> bool:
    """Return whether a request has a body of JSON, and says so."""
    is_said = request.headers.get(b"content-type") == b"application/json"
    return is_said and bool(request.body) and not is_malformed(request)


def flat(response: Response) -> Response:
    """Return an answer whose stream was read to its end, as a body."""
    if response.stream is None:
        return response
    told = b"".join(chunk.data for chunk in response.stream.chunks)
    return structs.replace(response, body=told + response.stream.close(len(response.stream.chunks)), stream=None)


def value_of(response: Response) -> Json:
    """Return the decoded body of an answer; None where it is no JSON."""
    return parsed(response.body)


def with_body(response: Response, body: bytes) -> Response:
    """Return an answer with another body and its length."""
    fields = [field for field in response.headers if field[0] != b"content-length"]
    return structs.replace(response, headers=[*fields, (b"content-length", b"%d" % len(body))], body=body, stream=None)


def with_value(response: Response, value: Json) -> Response:
    """Return an answer with another JSON body."""
    return with_body(response, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def with_header(response: Response, name: str, value: str | None) -> Response:
    """Return an answer with another header field, or, for None, without it."""
    fields = [field for field in response.headers if field[0] != name.encode()]
    more: RawHeaders = [] if value is None else [(name.encode(), value.encode("latin-1"))]
    return structs.replace(response, headers=[*fields, *more])


def plain(status: int, value: Json, *headers: tuple[str, str]) -> Response:
    """Make an answer of JSON."""
    fields = [(b"content-type", b"application/json"), *((n.encode(), v.encode()) for n, v in headers)]
    return with_value(Response(status, fields), value)


def is_success(response: Response) -> bool:
    """Return whether an answer took its request."""
    return 200 <= response.status < 300


def instead(make: Callable[[Request], Response | None]) -> Wrap:
    """Answer some requests otherwise, without asking the good server; None leaves a request to it."""

    def wrap(handler: Handler) -> Handler:
        def handle(request: Request) -> Response:
            made = make(request)
            return handler(request) if made is None else made

        return handle

    return wrap


def failing(when: Callable[[Request], bool], status: int = 500) -> Wrap:
    """Fail at some requests."""
    return instead(lambda request: plain(status, {"detail": "Internal Server Error"}) if when(request) else None)
