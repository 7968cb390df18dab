"""An independent judge: exchanges against the contract's document, by jsonschema and none of the code that serves."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from jsonschema import Draft202012Validator

from mockserver.contract.source import read_source
from mockserver.messages import Json
from tests.clients.calls import Exchange

SCHEMAS = Path(__file__).parents[2] / "schemas" / "llamacloud-chat"


@dataclass(frozen=True, slots=True)
class Place:
    """The operation that a request names, and the values in its path."""

    path: str
    method: str
    values: dict[str, str]


@cache
def document(era: str) -> Json:
    """Give the document of an era."""
    return read_source(SCHEMAS / f"{era}.yaml").data


def node(era: str, *keys: str) -> Json:
    """Give what stands at a place of the document, references on the way followed; None where nothing does."""
    at: Json = document(era)
    for key in keys:
        at = _referred(era, at)
        if not isinstance(at, dict) or key not in at:
            return None
        at = at[key]
    return _referred(era, at)


def _referred(era: str, at: Json) -> Json:
    while isinstance(at, dict) and isinstance(at.get("$ref"), str):
        at = node(era, *at["$ref"].removeprefix("#/").split("/"))
    return at


@cache
def validator(era: str, *keys: str) -> Any:
    """Give the validator of the schema at a place of the document."""
    schema = node(era, *keys)
    components = {"schemas": document(era)["components"]["schemas"]}
    return Draft202012Validator(
        {**schema, "components": components}, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def place_of(era: str, exchange: Exchange) -> Place | None:
    """Find the operation that a request names."""
    path = exchange.target.partition("?")[0]
    for template, item in document(era)["paths"].items():
        pattern = "/".join("([^/]+)" if part.startswith("{") else re.escape(part) for part in template.split("/"))
        found = re.fullmatch(pattern, path)
        if found and exchange.method.lower() in item:
            names = re.findall(r"{(.+?)}", template)
            return Place(template, exchange.method.lower(), dict(zip(names, map(unquote, found.groups()), strict=True)))
    return None


def faults_of_request(era: str, exchange: Exchange) -> list[str]:
    """Give all in which a request breaks the contract of an era."""
    place = place_of(era, exchange)
    if place is None:
        return [f"{exchange.method} {exchange.target} is no operation"]
    faults = [*_faults_of_query(era, place, exchange), *_faults_of_body(era, place, exchange)]
    if not re.fullmatch(r"Bearer \S.*", exchange.request_headers.get("authorization", "")):
        faults.append("there is no key")
    return faults


def _faults_of_query(era: str, place: Place, exchange: Exchange) -> Iterator[str]:
    at = ("paths", place.path, place.method, "parameters")
    parameters = [_referred(era, each) for each in node(era, *at)]
    schemas = {each["name"]: each["schema"] for each in parameters if each["in"] == "query"}
    sent = parse_qsl(exchange.target.partition("?")[2], keep_blank_values=True, strict_parsing=bool(schemas))
    if len({name for name, _ in sent}) < len(sent):
        yield "a parameter stands twice in the query"
    for name, text in sent:
        if name not in schemas:
            yield f"query {name}: no such parameter"
            continue
        judge = Draft202012Validator(schemas[name], format_checker=Draft202012Validator.FORMAT_CHECKER)
        meant: list[Json] = [text, int(text)] if re.fullmatch(r"-?\d+", text) else [text]
        if not any(judge.is_valid(value) for value in meant):
            yield f"query {name}: {text!r} does not satisfy its schema"


def _faults_of_body(era: str, place: Place, exchange: Exchange) -> Iterator[str]:
    at = ("paths", place.path, place.method, "requestBody")
    declared = node(era, *at)
    if not exchange.request_body:
        if declared and declared.get("required"):
            yield "body: there is none"
        return
    if declared is None:
        yield "body: none is declared"
        return
    media = exchange.request_headers.get("content-type", "")
    if media not in declared["content"]:
        yield f"body: type {media!r} is not declared"
        return
    judge = validator(era, *at, "content", media, "schema")
    yield from (f"body: {error.message}" for error in judge.iter_errors(json.loads(exchange.request_body)))


def faults_of_answer(era: str, exchange: Exchange) -> list[str]:
    """Give all in which an answer breaks the contract of an era."""
    place = place_of(era, exchange)
    if place is None:
        return [f"{exchange.method} {exchange.target} is no operation"]
    at = ("paths", place.path, place.method, "responses", str(exchange.status))
    declared = node(era, *at)
    if declared is None:
        return [f"the status {exchange.status} is not declared"]
    if "content" not in declared:
        return ["there is a body, and none is declared"] if exchange.body else []
    media = exchange.headers.get("content-type", "")
    if media not in declared["content"]:
        return [f"the type {media!r} is not declared"]
    if media == "text/event-stream":
        return faults_of_stream(exchange.body, validator(era, *at, "content", media, "x-item-schema"))
    judge = validator(era, *at, "content", media, "schema")
    return [f"{error.json_path}: {error.message}" for error in judge.iter_errors(json.loads(exchange.body))]


def faults_of_stream(text: str, judge: Any) -> list[str]:
    """Give all in which a stream is not a turn of events that ends with its stop."""
    events = list(events_of(text))
    faults = [
        f"event {index}: {error.message}" for index, each in enumerate(events) for error in judge.iter_errors(each)
    ]
    if [each.get("type") for each in events].count("stop") != 1 or events[-1]["type"] != "stop":
        faults.append("the turn does not end with its only stop")
    if not text.endswith("\n\n"):
        faults.append("the last event is cut")
    return faults


def events_of(text: str) -> Iterator[Json]:
    """Give the events of a stream."""
    return (json.loads(line[6:]) for line in text.split("\n") if line.startswith("data: "))


def same(one: Json, other: Json) -> bool:
    """Say whether two values are the same JSON; 1 and 1.0 are, 1 and true are not."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
