"""The tests that the Python releases bring along, fetched from the package index and run as they are."""

import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tests.clients.environments import PIP, ROOT, clean_environ, environment, fetch, interpreter, kept
from tests.clients.releases import PYTHON_2_6, PYTHON_2_7, PYTHON_2_19, Release

SUITES = ROOT / ".cache" / "suites"


@dataclass(frozen=True, slots=True)
class Suite:
    """The chat tests of a release: their files, and how many they are; `offline` of them call no server."""

    release: Release
    files: tuple[str, ...]
    tests: int
    offline: int

    def __str__(self) -> str:
        return str(self.release)


BETA = "tests/api_resources/beta/test_chat.py"
TITLED = tuple(Suite(release, (BETA,), tests=165, offline=25) for release in (PYTHON_2_6, PYTHON_2_7))
NEWEST = Suite(PYTHON_2_19, (BETA, "tests/api_resources/test_chat.py"), tests=280, offline=40)


def run(suite: Suite, base_url: str) -> dict[str, str]:
    """Run a suite against a server, and give the outcome of each test: passed, failed or skipped."""
    python = interpreter(environment(suite.release, suite=True))
    script = Path(__file__).parent / "unskipped.py"
    environ = {name: value for name, value in clean_environ().items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [str(python), "-I", str(script), *suite.files],
        cwd=sources_of(suite.release, SUITES),
        env=environ | {"TEST_API_BASE_URL": base_url},
        stdout=subprocess.PIPE,
        text=True,
        timeout=120,
        check=False,
    )
    *said, last = done.stdout.splitlines() or [""]
    sys.stdout.write("\n".join(said))  # pytest shows it where the suite did not end as it should
    outcomes: dict[str, str] = json.loads(last)
    return outcomes


def sources_of(release: Release, folder: Path) -> Path:
    """Give the folder of a release's tests and of what configures them, fetched once, from its source distribution."""
    name = f"{release.package}-{release.version}"
    return kept(folder / name, lambda place: _unpack(release, place))


def _unpack(release: Release, place: Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        pip = [sys.executable, "-m", "pip", "download", *PIP, "--no-deps", f"--no-binary={release.package}"]
        fetch(release, [*pip, f"--dest={scratch}", f"{release.package}=={release.version}"])
        (archive,) = Path(scratch).glob("*.tar.gz")
        with tarfile.open(archive) as members:
            for member in members:
                path = PurePosixPath(*PurePosixPath(member.name).parts[1:])
                source = members.extractfile(member) if member.isfile() and _wanted(path) else None
                if source is not None:
                    (place / path).parent.mkdir(parents=True, exist_ok=True)
                    (place / path).write_bytes(source.read())


def _wanted(path: PurePosixPath) -> bool:
    """Say whether a file of a source distribution has a part in its tests; what they are tried on has none here."""
    return str(path) == "pyproject.toml" or (
        path.parts[0] == "tests" and path.suffix == ".py" and ".." not in path.parts
    )
