"""What the properties of clients draw from: arguments as users give them."""

from itertools import product
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from tests.clients.calls import Way
from tests.grid import covering
from tests.talk import MESSAGE

WAYS: tuple[Way, ...] = ("plain", "raw", "streaming")
ways = st.sampled_from(WAYS)

BOTH = (False, True)
STYLES = covering(list(product(WAYS, BOTH, BOTH)), 2)
"""The ways of calling, loose and strict, sync and async: as many of them as have every pair."""

AWKWARD_IDS = (
    "ses-abc123",
    "session_id",
    "a/b",
    "a b/../c?d#e",
    "../..",
    "...",
    "%",
    "%2F",
    "%2e%2e",
    "?first_message=x",
    "#top",
    " ",
    "+",
    "a&b=c;d",
    "title",
    "\x00\n\x7f",
    "sitzung-äöü-会议-🦙",
    "{session_id}",
)
session_ids = st.sampled_from(AWKWARD_IDS) | st.text(min_size=1, max_size=40).filter(
    lambda text: text not in (".", "..")
)
"""Every id that a client sends: it refuses the empty one and the dot segments."""

AWKWARD_MESSAGES = (
    MESSAGE,
    "",
    " ",
    "\x00",
    '"\\/\b\f\n\r\t',
    "null",
    "\u2028\u2029\x85",
    "\ud7ff\ue000\uffff",
    "👩\u200d👩\u200d👧\u200d👦" * 10,
    "e\u0301" * 30,
    "x" * 50,
    "x" * 51,
    "llama " * 20_000,
)
messages = st.sampled_from(AWKWARD_MESSAGES) | st.text(max_size=300)

no_messages = st.sampled_from([None, 5, True, 1.5, [], {}, ["text"], {"text": "x"}]) | st.integers() | st.booleans()
"""What is no text, and is sent as it is all the same."""


def scopes() -> st.SearchStrategy[dict[str, str]]:
    """Draw the query arguments that every operation has."""
    uuids = st.uuids().map(str) | st.just(str(UUID(int=0)))
    return st.fixed_dictionaries({}, optional={"project_id": uuids, "organization_id": uuids})


def creations(era: str) -> st.SearchStrategy[dict[str, Any]]:
    """Draw the arguments of create."""
    optional: dict[str, st.SearchStrategy[Any]] = {"index_ids": st.none() | st.lists(st.text(max_size=12), max_size=10)}
    if era == "2.17":
        optional["shared_access"] = st.sampled_from([None, "query", "read_only"])
    return st.builds(lambda own, scope: {**own, **scope}, st.fixed_dictionaries({}, optional=optional), scopes())


def turns(era: str) -> st.SearchStrategy[dict[str, Any]]:
    """Draw the arguments of stream, without the session."""
    optional = {"require_all_indexes": st.booleans()} if era == "2.17" else {}
    required = {
        "index_ids": st.lists(st.text(max_size=12), min_size=1, max_size=4),
        "prompt": st.sampled_from([MESSAGE, "", "x" * 1000, "🦙" * 1000, "a\u2028b\x85c\x0bd\x1ce"])
        | st.text(max_size=80),
    }
    return st.fixed_dictionaries(required, optional=optional)


def wishes() -> st.SearchStrategy[str]:
    """Draw a preference for a generated answer."""
    return st.integers(0, 10**6).map("dynamic=true, seed={}".format)
