"""The house stays as it was built: tiers, import weight, sizes, and nothing that stands in no document."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from mockserver.api import default, options
from mockserver.cli import main, serve
from mockserver.server.asgi import EXPOSED
from tests.strategies import ROOT

PACKAGE = ROOT / "mockserver"

FLOORS = (
    ("errors", "messages", "clock", "data", "delivery", "sse", "settings"),
    ("redact",),
    ("contract", "terminal"),
    ("matching", "server", "store"),
    ("api",),
    ("request",),
    ("answer",),
    ("inspection", "journal", "pyproject"),
    ("stub",),
    ("endpoint", "play"),
    ("engine",),
    ("watch", "page"),
    ("control",),
    ("proxy",),
    ("testing",),
    ("check",),
    ("importing",),
    ("agents",),
    ("cli", "pytest_plugin"),
    ("apis",),
)
"""The rooms, lowest first: one imports only from floors below its own, or from its own without a circle."""

FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def room_of(module: str) -> str:
    """Name the room of a module: mockserver.contract.router -> contract."""
    return module.split(".")[1] if "." in module else ""


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


PATHS = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py")) if path.name != "__main__.py"}
"""Every module of the package."""

SERVING = sorted(each for each in PATHS if room_of(each) not in ("", "check", "apis"))

_context = click.Context(main)
_served = serve.make_context("serve", ["--api", default().name])
"""The context of a command that serves the chat."""
COMMANDS = {name: found for name in main.list_commands(_context) if (found := main.get_command(_context, name))}
"""All commands, those that check among them."""


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(PATHS[module].read_text("utf-8"))


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


@cache
def own_imports(module: str) -> set[str]:
    """Give the modules of the package that a module imports, at its top or in a function."""
    found = set()
    for name in imported(tree(module)):
        found |= {name} & PATHS.keys()
    return found - {"mockserver", module}


@cache
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


# -- rooms -----------------------------------------------------------------------------------------------------------


def test_every_room_has_its_floor() -> None:
    assert {room_of(module) for module in PATHS} - {""} == set(FLOOR)


@pytest.mark.parametrize("room", sorted(FLOOR))
def test_a_room_imports_only_from_the_floors_below_it(room: str) -> None:
    too_high = {
        f"{room} -> {room_of(other)}"
        for module in PATHS
        if room_of(module) == room
        for other in own_imports(module)
        if room_of(other) != room and FLOOR[room_of(other)] >= FLOOR[room] and FLOOR[room] > 0
    }
    assert too_high == set()


def test_no_modules_import_each_other_in_a_circle() -> None:
    left = {module: own_imports(module) for module in PATHS}
    while free := [module for module, needs in left.items() if not needs & left.keys()]:
        for module in free:
            del left[module]
    assert left == {}


def test_nothing_imports_the_command() -> None:
    assert [module for module in PATHS if "mockserver.cli" in own_imports(module)] == []


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("socket", {"server.uvicorn", "delivery"}),
        (
            "asyncio",
            {
                *(f"server.{name}" for name in ("asgi", "client", "uvicorn", "wire")),
                *("delivery", "control.starlette", "proxy.app", "proxy.forward"),
            },
        ),
        (
            "time",
            {
                "clock",
                "data",
                "proxy.app",
                "store.redis",
                "store.sqlite_file",
                "terminal.lines",
                "terminal.requests",
                *(f"server.{name}" for name in ("asgi", "fetch", "transport", "uvicorn", "wire")),
            },
        ),
        ("uvicorn", {"server.uvicorn", "server.connection"}),
        ("httptools", {"server.connection", "server.wire"}),
        ("starlette", {"server.asgi", "control.starlette"}),
        ("httpx2", {"control.client", "proxy.forward"}),
        ("httpx", set()),
        ("pytest", {"pytest_plugin"}),
        ("jsonschema_rs", {"matching", "contract.pattern", "contract.tree", "contract.validator"}),
        ("jsonschema", set()),
        ("pydantic_core", {"request.fastapi"}),
        ("faker", {"answer.making.words"}),
        ("yaml", {"contract.yaml_reader"}),
        ("click", {"cli", "terminal.help"}),
        ("sqlite3", {"store.sqlite", "store.sqlite_file"}),
        ("watchfiles", {"watch"}),
        ("mcp", {"agents.server"}),
        ("prometheus_client", {"control.metrics"}),
        ("trustme", {"server.tls"}),
    ],
)
def test_what_waits_and_what_is_borrowed_has_its_place(name: str, places: set[str]) -> None:
    assert {module.removeprefix("mockserver.") for module in SERVING if name in used(module)} == places


def test_nothing_draws_from_the_chance_of_the_whole_process() -> None:
    for module in SERVING:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.ImportFrom) and node.module == "random":
                assert [alias.name for alias in node.names] == ["Random"], module
            assert not (isinstance(node, ast.Import) and any(alias.name == "random" for alias in node.names)), module


def test_the_package_itself_has_no_facade() -> None:
    assert list(imported(tree("mockserver"))) == []


# -- import weight ---------------------------------------------------------------------------------------------------

SERVE_ONE = """
import asyncio, sys
before = set(sys.modules)
from mockserver.server.asgi import App
from mockserver.control.app import Control
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
print(*set(sys.modules) - before)
"""

HEAVY = set("hypothesis faker pydantic_core jsonschema pytest starlette uvicorn httpx httpx2 click watchfiles".split())


def test_importing_the_package_loads_nothing_else() -> None:
    code = "import sys; before = set(sys.modules); import mockserver; print(*set(sys.modules) - before)"
    assert run(code).split() == ["mockserver"]


def test_serving_a_title_loads_nothing_that_it_does_not_use() -> None:
    loaded = run(SERVE_ONE).split()
    assert {name.split(".")[0] for name in loaded} & HEAVY == set()
    rooms = {name.split(".", 1)[1] for name in loaded if name.startswith("mockserver.")}
    assert "apis.llamacloud_chat.simulation" in rooms
    idle = ("check", "testing", "apis.llamacloud_chat.check", "apis.llamacloud_chat.testing")
    assert [name for name in rooms if name.startswith(idle)] == []
    assert "jsonschema_rs" in loaded


SERVE = """
import sys
from mockserver import cli
from mockserver.server import uvicorn

uvicorn.serve = lambda *_, **__: print(*sys.modules)
cli.serve(["--port", "0"], standalone_mode=False)
"""


def test_the_command_that_serves_loads_no_test_tools_and_no_control_route() -> None:
    loaded = set(run(SERVE).split())
    assert {"mockserver.engine", "mockserver.server.asgi", "mockserver.control.app"} <= loaded
    rooms = {name.removeprefix("mockserver.") for name in loaded if name.startswith("mockserver.")}
    assert {name for name in rooms if name.startswith(("check", "testing", "watch", "control."))} == {"control.app"}
    needed = {"uvicorn", "click"}
    assert not loaded & ((HEAVY - needed - {"watchfiles"}) | {"difflib", "urllib.request", "sqlite3"})


def test_the_command_line_loads_the_engine_only_when_it_serves() -> None:
    loaded = set(run("import sys; import mockserver.cli; print(*sys.modules)").split())
    engine = {"mockserver.engine", "mockserver.endpoint", "mockserver.apis.llamacloud_chat.pack"}
    assert not loaded & (engine | (HEAVY - {"click"}) | {"jsonschema_rs", "yaml"})


# -- words -----------------------------------------------------------------------------------------------------------

CHAT_WORDS = re.compile(
    r"llama|stainless|ses-|idx-|generated_title|first_message|set_title|session_id|index_ids|/api/v1/chat",
    re.IGNORECASE,
)
"""What only the chat's own pack may say."""


@pytest.mark.parametrize("room", sorted({room_of(module) for module in SERVING}))
def test_a_generic_room_knows_nothing_of_the_chat(room: str) -> None:
    modules = [module for module in SERVING if room_of(module) == room]
    code = "\n".join(PATHS[module].read_text("utf-8") for module in modules)
    assert CHAT_WORDS.findall(code.replace('"llamacloud-mockserver"', "")) == []


def type_names(module: str) -> Iterator[str]:
    """Yield the names of the classes and type aliases of a module."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign) and ast.unparse(node.annotation).endswith("TypeAlias"):
            yield ast.unparse(node.target)


OPAQUE = ("mockserver.store.base", "Entry")
"""What a store keeps of an exchange and does not look into: an Entry of the journal, named without importing it."""


def test_one_type_name_means_one_thing() -> None:
    places: dict[str, list[str]] = {}
    for module in PATHS:
        for name in type_names(module):
            if (module, name) != OPAQUE:
                places.setdefault(name, []).append(module)
    assert len(places) > 200
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


# -- sizes -----------------------------------------------------------------------------------------------------------


def sources() -> list[Path]:
    return [*sorted(PACKAGE.rglob("*.py")), ROOT / "hatch_build.py"]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.stem))
def test_a_module_has_at_most_600_lines_and_a_function_50(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 600
    functions = [each for each in ast.walk(ast.parse(text)) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {each.name: each.end_lineno - each.lineno + 1 for each in functions if each.end_lineno}
    assert {name: lines for name, lines in long.items() if lines > 50} == {}


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.stem))
def test_a_module_opens_with_one_sentence(path: Path) -> None:
    opening = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    assert re.match(r"[A-Z`].*[.:?]$", opening.splitlines()[0]), opening


def test_every_room_has_a_folder_or_file_of_tests() -> None:
    tests = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()}
    tests |= {path.stem.removeprefix("test_") for path in (ROOT / "tests").rglob("test_*.py")}
    elsewhere = {"api", "data", "endpoint", "engine", "errors", "messages", "sse"}  # shown by what stands on them
    assert FLOOR.keys() - elsewhere - tests == set()


# -- documents -------------------------------------------------------------------------------------------------------


OPTIONS = options(default())
"""All options of `serve`, those of the chat last."""


@pytest.mark.parametrize("name", [option.name for option in OPTIONS])
def test_every_setting_stands_in_the_documents(name: str) -> None:
    text, option = documents(), name.replace("_", "-")
    assert re.search(rf"`--(no-)?{option}\b", text)
    assert f"`MOCKSERVER_{name.upper()}`" in text


def test_the_table_of_options_tells_the_defaults_in_order() -> None:
    text = (ROOT / "docs" / "serving.md").read_text("utf-8")
    text = text.partition("Those of `resources`")[0]
    rows = re.findall(r"^\| `--(?:no-)?([\w-]+)` \| `MOCKSERVER_(\w+)`[^|]*\| ([^|]+) \|", text, re.MULTILINE)
    assert [row[0] for row in rows] == [option.name.replace("_", "-") for option in OPTIONS]
    told = {variable.lower(): default for _, variable, default in rows}
    assert list(told) == [option.name for option in OPTIONS]
    for field in OPTIONS:
        if field.default is not None and not isinstance(field.default, bool):
            default = f"{field.default:g}" if isinstance(field.default, float) else str(field.default)
            assert told[field.name] == default


def test_no_option_is_documented_that_there_is_not() -> None:
    known = {
        option
        for command in COMMANDS.values()
        for each in command.get_params(_served)
        for option in (*each.opts, *each.secondary_opts)
    }
    known |= {"--shout"}  # of the pack that docs/packs.md shows
    plugin = ast.unparse(tree("mockserver.pytest_plugin"))
    known |= set(re.findall(r"addoption\('(--[a-z-]+)'", plugin))
    told = set(re.findall(r"`mockserver [a-z-]+ .*?(--[a-z-]+)|`(--[a-z-]+)", documents()))
    assert {name for pair in told for name in pair if name} - known == set()


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_stands_in_the_documents(command: str) -> None:
    assert f"mockserver {command}" in documents()


def headers() -> set[str]:
    """Give the names of our own header fields, as they stand in the code."""
    code = "\n".join(PATHS[module].read_text("utf-8") for module in SERVING)
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
