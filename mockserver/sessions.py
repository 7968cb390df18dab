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


def simulations(operations: Iterable[Operation], world: World) -> dict[Operation, Simulation]:
    """Give, for each operation that is played, known by its method and path, the function that plays it."""
    found: dict[Operation, Simulation] = {}
    for operation in operations:
        play = _ROUTES.get((operation.method, operation.path))
        if play is not None:
            found[operation] = partial(play, world)
    return found
