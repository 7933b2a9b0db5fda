"""Where the log stands: its head, and what each kind of batch adds up to.

A kind is a topic, an event type and a schema version. Pure: no database, no threads, no clock. Imports
nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final, TypeAlias

from gateway.entries import Sealer
from gateway.errors import UnexpectedSequence
from gateway.log import Placed, StoredBatch, TopicBounds
from gateway.sqlite.file import META

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.log import Append, NewBatch

KindName: TypeAlias = tuple[str, str, int]
"""Topic, event type, schema version."""
Row: TypeAlias = tuple[int, int, bytes, bytes]
"""A row of ``log_batch``."""

_LAST_SEQUENCE: Final = 2**63 - 1


@dataclass(slots=True)
class Kind:
    """One kind of batch, and what was appended and trimmed of it. Not changed once it is in a ledger.

    Attributes:
        id: Its number in the file.
        topic: The topic's name.
        type: The event type.
        schema_version: The schema version.
        sealer: Makes its entries.
        first_sequence: Of its oldest kept batch, 0 if none is kept.
        last_sequence: Of its last event ever, 0 if there never was one.
        events: How many were ever appended.
        batches: How many were ever appended.
        size: Bytes of the batches ever appended.
        trimmed_through: The last sequence of the last batch trimmed.
        trimmed_time: The append_time of the last batch trimmed, in ns.
        trimmed_ordinal: The ordinal of the last batch trimmed.
        trimmed_events: How many were trimmed.
        trimmed_batches: How many were trimmed.
        trimmed_size: Bytes of the batches trimmed.
    """

    id: int
    topic: str
    type: str
    schema_version: int
    sealer: Sealer
    first_sequence: int = 0
    last_sequence: int = 0
    events: int = 0
    batches: int = 0
    size: int = 0
    trimmed_through: int = 0
    trimmed_time: int = 0
    trimmed_ordinal: int = 0
    trimmed_events: int = 0
    trimmed_batches: int = 0
    trimmed_size: int = 0

    @property
    def name(self) -> KindName:
        """What it is found by."""
        return self.topic, self.type, self.schema_version

    @property
    def kept(self) -> int:
        """How many batches are kept."""
        return self.batches - self.trimmed_batches


def topic_bounds(kinds: Iterable[Kind]) -> TopicBounds:
    """Adds up the kinds of one topic."""
    kinds = list(kinds)
    last_trimmed = max(kinds, key=lambda kind: kind.trimmed_through)
    return TopicBounds(
        first_sequence=min((kind.first_sequence for kind in kinds if kind.first_sequence), default=0),
        last_sequence=max(kind.last_sequence for kind in kinds),
        event_count=sum(kind.events - kind.trimmed_events for kind in kinds),
        batch_count=sum(kind.kept for kind in kinds),
        size_bytes=sum(kind.size - kind.trimmed_size for kind in kinds),
        trimmed_through=last_trimmed.trimmed_through,
        trimmed_time=last_trimmed.trimmed_time,
    )


class Ledger:
    """The state that the writer appends to: everything committed, nothing else."""

    __slots__ = ("head", "kinds", "last_sequences", "ordinal", "time")

    def __init__(self, head: int, ordinal: int, time: int, kinds: Iterable[Kind]) -> None:
        """Begins behind the last batch ever: its last sequence, ordinal and append_time."""
        self.head = head
        self.ordinal = ordinal
        self.time = time
        self.kinds = {kind.name: kind for kind in kinds}
        self.last_sequences: dict[str, int] = {}
        for kind in self.kinds.values():
            last = self.last_sequences.get(kind.topic, 0)
            self.last_sequences[kind.topic] = max(last, kind.last_sequence)

    def kinds_of(self, topic: str) -> Iterator[Kind]:
        """Answers the kinds that a topic has."""
        return (kind for kind in self.kinds.values() if kind.topic == topic)


class Entry:
    """What one transaction appends, placed behind a ledger, which is changed only by ``post``.

    Attributes:
        time: The append_time of all its batches.
        rows: For ``log_batch``.
        batches: The same as values.
        kinds: The kinds it appends to, as they are after it.
        new_kinds: Those of them that the ledger doesn't have.
    """

    __slots__ = (
        "_last_sequences",
        "_ledger",
        "_numbers",
        "batches",
        "head",
        "kinds",
        "new_kinds",
        "ordinal",
        "rows",
        "size",
        "time",
    )

    def __init__(self, ledger: Ledger, now: int) -> None:
        """Begins an entry at ``now`` (ns), or at the ledger's time if the clock was set back."""
        self._ledger = ledger
        self._last_sequences: dict[str, int] = {}
        self._numbers = count(len(ledger.kinds) + 1)
        self.head = ledger.head
        self.ordinal = ledger.ordinal
        self.time = max(now, ledger.time)
        self.rows: list[Row] = []
        self.batches: list[StoredBatch] = []
        self.kinds: dict[KindName, Kind] = {}
        self.new_kinds: list[Kind] = []
        self.size = 0

    def check(self, append: Append) -> None:
        """Refuses an append whose expectation of a topic doesn't hold.

        Raises:
            UnexpectedSequence: A topic's last sequence is not the expected one.
        """
        for topic, expected in append.expected.items():
            actual = self._last_sequences.get(topic)
            if actual is None:
                actual = self._ledger.last_sequences.get(topic, 0)
            if actual != expected:
                raise UnexpectedSequence(topic, expected, actual)

    def place(self, append: Append) -> tuple[Placed, ...]:
        """Places all batches of an append behind what is there, and answers where they stand."""
        return tuple([self._place(batch) for batch in append.batches])

    def _place(self, batch: NewBatch) -> Placed:
        name = (batch.topic, batch.type, batch.schema_version)
        kind = self.kinds.get(name) or self._open(name)
        events = batch.count
        first, last = self.head + 1, self.head + events
        if last > _LAST_SEQUENCE:
            raise OverflowError("the log has used up all sequences")
        entry = kind.sealer.seal(batch.data, first, self.time)
        size = len(entry)
        self.head = kind.last_sequence = self._last_sequences[batch.topic] = last
        self.ordinal = ordinal = self.ordinal + 1
        self.size += size
        kind.events += events
        kind.batches += 1
        kind.size += size
        kind.first_sequence = kind.first_sequence or first
        meta = META.pack(
            first, self.time, ordinal, kind.events, kind.batches, kind.size, events, kind.id, size
        )
        self.rows.append((first, kind.id, meta, entry))
        self.batches.append(StoredBatch(first, events, *name, self.time, ordinal, entry))
        return Placed(first, events, batch.schema_version)

    def _open(self, name: KindName) -> Kind:
        known = self._ledger.kinds.get(name)
        if known is None:
            kind = Kind(next(self._numbers), *name, Sealer(*name))
            self.new_kinds.append(kind)
        else:
            kind = copy(known)
        self.kinds[name] = kind
        return kind

    def post(self) -> None:
        """Makes the ledger stand behind this entry: it is committed."""
        ledger = self._ledger
        ledger.head, ledger.ordinal = self.head, self.ordinal
        if self.rows:
            ledger.time = self.time
        ledger.kinds.update(self.kinds)
        ledger.last_sequences.update(self._last_sequences)
