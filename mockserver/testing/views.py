"""What a test holds of a mock, wherever it runs: its stubs and its journal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mockserver.control.admin import Admin
from mockserver.errors import StubError
from mockserver.journal.exchange import Call, Exchange, calls_of, from_json
from mockserver.journal.har import as_har
from mockserver.messages import Finding, Json
from mockserver.stub.response import RESPONSE_KEYS
from mockserver.stub.rules import read_spec

STUBS = "/__mock__/stubs"
STUB = "/__mock__/stubs/{number}"
JOURNAL = "/__mock__/journal"

ABSENT: Mapping[str, bool] = {"$absent": True}
"""Stands for a part of a request that is not there."""


class VerificationError(AssertionError):
    """What was expected of a client did not happen, or what is forbidden did."""


VerificationError.__module__ = "mockserver.testing"  # where it is public


class Stub:
    """Stubbed responses of an operation, one after the other."""

    def __init__(self, admin: Admin, number: int, spec: Json = None) -> None:
        self._admin, self.number, self._spec = admin, number, spec

    def _read(self) -> Json:
        reply = self._admin.call("GET", STUB, number=str(self.number))
        if reply.status == 404:
            raise StubError(f"there is no stub {self.number}", why="it was removed", fix="create it again")
        return reply.value

    @property
    def operation(self) -> str:
        """The operation that it is for; "*" for any."""
        return str(self._read()["operation"])

    @property
    def spec(self) -> Json:
        """What it says: operation, when, answers, probability."""
        if self._spec is not None:  # which may hold functions
            return self._spec
        found = self._read()
        return {key: found[key] for key in ("operation", "when", "answers", "probability") if key in found}

    @property
    def uses(self) -> int:
        """How often it was used; 0 for one that was removed."""
        reply = self._admin.call("GET", STUB, number=str(self.number))
        return 0 if reply.status == 404 else int(reply.value["uses"])

    @property
    def unused(self) -> Sequence[str]:
        """Its responses that were never used, each in words."""
        found: Sequence[str] = self._read().get("unused", ())
        return found

    @property
    def nearest(self) -> Sequence[str]:
        """What came nearest to it, where it was never used."""
        found: Sequence[str] = self._read().get("nearest", ())
        return found

    def then(self, **response: Any) -> "Stub":
        """Add one more response after those that there are; with nothing said, it is the usual one."""
        spec = {**self.spec, "answers": [*self.spec["answers"], response]}
        self._admin.call("PUT", STUB, spec, number=str(self.number))
        self._spec = spec
        return self

    def remove(self) -> None:
        """Remove it."""
        self._admin.call("DELETE", STUB, number=str(self.number))

    def __str__(self) -> str:
        """Describe it in a line."""
        return str(self._read()["description"])


class Stubs:
    """The stubs of a mock: `mockserver.stub.create("read_note", status=429)`."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    def create(self, operation: str = "*", *, when: Mapping[str, Any] | None = None, **said: Any) -> Stub:
        """Stub an operation, named by its operationId; "*" is whatever operation is called.

        What can be said of a response: status, example, dynamic, seed, body, partial, headers, retry_after,
        retry_after_ms, should_retry, delay, faults, times (1, or "always"), invalid. `probability` concerns all
        responses of one call. Any other name is a part of the request that is expected; `when={"headers": {...}}` says
        it part by part. A StubError says what the contract does not allow.
        """
        probability = said.pop("probability", None)
        response = {key: said.pop(key) for key in RESPONSE_KEYS if key in said}
        if probability is not None:
            response.setdefault("times", "always")
        spec: Json = {"operation": operation, "when": {**said, **(when or {})}, "answers": [response]}
        if probability is not None:
            spec["probability"] = probability
        reply = self._admin.call("POST", STUBS, read_spec(spec))
        return Stub(self._admin, int(reply.value["numbers"][0]), spec)

    def clear(self) -> None:
        """Remove all stubs."""
        self._admin.call("DELETE", STUBS)

    @property
    def unused(self) -> Sequence[Stub]:
        """The stubs that were never used, or not to their end."""
        return [Stub(self._admin, each["number"]) for each in self._listed() if each.get("unused")]

    def _listed(self) -> Sequence[Json]:
        found: Sequence[Json] = self._admin.call("GET", STUBS).value["stubs"]
        return found

    def __iter__(self) -> Iterator[Stub]:
        return iter([Stub(self._admin, each["number"]) for each in self._listed()])

    def __len__(self) -> int:
        return len(self._listed())


class Journal:
    """What went over the wire."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    def _read(self) -> list[Exchange]:
        return [from_json(each) for each in self._admin.call("GET", JOURNAL).value["exchanges"]]

    def __iter__(self) -> Iterator[Exchange]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __getitem__(self, index: int) -> Exchange:
        return self._read()[index]

    @property
    def calls(self) -> Sequence[Call]:
        """The calls, each as the list of its attempts."""
        return calls_of(self._read())

    @property
    def violations(self) -> Sequence[tuple[Exchange, Finding]]:
        """What the client sent that the contract forbids."""
        return [(each, finding) for each in self._read() for finding in each.violations]

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
        reply = self._admin.call("POST", "/__mock__/verify", question)
        if reply.status == 406:
            raise VerificationError(reply.value["message"])

    def har(self) -> Json:
        """Give all of it as an HTTP archive (HAR 1.2)."""
        return as_har(self._read())

    def clear(self) -> None:
        """Forget it."""
        self._admin.call("DELETE", JOURNAL)
