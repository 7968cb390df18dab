"""A test says what it needs that is not here, and the script that installs it knows all that any test needs."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.needs import NOT_TESTED, awaited, need, running
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


def test_no_test_is_skipped_but_as_not_tested() -> None:
    for path in (ROOT / "tests").rglob("*.py"):
        text = path.read_text("utf-8")
        if path not in (Path(__file__), ROOT / "tests" / "needs.py"):
            assert not re.search(r"pytest\.(skip|importorskip)\(", text), path
            assert len(re.findall(r"mark\.skip", text)) == len(re.findall(rf'reason="{NOT_TESTED}: ', text)), path


CONFTEST = "from tests.conftest import pytest_itemcollected, pytest_terminal_summary"


def test_what_is_not_tested_is_counted_at_the_end_of_a_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile("""
        import pytest
        from tests.needs import need

        @pytest.mark.parametrize("number", range(2))
        def test_it(number):
            need("frobnicate", "frobnix")

        def test_another():
            need("sh")
    """)
    done = pytester.runpytest_inprocess()
    done.assert_outcomes(passed=1, skipped=2)
    done.stdout.fnmatch_lines(["*= 2 NOT TESTED =*", "2: there is no frobnicate here: run tests/packages.sh as root*"])


@pytest.mark.parametrize("reason", ["", "()", "('')", "('it is', 'long')"])
def test_a_test_is_thorough_for_a_reason(pytester: pytest.Pytester, reason: str) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nmarkers = thorough")
    pytester.makepyfile(f"""
        import pytest

        @pytest.mark.thorough{reason}
        def test_it(): ...
    """)
    done = pytester.runpytest_inprocess()
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*::test_it: say why it is thorough*"])


def test_what_is_thorough_is_left_out_by_configuration_and_run_by_make_test_all() -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    assert options["addopts"][-2:] == ["-m", "not thorough"]
    dry = ["make", "--dry-run", "--always-make", "--silent"]
    for target, expected in {"test": False, "test-all": True, "check": True}.items():
        done = subprocess.run([*dry, target], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
        (run,) = [line for line in done.stdout.splitlines() if " -m pytest " in line]
        assert (" -m ''" in run, "HYPOTHESIS_PROFILE=thorough" in run) == (expected, expected), run


def test_make_keeps_compiled_code_whatever_the_environment_says() -> None:
    show = "show: ; @echo $${PYTHONDONTWRITEBYTECODE-unset}"
    environ = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    command = ["make", "--silent", f"--eval={show}", "show"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "unset\n"


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
