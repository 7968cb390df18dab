"""Keeps sessions, each in the world (scope) that it belongs to."""

from collections.abc import Sequence
from threading import Lock
from typing import NamedTuple

from mockserver.exchange import Json

MOST = 1_000_000
"""How many sessions the memory store keeps; beyond that the one touched longest ago is forgotten."""


class Session(NamedTuple):
    """What is known of a session; `updated_at` in upstream's form, None for what it has not."""

    id: str
    updated_at: str
    title: str | None = None
    job_metadata: Json = None
    index_ids: Sequence[str] | None = None


class MemoryStore:
    """Sessions in this process's memory."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._sessions: dict[tuple[str, str], Session] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._sessions)

    def set_title(self, scope: str, session_id: str, title: str, now: str) -> Session:
        """Give a session its title, and the session; one that is not there yet comes to life."""
        key = (scope, session_id)
        with self._lock:
            old = self._sessions.pop(key, None)
            session = (
                Session(session_id, now, title)
                if old is None
                else Session(session_id, now, title, old.job_metadata, old.index_ids)
            )
            self._sessions[key] = session
            if len(self._sessions) > self._most:
                del self._sessions[next(iter(self._sessions))]
        return session
