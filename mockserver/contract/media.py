"""Media types: read, compared and chosen by RFC 9110."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple, TypeAlias

Holds: TypeAlias = Literal["data", "text", "bytes"]
"""What a schema describes: values of JSON, texts alone, or bytes."""

MediaKind: TypeAlias = Literal[
    "json", "events", "lines", "xml", "form", "multipart", "csv", "yaml", "text", "binary", "other"
]
"""How the values of a media type are written."""

LONGEST = 4_096
"""The longest Accept field that is read, in characters."""

_PART = re.compile(r"""((?:[^",;]|"(?:[^"\\]|\\.)*"?)*)([,;]|$)""", re.DOTALL)

_LINES = frozenset(
    "application/x-ndjson application/ndjson application/jsonl application/x-jsonlines application/jsonlines "
    "application/json-lines application/stream+json application/json-seq".split()
)
"""The media types of a sequence of JSON values."""

_TEXTS = frozenset(
    "application/javascript application/ecmascript application/graphql application/sql application/jwt "
    "application/toml application/x-sh application/x-pem-file application/jose application/pgp-signature".split()
)
_YAML = frozenset("application/yaml application/x-yaml text/yaml text/x-yaml application/vnd.yaml".split())

_XML = {"application/xml", "text/xml"}
"""Two names of one type (RFC 7303)."""

_CONCRETE: Mapping[str, str] = {
    "text": "text/plain",
    "image": "image/png",
    "audio": "audio/wav",
    "video": "video/mp4",
    "font": "font/woff2",
    "multipart": "multipart/form-data",
}
"""The type that stands for a range, where nobody asks for another."""


class MediaType(NamedTuple):
    """A media type or a range of them, in lower case, with its parameters."""

    main: str
    sub: str
    parameters: tuple[tuple[str, str], ...] = ()

    @property
    def essence(self) -> str:
        """The type without its parameters."""
        return f"{self.main}/{self.sub}" if self.sub else self.main

    @property
    def is_range(self) -> bool:
        """Whether it stands for many types."""
        return "*" in self.main or "*" in self.sub


class Negotiated(NamedTuple):
    """The chosen one of some declared types: its place among them, and the concrete type."""

    place: int
    type: str


class _Wish(NamedTuple):
    """One range of an Accept field, with its quality and its place in the field."""

    range: MediaType
    quality: float
    place: int


@lru_cache(maxsize=1_024)
def read(text: str) -> MediaType:
    """Read a media type."""
    return next(iter(_read_list(text)), MediaType("", ""))


def _read_list(text: str) -> Iterator[MediaType]:
    """Read media types that are separated by commas."""
    parts: list[str] = []
    for match in _PART.finditer(text):
        parts.append(match[1].strip())
        if match[2] != ";":
            if parts[0]:
                main, _, sub = parts[0].lower().partition("/")
                pairs = [part.partition("=") for part in parts[1:] if part]
                known = [(name.strip().lower(), _unquoted(value.strip())) for name, _, value in pairs]
                yield MediaType(main.strip(), sub.strip() or ("*" if main.strip() == "*" else ""), tuple(known))
            parts = []


def _unquoted(value: str) -> str:
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if len(value) > 1 and value[0] == value[-1] == '"' else value


def covers(wide: MediaType, narrow: MediaType) -> bool:
    """Return whether a media type or range covers another; parameters do not count."""
    if {wide.essence, narrow.essence} == _XML:
        return True
    if wide.main not in ("*", narrow.main):
        return False
    prefix, star, suffix = wide.sub.partition("*")
    if not star:
        return wide.sub == narrow.sub
    return narrow.sub.startswith(prefix) and narrow.sub.endswith(suffix)


def _rank(wide: MediaType, narrow: MediaType) -> int:
    """Return how exactly a range names a type: 0 for */*, 1 for type/*, 2 for the type, 3 with its parameters."""
    if wide.main == "*":
        return 0
    if wide.is_range:
        return 1
    own = {(name, value.lower()) for name, value in narrow.parameters}
    return 3 if wide.parameters and {(name, value.lower()) for name, value in wide.parameters} <= own else 2


def declared_index(declared: Sequence[str], sent: str) -> int | None:
    """Return which of some declared types or ranges describes a type: the most exact one; None if none does."""
    if sent in declared:
        return declared.index(sent)
    own = read(sent)
    ranked = [(_rank(each, own), index) for index, each in enumerate(map(read, declared)) if covers(each, own)]
    return max(ranked, key=lambda each: (each[0], -each[1]))[1] if ranked else None


def choose(declared: Sequence[str], accept: str | None, *, holds: Sequence[Holds] = ()) -> Negotiated | None:
    """Choose a type among declared ones, the most preferred first, by an Accept field.

    `holds` says what each describes: any type can carry texts and bytes. None if nothing declared is acceptable.
    """
    wishes = () if accept is None else _wishes(accept[:LONGEST])
    found: list[tuple[tuple[float, int, int, int], Negotiated]] = []
    for index, each in enumerate(declared):
        for candidate in _candidates(each, wishes, holds[index] if holds else "data"):
            own = read(candidate)
            quality, rank, place = _quality(own, wishes)
            if quality > 0:
                found.append(((quality, rank, -place, -index), Negotiated(index, candidate)))
    return max(found, key=lambda each: each[0])[1] if found else None


def _candidates(declared: str, wishes: Iterable[_Wish], holds: Holds) -> Iterator[str]:
    """Yield the concrete types that a declared type stands for: itself, or for a range those that are wished for."""
    own = read(declared)
    if not own.is_range:
        yield declared
        return
    for wish in wishes:
        narrow = wish.range
        if narrow.is_range and covers(own, narrow):
            yield concrete(narrow.essence, holds)
        elif covers(own, narrow) and (holds != "data" or kind_of(narrow) in ("json", "xml")):
            yield narrow.essence
    yield concrete(declared, holds)


def concrete(declared: str, holds: Holds = "data") -> str:
    """Return a type that stands for a declared range; any other is returned as it is."""
    own = read(declared)
    if not own.is_range:
        return declared
    if own.main in ("*", "application") and own.sub == "*":
        return "application/octet-stream" if holds == "bytes" else "application/json"
    return _CONCRETE.get(own.main, "application/octet-stream") if own.sub == "*" else own.essence.replace("*", "x")


@lru_cache(maxsize=1_024)
def _wishes(accept: str) -> tuple[_Wish, ...]:
    """Read an Accept field. An unreadable quality counts as 1."""
    found = []
    for place, each in enumerate(_read_list(accept)):
        names = [name for name, _ in each.parameters]
        cut = names.index("q") if "q" in names else len(names)  # what follows the quality is not of the type
        quality = each.parameters[cut][1] if cut < len(names) else "1"
        known = re.fullmatch(r"(0(\.\d{0,3})?|1(\.0{0,3})?)", quality)
        wished = MediaType(each.main, each.sub, each.parameters[:cut])
        found.append(_Wish(wished, float(quality) if known else 1.0, place))
    return tuple(found)


def _quality(own: MediaType, wishes: Sequence[_Wish]) -> tuple[float, int, int]:
    """Return how much a type is wished for, how exactly, and by which place of the field."""
    if not wishes:
        return 1.0, 0, 0
    ranked = [(_rank(wish.range, own), -wish.place, wish.quality) for wish in wishes if covers(wish.range, own)]
    if not ranked:
        return 0.0, 0, 0
    rank, place, quality = max(ranked)
    return quality, rank, -place


def kind_of(media: MediaType) -> MediaKind:
    """Return how the values of a media type are written."""
    main, sub, essence = media.main, media.sub, media.essence
    if main in ("image", "audio", "video", "font") or essence in _BINARY:
        return "binary"
    if essence == "text/event-stream":
        return "events"
    if essence in _LINES or sub.endswith("+json-seq"):
        return "lines"
    if sub == "json" or sub.endswith("+json"):
        return "json"
    if essence in _XML or sub.endswith("+xml"):
        return "xml"
    if essence == "application/x-www-form-urlencoded":
        return "form"
    if main == "multipart":
        return "multipart"
    if essence in _YAML or sub.endswith("+yaml"):
        return "yaml"
    if main == "text" or essence in _TEXTS:
        return "csv" if essence == "text/csv" else "text"
    return "other"


_BINARY = frozenset(
    "application/octet-stream application/pdf application/zip application/gzip application/x-gzip application/x-tar "
    "application/wasm application/msword application/vnd.ms-excel application/x-protobuf application/protobuf".split()
)
