"""Stubs: reading them, checking them, and choosing the one that answers a request."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from msgspec import structs

from mockserver.answer.choose import Answers, Unmet
from mockserver.answer.render import Renderer
from mockserver.api import Call, Draft
from mockserver.contract.openapi import Operation
from mockserver.contract.router import Match
from mockserver.contract.schema import Schema
from mockserver.contract.source import read_source
from mockserver.contract.tree import pointed, resolve
from mockserver.errors import ContractError, StubError, suggestion
from mockserver.matching import (
    ANY,
    RESPONSE_KEYS,
    Fields,
    OperationFields,
    Parts,
    When,
    as_json,
    describe,
    differences,
    parts_of,
    read_when,
)
from mockserver.messages import (
    Finding,
    Json,
    Request,
    Response,
    kind_of,
)
from mockserver.store.base import Store, StoredStub
from mockserver.stub.faults import damaged, lasting
from mockserver.stub.response import (
    UNSAID,
    StubbedResponse,
    called,
    check_response,
    merged,
    name_of,
    read_response,
    why_not,
    wished,
    with_body,
    wronged,
)

ENTRY_KEYS = ("operation", "when", "answers", "probability", "off")

MOST_RESPONSES = 1_000
"""The most answers that a stub has."""


class StubEntry(NamedTuple):
    """The stubbed responses for matching requests of an operation, one after the other."""

    number: int
    operation: str
    when: When
    steps: tuple[StubbedResponse, ...]
    probability: float
    total: int | None
    """How often it is used in all; None for no limit."""
    off: bool = False
    """Whether it is switched off, and answers nothing."""

    def __str__(self) -> str:
        """Describe it in a line."""
        return f"stub {self.number} for {self.operation}{describe(self.when)}"


class Taken(NamedTuple):
    """The stub that answers a request: its entry, the step of it, and the number of this use, from 1 on."""

    entry: StubEntry
    step: StubbedResponse
    use: int
    place: int
    """The position of the entry among the stubs of its scope, from 0 on."""

    @property
    def faults(self) -> tuple[Json, ...]:
        """The deliberate damage to the answer, as JSON."""
        return self.step.faults_json


def read_spec(given: Any) -> Json:
    """Normalize a stub to the keys operation, when, answers, probability and off.

    The keys of a single answer may be in the stub itself. A StubError names what cannot be read.
    """
    if not isinstance(given, Mapping):
        raise StubError("a stub is an object", why=f"it is {given!r}", fix='write {"operation": "NAME"}')
    known = (*ENTRY_KEYS, *RESPONSE_KEYS)
    unknown = [key for key in given if key not in known]
    if unknown:
        fix = suggestion(unknown[0], known, f"it has {', '.join(known)}")
        raise StubError(f"a stub has no {unknown[0]!r}", fix=fix)
    if not isinstance(given.get("operation"), str):
        raise StubError("a stub names its operation", fix='write {"operation": "NAME"}, or "*" for any')
    own = {key: given[key] for key in RESPONSE_KEYS if key in given}
    answers = given.get("answers", [own])
    if own and "answers" in given:
        raise StubError("a stub has answers, or is one", why=f"it also says {', '.join(own)}")
    if not isinstance(answers, list | tuple) or not 0 < len(answers) <= MOST_RESPONSES:
        raise StubError(f"the answers are a list of 1 to {MOST_RESPONSES}", fix='write [{"status": 429}, {}]')
    made = {"operation": given["operation"], "when": given.get("when") or {}, "answers": list(answers)}
    return made | {key: given[key] for key in ("probability", "off") if given.get(key) is not None}


def spec_json(spec: Json) -> Json:
    """Write a stub as JSON; StubError if it contains a function."""
    return {**spec, "when": as_json(spec["when"]), "answers": as_json(spec["answers"])}


def entry_spec(entry: StubEntry) -> Json:
    """Write a stub as JSON, with functions as their names."""
    answers = [_named(step) for step in entry.steps]
    spec: Json = {"operation": entry.operation, "when": entry.when, "answers": answers}
    if entry.probability < 1:
        spec["probability"] = entry.probability
    if entry.off:
        spec["off"] = True
    try:
        return {**spec, "when": as_json(entry.when)}
    except StubError:
        return {**spec, "when": describe(entry.when).removeprefix(" with ")}


def _named(step: StubbedResponse) -> dict[str, Json]:
    """Write a response as JSON, with its function as a name."""
    return {**step.spec, "answer": name_of(step.answer)} if step.answer is not None else dict(step.spec)


def read_stubs(path: Path) -> list[Json]:
    """Read a file of stubs, YAML or JSON: a list of them."""
    given = read_source(path, "the file of stubs", StubError).data
    if not isinstance(given, list):
        why = f"it is {kind_of(given)}"
        raise StubError("a file of stubs is a list", where=str(path), why=why, fix="begin each with a dash")
    return given


class StubRules:
    """Reads stubs and chooses among them."""

    def __init__(
        self,
        store: Store,
        operations: tuple[Operation, ...],
        chance: Callable[..., Random],
        names: Callable[[Operation], Iterable[tuple[int, str]]],
        base: Sequence[Json] = (),
    ) -> None:
        self.store, self._chance, self._names = store, chance, names
        self.fields = fields_of(operations)
        self._operations: dict[str, list[Operation]] = {}
        for operation in operations:
            self._operations.setdefault(operation.id, []).append(operation)
        self._compiled: dict[tuple[str, int, int], StubEntry] = {}
        self.base = tuple(self._based(index, spec) for index, spec in enumerate(base, 1))

    def _based(self, index: int, spec: Any) -> StubEntry:
        """Compile an entry of a file; a StubError says which entry is wrong."""
        try:
            return self.compile(StoredStub(-index, 1, read_spec(spec)))
        except StubError as error:
            what = f"entry {index} of the stubs: {error.what}"
            raise StubError(what, where=error.where, why=error.why, fix=error.fix) from error

    def add(self, scope: str, given: Any, number: int = 0) -> StubEntry:
        """Create or change a stub; a StubError says what the contract does not allow."""
        spec = read_spec(given)
        self.compile(StoredStub(0, 0, spec))
        kept = self.store.put_stub(scope, spec_json(spec) if self.store.shared_log else spec, number)
        return self._entry(scope, kept)

    def entries(self, scope: str) -> Sequence[StubEntry]:
        """List the stubs of a scope: those that every scope starts with, then its own."""
        return self._entries(scope, self.store.stubs(scope))

    def _entries(self, scope: str, kept: Sequence[StoredStub]) -> Sequence[StubEntry]:
        return (*self.base, *(self._entry(scope, each) for each in kept)) if kept else self.base

    def _entry(self, scope: str, kept: StoredStub) -> StubEntry:
        key = (scope, kept.number, kept.revision)
        entry = self._compiled.get(key)
        if entry is None:
            if len(self._compiled) > 10_000:
                self._compiled.clear()
            entry = self._compiled[key] = self.compile(kept)
        return entry

    def take(self, call: Call) -> Taken | None:
        """Return the stub that answers a call and count its use; None if no stub matches.

        Stubs with a limit come first, in the order of creation; then those without one, the latest first.
        """
        request = call.request
        scope = request.scope
        stubbed = self.store.stubbed
        kept = self.store.stubs(scope) if stubbed is None else list(stubbed.get(scope, {}).values())
        if not kept and not self.base:
            return None
        entries = self._entries(scope, kept)
        parts: Parts | None = None
        on = [(place, entry) for place, entry in enumerate(entries) if not entry.off]
        ending = [pair for pair in on if pair[1].total is not None]
        lasting = [pair for pair in on if pair[1].total is None]
        for place, entry in (*ending, *reversed(lasting)):
            if entry.operation not in (ANY, call.operation.id):
                continue
            if entry.when and parts is None:
                parts = parts_of(call.path, request.query, request.headers.raw, request.body)
            if parts is None or not differences(entry.when, parts):
                taken = self._claimed(scope, entry, place)
                if taken is not None:
                    return taken if taken.step.answer is None else self._called(taken, call)
        return None

    def _called(self, taken: Taken, call: Call) -> Taken:
        """Call the function of a stub; its answer is checked as if it had been stubbed."""
        try:
            step = called(taken.step, call)
            check_response(call.operation, step, self._names)
        except StubError as error:
            reasons = "; ".join(part for part in (error.why, error.fix) if part)
            step = taken.step._replace(problem=f"{error.what} ({reasons})" if reasons else error.what)
        return taken._replace(step=step)

    def _claimed(self, scope: str, entry: StubEntry, place: int) -> Taken | None:
        """Claim a use of an entry. Its chance depends on its position, since numbers are shared by all scopes."""
        if entry.probability < 1:
            asked = self.store.claim(scope, f"{entry.number}:asked")
            if self._chance(scope, "stub", place, asked).random() >= entry.probability:
                return None
        use = self.store.claim(scope, str(entry.number), entry.total)
        return Taken(entry, _step(entry, use), use, place) if use else None

    def unused(self, scope: str) -> Mapping[int, Sequence[str]]:
        """Map each entry with unused answers to descriptions of them; one that is off is left out."""
        found: dict[int, list[str]] = {}
        claims = self.store.claims(scope)
        for entry in (each for each in self.entries(scope) if not each.off):
            used = claims.get(str(entry.number), 0)
            for step, first in _firsts(entry):
                if used < first:
                    found.setdefault(entry.number, []).append(_describe_step(step))
        return found

    def draft(self, taken: Taken, call: Call, answers: Answers) -> Draft:
        """Return the stubbed answer, before deliberate damage; Unmet if the answering contract forbids it.

        If the whole body is stubbed, the operation is not played; an invalid body is put into a made answer later.
        """
        step, operation = taken.step, call.operation
        if step.problem:
            raise Unmet(step.problem)
        whole = step.body is not UNSAID
        if whole and not step.invalid:
            draft = with_body(operation, step)
        else:
            draft = answers.answer(call, wished(operation, step))
            draft = structs.replace(draft, source="stubbed") if whole else draft
        if step.partial is not None and not step.invalid:
            draft = structs.replace(draft, value=merged(draft.value, step.partial))
        if (whole or step.partial is not None) and not step.invalid and (why := why_not(operation, draft)):
            raise Unmet(why)
        return structs.replace(draft, headers=(*draft.headers, *step.headers))

    def finish(self, taken: Taken, response: Response, scope: str, schema: Schema | None) -> tuple[Response, Response]:
        """Apply a stub's deliberate damage to an answer; a StubError says what cannot be done.

        Returns the answer, and the answer without the damage to its delivery. `schema` is that of the body, or of
        the events of a stream.
        """
        step = taken.step
        if step.invalid:
            response = wronged(response, step)
        if not step.faults:
            return response, response
        draws = any(fault.kind == "delay" for fault in step.faults)
        chance = self._chance(scope, "stub", taken.place, "use", taken.use) if draws else Random(0)
        whole = damaged(response, lasting(step.faults), chance, schema)
        return damaged(response, step.faults, chance, schema), whole

    def compile(self, kept: StoredStub) -> StubEntry:
        """Compile a stub; a StubError says what cannot be read, or what the contract does not allow."""
        spec = kept.spec
        operation, probability = self.fields.id_of(spec["operation"]), spec.get("probability", 1.0)
        if not isinstance(spec["when"], Mapping):
            raise StubError("what is expected of a request is names and values", why=f"it is {spec['when']!r}")
        when = read_when(operation, spec["when"], self.fields)
        if not isinstance(probability, int | float) or isinstance(probability, bool) or not 0 < probability <= 1:
            raise StubError(f"{probability!r} is no probability", fix="write a number above 0, up to 1")
        off = spec.get("off", False)
        if not isinstance(off, bool):
            raise StubError(f"{off!r} does not say whether a stub is off", fix="write true or false")
        steps = tuple(read_response(answer) for answer in spec["answers"])
        if any(step.times is None for step in steps[:-1]):
            raise StubError("an answer after one with times: always is never used", fix="put it last")
        for step in steps:
            self._check(operation, step)
        counts = [step.times for step in steps]
        total = None if None in counts else sum(count or 0 for count in counts)
        return StubEntry(kept.number, operation, when, steps, float(probability), total, off)

    def _check(self, operation: str, step: StubbedResponse) -> None:
        """Reject an answer that no contract in force allows."""
        wrong: list[StubError] = []
        ids = sorted(self._operations) if operation == ANY else [operation]
        for name in ids:
            found = []
            for each in self._operations[name]:
                try:
                    check_response(each, step, self._names)
                except StubError as error:
                    found.append(error)
            if len(found) == len(self._operations[name]):
                wrong.append(found[0])
        if wrong:
            raise wrong[0]


def _step(entry: StubEntry, use: int) -> StubbedResponse:
    """Return the step that answers an entry's use."""
    return [step for step, first in _firsts(entry) if use >= first][-1]


def _firsts(entry: StubEntry) -> Iterator[tuple[StubbedResponse, int]]:
    """Yield each step with the number of its first use."""
    first = 1
    for step in entry.steps:
        yield step, first
        first += step.times or 0


def _describe_step(step: StubbedResponse) -> str:
    text = json.dumps(_named(step), ensure_ascii=False, default=str)
    return text if len(text) < 200 else text[:197] + "..."


@lru_cache(maxsize=16)
def fields_of(operations: tuple[Operation, ...]) -> OperationFields:
    """Collect the names that the requests of each operation may use, in any of its contracts."""
    by_id: dict[str, list[Operation]] = {}
    for each in operations:
        by_id.setdefault(each.id, []).append(each)
    places = {name: [f"{each.method} {each.path}" for each in same] for name, same in by_id.items()}
    return OperationFields(lambda name: _fields(by_id[name]), places)


def _fields(operations: Iterable[Operation]) -> Fields:
    names: dict[str, set[str]] = {part: set() for part in Fields._fields}
    for operation in operations:
        with suppress(ContractError):  # it cannot be called
            for parameter in operation.parameters:
                part = {"header": "headers"}.get(parameter.location, parameter.location)
                if part in names:
                    names[part].add(parameter.name)
            if operation.body is not None and isinstance(operation.body.schema.node, dict):
                names["body"].update(_properties(operation.body.schema))
    return Fields(*(frozenset(names[part]) for part in Fields._fields))


def _properties(schema: Schema) -> Iterator[str]:
    nodes = [schema.node, *schema.node.get("anyOf", ()), *schema.node.get("allOf", ())]
    for node in nodes:
        if isinstance(node, dict) and "$ref" in node:
            _, node = resolve(schema.document, pointed(node["$ref"]))
        if isinstance(node, dict):
            yield from node.get("properties", {})


def misconfigured(text: str, taken: Taken) -> Draft:
    """Answer that the contract does not allow a stub."""
    rule = "stub-function" if taken.step.problem else "stub"
    finding = Finding("", rule, f"{taken.entry}: {text}", "stub")
    return Draft(500, {"detail": finding.message}, findings=(finding,))


def finished(
    stubs: StubRules,
    renderer: Renderer,
    request: Request,
    match: Match,
    draft: Draft,
    response: Response,
    taken: Taken,
) -> tuple[Response, Response]:
    """Apply a stub's damage to an answer; return the answer, and the answer before it was cut.

    Damage that cannot be done becomes a 500 that says so.
    """
    media = renderer.spec(match.operation, draft).media if taken.step.needs_schema else None
    schema = None if media is None else media.schema if response.stream is None else media.item_schema
    try:
        return stubs.finish(taken, response, request.scope, schema)
    except StubError as error:
        if response.stream is not None:
            response.stream.close(0)
        text = f"{error.what}: {error.why}" if error.why else error.what
        failed = renderer.render(request, match, misconfigured(text, taken))
        return failed, failed
