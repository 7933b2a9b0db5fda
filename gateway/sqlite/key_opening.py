"""Stored events for the index of keys: those behind its last run on opening, and those of before it was on.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.entries import Sealer, envelope_size, keyed_events
from gateway.sqlite.reader import Reader, Wanted

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from gateway.entries import KeyedEvents
    from gateway.log import StoredBatch
    from gateway.sqlite.key_index import KeyIndex
    from gateway.sqlite.key_tables import IndexedTopic
    from gateway.sqlite.ledger import KindName, Ledger

PAGE_BYTES: Final = 256 * 1024
"""How many bytes of stored batches are indexed at once."""
_OPENING_BYTES: Final = 4 << 20


def load_recent(connection: sqlite3.Connection, index: KeyIndex, ledger: Ledger) -> None:
    """Reads what of the indexed topics lies behind the last run; about as much as is kept in memory."""
    kinds = {kind.id: kind.name for kind in ledger.kinds.values() if kind.topic in index.topics}
    reader, after = Reader(connection), index.through
    while kinds and after < ledger.head:
        wanted = Wanted(kinds, False, True, after, ledger.head, _OPENING_BYTES)  # noqa: FBT003
        found = reader.read(wanted)
        for batch, (first_sequence, events, envelope) in zip(
            found.batches, keyed(found.batches), strict=True
        ):
            index.add(batch.topic, first_sequence, events, envelope)
        after = found.through
        if index.is_full:  # a program without the index wrote this file meanwhile
            index.flush(connection, after)


def read_unindexed(
    reader: Reader, kinds: Mapping[int, KindName], topic: IndexedTopic, *, sparse: bool
) -> tuple[list[tuple[int, KeyedEvents, int]], int]:
    """Answers the next stored events of a topic, and through which sequence these are all."""
    found = reader.read(Wanted(kinds, False, sparse, topic.through, topic.since, PAGE_BYTES))  # noqa: FBT003
    return keyed(found.batches), found.through


def keyed(batches: Iterable[StoredBatch]) -> list[tuple[int, KeyedEvents, int]]:
    """Answers first sequence, events and envelope of stored batches, as the index takes them."""
    sealers: dict[KindName, Sealer] = {}
    found = []
    for batch in batches:
        name = (batch.topic, batch.type, batch.schema_version)
        sealer = sealers.get(name)
        if sealer is None:
            sealer = sealers[name] = Sealer(*name)
        data = sealer.unseal(batch.entry, batch.first_sequence, batch.append_time)
        found.append((batch.first_sequence, keyed_events(data), envelope_size(len(batch.entry))))
    return found
