"""How to see a problem again: the requests that show it, as curl and as Python. No key is ever written out."""

import base64
import shlex
from collections.abc import Sequence

from mockserver.check.report.model import Reproduction
from mockserver.check.target import Target
from mockserver.messages import Request

MOST = 12
"""How many requests are written out; of a longer trail, the last."""

LONGEST = 2_000
"""Longest body that is written out, in bytes."""


def reproduction(target: Target, requests: Sequence[Request], key_env: str) -> Reproduction:
    """Write requests as commands; the key is taken from the environment variable `key_env`."""
    shown = list(requests)[-MOST:]
    curl = [_curl(target, request, key_env) for request in shown]
    python = ["import os", "", "import httpx", ""]
    python += [line for request in shown for line in _python(target, request, key_env)]
    return Reproduction("\n".join(curl), "\n".join(python))


def _fields(target: Target, request: Request) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in (*request.headers.raw, *target.headers)
    ]


def _curl(target: Target, request: Request, key_env: str) -> str:
    head = "curl -si" if request.method != "HEAD" else "curl -sI"
    parts = [head, *(["-X", request.method] if request.method not in ("GET", "HEAD") else [])]
    for name, value in _fields(target, request):
        if name == "authorization" and value.startswith("Bearer ") and value != "Bearer ":
            parts.append(f'-H "Authorization: Bearer ${key_env}"')
        else:
            parts.append("-H " + shlex.quote(f"{name}: {value}" if value else f"{name};"))
    url, body = shlex.quote(target.url_of(request)), request.body
    if not body:
        return " ".join([*parts, url])
    if len(body) > LONGEST:
        return " ".join([*parts, f"--data-binary '<{len(body)} bytes>'", url])
    try:
        return " ".join([*parts, "--data-binary", shlex.quote(body.decode("utf-8")), url])
    except UnicodeDecodeError:
        piped = base64.b64encode(body).decode("ascii")
        return f"echo {piped} | base64 -d | " + " ".join([*parts, "--data-binary", "@-", url])


def _python(target: Target, request: Request, key_env: str) -> list[str]:
    fields = []
    for name, value in _fields(target, request):
        hidden = name == "authorization" and value.startswith("Bearer ") and value != "Bearer "
        fields.append(f'"Authorization": "Bearer " + os.environ["{key_env}"]' if hidden else f"{name!r}: {value!r}")
    body = request.body if len(request.body) <= LONGEST else f"<{len(request.body)} bytes>".encode()
    content = f", content={body!r}" if body else ""
    url = target.url_of(request)
    call = f"httpx.request({request.method!r}, {url!r}, headers={{{', '.join(fields)}}}{content})"
    return [f"response = {call}", "print(response.status_code, response.text)"]
