"""Exchanges as the journal records them, and the calls that retries belong to."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mockserver.clock import timestamp_of
from mockserver.contract.router import Match
from mockserver.matching import Parts, parts_of
from mockserver.messages import (
    Finding,
    Headers,
    Json,
    RawHeaders,
    Request,
    Response,
    Value,
)
from mockserver.redact import DEFAULT, Redactor

_TOLD = ("where", "rule", "message", "fault", "expected", "received", "contract")
"""The fields of a finding in a journal."""

SERVICE = "service"
"""The source of answers that came of the real service, which hold secrets of its own."""

STATEFUL = frozenset(("session", "locked", "state"))
"""Rules whose findings do not break the contract: the request is valid, but what it asks for does not exist."""


class Exchange(NamedTuple):
    """One request and its answer, with secrets redacted and long bodies cut.

    `size` and `answer_size` are the original sizes of the bodies. The answer's body is the one before damage to its
    delivery; a stream is written out.
    """

    number: int
    """Its place in the journal of its scope, from 1 on."""
    at: str
    """When the request came, as a timestamp."""
    scope: str
    method: str
    path: str
    query: str
    headers: RawHeaders
    body: bytes
    size: int
    operation: str
    """The operationId, or "" without an operation."""
    contract: str
    """The contract that answered, with the place in it."""
    values: Mapping[str, Json]
    """The values of the path, by name."""
    status: int
    answer_headers: RawHeaders
    answer: bytes
    answer_size: int
    source: str
    """The source of the answer: simulated, canned, documented, assembled, generated, stubbed, mock."""
    findings: tuple[Finding, ...] = ()
    stub: int = 0
    """The number of the stub that answered; 0 for none."""
    faults: tuple[Json, ...] = ()
    """The deliberate damage to the answer."""
    attempt: int = 0
    """Which attempt of its call it is, from 0 on, as the client counts."""
    times: tuple[int, ...] = ()
    """When the parts of a stream were due, in milliseconds after the head of the answer."""

    @property
    def request(self) -> Request:
        """The request."""
        return Request(self.method, self.path, self.query, Headers(self.headers), self.body, self.scope)

    @property
    def parts(self) -> Parts:
        """The request, split into parts."""
        return parts_of(self.values, self.query, self.headers, self.body)

    @property
    def violations(self) -> tuple[Finding, ...]:
        """What the contract forbids in the request."""
        return tuple(each for each in self.findings if each.fault == "client" and each.rule not in STATEFUL)

    def __str__(self) -> str:
        """Describe it in a line."""
        target = self.path + ("?" + self.query if self.query else "")
        text = f"#{self.number} {self.method} {target} -> {self.status}"
        if self.operation:
            text += f" ({self.operation}, {self.contract.partition('#')[0]}, {self.source})"
        if self.attempt:
            text += f", attempt {self.attempt + 1}"
        if self.stub:
            text += f", stub {self.stub}"
        if self.faults:
            text += f", with {', '.join(str(each) for each in self.faults)}"
        return text


class Entry(Value, frozen=True):
    """A journal entry in memory: request and answer as they were, processed only when somebody reads them."""

    at: int
    """When the request came, in nanoseconds since 1970."""
    request: Request
    match: Match
    contract: str
    """The contract of answers that belong to no operation."""
    response: Response
    """The answer before damage to its delivery; a stream is written out."""
    stub: int = 0
    faults: tuple[Json, ...] = ()
    sizes: tuple[int, int] | None = None
    """The sizes of the bodies before they were cut; None if they were not."""
    times: tuple[int, ...] = ()
    """When the parts of a stream were due, in milliseconds."""

    def exchange(self, number: int, reading: "Reading") -> Exchange:
        """Convert it to an exchange, without its secrets."""
        request, response, operation = self.request, self.response, self.match.operation
        answer, findings, fields = response.body, response.findings, response.headers
        size, answer_size = self.sizes or (len(request.body), len(answer))
        redactor = reading.redactor
        is_foreign = response.source == SERVICE
        if self.stub or is_foreign:  # the mock itself sets no secrets
            fields = redactor.headers(fields)
        return Exchange(
            number=number,
            at=timestamp_of(self.at),
            scope=request.scope,
            method=request.method,
            path=request.path,
            query=redactor.query(request.query),
            headers=tuple(redactor.headers(request.headers.raw)),
            body=redactor.body(request.body, request.headers.get(b"content-type", b"")),
            size=size,
            operation="" if operation is None else operation.id,
            contract=self.contract if operation is None else operation.contract,
            values=self.match.path,
            status=response.status,
            answer_headers=fields,
            answer=redactor.answer(request, answer, quotes=is_foreign or bool(findings)),
            answer_size=answer_size,
            source=response.source,
            findings=redactor.findings(findings, request),
            stub=self.stub,
            faults=self.faults,
            attempt=attempt_of(request.headers, reading.retry_count),
            times=self.times,
        )


class Reading(NamedTuple):
    """How journal entries are read."""

    retry_count: bytes = b""
    """The header field that counts the retries of a call."""
    redactor: Redactor = DEFAULT


PLAIN_READING = Reading()


def attempt_of(headers: Headers, retry_count: bytes) -> int:
    """Return which attempt of its call a request is, from 0 on, by its client's count."""
    text = headers.get(retry_count, b"0")
    return int(text) if text.isdigit() and len(text) < 4 else 0


def encode(entry: Entry, reading: Reading) -> bytes:
    """Serialize a journal entry for a store that processes share."""
    return json.dumps(as_json(entry.exchange(0, reading)), separators=(",", ":")).encode()


def decode(number: int, entry: Any, reading: Reading) -> Exchange:
    """Deserialize a journal entry."""
    if isinstance(entry, Entry):
        return entry.exchange(number, reading)
    return from_json(json.loads(entry))._replace(number=number)


Call = list[Exchange]
"""The attempts of one call, in order."""


def calls_of(exchanges: Sequence[Exchange]) -> list[Call]:
    """Group attempts into calls: the same request again, with a higher count of the client's.

    If several calls could continue, as with a client that sends the same request from several threads, the latest does.
    """
    made: list[Call] = []
    waiting: dict[tuple[object, ...], list[Call]] = {}
    for each in exchanges:
        same = (each.method, each.path, each.query, each.body, each.size)
        before = waiting.get((*same, each.attempt))
        if each.attempt and before:
            call = before.pop()
        else:
            call = []
            made.append(call)
        call.append(each)
        waiting.setdefault((*same, each.attempt + 1), []).append(call)
    return made


def as_json(exchange: Exchange) -> Json:
    """Write an exchange as JSON: bodies as text, or as base64 if they are not text."""
    return {
        "number": exchange.number,
        "at": exchange.at,
        "scope": exchange.scope,
        "operation": exchange.operation or None,
        "contract": exchange.contract,
        "source": exchange.source,
        "attempt": exchange.attempt,
        "request": {
            "method": exchange.method,
            "path": exchange.path,
            "query": exchange.query,
            "values": dict(exchange.values),
            "headers": _fields_json(exchange.headers),
            **_body_json(exchange.body, exchange.size),
        },
        "answer": {
            "status": exchange.status,
            "headers": _fields_json(exchange.answer_headers),
            **_body_json(exchange.answer, exchange.answer_size),
            **({"times": list(exchange.times)} if exchange.times else {}),
        },
        "findings": [finding_json(each) for each in exchange.findings],
        "stub": exchange.stub or None,
        "faults": list(exchange.faults),
    }


def finding_json(finding: Finding) -> Json:
    """Write a finding as JSON."""
    return {name: getattr(finding, name) for name in _TOLD}


def from_json(value: Json) -> Exchange:
    """Read an exchange from JSON."""
    request, answer = value["request"], value["answer"]
    return Exchange(
        number=value["number"],
        at=value["at"],
        scope=value["scope"],
        method=request["method"],
        path=request["path"],
        query=request["query"],
        headers=_read_fields(request["headers"]),
        body=_read_body(request),
        size=request["size"],
        operation=value["operation"] or "",
        contract=value["contract"],
        values=request["values"],
        status=answer["status"],
        answer_headers=_read_fields(answer["headers"]),
        answer=_read_body(answer),
        answer_size=answer["size"],
        source=value["source"],
        findings=tuple(Finding(**{k: v for k, v in each.items() if k in _TOLD}) for each in value["findings"]),
        stub=value.get("stub") or 0,
        faults=tuple(value["faults"]),
        attempt=value.get("attempt", 0),
        times=tuple(answer.get("times", ())),
    )


def _fields_json(headers: RawHeaders) -> Json:
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in headers]


def _read_fields(headers: Json) -> RawHeaders:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


def _body_json(body: bytes, size: int) -> Json:
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode("ascii"), "size": size}
    return {"body": text, "size": size}


def _read_body(message: Json) -> bytes:
    return base64.b64decode(message["base64"]) if "base64" in message else str(message["body"]).encode()
