"""Runs in the environment of one release of the Python client: JSON lines of calls in, JSON lines of outcomes out.

It needs the standard library and the client alone. One call names the resource ("beta.chat", "chat", or "" for the
client itself), the method, its arguments and the way:

- plain: call it;
- raw, streaming: call it by with_raw_response or with_streaming_response, read the text, then parse;
- pages: go through all that it lists;
- guide: read a stream as the guide shows it, and give what that prints.

An outcome holds what was parsed, or the exception; what the client read as text; and every exchange on the wire.
"""

import asyncio
import contextlib
import importlib
import inspect
import io
import json
import operator
import sys
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx

MOST_EXCHANGES = 50
"""So many requests in one call are taken for a listing without end."""

llama_cloud: Any = importlib.import_module("llama_cloud")


class Tee(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A response body that keeps a copy of what is read from it."""

    def __init__(self, stream: Any, copy: bytearray) -> None:
        self.stream, self.copy = stream, copy

    def __iter__(self) -> Iterator[bytes]:
        for part in self.stream:
            self.copy += part
            yield part

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self.stream:
            self.copy += part
            yield part

    def close(self) -> None:
        self.stream.close()

    async def aclose(self) -> None:
        await self.stream.aclose()


class Wire(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """The client's transport, which remembers each exchange and changes none."""

    def __init__(self, asynchronous: bool) -> None:
        self.inner: Any = httpx.AsyncHTTPTransport() if asynchronous else httpx.HTTPTransport()
        self.exchanges: list[tuple[httpx.Request, httpx.Response, bytearray]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self.remember(request, self.inner.handle_request(request))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.remember(request, await self.inner.handle_async_request(request))

    def remember(self, request: httpx.Request, response: httpx.Response) -> httpx.Response:
        if len(self.exchanges) == MOST_EXCHANGES:
            raise RuntimeError(f"more than {MOST_EXCHANGES} requests in one call")
        copy = bytearray()
        self.exchanges.append((request, response, copy))
        return httpx.Response(response.status_code, headers=response.headers, stream=Tee(response.stream, copy))

    def take(self) -> list[dict[str, Any]]:
        """Give what was remembered, and forget it."""
        taken, self.exchanges = self.exchanges, []
        return [
            {
                "method": request.method,
                "target": request.url.raw_path.decode("ascii"),
                "request_headers": dict(request.headers),
                "request_body": request.content.decode(),
                "status": response.status_code,
                "headers": dict(response.headers),
                "body": body.decode(),
            }
            for request, response, body in taken
        ]


class Clients:
    """The clients that were asked for so far, each with its wire."""

    def __init__(self) -> None:
        self.made: dict[tuple[Any, ...], tuple[Any, Wire | None]] = {}

    def get(self, call: dict[str, Any]) -> tuple[Any, Wire | None]:
        names = ("asynchronous", "strict", "base_url", "key", "max_retries")
        key = tuple(call[name] for name in names)
        if key not in self.made:
            self.made[key] = make_client(*key)
        return self.made[key]


def make_client(
    asynchronous: bool, strict: bool, base_url: str | None, key: str, max_retries: int
) -> tuple[Any, Wire | None]:
    """Make a client; without a base URL, one that is built without arguments, and whose wire is its own."""
    kind = llama_cloud.AsyncLlamaCloud if asynchronous else llama_cloud.LlamaCloud
    if base_url is None:
        return kind(), None
    wire = Wire(asynchronous)
    http = llama_cloud.DefaultAsyncHttpxClient if asynchronous else llama_cloud.DefaultHttpxClient
    return kind(
        api_key=key,
        base_url=base_url,
        max_retries=max_retries,
        timeout=20,
        http_client=http(transport=wire),
        _strict_response_validation=strict,
    ), wire


async def settled(value: Any) -> Any:
    """Give a value, waited for where it must be."""
    return await value if inspect.isawaitable(value) else value


async def read(response: Any, outcome: dict[str, Any]) -> Any:
    """Read a raw response as text, then parsed."""
    outcome["read"] = {
        "status": response.status_code,
        "headers": dict(response.headers),
        "text": await settled(response.text()),
    }
    return await settled(response.parse())


async def follow_guide(chat: Any, session_id: str, **arguments: Any) -> str:
    """Follow a stream as the guide does, and give what that prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        async with chat.with_streaming_response.stream(session_id, **arguments) as stream:
            async for line in stream.iter_lines():
                if not line or line.startswith(":"):
                    continue
                if line.startswith("data: "):
                    event = json.loads(line[6:])
                    if event["type"] == "text_delta":
                        print(event["content"], end="", flush=True)
                    elif event["type"] == "stop":
                        print("\n[end of turn]")
                    else:
                        print(event)
    return printed.getvalue()


async def perform(client: Any, call: dict[str, Any], outcome: dict[str, Any]) -> Any:
    """Make one call in the way it is asked for."""
    target = operator.attrgetter(call["resource"])(client) if call["resource"] else client
    method, arguments, way = call["method"], call["arguments"], call["way"]
    if arguments.get("cast_to") == "object":
        arguments["cast_to"] = object
    if way == "raw":
        return await read(await settled(getattr(target.with_raw_response, method)(**arguments)), outcome)
    if way == "streaming":
        manager = getattr(target.with_streaming_response, method)(**arguments)
        if call["asynchronous"]:
            async with manager as response:
                return await read(response, outcome)
        with manager as response:
            return await read(response, outcome)
    if way == "pages":
        listed = getattr(target, method)(**arguments)
        return [item async for item in listed] if call["asynchronous"] else list(listed)
    if way == "guide":
        return await follow_guide(target, **arguments)
    return await settled(getattr(target, method)(**arguments))


def as_json(value: Any) -> Any:
    """Give a parsed value as JSON: of a model, the fields that were sent, and no others."""
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value.to_dict(mode="json") if isinstance(value, llama_cloud.BaseModel) else value


def failure(error: Exception) -> dict[str, Any]:
    """Describe an exception."""
    return {
        "name": type(error).__name__,
        "bases": [each.__name__ for each in type(error).__mro__[1:]],
        "message": str(getattr(error, "message", error)),
        "status": getattr(error, "status_code", None),
        "body": getattr(error, "body", None),
    }


async def answer(clients: Clients, call: dict[str, Any]) -> dict[str, Any]:
    """Make one call and describe its outcome."""
    outcome: dict[str, Any] = {"parsed": None, "kind": None, "error": None, "read": None}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        client, wire = clients.get(call)
        try:
            value = await perform(client, call, outcome)
            outcome |= {"parsed": as_json(value), "kind": type(value).__name__}
        except Exception as error:
            outcome["error"] = failure(error)
    outcome["warnings"] = [f"{each.category.__name__}: {each.message}" for each in warned]
    outcome["exchanges"] = wire.take() if wire else []
    return outcome


async def main() -> None:
    """Answer calls until there are no more."""
    clients = Clients()
    for line in sys.stdin:
        print(json.dumps(await answer(clients, json.loads(line))), flush=True)


asyncio.run(main())
