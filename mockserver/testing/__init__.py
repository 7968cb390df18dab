"""The public interface in Python; the changelog says when a name here changes."""

from mockserver.api import Call
from mockserver.journal.exchange import Exchange
from mockserver.messages import Finding
from mockserver.play import play
from mockserver.store.records import Records
from mockserver.stub.response import StubAnswer
from mockserver.testing.server import MockServer, connect, open_mock
from mockserver.testing.views import ABSENT, Journal, Stub, Stubs, VerificationError

__all__ = [
    "ABSENT",
    "Call",
    "Exchange",
    "Finding",
    "Journal",
    "MockServer",
    "Records",
    "Stub",
    "StubAnswer",
    "Stubs",
    "VerificationError",
    "connect",
    "open_mock",
    "play",
]
