"""A small model of what the chat sessions of a scope are, to compare the answers of the mock with."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from mockserver.apis.llamacloud_chat.sessions import title_of
from mockserver.messages import Json

GONE_INDEX = "idx-gone"
"""The index that the server of these tests cannot query."""

WHOLE = re.compile(r"(thinking_delta )+thinking (tool_call tool_result )+(text_delta )+text stop")


@dataclass(slots=True)
class Life:
    """One session; where `updated_at` is not known yet, it is None, and `earlier` what it was last seen to be."""

    id: str
    issued: bool
    project_id: str | None = None
    index_ids: list[str] | None = None
    shared_access: str | None = None
    title: str | None = None
    updated_at: str | None = None
    earlier: str | None = None
    job_metadata: Json = None
    events: list[Json] = field(default_factory=list)

    def locked_against(self, index_ids: Sequence[str]) -> bool:
        """Say whether a turn on these indexes is refused."""
        return bool(self.events and self.index_ids and set(self.index_ids) != set(index_ids))


@dataclass(slots=True)
class Lives:
    """All sessions of a scope, the latest update last; `gone` are the issued ones that were deleted."""

    era: str
    known: dict[str, Life] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)

    def touch(self, life: Life) -> Life:
        """Note that a session was written: it is now the latest, at a time that is not known yet."""
        self.known.pop(life.id, None)
        self.known[life.id] = life
        life.earlier, life.updated_at = life.updated_at or life.earlier, None
        return life

    def meet(self, session_id: str, project_id: str | None) -> Life:
        """Give the session of a call; one that was not there comes to life."""
        if session_id in self.known:
            return self.known[session_id]
        return self.touch(Life(session_id, issued=False, project_id=project_id))

    def delete(self, session_id: str) -> None:
        """Delete a session: an issued one for good."""
        life = self.known.pop(session_id, None)
        if life is not None and life.issued:
            self.gone.add(session_id)

    def listed(self, project_id: str | None) -> list[Life]:
        """Give the sessions of a project, or all, the latest update first."""
        return [each for each in reversed(self.known.values()) if project_id in (None, each.project_id)]

    def assert_shows(self, life: Life, told: Json, **more: Json) -> None:
        """Assert that a session is told as it is."""
        updated_at = told["last_updated_at"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", updated_at)
        assert updated_at != life.earlier
        life.updated_at = life.updated_at or updated_at
        expected = {
            "session_id": life.id,
            "generated_title": life.title,
            "last_updated_at": life.updated_at,
            "job_metadata": life.job_metadata,
            "index_ids": life.index_ids,
            **more,
        }
        if self.era == "2.17":
            expected["shared_access"] = life.shared_access or "read_only"
        assert told == expected

    def take_turn(self, life: Life, prompt: str, index_ids: list[str], require_all: bool, told: list[Json]) -> None:
        """Assert that a turn is told as it must be, and remember it."""
        missing = [each for each in index_ids if each == GONE_INDEX]
        queried = [each for each in index_ids if each != GONE_INDEX]
        stop = told[-1]
        if missing and (require_all or not queried):
            assert [event["type"] for event in told] == ["stop"]
            assert stop["is_error"] is True
            assert GONE_INDEX in stop["error"]
        else:
            self._assert_whole(told, queried)
        assert stop.get("skipped_index_ids") == (missing if missing and self.era == "2.17" else None)
        if life.index_ids:
            life.index_ids = life.index_ids if set(life.index_ids) == set(index_ids) else index_ids
        if self.era != "2.6" and life.title is None:
            life.title = title_of(prompt, 50)
        run = {"is_error": stop["is_error"], "error": stop["error"], "export_config_ids": queried}
        life.job_metadata = {**stop["usage"], **run}
        complete = [event for event in told if not event["type"].endswith("_delta")]
        life.events += [{"type": "user_input", "content": prompt}, *complete]
        self.touch(life)

    @staticmethod
    def _assert_whole(told: list[Json], queried: list[str]) -> None:
        assert WHOLE.fullmatch(" ".join(event["type"] for event in told))
        for whole in ("thinking", "text"):
            said, (complete,) = (
                [event["content"] for event in told if event["type"] == kind] for kind in (f"{whole}_delta", whole)
            )
            assert "".join(said) == complete
        calls = [event for event in told if event["type"] == "tool_call"]
        assert [event["arguments"]["index_id"] for event in calls] == queried
        assert (told[-1]["is_error"], told[-1]["error"]) == (False, None)
