"""Checks that do not check, for the tests of what starts and stops one."""

import os
import time
from itertools import count

from mockserver.check.live import Tell
from mockserver.messages import Json


def run(_: Json, tell: Tell) -> None:
    """Tell of one case after the other."""
    for number in count(1):
        tell({"progress": f"case {number}"})
        time.sleep(0.05)


def die(_: Json, __: Tell) -> None:
    """End at once, without a word."""
    os._exit(3)


def echo(options: Json, tell: Tell) -> None:
    """Tell what was to be checked."""
    tell({"report": options})
