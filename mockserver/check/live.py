"""Runs one check for those who watch it: what happens is told as it happens."""

import json
import time
from collections.abc import Callable
from typing import TypeAlias

from mockserver.errors import MockserverError, install_command
from mockserver.messages import Json

PAUSE = 0.2
"""Seconds between two words of progress."""

Tell: TypeAlias = Callable[[Json], None]


def run(options: Json, tell: Tell) -> None:
    """Check {"url", "api", "contract", ...}; tell {"progress"} now and then, at last {"report"} or {"error"}."""
    try:
        from mockserver.check.provider.command import check_any
        from mockserver.check.report.formats import as_json_text

        server, api, contract = (options[name] for name in ("url", "api", "contract"))
        more = {name: value for name, value in options.items() if name not in ("url", "api", "contract")}
        report = check_any(server, api, contract, tell=now_and_then(tell), **more)
        tell({"report": json.loads(as_json_text(report))})
    except MockserverError as error:
        tell({"error": {"detail": error.what, "where": error.where, "why": error.why, "fix": error.fix}})
    except ModuleNotFoundError as error:
        tell({"error": {"detail": f"{error.name} is not installed", "fix": install_command("check")}})


def now_and_then(tell: Tell) -> Callable[[str], None]:
    """Return what tells progress, but not more often than anyone can read."""
    last = 0.0

    def progress(text: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PAUSE:
            last = now
            tell({"progress": text})

    return progress
