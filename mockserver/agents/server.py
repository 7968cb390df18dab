"""Serves agents by the official SDK of the Model Context Protocol: over stdin and stdout, or one request of HTTP."""

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import quote, unquote

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError

from mockserver import __version__
from mockserver.agents.session import AgentSession, OwnSession, Reached, StartedSession
from mockserver.agents.tools import operation_text, operations_of, run_tool, tools_for
from mockserver.control.admin import LONGEST
from mockserver.control.client import LocalAdmin
from mockserver.engine import Mock
from mockserver.errors import MockserverError
from mockserver.server.asgi import Application

OPERATION = "mockserver://operations/"
"""What the address of an operation begins with."""

INSTRUCTIONS = (
    "A mock of an API, made of its OpenAPI document. Point the program under test at the mock's URL, run it, and read "
    "the tool journal: it says what the program did wrong, where, and what the contract says there."
)


def make_server(session: AgentSession) -> Server[Any]:
    """Make the server of a session."""
    tools = tools_for(session)

    async def list_tools(*_: Any) -> types.ListToolsResult:
        return types.ListToolsResult(
            tools=[
                types.Tool(name=each.name, description=each.description, input_schema=each.schema)
                for each in tools.values()
            ]
        )

    async def call_tool(_: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        call = partial(run_tool, tools, session, params.name, params.arguments or {})
        text, wrong = await _told(call)
        return types.CallToolResult(content=[types.TextContent(text=text)], is_error=wrong)

    async def list_resources(*_: Any) -> types.ListResourcesResult:
        found = await anyio.to_thread.run_sync(_operations, session)
        return types.ListResourcesResult(
            resources=[
                types.Resource(
                    uri=OPERATION + quote(name, safe=""),
                    name=name,
                    description=f"{method} {path}",
                    mime_type="application/json",
                )
                for name, method, path in found
            ]
        )

    async def read_resource(_: Any, params: types.ReadResourceRequestParams) -> types.ReadResourceResult:
        name = unquote(str(params.uri).removeprefix(OPERATION))
        text, wrong = await _told(lambda: operation_text(session.reached, name))
        if wrong:
            raise MCPError(types.INVALID_PARAMS, text)
        content = types.TextResourceContents(uri=params.uri, text=text, mime_type="application/json")
        return types.ReadResourceResult(contents=[content])

    return Server(
        "mockserver",
        version=__version__,
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_read_resource=read_resource,
    )


async def _told(call: Callable[[], str]) -> tuple[str, bool]:
    """Call what may wait in a thread; return its answer, or what is wrong, and whether that is so."""
    try:
        return await anyio.to_thread.run_sync(call), False
    except MockserverError as error:
        return str(error), True


def _operations(session: AgentSession) -> list[tuple[str, str, str]]:
    """Return the operations of the mock; none before there is one."""
    try:
        return operations_of(session.reached)
    except MockserverError:
        return []


def serve_stdio(session: StartedSession) -> None:
    """Serve the agent at stdin and stdout until it leaves. What the mock writes to stdout goes to stderr."""

    async def serve() -> None:
        server = make_server(session)
        async with stdio_server() as (received, sent):
            await server.run(received, sent, server.create_initialization_options())

    try:
        anyio.run(serve)
    finally:
        session.close()


def http_app(mock: Mock, scope: str, url: str) -> Application:
    """Make the application that answers one request of an agent; it keeps no session, so any worker may serve the next.

    Who may ask is decided before, as for the other control routes.
    """
    api = None if mock.api is None else mock.api.name
    reached = Reached(admin=LocalAdmin(mock, scope), url=url, source=mock.served.contracts[0].path, api=api, environ={})
    server = make_server(OwnSession(reached))

    async def answer(asgi: Any, receive: Any, send: Any) -> None:
        manager = StreamableHTTPSessionManager(
            server, json_response=True, stateless=True, max_request_body_size=LONGEST
        )
        async with manager.run():
            await manager.handle_request(asgi, receive, send)

    return answer
