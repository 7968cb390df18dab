"""The command works however it was installed: bare, or with one of the extras."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from mockserver.cli import CHECKS, EXTRAS
from mockserver.errors import install_command
from tests.needs import need, running
from tests.project.installations import installed, run
from tests.redis_server import RedisServer
from tests.strategies import ROOT

EACH = ["", "testing", "check", "proxy", "redis", "templates", "mcp"]
ANY = pytest.mark.parametrize("extra", EACH, ids=lambda extra: extra or "bare")

COMMANDS = ("serve", "run", *CHECKS)
NEEDY = tuple(name for name, lazy in CHECKS.items() if lazy.extra)
"""The commands that need an extra."""

CLIENT = """
import json, os, urllib.request
url = os.environ["MOCKSERVER_URL"] + "/api/v1/chat/ses-abc123/title"
body = json.dumps({"first_message": "Hello"}).encode()
headers = {"authorization": "Bearer any-key", "content-type": "application/json"}
urllib.request.urlopen(urllib.request.Request(url, body, headers)).read()
"""
"""A client in Python without any package."""


def packages(extra: str) -> set[str]:
    """Give the names of the packages that an extra brings."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    return {re.split(r"[^\w-]", each)[0] for each in extras.get(extra, ())}


def lacking(name: str, extra: str) -> list[str]:
    """Give the modules that a command lacks where an extra is installed."""
    needed = EXTRAS.get(CHECKS[name].extra, ()) if name in CHECKS else ()
    return [each for each in needed if each not in packages(extra)]


def command(extra: str, *arguments: str | Path, folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the command of an environment; it never ends in a traceback."""
    done = run([installed(extra) / "mockserver", *arguments], folder, **variables)
    assert "Traceback" not in done.stdout + done.stderr, (arguments, done.stderr)
    return done


# -- help ------------------------------------------------------------------------------------------------------------


@ANY
def test_every_command_has_its_help(extra: str, tmp_path: Path) -> None:
    for name in COMMANDS:
        done = command(extra, name, "--help", folder=tmp_path)
        assert (done.returncode, done.stderr) == (0, ""), name
        assert done.stdout.startswith(f"Usage: mockserver {name} "), name
        lacks = bool(lacking(name, extra))
        assert ("pip install" in done.stdout) == lacks, name
        if lacks:
            assert install_command(CHECKS[name].extra) in done.stdout
            assert CHECKS[name].short_help in done.stdout


@ANY
def test_the_list_of_commands_says_what_each_does_and_which_extra_it_lacks(extra: str, tmp_path: Path) -> None:
    done = command(extra, "--help", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    listed = " ".join(done.stdout.split())
    for name in COMMANDS:
        assert re.search(rf"^  {name}  +[A-Z]", done.stdout, re.MULTILINE), name
    for name, lazy in CHECKS.items():
        assert f" {name} {lazy.short_help}" in listed
        assert (f"{lazy.short_help} (needs the extra {lazy.extra})" in listed) == bool(lacking(name, extra))


@ANY
def test_without_arguments_the_command_shows_the_three_ways_in(extra: str, tmp_path: Path) -> None:
    done = command(extra, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(way in done.stdout for way in ("mockserver serve", "pytest", "mockserver check"))


@ANY
def test_python_runs_the_module_as_the_command(extra: str, tmp_path: Path) -> None:
    version = command(extra, "--version", folder=tmp_path)
    assert (version.returncode, version.stderr) == (0, "")
    assert re.fullmatch(r"mockserver, version \d+\.\d+\.\d+\n", version.stdout)
    python: list[str | Path] = [installed(extra) / "python", "-m", "mockserver"]
    assert run([*python, "--version"], tmp_path).stdout == version.stdout
    assert run([*python, "check", "--help"], tmp_path).stdout.startswith("Usage: python -m mockserver check ")


def test_to_list_the_commands_loads_none_of_those_that_check(tmp_path: Path) -> None:
    code = "import sys, atexit; from mockserver.cli import start; atexit.register(lambda: print(*sys.modules)); start()"
    done = run([installed("check") / "python", "-c", code, "--help"], tmp_path)
    assert "Count how much of a contract" in done.stdout
    loaded = done.stdout.splitlines()[-1].split()
    assert "mockserver.cli" in loaded
    assert [name for name in loaded if name.startswith(("mockserver.check", "hypothesis", "httpx"))] == []


# -- a missing extra -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", ["", "testing", "redis"], ids=lambda extra: extra or "bare")
@pytest.mark.parametrize("name", NEEDY)
def test_a_command_without_its_extra_says_which_to_install(extra: str, name: str, tmp_path: Path) -> None:
    modules, needed = lacking(name, extra), CHECKS[name].extra
    if not modules:
        assert (needed, extra) == ("proxy", "testing"), "which brings the same client of HTTP"
        return
    done = command(extra, name, "http://127.0.0.1:1", "--read-only", folder=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    what, where, why, fix = done.stderr.splitlines()
    assert what == f"mockserver: the command {name} needs the extra {needed}, which is not installed"
    assert where == f"  where: mockserver {name}"
    assert why.startswith(f"  why: there is no module {' and no '.join(modules)} in ")
    assert fix == f"  fix: {install_command(needed)}"


@pytest.mark.parametrize("extra", ["", "testing", "check"], ids=lambda extra: extra or "bare")
def test_a_store_without_its_extra_says_which_to_install(extra: str, tmp_path: Path) -> None:
    done = command(extra, "serve", "--port", "0", "--store", "redis://127.0.0.1:1", folder=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert "needs the extra redis" in done.stderr.splitlines()[0]
    assert done.stderr.splitlines()[-1] == "  fix: pip install 'llamacloud-mockserver[redis]'"


def test_a_template_without_its_extra_says_which_to_install(tmp_path: Path) -> None:
    done = command("", "serve", "--port", "0", "--fixtures", template(tmp_path), folder=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert "needs the extra templates" in done.stderr.splitlines()[0]
    assert done.stderr.splitlines()[-1] == "  fix: pip install 'llamacloud-mockserver[templates]'"


def test_a_certificate_is_made_with_the_extra_tls_and_without_it_the_command_says_what_to_install(
    tmp_path: Path,
) -> None:
    done = command("", "serve", "--port", "0", "--tls", folder=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[0] == "mockserver: a certificate is made by the extra tls, which is not installed"
    assert f"  fix: {install_command('tls')}, or name" in done.stderr
    (tmp_path / "client.py").write_text(CLIENT, "utf-8")
    done = command("tls", "run", "--tls", "--", str(installed("tls") / "python"), "client.py", folder=tmp_path)
    assert done.returncode == 0, done.stderr


def test_requests_are_counted_with_the_extra_metrics_and_without_it_the_command_says_what_to_install(
    tmp_path: Path,
) -> None:
    done = command("", "serve", "--port", "0", "--metrics", folder=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines()[0] == "mockserver: metrics need the extra metrics, which is not installed"
    assert done.stderr.splitlines()[-1] == f"  fix: {install_command('metrics')}"
    ask = "print(urllib.request.urlopen(os.environ['MOCKSERVER_URL'] + '/__mock__/metrics').read().decode())"
    (tmp_path / "client.py").write_text(f"{CLIENT}\n{ask}\n", "utf-8")
    python = str(installed("metrics") / "python")
    done = command("metrics", "run", "--metrics", "--", python, "client.py", folder=tmp_path)
    assert (done.returncode, "mockserver_requests_total{" in done.stdout) == (0, True), done.stderr


def template(folder: Path) -> str:
    """Write a canned title that is filled in; gives the folder of the fixtures."""
    path = folder / "fixtures" / "set_title" / "200.json"
    path.parent.mkdir(parents=True)
    body = {
        "session_id": "{{ path.session_id }}",
        "generated_title": "{{ body.first_message | upper }}",
        "last_updated_at": "{{ now }}",
        "job_metadata": None,
        "index_ids": None,
    }
    path.write_text(json.dumps({"template": True, "body": body}), "utf-8")
    return "fixtures"


def test_the_command_knows_what_an_extra_brings() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for extra, modules in EXTRAS.items():
        assert sorted(packages(extra)) == sorted(modules)
        assert install_command(extra) == f"pip install '{project['name']}[{extra}]'"
    assert {lazy.extra for lazy in CHECKS.values()} - {""} == EXTRAS.keys()


# -- with what is installed, it works --------------------------------------------------------------------------------


def test_what_a_program_sends_is_reported_and_counted_without_any_extra(tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text(CLIENT, "utf-8")
    program = [str(installed() / "python"), "client.py"]
    kept = ("--journal", "journal.jsonl", "--report", "json=report.json", "--coverage")
    done = command("", "run", *kept, "--", *program, folder=tmp_path)
    assert (done.returncode, (tmp_path / "report.json").is_file()) == (0, True), done.stderr
    done = command("", "coverage", "journal.jsonl", "--report", "markdown", folder=tmp_path)
    assert done.returncode == 0
    assert "set_title" in done.stdout


def test_a_server_is_checked_with_the_extra_check(tmp_path: Path) -> None:
    serve = [str(installed("check") / "mockserver"), "serve", "--port", "0", "--contract", "2.6"]
    with running(serve, tmp_path / "log") as server:
        url = re.search(r"http://[\d.:]+\d", server.said("ready at"))
        assert url is not None
        few = ("--operation", "set_title", "--examples", "1", "--no-state", "--quiet")
        done = command("check", "check", url[0], *few, folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    done = command("check", "mutants", "no-such-server", folder=tmp_path)
    assert (done.returncode, "in the catalogue" in done.stderr) == (2, True)


def test_a_test_has_the_fixture_with_the_extra_testing(tmp_path: Path) -> None:
    (tmp_path / "test_title.py").write_text(
        "def test_title(mockserver):\n"
        "    client = mockserver.http_client(headers={'authorization': 'Bearer any-key'})\n"
        "    answer = client.post('/api/v1/chat/ses-abc123/title', json={'first_message': 'Hello'})\n"
        "    assert answer.json()['generated_title'] == 'Hello...'\n",
        "utf-8",
    )
    done = run([installed("testing") / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider"], tmp_path)
    assert (done.returncode, "1 passed" in done.stdout) == (0, True), done.stdout + done.stderr


def test_a_server_keeps_its_sessions_in_redis_with_the_extra_redis(tmp_path: Path) -> None:
    need("redis-server")
    redis = RedisServer(str(tmp_path))
    try:
        (tmp_path / "client.py").write_text(CLIENT, "utf-8")
        program = [str(installed("redis") / "python"), "client.py"]
        done = command("redis", "run", "--store", redis.url, "--", *program, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    finally:
        redis.stop()


def test_a_template_is_filled_in_with_the_extra_templates(tmp_path: Path) -> None:
    client = CLIENT.replace("urllib.request.urlopen(", "answer = urllib.request.urlopen(")
    (tmp_path / "client.py").write_text(f"{client}\nprint(answer.decode())\n", "utf-8")
    program = [str(installed("templates") / "python"), "client.py"]
    given = ("--fixtures", template(tmp_path), "--answers", "canned")
    done = command("templates", "run", *given, "--", *program, folder=tmp_path)
    assert (done.returncode, '"generated_title":"HELLO"' in done.stdout) == (0, True), done.stdout + done.stderr


# -- completion ------------------------------------------------------------------------------------------------------


def completed(extra: str, line: str, folder: Path) -> list[str]:
    """Complete the last word of a line as bash does."""
    words = line.split(" ")
    asked = {"_MOCKSERVER_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = command(extra, folder=folder, **asked)
    assert (done.returncode, done.stderr) == (0, "")
    return [each.removeprefix("plain,") for each in done.stdout.split()]


@ANY
def test_a_shell_completes_commands_options_and_packs(extra: str, tmp_path: Path) -> None:
    assert completed(extra, "mockserver c", tmp_path) == ["check", "check-client", "coverage"]
    assert {"--store", "--state", "--strict"} <= set(completed(extra, "mockserver serve --st", tmp_path))
    assert completed(extra, "mockserver serve --sto", tmp_path) == ["--store"]
    assert completed(extra, "mockserver serve --api l", tmp_path) == ["llamacloud-chat"]
    assert completed(extra, "mockserver drift --api ", tmp_path) == ["llamacloud-chat", "resources", "none"]
    assert ("--examples" in completed(extra, "mockserver check --ex", tmp_path)) == (extra == "check")


def test_what_is_wrong_does_not_disturb_a_line_that_is_completed(tmp_path: Path) -> None:
    assert completed("", "mockserver serve --api no-such-pack --see", tmp_path) == ["--seed"]
    (tmp_path / "pyproject.toml").write_text("[tool.mockserver]\nno-such-option = 1\n", "utf-8")
    assert completed("", "mockserver serve --see", tmp_path) == ["--seed"]


def test_the_pack_in_force_says_which_options_are_completed(tmp_path: Path) -> None:
    assert completed("", "mockserver serve --title", tmp_path) == ["--title-length", "--title-rule"]
    assert completed("", "mockserver serve --api none --title", tmp_path) == []


def test_bash_takes_the_script_of_the_completion(tmp_path: Path) -> None:
    path = f"{installed()}:{Path(need('bash')).parent}:/usr/bin:/bin"
    script = 'eval "$(_MOCKSERVER_COMPLETE=bash_source mockserver)"; complete -p mockserver'
    done = run(["bash", "-c", script], tmp_path, PATH=path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "-F _mockserver_completion mockserver" in done.stdout
