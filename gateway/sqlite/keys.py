"""Keys as the log asks about them: reading by key, switching indexes, and indexing what was stored before.

Runs on the event loop's thread, but where it says otherwise. Imports nothing of gRPC or of the generated
stubs.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from gateway.errors import Draining
from gateway.selection import Selection
from gateway.sqlite.key_opening import read_unindexed
from gateway.sqlite.key_reader import WantedKey, read_key

if TYPE_CHECKING:
    import sqlite3

    from gateway.log import KeyPage
    from gateway.sqlite.key_tables import IndexedTopic
    from gateway.sqlite.kinds import Kinds
    from gateway.sqlite.opening import State
    from gateway.sqlite.threads import Threads
    from gateway.sqlite.trimmer import Slice
    from gateway.sqlite.writer import Writer

_RETRY_SECONDS: Final = 1.0
_log = structlog.get_logger("tidegate.log")


class KeyRange(NamedTuple):
    """Which events of a key are read; see ``EventLog.read_key``."""

    selection: Selection
    key: str
    first: int
    last: int
    backwards: bool
    max_events: int
    max_bytes: int


class Keys:
    """The index of keys of an open log."""

    def __init__(self, state: State, kinds: Kinds, writer: Writer, threads: Threads) -> None:
        self._index = state.keys
        self._ledger = state.ledger
        self._kinds = kinds
        self._writer = writer
        self._threads = threads
        self._catching_up: asyncio.Task[None] | None = None
        writer.run(lambda _: writer.keep_up())  # what was due when the log was closed
        self._catch_up_soon()

    async def read(self, wanted: KeyRange, head: int) -> KeyPage | None:
        """Answers the events up to ``head`` by way of the index, None if it does not cover the topics."""
        names = self._kinds.selected(wanted.selection)
        topics = {name[0] for name in names.values() if self._kinds.is_kept(name)}
        ids = self._index.covers(topics)
        if ids is None:
            return None
        _, key, first, last, backwards, max_events, max_bytes = wanted
        end = min(last, head)
        places = WantedKey(key.encode(), ids, first, end, backwards, max_events, max_bytes)
        found = await self._threads.on_mapped(lambda mapped: read_key(mapped, self._index, places, names))
        if self._index.covers(topics) != ids:  # what was switched off meanwhile may have lost records
            return None
        return replace(found, reached=last) if found.reached == end and not backwards else found

    def is_complete(self, topic: str) -> bool:
        """Tells whether the keys of all kept events of a topic are indexed."""
        return self._index.covers((topic,)) is not None

    async def switch(self, topics: frozenset[str]) -> None:
        """Indexes the keys of exactly these topics from now on."""

        def switch(connection: sqlite3.Connection) -> None:
            stored = {kind.topic for kind in self._ledger.kinds.values() if kind.kept}
            self._index.switch(connection, topics, stored, self._ledger.head)
            self._writer.keep_up()

        await self._threads.on_writer(switch)
        self._catch_up_soon()

    def note_removed(self, done: Slice) -> None:
        """Has the index cleared of what was trimmed, once all is. For the writer's thread."""
        if self._index.runs and done.trimmed.batches:
            self._index.changed = True
        elif self._index.changed and not done.trimmed.more:
            self._writer.keep_up()

    async def close(self) -> None:
        """Leaves what is still to be indexed to the next opening."""
        if self._catching_up is not None:
            self._catching_up.cancel()
            await asyncio.wait((self._catching_up,))

    def _catch_up_soon(self) -> None:
        if self._index.unfinished() and (self._catching_up is None or self._catching_up.done()):
            self._catching_up = asyncio.get_running_loop().create_task(self._catch_up())

    async def _catch_up(self) -> None:
        """Indexes the keys of stored events, bit by bit, until all topics that are indexed are complete."""
        while (topic := self._index.unfinished()) is not None:
            try:
                await self._threads.on_writer(_do_nothing)  # its kinds are known behind that
                await self._catch_up_with(topic)
            except Draining:
                return
            except Exception:  # noqa: BLE001  # whatever it is, it must not end indexing for good
                _log.exception("indexing keys failed; trying again", topic=topic.name)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _catch_up_with(self, topic: IndexedTopic) -> None:
        kinds = self._kinds.selected(Selection(frozenset((topic.name,))))
        sparse = self._kinds.is_sparse(kinds.values())
        while self._index.topics.get(topic.name) is topic and not topic.is_complete:
            found, through = await self._threads.on_reader(
                lambda reader: read_unindexed(reader, kinds, topic, sparse=sparse)
            )

            def take(connection: sqlite3.Connection) -> None:
                self._index.catch_up(connection, topic, found, through, self._ledger.head)  # noqa: B023
                self._writer.keep_up()

            await self._threads.on_writer(take)


def _do_nothing(_: sqlite3.Connection) -> None:
    pass
