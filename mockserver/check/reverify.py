"""`mockserver reverify DIR URL`: does the service still answer as it was recorded, and as its contract says?"""

import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeAlias
from urllib.parse import quote

import click

from mockserver.answer.judgement import ReceivedAnswer, problems_of, wrong
from mockserver.api import AUTO, choose, read_contracts
from mockserver.check.provider.credentials import NO_CREDENTIALS, Credentials, credentials
from mockserver.check.report.locate import files_of
from mockserver.check.report.model import Report, Skipped, Table, gathered, mapped
from mockserver.check.report.options import api_option, deliver, report_option
from mockserver.check.target import Answer, Target, at_url, checked_url
from mockserver.contract.openapi import EVENT_STREAM, Contract, Operation, is_json
from mockserver.contract.router import Match, Router
from mockserver.contract.tree import join
from mockserver.errors import ContractError, UsageError
from mockserver.journal.exchange import Exchange
from mockserver.messages import Finding, Headers, Json, Request, kind_of
from mockserver.proxy.recording import Recording, read_recordings
from mockserver.redact import HIDDEN, hider
from mockserver.sse import parse

SAFE = ("GET", "HEAD", "OPTIONS")

RULES = {
    "answered": "The service answers each recorded request.",
    "status": "The status is the recorded one.",
    "content-type": "The content type is the recorded one.",
    "field-gone": "Each field that was recorded is still there.",
    "field-new": "No field has come that was not recorded.",
    "field-type": "Each field has a type that was recorded.",
    "contract": "The answer holds to the contract.",
    "recording": "The recorded answer holds to the contract.",
}

BodyShape: TypeAlias = Mapping[str, frozenset[str]]
"""The kinds of values at each place of a body; the items of a list share one place."""


class Reasked(NamedTuple):
    """A recorded exchange that was asked for again, and what the service answers now."""

    exchange: Exchange
    operation: Operation | None
    answer: Answer

    @property
    def name(self) -> str:
        """What reports call it."""
        return f"#{self.exchange.number} {line_of(self.exchange)}"


@click.command("reverify")
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("url")
@api_option
@click.option("--contract", default=AUTO, show_default=True, help="auto, a version of the API pack's, or a file.")
@click.option("--timeout", "patience", type=float, default=10.0, show_default=True, help="Seconds for one answer.")
@click.option("--read-only", is_flag=True, help="Ask only for what changes nothing.")
@click.option("--allow-remote", is_flag=True, help="Let a service on another machine be asked.")
@click.option("--api-key-env", default="", help="The variable that the key is in.")
@click.option("--ignore", multiple=True, metavar="FIELD", help="A field whose drift is not told; may be repeated.")
@report_option
def command(
    folder: Path,
    url: str,
    api: str | None,
    contract: str,
    patience: float,
    read_only: bool,
    allow_remote: bool,
    api_key_env: str,
    ignore: Sequence[str],
    reports: Sequence[str],
) -> None:
    """Send the requests recorded in FOLDER to the service at URL again, and report what has drifted.

    Requests are sent in their recorded order, those that write included, unless --read-only is given.
    """
    recordings = read_recordings(folder)
    pack = choose(api, contract)
    contracts = read_contracts(contract, pack, partly=True)
    key = read_key(api_key_env)
    with at_url(checked_url(url, allow_remote), patience) as target:
        report = reverify(recordings, target, contracts, key=key, read_only=read_only, ignored=ignore)
    hide = hider([key] if key else [])
    report = replace(report, subject=f"{folder} at {url}")
    deliver(report if hide is None else mapped(report, hide), reports, files_of(contract, pack))


def read_key(variable: str) -> str:
    """Return the key that a variable holds, "" without one; a UsageError says that it holds none."""
    if not variable:
        return ""
    key = os.environ.get(variable, "")
    if not key:
        raise UsageError(f"there is no key in {variable}", where="--api-key-env", fix=f"export {variable}")
    return key


def reverify(
    recordings: Sequence[Recording],
    target: Target,
    contracts: Sequence[Contract],
    *,
    key: str = "",
    read_only: bool = False,
    ignored: Collection[str] = (),
) -> Report:
    """Ask a service for everything that was recorded again, and return what has drifted."""
    router = Router(tuple(contracts))
    findings, passed, skipped = list[Finding](), list[str](), list[Skipped]()
    for exchange in (each.exchange for each in recordings):
        name = f"#{exchange.number} {line_of(exchange)}"
        match = router.match(exchange.method, exchange.path, Headers(exchange.headers))
        request, why = request_of(exchange, match, key)
        if read_only and exchange.method not in SAFE:
            why = "it may change something (--read-only)"
        if why:
            skipped.append(Skipped(name, why))
            continue
        found = list(drifted(Reasked(exchange, match.operation, target.ask(request)), ignored))
        findings += found
        if not any(each.level == "error" for each in found):
            passed.append(name)
    drift = len(recordings) - len(passed) - len(skipped)
    figures = {"recordings": len(recordings), "same": len(passed), "drifted": drift, "skipped": len(skipped)}
    rows = [(each.name, each.why) for each in skipped]
    tables = (Table("Not asked for again", ("recorded", "why"), rows),) if rows else ()
    return Report("reverify", "", gathered(findings), figures, tables, RULES, tuple(passed), tuple(skipped))


def line_of(exchange: Exchange) -> str:
    """Return the request line of an exchange."""
    return f"{exchange.method} {exchange.path}" + (f"?{exchange.query}" if exchange.query else "")


def request_of(exchange: Exchange, match: Match, key: str) -> tuple[Request, str]:
    """Return a recorded request as it is sent again, and why it cannot be, or "".

    Secrets were not recorded: a key is put in where the contract says, other hidden header fields are left out.
    """
    sent = NO_CREDENTIALS
    if key and match.operation is not None and match.operation.secured:
        with suppress(ContractError):
            sent = credentials(match.operation, key)
    names = {quote(name) for name, _ in sent.query}
    pairs = [pair for pair in exchange.query.split("&") if pair.partition("=")[0] not in names and pair]
    query = "&".join([*pairs, *(f"{quote(name)}={quote(value)}" for name, value in sent.query)])
    hidden = HIDDEN.encode()
    fields = [field for field in exchange.headers if hidden not in field[1]]
    request = Request(exchange.method, exchange.path, query, Headers([*fields, *_key_fields(sent)]), exchange.body)
    if quote(HIDDEN) in exchange.path + query or hidden in exchange.body:
        return request, "its request held secrets, which were not recorded"
    return request, ""


def _key_fields(sent: Credentials) -> list[tuple[bytes, bytes]]:
    cookies = "; ".join(f"{name}={value}" for name, value in sent.cookies)
    return [*sent.headers, *([(b"cookie", cookies.encode())] if cookies else [])]


# -- drift


def drifted(asked: Reasked, ignored: Collection[str]) -> Iterator[Finding]:
    """Yield what differs between a recorded answer and the one that came now, and what the contract says of both."""
    exchange, operation = asked.exchange, asked.operation
    for each in _drift(asked, ignored):
        yield replace(
            each,
            operation=operation.id if operation is not None else line_of(exchange),
            message=f"{asked.name}: {each.message}",
        )


def _drift(asked: Reasked, ignored: Collection[str]) -> Iterator[Finding]:
    exchange, answer = asked.exchange, asked.answer
    recorded = Headers(exchange.answer_headers)
    yield from _broken(asked, exchange.status, recorded, exchange.answer, "recording")
    if answer.failure:
        message = f"no whole answer came: {answer.told}"
        yield wrong(message, "/response", line_of(exchange), answer.failure, rule="answered")
        return
    if answer.status != exchange.status:
        message = f"the status was {exchange.status}, and is {answer.status}"
        yield wrong(message, "/response/status", exchange.status, answer.status, rule="status")
    else:
        before, now = recorded.media_type, answer.media_type
        if before != now:
            place = "/response/header/content-type"
            yield wrong(f"the content type was {before!r}, and is {now!r}", place, before, now, rule="content-type")
        yield from _moved(_shape(before, exchange.answer), _shape(now, answer.body), ignored)
    yield from _broken(asked, answer.status, answer.headers, answer.body, "contract")


def _broken(asked: Reasked, status: int, headers: Headers, body: bytes, rule: str) -> Iterator[Finding]:
    """Yield what the contract says of an answer."""
    if asked.operation is None:
        return
    received = ReceivedAnswer(asked.operation, asked.exchange.method, status, headers, body)
    with suppress(ContractError):  # which validate tells
        for each in problems_of(received):
            before = "the recorded answer: " if rule == "recording" else ""
            if not before or HIDDEN not in str(each.received):  # the secret itself may have been right
                yield replace(each, rule=rule, message=before + each.message)


def _moved(before: BodyShape, now: BodyShape, ignored: Collection[str]) -> Iterator[Finding]:
    """Yield the fields that are gone, new, or of another type."""
    for place in (each for each in before if not _is_ignored(each, ignored)):
        kinds, found = before[place], now.get(place)
        was = " or ".join(sorted(kinds))
        if found is None:
            if _has_fields(now, place):
                yield wrong(f"the field is gone; it was {was}", f"/response/body{place}", was, rule="field-gone")
        elif not (kinds & found or {"null"} in (kinds, found)):
            is_now = " or ".join(sorted(found))
            yield wrong(f"it was {was}, and is {is_now}", f"/response/body{place}", was, is_now, rule="field-type")
    for place in (each for each in now if each not in before and not _is_ignored(each, ignored)):
        if _has_fields(before, place):
            message = f"the field is new; it is {' or '.join(sorted(now[place]))}"
            yield wrong(message, f"/response/body{place}", level="warning", rule="field-new")


def _has_fields(shape: BodyShape, place: str) -> bool:
    """Return whether a place is a field of an object that a shape has."""
    holder, _, name = place.rpartition("/")
    return name != "*" and "an object" in shape.get(holder, ())


def _is_ignored(place: str, ignored: Collection[str]) -> bool:
    return place in ignored or any(part in ignored for part in place.split("/")[1:])


def _shape(kind: str, body: bytes) -> BodyShape:
    """Return the shape of a body of JSON, or of the events of a stream together."""
    values: list[Json] = []
    if kind == EVENT_STREAM:
        values = [each.data for each in parse(body)[0]]
    elif is_json(kind):
        with suppress(ValueError, RecursionError):
            values = [json.loads(body)]
    found: dict[str, set[str]] = {}
    stack = [("", value) for value in values]
    while stack:
        place, value = stack.pop()
        found.setdefault(place, set()).add(kind_of(value))
        if isinstance(value, dict):
            stack += [(join(place, name), each) for name, each in value.items()]
        elif isinstance(value, list):
            stack += [(f"{place}/*", each) for each in value]
    return {place: frozenset(kinds) for place, kinds in found.items()}
