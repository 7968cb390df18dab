"""The answer of an operation that is not simulated: canned, documented or generated."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from random import Random
from typing import NamedTuple, TypeAlias

from mockserver.contract import Media, Operation, Reply
from mockserver.errors import ContractError
from mockserver.exchange import Finding, Json
from mockserver.fixtures import Fixtures, json_media
from mockserver.generate import generate
from mockserver.prefer import NONE, Preference
from mockserver.settings import Source
from mockserver.validate import Call

BODILESS = (204, 205, 304)
"""Statuses whose answers have no body, as HTTP says; a range or a default that has one does not stand for them."""

Simulation: TypeAlias = Callable[[Call], "Draft"]
"""A function that plays an operation."""


class Draft(NamedTuple):
    """An answer before it is validated and written out; `media` None is an answer without a body."""

    status: int
    value: Json = None
    media: str | None = "application/json"
    source: str = "mock"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    findings: tuple[Finding, ...] = ()
    applied: Preference = NONE
    """What of the request's wishes was done."""
    drawn: bool = False
    """Whether chance had a part in it."""


class Unmet(Exception):  # noqa: N818  # not an error of ours: it carries what the caller is told
    """A preference that cannot be met; its text lists what can."""


class Answers:
    """Chooses the answer of a call: by the caller's preference, else by the order of sources."""

    def __init__(
        self,
        fixtures: Fixtures,
        source: Source,
        chance: Callable[[Call, Preference], Random],
        simulations: Mapping[Operation, Simulation],
    ) -> None:
        self.fixtures, self.source = fixtures, source
        self._chance, self._simulations = chance, simulations

    def answer(self, call: Call, preference: Preference) -> Draft:
        """Give the answer; Unmet where no declared answer is as the caller prefers."""
        if preference is NONE:
            simulated = self._simulations.get(call.operation) if self.source == "simulated" else None
            return simulated(call) if simulated is not None else self._preferred(call, NONE)
        draft = self._preferred(call, preference)
        generated = draft.source == "generated"
        done = replace(
            preference,
            dynamic=preference.dynamic if preference.dynamic is generated and not preference.example else None,
            seed=preference.seed if draft.drawn else None,
        )
        return draft._replace(applied=done)

    def _preferred(self, call: Call, preference: Preference) -> Draft:
        operation = call.operation
        simulated = self._simulations.get(operation) if self.source == "simulated" else None
        status = preference.code or operation.success
        reply = operation.reply(status)
        if reply is None or (status in BODILESS and status not in operation.exact):
            declared = ", ".join(operation.replies)
            raise Unmet(
                f"{operation.id} has no answer {status} in contract {operation.contract}; declared are {declared}."
            )
        if preference.example is not None:
            return self._example(operation, preference)
        generated = preference.dynamic is True or (self.source == "generated" and preference.dynamic is None)
        if generated:
            return _generated(reply, status, self._chance(call, preference), call.path)
        if simulated is not None and status == operation.success:
            return simulated(call)
        return self._static(call, status, reply, preference)

    def examples(self, operation: Operation) -> Iterator[tuple[int, str, Draft]]:
        """Give every answer of an operation that has a name, canned before documented: status, name, answer."""
        statuses = sorted(operation.exact, key=lambda status: (status != operation.success, status))
        for status in statuses:
            for name, value in self.fixtures.named(operation, status).items():
                media = json_media(operation.exact[status])
                yield status, name, Draft(status, value, media.type if media else None, "canned")
            for media in operation.exact[status].media:
                for name, value in media.examples.items():
                    yield status, name, Draft(status, value, media.type, "documented")

    def _example(self, operation: Operation, preference: Preference) -> Draft:
        available = [each for each in self.examples(operation) if preference.code in (None, each[0])]
        for _, name, draft in available:
            if name == preference.example:
                return draft
        names = ", ".join(dict.fromkeys(f"{status} {name}" for status, name, _ in available if name)) or "none"
        raise Unmet(f"{operation.id} has no example {preference.example!r}; there are: {names}.")

    def _static(self, call: Call, status: int, reply: Reply, preference: Preference) -> Draft:
        """Give a canned answer, else a documented one, else a generated one."""
        media = reply.preferred
        if media is None:
            return Draft(status, None, None, "documented")
        documented = next(iter(media.examples.values()), None)
        if media.examples and self.source == "documented":
            return Draft(status, documented, media.type, "documented")
        canned = self.fixtures.named(call.operation, status)
        for_json = json_media(reply)
        if for_json is not None and ("" in canned or (canned and self.source == "canned")):
            name = "" if "" in canned else self._chance(call, preference).choice(sorted(canned))
            return Draft(status, canned[name], for_json.type, "canned", drawn=name != "")
        if media.examples:
            return Draft(status, documented, media.type, "documented")
        return _generated(reply, status, self._chance(call, preference), call.path)


def _generated(reply: Reply, status: int, rng: Random, known: Mapping[str, Json]) -> Draft:
    media = reply.preferred
    if media is None:
        return Draft(status, None, None, "generated")
    if media.item_schema is not None:
        return Draft(status, _event_stream(media, rng), media.type, "generated", drawn=True)
    value = generate(media.schema, rng, known) if media.schema is not None else {}
    return Draft(status, value, media.type, "generated", drawn=True)


def _event_stream(media: Media, rng: Random) -> str:
    """Write some generated events as a stream that ends with a stop."""
    if media.item_schema is None:
        return ""
    events = [generate(media.item_schema, rng) for _ in range(rng.randint(2, 6))]
    events = [event for event in events if event.get("type") != "stop"]
    while not events or events[-1].get("type") != "stop":
        last = generate(media.item_schema, rng)
        events += [last] if last.get("type") == "stop" else []
    return "".join(event_text(event) for event in events)


def check_made(operation: Operation) -> None:
    """Refuse, with its place, a reply of a user's contract for which no value can be made."""
    for reply in operation.replies.values():
        for schema in reply.required_headers.values():
            if schema is not None:
                generate(schema, Random(0))
        media = reply.preferred
        if media is None or media.schema is None or media.examples:
            continue
        for seed in range(5):
            value = generate(media.schema, Random(seed))
            if not media.schema.is_valid(value):
                finding = media.schema.explain(value)[0]
                raise ContractError(
                    "no value can be made for an answer",
                    where="#" + finding.contract.partition("#")[2],
                    why=f"of what was tried, at {finding.where or 'the root'}: {finding.message}",
                    mend="give the answer an example",
                )


def event_text(event: Json) -> str:
    """Write one event as upstream sends it. Source: docs/upstream.md, "Stream"."""
    kind = "delta" if str(event.get("type", "")).endswith("_delta") else "message"
    return f"event: {kind}\ndata: {json.dumps(event, ensure_ascii=False, separators=(',', ':'))}\n\n"
