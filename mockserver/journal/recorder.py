"""Remembers each exchange: in the journal of its scope, and in a file if there is one."""

import json
import os
import threading
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from mockserver.clock import Clock
from mockserver.errors import JournalError
from mockserver.journal.exchange import Exchange, as_json, veiled
from mockserver.messages import Json, Request, Response, known, redacted
from mockserver.store.base import Shelf

_new = tuple.__new__
"""Makes a named tuple in half the time of its own constructor; every request makes one."""


class Recorder:
    """Makes exchanges of requests and answers, and keeps them; without a shelf, in the file alone."""

    def __init__(self, shelf: Shelf | None, clock: Clock, longest: int, file: Path | None) -> None:
        self._shelf, self._clock, self._longest = shelf, clock, longest
        self._numbers = count(1)
        self._file = None if file is None else JournalFile(file)

    def record(
        self,
        request: Request,
        operation: str,
        contract: str,
        values: Mapping[str, str],
        response: Response,
        planned: int,
        faults: Sequence[Json],
    ) -> None:
        """Remember one exchange; StoreError where the journal is in a store that fails."""
        method, path, query, headers, body, scope, _ = request
        status, fields, answer, stream, _, findings, source = response
        size, longest = len(body), self._longest
        if stream is not None:
            answer = b"".join([chunk.data for chunk in stream.chunks])
        if planned:  # the mock itself sets no secret
            fields = redacted(fields)
        answer_size = len(answer)
        if findings:  # a refusal may quote what was sent
            answer, findings = veiled(headers.raw, answer, findings)
        if size > longest or answer_size > longest:
            body, answer = _cut(body, longest), _cut(answer, longest)
        came = (0, self._clock(), scope, method, path, query, known(headers).redacted, body, size, operation, contract)
        told = (values, status, fields, answer, answer_size, source, findings, planned, faults)
        exchange: Exchange = _new(Exchange, came + told)
        number = self._shelf.record(exchange) if self._shelf is not None else next(self._numbers)
        if self._file is not None:
            self._file.write(exchange._replace(number=number))


def _cut(body: bytes, longest: int) -> bytes:
    """Give the beginning of a body, without a part of a character where it is a text."""
    if len(body) <= longest:
        return body
    whole = next((at for at in range(longest, max(longest - 4, -1), -1) if body[at] & 0xC0 != 0x80), longest)
    return body[:whole]


class JournalFile:
    """A file to which each exchange is appended as a line of JSON, at once."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise JournalError(
                "the journal's file cannot be written", where=str(path), why=str(error), mend="name another file"
            ) from error
        self._lock, self._torn = threading.Lock(), False
        weakref.finalize(self, os.close, self._file)  # with the mock, which nobody closes

    def write(self, exchange: Exchange) -> None:
        """Append one exchange; a disk that is full loses the line, and nothing else."""
        line = json.dumps(as_json(exchange), ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        with self._lock, suppress(OSError):
            line = b"\n" + line if self._torn else line
            while line:
                written = os.write(self._file, line)
                self._torn = not line[:written].endswith(b"\n")
                line = line[written:]
