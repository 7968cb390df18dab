"""The rule that makes a title of a message."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.apis.llamacloud_chat.sessions import title_of

FAMILY = "👩‍👩‍👧‍👦"
"""One character of seven code points."""

GRAPHEMES = (
    *"aé東각 ",
    "e\u0301",
    FAMILY,
    "👍🏽",
    "🇩🇪",
    "❤️",
    "1️⃣",
    "क्षि",
    "\u1100\u1161\u11a8",
    "ดำ",
    "e" + "\u0301" * 5,
)
"""What a reader sees as one character each."""

lengths = st.integers(1, 60)


@given(st.text(max_size=40), lengths)
@example("🇩🇪🇫🇷", 3)
@example("\u0301" * 9, 4)
def test_a_verbatim_title_is_a_beginning_of_at_most_the_length(message: str, length: int) -> None:
    made = title_of(message, length, "verbatim").removesuffix("...")
    assert message.startswith(made)
    assert len(made) <= length
    assert bool(made) is bool(message)


@given(st.text(alphabet="ab \n\t\u3000\x1f", max_size=40), lengths)
def test_a_collapsed_title_is_that_of_the_message_with_single_spaces(message: str, length: int) -> None:
    assert title_of(message, length) == title_of(" ".join(message.split()), length, "verbatim")


@given(st.lists(st.sampled_from(GRAPHEMES), min_size=2, max_size=30), lengths)
def test_a_title_ends_where_what_a_reader_sees_as_a_character_ends(characters: list[str], length: int) -> None:
    ends = [len("".join(characters[:count])) for count in range(1, len(characters) + 1)]
    made = title_of("".join(characters), length, "verbatim").removesuffix("...")
    assert len(made) == (max((end for end in ends if end <= length), default=length))


@pytest.mark.parametrize("character", [each for each in GRAPHEMES if len(each) > 1], ids=ascii)
def test_a_character_longer_than_the_title_is_cut_at_the_length(character: str) -> None:
    assert title_of(character * 3, 1) == character[0] + "..."


@pytest.mark.parametrize(("first", "second"), list(pairwise(GRAPHEMES)), ids=ascii)
def test_a_cut_falls_between_two_characters(first: str, second: str) -> None:
    for length in range(len(first), len(first + second)):
        assert title_of(first + second, length, "verbatim") == first + "..."


def test_a_line_end_of_two_signs_is_not_cut() -> None:
    assert title_of("a\r\nb", 2, "verbatim") == "a..."
