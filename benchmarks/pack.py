"""An API pack that plays the title operation under another name and path: what is fast by its name is seen beside it.

The file is copied into a folder of its own, beside its contract, and found by its entry point like any other pack.
"""

from collections.abc import Mapping
from pathlib import Path

from mockserver.api import Api, Call, Draft, Play, PlayContext
from mockserver.apis.llamacloud_chat.sessions import Timestamps
from mockserver.contract.openapi import Operation
from mockserver.store.base import Change, Record

NAME = "benchmark-notes"
PATH = "/v9/notes/{note_id}/heading"


def plays(context: PlayContext) -> Mapping[Operation, Play]:
    """Return what plays the one operation: it gives a note its heading, and keeps that."""
    clock = Timestamps(context.now)

    def heading(call: Call) -> Draft:
        note, words = call.path["note_id"], call.body["words"]

        def step(old: Record | None, _gone: bool) -> Change:
            kept = {"work": None, "sources": None} if old is None else old.data
            news = {"heading": words[:50] + "...", "changed_at": clock.text()}
            return Change(Record("notes", note, {**kept, **news}))

        made = context.store.update(call.request.scope, "notes", note, step)
        data = {} if made is None else made.data
        names = ("heading", "changed_at", "work", "sources")
        return Draft(200, {"note_id": note, **{name: data[name] for name in names}}, source="simulated")

    return {each: heading for contract in context.contracts for each in contract.operations}


API = Api(
    name=NAME,
    title="Notes",
    contracts={"1": Path(__file__).with_name("notes.json")},
    play=plays,
)
