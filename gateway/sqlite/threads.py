"""Asking from the event loop: what the writer's thread does between two groups, and the threads that read.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from gateway.errors import Draining
from gateway.sqlite.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.sqlite.file import LogFile
    from gateway.sqlite.writer import Writer

MAPPED_BYTES: Final = 1 << 40
"""How much of the file is mapped into memory to read the events of a key: all that SQLite maps, 2 GiB.

A page of 64 KiB would be copied for each event otherwise. What is mapped is the system's to take away again.
"""
_READERS: Final = 3
_Answer = TypeVar("_Answer")
_Asked = TypeVar("_Asked")


class Threads:
    """The threads of an open log. All that is asked of them may fail with ``StorageFailed`` and its like."""

    def __init__(self, loop: asyncio.AbstractEventLoop, file: LogFile, writer: Writer) -> None:
        self._loop = loop
        self._file = file
        self._writer = writer
        self._readers = ThreadPoolExecutor(_READERS, "tidegate-reader")
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._draining = False

    async def on_writer(self, do: Callable[[sqlite3.Connection], None]) -> None:
        """Does something on the writer's thread, between two groups; once it is called it is not undone.

        Raises:
            Draining: The log closes; nothing was done.
        """
        if self._draining:
            raise Draining
        future: asyncio.Future[None] = self._loop.create_future()

        def run(connection: sqlite3.Connection) -> None:
            error: Exception | None = None
            try:
                do(connection)
            except Exception as failure:  # noqa: BLE001  # whatever it is, whoever waits must hear of it
                error = self._file.failure(failure) if isinstance(failure, sqlite3.Error) else failure
            self._loop.call_soon_threadsafe(_settle, future, error)

        self._writer.run(run)
        await asyncio.shield(future)

    async def on_reader(self, ask: Callable[[Reader], _Answer]) -> _Answer:
        """Asks one of the readers."""
        return await self._on_thread(self._ask_reader, ask)

    async def on_mapped(self, ask: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        """Asks a connection that is for reading a little here and there."""
        return await self._on_thread(self._ask_mapped, ask)

    def drain(self) -> None:
        """Takes nothing more for the writer's thread, which is about to end."""
        self._draining = True

    def close(self) -> None:
        """Waits for what is being read, and closes the connections. Blocks."""
        self._readers.shutdown()
        for connection in self._opened:
            connection.close()

    async def _on_thread(self, run: Callable[[_Asked], _Answer], ask: _Asked) -> _Answer:
        try:
            return await self._loop.run_in_executor(self._readers, run, ask)
        except sqlite3.Error as error:
            raise self._file.failure(error) from error

    def _ask_reader(self, ask: Callable[[Reader], _Answer]) -> _Answer:
        reader: Reader | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = Reader(self._connect())
        return ask(reader)

    def _ask_mapped(self, ask: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        mapped: sqlite3.Connection | None = getattr(self._local, "mapped", None)
        if mapped is None:
            mapped = self._local.mapped = self._connect()
            mapped.execute(f"PRAGMA mmap_size = {MAPPED_BYTES}")
        return ask(mapped)

    def _connect(self) -> sqlite3.Connection:
        connection = self._file.connect()
        self._opened.append(connection)
        return connection


def _settle(future: asyncio.Future[None], error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
