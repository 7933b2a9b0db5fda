"""Reading the events of a key: their places from the index, their bytes from the batches that hold them.

Imports nothing of gRPC or of the generated stubs.

An event is cut out of its batch by SQLite itself: batches of a thousand events are not brought here for one
of them. As everywhere, many rows are answered as one.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.entries import Sealer, envelope_size, keys_of
from gateway.log import KeyPage, StoredBatch
from gateway.sqlite.file import META
from gateway.sqlite.key_places import find_records, key_hash, part_of
from gateway.sqlite.reader import BYTES, FIRST, KIND, ORDINAL, TIME

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gateway.sqlite.key_index import KeyIndex
    from gateway.sqlite.key_places import Place
    from gateway.sqlite.key_tables import Run
    from gateway.sqlite.ledger import KindName
    from gateway.sqlite.reader import Meta

LAST: Final = 2**63 - 1
RECORD_BYTES: Final = 1 << 20
"""How many bytes of records are fetched at once."""
_STATEMENT_SPANS: Final = 1_000
_SPAN_WASTE: Final = 1_024
"""How many bytes between two events of a batch are fetched with them, to fetch both at once."""
_MORE_PLACES: Final = 16

_ROWS: Final = """
SELECT group_concat(run || ',' || chunk || ',' || first || ',' || last || ',' || length(records), ';')
FROM log_key WHERE run IN ({}) AND part = ?
"""
_RECORDS: Final = """
WITH wanted(run, chunk) AS (VALUES {})
SELECT CAST(group_concat(records, '') AS BLOB) FROM wanted CROSS JOIN log_key
ON log_key.run = wanted.run AND part = ? AND log_key.chunk = wanted.chunk
"""
_SPANS: Final = """
WITH span(first, head, begin, size) AS (VALUES {})
SELECT CAST(group_concat(piece, '') AS BLOB) FROM (
    SELECT meta || CASE WHEN head THEN substr(entry, 1, head) ELSE '' END || substr(entry, begin, size)
        AS piece
    FROM span CROSS JOIN log_batch ON first_sequence = span.first)
"""

_make = partial(tuple.__new__, StoredBatch)
"""Makes a batch of the tuple of its values, as ``reader`` does."""


@dataclass(frozen=True, slots=True)
class WantedKey:
    """Which events of a key to find.

    Attributes:
        key: The key.
        topics: The numbers of the topics.
        first, last: Between which sequences, inclusive.
        backwards: Whether the newest come first.
        limit: How many at most.
        max_bytes: How many bytes they may have, but one of them always.
    """

    key: bytes
    topics: frozenset[int]
    first: int
    last: int
    backwards: bool
    limit: int
    max_bytes: int = 0


class FoundPlaces(NamedTuple):
    """Places, in the order that was asked for, and up to which sequence, or down to which, these are all."""

    places: list[Place]
    reached: int


class _Row(NamedTuple):
    run: int
    chunk: int
    first: int
    last: int
    size: int


def read_key(
    connection: sqlite3.Connection, index: KeyIndex, wanted: WantedKey, names: Mapping[int, KindName]
) -> KeyPage:
    """Answers the events of a key that are kept and of the kinds that ``names`` has."""
    if wanted.first > wanted.last:
        return KeyPage((), wanted.first if wanted.backwards else wanted.last)
    # One more tells whether there are more: the last page of a history is known to be the last.
    places, reached = find_places(connection, index, replace(wanted, limit=wanted.limit + 1))
    ends = list(accumulate([place.head + place.size for place in places]))
    most = min(wanted.limit, max(1, bisect_right(ends, wanted.max_bytes)))
    if len(places) > most:
        places, reached = places[:most], places[most - 1].sequence
    return KeyPage(tuple(load_events(connection, places, wanted.key, names)), reached)


def find_places(connection: sqlite3.Connection, index: KeyIndex, wanted: WantedKey) -> FoundPlaces:
    """Answers where events stand that may have a key, and may have been removed."""
    hashed = key_hash(wanted.key, index.seed)
    part = part_of(hashed)
    while True:
        recent, runs = index.recent.part(part), index.runs  # in this order: what leaves one is in the other
        rows = _rows(connection, part, [run.id for run in runs if _overlaps(run, wanted)])
        fetch = partial(_records, connection, part)
        found = _find(rows, recent, hashed, wanted, fetch)
        if index.runs is runs:
            return found


def _rows(connection: sqlite3.Connection, part: int, runs: Sequence[int]) -> list[_Row]:
    if not runs:
        return []
    (text,) = connection.execute(_ROWS.format(",".join(map(str, runs))), (part,)).fetchone()
    return [_Row(*map(int, row.split(","))) for row in text.split(";")] if text else []


def _overlaps(stretch: Run | _Row, wanted: WantedKey) -> bool:
    return stretch.first <= wanted.last and stretch.last >= wanted.first


def _find(
    rows: list[_Row],
    recent: bytes,
    hashed: int,
    wanted: WantedKey,
    fetch: Callable[[Sequence[_Row]], bytes],
) -> FoundPlaces:
    """Fetches records, those first that the reader meets first, until there are enough."""
    back, limit = wanted.backwards, wanted.limit
    rows = sorted(
        [row for row in rows if _overlaps(row, wanted)], key=lambda row: -row.last if back else row.first
    )
    found: dict[int, Place] = {}
    records, at = recent, 0
    while True:
        for place in find_records(records, hashed, wanted.topics, wanted.first, wanted.last):
            found[place.sequence] = place
        reached = _reached(rows[at], wanted) if at < len(rows) else wanted.first if back else wanted.last
        sure = [sequence for sequence in found if (sequence >= reached if back else sequence <= reached)]
        if at == len(rows) or len(sure) >= limit:
            break
        ends = list(accumulate([row.size for row in rows[at:]]))
        fetched = rows[at : at + max(1, bisect_right(ends, RECORD_BYTES))]
        at += len(fetched)
        records = fetch(fetched)
    places = [found[sequence] for sequence in sorted(sure, reverse=back)[:limit]]
    return FoundPlaces(places, places[-1].sequence if len(sure) > limit else reached)


def _reached(row: _Row, wanted: WantedKey) -> int:
    """Answers up to where, or down to where, nothing is found in this row nor in any behind it."""
    return min(row.last, wanted.last) + 1 if wanted.backwards else max(row.first, wanted.first) - 1


def _records(connection: sqlite3.Connection, part: int, rows: Sequence[_Row]) -> bytes:
    values = ",".join([f"({row.run},{row.chunk})" for row in rows])
    (records,) = connection.execute(_RECORDS.format(values), (part,)).fetchone()
    return records or b""


class _Span(NamedTuple):
    """Bytes of one batch that hold events of some places."""

    places: list[Place]
    offset: int
    size: int


class _Piece(NamedTuple):
    """An event as it was cut out of its batch: the row's values, what stands in front of all, the event."""

    meta: Meta
    place: Place
    head: bytes
    event: bytes


def load_events(
    connection: sqlite3.Connection, places: Sequence[Place], key: bytes, names: Mapping[int, KindName]
) -> list[StoredBatch]:
    """Answers the events of some places, each as a batch of one, in the order of the places.

    Leaves out what was removed, what has another key, and what is of a kind that ``names`` does not have.
    """
    sealers: dict[int, Sealer] = {}
    batches: list[StoredBatch] = []
    pieces = _pieces(connection, places)
    for (meta, place, head, event), has in zip(pieces, _keys(pieces), strict=True):
        name = names.get(meta[KIND])
        if name is None or has != key:
            continue
        sealer = sealers.get(meta[KIND])
        if sealer is None:
            sealer = sealers[meta[KIND]] = Sealer(*name)
        entry = sealer.seal(head + event, place.sequence, meta[TIME])
        batches.append(_make((place.sequence, 1, *name, meta[TIME], meta[ORDINAL], entry)))
    return batches


def _keys(pieces: Sequence[_Piece]) -> list[bytes]:
    return keys_of([piece.event for piece in pieces])


def last_sequence(connection: sqlite3.Connection, index: KeyIndex, topic: int, key: bytes) -> int:
    """Answers the sequence of the last event of a key in a topic that is kept, 0 if none is."""
    last, limit = LAST, 1
    while last > 0:
        wanted = WantedKey(key, frozenset((topic,)), 1, last, backwards=True, limit=limit)
        places, reached = find_places(connection, index, wanted)
        pieces = _pieces(connection, places)
        for piece, has in zip(pieces, _keys(pieces), strict=True):
            if has == key:
                return piece.place.sequence
        last, limit = reached - 1, limit * _MORE_PLACES
    return 0


def _pieces(connection: sqlite3.Connection, places: Sequence[Place]) -> list[_Piece]:
    spans = list(_spans(places))
    pieces: list[_Piece] = []
    for at in range(0, len(spans), _STATEMENT_SPANS):
        some = spans[at : at + _STATEMENT_SPANS]
        values = ",".join(
            [
                f"({span.places[0].first_sequence},{span.places[0].head},{span.offset + 1},{span.size})"
                for span in some
            ]
        )
        (joined,) = connection.execute(_SPANS.format(values)).fetchone()
        pieces += _cut(joined or b"", some)
    return pieces


def _spans(places: Sequence[Place]) -> Iterator[_Span]:
    """Divides places into runs that lie close together in one batch, in the order of the places."""
    near: list[Place] = []
    begin = end = 0
    for place in places:
        low, high = min(begin, place.offset), max(end, place.offset + place.size)
        same = near and near[0].first_sequence == place.first_sequence
        if same and high - low <= end - begin + place.size + _SPAN_WASTE:
            begin, end = low, high
        else:
            if near:
                yield _Span(near, begin, end - begin)
            near, begin, end = [], place.offset, place.offset + place.size
        near.append(place)
    if near:
        yield _Span(near, begin, end - begin)


def _cut(joined: bytes, spans: Sequence[_Span]) -> Iterator[_Piece]:
    """Takes apart what was joined of the spans whose batches are still there."""
    at = 0
    for places, offset, size in spans:
        if at == len(joined):
            return
        meta = META.unpack_from(joined, at)
        first = places[0]
        if meta[FIRST] != first.first_sequence:
            continue
        behind = at + META.size + first.head
        head = joined[at + META.size + envelope_size(meta[BYTES]) : behind] if first.head else b""
        for place in places:
            begin = behind + place.offset - offset
            yield _Piece(meta, place, head, joined[begin : begin + place.size])
        at = behind + size
