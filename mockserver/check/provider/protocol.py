"""The rules of requests that are wrong by themselves, which are asked once for each operation."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from mockserver.check.provider.boundaries import base_body
from mockserver.check.provider.cases import Case, request_of
from mockserver.check.provider.checks import SHAPE, Broken
from mockserver.check.target import Answer
from mockserver.contract.openapi import Contract, Operation, taken_methods
from mockserver.messages import Headers, Request


class Probe(NamedTuple):
    """An answer to a request that is about HTTP rather than about an operation's own matter."""

    kind: str
    request: Request
    answer: Answer
    operation: Operation
    contract: Contract
    other: Answer | None = None
    """The answer that this one is compared with."""


LookAtProbe: TypeAlias = Callable[[Probe], Iterator[Broken]]

PROBES: dict[str, tuple[str, LookAtProbe]] = {}
"""The rules of probes: name -> sentence, and what looks."""


def probe_rule(name: str) -> Callable[[LookAtProbe], LookAtProbe]:
    """Make a function a rule of probes."""

    def add(look: LookAtProbe) -> LookAtProbe:
        PROBES[name] = ((look.__doc__ or "").strip().splitlines()[0], look)
        return look

    return add


@probe_rule("key-enforced")
def key_enforced(probe: Probe) -> Iterator[Broken]:
    """A request without a key is refused with 401, which says how to bring one."""
    if probe.kind != "no key" or probe.answer.failure:
        return
    if probe.answer.status != 401:
        yield Broken(
            "a request without a key was not refused",
            "/response/status",
            401,
            probe.answer.status,
            probe.operation.place,
        )
    elif _says_nothing_of_headers(probe) and not (
        (probe.answer.headers.text(b"www-authenticate") or "").lower().startswith("bearer")
    ):
        received = probe.answer.headers.text(b"www-authenticate")
        yield Broken("a 401 does not say how to bring a key", "/response/header/www-authenticate", "Bearer", received)


def _says_nothing_of_headers(probe: Probe) -> bool:
    """Say whether it is left to HTTP what a 401 must have; where the contract says it, another rule looks."""
    reply = probe.operation.reply(401)
    return reply is None or "www-authenticate" not in reply.required_headers


@probe_rule("method-refused")
def method_refused(probe: Probe) -> Iterator[Broken]:
    """A method that a path does not take is refused with 405."""
    if probe.kind == "other method" and not probe.answer.failure and probe.answer.status != 405:
        message = f"{probe.request.method} was not refused"
        yield Broken(message, "/response/status", 405, probe.answer.status, probe.operation.place)


@probe_rule("allow-told")
def allow_told(probe: Probe) -> Iterator[Broken]:
    """A 405 says in Allow which methods the path takes."""
    if probe.kind != "other method" or probe.answer.status != 405:
        return
    told = {each.strip() for each in (probe.answer.headers.text(b"allow") or "").split(",") if each.strip()}
    declared = {each.method for each in probe.contract.operations if each.path == probe.operation.path}
    if not declared <= told <= taken_methods(declared):
        yield Broken("Allow is not right", "/response/header/allow", sorted(declared), sorted(told))


@probe_rule("unknown-path")
def unknown_path(probe: Probe) -> Iterator[Broken]:
    """A path that no operation has is refused with 404."""
    if probe.kind == "unknown path" and not probe.answer.failure and probe.answer.status != 404:
        yield Broken("an unknown path was not refused", "/response/status", 404, probe.answer.status)


@probe_rule("head-as-get")
def head_as_get(probe: Probe) -> Iterator[Broken]:
    """HEAD answers as GET does, without the body."""
    if probe.kind != "head" or probe.other is None or probe.answer.status == 405:
        return
    if probe.answer.failure or probe.other.failure:
        return
    if probe.answer.status != probe.other.status:
        yield Broken("HEAD has another status than GET", "/response/status", probe.other.status, probe.answer.status)
    if probe.answer.body:
        yield Broken("HEAD has a body", "/response/body", "no body", len(probe.answer.body))
    told, expected = probe.answer.media_type, probe.other.media_type
    if told and told != expected:
        yield Broken("HEAD has another content type than GET", "/response/header/content-type", expected, told)


@probe_rule("malformed-refused")
def malformed_refused(probe: Probe) -> Iterator[Broken]:
    """What is no JSON, no UTF-8 or of another type is refused."""
    if probe.kind == "malformed" and not probe.answer.failure and not 400 <= probe.answer.status < 500:
        yield Broken("what cannot be read was not refused", "/response/status", "4xx", probe.answer.status)


def rules_told() -> Mapping[str, str]:
    """Give every rule of shape with its sentence."""
    return {
        **{each.name: each.sentence for each in SHAPE.values()},
        **{name: told for name, (told, _) in PROBES.items()},
    }


OTHER_METHODS = ("PATCH", "PUT", "DELETE", "GET", "POST")
"""Methods that are tried where a path does not take them."""

MALFORMED: tuple[bytes, ...] = (
    b"{",
    b'{"first_message":',
    b"nonsense",
    b"\xff\xfe\xfd",
    b'{"first_message": "\xe9"}',
    b'{"a": NaN',
    b"[" * 5_000,
    b'{"a":' * 5_000,
    b"\x00" * 64,
    b'"\\ud800"x',
)
"""Bytes that are no JSON."""


def probes(
    operation: Operation, path: Mapping[str, str], key: str | None
) -> Iterator[tuple[str, Request, Request | None]]:
    """Give each probe: its kind, the request, and one that its answer is compared with, if any."""
    usual = request_of(Case("the usual", operation, path, (), base_body(operation)), key)
    if operation.secured and key is not None:
        for value in (None, b"", b"Bearer", b"Basic eDp5"):
            yield "no key", _with_key(usual, value), None
    for method in OTHER_METHODS:
        if method not in operation.allow:
            yield "other method", usual._replace(method=method), None
    yield "unknown path", usual._replace(path=usual.path + "/unknown/path"), None
    if operation.method == "GET":
        yield "head", usual._replace(method="HEAD"), usual
    if operation.body is not None:
        for body in MALFORMED:
            yield "malformed", usual._replace(body=body), None
        if operation.body.required:
            for kind in ("text/plain", "application/xml", "application/x-www-form-urlencoded"):
                case = Case("another type", operation, path, (), b'{"first_message": "x"}', kind)
                yield "malformed", request_of(case, key), None


def _with_key(request: Request, value: bytes | None) -> Request:
    fields = [field for field in request.headers.raw if field[0] != b"authorization"]
    return request._replace(headers=Headers([*fields, *([] if value is None else [(b"authorization", value)])]))
