"""Requests that are about HTTP itself: without a key, by other methods, to no path, with bytes that are no JSON."""

from collections.abc import Iterator, Mapping

from mockserver.check.boundaries import base_body
from mockserver.check.cases import Case, request_of
from mockserver.contract import Operation
from mockserver.exchange import Headers, Request

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
