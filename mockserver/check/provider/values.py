"""Valid values for the parts of a request: a body, the texts of parameters, the usual request of an operation."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from random import Random

from mockserver.answer.generate import generate
from mockserver.check.provider.cases import UNSENT, Case, parameter_holds
from mockserver.contract.openapi import Operation, Parameter
from mockserver.contract.resolved import keywords, view_of
from mockserver.contract.schema import Schema
from mockserver.contract.sides import seen_from
from mockserver.errors import ContractError
from mockserver.messages import Json

SEEDS = 50
"""How many values are made in search of a valid one."""

NOTES = ("examples", "example", "default", "const", "enum")
"""The keywords that name values."""


@lru_cache(maxsize=256)
def base_body(operation: Operation) -> Json:
    """Return a plain valid body, UNSENT if an operation takes none; a ContractError if none can be made."""
    if operation.body is None:
        return UNSENT
    found = next(_valid(operation.body.schema), UNSENT)
    if found is UNSENT:
        where = "#" + operation.body.schema.pointer
        raise ContractError("no valid body can be made", where=where, fix="give it an example")
    return found


def _valid(schema: Schema) -> Iterator[Json]:
    """Make valid values of a schema, never null, without what answers alone have."""
    asked = seen_from(schema, "request")
    for seed in range(SEEDS):
        try:
            made = generate(schema, Random(seed), direction="request")
        except ContractError:
            return
        if made is not None and asked.is_valid(made):
            yield made


@lru_cache(maxsize=1_024)
def sample_texts(parameter: Parameter) -> tuple[str, ...]:
    """Return valid texts for a parameter, the likeliest first: its examples, then what its schema names, then made."""
    texts = [text_of(value) for value in _samples(parameter)]
    return tuple(dict.fromkeys(text for text in texts if text != "" and parameter_holds(parameter, text)))


def _samples(parameter: Parameter) -> Iterator[Json]:
    yield from parameter.examples
    views, view = view_of(parameter.schema)
    for leaf in views.leaves(view):
        for key in NOTES:
            for _, value in keywords(leaf, key):
                yield from value if key in ("examples", "enum") and isinstance(value, list) else [value]
    yield from (value for _, value in zip(range(3), _valid(parameter.schema), strict=False))


def text_of(value: Json) -> str:
    """Write a value as the text of a parameter; of a list, its first item."""
    if isinstance(value, list):
        return text_of(value[0]) if value else ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else "" if value is None or isinstance(value, dict) else str(value)


@lru_cache(maxsize=256)
def required_texts(operation: Operation, location: str) -> tuple[tuple[str, str], ...]:
    """Return a valid text for each required parameter in a place; a ContractError where none can be made."""
    found = []
    for parameter in operation.parameters:
        if parameter.location != location or not parameter.required:
            continue
        texts = sample_texts(parameter)
        if not texts:
            what = f"no valid value can be made for the {location} parameter {parameter.name}"
            raise ContractError(what, where="#" + parameter.schema.pointer, fix="give it an example")
        found.append((parameter.name, texts[0]))
    return tuple(found)


def least(operation: Operation, path: Mapping[str, str]) -> Case:
    """Return the smallest valid request of an operation, which sets the least conditions for what comes after it."""
    case = usual(operation, path, "the smallest")
    if operation.body is None or not operation.body.required:
        return case._replace(body=UNSENT, content_type=None)
    body = case.body
    for key in list(body) if isinstance(body, dict) else ():
        smaller = {other: value for other, value in body.items() if other != key}
        if operation.body.schema.is_valid(smaller):
            body = smaller
    return case._replace(body=body)


def usual(operation: Operation, path: Mapping[str, str], name: str = "the usual") -> Case:
    """Return the plain valid request of an operation: what is required, and a body where it takes one."""
    headers = list(required_texts(operation, "header"))
    cookies = required_texts(operation, "cookie")
    if cookies:
        headers.append(("cookie", "; ".join(f"{key}={value}" for key, value in cookies)))
    return Case(name, operation, path, required_texts(operation, "query"), base_body(operation), headers=tuple(headers))
