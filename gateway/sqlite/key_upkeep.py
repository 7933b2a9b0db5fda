"""Keeping the index of keys small and quick: runs are merged, what nobody needs is dropped, slice by slice.

Runs on the writer's thread, between groups. Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gateway.sqlite import key_tables as tables
from gateway.sqlite.file import transact
from gateway.sqlite.key_tables import Run, Share

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from gateway.sqlite.key_index import KeyIndex
    from gateway.sqlite.ledger import Ledger

FANOUT: Final = 16
"""How many runs of a level are merged into one of the next: a look-up asks each run."""
SLICE_BYTES: Final = 1 << 20
"""How much one slice moves: it takes some milliseconds."""


@dataclass(slots=True)
class _Merge:
    """A merge under way: it has copied everything in front of a chunk of a part."""

    sources: Sequence[Run]
    target: Run
    gone: frozenset[int]
    part: int = 0
    chunk: int = 0


class Upkeep:
    """Does what is due of the index, a slice at a time.

    Runs whose events were all removed are dropped whole; those of which at least half was, are written anew
    without. That goes by topic: of one of which a run still needs an event, its records stay.
    """

    def __init__(self, index: KeyIndex, ledger: Ledger) -> None:
        self.index = index
        self._ledger = ledger
        self._merge: _Merge | None = None
        self._garbage: tuple[int, int] = (0, 0)
        self._stale: list[tuple[Run, frozenset[int]]] = []

    def work(self, connection: sqlite3.Connection) -> int | None:
        """Does one slice of what is due; answers about how many bytes it wrote, None if nothing is due."""
        index = self.index
        if index.is_full:
            return index.flush(connection, self._ledger.head)
        if index.garbage:
            return self._delete(connection)
        if self._merge is None:
            if index.changed:
                self._drop(connection)
            self._merge = self._planned()
        if self._merge is not None:
            return self._copy(connection, self._merge)
        return 0 if index.garbage else None

    def _drop(self, connection: sqlite3.Connection) -> None:
        """Drops runs that nobody needs, and notes those that hold much of that sort."""
        index = self.index
        index.changed = False
        trimmed = self._trimmed()
        gone = [(run, _gone(run, trimmed)) for run in index.runs]
        useless = [run for run, topics in gone if len(topics) == len(run.topics)]
        self._stale = [(run, topics) for run, topics in gone if run not in useless and _is_stale(run, topics)]
        if useless:
            index.replace(connection, useless, None)

    def _delete(self, connection: sqlite3.Connection) -> int:
        run = self.index.garbage[0]
        piece = tables.next_slice(connection, (run,), *self._garbage, SLICE_BYTES)
        if piece is None:
            self.index.garbage.pop(0)
            self._garbage = (0, 0)
            return 0
        transact(connection, tables.deletion(run, piece))
        self._garbage = piece.behind
        return piece.size

    def _planned(self) -> _Merge | None:
        while self._stale:
            run, gone = self._stale.pop()
            if run in self.index.runs:
                return self._begin([run], run.level, gone)
        by_level: dict[int, list[Run]] = {}
        for run in self.index.runs:
            by_level.setdefault(run.level, []).append(run)
        for level, runs in sorted(by_level.items()):
            if len(runs) >= FANOUT:
                return self._begin(runs[:FANOUT], level + 1, frozenset())
        return None

    def _begin(self, sources: Sequence[Run], level: int, gone: frozenset[int]) -> _Merge:
        topics: dict[int, Share] = {}
        for run in sources:
            for topic in run.topics.keys() - gone:
                share, known = run.topics[topic], topics.get(topic, Share(0, 0))
                topics[topic] = Share(share.count + known.count, max(share.last, known.last))
        target = Run(
            self.index.number(),
            level,
            min(run.first for run in sources),
            max(run.last for run in sources),
            topics,
        )
        return _Merge(sources, target, gone)

    def _copy(self, connection: sqlite3.Connection, merge: _Merge) -> int:
        runs = [run.id for run in merge.sources]
        piece = tables.next_slice(connection, runs, merge.part, merge.chunk, SLICE_BYTES)
        if piece is None:
            self._merge = None
            self.index.replace(connection, merge.sources, merge.target)
            return 0
        if merge.gone:
            statements = tables.purge(connection, merge.sources, merge.target, piece, merge.gone)
        else:
            statements = tables.merge(merge.sources, merge.target, piece)
        transact(connection, statements)
        merge.part, merge.chunk = piece.behind
        return piece.size

    def _trimmed(self) -> dict[int, int]:
        """Answers up to where the events of each indexed topic were removed, by the topic's number."""
        through: dict[str, int] = {}
        for kind in self._ledger.kinds.values():
            through[kind.topic] = max(through.get(kind.topic, 0), kind.trimmed_through)
        return {topic.id: through.get(topic.name, 0) for topic in self.index.topics.values()}


def _gone(run: Run, trimmed: dict[int, int]) -> frozenset[int]:
    """Answers the topics of a run of which nobody needs a record any more."""
    return frozenset(
        topic for topic, share in run.topics.items() if share.last <= trimmed.get(topic, share.last)
    )


def _is_stale(run: Run, gone: frozenset[int]) -> bool:
    return 2 * sum([run.topics[topic].count for topic in gone]) >= run.count
