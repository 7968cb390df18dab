"""A release is made of a commit whose version and changelog agree, and of nothing else."""

import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

import release
from mockserver import __version__
from tests.strategies import ROOT

NAMES = (
    *("mockserver", "schemas", "fixtures", "pyproject.toml", "hatch_build.py", "release.py"),
    *("README.md", "LICENSE", "CHANGELOG.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "Makefile", "constraints.txt"),
)
NEXT = "9.8.7"
RAW = 'readme = {text = "`a", content-type = "text/x-rst"}'
"""A description that cannot be rendered, which twine refuses."""


def git(folder: Path, *arguments: str) -> None:
    named = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *named, "-C", folder, *arguments], check=True, capture_output=True)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Give a checkout of the project whose version and changelog were raised, and committed."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for name in NAMES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)
    (folder / ".gitignore").write_text("dist\n")
    place = folder / "mockserver" / "__init__.py"
    place.write_text(place.read_text().replace(__version__, NEXT))
    log = folder / "CHANGELOG.md"
    log.write_text(log.read_text().replace("\n## ", f"\n## {NEXT} (2027-01-02)\n\n- Add a thing.\n\n## ", 1))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Raise the version")
    return folder


def change(folder: Path, name: str, old: str, new: str) -> None:
    """Change a file of a copy, and commit it."""
    path = folder / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    git(folder, "commit", "--quiet", "--all", "--message", "Change a file")


def test_wheel_and_sdist_have_the_version_of_the_one_place_and_twine_accepts_them(copy: Path) -> None:
    told = release.main(copy)
    wheel, sdist = sorted((copy / "dist").iterdir(), key=lambda path: path.suffix, reverse=True)
    assert (wheel.suffix, NEXT in wheel.name, sdist.name.endswith(f"-{NEXT}.tar.gz")) == (".whl", True, True)
    assert told.startswith("- Add a thing.\n\nmade dist/")
    assert f"git tag -a v{NEXT}" in told
    with zipfile.ZipFile(wheel) as packed:
        (metadata,) = (name for name in packed.namelist() if name.endswith("/METADATA"))
        assert f"\nVersion: {NEXT}\n" in packed.read(metadata).decode()
        assert "mockserver/_data/schemas/llamacloud-chat/2.17.json" in packed.namelist()
    with tarfile.open(sdist) as packed_sources:
        assert {"release.py", "CHANGELOG.md"} <= {Path(name).name for name in packed_sources.getnames()}


@pytest.mark.parametrize(
    ("name", "old", "new", "why"),
    [
        ("mockserver/__init__.py", NEXT, "9.9.9", f"CHANGELOG.md begins with {NEXT}, and the version is 9.9.9"),
        ("mockserver/__init__.py", NEXT, "next", "has no version"),
        ("CHANGELOG.md", " (2027-01-02)", "", f"CHANGELOG.md has no date for {NEXT}"),
        ("CHANGELOG.md", "- Add a thing.", "", f"CHANGELOG.md says nothing of {NEXT}"),
        ("pyproject.toml", 'readme = "README.md"', RAW, "twine check --strict"),
    ],
)
def test_what_does_not_agree_stops_the_release(copy: Path, name: str, old: str, new: str, why: str) -> None:
    change(copy, name, old, new)
    with pytest.raises(release.ReleaseError, match=why):
        release.main(copy)


def test_changes_in_no_commit_and_a_tag_that_is_there_stop_the_release(copy: Path) -> None:
    git(copy, "tag", f"v{NEXT}")
    with pytest.raises(release.ReleaseError, match=f"there is a tag v{NEXT} already"):
        release.main(copy)
    (copy / "README.md").write_text("other")
    with pytest.raises(release.ReleaseError, match=r"some changes are in no commit(.|\n)*README\.md"):
        release.main(copy)


def test_the_project_as_it_stands_could_be_released() -> None:
    assert release.version_of(ROOT) == __version__
    assert release.notes_of(ROOT, __version__)
