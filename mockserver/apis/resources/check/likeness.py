"""Whether a server has kept a value: in another form, perhaps, but the same."""

import unicodedata
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from mockserver.contract.resolved import is_same, type_of
from mockserver.messages import Json


def is_like(sent: Json, got: Json) -> bool:
    """Return whether a value is what was sent, in whatever form: in another case, trimmed, a time in another zone.

    An object may have more fields than were sent, a list another order.
    """
    if is_same(sent, got):
        return True
    if isinstance(sent, dict):
        return isinstance(got, dict) and all(
            value is None or (name in got and is_like(value, got[name])) for name, value in sent.items()
        )
    if isinstance(sent, list):
        return isinstance(got, list) and len(sent) == len(got) and _are_alike(sent, got)
    if isinstance(got, dict | list) or None in (sent, got):
        return False
    return _is_like_text(_text(sent), _text(got))


def _are_alike(sent: list[Json], got: list[Json]) -> bool:
    left = list(got)
    for each in sent:
        index = next((number for number, other in enumerate(left) if is_like(each, other)), None)
        if index is None:
            return False
        del left[index]
    return True


def _text(value: Json) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_like_text(one: str, other: str) -> bool:
    return _folded(one) == _folded(other) or _is_same_number(one, other) or _is_same_time(one, other)


def _folded(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _is_same_number(one: str, other: str) -> bool:
    try:
        return Decimal(one) == Decimal(other)
    except InvalidOperation:
        return False


def _is_same_time(one: str, other: str) -> bool:
    """Return whether two texts are the same second."""
    try:
        first, second = (_utc(datetime.fromisoformat(each)) for each in (one, other))
    except ValueError:
        return False
    return abs((first - second).total_seconds()) < 1


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def is_scalar(value: Json) -> bool:
    """Return whether a value is neither null, nor an object, nor a list."""
    return type_of(value) not in ("object", "array", "null")
