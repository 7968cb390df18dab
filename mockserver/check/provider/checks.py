"""The rules of an answer's shape, which hold for any server: each one function, with its sentence."""

import json
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote, unquote, unquote_plus
from uuid import UUID

from mockserver.answer.body import BODILESS, format_of
from mockserver.answer.headers import is_declarable
from mockserver.answer.judgement import (
    HTTP_OWN,
    ReceivedAnswer,
    declares_refusals,
    unparsed_body,
    unwanted_body,
    wrong_body,
    wrong_charset,
    wrong_headers,
    wrong_media_type,
)
from mockserver.answer.judgement import wrong as wrong
from mockserver.check.provider.cases import Case, Expectation, pointer_of
from mockserver.check.target import Answer
from mockserver.contract.openapi import EVENT_STREAM, Contract, Media, Operation, Reply, is_json
from mockserver.contract.resolved import required, view_of
from mockserver.contract.schema import Schema
from mockserver.contract.tree import join
from mockserver.messages import Finding, Json, Request
from mockserver.sse import Event, parse

UNDECODED: Any = object()
"""Stands for a body that is no JSON."""


class Interaction(NamedTuple):
    """One request and what came back, with all that a rule may look at."""

    case: Case
    request: Request
    verdict: Expectation
    answer: Answer
    contract: Contract
    patience: float
    """Seconds that an answer may take."""
    keeps_state: bool = True
    """Whether the server plays the API: what it answers has to do with what was asked."""
    names_places: bool = True
    """Whether the places in a refusal are known to be those of the request."""
    usual_path: Mapping[str, str] = MappingProxyType({})
    """The values of the path by which its operation is usually asked."""

    @property
    def operation(self) -> Operation:
        """The operation that was called."""
        return self.case.operation

    @property
    def received(self) -> ReceivedAnswer:
        """The answer as the contract sees it."""
        answer = self.answer
        return ReceivedAnswer(self.operation, self.request.method, answer.status, answer.headers, answer.body)

    @property
    def reply(self) -> Reply | None:
        """What the contract says of this status."""
        return self.operation.reply(self.answer.status)

    @property
    def media(self) -> Media | None:
        """What the contract says of this representation."""
        return self.received.media

    @property
    def value(self) -> Json:
        """The body, decoded; UNDECODED where it is no JSON."""
        try:
            return json.loads(self.answer.body)
        except (ValueError, RecursionError):
            return UNDECODED

    @property
    def is_success(self) -> bool:
        """Whether the server took the request: an operation for which only errors are declared answers those."""
        status, operation = self.answer.status, self.operation
        return 200 <= status < 300 or (status in operation.exact and not declares_success(operation))


def declares_success(operation: Operation) -> bool:
    """Return whether a contract declares any answer to an operation that is no error."""
    return any(name[0] in "123" or name == "default" for name in operation.replies) or not operation.replies


Look: TypeAlias = Callable[[Interaction], Iterator[Finding]]
"""Looks at one answer."""


class Check(NamedTuple):
    """A rule: its name, its sentence, and what looks."""

    name: str
    sentence: str
    look: Look
    applies: Callable[[Interaction], bool]
    """Whether it has anything to say of an answer: where it never has, it is not reported as passed."""


CHECKS: dict[str, Check] = {}
"""The checks of an answer's shape, by name, in the order in which they run."""


def is_elsewhere(seen: Interaction) -> bool:
    """Return whether a request may not have come to its operation: servers split, or refuse, some texts in a path."""
    return seen.answer.status in (400, 404) and any(set("/\\\0") & set(text) for text in seen.case.path.values())


def always(_: Interaction) -> bool:
    """Return True: for checks that look at every answer."""
    return True


def check(
    name: str, into: dict[str, Check] = CHECKS, *, applies: Callable[[Interaction], bool] = always
) -> Callable[[Look], Look]:
    """Make a function a check; the first line of its docstring is its sentence."""

    def add(look: Look) -> Look:
        into[name] = Check(name, (look.__doc__ or "").strip().splitlines()[0], look, applies)
        return look

    return add


def run_checks(seen: Interaction, more: Mapping[str, Check] = {}) -> Iterator[tuple[Check, list[Finding]]]:
    """Look at an answer by every check that applies, `more` of an API's own; where nothing came back, only for that.

    What the HTTP client would not send says nothing of the server.
    """
    if seen.answer.failure == "unsent":
        return
    for each in (*CHECKS.values(), *more.values()):
        if each.applies(seen):
            yield each, list(each.look(seen))
        if each.name == "framing" and (seen.answer.failure or is_elsewhere(seen)):
            return


@check("in-time")
def in_time(seen: Interaction) -> Iterator[Finding]:
    """An answer comes in time."""
    if seen.answer.failure == "timeout":
        received = f"{seen.answer.seconds:.1f} s"
        yield wrong("no complete answer came in time", "/response", f"within {seen.patience:g} s", received)


@check("framing")
def framing(seen: Interaction) -> Iterator[Finding]:
    """A connection is answered, and a body has the length that its head says."""
    if seen.answer.failure in ("protocol", "connection"):
        yield wrong(f"the answer broke off: {seen.answer.told}", "/response", "a whole answer", seen.answer.failure)
    if seen.answer.failure:
        return
    declared = seen.answer.headers.text(b"content-length")
    if seen.request.method == "HEAD" or seen.answer.status in BODILESS:
        return
    if declared is not None and declared != str(len(seen.answer.body)):
        yield wrong("the length is not as it says", "/response/header/content-length", len(seen.answer.body), declared)


@check("no-server-error")
def no_server_error(seen: Interaction) -> Iterator[Finding]:
    """No request makes a server fail."""
    if seen.answer.status >= 500 and not seen.is_success:
        received = seen.answer.status
        yield wrong(f"the server failed with {received}", "/response/status", "less than 500", received)


@check("status-declared")
def status_declared(seen: Interaction) -> Iterator[Finding]:
    """The status is one that the contract declares."""
    if seen.reply is None and seen.answer.status < 500:
        declared = ", ".join(seen.operation.replies)
        message = f"the status {seen.answer.status} is not declared"
        if seen.verdict.expected == "valid" and seen.answer.status >= 400:
            message += f", and the request is valid ({seen.case.name})"
        place = _replies(seen.operation)
        if _is_of_http(seen):
            message += ", and is HTTP's own for such a request"
            yield wrong(message, "/response/status", declared, seen.answer.status, place, "contract", "note")
        elif seen.answer.status >= 400 and not declares_refusals(seen.operation):
            message += ", as is no refusal at all"
            yield wrong(message, "/response/status", declared, seen.answer.status, place, "contract", "warning")
        elif _is_lacking(seen):
            message += ", as is none that says the same"
            yield wrong(message, "/response/status", declared, seen.answer.status, place, "contract", "warning")
        else:
            yield wrong(message, "/response/status", declared, seen.answer.status, place)


OF_CONTENT = (400, 422)
"""The refusals of what is wrong with the content of a request."""

UNREADABLE = ("malformed", "other type")
"""The kinds of requests about the protocol whose bodies cannot be read."""


def _is_of_http(seen: Interaction) -> bool:
    """Return whether HTTP itself has the status for a wrong request: 400 for an unreadable body, 415 for its type."""
    status, is_wrong = seen.answer.status, seen.verdict.expected != "valid"
    if status == 401:
        return is_wrong and seen.operation.secured
    return is_wrong and (status in HTTP_OWN or (status == 400 and _is_unreadable(seen)))


def _is_unreadable(seen: Interaction) -> bool:
    return seen.verdict.expected == "malformed" or seen.case.name in UNREADABLE


def _is_lacking(seen: Interaction) -> bool:
    """Return whether a request was refused, and the contract declares no refusal of its kind.

    It was wrong, or its path names what need not be there.
    """
    if seen.answer.status == 404 and seen.operation.names:
        return True
    if seen.verdict.expected == "valid" or seen.answer.status not in OF_CONTENT:
        return False
    return _is_unreadable(seen) or not any(declares(seen.operation, each) for each in OF_CONTENT)


def _replies(operation: Operation) -> str:
    return f"{operation.place}/responses"


@check("media-type", applies=lambda seen: seen.request.method != "HEAD" and _has_media(seen))
def media_type(seen: Interaction) -> Iterator[Finding]:
    """The content type is one that the contract declares for the status."""
    yield from wrong_media_type(seen.received)


def _has_media(seen: Interaction) -> bool:
    return seen.reply is not None and bool(seen.reply.media)


@check("charset", applies=lambda seen: bool(seen.answer.body))
def charset(seen: Interaction) -> Iterator[Finding]:
    """A text is in the character set that it says, and JSON is in UTF-8."""
    yield from wrong_charset(seen.received)


def _has_no_body(seen: Interaction) -> bool:
    is_bare = seen.reply is not None and not seen.reply.media
    return is_bare or seen.request.method == "HEAD" or seen.answer.status in BODILESS


@check("no-body", applies=_has_no_body)
def no_body(seen: Interaction) -> Iterator[Finding]:
    """Where HTTP has no body there is none; where the contract declares none, one is noted."""
    yield from unwanted_body(seen.received)


def _says_json(seen: Interaction) -> bool:
    return is_json(seen.answer.media_type) and seen.request.method != "HEAD"


@check("body-parses", applies=_says_json)
def body_parses(seen: Interaction) -> Iterator[Finding]:
    """A body that is said to be JSON is JSON, and says each field once."""
    yield from unparsed_body(seen.received)


def _has_schema(seen: Interaction) -> bool:
    media = seen.media
    if media is None or seen.request.method == "HEAD" or seen.answer.status in BODILESS:
        return False
    is_read = media.schema is not None if media.item_schema is None else not is_events(seen)
    return is_read and not is_stream(seen)


@check("body-schema", applies=_has_schema)
def body_schema(seen: Interaction) -> Iterator[Finding]:
    """A body holds the schema that the contract gives it."""
    yield from wrong_body(seen.received)


FORM = (400, 405, 406, 411, 413, 414, 415, 422)
"""The refusals that blame the form of a request; others say that it cannot be served now, here, or to this caller."""


def declares(operation: Operation, status: int) -> bool:
    """Return whether a contract declares a status itself or by its range, as documented and not only inferred."""
    reply = operation.exact.get(status) or operation.replies.get(f"{status // 100}XX")
    return reply is not None and reply.evidence == "documented"


@check("accepts-valid", applies=lambda seen: seen.verdict.expected == "valid" and seen.answer.status < 500)
def accepts_valid(seen: Interaction) -> Iterator[Finding]:
    """A request that the contract allows is taken, or refused for a declared reason that is not its form."""
    status, operation = seen.answer.status, seen.operation
    if seen.is_success or is_excused(seen) or _is_told(seen):
        return
    message = f"a valid request was refused with {status} ({seen.case.name})"
    told = seen.answer.body[:300].decode("utf-8", "replace")
    yield wrong(message, "/response/status", f"{operation.success}", told, operation.place)


def _is_told(seen: Interaction) -> bool:
    """Return whether the status is not declared, which another check tells as an error."""
    return seen.reply is None and (seen.answer.status < 400 or declares_refusals(seen.operation))


def is_excused(seen: Interaction) -> bool:
    """Return whether a valid request need not succeed: what it names may be there, or not, or the contract says so."""
    status = seen.answer.status
    if (status == 404 and seen.operation.names) or (status == 409 and seen.keeps_state and seen.reply is not None):
        return True
    return excuses(seen.operation, status)


def excuses(operation: Operation, status: int) -> bool:
    """Return whether a declared status says that a request cannot be served now, here, or to this caller."""
    return status not in FORM and 300 <= status < 500 and declares(operation, status)


def _is_refused(seen: Interaction) -> bool:
    return seen.verdict.expected == "invalid" and 400 <= seen.answer.status < 500


@check("refuses-invalid", applies=lambda seen: seen.verdict.expected in ("invalid", "malformed"))
def refuses_invalid(seen: Interaction) -> Iterator[Finding]:
    """A request that the contract forbids is refused."""
    if not 200 <= seen.answer.status < 400:
        return
    places = seen.verdict.places
    where = pointer_of(places[0]) if places else seen.verdict.where or "/request/body"
    message = f"an invalid request was taken: {seen.verdict.why} ({seen.case.name})"
    yield wrong(message, where, "a refusal", seen.answer.status, seen.operation.place)


@check("refusal-declared", applies=_is_refused)
def refusal_declared(seen: Interaction) -> Iterator[Finding]:
    """An invalid request is refused with the status that the contract declares for it."""
    operation, status = seen.operation, seen.answer.status
    declared = [each for each in (422, 400) if declares(operation, each)]
    declared = declared or [each for each in (422, 400) if each in operation.exact or "4XX" in operation.replies][:1]
    if not declared or status in declared or declares(operation, status) or _is_told(seen):
        return
    message = f"an invalid request was refused with {status}: {seen.verdict.why} ({seen.case.name})"
    yield wrong(message, "/response/status", declared[0], status, operation.place)


def _may_name_places(seen: Interaction) -> bool:
    media = seen.media
    is_refused = seen.verdict.expected == "invalid" and seen.answer.status == 422
    return is_refused and media is not None and media.schema is not None and _has_places(media.schema)


@check("refusal-place", applies=_may_name_places)
def refusal_place(seen: Interaction) -> Iterator[Finding]:
    """A refusal names the place that is wrong, where its form has room for it."""
    yield from (each if seen.names_places else replace(each, level="note") for each in _misplaced(seen))


def _misplaced(seen: Interaction) -> Iterator[Finding]:
    value = seen.value
    entries = value.get("detail") if isinstance(value, dict) else None
    if not isinstance(entries, list) or not all(isinstance(each, dict) and "loc" in each for each in entries):
        if not isinstance(value, dict) or "detail" not in value:
            expected = [pointer_of(place) for place in seen.verdict.places]
            yield wrong(f"the refusal names no place ({seen.case.name})", "/response/body/detail", expected, value)
        return
    if not all(isinstance(each["loc"], list) for each in entries):  # that its form is wrong is told already
        return
    named = [tuple(each["loc"]) for each in entries]
    if not any(_same_place(one, other) for one in named for other in seen.verdict.places):
        expected = [pointer_of(place) for place in seen.verdict.places]
        message = f"the refusal names another place than the wrong one ({seen.case.name})"
        yield wrong(message, "/response/body/detail", expected, [join("/request", *loc) for loc in named])


@lru_cache(maxsize=256)
def _has_places(schema: Schema) -> bool:
    """Return whether a refusal has FastAPI's form: entries of a detail that say place, message and type."""
    views, view = view_of(schema)
    detail = views.fields(view).get("detail")
    if detail is None:
        return False
    entries = [views.below(leaf, "items") for leaf in views.leaves(detail)]
    return any({"loc", "msg", "type"} <= required(each).keys() for each in entries)


def _same_place(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Return whether two places are the same, or one stands above the other; numbers in text are not told apart.

    `one` may name the branches of unions on its way, as FastAPI does, which are no part of the value.
    """
    if min(len(one), len(other)) < 1 or (one[:1] != other[:1]):
        return False
    if other[:1] == ("body",) and len(other) == 2 and isinstance(other[1], int):  # a place in text that is no JSON
        return True
    shorter = min(len(one), len(other))
    if shorter == 1:
        return len(one) == len(other)
    if one[:shorter] == other[:shorter]:
        return True
    rest = iter(one)
    return len(one) > len(other) and all(part in rest for part in other)


def _tells_path(seen: Interaction) -> bool:
    is_told = seen.is_success and is_json(seen.answer.media_type) and bool(seen.case.path)
    value = seen.value if is_told else None
    return isinstance(value, dict) and any(name in value for name in seen.case.path)


@check("echoes-path", applies=_tells_path)
def echoes_path(seen: Interaction) -> Iterator[Finding]:
    """An answer that tells a value of the path tells the one that was asked for, letter by letter."""
    value = seen.value
    for name, sent in seen.case.path.items():
        told = value.get(name)
        if not isinstance(told, str) or told in (sent, *_exemplary(seen, name)) or _is_uuid(told, sent):
            continue
        if _must_differ(seen, name, sent):
            continue
        if seen.keeps_state or (told != seen.usual_path.get(name) and _is_changed(told, sent)):
            message = f"{name} is another than the one that was asked for"
            yield wrong(message, join("/response/body", name), sent, told)


def _exemplary(seen: Interaction, name: str) -> list[Json]:
    """List what a field is in the examples of the contract: a server may answer with one, whatever it is asked."""
    media = seen.media
    return (
        []
        if media is None
        else [each[name] for each in media.examples.values() if isinstance(each, dict) and name in each]
    )


def _must_differ(seen: Interaction, name: str, sent: str) -> bool:
    """Return whether the contract does not let an answer tell a value of the path."""
    media = seen.media
    if media is None or media.schema is None:
        return False
    return media.schema.is_valid(seen.value) and not media.schema.is_valid({**seen.value, name: sent})


def _is_uuid(told: str, sent: str) -> bool:
    """Return whether two texts are the same UUID, which may be written in several ways."""
    try:
        return UUID(told) == UUID(sent)
    except ValueError:
        return False


LEAST_CUT = 8
"""How many characters of an id must be left of it to say that it was cut."""


def _is_changed(told: str, sent: str) -> bool:
    """Return whether a text is visibly made of another: in another case or form, decoded once more, trimmed, cut."""
    forms = {_folded(each) for each in (sent, unquote(sent), unquote_plus(sent), quote(sent, safe=""))}
    return _folded(told) in forms or (len(told) >= LEAST_CUT and sent.startswith(told))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold().strip()


def _has_headers(seen: Interaction) -> bool:
    reply = seen.reply
    return reply is not None and any(field.required or is_declarable(name) for name, field in reply.headers.items())


@check("required-headers", applies=_has_headers)
def required_headers(seen: Interaction) -> Iterator[Finding]:
    """The header fields that the contract requires are there, and all that it declares hold their schemas."""
    yield from wrong_headers(seen.received)


def events_of(seen: Interaction) -> list[Event]:
    """Return the events of an answer that is a stream; none for any other, and where the framing is wrong."""
    found, wrong = parse(seen.answer.body) if is_stream(seen) else ([], "")
    return [] if wrong else found


def is_events(seen: Interaction) -> bool:
    """Return whether an answer says that it is a stream of events."""
    return seen.answer.media_type == EVENT_STREAM


def is_stream(seen: Interaction) -> bool:
    """Return whether an answer is a stream of events that came whole."""
    return is_events(seen) and seen.is_success and not seen.answer.failure


@check("stream-framing", applies=is_stream)
def stream_framing(seen: Interaction) -> Iterator[Finding]:
    """A stream is framed as server-sent events, with one line of JSON for each."""
    _, problem = parse(seen.answer.body)
    if problem:
        yield wrong(f"the stream is not framed: {problem}", "/response/body", "server-sent events")


@check("stream-event-schema", applies=is_stream)
def stream_event_schema(seen: Interaction) -> Iterator[Finding]:
    """Each event of a stream holds the schema of its events."""
    media = seen.media
    if media is None or media.item_schema is None or format_of(media).has_fields:
        return
    for index, event in enumerate(events_of(seen)):
        if not media.item_schema.is_valid(event.data):
            kind = event.data.get("type") if isinstance(event.data, dict) else None
            for finding in media.item_schema.explain(event.data, where="/response/body"):
                where = finding.where.replace("/response/body", f"/response/body/{kind or index}", 1)
                yield replace(finding, where=where, fault="server")
