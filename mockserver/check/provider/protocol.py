"""The rules of requests that are wrong by themselves, which are asked once for each operation."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from msgspec import structs

from mockserver.check.provider.cases import Case, request_of
from mockserver.check.provider.checks import CHECKS, UNREADABLE, Check, declares, excuses, wrong
from mockserver.check.provider.credentials import ways
from mockserver.check.provider.values import usual
from mockserver.check.target import Answer
from mockserver.contract import media as media_types
from mockserver.contract.openapi import Contract, Operation, is_json
from mockserver.contract.router import Router
from mockserver.messages import Finding, Headers, Level, Request


class ProtocolCase(NamedTuple):
    """An answer to a request that is about HTTP rather than about an operation's own matter."""

    kind: str
    request: Request
    answer: Answer
    operation: Operation
    contract: Contract
    other: Answer | None = None
    """The answer that this one is compared with."""
    reads_types: bool = False
    """Whether the service is known to refuse what is said to be of another type."""


LookAtProtocol: TypeAlias = Callable[[ProtocolCase], Iterator[Finding]]


class ProtocolCheck(NamedTuple):
    """A rule of protocol cases: its sentence, what looks, and the kinds of cases that it is about."""

    sentence: str
    look: LookAtProtocol
    kinds: tuple[str, ...]


PROTOCOL: dict[str, ProtocolCheck] = {}
"""The rules of protocol_cases, by name."""


def protocol_check(name: str, *kinds: str) -> Callable[[LookAtProtocol], LookAtProtocol]:
    """Make a function a rule of protocol cases of some kinds; it looks only where something came back."""

    def add(look: LookAtProtocol) -> LookAtProtocol:
        PROTOCOL[name] = ProtocolCheck((look.__doc__ or "").strip().splitlines()[0], look, kinds)
        return look

    return add


def run_protocol(asked: ProtocolCase) -> Iterator[tuple[str, list[Finding]]]:
    """Look at an answer by every rule that is about its kind."""
    if not asked.answer.failure:
        for name, each in PROTOCOL.items():
            if asked.kind in each.kinds:
                yield name, list(each.look(asked))


UNSERVED = (405, 501)
"""What a server answers to a method that it does not take here, or nowhere (RFC 9110, 15.5.6 and 15.6.2)."""


WRONG = "wrong-key-0123456789abcdef"
WRONG_KEY = b"Bearer " + WRONG.encode()
"""A key that is well formed, and that nobody has."""


@protocol_check("key-enforced", "no key", "wrong key")
def key_enforced(asked: ProtocolCase) -> Iterator[Finding]:
    """A request without a right key is refused with 401, which says how to bring one."""
    status = asked.answer.status
    if status == 401:
        yield from _challenged(asked)
        return
    if status == 403 and (declares(asked.operation, 403) or asked.kind == "wrong key"):
        return
    what = "without a key" if asked.kind == "no key" else "with a wrong key"
    yield wrong(f"a request {what} was not refused", "/response/status", 401, status, asked.operation.place)


def _challenged(asked: ProtocolCase) -> Iterator[Finding]:
    """Look at how a 401 asks for a key: by a scheme of HTTP where it takes one, by anything for an API key."""
    told = ", ".join(asked.answer.headers.all(b"www-authenticate"))
    named = sorted(ways(asked.operation) - {"", "apiKey"})
    is_told = any(re.search(rf"(^|,)\s*{re.escape(way)}(\s|,|$)", told, re.IGNORECASE) for way in named)
    if _says_nothing_of_headers(asked) and not (is_told if named else told):
        message = "a 401 does not say how to bring a key"
        expected = ", ".join(way.title() for way in named) or "a challenge (RFC 9110, 11.6.1)"
        level: Level = "error" if named else "note"
        yield wrong(message, "/response/header/www-authenticate", expected, told or None, level=level)


def _says_nothing_of_headers(asked: ProtocolCase) -> bool:
    """Return whether only HTTP says what a 401 must have; if the contract says it, another rule looks."""
    reply = asked.operation.reply(401)
    return reply is None or "www-authenticate" not in reply.required_headers


@protocol_check("method-refused", "other method")
def method_refused(asked: ProtocolCase) -> Iterator[Finding]:
    """A method that a path does not take is refused with 405."""
    if asked.answer.status not in UNSERVED:
        message = f"{asked.request.method} was not refused"
        yield wrong(message, "/response/status", 405, asked.answer.status, asked.operation.place)


@protocol_check("allow-header", "other method")
def allow_told(asked: ProtocolCase) -> Iterator[Finding]:
    """A 405 says in Allow which methods the path takes."""
    if asked.answer.status != 405:
        return
    told = {each.strip() for each in (asked.answer.headers.text(b"allow") or "").split(",") if each.strip()}
    declared = {each.method for each in asked.contract.operations if each.path == asked.operation.path}
    if not declared <= told <= methods_at(asked.contract, asked.request.path):
        yield wrong("Allow is not right", "/response/header/allow", sorted(declared), sorted(told))


@lru_cache(maxsize=16)
def _router(contract: Contract) -> Router:
    return Router((contract,))


def methods_at(contract: Contract, path: str) -> frozenset[str]:
    """Return the methods that a path may take: those of every template that it fits."""
    return _router(contract).match("", path, Headers()).allowed


@protocol_check("unknown-path", "unknown path")
def unknown_path(asked: ProtocolCase) -> Iterator[Finding]:
    """A path that no operation has is refused with 404."""
    if asked.answer.status != 404:
        yield wrong("an unknown path was not refused", "/response/status", 404, asked.answer.status)


@protocol_check("head-as-get", "head")
def head_as_get(asked: ProtocolCase) -> Iterator[Finding]:
    """HEAD answers as GET does, without the body, or is refused with 405 where it is not declared."""
    if asked.other is None or asked.answer.status in UNSERVED or asked.other.failure:
        return
    if any(excuses(asked.operation, each.status) for each in (asked.answer, asked.other)):  # only one was taken
        return
    if asked.answer.status != asked.other.status:
        yield wrong("HEAD has another status than GET", "/response/status", asked.other.status, asked.answer.status)
    if asked.answer.body:
        yield wrong("HEAD has a body", "/response/body", "no body", len(asked.answer.body))
    told, expected = asked.answer.media_type, asked.other.media_type
    if told and told != expected:
        yield wrong("HEAD has another content type than GET", "/response/header/content-type", expected, told)


@protocol_check("malformed-refused", *UNREADABLE)
def malformed_refused(asked: ProtocolCase) -> Iterator[Finding]:
    """What is no JSON or no UTF-8 is refused, and what is of another type by a service that is known to look at it."""
    status = asked.answer.status
    if 400 <= status < 500:
        return
    if asked.kind == "malformed":
        yield wrong("what cannot be read was not refused", "/response/status", "4xx", status)
    else:
        kind = asked.request.headers.text(b"content-type")
        level: Level = "error" if asked.reads_types else "note"
        yield wrong(f"a body of the type {kind} was taken", "/request/header/content-type", "4xx", status, level=level)


def sentences(more: Mapping[str, Check]) -> Mapping[str, str]:
    """Return every check of shape with its sentence, `more` of an API's own."""
    return {
        **{each.name: each.sentence for each in (*CHECKS.values(), *more.values())},
        **{name: each.sentence for name, each in PROTOCOL.items()},
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
    contract: Contract,
    operation: Operation,
    path: Mapping[str, str],
    key: str | None,
    *,
    is_known_key: bool,
    first_of_path: bool,
) -> Iterator[tuple[str, Request, Request | None]]:
    """Yield each kind and request, and one that its answer is compared with, if any.

    A wrong key is sent where the right one is known; what is about a path is sent by its first operation.
    """
    case = usual(operation, path)
    plain = request_of(case, key)
    if operation.secured and key is not None:
        yield from (("no key", each, None) for each in _keyless(case))
        if is_known_key and any(ways(operation)):
            yield "wrong key", request_of(case, WRONG), None
    if first_of_path:
        others = [method for method in OTHER_METHODS if method not in methods_at(contract, plain.path)]
        yield from (("other method", structs.replace(plain, method=method), None) for method in others)
        unknown = plain.path + "/unknown/path"
        if not methods_at(contract, unknown):
            yield "unknown path", structs.replace(plain, path=unknown), None
    if operation.method == "GET":
        yield "head", structs.replace(plain, method="HEAD"), plain
    yield from _unreadable(case, plain, key)


def _unreadable(case: Case, plain: Request, key: str | None) -> Iterator[tuple[str, Request, Request | None]]:
    """Yield requests whose body is not what its content type says, or of a type that is not declared."""
    body = case.operation.body
    if body is None:
        return
    if all(is_json(each.type) for each in body.media):
        yield from (("malformed", structs.replace(plain, body=data), None) for data in MALFORMED)
    elif media_types.kind_of(media_types.read(body.type)) == "xml":
        yield "malformed", structs.replace(plain, body=b"<root"), None
    if body.required:
        for kind in sorted(OTHER_TYPES - declared_types(case.operation)):
            yield "other type", request_of(case._replace(content_type=kind), key), None


def _keyless(case: Case) -> Iterator[Request]:
    """Yield requests without a key: without the field, with an empty one, and with one of another scheme."""
    found = ways(case.operation)
    if not any(found):  # a certificate is no part of a request
        return
    bare = request_of(case, None)
    yield bare
    if found & {"bearer", "basic"}:
        values = [b"", *(way.title().encode() for way in sorted(found & {"bearer", "basic"}))]
        values += [b"Basic eDp5"] if "basic" not in found else []
        for value in values:
            yield structs.replace(bare, headers=Headers([*bare.headers.raw, (b"authorization", value)]))


OTHER_TYPES = frozenset(("text/plain", "application/xml", "application/x-www-form-urlencoded"))


def declared_types(operation: Operation) -> frozenset[str]:
    """Return which of these types an operation takes."""
    if operation.body is None:
        return frozenset()
    declared = [each.type for each in operation.body.media]
    return frozenset(kind for kind in OTHER_TYPES if media_types.declared_index(declared, kind) is not None)
