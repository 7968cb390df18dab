"""Writes parts of one record until all are written, or it is killed, and prints each number once it is acknowledged.

Called with the store's URL, a name of its own, and how many parts to write.
"""

import sys
from functools import partial

from mockserver.store.base import Change, Limits, Record
from mockserver.store.open import open_store

SCOPE, COLLECTION, ID = "shared", "things", "thing-1"


def add_part(old: Record | None, _: bool, name: str) -> Change:
    """Make a change that adds one part, of three equal values, in the name of its writer."""
    number = 1 if old is None else old.data["parts"] + 1
    record = Record(COLLECTION, ID, {}) if old is None else old
    return Change(record.changed(parts=number), [(number, [name] * 3)])


def main(url: str, name: str, times: int) -> None:
    """Write the parts, each named by the number that a counter gave."""
    store = open_store(url, Limits())
    for _ in range(times):
        counted = store.count(SCOPE, "written")
        store.update(SCOPE, COLLECTION, ID, partial(add_part, name=f"{name}-{counted}"))
        print(counted, flush=True)
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
