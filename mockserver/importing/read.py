"""Finds out what a file to import is, and reads it."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mockserver.contract.source import read_source
from mockserver.engine import Mock
from mockserver.errors import StartError, UsageError
from mockserver.importing.found import ForeignStub, LeftOut
from mockserver.importing.har import read_har
from mockserver.importing.wiremock import Mapped, read_mappings
from mockserver.messages import Json

MOST_FILES = 10_000
"""How many files of a folder are read."""

MAPPINGS, BODIES = "mappings", "__files"
"""The folders in which WireMock keeps its mappings, and the bodies that they name."""


def read_files(paths: Sequence[Path], mock: Mock) -> Iterator[ForeignStub | LeftOut]:
    """Yield what the files become: archives in their order, then mappings, of which the important ones win."""
    mapped: list[Mapped] = []
    for path in _files(paths):
        data = read_source(path, "the file to import", StartError, only_json=True).data
        log = data.get("log") if isinstance(data, Mapping) else None
        if isinstance(log, Mapping) and isinstance(log.get("entries"), list):
            yield from read_har(log["entries"], str(path), mock)
        else:
            mapped += _mapped(path, data)
    yield from read_mappings(mapped, mock)


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise UsageError(f"there is no file {str(path)!r}", fix="name HAR files, or WireMock's files or folders")
        if not path.is_dir():
            found.append(path)
            continue
        below = path / MAPPINGS if (path / MAPPINGS).is_dir() else path
        for each in below.rglob("*.json"):
            found.append(each)
            if len(found) > MOST_FILES:
                fix = "name the folders one by one"
                raise UsageError(f"there are more than {MOST_FILES:,} files", where=str(path), fix=fix)
        found.sort()
    if not found:
        raise UsageError("there is nothing to import", where=str(paths[0]), why="it has no *.json", fix="name a file")
    return found


def _mapped(path: Path, data: Json) -> list[Mapped]:
    """Return the mappings of a file."""
    bodies = next((each / BODIES for each in path.absolute().parents if (each / BODIES).is_dir()), path.parent / BODIES)
    if isinstance(data, Mapping) and isinstance(data.get("mappings"), list):
        return [Mapped(f"{path}: mapping {at}", each, bodies) for at, each in enumerate(data["mappings"], 1)]
    if isinstance(data, Mapping) and "request" in data and "response" in data:
        return [Mapped(str(path), data, bodies)]
    raise StartError(
        "the file is nothing that can be imported",
        where=str(path),
        why='a HAR file has "log" with "entries"; a mapping of WireMock has "request" and "response"',
        fix="name another",
    )
