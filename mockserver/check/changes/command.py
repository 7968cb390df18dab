"""`mockserver drift A B`: what has changed from one contract to another, and whom does it break?"""

import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import click

from mockserver.api import Api, choose, read_contracts
from mockserver.check.changes.operations import Description, Drift, drift
from mockserver.check.changes.rules import ORDER, RULES, ContractChange, verdict
from mockserver.check.client.environments import default_cache, environment
from mockserver.check.part import sdk_of
from mockserver.check.report.locate import Files
from mockserver.check.report.model import Report, Table
from mockserver.check.report.options import api_option, deliver, report_option, write_report
from mockserver.contract.load import read_document
from mockserver.contract.tree import named_place
from mockserver.errors import ContractError, UsageError
from mockserver.messages import Blame, Finding, Level

FailOn: TypeAlias = Literal["breaking", "risky", "never"]
"""From which severity on a change fails the run."""

LIMITS: tuple[FailOn, ...] = ("breaking", "risky", "never")

CLIENT = "client:"
"""What a release of a client, or the place of its package, is written after."""


class DriftSource(NamedTuple):
    """One of the two that are compared, and the file that it was read from, where it is a user's own contract."""

    description: Description
    own: Path | None = None


@click.command("drift")
@click.argument("named", metavar="A B", nargs=-1, required=True)
@click.option(
    "--since",
    metavar="REVISION",
    help="Compare each FILE with itself at a revision of git, instead of A with B; last-tag names the last tag.",
)
@click.option(
    "--fail-on",
    type=click.Choice(LIMITS),
    default="breaking",
    show_default=True,
    help="What ends the run with 1: breaking changes, risky ones with them, or none.",
)
@api_option
@click.option("--cache", type=click.Path(path_type=Path), help=f"Where clients are kept.  [default: {default_cache()}]")
@report_option
def command(
    named: tuple[str, ...],
    since: str | None,
    api: str | None,
    fail_on: FailOn,
    cache: Path | None,
    reports: Sequence[str],
) -> None:
    """Show each change from contract A to contract B: whom it breaks, and what a version would have to say of it.

    A and B may each be a version of the API pack's contract, a file with OpenAPI, a release of the API's official
    Python client (client:2.16.0), or a place where one is: an environment, a site-packages folder, a wheel
    (client:PATH).
    """
    pack = choose(api)
    if since is not None:
        sys.exit(compare_since(since, named, fail_on, reports))
    if len(named) != 2:
        fix = "name A and B; or --since REVISION and the files that are compared with what they were"
        raise UsageError("two contracts are compared", why=f"{len(named)} is named" if named else "", fix=fix)
    a, b = (read_source(each, pack, cache) for each in named)
    deliver(report_of(a.description, b.description, fail_on), reports, Files(pack, b.own or a.own))


def compare_since(since: str, files: Sequence[str], fail_on: FailOn, reports: Sequence[str]) -> int:
    """Compare files with what they were at a revision, each with a report of its own; return the exit code."""
    from mockserver.check.changes.revision import checked_out

    if len(files) > 1 and any("=" in each for each in reports):
        raise UsageError("a report in a file is of one contract", where="--since", fix="name one file at a time")
    code = 0
    for name in files:
        path = Path(name)
        if not path.is_file():
            raise UsageError(f"there is no file {name!r}", fix="name an OpenAPI document of the checkout")
        with checked_out(path, since) as before:
            if before is None:
                click.echo(f"{name} was not there at {since}: nothing is compared")
                continue
            was = read_own(before)._replace(name=f"{since}:{name}")
            code |= write_report(report_of(was, read_own(path), fail_on), reports, Files(own=path))
    return code


def read_source(text: str, api: Api | None, cache: Path | None = None) -> DriftSource:
    """Read what is named on the command line; a UsageError says what can be named, a ContractError what is wrong."""
    versions = {} if api is None else api.contracts
    if text in versions:
        return DriftSource(Description(text, read_contracts(text, api)[0].document))
    if text.startswith(CLIENT):
        sdk, named = sdk_of(api), text.removeprefix(CLIENT)
        is_release = re.fullmatch(r"\d+(\.\w+)+", named) and not Path(named).exists()
        return DriftSource(sdk.read(environment(sdk, named, cache) if is_release else Path(named), text))
    path = Path(text)
    if not path.exists():
        raise UsageError(
            f"{text!r} is nothing that can be compared",
            why=f"it is neither one of {', '.join(versions)}, nor a file, nor a client's release",
            fix="name a bundled contract, a file with OpenAPI 3.1, or client:2.16.0",
        )
    return DriftSource(read_own(path), path)


def read_own(path: Path) -> Description:
    """Read a user's own document; a ContractError names the place in it that is not understood.

    It need not be one that can be served: whatever OpenAPI 3.1 says of calls can be compared.
    """
    document = read_document(path)
    if not isinstance(document.get("paths"), dict):
        raise ContractError("the document has no paths", where=f"{path}#/paths", fix="describe an operation")
    found = Description(str(path), document)
    try:
        drift(found, found)  # all of it is looked at, so what is wrong is told of this document, and not of both
    except ContractError as error:
        where = f"{path}{error.where}" if error.where.startswith("#") else error.where
        raise ContractError(error.what, where=where, why=error.why, fix=error.fix) from error
    except RecursionError as error:
        raise ContractError("the document is nested too deeply", where=str(path)) from error
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise ContractError(
            "the document is not valid OpenAPI 3.1",
            where=str(path),
            why=f"{type(error).__name__}: {error}",
            fix="check it with an OpenAPI validator",
        ) from error
    return found


def report_of(a: Description, b: Description, fail_on: FailOn) -> Report:
    """Compare two descriptions, and make a report of it."""
    found = drift(a, b)
    counts = Counter(change.severity for change in found.changes)
    return Report(
        command="drift",
        subject=f"{a.name} -> {b.name}",
        findings=tuple(_finding(change, a, b, fail_on) for change in found.changes),
        figures={"version": verdict(found.changes)} | {name: counts[name] for name in ORDER},
        tables=_tables(found, a, b),
        rules={name: rule.sentence for name, rule in RULES.items()},
        passed=tuple(f"{name} unchanged" for name in found.unchanged),
    )


def _finding(change: ContractChange, a: Description, b: Description, fail_on: FailOn) -> Finding:
    fault: Blame = "client" if b.is_client else "contract"
    here, pointer = (a, change.before) if change.after is None else (b, change.after)
    moved = change.before is not None and change.after is not None and change.before != change.after
    return Finding(
        rule=change.rule,
        fault=fault,
        message=f"{change.severity}: {change.message}" + (f" (was {_placed(a, change.before)})" if moved else ""),
        operation=", ".join(change.operations),
        where=change.where,
        expected=change.was,
        received=change.now,
        contract=_placed(here, pointer),
        level=level_of(change, fail_on),
    )


def _placed(description: Description, pointer: str | None) -> str:
    """Name a place as the user's own files have it."""
    return named_place(description.document, description.name, pointer or "")


def level_of(change: ContractChange, fail_on: FailOn) -> Level:
    """Return the level of a change; an error fails the run."""
    if fail_on != "never" and ORDER.index(change.severity) <= ORDER.index(fail_on):
        return "error"
    return "note" if change.severity == "harmless" else "warning"


def _tables(found: Drift, a: Description, b: Description) -> tuple[Table, ...]:
    names = dict.fromkeys(name for change in found.changes for name in change.operations)
    rows = []
    for name in names:
        counts = Counter(change.severity for change in found.changes if name in change.operations)
        rows.append((name, *(str(counts[severity]) for severity in ORDER)))
    notes = [f"unchanged: {', '.join(found.unchanged)}"] if found.unchanged else []
    if a.is_client or b.is_client:
        notes.append("What a client's package does not say (docs/drift.md) was not compared.")
    return (Table("Changes by operation", ("operation", *ORDER), rows, notes),)
