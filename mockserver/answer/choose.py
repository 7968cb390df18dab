"""Chooses the answer of a call: played, canned, documented, put together or generated."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from random import Random

from msgspec import structs

from mockserver.answer.fixtures import Fixtures, canned_media
from mockserver.answer.generate import NO_HINTS, assemble, generate
from mockserver.answer.making.words import ENGLISH, check_locale
from mockserver.answer.prefer import NONE, Preference, written
from mockserver.api import Api, Call, Draft, Play
from mockserver.contract.openapi import EVENT_STREAM, Media, Operation, Reply
from mockserver.contract.schema import Schema
from mockserver.messages import Json
from mockserver.settings import Source
from mockserver.sse import PLAIN, Step, StreamStyle, paced, script, text_stream

BODILESS = (204, 205, 304)
"""Statuses whose answers have no body in HTTP; a range or default that declares a body does not apply to them."""


class Unmet(Exception):  # noqa: N818  # not an error of ours: it carries what the caller is told
    """A preference that cannot be met; its text lists those that can."""


class Answers:
    """Chooses the answer of a call by the caller's preference, else by the order of sources."""

    def __init__(
        self,
        fixtures: Fixtures,
        source: Source,
        chance: Callable[[Call, Preference], Random],
        plays: Mapping[Operation, Play],
        api: Api | None = None,
        style: StreamStyle = PLAIN,
        locale: str = ENGLISH,
    ) -> None:
        check_locale(locale)
        self._locale = locale
        self.fixtures, self.source, self.style = fixtures, source, style
        self._chance = chance
        self._hints = NO_HINTS if api is None else api.hints
        self._arrange = None if api is None else api.arrange
        self._is_last = None if api is None else api.last_event
        self._plays = plays if source == "simulated" else {}

    def player(self, operation: Operation) -> Play | None:
        """Return the function that plays an operation for callers without a preference."""
        play = self._plays.get(operation)
        if play is None or not self.fixtures.bundled(operation):
            return None if play is None else partial(self._played, play)
        has_script = _is_stream(operation) and self.fixtures.has_unnamed(operation, operation.success)
        return partial(self._played, play) if has_script else play

    def answer(self, call: Call, preference: Preference = NONE) -> Draft:
        """Return the answer. Unmet if no declared answer fits the preference, RejectedError if playing rejects it."""
        play = self._plays.get(call.operation)
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
        return structs.replace(draft, headers=(*draft.headers, (b"preference-applied", applied))) if applied else draft

    def _preferred(self, call: Call, preference: Preference) -> Draft:
        operation = call.operation
        play = self._plays.get(operation)
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
            call = structs.replace(call, script=script(own[""], self.style)) if "" in own else call
        draft = play(call)
        if draft is not None and (self.fixtures.bundled(operation) or is_allowed(draft, operation, self.style)):
            return draft
        if draft is not None and draft.stream is not None:
            draft.stream.close(0)
        return self.unplayed(call)

    def unplayed(self, call: Call) -> Draft:
        """Return the answer of a call that is not played."""
        if self.source == "generated":
            return self._preferred(call, NONE)
        status = call.operation.success
        reply = call.operation.reply(status)
        if reply is None:
            raise Unmet(f"{call.operation.id} has no answer {status}.")
        return self._static(call, status, reply, NONE)

    def examples(self, operation: Operation) -> Iterator[tuple[int, str, Draft]]:
        """Yield every named answer of an operation, canned before documented: status, name, answer."""
        statuses = sorted(operation.exact, key=lambda status: (status != operation.success, status))
        for status in statuses:
            for name, value in self.fixtures.named(operation, status).items():
                media = canned_media(operation.exact[status])
                yield status, name, Draft(status, value, media.type if media else None, "canned")
            for media in operation.exact[status].media:
                for name, value in media.examples.items():
                    yield status, name, Draft(status, value, media.type, "documented")

    def names(self, operation: Operation) -> Iterator[tuple[int, str]]:
        """Return the status and name of every named answer of an operation."""
        return ((status, name) for status, name, _ in self.examples(operation))

    def _example(self, call: Call, preference: Preference, play: Play | None) -> Draft:
        operation = call.operation
        available = [each for each in self.examples(operation) if preference.code in (None, each[0])]
        for status, name, draft in available:
            if name == preference.example:
                if draft.media != EVENT_STREAM:
                    return draft
                if play is not None and draft.source == "canned" and status == operation.success:
                    played = play(structs.replace(call, script=script(draft.value, self.style)))
                    if played is not None:
                        return played
                return self._paced(draft, call, preference)
        names = ", ".join(dict.fromkeys(f"{status} {name}" for status, name, _ in available if name)) or "none"
        raise Unmet(f"{operation.id} has no example {preference.example!r}; there are: {names}.")

    def _paced(self, draft: Draft, call: Call, preference: Preference) -> Draft:
        """Pace a stream that is not played: a script by its own times, a text at once."""
        if draft.media != EVENT_STREAM:
            return draft
        if isinstance(draft.value, str):
            return structs.replace(draft, stream=text_stream(draft.value))
        canned = draft.source == "canned"
        steps = script(draft.value, self.style) if canned else [Step(event) for event in draft.value]
        told = paced(steps, self.style, self._chance(call, preference))
        return structs.replace(draft, value=[step.event for step in steps], stream=told)

    def _media(self, reply: Reply) -> Media | None:
        """Return the representation that is sent: a stream if one is declared and wanted, else the first."""
        others = [media for media in reply.media if media.type != EVENT_STREAM]
        return others[0] if others and not self.style.wanted else reply.preferred

    def _canned(self, call: Call, status: int, reply: Reply) -> tuple[Media | None, Mapping[str, Json]]:
        """Return the canned answers of a status, without scripts if no stream is wanted."""
        media = canned_media(reply)
        if media is None or (media.type == EVENT_STREAM and not self.style.wanted):
            return None, {}
        return media, self.fixtures.named(call.operation, status)

    def _static(self, call: Call, status: int, reply: Reply, preference: Preference) -> Draft:
        """Return a canned answer, else a documented one, else what schemas show, put together, else a generated one."""
        media = self._media(reply)
        if media is None:
            return Draft(status, None, None, "documented")
        documented = Draft(status, next(iter(media.examples.values()), None), media.type, "documented")
        if media.examples and self.source == "documented":
            return self._paced(documented, call, preference)
        like, canned = self._canned(call, status, reply)
        if like is not None and ("" in canned or (canned and self.source == "canned")):
            name = "" if "" in canned else self._chance(call, preference).choice(sorted(canned))
            draft = Draft(status, canned[name], like.type, "canned", drawn=name != "")
            return self._paced(draft, call, preference)
        if media.examples:
            return self._paced(documented, call, preference)
        together = None if media.schema is None else assemble(media.schema, locale=self._locale)
        if together is not None and media.schema is not None:
            return Draft(status, _echoed(together, call, media.schema), media.type, "assembled")
        return self._generated(call, status, reply, preference)

    def _generated(self, call: Call, status: int, reply: Reply, preference: Preference) -> Draft:
        media, rng = self._media(reply), self._chance(call, preference)
        if media is None:
            return Draft(status, None, None, "generated")
        if media.item_schema is not None:
            draft = Draft(status, self._events(media.item_schema, rng), media.type, "generated", drawn=True)
            return self._paced(draft, call, preference)
        if media.type == EVENT_STREAM:  # its events are not declared
            return Draft(status, "", media.type, "generated", drawn=True, stream=text_stream(""))
        value = {} if media.schema is None else _echoed(self._made(media.schema, rng), call, media.schema)
        return Draft(status, value, media.type, "generated", drawn=True)

    def _made(self, schema: Schema, rng: Random) -> Json:
        return generate(schema, rng, hints=self._hints, locale=self._locale)

    def _events(self, schema: Schema, rng: Random) -> list[Json]:
        """Make some events in a plausible order, with one that ends the stream."""
        events = [self._made(schema, rng) for _ in range(rng.randint(3, 8))]
        if self._arrange is None or not all(isinstance(event, dict) for event in events):
            return events
        if self._is_last is not None and not any(map(self._is_last, events)):
            more = (self._made(schema, rng) for _ in range(100))
            events += [event for event in more if self._is_last(event)][:1]
        made = self._arrange(events)
        return made if all(schema.is_valid(event) for event in made) else events


def _echoed(value: Json, call: Call, schema: Schema) -> Json:
    """Return a made value with the ids of the path in its fields of the same names, if the schema allows that."""
    if not call.path or not isinstance(value, dict) or call.path.keys().isdisjoint(value):
        return value
    told = {name: call.path.get(name, each) for name, each in value.items()}
    return told if schema.is_valid(told) else value


def _is_stream(operation: Operation) -> bool:
    reply = operation.reply(operation.success)
    media = canned_media(reply) if reply is not None else None
    return media is not None and media.type == EVENT_STREAM


def is_allowed(draft: Draft, operation: Operation, style: StreamStyle) -> bool:
    """Return whether a contract allows an answer."""
    reply = operation.reply(draft.status)
    media = next((each for each in reply.media if each.type == draft.media), None) if reply else None
    if reply is None or media is None:
        return reply is not None and draft.media is None and not reply.media
    if draft.media != EVENT_STREAM:
        return media.schema is None or media.schema.is_valid(draft.value)
    text = "".join(style.text(event) for event in draft.value)
    events = media.item_schema is None or all(media.item_schema.is_valid(event) for event in draft.value)
    return events and (media.schema is None or media.schema.is_valid(text))
