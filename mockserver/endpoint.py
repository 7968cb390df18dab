"""One operation, compiled at start: who may call it, how its requests are decoded, what answers them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from mockserver.answer.choose import Answers, Unmet
from mockserver.answer.errors import not_generated, unauthorized, unmet_preference
from mockserver.answer.prefer import NONE, Preference, read_preference
from mockserver.api import Call, Draft, Play, RejectedError
from mockserver.contract.openapi import Operation
from mockserver.errors import ContractError
from mockserver.messages import Headers, Json, Request, known, same_key
from mockserver.request.validate import Rejection, RequestValidator, scan
from mockserver.stub.rules import StubRules, Taken, misconfigured

_NO_QUERY: Mapping[str, Json] = {}

_UNREAD = object()
"""Stands for a body that is not plain JSON, or not right, and is looked at more closely."""


class Keys(NamedTuple):
    """Which keys are right: any, or one; none is asked for without `required`."""

    required: bool
    right: bytes | None = None


class Endpoint:
    """Answers the calls of one operation."""

    def __init__(
        self, operation: Operation, validator: RequestValidator, answers: Answers, stubs: StubRules, keys: Keys
    ) -> None:
        self.operation, self.validator = operation, validator
        self._answers, self._stubs, self._keys = answers, stubs, keys
        self._secured = operation.secured and keys.required
        self._play: Play | None = answers.player(operation)
        self._stubbed = stubs.store.stubbed
        self._is_plain = validator.plain
        self._has_body = operation.body is not None
        self._allows: Callable[[Json], bool] = self._compile

    def answer(self, request: Request, path: Mapping[str, str], at: str) -> tuple[Draft, Taken | None]:
        """Answer a request: key, request, preference, stub, play. Gives the stub that was taken, if one was.

        `at` is when it came. A StoreError where the store fails.
        """
        if self._secured and (keyless := self._keyless(request.headers)) is not None:
            return keyless, None
        call: Call | Rejection | None = None
        if self._is_plain and not request.query:
            body = self._body(request) if self._has_body else None
            if body is not _UNREAD:
                call = Call(request, self.operation, path, _NO_QUERY, body, at)
        if call is None:
            call = self.validator.validate(request, path, at)
        if isinstance(call, Rejection):
            return Draft(call.status, call.value, findings=call.findings), None
        preference = NONE
        if b"prefer" in request.headers:
            preference, wrong = read_preference(request.headers)
            if wrong:
                return unmet_preference(wrong[0].message, self.operation), None
        taken = None
        if preference is NONE and (self._stubs.base or request.scope in self._stubbed):
            taken = self._stubs.take(call)
        draft = self._answer(call, preference, taken)
        if call.findings:
            draft = draft._replace(findings=(*draft.findings, *call.findings))
        return draft, taken

    def _keyless(self, headers: Headers) -> Draft | None:
        """Refuse a missing or wrong key."""
        key = (headers.known or known(headers)).key
        if not key:
            return unauthorized("Not authenticated", self.operation)
        if self._keys.right is not None and not same_key(key, self._keys.right):
            return unauthorized("Invalid authentication token", self.operation)
        return None

    def _compile(self, body: Json) -> bool:
        """Compile the schema of the body when the first one comes, and say whether it allows that one."""
        declared = self.operation.body
        self._allows = (lambda _: False) if declared is None else declared.schema.compiled()
        return self._allows(body)

    def _body(self, request: Request) -> Json:
        """Decode a body that is plain JSON and allowed."""
        raw = request.body
        if request.headers.get(b"content-type") != b"application/json" or b"\\" in raw:
            return _UNREAD
        try:
            text = raw.decode()
            body, end = scan(text, 0)
            return body if end == len(text) and self._allows(body) else _UNREAD
        except (StopIteration, ValueError, RecursionError):
            return _UNREAD

    def _answer(self, call: Call, preference: Preference, taken: Taken | None) -> Draft:
        """Answer a call as it prefers, or as a stub says, or as it is played, or as the contract says."""
        try:
            if taken is not None:
                return self._stubs.draft(taken, call, self._answers)
            if preference is not NONE:
                return self._answers.preferred(call, preference)
            played = None if self._play is None else self._play(call)
            return self._answers.unplayed(call) if played is None else played
        except RejectedError as rejected:
            return rejected.draft
        except Unmet as unmet:
            return unmet_preference(str(unmet), call.operation) if taken is None else misconfigured(str(unmet), taken)
        except ContractError as error:
            return not_generated(error, call.operation)
