"""The rules of an answer's shape, which hold for any server: each one function, with its sentence."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

from mockserver.check.provider.cases import Case, Expectation, pointer_of
from mockserver.check.target import Answer
from mockserver.contract.openapi import EVENT_STREAM, Contract, Media, Operation, Reply, is_json
from mockserver.contract.schema import Schema, join
from mockserver.messages import Blame, Finding, Json, Level, Request
from mockserver.sse import Event, parse

BODILESS = (204, 205, 304)
"""Statuses whose answers have no body, as HTTP says."""

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

    @property
    def operation(self) -> Operation:
        """The operation that was called."""
        return self.case.operation

    @property
    def reply(self) -> Reply | None:
        """What the contract says of this status."""
        return self.operation.reply(self.answer.status)

    @property
    def media(self) -> Media | None:
        """What the contract says of this representation."""
        reply = self.reply
        kind = self.answer.media_type
        return next((media for media in reply.media if media.type == kind), None) if reply is not None else None

    @property
    def value(self) -> Json:
        """The body, decoded; UNDECODED where it is no JSON."""
        try:
            return json.loads(self.answer.body)
        except (ValueError, RecursionError):
            return UNDECODED

    @property
    def is_success(self) -> bool:
        """Whether the server took the request."""
        return 200 <= self.answer.status < 300


def wrong(
    message: str,
    where: str = "",
    expected: Json = None,
    received: Json = None,
    contract: str = "",
    fault: Blame = "server",
    level: Level = "error",
) -> Finding:
    """Make a finding of a check, whose name the run adds."""
    return Finding(where, "", message, fault, expected, received, contract, level=level)


Look: TypeAlias = Callable[[Interaction], Iterator[Finding]]
"""Looks at one answer."""


class Check(NamedTuple):
    """A rule: its name, its sentence, and what looks."""

    name: str
    sentence: str
    look: Look
    claims: bool = False
    """Whether it holds only for a server that keeps sessions."""


CHECKS: dict[str, Check] = {}
"""The checks of an answer's shape, by name, in the order in which they run."""


def check(name: str, into: dict[str, Check] = CHECKS, *, claims: bool = False) -> Callable[[Look], Look]:
    """Make a function a check; the first line of its docstring is its sentence."""

    def add(look: Look) -> Look:
        into[name] = Check(name, (look.__doc__ or "").strip().splitlines()[0], look, claims)
        return look

    return add


def run_checks(
    seen: Interaction, more: Mapping[str, Check] = {}, *, keeps_state: bool = True
) -> Iterator[tuple[Check, Finding]]:
    """Look at an answer by every check, `more` of an API's own; where nothing came back, only that is reported.

    What the HTTP client would not send says nothing of the server.
    """
    if seen.answer.failure == "unsent":
        return
    for each in (*CHECKS.values(), *more.values()):
        if each.claims and not keeps_state:
            continue
        for finding in each.look(seen):
            yield each, finding
        if seen.answer.failure and each.name == "framing":
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
    if seen.answer.status >= 500:
        received = seen.answer.status
        yield wrong(f"the server failed with {received}", "/response/status", "less than 500", received)


@check("status-declared")
def status_declared(seen: Interaction) -> Iterator[Finding]:
    """The status is one that the contract declares."""
    if seen.reply is None and seen.answer.status < 500:
        declared = ", ".join(seen.operation.replies)
        message = f"the status {seen.answer.status} is not declared"
        place = _replies(seen.operation)
        if seen.answer.status >= 400 and not any(status >= 400 for status in seen.operation.exact):
            message += ", as is no refusal at all"
            yield wrong(message, "/response/status", declared, seen.answer.status, place, "contract", "warning")
        else:
            yield wrong(message, "/response/status", declared, seen.answer.status, place)


def _replies(operation: Operation) -> str:
    return f"{operation.place}/responses"


@check("media-type")
def media_type(seen: Interaction) -> Iterator[Finding]:
    """The content type is one that the contract declares for the status."""
    reply = seen.reply
    if reply is None or not reply.media or seen.request.method == "HEAD":
        return
    if seen.media is None:
        declared = ", ".join(media.type for media in reply.media)
        received = seen.answer.headers.text(b"content-type")
        message = f"the content type {received!r} is not declared for {seen.answer.status}"
        yield wrong(
            message, "/response/header/content-type", declared, received, f"{seen.operation.contract}#{reply.pointer}"
        )


@check("charset")
def charset(seen: Interaction) -> Iterator[Finding]:
    """A text is in the character set that it says, and JSON is in UTF-8."""
    kind = seen.answer.headers.text(b"content-type") or ""
    named = re.search(r'charset\s*=\s*"?([^";\s]+)', kind, re.IGNORECASE)
    if named and named[1].lower() not in ("utf-8", "utf8"):
        yield wrong("the character set is another", "/response/header/content-type", "utf-8", named[1])
    if is_json(seen.answer.media_type) or seen.answer.media_type.startswith("text/"):
        try:
            seen.answer.body.decode("utf-8")
        except UnicodeDecodeError as error:
            yield wrong(f"the body is not in UTF-8: {error.reason}", "/response/body", "UTF-8", error.start)


@check("no-body")
def no_body(seen: Interaction) -> Iterator[Finding]:
    """Where none is declared, and where HTTP has none, there is no body."""
    status, reply = seen.answer.status, seen.reply
    declared = seen.answer.headers.text(b"content-length")
    if seen.request.method == "HEAD":
        declared = None  # that of GET's
    elif status not in BODILESS and (reply is None or reply.media):
        return
    if seen.answer.body or declared not in (None, "0"):
        received = seen.answer.body[:100].decode("utf-8", "replace") or f"a length of {declared}"
        yield wrong(f"the answer {status} has a body", "/response/body", "no body", received)


@check("body-parses")
def body_parses(seen: Interaction) -> Iterator[Finding]:
    """A body that is said to be JSON is JSON, and says each field once."""
    if not is_json(seen.answer.media_type) or seen.request.method == "HEAD":
        return
    try:
        json.loads(seen.answer.body, object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        received = seen.answer.body[:200].decode("utf-8", "replace")
        yield wrong(f"the body is no JSON: {error}", "/response/body", "JSON", received)


def _once(pairs: list[tuple[str, Json]]) -> Json:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"a field stands twice: {max(names, key=names.count)!r}")
    return dict(pairs)


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is no value of JSON")


@check("body-schema")
def body_schema(seen: Interaction) -> Iterator[Finding]:
    """A body holds the schema that the contract gives it."""
    media = seen.media
    if media is None or media.schema is None or media.type == EVENT_STREAM or not is_json(media.type):
        return
    value = seen.value
    if value is not UNDECODED and not media.schema.is_valid(value):
        yield from _explained(media.schema, value, "/response/body")


def _explained(schema: Schema, value: Json, where: str) -> Iterator[Finding]:
    yield from (replace(each, fault="server") for each in schema.explain(value, where=where))


@check("accepts-valid")
def accepts_valid(seen: Interaction) -> Iterator[Finding]:
    """A request that the contract allows is taken."""
    if seen.verdict.expected != "valid" or seen.is_success or seen.answer.status >= 500:
        return
    if seen.answer.status == 404 and seen.operation.names:  # what the path names may not be there
        return
    message = f"a valid request was refused with {seen.answer.status} ({seen.case.name})"
    told = seen.answer.body[:300].decode("utf-8", "replace")
    yield wrong(message, "/response/status", f"{seen.operation.success}", told, seen.operation.place)


@check("refuses-invalid")
def refuses_invalid(seen: Interaction) -> Iterator[Finding]:
    """A request that the contract forbids is refused."""
    if seen.verdict.expected not in ("invalid", "malformed") or not 200 <= seen.answer.status < 400:
        return
    where = pointer_of(seen.verdict.places[0]) if seen.verdict.places else "/request/body"
    message = f"an invalid request was taken ({seen.case.name})"
    yield wrong(message, where, "a refusal", seen.answer.status, seen.operation.place)


@check("refusal-declared")
def refusal_declared(seen: Interaction) -> Iterator[Finding]:
    """An invalid request is refused with the status that the contract declares for it."""
    if seen.verdict.expected != "invalid" or not 400 <= seen.answer.status < 500:
        return
    declared = next((status for status in (422, 400) if seen.operation.reply(status) is not None), None)
    if declared is not None and seen.answer.status != declared:
        message = f"an invalid request was refused with {seen.answer.status} ({seen.case.name})"
        yield wrong(message, "/response/status", declared, seen.answer.status, seen.operation.place)


@check("refusal-place")
def refusal_place(seen: Interaction) -> Iterator[Finding]:
    """A refusal names the place that is wrong, where its form has room for it."""
    if seen.verdict.expected != "invalid" or seen.answer.status != 422:
        return
    value, media = seen.value, seen.media
    if media is None or media.schema is None or not _has_places(media.schema):
        return
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
    """Return whether the form of a refusal has room for places; the whole document is looked through, so only once."""
    return '"loc"' in json.dumps(schema.rooted())


def _same_place(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Return whether two places are the same, or one stands above the other; numbers in text are not told apart."""
    shorter = min(len(one), len(other))
    if shorter < 1 or (one[:1] != other[:1]):
        return False
    if other[:1] == ("body",) and len(other) == 2 and isinstance(other[1], int):  # a place in text that is no JSON
        return True
    return one[:shorter] == other[:shorter] and (shorter > 1 or len(one) == len(other) == 1)


@check("echoes-path", claims=True)
def echoes_path(seen: Interaction) -> Iterator[Finding]:
    """An answer that tells a value of the path tells the one that was asked for."""
    if not seen.is_success or not is_json(seen.answer.media_type):
        return
    value = seen.value
    for name, sent in seen.case.path.items():
        if isinstance(value, dict) and isinstance(value.get(name), str) and value[name] != sent:
            message = f"{name} is another than the one that was asked for"
            yield wrong(message, join("/response/body", name), sent, value[name])


@check("required-headers")
def required_headers(seen: Interaction) -> Iterator[Finding]:
    """The header fields that the contract requires are there, and hold their schemas."""
    reply = seen.reply
    for name, schema in (reply.required_headers if reply is not None else {}).items():
        where = join("/response/header", name)
        told = seen.answer.headers.text(name.encode())
        if told is None:
            yield wrong(
                f"the header field {name} is missing",
                where,
                name,
                None,
                f"{seen.operation.contract}#{reply.pointer}" if reply else "",
            )
        elif schema is not None and not schema.is_valid(told) and not schema.is_valid(_number(told)):
            yield from _explained(schema, told, where)


def _number(text: str) -> Json:
    return int(text) if re.fullmatch(r"-?\d{1,18}", text) else text


def events_of(seen: Interaction) -> list[Event]:
    """Return the events of an answer that is a stream; none for any other, and where the framing is wrong."""
    found, wrong = parse(seen.answer.body) if is_stream(seen) else ([], "")
    return [] if wrong else found


def is_stream(seen: Interaction) -> bool:
    """Return whether an answer is a stream of events that came whole."""
    return seen.answer.media_type == EVENT_STREAM and seen.is_success and not seen.answer.failure


@check("stream-framing")
def stream_framing(seen: Interaction) -> Iterator[Finding]:
    """A stream is framed as server-sent events, with one line of JSON for each."""
    if is_stream(seen):
        _, problem = parse(seen.answer.body)
        if problem:
            yield wrong(f"the stream is not framed: {problem}", "/response/body", "server-sent events")


@check("stream-event-schema")
def stream_event_schema(seen: Interaction) -> Iterator[Finding]:
    """Each event of a stream holds the schema of its events."""
    media = seen.media
    if not is_stream(seen) or media is None or media.item_schema is None:
        return
    for index, event in enumerate(events_of(seen)):
        if not media.item_schema.is_valid(event.data):
            kind = event.data.get("type") if isinstance(event.data, dict) else None
            for finding in media.item_schema.explain(event.data, where="/response/body"):
                where = finding.where.replace("/response/body", f"/response/body/{kind or index}", 1)
                yield replace(finding, where=where, fault="server")
