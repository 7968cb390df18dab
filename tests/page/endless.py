"""A check that never ends, for the tests of stopping one."""

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
