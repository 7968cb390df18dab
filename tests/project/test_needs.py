"""A test says what it needs that is not here, and the script that installs it knows all that any test needs."""

import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.needs import awaited, need, running
from tests.strategies import ROOT

SCRIPT = ROOT / "tests" / "packages.sh"


def test_a_command_that_is_here_is_found() -> None:
    assert Path(need("sh")).name == "sh"


@pytest.mark.parametrize(("ci", "ending"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_without_a_command_a_test_is_skipped_loudly_and_in_ci_it_fails(
    monkeypatch: pytest.MonkeyPatch, ci: str, ending: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(ending, match=r"there is no frobnicate here: run tests/packages\.sh as root, or .* frobnix"):
        need("frobnicate", "frobnix")


def test_the_script_installs_whatever_a_test_needs() -> None:
    known = set(re.findall(r"^([\w-]+) +[\w-]+$", SCRIPT.read_text("utf-8"), re.MULTILINE))
    texts = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    told = "".join(text for text in texts if "from tests.needs import" in text)
    needed = set(re.findall(r"\bneed\(\"([\w-]+)\"", told))
    assert {"redis-server", "haproxy"} <= needed <= known


def script(folder: Path, missing: str, user: int) -> "subprocess.CompletedProcess[str]":
    """Run the script where a command is missing, with an apt-get that writes down how it was called."""
    (folder / "tests").mkdir()
    text = SCRIPT.read_text("utf-8").replace(f"\n{missing} ", "\nno-such-command ")
    text = text.replace("/usr/sbin/policy-rc.d", str(folder / "policy-rc.d"))
    (folder / "tests" / "packages.sh").write_text(text, "utf-8")
    tools = folder / "tools"
    tools.mkdir()
    policy = f"[ -x '{folder}/policy-rc.d' ] && echo quiet"
    for name, body in {
        "apt-get": f'echo "$@" >>"{folder}/called"; {policy} >>"{folder}/called"',
        "id": f"echo {user}",
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{body}\n", "utf-8")
        (tools / name).chmod(0o755)
    environ = {"PATH": f"{tools}:/usr/bin:/bin", "PYTHON": sys.executable}
    bash = shutil.which("bash") or "bash"
    command = [bash, str(folder / "tests" / "packages.sh")]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=True)


def test_the_script_installs_what_is_missing_and_lets_no_service_start(tmp_path: Path) -> None:
    script(tmp_path, "haproxy", user=0)
    update, _, install, quiet = (tmp_path / "called").read_text("utf-8").splitlines()
    assert update.startswith("update")
    assert install.startswith("install ")
    assert "haproxy" in install.split()
    assert quiet == "quiet", "what forbids services to start is there"
    assert not (tmp_path / "policy-rc.d").exists()


def test_the_script_says_what_is_missing_to_those_who_cannot_install(tmp_path: Path) -> None:
    done = script(tmp_path, "haproxy", user=1000)
    assert re.search(r"On Debian: sudo apt-get install .*\bhaproxy\b", done.stderr)
    assert not (tmp_path / "called").exists()


def test_a_process_ends_with_its_block_and_so_does_what_it_started(tmp_path: Path) -> None:
    with running(["sh", "-c", "sleep 60 & echo child $!; wait"], tmp_path / "log") as started:
        child = int(started.said("child").split()[1])
    assert started.process.returncode == -signal.SIGKILL

    def gone() -> bool:
        try:
            return Path(f"/proc/{child}/stat").read_text("utf-8").rpartition(")")[2].split()[0] == "Z"
        except (FileNotFoundError, ProcessLookupError):
            return True

    awaited(gone, "the child is gone", patience=5)
