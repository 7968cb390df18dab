"""Makes a release in `dist/`: the version, the changelog and the tree agree, and twine accepts what was built."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = re.compile(r'^__version__ = "(\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)"$', re.MULTILINE)
HEADING = re.compile(r"^## (\S+)(?: \((\d{4}-\d\d-\d\d)\))?$", re.MULTILINE)


class ReleaseError(Exception):
    """Why there is no release: what, where and how to fix it."""


def version_of(root: Path) -> str:
    """Return the version, which stands in one place."""
    match = VERSION.search((root / "mockserver" / "__init__.py").read_text("utf-8"))
    if match is None:
        raise ReleaseError('mockserver/__init__.py has no version: write __version__ = "1.2.3"')
    return match[1]


def notes_of(root: Path, version: str) -> str:
    """Return what the changelog says of a version, which must be its first section."""
    text = (root / "CHANGELOG.md").read_text("utf-8")
    first, *others = HEADING.finditer(text)
    if first[1] != version:
        raise ReleaseError(f"CHANGELOG.md begins with {first[1]}, and the version is {version}: write a section for it")
    if first[2] is None:
        raise ReleaseError(f"CHANGELOG.md has no date for {version}: write ## {version} (YYYY-MM-DD)")
    notes = text[first.end() : others[0].start() if others else None].strip()
    if not notes:
        raise ReleaseError(f"CHANGELOG.md says nothing of {version}: write what users see")
    return notes


def check_tree(root: Path, version: str) -> None:
    """Refuse a tree with changes that are in no commit, and a version that has its tag already."""
    if not (root / ".git").exists():
        raise ReleaseError(f"{root} is no checkout: a release is made of a commit")
    if changed := git(root, "status", "--porcelain"):
        raise ReleaseError(f"some changes are in no commit: commit or remove them\n{changed}")
    if git(root, "tag", "--list", f"v{version}"):
        raise ReleaseError(f"there is a tag v{version} already: raise __version__ in mockserver/__init__.py")


def git(root: Path, *arguments: str) -> str:
    """Return what git prints."""
    return run("git", "-C", str(root), *arguments)


def run(*command: str) -> str:
    """Run a command to its end; a ReleaseError says what it said if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"{' '.join(command)} failed\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def build(root: Path, version: str) -> list[Path]:
    """Build sdist and wheel, the wheel from the sdist, and let twine check them."""
    folder = root / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(root))
    made = sorted(folder.iterdir())
    wrong = [each.name for each in made if f"-{version}" not in each.name]
    if len(made) != 2 or wrong:
        raise ReleaseError(f"dist/ holds {', '.join(each.name for each in made)}, not sdist and wheel of {version}")
    run(sys.executable, "-m", "twine", "check", "--strict", *map(str, made))
    return made


def main(root: Path) -> str:
    """Make the release; return what is left to do by hand."""
    version = version_of(root)
    notes = notes_of(root, version)
    check_tree(root, version)
    made = build(root, version)
    files = " ".join(f"dist/{each.name}" for each in made)
    return f"{notes}\n\nmade {files}; then:\n  git tag -a v{version} -m v{version}\n  twine upload {files}"


if __name__ == "__main__":
    try:
        print(main(Path(__file__).parent))
    except ReleaseError as error:
        sys.exit(f"release: {error}")
