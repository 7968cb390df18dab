"""Does a client keep the contract, and survive what it allows?

Its calls are made in its own environment, against a mock that answers what is stubbed for each.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from mockserver.api import AUTO, Api, read_contracts
from mockserver.check.client.cases import (
    CaseKind,
    ClientCase,
    ClientOperation,
    answers,
    events,
    kinds_of,
    pages,
    requests,
    scripts,
    success_schema,
)
from mockserver.check.client.checks import CallOutcome, attempts_of, judge, seen_text
from mockserver.check.client.errors import error_bodies, errors, lasting, late, outside, retries, words
from mockserver.check.client.process import Driver, LostClientError
from mockserver.check.client.result import (
    LOOSE,
    STRICT,
    CaseCount,
    ClientMethod,
    ClientVariant,
    Failure,
    Looked,
    Result,
)
from mockserver.check.part import sdk_of
from mockserver.contract.openapi import Contract, Operation
from mockserver.engine import Mock
from mockserver.errors import UsageError, suggestion
from mockserver.journal.exchange import Exchange
from mockserver.messages import Json
from mockserver.settings import Settings
from mockserver.testing.pytest_fixtures import LiveServer

KEY = "the-key-of-this-check"
"""The key that the client is given; the mock takes no other."""

DRAWN = 4
"""How many drawn answers an operation gets, beside those at the edges."""

AT_A_TIME = 16
"""How many cases are stubbed, and then played, at once."""

LONGEST_BODY = 10_000_000


def own_version(release: str, api: Api) -> str:
    """Return the newest version of the contract that is not newer than a release; of an odd release, the newest."""
    try:
        own = tuple(int(part) for part in release.split(".")[:2])
    except ValueError:
        return next(iter(api.contracts))
    return next((each for each in api.contracts if tuple(map(int, each.split("."))) <= own), [*api.contracts][-1])


def contract_for(name: str, release: str, api: Api) -> Contract:
    """Return the contract that a release is held to: by "auto" that of its own version."""
    return read_contracts(own_version(release, api) if name == AUTO else name, api)[0]


class Choice(NamedTuple):
    """What of the check is played."""

    drawn: int = DRAWN
    seed: int = 0
    brief: bool = False
    """Whether only what tells a contract that fits from one that does not is played."""
    operations: Sequence[str] = ()
    """Only these operations; all where there are none."""
    kinds: Sequence[CaseKind] = ()
    """Only these kinds of answer; all where there are none."""


Planned = tuple[ClientMethod, ClientCase, ClientVariant]
"""A case, of which operation, and to which of the clients it is played."""


@dataclass(slots=True)
class Player:
    """Plays the cases of one contract to one client."""

    driver: Driver
    url: str
    mock: Mock
    result: Result
    tell: Callable[[Result], None] = lambda _: None

    def play_all(self, cases: Iterator[Planned]) -> None:
        """Play cases, some at a time, each in a scope of its own."""
        while batch := list(islice(cases, AT_A_TIME)):
            self.play(batch)
            self.tell(self.result)

    def play(self, batch: Sequence[Planned]) -> None:
        """Play some cases, and keep what came of them; one after the other, where the client was lost in them."""
        scopes = [f"case-{number}" for number in range(len(batch))]
        for scope, (_, case, _) in zip(scopes, batch, strict=True):
            self.mock.drop(scope)
            if case.answers:
                spec = {"operation": case.operation.id, "answers": list(case.answers)}
                self.mock.served.stubs.add(scope, spec)
        orders = [self._order(scope, *each) for scope, each in zip(scopes, batch, strict=True)]
        try:
            outcomes = [CallOutcome(**each) for each in self.driver.ask({"do": "call", "calls": orders})]
        except LostClientError as lost:
            if len(batch) > 1:
                for each in batch:
                    self.play([each])
                return
            error: Json = {"name": "LostClientError", "bases": [], "message": str(lost), "places": []}
            outcomes = [CallOutcome(None, {**error, "status": None, "body": None}, (), (), 0.0)]
        for scope, each, outcome in zip(scopes, batch, outcomes, strict=True):
            self._take(each, outcome, self.mock.exchanges(scope))

    def _order(self, scope: str, place: ClientMethod, case: ClientCase, variant: ClientVariant) -> Json:
        return {
            "base_url": f"{self.url}/scope/{scope}",
            "key": KEY,
            "resource": place.door,
            "method": place.operation,
            "arguments": dict(case.arguments) if case.timeout is None else {**case.arguments, "timeout": case.timeout},
            "way": case.way,
            **variant._asdict(),
        }

    def _take(self, planned: Planned, outcome: CallOutcome, exchanges: Sequence[Exchange]) -> None:
        """Judge what came of a case; of one outside the contract, only note it."""
        place, case, variant = planned
        self.result.calls += 1
        self.result.requests += len(exchanges)
        self.result.warnings.setdefault(place, set()).update(outcome.warnings)
        if case.kind == "outside":
            count = attempts_of(outcome, exchanges) if case.way != "pages" else 1
            self.result.looked[Looked(place, case.name, variant)] = seen_text(case, outcome, exchanges, count)
            return
        found = judge(case, outcome, exchanges, self.result.surface["doors"][place.door])
        count_of = self.result.tallies.setdefault((place, case.kind), CaseCount())
        count_of.cases += 1
        count_of.exercised += bool(exchanges)
        count_of.wrong += bool(found)
        for finding in found:
            self._keep(Failure(finding, place, case, variant))

    def _keep(self, failure: Failure) -> None:
        """Keep the first failure of each cause, and count the others."""
        finding, kind = failure.finding, failure.case.kind
        where = "/".join("*" if part.isdigit() else part for part in finding.where.split("/"))
        cause = (finding.rule, *failure.place, where, kind if finding.rule == "exercised" else "")
        before = self.result.broken.setdefault(cause, failure)
        if before is not failure:
            again = replace(before.finding, count=before.finding.count + 1)
            self.result.broken[cause] = before._replace(finding=again)


def play(
    driver: Driver,
    surface: Json,
    api: Api,
    name: str,
    live: LiveServer,
    choice: Choice,
    tell: Callable[[Result], None] = lambda _: None,
) -> Result:
    """Play all cases of a contract ("auto", a version or a file) to a client that described itself so."""
    contract, turns = contract_for(name, surface["version"], api), sdk_of(api).turns
    result = Result(surface["version"], name, contract.name, surface, sdk_of(api))
    operations = chosen(contract, choice.operations, api)
    result.surplus += surplus(surface, contract, choice.operations)
    with (
        mocked(contract.name if contract.bundled else name, operations, choice.seed, api) as mock,
        live.serving(mock) as url,
    ):
        player = Player(driver, url, mock, result, tell)
        result.total = len(surface["doors"]) * len(operations)
        for door, described in surface["doors"].items():
            schemas: set[str] = set()
            for number, operation in enumerate(operations):
                result.steps += 1
                place, method = ClientMethod(door, operation.id), described["methods"].get(operation.id)
                if method is None:
                    lacking(result, place, operation)
                    continue
                side = ClientOperation(operation, frozenset(method["parameters"]), turns)
                pointer = body_pointer(operation)
                cases = played(side, choice, patient=number == 0, new=pointer not in schemas)
                player.play_all((place, case, variant) for case, variant in cases)
                schemas.add(pointer)
    return result


def chosen(contract: Contract, names: Sequence[str], api: Api) -> list[Operation]:
    """Return the operations of a contract that are named, else all; a UsageError for one that no version has."""
    known = {each.id for one in (contract, *read_contracts(AUTO, api)) for each in one.operations}
    if unknown := [name for name in names if name not in known]:
        fix = suggestion(unknown[0], sorted(known), f"there are {', '.join(sorted(known))}")
        raise UsageError(f"there is no operation {unknown[0]!r}", fix=fix)
    return [each for each in contract.operations if not names or each.id in names]


def surplus(surface: Json, contract: Contract, names: Sequence[str]) -> Iterator[ClientMethod]:
    """Yield the methods of a client that a contract does not have; of some operations, only theirs."""
    known = {each.id for each in contract.operations}
    for door, described in surface["doors"].items():
        for method in described["methods"]:
            if method not in known and (not names or method in names):
                yield ClientMethod(door, method)


def body_pointer(operation: Operation) -> str:
    """Return the JSON pointer of the schema of an operation's success; "" where there is none."""
    schema = success_schema(operation)
    return "" if schema is None else schema.pointer


def lacking(result: Result, place: ClientMethod, operation: Operation) -> None:
    """Note that a client has no method for an operation."""
    for kind in kinds_of(operation):
        result.tallies[place, kind] = CaseCount(why=f"{place.door} has no method {place.operation}")


Cases = Iterator[tuple[ClientCase, ClientVariant]]


def played(side: ClientOperation, choice: Choice, *, patient: bool, new: bool) -> Cases:
    """Yield what is played for an operation, and to which client.

    Whether a client is strict has a part in what it makes of a success, and in nothing else. `patient` plays what
    takes its time, too; `new` what breaks one field of an answer, where no operation before had the same.
    """
    drawn, seed = choice.drawn, choice.seed
    parts: list[tuple[CaseKind, Iterator[ClientCase], Callable[[Iterator[ClientCase]], Cases]]] = [
        ("request", requests(side), _to_loose),
        ("answer", answers(side, drawn, seed), _to_all),
        ("event", events(side, drawn, seed), _to_all),
        ("page", pages(side), _to_all),
        ("error", errors(side), _to_loose),
    ]
    if choice.brief:
        parts = [(kind, cases, _in_turn) for kind, cases, _ in parts]
    else:
        parts += [("error", error_bodies(side), _to_sync), ("retry", retries(side), _to_loose)]
        parts += [("retry", each(side), _to_sync) for each in (lasting, words)]
        parts += [("retry", late(side), _to_loose)] if patient else []
        parts += [("outside", outside(side, slowly=patient, bodies=new), _to_all)]
    for kind, cases, to in parts:
        if not choice.kinds or kind in choice.kinds:
            yield from to(cases)


def _to_sync(cases: Iterator[ClientCase]) -> Cases:
    return ((case, LOOSE) for case in cases)


def _to_loose(cases: Iterator[ClientCase]) -> Cases:
    return ((case, variant) for case in cases for variant in (LOOSE, ClientVariant(True, False)))


def _in_turn(cases: Iterator[ClientCase]) -> Cases:
    """Play each case to a strict client or to a loose one, in turn."""
    return ((case, LOOSE if number % 2 else STRICT) for number, case in enumerate(cases))


def _to_all(cases: Iterator[ClientCase]) -> Cases:
    """Play each case to both sync clients, and to one of the two async ones in turn."""
    for number, case in enumerate(cases):
        yield from ((case, variant) for variant in (LOOSE, STRICT, ClientVariant(True, number % 2 == 1)))


@contextmanager
def mocked(name: str, operations: Sequence[Operation], seed: int, api: Api) -> Iterator[Mock]:
    """Make the mock of a contract, with the turns that are to be streamed as fixtures of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        for operation in operations:
            for script, turn in scripts(operation, sdk_of(api).turns).items():
                folder = Path(scratch) / operation.id
                folder.mkdir(exist_ok=True)
                (folder / f"{operation.success}.{script}.json").write_text(json.dumps(turn), "utf-8")
        settings = Settings(
            api=api.name,
            contract=name,
            answers="documented",
            seed=seed,
            api_key=KEY,
            fixtures=Path(scratch),
            journal_size=1_000,
            journal_body=LONGEST_BODY,
            max_body=LONGEST_BODY,
        )
        mock = Mock(settings)
        try:
            yield mock
        finally:
            mock.store.close()
