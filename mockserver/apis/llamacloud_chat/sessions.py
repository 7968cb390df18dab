"""The chat-session resource, simulated over a store."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any, Literal, NamedTuple, TypeAlias

from msgspec import structs

from mockserver.api import Call, Draft, PlayContext, RejectedError
from mockserver.apis.llamacloud_chat.state import SESSIONS, events_of, malformed, new_session
from mockserver.apis.llamacloud_chat.titles import cut
from mockserver.apis.llamacloud_chat.turns import composed, ended, identifier, stopped
from mockserver.clock import Now, timestamp_of
from mockserver.contract.openapi import EVENT_STREAM, Contract, Operation
from mockserver.errors import StoreError
from mockserver.messages import Finding, Json
from mockserver.settings import words_of
from mockserver.sse import PLAIN, Step, StreamStyle, paced
from mockserver.store.base import Change, Part, Record, Store

PAGE_SIZE = 50
"""The default page size of the list (inferred; docs/upstream.md, "Paging")."""

MINOR_TITLE = 250
"""The longest title, in characters, that is not counted when it replaces another."""

LONGEST_PAGE = 1_000
"""The largest page; a request for more is accepted and gets this many (inferred, as above)."""

SHARED_ACCESS = "read_only"
"""The default of what a share link permits (inferred; docs/upstream.md, "Versions")."""


TitleRule: TypeAlias = Literal["collapsed", "verbatim"]
"""Whether white space becomes single spaces in a title."""


class Traits(NamedTuple):
    """The features of an operation's contract that others lack."""

    shared_access: bool
    skipped_index_ids: bool
    title_call: bool
    streams: bool


class Timestamps:
    """Timestamps in upstream's form; the part down to the second is cached."""

    def __init__(self, now: Now) -> None:
        self._now, self._written = now, (-1, "")

    def text(self) -> str:
        """Give the time now."""
        second, rest = divmod(self._now(), 1_000_000_000)
        at, text = self._written
        if at != second:
            text = timestamp_of(second * 1_000_000_000)[:20]
            self._written = (second, text)
        return f"{text}{rest // 1000:06d}"


@dataclass(frozen=True, slots=True)
class ChatContext:
    """What the chat is played with: the store, the clock, the random source, and the rules."""

    store: Store
    clock: Callable[[], str]
    """Returns the time in upstream's form."""
    chance: Callable[..., Random]
    """Returns the random source for a scope and further parts."""
    title_length: int
    title_rule: TitleRule = "collapsed"
    strict: bool = False
    """Whether an id that create never issued is unknown; else the session is made on first use."""
    locked_status: int = 400
    style: StreamStyle = PLAIN
    missing: frozenset[str] = frozenset()
    """The indexes that no turn can query."""
    traits: dict[Operation, Traits] = field(default_factory=dict)

    @classmethod
    def of(cls, context: PlayContext) -> "ChatContext":
        """Make it from the settings."""
        settings = context.settings
        return cls(
            context.store,
            Timestamps(context.now).text,
            context.chance,
            settings.title_length,
            title_rule=settings.title_rule,
            strict=settings.unknown_sessions == "404",
            locked_status=int(settings.locked_status),
            style=context.style,
            missing=frozenset(words_of(settings.missing_indexes)),
        )


def title_of(message: str, length: int, rule: TitleRule = "collapsed") -> str:
    """Make a title: at most `length` code points of the message and three dots, cut or not.

    Source: docs/upstream.md, "Title rule".
    """
    if rule == "collapsed":
        message = " ".join(message.split(None, length)[:length])
    around = message[length - 1 : length + 1]
    if not around.isascii() or around == "\r\n":
        length = cut(message, length)
    return message[:length] + "..."


def create(chat: ChatContext, call: Call) -> Draft:
    """Make a session, with an id of the server's."""
    scope, body = call.request.scope, call.body or {}
    shared_access = body.get("shared_access") if chat.traits[call.operation].shared_access else None

    def step(old: Record | None, gone: bool) -> Change:
        if old is not None or gone:
            return Change(old)
        at = chat.clock()
        return Change(
            new_session(
                session_id,
                at,
                project_id=_project(call),
                index_ids=body.get("index_ids"),
                shared_access=shared_access,
                issued=True,
                born=number,
            ),
            at=at,
        )

    while True:
        number = chat.store.count(scope, SESSIONS)
        session_id = identifier("ses-", chat.chance(scope, "session", number))
        session = chat.store.update(scope, SESSIONS, session_id, step)
        if session is not None and session.data["born"] == number:
            return _answer(chat, call, session)


def set_title(chat: ChatContext, call: Call) -> Draft:
    """Set a session's title from its first message."""
    title = title_of(call.body["first_message"], chat.title_length, chat.title_rule)
    return _answer(chat, call, _changed(chat, call, title, _titled))


def _titled(chat: ChatContext, title: str, old: Record) -> Change:
    at = chat.clock()
    data = {**old.data, "title": title, "updated_at": at}
    is_minor = old.seq > 0 and len(title) <= MINOR_TITLE
    return Change(record=Record(collection=SESSIONS, id=old.id, data=data, group=old.group), minor=is_minor, at=at)


def get_summary(chat: ChatContext, call: Call) -> Draft:
    """Answer a session without its events."""
    return _answer(chat, call, _found(chat, call)[0])


def retrieve(chat: ChatContext, call: Call) -> Draft:
    """Answer a session with its history."""
    session, events = _found(chat, call, parts=True)
    value = summary(session, chat.traits[call.operation])
    return Draft(call.operation.success, {**value, "events": events}, source="simulated")


def list_sessions(chat: ChatContext, call: Call) -> Draft:
    """Answer one page of sessions, the latest update first."""
    query = call.query
    asked, token = query.get("page_size"), query.get("page_token")
    size = min(asked, LONGEST_PAGE) if isinstance(asked, int) and asked > 0 else PAGE_SIZE
    before = read_token(token) if isinstance(token, str) else None
    found = chat.store.page(call.request.scope, SESSIONS, _project(call), before, size + 1)
    traits = chat.traits[call.operation]
    value: Json = {"items": [summary(session, traits) for session in found[:size]]}
    if len(found) > size:
        value["next_page_token"] = write_token(found[size - 1].seq)
    return Draft(call.operation.success, value, source="simulated")


def delete(chat: ChatContext, call: Call) -> Draft:
    """Delete a session; one that create never issued is only dropped."""

    def step(old: Record | None, gone: bool) -> Change:
        if old is None and (gone or chat.strict):
            raise _unknown(call, deleted=gone)
        if old is not None and chat.strict:
            _check_project(call, old)
        return Change(None, gone=old is not None and old.data["issued"])

    chat.store.update(call.request.scope, SESSIONS, call.path["session_id"], step)
    return Draft(call.operation.success, None, None, source="simulated")


def stream(chat: ChatContext, call: Call) -> Draft:
    """Play one turn: plan all of it, begin it in the history, send it, and complete it in the history."""
    traits = chat.traits[call.operation]
    prompt, asked = call.body["prompt"], call.body["index_ids"]
    title = None if traits.title_call else title_of(prompt, chat.title_length, chat.title_rule)

    def begin(chat: ChatContext, asked: Sequence[str], old: Record) -> Change:
        data = old.data
        bound = data["index_ids"]
        if bound and set(bound) != set(asked):
            if data["turns"]:
                raise _locked(chat, call)
            bound = asked
        number, kept = data["turns"] + 1, data["title"]
        news = {"index_ids": bound, "turns": number, "title": title if kept is None else kept}
        change = _updated(chat, old, (number, [{"type": "user_input", "content": prompt}]), **news)
        return structs.replace(change, reserve=2 * len(call.request.body))  # what is made quotes no more than that

    session = _changed(chat, call, asked, begin)
    turn = _Turn(chat, call, session)
    steps = turn.steps(traits)
    streams = chat.style.wanted and traits.streams
    if not streams:
        turn.keep(len(steps) - 1)
        return Draft(call.operation.success, {}, source="simulated")
    told = paced(steps, chat.style, turn.chance, turn.close)
    value = [step.event for step in steps]
    return Draft(call.operation.success, value, EVENT_STREAM, "simulated", stream=told)


class _Turn:
    """A turn in progress: its events, and what the history records in the end."""

    def __init__(self, chat: ChatContext, call: Call, session: Record) -> None:
        self.chat, self.call, self.session = chat, call, session
        self.prompt: str = call.body["prompt"]
        self.chance = chat.chance(call.request.scope, "turn", session.id, session.data["turns"], self.prompt)
        missing = [each for each in call.body["index_ids"] if each in chat.missing]
        self.queried = [each for each in call.body["index_ids"] if each not in chat.missing]
        self.missing = missing
        self.events: list[Json] = []

    def steps(self, traits: Traits) -> list[Step]:
        """Plan the turn: its script, or events made from the prompt."""
        insists = traits.skipped_index_ids and self.call.body.get("require_all_indexes")
        if self.call.script:
            steps = list(self.call.script)
        elif self.missing and (insists or not self.queried):
            error = f"The index {self.missing[0]} could not be queried."
            steps = [Step(stopped([], self.prompt, self.chance, error))]
        else:
            events = composed(self.prompt, self.queried, self.chance)
            steps = [Step(event) for event in [*events, stopped(events, self.prompt, self.chance)]]
        if self.missing and traits.skipped_index_ids and not self.call.script:
            steps[-1] = Step({**steps[-1].event, "skipped_index_ids": self.missing})
        self.events = [step.event for step in steps]
        return steps

    def close(self, sent: int) -> Json:
        """Record the turn after `sent` events; return its stop, which reports an error if recording failed."""
        try:
            return self.keep(sent)
        except StoreError as error:
            return {**self.events[-1], "is_error": True, "error": f"The turn could not be kept: {error.what}"}

    def keep(self, sent: int) -> Json:
        """Complete the turn in the history after `sent` events, or record it as broken off; return the stop."""
        stop, history, run = ended(self.events, sent, self.prompt, self.chance, self.queried)
        begun = self.session.data

        def step(old: Record | None, _: bool) -> Change:
            if old is None or old.data["born"] != begun["born"]:  # it was deleted while the turn was sent
                return Change(old)
            return _updated(self.chat, old, (begun["turns"], history), job_metadata=run)

        self.chat.store.update(self.call.request.scope, SESSIONS, self.session.id, step)
        return stop


def summary(session: Record, traits: Traits) -> Json:
    """Write a session's summary in upstream's order. Source: docs/upstream.md, "Wire form"."""
    data = session.data
    value = {
        "session_id": session.id,
        "generated_title": data["title"],
        "last_updated_at": data["updated_at"],
        "job_metadata": data["job_metadata"],
        "index_ids": data["index_ids"],
    }
    if traits.shared_access:
        value["shared_access"] = data["shared_access"] or SHARED_ACCESS
    return value


def _answer(chat: ChatContext, call: Call, session: Record) -> Draft:
    operation = call.operation
    return Draft(status=operation.success, value=summary(session, chat.traits[operation]), source="simulated")


def _updated(chat: ChatContext, session: Record, part: Part | None = None, **news: Json) -> Change:
    news["updated_at"] = at = chat.clock()
    made = Record(SESSIONS, session.id, {**session.data, **news}, session.group)
    return Change(made, () if part is None else (part,), at=at)


class _UnbornError(Exception):
    pass


Alter: TypeAlias = Callable[[ChatContext, Any, Record], Change]
"""Applies a value to a session."""


def _changed(chat: ChatContext, call: Call, value: Any, alter: Alter) -> Record:
    """Change the session of a call; an unknown one is made first, unless unknown ids are rejected."""
    scope, session_id = call.request.scope, call.path["session_id"]
    try:
        session = chat.store.update(scope, SESSIONS, session_id, partial(_step, chat, call, value, alter, 0))
    except _UnbornError:
        born = chat.store.count(scope, SESSIONS)
        session = chat.store.update(scope, SESSIONS, session_id, partial(_step, chat, call, value, alter, born))
    if session is None:
        raise _unknown(call, deleted=True)
    return session


def _step(chat: ChatContext, call: Call, value: Any, alter: Alter, born: int, old: Record | None, gone: bool) -> Change:
    """Change the existing session, or a new one that is the `born`th of its scope."""
    if old is None:
        if gone or chat.strict:
            raise _unknown(call, deleted=gone)
        if not born:
            raise _UnbornError
        old = new_session(call.path["session_id"], chat.clock(), project_id=_project(call), born=born)
    elif chat.strict:
        _check_project(call, old)
    return alter(chat, value, old)


def _as_it_is(_chat: ChatContext, _value: None, old: Record) -> Change:
    return Change(old)


def _found(chat: ChatContext, call: Call, *, parts: bool = False) -> tuple[Record, list[Json]]:
    """Return the session of a call and its events."""
    found = chat.store.find(call.request.scope, SESSIONS, call.path["session_id"], parts=parts)
    if found.record is None:
        return _changed(chat, call, None, _as_it_is), []
    if chat.strict:
        _check_project(call, found.record)
    return found.record, events_of(found.parts)


def _project(call: Call) -> str | None:
    """Return the project that a call names."""
    project = call.query.get("project_id")
    return project if isinstance(project, str) else None


def _check_project(call: Call, session: Record) -> None:
    """Reject a session of another project than the one asked for."""
    asked = _project(call)
    if asked is not None and asked != (session.group or asked):
        raise _unknown(call, deleted=False)


def _unknown(call: Call, *, deleted: bool) -> RejectedError:
    why = "it was deleted" if deleted else "create never issued it"
    message = f"No session has the id {call.path['session_id']}: {why}."
    finding = Finding("/path/session_id", "session", message, "client", contract=call.operation.place)
    return RejectedError(Draft(404, {"detail": "Session not found"}, findings=(finding,)))


def _locked(chat: ChatContext, call: Call) -> RejectedError:
    """Reject a turn on other indexes than the session's. Source: docs/upstream.md, "Error bodies"."""
    text = "The index set of this session is locked"
    message = f"{text}: ask on the indexes that it was bound to, or in a new session."
    finding = Finding("/body/index_ids", "locked", message, "client", contract=call.operation.place)
    detail: Json = text
    if chat.locked_status == 422:
        loc = ["body", "index_ids"]
        detail = [{"type": "value_error", "loc": loc, "msg": text, "input": call.body["index_ids"]}]
    return RejectedError(Draft(chat.locked_status, {"detail": detail}, findings=(finding,)))


def write_token(seq: int) -> str:
    """Write the token of the page after the session with this `seq`."""
    return urlsafe_b64encode(b"after:%d" % seq).decode().rstrip("=")


def read_token(token: str) -> int | None:
    """Read a token; None, for the first page, if it is invalid."""
    try:
        text = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except ValueError:
        return None
    _, _, number = text.partition(b":")
    seq = int(number) if number.isdigit() and len(number) < 19 else 0
    return seq if seq and write_token(seq) == token else None


EVERYTHING = Traits(True, True, True, True)
"""The traits of a contract with all features."""

_RETRIEVE = ("GET", "/api/v1/chat/{session_id}")


def problem(contracts: Sequence[Contract], record: Record, parts: Sequence[Part]) -> str:
    """Return why a session could not be answered, by the newest contract that answers sessions."""
    if wrong := malformed(record):
        return wrong
    for contract in contracts:
        for operation in contract.operations:
            reply = operation.reply(operation.success) if (operation.method, operation.path) == _RETRIEVE else None
            schema = reply.preferred.schema if reply is not None and reply.preferred is not None else None
            if schema is not None:
                value = {**summary(record, EVERYTHING), "events": events_of(parts)}
                if schema.is_valid(value):
                    return ""
                finding = schema.explain(value)[0]
                return f"at {finding.where or 'the root'} of the session: {finding.message}"
    return ""
