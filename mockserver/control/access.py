"""Who may use the control routes: by default this machine, and no web site."""

import ipaddress
import re
from collections.abc import Collection, MutableMapping
from hashlib import sha256
from typing import Any

from mockserver.messages import Headers, same_key

HEALTH = "/__mock__/health"
"""The route that anyone may call."""

_NAMES = ("localhost", "mockserver.test")

_PRIVATE = (".localhost", ".local", ".internal", ".test", ".home.arpa")
"""Endings of names that no public server of names resolves (RFC 6761, RFC 6762, RFC 8375, and ICANN's of 2024)."""


def refused(scope: MutableMapping[str, Any], *, remote: bool, hosts: Collection[str] = ()) -> str:
    """Return why an ASGI request may not use the control routes, or "" if it may.

    Browsers mark requests of other sites (Origin, Sec-Fetch-Site). A site whose name was made to resolve to this
    machine (DNS rebinding) is recognized by its Host, also where other machines are let in. `hosts` are further names
    of this machine, in lower case.
    """
    headers = Headers(scope["headers"])
    host = (headers.text(b"host") or "").lower()
    if headers.text(b"sec-fetch-site") in ("cross-site", "same-site"):
        return "a page of another site asks for it"
    origin = headers.text(b"origin")
    if origin is not None and (not host or origin.lower().partition("://")[2] != host):
        return f"a page of {origin} asks for it"
    client = scope.get("client")
    if not remote and client is not None and not is_loopback(client[0]):
        return f"{client[0]} is another machine; --control-remote lets it in"
    name = _name_of(host)
    if not host or name in hosts or is_loopback(name) or name in _NAMES or name.endswith(".localhost"):
        return ""
    if not remote:
        return f"the host {host} is not this machine's own name; --control-remote or --control-hosts lets it in"
    if not _is_private(name):
        return f"the host {host} may be a web site that was made to point here; --control-hosts lets it in"
    return ""


def unproven(scope: MutableMapping[str, Any], token: str | None) -> str:
    """Return why an ASGI request from another machine may not use what the page uses, or "" if it may.

    The token stands in the cookie that the address with `?token=` has set, or is the bearer key of a program.
    """
    client = scope.get("client")
    if client is None or is_loopback(client[0]):
        return ""
    if token is None:
        return "another machine needs a token; --control-token sets one"
    if same_key((Headers(scope["headers"]).text(b"authorization") or "").encode(), f"Bearer {token}".encode()):
        return ""
    cookies = "; ".join(Headers(scope["headers"]).all(b"cookie")).split("; ")
    mine = "=".join(cookie_of(token)).encode()
    if any(same_key(each.encode("latin-1"), mine) for each in cookies):
        return ""
    return "another machine needs the token; open the address that the start printed"


def cookie_of(token: str) -> tuple[str, str]:
    """Return the name and the value of the cookie for a token.

    Several mocks on one host have cookies of different names, and a value holds only what a cookie may.
    """
    name = "mockserver-" + sha256(token.encode()).hexdigest()[:12]
    return name, sha256(b"page " + token.encode()).hexdigest()


def is_loopback(address: str) -> bool:
    """Return whether an address is this machine's own."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None  # a dual-stack socket
    return (mapped or found).is_loopback


def _name_of(host: str) -> str:
    """Return the name or address in a Host, in lower case, without its port; "" if it is none."""
    found = _HOST.fullmatch(host)
    return "" if found is None else found[1] or found[2]


def _is_private(name: str) -> bool:
    """Return whether no web site can have a name: an address, a name without a dot, or one of a private network."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return bool(name) and ("." not in name or name.endswith(_PRIVATE))
    return True


_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9a-z._-]+))(?::[0-9]*)?")
