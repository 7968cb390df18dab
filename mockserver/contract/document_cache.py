"""Keeps the data of large documents in the user's cache folder, so that each is parsed and converted once."""

import hashlib
import os
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mockserver import __version__
from mockserver.data import is_packed
from mockserver.messages import Json

VARIABLE = "MOCKSERVER_CACHE"
"""Names another folder, or switches the cache off."""

OFF = ("", "0", "no", "off", "false")

SMALLEST = 128 * 2**10
"""How many bytes a document has that is worth keeping: a smaller one is parsed in a few hundredths of a second."""

MOST = 128 * 2**20
"""How many bytes are kept; what was not used for longest goes first."""

CODE = Path(__file__).parent
"""The code that makes what is kept."""

LARGEST = 32 * 2**20
"""How many bytes of JSON are kept of one document."""


def cached(content: bytes, make: Callable[[], Json]) -> Json:
    """Return the data of a document's content: what is kept of it, else what `make` returns, which is then kept."""
    found = find(content)
    if found is None:
        found = make()
        keep(content, found)
    return found


def find(content: bytes, kind: str = "") -> Json | None:
    """Return what is kept of a document's content; None for nothing.

    What is broken, or belongs to another user, is not read. `kind` tells the data that is made of one content apart.
    """
    path = _entry(content, kind)
    return None if path is None else _load(path)


def keep(content: bytes, data: Json, kind: str = "") -> None:
    """Keep the data of a document's content; where nothing can be kept, nothing is.

    Only data is kept, as JSON, under a name made of the content and our version.
    """
    path = _entry(content, kind)
    if path is not None:
        _save(path, data)


def _newest() -> int:
    """Return when the code of a checkout was last changed, whose version stays the same; 0 for a package."""
    return 0 if is_packed() else max(each.stat().st_mtime_ns for each in CODE.glob("*.py"))


def _entry(content: bytes, kind: str) -> Path | None:
    folder = _folder() if len(content) >= SMALLEST else None
    name = hashlib.sha256(f"{__version__} {_newest()} {kind} ".encode() + content).hexdigest()
    return None if folder is None else folder / f"{name}.json"


def _folder() -> Path | None:
    """Return the folder, private and ours, made if need be; None for no cache."""
    named = os.environ.get(VARIABLE)
    if named is not None and named.lower() in OFF:
        return None
    try:
        folder = (Path(named) if named else _home() / "mockserver") / "documents"
        folder.mkdir(0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or not _is_ours(found):
            return None
        if sys.platform != "win32" and found.st_mode & 0o077:
            folder.chmod(0o700)
    except (OSError, RuntimeError, ValueError):  # it cannot be made; there is no home; the name has a NUL
        return None
    return folder


def _home() -> Path:
    """Return the folder in which the platform keeps what can be made again."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    named = os.environ.get("XDG_CACHE_HOME", "")
    if Path(named).is_absolute():
        return Path(named)
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache")


def _is_ours(found: os.stat_result) -> bool:
    return sys.platform == "win32" or found.st_uid == os.getuid()


def _load(path: Path) -> Json:
    """Return the data of an entry; None if there is none, or one that is not whole or not ours."""
    import orjson

    try:
        with path.open("rb") as file:
            if not _is_ours(os.fstat(file.fileno())) or path.is_symlink():
                return None
            digest, _, body = file.read(LARGEST + 100).partition(b"\n")
        if digest != hashlib.sha256(body).hexdigest().encode():
            return None
        os.utime(path)
        return orjson.loads(body)
    except (OSError, ValueError):
        return None


def _save(path: Path, data: Json) -> None:
    """Keep data, at once or not at all, and remove what was not used for long."""
    from tempfile import NamedTemporaryFile

    import orjson

    with suppress(OSError, TypeError):  # TypeError: numbers that take more than 64 bits
        body = orjson.dumps(data)
        if len(body) > LARGEST:
            return
        with NamedTemporaryFile(dir=path.parent, delete=False) as file:
            scratch = Path(file.name)
            try:
                file.write(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
                file.close()
                scratch.replace(path)
            finally:
                scratch.unlink(missing_ok=True)
        _shrink(path.parent)


def _shrink(folder: Path) -> None:
    """Remove the entries that were not used for longest, until the rest is small enough."""
    found = [(each.stat(), each) for each in folder.iterdir()]
    size = sum(each.st_size for each, _ in found)
    for each, path in sorted(found, key=lambda pair: pair[0].st_mtime):
        if size <= MOST:
            return
        path.unlink(missing_ok=True)
        size -= each.st_size
