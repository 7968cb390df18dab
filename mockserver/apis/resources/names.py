"""What names mean: the words of a name, singular and plural, and the usual names of ids, lists, pages and times."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeAlias

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

SURE = ("id", "uuid", "guid", "gid", "sid", "uid", "identifier")
"""The last words of parameters and properties that hold nothing but an id."""

NAMES = ("slug", "name", "handle", "login", "username")
"""The last words of parameters and properties that name a thing in words."""

OPAQUE = frozenset("hash token ref reference pk oid".split())
"""The last words of parameters that hold an id, whatever the property is called."""

IDS = (*SURE, "key", *NAMES, "code", "number")

ENVELOPES = frozenset("data result results item response resource payload object entity record body content".split())
"""Fields in which an answer wraps the thing that it is about."""

LISTS = frozenset(
    "data items results result values value records entries content list elements objects rows resources members "
    "collection entities embedded".split()
)
"""Fields in which an answer wraps the things that it lists."""

SIZES = frozenset(
    "limit perpage pagesize size count first maxresults max maxitems top take rows pagelimit itemsperpage "
    "resultsperpage "
    "numresults maxrecords".split()
)
OFFSETS = frozenset("offset skip startindex start startat from firstresult".split())
PAGES = frozenset("page pagenumber pageno pagenum pageindex currentpage p".split())
CURSORS = frozenset(
    "cursor after startingafter pagetoken nexttoken continuationtoken continuation marker nextpagetoken nextcursor "
    "startcursor pagecursor exclusivestartkey".split()
)
"""Query parameters that choose a page, in lower case and without separators."""

SORTS = frozenset("sort sortby orderby order sortorder direction sortdirection ordering dir sortfield".split())
DIRECTIONS = frozenset("order direction sortorder sortdirection dir".split())

TOTALS = frozenset(
    "total totalcount totalitems totalresults totalelements totalrecords totalrows totalsize numfound hits".split()
)
COUNTS = frozenset("count size numberofelements resultcount returned length".split())
TOTAL_PAGES = frozenset("totalpages pagecount pages numpages lastpage pagestotal".split())
MORES = frozenset("hasmore hasnext hasnextpage more ismore istruncated".split())
NEXTS = frozenset(
    "next nextcursor nextpagetoken nexttoken nextpage cursor nextmarker continuationtoken endcursor after "
    "nextcontinuationtoken lastevaluatedkey nextlink nexturl nexthref nextpageurl".split()
)
PREVIOUS = frozenset(
    "previous prev previouspage prevpage previouspageurl prevpageurl previousurl prevurl prevlink".split()
)
"""Fields of a list's answer, in lower case and without separators."""

STATES = frozenset("status state phase stage lifecyclestate lifecyclestatus".split())
"""The fields that hold the state of an item, in lower case and without separators."""

CREATED = frozenset("created create creation inserted added registered opened".split())
CHANGED = frozenset("updated update modified modification changed change edited touched".split())
TIME_WORDS = frozenset("at on time date timestamp datetime utc ts last first".split())


def words(name: str) -> list[str]:
    """Return the words of a name in lower case: `userId`, `user_id` and `user-id` are user and id."""
    return [word.lower() for word in _WORD.findall(name)]


@lru_cache(maxsize=4_096)
def plain(name: str) -> str:
    """Return a name in lower case without separators."""
    return "".join(words(name))


def is_plural(plural: str, single: str) -> bool:
    """Return whether a word is the plural of another, or the word itself."""
    return plural in (single, single + "s", single + "es", single[:-1] + "ies", single[:-1] + "ves", _ODD.get(single))


_ODD = {"person": "people", "child": "children", "criterion": "criteria", "index": "indices", "datum": "data"}


Nouns: TypeAlias = tuple[str, ...]
"""What things of a collection may be called, in lower case: the whole name first."""


def nouns_of(path: str) -> Nouns:
    """Return what things of a collection may be called, by the last part of its path that is no parameter.

    Those of `/verified-domains` are verifieddomains, and domains.
    """
    parts = [each.partition(".")[0].partition("(")[0] for each in path.strip("/").split("/") if "{" not in each]
    found = words(parts[-1]) if parts else []
    return tuple("".join(found[index:]) for index in range(len(found))) or ("things",)


def is_noun(nouns: Nouns, word: str) -> bool:
    """Return whether a word is what one thing of a collection, or all of them, may be called."""
    return any(is_plural(noun, word) or is_plural(word, noun) for noun in nouns)


def identity_score(name: str, key: str, nouns: Nouns) -> int:
    """Score how surely a property is the one that a path's parameter names; 0 if it is not."""
    own, asked = words(name), words(key)
    bare_own, bare_asked = _without(own, nouns), _without(asked, nouns)
    if not own or not asked:
        return 0
    if not bare_asked:  # the parameter is called as the thing is: {pet}
        rest = bare_own or own
        return 20 - IDS.index(rest[-1]) if len(rest) == 1 and rest[-1] in IDS else 4 if own == asked else 0
    if own == asked:
        return 40
    if bare_own == bare_asked:
        return 30
    rest, last = bare_own or own, asked[: asked.index("or")][-1:] if "or" in asked[1:] else asked[-1:]
    return _alike(rest[0], last[0], is_bare=not bare_own) if len(rest) == 1 else 0


def _alike(own: str, asked: str, *, is_bare: bool) -> int:
    """Score a property of one word by the last word of a parameter: both ids, or both names."""
    if asked in SURE or asked in OPAQUE:
        return 12 - SURE.index(own) if own in SURE else 0
    if asked in NAMES:
        return 10 - NAMES.index(own) if own in NAMES else 5 if is_bare else 0
    return 0


def _without(own: list[str], nouns: Nouns) -> list[str]:
    """Return the words of a name without those of the noun before them."""
    for count in range(len(own), 0, -1):
        if any(is_plural(noun, "".join(own[:count])) for noun in nouns):
            return own[count:]
    return own


def is_time(name: str, verbs: frozenset[str]) -> bool:
    """Return whether a name is that of the time at which one of these happened: created, created_at, dateCreated."""
    found = words(name)
    return bool(found) and not verbs.isdisjoint(found) and set(found) <= verbs | TIME_WORDS


def participles(verb: str) -> Sequence[str]:
    """Return the words for a state that an action leads to: cancel gives canceled, cancelled, cancel."""
    base = verb.lower()
    found = _STATES.get(base, ())
    if base.endswith("e"):
        return (*found, base + "d", base, base[:-1] + "ing")
    if base.endswith("y") and len(base) > 2 and base[-2] not in "aeiou":
        return (*found, base[:-1] + "ied", base, base + "ing")
    return (*found, base + "ed", base + base[-1] + "ed", base, base + "ing", base + base[-1] + "ing")


_STATES = {
    "start": ("running", "active", "started"),
    "stop": ("stopped", "inactive"),
    "pause": ("paused", "on_hold", "suspended"),
    "resume": ("active", "running", "resumed"),
    "unpause": ("active", "running"),
    "activate": ("active", "enabled"),
    "deactivate": ("inactive", "disabled"),
    "enable": ("enabled", "active"),
    "disable": ("disabled", "inactive"),
    "send": ("sent",),
    "pay": ("paid",),
    "submit": ("submitted", "pending", "in_review"),
    "complete": ("completed", "complete", "done"),
    "finish": ("finished", "done", "completed"),
    "publish": ("published", "live"),
    "unpublish": ("draft", "unpublished"),
    "reopen": ("open", "reopened"),
    "open": ("open", "opened"),
    "lock": ("locked",),
    "unlock": ("unlocked", "open", "active"),
    "block": ("blocked",),
    "unblock": ("active", "unblocked"),
    "archive": ("archived",),
    "unarchive": ("active", "unarchived"),
    "ship": ("shipped",),
    "void": ("void", "voided"),
    "win": ("won",),
    "lose": ("lost",),
    "hold": ("held", "on_hold"),
    "withdraw": ("withdrawn",),
    "restart": ("running", "restarting"),
    "run": ("running", "run"),
    "deny": ("denied", "rejected"),
    "decline": ("declined", "rejected"),
    "confirm": ("confirmed",),
    "suspend": ("suspended",),
    "revoke": ("revoked",),
    "verify": ("verified",),
    "finalize": ("finalized", "open"),
    "fulfill": ("fulfilled",),
    "accept": ("accepted",),
    "approve": ("approved",),
    "reject": ("rejected",),
}
"""The states that actions lead to where their own participle is not the usual word."""


def split_item(path: str) -> tuple[str, ...] | None:
    """Split the path of one thing into its collection's and the parameter: /things/{id}, /things/{id}.json."""
    head, _, last = path.rpartition("/")
    suffix = ""
    if last.endswith((".json", ".xml")):
        last, _, suffix = last.rpartition(".")
        suffix = "." + suffix
    if last.startswith("{") and last.endswith("}") and last.count("{") == 1 and head:
        return head + suffix, last[1:-1]
    if last.endswith(")") and last.count("{") == 1:
        name, _, rest = last.partition("(")
        key = rest[:-1].strip("'")
        if name and key.startswith("{") and key.endswith("}"):
            return f"{head}/{name}{suffix}", key[1:-1]
    return None


def names_in(path: str) -> tuple[str, ...]:
    """Return the names of the parameters of a path."""
    return tuple(each.partition("}")[0] for each in path.split("{")[1:])
