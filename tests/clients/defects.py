"""Defects of a client, planted in a released one: copied into its environment, where Python runs it at every start.

Which of them is in force stands in a file beside it.
"""

import contextlib
import functools
import importlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).with_name("defect.txt")
SYNC, ASYNC = "resources.chat.ChatResource", "resources.chat.AsyncChatResource"

Defect = Callable[..., Any]
"""What is done instead of a function: it is given that, and its arguments."""

DEFECTS: dict[str, tuple[str, str, Defect]] = {}
"""By name: the class, as it is found in the client, its method, and what is done instead."""


def defect(owner: str, method: str) -> Callable[[Defect], Defect]:
    def add(function: Defect) -> Defect:
        DEFECTS[function.__name__] = owner, method, function
        return function

    return add


def is_model(value: Any) -> bool:
    return hasattr(value, "model_fields_set")


@defect(SYNC, "create")
def sends_other_indexes(original: Defect, *args: Any, **named: Any) -> Any:
    return original(*args, **{**named, "index_ids": ["idx-other"]})


@defect(SYNC, "create")
def forgets_the_project(original: Defect, *args: Any, **named: Any) -> Any:
    named.pop("project_id", None)
    return original(*args, **named)


@defect(SYNC, "list")
def adds_a_parameter(original: Defect, *args: Any, **named: Any) -> Any:
    return original(*args, **named, extra_query={"page": 1})


@defect(SYNC, "stream")
def breaks_the_contract(original: Defect, *args: Any, **named: Any) -> Any:
    return original(*args, **{**named, "index_ids": []})


@defect(SYNC, "get_summary")
def calls_another_operation(_: Defect, self: Any, session_id: str, **__: Any) -> Any:
    return self.retrieve(session_id)


@defect(SYNC, "get_summary")
def sends_nothing(*_: Any, **__: Any) -> Any:
    return None


@defect(SYNC, "delete")
def asks_twice(original: Defect, *args: Any, **named: Any) -> Any:
    original(*args, **named)
    return original(*args, **named)


@defect(SYNC, "get_summary")
def loses_a_field(original: Defect, *args: Any, **named: Any) -> Any:
    value = original(*args, **named)
    if is_model(value):
        value.generated_title = None
    return value


@defect(ASYNC, "get_summary")
async def loses_a_field_where_nothing_waits(original: Defect, *args: Any, **named: Any) -> Any:
    value = await original(*args, **named)
    if is_model(value):
        value.generated_title = None
    return value


@defect(SYNC, "get_summary")
def rounds_a_number(original: Defect, *args: Any, **named: Any) -> Any:
    value = original(*args, **named)
    if is_model(value) and value.job_metadata is not None and value.job_metadata.duration_ms:
        value.job_metadata.duration_ms = round(value.job_metadata.duration_ms)
    return value


@defect(SYNC, "get_summary")
def invents_a_field(original: Defect, *args: Any, **named: Any) -> Any:
    value = original(*args, **named)
    if is_model(value):
        value.read_at = "now"
    return value


@defect(SYNC, "list")
def loses_an_item(original: Defect, *args: Any, **named: Any) -> Any:
    value = original(*args, **named)
    if is_model(value):
        value.items = value.items[:-1]
    return value


@defect("pagination.SyncPaginatedCursor", "next_page_info")
def stops_at_the_first_page(*_: Any, **__: Any) -> Any:
    return None


@defect(SYNC, "retrieve")
def mistakes_the_class(original: Defect, *args: Any, **named: Any) -> Any:
    value = original(*args, **named)
    if is_model(value) and value.events:
        types = importlib.import_module("llama_cloud.types.chat_retrieve_response")
        value.events[0] = types.EventUserInputEvent.construct(**value.events[0].to_dict())
    return value


@defect(SYNC, "get_summary")
def gives_a_dict(original: Defect, *args: Any, **named: Any) -> Any:
    value = original(*args, **named)
    return value.to_dict() if is_model(value) else value


@defect(SYNC, "get_summary")
def stumbles_over_null(original: Defect, *args: Any, **named: Any) -> Any:
    value = original(*args, **named)
    if is_model(value) and value.index_ids is None:
        raise TypeError("'NoneType' object is not iterable")
    return value


@defect(SYNC, "delete")
def swallows_an_error(original: Defect, *args: Any, **named: Any) -> Any:
    with contextlib.suppress(importlib.import_module("llama_cloud").NotFoundError):
        original(*args, **named)


@defect(SYNC, "delete")
def raises_another_error(original: Defect, *args: Any, **named: Any) -> Any:
    errors = importlib.import_module("llama_cloud")
    try:
        original(*args, **named)
    except errors.NotFoundError as error:
        raise errors.BadRequestError(error.message, response=error.response, body=error.body) from error


@defect(SYNC, "delete")
def hides_the_body(original: Defect, *args: Any, **named: Any) -> Any:
    try:
        original(*args, **named)
    except importlib.import_module("llama_cloud").APIStatusError as error:
        error.body = None
        raise


@defect("_base_client.BaseClient", "_should_retry")
def tries_a_404_again(original: Defect, self: Any, response: Any) -> Any:
    return response.status_code == 404 or original(self, response)


@defect("_base_client.BaseClient", "_should_retry")
def gives_up_at_once(*_: Any) -> Any:
    return False


@defect("_base_client.BaseClient", "_parse_retry_after_header")
def does_not_listen(*_: Any, **__: Any) -> Any:
    return None


@defect("_response.APIResponse", "iter_lines")
def loses_an_event(original: Defect, *args: Any, **named: Any) -> Iterator[str]:
    return (line for line in original(*args, **named) if '"tool_call"' not in line)


@defect(SYNC, "delete")
def dies(*_: Any, **__: Any) -> Any:
    os._exit(3)


def install() -> None:
    for name, (owner, method, instead) in DEFECTS.items():
        module, _, kind = f"llama_cloud.{owner}".rpartition(".")
        place = getattr(importlib.import_module(module), kind)
        setattr(place, method, altered(name, getattr(place, method), instead))


def altered(name: str, original: Defect, instead: Defect) -> Defect:
    @functools.wraps(original)
    def function(*args: Any, **named: Any) -> Any:
        return instead(original, *args, **named) if HERE.read_text() == name else original(*args, **named)

    return function


if __name__ == "sitecustomize":
    install()
