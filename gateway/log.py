"""The log: the one ordered, append-only history of a deployment, and what an engine must guarantee.

An engine (``gateway.sqlite.log`` is one) implements ``EventLog``. What only one engine could
promise is not in it: sequences have gaps, several gateways may append at once, and no transaction
joins the log with anything else.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from gateway.selection import Selection


@dataclass(frozen=True, slots=True)
class NewBatch:
    """A checked batch on its way into the log.

    Attributes:
        topic: The topic's name.
        type: The event type.
        schema_version: The version that the batch was checked against; at least 1.
        count: How many events it has; at least 1.
        data: The bytes of its ``EventBatch``, canonical, without the fields that only the gateway sets.
    """

    topic: str
    type: str
    schema_version: int
    count: int
    data: bytes


class StoredBatch(NamedTuple):
    """A batch of the log.

    A tuple, because catching up makes hundreds of thousands a second: a frozen dataclass takes five times
    as long to make.

    Attributes:
        first_sequence: The sequence of its first event; the others follow without gaps.
        count: How many events it has.
        topic: The topic's name.
        type: The event type.
        schema_version: The version that it was checked against.
        append_time: When it was appended: nanoseconds since the epoch, never falling.
        ordinal: The number of batches in the log before it, trimmed ones included, plus 1.
        entry: Its finished entry of a delivered frame, as ``gateway.entries.Sealer`` makes it.
    """

    first_sequence: int
    count: int  # type: ignore[assignment]  # in place of tuple.count, which nobody needs here
    topic: str
    type: str
    schema_version: int
    append_time: int
    ordinal: int
    entry: bytes

    @property
    def last_sequence(self) -> int:
        """The sequence of its last event."""
        return self.first_sequence + self.count - 1


@dataclass(frozen=True, slots=True)
class RequestKey:
    """Names a request, so that a retry of it is known.

    Attributes:
        caller: The identity of the caller, empty if it has none.
        request_id: The id that the caller gave.
        digest: A digest of the request's content, at least 16 bytes.
    """

    caller: str
    request_id: str
    digest: bytes


@dataclass(slots=True)
class Chain:
    """Ties appends together: once one of them fails, the engine refuses those that were queued behind it.

    Attributes:
        broken: Whether one failed. Set by the engine, before it looks at the next append.
    """

    broken: bool = False


@dataclass(frozen=True, slots=True)
class Append:
    """What is appended as one: all of it, in order, or nothing.

    Attributes:
        batches: At least one.
        request: Names the request, if its caller wants retries to be safe.
        expected: From topic to the last sequence that it must have, 0 for a topic without events.
        expected_keys: From topic and key to the sequence that the last kept event of that key must have, 0
            for none. The topic's keys must be indexed.
        chain: If it is broken when the append's turn comes, the append is refused with StreamStopped; if
            the append fails, it is broken.
    """

    batches: tuple[NewBatch, ...]
    request: RequestKey | None = None
    expected: Mapping[str, int] = field(default_factory=dict)
    expected_keys: Mapping[tuple[str, str], int] = field(default_factory=dict)
    chain: Chain | None = None


class Placed(NamedTuple):
    """Where one batch of an append stands: its first sequence, its count and its schema version."""

    first_sequence: int
    count: int  # type: ignore[assignment]  # as in StoredBatch
    schema_version: int


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of the log, as one read answers it.

    Attributes:
        batches: What was found, in sequence order; may be empty.
        through: The reader is through the log up to here: it reads on with ``after=through``. Always
            at least the ``after`` of the read and the last sequence of the last batch.
        ordinal: The ordinal of the last batch of the log (of any topic) at or below ``through``, as far
            as is known; the head's if the reader is at the head.
        head: The last sequence of the log when the page was made.
        head_ordinal: The ordinal of the last batch of the log when the page was made.
        trimmed: No batch above this sequence, of any topic, had been trimmed when the page was complete.
            A reader whose ``after`` was at or above it can't have missed anything.
    """

    batches: tuple[StoredBatch, ...]
    through: int
    ordinal: int
    head: int
    head_ordinal: int
    trimmed: int = 0


@dataclass(frozen=True, slots=True)
class BackPage:
    """A piece of the log, as one read towards its beginning answers it.

    Attributes:
        batches: What was found, newest first; may be empty.
        before: The reader is through the log down to here: it reads on with ``before=before``. At most the
            ``before`` of the read and the first sequence of the last batch; 1 at the beginning.
    """

    batches: tuple[StoredBatch, ...]
    before: int


@dataclass(frozen=True, slots=True)
class KeyPage:
    """Events of one key, as one look into the index answers them.

    Attributes:
        batches: Each event as a batch of one, in the order that was asked for; may be empty.
        reached: These are all up to this sequence, or, backwards, down to it; the end of what was asked for
            if there are no more.
    """

    batches: tuple[StoredBatch, ...]
    reached: int


@dataclass(frozen=True, slots=True)
class TopicBounds:
    """What is stored of one topic, and what was.

    Attributes:
        first_sequence: The oldest kept event's, 0 if none is kept.
        last_sequence: The last event's ever, 0 if there never was one. Outlives trimming.
        event_count: Kept events.
        batch_count: Kept batches.
        size_bytes: The bytes of the kept batches.
        trimmed_through: All events up to this sequence were trimmed, 0 if none was.
        trimmed_time: The append_time of the last trimmed batch in nanoseconds, 0 if none was trimmed.
    """

    first_sequence: int = 0
    last_sequence: int = 0
    event_count: int = 0
    batch_count: int = 0
    size_bytes: int = 0
    trimmed_through: int = 0
    trimmed_time: int = 0


class StoredKind(NamedTuple):
    """A topic, an event type and a schema version of which batches are kept."""

    topic: str
    type: str
    schema_version: int


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where the log begins and ends.

    Attributes:
        head: The sequence of the last event of the log, 0 if there never was one.
        head_ordinal: The ordinal of the last batch of the log, 0 if there never was one.
        topics: The topics of the selection that ever had an event.
        position: Only if a time was asked for: the sequence just before the first kept batch of the log
            whose append_time is not before that time; the head if there is none.
    """

    head: int
    head_ordinal: int
    topics: Mapping[str, TopicBounds]
    position: int = 0


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What one slice of trimming did.

    Attributes:
        batches: How many batches it removed.
        through: The topic's ``trimmed_through`` afterwards.
        more: Whether more is to be removed: call again.
    """

    batches: int
    through: int
    more: bool


class EventLog(Protocol):
    """The guarantees of every engine.

    Sequences rise strictly over all topics, are never reused, also not after trimming or a restart, and
    may have gaps; 1 <= sequence < 2^63. ``append_time`` never falls as the sequence rises, also not
    after a restart or when the clock is set back.
    """

    def append(self, append: Append) -> Awaitable[tuple[Placed, ...]]:
        """Appends all batches in order, or nothing.

        The append is queued by the call itself, not by awaiting its answer: appends of one caller take
        effect in the order of its calls. When the answer is there the events are durable, and every read
        that starts afterwards finds them. Cancelling the answer does not undo the append.

        A request that was appended before (same caller, id and digest) appends nothing and answers the
        first placements; one that is still under way is joined.

        Raises (from the awaited answer):
            RequestIdReused: The id was used with another digest.
            UnexpectedSequence: The last sequence of a topic, or of a key, is not the expected one.
            KeysNotIndexed: A key is expected of a topic that does not index its keys, or not all yet.
            StreamStopped: Its chain is broken.
            StorageFull: Nothing was appended; a later append may succeed.
            StorageReadOnly: Nothing was appended.
            StorageFailed: It is not known whether it was appended.
        """
        ...

    async def recall(self, request: RequestKey) -> tuple[Placed, ...] | None:
        """Answers the placements of a request that was appended before, None if it is unknown.

        Cheap if it is unknown. Joins a request that is still under way.

        Raises:
            RequestIdReused: The id was used with another digest.
        """
        ...

    async def read(
        self, selection: Selection, after: int, *, max_bytes: int, deadline: float | None = None
    ) -> Page:
        """Reads on behind a position, in order; waits only at the head.

        Answers as soon as it has anything to say: batches of the selection whose last sequence is above
        ``after`` (the first of them may begin at or below it: the caller cuts), or progress over a bounded
        amount of batches that the selection leaves out. At the head it waits for a batch of the selection;
        no wake-up is lost between two reads. Entries add up to at most ``max_bytes``, but one batch is
        always answered whole. Holds no resource of the log between calls; may be cancelled.

        Args:
            selection: Which batches to answer.
            after: The position to read on from; 0 is the beginning.
            max_bytes: How much to answer at most.
            deadline: The loop's time at which to answer an empty page, whose ``through`` is then the head if
                nothing of the selection lies before it. None means: never. In the past: do not wait at all.

        Raises:
            StorageFailed: The log can't be read.
        """
        ...

    async def read_back(self, selection: Selection, before: int, *, max_bytes: int) -> BackPage:
        """Reads on in front of a position, towards the beginning of the log; never waits.

        Answers batches of the selection whose first sequence is below ``before``, newest first (the first of
        them may end at or above it: the caller cuts), or progress over a bounded amount of batches that the
        selection leaves out. Entries add up to at most ``max_bytes``, but one batch is always answered whole.

        Raises:
            StorageFailed: The log can't be read.
        """
        ...

    async def read_key(
        self,
        selection: Selection,
        key: str,
        first: int,
        last: int,
        *,
        backwards: bool,
        max_events: int,
        max_bytes: int,
    ) -> KeyPage | None:
        """Answers kept events of a key from ``first`` to ``last``, both inclusive, by way of the index.

        Costs little more than what it answers.

        Args:
            selection: Of which topics and event types.
            key: The key; not empty.
            first: The first sequence.
            last: The last sequence.
            backwards: Answer the newest first.
            max_events: How many events to answer at most.
            max_bytes: About how many bytes of events to answer at most, but one event always.

        Returns:
            None, if one of the topics that hold events does not index its keys, or not all yet.

        Raises:
            StorageFailed: The log can't be read.
        """
        ...

    async def index_keys(self, topics: frozenset[str]) -> None:
        """Indexes the keys of exactly these topics from now on, and those of their kept events bit by bit.

        Calls take effect in their order. What is set is remembered when the log is opened again.

        Raises:
            StorageFull, StorageReadOnly, StorageFailed: Nothing has changed.
        """
        ...

    def has_indexed_keys(self, topic: str) -> bool:
        """Tells whether the keys of all kept events of a topic are indexed."""
        ...

    async def bounds(self, selection: Selection, time: int | None = None) -> Bounds:
        """Answers where the log and the selected topics begin and end, and where ``time`` (ns) lies.

        Raises:
            StorageFailed: The log can't be read.
        """
        ...

    async def kinds(self, selection: Selection) -> frozenset[StoredKind]:
        """Answers of which event types and schema versions the selected topics keep batches.

        All that was appended, or trimmed, before the call is counted.

        Raises:
            StorageFailed: The log can't be read.
        """
        ...

    async def count(self, selection: Selection, after: int, through: int) -> int:
        """Answers how many events of a selection are kept behind ``after``, up to ``through``, inclusive.

        Costs at most about as much as reading these events does. What is trimmed meanwhile may be counted.

        Raises:
            StorageFailed: The log can't be read.
        """
        ...

    async def trim(
        self, topic: str, *, before_time: int | None = None, keep_bytes: int | None = None
    ) -> Trimmed:
        """Removes the oldest batches of a topic, in one slice that stalls appends for 20 ms at most.

        Removes whole batches, oldest first, while the oldest one's append_time is before ``before_time``
        (ns) or the topic's kept bytes exceed ``keep_bytes``; ``keep_bytes=0`` removes everything. Space is
        used again, and given back to the file system little by little: by the calls that remove nothing.

        Raises:
            StorageFull, StorageReadOnly, StorageFailed: As in ``append``; nothing was removed.
        """
        ...

    async def close(self) -> None:
        """Commits what was queued, releases the log and answers. Reads that wait end with ``Draining``."""
        ...
