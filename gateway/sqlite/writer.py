"""The writer: one thread, a queue, and a transaction for everything that waits.

Every call into SQLite gives up the interpreter's lock and has to wait for it again, behind whatever the
event loop is doing. So a group of appends is as few statements as can be: one, as a rule, which is its own
transaction. Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import structlog

from gateway.errors import StreamStopped
from gateway.sqlite import requests
from gateway.sqlite.file import PAGE_SIZE, transact
from gateway.sqlite.key_stage import KeyStage
from gateway.sqlite.ledger import Entry
from registry.errors import TidegateError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from gateway.log import Append, Placed, RequestKey, StoredBatch
    from gateway.sqlite.file import LogFile
    from gateway.sqlite.key_upkeep import Upkeep
    from gateway.sqlite.ledger import Kind, KindName, Ledger, Row
    from gateway.sqlite.requests import RequestWindow

GROUP_BYTES: Final = 4 << 20
"""A group takes no more appends once it has this many bytes."""
GROUP_APPENDS: Final = 2048
"""How many appends a group has at most."""
GATHER_SECONDS: Final = 0.002
"""How long a group may grow while appends come faster than they are committed."""
_PAUSE: Final = 0.0005
CHECKPOINT_BYTES: Final = 16 << 20
"""How much is written between two checkpoints."""
_PAGES: Final = 3  # that a transaction rewrites besides its entries: the end of the table and of its index
_STATEMENT_ROWS: Final = 128
"""Rows of the largest INSERT; smaller ones have every number of rows up to ``_EXACT_ROWS``."""
_EXACT_ROWS: Final = 32

_log = structlog.get_logger("tidegate.log")

Job: TypeAlias = "Callable[[sqlite3.Connection], None]"
"""What runs on the writer's thread, with its connection, between two groups."""


class Outcome:
    """The answer to an append, on its way back to the event loop."""

    __slots__ = ("append", "error", "future", "placed")

    def __init__(self, append: Append, future: asyncio.Future[tuple[Placed, ...]]) -> None:
        self.append = append
        self.future = future
        self.placed: tuple[Placed, ...] = ()
        self.error: Exception | None = None

    def fail(self, error: Exception) -> None:
        """Makes the answer an error, which breaks the append's chain."""
        self.error = error
        if self.append.chain is not None:
            self.append.chain.broken = True


class Committed:
    """What a group did: the answers, and if it was committed, the batches and kinds."""

    __slots__ = ("batches", "kinds", "outcomes")

    def __init__(self, outcomes: Sequence[Outcome], entry: Entry | None = None) -> None:
        self.outcomes = outcomes
        self.batches: Sequence[StoredBatch] = entry.batches if entry else ()
        self.kinds: dict[KindName, Kind] = entry.kinds if entry else {}


class Writer:
    """Commits appends in the order in which they were put, and runs jobs in between.

    ``settle`` is called on the writer's thread, once a group.
    """

    def __init__(
        self,
        file: LogFile,
        ledger: Ledger,
        window: RequestWindow,
        upkeep: Upkeep,
        settle: Callable[[Committed], None],
    ) -> None:
        self.checkpoint_due = threading.Event()
        self._ledger = ledger
        self._upkeep = upkeep
        self._keys = upkeep.index
        self._keeping_up = False
        self._written = 0
        self._busy = False
        self._file = file
        self._requests = window
        self._settle = settle
        self._connection = file.connect(cache_bytes=32 << 20)
        self._running = True
        self._queue: SimpleQueue[Outcome | Job] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="tidegate-writer", daemon=True)
        self._thread.start()

    def put(self, append: Append, future: asyncio.Future[tuple[Placed, ...]]) -> None:
        """Queues an append. The queue has no bound of its own: whoever appends bounds what is under way."""
        self._queue.put(Outcome(append, future))

    def run(self, job: Job) -> None:
        """Queues a job, which gets the writer's connection outside of any transaction and must not raise."""
        self._queue.put(job)

    def wrote(self, size: int) -> None:
        """Counts the bytes that a transaction wrote, and calls for a checkpoint once they are many.

        For the writer's thread.
        """
        self._written += size + _PAGES * PAGE_SIZE
        if self._written >= CHECKPOINT_BYTES:
            self._written = 0
            self.checkpoint_due.set()

    def keep_up(self) -> None:
        """Calls for the upkeep of the index of keys, if none is under way. For the writer's thread."""
        if not self._keeping_up:
            self._keeping_up = True
            self.run(self._keep_up)

    def _keep_up(self, connection: sqlite3.Connection) -> None:
        """Does a slice of upkeep, and queues itself behind what waits until nothing is due."""
        try:
            written = self._upkeep.work(connection)
        except sqlite3.Error as error:  # nothing is lost: it is due again at the next call
            _log.warning("the index of keys was not kept up", error=str(self._file.failure(error)))
            written = None
        if written is None:
            self._keeping_up = False
        else:
            self.wrote(written)
            self.run(self._keep_up)

    def close(self) -> None:
        """Commits what was queued and ends the thread. Blocks."""
        self.run(self._stop)
        self._thread.join()

    def _stop(self, connection: sqlite3.Connection) -> None:
        self._running = False
        connection.close()

    def _run(self) -> None:
        while self._running:
            group: list[Outcome] = []
            job = self._collect(group)
            self._busy = len(group) > 1
            if group:
                self._settle(self._commit(group))
            if job is not None:
                job(self._connection)

    def _collect(self, group: list[Outcome]) -> Job | None:
        """Fills a group with what waits; answers the job that ended it, if one did."""
        size = 0
        item = self._queue.get()
        if self._busy and isinstance(item, Outcome):
            self._let_grow()
        while isinstance(item, Outcome):
            group.append(item)
            size += sum([len(batch.data) for batch in item.append.batches])
            if size >= GROUP_BYTES or len(group) >= GROUP_APPENDS:
                return None
            try:
                item = self._queue.get_nowait()
            except Empty:
                return None
        return item

    def _let_grow(self) -> None:
        """Waits while more keeps coming, so that one commit, one answer and one frame serve many appends.

        Called only while appends come faster than they are committed; whoever appends one at a time never
        waits, and a few who wait for their answers wait for one ``_PAUSE``.
        """
        waiting, end = -1, time.monotonic() + GATHER_SECONDS
        while waiting < self._queue.qsize() and time.monotonic() < end:
            waiting = self._queue.qsize()
            time.sleep(_PAUSE)

    def _commit(self, group: list[Outcome]) -> Committed:
        stage = KeyStage(self._keys)
        try:
            entry, keys = self._place(group, stage)
            self._write(entry, keys)
        except Exception as error:  # noqa: BLE001  # whatever it is, whoever waits must hear of it
            failure = self._file.failure(error) if isinstance(error, sqlite3.Error) else error
            for outcome in group:
                outcome.fail(failure)
            return Committed(group)
        entry.post()
        stage.post()
        if self._keys.is_full:
            self.keep_up()
        self.wrote(entry.size)
        if keys:
            hashes = [hash(key) for key in keys]
            self._requests.add(entry.ordinal, entry.time, hashes)
        return Committed(group, entry)

    def _place(self, group: list[Outcome], stage: KeyStage) -> tuple[Entry, _Requests]:
        entry = Entry(self._ledger, time.time_ns())
        placed: _Requests = {}
        for outcome in group:
            try:
                outcome.placed = self._answer(outcome.append, entry, stage, placed)
            except TidegateError as error:
                outcome.fail(error)
        return entry, placed

    def _answer(self, append: Append, entry: Entry, stage: KeyStage, placed: _Requests) -> tuple[Placed, ...]:
        if append.chain is not None and append.chain.broken:
            raise StreamStopped
        request = append.request
        if request is None:
            return self._append(append, entry, stage)
        known = self._known(request, placed)
        if known is not None:
            return known
        answer = self._append(append, entry, stage)
        placed[request.caller, request.request_id] = request, answer
        return answer

    def _append(self, append: Append, entry: Entry, stage: KeyStage) -> tuple[Placed, ...]:
        entry.check(append)
        if append.expected_keys:
            stage.check(append, self._connection)
        answer = entry.place(append)
        if self._keys.topics:
            stage.take(append.batches, entry.batches[-len(answer) :])
        return answer

    def _known(self, request: RequestKey, placed: _Requests) -> tuple[Placed, ...] | None:
        here = placed.get((request.caller, request.request_id))
        if here is not None:
            return requests.check_digest(request, here[0].digest, here[1])
        row = self._requests.row(request)
        return None if row is None else requests.find(self._connection, row, request)

    def _write(self, entry: Entry, placed: _Requests) -> None:
        if not entry.rows:
            return
        statements: list[tuple[str, Sequence[Any]]] = [*_inserts(entry.rows)]
        if len(statements) == 1 and not entry.new_kinds and not placed:
            self._connection.execute(*statements[0])
            return
        statements += [(_INSERT_KIND, [kind.id, *kind.name]) for kind in entry.new_kinds]
        outdated = 0
        if placed:
            records = b"".join([requests.pack(*request) for request in placed.values()])
            statements.append((_INSERT_REQUESTS, (entry.ordinal, entry.time, records)))
            outdated = self._requests.outdated(entry.time)
            if outdated:
                statements.append(("DELETE FROM log_request WHERE ordinal <= ?", (outdated,)))
        transact(self._connection, statements)
        self._requests.forget(outdated)


_Requests = dict[tuple[str, str], "tuple[RequestKey, tuple[Placed, ...]]"]
_INSERT_KIND: Final = "INSERT INTO log_kind (id, topic, type, schema_version) VALUES (?, ?, ?, ?)"
_INSERT_REQUESTS: Final = "INSERT INTO log_request (ordinal, append_time, records) VALUES (?, ?, ?)"


def _inserts(rows: list[Row]) -> list[tuple[str, list[Any]]]:
    statements = []
    at = 0
    while at < len(rows):
        left = len(rows) - at
        number = _STATEMENT_ROWS if left >= _STATEMENT_ROWS else min(left, _EXACT_ROWS)
        values = [value for row in rows[at : at + number] for value in row]
        statements.append((_INSERTS[number], values))
        at += number
    return statements


_INSERTS: Final = {
    number: f"INSERT INTO log_batch VALUES {', '.join(['(?, ?, ?, ?)'] * number)}"  # noqa: S608  # no values
    for number in (*range(1, _EXACT_ROWS + 1), _STATEMENT_ROWS)
}
