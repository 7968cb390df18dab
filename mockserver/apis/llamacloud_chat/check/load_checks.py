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
    unit,
)
from mockserver.check.provider.checks import wrong
from mockserver.contract.tree import join
from mockserver.messages import Finding, Json


@state_check("pages-are-complete", "list")
def pages_are_complete(chat: ChatDriver) -> Iterator[Finding]:
    """The pages of the list have each session once, no more than was asked for, and the last one says that it is."""
    own = [chat.project()]
    if not chat.call("create", body={}, query=own).is_success:  # a service that knows its projects
        own = []
    made = [str(chat.value("create", body={}, query=own).get("session_id")) for _ in range(5)]
    pages = chat.all_listed([("page_size", "2"), *own], most=MOST_PAGES)
    ids = [item.get("session_id") for page in pages for item in page if isinstance(item, dict)]
    lost, twice = ([each for each in made if each not in ids], [each for each in ids if ids.count(each) > 1])
    if lost:
        yield wrong("a session is on no page", "/response/list/items", lost[0], None)
    if twice:
        yield wrong("a session is on two pages", "/response/list/items", "once", twice[0])
    if any(len(page) > 2 for page in pages):
        yield wrong("a page is longer than was asked for", "/response/list/items", 2, max(map(len, pages)))
    where = "/response/list/next_page_token"
    if len(pages) > 1 and not all(pages):
        yield wrong("a page is empty, and yet there was a token to it", where, "no token", "a token")
    if len(pages) == MOST_PAGES:
        yield wrong("the pages do not end", where, "no token", "a token")


@state_check("newest-first", "list")
def newest_first(chat: ChatDriver) -> Iterator[Finding]:
    """The list begins with the latest update."""
    one, made = chat.create(INDEX), chat.value("create", body={"index_ids": [INDEX]})
    other = made.get("session_id")
    time.sleep(unit(str(made.get("last_updated_at"))))
    chat.change(one, chat.text())
    ids = chat.listed_ids()
    if one in ids and other in ids and ids.index(one) > ids.index(other):
        yield wrong("an older update stands before a newer one", "/response/list/items", [one, other], [other, one])


@state_check("project-filters", "list")
def project_filters(chat: ChatDriver) -> Iterator[Finding]:
    """A list of a project has the sessions that were created in it, and no others."""
    mine, others = chat.project(), chat.project()
    one, other = (str(chat.value("create", body={}, query=[each]).get("session_id")) for each in (mine, others))
    ids = chat.listed_ids([mine])
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
                kept = first.answer.body[:200].decode("utf-8", "replace")
                yield wrong(f"reading number {number + 1} differs from the first", where, kept, received)
                break


@state_check("repeats-succeed", "set_title")
def repeats_succeed(chat: ChatDriver) -> Iterator[Finding]:
    """A valid change is taken each time, however often."""
    session_id = chat.create(INDEX)
    bodies: dict[str, Json] = {
        "stream": {"index_ids": [INDEX], "prompt": MESSAGE},
        "set_title": {"first_message": MESSAGE},
    }
    for play, body in ((play, body) for play, body in bodies.items() if chat.can(play)):
        for number in range(REPEATS):
            seen = chat.call(play, session_id, body, may_be_refused=True)
            if not seen.is_success:
                where, status = join("/response", play, "status"), seen.answer.status
                yield wrong(f"call number {number + 1} was refused", where, 200, status)
                break


@state_check("concurrent-is-kept", "set_title")
def concurrent_is_kept(chat: ChatDriver) -> Iterator[Finding]:
    """Calls at the same time do not mix: each gets its own session, and what each wrote is read back."""
    ids = [chat.create(INDEX) for _ in range(AT_ONCE)]
    repeats_message = _titles_repeat_messages(chat)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(chat.change, ids, [f"Message number {number} of many" for number in range(AT_ONCE)]))
    for number, seen in enumerate(answers):
        value = seen.value if chat.can("set_title") else chat.value(chat.reader, ids[number])
        value = value if isinstance(value, dict) else {"session_id": seen.answer.status}
        title, where = value.get("generated_title"), "/response/body/generated_title"
        if value.get("session_id", ids[number]) != ids[number]:
            received = value.get("session_id")
            yield wrong("a call got another one's session", "/response/body/session_id", ids[number], received)
            return
        if repeats_message and f"number {number} " not in str(title):
            yield wrong("a call got another one's title", where, f"a title of message number {number}", title)
            return
        kept = chat.summary(ids[number], "generated_title")
        if kept != title:
            yield wrong("what was written is not read back", f"/response/{chat.reader}/generated_title", title, kept)


def _titles_repeat_messages(chat: ChatDriver) -> bool:
    """Return whether a title of this server's begins as its message does; nothing demands that it does."""
    session_id, message = chat.create(INDEX), "Probe number 0 of many"
    chat.change(session_id, message)
    return str(chat.summary(session_id, "generated_title")).startswith(message)


@state_check("long-text-is-taken", "set_title")
def long_text_is_taken(chat: ChatDriver) -> Iterator[Finding]:
    """A long message and an empty one are taken, as the contract sets no limit."""
    chat.need("set_title")
    for message in ("", "x" * 20_000, "漢" * 7_000, "\n\n\t "):
        seen = chat.call("set_title", chat.create(), {"first_message": message}, may_be_refused=True)
        if not seen.is_success:
            name = f"{len(message)} characters"
            yield wrong(f"a message of {name} was refused", "/request/body/first_message", 200, seen.answer.status)
