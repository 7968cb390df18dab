"""Does a server keep its contract? Cases of every kind are sent, and every answer is looked at by every rule."""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from mockserver.check.part import NO_PART, CheckPart, DriverContext, HeldOperation, LackingError, StateCheck
from mockserver.check.provider.boundaries import boundaries
from mockserver.check.provider.cases import Case, Expectation, expectation_of, request_of
from mockserver.check.provider.checks import Interaction, run_checks, wrong
from mockserver.check.provider.fuzz import fuzz
from mockserver.check.provider.protocol import PROTOCOL, ProtocolCase, protocol_cases, sentences
from mockserver.check.report.model import Report, gathered
from mockserver.check.report.reproduce import reproduction
from mockserver.check.target import Target
from mockserver.contract.openapi import Contract, Operation
from mockserver.errors import ContractError
from mockserver.messages import Finding, Request


@dataclass(frozen=True, slots=True)
class Options:
    """How a server is checked."""

    key: str | None = "any-key"
    key_env: str = ""
    """The variable that a reproduction takes the key from; that of the API where none is named."""
    part: CheckPart = NO_PART
    """What is known of the API beyond its contract."""
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
    operations: Sequence[HeldOperation]
    options: Options
    tell: Callable[[str], None] = lambda _: None
    findings: list[Finding] = field(default_factory=list)
    cases: int = 0
    lacking: dict[str, str] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def causes(self) -> set[tuple[str, str, str, str]]:
        """What was found so far."""
        return {each.cause for each in self.findings}

    @property
    def asked(self) -> Sequence[HeldOperation]:
        """The operations that get cases of their own."""
        names = self.options.operations
        return [each for each in self.operations if not names or each[1].id in names]

    def spent(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self.began

    def judged(self, seen: Interaction) -> list[Finding]:
        """Return what is wrong with the shape of an answer."""
        found = run_checks(seen, self.options.part.checks, keeps_state=self.options.state)
        return [self.finding(check.name, seen.operation, each, [seen.request]) for check, each in found]

    def look(self, seen: Interaction) -> bool:
        """Count an answer, keep what is wrong with its shape, and say whether anything is."""
        found = self.judged(seen)
        self.keep(found)
        return bool(found)

    def finding(self, check: str, operation: Operation, found: Finding, requests: Sequence[Request]) -> Finding:
        """Add to a finding which check made it, of which operation, and how to see it again."""
        return replace(
            found,
            rule=check,
            operation=operation.id,
            contract=found.contract or operation.place,
            reproduction=reproduction(
                self.target.base,
                requests,
                self.options.key_env or self.options.part.key_variable,
                self.target.headers,
            ),
        )

    def keep(self, found: Iterable[Finding], cases: int = 1) -> None:
        """Count cases, keep their problems, and end where that is enough."""
        with self.lock:
            self.cases += cases
            self.findings += found
            self.tell(self.describe())
        if self.options.at_first and any(each.level == "error" for each in self.findings):
            raise _EnoughError
        if self.options.seconds and self.spent() > self.options.seconds:
            raise _EnoughError

    def describe(self) -> str:
        """Describe how far the run has come."""
        spent = max(self.spent(), 1e-6)
        count = len(self.causes)
        return f"{self.cases} cases, {self.cases / spent:.0f} a second, {count} problem{'s' * (count != 1)}"

    def send(self, contract: Contract, case: Case) -> Interaction:
        """Send a case, and give all that there is to be seen."""
        request = request_of(case, self.options.key)
        answer = self.target.ask(request)
        return Interaction(case, request, expectation_of(case), answer, contract, self.options.patience)


READS = ("GET", "HEAD")


def check_target(
    target: Target, operations: Sequence[HeldOperation], options: Options, tell: Callable[[str], None] = lambda _: None
) -> Report:
    """Check a server, and report; the same seed gives the same run."""
    chosen = [each for each in operations if not options.read_only or each[1].method in READS]
    run = Run(target, chosen, options, tell)
    try:
        for phase in (_boundaries, _protocol, _state, _fuzz):
            phase(run)
    except _EnoughError:
        pass
    return _report(run, target.base)


def _report(run: Run, subject: str) -> Report:
    findings = gathered(run.findings)
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
    state = run.options.part.state if run.options.state else {}
    shape = sentences(run.options.part.checks)
    broken = {(each.operation, each.rule) for each in findings}
    passed = [
        f"{operation.id}: {name}" for _, operation in run.asked for name in shape if (operation.id, name) not in broken
    ]
    passed += [name for name in state if name not in run.lacking and name not in {each.rule for each in findings}]
    rules = {**shape, **{name: each.sentence for name, each in state.items()}}
    return Report("check", subject, findings, figures, (), rules, tuple(passed))


def path_values(run: Run, operation: Operation) -> Mapping[str, str]:
    """Return values for the path of an operation: of a record that is there, where the pack can make one."""
    values = dict.fromkeys(operation.names, "check-1")
    if run.options.read_only:
        return values
    return {**values, **run.options.part.path_values(run.operations, run.send, operation)}


def _boundaries(run: Run) -> None:
    """Send the examples and every boundary, one at a time."""
    for contract, operation in run.asked:
        path = path_values(run, operation)
        try:
            for case in boundaries(operation, path):
                run.look(run.send(contract, case))
        except ContractError as error:
            run.lacking[operation.id] = error.what


def _protocol(run: Run) -> None:
    """Send what is wrong by itself: no key, other methods, unknown paths, bytes that are no JSON."""
    for contract, operation in run.asked:
        path = path_values(run, operation)
        for kind, request, other in protocol_cases(operation, path, run.options.key):
            if run.options.read_only and request.method not in (*READS, "OPTIONS"):
                continue
            compared = run.target.ask(other) if other is not None else None
            answer = run.target.ask(request)
            if answer.failure == "unsent":
                continue
            asked = ProtocolCase(kind, request, answer, operation, contract, compared)
            found = [
                run.finding(name, operation, each, [request])
                for name, (_, look) in PROTOCOL.items()
                for each in look(asked)
            ]
            run.keep([*found, *_shape_of_protocol(run, asked)])


def _shape_of_protocol(run: Run, asked: ProtocolCase) -> Iterator[Finding]:
    """Look at the shape of an answer: an error has its declared form, too."""
    if asked.kind in ("unknown path", "other method"):
        if asked.answer.status >= 500 or asked.answer.failure:
            found = wrong(f"the server failed: {asked.answer.failure or asked.answer.status}", "/response/status")
            yield run.finding("no-server-error", asked.operation, found, [asked.request])
        return
    case = Case(asked.kind, asked.operation, {})
    seen = Interaction(case, asked.request, Expectation("either"), asked.answer, asked.contract, run.options.patience)
    for check, found in run_checks(seen, run.options.part.checks, keeps_state=run.options.state):
        yield run.finding(check.name, asked.operation, found, [asked.request])


def _fuzz(run: Run) -> None:
    """Send drawn requests; what is found is shrunk to the least that shows it."""
    count = max(1, run.options.examples // max(1, len(run.asked)))
    for number, (contract, operation) in enumerate(run.asked):
        path = path_values(run, operation)

        def examine(case: Case, contract: Contract = contract) -> list[Finding]:
            run.keep([])
            return run.judged(run.send(contract, case))

        fuzz(operation, path, count, run.options.seed + number, examine, run)


def _state(run: Run) -> None:
    """Make the checks of state: sequences, repeats, calls at once; only of a server that keeps state."""
    part, options = run.options.part, run.options
    if not part.state or not options.state or options.read_only:
        return
    if not any((operation.method, operation.path) in part.operations for _, operation in run.operations):
        run.lacking["state"] = "the contract has none of the operations that it is about"
        return
    for index, each in enumerate(part.state.values()):
        chance = Random(options.seed * 1_000 + index)
        try:
            _check_state(run, each, chance)
        except LackingError as error:
            run.lacking[each.name] = str(error)
        except (TypeError, LookupError, AttributeError, ValueError) as error:  # a server may answer anything
            run.lacking[each.name] = f"its answers could not be read: {error!r}"


def _check_state(run: Run, check: StateCheck, chance: Random) -> None:
    options = run.options
    if options.part.driver is None:
        raise LackingError("the API pack has no driver")
    driver = options.part.driver(
        DriverContext(run.target, run.operations, options.key, options.patience, run.look, chance)
    )
    operation = driver.operation(check.operation)
    found = [run.finding(check.name, operation, each, driver.trail) for each in check.look(driver)]
    if driver.misshapen:
        raise LackingError("the shape of an answer is wrong")
    run.keep(found, 0)
