"""The servers that are compared: the mock, what bounds it, and the other tools, each with what starts it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from benchmarks.environment import ROOT
from benchmarks.measure import Subject, subjects
from benchmarks.peers_install import HOMES

MOCK, PLAIN, BARE = "mockserver", "plain Starlette", "bare ASGI"
NO_PORT = -1
"""Stands for the port where a command is only shown."""

DOCUMENTS = HOMES / "documents"


Kind: TypeAlias = Literal["mock", "tool", "bound"]


@dataclass(frozen=True, slots=True)
class Peer:
    """One server of the comparison; `package` is a key of PACKAGES, or empty for what needs none."""

    subject: Subject
    package: str = ""
    kind: Kind = "bound"
    """Whether it is the mock, another tool, or a bound: an app that knows no contract."""

    @property
    def name(self) -> str:
        """The name under which it stands in the report."""
        return self.subject.name


def peers(constant: str) -> tuple[Peer, ...]:
    """Give all, the mock first; `constant` is what the bare one answers."""
    mock, plain, bare = subjects(constant)
    return (
        Peer(mock, kind="mock"),
        Peer(plain),
        Peer(bare),
        *(_on_granian(*each, constant) for each in (("mock", MOCK), ("plain", PLAIN), ("bare", BARE))),
        _tool("Prism, static", "prism", lambda port: [*_prism(port), _contract()]),
        _tool("Prism, dynamic", "prism", lambda port: [*_prism(port), "--dynamic", _contract()]),
        _tool("Steady", "steady", _steady),
        _tool("Mockoon", "mockoon", _mockoon),
        _tool("WireMock", "wiremock", _wiremock),
        _tool("connexion", "connexion", _connexion),
    )


def _tool(name: str, package: str, command: Callable[[int], Sequence[str | Path]]) -> Peer:
    return Peer(Subject(name, command), package, "tool")


def _on_granian(kind: str, name: str, constant: str) -> Peer:
    def command(port: int) -> Sequence[str | Path]:
        return [HOMES / "granian" / "bin" / "python", "-m", "benchmark_peers", "granian", kind, str(port), constant]

    return Peer(Subject(f"{name} on granian", command), "granian", "mock" if kind == "mock" else "bound")


def _contract() -> Path:
    return DOCUMENTS / "contract.json"


def _prism(port: int) -> Sequence[str | Path]:
    program = HOMES / "prism" / "node_modules" / "@stoplight" / "prism-cli" / "dist" / "index.js"
    return ["node", program, "mock", "--port", str(port), "--verboseLevel", "silent"]


def _steady(port: int) -> Sequence[str | Path]:
    """Give the program itself, which its package starts from Node."""
    program = next((HOMES / "steady" / "node_modules" / "@stdy").glob("cli-*/bin/steady*"), Path("steady"))
    return [program, "--quiet", "--host", "127.0.0.1", "--port", str(port), _contract()]


def _mockoon(port: int) -> Sequence[str | Path]:
    program = HOMES / "mockoon" / "node_modules" / ".bin" / "mockoon-cli"
    quiet = ["--disable-log-to-file", "--disable-admin-api"]
    return ["node", program, "start", "--data", _contract(), "--hostname", "127.0.0.1", "--port", str(port), *quiet]


def _wiremock(port: int) -> Sequence[str | Path]:
    jar = next((HOMES / "wiremock" / "node_modules" / "wiremock" / "build").glob("*.jar"), Path("wiremock.jar"))
    quiet = ["--disable-banner", "--disable-request-logging", "--max-request-journal-entries", "1000"]
    where: list[str | Path] = ["--bind-address", "127.0.0.1", "--port", str(port), "--root-dir", DOCUMENTS / "wiremock"]
    return ["java", "-jar", jar, *where, *quiet]


def _connexion(port: int) -> Sequence[str | Path]:
    python = HOMES / "connexion" / "bin" / "python"
    return [python, "-m", "benchmark_peers", "connexion", str(port), DOCUMENTS / "contract-3.0.json"]


def shown(peer: Peer, constant: str) -> str:
    """Give the command of a server as it stands in the report: places relative to the project, no port."""
    parts = [str(part).replace(f"{ROOT}/", "") for part in peer.subject.command(NO_PORT)]
    words = {str(NO_PORT): "<port>", constant: "<answer>"}
    return " ".join(words.get(part, f'"{part}"' if " " in part else part) for part in parts)
