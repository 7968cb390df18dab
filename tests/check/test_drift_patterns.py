"""Which pattern takes more is seen where that is simple, and never said where it is not so."""

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.check.changes.patterns import is_pattern_within
from tests.drifts import changes, sided

EQUAL = [
    ("^(a|b)$", "^(?:b|a)$"),
    ("^[0-9]+$", r"^\d+$"),
    ("^[A-Za-z0-9_]*$", r"^\w*$"),
    ("^aa*$", "^a+$"),
    ("^a{1,}$", "^a+$"),
    ("^a{2}$", "^aa$"),
    ("^(abc)$", "^abc$"),
    (r"^a\-b$", "^a-b$"),
    (r"^\x41$", "^A$"),
    ("^[^a]$", r"^[^\u0061]$"),
    ("^a?$", "^(a|)$"),
    ("^(?:ab)?$", "^$|^ab$"),
    ("a", "a+"),
    ("^[ab]$", "^a$|^b$"),
    ("^(?:a|b)c$", "^[ab]c$"),
]

WIDER = [
    ("^(a|b)$", "^(a|b|c)$"),
    ("^[a-z]+$", "^[a-zA-Z0-9-]+$"),
    ("^[a-z]{1,5}$", "^[a-z]{1,9}$"),
    ("^[a-z][a-z0-9]*$", "^[a-z0-9]+$"),
    ("^[a-z]+-[0-9]+$", r"^[a-z]+-\w+$"),
    ("^abc$", "^abc"),
    ("^a", "a"),
    (r"^\d{4}-\d{2}$", r"^[\d-]+$"),
    ("^a$", "^[^b]$"),
    ("^[a-c]$", "^.$"),
]

UNDECIDED = [
    ("^(a|b)+$", "^[ab]+$"),
    ("^(?=a)a$", "^a$"),
    (r"^(a)\1$", "^aa$"),
    (r"^a\b$", "^a$"),
    ("^a$b", "^c$"),
    ("^[z-a]$", "^a$"),
    ("^a", "["),
    ("(", "a"),
    (r"^\p{L}$", "^.$"),
    (r"^\ud83d\ude00$", "^.$"),
    ("a**", "a"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_a_pattern_in_other_words_is_no_change(one: str, other: str) -> None:
    assert is_pattern_within(one, other)
    assert is_pattern_within(other, one)
    a, b = ({"type": "string", "pattern": each} for each in (one, other))
    assert changes(sided(a, "request"), sided(b, "request")) == ()


@pytest.mark.parametrize(("one", "other"), WIDER)
def test_a_pattern_that_takes_more_is_looser_and_the_way_back_tighter(one: str, other: str) -> None:
    narrow, wide = ({"type": "string", "pattern": each} for each in (one, other))
    (loose,) = changes(sided(narrow, "request"), sided(wide, "request"))
    (tight,) = changes(sided(wide, "request"), sided(narrow, "request"))
    assert (loose.rule, loose.severity) == ("pattern-loosened", "harmless")
    assert (tight.rule, tight.severity) == ("pattern-tightened", "breaking")
    (loose,) = changes(sided(narrow, "response"), sided(wide, "response"))
    (tight,) = changes(sided(wide, "response"), sided(narrow, "response"))
    assert (loose.severity, tight.severity) == ("risky", "harmless")


@pytest.mark.parametrize(("one", "other"), UNDECIDED)
def test_what_is_not_decided_is_told_so(one: str, other: str) -> None:
    a, b = ({"type": "string", "pattern": each} for each in (one, other))
    (change,) = changes(sided(a, "request"), sided(b, "request"))
    assert (change.rule, change.severity) == ("pattern-changed", "breaking")
    assert "was not decided" in change.message


PARTS = st.sampled_from(
    ["a", "b", "[ab]", "[^a]", ".", "a?", "b*", "[ab]+", "a{2}", "b{0,2}", "(a|b)", "(ab)?", "(?:|b)"]
)
PATTERNS = st.builds(
    lambda start, rows, end: f"{start}(?:{'|'.join(map(''.join, rows))}){end}",
    st.sampled_from(["", "^"]),
    st.lists(st.lists(PARTS, max_size=3), min_size=1, max_size=2),
    st.sampled_from(["", "$"]),
)
TEXTS = ["".join(each) for size in range(6) for each in product("abc", repeat=size)]


@given(one=PATTERNS, other=PATTERNS)
def test_no_text_shows_that_what_is_said_to_be_within_is_not(one: str, other: str) -> None:
    if is_pattern_within(one, other):
        assert [each for each in TEXTS if re.search(one, each) and not re.search(other, each)] == []
