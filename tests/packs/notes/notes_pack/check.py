"""What the checks know of notes: a note has a text."""

from collections.abc import Iterator

from mockserver.check.part import CheckPart
from mockserver.check.provider.checks import Check, Interaction, check
from mockserver.messages import Finding

CHECKS: dict[str, Check] = {}


@check("note-has-text", CHECKS)
def note_has_text(seen: Interaction) -> Iterator[Finding]:
    """A note that was written has the text that was sent."""
    sent, value = seen.case.body, seen.value
    if seen.operation.id != "write_note" or not seen.is_success or not isinstance(sent, dict):
        return
    if not isinstance(value, dict) or value.get("text", "").lower() != str(sent.get("text", "")).lower():
        yield Finding("/response/body/text", "note-has-text", "the note has another text", "server")


PART = CheckPart(checks=CHECKS)
