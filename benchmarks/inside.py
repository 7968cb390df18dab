"""Holds many sessions in one process, without a server, and times calls among them. Run as a file, in the environment.

`inside.py hold <create|title> <count> [<before> [<journal size>]]` answers that many requests and tells the memory that
they took, as JSON; then, for each line `<place> <operation> <calls>` that it reads, the seconds that one call took in
the mean; a place is the store, the handler, or the ASGI app.
`before` is how many requests are answered before the memory is first read.
`inside.py save <count> <file>` writes a state with that many sessions.
`inside.py count <operation> <count> <calls>` makes that many calls in the Handler among that many sessions, for
callgrind to count.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from mockserver.apis.llamacloud_chat.sessions import write_token
from mockserver.engine import Mock
from mockserver.messages import HeaderTable, Request
from mockserver.settings import Settings
from mockserver.store.base import Change, Session, Store
from mockserver.store.memory import MemoryStore
from mockserver.store.snapshot import dump_state
from mockserver.testing.server import make_app

ROOT = "/api/v1/chat"
SCOPE = "default"
PAGE = 50
TIME = "2026-04-22T12:34:41.342245"
TITLED = json.dumps({"first_message": "How do I rotate the keys of an index without any downtime?"}).encode()
TITLE = "How do I rotate the keys of an index without any d..."
_TABLE = HeaderTable()
WARM = 2_000
"""Calls before the memory is first read, so that all is loaded by then."""


def request(method: str, path: str, body: bytes = b"", query: str = "") -> Request:
    """Give a request as the edge would."""
    fields = [
        (b"host", b"127.0.0.1:4010"),
        (b"content-length", b"%d" % len(body)),
        (b"content-type", b"application/json"),
        (b"authorization", b"Bearer any-key"),
    ]
    return Request(method, path, query, _TABLE.headers(fields), body)


def title_request(session_id: str) -> Request:
    """Ask for a title, as a client does that adds the message of the user."""
    return request("POST", f"{ROOT}/{session_id}/title", TITLED)


def create_request() -> Request:
    """Ask for a new session."""
    return request("POST", ROOT, b"{}")


def list_request(place: int | None) -> Request:
    """Ask for the first page of the list, or for the one after a place in the order."""
    token = "" if place is None else f"&page_token={write_token(place)}"
    return request("GET", ROOT, query=f"page_size={PAGE}{token}")


def opened(journal: int = 1_000) -> Mock:
    """Open a mock that has room, and remembers so many exchanges."""
    return Mock(Settings(seed=0, max_sessions=4_000_000, journal_size=journal))


def answered(mock: Mock, ask: Request) -> bytes:
    """Answer a request rightly, or end."""
    response = mock.handle(ask)
    if response.status not in (200, 201):
        sys.exit(f"the mock answered {response.status} {response.body!r}")
    return response.body


def fill(mock: Mock, how: str, first: int, last: int) -> None:
    """Make sessions: by create, or by a title for ids that create never issued."""
    for number in range(first, last):
        answered(mock, create_request() if how == "create" else title_request(f"ses-{number:06d}"))


def resident(field: str) -> int:
    """Give a size of this process in KiB: VmHWM, the largest ever, or VmRSS."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def _ids(store: Store, count: int, chance: Random) -> list[str]:
    """Give ids of sessions from all over the order of updates, as texts of their own, as a path would bring them."""
    last = store.counters(SCOPE).seq
    ids: list[str] = []
    while len(ids) < count:
        ids += [(each.id + " ").rstrip() for each in store.page(SCOPE, None, chance.randint(2, last + 1), 1)]
    return ids


def _at_store(store: Store, operation: str) -> Callable[[Any], object]:
    """Give what makes one call at the store."""

    def titled(old: Session | None, _: bool) -> Change:
        return Change(None if old is None else Session(old.id, TIME, TITLE, *old[3:]))

    def created(_: object) -> None:
        number = store.birth(SCOPE)
        made = Session(f"ses-{number:021d}", TIME, issued=True, born=number)
        store.change(SCOPE, made.id, lambda *_: Change(made))

    if operation == "title":
        return lambda session_id: store.change(SCOPE, session_id, titled)
    if operation == "create":
        return created
    return lambda place: store.page(SCOPE, None, place, PAGE + 1)


def _at_app(mock: Mock) -> Callable[[Request], object]:
    """Give what makes one call of the ASGI application, whose server has the whole request already."""
    app = make_app(mock.settings, mock)

    async def send(_: Any) -> None:
        pass

    def call(ask: Request) -> None:
        message = {"type": "http.request", "body": ask.body, "more_body": False}

        async def receive() -> Any:
            return message

        raw, headers = ask.path.encode(), list(ask.headers.raw)
        scope = {"type": "http", "method": ask.method, "path": ask.path, "raw_path": raw, "query_string": b""}
        with suppress(StopIteration):
            app({**scope, "root_path": "", "headers": headers}, receive, send).send(None)

    return call


def _arguments(store: Store, operation: str, calls: int, chance: Random) -> Sequence[Any]:
    """Give what each call is about: ids, or places in the order."""
    if operation == "title":
        return _ids(store, calls, chance)
    last = store.counters(SCOPE).seq
    return [chance.randint(last // 2, last) if operation == "list-on" else None for _ in range(calls)]


_REQUESTS: dict[str, Callable[[Any], Request]] = {
    "title": title_request,
    "create": lambda _: create_request(),
    "list": list_request,
    "list-on": list_request,
}


def timed(mock: Mock, place: str, operation: str, calls: int, chance: Random) -> float:
    """Give the processor seconds of one call in the mean; what is created is deleted afterwards."""
    store = mock.store
    arguments, before = _arguments(store, operation, calls, chance), store.counters(SCOPE).seq
    if place == "store":
        call = _at_store(store, operation)
    else:
        call, arguments = mock.handle, [_REQUESTS[operation](each) for each in arguments]
    if place == "app":
        call = _at_app(mock)
    began = time.process_time()
    for each in arguments:
        call(each)
    spent = time.process_time() - began
    if operation == "create":
        for session in store.page(SCOPE, None, None, calls):
            if session.seq > before:
                store.change(SCOPE, session.id, lambda *_: Change(None))
    return spent / calls


def hold(how: str, count: int, warm: int = WARM, journal: int = 1_000) -> None:
    """Fill a mock, tell what it took, and time calls until there are no more lines."""
    mock = opened(journal)
    fill(mock, how, 0, warm)
    before = resident("VmHWM")
    fill(mock, how, warm, warm + count)
    told = {"bytes_per_session": (resident("VmHWM") - before) * 1024 / count, "resident_mib": resident("VmRSS") / 1024}
    print(json.dumps(told), flush=True)
    chance = Random(0)
    for line in sys.stdin:
        place, operation, calls = line.split()
        print(timed(mock, place, operation, int(calls), chance), flush=True)


def save(count: int, path: Path) -> None:
    """Write a state with so many sessions, as ses-000000 and on."""
    store = MemoryStore(count)
    for number in range(count):
        made = Session(f"ses-{number:06d}", TIME, TITLE, born=store.birth(SCOPE))
        store.change(SCOPE, made.id, lambda *_, made=made: Change(made))
    with path.open("wb") as file:
        file.writelines(dump_state(store))


def count_calls(operation: str, count: int, calls: int) -> None:
    """Make calls in the Handler among so many sessions; what is drawn for them is the same for any number of calls."""
    mock = opened()
    created = _at_store(mock.store, "create")
    for _ in range(count):
        created(None)
    for argument in _arguments(mock.store, operation, 2_000, Random(0))[:calls]:
        answered(mock, _REQUESTS[operation](argument))


def main() -> None:
    """Do what the arguments say."""
    kind, *rest = sys.argv[1:]
    if kind == "hold":
        hold(rest[0], *map(int, rest[1:]))
    elif kind == "count":
        count_calls(rest[0], int(rest[1]), int(rest[2]))
    else:
        save(int(rest[0]), Path(rest[1]))


if __name__ == "__main__":
    main()
