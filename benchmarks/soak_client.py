"""The clients of the soak, in one event loop: title calls without a pause, lives of sessions, and odd requests."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from functools import partial
from itertools import cycle
from random import Random
from typing import Any

from benchmarks.listening import turn_request
from benchmarks.measure import BODY, TITLE
from benchmarks.soak_plan import (
    CUT_SHORT,
    ODD,
    Tally,
    fits,
    is_plain,
    is_whole,
    request,
    split,
    stream_kind,
    title_kind,
)

LINES, LIVES, ODDS = 32, 12, 16
"""Connections that ask for titles, sessions that live at once, and clients of odd requests."""

SESSIONS = 1_000
"""Sessions that are given titles."""

PATIENCE = 30.0
"""How long an answer may take, in seconds."""

LEAVING = 0.2
"""The part of all streams that the client leaves after their first event."""

TIME = "2026-04-22T12:34:41.342245"
"""The clock of the mock, which stands still, so that an answer is known ahead."""


class Clients:
    """All clients, until they are told to stop; then each ends what it has begun."""

    def __init__(self, port: int, tally: Tally) -> None:
        self.port, self.tally = port, tally
        self.stopping = False
        self.calls = cycle([_call(number) for number in range(SESSIONS)])
        self.expected: dict[str, bytes] = {}
        """The answers to odd requests, as they were before the load."""

    async def learn(self) -> None:
        """Ask each odd request once; an answer of another status than its own is wrong."""
        for name, (sent, status) in ODD.items():
            answer = await self._asked(sent)
            self.expected[name] = undated(answer)
            if split(answer)[0] != status:
                self.tally.count("", f"{name}: {answer!r}")

    async def run(self, seconds: float) -> None:
        """Ask for so long, and end."""
        chance = Random(0)
        lines = [asyncio.create_task(self._line()) for _ in range(LINES)]
        lives = [self._again(self._life, Random(chance.random())) for _ in range(LIVES)]
        odds = [self._again(self._odd, Random(chance.random())) for _ in range(ODDS)]
        tasks = [*lines, *map(asyncio.create_task, (*lives, *odds))]
        await asyncio.sleep(seconds)
        self.stopping = True
        _, hanging = await asyncio.wait(tasks, timeout=PATIENCE)
        for each in hanging:
            each.cancel()
            self.tally.count("", f"no answer in {PATIENCE:g} s: {each.get_coro()}")
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _again(self, one: Callable[[Random], Awaitable[None]], chance: Random) -> None:
        """Do one thing again and again; what breaks it is wrong, and told."""
        while not self.stopping:
            try:
                await one(chance)
            except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError, KeyError) as error:
                self.tally.count("", f"{one.__name__}: {error!r}")

    async def _line(self) -> None:
        """Ask for titles on one connection after the other."""
        loop = asyncio.get_running_loop()
        while not self.stopping:
            line = TitleLine(self, loop.create_future())
            try:
                await loop.create_connection(partial(_itself, line), "127.0.0.1", self.port)
                await line.ended
            except OSError as error:
                self.tally.count("", f"title: {error!r}")

    async def _asked(self, sent: bytes) -> bytes:
        """Send on a connection of its own, and give the whole answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20)
        try:
            writer.write(sent)
            answer, _ = await _received(reader, is_whole)
            return answer
        finally:
            writer.close()

    async def _odd(self, chance: Random) -> None:
        """Ask one odd request, or leave in the middle of one."""
        if chance.random() < 0.3:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(chance.choice(CUT_SHORT))
            await asyncio.sleep(chance.random() * 0.01)
            writer.close()
            self.tally.count("odd: left")
            return
        name = chance.choice([*self.expected])
        answer = undated(await self._asked(ODD[name][0]))
        self.tally.count(f"odd: {name}" if answer == self.expected[name] else "", f"{name}: {answer!r}")

    async def _life(self, chance: Random) -> None:
        """Create a session, tell it something, look at what it remembers, and delete it."""
        session = json.loads(await self._right("create", request("POST", "/api/v1/chat", "{}"), 201))["session_id"]
        kind = await self._turn(session, leave=chance.random() < LEAVING)
        history = await self._right("retrieve", request("GET", f"/api/v1/chat/{session}"), 200)
        if kind:
            self.tally.count("history" if fits(history, kind) else "", f"after {kind}: {history!r}")
        await self._right("delete", request("DELETE", f"/api/v1/chat/{session}"), 204)

    async def _right(self, kind: str, sent: bytes, status: int) -> bytes:
        """Ask for what must succeed, and give the body."""
        answer = await self._asked(sent)
        got, _, body = split(answer)
        self.tally.count(kind if got == status else "", f"{kind}: {answer!r}")
        return body

    async def _turn(self, session: str, *, leave: bool) -> str:
        """Follow a turn to its end, or leave it; give its kind, "left" where it was left."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(turn_request(session))
            if leave:
                answer, lost = await _received(reader, lambda got: b"event:" in got or is_whole(got))
            else:
                answer, lost = await _received(reader, is_whole)
        finally:
            writer.close()
        left = leave and not lost and not is_whole(answer)
        kind = stream_kind(answer, lost, left=left)
        self.tally.count(kind, f"stream: {lost} {answer!r}")
        return "left" if left else kind


def _itself(line: "TitleLine") -> "TitleLine":
    return line


class TitleLine(asyncio.Protocol):
    """A connection that asks for one title after the other, until it is lost or all shall stop."""

    def __init__(self, clients: Clients, ended: "asyncio.Future[None]") -> None:
        self._clients, self.ended = clients, ended
        self._got, self._body, self._began, self._asking = b"", b"", 0.0, False

    def connection_made(self, transport: Any) -> None:
        """Begin; a transport of uvloop is none of asyncio's class."""
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        if self._clients.stopping:
            self._transport.close()
            return
        sent, self._body = next(self._clients.calls)
        self._got, self._asking, self._began = b"", True, time.perf_counter()
        self._transport.write(sent)

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self._got += data
        if is_plain(self._got, self._body):
            self._asking = False
            self._clients.tally.count("title")
            self._ask()
        elif is_whole(self._got):
            self._judge("")
            self._ask()

    def _judge(self, lost: str) -> None:
        self._asking = False
        kind = title_kind(self._got, self._body, time.perf_counter() - self._began, lost)
        self._clients.tally.count(kind, f"title: {lost} {self._got!r}")

    def connection_lost(self, error: Exception | None) -> None:
        """End; what was not answered by then is judged as it is."""
        if self._asking:
            self._judge("close" if error is None else "reset")
        if not self.ended.done():
            self.ended.set_result(None)


def _call(number: int) -> tuple[bytes, bytes]:
    """Give a title call and the body of its answer."""
    session = f"ses-{number:04d}"
    told = {"session_id": session, "generated_title": TITLE, "last_updated_at": TIME}
    body = json.dumps({**told, "job_metadata": None, "index_ids": None}, separators=(",", ":"))
    return request("POST", f"/api/v1/chat/{session}/title", BODY), body.encode()


async def _received(reader: asyncio.StreamReader, enough: Callable[[bytes], bool]) -> tuple[bytes, str]:
    """Read until there is enough; give it, and how the connection was lost before: "reset", "close", or not."""
    got = b""
    async with asyncio.timeout(PATIENCE):
        while not enough(got):
            try:
                part = await reader.read(65536)
            except ConnectionResetError:
                return got, "reset"
            if not part:
                return got, "close"
            got += part
    return got, ""


def undated(answer: bytes) -> bytes:
    """Take the date out of a head."""
    head, end, body = answer.partition(b"\r\n\r\n")
    return b"\r\n".join(line for line in head.split(b"\r\n") if not line.lower().startswith(b"date:")) + end + body
