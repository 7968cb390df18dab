"""The settings that the served mock is checked under: their values, what makes no sense, and a choice of them."""

import json
from collections.abc import Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from random import Random
from typing import Any, NamedTuple, TypeVar

from mockserver.apis.llamacloud_chat.pack import VERSIONS
from mockserver.settings import SOURCES
from tests.strategies import ROOT

Row = TypeVar("Row", bound=tuple[Any, ...])

ORDER = 36
"""Decides between rows that are equally good: of four hundred, it gives the fewest, one for each source and era."""

KEY = "right-key"
"""The one right key, where there is one."""


class Configuration(NamedTuple):
    """One way to serve; each field is a name of `FACTORS`, with one of its values."""

    source: str
    era: str
    store: str
    stream: str
    workers: str
    key: str
    requests: str

    def __str__(self) -> str:
        return "-".join(self)


FACTORS: Mapping[str, Sequence[str]] = {
    "source": SOURCES,
    "era": ("auto", *VERSIONS),
    "store": ("memory", "sqlite", "redis"),
    "stream": ("sse", "json"),
    "workers": ("1", "2"),
    "key": ("any", "one"),
    "requests": ("lax", "strict"),
}
"""Every setting that changes what is answered, with its values; the first one is the default."""

STRICT = ("--unknown-sessions", "404", "--locked-status", "409", "--strict")
"""What `requests: strict` adds to the command."""

SENSELESS: Sequence[tuple[Mapping[str, str], str]] = (
    (
        {"store": "memory", "workers": "2"},
        "two processes share no memory, and the command says so instead of serving",
    ),
)
"""Values that make no sense together, and why."""

STATELESS: Mapping[str, str] = {
    "canned": "a fixture tells of the session that is written in it, whatever was created",
    "documented": "an example tells of the session that is written in it, whatever was created",
    "generated": "a value is made up for each request, whatever was asked before",
}
"""The sources of answers that the rules of state and meaning are not meant for, and why; those of shape hold."""

ASKED: Mapping[str, Sequence[str]] = {
    "reading": ("list", "retrieve", "get_summary"),
    "changing": ("create", "set_title", "delete"),
    "talking": ("stream",),
}
"""The operations in three parts: where a little must do, one part of them is asked."""

UNRULED: Mapping[str, frozenset[str]] = {
    "auto": frozenset({"first-turn-titles"}),
    "2.6": frozenset({"first-turn-titles", "access-as-asked"}),
    "2.8": frozenset(
        {
            *("access-as-asked", "long-text-is-taken"),
            *("title-is-kept", "title-follows-message", "title-changes-only-the-title"),
        }
    ),
    "2.17": frozenset({"long-text-is-taken", "title-is-kept", "title-follows-message", "title-changes-only-the-title"}),
}
"""The rules of state that have nothing to look at: a call for titles, or shared access, is not in that era."""


def sensible(values: Sequence[str]) -> bool:
    """Say whether these values, one of each factor in their order, make sense together."""
    said = dict(zip(FACTORS, values, strict=True)).items()
    return not any(wrong.items() <= said for wrong, _ in SENSELESS)


def grid() -> list[Configuration]:
    """Give every configuration that makes sense."""
    return [Configuration(*values) for values in product(*FACTORS.values()) if sensible(values)]


def covering(rows: Sequence[Row], strength: int) -> list[Row]:
    """Choose a few rows that have every combination of so many values that any row has; always the same ones.

    The next one is always one that has most of what is still lacking. Libraries for it stop too early where some
    combinations are excluded.
    """
    has = {row: frozenset(combinations(enumerate(row), strength)) for row in Random(ORDER).sample(rows, len(rows))}
    lacking: frozenset[Any] = frozenset().union(*has.values())
    chosen: list[Row] = []
    while lacking:
        best = max(has, key=lambda row: len(has[row] & lacking))
        chosen.append(best)
        lacking -= has[best]
    return chosen


def arguments(chosen: Configuration, folder: Path, redis: str) -> list[str]:
    """Give the options of `mockserver serve` for a configuration; what it writes and reads is in `folder`."""
    stores = {"memory": "memory://", "sqlite": f"sqlite:///{folder / 'sessions.db'}", "redis": redis}
    made = ["--seed", "1", "--contract", chosen.era, "--answers", chosen.source, "--store", stores[chosen.store]]
    made += ["--stream", chosen.stream, "--workers", chosen.workers]
    if chosen.key == "one":
        made += ["--api-key", KEY]
    if chosen.requests == "strict":
        made += STRICT
    if chosen.source == "canned":
        made += ["--fixtures", str(hurried(folder / "fixtures"))]
    return made


def hurried(folder: Path) -> Path:
    """Write the bundled turns without their pauses, which would cost a minute, into a folder of fixtures."""
    (folder / "stream").mkdir(parents=True)
    for path in (ROOT / "fixtures" / "llamacloud-chat" / "stream").glob("200.*.json"):
        turn = [{**step, "after_ms": 0} for step in json.loads(path.read_text("utf-8"))]
        (folder / "stream" / path.name).write_text(json.dumps(turn), "utf-8")
    return folder
