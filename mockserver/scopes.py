"""Which world a request plays in: the header `X-Mock-Scope`, or a path that begins with `/scope/<name>`."""

import re
from urllib.parse import unquote

from mockserver.exchange import Finding, Request

HEADER = b"x-mock-scope"
PREFIX = "/scope/"

CONTROL = "/__mock__/"
"""What the control routes begin with."""

OPENAPI = "/openapi.json"
"""Where the contract in force is, which any web site may read."""

BAD_SCOPE = "A scope's name has 1 to 100 of the characters A-Z a-z 0-9 . _ ~ : @ + -"

_NAME = re.compile(r"[A-Za-z0-9._~:@+-]{1,100}")


def placed(request: Request) -> tuple[Request, Finding | None]:
    """Give the request in its scope, its path without the scope's; a Finding where the name cannot be one.

    Where path and header name a scope each, the path counts: it is the address that its sender was given.
    """
    path = request.path
    if path.startswith(PREFIX):
        segment, slash, rest = path[len(PREFIX) :].partition("/")
        where, name, path = "/path", unquote(segment), slash + rest
    elif HEADER in request.headers:
        where, name = "/header/x-mock-scope", request.headers.text(HEADER) or ""
    else:
        return request, None
    if is_scope(name):
        return request._replace(scope=name, path=path), None
    return request, Finding(where, "scope", f"{name!r} names no scope. {BAD_SCOPE}.", "client", received=name)


def is_scope(name: str) -> bool:
    """Say whether a text can name a scope."""
    return _NAME.fullmatch(name) is not None


def is_control(path: str) -> bool:
    """Say whether a path is one of the control routes, at the root or below a scope's."""
    if path.startswith(PREFIX):
        path = "/" + path[len(PREFIX) :].partition("/")[2]
    return path.startswith(CONTROL)
