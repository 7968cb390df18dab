"""A declared body: its readers and its verdict; and the findings about any value that was sent."""

from collections.abc import Sequence
from dataclasses import replace

from mockserver.contract.media import MediaType, kind_of, read
from mockserver.contract.openapi import Media
from mockserver.contract.schema import Schema
from mockserver.contract.sides import seen_from
from mockserver.contract.tree import join
from mockserver.messages import Finding, Json
from mockserver.request.reading.bodies import media_reader
from mockserver.request.reading.media import BodyReader, MalformedError, WrongParts, judged, read_json
from mockserver.request.reading.shapes import ANY_SHAPE, Raw, Ready, shape_of

MOST_READERS = 100
"""For how many types a declared range keeps its readers."""

MOST_FINDINGS = 100
"""How many errors of a value are reported."""


_STRUCTURED = frozenset(("object", "array", "null"))

_FORM = read("application/x-www-form-urlencoded")


class DeclaredBody:
    """One declared representation of a body, compiled when it is first sent."""

    def __init__(self, media: Media) -> None:
        self.declared, self.type = media, read(media.type)
        self.schema = None if media.schema is None else seen_from(media.schema, "sent")
        self._items = None if media.item_schema is None else seen_from(media.item_schema, "sent")
        self._shape = None if self.schema is None else shape_of(self.schema)
        self._is_structured = self._shape is not None and bool(self._shape.kinds) and self._shape.kinds <= _STRUCTURED
        self._readers: dict[str, BodyReader] = {}
        self.is_json = kind_of(self.type) == "json"
        self.is_form = kind_of(self.type) == "form"
        self.takes_nothing = kind_of(self.type) not in ("json", "xml", "multipart")
        """Whether no bytes are a body of this type."""

    def read(self, data: bytes, sent: MediaType) -> tuple[Json, list[Finding]]:
        """Return the value of a body, and what is wrong with it. Raises MalformedError."""
        if _is_mislabelled(data, sent):
            value, found = self.read(data, _FORM)
            message = "the body says multipart/form-data and is an urlencoded form, which most servers refuse"
            return value, [*found, Finding("/header/content-type", "boundary", message, "client", level="note")]
        reader = self._readers.get(sent.essence)
        if reader is None:
            reader = media_reader(sent, self.schema, self.declared.encoding)
            if len(self._readers) < MOST_READERS:
                self._readers[sent.essence] = reader
        wrong: WrongParts = []
        raws = reader(data, dict(sent.parameters), wrong)
        if self._is_structured and isinstance(raws[0], str | bytes) and kind_of(sent) != "xml":
            try:
                raws = [Ready(read_json(data))]
            except MalformedError:
                return raws[0], [self._unjudged(sent)]
        try:
            value, found = self._judged(raws, by_line=kind_of(sent) == "lines")
        except RecursionError as error:
            raise MalformedError("it is nested too deep") from error
        place = self.schema.place() if self.schema is not None else ""
        found += [Finding("/body" + at, rule, text, "client", contract=place) for at, rule, text in wrong]
        return value, found

    def _unjudged(self, sent: MediaType) -> Finding:
        message = f"{sent.essence} holds no object or list that its schema could judge"
        place = "" if self.schema is None else self.schema.place()
        return Finding("/body", "not_judged", message, "contract", contract=place, level="note")

    def _judged(self, raws: list[Raw], *, by_line: bool) -> tuple[Json, list[Finding]]:
        schema, shape = self.schema, self._shape
        if by_line and (self._items is not None or (shape is not None and not shape.takes("array"))):
            items, lines = self._items or schema, raws[0].value
            return lines, [each for at, line in enumerate(lines) for each in _wrong(items, line, f"/body/{at}")]
        if schema is None or shape is None:
            return ANY_SHAPE.value(raws[0]), []
        if isinstance(raws[0], Ready) and schema.is_surely_valid(raws[0].value):
            return raws[0].value, []
        values = [shape.value(raw) for raw in raws]
        value = next((each for each in values if schema.is_valid(judged(each))), values[0])
        return value, _wrong(schema, value, "/body")


def _is_mislabelled(data: bytes, sent: MediaType) -> bool:
    """Return whether an urlencoded form is said to be multipart, as `curl -H ... --data` writes it."""
    if sent.essence != "multipart/form-data" or "boundary" in dict(sent.parameters):
        return False
    return b"=" in data and not data.lstrip().startswith(b"--")


def _wrong(schema: Schema | None, value: Json, where: str) -> list[Finding]:
    """List what is wrong with a value, and what could not be judged."""
    if schema is None:
        return []
    value = judged(value)
    right, patterns = schema.judge(value)
    return [*([] if right else explained(schema, value, where)), *unjudged_findings(schema, patterns, where)]


def explained(schema: Schema, value: Json, where: str) -> list[Finding]:
    """List what is wrong with a value, some of very much; a required field is named by its own place."""
    found = schema.explain(value, where=where, fault="client")[:MOST_FINDINGS]
    return [_at_field(each) if each.rule == "required" else each for each in found]


def _at_field(finding: Finding) -> Finding:
    names = finding.expected.get("required") if isinstance(finding.expected, dict) else None
    for name in names if isinstance(names, list) else ():
        if finding.message == f"{name!r} is a required property":
            return replace(finding, where=join(finding.where, name))
    return finding


def unjudged_findings(schema: Schema, patterns: Sequence[str], where: str) -> tuple[Finding, ...]:
    """Report the patterns that were not held against a value, since they take too many steps."""
    message = "was not judged by the pattern {!r}, which takes too many steps on it; write it without look-around"
    return tuple(
        Finding(where, "not_judged", message.format(pattern), "contract", contract=schema.place(), level="note")
        for pattern in patterns
    )
