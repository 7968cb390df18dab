"""Reads and compiles all of a user's contract, and collects everything in it that is not served as it is written."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple

from mockserver.answer.generate import maker
from mockserver.contract.document import is_remote
from mockserver.contract.load import Fetch, read_part, unfetched
from mockserver.contract.openapi import Contract, Media, Operation, Reply
from mockserver.contract.reader import MISSING
from mockserver.contract.schema import Schema, subschemas
from mockserver.contract.source import SourceFile, parse_source
from mockserver.contract.tree import Problem, join, lookup, origin, pointed
from mockserver.errors import ContractError, MockserverError
from mockserver.messages import Json
from mockserver.request.dialect import validator_of

Side = Literal["answer", "request"]


class Note(NamedTuple):
    """A problem of a contract, with its place: `api.yaml:12:5` and `#/paths/~1pets`, or that of another file."""

    where: str
    place: str
    problem: Problem


def inspect(contract: Contract) -> list[Problem]:
    """Read and compile all of a contract, and return its problems.

    An error is an operation that cannot be served; the places are pointers, or as its user's files have them.
    """
    inspection = _Inspection(contract)
    inspection.run()
    return list(dict.fromkeys((*contract.problems, *inspection.found)))


def require(contracts: Iterable[Contract]) -> None:
    """Raise a ContractError that lists all problems of contracts, if there are any."""
    for contract in contracts:
        notes = [] if contract.bundled else located(contract, inspect(contract))
        if notes:
            lines = "\n".join(line for note in notes for line in lines_of(note))
            raise ContractError(
                f"{contract.file} has {counted(notes)}\n{lines}",
                fix="correct them, or leave out --strict-contract",
            )


class _Inspection:
    """Collects what keeps operations from being served, and values from being made."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.found: list[Problem] = []
        self._seen: set[str] = set()
        self._made: set[tuple[str, Side]] = set()

    def run(self) -> None:
        """Look at every operation, then at the schemas that none uses."""
        for operation in self.contract.operations:
            try:
                operation.read()
                validator_of(operation, "auto", strict=False).compile()
            except ContractError as error:
                self._tell(error, "error")
            else:
                self._operation(operation)
        components = self.contract.document.get("components")
        schemas = components.get("schemas") if isinstance(components, dict) else None
        for name in schemas if isinstance(schemas, dict) else ():
            self._schemas(join("/components/schemas", name))

    def _operation(self, operation: Operation) -> None:
        success = operation.reply(operation.success)
        for reply in operation.replies.values():
            for number, media in enumerate(reply.media):
                is_served = reply is success and number == 0 and not media.examples
                self._media(media, "answer", "error" if is_served else "warning")
            self._headers(reply)
        for parameter in operation.parameters:
            self._schema(parameter.schema, "request", "warning")
        for media in operation.body.media if operation.body is not None else ():
            self._media(media, "request", "warning")

    def _headers(self, reply: Reply) -> None:
        for field in reply.headers.values():
            if field.schema is not None:
                self._schema(field.schema, "answer", "warning")

    def _media(self, media: Media, side: Side, level: Literal["error", "warning"]) -> None:
        for schema in (media.schema, media.item_schema):
            if schema is not None:
                self._schema(schema, side, level)

    def _schema(self, schema: Schema, side: Side, level: Literal["error", "warning"]) -> None:
        """Check that a schema can be used, and that a value of it can be made."""
        key = schema.pointer, side
        if key in self._made and level == "warning":
            return
        self._made.add(key)
        try:
            schema.is_valid(None)
            maker(schema, direction=side)(Random(1))
        except ContractError as error:
            self._tell(error, level)
        else:
            if schema.document is self.contract.document:
                self._schemas(schema.pointer)

    def _tell(self, error: ContractError, level: Literal["error", "warning"]) -> None:
        place = error.where.removeprefix("#") if error.where.startswith("#") else error.where
        self.found.append(Problem(place, error.what, error.why, error.fix, level))

    # -- schemas

    def _schemas(self, pointer: str) -> None:
        """Check the examples and defaults of a schema, and of all that it refers to or holds."""
        left = [pointer]
        while left:
            place = left.pop()
            if place in self._seen:
                continue
            self._seen.add(place)
            try:
                node = lookup(self.contract.document, place)
            except KeyError:
                continue
            if isinstance(node, dict):
                self._shown(node, place)
                left += [each.pointer for each in subschemas(node, place)]
                reference = node.get("$ref")
                if isinstance(reference, str) and reference.startswith("#"):
                    left.append(pointed(reference))

    def _shown(self, node: dict[str, Json], pointer: str) -> None:
        for key, name, value in _shown(node):
            schema = Schema(self.contract.document, pointer, self.contract.name)
            try:
                if not schema.is_valid(value):
                    finding = schema.explain(value)[0]
                    what = f"the {name} breaks its own schema, and is not used"
                    why = f"at {finding.where or 'the root'}: {finding.message}"
                    self.found.append(Problem(join(pointer, *key), what, why, "correct one of them"))
            except ContractError as error:
                self._tell(error, "warning")


def _shown(node: dict[str, Json]) -> Iterator[tuple[tuple[str | int, ...], str, Json]]:
    """Yield what a schema shows: where below it, what it is called, the value."""
    for key in ("example", "default"):
        value = node.get(key, MISSING)
        if value is not MISSING:
            yield (key,), key, value
    listed = node.get("examples")
    if isinstance(listed, list):
        yield from ((("examples", at), "example", value) for at, value in enumerate(listed))


# -- places


def located(contract: Contract, problems: Iterable[Problem], fetch: Fetch = unfetched) -> list[Note]:
    """Return problems with their lines and columns, in the order of the files, without those that are told twice."""
    files = _Files(contract.path or contract.file, fetch)
    notes: dict[tuple[str, str, str], tuple[tuple[str, int, int], Note]] = {}
    places = [
        (origin(contract.document, each.place) if each.place[:1] in ("", "/") else each.place, each)
        for each in problems
    ]
    references = {place for place, each in places if place.endswith("/$ref")}
    for place, each in places:
        if f"{place.removeprefix(contract.file)}/$ref" in references:
            continue
        name, _, pointer = place.partition("#")
        where = files.where("" if name == contract.file else name, pointer.removesuffix(", or below"))
        file, line, column = where.rsplit(":", 2)
        order = (file, int(line), int(column))
        notes.setdefault((where, each.what, each.why), (order, Note(where, place, each)))
    return [note for _, note in sorted(notes.values(), key=lambda pair: pair[0])]


class _Files:
    """The files of a contract, each read once."""

    def __init__(self, source: str, fetch: Fetch) -> None:
        self._source, self._fetch = source, fetch
        self._read: dict[str, SourceFile | None] = {}

    def where(self, name: str, pointer: str) -> str:
        """Return `file:line:column` of a place; of a file that cannot be read, its begin."""
        shown = name if is_remote(name) or not name else str(Path(self._source).parent / name)
        if name not in self._read:
            try:
                self._read[name] = parse_source(read_part(self._source, name, self._fetch), shown or self._source)
            except MockserverError:
                self._read[name] = None
        found = self._read[name]
        return f"{shown or self._source}:1:1" if found is None else found.where(pointer)


def lines_of(note: Note) -> Iterator[str]:
    """Yield the lines that tell a problem, as a compiler does."""
    yield f"{note.where}: {note.problem.level}: {note.problem.what}"
    if note.problem.why:
        yield f"  why: {note.problem.why}"
    if note.problem.fix:
        yield f"  fix: {note.problem.fix}"


def counted(notes: Iterable[Note]) -> str:
    """Count problems: "1 error, 2 warnings"."""
    levels = [each.problem.level for each in notes]
    counts = [(level, levels.count(level)) for level in ("error", "warning")]
    return ", ".join(f"{count} {level}{'s' if count != 1 else ''}" for level, count in counts)
