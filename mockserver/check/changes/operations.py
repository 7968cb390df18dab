"""How a contract differs from another: each change, whom it breaks, and what a version would have to say of it."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

from mockserver.check.changes.rules import ORDER, At, Comparison, ContractChange, Severity
from mockserver.check.changes.schemas import compare_schemas
from mockserver.check.report.model import format_value
from mockserver.contract.openapi import METHODS
from mockserver.contract.resolved import UNKNOWN, Views, everything, is_same, key_of
from mockserver.contract.schema import join, resolve
from mockserver.errors import ContractError
from mockserver.messages import Json


class Node(NamedTuple):
    """An object of a document, references followed, and where it stands."""

    pointer: str
    node: Mapping[str, Json]

    def said(self, key: str) -> str:
        """Give the place of a key; where the object does not have it, its own."""
        return join(self.pointer, key) if key in self.node else self.pointer


class DescribedOperation(NamedTuple):
    """An operation of a document: its path as it is written, the object of the path, and its own."""

    path: str
    item: Node
    own: Node

    @property
    def id(self) -> str:
        """What it is called."""
        method = self.own.pointer.rpartition("/")[2]
        return str(self.own.node.get("operationId", f"{method} {self.path}"))


ParameterKey: TypeAlias = tuple[str, str | int]
"""What a parameter is known by: where it goes, and its name; in the path its number."""

_IGNORED = ("accept", "content-type", "authorization")
"""The header parameters that OpenAPI leaves to other parts of a document."""


def place(views: Views, pointer: str) -> Node:
    """Give what stands at a place, references followed."""
    return Node(*resolve(views.document, pointer))


def compare_texts_of(run: Comparison, a: Node, b: Node, at: At) -> None:
    """Compare what parts note of themselves: texts, examples, deprecation."""
    for key in ("summary", "description", "externalDocs", "tags"):
        if not is_same(a.node.get(key), b.node.get(key)):
            told = a.node.get(key), b.node.get(key)
            run.tell("description-changed", at, (a.said(key), b.said(key)), f"the {key} is another", *told)
    for key in ("example", "examples"):
        if _examples(run.a, a, key) != _examples(run.b, b, key):
            run.tell("example-changed", at, (a.said(key), b.said(key)), f"the {key} changed")
    was, now = (each.node.get("deprecated") is True for each in (a, b))
    if was is not now:
        code = "call-" if run.is_code else ""
        text = "it is deprecated" if now else "it is no longer deprecated"
        why = b.node.get("x-deprecated")
        text = f"{text}: {why}" if now and why else text
        pair = a.said("deprecated"), b.said("deprecated")
        run.tell(f"{code}deprecated" if now else f"{code}undeprecated", at, pair, text, was, now)


def _examples(views: Views, part: Node, key: str) -> str:
    """Give the values of examples, references followed, in a form that can be compared."""
    found = part.node.get(key)
    if key == "examples" and isinstance(found, dict):
        found = {name: place(views, join(part.pointer, key, name)).node.get("value") for name in found}
    return key_of(found)


def compare_parameters(run: Comparison, a: DescribedOperation, b: DescribedOperation) -> None:
    """Compare the parameters of an operation, those of its path with it."""
    ours, theirs = _parameters(run.a, a), _parameters(run.b, b)
    for key in {**ours, **theirs}:
        one, other = ours.get(key), theirs.get(key)
        known = other or one
        if known is None:
            continue
        name, at = known.node["name"], At("request", join("/request", key[0], known.node["name"]))
        if run.is_silent(f"{key[0]}-parameters", at):
            continue
        if one is None and other is not None:
            must = other.node.get("required") is True
            text = f"the parameter {name} of the {key[0]} is new: it {'must be there' if must else 'may be left out'}"
            rule = "required-parameter-added" if must else "parameter-added"
            run.tell(rule, at, (None, other.pointer), text)
        elif other is None and one is not None:
            must = one.node.get("required") is True
            rule = "required-parameter-withdrawn" if must else "parameter-withdrawn"
            text = f"the parameter {name} of the {key[0]} is gone"
            text += ": code that names it does not run" if run.is_code else ""
            run.tell(rule, at, (one.pointer, None), text, severity="breaking" if run.is_code else None)
        elif one is not None and other is not None:
            _compare_parameter(run, one, other, at)


def _parameters(views: Views, operation: DescribedOperation) -> dict[ParameterKey, Node]:
    path = re.findall(r"\{([^}]+)\}", operation.path)
    found: dict[ParameterKey, Node] = {}
    for owner in (operation.item, operation.own):
        for index in range(len(owner.node.get("parameters", ()))):
            each = place(views, join(owner.pointer, "parameters", index))
            location, name = each.node["in"], each.node["name"]
            if location == "header":
                name = name.lower()
            if location == "path" and name in path:
                name = path.index(name)
            if location != "header" or name not in _IGNORED:
                found[location, name] = each
    return found


def _compare_parameter(run: Comparison, a: Node, b: Node, at: At) -> None:
    was, now = (each.node.get("required") is True for each in (a, b))
    if was is not now:
        text = f"the parameter {b.node['name']} {'must be there' if now else 'may be left out'}"
        rule = "parameter-required" if now else "parameter-optional"
        run.tell(rule, at, (a.said("required"), b.said("required")), text, was, now)
    if at.where.startswith("/request/path/") and a.node["name"] != b.node["name"]:
        text = f"the parameter {a.node['name']} is called {b.node['name']}"
        run.tell("parameter-renamed", at, (a.said("name"), b.said("name")), text, a.node["name"], b.node["name"])
    _compare_styles(run, a, b, at)
    compare_texts_of(run, a, b, at)
    _compare_held(run, a, b, at)


def _compare_styles(run: Comparison, a: Node, b: Node, at: At) -> None:
    """Compare how a parameter or header is written; what follows from another style is not told beside it."""
    is_same = _style(a.node) == _style(b.node)
    for key in ("style", "explode", "allowReserved", "allowEmptyValue"):
        was, now = (each.node.get(key, _usual(each.node, key)) for each in (a, b))
        if key == "explode" and not is_same:
            was, now = a.node.get(key), b.node.get(key)
        if was != now:
            text = f"{key} went from {format_value(was)} to {format_value(now)}"
            run.tell("parameter-style-changed", at, (a.said(key), b.said(key)), text, was, now, detail=key)


def _style(node: Mapping[str, Json]) -> str:
    usual = "form" if node.get("in") in ("query", "cookie") else "simple"
    return str(node.get("style", usual))


def _usual(node: Mapping[str, Json], key: str) -> Json:
    """Give what holds where a keyword of style does not stand."""
    usual: Mapping[str, Json] = {"style": _style(node), "explode": _style(node) == "form"}
    return usual.get(key, False)


def _compare_held(run: Comparison, a: Node, b: Node, at: At) -> None:
    """Compare what a parameter, a header or a media type holds: a schema, or representations."""
    if "content" in a.node or "content" in b.node:
        compare_contents(run, a, b, at)
    one, other = (
        views.of(join(each.pointer, "schema")) if "schema" in each.node else everything(each.pointer)
        for views, each in ((run.a, a), (run.b, b))
    )
    compare_schemas(run, one, other, at)


def compare_bodies(run: Comparison, a: DescribedOperation, b: DescribedOperation) -> None:
    """Compare the bodies that an operation takes."""
    at = At("request", "/request/body")
    one, other = (
        place(views, join(each.own.pointer, "requestBody")) if "requestBody" in each.own.node else None
        for views, each in ((run.a, a), (run.b, b))
    )
    if one is None and other is not None:
        must = other.node.get("required") is True
        text = f"there is a body now, which {'must be there' if must else 'may be left out'}"
        run.tell("body-added", at, (None, other.pointer), text, severity="breaking" if must else None)
    elif other is None and one is not None:
        run.tell("body-withdrawn", at, (one.pointer, None), "there is no body any more")
    elif one is not None and other is not None:
        was, now = (each.node.get("required") is True for each in (one, other))
        if was is not now:
            text = f"the body {'must be there' if now else 'may be left out'}"
            rule = "body-required" if now else "body-optional"
            run.tell(rule, at, (one.said("required"), other.said("required")), text, was, now)
        compare_texts_of(run, one, other, at)
        compare_contents(run, one, other, at)


def compare_contents(run: Comparison, a: Node, b: Node, at: At) -> None:
    """Compare the representations of a body, a parameter or a header."""
    ours, theirs = ({name.lower(): name for name in each.node.get("content") or {}} for each in (a, b))
    for name in {**ours, **theirs}:
        if name not in theirs:
            pair = join(a.pointer, "content", ours[name]), None
            run.tell("media-type-withdrawn", at, pair, f"the media type {name} is gone")
        elif name not in ours:
            run.tell("media-type-added", at, (None, join(b.pointer, "content", theirs[name])), f"{name} is new")
        else:
            one = place(run.a, join(a.pointer, "content", ours[name]))
            other = place(run.b, join(b.pointer, "content", theirs[name]))
            _compare_media(run, one, other, at)


def _compare_media(run: Comparison, a: Node, b: Node, at: At) -> None:
    compare_texts_of(run, a, b, at)
    _compare_held(run, a, b, at)
    if not is_same(a.node.get("encoding"), b.node.get("encoding")):
        told = a.node.get("encoding"), b.node.get("encoding")
        run.tell("content-changed", at, (a.said("encoding"), b.said("encoding")), "the encoding is another", *told)
    key = "x-item-schema"
    if key in a.node or key in b.node:
        one, other = (
            views.of(join(each.pointer, key)) if key in each.node else everything(each.pointer)
            for views, each in ((run.a, a), (run.b, b))
        )
        compare_schemas(run, one, other, at.into("*"))


def compare_replies(run: Comparison, a: DescribedOperation, b: DescribedOperation) -> None:
    """Compare the answers, each with that of the other document that would hold for its status."""
    ours, theirs = _replies(run, run.a, a), _replies(run, run.b, b)
    for status in {**ours, **theirs}:
        one, other = _covering(status, ours), _covering(status, theirs)
        at = At("response", join("/response", status))
        worse: Severity | None = None if status[0] in "123" else "harmless"
        if one is None and other is not None:
            run.tell("status-added", at, (None, other.pointer), f"the status {status} is new", severity=worse)
        elif other is None and one is not None:
            text = f"the status {status} is no longer answered"
            run.tell("status-withdrawn", at, (one.pointer, None), text, severity=worse)
        elif one is not None and other is not None:
            _compare_reply(run, place(run.a, one.pointer), place(run.b, other.pointer), at)


def _replies(run: Comparison, views: Views, operation: DescribedOperation) -> dict[str, Node]:
    found = {
        str(status) if status == "default" else str(status).upper(): join(operation.own.pointer, "responses", status)
        for status in operation.own.node.get("responses") or {}
    }
    if run.is_silent("statuses", At("response", "/response")):  # a client says what a success brings, and no more
        found = {status: pointer for status, pointer in found.items() if status.startswith("2")}
    return {status: Node(pointer, place(views, pointer).node) for status, pointer in found.items()}


def _covering(status: str, replies: Mapping[str, Node]) -> Node | None:
    """Give the reply that holds for a status: its own, that of its range, the default."""
    return replies.get(status) or replies.get(f"{status[0]}XX") or replies.get("default")


def _compare_reply(run: Comparison, a: Node, b: Node, at: At) -> None:
    if UNKNOWN in a.node or UNKNOWN in b.node:
        return
    compare_texts_of(run, a, b, at)
    _compare_headers(run, a, b, at)
    was, now = bool(a.node.get("content")), bool(b.node.get("content"))
    inner = At(at.direction, f"{at.where}/body")
    if was and now:
        compare_contents(run, a, b, inner)
    elif was is not now:
        text = "there is a body now" if now else "there is no body any more"
        rule = "body-added" if now else "body-withdrawn"
        run.tell(rule, inner, (a.said("content"), b.said("content")), text)


def _compare_headers(run: Comparison, a: Node, b: Node, at: At) -> None:
    ours, theirs = (_headers(views, each) for views, each in ((run.a, a), (run.b, b)))
    for name in {**ours, **theirs}:
        inner = At(at.direction, join(at.where, "headers", name))
        one, other = ours.get(name), theirs.get(name)
        if one is None and other is not None:
            run.tell("header-added", inner, (None, other.pointer), f"the header {name} is new")
        elif other is None and one is not None:
            worse: Severity | None = "breaking" if one.node.get("required") is True else None
            run.tell("header-withdrawn", inner, (one.pointer, None), f"the header {name} is gone", severity=worse)
        elif one is not None and other is not None:
            was, now = (each.node.get("required") is True for each in (one, other))
            if was is not now:
                text = f"the header {name} {'is always there' if now else 'may be missing'}"
                rule = "header-required" if now else "header-optional"
                run.tell(rule, inner, (one.said("required"), other.said("required")), text, was, now)
            _compare_styles(run, one, other, inner)
            compare_texts_of(run, one, other, inner)
            _compare_held(run, one, other, inner)


def _headers(views: Views, reply: Node) -> dict[str, Node]:
    names = [name for name in reply.node.get("headers") or {} if name.lower() != "content-type"]
    return {name.lower(): place(views, join(reply.pointer, "headers", name)) for name in names}


CALLS = "x-calls"
"""The methods of a client that make a call, by name, each an operation of its own."""


class Description(NamedTuple):
    """What is said of an API: by a contract, or by a release of a client, written as a contract would be."""

    name: str
    document: Json
    is_client: bool = False


UNSAID = frozenset(
    {
        *("security", "servers", "header-parameters", "cookie-parameters", "style", "body-required"),
        *("media-types", "statuses", "headers", "closed", "limits", "patterns", "formats", "conditions"),
        *("defaults", "access", "content", "union-kind", "mappings", "examples", "response null", "/request/body null"),
    }
)
"""What a client's package does not say. Of a field that may be missing from an answer, it does not say
whether it is null then or not there, and of a body that may be left out, not whether it may be null."""

FOREIGN = frozenset({"names", "notes", "order", "deprecated", "discriminators"})
"""What a contract and a client's package say each in its own way, so that it cannot be compared."""

_CALL = At("call", "")


class Drift(NamedTuple):
    """What came of a comparison: the changes, the worst first, and the operations that both have."""

    changes: tuple[ContractChange, ...]
    compared: tuple[str, ...]

    @property
    def unchanged(self) -> tuple[str, ...]:
        """The operations that both have, and that no change reaches."""
        reached = {name for change in self.changes for name in change.operations}
        return tuple(name for name in self.compared if name not in reached)


def drift(a: Description, b: Description) -> Drift:
    """Give the changes from A to B; none where they say the same, whatever schemas are called.

    A ContractError names the document and the place that is not understood.
    """
    run = Comparison(Views(a.document), Views(b.document), _unsaid(a, b), is_code=a.is_client and b.is_client)
    _compare(run, operations(a.document), operations(b.document))
    found = list(run.found.values())
    return Drift(tuple(sorted(found, key=lambda each: ORDER.index(each.severity))), tuple(run.compared))


def _unsaid(a: Description, b: Description) -> frozenset[str]:
    unsaid = UNSAID if a.is_client or b.is_client else frozenset()
    return unsaid | FOREIGN if a.is_client is not b.is_client else unsaid


OperationKey: TypeAlias = tuple[str, str]
"""What an operation is known by: its method, and its path without the names of its parameters."""


def operations(document: Json) -> dict[OperationKey, DescribedOperation]:
    """Give the operations of a document."""
    found = {}
    for path, item in document["paths"].items():
        pointer = join("/paths", path)
        if "$ref" in item:
            raise ContractError("a path must be described in place", where="#" + pointer)
        shape = re.sub(r"\{[^{}]*\}", "{}", path)
        for method in item:
            if method in METHODS:
                own = Node(join(pointer, method), item[method])
                found[method, shape] = DescribedOperation(path, Node(pointer, item), own)
    return found


def _compare(
    run: Comparison, ours: Mapping[OperationKey, DescribedOperation], theirs: Mapping[OperationKey, DescribedOperation]
) -> None:
    for key in {**ours, **theirs}:
        one, other = ours.get(key), theirs.get(key)
        run.seen.clear()
        if one is None and other is not None:
            run.operation = other.id
            text = f"{key[0].upper()} {other.path} is new"
            run.tell("operation-added", _CALL, (None, other.own.pointer), text)
        elif other is None and one is not None:
            run.operation = one.id
            text = f"{key[0].upper()} {one.path} was withdrawn"
            run.tell("operation-withdrawn", _CALL, (one.own.pointer, None), text)
        elif one is not None and other is not None:
            run.operation = other.id
            _compare_calls(run, one, other)


def _compare_calls(run: Comparison, one: DescribedOperation, other: DescribedOperation) -> None:
    """Compare an operation, by each of the methods that a client has for it, where both are of clients."""
    if not run.is_code:
        _compare_operation(run, one, other)
        return
    ours, theirs = _calls(one), _calls(other)
    for name in {**ours, **theirs}:
        run.operation = name
        if name not in theirs:
            run.tell("call-withdrawn", _CALL, (ours[name].own.pointer, None), f"the client has no {name} any more")
        elif name not in ours:
            run.tell("call-added", _CALL, (None, theirs[name].own.pointer), f"the client has {name} for it, too")
        else:
            run.seen.clear()
            _compare_operation(run, ours[name], theirs[name])
    if not ours.keys() & theirs.keys():
        run.operation = other.id
        _compare_operation(run, one, other)


def _calls(operation: DescribedOperation) -> dict[str, DescribedOperation]:
    return {
        name: operation._replace(own=Node(join(operation.own.pointer, CALLS, name), node))
        for name, node in operation.own.node.get(CALLS, {}).items()
    }


def _compare_operation(run: Comparison, a: DescribedOperation, b: DescribedOperation) -> None:
    run.compared.append(run.operation)
    was, now = a.own.node.get("operationId"), b.own.node.get("operationId")
    if was != now:
        text = f"the operationId went from {format_value(was)} to {format_value(now)}"
        run.tell("operation-renamed", _CALL, (a.own.said("operationId"), b.own.said("operationId")), text, was, now)
    compare_texts_of(run, a.own, b.own, _CALL)
    _compare_security(run, a, b)
    _compare_servers(run, a, b)
    compare_parameters(run, a, b)
    compare_bodies(run, a, b)
    compare_replies(run, a, b)


Alternative: TypeAlias = frozenset[tuple[str, str]]
"""Schemes and scopes that together let a caller in."""


def _compare_security(run: Comparison, a: DescribedOperation, b: DescribedOperation) -> None:
    """Compare who is let in: by which schemes and scopes, whatever the schemes are called."""
    (one, was), (other, now) = _security(run.a, a), _security(run.b, b)
    lost = [each for each in was if not any(new <= each for new in now)]
    won = [each for each in now if not any(old <= each for old in was)]
    told = [sorted(map(sorted, each)) for each in (was, now)]
    if lost and won:
        run.tell("security-changed", _CALL, (one, other), "the way to be let in is another", *told)
    elif lost:
        run.tell("security-tightened", _CALL, (one, other), "more is needed to be let in", *told)
    elif won:
        run.tell("security-loosened", _CALL, (one, other), "less is needed to be let in", *told)


def _security(views: Views, operation: DescribedOperation) -> tuple[str, set[Alternative]]:
    """Give where it is said, and the alternatives; without any, nothing is needed."""
    document = views.document
    own = "security" in operation.own.node
    said = operation.own.node["security"] if own else document.get("security", [])
    pointer = operation.own.said("security") if own or "security" not in document else "/security"
    return pointer, {frozenset(_schemes(document, each)) for each in said or [{}]}


def _schemes(document: Json, requirement: Mapping[str, list[str]]) -> Iterator[tuple[str, str]]:
    for name, scopes in requirement.items():
        _, scheme = resolve(document, join("/components/securitySchemes", name))
        bare = {key: value for key, value in scheme.items() if key != "description" and not key.startswith("x-")}
        yield from ((key_of(bare), scope) for scope in ("", *scopes))


def _compare_servers(run: Comparison, a: DescribedOperation, b: DescribedOperation) -> None:
    ours, theirs = _servers(run.a, a), _servers(run.b, b)
    owner = run.operation
    for url in {**ours, **theirs}:
        if url in ours and url in theirs:
            continue
        pointer = ours.get(url) or theirs.get(url) or ""
        run.operation = "" if pointer.startswith("/servers") else owner
        text = f"the address {url} is {'gone' if url in ours else 'new'}"
        rule, pair = ("server-withdrawn", (pointer, None)) if url in ours else ("server-added", (None, pointer))
        run.tell(rule, At("call", "/servers"), pair, text)
    run.operation = owner


def _servers(views: Views, operation: DescribedOperation) -> dict[str, str]:
    """Give the places of the addresses that hold for an operation, by the addresses."""
    owners = (operation.own, operation.item, Node("", views.document))
    owner = next((each for each in owners if "servers" in each.node), owners[-1])
    return {
        str(server["url"]) + (f" with {key_of(server['variables'])}" if "variables" in server else ""): join(
            owner.pointer, "servers", index
        )
        for index, server in enumerate(owner.node.get("servers", []))
    }
