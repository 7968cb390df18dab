"""The chat-session resource, simulated over a store."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias

from mockserver.answers import Draft, Simulation
from mockserver.clock import Clock
from mockserver.contract import Operation
from mockserver.exchange import Json
from mockserver.stores import MemoryStore, Session
from mockserver.validate import Call


@dataclass(frozen=True, slots=True)
class World:
    """What a simulation plays in: the store, the clock (gives the time now as a timestamp), the title's length."""

    store: MemoryStore
    clock: Clock
    title_length: int


Play: TypeAlias = Callable[[World, Call], Draft]
"""A function that plays one operation in a world."""


def title_of(message: str, length: int) -> str:
    """Make a title: the first `length` characters of the message and three dots, cut or not.

    Source: docs/upstream.md, "Title rule".
    """
    return message[:length] + "..."


def set_title(world: World, call: Call) -> Draft:
    """Give a session its title from its first message."""
    title = title_of(call.body["first_message"], world.title_length)
    session = world.store.set_title(call.request.scope, call.path["session_id"], title, world.clock())
    return Draft(call.operation.success, summary(session), source="simulated")


def summary(session: Session) -> Json:
    """Write a session's summary in upstream's order. Source: docs/upstream.md, "Wire form"."""
    return {
        "session_id": session.id,
        "generated_title": session.title,
        "last_updated_at": session.updated_at,
        "job_metadata": session.job_metadata,
        "index_ids": session.index_ids,
    }


_ROUTES: Mapping[tuple[str, str], Play] = {
    ("POST", "/api/v1/chat/{session_id}/title"): set_title,
}


def _is_title_call(operation: Operation) -> bool:
    """Say whether an operation of a user's contract takes and gives what the title call does."""
    reply = operation.reply(operation.success)
    media = reply.preferred if reply is not None else None
    if operation.body is None or media is None or media.schema is None or operation.names != ("session_id",):
        return False
    told = summary(Session("ses-abc123", "2026-04-22T12:34:41.342245", "title"))
    takes = [operation.body.schema.is_valid(body) for body in ({"first_message": "x"}, {}, {"first_message": 5})]
    return operation.body.required and takes == [True, False, False] and media.schema.is_valid(told)


def simulations(operations: Iterable[Operation], world: World, *, bundled: bool) -> dict[Operation, Simulation]:
    """Give, for each operation that is played, known by its method and path, the function that plays it.

    In a contract of the user's own only what takes and gives the same is played.
    """
    found: dict[Operation, Simulation] = {}
    for operation in operations:
        play = _ROUTES.get((operation.method, operation.path))
        if play is not None and (bundled or _is_title_call(operation)):
            found[operation] = partial(play, world)
    return found
