"""The rules of requests that are wrong by themselves, which are asked once for each operation."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from msgspec import structs

from mockserver.check.provider.boundaries import base_body
from mockserver.check.provider.cases import Case, request_of
from mockserver.check.provider.checks import CHECKS, Check, wrong
from mockserver.check.target import Answer
from mockserver.contract.openapi import Contract, Operation, taken_methods
from mockserver.messages import Finding, Headers, Request


class ProtocolCase(NamedTuple):
    """An answer to a request that is about HTTP rather than about an operation's own matter."""

    kind: str
    request: Request
    answer: Answer
    operation: Operation
    contract: Contract
    other: Answer | None = None
    """The answer that this one is compared with."""


LookAtProtocol: TypeAlias = Callable[[ProtocolCase], Iterator[Finding]]

PROTOCOL: dict[str, tuple[str, LookAtProtocol]] = {}
"""The rules of protocol_cases: name -> sentence, and what looks."""


def protocol_check(name: str) -> Callable[[LookAtProtocol], LookAtProtocol]:
    """Make a function a rule of protocol_cases."""

    def add(look: LookAtProtocol) -> LookAtProtocol:
        PROTOCOL[name] = ((look.__doc__ or "").strip().splitlines()[0], look)
        return look

    return add


@protocol_check("key-enforced")
def key_enforced(asked: ProtocolCase) -> Iterator[Finding]:
    """A request without a key is refused with 401, which says how to bring one."""
    if asked.kind != "no key" or asked.answer.failure:
        return
    if asked.answer.status != 401:
        yield wrong(
            "a request without a key was not refused",
            "/response/status",
            401,
            asked.answer.status,
            asked.operation.place,
        )
    elif _says_nothing_of_headers(asked) and not (
        (asked.answer.headers.text(b"www-authenticate") or "").lower().startswith("bearer")
    ):
        received = asked.answer.headers.text(b"www-authenticate")
        yield wrong("a 401 does not say how to bring a key", "/response/header/www-authenticate", "Bearer", received)


def _says_nothing_of_headers(asked: ProtocolCase) -> bool:
    """Return whether only HTTP says what a 401 must have; if the contract says it, another rule looks."""
    reply = asked.operation.reply(401)
    return reply is None or "www-authenticate" not in reply.required_headers


@protocol_check("method-refused")
def method_refused(asked: ProtocolCase) -> Iterator[Finding]:
    """A method that a path does not take is refused with 405."""
    if asked.kind == "other method" and not asked.answer.failure and asked.answer.status != 405:
        message = f"{asked.request.method} was not refused"
        yield wrong(message, "/response/status", 405, asked.answer.status, asked.operation.place)


@protocol_check("allow-header")
def allow_header(asked: ProtocolCase) -> Iterator[Finding]:
    """A 405 says in Allow which methods the path takes."""
    if asked.kind != "other method" or asked.answer.status != 405:
        return
    told = {each.strip() for each in (asked.answer.headers.text(b"allow") or "").split(",") if each.strip()}
    declared = {each.method for each in asked.contract.operations if each.path == asked.operation.path}
    if not declared <= told <= taken_methods(declared):
        yield wrong("Allow is not right", "/response/header/allow", sorted(declared), sorted(told))


@protocol_check("unknown-path")
def unknown_path(asked: ProtocolCase) -> Iterator[Finding]:
    """A path that no operation has is refused with 404."""
    if asked.kind == "unknown path" and not asked.answer.failure and asked.answer.status != 404:
        yield wrong("an unknown path was not refused", "/response/status", 404, asked.answer.status)


@protocol_check("head-as-get")
def head_as_get(asked: ProtocolCase) -> Iterator[Finding]:
    """HEAD answers as GET does, without the body."""
    if asked.kind != "head" or asked.other is None or asked.answer.status == 405:
        return
    if asked.answer.failure or asked.other.failure:
        return
    if asked.answer.status != asked.other.status:
        yield wrong("HEAD has another status than GET", "/response/status", asked.other.status, asked.answer.status)
    if asked.answer.body:
        yield wrong("HEAD has a body", "/response/body", "no body", len(asked.answer.body))
    told, expected = asked.answer.media_type, asked.other.media_type
    if told and told != expected:
        yield wrong("HEAD has another content type than GET", "/response/header/content-type", expected, told)


@protocol_check("malformed-refused")
def malformed_refused(asked: ProtocolCase) -> Iterator[Finding]:
    """What is no JSON, no UTF-8 or of another type is refused."""
    if asked.kind == "malformed" and not asked.answer.failure and not 400 <= asked.answer.status < 500:
        yield wrong("what cannot be read was not refused", "/response/status", "4xx", asked.answer.status)


def sentences(more: Mapping[str, Check]) -> Mapping[str, str]:
    """Return every check of shape with its sentence, `more` of an API's own."""
    return {
        **{each.name: each.sentence for each in (*CHECKS.values(), *more.values())},
        **{name: told for name, (told, _) in PROTOCOL.items()},
    }


OTHER_METHODS = ("PATCH", "PUT", "DELETE", "GET", "POST")
"""Methods that are tried where a path does not take them."""

MALFORMED: tuple[bytes, ...] = (
    b"{",
    b'{"text":',
    b"nonsense",
    b"\xff\xfe\xfd",
    b'{"text": "\xe9"}',
    b'{"a": NaN',
    b"[" * 5_000,
    b'{"a":' * 5_000,
    b"\x00" * 64,
    b'"\\ud800"x',
)
"""Bytes that are no JSON."""


def protocol_cases(
    operation: Operation, path: Mapping[str, str], key: str | None
) -> Iterator[tuple[str, Request, Request | None]]:
    """Yield each kind and request, and one that its answer is compared with, if any."""
    usual = request_of(Case("the usual", operation, path, (), base_body(operation)), key)
    if operation.secured and key is not None:
        for value in (None, b"", b"Bearer", b"Basic eDp5"):
            yield "no key", _with_key(usual, value), None
    for method in OTHER_METHODS:
        if method not in operation.allow:
            yield "other method", structs.replace(usual, method=method), None
    yield "unknown path", structs.replace(usual, path=usual.path + "/unknown/path"), None
    if operation.method == "GET":
        yield "head", structs.replace(usual, method="HEAD"), usual
    if operation.body is not None:
        for body in MALFORMED:
            yield "malformed", structs.replace(usual, body=body), None
        if operation.body.required:
            for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded"):
                yield "malformed", request_of(Case("another type", operation, path, (), usual.body, kind), key), None


def _with_key(request: Request, value: bytes | None) -> Request:
    fields = [field for field in request.headers.raw if field[0] != b"authorization"]
    return structs.replace(request, headers=Headers([*fields, *([] if value is None else [(b"authorization", value)])]))
