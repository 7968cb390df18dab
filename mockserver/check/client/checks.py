"""What a client sent and what its user got, judged by what the contract and the documented policy ask of them."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from mockserver.check.client.cases import ClientCase
from mockserver.check.client.errors import ANY_STATUS, NAMED, UNREACHED
from mockserver.check.report.model import format_value
from mockserver.contract.resolved import is_same
from mockserver.contract.tree import join, lookup
from mockserver.journal.exchange import Exchange, calls_of
from mockserver.messages import Finding, Json
from mockserver.sse import parse

RULES: Mapping[str, str] = {
    "exercised": "A call sends a request to its operation.",
    "not-in-contract": "Each method of the client calls an operation that the contract has.",
    "request-valid": "What the client sends is what the contract allows.",
    "request-faithful": "What the client sends is what its user said: nothing is lost, changed or added.",
    "request-once": "A call that was answered is not made again, and nothing else is called.",
    "answer-taken": "An answer that the contract allows raises nothing.",
    "answer-kept": "What is in the answer can be read from what the user gets, unchanged.",
    "answer-pure": "What is not in the answer is not in what the user gets.",
    "answer-class": "An object becomes the class that is meant for it.",
    "error-raised": "A documented error becomes the documented exception.",
    "error-reported": "The exception has the status and the body of the error.",
    "retry-count": "What is worth it is tried again five times, all else never.",
    "retry-wait": "Before it tries again, the client waits as the server says, else as documented.",
    "mock-right": "The mock plays what was stubbed.",
}
"""The rules by which a client is judged."""


def fault(rule: str, where: str, message: str, expected: Json = None, received: Json = None) -> Finding:
    """Make a finding of one case; `where` is a JSON pointer into what was sent or what was got."""
    return Finding(where, rule, message, "client", expected, received)


class CallOutcome(NamedTuple):
    """What came of a call, as the driver tells it."""

    value: Json
    error: Json
    warnings: Sequence[str]
    waits: Sequence[float]
    seconds: float


Door = Mapping[str, Mapping[str, Any]]
"""What the client says of the resource that is called: its methods and its models, by name."""

Models = Mapping[str, Mapping[str, Any]]
"""The fields of the client's models, by name."""


def judge(case: ClientCase, outcome: CallOutcome, exchanges: Sequence[Exchange], door: Door) -> list[Finding]:
    """Return what is wrong with a call."""
    ours = [finding for each in exchanges for finding in each.findings if finding.fault != "client"]
    if ours:
        return [Finding("", "mock-right", ours[0].message, "mock")]
    right = [each for each in exchanges if each.operation == case.operation.id]
    if not right:
        came = f"{exchanges[0].method} {exchanges[0].path}" if exchanges else "nothing"
        why = _raised(outcome) if outcome.error else "nothing was raised"
        return [fault("exercised", "", f"no request came for {case.operation.id}: {came} was sent, {why}")]
    found = [
        *_valid(exchanges),
        *_faithful(case, right),
        *_often(case, outcome, exchanges),
        *_patient(case, outcome, right),
    ]
    return [*found, *(_failed(case, outcome, right) if case.raises else _given(case, outcome, right, door))]


def _raised(outcome: CallOutcome) -> str:
    return f"{outcome.error['name']}: {outcome.error['message'][:300]}"


# -- what was sent ---------------------------------------------------------------------------------------------------


def _valid(exchanges: Sequence[Exchange]) -> Iterator[Finding]:
    for finding in (finding for each in exchanges for finding in each.violations):
        yield replace(finding, rule="request-valid", where=f"/request{finding.where}")


def _faithful(case: ClientCase, exchanges: Sequence[Exchange]) -> Iterator[Finding]:
    """Compare each request with what the user said; of a list of pages, the later ones ask for their page."""
    given = {name: value for name, value in case.arguments.items() if name != "timeout"}
    token: Json = None
    for each in exchanges if case.pages > 1 else exchanges[:1]:
        wanted = {**given, "page_token": token} if token else given
        yield from _differs(case, wanted, each)
        token = _next_token(each) if case.pages > 1 else None


def _next_token(exchange: Exchange) -> Json:
    body = _decoded(exchange.answer)
    return body.get("next_page_token") if isinstance(body, dict) else None


def _differs(case: ClientCase, given: Mapping[str, Json], exchange: Exchange) -> Iterator[Finding]:
    """Compare a request with what was said; what is null or empty in a query may as well be left out."""
    parts, places = exchange.parts, {each.name: each.location for each in case.operation.parameters}
    for part, sent in (("path", parts.path), ("query", parts.query)):
        wanted = {name: _spelled(value) for name, value in given.items() if places.get(name) == part}
        filled = {name: value for name, value in sent.items() if value}
        yield from _unlike({name: text for name, text in wanted.items() if text}, filled, join("/request", part))
    body = {name: value for name, value in given.items() if name not in places}
    if case.operation.body is None:
        if parts.body is not None:
            yield _unfaithful("/request/body", None, parts.body)
    elif body or parts.body is not None:
        yield from _unlike(body, parts.body, "/request/body")


def _spelled(value: Json) -> str:
    return json.dumps(value) if isinstance(value, bool) else "" if value is None else str(value)


def _unlike(wanted: Json, sent: Json, where: str) -> Iterator[Finding]:
    if isinstance(wanted, dict) and isinstance(sent, dict):
        for key in [*wanted, *(key for key in sent if key not in wanted)]:
            if key not in wanted or key not in sent or not is_same(wanted[key], sent[key]):
                yield _unfaithful(join(where, key), wanted.get(key), sent.get(key))
    elif not is_same(wanted, sent):
        yield _unfaithful(where, wanted, sent)


def _unfaithful(where: str, wanted: Json, sent: Json) -> Finding:
    return fault("request-faithful", where, "what is sent is not what the user said", wanted, sent)


# -- how often, and when ---------------------------------------------------------------------------------------------


def attempts_of(outcome: CallOutcome, exchanges: Sequence[Exchange]) -> int:
    """Count the attempts; one that the client gave up early may never have come, but was waited for."""
    return max(len(exchanges), len(outcome.waits) + 1)


def _often(case: ClientCase, outcome: CallOutcome, exchanges: Sequence[Exchange]) -> Iterator[Finding]:
    if outcome.error is not None and not case.raises:  # it gave up, which is told as such
        return
    calls = len(calls_of(exchanges))
    if calls != case.pages and case.timeout is None:
        yield fault("request-once", "/requests", "it made another number of calls", case.pages, calls)
    count = attempts_of(outcome, exchanges) if case.timeout is not None else len(exchanges) - case.pages + 1
    if count != case.attempts and calls == case.pages:
        answer = f"{exchanges[0].status}" if case.raises != UNREACHED else "a failed connection"
        message = f"after {answer} it made {count} attempts, not {case.attempts}"
        yield fault("retry-count", "/requests", message, case.attempts, count)


def _patient(case: ClientCase, outcome: CallOutcome, exchanges: Sequence[Exchange]) -> Iterator[Finding]:
    """Judge the waits; of a client that waits otherwise than by sleeping, only that it took as long as it must."""
    waits = list(outcome.waits)
    if len(exchanges) != case.attempts and case.timeout is None:  # which is told as such
        return
    if not waits and case.waits:
        least = sum(low for low, _ in case.waits)
        if outcome.seconds < least:
            message = "it tried again at once"
            yield fault("retry-wait", "/waits", message, [list(each) for each in case.waits], outcome.seconds)
        return
    for number, ((low, high), wait) in enumerate(zip(case.waits, waits, strict=False)):
        if not low - 1e-6 <= wait <= high + 1e-6:
            message = f"before attempt {number + 2} it waits {wait:.3f} s, not {_range(low, high)}"
            yield fault("retry-wait", "/waits", message, [low, high], wait)


def _range(low: float, high: float) -> str:
    return f"{low:g} s" if low == high else f"{low:g} to {high:g} s"


# -- what the user gets ----------------------------------------------------------------------------------------------


def _failed(case: ClientCase, outcome: CallOutcome, exchanges: Sequence[Exchange]) -> Iterator[Finding]:
    error = outcome.error
    if error is None:
        message = f"nothing was raised, where {case.raises} must be"
        yield fault("error-raised", "/raised", message, case.raises, _short(outcome.value))
        return
    names = [error["name"], *error["bases"]]
    too_special = case.raises == ANY_STATUS and error["name"] in NAMED.values()
    if case.raises not in names or too_special:
        message = f"it raises {error['name']}, not {case.raises}"
        yield fault("error-raised", "/raised", message, case.raises, _raised(outcome))
        return
    if ANY_STATUS not in names:
        return
    last = exchanges[-1]
    if error["status"] != last.status:
        yield fault("error-reported", "/raised/status_code", "it tells another status", last.status, error["status"])
    for where, wanted, got, why in differences(_decoded(last.answer), error["body"], {}):
        yield fault(
            "error-reported", f"/raised/body{where}", f"its body is another: {why}", _short(wanted), _short(got)
        )


def _given(case: ClientCase, outcome: CallOutcome, exchanges: Sequence[Exchange], door: Door) -> Iterator[Finding]:
    if outcome.error is not None:
        where, why = next(iter(outcome.error["places"]), ("", outcome.error["message"]))
        text = f"{outcome.error['name']}: {f'{where}: ' if where else ''}{why}"[:300]
        place = f"/answer/{where}".rstrip("/")
        yield fault("answer-taken", place, f"an answer that the contract allows raises {text}", None, text)
        return
    wanted = _wanted(case, exchanges)
    allowed = [] if case.way == "events" else door["methods"][case.operation.id]["models"]
    for where, expected, got, why in differences(wanted, outcome.value, door["models"], "", allowed):
        rule, _, text = why.partition(": ")
        yield fault(rule, f"/answer{where}", text, _short(expected), _short(got))


def _wanted(case: ClientCase, exchanges: Sequence[Exchange]) -> Json:
    """Return what the user must get: what the journal recorded as the answer."""
    if case.way == "events":
        return [event.data for event in parse(exchanges[-1].answer)[0]]
    if case.way == "pages":
        return [item for each in case.answers for item in each["body"]["items"]]
    return _decoded(exchanges[-1].answer)


def _decoded(body: bytes) -> Json:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode("utf-8", "replace")


FieldDifference = tuple[str, Json, Json, str]
"""A place, what was sent, what reads there, and the rule with what is wrong: "answer-kept: it is lost"."""


def differences(
    sent: Json, got: Json, models: Models, where: str = "", allowed: Sequence[str] = ()
) -> list[FieldDifference]:
    """Compare what was sent with what the user gets, as the driver tells it; `allowed` are the models meant for it."""
    if isinstance(got, dict) and "model" in got and isinstance(sent, dict):
        return list(_of_model(sent, got, models, where, allowed))
    if isinstance(got, dict) and "object" in got and isinstance(sent, dict):
        wrong = [(where, sent, got["object"], "answer-class: it is no model, but a dict")] if allowed else []
        return [*wrong, *_of_fields(sent, got["object"], models, where, {})]
    if isinstance(got, list) and isinstance(sent, list):
        if len(sent) != len(got):
            return [(where, len(sent), len(got), "answer-kept: the list has another length")]
        pairs = enumerate(zip(sent, got, strict=True))
        return [each for i, (one, two) in pairs for each in differences(one, two, models, join(where, i), allowed)]
    if isinstance(got, dict | list) or isinstance(sent, dict | list) or not is_same(sent, got):
        return [(where, sent, got, "answer-kept: it reads otherwise")]
    return []


def _of_fields(
    sent: Mapping[str, Json], got: Mapping[str, Json], models: Models, where: str, fields: Mapping[str, Json]
) -> Iterator[FieldDifference]:
    """Compare objects field by field; `fields` describes those of the model."""
    for key in sent:
        if key in got:
            meant = fields.get(key, {}).get("models", ())
            yield from differences(sent[key], got[key], models, join(where, key), meant)
        else:
            yield join(where, key), sent[key], None, "answer-kept: it is lost"
    for key in got:
        if key not in sent:
            yield join(where, key), None, got[key], "answer-pure: it was never sent"


def _of_model(
    sent: Mapping[str, Json], got: Json, models: Models, where: str, allowed: Sequence[str]
) -> Iterator[FieldDifference]:
    name, fields = got["model"], models.get(got["model"], {})
    if allowed and name not in allowed:
        yield where, list(allowed), name, f"answer-class: it becomes {name}"
    for key, value in sent.items():
        literals = fields.get(key, {}).get("literals")
        if literals and isinstance(value, str) and value not in literals:
            yield join(where, key), value, name, f"answer-class: it becomes {name}, which is for {literals}"
    read = {**got["fields"], **got["extra"], **got["unsent"]}
    read = {key: value for key, value in read.items() if key in sent or value is not None}
    yield from _of_fields(sent, read, models, where, fields)


def _short(value: Json) -> Json:
    """Return a value, cut where it is too long to show."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return value if len(text) <= 400 else text[:400] + "..."


_LONGEST = 180
"""How many characters of a model are shown."""


def seen_text(case: ClientCase, outcome: CallOutcome, exchanges: Sequence[Exchange], attempts: int) -> str:
    """Describe what the user gets: the exception, or what stands at the place that is looked at."""
    text = _value(case, outcome.value, exchanges) if outcome.error is None else _error_text(outcome.error)
    if outcome.error is not None and case.way == "events" and outcome.value:
        text = f"{len(outcome.value)} events, then {text}"
    if not exchanges:
        return f"{text}, nothing sent"
    return text if attempts == 1 else f"{text} after {attempts} attempts"


def _error_text(error: Json) -> str:
    """Describe an exception, and, where it is that of an error's status, what kind of body it holds."""
    body = error["body"]
    kind = "a text" if isinstance(body, str) and body else describe_kind(body)
    return f"{error['name']} with {kind}" if (error["status"] or 0) >= 400 else str(error["name"])


def _value(case: ClientCase, value: Json, exchanges: Sequence[Exchange]) -> str:
    if case.way == "events":
        return f"{len(value or ())} events"
    if isinstance(value, str) and value and exchanges and value == exchanges[-1].answer.decode("utf-8", "replace"):
        return "the whole body as a text"
    if not case.look:
        return describe_kind(value)
    found, sent = value_at(value, case.look), UNSENT
    if case.answers:
        with suppress(LookupError):
            sent = lookup(case.answers[0].get("body"), case.look)
    if isinstance(sent, str) and isinstance(found, bool | int | float):
        return "read as a truth value" if isinstance(found, bool) else "read as a number"
    is_model = isinstance(found, dict) and "model" in found
    return (
        "as sent" if sent is not UNSENT and not is_model and not differences(sent, found, {}) else describe_value(found)
    )


UNSENT = object()
"""Stands for a place that the answer has not."""


def value_at(value: Json, pointer: str) -> Json:
    """Return what a value as the driver writes it holds at a JSON pointer; None for nothing."""
    for token in pointer.split("/")[1:]:
        if isinstance(value, list):
            value = value[int(token)] if int(token) < len(value) else None
        elif isinstance(value, dict):
            fields = value.get("object") or {**value.get("fields", {}), **value.get("extra", {})}
            value = fields.get(token)
        else:
            return None
    return value


def describe_value(value: Json) -> str:
    """Write a value: a model with its class, what it holds, and what its class requires and it lacks."""
    if isinstance(value, dict) and "model" in value:
        parts = [f"{key}={describe_value(each)}" for key, each in {**value["fields"], **value["extra"]}.items()]
        parts += [f"{key} lacking" for key in value["missing"]]
        text = f"{value['model']}({', '.join(parts)})"
        return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
    if isinstance(value, dict):
        return format_value(value.get("object", value))
    return format_value(value).replace("null", "None")


def describe_kind(value: Json) -> str:
    """Write what kind of value it is."""
    if value is None:
        return "None"
    if isinstance(value, dict):
        return "its model" if "model" in value else str(value.get("other", "a dict"))
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return format_value(value)
