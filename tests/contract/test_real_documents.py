"""Published documents are served: all of them start, and every operation answers a valid request validly."""

from pathlib import Path

import pytest

from mockserver.contract.source import read_source
from tests.real_documents import DIRECTORY, OAS_EXAMPLES, OCTOKIT, RIGHT, Outcome, installed, outcomes, told

UNMADE = "no request"
"""The verdict on an operation whose own schemas allow no request, or none that was found."""

DIFFERENT = ("uspto", "parameters-style", "train-travel")
"""Documents that say different things in the vendor's two files, beside the petstore."""


def _served(paths: list[Path]) -> dict[str, list[Outcome]]:
    found = {f"{path.parent.name}/{path.name}": list(outcomes(path)) for path in paths}
    print(told(found))
    return found


def _share(found: dict[str, list[Outcome]]) -> float:
    """Return the share of the operations that can be asked at all whose answers are right."""
    every = [each for several in found.values() for each in several if each.verdict != UNMADE]
    return sum(each.verdict in RIGHT for each in every) / len(every)


def test_the_small_documents_of_a_vendor_are_served() -> None:
    """Of 2.0, 3.0 and 3.1; what no request can be made for is told."""
    folder = installed(OAS_EXAMPLES)
    paths = sorted(folder.glob("[23].*/json/*.json"))
    assert len(paths) >= 60
    found = _served(paths)
    every = [each for several in found.values() for each in several]
    left = {each.operation: each.verdict for each in every if each.verdict not in RIGHT | {UNMADE}}
    assert left == {f"get /status/{status}": "501" for status in (100, 101, 102, 103)}
    assert sum(each.verdict == UNMADE for each in every) <= 13


def test_a_document_is_the_same_in_yaml() -> None:
    """Each document that the vendor writes in both."""
    folder = installed(OAS_EXAMPLES)
    pairs = [
        (path, other)
        for path in sorted(folder.glob("[23].*/json/*.json"))
        if (other := path.parent.parent / "yaml" / f"{path.stem}.yaml").exists()
    ]
    assert len(pairs) >= 50
    differing = [path.stem for path, other in pairs if read_source(path).data != read_source(other).data]
    assert differing == [*["petstore-expanded"] * 2, *DIFFERENT]


@pytest.mark.thorough("1,223 operations take half a minute")
def test_the_document_of_github_is_served() -> None:
    """All of its operations."""
    found = _served([installed(OCTOKIT) / "generated" / "api.github.com.json"])
    assert _share(found) == 1.0


@pytest.mark.thorough("800 MB of documents are fetched")
def test_the_documents_of_a_directory_are_served() -> None:
    """Every fortieth of some thousand, of all kinds of services."""
    paths = sorted((installed(DIRECTORY) / "api").rglob("*.json"), key=lambda path: path.as_posix())[::40]
    assert len(paths) >= 40
    found = _served(paths)
    assert _share(found) >= 0.99
