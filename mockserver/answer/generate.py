"""Values of a schema, from a random source: they satisfy the schema and look real."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random
from typing import Any, NamedTuple

from mockserver.answer.making.nodes import BUDGET, LARGEST, NEVER, Make, Maker, StuckError, cause
from mockserver.answer.making.plan import NONE_FOUND, Compiler, Sent
from mockserver.answer.making.search import Oracle, guarded, probe
from mockserver.answer.making.words import ENGLISH
from mockserver.api import Hints
from mockserver.contract.schema import Schema, check_branches
from mockserver.contract.tree import document_of, lookup, pointed
from mockserver.errors import ContractError
from mockserver.messages import Finding, Json

NO_HINTS = Hints()

_SHOWING = frozenset(("example", "examples", "default"))

MOST_KEPT = 24
"""How many documents' compiled schemas are kept, each for one direction and way."""


class _Compiled(NamedTuple):
    """The compiled schemas of a document; what they were compiled from is kept, since its identity is the key."""

    document: Json
    hints: Hints
    compiler: Compiler
    makers: dict[str, Callable[[Random], Json]]
    assembled: dict[str, Json]


_compiled: dict[tuple[Any, ...], _Compiled] = {}
"""The compiled schemas by document and hints, both by identity, direction, locale and way."""


def generate(
    schema: Schema,
    rng: Random,
    known: Mapping[str, Json] | None = None,
    hints: Hints = NO_HINTS,
    *,
    direction: Sent = "answer",
    locale: str = ENGLISH,
) -> Json:
    """Make a value of `schema`; top-level properties named in `known` take that value (ids are echoed).

    The same schema and state of `rng` give the same value. A ContractError names a schema of which
    no value can be made: none satisfies it, or none was found.
    """
    value = maker(schema, hints, direction=direction, locale=locale)(rng)
    if known and isinstance(value, dict):
        value = {name: known.get(name, each) for name, each in value.items()}
    return value


def maker(
    schema: Schema, hints: Hints = NO_HINTS, *, direction: Sent = "answer", locale: str = ENGLISH
) -> Callable[[Random], Json]:
    """Return what makes values of a schema, which is compiled once. A ContractError says why there are none."""
    place = _place(schema, hints, direction, locale)
    found = place.makers.get(schema.pointer)
    if found is None:
        make = _root(schema, place.compiler)

        def found(rng: Random) -> Json:
            try:
                return make(rng, BUDGET)
            except StuckError:
                raise _none(schema, NONE_FOUND, schema.pointer) from None

        place.makers[schema.pointer] = found
    return found


def problems(schema: Schema, value: Json, *, where: str = "") -> list[Finding]:
    """List what is wrong with an answer; that it lacks a required field which requests alone have is right."""
    found = [] if schema.is_valid(value) else schema.explain(value, where=where, fault="mock")
    return [each for each in found if not _is_left_out(schema, each)]


def _is_left_out(schema: Schema, finding: Finding) -> bool:
    if finding.rule != "required" or not isinstance(finding.received, dict):
        return False
    compiler = _place(schema, NO_HINTS, "answer", ENGLISH).compiler
    try:
        compiler.compile(schema.pointer)
    except (ContractError, RecursionError):
        return False
    return compiler.hidden.issuperset(set(finding.expected["required"]) - finding.received.keys())


def assemble(schema: Schema, *, direction: Sent = "answer", locale: str = ENGLISH) -> Json:
    """Put a value together from the schemas' own `example`, `examples`, `default`: always the same.

    None where they show nothing, or where no valid value comes of it. The value is shared: copy it before a change.
    """
    place = _place(schema, NO_HINTS, direction, locale, documented=True)
    if schema.pointer not in place.assembled:
        place.assembled[schema.pointer] = _assembled(schema, place.compiler)
    return place.assembled[schema.pointer]


def _place(schema: Schema, hints: Hints, direction: Sent, locale: str, *, documented: bool = False) -> _Compiled:
    key = id(schema.document), id(hints), direction, locale, documented
    found = _compiled.get(key)
    if found is None:
        if len(_compiled) >= MOST_KEPT:
            del _compiled[next(iter(_compiled))]
        own = None if hints is NO_HINTS else hints
        twins = (each.compiler for each in list(_compiled.values()) if each.document is schema.document)
        twin = next(twins, None)
        compiler = Compiler(schema.document, direction, own, locale, documented=documented, twin=twin)
        found = _compiled[key] = _Compiled(schema.document, hints, compiler, {}, {})
    return found


def _root(schema: Schema, compiler: Compiler) -> Make:
    """Compile a schema, and try some values on its validator."""
    node = _node(schema, compiler)
    for either_way in (True, False):  # a member of a union that only a format shuts out holds for other readers
        judge = Oracle([schema], compiler.hidden, either_way=either_way)
        if not compiler.hidden and all(_is_right(node, judge, seed) for seed in range(6)):
            return node.make
        found = probe(node.make, judge, ())
        if found is not None:
            return guarded(node.make, judge, found)
        if not judge.turns:
            break
    raise _none(schema, NONE_FOUND, schema.pointer)


def _node(schema: Schema, compiler: Compiler) -> Maker:
    check_branches(document_of(schema.document), schema.pointer)
    try:
        node = compiler.compile(schema.pointer)
    except RecursionError:
        raise ContractError("no value is made of a schema that is nested so deep", where="#" + schema.pointer) from None
    if node.cost == NEVER:
        leaf = cause(node)
        raise _none(
            schema, leaf.why if leaf is not None else "the schema has no end", leaf.where if leaf is not None else ""
        )
    if node.cost > LARGEST:
        raise ContractError(
            "no value is made of this schema",
            where="#" + schema.pointer,
            why=f"it would have more than {LARGEST} parts",
            fix="give the answer an example, or ask for less",
        )
    return node


def _is_right(node: Maker, judge: Oracle, seed: int) -> bool:
    try:
        return judge.is_valid(node.make(Random(seed), BUDGET))
    except StuckError:
        return False


def _none(schema: Schema, why: str, where: str) -> ContractError:
    proven = "" if why == NONE_FOUND else "no value satisfies it: "
    return ContractError(
        "no value can be made",
        where="#" + (where or schema.pointer),
        why=proven + why,
        fix="give the answer an example" if why == NONE_FOUND else "correct the schema",
    )


def _shows(schema: Schema) -> bool:
    """Return whether a schema, or one that it reaches, shows a value: most show none, and need not be compiled."""
    seen: set[str] = set()
    stack: list[Any] = [schema.node] if isinstance(schema.node, dict) else []
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if not _SHOWING.isdisjoint(node):
                return True
            reference = node.get("$ref")
            if isinstance(reference, str) and reference not in seen:
                seen.add(reference)
                with suppress(KeyError):
                    stack.append(lookup(schema.document, pointed(reference)))
            stack += [each for each in node.values() if type(each) is dict or type(each) is list]
        elif isinstance(node, list):
            stack += [each for each in node if type(each) is dict or type(each) is list]
    return False


def _assembled(schema: Schema, compiler: Compiler) -> Json:
    """Put the value together; the rest is drawn from a fixed seed."""
    if not _shows(schema):
        return None
    try:
        node = _node(schema, compiler)
        if not compiler.shows(node):
            return None
        value = node.make(Random(0), BUDGET)
    except (ContractError, StuckError):
        return None
    return value if Oracle([schema], compiler.hidden).is_valid(value) else None
