"""The mock's own errors in the form of the document: its example, its schema filled in, or RFC 9457's problem."""

import copy
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from random import Random
from typing import Any, NamedTuple

from msgspec import structs

from mockserver.answer.errors import PROBLEM
from mockserver.answer.generate import assemble, generate
from mockserver.api import Draft
from mockserver.contract.media import kind_of, read
from mockserver.contract.openapi import Contract, Media, Operation, Reply
from mockserver.contract.schema import Schema
from mockserver.errors import ContractError
from mockserver.messages import Finding, Json
from mockserver.request.dialect import FORM, speaks_fastapi
from mockserver.request.reading.shapes import TextShape, shape_of
from mockserver.settings import RefusalForm

SHARED: Mapping[int, str] = {
    204: "Options",
    400: "BadRequest",
    307: "TemporaryRedirect",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    413: "ContentTooLarge",
    414: "UriTooLong",
    431: "RequestHeaderFieldsTooLarge",
    500: "InternalServerError",
    501: "NotImplemented",
    503: "ServiceUnavailable",
}
"""The shared replies that declare the answers of no operation."""

MOST_SHOWN = 50
"""How many findings an answer lists."""

MESSAGES = frozenset("message msg detail details description reason error errordescription errormessage text".split())
STATUSES = frozenset("code status statuscode httpstatus httpcode errorcode".split())
LISTS = frozenset("errors error details detail violations issues invalidparams validationerrors messages".split())
POINTERS = frozenset("pointer field param parameter property".split())
PLACES = POINTERS | frozenset("path loc location name key where target".split())
"""What fields of errors are called, in lower case and without underscores."""


class Facts(NamedTuple):
    """What an error says."""

    status: int
    message: str
    rule: str
    where: str
    findings: Sequence[Finding]


class Refusals:
    """Puts the mock's own errors into the form that a user's document gives to errors."""

    def __init__(self, form: RefusalForm, contracts: Sequence[Contract]) -> None:
        self._form, self._newest = form, contracts[0]
        components = self._newest.document.get("components")
        schemas = components.get("schemas") if isinstance(components, dict) else None
        self._is_fastapi = isinstance(schemas, dict) and FORM in schemas
        self._known: dict[Operation, bool] = {}

    def fitted(self, operation: Operation | None, draft: Draft) -> Draft:
        """Return one of the mock's errors in the form of its operation, or of the document."""
        if draft.status < 400:
            return draft
        try:
            return _problem(draft) if self._form == "problem" else self._fitted(operation, draft)
        except ContractError:  # the document does not say what errors look like
            return _problem(draft)

    def _fitted(self, operation: Operation | None, draft: Draft) -> Draft:
        status, reply = self._declared(operation, draft)
        if self.speaks_fastapi(operation) and draft.value is not None and (reply is None or _allows(reply, draft)):
            return draft
        if reply is not None:
            return _in_form(draft, status, reply.media, by_example=True)
        borrowed = None if operation is None else _error_of(operation)
        return _problem(draft) if borrowed is None else _in_form(draft, status, borrowed.media, by_example=False)

    def speaks_fastapi(self, operation: Operation | None) -> bool:
        """Return whether the errors of an operation, or of none, are FastAPI's."""
        if operation is None:
            return self._form == "fastapi" or (self._form == "auto" and self._is_fastapi)
        if operation not in self._known:
            self._known[operation] = speaks_fastapi(operation, self._form) or (
                self._form == "auto" and "422" not in operation.replies and self.speaks_fastapi(None)
            )
        return self._known[operation]

    def _declared(self, operation: Operation | None, draft: Draft) -> tuple[int, Reply | None]:
        """Return the declared answer for an error, and its status: of an invalid request 422, else 400."""
        status = draft.status
        if operation is None:
            return status, shared_reply(self._newest, status)
        if status == 422 and 422 not in operation.exact and 400 in operation.exact:
            status = 400
        return status, operation.reply(status)


def _error_of(operation: Operation) -> Reply | None:
    """Return the declared error of a client whose form others may take; None if there is none with a body."""
    errors = [reply for status, reply in sorted(operation.replies.items()) if status[0] == "4" and reply.media]
    return next(iter(errors), None)


def _allows(reply: Reply, draft: Draft) -> bool:
    media = next((each for each in reply.media if each.type == draft.media), None)
    return media is not None and (media.schema is None or media.schema.is_valid(draft.value))


def _facts(draft: Draft, status: int) -> Facts:
    first = draft.findings[0] if draft.findings else None
    told = draft.value.get("detail") if isinstance(draft.value, dict) else None
    message = first.message if first is not None and (status < 500 or not told) else str(told or _phrase(status))
    rule, where = ("", "") if first is None else (first.rule, first.where)
    return Facts(status, message, rule, where, draft.findings[:MOST_SHOWN])


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def _problem(draft: Draft) -> Draft:
    """Return an error as a problem of RFC 9457."""
    facts = _facts(draft, draft.status)
    errors = [{"pointer": each.where, "message": each.message} for each in facts.findings if each.where]
    body = {"type": "about:blank", "title": _phrase(facts.status), "status": facts.status, "detail": facts.message}
    return structs.replace(draft, value={**body, "errors": errors} if errors else body, media=PROBLEM)


def _in_form(draft: Draft, status: int, declared: Sequence[Media], *, by_example: bool) -> Draft:
    """Return an error as one of the declared representations: JSON, else text, else the first."""
    if not declared:
        return structs.replace(draft, status=status, value=None, media=None)
    media = min(declared, key=lambda each: kind_of(read(each.type)) != "json")
    body = _body(media, _facts(draft, status), by_example=by_example)
    return structs.replace(draft, status=status, value=body, media=media.type)


def _body(media: Media, facts: Facts, *, by_example: bool) -> Json:
    if media.examples and by_example:
        return next(iter(media.examples.values()))
    if media.schema is None:
        return facts.message if media.type.startswith("text/") else {"detail": facts.message}
    made = assemble(media.schema)
    made = generate(media.schema, Random(0)) if made is None else copy.deepcopy(made)
    return _Form(media.schema, made).filled(facts)


class _Form:
    """A value whose fields are filled in as long as it stays valid."""

    def __init__(self, schema: Schema, whole: Json) -> None:
        self._schema, self._whole = schema, whole

    def filled(self, facts: Facts) -> Json:
        """Return the value with what an error says in the fields that are for it."""
        shape = shape_of(self._schema)
        if isinstance(self._whole, str) and self._schema.is_valid(facts.message):
            return facts.message
        if isinstance(self._whole, dict):
            self._fill(self._whole, shape, facts, top=True)
        elif isinstance(self._whole, list) and self._whole and isinstance(self._whole[0], dict):
            del self._whole[1:]
            self._fill(self._whole[0], shape.item(0), facts, top=False)
        return self._whole

    def _fill(self, node: dict[str, Json], shape: TextShape, facts: Facts, *, top: bool, depth: int = 0) -> None:
        for name in dict.fromkeys((*shape.fields, *node)):
            field, key = shape.field(name), re.sub(r"[_\-]", "", name).lower()
            if field.takes("array") and key in LISTS:
                self._list(node, name, field, facts, depth)
            elif field.takes("object") and depth < 3 and key in LISTS | {"source", "meta"}:
                below = node.get(name)
                if isinstance(below, dict) or self._put(node, name, [{}]):
                    self._fill(node[name], field, facts, top=top, depth=depth + 1)
            else:
                self._put(node, name, _candidates(key, facts, top=top))

    def _list(self, node: dict[str, Json], name: str, shape: TextShape, facts: Facts, depth: int) -> None:
        """Put an item for each finding into a list; as many as fit."""
        held = node.get(name)
        base = held[0] if isinstance(held, list) and held else {}
        if not facts.findings or depth > 2:
            return
        if isinstance(base, str) or shape.item(0).takes("string"):
            self._put(node, name, [[each.message for each in facts.findings], [facts.message]])
            return
        if not self._put(node, name, [[copy.deepcopy(base) for _ in facts.findings], [copy.deepcopy(base)]]):
            return
        for index, each in enumerate(node[name]):
            finding = facts.findings[index]
            own = Facts(facts.status, finding.message, finding.rule, finding.where, ())
            if isinstance(each, dict):
                self._fill(each, shape.item(index), own, top=False, depth=depth + 1)

    def _put(self, node: dict[str, Json], name: str, candidates: Sequence[Json]) -> bool:
        """Set a field to the first candidate with which the whole is valid; return whether there is one."""
        was = node.get(name, _UNSET)
        for each in candidates:
            node[name] = each
            if self._schema.is_valid(self._whole):
                return True
        if candidates and was is _UNSET:
            del node[name]
        elif candidates:
            node[name] = was
        return False


_UNSET: Any = object()


def _candidates(key: str, facts: Facts, *, top: bool) -> list[Json]:
    """List what a field of an error may say, the fittest first."""
    if key == "title":
        return [_phrase(facts.status), facts.message]
    if key in MESSAGES:
        return [facts.message, facts.message[:250], _phrase(facts.status)]
    if key in STATUSES:
        return [facts.status, str(facts.status), facts.rule, facts.rule.upper()]
    if facts.where and key in (POINTERS if top else PLACES):
        parts = [part.replace("~1", "/").replace("~0", "~") for part in facts.where.split("/")[1:]]
        pointer = [facts.where, ".".join(parts[1:])]
        return [*(pointer if key == "pointer" else reversed(pointer)), parts]
    return []


def shared_reply(contract: Contract, status: int) -> Reply | None:
    """Return the shared reply that declares an answer of no operation."""
    return contract.replies.get(SHARED.get(status, ""))
