"""The tables of the index of keys in the log's file, and the statements that move its records.

The tables are made when the first topic switches its index on; a file without them has no such topic. All
that they hold can be made again from the log. Imports nothing of gRPC or of the generated stubs.

A run is a set of records that was written as one, divided into rows by part of the hash. Statements are few
and move many rows each, for a row that Python steps over costs a release of the interpreter's lock.
"""

from __future__ import annotations

import json
import secrets
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from gateway.sqlite.key_places import PARTS, without_topics

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable, Mapping, Sequence

Statement: TypeAlias = "tuple[str, Sequence[Any]]"

ALL_CHUNKS: Final = 2**62
"""The chunk of a slice that has all of them."""
_LOOK: Final = 1024
"""How many parts are looked at for a slice, as long as they have rows."""
ROW_BYTES: Final = 16_000
"""How large a row grows by merging: one that is larger would waste most of an overflow page."""

_TABLES: Final = (
    """
CREATE TABLE IF NOT EXISTS log_key_state (seed INTEGER NOT NULL, through INTEGER NOT NULL)
""",
    """
CREATE TABLE IF NOT EXISTS log_key_topic (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL UNIQUE,
    since INTEGER NOT NULL,
    through INTEGER NOT NULL)
""",
    """
CREATE TABLE IF NOT EXISTS log_key_run (
    id INTEGER PRIMARY KEY,
    level INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    topics TEXT NOT NULL)
""",
    """
CREATE TABLE IF NOT EXISTS log_key (
    run INTEGER NOT NULL,
    part INTEGER NOT NULL,
    chunk INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    records BLOB NOT NULL,
    PRIMARY KEY (run, part, chunk)) WITHOUT ROWID
""",
)
_FLUSH: Final = """
INSERT INTO log_key SELECT ?1, key, ?1, ?2, ?3, substr(?4, (value >> 32) + 1, value & 4294967295)
FROM json_each(?5) WHERE value
"""
_SIZES: Final = """
SELECT group_concat(part || ',' || size, ';') FROM (SELECT part, sum(length(records)) AS size FROM log_key
WHERE run IN ({runs}) AND part BETWEEN ?1 AND ?2 GROUP BY part ORDER BY part)
"""
_CHUNK_SIZES: Final = """
SELECT group_concat(chunk || ',' || length(records), ';') FROM (SELECT chunk, records FROM log_key
WHERE run IN ({runs}) AND part = ?1 AND chunk >= ?2 ORDER BY chunk)
"""
_JOIN: Final = """
WITH RECURSIVE parts(part) AS (SELECT ?1 UNION ALL SELECT part + 1 FROM parts WHERE part < ?2)
INSERT INTO log_key SELECT ?3, part, ?4, ?5, ?6, records FROM (
    SELECT part, (SELECT CAST(group_concat(records, '') AS BLOB) FROM log_key
        WHERE run IN ({runs}) AND log_key.part = parts.part) AS records
    FROM parts WHERE part NOT IN ({large})) WHERE records IS NOT NULL
"""
_COPY: Final = """
INSERT INTO log_key SELECT ?1, part, chunk, first, last, records FROM log_key
WHERE run IN ({runs}) AND part IN ({large}) AND chunk BETWEEN ?2 AND ?3
"""
_ROWS: Final = """
SELECT part, chunk, first, last, records FROM log_key
WHERE run IN ({runs}) AND part BETWEEN ? AND ? AND chunk BETWEEN ? AND ?
"""
_RUNS_WITH_ROWS: Final = """
WITH RECURSIVE ids(run) AS (SELECT min(run) FROM log_key
    UNION ALL SELECT (SELECT min(run) FROM log_key WHERE log_key.run > ids.run) FROM ids
    WHERE run IS NOT NULL)
SELECT run FROM ids WHERE run IS NOT NULL
"""


class Share(NamedTuple):
    """What a run has of one topic: how many records, and the sequence of the last one."""

    count: int  # type: ignore[assignment]  # in place of tuple.count, which nobody needs here
    last: int


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A run of records.

    Attributes:
        id: Its number; later ones are higher.
        level: How often it was merged.
        first, last: Between which sequences its events lie, inclusive.
        topics: What it has of each topic, by the topic's number.
    """

    id: int
    level: int
    first: int
    last: int
    topics: Mapping[int, Share]

    @property
    def count(self) -> int:
        """How many records it has."""
        return sum([share.count for share in self.topics.values()])

    def statement(self) -> Statement:
        """Answers what makes it known in the file: from then on its records count."""
        topics = json.dumps({str(topic): share for topic, share in self.topics.items()})
        return "INSERT INTO log_key_run VALUES (?, ?, ?, ?, ?)", (
            self.id, self.level, self.first, self.last, topics,
        )  # fmt: skip


@dataclass(slots=True)
class IndexedTopic:
    """A topic whose keys are indexed.

    Attributes:
        id: Its number; a new one each time that its index is switched on.
        name: Its name.
        since: All its events above this sequence are indexed as they are appended.
        through: Of those below, all up to this sequence are indexed, too.
    """

    id: int
    name: str
    since: int
    through: int

    @property
    def is_complete(self) -> bool:
        """Whether all its events are indexed."""
        return self.through >= self.since


def exists(connection: sqlite3.Connection) -> bool:
    """Tells whether the file has the tables."""
    query = "SELECT count(*) FROM sqlite_schema WHERE name = 'log_key_state'"
    return bool(connection.execute(query).fetchone()[0])


def creation(through: int) -> list[Statement]:
    """Answers what makes the tables."""
    seed = secrets.randbits(63)
    return [
        *[(table, ()) for table in _TABLES],
        ("INSERT INTO log_key_state VALUES (?, ?)", (seed, through)),
    ]


def load_state(connection: sqlite3.Connection) -> tuple[int, int]:
    """Answers the seed of the hashes, and through what sequence all that is indexed is in runs."""
    seed, through = connection.execute("SELECT seed, through FROM log_key_state").fetchone()
    return seed, through


def load_topics(connection: sqlite3.Connection, *, above: int = 0) -> list[IndexedTopic]:
    """Answers the topics whose keys are indexed, those with numbers above one."""
    query = "SELECT id, topic, since, through FROM log_key_topic WHERE id > ? ORDER BY id"
    rows = connection.execute(query, (above,)).fetchall()
    return [IndexedTopic(*row) for row in rows]


def load_runs(connection: sqlite3.Connection) -> tuple[list[Run], list[int]]:
    """Answers the runs that count, and those of which rows are left that don't: a crash left them."""
    rows = connection.execute("SELECT id, level, first, last, topics FROM log_key_run ORDER BY id").fetchall()
    runs = [Run(id_, level, first, last, _shares(topics)) for id_, level, first, last, topics in rows]
    known = {run.id for run in runs}
    return runs, [run for (run,) in connection.execute(_RUNS_WITH_ROWS).fetchall() if run not in known]


def _shares(topics: str) -> dict[int, Share]:
    return {int(topic): Share(*share) for topic, share in json.loads(topics).items()}


def flush(run: Run, parts: Sequence[bytearray]) -> list[Statement]:
    """Answers what writes the records of all parts as a run."""
    sizes = list(map(len, parts))
    begins = [0, *accumulate(sizes)]
    layout = [size and begin << 32 | size for begin, size in zip(begins, sizes, strict=False)]
    rows = (run.id, run.first, run.last, b"".join(parts), json.dumps(layout))
    return [(_FLUSH, rows), run.statement()]


class Slice(NamedTuple):
    """Some rows of runs: those of the parts from one to another, or some chunks of one large part.

    Attributes:
        part, last_part: Which parts, inclusive.
        chunk, last_chunk: Which chunks of them, inclusive.
        large: Those of the parts that are too large to be joined to one row each.
        size: How many bytes the records take.
    """

    part: int
    last_part: int
    chunk: int
    last_chunk: int
    large: tuple[int, ...]
    size: int

    @property
    def behind(self) -> tuple[int, int]:
        """The part and the chunk that the next slice begins at."""
        return (self.last_part + 1, 0) if self.last_chunk == ALL_CHUNKS else (self.part, self.last_chunk + 1)


def next_slice(
    connection: sqlite3.Connection, runs: Sequence[int], part: int, chunk: int, most: int
) -> Slice | None:
    """Answers the next rows of some runs that have about ``most`` bytes; None if none are left."""
    if chunk:
        return _chunks(connection, runs, part, chunk, most)
    query = _SIZES.format(runs=_numbers(runs))
    for last_part in (min(part + _LOOK, PARTS) - 1, PARTS - 1):
        sizes = _pairs(connection.execute(query, (part, last_part)).fetchone()[0])
        if sizes:
            break
    else:
        return None
    if sizes[0][1] > most:
        return _chunks(connection, runs, sizes[0][0], 0, most)
    ends = list(accumulate([size for _, size in sizes]))
    fitting = max(1, bisect_right(ends, most))
    if fitting < len(sizes):
        last_part = sizes[fitting - 1][0]
    large = tuple([number for number, size in sizes[:fitting] if size > ROW_BYTES])
    return Slice(part, last_part, 0, ALL_CHUNKS, large, ends[fitting - 1])


def _chunks(connection: sqlite3.Connection, runs: Sequence[int], part: int, chunk: int, most: int) -> Slice:
    query = _CHUNK_SIZES.format(runs=_numbers(runs))
    sizes = _pairs(connection.execute(query, (part, chunk)).fetchone()[0])
    ends = list(accumulate([size for _, size in sizes]))
    fitting = max(1, bisect_right(ends, most))
    last_chunk = sizes[fitting - 1][0] if fitting < len(sizes) else ALL_CHUNKS
    return Slice(part, part, chunk, last_chunk, (part,), ends[fitting - 1] if ends else 0)


def _pairs(text: str | None) -> list[tuple[int, int]]:
    pairs = (pair.split(",") for pair in text.split(";")) if text else ()
    return [(int(number), int(size)) for number, size in pairs]


def merge(sources: Sequence[Run], target: Run, piece: Slice) -> list[Statement]:
    """Answers what copies some rows of runs into another run, small rows of a part as one."""
    runs, large = _numbers(run.id for run in sources), _numbers(piece.large)
    statements: list[Statement] = []
    if piece.large:
        rows = (target.id, piece.chunk, piece.last_chunk)
        statements.append((_COPY.format(runs=runs, large=large), rows))
    if piece.chunk == 0 and piece.last_chunk == ALL_CHUNKS:
        chunk = max(run.id for run in sources)
        joined = (piece.part, piece.last_part, target.id, chunk, target.first, target.last)
        statements.append((_JOIN.format(runs=runs, large=large), joined))
    return statements


def purge(
    connection: sqlite3.Connection,
    sources: Sequence[Run],
    target: Run,
    piece: Slice,
    gone: Collection[int],
) -> list[Statement]:
    """Answers what ``merge`` does, without the records of topics that are gone."""
    query = _ROWS.format(runs=_numbers(run.id for run in sources))
    kept = [
        (target.id, *row[:4], records)
        for row in connection.execute(query, piece[:4]).fetchall()
        if (records := without_topics(row[4], gone))
    ]
    return [("INSERT INTO log_key VALUES (?, ?, ?, ?, ?, ?)", row) for row in kept]


def forgetting(runs: Sequence[Run]) -> list[Statement]:
    """Answers what makes runs count no more; their rows are still there."""
    return [(f"DELETE FROM log_key_run WHERE id IN ({_numbers(run.id for run in runs)})", ())]  # noqa: S608  # numbers of ours


def deletion(run: int, piece: Slice) -> list[Statement]:
    """Answers what deletes rows of a run that does not count."""
    query = "DELETE FROM log_key WHERE run = ? AND part BETWEEN ? AND ? AND chunk BETWEEN ? AND ?"
    return [(query, (run, *piece[:4]))]


def _numbers(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))
