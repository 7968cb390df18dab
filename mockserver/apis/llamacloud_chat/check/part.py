"""What the checks know of the chat API: checks of events and sessions, mutants, the official client."""

from collections.abc import Sequence
from pathlib import Path

from mockserver.apis.llamacloud_chat.check import load_checks, session_checks
from mockserver.apis.llamacloud_chat.check.driver import ROUTES, STATE, ChatDriver, path_values
from mockserver.apis.llamacloud_chat.check.event_checks import EVENTS
from mockserver.apis.llamacloud_chat.check.sdk_source import read_package
from mockserver.check.part import CheckPart, Sdk
from mockserver.messages import Json

__all__ = ["PART", "SDK", "load_checks", "session_checks"]

RELEASES = (
    *("2.6.0", "2.7.0", "2.8.0", "2.9.0", "2.9.1", "2.10.0", "2.11.0", "2.12.0"),
    *("2.13.0", "2.14.0", "2.14.1", "2.15.0", "2.16.0", "2.17.0", "2.18.0", "2.19.0"),
)
"""The releases with the chat, the oldest first. Source: docs/upstream.md, "Versions"."""

PINS = (
    *("annotated-types==0.8.0", "anyio==4.16.0", "certifi==2026.10.18", "distro==1.9.0", "h11==0.16.0"),
    *("httpcore==1.0.9", "httpx==0.28.1", "idna==3.20", "pydantic==2.14.3", "pydantic_core==2.50.4"),
    *("sniffio==1.3.1", "typing-inspection==0.4.5", "typing_extensions==4.16.0"),
)
"""What every release stands on, in one version, so that only the releases differ."""


def turns(events: Sequence[Json]) -> list[list[Json]]:
    """Make turns in which each of some events stands once: one of all, then one for each further stop."""
    typed = [each for each in events if isinstance(each, dict) and "type" in each]
    stops = [each for each in typed if each["type"] == "stop"]
    others = [each for each in typed if each["type"] not in ("stop", "user_input")]
    return [[*(arranged(others) if number == 0 else ()), stop] for number, stop in enumerate(stops)]


def arranged(found: Sequence[Json]) -> list[Json]:
    """Bring events of every kind into an order that a turn can have.

    A result follows its call; after the pieces of a text comes the whole of it, and each whole text by itself.
    """
    made: list[Json] = []
    for whole in ("thinking", "text"):
        pieces = [each for each in found if each["type"] == f"{whole}_delta"]
        if pieces:
            text = "".join(each["content"] for each in pieces)
            made += [*pieces, {"type": whole, "content": text}]
        made += [each for each in found if each["type"] == whole]
    calls = [each for each in found if each["type"] == "tool_call"]
    for each in (each for each in found if each["type"] == "tool_result"):
        call = next(
            (call for call in calls if (call["call_id"], call["name"]) == (each["call_id"], each["name"])), None
        )
        like = {"type": "tool_call", "arguments": {}, "name": each["name"], "call_id": each["call_id"]}
        made += [call or like, each]
    return [*made, *calls, *(each for each in found if each["type"] not in _KNOWN)]


_KNOWN = frozenset("thinking_delta text_delta thinking text tool_call tool_result".split())


SDK = Sdk(
    package="llama-cloud",
    module="llama_cloud",
    clients=("LlamaCloud", "AsyncLlamaCloud"),
    releases=RELEASES,
    pins=PINS,
    driver=Path(__file__).parent / "sdk_driver.py",
    read=read_package,
    variables=("LLAMA_", "TEST_API_"),
    need="llama-cloud with the chat, 2.6.0 or later",
    turns=turns,
)

PART = CheckPart(
    key_variable="LLAMA_CLOUD_API_KEY",
    checks=EVENTS,
    is_fastapi=True,
    state=STATE,
    driver=ChatDriver,
    operations=frozenset(ROUTES),
    path_values=path_values,
    mutants="mockserver.apis.llamacloud_chat.check.mutants_http:BROKEN",
    equivalents="mockserver.apis.llamacloud_chat.check.equivalents:ODD",
    sdk=SDK,
)
"""The pack's part of the checks."""
