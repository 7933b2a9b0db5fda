"""Reading the log from its file: pages behind a position, and positions in time.

Every read is a few statements, each of which answers one row and is done: no statement stays open, for it
would pin the write-ahead log. Between the statements of one read the log may be trimmed: batches are
immutable, so a read finds each of them as it was or not at all. Imports nothing of gRPC or of the generated
stubs.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Final, TypeAlias

from gateway.log import StoredBatch
from gateway.sqlite.file import META

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Mapping, Sequence

    from gateway.sqlite.ledger import KindName

Meta: TypeAlias = tuple[int, int, int, int, int, int, int, int, int]
"""A row's unpacked ``meta``."""
FIRST, TIME, ORDINAL, EVENTS, BATCHES, SIZE, COUNT, KIND, BYTES = range(9)

ROWS: Final = 4096
"""How many rows one read looks at most."""
LEAST_ROWS: Final = 16
"""How many rows one read looks at least, also where they have been large."""
CURSORS: Final = 200
"""How many kinds one statement merges; SQLite's limit is 500."""

# CAST and group_concat join blobs byte for byte: the text in between is never looked at.
_SCAN: Final = """
SELECT CAST(group_concat(meta, '') AS BLOB) FROM (
    SELECT meta FROM log_batch WHERE first_sequence <= ?2 AND first_sequence >= ifnull((
        SELECT first_sequence FROM log_batch WHERE first_sequence <= ?1 ORDER BY first_sequence DESC LIMIT 1
    ), 0) ORDER BY first_sequence LIMIT ?3)
"""
_BEGIN: Final = """
SELECT first_sequence FROM log_batch WHERE first_sequence <= ? ORDER BY first_sequence DESC LIMIT 1
"""
_CURSOR: Final = """
SELECT * FROM (SELECT first_sequence FROM log_batch INDEXED BY log_batch_by_kind
WHERE kind = {} AND first_sequence BETWEEN ?1 AND ?2 ORDER BY first_sequence LIMIT ?3)
"""
_METAS: Final = """
SELECT CAST(group_concat(meta, '') AS BLOB) FROM (
    SELECT meta FROM log_batch WHERE first_sequence IN ({}) ORDER BY first_sequence)
"""
_ENTRIES: Final = """
SELECT CAST(group_concat(entry, '') AS BLOB) FROM (
    SELECT entry FROM log_batch WHERE {} ORDER BY first_sequence)
"""
_LAST_OF_KIND: Final = """
SELECT meta FROM log_batch INDEXED BY log_batch_by_kind
WHERE kind = ? AND first_sequence <= ? ORDER BY first_sequence DESC LIMIT 1
"""
_FIRST_OF_KIND: Final = """
SELECT meta FROM log_batch INDEXED BY log_batch_by_kind WHERE kind = ? ORDER BY first_sequence LIMIT 1
"""
_FIRST_AT: Final = "SELECT meta FROM log_batch WHERE first_sequence >= ? ORDER BY first_sequence LIMIT 1"

_make = partial(tuple.__new__, StoredBatch)
"""Makes a batch of the tuple of its values, at half the price of calling the class."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to read of the file.

    Attributes:
        kinds: Names of the wanted kinds by number.
        everything: Whether they are all that there are.
        sparse: Whether they are a small part of the log, so that each is best looked up by itself.
        after: The position to read on from.
        head: How far to read: all batches up to here are committed.
        max_bytes: How many bytes of entries to answer, at least one entry.
    """

    kinds: Mapping[int, KindName]
    everything: bool
    sparse: bool
    after: int
    head: int
    max_bytes: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a read found: ``ordinal`` is 0 if the read went through to the head."""

    batches: tuple[StoredBatch, ...]
    through: int
    ordinal: int


class Reader:
    """Reads on a connection of its own, used by one thread at a time."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._rows = ROWS

    def read(self, wanted: Wanted) -> Found:
        """Answers the wanted batches behind a position, or progress over others."""
        look = self._merge if wanted.sparse else self._scan
        while True:
            metas, complete = look(wanted)
            chosen = [meta for meta in metas if wanted.everything or meta[KIND] in wanted.kinds]
            ends = list(accumulate([meta[BYTES] for meta in chosen]))
            fitting = chosen[: max(1, bisect_right(ends, wanted.max_bytes))]
            batches = self._load(fitting, ends, wanted)
            if batches is not None:
                break
        if len(fitting) < len(chosen):
            self._rows = min(ROWS, 2 * metas.index(fitting[-1]) + LEAST_ROWS)
            return Found(batches, _last(fitting[-1]), fitting[-1][ORDINAL])
        self._rows = min(ROWS, 2 * self._rows)
        if complete:
            return Found(batches, wanted.head, 0)
        return Found(batches, _last(metas[-1]), metas[-1][ORDINAL])

    def position_at(self, time: int, head: int) -> int:
        """Answers the position before the first kept batch not older than ``time``, the head if none is.

        The append_time rises with the sequence, so the primary key is the index over time.
        """
        low, high, found = 0, head, head
        while low <= high:
            middle = (low + high) // 2
            row = self.connection.execute(_FIRST_AT, (middle,)).fetchone()
            meta = META.unpack(row[0]) if row else None
            if meta is None or meta[FIRST] > head:
                high = middle - 1
            elif meta[TIME] >= time:
                found = meta[FIRST] - 1
                high = middle - 1
            else:
                low = meta[FIRST] + 1
        return found

    def count(self, kinds: Iterable[int], after: int, through: int) -> int:
        """Answers how many events of some kinds are kept behind ``after``, up to ``through``."""
        total = 0
        for kind in kinds:
            # The lower end first: what is trimmed in between then counts, instead of all that ever was.
            before, until = self._events_until(kind, after), self._events_until(kind, through)
            total += max(0, until - before)
        return total

    def _events_until(self, kind: int, sequence: int) -> int:
        """Answers how many events of a kind there ever were up to ``sequence``, at least all trimmed ones."""
        if row := self.connection.execute(_LAST_OF_KIND, (kind, sequence)).fetchone():
            meta = META.unpack(row[0])
            return int(meta[EVENTS] - max(0, _last(meta) - sequence))
        if row := self.connection.execute(_FIRST_OF_KIND, (kind,)).fetchone():
            meta = META.unpack(row[0])
            return int(meta[EVENTS] - meta[COUNT])
        return 0

    def _scan(self, wanted: Wanted) -> tuple[list[Meta], bool]:
        packed = self._one(_SCAN, (wanted.after, wanted.head, self._rows))
        metas = list(META.iter_unpack(packed))
        return _behind(metas, wanted.after), len(metas) < self._rows

    def _merge(self, wanted: Wanted) -> tuple[list[Meta], bool]:
        row = self.connection.execute(_BEGIN, (wanted.after,)).fetchone()
        begin = row[0] if row else 0
        sequences: list[int] = []
        kinds = sorted(wanted.kinds)
        for at in range(0, len(kinds), CURSORS):
            cursors = " UNION ALL ".join(map(_CURSOR.format, kinds[at : at + CURSORS]))
            sql = f"SELECT group_concat(first_sequence) FROM ({cursors})"  # noqa: S608  # numbers of ours
            (text,) = self.connection.execute(sql, (begin, wanted.head, self._rows)).fetchone()
            sequences += map(int, text.split(",")) if text else ()
        complete = len(sequences) < self._rows
        sequences = sorted(sequences)[: self._rows]
        packed = self._one(_METAS.format(",".join(map(str, sequences))), ())
        return _behind(list(META.iter_unpack(packed)), wanted.after), complete

    def _load(
        self, metas: Sequence[Meta], ends: Sequence[int], wanted: Wanted
    ) -> tuple[StoredBatch, ...] | None:
        """Answers the batches of ``metas``; None if one of them was trimmed meanwhile."""
        if not metas:
            return ()
        joined = self._one(_ENTRIES.format(_where(metas, wanted)), ())
        if len(joined) != ends[len(metas) - 1]:
            return None
        names = wanted.kinds
        return tuple(
            [
                _make((first, count, *names[kind], time, ordinal, joined[end - size : end]))
                for (first, time, ordinal, _, _, _, count, kind, size), end in zip(metas, ends, strict=False)
            ]
        )

    def _one(self, sql: str, values: Sequence[int]) -> bytes:
        (value,) = self.connection.execute(sql, values).fetchone()
        return value or b""


def _where(metas: Sequence[Meta], wanted: Wanted) -> str:
    if wanted.sparse:
        return f"first_sequence IN ({','.join([str(meta[FIRST]) for meta in metas])})"
    between = f"first_sequence BETWEEN {metas[0][FIRST]} AND {metas[-1][FIRST]}"
    return between if wanted.everything else f"{between} AND kind IN ({','.join(map(str, wanted.kinds))})"


def _last(meta: Meta) -> int:
    return meta[FIRST] + meta[COUNT] - 1


def _behind(metas: list[Meta], after: int) -> list[Meta]:
    return metas[1:] if metas and _last(metas[0]) <= after else metas
