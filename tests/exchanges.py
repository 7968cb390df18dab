"""Exchanges as the tests make and draw them."""

from typing import Any

from hypothesis import strategies as st

from mockserver.apis.llamacloud_chat.pack import API
from mockserver.journal.exchange import Exchange
from mockserver.messages import Finding, RawHeaders
from mockserver.redact import DEFAULT
from tests.strategies import any_text, json_values
from tests.talk import TITLE

COUNTER = API.client.retry_count
"""The header field in which the official clients count the retries of a call."""

USUAL = Exchange(
    number=1,
    at="2026-04-22T12:34:41.342245",
    scope="default",
    method="POST",
    path=TITLE,
    query="",
    headers=[(b"host", b"127.0.0.1:4010"), (b"content-type", b"application/json")],
    body=b'{"first_message": "Q3"}',
    size=23,
    operation="set_title",
    contract="2.6#/paths/title",
    values={"session_id": "ses-abc123"},
    status=200,
    answer_headers=[(b"content-type", b"application/json")],
    answer=b'{"generated_title": "Q3..."}',
    answer_size=28,
    source="simulated",
)


def exchange(**said: Any) -> Exchange:
    """Make an exchange, the usual one but for what is said; `attempt` counts it as the clients do."""
    made = USUAL._replace(**said)
    if "body" in said and "size" not in said:
        made = made._replace(size=len(made.body))
    counted = [(COUNTER, str(made.attempt).encode())] if made.attempt else []
    return made._replace(headers=[*made.headers, *counted])


def journal(*exchanges: Exchange, first: int = 1) -> list[Exchange]:
    """Number exchanges, as a journal does that begins with number `first`."""
    return [each._replace(number=number) for number, each in enumerate(exchanges, first)]


latin = st.text(st.characters(max_codepoint=255), max_size=12).map(lambda text: text.encode("latin-1"))
names = st.sampled_from(
    [b"host", b"accept", b"location", b"content-type", COUNTER, b"authorization", b"cookie"]
) | latin.filter(lambda name: not DEFAULT.is_secret(name.decode("latin-1")))
headers: st.SearchStrategy[RawHeaders] = st.lists(st.tuples(names, latin), max_size=4)
targets = st.text(st.characters(max_codepoint=255), max_size=12)
bodies = st.binary(max_size=12) | any_text.map(lambda text: text.encode("utf-8", "surrogatepass"))
findings = st.builds(
    Finding,
    where=st.sampled_from(["", "/body/first_message", "/header/prefer"]),
    rule=st.sampled_from(["session", "locked", "missing", "key"]),
    message=st.text(max_size=12),
    fault=st.sampled_from(["client", "contract", "fixture", "stub", "store", "mock"]),
    expected=json_values,
    received=json_values,
    contract=st.sampled_from(["", "2.6#/paths"]),
)
exchanges = st.builds(
    Exchange,
    number=st.integers(1, 2_000),
    at=st.datetimes().map(lambda moment: moment.isoformat(timespec="microseconds")),
    scope=st.sampled_from(["default", "a:b"]),
    method=st.sampled_from(["GET", "POST", "DELETE", "X"]),
    path=targets.map(lambda path: "/" + path),
    query=targets,
    headers=headers,
    body=bodies,
    size=st.integers(0, 10**6),
    operation=st.sampled_from(["", "set_title", "list"]),
    contract=st.sampled_from(["2.6#/paths", "2.17", ""]),
    values=st.dictionaries(st.text(max_size=6), st.text(max_size=6), max_size=2),
    status=st.integers(200, 599),
    answer_headers=headers,
    answer=bodies,
    answer_size=st.integers(0, 10**6),
    source=st.sampled_from(["simulated", "mock"]),
    findings=st.lists(findings, max_size=2).map(tuple),
    stub=st.integers(-3, 3),
    faults=st.lists(json_values, max_size=2).map(tuple),
    attempt=st.integers(0, 3),
)
"""Any exchange that a request and an answer can make."""
