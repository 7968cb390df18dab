"""Reloads contract and fixtures when their files change; a broken file leaves the last good one in force."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mockserver.api import AUTO, choose, contract_files, describe, describe_notes
from mockserver.contract.document import is_remote
from mockserver.engine import Mock
from mockserver.errors import MockserverError
from mockserver.settings import Settings, options_of

if TYPE_CHECKING:
    from watchfiles import Change

MOST_LINKS = 40
"""How many links a path may lead over, one after the other."""


def sources(settings: Settings) -> list[Path]:
    """List the files and folders that are read at start."""
    api = choose(settings.api, settings.contract)
    if api is not None and (settings.contract == AUTO or settings.contract in api.contracts):
        found = sorted({path.parent for path in api.contracts.values()})
    else:
        found = contract_files(settings.contract)
    if api is not None and api.fixtures is not None:
        found.append(api.fixtures)
    own = None if api is None else api.own_settings(settings)
    if own is not None:
        found += [value for value in (getattr(own, each.name) for each in options_of(own)) if isinstance(value, Path)]
    return [*found, *(each for each in (settings.fixtures, settings.play) if each is not None)]


class Places(NamedTuple):
    """Where changes are looked for: folders, and the files and links in them that lead to what is read."""

    folders: frozenset[Path]
    steps: frozenset[Path]


def places(paths: Iterable[Path]) -> Places:
    """Find what to watch. Where a path leads over links, as in a mounted ConfigMap, each of them may be swapped."""
    folders, steps = set[Path](), set[Path]()
    for path in paths:
        for step in _steps(path.absolute()):
            steps.add(step)
            folders.add(step.parent)
        with suppress(OSError, RuntimeError):  # links in a circle
            folders.add(path.resolve() if path.is_dir() else path.resolve().parent)
    return Places(frozenset(folders), frozenset(steps))


def _steps(path: Path, depth: int = 0) -> Iterator[Path]:
    """Yield a path, and every link that it leads over."""
    yield path
    for each in (path, *path.parents):
        if each.is_symlink() and depth < MOST_LINKS:
            yield each
            target = each.parent / each.readlink()
            yield from _steps(target / path.relative_to(each), depth + 1)
            return


def watch(mock: Mock, say: Callable[[str], None], stop: threading.Event, debounce: int = 200) -> None:
    """Reload `mock` at each change until `stop` is set; `say` gets a line about the change or the error.

    `debounce` is how long changes are collected, in milliseconds.
    """
    from watchfiles import watch as changes

    while not stop.is_set():
        before = _watched(mock)

        def concerns(_: object, path: str, before: Places = before) -> bool:
            changed = Path(path)
            return changed in before.steps or changed.suffix in (".json", ".yaml", ".yml") or changed.is_symlink()

        for changed in changes(*before.folders, watch_filter=concerns, stop_event=stop, debounce=debounce):
            text = _reload(mock, ", ".join(_describe(changed)))
            with suppress(OSError, ValueError):  # nobody reads it any more
                say(text)
            if _watched(mock) != before:  # links lead elsewhere now
                break


def _watched(mock: Mock) -> Places:
    """Find what to watch for a mock: what it reads at start, and the files that its contracts refer to."""
    found = sources(mock.settings)
    if not mock.served.contracts[0].bundled:
        owners = [each for each in mock.served.contracts if not is_remote(each.path)]
        found += [Path(each.path).parent / other for each in owners for other in each.other_files]
    return places(found)


def _reload(mock: Mock, files: str) -> str:
    """Reload, and describe the outcome."""
    try:
        mock.reload()
    except MockserverError as error:
        return f"not reloaded, what was served stays in force: {files}\n{error}"
    except Exception as error:
        return f"not reloaded, what was served stays in force: {files}\n{type(error).__name__}: {error}"
    notes = describe_notes(mock.served.contracts)
    return f"reloaded: {files}; {describe(mock.served.contracts)}" + (f"\n{notes}" if notes else "")


def _describe(changed: "Iterable[tuple[Change, str]]") -> Iterator[str]:
    for kind, text in sorted(changed, key=lambda change: change[1]):
        path = Path(text)
        yield f"{kind.name} {path.parent.name}/{path.name}"
