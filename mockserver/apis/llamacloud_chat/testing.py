"""The chat's additions to the mock in a test: its sessions."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, cast

from mockserver import testing
from mockserver.apis.llamacloud_chat.control import LIST, ONE
from mockserver.control.admin import Admin
from mockserver.messages import Json


class Sessions:
    """The sessions that the mock keeps."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    def _all(self) -> list[Json]:
        found: list[Json] = self._admin.call("GET", LIST).value["sessions"]
        return found

    def __iter__(self) -> Iterator[Json]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __contains__(self, session_id: str) -> bool:
        return self._admin.call("GET", ONE, session_id=session_id).status != 404

    def __getitem__(self, session_id: str) -> Json:
        reply = self._admin.call("GET", ONE, session_id=session_id)
        if reply.status == 404:
            raise KeyError(session_id)
        return reply.value

    def add(self, session_id: str, **fields: Json) -> Json:
        """Store a session as if create had made it, and return it.

        Its fields are generated_title, last_updated_at, index_ids, shared_access, job_metadata, project_id, events.
        A StateError says why the session is invalid.
        """
        return self._admin.call("PUT", ONE, fields, session_id=session_id).value

    def delete(self, session_id: str) -> None:
        """Delete a session; KeyError if it does not exist."""
        if self._admin.call("DELETE", ONE, session_id=session_id).status == 404:
            raise KeyError(session_id)


class ChatMockServer(testing.MockServer):
    """A mock of the chat API, with what a test needs of it."""

    @property
    def sessions(self) -> Sessions:
        """The sessions that the mock keeps."""
        return Sessions(self.admin)


def open_mock(*, live: bool = False, **settings: Any) -> AbstractContextManager[ChatMockServer]:
    """Open a mock of the chat API: `mockserver.testing.open_mock`, typed."""
    opened = testing.open_mock(live=live, **{"api": "llamacloud-chat", **settings})
    return cast("AbstractContextManager[ChatMockServer]", opened)


def connect(url: str, scope: str = "default", *, seed: int | None = None) -> AbstractContextManager[ChatMockServer]:
    """Use a running server of the chat API: `mockserver.testing.connect`, typed."""
    return cast("AbstractContextManager[ChatMockServer]", testing.connect(url, scope, seed=seed))
