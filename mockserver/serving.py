"""Puts the mock together as the command serves it: engine, control routes, edge."""

from collections.abc import Sequence
from functools import partial

from mockserver.app import App
from mockserver.control import Control
from mockserver.engine import Mock
from mockserver.exchange import Finding, Json
from mockserver.sessions import Traits, summary
from mockserver.settings import Settings
from mockserver.state import load_state
from mockserver.stores import Session

RETRIEVE = ("GET", "/api/v1/chat/{session_id}")


def open_mock(settings: Settings) -> Mock:
    """Open the mock with its store, and start it from the saved state, if there is one and the store is empty."""
    mock = Mock(settings)
    if settings.state is not None:
        mock.loaded = load_state(mock.store, settings.state, partial(what_is_wrong, mock))
    return mock


def what_is_wrong(mock: Mock, session: Session, events: Sequence[Json]) -> str:
    """Say why a session of a saved state could not be told, in the words of the newest contract that tells sessions."""
    for contract in mock.served.contracts:
        for operation in contract.operations:
            reply = operation.reply(operation.success) if (operation.method, operation.path) == RETRIEVE else None
            schema = reply.preferred.schema if reply is not None and reply.preferred is not None else None
            if schema is not None:
                told = {**summary(session, Traits(True, True, True, True)), "events": events}
                return "" if schema.is_valid(told) else _worded(schema.explain(told)[0])
    return ""


def _worded(finding: Finding) -> str:
    return f"at {finding.where or 'the root'} of the session: {finding.message}"


def make_app(settings: Settings, mock: Mock | None = None) -> App:
    """Make the ASGI application."""
    mock = open_mock(settings) if mock is None else mock
    return App(
        mock,
        control=Control(mock),
        cors=settings.cors,
        max_body=settings.max_body,
        body_timeout=settings.body_timeout,
        access_log=settings.access_log,
    )
