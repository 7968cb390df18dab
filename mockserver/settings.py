"""Every option of the server in one record."""

from dataclasses import Field, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from mockserver.errors import UsageError

Source: TypeAlias = Literal["simulated", "canned", "documented", "generated"]
"""Where an answer comes from."""

Streaming: TypeAlias = Literal["sse", "json"]
"""How a turn is answered: as server-sent events, or as plain JSON."""

Unknown: TypeAlias = Literal["adopt", "404"]
"""What becomes of a session id that create never issued."""

Locked: TypeAlias = Literal["400", "403", "409", "422"]
"""The status of a turn whose indexes are not those that its session is locked to."""

SOURCES: tuple[Source, ...] = get_args(Source)

ERAS = ("2.17", "2.8", "2.6")
"""The eras of the chat API that are bundled, newest first. Source: docs/upstream.md, "Eras"."""

TITLE_LENGTH = 50
"""How many characters of the message a title keeps by default (inferred; docs/upstream.md, "Title rule")."""


MOST_EXCHANGES = 1_000
"""How many exchanges of a scope are remembered by default; the oldest go first."""

LONGEST_BODY = 16_384
"""How many bytes of a body are remembered by default."""


def _option(default: Any, text: str, **more: Any) -> Any:
    return field(default=default, metadata={"help": text, **more})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the mock serves. Each field is an option of the command, a variable MOCKSERVER_<NAME>, and a key
    of [tool.mockserver] in pyproject.toml; the nearer word wins, in this order.
    """  # one sentence

    host: str = _option("127.0.0.1", "Address to listen on.")
    port: int = _option(4010, "Port to listen on; 0 takes a free one.", range=(0, 65535))
    contract: str = _option("auto", "auto, an era (2.6, 2.8, 2.17), or a file of your own (OpenAPI 3.1).")
    answers: Source = _option("simulated", "Where answers come from first.", choices=SOURCES)
    fixtures: Path | None = _option(None, "Folder of your own canned answers.")
    seed: int | None = _option(None, "Seed of all that is made up; without it, one is drawn and printed.")
    clock: datetime | None = _option(None, "A time that stands still, as 2026-04-22T12:34:41.342245 (UTC).")
    title_length: int = _option(TITLE_LENGTH, "Characters of the message that a title keeps.", range=(1, None))
    store: str = _option("memory://", "Where sessions are kept: memory://, sqlite:///FILE, redis://HOST.")
    state: Path | None = _option(None, "A saved state to start from, where the store is empty.")
    max_sessions: int = _option(1_000_000, "Most sessions that the store keeps.", range=(1, None))
    max_scopes: int = _option(10_000, "Most scopes that the store keeps.", range=(1, None))
    unknown_sessions: Unknown = _option(
        "adopt", "What becomes of a session id that create never issued.", choices=get_args(Unknown)
    )
    strict: bool = _option(False, "Whether what only the service's framework reads is refused, as the contract says.")
    locked_status: Locked = _option(
        "400", "Status of a turn on other indexes than its session's.", choices=get_args(Locked)
    )
    missing_indexes: str | None = _option(None, "Ids of indexes that no turn can query, separated by commas.")
    stream: Streaming = _option("sse", "How a turn is answered.", choices=get_args(Streaming))
    stream_delay: float = _option(0.0, "Seconds until a turn's first event.", range=(0, None))
    stream_rate: float = _option(0.0, "Events a second of a turn; 0 is as fast as can be.", range=(0, None))
    stream_jitter: float = _option(0.0, "By what part a pause of a turn varies, 0 to 1.", range=(0, 1))
    keep_alive: float = _option(15.0, "Seconds after which a pause is filled with a comment; 0 never.", range=(0, None))
    plan: Path | None = _option(None, "A file of planned answers (YAML or JSON), which every scope begins with.")
    journal: Path | None = _option(None, "A file to which each exchange is written, as a line of JSON.")
    journal_size: int = _option(
        MOST_EXCHANGES, "Exchanges of a scope that are remembered; 0 for none.", range=(0, 1_000_000)
    )
    journal_body: int = _option(LONGEST_BODY, "Bytes of a body that are remembered.", range=(0, 10_000_000))
    control: bool = _option(True, "Whether the control routes under /__mock__/ are served.")
    control_remote: bool = _option(False, "Whether they are served to other machines, too.")
    workers: int = _option(1, "How many processes serve, on one shared store.", range=(1, None))
    api_key: str | None = _option(None, "The one right key; without it, any key is right.", secret=True)
    auth: bool = _option(True, "Whether a key is asked for.")
    cors: bool = _option(True, "Whether browsers on other origins are answered.")
    max_body: int = _option(1_048_576, "Longest request body, in bytes.", range=(0, None))
    body_timeout: float = _option(10.0, "Seconds that a request body may take to arrive.", range=(0, None))
    shutdown_timeout: int = _option(3, "Seconds that open answers get to end.", range=(1, None))
    watch: bool = _option(False, "Whether contract and fixtures are read again when they change.")
    access_log: bool = _option(False, "Whether each request is logged, to stderr.")


def read_value(option: Field[Any], text: str) -> Any:
    """Read the value of an option as it is written in a file of settings; a UsageError says why it is none."""
    kind = str(option.type)
    try:
        if option.type is bool:
            return {"true": True, "false": False}[text.lower()]
        if option.type is int or "int" in kind:
            return int(text)
        if option.type is float:
            return float(text)
        if "datetime" in kind:
            return datetime.fromisoformat(text)
        if "choices" in option.metadata and text not in option.metadata["choices"]:
            raise ValueError(f"it is one of {', '.join(option.metadata['choices'])}")
    except (ValueError, KeyError) as error:
        raise UsageError(f"the setting {option.name} cannot be {text!r}", why=str(error)) from error
    return Path(text) if "Path" in kind else text
