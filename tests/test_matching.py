"""A request is meant if it does not differ from what is expected, and each difference is told with its place."""

import datetime
import json
import math
import re
import time
from collections.abc import Callable
from typing import Any
from unittest.mock import ANY as ANYTHING
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.contract.tree import join, lookup
from mockserver.errors import StubError
from mockserver.matching import (
    ANY,
    DEEPEST,
    LONGEST_PATTERN,
    Difference,
    Fields,
    Parts,
    as_json,
    describe,
    differences,
    parts_of,
    read_when,
)
from mockserver.messages import Json
from tests.strategies import json_values, paths_in, put, wild_values

KNOWN = {
    "set_title": Fields(
        path=frozenset({"session_id"}),
        query=frozenset({"project_id", "page_size"}),
        headers=frozenset({"X-Trace"}),
        body=frozenset({"first_message", "$schema"}),
    ),
    "list": Fields(query=frozenset({"$top"})),
}


def read(operation: str = "set_title", /, **when: Any) -> Any:
    return read_when(operation, when, KNOWN)


def body(value: Json) -> Parts:
    return parts_of({}, "", [], json.dumps(value).encode())


def found(parts: Parts, /, operation: str = ANY, **when: Any) -> list[str]:
    """Give how a request differs from what is expected."""
    return [str(each) for each in differences(read(operation, **when), parts)]


def refused(operation: str = "set_title", /, **when: Any) -> str:
    """Give why nothing can be expected so."""
    with pytest.raises(StubError) as caught:
        read(operation, **when)
    return str(caught.value)


# -- the law ---------------------------------------------------------------------------------------------------------


def without_words(value: Json) -> bool:
    """Say whether no key of a value is one of the matchers' words."""
    if isinstance(value, dict):
        return all(not key.startswith("$") and without_words(item) for key, item in value.items())
    return not isinstance(value, list) or all(map(without_words, value))


bodies = json_values.filter(without_words)


@st.composite
def parts_of_it(draw: st.DrawFn, value: Json) -> Any:
    """Draw what asks for a part of a value, in any of the ways in which it can be asked for."""
    kind = draw(st.integers(0, 9))
    if kind == 0:
        return draw(st.sampled_from([lambda _: True, lambda received: received == value]))
    if isinstance(value, dict):
        asked = {key: draw(parts_of_it(item)) for key, item in value.items() if draw(st.booleans())}
        return asked | {f"no {key}": {"$absent": True} for key in list(value)[:1] if f"no {key}" not in value}
    if isinstance(value, list):
        return [draw(parts_of_it(item)) for item in value]
    if isinstance(value, str) and kind < 6:
        return draw(st.sampled_from([re.compile(re.escape(value)), {"$regex": ""}, {"$regex": "^"}, re.compile("$")]))
    return value


@given(st.data(), bodies)
def test_what_is_a_part_of_a_request_is_no_difference(data: st.DataObject, value: Json) -> None:
    asked = data.draw(parts_of_it(value))
    assert found(body(value), body=asked) == []


@st.composite
def places(draw: st.DrawFn) -> tuple[Json, tuple[str | int, ...]]:
    """Draw a value, and the path of something in it."""
    value = draw(bodies)
    return value, draw(paths_in(value))


@given(places())
@example(({"a/b": {"~": 1}}, ("a/b", "~")))
def test_what_is_otherwise_in_one_place_is_one_difference_which_names_the_place(
    place: tuple[Json, tuple[str | int, ...]],
) -> None:
    value, path = place
    (difference,) = differences(read(ANY, body=put(value, path, "otherwise")), body(value))
    assert difference.where == join("/body", *path)
    assert difference.expected == '"otherwise"'
    there = lookup({"body": value}, difference.where)
    text = json.dumps(there, ensure_ascii=False)
    assert difference.received == (text if len(text) <= 200 else text[:197] + "...")


patterns = st.sampled_from(["", "^a", "q3", "Q3$", ".", "a|b", "[0-9]+", "a b", "a.b", "^b"])
flags = st.sampled_from([0, re.I, re.M, re.S, re.X, re.I | re.S, re.M | re.X])
texts = st.sampled_from(["", "Q3", "q3", "a b", "ab", "a\nb", "12", "A", "b\nQ3\n", "é"]) | st.text(max_size=4)


@given(
    asked=st.builds(re.compile, patterns, flags) | texts | st.fixed_dictionaries({"$regex": patterns}),
    sent=texts,
    nested=st.booleans(),
)
@example(asked=re.compile("a b", re.X), sent="ab", nested=False)
@example(asked=re.compile("a b", re.X), sent="a b", nested=False)
def test_what_is_sent_to_another_process_means_the_same_there(asked: Any, sent: str, nested: bool) -> None:
    if isinstance(asked, re.Pattern) and sent.endswith("\n") and asked.pattern.endswith("$"):
        sent += "."  # in Python alone, an end of a line at the end of a text may stand after $
    value, expected = ([{"x": sent}], [{"x": asked}]) if nested else (sent, asked)
    here = read(ANY, body=expected)
    there = read_when(ANY, json.loads(json.dumps(as_json(here))), {})
    assert (differences(here, body(value)) == []) is (differences(there, body(value)) == [])


@given(wild_values, bodies)
@example("x\ud800y", {"$regex": "y"})
@example({"a": ["\ud800"]}, "x")
@example(float("nan"), 1)
def test_whatever_is_sent_can_be_compared_and_told(sent: Any, asked: Json) -> None:
    for difference in differences(read(ANY, body=asked), Parts({}, {}, {}, sent)):
        str(difference).encode()
        assert len(difference.received) <= 200


def nested(depth: int) -> Json:
    value: Json = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("depth", [10, 500, 950, 980, 990, 999, 5_000])
@pytest.mark.parametrize("asked", ["x", {"a": 1}, [1], {"$regex": "x"}, {"$absent": True}], ids=str)
def test_a_body_of_any_depth_can_be_compared_and_told(depth: int, asked: Any) -> None:
    assert len(found(Parts({}, {}, {}, nested(depth)), body=asked)) == 1
    assert len(found(parts_of({}, "", [], b"[" * depth + b"]" * depth), body=asked)) == 1


# -- a request, taken apart ------------------------------------------------------------------------------------------


def test_a_request_is_taken_apart() -> None:
    headers = [(b"x-trace", b"1"), (b"x-trace", b"2"), (b"x-name", b"\xe9")]
    parts = parts_of({"session_id": "a b"}, "a=1&a=2&b=&c=%C3%A9+%zz", headers, b'{"x": [1]}')
    assert parts == (
        {"session_id": "a b"},
        {"a": "2", "b": "", "c": "é %zz"},
        {"x-trace": "1", "x-name": "é"},
        {"x": [1]},
    )


@pytest.mark.parametrize(
    ("sent", "value"),
    [(b"", None), (b"null", None), (b"{", "{"), (b"\xff\xfe", "\ufffd\ufffd"), (b'"\xc3\xa9"', "é"), (b" 1 ", 1)],
)
def test_a_body_is_decoded_or_is_a_text(sent: bytes, value: Json) -> None:
    assert parts_of({}, "", [], sent).body == value


def test_a_number_that_python_does_not_read_is_a_text() -> None:
    assert parts_of({}, "", [], b"9" * 5_000).body == "9" * 5_000


# -- reading ---------------------------------------------------------------------------------------------------------


def test_a_name_stands_for_a_part_of_the_request_that_has_it() -> None:
    when = read(session_id="s", project_id="p", first_message="m", **{"X-Trace": "t"})
    assert when == {
        "path": {"session_id": "s"},
        "query": {"project_id": "p"},
        "body": {"first_message": "m"},
        "headers": {"x-trace": "t"},
    }


def test_names_and_parts_are_taken_together() -> None:
    when = read(headers={"X-Trace": "t", "Accept": "a"}, body={"extra": 1}, first_message="m", query={"page_size": 5})
    assert when == {
        "headers": {"x-trace": "t", "accept": "a"},
        "body": {"extra": 1, "first_message": "m"},
        "query": {"page_size": 5},
    }


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ({"frist_message": "x"}, "has no 'frist_message'"),
        ({"frist_message": "x"}, "it has $schema, X-Trace, first_message, page_size, project_id, session_id"),
        ({"query": {"session_id": "x"}}, "the query of set_title has no 'session_id'"),
        ({"path": {"project_id": "x"}}, "the path of set_title has no 'project_id'"),
        ({"query": {1: "x", "y": 1}}, "the query of set_title has no 1"),
        ({"query": "a=1"}, "the query of a request are names and values"),
        ({"headers": None}, "the headers of a request are names and values"),
        ({"query": {"$regex": "x"}}, "$regex stands for one value, not for all of the query"),
        ({"headers": {"$absent": True}}, "$absent stands for one value, not for all of the headers"),
    ],
)
def test_what_no_request_can_have_is_refused_with_what_it_has(when: dict[str, Any], said: str) -> None:
    assert said in refused("set_title", **when)


def test_an_operation_that_is_not_there_is_refused_with_those_that_are() -> None:
    assert "there are list, set_title, and *" in refused("settitle")


def test_of_any_operation_only_parts_can_be_asked_for() -> None:
    assert "use path, query, headers, body" in refused(ANY, first_message="x")
    assert read(ANY, query={"whatever": "x"}) == {"query": {"whatever": "x"}}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"$regx": "x"}, "a matcher cannot be read"),
        ({"$regex": "x", "$absent": True}, "a matcher cannot be read"),
        ({"$regex": "x", "more": 1}, "a matcher cannot be read"),
        ({"more": 1, "$regex": "x"}, "a matcher cannot be read"),
        ({"$absent": False}, "$absent is true or left out"),
        ({"$absent": 1}, "$absent is true or left out"),
        ({"$regex": 1}, "$regex is a text of at most"),
        ({"$regex": "x" * (LONGEST_PATTERN + 1)}, "$regex is a text of at most"),
        ({"$regex": "("}, "is no regular expression that can be used"),
        ({"$regex": "\ud800"}, "is no regular expression that can be used"),
        (re.compile(b"x"), "a pattern of bytes"),
        (math.nan, "nan is not a JSON number"),
        (-math.inf, "-inf is not a JSON number"),
    ],
)
@pytest.mark.parametrize("outer", [lambda x: x, lambda x: {"a/b": [x]}], ids=["alone", "nested"])
def test_what_cannot_be_meant_is_refused_with_its_place(outer: Callable[[Any], Any], value: Any, said: str) -> None:
    for when, place in (({"body": outer(value)}, "/body"), ({"headers": {"X-A": outer(value)}}, "/headers/x-a")):
        text = refused("set_title", **when)
        assert said in text
        assert f"where: {place}{'/a~1b/0' if outer(0) else ''}\n" in text + "\n"


@pytest.mark.parametrize("pattern", ["(?=x)", "(?!x)", "(?<=x)", "(?<!x)", r"(x)\1", "(?P<a>x)(?P=a)"])
def test_an_expression_that_can_take_for_ever_is_refused(pattern: str) -> None:
    assert "look-around and back-references are not supported" in refused(first_message={"$regex": pattern})


def test_no_expression_takes_for_ever() -> None:
    begun = time.thread_time()
    assert found(body("a" * 100_000 + "!"), body={"$regex": "^(a+)+$"}) != []
    assert time.thread_time() - begun < 1


def test_what_is_nested_too_deep_is_refused() -> None:
    assert found(body(nested(DEEPEST)), body=nested(DEEPEST)) == []
    for depth in (DEEPEST + 1, 2_000):
        assert "nested deeper than 100 levels" in refused(body=nested(depth))


# -- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "sent", "fits"),
    [
        (1, 1.0, True),
        (1, True, False),
        (True, 1, False),
        (False, False, True),
        (0, None, False),
        (None, None, True),
        ("1", 1, False),
        (1, "1", False),
        ({}, {"a": 1}, True),
        ({}, [], False),
        ([], [1], False),
        ([], [], True),
        ((1, 2), [1, 2], True),
        ([1, 2], [2, 1], False),
        ([1], [1, 2], False),
        ([{}], [{"a": 1}], True),
        ({"a": None}, {}, False),
        ({"a": {"$absent": True}}, {"a": None}, False),
        ({"a": {"$absent": True}}, {"b": 1}, True),
        ({"a": {"b": {"$absent": True}}}, {}, False),
        ({"$regex": "b"}, "abc", True),
        ({"$regex": "b"}, ["b"], False),
        ({"$regex": "1"}, 1, False),
        (re.compile("^b"), "abc", False),
        (re.compile("B", re.I), "abc", True),
        (re.compile("b"), None, False),
        (len, [1], True),
        (len, [], False),
        ({"a": lambda _: True}, {}, False),
        (ANYTHING, {"a": 1}, True),
    ],
)
def test_values_are_compared_as_json_has_them(asked: Any, sent: Json, fits: bool) -> None:
    assert (found(body(sent), body=asked) == []) is fits


PROJECT = UUID("8dbd6d94-7a01-4ab1-9d2b-8a6f0b8d8b0e")


@pytest.mark.parametrize(
    ("asked", "sent", "fits"),
    [
        ("5", "5", True),
        (5, "5", True),
        (5, "5.0", False),
        (1.5, "1.5", True),
        (True, "true", True),
        (True, "True", False),
        (True, "1", False),
        (None, "null", True),
        (PROJECT, str(PROJECT), True),
        (PROJECT, str(PROJECT).upper(), False),
        (ANYTHING, "x", True),
        ([1], "[1]", False),
        ({"a": 1}, "a", False),
        ({"$regex": "^5"}, "50", True),
        ({"$absent": True}, "", False),
        (str.isdigit, "5", True),
    ],
)
@pytest.mark.parametrize("part", ["path", "query", "headers"])
def test_outside_the_body_all_is_text_and_a_number_is_as_it_is_written(
    part: str, asked: Any, sent: str, fits: bool
) -> None:
    parts = Parts({}, {}, {}, None)._replace(**{part: {"x": sent}})
    assert (differences(read(ANY, **{part: {"x": asked}}), parts) == []) is fits


def test_that_something_is_not_there_can_be_asked_of_every_part() -> None:
    nothing, absent = parts_of({}, "", [], b""), {"$absent": True}
    full = parts_of({}, "x=", [(b"x", b"")], b"{}")
    assert found(nothing, query={"x": absent}, headers={"X": absent}, body=absent) == []
    assert found(full, query={"x": absent}, headers={"X": absent}, body=absent) == [
        '/query/x: expected nothing, received ""',
        '/headers/x: expected nothing, received ""',
        "/body: expected nothing, received {}",
    ]


def test_a_parameter_may_begin_with_a_dollar() -> None:
    parts = parts_of({}, "$top=5", [], b"")
    assert found(parts, "list", **{"$top": 5}) == []
    assert found(parts, "list", query={"$top": 6}) == ['/query/$top: expected 6, received "5"']


# -- telling ---------------------------------------------------------------------------------------------------------


def accepted(_: Any) -> bool:
    return False


@pytest.mark.parametrize(
    ("asked", "sent", "said"),
    [
        ("Q3", {"first_message": "Q4"}, '/body/first_message: expected "Q3", received "Q4"'),
        ("Q3", {}, '/body/first_message: expected "Q3", received nothing'),
        ("Q3", None, '/body: expected {"first_message": "Q3"}, received null'),
        ("Q3", [1], '/body: expected {"first_message": "Q3"}, received [1]'),
        (re.compile("Q3"), {"first_message": 1}, "/body/first_message: expected text with /Q3/, received 1"),
        (
            {"$regex": "Q3"},
            {"first_message": "é"},
            '/body/first_message: expected text with /Q3/, received "é"',
        ),
        ({"$absent": True}, {"first_message": None}, "/body/first_message: expected nothing, received null"),
        (accepted, {"first_message": 1}, "/body/first_message: expected what accepted accepts, received 1"),
        ([{"a": 1}], {"first_message": [{"a": 2}]}, "/body/first_message/0/a: expected 1, received 2"),
        (["x", re.compile("y")], {"first_message": 1}, '/body/first_message: expected ["x", "/y/"], received 1'),
        (
            "x",
            {"first_message": "\ud800"},
            '/body/first_message: expected "x", received "\\ud800"',
        ),
        (
            "x",
            {"first_message": "y" * 300},
            '/body/first_message: expected "x", received "' + "y" * 196 + "...",
        ),
    ],
)
def test_a_difference_says_what_was_expected_and_what_was_received(asked: Any, sent: Json, said: str) -> None:
    assert found(body(sent), "set_title", first_message=asked) == [said]


def test_a_function_that_fails_accepts_nothing_and_the_difference_says_how_it_failed() -> None:
    def strict(message: str) -> bool:
        raise KeyError(message)

    said = "/body/first_message: expected what strict accepts, which raised KeyError('x'), received \"x\""
    assert found(body({"first_message": "x"}), "set_title", first_message=strict) == [said]


def test_every_difference_is_told() -> None:
    parts = parts_of({"session_id": "a"}, "", [], b'{"first_message": "y"}')
    assert differences(read(session_id="b", project_id="p", first_message="x"), parts) == [
        Difference("/path/session_id", '"b"', '"a"'),
        Difference("/query/project_id", '"p"', "nothing"),
        Difference("/body/first_message", '"x"', '"y"'),
    ]


def test_what_is_expected_is_told_in_a_few_words() -> None:
    assert describe({}) == ""
    when = read(session_id=accepted, first_message=re.compile("Q3"))
    assert describe(when) == ' with path {"session_id": "accepted"}, body {"first_message": "/Q3/"}'


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (accepted, "'accepted' is one, and this mock runs elsewhere"),
        (PROJECT, "cannot be written as JSON"),
        (datetime.date(2026, 4, 22), "cannot be written as JSON"),
        (b"x", "cannot be written as JSON"),
        (ANYTHING, "cannot be written as JSON"),
    ],
)
def test_what_cannot_be_sent_to_another_process_is_refused(value: Any, said: str) -> None:
    with pytest.raises(StubError, match=said):
        as_json(read(body={"a": [value]}))


@pytest.mark.parametrize("wanted", [7, "7", {"$regex": "^7$"}, re.compile("7")])
def test_a_number_of_a_path_or_query_is_compared_as_text_too(wanted: Any) -> None:
    parts = Parts({"id": 7}, {}, {}, {"id": 7})
    assert differences({"path": {"id": wanted}}, parts) == []
    assert (differences({"body": {"id": wanted}}, parts) == []) is (wanted == 7)
