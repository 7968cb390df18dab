"""Small documents of a user's own, and requests to them, judged without an answer."""

from typing import Any
from urllib.parse import unquote

from mockserver.api import Call
from mockserver.contract.load import convert
from mockserver.contract.reader import read_contract
from mockserver.messages import Headers, Json, Request
from mockserver.request.dialect import validator_of
from mockserver.request.validate import Rejection
from mockserver.settings import RefusalForm

OK: Json = {"200": {"description": "ok", "content": {"application/json": {"example": {"ok": True}}}}}


def document(operation: Json, path: str = "/x", method: str = "get", **more: Json) -> Json:
    """Return a document of one operation."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {path: {method: {"responses": dict(OK), **operation}}},
        **more,
    }


def posting(content: Json, *, required: bool = True, **more: Json) -> Json:
    """Return a document of one operation that takes a body."""
    return document({"requestBody": {"required": required, "content": content}}, method="post", **more)


def judge(
    data: Json,
    query: str = "",
    *,
    path: str | None = None,
    headers: list[tuple[str, str]] | None = None,
    body: bytes = b"",
    content_type: str | None = None,
    form: RefusalForm = "auto",
) -> Call | Rejection:
    """Judge a request of a document's only operation; `path` is the text of its parameter p, percent-encoded."""
    contract = read_contract(convert(data, "t.json", lambda _: {}), name="t", file="t.json")
    (operation,) = contract.operations
    fields = [(name.lower().encode(), text.encode("latin-1")) for name, text in headers or []]
    if content_type is not None:
        fields.append((b"content-type", content_type.encode()))
    sent = operation.path if path is None else operation.path.replace("{p}", path)
    request = Request(operation.method, sent, query, Headers(fields), body)
    return validator_of(operation, form, strict=False).validate(request, {} if path is None else {"p": unquote(path)})


def taken(*arguments: Any, **more: Any) -> Call:
    """Return the call of a request that must be right."""
    found = judge(*arguments, **more)
    assert isinstance(found, Call), found.findings
    return found


def refused(*arguments: Any, **more: Any) -> Rejection:
    """Return the rejection of a request that must be wrong."""
    found = judge(*arguments, **more)
    assert isinstance(found, Rejection), (found.path, found.query, found.body)
    return found
