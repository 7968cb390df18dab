"""What a scope keeps, as a function in Python sees it: collections of values by id."""

from collections.abc import Iterator, Mapping

from mockserver.messages import Json
from mockserver.store.base import Change, Record, Store

_CHUNK = 1_000


def group_of(id: str) -> str | None:
    """Return the group of a new value by its id: the ids of what it stands below."""
    return id.rpartition("/")[0] or None


class Collection:
    """The values of one collection, by id, the oldest first."""

    def __init__(self, store: Store, scope: str, name: str) -> None:
        self._store, self._scope, self._name = store, scope, name

    def __getitem__(self, id: object) -> Json:
        """Return the value with an id; KeyError if there is none."""
        found = self._store.find(self._scope, self._name, str(id)).record
        if found is None:
            raise KeyError(id)
        return found.data

    def get(self, id: object, otherwise: Json = None) -> Json:
        """Return the value with an id, or another value if there is none."""
        found = self._store.find(self._scope, self._name, str(id)).record
        return otherwise if found is None else found.data

    def __contains__(self, id: object) -> bool:
        return self._store.find(self._scope, self._name, str(id)).record is not None

    def records(self) -> Iterator[Record]:
        """Yield all records, the oldest first."""
        past: int | None = None
        while found := self._store.page(self._scope, self._name, None, past, _CHUNK, oldest=True):
            yield from found
            past = found[-1].seq

    def __iter__(self) -> Iterator[Json]:
        return (each.data for each in self.records())

    def __len__(self) -> int:
        return self._store.size(self._scope, self._name, None)

    def put(self, id: object, value: Mapping[str, Json]) -> Json:
        """Keep a value, new or in place of the one with this id, and return it."""
        text = str(id)
        group = group_of(text)

        def step(old: Record | None, _gone: bool) -> Change:
            own = group if old is None else old.group
            return Change(Record(collection=self._name, id=text, data=dict(value), group=own), stays=True)

        self._store.update(self._scope, self._name, text, step)
        return dict(value)

    def delete(self, id: object) -> None:
        """Forget a value; its id stays known as gone. KeyError if there is none."""
        if id not in self:
            raise KeyError(id)
        self._store.update(self._scope, self._name, str(id), lambda *_: Change(None, gone=True))


class Records:
    """The collections of a scope, by name."""

    def __init__(self, store: Store, scope: str) -> None:
        self._store, self._scope = store, scope

    def __getitem__(self, name: str) -> Collection:
        return Collection(self._store, self._scope, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._store.collections(self._scope))
