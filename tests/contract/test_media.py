"""Media types are compared and chosen as RFC 9110 says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.contract.media import Holds, choose, concrete, covers, declared_index, kind_of, read

DECLARED = ("application/json", "text/csv", "application/problem+json")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("*", "application/json"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV", "text/csv"),
        ("text/csv; charset=utf-8", "text/csv"),
        ("text/csv, application/json;q=0.5", "text/csv"),
        ("application/json;q=0.5, text/csv", "text/csv"),
        ("text/csv, application/json", "text/csv"),
        ("application/json;q=0.1, text/*", "text/csv"),
        ("application/json, text/plain, */*", "application/json"),
        ("*/*;q=0.1, application/*;q=0.2, application/problem+json;q=0.3", "application/problem+json"),
        ("application/json;q=0, */*", "text/csv"),
        ("application/json;q=nonsense", "application/json"),
        ('application/json;note="a,b;q=0", text/csv;q=0.2', "application/json"),
        ("image/png", None),
        ("application/json;q=0", None),
        ("text/*;q=0.000", None),
    ],
)
def test_the_representation_that_is_wished_for_most_is_chosen(accept: str | None, expected: str | None) -> None:
    found = choose(DECLARED, accept)
    assert (found and found.type) == expected


def test_a_wish_with_parameters_is_met_exactly_if_it_can_be_else_without_them() -> None:
    versions = ("application/json;version=1", "application/json; version=2", "text/csv")
    for accept, expected in (("application/json; version=2", 1), ("application/json;version=3", 0)):
        found = choose(versions, accept)
        assert found is not None
        assert (found.place, found.type) == (expected, versions[expected])


@pytest.mark.parametrize(
    ("declared", "accept", "holds", "expected"),
    [
        ("*/*", None, "data", "application/json"),
        ("*/*", None, "bytes", "application/octet-stream"),
        ("*/*", "image/png", "bytes", "image/png"),
        ("*/*", "application/xml", "data", "application/xml"),
        ("*/*", "image/png", "data", None),
        ("*/*", "text/*", "text", "text/plain"),
        ("image/*", "*/*", "bytes", "image/png"),
        ("image/*", "image/gif;q=0.5, image/*;q=0.4", "bytes", "image/gif"),
        ("application/*", "text/html", "data", None),
        ("application/*+json", None, "data", "application/x+json"),
    ],
)
def test_a_declared_range_is_answered_with_a_type_of_it(
    declared: str, accept: str | None, holds: Holds, expected: str | None
) -> None:
    found = choose([declared], accept, holds=[holds])
    assert (found and found.type) == expected
    if expected is not None:
        assert covers(read(declared), read(expected))


def test_a_type_is_described_by_the_most_exact_declaration() -> None:
    declared = ("*/*", "text/*", "text/csv", "text/csv;header=present")
    for sent, place in (
        ("text/csv;header=present", 3),
        ("text/csv; charset=utf-8", 2),
        ("Text/HTML", 1),
        ("image/png", 0),
    ):
        assert declared_index(declared, sent) == place
    assert declared_index(("text/csv",), "text/html") is None


TYPES = st.sampled_from(["a/b", "a/c", "d/e", "d/f+json"])
WISHES = st.lists(st.tuples(st.sampled_from(["*/*", "a/*", "d/*", "a/b", "d/f+json"]), st.integers(0, 10)), max_size=4)


@given(st.lists(TYPES, min_size=1, unique=True), WISHES)
def test_nothing_is_chosen_that_is_refused_and_nothing_better_is_left(
    declared: list[str], wishes: list[tuple[str, int]]
) -> None:
    def quality(each: str) -> int:
        own = [(wish == each, wish != "*/*", tenths) for wish, tenths in wishes if covers(read(wish), read(each))]
        best = max((exact, narrow) for exact, narrow, _ in own) if own else None
        return next((tenths for exact, narrow, tenths in own if (exact, narrow) == best), 0) if wishes else 10

    accept = ", ".join(f"{wish};q={tenths / 10}" for wish, tenths in dict(reversed(wishes)).items())
    wishes = list(dict(reversed(wishes)).items())
    found = choose(declared, accept)
    if found is None:
        assert all(quality(each) == 0 for each in declared)
    else:
        assert quality(found.type) == max(map(quality, declared)) > 0


@given(st.text())
def test_any_text_is_read_as_some_media_type(text: str) -> None:
    assert kind_of(read(text))
    assert not read(concrete(text)).is_range or "*" in text
    choose(DECLARED, text)
