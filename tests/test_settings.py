"""Every setting can be given on the command line, in the environment and in pyproject.toml, in this order."""

from dataclasses import FrozenInstanceError, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from mockserver.api import default, make_settings, options
from mockserver.apis.llamacloud_chat.pack import ChatSettings
from mockserver.cli import main, serve
from mockserver.errors import UsageError
from mockserver.pyproject import read_pyproject
from mockserver.settings import SOURCES, Settings

NAMES = [option.name for option in options(default())]
"""The settings of the mock, then those of the chat."""

OWN = [field.name for field in fields(ChatSettings)]

GIVEN: dict[str, tuple[str, Any, str]] = {
    "host": ("0.0.0.0", "0.0.0.0", '"0.0.0.0"'),  # noqa: S104  # only read
    "port": ("4711", 4711, "4711"),
    "api": ("llamacloud-chat", "llamacloud-chat", '"llamacloud-chat"'),
    "contract": ("2.8", "2.8", '"2.8"'),
    "answers": ("generated", "generated", '"generated"'),
    "dynamic": ("true", True, "true"),
    "echo": ("false", False, "false"),
    "callbacks": ("true", True, "true"),
    "callback_hosts": ("hooks.test", "hooks.test", '"hooks.test"'),
    "strict_accept": ("true", True, "true"),
    "fixtures": ("my/answers", Path("my/answers"), '"my/answers"'),
    "seed": ("-5", -5, "-5"),
    "locale": ("de_DE", "de_DE", '"de_DE"'),
    "clock": ("2026-04-22T12:34:41", datetime(2026, 4, 22, 12, 34, 41), "2026-04-22T12:34:41"),
    "store": ("sqlite:///my.db", "sqlite:///my.db", '"sqlite:///my.db"'),
    "state": ("my/state.jsonl", "my/state.jsonl", '"my/state.jsonl"'),
    "max_records": ("5", 5, "5"),
    "max_scopes": ("6", 6, "6"),
    "max_record_bytes": ("60", 60, "60"),
    "max_store_bytes": ("61", 61, "61"),
    "strict": ("true", True, "true"),
    "strict_contract": ("true", True, "true"),
    "allow_remote_refs": ("true", True, "true"),
    "refusals": ("problem", "problem", '"problem"'),
    "invalid": ("warn", "warn", '"warn"'),
    "formats": ("annotate", "annotate", '"annotate"'),
    "keep_alive": ("0", 0.0, "0"),
    "play": ("my/play.py", Path("my/play.py"), '"my/play.py"'),
    "stubs": ("my/stubs.yaml", Path("my/stubs.yaml"), '"my/stubs.yaml"'),
    "max_stub_bytes": ("64", 64, "64"),
    "journal": ("my/journal.jsonl", Path("my/journal.jsonl"), '"my/journal.jsonl"'),
    "journal_size": ("8", 8, "8"),
    "journal_bytes": ("62", 62, "62"),
    "journal_body": ("9", 9, "9"),
    "redacted_names": ("pin, x-mine", "pin, x-mine", '"pin, x-mine"'),
    "shown_names": ("x-api-key", "x-api-key", '"x-api-key"'),
    "control": ("false", False, "false"),
    "control_remote": ("true", True, "true"),
    "control_hosts": ("mock.example, b", "mock.example, b", '"mock.example, b"'),
    "control_token": ("mock.example, b", "mock.example, b", '"mock.example, b"'),
    "metrics": ("true", True, "true"),
    "tls": ("true", True, "true"),
    "tls_cert": ("my/server.pem", Path("my/server.pem"), '"my/server.pem"'),
    "tls_key": ("my/key.pem", Path("my/key.pem"), '"my/key.pem"'),
    "workers": ("2", 2, "2"),
    "api_key": ("secret", "secret", '"secret"'),
    "auth": ("false", False, "false"),
    "cors": ("false", False, "false"),
    "cors_origin": ("http://a, http://b", "http://a, http://b", '"http://a, http://b"'),
    "max_body": ("99", 99, "99"),
    "max_in_flight": ("63", 63, "63"),
    "head_timeout": ("0.5", 0.5, "0.5"),
    "body_timeout": ("0.5", 0.5, "0.5"),
    "shutdown_timeout": ("2", 2, "2"),
    "watch": ("true", True, "true"),
    "quiet": ("true", True, "true"),
    "log_format": ("json", "json", '"json"'),
    "title_length": ("7", 7, "7"),
    "title_rule": ("verbatim", "verbatim", '"verbatim"'),
    "unknown_sessions": ("404", "404", '"404"'),
    "locked_status": ("409", "409", "409"),
    "missing_indexes": ("idx-a, idx-b", "idx-a, idx-b", '"idx-a, idx-b"'),
    "stream": ("json", "json", '"json"'),
    "stream_delay": ("0.25", 0.25, "0.25"),
    "stream_rate": ("40", 40.0, "40"),
    "stream_jitter": ("1", 1.0, "1"),
}
"""Setting -> its value as text, as it is taken, and as TOML."""

FILES = ("fixtures", "play", "stubs", "journal", "tls_cert", "tls_key")
"""The settings that are looked for from the folder of pyproject.toml."""


def flag(name: str) -> list[str]:
    text, taken, _ = GIVEN[name]
    option = name.replace("_", "-")
    if isinstance(taken, bool):
        return [f"--{option}" if taken else f"--no-{option}"]
    return [f"--{option}", text]


def variable(name: str) -> str:
    return f"MOCKSERVER_{name.upper()}"


def parsed(arguments: list[str], folder: Path | None = None) -> Settings:
    """Give the settings that the command would serve with, called with `arguments` in `folder`."""
    default_map = read_pyproject(folder) if folder is not None else {}
    with serve.make_context("serve", list(arguments), default_map=default_map) as context:
        return make_settings(context.params)


def value(settings: Settings, name: str) -> Any:
    """Give a setting by its name, whether it is the mock's or the chat's."""
    return getattr(settings.own if name in OWN else settings, name)


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(variable(name), raising=False)


def pyproject(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text("[tool.mockserver]\n" + text + "\n", "utf-8")
    return folder


def test_every_setting_is_tried_here() -> None:
    assert list(GIVEN) == NAMES


def test_nothing_said_gives_the_defaults() -> None:
    assert parsed([]) == Settings(own=ChatSettings())


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_is_an_option(name: str) -> None:
    assert value(parsed(flag(name)), name) == GIVEN[name][1] != value(Settings(own=ChatSettings()), name)


@pytest.mark.parametrize("name", NAMES)
def test_a_setting_is_an_environment_variable(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable(name), GIVEN[name][0])
    assert value(parsed([]), name) == GIVEN[name][1]


@pytest.mark.parametrize("style", ["_", "-"])
@pytest.mark.parametrize("name", NAMES)
def test_a_setting_is_a_key_of_pyproject(name: str, style: str, tmp_path: Path) -> None:
    pyproject(tmp_path, f"{name.replace('_', style)} = {GIVEN[name][2]}")
    taken = value(parsed([], tmp_path), name)
    expected = tmp_path / GIVEN[name][1] if name in FILES else GIVEN[name][1]
    if name == "store":  # a file is looked for from the folder of pyproject.toml
        expected = GIVEN[name][1].replace("sqlite:///", f"sqlite:///{tmp_path}/")
    if name == "state":
        expected = f"{tmp_path}/{GIVEN[name][1]}"
    assert taken == expected
    assert type(taken) is type(expected)


def test_the_command_line_wins_over_the_environment_over_pyproject(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyproject(tmp_path, "port = 1\nseed = 1\ntitle_length = 1\nauth = false")
    monkeypatch.setenv("MOCKSERVER_PORT", "2")
    monkeypatch.setenv("MOCKSERVER_SEED", "2")
    monkeypatch.setenv("MOCKSERVER_AUTH", "true")
    found = parsed(["--port", "3"], tmp_path)
    assert (found.port, found.seed, found.own.title_length, found.auth) == (3, 2, 1, True)
    assert parsed(["--no-auth"], tmp_path).auth is False


def test_the_nearest_pyproject_counts(tmp_path: Path) -> None:
    pyproject(tmp_path, "port = 1")
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert parsed([], below).port == 1
    pyproject(tmp_path / "a", "port = 2")
    assert parsed([], below).port == 2


def test_a_pyproject_without_the_table_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.other]\nport = 1\n", "utf-8")
    assert read_pyproject(tmp_path) == {}


def test_an_unknown_key_is_refused_with_those_that_there_are(tmp_path: Path) -> None:
    pyproject(tmp_path, "zebra = 1")
    with pytest.raises(UsageError, match="there is no setting 'zebra'") as caught:
        read_pyproject(tmp_path)
    assert caught.value.where == f"[tool.mockserver] in {tmp_path / 'pyproject.toml'}"
    assert all(name in caught.value.fix for name in NAMES)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("wrong", "right"), [("prot", "port"), ("title-lenght", "title_length")])
def test_a_misspelt_key_is_refused_with_the_one_that_is_meant(tmp_path: Path, wrong: str, right: str) -> None:
    pyproject(tmp_path, f"{wrong} = 1")
    with pytest.raises(UsageError) as caught:
        read_pyproject(tmp_path)
    assert caught.value.fix == f"did you mean {right!r}?"


@pytest.mark.parametrize(
    "text", ["[tool.mockserver", "[tool]\nmockserver = 5", "tool = 5"], ids=["no TOML", "number", "tool"]
)
def test_a_pyproject_that_cannot_be_read_is_refused_with_its_place(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text, "utf-8")
    with pytest.raises(UsageError) as caught:
        read_pyproject(tmp_path)
    assert caught.value.where == str(tmp_path / "pyproject.toml")


def test_what_is_named_in_pyproject_is_found_from_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "answers").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "state.jsonl").touch()
    pyproject(tmp_path, 'fixtures = "answers"\nstate = "strict,state.jsonl"')
    monkeypatch.chdir(tmp_path / "src")
    found = parsed([], Path.cwd())
    assert found.fixtures is not None
    assert found.fixtures.is_dir()
    assert found.memory == "strict"
    assert found.saved_state is not None
    assert found.saved_state.is_file()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--port", "65536"], "65535"),
        (["--port", "-1"], "65535"),
        (["--port", "x"], "x"),
        (["--answers", "random"], "simulated"),
        (["--seed", "1.5"], "1.5"),
        (["--clock", "noon"], "2026-04-22T12:34:41.342245"),
        (["--title-length", "0"], "x>=1"),
        (["--max-body", "-1"], "x>=0"),
        (["--body-timeout", "-1"], "x>=0"),
        (["--max-records", "0"], "x>=1"),
        (["--max-scopes", "0"], "x>=1"),
        (["--unknown-sessions", "maybe"], "'adopt', '404'"),
        (["--locked-status", "418"], "'400', '403', '409', '422'"),
        (["--stream", "xml"], "'sse', 'json'"),
        (["--stream-delay", "-0.1"], "x>=0"),
        (["--stream-rate", "-1"], "x>=0"),
        (["--stream-rate", "fast"], "fast"),
        (["--stream-jitter", "1.1"], "0<=x<=1"),
        (["--keep-alive", "-1"], "x>=0"),
        (["--workers", "0"], "x>=1"),
        (["--workers", "1.5"], "1.5"),
        (["--bogus"], "--bogus"),
        (["extra"], "extra"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_a_value_that_cannot_be_meant_is_refused_with_what_can(arguments: list[str], text: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        parsed(arguments)
    assert caught.value.exit_code == 2
    assert text in caught.value.format_message()


@pytest.mark.parametrize(
    "moment", ["2026-04-22T12:34:41.342245", "2026-04-22", "2026-04-22T12:34:41+02:00", "2026-04-22T12:34:41Z"]
)
def test_a_clock_is_given_in_iso_8601(moment: str) -> None:
    assert parsed(["--clock", moment]).clock == datetime.fromisoformat(moment)


def test_help_explains_every_option() -> None:
    text = " ".join(CliRunner().invoke(main, ["serve", "--help"]).output.split())
    for field in options(default()):
        assert f"--{field.name.replace('_', '-')}" in text
        assert field.metadata["help"] in text
        assert all(choice in text for choice in field.metadata.get("choices", ()))
    assert all(source in text for source in SOURCES)


def test_settings_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]  # what is shown not to work
