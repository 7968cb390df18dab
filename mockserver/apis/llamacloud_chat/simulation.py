"""Maps the played operations to the functions that play them."""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial

from mockserver.api import Call, Draft, Play, PlayContext
from mockserver.apis.llamacloud_chat.sessions import (
    ChatContext,
    Traits,
    create,
    delete,
    get_summary,
    list_sessions,
    retrieve,
    set_title,
    stream,
)
from mockserver.contract.openapi import EVENT_STREAM, Operation
from mockserver.contract.schema import Schema
from mockserver.contract.tree import join, resolve
from mockserver.messages import Json

TITLE_ROUTE = ("POST", "/api/v1/chat/{session_id}/title")

_ROUTES: Mapping[tuple[str, str], Callable[[ChatContext, Call], Draft]] = {
    ("POST", "/api/v1/chat"): create,
    ("GET", "/api/v1/chat"): list_sessions,
    ("GET", "/api/v1/chat/{session_id}"): retrieve,
    ("DELETE", "/api/v1/chat/{session_id}"): delete,
    ("GET", "/api/v1/chat/{session_id}/summary"): get_summary,
    TITLE_ROUTE: set_title,
    ("POST", "/api/v1/chat/{session_id}/messages/stream"): stream,
}


def plays(context: PlayContext) -> dict[Operation, Play]:
    """Return the play function of each played operation, found by method and path."""
    chat = ChatContext.of(context)
    found: dict[Operation, Play] = {}
    for contract in context.contracts:
        has_titles = any((each.method, each.path) == TITLE_ROUTE for each in contract.operations)
        for operation in contract.operations:
            play = _ROUTES.get((operation.method, operation.path))
            if play is not None:
                chat.traits[operation] = _traits(operation, title_call=has_titles)
                played, takes = partial(play, chat), _TAKES.get(play, _takes_any)
                found[operation] = played if contract.bundled else partial(_play_if_understood, played, takes)
    return found


def _play_if_understood(play: Callable[[Call], Draft], takes: Callable[[Json], bool], call: Call) -> Draft | None:
    """Play a call of a user's contract, if what it sends is what the chat API takes."""
    return play(call) if call.path.keys() <= {"session_id"} and takes(call.body) else None


def _takes_session(body: Json) -> bool:
    if body is None:
        return True
    return isinstance(body, dict) and (
        (body.get("index_ids") is None or _are_texts(body["index_ids"]))
        and isinstance(body.get("shared_access"), str | None)
    )


def _takes_message(body: Json) -> bool:
    return isinstance(body, dict) and isinstance(body.get("first_message"), str)


def _takes_prompt(body: Json) -> bool:
    return isinstance(body, dict) and isinstance(body.get("prompt"), str) and _are_texts(body.get("index_ids"))


def _takes_any(_: Json) -> bool:
    return True


def _are_texts(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


_TAKES: Mapping[Callable[[ChatContext, Call], Draft], Callable[[Json], bool]] = {
    create: _takes_session,
    set_title: _takes_message,
    stream: _takes_prompt,
}
"""Returns whether an operation can be played with a body; limits are the contract's."""


@lru_cache(maxsize=128)
def _traits(operation: Operation, *, title_call: bool) -> Traits:
    reply = operation.reply(operation.success)
    schemas = [each for media in (reply.media if reply else ()) for each in (media.schema, media.item_schema) if each]
    known = {name for schema in schemas for name in _properties(schema, schema.pointer)}
    return Traits(
        "shared_access" in known,
        "skipped_index_ids" in known,
        title_call,
        any(media.type == EVENT_STREAM for media in (reply.media if reply else ())),
    )


def _properties(schema: Schema, pointer: str, depth: int = 3) -> Iterable[str]:
    """Collect the properties of a schema, of its unions' branches, and of its lists' items."""
    pointer, node = resolve(schema.document, pointer)
    if not isinstance(node, dict) or depth == 0:
        return
    for name, below in node.get("properties", {}).items():
        yield name
        if isinstance(below, dict) and "items" in below:
            yield from _properties(schema, join(pointer, "properties", name, "items"), depth - 1)
    for index in range(len(node.get("oneOf", ()))):
        yield from _properties(schema, join(pointer, "oneOf", index), depth - 1)
