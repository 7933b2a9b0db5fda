"""Access to tables of a SQLite file off the event loop, and what SQLite's errors mean to callers."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sqlite_utils import Database

from registry.errors import StorageFailed, StorageFull, StorageReadOnly, TidegateError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType

BUSY_SECONDS = 10.0
"""How long a call waits for another writer of the file, which holds it for milliseconds at a time."""
POLL_SECONDS = 0.001
"""How often it looks meanwhile."""
_T = TypeVar("_T")


class SqliteAccess:
    """A connection to a file that others may write too, with a thread of its own that runs calls in order.

    Attributes:
        path: The file.
        database: For the functions that ``run`` is given, and nobody else.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self.database: Database
        self._thread = ThreadPoolExecutor(1, "tidegate-store")

    async def open(self, prepare: Callable[[], None]) -> None:
        """Opens the file, which is made if need be, and runs ``prepare``; closes it again if that fails.

        Raises:
            StorageFailed, StorageFull, StorageReadOnly: The file can't be opened or written.
        """
        try:
            await self.run(self._connect)
        except BaseException:
            self._thread.shutdown(wait=False)
            raise
        try:
            await self.run(prepare)
        except BaseException:
            await self.close()
            raise

    async def run(self, function: Callable[..., _T], *arguments: object) -> _T:
        """Runs a function on the thread, behind those that wait already.

        Raises:
            StorageFailed, StorageFull, StorageReadOnly: SQLite refused; nothing of a transaction was stored.
        """
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, partial(function, *arguments))
        except sqlite3.Error as error:
            raise storage_error(self.path, error) from error

    async def close(self) -> None:
        """Waits for calls under way and closes the connection."""
        await self.run(self.database.close)
        self._thread.shutdown()

    def writing(self) -> Writing:
        """Begins a write transaction: ``with access.writing(): ...``."""
        return Writing(self.database)

    def _connect(self) -> None:
        connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS, check_same_thread=False)
        try:
            connection.execute("PRAGMA synchronous = FULL")
        except BaseException:
            connection.close()
            raise
        self.database = Database(connection)


class Writing:
    """One write transaction, which takes its lock at once: a read first could find it stale."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> None:
        """Takes the lock soon after it is free: SQLite's own waiting looks for it ever more rarely."""
        self._database.execute("PRAGMA busy_timeout = 0")
        try:
            self._begin(time.monotonic() + BUSY_SECONDS)
        finally:
            self._database.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self._database.rollback()
            return
        try:
            self._database.commit()
        except sqlite3.Error:
            self._database.rollback()
            raise

    def _begin(self, end: float) -> None:
        while True:
            try:
                self._database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                    raise
            else:
                return
            time.sleep(POLL_SECONDS)


def storage_error(path: str, error: sqlite3.Error) -> TidegateError:
    """Answers the error that tells a caller what SQLite's means."""
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:
        case sqlite3.SQLITE_FULL:
            return StorageFull(path, str(error))
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return StorageReadOnly(path, str(error))
        case _:
            return StorageFailed(path, str(error))
