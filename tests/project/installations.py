"""The wheel of the working tree, and an environment for each way to install it, kept in .cache/wheel."""

import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path

from tests.clients.environments import PIP, interpreter, locked
from tests.needs import untested
from tests.strategies import ROOT

CACHE = ROOT / ".cache" / "wheel"
"""Where all of it is kept for the next run, for as long as nothing in it has changed."""

CONSTRAINTS = ROOT / "constraints.txt"


@cache
def wheel() -> Path:
    """Give the wheel of the tree as it stands."""
    packed = [path for name in ("mockserver", "schemas", "fixtures") for path in (ROOT / name).rglob("*")]
    files = [path for path in packed if path.is_file() and "__pycache__" not in path.parts]
    files += [ROOT / name for name in ("pyproject.toml", "hatch_build.py", "README.md", "LICENSE")]
    CACHE.mkdir(parents=True, exist_ok=True)
    with locked(CACHE / "lock"):
        key, folder = digest(files), CACHE / "dist"
        if not is_made(CACHE / "dist.made", key):
            for old in folder.glob("*.whl"):
                old.unlink()
            call([sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT])
            (CACHE / "dist.made").write_text(key, "utf-8")
        return next(folder.glob("*.whl"))


@cache
def installed(extra: str = "") -> Path:
    """Give the folder of the commands of an environment that holds the wheel with one extra, or with none.

    What the wheel depends on is fetched again when pyproject.toml or constraints.txt changes. Where it cannot be had
    the test is skipped loudly, in CI it fails.
    """
    made = wheel()
    name = f"environment-{extra}" if extra else "environment"
    place, needed = CACHE / name, CACHE / f"{name}.made"
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--python", interpreter(place), "install", *PIP]
    with locked(CACHE / f"{name}.lock"):
        key = digest([CONSTRAINTS, ROOT / "pyproject.toml"]) + sys.version
        if not is_made(needed, key):
            call([sys.executable, "-m", "venv", "--clear", "--without-pip", place])
            fetched = run([*pip, "--constraint", CONSTRAINTS, f"{made}[{extra}]" if extra else made])
            if fetched.returncode != 0:
                untested(f"the packages of {made.name}[{extra}] cannot be had: {fetched.stderr.strip()[-300:]}")
            needed.write_text(key, "utf-8")
        holds = sha256(made.read_bytes()).hexdigest()
        if not is_made(place / "wheel.made", holds):
            call([*pip, "--no-deps", "--force-reinstall", made])
            (place / "wheel.made").write_text(holds, "utf-8")
    return place / "bin"


def digest(paths: Iterable[Path]) -> str:
    """Give a digest of files, their names included."""
    made = sha256()
    for path in sorted(paths):
        made.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes() + b"\0")
    return made.hexdigest()


def is_made(mark: Path, key: str) -> bool:
    """Say whether a mark says that something was made of this very key."""
    return mark.is_file() and mark.read_text("utf-8") == key


def call(command: Sequence[str | Path]) -> None:
    """Run a command that must succeed; its output is shown where it fails."""
    done = run(command)
    assert done.returncode == 0, done.stdout + done.stderr


def run(
    command: Sequence[str | Path], folder: Path | None = None, **variables: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, apart from this process: without its options of mockserver and paths of Python."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("MOCKSERVER_", "PYTHONPATH"))}
    return subprocess.run(
        command,
        cwd=CACHE if folder is None else folder,
        env=kept | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
