"""A trial in a process of its own, as the process that feeds it sees it. See ``trial_worker``."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from registry.checking.trial_worker import LENGTH
from registry.checking.tried import Report
from registry.errors import InvalidSchema, Violation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from registry.compiling.compiler import Compiled

NICENESS = 12
"""How much it yields to others: one that is busy beside three on two processors takes 2 % of them."""
MEMORY_BYTES = 1024 * 1024 * 1024
"""Address space of the process; ignored where the system has no such limit."""
STEP_SECONDS = 60
"""Processor time that one piece of work may take: the largest is a run of batches, checked as a whole."""
MAX_REPORT_BYTES = 16 * 1024 * 1024
_SAID_BYTES = 64 * 1024
_NO_MEMORY = ("MemoryError", "bad_alloc", "out of memory")
_LAST_SECONDS = 10.0
"""How long a process that says nothing any more may take to end."""


@asynccontextmanager
async def try_schema(compiled: Compiled) -> AsyncGenerator[TrialProcess, None]:
    """Opens the trial of a schema; its process ends with the block, however that does."""
    with tempfile.TemporaryFile() as said:
        ours, theirs = socket.socketpair()
        with theirs:
            process = _start(theirs, said)
        try:
            reader, writer = await _connect(ours)
            try:
                yield TrialProcess(process, reader, writer, said, compiled)
            finally:
                writer.transport.abort()
        finally:
            process.kill()
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, process.wait))


class TrialProcess:
    """Tries one schema. Made by ``try_schema``."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        said: IO[bytes],
        compiled: Compiled,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._said = said
        settings = {
            "niceness": NICENESS,
            "memory_bytes": MEMORY_BYTES,
            "step_seconds": STEP_SECONDS,
            "types": compiled.types,
        }
        self._send(json.dumps(settings).encode(), compiled.descriptor_set)

    async def put(self, type_name: str, count: int, entries: bytes) -> None:
        """Hands a run of batches over; see ``Trial.take``. Waits until there is room for more.

        Raises:
            InvalidSchema: The schema can't be tried: it takes too much time or memory.
        """
        self._send(json.dumps([type_name, count]).encode(), entries)
        try:
            await self._writer.drain()
        except ConnectionError:
            raise await self._failure() from None

    async def done(self) -> None:
        """Waits until the first run that was not waited for is through.

        Raises:
            InvalidSchema: As ``put``.
        """
        await self._receive()

    async def report(self) -> Report:
        """Answers what was found; all runs must have been waited for.

        Raises:
            InvalidSchema: As ``put``.
        """
        self._send(b"")
        return Report.from_json(await self._receive())

    def _send(self, *messages: bytes) -> None:
        for message in messages:
            self._writer.write(LENGTH.pack(len(message)))
            self._writer.write(message)

    async def _receive(self) -> bytes:
        try:
            (length,) = LENGTH.unpack(await self._reader.readexactly(LENGTH.size))
            if length > MAX_REPORT_BYTES:
                raise RuntimeError(f"a trial answers {length:,} bytes")
            return await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            raise await self._failure() from None

    async def _failure(self) -> Exception:
        """Answers why the process ended, which closes its end of the socket."""
        status = await asyncio.get_running_loop().run_in_executor(None, self._status)
        self._said.seek(0)
        return _failure(status, self._said.read(_SAID_BYTES).decode(errors="replace"))

    def _status(self) -> int:
        try:
            return self._process.wait(_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


async def _connect(pipe: socket.socket) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        return await asyncio.open_connection(sock=pipe)
    except BaseException:
        pipe.close()
        raise


def _start(pipe: socket.socket, said: IO[bytes]) -> subprocess.Popen[bytes]:
    # -P: modules are looked for where this process found them, not where it happens to stand.
    paths = os.pathsep.join(str(Path(it).resolve()) for it in sys.path if it)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "registry.checking.trial_worker"],
        stdin=pipe.fileno(),
        stdout=said,
        stderr=said,
        env=os.environ | {"PYTHONPATH": paths},
    )


def _failure(status: int, said: str) -> Exception:
    if status == -signal.SIGPROF:
        return _untriable(f"one run of stored batches takes more than {STEP_SECONDS} s to check")
    if status == -signal.SIGABRT or any(word in said for word in _NO_MEMORY):
        return _untriable(f"it takes more than {MEMORY_BYTES:,} bytes of memory")
    if status == -signal.SIGKILL:
        return _untriable("the system ended the process, perhaps for lack of memory")
    if status < 0:
        return _untriable(f"it makes the parser crash ({signal.Signals(-status).name})")
    return RuntimeError(f"the trial of a schema ended with status {status}:\n{said}")


def _untriable(why: str) -> InvalidSchema:
    problem = f"the schema can't be tried on stored events: {why}; simplify it, or name fewer types"
    return InvalidSchema([Violation("backtest", problem)])
