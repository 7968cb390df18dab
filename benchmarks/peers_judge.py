"""Whether a server answers the title call rightly, and how it takes bad requests: speed without that is nothing."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.measure import MESSAGE, PATH, SESSION
from benchmarks.peers_documents import ERA
from mockserver.check.target import Answer, at_url
from mockserver.contract.openapi import Operation, bundled
from mockserver.messages import Headers, Request

PATIENCE = 2.0
"""How long an answer may take, in seconds."""

OTHER_SESSION, OTHER_MESSAGE = "ses-other-1", "Ships that pass in the night, and speak each other in passing"
ALIKE = 20
"""So many characters of the message begin a title that was made from it; whole words of upstream's rule."""


class Bad(NamedTuple):
    """A request that is to be refused."""

    name: str
    method: str
    query: str
    body: bytes
    field: str = ""
    """What a refusal is to name."""
    statuses: Sequence[int] = range(400, 500)


BAD = (
    Bad("missing field", "POST", "", b"{}", "first_message", (422,)),
    Bad("wrong type", "POST", "", b'{"first_message": 5}', "first_message", (422,)),
    Bad("bad query", "POST", "project_id=abc", json.dumps({"first_message": MESSAGE}).encode(), "project_id", (422,)),
    Bad("malformed JSON", "POST", "", b'{"first_message": "What'),
    Bad("bad UTF-8", "POST", "", b'{"first_message": "\xff\xfe"}'),
    Bad("unknown method", "PATCH", "", b"", "", (405,)),
)
"""What is asked of every server; upstream's framework refuses all of them."""

VALIDATED = ("missing field", "wrong type")
"""Who refuses these reads the request."""


@dataclass(frozen=True, slots=True)
class Refused:
    """What became of a bad request."""

    told: str
    well: bool
    """Whether it was refused in time, with the right status, in the form of the contract, and with the field named."""
    refused: bool
    """Whether it was refused at all."""


@dataclass(frozen=True, slots=True)
class Judged:
    """How one server answers."""

    echoes: bool
    """Whether the session id of an answer is the one that was asked for."""
    titled: bool
    """Whether the title was made from the message."""
    kept: bool
    """Whether the answer is one that the contract allows."""
    refusals: Mapping[str, Refused]

    @property
    def right(self) -> bool:
        """Whether an answer is right in all three ways."""
        return self.echoes and self.titled and self.kept

    @property
    def validates(self) -> bool:
        """Whether it reads what it is asked, and refuses what the contract forbids."""
        return all(self.refusals[name].refused for name in VALIDATED)


def judged(ask: Callable[[Request], Answer]) -> Judged:
    """Ask a server two right requests and all bad ones."""
    operation = title_operation()
    asked = [(SESSION, MESSAGE), (OTHER_SESSION, OTHER_MESSAGE)]
    answers = [ask(title_request(session, message)) for session, message in asked]
    told = [_told(each) for each in answers]
    return Judged(
        echoes=all(each.get("session_id") == session for each, (session, _) in zip(told, asked, strict=True)),
        titled=all(_is_from(each.get("generated_title"), said) for each, (_, said) in zip(told, asked, strict=True)),
        kept=all(allowed(operation, each) for each in answers),
        refusals={bad.name: refused(bad, ask(bad_request(bad))) for bad in BAD},
    )


def asking(port: int) -> Callable[[Request], Answer]:
    """Give a function that asks a server on a connection of its own, which no request before can have closed."""

    def ask(request: Request) -> Answer:
        with at_url(f"http://127.0.0.1:{port}", PATIENCE) as target:
            return target.ask(request)

    return ask


def title_operation() -> Operation:
    """Give the title call as the contract has it."""
    return next(each for each in bundled(ERA).operations if each.id == "set_title")


def title_request(session: str, message: str) -> Request:
    """Give a right request."""
    return _request("POST", PATH.replace(SESSION, session), "", json.dumps({"first_message": message}).encode())


def bad_request(bad: Bad) -> Request:
    """Give a bad request as it is sent."""
    return _request(bad.method, PATH, bad.query, bad.body)


def _request(method: str, path: str, query: str, body: bytes) -> Request:
    fields = [(b"content-type", b"application/json"), (b"authorization", b"Bearer any-key")]
    return Request(method, path, query, Headers(fields), body)


def _told(answer: Answer) -> Mapping[str, object]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        return {}
    return found if answer.status == 200 and isinstance(found, dict) else {}


def _is_from(title: object, message: str) -> bool:
    return isinstance(title, str) and title.startswith(message[:ALIKE])


def allowed(operation: Operation, answer: Answer) -> bool:
    """Say whether the contract allows an answer: its status, its media type, its body."""
    reply = operation.reply(answer.status) if not answer.failure else None
    media = next((each for each in reply.media if each.type == answer.media_type), None) if reply else None
    if media is None or media.schema is None:
        return False
    try:
        return media.schema.is_valid(json.loads(answer.body))
    except ValueError:
        return False


def refused(bad: Bad, answer: Answer) -> Refused:
    """Say what became of a bad request."""
    if answer.failure or not answer.status:
        late = answer.failure == "timeout"
        return Refused(f"no answer in {PATIENCE:g} s" if late else "no answer: connection closed", False, False)
    if answer.status < 400:
        return Refused(f"{answer.status}, taken", False, False)
    lacks = list(_lacks(bad, answer))
    well = answer.status in bad.statuses and not lacks
    return Refused(", ".join([str(answer.status), *lacks]), well, answer.status < 500)


def _lacks(bad: Bad, answer: Answer) -> Iterator[str]:
    """Say what is missing in a refusal: its field, the form of the contract, the methods that are taken."""
    if bad.field and not names(answer, bad.field):
        yield f"{bad.field} not named"
    if bad.field and not allowed(title_operation(), answer):
        yield "not in the form of the contract"
    if bad.method != "POST" and "POST" not in (answer.headers.text(b"allow") or ""):
        yield "no Allow"


def names(answer: Answer, field: str) -> bool:
    """Say whether an answer names a field, in its body or in its header."""
    found = answer.body + b"".join(value for _, value in answer.headers.raw)
    return field.encode() in found
