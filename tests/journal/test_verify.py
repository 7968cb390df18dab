"""A verification says whether calls happened as expected, what came nearest, and what the journal cannot tell."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mockserver.engine import Mock
from mockserver.errors import StubError
from mockserver.journal.exchange import Exchange, calls_of
from mockserver.journal.verify import (
    Expected,
    Times,
    Verdict,
    distance,
    nearest,
    read_expected,
    read_times,
    verify,
    verify_order,
)
from mockserver.matching import ANY, Fields, OperationFields
from mockserver.messages import Json
from mockserver.settings import Settings
from tests.exchanges import exchange, journal
from tests.talk import TITLE, ask

FIELDS = {
    "set_title": Fields(path=frozenset({"session_id"}), body=frozenset({"first_message"})),
    "list": Fields(),
}
KNOWN = OperationFields(FIELDS.__getitem__, {"set_title": ["POST /api/v1/chat/{session_id}/title"], "list": []})
UNSAID = "this cannot be decided: "


def expect(operation: str = "set_title", /, **when: Any) -> Expected:
    return read_expected({"operation": operation, "when": when}, KNOWN)


def title(message: str, **said: Any) -> Exchange:
    """Make an exchange of a call that sets a title."""
    return exchange(body=json.dumps({"first_message": message}).encode(), **said)


def listing(**said: Any) -> Exchange:
    return exchange(operation="list", method="GET", path="/api/v1/chat", body=b"", values={}, **said)


def cut(kept: Sequence[Exchange], longest: int) -> list[Exchange]:
    """Give a journal that keeps so many bytes of each body."""
    return [each._replace(body=each.body[:longest]) for each in kept]


# -- the laws --------------------------------------------------------------------------------------------------------


class Made(NamedTuple):
    """A call that a client made: of what, with which message, in how many attempts."""

    operation: str
    message: str
    attempts: int

    def is_meant(self, expected: Expected) -> bool:
        """Say whether it is what is expected, as plainly as can be."""
        operation, when = expected
        wanted = when.get("body", {}).get("first_message", self.message)
        listed = self.operation == "list" and "body" in when
        return operation in (ANY, self.operation) and self.message == wanted and not listed


made = st.builds(Made, st.just("set_title"), st.sampled_from("abc"), st.integers(1, 3)) | st.builds(
    Made, st.just("list"), st.just(""), st.integers(1, 2)
)
calls = st.lists(made, max_size=6)
expectations = st.sampled_from(
    [
        expect(),
        expect(first_message="a"),
        expect(first_message="b"),
        expect("list"),
        expect(ANY),
        expect(ANY, body={"first_message": "a"}),
    ]
)
counts = st.integers(0, 3)
times = st.builds(Times, counts) | st.tuples(counts, counts).map(lambda pair: Times(min(pair), max(pair)))


@st.composite
def told(draw: st.DrawFn, made: Sequence[Made]) -> list[Exchange]:
    """Draw the journal of calls, which may have been made at once: the attempts of one are in order."""
    waiting = [
        [
            listing(attempt=attempt) if call.operation == "list" else title(call.message, attempt=attempt)
            for attempt in range(call.attempts)
        ]
        for call in made
    ]
    mixed: list[Exchange] = []
    while waiting:
        call = draw(st.sampled_from(waiting))
        mixed.append(call.pop(0))
        waiting = [each for each in waiting if each]
    return journal(*mixed)


@given(st.data(), calls, expectations, times, st.none() | times)
def test_calls_are_counted_and_their_attempts_are_too(
    data: st.DataObject, made: list[Made], expected: Expected, times: Times, attempts: Times | None
) -> None:
    meant = [call for call in made if call.is_meant(expected)]
    verdict = verify(data.draw(told(made)), expected, times, attempts)
    fits = attempts is None or all(attempts.allow(call.attempts) for call in meant)
    assert verdict.ok is (times.allow(len(meant)) and fits)
    assert (verdict.calls, verdict.message == "") == (len(meant), verdict.ok)


@given(st.data(), calls, st.lists(expectations, min_size=1, max_size=4))
def test_an_order_is_found_if_it_can_be_had_by_leaving_out_calls(
    data: st.DataObject, made: list[Made], order: list[Expected]
) -> None:
    kept = data.draw(told(made))
    left = [call[0] for call in calls_of(kept)]
    for expected in order:
        while left and distance(left[0], *expected):
            left.pop(0)
        fits = bool(left)
        left = left[1:]
        if not fits:
            break
    assert verify_order(kept, order).ok is fits


def is_withheld_or_the_same(partial: Verdict, whole: Verdict) -> bool:
    return partial.message.startswith(UNSAID) or partial.ok is whole.ok


@given(st.data(), calls, expectations, times, st.none() | times, st.lists(expectations, min_size=1, max_size=3))
def test_what_the_journal_has_not_kept_changes_no_verdict(
    data: st.DataObject,
    made: list[Made],
    expected: Expected,
    times: Times,
    attempts: Times | None,
    order: list[Expected],
) -> None:
    kept = data.draw(told(made))
    assume(kept)
    gone = data.draw(st.integers(0, len(kept) - 1))
    partial = cut(kept[gone:], data.draw(st.sampled_from([0, 10, 22, 1_000])))
    whole = verify(kept, expected, times, attempts)
    assert is_withheld_or_the_same(verify(partial, expected, times, attempts), whole)
    assert is_withheld_or_the_same(verify_order(partial, order), verify_order(kept, order))


@given(counts, st.none() | counts, counts, st.none() | counts)
def test_it_is_open_how_often_if_one_count_would_do_and_another_not(
    least: int, most: int | None, first: int, last: int | None
) -> None:
    assume(most is None or least <= most)
    assume(last is None or first <= last)
    allowed = {Times(least, most).allow(count) for count in range(first, 50 if last is None else last + 1)}
    assert Times(least, most).leave_open(first, last) is (allowed == {True, False})


# -- what the journal cannot tell ------------------------------------------------------------------------------------

OLD = journal(title("a"), title("b"), first=3)


def test_what_would_need_what_is_let_go_of_cannot_be_said() -> None:
    said = "this cannot be decided: the journal has dropped its 2 oldest exchanges; "
    said += "raise --journal-size or --journal-bytes."
    never, twice = Times(0, 0), Times(2, 2)
    assert verify(OLD, expect(first_message="c"), never) == (False, said, 0)
    assert verify(OLD, expect(first_message="c"), Times()).message == said
    assert verify(OLD, expect(), twice) == (False, said, 2)
    assert verify(OLD, expect(), Times(), Times(1, 1)).message == said
    assert verify_order(OLD, [expect(first_message="b"), expect(first_message="a")]).message == said


def test_what_does_not_need_what_is_let_go_of_is_said() -> None:
    assert verify(OLD, expect(first_message="a"), Times()).ok
    assert verify_order(OLD, [expect(first_message="a"), expect(first_message="b")]).ok
    refused = verify(OLD, expect(first_message="a"), Times(0, 0))
    assert refused.message.startswith("expected never: ")


def test_when_a_call_began_is_not_known_where_its_first_attempt_is_let_go_of() -> None:
    whole = journal(title("a"), title("b"), title("a", attempt=1))
    order = [expect(first_message="b"), expect(first_message="a")]
    assert not verify_order(whole, order).ok
    assert verify_order(whole[1:], order).message.startswith(UNSAID)


def test_what_would_need_the_end_of_a_body_cannot_be_said() -> None:
    kept = cut(journal(title("a" * 50), title("b"), listing()), 25)
    verdict = verify(kept, expect(first_message="c"), Times(0, 0))
    assert verdict.message == (
        "this cannot be decided: the journal keeps only the beginning of these bodies; raise --journal-body.\n"
        f"  #1 POST {TITLE} -> 200 (set_title, 2.6, simulated)"
    )
    assert not verdict.ok
    assert verify_order(kept, [expect("list"), expect(first_message="c")]).message.startswith(UNSAID)


def test_what_does_not_need_the_end_of_a_body_is_said() -> None:
    kept = cut(journal(title("a" * 50), title("b"), listing()), 25)
    assert verify(kept, expect(first_message="b"), Times()).ok
    assert verify(kept, expect(), Times(2, 2)).ok
    assert verify(kept, expect("list"), Times(1, 1)).ok
    assert verify(kept, expect(session_id="other", first_message="c"), Times(0, 0)).ok
    assert verify(kept, expect(first_message="c"), Times(3)).message.startswith("expected at least 3 times: ")


@pytest.mark.parametrize("when", [{"body": {"$regex": "a"}}, {"body": 12}, {"body": None}, {"body": {"$absent": True}}])
def test_a_beginning_is_not_taken_for_a_body(when: dict[str, Any]) -> None:
    for body in (b"abc", b"123", b"1"):
        kept = cut([exchange(body=body)], len(body) // 2)
        assert verify(kept, expect(**when), Times()).message.startswith(UNSAID)


def test_a_mock_tells_what_its_journal_cannot() -> None:
    mock = Mock(Settings(contract="2.6", seed=1, journal_size=2, journal_body=30))
    for message in ("a", "a" * 50, "b"):
        ask(mock.handle, "POST", TITLE, {"first_message": message})
    kept = mock.exchanges("default")
    assert "its 1 oldest" in verify(kept, expect(first_message="c"), Times(0, 0)).message
    assert verify(kept, expect(first_message="b"), Times()).ok
    mock.store.clear_entries("default")
    ask(mock.handle, "POST", TITLE, {"first_message": "a" * 50})
    (long,) = mock.exchanges("default")
    assert (len(long.body), long.size) == (30, len(json.dumps({"first_message": "a" * 50})))
    assert "--journal-body" in verify([long], expect(first_message="c"), Times(0, 0)).message


# -- messages --------------------------------------------------------------------------------------------------------

LINE = f"POST {TITLE} -> 200 (set_title, 2.6, simulated)"
KEPT = journal(title("a"), title("b", attempt=0), title("b", attempt=1), listing())


@pytest.mark.parametrize(
    ("expected", "times", "lines"),
    [
        (
            expect(first_message="Q3"),
            Times(),
            [
                'expected at least once: set_title with body {"first_message": "Q3"}; it never happened.',
                "nearest:",
                f"  #1 {LINE}",
                '    /body/first_message: expected "Q3", received "a"',
                f"  #2 {LINE}",
                '    /body/first_message: expected "Q3", received "b"',
                f"  #3 {LINE}, attempt 2",
                '    /body/first_message: expected "Q3", received "b"',
            ],
        ),
        (
            expect("list"),
            Times(2, 2),
            [
                "expected twice: list; it happened once.",
                "nearest:",
                f"  #1 {LINE}",
                "    /operation: expected list, received set_title",
                f"  #2 {LINE}",
                "    /operation: expected list, received set_title",
                f"  #3 {LINE}, attempt 2",
                "    /operation: expected list, received set_title",
            ],
        ),
        (
            expect(),
            Times(0, 1),
            [
                "expected at most once: set_title; it happened twice.",
                "these did:",
                f"  #1 {LINE}",
                f"  #2 {LINE}",
            ],
        ),
    ],
)
def test_what_did_not_happen_is_told_with_what_did(expected: Expected, times: Times, lines: list[str]) -> None:
    assert verify(KEPT, expected, times).message.splitlines() == lines


def test_wrong_attempts_are_told_with_each_attempt() -> None:
    verdict = verify(KEPT, expect(), Times(), Times(3, 3))
    assert verdict.message.splitlines() == [
        "expected 3 times to be attempted: set_title; there were calls of 1, 2 attempts:",
        f"  #1 {LINE}",
        f"  #2 {LINE}",
        f"  #3 {LINE}, attempt 2",
    ]
    assert verify(KEPT, expect(), Times(2, 2), Times(1, 2)).ok
    assert verify(KEPT, expect(first_message="b"), Times(), Times(2, 2)).ok


def test_an_order_that_was_not_kept_is_told_with_the_calls() -> None:
    verdict = verify_order(KEPT, [expect("list"), expect(first_message="b")])
    assert verdict.message.splitlines() == [
        'expected as number 2 of the order, after list: set_title with body {"first_message": "b"}; it did not happen.',
        "the calls were:",
        f"  #1 {LINE}",
        f"  #2 {LINE}",
        "  #4 GET /api/v1/chat -> 200 (list, 2.6, simulated)",
    ]
    assert verdict.calls == 1


def test_that_nothing_was_called_is_told() -> None:
    assert verify([], expect("list"), Times()).message == (
        "expected at least once: list; it never happened.\nnothing was called."
    )
    assert verify([], expect("list"), Times(0, 0)) == (True, "", 0)
    assert verify_order([], [expect("list")]).message == (
        "expected as number 1 of the order: list; it did not happen.\nnothing was called."
    )


def test_the_nearest_differ_least_and_those_of_another_operation_come_last() -> None:
    far = title("a", values={"session_id": "far"})
    near = title("a", values={"session_id": "near"})
    other = near._replace(operation="list", body=b'{"first_message": "b"}')
    kept = journal(listing(), other, far, near, exchange(operation="", body=b""), near)
    lines = nearest(kept, *expect(session_id="near", first_message="b"))
    assert [line.split()[0] for line in lines if line.startswith("  #")] == ["#4", "#6", "#3"]
    assert nearest(kept[:1], *expect()) == [
        "nearest:",
        "  #1 GET /api/v1/chat -> 200 (list, 2.6, simulated)",
        "    /operation: expected set_title, received list",
    ]
    assert nearest(kept[4:5], *expect())[2] == "    /operation: expected set_title, received none"


def test_what_matches_is_not_shown_as_near() -> None:
    assert nearest(KEPT, *expect(ANY)) == []
    assert verify(KEPT, expect(ANY), Times(9)).message == "expected at least 9 times: *; it happened 3 times."


# -- reading ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "read", "said"),
    [
        (None, Times(1), "at least once"),
        (0, Times(0, 0), "never"),
        (1, Times(1, 1), "once"),
        (2, Times(2, 2), "twice"),
        (5, Times(5, 5), "5 times"),
        ({"at_least": 2}, Times(2), "at least twice"),
        ({"at_most": 2}, Times(0, 2), "at most twice"),
        ({"at_least": 1, "at_most": 3}, Times(1, 3), "1 to 3 times"),
        ({"at_least": 3, "at_most": 3}, Times(3, 3), "3 times"),
    ],
)
def test_how_often_is_read_and_told(given: Json, read: Times, said: str) -> None:
    assert read_times(given) == read
    assert str(read) == said


@pytest.mark.parametrize(
    "given",
    [
        *(True, -1, 1.0, "1", [], {}, [1]),
        *({"at_least": "1"}, {"at_least": None}, {"at_most": -1}, {"at_least": 2, "at_most": 1}),
        *({"least": 1}, {"at_least": 1, "more": 2}, {"at_least": True}),
    ],
    ids=str,
)
def test_what_does_not_say_how_often_is_refused_with_what_does(given: Json) -> None:
    with pytest.raises(StubError, match="does not say how often") as caught:
        read_times(given)
    assert "at_least" in caught.value.fix


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("nothing", "there is no operation 'nothing'"),
        ({"operation": 5}, "there is no operation '5'"),
        ({"operation": "list", "when": {"x": 1}}, "a request of list has no 'x'"),
        ({"operation": "list", "when": []}, "what is expected of a request is names and values"),
        ({"operation": "list", "when": 0}, "what is expected of a request is names and values"),
        ({"operation": "list", "times": 1}, "an expectation cannot be read"),
        ({"when": {}}, "an expectation cannot be read"),
        (None, "an expectation cannot be read"),
        (["list"], "an expectation cannot be read"),
    ],
)
def test_what_cannot_be_expected_is_refused(given: Json, said: str) -> None:
    with pytest.raises(StubError) as caught:
        read_expected(given, KNOWN)
    assert said in str(caught.value)


@pytest.mark.parametrize("method", ["POST", "post"])
def test_an_operation_is_named_by_its_method_and_path_too(method: str) -> None:
    named = f"{method} /api/v1/chat/{{session_id}}/title"
    assert read_expected({"operation": named, "when": {"session_id": "s"}}, KNOWN) == expect(session_id="s")


@pytest.mark.parametrize("given", ["list", {"operation": "list"}, {"operation": "list", "when": None}])
def test_an_operation_alone_is_an_expectation(given: Json) -> None:
    assert read_expected(given, KNOWN) == ("list", {})
