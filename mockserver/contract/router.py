"""Which operation of which contract answers a request: paths, methods, and the client's version."""

import re
from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple, TypeAlias
from urllib.parse import unquote

from mockserver.contract.openapi import Contract, Operation, taken_methods
from mockserver.messages import Headers, Version, client_version


class Match(NamedTuple):
    """What a request's method and path name.

    Full: `operation` is set. Partial (405, OPTIONS): only `allowed` is. None (404): neither.
    `withdrawn` is the client's own version where that no longer had the operation.
    """

    operation: Operation | None = None
    path: Mapping[str, str] = {}
    allowed: frozenset[str] = frozenset()
    withdrawn: str | None = None


NO_MATCH = Match()
_NOTHING: frozenset[str] = frozenset()

MOST_VERSIONS = 1_000
"""For how many operations and versions of clients it is remembered what was chosen."""

Leaf: TypeAlias = dict[str, list[tuple[int, Operation]]]
"""The operations of one path: method -> those of each contract, newest first, with the contract's index."""


class _Shape:
    """The paths that have their parameters in the same places; a path is found by its fixed segments."""

    __slots__ = ("fixed", "leaves", "values")

    def __init__(self, free: Sequence[bool]) -> None:
        # The segment before the first slash is always empty; it makes the getter give a tuple, whatever follows.
        self.fixed = itemgetter(0, *(index for index, is_free in enumerate(free) if not is_free))
        self.values = _getter([index for index, is_free in enumerate(free) if is_free])
        self.leaves: dict[tuple[str, ...], Leaf] = {}


def _getter(indexes: Sequence[int]) -> Callable[[Sequence[str]], Sequence[str]]:
    """Give what takes the segments at some places; itemgetter gives no tuple of one and of none."""
    if not indexes:
        return lambda _: ()
    first = indexes[0]
    return itemgetter(*indexes) if len(indexes) > 1 else itemgetter(slice(first, first + 1))


class Router:
    """Finds the operation that a request names, in contracts that stand newest first."""

    def __init__(
        self, contracts: Sequence[Contract], read_version: Callable[[Headers], Version | None] | None = None
    ) -> None:
        self.contracts = tuple(contracts)
        self._read_version = read_version if len(self.contracts) > 1 else None
        self._versions = [_version(contract.name) for contract in contracts]
        self._chosen: dict[tuple[Operation, Version], tuple[Operation, str | None]] = {}
        shapes: dict[tuple[bool, ...], _Shape] = {}
        for index, contract in enumerate(contracts):
            for operation in contract.operations:
                segments = operation.path.split("/")
                free = tuple(segment.startswith("{") for segment in segments)
                shape = shapes.setdefault(free, _Shape(free))
                leaf = shape.leaves.setdefault(shape.fixed(segments), {})
                leaf.setdefault(operation.method, []).append((index, operation))
        self._shapes: dict[int, list[_Shape]] = {}
        for free in sorted(shapes):  # a fixed segment wins over a parameter, the leftmost first
            self._shapes.setdefault(len(free), []).append(shapes[free])

    def match(self, method: str, path: str, headers: Headers) -> Match:
        """Match a method and a percent-encoded path; each segment is decoded once, so an id may hold slashes."""
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
            stated = None
            if self._read_version is not None:
                reader, stated = headers.version
                if reader is not self._read_version:
                    stated = client_version(headers, self._read_version)
            operation, withdrawn = (versions[0][1], None) if stated is None else self._choose(versions, stated)
            names = operation.names
            path_values = {names[0]: values[0]} if len(values) == 1 else dict(zip(names, values, strict=True))
            return Match(operation, path_values, _NOTHING, withdrawn)
        return NO_MATCH

    def _choose(self, versions: Sequence[tuple[int, Operation]], stated: Version) -> tuple[Operation, str | None]:
        """Choose the newest version not newer than the caller; of those that are all newer, the oldest."""
        chosen = self._chosen.get((versions[0][1], stated))
        if chosen is None:
            index, operation = next((each for each in versions if self._versions[each[0]] <= stated), versions[-1])
            own = next((at for at, version in enumerate(self._versions) if version <= stated), index)
            if len(self._chosen) >= MOST_VERSIONS:
                self._chosen.clear()
            chosen = operation, self.contracts[own].name if own < index else None
            self._chosen[versions[0][1], stated] = chosen
        return chosen


def _version(name: str) -> Version:
    return tuple(int(part) for part in name.split(".")) if re.fullmatch(r"\d+(\.\d+)*", name) else ()
