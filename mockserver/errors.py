"""What stops us: the exceptions, each with what happened, where, why and how to mend it.

MockserverError
 ├─ UsageError       the command was called in a way that cannot be meant      (exit code 2)
 └─ StartError       the server cannot start                                   (exit code 3)
     ├─ ContractError    a contract document that cannot be served
     ├─ FixtureError     a canned answer that no contract allows
     └─ BindError        an address that cannot be listened on
"""


class MockserverError(Exception):
    """The root of all that stops us. Its text has four parts, each on a line of its own."""

    exit_code = 3

    def __init__(self, what: str, *, where: str = "", why: str = "", mend: str = "") -> None:
        self.what, self.where, self.why, self.mend = what, where, why, mend
        parts = (("where", where), ("why", why), ("mend", mend))
        super().__init__("\n".join([what, *(f"  {name}: {text}" for name, text in parts if text)]))


class UsageError(MockserverError):
    """The command was called in a way that cannot be meant."""

    exit_code = 2


class StartError(MockserverError):
    """The server cannot start."""


class ContractError(StartError):
    """A contract document that cannot be served."""


class FixtureError(StartError):
    """A canned answer that no contract allows."""


class BindError(StartError):
    """An address that cannot be listened on."""
