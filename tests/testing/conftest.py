"""What the tests share that run suites in this process."""

import asyncio
from importlib import import_module

import pytest

from mockserver.testing.server import MockServer, open_mock

LOADED = (
    "httpcore2",  # which httpx2 loads when it first asks
    *("mockserver.proxy.app", "mockserver.testing.pytest_fixtures", "mockserver.testing.recording"),
)


@pytest.fixture(scope="session")
def loaded() -> None:
    """Load what the inner suites load: pytest forgets their modules, and classes made twice would not be the same."""
    for name in LOADED:
        import_module(name)

    async def ask(mock: MockServer) -> None:
        async with mock.async_http_client() as client:
            await client.get("/__mock__/journal")

    for live in (False, True):
        with open_mock(live=live) as mock:
            mock.http_client().get("/__mock__/journal")
            mock.http_client().post("/api/v1/chat/x/title", json={})
            asyncio.run(ask(mock))
            mock.stub.create("set_title", status=429, partial={"detail": "x"}, faults={"break": {"missing": "/detail"}})
