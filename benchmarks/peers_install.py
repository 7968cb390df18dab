"""Installs the other tools, each in a folder of its own, and says why where one cannot be had."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.children import Stop, child, output, say
from benchmarks.environment import CACHE, ROOT
from benchmarks.peers_table import PACKAGES, Package

HOMES = CACHE / "peers"
LONGEST = 300
"""How long an installation may take, in seconds."""

RUN = ROOT / "benchmarks" / "peers_run.py"


def lacking(name: str) -> str:
    """Install a peer unless it is there; say in a sentence why it cannot be measured, nothing where it can."""
    package = PACKAGES[name]
    if package.needs and shutil.which(package.needs) is None:
        return f"{package.needs} is not installed"
    if package.by == "npm" and shutil.which("npm") is None:
        return "npm is not installed"
    home, mark = HOMES / name, HOMES / f"{name}.installed"
    wanted = _mark(package)
    if mark.is_file() and mark.read_text("utf-8") == wanted and home.is_dir():
        return ""
    mark.unlink(missing_ok=True)
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    say(f"peers: installing {package.what}")
    try:
        _by_npm(package, home) if package.by == "npm" else _by_pip(package, home)
    except (Stop, subprocess.TimeoutExpired) as problem:
        return f"{package.what} could not be installed: {reason(str(problem))}"
    mark.write_text(wanted, "utf-8")
    return ""


def _mark(package: Package) -> str:
    """Say what an installation was made of; with the mock beside it, it is made anew with that."""
    beside = (CACHE / "stamp").read_text("ascii") if package.with_mock else ""
    return "\n".join([package.what, sys.version, RUN.read_text("utf-8"), beside])


def _by_npm(package: Package, home: Path) -> None:
    quiet = ["--no-audit", "--no-fund", "--loglevel", "error"]
    _run(["npm", "install", "--prefix", home, *quiet, package.what])


def _by_pip(package: Package, home: Path) -> None:
    python = home / "bin" / "python"
    output([sys.executable, "-m", "venv", "--clear", home])
    what: list[str | Path] = [package.what, *((CACHE / "dist").glob("*.whl") if package.with_mock else ())]
    pip: list[str | Path] = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--constraint", ROOT / "constraints.txt", *what])
    site = Path(output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip())
    shutil.copy(RUN, site / "benchmark_peers.py")
    shutil.copy(ROOT / "benchmarks" / "reference.py", site / "benchmark_reference.py")


def _run(command: list[str | Path]) -> None:
    """Run an installer; Stop with its last words where it fails or takes too long."""
    with child(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        told = process.communicate(timeout=LONGEST)[0].decode("utf-8", "replace")
        if process.returncode:
            raise Stop(told.strip() or f"exit code {process.returncode}")


def reason(text: str) -> str:
    """Give the first line of an installer's words that speaks of an error, without addresses and places."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["no reason given"]
    told = next((line for line in lines if "error" in line.lower()), lines[-1])
    return re.sub(r"(?<![\w.])/\S+", "<path>", re.sub(r"\w+://\S+", "<address>", told))
