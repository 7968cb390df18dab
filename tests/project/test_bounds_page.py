"""The page of bounds is true: an option that it names has that default, and a fixed bound is that of the code."""

import re

import pytest

from mockserver import redact
from mockserver.answer import prefer, template
from mockserver.apis.llamacloud_chat import sessions
from mockserver.contract import explain, pattern
from mockserver.control import admin
from mockserver.messages import LONGEST_HEADERS, LONGEST_TARGET
from mockserver.proxy import app as proxy
from mockserver.proxy import judge
from mockserver.request import encoding, validate
from mockserver.request.reading import media
from mockserver.settings import Settings, options_of
from mockserver.store import redis, sqlite_file
from mockserver.store.base import Limits
from mockserver.terminal import lines as waiting
from tests.strategies import ROOT

ROW = re.compile(r"^\| (.+?) \| ([\d.]+) \| (?:`--([a-z-]+)`)? ?\| (.+) \|$")
LINES = [line for line in (ROOT / "docs" / "bounds.md").read_text("utf-8").splitlines() if line.startswith("| ")]
ROWS = [match.groups() for line in LINES if (match := ROW.match(line))]
OPTIONS = {each.name: each.default for each in options_of(Settings)}
FIXED = {
    "deleted ids that stay known, in a scope": Limits().gone,
    "scopes with a journal": Limits().journals,
    "lines about requests that wait for the reader of stderr": waiting.MOST_WAITING,
    "stubs of a scope": Limits().stubs,
    "parts of a gzip body, one after the other": encoding.MOST_MEMBERS,
    "fields of a form": media.MOST_FIELDS,
    "parts of a multipart body": media.MOST_PARTS,
    "tags of an XML body": media.MOST_TAGS,
    "lines of a body of JSON lines": media.MOST_LINES,
    "bytes of path and query": LONGEST_TARGET,
    "bytes of the headers": LONGEST_HEADERS,
    "bytes of a `Prefer` field": prefer.LONGEST,
    "bytes of the body of a control request": admin.LONGEST,
    "bytes of a state that is restored": admin.LONGEST_STATE,
    "sessions on a page": sessions.LONGEST_PAGE,
    'bytes of a body of which each error is named, and in which "1" may be an integer': validate.LARGE,
    "errors that a 422 lists": validate.MOST_DETAILS,
    "characters of a refused value that are shown": validate.LONGEST_INPUT,
    "bytes of a body that is searched for secrets, if its refusal is recorded": redact.LONGEST_SEARCHED,
    "levels to which a refused value is shown": validate.DEEPEST,
    "bytes of an answer that a proxy holds back": proxy.HELD_BYTES,
    "seconds for which a proxy holds an answer back": proxy.HELD_SECONDS,
    "parts of an answer whose times a proxy keeps": judge.MOST_TIMES,
    "seconds for an answer of Redis": redis._PATIENCE,
    "seconds for another process that writes to the SQLite file": sqlite_file._PATIENCE,
    "characters matched by a pattern that needs backtracking": pattern.LONGEST,
    "texts of a body matched by such patterns": pattern.MOST_TEXTS,
    "bytes that a template of a canned answer reads, builds and writes for one call; an item of a list, and a part of "
    "a loop's step, count as 8": template.MOST_WORK,
}
"""The fixed bounds, by what the page calls them."""


def test_every_line_of_its_tables_is_understood() -> None:
    assert len(LINES) - len(ROWS) == 2 * sum(line.startswith("| what |") for line in LINES)
    assert len({what for what, *_ in ROWS}) == len(ROWS) > 20


@pytest.mark.parametrize(("what", "bound", "option"), [row[:3] for row in ROWS])
def test_each_bound_is_what_the_page_says(what: str, bound: str, option: str | None) -> None:
    assert float(bound) == (OPTIONS[option.replace("-", "_")] if option else FIXED[what])


def test_no_option_that_is_a_bound_is_left_out() -> None:
    named = {option.replace("-", "_") for _, _, option, _ in ROWS if option}
    assert {name for name in OPTIONS if re.search("^max_|_bytes$|_timeout$|^journal_", name)} == named


def test_values_of_which_each_error_is_named_have_one_bound() -> None:
    assert validate.LARGE == explain.SMALL


def test_the_fixed_bounds_are_all_on_the_page() -> None:
    assert set(FIXED) == {what for what, _, option, _ in ROWS if not option}


def test_the_title_that_is_not_counted_is_that_of_the_page() -> None:
    assert f"A title of up to {sessions.MINOR_TITLE} characters" in (ROOT / "docs" / "bounds.md").read_text("utf-8")
