"""Valid values for the parts of a request: a body, the texts of parameters, the usual request of an operation."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from random import Random

from mockserver.answer.body import format_of
from mockserver.answer.generate import generate
from mockserver.check.provider.cases import UNSENT, Case
from mockserver.check.provider.writing import cookies_in, field_of, pairs_of, segment_of
from mockserver.contract.media import concrete
from mockserver.contract.openapi import ANYTHING, Media, Operation, Parameter
from mockserver.contract.resolved import keywords, view_of
from mockserver.contract.schema import Schema
from mockserver.contract.sides import seen_from
from mockserver.errors import ContractError
from mockserver.messages import Json
from mockserver.request.validate import readings

SEEDS = 50
"""How many values are made in search of a valid one."""

NOTES = ("examples", "example", "default", "const", "enum")
"""The keywords that name values."""


@lru_cache(maxsize=1_024)
def base_body(operation: Operation, media: Media | None = None) -> Json:
    """Return a plain valid body, of one media type or the preferred one; UNSENT if an operation takes none.

    A ContractError says that none can be made.
    """
    if operation.body is None:
        return UNSENT
    chosen = media or operation.body.preferred
    found = next(_bodies(chosen), UNSENT)
    if found is UNSENT:
        where = operation.placed(f"#{chosen.schema.pointer if chosen.schema is not None else chosen.pointer}")
        raise ContractError("no valid body can be made", where=where, fix="give it an example")
    return found


def _bodies(media: Media) -> Iterator[Json]:
    """Make valid bodies of a media type: a small file, a list of items, or a value of the schema; else its examples."""
    written = format_of(media, concrete(media.type))
    file = written.sample(concrete(media.type), Random(0))
    if file is not None:
        yield file
    elif media.item_schema is not None:
        yield list(islice(_valid(media.item_schema), 2))
    else:
        yield from _valid(media.schema or ANYTHING)
        yield from media.examples.values()


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
    """Return valid texts for a parameter of a path, the likeliest first, as its style has them."""
    texts = (segment_of(parameter, value) for value in sample_values(parameter))
    return tuple(dict.fromkeys(text for text in texts if text not in ("", ".", "..")))


@lru_cache(maxsize=1_024)
def sample_values(parameter: Parameter) -> tuple[Json, ...]:
    """Return valid values for a parameter: its examples, then what its schema names, then made; none that is empty."""
    found: list[Json] = []
    for sample in _samples(parameter):
        read = readings(sample) if isinstance(sample, str) else [sample]
        found += islice((value for value in read if parameter.schema.is_valid(value)), 1)
    return tuple(each for each in found if each not in (None, "", [], {}))


def _samples(parameter: Parameter) -> Iterator[Json]:
    yield from parameter.examples
    views, view = view_of(parameter.schema)
    for leaf in views.leaves(view):
        for key in NOTES:
            for _, value in keywords(leaf, key):
                yield from value if key in ("examples", "enum") and isinstance(value, list) else [value]
    yield from (value for _, value in zip(range(3), _valid(parameter.schema), strict=False))


@lru_cache(maxsize=1_024)
def required_values(operation: Operation, location: str) -> tuple[tuple[Parameter, Json], ...]:
    """Return a valid value for each required parameter in a place; a ContractError where none can be made."""
    found = []
    for parameter in operation.parameters:
        if parameter.location != location or not parameter.required:
            continue
        values = sample_values(parameter)
        if not values:
            what = f"no valid value can be made for the {location} parameter {parameter.name}"
            where = operation.placed("#" + parameter.schema.pointer)
            raise ContractError(what, where=where, fix="give it an example")
        found.append((parameter, values[0]))
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


def usual(operation: Operation, path: Mapping[str, str], name: str = "the usual", media: Media | None = None) -> Case:
    """Return the plain valid request of an operation: what is required, and a body where it takes one."""
    if all(name[0] == "1" for name in operation.replies or ("200",)):
        what, why = "it declares no final answer", "a status of 1xx ends no request"
        raise ContractError(what, where=operation.placed(), why=why, fix="declare what it answers in the end")
    query = [pair for place in ("query", "querystring") for pair in _pairs(operation, place)]
    body = base_body(operation, media)
    return Case(name, operation, path, tuple(query), body, headers=headers_of(operation), media=media)


def headers_of(operation: Operation, without: Parameter | None = None) -> tuple[tuple[str, str], ...]:
    """Return the required header fields and cookies, but for one parameter."""
    headers = [(each.name, field_of(each, value)) for each, value in required_values(operation, "header")]
    headers = [pair for pair in headers if without is None or pair[0] != without.name]
    cookies = _pairs(operation, "cookie", without)
    return (*headers, ("cookie", cookies_in(cookies))) if cookies else tuple(headers)


def _pairs(operation: Operation, location: str, without: Parameter | None = None) -> list[tuple[str, str]]:
    values = required_values(operation, location)
    return [pair for each, value in values if each is not without for pair in pairs_of(each, value)]
