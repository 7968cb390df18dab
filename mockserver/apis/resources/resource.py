"""What is inferred: resources, and the operations that work on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

from mockserver.contract.openapi import Contract, Operation
from mockserver.contract.resolved import Views
from mockserver.contract.schema import Schema
from mockserver.messages import Json

Role: TypeAlias = Literal["create", "bulk create", "list", "clear", "get", "replace", "update", "delete", "action"]
"""What an operation does with a resource: `update` changes the fields that are sent, `clear` deletes all."""

Path: TypeAlias = tuple[str, ...]
"""The names of the fields that lead to a part of a body; () for the whole."""


class Transition(NamedTuple):
    """A change of state that an action makes."""

    before: Sequence[Json]
    """The states from which it may be made; none for all."""
    after: Json


class Life(NamedTuple):
    """The life of an item: the field that holds its state, the first state, and the actions that change it."""

    field: str
    initial: Json
    transitions: Mapping[str, Transition]


class ItemOperation(NamedTuple):
    """An operation of a resource."""

    operation: Operation
    role: Role
    answer: Path | None = None
    """Where the item, or the list of items, stands in its answer; None where the answer is neither."""
    body: Path | None = None
    """Where the item stands in the request; None where the request holds none."""
    verb: str = ""
    """The last word of an action's path."""
    above: str | None = None
    """The path of what its list stands below, where the items have a path of their own: /users/{id} for its posts."""
    is_view: bool = False
    """Whether it lists some of the items, at a path of its own."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Resource:
    """Things of one kind that an API keeps, and the operations that work on them."""

    name: str
    contract: Contract
    views: Views
    """The resolved schemas of the contract's document."""
    collection: str | None = None
    """The path at which they are listed or created."""
    item: str | None = None
    """The path of one of them; the path itself for a singleton."""
    singleton: bool = False
    keys: tuple[str, ...] = ()
    """The parameters of the item's path."""
    identities: tuple[str | None, ...] = ()
    """The fields of an item that the last parameters name, which stand in no path above: most often one."""
    schema: Schema | None = None
    """What an item satisfies."""
    list: Path | None = None
    """Where the items stand in the answer that lists them."""
    parts: Mapping[Operation, ItemOperation] = field(default_factory=dict)
    life: Life | None = None
    """Its life, where it is said."""
    why: tuple[str, ...] = ()

    @property
    def identity(self) -> str | None:
        """The field of an item that the last parameter names."""
        return self.identities[-1] if self.identities else None

    @property
    def depth(self) -> int:
        """How many parameters of the path are those of what it stands below."""
        return len(self.keys) if self.singleton else len(self.keys) - max(1, len(self.identities))

    def part(self, *roles: Role) -> ItemOperation | None:
        """Return the first of its operations that has one of these roles, in the order of the roles."""
        return next((each for role in roles for each in self.parts.values() if each.role == role), None)


class Inferred(NamedTuple):
    """What was inferred from a contract."""

    resources: tuple[Resource, ...]
    left: Mapping[Operation, str]
    """The operations that are answered statelessly, each with the reason."""
