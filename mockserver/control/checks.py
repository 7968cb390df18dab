"""The control route that checks a server: this mock, or another by its address, in a process of its own."""

import json
from collections.abc import Iterator
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any

from mockserver.api import load
from mockserver.control.admin import ControlRequest, ControlResponse
from mockserver.errors import UsageError
from mockserver.messages import Json

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

PROGRAM = "mockserver.check.live:run"
"""What checks; it is loaded only in the process that does."""

_KINDS: dict[str, type[Any]] = {
    "url": str,
    "key": str,
    "examples": int,
    "seed": int,
    "operations": list,
    "read_only": bool,
    "allow_remote": bool,
}

_NAMES: dict[type[Any], str] = {str: "a text", int: "a whole number", list: "a list of texts", bool: "true or false"}

LEAST, MOST = 0, 100_000
"""How few and how many requests may be drawn."""


def check(request: ControlRequest) -> ControlResponse:
    """Check a server; the lines of the answer are {"progress"}, and at last {"report"} or {"error"}.

    It ends when the client leaves. A UsageError says what cannot be read.
    """
    settings, given = request.mock.settings, _read(request.value)
    own = "url" not in given
    if own and not request.address:
        raise UsageError("no server is named", fix='write {"url": "http://127.0.0.1:8000"}')
    options = {
        "url": request.address,
        "api": settings.api,
        "contract": settings.contract,
        "key": settings.api_key if own else None,
        "allow_remote": own,
        "examples": 100,
        **given,
    }
    return ControlResponse(content=_lines(options), media="application/x-ndjson")


def _read(given: Json) -> dict[str, Json]:
    value = {} if given is None else given
    if not isinstance(value, dict) or value.keys() - _KINDS.keys():
        raise UsageError("what is to be checked cannot be read", fix=f"write an object of {', '.join(_KINDS)}")
    for name, each in value.items():
        if not isinstance(each, _KINDS[name]) or (isinstance(each, bool) and _KINDS[name] is not bool):
            raise UsageError(f"{name} cannot be {each!r}", fix=f"write {_NAMES[_KINDS[name]]}")
    if not LEAST <= value.get("examples", LEAST) <= MOST:
        raise UsageError(f"examples cannot be {value['examples']}", fix=f"write a number from {LEAST} to {MOST}")
    if not str(value.get("url", "http://")).startswith(("http://", "https://")):
        raise UsageError(f"{value['url']!r} is no address of a server", fix="write http://HOST:PORT")
    return value


def _lines(options: Json) -> Iterator[bytes]:
    """Run the check, and yield what it tells; it is stopped when nobody reads on."""
    spawning = get_context("spawn")
    receiver, sender = spawning.Pipe(duplex=False)
    process = spawning.Process(target=run, args=(PROGRAM, options, sender), daemon=True)
    process.start()
    sender.close()
    told = False
    try:
        while True:
            line = receiver.recv()
            told = "progress" not in line
            yield json.dumps(line).encode() + b"\n"
    except EOFError:
        if not told:
            yield b'{"error": {"detail": "the check ended before it was done", "why": "see the log for its reason"}}\n'
    finally:
        process.kill()
        receiver.close()


def run(program: str, options: Json, sender: "Connection") -> None:
    """Run the check in this process, and send what it tells."""
    load(program)(options, sender.send)
