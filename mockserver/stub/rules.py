"""Answers planned ahead: which requests they are for, what they say, how often; read, checked, chosen."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from mockserver.answer.choose import Answers, Draft, Unmet
from mockserver.answer.prefer import NONE
from mockserver.contract.openapi import Operation
from mockserver.contract.schema import Schema, load_document, resolve
from mockserver.errors import ContractError, PlanError
from mockserver.matching import ANY, Fields, When, as_json, differences, parts_of, read_when, told
from mockserver.messages import (
    Finding,
    Json,
    Response,
)
from mockserver.request.validate import Call
from mockserver.store.base import Kept, Shelf
from mockserver.stub.faults import damaged, lasting
from mockserver.stub.response import (
    ANSWER_KEYS,
    UNSAID,
    Step,
    check_step,
    merged,
    read_step,
    why_not,
    wished,
    with_body,
    wronged,
)

ENTRY_KEYS = ("operation", "when", "answers", "probability")

MOST_ANSWERS = 1_000
"""How many answers an entry has at the most."""


_DEEPEST = 100
"""How deep a plan's file may be nested."""


class Entry(NamedTuple):
    """Answers planned for the requests of an operation that are as expected, one after the other."""

    number: int
    operation: str
    when: When
    steps: tuple[Step, ...]
    probability: float
    total: int | None
    """How often it is used in all; None for no end."""

    def __str__(self) -> str:
        """Tell it in a line."""
        return f"planned answer {self.number} for {self.operation}{told(self.when)}"


class Taken(NamedTuple):
    """A planned answer whose turn it is: of its entry the step, and the number of its use, from 1 on."""

    entry: Entry
    step: Step
    use: int
    place: int
    """The place of the entry in the plan of its scope, from 0 on."""


def read_spec(given: Any) -> Json:
    """Bring a planned answer into its one form: operation, when, answers, probability.

    The keys of a single answer may stand in the entry itself. A PlanError names what cannot be read.
    """
    if not isinstance(given, Mapping):
        raise PlanError(
            "a planned answer is an object", why=f"it is {given!r}", mend='write {"operation": "set_title"}'
        )
    known = (*ENTRY_KEYS, *ANSWER_KEYS)
    unknown = [key for key in given if key not in known]
    if unknown:
        raise PlanError(f"a planned answer has no {unknown[0]!r}", mend=f"it has {', '.join(known)}")
    if not isinstance(given.get("operation"), str):
        raise PlanError("a planned answer names its operation", mend='write {"operation": "set_title"}, or "*" for any')
    own = {key: given[key] for key in ANSWER_KEYS if key in given}
    answers = given.get("answers", [own])
    if own and "answers" in given:
        raise PlanError("a planned answer has answers, or is one", why=f"it also says {', '.join(own)}")
    if not isinstance(answers, list | tuple) or not 0 < len(answers) <= MOST_ANSWERS:
        raise PlanError(f"the answers are a list of 1 to {MOST_ANSWERS}", mend='write [{"status": 429}, {}]')
    made = {"operation": given["operation"], "when": given.get("when") or {}, "answers": list(answers)}
    return made if given.get("probability") is None else {**made, "probability": given["probability"]}


def spec_json(spec: Json) -> Json:
    """Write a planned answer as JSON; a PlanError where a function stands in it."""
    return {**spec, "when": as_json(spec["when"])}


def read_plan(path: Path) -> list[Json]:
    """Read a file of planned answers, YAML or JSON: a list of them."""
    try:
        given = load_document(path, deepest=_DEEPEST)
    except ContractError as error:
        what = error.what.replace("the contract", "the plan")
        raise PlanError(what, where=error.where, why=error.why, mend=error.mend) from error
    if not isinstance(given, list):
        why = f"it is {type(given).__name__}"
        raise PlanError("a plan is a list of planned answers", where=str(path), why=why, mend="begin each with a dash")
    return given


class Planner:
    """Reads what is planned and chooses among it."""

    def __init__(
        self,
        shelf: Shelf,
        operations: tuple[Operation, ...],
        chance: Callable[..., Random],
        names: Callable[[Operation], Iterable[tuple[int, str]]],
        base: Sequence[Json] = (),
    ) -> None:
        self.shelf, self._chance, self._names = shelf, chance, names
        self.fields = fields_of(operations)
        self._operations: dict[str, list[Operation]] = {}
        for operation in operations:
            self._operations.setdefault(operation.id, []).append(operation)
        self._compiled: dict[tuple[str, int, int], Entry] = {}
        self._base = tuple(self._based(index, spec) for index, spec in enumerate(base, 1))

    def _based(self, index: int, spec: Any) -> Entry:
        """Compile an entry of a file; a PlanError says which cannot be meant."""
        try:
            return self.compile(Kept(-index, 1, read_spec(spec)))
        except PlanError as error:
            what = f"entry {index} of the plan: {error.what}"
            raise PlanError(what, where=error.where, why=error.why, mend=error.mend) from error

    def add(self, scope: str, given: Any, number: int = 0) -> Entry:
        """Plan an answer, or change one; a PlanError says what of it the contract does not allow."""
        spec = read_spec(given)
        self.compile(Kept(0, 0, spec))
        kept = self.shelf.put(scope, spec_json(spec) if self.shelf.shared else spec, number)
        return self._entry(scope, kept)

    def entries(self, scope: str) -> Sequence[Entry]:
        """Give what is planned in a scope: what each scope begins with, then its own."""
        return self._entries(scope, self.shelf.plan(scope))

    def _entries(self, scope: str, kept: Sequence[Kept]) -> Sequence[Entry]:
        return (*self._base, *(self._entry(scope, each) for each in kept)) if kept else self._base

    def _entry(self, scope: str, kept: Kept) -> Entry:
        key = (scope, kept.number, kept.revision)
        entry = self._compiled.get(key)
        if entry is None:
            if len(self._compiled) > 10_000:
                self._compiled.clear()
            entry = self._compiled[key] = self.compile(kept)
        return entry

    def take(self, call: Call) -> Taken | None:
        """Give the planned answer whose turn it is, and count its use; None where nothing fits.

        What ends comes first, in the order in which it was planned; then what does not, the latest first.
        """
        request = call.request
        scope = request.scope
        kept = self.shelf.plan(scope)
        if not kept and not self._base:
            return None
        entries = self._entries(scope, kept)
        parts = parts_of(call.path, request.query, request.headers.raw, request.body)
        ending = [(place, entry) for place, entry in enumerate(entries) if entry.total is not None]
        lasting = [(place, entry) for place, entry in enumerate(entries) if entry.total is None]
        for place, entry in (*ending, *reversed(lasting)):
            if entry.operation in (ANY, call.operation.id) and not differences(entry.when, parts):
                taken = self._claimed(scope, entry, place)
                if taken is not None:
                    return taken
        return None

    def _claimed(self, scope: str, entry: Entry, place: int) -> Taken | None:
        """Claim a use of an entry; chance knows it by its place, since numbers are those of all scopes together."""
        if entry.probability < 1:
            asked = self.shelf.claim(scope, f"{entry.number}:asked")
            if self._chance(scope, "plan", place, asked).random() >= entry.probability:
                return None
        use = self.shelf.claim(scope, str(entry.number), entry.total)
        return Taken(entry, _step(entry, use), use, place) if use else None

    def unused(self, scope: str) -> Mapping[int, Sequence[str]]:
        """Tell which planned answers were never used: entry -> its answers, each in words."""
        found: dict[int, list[str]] = {}
        claims = self.shelf.claims(scope)
        for entry in self.entries(scope):
            used = claims.get(str(entry.number), 0)
            for step, first in _firsts(entry):
                if used < first:
                    found.setdefault(entry.number, []).append(_said(step))
        return found

    def draft(self, taken: Taken, call: Call, answers: Answers) -> Draft:
        """Give the planned answer, before what is wrong with it on purpose; Unmet where its contract forbids it.

        Where a whole body is planned the operation is not played; a wrong one is put into a made answer later.
        """
        step, operation = taken.step, call.operation
        whole = step.body is not UNSAID
        if whole and not step.invalid:
            draft = with_body(operation, step)
        else:
            draft = answers.answer(call, wished(operation, step))
            draft = draft._replace(source="planned") if whole else draft
        if step.partial is not None and not step.invalid:
            draft = draft._replace(value=merged(draft.value, step.partial))
        if (whole or step.partial is not None) and not step.invalid and (why := why_not(operation, draft)):
            raise Unmet(why)
        return draft._replace(headers=(*draft.headers, *step.headers), applied=NONE)

    def finish(
        self, taken: Taken, response: Response, scope: str, schema: Schema | None, events: Sequence[Json] = ()
    ) -> tuple[Response, Response]:
        """Do to an answer what is wrong with it on purpose; a PlanError says what cannot be done.

        Gives the answer, and what it would be if nothing hindered it on its way. `schema` is that of the body, or of
        the events of a stream, which are `events`.
        """
        step = taken.step
        if step.invalid:
            response = wronged(response, step)
        if not step.faults:
            return response, response
        chance = self._chance(scope, "plan", taken.place, "use", taken.use)
        whole = damaged(response, lasting(step.faults), chance, schema, events)
        return damaged(response, step.faults, chance, schema, events), whole

    def compile(self, kept: Kept) -> Entry:
        """Compile what is planned; a PlanError says what cannot be read, or what the contract does not allow."""
        spec = kept.spec
        operation, probability = spec["operation"], spec.get("probability", 1.0)
        if not isinstance(spec["when"], Mapping):
            raise PlanError("what is expected of a request is names and values", why=f"it is {spec['when']!r}")
        when = read_when(operation, spec["when"], self.fields)
        if not isinstance(probability, int | float) or isinstance(probability, bool) or not 0 < probability <= 1:
            raise PlanError(f"{probability!r} is no probability", mend="write a number above 0, up to 1")
        steps = tuple(read_step(answer) for answer in spec["answers"])
        if any(step.times is None for step in steps[:-1]):
            raise PlanError("what comes after an answer that is given always is never given", mend="put it last")
        for step in steps:
            self._check(operation, step)
        counts = [step.times for step in steps]
        total = None if None in counts else sum(count or 0 for count in counts)
        return Entry(kept.number, operation, when, steps, float(probability), total)

    def _check(self, operation: str, step: Step) -> None:
        """Refuse an answer that no contract in force allows."""
        wrong: list[PlanError] = []
        ids = sorted(self._operations) if operation == ANY else [operation]
        for name in ids:
            found = []
            for each in self._operations[name]:
                try:
                    check_step(each, step, self._names)
                except PlanError as error:
                    found.append(error)
            if len(found) == len(self._operations[name]):
                wrong.append(found[0])
        if wrong:
            raise wrong[0]


def _step(entry: Entry, use: int) -> Step:
    """Give the step of an entry's use."""
    return [step for step, first in _firsts(entry) if use >= first][-1]


def _firsts(entry: Entry) -> Iterator[tuple[Step, int]]:
    """Give each step with the number of its first use."""
    first = 1
    for step in entry.steps:
        yield step, first
        first += step.times or 0


def _said(step: Step) -> str:
    text = json.dumps(step.spec, ensure_ascii=False, default=str)
    return text if len(text) < 200 else text[:197] + "..."


@lru_cache(maxsize=16)
def fields_of(operations: tuple[Operation, ...]) -> Mapping[str, Fields]:
    """Give the names that the requests of each operation may have, in any of its contracts."""
    made: dict[str, Fields] = {}
    for operation in operations:
        names: dict[str, set[str]] = {
            part: set(getattr(made.get(operation.id, Fields()), part)) for part in Fields._fields
        }
        for parameter in operation.parameters:
            part = {"header": "headers"}.get(parameter.location, parameter.location)
            if part in names:
                names[part].add(parameter.name)
        if operation.body is not None and isinstance(operation.body.schema.node, dict):
            names["body"].update(_properties(operation.body.schema))
        made[operation.id] = Fields(*(frozenset(names[part]) for part in Fields._fields))
    return made


def _properties(schema: Schema) -> Iterator[str]:
    nodes = [schema.node, *schema.node.get("anyOf", ()), *schema.node.get("allOf", ())]
    for node in nodes:
        if isinstance(node, dict) and "$ref" in node:
            _, node = resolve(schema.document, node["$ref"].removeprefix("#"))
        if isinstance(node, dict):
            yield from node.get("properties", {})


def _misplanned(text: str, taken: Taken) -> Draft:
    finding = Finding("", "plan", f"{taken.entry}: {text}", "plan")
    return Draft(500, {"detail": finding.message}, findings=(finding,))
