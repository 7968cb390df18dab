"""What is played to a client, and what must come of it: calls of each operation, each with its stubs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeAlias

from mockserver.check.client.values import ABSENT, alternatives, edges, fields, full, packed
from mockserver.check.part import one_turn
from mockserver.contract.openapi import EVENT_STREAM, Media, Operation, Parameter, is_json
from mockserver.contract.resolved import first, view_of
from mockserver.contract.schema import Schema
from mockserver.messages import Json
from mockserver.sse import script

CaseKind: TypeAlias = Literal["request", "answer", "event", "page", "error", "retry", "outside"]

KINDS: Mapping[CaseKind, str] = {
    "request": "arguments at their edges",
    "answer": "answers of success at their edges",
    "event": "streams with every event at its edges",
    "page": "a list of several pages",
    "error": "every documented error",
    "retry": "answers that are retried, or must not be",
}
"""The kinds of answer that are judged, each in a few words."""

Way: TypeAlias = Literal["plain", "raw", "streamed", "pages", "events"]

IDS = (
    "abc-123",
    "a/b",
    "a b/../c?d#e",
    "..%2f%00",
    "...",
    "?name=x&y",
    "\x00\n\x7f",
    "sitzung-äöü-会议-🦙",
    "x" * 300,
)
"""Ids that must reach the server as they are."""

LARGEST = 2**63
"""The largest number that is put in a query."""

TOKEN = "token/+&= ?#ü"  # noqa: S105  # of a page
FINAL: Sequence[tuple[str, Mapping[str, Json]]] = (
    ("no token", {}),
    ("a null token", {"next_page_token": None}),
    ("an empty token", {"next_page_token": ""}),
)
"""How a last page says that it is the last. Source: docs/upstream.md, "Paging"."""


class ClientCase(NamedTuple):
    """One call, the answers that are stubbed for it (none: the usual), and what must come of it."""

    kind: CaseKind
    name: str
    operation: Operation
    arguments: Mapping[str, Json]
    answers: Sequence[Mapping[str, Any]] = ()
    way: Way = "plain"
    raises: str = ""
    """The exception that must come of it; "" for a value."""
    attempts: int = 1
    """How many requests a call must make."""
    waits: Sequence[tuple[float, float]] = ()
    """How long it must wait before each further attempt: at least, at most, in seconds."""
    pages: int = 1
    """How many calls of the operation it takes."""
    look: str = ""
    """Which place of the value is told, where it is only observed."""
    timeout: float | None = None
    """Seconds that the client shall wait for an answer."""


class ClientOperation(NamedTuple):
    """An operation, and the names of the arguments that the client's method takes."""

    operation: Operation
    names: frozenset[str]
    turns: Callable[[Sequence[Json]], list[list[Json]]] = one_turn
    """Makes event streams in which each of some events stands once."""


def case(side: ClientOperation, kind: CaseKind, name: str, *answers: Mapping[str, Any], **more: Any) -> ClientCase:
    """Make a call with the usual arguments in the usual way, but for what is named."""
    played = tuple({**each, "extra": True} if "body" in each else each for each in answers)  # as later releases may
    usually = {"arguments": usual(side), "way": usual_way(side.operation), "answers": played}
    return ClientCase(kind, name, side.operation, **{**usually, **more})


def success_media(operation: Operation) -> Media | None:
    """Return the JSON that an operation answers with on success; None where that has no JSON body."""
    reply = operation.reply(operation.success)
    return next((media for media in reply.media if is_json(media.type)), None) if reply is not None else None


def success_schema(operation: Operation) -> Schema | None:
    """Return the schema of the JSON that an operation answers with on success; None where there is none."""
    media = success_media(operation)
    return None if media is None else media.schema


def stream_media(operation: Operation) -> Media | None:
    """Return the stream of events that an operation answers with; None where it is none."""
    reply = operation.reply(operation.success)
    return next((media for media in reply.media if media.type == EVENT_STREAM), None) if reply is not None else None


@lru_cache(maxsize=256)
def is_listing(operation: Operation) -> bool:
    """Return whether an operation lists by pages, as upstream's do."""
    schema, names = success_schema(operation), {each.name for each in operation.parameters}
    value = full(schema) if schema is not None else None
    return isinstance(value, dict) and {"items", "next_page_token"} <= value.keys() and "page_token" in names


def usual_way(operation: Operation) -> Way:
    """Return the way in which an operation is called as upstream shows it."""
    return "events" if stream_media(operation) is not None else "plain"


def kinds_of(operation: Operation) -> list[CaseKind]:
    """Return the kinds of answer that an operation has."""
    kinds: list[CaseKind] = ["request", "answer"]
    kinds += ["event"] if stream_media(operation) is not None else []
    kinds += ["page"] if is_listing(operation) else []
    return [*kinds, "error", "retry"]


# -- arguments -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def usual(side: ClientOperation) -> Mapping[str, Json]:
    """Return plain arguments: those that must be given."""
    made: dict[str, Json] = {}
    for each in side.operation.parameters:
        if each.required and each.name in side.names:
            made[each.name] = IDS[0] if _is_free(each) else _values(each)[0]
    body = _object_schema(side.operation)
    if body is not None:
        value = full(body)
        made |= {key: value[key] for key in body.node.get("required", ()) if key in side.names}
    return made


def _object_schema(operation: Operation) -> Schema | None:
    """Return the schema of an operation's body, where that is an object with named fields."""
    if operation.body is None:
        return None
    schema = operation.body.schema
    views, view = view_of(schema)
    leaf = next((each for each in views.leaves(view) if first(each, "properties")), None)
    return None if leaf is None else Schema(schema.document, leaf.pointer, schema.name)


def _is_free(parameter: Parameter) -> bool:
    """Return whether a parameter is a text without limits."""
    node = parameter.schema.node
    return isinstance(node, dict) and node.get("type") == "string" and not node.keys() & {"format", "pattern", "enum"}


def _values(parameter: Parameter) -> list[Json]:
    """Return the boundary values of a parameter, as a user of the client would write them."""
    if parameter.location == "path" and _is_free(parameter):
        return list(IDS)
    found = alternatives(*view_of(parameter.schema))
    fitting = [each for each in found if not isinstance(each, dict | list | float)]
    return [each for each in fitting if not isinstance(each, int) or abs(each) <= LARGEST]


def requests(side: ClientOperation) -> Iterator[ClientCase]:
    """Call with every edge of every argument."""
    operation = side.operation
    edges_of: dict[str, list[Json]] = {}
    for each in operation.parameters:
        if each.name in side.names and each.location in ("path", "query"):
            edges_of[each.name] = [*_values(each), *([] if each.required else [ABSENT])]
    body = _object_schema(operation)
    if body is not None:
        edges_of |= {k: v for k, v in fields(*view_of(body)).items() if k in side.names}
    yield case(side, "request", "what must be given")
    for number, row in enumerate(packed(edges_of), 1):
        yield case(side, "request", f"edges {number}", arguments=row)


# -- answers ---------------------------------------------------------------------------------------------------------


def answers(side: ClientOperation, drawn: int, seed: int) -> Iterator[ClientCase]:
    """Answer with success, at every edge."""
    operation, media = side.operation, success_media(side.operation)
    is_stream = stream_media(operation) is not None
    if media is None or media.schema is None:
        if not is_stream:
            yield case(side, "answer", "no content", {"status": operation.success})
        return
    for edge in edges(media.schema, drawn, seed):
        yield case(side, "answer", edge.name, {"body": edge.value}, way="plain")
    if not is_stream:
        for way in ("raw", "streamed"):
            yield case(side, "answer", way, {"body": full(media.schema)}, way=way)
        for name in media.examples:
            yield case(side, "answer", f"example {name}", {"example": name})


def pages(side: ClientOperation) -> Iterator[ClientCase]:
    """Go through lists of several pages, which end in every way that there is."""
    schema = success_schema(side.operation)
    if schema is None or not is_listing(side.operation):
        return
    items = full(schema)["items"]
    given = {**usual(side), **({"page_size": 2} if "page_size" in side.names else {})}
    first = [{"items": items, "next_page_token": "t1"}, {"items": items[:1], "next_page_token": TOKEN}]
    for name, end in FINAL:
        bodies = [{"body": body} for body in (*first, {"items": items, **end})]
        yield case(side, "page", name, *bodies, arguments=given, way="pages", pages=len(bodies))
    yield case(side, "page", "none at all", {"body": {"items": []}}, arguments=given, way="pages")


# -- streams ---------------------------------------------------------------------------------------------------------


def events(side: ClientOperation, drawn: int, seed: int) -> Iterator[ClientCase]:
    """Answer with streams in which every event stands at its edges."""
    if stream_media(side.operation) is not None:
        for name in scripts(side.operation, side.turns):
            yield case(side, "event", name, {"example": name})
        for number in range(1, drawn + 1):
            yield case(side, "event", f"drawn {number}", {"dynamic": True, "seed": seed + number})


@lru_cache(maxsize=64)
def scripts(operation: Operation, turns: Callable[[Sequence[Json]], list[list[Json]]] = one_turn) -> Mapping[str, Json]:
    """Make turns in which every edge of every event stands once, by name: scripts, as fixtures hold them."""
    media = stream_media(operation)
    schema = media.item_schema if media is not None else None
    if schema is None:
        return {}
    made: dict[str, Json] = {}
    for number, turn in enumerate(turns([edge.value for edge in edges(schema)]), 1):
        made[f"{operation.contract}-edges-{number}"] = [{"event": each, "after_ms": 0} for each in turn]
    return {name: turn for name, turn in made.items() if _is_script(turn)}


def _is_script(turn: Json) -> bool:
    try:
        return bool(script(turn))
    except ValueError:
        return False
