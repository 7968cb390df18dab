"""One operation, compiled when it is first called: its keys, how its requests are decoded, and what answers them."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from gc import isenabled
from typing import NamedTuple, TypeAlias

from msgspec import structs

from mockserver.answer.choose import Answers, Unmet
from mockserver.answer.errors import not_served, unauthorized, undeclared_preference, unmet_preference
from mockserver.answer.prefer import NONE, Preference, read_preference
from mockserver.api import Call, Draft, Play, RejectedError
from mockserver.contract.openapi import Operation
from mockserver.errors import ContractError
from mockserver.messages import Finding, Json, Request, known, same_key
from mockserver.request.decode import StrictValidator
from mockserver.request.security import KeyGuard, guard_of
from mockserver.request.validate import LARGE, Rejection, RequestValidator, scan, without_collecting
from mockserver.stub.rules import StubRules, Taken, misconfigured

log = logging.getLogger("mockserver")

_NO_QUERY: Mapping[str, Json] = {}


class Keys(NamedTuple):
    """The valid keys: any, or one. Without `required` no key is needed."""

    required: bool
    right: bytes | None = None


AnyValidator: TypeAlias = RequestValidator | StrictValidator


class Unserved:
    """Answers 501 to the calls of an operation that cannot be served, and says why."""

    def __init__(self, operation: Operation, error: ContractError) -> None:
        self._operation, self._draft = operation, not_served(error, operation)

    def answer(self, _request: Request, _path: Mapping[str, str]) -> tuple[Draft, Taken | None]:
        """Answer a request."""
        return self._draft, None

    def judge(self, request: Request, path: Mapping[str, str]) -> tuple[Call, tuple[Finding, ...]]:
        """Return the call that a request makes, and why it is not served."""
        return Call(request, self._operation, path, _NO_QUERY), self._draft.findings

    def stubbed(self, _call: Call, _taken: Taken) -> Draft:
        """Answer a call that a stub would answer."""
        return self._draft


class Endpoint:
    """Answers the calls of one operation."""

    def __init__(
        self,
        operation: Operation,
        validator: AnyValidator,
        answers: Answers,
        stubs: StubRules,
        keys: Keys,
        *,
        tolerant: bool = False,
    ) -> None:
        self.operation, self.validator, self._tolerant = operation, validator, tolerant
        self._answers, self._stubs, self._right_key = answers, stubs, keys.right
        self._guard: KeyGuard | None = guard_of(operation, keys.right) if keys.required else None
        self._secured = self._guard is not None and self._guard.is_bearer
        self._play: Play | None = answers.player(operation)
        self._stubbed = stubs.store.stubbed
        self._is_plain = validator.plain
        self._has_body = operation.body is not None
        self._allows: Callable[[Json], bool] = self._compile

    def answer(self, request: Request, path: Mapping[str, str]) -> tuple[Draft, Taken | None]:
        """Answer a request: key, request, preference, stub, play. Also returns the stub that was used, if any.

        Raises StoreError if the store fails.
        """
        if self._secured:
            key = (request.headers.known or known(request.headers)).key
            if not key or (self._right_key is not None and not same_key(key, self._right_key)):
                return unauthorized(
                    "Invalid authentication token" if key else "Not authenticated", self.operation
                ), None
        elif self._guard is not None and (refused := self._guard.refused(request)) is not None:
            return refused, None
        call = self._decoded(request, path)
        if call is None:
            if len(request.body) > LARGE and isenabled():
                with without_collecting():
                    return self.answer(request, path)
            judged = self.validator.validate(request, path)
            if isinstance(judged, Rejection):
                return self._rejected(judged, request, path), None
            call = judged
        taken = None
        if b"prefer" in request.headers:
            preference, wrong = read_preference(request.headers)
            if wrong:
                return unmet_preference(wrong[0].message, self.operation), None
        else:
            preference = NONE
        if preference is NONE and (self._stubbed is None or request.scope in self._stubbed or self._stubs.base):
            taken = self._stubs.take(call)
        draft = self._answer(call, preference, taken)
        return (structs.replace(draft, findings=(*draft.findings, *call.findings)) if call.findings else draft), taken

    def judge(self, request: Request, path: Mapping[str, str]) -> tuple[Call, tuple[Finding, ...]]:
        """Return the call that a request makes, and what is wrong with it; nothing is answered."""
        refused = None if self._guard is None else self._guard.refused(request)
        keys = () if refused is None else refused.findings
        judged = self.validator.validate(request, path)
        call = judged if isinstance(judged, Call) else judged.call or Call(request, self.operation, path, _NO_QUERY)
        return call, (*keys, *judged.findings)

    def stubbed(self, call: Call, taken: Taken) -> Draft:
        """Answer a call by a stub."""
        return self._answer(call, NONE, taken)

    def _rejected(self, judged: Rejection, request: Request, path: Mapping[str, str]) -> Draft:
        """Refuse an invalid request, or answer it by the contract and report what is wrong with it."""
        if not self._tolerant:
            return Draft(judged.status, judged.value, headers=judged.headers, findings=judged.findings)
        for each in judged.findings:
            log.warning("%s %s: %s: %s", request.method, request.path, each.where or "the request", each.message)
        call = judged.call or Call(request, self.operation, path, _NO_QUERY)
        preference, _ = read_preference(request.headers)
        try:
            draft = self._answers.unplayed(call) if preference is NONE else self._answers.preferred(call, preference)
        except (Unmet, RejectedError):
            try:
                draft = self._answers.unplayed(call)
            except RejectedError as rejected:
                draft = rejected.draft
        except ContractError as error:
            return not_served(error, self.operation)
        found = (replace(each, level="warning") for each in judged.findings)
        return structs.replace(draft, findings=(*draft.findings, *found))

    def _decoded(self, request: Request, path: Mapping[str, str]) -> Call | None:
        """Return the call of a plainly valid request; None if the request needs full validation."""
        if request.query or not self._is_plain:
            return None
        if not self._has_body:
            return Call(request=request, operation=self.operation, path=path, query=_NO_QUERY)
        raw = request.body
        if request.headers.get(b"content-type") != b"application/json" or b"\\" in raw or len(raw) > LARGE:
            return None
        try:
            text = raw.decode()
            body, end = scan(text, 0)
            is_right = end == len(text) and self._allows(body)
        except (StopIteration, ValueError, RecursionError):
            return None
        if not is_right:
            return None
        return Call(request=request, operation=self.operation, path=path, query=_NO_QUERY, body=body)

    def _compile(self, body: Json) -> bool:
        """Compile the body's schema with the first body, and return whether it is valid."""
        self._allows = self.validator.schema.compiled()
        return self._allows(body)

    def _answer(self, call: Call, preference: Preference, taken: Taken | None) -> Draft:
        """Answer a call by its preference, else by a stub, else by playing it, else by the contract."""
        try:
            if taken is not None and not taken.step.is_usual:
                return self._stubs.draft(taken, call, self._answers)
            if preference is not NONE:
                return self._answers.preferred(call, preference)
            played = None if self._play is None else self._play(call)
            draft = self._answers.unplayed(call) if played is None else played
            return draft if taken is None else structs.replace(draft, headers=(*draft.headers, *taken.step.headers))
        except RejectedError as rejected:
            return rejected.draft
        except Unmet as unmet:
            text = str(unmet)
            return undeclared_preference(text, call.operation) if taken is None else misconfigured(text, taken)
        except ContractError as error:
            return not_served(error, call.operation)
