"""Request -> Call, or its rejection, as the real API words it."""

import gc
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from mockserver.api import Call
from mockserver.contract.media import kind_of, read
from mockserver.contract.openapi import ANYTHING, Body, Operation, Parameter, is_json
from mockserver.contract.schema import NOTES, Schema
from mockserver.contract.tree import join
from mockserver.messages import Finding, Headers, Json, Request, Value
from mockserver.request.reading.declared import DeclaredBody, unjudged_findings
from mockserver.request.reading.media import MalformedError, judged
from mockserver.request.reading.parameters import SentParts, reader
from mockserver.request.reading.shapes import shape_of

if TYPE_CHECKING:
    from mockserver.request.fastapi import Detail, Model, TakenValue

LARGE = 16_384
"""The length of a body, in bytes, above which time matters more than the framework's exact words."""

MOST_WALKED = 50_000
"""How many values of a body are looked at one by one, in search of a text that UTF-8 cannot encode."""

PARSING_FAILED = "There was an error parsing the body"
"""FastAPI's message for a body that is not text, is nested too deeply or has too long a number."""


scan: Callable[[str, int], tuple[Json, int]] = vars(json.JSONDecoder())["scan_once"]
"""Reads the value at the start of a text and returns where it ends; the caller checks what is around it."""

DEEPEST = 100
"""How many levels of a rejected input are shown."""

LONGEST_INPUT = 65_536
"""How much of a rejected input is shown, in characters; a longer one is shortened, and says so."""

LONGEST_SHOWN = 20
"""A number of fewer digits is never shortened."""

MOST_DETAILS = 1_000
"""How many errors a 422 lists; a further entry says how many more there are."""

FORMS = ("form", "multipart")

_UNSENT = object()
_NO_QUERY: Mapping[str, Json] = {}
_NOTHING: tuple[Finding, ...] = ()


class Rejection(Value, frozen=True):
    """The answer to an invalid request: a status, the body as the real API writes it, and our findings."""

    status: int
    value: Json
    findings: tuple[Finding, ...] = ()
    headers: tuple[tuple[bytes, bytes], ...] = ()
    call: Call | None = None
    """The call, as far as it could be read."""


class RequestValidator:
    """Decodes and validates the requests of one operation, and explains what is wrong."""

    __slots__ = (
        "_body_models",
        "_form",
        "_models",
        "_operation",
        "_parameters",
        "_strict",
        "_styled",
        "plain",
        "schema",
    )

    def __init__(self, operation: Operation, *, strict: bool = False) -> None:
        self._strict = strict
        order = ("path", "query", "querystring", "header", "cookie")
        self._operation = operation
        self._parameters = sorted(operation.parameters, key=lambda each: order.index(each.location))
        self.plain = all(takes_any_text(each) for each in self._parameters if each.location != "query")
        self.plain = self.plain and not any(each.required for each in self._parameters if each.location != "path")
        self.schema = ANYTHING if operation.body is None else operation.body.schema
        self._styled = {each: _styled(each, operation) for each in self._parameters if _is_styled(each)}
        """What reads the parameters that no service of FastAPI has."""
        self._form = self._declared_form()
        self.plain = self.plain and self._form is None and not any(each.location == "path" for each in self._styled)
        self._models: dict[str, Model] = {}
        self._body_models: dict[bool, Model] = {}

    def compile(self) -> None:
        """Build all validators now; a ContractError names a schema that cannot be used."""
        body = self._operation.body
        schemas = [each.schema for each in self._operation.parameters]
        schemas += [each.schema for each in body.media if each.schema is not None] if body is not None else []
        for schema in schemas:
            schema.is_valid(None)

    def _declared_form(self) -> DeclaredBody | None:
        """Return the form that the operation takes; None if its body is JSON."""
        body = self._operation.body
        if body is None or kind_of(read(body.type)) not in FORMS:
            return None
        return DeclaredBody(body.preferred)

    def validate(self, request: Request, path: Mapping[str, str]) -> Call | Rejection:
        """Return the call that a request makes, or its rejection with all errors: parameters first, then the body."""
        declared = self._operation.body
        sent = body = _UNSENT
        right, unjudged = False, _NOTHING
        if declared is not None and ((raw := request.body) or self._form is not None):
            sent = body = _read_body(request) if self._form is None else _read_form(request, self._form)
            if isinstance(body, Rejection):
                return self._placed(body)
            right, skipped = self.schema.judge(body)
            right = right and not _lone_surrogates(raw, body)
            unjudged = unjudged_findings(self.schema, skipped, "/body") if skipped else _NOTHING
            if right and self.plain and not request.query:
                return Call(request, self._operation, path, _NO_QUERY, body, findings=unjudged)
        values: dict[str, Mapping[str, Json]] = {"path": path, "query": {}}
        lax: list[Detail] = []
        details = [] if self.plain and not request.query else self._read_parameters(request, path, values, lax)
        count = len(details)
        if declared is not None and not right:
            read = self._take_body(declared, body, request.body)
            if not read.details and body is not _UNSENT:
                lax += _forbidden(self.schema, body, ("body",))
            body, details, count = read.value, [*details, *read.details], count + read.total
        if details or (lax and self._strict):
            return self._refusal(details or lax, count or len(lax), sent)
        found = tuple(map(self._finding, lax)) if lax else ()
        found += unjudged
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

    def _take_body(self, declared: Body, body: Json, raw: bytes) -> "TakenValue":
        """Return the body as upstream reads it, and what is wrong with it; of a large one, the first in each list."""
        from mockserver.request.fastapi import TakenValue

        if body is _UNSENT:
            missing = {"type": "missing", "loc": ("body",), "msg": "Field required", "input": None}
            return TakenValue.of(None, [missing] if declared.required else [])
        brief = len(raw) > LARGE
        if brief not in self._body_models:
            self._body_models[brief] = _model(self.schema, brief=brief)
        read = self._body_models[brief].read(body)
        if not read.details:
            read = TakenValue.of(read.value, _lone_surrogates(raw, read.value))
        placed: list[Detail] = [{**each, "loc": ("body", *each["loc"])} for each in read.details]
        if self._form is not None:  # FastAPI reads each field for itself
            placed = [each | {"input": None} if each["type"] == "missing" else each for each in placed]
        return read._replace(details=placed)

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
            styled = self._styled.get(parameter)
            value = _value(parameter, sent[parameter.location]) if styled is None else styled(SentParts(request, path))
            loc = (parameter.location, parameter.name)
            if value is None:
                if parameter.required:
                    details.append({"type": "missing", "loc": loc, "msg": "Field required", "input": None})
                continue
            key = "/".join(loc)
            if key not in self._models:
                self._models[key] = _model(parameter.schema)
            taken, wrong, _ = self._models[key].read(value)
            details += [{**each, "loc": (*loc, *each["loc"])} for each in wrong]
            if not wrong and isinstance(value, str) and not any(map(parameter.schema.is_valid, readings(value))):
                lax += _forbidden(parameter.schema, value, loc)
            read.setdefault(parameter.location, {})[parameter.name] = _scalar(taken)
        values.update(read)
        return details

    def _refusal(self, details: list["Detail"], count: int, sent: Json) -> Rejection:
        body = {"detail": _wire(details, count)}
        first, told = details[0], body["detail"][0]
        is_raw = isinstance(sent, bytes)
        hint = "; the body was not read as JSON: send Content-Type: application/json" if is_raw else ""
        hint += f"; {count - 1} more errors" if count > MOST_DETAILS else ""
        finding = Finding(
            where=join("", *map(presentable, _in_value(first, sent) if first["loc"][0] == "body" else first["loc"])),
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
            return self.schema.place()
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


def _model(schema: Schema, *, brief: bool = False) -> "Model":
    from mockserver.request.fastapi import Model

    return Model(schema, brief=brief)


@contextmanager
def without_collecting() -> Iterator[None]:
    """Pause the garbage collector, which would look at each of the millions of values of a long body several times."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _read_body(request: Request) -> Json:
    """Return the body as FastAPI reads it: JSON if the content type says so, else its bytes; or its rejection."""
    body, field = request.body, request.headers.get(b"content-type")
    if field != b"application/json" and not _says_json(field):
        return body
    try:
        return _read_json(body)
    except json.JSONDecodeError as error:
        return _not_json(error)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
        message = f"The body cannot be read as JSON: {why}."
        return Rejection(400, {"detail": PARSING_FAILED}, (Finding("/body", "body_unreadable", message, "client"),))


def _read_json(body: bytes) -> Json:
    """Return what json.loads does, which first detects the encoding.

    Plain ASCII is decoded directly. msgspec is several times faster for numbers; what it reads, it reads the same.
    """
    if len(body) > LARGE:
        try:
            return msgspec.json.decode(body)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return json.loads(body)
    if body.isascii() and b"\0" not in body:
        text = body.decode("ascii")
        try:
            value, end = scan(text, 0)
        except StopIteration:  # no value, or white space before it
            end = -1
        if end == len(text):
            return value
    return json.loads(body)


def _read_form(request: Request, form: DeclaredBody) -> Json:
    """Return the fields of a form; none where the content type is another, as FastAPI does."""
    sent = read(request.headers.text(b"content-type") or "")
    if kind_of(sent) not in FORMS:
        return {}
    try:
        return judged(form.read(request.body, sent)[0])
    except MalformedError as error:
        message = f"The body cannot be read as {sent.essence}: {error}."
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


_HALF = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]|\0")
"""Occurs in every body with a text that UTF-8 cannot encode: half a surrogate pair, in JSON's or UTF-16's writing."""


def _lone_surrogates(raw: bytes, value: Json) -> "list[Detail]":
    """List the texts that UTF-8 cannot encode. The service's engine lets them in, but has a message for them.

    `value` is what was read of `raw`. In a value of very many parts the place of such a text is not searched for.
    """
    if _HALF.search(raw) is None:
        return []
    found: list[Detail] = []
    stack: list[tuple[tuple[str | int, ...], Json]] = [((), value)]
    left = MOST_WALKED
    while stack:
        loc, node = stack.pop()
        if isinstance(node, dict | list):
            left -= len(node)
            if left < 0:
                return found or ([] if _is_encodable(value) else [_unencodable((), "")])
            pairs = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
            stack += [((*loc, name), item) for name, item in reversed(pairs)]
        elif isinstance(node, str) and not _is_encodable(node):
            found.append(_unencodable(loc, node))
    return found


def _is_encodable(value: Json) -> bool:
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        return False
    return True


def _unencodable(loc: tuple[str | int, ...], text: str) -> "Detail":
    message = "Input should be a valid string, unable to parse raw data as a unicode string"
    return {"type": "string_unicode", "loc": loc, "msg": message, "input": text}


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
        if shape_of(parameter.schema).takes("array"):
            return values or None
        return values[-1] if values else None
    return sent.get(parameter.name)


def _is_styled(parameter: Parameter) -> bool:
    """Return whether a parameter is written otherwise than FastAPI reads it: as one text, or a list of them."""
    usual = {"query": ("form", True), "cookie": ("form", True)}.get(parameter.location, ("simple", parameter.explode))
    shape = shape_of(parameter.schema)
    is_list = shape.takes("array") and parameter.location != "query"
    return bool(parameter.media) or (parameter.style, parameter.explode) != usual or shape.takes("object") or is_list


def _styled(parameter: Parameter, operation: Operation) -> Callable[[SentParts], Json]:
    """Return what reads a parameter in its style; None for nothing sent."""
    read, shape, schema = reader(parameter, operation), shape_of(parameter.schema), parameter.schema

    def value(sent: SentParts) -> Json:
        raws = read(sent)
        found = [shape.value(raw) for raw in raws or ()]
        if raws is not None and not found:
            return ""  # it is written in another style
        return next((each for each in found if schema.is_valid(each)), found[0] if found else None)

    return value


def takes_any_text(parameter: Parameter) -> bool:
    """Return whether a parameter accepts any text."""
    branches = _branches(parameter.schema.node, "anyOf")
    plain = [each.get("type") == "string" and not each.keys() - NOTES - {"type"} for each in branches]
    return any(plain) and (plain[0] or not branches[0].keys() - NOTES - {"anyOf"})


def _branches(node: Json, *unions: str) -> list[Json]:
    """Return a schema and the branches of its unions that are objects; an empty one for a schema that is no object."""
    if not isinstance(node, dict):
        return [{}]
    found = [each for union in unions for each in node.get(union, ())]
    return [node, *(each for each in found if isinstance(each, dict))]


def _scalar(value: Any) -> Json:
    """Return a parameter's value as JSON; a parsed id becomes text again."""
    return value if value is None or isinstance(value, str | int | float | list | dict) else str(value)


def presentable(value: Json) -> Json:
    """Make a received value fit to be sent back: bytes as text, no NaN, no lone surrogate, not too deep or too long."""
    return _Copier().copied(value)


class _Copier:
    """Copies a value, as far as there is room."""

    def __init__(self) -> None:
        self._room = LONGEST_INPUT

    def copied(self, value: Json, depth: int = 0) -> Json:
        if isinstance(value, str | bytes):
            return self._text(value)
        if isinstance(value, dict | list | tuple):
            if depth >= DEEPEST:
                return f"(nested deeper than {DEEPEST} levels)"
            return self._fields(value, depth) if isinstance(value, dict) else self._items(value, depth)
        if isinstance(value, float):
            self._room -= 8
            return value if math.isfinite(value) else None
        return self._number(value) if isinstance(value, int) else value

    def _text(self, value: str | bytes) -> str:
        room, size = max(self._room, 0), len(value)
        self._room -= size + 2
        part = value[:room]
        if isinstance(part, bytes):
            part = part.decode("utf-8", "replace")
        elif not part.isascii():
            part = _without_surrogates(part)
        return part if size <= room else f"{part}... (shortened; {size} in all)"

    def _number(self, value: int) -> Json:
        size = value.bit_length() * 3 // 10 + 1  # its digits, about
        self._room -= size
        return value if self._room >= 0 or size < LONGEST_SHOWN else f"(shortened; a number of {size} digits)"

    def _items(self, value: Json, depth: int) -> Json:
        made: list[Json] = []
        for item in value:
            if self._room <= 0:
                return [*made, f"(shortened; {len(value)} items in all)"]
            self._room -= 2
            made.append(self.copied(item, depth + 1))
        return made

    def _fields(self, value: Json, depth: int) -> Json:
        made: dict[str, Json] = {}
        for name, item in value.items():
            if self._room <= 0:
                return {**made, "...": f"(shortened; {len(value)} fields in all)"}
            self._room -= 4
            made[self._text(name)] = self.copied(item, depth + 1)
        return made


def _wire(details: "list[Detail]", count: int) -> list[Json]:
    """Write the entries of a 422 body in FastAPI's order and form; the last says how many of `count` are left out."""
    shown: dict[int, Json] = {}  # what is quoted several times, as an object with much missing, is copied once
    made = []
    for detail in details[:MOST_DETAILS]:
        value = detail["input"]
        if id(value) not in shown:
            shown[id(value)] = presentable(value)
        made.append(_entry(detail, shown[id(value)]))
    if count > len(made):
        message = f"{count - len(made)} more errors are not listed"
        made.append({"type": "more_errors", "loc": ["body"], "msg": message, "input": None})
    return made


def _entry(detail: "Detail", value: Json) -> Json:
    made = {
        "type": detail["type"],
        "loc": [presentable(part) for part in detail["loc"]],
        "msg": presentable(detail["msg"]),
        "input": value,
    }
    return {**made, "ctx": presentable(detail["ctx"])} if "ctx" in detail else made


def _without_surrogates(text: str) -> str:
    """Join surrogate pairs and replace lone surrogates by U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
