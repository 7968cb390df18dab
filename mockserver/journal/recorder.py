"""Remembers each exchange: in the journal of its scope, and in a file if there is one."""

import json
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TypeAlias

from mockserver.errors import JournalError
from mockserver.journal.exchange import Entry, Exchange, as_json, decode, encode, veiled
from mockserver.messages import Response, Stream
from mockserver.store.base import Store

Keep: TypeAlias = Callable[[str, Entry], int]
"""Remembers an exchange of a scope, and gives its number; StoreError where the journal is in a store that fails."""


class Recorder:
    """Keeps exchanges in a store, and writes them to a file; either may be missing."""

    def __init__(self, store: Store | None, file: Path | None, retry_count: bytes = b"") -> None:
        self._store, self._retry_count = store, retry_count
        self._numbers = count(1)
        self._file = None if file is None else JournalFile(file)

    def keeping(self) -> Keep | None:
        """Give what remembers an exchange: the store itself where nothing else is to be done; None for no journal."""
        if self._file is not None or (self._store is not None and self._store.shared_log):
            return self._keep
        return None if self._store is None else self._store.append

    def _keep(self, scope: str, entry: Entry) -> int:
        store = self._store
        if store is None:
            number = next(self._numbers)
        else:
            number = store.append(scope, encode(entry, self._retry_count) if store.shared_log else entry)
        if self._file is not None:
            self._file.write(decode(number, entry, self._retry_count))
        return number

    def exchanges(self, scope: str) -> list[Exchange]:
        """Give the journal of a scope, the oldest first."""
        entries = () if self._store is None else self._store.entries(scope)
        return [decode(number, entry, self._retry_count) for number, entry in entries]

    def shortened(self, entry: Entry, longest: int) -> Entry:
        """Give an entry with its stream written out, and with bodies of at most `longest` bytes."""
        request, response = entry.request, entry.response
        if response.stream is not None:
            response = _written_out(response, response.stream)
        sizes = len(request.body), len(response.body)
        findings = response.findings
        if findings:  # a refusal may quote secrets, which are sought in the whole of it
            body, findings = veiled(request.headers.raw, response.body, findings)
            response = response._replace(body=body, findings=findings)
        request = request._replace(body=cut(request.body, longest))
        response = response._replace(body=cut(response.body, longest))
        return entry._replace(request=request, response=response, sizes=sizes)


def _written_out(response: Response, stream: Stream) -> Response:
    """Give a stream as the text that it is to be; its last event may be one that is written only at its end."""
    parts = [chunk.data for chunk in stream.chunks]
    if parts and not parts[-1]:
        parts.append(stream.last)
    return response._replace(body=b"".join(parts), stream=None)


def cut(body: bytes, longest: int) -> bytes:
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
                "the journal's file cannot be written", where=str(path), why=str(error), fix="name another file"
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
