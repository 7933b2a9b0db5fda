"""Trimming: removing a topic's oldest batches in slices, and giving space back to the file system.

Runs on the writer's thread, between groups. Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from copy import copy
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from gateway.log import Trimmed
from gateway.sqlite.file import META, PAGE_SIZE, transact
from gateway.sqlite.reader import BYTES, COUNT, CURSORS, FIRST, KIND, ORDINAL, TIME

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping

    from gateway.sqlite.ledger import Kind, KindName, Ledger
    from gateway.sqlite.reader import Meta

SLICE: Final = 0.005
"""Seconds that a slice aims at: the disk decides about the rest of the 20 ms that it may take."""
_FIRST_SLICE: Final = 8
_MOST: Final = 4096
_SLICE_BYTES: Final = 24 << 20  # freeing these takes about SLICE too, however few batches they are
_VACUUM_PAGES: Final = 8
_RESERVE_PAGES: Final = 64
"""Free pages that stay in the file for the next appends: 4 MiB."""

_OLDEST: Final = """
SELECT meta FROM log_batch WHERE first_sequence IN (
    SELECT first_sequence FROM ({}) ORDER BY first_sequence LIMIT ?1) ORDER BY first_sequence
"""
_OLDEST_OF_KIND: Final = """
SELECT * FROM (SELECT first_sequence FROM log_batch INDEXED BY log_batch_by_kind
WHERE kind = {} ORDER BY first_sequence LIMIT ?1)
"""
_UPDATE: Final = """
UPDATE log_kind SET trimmed_through = ?, trimmed_time = ?, trimmed_ordinal = ?, trimmed_events = ?,
trimmed_batches = ?, trimmed_size = ? WHERE id = ?
"""


@dataclass(frozen=True, slots=True)
class Trim:
    """What of a topic is to be removed; see ``EventLog.trim``."""

    topic: str
    before_time: int | None
    keep_bytes: int | None


@dataclass(frozen=True, slots=True)
class Slice:
    """What one slice did: the answer, the kinds that it changed, and about how many bytes it wrote."""

    trimmed: Trimmed
    kinds: Mapping[KindName, Kind]
    written: int


class Trimmer:
    """Removes what is asked for, as much of it at once as takes about ``SLICE``."""

    def __init__(self, ledger: Ledger) -> None:
        self.through = max((kind.trimmed_through for kind in ledger.kinds.values()), default=0)
        self._ledger = ledger
        self._batches = _FIRST_SLICE

    def trim(self, connection: sqlite3.Connection, trim: Trim) -> Slice:
        """Removes one slice; if there is nothing to remove, gives free space back."""
        kinds = {kind.id: kind for kind in self._ledger.kinds_of(trim.topic)}
        through = max((kind.trimmed_through for kind in kinds.values()), default=0)
        oldest = self._oldest(connection, kinds.values())
        removed = _excess(trim, oldest, sum(kind.size - kind.trimmed_size for kind in kinds.values()))
        if not removed:
            return Slice(Trimmed(0, through, more=False), {}, _give_back(connection))
        begun = time.perf_counter()
        changed = self._remove(connection, kinds, removed)
        self._adapt(time.perf_counter() - begun, len(removed))
        more = len(removed) == len(oldest) and any(kind.kept for kind in self._ledger.kinds_of(trim.topic))
        through = removed[-1][FIRST] + removed[-1][COUNT] - 1
        return Slice(Trimmed(len(removed), through, more), changed, sum(meta[BYTES] for meta in removed))

    def _oldest(self, connection: sqlite3.Connection, kinds: Iterable[Kind]) -> list[Meta]:
        """Answers the oldest batches of the kinds, without a gap between them."""
        kept = sorted([kind for kind in kinds if kind.kept], key=lambda kind: kind.first_sequence)
        if not kept:
            return []
        cursors = " UNION ALL ".join([_OLDEST_OF_KIND.format(kind.id) for kind in kept[:CURSORS]])
        rows = connection.execute(_OLDEST.format(cursors), (self._batches,)).fetchall()
        metas = _within_slice([META.unpack(meta) for (meta,) in rows])
        if len(kept) <= CURSORS:
            return metas
        return [meta for meta in metas if meta[FIRST] < kept[CURSORS].first_sequence]

    def _remove(
        self, connection: sqlite3.Connection, kinds: dict[int, Kind], removed: list[Meta]
    ) -> dict[KindName, Kind]:
        changed: dict[int, Kind] = {}
        for meta in removed:
            kind = changed.get(meta[KIND])
            if kind is None:
                kind = changed[meta[KIND]] = copy(kinds[meta[KIND]])
            _count(kind, meta)
        numbers = ",".join([str(meta[FIRST]) for meta in removed])
        updates = [(_UPDATE, (*_trimmed(kind), kind.id)) for kind in changed.values()]
        # Raised before the batches are gone: a reader who misses them must be able to know.
        before, self.through = (
            self.through,
            max(self.through, *[kind.trimmed_through for kind in changed.values()]),
        )
        delete = f"DELETE FROM log_batch WHERE first_sequence IN ({numbers})"  # noqa: S608  # numbers of ours
        try:
            transact(connection, [(delete, ()), *updates])
        except BaseException:
            self.through = before
            raise
        for kind in changed.values():
            kind.first_sequence = _first(connection, kind)
        named = {kind.name: kind for kind in changed.values()}
        self._ledger.kinds.update(named)
        return named

    def _adapt(self, seconds: float, batches: int) -> None:
        if seconds > SLICE:
            self._batches = max(1, int(batches * SLICE / seconds))
        elif batches == self._batches:
            self._batches = min(_MOST, 2 * batches)


def _give_back(connection: sqlite3.Connection) -> int:
    """Gives free pages back to the file system for the length of a slice; answers the bytes written."""
    pages, end = 0, time.perf_counter() + SLICE
    while time.perf_counter() < end:
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        if free <= _RESERVE_PAGES:
            break
        # execute() takes this statement for one without rows, and stops after the first page.
        connection.executescript(f"PRAGMA incremental_vacuum({_VACUUM_PAGES})")
        pages += _VACUUM_PAGES
    return pages * PAGE_SIZE


def _within_slice(metas: list[Meta]) -> list[Meta]:
    ends = list(accumulate([meta[BYTES] for meta in metas]))
    return metas[: max(1, bisect_right(ends, _SLICE_BYTES))]


def _excess(trim: Trim, oldest: list[Meta], kept: int) -> list[Meta]:
    removed = []
    for meta in oldest:
        late = trim.before_time is not None and meta[TIME] < trim.before_time
        if not late and (trim.keep_bytes is None or kept <= trim.keep_bytes):
            break
        kept -= meta[BYTES]
        removed.append(meta)
    return removed


def _count(kind: Kind, meta: Meta) -> None:
    kind.trimmed_through = meta[FIRST] + meta[COUNT] - 1
    kind.trimmed_time = meta[TIME]
    kind.trimmed_ordinal = meta[ORDINAL]
    kind.trimmed_events += meta[COUNT]
    kind.trimmed_batches += 1
    kind.trimmed_size += meta[BYTES]


def _trimmed(kind: Kind) -> tuple[int, ...]:
    return (
        kind.trimmed_through,
        kind.trimmed_time,
        kind.trimmed_ordinal,
        kind.trimmed_events,
        kind.trimmed_batches,
        kind.trimmed_size,
    )


def _first(connection: sqlite3.Connection, kind: Kind) -> int:
    row = connection.execute(
        "SELECT first_sequence FROM log_batch INDEXED BY log_batch_by_kind WHERE kind = ? "
        "ORDER BY first_sequence LIMIT 1",
        (kind.id,),
    ).fetchone()
    return row[0] if row else 0
