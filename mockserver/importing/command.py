"""`mockserver import FILE...`: from HAR files and WireMock's mappings to stubs and fixtures."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from shlex import join

from mockserver.engine import Mock
from mockserver.importing.read import read_files
from mockserver.importing.write import FIXTURES, STUBS, Imported, Importer, lines_of, write
from mockserver.settings import Settings


def import_files(
    files: Sequence[Path], folder: Path, settings: Settings, say: Callable[[str], None], *, allow_invalid: bool
) -> Imported:
    """Import files into a folder, and say what was not taken, or not as it was."""
    bare = replace(settings, stubs=None, fixtures=None, journal=None, store="memory://", state=None, workers=1)
    mock = Mock(bare)
    try:
        imported = Importer(mock, allow_invalid=allow_invalid).take(read_files(files, mock))
    finally:
        mock.store.close()
    for line in lines_of(imported):
        say(line)
    counts = ((len(imported.stubs), "stub"), (len(imported.files), "fixture"))
    made = " and ".join(f"{count} {noun}{'s' * (count != 1)}" for count, noun in counts)
    if not imported.stubs:
        say(f"nothing was taken of {len(imported.left)}; nothing is written")
        return imported
    write(imported, folder)
    say(f"{made} written into {folder}; {len(imported.left)} not taken")
    say(f"serve them: {join(_serving(imported, folder, settings))}")
    return imported


def _serving(imported: Imported, folder: Path, settings: Settings) -> list[str]:
    """Return the command that serves what was imported."""
    contract = [] if settings.contract == Settings().contract else ["--contract", settings.contract]
    fixtures = ["--fixtures", str(folder / FIXTURES)] if imported.files else []
    return ["mockserver", "serve", *contract, "--stubs", str(folder / STUBS), *fixtures]
