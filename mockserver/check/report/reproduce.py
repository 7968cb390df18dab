"""How to see a problem again: the requests that show it, as curl and as Python. No key is ever written out.

Every body is written whole: a long one by what it repeats, or else compressed, so that what is printed stays short.
"""

import base64
import re
import shlex
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from msgspec import structs

from mockserver.check.target import url_of
from mockserver.messages import Headers, RawHeaders, Reproduction, Request

MOST = 60
"""How many different requests are written out; of a longer trail, the last."""

LONGEST = 400
"""Longest body that is written out as it is, in bytes."""

LOOPED = 3
"""From how many times on a request that follows itself is written as a loop."""

LONGEST_REPEATED = 2_000
"""Longest expression that says what a body repeats, in characters."""


def reproduction(
    base: str, requests: Sequence[Request], key_env: str, headers: RawHeaders = (), wrong_keys: Sequence[bytes] = ()
) -> Reproduction:
    """Write requests to a server as commands, `headers` added; the key is taken from the variable `key_env`.

    `wrong_keys` are the values of Authorization that are no secret. What is sent often is written as a loop.
    """
    runs = [(request, len(list(same))) for request, same in groupby(requests)][-MOST:]
    curl, python = [], ["import os", "", "import httpx2", ""]
    for request, count in runs:
        whole = structs.replace(request, headers=Headers([*request.headers.raw, *headers]))
        fields = [_Field(name, value, _is_secret(name, value, wrong_keys)) for name, value in whole.headers.raw]
        line, lines = _curl(base, whole, fields, key_env), _python(base, whole, fields, key_env)
        if count < LOOPED:
            curl += [line] * count
            python += lines * count
        else:
            curl.append(f"for _ in $(seq {count}); do {line}; done")
            python += [f"for _ in range({count}):", *(f"    {each}" for each in lines)]
    return Reproduction("\n".join(curl), "\n".join(python))


class _Field(NamedTuple):
    """A header field, and whether it holds the key."""

    raw_name: bytes
    raw_value: bytes
    is_secret: bool

    @property
    def name(self) -> str:
        return self.raw_name.decode("latin-1")

    @property
    def value(self) -> str:
        return self.raw_value.decode("latin-1")


def _is_secret(name: bytes, value: bytes, wrong_keys: Sequence[bytes]) -> bool:
    is_key = name == b"authorization" and value.startswith(b"Bearer ") and value != b"Bearer "
    return is_key and value not in wrong_keys


def _curl(base: str, request: Request, fields: Sequence[_Field], key_env: str) -> str:
    head = "curl -si" if request.method != "HEAD" else "curl -sI"
    parts = [head, *(["-X", request.method] if request.method not in ("GET", "HEAD") else [])]
    for field in fields:
        if field.is_secret:
            parts.append(f'-H "Authorization: Bearer ${key_env}"')
        else:
            parts.append("-H " + shlex.quote(f"{field.name}: {field.value}" if field.value else f"{field.name};"))
    if request.body and not any(field.raw_name == b"content-type" for field in fields):
        parts.append("-H 'content-type:'")  # curl would name a form
    url, body = shlex.quote(url_of(base, request)), request.body
    if not body:
        return " ".join([*parts, url])
    text = _plain_text(body)
    if text is not None and len(body) <= LONGEST:
        return " ".join([*parts, "--data-binary", shlex.quote(text), url])
    if len(body) <= LONGEST:
        piped = f"echo {base64.b64encode(body).decode('ascii')} | base64 -d"
    else:
        piped = f"python3 -c {shlex.quote(_program(body))}"
    return f"{piped} | " + " ".join([*parts, "--data-binary", "@-", url])


def _plain_text(body: bytes) -> str | None:
    """Return a body as a text that a shell passes on as it is; None for any other."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() and not text.startswith("@") else None


def _program(body: bytes) -> str:
    """Write a program in Python that prints a long body."""
    expression = _expression(body)
    imports = "import base64, sys, zlib" if expression.startswith("zlib") else "import sys"
    return f"{imports}; sys.stdout.buffer.write({expression})"


@lru_cache(maxsize=64)
def _expression(body: bytes) -> str:
    """Write a body as an expression of Python: as it is, by what it repeats, or compressed."""
    if len(body) <= LONGEST:
        return repr(body)
    repeated = " + ".join(_parts(body)) if len(_REPEATED.findall(body)) < LONGEST else ""
    if 0 < len(repeated) <= LONGEST_REPEATED:
        return repeated
    packed = base64.b64encode(zlib.compress(body, 9)).decode("ascii")
    return f'zlib.decompress(base64.b64decode("{packed}"))'


_REPEATED = re.compile(rb"(.{1,8}?)\1{15,}", re.DOTALL)
"""A few bytes that stand sixteen times or more, one after the other."""


def _parts(body: bytes) -> Iterator[str]:
    end = 0
    for found in _REPEATED.finditer(body):
        if found.start() > end:
            yield repr(body[end : found.start()])
        yield f"{found[1]!r} * {len(found[0]) // len(found[1])}"
        end = found.end()
    if end < len(body):
        yield repr(body[end:])


def _python(base: str, request: Request, fields: Sequence[_Field], key_env: str) -> list[str]:
    pairs = [
        f'("Authorization", "Bearer " + os.environ["{key_env}"])'
        if field.is_secret
        else f"({field.name!r}, {field.value!r})"
        for field in fields
    ]
    expression = _expression(request.body) if request.body else ""
    content = f", content={expression}" if expression else ""
    call = f"httpx2.request({request.method!r}, {url_of(base, request)!r}, headers=[{', '.join(pairs)}]{content})"
    imports = ["import base64, zlib"] if expression.startswith("zlib") else []
    return [*imports, f"response = {call}", "print(response.status_code, response.text)"]
