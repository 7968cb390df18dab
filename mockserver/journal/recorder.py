"""Records each exchange in the journal of its scope, and in a file if one is set."""

import json
import logging
import os
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TypeAlias

import orjson
from msgspec import structs

from mockserver.data import FileError, open_for_writing
from mockserver.errors import JournalError
from mockserver.journal.exchange import PLAIN_READING, Entry, Exchange, Reading, as_json, decode, encode
from mockserver.messages import Finding, Json, Response, Stream, known
from mockserver.store.base import Store, dump_json

TORN = b"\x18"
"""Ends a line that was cut short, before the line break; JSON never contains it as it is."""

log = logging.getLogger("mockserver")

Keep: TypeAlias = Callable[[str, Entry, int], int]
"""Records an exchange of a scope, of so many bytes, and returns its number; StoreError if the store fails."""

OVERHEAD = 4_096
"""The bytes of an exchange in memory beyond its texts: headers, places, the objects themselves."""

SHORT = 512
"""The bytes of a request whose quotes in findings are part of that."""

MOST_TIMES = 1_000
"""How many parts of a stream are recorded with the time at which they were due."""

NODE = 16
"""How much more a decoded value takes than its JSON, at worst."""


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

    def _keep(self, scope: str, entry: Entry, size: int = 0) -> int:
        store = self._store
        if store is None:
            number = next(self._numbers)
        else:
            number = store.append(scope, encode(entry, self._reading) if store.shared_log else entry, size)
        if self._file is not None:
            self._file.write(decode(number, entry, self._reading))
        return number

    def exchanges(self, scope: str, after: int = 0) -> list[Exchange]:
        """Return the exchanges of a scope whose number is above `after`, the oldest first."""
        entries = () if self._store is None else self._store.entries(scope)
        return [decode(number, entry, self._reading) for number, entry in entries if number > after]

    def newest(self, scope: str, after: int, most: int) -> tuple[int, list[Exchange]]:
        """Return the last number of a scope, 0 for none, and at most so many of its newest exchanges above `after`.

        If the journal was forgotten meanwhile, its numbers begin again, and those of what came since are all new.
        """
        entries = () if self._store is None else self._store.entries(scope)
        last = entries[-1][0] if entries else 0
        first = after if last >= after else 0
        return last, [decode(number, entry, self._reading) for number, entry in entries[-most:] if number > first]

    def sized(self, entry: Entry, longest: int) -> tuple[Entry, int]:
        """Return an entry as it is kept, and how many bytes it takes in memory, about."""
        entry = self.shortened(entry, longest)
        request, response = entry.request, entry.response
        texts = len(request.body) + len(response.body) + len(request.path) + len(request.query)
        quotes = sum(_json_length(each.received) for each in response.findings)
        facts = request.headers.known or known(request.headers)
        return entry, texts + facts.size + NODE * quotes + OVERHEAD

    def shortened(self, entry: Entry, longest: int) -> Entry:
        """Return an entry with its stream written out; its bodies and what findings quote are cut at `longest`."""
        request, response = entry.request, entry.response
        if response.stream is not None:
            times = tuple(round(chunk.at * 1000) for chunk in response.stream.chunks[:MOST_TIMES])
            entry = structs.replace(entry, times=times)
            response = _written_out(response, response.stream)
        sizes = len(request.body), len(response.body)
        if max(sizes) <= longest:
            return structs.replace(entry, response=response)
        if response.findings:  # an error body may quote secrets: search all of it before it is cut
            body = self._reading.redactor.answer(request, response.body, quotes=True)
            findings = tuple(_cut_quote(each, longest) for each in response.findings)
            response = structs.replace(response, body=body, findings=findings)
        request = structs.replace(request, body=cut(request.body, longest))
        response = structs.replace(response, body=cut(response.body, longest))
        return structs.replace(entry, request=request, response=response, sizes=sizes)


def _json_length(value: Json) -> int:
    """Return the length of a value as JSON."""
    if isinstance(value, str):
        return len(value)
    try:
        return len(orjson.dumps(value))
    except orjson.JSONEncodeError:
        return len(dump_json(value))


def _cut_quote(finding: Finding, longest: int) -> Finding:
    """Return a finding that quotes at most `longest` bytes of what was received."""
    line = dump_json(finding.received)
    if len(line) <= longest:
        return finding
    return replace(finding, received=cut(line, longest).decode("utf-8", "replace") + "...")


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
            self._file = open_for_writing(path, os.O_APPEND)
        except FileError as error:
            fix = "start its reader first, or name another file" if "pipe" in str(error) else "name another file"
            what = "the journal's file cannot be written"
            raise JournalError(what, where=str(path), why=str(error), fix=fix) from error
        self._path, self._lock, self._warned = path, threading.Lock(), False
        self._ending = TORN + b"\n" if _ends_torn(path) else b""
        """What ends the line before, if it was cut short."""
        weakref.finalize(self, os.close, self._file)  # closed with the mock, which nobody closes explicitly

    def write(self, exchange: Exchange) -> None:
        """Append one exchange."""
        self.append(json.dumps(as_json(exchange), ensure_ascii=True, separators=(",", ":")).encode() + b"\n")

    def append(self, line: bytes) -> bool:
        """Append a line, never waiting; return whether it is there. If the disk or a pipe is full, only it is lost."""
        with self._lock:
            try:
                self._append(self._ending + line)
            except OSError as error:
                if not self._warned:
                    log.warning("exchanges are missing in the journal's file %s: %s", self._path, error.strerror)
                self._warned = True
                return False
            self._warned = False
            return True

    def _append(self, line: bytes) -> None:
        """Write a line; one that is cut short is ended by the next."""
        while line:
            written = os.write(self._file, line)
            whole, line = line[:written].endswith(b"\n"), line[written:]
            self._ending = b"" if whole else b"\n" if line.startswith(b"\n") else TORN + b"\n"


def _ends_torn(path: Path) -> bool:
    """Return whether a file ends within a line, which a full disk or a killed process has cut."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:  # it is empty, or may only be written
        return False
