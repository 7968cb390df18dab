"""Stands in for a real service during a block of a test: records it the first time, and replays it from then on."""

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, get_args

from mockserver.control.app import make_app
from mockserver.engine import Mock
from mockserver.errors import StartError, UsageError
from mockserver.proxy.recording import FILE, RecordingWriter, read_recordings
from mockserver.proxy.replay import ReplayMock
from mockserver.server.uvicorn import running
from mockserver.settings import Settings

RecordMode: TypeAlias = Literal["once", "all", "none"]
"""When the real service is recorded: if there is no recording yet, always anew, or never."""

MODES: tuple[RecordMode, ...] = get_args(RecordMode)

PATIENCE = 60.0
"""Seconds without a sign of the service."""

_MADE = re.compile(r"[1-5]\d\d(\.\d+)?\.json")
"""The names of fixtures that a recording makes; others are somebody's own."""


class StandIn(Protocol):
    """What answers instead of the service: a proxy that records it, or a replay."""

    @property
    def mock(self) -> Mock:
        """Its contract, journal and stubs."""

    def serving(self) -> AbstractContextManager[str]:
        """Serve during the block; yields the base URL."""

    def complaints(self) -> list[str]:
        """List what was wrong once it no longer serves, beside what the client sent."""


def is_recorded(folder: Path, mode: RecordMode) -> bool:
    """Return whether a folder is replayed, and not recorded; a UsageError says that it cannot be."""
    if mode not in MODES:
        raise UsageError(f"there is no way {mode!r} to record", fix=f"write one of {', '.join(MODES)}")
    there = (folder / FILE).exists()
    if mode == "none" and not there:
        fix = "record it: run the test once with --mockserver-record=once"
        raise UsageError("there is no recording here, and none is to be made", where=str(folder), fix=fix)
    return there and mode != "all"


@contextmanager
def stand_in(url: str, folder: Path, settings: Settings, mode: RecordMode) -> Iterator[StandIn]:
    """Stand in for the service at a URL. What was recorded is kept only if the block succeeds."""
    chosen = replace(settings, store="memory://", state=None, api_key=None, workers=1)
    if is_recorded(folder, mode):
        yield _Replay(chosen, folder)
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        fix = "name another folder"
        raise StartError("nothing can be recorded here", where=str(folder), why=str(error), fix=fix) from error
    try:
        yield _Recording(chosen, url, beside)
        _keep(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _keep(made: Path, folder: Path) -> None:
    """Move what was recorded to its folder, in place of an older recording."""
    folder.mkdir(exist_ok=True)
    for path in (*folder.glob("*/*.json"), folder / FILE):
        if path.name == FILE or _MADE.fullmatch(path.name):
            path.unlink(missing_ok=True)
    for path in (*made.glob("*/*.json"), made / FILE):
        target = folder / path.relative_to(made)
        target.parent.mkdir(exist_ok=True)
        path.replace(target)


class _Recording:
    """A proxy that records."""

    def __init__(self, settings: Settings, url: str, folder: Path) -> None:
        try:
            from mockserver.proxy.app import Proxy
            from mockserver.proxy.forward import Service
        except ModuleNotFoundError as error:
            raise StartError.without_extra("to record a service needs", "proxy", error.name) from error
        self.mock = Mock(settings)
        self._writer = RecordingWriter(folder, self.mock)
        self._proxy = Proxy(self.mock, Service(url, PATIENCE), self._writer)

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve during the block."""
        with running(self._proxy, shutdown_timeout=1, date=False) as url:
            yield url

    def complaints(self) -> list[str]:
        """List what could not be recorded."""
        return [f"an exchange was not recorded: {why}" for why in (*self._writer.lost, *self._writer.left_out)]


class _Replay:
    """A replay of what was recorded."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.mock = ReplayMock(settings, read_recordings(folder))

    @contextmanager
    def serving(self) -> Iterator[str]:
        """Serve during the block."""
        with running(make_app(self.mock.settings, self.mock), shutdown_timeout=1) as url:
            yield url

    def complaints(self) -> list[str]:
        """List what was recorded and never asked for."""
        left = [each.exchange for each in self.mock.unasked]
        return [f"it was recorded, and never asked for: {each}" for each in left]
