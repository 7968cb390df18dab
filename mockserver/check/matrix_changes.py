"""What changed from one release to the next: in what it says of itself, and in what it does."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from mockserver.check.client_report import Answer, gathered
from mockserver.check.client_result import Place, verdict_of
from mockserver.check.matrix import Row
from mockserver.exchange import Json

SAYS, DOES = "says", "does"


class Change(NamedTuple):
    """One change; `seen` is whether the release says it of itself, or does it."""

    release: str
    seen: str
    text: str


def changes(rows: Sequence[Row]) -> list[Change]:
    """Compare each release with the one before it."""
    there = [row for row in rows if row.unavailable is None]
    found: list[Change] = []
    for before, after in pairwise(there):
        found += [Change(after.release, SAYS, text) for text in said(before.surface, after.surface)]
        found += [Change(after.release, DOES, text) for text in done(before, after)]
    return found


# -- what a release says of itself -----------------------------------------------------------------------------------


def said(before: Json, after: Json) -> Iterator[str]:
    """Tell what changed between two descriptions."""
    old, new = before["doors"], after["doors"]
    for door in new.keys() - old.keys():
        yield f"the resource {door} is new, with {', '.join(new[door]['methods'])}"
    for door in old.keys() - new.keys():
        yield f"the resource {door} is gone"
    for door in (door for door in new if door in old):
        yield from _methods(door, old[door]["methods"], new[door]["methods"])
        yield from _models(door, old[door]["models"], new[door]["models"])


def _methods(door: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[str]:
    yield from (f"{door}: the method {name} is new" for name in new if name not in old)
    yield from (f"{door}: the method {name} is gone" for name in old if name not in new)
    both = [name for name in new if name in old]
    deprecated: dict[str, list[str]] = {}
    for name in both:
        yield from _parameters(f"{door}.{name}", old[name]["parameters"], new[name]["parameters"])
        if old[name]["returns"] != new[name]["returns"]:
            yield f"{door}.{name} gives {new[name]['returns']}, before {old[name]['returns']}"
        if new[name]["deprecated"] != old[name]["deprecated"]:
            deprecated.setdefault(new[name]["deprecated"] or "", []).append(name)
    for text, names in deprecated.items():
        which = "every method" if len(names) == len(new) else ", ".join(names)
        yield f"{door}: {which} is {f'deprecated: {text}' if text else 'deprecated no more'}"


def _parameters(place: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[str]:
    for name, each in new.items():
        if name not in old:
            yield f"{place}: the {_need(each)} parameter {name} is new"
        elif each["required"] != old[name]["required"]:
            yield f"{place}: the parameter {name} is {_need(each)} now"
        elif each["type"] != old[name]["type"]:
            yield f"{place}: the parameter {name} is {each['type']}, before {old[name]['type']}"
    yield from (f"{place}: the parameter {name} is gone" for name in old if name not in new)


def _need(each: Json) -> str:
    return "required" if each["required"] else "optional"


def _models(door: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[str]:
    yield from (f"{door}: the model {name} is new" for name in new if name not in old)
    yield from (f"{door}: the model {name} is gone" for name in old if name not in new)
    found: dict[str, list[str]] = {}
    for name in (name for name in new if name in old):
        for text in _fields(old[name], new[name]):
            found.setdefault(text, []).append(name)
    for text, names in found.items():
        yield f"{door}: {text} in {', '.join(names)}"


def _fields(old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[str]:
    for name, each in new.items():
        if name not in old:
            yield f"the {_need(each)} field {name} is new"
        elif each["required"] != old[name]["required"]:
            yield f"the field {name} is {_need(each)} now"
        elif each["type"] != old[name]["type"]:
            if sorted(_parts(each["type"])) == sorted(_parts(old[name]["type"])):
                first, last = _parts(each["type"])[0], _parts(old[name]["type"])[0]
                yield f"the classes of {name} are in another order, with {first} before {last},"
            else:
                yield f"the field {name} is {each['type']}, before {old[name]['type']},"
    yield from (f"the field {name} is gone" for name in old if name not in new)


def _parts(text: str) -> list[str]:
    """Give the names in a type, without those that hold the others."""
    return [name for name in re.findall(r"\w+(?!\w*\[)", text) if name]


# -- what it does ----------------------------------------------------------------------------------------------------


def done(before: Row, after: Row) -> Iterator[str]:
    """Tell what changed in what two releases did against their own contracts."""
    if before.own is None or after.own is None:
        return
    yield from _verdicts(before, after)
    yield from _warnings(before.own.warnings, after.own.warnings)
    yield from _looked(gathered(before.own.looked), gathered(after.own.looked))


def _verdicts(before: Row, after: Row) -> Iterator[str]:
    if before.own is None or after.own is None:
        return
    for key, tally in after.own.tallies.items():
        old = before.own.tallies.get(key)
        if old is not None and verdict_of(old) != verdict_of(tally):
            place, kind = key
            yield f"{place}: {kind} is {verdict_of(tally)}, before {verdict_of(old)}"


def _warnings(old: Mapping[Place, set[str]], new: Mapping[Place, set[str]]) -> Iterator[str]:
    found: dict[str, list[Place]] = {}
    for place, texts in new.items():
        for text in texts - old.get(place, set()) if place in old else ():
            found.setdefault(text, []).append(place)
    for text, places in found.items():
        yield f"{_told(places)}: calls warn: {text}"


def _looked(old: Mapping[Answer, tuple[str, str]], new: Mapping[Answer, tuple[str, str]]) -> Iterator[str]:
    """Tell what becomes of answers outside the contract, where that is another; alike ones together."""
    found: dict[tuple[str, str, str, str], list[Place]] = {}
    for (what, spot), texts in new.items():
        earlier = old.get((what, spot), texts)
        for kind, was, now in zip(("loose", "strict"), earlier, texts, strict=True):
            if was != now:
                found.setdefault((what, kind, was, now), []).append(spot.place)
    for (what, kind, was, now), places in found.items():
        yield f"{_told(places)}: {what} becomes {now} in a {kind} client, before {was}"


def _told(places: Sequence[Place]) -> str:
    found = list(dict.fromkeys(map(str, places)))
    return ", ".join(found[:2]) + (f" and {len(found) - 2} more" if len(found) > 2 else "")
