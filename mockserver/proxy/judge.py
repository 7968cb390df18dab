"""Judges what passes by the contract, from decoded copies that are bounded in bytes."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mockserver.answer.errors import unmatched
from mockserver.answer.judgement import ReceivedAnswer, problems_of, wrong
from mockserver.answer.render import finding_fields
from mockserver.api import Call, Draft
from mockserver.contract.media import MediaKind, kind_of, read
from mockserver.contract.openapi import EVENT_STREAM
from mockserver.contract.router import Match
from mockserver.endpoint import Unserved
from mockserver.engine import Mock
from mockserver.errors import ContractError
from mockserver.messages import Finding, Headers, RawHeaders, Request, header_value
from mockserver.request.encoding import decompressed, encoding_of, inflated, is_read
from mockserver.stub.rules import Taken

UNJUDGED = "unjudged"
"""The rule of what is said where nothing can be judged."""

MOST_TIMES = 100_000
"""How many times of parts are kept of a body."""

_LAST_EVENT = re.compile(rb".*(?:\n\n|\r\n\r\n|\r\r)", re.DOTALL)


class Budget:
    """How many bytes all copies may take together."""

    def __init__(self, most: int) -> None:
        self.most, self.taken = most, 0


class Copy:
    """The beginning of a body that passes, up to a bound of its own and of all copies; release it in the end."""

    def __init__(self, most: int, budget: Budget) -> None:
        self._most, self._budget = most, budget
        self._kept, self.size = bytearray(), 0
        self.why = ""
        """Why it is not whole; "" if it is."""
        self.times: list[tuple[float, int]] = []
        """When parts came, in seconds, and how long it was then; no more than MOST_TIMES."""

    def add(self, part: bytes, at: float = 0.0) -> None:
        """Take a part that passes, and when it came."""
        self.size += len(part)
        if self.why:
            return
        if self.size > self._most:
            self.why = f"the body is longer than {self._most} bytes (--max-body)"
        elif self._budget.taken + len(part) > self._budget.most:
            self.why = f"the bodies in flight take more than {self._budget.most} bytes (--max-in-flight)"
        else:
            self._kept += part
            self._budget.taken += len(part)
            if len(self.times) < MOST_TIMES:
                self.times.append((at, self.size))

    @property
    def body(self) -> bytes:
        """What was kept."""
        return bytes(self._kept)

    def release(self) -> None:
        """Give its bytes back."""
        self._budget.taken -= len(self._kept)
        self._kept, self.times = bytearray(), []


class RequestJudgement(NamedTuple):
    """What a request is by the contract."""

    request: Request
    """The request with its body decoded, as far as it was kept."""
    call: Call | None = None
    findings: tuple[Finding, ...] = ()
    is_read: bool = True
    """Whether all of the body was kept and decoded."""

    @property
    def is_valid(self) -> bool:
        """Whether nothing is wrong with it."""
        return not any(each.level == "error" for each in self.findings)


def unjudged(where: str, why: str) -> Finding:
    """Say that something was not judged, and why."""
    return Finding(where, UNJUDGED, f"not judged: {why}", "mock", level="note")


def judge_request(mock: Mock, request: Request, match: Match, why: str = "") -> RequestJudgement:
    """Judge a request whose body has come whole; `why` says why it was not kept whole, if it was not."""
    decoded, found = _decoded_request(mock, request, why)
    if match.operation is None:
        unknown = unmatched(mock.served.router, request, match).findings
        return RequestJudgement(decoded or request, None, unknown, is_read=decoded is not None)
    if decoded is None:
        return RequestJudgement(request, None, found, is_read=False)
    endpoint = mock.served.endpoints[match.operation]
    if isinstance(endpoint, Unserved):
        return RequestJudgement(decoded, findings=(unjudged("", "the contract of the operation cannot be read"),))
    call, findings = endpoint.judge(decoded, match.path)
    return RequestJudgement(decoded, call, findings)


def _decoded_request(mock: Mock, request: Request, why: str) -> tuple[Request | None, tuple[Finding, ...]]:
    """Return a request with its body decoded; None, and why, where that cannot be."""
    if why:
        return None, (unjudged("/body", why),)
    encoding = encoding_of(request.headers)
    if encoding and not is_read(encoding):
        return None, (unjudged("/body", f"the encoding {encoding!r} is not read"),)
    decoded = decompressed(request, mock.settings.max_body)
    if isinstance(decoded, Draft):
        return None, decoded.findings if decoded.status != 413 else (unjudged("/body", decoded.findings[0].message),)
    return decoded, ()


def stub_of(mock: Mock, judged: RequestJudgement, match: Match) -> tuple[Call, Taken] | None:
    """Return the stub that answers a request, with its call; None if none matches."""
    if match.operation is None or not mock.served.stubs.entries(judged.request.scope):
        return None
    call = judged.call or Call(judged.request, match.operation, match.path, {})
    taken = mock.served.stubs.take(call)
    return None if taken is None else (call, taken)


def kind_of_body(headers: RawHeaders) -> MediaKind:
    """Return how the body of a message is written."""
    return kind_of(read(Headers(headers).text(b"content-type") or ""))


class Answered(NamedTuple):
    """An answer as it passed."""

    status: int
    headers: Headers
    copy: Copy
    broken: str = ""
    """How it was broken off by the service; "" if it was not."""
    is_cut: bool = False
    """Whether it did not come whole, for whatever reason."""

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream of events."""
        return self.headers.media_type == EVENT_STREAM


class AnswerJudgement(NamedTuple):
    """What an answer is by the contract; `body` is decoded, and None where that cannot be."""

    body: bytes | None
    findings: tuple[Finding, ...]


def judge_answer(mock: Mock, asked: RequestJudgement, match: Match, answered: Answered) -> AnswerJudgement:
    """Judge an answer, or as much of it as came; of a stream that was cut, the events that came whole."""
    found = [wrong(f"the answer broke off: {answered.broken}", "/response", rule="framing")] if answered.broken else []
    body = _decoded(answered, mock.settings.max_body)
    if isinstance(body, Finding):
        return AnswerJudgement(None, (*found, body))
    if match.operation is None:
        if not match.allowed:
            found.append(unjudged("/response", "no operation of the contract has this path"))
    elif not answered.is_cut or answered.is_stream:
        whole = body if not answered.is_cut else _whole_events(body)
        received = ReceivedAnswer(match.operation, asked.request.method, answered.status, answered.headers, whole)
        found += _problems(received, is_valid=asked.is_valid)
    return AnswerJudgement(body, tuple(found))


def _problems(received: ReceivedAnswer, *, is_valid: bool) -> Iterator[Finding]:
    try:
        yield from problems_of(received, is_valid=is_valid)
    except ContractError as error:
        yield unjudged("/response", f"the contract of the operation cannot be read: {error.what}")


def _decoded(answered: Answered, most: int) -> bytes | Finding:
    """Return a body without its encoding, or what says why that cannot be had."""
    copy, encoding = answered.copy, encoding_of(answered.headers)
    if copy.why:
        return unjudged("/response/body", copy.why)
    if not encoding or not copy.size:
        return copy.body
    if not is_read(encoding):
        return unjudged("/response/body", f"the encoding {encoding!r} is not read")
    if answered.is_cut:
        return unjudged("/response/body", "its compressed body is not whole")
    body = inflated(copy.body, encoding, most)
    if body is None:
        return wrong(f"the body cannot be read as {encoding}", "/response/body", encoding, rule="framing")
    too_long = f"the body is longer than {most} bytes (--max-body)"
    return unjudged("/response/body", too_long) if len(body) > most else body


def _whole_events(body: bytes) -> bytes:
    """Return a stream up to the end of its last whole event."""
    found = _LAST_EVENT.match(body)
    return found[0] if found else b""


def own_fields(match: Match, findings: Sequence[Finding], source: str) -> RawHeaders:
    """Return the header fields that are added to an answer of the service, or to a recorded one."""
    name = header_value("" if match.operation is None else match.operation.contract)
    fields = [(b"x-mock-source", source.encode())]
    wrong = next((each for each in findings if each.level != "note"), None)
    if wrong is not None:
        fields += finding_fields(wrong, name.decode())
    elif name:
        fields.append((b"x-mock-contract", name))
    why = next((each.message for each in findings if each.rule == UNJUDGED), "")
    return [*fields, (b"x-mock-unjudged", header_value(why))] if why else fields
