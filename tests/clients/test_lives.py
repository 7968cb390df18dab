"""The lives of many sessions in any order of calls, by the official client, each answer compared with a model."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from mockserver.apis.llamacloud_chat.sessions import title_of
from tests.clients.calls import Driver, Outcome
from tests.clients.conftest import Drive
from tests.clients.judgement import events_of, faults_of_answer
from tests.clients.lives import GONE_INDEX, Life, Lives
from tests.clients.releases import PYTHON_2_7, PYTHON_2_19, Door
from tests.talk import MESSAGE

MOST = 6
"""So many sessions live at once at the most, so that each of them is called more than once."""

ADOPTED = ("session_id", "a/b c?", "%2e")
projects = st.sampled_from([None, "182bd5e5-6e1a-4fe4-a799-aa6d9a6ab26e", "00000000-0000-0000-0000-000000000000"])
indexes = st.sampled_from(["idx-abc123", "idx-def456", "idx-ö", GONE_INDEX])
messages = st.sampled_from([MESSAGE, "", " \n", " padded ", "x" * 50, "x" * 51]) | st.text(max_size=80)


whichs = st.integers(0, 20)
"""Which of the sessions so far to call, deleted ones among them."""


class Turn(NamedTuple):
    """A turn to take: on the indexes that its session is bound to, or else on others."""

    prompt: str
    own: bool
    others: tuple[str, ...]
    require_all: bool

    def index_ids(self, life: Life | None) -> list[str]:
        """Give the indexes to name, in another order than the session's and one of them twice."""
        if self.own and life is not None and life.index_ids:
            return [*reversed(life.index_ids), *life.index_ids[:1]]
        return [*self.others]


turns = st.builds(Turn, messages, st.booleans(), st.lists(indexes, min_size=1, max_size=3).map(tuple), st.booleans())


class Sessions(RuleBasedStateMachine):
    """The sessions of one scope, called through one door of a release."""

    def __init__(self, driver: Driver, base_url: str, door: Door, scope: str) -> None:
        super().__init__()
        self.driver, self.base_url, self.door = driver, base_url, door
        self.scope = scope
        self.lives = Lives(door.release.era)
        self.asynchronous = self.by_path = False
        self.ids = [*ADOPTED]

    @initialize(asynchronous=st.booleans(), by_path=st.booleans())
    def begin(self, asynchronous: bool, by_path: bool) -> None:
        """Choose the client, and how it names its scope; make a first session."""
        self.asynchronous, self.by_path = asynchronous, by_path
        self.create(["idx-abc123", "idx-def456"], None, None)

    def call(self, method: str, **arguments: Any) -> Outcome:
        """Make a call in the scope; the client takes nothing but what it was promised, a stream excepted."""
        style = {name: arguments.pop(name) for name in ("way",) if name in arguments}
        arguments = {name: value for name, value in arguments.items() if value is not None}
        base_url = f"{self.base_url}/scope/{self.scope}" if self.by_path else self.base_url
        if not self.by_path:
            arguments["extra_headers"] = {"X-Mock-Scope": self.scope}
        outcome = self.driver.call(
            base_url,
            method,
            arguments,
            resource=self.door.resource,
            asynchronous=self.asynchronous,
            strict=method != "stream",
            max_retries=2,
            **style,
        )
        for each in outcome.exchanges:
            sent = replace(each, target=each.target.removeprefix(f"/scope/{self.scope}"))
            assert faults_of_answer(self.lives.era, sent) == []
            assert each.contract == self.lives.era
        return outcome

    def meet(self, outcome: Outcome, session_id: str, project_id: str | None) -> Life | None:
        """Give the session of a call that succeeded; None where it was refused, as one that was deleted must be."""
        if session_id in self.lives.gone:
            assert_refused(outcome, 404, "NotFoundError", "Session not found")
            return None
        return self.lives.meet(session_id, project_id)

    @precondition(lambda self: len(self.lives.known) < MOST)
    @rule(
        index_ids=st.sampled_from([None, []]) | st.lists(indexes, min_size=1, max_size=3),
        shared_access=st.sampled_from([None, "query", "read_only"]),
        project_id=projects,
    )
    def create(self, index_ids: list[str] | None, shared_access: str | None, project_id: str | None) -> None:
        """Make a session."""
        if self.lives.era != "2.17":
            shared_access = None
        told = answered(self.call("create", index_ids=index_ids, shared_access=shared_access, project_id=project_id))
        session_id = str(told["session_id"])
        assert session_id not in self.lives.known
        assert session_id not in self.lives.gone
        life = Life(session_id, True, project_id, index_ids, shared_access)
        self.lives.assert_shows(self.lives.touch(life), told)
        self.ids.append(session_id)

    @precondition(lambda self: self.lives.era == "2.6")
    @rule(which=whichs, message=messages, project_id=projects)
    def set_title(self, which: int, message: str, project_id: str | None) -> None:
        """Give a session a title, its first or another."""
        session_id = self.ids[which % len(self.ids)]
        outcome = self.call("set_title", session_id=session_id, first_message=message, project_id=project_id)
        life = self.meet(outcome, session_id, project_id)
        if life is not None:
            life.title = title_of(message, 50)
            self.lives.assert_shows(self.lives.touch(life), answered(outcome))

    @rule(which=whichs, wanted=st.lists(turns, min_size=1, max_size=3), project_id=projects)
    def stream(self, which: int, wanted: list[Turn], project_id: str | None) -> None:
        """Take some turns."""
        session_id = self.ids[which % len(self.ids)]
        for turn in wanted:
            known = self.lives.known.get(session_id)
            index_ids = turn.index_ids(known)
            require_all = turn.require_all and self.lives.era == "2.17"
            outcome = self.call(
                "stream",
                session_id=session_id,
                index_ids=index_ids,
                prompt=turn.prompt,
                require_all_indexes=require_all or None,
                project_id=project_id,
            )
            if known is not None and known.locked_against(index_ids):
                assert_refused(outcome, 400, "BadRequestError", "The index set of this session is locked")
                continue
            life = self.meet(outcome, session_id, project_id)
            if life is not None:
                told = list(events_of(answered(outcome)))
                self.lives.take_turn(life, turn.prompt, index_ids, require_all, told)

    @rule(which=whichs, project_id=projects)
    def get_summary(self, which: int, project_id: str | None) -> None:
        """Read a session without its history."""
        session_id = self.ids[which % len(self.ids)]
        outcome = self.call("get_summary", session_id=session_id, project_id=project_id)
        life = self.meet(outcome, session_id, project_id)
        if life is not None:
            self.lives.assert_shows(life, answered(outcome))

    @rule(which=whichs, project_id=projects)
    def retrieve(self, which: int, project_id: str | None) -> None:
        """Read a session with its history."""
        session_id = self.ids[which % len(self.ids)]
        outcome = self.call("retrieve", session_id=session_id, project_id=project_id)
        life = self.meet(outcome, session_id, project_id)
        if life is not None:
            self.lives.assert_shows(life, answered(outcome), events=life.events)

    @rule(which=whichs, project_id=projects)
    def delete(self, which: int, project_id: str | None) -> None:
        """Delete a session; one that was never issued is only forgotten."""
        session_id = self.ids[which % len(self.ids)]
        outcome = self.call("delete", session_id=session_id, project_id=project_id)
        if session_id in self.lives.gone:
            assert_refused(outcome, 404, "NotFoundError", "Session not found")
        else:
            assert answered(outcome) is None
            self.lives.delete(session_id)

    @rule(page_size=st.none() | st.integers(0, 5), project_id=projects)
    def list(self, page_size: int | None, project_id: str | None) -> None:
        """Go through all sessions, page by page."""
        outcome = self.call("list", page_size=page_size, project_id=project_id, way="pages")
        told, expected = answered(outcome), self.lives.listed(project_id)
        assert [each["session_id"] for each in told] == [life.id for life in expected]
        for life, each in zip(expected, told, strict=True):
            self.lives.assert_shows(life, each)
        assert len(outcome.exchanges) == max(1, -(-len(expected) // (page_size or 50)))

    @rule(wrong=st.sampled_from([{"page_size": -1}, {"page_size": "many"}, {"project_id": "none"}]))
    def list_wrongly(self, wrong: dict[str, Any]) -> None:
        """Ask for what cannot be meant, which changes nothing."""
        outcome = self.call("list", **wrong)
        assert outcome.error is not None
        assert (outcome.error.name, outcome.error.status, len(outcome.exchanges)) == (
            "UnprocessableEntityError",
            422,
            1,
        )


def answered(outcome: Outcome) -> Any:
    """Give what the client made of an answer."""
    assert outcome.error is None
    return outcome.parsed


def assert_refused(outcome: Outcome, status: int, name: str, detail: str) -> None:
    """Assert that a call was refused for good: the client did not ask again."""
    assert outcome.error is not None
    assert (outcome.error.name, outcome.error.status, outcome.error.body) == (name, status, {"detail": detail})
    assert len(outcome.exchanges) == 1


@pytest.mark.parametrize("door", [Door(PYTHON_2_7), Door(PYTHON_2_19, "chat")], ids=str)
def test_sessions_live_as_they_should_whatever_is_called_in_whatever_order(
    drive: Drive, serve: Callable[..., str], door: Door
) -> None:
    base_url = serve(seed=0, missing_indexes=GONE_INDEX)
    scopes = count()

    class Here(Sessions):
        """The sessions of this server, in a scope of their own for each life."""

        def __init__(self) -> None:
            super().__init__(drive(door.release), base_url, door, f"life-{next(scopes)}")

    run_state_machine_as_test(
        Here,
        settings=settings(stateful_step_count=25, report_multiple_bugs=False, suppress_health_check=list(HealthCheck)),
    )
