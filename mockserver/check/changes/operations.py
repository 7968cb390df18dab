"""How a contract differs from another: each change, whom it breaks, and what a version would have to say of it."""

import re
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

from mockserver.check.changes.media import NO_MEDIA, Link, links, named_media
from mockserver.check.changes.rules import ORDER, At, Comparison, ContractChange, Severity, paired, presence
from mockserver.check.changes.schemas import compare_schemas
from mockserver.check.changes.security import Security, compare_security, read_security
from mockserver.check.report.model import format_value
from mockserver.contract.document import METHODS
from mockserver.contract.resolved import UNKNOWN, Views, everything, is_same, key_of
from mockserver.contract.tree import join, lookup, resolve
from mockserver.errors import ContractError
from mockserver.messages import Json


class Node(NamedTuple):
    """An object of a document, references followed, and its place; false for one that is missing."""

    pointer: str
    node: Mapping[str, Json]

    def __bool__(self) -> bool:
        return bool(self.pointer)

    def said(self, key: str) -> str:
        """Return the place of a key, or of the object if it lacks the key."""
        return join(self.pointer, key) if key in self.node else self.pointer

    @property
    def must_be(self) -> bool:
        """Whether it is required."""
        return self.node.get("required") is True


MISSING = Node("", {})


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


NO_OPERATION = DescribedOperation("", MISSING, MISSING)

ParameterKey: TypeAlias = tuple[str, str | int]
"""What a parameter is known by: where it goes, and its name; in the path its number."""

_IGNORED = ("accept", "content-type", "authorization")
"""The header parameters that OpenAPI leaves to other parts of a document."""


def place(views: Views, pointer: str) -> Node:
    """Return the object at a place, references followed; a ContractError if something else stands there."""
    found = Node(*resolve(views.document, pointer))
    if not isinstance(found.node, Mapping):
        raise ContractError(
            "an object is missing", where="#" + pointer, why=f"it is {format_value(found.node)}", fix="write an object"
        )
    return found


def compare_texts_of(run: Comparison, a: Node, b: Node, at: At) -> None:
    """Compare what parts note of themselves: texts, examples, deprecation."""
    for key in ("summary", "description", "externalDocs", "tags"):
        _compare_key(run, "description-changed", key, a, b, at)
    for key in ("example", "examples"):
        if _examples(run.a, a, key) != _examples(run.b, b, key):
            run.tell("example-changed", at, (a.said(key), b.said(key)), f"the {key} changed")
    was, now = (each.node.get("deprecated") is True for each in (a, b))
    if was is not now:
        rule = f"{'call-' if run.is_code else ''}{'' if now else 'un'}deprecated"
        text = "it is deprecated" if now else "it is no longer deprecated"
        why = b.node.get("x-deprecated")
        text = f"{text}: {why}" if now and why else text
        run.tell(rule, at, (a.said("deprecated"), b.said("deprecated")), text, was, now)


def _compare_key(run: Comparison, rule: str, key: str, a: Node, b: Node, at: At) -> None:
    was, now = a.node.get(key), b.node.get(key)
    if not is_same(was, now):
        run.tell(rule, at, (a.said(key), b.said(key)), f"the {key} is another", was, now)


def _compare_required(run: Comparison, kind: str, name: str, a: Node, b: Node, at: At) -> None:
    """Compare whether a part must be there."""
    was, now = a.must_be, b.must_be
    if was is not now:
        rule = f"{kind}-required" if now else f"{kind}-optional"
        text = f"the {name} {presence(at, must=now)}"
        run.tell(rule, at, (a.said("required"), b.said("required")), text, was, now)


def _examples(views: Views, part: Node, key: str) -> str:
    """Return the values of examples, references followed, in a form that can be compared."""
    found = part.node.get(key)
    if key == "examples" and isinstance(found, dict):
        found = {name: place(views, join(part.pointer, key, name)).node.get("value") for name in found}
    return key_of(found)


def compare_parameters(run: Comparison, a: DescribedOperation, b: DescribedOperation) -> None:
    """Compare the parameters of an operation, those of its path with it."""
    for (location, _), one, other in paired(_parameters(run.a, a), _parameters(run.b, b), MISSING):
        known = other or one
        name, at = known.node["name"], At("request", join("/request", location, known.node["name"]))
        if run.is_silent(f"{location}-parameters", at):
            continue
        if one and other:
            _compare_parameter(run, one, other, at)
            continue
        new = f"the parameter {name} of the {location} is new: it {presence(at, must=known.must_be)}"
        gone = f"the parameter {name} of the {location} is gone"
        gone += ": code that names it does not run" if run.is_code else ""
        kind = "required-parameter" if known.must_be else "parameter"
        run.tell_one(kind, at, one.pointer, other.pointer, new, gone, "breaking" if one and run.is_code else None)


def _parameters(views: Views, operation: DescribedOperation) -> dict[ParameterKey, Node]:
    path = re.findall(r"\{([^}]+)\}", operation.path)
    found: dict[ParameterKey, Node] = {}
    for owner in (operation.item, operation.own):
        for index in range(len(owner.node.get("parameters", ()))):
            each = place(views, join(owner.pointer, "parameters", index))
            location, name = _text(each, "in"), _text(each, "name")
            if location in ("body", "formData") and "swagger" in views.document:
                continue  # which is read as the body
            key = name.lower() if location == "header" else name
            if location != "header" or key not in _IGNORED:
                found[location, path.index(name) if location == "path" and name in path else key] = each
    return found


def _text(node: Node, key: str) -> str:
    """Return a text that an object must have; a ContractError names the place that lacks it."""
    found = node.node.get(key)
    if not isinstance(found, str):
        raise ContractError(
            f"{key!r} is missing, or is not a text", where="#" + node.said(key), fix=f"write {key}: and a text"
        )
    return found


def _compare_parameter(run: Comparison, a: Node, b: Node, at: At) -> None:
    _compare_required(run, "parameter", f"parameter {b.node['name']}", a, b, at)
    if at.where.startswith("/request/path/") and a.node["name"] != b.node["name"]:
        text = f"the parameter {a.node['name']} is called {b.node['name']}"
        run.tell("parameter-renamed", at, (a.said("name"), b.said("name")), text, a.node["name"], b.node["name"])
    _compare_styles(run, a, b, at)
    compare_texts_of(run, a, b, at)
    _compare_written(run, a, b, at)


def _compare_written(run: Comparison, a: Node, b: Node, at: At) -> None:
    """Compare what a parameter or a header holds, which is written as a text, or in a media type."""
    was, now = ("content" if "content" in each.node else "schema" for each in (a, b))
    if was == now:
        _compare_held(run, a, b, at._replace(is_text=was == "schema"))
    else:
        text = f"it was written by its {was}, and is by its {now}"
        run.tell("parameter-style-changed", at, (a.pointer, b.pointer), text, was, now, detail="content")


def _compare_styles(run: Comparison, a: Node, b: Node, at: At) -> None:
    """Compare how a parameter or header is written; what follows from another style is not told beside it."""
    is_same = _style(a.node) == _style(b.node)
    for key in ("style", "explode", "allowReserved", "allowEmptyValue"):
        was, now = (each.node.get(key, _usual(each.node, key)) for each in (a, b))
        if key == "explode" and not is_same:
            was, now = a.node.get(key), b.node.get(key)
        if was != now:
            is_idle = key == "explode" and is_same and _are_single(run, a, b)
            worse: Severity | None = "harmless" if is_idle or (key in _FREEDOMS and now is True) else None
            text = f"{key} went from {format_value(was)} to {format_value(now)}"
            run.tell(
                "parameter-style-changed", at, (a.said(key), b.said(key)), text, was, now, detail=key, severity=worse
            )


_FREEDOMS = ("allowReserved", "allowEmptyValue")
"""What lets callers write more, and takes all that was right without it."""


def _are_single(run: Comparison, a: Node, b: Node) -> bool:
    """Return whether a parameter is no list and no object, in both, so that there is nothing to explode."""
    held = [views.of(join(each.pointer, "schema")) for views, each in ((run.a, a), (run.b, b)) if "schema" in each.node]
    scalars = frozenset(("string", "integer", "number", "boolean"))
    return len(held) == 2 and all(each.types and each.types <= scalars for each in held)


def _style(node: Mapping[str, Json]) -> str:
    usual = "form" if node.get("in") in ("query", "cookie") else "simple"
    return str(node.get("style", usual))


def _usual(node: Mapping[str, Json], key: str) -> Json:
    """Return the default of a keyword of style."""
    usual: Mapping[str, Json] = {"style": _style(node), "explode": _style(node) == "form"}
    return usual.get(key, False)


def _compare_held(run: Comparison, a: Node, b: Node, at: At) -> None:
    """Compare what a parameter, a header or a media type holds: a schema, or representations."""
    if "content" in a.node or "content" in b.node:
        compare_contents(run, a, b, at)
    _compare_schemas_of(run, "schema", a, b, at)


def _compare_schemas_of(run: Comparison, key: str, a: Node, b: Node, at: At) -> None:
    one, other = (
        views.of(join(each.pointer, key)) if key in each.node else everything(each.pointer)
        for views, each in ((run.a, a), (run.b, b))
    )
    compare_schemas(run, one, other, at)


def compare_bodies(run: Comparison, a: DescribedOperation, b: DescribedOperation) -> None:
    """Compare the bodies that an operation takes."""
    at = At("request", "/request/body")
    one, other = (
        place(views, join(each.own.pointer, "requestBody")) if "requestBody" in each.own.node else MISSING
        for views, each in ((run.a, a), (run.b, b))
    )
    if one and other:
        _compare_required(run, "body", "body", one, other, at)
        compare_texts_of(run, one, other, at)
        compare_contents(run, one, other, at)
    elif one or other:
        new = f"there is a body now, which {presence(at, must=other.must_be)}"
        worse: Severity | None = "breaking" if other.must_be else None
        run.tell_one("body", at, one.pointer, other.pointer, new, "there is no body any more", worse)


def compare_contents(run: Comparison, a: Node, b: Node, at: At) -> None:
    """Compare the representations of a body, a parameter or a header."""
    ours, theirs = (named_media(each.pointer, each.node.get("content") or {}) for each in (a, b))
    linked = links(ours, theirs)
    reached = {each.pointer for link in linked for each in (link.one, link.other)}
    for link in linked:
        _compare_linked(run, link, at)
        if link.one.essence not in theirs and link.other.essence not in ours:
            _compare_media(run, place(run.a, link.one.pointer), place(run.b, link.other.pointer), at)
    for _, one, other in paired(ours, theirs, NO_MEDIA):
        if one and other:
            if one.parameters != other.parameters:
                text = f"the parameters of the media type changed: {one.name} became {other.name}"
                run.tell("media-type-parameters-changed", at, (one.pointer, other.pointer), text, one.name, other.name)
            _compare_media(run, place(run.a, one.pointer), place(run.b, other.pointer), at)
        elif (one or other).pointer not in reached:
            new, gone = f"{other.name} is new", f"the media type {one.name} is gone"
            run.tell_one("media-type", at, one.pointer, other.pointer, new, gone)


def _compare_linked(run: Comparison, link: Link, at: At) -> None:
    """Record that a media type became a case of what it was, or the other way round."""
    text = f"the media type {link.one.name} became {link.other.name}"
    rule, worse = f"media-type-{'narrowed' if link.is_narrower else 'widened'}", None
    if link.is_suffix and not (link.is_narrower and at.direction == "request"):
        worse = _RISKY  # who knows the syntax can read it, but need not look for it
    run.tell(rule, at, (link.one.pointer, link.other.pointer), text, link.one.name, link.other.name, severity=worse)


_RISKY: Severity = "risky"


def _compare_media(run: Comparison, a: Node, b: Node, at: At) -> None:
    compare_texts_of(run, a, b, at)
    _compare_held(run, a, b, at)
    _compare_key(run, "content-changed", "encoding", a, b, at)
    if "x-item-schema" in a.node or "x-item-schema" in b.node:
        _compare_schemas_of(run, "x-item-schema", a, b, at.into("*"))


def compare_replies(run: Comparison, a: DescribedOperation, b: DescribedOperation) -> None:
    """Compare the answers, each with that of the other document that would hold for its status."""
    ours, theirs = _replies(run, run.a, a), _replies(run, run.b, b)
    for status in {**ours, **theirs}:
        one, other = _covering(status, ours), _covering(status, theirs)
        at = At("response", join("/response", status))
        if one and other:
            _compare_reply(run, place(run.a, one.pointer), place(run.b, other.pointer), at)
            continue
        new, gone = f"the status {status} is new", f"the status {status} is no longer answered"
        worse: Severity | None = None if status[0] in "123" else "harmless"
        run.tell_one("status", at, one.pointer, other.pointer, new, gone, worse)


def _replies(run: Comparison, views: Views, operation: DescribedOperation) -> dict[str, Node]:
    found = {
        str(status) if status == "default" else str(status).upper(): join(operation.own.pointer, "responses", status)
        for status in operation.own.node.get("responses") or {}
    }
    if run.is_silent("statuses", At("response", "/response")):  # a client says what a success brings, and no more
        found = {status: pointer for status, pointer in found.items() if status.startswith("2")}
    return {status: Node(pointer, place(views, pointer).node) for status, pointer in found.items()}


def _covering(status: str, replies: Mapping[str, Node]) -> Node:
    """Return the reply that holds for a status: its own, that of its range, the default."""
    names = (status, f"{status[0]}XX", "default")
    return next((replies[name] for name in names if name in replies), MISSING)


def _compare_reply(run: Comparison, a: Node, b: Node, at: At) -> None:
    if UNKNOWN in a.node or UNKNOWN in b.node:
        return
    compare_texts_of(run, a, b, at)
    _compare_headers(run, a, b, at)
    was, now = bool(a.node.get("content")), bool(b.node.get("content"))
    inner = at.into("body")
    if was and now:
        compare_contents(run, a, b, inner)
    elif was is not now:
        text = "there is a body now" if now else "there is no body any more"
        rule = "body-added" if now else "body-withdrawn"
        run.tell(rule, inner, (a.said("content"), b.said("content")), text)


def _compare_headers(run: Comparison, a: Node, b: Node, at: At) -> None:
    ours, theirs = (_headers(views, each) for views, each in ((run.a, a), (run.b, b)))
    for name, one, other in paired(ours, theirs, MISSING):
        inner = at.into("headers", name)
        if one and other:
            _compare_required(run, "header", f"header {name}", one, other, inner)
            _compare_styles(run, one, other, inner)
            compare_texts_of(run, one, other, inner)
            _compare_written(run, one, other, inner)
        else:
            new, gone = f"the header {name} is new", f"the header {name} is gone"
            worse: Severity | None = "breaking" if one.must_be else None
            run.tell_one("header", inner, one.pointer, other.pointer, new, gone, worse)


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
    """Return the changes from A to B; none if they say the same, whatever schemas are called.

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
    """Return the operations of a document."""
    found: dict[OperationKey, DescribedOperation] = {}
    for path, item in document["paths"].items():
        shape = re.sub(r"\{[^{}]*\}", "{}", path)
        for pointer, each in _items(document, join("/paths", path), item):
            others = [("additionalOperations", name) for name in each.get("additionalOperations", ())]
            for keys in [*((name,) for name in each if name in METHODS), *others]:
                method, place = keys[-1], join(pointer, *keys)
                own = DescribedOperation(path, Node(pointer, each), Node(place, lookup(document, place)))
                found.setdefault((method, shape), own)
    return found


def _items(document: Json, place: str, item: Json) -> list[tuple[str, Json]]:
    """Return a path item, and the one that it refers to, where it does."""
    return [(place, item), *([resolve(document, place)] if "$ref" in item else [])]


def _compare(
    run: Comparison, ours: Mapping[OperationKey, DescribedOperation], theirs: Mapping[OperationKey, DescribedOperation]
) -> None:
    for (method, _), one, other in paired(ours, theirs, NO_OPERATION):
        known = other if other.own else one
        run.seen.clear()
        run.operation = known.id
        if one.own and other.own:
            _compare_calls(run, one, other)
            continue
        text = f"{method.upper()} {known.path}"
        new, gone = f"{text} is new", f"{text} was withdrawn"
        run.tell_one("operation", _CALL, one.own.pointer, other.own.pointer, new, gone)


def _compare_calls(run: Comparison, one: DescribedOperation, other: DescribedOperation) -> None:
    """Compare an operation, by each of the methods that a client has for it, where both are of clients."""
    if not run.is_code:
        _compare_operation(run, one, other)
        return
    ours, theirs = _calls(one), _calls(other)
    for name, own, its in paired(ours, theirs, NO_OPERATION):
        run.operation = name
        if own.own and its.own:
            run.seen.clear()
            _compare_operation(run, own, its)
        else:
            new, gone = f"the client has {name} for it, too", f"the client has no {name} any more"
            run.tell_one("call", _CALL, own.own.pointer, its.own.pointer, new, gone)
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
    compare_security(run, _security(run.a, a), _security(run.b, b))
    _compare_servers(run, a, b)
    compare_parameters(run, a, b)
    compare_bodies(run, a, b)
    compare_replies(run, a, b)


def _security(views: Views, operation: DescribedOperation) -> Security:
    """Return what a call needs: what is said of it, or of the whole document."""
    document = views.document
    if "security" in operation.own.node:
        return read_security(document, operation.own.said("security"), operation.own.node["security"])
    pointer = "/security" if "security" in document else operation.own.pointer
    return read_security(document, pointer, document.get("security", []))


def _compare_servers(run: Comparison, a: DescribedOperation, b: DescribedOperation) -> None:
    owner = run.operation
    for url, one, other in paired(_servers(run.a, a), _servers(run.b, b), ""):
        if not (one and other):
            run.operation = "" if (one or other).startswith("/servers") else owner
            new, gone = f"the address {url} is new", f"the address {url} is gone"
            run.tell_one("server", At("call", "/servers"), one, other, new, gone)
    run.operation = owner


def _servers(views: Views, operation: DescribedOperation) -> dict[str, str]:
    """Return the places of the addresses that hold for an operation, by the addresses."""
    owners = (operation.own, operation.item, Node("", views.document))
    owner = next((each for each in owners if "servers" in each.node), owners[-1])
    return {
        str(server["url"]) + (f" with {key_of(server['variables'])}" if "variables" in server else ""): join(
            owner.pointer, "servers", index
        )
        for index, server in enumerate(owner.node.get("servers", []))
    }
