"""Starts a mock, and composes the ASGI application of it and its control routes."""

from typing import TYPE_CHECKING
from urllib.parse import quote

from mockserver.engine import Mock
from mockserver.errors import StartError
from mockserver.messages import CONTROL, PREFIX
from mockserver.server.asgi import App, Application, Receive, Scope, Send
from mockserver.settings import Settings, words_of
from mockserver.terminal.requests import StderrLog

if TYPE_CHECKING:
    from mockserver.server.tls import Tls


def start_mock(settings: Settings) -> Mock:
    """Make the mock with its store, and load the saved state if one is set and the store is empty."""
    mock = metered(settings) if settings.metrics else Mock(settings)
    if settings.saved_state is not None:
        from mockserver.store.snapshot import load_state

        mock.loaded = load_state(mock.store, settings.saved_state, mock.record_problem, mock.convert_record)
    return mock


def metered(settings: Settings) -> Mock:
    """Make a mock that counts what it answers; a StartError says what to install."""
    try:
        from mockserver.control.metrics import MeteredMock
    except ModuleNotFoundError as error:
        raise StartError.without_extra("metrics need", "metrics", error.name, where="--metrics") from error
    return MeteredMock(settings)


def ready_text(settings: Settings, url: str, first: str, *more: str, tls: "Tls | None" = None) -> str:
    """Return what a process prints once it serves: what it is, where its page is, how to point and trust a client."""
    lines = [first + (f"; its page is {url}{CONTROL}" if settings.control else "")]
    if settings.control and settings.control_remote and settings.control_token:
        token = quote(settings.control_token, safe="")
        lines.append(f"its page, for other machines: {url}{CONTROL}?token={token}")
    exports = {} if tls is None else tls.environ()
    return "\n".join([*lines, *more, *(f"export {name}={value}" for name, value in exports.items())])


def open_log(mock: Mock) -> StderrLog:
    """Open what a process that serves a mock writes to stderr."""
    settings = mock.settings
    return StderrLog(mock.operation_id, mock.redactor, settings.log_format, quiet=settings.quiet)


def make_worker(settings: Settings) -> App:
    """Make the ASGI application of a process of its own, with its lines."""
    mock = start_mock(settings)
    return make_app(settings, mock, open_log(mock))


def make_app(settings: Settings, mock: Mock | None = None, log: StderrLog | None = None) -> App:
    """Make the ASGI application; without a log it is silent."""
    mock = start_mock(settings) if mock is None else mock
    return App(
        mock,
        control=Control(mock),
        cors=settings.cors,
        origins=words_of(settings.cors_origin),
        declared=mock.declared_headers,
        owns=mock.owns,
        max_body=settings.max_body,
        body_timeout=settings.body_timeout,
        max_in_flight=settings.max_in_flight,
        requests=None if log is None else log.requests,
    )


class Control:
    """The control routes as an ASGI application; all that they need is loaded with the first request."""

    def __init__(self, mock: Mock) -> None:
        self._mock = mock
        self._app: Application | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._app is None:
            from mockserver.control.starlette import control_app

            self._app = control_app(self._mock)
        await self._app(_placed(scope), receive, send)


def _placed(scope: Scope) -> Scope:
    """Rewrite a request for a control route below a scope's path as one at the root, in that scope."""
    path = scope["path"]
    if not path.startswith(PREFIX):
        return scope
    name, _, rest = path[len(PREFIX) :].partition("/")
    return {**scope, "path": "/" + rest, "raw_path": ("/" + rest).encode(), "mockserver.scope": name}
