"""The commands."""

import os
import sys
import threading
from collections.abc import Callable
from dataclasses import Field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from mockserver.errors import MockserverError, UsageError
from mockserver.settings import Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="llamacloud-mockserver", prog_name="mockserver")
def main() -> None:
    """Stand in for the LlamaCloud chat API, as its contract says."""


def _settings_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each field of Settings."""
    for each in reversed(fields(Settings)):
        command = _option(each)(command)
    return command


def _option(each: "Field[Any]") -> Callable[[Callable[..., None]], Callable[..., None]]:
    flag = "--" + each.name.replace("_", "-")
    more: dict[str, Any] = {"help": each.metadata["help"], "envvar": f"MOCKSERVER_{each.name.upper()}"}
    if each.type is bool:
        name = f"{flag}/--no-{flag[2:]}"
        return click.option(name, default=each.default, show_default=True, **more)
    shown = each.default is not None
    kind = _kind(each)
    return click.option(flag, type=kind, default=each.default, show_default=shown, show_envvar=False, **more)


def _kind(each: "Field[Any]") -> click.ParamType[Any]:
    if "choices" in each.metadata:
        return click.Choice(each.metadata["choices"])
    if "range" in each.metadata:
        low, high = each.metadata["range"]
        return click.FloatRange(low, high) if each.type is float else click.IntRange(low, high)
    kinds: dict[Any, click.ParamType[Any]] = {
        Path | None: click.Path(path_type=Path),
        int | None: click.INT,
        datetime | None: _Moment(),
    }
    return kinds.get(each.type, click.STRING)


class _Moment(click.ParamType[datetime]):
    """A moment in ISO 8601."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read the moment."""
        try:
            return value if isinstance(value, datetime) else datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time as 2026-04-22T12:34:41.342245", param, ctx)


@main.command(context_settings={"show_default": True})
@_settings_options
def serve(**options: Any) -> None:
    """Serve the API on a socket until it is stopped."""
    from mockserver.app import App
    from mockserver.control import Control
    from mockserver.data import is_packed
    from mockserver.engine import Mock
    from mockserver.live import address, bind
    from mockserver.live import serve as serve_app

    settings = Settings(**options)
    mock = Mock(settings)
    if settings.watch or not is_packed():
        mock.served.answers.fixtures.check()
    listener = bind(settings.host, settings.port)
    app = App(
        mock,
        control=Control(mock),
        cors=settings.cors,
        max_body=settings.max_body,
        body_timeout=settings.body_timeout,
        access_log=settings.access_log,
    )
    stop = threading.Event()

    def ready() -> None:
        say(ready_lines(mock, address(listener)))
        if settings.watch:
            from mockserver.watch import watch

            threading.Thread(target=watch, args=(mock, say, stop), daemon=True).start()

    try:
        serve_app(app, listener, shutdown_timeout=settings.shutdown_timeout, on_ready=ready)
    finally:
        stop.set()


def ready_lines(mock: Any, url: str) -> str:
    """Say in one line what is served, and in two more how a client is pointed here."""
    from mockserver.engine import describe

    settings = mock.settings
    key = "any-key"
    if settings.api_key is not None:
        from_environment = os.environ.get("MOCKSERVER_API_KEY") == settings.api_key
        key = '"$MOCKSERVER_API_KEY"' if from_environment else "'<your --api-key>'"
    what = f"{describe(mock.served.contracts)}, answers {settings.answers}, seed {mock.seed}"
    return f"mockserver is ready at {url}: {what}\nexport LLAMA_CLOUD_BASE_URL={url}\nexport LLAMA_CLOUD_API_KEY={key}"


def say(text: str) -> None:
    """Print at once."""
    print(text, flush=True)


def read_pyproject(folder: Path) -> dict[str, Any]:
    """Give [tool.mockserver] of the nearest pyproject.toml, from `folder` upwards; {} where there is none."""
    for each in (folder, *folder.parents):
        path = each / "pyproject.toml"
        if path.is_file():
            return _table(path)
    return {}


def _table(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        tools = tomllib.loads(path.read_text("utf-8")).get("tool", {})
    except (OSError, ValueError) as error:
        raise UsageError("pyproject.toml cannot be read", where=str(path), why=str(error)) from error
    table = tools.get("mockserver", {}) if isinstance(tools, dict) else tools
    if not isinstance(table, dict):
        raise UsageError(
            "[tool.mockserver] is not a table", where=str(path), mend="write [tool.mockserver] and options"
        )
    names = {each.name for each in fields(Settings)}
    said = {key.replace("-", "_"): value for key, value in table.items()}
    unknown = sorted(set(said) - names)
    if unknown:
        raise UsageError(
            f"[tool.mockserver] has no option {unknown[0]!r}",
            where=str(path),
            mend=f"the options are {', '.join(sorted(names))}",
        )
    return {key: _default(path.parent, key, value) for key, value in said.items()}


def _default(folder: Path, key: str, value: Any) -> Any:
    """Give an option's value as the command takes it; files are looked for from the folder of pyproject.toml."""
    if key == "fixtures" or (key == "contract" and (folder / str(value)).is_file()):
        return str(folder / str(value))
    return value if isinstance(value, bool) else str(value)


def run() -> None:
    """Run the command line; what stops us is told on stderr, with its exit code."""
    try:
        main(default_map={"serve": read_pyproject(Path.cwd())})
    except MockserverError as error:
        print(f"mockserver: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    run()
