"""Finds the contracts and fixtures, in the wheel or beside the package in a checkout; reads files within bounds."""

import errno
import os
import select
import stat
import time
from pathlib import Path
from typing import BinaryIO

CONTROL = "mockserver-control"
"""The folder of the control routes' document, in `schemas/`."""

LARGEST = 64 * 2**20
"""How many bytes a file that is read whole may have."""

PATIENCE = 3.0
"""Seconds in which a pipe must have given all that is read of it."""

_KINDS = {
    stat.S_IFDIR: "it is a folder",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFCHR: "it is a device",
    stat.S_IFBLK: "it is a device",
}


class FileError(OSError):
    """A file that a user named and that cannot be read or written; its text says why."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.strerror = why


def open_file(path: Path, *, pipes: bool = True) -> BinaryIO:
    """Open a file, or a pipe if something writes to it soon, never waiting longer than PATIENCE.

    An FileError says why it cannot be read: a folder, a socket, a device, or what the system says.
    """
    descriptor = _opened(path, os.O_RDONLY)
    try:
        kind = stat.S_IFMT(os.fstat(descriptor).st_mode)
        if kind in _KINDS:
            raise FileError(_KINDS[kind])
        if kind == stat.S_IFIFO:
            if not pipes:
                raise FileError("it is a pipe, and must be read more than once")
            _await(descriptor, PATIENCE)
            os.set_blocking(descriptor, True)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def open_for_writing(path: Path, how: int = os.O_TRUNC) -> int:
    """Return the descriptor of a file, made if need be, which never waits: not for the reader of a pipe, either.

    `how` is O_TRUNC or O_APPEND. A FileError says why it cannot be written.
    """
    return _opened(path, os.O_WRONLY | os.O_CREAT | how)


def _opened(path: Path, how: int) -> int:
    try:
        return os.open(path, how | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0), 0o666)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise FileError(_why_unopened(path, error)) from error


def read_bytes(path: Path, most: int = LARGEST) -> bytes:
    """Return what a file holds, at most `most` bytes; an FileError says why it cannot be read.

    A pipe, as a shell's <(command) is one, has PATIENCE seconds to end.
    """
    end = time.monotonic() + PATIENCE
    try:
        with open_file(path) as file:
            is_pipe = stat.S_ISFIFO(os.fstat(file.fileno()).st_mode)
            found = _drained(file.fileno(), most, end) if is_pipe else file.read(most + 1)
    except FileError:
        raise
    except OSError as error:
        raise FileError(error.strerror or str(error)) from error
    if len(found) > most:
        raise FileError(f"it is larger than {most:,} bytes")
    return found


def _drained(descriptor: int, most: int, end: float) -> bytes:
    """Read a pipe to its end."""
    parts, size = list[bytes](), 0
    while size <= most:
        _await(descriptor, end - time.monotonic())
        part = os.read(descriptor, 2**16)
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _await(descriptor: int, seconds: float) -> None:
    """Wait until a pipe has something to read or has ended."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(max(0.0, seconds) * 1000):
        raise FileError(f"it is a pipe that was not written to its end within {PATIENCE:g} seconds")


def _why_unopened(path: Path, error: OSError | ValueError) -> str:
    """Return why a file cannot be opened, in words of its own where the system's are strange."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
    except (OSError, ValueError):
        kind = 0
    if kind == stat.S_IFIFO and getattr(error, "errno", 0) == errno.ENXIO:
        return "it is a pipe that nobody reads"
    if kind in _KINDS and getattr(error, "errno", 0) not in (errno.EACCES, errno.EPERM):
        return _KINDS[kind]
    return getattr(error, "strerror", None) or str(error)


def is_packed() -> bool:
    """Return whether the package came from a wheel, whose files were checked when it was built."""
    return (Path(__file__).parent / "_data").is_dir()


def packed(path: Path) -> Path:
    """Return the JSON form of a YAML document if the wheel has one, since it loads faster; else the document."""
    beside = path.with_suffix(".json")
    return beside if beside.exists() else path


def data_dir() -> Path:
    """Return the folder that holds `schemas/` and `fixtures/`."""
    package = Path(__file__).parent
    return package / "_data" if is_packed() else package.parent
