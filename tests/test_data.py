"""Files that a user names are opened without waiting, and read within bounds."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mockserver import data
from mockserver.data import FileError, open_file, open_for_writing, read_bytes


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a pipe no longer than a test can."""
    monkeypatch.setattr(data, "PATIENCE", 0.2)


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe")
    return folder / "pipe"


def bound(folder: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "s"))
    return folder / "s"


def loop(folder: Path) -> Path:
    (folder / "loop").symlink_to("loop")
    return folder / "loop"


ODD: dict[str, tuple[Callable[[Path], Path], str]] = {
    "pipe": (pipe, "it is a pipe that was not written to its end"),
    "socket": (bound, "it is a socket"),
    "device": (lambda _: Path("/dev/zero"), "it is a device"),
    "folder": (lambda folder: folder, "it is a folder"),
    "nothing": (lambda folder: folder / "gone", "No such file or directory"),
    "links in a circle": (loop, "Too many levels of symbolic links"),
    "long name": (lambda folder: folder / ("x" * 300), "File name too long"),
    "NUL": (lambda folder: folder / "a\0b", "embedded null byte"),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_is_refused_with_the_reason(kind: str, tmp_path: Path) -> None:
    make, why = ODD[kind]
    path = make(tmp_path)
    for opened in (read_bytes, open_file):
        with pytest.raises(FileError) as caught:
            opened(path)
        assert str(caught.value).startswith(why)


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "file").chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(FileError, match="Permission denied"):
            read_bytes(tmp_path / "file")
    finally:
        os.seteuid(user)


def opened(path: Path) -> bytes:
    with open_file(path) as file:
        return file.read()


@pytest.mark.parametrize("size", [0, 5, 300_000])
def test_a_pipe_that_is_written_is_read_to_its_end(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "PATIENCE", 30.0)
    path, text = pipe(tmp_path), b"x" * size
    for read in (read_bytes, opened):
        writer = threading.Thread(target=path.write_bytes, args=[text])
        writer.start()
        assert read(path) == text
        writer.join()


def test_a_pipe_that_stays_open_is_not_waited_for(tmp_path: Path) -> None:
    path = pipe(tmp_path)
    end = os.open(path, os.O_RDWR)
    os.write(end, b"a beginning")
    with pytest.raises(FileError, match="not written to its end"):
        read_bytes(path)
    os.close(end)


def test_a_pipe_cannot_be_read_twice(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="more than once"):
        open_file(pipe(tmp_path), pipes=False)


@pytest.mark.parametrize("how", ["file", "pipe"])
def test_a_file_is_read_up_to_a_bound(how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data, "PATIENCE", 30.0)
    path = tmp_path / "file" if how == "file" else pipe(tmp_path)
    for size in (10, 11):
        writer = threading.Thread(target=path.write_bytes, args=[b"x" * size])
        writer.start()
        if how == "file":
            writer.join()
        if size == 10:
            assert read_bytes(path, 10) == b"x" * 10
        else:
            with pytest.raises(FileError, match="larger than 10 bytes"):
                read_bytes(path, 10)
        writer.join()


def test_a_pipe_is_written_only_where_somebody_reads(tmp_path: Path) -> None:
    path = pipe(tmp_path)
    with pytest.raises(FileError, match="it is a pipe that nobody reads"):
        open_for_writing(path)
    end = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    os.close(open_for_writing(path))
    os.close(end)


@pytest.mark.parametrize(("kind", "why"), [("socket", "it is a socket"), ("folder", "it is a folder")])
def test_what_cannot_be_written_is_refused_with_the_reason(kind: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        open_for_writing(ODD[kind][0](tmp_path))
    assert str(caught.value) == why


def test_a_file_is_written_anew_or_at_its_end(tmp_path: Path) -> None:
    for how, expected in ((os.O_TRUNC, "b"), (os.O_APPEND, "bb"), (os.O_TRUNC, "b")):
        with os.fdopen(open_for_writing(tmp_path / "file", how), "w") as file:
            file.write("b")
        assert (tmp_path / "file").read_text() == expected
