"""An API pack is found by its name before options are parsed; without one, nothing of an API is known."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from mockserver import api as packs
from mockserver.api import find, make_settings, read_contracts, recognised
from mockserver.apis.llamacloud_chat.pack import ChatSettings
from mockserver.apis.llamacloud_chat.testing import ChatMockServer
from mockserver.cli import main, ready_lines, serve
from mockserver.contract.reader import read_file
from mockserver.engine import Mock
from mockserver.errors import StateError, UsageError
from mockserver.messages import Headers, Request
from mockserver.pyproject import read_pyproject
from mockserver.server.uvicorn import running
from mockserver.settings import Settings, options_of
from mockserver.terminal.help import SECTIONS
from mockserver.testing import MockServer, connect, open_mock
from tests.conftest import app_of, settings
from tests.strategies import ROOT, contract_of, own_document, write_document
from tests.talk import KEY, MESSAGE, TITLE

CHAT = "llamacloud-chat"
ANY = "resources"
"""The pack that plays any document."""
NOTES = ROOT / "tests" / "packs" / "notes" / "notes_pack"
"""A pack of another distribution, with one setting."""


def install(folder: Path, entries: str) -> None:
    """Make a distribution in a folder, with these entry points for packs, as an installer would leave it."""
    info = folder / "mockserver_notes-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mockserver-notes\nVersion: 1.0\n", "utf-8")
    (info / "entry_points.txt").write_text(f"[{packs.GROUP}]\n{entries}\n", "utf-8")


@pytest.fixture
def installed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder on the path, in which the pack of notes is installed beside two that are broken."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(NOTES, folder / "notes_pack", ignore=shutil.ignore_patterns("__pycache__"))
    entries = {"notes": ":API", "torn": ".torn:API", "no-pack": ":plays", "alias": ":API"}
    install(folder, "\n".join(f"{name} = notes_pack{place}" for name, place in entries.items()))
    monkeypatch.syspath_prepend(folder)
    find.cache_clear()
    yield folder
    find.cache_clear()
    for name in [each for each in sys.modules if each.startswith("notes_pack")]:
        del sys.modules[name]


@pytest.fixture
def chat_file(tmp_path: Path) -> str:
    """Give a document of a user's own that is the chat's."""
    return str(write_document(tmp_path, contract_of("2.6").document, "chat.json"))


@pytest.fixture
def nobodys_file(tmp_path: Path) -> str:
    """Give a document of a user's own whose paths are no pack's."""
    document = own_document()
    document["paths"] = {f"/mine{path}": item for path, item in document["paths"].items()}
    return str(write_document(tmp_path, document, "mine.json"))


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith("MOCKSERVER_")]:
        monkeypatch.delenv(name)


# -- which pack ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "contract", "chosen"),
    [
        (None, None, CHAT),
        (None, "auto", CHAT),
        (None, "2.6", CHAT),
        (None, "own.yaml", ANY),
        (None, "2.7", ANY),
        ("none", None, None),
        ("none", "2.6", None),
        (CHAT, "own.yaml", CHAT),
        (CHAT, None, CHAT),
        ("notes", None, "notes"),
        ("notes", "2.6", "notes"),
    ],
)
@pytest.mark.usefixtures("installed")
def test_the_named_pack_is_in_force_else_the_default_one_unless_a_file_is_served(
    name: str | None, contract: str | None, chosen: str | None
) -> None:
    found = packs.choose(name, contract)
    assert (None if found is None else found.name) == chosen


@pytest.mark.usefixtures("installed")
def test_packs_are_those_built_in_and_those_of_other_distributions() -> None:
    assert packs.names() == [CHAT, ANY, "alias", "no-pack", "notes", "torn"]
    assert [each.name for each in packs.usable()] == [CHAT, ANY, "notes"]
    assert packs.default() is find(CHAT) is find(CHAT)


def test_an_unknown_pack_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(UsageError, match="there is no API pack 'llama-chat'") as refused:
        find("llama-chat")
    assert (refused.value.where, refused.value.fix) == ("--api", f"write --api {CHAT}")
    assert CHAT in refused.value.why
    with pytest.raises(UsageError, match="name one of them, or none"):
        find("x")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("torn", "No module named 'notes_pack.torn'"),
        ("no-pack", "it is no mockserver.api.Api"),
        ("alias", "it calls itself 'notes'"),
    ],
)
@pytest.mark.usefixtures("installed")
def test_a_pack_that_cannot_be_used_is_refused_where_it_is_named(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=f"the API pack '{name}' cannot be used") as refused:
        find(name)
    assert refused.value.why == why
    assert refused.value.where.startswith("notes_pack")
    assert refused.value.fix


@pytest.mark.usefixtures("installed")
def test_a_document_is_known_by_the_operations_that_it_shares_with_a_pack(chat_file: str, nobodys_file: str) -> None:
    assert recognised([read_file(Path(chat_file))]) == CHAT
    assert recognised([read_file(NOTES / "notes.yaml")]) == "notes"
    assert recognised([read_file(Path(nobodys_file))]) == ""


# -- settings --------------------------------------------------------------------------------------------------------


def test_settings_are_split_between_the_mock_and_the_pack() -> None:
    made = make_settings({"seed": 1, "title_length": 5})
    assert (made.seed, made.own) == (1, ChatSettings(title_length=5))
    assert make_settings({"api": "none", "contract": "own.yaml"}).own is None


@pytest.mark.parametrize(
    ("options", "what", "why"),
    [
        ({"api": "notes", "title_length": 5}, "no setting 'title_length' with the API pack notes", CHAT),
        ({"api": "none", "title_length": 5}, "no setting 'title_length' without an API pack", CHAT),
        ({"contract": "own.yaml", "stream": "json"}, "no setting 'stream' with the API pack resources", CHAT),
        ({"shout": True}, f"no setting 'shout' with the API pack {CHAT}", "notes"),
    ],
)
@pytest.mark.usefixtures("installed")
def test_a_setting_of_another_pack_is_refused_and_names_it(options: dict[str, Any], what: str, why: str) -> None:
    with pytest.raises(UsageError) as refused:
        make_settings(options)
    assert refused.value.what == f"there is {what}"
    assert refused.value.why == f"it is a setting of {why}"
    assert refused.value.fix == f"add api={why}"


def test_a_setting_of_no_pack_is_refused_with_the_one_that_is_meant() -> None:
    with pytest.raises(UsageError, match="there is no setting 'title_lenght'\n  fix: did you mean 'title_length'"):
        make_settings({"title_lenght": 5})


# -- the command line ------------------------------------------------------------------------------------------------

GENERAL = [f"--{each.name.replace('_', '-')}" for each in options_of(Settings)]
OWN = [f"--{each.name.replace('_', '-')}" for each in options_of(ChatSettings)]


def groups(text: str) -> dict[str, list[str]]:
    """Give the groups of options in a help, by their headings: the first name of each option."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if heading := re.fullmatch(r"(\w.*):", line):
            found[heading[1]] = []
        elif (option := re.match(r"  (?:-\w, )?(--[\w-]+)", line)) and found:
            found[list(found)[-1]].append(option[1])
    return found


def help_of(command: str, *args: str, **defaults: Any) -> dict[str, list[str]]:
    done = CliRunner().invoke(main, [command, *args], default_map={command: defaults})
    assert done.exit_code == 0, done.output
    return groups(done.output)


@pytest.mark.parametrize("command", ["serve", "run"])
def test_help_lists_the_options_of_the_pack_in_a_group_of_their_own(command: str) -> None:
    found = help_of(command, "--help")
    assert found.pop(f"Options of the API pack {CHAT}") == OWN
    assert list(found) == ["Options", *SECTIONS]
    general = [name for names in found.values() for name in names]
    assert set(GENERAL) <= set(general)
    assert not set(OWN) & set(general)


@pytest.mark.parametrize(
    "args",
    [
        ["--api", "notes", "--help"],
        ["--help", "--api", "notes"],
        ["--api=notes", "--help"],
        ["--api", CHAT, "--api", "notes", "--help"],
        ["--api", "notes", "--contract", "2.6", "--help"],
    ],
    ids=" ".join,
)
@pytest.mark.usefixtures("installed")
def test_the_pack_is_found_before_options_are_parsed(args: list[str]) -> None:
    assert help_of("serve", *args)["Options of the API pack notes"] == ["--shout"]


@pytest.mark.parametrize("args", [["--api", "none"], ["--contract", "own.yaml", "--api", "none"]], ids=" ".join)
def test_without_a_pack_there_are_the_general_options_alone(args: list[str]) -> None:
    assert list(help_of("serve", *args, "--help")) == ["Options", *SECTIONS]


@pytest.mark.usefixtures("installed")
def test_the_pack_is_named_on_the_command_line_else_in_the_environment_else_in_pyproject(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "Options of the API pack notes" in help_of("serve", "--help", api="notes")
    monkeypatch.setenv("MOCKSERVER_API", "none")
    assert list(help_of("serve", "--help", api="notes")) == ["Options", *SECTIONS]
    assert f"Options of the API pack {CHAT}" in help_of("serve", "--help", "--api", CHAT, api="notes")


def test_what_stands_behind_the_dashes_is_the_commands_own() -> None:
    context = main.get_command(click.Context(main), "run")
    assert context is not None
    with context.make_context("run", ["--", "true", "--api", "none", "--title-length", "x"]) as parsed:
        assert parsed.params["title_length"] == 50
        assert parsed.params["command"] == ("true", "--api", "none", "--title-length", "x")


def taken(*args: str, defaults: dict[str, Any] | None = None) -> Settings:
    """Give the settings that `serve` would take."""
    with serve.make_context("serve", list(args), default_map=defaults or {}) as context:
        return make_settings(context.params)


@pytest.mark.usefixtures("installed")
def test_the_options_of_a_pack_are_taken_from_anywhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert taken("--api", "notes", "--shout").own.shout is True
    (tmp_path / "pyproject.toml").write_text('[tool.mockserver]\napi = "notes"\nshout = true\n', "utf-8")
    assert taken(defaults=read_pyproject(tmp_path)).own.shout is True
    monkeypatch.setenv("MOCKSERVER_API", "notes")
    assert taken().own.shout is False
    monkeypatch.setenv("MOCKSERVER_SHOUT", "true")
    assert taken().own.shout is True


@pytest.mark.parametrize(
    ("args", "owner", "in_force"),
    [
        (["--api", "none", "--title-length", "5"], CHAT, "none"),
        (["--contract", "own.yaml", "--stream-rate", "5"], CHAT, ANY),
        (["--api", "notes", "--locked-status", "409"], CHAT, "notes"),
        (["--shout"], "notes", CHAT),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else each,
)
@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("command", ["serve", "run"])
def test_an_option_of_another_pack_is_a_usage_error_that_names_it(
    command: str, args: list[str], owner: str, in_force: str
) -> None:
    found = main.get_command(click.Context(main), command)
    assert found is not None
    with pytest.raises(UsageError, match="there is no option --") as refused:
        found.make_context(command, [*args, *(["--", "true"] if command == "run" else [])])
    assert refused.value.where == f"mockserver {command}"
    assert refused.value.why == f"it is an option of the API pack {owner}, and {in_force} is in force"
    assert refused.value.fix == f"add --api {owner}, or leave it out"


def test_an_option_of_no_pack_is_refused_as_ever() -> None:
    with pytest.raises(click.NoSuchOption, match="title-lenght"):
        taken("--title-lenght", "5")


# -- pyproject.toml --------------------------------------------------------------------------------------------------


def written(folder: Path, text: str) -> Path:
    (folder / "pyproject.toml").write_text(f"[tool.mockserver]\n{text}\n", "utf-8")
    return folder


@pytest.mark.parametrize("pack", ['api = "none"', 'contract = "own.yaml"', 'api = "notes"'])
@pytest.mark.usefixtures("installed")
def test_a_key_of_another_pack_is_refused_with_its_place(tmp_path: Path, pack: str) -> None:
    with pytest.raises(UsageError, match="there is no setting 'title_length'") as refused:
        read_pyproject(written(tmp_path, f"{pack}\ntitle-length = 5"))
    assert refused.value.where == f"[tool.mockserver] in {tmp_path / 'pyproject.toml'}"
    assert refused.value.fix == f"add api={CHAT}"


@pytest.mark.usefixtures("installed")
def test_keys_of_its_own_pack_are_no_fault_where_another_is_in_force(tmp_path: Path) -> None:
    args = ["--api", "notes"]
    said = read_pyproject(written(tmp_path, "title-length = 5\nport = 1"), args)
    found = taken(*args, defaults=said)
    assert (found.port, found.own.shout) == (1, False)
    said = read_pyproject(written(tmp_path, 'contract = "own.yaml"\nshout = true'), args)
    assert taken(*args, defaults=said).own.shout is True


def test_a_pyproject_without_the_table_needs_no_pack(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n", "utf-8")
    assert read_pyproject(tmp_path, ["--api", "unknown"]) == {}


# -- serving ---------------------------------------------------------------------------------------------------------


def command(folder: Path, *args: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: text for name, text in os.environ.items() if not name.startswith("MOCKSERVER_")}
    done = [sys.executable, "-m", "mockserver", *args]
    return subprocess.run(
        done, cwd=folder, env=kept | variables, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("args", [["--api", "none"], ["--api=none", "--contract", "auto"]], ids=" ".join)
def test_without_a_pack_there_must_be_a_contract(tmp_path: Path, args: list[str]) -> None:
    done = command(tmp_path, "serve", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no contract to serve\n  where: --contract\n  why: without an API pack there is none" in done.stderr
    assert "--contract FILE" in done.stderr


def test_a_version_of_a_pack_that_is_not_in_force_is_refused_and_names_it(tmp_path: Path) -> None:
    done = command(tmp_path, "serve", "--api", "none", "--contract", "2.6")
    assert done.returncode == 2
    assert f"it is a version of {CHAT}, and no API pack is in force\n  fix: add --api {CHAT}" in done.stderr


def test_an_option_without_its_pack_ends_the_command_with_2(tmp_path: Path) -> None:
    done = command(tmp_path, "run", "--api", "none", "--title-length", "5", "--", "true")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("mockserver: there is no option --title-length\n  where: mockserver run\n")


def told(**options: Any) -> list[str]:
    return ready_lines(Mock(settings(seed=1, **options)), "http://x").splitlines()


def test_a_document_alone_is_served_and_its_paths_are_told_of(chat_file: str, nobodys_file: str) -> None:
    first, *rest = told(contract=chat_file)
    assert first.startswith("mockserver is ready at http://x: contract chat, 7 operations")
    assert rest == [f"its paths are those of the API pack {CHAT}: --api {CHAT} plays them"]
    assert told(contract=chat_file, api=CHAT)[1:] == told()[1:], "the lines that point clients here"
    assert len(told(contract=nobodys_file)) == 1


def titled(mock: MockServer, session_id: str = "ses-abc123") -> Any:
    path = TITLE.replace("ses-abc123", session_id)
    return mock.http_client().post(path, json={"first_message": MESSAGE}, headers={"authorization": KEY})


def test_a_document_alone_simulates_no_chat_and_with_its_pack_all(chat_file: str) -> None:
    with open_mock(contract=chat_file) as mock:
        answer = titled(mock)
        assert answer.status_code == 200
        assert answer.headers["x-mock-state"], "it is played as any other document"
        assert mock.http_client().get("/__mock__/health").json()["api"] == ANY
        assert mock.http_client().get("/__mock__/sessions").status_code == 404
        assert (
            mock.http_client()
            .get("/__mock__/openapi.json")
            .json()["paths"]
            .keys()
            .isdisjoint({"/__mock__/sessions", "/__mock__/sessions/{session_id}"})
        )
    with open_mock(contract=chat_file, api=CHAT) as mock:
        answer = titled(mock, "ses-1")
        assert (answer.json()["session_id"], answer.headers["x-mock-source"]) == ("ses-1", "simulated")
        assert mock.http_client().get("/__mock__/health").json()["api"] == CHAT
        assert [each["session_id"] for each in mock.http_client().get("/__mock__/sessions").json()["sessions"]] == [
            "ses-1"
        ]


def test_without_a_pack_no_records_are_restored(nobodys_file: str) -> None:
    with open_mock() as mock:
        titled(mock)
        state = mock.snapshot()
    refused = pytest.raises(StateError, match="no API pack keeps records here")
    with open_mock(contract=nobodys_file, api="none") as mock, refused:
        mock.restore(state)


# -- in Python -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("live", [False, True])
def test_a_mock_in_python_has_the_class_of_its_pack(live: bool, nobodys_file: str) -> None:
    with open_mock(live=live) as mock:
        assert type(mock) is ChatMockServer
    for options in ({"api": "notes"}, {"api": "none", "contract": nobodys_file}, {"contract": nobodys_file}):
        with open_mock(live=live, **options) as mock:
            assert type(mock) is MockServer
            assert "LLAMA_CLOUD_BASE_URL" not in mock.environ()


@pytest.mark.usefixtures("installed")
def test_a_pack_of_another_distribution_is_opened_in_python() -> None:
    with open_mock(api="notes", shout=True) as mock:
        client = mock.http_client()
        assert client.post("/notes", json={"text": "Buy milk"}).json() == {"id": "note-1", "text": "BUY MILK"}
        assert mock.restore(mock.snapshot()) == 1
        mock.check()
    with pytest.raises(UsageError, match=f"it is a setting of {CHAT}"), open_mock(api="notes", title_length=5):
        pass


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("options", "kind"), [({}, ChatMockServer), ({"api": "notes"}, MockServer)], ids=["the chat", "notes"]
)
def test_a_server_elsewhere_says_which_pack_is_its(options: dict[str, str], kind: Callable[..., MockServer]) -> None:
    with running(app_of(Mock(settings(seed=1, **options)))) as url, connect(url, "a") as mock:
        assert type(mock) is kind
        assert mock.api is find(options.get("api", CHAT))


def test_several_documents_are_served_each_under_a_path_of_its_own(tmp_path: Path) -> None:
    first, second = (write_document(tmp_path, own_document(), name) for name in ("a.json", "b.json"))
    contracts = read_contracts(f"{first}, /b={second}", None)
    assert [(each.name, each.prefix) for each in contracts] == [("a", ""), ("b", "/b")]
    assert [each.path for each in contracts[1].operations] == ["/b/notes/{note_id}", "/b/notes/{note_id}"]
    assert [each.id for each in contracts[1].operations] == ["b.read", "b.write"]
    assert [each.id for each in read_contracts(str(second), None)[0].operations] == ["read", "write"]


def test_several_contracts_are_named_by_one_option_each(tmp_path: Path) -> None:
    files = [str(write_document(tmp_path, own_document(), name)) for name in ("a.json", "b.json")]
    for arguments, variable in (
        (["--contract", files[0], "--contract", f"/b={files[1]}"], None),
        ([], f"{files[0]},/b={files[1]}"),
    ):
        defaults = {"contract": variable.split(",")} if variable else {}
        with serve.make_context("serve", arguments, default_map=defaults) as context:
            assert context.params["contract"] == f"{files[0]},/b={files[1]}"


def test_a_file_with_a_comma_in_its_name_is_one_document(tmp_path: Path) -> None:
    path = write_document(tmp_path, own_document(), "a,b=c.json")
    assert [each.file for each in read_contracts(str(path), None)] == ["a,b=c.json"]


def test_a_document_is_read_again_only_when_one_of_its_files_changed(tmp_path: Path) -> None:
    path = write_document(tmp_path, own_document())
    (first,) = read_contracts(str(path), None)
    assert read_contracts(str(path), None)[0] is first
    write_document(tmp_path, {**own_document(), "info": {"title": "another", "version": "1"}})
    assert read_contracts(str(path), None)[0].title == "another"


def test_mocks_of_one_document_may_differ_in_whether_formats_are_asserted(tmp_path: Path) -> None:
    document = own_document()
    document["components"]["schemas"]["Note"]["properties"]["at"] = {"type": "string", "format": "date-time"}
    path = str(write_document(tmp_path, document))
    fields = Headers(((b"content-type", b"application/json"),))
    request = Request("PUT", "/notes/n", "", fields, b'{"id": "n", "text": "t", "at": "yesterday"}')
    mocks = [Mock(Settings(contract=path, seed=0, formats=formats)) for formats in ("assert", "annotate", "assert")]
    assert [mock.handle(request).status < 300 for mock in mocks] == [False, True, False]


def test_a_file_that_a_document_refers_to_may_come_later(tmp_path: Path) -> None:
    document = own_document()
    document["components"]["schemas"]["Note"]["properties"]["more"] = {"$ref": "more.yaml#/More"}
    path = str(write_document(tmp_path, document))
    before, again = (read_contracts(path, None)[0] for _ in range(2))
    assert before is again
    assert [each.what for each in before.problems] == ["the file 'more.yaml' cannot be read"]
    (tmp_path / "more.yaml").write_text("More: {type: string}\n", "utf-8")
    assert read_contracts(path, None)[0].problems == ()


def test_the_fields_to_expose_are_listed_without_reading_the_operations(tmp_path: Path) -> None:
    document = own_document()
    replies = document["paths"]["/notes/{note_id}"]["get"]["responses"]
    replies["200"] = {"description": "", "headers": {"X-Total": {"schema": {"type": "integer"}}}}
    replies["404"] = {"$ref": "#/components/responses/Gone"}
    mock = Mock(Settings(contract=str(write_document(tmp_path, document)), seed=0))
    assert mock.declared_headers() == {"x-total"}
    assert not any("replies" in vars(each) for each in mock.served.contracts[0].operations)
