"""Which operations are played, and by which function of the simulated chat session."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache, partial
from random import Random

from mockserver.answer.choose import Draft, Simulation
from mockserver.apis.llamacloud_chat.sessions import (
    Play,
    Traits,
    World,
    create,
    delete,
    get_summary,
    list_sessions,
    retrieve,
    set_title,
    stream,
    summary,
)
from mockserver.apis.llamacloud_chat.turns import job_metadata, remembered, said, stopped
from mockserver.contract.openapi import EVENT_STREAM, Operation
from mockserver.contract.schema import Schema, join, resolve
from mockserver.messages import Json
from mockserver.request.validate import Call
from mockserver.sse import event_text
from mockserver.store.base import Session

TITLE_ROUTE = ("POST", "/api/v1/chat/{session_id}/title")

_ROUTES: Mapping[tuple[str, str], Play] = {
    ("POST", "/api/v1/chat"): create,
    ("GET", "/api/v1/chat"): list_sessions,
    ("GET", "/api/v1/chat/{session_id}"): retrieve,
    ("DELETE", "/api/v1/chat/{session_id}"): delete,
    ("GET", "/api/v1/chat/{session_id}/summary"): get_summary,
    TITLE_ROUTE: set_title,
    ("POST", "/api/v1/chat/{session_id}/messages/stream"): stream,
}


def simulations(operations: Sequence[Operation], world: World, *, bundled: bool) -> dict[Operation, Simulation]:
    """Give, for each operation that is played, known by its method and path, the function that plays it.

    In a contract of the user's own only what takes and gives the same is played.
    """
    titled = {each.contract for each in operations if (each.method, each.path) == TITLE_ROUTE}
    found: dict[Operation, Simulation] = {}
    for operation in operations:
        play = _ROUTES.get((operation.method, operation.path))
        if play is None:
            continue
        world.traits[operation] = _traits(operation, title_call=operation.contract in titled)
        if bundled or _fits(play, operation, world):
            found[operation] = partial(play, world) if bundled else partial(_played_if_allowed, play, world)
    return found


def _played_if_allowed(play: Play, world: World, call: Call) -> Draft | None:
    """Play an operation of a user's contract, unless that does not allow what it says: a title so long, say."""
    draft = play(world, call)
    if _is_allowed(draft, call.operation):
        return draft
    if draft.stream is not None:
        draft.stream.close(0)
    return None


def _is_allowed(draft: Draft, operation: Operation) -> bool:
    """Say whether a contract allows an answer."""
    reply = operation.reply(draft.status)
    media = next((each for each in reply.media if each.type == draft.media), None) if reply else None
    if reply is None or media is None:
        return reply is not None and draft.media is None and not reply.media
    if draft.media != EVENT_STREAM:
        return media.schema is None or media.schema.is_valid(draft.value)
    text = "".join(event_text(event) for event in draft.value)
    events = media.item_schema is None or all(media.item_schema.is_valid(event) for event in draft.value)
    return events and (media.schema is None or media.schema.is_valid(text))


@lru_cache(maxsize=128)
def _traits(operation: Operation, *, title_call: bool) -> Traits:
    reply = operation.reply(operation.success)
    schemas = [each for media in (reply.media if reply else ()) for each in (media.schema, media.item_schema) if each]
    known = {name for schema in schemas for name in _properties(schema, schema.pointer)}
    return Traits(
        "shared_access" in known,
        "skipped_index_ids" in known,
        title_call,
        any(media.type == EVENT_STREAM for media in (reply.media if reply else ())),
    )


def _properties(schema: Schema, pointer: str, depth: int = 3) -> Iterable[str]:
    """Name the properties of a schema, of the branches of its unions, and of the items of its lists."""
    pointer, node = resolve(schema.document, pointer)
    if not isinstance(node, dict) or depth == 0:
        return
    for name, below in node.get("properties", {}).items():
        yield name
        if isinstance(below, dict) and "items" in below:
            yield from _properties(schema, join(pointer, "properties", name, "items"), depth - 1)
    for index in range(len(node.get("oneOf", ()))):
        yield from _properties(schema, join(pointer, "oneOf", index), depth - 1)


_NEW = Session("ses-abc123", "2026-04-22T12:34:41.342245")
_RUN = _NEW._replace(title="title", job_metadata=job_metadata(stopped([], "x", Random(0)), ["idx-abc123"]))
_SESSIONS = (_NEW, _NEW._replace(title="title"), _RUN, _NEW._replace(index_ids=["idx-abc123"]))
"""Sessions as they come to be, which an operation must be able to tell."""

_TAKEN: Mapping[Play, tuple[Sequence[Json], Sequence[Json]]] = {
    create: ([{}, {"index_ids": ["idx-abc123"]}], [{"index_ids": 5}, {"index_ids": [5]}]),
    set_title: ([{"first_message": "x"}], [{}, {"first_message": 5}, {"first_message": None}]),
    stream: (
        [{"index_ids": ["idx-abc123"], "prompt": "x"}],
        [
            {},
            {"prompt": "x"},
            {"index_ids": ["a"]},
            {"index_ids": ["a"], "prompt": None},
            *({"index_ids": wrong, "prompt": "x"} for wrong in (5, [5], None)),
        ],
    ),
}
"""Bodies that an operation takes, and others that it does not, where it takes any."""


def _fits(play: Play, operation: Operation, world: World) -> bool:
    """Say whether an operation of a user's contract takes and gives what the chat API's does."""
    body, reply, traits = operation.body, operation.reply(operation.success), world.traits[operation]
    taken, refused = _TAKEN.get(play, ((), ()))
    if reply is None or any(name != "session_id" for name in operation.names):
        return False
    if taken and (body is None or not body.required) and play is not create:
        return False
    if body is not None and [body.schema.is_valid(each) for each in (*taken, *refused)] != (
        [True] * len(taken) + [False] * len(refused)
    ):
        return False
    media = reply.preferred
    if play is delete or media is None:
        return play is delete and media is None
    if play is stream and traits.streams and world.streams:
        events = said("x", ["idx-abc123"], Random(0))
        events.append(stopped(events, "x", Random(0)))
        return media.item_schema is None or all(media.item_schema.is_valid(event) for event in events)
    if play is stream:
        plain = [each for each in reply.media if each.type != EVENT_STREAM]
        return bool(plain) and (plain[0].schema is None or plain[0].schema.is_valid({}))
    return media.schema is not None and all(media.schema.is_valid(value) for value in _values(play, traits))


def _values(play: Play, traits: Traits) -> Iterable[Json]:
    """Give answers of an operation, as it plays them."""
    for session in _SESSIONS:
        told = summary(session, traits)
        if play is retrieve:
            yield {**told, "events": []}
            yield {
                **told,
                "events": remembered("x", [*said("x", ["idx-abc123"], Random(0)), stopped([], "x", Random(0))]),
            }
        elif play is list_sessions:
            yield {"items": [told]}
            yield {"items": [told, told], "next_page_token": "x"}
        elif play is set_title and session.title is None:
            continue
        else:
            yield told
    if play is list_sessions:
        yield {"items": []}
