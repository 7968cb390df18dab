"""The title call where all of it is plain: the engine's steps in one function, with what is known at start.

It answers as the engine does, or it does nothing, and the engine answers; a property test holds the two together.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

import orjson

from mockserver.answer.choose import Draft
from mockserver.answer.render import Sealer
from mockserver.apis.llamacloud_chat.sessions import Traits, World, summary, title_of
from mockserver.contract.openapi import Operation
from mockserver.contract.router import Match, Router
from mockserver.journal.exchange import Brief, Kind
from mockserver.messages import Headers, Json, Request, Response, Version, known, same_key
from mockserver.request.validate import Judge, scan
from mockserver.settings import Settings
from mockserver.store.base import Shelf
from mockserver.store.memory import MemoryShelf, MemoryStore

_BEFORE, _AFTER = "/api/v1/chat/", "/title"
_FIRST, _LAST = len(_BEFORE), -len(_AFTER)

_LENGTHS = [(b"content-length", b"%d" % size) for size in range(4_096)]
"""The header fields of the lengths that most answers have."""

MOST_VERSIONS = 100
"""Of how many versions of clients it is remembered which contract answers them."""

_UNKNOWN: Any = object()
"""Stands for a version of which it was not asked yet."""

_new = tuple.__new__
"""Makes a named tuple in half the time of its own constructor."""


Keep: TypeAlias = Callable[[Request, Match, Draft, None], Response]
"""Seals an answer, and remembers it."""


class Parts(NamedTuple):
    """What the engine answers by."""

    router: Router
    judges: Mapping[Operation, Judge]
    sealer: Sealer
    world: World
    shelf: Shelf
    keep: Keep


class Route(NamedTuple):
    """What the title calls of one contract have in common."""

    operation: Operation
    takes: Callable[[Json], bool]
    """Says whether the contract allows a body."""
    tells: Callable[[Json], bool]
    """Says whether it allows an answer."""
    headers: tuple[tuple[bytes, bytes], ...]
    """The header fields of each answer, but for its length."""
    traits: Traits
    kind: Kind


class Quick:
    """Answers title calls over what is kept in memory."""

    def __init__(self, parts: Parts, store: MemoryStore, shelf: MemoryShelf, settings: Settings) -> None:
        self._parts, self._store, self._shelf, self._clock = parts, store, shelf, parts.world.clock
        self._auth, self._key = settings.auth, settings.api_key.encode() if settings.api_key else None
        self._title_length = settings.title_length
        self._journals = settings.journal_size > 0
        self._longest = min(settings.journal_body, len(_LENGTHS) - 1)
        self._routes: dict[Version | None, Route | None] = {}

    def answer(self, request: Request) -> Response | None:
        """Answer a title call of a session that is there; None, and nothing was done, where anything is not plain."""
        method, path, query, headers, raw, scope, _ = request
        # match
        facts, session_id = headers.known or known(headers), path[_FIRST:_LAST]
        if path[:_FIRST] != _BEFORE or path[_LAST:] != _AFTER or method != "POST" or query or not facts.plain:
            return None
        if "/" in session_id or "%" in session_id or not session_id or b"\\" in raw:
            return None
        version = facts.version
        route = self._routes.get(version, _UNKNOWN)
        route = self._route(headers, version) if route is _UNKNOWN else route
        # key, request, plan
        if route is None or (self._auth and not self._is_allowed(facts.key)) or self._shelf.plan(scope):
            return None
        operation, takes, tells, common, traits, kind = route
        try:
            text = raw.decode()
            body, end = scan(text, 0)
            if end != len(text) or not takes(body):
                return None
        except (StopIteration, ValueError, RecursionError):
            return None
        # answer
        title = title_of(body["first_message"], self._title_length)
        session = self._store.retitle(scope, session_id, title, self._clock)
        if session is None:
            return None
        value, status = summary(session, traits), operation.success
        # seal
        try:
            answer, right = orjson.dumps(value), tells(value)
        except (TypeError, ValueError):  # what a session was restored with, a number of many digits, say
            answer, right = b"", False
        size = len(answer)
        if not right or size > self._longest or len(raw) > self._longest:
            draft = Draft(status, value, source="simulated")
            return self._parts.keep(request, Match(operation, {kind.name: session_id}), draft, None)
        fields = [*common, _LENGTHS[size]]
        # journal
        if self._journals:
            self._shelf.keep(scope, _new(Brief, (session[1], path, facts.redacted, raw, answer, kind)))
        response: Response = _new(Response, (status, fields, answer, None, None, (), "simulated"))
        return response

    def _is_allowed(self, key: bytes) -> bool:
        """Say whether a call has the key that it needs."""
        return key != b"" and (self._key is None or same_key(key, self._key))

    def _route(self, headers: Headers, version: Version | None) -> Route | None:
        """Find out what a version's title calls have in common; None where they are for the engine."""
        match = self._parts.router.match("POST", f"{_BEFORE}x{_AFTER}", headers)
        route = None if match.operation is None or match.withdrawn else self._made(match.operation)
        if len(self._routes) >= MOST_VERSIONS:
            self._routes.clear()
        self._routes[version] = route
        return route

    def _made(self, operation: Operation) -> Route | None:
        """Work out a contract's title call."""
        parts = self._parts
        place = parts.sealer.place(operation, Draft(operation.success, source="simulated"))
        schema = None if place.media is None else place.media.schema
        if operation.body is None or schema is None or place.required or not parts.judges[operation].plain:
            return None
        traits = parts.world.traits[operation]
        said = (operation.method, operation.id, operation.contract, operation.success, "simulated", place.headers)
        kind = Kind(*said, operation.names[0], _BEFORE.count("/"))
        return Route(operation, operation.body.schema.compiled(), schema.compiled(), place.headers, traits, kind)


def quick_of(parts: Parts, settings: Settings) -> Quick | None:
    """Give what answers plain title calls; None where none are: something is planned for all, or kept elsewhere."""
    store, shelf = parts.world.store, parts.shelf
    if settings.answers != "simulated" or settings.plan is not None or settings.journal is not None:
        return None
    if not parts.router.contracts[0].bundled or type(store) is not MemoryStore or type(shelf) is not MemoryShelf:
        return None  # what is derived of them may do otherwise
    return Quick(parts, store, shelf, settings)
