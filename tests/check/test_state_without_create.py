"""The checks of state see what is wrong where there is no create, on ids that a server takes as they come."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mockserver.apis.llamacloud_chat.check.part import PART
from mockserver.check import check_server
from mockserver.contract.openapi import Contract
from mockserver.contract.reader import read_contract
from mockserver.messages import Handler, Json, Request, Response
from tests.check.small_servers import Answer, checked, last, response, server, told, value_of
from tests.strategies import contract_of

CHAT = "/api/v1/chat/{session_id}"
KEPT = {f"{CHAT}/title": "post", f"{CHAT}/summary": "get", CHAT: "delete"}
WITH_RETRIEVE = {f"{CHAT}/title": "post", CHAT: "get delete"}


def document(kept: dict[str, str]) -> Json:
    whole = contract_of("2.6").document
    paths = {
        path: {key: each for key, each in whole["paths"][path].items() if key == "parameters" or key in methods.split()}
        for path, methods in kept.items()
    }
    return {**whole, "paths": paths}


def contract(kept: dict[str, str]) -> Contract:
    return read_contract(document(kept), name="c", file="c.json", bundled=True)


class Titles:
    """A server of titles that takes any id, with a place for each fault."""

    def __init__(self) -> None:
        self.titles: dict[str, str] = {}
        self.times: dict[str, int] = {}
        self.count = self.clock = 0

    def key(self, session_id: str) -> str:
        return session_id

    def title(self, message: str) -> str:
        return message[:50]

    def set(self, session_id: str, message: str) -> Answer:
        self.titles[self.key(session_id)] = self.title(message)
        return 200, self.told(session_id, self.titles[self.key(session_id)])

    def get(self, session_id: str) -> Answer:
        return 200, self.told(session_id, self.titles.get(self.key(session_id)))

    def delete(self, session_id: str) -> Answer:
        self.titles.pop(self.key(session_id), None)
        return 204, None

    def told(self, session_id: str, title: str | None) -> Json:
        time = f"2026-04-22T12:34:41.{self.times.get(self.key(session_id), 0):06d}"
        return {"session_id": session_id, "generated_title": title, "last_updated_at": time, "events": []}

    def tick(self, session_id: str) -> None:
        self.clock += 1
        self.times[self.key(session_id)] = self.clock


class Forgets(Titles):
    """It keeps no title."""

    def set(self, session_id: str, message: str) -> Answer:
        return 200, self.told(session_id, message)


class KeepsFirst(Titles):
    """It keeps the first title for ever."""

    def set(self, session_id: str, message: str) -> Answer:
        self.titles.setdefault(self.key(session_id), self.title(message))
        return 200, self.told(session_id, self.title(message))


class SharesOne(Titles):
    """All ids have the same title."""

    def key(self, session_id: str) -> str:
        return session_id[:0]


class FoldsCase(Titles):
    """Ids that differ in case are the same."""

    def key(self, session_id: str) -> str:
        return session_id.lower()


class KeepsDeleted(Titles):
    """What was deleted is still there."""

    def delete(self, session_id: str) -> Answer:
        return 204, None if session_id else {}


class DeletesAll(Titles):
    """A delete takes all titles."""

    def delete(self, session_id: str) -> Answer:
        self.titles.clear()
        return super().delete(session_id)


class OneTitle(Titles):
    """Every title is the same, whatever the message."""

    def title(self, message: str) -> str:
        return "A conversation" + message[:0]


class LosesNow(Titles):
    """Every tenth reading has no title."""

    def get(self, session_id: str) -> Answer:
        self.count += 1
        return super().get(session_id) if self.count % 10 else (200, self.told(session_id, None))


class TakesTwenty(Titles):
    """A title can be set twenty times."""

    def set(self, session_id: str, message: str) -> Answer:
        self.count += session_id == getattr(self, "before", None)
        self.count *= session_id == getattr(self, "before", None)
        self.before = session_id
        return super().set(session_id, message) if self.count < 20 else (429, {"detail": "enough"})


FAULTS = (Forgets, KeepsFirst, SharesOne, FoldsCase, KeepsDeleted, DeletesAll, OneTitle, LosesNow, TakesTwenty)


def serving(titles: Titles, kept: dict[str, str]) -> Handler:
    """Serve titles by the chat's contract: what the mock refuses is refused in its words."""

    def handle(request: Request) -> Response:
        parts = request.path.removeprefix("/api/v1/chat/").split("/")
        session_id = last(Request("GET", "/" + parts[0]))
        path = f"{CHAT}/{parts[1]}" if len(parts) == 2 else CHAT
        methods = [method.upper() for method in kept.get(path, "").split()] if len(parts) < 3 else []
        if not methods:
            return response(404, {"detail": "Not Found"})
        if request.method not in methods:
            return response(405, {"detail": "Method Not Allowed"}, {"allow": ", ".join(methods)})
        if request.method != "POST":
            return response(*(titles.get if request.method == "GET" else titles.delete)(session_id))
        value = value_of(request)
        message = value.get("first_message") if isinstance(value, dict) else None
        if not isinstance(message, str):
            missing = {"type": "missing", "loc": ["body", "first_message"], "msg": "Field required", "input": None}
            return response(422, {"detail": [missing]})
        titles.tick(session_id)
        return response(*titles.set(session_id, message))

    return handle


def state_of(make: Callable[[], Titles], kept: dict[str, str]) -> set[str]:
    report = checked(serving(make(), kept), contract(kept), part=PART, examples=1)
    return {each.rule for each in report.errors} & PART.state.keys()


@pytest.mark.parametrize("kept", [KEPT, WITH_RETRIEVE], ids=["summary", "retrieve"])
def test_a_server_that_keeps_titles_is_not_accused(kept: dict[str, str]) -> None:
    report = checked(serving(Titles(), kept), contract(kept), part=PART, examples=1)
    assert [each for each in told(report) if each.partition(" ")[0] in PART.state] == []
    assert {"title-is-kept", "others-untouched", "deleted-is-gone", "repeats-succeed"} <= set(report.passed)


@pytest.mark.parametrize("kept", [KEPT, WITH_RETRIEVE], ids=["summary", "retrieve"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_state_is_seen(fault: type[Titles], kept: dict[str, str]) -> None:
    assert state_of(fault, kept)


def test_a_server_that_takes_no_id_of_ours_is_told_to_be_not_looked_at() -> None:
    handler = server(lambda _: None, ("GET", f"{CHAT.partition('{')[0]}*"))
    report = checked(handler, contract(KEPT), part=PART, examples=1)
    assert "title-is-kept" not in report.passed
    why = {each.name: each.why for each in report.skipped}
    assert why["title-is-kept"] == "there is no create, and the server takes no id that it did not make"


def test_a_file_with_the_paths_of_a_pack_is_held_to_its_checks_of_state_unless_no_pack_is_wanted(
    tmp_path: Path,
) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps(document(KEPT)), "utf-8")
    found, without = (
        check_server(serving(Forgets(), KEPT), api=api, contract=str(path), examples=1) for api in (None, "none")
    )
    assert "title-is-kept" in {each.rule for each in found.errors}
    assert "title-is-kept" not in without.rules
