"""Environments in which released clients run: one for each release, made once and kept in a cache."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from mockserver.check.part import Sdk
from mockserver.errors import StartError, UsageError

PATIENCE = 600
"""Seconds that a step of the making of an environment may take."""

_PIP = ("--quiet", "--disable-pip-version-check", "--no-input", "--retries=2")


class UnavailableError(StartError):
    """The environment of a release cannot be made."""


def default_cache() -> Path:
    """Return the folder in which environments are kept, where none is named."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "mockserver" / "clients"


def environment(
    sdk: Sdk, release: str, cache: Path | None = None, tell: Callable[[str], None] = lambda _: None
) -> Path:
    """Return the folder of a virtual environment that has a release, made if need be.

    Nothing is fetched where it is there already. An UnavailableError says why it cannot be made, a UsageError that
    the text is no version.
    """
    if not re.fullmatch(r"\d[\w.+!-]*", release):
        raise UsageError(f"{release!r} is no version of {sdk.package}", fix="write it as 2.19.0")
    folder = default_cache() if cache is None else cache
    name = f"{sdk.package}-{release}-py{sys.version_info.major}.{sys.version_info.minor}"
    return kept(folder / name, lambda place: build(sdk, release, place, tell))


def interpreter(place: Path) -> Path:
    """Return the Python of an environment."""
    return place / "Scripts" / "python.exe" if sys.platform == "win32" else place / "bin" / "python"


def kept(place: Path, make: Callable[[Path], None]) -> Path:
    """Return a folder that is made once.

    It is made beside its place and then moved there, under a lock, since several processes may want it at once.
    """
    if place.exists():
        return place
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with _locked(place.parent / f"{place.name}.lock"):
            if not place.exists():
                with tempfile.TemporaryDirectory(dir=place.parent, prefix=f"{place.name}.") as scratch:
                    built = Path(scratch) / "built"
                    make(built)
                    built.rename(place)
    except OSError as error:
        fix = "name a folder that can be written to with --cache"
        raise UnavailableError("the cache cannot be used", where=str(place.parent), why=str(error), fix=fix) from error
    return place


def newest(sdk: Sdk) -> str:
    """Ask the index that pip or uv is configured to use for the newest release; an UnavailableError says why not."""
    what = f"the newest release of {sdk.package} is not known"
    fix = f"see that pip reaches its index, or name a release: {sdk.releases[-1]} is the newest that is known here"
    if find_spec("pip") is not None:
        dry = ("--dry-run", "--ignore-installed", "--no-deps", "--report=-")
        told = run_step(what, [sys.executable, "-m", "pip", "install", *_PIP, *dry, sdk.package], fix=fix)
        return str(json.loads(told)["install"][0]["metadata"]["version"])
    told = run_step(what, [_uv(what), "pip", "compile", "--quiet", "--no-deps", "--no-header", "-"], sdk.package, fix)
    return told.partition("==")[2].split()[0]


def build(sdk: Sdk, release: str, place: Path, tell: Callable[[str], None] = lambda _: None) -> None:
    """Make the environment of a release, by pip, or by uv where there is no pip."""
    what, python = f"{sdk.package} {release} cannot be had", str(interpreter(place))
    if find_spec("pip") is not None:
        make = [sys.executable, "-m", "venv", "--without-pip", str(place)]
        install = [sys.executable, "-m", "pip", "--python", python, "install", *_PIP]
    else:
        uv = _uv(what)
        make = [uv, "venv", "--quiet", "--python", sys.executable, str(place)]
        install = [uv, "pip", "install", "--quiet", "--python", python]
    with tempfile.TemporaryDirectory() as scratch:
        pins = Path(scratch) / "pins.txt"
        pins.write_text("\n".join(sdk.pins), "utf-8")
        tell(f"{sdk.package} {release}: step 1 of 2, making its environment")
        run_step(what, make)
        tell(f"{sdk.package} {release}: step 2 of 2, installing it, which can take a minute")
        run_step(what, [*install, f"--constraint={pins}", f"{sdk.package}=={release}"])


def _uv(what: str) -> str:
    """Return the path of uv, which stands in for pip."""
    found = shutil.which("uv")
    if found is None:
        fix = "install pip or uv, or name an interpreter that has the client with --python"
        raise UnavailableError(what, why="there is no pip and no uv here", fix=fix)
    return found


_FIX = "see that the release exists and that pip reaches its index; what is in the cache needs neither"


def run_step(what: str, arguments: Sequence[str], text: str = "", fix: str = _FIX) -> str:
    """Run a step and return what it wrote; an UnavailableError holds its complaints."""
    try:
        done = subprocess.run(  # noqa: S603  # a command of our own
            arguments, input=text, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(what, where=arguments[0], why=str(error)) from error
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()] or ["it wrote nothing"]
        raise UnavailableError(what, where=" ".join(arguments[:4]), why=" / ".join(lines[-3:]), fix=fix)
    return done.stdout


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes; the system lets go of it when its holder dies."""
    with path.open("w") as file:
        if sys.platform != "win32":
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX)
        yield
