"""A large YAML document is parsed once, and what is kept of it is private, bounded, and never believed when broken."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from mockserver.contract import document_cache, load
from mockserver.contract.schema import Schema
from mockserver.contract.source import parse_source
from mockserver.contract.tree import Document
from mockserver.contract.yaml_reader import read_yaml
from mockserver.errors import ContractError
from mockserver.messages import Json

LARGE = "a:\n" + "- {name: on, size: 1e3}\n" * 6_000
assert len(LARGE) > document_cache.SMALLEST


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep documents in a folder of the test."""
    monkeypatch.setenv(document_cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "documents"


@pytest.fixture(autouse=True)
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note the length of each text of YAML that is parsed."""
    lengths = list[int]()

    def noted(text: str, deepest: int) -> Json:
        lengths.append(len(text))
        return read_yaml(text, deepest)

    monkeypatch.setattr("mockserver.contract.source.read_yaml", noted)
    return lengths


def read(text: str = LARGE) -> Json:
    return parse_source(text.encode(), "doc.yaml").data


def test_a_large_document_is_parsed_once(parsed: list[int], cache: Path) -> None:
    assert read() == read() == {"a": [{"name": "on", "size": 1000.0}] * 6_000}
    assert len(parsed) == 1
    assert len(list(cache.iterdir())) == 1


def test_what_is_kept_can_be_read_by_its_owner_alone(cache: Path) -> None:
    cache.mkdir(parents=True, mode=0o755)
    read()
    assert stat.S_IMODE(cache.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in cache.iterdir()} == {0o600}


def test_another_content_and_another_version_are_other_entries(
    parsed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    read()
    read(LARGE + "b: 1\n")
    monkeypatch.setattr(document_cache, "__version__", "0.0.1")
    read()
    assert len(parsed) == 3


def test_a_small_document_is_not_kept(cache: Path) -> None:
    read("a: 1\n")
    assert not cache.exists()


def test_what_a_changed_checkout_made_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its version stays the same while it is worked on."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "a.py").write_text("")
    monkeypatch.setattr(document_cache, "CODE", code)
    content = LARGE.encode()
    assert document_cache.cached(content, lambda: "made") == document_cache.cached(content, lambda: "anew") == "made"
    os.utime(code / "a.py", ns=(1, 2))
    assert document_cache.cached(content, lambda: "anew") == "anew"


@pytest.mark.parametrize("value", document_cache.OFF)
def test_the_cache_can_be_switched_off(value: str, monkeypatch: pytest.MonkeyPatch, parsed: list[int]) -> None:
    monkeypatch.setenv(document_cache.VARIABLE, value)
    for _ in range(2):
        read()
    assert len(parsed) == 2


def test_a_broken_entry_is_ignored_and_mended(cache: Path, parsed: list[int]) -> None:
    read()
    (entry,) = cache.iterdir()
    whole = entry.read_bytes()
    for broken in (b"", whole[:-5], whole.replace(b"name", b"eman"), b'{"a": 1}', b"\xff"):
        entry.write_bytes(broken)
        assert read()["a"][0]["name"] == "on"
        assert entry.read_bytes() == whole
    assert len(parsed) == 6


def test_an_entry_or_a_folder_of_another_user_is_not_believed(
    cache: Path, parsed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    read()
    real = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: real + 1)
    read()
    assert len(parsed) == 2
    monkeypatch.undo()
    monkeypatch.setenv(document_cache.VARIABLE, str(cache.parent.with_name("other")))
    cache.parent.with_name("other").mkdir()
    cache.parent.with_name("other").joinpath("documents").symlink_to(cache)
    assert document_cache.cached(LARGE.encode(), lambda: "made") == "made"


def test_where_nothing_can_be_kept_documents_are_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parsed: list[int]
) -> None:
    (tmp_path / "file").write_text("")
    for place in (str(tmp_path / "file"), "/proc/none"):
        monkeypatch.setenv(document_cache.VARIABLE, place)
        assert len(read()["a"]) == 6_000
    assert len(parsed) == 2


def test_what_was_not_used_for_longest_goes_first(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read()
    (first,) = cache.iterdir()
    monkeypatch.setattr(document_cache, "MOST", first.stat().st_size * 2 + 100)
    read(LARGE + "b: 1\n")
    for age, each in enumerate(sorted(cache.iterdir(), key=lambda path: path != first)):
        os.utime(each, (age, age))
    read()  # the oldest is used again
    read(LARGE + "c: 1\n")
    assert first in (left := list(cache.iterdir()))
    assert len(left) == 2


def test_a_document_with_numbers_that_the_cache_cannot_hold_is_not_kept(cache: Path) -> None:
    text = LARGE + f"b: {2**70}\n"
    assert read(text)["b"] == read(text)["b"] == 2**70
    assert list(cache.iterdir()) == []


def test_what_is_refused_is_not_kept(cache: Path) -> None:
    with pytest.raises(ContractError, match="twice"):
        read(LARGE + "a: 1\n")
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("platform", "variables", "place"),
    [
        ("linux", {"XDG_CACHE_HOME": "{}/xdg"}, "xdg/mockserver"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, "home/.cache/mockserver"),
        ("darwin", {}, "home/Library/Caches/mockserver"),
        ("win32", {"LOCALAPPDATA": "{}/local"}, "local/mockserver"),
    ],
)
def test_the_cache_is_where_the_platform_keeps_caches(
    platform: str, variables: dict[str, str], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (document_cache.VARIABLE, "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, text in variables.items():
        monkeypatch.setenv(name, text.format(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("sys.platform", platform)
    read()
    assert len(list((tmp_path / place / "documents").iterdir())) == 1


# -- converted documents


def write(folder: Path, *, note: str = "n" * document_cache.SMALLEST, limit: int = 3) -> Path:
    """Write a large document that refers to another file, and has problems."""
    schema = {"properties": {"own": {"$ref": "other.json#/S"}, "odd": {"colour": "red", "type": "string"}}}
    document = {
        "openapi": "3.0.3",
        "info": {"description": note},
        "paths": {},
        "components": {"schemas": {"A": schema}},
    }
    (folder / "api.json").write_text(json.dumps(document))
    (folder / "other.json").write_text(json.dumps({"S": {"type": "string", "maxLength": limit, "nullable": True}}))
    return folder / "api.json"


@pytest.fixture
def conversions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note the name of each document that is converted."""
    names = list[str]()
    convert = load.convert

    def noted(data: Json, file: str, *more: Any) -> Document:
        names.append(file)
        return convert(data, file, *more)

    monkeypatch.setattr(load, "convert", noted)
    return names


def test_a_large_document_is_converted_once(tmp_path: Path, conversions: list[str]) -> None:
    """What is kept judges, and tells its problems and places, as what was converted."""
    path = write(tmp_path)
    first, second = load.read_document(path), load.read_document(path)
    assert len(conversions) == 1
    assert first == second
    assert first.problems == second.problems != []
    for document in (first, second):
        schema = Schema(document, "/components/schemas/A", "api")
        assert schema.is_valid({"own": None})
        [finding] = schema.explain({"own": "four"})
        assert finding.contract == "other.json#/S/maxLength"


def test_a_document_is_converted_again_when_one_of_its_files_changes(tmp_path: Path, conversions: list[str]) -> None:
    """Its own, another that it refers to, or one that is gone; another name is another document."""
    path = write(tmp_path)
    load.read_document(path)
    write(tmp_path, limit=9)
    assert Schema(load.read_document(path), "/components/schemas/A", "api").is_valid({"own": "four"})
    write(tmp_path, note="m" * document_cache.SMALLEST, limit=9)
    load.read_document(path)
    assert len(conversions) == 3
    (tmp_path / "other.json").unlink()
    assert any("other.json" in each.what for each in load.read_document(path).problems)
    assert len(conversions) == 4


def test_a_small_document_is_not_converted_for_later(tmp_path: Path, conversions: list[str], cache: Path) -> None:
    """It is converted in no time."""
    path = write(tmp_path, note="")
    load.read_document(path)
    load.read_document(path)
    assert len(conversions) == 2
    assert not cache.exists()


def test_a_document_is_converted_again_when_a_file_that_was_missing_is_there(tmp_path: Path) -> None:
    """What could not be read is looked for again."""
    path = write(tmp_path)
    (tmp_path / "other.json").rename(tmp_path / "later.json")
    assert [each.level for each in load.read_document(path).problems] == ["error", "warning"]
    (tmp_path / "later.json").rename(tmp_path / "other.json")
    assert [each.level for each in load.read_document(path).problems] == ["warning"]


def test_a_document_is_converted_again_where_addresses_are_read(tmp_path: Path) -> None:
    """What was refused is not refused for ever."""
    path = write(tmp_path)
    path.write_text(path.read_text().replace("other.json#/S", "https://example.com/other.json#/S"))
    assert [each.level for each in load.read_document(path).problems] == ["error", "warning"]
    fetched = load.read_document(path, lambda _: (tmp_path / "other.json").read_bytes())
    assert Schema(fetched, "/components/schemas/A", "api").is_valid({"own": "abc"})
