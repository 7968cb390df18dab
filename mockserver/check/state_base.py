"""What the rules of state and meaning stand on: their table, and what several of them do."""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeAlias

from mockserver.check.rules import Broken, Seen
from mockserver.check.world import MESSAGE, World
from mockserver.exchange import Json
from mockserver.schema import join

REPEATS = 30
"""How often a call is repeated, in search of faults that show only sometimes."""

AT_ONCE = 16
"""How many calls are made at once."""

MOST_PAGES = 300
"""How many pages of a list are read."""

INDEX, OTHER = "idx-check-1", "idx-check-2"
FIELDS = ("session_id", "generated_title", "last_updated_at", "job_metadata", "index_ids", "shared_access")
READERS = ("get_summary", "retrieve", "list")

LookAtState: TypeAlias = Callable[[World], Iterator[Broken]]


class StateRule(NamedTuple):
    """A rule of state: its name, its sentence, the operation it is told under, and what looks."""

    name: str
    sentence: str
    operation: str
    look: LookAtState


STATE: dict[str, StateRule] = {}
"""The rules of state, by name."""


def state_rule(name: str, operation: str) -> Callable[[LookAtState], LookAtState]:
    """Make a function a rule of state; the first line of its docstring is its sentence."""

    def add(look: LookAtState) -> LookAtState:
        STATE[name] = StateRule(name, (look.__doc__ or "").strip().splitlines()[0], operation, look)
        return look

    return add


def readings(world: World, session_id: str) -> Iterator[tuple[str, Json]]:
    """Give a session as each operation that reads has it."""
    for play in READERS:
        if not world.can(play):
            continue
        if play == "list":
            yield play, world.listed(session_id)
        else:
            seen = world.call(play, session_id)
            yield play, seen.value if seen.is_success else None


def differing(world: World, session_id: str, expected: dict[str, Json]) -> Iterator[Broken]:
    """Tell where a reader has another value of a field than expected."""
    for play, value in readings(world, session_id):
        if not isinstance(value, dict):
            yield Broken(f"{play} does not know the session", f"/response/{play}", "the session", value)
            continue
        for name, wanted in expected.items():
            if value.get(name) != wanted:
                message = f"{play} has another {name} than was written"
                yield Broken(message, join("/response", play, name), wanted, value.get(name))


def turn(world: World, session_id: str, prompt: str = MESSAGE) -> Seen:
    """Play a turn."""
    return world.call("stream", session_id, {"index_ids": [INDEX], "prompt": prompt})


def unit(told: str) -> float:
    """Give the least by which a time in ISO 8601 can move, in seconds: it is told in so many digits."""
    fraction = re.search(r":[0-9]{2}\.([0-9]+)", told)
    return 10.0 ** -len(fraction[1]) if fraction else 1.0
