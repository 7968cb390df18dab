"""Runs in a client's own environment, on the standard library and the client alone: lines of orders in, outcomes out.

An order asks for a description ({"do": "describe"}) or for calls ({"do": "call", "calls": [...]}), one after the
other. A call names the resource ("chat", "beta.chat"), the method, its arguments, the kind of client (asynchronous,
strict) and the way:

- plain: call it;
- raw, streamed: call it by with_raw_response or with_streaming_response, then parse;
- pages: go through all that it lists;
- events: read a stream line by line, as upstream's guide shows it.

An outcome holds what the caller got, or the exception; the warnings; the waits between attempts, which are noted and
not waited for; and the seconds that it took. A model is written field by field, as its attributes read.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import inspect
import json
import operator
import sys
import time
import typing
import warnings
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from typing import Any

llama_cloud: Any = importlib.import_module("llama_cloud")

DOORS = ("chat", "beta.chat")
"""Where a release may keep the operations of the chat."""

OURS = ("self", "extra_headers", "extra_query", "extra_body", "timeout")
"""Parameters that every method has, whatever its operation."""

waits: list[float] = []
"""The seconds that the client wanted to wait in the present call."""


def stop_waiting() -> None:
    """Replace every sleep of this process by a note of how long it would have taken."""
    really = asyncio.sleep

    def noted(seconds: float) -> None:
        waits.append(seconds)

    async def noted_too(seconds: float, result: Any = None) -> Any:
        if seconds:
            waits.append(seconds)
        await really(0)
        return result

    places: list[tuple[Any, Any]] = [(time, noted), (asyncio, noted_too)]
    with contextlib.suppress(ImportError):
        places.append((importlib.import_module("anyio"), noted_too))
    for module, sleep in places:
        module.sleep = sleep


# -- what the client says of itself ----------------------------------------------------------------------------------


def describe() -> dict[str, Any]:
    """Describe the client: its version, and for each door its methods and the models that they give."""
    sync = llama_cloud.LlamaCloud(api_key="none", base_url="http://127.0.0.1:9")
    other = llama_cloud.AsyncLlamaCloud(api_key="none", base_url="http://127.0.0.1:9")
    doors = {}
    for door in DOORS:
        with contextlib.suppress(AttributeError):
            resource, twin = (operator.attrgetter(door)(client) for client in (sync, other))
            doors[door] = describe_door(type(resource), type(twin))
    return {"version": llama_cloud.__version__, "python": sys.version.split()[0], "doors": doors}


def describe_door(resource: Any, twin: Any) -> dict[str, Any]:
    """Describe a resource by its class and that of its asynchronous twin."""
    methods: dict[str, Any] = {}
    models: dict[Any, dict[str, Any]] = {}
    for name, function in vars(resource).items():
        if name.startswith("_") or not inspect.isfunction(function):
            continue
        found = [given(function), given(getattr(twin, name, None))]
        for each in found:
            describe_models(each, models)
        methods[name] = {
            "parameters": dict(parameters(function)),
            "returns": type_text(found[0]),
            "models": sorted({part.__name__ for each in found for part in inside(each) if is_model(part)}),
            "deprecated": getattr(function, "__deprecated__", None),
        }
    return {"methods": methods, "models": named(models)}


def named(models: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    """Return models by their names; of different ones with one name, the later by module and name."""
    made: dict[str, Any] = {}
    for model, fields in models.items():
        name = model.__name__
        made[name if made.get(name, fields) == fields else f"{model.__module__}.{name}"] = fields
    return made


def parameters(function: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the parameters of a method that belong to its operation."""
    for name, each in inspect.signature(function).parameters.items():
        if name not in OURS:
            yield name, {"required": each.default is each.empty, "type": str(each.annotation)}


def given(function: Any) -> Any:
    """Return the type that a method is annotated to return; None where it is not."""
    try:
        return typing.get_type_hints(inspect.unwrap(function)).get("return")
    except Exception:  # whatever stands in another's annotations
        return None


def is_model(annotation: Any) -> bool:
    """Return whether a type is a model."""
    return inspect.isclass(annotation) and issubclass(annotation, llama_cloud.BaseModel)


def inside(annotation: Any) -> Iterator[Any]:
    """Yield a type and all that it is made of; of a union that is told apart by a tag, the members."""
    yield annotation
    if typing.get_origin(annotation) is not typing.Literal:
        for each in typing.get_args(annotation):
            yield from inside(each)


def type_text(annotation: Any) -> str:
    """Write a type: Optional[str], List[EventStopEvent | EventTextEvent]."""
    if annotation is None or annotation is type(None):
        return "None"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " | ".join(map(repr, arguments))
    if hasattr(annotation, "__metadata__"):
        return type_text(arguments[0])
    if origin is typing.Union or type(annotation).__name__ == "UnionType":
        return " | ".join(map(type_text, arguments))
    name = getattr(annotation, "__name__", str(annotation).removeprefix("typing."))
    if origin is not None and arguments:
        return f"{name}[{', '.join(map(type_text, arguments))}]"
    return str(name)


def describe_models(annotation: Any, models: dict[Any, dict[str, Any]]) -> None:
    """Describe the models that a type is made of, and those of their fields."""
    for model in filter(is_model, inside(annotation)):
        if model in models:
            continue
        fields = models[model] = {}
        for name, field in model.model_fields.items():
            parts = list(inside(field.annotation))
            literals = [each for part in parts if typing.get_origin(part) is typing.Literal for each in part.__args__]
            fields[field.alias or name] = {
                "required": field.is_required(),
                "type": type_text(field.annotation),
                "models": [part.__name__ for part in parts if is_model(part)],
                "literals": literals,
            }
            describe_models(field.annotation, models)


# -- calls -----------------------------------------------------------------------------------------------------------


class Clients:
    """Makes clients; all of a kind share their connections."""

    def __init__(self) -> None:
        self.http: dict[bool, Any] = {}

    def make(self, asynchronous: bool, strict: bool, base_url: str, key: str) -> Any:
        """Make a client."""
        kind = llama_cloud.AsyncLlamaCloud if asynchronous else llama_cloud.LlamaCloud
        if asynchronous not in self.http:
            http = llama_cloud.DefaultAsyncHttpxClient if asynchronous else llama_cloud.DefaultHttpxClient
            self.http[asynchronous] = http()
        shared = self.http[asynchronous]
        return kind(api_key=key, base_url=base_url, http_client=shared, _strict_response_validation=strict)

    async def close(self) -> None:
        """Close their connections."""
        for asynchronous, http in self.http.items():
            await settled(http.aclose() if asynchronous else http.close())


async def settled(value: Any) -> Any:
    """Return a value, waited for where it must be."""
    return await value if inspect.isawaitable(value) else value


async def perform(client: Any, call: dict[str, Any], outcome: dict[str, Any]) -> Any:
    """Make a call in the way that is asked for."""
    target = operator.attrgetter(call["resource"])(client)
    method, arguments, way = call["method"], call["arguments"], call["way"]
    if way == "raw":
        response = await settled(getattr(target.with_raw_response, method)(**arguments))
        return await settled(response.parse())
    if way in ("streamed", "events"):
        manager = getattr(target.with_streaming_response, method)(**arguments)
        async with contextlib.AsyncExitStack() as stack:
            enter = stack.enter_async_context if call["asynchronous"] else stack.enter_context
            response = await settled(enter(manager))
            if way == "streamed":
                return await settled(response.parse())
            async for line in each_of(response.iter_lines()):
                hear(line, outcome)
        return outcome["value"]
    result = getattr(target, method)(**arguments)
    return [item async for item in each_of(result)] if way == "pages" else await settled(result)


async def each_of(values: Any) -> AsyncIterator[Any]:
    """Go through an iterable of either kind."""
    if isinstance(values, AsyncIterable):
        async for each in values:
            yield each
    else:
        for each in values:
            yield each


def hear(line: str, outcome: dict[str, Any]) -> None:
    """Take a line of a stream as the guide does."""
    if outcome["value"] is None:
        outcome["value"] = []
    if line.startswith("data: "):
        outcome["value"].append(json.loads(line[6:]))


def as_json(value: Any) -> Any:
    """Return a value as JSON: a model, an object, a list, a scalar, or what is none of them by its class."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [as_json(each) for each in value]
    if isinstance(value, dict):
        return {"object": {str(key): as_json(each) for key, each in value.items()}}
    if isinstance(value, llama_cloud.BaseModel):
        return model_json(value)
    return {"other": type(value).__name__, "text": repr(value)[:200]}


def model_json(value: Any) -> dict[str, Any]:
    """Return a model as JSON: the fields that were sent, undeclared ones, and those that have a value unsent."""
    declared = type(value).model_fields
    fields, unsent, missing = {}, {}, []
    for name, field in declared.items():
        here = getattr(value, name, None)
        if name in value.model_fields_set:
            fields[field.alias or name] = as_json(here)
        elif here is not None:
            unsent[field.alias or name] = as_json(here)
        elif field.is_required():
            missing.append(field.alias or name)
    extra = {name: as_json(getattr(value, name, None)) for name in value.model_extra or () if name not in declared}
    return {"model": type(value).__name__, "fields": fields, "extra": extra, "unsent": unsent, "missing": missing}


def failure(error: BaseException) -> dict[str, Any]:
    """Describe an exception."""
    return {
        "name": type(error).__name__,
        "bases": [each.__name__ for each in type(error).__mro__[1:]],
        "message": str(getattr(error, "message", error))[:2000],
        "places": places(error.__cause__),
        "status": getattr(error, "status_code", None),
        "body": as_json(getattr(error, "body", None)),
    }


def places(cause: Any) -> list[list[str]]:
    """Return the first places that a validation stumbled over, each with what it said; none for another exception."""
    try:
        return [["/".join(map(str, each["loc"])), str(each["msg"])] for each in cause.errors()[:3]]
    except (AttributeError, LookupError, TypeError):
        return []


async def answer(clients: Clients, call: dict[str, Any]) -> dict[str, Any]:
    """Make one call and describe its outcome."""
    outcome: dict[str, Any] = {"value": None, "error": None}
    waits.clear()
    began = time.perf_counter()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            client = clients.make(call["asynchronous"], call["strict"], call["base_url"], call["key"])
            outcome["value"] = await perform(client, call, outcome)
        except Exception as error:  # whatever the caller would get
            outcome["error"] = failure(error)
    outcome["seconds"] = time.perf_counter() - began
    outcome["value"] = as_json(outcome["value"])
    outcome["warnings"] = sorted({f"{each.category.__name__}: {each.message}" for each in warned})
    outcome["waits"] = list(waits)
    return outcome


async def main() -> None:
    """Follow orders until there are no more."""
    stop_waiting()
    clients = Clients()
    for line in sys.stdin:
        order = json.loads(line)
        done = describe() if order["do"] == "describe" else [await answer(clients, call) for call in order["calls"]]
        print(json.dumps(done), flush=True)
    await clients.close()


if __name__ == "__main__":
    asyncio.run(main())
