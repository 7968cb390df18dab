"""The commands."""

import io
import os
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import Field, replace
from datetime import UTC, datetime
from functools import cache, partial
from importlib import import_module
from math import isfinite
from pathlib import Path
from secrets import token_urlsafe
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn, TextIO

import click
from click.core import ParameterSource

from mockserver import __version__
from mockserver import api as packs
from mockserver.contract.document_cache import VARIABLE as CACHE_VARIABLE
from mockserver.errors import MockserverError, StartError, UsageError, install_command, reason
from mockserver.pyproject import api_of, defaults
from mockserver.settings import Settings, options_of
from mockserver.terminal.help import WAYS, WIDEST, with_examples, write_options

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from mockserver.server.tls import Tls


class LazyCommand(NamedTuple):
    """A command that is loaded when it is called."""

    place: str
    """Where it is: `"module:attribute"`."""
    short_help: str
    """What it does, for the list of commands, which loads none of them."""
    extra: str = ""
    """The extra of the distribution that it needs; nothing where it needs none."""


CHECKS = {
    "check": LazyCommand(
        "mockserver.check.provider.command:command", "Check that a server keeps its contract.", extra="check"
    ),
    "check-client": LazyCommand(
        "mockserver.check.client.command:command", "Check that a client keeps the contract and copes with every answer."
    ),
    "matrix": LazyCommand(
        "mockserver.check.client.command:matrix", "Check releases of a client against versions of the contract."
    ),
    "validate": LazyCommand(
        "mockserver.check.validate:command", "List everything in an OpenAPI document that cannot be served as written."
    ),
    "explain": LazyCommand(
        "mockserver.check.explain:command", "Say which resources an API keeps, by its document, and why."
    ),
    "drift": LazyCommand(
        "mockserver.check.changes.command:command", "List what changed between two contracts, and whom it breaks."
    ),
    "mutants": LazyCommand(
        "mockserver.check.mutants.run:command", "Check the check itself, on servers that are broken.", extra="check"
    ),
    "coverage": LazyCommand(
        "mockserver.check.coverage.report:command", "Count how much of a contract recorded exchanges exercise."
    ),
    "reverify": LazyCommand(
        "mockserver.check.reverify:command", "Check that a service still answers as it was recorded.", extra="proxy"
    ),
    "mcp": LazyCommand("mockserver.cli:mcp", "Let coding agents use mocks, over stdin and stdout.", extra="mcp"),
    "proxy": LazyCommand("mockserver.cli:proxy", "Stand before a real service, and judge what passes.", extra="proxy"),
}
"""The commands that are loaded when they are called."""

EXTRAS = {"check": ("hypothesis", "httpx2"), "proxy": ("httpx2",), "mcp": ("mcp", "httpx2")}
"""The modules that an extra brings, by its name."""

FAILURES = ("response", "request", "any", "none")
"""On which side of a proxy something wrong makes its run fail."""

MISSES = ("unrecorded", "unasked", "any", "none")
"""What makes a replay fail: requests that were not recorded, recorded ones that nobody sent."""

PROGRAM = "mockserver.check.client.traffic"
"""The module that reports on a program, loaded when a report is wanted."""


_PACK = "mockserver.api"
"""The key of the API pack in a click context."""


def missing_modules(extra: str) -> list[str]:
    """Name the modules of an extra that are not installed."""
    from importlib.util import find_spec

    return [name for name in EXTRAS.get(extra, ()) if find_spec(name) is None]


class _CommandWithoutExtra(click.Command):
    """Stands for a command whose extra is not installed: it has help, and an error that says what to install."""

    def __init__(self, name: str, lazy: LazyCommand) -> None:
        needs = f"It needs the extra {lazy.extra}, which is not installed. Install it to use this command:"
        super().__init__(
            name,
            help=f"{lazy.short_help}\n\n{needs}\n\n\b\n{install_command(lazy.extra)}",
            params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
            context_settings={"ignore_unknown_options": True, "allow_interspersed_args": True},
            callback=partial(_refuse, name, lazy.extra),
        )


def _refuse(name: str, extra: str, **_: Any) -> NoReturn:
    what, where = f"the command {name} needs", f"mockserver {name}"
    raise StartError.without_extra(what, extra, *missing_modules(extra), where=where)


class _Commands(click.Group):
    """The commands that serve, and those that are loaded when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name all of them."""
        return [*super().list_commands(ctx), *CHECKS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return one of them."""
        lazy = CHECKS.get(cmd_name)
        if lazy is None:
            found = super().get_command(ctx, cmd_name)
            return found and with_examples(cmd_name, found)
        if missing_modules(lazy.extra):
            return _CommandWithoutExtra(cmd_name, lazy)
        command: click.Command = packs.load(lazy.place)
        return with_examples(cmd_name, command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands; none is loaded for it."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.describe(name)) for name in self.list_commands(ctx)])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Complete the name of a command, or an option; none is loaded for it."""
        from click.shell_completion import CompletionItem

        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        commands = [CompletionItem(name, help=self.describe(name)) for name in names]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]

    def describe(self, name: str) -> str:
        """Describe a command in a line, with the extra that it needs if that is not installed."""
        lazy = CHECKS.get(name)
        if lazy is None:
            return self.commands[name].get_short_help_str(limit=1_000)
        return lazy.short_help + (f" (needs the extra {lazy.extra})" if missing_modules(lazy.extra) else "")


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDEST},
)
@click.version_option(__version__, prog_name="mockserver")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Serve, test and check any API by its OpenAPI document."""
    if ctx.invoked_subcommand is None:
        click.echo(WAYS, nl=False)


class _Amount(click.FloatRange):
    """A finite number within a range."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read the number."""
        number: float = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value} is no finite number", param, ctx)
        return number


class _ServingCommand(click.Command):
    """A command with the options of `serve`, and with those of the API pack in force in a group of their own.

    The pack is found before the options are parsed.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Find the pack, then parse; an option of another pack is a usage error that names it."""
        ctx.meta[_PACK] = self.find_pack(ctx, args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            name = error.option_name.lstrip("-").removeprefix("no-").replace("-", "_")
            owner = packs.pack_of(name)
            if not owner:
                raise
            api = ctx.meta[_PACK]
            raise UsageError(
                f"there is no option {error.option_name}",
                where=f"mockserver {self.name}",
                why=f"it is an option of the API pack {owner}, and {api.name if api else 'none'} is in force",
                fix=f"add --api {owner}, or leave it out",
            ) from error

    def find_pack(self, ctx: click.Context, args: Sequence[str]) -> packs.Api | None:
        """Find the pack in force; a wrong name is no error while a shell completes the line."""
        try:
            return api_of(args, ctx.default_map or {})
        except UsageError:
            if not ctx.resilient_parsing:
                raise
            return None

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options of the command, of serving, and of the pack."""
        own = super().get_params(ctx)
        return [*own[:-1], *map(_option, options_of(Settings)), *self.pack_params(ctx), own[-1]]

    def pack_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options of the pack in force."""
        api: packs.Api | None = ctx.meta.get(_PACK)
        return [] if api is None or api.settings is None else [*map(_option, options_of(api.settings))]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in sections, with the pack's in one of their own."""
        own = {str(each.name): f"Options of the API pack {ctx.meta[_PACK].name}" for each in self.pack_params(ctx)}
        write_options(ctx, formatter, self.get_params(ctx), own)


@cache
def _option(each: "Field[Any]") -> click.Option:
    flag = "--" + each.name.replace("_", "-")
    more: dict[str, Any] = {"help": each.metadata["help"], "envvar": f"MOCKSERVER_{each.name.upper()}"}
    if each.type is bool:
        return click.Option([f"{flag}/--no-{flag[2:]}"], default=each.default, show_default=True, **more)
    if each.name == "api":
        more["shell_complete"] = packs.complete
    if each.name == "contract":
        more |= {"type": _Contracts(), "multiple": True, "callback": _join}
        return click.Option([flag], default=[each.default], show_default=True, **more)
    shown = each.default is not None
    return click.Option([flag], type=_kind(each), default=each.default, show_default=shown, **more)


def _kind(each: "Field[Any]") -> click.ParamType[Any]:
    if "choices" in each.metadata:
        return click.Choice(each.metadata["choices"])
    if "range" in each.metadata:
        low, high = each.metadata["range"]
        return _Amount(low, high) if each.type is float else click.IntRange(low, high)
    kinds: dict[Any, click.ParamType[Any]] = {
        Path | None: click.Path(path_type=Path),
        int | None: click.INT,
        datetime | None: _Moment(),
    }
    return kinds.get(each.type, click.STRING)


class _Contracts(click.types.StringParamType):
    """One of several contracts."""

    envvar_list_splitter: ClassVar[str] = ","


def _join(_: click.Context, __: click.Parameter, values: Sequence[str]) -> str:
    """Write several contracts as the setting has them."""
    return ",".join(values)


class _Moment(click.ParamType[datetime]):
    """A moment in ISO 8601."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read the moment."""
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
            moment.astimezone(UTC)
            return moment
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time as 2026-04-22T12:34:41.342245", param, ctx)


def serving_settings(options: dict[str, Any]) -> Settings:
    """Return the settings of a process that serves until it is stopped: its page has a token for other machines."""
    settings = packs.make_settings(options)
    if settings.control_remote and settings.control_token is None:
        return replace(settings, control_token=token_urlsafe(18))
    return settings


@main.command(cls=_ServingCommand, context_settings={"show_default": True})
def serve(**options: Any) -> None:
    """Serve the API on a socket until it is stopped."""
    from mockserver.server.uvicorn import address, bind, end_quietly, serve_many, spare_collector

    end_quietly()
    spare_collector()  # what is loaded from here on lives long, too
    from mockserver.control.app import make_app, make_worker, open_log, start_mock
    from mockserver.data import is_packed
    from mockserver.server.tls import open_own_tls
    from mockserver.server.uvicorn import serve as serve_app

    settings = serving_settings(options)
    warn_of_unknown_variables(packs.choose(settings.api, settings.contract))
    check_workers(settings)
    mock = start_mock(settings)
    if settings.watch or not is_packed():
        mock.served.answers.fixtures.check()
    stop, opened = threading.Event(), ExitStack()
    tls = opened.enter_context(open_own_tls(settings))
    listener = bind(settings.host, settings.port)

    def ready() -> None:
        say(ready_lines(mock, address(listener, tls), tls))
        if settings.watch:
            from mockserver.watch import watch

            threading.Thread(target=watch, args=(mock, say, stop), daemon=True).start()

    how: dict[str, Any] = {
        "shutdown_timeout": settings.shutdown_timeout,
        "head_timeout": settings.head_timeout,
        "on_ready": ready,
        "tls": tls,
    }
    try:
        if settings.workers > 1:
            mock.store.close()
            environment_of_metrics(settings, opened)
            make = partial(make_worker, replace(settings, seed=mock.seed, state=None))
            serve_many(make, listener, settings.workers, **how)
        else:
            with closing(open_log(mock)) as lines:
                serve_app(make_app(settings, mock, lines), listener, **how)
    finally:
        stop.set()
        opened.close()


def environment_of_metrics(settings: Settings, opened: ExitStack) -> None:
    """Let workers count together, in files that are gone at the end."""
    if settings.metrics:
        folder = opened.enter_context(TemporaryDirectory(prefix="mockserver-metrics-"))
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder


@main.command(cls=_ServingCommand, context_settings={"show_default": True})
@click.option("--allow-invalid", is_flag=True, help="Let the client send what the contract forbids.")
@click.option("--allow-unused", is_flag=True, help="Let stubs go unused.")
@click.option("--allow-silence", is_flag=True, help="Let the command send no request at all.")
@click.option("--report", "reports", multiple=True, metavar="FORMAT[=FILE]", help="A report of it; may be repeated.")
@click.option("--coverage", is_flag=True, help="Tell how much of the contract the command exercised, too.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def run(
    command: tuple[str, ...],
    allow_invalid: bool,
    allow_unused: bool,
    allow_silence: bool,
    reports: tuple[str, ...],
    coverage: bool,
    **options: Any,
) -> None:
    """Run COMMAND beside a mock of its own, and judge what it sends.

    Write -- before the command. Its environment points clients at the mock, on a free port unless one is given.
    """
    from mockserver.testing.run import Allowed, run_command

    source = click.get_current_context().get_parameter_source("port")
    settings = packs.make_settings(options)
    if source is ParameterSource.DEFAULT:
        settings = replace(settings, port=0)
    one_process(settings, "run")
    tell = import_module(PROGRAM).teller(reports, coverage=coverage) if reports or coverage else None
    sys.exit(run_command(command, settings, Allowed(allow_invalid, allow_unused, allow_silence), tell))


@click.command("proxy", cls=_ServingCommand, context_settings={"show_default": True})
@click.option("--record", "folder", type=click.Path(path_type=Path), help="Folder into which exchanges are recorded.")
@click.option("--fail-on", type=click.Choice(FAILURES), default="none", help="What ends the run with exit code 1.")
@click.option("--timeout", type=_Amount(0.1), default=60.0, help="Seconds without a sign of the service.")
@click.argument("url")
def proxy(url: str, folder: Path | None, fail_on: str, timeout: float, **options: Any) -> None:
    """Stand before the service at URL: pass everything on, and judge both sides by the contract.

    Stubs (--stubs, or the control routes) answer before the service is asked.
    """
    from mockserver.control.app import start_mock
    from mockserver.proxy.app import run_proxy
    from mockserver.proxy.forward import Service

    settings = serving_settings(options)
    one_process(settings, "proxy")
    service = Service(url, timeout)
    sys.exit(run_proxy(start_mock(settings), service, folder, fail_on, say))


@main.command(cls=_ServingCommand, context_settings={"show_default": True})
@click.option("--fail-on", type=click.Choice(MISSES), default="unrecorded", help="What ends the run with exit code 1.")
@click.argument("folder", type=click.Path(path_type=Path))
def replay(folder: Path, fail_on: str, **options: Any) -> None:
    """Serve what `proxy --record FOLDER` recorded, in its order, and nothing else."""
    from mockserver.proxy.recording import read_recordings
    from mockserver.proxy.replay import ReplayMock, run_replay

    settings = serving_settings(options)
    one_process(settings, "replay")
    sys.exit(run_replay(ReplayMock(settings, read_recordings(folder)), folder, fail_on, say))


@main.command("import", cls=_ServingCommand, context_settings={"show_default": True})
@click.option(
    "--into", "folder", type=click.Path(path_type=Path), default="imported", help="Folder for stubs.json and fixtures."
)
@click.option("--allow-invalid", is_flag=True, help="Take what the contract forbids, too, as stubs marked invalid.")
@click.option("--strict", is_flag=True, help="End with 1 if anything was not taken.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def import_(files: tuple[Path, ...], folder: Path, allow_invalid: bool, strict: bool, **options: Any) -> None:
    """Make stubs and fixtures of HAR FILES and WireMock mappings, and say what cannot be taken.

    A file is an archive, a mapping, or {"mappings": [...]}; a folder holds mappings. It ends with 1 if nothing
    was taken.
    """
    from mockserver.importing.command import import_files
    from mockserver.terminal.text import visible

    settings = packs.make_settings(options)
    done = import_files(files, folder, settings, lambda line: say(visible(line)), allow_invalid=allow_invalid)
    sys.exit(int(not done.stubs or (strict and bool(done.left))))


@click.command("mcp")
@click.option("--contract", help="The document of a mock to begin with.")
@click.option("--url", help="The address of a running mock to begin with.")
def mcp(contract: str | None, url: str | None) -> None:
    """Serve a coding agent by the Model Context Protocol, over stdin and stdout.

    Its tools start a mock of an OpenAPI document or reach one, show what came and why it was refused, stub, break,
    verify and check. A mock of its own also serves agents at /__mock__/mcp.
    """
    from mockserver.agents.server import serve_stdio
    from mockserver.agents.session import StartedSession

    session = StartedSession()
    if url is not None:
        session.reach(url)
    elif contract is not None:
        session.start(contract, {})
    serve_stdio(session)


def one_process(settings: Settings, command: str) -> None:
    """Reject several workers."""
    if settings.workers > 1:
        raise UsageError(f"{command} serves from one process", where="--workers", fix="leave out --workers")


def check_workers(settings: Settings) -> None:
    """Reject options that several processes cannot share."""
    if settings.workers > 1 and settings.store.startswith("memory:"):
        raise UsageError(
            f"{settings.workers} workers cannot share the store {settings.store}",
            where="--workers",
            why="processes do not share memory: what one of them stores, the others do not see",
            fix="name a store that they share: --store sqlite:///sessions.db, or --store redis://127.0.0.1",
        )
    if settings.workers > 1 and settings.watch:
        raise UsageError(
            "--watch is for one process",
            where="--workers",
            why="several workers would not reload at the same moment",
            fix="leave out --watch or --workers",
        )


def ready_lines(mock: Any, url: str, tls: "Tls | None" = None) -> str:
    """Describe in one line what is served, then how to point a client here."""
    from mockserver.control.app import ready_text

    settings, api = mock.settings, mock.api
    what = f"{packs.describe(mock.served.contracts)}, answers {settings.answers}, seed {mock.seed}"
    if mock.store.url != "memory://":
        what += f", store {mock.store.url}"
    if settings.workers > 1:
        what += f", {settings.workers} workers"
    if mock.loaded:
        noun = "record" if api is None or api.state is None else api.state.noun
        what += f", {mock.loaded} {noun}{'s' if mock.loaded != 1 else ''} from {settings.saved_state}"
    lines = []
    if notes := packs.describe_notes(mock.served.contracts):
        lines.append(notes)
    if (api is None or not api.contracts) and (name := packs.recognised(mock.served.contracts)):
        lines.append(f"its paths are those of the API pack {name}: --api {name} plays them")
    if api is not None:
        lines += [f"export {name}={url}" for name in api.client.url_variables]
        lines += [f"export {name}={_key_text(settings)}" for name in api.client.key_variables]
    return ready_text(settings, url, f"mockserver is ready at {url}: {what}", *lines, tls=tls)


def _key_text(settings: Settings) -> str:
    """Quote a key for a shell; a secret one is not shown."""
    if settings.api_key is None:
        return "any-key"
    from_environment = os.environ.get("MOCKSERVER_API_KEY") == settings.api_key
    return '"$MOCKSERVER_API_KEY"' if from_environment else "'<your --api-key>'"


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


def warn_of_unknown_variables(api: packs.Api | None) -> None:
    """Warn about variables that look like options but are not."""
    known = {f"MOCKSERVER_{each.name.upper()}" for each in packs.options(api)} | {CACHE_VARIABLE}
    for name in sorted(os.environ):
        if name.startswith("MOCKSERVER_") and name not in known:
            print(f"mockserver: the variable {name} is no option; it is ignored", file=sys.stderr)


def _fails(stream: TextIO) -> bool:
    """Return whether a stream takes no more."""
    try:
        print(file=stream, flush=True)
    except OSError:
        return True
    return False


def start() -> None:
    """Run the command line; an error is printed to stderr and sets the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not every terminal can write every character
            stream.reconfigure(errors="backslashreplace")
    try:
        said = defaults(sys.argv[1:])
        checks = {name: {"api": said["api"]} for name in CHECKS if "api" in said}
        freely = {key: value for key, value in said.items() if key != "port"}
        main(default_map={**checks, "serve": said, "run": freely, "proxy": said, "replay": said, "import": freely})
    except MockserverError as error:
        print(f"mockserver: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is not None or not _fails(sys.stdout):
            raise
        fix = "see that its disk has room, or send it elsewhere"
        told = StartError("the output cannot be written", where="stdout", why=reason(error), fix=fix)
        print(f"mockserver: {told}", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python writes the rest when it ends
        sys.exit(told.exit_code)


if __name__ == "__main__":
    start()
