"""Puts the mock together as the command serves it: engine, control routes, edge."""

from mockserver.app import App
from mockserver.control import Control
from mockserver.desk import LocalDesk
from mockserver.engine import Mock
from mockserver.exchange import DEFAULT_SCOPE
from mockserver.settings import Settings
from mockserver.state import load_state


def start_mock(settings: Settings) -> Mock:
    """Make the mock with its store, and start it from the saved state, if there is one and the store is empty."""
    mock = Mock(settings)
    if settings.state is not None:
        mock.loaded = load_state(mock.store, settings.state, LocalDesk(mock, DEFAULT_SCOPE).check)
    return mock


def make_app(settings: Settings, mock: Mock | None = None) -> App:
    """Make the ASGI application."""
    mock = start_mock(settings) if mock is None else mock
    return App(
        mock,
        control=Control(mock),
        cors=settings.cors,
        max_body=settings.max_body,
        body_timeout=settings.body_timeout,
        access_log=settings.access_log,
    )
