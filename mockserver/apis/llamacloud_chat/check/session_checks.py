"""The rules of state and meaning of one session: its birth, its title, its turns, its end."""

import time
from collections.abc import Iterator
from datetime import datetime

from mockserver.apis.llamacloud_chat.check.driver import (
    FIELDS,
    INDEX,
    MESSAGE,
    OTHER,
    ChatDriver,
    differing,
    readings,
    state_check,
    turn,
    unit,
)
from mockserver.apis.llamacloud_chat.check.event_checks import typed
from mockserver.check.part import LackingError
from mockserver.check.provider.checks import wrong
from mockserver.contract.tree import join
from mockserver.messages import Finding


@state_check("created-is-found", "create")
def created_is_found(chat: ChatDriver) -> Iterator[Finding]:
    """A session that was created is known to every operation that reads, as it was told."""
    made = chat.value("create", body={"index_ids": [INDEX]})
    known = {name: made[name] for name in FIELDS if name in made}
    yield from differing(chat, str(made.get("session_id")), known)


@state_check("created-as-asked", "create")
def created_as_asked(chat: ChatDriver) -> Iterator[Finding]:
    """A new session has the indexes that were asked for, no title and no run."""
    for body, wanted in (({"index_ids": [INDEX, OTHER]}, [INDEX, OTHER]), ({}, None)):
        made = chat.value("create", body=body)
        for name, expected in (("index_ids", wanted), ("generated_title", None), ("job_metadata", None)):
            if (made.get(name) or None) != expected:
                yield wrong(f"a new session has another {name}", join("/response/body", name), expected, made.get(name))


@state_check("access-as-asked", "create")
def access_as_asked(chat: ChatDriver) -> Iterator[Finding]:
    """A new session has the shared access that was asked for."""
    chat.need("create")
    body = chat.plays["create"][1].body
    if body is None or "shared_access" not in str(body.schema.rooted()):
        raise LackingError("create takes no shared_access")
    for wanted in ("query", "read_only"):
        made = chat.value("create", body={"shared_access": wanted})
        got = made.get("shared_access")
        if got != wanted:
            yield wrong("another access than was asked for", "/response/body/shared_access", wanted, got)


@state_check("ids-are-new", "create")
def ids_are_new(chat: ChatDriver) -> Iterator[Finding]:
    """Every session that is created has an id of its own."""
    ids = [chat.create() for _ in range(8)]
    if len(set(ids)) < len(ids):
        again = max(ids, key=ids.count)
        yield wrong("an id was given twice", "/response/body/session_id", "a new id", again)


@state_check("title-is-kept", "set_title")
def title_is_kept(chat: ChatDriver) -> Iterator[Finding]:
    """A title that was set shows in every operation that reads; set again, the new one does."""
    session_id = chat.create()
    for _ in range(2):
        got = chat.value("set_title", session_id, {"first_message": chat.text()})
        if not isinstance(got.get("generated_title"), str):
            yield wrong("no title was made", "/response/body/generated_title", "a title", got.get("generated_title"))
            return
        yield from differing(chat, session_id, {"generated_title": got["generated_title"]})


@state_check("title-follows-message", "set_title")
def title_follows_message(chat: ChatDriver) -> Iterator[Finding]:
    """A title has to do with its message: other messages get other titles."""
    messages = (MESSAGE, "How do I rotate keys?", "漢字かな交じり文", "é" * 40, "Vacation policy of the year 2031")
    titles = [
        chat.value("set_title", chat.create(), {"first_message": message}).get("generated_title")
        for message in messages
    ]
    if len(set(map(str, titles))) < len(titles):
        again = max(titles, key=titles.count)
        yield wrong("different messages got the same title", "/response/body/generated_title", "another title", again)
    for message, title in zip(messages, titles, strict=True):
        if not message.isascii() and str(title).replace(".", "").isascii():
            yield wrong("a title lost its letters", "/response/body/generated_title", message, title)


@state_check("title-changes-only-the-title", "set_title")
def title_changes_only_the_title(chat: ChatDriver) -> Iterator[Finding]:
    """A title changes neither indexes nor the run of its session."""
    session_id = chat.create(INDEX)
    before = chat.value(chat.reader, session_id)
    got = chat.value("set_title", session_id, {"first_message": chat.text()})
    for name in ("index_ids", "job_metadata", "shared_access"):
        if name in got and name in before and got[name] != before[name]:
            yield wrong(f"a title changed {name}", join("/response/body", name), before[name], got[name])


@state_check("first-turn-titles", "stream")
def first_turn_titles(chat: ChatDriver) -> Iterator[Finding]:
    """Where no call sets titles, the first turn does, and a later one leaves it."""
    if chat.can("set_title"):
        raise LackingError("titles are set by a call")
    session_id = chat.create(INDEX)
    turn(chat, session_id, chat.text())
    first = chat.summary(session_id, "generated_title")
    if not isinstance(first, str):
        yield wrong("the first turn gave no title", f"/response/{chat.reader}/generated_title", "a title", first)
        return
    turn(chat, session_id, "Something else altogether")
    yield from differing(chat, session_id, {"generated_title": first})


@state_check("time-moves", "set_title")
def time_moves(chat: ChatDriver) -> Iterator[Finding]:
    """The time of the last update is a time in ISO 8601, and moves with each change, not with a reading."""
    session_id = chat.create(INDEX)
    name, where = "last_updated_at", f"/response/{chat.reader}/last_updated_at"
    if name not in chat.value(chat.reader, session_id):
        raise LackingError("a session tells no time")
    times = []
    for _ in range(2):
        first, again = chat.summary(session_id, name), chat.summary(session_id, name)
        if first != again:
            yield wrong("a reading moved the time", where, first, again)
        times.append(str(first))
        if len(times) == 1:
            time.sleep(unit(times[0]))
        chat.change(session_id, chat.text())
    for each in times:
        try:
            datetime.fromisoformat(each)
        except ValueError:
            yield wrong("the time is none in ISO 8601", where, "a time", each)
            return
    if not times[0] < times[1]:
        yield wrong("a change did not move the time", where, f"later than {times[0]}", times[1])


@state_check("deleted-is-gone", "delete")
def deleted_is_gone(chat: ChatDriver) -> Iterator[Finding]:
    """A session that was deleted is unknown to every operation from then on."""
    session_id = chat.create(INDEX)
    if not chat.can("create") and chat.can("set_title"):
        chat.change(session_id, chat.text())
    list(readings(chat, session_id))  # what is remembered of a reading must go, too
    deleted = chat.call("delete", session_id)
    if not deleted.is_success:
        yield wrong("a session could not be deleted", "/response/status", 204, deleted.answer.status)
        return
    if not chat.can("create"):
        yield from _still_told(chat, session_id)
        return
    bodies = {"set_title": {"first_message": MESSAGE}, "stream": {"index_ids": [INDEX], "prompt": MESSAGE}}
    for play in ("retrieve", "get_summary", "set_title", "stream", "delete"):
        if not chat.can(play):
            continue
        seen = chat.call(play, session_id, bodies[play]) if play in bodies else chat.call(play, session_id)
        if seen.answer.status != 404:
            yield wrong(f"{play} still knows it", join("/response", play, "status"), 404, seen.answer.status)
    if chat.can("list") and chat.listed(session_id) is not None:
        yield wrong("the list still has it", "/response/list/items", "not there", session_id)


def _still_told(chat: ChatDriver, session_id: str) -> Iterator[Finding]:
    """Find what a server that takes any id still tells of a deleted session: it must read as one that never was."""
    unknown = chat.call(chat.reader, f"{session_id}-0", may_be_refused=True)
    again = chat.call(chat.reader, session_id, may_be_refused=True)
    if again.answer.status == 404:
        return
    if again.answer.status != unknown.answer.status:
        where = f"/response/{chat.reader}/status"
        yield wrong(f"{chat.reader} still knows it", where, unknown.answer.status, again.answer.status)
    elif isinstance(again.value, dict) and isinstance(unknown.value, dict):
        title, expected = again.value.get("generated_title"), unknown.value.get("generated_title")
        if title != expected:
            where = f"/response/{chat.reader}/generated_title"
            yield wrong(f"{chat.reader} still tells its title", where, expected, title)


@state_check("others-untouched", "delete")
def others_untouched(chat: ChatDriver) -> Iterator[Finding]:
    """What is done to one session changes no other."""
    one, other = chat.create(INDEX), chat.create(INDEX)
    others = [other] if chat.can("create") else [other, one.swapcase()]  # letters of another case are another id
    if chat.can("set_title"):
        chat.change(one, chat.text())
    before = dict(readings(chat, one))
    for each in others:
        if chat.can("set_title"):
            chat.call("set_title", each, {"first_message": chat.text()})
        if chat.can("stream"):
            turn(chat, each, chat.text())
        if chat.can("delete"):
            chat.call("delete", each, may_be_refused=not chat.can("create"))
    for play, value in readings(chat, one):
        if value != before[play]:
            yield wrong(f"{play} tells the untouched session otherwise", join("/response", play), before[play], value)


@state_check("run-reported", "stream")
def run_reported(chat: ChatDriver) -> Iterator[Finding]:
    """After a turn, the session tells its run as the turn's stop did."""
    session_id = chat.create(INDEX)
    seen = turn(chat, session_id)
    stops = [data for kind, data, _ in typed(seen) if kind == "stop"]
    got = chat.summary(session_id, "job_metadata")
    if not isinstance(got, dict):
        yield wrong("a run is not told", f"/response/{chat.reader}/job_metadata", "the run", got)
        return
    if stops and isinstance(stops[-1].get("usage"), dict):
        stop = stops[-1]
        expected = {**stop["usage"], "is_error": stop.get("is_error"), "error": stop.get("error")}
        for name, wanted in expected.items():
            if got.get(name) != wanted:
                where = join(f"/response/{chat.reader}/job_metadata", name)
                yield wrong(f"the run is told with another {name} than its stop had", where, wanted, got.get(name))


@state_check("history-is-kept", "retrieve")
def history_is_kept(chat: ChatDriver) -> Iterator[Finding]:
    """The history holds each turn in its order: what the user said, the text that was streamed, the stop."""
    session_id = chat.create(INDEX)
    if chat.value("retrieve", session_id).get("events") != []:
        yield wrong("a new session has a history", "/response/retrieve/events", [], "events")
    prompts = [chat.text(), "Ünïcödé ✓ 漢字 🎉 " + "x" * 900]
    turns = [typed(turn(chat, session_id, prompt)) for prompt in prompts]
    streamed = [data.get("content") for events in turns for kind, data, _ in events if kind == "text"]
    kept = chat.value("retrieve", session_id).get("events")
    kept = kept if isinstance(kept, list) else []
    inputs, got = (
        [event.get("content") for event in kept if event.get("type") == kind] for kind in ("user_input", "text")
    )
    if inputs != prompts:
        yield wrong("the history has not what the user said", "/response/retrieve/events/user_input", prompts, inputs)
    if streamed and got != streamed:
        yield wrong("the history has another text than was streamed", "/response/retrieve/events/text", streamed, got)
    stops = sum(event.get("type") == "stop" for event in kept)
    if streamed and stops != len(prompts):
        yield wrong("the history has not one stop for each turn", "/response/retrieve/events/stop", len(prompts), stops)


@state_check("indexes-are-locked", "stream")
def indexes_are_locked(chat: ChatDriver) -> Iterator[Finding]:
    """After the first message the indexes of a bound session stay as they are: a turn on others is refused."""
    session_id = chat.create(INDEX)
    if not turn(chat, session_id).is_success:
        raise LackingError("a turn cannot be played")
    for index, problem, wanted in (
        (OTHER, "a turn on other indexes was taken", "a refusal"),
        (INDEX, "a turn on the session's own indexes was refused", 200),
    ):
        body = {"index_ids": [index], "prompt": MESSAGE}
        seen = chat.call("stream", session_id, body, may_be_refused=True)
        if seen.is_success is (index == OTHER):
            yield wrong(problem, "/request/body/index_ids", wanted, seen.answer.status)
    yield from differing(chat, session_id, {"index_ids": [INDEX]})
