"""Canned answers: files found by name; each serves the contracts that it satisfies."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from mockserver.answer.body import format_of
from mockserver.answer.filling import Filling, Template
from mockserver.contract.openapi import EVENT_STREAM, Contract, Media, Operation, Reply, is_json
from mockserver.contract.source import read_source
from mockserver.contract.tree import lookup, resolve
from mockserver.errors import FixtureError, UsageError
from mockserver.messages import Finding, Json
from mockserver.sse import PLAIN, StreamStyle, script

Canned: TypeAlias = dict[int, dict[str, Json]]
"""The canned answers of one operation: status -> name -> value or Template; an unnamed one has the name ""."""

_NAME = re.compile(r"(?P<status>[1-5]\d\d)(?:\.(?P<name>[^/]+))?\.json")


class Fixtures:
    """The canned answers: the user's own, validated at once, and the bundled ones, read when first needed.

    A fixture serves every contract that it satisfies. If one of the user's satisfies none, that is a
    FixtureError; the tests check the bundled ones. The user's fixture wins over a bundled one of the same name.
    """

    def __init__(
        self,
        contracts: Sequence[Contract],
        folder: Path | None = None,
        bundled: Path | None = None,
        style: StreamStyle = PLAIN,
    ) -> None:
        self._folder, self._style = bundled, style
        self._bundled = {each for contract in contracts if contract.bundled for each in contract.operations}
        self._own = {} if folder is None else self._read_own(folder, contracts)
        self._all: dict[Operation, Canned] = {}

    def named(self, operation: Operation, status: int) -> Mapping[str, Json]:
        """Return the canned answers of an operation and status, by name."""
        if operation not in self._all:
            self._all[operation] = self._read(operation)
        return self._all[operation].get(status, {})

    def filled(self, template: Template, operation: Operation, status: int, filling: Filling) -> Json:
        """Return the answer that a template gives for a call; a FixtureError where it fails or breaks the contract."""
        value = template.fill(filling)
        if not self.serves(operation, status, value):
            raise self.unserved(template.file, [operation], status, value, "/body")
        return value

    def has_unnamed(self, operation: Operation, status: int) -> bool:
        """Return whether there is a file for the unnamed answer; no bundled one is read to find out."""
        bundled = None if self._folder is None else self._folder / operation.id / f"{status}.json"
        return "" in self._own.get(operation, {}).get(status, {}) or (bundled is not None and bundled.exists())

    def bundled(self, operation: Operation) -> bool:
        """Return whether an operation belongs to a contract of a pack."""
        return operation in self._bundled

    def check(self) -> None:
        """Read and validate all bundled fixtures, since those of a checkout may have been edited."""
        for name in {operation.id for operation in self._bundled}:
            owners = [operation for operation in self._bundled if operation.id == name]
            for path in self._files(name):
                status, _ = _status_and_name(path)
                value = _read_file(path)
                if not any(self.serves(operation, status, value) for operation in owners):
                    raise self.unserved(path, owners, status, value)

    def _read(self, operation: Operation) -> Canned:
        canned: Canned = {}
        if operation in self._bundled:
            for path in self._files(operation.id):
                status, name = _status_and_name(path)
                value = _read_file(path)
                if self.serves(operation, status, value):
                    canned.setdefault(status, {})[name] = value
        for status, own in self._own.get(operation, {}).items():
            canned.setdefault(status, {}).update(own)
        return canned

    def _files(self, operation: str) -> list[Path]:
        """Name the bundled fixtures of an operation."""
        return [] if self._folder is None else sorted((self._folder / operation).glob("*.json"))

    def _read_own(self, folder: Path, contracts: Sequence[Contract]) -> dict[Operation, Canned]:
        """Read `<operation>/<status>[.<name>].json` below a folder."""
        if not folder.is_dir():
            raise UsageError(f"there is no folder {str(folder)!r}", fix="name a folder of fixtures")
        found: dict[Operation, Canned] = {}
        named = folder / self._folder.name if self._folder is not None else folder
        below = named if named.is_dir() else folder
        for path in sorted(below.glob("*.json")):
            raise FixtureError(
                "a fixture is in no operation's folder",
                where=str(path),
                why="a fixture is called <operation>/<status>.json or <operation>/<status>.<name>.json",
                fix="name the folder above with --fixtures, or move the file",
            )
        for path in sorted(below.glob("[!.]*/[!.]*")):
            owners = [each for contract in contracts for each in contract.operations if each.id == path.parent.name]
            if not owners:
                known = ", ".join(sorted({each.id for contract in contracts for each in contract.operations}))
                raise FixtureError(
                    f"a fixture is for the unknown operation {path.parent.name!r}",
                    where=str(path),
                    why=f"the operations are {known}",
                    fix="rename its folder",
                )
            status, name = _status_and_name(path)
            value = _read_file(path)
            serving = [each for each in owners if self.serves(each, status, value)]
            if not serving:
                raise self.unserved(path, owners, status, value)
            for operation in serving:
                found.setdefault(operation, {}).setdefault(status, {})[name] = value
        return found

    def serves(self, operation: Operation, status: int, value: Json) -> bool:
        """Return whether the contract of an operation allows a canned answer."""
        reply = operation.reply(status)
        media = canned_media(reply) if reply else None
        if media is None or isinstance(value, Template):  # a template is judged when it is filled in
            return media is not None
        if media.type == EVENT_STREAM:
            return self._script_finding(media, value) is None
        return format_of(media).allows(value)

    def _script_finding(self, media: Media, value: Json) -> Finding | None:
        """Find what is wrong with a script: its shape, or an event that the contract does not allow."""
        try:
            steps = script(value, self._style)
        except ValueError as error:
            where, message = error.args
            return Finding(where, "script", message, "client", expected="a script", received=lookup(value, where))
        for index, step in enumerate(steps):
            known = _event_types(media)
            if known and _type_of(step.event) not in known:
                kind, where = _type_of(step.event), f"/{index}/event/type"
                return Finding(where, "script", f"there is no event of type {kind!r}", "client", known, kind)
            if media.item_schema is not None and not media.item_schema.is_valid(step.event):
                return media.item_schema.explain(step.event, where=f"/{index}/event")[0]
        return None

    def unserved(
        self, path: Path | str, owners: Sequence[Operation], status: int, value: Json, below: str = ""
    ) -> FixtureError:
        """Explain why a fixture serves no contract, using the newest one that declares its status.

        `below` is the place of the answer in the file.
        """
        for operation in owners:
            reply = operation.reply(status)
            media = canned_media(reply) if reply else None
            finding = None
            if media is not None and media.type == EVENT_STREAM:
                finding = self._script_finding(media, value)
            elif media is not None:
                finding = next(iter(format_of(media).problems(value)), None)
            if finding is not None:
                return FixtureError(
                    "a fixture breaks the contract",
                    where=f"{path}#{below}{finding.where.removeprefix('/body')}",
                    why=f"expected {json.dumps(finding.expected, default=str)}, "
                    f"received {json.dumps(finding.received)}: {finding.message}"
                    + (f" ({finding.contract})" if finding.contract else ""),
                    fix="correct the fixture, or serve a contract that allows it",
                )
        declared = ", ".join(map(str, sorted(owners[0].exact)))
        return FixtureError(
            f"no contract declares a JSON answer {status} here",
            where=str(path),
            why=f"{owners[0].id} declares {declared}",
            fix="rename the fixture to a declared status",
        )


def _status_and_name(path: Path) -> tuple[int, str]:
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise FixtureError(
            "a fixture's name cannot be read",
            where=str(path),
            why="a fixture is called <operation>/<status>.json or <operation>/<status>.<name>.json",
            fix="rename it, or move it out of the folder",
        )
    return int(match["status"]), match["name"] or ""


def _read_file(path: Path) -> Json:
    """Read a fixture: the answer, or {"template": true, "body": the answer}; with false, the answer is as it stands."""
    content = read_source(path, "a fixture", FixtureError, only_json=True).data
    if not _is_flagged(content):
        return content
    return _compiled(content["body"], str(path)) if content["template"] else content["body"]


def content_of(value: Json) -> Json:
    """Return what the file of a fixture holds for an answer, which is no template whatever it looks like."""
    return {"template": False, "body": value} if _is_flagged(value) else value


def _is_flagged(content: Json) -> bool:
    """Return whether the content of a file says whether it is a template."""
    return (
        isinstance(content, dict) and content.keys() == {"template", "body"} and isinstance(content["template"], bool)
    )


def _compiled(body: Json, file: str) -> Template:
    try:
        from mockserver.answer.template import compile_body
    except ImportError as error:
        what = "a fixture is a template, which needs"
        raise FixtureError.without_extra(what, "templates", error.name, where=file) from error
    return Template(file, compile_body(body, file))


def canned_media(reply: Reply) -> Media | None:
    """Return the representation that a fixture is for: a stream, written as a script, else JSON, else the first."""
    media = reply.preferred
    if media is not None and media.type == EVENT_STREAM:
        return media
    return next((media for media in reply.media if is_json(media.type)), media)


def _type_of(event: Json) -> Json:
    return event.get("type") if isinstance(event, dict) else None


def _event_types(media: Media) -> list[str]:
    """Name the types of a stream's events, if its contract distinguishes them by name."""
    if media.item_schema is None or not isinstance(media.item_schema.node, dict):
        return []
    _, node = resolve(media.item_schema.document, media.item_schema.pointer)
    return list(node.get("discriminator", {}).get("mapping", {})) if isinstance(node, dict) else []
