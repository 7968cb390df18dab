"""The keys that an operation asks for: any well-formed one, or the one that is set."""

import re
from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence

from mockserver.api import Draft
from mockserver.contract.openapi import Operation, SecurityScheme
from mockserver.messages import Finding, Request, known, same_key
from mockserver.request.reading.parameters import SentParts
from mockserver.request.reading.styles import decoded

_TOKEN = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
"""The name of a scheme."""
_NO_PATH: Mapping[str, str] = {}


class CredentialError(Exception):
    """A key that was not sent, or that is wrong."""

    def __init__(self, what: str, where: str, fix: str) -> None:
        super().__init__(what)
        self.what, self.where, self.fix = what, where, fix


KeyCheck = Callable[[SentParts], None]
"""Checks the key of one scheme; raises CredentialError."""


class KeyGuard:
    """Refuses the requests of an operation without the keys that it asks for."""

    def __init__(self, operation: Operation, right: bytes | None) -> None:
        alternatives = operation.security
        self._operation = operation
        self._alternatives = [[_check(scheme, right) for scheme in each] for each in alternatives]
        schemes = list(dict.fromkeys(scheme for each in alternatives for scheme in each))
        self._challenges = tuple(dict.fromkeys(filter(None, (_challenge(each) for each in schemes))))
        self.is_bearer = all(len(each) == 1 and _is_bearer(each[0]) for each in alternatives)
        """Whether a bearer key is all that is asked for."""

    def refused(self, request: Request) -> Draft | None:
        """Return the answer to a request without a right key; None if it has all keys of one alternative."""
        sent = SentParts(request, _NO_PATH)
        wrong: list[CredentialError] = []
        for checks in self._alternatives:
            try:
                for check in checks:
                    check(sent)
            except CredentialError as each:
                wrong.append(each)
            else:
                return None
        tried = next((each for each in wrong if each.what != MISSING), wrong[0])
        ways = " or ".join(dict.fromkeys(each.fix for each in wrong))
        message = f"{tried.what}: send {ways}."
        finding = Finding(tried.where, "key", message, "client", contract=self._operation.placed())
        headers = tuple((b"www-authenticate", each.encode()) for each in self._challenges)
        return Draft(401, {"detail": tried.what}, headers=headers, findings=(finding,))


MISSING = "Not authenticated"
INVALID = "Invalid authentication token"


def guard_of(operation: Operation, right: bytes | None) -> KeyGuard | None:
    """Return what guards an operation; None for one that anybody may call."""
    return KeyGuard(operation, right) if operation.secured else None


def _is_bearer(scheme: SecurityScheme) -> bool:
    return scheme.type in ("oauth2", "openIdConnect") or (scheme.type == "http" and scheme.scheme == "bearer")


def _check(scheme: SecurityScheme, right: bytes | None) -> KeyCheck:
    """Return what checks the key of a scheme; nothing is known of a client's certificate."""
    if scheme.type == "apiKey":
        return _api_key(scheme, right)
    if _is_bearer(scheme):
        return _bearer(right)
    if scheme.type == "http":
        return _basic(right) if scheme.scheme == "basic" else _other(scheme.scheme, right)
    return lambda _: None


def _judge(key: bytes, right: Sequence[bytes], where: str, fix: str, *, valid: bool = True) -> None:
    """Refuse a key that is missing, not well-formed, or not the one that is set."""
    if not key:
        raise CredentialError(MISSING, where, fix)
    if not valid:
        raise CredentialError("The key is not well-formed", where, fix)
    if right and not any(same_key(each, key) for each in right):
        raise CredentialError(INVALID, where, fix)


def _api_key(scheme: SecurityScheme, right: bytes | None) -> KeyCheck:
    name, where = scheme.field, f"/{scheme.location}/{scheme.field}"
    fixed = [right] if right else []
    if scheme.location == "header":
        field, place = name.lower().encode("latin-1", "replace"), where.lower()
        fix = f"the header {name}: <key>"
        return lambda sent: _judge(sent.request.headers.get(field, b"").strip(), fixed, place, fix)
    if scheme.location == "cookie":
        fix = f"the cookie {name}=<key>"
        return lambda sent: _judge(_last(sent.cookies, name), fixed, where, fix)
    fix = f"{name}=<key> in the query"
    return lambda sent: _judge(_last(sent.query, name), fixed, where, fix)


def _last(pairs: Sequence[tuple[str, str]], name: str) -> bytes:
    return next((decoded(text).encode() for key, text in reversed(pairs) if key == name), b"")


_FIELD = "/header/authorization"


def _bearer(right: bytes | None) -> KeyCheck:
    fixed, fix = [right] if right else [], "the header Authorization: Bearer <key>"
    return lambda sent: _judge((sent.request.headers.known or known(sent.request.headers)).key, fixed, _FIELD, fix)


def _credentials(sent: SentParts, scheme: str) -> bytes:
    """Return what the Authorization header says after a scheme's name; nothing for another scheme."""
    name, _, rest = sent.request.headers.get(b"authorization", b"").partition(b" ")
    return rest.strip() if name.decode("latin-1").lower() == scheme else b""


def _basic(right: bytes | None) -> KeyCheck:
    fix = "the header Authorization: Basic <base64 of user:password>"

    def check(sent: SentParts) -> None:
        text = _credentials(sent, "basic")
        try:
            pair = b64decode(text, validate=True)
        except ValueError:
            pair = b""
        user, colon, password = pair.partition(b":")
        _judge(text, (), _FIELD, fix, valid=bool(colon))
        if right is not None and not any(same_key(each, right) for each in (pair, password, user)):
            raise CredentialError(INVALID, _FIELD, fix)

    return check


def _other(scheme: str, right: bytes | None) -> KeyCheck:
    fixed, fix = [right] if right else [], f"the header Authorization: {scheme.title()} <credentials>"
    return lambda sent: _judge(_credentials(sent, scheme), fixed, _FIELD, fix)


def _challenge(scheme: SecurityScheme) -> str:
    """Return how the WWW-Authenticate header asks for a scheme."""
    if scheme.type == "apiKey":
        name = scheme.field.replace("\\", "").replace('"', "")
        return f'ApiKey in="{scheme.location}", name="{name}"'
    if _is_bearer(scheme):
        return "Bearer"
    if scheme.type != "http" or not _TOKEN.fullmatch(scheme.scheme.encode("latin-1", "replace")):
        return ""
    realm = 'realm="mock"'
    return f'Basic {realm}, charset="UTF-8"' if scheme.scheme == "basic" else f"{scheme.scheme.title()} {realm}"
