"""The site of the docs builds strictly, has every page and option, and asks no other host for anything."""

import re
import runpy
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest

import website
from mockserver.testing import open_mock
from tests.importing.shop import contract
from tests.strategies import ROOT

NAMES = sorted(path.stem for path in (ROOT / "docs").glob("*.md"))
LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href", "video": "src"}
"""What a browser loads by itself."""


@cache
def site() -> Path:
    return website.build()


class Loads(HTMLParser):
    """Collects the addresses that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the address of an element that loads something; a canonical address is only named."""
        given = dict(attrs)
        if tag in LOADING and given.get("rel") not in ("canonical", "prev", "next"):
            self.found.append(given.get(LOADING[tag]) or "")


def test_every_page_of_the_docs_is_in_the_site_and_in_its_navigation() -> None:
    start = (site() / "index.html").read_text("utf-8")
    for name in NAMES:
        assert (site() / name / "index.html").exists() or name == "index", name
        assert re.search(rf'href="(\./)?{name}/"', start) or name == "index", name


def test_every_option_has_a_page_that_names_its_default_and_its_variable() -> None:
    for each, _ in website.options():
        text = (site() / "options" / each.name.replace("_", "-") / "index.html").read_text("utf-8")
        assert f"MOCKSERVER_{each.name.upper()}" in text
        assert each.default is None or str(each.default) in text


def test_no_page_loads_anything_from_another_host() -> None:
    pages = sorted(site().rglob("*.html"))
    assert len(pages) > len(NAMES)
    for path in pages:
        loads = Loads()
        loads.feed(path.read_text("utf-8"))
        assert [each for each in loads.found if re.match(r"(https?:)?//", each)] == [], path
    for path in site().rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", path.read_text("utf-8")), path


def test_a_link_that_leads_nowhere_stops_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = {**website.pages(), "state.md": "# State\n\n[gone](nowhere.md)\n"}
    monkeypatch.setattr(website, "pages", lambda: made)
    with pytest.raises(SystemExit, match=r"the site cannot be built(.|\n)*nowhere\.md"):
        website.build(tmp_path / "site")


def test_what_agents_read_names_every_page() -> None:
    text = (ROOT / "llms.txt").read_text("utf-8")
    assert set(re.findall(r"\]\(docs/([\w-]+)\.md\)", text)) == set(NAMES)
    assert text.startswith("# mockserver\n\n> ")
    served = (site() / "llms.txt").read_text("utf-8")
    assert all((site() / target).is_dir() for target in re.findall(r"\]\(([^)]+)\)", served) if target != "index/")


def test_every_route_that_the_guide_for_moving_names_is_a_control_route() -> None:
    named = set(re.findall(r"`(?:GET|POST|PUT|DELETE) (/__mock__/[^`,]*)`", (ROOT / "docs" / "moving.md").read_text()))
    told = (ROOT / "docs" / "control.md").read_text()
    assert len(named) > 4
    assert {route for route in named if route not in told} == set()


def test_the_test_that_was_moved_from_respx_passes(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "moving.md").read_text("utf-8")
    code = next(each for each in re.findall(r"```python\n(.+?)```", page, re.DOTALL) if "intercept" in each)
    (tmp_path / "moved.py").write_text(code)
    there = runpy.run_path(str(tmp_path / "moved.py"), {"find_pet": find_pet})
    with open_mock(contract=str(contract(tmp_path))) as mock:
        there["test_a_pet"](mock)
        mock.check()


def find_pet(number: int) -> Any:
    """Return a pet of the shop; None if there is none."""
    answer = httpx.get(f"https://shop.example/pets/{number}")
    return answer.json() if answer.status_code == 200 else None
