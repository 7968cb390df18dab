"""Request -> Call, or its rejection, as the real API words it."""

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from mockserver.api import Call
from mockserver.contract.openapi import ANYTHING, Body, Operation, Parameter, is_json
from mockserver.contract.schema import NOTES, Schema
from mockserver.contract.tree import join
from mockserver.messages import Finding, Headers, Json, Request, Value

if TYPE_CHECKING:
    from mockserver.request.fastapi import Detail, Model

DETAILED = 16_384
"""Longest body, in bytes, for which every wrong item of a list is reported; for a longer one only the first is."""

DEEPEST = 100
"""How many levels of a rejected input are shown."""

PARSING_FAILED = "There was an error parsing the body"
"""FastAPI's message for a body that is not text, is nested too deeply or has too long a number."""

_UNSENT = object()
_NO_QUERY: Mapping[str, Json] = {}
scan: Callable[[str, int], tuple[Json, int]] = vars(json.JSONDecoder())["scan_once"]
"""Reads the value at the start of a text and returns where it ends; the caller checks what is around it."""


class Rejection(Value, frozen=True):
    """The answer to an invalid request: a status, the body as the real API writes it, and our findings."""

    status: int
    value: Json
    findings: tuple[Finding, ...] = ()


class RequestValidator:
    """Decodes and validates the requests of one operation, and explains what is wrong."""

    __slots__ = ("_body_models", "_models", "_operation", "_parameters", "_schema", "_strict", "plain")

    def __init__(self, operation: Operation, *, strict: bool = False) -> None:
        self._strict = strict
        order = ("path", "query", "header", "cookie")
        self._operation = operation
        self._parameters = sorted(operation.parameters, key=lambda each: order.index(each.location))
        self.plain = all(_takes_any_text(each) for each in self._parameters if each.location != "query")
        self.plain = self.plain and not any(each.required for each in self._parameters if each.location != "path")
        self._schema = ANYTHING if operation.body is None else operation.body.schema
        self._models: dict[str, Model] = {}
        self._body_models: dict[bool, Model] = {}

    def compile(self) -> None:
        """Build all validators now; a ContractError names a schema that cannot be used."""
        body = self._operation.body
        schemas = [each.schema for each in self._operation.parameters]
        schemas += [each.schema for each in body.media if each.schema is not None] if body is not None else []
        for schema in schemas:
            schema.is_valid(None)

    def validate(self, request: Request, path: Mapping[str, str]) -> Call | Rejection:
        """Return the call that a request makes, or its rejection with all errors: parameters first, then the body."""
        declared = self._operation.body
        sent = body = _UNSENT
        right = False
        if declared is not None and (raw := request.body):
            sent = body = _read_body(request)
            if isinstance(body, Rejection):
                return self._placed(body)
            right = self._schema.is_valid(body) and (_is_plain(raw) or not any(_lone_surrogates(body, ())))
            if right and self.plain and not request.query:
                found = _unjudged(self._schema, body, "/body")
                return Call(request, self._operation, path, _NO_QUERY, body, findings=found)
        values: dict[str, Mapping[str, Json]] = {"path": path, "query": {}}
        lax: list[Detail] = []
        details = [] if self.plain and not request.query else self._read_parameters(request, path, values, lax)
        if declared is not None and not right:
            taken, more = self._take_body(declared, body, len(request.body))
            if not more and body is not _UNSENT:
                lax += _forbidden(self._schema, body, ("body",))
            body, details = taken, [*details, *more]
        if details or (lax and self._strict):
            return self._refusal(details or lax, sent)
        found = tuple(map(self._finding, lax)) if lax else ()
        if declared is not None and sent is not _UNSENT:
            found += _unjudged(self._schema, sent, "/body")
        body = None if body is _UNSENT else body
        return Call(request, self._operation, values["path"], values["query"], body, findings=found)

    def _finding(self, detail: "Detail") -> Finding:
        """Report what was accepted although the contract forbids it."""
        message = str(detail["msg"]).removeprefix("Value error, ")
        return Finding(
            where=join("", *detail["loc"]),
            rule="lax",
            message=f"The contract forbids it, the service reads it all the same: {message}",
            fault="client",
            received=presentable(detail["input"]),
            contract=self._contract_place(detail["loc"]),
        )

    def _take_body(self, declared: Body, body: Json, size: int) -> tuple[Json, list["Detail"]]:
        """Return the body as upstream reads it, and what is wrong with it."""
        if body is _UNSENT:
            missing = {"type": "missing", "loc": ("body",), "msg": "Field required", "input": None}
            return None, [missing] if declared.required else []
        brief = size > DETAILED
        if brief not in self._body_models:
            self._body_models[brief] = _model(self._schema, brief=brief)
        taken, details = self._body_models[brief].read(body)
        details = details or list(_lone_surrogates(taken, ()))
        return taken, [{**each, "loc": ("body", *each["loc"])} for each in details]

    def _read_parameters(
        self,
        request: Request,
        path: Mapping[str, str],
        values: dict[str, Mapping[str, Json]],
        lax: list["Detail"],
    ) -> list["Detail"]:
        """Read every declared parameter into `values`; return errors, and add what is only tolerated to `lax`."""
        sent = _sent(request, path)
        read: dict[str, dict[str, Json]] = {"path": {}, "query": {}}
        details: list[Detail] = []
        for parameter in self._parameters:
            value = _value(parameter, sent[parameter.location])
            loc = (parameter.location, parameter.name)
            if value is None:
                if parameter.required:
                    details.append({"type": "missing", "loc": loc, "msg": "Field required", "input": None})
                continue
            key = "/".join(loc)
            if key not in self._models:
                self._models[key] = _model(parameter.schema)
            taken, wrong = self._models[key].read(value)
            details += [{**each, "loc": (*loc, *each["loc"])} for each in wrong]
            if not wrong and isinstance(value, str) and not any(map(parameter.schema.is_valid, readings(value))):
                lax += _forbidden(parameter.schema, value, loc)
            read.setdefault(parameter.location, {})[parameter.name] = _scalar(taken)
        values.update(read)
        return details

    def _refusal(self, details: list["Detail"], sent: Json) -> Rejection:
        body = {"detail": [_wire(detail) for detail in details]}
        first, told = details[0], body["detail"][0]
        is_raw = isinstance(sent, bytes)
        hint = "; the body was not read as JSON: send Content-Type: application/json" if is_raw else ""
        finding = Finding(
            where=join("", *(_in_value(first, sent) if first["loc"][0] == "body" else told["loc"])),
            rule=told["type"],
            message=told["msg"] + hint,
            fault="client",
            received=told["input"],
            contract=self._contract_place(first["loc"]),
        )
        return Rejection(422, body, (finding,))

    def _placed(self, rejection: Rejection) -> Rejection:
        place = self._contract_place(("body",))
        findings = tuple(
            Finding(each.where, each.rule, each.message, each.fault, received=each.received, contract=place)
            for each in rejection.findings
        )
        return Rejection(rejection.status, rejection.value, findings)

    def _contract_place(self, loc: tuple[str | int, ...]) -> str:
        operation = self._operation
        if loc[0] == "body" and operation.body is not None:
            return self._schema.place()
        named = [each.schema for each in self._parameters if (each.location, each.name) == tuple(loc[:2])]
        return named[0].place() if named else operation.place


def _in_value(detail: "Detail", body: Json) -> Iterator[str | int]:
    """Yield the place of an error in the body, without the names of the unions' branches on its way."""
    place, loc = body, detail["loc"]
    yield loc[0]
    for number, part in enumerate(loc[1:], 2):
        is_there = part in place if isinstance(place, dict) else isinstance(place, list) and isinstance(part, int)
        if is_there:
            place = place[part]
        if is_there or (detail["type"] == "missing" and number == len(loc)):
            yield part


def _unjudged(schema: Schema, value: Json, where: str) -> tuple[Finding, ...]:
    """Report the patterns that were not held against a value, since they take too many steps."""
    message = "was not judged by the pattern {!r}, which takes too many steps on it; write it without look-around"
    return tuple(
        Finding(where, "not_judged", message.format(pattern), "contract", contract=schema.place(), level="note")
        for pattern in schema.unjudged(value)
    )


def _forbidden(schema: Schema, value: Json, loc: tuple[str | int, ...]) -> list["Detail"]:
    """Report what the contract forbids in a value that the service accepts."""
    from mockserver.request.fastapi import forbidden

    if schema.is_valid(value):
        return []
    return [{**each, "loc": (*loc, *each["loc"])} for each in forbidden(schema, value)]


def readings(text: str) -> Iterator[Json]:
    """Yield what a text in a query or path can mean: itself, and the number or boolean that it spells."""
    yield text
    if re.fullmatch(r"-?(0|[1-9][0-9]{0,4299})", text):  # FastAPI reads this many digits
        yield int(text)
    elif re.fullmatch(r"-?(0|[1-9][0-9]*)\.[0-9]+", text):
        yield float(text)
    if text in ("true", "false"):
        yield text == "true"


def _is_plain(raw: bytes) -> bool:
    """Return whether a body is ASCII without escapes, so that no text in it is half a surrogate pair."""
    return b"\\" not in raw and raw.isascii()


def _model(schema: Schema, *, brief: bool = False) -> "Model":
    from mockserver.request.fastapi import Model

    return Model(schema, brief=brief)


def _read_body(request: Request) -> Json:
    """Return the body as FastAPI reads it: JSON if the content type says so, else its bytes.

    Plain ASCII is decoded directly, with the same result as json.loads, which first detects the encoding.
    """
    body, field = request.body, request.headers.get(b"content-type")
    if field != b"application/json" and not _says_json(field):
        return body
    try:
        if body.isascii() and b"\0" not in body:
            text = body.decode("ascii")
            try:
                value, end = scan(text, 0)
            except StopIteration:  # no value, or white space before it
                end = -1
            if end == len(text):
                return value
        return json.loads(body)
    except json.JSONDecodeError as error:
        return _not_json(error)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        message = f"The body cannot be read as JSON: {why}."
        return Rejection(400, {"detail": PARSING_FAILED}, (Finding("/body", "body_unreadable", message, "client"),))


def _not_json(error: json.JSONDecodeError) -> Rejection:
    detail = {
        "type": "json_invalid",
        "loc": ["body", error.pos],
        "msg": "JSON decode error",
        "input": {},
        "ctx": {"error": error.msg},
    }
    message = f"The body is not JSON: {error.msg} at character {error.pos}."
    return Rejection(422, {"detail": [detail]}, (Finding("/body", "json_invalid", message, "client"),))


def _lone_surrogates(value: Json, loc: tuple[str | int, ...]) -> Iterator["Detail"]:
    """Find the texts that UTF-8 cannot encode. The service's engine lets them in, but has a message for them."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            message = "Input should be a valid string, unable to parse raw data as a unicode string"
            yield {"type": "string_unicode", "loc": loc, "msg": message, "input": value}
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _lone_surrogates(item, (*loc, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _lone_surrogates(item, (*loc, index))


def _says_json(field: bytes | None) -> bool:
    """Return whether a content type means JSON, by the rule of FastAPI."""
    if not field:
        return False
    from email.message import Message

    message = Message()
    message["content-type"] = field.decode("latin-1").replace("\r", " ").replace("\n", " ")
    return is_json(message.get_content_type())


def _sent(request: Request, path: Mapping[str, str]) -> dict[str, Any]:
    cookies = request.headers.text(b"cookie") or ""
    pairs = (part.strip().partition("=") for part in cookies.split(";"))
    return {
        "path": path,
        "query": parse_qsl(request.query, keep_blank_values=True),
        "header": request.headers,
        "cookie": {name: value for name, _, value in pairs if name},
    }


def _value(parameter: Parameter, sent: Any) -> Json:
    """Return what was sent for a parameter, None for nothing; the last value of a repeated scalar counts."""
    if isinstance(sent, Headers):
        return sent.text(parameter.name.encode("latin-1", "replace"))
    if isinstance(sent, list):
        values = [value for name, value in sent if name == parameter.name]
        if _is_list(parameter.schema):
            return values or None
        return values[-1] if values else None
    return sent.get(parameter.name)


def _takes_any_text(parameter: Parameter) -> bool:
    """Return whether a parameter accepts any text."""
    branches = _branches(parameter.schema.node, "anyOf")
    plain = [each.get("type") == "string" and not each.keys() - NOTES - {"type"} for each in branches]
    return any(plain) and (plain[0] or not branches[0].keys() - NOTES - {"anyOf"})


def _is_list(schema: Schema) -> bool:
    return any(each.get("type") == "array" for each in _branches(schema.node, "anyOf", "oneOf"))


def _branches(node: Json, *unions: str) -> list[Json]:
    """Return a schema and the branches of its unions that are objects; an empty one for a schema that is no object."""
    if not isinstance(node, dict):
        return [{}]
    found = [each for union in unions for each in node.get(union, ())]
    return [node, *(each for each in found if isinstance(each, dict))]


def _scalar(value: Any) -> Json:
    """Return a parameter's value as JSON; a parsed id becomes text again."""
    return value if value is None or isinstance(value, str | int | float | list) else str(value)


def _wire(detail: "Detail") -> Json:
    """Return one entry of a 422 body in FastAPI's order and form."""
    made = {
        "type": detail["type"],
        "loc": [presentable(part) for part in detail["loc"]],
        "msg": presentable(detail["msg"]),
        "input": presentable(detail["input"]),
    }
    return {**made, "ctx": presentable(detail["ctx"])} if "ctx" in detail else made


def presentable(value: Json, depth: int = 0) -> Json:
    """Make a received value fit to be sent back: bytes as text, no NaN, no lone surrogate, not too deep."""
    if isinstance(value, str):
        return value if value.isascii() else _without_surrogates(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict | list) and depth >= DEEPEST:
        return f"(nested deeper than {DEEPEST} levels)"
    if isinstance(value, dict):
        return {presentable(key): presentable(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [presentable(item, depth + 1) for item in value]
    return value


def _without_surrogates(text: str) -> str:
    """Join surrogate pairs and replace lone surrogates by U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
