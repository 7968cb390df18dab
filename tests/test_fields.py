"""Equal header fields are one object, on which stands what they say; what cannot be held is read each time."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mockserver.messages import (
    LONGEST_SET,
    MOST_SETS,
    Headers,
    HeaderTable,
    Known,
    Version,
    client_version,
    known,
    same_key,
)

fields = st.lists(
    st.tuples(
        st.sampled_from([b"authorization", b"content-length", b"content-type", b"prefer", b"user-agent", b"x-a"]),
        st.sampled_from([b"", b"5", b"application/json", b"Bearer key", b"bearer  k ", b"LlamaCloud/Python 2.7.0"])
        | st.binary(max_size=20),
    ),
    max_size=6,
)


@given(st.lists(fields, max_size=8))
def test_equal_fields_are_one_object_and_others_another(sets: list[list[tuple[bytes, bytes]]]) -> None:
    table = HeaderTable()
    given_ = [table.headers(list(raw)) for raw in sets]
    for raw, headers in zip(sets, given_, strict=True):
        assert list(headers.raw) == raw
        assert headers == Headers(raw)
        assert known(headers) == known(Headers(raw))
        assert table.headers(list(raw)) == headers
    for one, first in zip(sets, given_, strict=True):
        for other, second in zip(sets, given_, strict=True):
            assert (first is second) == (one == other)


def test_no_more_sets_are_held_than_the_table_has_room_for() -> None:
    table = HeaderTable()
    for number in range(MOST_SETS * 3):
        table.headers([(b"x", b"%d" % number)])
    assert len(table) <= MOST_SETS


def test_long_fields_are_not_held() -> None:
    table = HeaderTable()
    raw = [(b"x", b"y" * LONGEST_SET)]
    assert table.headers(raw) == table.headers(raw)
    assert len(table) == len(HeaderTable())


def test_fields_that_a_server_gives_as_lists_are_read_all_the_same() -> None:
    raw: Any = [[b"x-a", b"1"], [b"x-b", b"2"]]  # as ASGI allows
    headers = HeaderTable().headers(raw)
    assert headers == {b"x-a": b"1", b"x-b": b"2"}


def test_what_fields_say_is_told() -> None:
    raw = [(b"authorization", b"Bearer k"), (b"content-length", b"17"), (b"content-type", b"application/json")]
    size = sum(len(name + value) for name, value in raw)
    assert known(Headers(raw)) == Known(size=size, length=17, key=b"k")


@pytest.mark.parametrize("length", [b"", b"-5", b"x", b"\xb2", b"5 "])
def test_a_length_that_is_no_number_says_nothing(length: bytes) -> None:
    assert known(Headers([(b"content-length", length)])).length == 0


def test_a_key_is_compared_whole() -> None:
    assert same_key(b"key", b"key")
    assert not same_key(b"ke", b"key")


def test_the_version_of_a_client_is_read_once_by_each_reader() -> None:
    read: list[Headers] = []

    def one(headers: Headers) -> Version | None:
        read.append(headers)
        return (2, 8)

    def none(headers: Headers) -> Version | None:
        read.append(headers)
        return None

    headers = Headers([(b"user-agent", b"LlamaCloud/JS 2.8.0")])
    assert [client_version(headers, one) for _ in range(2)] == [(2, 8), (2, 8)]
    assert len(read) == 1
    assert [client_version(headers, none) for _ in range(2)] == [None, None]
    assert len(read) == 2
    assert client_version(Headers(headers.raw), none) is None
    assert len(read) == 3
