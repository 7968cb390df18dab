"""Applies a JSON Patch, bounded in its steps and in what it makes."""

import copy

from mockserver.messages import Json
from mockserver.store.base import dump_json

MOST_STEPS = 1_000
MOST_COPIES = 32
"""How many parts are copied: each may double the whole."""

LARGEST = 1024 * 1024
"""How many bytes a whole may have after a copy."""


class PatchError(Exception):
    """Why a patch cannot be applied; `where` is the place of the step in the body."""

    def __init__(self, text: str, where: str = "/body") -> None:
        super().__init__(text)
        self.where = where


def patched(old: dict[str, Json], steps: Json) -> dict[str, Json]:
    """Return an object after a patch. Source: RFC 6902."""
    from jsonpatch import JsonPatch, JsonPatchException
    from jsonpointer import JsonPointerException

    if not isinstance(steps, list) or len(steps) > MOST_STEPS:
        raise PatchError(f"A patch is a list of at most {MOST_STEPS:,} steps.")
    made, copies = copy.deepcopy(old), 0
    for index, step in enumerate(steps):
        where = f"/body/{index}"
        if not isinstance(step, dict):
            raise PatchError("A step of a patch is an object.", where)
        copies += step.get("op") == "copy"
        try:
            made = JsonPatch([step]).apply(made, in_place=True)
        except (JsonPatchException, JsonPointerException, AttributeError, LookupError, TypeError, ValueError) as error:
            raise PatchError(f"The step cannot be applied: {error}.", where) from None
        if copies > MOST_COPIES or (step.get("op") == "copy" and len(dump_json(made)) > LARGEST):
            raise PatchError("The patch copies too much.", where)
    if not isinstance(made, dict):
        raise PatchError("The patch makes something else than an object.")
    return made
