"""One stubbed response: reading it, checking it against the contract, and applying it to an answer."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from inspect import isasyncgenfunction, iscoroutinefunction
from random import Random
from typing import Any, NamedTuple, TypeAlias, cast

from msgspec import structs

from mockserver.answer.body import BODILESS, format_of, in_order, is_body
from mockserver.answer.generate import generate
from mockserver.answer.prefer import NONE, Preference
from mockserver.api import Call, Draft
from mockserver.contract.media import concrete
from mockserver.contract.openapi import EVENT_STREAM, Media, Operation, Reply, is_json
from mockserver.contract.schema import unwritable
from mockserver.contract.tree import join
from mockserver.errors import StubError, suggestion
from mockserver.matching import RESPONSE_KEYS
from mockserver.messages import Json, Response
from mockserver.stub.faults import KINDS, Fault, check_break, read_faults
from mockserver.stub.fields import unknown_field

_OURS = ("content-length", "content-type", "transfer-encoding", "connection")
"""Header fields that a stub cannot set, since they describe the body and the connection."""

UNSAID = object()


AnswerFunction: TypeAlias = Callable[[Call], Any]
"""Answers a decoded call with a body, or with a `StubAnswer`."""

_ANSWERS = "status example dynamic seed body partial invalid".split()
"""The keys of a response that its function decides."""


class StubbedResponse(NamedTuple):
    """One compiled response; `times` None means always."""

    preference: Preference
    status: int | None
    body: Any
    partial: Json
    headers: tuple[tuple[bytes, bytes], ...]
    faults: tuple[Fault, ...]
    times: int | None
    invalid: bool
    spec: Mapping[str, Any]
    faults_json: tuple[Json, ...] = ()
    """The faults as the journal records them."""
    needs_schema: bool = False
    """Whether a fault needs the contract's description of the body."""
    answer: "AnswerFunction | None" = None
    """The function that makes the answer."""
    problem: str = ""
    """Why its function gave no answer."""
    callbacks: bool = False
    """Whether the callbacks of the operation are sent after it."""
    is_usual: bool = False
    """Whether the answer is the usual one, apart from faults and header fields."""


def read_response(given: Any) -> StubbedResponse:
    """Read one stubbed response; a StubError says what cannot be read."""
    if not isinstance(given, Mapping):
        raise StubError("an answer is an object", why=f"it is {given!r}", fix='write {"status": 429}')
    unknown = [key for key in given if key not in RESPONSE_KEYS]
    if unknown:
        fix = suggestion(unknown[0], RESPONSE_KEYS, f"it has {', '.join(RESPONSE_KEYS)}")
        raise StubError(f"an answer has no {unknown[0]!r}", fix=fix)
    _truth(given, "extra")
    answer = _function(given)
    if "body" in given and (given.get("partial") is not None or given.get("example") is not None):
        raise StubError("a body is the whole answer", fix="leave out partial and example, or the body")
    partial = given.get("partial")
    if partial is not None and not isinstance(partial, Mapping):
        raise StubError("a partial body is an object", why=f"it is {partial!r}", fix="give the whole body instead")
    _check_json(given)
    status, faults = _status(given.get("status")), given.get("faults")
    delay = [{"delay": given["delay"]}] if given.get("delay") is not None else []
    damages = faults if isinstance(faults, list | tuple) else [] if faults is None else [faults]
    preference = NONE
    if any(given.get(key) is not None for key in ("status", "example", "dynamic", "seed")):
        preference = Preference(status, _text(given, "example"), _truth(given, "dynamic"), _seed(given.get("seed")))
    read = read_faults([*delay, *damages])
    is_invalid = bool(_truth(given, "invalid"))
    return StubbedResponse(
        preference=preference,
        status=status,
        body=given.get("body", UNSAID),
        partial=partial,
        headers=tuple(_headers(given)),
        faults=read,
        times=_times(given.get("times", 1)),
        invalid=is_invalid,
        callbacks=bool(_truth(given, "callbacks")),
        spec=given,
        faults_json=tuple(each.as_json() for each in read),
        needs_schema=any(KINDS[each.kind].body == "json" for each in read),
        is_usual=preference is NONE and "body" not in given and partial is None and not is_invalid and answer is None,
        answer=answer,
    )


def _function(given: Mapping[str, Any]) -> AnswerFunction | None:
    """Read the function that answers, if there is one."""
    answer = given.get("answer")
    if answer is None:
        return None
    if not callable(answer):
        raise StubError("answer is a function of the call", why=f"it is {answer!r}", fix="give a value as body=...")
    if iscoroutinefunction(answer) or isasyncgenfunction(answer):
        raise StubError("the function of a stub answers at once", why="it is async", fix="write it with def")
    if others := [key for key in _ANSWERS if given.get(key) is not None]:
        fix = "leave it out, or return StubAnswer(...) from the function"
        raise StubError("a function makes the whole answer", why=f"the stub also says {others[0]}", fix=fix)
    return cast("AnswerFunction", answer)


class StubAnswer(dict[str, Any]):
    """What a stub's function may return instead of a body: the keys of a stubbed response, by name."""

    def __init__(self, **response: Any) -> None:
        super().__init__(response)


StubAnswer.__module__ = "mockserver.testing"  # where it is public


def called(step: StubbedResponse, call: Call) -> StubbedResponse:
    """Call the function of a stub, and return its answer as a stubbed response; a StubError says what it is not."""
    function = step.answer
    if function is None:
        return step
    name = name_of(function)
    try:
        value = function(call)
    except Exception as error:  # a test's own function
        raise StubError(f"the function {name} raised {type(error).__name__}: {error}") from error
    kept = {key: step.spec[key] for key in step.spec if key != "answer"}
    return read_response({**kept, **(value if isinstance(value, StubAnswer) else {"body": value})})


def name_of(function: Any) -> str:
    """Return the name of a function, as messages show it."""
    return str(getattr(function, "__name__", type(function).__name__))


def _check_json(given: Mapping[str, Any]) -> None:
    """Reject a body that cannot be written; one that is wrong on purpose may contain NaN and lone surrogates."""
    value = given.get("body", given.get("partial"))
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise StubError("a body is a value of JSON", why=str(error)) from error
    if not given.get("invalid") and (why := unwritable(value)):
        raise StubError("a body is a value of JSON", why=why, fix="correct it, or say invalid")


def _status(value: Any) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 200 <= value <= 599):
        raise StubError(f"{value!r} is not a status of an answer", fix="write a whole number from 200 to 599")
    return value


def _seed(value: Any) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise StubError(f"{value!r} is no seed", fix="write a whole number")
    return value


def _text(given: Mapping[str, Any], key: str) -> str | None:
    value = given.get(key)
    if value is not None and not isinstance(value, str):
        raise StubError(f"{key} is a name", why=f"it is {value!r}")
    return value


def _truth(given: Mapping[str, Any], key: str) -> bool | None:
    value = given.get(key)
    if value is not None and not isinstance(value, bool):
        raise StubError(f"{key} is true or false", why=f"it is {value!r}")
    return value


def _times(value: Any) -> int | None:
    if value == "always":
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value < 2**31:
        raise StubError(f"{value!r} does not say how often", fix='write a whole number from 1 on, or "always"')
    return value


def _headers(given: Mapping[str, Any]) -> Iterator[tuple[bytes, bytes]]:
    headers = given.get("headers") or {}
    if not isinstance(headers, Mapping):
        raise StubError("headers are names and values", why=f"they are {headers!r}")
    said = {str(name).lower(): value for name, value in headers.items()}
    for name in ("retry_after", "retry_after_ms"):
        if given.get(name) is not None:
            said[name.replace("_", "-")] = given[name]
    if given.get("should_retry") is not None:
        said["x-should-retry"] = "true" if _truth(given, "should_retry") else "false"
    for key, value in said.items():
        if key in _OURS:
            fix = "use a fault" if key == "connection" else "use the faults wrong-content-type, wrong-charset, truncate"
            raise StubError(f"the header {key!r} cannot be stubbed", why="it belongs to the body", fix=fix)
        if not key.isascii() or not all(char.isalnum() or char in "!#$%&'*+-.^_`|~" for char in key) or not key:
            raise StubError(f"{key!r} is no name of a header")
        text = str(value).strip(" ")
        if isinstance(value, bool) or not isinstance(value, str | int | float) or not _is_latin(text):
            raise StubError(f"the header {key!r} cannot say {value!r}", fix="write printable Latin-1, or a number")
        yield key.encode(), text.encode("latin-1")


def _is_latin(text: str) -> bool:
    return text.isprintable() and all(ord(char) < 256 for char in text)


def check_response(
    operation: Operation, step: StubbedResponse, names: Callable[[Operation], Iterable[tuple[int, str]]]
) -> None:
    """Reject an answer that the operation's contract does not allow, unless it is wrong on purpose.

    `names` returns the statuses and names of all examples and fixtures.
    """
    status = step.status or operation.success
    wanted = step.preference.example
    if wanted is not None:
        there = [(at, name) for at, name in names(operation) if step.status in (None, at)]
        if wanted not in (name for _, name in there):
            told = ", ".join(dict.fromkeys(f"{at} {name}" for at, name in there if name)) or "none"
            raise StubError(f"{operation.id} has no example {wanted!r}", where=operation.place, fix=f"there are {told}")
        status = next(at for at, name in there if name == wanted)
    if step.invalid and status in BODILESS and (step.body is not UNSAID or step.partial is not None):
        raise StubError(f"an answer {status} has no body, as HTTP says", where=operation.place, fix="say a status")
    reply = declared(operation, status)
    if reply is None:
        if step.invalid:
            return
        there_are = ", ".join(operation.replies)
        raise StubError(
            f"{operation.id} has no answer {status} in contract {operation.contract}",
            where=operation.place,
            fix=f"declared are {there_are}; to be outside the contract on purpose, say invalid",
        )
    _check_faults(operation, step, reply.preferred if step.body is UNSAID else json_media(operation, status))
    if step.invalid:
        return
    if step.body is not UNSAID:
        media = json_media(operation, status)
        _check_value(operation, media, status, step.body)
        _check_fields(operation, media, step, step.body)
    elif step.partial is not None:
        _check_partial(operation, reply.preferred, status, step.partial)
        _check_fields(operation, reply.preferred, step, step.partial)


def declared(operation: Operation, status: int) -> Reply | None:
    """Return the reply that declares a status; a range or default does not declare statuses without a body."""
    return None if status in BODILESS and status not in operation.exact else operation.reply(status)


def json_media(operation: Operation, status: int) -> Media | None:
    """Return the representation of a stubbed body."""
    reply = operation.reply(status) if is_body(status) else None
    others = [each for each in in_order(reply, stream=False) if each.type != EVENT_STREAM] if reply is not None else []
    return others[0] if others else None


def _check_value(operation: Operation, media: Media | None, status: int, value: Json) -> None:
    if media is None:
        if value is None:
            return
        raise StubError(f"the answer {status} of {operation.id} has no JSON body", where=operation.place)
    found = format_of(media).problems(value)
    if not found:
        return
    finding = found[0]
    raise StubError(
        f"the stub breaks the contract {operation.contract} at {finding.where.removeprefix('/body') or 'the root'}",
        where=finding.contract,
        why=finding.message,
        fix="correct it; to be outside the contract on purpose, say invalid",
    )


def _check_fields(operation: Operation, media: Media | None, step: StubbedResponse, value: Json) -> None:
    """Reject a field that the contract does not know, since it is most often misspelt."""
    if media is None or media.schema is None or step.spec.get("extra"):
        return
    found = unknown_field(media.schema, value)
    if found is not None:
        known = f"the contract knows {', '.join(found.known)}; to send another field on purpose, say extra"
        place = join(found.where, found.name)
        raise StubError(
            f"the stub has a field that the contract {operation.contract} does not know: {place}",
            where=operation.place,
            why="clients would not see it from the real API",
            fix=suggestion(found.name, found.known, known),
        )


def _check_partial(operation: Operation, media: Media | None, status: int, partial: Json) -> None:
    why = "the answer has no JSON body" if media is None else ""
    if media is not None and media.type == EVENT_STREAM:
        why = "the answer is a stream of events"
    elif media is not None and media.schema is None:
        why = "the contract does not describe the body"
    if why or media is None or media.schema is None:
        raise StubError(f"no partial body fits {operation.id} {status}", where=operation.place, why=why)
    base = next(iter(media.examples.values()), None)
    base = generate(media.schema, Random(0)) if base is None else base
    _check_value(operation, media, status, merged(base, partial))


def _check_faults(operation: Operation, step: StubbedResponse, media: Media | None) -> None:
    for fault in step.faults:
        needs = KINDS[fault.kind].body
        if needs == "stream" and (media is None or media.type != EVENT_STREAM):
            raise StubError(f"the fault {fault.kind!r} needs a stream", why=f"{operation.id} gives none")
        if needs and media is None:
            raise StubError(f"the fault {fault.kind!r} needs a body", why=f"this answer of {operation.id} has none")
        if needs == "json" and media is not None and not (is_json(media.type) or media.type == EVENT_STREAM):
            raise StubError(f"the fault {fault.kind!r} needs JSON", why=f"{operation.id} answers {media.type}")
        if fault.kind == "break" and media is not None:
            schema = media.item_schema or media.schema
            if schema is None:
                raise StubError("the fault 'break' cannot be done", why="the contract does not describe the body")
            check_break(schema, fault)


def with_body(operation: Operation, step: StubbedResponse) -> Draft:
    """Make the answer of a stub that gives the whole body."""
    status = step.status or operation.success
    media = json_media(operation, status)
    if media is None:
        return Draft(status, None, None, "stubbed")
    return Draft(status, step.body, concrete(media.type, format_of(media).holds), "stubbed")


def wished(operation: Operation, step: StubbedResponse) -> Preference:
    """Return the preference that selects the answer on which a stub is based."""
    wish = step.preference
    if step.invalid and declared(operation, step.status or operation.success) is None:
        wish = structs.replace(wish, code=None)
    if step.body is not UNSAID:  # generated, so that nothing is played
        wish = structs.replace(wish, dynamic=True)
    return NONE if wish == NONE else wish


def why_not(operation: Operation, draft: Draft) -> str:
    """Return why the answering contract does not allow a stub that another contract allows; "" if it does."""
    if declared(operation, draft.status) is None:
        return f"{operation.id} has no answer {draft.status} in contract {operation.contract}"
    media = json_media(operation, draft.status)
    found = () if media is None else format_of(media).problems(draft.value)
    if not found:
        return ""
    where = found[0].where.removeprefix("/body") or "the root"
    return f"it breaks the contract {operation.contract} at {where}: {found[0].message}"


def wronged(response: Response, step: StubbedResponse) -> Response:
    """Set the status and body that the contract does not allow."""
    if step.status is not None:
        response = structs.replace(response, status=step.status)
    if response.status in BODILESS:
        return _emptied(response)
    if step.body is UNSAID and step.partial is None:
        return response
    value = step.body
    if step.body is UNSAID:
        value = merged(json.loads(response.body) if response.body else {}, step.partial)
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    more = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    bare = _emptied(response)
    return structs.replace(bare, headers=[*bare.headers, *more], body=body)


def _emptied(response: Response) -> Response:
    """Return an answer without its body and the header fields that describe it."""
    if response.stream is not None:
        response.stream.close(0)
    fields = [field for field in response.headers if field[0] not in (b"content-length", b"content-type")]
    return structs.replace(response, headers=fields, body=b"", stream=None)


def merged(value: Json, partial: Json) -> Json:
    """Merge a partial body into a whole one: objects field by field; anything else is replaced, null included."""
    if not isinstance(value, Mapping) or not isinstance(partial, Mapping):
        return partial
    return {**value, **{key: merged(value.get(key), below) for key, below in partial.items()}}
