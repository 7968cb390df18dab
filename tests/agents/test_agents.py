"""A coding agent starts a mock, sees why a request was refused, stubs, verifies and checks, over both transports."""

import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import TextContent, TextResourceContents

from mockserver.agents.session import StartedSession
from mockserver.agents.tools import LONGEST, TOOLS, run_tool, tools_for
from mockserver.control.routes import table_of
from mockserver.errors import UsageError
from mockserver.testing import MockServer, open_mock
from tests.conftest import app_of

DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "Pets", "version": "1"},
    "paths": {
        "/pets": {
            "get": {"operationId": "listPets", "responses": {"200": {"$ref": "#/components/responses/Pets"}}},
            "post": {
                "operationId": "createPet",
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/New"}}},
                },
                "responses": {"201": {"$ref": "#/components/responses/Pet"}, "503": {"description": "Later."}},
            },
        },
        "/pets/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"operationId": "getPet", "responses": {"200": {"$ref": "#/components/responses/Pet"}}},
        },
    },
    "components": {
        "schemas": {
            "New": {
                "type": "object",
                "required": ["name"],
                "properties": {"name": {"type": "string", "minLength": 2}},
            },
            "Pet": {
                "type": "object",
                "required": ["id", "name"],
                "properties": {"id": {"type": "string"}, "name": {"type": "string"}},
            },
        },
        "responses": {
            "Pet": {
                "description": "A pet.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
            },
            "Pets": {
                "description": "Pets.",
                "content": {
                    "application/json": {"schema": {"type": "array", "items": {"$ref": "#/components/schemas/Pet"}}}
                },
            },
        },
    },
}


@pytest.fixture
def document(tmp_path: Path) -> Path:
    path = tmp_path / "pets.json"
    path.write_text(json.dumps(DOCUMENT), "utf-8")
    return path


class Agent:
    """A client of the SDK."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def call(self, tool: str, **arguments: Any) -> str:
        """Call a tool that succeeds."""
        text, wrong = await self.answer(tool, **arguments)
        assert not wrong, text
        return text

    async def answer(self, tool: str, **arguments: Any) -> tuple[str, bool]:
        """Call a tool; gives its answer, and whether it says that it failed."""
        result = await self.client.call_tool(tool, arguments)
        (content,) = result.content
        assert isinstance(content, TextContent)
        return content.text, result.is_error

    async def read(self, uri: str) -> Any:
        """Read a resource."""
        (content,) = (await self.client.read_resource(uri)).contents
        assert isinstance(content, TextResourceContents)
        return json.loads(content.text)


async def walk(agent: Agent, url: str) -> None:
    """Use a mock of the pets as an agent does."""
    assert (await agent.call("operations")).splitlines() == [
        "listPets: GET /pets",
        "createPet: POST /pets",
        "getPet: GET /pets/{id}",
    ]
    listed = {each.name: str(each.uri) for each in (await agent.client.list_resources()).resources}
    assert listed["createPet"] == "mockserver://operations/createPet"
    assert (await agent.read(listed["createPet"]))["path"] == "/pets"

    async with httpx.AsyncClient(base_url=url) as app:
        assert (await app.post("/pets", json={"name": "x"})).status_code == 422
        seen = await agent.call("journal", wrong=True)
        assert "POST /pets -> 422 (createPet, mock)" in seen
        assert "  client: /body/name: " in seen
        assert "    contract: pets#/components/schemas/New/properties/name" in seen
        assert "    fix: send what the contract says there" in seen
        number = int(seen.partition(" ")[0].removeprefix("#"))
        assert json.loads(await agent.call("exchange", number=number))["exchange"]["answer"]["status"] == 422
        assert "client: /body/name" in await agent.call("judge", method="POST", path="/pets", body={"name": "x"})

        assert "createPet" in await agent.call("stub", operation="createPet", status=503)
        assert (await app.post("/pets", json={"name": "Tom"})).status_code == 503
        assert "used 1x" in await agent.call("stubs")
        made = (await app.post("/pets", json={"name": "Tom"})).json()
        assert (await agent.call("verify", operation="createPet", when={"body": {"name": "Tom"}}, times=2)).startswith(
            "ok"
        )
        assert (await agent.call("verify", operation="createPet", times=7)).startswith("not ok: expected 7 times")
        kept = json.loads(await agent.call("records"))
        assert [each["records"] for each in kept] == [1]
        record = json.loads(await agent.call("records", collection=kept[0]["name"], id=made["id"]))
        assert record["data"]["name"] == "Tom"

        await agent.call("fault", operation="listPets", fault="reset")
        with pytest.raises(httpx.HTTPError):
            await app.get("/pets")
    assert "0 errors, 0 warnings in 3 operations" in await agent.call("validate")
    assert "1 resource: 3 of 3 operations remember" in await agent.call("explain")
    assert "0 findings" in await agent.call("check", operations=["listPets"], examples=1)
    await agent.call("reset")
    assert (await agent.call("journal"), await agent.call("stubs")) == ("nothing came", "none")


def stdio(walk: Callable[[Agent], Awaitable[None]], *options: str) -> None:
    """Let an agent start the command, and walk."""

    async def play() -> None:
        command = StdioServerParameters(command=sys.executable, args=["-m", "mockserver", "mcp", *options])
        async with Client(command, read_timeout_seconds=60) as client:
            await walk(Agent(client))

    anyio.run(play)


def over_http(server: MockServer, walk: Callable[[Agent], Awaitable[None]], mode: Any = "auto") -> None:
    """Let an agent use a mock that runs, and walk."""

    async def play() -> None:
        async with Client(server.base_url + "/__mock__/mcp", read_timeout_seconds=60, mode=mode) as client:
            await walk(Agent(client))

    anyio.run(play)


def test_an_agent_starts_a_mock_and_uses_it(document: Path) -> None:
    async def play(agent: Agent) -> None:
        assert {each.name for each in (await agent.client.list_tools()).tools} >= {each.name for each in TOOLS}
        assert (await agent.client.list_resources()).resources == []
        text, wrong = await agent.answer("journal")
        assert (wrong, "there is no mock yet" in text, "call start" in text) == (True, True, True)
        told = await agent.call("start", contract=str(document))
        assert "3 operations: listPets, createPet, getPet" in told
        url = told.partition("a mock is at ")[2].partition(": ")[0]
        assert f"export MOCKSERVER_URL={url}" in told
        await walk(agent, url)
        text, wrong = await agent.answer("start", contract=str(document) + "x")
        assert wrong
        assert "fix: " in text
        assert (await agent.call("operations")).startswith("listPets"), "the one before goes on"

    stdio(play)


def test_an_agent_reaches_a_mock_that_runs(document: Path) -> None:
    with open_mock(live=True, contract=str(document)) as server:

        async def play(agent: Agent) -> None:
            await walk(agent, server.base_url)

        stdio(play, "--url", server.base_url)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_mock_serves_agents_itself(document: Path, mode: str) -> None:
    with open_mock(live=True, contract=str(document)) as server:

        async def play(agent: Agent) -> None:
            tools = {each.name for each in (await agent.client.list_tools()).tools}
            assert tools == {each.name for each in TOOLS}
            text, wrong = await agent.answer("validate", file="/etc/passwd")
            assert (wrong, "reads no files" in text) == (True, True)
            await walk(agent, server.base_url)

        over_http(server, play, mode)


def test_what_an_agent_gets_wrong_is_told_with_what_there_is(document: Path) -> None:
    with open_mock(live=True, contract=str(document)) as server:

        async def play(agent: Agent) -> None:
            calls: list[tuple[str, dict[str, Any], str]] = [
                ("operation", {"name": "createPets"}, "did you mean 'createPet'?"),
                ("operation", {}, "name"),
                ("journal", {"limit": "x"}, "/limit"),
                ("stub", {"operation": "createPet", "status": 418}, "418"),
                ("stub", {"operation": "createPet", "colour": 1}, "colour"),
                ("jurnal", {}, "did you mean 'journal'?"),
            ]
            for tool, arguments, part in calls:
                text, wrong = await agent.answer(tool, **arguments)
                assert (wrong, part in text) == (True, True), (tool, text)
            with pytest.raises(MCPError, match="there is no operation 'nothing'"):
                await agent.read("mockserver://operations/nothing")

        over_http(server, play)


def test_a_long_answer_is_cut_and_says_so(document: Path) -> None:
    session = StartedSession()
    try:
        session.start(str(document), {"journal_body": 100_000})
        tools = tools_for(session)
        body = {"name": "x" * 50_000}
        httpx.post(session.reached.url + "/pets", json=body)
        text = run_tool(tools, session, "exchange", {"number": 1})
        assert len(text) < LONGEST + 100
        assert "ask for less" in text
        with pytest.raises(UsageError):
            run_tool(tools, session, "start", {"contract": "no-such-file.yaml"})
    finally:
        session.close()
    with pytest.raises(UsageError, match="there is no mock yet"):
        session.reached.admin.call("GET", "/__mock__/health")


def test_stdout_has_the_protocol_and_nothing_else(document: Path) -> None:
    lines: list[dict[str, Any]] = [
        {
            "method": "initialize",
            "id": 1,
            "params": {
                "protocolVersion": "2025-06-18",
                "capabilities": {},
                "clientInfo": {"name": "t", "version": "1"},
            },
        },
        {"method": "notifications/initialized"},
        {"method": "tools/call", "id": 2, "params": {"name": "operations", "arguments": {}}},
        {"method": "tools/call", "id": 3, "params": {"name": "validate", "arguments": {}}},
    ]
    command = [sys.executable, "-m", "mockserver", "mcp", "--contract", str(document)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        seen = []
        for line in lines:
            process.stdin.write(json.dumps({"jsonrpc": "2.0", **line}) + "\n")
            process.stdin.flush()
            if "id" in line:
                seen.append(json.loads(process.stdout.readline()))
        rest, _ = process.communicate(timeout=60)
        assert [each["id"] for each in seen] == [1, 2, 3]
        assert "listPets" in seen[1]["result"]["content"][0]["text"]
        assert (rest, process.returncode) == ("", 0)
    finally:
        process.kill()


# -- who may ---------------------------------------------------------------------------------------------------------

HELLO = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
LET_IN = "a-word"
ACCEPT = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


def asked(server: MockServer, **headers: str) -> int:
    url = server.base_url + "/__mock__/mcp"
    return httpx.post(url, json=HELLO, headers={**ACCEPT, **headers}, trust_env=False).status_code


def test_other_sites_are_refused_and_so_is_all_without_control_routes(document: Path) -> None:
    with open_mock(live=True, contract=str(document)) as server:
        assert asked(server) == 200
        assert asked(server, origin="http://evil.example") == 403
        assert asked(server, host="evil.example") == 403
        assert httpx.get(server.base_url + "/__mock__/mcp", headers=ACCEPT, trust_env=False).status_code == 405
    with open_mock(live=True, contract=str(document), control=False) as server:
        assert asked(server) == 404


def test_another_machine_needs_the_token_as_its_key(document: Path) -> None:
    with open_mock(contract=str(document), control_remote=True, control_token=LET_IN) as server:
        assert server.mock is not None
        app = app_of(server.mock)

        async def status(**headers: str) -> int:
            transport = httpx.ASGITransport(app, client=("192.0.2.7", 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://10.0.0.1") as client:
                return (await client.post("/__mock__/mcp", json=HELLO, headers={**ACCEPT, **headers})).status_code

        assert anyio.run(status) == 403
        assert anyio.run(lambda: status(authorization="Bearer other")) == 403
        assert anyio.run(lambda: status(authorization="Bearer " + LET_IN)) == 200


def test_a_scope_in_the_path_is_the_agents(document: Path) -> None:
    with open_mock(live=True, contract=str(document)) as server:
        httpx.get(f"{server.base_url}/scope/alice/pets", trust_env=False)

        async def play() -> None:
            url = f"{server.base_url}/scope/alice/__mock__/mcp"
            async with (
                httpx2.AsyncClient(trust_env=False) as http,
                Client(streamable_http_client(url, http_client=http)) as client,
            ):
                assert "GET" in await Agent(client).call("journal")

        anyio.run(play)
        assert len(server.journal) == 0


def test_a_mock_loads_the_sdk_only_when_an_agent_asks() -> None:
    code = "import sys; from mockserver.testing import open_mock\nwith open_mock(live=True): print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"mcp", "mcp_types", "mockserver.agents"} & set(loaded)


def test_the_tools_use_routes_that_there_are() -> None:
    import ast

    from mockserver.agents import tools

    source = ast.parse(Path(tools.__file__).read_text("utf-8"))
    calls = [
        each for each in ast.walk(source) if isinstance(each, ast.Call) and getattr(each.func, "attr", "") == "call"
    ]
    paths = {
        (each.args[0].value, each.args[1].value)
        for each in calls
        if len(each.args) > 1 and isinstance(each.args[0], ast.Constant) and isinstance(each.args[1], ast.Constant)
    }
    assert len(paths) > 8
    assert paths <= table_of(None).keys()
