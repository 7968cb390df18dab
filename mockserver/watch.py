"""Reloads contract and fixtures when their files change; a broken file leaves the last good one in force."""

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mockserver.api import AUTO, choose, describe
from mockserver.engine import Mock
from mockserver.errors import MockserverError
from mockserver.settings import Settings

if TYPE_CHECKING:
    from watchfiles import Change


def watched(settings: Settings) -> list[Path]:
    """List the folders whose files are read at start."""
    api = choose(settings.api, settings.contract)
    if api is not None and (settings.contract == AUTO or settings.contract in api.contracts):
        folders = sorted({path.parent for path in api.contracts.values()})
    else:
        folders = [Path(settings.contract).resolve().parent]
    if api is not None and api.fixtures is not None:
        folders.append(api.fixtures)
    if settings.fixtures is not None:
        folders.append(settings.fixtures.resolve())
    return folders


def watch(mock: Mock, say: Callable[[str], None], stop: threading.Event, debounce: int = 200) -> None:
    """Reload `mock` at each change until `stop` is set; `say` gets a line about the change or the error.

    `debounce` is how long changes are collected, in milliseconds.
    """
    from watchfiles import watch as changes

    own = Path(mock.settings.contract).resolve()
    folders = watched(mock.settings)

    def concerns(_: object, path: str) -> bool:
        return Path(path) == own or Path(path).suffix in (".json", ".yaml", ".yml")

    for changed in changes(*folders, watch_filter=concerns, stop_event=stop, debounce=debounce):
        files = ", ".join(_describe(changed))
        try:
            mock.reload()
        except MockserverError as error:
            say(f"not reloaded, what was served stays in force: {files}\n{error}")
        except Exception as error:
            say(f"not reloaded, what was served stays in force: {files}\n{type(error).__name__}: {error}")
        else:
            say(f"reloaded: {files}; {describe(mock.served.contracts)}")


def _describe(changed: "Iterable[tuple[Change, str]]") -> Iterator[str]:
    for kind, text in sorted(changed, key=lambda change: change[1]):
        path = Path(text)
        yield f"{kind.name} {path.parent.name}/{path.name}"
