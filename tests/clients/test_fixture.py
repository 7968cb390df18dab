"""The fixtures with released official clients: sync and async, in process and on a socket."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.conftest import missing
from tests.clients.environments import UnavailableError, clean_environ, environment
from tests.clients.releases import PYTHON_2_7, PYTHON_2_19, Release

SUITE = """
import asyncio

import httpx
import pytest
from llama_cloud import AsyncLlamaCloud, LlamaCloud

MESSAGE = "What were the main findings in Q3?"
BOTH = pytest.mark.parametrize("fixture", ["mockserver", "mockserver_live"])


def chat(client):
    return getattr(client, "chat", client.beta.chat)


@BOTH
def test_sync(request, fixture):
    mock = request.getfixturevalue(fixture)
    client = LlamaCloud(**mock.client_options())
    session = chat(client).create(index_ids=["idx-1"])
    with chat(client).with_streaming_response.stream(session.session_id, index_ids=["idx-1"], prompt=MESSAGE) as told:
        lines = list(told.iter_lines())
    assert any("text_delta" in line for line in lines)
    assert len(mock.sessions[session.session_id]["events"]) > 3
    assert [each.session_id for each in chat(client).list()] == [session.session_id]
    chat(client).delete(session.session_id)
    mock.journal.verify_order("create", "stream", "list", "delete")


@BOTH
def test_a_reset_in_the_middle_of_a_stream(request, fixture):
    mock = request.getfixturevalue(fixture)
    client = LlamaCloud(**mock.client_options())
    mock.stub.create("stream", faults={"cut-stream": 2})
    with pytest.raises(httpx.RemoteProtocolError):
        with chat(client).with_streaming_response.stream("ses-1", index_ids=["idx-1"], prompt=MESSAGE) as told:
            list(told.iter_lines())
    mock.journal.verify("stream", times=1, attempts=1)
    assert mock.sessions["ses-1"]["events"][-1]["is_error"]


async def ask(mock):
    async with AsyncLlamaCloud(**mock.async_client_options()) as client:
        made = await asyncio.gather(*(chat(client).create() for _ in range(5)))
        assert len({each.session_id for each in made}) == 5
        mock.stub.create("create", status=429, retry_after_ms=1)
        await chat(client).create()
    mock.journal.verify("create", times=6)


@BOTH
@pytest.mark.asyncio
async def test_by_pytest_asyncio(request, fixture):
    await ask(request.getfixturevalue(fixture))


@BOTH
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_by_anyio(request, fixture, anyio_backend):
    await ask(request.getfixturevalue(fixture))


def test_a_client_that_is_built_from_the_environment(mockserver_live):
    client = LlamaCloud()
    if hasattr(chat(client), "set_title"):
        assert chat(client).set_title("ses-1", first_message=MESSAGE).generated_title == MESSAGE + "..."
    else:
        assert chat(client).create().generated_title is None
    assert len(mockserver_live.journal) == 1
"""


@pytest.mark.parametrize("release", [PYTHON_2_7, PYTHON_2_19], ids=str)
def test_the_official_client_plugs_into_the_fixtures(release: Release, tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE, "utf-8")
    try:
        (packages,) = environment(release, suite=True).glob("lib/python*/site-packages")
    except UnavailableError as error:
        missing(error)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers"]
    environ = clean_environ() | {"PYTHONPATH": str(packages)}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.splitlines()[-1].startswith("9 passed"), done.stdout
