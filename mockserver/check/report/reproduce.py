"""How to see a problem again: the requests that show it, as curl and as Python. No key is ever written out."""

import base64
import shlex
from collections.abc import Sequence

from msgspec import structs

from mockserver.check.target import url_of
from mockserver.messages import Headers, RawHeaders, Reproduction, Request

MOST = 12
"""How many requests are written out; of a longer trail, the last."""

LONGEST = 2_000
"""Longest body that is written out, in bytes."""


def reproduction(base: str, requests: Sequence[Request], key_env: str, headers: RawHeaders = ()) -> Reproduction:
    """Write requests to a server as commands, `headers` added; the key is taken from the variable `key_env`."""
    shown = [structs.replace(each, headers=Headers([*each.headers.raw, *headers])) for each in requests[-MOST:]]
    curl = [_curl(base, request, key_env) for request in shown]
    python = ["import os", "", "import httpx", ""]
    python += [line for request in shown for line in _python(base, request, key_env)]
    return Reproduction("\n".join(curl), "\n".join(python))


def _fields(request: Request) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]


def _curl(base: str, request: Request, key_env: str) -> str:
    head = "curl -si" if request.method != "HEAD" else "curl -sI"
    parts = [head, *(["-X", request.method] if request.method not in ("GET", "HEAD") else [])]
    for name, value in _fields(request):
        if name == "authorization" and value.startswith("Bearer ") and value != "Bearer ":
            parts.append(f'-H "Authorization: Bearer ${key_env}"')
        else:
            parts.append("-H " + shlex.quote(f"{name}: {value}" if value else f"{name};"))
    url, body = shlex.quote(url_of(base, request)), request.body
    if not body:
        return " ".join([*parts, url])
    if len(body) > LONGEST:
        return " ".join([*parts, f"--data-binary '<{len(body)} bytes>'", url])
    try:
        return " ".join([*parts, "--data-binary", shlex.quote(body.decode("utf-8")), url])
    except UnicodeDecodeError:
        piped = base64.b64encode(body).decode("ascii")
        return f"echo {piped} | base64 -d | " + " ".join([*parts, "--data-binary", "@-", url])


def _python(base: str, request: Request, key_env: str) -> list[str]:
    fields = []
    for name, value in _fields(request):
        hidden = name == "authorization" and value.startswith("Bearer ") and value != "Bearer "
        fields.append(f'"Authorization": "Bearer " + os.environ["{key_env}"]' if hidden else f"{name!r}: {value!r}")
    body = request.body if len(request.body) <= LONGEST else f"<{len(request.body)} bytes>".encode()
    content = f", content={body!r}" if body else ""
    url = url_of(base, request)
    call = f"httpx.request({request.method!r}, {url!r}, headers={{{', '.join(fields)}}}{content})"
    return [f"response = {call}", "print(response.status_code, response.text)"]
