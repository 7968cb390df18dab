"""Writes turns to one session until all are written, or it is killed, and prints each number once it is acknowledged.

Called with the store's URL, a name of its own, and how many turns to write.
"""

import sys
from functools import partial

from mockserver.store.base import Change, Session
from mockserver.store.snapshot import open_store

SCOPE, ID = "shared", "ses-1"


def turn(old: Session | None, _: bool, name: str) -> Change:
    """Make a change that adds one turn, of three equal events, in the name of its writer."""
    number = 1 if old is None else old.turns + 1
    session = Session(ID, "now", turns=number) if old is None else old._replace(turns=number)
    return Change(session, (number, [name] * 3))


def main(url: str, name: str, count: int) -> None:
    """Write the turns, each told by the number of a birth."""
    store = open_store(url, 10, 10)
    for _ in range(count):
        birth = store.birth(SCOPE)
        store.change(SCOPE, ID, partial(turn, name=f"{name}-{birth}"))
        print(birth, flush=True)
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
