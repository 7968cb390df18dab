"""The answers that report an error: no such path, no key, a bad preference, a failing store."""

from urllib.parse import quote

from mockserver.api import Draft
from mockserver.contract.openapi import Operation
from mockserver.contract.router import Match, Router
from mockserver.errors import ContractError, StoreError, StoreFullError
from mockserver.messages import BAD_SCOPE, Finding, Request

_SAFE = ":/%#?=@[]!$&'()*+,;~"
"""What stays as it is in the path of a redirect."""


def unmatched(router: Router, request: Request, match: Match, before: str) -> Draft:
    """Answer a request that names no operation: 204 or 405 where its path is known, 307 to the path that is.

    `before` is what stood before the path: a scope.
    """
    methods = ", ".join(sorted(match.allowed))
    allow = (b"allow", methods.encode())
    if match.allowed and request.method == "OPTIONS":
        return Draft(204, None, None, headers=(allow,))
    if match.allowed:
        message = f"{request.method} is not served here; {methods} are."
        finding = Finding("/method", "method", message, "client", received=request.method)
        return Draft(405, {"detail": "Method Not Allowed"}, headers=(allow,), findings=(finding,))
    other = request.path.rstrip("/") if request.path.endswith("/") else request.path + "/"
    known = router.match(request.method, other, request.headers)
    if known.operation is not None or known.allowed:
        target = before + other + ("?" + request.query if request.query else "")
        return Draft(307, None, None, headers=((b"location", quote(target.encode("latin-1"), safe=_SAFE).encode()),))
    message = f"No operation has the path {request.path or '/'}; /openapi.json lists those that there are."
    finding = Finding("/path", "path", message, "client", received=request.path)
    return Draft(404, {"detail": "Not Found"}, findings=(finding,))


def bad_scope(wrong: Finding) -> Draft:
    """Refuse a request whose scope has no name that a scope can have."""
    return Draft(400, {"detail": BAD_SCOPE}, findings=(wrong,))


def too_much(status: int, message: str) -> Draft:
    """Refuse a request that was not read to its end."""
    finding = Finding("/body" if status in (408, 413) else "", "size", message, "client")
    return Draft(status, {"detail": message}, findings=(finding,))


def server_error(error: Exception) -> Draft:
    """Say that the mock itself failed."""
    message = f"The mock failed: {type(error).__name__}. This is a defect of the mock; its log says more."
    return Draft(500, {"detail": message}, findings=(Finding("", "defect", message, "mock"),))


def unauthorized(text: str, operation: Operation) -> Draft:
    """Refuse a missing or wrong key."""
    message = f"{text}: send the header Authorization: Bearer <key>."
    finding = Finding("/header/authorization", "key", message, "client", contract=operation.place)
    headers = ((b"www-authenticate", b"Bearer"),)
    return Draft(401, {"detail": text}, headers=headers, findings=(finding,))


def unmet_preference(message: str, operation: Operation) -> Draft:
    """Refuse a preference that no declared answer meets."""
    finding = Finding("/header/prefer", "preference", message, "client", contract=operation.place)
    return Draft(400, {"detail": message}, findings=(finding,))


def describe(error: StoreError) -> str:
    """Say in a line that the store failed, and why."""
    return f"{error.what}: {error.why}" if error.why else f"{error.what}; {error.fix}"


def store_failed(error: StoreError) -> Draft:
    """Say that the store failed, and why; the official clients ask again, unless it is full."""
    text = describe(error)
    headers = ((b"x-should-retry", b"false"),) if isinstance(error, StoreFullError) else ()
    return Draft(503, {"detail": text}, headers=headers, findings=(Finding("", "store", text, "store"),))


def not_generated(error: ContractError, operation: Operation) -> Draft:
    """Say that no value can be made of the contract's schema."""
    place = operation.contract + error.where
    finding = Finding("", "generate", f"{error.what}: {error.why}.", "contract", contract=place)
    return Draft(500, {"detail": f"{error.what} ({place}); {error.fix}"}, findings=(finding,))
