"""A journal that processes share says the same as one in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mockserver.contract.router import NO_MATCH, Match
from mockserver.journal.exchange import Entry, Exchange, Reading
from mockserver.journal.recorder import Recorder
from mockserver.messages import Headers, Request, Response
from mockserver.store.memory import MemoryStore
from mockserver.store.sqlite import SharedSqliteStore
from tests.exchanges import COUNTER, bodies, findings, headers, targets
from tests.strategies import every_operation, json_values, operations

OPERATIONS = [operations(version)[name] for version, name in every_operation()]
values = st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=2)
counts = st.sampled_from([[], [(COUNTER, b"2")], [(COUNTER, b"x")]])
requests = st.builds(
    Request,
    method=st.sampled_from(["GET", "POST", "X"]),
    path=targets.map(lambda path: "/" + path),
    query=targets,
    headers=st.builds(lambda fields, count: Headers([*fields, *count]), headers, counts),
    body=bodies,
    scope=st.just("a"),
)
entries = st.builds(
    Entry,
    at=st.just(1_776_861_281_342_245_000),
    request=requests,
    match=st.just(NO_MATCH) | st.builds(Match, st.sampled_from(OPERATIONS), values),
    contract=st.sampled_from(["2.6", "é"]),
    response=st.builds(
        Response,
        status=st.integers(200, 599),
        headers=headers,
        body=bodies,
        findings=st.lists(findings, max_size=2).map(tuple),
        source=st.sampled_from(["simulated", "mock"]),
    ),
    stub=st.integers(-3, 3),
    faults=st.lists(json_values, max_size=2).map(tuple),
    sizes=st.none() | st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[SharedSqliteStore]:
    store = SharedSqliteStore(tmp_path / "s.db")
    yield store
    store.close()


def listed(exchange: Exchange) -> Exchange:
    """Give an exchange with its header fields as lists, whatever sequences they are."""
    return exchange._replace(headers=list(exchange.headers), answer_headers=list(exchange.answer_headers))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kept=st.lists(entries, max_size=3))
def test_what_is_read_of_a_shared_journal_is_what_is_read_of_one_in_memory(
    shared: SharedSqliteStore, kept: list[Entry]
) -> None:
    recorders = [Recorder(store, None, Reading(COUNTER)) for store in (MemoryStore(), shared)]
    shared.clear_entries("a")
    for recorder in recorders:
        keep = recorder.keeping()
        assert keep is not None
        assert [keep("a", entry, 0) for entry in kept] == list(range(1, len(kept) + 1))
    memory, file = (list(map(listed, recorder.exchanges("a"))) for recorder in recorders)
    assert file == memory
    assert [each.number for each in file] == list(range(1, len(kept) + 1))
    assert all(isinstance(entry, bytes) for _, entry in shared.entries("a"))
