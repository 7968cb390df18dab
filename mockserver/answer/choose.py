"""Chooses the answer of a call: played, canned, documented, put together or generated."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from random import Random
from typing import NamedTuple

from msgspec import structs

from mockserver.answer.body import (
    BODILESS,
    SEQUENCES,
    BodyFormat,
    default_media,
    format_of,
    in_order,
    is_body,
    representation,
    usable_examples,
)
from mockserver.answer.errors import fixture_failed, not_acceptable
from mockserver.answer.filling import Filling, Template, no_record
from mockserver.answer.fixtures import Fixtures, canned_media
from mockserver.answer.generate import NO_HINTS, assemble, generate
from mockserver.answer.making.words import ENGLISH, check_locale
from mockserver.answer.prefer import NONE, Preference, written
from mockserver.answer.requested import Turns, echoed, example_of_request, has_named_examples
from mockserver.api import STATE, Api, Call, Draft, Play, RejectedError
from mockserver.clock import Now
from mockserver.contract.media import choose, concrete
from mockserver.contract.openapi import ANY_TEXT, EVENT_STREAM, Media, Operation, Reply
from mockserver.contract.schema import Schema
from mockserver.errors import ContractError, FixtureError
from mockserver.messages import Json
from mockserver.settings import Source
from mockserver.sse import PLAIN, Step, StreamStyle, paced, script, text_stream

MOST_CHOICES = 1_000
"""How many choices of a representation are kept."""


BUSY = (429, 503)
"""Statuses that come with a Retry-After where they are preferred."""


class Unmet(Exception):  # noqa: N818  # not an error of ours: it carries what the caller is told
    """A preference that cannot be met; its text lists those that can."""


class Representation(NamedTuple):
    """The representation of an answer, and the content type with which it is sent."""

    media: Media
    type: str
    format: BodyFormat


class Answers:
    """Chooses the answer of a call by the caller's preference, else by the order of sources."""

    def __init__(
        self,
        fixtures: Fixtures,
        source: Source,
        chance: Callable[[Call, Preference, int], Random],
        api: Api | None = None,
        style: StreamStyle = PLAIN,
        locale: str = ENGLISH,
        *,
        strict_accept: bool = False,
        is_echoed: Callable[[str], bool] = lambda _: True,
        now: Now,
    ) -> None:
        check_locale(locale)
        self._locale = locale
        self._now = now
        self.record_of: Callable[[Call], Json] = no_record
        """Returns what is kept of the thing that a call's path names; None if nothing is."""
        self.fixtures, self.source, self.style = fixtures, source, style
        self._chance = chance
        self._hints = NO_HINTS if api is None else api.hints
        self._arrange = None if api is None else api.arrange
        self._is_last = None if api is None else api.last_event
        self.plays: Mapping[Operation, Play] = {}
        """What plays operations."""
        self._strict_accept, self._is_echoed = strict_accept, is_echoed
        self._choices: dict[tuple[Reply, bytes | None], Representation | None] = {}
        self._quick: dict[tuple[Operation, int, str | None], Callable[[Json], bool] | None] = {}
        """What validates the values of answers quickly."""
        self._ready: dict[tuple[Operation, int, BodyFormat], Draft] = {}
        """Documented answers that do not depend on their request."""
        self.turns = Turns()
        """How often each request came whose answer was generated."""

    def player(self, operation: Operation) -> Play | None:
        """Return the function that plays an operation for callers without a preference."""
        play = self._player(operation)
        if play is None or not self.fixtures.bundled(operation):
            return None if play is None else partial(self._played, play)
        has_script = _is_stream(operation) and self.fixtures.has_unnamed(operation, operation.success)
        return partial(self._played, play) if has_script else play

    def _player(self, operation: Operation) -> Play | None:
        return self.plays.get(operation) if self.source == "simulated" else None

    def answer(self, call: Call, preference: Preference = NONE) -> Draft:
        """Return the answer. Unmet if no declared answer fits the preference, RejectedError if playing rejects it."""
        play = self._player(call.operation)
        if preference is NONE and play is not None:
            return self._played(play, call)
        return self._preferred(call, preference)

    def preferred(self, call: Call, preference: Preference) -> Draft:
        """Return the answer that a request prefers, with a header that names the preferences that were applied."""
        draft = self.answer(call, preference)
        generated = draft.source == "generated"
        done = structs.replace(
            preference,
            dynamic=preference.dynamic if preference.dynamic is generated and not preference.example else None,
            seed=preference.seed if draft.drawn else None,
        )
        applied = written(done)
        more = [(b"preference-applied", applied)] if applied else []
        if draft.status in BUSY and _may_ask_to_wait(call.operation.reply(draft.status)):
            more.append((b"retry-after", b"1"))
        return structs.replace(draft, headers=(*draft.headers, *more)) if more else draft

    def _preferred(self, call: Call, preference: Preference) -> Draft:
        operation = call.operation
        play = self._player(operation)
        status = preference.code or operation.success
        reply = operation.reply(status)
        if reply is None or (status in BODILESS and status not in operation.exact):
            declared = ", ".join(operation.replies)
            raise Unmet(
                f"{operation.id} has no answer {status} in contract {operation.contract}; declared are {declared}."
            )
        if preference.example is not None:
            return self._example(call, preference, play)
        generated = preference.dynamic is True or (self.source == "generated" and preference.dynamic is None)
        if generated:
            return self._generated(call, status, reply, preference)
        if play is not None and status == operation.success:
            return self._played(play, call)
        return self._static(call, status, reply, preference)

    def _played(self, play: Play, call: Call) -> Draft:
        """Play an operation; if the contract does not allow the result, answer as if the operation were not played."""
        operation = call.operation
        if _is_stream(operation):
            own = self.fixtures.named(operation, operation.success)
            if "" in own:
                told = self._filled(Draft(operation.success, own[""]), call, NONE)
                call = structs.replace(call, script=script(told.value, self.style))
        draft = play(call)
        if draft is None:
            return self.unplayed(call)
        if draft.is_valid or draft.source != "simulated" or self.fixtures.bundled(operation):
            return draft
        if self.allows(draft, operation):
            return structs.replace(draft, is_valid=draft.stream is None)
        if draft.stream is not None:
            draft.stream.close(0)
        stateless, why = self.unplayed(call), b"stateless: the contract does not allow what was played"
        return structs.replace(stateless, headers=(*stateless.headers, (STATE, why)))

    def allows(self, draft: Draft, operation: Operation) -> bool:
        """Return whether the contract allows an answer."""
        key = operation, draft.status, draft.media
        if key not in self._quick:
            own = None if operation.reply(draft.status) is None else _format(draft, operation)
            is_data = own is not None and own.schema is not None and own.kind == "json"
            self._quick[key] = own.schema.compiled() if is_data and own is not None and own.schema is not None else None
        quick = self._quick[key]
        try:
            if quick is not None and quick(draft.value):
                return True
        except ValueError:
            return False
        return is_allowed(draft, operation, self.style)

    def media(self, call: Call, status: int) -> str | None:
        """Return the media type in which a call's answer is sent; None for an answer without a body."""
        reply = call.operation.reply(status)
        chosen = None if reply is None or not is_body(status) else self._choose(call, reply)
        return None if chosen is None else chosen.type

    def unplayed(self, call: Call) -> Draft:
        """Return the answer of a call that is not played."""
        if self.source == "generated":
            return self._preferred(call, NONE)
        status = call.operation.success
        reply = call.operation.reply(status)
        if reply is None:
            raise Unmet(f"{call.operation.id} has no answer {status}.")
        return self._static(call, status, reply, NONE)

    # -- named answers

    def examples(self, operation: Operation) -> Iterator[tuple[int, str, Draft]]:
        """Yield every named answer of an operation, canned before documented: status, name, answer.

        Those of a range or of the default stand under a status that they declare.
        """
        for status in sorted(operation.exact, key=lambda status: (status != operation.success, status)):
            yield from self._named(operation, status, operation.exact[status])
        for key, reply in operation.replies.items():
            if not key.isdigit():
                yield from self._named(operation, _status_of(operation, key), reply)

    def names(self, operation: Operation) -> Iterator[tuple[int, str]]:
        """Return the status and name of every named answer of an operation."""
        return ((status, name) for status, name, _ in self.examples(operation))

    def _named(self, operation: Operation, status: int, reply: Reply) -> Iterator[tuple[int, str, Draft]]:
        canned = canned_media(reply)
        for name, value in self.fixtures.named(operation, status).items():
            yield status, name, Draft(status, value, canned.type if canned else None, "canned")
        for media in reply.media if is_body(status) else ():
            own = format_of(media)
            for name, value in _examples(operation, own).items():
                yield status, name, Draft(status, value, concrete(media.type, own.holds), "documented")

    def _example(self, call: Call, preference: Preference, play: Play | None) -> Draft:
        operation, code = call.operation, preference.code
        reply = None if code is None or code in operation.exact else operation.reply(code)
        if code is not None and reply is not None:
            available = list(self._named(operation, code, reply))
        else:
            available = [each for each in self.examples(operation) if code in (None, each[0])]
        found = [(status, draft) for status, name, draft in available if name == preference.example]
        if not found:
            names = ", ".join(dict.fromkeys(f"{status} {name}" for status, name, _ in available if name)) or "none"
            raise Unmet(f"{operation.id} has no example {preference.example!r}; there are: {names}.")
        status, draft = self._wanted(call, found)
        draft = self._filled(draft, call, preference)
        if draft.media == EVENT_STREAM and play is not None and draft.source == "canned":
            played = play(structs.replace(call, script=script(draft.value, self.style)))
            if played is not None and status == operation.success:
                return played
        return self._paced(draft, call, preference, _format(draft, operation))

    def _wanted(self, call: Call, found: list[tuple[int, Draft]]) -> tuple[int, Draft]:
        """Return the one of some answers whose content type is wanted, else the first."""
        reply = call.operation.reply(found[0][0])
        chosen = None if reply is None or len(found) == 1 else self._choose(call, reply)
        same = [each for each in found if chosen is not None and each[1].media == chosen.type]
        return next(iter(same), found[0]) if not call.operation.bundled else found[0]

    # -- representations

    def _choose(self, call: Call, reply: Reply) -> Representation | None:
        """Choose the representation by the Accept field; None for an answer without a body."""
        key = reply, None if call.operation.bundled else call.request.headers.get(b"accept")
        try:
            return self._choices[key]
        except KeyError:
            if len(self._choices) >= MOST_CHOICES:
                self._choices.clear()
                self._ready.clear()
            found = self._choices[key] = self._find_choice(call, *key)
            return found

    def _find_choice(self, call: Call, reply: Reply, accept: bytes | None) -> Representation | None:
        if call.operation.bundled or not reply.media:
            bundled = default_media(reply, stream=self.style.wanted)
            return None if bundled is None else Representation(bundled, bundled.type, format_of(bundled))
        declared = in_order(reply, stream=self.style.wanted)
        types, holds = [each.type for each in declared], [format_of(each).holds for each in declared]
        text = None if accept is None else accept.decode("latin-1")
        found = choose(types, text, holds=holds)
        if found is None and self._strict_accept:
            raise RejectedError(not_acceptable(text or "", types, call.operation))
        media = declared[0 if found is None else found.place]
        sent = concrete(media.type, holds[0]) if found is None else found.type
        return Representation(media, sent, format_of(media, sent))

    def _paced(self, draft: Draft, call: Call, preference: Preference, own: BodyFormat | None) -> Draft:
        """Pace a stream that is not played: a script by its own times, a text at once."""
        if own is None or own.kind != "events":
            return draft
        if isinstance(draft.value, str):
            return structs.replace(draft, stream=text_stream(draft.value))
        style = replace(self.style, has_fields=True) if own.has_fields else self.style
        canned = draft.source == "canned"
        events = draft.value if isinstance(draft.value, list) else [draft.value]
        steps = script(draft.value, style) if canned else [Step(event) for event in events]
        told = paced(steps, style, self._chance(call, preference, 0))
        return structs.replace(draft, value=[step.event for step in steps], stream=told)

    # -- sources

    def _static(self, call: Call, status: int, reply: Reply, preference: Preference) -> Draft:
        """Return a canned answer, else a documented one, else what schemas show, put together, else a generated one."""
        chosen = self._choose(call, reply) if is_body(status) else None
        if chosen is None:
            return _bare(call.operation, status, "documented")
        ready = self._ready.get((call.operation, status, chosen.format))
        if ready is not None:
            return ready
        examples = _examples(call.operation, chosen.format)
        if examples and self.source == "documented":
            return self._documented(call, status, chosen, preference)
        canned = self._canned(call, status, reply, chosen)
        if canned and ("" in canned or self.source == "canned" or example_of_request(call, canned)):
            return self._from_canned(call, status, chosen, canned, preference)
        if examples:
            return self._documented(call, status, chosen, preference)
        together = self._together(chosen.format)
        if together is not None:
            value = self._echoed(together, call, status, chosen.format)
            return self._paced(Draft(status, value, chosen.type, "assembled"), call, preference, chosen.format)
        return self._generated(call, status, reply, preference)

    def _documented(self, call: Call, status: int, chosen: Representation, preference: Preference) -> Draft:
        """Return the example whose name the request's own example has, else the first."""
        operation, examples = call.operation, _examples(call.operation, chosen.format)
        name = example_of_request(call, examples) or next(iter(examples))
        draft = self._paced(Draft(status, examples[name], chosen.type, "documented"), call, preference, chosen.format)
        if draft.stream is None and not has_named_examples(operation):
            self._ready[operation, status, chosen.format] = draft
        return draft

    def _canned(self, call: Call, status: int, reply: Reply, chosen: Representation) -> Mapping[str, Json]:
        """Return the canned answers of a status, if they are for the chosen representation."""
        canned = self.fixtures.named(call.operation, status)
        return canned if canned and canned_media(reply) is chosen.media else {}

    def _from_canned(
        self, call: Call, status: int, chosen: Representation, canned: Mapping[str, Json], preference: Preference
    ) -> Draft:
        name = example_of_request(call, canned) or ""
        drawn = name not in canned
        if drawn:
            name = self._chance(call, preference, 0).choice(sorted(canned))
        draft = self._filled(Draft(status, canned[name], chosen.type, "canned", drawn=drawn), call, preference)
        return self._paced(draft, call, preference, chosen.format)

    def _filled(self, draft: Draft, call: Call, preference: Preference) -> Draft:
        """Return a canned answer as it stands, or as its template gives it for a call.

        If the template fails, a RejectedError carries the 500 that says why.
        """
        template, drawn = draft.value, list[Random]()
        if not isinstance(template, Template):
            return draft

        def chance() -> Random:
            if not drawn:
                drawn.append(self._turned(call, preference))
            return drawn[0]

        filling = Filling(call, self._now(), lambda: self.record_of(call), chance, self._locale)
        try:
            value = self.fixtures.filled(template, call.operation, draft.status, filling)
        except FixtureError as error:
            raise RejectedError(fixture_failed(error, call.operation)) from error
        return structs.replace(draft, value=value, drawn=draft.drawn or bool(drawn))

    def _together(self, body: BodyFormat) -> Json:
        """Put a value together from the schemas' own examples; None where they show nothing."""
        if body.kind in SEQUENCES and body.items is not None and body.schema is None:
            item = assemble(body.items, locale=self._locale)
            return None if item is None else [item]
        return None if body.schema is None else assemble(body.schema, locale=self._locale)

    def _generated(self, call: Call, status: int, reply: Reply, preference: Preference) -> Draft:
        chosen = self._choose(call, reply) if is_body(status) else None
        if chosen is None:
            return _bare(call.operation, status, "generated")
        rng = self._turned(call, preference)
        value = self._echoed(self._value(chosen, rng), call, status, chosen.format)
        return self._paced(Draft(status, value, chosen.type, "generated", drawn=True), call, preference, chosen.format)

    def _turned(self, call: Call, preference: Preference) -> Random:
        """Return a random source that differs from call to call, unless the answer is to be the same."""
        is_fixed = call.operation.bundled or preference.seed is not None
        return self._chance(call, preference, 0 if is_fixed else self.turns.next(call.request))

    def _value(self, chosen: Representation, rng: Random) -> Json:
        """Make the value of a representation."""
        body = chosen.format
        if body.kind in SEQUENCES:
            return self._sequence(body, rng)
        file = body.sample(chosen.type, rng)
        if file is not None:
            return file
        if body.schema is not None:
            return self.made(body.schema, rng)
        return self.made(ANY_TEXT, rng) if body.kind in ("text", "csv") else {}

    def _sequence(self, body: BodyFormat, rng: Random) -> Json:
        """Make a list of items, or the text of events that the contract does not describe."""
        schema = body.schema
        if body.items is not None:
            return self._events(body.items, rng) if schema is None or body.takes_text else self.made(schema, rng)
        lines = [f"{self.made(ANY_TEXT, rng)}" for _ in range(3)]
        text = "".join(f"data: {line}\n\n" if body.kind == "events" else "{}\n" for line in lines)
        return text if schema is None or schema.is_valid(text) else self.made(schema, rng)

    def made(self, schema: Schema, rng: Random) -> Json:
        """Make a value of a schema."""
        return generate(schema, rng, hints=self._hints, locale=self._locale)

    def _events(self, schema: Schema, rng: Random) -> list[Json]:
        """Make some events in a plausible order, with one that ends the stream."""
        events = [self.made(schema, rng) for _ in range(rng.randint(3, 8))]
        if self._arrange is None or not all(isinstance(event, dict) for event in events):
            return events
        if self._is_last is not None and not any(map(self._is_last, events)):
            more = (self.made(schema, rng) for _ in range(100))
            events += [event for event in more if self._is_last(event)][:1]
        made = self._arrange(events)
        return made if all(schema.is_valid(event) for event in made) else events

    def _echoed(self, value: Json, call: Call, status: int, body: BodyFormat) -> Json:
        """Return a made value with what the request says in its fields of the same names."""
        if not isinstance(value, dict) or body.schema is None or not 200 <= status < 300:
            return value
        return echoed(value, call, body.schema, self._is_echoed)


def _bare(operation: Operation, status: int, source: str) -> Draft:
    """Return an answer without a body."""
    if status < 200:
        what, why = f"an answer {status} cannot be served", "it only announces another answer, or another protocol"
        place = f"#{operation.exact[status].pointer}" if status in operation.exact else ""
        raise ContractError(what, where=place, why=why, fix="declare the answer that follows")
    return Draft(status, None, None, source)


def _status_of(operation: Operation, key: str) -> int:
    """Return a status that a range or the default declares."""
    if key != "default":
        return int(key[0]) * 100
    return operation.success if operation.success not in operation.exact else 500


def _format(draft: Draft, operation: Operation) -> BodyFormat | None:
    """Return how the body of an answer is written."""
    reply = operation.reply(draft.status)
    media = None if reply is None else representation(reply, draft.media)
    return None if media is None else format_of(media, draft.media or "")


def _examples(operation: Operation, body: BodyFormat) -> Mapping[str, Json]:
    """Return the examples of a representation that may be sent; those of bundled contracts are tested."""
    return body.media.examples if operation.bundled else usable_examples(body)


def _may_ask_to_wait(reply: Reply | None) -> bool:
    """Return whether a reply allows `Retry-After: 1`; a header that is not declared is allowed."""
    field = None if reply is None else reply.headers.get("retry-after")
    return field is None or field.schema is None or field.schema.is_valid(1) or field.schema.is_valid("1")


@lru_cache(maxsize=4_096)
def _is_stream(operation: Operation) -> bool:
    reply = operation.reply(operation.success)
    media = canned_media(reply) if reply is not None else None
    return media is not None and media.type == EVENT_STREAM


def is_allowed(draft: Draft, operation: Operation, style: StreamStyle) -> bool:
    """Return whether a contract allows an answer."""
    reply, own = operation.reply(draft.status), _format(draft, operation)
    if reply is None or own is None:
        return reply is not None and draft.media is None and not reply.media
    return own.allows(draft.value, style)
