"""What fills in a canned answer that is a template: the values of one call."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from mockserver.api import Call
from mockserver.messages import Json


class Filling(NamedTuple):
    """The values that a template may ask for."""

    call: Call
    at: int
    """The time of the mock's clock, in nanoseconds since 1970."""
    record: Callable[[], Json]
    """Returns the kept item that the path names; None if there is none."""
    chance: Callable[[], Random]
    """Returns the random source of this answer."""
    locale: str
    """The language of Faker's words."""


@dataclass(frozen=True, slots=True)
class Template:
    """A canned answer whose texts are filled in for each call."""

    file: str
    fill: Callable[[Filling], Json]
    """Returns the answer; a FixtureError says where in the file it fails, and why."""


def no_record(_: Call) -> Json:
    """Return that no item is kept."""
    return None
