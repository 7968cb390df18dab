"""The mock in a test, or in any Python program: its stubs, its journal, and clients that reach it."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import lru_cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import structs

from mockserver.api import Api, Client, find, load, make_settings
from mockserver.control.admin import Admin
from mockserver.control.app import Control, make_app, start_mock
from mockserver.control.client import LocalAdmin, RemoteAdmin, contract_of
from mockserver.engine import Mock
from mockserver.errors import StartError, UsageError, install_command
from mockserver.journal.exchange import Exchange
from mockserver.messages import DEFAULT_SCOPE, OPENAPI, Request, Response, too_big, too_long
from mockserver.play import F
from mockserver.server.client import ask
from mockserver.server.tls import Tls, open_tls, trusted
from mockserver.server.uvicorn import running
from mockserver.settings import Settings
from mockserver.testing.views import Journal, Resources, Stub, Stubs, VerificationError

if TYPE_CHECKING:
    import httpx

    from mockserver.testing.intercept import Interception
    from mockserver.testing.recording import RecordMode


API_KEY = "any-key"
"""The key that clients get if the mock accepts any."""

SCOPE = "/__mock__/scopes/{name}"

SEED = 0
"""The default seed of a mock in a test, so that a run can be repeated."""

JOURNAL_SIZE = 100_000
"""How many exchanges a mock in a test records by default."""


class Permissions(NamedTuple):
    """What a test permits its client."""

    invalid: frozenset[str] = frozenset()
    """The operations that may be called as the contract forbids; "*" is any."""
    unused: bool = False
    """Whether stubs may go unused."""


class MockServer:
    """A mock, with what a test needs of it."""

    def __init__(
        self,
        admin: Admin,
        base_url: str,
        *,
        api: Api | None = None,
        mock: Mock | None = None,
        in_process: bool = False,
        api_key: str = API_KEY,
        tls: Tls | None = None,
    ) -> None:
        self.admin, self.api, self.mock = admin, api, mock
        self.base_url, self.api_key, self.tls = base_url, api_key, tls
        self.in_process = in_process
        """Whether clients reach it without a socket."""
        self.stub, self.journal = Stubs(admin), Journal(admin)
        self._opened = ExitStack()
        self.permissions = Permissions()
        self.record_mode: RecordMode = "once"
        """When `record` records, unless it is told otherwise."""

    @property
    def seed(self) -> int:
        """The seed of everything that is generated."""
        return int(self.admin.call("GET", SCOPE, name=self.admin.scope).value["seed"])

    @contextmanager
    def at(self, base_url: str, tls: Tls | None = None) -> Iterator[None]:
        """Let clients reach it by a socket at an address during the block."""
        before = self.base_url, self.in_process, self.tls
        self.base_url, self.in_process, self.tls = base_url, False, tls
        try:
            yield
        finally:
            self.base_url, self.in_process, self.tls = before

    # -- clients

    def http_client(self, *, library: str | None = None, **options: Any) -> "httpx.Client":
        """Return a client of httpx or httpx2 that reaches the mock, closed with it; `options` are the library's.

        Without `library` it is httpx if that is installed, else httpx2.
        """
        module = _library(library)
        if self.mock is not None and self.in_process:
            from mockserver.server.transport import HandlerTransport

            options = {"transport": HandlerTransport(guarded(self.mock), _beside(self.mock)), **options}
        client: httpx.Client = module.Client(**{**self._defaults(), **options})
        self._opened.callback(client.close)
        return client

    def _defaults(self) -> dict[str, Any]:
        """Return the arguments of a client; reading certificates takes a hundred times as long as the rest."""
        return {"base_url": self.base_url, "verify": trusted(self.base_url, self.tls)}

    def async_http_client(self, *, library: str | None = None, **options: Any) -> "httpx.AsyncClient":
        """Return an async client like that of `http_client`. The caller closes it."""
        module, mock = _library(library), self.mock
        if mock is not None and self.in_process:
            from mockserver.server.transport import AsyncHandlerTransport

            transport = AsyncHandlerTransport(guarded(mock), _beside(mock), lambda: mock.waits)
            options = {"transport": transport, **options}
        client: httpx.AsyncClient = module.AsyncClient(**{**self._defaults(), **options})
        return client

    def client_options(self, client: str = "") -> dict[str, Any]:
        """Return the arguments of a generated client: `OpenAI(**mockserver.client_options("openai"))`.

        `client` is the name of its distribution, such as openai; by default that of the API's official client.
        What it is built on, httpx or httpx2, is read from what is installed.
        """
        return self._client_options(client, self.http_client)

    def async_client_options(self, client: str = "") -> dict[str, Any]:
        """Return the same for an async client."""
        return self._client_options(client, self.async_http_client)

    def _client_options(self, client: str, make: Callable[..., Any]) -> dict[str, Any]:
        options: dict[str, Any] = {"base_url": self.base_url, "api_key": self.api_key}
        distribution = client or ("" if self.api is None else self.api.client.distribution)
        if self.in_process or self.tls is not None:
            options["http_client"] = make(library=library_under(distribution))
        return options

    def intercept(self, *addresses: str, allow_network: bool | str | Sequence[str] = False) -> "Interception":
        """Send to this mock what HTTP libraries send to some addresses, until the mock or the block ends.

        Without an address it is the API's own. Calls to other machines are refused, but for the hosts in
        `allow_network`; True allows all. A UsageError says why it cannot be done.
        """
        from mockserver.testing.intercept import Interception

        mock, own = self.mock, "" if self.api is None else self.api.client.address
        if mock is None:
            raise UsageError(
                "a mock that runs elsewhere cannot intercept",
                where=self.base_url,
                fix="use a mock in this process: open_mock, or the fixture without --mockserver-url",
            )
        wanted = addresses or ((own,) if own else ())
        if not wanted:
            raise UsageError("no address is named", why="no API pack names one", fix="write intercept('https://HOST')")
        made = Interception(wanted, guarded(mock), lambda: mock.waits, allow_network).start()
        self._opened.callback(made.close)
        return made

    @contextmanager
    def record(self, url: str, folder: str | Path, mode: "RecordMode | None" = None) -> "Iterator[MockServer]":
        """Stand in for the real service at a URL during the block: record it in a folder once, then replay it.

        The service is asked if there is no recording yet; with the mode `all` always, with `none` never. Yields a
        server like this one, with the same contract; its `base_url` is where clients find it. At the end of the
        block a VerificationError says what the client did wrong, what was not recorded, and what was recorded and
        never asked for. What was recorded is kept only if the block succeeds.
        """
        from mockserver.testing.recording import stand_in

        if self.mock is None:
            fix = "use a mock in this process: open_mock, or the fixture without --mockserver-url"
            raise UsageError("a mock that runs elsewhere cannot record", where=self.base_url, fix=fix)
        with stand_in(url, Path(folder), self.mock.settings, mode or self.record_mode) as instead:
            with instead.serving() as base:
                server = type(self)(LocalAdmin(instead.mock, DEFAULT_SCOPE), base, api=self.api, api_key=self.api_key)
                try:
                    yield server
                finally:
                    server.close()
            unused = [] if server.permissions.unused else instead.complaints()
            server.complain([*server.complaints(), *unused])

    def environ(self) -> dict[str, str]:
        """Return the environment variables that point a program here."""
        hosts = {part for name in ("NO_PROXY", "no_proxy") for part in os.environ.get(name, "").split(",") if part}
        direct = ",".join(sorted(hosts | {"127.0.0.1", "localhost"}))
        client = Client() if self.api is None else self.api.client
        made = dict.fromkeys(("TEST_API_BASE_URL", *client.url_variables), self.base_url)
        made |= dict.fromkeys(client.key_variables, self.api_key)
        made |= {} if self.tls is None else self.tls.environ()
        return made | {"MOCKSERVER_URL": self.base_url, "NO_PROXY": direct, "no_proxy": direct}

    # -- state

    @property
    def resources(self) -> "Resources":
        """What is kept, by resource: `mockserver.resources["things"]`."""
        return Resources(self.admin)

    def play(self, operation: str) -> Callable[[F], F]:
        """Let a function play an operation, named by its id or as `POST /path`: `@mockserver.play("cancel")`.

        It gets the call and the records of its scope, and returns the body of the answer, or a StubAnswer; what it
        returns is validated. A UsageError says why it cannot.
        """
        mock = self.mock
        if mock is None:
            fix = "use a mock in this process, or start the server with --play FILE"
            raise UsageError("a mock that runs elsewhere cannot call a function", where=self.base_url, fix=fix)

        def use(function: F) -> F:
            mock.play(operation, function)
            return function

        return use

    def snapshot(self) -> bytes:
        """Return all records as bytes, to restore them later or in another test."""
        return b"".join(self.admin.call("GET", "/__mock__/state").content or ())

    def restore(self, state: bytes) -> int:
        """Replace all records with those of a snapshot; return their number."""
        return int(self.admin.call("PUT", "/__mock__/state", content=state).value["records"])

    # -- judgement

    def allow_invalid(self, *operations: str) -> None:
        """Permit requests that the contract forbids, to these operations or to all."""
        self.permissions = self.permissions._replace(invalid=self.permissions.invalid | set(operations or ("*",)))

    def allow_unused(self) -> None:
        """Permit unused stubs."""
        self.permissions = self.permissions._replace(unused=True)

    def complaints(self) -> list[str]:
        """List what the client sent that the contract forbids, and which stubs were never used."""
        return [*self.judge_exchanges(list(self.journal)), *self.judge_stubs(self.stub.unused)]

    def judge_exchanges(self, exchanges: Sequence[Exchange], after: int = 0) -> list[str]:
        """List what the client sent that the contract forbids; `after` is the number of the exchange before them."""
        found: list[str] = []
        if exchanges and exchanges[0].number > after + 1 and "*" not in self.permissions.invalid:
            gone = exchanges[0].number - after - 1
            found.append(f"the journal has dropped {gone} exchanges, which cannot be judged: raise journal_size")
        for exchange in exchanges:
            found += [
                f"a stub could not answer: {exchange}\n  {each.message}"
                for each in exchange.findings
                if each.rule == "stub-function"
            ]
            if exchange.violations and not {"*", exchange.operation} & self.permissions.invalid:
                found.append("\n".join([f"the client broke the contract: {exchange}", *finding_lines(exchange)]))
        return found

    def judge_stubs(self, unused: Sequence[Stub]) -> list[str]:
        """Describe unused stubs, each with the nearest exchanges."""
        if self.permissions.unused:
            return []
        return [
            "\n".join([*(f"{each} was never used: {response}" for response in each.unused), *each.nearest])
            for each in unused
        ]

    def check(self) -> None:
        """Raise a VerificationError for what the client did wrong, and for stubs that were never used."""
        __tracebackhide__ = True
        self.complain(self.complaints())

    def complain(self, found: Sequence[str]) -> None:
        """Raise a VerificationError if there are complaints."""
        __tracebackhide__ = True
        if found:
            words = "allow_invalid() and allow_unused() allow it"
            raise VerificationError("\n".join([*found, f"(seed {self.seed}; {words})"]))

    def report(self, after: int = 0) -> str:
        """Describe the exchanges after one, with what was wrong with each and whose fault it was."""
        lines = [f"seed {self.seed}, {self.base_url}"]
        for exchange in self.journal.since(after):
            lines += [str(exchange), *finding_lines(exchange)]
        return "\n".join(lines)

    def reset(self) -> None:
        """Remove records, journal, stubs and permissions; keep the seed."""
        self.journal.clearings += 1
        self.admin.call("POST", SCOPE + "/reset", name=self.admin.scope)
        if self.mock is not None:
            self.mock.play_as_before()
        self.permissions = Permissions()

    def close(self) -> None:
        """Close the clients that it returned."""
        self._opened.close()


def _library(name: str | None) -> Any:
    """Load httpx or httpx2; a StartError says which is not installed."""
    from mockserver.server.transport import NAMES

    if name is not None and name not in NAMES:
        raise UsageError(f"there is no client library {name!r} here", fix=f"name one of {', '.join(NAMES)}")
    wanted = NAMES if name is None else (name,)
    for each in wanted:
        with suppress(ImportError):
            return import_module(each)
    raise StartError(f"{' and '.join(wanted)} is not installed", fix=install_command("testing"))


@lru_cache(maxsize=16)
def library_under(distribution: str) -> str | None:
    """Return which library an installed distribution is built on; None if it does not say so."""
    try:
        needed = requires(distribution) or [] if distribution else []
    except PackageNotFoundError:
        return None
    names = {re.split(r"[^\w.-]", each, maxsplit=1)[0].lower() for each in needed if "extra ==" not in each}
    return next((name for name in ("httpx2", "httpx") if name in names), None)


def finding_lines(exchange: Exchange) -> list[str]:
    """Describe what was wrong with an exchange: whose fault, where, what, and the place in the contract."""
    return [
        f"  {each.fault}: {each.where or exchange.path}: {each.message}"
        + (f" ({each.contract})" if each.contract else "")
        for each in exchange.findings
    ]


def settings_of(options: Mapping[str, Any]) -> Settings:
    """Make the settings of a mock in a test; a UsageError names an unknown option."""
    return make_settings({"seed": SEED, "journal_size": JOURNAL_SIZE, **options})


def server_class(api: Api | None) -> type[MockServer]:
    """Return the class of a pack's mock in a test."""
    if api is None or not api.testing:
        return MockServer
    found: type[MockServer] = load(api.testing)
    return found


def guarded(mock: Mock) -> Callable[[Request], Response]:
    """Wrap a mock for callers in this process: reject requests that are too large, as the ASGI edge does.

    An error that was made on purpose asks the client to try again at once.
    """
    most, handle, refuse = mock.settings.max_body, mock.handle, mock.refuse

    def answer(request: Request) -> Response:
        if len(request.body) > most:
            return refuse(request, *too_big(most))
        if wrong := too_long(request.path, request.query, request.headers):
            return refuse(structs.replace(request, path=request.path[:100], query=""), *wrong)
        try:
            response = handle(request)
            return response if response.status < 400 else _prompt(request, response)
        except Exception as error:  # as the edge does
            return mock.failed(request, error)

    return answer


def _prompt(request: Request, response: Response) -> Response:
    """Let a client that tries again do so at once, unless a stub says when: no test waits out a backoff."""
    headers = dict(response.headers)
    wanted = headers.get(b"x-should-retry")
    is_retried = response.status in (408, 409, 429) or response.status >= 500 if wanted is None else wanted == b"true"
    is_timed = b"retry-after-ms" in headers or (b"retry-after" in headers and b"prefer" not in request.headers)
    if response.source == "mock" or is_timed or not is_retried:
        return response
    return structs.replace(response, headers=[*response.headers, (b"retry-after-ms", b"1")])


def _beside(mock: Mock) -> Callable[[Request], Response]:
    """Wrap the control routes, an ASGI application, as a Handler."""
    control = Control(mock)

    def answer(request: Request) -> Response:
        import anyio

        return anyio.run(ask, control, request)

    def anywhere(request: Request) -> Response:
        """Call it in a new thread, since this one may run an event loop."""
        if request.path == OPENAPI and mock.owns(OPENAPI):
            return mock.handle(request)
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(answer, request).result()

    return anywhere


@contextmanager
def open_mock(*, live: bool = False, **settings: Any) -> Iterator[MockServer]:
    """Open a mock during the block: in this process, or with `live` on a socket as well.

    `settings` are the options of `mockserver serve`, as Python names; the seed is 0 by default. With `live`
    the port is a free one by default. A wrong setting raises a MockserverError.
    """
    chosen = settings_of(settings)
    mock = start_mock(chosen)
    with ExitStack() as stack:
        stack.callback(mock.store.close)
        admin = LocalAdmin(mock, DEFAULT_SCOPE)
        made, key = server_class(mock.api), chosen.api_key or API_KEY
        if live:
            app, port, tls = make_app(chosen, mock), settings.get("port", 0), stack.enter_context(open_tls(chosen))
            url = stack.enter_context(running(app, chosen.host, port, shutdown_timeout=1, tls=tls))
            server = made(admin, url, api=mock.api, mock=mock, api_key=key, tls=tls)
        else:
            from mockserver.server.transport import BASE_URL

            server = made(admin, BASE_URL, api=mock.api, mock=mock, in_process=True, api_key=key)
        stack.callback(server.close)
        yield server


@contextmanager
def connect(url: str, scope: str = DEFAULT_SCOPE, *, seed: int | None = None) -> Iterator[MockServer]:
    """Use a running server in one of its scopes, which is dropped at the end unless it is `default`.

    A StartError says that it cannot be reached.
    """
    admin = RemoteAdmin(url, scope)
    try:
        served = contract_of(admin)
        api = None if served["api"] is None else find(served["api"])
        if seed is not None:
            admin.call("PUT", SCOPE, {"seed": seed}, name=scope)
        base = admin.url if scope == DEFAULT_SCOPE else f"{admin.url}/scope/{scope}"
        server = server_class(api)(admin, base, api=api)
        try:
            yield server
        finally:
            server.close()
            if scope != DEFAULT_SCOPE:
                admin.call("DELETE", SCOPE, name=scope)
    finally:
        admin.close()
