"""The chat-session resource, simulated over a store."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple, TypeAlias

from mockserver.answer.choose import Draft, RefusedError
from mockserver.answer.generate import identifier
from mockserver.answer.prefer import NONE
from mockserver.apis.llamacloud_chat.turns import broken_off, job_metadata, remembered, said, stopped
from mockserver.clock import Clock
from mockserver.contract.openapi import EVENT_STREAM, Operation
from mockserver.errors import StoreError
from mockserver.messages import Finding, Json
from mockserver.request.validate import Call
from mockserver.sse import AT_ONCE, Pace, paced
from mockserver.sse import Step as Said
from mockserver.store.base import Change, Session, Store, titled

_new = tuple.__new__
"""Makes a named tuple in half the time of its own constructor; every answer is one."""

PAGE_SIZE = 50
"""How many sessions a page of the list has by default (inferred; docs/upstream.md, "Paging")."""

LONGEST_PAGE = 1_000
"""How many sessions a page has at the most; more are not refused, but not given (inferred, as above)."""

SHARED_ACCESS = "read_only"
"""What a share link permits where nothing was said (inferred; docs/upstream.md, "Eras")."""


class Traits(NamedTuple):
    """What the contract of an operation has, beyond what all have."""

    shared_access: bool
    skipped_index_ids: bool
    title_call: bool
    streams: bool


@dataclass(frozen=True, slots=True)
class World:
    """What a simulation plays in: the store, the clock (gives the time now as a timestamp), chance, and the rules."""

    store: Store
    clock: Clock
    chance: Callable[..., Random]
    """Gives the chance of a scope and further parts."""
    title_length: int
    strict: bool = False
    """Whether an id that create never issued is unknown; else it comes to life on first use."""
    locked_status: int = 400
    pace: Pace = AT_ONCE
    streams: bool = True
    """Whether a turn is told as server-sent events; else it is answered with plain JSON."""
    missing: frozenset[str] = frozenset()
    """The indexes that no turn can query."""
    traits: dict[Operation, Traits] = field(default_factory=dict)


Play: TypeAlias = Callable[[World, Call], Draft]
"""A function that plays one operation in a world."""


def title_of(message: str, length: int) -> str:
    """Make a title: the first `length` characters of the message and three dots, cut or not.

    Source: docs/upstream.md, "Title rule".
    """
    return message[:length] + "..."


def create(world: World, call: Call) -> Draft:
    """Make a session, with an id of the server's."""
    scope, body = call.request.scope, call.body or {}
    shared_access = body.get("shared_access") if world.traits[call.operation].shared_access else None

    def step(old: Session | None, gone: bool) -> Change:
        if old is not None or gone:
            return Change(old)
        return Change(
            Session(
                session_id,
                world.clock(),
                index_ids=body.get("index_ids"),
                shared_access=shared_access,
                project_id=_project(call),
                issued=True,
                born=number,
            )
        )

    while True:
        number = world.store.birth(scope)
        session_id = identifier("ses-", world.chance(scope, "session", number))
        session = world.store.change(scope, session_id, step)
        if session is not None and session.born == number:
            return _told(world, call, session)


def set_title(world: World, call: Call) -> Draft:
    """Give a session its title from its first message."""
    title, clock = title_of(call.body["first_message"], world.title_length), world.clock
    return _told(world, call, _changed(world, call, lambda old: titled(old, clock(), title)))


def get_summary(world: World, call: Call) -> Draft:
    """Give a session without its events."""
    return _told(world, call, _found(world, call)[0])


def retrieve(world: World, call: Call) -> Draft:
    """Give a session with its history."""
    session, events = _found(world, call, turns=True)
    value = summary(session, world.traits[call.operation])
    return Draft(call.operation.success, {**value, "events": events}, source="simulated")


def list_sessions(world: World, call: Call) -> Draft:
    """Give one page of sessions, the latest update first."""
    query = call.query
    asked, token = query.get("page_size"), query.get("page_token")
    size = min(asked, LONGEST_PAGE) if isinstance(asked, int) and asked > 0 else PAGE_SIZE
    before = read_token(token) if isinstance(token, str) else None
    found = world.store.page(call.request.scope, _project(call), before, size + 1)
    traits = world.traits[call.operation]
    value: Json = {"items": [summary(session, traits) for session in found[:size]]}
    if len(found) > size:
        value["next_page_token"] = write_token(found[size - 1].seq)
    return Draft(call.operation.success, value, source="simulated")


def delete(world: World, call: Call) -> Draft:
    """Delete a session; one that create never issued is only forgotten."""

    def step(old: Session | None, gone: bool) -> Change:
        if old is None and (gone or world.strict):
            raise _unknown(call, deleted=gone)
        if old is not None and world.strict:
            _check_project(call, old)
        return Change(None)

    world.store.change(call.request.scope, call.path["session_id"], step)
    return Draft(call.operation.success, None, None, source="simulated")


def stream(world: World, call: Call) -> Draft:
    """Play one turn: it is planned whole, begun in the history, told in its time, and completed there."""
    traits = world.traits[call.operation]
    prompt, asked = call.body["prompt"], call.body["index_ids"]
    title = None if traits.title_call else title_of(prompt, world.title_length)

    def begin(old: Session) -> Change:
        if old.index_ids and set(old.index_ids) != set(asked):
            if old.turns:
                raise _locked(world, call)
            old = old._replace(index_ids=asked)
        number = old.turns + 1
        made = _touched(world, old, title=old.title if old.title is not None else title, turns=number)
        return Change(made, (number, [{"type": "user_input", "content": prompt}]))

    session = _changed(world, call, begin)
    turn = _Turn(world, call, session)
    steps = turn.steps(traits)
    streams = world.streams and traits.streams
    if not streams:
        turn.keep(len(steps) - 1)
        return Draft(call.operation.success, {}, source="simulated")
    told = paced(steps, world.pace, turn.chance, turn.close)
    value = [step.event for step in steps]
    return Draft(call.operation.success, value, EVENT_STREAM, "simulated", stream=told)


class _Turn:
    """A turn that was begun: what will be said, and how the history has it in the end."""

    def __init__(self, world: World, call: Call, session: Session) -> None:
        self.world, self.call, self.session = world, call, session
        self.prompt: str = call.body["prompt"]
        self.chance = world.chance(call.request.scope, "turn", session.id, session.turns, self.prompt)
        missing = [each for each in call.body["index_ids"] if each in world.missing]
        self.queried = [each for each in call.body["index_ids"] if each not in world.missing]
        self.missing = missing
        self.events: list[Json] = []

    def steps(self, traits: Traits) -> list[Said]:
        """Plan the turn: its script, or what can be made of the prompt."""
        insists = traits.skipped_index_ids and self.call.body.get("require_all_indexes")
        if self.call.script:
            steps = list(self.call.script)
        elif self.missing and (insists or not self.queried):
            error = f"The index {self.missing[0]} could not be queried."
            steps = [Said(stopped([], self.prompt, self.chance, error))]
        else:
            events = said(self.prompt, self.queried, self.chance)
            steps = [Said(event) for event in [*events, stopped(events, self.prompt, self.chance)]]
        if self.missing and traits.skipped_index_ids and not self.call.script:
            steps[-1] = Said({**steps[-1].event, "skipped_index_ids": self.missing})
        self.events = [step.event for step in steps]
        return steps

    def close(self, sent: int) -> Json:
        """Keep the turn after `sent` events, and give its stop, which says so where it could not be kept."""
        try:
            return self.keep(sent)
        except StoreError as error:
            return {**self.events[-1], "is_error": True, "error": f"The turn could not be kept: {error.what}"}

    def keep(self, sent: int) -> Json:
        """Complete the turn in the history after `sent` events, all but the stop, or as broken off; give the stop."""
        complete = sent >= len(self.events) - 1
        events = self.events if complete else broken_off(self.events[:sent], self.prompt, self.chance)
        stop = events[-1]

        def step(old: Session | None, _: bool) -> Change:
            if old is None or old.born != self.session.born:  # it was deleted while the turn was told
                return Change(old)
            made = _touched(self.world, old, job_metadata=job_metadata(stop, self.queried))
            return Change(made, (self.session.turns, remembered(self.prompt, events)))

        self.world.store.change(self.call.request.scope, self.session.id, step)
        return stop


def summary(session: Session, traits: Traits) -> Json:
    """Write a session's summary in upstream's order. Source: docs/upstream.md, "Wire form"."""
    value = {
        "session_id": session.id,
        "generated_title": session.title,
        "last_updated_at": session.updated_at,
        "job_metadata": session.job_metadata,
        "index_ids": session.index_ids,
    }
    if traits.shared_access:
        value["shared_access"] = session.shared_access or SHARED_ACCESS
    return value


def _told(world: World, call: Call, session: Session) -> Draft:
    operation = call.operation
    value = summary(session, world.traits[operation])
    draft: Draft = _new(Draft, (operation.success, value, "application/json", "simulated", (), (), NONE, False, None))
    return draft


def _touched(world: World, session: Session, **news: Json) -> Session:
    return session._replace(updated_at=world.clock(), **news)


class _UnbornError(Exception):
    pass


def _changed(world: World, call: Call, change: Callable[[Session], Change]) -> Session:
    """Change the session of a call; one that create never issued comes to life, unless the world is strict."""
    scope, session_id, strict = call.request.scope, call.path["session_id"], world.strict
    born = 0

    def step(old: Session | None, gone: bool) -> Change:
        if old is not None and not strict:
            return change(old)
        if old is None:
            if gone or strict:
                raise _unknown(call, deleted=gone)
            if not born:
                raise _UnbornError
            old = Session(session_id, world.clock(), project_id=_project(call), born=born)
        else:
            _check_project(call, old)
        return change(old)

    try:
        session = world.store.change(scope, session_id, step)
    except _UnbornError:
        born = world.store.birth(scope)
        session = world.store.change(scope, session_id, step)
    if session is None:
        raise _unknown(call, deleted=True)
    return session


def _found(world: World, call: Call, *, turns: bool = False) -> tuple[Session, list[Json]]:
    """Give the session of a call and its events."""
    found = world.store.find(call.request.scope, call.path["session_id"], turns=turns)
    if found.session is None:
        return _changed(world, call, Change), []
    if world.strict:
        _check_project(call, found.session)
    return found.session, [event for turn in found.turns for event in turn]


def _project(call: Call) -> str | None:
    """Give the project that a call names."""
    project = call.query.get("project_id")
    return project if isinstance(project, str) else None


def _check_project(call: Call, session: Session) -> None:
    """Refuse a session of another project than the one asked for."""
    asked = _project(call)
    if asked is not None and asked != (session.project_id or asked):
        raise _unknown(call, deleted=False)


def _unknown(call: Call, *, deleted: bool) -> RefusedError:
    why = "it was deleted" if deleted else "create never issued it"
    message = f"No session has the id {call.path['session_id']}: {why}."
    finding = Finding("/path/session_id", "session", message, "client", contract=call.operation.place)
    return RefusedError(Draft(404, {"detail": "Session not found"}, findings=(finding,)))


def _locked(world: World, call: Call) -> RefusedError:
    """Refuse a turn on other indexes than the session's. Source: docs/upstream.md, "Error bodies"."""
    text = "The index set of this session is locked"
    message = f"{text}: ask on the indexes that it was bound to, or in a new session."
    finding = Finding("/body/index_ids", "locked", message, "client", contract=call.operation.place)
    detail: Json = text
    if world.locked_status == 422:
        loc = ["body", "index_ids"]
        detail = [{"type": "value_error", "loc": loc, "msg": text, "input": call.body["index_ids"]}]
    return RefusedError(Draft(world.locked_status, {"detail": detail}, findings=(finding,)))


def write_token(seq: int) -> str:
    """Write the token of the page after the session with this place in the order."""
    return urlsafe_b64encode(b"after:%d" % seq).decode().rstrip("=")


def read_token(token: str) -> int | None:
    """Read a token; None, the first page, for one that is none."""
    try:
        text = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except ValueError:
        return None
    _, _, number = text.partition(b":")
    seq = int(number) if number.isdigit() and len(number) < 19 else 0
    return seq if seq and write_token(seq) == token else None
