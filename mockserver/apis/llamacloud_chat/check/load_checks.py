"""The rules of state and meaning of many: pages of the list, repeated calls, calls at the same time."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from mockserver.apis.llamacloud_chat.check.driver import (
    AT_ONCE,
    INDEX,
    MESSAGE,
    MOST_PAGES,
    REPEATS,
    ChatDriver,
    state_check,
    turn,
    unit,
)
from mockserver.check.provider.checks import Interaction, wrong
from mockserver.contract.schema import join
from mockserver.messages import Finding, Json


@state_check("pages-are-complete", "list")
def pages_are_complete(chat: ChatDriver) -> Iterator[Finding]:
    """The pages of the list have each session once, no more than was asked for, and the last one says that it is."""
    own = [("project_id", f"182bd5e5-6e1a-4fe4-a799-{chat.chance.getrandbits(48):012x}")]
    if not chat.call("create", body={}, query=own).is_success:  # a service that knows its projects
        own = []
    made = [str(chat.value("create", body={}, query=own).get("session_id")) for _ in range(5)]
    pages = chat.all_listed([("page_size", "2"), *own], most=MOST_PAGES)
    ids = [item.get("session_id") for page in pages for item in page if isinstance(item, dict)]
    lost = [each for each in made if each not in ids]
    if lost:
        yield wrong("a session is on no page", "/response/list/items", lost[0], None)
    twice = [each for each in ids if ids.count(each) > 1]
    if twice:
        yield wrong("a session is on two pages", "/response/list/items", "once", twice[0])
    if any(len(page) > 2 for page in pages):
        yield wrong("a page is longer than was asked for", "/response/list/items", 2, max(map(len, pages)))
    if len(pages) > 1 and not all(pages):
        yield wrong(
            "a page is empty, and yet there was a token to it", "/response/list/next_page_token", "no token", "a token"
        )
    if len(pages) == MOST_PAGES:
        yield wrong("the pages do not end", "/response/list/next_page_token", "no token", "a token")


@state_check("newest-first", "list")
def newest_first(chat: ChatDriver) -> Iterator[Finding]:
    """The list begins with the latest update."""
    one, made = chat.create(INDEX), chat.value("create", body={"index_ids": [INDEX]})
    other = made.get("session_id")
    time.sleep(unit(str(made.get("last_updated_at"))))
    if chat.can("set_title"):
        chat.call("set_title", one, {"first_message": chat.text()})
    else:
        turn(chat, one)
    ids = [item.get("session_id") for page in chat.all_listed() for item in page if isinstance(item, dict)]
    if one in ids and other in ids and ids.index(one) > ids.index(other):
        yield wrong("an older update stands before a newer one", "/response/list/items", [one, other], [other, one])


@state_check("project-filters", "list")
def project_filters(chat: ChatDriver) -> Iterator[Finding]:
    """A list of a project has the sessions that were created in it, and no others."""
    mine, others = (("project_id", f"182bd5e5-6e1a-4fe4-a799-{chat.chance.getrandbits(48):012x}") for _ in range(2))
    one = str(chat.value("create", body={}, query=[mine]).get("session_id"))
    other = str(chat.value("create", body={}, query=[others]).get("session_id"))
    ids = [item.get("session_id") for page in chat.all_listed([mine]) for item in page if isinstance(item, dict)]
    if one not in ids:
        yield wrong("a session is not in the list of its project", "/response/list/items", one, None)
    if other in ids:
        yield wrong("a session is in the list of another project", "/response/list/items", "not there", other)


@state_check("repeats-are-equal", "get_summary")
def repeats_are_equal(chat: ChatDriver) -> Iterator[Finding]:
    """The same reading of the same session gives the same, however often."""
    session_id = chat.create(INDEX)
    for play in ("get_summary", "retrieve"):
        if not chat.can(play):
            continue
        first = chat.call(play, session_id)
        for number in range(1, REPEATS):
            again = chat.call(play, session_id)
            if (again.answer.status, again.answer.body) != (first.answer.status, first.answer.body):
                where = join("/response", play)
                received = again.answer.body[:200].decode("utf-8", "replace")
                told = first.answer.body[:200].decode("utf-8", "replace")
                yield wrong(f"reading number {number + 1} differs from the first", where, told, received)
                break


@state_check("repeats-succeed", "set_title")
def repeats_succeed(chat: ChatDriver) -> Iterator[Finding]:
    """A valid change is taken each time, however often."""
    session_id = chat.create(INDEX)
    calls: list[tuple[str, Json]] = [("stream", {"index_ids": [INDEX], "prompt": MESSAGE})]
    if chat.can("set_title"):
        calls.append(("set_title", {"first_message": MESSAGE}))
    for play, body in calls:
        for number in range(REPEATS):
            seen = chat.call(play, session_id, body, may_be_refused=True)
            if not seen.is_success:
                where, status = join("/response", play, "status"), seen.answer.status
                yield wrong(f"call number {number + 1} was refused", where, 200, status)
                break


@state_check("concurrent-is-kept", "set_title")
def concurrent_is_kept(chat: ChatDriver) -> Iterator[Finding]:
    """Calls at the same time do not mix: each gets its own session, and what each wrote is read back."""
    change = "set_title" if chat.can("set_title") else "stream"
    ids = [chat.create(INDEX) for _ in range(AT_ONCE)]
    repeats_message = _titles_repeat_messages(chat, change)

    def write(number: int) -> Interaction:
        message = f"Message number {number} of many"
        if change == "stream":
            return turn(chat, ids[number], message)
        return chat.call(change, ids[number], {"first_message": message})

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(write, range(AT_ONCE)))
    for number, seen in enumerate(answers):
        value = seen.value if change == "set_title" else chat.value("get_summary", ids[number])
        if not isinstance(value, dict) or value.get("session_id") != ids[number]:
            received = value.get("session_id") if isinstance(value, dict) else seen.answer.status
            yield wrong("a call got another one's session", "/response/body/session_id", ids[number], received)
            return
        if repeats_message and f"number {number} " not in str(value.get("generated_title")):
            expected = f"a title of message number {number}"
            yield wrong(
                "a call got another one's title",
                "/response/body/generated_title",
                expected,
                value.get("generated_title"),
            )
            return
        told = chat.value("get_summary", ids[number]).get("generated_title")
        if told != value.get("generated_title"):
            yield wrong(
                "what was written is not read back",
                "/response/get_summary/generated_title",
                value.get("generated_title"),
                told,
            )


def _titles_repeat_messages(chat: ChatDriver, change: str) -> bool:
    """Say whether a title of this server's begins as its message does; nothing says that it must."""
    session_id, message = chat.create(INDEX), "Probe number 0 of many"
    if change == "set_title":
        chat.call("set_title", session_id, {"first_message": message})
    else:
        turn(chat, session_id, message)
    return str(chat.value("get_summary", session_id).get("generated_title")).startswith(message)


@state_check("long-text-is-taken", "set_title")
def long_text_is_taken(chat: ChatDriver) -> Iterator[Finding]:
    """A long message and an empty one are taken, as the contract sets no limit."""
    chat.need("set_title")
    for message in ("", "x" * 20_000, "漢" * 7_000, "\n\n\t "):
        seen = chat.call("set_title", chat.create(), {"first_message": message}, may_be_refused=True)
        if not seen.is_success:
            name = f"{len(message)} characters"
            yield wrong(f"a message of {name} was refused", "/request/body/first_message", 200, seen.answer.status)
