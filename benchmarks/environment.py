"""The environment that is measured (the mock's wheel, of this tree, with pinned dependencies) and the machine."""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import reference
from benchmarks.children import Stop, output, say
from benchmarks.peers_table import IN_TESTS
from mockserver.server.uvicorn import make_server

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache" / "bench"
VENV = CACHE / "venv"
PYTHON = VENV / "bin" / "python"
MOCKSERVER = VENV / "bin" / "mockserver"

_PACKED = ("mockserver", "schemas", "fixtures")
_FILES = ("pyproject.toml", "hatch_build.py", "constraints.txt", "README.md", "LICENSE", "benchmarks/reference.py")
_DISTRIBUTIONS = (
    "llamacloud-mockserver",
    "starlette",
    "uvicorn",
    "httptools",
    "uvloop",
    "pydantic-core",
    "jsonschema-rs",
)


@dataclass(frozen=True, slots=True)
class Machine:
    """What the figures were taken on."""

    processor: str
    cores: int
    memory_mib: int
    kernel: str
    python: str
    load_before: float
    """The load average of the minute before the run."""


def prepare() -> None:
    """Make the environment, unless it is there already and of this very tree."""
    stamp = CACHE / "stamp"
    mark = _fingerprint()
    if stamp.is_file() and stamp.read_text("ascii") == mark and PYTHON.exists():
        return
    say("building the wheel and its environment in .cache/bench")
    stamp.unlink(missing_ok=True)
    shutil.rmtree(CACHE / "dist", ignore_errors=True)
    output([sys.executable, "-m", "build", "--wheel", "--outdir", CACHE / "dist", ROOT], cwd=ROOT)
    output([sys.executable, "-m", "venv", "--clear", VENV])
    wheel = next((CACHE / "dist").glob("*.whl"))
    pip: list[str | Path] = [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    extras = ("redis", "hypothesis", "httpx")  # loaded only for a store in Redis and for a check
    output([*pip, "--constraint", ROOT / "constraints.txt", wheel, *extras])
    site = output([PYTHON, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    shutil.copy(ROOT / "benchmarks" / "reference.py", Path(site) / "benchmark_reference.py")
    stamp.write_text(mark, "ascii")


def peers_python() -> Path:
    """Give the Python of an environment with the mock and its peers; it is made anew with the other."""
    venv, mark = CACHE / "in-tests", CACHE / "in-tests-stamp"
    python, wanted = venv / "bin" / "python", _fingerprint() + " ".join(IN_TESTS)
    if not python.exists() or not mark.is_file() or mark.read_text("ascii") != wanted:
        say("making the environment of the calls in tests in .cache/bench")
        mark.unlink(missing_ok=True)
        output([sys.executable, "-m", "venv", "--clear", venv])
        wheel = next((CACHE / "dist").glob("*.whl"))
        pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        output([*pip, "--constraint", ROOT / "constraints.txt", wheel, "pytest", "httpx", *IN_TESTS])
        site = output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
        shutil.copy(ROOT / "benchmarks" / "reference.py", Path(site) / "benchmark_reference.py")
        mark.write_text(wanted, "ascii")
    return python


def _fingerprint() -> str:
    """Give a digest of all that goes into the environment."""
    digest = hashlib.sha256(sys.version.encode())
    for path in _sources():
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _sources() -> Iterator[Path]:
    for folder in _PACKED:
        yield from sorted(path for path in (ROOT / folder).rglob("*") if path.is_file() and path.suffix != ".pyc")
    yield from (ROOT / name for name in _FILES)


def check_flags() -> None:
    """Stop where the references would run on another uvicorn configuration than the mock."""
    app = reference.bare(b"")
    ours, theirs = vars(make_server(app).config), vars(reference.configured(app))
    names = ours.keys() | theirs.keys()
    differing = sorted(name for name in names if ours.get(name) != theirs.get(name))
    if differing:
        told = ", ".join(differing)
        raise Stop(f"benchmarks/reference.py configures uvicorn otherwise than mockserver/live.py: {told}")


def versions() -> dict[str, str]:
    """Give the version of each part that takes part in the figures, as it is installed."""
    code = "import importlib.metadata as m, json, sys; print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    found: dict[str, str] = json.loads(output([PYTHON, "-c", code, *_DISTRIBUTIONS]))
    with suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run(["wrk", "--version"], capture_output=True, text=True, check=False).stdout
        found["wrk"] = told.partition(" [")[0].removeprefix("wrk ")
    if shutil.which("redis-server"):
        found["redis"] = output(["redis-server", "--version"]).partition("v=")[2].partition(" ")[0]
    if shutil.which("valgrind"):
        found["valgrind"] = output(["valgrind", "--version"]).strip().removeprefix("valgrind-")
    return {"mockserver": found.pop("llamacloud-mockserver"), **found}


def machine() -> Machine:
    """Describe the machine, without names or places of its own."""
    return Machine(
        processor=_field("/proc/cpuinfo", "model name") or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_mib=int((_field("/proc/meminfo", "MemTotal") or "0").split()[0]) // 1024,
        kernel=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        load_before=os.getloadavg()[0],
    )


def _field(path: str, name: str) -> str:
    """Give the first field of a name in a file of /proc."""
    for line in Path(path).read_text("utf-8").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
