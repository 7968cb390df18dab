"""Exchanges made for one place of a contract each, and drawn ones, for the tests of coverage."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.check.changes.rules import Direction
from mockserver.check.coverage.count import Coverage, CoverageCounter
from mockserver.check.coverage.targets import Place, PlaceInfo
from mockserver.check.coverage.visit import CoveredExchange
from mockserver.contract.openapi import EVENT_STREAM, Contract, Operation
from mockserver.contract.reader import read_contract
from mockserver.contract.tree import lookup
from mockserver.journal.exchange import Exchange
from mockserver.messages import Headers, Json
from tests import drifts, exchanges
from tests.strategies import bodies, body_values, contract_of, json_values, near, operations, queries, target

JSON = Headers([(b"content-type", b"application/json")])
UUID = "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e"


def talk(method: str, path: str, **said: Any) -> CoveredExchange:
    """Make an exchange that has no answer and no body but those that are said; a body of Json is sent as such."""
    body, answer = said.pop("body", b""), said.pop("answer", b"")
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    usual = {"query": "", "headers": JSON if body else Headers(), "status": 0, "answer_headers": JSON, **said}
    return CoveredExchange(method=method, path=path, body=body, answer=answer, **usual)


def contract(document: Json) -> Contract:
    """Read a document as a contract called own."""
    return read_contract(document, name="own", file="own.json")


def coverage(contracts: Sequence[Contract], *talks: CoveredExchange) -> Coverage:
    """Count exchanges."""
    tally = CoverageCounter(contracts)
    for each in talks:
        tally.add(each)
    return tally.result()


def told(found: Coverage, places: "frozenset[Place] | None" = None) -> set[str]:
    """Name places, those that were touched if nothing else is said: "limit /request/body/name/maxLength"."""
    chosen = found.touched if places is None else places
    return {f"{place.kind} {found.places[place].where}" for place in chosen}


# -- one schema, in a request or in an answer --------------------------------------------------------------------------


def of_schema(schema: Json, side: Direction, components: Mapping[str, Json] | None = None) -> Contract:
    """Give a contract with a schema as the body of a request or of an answer."""
    return contract(drifts.sided(schema, side, components))


def with_value(side: Direction, value: Json) -> CoveredExchange:
    """Make an exchange with a value as the body of the request or of the answer."""
    if side == "request":
        return talk("POST", drifts.PATH, body=value)
    return talk("POST", drifts.PATH, status=200, answer=value)


def below_body(names: set[str], side: Direction) -> set[str]:
    """Give what is named below a body, by the way from there: "limit /name/maxLength"."""
    start = "/request/body" if side == "request" else "/response/200/body"
    inner = {name.replace(f" {start}", " ", 1) for name in names if f" {start}" in name}
    return inner - {"field-present ", "field-absent ", "media-type /content/application~1json"}


# -- an exchange for a place -------------------------------------------------------------------------------------------


def made_for(contract: Contract, operation: Operation, place: Place, known: PlaceInfo) -> CoveredExchange:
    """Make the exchange that touches a place of a bundled contract, by the way that is told of it."""
    ways = [part.replace("~1", "/").replace("~0", "~") for part in known.where.split("/")[1:]]
    aim = _Aim(contract.document)
    asked = {"method": operation.method, "path": target(operation)}
    if place.side == "response":
        kind = ways[3] if ways[2:3] == ["content"] else ""
        node = lookup(contract.document, f"{operation.pointer}/responses/{ways[1]}")
        content = aim.followed(node).get("content", {})
        if ways[2:3] == ["body"]:
            kind = EVENT_STREAM if EVENT_STREAM in content else next(iter(content))
        headers = Headers([(b"content-type", kind.encode())])
        return talk(**asked, status=int(ways[1]), answer_headers=headers, answer=_answer(aim, content, ways, place))
    if place.side == "parameter":
        node = aim.followed(lookup(contract.document, place.pointer.partition("/schema")[0]))
        if place.kind == "parameter-left-out":
            return talk(**asked)
        value = aim.value(node["schema"], ways[3:], place.kind)
        return talk(**asked, query=f"{node['name']}={value}" if node["in"] == "query" else "")
    if place.side == "request" and place.pointer.rpartition("/")[2] not in ("required", "requestBody"):
        media = lookup(contract.document, operation.pointer)["requestBody"]["content"]["application/json"]
        inner = ways[2:] if ways[2:3] != ["content"] else []
        return talk(**asked, body=aim.value(media["schema"], inner, place.kind))
    if place.kind == "field-present":
        media = lookup(contract.document, operation.pointer)["requestBody"]["content"]["application/json"]
        return talk(**asked, body=aim.value(media["schema"], [], place.kind))
    return talk(**asked)


def _answer(aim: "_Aim", content: Json, ways: list[str], place: Place) -> Json:
    if ways[2:3] != ["body"]:
        return b""
    if EVENT_STREAM in content:
        value = aim.value(content[EVENT_STREAM]["x-item-schema"], ways[4:], place.kind)
        return f"event: message\ndata: {json.dumps(value)}\n\n".encode()
    return aim.value(next(iter(content.values()))["schema"], ways[3:], place.kind)


class _Aim:
    """Makes values that touch one place of a schema; it knows what the bundled contracts use."""

    def __init__(self, document: Json) -> None:
        self._document = document

    def followed(self, node: Json) -> Json:
        """Follow references."""
        while "$ref" in node:
            node = lookup(self._document, node["$ref"][1:])
        return node

    def value(self, node: Json, ways: list[str], kind: str) -> Json:
        """Give a value that goes a way into a schema and touches what is at its end."""
        node = self.followed(node)
        if not ways:
            return self.least(node)
        first, rest = ways[0], ways[1:]
        if first in node.get("properties", {}):
            least = self.least(node)
            if kind == "field-absent" and not rest:
                return {name: value for name, value in least.items() if name != first}
            return {**least, first: self.value(node["properties"][first], rest, kind)}
        if first in ("anyOf", "oneOf"):
            return self.value(node[first][int(rest[0])], rest[1:], kind)
        if first == "*":
            return [self.value(node["items"], rest, kind)]
        if first == "enum" and rest:
            return node["enum"][int(rest[0])]
        if first == "required":
            name = node["required"][int(rest[0])]
            return {key: value for key, value in self.least(node).items() if key != name}
        return node["const"] if first == "const" else _at_limit(node, first, beyond=kind == "violation")

    def least(self, node: Json) -> Json:
        """Give a small value that a schema allows."""
        node = self.followed(node)
        for union in ("anyOf", "oneOf"):
            if union in node:
                return self.least(node[union][0])
        if "const" in node or "enum" in node:
            return node["const"] if "const" in node else node["enum"][0]
        if node.get("type") == "object":
            inner = {name: self.followed(part) for name, part in node.get("properties", {}).items()}
            chosen = [name for name, part in inner.items() if name in node.get("required", ()) or "const" in part]
            return {name: self.least(inner[name]) for name in chosen}
        if node.get("type") == "array":
            return [self.least(node["items"])] * node.get("minItems", 0)
        usual = {"integer": 0, "number": 0.5, "boolean": True, "null": None}
        return usual.get(node.get("type", "string"), UUID if node.get("format") == "uuid" else "x")


def _at_limit(node: Json, keyword: str, *, beyond: bool) -> Json:
    """Give a value at the edge of a limit, or beyond it."""
    bound = node[keyword]
    if keyword in ("format", "enum"):
        return "no such value" if beyond else UUID
    size = bound + (beyond if keyword.startswith("max") else -beyond)
    if keyword.endswith("Length"):
        return "x" * size
    return ["x"] * size if keyword.endswith("Items") else size


# -- drawn exchanges ---------------------------------------------------------------------------------------------------


@st.composite
def answers(draw: st.DrawFn, operation: Operation) -> tuple[int, bytes, bytes]:
    """Draw a status, a content type and a body: what is declared, or nearly, or not."""
    status = draw(st.sampled_from([*operation.exact, 299, 599]))
    reply = operation.reply(status)
    media = draw(st.sampled_from(reply.media)) if reply is not None and reply.media else None
    if media is None:
        return status, draw(st.sampled_from([b"", b"application/json", b"text/html"])), draw(st.binary(max_size=8))
    kind = media.type.encode() + draw(st.sampled_from([b"", b"; charset=utf-8"]))
    if media.item_schema is not None:
        events = draw(st.lists(near(media.item_schema), max_size=3))
        return status, kind, "".join(f"event: message\ndata: {json.dumps(each)}\n\n" for each in events).encode()
    value = draw(near(media.schema) if media.schema is not None else json_values)
    return status, kind, json.dumps(value).encode()


@st.composite
def heard(draw: st.DrawFn) -> Exchange:
    """Draw an exchange with an operation of a bundled contract, right or wrong in any part, bodies cut or not."""
    era = draw(st.sampled_from(VERSIONS))
    operation = draw(st.sampled_from([*operations(era).values()]))
    status, kind, answer = draw(answers(operation))
    sent = draw(bodies(body_values[operation.id])) if operation.id in body_values else b""
    method = draw(st.sampled_from([operation.method, operation.method, operation.method, "PATCH", "HEAD"]))
    path = target(operation, draw(st.sampled_from(["ses-1", "%20", "a%2Fb"])))
    cut = draw(st.sampled_from([0, 0, 1, 9]))
    return exchanges.exchange(
        contract=era,
        operation=operation.id,
        method=method,
        path=path if draw(st.integers(0, 9)) else path + "/nowhere",
        query=draw(queries()),
        headers=[(b"content-type", draw(st.sampled_from([b"application/json", b"application/json", b"text/plain"])))],
        body=sent,
        status=status,
        answer_headers=[(b"content-type", kind)],
        answer=answer[: len(answer) - cut],
        answer_size=len(answer),
    )


values_of_fields: st.SearchStrategy[Json] = st.recursive(
    st.sampled_from([None, True, 0, 1, 2.5, 4, "", "a", "b", "x", "abcde", UUID, "2026-04-22T12:34:41Z"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "c", "d", "kind", "it", "z"]), inner, max_size=4)
    ),
    max_leaves=8,
)
"""Values of the schemas that the tests of drift draw, or nearly."""

journals = st.lists(heard(), max_size=3)
"""Short journals."""


def all_contracts() -> list[Contract]:
    """Give the bundled contracts, newest first."""
    return [contract_of(era) for era in VERSIONS]
