"""The record of a chat session: its fields, its validation, and the conversion of version-1 states."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from mockserver.messages import Json
from mockserver.store.base import Part, Record

SESSIONS = "sessions"
"""The collection of sessions, and the counter of those made in a scope."""


class Session(TypedDict):
    """The fields of a session in its record; the record's id is the session's, its group the project."""

    updated_at: str
    """In upstream's form."""
    title: str | None
    job_metadata: Json
    index_ids: Sequence[str] | None
    shared_access: str | None
    issued: bool
    """Whether create made it; else it was made on first use."""
    turns: int
    """How many turns were started; each is a part of the record, numbered from 1 on."""
    born: int
    """Its number in its scope, from 1 on; distinguishes it from an earlier one with the same id."""


_TYPES: Mapping[str, tuple[type, ...]] = {
    "updated_at": (str,),
    "title": (str, type(None)),
    "job_metadata": (dict, type(None)),
    "index_ids": (list, type(None)),
    "shared_access": (str, type(None)),
    "issued": (bool,),
    "turns": (int,),
    "born": (int,),
}

_SHOWN_NAMES = {"updated_at": "last_updated_at", "title": "generated_title"}
"""The contract's names of fields, where they differ."""

_OLD_FIELDS = (
    "id",
    "updated_at",
    "title",
    "job_metadata",
    "index_ids",
    "shared_access",
    "project_id",
    "issued",
    "turns",
    "born",
)
"""The fields of a session in a version-1 state, in order."""


def new_session(
    session_id: str,
    updated_at: str,
    *,
    title: str | None = None,
    job_metadata: Json = None,
    index_ids: Sequence[str] | None = None,
    shared_access: str | None = None,
    project_id: str | None = None,
    issued: bool = False,
    turns: int = 0,
    born: int = 0,
) -> Record:
    """Make the record of a session."""
    session = Session(
        updated_at=updated_at,
        title=title,
        job_metadata=job_metadata,
        index_ids=index_ids,
        shared_access=shared_access,
        issued=issued,
        turns=turns,
        born=born,
    )
    return Record(collection=SESSIONS, id=session_id, data=session, group=project_id)


def events_of(parts: Sequence[Part]) -> list[Json]:
    """List the events of all turns of a session, in order."""
    return [event for _, events in parts for event in events]


def malformed(record: Record) -> str:
    """Return why a record is not a session's, or "" if it is."""
    if record.collection != SESSIONS:
        return f"it is of {record.collection!r}, and only {SESSIONS!r} are kept"
    data = record.data
    if data.keys() != _TYPES.keys():
        return f"it is no session: a session has {', '.join(_TYPES)}"
    for name, types in _TYPES.items():
        value = data[name]
        is_number = type(value) is int and value >= 0
        if not isinstance(value, types) or (types == (int,) and not is_number):
            return f"it is no session: its {_SHOWN_NAMES.get(name, name)} cannot be {value!r}"
    return ""


def convert(line: Json) -> Json:
    """Convert a line of a version-1 state, which held only sessions, to version 2."""
    if not isinstance(line, dict):
        raise ValueError("it is no object")
    if "scope" in line:
        gone = line["gone"]
        if not isinstance(gone, list):
            raise ValueError("births, seed and gone are not those of a scope")
        return {
            "scope": line["scope"],
            "seed": line["seed"],
            "counters": {SESSIONS: line["births"]},
            "gone": [[SESSIONS, session_id] for session_id in gone],
        }
    session, events = line["session"], line["events"]
    if not isinstance(session, list) or len(session) != len(_OLD_FIELDS) or not isinstance(events, list):
        raise ValueError("it is no session")
    fields = dict(zip(_OLD_FIELDS, session, strict=True))
    return {
        "collection": SESSIONS,
        "id": fields.pop("id"),
        "group": fields.pop("project_id"),
        "data": fields,
        "seq": line["seq"],
        "parts": [[fields["turns"], events]] if events else [],
    }
