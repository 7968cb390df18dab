"""Fetches documents by their addresses: from this machine, and from others where that is allowed."""

import time
from collections.abc import Callable
from functools import partial
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mockserver.data import LARGEST
from mockserver.errors import ContractError

if TYPE_CHECKING:
    from http.client import HTTPMessage, HTTPResponse
    from urllib.request import Request

PATIENCE = 10.0
"""Seconds that a document may take to arrive."""

ACCEPTED = "application/json, application/yaml;q=0.9, */*;q=0.8"


def fetcher(*, remote: bool) -> Callable[[str], bytes]:
    """Return what fetches documents; `remote` allows other machines than this one."""
    return partial(fetch, remote=remote)


def fetch(address: str, *, remote: bool) -> bytes:
    """Return what an address of http or https holds; a ContractError says why it cannot be had."""
    _check(address, remote)
    import urllib.error
    import urllib.request

    class Redirects(urllib.request.HTTPRedirectHandler):
        """Follows redirects to where the document may be fetched from."""

        def redirect_request(
            self, req: "Request", fp: IO[bytes], code: int, msg: str, headers: "HTTPMessage", newurl: str
        ) -> "Request | None":
            """Check the address that a redirect names."""
            _check(newurl, remote)
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    handlers: list[Any] = [Redirects()]
    if is_local(address):
        handlers.append(urllib.request.ProxyHandler({}))
    opener = urllib.request.build_opener(*handlers)
    opener.addheaders = [("Accept", ACCEPTED)]
    try:
        with opener.open(address.partition("#")[0], timeout=PATIENCE) as response:
            return _read(response, address)
    except urllib.error.HTTPError as error:
        raise _failed(address, f"it answers {error.code}") from error
    except (OSError, ValueError) as error:
        raise _failed(address, str(getattr(error, "reason", error))) from error


def _read(response: "HTTPResponse", address: str) -> bytes:
    """Read a body, as far as its time and size are bounded."""
    end, parts, size = time.monotonic() + PATIENCE, list[bytes](), 0
    while part := response.read1(65_536):
        parts.append(part)
        size += len(part)
        if size > LARGEST:
            raise _failed(address, f"it is larger than {LARGEST:,} bytes")
        if time.monotonic() > end:
            raise _failed(address, f"it takes longer than {PATIENCE:g} seconds")
    return b"".join(parts)


def _check(address: str, remote: bool) -> None:
    """Refuse an address that may not be fetched."""
    if not address.startswith(("http://", "https://")):
        raise _failed(address, "only http and https are fetched")
    if not remote and not is_local(address):
        what, fix = f"{address} is not read", "add --allow-remote-refs, or keep a copy"
        raise ContractError(what, where=address, why="it is on another machine", fix=fix)


def _failed(address: str, why: str) -> ContractError:
    return ContractError(f"{address} cannot be read", where=address, why=why, fix="correct it, or keep a copy")


def is_local(address: str) -> bool:
    """Return whether an address is on this machine."""
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:
        return False
    return host in ("localhost", "::1") or host.endswith(".localhost") or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    parts = host.split(".")
    return len(parts) == 4 and parts[0] == "127" and all(part.isdigit() for part in parts)
