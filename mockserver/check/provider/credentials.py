"""How a key is sent: in the header, query or cookie of an API key, as a bearer token, as a user's password."""

from base64 import b64encode
from functools import lru_cache
from typing import NamedTuple

from mockserver.contract.openapi import Operation, SecurityScheme
from mockserver.errors import ContractError


class Credentials(NamedTuple):
    """The parts of a request that hold a key."""

    headers: tuple[tuple[bytes, bytes], ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    cookies: tuple[tuple[str, str], ...] = ()


NO_CREDENTIALS = Credentials()

BEARER = frozenset(("oauth2", "openIdConnect"))
"""The types of schemes whose tokens are sent as bearer tokens."""


def way_of(scheme: SecurityScheme) -> str:
    """Return how a key of a scheme is sent: as bearer, basic or another scheme of HTTP, apiKey; "" for no key."""
    if scheme.type in BEARER:
        return "bearer"
    if scheme.type == "http":
        return scheme.scheme
    return "apiKey" if scheme.type == "apiKey" else ""


def ways(operation: Operation) -> frozenset[str]:
    """Return the ways in which an operation takes a key; bearer for one that declares nothing."""
    found = {way_of(scheme) for each in operation.security for scheme in each}
    return frozenset(found or ("bearer",))


@lru_cache(maxsize=4_096)
def credentials(operation: Operation, key: str) -> Credentials:
    """Return a key as the first alternative of an operation sends it that can be sent.

    A ContractError says that there is none.
    """
    alternatives = [each for each in operation.security if each]
    if not alternatives:
        return Credentials((_authorization("bearer", key),))
    sendable = [each for each in alternatives if sum(_is_in_authorization(scheme) for scheme in each) < 2]
    if not sendable:
        raise ContractError(
            "its keys cannot be sent together",
            where=operation.placed(),
            why="a request has one field Authorization",
            fix="list them as alternatives",
        )
    # A certificate of the client is no part of a request: what asks for nothing else is sent without a key.
    chosen = min(sendable, key=lambda each: not all(map(way_of, each)))
    parts = [_sent(scheme, key) for scheme in chosen]
    return Credentials(
        *(tuple(pair for part in parts for pair in getattr(part, place)) for place in Credentials._fields)
    )


def _is_in_authorization(scheme: SecurityScheme) -> bool:
    way = way_of(scheme)
    return way not in ("", "apiKey") or (scheme.location, scheme.field.lower()) == ("header", "authorization")


def _sent(scheme: SecurityScheme, key: str) -> Credentials:
    way = way_of(scheme)
    if way != "apiKey":
        return Credentials((_authorization(way, key),) if way else ())
    if scheme.location == "header":
        return Credentials(((scheme.field.lower().encode("latin-1", "replace"), key.encode()),))
    pair = (scheme.field, key)
    return Credentials(query=(pair,)) if scheme.location == "query" else Credentials(cookies=(pair,))


def _authorization(way: str, key: str) -> tuple[bytes, bytes]:
    """Write the field Authorization."""
    if way == "basic":
        return b"authorization", b"Basic " + _pair(key)
    return b"authorization", way.title().encode() + b" " + key.encode()


def _pair(key: str) -> bytes:
    """Write the credentials of basic: a key is user:password, or else the user's name."""
    return b64encode((key if ":" in key else f"{key}:").encode())


def forms_of(key: str) -> list[str]:
    """Return the texts in which a key is sent."""
    return [key, _pair(key).decode(), *(part for part in key.split(":", 1)[1:] if part)]
