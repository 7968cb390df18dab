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


class _Shape:
    """The paths with parameters in the same places; a path is found by its fixed segments."""

    __slots__ = ("fixed", "leaves", "values")

    def __init__(self, free: Sequence[bool]) -> None:
        # The segment before the first slash is always empty; with it the getter always returns a tuple.
        self.fixed = itemgetter(0, *(index for index, is_free in enumerate(free) if not is_free))
        self.values = _getter([index for index, is_free in enumerate(free) if is_free])
        self.leaves: dict[tuple[str, ...], Leaf] = {}


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
        shapes: dict[tuple[bool, ...], _Shape] = {}
        for index, contract in enumerate(contracts):
            for operation in contract.operations:
                segments = operation.path.split("/")
                free = tuple(segment.startswith("{") for segment in segments)
                shape = shapes.setdefault(free, _Shape(free))
                leaf = shape.leaves.setdefault(shape.fixed(segments), {})
                leaf.setdefault(operation.method, _Versions()).every.append((index, operation))
        self._shapes: dict[int, list[_Shape]] = {}
        self._matches: dict[tuple[str, str, Version | None], Match] = {}
        """The matches of recent paths, since clients repeat them."""
        for free in sorted(shapes):  # a fixed segment wins over a parameter, the leftmost first
            self._shapes.setdefault(len(free), []).append(shapes[free])

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
        segments = path.split("/")
        if "%" in path:
            segments = [unquote(segment) for segment in segments]
        for shape in self._shapes.get(len(segments), ()):
            leaf = shape.leaves.get(shape.fixed(segments))
            if leaf is None:
                continue
            values = shape.values(segments)
            if "" in values:
                continue
            versions = leaf.get(method) or (leaf.get("GET") if method == "HEAD" else None)
            if versions is None:
                return Match(allowed=taken_methods(leaf))
            operation, withdrawn = versions.chosen.get(stated) or self._choose(versions, stated)
            names = operation.names
            path_values = {names[0]: values[0]} if len(values) == 1 else dict(zip(names, values, strict=True))
            return Match(operation, path_values, _NOTHING, withdrawn)
        return NO_MATCH

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


def _version(name: str) -> Version:
    return tuple(int(part) for part in name.split(".")) if re.fullmatch(r"\d+(\.\d+)*", name) else ()
