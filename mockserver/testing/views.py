"""What a test holds in its hands: the plan, the journal and the sessions of a mock, wherever it runs."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mockserver.control.admin import Desk, Planned, verified
from mockserver.journal.exchange import Call, Exchange, calls_of
from mockserver.journal.har import as_har
from mockserver.messages import Finding, Json
from mockserver.stub.response import ANSWER_KEYS

ABSENT: Mapping[str, bool] = {"$absent": True}
"""Stands for a part of a request that is not there."""


class VerificationError(AssertionError):
    """What was expected of a client did not happen, or what is forbidden did."""


VerificationError.__module__ = "mockserver.testing.server"  # where it is public


class PlannedAnswer:
    """A planned answer, or several one after the other."""

    def __init__(self, desk: Desk, number: int, spec: Json) -> None:
        self._desk, self.number, self._spec = desk, number, spec

    def then(self, **answer: Any) -> "PlannedAnswer":
        """Plan one more answer after those that there are; with nothing said, it is the usual one."""
        made = {**self._spec, "answers": [*self._spec["answers"], answer]}
        self._desk.put(made, self.number)
        self._spec = made
        return self

    @property
    def uses(self) -> int:
        """How often it was used."""
        return next((each.uses for each in self._desk.planned() if each.number == self.number), 0)

    def remove(self) -> None:
        """Take it back."""
        self._desk.remove(self.number)


class Plan:
    """Answers planned ahead: `plan.set_title(status=429)`, `plan.any(delay=0.2, times="always")`.

    What can be said of an answer: status, example, dynamic, seed, body, partial, headers, retry_after, retry_after_ms,
    should_retry, delay, faults, times (1, or "always"), invalid. `probability` concerns all answers of one call.
    Any other name is a part of the request that is expected: `plan.set_title(first_message=re.compile("Q3"), ...)`;
    `when={"headers": {...}}` says it part by part. A PlanError says what the contract does not allow.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __getattr__(self, operation: str) -> Callable[..., PlannedAnswer]:
        """Give what plans an answer of an operation."""
        if operation.startswith("_"):
            raise AttributeError(operation)

        def plan(**said: Any) -> PlannedAnswer:
            return self.add(operation, **said)

        return plan

    def any(self, **said: Any) -> PlannedAnswer:
        """Plan an answer for whatever operation is called."""
        return self.add("*", **said)

    def add(self, operation: str, *, when: Mapping[str, Any] | None = None, **said: Any) -> PlannedAnswer:
        """Plan an answer of an operation, named by its operationId."""
        probability = said.pop("probability", None)
        answer = {key: said.pop(key) for key in ANSWER_KEYS if key in said}
        if probability is not None:
            answer.setdefault("times", "always")
        spec: Json = {"operation": operation, "when": {**said, **(when or {})}, "answers": [answer]}
        if probability is not None:
            spec["probability"] = probability
        return PlannedAnswer(self._desk, self._desk.put(spec), spec)

    def clear(self) -> None:
        """Take back all that is planned."""
        self._desk.remove()

    @property
    def unused(self) -> Sequence[Planned]:
        """What is planned and was never used."""
        return [each for each in self._desk.planned() if each.unused]

    def __iter__(self) -> Iterator[Planned]:
        return iter(self._desk.planned())

    def __len__(self) -> int:
        return len(self._desk.planned())


class Journal:
    """What went over the wire."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self._desk.exchanges())

    def __len__(self) -> int:
        return len(self._desk.exchanges())

    def __getitem__(self, index: int) -> Exchange:
        return self._desk.exchanges()[index]

    @property
    def calls(self) -> Sequence[Call]:
        """The calls, each as the list of its attempts."""
        return calls_of(self._desk.exchanges())

    @property
    def violations(self) -> Sequence[tuple[Exchange, Finding]]:
        """What the client sent that the contract forbids."""
        return [(each, finding) for each in self._desk.exchanges() for finding in each.violations]

    def verify(
        self,
        operation: str,
        *,
        times: int | Mapping[str, int] | None = None,
        attempts: int | Mapping[str, int] | None = None,
        when: Mapping[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        """Make sure that an operation was called as expected, as often as expected: at least once by default.

        `times` and `attempts` are a number, or {"at_least": 1, "at_most": 3}; attempts of one call count once.
        Other names are parts of the request. A VerificationError shows what came nearest, field by field.
        """
        __tracebackhide__ = True
        question = {"operation": operation, "when": {**fields, **(when or {})}, "times": times, "attempts": attempts}
        self._ask({key: value for key, value in question.items() if value is not None})

    def verify_never(self, operation: str, *, when: Mapping[str, Any] | None = None, **fields: Any) -> None:
        """Make sure that an operation was not called so."""
        __tracebackhide__ = True
        self.verify(operation, times=0, when=when, **fields)

    def verify_order(self, *expected: str | Mapping[str, Any]) -> None:
        """Make sure that operations were called one after the other; others may stand between them.

        Each is an operation's name, or {"operation": ..., "when": {...}}.
        """
        __tracebackhide__ = True
        self._ask({"order": list(expected)})

    def _ask(self, question: Mapping[str, Any]) -> None:
        __tracebackhide__ = True
        verdict = verified(self._desk, question)
        if not verdict.ok:
            raise VerificationError(verdict.message)

    def har(self) -> Json:
        """Give all of it as an HTTP archive (HAR 1.2)."""
        return as_har(self._desk.exchanges())

    def clear(self) -> None:
        """Forget it."""
        self._desk.clear_journal()


class Sessions:
    """The sessions that the mock keeps."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def __iter__(self) -> Iterator[Json]:
        return iter(self._desk.sessions())

    def __len__(self) -> int:
        return len(self._desk.sessions())

    def __contains__(self, session_id: str) -> bool:
        return self._desk.session(session_id) is not None

    def __getitem__(self, session_id: str) -> Json:
        found = self._desk.session(session_id)
        if found is None:
            raise KeyError(session_id)
        return found

    def add(self, session_id: str, **said: Json) -> Json:
        """Keep a session, as if create had made it, and give it.

        What can be said: generated_title, last_updated_at, index_ids, shared_access, job_metadata, project_id, events.
        A StateError says why there can be no such session.
        """
        return self._desk.put_session(session_id, said)

    def delete(self, session_id: str) -> None:
        """Delete a session; KeyError where there is none."""
        if not self._desk.delete_session(session_id):
            raise KeyError(session_id)

    def snapshot(self) -> bytes:
        """Give all that is kept, to be restored later, or in another test."""
        return self._desk.snapshot()

    def restore(self, state: bytes) -> int:
        """Keep what a snapshot says, and nothing else; give the number of its sessions."""
        return self._desk.restore(state)
