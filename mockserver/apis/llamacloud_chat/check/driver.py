"""A server as the rules of state see it: the operations of a chat, called one after the other, with a trail."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from mockserver.check.part import DriverContext, HeldOperation, LackingError, SendCase, StateCheck
from mockserver.check.provider.cases import UNSENT, Case, Expectation, expectation_of, parameter_holds, request_of
from mockserver.check.provider.checks import Interaction, wrong
from mockserver.contract.openapi import Operation
from mockserver.contract.tree import join
from mockserver.messages import Finding, Json, Request

ROUTES: Mapping[tuple[str, str], str] = {
    ("POST", "/api/v1/chat"): "create",
    ("GET", "/api/v1/chat"): "list",
    ("GET", "/api/v1/chat/{session_id}"): "retrieve",
    ("DELETE", "/api/v1/chat/{session_id}"): "delete",
    ("GET", "/api/v1/chat/{session_id}/summary"): "get_summary",
    ("POST", "/api/v1/chat/{session_id}/title"): "set_title",
    ("POST", "/api/v1/chat/{session_id}/messages/stream"): "stream",
}
"""The chat's operations by what they do, whatever a contract calls them."""

MESSAGE = "What were the main findings in Q3?"


class ChatDriver:
    """Calls the chat's operations and keeps the trail; each answer is shown to `observe`, which judges its shape."""

    def __init__(self, context: DriverContext) -> None:
        self._context, self.chance = context, context.chance
        self.plays = {
            ROUTES[operation.method, operation.path]: (contract, operation)
            for contract, operation in context.operations
            if (operation.method, operation.path) in ROUTES
        }
        self.trail: list[Request] = []
        self.misshapen = False
        """Whether the shape of an answer was wrong, which then tells more than what follows from it."""
        self.reader = "get_summary" if self.can("get_summary") else "retrieve"
        """The operation that tells a session."""
        self.need(self.reader)

    def operation(self, name: str) -> Operation:
        """Return an operation by what it does; any other where it is missing."""
        return self.plays.get(name, next(iter(self.plays.values())))[1]

    def can(self, *plays: str) -> bool:
        """Return whether the server has these operations."""
        return all(play in self.plays for play in plays)

    def need(self, *plays: str) -> None:
        """LackingError where an operation is not there."""
        lacking = [play for play in plays if play not in self.plays]
        if lacking:
            raise LackingError(f"there is no {lacking[0]}")

    def call(
        self,
        play: str,
        session_id: str = "",
        body: Json = UNSENT,
        query: Sequence[tuple[str, str]] = (),
        *,
        may_be_refused: bool = False,
    ) -> Interaction:
        """Call an operation; the answer is looked at, and the request stands on the trail."""
        self.need(play)
        contract, operation = self.plays[play]
        case = Case(f"{play} of a session", operation, {"session_id": session_id} if session_id else {}, query, body)
        request = request_of(case, self._context.key)
        self.trail.append(request)
        verdict = Expectation("either") if may_be_refused else expectation_of(case)
        seen = Interaction(case, request, verdict, self._context.target.ask(request), contract, self._context.patience)
        self.misshapen |= self._context.observe(seen)
        return seen

    def value(self, play: str, session_id: str = "", body: Json = UNSENT, query: Sequence[tuple[str, str]] = ()) -> Any:
        """Call an operation that must succeed, and give its value; LackingError where it does not."""
        seen = self.call(play, session_id, body, query)
        value = seen.value
        if not seen.is_success or not isinstance(value, dict):
            raise LackingError(f"{play} gave {seen.answer.status}")
        return value

    def create(self, *index_ids: str, **more: Json) -> str:
        """Make a session, and give its id; where there is no create, one that the server takes as it comes."""
        if not self.can("create"):
            return self._taken()
        body = {"index_ids": list(index_ids) or None, **more}
        made = self.value("create", body={name: value for name, value in body.items() if value is not None})
        if not isinstance(made.get("session_id"), str):
            raise LackingError("create gave no id")
        return str(made["session_id"])

    def _taken(self) -> str:
        """Return an id that no other call had and that the server takes; a LackingError where it takes none."""
        operation = self.plays[self.reader][1]
        parameter = next(each for each in operation.parameters if each.name == "session_id")
        number = f"{self.chance.getrandbits(128):032x}"
        shapes = (f"Ses-Check-{number[:12]}", str(UUID(number)))
        ids = [each for each in shapes if parameter_holds(parameter, each)]
        if not ids:
            raise LackingError("there is no create, and no id can be made")
        seen = self.call(self.reader, ids[0], may_be_refused=True)
        if not seen.is_success and self.can("set_title"):
            self.call("set_title", ids[0], {"first_message": self.text()}, may_be_refused=True)
            seen = self.call(self.reader, ids[0], may_be_refused=True)
        if not seen.is_success:
            raise LackingError("there is no create, and the server takes no id that it did not make")
        return ids[0]

    def change(self, session_id: str, message: str) -> Interaction:
        """Change a session by a call that sets its title, or by a turn where there is none."""
        if self.can("set_title"):
            return self.call("set_title", session_id, {"first_message": message})
        return turn(self, session_id, message)

    def summary(self, session_id: str, name: str) -> Json:
        """Return a field of the summary of a session."""
        return self.value(self.reader, session_id).get(name)

    def listed_ids(self, query: Sequence[tuple[str, str]] = ()) -> list[Json]:
        """Return the ids of the list, in its order."""
        return [item.get("session_id") for page in self.all_listed(query) for item in page if isinstance(item, dict)]

    def project(self) -> tuple[str, str]:
        """Return the query parameter of a project that no other call had."""
        return "project_id", f"182bd5e5-6e1a-4fe4-a799-{self.chance.getrandbits(48):012x}"

    def text(self) -> str:
        """Return a message that no other call had."""
        return f"{MESSAGE} ({self.chance.randrange(10**9)})"

    def all_listed(self, query: Sequence[tuple[str, str]] = (), most: int = 50) -> list[list[Json]]:
        """Return the pages of the list, each as its items; at most so many."""
        pages: list[list[Json]] = []
        token: str | None = None
        for _ in range(most):
            more = [("page_token", token)] if token else []
            page = self.value("list", query=[*query, *more])
            items = page.get("items")
            pages.append(items if isinstance(items, list) else [])
            token = page.get("next_page_token")
            if not token:
                break
            if not isinstance(token, str):
                raise LackingError("the token of a page is no text")
        return pages

    def listed(self, session_id: str) -> Json:
        """Return a session as the list has it, looked for from its beginning; None where it is not there."""
        for page in self.all_listed([("page_size", "100")]):
            for item in page:
                if isinstance(item, dict) and item.get("session_id") == session_id:
                    return item
        return None


REPEATS = 30
"""How often a call is repeated, in search of faults that show only sometimes."""

AT_ONCE = 16
"""How many calls are made at once."""

MOST_PAGES = 300
"""How many pages of a list are read."""

INDEX, OTHER = "idx-check-1", "idx-check-2"
FIELDS = ("session_id", "generated_title", "last_updated_at", "job_metadata", "index_ids", "shared_access")
READERS = ("get_summary", "retrieve", "list")

LookAtState: TypeAlias = Callable[[ChatDriver], Iterator[Finding]]


STATE: dict[str, StateCheck] = {}
"""The rules of state, by name."""


def state_check(name: str, operation: str) -> Callable[[LookAtState], LookAtState]:
    """Make a function a rule of state; the first line of its docstring is its sentence."""

    def add(look: LookAtState) -> LookAtState:
        STATE[name] = StateCheck(name, (look.__doc__ or "").strip().splitlines()[0], operation, look)
        return look

    return add


def readings(chat: ChatDriver, session_id: str) -> Iterator[tuple[str, Json]]:
    """Yield a session as each operation that reads returns it."""
    for play in READERS:
        if not chat.can(play):
            continue
        if play == "list":
            yield play, chat.listed(session_id)
        else:
            seen = chat.call(play, session_id)
            yield play, seen.value if seen.is_success else None


def differing(chat: ChatDriver, session_id: str, expected: dict[str, Json]) -> Iterator[Finding]:
    """Yield a finding for each reader that returns another value of a field than expected."""
    for play, value in readings(chat, session_id):
        if not isinstance(value, dict):
            yield wrong(f"{play} does not know the session", f"/response/{play}", "the session", value)
            continue
        for name, wanted in expected.items():
            if value.get(name) != wanted:
                message = f"{play} has another {name} than was written"
                yield wrong(message, join("/response", play, name), wanted, value.get(name))


def turn(chat: ChatDriver, session_id: str, prompt: str = MESSAGE) -> Interaction:
    """Play a turn."""
    return chat.call("stream", session_id, {"index_ids": [INDEX], "prompt": prompt})


def unit(page: str) -> float:
    """Return the least by which a time in ISO 8601 can move, in seconds, by the number of its digits."""
    fraction = re.search(r":[0-9]{2}\.([0-9]+)", page)
    return 10.0 ** -len(fraction[1]) if fraction else 1.0


def path_values(operations: Sequence[HeldOperation], send: SendCase, operation: Operation) -> Mapping[str, str]:
    """Return the id of a session that was just created, where one can be."""
    for contract, create in operations:
        if "session_id" in operation.names and ROUTES.get((create.method, create.path)) == "create":
            value = send(contract, Case("a session", create, {}, (), {})).value
            if isinstance(value, dict) and isinstance(value.get("session_id"), str):
                return {"session_id": value["session_id"]}
    return {}
