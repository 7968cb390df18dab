"""Runs in the environment of one release of the Python client: JSON lines of calls in, JSON lines of outcomes out.

It needs the standard library and the client alone. One call names the resource ("beta.chat", "chat", or "" for the
client itself), the method, its arguments and the way:

- plain: call it;
- raw, streaming: call it by with_raw_response or with_streaming_response, read the text, then parse;
- pages: go through all that it lists;
- guide: read a stream as the guide shows it, and give what that prints.

An outcome holds what was parsed, or the exception; what the client read as text; whether a raw response was closed
when it was handed out and at the end; when the guide's reader printed; and every exchange on the wire.
"""

import asyncio
import contextlib
import importlib
import inspect
import io
import json
import operator
import sys
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx

MOST_EXCHANGES = 50
"""So many requests in one call are taken for a listing without end."""

MOST_CLIENTS = 32
"""So many clients are kept; beyond that the oldest is closed."""

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

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.exchanges: list[tuple[httpx.Request, httpx.Response, bytearray]] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self.remember(request, self.inner.handle_request(request))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.remember(request, await self.inner.handle_async_request(request))

    def close(self) -> None:
        self.inner.close()

    async def aclose(self) -> None:
        await self.inner.aclose()

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
                "body": body.decode("utf-8", "replace"),
            }
            for request, response, body in taken
        ]


class Clients:
    """The clients that were asked for so far, each with its wire."""

    def __init__(self) -> None:
        self.made: dict[tuple[Any, ...], tuple[Any, Wire | None]] = {}

    async def get(self, call: dict[str, Any]) -> tuple[Any, Wire | None]:
        names = ("asynchronous", "aiohttp", "strict", "base_url", "key", "max_retries", "timeout")
        key = tuple(call[name] for name in names)
        if key not in self.made:
            if len(self.made) == MOST_CLIENTS:
                oldest, _ = self.made.pop(next(iter(self.made)))
                await settled(oldest.close())
            self.made[key] = make_client(*key)
        return self.made[key]

    async def close(self) -> None:
        """Close all of them."""
        for client, _ in self.made.values():
            await settled(client.close())


def make_client(
    asynchronous: bool,
    aiohttp: bool,
    strict: bool,
    base_url: str | None,
    key: str,
    max_retries: int,
    timeout: float,
) -> tuple[Any, Wire | None]:
    """Make a client; without a base URL, one that is built without arguments, and whose wire is its own.

    All servers are plain HTTP: to read certificates would take most of the time.
    """
    kind = llama_cloud.AsyncLlamaCloud if asynchronous else llama_cloud.LlamaCloud
    if base_url is None:
        return kind(), None
    if aiohttp:
        wire = Wire(importlib.import_module("httpx_aiohttp").AiohttpTransport())
        http = llama_cloud.DefaultAioHttpClient
    elif asynchronous:
        wire, http = Wire(httpx.AsyncHTTPTransport(verify=False)), llama_cloud.DefaultAsyncHttpxClient
    else:
        wire, http = Wire(httpx.HTTPTransport(verify=False)), llama_cloud.DefaultHttpxClient
    return kind(
        api_key=key,
        base_url=base_url,
        max_retries=max_retries,
        timeout=timeout,
        http_client=http(transport=wire),
        _strict_response_validation=strict,
    ), wire


async def settled(value: Any) -> Any:
    """Give a value, waited for where it must be."""
    return await value if inspect.isawaitable(value) else value


async def read(response: Any, outcome: dict[str, Any]) -> Any:
    """Read a raw response as text, then parsed."""
    outcome["closed"] = [response.is_closed]
    outcome["read"] = {
        "status": response.status_code,
        "headers": dict(response.headers),
        "text": await settled(response.text()),
    }
    return await settled(response.parse())


class Printed(io.StringIO):
    """What is printed, and when, in seconds of a clock that only goes forward."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def write(self, text: str) -> int:
        self.times.append(time.monotonic())
        return super().write(text)


def follow_guide(chat: Any, session_id: str, **arguments: Any) -> None:
    """Follow a stream as the guide does, by the client that does not wait."""
    with chat.with_streaming_response.stream(session_id, **arguments) as stream:
        for line in stream.iter_lines():
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


async def follow_guide_async(chat: Any, session_id: str, **arguments: Any) -> None:
    """Follow a stream to the letter as the guide does."""
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
                value = await read(response, outcome)
        else:
            with manager as response:
                value = await read(response, outcome)
        outcome["closed"].append(response.is_closed)
        return value
    if way == "pages":
        listed = getattr(target, method)(**arguments)
        return [item async for item in listed] if call["asynchronous"] else list(listed)
    if way == "guide":
        follow = follow_guide_async if call["asynchronous"] else follow_guide
        with contextlib.redirect_stdout(Printed()) as printed:
            outcome["times"] = printed.times
            await settled(follow(target, **arguments))
        return printed.getvalue()
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
    outcome: dict[str, Any] = dict.fromkeys(("parsed", "kind", "error", "read", "closed", "times"))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        client, wire = await clients.get(call)
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
    await clients.close()


asyncio.run(main())
