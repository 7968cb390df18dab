"""The pack's record: what is known of LlamaCloud's chat API beyond its contracts."""

import re
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias, get_args

from mockserver.answer.making.words import moment, words
from mockserver.api import Api, Client, Hints, StateRules
from mockserver.apis.llamacloud_chat import sessions, simulation, state, turns
from mockserver.apis.llamacloud_chat.sessions import TitleRule
from mockserver.apis.llamacloud_chat.turns import identifier
from mockserver.clock import timestamp
from mockserver.data import data_dir
from mockserver.messages import Headers, Json, Version
from mockserver.settings import option
from mockserver.sse import Pace, StreamStyle

NAME = "llamacloud-chat"

VERSIONS = ("2.17", "2.8", "2.6")
"""The versions of the contract, newest first. Source: docs/upstream.md, "Versions"."""

TITLE_LENGTH = 50
"""How many characters of the message a title has by default (inferred; docs/upstream.md, "Title rule")."""

Streaming: TypeAlias = Literal["sse", "json"]
"""How a turn is answered: as server-sent events, or as plain JSON."""

Unknown: TypeAlias = Literal["adopt", "404"]
"""How a session id that create never issued is answered."""

Locked: TypeAlias = Literal["400", "403", "409", "422"]
"""The status of a turn on other indexes than its session is locked to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatSettings:
    """The options of the chat API."""

    title_length: int = option(TITLE_LENGTH, "Characters of the message that a title keeps.", range=(1, None))
    title_rule: TitleRule = option(
        "collapsed", "Whether a title's white space is collapsed, or verbatim.", choices=get_args(TitleRule)
    )
    unknown_sessions: Unknown = option(
        "adopt", "How a session id that create never issued is answered.", choices=get_args(Unknown)
    )
    locked_status: Locked = option(
        "400", "Status of a turn on other indexes than its session's.", choices=get_args(Locked)
    )
    missing_indexes: str | None = option(None, "Ids of indexes that no turn can query, separated by commas.")
    stream: Streaming = option("sse", "How a turn is answered.", choices=get_args(Streaming))
    stream_delay: float = option(0.0, "Seconds until a turn's first event.", range=(0, None))
    stream_rate: float = option(0.0, "Events per second of a turn; 0 is as fast as possible.", range=(0, None))
    stream_jitter: float = option(0.0, "How much a pause of a turn varies, 0 to 1.", range=(0, 1))


def style(settings: ChatSettings) -> StreamStyle:
    """Return the style of the turns' streams."""
    return StreamStyle(
        event_name="message",  # docs/upstream.md, "Stream"
        names_by_suffix=(("_delta", "delta"),),
        pace=Pace(settings.stream_delay, settings.stream_rate, settings.stream_jitter),
        wanted=settings.stream == "sse",
        check=turns.check_script,
    )


_USER_AGENT = re.compile(rb"^(?:Async)?LlamaCloud/(?:Python|JS) (\d+)\.(\d+)")
_PACKAGE = re.compile(rb"^(\d+)\.(\d+)")


def client_version(headers: Headers) -> Version | None:
    """Return the (major, minor) version that the official Python or TypeScript client states, else None.

    Both send it in User-Agent and in X-Stainless-Package-Version. Source: docs/upstream.md, "Client headers".
    """
    name = headers.get(b"user-agent")
    agent = _USER_AGENT.match(name) if name is not None and b"LlamaCloud" in name else None
    if agent is None:
        if headers.get(b"x-stainless-lang") not in (b"python", b"js"):
            return None
        agent = _PACKAGE.match(headers.get(b"x-stainless-package-version") or b"")
    if agent is None or max(map(len, agent.groups())) > 9:
        return None
    return int(agent[1]), int(agent[2])


_OPENINGS = ("How do we", "When should we", "Can you help us", "What does it take to", "Who will")
_TOOLS = ("retrieve", "find_files", "grep_file", "read_file")


def _title(rng: Random) -> str:
    return f"{rng.choice(_OPENINGS)} {words(rng).bs()}?..."


def _agree(made: dict[str, Json]) -> None:
    """Remove the error of an event that did not fail."""
    if made.get("is_error") is False and made.get("error") is not None:
        made["error"] = None


HINTS = Hints(
    texts={
        "session_id": lambda rng: identifier("ses-", rng),
        "index_id": lambda rng: identifier("idx-", rng),
        "export_config_id": lambda rng: identifier("idx-", rng),
        "call_id": lambda rng: identifier("call_", rng, 8),
        "source_id": lambda rng: identifier("dfl-", rng),
        "attachment_name": lambda rng: f"screenshots/page_{rng.randint(1, 99)}.jpg",
        "next_page_token": lambda rng: identifier("", rng, 24),
        "generated_title": _title,
        "title": _title,
        "last_updated_at": lambda rng: timestamp(moment(rng)),
        "name": lambda rng: rng.choice(_TOOLS),
        "error": lambda rng: f"The index {identifier('idx-', rng)} could not be queried.",
    },
    numbers={
        "turns": (1, 6),
        "duration_ms": (120, 30_000),
        "total_input_tokens": (40, 9_000),
        "total_output_tokens": (10, 1_500),
    },
    odds={"is_error": 0.1},
    adjust=_agree,
)

API = Api(
    name=NAME,
    title="LlamaCloud's chat",
    contracts={version: data_dir() / "schemas" / NAME / f"{version}.yaml" for version in VERSIONS},
    fixtures=data_dir() / "fixtures" / NAME,
    settings=ChatSettings,
    play=simulation.plays,
    hints=HINTS,
    client=Client(
        version=client_version,
        retry_count=b"x-stainless-retry-count",
        distribution="llama-cloud",
        address="https://api.cloud.llamaindex.ai",
        url_variables=("LLAMA_CLOUD_BASE_URL",),
        key_variables=("LLAMA_CLOUD_API_KEY",),
    ),
    style=style,
    arrange=turns.arranged,
    last_event=turns.is_stop,
    state=StateRules(collection="sessions", noun="session", problem=sessions.problem, convert=state.convert),
    routes="mockserver.apis.llamacloud_chat.control:ROUTES",
    control=data_dir() / "schemas" / f"{NAME}-control" / "1.yaml",
    testing="mockserver.apis.llamacloud_chat.testing:ChatMockServer",
    check="mockserver.apis.llamacloud_chat.check.part:PART",
)
"""The pack."""
