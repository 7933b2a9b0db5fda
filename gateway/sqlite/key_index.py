"""The index of keys: what was not yet written in memory, the rest in runs of the log's file.

It is derived from the log and never wrong: records go into memory once their batches are committed, and into
a run with the position that they reach; on opening, what lies behind it is read again. Used by the writer's
thread, but for what says that others may read it. Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.sqlite import key_tables as tables
from gateway.sqlite.file import transact
from gateway.sqlite.key_places import PARTS, RECORD, add_records
from gateway.sqlite.key_tables import Run, Share

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterable

    from gateway.entries import KeyedEvents
    from gateway.sqlite.key_tables import IndexedTopic, Statement

RECENT_RECORDS: Final = 65_536
"""How many records are in memory before they are written as a run; as many events are read on opening."""
_ROW_COST: Final = 32


class Recent:
    """Records that are in no run yet. Any thread may read them; once full it is replaced, and not changed."""

    def __init__(self) -> None:
        self.parts = [bytearray() for _ in range(PARTS)]
        self.count = 0
        self.first = self.last = 0
        self.topics: dict[int, Share] = {}

    def add(self, topic: int, first_sequence: int, events: KeyedEvents, envelope: int, seed: int) -> None:
        """Adds the events of a batch of a topic."""
        added = add_records(
            self.parts, events, seed=seed, topic=topic, first_sequence=first_sequence, envelope=envelope
        )
        if not added:
            return
        last = first_sequence + len(events.keys) - 1
        known = self.topics.get(topic, Share(0, 0))
        self.topics[topic] = Share(known.count + added, max(known.last, last))
        self.first = min(self.first, first_sequence) if self.count else first_sequence
        self.last = max(self.last, last)
        self.count += added

    def part(self, number: int) -> bytes:
        """Answers the records of a part."""
        return bytes(self.parts[number])


class KeyIndex:
    """Which topics' keys are indexed, and where their events stand.

    Attributes:
        topics: The topics that are indexed, by name. Others may read it.
        recent: What is in no run yet. Others may read it, before they read ``runs``.
        runs: The runs that count, a new tuple with every change. Others may read it; their rows are there
            until a while after it has changed: who finds it changed reads again.
        garbage: Runs of which rows are left that count no more.
        changed: Whether events were removed, or topics switched off, since somebody looked for garbage.
    """

    def __init__(self) -> None:
        self.topics: dict[str, IndexedTopic] = {}
        self.recent = Recent()
        self.runs: tuple[Run, ...] = ()
        self.garbage: list[int] = []
        self.changed = False
        self.seed = 0
        self.through = 0
        self._next_run = 1
        self._exists = False
        self._moved: dict[int, IndexedTopic] = {}

    def load(self, connection: sqlite3.Connection) -> None:
        """Reads what the file has, but for the events behind ``through``."""
        if not tables.exists(connection):
            return
        self._exists = self.changed = True
        self.seed, self.through = tables.load_state(connection)
        self.topics = {topic.name: topic for topic in tables.load_topics(connection)}
        runs, self.garbage = tables.load_runs(connection)
        self.runs = tuple(runs)
        self._next_run = max([0, *self.garbage, *[run.id for run in runs]]) + 1

    def covers(self, topics: Iterable[str]) -> frozenset[int] | None:
        """Answers the numbers of topics all of whose events are indexed; None if one is no such topic."""
        found = [self.topics.get(topic) for topic in topics]
        ids = [topic.id for topic in found if topic is not None and topic.is_complete]
        return frozenset(ids) if len(ids) == len(found) else None

    def add(self, topic: str, first_sequence: int, events: KeyedEvents, envelope: int) -> None:
        """Takes the events of a committed batch, if its topic is indexed."""
        indexed = self.topics.get(topic)
        if indexed is not None:
            self.recent.add(indexed.id, first_sequence, events, envelope, self.seed)

    @property
    def is_full(self) -> bool:
        """Whether what is in memory is to be written."""
        return self.recent.count >= RECENT_RECORDS

    def switch(
        self, connection: sqlite3.Connection, names: Collection[str], stored: Collection[str], head: int
    ) -> None:
        """Indexes exactly the topics of these names from now on.

        Args:
            connection: The writer's.
            names: The topics.
            stored: Those topics of which events are kept: they are to be read.
            head: The last sequence of the log.
        """
        off, on = self.topics.keys() - names, sorted(frozenset(names) - self.topics.keys())
        if not off and not on:
            return
        if not self._exists:
            transact(connection, tables.creation(head))
            self._exists = True
            self.seed, self.through = tables.load_state(connection)
        if any(name in stored for name in on):
            self.flush(connection, head)  # what is behind ``through`` is read on opening: not all they have
        statements: list[Statement] = [("DELETE FROM log_key_topic WHERE topic = ?", (name,)) for name in off]
        insert = "INSERT INTO log_key_topic (topic, since, through) VALUES (?, ?, ?)"
        statements += [(insert, (name, head, 0 if name in stored else head)) for name in on]
        transact(connection, statements)
        known = max((topic.id for topic in self.topics.values()), default=0)
        self.topics = {name: topic for name, topic in self.topics.items() if name not in off} | {
            topic.name: topic for topic in tables.load_topics(connection, above=known)
        }
        self.changed = self.changed or bool(off)

    def unfinished(self) -> IndexedTopic | None:
        """Answers a topic of which stored events are still to be indexed. Others may call it."""
        return next((topic for topic in self.topics.values() if not topic.is_complete), None)

    def catch_up(
        self,
        connection: sqlite3.Connection,
        topic: IndexedTopic,
        found: Iterable[tuple[int, KeyedEvents, int]],
        through: int,
        head: int,
    ) -> None:
        """Takes stored events of a topic up to ``through``; what is complete is on disk at once.

        Args:
            connection: The writer's.
            topic: As ``unfinished`` answered it: nothing happens if it was switched off meanwhile.
            found: First sequence, events and envelope of each batch.
            through: How far the topic was read.
            head: The last sequence of the log.
        """
        if self.topics.get(topic.name) is not topic:
            return
        for first_sequence, events, envelope in found:
            self.add(topic.name, first_sequence, events, envelope)
        topic.through = through
        self._moved[topic.id] = topic
        if topic.is_complete or self.is_full:
            self.flush(connection, head)

    def flush(self, connection: sqlite3.Connection, head: int) -> int:
        """Writes what is in memory as a run; answers about how many bytes that took.

        All that was appended up to ``head`` must have been added.
        """
        recent = self.recent
        statements: list[Statement] = [("UPDATE log_key_state SET through = ?", (head,))]
        statements += [
            ("UPDATE log_key_topic SET through = ? WHERE id = ?", (topic.through, topic.id))
            for topic in self._moved.values()
        ]
        run = Run(self._next_run, 0, recent.first, recent.last, recent.topics)
        if recent.count:
            statements += tables.flush(run, recent.parts)
        transact(connection, statements)
        self.through = head
        self._moved = {}
        if recent.count:
            self.changed = True  # some of it may have been removed already
            self._next_run += 1
            self.runs = (*self.runs, run)
            self.recent = Recent()
        return recent.count * (RECORD.size + 1) + PARTS * _ROW_COST

    def number(self) -> int:
        """Answers the number of a run to be."""
        self._next_run += 1
        return self._next_run - 1

    def replace(self, connection: sqlite3.Connection, sources: Collection[Run], target: Run | None) -> None:
        """Makes one run count in place of others; their rows become garbage."""
        statements = tables.forgetting(tuple(sources))
        transact(connection, [*statements, *([target.statement()] if target else ())])
        kept = [run for run in self.runs if run not in sources]
        self.runs = tuple(kept + ([target] if target else []))
        self.garbage += [run.id for run in sources]
