"""The help: every option in a section, an example of every command, and what the command says alone."""

import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mockserver.api import choose, read_contracts
from mockserver.cli import main
from mockserver.errors import UsageError
from mockserver.settings import Settings, options_of
from mockserver.terminal.help import EXAMPLES, SECTIONS, WAYS
from tests import commands

_context = click.Context(main)
LINES = [line.strip() for line in WAYS.splitlines() if line.startswith("  mockserver")]
SHOWN = [*LINES, *(each for examples in EXAMPLES.values() for each in examples)]


def test_each_option_of_serving_is_in_one_section() -> None:
    placed = sorted(name for names in SECTIONS.values() for name in names)
    assert placed == sorted(each.name for each in options_of(Settings))


def test_each_command_has_an_example_that_its_help_shows_whole() -> None:
    assert sorted(EXAMPLES) == sorted(main.list_commands(_context))
    for name, examples in EXAMPLES.items():
        text = CliRunner().invoke(main, [name, "--help"], terminal_width=200).output
        assert all(f"\n    {each}\n" in text for each in examples), text


@pytest.mark.parametrize("line", SHOWN)
def test_a_command_that_is_shown_can_be_typed(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("openapi.yaml", "old.yaml", "journal.jsonl", "recording.har"):
        (tmp_path / name).write_text("")
    (tmp_path / "recorded").mkdir()
    name, *arguments = shlex.split(line)[1:]
    command = main.get_command(_context, name)
    assert command is not None
    with command.make_context(name, arguments) as parsed:  # a usage error where it cannot be
        assert parsed.args == []


def test_alone_it_shows_the_three_ways_in() -> None:
    done = commands.run()
    assert (done.returncode, done.stdout, done.stderr) == (0, WAYS, "")
    assert {line.split()[1] for line in LINES} == {"serve", "run", "check", "drift"}


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_no_help_is_cut_or_wider_than_the_terminal(columns: int) -> None:
    text = CliRunner().invoke(main, ["serve", "--help"], terminal_width=columns).output
    assert max(map(len, text.splitlines())) <= columns + 1
    assert " ".join("Whether no line is written for each request.".split()) in " ".join(text.split())
    listed = CliRunner().invoke(main, ["--help"], terminal_width=columns).output
    assert "..." not in listed.partition("Commands:")[2]


@pytest.mark.parametrize(
    ("name", "fix"),
    [
        ("2.7", "write --contract 2.6"),
        ("2.7.0", "write --contract 2.6"),
        ("2.19.0", "write --contract 2.17"),
        ("1.0", "or name a version"),
        ("nothing", "or name a version"),
    ],
)
def test_a_release_of_the_client_names_the_contract_that_serves_it(name: str, fix: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_contracts(name, choose("llamacloud-chat"))
    assert fix in raised.value.fix


def test_a_misspelt_document_names_the_one_beside_it(tmp_path: Path) -> None:
    (tmp_path / "openapi.yaml").write_text("{}")
    with pytest.raises(UsageError) as raised:
        read_contracts(str(tmp_path / "openapi.yml"), choose("none"))
    assert f"did you mean '{tmp_path / 'openapi.yaml'}'?" in raised.value.fix
