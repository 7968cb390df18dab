"""The exceptions: each says what happened, where, why and how to fix it.

MockserverError
 ├─ UsageError       a wrong command line or setting                           (exit code 2)
 │   └─ StubError        an invalid stub, or an invalid question to the journal
 └─ StartError       the server cannot start                                   (exit code 3)
     ├─ ContractError    a contract document that cannot be served
     ├─ FixtureError     a canned answer that no contract allows
     ├─ StateError       a saved state that cannot be read
     ├─ JournalError     a journal's file that cannot be written
     ├─ BindError        an address that cannot be listened on
     └─ StoreError       a store that cannot be reached, at start or later (then 503)
         └─ StoreFullError        a store that has no room for one more

StoreBusyError is none of them: it is raised to a caller that must not wait, and is never seen by users.
"""

import sys
from collections.abc import Iterable
from typing import Self

DISTRIBUTION = "llamacloud-mockserver"
"""What pip calls this project."""


def install_command(extra: str) -> str:
    """Return the command that installs an extra of this project."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"


class MockserverError(Exception):
    """The base of all exceptions. Its text has four parts, each on a line of its own."""

    exit_code = 3

    def __init__(self, what: str, *, where: str = "", why: str = "", fix: str = "") -> None:
        self.what, self.where, self.why, self.fix = what, where, why, fix
        parts = (("where", where), ("why", why), ("fix", fix))
        super().__init__("\n".join([what, *(f"  {name}: {text}" for name, text in parts if text)]))

    @classmethod
    def without_extra(cls, what: str, extra: str, *modules: str | None, where: str = "", otherwise: str = "") -> Self:
        """Make the error of what needs an extra whose modules are not installed; `otherwise` names another way out."""
        return cls(
            f"{what} the extra {extra}, which is not installed",
            where=where,
            why=f"there is no module {' and no '.join(map(str, modules))} in {sys.executable}",
            fix=install_command(extra) + (f", or {otherwise}" if otherwise else ""),
        )


class UsageError(MockserverError):
    """A wrong command line or setting."""

    exit_code = 2


class StubError(UsageError):
    """A stub, or a question to the journal, that is invalid or that the contract does not allow."""


class StartError(MockserverError):
    """The server cannot start."""


class ContractError(StartError):
    """A contract document that cannot be served."""


class FixtureError(StartError):
    """A canned answer that no contract allows."""


class StateError(StartError):
    """A saved state that cannot be read."""


class JournalError(StartError):
    """A journal's file that cannot be written."""


class BindError(StartError):
    """An address that cannot be listened on."""


class StoreError(StartError):
    """A store that cannot be reached, at start or later."""


class StoreBusyError(Exception):
    """A call had to wait, which its caller must not; nothing was done so far, so that it can be made in a thread."""


class StoreFullError(StoreError):
    """A full store, or a full record in it; `what` is the limit that was reached, by its name in the settings."""

    def __init__(self, what: str, most: int) -> None:
        if what == "record_bytes":
            text, fix = f"the record is full: it keeps {most} bytes, with its parts", "go on in another"
        else:
            text = f"the store is full: it keeps {most} {what.replace('store_', '')}"
            fix = "delete some, drop a scope"
        super().__init__(text, fix=f"{fix}, or raise --max-{what.replace('_', '-')}")


def reason(error: BaseException) -> str:
    """Return what an error of Python says, without numbers and advice that are meant for programmers."""
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    told = error.strerror if isinstance(error, OSError) else None
    return told or str(error).partition("; use sys.")[0]


def nearest_name(name: object, known: Iterable[str], likeness: float = 0.6) -> str:
    """Return the known name that is most like a misspelt one, or "" if none is; `likeness` is from 0 to 1."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(str(name), list(known), 1, likeness)), "")


def suggestion(name: object, known: Iterable[str], otherwise: str) -> str:
    """Return the fix for a misspelt name: the nearest known one first, then what there is."""
    close = nearest_name(name, known, 0.78)
    return f"did you mean {close!r}? {otherwise}" if close else otherwise
