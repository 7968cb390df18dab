"""The page on packs shows the pack that the tests install."""

import re
from dataclasses import fields

import pytest

from mockserver.api import Api
from tests.strategies import ROOT

PAGE = (ROOT / "docs" / "packs.md").read_text("utf-8")
NOTES = ROOT / "tests" / "packs" / "notes"


@pytest.mark.parametrize("name", ["pyproject.toml", "notes_pack/__init__.py", "notes_pack/check.py"])
def test_a_file_of_the_example_is_shown_as_it_is(name: str) -> None:
    block = re.search(rf"^`{re.escape(name)}`.*?\n```\w+\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    assert block is not None
    assert block[1] == (NOTES / name).read_text("utf-8")


@pytest.mark.parametrize("name", [each.name for each in fields(Api)])
def test_every_field_of_a_pack_is_described(name: str) -> None:
    assert f"`{name}`" in PAGE
