"""Which names hold secrets, and how their values are hidden from all that is remembered or printed."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias
from urllib.parse import quote, unquote_plus

from mockserver.messages import Finding, RawHeaders, Request

HIDDEN = "[redacted]"

PHRASES = tuple(
    "authorization,api key,apikey,access key,private key,access token,auth token,bearer token,id token,refresh token,"
    "security token,session token,secret,secrets,password,passwords,passwd,passphrase,credential,credentials,"
    "cookie,cookies,csrf,csrftoken,xsrf".split(",")
)
"""Words that make a name secret: as whole words, in this order."""

HARMLESS = frozenset(
    "id ids count length type expires expiry expired in at url uri endpoint enabled required policy name names scheme "
    "consent status".split()
)
"""Last words of names that tell something about a secret, but not the secret."""

ANYWHERE = 8
"""A secret of at least this many characters is hidden everywhere; a shorter one only where it is quoted as a value."""

_PLACES = (
    r"(?P<quoted>(?P<mark>['\"`]))(?:SECRET)(?=\\*(?P=mark))",
    r"(?P<item>[\[{:,] ?|(?i:bearer|basic) )(?:SECRET)(?=['\"\]},&;\n]|$)",
    r"(?P<parameter>=)(?:SECRET)(?=['\"`&;,\s]|$)",
    r"^(?:SECRET)(?= (?:is|does|has|was) )",
)
"""Where a short secret is quoted: in quotation marks, in JSON or a header, in a query or a cookie, before a verb."""

LONGEST_SEARCHED = 262_144
"""The longest body, in bytes, that is searched for secrets which its answer quotes."""

MOST_SECRETS = 1_000
"""How many secrets of one request, in all their writings, are looked for one by one."""

_PARTS = ("authori", "api", "key", "token", "secret", "passw", "passphrase", "credential", "cookie", "srf")
"""Parts of which every secret name has one."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Za-z][a-z]*|[0-9]+")

_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)(?:"|\\?\Z)', re.DOTALL)
"""A text in JSON, cut or whole."""

_COLON = re.compile(r"\s*:\s*")
_VALUE = re.compile(_TEXT.pattern + r"|-?[0-9][0-9.eE+-]*|\[[^\[\]{}]*(?:\]|\Z)", re.DOTALL)
"""A value that is hidden as a whole: a text, a number or a flat list."""

_FORM = b"application/x-www-form-urlencoded"

Hide: TypeAlias = Callable[[str], str]
"""Hides the secrets of one request in a text."""


@lru_cache(maxsize=4_096)
def _has_phrase(name: str) -> bool:
    words = [word.lower() for word in _WORD.findall(name)]
    if not words or words[-1] in HARMLESS:
        return False
    text = f" {' '.join(words)} "
    return any(f" {phrase} " in text for phrase in PHRASES)


@dataclass(frozen=True)
class Redactor:
    """Hides secrets; `secret` and `public` name further secrets and exemptions, in any case."""

    secret: frozenset[str] = frozenset()
    public: frozenset[str] = frozenset()

    @classmethod
    def of(cls, secret: Iterable[str], public: Iterable[str]) -> "Redactor":
        """Make one from names."""
        return cls(frozenset(map(str.lower, secret)), frozenset(map(str.lower, public)))

    def is_secret(self, name: str) -> bool:
        """Return whether the values of a name are secret: a header, a query parameter, or a field of a body."""
        lower = name.lower()
        return lower in self.secret or (lower not in self.public and _has_phrase(name))

    # -- parts of a message

    def headers(self, raw: RawHeaders) -> RawHeaders:
        """Return header fields without secrets; the scheme of a key stays."""
        return [
            (name, _hidden_field(value, name)) if self.is_secret(name.decode("latin-1")) else (name, value)
            for name, value in raw
        ]

    def query(self, query: str) -> str:
        """Return a query, or a form's body, without secrets."""
        parts = [part.partition("=") for part in query.split("&")]
        return "&".join(
            f"{name}={quote(HIDDEN)}" if value and self.is_secret(unquote_plus(name)) else name + equals + value
            for name, equals, value in parts
        )

    def body(self, body: bytes, kind: bytes = b"") -> bytes:
        """Return a body without the values of its secret fields; `kind` is its content type. It may be cut."""
        text = body.decode("utf-8", "surrogateescape")
        if kind.startswith(_FORM):
            hidden = self.query(text)
        else:
            parts, end = [], 0
            for value in self._values(text):
                made = f'"{HIDDEN}"' if value[0][0] == '"' else f'["{HIDDEN}"]' if value[0][0] == "[" else "0"
                parts += [text[end : value.start()], made]
                end = value.end()
            hidden = "".join([*parts, text[end:]])
        return hidden.encode("utf-8", "surrogateescape")

    def _may_hold(self, text: str) -> bool:
        """Return whether a text holds a part of a secret name; most have none, and need not be read."""
        lower = text.lower()
        return any(part in lower for part in _PARTS) or any(name in lower for name in self.secret)

    def _values(self, text: str) -> "Iterator[re.Match[str]]":
        """Yield the values of the secret fields of a JSON text. Texts are read in step, so the work is linear."""
        if not self._may_hold(text):
            return
        at = 0
        while (name := _TEXT.search(text, at)) is not None:
            at = name.end()
            colon = _COLON.match(text, at)
            if colon is not None and self.is_secret(name[1]):
                value = _VALUE.match(text, colon.end())
                if value is not None:
                    at = value.end()
                    yield value

    def answer(self, request: Request, body: bytes, *, quotes: bool) -> bytes:
        """Return an answer's body without secrets: its own, and those of the request if it may quote them.

        A very long body is not searched for what is quoted: if it may hold secrets, the whole answer is hidden.
        """
        quoted = request.body
        if len(quoted) > LONGEST_SEARCHED:
            if quotes and self._may_hold(quoted.decode("latin-1")):
                return HIDDEN.encode()
            quoted = b""
        texts = self.texts(request.headers.raw, request.query, quoted)
        hide = hider(text for text in texts if quotes or len(text) >= ANYWHERE)
        body = self.body(body)
        if hide is None:
            return body
        return hide(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    # -- quotations

    def texts(self, headers: RawHeaders, query: str = "", body: bytes = b"") -> Iterator[str]:
        """Yield the secret texts of a request, as they were sent."""
        for field, sent in headers:
            if self.is_secret(field.decode("latin-1")):
                text = sent.decode("latin-1")
                yield text
                yield from (text.strip(), *text.split(None, 1)[1:])
                yield from (part.strip().partition("=")[2].strip('"') for part in text.split(";") if "=" in part)
        for part in query.split("&"):
            name, _, text = part.partition("=")
            if text and self.is_secret(unquote_plus(name)):
                yield from (text, unquote_plus(text))
        for value in self._values(body.decode("utf-8", "surrogateescape")):
            yield from map(_read, _TEXT.findall(value[0]))

    def findings(self, findings: tuple[Finding, ...], request: Request) -> tuple[Finding, ...]:
        """Return findings about a request that quote none of its secrets."""
        if not findings:
            return findings
        texts = list(self.texts(request.headers.raw, request.query))
        return tuple(self._finding(each, texts) for each in findings)

    def _finding(self, finding: Finding, texts: list[str]) -> Finding:
        secret = self._is_place(finding.where)
        hide = hider([*texts, *_leaves(finding.received)] if secret else texts) or str
        return replace(
            finding,
            message=hide(self._text(finding.message)),
            expected=hidden_in(finding.expected, hide),
            received=HIDDEN if secret else hidden_in(self._without(finding.received), hide),
        )

    def _text(self, text: str) -> str:
        if '":' not in text:
            return text
        return self.body(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")

    def _without(self, value: Any) -> Any:
        """Return a JSON value without the values of its secret fields."""
        if isinstance(value, dict):
            return {name: HIDDEN if self.is_secret(name) else self._without(each) for name, each in value.items()}
        return [self._without(each) for each in value] if isinstance(value, list) else value

    def _is_place(self, where: str) -> bool:
        parts = where.split("/")
        return where.startswith("/cookie/") or (len(parts) > 2 and parts[1] != "path" and self.is_secret(parts[-1]))


def hider(secrets: Iterable[str]) -> Hide | None:
    """Return what hides these texts in a text, however they are escaped there; None if there are none.

    If they are very many, it hides the whole text.
    """
    found = {form for text in secrets if text for form in (text, json.dumps(text)[1:-1], repr(text)[1:-1], quote(text))}
    if not found:
        return None
    if len(found) > MOST_SECRETS:
        return lambda _: HIDDEN
    longest_first = sorted(found, key=lambda text: (-len(text), text))
    long = [re.escape(text) for text in longest_first if len(text) >= ANYWHERE]
    short = "|".join(re.escape(text) for text in longest_first if len(text) < ANYWHERE)
    places = [place.replace("SECRET", short) for place in _PLACES] if short else []
    pattern = re.compile("|".join([*long, *places]))

    def hide(text: str) -> str:
        return HIDDEN if text in found else pattern.sub(_hidden, text)

    return hide


def _hidden(match: re.Match[str]) -> str:
    """Return what stands for a secret, after what opens the quotation of a short one."""
    return next((each for name, each in match.groupdict().items() if name != "mark" and each), "") + HIDDEN


def hidden_in(value: Any, hide: Hide) -> Any:
    """Return a JSON value with the secrets hidden in all its texts."""
    if isinstance(value, str):
        return hide(value)
    if isinstance(value, list):
        return [hidden_in(each, hide) for each in value]
    if isinstance(value, dict):
        return {hide(name): hidden_in(each, hide) for name, each in value.items()}
    return value


_ATTRIBUTES = frozenset(b"domain expires httponly max-age partitioned path priority samesite secure".split())
"""The attributes of a cookie that is set, which hold no secret."""


def _hidden_field(value: bytes, field: bytes) -> bytes:
    if field == b"set-cookie" and b"=" in value:
        name, _, rest = value.partition(b"=")
        attributes = [each for each in rest.split(b";")[1:] if each.partition(b"=")[0].strip().lower() in _ATTRIBUTES]
        return b";".join((name + b"=" + HIDDEN.encode(), *attributes))
    scheme, space, _ = value.partition(b" ")
    keeps = space and scheme.lower() in (b"bearer", b"basic")
    return scheme + b" " + HIDDEN.encode() if keeps else HIDDEN.encode()


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _leaves(each)
    elif not isinstance(value, bool) and value is not None:
        yield str(value)


def _read(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


DEFAULT = Redactor()
