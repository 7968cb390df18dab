"""Opens the store that a URL names, writes its state as lines, and starts it from such lines."""

import json
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import IO, TypeAlias

from mockserver.errors import StateError, UsageError
from mockserver.messages import Json, is_scope
from mockserver.store.base import Change, Counters, Session, Shelf, Store, dump_json, load_json
from mockserver.store.memory import MemoryShelf, MemoryStore

_NONE = type(None)
_TYPES: tuple[type | tuple[type, ...], ...] = (
    str,
    str,
    (str, _NONE),
    (dict, _NONE),
    (list, _NONE),
    (str, _NONE),
    (str, _NONE),
    bool,
    int,
    int,
)
"""What the fields of a session's line are, in order."""

_ROUNDS = 20
"""How often a scope is looked at again for what has changed meanwhile."""

VERSION = 1
"""The version of the lines of a state."""

Check: TypeAlias = Callable[[Session, Sequence[Json]], str]
"""Says what is wrong with a session and its events; nothing for what is right."""


def _allowed(_session: Session, _events: Sequence[Json]) -> str:
    return ""


KINDS = "memory://, sqlite:///FILE, redis://HOST:PORT"


def open_store(url: str, most_sessions: int, most_scopes: int) -> Store:
    """Open the store of a URL; a StoreError says why it cannot be had, a UsageError that it names none."""
    scheme, mark, rest = url.partition("://")
    if scheme == "memory" and mark and not rest.strip("/"):
        return MemoryStore(most_sessions, most_scopes)
    if scheme == "sqlite" and rest.startswith("/:"):
        raise UsageError(f"{url!r} names no file", why="it would be kept in memory", mend="use --store memory://")
    if scheme == "sqlite" and rest.startswith("/") and rest.strip("/"):
        from mockserver.store.sqlite import SqliteStore

        return SqliteStore(rest[1:], most_sessions, most_scopes)
    if scheme in ("redis", "rediss", "unix"):
        from mockserver.store.redis import RedisStore

        return RedisStore(url, most_sessions, most_scopes)
    told = url if "@" not in url else "..." + url.rpartition("@")[2]
    raise UsageError(f"there is no store {told!r}", why=f"a store is one of {KINDS}", mend="see --store")


def open_shelf(store: Store, most: int, *, workers: int) -> Shelf:
    """Open what remembers journal and plan: beside the store, where other processes must see it, else in memory.

    Servers on one Redis share it; on one file, the workers of one command.
    """
    if store.url.partition(":")[0] in ("redis", "rediss", "unix"):
        from mockserver.store.redis import RedisShelf, RedisStore

        if isinstance(store, RedisStore):
            return RedisShelf(store, most)
    if workers > 1:
        from mockserver.store.sqlite import SqliteShelf, SqliteStore

        if isinstance(store, SqliteStore):
            return SqliteShelf(store, most)
    return MemoryShelf(most)


def dump_state(store: Store, only: str | None = None) -> Iterator[bytes]:
    """Write all that a store keeps, or one scope of it, as JSON lines: a head, then each scope with its sessions."""
    names = sorted(store.scopes()) if only is None else [only]
    yield _line({"mockserver": "state", "version": VERSION})
    for name in names:
        births, _, gone = store.counters(name)
        yield _line({"scope": name, "seed": store.seed(name), "births": births, "gone": gone})
        for session in _oldest_first(store, name):
            found = store.find(name, session.id, turns=True)
            if found.session is not None:
                events = [event for turn in found.turns for event in turn]
                yield _line({"session": found.session[:-1], "seq": found.session.seq, "events": events})


def _oldest_first(store: Store, scope: str) -> list[Session]:
    """Give the sessions of a scope, also those that are changed, and so come to the front, while they are read."""
    found: dict[str, Session] = {}
    known = 0
    for _ in range(_ROUNDS):
        latest, before = known, None
        while page := store.page(scope, None, before, 1000):
            found.update((session.id, session) for session in page if session.seq > known)
            latest, before = max(latest, page[0].seq), page[-1].seq
            if before <= known:
                break
        if latest == known:
            break
        known = latest
    return sorted(found.values(), key=lambda session: session.seq)


def _line(value: object) -> bytes:
    return dump_json(value) + b"\n"


def load_state(store: Store, path: Path, check: Check = _allowed) -> int:
    """Put a saved state into a store that is empty, and give the number of its sessions; else 0.

    Sessions that are there already stay, so that several servers may start from one state at once.
    """
    return 0 if len(store) else put_state(store, lambda: path.open("rb"), str(path), check)


def restore_state(store: Store, text: bytes, check: Check, only: str | None = None) -> int:
    """Let a store, or one scope of it, keep what a saved state says, and nothing else; give the number of sessions.

    The state of one scope may be restored into another. Where it cannot be kept, what was there before is there again.
    """
    source, name = (lambda: BytesIO(text)), "the state"
    told = {scope for scope, _ in _entries(source, name, check)}
    if only is not None and len(told) > 1:
        why = f"it has {', '.join(sorted(told))}"
        raise StateError("the state has more than one scope", why=why, mend="restore it without naming a scope")
    before = b"".join(dump_state(store, only))
    _drop(store, only)
    try:
        return put_state(store, source, name, check, only)
    except BaseException:
        _drop(store, only)
        put_state(store, lambda: BytesIO(before), name, _allowed, only)
        raise


def _drop(store: Store, only: str | None) -> None:
    for scope in list(store.scopes()) if only is None else [only]:
        store.drop(scope)


def put_state(
    store: Store, source: Callable[[], IO[bytes]], name: str, check: Check = _allowed, only: str | None = None
) -> int:
    """Put a saved state into a store, all in one scope if one is named, and give the number of its sessions.

    All of it is read, and `check` may say what is wrong with a session, before any of it is kept; where it cannot be
    kept to its end, none of it is.
    """
    for _ in _entries(source, name, check):
        pass
    count, scopes = 0, set()
    try:
        for told, entry in _entries(source, name, check):
            scope = only or told
            scopes.add(scope)
            if "session" in entry:
                _load_session(store, scope, entry)
                count += 1
            else:
                _load_scope(store, scope, entry)
    except BaseException:
        for scope in scopes:
            store.drop(scope)
        raise
    return count


def _entries(source: Callable[[], IO[bytes]], name: str, check: Check) -> Iterator[tuple[str, Json]]:
    """Read the lines of a state, each with its scope; StateError for one that cannot be kept."""
    scope, number = "", 0
    try:
        with source() as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                entry = _read(line)
                if number == 1 and entry != {"mockserver": "state", "version": VERSION}:
                    raise ValueError("it does not begin as a state of this version")
                if number > 1:
                    scope = _checked(scope, entry, check)
                    yield scope, entry
        if not number:
            raise ValueError("it is empty")
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise StateError(
            "a saved state cannot be read",
            where=f"{name}, line {number}" if number else name,
            why=f"it has no {error}" if isinstance(error, LookupError) else str(error),
            mend="save one with GET /__mock__/state",
        ) from error


def _read(line: bytes) -> Json:
    """Read a line; what is wrong with it is told in the words of the standard library."""
    try:
        return load_json(line)
    except ValueError:
        return json.loads(line)


def _checked(scope: str, entry: Json, check: Check) -> str:
    """Give the scope in which a line of a state belongs; a ValueError or the like where the line is none."""
    if "scope" in entry:
        births, gone, seed = entry["births"], entry["gone"], entry["seed"]
        if not is_scope(entry["scope"]):
            raise ValueError(f"{entry['scope']!r} names no scope")
        right = _counts(births) and (seed is None or type(seed) is int) and isinstance(gone, list)
        if not right or not all(isinstance(each, str) for each in gone):
            raise ValueError("births, seed and gone are not those of a scope")
        return str(entry["scope"])
    record, events, seq = entry["session"], entry["events"], entry["seq"]
    right = len(record) == len(_TYPES) and all(isinstance(*each) for each in zip(record, _TYPES, strict=True))
    if not scope or not right or not isinstance(events, list) or not _counts(seq) or seq == 0 or min(record[8:]) < 0:
        raise ValueError("it is no session")
    if wrong := check(Session._make((*record, seq)), events):
        raise ValueError(wrong)
    return scope


def _counts(value: Json) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _load_scope(store: Store, scope: str, entry: Json) -> None:
    store.restore(scope, Counters(entry["births"], 0, entry["gone"]))
    if entry["seed"] is not None:
        store.set_seed(scope, entry["seed"])


def _load_session(store: Store, scope: str, entry: Json) -> None:
    """Put a session back in its place in the order; its events are kept as one turn, its last."""
    session, events = Session._make((*entry["session"], 0)), entry["events"]

    def step(old: Session | None, gone: bool) -> Change:
        return Change(old) if old is not None or gone else Change(session, (session.turns, events) if events else None)

    store.restore(scope, Counters(0, entry["seq"] - 1, ()))
    store.change(scope, session.id, step)
