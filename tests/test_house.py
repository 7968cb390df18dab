"""The house stays as it was built: tiers, import weight, sizes, and nothing that stands in no document."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import click
import pytest

from mockserver.app import EXPOSED
from mockserver.cli import main
from mockserver.settings import Settings
from tests.strategies import ROOT

PACKAGE = ROOT / "mockserver"
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))

TIERS = {
    "errors": 0,
    "exchange": 0,
    "clock": 0,
    "data": 0,
    "wire": 0,
    "uvicorn_server": 0,
    "live": 0,
    "settings": 1,
    "schema": 1,
    "scopes": 1,
    "limits": 1,
    "fields": 1,
    "guard": 1,
    "matching": 1,
    "stores": 1,
    "tables": 1,
    "contract": 2,
    "generate": 2,
    "models": 2,
    "prefer": 2,
    "journal": 2,
    "transport": 2,
    "store_memory": 2,
    "store_sqlite": 2,
    "store_redis": 2,
    "eras": 3,
    "fixtures": 3,
    "turns": 3,
    "validate": 3,
    "breaking": 3,
    "verify": 3,
    "har": 3,
    "shelves": 3,
    "answers": 4,
    "faults": 4,
    "recorder": 4,
    "shelf_sqlite": 4,
    "shelf_redis": 4,
    "state": 4,
    "sessions": 5,
    "simulation": 5,
    "seal": 5,
    "planned": 5,
    "plan": 6,
    "quick": 6,
    "engine": 7,
    "app": 8,
    "watch": 8,
    "desk": 8,
    "acts": 9,
    "remote": 9,
    "facades": 9,
    "control": 10,
    "serving": 11,
    "testing": 12,
    "suite": 13,
    "runner": 13,
    "pytest_plugin": 14,
    "cli": 14,
}
"""A file imports only files of a lower tier, or of its own without a circle."""

ABOVE = {"__init__", "__main__"}


_context = click.Context(main)
COMMANDS = {name: found for name in main.list_commands(_context) if (found := main.get_command(_context, name))}
"""All commands, those that check among them."""


@cache
def tree(module: str) -> ast.Module:
    return ast.parse((PACKAGE / f"{module}.py").read_text("utf-8"))


def imported(node: ast.AST) -> Iterator[str]:
    """Give the full names of the modules that are imported in and below a node."""
    for each in ast.walk(node):
        if isinstance(each, ast.Import):
            yield from (alias.name for alias in each.names)
        elif isinstance(each, ast.ImportFrom):
            assert each.level == 0, "imports name their module in full"
            yield each.module or ""
            if each.module == "mockserver":
                yield from (f"mockserver.{alias.name}" for alias in each.names)


def own_imports(module: str) -> set[str]:
    """Give the modules of the package that a module imports, at its top or in a function."""
    names = (name for name in imported(tree(module)) if name.startswith("mockserver."))
    return {name.split(".")[1] for name in names}


def used(module: str) -> set[str]:
    """Give the packages that a module loads when it runs; what it names for types alone is left out."""
    body = [each for each in tree(module).body if not ast.unparse(each).startswith("if TYPE_CHECKING:")]
    return {name.split(".")[0] for each in body for name in imported(each)}


def documents() -> str:
    """Give all that is written for users."""
    return "\n".join(path.read_text("utf-8") for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))))


def run(code: str, *arguments: str) -> str:
    """Run code in a fresh interpreter; gives what it prints."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True).stdout


# -- tiers -----------------------------------------------------------------------------------------------------------


def test_every_module_has_its_tier() -> None:
    assert set(TIERS) == set(MODULES) - ABOVE


def test_the_page_on_architecture_has_the_same_tiers() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    assert {name: int(tier) for tier, name in re.findall(r"^\| (\d+) \| `(\w+)` \|", text, re.MULTILINE)} == TIERS


@pytest.mark.parametrize("module", sorted(TIERS))
def test_a_module_imports_only_its_own_tier_and_lower_ones(module: str) -> None:
    too_high = {name: TIERS[name] for name in own_imports(module) if TIERS[name] > TIERS[module]}
    assert not too_high, f"{module} stands on tier {TIERS[module]}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = {module: own_imports(module) for module in MODULES}
    while free := [module for module, needs in left.items() if not needs & left.keys()]:
        for module in free:
            del left[module]
    assert left == {}


def test_only_the_entry_points_import_the_command() -> None:
    assert [module for module in MODULES if "cli" in own_imports(module)] == ["__main__"]


@pytest.mark.parametrize(
    ("name", "rooms"),
    [
        ("socket", {"live", "uvicorn_server", "wire"}),
        ("asyncio", {"app", "uvicorn_server", "wire"}),
        ("time", {"app", "clock", "store_sqlite", "transport"}),
        ("uvicorn", {"live", "uvicorn_server"}),
        ("starlette", {"acts", "app", "control"}),
        ("httpx", {"remote", "testing", "transport"}),
        ("pytest", {"pytest_plugin"}),
        ("jsonschema_rs", {"matching", "schema"}),
        ("jsonschema", {"schema"}),
        ("pydantic_core", {"models"}),
        ("faker", {"generate"}),
        ("yaml", {"schema"}),
        ("click", {"cli"}),
        ("sqlite3", {"shelf_sqlite", "store_sqlite"}),
        ("watchfiles", {"watch"}),
    ],
)
def test_what_waits_and_what_is_borrowed_has_its_room(name: str, rooms: set[str]) -> None:
    found = {module for module in MODULES if name in used(module)}
    assert found == rooms


def test_nothing_draws_from_the_chance_of_the_whole_process() -> None:
    for module in MODULES:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.ImportFrom) and node.module == "random":
                assert [alias.name for alias in node.names] == ["Random"], module
            assert not (isinstance(node, ast.Import) and any(alias.name == "random" for alias in node.names)), module


def test_the_package_itself_has_no_facade() -> None:
    assert list(imported(tree("__init__"))) == []


# -- import weight ---------------------------------------------------------------------------------------------------

SERVE_ONE = """
import asyncio, sys
from mockserver.app import App
from mockserver.control import Control
from mockserver.engine import Mock
from mockserver.settings import Settings

mock = Mock(Settings(seed=1))
app = App(mock, control=Control(mock))
sent = []

async def receive():
    return {"type": "http.request", "body": b'{"first_message": "x"}', "more_body": False}

async def send(message):
    sent.append(message)

scope = {
    "type": "http", "method": "POST", "path": "/api/v1/chat/ses-abc123/title", "query_string": b"",
    "raw_path": b"/api/v1/chat/ses-abc123/title",
    "headers": [
        (b"authorization", b"Bearer k"), (b"content-type", b"application/json"), (b"content-length", b"22"),
    ],
}
asyncio.run(app(scope, receive, send))
assert sent[0]["status"] == 200, sent
print(*sys.modules)
"""

HEAVY = {"hypothesis", "faker", "pydantic_core", "jsonschema", "pytest", "starlette", "uvicorn", "click", "watchfiles"}


def test_importing_the_package_loads_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import mockserver; print(*set(sys.modules) - before)"
    assert run(code).split() == ["mockserver"]


def test_serving_a_title_loads_nothing_that_it_does_not_use() -> None:
    loaded = {name.split(".")[0] for name in run(SERVE_ONE).split()}
    assert loaded & HEAVY == set()
    assert "jsonschema_rs" in loaded


def test_the_command_line_loads_the_engine_only_when_it_serves() -> None:
    loaded = set(run("import sys; import mockserver.cli; print(*sys.modules)").split())
    assert not loaded & {"mockserver.engine", "mockserver.schema", "jsonschema_rs", "yaml", "uvicorn", "starlette"}


# -- sizes -----------------------------------------------------------------------------------------------------------


def sources() -> list[Path]:
    return [*sorted(PACKAGE.rglob("*.py")), ROOT / "hatch_build.py"]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.stem))
def test_a_module_has_at_most_400_lines_and_a_function_50(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 400
    functions = [each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {each.name: each.end_lineno - each.lineno + 1 for each in functions if each.end_lineno}
    assert {name: lines for name, lines in long.items() if lines > 50} == {}


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.stem))
def test_a_module_opens_with_one_sentence(path: Path) -> None:
    opening = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    assert re.match(r"[A-Z`].*[.:?]$", opening.splitlines()[0]), opening


def test_every_module_has_a_file_of_tests() -> None:
    tested = {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}
    elsewhere = {
        "desk",
        "facades",
        "remote",
        "suite",
        "uvicorn_server",
    }  # by test_testing, test_pytest_plugin, test_live
    elsewhere |= {"clock", "engine", "errors", "exchange", "data", "serving"}  # shown by what stands on them
    elsewhere |= {"store_memory", "store_sqlite", "store_redis", "tables"}  # all of them by the one law of test_stores
    elsewhere |= {"shelf_sqlite", "shelf_redis"}  # as shelves, by that of test_shelves
    elsewhere |= {"limits"}  # they are limits of the edge, and shown by test_app
    assert set(TIERS) - elsewhere - tested == set()


# -- documents -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_every_setting_stands_in_the_documents(name: str) -> None:
    text, option = documents(), name.replace("_", "-")
    assert re.search(rf"`--(no-)?{option}\b", text)
    assert f"`MOCKSERVER_{name.upper()}`" in text


def test_the_table_of_options_tells_the_defaults_in_order() -> None:
    text = (ROOT / "docs" / "serving.md").read_text("utf-8")
    rows = re.findall(r"^\| `--(?:no-)?([\w-]+)` \| `MOCKSERVER_(\w+)`[^|]*\| ([^|]+) \|", text, re.MULTILINE)
    assert [row[0] for row in rows] == [field.name.replace("_", "-") for field in fields(Settings)]
    told = {variable.lower(): default for _, variable, default in rows}
    assert list(told) == [field.name for field in fields(Settings)]
    for field in fields(Settings):
        if field.default is not None and not isinstance(field.default, bool):
            default = f"{field.default:g}" if isinstance(field.default, float) else str(field.default)
            assert told[field.name] == default


def test_no_option_is_documented_that_there_is_not() -> None:
    known = {
        option
        for command in COMMANDS.values()
        for each in command.params
        for option in (*each.opts, *each.secondary_opts)
    }
    plugin = ast.unparse(tree("pytest_plugin"))
    known |= set(re.findall(r"addoption\('(--[a-z-]+)'", plugin))
    told = set(re.findall(r"`mockserver [a-z-]+ .*?(--[a-z-]+)|`(--[a-z-]+)", documents()))
    assert {name for pair in told for name in pair if name} - known == set()


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_stands_in_the_documents(command: str) -> None:
    assert f"mockserver {command}" in documents()


def headers() -> set[str]:
    """Give the names of our own header fields, as they stand in the code."""
    code = "\n".join((PACKAGE / f"{module}.py").read_text("utf-8") for module in MODULES)
    return set(re.findall(r"\"(x-mock-[a-z]+)\"", code)) | {"preference-applied"}


SENT = {"x-mock-scope"}
"""The header fields of our own that a client sends."""


def test_every_header_of_our_own_stands_in_the_documents() -> None:
    assert len(headers()) >= 6
    assert {name for name in headers() if f"`{name}`" not in documents().lower()} == set()


def test_every_header_of_our_own_can_be_read_across_origins() -> None:
    assert headers() - SENT <= set(EXPOSED)


@pytest.mark.parametrize("wish", ["code", "example", "dynamic", "seed"])
def test_every_wish_stands_in_the_documents(wish: str) -> None:
    assert f"`{wish}`" in documents()
