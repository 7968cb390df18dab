"""How a contract differs from another: each change, whom it breaks, and what a version would have to say of it."""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

from mockserver.check.drift_parts import (
    Operation,
    Place,
    compare_bodies,
    compare_parameters,
    compare_replies,
    compare_texts_of,
)
from mockserver.check.drift_rules import ORDER, Change
from mockserver.check.drift_run import At, Run, shown
from mockserver.check.drift_view import Views, key_of
from mockserver.contract import METHODS
from mockserver.errors import ContractError
from mockserver.exchange import Json
from mockserver.schema import join, resolve

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

    changes: tuple[Change, ...]
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
    run = Run(Views(a.document), Views(b.document), _unsaid(a, b), is_code=a.is_client and b.is_client)
    _compare(run, operations(a.document), operations(b.document))
    found = list(run.found.values())
    return Drift(tuple(sorted(found, key=lambda each: ORDER.index(each.severity))), tuple(run.compared))


def _unsaid(a: Description, b: Description) -> frozenset[str]:
    unsaid = UNSAID if a.is_client or b.is_client else frozenset()
    return unsaid | FOREIGN if a.is_client is not b.is_client else unsaid


Key: TypeAlias = tuple[str, str]
"""What an operation is known by: its method, and its path without the names of its parameters."""


def operations(document: Json) -> dict[Key, Operation]:
    """Give the operations of a document."""
    found = {}
    for path, item in document["paths"].items():
        pointer = join("/paths", path)
        if "$ref" in item:
            raise ContractError("a path must be described in place", where="#" + pointer)
        shape = re.sub(r"\{[^{}]*\}", "{}", path)
        for method in item:
            if method in METHODS:
                own = Place(join(pointer, method), item[method])
                found[method, shape] = Operation(path, Place(pointer, item), own)
    return found


def _compare(run: Run, ours: Mapping[Key, Operation], theirs: Mapping[Key, Operation]) -> None:
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


def _compare_calls(run: Run, one: Operation, other: Operation) -> None:
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


def _calls(operation: Operation) -> dict[str, Operation]:
    return {
        name: operation._replace(own=Place(join(operation.own.pointer, CALLS, name), node))
        for name, node in operation.own.node.get(CALLS, {}).items()
    }


def _compare_operation(run: Run, a: Operation, b: Operation) -> None:
    run.compared.append(run.operation)
    was, now = a.own.node.get("operationId"), b.own.node.get("operationId")
    if was != now:
        text = f"the operationId went from {shown(was)} to {shown(now)}"
        run.tell("operation-renamed", _CALL, (a.own.said("operationId"), b.own.said("operationId")), text, was, now)
    compare_texts_of(run, a.own, b.own, _CALL)
    _compare_security(run, a, b)
    _compare_servers(run, a, b)
    compare_parameters(run, a, b)
    compare_bodies(run, a, b)
    compare_replies(run, a, b)


Alternative: TypeAlias = frozenset[tuple[str, str]]
"""Schemes and scopes that together let a caller in."""


def _compare_security(run: Run, a: Operation, b: Operation) -> None:
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


def _security(views: Views, operation: Operation) -> tuple[str, set[Alternative]]:
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


def _compare_servers(run: Run, a: Operation, b: Operation) -> None:
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


def _servers(views: Views, operation: Operation) -> dict[str, str]:
    """Give the places of the addresses that hold for an operation, by the addresses."""
    owners = (operation.own, operation.item, Place("", views.document))
    owner = next((each for each in owners if "servers" in each.node), owners[-1])
    return {
        str(server["url"]) + (f" with {key_of(server['variables'])}" if "variables" in server else ""): join(
            owner.pointer, "servers", index
        )
        for index, server in enumerate(owner.node.get("servers", []))
    }
