"""What a client makes of an answer that no contract allows, in a line that can be compared between releases."""

import json
from collections.abc import Sequence
from contextlib import suppress

from mockserver.check.client_cases import Case
from mockserver.check.client_judge import Told, differences
from mockserver.exchange import Json
from mockserver.journal import Exchange
from mockserver.schema import lookup

_SHOWN = 60


def seen_text(case: Case, told: Told, exchanges: Sequence[Exchange], attempts: int) -> str:
    """Tell what the user gets: the exception, or what stands at the place that is looked at."""
    text = _value(case, told.value, exchanges) if told.error is None else _raised(told.error)
    if told.error is not None and case.way == "events" and told.value:
        text = f"{len(told.value)} events, then {text}"
    if not exchanges:
        return f"{text}, nothing sent"
    return text if attempts == 1 else f"{text} after {attempts} attempts"


def _raised(error: Json) -> str:
    """Tell an exception, and, where it is that of an error's status, what kind of body it holds."""
    body = error["body"]
    kind = "a text" if isinstance(body, str) and body else told_kind(body)
    return f"{error['name']} with {kind}" if (error["status"] or 0) >= 400 else str(error["name"])


def _value(case: Case, value: Json, exchanges: Sequence[Exchange]) -> str:
    if case.way == "events":
        return f"{len(value or ())} events"
    if isinstance(value, str) and value and exchanges and value == exchanges[-1].answer.decode("utf-8", "replace"):
        return "the whole body as a text"
    if not case.look:
        return told_kind(value)
    found, sent = value_at(value, case.look), UNSENT
    if case.answers:
        with suppress(LookupError):
            sent = lookup(case.answers[0].get("body"), case.look)
    if isinstance(sent, str) and isinstance(found, bool | int | float):
        return "read as a truth value" if isinstance(found, bool) else "read as a number"
    is_model = isinstance(found, dict) and "model" in found
    return "as sent" if not is_model and not differences(sent, found, {}) else told_value(found)


UNSENT = object()
"""Stands for a place that the answer has not."""


def value_at(value: Json, pointer: str) -> Json:
    """Give what stands at a place of a value as the driver tells it; None where nothing does."""
    for token in pointer.split("/")[1:]:
        if isinstance(value, list):
            value = value[int(token)] if int(token) < len(value) else None
        elif isinstance(value, dict):
            fields = value.get("object") or {**value.get("fields", {}), **value.get("extra", {})}
            value = fields.get(token)
        else:
            return None
    return value


def told_value(value: Json) -> str:
    """Write a value: a model with its class, what it holds, and what its class requires and it lacks."""
    if isinstance(value, dict) and "model" in value:
        parts = [f"{key}={told_value(each)}" for key, each in {**value["fields"], **value["extra"]}.items()]
        parts += [f"{key} lacking" for key in value["missing"]]
        return _cut(f"{value['model']}({', '.join(parts)})", 3 * _SHOWN)
    if isinstance(value, dict):
        return _cut(json.dumps(value.get("object", value), ensure_ascii=False), _SHOWN)
    return _cut(json.dumps(value, ensure_ascii=False), _SHOWN).replace("null", "None")


def told_kind(value: Json) -> str:
    """Write what kind of value it is."""
    if value is None:
        return "None"
    if isinstance(value, dict):
        return "its model" if "model" in value else str(value.get("other", "a dict"))
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return _cut(json.dumps(value, ensure_ascii=False), _SHOWN)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 3] + "..."
