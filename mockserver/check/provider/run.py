"""Does a server keep its contract? Cases of every kind are sent, and every answer is looked at by every rule."""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from mockserver.check.part import NO_PART, CheckPart, DriverContext, HeldOperation, LackingError, StateCheck
from mockserver.check.provider.boundaries import boundaries
from mockserver.check.provider.cases import Case, Expectation, expectation_of, request_of
from mockserver.check.provider.checks import Interaction, run_checks, wrong
from mockserver.check.provider.fuzz import fuzz
from mockserver.check.provider.paths import PathValues
from mockserver.check.provider.protocol import (
    PROTOCOL,
    UNSERVED,
    WRONG_KEY,
    ProtocolCase,
    protocol_cases,
    run_protocol,
    sentences,
)
from mockserver.check.provider.reach import REACH, SERVED, Reach, is_taken, nothing_reached, one_cause_each
from mockserver.check.provider.values import usual
from mockserver.check.report.model import Report, Skipped, gathered
from mockserver.check.report.reproduce import reproduction
from mockserver.check.target import Target
from mockserver.contract.openapi import Contract, Operation
from mockserver.errors import ContractError
from mockserver.messages import Finding, Request
from mockserver.terminal.progress import so_far


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
    path_values: Sequence[tuple[str, str]] = ()
    """Values for parameters of paths, by NAME or OPERATION.NAME."""
    is_known_key: bool = False
    """Whether `key` is one that the server is known to ask for, so that another must be refused."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """The operations that cannot be asked, each with the reason."""


PHASES = 3
"""The phases that ask every operation: boundaries, protocol, drawn requests."""


class _EnoughError(Exception):
    """The run ends: its time is over, or it was to stop at the first problem."""


@dataclass(slots=True)
class Run:
    """One run: what was found so far."""

    target: Target
    operations: Sequence[HeldOperation]
    options: Options
    tell: Callable[[str], None] = lambda _: None
    known: dict[tuple[str, ...], Finding] = field(default_factory=dict)
    """What was found so far, by cause and message, with how many cases show it."""
    causes: set[tuple[str, str, str, str]] = field(default_factory=set)
    """The causes of what was found so far."""
    cases: int = 0
    steps: int = 0
    """How many steps are done: one for each operation of a phase, and for each check of state."""
    total: int = 0
    """How many there are."""
    reach: Reach = field(default_factory=Reach)
    paths: PathValues = field(init=False)
    lacking: dict[str, str] = field(default_factory=dict)
    """The checks of state that could not be made, each with the reason."""
    end: str = ""
    """Why the run ended before it was complete."""
    began: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Make what finds values for paths, which sends requests of its own."""
        options = self.options
        read_only, told = options.read_only, options.path_values
        self.paths = PathValues(self.operations, self.send, options.part, told, read_only=read_only)

    @property
    def asked(self) -> Sequence[HeldOperation]:
        """The operations that get cases of their own."""
        names = self.options.operations
        return [each for each in self.operations if not names or each[1].id in names]

    @property
    def keeps_state(self) -> bool:
        """Whether state is checked."""
        return bool(self.options.part.state) and self.options.state and not self.options.read_only

    def in_turn(self) -> Iterator[HeldOperation]:
        """Yield the operations, and count each as a step that is done."""
        for each in self.asked:
            yield each
            self.steps += 1

    def spent(self) -> float:
        """Return the seconds since the beginning."""
        return time.monotonic() - self.began

    def judged(self, seen: Interaction) -> list[Finding]:
        """Return what is wrong with the shape of an answer."""
        options, operation = self.options, seen.operation
        seen = seen._replace(
            keeps_state=options.state,
            names_places=options.part.is_fastapi,
            usual_path=self.paths.known(operation),
        )
        self.reach.note(seen)
        found = []
        for check, wrongs in run_checks(seen, options.part.checks):
            self.reach.looked.add((operation.id, check.name))
            found += [self.finding(check.name, operation, each, [seen.request]) for each in wrongs]
        return found

    def look(self, seen: Interaction) -> bool:
        """Count an answer, keep what is wrong with its shape, and say whether anything is."""
        found = self.judged(seen)
        self.keep(found)
        return any(each.level == "error" for each in found)

    def finding(self, check: str, operation: Operation, found: Finding, requests: Sequence[Request]) -> Finding:
        """Add to a finding which check made it, of which operation, and how to see it again, unless that is known."""
        own = found.operation or operation.id
        made = replace(found, rule=check, operation=own, contract=found.contract or operation.place)
        before = self.known.get((*made.cause, made.message))
        if before is not None:
            return replace(made, reproduction=before.reproduction)
        key_env = self.options.key_env or self.options.part.key_variable
        again = reproduction(self.target.base, requests, key_env, self.target.headers, (WRONG_KEY,))
        return replace(made, reproduction=again)

    def keep(self, found: Iterable[Finding], cases: int = 1) -> None:
        """Count cases, keep their problems, and end where that is enough."""
        with self.lock:
            self.cases += cases
            for each in found:
                key = (*each.cause, each.message)
                before = self.known.get(key)
                self.known[key] = each if before is None else replace(before, count=before.count + each.count)
                self.causes.add(each.cause)
            self.tell(self.describe())
        if self.options.at_first and any(each.level == "error" for each in self.known.values()):
            raise _EnoughError("it stopped at the first problem")
        if self.options.seconds and self.spent() > self.options.seconds:
            raise _EnoughError("the time was over")

    def describe(self) -> str:
        """Describe how far the run has come."""
        spent = max(self.spent(), 1e-6)
        count = len(self.causes)
        far = so_far(self.steps, self.total, "steps", spent)
        return f"{self.cases} cases, {self.cases / spent:.0f} a second, {count} problem{'s' * (count != 1)}; {far}"

    def send(self, contract: Contract, case: Case) -> Interaction:
        """Send a case, and give all that there is to be seen."""
        request = request_of(case, self.options.key)
        answer = self.target.ask(request)
        return Interaction(case, request, expectation_of(case), answer, contract, self.options.patience)


READS = ("GET", "HEAD")

LEAST_TAKEN = 50
"""How many answers of success are looked at, so that a fault that shows one time in ten is hardly missed."""


def check_target(
    target: Target, operations: Sequence[HeldOperation], options: Options, tell: Callable[[str], None] = lambda _: None
) -> Report:
    """Check a server, and report; the same seed gives the same run. What an interrupt leaves is reported, too."""
    chosen = [each for each in operations if not options.read_only or each[1].method in READS]
    run = Run(target, chosen, options, tell)
    subjects = options.part.subjects(run.asked) if run.keeps_state else {}
    run.total = PHASES * len(run.asked) + len(subjects) * len(options.part.state)
    try:
        _boundaries(run)
        _protocol(run)
        _state(run)
        _fuzz(run)
    except _EnoughError as error:
        run.end = str(error)
    except KeyboardInterrupt:
        run.end = INTERRUPTED
    return _report(run)


INTERRUPTED = "it was interrupted"


def _report(run: Run) -> Report:
    options, reach = run.options, run.reach
    operations = [operation for _, operation in run.asked]
    state = options.part.state if options.state else {}
    shape = {**sentences(options.part.checks), **REACH}
    unreached = reach.unreached(operations, run.end)
    absent = reach.missing(operations, run.paths, keeps_state=options.state) if not run.end else ()
    missing = [run.finding(SERVED, operation, found, [seen.request]) for operation, found, seen in absent]
    known = tuple(run.known.values())
    findings = gathered(one_cause_each(known, missing, reach.looked, PROTOCOL))
    skipped = [Skipped(name, why, is_operation=True) for name, why in {**options.left_out, **unreached}.items()]
    skipped += [Skipped(name, why) for name, why in run.lacking.items()]
    if not findings and operations and len(unreached) == len(operations):
        findings = (nothing_reached(unreached),)
    broken = {(each.operation, each.rule) for each in known}
    seen = {(operation, rule) for operation, rule in reach.looked if operation not in unreached}
    passed = [f"{operation}: {rule}" for operation, rule in _in_order(seen - broken, operations, shape)]
    passed += [name for name, is_right in reach.state.items() if is_right]
    rules = {**shape, **{name: each.sentence for name, each in state.items()}}
    return Report(
        "check",
        run.target.base,
        findings,
        _figures(run),
        (),
        rules,
        tuple(passed),
        tuple(skipped),
        run.end == INTERRUPTED,
    )


def _in_order(
    pairs: set[tuple[str, str]], operations: Sequence[Operation], rules: Collection[str]
) -> list[tuple[str, str]]:
    """Sort pairs of operation and rule as the contract and the pages have them."""
    return [(each.id, rule) for each in operations for rule in rules if (each.id, rule) in pairs]


def _figures(run: Run) -> dict[str, Any]:
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
        figures["not looked at"] = "; ".join(f"{_some(names)} ({why})" for why, names in by_reason.items())
    return figures


MOST_NAMED = 8
"""How many checks are named that could not be made for one reason."""


def _some(names: Sequence[str]) -> str:
    """Name the first of some checks, and count the others."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f", and {more:,} more" if more > 0 else "")


@contextmanager
def _askable(run: Run, operation: Operation) -> Iterator[None]:
    """Leave out an operation for which no valid request can be made; the others are checked all the same."""
    try:
        yield
    except ContractError as error:
        run.reach.unaskable.setdefault(operation.id, f"it cannot be asked: {error.what}; {error.fix or error.why}")


def _boundaries(run: Run) -> None:
    """Send the examples and every boundary, one at a time; then the usual request until it was often taken."""
    for contract, operation in run.in_turn():
        with _askable(run, operation):
            _find_path(run, contract, operation)
            path = run.paths.of(operation)
            for case in boundaries(operation, path):
                run.look(run.send(contract, case))
            again = usual(operation, path, "the usual, once more")
            for _ in range(LEAST_TAKEN - run.reach.taken[operation.id] if operation.method != "DELETE" else 0):
                if not run.reach.taken[operation.id]:
                    break
                run.look(run.send(contract, again))


def _find_path(run: Run, contract: Contract, operation: Operation) -> None:
    """Try values for a path until the server takes one."""
    for values in run.paths.tried(operation) if operation.names else ():
        seen = run.send(contract, usual(operation, values))
        run.look(seen)
        if is_taken(seen):
            run.paths.take(operation, values)
            return


def _protocol(run: Run) -> None:
    """Send what is wrong by itself: no key, other methods, unknown paths, bytes that are no JSON."""
    seen: set[str] = set()
    for contract, operation in run.in_turn():
        first = operation.path not in seen
        seen.add(operation.path)
        known = run.options.is_known_key
        with _askable(run, operation):
            cases = protocol_cases(
                contract, operation, run.paths.of(operation), run.options.key, is_known_key=known, first_of_path=first
            )
            for kind, request, other in cases:
                _ask_protocol(run, contract, operation, kind, request, other)


def _ask_protocol(
    run: Run, contract: Contract, operation: Operation, kind: str, request: Request, other: Request | None
) -> None:
    if run.options.read_only and request.method not in (*READS, "OPTIONS"):
        return
    compared = run.target.ask(other) if other is not None else None
    answer = run.target.ask(request)
    if answer.failure == "unsent":
        return
    asked = ProtocolCase(kind, request, answer, operation, contract, compared, run.options.part.is_fastapi)
    found = []
    for name, wrongs in run_protocol(asked):
        run.reach.looked.add((operation.id, name))
        found += [run.finding(name, operation, each, [request]) for each in wrongs]
    run.keep([*found, *_shape_of_protocol(run, asked)])


def _shape_of_protocol(run: Run, asked: ProtocolCase) -> Iterator[Finding]:
    """Look at the shape of an answer: an error has its declared form, too."""
    if asked.kind == "head" and asked.answer.status in UNSERVED:
        return
    if asked.kind in ("unknown path", "other method"):
        is_failed = asked.answer.status >= 500 and asked.answer.status not in UNSERVED
        if is_failed or asked.answer.failure:
            found = wrong(f"the server failed: {asked.answer.failure or asked.answer.status}", "/response/status")
            yield run.finding("no-server-error", asked.operation, found, [asked.request])
        return
    case = Case(asked.kind, asked.operation, {})
    seen = Interaction(case, asked.request, Expectation("either"), asked.answer, asked.contract, run.options.patience)
    for check, wrongs in run_checks(seen, run.options.part.checks):
        run.reach.looked.add((asked.operation.id, check.name))
        for found in wrongs:
            yield run.finding(check.name, asked.operation, found, [asked.request])


def _fuzz(run: Run) -> None:
    """Send drawn requests; what is found is shrunk to the least that shows it."""
    count = max(1, run.options.examples // max(1, len(run.asked)))
    for number, (contract, operation) in enumerate(run.in_turn()):

        def examine(case: Case, contract: Contract = contract) -> list[Finding]:
            run.keep([])
            return run.judged(run.send(contract, case))

        with _askable(run, operation):
            fuzz(operation, run.paths.of(operation), count, run.options.seed + number, examine, run)


def _state(run: Run) -> None:
    """Make the checks of state: sequences, repeats, calls at once; only of a server that keeps state."""
    part, options = run.options.part, run.options
    if not run.keeps_state:
        return
    known = part.operations
    if known and not any((operation.method, operation.path) in known for _, operation in run.operations):
        run.lacking["state"] = "the contract has none of the operations that it is about"
        return
    subjects = part.subjects(run.asked)
    if not subjects:
        run.lacking["state"] = "no resource is inferred from the contract that could be created or read"
    for index, (each, about) in enumerate((check, name) for name in subjects for check in part.state.values()):
        name = f"{about}: {each.name}" if about else each.name
        try:
            _check_state(run, each, name, Random(options.seed * 1_000 + index), subjects[about])
        except LackingError as error:
            run.lacking[name] = str(error)
        except (TypeError, LookupError, AttributeError, ValueError) as error:  # a server may answer anything
            run.lacking[name] = f"its answers could not be read: {error!r}"
        run.steps += 1


def _check_state(run: Run, check: StateCheck, name: str, chance: Random, subject: Any) -> None:
    options = run.options
    if options.part.driver is None:
        raise LackingError("the API pack has no driver")
    driver = options.part.driver(
        DriverContext(run.target, run.operations, options.key, options.patience, run.look, chance, run.paths, subject)
    )
    operation = driver.operation(check.operation)
    found = [run.finding(check.name, operation, each, driver.trail) for each in check.look(driver)]
    if driver.misshapen:
        raise LackingError("the shape of an answer is wrong")
    run.reach.state[name] = not found
    run.keep(found, 0)
