"""Environments in which released clients run: one or two for each release, made once and kept in .cache/clients."""

import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from hashlib import sha256
from pathlib import Path

from tests.clients.releases import Release

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "clients"
PINS = (f"--constraint={ROOT / 'constraints.txt'}", "distro==1.9.0", "sniffio==1.3.1")
"""What a Python client stands on, pinned: as the project pins it, and what the project has no need of."""
SUITE_PINS = ("pytest", "pytest-asyncio==1.5.0", "httpx-aiohttp==0.2.0", "aiohttp")
"""What the chat tests of a release's own suite stand on besides, pinned as well."""
PIP = ("--quiet", "--disable-pip-version-check", "--no-input", "--retries=2")


class UnavailableError(Exception):
    """The environment of a release cannot be made; the text says of which, and why."""


def environment(release: Release, *, suite: bool = False) -> Path:
    """Give the environment of a release, made if need be; an UnavailableError where it cannot be made.

    With `suite` it is one apart, which has what the release's own suite needs, aiohttp among it.
    """
    found = _tried(release, suite)
    if isinstance(found, UnavailableError):
        raise UnavailableError(*found.args)
    return found


@cache
def _tried(release: Release, suite: bool) -> Path | UnavailableError:
    """Try once in a test process: what could not be fetched is not asked for again by every test."""
    try:
        return make(release, CACHE, suite=suite)
    except UnavailableError as error:
        return error


def make(release: Release, folder: Path, *, suite: bool = False) -> Path:
    """Give the environment of a release in `folder`; nothing is fetched where it is there already."""
    python = f"-py{sys.version_info.major}.{sys.version_info.minor}" if release.language == "python" else ""
    name = f"{release.package.replace('@', '').replace('/', '-')}-{release.version}{'-suite' if suite else ''}{python}"
    return kept(folder / name, lambda place: _build(release, place, suite=suite))


def kept(place: Path, build: Callable[[Path], None]) -> Path:
    """Give a folder that is built once.

    It is built beside its place and then moved there, under a lock, since several test processes may want it.
    """
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    with locked(place.parent / f"{place.name}.lock"):
        if not place.exists():
            with tempfile.TemporaryDirectory(dir=place.parent, prefix=f"{place.name}.") as scratch:
                built = Path(scratch) / "built"
                build(built)
                built.rename(place)
    return place


README = (ROOT / "README.md").read_text("utf-8")


def readme_installs(words: str) -> Path:
    """Give an environment made by the `pip install WORDS` of the README; an UnavailableError where it cannot be made.

    It is made once for each such command. The package in it may be an older one, so the tree's own goes first
    (`readme_environ`); what the package depends on and its entry points are those of the tree.
    """
    assert re.search(rf"^pip install {re.escape(words)}$", README, re.MULTILINE), (
        f"the README has no pip install {words}"
    )
    needed = "".join((ROOT / name).read_text("utf-8") for name in ("pyproject.toml", "constraints.txt"))
    digest = sha256((needed + words + sys.version).encode()).hexdigest()[:12]
    return kept(CACHE / f"readme-{digest}", partial(_install, shlex.split(words)))


def readme_environ() -> dict[str, str]:
    """Give the variables with which the tree's own package runs in an environment of the README."""
    return clean_environ() | {"PYTHONPATH": str(ROOT)}


def _install(words: Sequence[str], place: Path) -> None:
    run([sys.executable, "-m", "venv", "--without-pip", str(place)], "the README's environment")
    pip = [sys.executable, "-m", "pip", "--python", str(interpreter(place)), "install", *PIP, PINS[0]]
    run([*pip, *words], "the README's environment")


def command(release: Release, *, suite: bool = False) -> list[str]:
    """Give the command that runs the driver of a release in its environment."""
    place = environment(release, suite=suite)
    here = Path(__file__).parent
    if release.language == "python":
        return [str(interpreter(place)), "-I", str(here / "driver.py")]
    return ["node", str(here / "driver.mjs"), str(place)]


def clean_environ() -> dict[str, str]:
    """Give the variables of this process without those that would configure a client or send it elsewhere."""
    unwanted = ("LLAMA_", "MOCKSERVER_")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(unwanted) and not name.lower().endswith("_proxy")
    }


def _build(release: Release, place: Path, *, suite: bool) -> None:
    if release.language == "python":
        fetch(release, [sys.executable, "-m", "venv", "--without-pip", str(place)])
        pip = [sys.executable, "-m", "pip", "--python", str(interpreter(place)), "install", *PIP, *PINS]
        fetch(release, [*pip, *(SUITE_PINS if suite else ()), f"{release.package}=={release.version}"])
        return
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            raise UnavailableError(f"{release.package} {release.version} cannot be had: there is no {tool} here")
    place.mkdir()
    npm = ["npm", "install", "--prefix", str(place), "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact"]
    fetch(release, [*npm, f"{release.package}@{release.version}"])


def interpreter(place: Path) -> Path:
    """Give the Python of an environment."""
    return place / "bin" / "python"


def fetch(release: Release, arguments: Sequence[str]) -> None:
    """Run a command that gets a release, or a part of it; an UnavailableError says why it could not."""
    run(arguments, f"{release.package} {release.version}")


def run(arguments: Sequence[str], wanted: str) -> None:
    """Run a command in the project's folder; an UnavailableError says why what was wanted cannot be had."""
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        raise UnavailableError(f"{wanted} cannot be had: {' / '.join(said[-3:])}")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock between processes; the system lets go of it when its holder dies."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
