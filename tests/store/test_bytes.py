"""What stores keep is bounded in bytes: a record with its parts, all records together."""

from collections.abc import Sequence

import pytest

from mockserver.errors import StoreError, StoreFullError, StubError
from mockserver.messages import Json
from mockserver.store.base import Change, Limits, Part, Record, Store
from mockserver.store.snapshot import dump_state, restore_state
from tests.store.conftest import Doors

ROOM = 2_000
ENTRY = b"x" * 100


def write(
    store: Store, id: str, size: int, parts: Sequence[Part] = (), *, scope: str = "a", minor: bool = False
) -> None:
    """Write a record with a text of so many bytes, and parts."""
    data: Json = {"text": "x" * size}
    store.update(scope, "c", id, lambda *_: Change(Record("c", id, data), parts, minor=minor))


def delete(store: Store, id: str) -> None:
    store.update("a", "c", id, lambda *_: Change(None))


def test_a_record_is_full_where_it_and_its_parts_take_its_bytes(doors: Doors) -> None:
    first, other = doors(Limits(record_bytes=ROOM))
    write(first, "r", 100, [(1, ["x" * 900]), (2, ["x" * 900])])
    before = other.find("a", "c", "r", parts=True)
    for size, parts in ((2_000, ()), (100, [(3, ["x" * 200])]), (100, [(2, ["x" * 1_100])])):
        with pytest.raises(StoreFullError, match="the record is full: it keeps 2000 bytes, with its parts"):
            write(other, "r", size, parts)
        assert first.find("a", "c", "r", parts=True) == before
    write(other, "r", 100, [(2, ["x"]), (3, ["x" * 800])])  # a part that is replaced takes nothing more
    write(other, "s", 1_900)
    with pytest.raises(StoreFullError):
        write(first, "t", 2_000)
    assert len(first) == 2


def test_the_store_is_full_where_all_records_take_its_bytes(doors: Doors) -> None:
    first, other = doors(Limits(store_bytes=ROOM))
    write(first, "r", 900)
    write(first, "s", 100, [(1, ["x" * 700])], scope="b")
    for store, scope in ((first, "a"), (other, "b"), (other, "c")):
        with pytest.raises(StoreFullError, match="the store is full: it keeps 2000 bytes") as caught:
            write(store, "t", 500, scope=scope)
        assert "raise --max-store-bytes" in caught.value.fix
    assert dict(other.scopes()) == {"a": 1, "b": 1}


@pytest.mark.parametrize("how", ["shrink", "delete", "clear", "drop"])
def test_bytes_that_are_let_go_can_be_used_again(doors: Doors, how: str) -> None:
    first, other = doors(Limits(store_bytes=ROOM))
    for _ in range(4):
        write(first, "r", 100, [(1, ["x" * 800]), (2, ["x" * 700])])
        with pytest.raises(StoreFullError):
            write(other, "s", 900)
        if how == "shrink":
            write(other, "r", 100, [(1, []), (2, [])])
        elif how == "delete":
            delete(other, "r")
        else:
            {"clear": other.clear_records, "drop": other.drop}[how]("a")
        write(other, "s", 1_700)
        delete(first, "s")


def append(store: Store, scope: str, times: int) -> None:
    for _ in range(times):
        store.append(scope, ENTRY, len(ENTRY))


def numbers(store: Store, scope: str) -> list[int]:
    return [number for number, _ in store.entries(scope)]


def test_the_oldest_entries_of_journals_go_where_all_take_too_many_bytes(doors: Doors) -> None:
    first, other = doors(Limits(journal_bytes=1_000))
    append(first, "a", 10)
    assert numbers(other, "a") == [*range(1, 11)]
    append(other, "a", 1)
    assert numbers(first, "a") == [*range(4, 12)]  # until an eighth is free
    append(first, "b", 3)
    assert (numbers(other, "a"), numbers(other, "b")) == ([*range(7, 12)], [1, 2, 3])
    append(other, "a", 3)
    assert (numbers(first, "a"), numbers(first, "b")) == ([*range(8, 15)], [3])


@pytest.mark.parametrize("how", ["clear", "drop", "many", "scopes"])
def test_bytes_of_entries_that_are_let_go_can_be_used_again(doors: Doors, how: str) -> None:
    first, other = doors(Limits(journal_bytes=1_000, entries=8, journals=2))
    append(first, "a", 8)
    for _ in range(5):
        if how == "many":
            append(other, "a", 8)
        elif how == "scopes":
            append(other, "b", 1)
            append(first, "c", 1)
            append(first, "a", 8)
        else:
            {"clear": other.clear_entries, "drop": other.drop}[how]("a")
            append(other, "a", 8)
    assert len(first.entries("a")) == 8


def test_stubs_of_all_scopes_take_at_most_their_bytes(doors: Doors) -> None:
    first, other = doors(Limits(stub_bytes=ROOM))
    for _ in range(4):
        number = first.put_stub("a", "x" * 900).number
        second = other.put_stub("b", "x" * 900).number
        for store, scope, size, at in ((first, "a", 300, 0), (other, "c", 300, 0), (other, "b", 1_200, second)):
            with pytest.raises(StubError, match="the stubs of all scopes would take more than 2000 bytes"):
                store.put_stub(scope, "x" * size, at)
        assert (len(other.stubs("a")), len(first.stubs("b")), len(first.stubs("c"))) == (1, 1, 0)
        other.put_stub("b", "x" * 1_000, second)
        other.put_stub("b", "x" * 600, second)
        first.put_stub("b", "x" * 400)
        first.remove_stubs("a", number)
        first.put_stub("a", "x" * 900)
        other.drop("a")
        first.remove_stubs("b")


def test_a_minor_change_is_neither_refused_nor_measured_again(doors: Doors) -> None:
    first, other = doors(Limits(store_bytes=ROOM, record_bytes=ROOM))
    write(first, "r", 1_900)
    write(other, "r", 2_100, minor=True)
    write(other, "r", 1_950, [(1, [])], minor=True)
    delete(first, "r")
    write(other, "s", 1_900)  # what was counted is let go, and no more
    with pytest.raises(StoreFullError):
        write(other, "t", 100)


def test_a_state_that_takes_too_many_bytes_is_refused_and_the_old_one_is_there_again(doors: Doors) -> None:
    big, small = doors()[0], doors(Limits(store_bytes=ROOM))[0]
    write(big, "r", 3_000)
    write(small, "s", 1_900)
    write(small, "s", 2_100, minor=True)  # more than there would be room for now
    before = b"".join(dump_state(small))
    with pytest.raises(StoreError):
        restore_state(small, b"".join(dump_state(big)))
    assert b"".join(dump_state(small)) == before


def test_a_change_is_refused_where_what_is_to_follow_has_no_room(doors: Doors) -> None:
    first, other = doors(Limits(record_bytes=ROOM, store_bytes=2 * ROOM - 200))
    made = Record("c", "r", {})
    for reserve, scope in ((1_900, "a"), (1_900, "b"), (100, "c")):
        first.update(scope, "c", "r", lambda *_, size=reserve: Change(made, [(1, ["x" * 50])], reserve=size))
    write(other, "s", 1_800)
    for store, reserve in ((first, 1_990), (other, 1_900)):
        with pytest.raises(StoreFullError):
            store.update("d", "c", "r", lambda *_, size=reserve: Change(made, [(1, ["x" * 50])], reserve=size))
    assert "d" not in other.scopes()
