"""The soak: a mock under load for some minutes; every answer is compared, and memory and descriptors are watched."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from benchmarks import servers
from benchmarks.calls import TURN
from benchmarks.load import Bench, fill, is_whole, written
from benchmarks.report import GROWN, WARMED, WRONG, Row, Section
from benchmarks.servers import ANY_TITLE, CHAT, OURS, TITLE_CALL, Call

CLOCK = "2026-04-22T12:34:41.342245"
"""The mock's time stands still, so that each answer is known ahead."""

SESSIONS = 200
TITLES, LIVES, ODDS = 16, 6, 4
"""Clients of each kind."""

GONE = 12_000
"""Sessions made and deleted before the load: more than the mock remembers to be gone."""

LEAVING = 0.2
"""The share of streams that the client leaves after their first bytes."""

INTERVAL = 0.5
"""Seconds between two readings of the memory."""

EXAMPLES = 5
"""How many wrong answers the report shows."""

_TITLE = written("POST", TITLE_CALL.path, TITLE_CALL.body)

ODD: Mapping[str, tuple[bytes, int]] = {
    "malformed JSON": (written("POST", TITLE_CALL.path, '{"first_message": '), 422),
    "a missing field": (written("POST", TITLE_CALL.path, "{}"), 422),
    "no key": (_TITLE.replace(b"authorization", b"x-other"), 401),
    "an unknown path": (written("GET", "/api/v1/nowhere"), 404),
    "another method": (written("PATCH", TITLE_CALL.path), 405),
    "a bad query": (written("GET", f"{CHAT}?page_size=-1"), 422),
    "no HTTP": (b"HELLO\r\n\r\n", 400),
}
"""What is sent that is wrong, and the status of its answer."""

CUT_SHORT = (b"", b"POST /api", _TITLE[:-10])
"""What clients send that leave before they have sent all."""


@dataclass(slots=True)
class Clients:
    """All clients of a soak, and what came: how often what was right, and what was wrong."""

    port: int
    right: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    learned: dict[bytes, bytes] = field(default_factory=dict)
    """The answers that must not change under load, by their requests."""
    stopping: bool = False

    def count(self, kind: str, right: bool, answer: object) -> None:
        """Count an answer."""
        self.right[kind] += right
        if not right:
            self.wrong.append(f"{kind}: {answer!r}"[:300])

    async def learn(self) -> None:
        """Ask once, before the load, for each answer that must not change under it."""
        titles = {title_of(number): 200 for number in range(SESSIONS)}
        for sent, status in (titles | dict(ODD.values())).items():
            self.learned[sent] = await self.asked("learned", sent, status)

    async def run(self, seconds: float) -> None:
        """Ask for some seconds; then each client ends what it has begun."""
        kinds = (*[self.titles] * TITLES, *[self.life] * LIVES, *[self.odd] * ODDS)
        running = [asyncio.create_task(self._repeated(kind, Random(seed))) for seed, kind in enumerate(kinds)]
        await asyncio.sleep(seconds)
        self.stopping = True
        await asyncio.gather(*running)

    async def _repeated(self, kind: Callable[[Random], Awaitable[None]], chance: Random) -> None:
        while not self.stopping:
            try:
                await kind(chance)
            except (OSError, ValueError, LookupError) as error:
                self.count(type(error).__name__, right=False, answer=str(error))

    async def asked(self, kind: str, sent: bytes, status: int, enough: Callable[[bytes], bool] = is_whole) -> bytes:
        """Ask on a connection of its own until there is enough of the answer, which must have a status."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        with closing(writer):
            writer.write(sent)
            answer = await received(reader, enough)
        self.count(kind, answer.startswith(b"HTTP/1.1 %d " % status), answer)
        return answer

    async def titles(self, chance: Random) -> None:
        """Ask for titles without a pause, on one connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        with closing(writer):
            while not self.stopping:
                sent = title_of(chance.randrange(SESSIONS))
                writer.write(sent)
                answer = await received(reader, is_whole)
                self.count("title", answer == self.learned[sent], answer)

    async def odd(self, chance: Random) -> None:
        """Ask for something wrong, or leave in the middle of a request."""
        if chance.random() < LEAVING:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(chance.choice(CUT_SHORT))
            writer.close()
            return
        name, (sent, status) = chance.choice([*ODD.items()])
        answer = await self.asked("refusal", sent, status)
        self.count("same refusal", answer == self.learned[sent], f"{name}: {answer!r}")

    async def life(self, chance: Random) -> None:
        """Create a session, take a turn or leave it, read what it remembers, and delete it."""
        path = f"{CHAT}/{body_of(await self.asked('create', written('POST', CHAT, '{}'), 201))['session_id']}"
        leaving, turn = chance.random() < LEAVING, written("POST", f"{path}/messages/stream", TURN)
        answer = await self.asked("turn", turn, 200, (lambda got: b"event:" in got) if leaving else is_whole)
        events = body_of(await self.asked("retrieve", written("GET", path), 200))["events"]
        whole = leaving or (b'"type":"stop"' in answer and events[-1]["type"] == "stop")
        self.count("whole turn", whole and events[0]["type"] == "user_input", (answer, events))
        await self.asked("delete", written("DELETE", path), 204)


def body_of(answer: bytes) -> Any:
    """Read the JSON of an answer."""
    return json.loads(answer.partition(b"\r\n\r\n")[2])


def title_of(number: int) -> bytes:
    """Write a title call of one of the sessions."""
    return written("POST", ANY_TITLE.path.format(n=number), ANY_TITLE.body)


async def received(reader: asyncio.StreamReader, enough: Callable[[bytes], bool]) -> bytes:
    """Read until there is enough, and take the date out of the head."""
    got = b""
    async with asyncio.timeout(servers.PATIENCE):
        while not enough(got):
            part = await reader.read(65536)
            if not part:
                raise ConnectionResetError(f"closed after {got[-100:]!r}")
            got += part
    return re.sub(rb"(?i)\r\ndate: [^\r]*", b"", got, count=1)


def soak(bench: Bench) -> Section:
    """Load a mock for some minutes after a warm-up."""
    with servers.serving(servers.mock(OURS, "--clock", CLOCK), bench.cores) as running:
        servers.first_answer(running, TITLE_CALL)
        return asyncio.run(soaked(running, bench.soak))


async def soaked(running: servers.Running, seconds: int) -> Section:
    """Prepare the mock, load it, and look at what is left."""
    clients, warm, pid = Clients(running.port), min(30, seconds / 4), running.process.pid
    await clients.learn()
    servers.say(f"soak: {GONE:,} sessions made and deleted, then {warm + seconds:.0f} s")
    fill(running.port, Call("POST", CHAT, "{}", 201, delete=True), 2 * GONE)
    await asyncio.sleep(1)
    before, memory = descriptors(pid), list[float]()
    loading = asyncio.create_task(clients.run(warm + seconds))
    while not loading.done():
        memory.append(servers.memory_mib(pid, "VmRSS"))
        await asyncio.wait([loading], timeout=INTERVAL)
    await loading
    await asyncio.sleep(1)
    counted = memory[int(warm / INTERVAL) :]
    window = max(1, len(counted) // 5)
    rows = [
        Row(WRONG, "-", [len(clients.wrong)]),
        Row(GROWN, WARMED, [median(counted[-window:]) / median(counted[:window])]),
        Row("soak: descriptors left open", "-", [descriptors(pid) - before]),
    ]
    kinds = ", ".join(f"{kind} {number:,}" for kind, number in sorted(clients.right.items()))
    wrong = [f"wrong: `{each}`" for each in clients.wrong[:EXAMPLES]]
    return Section("Soak", rows, notes=[f"{seconds} s after {warm:.0f} s of warm-up; right answers: {kinds}.", *wrong])


def descriptors(pid: int) -> int:
    """Count the open descriptors of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
