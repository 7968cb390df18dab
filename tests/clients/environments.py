"""Environments in which released clients run: one for each release, made once and kept in .cache/clients."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.clients.releases import Release

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "clients"
PINS = (f"--constraint={ROOT / 'constraints.txt'}", "distro==1.9.0", "sniffio==1.3.1")
"""What a Python client stands on, pinned: as the project pins it, and what the project has no need of."""


class UnavailableError(Exception):
    """The environment of a release cannot be made; the text says of which, and why."""


def environment(release: Release) -> Path:
    """Give the environment of a release, made if need be; an UnavailableError where it cannot be made."""
    found = _tried(release)
    if isinstance(found, UnavailableError):
        raise UnavailableError(*found.args)
    return found


@cache
def _tried(release: Release) -> Path | UnavailableError:
    """Try once in a test process: what could not be fetched is not asked for again by every test."""
    try:
        return make(release, CACHE)
    except UnavailableError as error:
        return error


def make(release: Release, folder: Path) -> Path:
    """Give the environment of a release in `folder`; nothing is fetched where it is there already.

    It is built beside its place and then moved there, under a lock, since several test processes may want it.
    """
    python = f"-py{sys.version_info.major}.{sys.version_info.minor}" if release.language == "python" else ""
    place = folder / f"{release.package.replace('@', '').replace('/', '-')}-{release.version}{python}"
    if place.exists():
        return place
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / f"{place.name}.lock"):
        if not place.exists():
            with tempfile.TemporaryDirectory(dir=folder, prefix=f"{place.name}.") as scratch:
                built = Path(scratch) / "built"
                _build(release, built)
                built.rename(place)
    return place


def command(release: Release) -> list[str]:
    """Give the command that runs the driver of a release in its environment."""
    place = environment(release)
    here = Path(__file__).parent
    if release.language == "python":
        return [str(_python(place)), "-I", str(here / "driver.py")]
    return ["node", str(here / "driver.mjs"), str(place)]


def clean_environ() -> dict[str, str]:
    """Give the variables of this process without those that would configure a client or send it elsewhere."""
    unwanted = ("LLAMA_", "MOCKSERVER_")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(unwanted) and not name.lower().endswith("_proxy")
    }


def _build(release: Release, place: Path) -> None:
    if release.language == "python":
        _run(release, [sys.executable, "-m", "venv", "--without-pip", str(place)])
        pip = [sys.executable, "-m", "pip", "--python", str(_python(place)), "install", "--quiet"]
        pip += ["--disable-pip-version-check", "--no-input", "--retries=2", *PINS]
        _run(release, [*pip, f"{release.package}=={release.version}"])
        return
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            raise UnavailableError(f"{release.package} {release.version} cannot be had: there is no {tool} here")
    place.mkdir()
    npm = ["npm", "install", "--prefix", str(place), "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact"]
    _run(release, [*npm, f"{release.package}@{release.version}"])


def _python(place: Path) -> Path:
    return place / "bin" / "python"


def _run(release: Release, arguments: Sequence[str]) -> None:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        raise UnavailableError(f"{release.package} {release.version} cannot be had: {' / '.join(said[-3:])}")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes; the system lets go of it when its holder dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
