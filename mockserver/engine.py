"""The mock itself: one function from request to response, with the order of its steps."""

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path
from random import Random
from typing import Any

from mockserver.answer.choose import Answers, Draft, RefusedError, Unmet, check_made
from mockserver.answer.errors import _unauthorized, _unkept, _unmade, _unmatched, _unmet
from mockserver.answer.fixtures import Fixtures
from mockserver.answer.prefer import NONE, Preference, read_preference
from mockserver.answer.render import Sealer
from mockserver.apis.llamacloud_chat.sessions import World
from mockserver.apis.llamacloud_chat.simulation import simulations
from mockserver.clock import clock_of
from mockserver.contract.openapi import Contract, Operation, bundled, own
from mockserver.contract.router import NO_MATCH, Match, Router
from mockserver.endpoint import Parts, Quick, quick_of
from mockserver.errors import ContractError, PlanError, StoreError, UsageError
from mockserver.journal.recorder import Recorder
from mockserver.messages import (
    BAD_SCOPE,
    DEFAULT_SCOPE,
    HEADER,
    PREFIX,
    Finding,
    Headers,
    Json,
    Request,
    Response,
    Stream,
    known,
    placed,
    same_key,
)
from mockserver.request.validate import Call, Judge, Refusal
from mockserver.settings import ERAS, Settings
from mockserver.sse import Pace, event_text
from mockserver.store.base import Store
from mockserver.store.snapshot import open_shelf, open_store
from mockserver.stub.rules import Planner, Taken, _misplanned, read_plan


@dataclass(frozen=True, slots=True)
class Served:
    """All that is read from files; a reload replaces it whole."""

    contracts: tuple[Contract, ...]
    router: Router
    answers: Answers
    judges: dict[Operation, Judge]
    sealer: Sealer
    planner: Planner
    quick: Quick | None
    """What answers plain calls at once, where it can."""


_judge = lru_cache(maxsize=256)(Judge)
_router = lru_cache(maxsize=16)(Router)
"""What is a function of the contracts alone is made once in a process, however many mocks there are."""


class Mock:
    """The mock server as a Handler, with the state that outlives a reload: the seed and the sessions."""

    def __init__(self, settings: Settings, store: Store | None = None) -> None:
        self.settings = settings
        self.seed = int.from_bytes(os.urandom(4)) if settings.seed is None else settings.seed
        self.store = open_store(settings.store, settings.max_sessions, settings.max_scopes) if store is None else store
        self.loaded = 0
        """How many sessions it was started with."""
        self._key = settings.api_key.encode() if settings.api_key else None
        self.clock = clock_of(settings.clock)
        self.shelf = open_shelf(self.store, settings.journal_size, workers=settings.workers)
        self._record = self._recording()
        self.served = self._read()

    def reload(self) -> None:
        """Read contract and fixtures again; where that fails, the exception leaves what was served in force."""
        served = self._read()
        served.answers.fixtures.check()
        self.served = served

    def _read(self) -> Served:
        contracts = read_contracts(self.settings.contract)
        operations = tuple(operation for contract in contracts for operation in contract.operations)
        world = self._world()
        answers = Answers(
            Fixtures(contracts, self.settings.fixtures),
            self.settings.answers,
            self._chance,
            simulations(operations, world, bundled=contracts[0].bundled),
            world.pace,
            world.streams,
        )
        judges = {operation: _judge(operation, strict=self.settings.strict) for operation in operations}
        for contract in contracts:
            if not contract.bundled:
                _check(contract, judges)
        base = () if self.settings.plan is None else read_plan(self.settings.plan)
        planner = Planner(self.shelf, operations, self._random, answers.names, base)
        router, sealer = _router(contracts), Sealer(contracts[0])
        quick = quick_of(Parts(router, judges, sealer, world, self.shelf, self._kept), self.settings)
        return Served(contracts, router, answers, judges, sealer, planner, quick)

    def _recording(self) -> Callable[..., None] | None:
        """Give what remembers an exchange; None where there is no journal."""
        chosen = self.settings
        if not chosen.journal_size and chosen.journal is None:
            return None
        shelf = self.shelf if chosen.journal_size else None
        return Recorder(shelf, self.clock, chosen.journal_body, chosen.journal).record

    def _world(self) -> World:
        """Give what the simulation plays in."""
        chosen = self.settings
        return World(
            self.store,
            self.clock,
            self._random,
            chosen.title_length,
            strict=chosen.unknown_sessions == "404",
            locked_status=int(chosen.locked_status),
            pace=Pace(chosen.stream_delay, chosen.stream_rate, chosen.stream_jitter, chosen.keep_alive),
            streams=chosen.stream == "sse",
            missing=frozenset(filter(None, map(str.strip, (chosen.missing_indexes or "").split(",")))),
        )

    @property
    def threads(self) -> int:
        """How many threads may ask at once; 0 for a store that never waits."""
        return self.store.threads

    @property
    def waits(self) -> bool:
        """Say whether the next answer is likely to wait for the store."""
        return self.store.waits

    def handle(self, request: Request) -> Response:
        """Answer a request: scope, match, key, request, preference, answer, seal, fault, journal."""
        served, before, taken = self.served, "", None
        if HEADER in request.headers or request.path.startswith(PREFIX):
            path = request.path
            request, wrong = placed(request)
            if wrong is not None:
                return self._kept(request, NO_MATCH, Draft(400, {"detail": BAD_SCOPE}, findings=(wrong,)), None)
            before = path[: len(path) - len(request.path)]
        if served.quick is not None and (response := served.quick.answer(request)) is not None:
            return response
        match = served.router.match(request.method, request.path, request.headers)
        try:
            if match.operation is None:
                draft = _unmatched(served.router, request, match, request.root + before)
            else:
                draft, taken = self._asked(served, match.operation, match.path, request)
        except StoreError as error:
            draft = _unkept(error)
        return self._kept(request, match, draft, taken)

    def _asked(
        self, served: Served, operation: Operation, path: Mapping[str, str], request: Request
    ) -> tuple[Draft, Taken | None]:
        """Judge a request, and answer it as it prefers, else as was planned."""
        if (keyless := self._keyless(operation, request.headers)) is not None:
            return keyless, None
        call = served.judges[operation].judge(request, path)
        if isinstance(call, Refusal):
            return Draft(call.status, call.value, findings=tuple(call.findings)), None
        preference, taken = NONE, None
        if b"prefer" in request.headers:
            preference, wrong = read_preference(request.headers)
            if wrong:
                return _unmet(wrong[0].message, operation), None
        if preference is NONE:
            taken = served.planner.take(call)
        draft = _answered(served, call, preference, taken)
        return (draft if not call.findings else draft._replace(findings=(*draft.findings, *call.findings))), taken

    def _kept(self, request: Request, match: Match, draft: Draft, taken: Taken | None) -> Response:
        """Seal an answer, do to it what was planned, and remember it."""
        served = self.served
        response = whole = served.sealer.seal(request, match, draft)
        if taken is not None and response.source != "mock":
            response, whole = _finished(served, request, match, draft, response, taken)
        if self._record is not None:
            operation = match.operation
            try:
                self._record(
                    request,
                    "" if operation is None else operation.id,
                    served.contracts[0].name if operation is None else operation.contract,
                    match.path,
                    whole if whole.stream is None else _written_out(whole, whole.stream, draft.value),
                    0 if taken is None else taken.entry.number,
                    () if taken is None else tuple(each.as_json() for each in taken.step.faults),
                )
            except StoreError as error:  # an answer that could not be remembered is none
                if response.stream is not None:
                    response.stream.close(0)
                return served.sealer.seal(request, match, _unkept(error))
        return response

    def refuse(self, request: Request, status: int, message: str) -> Response:
        """Refuse a request that was not read to its end: 408, 413, 414, 431."""
        finding = Finding("/body" if status in (408, 413) else "", "size", message, "client")
        return self._sealed(request, Draft(status, {"detail": message}, findings=(finding,)))

    def failed(self, request: Request, error: Exception) -> Response:
        """Answer a request at which the mock itself failed, in the contract's form."""
        message = f"The mock failed: {type(error).__name__}. This is a defect of the mock; its log says more."
        finding = Finding("", "defect", message, "mock")
        return self._sealed(request, Draft(500, {"detail": message}, findings=(finding,)))

    def document(self, name: str | None = None) -> Json:
        """Give the document of a contract in force, the newest unless one is named."""
        contracts = self.served.contracts
        for contract in contracts:
            if name in (None, contract.name):
                return contract.document
        names = ", ".join(contract.name for contract in contracts)
        raise UsageError(f"there is no contract {name!r} in force", mend=f"there are {names}")

    def _sealed(self, request: Request, draft: Draft) -> Response:
        request, _ = placed(request)
        match = self.served.router.match(request.method, request.path, request.headers)
        return self._kept(request, match, draft, None)

    def _keyless(self, operation: Operation, headers: Headers) -> Draft | None:
        """Refuse a missing or wrong key in upstream's texts (docs/upstream.md, "Authentication")."""
        if not operation.secured or not self.settings.auth:
            return None
        key = known(headers).key
        if not key:
            return _unauthorized("Not authenticated", operation)
        if self._key is not None and not same_key(key, self._key):
            return _unauthorized("Invalid authentication token", operation)
        return None

    def _chance(self, call: Call, preference: Preference) -> Random:
        """Give the source of chance of one answer: a function of seed, scope and request alone."""
        request = call.request
        seed, scope = self._seeded(request.scope)
        own = seed if preference.seed is None else preference.seed
        parts = (str(own), scope, call.operation.method, request.path, request.query)
        return _drawn(json.dumps(parts).encode() + request.body)

    def _random(self, scope: str, *parts: Any) -> Random:
        """Give the chance of a scope and of some parts, a session's number, say."""
        return _drawn(json.dumps((*self._seeded(scope), *parts)).encode())

    def _seeded(self, scope: str) -> tuple[int, str]:
        """Give a scope's seed and name; one with a seed of its own plays as the default one of such a server would."""
        own = self.store.seed(scope)
        return (self.seed, scope) if own is None else (own, DEFAULT_SCOPE)


def _drawn(text: bytes) -> Random:
    return Random(int.from_bytes(blake2b(text, digest_size=16).digest(), "big"))


def _check(contract: Contract, judges: Mapping[Operation, Judge]) -> None:
    """Refuse a user's contract, with the place, where a request could not be judged or an answer not be made."""
    operation = contract.operations[0]
    try:
        for operation in contract.operations:
            judges[operation].compile()
            check_made(operation)
    except ContractError as error:
        where = f"{contract.file}{error.where}"
        raise ContractError(error.what, where=where, why=error.why, mend=error.mend) from error
    except Exception as error:
        what = f"the operation {operation.id!r} cannot be served"
        why = getattr(error, "message", str(error))
        raise ContractError(what, where=f"{contract.file}#{operation.pointer}", why=why) from error


def read_contracts(name: str) -> tuple[Contract, ...]:
    """Give the contracts that a name stands for, newest first: auto, an era, or a file."""
    if name == "auto":
        return tuple(bundled(era) for era in ERAS)
    if name in ERAS:
        return (bundled(name),)
    path = Path(name)
    if not path.is_file():
        raise UsageError(
            f"there is no contract {name!r}",
            why=f"it is neither auto, nor one of {', '.join(ERAS)}, nor a file",
            mend="name an era, or the path of an OpenAPI 3.1 document",
        )
    return (own(path),)


def describe(contracts: Sequence[Contract]) -> str:
    """Name the contracts in force and count their operations."""
    names = ", ".join(contract.name for contract in contracts)
    count = len({operation.id for contract in contracts for operation in contract.operations})
    kind = f"auto ({names})" if len(contracts) > 1 else names
    return f"contract {kind}, {count} operation{'s' if count != 1 else ''}"


def _answered(served: Served, call: Call, preference: Preference, taken: Taken | None) -> Draft:
    """Answer a call as it prefers, or as was planned."""
    try:
        if taken is not None:
            return served.planner.draft(taken, call, served.answers)
        return served.answers.answer(call, preference)
    except RefusedError as refused:
        return refused.draft
    except Unmet as unmet:
        return _unmet(str(unmet), call.operation) if taken is None else _misplanned(str(unmet), taken)
    except ContractError as error:
        return _unmade(error, call.operation)


def _finished(
    served: Served, request: Request, match: Match, draft: Draft, response: Response, taken: Taken
) -> tuple[Response, Response]:
    """Do to an answer what was planned to be wrong with it, and give it with what it was before it was cut.

    What cannot be done is a loud 500.
    """
    media = served.sealer.place(match.operation, draft).media
    schema = None if media is None else media.schema if response.stream is None else media.item_schema
    try:
        events = draft.value if isinstance(draft.value, list) else ()
        return served.planner.finish(taken, response, request.scope, schema, events)
    except PlanError as error:
        if response.stream is not None:
            response.stream.close(0)
        text = f"{error.what}: {error.why}" if error.why else error.what
        failed = served.sealer.seal(request, match, _misplanned(text, taken))
        return failed, failed


def _written_out(response: Response, stream: Stream, value: Json) -> Response:
    """Give a stream as the text that it is to be; its last event may be one that is written only at its end."""
    parts = [chunk.data for chunk in stream.chunks]
    if parts and not parts[-1] and isinstance(value, list):
        parts.append(event_text(value[-1]).encode())
    return response._replace(body=b"".join(parts), stream=None)
