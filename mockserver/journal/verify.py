"""Verifies calls: how often, in which order, and which exchanges came nearest."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

from mockserver.errors import StubError
from mockserver.journal.exchange import Call, Exchange, calls_of
from mockserver.matching import ANY, Difference, OperationFields, When, describe, differences, read_when
from mockserver.messages import Json

NEAREST = 3
"""How many of the nearest exchanges are shown."""

Expected: TypeAlias = tuple[str, When]
"""An operation, and the expected parts of its request."""


class Verdict(NamedTuple):
    """Whether the calls were as expected; `message` says what was not, and shows the nearest exchanges."""

    ok: bool
    message: str
    calls: int
    """How many calls matched."""


class Times(NamedTuple):
    """How often a call is expected; without `most` there is no upper bound."""

    least: int = 1
    most: int | None = None

    def allow(self, count: int) -> bool:
        """Return whether a count is as expected."""
        return self.least <= count and (self.most is None or count <= self.most)

    def leave_open(self, least: int, most: int | None) -> bool:
        """Return whether a count that is only known to be from `least` to `most` may or may not be as expected."""
        never = (self.most is not None and least > self.most) or (most is not None and most < self.least)
        always = least >= self.least and (self.most is None or (most is not None and most <= self.most))
        return not never and not always

    def __str__(self) -> str:
        if self.most is None:
            return f"at least {_count(self.least)}"
        if self.least == self.most:
            return "never" if self.least == 0 else _count(self.least)
        return f"at most {_count(self.most)}" if self.least == 0 else f"{self.least} to {self.most} times"


def read_times(given: Json) -> Times:
    """Read how often: a whole number, {"at_least": n, "at_most": m}, or None for at least once."""
    if given is None:
        return Times()
    if isinstance(given, Mapping) and given and not given.keys() - {"at_least", "at_most"}:
        least, most = given.get("at_least", 0), given.get("at_most")
    else:
        least = most = given
    if not _is_count(least) or not (most is None or _is_count(most)) or (most is not None and most < least):
        fix = 'write a whole number, or {"at_least": 1, "at_most": 3}'
        raise StubError(f"{given!r} does not say how often", fix=fix)
    return Times(least, most)


def _is_count(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _count(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def read_expected(value: Json, known: OperationFields) -> Expected:
    """Read an operation's name, or {"operation": ..., "when": {...}}."""
    if isinstance(value, str):
        value = {"operation": value}
    if not isinstance(value, Mapping) or value.keys() - {"operation", "when"} or "operation" not in value:
        raise StubError("an expectation cannot be read", why=f"it is {value!r}", fix='write {"operation": "NAME"}')
    when = {} if value.get("when") is None else value["when"]
    if not isinstance(when, Mapping):
        raise StubError("what is expected of a request is names and values", why=f"it is {when!r}")
    operation = known.id_of(str(value["operation"]))
    return operation, read_when(operation, when, known)


def verify(exchanges: Sequence[Exchange], expected: Expected, times: Times, attempts: Times | None = None) -> Verdict:
    """Check that calls were made as often as expected; attempts of one call count once.

    With `attempts`, each of these calls must have that many. If the result depends on what the journal has dropped, old
    exchanges or the ends of bodies, the verification fails and says so.
    """
    operation, when = expected
    made = calls_of(exchanges)
    calls = [call for call in made if _matches(call[0], operation, when)]
    gone, cut = _forgotten(exchanges), [call[0] for call in made if _unsure(call[0], operation, when)]
    most = None if gone else len(calls) + len(cut)
    if (unsaid := _unsaid(gone, cut)) and (attempts is not None or times.leave_open(len(calls), most)):
        return Verdict(False, unsaid, len(calls))
    what = f"{operation}{describe(when)}"
    if not times.allow(len(calls)):
        happened = "never happened" if not calls else f"happened {_count(len(calls))}"
        lines = [f"expected {times}: {what}; it {happened}."]
        if len(calls) < times.least:
            lines += nearest(exchanges, operation, when)
        else:
            lines += ["these did:", *(f"  {call[0]}" for call in calls[:10])]
        return Verdict(False, "\n".join(lines), len(calls))
    wrong = [call for call in calls if attempts is not None and not attempts.allow(len(call))]
    if wrong:
        lines = [f"expected {attempts} to be attempted: {what}; there were calls of {_lengths(wrong)} attempts:"]
        lines += [f"  {each}" for call in wrong for each in call]
        return Verdict(False, "\n".join(lines), len(calls))
    return Verdict(True, "", len(calls))


def _lengths(calls: Sequence[Call]) -> str:
    return ", ".join(str(len(call)) for call in calls)


def verify_order(exchanges: Sequence[Exchange], expected: Sequence[Expected]) -> Verdict:
    """Check that calls were made in this order; other calls may come between."""
    gone, at = _forgotten(exchanges), 0
    calls = [call for call in calls_of(exchanges) if not gone or not call[0].attempt]  # the time of others is unknown
    for index, (operation, when) in enumerate(expected):
        found = next((i for i in range(at, len(calls)) if _matches(calls[i][0], operation, when)), None)
        if found is None:
            cut = [call[0] for call in calls if any(_unsure(call[0], *each) for each in expected)]
            if unsaid := _unsaid(gone, cut):
                return Verdict(False, unsaid, index)
            after = f", after {expected[index - 1][0]}" if index else ""
            lines = [
                f"expected as number {index + 1} of the order{after}: {operation}{describe(when)}; it did not happen."
            ]
            lines += ["the calls were:", *(f"  {call[0]}" for call in calls)] if calls else ["nothing was called."]
            return Verdict(False, "\n".join(lines), index)
        at = found + 1
    return Verdict(True, "", len(expected))


def _forgotten(exchanges: Sequence[Exchange]) -> int:
    """Count the exchanges that the journal has dropped."""
    return exchanges[0].number - 1 if exchanges else 0


def _matches(exchange: Exchange, operation: str, when: When) -> bool:
    return not _unsure(exchange, operation, when) and not distance(exchange, operation, when)


def _unsure(exchange: Exchange, operation: str, when: When) -> bool:
    """Return whether an exchange with a cut body might match."""
    if "body" not in when or len(exchange.body) == exchange.size:
        return False
    return not distance(exchange, operation, {part: value for part, value in when.items() if part != "body"})


def _unsaid(gone: int, cut: Sequence[Exchange]) -> str:
    """Return why a verification cannot be decided, or "" if everything is recorded."""
    if gone:
        what = f"the journal has dropped its {gone} oldest exchanges"
        return f"this cannot be decided: {what}; raise --journal-size or --journal-bytes."
    if cut:
        lines = ["this cannot be decided: the journal keeps only the beginning of these bodies; raise --journal-body."]
        return "\n".join([*lines, *(f"  {each}" for each in cut[:NEAREST])])
    return ""


def distance(exchange: Exchange, operation: str, when: When) -> list[Difference]:
    """Describe how an exchange differs from what is expected; nothing for a match."""
    found = differences(when, exchange.parts)
    if operation not in (ANY, exchange.operation):
        found.insert(0, Difference("/operation", operation, exchange.operation or "none"))
    return found


def nearest(exchanges: Sequence[Exchange], operation: str, when: When) -> list[str]:
    """Show the exchanges that differ least, field by field."""
    if not exchanges:
        return ["nothing was called."]
    far = [(distance(each, operation, when), each) for each in exchanges]
    ranked = sorted(((found, each) for found, each in far if found), key=lambda pair: _rank(pair[0]))
    if not ranked:
        return []
    lines = ["nearest:"]
    for found, each in ranked[:NEAREST]:
        lines += [f"  {each}", *(f"    {difference}" for difference in found)]
    return lines


def _rank(found: Sequence[Difference]) -> tuple[bool, int]:
    return found[0].where == "/operation", len(found)


def answer_question(exchanges: Sequence[Exchange], known: OperationFields, question: Json) -> Verdict:
    """Verify a question about the journal.

    Either {"operation": ..., "when": ..., "times": ..., "attempts": ...}, or {"order": [...]}. A StubError says what
    cannot be read.
    """
    if not isinstance(question, Mapping):
        raise StubError("a question is an object", why=f"it is {question!r}", fix='write {"operation": "NAME"}')
    unknown = sorted(question.keys() - {"operation", "when", "times", "attempts", "order"})
    if unknown or ("order" in question) is ("operation" in question):
        what = f"a question has no {unknown[0]!r}" if unknown else "a question asks for an operation or for an order"
        raise StubError(what, fix="it has operation, when, times, attempts; or order, a list of operations")
    if "order" in question:
        order = question["order"]
        if not isinstance(order, list | tuple) or not order or len(question) > 1:
            raise StubError("an order is a list of operations, and nothing else")
        return verify_order(exchanges, [read_expected(each, known) for each in order])
    expected = read_expected({key: question[key] for key in ("operation", "when") if key in question}, known)
    attempts = None if question.get("attempts") is None else read_times(question["attempts"])
    return verify(exchanges, expected, read_times(question.get("times")), attempts)
