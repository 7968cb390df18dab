"""The rules of state and meaning, for a server that keeps sessions: each one function, with its sentence."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import NamedTuple, TypeAlias

from mockserver.check.rules import Broken, Seen
from mockserver.check.streams import events_of
from mockserver.check.world import MESSAGE, LackingError, World
from mockserver.exchange import Json
from mockserver.schema import join

REPEATS = 30
"""How often a call is repeated, in search of faults that show only sometimes."""

AT_ONCE = 16
"""How many calls are made at once."""

MOST_PAGES = 300
"""How many pages of a list are read."""

INDEX, OTHER = "idx-check-1", "idx-check-2"
FIELDS = ("session_id", "generated_title", "last_updated_at", "job_metadata", "index_ids", "shared_access")
READERS = ("get_summary", "retrieve", "list")

LookAtState: TypeAlias = Callable[[World], Iterator[Broken]]


class StateRule(NamedTuple):
    """A rule of state: its name, its sentence, the operation it is told under, and what looks."""

    name: str
    sentence: str
    operation: str
    look: LookAtState


STATE: dict[str, StateRule] = {}
"""The rules of state, by name."""


def state_rule(name: str, operation: str) -> Callable[[LookAtState], LookAtState]:
    """Make a function a rule of state; the first line of its docstring is its sentence."""

    def add(look: LookAtState) -> LookAtState:
        STATE[name] = StateRule(name, (look.__doc__ or "").strip().splitlines()[0], operation, look)
        return look

    return add


def readings(world: World, session_id: str) -> Iterator[tuple[str, Json]]:
    """Give a session as each operation that reads has it."""
    for play in READERS:
        if not world.can(play):
            continue
        if play == "list":
            yield play, world.listed(session_id)
        else:
            seen = world.call(play, session_id)
            yield play, seen.value if seen.is_success else None


def differing(world: World, session_id: str, expected: dict[str, Json]) -> Iterator[Broken]:
    """Tell where a reader has another value of a field than expected."""
    for play, value in readings(world, session_id):
        if not isinstance(value, dict):
            yield Broken(f"{play} does not know the session", f"/response/{play}", "the session", value)
            continue
        for name, wanted in expected.items():
            if value.get(name) != wanted:
                message = f"{play} has another {name} than was written"
                yield Broken(message, join("/response", play, name), wanted, value.get(name))


def turn(world: World, session_id: str, prompt: str = MESSAGE) -> Seen:
    """Play a turn."""
    return world.call("stream", session_id, {"index_ids": [INDEX], "prompt": prompt})


@state_rule("created-is-found", "create")
def created_is_found(world: World) -> Iterator[Broken]:
    """A session that was created is known to every operation that reads, as it was told."""
    made = world.value("create", body={"index_ids": [INDEX]})
    known = {name: made[name] for name in FIELDS if name in made}
    yield from differing(world, str(made.get("session_id")), known)


@state_rule("created-as-asked", "create")
def created_as_asked(world: World) -> Iterator[Broken]:
    """A new session has the indexes that were asked for, no title and no run."""
    for body, wanted in (({"index_ids": [INDEX, OTHER]}, [INDEX, OTHER]), ({}, None)):
        made = world.value("create", body=body)
        for name, expected in (("index_ids", wanted), ("generated_title", None), ("job_metadata", None)):
            if (made.get(name) or None) != expected:
                yield Broken(
                    f"a new session has another {name}", join("/response/body", name), expected, made.get(name)
                )


@state_rule("access-as-asked", "create")
def access_as_asked(world: World) -> Iterator[Broken]:
    """A new session has the shared access that was asked for."""
    world.need("create")
    body = world.plays["create"][1].body
    if body is None or "shared_access" not in str(body.schema.rooted()):
        raise LackingError("create takes no shared_access")
    for wanted in ("query", "read_only"):
        made = world.value("create", body={"shared_access": wanted})
        if made.get("shared_access") != wanted:
            yield Broken(
                "another access than was asked for", "/response/body/shared_access", wanted, made.get("shared_access")
            )


@state_rule("ids-are-new", "create")
def ids_are_new(world: World) -> Iterator[Broken]:
    """Every session that is created has an id of its own."""
    ids = [world.create() for _ in range(8)]
    if len(set(ids)) < len(ids):
        again = max(ids, key=ids.count)
        yield Broken("an id was given twice", "/response/body/session_id", "a new id", again)


@state_rule("title-is-kept", "set_title")
def title_is_kept(world: World) -> Iterator[Broken]:
    """A title that was set shows in every operation that reads; set again, the new one does."""
    session_id = world.create()
    for _ in range(2):
        told = world.value("set_title", session_id, {"first_message": world.text()})
        if not isinstance(told.get("generated_title"), str):
            yield Broken("no title was made", "/response/body/generated_title", "a title", told.get("generated_title"))
            return
        yield from differing(world, session_id, {"generated_title": told["generated_title"]})


@state_rule("title-follows-message", "set_title")
def title_follows_message(world: World) -> Iterator[Broken]:
    """A title has to do with its message: other messages get other titles."""
    messages = (MESSAGE, "How do I rotate keys?", "漢字かな交じり文", "é" * 40, "Vacation policy of the year 2031")
    titles = [
        world.value("set_title", world.create(), {"first_message": message}).get("generated_title")
        for message in messages
    ]
    if len(set(map(str, titles))) < len(titles):
        again = max(titles, key=titles.count)
        yield Broken("different messages got the same title", "/response/body/generated_title", "another title", again)
    for message, title in zip(messages, titles, strict=True):
        if not message.isascii() and str(title).replace(".", "").isascii():
            yield Broken("a title lost its letters", "/response/body/generated_title", message, title)


@state_rule("title-changes-only-the-title", "set_title")
def title_changes_only_the_title(world: World) -> Iterator[Broken]:
    """A title changes neither indexes nor the run of its session."""
    session_id = world.create(INDEX)
    before = world.value("get_summary", session_id)
    told = world.value("set_title", session_id, {"first_message": world.text()})
    for name in ("index_ids", "job_metadata", "shared_access"):
        if name in told and name in before and told[name] != before[name]:
            yield Broken(f"a title changed {name}", join("/response/body", name), before[name], told[name])


@state_rule("first-turn-titles", "stream")
def first_turn_titles(world: World) -> Iterator[Broken]:
    """Where no call sets titles, the first turn does, and a later one leaves it."""
    if world.can("set_title"):
        raise LackingError("titles are set by a call")
    session_id = world.create(INDEX)
    turn(world, session_id, world.text())
    first = world.value("get_summary", session_id).get("generated_title")
    if not isinstance(first, str):
        yield Broken("the first turn gave no title", "/response/get_summary/generated_title", "a title", first)
        return
    turn(world, session_id, "Something else altogether")
    yield from differing(world, session_id, {"generated_title": first})


@state_rule("time-moves", "set_title")
def time_moves(world: World) -> Iterator[Broken]:
    """The time of the last update is a time in ISO 8601, and moves with each change, not with a reading."""
    session_id = world.create(INDEX)
    change = "set_title" if world.can("set_title") else "stream"
    times = []
    for _ in range(2):
        told = world.value("get_summary", session_id)
        again = world.value("get_summary", session_id)
        if told.get("last_updated_at") != again.get("last_updated_at"):
            yield Broken(
                "a reading moved the time",
                "/response/get_summary/last_updated_at",
                told.get("last_updated_at"),
                again.get("last_updated_at"),
            )
        times.append(str(told.get("last_updated_at")))
        if len(times) == 1:
            time.sleep(unit(times[0]))
        if change == "set_title":
            world.call("set_title", session_id, {"first_message": world.text()})
        else:
            turn(world, session_id, world.text())
    for each in times:
        try:
            datetime.fromisoformat(each)
        except ValueError:
            yield Broken("the time is none in ISO 8601", "/response/get_summary/last_updated_at", "a time", each)
            return
    if not times[0] < times[1]:
        yield Broken(
            "a change did not move the time",
            "/response/get_summary/last_updated_at",
            f"later than {times[0]}",
            times[1],
        )


def unit(told: str) -> float:
    """Give the least by which a time in ISO 8601 can move, in seconds: it is told in so many digits."""
    fraction = re.search(r":[0-9]{2}\.([0-9]+)", told)
    return 10.0 ** -len(fraction[1]) if fraction else 1.0


@state_rule("deleted-is-gone", "delete")
def deleted_is_gone(world: World) -> Iterator[Broken]:
    """A session that was deleted is unknown to every operation from then on."""
    session_id = world.create(INDEX)
    list(readings(world, session_id))  # what is remembered of a reading must go, too
    deleted = world.call("delete", session_id)
    if not deleted.is_success:
        yield Broken("a session could not be deleted", "/response/status", 204, deleted.answer.status)
        return
    bodies = {"set_title": {"first_message": MESSAGE}, "stream": {"index_ids": [INDEX], "prompt": MESSAGE}}
    for play in ("retrieve", "get_summary", "set_title", "stream", "delete"):
        if not world.can(play):
            continue
        seen = world.call(play, session_id, bodies[play]) if play in bodies else world.call(play, session_id)
        if seen.answer.status != 404:
            yield Broken(f"{play} still knows it", join("/response", play, "status"), 404, seen.answer.status)
    if world.can("list") and world.listed(session_id) is not None:
        yield Broken("the list still has it", "/response/list/items", "not there", session_id)


@state_rule("others-untouched", "delete")
def others_untouched(world: World) -> Iterator[Broken]:
    """What is done to one session changes no other."""
    one, other = world.create(INDEX), world.create(INDEX)
    before = dict(readings(world, one))
    if world.can("set_title"):
        world.call("set_title", other, {"first_message": world.text()})
    turn(world, other, world.text())
    world.call("delete", other)
    for play, value in readings(world, one):
        if value != before[play]:
            yield Broken(f"{play} tells the untouched session otherwise", join("/response", play), before[play], value)


@state_rule("run-is-told", "stream")
def run_is_told(world: World) -> Iterator[Broken]:
    """After a turn, the session tells its run as the turn's stop did."""
    session_id = world.create(INDEX)
    seen = turn(world, session_id)
    stops = [
        event.data for event in events_of(seen) if isinstance(event.data, dict) and event.data.get("type") == "stop"
    ]
    told = world.value("get_summary", session_id).get("job_metadata")
    if not isinstance(told, dict):
        yield Broken("a run is not told", "/response/get_summary/job_metadata", "the run", told)
        return
    if stops and isinstance(stops[-1].get("usage"), dict):
        stop = stops[-1]
        expected = {**stop["usage"], "is_error": stop.get("is_error"), "error": stop.get("error")}
        for name, wanted in expected.items():
            if told.get(name) != wanted:
                where = join("/response/get_summary/job_metadata", name)
                yield Broken(f"the run is told with another {name} than its stop had", where, wanted, told.get(name))


@state_rule("history-is-kept", "retrieve")
def history_is_kept(world: World) -> Iterator[Broken]:
    """The history holds each turn in its order: what the user said, the text that was streamed, the stop."""
    session_id = world.create(INDEX)
    if world.value("retrieve", session_id).get("events") != []:
        yield Broken("a new session has a history", "/response/retrieve/events", [], "events")
    prompts = [world.text(), "Ünïcödé ✓ 漢字 🎉 " + "x" * 900]
    texts = []
    for prompt in prompts:
        events = [event.data for event in events_of(turn(world, session_id, prompt)) if isinstance(event.data, dict)]
        texts.append([event.get("content") for event in events if event.get("type") == "text"])
    kept = world.value("retrieve", session_id).get("events")
    kept = kept if isinstance(kept, list) else []
    said = [event.get("content") for event in kept if event.get("type") == "user_input"]
    if said != prompts:
        yield Broken("the history has not what the user said", "/response/retrieve/events/user_input", prompts, said)
    told = [event.get("content") for event in kept if event.get("type") == "text"]
    streamed = [text for each in texts for text in each]
    if streamed and told != streamed:
        yield Broken("the history has another text than was streamed", "/response/retrieve/events/text", streamed, told)
    stops = sum(event.get("type") == "stop" for event in kept)
    if any(texts) and stops != len(prompts):
        yield Broken(
            "the history has not one stop for each turn", "/response/retrieve/events/stop", len(prompts), stops
        )


@state_rule("indexes-are-locked", "stream")
def indexes_are_locked(world: World) -> Iterator[Broken]:
    """After the first message the indexes of a bound session stay as they are: a turn on others is refused."""
    session_id = world.create(INDEX)
    if not turn(world, session_id).is_success:
        raise LackingError("a turn cannot be played")
    body = {"index_ids": [OTHER], "prompt": MESSAGE}
    refused = world.call("stream", session_id, body, may_be_refused=True)
    if refused.is_success:
        yield Broken("a turn on other indexes was taken", "/request/body/index_ids", "a refusal", refused.answer.status)
    body = {"index_ids": [INDEX], "prompt": MESSAGE}
    again = world.call("stream", session_id, body, may_be_refused=True)
    if not again.is_success:
        yield Broken(
            "a turn on the session's own indexes was refused", "/request/body/index_ids", 200, again.answer.status
        )
    yield from differing(world, session_id, {"index_ids": [INDEX]})


@state_rule("pages-are-complete", "list")
def pages_are_complete(world: World) -> Iterator[Broken]:
    """The pages of the list have each session once, no more than was asked for, and the last one says that it is."""
    own = [("project_id", f"182bd5e5-6e1a-4fe4-a799-{world.chance.getrandbits(48):012x}")]
    if not world.call("create", body={}, query=own).is_success:  # a service that knows its projects
        own = []
    made = [str(world.value("create", body={}, query=own).get("session_id")) for _ in range(5)]
    pages = world.all_listed([("page_size", "2"), *own], most=MOST_PAGES)
    ids = [item.get("session_id") for page in pages for item in page if isinstance(item, dict)]
    lost = [each for each in made if each not in ids]
    if lost:
        yield Broken("a session is on no page", "/response/list/items", lost[0], None)
    twice = [each for each in ids if ids.count(each) > 1]
    if twice:
        yield Broken("a session is on two pages", "/response/list/items", "once", twice[0])
    if any(len(page) > 2 for page in pages):
        yield Broken("a page is longer than was asked for", "/response/list/items", 2, max(map(len, pages)))
    if len(pages) > 1 and not all(pages):
        yield Broken(
            "a page is empty, and yet there was a token to it", "/response/list/next_page_token", "no token", "a token"
        )
    if len(pages) == MOST_PAGES:
        yield Broken("the pages do not end", "/response/list/next_page_token", "no token", "a token")


@state_rule("newest-first", "list")
def newest_first(world: World) -> Iterator[Broken]:
    """The list begins with the latest update."""
    one, made = world.create(INDEX), world.value("create", body={"index_ids": [INDEX]})
    other = made.get("session_id")
    time.sleep(unit(str(made.get("last_updated_at"))))
    if world.can("set_title"):
        world.call("set_title", one, {"first_message": world.text()})
    else:
        turn(world, one)
    ids = [item.get("session_id") for page in world.all_listed() for item in page if isinstance(item, dict)]
    if one in ids and other in ids and ids.index(one) > ids.index(other):
        yield Broken("an older update stands before a newer one", "/response/list/items", [one, other], [other, one])


@state_rule("project-filters", "list")
def project_filters(world: World) -> Iterator[Broken]:
    """A list of a project has the sessions that were created in it, and no others."""
    mine, others = (("project_id", f"182bd5e5-6e1a-4fe4-a799-{world.chance.getrandbits(48):012x}") for _ in range(2))
    one = str(world.value("create", body={}, query=[mine]).get("session_id"))
    other = str(world.value("create", body={}, query=[others]).get("session_id"))
    ids = [item.get("session_id") for page in world.all_listed([mine]) for item in page if isinstance(item, dict)]
    if one not in ids:
        yield Broken("a session is not in the list of its project", "/response/list/items", one, None)
    if other in ids:
        yield Broken("a session is in the list of another project", "/response/list/items", "not there", other)


@state_rule("repeats-are-equal", "get_summary")
def repeats_are_equal(world: World) -> Iterator[Broken]:
    """The same reading of the same session gives the same, however often."""
    session_id = world.create(INDEX)
    for play in ("get_summary", "retrieve"):
        if not world.can(play):
            continue
        first = world.call(play, session_id)
        for number in range(1, REPEATS):
            again = world.call(play, session_id)
            if (again.answer.status, again.answer.body) != (first.answer.status, first.answer.body):
                where = join("/response", play)
                received = again.answer.body[:200].decode("utf-8", "replace")
                told = first.answer.body[:200].decode("utf-8", "replace")
                yield Broken(f"reading number {number + 1} differs from the first", where, told, received)
                break


@state_rule("repeats-succeed", "set_title")
def repeats_succeed(world: World) -> Iterator[Broken]:
    """A valid change is taken each time, however often."""
    session_id = world.create(INDEX)
    calls: list[tuple[str, Json]] = [("stream", {"index_ids": [INDEX], "prompt": MESSAGE})]
    if world.can("set_title"):
        calls.append(("set_title", {"first_message": MESSAGE}))
    for play, body in calls:
        for number in range(REPEATS):
            seen = world.call(play, session_id, body, may_be_refused=True)
            if not seen.is_success:
                where, status = join("/response", play, "status"), seen.answer.status
                yield Broken(f"call number {number + 1} was refused", where, 200, status)
                break


@state_rule("concurrent-is-kept", "set_title")
def concurrent_is_kept(world: World) -> Iterator[Broken]:
    """Calls at the same time do not mix: each gets its own session, and what each wrote is read back."""
    change = "set_title" if world.can("set_title") else "stream"
    ids = [world.create(INDEX) for _ in range(AT_ONCE)]
    repeats_message = _titles_repeat_messages(world, change)

    def write(number: int) -> Seen:
        message = f"Message number {number} of many"
        if change == "stream":
            return turn(world, ids[number], message)
        return world.call(change, ids[number], {"first_message": message})

    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(write, range(AT_ONCE)))
    for number, seen in enumerate(answers):
        value = seen.value if change == "set_title" else world.value("get_summary", ids[number])
        if not isinstance(value, dict) or value.get("session_id") != ids[number]:
            received = value.get("session_id") if isinstance(value, dict) else seen.answer.status
            yield Broken("a call got another one's session", "/response/body/session_id", ids[number], received)
            return
        if repeats_message and f"number {number} " not in str(value.get("generated_title")):
            expected = f"a title of message number {number}"
            yield Broken(
                "a call got another one's title",
                "/response/body/generated_title",
                expected,
                value.get("generated_title"),
            )
            return
        told = world.value("get_summary", ids[number]).get("generated_title")
        if told != value.get("generated_title"):
            yield Broken(
                "what was written is not read back",
                "/response/get_summary/generated_title",
                value.get("generated_title"),
                told,
            )


def _titles_repeat_messages(world: World, change: str) -> bool:
    """Say whether a title of this server's begins as its message does; nothing says that it must."""
    session_id, message = world.create(INDEX), "Probe number 0 of many"
    if change == "set_title":
        world.call("set_title", session_id, {"first_message": message})
    else:
        turn(world, session_id, message)
    return str(world.value("get_summary", session_id).get("generated_title")).startswith(message)


@state_rule("long-text-is-taken", "set_title")
def long_text_is_taken(world: World) -> Iterator[Broken]:
    """A long message and an empty one are taken, as the contract sets no limit."""
    world.need("set_title")
    for message in ("", "x" * 20_000, "漢" * 7_000, "\n\n\t "):
        seen = world.call("set_title", world.create(), {"first_message": message}, may_be_refused=True)
        if not seen.is_success:
            name = f"{len(message)} characters"
            yield Broken(f"a message of {name} was refused", "/request/body/first_message", 200, seen.answer.status)
