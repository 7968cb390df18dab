"""Exchanges are remembered without secrets, are written and read as JSON, and are gathered into calls."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mockserver.engine import Mock
from mockserver.journal.exchange import Exchange, as_json, attempt_of, calls_of, from_json
from mockserver.journal.har import as_har
from mockserver.messages import Blame, Finding, Headers, Request
from mockserver.redact import DEFAULT
from mockserver.settings import RefusalForm, Settings
from tests.exchanges import COUNTER, exchange, exchanges, journal
from tests.strategies import own_document, write_document
from tests.talk import MESSAGE, TITLE, ask

# -- secrets ---------------------------------------------------------------------------------------------------------

PLANTED = "s3cr3t-of-mine"

NAMES = "authorization proxy-authorization cookie set-cookie x-api-key api-key".split()

secret_fields = st.tuples(
    st.sampled_from(NAMES).map(str.encode),
    st.sampled_from(
        [
            f"Bearer {PLANTED}",
            f"bearer  {PLANTED}",
            f"Basic {PLANTED}",
            f"Digest {PLANTED}",
            PLANTED,
            f" {PLANTED}",
            f"{PLANTED} Bearer",
            f"Bearer\t{PLANTED}",
            f"session={PLANTED}; b=1",
            f"a=1;session={PLANTED}",
            f'session="{PLANTED}"',
        ]
    ).map(str.encode),
)
other_fields = st.sampled_from([(b"accept", b"*/*"), (b"prefer", b"code=404"), (b"x-mock-scope", b"a")])


def remembered(mock: Mock, scope: str) -> str:
    """Write all that the journal of a scope tells, in every form."""
    kept = mock.exchanges(scope)
    assert len(kept) > 0
    return json.dumps([[as_json(each) for each in kept], as_har(kept)]) + "".join(map(str, kept)) + repr(kept)


def typed(folder: Path) -> Path:
    """Write a contract whose secret parameters are numbers, so that a refusal quotes them."""
    document = own_document()
    places = [("header", name) for name in NAMES if name != "cookie"] + [("cookie", "session"), ("cookie", "a")]
    document["paths"]["/notes/{note_id}"]["get"]["parameters"] = [
        {"name": name, "in": place, "schema": {"type": "integer"}} for place, name in places
    ]
    return write_document(folder, document)


FORMS: tuple[RefusalForm, RefusalForm] = ("document", "fastapi")


@pytest.fixture(scope="module")
def mocks(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Mock, str]]:
    """Give mocks of which something can be asked, each with the path of it."""
    contract = str(typed(tmp_path_factory.mktemp("own")))
    own, fastapi = (Mock(Settings(contract=contract, seed=1, refusals=form)) for form in FORMS)
    return [
        (Mock(Settings(contract="2.6", seed=1)), TITLE),
        (own, "/notes/n1"),
        (own, "/nothing"),
        (fastapi, "/notes/n1"),
    ]


@given(
    fields=st.lists(secret_fields, min_size=1, max_size=3),
    others=st.lists(other_fields, max_size=1),
    method=st.sampled_from(["GET", "POST", "OPTIONS"]),
    which=st.integers(0, 3),
)
@example([(b"cookie", b"a=s3cr3t-of-mine")], [], "GET", 1)
@example([(b"x-api-key", b"Bearer\ts3cr3t-of-mine")], [], "GET", 1)
@example([(b"set-cookie", b"a=1;session=s3cr3t-of-mine")], [], "GET", 0)
@example([(b"cookie", b"session=1; a=s3cr3t-of-mine"), (b"x-api-key", b"s3cr3t-of-mine")], [], "GET", 1)
def test_no_secret_is_ever_remembered(
    mocks: list[tuple[Mock, str]],
    fields: list[tuple[bytes, bytes]],
    others: list[tuple[bytes, bytes]],
    method: str,
    which: int,
) -> None:
    mock, path = mocks[which]
    raw = [*others, *fields, (b"content-type", b"application/json")]
    mock.handle(Request(method, path, "", Headers(raw), b'{"first_message": "x"}'))
    (scope,) = mock.store.active_scopes()
    assert PLANTED not in remembered(mock, scope)
    mock.store.clear_entries(scope)


def test_a_refusal_that_quotes_a_secret_tells_all_else(mocks: list[tuple[Mock, str]]) -> None:
    mock, path = mocks[3]
    raw = [(b"cookie", b"session=sesame; a=b"), (b"x-api-key", b"k"), (b"accept", b"b")]
    response = mock.handle(Request("GET", path, "", Headers(raw)))
    (kept,) = mock.exchanges("default")
    mock.store.clear_entries("default")
    told = response.body
    for secret in (b"sesame", b"b", b"k"):
        told = told.replace(b'"input":"%b"' % secret, b'"input":"[redacted]"')
    assert kept.answer == told != response.body
    assert kept.answer_size == len(response.body)
    assert kept.findings[0].where == response.findings[0].where
    assert kept.findings[0].message == response.findings[0].message
    assert kept.violations


@pytest.mark.parametrize("name", NAMES)
def test_no_stubbed_secret_is_remembered(name: str) -> None:
    mock = Mock(Settings(contract="2.6", seed=1))
    stub = {"operation": "set_title", "headers": {name.title(): PLANTED}}
    mock.served.stubs.add("default", stub)
    response = ask(mock.handle, "POST", TITLE, {"first_message": MESSAGE})
    assert (name.encode(), PLANTED.encode()) in response.headers
    assert PLANTED not in remembered(mock, "default").replace(json.dumps(stub), "")


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (b"Bearer x", b"Bearer [redacted]"),
        (b"basic x y", b"basic [redacted]"),
        (b"Bearer ", b"Bearer [redacted]"),
        (b"Bearer", b"[redacted]"),
        (b"Token x", b"[redacted]"),
        (b"x", b"[redacted]"),
        (b"", b"[redacted]"),
    ],
)
def test_of_a_key_its_scheme_stays(value: bytes, kept: bytes) -> None:
    assert DEFAULT.headers([(b"a", value), (b"authorization", value), (b"authorization", b"z")]) == [
        (b"a", value),
        (b"authorization", kept),
        (b"authorization", b"[redacted]"),
    ]


# -- JSON ------------------------------------------------------------------------------------------------------------


@given(exchanges)
def test_what_is_written_is_what_is_read(made: Exchange) -> None:
    written = json.dumps(as_json(made), allow_nan=False)
    assert from_json(json.loads(written)) == made
    str(made)


@given(exchanges, st.sampled_from(["", "é", "\ufeff", "\r\n"]))
def test_a_body_is_text_where_it_can_be(made: Exchange, text: str) -> None:
    value = as_json(made._replace(body=text.encode(), answer=b"\xff" + text.encode()))
    assert (value["request"]["body"], "base64" in value["request"]) == (text, False)
    assert "body" not in value["answer"]


def test_the_json_of_an_exchange_names_all_of_it() -> None:
    finding = Finding("/body", "missing", "Field required", "client", received=None, contract="2.6#/x")
    made = exchange(attempt=2, findings=(finding,), stub=3, faults=({"delay": 1},), query="a=1")
    assert as_json(made) == {
        "number": 1,
        "at": "2026-04-22T12:34:41.342245",
        "scope": "default",
        "operation": "set_title",
        "contract": "2.6#/paths/title",
        "source": "simulated",
        "attempt": 2,
        "request": {
            "method": "POST",
            "path": TITLE,
            "query": "a=1",
            "values": {"session_id": "ses-abc123"},
            "headers": [
                ["host", "127.0.0.1:4010"],
                ["content-type", "application/json"],
                ["x-stainless-retry-count", "2"],
            ],
            "body": '{"first_message": "Q3"}',
            "size": 23,
        },
        "answer": {
            "status": 200,
            "headers": [["content-type", "application/json"]],
            "body": '{"generated_title": "Q3..."}',
            "size": 28,
        },
        "findings": [
            {
                "where": "/body",
                "rule": "missing",
                "message": "Field required",
                "fault": "client",
                "expected": None,
                "received": None,
                "contract": "2.6#/x",
            }
        ],
        "stub": 3,
        "faults": [{"delay": 1}],
    }
    nothing = as_json(exchange(operation=""))
    assert (nothing["operation"], nothing["stub"], nothing["attempt"]) == (None, None, 0)


# -- an exchange -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "attempt"),
    [
        (b"0", 0),
        (b"2", 2),
        (b"007", 7),
        (b"999", 999),
        (b"1000", 0),
        (b"-1", 0),
        (b"", 0),
        (b"x", 0),
        (b"\xb2", 0),
        (b"9" * 5_000, 0),
    ],
)
def test_an_attempt_is_as_the_client_counts(value: bytes, attempt: int) -> None:
    assert attempt_of(Headers([(COUNTER, value), (COUNTER, b"5")]), COUNTER) == attempt
    assert attempt_of(Headers([(b"x-retry", value)]), COUNTER) == 0
    assert attempt_of(Headers([(COUNTER, b"1")]), b"") == 0, "a service whose clients do not count"


def test_an_exchange_is_told_in_a_line() -> None:
    assert str(exchange()) == f"#1 POST {TITLE} -> 200 (set_title, 2.6, simulated)"
    assert str(exchange(operation="", query="a=1", status=404)) == f"#1 POST {TITLE}?a=1 -> 404"
    long = exchange(attempt=2, stub=3, faults=({"truncate": 3}, "reset"))
    assert str(long).endswith("simulated), attempt 3, stub 3, with {'truncate': 3}, reset")


def test_what_is_not_there_is_no_breach_of_the_contract() -> None:
    rules: list[tuple[str, Blame]] = [
        ("session", "client"),
        ("locked", "client"),
        ("missing", "client"),
        ("missing", "mock"),
    ]
    found = tuple(Finding("", rule, "", fault) for rule, fault in rules)
    assert exchange(findings=found).violations == (found[2],)


# -- calls -----------------------------------------------------------------------------------------------------------

lengths = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 4)), max_size=5)


def attempts(body: str, length: int) -> list[Exchange]:
    return [exchange(body=body.encode(), attempt=attempt) for attempt in range(length)]


@given(lengths)
def test_calls_made_one_after_the_other_are_found_with_their_attempts(calls: list[tuple[str, int]]) -> None:
    made = [attempts(body, length) for body, length in calls]
    kept = journal(*(each for call in made for each in call))
    found = calls_of(kept)
    assert [len(call) for call in found] == [length for _, length in calls]
    assert [each for call in found for each in call] == kept


@given(lengths, st.randoms(use_true_random=False))
@example([("a", 2), ("a", 2)], None)
def test_calls_made_at_once_are_found_with_their_attempts(calls: list[tuple[str, int]], chance: Any) -> None:
    waiting = [attempts(body, length) for body, length in calls]
    mixed: list[Exchange] = []
    while any(waiting):
        open_ = [call for call in waiting if call]
        call = chance.choice(open_) if chance is not None else max(open_, key=len)
        mixed.append(call.pop(0))
    found = calls_of(journal(*mixed))
    assert Counter((call[0].body.decode(), len(call)) for call in found) == Counter(calls)
    assert all([each.attempt for each in call] == list(range(len(call))) for call in found)
    assert all(len({each.body for each in call}) == 1 for call in found)
    assert [call[0].number for call in found] == sorted(call[0].number for call in found)


@pytest.mark.parametrize(
    "other",
    [{"method": "PUT"}, {"path": "/x"}, {"query": "a=1"}, {"body": b"x"}, {"size": 24}, {"attempt": 2}],
    ids=lambda other: next(iter(other)),
)
def test_what_is_another_request_is_another_call(other: dict[str, Any]) -> None:
    assert len(calls_of(journal(exchange(), exchange(**{"attempt": 1, **other})))) == 2
    assert len(calls_of(journal(exchange(), exchange(attempt=1)))) == 1


def test_a_call_that_succeeded_is_not_gone_on_with_by_the_next_one() -> None:
    kept = journal(exchange(), exchange(status=503), exchange(attempt=1), exchange(attempt=2))
    assert [[each.number for each in call] for call in calls_of(kept)] == [[1], [2, 3, 4]]


def test_a_call_whose_first_attempts_were_let_go_is_a_call() -> None:
    kept = journal(exchange(attempt=3), exchange(attempt=4), exchange(), first=7)
    assert [[each.number for each in call] for call in calls_of(kept)] == [[7, 8], [9]]


@given(st.lists(exchanges, max_size=4))
def test_every_exchange_is_an_attempt_of_one_call(drawn: list[Exchange]) -> None:
    kept = journal(*drawn)
    assert sorted(each.number for call in calls_of(kept) for each in call) == [each.number for each in kept]
