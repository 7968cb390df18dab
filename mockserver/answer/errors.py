"""The answers that report an error: no such path, no key, a bad preference, a failing store."""

from collections.abc import Sequence
from urllib.parse import quote

from msgspec import structs

from mockserver.api import Draft
from mockserver.contract.openapi import Operation
from mockserver.contract.router import Match, Router
from mockserver.errors import ContractError, FixtureError, StoreError, StoreFullError
from mockserver.messages import BAD_SCOPE, Finding, Request

PROBLEM = "application/problem+json"
"""The media type of an error by RFC 9457."""

_SAFE = ":/%#?=@[]!$&'()*+,;~"
"""Characters that stay unescaped in the path of a redirect."""


LONGEST_WHY = 1_000
"""The most characters of the reason why a canned answer failed."""


def unmatched(router: Router, request: Request, match: Match) -> Draft:
    """Answer a request that names no operation: 204 or 405 if its path is known, 307 if it lacks only a slash."""
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
        target = request.root + other + ("?" + request.query if request.query else "")
        return Draft(307, None, None, headers=((b"location", quote(target.encode("latin-1"), safe=_SAFE).encode()),))
    message = f"No operation has the path {request.path or '/'}; /openapi.json lists those that there are."
    finding = Finding("/path", "path", message, "client", received=request.path)
    return Draft(404, {"detail": "Not Found"}, findings=(finding,))


def bad_scope(wrong: Finding) -> Draft:
    """Reject a request with an invalid scope name."""
    return Draft(400, {"detail": BAD_SCOPE}, findings=(wrong,))


def too_much(status: int, message: str) -> Draft:
    """Reject a request that was not read to its end."""
    finding = Finding("/body" if status in (408, 413) else "", "size", message, "mock" if status == 503 else "client")
    headers = ((b"retry-after", b"1"),) if status == 503 else ()
    return Draft(status, {"detail": message}, headers=headers, findings=(finding,))


def server_error(error: Exception) -> Draft:
    """Answer that the mock itself failed."""
    message = f"The mock failed: {type(error).__name__}. This is a defect of the mock; its log says more."
    return Draft(500, {"detail": message}, findings=(Finding("", "defect", message, "mock"),))


def unauthorized(text: str, operation: Operation) -> Draft:
    """Reject a missing or wrong key."""
    message = f"{text}: send the header Authorization: Bearer <key>."
    finding = Finding("/header/authorization", "key", message, "client", contract=operation.place)
    headers = ((b"www-authenticate", b"Bearer"),)
    return Draft(401, {"detail": text}, headers=headers, findings=(finding,))


def unmet_preference(message: str, operation: Operation) -> Draft:
    """Reject a preference that no declared answer meets."""
    finding = Finding("/header/prefer", "preference", message, "client", contract=operation.place)
    return Draft(400, {"detail": message}, findings=(finding,))


def undeclared_preference(message: str, operation: Operation) -> Draft:
    """Reject a preference for an answer that is not declared: 400 in a pack's contract, else 404, as Prism does."""
    draft = unmet_preference(message, operation)
    if operation.bundled:
        return draft
    problem = {"type": "about:blank", "title": "Not Found", "status": 404, "detail": message}
    return structs.replace(draft, status=404, value=problem, media=PROBLEM)


def not_acceptable(accept: str, declared: Sequence[str], operation: Operation) -> Draft:
    """Reject a request that accepts none of the declared content types."""
    message = f"{operation.id} answers {', '.join(declared)}; the request accepts {accept or 'nothing'}."
    finding = Finding("/header/accept", "accept", message, "client", list(declared), accept, operation.place)
    problem = {"type": "about:blank", "title": "Not Acceptable", "status": 406, "detail": message}
    return Draft(406, problem, PROBLEM, findings=(finding,))


def describe(error: StoreError) -> str:
    """Describe in a line why the store failed."""
    return f"{error.what}: {error.why}" if error.why else f"{error.what}; {error.fix}"


def store_failed(error: StoreError) -> Draft:
    """Answer that the store failed, and why. Clients retry, unless the store is full."""
    text = describe(error)
    headers = ((b"x-should-retry", b"false"),) if isinstance(error, StoreFullError) else ()
    return Draft(503, {"detail": text}, headers=headers, findings=(Finding("", "store", text, "store"),))


def fixture_failed(error: FixtureError, operation: Operation) -> Draft:
    """Answer 500: a canned answer that is a template failed, or gave what the contract does not allow."""
    why = error.why if len(error.why) <= LONGEST_WHY else f"{error.why[:LONGEST_WHY]}..."
    text = f"{error.what}: {why}"
    finding = Finding("", "fixture", f"{text}.", "fixture", contract=operation.place)
    return Draft(500, {"detail": f"{text} ({error.where}); {error.fix}"}, findings=(finding,))


def not_served(error: ContractError, operation: Operation) -> Draft:
    """Answer 501: the contract holds what cannot be served. Trying again does not help."""
    text = ": ".join(filter(None, (error.what, error.why)))
    place = error.where if error.where and not error.where.startswith("#") else operation.placed(error.where)
    finding = Finding("", "unserved", f"{text}.", "contract", contract=place)
    detail = f"{operation.id} cannot be served: {text} ({place})" + (f"; {error.fix}" if error.fix else "")
    return Draft(501, {"detail": detail}, headers=((b"x-should-retry", b"false"),), findings=(finding,))


def not_made(operation: Operation, broken: Finding) -> Draft:
    """Answer 501: the mock made a value, which breaks the contract."""
    text = f"the value that was made breaks the contract at {broken.where or 'the root'}: {broken.message}"
    detail = f"{operation.id} cannot be served: {text} ({broken.contract}); give the answer an example"
    return Draft(501, {"detail": detail}, headers=((b"x-should-retry", b"false"),), findings=(broken,))
