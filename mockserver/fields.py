"""What header fields say, found out once: equal fields are one `Headers`, and what is known of them stands there.

A client sends the same fields with each request, or one of a few sets of them, which differ in a length, say.
"""

import re
from typing import NamedTuple, TypeAlias

from mockserver.exchange import Headers, RawHeaders

Version: TypeAlias = tuple[int, ...]

SECRETS = frozenset((b"authorization", b"proxy-authorization", b"cookie", b"set-cookie", b"x-api-key", b"api-key"))
"""The header fields whose values are never remembered."""

HIDDEN = b"[redacted]"

MOST_SETS = 500
"""How many sets of fields a table holds; one more, and it begins anew."""

LONGEST_SET = 4_096
"""How many bytes a set of fields that is held has at the most."""

_USER_AGENT = re.compile(rb"^(?:Async)?LlamaCloud/(?:Python|JS) (\d+)\.(\d+)")
_PACKAGE = re.compile(rb"^(\d+)\.(\d+)")


class Known(NamedTuple):
    """What the fields of a request say."""

    size: int
    """Bytes of all names and values."""
    length: int
    """How long the body is said to be; 0 where nothing is said, or no number."""
    version: Version | None
    """What the official client states about itself."""
    key: bytes
    """The key of a bearer; empty where there is none."""
    redacted: RawHeaders
    """The fields without secrets."""
    plain: bool
    """Whether the body is said to be JSON as the official clients say it, and no preference is named."""


def known(headers: Headers) -> Known:
    """Give what is known of header fields, which is found out when it is first asked for."""
    found: Known | None = headers.known
    if found is None:
        raw, length = headers.raw, headers.get(b"content-length", b"")
        found = headers.known = Known(
            len(b"".join(map(b"".join, raw))),
            int(length[:20]) if length.isdigit() else 0,
            client_version(headers),
            _key(headers),
            tuple(redacted(raw)),
            headers.get(b"content-type") == b"application/json" and b"prefer" not in headers,
        )
    return found


class HeaderTable:
    """Gives equal header fields as one and the same `Headers`, as far as they are not long, and not too many."""

    __slots__ = ("_last", "_sets")

    def __init__(self) -> None:
        self._last = Headers()
        self._sets: dict[RawHeaders, Headers] = {(): self._last}

    def __len__(self) -> int:
        return len(self._sets)

    def headers(self, raw: RawHeaders) -> Headers:
        """Give the `Headers` of some fields, names in lower case; what is known of them stands there."""
        fields, last = tuple(raw), self._last
        if fields == last.raw:
            return last
        try:
            found = self._sets.get(fields)
        except TypeError:  # a server that gives each field as a list
            return Headers(fields)
        if found is None:
            found = Headers(fields)
            if known(found).size > LONGEST_SET:
                return found
            if len(self._sets) >= MOST_SETS:
                self._sets.clear()
            self._sets[fields] = found
        self._last = found
        return found


def client_version(headers: Headers) -> Version | None:
    """Give the (major, minor) that the official Python or TypeScript client states about itself, else None.

    Both say it in User-Agent and in X-Stainless-Package-Version. Source: docs/upstream.md, "Client headers".
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


def same_key(key: bytes, right: bytes) -> bool:
    """Compare keys in a time that tells nothing of the right one."""
    from hmac import compare_digest

    return compare_digest(key, right)


def _key(headers: Headers) -> bytes:
    scheme, _, key = (headers.get(b"authorization") or b"").partition(b" ")
    return key.strip() if scheme.lower() == b"bearer" else b""


def redacted(headers: RawHeaders) -> RawHeaders:
    """Give header fields without secrets; the scheme of a key stays."""
    return [field if field[0] not in SECRETS else (field[0], _hidden(field[1])) for field in headers]


def _hidden(value: bytes) -> bytes:
    if value.startswith(b"Bearer "):  # as the official clients write it
        return b"Bearer [redacted]"
    scheme, space, _ = value.partition(b" ")
    return scheme + b" " + HIDDEN if space and scheme.lower() in (b"bearer", b"basic") else HIDDEN
