"""The callbacks of an operation: the requests that it sends after its answer, by OpenAPI's runtime expressions."""

import json
import logging
import re
from collections.abc import Mapping
from random import Random
from urllib.parse import parse_qs, quote, urlencode

from mockserver.answer.body import format_of, usable_examples
from mockserver.answer.generate import assemble, generate
from mockserver.answer.written import as_text
from mockserver.contract.media import concrete
from mockserver.contract.openapi import Operation, Parameter
from mockserver.contract.schema import Schema
from mockserver.contract.tree import lookup
from mockserver.errors import ContractError
from mockserver.messages import Headers, Json, Request, Response
from mockserver.server.callback import Callback

log = logging.getLogger("mockserver")

_EXPRESSION = re.compile(r"\{(\$[^{}]*)\}")


def callbacks_of(operation: Operation, request: Request, path: Mapping[str, str], response: Response) -> list[Callback]:
    """Return the callbacks of a call, without those whose address the call does not say."""
    found = []
    try:
        for address, sent in operation.callbacks:
            url = _address(address, request, path, response)
            if url:
                found.append(_callback(sent, url))
    except ContractError as error:
        log.warning("a callback of %s is not sent: %s", operation.id, error)
    return found


def _address(address: str, request: Request, path: Mapping[str, str], response: Response) -> str:
    """Return an address with the values of its runtime expressions, or "" if one has none."""
    if address.startswith("$"):
        address = "{" + address + "}"
    parts, end = [], 0
    for match in _EXPRESSION.finditer(address):
        value = evaluated(match[1], request, path, response)
        if value is None:
            return ""
        text = as_text(value)
        parts += [address[end : match.start()], text if match.start() == 0 else quote(text, safe="/:?=&%")]
        end = match.end()
    return "".join([*parts, address[end:]])


def evaluated(expression: str, request: Request, path: Mapping[str, str], response: Response) -> Json:
    """Return the value of a runtime expression; None if it has none."""
    target = request.path + ("?" + request.query if request.query else "")
    simple = {
        "$url": f"http://{request.headers.text(b'host') or 'localhost'}{request.root}{target}",
        "$method": request.method,
        "$statusCode": response.status,
    }
    if expression in simple:
        return simple[expression]
    match = re.fullmatch(r"\$(request|response)\.(?:(header|query|path)\.(.+)|body(?:#(.*))?)", expression)
    if match is None:
        return None
    is_request = match[1] == "request"
    headers = request.headers if is_request else Headers(response.headers)
    if match[2] == "header":
        return headers.text(match[3].lower().encode())
    if match[2] == "query":
        return next(iter(parse_qs(request.query, keep_blank_values=True).get(match[3], ())), None)
    if match[2] == "path":
        return path.get(match[3])
    return _in_body(request.body if is_request else response.body, match[4] or "")


def _in_body(body: bytes, pointer: str) -> Json:
    try:
        return lookup(json.loads(body), pointer)
    except (ValueError, KeyError):
        return None


def _callback(operation: Operation, url: str) -> Callback:
    """Make the request of a callback: its example, else what its schema shows, else a made value."""
    fields = [(b"user-agent", b"mockserver")]
    pairs = []
    for parameter in operation.parameters:
        value = _value(parameter.schema, parameter.examples) if _is_sent(parameter) else None
        if value is not None and parameter.location == "header":
            fields.append((parameter.name.encode(), as_text(value).encode("latin-1", "replace")))
        elif value is not None and parameter.location == "query":
            pairs.append((parameter.name, as_text(value)))
    body, declared = b"", operation.body
    if declared is not None:
        media = declared.preferred
        written = format_of(media)
        value = _value(media.schema, tuple(usable_examples(written).values()))
        sent = concrete(media.type, written.holds)
        body = written.writer("documented")([value] if written.items is not None else value)
        fields.append((b"content-type", written.header(sent).encode("latin-1", "replace")))
    url += ("&" if "?" in url else "?") + urlencode(pairs) if pairs else ""
    return Callback(operation.method, url, tuple(fields), body)


def _is_sent(parameter: Parameter) -> bool:
    return parameter.required or bool(parameter.examples)


def _value(schema: Schema | None, examples: tuple[Json, ...]) -> Json:
    if examples or schema is None:
        return next(iter(examples), {})
    try:
        shown = assemble(schema, direction="request")
        return generate(schema, Random(0), direction="request") if shown is None else shown
    except ContractError:
        return None
