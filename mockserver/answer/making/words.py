"""Words for made values: drawn from Faker once for each language, then picked by chance."""

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING, Any, TypeAlias
from zlib import crc32

from mockserver.errors import UsageError
from mockserver.messages import Json

if TYPE_CHECKING:
    from faker import Faker

Text: TypeAlias = Callable[[Random], str]
"""Makes a text."""

ENGLISH = "en_US"

SIZE = 120
"""How many words of a kind are drawn."""

_EPOCH = datetime(2026, 4, 1, tzinfo=UTC)
_DAYS = tuple(f"{_EPOCH + timedelta(days=day):%Y-%m-%d}" for day in range(180))
_MINUTES = tuple(f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60))
_SECONDS = tuple(f"{second:02}" for second in range(60))

_lock = threading.Lock()
"""Faker has one random source, which nobody else may set while a pool is drawn."""


def check_locale(locale: str) -> None:
    """Reject a language in which Faker has no words."""
    if locale == ENGLISH:
        return
    from faker.config import AVAILABLE_LOCALES

    if locale not in AVAILABLE_LOCALES:
        like = sorted(each for each in AVAILABLE_LOCALES if each[:2] == locale[:2].lower())
        raise UsageError(
            f"there are no words for the locale {locale!r}",
            why="Faker does not know it",
            fix=f"write one of {', '.join(like)}" if like else "write one such as de_DE",
        )


@lru_cache(maxsize=8)
def _faker(locale: str) -> "Faker":
    """Return Faker for a language."""
    from faker import Faker

    return Faker(locale)


def words(rng: Random) -> "Faker":
    """Return Faker in English, drawing from `rng`; it is loaded when first needed."""
    if _local.fake is None:
        from faker import Faker

        _local.fake = Faker(ENGLISH)
    settable: Any = _local.fake  # its type does not show that the random source can be set
    settable.random = rng
    return _local.fake


class _Local(threading.local):
    """Faker for each thread, made when it is first needed."""

    fake: "Faker | None" = None


_local = _Local()


def moment(rng: Random) -> datetime:
    """Draw a moment within half a year."""
    return _EPOCH + timedelta(microseconds=rng.randrange(180 * 86_400 * 1_000_000))


def day(rng: Random) -> str:
    """Draw a date within half a year."""
    return _DAYS[int(rng.random() * 180)]


def clock_time(rng: Random) -> str:
    """Draw a time of day, in UTC."""
    random = rng.random
    return f"{_MINUTES[int(random() * 1440)]}:{_SECONDS[int(random() * 60)]}Z"


def day_time(rng: Random) -> str:
    """Draw a date and a time of day, in UTC."""
    random = rng.random
    return f"{_DAYS[int(random() * 180)]}T{_MINUTES[int(random() * 1440)]}:{_SECONDS[int(random() * 60)]}Z"


def uuid(rng: Random) -> str:
    """Draw a UUID of version 4."""
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[int(rng.random() * 4)]}{text[17:20]}-{text[20:]}"


def pick(pool: Sequence[Json]) -> Callable[[Random], Any]:
    """Return what picks one of some values."""
    values, size = tuple(pool), len(pool)
    return lambda rng: values[int(rng.random() * size)]


@lru_cache(maxsize=512)
def pool(provider: str, locale: str = ENGLISH, arguments: str = "") -> tuple[Json, ...]:
    """Draw values of one of Faker's providers, always the same ones; none if there is no such provider.

    `arguments` is written as in a call: "min=1, max=5".
    """
    if not provider.isidentifier() or provider.startswith(("_", "seed", "add_", "set_", "del_", "get_")):
        return ()
    try:
        given = _arguments(arguments)
        with _lock:
            fake = _faker(locale)
            fake.seed_instance(crc32(f"{provider} {arguments}".encode()))
            make = getattr(fake, provider)
            return tuple(dict.fromkeys(_plain(make(**given)) for _ in range(SIZE)))
    except Exception:  # whatever Faker makes of a name and arguments that somebody wrote into a document
        return () if locale == ENGLISH else pool(provider, ENGLISH, arguments)


_ARGUMENT = re.compile(
    r"\s*([a-z_]+)\s*=\s*(?:(-?\d{1,9}(?:\.\d{1,9})?)|(True|true|False|false)|['\"]([^'\"]*)['\"])\s*(?:,|$)"
)


def _arguments(text: str) -> dict[str, Any]:
    """Read what is written between the parentheses of a call; a ValueError if that is not read."""
    found: dict[str, Any] = {}
    at = 0
    while at < len(text.rstrip()):
        match = _ARGUMENT.match(text, at)
        if match is None:
            raise ValueError(text)
        name, number, truth, word = match.groups()
        found[name] = (
            (float(number) if "." in number else int(number)) if number else truth.lower() == "true" if truth else word
        )
        at = match.end()
    return found


def _plain(value: Any) -> Json:
    """Return what Faker gives as JSON. A TypeError says that it is no single value."""
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(type(value))


def sentence(locale: str = ENGLISH) -> Text:
    """Return what makes short sentences."""
    if locale == ENGLISH:
        return _sentences(tuple(f"We {text}." for text in pool("bs")))
    return _sentences(tuple(map(str, pool("sentence", locale))))


@lru_cache(maxsize=32)
def _sentences(texts: tuple[str, ...]) -> Text:
    return pick(texts)


# -- by name


def normal(name: str) -> tuple[str, ...]:
    """Split a property's name into its words, in lower case: createdAt -> created, at."""
    return tuple(re.findall(r"[a-z]+\d*|\d+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()))


def by_name(name: str, locale: str) -> Text | None:
    """Return what makes texts for a property of this name; None where the name says nothing."""
    found = normal(name)
    ends = ["_".join(found[start:]) for start in range(len(found))]
    makers = (_named(each, locale) for end in ends for each in (end, end.rstrip("0123456789_")))
    return next((make for make in makers if make is not None), None)


def by_description(text: str, locale: str) -> Text | None:
    """Return what makes texts for what a short description names; None where it names nothing known."""
    found = re.findall(r"[a-z]+", text.lower().replace("e-mail", "email")) if len(text) < 200 else []
    return next((_named(word, locale) for word in found if word in _TOLD), None)


_TOLD = frozenset("email phone telephone city country street company currency url uuid colour color timezone".split())
"""The words of a description that tell what a text is."""


@lru_cache(maxsize=1024)
def _named(name: str, locale: str) -> Text | None:
    if name in _MADE:
        return _MADE[name]
    provider = _PROVIDERS.get(name)
    found = pool(provider, locale) if provider is not None else ()
    return pick(tuple(map(str, found))) if found else None


def call_of(wanted: Json) -> str:
    """Return an `x-faker` as a call: `name`, `name(min=1)`, `group.camelName`, {name: {arguments}}; "" for others."""
    if isinstance(wanted, dict) and len(wanted) == 1:
        ((name, given),) = wanted.items()
        given = given if isinstance(given, dict) else {}
        return f"{name}({', '.join(f'{key}={value!r}' for key, value in given.items())})"
    return wanted if isinstance(wanted, str) else ""


def faked(call: str, locale: str) -> tuple[Json, ...]:
    """Return values that a call of one of Faker's providers gives; none if there is no such provider."""
    match = re.fullmatch(r"\s*([\w.]+)\s*(?:\((.*)\))?\s*", call)
    if match is None:
        return ()
    name = match[1].rpartition(".")[2]
    for each in (name, "_".join(normal(name)), _PROVIDERS.get("_".join(normal(name)), "")):
        if found := pool(each, locale, match[2] or ""):
            return found
    return ()


def _hexadecimal(size: int) -> Text:
    return lambda rng: f"{rng.getrandbits(4 * size):0{size}x}"


def _fields(text: str) -> dict[str, str]:
    """Read lines such as `provider: name, name`."""
    lines = (line.partition(":") for line in text.strip().splitlines())
    return {name.strip(): provider.strip() for provider, _, names in lines for name in names.split(",")}


_PROVIDERS: Mapping[str, str] = _fields("""
name: name, full_name, display_name, author, owner, user, person, contact, recipient, sender, customer, assignee
first_name: first_name, firstname, given_name, forename
last_name: last_name, lastname, surname, family_name
user_name: username, user_name, login, nick, nickname, handle, screen_name
safe_email: email, mail, email_address, from_email, to_email, email_addresses
phone_number: phone, phone_number, telephone, tel, mobile, fax, cell
city: city, town, locality, place, location
country: country, country_name, nation
country_code: country_code, iso_country
state: state, province, region, county
street_address: street, street_address, address_line, line1, address1, street1
secondary_address: line2, address2, street2
address: address, full_address, billing_address, shipping_address
postcode: zip, zip_code, zipcode, postcode, postal_code, plz
building_number: house_number, building_number
company: company, company_name, organization, organisation, employer, brand, vendor, manufacturer, publisher, merchant
job: job, job_title, position, profession, occupation, role
url: url, uri, link, href, website, homepage, site, webpage, callback_url, web_url
image_url: image, image_url, avatar, avatar_url, photo, picture, logo, icon, thumbnail, thumbnail_url, photo_url
domain_name: domain, domain_name, host, hostname, server, fqdn
ipv4: ip, ip_address, ipv4, remote_addr
ipv6: ipv6
mac_address: mac, mac_address
user_agent: user_agent, agent
currency_code: currency, currency_code
catch_phrase: title, headline, subject, caption, label, heading, slogan, tagline
word: category, tag, keyword, topic, group, kind, genre, collection, department, section, keyword
slug: slug, permalink
color_name: color, colour, color_name
hex_color: hex_color, background_color, text_color
language_name: language
language_code: lang, language_code
locale: locale
timezone: timezone, time_zone, tz
mime_type: mime_type, mimetype, content_type, media_type
file_name: file, file_name, filename, attachment
file_path: path, file_path, filepath
file_extension: extension, file_extension
iban: iban
swift: bic, swift
credit_card_number: card_number, credit_card
ean13: ean, gtin, barcode
isbn13: isbn
license_plate: license_plate
paragraph: body, content_text, article, bio, biography, about
text: long_description
""")
"""Names of properties -> Faker's providers."""


def _version(rng: Random) -> str:
    """Make the number of a release."""
    return f"{int(rng.random() * 5)}.{int(rng.random() * 20)}.{int(rng.random() * 20)}"


_MADE: Mapping[str, Text] = {
    **dict.fromkeys("id uuid guid identifier key_id uid".split(), uuid),
    **dict.fromkeys(
        "token secret api_key access_token refresh_token cursor next_token etag nonce".split(), _hexadecimal(24)
    ),
    **dict.fromkeys("hash checksum sha sha256 digest".split(), _hexadecimal(40)),
    "md5": _hexadecimal(32),
    **dict.fromkeys("password passwd passphrase".split(), lambda rng: "Pw-" + _hexadecimal(10)(rng)),
    **dict.fromkeys("version release revision".split(), _version),
    **dict.fromkeys("at timestamp datetime date_time created updated modified expires last_seen".split(), day_time),
    **dict.fromkeys("date day birthday birthdate dob on due".split(), day),
    **dict.fromkeys("gender sex".split(), pick(("female", "male", "other"))),
    **dict.fromkeys("status".split(), pick(("active", "pending", "done"))),
    **dict.fromkeys("sku".split(), lambda rng: "SKU-" + _hexadecimal(6)(rng).upper()),
    **dict.fromkeys("price amount total cost balance".split(), lambda rng: f"{rng.random() * 500 + 1:.2f}"),
    **dict.fromkeys("lat latitude".split(), lambda rng: f"{rng.random() * 180 - 90:.6f}"),
    **dict.fromkeys("lon lng longitude".split(), lambda rng: f"{rng.random() * 360 - 180:.6f}"),
    **dict.fromkeys("locale".split(), pick(("en_US", "de_DE", "fr_FR", "pt_BR", "ja_JP"))),
}
"""Names of properties whose texts need no Faker."""

NUMBERS: Mapping[str, tuple[float, float]] = {
    **dict.fromkeys(("age",), (18, 90)),
    **dict.fromkeys(("lat", "latitude"), (-90, 90)),
    **dict.fromkeys(("lon", "lng", "longitude"), (-180, 180)),
    **dict.fromkeys(("price", "amount", "cost", "total", "balance", "fee", "salary", "subtotal", "tax"), (1, 1000)),
    **dict.fromkeys(("id",), (1, 1_000_000)),
    **dict.fromkeys(("year",), (1990, 2026)),
    **dict.fromkeys(("month",), (1, 12)),
    **dict.fromkeys(("day",), (1, 28)),
    **dict.fromkeys(("hour",), (0, 23)),
    **dict.fromkeys(("minute", "second", "minutes", "seconds"), (0, 59)),
    **dict.fromkeys(("percent", "percentage", "progress"), (0, 100)),
    **dict.fromkeys(("rating", "stars"), (1, 5)),
    **dict.fromkeys(("port",), (1024, 65535)),
    **dict.fromkeys(("width", "height"), (16, 2048)),
    **dict.fromkeys(("size", "bytes", "length"), (1, 100_000)),
    **dict.fromkeys(("probability", "confidence", "score", "ratio"), (0, 1)),
    **dict.fromkeys(("timestamp", "at"), (1_775_001_600, 1_790_553_600)),
}
"""The typical range of numbers, by the last word of a property's name."""


def range_of(name: str) -> tuple[float, float] | None:
    """Return the typical range of a number of this name; None where the name says nothing."""
    found = normal(name)
    return NUMBERS.get(found[-1]) if found else None
