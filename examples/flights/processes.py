"""The demo's processes: how the gateway and the consumers start, what they say, and how they end."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tally import Report, Tally

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path
    from typing import IO

START_SECONDS = 30
END_SECONDS = 15
REACH_SECONDS = 300


class DemoError(Exception):
    """Something did not go as the demo says it does; ``str()`` says what."""


@asynccontextmanager
async def running(*command: str, stderr: IO[str] | None = None, **environment: str) -> AsyncIterator[Process]:
    """Runs a process for as long as the context lasts; its stdout is a pipe."""
    # A session of its own: Ctrl-C reaches the demo alone, which then ends its processes in order.
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=stderr,
        env=os.environ | environment,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        await _end(process)


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), END_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


@asynccontextmanager
async def running_gateway(folder: Path) -> AsyncIterator[str]:
    """Runs a gateway whose log and messages are in ``folder``; answers its address."""
    command = (sys.executable, "-m", "tidegate.cli", "serve", "--listen", "127.0.0.1:0")
    messages = folder / "gateway.txt"
    with messages.open("w", encoding="utf-8") as stderr:
        async with running(*command, "--engine", f"sqlite:{folder}/log.db", stderr=stderr) as process:
            assert process.stdout is not None  # noqa: S101 - it is a pipe
            line = (await asyncio.wait_for(process.stdout.readline(), START_SECONDS)).decode()
            ready = re.search(r" ready on (\S+),", line)
            if ready is None:
                raise DemoError(f"the gateway did not start: {line}{messages.read_text(encoding='utf-8')}")
            async with _noticing_end(process):
                yield ready[1]


@asynccontextmanager
async def _noticing_end(process: Process) -> AsyncIterator[None]:
    """Ends what goes on in the context if the process ends before it: the others would wait for it."""

    async def watch() -> None:
        raise DemoError(f"the gateway ended with {await process.wait()}, in the middle of it")

    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watch())
            yield
            watching.cancel()
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


class Consumer:
    """A consumer in a process of its own, as the demo sees it: its name and its latest report."""

    def __init__(self, name: str, changed: Callable[[Report], None]) -> None:
        self.name = name
        self.report = Report(0, Tally())
        self._changed = changed
        self._news = asyncio.Condition()
        self._ended = False

    @asynccontextmanager
    async def running(self, *command: str, **environment: str) -> AsyncIterator[Consumer]:
        """Runs the consumer for as long as the context lasts."""
        async with running(sys.executable, *command, **environment) as process:
            listener = asyncio.create_task(self._listen(process))
            try:
                yield self
            finally:
                listener.cancel()

    async def reach(self, sequence: int) -> None:
        """Waits until the consumer has counted the event of that sequence.

        Raises:
            DemoError: It ended before, or took longer than five minutes.
        """
        try:
            async with asyncio.timeout(REACH_SECONDS), self._news:
                await self._news.wait_for(lambda: self._ended or self.report.sequence >= sequence)
        except TimeoutError:
            raise DemoError(
                f"the {self.name} consumer is at sequence {self.report.sequence}, not {sequence}"
            ) from None
        if self.report.sequence < sequence:
            raise DemoError(f"the {self.name} consumer ended at sequence {self.report.sequence}")

    async def _listen(self, process: Process) -> None:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        async for line in process.stdout:
            self.report = Report.from_line(line)
            self._changed(self.report)
            await self._tell()
        self._ended = True
        await self._tell()

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()
