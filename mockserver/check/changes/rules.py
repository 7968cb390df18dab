"""The kinds of change between two contracts, what each weighs, and the verdict in semantic versions."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from mockserver.contract.resolved import View, Views
from mockserver.contract.schema import join
from mockserver.messages import Json

Severity: TypeAlias = Literal["breaking", "risky", "harmless"]
"""What a change does to those who kept to the old contract."""

Direction: TypeAlias = Literal["call", "request", "response"]
"""What a change concerns: a call as a whole, what is sent, or what comes back."""

VersionStep: TypeAlias = Literal["major", "minor", "patch", "none"]
"""How far a version that follows semantic versioning would have to go."""

ORDER: tuple[Severity, ...] = ("breaking", "risky", "harmless")
"""The severities, the worst first."""


class Rule(NamedTuple):
    """One kind of change: what it weighs for requests and for answers, and the rule of the way back.

    What concerns a call as a whole weighs as for requests.
    """

    request: Severity
    response: Severity
    mirror: str
    sentence: str
    aspect: str = ""
    """What of a contract it looks at, where a description may be silent on that."""
    release: VersionStep = "minor"
    """How far a version would have to go for a harmless change of this kind."""

    def severity(self, direction: Direction) -> Severity:
        """Say what it weighs."""
        return self.response if direction == "response" else self.request


class ContractChange(NamedTuple):
    """One change from a contract A to a contract B.

    `before` and `after` are JSON pointers: where it stood in A and stands in B, None where it is not there.
    """

    rule: str
    severity: Severity
    direction: Direction
    operations: tuple[str, ...]
    where: str
    """The place in a call: /request/query/page_size, /response/200/body/items/*/name."""
    before: str | None
    after: str | None
    message: str
    was: Json = None
    now: Json = None
    detail: str = ""
    """What tells changes at one place apart: a value of an enum, say."""

    @property
    def cause(self) -> tuple[str, str, str | None, str | None, str]:
        """What makes two changes the same one, however many operations it reaches."""
        return self.rule, self.direction, self.before, self.after, self.detail


B: Severity = "breaking"
R: Severity = "risky"
H: Severity = "harmless"


def _ways(
    there: tuple[str, Severity, Severity, str],
    back: tuple[str, Severity, Severity, str],
    aspect: str = "",
    back_release: VersionStep = "minor",
) -> Iterator[tuple[str, Rule]]:
    """Give two rules of which each is the way back of the other: name, for requests, for answers, sentence."""
    yield there[0], Rule(there[1], there[2], back[0], there[3], aspect)
    yield back[0], Rule(back[1], back[2], there[0], back[3], aspect, back_release)


def _same(
    name: str, request: Severity, response: Severity, sentence: str, aspect: str = "", release: VersionStep = "minor"
) -> Iterator[tuple[str, Rule]]:
    """Give a rule that is its own way back."""
    yield name, Rule(request, response, name, sentence, aspect, release)


_CALLS = (
    *_ways(
        ("operation-withdrawn", B, B, "A method of a path is gone."),
        ("operation-added", H, H, "A method of a path is new."),
    ),
    *_same("operation-renamed", R, R, "An operationId is another, so generated code calls it otherwise.", "names"),
    *_ways(
        ("call-withdrawn", B, B, "A client no longer has a method of this name."),
        ("call-added", H, H, "A client has a method of a new name."),
    ),
    *_ways(
        ("call-deprecated", R, R, "A client warns each time that the method is called."),
        ("call-undeprecated", H, H, "A client no longer warns of a method."),
    ),
    *_ways(
        ("deprecated", H, H, "An operation, parameter or field is marked as deprecated."),
        ("undeprecated", H, H, "The mark of deprecation is gone."),
        "deprecated",
        back_release="patch",
    ),
    *_same("description-changed", H, H, "A title, a description or another note is another.", "notes", "patch"),
    *_same("example-changed", H, H, "An example is another.", "examples", "patch"),
    *_ways(
        ("security-tightened", B, B, "A key, or more of one, is needed where it was not."),
        ("security-loosened", H, H, "A way to be let in is new, or none is needed."),
        "security",
    ),
    *_same("security-changed", B, B, "A way to be let in is gone, and another is new.", "security"),
    *_ways(
        ("server-withdrawn", R, R, "An address of the service is gone."),
        ("server-added", H, H, "An address of the service is new."),
        "servers",
    ),
)

_PARTS = (
    *_ways(
        ("required-parameter-added", B, H, "A parameter is new, and must be there."),
        ("required-parameter-withdrawn", R, H, "A parameter that had to be there is gone."),
    ),
    *_ways(
        ("parameter-added", H, H, "A parameter is new, and may be left out."),
        ("parameter-withdrawn", R, H, "A parameter that could be left out is gone."),
    ),
    *_ways(
        ("parameter-required", B, H, "A parameter could be left out, and must be there."),
        ("parameter-optional", H, H, "A parameter had to be there, and may be left out."),
    ),
    *_same("parameter-renamed", H, H, "A parameter of the path is called otherwise.", "names", "patch"),
    *_same("parameter-style-changed", B, B, "A parameter or header is written in another way.", "style"),
    *_ways(
        ("body-required", B, H, "The body could be left out, and must be there."),
        ("body-optional", H, H, "The body had to be there, and may be left out."),
        "body-required",
    ),
    *_ways(
        ("body-withdrawn", R, B, "There is no body any more."),
        ("body-added", H, H, "There is a body where there was none."),
        "bodies",
    ),
    *_ways(
        ("media-type-withdrawn", B, B, "A media type is gone."),
        ("media-type-added", H, R, "A media type is new."),
        "media-types",
    ),
    *_ways(
        ("status-withdrawn", B, B, "A status is no longer answered."),
        ("status-added", R, R, "A status is new."),
        "statuses",
    ),
    *_ways(
        ("header-withdrawn", R, R, "A header of an answer is gone."),
        ("header-added", H, H, "A header of an answer is new."),
        "headers",
    ),
    *_ways(
        ("header-required", H, H, "A header that might be missing is always there."),
        ("header-optional", B, B, "A header that was always there may be missing."),
        "headers",
    ),
)

_FIELDS = (
    *_ways(
        ("required-field-added", B, H, "A field is new, and must be, or always is, there."),
        ("required-field-withdrawn", R, B, "A field that had to be, or always was, there is gone."),
    ),
    *_ways(
        ("field-added", H, H, "A field is new, and may be missing."),
        ("field-withdrawn", R, R, "A field that might be missing is gone."),
    ),
    *_ways(
        ("field-required", B, H, "A field that might be missing must be, or always is, there."),
        ("field-optional", H, B, "A field that had to be, or always was, there may be missing."),
    ),
    *_ways(
        ("closed", B, H, "What was allowed there is not: fields or items that are not named, or any value at all."),
        ("opened", H, R, "What was not allowed there is: fields or items that are not named, or any value at all."),
        "closed",
    ),
)

_VALUES = (
    *_ways(
        ("type-narrowed", B, H, "A type of JSON is no longer allowed."),
        ("type-widened", H, B, "A type of JSON is allowed that was not."),
    ),
    *_same("type-changed", B, B, "The value has another type."),
    *_ways(
        ("null-withdrawn", B, H, "null is no longer allowed."),
        ("null-added", H, B, "null is allowed."),
        "null",
    ),
    *_ways(
        ("enum-added", B, H, "Any value was allowed, and only some are."),
        ("enum-withdrawn", H, R, "Only some values were allowed, and any is."),
    ),
    *_ways(
        ("enum-value-withdrawn", B, H, "A value is no longer allowed."),
        ("enum-value-added", H, R, "A value is new."),
    ),
    *_same("const-changed", B, B, "The only value that is allowed is another."),
    *_ways(
        ("limit-tightened", B, H, "A limit of length, size, number or count leaves less room."),
        ("limit-loosened", H, R, "A limit of length, size, number or count leaves more room."),
        "limits",
    ),
    *_same("limit-changed", B, R, "A step between numbers is another.", "limits"),
    *_ways(
        ("pattern-added", B, H, "A text must match a pattern."),
        ("pattern-withdrawn", H, R, "A text need not match a pattern any more."),
        "patterns",
    ),
    *_same("pattern-changed", B, R, "A text must match another pattern.", "patterns"),
    *_ways(
        ("format-added", B, H, "A value must have a format."),
        ("format-withdrawn", H, R, "A value need not have a format any more."),
        "formats",
    ),
    *_same("format-changed", B, R, "A value must have another format.", "formats"),
    *_ways(
        ("condition-added", B, H, "A condition is new: not, if, contains, propertyNames and their like."),
        ("condition-withdrawn", H, R, "A condition is gone."),
        "conditions",
    ),
    *_same("condition-changed", B, R, "A condition is another.", "conditions"),
    *_ways(
        ("default-withdrawn", R, R, "Nothing is said any more of what a missing value means."),
        ("default-added", H, H, "It is said what a missing value means."),
        "defaults",
    ),
    *_same("default-changed", R, R, "A missing value means something else.", "defaults"),
    *_ways(
        ("access-narrowed", R, R, "A field is only read, or only written."),
        ("access-widened", H, H, "A field is no longer only read, or only written."),
        "access",
    ),
    *_same("content-changed", R, R, "A text or a part is encoded in another way.", "content"),
)

_UNIONS = (
    *_ways(
        ("variant-withdrawn", B, H, "A union has a member less."),
        ("variant-added", H, R, "A union has a member more."),
    ),
    *_same("variants-reordered", H, H, "The members of a union stand in another order.", "order", "patch"),
    *_ways(
        ("union-added", B, H, "A value must also be one of some members."),
        ("union-withdrawn", H, R, "A value need not be one of some members any more."),
    ),
    *_ways(
        ("union-exclusive", R, H, "A value must be exactly one of the members (oneOf for anyOf)."),
        ("union-inclusive", H, R, "A value may be several of the members (anyOf for oneOf)."),
        "union-kind",
    ),
    *_ways(
        ("discriminator-withdrawn", R, R, "No field tells the members of a union apart any more."),
        ("discriminator-added", H, H, "A field tells the members of a union apart."),
        "discriminators",
    ),
    *_same("discriminator-changed", B, B, "Another field, or another value, tells a member apart.", "discriminators"),
    *_ways(
        ("discriminator-value-withdrawn", B, H, "A value that named a member of a union is gone."),
        ("discriminator-value-added", H, R, "A value names a member of a union that no value named so."),
        "mappings",
    ),
)

RULES: Mapping[str, Rule] = dict((*_CALLS, *_PARTS, *_FIELDS, *_VALUES, *_UNIONS))
"""The rules, by name."""

CONSEQUENCES: Mapping[tuple[Direction, Severity], str] = {
    ("call", B): "calls that were right fail",
    ("call", R): "callers have something to look at",
    ("request", B): "requests that were right may be refused",
    ("request", R): "requests may come to mean something else",
    ("response", B): "readers of the old answers may fail",
    ("response", R): "readers may meet what they do not know",
}
"""What follows from a change; nothing from a harmless one."""


def verdict(changes: Iterable[ContractChange]) -> VersionStep:
    """Say how far a version would have to go."""
    steps: set[VersionStep] = {_step(each) for each in changes}
    found: tuple[VersionStep, ...] = ("major", "minor", "patch")
    return next((each for each in found if each in steps), "none")


def _step(change: ContractChange) -> VersionStep:
    if change.severity == "harmless":
        return RULES[change.rule].release
    return "major" if change.severity == "breaking" else "minor"


class At(NamedTuple):
    """Where in a call the comparison is: what goes or comes, and the place in it."""

    direction: Direction
    where: str

    def into(self, *parts: str | int) -> "At":
        """Go further in."""
        return At(self.direction, join(self.where, *parts))


Pair: TypeAlias = tuple[str | None, str | None]
"""The JSON pointers of what changed, in A and in B; None where it is not there."""


@dataclass(slots=True)
class Comparison:
    """A comparison of A with B."""

    a: Views
    b: Views
    unsaid: frozenset[str]
    """What one of the two is silent on; "response null" is unsaid of answers only, "/request/body null" there only."""
    is_code: bool
    """Whether both are client releases: a name that is gone breaks code, and the order of a union is the client's."""
    operation: str = ""
    compared: list[str] = field(default_factory=list)
    """The operations that both have, by name."""
    seen: set[tuple[Json, ...]] = field(default_factory=set)
    """What was compared already for this operation, so that what refers to itself comes to an end."""
    found: dict[tuple[str, str, str | None, str | None, str], ContractChange] = field(default_factory=dict)

    def is_silent(self, aspect: str, at: At) -> bool:
        """Say whether one of the two says nothing of an aspect there."""
        return not self.unsaid.isdisjoint((aspect, f"{at.direction} {aspect}", f"{at.where} {aspect}"))

    def tell(
        self,
        rule: str,
        at: At,
        pair: Pair,
        message: str,
        was: Json = None,
        now: Json = None,
        *,
        detail: str = "",
        severity: Severity | None = None,
    ) -> None:
        """Tell a change, unless it is of what one of the two is silent on."""
        known = RULES[rule]
        if self.is_silent(known.aspect, at):
            return
        weight = known.severity(at.direction) if severity is None else severity
        consequence = CONSEQUENCES.get((at.direction, weight), "")
        text = f"{message}; {consequence}" if consequence else message
        operations = (self.operation,) if self.operation else ()
        change = ContractChange(rule, weight, at.direction, operations, at.where, *pair, text, was, now, detail)
        before = self.found.setdefault(change.cause, change)
        if self.operation and self.operation not in before.operations:
            self.found[change.cause] = before._replace(operations=(*before.operations, self.operation))


Compare: TypeAlias = Callable[[Comparison, View, View, At], None]
"""Compares two schemas."""
