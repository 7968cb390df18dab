"""The pages name only files that exist."""

import re
from pathlib import Path

import pytest

from tests.strategies import ROOT

PAGES = (*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "examples").rglob("*.md")))
PACKAGE = ROOT / "mockserver"
TOP = ("mockserver", "tests", "docs", "schemas", "fixtures", "examples", "benchmarks", ".github", ".ci")
MADE = ("benchmarks/results.json",)
"""Files that a command makes, and that are not kept."""


def names(page: Path) -> str:
    return str(page.relative_to(ROOT))


def links(page: Path) -> set[str]:
    """Give the targets of a page's relative links, without their anchors."""
    found = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL))
    return {link.partition("#")[0] for link in found if "://" not in link} - {""}


def files(page: Path) -> set[str]:
    """Give the paths in backticks that begin with a folder of the project; names with a placeholder are left out."""
    found = re.findall(r"`([\w./-]+)`", page.read_text("utf-8"))
    return {name for name in found if name.partition("/")[0] in TOP and "/" in name} - set(MADE)


def anchors(page: Path) -> set[str]:
    """Give the anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_relative_link_of_a_page_leads_to_a_file(page: Path) -> None:
    assert {link for link in links(page) if not (page.parent / link).exists()} == set()


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_link_to_a_heading_leads_to_one(page: Path) -> None:
    found = re.findall(r"\]\(([^)\s#:]*)#([^)\s]+)\)", page.read_text("utf-8"))
    targets = {(page.parent / name if name else page, anchor) for name, anchor in found}
    assert {anchor for target, anchor in targets if anchor not in anchors(target)} == set()


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_file_that_a_page_names_exists(page: Path) -> None:
    assert {name for name in files(page) if not (ROOT / name).exists()} == set()


def test_every_module_that_the_architecture_names_exists() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    found = re.findall(r"`([a-z_]+/[a-z_/]*)`", (ROOT / "ARCHITECTURE.md").read_text("utf-8"))
    named = {name for name in found if name.partition("/")[0] in rooms}
    assert named
    assert {name for name in named if not (PACKAGE / name).is_dir() and not (PACKAGE / f"{name}.py").exists()} == set()


def test_pages_have_links_and_files_to_look_at() -> None:
    assert len(set().union(*map(links, PAGES))) > 20
    assert len(set().union(*map(files, PAGES))) > 3
