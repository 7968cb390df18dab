"""Matches requests by expected parts: a request matches if it does not differ from them."""

import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import parse_qsl

from mockserver.contract.resolved import is_same
from mockserver.contract.tree import join
from mockserver.errors import StubError, suggestion
from mockserver.messages import Json, RawHeaders

PARTS = ("path", "query", "headers", "body")
"""The parts of a request that can be matched."""

RESPONSE_KEYS = (
    "status example dynamic seed body partial headers retry_after retry_after_ms should_retry delay faults times "
    "invalid extra answer callbacks".split()
)
"""The keys of a stubbed response."""

ANY = "*"
"""Stands for every operation."""

LONGEST_PATTERN = 1_000
"""Longest regular expression, in characters."""

DEEPEST = 100
"""How deeply an expected value may be nested."""

_SHOWN = 200

When: TypeAlias = Mapping[str, Any]
"""The expected values of a request, by part.

A dict requires its keys and allows others, a list requires its items, any other value requires equality.
{"$regex": "..."} requires a text that contains a match, {"$absent": true} that the part is missing.
Path, query and headers are dicts of names; other names that a client sends do not matter.
In Python, a value may also be a compiled pattern or a function.
"""


class Fields(NamedTuple):
    """The names that the requests of an operation may use, by part."""

    path: frozenset[str] = frozenset()
    query: frozenset[str] = frozenset()
    headers: frozenset[str] = frozenset()
    body: frozenset[str] = frozenset()


class OperationFields(Mapping[str, Fields]):
    """The names that the requests of each operation may use, by its id; each is read when it is first asked for."""

    def __init__(self, read: Callable[[str], Fields], places: Mapping[str, Iterable[str]]) -> None:
        self._read, self._made = read, dict[str, Fields | None](dict.fromkeys(places))
        self._ids = {place: name for name, each in places.items() for place in each}

    def __getitem__(self, name: str) -> Fields:
        made = self._made[name]
        if made is None:
            made = self._made[name] = self._read(name)
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(self._made)

    def __len__(self) -> int:
        return len(self._made)

    def __contains__(self, name: object) -> bool:
        return name in self._made

    def id_of(self, name: str) -> str:
        """Return the id of an operation that may be named by its method and path, too: `GET /things/{id}`."""
        method, _, path = name.partition(" ")
        return name if name in self._made else self._ids.get(f"{method.upper()} {path}", name)


class Parts(NamedTuple):
    """A request, split into parts: path and query values as text, header names in lower case, the body decoded.

    A body that is not JSON is a text; no body is None.
    """

    path: Mapping[str, Json]
    query: Mapping[str, Json]
    headers: Mapping[str, Json]
    body: Json


class Difference(NamedTuple):
    """One place in which a request differs from what is expected."""

    where: str
    expected: str
    received: str

    def __str__(self) -> str:
        return f"{self.where}: expected {self.expected}, received {self.received}"


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


NOTHING = _Nothing()
"""Stands for a missing value."""


def parts_of(path: Mapping[str, Json], query: str, headers: RawHeaders, body: bytes) -> Parts:
    """Split a request into parts; `query` is percent-encoded."""
    named: dict[str, Json] = {}
    for name, value in headers:
        named.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return Parts(path, dict(parse_qsl(query, keep_blank_values=True)), named, _decoded(body))


def _decoded(body: bytes) -> Json:
    try:
        return json.loads(body) if body else None
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def read_when(operation: str, given: Mapping[str, Any], known: Mapping[str, Fields]) -> When:
    """Sort expected values into parts; a StubError names what no request of the operation can have.

    Besides parts, the name of a parameter or of a field of the body can be used directly: {"name": "x"} is
    {"body": {"name": "x"}}.
    """
    if operation != ANY and operation not in known:
        fix = suggestion(operation, known, f"there are {', '.join(sorted(known))}, and *")
        raise StubError(f"there is no operation {operation!r}", fix=fix)
    fields = known.get(operation, Fields())
    made: dict[str, Any] = {}
    for name, value in given.items():
        if name in PARTS:
            _add(made, name, value)
        else:
            _add(made, _part_of(operation, name, fields), {name: value})
    for part, value in made.items():
        if part == "body":
            _check(value, "/body")
        else:
            _check_names(operation, part, value, getattr(fields, part))
    return made


def _add(made: dict[str, Any], part: str, value: Any) -> None:
    if part == "headers" and isinstance(value, Mapping):
        value = {str(name).lower(): each for name, each in value.items()}
    if part != "body" and not isinstance(value, Mapping):
        raise StubError(f"the {part} of a request are names and values", why=f"{value!r} is none", fix="write a dict")
    both = isinstance(value, Mapping) and isinstance(made.get(part), Mapping)
    made[part] = {**made[part], **value} if both else value


def _part_of(operation: str, name: str, fields: Fields) -> str:
    for part in ("path", "query", "body", "headers"):
        if name in getattr(fields, part):
            return part
    names = sorted(fields.path | fields.query | fields.headers | fields.body)
    what = "any operation" if operation == ANY else operation
    others = f"it has {', '.join(names)}; other parts are {', '.join(PARTS)}" if names else f"use {', '.join(PARTS)}"
    raise StubError(
        f"a request of {what} has no {name!r}", fix=suggestion(name, [*names, *RESPONSE_KEYS, *PARTS], others)
    )


def _check_names(operation: str, part: str, value: Mapping[str, Any], known: frozenset[str]) -> None:
    for name, below in value.items():
        if name in _MATCHERS:
            raise StubError(f"{name} stands for one value, not for all of the {part}", fix="name what is meant")
        if part != "headers" and operation != ANY and name not in known:
            has = ", ".join(sorted(known)) or "none"
            fix = suggestion(name, known, f"it has {has}")
            raise StubError(f"the {part} of {operation} has no {name!r}", fix=fix)
        _check(below, join("", part, name))


def _check(value: Any, where: str, depth: int = 0) -> None:
    """Reject invalid expectations."""
    if depth > DEEPEST:
        raise StubError(f"what is expected is nested deeper than {DEEPEST} levels")
    if isinstance(value, Mapping):
        if any(isinstance(key, str) and key.startswith("$") for key in value):
            _check_word(value, where)
            return
        for key, below in value.items():
            _check(below, join(where, key), depth + 1)
    elif isinstance(value, list | tuple):
        for index, below in enumerate(value):
            _check(below, join(where, index), depth + 1)
    elif isinstance(value, re.Pattern) and isinstance(value.pattern, bytes):
        raise StubError("a pattern of bytes never matches a text", where=where, fix="write it as a text")
    elif isinstance(value, float) and not math.isfinite(value):
        raise StubError(f"{value} is not a JSON number", where=where)


def _check_word(value: Mapping[str, Any], where: str) -> None:
    ((word, given), *more) = value.items()
    if more or word not in _MATCHERS:
        raise StubError("a matcher cannot be read", where=where, why=f"it says {dict(value)!r}", fix=_WORDS)
    if word == "$absent" and given is not True:
        raise StubError("$absent is true or left out", where=where, fix=_WORDS)
    if word == "$regex":
        if not isinstance(given, str) or len(given) > LONGEST_PATTERN:
            raise StubError(f"$regex is a text of at most {LONGEST_PATTERN} characters", where=where, fix=_WORDS)
        try:
            _finder(given)
        except ValueError as error:
            raise StubError(
                f"{given!r} is no regular expression that can be used",
                where=where,
                fix="correct it; look-around and back-references are not supported, since they can run forever",
            ) from error


_MATCHERS = ("$regex", "$absent")
_WORDS = 'the matchers are {"$regex": "..."} and {"$absent": true}'


@lru_cache(maxsize=256)
def _finder(pattern: str) -> Callable[[str], bool]:
    """Compile an expression for an engine that runs in linear time, so that no expression can hang the server."""
    import jsonschema_rs

    found: Callable[[str], bool] = jsonschema_rs.Draft202012Validator(
        {"pattern": pattern}, pattern_options=jsonschema_rs.RegexOptions()
    ).is_valid
    return found


def finds(pattern: str, text: str) -> bool:
    """Return whether a text contains a match of an expression."""
    return _finder(pattern)(text if text.isascii() else text.encode("utf-8", "replace").decode())  # no lone surrogates


def differences(when: When, parts: Parts) -> list[Difference]:
    """List how a request differs from what is expected."""
    found = []
    for part, value in when.items():
        if part == "body":
            found += _differ(value, parts.body, "/body")
        else:
            found += _differ_names(value, getattr(parts, part), f"/{part}")
    return found


def _differ(expected: Any, received: Any, where: str) -> list[Difference]:
    if isinstance(received, int | float) and isinstance(expected, _TEXTUAL) and not where.startswith("/body"):
        received = json.dumps(received)  # a decoded parameter, which is text on its way
    if isinstance(expected, re.Pattern):
        fits = isinstance(received, str) and expected.search(received) is not None
        return [] if fits else [_difference(where, f"text with /{expected.pattern}/", received)]
    if callable(expected):
        name = getattr(expected, "__name__", repr(expected))
        try:
            fits = received is not NOTHING and bool(expected(received))
        except Exception as error:  # a test's own function
            return [_difference(where, f"what {name} accepts, which raised {error!r}", received)]
        return [] if fits else [_difference(where, f"what {name} accepts", received)]
    if isinstance(expected, Mapping):
        return _differ_mapping(expected, received, where)
    if isinstance(expected, list | tuple):
        if not isinstance(received, list) or len(received) != len(expected):
            return [_difference(where, _format_value(list(expected)), received)]
        pairs = enumerate(zip(expected, received, strict=True))
        return [each for index, (one, other) in pairs for each in _differ(one, other, join(where, index))]
    return [] if _equal(expected, received, where) else [_difference(where, _format_value(expected), received)]


_TEXTUAL = (str, re.Pattern, Mapping)
"""The kinds of expected values that a text is compared with."""


def _differ_mapping(expected: Mapping[str, Any], received: Any, where: str) -> list[Difference]:
    if "$absent" in expected:
        there = received is not None if where == "/body" else received is not NOTHING
        return [_difference(where, "nothing", received)] if there else []
    if "$regex" in expected:
        fits = isinstance(received, str) and finds(expected["$regex"], received)
        return [] if fits else [_difference(where, f"text with /{expected['$regex']}/", received)]
    if not isinstance(received, Mapping):
        return [_difference(where, _format_value(expected), received)]
    return _differ_names(expected, received, where)


def _differ_names(expected: Mapping[str, Any], received: Mapping[str, Any], where: str) -> list[Difference]:
    found = []
    for key, below in expected.items():
        found += _differ(below, received.get(key, NOTHING), join(where, key))
    return found


def _equal(expected: Any, received: Any, where: str) -> bool:
    """Compare two values. true is not 1; in path, query and headers, which are text, a number equals its text."""
    if not where.startswith("/body") and isinstance(received, str) and not isinstance(expected, str):
        plain = expected is None or isinstance(expected, bool | int | float)
        return bool(expected == received) or (json.dumps(expected) if plain else str(expected)) == received
    return is_same(expected, received)


def _difference(where: str, expected: str, received: Any) -> Difference:
    return Difference(where, expected, "nothing" if received is NOTHING else _format_value(received))


def _format_value(value: Any) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=_named)
    except RecursionError:
        return "what is nested too deep to be shown"
    text = text.encode("utf-8", "backslashreplace").decode()  # a lone surrogate as JSON would escape it
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _named(value: Any) -> str:
    return f"/{value.pattern}/" if isinstance(value, re.Pattern) else getattr(value, "__name__", repr(value))


def describe(when: When) -> str:
    """Describe the expected values in a few words; "" for none."""
    parts = [f"{part} {_format_value(value)}" for part, value in when.items()]
    return " with " + ", ".join(parts) if parts else ""


def as_json(value: Any) -> Json:
    """Write the expected values as JSON; StubError if they contain a function."""
    if isinstance(value, re.Pattern):
        flags = "".join(letter for letter, flag in _FLAGS.items() if value.flags & flag)
        return {"$regex": (f"(?{flags})" if flags else "") + str(value.pattern)}
    if isinstance(value, Mapping):
        return {str(key): as_json(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(below) for below in value]
    if callable(value):
        raise StubError(
            "a function cannot be sent to another process",
            why=f"{getattr(value, '__name__', value)!r} is one, and this mock runs elsewhere or shares its store",
            fix="use a value or a regular expression, or a mock in this process with the store in memory",
        )
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise StubError(f"{value!r} cannot be written as JSON", fix="use a JSON value or a regular expression")


_FLAGS = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}
