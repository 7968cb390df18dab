"""A document as it was at a revision of git, with the files that it may refer to."""

import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from mockserver.check.client.environments import run_step

LAST_TAG = "last-tag"
"""Stands for the last tag before the commit that is checked out."""

_DOCUMENTS = ("*.yaml", "*.yml", "*.json")


@contextmanager
def checked_out(path: Path, revision: str) -> Iterator[Path | None]:
    """Give the file as it was at a revision, beside the other documents of that revision; None if there was none."""
    folder = path.resolve().parent
    top = Path(_git(folder, "rev-parse", "--show-toplevel").strip())
    commit = _commit(folder, revision)
    tracked = _git(top, "ls-tree", "-r", "-z", "--name-only", commit).split("\0")
    own = path.resolve().relative_to(top.resolve())
    if str(own) not in tracked:
        yield None
        return
    wanted = [name for name in tracked if any(Path(name).match(each) for each in _DOCUMENTS)]
    wanted = wanted if str(own) in wanted else [*wanted, str(own)]
    with TemporaryDirectory(prefix="mockserver-drift-") as made:
        packed = Path(made) / "documents.tar"
        _git(top, "archive", "--format=tar", f"--output={packed}", commit, "--", *wanted)
        with tarfile.open(packed) as archive:
            archive.extractall(Path(made) / "tree", filter="data")
        yield Path(made) / "tree" / own


def _commit(folder: Path, revision: str) -> str:
    """Return the commit of a revision."""
    if revision == LAST_TAG:
        revision = _git(folder, "describe", "--tags", "--abbrev=0").strip()
    return _git(folder, "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}").strip()


def _git(folder: Path, *arguments: str) -> str:
    """Return what git prints."""
    fix = "name a commit, branch or tag; fetch the history where a checkout is shallow"
    command = ["git", "-c", "safe.directory=*", "-C", str(folder), *arguments]
    return run_step("git does not know the revision, or no checkout", command, fix=fix)
