"""A uvicorn server that says when it is ready, and stops at once when it is told to."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import uvicorn

TICK = 0.1
"""Seconds between two looks of a server at what it was told."""

LOOKS = 20
"""How often, a millisecond apart, a stopping server looks whether its connections are gone."""

LAST_LOOKS = 1_000
"""How often it then looks whether what it has cancelled has ended."""


class PromptServer(uvicorn.Server):
    """Serves as uvicorn does, whose own loop looks only every 0.1 s whether it shall stop, and waits as long then."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self._on_ready()

    async def main_loop(self) -> None:
        """Serve until it shall stop."""
        tick = 0
        while self._stopped is not None and not await self.on_tick(tick):
            tick = (tick + 1) % 864_000
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopped.wait(), TICK)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End: at once where nothing is under way, else as uvicorn does."""
        for listener in sockets or []:
            listener.close()
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if await self._idle(LOOKS):
            return
        await super().shutdown(sockets)
        await self._idle(LAST_LOOKS, tasks_only=True)  # what was cancelled keeps what it told, before the loop ends

    async def _idle(self, looks: int, *, tasks_only: bool = False) -> bool:
        """Wait for so many looks until nothing is under way, and say whether that is so."""
        for _ in range(looks):
            if not self.server_state.tasks and (tasks_only or not self.server_state.connections):
                return True
            await asyncio.sleep(0.001)
        return False

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Be told by a signal to stop."""
        super().handle_exit(sig, frame)
        self.stop()

    def stop(self) -> None:
        """Stop now; from any thread, and from the handler of a signal."""
        self.should_exit = True
        if self._loop is not None and self._stopped is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)
