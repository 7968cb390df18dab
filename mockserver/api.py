"""API packs: what a pack may add to an API's document, and how packs are found."""

import importlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import Field, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from mockserver.clock import Now
from mockserver.contract.document import is_remote
from mockserver.contract.openapi import Contract, Operation
from mockserver.contract.reader import read_file
from mockserver.contract.schema import Schema
from mockserver.data import packed
from mockserver.errors import UsageError, nearest_name, suggestion
from mockserver.messages import Finding, Headers, Json, Request, Stream, Value, Version
from mockserver.server.fetch import fetcher
from mockserver.settings import Memory, Settings, convert, options_of
from mockserver.sse import PLAIN, Step, StreamStyle
from mockserver.store.base import Part, Record, Store

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "mockserver.apis"
"""The entry-point group of packs; the name of an entry point is the pack's name."""

NONE = "none"
"""The value of `--api` for no pack."""

AUTO = "auto"
"""The value of `--contract` for all contracts of the pack, chosen by the client's version."""


STATE = b"x-mock-state"
"""The header field that says what an answer did to what is kept, or why it is stateless."""


class Call(Value, frozen=True):
    """A valid request, decoded; parameters that were not sent are absent."""

    request: Request
    operation: Operation
    path: Mapping[str, Json]
    query: Mapping[str, Json]
    body: Json = None
    script: Sequence[Step] = ()
    """The events of the stream, if the caller asked for a script."""
    findings: tuple[Finding, ...] = ()
    """What the contract forbids although the service accepts it."""


class Draft(Value, frozen=True):
    """An answer before it is validated and written; without a `media` type it has no body."""

    status: int
    value: Json = None
    media: str | None = "application/json"
    source: str = "mock"
    """Its source: simulated, canned, documented, assembled, generated, stubbed or mock."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    findings: tuple[Finding, ...] = ()
    drawn: bool = False
    """Whether it depends on chance."""
    stream: Stream | None = None
    """The delivery of a stream; the value is then a list of events, or their text."""
    is_valid: bool = False
    """Whether it was validated already."""


class RejectedError(Exception):
    """A valid call that the current state does not allow; `draft` is its answer."""

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self.draft = draft


Play: TypeAlias = Callable[[Call], Draft | None]
"""Plays one operation. None leaves the answer to fixtures, examples and generated values.

A RejectedError carries an answer; a StoreError becomes a 503.
"""


class PlayContext(Value, frozen=True, kw_only=True):
    """What a pack's play functions work with."""

    store: Store
    now: Now
    """Returns the time in nanoseconds since 1970."""
    chance: Callable[..., Random]
    """Returns the random source for a scope and further parts; the same parts give the same source."""
    settings: Any
    """The pack's own settings."""
    style: StreamStyle
    contracts: Sequence[Contract]
    """The contracts in force, newest first: the pack's own, or one of the user's."""
    memory: Memory
    unplayed: Callable[[Call], Draft]
    """Returns the answer of a call that is not played."""
    media: Callable[[Call, int], str | None]
    """Returns the media type in which a call's answer of a status is sent; None for an answer without a body."""
    allows: Callable[[Draft, Operation], bool]
    """Returns whether the contract allows an answer."""
    make: Callable[[Schema, Random], Json]
    """Makes a value of a schema, as generated answers have; a ContractError says why there is none."""
    is_secret: Callable[[str], bool]
    """Returns whether the values of fields of this name are hidden."""


class Hints(Value, frozen=True, kw_only=True):
    """What generated values look like, by property name."""

    texts: Mapping[str, Callable[[Random], str]] = msgspec.field(default_factory=dict)
    numbers: Mapping[str, tuple[float, float]] = msgspec.field(default_factory=dict)
    """The typical range."""
    odds: Mapping[str, float] = msgspec.field(default_factory=dict)
    """The probability that a boolean is true."""
    adjust: Callable[[dict[str, Json]], None] = lambda _: None
    """Makes the parts of a generated object consistent."""


def _any_order(events: list[Json]) -> list[Json]:
    return events


class Client(Value, frozen=True, kw_only=True):
    """How the API's own clients identify themselves; empty if they do not."""

    version: Callable[[Headers], Version | None] | None = None
    """Reads the client's version, which selects the contract under `auto`."""
    retry_count: bytes = b""
    """The header field that counts the retries of a call, from 0 on."""
    distribution: str = ""
    """The distribution of the official Python client."""
    address: str = ""
    """The address of the API itself."""
    url_variables: tuple[str, ...] = ()
    """The environment variables that hold the base URL."""
    key_variables: tuple[str, ...] = ()
    """The environment variables that hold the key."""


class StateRules(Value, frozen=True, kw_only=True):
    """How a pack's records are validated and converted."""

    collection: str
    """The collection whose records are counted."""
    noun: str
    """The word for one record."""
    problem: Callable[[Sequence[Contract], Record, Sequence[Part]], str]
    """Returns why a record and its parts could not be answered, or "" if they can."""
    convert: Callable[[Json], Json] | None = None
    """Converts a line of a state that an earlier version saved."""


_NO_HINTS, _UNNAMED = Hints(), Client()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # a pack is equal only to itself, and can be a key
class Api:
    """An API pack. Parts given as `"module:attribute"` are loaded only by the commands that need them."""

    name: str
    title: str
    contracts: Mapping[str, Path] = field(default_factory=dict)
    """Its contracts by version, the newest first."""
    redacted_names: frozenset[str] = frozenset()
    """Names of headers, query parameters and fields whose values are hidden, beyond the usual ones."""
    shown_names: frozenset[str] = frozenset()
    """Names whose values are not hidden, although they look secret."""
    fixtures: Path | None = None
    """The folder of its canned answers."""
    settings: type[Any] | None = None
    """A frozen dataclass of its own options, each made by `settings.option`."""
    play: Callable[[PlayContext], Mapping[Operation, Play]] | None = None
    """Returns the play function of each played operation."""
    record: Callable[[Mapping[Operation, Play], Call], Json] | None = None
    """Returns what is kept of the thing that a call's path names, by what `play` has returned."""
    hints: Hints = _NO_HINTS
    client: Client = _UNNAMED
    style: Callable[[Any], StreamStyle] = lambda _: PLAIN
    """Returns the style of its event streams, by its own settings."""
    arrange: Callable[[list[Json]], list[Json]] = _any_order
    """Puts generated events into a plausible order."""
    last_event: Callable[[Json], bool] | None = None
    """Returns whether an event ends a stream."""
    state: StateRules | None = None
    routes: str = ""
    """Its control routes: a tuple of `control.admin.Route`."""
    control: Path | None = None
    """The OpenAPI document of its control routes, which is merged into that of all mocks."""
    testing: str = ""
    """Its class of `testing.server.MockServer`."""
    check: str = ""
    """Its part of the checks: a `check.part.CheckPart`."""
    explain: str = ""
    """What it infers from contracts: a function of contracts and its own settings, which returns a text and JSON."""

    def own_settings(self, settings: Settings) -> Any:
        """Return the pack's own settings, by default its defaults; None for a pack without settings."""
        if settings.own is not None or self.settings is None:
            return settings.own
        return self.settings()


def load(text: str) -> Any:
    """Load a part of a pack by its `"module:attribute"`."""
    module, _, name = text.partition(":")
    return getattr(importlib.import_module(module), name)


def names() -> list[str]:
    """List the names of all packs: those built in, then those of other distributions."""
    from importlib.metadata import entry_points

    built_in = [name.replace("_", "-") for name in importlib.import_module(GROUP).PACKS]
    return [*built_in, *sorted(each.name for each in entry_points(group=GROUP) if each.name not in built_in)]


def complete(_: Any, __: Any, incomplete: str) -> list[str]:
    """Name the values of `--api` that begin with a text, as a shell's completion wants them."""
    return [name for name in (*names(), NONE) if name.startswith(incomplete)]


def default_name() -> str:
    """Return the name of the default pack."""
    return str(importlib.import_module(GROUP).DEFAULT)


def default() -> Api:
    """Return the default pack."""
    return find(default_name())


@lru_cache(maxsize=32)
def find(name: str) -> Api:
    """Find a pack by its name; a UsageError lists the known names."""
    module = name.replace("-", "_")
    if module in importlib.import_module(GROUP).PACKS:
        built_in: Api = importlib.import_module(f"{GROUP}.{module}.pack").API
        return built_in
    from importlib.metadata import entry_points

    for each in entry_points(group=GROUP, name=name):
        return _loaded(name, each)
    close = nearest_name(name, names())
    raise UsageError(
        f"there is no API pack {name!r}",
        where="--api",
        why=f"the packs are {', '.join(names())}",
        fix=f"write --api {close}" if close else f"name one of them, or {NONE}",
    )


def _loaded(name: str, entry: "EntryPoint") -> Api:
    """Load a pack of another distribution."""
    try:
        found = entry.load()
        why = "it is no mockserver.api.Api" if not isinstance(found, Api) else ""
        if not why and found.name != name:
            why = f"it calls itself {found.name!r}"
    except Exception as error:  # whatever another's code does
        found, why = None, str(error)
    if not isinstance(found, Api) or why:
        fix = "update or remove the distribution that brings it"
        raise UsageError(f"the API pack {name!r} cannot be used", where=entry.value, why=why, fix=fix)
    return found


def usable() -> list[Api]:
    """List the packs that can be used; why one cannot is said where it is named."""
    found = []
    for name in names():
        with suppress(UsageError):
            found.append(find(name))
    return found


def choose(name: str | None, contract: str | None = None) -> Api | None:
    """Choose the pack in force: the named one, else the default one, else the one that plays any contract."""
    if name is not None:
        return None if name == NONE else find(name)
    pack = default()
    is_own = contract is not None and contract != AUTO and contract not in pack.contracts
    return find(str(importlib.import_module(GROUP).FALLBACK)) if is_own else pack


def read_contracts(
    name: str, api: Api | None, *, partly: bool = False, remote: bool = False, formats: bool = True
) -> tuple[Contract, ...]:
    """Read the contracts that a name selects, newest first: auto, a version of the pack's, a file, or an address.

    `partly` reads a file as far as it goes: operations that cannot be served are left out. `remote` allows addresses
    on other machines; `formats` is whether the formats of a user's document are asserted.
    """
    versions = {} if api is None else api.contracts
    if name == AUTO and versions:
        return tuple(bundled(version, path) for version, path in versions.items())
    if name in versions:
        return (bundled(name, versions[name]),)
    sources = contract_sources(name)
    if not sources:
        raise _no_contract(name, api)
    if len(sources) == 1:
        return (_own(*sources[0], partly, remote, formats),)
    contracts = tuple(_read(*each, partly, remote, formats) for each in sources)
    _tell_apart(contracts)
    return contracts


def _tell_apart(contracts: Sequence[Contract]) -> None:
    """Give the operations of several documents ids of their own."""
    seen: set[str] = set()
    for contract in contracts:
        for each in contract.operations:
            if each.id in seen:
                each.id = f"{contract.name}.{each.id}"
            seen.add(each.id)


def contract_files(name: str) -> list[Path]:
    """List the files that a name selects."""
    return [Path(source) for source, _ in contract_sources(name) if not is_remote(source)]


_PREFIXED = re.compile(r"(/[^=]*)=(.+)", re.DOTALL)


def contract_sources(name: str) -> list[tuple[str, str]]:
    """List the files and addresses that a name selects, each with the path under which it is served.

    Several are separated by commas; one under a path of its own is written `/path=file`. There are none if one of them
    is no file.
    """
    found = []
    for part in map(str.strip, [name] if Path(name).exists() else name.split(",")):
        prefixed = None if Path(part).exists() else _PREFIXED.fullmatch(part)
        source = part if prefixed is None else prefixed[2]
        if not is_remote(source) and not Path(source).exists():
            return []
        prefix = "" if prefixed is None else prefixed[1].strip("/")
        found.append((source, f"/{prefix}" if prefix else ""))
    return found


_known: dict[tuple[Path, str, bool, bool, bool], tuple[list[tuple[Path, int, int]], Contract]] = {}
"""The contracts of files that were read, with the state of all their files."""

MOST_KNOWN = 32
"""How many contracts of files are kept."""


def _read(source: str, prefix: str, partly: bool, remote: bool, formats: bool) -> Contract:
    contract = read_file(source, partly=partly, prefix=prefix, fetch=fetcher(remote=remote))
    contract.document.formats = formats
    return contract


def _own(source: str, prefix: str, partly: bool, remote: bool, formats: bool) -> Contract:
    """Return a user's contract; a file is read once, and again when one of its files changes."""
    path, key = Path(source), (Path(source).absolute(), prefix, partly, remote, formats)
    known = _known.get(key)
    if known is not None and known[0] == _states(each for each, _, _ in known[0]):
        return known[1]
    contract = _read(source, prefix, partly, remote, formats)
    if is_remote(source):
        return contract
    if len(_known) >= MOST_KNOWN:
        _known.clear()
    _known[key] = _states([path, *(path.parent / other for other in contract.other_files)]), contract
    return contract


def own_contracts() -> list[Contract]:
    """List the users' contracts that were read."""
    return [contract for _, contract in _known.values()]


def _states(paths: Iterable[Path]) -> list[tuple[Path, int, int]]:
    found = []
    for path in paths:
        try:
            stat = path.stat()
            found.append((path, stat.st_mtime_ns, stat.st_size))
        except OSError:
            found.append((path, 0, 0))
    return found


def _no_contract(name: str, api: Api | None) -> UsageError:
    """Explain why a name selects no contract."""
    what, where = f"there is no contract {name!r}", "--contract"
    fix = "name the path of an OpenAPI document: --contract FILE"
    if name == AUTO:
        why = "without an API pack there is none" if api is None else f"the API pack {api.name} brings none"
        return UsageError("there is no contract to serve", where=where, why=why, fix=fix)
    pack = default() if api is None or not api.contracts else api
    if api is None and name in pack.contracts:
        why = f"it is a version of {pack.name}, and no API pack is in force"
        return UsageError(what, where=where, why=why, fix=f"add --api {pack.name}")
    if not pack.contracts:
        return UsageError(what, where=where, why="it is no file", fix=fix)
    why = f"it is neither a file nor a version of {pack.name} ({', '.join(pack.contracts)})"
    if version := _version_at(name, pack):
        why += f"; of {pack.name}, release {name} is served by the contract {version}"
        return UsageError(what, where=where, why=why, fix=f"write --contract {version}, or --contract FILE")
    return UsageError(
        what, where=where, why=why, fix=suggestion(name, _documents_beside(name), f"{fix}, or name a version")
    )


def _version_at(release: str, api: Api) -> str:
    """Return the version of a pack's contract that was in force at a release, such as 2.6 for 2.7.0; "" for none."""

    def numbers(text: str) -> tuple[int, ...]:
        return tuple(map(int, text.split(".")[:2]))

    if not re.fullmatch(r"[0-9]{1,6}\.[0-9]{1,6}(\.[0-9]+)?", release):
        return ""
    past = [each for each in api.contracts if numbers(each) <= numbers(release)]
    return max(past, key=numbers, default="")


def _documents_beside(name: str) -> list[str]:
    """List the documents in the folder of a file that is not there."""
    folder = Path(name).parent
    try:
        names = [each.name for each in folder.iterdir() if each.suffix in (".yaml", ".yml", ".json")]
    except OSError:
        return []
    return [str(folder / each) for each in names]


def bundled(version: str, path: Path) -> Contract:
    """Return a contract of a pack; it is read once, and again when its file changes."""
    path = packed(path)
    stat = path.stat()
    return _bundled(version, path, (stat.st_mtime_ns, stat.st_size))


@lru_cache(maxsize=32)
def _bundled(version: str, path: Path, _: tuple[int, int]) -> Contract:
    return read_file(path, name=version, bundled=True)


def recognised(contracts: Sequence[Contract]) -> str:
    """Name a pack whose contracts share an operation with these; nothing where none does."""
    served = {(each.method, each.path) for contract in contracts for each in contract.operations}
    for pack in usable():
        contracts = read_contracts(AUTO, pack) if pack.contracts else ()
        if served & {(operation.method, operation.path) for each in contracts for operation in each.operations}:
            return pack.name
    return ""


def describe(contracts: Sequence[Contract]) -> str:
    """Name the contracts in force and count their operations."""
    listed = ", ".join(f"{each.name} at {each.prefix}" if each.prefix else each.name for each in contracts)
    count = len({operation.id for contract in contracts for operation in contract.operations})
    kind = f" {listed}"
    if len(contracts) > 1:
        kind = f" auto ({listed})" if contracts[0].bundled else f"s {listed}"
    bases = sorted({base for contract in contracts for each in contract.operations for base in each.bases})
    below = f", with or without {', '.join(bases)} before the paths" if bases else ""
    return f"contract{kind}, {count} operation{'s' if count != 1 else ''}{below}"


def describe_notes(contracts: Sequence[Contract]) -> str:
    """Count what was found so far that is not served as it is written, a line for each contract."""
    return "\n".join(
        f"{len(each.problems):,} note{'s' if len(each.problems) != 1 else ''}: mockserver validate {each.path}"
        for each in contracts
        if each.problems
    )


def make_settings(options: Mapping[str, Any]) -> Settings:
    """Make a mock's settings from options by name, with the pack's own; texts are read as on the command line.

    A UsageError names a setting that is unknown, with the pack that has it, if one does, or that is invalid.
    """
    api = choose_by(options)
    general, own = split(converted(options, api), api)
    return Settings(**general, own=None if api is None or api.settings is None else api.settings(**own))


def choose_by(options: Mapping[str, Any]) -> Api | None:
    """Choose the pack in force by the options."""
    name, contract = options.get("api"), options.get("contract")
    return choose(None if name is None else str(name), None if contract is None else str(contract))


def converted(said: Mapping[str, Any], api: Api | None, where: str = "") -> dict[str, Any]:
    """Convert options to their types; a UsageError names one that is unknown or invalid."""
    known = {each.name: each for each in options(api)}
    for name in said:
        if name not in known:
            raise unknown_option(name, api, known, where)
    return {name: convert(known[name], value, where) for name, value in said.items()}


def options(api: Api | None) -> list[Field[Any]]:
    """List the options with a pack, general ones first."""
    own = [] if api is None or api.settings is None else options_of(api.settings)
    return [*options_of(Settings), *own]


def split(options: Mapping[str, Any], api: Api | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split known options into general ones and the pack's."""
    own = set() if api is None or api.settings is None else {each.name for each in options_of(api.settings)}
    return (
        {name: value for name, value in options.items() if name not in own},
        {name: value for name, value in options.items() if name in own},
    )


def unknown_option(name: str, api: Api | None, known: Iterable[str], where: str = "") -> UsageError:
    """Report an unknown option, with the pack that has it or the nearest name."""
    what = f"there is no setting {name!r}"
    if owner := pack_of(name):
        used = "without an API pack" if api is None else f"with the API pack {api.name}"
        return UsageError(what + f" {used}", where=where, why=f"it is a setting of {owner}", fix=f"add api={owner}")
    close = nearest_name(name, known)
    fix = f"did you mean {close!r}?" if close else f"there are {', '.join(sorted(known))}"
    return UsageError(what, where=where, fix=fix)


def pack_of(option: str) -> str:
    """Name the pack that has an option, or "" if none does."""
    for pack in usable():
        if pack.settings is not None and option in {each.name for each in fields(pack.settings)}:
            return pack.name
    return ""


__all__ = [
    "Api",
    "Call",
    "Client",
    "Draft",
    "Hints",
    "Play",
    "PlayContext",
    "RejectedError",
    "StateRules",
    "StreamStyle",
]
