"""The names by which schemas are referred to: `$id`, `$anchor`, `$dynamicAnchor`, and OpenAPI's `$self`."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urldefrag, urljoin

from mockserver.contract.schema import NESTED_MAPS
from mockserver.contract.tree import join
from mockserver.messages import Json

NAMING = frozenset("$id $self $anchor $dynamicAnchor $dynamicRef $recursiveRef".split())

DATA = frozenset("const default enum example examples".split())
"""Keywords whose value names nothing, whatever it holds."""

MAPS = NESTED_MAPS | frozenset("definitions headers parameters paths requestBodies responses schemas".split())
"""Keys whose value has names for keys."""


class Surroundings(NamedTuple):
    """Where a schema stands: the address that its references start from, and what dynamic anchors mean there."""

    base: str = ""
    bound: Mapping[str, str] = {}
    """The dynamic anchors of the outermost resources -> their places. A reference made below keeps them."""


NOWHERE = Surroundings()
"""The scope of what is no schema."""


def absolute(base: str, reference: str) -> str:
    """Return what a reference means below a base address, which may be a URN."""
    return urldefrag(base)[0] + reference if reference.startswith("#") else urljoin(base, reference)


class Identifiers:
    """The identifiers of a document and its other files."""

    def __init__(self) -> None:
        self.places: dict[str, str] = {}
        """Absolute identifiers and anchors -> pointers."""
        self._bases: dict[str, str] = {}
        """The pointers of resources, which have an identifier of their own -> that."""
        self._anchors: dict[str, dict[str, str]] = {}
        """The pointers of resources -> the places of their dynamic anchors, by name."""
        self.dynamic = False
        """Whether there are dynamic references or anchors."""

    def index(self, data: Json, root: str) -> bool:
        """Note the identifiers of a file; return whether it has dynamic references or anchors."""
        keys = _keys(data)
        if not keys:
            return False
        stack: list[tuple[Json, str, str, str, bool]] = [(data, root, "", root, False)]
        while stack:
            node, pointer, base, resource, is_map = stack.pop()
            if isinstance(node, dict) and not is_map:
                own = node.get("$self") if pointer == root and "$self" in node else node.get("$id")
                if isinstance(own, str):
                    base, resource = urldefrag(absolute(base, own))[0], pointer
                    self.places.setdefault(base, pointer)
                    self._bases[pointer] = base
                for key in ("$anchor", "$dynamicAnchor"):
                    if isinstance(node.get(key), str):
                        self.places.setdefault(f"{base}#{node[key]}" if base else f"{root}#{node[key]}", pointer)
                if isinstance(node.get("$dynamicAnchor"), str):
                    self._anchors.setdefault(resource, {}).setdefault(node["$dynamicAnchor"], pointer)
            for name, each in _members(node):
                if is_map or name not in DATA:
                    stack.append((each, join(pointer, name), base, resource, not is_map and name in MAPS))
        dynamic = not keys.isdisjoint(("$dynamicRef", "$dynamicAnchor"))
        self.dynamic |= dynamic
        return dynamic

    def scope(self, pointer: str) -> Surroundings:
        """Return the scope of a place: the outer resources' anchors win over the inner ones'."""
        if not self._bases and not self._anchors:
            return NOWHERE
        scope = NOWHERE
        ends = [at for at, sign in enumerate(pointer) if sign == "/"]
        for end in [*ends, len(pointer)]:
            scope = self.enter(pointer[:end], scope)
        return scope

    def enter(self, pointer: str, scope: Surroundings) -> Surroundings:
        """Return the scope at a place below one of another scope."""
        base, anchors = self._bases.get(pointer, scope.base), self._anchors.get(pointer)
        return scope if base is scope.base and not anchors else Surroundings(base, {**(anchors or {}), **scope.bound})

    def reached(self, pointer: str, bound: Mapping[str, str]) -> Mapping[str, str]:
        """Return what dynamic anchors mean where a reference leads to, if they mean something where it stands."""
        resource = pointer
        while resource and resource not in self._bases and resource not in self._anchors:
            resource = resource.rpartition("/")[0]
        return {**self._anchors.get(resource, {}), **bound}

    def is_dynamic(self, pointer: str, name: str) -> bool:
        """Return whether a place has a dynamic anchor of a name."""
        return any(each.get(name) == pointer for each in self._anchors.values())


def _keys(data: Json) -> set[str]:
    """Return the naming keywords that data holds anywhere."""
    found: set[str] = set()
    stack: list[Any] = [data]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if not NAMING.isdisjoint(node):
                found |= NAMING & node.keys()
            stack += [each for each in node.values() if type(each) is dict or type(each) is list]
        elif isinstance(node, list):
            stack += [each for each in node if type(each) is dict or type(each) is list]
    return found


def _members(node: Json) -> Iterator[tuple[str | int, Json]]:
    """Yield the objects and lists in an object or list."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    yield from ((key, each) for key, each in pairs if isinstance(each, dict | list))
