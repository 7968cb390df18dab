"""Environments of releases are made once, beside their place, and need no index where they are there already."""

import shutil
import sys
import threading
from pathlib import Path
from zipfile import ZipFile

import click
import pytest
from click.testing import CliRunner

from mockserver.apis.llamacloud_chat.check.part import PINS, RELEASES, SDK
from mockserver.check.client.command import command, matrix, releases_of
from mockserver.check.client.environments import UnavailableError, default_cache, environment, kept, newest
from mockserver.errors import UsageError
from tests.strategies import ROOT

PYTHON = f"py{sys.version_info.major}.{sys.version_info.minor}"


def test_one_that_is_there_is_given_at_once_without_an_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    place = tmp_path / f"llama-cloud-9.9.9-{PYTHON}"
    place.mkdir()
    assert environment(SDK, "9.9.9", tmp_path) == place


def test_one_that_cannot_be_had_says_why_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(UnavailableError) as caught:
        environment(SDK, "9.9.9", tmp_path)
    assert caught.value.what == "llama-cloud 9.9.9 cannot be had"
    assert "llama-cloud==9.9.9" in caught.value.why
    assert caught.value.exit_code == 3
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize("text", ["", "../x", "latest", "2.19.0 --index-url=http://x", "-r"])
def test_what_is_no_version_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no version"):
        environment(SDK, text, tmp_path)


def test_a_folder_is_made_once_however_many_want_it(tmp_path: Path) -> None:
    made: list[Path] = []

    def make(place: Path) -> None:
        made.append(place)
        place.mkdir()

    threads = [threading.Thread(target=kept, args=(tmp_path / "it", make)) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(made) == 1
    assert made[0] != tmp_path / "it"
    assert (tmp_path / "it").is_dir()


def test_what_fails_half_way_is_made_again(tmp_path: Path) -> None:
    def fail(place: Path) -> None:
        place.mkdir()
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError):
        kept(tmp_path / "it", fail)
    assert not (tmp_path / "it").exists()
    assert kept(tmp_path / "it", Path.mkdir).is_dir()


def test_a_cache_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(UnavailableError, match="the cache cannot be used"):
        kept(tmp_path / "file" / "it", Path.mkdir)


def test_the_cache_is_where_caches_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "mockserver" / "clients"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_cache() == Path.home() / ".cache" / "mockserver" / "clients"


def test_what_clients_stand_on_is_pinned_as_the_project_pins_it() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    ours = dict(line.lower().replace("_", "-").split("==") for line in lines if "==" in line)
    theirs = dict(pin.lower().replace("_", "-").split("==") for pin in PINS)
    shared = theirs.keys() & ours.keys()
    assert {name: theirs[name] for name in shared} == {name: ours[name] for name in shared}
    assert theirs.keys() - shared <= {"distro", "sniffio"}


def test_the_releases_stand_in_order() -> None:
    numbers = [tuple(map(int, release.split("."))) for release in RELEASES]
    assert numbers == sorted(set(numbers))
    assert len(RELEASES) == 16


# -- the newest release ----------------------------------------------------------------------------------------------


def indexed(folder: Path, *releases: str) -> Path:
    """Give a folder of wheels that stands for a package index."""
    folder.mkdir()
    for release in releases:
        name = f"{SDK.module}-{release}"
        about = f"Metadata-Version: 2.1\nName: {SDK.package}\nVersion: {release}\nRequires-Dist: nowhere\n"
        with ZipFile(folder / f"{name}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}.dist-info/METADATA", about)
            wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{name}.dist-info/RECORD", "")
    return folder


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an index that pip is configured to use, and no other."""
    folder = indexed(tmp_path / "index", "2.9.0", "2.20.0", "3.0.0b1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.mark.usefixtures("index")
def test_the_newest_release_is_the_one_that_the_index_of_pip_has() -> None:
    assert newest(SDK) == "2.20.0"
    assert releases_of("2.6.0,latest,2.20.0", SDK) == ["2.6.0", "2.20.0"]


def test_the_releases_that_are_known_are_played_without_an_index(index: Path) -> None:
    shutil.rmtree(index)
    assert releases_of("all", SDK) == RELEASES


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize(("asked", "option"), [(command, "--release"), (matrix, "--releases")])
def test_latest_is_asked_for_by_either_command(tmp_path: Path, asked: click.Command, option: str) -> None:
    done = CliRunner().invoke(asked, ["--quiet", option, "latest", "--cache", str(tmp_path / "cache")])
    assert isinstance(done.exception, UnavailableError)
    assert done.exception.what == "llama-cloud 2.20.0 cannot be had", "it needs a package that is nowhere"


@pytest.mark.usefixtures("index")
def test_an_index_that_is_not_reached_is_told_and_what_to_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nowhere"))
    with pytest.raises(UnavailableError, match="the newest release of llama-cloud is not known") as caught:
        newest(SDK)
    assert caught.value.exit_code == 3
    assert "llama-cloud" in caught.value.why
    assert "name a release: 2.19.0 is the newest that is known" in caught.value.fix


def test_uv_is_asked_where_there_is_no_pip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = tmp_path / "uv"
    uv.write_text('#!/bin/sh\nread name; echo "$name==2.21.0 # $*"\n', "utf-8")
    uv.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("mockserver.check.client.environments.find_spec", lambda _: None)
    assert newest(SDK) == "2.21.0"
