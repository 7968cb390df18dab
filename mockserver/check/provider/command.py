"""`mockserver check URL`: does this server keep the contract?"""

import json
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit
from uuid import uuid4

import click

from mockserver.api import choose, default, read_contracts
from mockserver.check.coverage.report import Hearing, joined
from mockserver.check.provider.run import Options, Placed, check
from mockserver.check.report.options import Progress, deliver, report_option
from mockserver.check.target import Target, at_url
from mockserver.contract.openapi import Contract
from mockserver.control.access import is_loopback
from mockserver.errors import UsageError
from mockserver.messages import Headers, Json, Request

KEY_ENV = "LLAMA_CLOUD_API_KEY"
"""The variable in which the official clients find their key."""

PATIENCE = 10.0
"""Seconds that an answer may take by default."""


class Found(NamedTuple):
    """What a server says of itself: a mock's health; None for any other server."""

    health: Json

    @property
    def is_mock(self) -> bool:
        """Whether it is a mock of ours."""
        return self.health is not None

    @property
    def plays(self) -> bool:
        """Whether it keeps sessions, as far as it says."""
        return not self.is_mock or self.health.get("answers") == "simulated"


@click.command("check")
@click.argument("url")
@click.option("--contract", default="auto", show_default=True, help="auto, an era (2.6, 2.8, 2.17), or a file.")
@click.option("--examples", type=click.IntRange(0), default=700, show_default=True, help="Requests that are drawn.")
@click.option("--time", "seconds", type=float, default=0.0, help="Seconds that the run may take; 0 for no limit.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of what is drawn.")
@click.option("--timeout", "patience", type=float, default=PATIENCE, show_default=True, help="Seconds for one answer.")
@click.option("--operation", "operations", multiple=True, help="Only cases of this operation; may be repeated.")
@click.option("--read-only", is_flag=True, help="Ask only for what changes nothing.")
@click.option("--state/--no-state", default=None, help="Whether the server keeps sessions.  [default: found out]")
@click.option("--fail-fast", is_flag=True, help="Stop at the first problem.")
@click.option("--api-key-env", default=KEY_ENV, show_default=True, help="The variable that the key is in.")
@click.option("--allow-remote", is_flag=True, help="Let a server on another machine be checked.")
@click.option("--coverage", is_flag=True, help="Tell how much of the contract the check itself exercised, too.")
@click.option("--quiet", is_flag=True, help="Tell no progress.")
@report_option
def command(
    url: str, contract: str, reports: Sequence[str], allow_remote: bool, coverage: bool, quiet: bool, **more: Any
) -> None:
    """Send requests of every kind to the server at URL, and look at every answer: does it keep the contract?

    It writes sessions, and on a mock in a scope of its own. A server that is not on this machine is only checked with
    --allow-remote, with the key of the variable that --api-key-env names.
    """
    url = checked_url(url, allow_remote=allow_remote)
    key = read_key(more.pop("api_key_env"), url)
    state = more.pop("state")
    progress = Progress(quiet=quiet)
    with ExitStack() as stack:
        target = stack.enter_context(at_url(url, more["patience"]))
        found = Found(ask_health(target))
        if found.is_mock:
            scope = f"check-{uuid4().hex[:12]}"
            target.headers.append((b"x-mock-scope", scope.encode()))
            stack.callback(_drop, target, scope)
        contracts = contracts_of(contract, found)
        refuse_unknown(more["operations"], contracts)
        options = Options(
            key=key.value,
            key_env=key.name,
            state=found.plays if state is None else state,
            at_first=more.pop("fail_fast"),
            **more,
        )
        asked = Hearing(target) if coverage else target
        report = check(asked, placed(contracts), options, lambda told: progress.tell(time.monotonic(), told))
        if isinstance(asked, Hearing):
            report = joined(report, asked.coverage(contracts))
    progress.end()
    own = Path(contract) if contract not in ("auto", *default().contracts) else None
    deliver(report, reports, own)


class Key(NamedTuple):
    """A key, and the variable that it is in."""

    name: str
    value: str | None


def checked_url(url: str, *, allow_remote: bool) -> str:
    """Give a URL that may be checked; a UsageError says why it may not."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError(f"{url!r} is no URL of a server", mend="write http://127.0.0.1:4010")
    if not allow_remote and not (parts.hostname == "localhost" or is_loopback(parts.hostname)):
        raise UsageError(
            f"{parts.hostname} is not this machine",
            why="a check sends thousands of requests, and makes and deletes sessions",
            mend="if that is meant, say --allow-remote; --read-only changes nothing there",
        )
    return url.rstrip("/")


def read_key(name: str, url: str) -> Key:
    """Give the key that a variable holds; a UsageError where there is none, and the server is another machine's."""
    value = os.environ.get(name)
    if value is None and not is_loopback(urlsplit(url).hostname or "") and urlsplit(url).hostname != "localhost":
        raise UsageError(f"there is no key in {name}", mend=f"export {name}, or name another with --api-key-env")
    return Key(name, value or "any-key")


def ask_health(target: Target) -> Json:
    """Give what a mock says of itself; None for any other server."""
    answer = target.ask(Request("GET", "/__mock__/health"))
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    is_mock = answer.status == 200 and isinstance(told, dict) and {"contracts", "answers", "seed"} <= told.keys()
    return told if is_mock else None


def _drop(target: Target, scope: str) -> None:
    target.ask(Request("DELETE", f"/__mock__/scopes/{scope}", headers=Headers()))


def contracts_of(name: str, found: Found) -> Sequence[Contract]:
    """Give the contracts that a server is held to: those that are named, or that a mock says it serves."""
    if name == "auto" and found.is_mock:
        told = found.health["contracts"]
        if len(told) == 1 and told[0] in default().contracts:
            name = str(told[0])
        elif not set(told) <= default().contracts.keys():
            raise UsageError(f"the mock serves the contract {told[0]!r}", mend="name its file: --contract FILE")
    return read_contracts(name, choose(None, name))


def refuse_unknown(names: Sequence[str], contracts: Sequence[Contract]) -> None:
    """Refuse the name of an operation that none of the contracts has, by a UsageError."""
    known = sorted({each.id for contract in contracts for each in contract.operations})
    if unknown := [name for name in names if name not in known]:
        raise UsageError(
            f"there is no operation {unknown[0]!r}", where="--operation", mend=f"there are {', '.join(known)}"
        )


def placed(contracts: Sequence[Contract]) -> list[Placed]:
    """Give each operation with the newest contract that has it."""
    found: dict[str, Placed] = {}
    for contract in contracts:
        for operation in contract.operations:
            found.setdefault(operation.id, (contract, operation))
    return list(found.values())
