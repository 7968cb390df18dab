"""What an agent works with: one mock, which it starts or reaches, or the one that serves it."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from mockserver.control.admin import Admin
from mockserver.errors import UsageError
from mockserver.messages import DEFAULT_SCOPE, OPENAPI, Json
from mockserver.testing.server import connect, open_mock


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """A mock that an agent can use."""

    admin: Admin
    url: str
    source: str
    """Where its contract is, as `--contract` takes it."""
    api: str | None = None
    environ: Mapping[str, str]
    """The variables that point a program at it."""


class AgentSession(Protocol):
    """Finds the mock that is meant."""

    @property
    def reached(self) -> Reached:
        """The mock; a UsageError says that there is none."""

    @property
    def is_local(self) -> bool:
        """Whether the agent runs here, and may name files of this machine."""


@dataclass(frozen=True, slots=True)
class OwnSession:
    """The session of an agent that a mock serves: it uses that mock, and names no files."""

    reached: Reached
    is_local: bool = False


class StartedSession:
    """The session of an agent that starts mocks, or reaches them by their address; one at a time."""

    is_local = True

    def __init__(self) -> None:
        self._opened = ExitStack()
        self._reached: Reached | None = None

    @property
    def reached(self) -> Reached:
        """The mock; a UsageError says that there is none."""
        if self._reached is None:
            fix = 'call start with {"contract": "openapi.yaml"}, or reach with the URL of a running mock'
            raise UsageError("there is no mock yet", fix=fix)
        return self._reached

    def start(self, contract: str, settings: Mapping[str, Json]) -> Reached:
        """Start a mock on a free port in place of the one before."""
        with ExitStack() as opened:
            server = opened.enter_context(open_mock(live=True, contract=contract, **settings))
            api = None if server.api is None else server.api.name
            source = contract if server.mock is None else server.mock.served.contracts[0].path
            made = Reached(admin=server.admin, url=server.base_url, source=source, api=api, environ=server.environ())
            self._replace(made, opened.pop_all())
        return made

    def reach(self, url: str, scope: str = DEFAULT_SCOPE) -> Reached:
        """Use a mock that runs already; a StartError says that it cannot be reached."""
        with ExitStack() as opened:
            server = opened.enter_context(connect(url, scope))
            api = None if server.api is None else server.api.name
            source = url.rstrip("/") + OPENAPI
            made = Reached(admin=server.admin, url=server.base_url, source=source, api=api, environ=server.environ())
            self._replace(made, opened.pop_all())
        return made

    def _replace(self, made: Reached, opened: ExitStack) -> None:
        self.close()
        self._reached, self._opened = made, opened

    def close(self) -> None:
        """Stop what was started."""
        self._reached = None
        self._opened.close()
