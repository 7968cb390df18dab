"""Texts of the formats of JSON Schema and of OpenAPI's registry of formats."""

from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from random import Random
from typing import NamedTuple

from mockserver.answer.making import words
from mockserver.answer.making.words import Text


class Format(NamedTuple):
    """How texts of a format are made: as they usually look, and by patterns, to any length that the format has."""

    usual: Callable[[str], Text] | None
    """Returns what makes usual texts in a language."""
    patterns: tuple[str, ...]


def _pool(provider: str) -> Callable[[str], Text]:
    return lambda locale: words.pick(tuple(map(str, words.pool(provider, locale))))


def _plain(make: Text) -> Callable[[str], Text]:
    return lambda _: make


def _any(_: str) -> Text:
    return lambda rng: "Aa1-" + "".join(rng.choices(_LETTERS, k=10))


_LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_MAIL = r"^[a-z]{1,60}@[a-z]{1,60}\.(org|com|io)$"
_HOST = r"^[a-z]{1,20}(\.[a-z]{2,20}){1,8}$"
_ADDRESS = r"^https://[a-z]{1,60}\.(org|com|io)(/[a-z0-9]{1,20})*$"
_RELATIVE = (r"^(/[a-z0-9]{1,20})*$", r"^[a-z]+$", r"^$")
_DIGITS = (r"^[1-9]?[0-9]$", r"^[1-9][0-9]*$", r"^[0-9]$")
_DECIMAL = (r"^[1-9][0-9]?\.[0-9]{2}$", r"^[1-9][0-9]*$", r"^[1-9]\.[0-9]+$")
_OCTET = r"(1[0-9][0-9]|[1-9][0-9]|[1-9])"


def _encoded(encode: Callable[[bytes], bytes]) -> Callable[[str], Text]:
    def usual(locale: str) -> Text:
        sentence = words.sentence(locale)
        return lambda rng: encode(sentence(rng).encode()).decode()

    return usual


def _http_date(rng: Random) -> str:
    moment = words.moment(rng)
    day, month = _DAYS[moment.weekday()], _MONTHS[moment.month - 1]
    return f"{day}, {moment.day:02} {month} {moment.year} {moment:%H:%M:%S} GMT"


_DAYS = "Mon Tue Wed Thu Fri Sat Sun".split()
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def _duration(rng: Random) -> str:
    return f"P{int(rng.random() * 9) + 1}DT{int(rng.random() * 23) + 1}H{int(rng.random() * 59) + 1}M"


FORMATS: Mapping[str, Format] = {
    "date-time": Format(
        _plain(words.day_time),
        (r"^2026-0[1-9]-[12][0-8]T[01][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,60})?(Z|\+0[0-9]:00)$",),
    ),
    "date": Format(_plain(words.day), (r"^2026-0[1-9]-[12][0-8]$",)),
    "time": Format(_plain(words.clock_time), (r"^[01][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,60})?(Z|\+0[0-9]:00)$",)),
    "date-time-local": Format(
        _plain(lambda rng: words.day_time(rng)[:-1]),
        (r"^2026-0[1-9]-[12][0-8]T[01][0-9]:[0-5][0-9]:[0-5][0-9](\.[0-9]{1,60})?$",),
    ),
    "time-local": Format(_plain(lambda rng: words.clock_time(rng)[:-1]), (r"^[01][0-9]:[0-5][0-9]:[0-5][0-9]$",)),
    "duration": Format(_plain(_duration), (r"^P[1-9][0-9]*D$", r"^PT[1-9]H$")),
    "http-date": Format(_plain(_http_date), ()),
    "uuid": Format(_plain(words.uuid), ()),
    "email": Format(_pool("safe_email"), (_MAIL, r"^[a-z]{1,60}@[a-z]+$")),
    "idn-email": Format(_pool("safe_email"), (_MAIL, r"^[a-zäöü]{1,60}@[a-z]+$")),
    "hostname": Format(_pool("domain_name"), (_HOST, r"^[a-z]{1,60}$")),
    "idn-hostname": Format(_pool("domain_name"), (_HOST, r"^[a-z]{1,60}$")),
    "ipv4": Format(_pool("ipv4"), (rf"^{_OCTET}(\.{_OCTET}){{3}}$",)),
    "ipv6": Format(_pool("ipv6"), (r"^[1-9a-f][0-9a-f]{0,3}(:[1-9a-f][0-9a-f]{0,3}){7}$", r"^::[1-9a-f]?$")),
    "uri": Format(_pool("url"), (_ADDRESS, r"^[a-z]{1,8}:[a-z]*$")),
    "url": Format(_pool("url"), (_ADDRESS, r"^[a-z]{1,8}:[a-z]*$")),
    "iri": Format(_pool("url"), (_ADDRESS, r"^[a-z]{1,8}:[a-zäöü]*$")),
    "uri-reference": Format(lambda _: words.pick([f"/{path}" for path in words.pool("uri_path")]), _RELATIVE),
    "iri-reference": Format(lambda _: words.pick([f"/{path}" for path in words.pool("uri_path")]), _RELATIVE),
    "uri-template": Format(None, (r"^/[a-z]{3,9}/\{[a-z]{2,6}\}$", r"^(/[a-z]{1,9})*/\{[a-z]{1,6}\}$", r"^[a-z]*$")),
    "json-pointer": Format(None, (r"^(/[a-z]{3,8}){1,2}(/[0-9])?$", r"^(/[a-z0-9]{0,20})*$")),
    "relative-json-pointer": Format(None, (r"^[0-2](/[a-z]{3,8}){1,2}$", r"^[0-9](/[a-z0-9]{0,20})*$")),
    "regex": Format(None, (r"^\^\[a-z\]\{[1-9]\}[a-z]{1,3}\$$", r"^[a-z]*$")),
    "byte": Format(_encoded(b64encode), (r"^([A-Za-z0-9+/]{4})+$", r"^$")),
    "base64": Format(_encoded(b64encode), (r"^([A-Za-z0-9+/]{4})+$", r"^$")),
    "base64url": Format(_encoded(urlsafe_b64encode), (r"^([A-Za-z0-9_-]{4})+$", r"^$")),
    "binary": Format(words.sentence, ()),
    "password": Format(_any, ()),
    "char": Format(None, (r"^[a-zA-Z]$",)),
    "commonmark": Format(words.sentence, ()),
    "html": Format(None, (r"^<p>[A-Z][a-z]{4,9} [a-z]{3,9}\.</p>$", r"^<p>[a-z]*</p>$")),
    "phone": Format(_pool("phone_number"), ()),
    "decimal": Format(None, _DECIMAL),
    "decimal128": Format(None, _DECIMAL),
    "double-int": Format(None, _DIGITS),
    **dict.fromkeys("int8 int16 int32 int64 uint8 uint16 uint32 uint64".split(), Format(None, _DIGITS)),
    **dict.fromkeys(("float", "double"), Format(None, _DECIMAL)),
    "media-range": Format(
        _plain(words.pick(("application/json", "text/*", "image/png", "*/*"))), (r"^[a-z]+/[a-z]+$",)
    ),
    "sf-binary": Format(lambda locale: _between(_encoded(b64encode)(locale), ":"), (r"^:([A-Za-z0-9+/]{4})*:$",)),
    "sf-boolean": Format(_plain(words.pick(("?0", "?1"))), ()),
    "sf-decimal": Format(None, (r"^[1-9][0-9]?\.[0-9]{1,2}$", r"^[0-9]{1,12}\.[0-9]{1,3}$")),
    "sf-integer": Format(None, (r"^[1-9][0-9]?$", r"^[1-9][0-9]{0,14}$")),
    "sf-string": Format(None, (r'^"[a-z]{4,9}"$', r'^"[a-z]*"$')),
    "sf-token": Format(None, (r"^[a-z]{4,9}$", r"^[a-z]+$")),
}
"""The formats that are known, by name."""


def _between(make: Text, mark: str) -> Text:
    return lambda rng: f"{mark}{make(rng)}{mark}"
