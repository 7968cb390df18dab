"""Writes what was found as stubs and fixtures, held to the contract."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from mockserver.answer.body import representation
from mockserver.answer.fixtures import canned_media, content_of
from mockserver.answer.written import file_of
from mockserver.contract.openapi import Operation, Reply, is_json
from mockserver.engine import Mock
from mockserver.errors import MockserverError, StartError, UsageError, reason
from mockserver.importing.found import ForeignAnswer, ForeignStub, LeftOut, LeftOutError
from mockserver.matching import ANY
from mockserver.messages import Headers, Json, RawHeaders
from mockserver.proxy.recording import LEFT_OUT, NO_VALUE, fixture_value, is_folder
from mockserver.store.base import StoredStub
from mockserver.stub.rules import read_spec

STUBS, FIXTURES = "stubs.json", "fixtures"
"""What is written into the folder."""

_NOT_KEPT = LEFT_OUT | {b"content-type", b"server", b"keep-alive", b"alt-svc", b"strict-transport-security", b"via"}
"""Fields of an answer that a stub does not set: they belong to its body, to its connection, or to one server."""
_NOT_KEPT_BELOW = (b"access-control-", b"x-mock-")


class Imported(NamedTuple):
    """What was taken and what was not."""

    stubs: list[Json]
    files: dict[str, bytes]
    """The fixtures, by their name below the folder of fixtures."""
    taken: list[ForeignStub]
    left: list[LeftOut]


class Importer:
    """Makes stubs and fixtures of what was found; nothing is written before `write`."""

    def __init__(self, mock: Mock, *, allow_invalid: bool = False) -> None:
        self._mock, self._allow_invalid = mock, allow_invalid
        self._files: dict[str, bytes] = {}
        self._names: dict[tuple[str, int, bytes], str] = {}
        """The names of fixtures, by operation, status and content."""
        self._counts = Counter[tuple[str, int]]()

    def take(self, found: Iterable[ForeignStub | LeftOut]) -> Imported:
        """Take what can be taken."""
        stubs, taken, left = [], list[ForeignStub](), list[LeftOut]()
        for each in found:
            if isinstance(each, LeftOut):
                left.append(each)
                continue
            try:
                stubs.append(self._stub(each))
                taken.append(each)
            except LeftOutError as error:
                left.append(LeftOut(each.where, str(error)))
        return Imported(stubs, self._files, taken, left)

    def _stub(self, found: ForeignStub) -> Json:
        operation = ANY if found.operation is None else found.operation.id
        kept: list[Any] = []
        for response, same in groupby(self._response(found.operation, each) for each in found.answers):
            kept.append({**response, "times": len(list(same))})
        kept[-1]["times"] = "always"
        head: dict[str, Json] = {"operation": operation} | ({"when": dict(found.when)} if found.when else {})
        bare = [{key: value for key, value in each.items() if key != "example"} for each in kept]
        try:  # the examples are files that are not there yet
            self._mock.served.stubs.compile(StoredStub(-1, 1, read_spec({**head, "answers": bare})))
        except MockserverError as error:
            raise LeftOutError("; ".join(filter(None, (error.what, error.why, error.fix)))) from error
        return {**head, **kept[0]} if len(kept) == 1 else {**head, "answers": kept}

    def _response(self, operation: Operation | None, answer: ForeignAnswer) -> dict[str, Json]:
        """Return one answer as that of a stub."""
        made: dict[str, Json] = {} if answer.status is None else {"status": answer.status}
        if headers := _kept(answer.headers):
            made["headers"] = headers
        made |= answer.more
        if operation is None or answer.status is None:
            return made
        try:
            return made | self._content(operation, answer.status, answer)
        except LeftOutError:
            if not self._allow_invalid:
                raise
            return made | _invalid(answer.body)
        except MockserverError as error:
            raise LeftOutError(": ".join(filter(None, (error.what, error.why)))) from error

    def _content(self, operation: Operation, status: int, answer: ForeignAnswer) -> dict[str, Json]:
        """Return the keys that give the body of an answer: the name of its fixture."""
        reply = operation.reply(status)
        if reply is None:
            raise LeftOutError(f"{operation.id} declares no answer {status}, but {', '.join(operation.replies)}")
        if not answer.body:
            if reply.media:
                raise LeftOutError(f"its answer has no body, and the contract declares one for {status}")
            return {}
        value = fixture_value(reply, answer.headers, answer.body)
        if value is NO_VALUE:
            raise LeftOutError(_why_none(reply, answer.headers))
        fixtures = self._mock.served.answers.fixtures
        if not fixtures.serves(operation, status, value):
            error = fixtures.unserved("the answer", [operation], status, value)
            raise LeftOutError(f"its answer {status} breaks the contract, without its secrets: {error.why}")
        if is_folder(operation.id):
            return {"example": self._fixture(operation, status, value)}
        media = canned_media(reply)
        if media is None or not is_json(media.type):
            raise LeftOutError(f"no fixture can be named after {operation.id!r}: give it an operationId")
        return {"body": value}

    def _fixture(self, operation: Operation, status: int, value: Json) -> str:
        """Return the name of the fixture that holds a value."""
        content = file_of(content_of(value))
        key = operation.id, status, content
        if key not in self._names:
            self._counts[key[:2]] += 1
            self._names[key] = f"imported-{self._counts[key[:2]]}"
            self._files[f"{operation.id}/{status}.{self._names[key]}.json"] = content
        return self._names[key]


def _kept(headers: RawHeaders) -> dict[str, Json]:
    """Return the header fields of an answer that a stub sets; those of one name are joined."""
    found: dict[str, Json] = {}
    for name, value in headers:
        if name not in _NOT_KEPT and not name.startswith(_NOT_KEPT_BELOW):
            key, text = name.decode("latin-1"), value.decode("latin-1")
            found[key] = f"{found[key]}, {text}" if key in found and name != b"set-cookie" else text
    return found


def _invalid(body: bytes) -> dict[str, Json]:
    """Return a body that the contract forbids as a stub gives it on purpose."""
    if not body:
        return {"invalid": True}
    try:
        return {"invalid": True, "body": json.loads(body)}
    except (ValueError, RecursionError) as error:
        raise LeftOutError("its body is no JSON, and breaks the contract") from error


def _why_none(reply: Reply, headers: RawHeaders) -> str:
    """Return why an answer cannot be a fixture."""
    sent = Headers(headers).text(b"content-type") or "no content type"
    declared = ", ".join(media.type for media in reply.media) or "no body"
    media = representation(reply, sent)
    if media is None:
        return f"its answer is {sent}, and the contract declares {declared}"
    if media is not canned_media(reply):
        return f"its answer is {sent}, and fixtures are kept as {getattr(canned_media(reply), 'type', 'nothing')} here"
    return f"its body cannot be read as {sent}"


def write(imported: Imported, folder: Path) -> None:
    """Write stubs and fixtures into a folder that has none."""
    for name in (STUBS, FIXTURES):
        if (folder / name).exists():
            fix = "name another folder with --into, or remove it"
            raise UsageError("there is something already", where=str(folder / name), fix=fix)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in imported.files.items():
            path = folder / FIXTURES / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (folder / STUBS).write_bytes(file_of(imported.stubs))
    except OSError as error:
        fix = "name another folder with --into"
        raise StartError(
            "what was imported cannot be written", where=str(folder), why=reason(error), fix=fix
        ) from error


def lines_of(imported: Imported) -> Sequence[str]:
    """Describe what was taken otherwise than it was, and what was not taken, each in a line."""
    taken = [f"{each.where}: taken, but {'; '.join(each.notes)}" for each in imported.taken if each.notes]
    return [*taken, *(f"{each.where}: not taken: {each.why}" for each in imported.left)]
