"""The embedded engine: a log in one SQLite file.

Wires the parts: the writer's thread appends, the tail answers those who read near the head, a small pool of
threads reads the file for the others. Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from typing import TYPE_CHECKING, Final, Self

from gateway.errors import Draining
from gateway.log import Bounds, Page, Placed, Trimmed
from gateway.sqlite import requests
from gateway.sqlite.back_reader import WantedBack, read_back
from gateway.sqlite.checkpoint import Checkpointer
from gateway.sqlite.file import LogFile
from gateway.sqlite.key_upkeep import Upkeep
from gateway.sqlite.keys import KeyRange, Keys
from gateway.sqlite.kinds import Kinds
from gateway.sqlite.opening import load
from gateway.sqlite.reader import Wanted
from gateway.sqlite.threads import Threads
from gateway.sqlite.trimmer import Trim, Trimmer
from gateway.sqlite.writer import Committed, Writer
from gateway.tail import Tail

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.log import Append, BackPage, KeyPage, RequestKey, StoredKind
    from gateway.selection import Selection
    from gateway.sqlite.opening import State
    from gateway.sqlite.trimmer import Slice

TAIL_BYTES: Final = 32 << 20
"""How many bytes of recent batches are kept in memory by default."""


class SqliteLog:
    """An ``EventLog`` in a SQLite file. Belongs to the event loop that opened it."""

    @classmethod
    async def open(cls, path: str | Path, *, tail_bytes: int = TAIL_BYTES) -> Self:
        """Opens the log, and makes it if the file is missing.

        Args:
            path: The file. Its folder must exist; ``<path>.lock`` beside it is locked while the log is open.
            tail_bytes: How many bytes of recent batches to keep in memory.

        Raises:
            CannotOpenLog: The file is in use, is no log, has another format, or can't be read and written.
        """
        loop = asyncio.get_running_loop()
        file = await loop.run_in_executor(None, LogFile, path)
        try:
            return cls(loop, file, await loop.run_in_executor(None, load, file), tail_bytes)
        except BaseException:
            file.close()
            raise

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        file: LogFile,
        state: State,
        tail_bytes: int,
    ) -> None:
        ledger, window, index = state
        self._loop = loop
        self._file = file
        self._requests = window
        self._tail = Tail(ledger.head, ledger.ordinal, capacity=tail_bytes)
        self._kinds = Kinds(ledger.kinds.values())
        self._under_way: dict[tuple[str, str], list[asyncio.Future[None]]] = {}
        self._trimming: set[asyncio.Future[Trimmed]] = set()
        self._trimmer = Trimmer(ledger)
        self._tail.trimmed = self._trimmer.through
        self._writer = Writer(file, ledger, window, Upkeep(index, ledger), self._settle_soon)
        self._threads = Threads(loop, file, self._writer)
        self._checkpointer = Checkpointer(file, self._writer)
        self._closing: asyncio.Task[None] | None = None
        self._keys = Keys(state, self._kinds, self._writer, self._threads)

    def append(self, append: Append) -> asyncio.Future[tuple[Placed, ...]]:
        """Appends all batches in order, or nothing; see ``EventLog.append``.

        What waits to be written is bounded by those who append: each holds back when too much of its own
        is under way.
        """
        future: asyncio.Future[tuple[Placed, ...]] = self._loop.create_future()
        if self._closing is not None:
            future.set_exception(Draining())
            return future
        if append.request is not None:
            self._under_way.setdefault((append.request.caller, append.request.request_id), [])
        self._writer.put(append, future)
        return future

    async def recall(self, request: RequestKey) -> tuple[Placed, ...] | None:
        """Answers the placements of a request that was appended before; see ``EventLog.recall``."""
        waiting = self._under_way.get((request.caller, request.request_id))
        if waiting is not None:
            settled: asyncio.Future[None] = self._loop.create_future()
            waiting.append(settled)
            await settled
        row = self._requests.row(request)
        if row is None:
            return None
        return await self._threads.on_reader(lambda reader: requests.find(reader.connection, row, request))

    async def read(
        self, selection: Selection, after: int, *, max_bytes: int, deadline: float | None = None
    ) -> Page:
        """Reads on behind a position, in order; see ``EventLog.read``."""
        tail = self._tail
        while True:
            if self._closing is not None:
                raise Draining
            if not tail.covers(after):
                return await self._read_file(selection, after, max_bytes)
            page = tail.page(selection, after, max_bytes)
            if page.batches:
                return page
            if page.through > after or (deadline is not None and deadline <= self._loop.time()):
                # Others get their turn, however much a reader has to pass over.
                await asyncio.sleep(0)
                return page
            woken = await tail.wait(selection, max_bytes, deadline)
            if not woken.batches or woken.batches[0].last_sequence > after:
                return woken

    async def read_back(self, selection: Selection, before: int, *, max_bytes: int) -> BackPage:
        """Reads on in front of a position; see ``EventLog.read_back``."""
        kinds = self._kinds.selected(selection)
        sparse = self._kinds.is_sparse(kinds.values())
        wanted = WantedBack(kinds, sparse, min(before, self._tail.head + 1), max_bytes)
        return await self._threads.on_reader(lambda reader: read_back(reader.connection, wanted))

    async def read_key(
        self,
        selection: Selection,
        key: str,
        first: int,
        last: int,
        *,
        backwards: bool,
        max_events: int,
        max_bytes: int,
    ) -> KeyPage | None:
        """Answers kept events of a key, by way of the index; see ``EventLog.read_key``."""
        wanted = KeyRange(selection, key, first, last, backwards, max_events, max_bytes)
        return await self._keys.read(wanted, self._tail.head)

    async def index_keys(self, topics: frozenset[str]) -> None:
        """Indexes the keys of exactly these topics from now on; see ``EventLog.index_keys``."""
        await self._keys.switch(topics)

    def has_indexed_keys(self, topic: str) -> bool:
        """Tells whether the keys of all kept events of a topic are indexed; see ``EventLog``."""
        return self._keys.is_complete(topic)

    async def bounds(self, selection: Selection, time: int | None = None) -> Bounds:
        """Answers where the log and the selected topics begin and end; see ``EventLog.bounds``."""
        # A reader that missed what a trim just removed asks here what it was.
        if self._trimming:
            await asyncio.wait(self._trimming)
        head, ordinal = self._tail.head, self._tail.head_ordinal
        known = self._kinds.bounds(selection)
        if time is None:
            return Bounds(head, ordinal, known)
        position = await self._threads.on_reader(lambda reader: reader.position_at(time, head))
        return Bounds(head, ordinal, known, position)

    async def kinds(self, selection: Selection) -> frozenset[StoredKind]:
        """Answers of which event types and schema versions batches are kept; see ``EventLog.kinds``."""
        await self.trim("")  # removes nothing, behind all that was appended before
        return self._kinds.stored(selection)

    async def count(self, selection: Selection, after: int, through: int) -> int:
        """Answers how many events are kept between two positions; see ``EventLog.count``."""
        kinds, through = self._kinds.selected(selection), min(through, self._tail.head)
        return await self._threads.on_reader(lambda reader: reader.count(kinds, after, through))

    async def trim(
        self, topic: str, *, before_time: int | None = None, keep_bytes: int | None = None
    ) -> Trimmed:
        """Removes the oldest batches of a topic, in one slice; see ``EventLog.trim``."""
        if self._closing is not None:
            raise Draining
        future: asyncio.Future[Trimmed] = self._loop.create_future()
        self._trimming.add(future)
        self._writer.run(partial(self._trim, Trim(topic, before_time, keep_bytes), future))
        return await asyncio.shield(future)

    async def close(self) -> None:
        """Commits what was queued and releases the log; see ``EventLog.close``."""
        if self._closing is None:
            self._threads.drain()
            self._tail.fail(Draining())
            self._closing = self._loop.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        await self._keys.close()
        await self._loop.run_in_executor(None, self._checkpointer.close)
        await self._loop.run_in_executor(None, self._writer.close)
        await self._loop.run_in_executor(None, self._threads.close)
        self._file.close()

    def _settle_soon(self, committed: Committed) -> None:
        self._loop.call_soon_threadsafe(self._settle, committed)

    def _settle(self, committed: Committed) -> None:
        self._kinds.learn(committed.kinds.values())
        self._tail.add(committed.batches)
        for outcome in committed.outcomes:
            request = outcome.append.request
            if request is not None:
                for settled in self._under_way.pop((request.caller, request.request_id), ()):
                    if not settled.done():
                        settled.set_result(None)
            if outcome.future.done():
                continue
            if outcome.error is None:
                outcome.future.set_result(outcome.placed)
            else:
                outcome.future.set_exception(outcome.error)

    async def _read_file(self, selection: Selection, after: int, max_bytes: int) -> Page:
        tail = self._tail
        kinds = self._kinds.selected(selection)
        head, ordinal = tail.head, tail.head_ordinal
        everything = len(kinds) == len(self._kinds)
        sparse = not everything and self._kinds.is_sparse(kinds.values())
        wanted = Wanted(kinds, everything, sparse, after, head, max_bytes)
        found = await self._threads.on_reader(lambda reader: reader.read(wanted))
        return Page(
            found.batches,
            found.through,
            found.ordinal or ordinal,
            tail.head,
            tail.head_ordinal,
            self._trimmer.through,
        )

    def _trim(self, trim: Trim, future: asyncio.Future[Trimmed], connection: sqlite3.Connection) -> None:
        try:
            done = self._trimmer.trim(connection, trim)
            self._keys.note_removed(done)
        except Exception as error:  # noqa: BLE001  # whatever it is, whoever waits must hear of it
            failure = self._file.failure(error) if isinstance(error, sqlite3.Error) else error
            self._loop.call_soon_threadsafe(self._trim_failed, future, failure)
        else:
            self._writer.wrote(done.written)
            self._loop.call_soon_threadsafe(self._trimmed, trim.topic, future, done)

    def _trimmed(self, topic: str, future: asyncio.Future[Trimmed], done: Slice) -> None:
        self._kinds.learn(done.kinds.values())
        if done.trimmed.batches:
            self._tail.remove(topic, done.trimmed.through)
        self._trimming.discard(future)
        future.set_result(done.trimmed)

    def _trim_failed(self, future: asyncio.Future[Trimmed], error: Exception) -> None:
        self._trimming.discard(future)
        future.set_exception(error)
