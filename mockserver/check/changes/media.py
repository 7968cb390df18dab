"""Which media types of two descriptions stand for each other: parameters, ranges and structured suffixes."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from mockserver.contract.tree import join


class NamedMedia(NamedTuple):
    """A media type as a document names it: its place, its type and subtype, and its parameters but for charset."""

    pointer: str
    name: str
    essence: str
    parameters: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.pointer)


NO_MEDIA = NamedMedia("", "", "", ())


def named_media(pointer: str, names: Mapping[str, object]) -> dict[str, NamedMedia]:
    """Return the media types of a place by what they are known by: without parameters, where that is clear."""
    found = []
    for name in names:
        essence, *parameters = (part.strip() for part in name.lower().split(";"))
        kept = tuple(sorted(each for each in parameters if each and not each.startswith("charset")))
        found.append(NamedMedia(join(pointer, "content", name), name, essence, kept))
    often = Counter(each.essence for each in found)
    return {
        each.essence if often[each.essence] == 1 else "; ".join((each.essence, *each.parameters)): each
        for each in found
    }


class Link(NamedTuple):
    """A media type of A and one of B, of which one is a case of the other."""

    one: NamedMedia
    other: NamedMedia
    is_narrower: bool
    """Whether that of B is the narrower."""
    is_suffix: bool
    """Whether they have only the syntax in common: application/json and application/problem+json."""


def links(ours: Mapping[str, NamedMedia], theirs: Mapping[str, NamedMedia]) -> list[Link]:
    """List which media types that only one of two has are cases of others, or have them as cases."""
    found = []
    for name, one in ours.items():
        for key, other in theirs.items():
            if (name in theirs and key in ours) or name == key:
                continue
            narrower, wider = covers(one, other), covers(other, one)
            if narrower or wider:
                found.append(Link(one, other, bool(narrower), "suffix" in (narrower, wider)))
    return found


def covers(wide: NamedMedia, narrow: NamedMedia) -> str:
    """Return how one media type contains another: "range", "suffix", or "" if it does not."""
    if wide.essence == narrow.essence:
        return "range" if not wide.parameters and narrow.parameters else ""
    main, _, sub = wide.essence.partition("/")
    other, _, below = narrow.essence.partition("/")
    if wide.essence == "*/*" or (sub == "*" and main == other):
        return "range"
    return "suffix" if main == other and below.endswith(f"+{sub}") else ""
