"""The stubs and the journal of a mock, as a test uses them, wherever the mock runs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mockserver.control.admin import Admin
from mockserver.control.records import COLLECTION, RECORDS
from mockserver.errors import StubError
from mockserver.journal.exchange import Call, Exchange, calls_of, from_json
from mockserver.journal.har import as_har
from mockserver.matching import RESPONSE_KEYS
from mockserver.messages import Finding, Json

__tracebackhide__ = True  # pytest shows the test's own line

STUBS = "/__mock__/stubs"
STUB = "/__mock__/stubs/{number}"
JOURNAL = "/__mock__/journal"

ABSENT: Mapping[str, bool] = {"$absent": True}
"""Matches a part of a request that is missing."""


class VerificationError(AssertionError):
    """The client did not do what was expected, or did what is forbidden."""


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
        """The operation that it answers; "*" for any."""
        return str(self._read()["operation"])

    @property
    def spec(self) -> Json:
        """Its definition: operation, when, answers, probability, off."""
        if self._spec is not None:  # it may contain functions
            return self._spec
        found = self._read()
        return {key: found[key] for key in ("operation", "when", "answers", "probability", "off") if key in found}

    @property
    def uses(self) -> int:
        """How often it was used; 0 if it was removed."""
        reply = self._admin.call("GET", STUB, number=str(self.number))
        return 0 if reply.status == 404 else int(reply.value["uses"])

    @property
    def unused(self) -> Sequence[str]:
        """Descriptions of its unused responses."""
        found: Sequence[str] = self._read().get("unused", ())
        return found

    @property
    def nearest(self) -> Sequence[str]:
        """The nearest exchanges, if it was never used."""
        found: Sequence[str] = self._read().get("nearest", ())
        return found

    def then(self, **response: Any) -> "Stub":
        """Add a response after the others; without arguments it is the usual one."""
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
        """Stub an operation, named by its operationId; "*" is any operation.

        The keys of a response are status, example, dynamic, seed, body, partial, headers, retry_after,
        retry_after_ms, should_retry, delay, faults, times (1, or "always"), invalid, callbacks, extra (fields that
        the contract does not know) and answer: a function of the decoded `Call`, which returns a body or
        `StubAnswer(status=429)`.
        `probability` applies to all responses of one call. Any other name is an expected part of the request;
        `when={"headers": {...}}` names the parts explicitly. A StubError says what the contract does not allow.
        """
        probability = said.pop("probability", None)
        response = {key: said.pop(key) for key in RESPONSE_KEYS if key in said}
        if probability is not None:
            response.setdefault("times", "always")
        spec: Json = {"operation": operation, "when": {**said, **(when or {})}, "answers": [response]}
        if probability is not None:
            spec["probability"] = probability
        reply = self._admin.call("POST", STUBS, spec)
        return Stub(self._admin, int(reply.value["numbers"][0]), spec)

    def clear(self) -> None:
        """Remove all stubs."""
        self._admin.call("DELETE", STUBS)

    @property
    def unused(self) -> Sequence[Stub]:
        """The stubs with unused responses."""
        return [Stub(self._admin, each["number"]) for each in self._listed() if each.get("unused")]

    def _listed(self) -> Sequence[Json]:
        found: Sequence[Json] = self._admin.call("GET", STUBS).value["stubs"]
        return found

    def __iter__(self) -> Iterator[Stub]:
        return iter([Stub(self._admin, each["number"]) for each in self._listed()])

    def __len__(self) -> int:
        return len(self._listed())


class KeptItems:
    """What the mock keeps of one resource, by id; what stands below others has their ids before its own: "7/12"."""

    def __init__(self, admin: Admin, name: str) -> None:
        self._admin, self._name = admin, name

    def _call(self, method: str, id: object, value: Json = None) -> Json:
        reply = self._admin.call(method, COLLECTION, value, query={"id": str(id)}, collection=self._name)
        if reply.status == 404:
            raise KeyError(id)
        return reply.value

    def __getitem__(self, id: object) -> Json:
        return self._call("GET", id)["data"]

    def __contains__(self, id: object) -> bool:
        try:
            self._call("GET", id)
        except KeyError:
            return False
        return True

    def items(self) -> Iterator[tuple[str, Json]]:
        """Yield the id and the value of each, the oldest first."""
        query: dict[str, str] = {}
        while True:
            page = self._admin.call("GET", COLLECTION, query=query, collection=self._name).value
            yield from ((each["id"], each["data"]) for each in page["records"])
            if page["after"] is None:
                return
            query["after"] = str(page["after"])

    def __iter__(self) -> Iterator[Json]:
        return (value for _, value in self.items())

    def __len__(self) -> int:
        return sum(1 for _ in self.items())

    def put(self, id: object, value: Mapping[str, Json]) -> Json:
        """Keep a value, new or in place of the one with this id, and return it.

        A StateError says why the contract does not allow it.
        """
        return self._call("PUT", id, dict(value))["data"]

    def delete(self, id: object) -> None:
        """Delete a value; KeyError if there is none."""
        self._call("DELETE", id)


class Resources:
    """What the mock keeps, by resource: `mockserver.resources["things"]`."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin

    def __getitem__(self, name: str) -> KeptItems:
        return KeptItems(self._admin, name)

    def __iter__(self) -> Iterator[str]:
        found = self._admin.call("GET", RECORDS).value["collections"]
        return iter([each["name"] for each in found])


class Journal:
    """The exchanges of a mock."""

    def __init__(self, admin: Admin) -> None:
        self._admin = admin
        self.clearings = 0
        """How often it was cleared; the numbers of the exchanges then start from 1 again."""

    def _read(self) -> list[Exchange]:
        return self.since(0)

    def since(self, number: int) -> list[Exchange]:
        """List the exchanges after the one with a number."""
        query = {"after": str(number)} if number else None
        found = self._admin.call("GET", JOURNAL, query=query).value["exchanges"]
        return [from_json(each) for each in found if each["number"] > number]

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
        """The exchanges in which the client broke the contract."""
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
        """Check that an operation was called as often as expected: at least once by default.

        `times` and `attempts` are a number or {"at_least": 1, "at_most": 3}; attempts of one call count once.
        Other names are parts of the request. A VerificationError shows the nearest exchanges, field by field.
        """
        __tracebackhide__ = True
        question = {"operation": operation, "when": {**fields, **(when or {})}, "times": times, "attempts": attempts}
        self._ask({key: value for key, value in question.items() if value is not None})

    def verify_never(self, operation: str, *, when: Mapping[str, Any] | None = None, **fields: Any) -> None:
        """Check that an operation was not called this way."""
        __tracebackhide__ = True
        self.verify(operation, times=0, when=when, **fields)

    def verify_order(self, *expected: str | Mapping[str, Any]) -> None:
        """Check that operations were called in this order; other calls may come between.

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
        """Return the journal as an HTTP archive (HAR 1.2)."""
        return as_har(self._read())

    def clear(self) -> None:
        """Remove all exchanges."""
        self.clearings += 1
        self._admin.call("DELETE", JOURNAL)
