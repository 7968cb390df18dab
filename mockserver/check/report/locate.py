"""Where in a contract's file a place stands: file and line, for annotations of code."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from mockserver.api import AUTO, Api
from mockserver.contract.source import SourceFile, read_source
from mockserver.data import data_dir


class Files(NamedTuple):
    """Where contracts are: those of a pack by their version, a user's own by its path."""

    api: Api | None = None
    own: Path | None = None


NO_FILES = Files()


def files_of(contract: str | None, api: Api | None) -> Files:
    """Return the files that the name of a contract stands for."""
    is_own = contract not in (None, AUTO) and (api is None or contract not in api.contracts)
    return Files(api, Path(str(contract)) if is_own else None)


class Spot(NamedTuple):
    """A line of a file, from 1 on; `file` is how it is shown, relative to the project if it is one of ours."""

    file: str
    line: int
    path: Path


def spot(place: str, files: Files) -> Spot | None:
    """Return the spot of `<contract>#<pointer>`; None where there is no such file."""
    path, shown = files.own, str(files.own)
    own = f"{shown}#"
    name, _, pointer = (shown, "", place.removeprefix(own)) if place.startswith(own) else place.partition("#")
    if files.api is not None and name in files.api.contracts:
        path = files.api.contracts[name]
        shown = path.relative_to(data_dir()).as_posix() if path.is_relative_to(data_dir()) else str(path)
    if path is None or not path.is_file():
        return None
    return Spot(shown, _read(path).line(pointer), path)


@lru_cache(maxsize=8)
def _read(path: Path) -> SourceFile:
    return read_source(path)
