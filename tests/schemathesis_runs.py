"""Schemathesis as its users run it, in an environment of its own that is made once and kept in .cache/schemathesis."""

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

from mockserver.messages import Json
from tests.clients.conftest import missing
from tests.clients.environments import PIP, ROOT, UnavailableError, clean_environ, kept

VERSION = "4.32.5"
CACHE = ROOT / ".cache" / "schemathesis"
PINS = (
    *("graphql-core==3.3.2", "harfile==0.6.0", "hypothesis-graphql==0.13.5"),
    *("pyrate-limiter==4.5.1", "Werkzeug==3.1.9"),
)
"""What it stands on and the project has no need of, pinned; all else as the project pins it."""

PHASES = ("examples", "coverage", "fuzzing", "stateful")


class Verdict(NamedTuple):
    """What it made of a server: its exit code, how much it sent, its own report, and what it printed."""

    code: int
    report: Json
    text: str

    @property
    def cases(self) -> int:
        """How many requests it sent as cases."""
        return int(self.report["test_cases"]["generated"])

    @property
    def findings(self) -> int:
        """How many failures and errors there were."""
        return len(self.report["failures"]) + len(self.report["errors"])

    @property
    def kinds(self) -> set[str]:
        """What kinds of failures and errors there were."""
        return {str(each.get("type", each["title"])) for each in (*self.report["failures"], *self.report["errors"])}

    @property
    def undeclared(self) -> set[int]:
        """The statuses that it got and the document does not declare."""
        told = re.findall(r"Undocumented status code\s+Received: (\d+)", self.text)
        return set(map(int, told))

    @property
    def phases(self) -> dict[str, str]:
        """How each of its phases ended."""
        return {name: phase["status"] for name, phase in self.report["phases"].items()}


@cache
def command() -> list[str]:
    """Give its command; where it cannot be had the test is skipped loudly, in CI it fails.

    Its script names the interpreter that was there when it was made, before the environment came to its place.
    """
    name = f"{VERSION}-py{sys.version_info.major}.{sys.version_info.minor}"
    try:
        scripts = kept(CACHE / name, build) / "bin"
        return [str(scripts / "python"), str(scripts / "st")]
    except UnavailableError as error:
        missing(error)


def build(place: Path) -> None:
    """Make its environment; an UnavailableError says why that cannot be done."""
    python = str(place / "bin" / "python")
    constraint = f"--constraint={ROOT / 'constraints.txt'}"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", *PIP, constraint]
    for step in (
        [sys.executable, "-m", "venv", "--without-pip", str(place)],
        [*pip, *PINS, f"schemathesis=={VERSION}"],
    ):
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
            raise UnavailableError(f"Schemathesis {VERSION} cannot be had: {' / '.join(said[-3:])}")


def judge(url: str, key: str, folder: Path, *more: str, contract: str = "", checks: str = "all") -> Verdict:
    """Let it ask a server with some of its checks, or all; what it writes is in `folder`.

    It goes by a file, or by the contract that is served; `more` are options. Its seed is drawn anew, and stands in
    what it prints.
    """
    report = folder / "report.json"
    options = ["--checks", checks, "--header", f"Authorization: Bearer {key}", "--url", url]
    options += ["--report", "json", "--report-json-path", str(report), *more]
    done = subprocess.run(
        [*command(), "run", contract or f"{url}/openapi.json", *options],
        cwd=folder,
        env=clean_environ() | {"NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert report.is_file(), done.stdout + done.stderr
    return Verdict(done.returncode, json.loads(report.read_text("utf-8")), done.stdout)
