"""What an API pack may bring: what is known of one API beyond its document; and how a pack is found."""

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from mockserver.clock import Now
from mockserver.contract.openapi import Contract, Operation, read_file
from mockserver.data import packed
from mockserver.errors import UsageError
from mockserver.messages import Finding, Headers, Json, Request, Stream, Version
from mockserver.settings import Settings, options_of
from mockserver.sse import PLAIN, Step, StreamStyle
from mockserver.store.base import Part, Record, Store

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "mockserver.apis"
"""The entry points by which other distributions bring packs; the name of one is the pack's."""

NONE = "none"
"""What `--api` says where a contract is to be served without a pack."""

AUTO = "auto"
"""What `--contract` says for all contracts of the pack, chosen by the version that the client states."""


class Call(NamedTuple):
    """A request that the contract allows, decoded; parameters that were not sent are absent."""

    request: Request
    operation: Operation
    path: Mapping[str, Json]
    query: Mapping[str, Json]
    body: Json = None
    script: Sequence[Step] = ()
    """The events that a stream shall tell, where its caller asked for a script."""
    findings: tuple[Finding, ...] = ()
    """What the contract forbids, and the service reads all the same."""


class Draft(NamedTuple):
    """An answer before it is validated and written out; `media` None is an answer without a body."""

    status: int
    value: Json = None
    media: str | None = "application/json"
    source: str = "mock"
    """Where it comes from: simulated, canned, documented, generated, stubbed, or the mock itself."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    findings: tuple[Finding, ...] = ()
    drawn: bool = False
    """Whether chance had a part in it."""
    stream: Stream | None = None
    """How the value leaves, where it is a stream of events: a list of them, or the text of all."""


class RejectedError(Exception):
    """A valid call that the state of what it asks for does not allow; `draft` is its answer."""

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self.draft = draft


Play: TypeAlias = Callable[[Call], Draft | None]
"""Plays one operation; None answers the call as if it were not played.

A RejectedError is an answer, too; a StoreError becomes a 503.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayContext:
    """What a pack plays with."""

    store: Store
    now: Now
    """Gives the time now, in nanoseconds since 1970."""
    chance: Callable[..., Random]
    """Gives the source of chance of a scope and further parts; the same parts give the same chance."""
    settings: Any
    """The pack's own settings."""
    style: StreamStyle
    contracts: Sequence[Contract]
    """What is served, the newest first: the pack's own contracts, or one of the user's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What generated values look like, by the name of the property."""

    texts: Mapping[str, Callable[[Random], str]] = field(default_factory=dict)
    numbers: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The range that is typical."""
    odds: Mapping[str, float] = field(default_factory=dict)
    """How often a boolean is true."""
    adjust: Callable[[dict[str, Json]], None] = lambda _: None
    """Makes the parts of a generated object agree."""


def _any_order(events: list[Json]) -> list[Json]:
    return events


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """How the API's own clients say what they are; nothing where they do not."""

    version: Callable[[Headers], Version | None] | None = None
    """Reads the version of the client, which chooses among the contracts under `auto`."""
    retry_count: bytes = b""
    """The header field that counts the retries of a call, from 0 on."""
    url_variables: tuple[str, ...] = ()
    """The environment variables that hold the base URL."""
    key_variables: tuple[str, ...] = ()
    """The environment variables that hold the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRules:
    """How the records that a pack keeps are judged and converted."""

    collection: str
    """The collection whose records are counted as what is kept."""
    noun: str
    """What one of them is called."""
    problem: Callable[[Sequence[Contract], Record, Sequence[Part]], str]
    """Says why a record with its parts could not be answered; nothing where it can."""
    convert: Callable[[Json], Json] | None = None
    """Rewrites a line of a state that an earlier version saved."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)  # a pack is equal to itself alone, and can be a key
class Api:
    """An API pack. Parts named `"module:attribute"` are loaded only by the command that needs them."""

    name: str
    title: str
    contracts: Mapping[str, Path] = field(default_factory=dict)
    """Its contracts by version, the newest first."""
    fixtures: Path | None = None
    """The folder of its canned answers."""
    settings: type[Any] | None = None
    """A frozen dataclass of its own options, each made by `settings.option`."""
    play: Callable[[PlayContext], Mapping[Operation, Play]] | None = None
    """Gives what plays each operation that is played."""
    hints: Hints = Hints()
    client: Client = Client()
    style: Callable[[Any], StreamStyle] = lambda _: PLAIN
    """Gives how its event streams are told, by its own settings."""
    arrange: Callable[[list[Json]], list[Json]] = _any_order
    """Brings generated events of a stream into a sensible order."""
    last_event: Callable[[Json], bool] | None = None
    """Says whether an event ends a stream."""
    state: StateRules | None = None
    routes: str = ""
    """Its control routes: a tuple of `control.admin.Route`."""
    control: Path | None = None
    """The OpenAPI document of its control routes, which is merged into that of all mocks."""
    testing: str = ""
    """Its class of `testing.server.MockServer`."""
    check: str = ""
    """What the checks know of it: a `check.part.CheckPart`."""

    def own_settings(self, settings: Settings) -> Any:
        """Give the pack's own settings, the defaults where none are given; None for a pack without."""
        if settings.own is not None or self.settings is None:
            return settings.own
        return self.settings()


def load(text: str) -> Any:
    """Load a part of a pack by its `"module:attribute"`."""
    module, _, name = text.partition(":")
    return getattr(importlib.import_module(module), name)


def names() -> list[str]:
    """Name the packs that there are: those built in, then those of other distributions."""
    from importlib.metadata import entry_points

    built_in = [name.replace("_", "-") for name in importlib.import_module(GROUP).PACKS]
    return [*built_in, *sorted(each.name for each in entry_points(group=GROUP) if each.name not in built_in)]


def default_name() -> str:
    """Name the pack that is served where nothing is said."""
    return str(importlib.import_module(GROUP).DEFAULT)


def default() -> Api:
    """Give the pack that is served where nothing is said."""
    return find(default_name())


@lru_cache(maxsize=32)
def find(name: str) -> Api:
    """Give a pack by its name; a UsageError lists those that there are."""
    module = name.replace("-", "_")
    if module in importlib.import_module(GROUP).PACKS:
        built_in: Api = importlib.import_module(f"{GROUP}.{module}.pack").API
        return built_in
    from importlib.metadata import entry_points

    for each in entry_points(group=GROUP, name=name):
        return _loaded(name, each)
    close = get_close_matches(name, names(), 1)
    raise UsageError(
        f"there is no API pack {name!r}",
        where="--api",
        why=f"the packs are {', '.join(names())}",
        fix=f"write --api {close[0]}" if close else f"name one of them, or {NONE}",
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
    """Give the pack in force: the one that is named, else the default one, unless a file is to be served without."""
    if name is not None:
        return None if name == NONE else find(name)
    pack = default()
    return pack if contract is None or contract == AUTO or contract in pack.contracts else None


def read_contracts(name: str, api: Api | None) -> tuple[Contract, ...]:
    """Give the contracts that a name stands for, newest first: auto, a version of the pack's, or a file."""
    versions = {} if api is None else api.contracts
    if name == AUTO and versions:
        return tuple(bundled(version, path) for version, path in versions.items())
    if name in versions:
        return (bundled(name, versions[name]),)
    path = Path(name)
    if path.is_file():
        return (read_file(path),)
    raise _no_contract(name, api)


def _no_contract(name: str, api: Api | None) -> UsageError:
    """Say why a name stands for no contract."""
    what, where = f"there is no contract {name!r}", "--contract"
    fix = "name the path of an OpenAPI 3.1 document: --contract FILE"
    if name == AUTO:
        why = "without an API pack there is none" if api is None else f"the API pack {api.name} brings none"
        return UsageError("there is no contract to serve", where=where, why=why, fix=fix)
    pack = default() if api is None else api
    if api is None and name in pack.contracts:
        why = f"it is a version of {pack.name}, and no API pack is in force"
        return UsageError(what, where=where, why=why, fix=f"add --api {pack.name}")
    if not pack.contracts:
        return UsageError(what, where=where, why="it is no file", fix=fix)
    why = f"it is neither a file nor a version of {pack.name} ({', '.join(pack.contracts)})"
    return UsageError(what, where=where, why=why, fix=f"{fix}, or name a version")


def bundled(version: str, path: Path) -> Contract:
    """Give a contract that a pack brings; it is read once, and anew when its file changes."""
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
    listed = ", ".join(contract.name for contract in contracts)
    count = len({operation.id for contract in contracts for operation in contract.operations})
    kind = f"auto ({listed})" if len(contracts) > 1 else listed
    return f"contract {kind}, {count} operation{'s' if count != 1 else ''}"


def make_settings(options: Mapping[str, Any]) -> Settings:
    """Make the settings of a mock of options by name, the pack's own among them.

    A UsageError names an option that there is not, and the pack that has it, if one does.
    """
    api = choose(options.get("api"), options.get("contract"))
    general, own = split(options, api)
    return Settings(**general, own=None if api is None or api.settings is None else api.settings(**own))


def options(api: Api | None) -> list[Field[Any]]:
    """Give the options that there are with a pack, general ones first."""
    own = [] if api is None or api.settings is None else options_of(api.settings)
    return [*options_of(Settings), *own]


def split(options: Mapping[str, Any], api: Api | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell general options from those of a pack; a UsageError for one of neither."""
    general = {each.name for each in options_of(Settings)}
    known = set() if api is None or api.settings is None else {each.name for each in fields(api.settings)}
    for name in options:
        if name not in general | known:
            raise unknown_option(name, api, general | known)
    return (
        {name: value for name, value in options.items() if name in general},
        {name: value for name, value in options.items() if name in known},
    )


def unknown_option(name: str, api: Api | None, known: Iterable[str], where: str = "") -> UsageError:
    """Say that there is no such option, and which pack has it, or which is meant."""
    what = f"there is no setting {name!r}"
    if owner := pack_of(name):
        used = "without an API pack" if api is None else f"with the API pack {api.name}"
        return UsageError(what + f" {used}", where=where, why=f"it is a setting of {owner}", fix=f"add api={owner}")
    close = get_close_matches(name, list(known), 1)
    fix = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(known))}"
    return UsageError(what, where=where, fix=fix)


def pack_of(option: str) -> str:
    """Name the pack that has an option; nothing where none has."""
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
