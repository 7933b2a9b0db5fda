"""What a group of appends means for the index of keys, until it is committed.

Runs on the writer's thread. Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.entries import envelope_size, keyed_events
from gateway.errors import KeysNotIndexed, UnexpectedSequence
from gateway.sqlite.key_reader import last_sequence

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from gateway.entries import KeyedEvents
    from gateway.log import Append, NewBatch, StoredBatch
    from gateway.sqlite.key_index import KeyIndex


class KeyStage:
    """The events of one group in topics that index their keys."""

    __slots__ = ("_folded", "_index", "_last", "_taken")

    def __init__(self, index: KeyIndex) -> None:
        self._index = index
        self._taken: list[tuple[StoredBatch, KeyedEvents, int]] = []
        self._folded = 0
        self._last: dict[tuple[str, bytes], int] = {}

    def take(self, batches: Sequence[NewBatch], stored: Sequence[StoredBatch]) -> None:
        """Takes the batches of an append, as they came and as they are placed."""
        topics = self._index.topics
        for batch, placed in zip(batches, stored, strict=True):
            if batch.topic in topics:
                self._taken.append((placed, keyed_events(batch.data), envelope_size(len(placed.entry))))

    def check(self, append: Append, connection: sqlite3.Connection) -> None:
        """Refuses an append whose expectation of a key doesn't hold.

        Raises:
            KeysNotIndexed: A topic does not index its keys, or not all yet.
            UnexpectedSequence: The last event of a key is not the expected one.
        """
        for (topic, key), expected in append.expected_keys.items():
            indexed = self._index.topics.get(topic)
            if indexed is None or not indexed.is_complete:
                raise KeysNotIndexed(topic, building=indexed is not None)
            actual = self._last_here(topic, key.encode())
            if actual is None:
                actual = last_sequence(connection, self._index, indexed.id, key.encode())
            if actual != expected:
                raise UnexpectedSequence(topic, expected, actual, key)

    def post(self) -> None:
        """Makes the index know the events: they are committed."""
        for placed, events, envelope in self._taken:
            self._index.add(placed.topic, placed.first_sequence, events, envelope)

    def _last_here(self, topic: str, key: bytes) -> int | None:
        for placed, events, _ in self._taken[self._folded :]:
            for index, each in enumerate(events.keys):
                self._last[placed.topic, each] = placed.first_sequence + index
        self._folded = len(self._taken)
        return self._last.get((topic, key))
