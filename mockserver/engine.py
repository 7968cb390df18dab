"""The mock: one function from request to response, with its steps in order."""

import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from hashlib import blake2b
from random import Random
from typing import Any

from msgspec import structs

from mockserver import api as packs
from mockserver.answer.callbacks import callbacks_of
from mockserver.answer.choose import Answers
from mockserver.answer.errors import bad_scope, server_error, store_failed, too_much, unmatched
from mockserver.answer.fixtures import Fixtures
from mockserver.answer.prefer import Preference
from mockserver.answer.refusal import Refusals
from mockserver.answer.render import OwnRenderer, Renderer
from mockserver.api import Call, Draft, PlayContext
from mockserver.clock import now_of
from mockserver.contract.openapi import Contract, Operation
from mockserver.contract.router import NO_MATCH, Match, Router
from mockserver.endpoint import Endpoint, Keys, Unserved
from mockserver.errors import ContractError, StoreError, UsageError
from mockserver.journal.exchange import Entry, Exchange, Reading
from mockserver.journal.recorder import OVERHEAD, SHORT, Recorder
from mockserver.messages import (
    DEFAULT_SCOPE,
    HEADER,
    NO_HEADERS,
    PREFIX,
    Finding,
    Headers,
    Json,
    Request,
    Response,
    known,
    placed,
)
from mockserver.play import Layered, PlayFunction, PlayFunctions
from mockserver.redact import Redactor
from mockserver.request.dialect import validator_of
from mockserver.request.encoding import ENCODING, decompressed
from mockserver.server.callback import CallbackSender
from mockserver.settings import Settings, words_of
from mockserver.sse import PLAIN, StreamStyle
from mockserver.store.base import Asked, Given, Part, Record, Store
from mockserver.store.open import limits_of, open_store
from mockserver.stub.rules import StubRules, Taken, finished, read_stubs


@dataclass(frozen=True, slots=True)
class Served:
    """Everything that is read from files; a reload replaces it as a whole."""

    contracts: tuple[Contract, ...]
    newest: str
    """The name of the newest contract, which covers answers of no operation."""
    router: Router
    answers: Answers
    endpoints: "Endpoints"
    renderer: Renderer
    stubs: StubRules
    scoped_paths: bool
    """Whether a path may name a scope: not where the API has such paths itself."""


log = logging.getLogger("mockserver")

MOST_LOGGED = 20
"""How many problems of an operation are logged when it is first called."""


class Endpoints(dict[Operation, "Endpoint | Unserved"]):
    """The endpoints by operation; each is compiled when it is first called."""

    def __init__(self, answers: Answers, stubs: StubRules, settings: Settings) -> None:
        super().__init__()
        self._answers, self._stubs, self._settings = answers, stubs, settings
        self._keys = Keys(settings.auth, settings.api_key.encode() if settings.api_key else None)

    def __missing__(self, operation: Operation) -> "Endpoint | Unserved":
        made: Endpoint | Unserved
        try:
            operation.read()
            validator = _validator(operation, self._settings.refusals, strict=self._settings.strict)
            if not operation.bundled:
                validator.compile()
            tolerant = self._settings.invalid == "warn"
            made = Endpoint(operation, validator, self._answers, self._stubs, self._keys, tolerant=tolerant)
        except ContractError as error:
            log.warning("%s is answered with 501: %s", operation.id, " ".join(map(str.strip, str(error).split("\n"))))
            made = Unserved(operation, error)
        for each in operation.problems[operation.logged :][:MOST_LOGGED]:
            place, why = operation.placed("#" + each.place), f" ({each.why})" if each.why else ""
            log.warning("%s: %s%s, at %s", operation.id, each.what, why, place)
        operation.logged = len(operation.problems)
        self[operation] = made
        return made


_validator = lru_cache(maxsize=256)(validator_of)
_router = lru_cache(maxsize=16)(Router)
"""Cache what depends only on the contracts, so that many mocks in a process share it."""


class Mock:
    """The mock server as a Handler, with the state that survives a reload: the seed and the store."""

    def __init__(self, settings: Settings, store: Store | None = None) -> None:
        self.settings = settings
        self.api = packs.choose(settings.api, settings.contract)
        """The API pack in force, or None."""
        self.own = None if self.api is None else self.api.own_settings(settings)
        self.seed = int.from_bytes(os.urandom(4)) if settings.seed is None else settings.seed
        self.store = (
            open_store(settings.store, limits_of(settings), workers=settings.workers) if store is None else store
        )
        self.loaded = 0
        """How many records it started with."""
        self.functions = PlayFunctions(self.store, settings.play)
        """The functions that play operations instead of the pack."""
        self.now = now_of(settings.clock)
        """Returns the time in nanoseconds since 1970."""
        self.redactor = self._redactor()
        self.reading = Reading(b"" if self.api is None else self.api.client.retry_count, self.redactor)
        self._recorder = Recorder(self.store if settings.journal_size else None, settings.journal, self.reading)
        self._keep, self._longest = self._recorder.keeping(), settings.journal_body
        self._usual = OVERHEAD + self._longest
        """The bytes of an exchange that needs no shortening, unless it streams or has findings."""
        self._callbacks = settings.callbacks
        self._sender = CallbackSender(words_of(settings.callback_hosts))
        self.served = self._read()

    # -- what is served

    def reload(self) -> None:
        """Read contract and fixtures again; if that raises, the old ones stay in force."""
        served = self._read()
        served.answers.fixtures.check()
        self.served = served

    def _read(self) -> Served:
        chosen, api = self.settings, self.api
        formats = chosen.formats == "assert"
        contracts = packs.read_contracts(chosen.contract, api, remote=chosen.allow_remote_refs, formats=formats)
        if chosen.strict_contract:
            from mockserver.inspection import require

            require(contracts)
        operations = tuple(operation for contract in contracts for operation in contract.operations)
        style = replace(PLAIN, wanted=False) if api is None else api.style(self.own)
        style = replace(style, pace=style.pace._replace(keep_alive=chosen.keep_alive))
        fixtures = Fixtures(contracts, chosen.fixtures, None if api is None else api.fixtures, style)
        answers = Answers(
            fixtures,
            "generated" if chosen.dynamic else chosen.answers,
            self._chance,
            api,
            style,
            chosen.locale,
            strict_accept=chosen.strict_accept,
            is_echoed=lru_cache(maxsize=4_096)(lambda name: chosen.echo and not self.redactor.is_secret(name)),
            now=self.now,
        )
        own = self.functions.plays(operations)
        if api is not None and api.play is not None and chosen.memory != "off":
            plays = api.play(self._context(contracts, style, answers))
            answers.plays = Layered(own, plays)
            if api.record is not None:
                answers.record_of = partial(api.record, plays)
        else:
            answers.plays = own
        base = () if chosen.stubs is None else read_stubs(chosen.stubs)
        stubs = StubRules(self.store, operations, self._random, answers.names, base)
        return Served(
            contracts,
            contracts[0].name,
            _router(contracts, None if api is None else api.client.version),
            answers,
            Endpoints(answers, stubs, chosen),
            self._renderer(contracts, style),
            stubs,
            scoped_paths=not any(operation.path.startswith(PREFIX) for operation in operations),
        )

    def play(self, name: str, function: PlayFunction) -> None:
        """Let a function play an operation; a UsageError says why it cannot."""
        operations = tuple(operation for contract in self.served.contracts for operation in contract.operations)
        self.functions.set(operations, name, function)
        self.served = self._read()

    def play_as_before(self) -> None:
        """Forget the functions that were set to play operations."""
        if self.functions.clear():
            self.served = self._read()

    def _context(self, contracts: tuple[Contract, ...], style: StreamStyle, answers: Answers) -> PlayContext:
        """Return what the pack's play functions work with."""
        return PlayContext(
            store=self.store,
            now=self.now,
            chance=self._random,
            settings=self.own,
            style=style,
            contracts=contracts,
            memory=self.settings.memory,
            unplayed=answers.unplayed,
            media=answers.media,
            allows=answers.allows,
            make=answers.made,
            is_secret=self.redactor.is_secret,
        )

    def _renderer(self, contracts: tuple[Contract, ...], style: StreamStyle) -> Renderer:
        """Return what renders answers; a bundled document of FastAPI's declares the mock's errors as they are."""
        refusals = Refusals(self.settings.refusals, contracts)
        if contracts[0].bundled and refusals.speaks_fastapi(None):
            return Renderer(contracts[0], style, self.redactor)
        return OwnRenderer(contracts[0], refusals, style, self.redactor)

    def _redactor(self) -> Redactor:
        """Return what hides secrets, by the names of the pack and of the settings."""
        api, chosen = self.api, self.settings
        return Redactor.of(
            [*(() if api is None else api.redacted_names), *words_of(chosen.redacted_names)],
            [*(() if api is None else api.shown_names), *words_of(chosen.shown_names)],
        )

    def exchanges(self, scope: str, after: int = 0) -> list[Exchange]:
        """Return the exchanges of a scope whose number is above `after`, the oldest first."""
        return self._recorder.exchanges(scope, after)

    def newest(self, scope: str, after: int, most: int) -> tuple[int, list[Exchange]]:
        """Return the last number of a scope's journal, and at most so many of its newest exchanges above `after`."""
        return self._recorder.newest(scope, after, most)

    def drop(self, scope: str) -> None:
        """Forget all of a scope: its records, its journal, its stubs, and how often each request came."""
        self.store.drop(scope)
        self.served.answers.turns.forget(scope)

    def record_problem(self, record: Record, parts: Sequence[Part]) -> str:
        """Return why a record could not be answered, or "" if it can."""
        if self.api is None:
            return "no API pack keeps records here"
        return "" if self.api.state is None else self.api.state.problem(self.served.contracts, record, parts)

    @property
    def convert_record(self) -> "Callable[[Json], Json] | None":
        """Return the converter of states that an earlier version saved, if there is one."""
        return None if self.api is None or self.api.state is None else self.api.state.convert

    @property
    def threads(self) -> int:
        """How many threads may call it at once; 0 for a store that never waits."""
        return self.store.threads

    @property
    def waits(self) -> bool:
        """Return whether the next answer is likely to wait for the store."""
        return self.store.waits

    def at_once(self, function: Callable[[Asked], Given], asked: Asked) -> Given:
        """Call a function of the mock whose thread must not wait; StoreBusyError if it would have to for the store."""
        return self.store.at_once(function, asked)

    def owns(self, path: str) -> bool:
        """Return whether the contracts in force have an operation that reads a path."""
        return self.served.router.match("GET", path, NO_HEADERS).operation is not None

    def operation_id(self, method: str, path: str, headers: Headers) -> str:
        """Return the id of the operation that a request asks for, or ""."""
        if path.startswith(PREFIX):
            path = self.placed(Request(method, path, "", headers))[0].path
        operation = self.served.router.match(method, path, headers).operation
        return "" if operation is None else operation.id

    def declared_headers(self) -> set[str]:
        """Return the names of the header fields that the answers of the contracts in force declare."""
        found: set[str] = set()
        for operation in (each for contract in self.served.contracts for each in contract.operations):
            found.update(operation.header_names)
        return found

    def document(self, name: str | None = None) -> Json:
        """Return the document of a contract in force, by default the newest."""
        contracts = self.served.contracts
        for contract in contracts:
            if name in (None, contract.name):
                return contract.document
        names = ", ".join(contract.name for contract in contracts)
        raise UsageError(f"there is no contract {name!r} in force", fix=f"there are {names}")

    # -- requests

    def placed(self, request: Request) -> tuple[Request, Finding | None]:
        """Return the request in its scope, and a Finding if that has no valid name."""
        return placed(request, by_path=self.served.scoped_paths)

    def handle(self, request: Request) -> Response:
        """Answer a request: scope, endpoint (key, request, preference, stub, play), rendering, fault, journal."""
        served, at, taken = self.served, self.now(), None
        if HEADER in request.headers or request.path.startswith(PREFIX):
            request, wrong = self.placed(request)
            if wrong is not None:
                return self._finish(served, request, NO_MATCH, bad_scope(wrong), None, at)
        if ENCODING in request.headers:
            read = decompressed(request, self.settings.max_body)
            if isinstance(read, Draft):
                return self._finish(served, request, NO_MATCH, read, None, at)
            request = read
        match = served.router.match(request.method, request.path, request.headers)
        operation = match.operation
        try:
            if operation is None:
                draft = unmatched(served.router, request, match)
            else:
                draft, taken = served.endpoints[operation].answer(request, match.path)
        except StoreError as error:
            draft = store_failed(error)
        response = self._finish(served, request, match, draft, taken, at)
        if self._callbacks or (taken is not None and taken.step.callbacks):
            return self._calling(request, match, response)
        return response

    def _calling(self, request: Request, match: Match, response: Response) -> Response:
        """Return an answer after which the callbacks of its operation are sent."""
        if match.operation is None or not 200 <= response.status < 300 or response.source == "mock":
            return response
        calls = callbacks_of(match.operation, request, match.path, response)
        return self._sender.after(response, calls) if calls else response

    def _finish(
        self, served: Served, request: Request, match: Match, draft: Draft, taken: Taken | None, at: int
    ) -> Response:
        """Render an answer, apply the stub's faults, and record it."""
        response = whole = served.renderer.render(request, match, draft)
        if taken is not None and response.source != "mock":
            response, whole = finished(served.stubs, served.renderer, request, match, draft, response, taken)
        if self._keep is None:
            return response
        entry = Entry(at=at, request=request, match=match, contract=served.newest, response=whole)
        if taken is not None:
            entry = structs.replace(entry, stub=taken.entry.number, faults=taken.faults)
        facts = request.headers.known or known(request.headers)
        sent = len(request.body) + len(request.path) + len(request.query) + facts.size
        size = sent + len(whole.body) + OVERHEAD
        if size > self._usual or whole.stream is not None or (whole.findings and sent > SHORT):
            entry, size = self._recorder.sized(entry, self._longest)
        try:
            self._keep(request.scope, entry, size)
        except StoreError as error:  # an answer that cannot be recorded is not sent
            if response.stream is not None:
                response.stream.close(0)
            return served.renderer.render(request, match, store_failed(error))
        return response

    def refuse(self, request: Request, status: int, message: str) -> Response:
        """Reject a request that was not read to its end: 408, 413, 414, 431, 503."""
        return self.instead(request, too_much(status, message))

    def failed(self, request: Request, error: Exception) -> Response:
        """Answer a request after the mock itself failed, in the contract's form."""
        return self.instead(request, server_error(error))

    def instead(self, request: Request, draft: Draft) -> Response:
        """Answer a request by a draft, whatever its operation is."""
        request, _ = self.placed(request)
        served = self.served
        match = served.router.match(request.method, request.path, request.headers)
        return self._finish(served, request, match, draft, None, self.now())

    # -- what others answer

    def stubbed(self, match: Match, call: Call, taken: Taken) -> Response:
        """Answer a call by a stub, and record it."""
        served, at = self.served, self.now()
        draft = served.endpoints[call.operation].stubbed(call, taken)
        return self._finish(served, call.request, match, draft, taken, at)

    def damaged(self, request: Request, match: Match, response: Response, taken: Taken) -> tuple[Response, Response]:
        """Apply the faults of a stub to an answer from elsewhere; also return it without damage to its delivery."""
        served = self.served
        draft = Draft(response.status, None, Headers(response.headers).text(b"content-type"), source=response.source)
        response = structs.replace(response, headers=[*response.headers, *taken.step.headers])
        return finished(served.stubs, served.renderer, request, match, draft, response, taken)

    def record(self, entry: Entry) -> None:
        """Record an exchange that was answered elsewhere; a StoreError says that it cannot be."""
        if self._keep is not None:
            self._keep(entry.request.scope, *self._recorder.sized(entry, self._longest))

    # -- chance

    def _chance(self, call: Call, preference: Preference, turn: int) -> Random:
        """Return the random source of one answer: by seed, scope, request, and how often the request came before."""
        request = call.request
        seed, scope = self._seeded(request.scope)
        own = seed if preference.seed is None else preference.seed
        parts = (str(own), scope, call.operation.method, request.path, request.query, *([turn] if turn else ()))
        return _drawn(json.dumps(parts).encode() + request.body)

    def _random(self, scope: str, *parts: Any) -> Random:
        """Return the random source of a scope and some parts, such as a record's number."""
        return _drawn(json.dumps((*self._seeded(scope), *parts)).encode())

    def _seeded(self, scope: str) -> tuple[int, str]:
        """Return a scope's seed and name; with a seed of its own it plays like the default scope of such a server."""
        own = self.store.seed(scope)
        return (self.seed, scope) if own is None else (own, DEFAULT_SCOPE)


def _drawn(text: bytes) -> Random:
    return Random(int.from_bytes(blake2b(text, digest_size=16).digest(), "big"))
