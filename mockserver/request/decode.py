"""Request -> Call, or its rejection, by JSON Schema alone: parameters of every style, bodies of every media type."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import NamedTuple

from mockserver.api import Call
from mockserver.contract.media import MediaType, declared_index, read
from mockserver.contract.openapi import ANYTHING, Operation, Parameter
from mockserver.contract.schema import Schema
from mockserver.contract.tree import join
from mockserver.messages import Finding, Json, Request, header_value
from mockserver.request.reading.declared import DeclaredBody, explained, unjudged_findings
from mockserver.request.reading.media import MalformedError, read_json
from mockserver.request.reading.parameters import Read, SentParts, is_empty, reader
from mockserver.request.reading.shapes import Raw, TextShape, shape_of
from mockserver.request.validate import Rejection, presentable, takes_any_text

JSON_TYPE = "application/json"

ORDER = ("path", "query", "querystring", "header", "cookie")
"""Where parameters stand, in the order in which they are judged."""


class _Parameter(NamedTuple):
    """A parameter, and how it is read."""

    declared: Parameter
    shape: TextShape
    read: Read
    where: str
    """Its place in a request."""


class _Taken(NamedTuple):
    """What was read of a body: its value, or the status of its refusal with the fields of the answer."""

    status: int = 422
    value: Json = None
    findings: Sequence[Finding] = ()
    headers: tuple[tuple[bytes, bytes], ...] = ()


NO_BODY = _Taken()


class StrictValidator:
    """Decodes and validates the requests of one operation."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        declared = sorted(operation.parameters, key=lambda each: ORDER.index(each.location))
        self._parameters = [
            _Parameter(each, shape_of(each.schema), reader(each, operation), _place(each)) for each in declared
        ]
        body = operation.body
        self._bodies = [] if body is None else [DeclaredBody(each) for each in body.media]
        self._types = [each.declared.type for each in self._bodies]
        self._required = body is not None and body.required
        self.plain = self._is_plain(declared)
        """Whether nothing but a body of application/json need be judged where no query was sent."""

    def _is_plain(self, declared: list[Parameter]) -> bool:
        in_path = all(takes_any_text(each) for each in declared if each.location == "path")
        others = [each for each in declared if each.location != "path"]
        free = all(each.location in ("query", "querystring") and not each.required for each in others)
        free = free and (self._operation.body is None or read(self._operation.body.type).essence == JSON_TYPE)
        styles = all(each.style == "simple" and not each.media for each in declared if each.location == "path")
        return in_path and styles and free

    @property
    def schema(self) -> Schema:
        """What a body of JSON satisfies."""
        return next((each.schema for each in self._bodies if each.is_json and each.schema is not None), ANYTHING)

    def compile(self) -> None:
        """Build all validators now; a ContractError names a schema that cannot be used."""
        schemas = [each.declared.schema for each in self._parameters]
        for schema in schemas + [each.schema for each in self._bodies if each.schema is not None]:
            schema.is_valid(None)

    def validate(self, request: Request, path: Mapping[str, str]) -> Call | Rejection:
        """Return the call that a request makes, or its rejection with all that is wrong: parameters, then the body."""
        values: dict[str, dict[str, Json]] = {"path": dict(path)}
        found = list(self._read_parameters(SentParts(request, path), values))
        body = self._read_body(request) if self._bodies else NO_BODY
        query = {**values.get("query", {}), **values.get("querystring", {})}
        if not found and not body.findings:
            return Call(request, self._operation, values["path"], query, body.value)
        found += body.findings
        notes = tuple(each for each in found if each.level == "note")
        call = Call(request, self._operation, values["path"], query, body.value, findings=notes)
        if len(notes) == len(found):
            return call
        errors = tuple(_shown(each) for each in found if each.level != "note")
        return Rejection(body.status, None, errors, body.headers, call)

    def _read_parameters(self, sent: SentParts, values: dict[str, dict[str, Json]]) -> Iterator[Finding]:
        """Read every declared parameter into `values`; yield what is wrong."""
        for declared, shape, read_sent, where in self._parameters:
            raws, schema = read_sent(sent), declared.schema
            if not raws:
                if raws is not None or declared.required:
                    yield _unsent(declared, where, raws)
                continue
            value = shape.value(raws[0])
            if not schema.is_surely_valid(value):
                found = [value, *map(shape.value, raws[1:])]
                value = next((each for each in found if schema.is_valid(each)), value)
                if not (declared.allow_empty and is_empty(raws)) and not schema.is_valid(value):
                    yield from explained(schema, value, where)
                yield from unjudged_findings(schema, schema.judge(value)[1], where)
            values.setdefault(declared.location, {})[declared.name] = value

    def _read_body(self, request: Request) -> _Taken:
        """Read the body as the declared type that its Content-Type names."""
        field, raw = request.headers.text(b"content-type"), request.body
        sent = read(field) if field else None
        body, sent = self._guessed(raw) if sent is None else (self._declared(field or ""), sent)
        if not raw and not (field and body is not None and (body.is_form or (self._required and body.takes_nothing))):
            return _Taken(findings=self._missing()) if self._required else NO_BODY
        if body is None:
            return self._unsupported(field)
        try:
            value, found = body.read(raw, sent)
        except MalformedError as error:
            message = f"The body cannot be read as {sent.essence}: {error}."
            place = "" if body.schema is None else body.schema.place()
            finding = Finding("/body", "body_unreadable", message, "client", contract=place)
            return _Taken(error.status, findings=[finding])
        return _Taken(value=value, findings=found)

    def _declared(self, sent: str) -> DeclaredBody | None:
        """Return the declared representation that names a type best."""
        index = declared_index(self._types, sent)
        return None if index is None else self._bodies[index]

    def _guessed(self, raw: bytes) -> tuple[DeclaredBody | None, MediaType]:
        """Return what a body without a Content-Type is: JSON if it can be, else the only declared type."""
        if raw:
            json_type = read("application/json")
            body = next((each for each in self._bodies if each.is_json or each.type.essence == "*/*"), None)
            with suppress(MalformedError):
                if body is not None:
                    read_json(raw)
                    return body, body.type if body.is_json else json_type
        only = self._bodies[0]
        if len(self._bodies) > 1:
            return None, only.type
        return only, read("application/octet-stream") if only.type.is_range else only.type

    def _missing(self) -> list[Finding]:
        place = self._operation.placed()
        return [Finding("/body", "required", "The body is required, and none was sent.", "client", contract=place)]

    def _unsupported(self, field: str | None) -> _Taken:
        """Refuse a body of a type that is not declared, and name those that are."""
        declared = ", ".join(self._types)
        what = f"The media type {field} is not declared" if field else "No Content-Type was sent"
        message = f"{what}; the body is one of: {declared}."
        finding = Finding(
            "/header/content-type",
            "content_type",
            message,
            "client",
            expected=self._types,
            received=field,
            contract=self._operation.placed(),
        )
        return _Taken(415, findings=[finding], headers=((b"accept", header_value(declared)),))


def _place(parameter: Parameter) -> str:
    """Return the place of a parameter in a request."""
    return join("", parameter.location.removesuffix("string"), *filter(None, (parameter.name,)))


def _unsent(parameter: Parameter, where: str, raws: list[Raw] | None) -> Finding:
    """Report a required parameter that was not sent, or one that is written in another style."""
    what = f"the {parameter.location} parameter {parameter.name!r}".replace(" ''", "")
    if raws is None:
        return Finding(
            where, "required", f"{what} is required, and was not sent", "client", contract=parameter.schema.place()
        )
    how = f"as {parameter.media}" if parameter.media else f"in the style {parameter.style}"
    more = "" if parameter.media else f" with explode: {str(parameter.explode).lower()}"
    message = f"{what} is not written {how}{more}"
    return Finding(where, "style", message, "client", contract=parameter.schema.place())


def _shown(finding: Finding) -> Finding:
    """Return a finding whose received value can be written."""
    return replace(finding, received=presentable(finding.received))
