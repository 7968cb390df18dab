"""`mockserver check URL`: does this server keep the contract?"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from inspect import iscoroutinefunction
from typing import Any, NamedTuple
from uuid import uuid4

import click

from mockserver.api import AUTO, Api, choose, default, find, read_contracts, recognised
from mockserver.check.coverage.report import RecordingTarget, joined
from mockserver.check.part import CheckPart, HeldOperation, part_of
from mockserver.check.provider.credentials import forms_of
from mockserver.check.provider.run import Options, check_target
from mockserver.check.report.locate import files_of
from mockserver.check.report.model import Report, mapped
from mockserver.check.report.options import INTERRUPTED, api_option, deliver, report_option
from mockserver.check.target import Target, at_url, checked_url, is_local, of_app, of_handler
from mockserver.contract.openapi import Contract
from mockserver.errors import UsageError, suggestion
from mockserver.messages import Headers, Json, Request
from mockserver.redact import hider
from mockserver.terminal.progress import Progress

ANY_KEY = "any-key"
"""What is sent where no key is known."""

PATIENCE = 10.0
"""Seconds that an answer may take by default."""


class ServerInfo(NamedTuple):
    """What a server says of itself: a mock's health; None for any other server."""

    health: Json

    @property
    def is_mock(self) -> bool:
        """Whether it is a mock of ours."""
        return self.health is not None

    @property
    def takes_any_key(self) -> bool:
        """Whether it is a mock that takes every key, or asks for none; a mock that says nothing of it is one."""
        return self.is_mock and self.health.get("keys") != "one"

    @property
    def plays(self) -> bool:
        """Whether it keeps what is created, as far as it says."""
        if not self.is_mock:
            return True
        told = self.health
        return told.get("answers") == "simulated" and told.get("api") is not None and told.get("state") != "off"


@click.command("check")
@click.argument("url")
@api_option
@click.option("--contract", default=AUTO, show_default=True, help="auto, a version of the API pack's, or a file.")
@click.option("--examples", type=click.IntRange(0), default=700, show_default=True, help="Requests that are drawn.")
@click.option("--time", "seconds", type=float, default=0.0, help="Seconds that the run may take; 0 for no limit.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of what is drawn.")
@click.option("--timeout", "patience", type=float, default=PATIENCE, show_default=True, help="Seconds for one answer.")
@click.option("--operation", "operations", multiple=True, help="Only cases of this operation; may be repeated.")
@click.option(
    "--path-value",
    "path_values",
    multiple=True,
    metavar="NAME=VALUE",
    callback=lambda _, __, pairs: [read_path_value(each) for each in pairs],
    help="A value for a parameter of paths, by NAME or OPERATION.NAME; may be repeated.",
)
@click.option("--read-only", is_flag=True, help="Ask only for what changes nothing.")
@click.option(
    "--state/--no-state", default=None, help="Whether the server keeps what is created.  [default: found out]"
)
@click.option("--fail-fast", is_flag=True, help="Stop at the first problem.")
@click.option("--api-key-env", help="The variable that the key is in.  [default: the API pack's]")
@click.option("--allow-remote", is_flag=True, help="Let a server on another machine be checked.")
@click.option("--coverage", is_flag=True, help="Tell how much of the contract the check itself exercised, too.")
@click.option("--quiet", is_flag=True, help="Tell no progress.")
@report_option
def command(
    url: str,
    api: str | None,
    contract: str,
    reports: Sequence[str],
    quiet: bool,
    **more: Any,
) -> None:
    """Send requests of every kind to the server at URL, and look at every answer: does it keep the contract?

    It writes sessions, and on a mock in a scope of its own. A server that is not on this machine is only checked with
    --allow-remote, with the key of the variable that --api-key-env names.
    """
    progress = Progress(quiet=quiet)
    try:
        report = check_any(
            url,
            api,
            contract,
            key_env=more.pop("api_key_env") or "",
            at_first=more.pop("fail_fast"),
            tell=lambda text: progress.tell(time.monotonic(), text),
            **more,
        )
    except KeyboardInterrupt:  # before the first request, or after the last
        sys.exit(INTERRUPTED)
    finally:
        progress.end()
    deliver(report, reports, files_of(contract, choose(api, contract)))


def read_path_value(text: str) -> tuple[str, str]:
    """Read NAME=VALUE; a UsageError says what is wrong with it."""
    name, equals, value = text.partition("=")
    if not name or not equals or value in ("", ".", ".."):
        what = f"{text!r} is no value of a path"
        why = "a path has neither empty nor dot segments" if name and equals else ""
        raise UsageError(what, where="--path-value", why=why, fix="write NAME=VALUE, or OPERATION.NAME=VALUE")
    return name, value


def check_any(
    server: Any,
    api: str | None,
    contract: str,
    *,
    key: str | None = None,
    key_env: str = "",
    allow_remote: bool = False,
    coverage: bool = False,
    state: bool | None = None,
    patience: float = PATIENCE,
    operations: Sequence[str] = (),
    tell: Callable[[str], None] = lambda _: None,
    **more: Any,
) -> Report:
    """Check what is behind a URL, an ASGI application or a Handler; on a mock, in a scope of its own."""
    pack = choose(api, contract)
    part = part_of(pack)
    if isinstance(server, str):
        server = checked_url(server, allow_remote)
        key_env = key_env or key_variable(part, server)
        key = key or read_key(key_env, server)
    with ExitStack() as stack:
        target = stack.enter_context(target_of(server, patience))
        found = ServerInfo(ask_health(target))
        if found.is_mock:
            scope = f"check-{uuid4().hex[:12]}"
            target.headers.append((b"x-mock-scope", scope.encode()))
            stack.callback(_drop, target, scope)
        contracts = contracts_of(contract, found, pack)
        refuse_unknown(operations, contracts, more.get("path_values", ()))
        keeps_state = found.plays if state is None else state
        if api is None and pack is not None and not pack.contracts:
            part = with_state(part, contracts)
        options = Options(
            key=key or ANY_KEY,
            is_known_key=key not in (None, ANY_KEY) and not found.takes_any_key,
            left_out=left_out(contracts, operations),
            key_env=key_env,
            part=part,
            state=keeps_state,
            patience=patience,
            operations=operations,
            **more,
        )
        asked = RecordingTarget(target) if coverage else target
        report = check_target(asked, placed(contracts), options, tell)
        hide = hider(forms_of(key) if key and key != ANY_KEY else [])
        report = report if hide is None else mapped(report, hide)
        return joined(report, asked.coverage(contracts)) if isinstance(asked, RecordingTarget) else report


def with_state(part: CheckPart, contracts: Sequence[Contract]) -> CheckPart:
    """Return a part with the checks of state of the API pack whose operations a contract of one's own has, if any."""
    name = recognised(contracts)
    known = part_of(find(name)) if name else part
    state, driver = known.state, known.driver
    return replace(part, state=state, driver=driver, operations=known.operations, subjects=known.subjects)


def left_out(contracts: Sequence[Contract], names: Sequence[str]) -> dict[str, str]:
    """Return the operations that cannot be asked, each with the reason; of those that are named, if any are."""
    found = {name: why for each in contracts for name, why in each.left_out.items()}
    return {name: f"it cannot be asked: {why}" for name, why in found.items() if not names or name in names}


def target_of(server: Any, patience: float) -> AbstractContextManager[Target]:
    """Return what asks a server: behind a URL, an ASGI application or a Handler."""
    if isinstance(server, str):
        return at_url(server, patience)
    is_app = iscoroutinefunction(server) or iscoroutinefunction(type(server).__call__)
    return of_app(server, patience) if is_app else of_handler(server, patience)


def key_variable(part: CheckPart, url: str) -> str:
    """Return the variable that holds the key: the API's own, or for a local server another's if only that is set."""
    own, usual = part.key_variable, part_of(default()).key_variable
    return usual if own not in os.environ and usual in os.environ and is_local(url) else own


def read_key(name: str, url: str) -> str:
    """Return the key that a variable holds; a UsageError where there is none, and the server is another machine's."""
    value = os.environ.get(name)
    if value is None and not is_local(url):
        raise UsageError(f"there is no key in {name}", fix=f"export {name}, or name another with --api-key-env")
    return value or ANY_KEY


def ask_health(target: Target) -> Json:
    """Return what a mock says of itself; None for any other server."""
    answer = target.ask(Request("GET", "/__mock__/health"))
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    is_mock = answer.status == 200 and isinstance(told, dict) and {"contracts", "answers", "seed"} <= told.keys()
    return told if is_mock else None


def _drop(target: Target, scope: str) -> None:
    target.ask(Request("DELETE", f"/__mock__/scopes/{scope}", headers=Headers()))


def contracts_of(name: str, found: ServerInfo, api: Api | None) -> Sequence[Contract]:
    """Return the contracts that a server is held to: those that are named, or that a mock says it serves."""
    if name == AUTO and found.is_mock and api is not None:
        served = found.health["contracts"]
        if not set(served) <= api.contracts.keys():
            raise UsageError(f"the mock serves the contract {served[0]!r}", fix="name its file: --contract FILE")
        name = str(served[0]) if len(served) == 1 else name
    return read_contracts(name, api, partly=True)


def refuse_unknown(
    names: Sequence[str], contracts: Sequence[Contract], path_values: Sequence[tuple[str, str]] = ()
) -> None:
    """Refuse the name of an operation, or of a parameter of a path, that no contract has, by a UsageError."""
    known = sorted({name for each in contracts for name in (*(o.id for o in each.operations), *each.left_out)})
    if unknown := [name for name in names if name not in known]:
        raise UsageError(
            f"there is no operation {unknown[0]!r}",
            where="--operation",
            fix=suggestion(unknown[0], known, f"there are {', '.join(known)}"),
        )
    operations = [each for contract in contracts for each in contract.operations]
    parts = {text for each in operations for name in each.names for text in (name, f"{each.id}.{name}")}
    if strange := [name for name, _ in path_values if name not in parts]:
        there = ", ".join(sorted({name for each in operations for name in each.names})) or "none"
        raise UsageError(f"no path has a parameter {strange[0]!r}", where="--path-value", fix=f"there are {there}")


def placed(contracts: Sequence[Contract]) -> list[HeldOperation]:
    """Return each operation with the newest contract that has it."""
    found: dict[str, HeldOperation] = {}
    for contract in contracts:
        for operation in contract.operations:
            found.setdefault(operation.id, (contract, operation))
    return list(found.values())
