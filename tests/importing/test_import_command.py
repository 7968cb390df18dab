"""The command: what it reads, what it refuses, how it ends."""

import json
from pathlib import Path

import pytest

from tests.commands import run
from tests.importing.shop import REX, archive, contract, entry, imports, serving


def test_the_command_that_is_told_serves_what_was_imported(tmp_path: Path) -> None:
    done = imports(tmp_path, archive(tmp_path, entry("GET", "/pets/1", answer=REX)))
    below = tmp_path / "imported"
    serve = f"serve them: mockserver serve --contract {tmp_path / 'shop.json'} --stubs {below / 'stubs.json'}"
    assert done.stdout.splitlines() == [
        f"1 stub and 1 fixture written into {below}; 0 not taken",
        f"{serve} --fixtures {below / 'fixtures'}",
    ]


def test_the_contract_is_that_of_serve_by_default(tmp_path: Path) -> None:
    done = run("import", archive(tmp_path, entry("GET", "/pets/1", answer=REX)), cwd=tmp_path)
    assert "the contract has no such path" in done.stdout
    assert done.returncode == 1
    (tmp_path / "pyproject.toml").write_text(f'[tool.mockserver]\ncontract = "{contract(tmp_path)}"\n')
    assert run("import", tmp_path / "traffic.har", cwd=tmp_path).returncode == 0


def test_nothing_taken_and_strictly_anything_left_ends_with_1(tmp_path: Path) -> None:
    given = archive(tmp_path, entry("GET", "/pets/1", answer=REX), entry("GET", "/logo.png"))
    command = ("import", given, "--contract", contract(tmp_path), "--into")
    assert run(*command, tmp_path / "a").returncode == 0
    assert run(*command, tmp_path / "b", "--strict").returncode == 1
    done = imports(tmp_path, archive(tmp_path, entry("GET", "/logo.png")))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "nothing was taken of 1; nothing is written")


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    given = archive(tmp_path, entry("GET", "/pets/1", answer=REX))
    imports(tmp_path, given)
    before = (tmp_path / "imported/stubs.json").read_bytes()
    done = imports(tmp_path, given)
    assert (done.returncode, (tmp_path / "imported/stubs.json").read_bytes()) == (2, before)
    assert "there is something already" in done.stderr


def test_what_the_contract_forbids_is_taken_when_it_is_allowed(tmp_path: Path) -> None:
    given = archive(tmp_path, entry("GET", "/pets/1", 500, {"oh": 1}), entry("GET", "/pets/2", answer={"id": 2}))
    command = ("import", given, "--contract", contract(tmp_path), "--into", tmp_path / "imported")
    assert run(*command, "--allow-invalid").returncode == 0
    with serving(tmp_path) as mock:
        answers = [mock.http_client().get(f"/pets/{number}") for number in (1, 2)]
        assert [(each.status_code, each.json()) for each in answers] == [(500, {"oh": 1}), (200, {"id": 2})]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is not JSON"),
        (b"{", "1:2"),
        (b"[1]", "the file is nothing that can be imported"),
        (b'{"log": {"entries": 5}}', "the file is nothing that can be imported"),
        (b"[" * 100_000, "nested deeper"),
        (b'\xff\xfe{"log"', "is not JSON"),
        (b"<har/>", "1:1"),
    ],
)
def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "odd.har").write_bytes(content)
    done = imports(tmp_path, tmp_path / "odd.har")
    assert (done.returncode, done.stdout) == (3, "")
    assert "odd.har" in done.stderr
    assert why in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_and_an_empty_folder_are_usage_errors(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert imports(tmp_path, tmp_path / "none.har").returncode == 2
    assert imports(tmp_path, tmp_path / "empty").returncode == 2


def test_names_on_the_way_never_reach_a_terminal_as_they_are(tmp_path: Path) -> None:
    done = imports(tmp_path, archive(tmp_path, entry("GET\x1b[2J", "/pets")))
    assert "\x1b" not in done.stdout
    assert json.dumps("\x1b")[1:-1].replace("u00", "x") in done.stdout
