"""Who may use the control routes: by default this machine, and no web site."""

import ipaddress
import re
from collections.abc import MutableMapping
from typing import Any

from mockserver.messages import Headers

HEALTH = "/__mock__/health"
"""The route that anyone may call."""

_NAMES = ("localhost", "mockserver.test")


def refused(scope: MutableMapping[str, Any], *, remote: bool) -> str:
    """Return why an ASGI request may not use the control routes, or "" if it may.

    Browsers mark requests of other sites (Origin, Sec-Fetch-Site). A site whose name was made to resolve to this
    machine (DNS rebinding) is recognized by its Host.
    """
    headers = Headers(scope["headers"])
    host = (headers.text(b"host") or "").lower()
    if headers.text(b"sec-fetch-site") in ("cross-site", "same-site"):
        return "a page of another site asks for it"
    origin = headers.text(b"origin")
    if origin is not None and (not host or origin.lower().partition("://")[2] != host):
        return f"a page of {origin} asks for it"
    if remote:
        return ""
    client = scope.get("client")
    if client is not None and not is_loopback(client[0]):
        return f"{client[0]} is another machine; --control-remote lets it in"
    if host and not _is_own(host):
        return f"the host {host} is not this machine's own name; --control-remote lets it in"
    return ""


def is_loopback(address: str) -> bool:
    """Return whether an address is this machine's own."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None  # a dual-stack socket
    return (mapped or found).is_loopback


def _is_own(host: str) -> bool:
    """Return whether a Host, in lower case, names this machine, with any port."""
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found[1] or found[2]
    return is_loopback(name) or name in _NAMES or name.endswith(".localhost")


_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([0-9a-z._-]+))(?::[0-9]*)?")
