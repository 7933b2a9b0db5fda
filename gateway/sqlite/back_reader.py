"""Reading the log's file towards its beginning: pages in front of a position.

As in ``reader``, every statement answers one row and is done. Imports nothing of gRPC or of the
generated stubs.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from gateway.log import BackPage, StoredBatch
from gateway.sqlite.file import META
from gateway.sqlite.reader import BYTES, CURSORS, FIRST, KIND, LEAST_ROWS, ROWS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping, Sequence

    from gateway.sqlite.ledger import KindName
    from gateway.sqlite.reader import Meta

_GROWTH: Final = 4
"""By how much each look is larger than the one before: nothing is known of how large batches are here."""

_SCAN: Final = """
SELECT CAST(group_concat(meta, '') AS BLOB) FROM (
    SELECT meta FROM log_batch WHERE first_sequence < ?1 ORDER BY first_sequence DESC LIMIT ?2)
"""
_CURSOR: Final = """
SELECT * FROM (SELECT first_sequence FROM log_batch INDEXED BY log_batch_by_kind
WHERE kind = {} AND first_sequence < ?1 ORDER BY first_sequence DESC LIMIT ?2)
"""
_METAS: Final = """
SELECT CAST(group_concat(meta, '') AS BLOB) FROM (
    SELECT meta FROM log_batch WHERE first_sequence IN ({}) ORDER BY first_sequence DESC)
"""
_ENTRIES: Final = """
SELECT CAST(group_concat(entry, '') AS BLOB) FROM (
    SELECT entry FROM log_batch WHERE first_sequence IN ({}) ORDER BY first_sequence DESC)
"""


@dataclass(frozen=True, slots=True)
class WantedBack:
    """What to read of the file.

    Attributes:
        kinds: Names of the wanted kinds by number.
        sparse: Whether they are a small part of the log, so that each is best looked up by itself.
        before: The position to read on in front of; all batches below it are committed.
        max_bytes: How many bytes of entries to answer, at least one entry.
    """

    kinds: Mapping[int, KindName]
    sparse: bool
    before: int
    max_bytes: int


def read_back(connection: sqlite3.Connection, wanted: WantedBack) -> BackPage:
    """Answers the wanted batches in front of a position, newest first, or progress over others."""
    while True:
        chosen, before = _look(connection, wanted)
        ends = list(accumulate([meta[BYTES] for meta in chosen]))
        fitting = chosen[: max(1, bisect_right(ends, wanted.max_bytes))]
        batches = _load(connection, fitting, ends, wanted.kinds)
        if batches is not None:
            return BackPage(batches, fitting[-1][FIRST] if len(fitting) < len(chosen) else before)


def _look(connection: sqlite3.Connection, wanted: WantedBack) -> tuple[list[Meta], int]:
    """Answers the wanted batches of a bounded number, and what they begin at; 1 at the beginning."""
    look = _merge if wanted.sparse else _scan
    chosen: list[Meta] = []
    before, size, looked, rows = wanted.before, 0, 0, LEAST_ROWS
    while size < wanted.max_bytes and looked < ROWS:
        metas = look(connection, wanted, before, rows)
        found = [meta for meta in metas if meta[KIND] in wanted.kinds]
        chosen += found
        size += sum([meta[BYTES] for meta in found])
        if len(metas) < rows:
            return chosen, 1
        before, looked, rows = metas[-1][FIRST], looked + rows, rows * _GROWTH
    return chosen, before


def _scan(connection: sqlite3.Connection, _: WantedBack, before: int, rows: int) -> list[Meta]:
    (packed,) = connection.execute(_SCAN, (before, rows)).fetchone()
    return list(META.iter_unpack(packed or b""))


def _merge(connection: sqlite3.Connection, wanted: WantedBack, before: int, rows: int) -> list[Meta]:
    sequences: list[int] = []
    kinds = sorted(wanted.kinds)
    for at in range(0, len(kinds), CURSORS):
        cursors = " UNION ALL ".join(map(_CURSOR.format, kinds[at : at + CURSORS]))
        sql = f"SELECT group_concat(first_sequence) FROM ({cursors})"  # noqa: S608  # numbers of ours
        (text,) = connection.execute(sql, (before, rows)).fetchone()
        sequences += map(int, text.split(",")) if text else ()
    newest = sorted(sequences, reverse=True)[:rows]
    (packed,) = connection.execute(_METAS.format(",".join(map(str, newest)))).fetchone()
    metas = list(META.iter_unpack(packed or b""))
    # Trimmed in between: what is left must not look like the beginning.
    return metas if len(metas) == len(newest) else _merge(connection, wanted, before, rows)


def _load(
    connection: sqlite3.Connection,
    metas: Sequence[Meta],
    ends: Sequence[int],
    names: Mapping[int, KindName],
) -> tuple[StoredBatch, ...] | None:
    """Answers the batches of ``metas``; None if one of them was trimmed meanwhile."""
    if not metas:
        return ()
    numbers = ",".join([str(meta[FIRST]) for meta in metas])
    (joined,) = connection.execute(_ENTRIES.format(numbers)).fetchone()
    if len(joined or b"") != ends[len(metas) - 1]:
        return None
    return tuple(
        [
            StoredBatch(first, count, *names[kind], time, ordinal, joined[end - size : end])
            for (first, time, ordinal, _, _, _, count, kind, size), end in zip(metas, ends, strict=False)
        ]
    )
