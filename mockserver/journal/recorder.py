"""Records each exchange in the journal of its scope, and in a file if one is set."""

import json
import os
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TypeAlias

from msgspec import structs

from mockserver.errors import JournalError
from mockserver.journal.exchange import PLAIN_READING, Entry, Exchange, Reading, as_json, decode, encode
from mockserver.messages import Response, Stream
from mockserver.store.base import Store

Keep: TypeAlias = Callable[[str, Entry], int]
"""Records an exchange of a scope and returns its number; StoreError if the store fails."""


class Recorder:
    """Records exchanges in a store and in a file; either may be missing."""

    def __init__(self, store: Store | None, file: Path | None, reading: Reading = PLAIN_READING) -> None:
        self._store, self._reading = store, reading
        self._numbers = count(1)
        self._file = None if file is None else JournalFile(file)

    def keeping(self) -> Keep | None:
        """Return the function that records an exchange: the store's own if that is enough; None for no journal."""
        if self._file is not None or (self._store is not None and self._store.shared_log):
            return self._keep
        return None if self._store is None else self._store.append

    def _keep(self, scope: str, entry: Entry) -> int:
        store = self._store
        if store is None:
            number = next(self._numbers)
        else:
            number = store.append(scope, encode(entry, self._reading) if store.shared_log else entry)
        if self._file is not None:
            self._file.write(decode(number, entry, self._reading))
        return number

    def exchanges(self, scope: str, after: int = 0) -> list[Exchange]:
        """Return the exchanges of a scope whose number is above `after`, the oldest first."""
        entries = () if self._store is None else self._store.entries(scope)
        return [decode(number, entry, self._reading) for number, entry in entries if number > after]

    def shortened(self, entry: Entry, longest: int) -> Entry:
        """Return an entry with its stream written out and its bodies cut to `longest` bytes."""
        request, response = entry.request, entry.response
        if response.stream is not None:
            response = _written_out(response, response.stream)
        sizes = len(request.body), len(response.body)
        if response.findings:  # an error body may quote secrets: search all of it before it is cut
            body = self._reading.redactor.answer(request, response.body, quotes=True)
            response = structs.replace(response, body=body)
        request = structs.replace(request, body=cut(request.body, longest))
        response = structs.replace(response, body=cut(response.body, longest))
        return structs.replace(entry, request=request, response=response, sizes=sizes)


def _written_out(response: Response, stream: Stream) -> Response:
    """Return the text of a stream; its last event may be written only at its end."""
    parts = [chunk.data for chunk in stream.chunks]
    if parts and not parts[-1]:
        parts.append(stream.last)
    return structs.replace(response, body=b"".join(parts), stream=None)


def cut(body: bytes, longest: int) -> bytes:
    """Return the beginning of a body; a text is not cut inside a character."""
    if len(body) <= longest:
        return body
    whole = next((at for at in range(longest, max(longest - 4, -1), -1) if body[at] & 0xC0 != 0x80), longest)
    return body[:whole]


class JournalFile:
    """A file to which each exchange is appended at once, as a line of JSON."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise JournalError(
                "the journal's file cannot be written", where=str(path), why=str(error), fix="name another file"
            ) from error
        self._lock, self._torn = threading.Lock(), False
        weakref.finalize(self, os.close, self._file)  # closed with the mock, which nobody closes explicitly

    def write(self, exchange: Exchange) -> None:
        """Append one exchange. If the disk is full, only this line is lost."""
        line = json.dumps(as_json(exchange), ensure_ascii=True, separators=(",", ":")).encode() + b"\n"
        with self._lock, suppress(OSError):
            line = b"\n" + line if self._torn else line
            while line:
                written = os.write(self._file, line)
                self._torn = not line[:written].endswith(b"\n")
                line = line[written:]
