"""The kinds of change between two contracts, what each weighs, and the verdict in semantic versions."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias, TypeVar

from mockserver.contract.resolved import View, Views
from mockserver.contract.tree import join
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
    """One kind of change, and its severity for requests and for answers; a call as a whole counts as a request."""

    request: Severity
    response: Severity
    sentence: str
    aspect: str = ""
    """What of a contract it looks at, where a description may be silent on that."""
    release: VersionStep = "minor"
    """How far a version would have to go for a harmless change of this kind."""

    def severity(self, direction: Direction) -> Severity:
        """Return its severity."""
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


RULES: Mapping[str, Rule] = {
    "operation-withdrawn": Rule(B, B, "A method of a path is gone."),
    "operation-added": Rule(H, H, "A method of a path is new."),
    "operation-renamed": Rule(R, R, "An operationId is another, so generated code calls it otherwise.", "names"),
    "call-withdrawn": Rule(B, B, "A client no longer has a method of this name."),
    "call-added": Rule(H, H, "A client has a method of a new name."),
    "call-deprecated": Rule(R, R, "A client warns each time that the method is called."),
    "call-undeprecated": Rule(H, H, "A client no longer warns of a method."),
    "deprecated": Rule(H, H, "An operation, parameter or field is marked as deprecated.", "deprecated"),
    "undeprecated": Rule(H, H, "The mark of deprecation is gone.", "deprecated", "patch"),
    "description-changed": Rule(H, H, "A title, a description or another note is another.", "notes", "patch"),
    "example-changed": Rule(H, H, "An example is another.", "examples", "patch"),
    "security-tightened": Rule(B, B, "A key, or more of one, is needed where it was not.", "security"),
    "security-loosened": Rule(H, H, "A way to be let in is new, or none is needed.", "security"),
    "security-changed": Rule(B, B, "A way to be let in is gone, and another is new.", "security"),
    "security-note-changed": Rule(
        H,
        H,
        "What is noted of a way to be let in is another: scopes on offer, the form of a token.",
        "security",
        "patch",
    ),
    "security-flow-withdrawn": Rule(B, B, "A flow of OAuth by which tokens could be had is gone.", "security"),
    "security-flow-added": Rule(H, H, "A flow of OAuth by which tokens can be had is new.", "security"),
    "security-address-changed": Rule(R, R, "Tokens are to be had at another address.", "security"),
    "server-withdrawn": Rule(R, R, "An address of the service is gone.", "servers"),
    "server-added": Rule(H, H, "An address of the service is new.", "servers"),
    "required-parameter-added": Rule(B, H, "A parameter is new, and must be there."),
    "required-parameter-withdrawn": Rule(R, H, "A parameter that had to be there is gone."),
    "parameter-added": Rule(H, H, "A parameter is new, and may be left out."),
    "parameter-withdrawn": Rule(R, H, "A parameter that could be left out is gone."),
    "parameter-required": Rule(B, H, "A parameter could be left out, and must be there."),
    "parameter-optional": Rule(H, H, "A parameter had to be there, and may be left out."),
    "parameter-renamed": Rule(H, H, "A parameter of the path is called otherwise.", "names", "patch"),
    "parameter-style-changed": Rule(B, B, "A parameter or header is written in another way.", "style"),
    "body-required": Rule(B, H, "The body could be left out, and must be there.", "body-required"),
    "body-optional": Rule(H, H, "The body had to be there, and may be left out.", "body-required"),
    "body-withdrawn": Rule(R, B, "There is no body any more.", "bodies"),
    "body-added": Rule(H, H, "There is a body where there was none.", "bodies"),
    "media-type-withdrawn": Rule(B, B, "A media type is gone.", "media-types"),
    "media-type-added": Rule(H, R, "A media type is new.", "media-types"),
    "media-type-narrowed": Rule(B, H, "A case of it stands where a range of media types was.", "media-types"),
    "media-type-widened": Rule(H, R, "A range of media types stands where a case of it was.", "media-types"),
    "media-type-parameters-changed": Rule(R, R, "A media type has other parameters.", "media-types"),
    "status-withdrawn": Rule(B, B, "A status is no longer answered.", "statuses"),
    "status-added": Rule(R, R, "A status is new.", "statuses"),
    "header-withdrawn": Rule(R, R, "A header of an answer is gone.", "headers"),
    "header-added": Rule(H, H, "A header of an answer is new.", "headers"),
    "header-required": Rule(H, H, "A header that might be missing is always there.", "headers"),
    "header-optional": Rule(B, B, "A header that was always there may be missing.", "headers"),
    "required-field-added": Rule(B, H, "A field is new, and must be, or always is, there."),
    "required-field-withdrawn": Rule(R, B, "A field that had to be, or always was, there is gone."),
    "field-added": Rule(H, H, "A field is new, and may be missing."),
    "field-withdrawn": Rule(R, R, "A field that might be missing is gone."),
    "field-required": Rule(B, H, "A field that might be missing must be, or always is, there."),
    "field-optional": Rule(H, B, "A field that had to be, or always was, there may be missing."),
    "closed": Rule(
        B, H, "What was allowed there is not: fields or items that are not named, or any value at all.", "closed"
    ),
    "opened": Rule(
        H, R, "What was not allowed there is: fields or items that are not named, or any value at all.", "closed"
    ),
    "type-narrowed": Rule(B, H, "A type of JSON is no longer allowed."),
    "type-widened": Rule(H, B, "A type of JSON is allowed that was not."),
    "type-changed": Rule(B, B, "The value has another type."),
    "null-withdrawn": Rule(B, H, "null is no longer allowed.", "null"),
    "null-added": Rule(H, B, "null is allowed.", "null"),
    "enum-added": Rule(B, H, "Any value was allowed, and only some are."),
    "enum-withdrawn": Rule(H, R, "Only some values were allowed, and any is."),
    "enum-value-withdrawn": Rule(B, H, "A value is no longer allowed."),
    "enum-value-added": Rule(H, R, "A value is new."),
    "const-changed": Rule(B, B, "The only value that is allowed is another."),
    "limit-tightened": Rule(B, H, "A limit of length, size, number or count leaves less room.", "limits"),
    "limit-loosened": Rule(H, R, "A limit of length, size, number or count leaves more room.", "limits"),
    "limit-changed": Rule(B, R, "A step between numbers is another.", "limits"),
    "pattern-added": Rule(B, H, "A text must match a pattern.", "patterns"),
    "pattern-withdrawn": Rule(H, R, "A text need not match a pattern any more.", "patterns"),
    "pattern-changed": Rule(B, R, "A text must match another pattern.", "patterns"),
    "pattern-tightened": Rule(B, H, "A text must match a pattern that takes less.", "patterns"),
    "pattern-loosened": Rule(H, R, "A text must match a pattern that takes more.", "patterns"),
    "format-added": Rule(B, H, "A value must have a format.", "formats"),
    "format-withdrawn": Rule(H, R, "A value need not have a format any more.", "formats"),
    "format-changed": Rule(B, R, "A value must have another format.", "formats"),
    "format-tightened": Rule(B, H, "A value must have a format that allows less.", "formats"),
    "format-loosened": Rule(H, R, "A value must have a format that allows more.", "formats"),
    "condition-added": Rule(B, H, "A condition is new: not, if, contains, propertyNames and their like.", "conditions"),
    "condition-withdrawn": Rule(H, R, "A condition is gone.", "conditions"),
    "condition-changed": Rule(B, R, "A condition is another.", "conditions"),
    "condition-tightened": Rule(B, H, "A condition leaves less room.", "conditions"),
    "condition-loosened": Rule(H, R, "A condition leaves more room.", "conditions"),
    "default-withdrawn": Rule(R, R, "Nothing is said any more of what a missing value means.", "defaults"),
    "default-added": Rule(H, H, "It is said what a missing value means.", "defaults"),
    "default-changed": Rule(R, R, "A missing value means something else.", "defaults"),
    "access-narrowed": Rule(R, R, "A field is only read, or only written.", "access"),
    "access-widened": Rule(H, H, "A field is no longer only read, or only written.", "access"),
    "content-changed": Rule(R, R, "A text or a part is encoded in another way.", "content"),
    "variant-withdrawn": Rule(B, H, "A union has a member less."),
    "variant-added": Rule(H, R, "A union has a member more."),
    "variants-reordered": Rule(H, H, "The members of a union stand in another order.", "order", "patch"),
    "union-added": Rule(B, H, "A value must also be one of some members."),
    "union-withdrawn": Rule(H, R, "A value need not be one of some members any more."),
    "union-exclusive": Rule(R, H, "A value must be exactly one of the members (oneOf for anyOf).", "union-kind"),
    "union-inclusive": Rule(H, R, "A value may be several of the members (anyOf for oneOf).", "union-kind"),
    "discriminator-withdrawn": Rule(R, R, "No field tells the members of a union apart any more.", "discriminators"),
    "discriminator-added": Rule(H, H, "A field tells the members of a union apart.", "discriminators"),
    "discriminator-changed": Rule(B, B, "Another field, or another value, tells a member apart.", "discriminators"),
    "discriminator-value-withdrawn": Rule(B, H, "A value that named a member of a union is gone.", "mappings"),
    "discriminator-value-added": Rule(H, R, "A value names a member of a union that no value named so.", "mappings"),
}
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
    """Return how far a version would have to go."""
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
    is_text: bool = False
    """Whether values are written as texts without a type: 1 in a query may be a number or a string."""

    def into(self, *parts: str | int) -> "At":
        """Return a place further in."""
        return At(self.direction, join(self.where, *parts), self.is_text)


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
    is_idle: bool = False
    """Whether what is compared goes the other way only, as a read-only field of a request, so that nothing breaks."""
    within: dict[tuple[object, ...], bool] = field(default_factory=dict)
    """Which schemas are known to be within others."""

    def is_silent(self, aspect: str, at: At) -> bool:
        """Return whether one of the two says nothing of an aspect there."""
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
        """Record a change, unless one of the two documents is silent on its aspect."""
        known = RULES[rule]
        if self.is_silent(known.aspect, at):
            return
        weight = known.severity(at.direction) if severity is None else severity
        if self.is_idle and known.aspect != "access":
            weight = "harmless"
        consequence = CONSEQUENCES.get((at.direction, weight), "")
        text = f"{message}; {consequence}" if consequence else message
        operations = (self.operation,) if self.operation else ()
        change = ContractChange(rule, weight, at.direction, operations, at.where, *pair, text, was, now, detail)
        before = self.found.setdefault(change.cause, change)
        if self.operation and self.operation not in before.operations:
            self.found[change.cause] = before._replace(operations=(*before.operations, self.operation))

    def tell_one(
        self, kind: str, at: At, one: str, other: str, new: str, gone: str, severity: Severity | None = None
    ) -> None:
        """Record what only one of the two has, as `<kind>-added` or `<kind>-withdrawn`; the other's place is ""."""
        rule, message = (f"{kind}-withdrawn", gone) if one else (f"{kind}-added", new)
        self.tell(rule, at, (one or None, other or None), message, severity=severity)


Key = TypeVar("Key")
Value = TypeVar("Value")


def paired(ours: Mapping[Key, Value], theirs: Mapping[Key, Value], absent: Value) -> Iterator[tuple[Key, Value, Value]]:
    """List what A and B have, by their keys; `absent` stands for what one of them does not have."""
    return ((key, ours.get(key, absent), theirs.get(key, absent)) for key in {**ours, **theirs})


def presence(at: At, *, must: bool) -> str:
    """Describe in words whether a part may be missing."""
    if at.direction == "request":
        return "must be there" if must else "may be left out"
    return "is always there" if must else "may be missing"


Compare: TypeAlias = Callable[[Comparison, View, View, At], None]
"""Compares two schemas."""
