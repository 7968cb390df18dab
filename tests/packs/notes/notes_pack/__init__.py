"""A tiny API pack: notes are written and kept; `--shout` writes them in capitals."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mockserver.api import Api, Call, Draft, Play, PlayContext
from mockserver.contract.openapi import Operation
from mockserver.settings import option
from mockserver.store.base import Change, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class NotesSettings:
    """The options of the pack."""

    shout: bool = option(False, "Whether notes are kept in capitals.")


def write_note(context: PlayContext, call: Call) -> Draft:
    """Keep a note, and answer it."""
    scope, text = call.request.scope, str(call.body["text"])
    note_id = f"note-{context.store.count(scope, 'notes')}"
    data = {"id": note_id, "text": text.upper() if context.settings.shout else text}
    context.store.update(scope, "notes", note_id, lambda *_: Change(Record("notes", note_id, data)))
    return Draft(201, data, source="simulated")


def plays(context: PlayContext) -> Mapping[Operation, Play]:
    """Give what plays each operation that is played."""
    operations = [each for contract in context.contracts for each in contract.operations]
    return {each: partial(write_note, context) for each in operations if each.id == "write_note"}


API = Api(
    name="notes",
    title="Notes",
    contracts={"1": Path(__file__).with_name("notes.yaml")},
    settings=NotesSettings,
    play=plays,
    check="notes_pack.check:PART",
)
