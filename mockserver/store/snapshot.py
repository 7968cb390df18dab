"""Writes the records of a store as JSON lines, and puts such lines back into a store."""

import json
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import IO, NamedTuple, TypeAlias

from msgspec import structs

from mockserver.data import open_file
from mockserver.errors import StateError, reason
from mockserver.messages import Json, is_scope
from mockserver.store.base import Change, Counters, Part, Record, Store, dump_json, load_json

VERSION = 2
"""The version of the lines."""

_ROUNDS = 20
"""How often a collection is looked at again for what has changed meanwhile."""

RecordCheck: TypeAlias = Callable[[Record, Sequence[Part]], str]
"""Returns what is wrong with a record and its parts, or "" if nothing is."""

Convert: TypeAlias = Callable[[Json], Json]
"""Rewrites a line of version 1, which knew the records of one API only, as a line of this version.

A ValueError or the like says why it is none.
"""


class _ScopeLine(NamedTuple):
    """A scope in a saved state."""

    name: str
    seed: int | None
    counters: Counters


class _RecordLine(NamedTuple):
    """A record in a saved state."""

    record: Record
    parts: Sequence[Part]


class _Saved(NamedTuple):
    """A saved state, and how its lines are to be read."""

    open: Callable[[], IO[bytes]]
    name: str
    check: RecordCheck | None = None
    convert: Convert | None = None

    def lines(self) -> Iterator[tuple[str, _ScopeLine | _RecordLine]]:
        """Read the lines, each with its scope; StateError for one that cannot be kept."""
        number = 0
        try:
            with self.open() as lines:
                scope, convert = "", None
                for number, line in enumerate(lines, 1):
                    if not line.strip():
                        continue
                    value = _load(line)
                    if number == 1:
                        convert = self._converter(value)
                        continue
                    read = _parse(value if convert is None else convert(value))
                    scope = self._accept(scope, read)
                    yield scope, read
            if not number:
                raise ValueError("it is empty")
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            raise StateError(
                "a saved state cannot be read",
                where=f"{self.name}, line {number}" if number else self.name,
                why=f"it has no {error}" if isinstance(error, LookupError) else reason(error),
                fix="save one with GET /__mock__/state",
            ) from error

    def _converter(self, head: Json) -> Convert | None:
        """Return the converter that the lines after a head need; None for lines of this version."""
        if head == {"mockserver": "state", "version": 1}:
            if self.convert is None:
                raise ValueError("it is a state of version 1, which the API that is served cannot read")
            return self.convert
        if head != {"mockserver": "state", "version": VERSION}:
            raise ValueError(f"it does not begin as a state of version {VERSION}")
        return None

    def _accept(self, scope: str, read: _ScopeLine | _RecordLine) -> str:
        """Return the scope that a line belongs to; ValueError if the line must not be kept."""
        if isinstance(read, _ScopeLine):
            return read.name
        if not scope:
            raise ValueError("it is a record before any scope")
        if self.check is not None and (wrong := self.check(read.record, read.parts)):
            raise ValueError(wrong)
        return scope


def dump_state(store: Store, only: str | None = None) -> Iterator[bytes]:
    """Write all records of a store, or of one scope of it, as JSON lines: a head, then each scope with its records."""
    names = sorted(store.scopes()) if only is None else [only]
    yield _line({"mockserver": "state", "version": VERSION})
    for name in names:
        counts, _, gone = store.counters(name)
        yield _line({"scope": name, "seed": store.seed(name), "counters": counts, "gone": gone})
        for record in _oldest_first(store, name):
            found = store.find(name, record.collection, record.id, parts=True)
            if found.record is not None:
                yield _line({**structs.asdict(found.record), "parts": found.parts})


def _oldest_first(store: Store, scope: str) -> list[Record]:
    found = [record for name in store.collections(scope) for record in _all_of(store, scope, name)]
    return sorted(found, key=lambda record: record.seq)


def _all_of(store: Store, scope: str, collection: str) -> Iterator[Record]:
    """Yield all records of a collection, including those that move to the front because they change meanwhile."""
    found: dict[str, Record] = {}
    known = 0
    for _ in range(_ROUNDS):
        latest, before = known, None
        while page := store.page(scope, collection, None, before, 1000):
            found.update((record.id, record) for record in page if record.seq > known)
            latest, before = max(latest, page[0].seq), page[-1].seq
            if before <= known:
                break
        if latest == known:
            break
        known = latest
    yield from found.values()


def _line(value: object) -> bytes:
    return dump_json(value) + b"\n"


def load_state(store: Store, path: Path, check: RecordCheck | None = None, convert: Convert | None = None) -> int:
    """Put a saved state into a store that is empty, and return the number of its records; else 0.

    Records that are there already stay, so that several servers may start from one state at once.
    """
    return 0 if len(store) else _put(store, _Saved(lambda: open_file(path, pipes=False), str(path), check, convert))


def restore_state(
    store: Store, text: bytes, check: RecordCheck | None = None, convert: Convert | None = None, only: str | None = None
) -> int:
    """Replace the records of a store, or of one scope, with those of a saved state; return their number.

    The state of one scope may be restored into another. If it cannot be kept, what was there before is there again.
    """
    saved = _Saved(lambda: BytesIO(text), "the state", check, convert)
    told = {scope for scope, _ in saved.lines()}
    if only is not None and len(told) > 1:
        why = f"it has {', '.join(sorted(told))}"
        raise StateError("the state has more than one scope", why=why, fix="restore it without naming a scope")
    before = b"".join(dump_state(store, only))
    _clear(store, only)
    try:
        return _put(store, saved, only)
    except BaseException:
        _clear(store, only)
        _put(store, _Saved(lambda: BytesIO(before), "the state before"), only, again=True)
        raise


def _clear(store: Store, only: str | None) -> None:
    for scope in list(store.scopes()) if only is None else [only]:
        store.clear_records(scope)


def _put(store: Store, saved: _Saved, only: str | None = None, *, again: bool = False) -> int:
    """Put a saved state into a store, all in one scope if one is named, and return the number of its records.

    What the store had already kept is put `again`, and not refused for its bytes.

    All of it is read, and may be refused, before any of it is kept; if it cannot be kept to its end, none of it is.
    """
    for _ in saved.lines():
        pass
    count, scopes = 0, set()
    try:
        for told, read in saved.lines():
            scope = only or told
            scopes.add(scope)
            if isinstance(read, _RecordLine):
                _put_record(store, scope, read, again=again)
                count += 1
            else:
                _put_scope(store, scope, read)
    except BaseException:
        for scope in scopes:
            store.clear_records(scope)
        raise
    return count


def _put_scope(store: Store, scope: str, line: _ScopeLine) -> None:
    store.restore(scope, line.counters)
    if line.seed is not None:
        store.set_seed(scope, line.seed)


def _put_record(store: Store, scope: str, line: _RecordLine, *, again: bool) -> None:
    """Put a record back in its place in the order; one that is there already, or is gone, stays so."""
    record = line.record

    def step(old: Record | None, gone: bool) -> Change:
        return Change(old) if old is not None or gone else Change(record, line.parts, minor=again)

    store.restore(scope, Counters({}, record.seq - 1, ()))
    store.update(scope, record.collection, record.id, step)


def _load(line: bytes) -> Json:
    """Decode a line; errors are those of the standard library."""
    try:
        return load_json(line)
    except ValueError:
        return json.loads(line)


def _parse(value: Json) -> _ScopeLine | _RecordLine:
    """Read a line of this version; a ValueError or the like says why it is none."""
    if not isinstance(value, dict):
        raise ValueError("it is no object")
    if "scope" in value:
        name, seed, counts, gone = (value[key] for key in ("scope", "seed", "counters", "gone"))
        if not is_scope(name):
            raise ValueError(f"{name!r} names no scope")
        right = isinstance(counts, dict) and all(_is_count(each) for each in counts.values())
        if not right or not isinstance(gone, list) or not all(_are_texts(each) for each in gone):
            raise ValueError("counters and gone are not those of a scope")
        if seed is not None and type(seed) is not int:
            raise ValueError("its seed is no whole number")
        return _ScopeLine(name, seed, Counters(counts, 0, [(collection, id) for collection, id in gone]))
    record, parts = Record(**{key: value[key] for key in Record.__struct_fields__}), value["parts"]
    right = _are_texts([record.collection, record.id]) and isinstance(record.group, str | None)
    right = right and isinstance(record.data, dict) and _is_count(record.seq) and record.seq > 0
    if not right or not isinstance(parts, list) or not all(map(_is_part, parts)):
        raise ValueError("it is no record")
    return _RecordLine(record, [(number, values) for number, values in parts])


def _is_count(value: Json) -> bool:
    return type(value) is int and 0 <= value < 2**53  # what all that reads JSON can tell apart


def _are_texts(value: Json) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(each, str) for each in value)


def _is_part(value: Json) -> bool:
    return isinstance(value, list) and len(value) == 2 and _is_count(value[0]) and isinstance(value[1], list)
