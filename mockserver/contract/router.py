"""Which operation of which contract answers a request: paths, methods, and the client's version."""

import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote

from mockserver.contract.openapi import Contract, Operation, taken_methods
from mockserver.messages import Headers, Version, client_version


class Match(NamedTuple):
    """The operation that a request's method and path name.

    Full: `operation` is set. Partial (405, OPTIONS): only `allowed` is. None (404): neither.
    `withdrawn` is the client's own version if it no longer has the operation.
    """

    operation: Operation | None = None
    path: Mapping[str, str] = {}
    allowed: frozenset[str] = frozenset()
    withdrawn: str | None = None


NO_MATCH = Match()
_NOTHING: frozenset[str] = frozenset()

MOST_KNOWN, LONGEST_KNOWN = 1_000, 200
"""How many matches are cached, and the longest path that is, in characters."""

MOST_VERSIONS = 100
"""For how many client versions the operation is cached."""


class _Versions:
    """One method of one path: its operation in each contract that has it, newest first, with the contract's index."""

    __slots__ = ("chosen", "every")

    def __init__(self) -> None:
        self.every: list[tuple[int, Operation]] = []
        self.chosen: dict[Version | None, tuple[Operation, str | None]] = {}
        """The operation for a client's version, and that version if it no longer has the operation."""


Leaf: TypeAlias = dict[str, _Versions]
"""The operations of one path, by method."""


Mask: TypeAlias = tuple[str, ...]
"""What each segment of a path is: "" for fixed, "{}" for a parameter, else the template of a part of it."""

_PARAMETER = re.compile(r"\{[^{}]*\}")


def _mask(segments: Sequence[str]) -> Mask:
    return tuple("{}" if _PARAMETER.fullmatch(each) else each if "{" in each else "" for each in segments)


def _rank(mask: Mask) -> tuple[tuple[int, int], ...]:
    """Order shapes: a fixed segment wins over a part of one, the longest first, and that over a parameter."""
    return tuple((0, 0) if not each else (2, 0) if each == "{}" else (1, -len(each)) for each in mask)


class _Shape:
    """The paths with parameters in the same places; a path is found by its fixed segments."""

    __slots__ = ("_mixed", "_whole", "fixed", "leaves")

    def __init__(self, mask: Mask) -> None:
        # The segment before the first slash is always empty; with it the getter always returns a tuple.
        self.fixed = itemgetter(0, *(index for index, part in enumerate(mask) if not part))
        self.leaves: dict[tuple[str, ...], Leaf] = {}
        self._whole = _getter([index for index, part in enumerate(mask) if part])
        is_mixed = any(len(part) > 2 for part in mask)
        self._mixed = [_fixed_parts(part) for part in mask if part] if is_mixed else None

    def values(self, segments: Sequence[str]) -> Sequence[str] | None:
        """Return the values of the parameters; None if a segment does not fit."""
        values = self._whole(segments)
        if self._mixed is None:
            return None if "" in values else values
        found: list[str] = []
        for fixed, value in zip(self._mixed, values, strict=True):
            own = _parameter_values(fixed, value)
            if own is None:
                return None
            found += own
        return found


def _fixed_parts(template: str) -> list[str]:
    """Return what stands before, between and after the parameters of a segment."""
    return [unquote(part) for part in _PARAMETER.split(template)]


def _parameter_values(fixed: Sequence[str], text: str) -> list[str] | None:
    """Return the values of the parameters between fixed parts, each of one character at least; None if none fit.

    The first takes as many characters as it can, then the next. Each part is looked for once, from the right.
    """
    begin, *between, end = fixed
    start, stop = len(begin), len(text) - len(end)
    if not text.startswith(begin) or not text.endswith(end):
        return None
    found: list[str] = []
    for part in reversed(between):
        at = text.rfind(part, start + 1, max(stop - 1, 0))
        if at < 0:
            return None
        found.append(text[at + len(part) : stop])
        stop = at
    return [text[start:stop], *reversed(found)] if start < stop else None


def encoded_value(template: str, name: str, path: str) -> str | None:
    """Return a parameter of a path as it was sent, percent-encoded; None if it is not found in its segment."""
    parameter, segments = "{" + name + "}", template.split("/")
    at = next(at for at, each in enumerate(segments) if parameter in each)
    own = path.split("/")[at - len(segments)]  # counted from the end: the path of a server may stand before it
    values = _parameter_values(_PARAMETER.split(segments[at]), own)
    return None if values is None else values[_PARAMETER.findall(segments[at]).index(parameter)]


def _getter(indexes: Sequence[int]) -> Callable[[Sequence[str]], Sequence[str]]:
    """Return a function that picks segments; itemgetter alone returns no tuple for one index or none."""
    if not indexes:
        return lambda _: ()
    first = indexes[0]
    return itemgetter(*indexes) if len(indexes) > 1 else itemgetter(slice(first, first + 1))


class Router:
    """Finds the operation that a request names; the contracts are ordered newest first."""

    def __init__(
        self, contracts: Sequence[Contract], read_version: Callable[[Headers], Version | None] | None = None
    ) -> None:
        self.contracts = tuple(contracts)
        self._read_version = read_version if len(self.contracts) > 1 else None
        self._versions = [_version(contract.name) for contract in contracts]
        self.bases = _bases(self.contracts)
        """The paths of servers below which requests are served, too, the longest first, and what stands for each."""
        shapes: dict[Mask, _Shape] = {}
        for index, contract in enumerate(contracts):
            for operation in contract.operations:
                segments = operation.path.split("/")
                mask = _mask(segments)
                shape = shapes.get(mask) or shapes.setdefault(mask, _Shape(mask))
                leaf = shape.leaves.setdefault(tuple(map(unquote, shape.fixed(segments))), {})
                leaf.setdefault(operation.method, _Versions()).every.append((index, operation))
        self._shapes: dict[int, list[_Shape]] = {}
        self._matches: dict[tuple[str, str, Version | None], Match] = {}
        """The matches of recent paths, since clients repeat them."""
        for mask in sorted(shapes, key=_rank):
            self._shapes.setdefault(len(mask), []).append(shapes[mask])

    def match(self, method: str, path: str, headers: Headers) -> Match:
        """Match a method and a percent-encoded path. Each segment is decoded once, so an id may contain slashes."""
        stated = None
        if self._read_version is not None:
            reader, stated = headers.version
            if reader is not self._read_version:
                stated = client_version(headers, self._read_version)
        key = method, path, stated
        found = self._matches.get(key)
        if found is None:
            found = self._find(method, path, stated)
            if len(path) <= LONGEST_KNOWN:
                if len(self._matches) >= MOST_KNOWN:
                    self._matches.clear()
                self._matches[key] = found
        return found

    def _find(self, method: str, path: str, stated: Version | None) -> Match:
        """Find a path as it is written, else without the path of a server before it."""
        found = self._find_path(method, path, stated)
        for base, prefix in self.bases if found is NO_MATCH else ():
            if path.startswith(base + "/") or path == base:
                below = self._find_path(method, prefix + (path[len(base) :] or "/"), stated)
                if below is not NO_MATCH:
                    return below
        return found

    def _find_path(self, method: str, path: str, stated: Version | None) -> Match:
        segments = path.split("/")
        if "%" in path:
            segments = [unquote(segment) for segment in segments]
        allowed: frozenset[str] = _NOTHING
        for shape in self._shapes.get(len(segments), ()):
            leaf = shape.leaves.get(shape.fixed(segments))
            values = None if leaf is None else shape.values(segments)
            if leaf is None or values is None:
                continue
            versions = leaf.get(method) or (leaf.get("GET") if method == "HEAD" else None)
            if versions is None:  # another path may take the method
                allowed |= taken_methods(leaf)
                continue
            operation, withdrawn = versions.chosen.get(stated) or self._choose(versions, stated)
            names = operation.names
            path_values = {names[0]: values[0]} if len(values) == 1 else dict(zip(names, values, strict=True))
            return Match(operation, path_values, _NOTHING, withdrawn)
        return Match(allowed=allowed) if allowed else NO_MATCH

    def _choose(self, versions: _Versions, stated: Version | None) -> tuple[Operation, str | None]:
        """Choose the newest version that is not newer than the caller, or the oldest if all are newer."""
        every = versions.every
        if stated is None:
            chosen: tuple[Operation, str | None] = every[0][1], None
        else:
            index, operation = next((each for each in every if self._versions[each[0]] <= stated), every[-1])
            own = next((at for at, version in enumerate(self._versions) if version <= stated), index)
            chosen = operation, self.contracts[own].name if own < index else None
        if len(versions.chosen) >= MOST_VERSIONS:
            versions.chosen.clear()
        versions.chosen[stated] = chosen
        return chosen


def _bases(contracts: Sequence[Contract]) -> tuple[tuple[str, str], ...]:
    """List the paths of the servers of all operations, the longest first, each with what stands for it in a path."""
    found = {(base, each.prefix) for each in contracts for operation in each.operations for base in operation.bases}
    return tuple(sorted(found, key=lambda pair: len(pair[0]), reverse=True))


def _version(name: str) -> Version:
    return tuple(int(part) for part in name.split(".")) if re.fullmatch(r"\d+(\.\d+)*", name) else ()
