"""Does a server keep its contract? Cases of every kind are sent, and every answer is looked at by every rule."""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from mockserver.apis.llamacloud_chat.check import event_checks  # noqa: F401  # registers its checks
from mockserver.apis.llamacloud_chat.check.checks import STATE
from mockserver.apis.llamacloud_chat.check.driver import ROUTES, LackingError, World
from mockserver.check.provider.boundaries import boundaries
from mockserver.check.provider.cases import Case, Verdict, request_of, verdict_of
from mockserver.check.provider.checks import Broken, Seen, looked_at
from mockserver.check.provider.fuzz import drawn_cases
from mockserver.check.provider.protocol import PROBES, Probe, probes, rules_told
from mockserver.check.report.model import Problem, Report, gathered
from mockserver.check.report.reproduce import reproduction
from mockserver.check.target import Target
from mockserver.contract.openapi import Contract, Operation
from mockserver.errors import ContractError
from mockserver.messages import Request

Placed = tuple[Contract, Operation]
"""An operation, and the contract that it is held to."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a server is checked."""

    key: str | None = "any-key"
    key_env: str = "LLAMA_CLOUD_API_KEY"
    """The variable that a reproduction takes the key from."""
    examples: int = 500
    """How many requests are drawn, all operations together."""
    seconds: float = 0.0
    """How long the run may take; 0 for as long as it takes."""
    seed: int = 0
    patience: float = 10.0
    """Seconds that one answer may take."""
    read_only: bool = False
    """Whether only what changes nothing is asked."""
    state: bool = True
    """Whether the rules of state and meaning hold: the server keeps sessions."""
    at_first: bool = False
    """Whether to stop at the first problem."""
    operations: Collection[str] = ()
    """Only these operations get cases of their own, all where there are none; sequences call every one."""


class _EnoughError(Exception):
    """The run ends: its time is over, or it was to stop at the first problem."""


@dataclass(slots=True)
class Run:
    """One run: what was found so far."""

    target: Target
    operations: Sequence[Placed]
    options: Options
    tell: Callable[[str], None] = lambda _: None
    problems: list[Problem] = field(default_factory=list)
    cases: int = 0
    lacking: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def causes(self) -> set[tuple[str, str, str, str]]:
        """What was found so far."""
        return {each.cause for each in self.problems}

    @property
    def asked(self) -> Sequence[Placed]:
        """The operations that get cases of their own."""
        names = self.options.operations
        return [each for each in self.operations if not names or each[1].id in names]

    def spent(self) -> float:
        """Give the seconds since the beginning."""
        return time.monotonic() - self.began

    def judged(self, seen: Seen) -> list[Problem]:
        """Give what is wrong with the shape of an answer."""
        found = looked_at(seen, keeps_state=self.options.state)
        return [self.problem(rule.name, seen.operation, broken, [seen.request]) for rule, broken in found]

    def look(self, seen: Seen) -> bool:
        """Count an answer, keep what is wrong with its shape, and say whether anything is."""
        found = self.judged(seen)
        self.keep(found)
        return bool(found)

    def problem(self, rule: str, operation: Operation, broken: Broken, requests: Sequence[Request]) -> Problem:
        """Make a problem of how a rule was broken."""
        return Problem(
            rule=rule,
            fault=broken.fault,
            message=broken.message,
            operation=operation.id,
            where=broken.where,
            expected=broken.expected,
            received=broken.received,
            contract=broken.contract or operation.place,
            level=broken.level,
            reproduction=reproduction(self.target, requests, self.options.key_env),
        )

    def keep(self, found: Iterable[Problem], cases: int = 1) -> None:
        """Count cases, keep their problems, and end where that is enough."""
        with self.lock:
            self.cases += cases
            self.problems += found
            self.tell(self.told())
        if self.options.at_first and any(each.level == "error" for each in self.problems):
            raise _EnoughError
        if self.options.seconds and self.spent() > self.options.seconds:
            raise _EnoughError

    def told(self) -> str:
        """Tell how far the run has come."""
        spent = max(self.spent(), 1e-6)
        count = len(self.causes)
        return f"{self.cases} cases, {self.cases / spent:.0f} a second, {count} problem{'s' * (count != 1)}"

    def send(self, contract: Contract, case: Case) -> Seen:
        """Send a case, and give all that there is to be seen."""
        request = request_of(case, self.options.key)
        answer = self.target.ask(request)
        return Seen(case, request, verdict_of(case), answer, contract, self.options.patience)


READS = ("GET", "HEAD")


def check(
    target: Target, operations: Sequence[Placed], options: Options, tell: Callable[[str], None] = lambda _: None
) -> Report:
    """Check a server, and report; the same seed gives the same run."""
    chosen = [each for each in operations if not options.read_only or each[1].method in READS]
    run = Run(target, chosen, options, tell)
    try:
        for phase in (_boundaries, _probes, _state, _drawn):
            phase(run)
    except _EnoughError:
        pass
    return _report(run, target.base)


def _report(run: Run, subject: str) -> Report:
    problems = gathered(run.problems)
    spent = run.spent()
    figures: dict[str, Any] = {
        "cases": run.cases,
        "operations": len(run.asked),
        "seconds": round(spent, 1),
        "cases a second": round(run.cases / max(spent, 1e-6)),
        "seed": run.options.seed,
    }
    if run.lacking:
        by_reason: dict[str, list[str]] = {}
        for name, why in run.lacking.items():
            by_reason.setdefault(why, []).append(name)
        figures["not looked at"] = "; ".join(f"{', '.join(names)} ({why})" for why, names in by_reason.items())
    rules = dict(rules_told())
    if run.options.state:
        rules |= {name: each.sentence for name, each in STATE.items()}
    broken = {(each.operation, each.rule) for each in problems}
    passed = [
        f"{operation.id}: {name}"
        for _, operation in run.asked
        for name in rules_told()
        if (operation.id, name) not in broken
    ]
    if run.options.state:
        passed += [name for name in STATE if name not in run.lacking and name not in {each.rule for each in problems}]
    return Report("check", subject, problems, figures, (), rules, tuple(passed))


def ids_for(run: Run, operation: Operation) -> Mapping[str, str]:
    """Give values for the path of an operation: of a session that was just created, where one can be."""
    values = dict.fromkeys(operation.names, "check-1")
    if "session_id" in values and not run.options.read_only:
        for where, create in run.operations:
            if ROUTES.get((create.method, create.path)) == "create":
                seen = run.send(where, Case("a session", create, {}, (), {}))
                value = seen.value
                if isinstance(value, dict) and isinstance(value.get("session_id"), str):
                    values["session_id"] = value["session_id"]
    return values


def _boundaries(run: Run) -> None:
    """Send the examples and every boundary, one at a time."""
    for contract, operation in run.asked:
        path = ids_for(run, operation)
        try:
            for case in boundaries(operation, path):
                run.look(run.send(contract, case))
        except ContractError as error:
            run.lacking[operation.id] = error.what


def _probes(run: Run) -> None:
    """Send what is wrong by itself: no key, other methods, unknown paths, bytes that are no JSON."""
    for contract, operation in run.asked:
        path = ids_for(run, operation)
        for kind, request, other in probes(operation, path, run.options.key):
            if run.options.read_only and request.method not in (*READS, "OPTIONS"):
                continue
            compared = run.target.ask(other) if other is not None else None
            answer = run.target.ask(request)
            if answer.failure == "unsent":
                continue
            probe = Probe(kind, request, answer, operation, contract, compared)
            found = [
                run.problem(name, operation, broken, [request])
                for name, (_, look) in PROBES.items()
                for broken in look(probe)
            ]
            run.keep([*found, *_shape_of_probe(run, probe)])


def _shape_of_probe(run: Run, probe: Probe) -> Iterator[Problem]:
    """Look at the shape of a probe's answer: an error has its declared form, too."""
    if probe.kind in ("unknown path", "other method"):
        if probe.answer.status >= 500 or probe.answer.failure:
            broken = Broken(f"the server failed: {probe.answer.failure or probe.answer.status}", "/response/status")
            yield run.problem("no-server-error", probe.operation, broken, [probe.request])
        return
    case = Case(probe.kind, probe.operation, {})
    seen = Seen(case, probe.request, Verdict("either"), probe.answer, probe.contract, run.options.patience)
    for rule, broken in looked_at(seen, keeps_state=run.options.state):
        yield run.problem(rule.name, probe.operation, broken, [probe.request])


def _drawn(run: Run) -> None:
    """Send drawn requests; what is found is shrunk to the least that shows it."""
    count = max(1, run.options.examples // max(1, len(run.asked)))
    for number, (contract, operation) in enumerate(run.asked):
        path = ids_for(run, operation)

        def examine(case: Case, contract: Contract = contract) -> list[Problem]:
            run.keep([])
            return run.judged(run.send(contract, case))

        drawn_cases(operation, path, count, run.options.seed + number, examine, run)


def _state(run: Run) -> None:
    """Live through sequences, repeats and calls at once; only for a server that keeps sessions."""
    if not run.options.state or run.options.read_only:
        return
    if not any((operation.method, operation.path) in ROUTES for _, operation in run.operations):
        run.lacking["state"] = "no operation of a chat"
        return
    for index, each in enumerate(STATE.values()):
        chance = Random(run.options.seed * 1_000 + index)
        options = run.options

        world = World(run.target, run.operations, options.key, options.patience, run.look, chance)
        operation = world.plays.get(each.operation, next(iter(world.plays.values())))[1]
        try:
            world.need("create", "get_summary")
            found = [run.problem(each.name, operation, broken, world.trail) for broken in each.look(world)]
        except LackingError as error:
            run.lacking[each.name] = str(error)
            continue
        except (TypeError, LookupError, AttributeError, ValueError) as error:  # a server may answer anything
            run.lacking[each.name] = f"its answers could not be read: {error!r}"
            continue
        if world.misshapen:
            run.lacking[each.name] = "the shape of an answer is wrong"
        else:
            run.keep(found, 0)
