"""The bodies that are received and handled at once are bounded in bytes; beyond it callers are told to come again."""

import asyncio
import threading
from typing import Any

import httpx

from mockserver.engine import Mock
from mockserver.settings import Settings
from tests.conftest import app_of
from tests.talk import KEY, MESSAGE, TITLE

MOST = 1_000
HEAD = b'{"first_message": "' + MESSAGE.encode() + b'"'
HEADERS = {"authorization": KEY, "content-type": "application/json"}


class Sender:
    """Sends one body in parts, when it is told to."""

    def __init__(self, client: httpx.AsyncClient, path: str = TITLE) -> None:
        self._parts: asyncio.Queue[bytes] = asyncio.Queue()
        self._answer = asyncio.ensure_future(client.post(path, content=self._sent(), headers=HEADERS))

    async def _sent(self) -> Any:
        while part := await self._parts.get():
            yield part

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self._parts.put_nowait(part)
        for _ in range(20):  # so that it is received
            await asyncio.sleep(0)

    async def end(self) -> httpx.Response:
        await self.send(b"}", b"")
        return await self.answer()

    async def answer(self) -> httpx.Response:
        return await asyncio.wait_for(self._answer, 10)


def test_bodies_in_flight_are_bounded_and_the_caller_beyond_is_told_to_come_again() -> None:
    async def talk() -> None:
        app = app_of(Mock(Settings(seed=0, max_in_flight=MOST)))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://mock") as client:
            first, second = Sender(client), Sender(client)
            await first.send(HEAD, b" " * 800)
            await second.send(HEAD, b" " * 300)
            refused = await second.answer()
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert (refused.headers["x-mock-fault"], refused.headers["connection"]) == ("mock", "close")
            assert "raise --max-in-flight" in refused.json()["detail"]
            await first.send(b" " * 2_000)  # alone, it may be longer
            assert (await first.end()).status_code == 200
            for _ in range(3):
                third = Sender(client)
                await third.send(HEAD, b" " * 900)
                assert (await third.end()).status_code == 200

    asyncio.run(talk())


def test_bodies_of_control_requests_are_in_flight_too() -> None:
    async def talk() -> None:
        mock = Mock(Settings(seed=0, max_in_flight=MOST))
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app_of(mock)), base_url="http://127.0.0.1"
        ) as client:
            stub = b'{"operation": "set_title", "status": 429'
            first, second = Sender(client), Sender(client, "/__mock__/stubs")
            await first.send(HEAD, b" " * 800)
            await second.send(stub, b" " * 300)
            refused = await second.answer()
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
            assert "raise --max-in-flight" in refused.json()["detail"]
            assert (await first.end()).status_code == 200
            for _ in range(3):
                third = Sender(client, "/__mock__/stubs")
                await third.send(stub, b" " * 900)
                assert (await third.end()).status_code == 201
            fourth, fifth = Sender(client, "/__mock__/stubs"), Sender(client)
            await fourth.send(stub, b" " * 900)
            await fifth.send(HEAD, b" " * 100)
            assert (await fifth.answer()).status_code == 503
            assert (await fourth.end()).status_code == 201

    asyncio.run(talk())


def test_a_body_that_waits_for_the_store_is_in_flight() -> None:
    class Slow(Mock):
        """Waits for its store, until it is let go."""

        threads, waits = 1, True
        let_go = threading.Event()

        def handle(self, request: Any) -> Any:
            assert self.let_go.wait(10)
            return super().handle(request)

    async def talk() -> None:
        slow = Slow(Settings(seed=0, max_in_flight=MOST))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app_of(slow)), base_url="http://mock") as client:
            first, second = Sender(client), Sender(client)
            await first.send(HEAD, b" " * 800, b"}", b"")
            await second.send(HEAD, b" " * 300)
            assert (await second.answer()).status_code == 503
            slow.let_go.set()
            assert (await first.answer()).status_code == 200
            third = Sender(client)
            await third.send(HEAD, b" " * 900)
            assert (await third.end()).status_code == 200

    asyncio.run(talk())
