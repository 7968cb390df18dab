"""What the page shows of the contract: an operation with its schemas, values to try it, and what would be refused."""

from collections.abc import Iterator, Sequence
from random import Random

from mockserver.answer.body import format_of, usable_examples
from mockserver.answer.errors import unmatched
from mockserver.answer.generate import assemble, generate
from mockserver.contract.openapi import Media, Operation, Reply, SecurityScheme
from mockserver.contract.schema import Schema
from mockserver.contract.tree import lookup, pointed, resolve
from mockserver.control.feed import node_at
from mockserver.engine import Mock
from mockserver.errors import ContractError, UsageError
from mockserver.journal.exchange import finding_json
from mockserver.messages import Finding, Headers, Json, Request

DEEPEST = 4
"""How many references within each other are written out in a schema that is shown."""

LARGEST = 400
"""How many objects and lists of a schema are shown."""


def operation_value(mock: Mock, name: str, turn: int) -> Json:
    """Write an operation of the newest contract that has it; None if none has.

    `turn` chooses among the values that are made of its schemas.
    """
    found = next(
        (each for contract in mock.served.contracts for each in contract.operations if each.id == name),
        None,
    )
    if found is None:
        return None
    node = found.node
    return {
        "id": found.id,
        "method": found.method,
        "path": found.path,
        "contract": found.contract,
        "summary": str(node.get("summary") or ""),
        "description": str(node.get("description") or ""),
        "deprecated": node.get("deprecated") is True,
        "parameters": [*_keys(found), *_parameters(found, turn)],
        "body": None if found.body is None else _body(found.body.preferred, found.body.required, turn),
        "replies": [_reply(each) for each in found.replies.values()],
        "problems": [f"{each.what}: {each.why}" if each.why else each.what for each in found.problems],
    }


def _parameters(operation: Operation, turn: int) -> Iterator[Json]:
    for each in operation.parameters:
        shown = next(iter(each.examples), None)
        made = _made(each.schema, turn) if shown is None or turn else shown
        yield {
            "name": each.name,
            "in": each.location,
            "required": each.required,
            "schema": _schema(each.schema),
            "value": made if each.required or shown is not None else None,
        }


def _keys(operation: Operation) -> Iterator[Json]:
    """Write the keys that an operation asks for as parameters, by the first of its alternatives."""
    for each in next(iter(operation.security), ()):
        place, field, value = _key(each)
        if field:
            yield {"name": field, "in": place, "required": True, "schema": {"type": "string"}, "value": value}


def _key(scheme: SecurityScheme) -> tuple[str, str, str]:
    if scheme.type == "apiKey":
        return scheme.location, scheme.field, "any-key"
    if scheme.type == "http" and scheme.scheme == "basic":
        return "header", "authorization", "Basic YW55OmtleQ=="
    return "header", "authorization", "Bearer any-key"


def _body(media: Media, required: bool, turn: int) -> Json:
    shown = dict(usable_examples(format_of(media)))
    made = None if media.schema is None else _made(media.schema, turn)
    return {
        "required": required,
        "type": media.type,
        "schema": _schema(media.schema),
        "examples": shown,
        "value": next(iter(shown.values())) if shown and not turn else made,
    }


def _reply(reply: Reply) -> Json:
    return {
        "status": reply.status,
        "media": [
            {"type": each.type, "schema": _schema(each.schema or each.item_schema), "examples": sorted(each.examples)}
            for each in reply.media
        ],
    }


def _made(schema: Schema, turn: int) -> Json:
    """Return what the schema's own examples give at first, then a value for each turn; None if there is none."""
    try:
        shown = None if turn else assemble(schema, direction="request")
        return generate(schema, Random(turn), direction="request") if shown is None else shown
    except ContractError:
        return None


def _schema(schema: Schema | None) -> Json:
    """Return a schema with its references written out as far as it stays readable."""
    if schema is None:
        return None
    left = [LARGEST]
    return _written_out(schema.document, lookup(schema.document, schema.pointer), DEEPEST, left)


def _written_out(document: Json, node: Json, depth: int, left: list[int]) -> Json:
    if not isinstance(node, dict | list):
        return node
    left[0] -= 1
    if left[0] < 0:
        return "..."
    if isinstance(node, list):
        return [_written_out(document, each, depth, left) for each in node]
    reference = node.get("$ref")
    if isinstance(reference, str) and depth:
        try:
            _, target = resolve(document, pointed(reference))
        except (ContractError, KeyError):
            return node
        rest = {name: each for name, each in node.items() if name != "$ref"}
        return _written_out(document, {**target, **rest} if isinstance(target, dict) else target, depth - 1, left)
    return {name: _written_out(document, each, depth, left) for name, each in node.items()}


def judged_value(mock: Mock, scope: str, given: Json) -> Json:
    """Write what the mock finds wrong with a request, which is neither answered nor recorded.

    A UsageError says what cannot be read.
    """
    request = _request(given, scope)
    match = mock.served.router.match(request.method, request.path, request.headers)
    findings: Sequence[Finding]
    if match.operation is None:
        findings = unmatched(mock.served.router, request, match).findings
    else:
        _, findings = mock.served.endpoints[match.operation].judge(request, match.path)
    return {
        "operation": None if match.operation is None else match.operation.id,
        "findings": [finding_json(each) for each in findings],
        "places": [node_at(mock.served.contracts, each.contract) for each in findings],
    }


def _request(given: Json, scope: str) -> Request:
    """Read a request: method, path, query, headers (pairs) and body, a text."""
    texts = ("method", "path", "query", "body")
    if not isinstance(given, dict) or given.keys() - {*texts, "headers"} or not {"method", "path"} <= given.keys():
        raise UsageError(
            "a request is an object", fix='write {"method": "GET", "path": "/", "headers": [], "body": ""}'
        )
    headers = given.get("headers", [])
    if any(not isinstance(given.get(name, ""), str) for name in texts) or not _are_pairs(headers):
        raise UsageError("a request is texts, and headers are pairs of texts")
    fields = [(name.lower().encode("latin-1", "replace"), text.encode("latin-1", "replace")) for name, text in headers]
    return Request(
        method=given["method"].upper(),
        path=given["path"],
        query=given.get("query", ""),
        headers=Headers(fields),
        body=given.get("body", "").encode("utf-8", "replace"),
        scope=scope,
    )


def _are_pairs(headers: Json) -> bool:
    return isinstance(headers, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(text, str) for text in pair) for pair in headers
    )
