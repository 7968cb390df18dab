"""Every option of the server in one record."""

from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from datetime import UTC, datetime
from math import isfinite
from os import PathLike
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from mockserver.errors import UsageError

Source: TypeAlias = Literal["simulated", "canned", "documented", "generated"]
"""Where an answer comes from."""

SOURCES: tuple[Source, ...] = get_args(Source)

Memory: TypeAlias = Literal["auto", "strict", "off"]
"""What is remembered of what clients create and change.

auto: all, and an id that was never seen is answered statelessly; strict: all, and such an id is unknown; off: nothing.
"""

MEMORIES: tuple[Memory, ...] = get_args(Memory)

RefusalForm: TypeAlias = Literal["auto", "fastapi", "document", "problem"]
"""How requests are judged and refused: as FastAPI does, or by JSON Schema in the document's form or RFC 9457's."""

FORMS: tuple[RefusalForm, ...] = get_args(RefusalForm)

LogFormat: TypeAlias = Literal["text", "json"]
"""How the line of a request is written."""

LOG_FORMATS: tuple[LogFormat, ...] = get_args(LogFormat)

MOST_EXCHANGES = 1_000
"""How many exchanges of a scope are recorded by default; the oldest are dropped first."""

MOST_RECORD_BYTES = 33_554_432
"""How many bytes a record takes at most by default, as JSON, with its parts."""

MOST_STORE_BYTES = 536_870_912
"""How many bytes all records take at most by default, as JSON, with their parts."""

MOST_JOURNAL_BYTES = 536_870_912
"""How many bytes all journals take at most by default."""

MOST_STUB_BYTES = 67_108_864
"""How many bytes all stubs take at most by default, as JSON."""

MOST_IN_FLIGHT = 134_217_728
"""How many bytes of request bodies are received at once by default."""

LONGEST_BODY = 16_384
"""How many bytes of a body are recorded by default."""


LARGEST_BODY = 8_388_608
"""How long a request body may be by default, in bytes."""


def option(default: Any, text: str, **more: Any) -> Any:
    """Make a field that is an option: its default and its help; `more` is range, choices, secret or file."""
    return field(default=default, metadata={"help": text, **more})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the mock serves. Each field is an option of the command, a variable MOCKSERVER_<NAME>, and a key
    of [tool.mockserver] in pyproject.toml; they win in this order.
    """  # one sentence

    host: str = option("127.0.0.1", "Address to listen on.")
    port: int = option(4010, "Port to listen on; 0 takes a free one.", range=(0, 65535))
    api: str | None = option(None, "The API pack, or none; the built-in one unless --contract names a file.")
    contract: str = option("auto", "auto, a version of the API pack's contract, or files or addresses (OpenAPI).")
    answers: Source = option("simulated", "Where answers come from first.", choices=SOURCES)
    dynamic: bool = option(False, "Whether answers are generated, as with --answers generated.")
    echo: bool = option(True, "Whether made answers repeat what the request says in fields of the same names.")
    callbacks: bool = option(False, "Whether the callbacks of operations are sent, to this machine.")
    callback_hosts: str | None = option(None, "More hosts to which callbacks are sent; commas between them.")
    strict_accept: bool = option(False, "Whether a request that accepts no declared content type gets a 406.")
    fixtures: Path | None = option(None, "Folder of your own canned answers.")
    seed: int | None = option(None, "Seed of everything that is generated; without it, one is drawn and printed.")
    locale: str = option("en_US", "Language and country of the words in generated values, such as de_DE.")
    clock: datetime | None = option(None, "A fixed time, such as 2026-04-22T12:34:41.342245 (UTC).")
    store: str = option("memory://", "Where records are kept: memory://, sqlite:///FILE, redis://HOST.")
    state: str | None = option(
        None, "auto, strict or off: what is remembered; or a saved state to begin with; or both: strict,FILE."
    )
    max_records: int = option(1_000_000, "Most records that the store keeps.", range=(1, None))
    max_scopes: int = option(10_000, "Most scopes that the store keeps.", range=(1, None))
    max_record_bytes: int = option(MOST_RECORD_BYTES, "Most bytes of a record, with its parts.", range=(1, None))
    max_store_bytes: int = option(MOST_STORE_BYTES, "Most bytes of all records.", range=(1, None))
    strict: bool = option(False, "Whether to reject what only the service's framework accepts, not the contract.")
    strict_contract: bool = option(False, "Whether a contract that is not served as it is written stops the start.")
    allow_remote_refs: bool = option(False, "Whether documents on other machines may be read.")
    refusals: RefusalForm = option(
        "auto", "The form of refusals: FastAPI's where the document is FastAPI's, else its own.", choices=FORMS
    )
    invalid: Literal["refuse", "warn"] = option(
        "refuse", "Whether an invalid request is refused, or answered all the same.", choices=("refuse", "warn")
    )
    formats: Literal["assert", "annotate"] = option(
        "assert", "Whether a value must have the format of its schema.", choices=("assert", "annotate")
    )
    keep_alive: float = option(15.0, "Seconds after which a pause is filled with a comment; 0 never.", range=(0, None))
    play: Path | None = option(None, "A file in Python whose functions play operations.")
    stubs: Path | None = option(None, "A file of stubs (YAML or JSON), which every scope begins with.")
    max_stub_bytes: int = option(MOST_STUB_BYTES, "Most bytes of the stubs of all scopes.", range=(1, None))
    journal: Path | None = option(None, "A file to which each exchange is written, as a line of JSON.")
    journal_size: int = option(
        MOST_EXCHANGES, "Exchanges that are recorded for each scope; 0 for none.", range=(0, 1_000_000)
    )
    journal_bytes: int = option(MOST_JOURNAL_BYTES, "Most bytes of all journals; the oldest go first.", range=(1, None))
    journal_body: int = option(LONGEST_BODY, "Bytes of each body that are recorded.", range=(0, 10_000_000))
    redacted_names: str | None = option(None, "More names whose values are hidden, separated by commas.")
    shown_names: str | None = option(None, "Names whose values are never hidden, separated by commas.")
    control: bool = option(True, "Whether the control routes under /__mock__/ are served.")
    control_remote: bool = option(False, "Whether they are served to other machines, too.")
    control_hosts: str | None = option(None, "More names by which they may be called; commas between them.")
    control_token: str | None = option(
        None, "The token of the page for other machines; without it, one is drawn and printed.", secret=True
    )
    metrics: bool = option(False, "Whether Prometheus's metrics are at /__mock__/metrics (extra metrics).")
    tls: bool = option(False, "Whether HTTPS is served; without a certificate of yours, one is made (extra tls).")
    tls_cert: Path | None = option(None, "A certificate to serve HTTPS with (PEM).")
    tls_key: Path | None = option(None, "Its private key (PEM), if it is in another file.")
    workers: int = option(1, "How many processes serve, on one shared store.", range=(1, None))
    api_key: str | None = option(None, "The only valid key; without it, any key is valid.", secret=True)
    auth: bool = option(True, "Whether a key is required.")
    cors: bool = option(True, "Whether browsers on other origins are answered.")
    cors_origin: str | None = option(None, "The only origins that are answered, with credentials; commas between them.")
    max_body: int = option(LARGEST_BODY, "Longest request body, in bytes.", range=(0, None))
    max_in_flight: int = option(MOST_IN_FLIGHT, "Most bytes of all bodies in flight.", range=(1, None))
    head_timeout: float = option(10.0, "Seconds that the head of a request may take to arrive.", range=(0.1, None))
    body_timeout: float = option(10.0, "Seconds that a request body may take to arrive.", range=(0, None))
    shutdown_timeout: int = option(3, "Seconds that open answers get to finish.", range=(1, None))
    watch: bool = option(False, "Whether contract and fixtures are reloaded when they change.")
    quiet: bool = option(False, "Whether no line is written for each request.")
    log_format: LogFormat = option("text", "The form of those lines, which go to stderr.", choices=LOG_FORMATS)
    own: Any = None
    """The settings of the API pack in force; None for its defaults."""

    @property
    def memory(self) -> Memory:
        """How much is remembered of what clients create and change."""
        return next((mode for mode in MEMORIES if mode in words_of(_text(self.state))), "auto")

    @property
    def saved_state(self) -> Path | None:
        """The file of a saved state to begin with."""
        files = [word for word in words_of(_text(self.state)) if word not in MEMORIES]
        return Path(",".join(files)) if files else None


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def options_of(settings: type[Any]) -> list[Field[Any]]:
    """Return the fields of a settings class that are options."""
    return [each for each in fields(settings) if "help" in each.metadata]


def words_of(text: str | None) -> list[str]:
    """Read a list of words that are separated by commas."""
    return [word for word in map(str.strip, (text or "").split(",")) if word]


def convert(option: Field[Any], value: Any, where: str = "") -> Any:
    """Convert a setting to the type of its option, as the command line would; a UsageError says why it is invalid.

    A text is read; a value that has the type already is only checked.
    """
    if value is None and option.default is None:
        return None
    try:
        return _checked(option, _READERS[_kind(option)](value))
    except (ValueError, TypeError, OverflowError) as error:
        choices = ", ".join(option.metadata.get("choices", ()))
        raise UsageError(
            f"the setting {option.name} cannot be {value!r}",
            where=where,
            why=str(error),
            fix=f"write one of {choices}" if choices else f"write {_FORMS[_kind(option)]}",
        ) from error


def _kind(option: Field[Any]) -> type[Any]:
    """Return the type of an option's values, without None."""
    known = [each for each in (option.type, *get_args(option.type)) if each in _READERS]
    return known[0] if known else str


def _checked(option: Field[Any], value: Any) -> Any:
    """Return a value that is in the option's range or among its choices."""
    if "choices" in option.metadata and value not in option.metadata["choices"]:
        raise ValueError(f"it is one of {', '.join(option.metadata['choices'])}")
    if "range" in option.metadata and value is not None:
        low, high = option.metadata["range"]
        if value < low or (high is not None and value > high):
            raise ValueError(f"it is at least {low}" if high is None else f"it is a number from {low} to {high}")
    return value


def _read_bool(value: Any) -> bool:
    found = value if isinstance(value, bool) else _TRUTHS.get(str(value).lower())
    if found is None:
        raise ValueError("it is true or false")
    return bool(found)


def _read_int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError(f"it is a whole number, not {_described(value)}")
    return int(value)


def _read_float(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"it is a number, not {_described(value)}")
    if not isfinite(number := float(value)):
        raise ValueError("it is a finite number")
    return number


def _read_moment(value: Any) -> datetime:
    if not isinstance(value, datetime | str):
        raise TypeError(f"it is a time, not {_described(value)}")
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    moment.astimezone(UTC)
    return moment


def _read_path(value: Any) -> Path:
    if not isinstance(value, str | PathLike):
        raise TypeError(f"it is a path, not {_described(value)}")
    return Path(value)


def _read_text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | PathLike):
        raise TypeError(f"it is a text, not {_described(value)}")
    return str(value)


def _described(value: Any) -> str:
    """Name the kind of a value in plain words."""
    return _KINDS.get(type(value), "this value")


_READERS: Mapping[Any, Callable[[Any], Any]] = {
    bool: _read_bool,
    int: _read_int,
    float: _read_float,
    datetime: _read_moment,
    Path: _read_path,
    str: _read_text,
}
_FORMS: Mapping[Any, str] = {
    bool: "True or False",
    int: "a whole number",
    float: "a number",
    datetime: "a time such as 2026-04-22T12:34:41",
    Path: "a path",
    str: "a text",
}
_KINDS: Mapping[Any, str] = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "a text",
    list: "a list",
    tuple: "a list",
    dict: "a mapping",
    type(None): "nothing",
}
_TRUTHS = dict.fromkeys(("true", "1", "yes", "y", "t", "on"), True) | dict.fromkeys(
    ("false", "0", "no", "n", "f", "off"), False
)
"""The texts that the command line reads as true and false."""
