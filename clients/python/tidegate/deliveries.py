"""Events of a group as they come in: what is delivered under a lease, and is to be settled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.holding import ACK, EXTEND, RELEASE, Verb, Word
from tidegate.received import Batch, Event

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidegate.holding import Hold
    from tidegate.received import Decode
    from tidegate.settler import Settler
    from tidegate.v1 import event_pb2

REASON_BYTES = 4_096
"""How much of a reason the gateway keeps."""
_LONGEST_DELAY = 86_400.0


class Delivery(Event):
    """One event that a group delivered to this member, and that is to be settled.

    ``ack``, ``nack``, ``reject`` and ``release`` settle it. They return at once: what is said travels a few
    milliseconds later, with all that was said meanwhile, and is repeated until the gateway has heard it;
    ``await subscription.flush()`` waits for that. Of several words about one event the first counts. Any
    thread may settle. Each raises a ``TidegateError`` once the gateway refuses to hear anything (the group
    was deleted), and RuntimeError once the subscription is closed.
    """

    __slots__ = ("_index",)

    _batch: DeliveryBatch

    def __init__(self, batch: DeliveryBatch, envelope: event_pb2.Event, sequence: int, index: int) -> None:
        super().__init__(batch, envelope, sequence)
        self._index = index

    @property
    def attempt(self) -> int:
        """Which attempt this is: 1 for the first."""
        return self._batch.hold.lease.attempt

    @property
    def lease_epoch(self) -> int:
        """Names the lease under which the event is had now."""
        hold, _ = self._batch.hold.current(self._index)
        return hold.lease.epoch

    @property
    def settled(self) -> bool:
        """Whether something was said that settles it."""
        return self._batch.hold.is_settled(self._index)

    def ack(self) -> None:
        """Says that the event is done."""
        self._say(ACK)

    def nack(self, reason: str = "", *, delay: float | None = None) -> None:
        """Says that it failed, and is to be tried again.

        Args:
            reason: Why, for those who look at retries and dead letters; the first 4,096 bytes are kept.
            delay: Seconds to wait before the next attempt, at most a day; as the group's retry policy says,
                if None.
        """
        if delay is not None and not 0 <= delay <= _LONGEST_DELAY:
            raise ValueError(f"delay must be 0 to {_LONGEST_DELAY:,.0f} seconds, not {delay}")
        self._say(Word(Verb.NACK, shorten(reason), delay))

    def reject(self, reason: str = "") -> None:
        """Says that it will always fail: it goes to the dead letters, with the reason."""
        self._say(Word(Verb.REJECT, shorten(reason)))

    def extend(self) -> None:
        """Says that it takes longer: its lease begins anew. Events that wait to be read need no such word."""
        self._say(EXTEND)

    def release(self) -> None:
        """Gives it back untried, at once and to anybody: counts as no attempt."""
        self._say(RELEASE)

    def begin(self) -> bool:
        """Tells whether the event may be dealt with: it is still this member's. For who holds it unread."""
        return self._batch.hold.give(self._index)

    def settle_through(self) -> None:
        """Acknowledges it and all that were given out before it."""
        self._batch.settler.say_through(self._batch.hold, self._index)

    def __repr__(self) -> str:
        return f"{super().__repr__()[:-1]} attempt={self.attempt}>"

    def _say(self, word: Word) -> None:
        self._batch.settler.say(word, self._batch.hold, self._index)


class DeliveryBatch(Batch):
    """A run of delivered events of one topic, event type and schema version. Iterates over deliveries."""

    __slots__ = ("_indices", "hold", "settler")

    def __init__(
        self,
        delivered: event_pb2.EventBatch,
        decode: Decode,
        hold: Hold,
        settler: Settler,
        indices: Sequence[int],
    ) -> None:
        super().__init__(delivered, decode)
        self.hold = hold
        self.settler = settler
        self._indices = indices

    @property
    def attempt(self) -> int:
        """Which attempt this is, at each of its events."""
        return self.hold.lease.attempt

    @property
    def first_sequence(self) -> int:
        """The sequence of the first event."""
        return self.hold.sequences[self._indices[0]]

    @property
    def last_sequence(self) -> int:
        """The sequence of the last event."""
        return self.hold.sequences[self._indices[-1]]

    def ack(self) -> None:
        """Says that those of its events are done that nothing was said of."""
        self.settler.say_all(self.hold, self._indices)

    def after(self, sequence: int) -> DeliveryBatch:
        """Answers the part of it behind ``sequence``; may be empty."""
        rest = [index for index in self._indices if self.hold.sequences[index] > sequence]
        return DeliveryBatch(self._delivered, self._decode, self.hold, self.settler, rest)

    def given(self) -> DeliveryBatch:
        """Answers the part of it that is there to be given, which is given with that."""
        given = set(self.hold.give_all())
        left = [index for index in self._indices if index in given]
        return DeliveryBatch(self._delivered, self._decode, self.hold, self.settler, left)

    def __len__(self) -> int:
        return len(self._indices)

    def __iter__(self) -> Iterator[Delivery]:
        events, sequences = self._delivered.events, self.hold.sequences
        for index in self._indices:
            yield Delivery(self, events[index], sequences[index], index)


def sequences_of(delivered: event_pb2.EventBatch) -> Sequence[int]:
    """Answers where the events of a delivered batch stand."""
    first = delivered.first_sequence
    if delivered.offsets:
        return tuple(first + offset for offset in delivered.offsets)
    return range(first, first + len(delivered.events))


def shorten(reason: str, *, keep_end: bool = False) -> str:
    """Answers as much of a reason as the gateway keeps: its beginning, or its end."""
    encoded = reason.encode(errors="replace")
    if len(encoded) <= REASON_BYTES:
        return encoded.decode()
    kept = encoded[-REASON_BYTES:] if keep_end else encoded[:REASON_BYTES]
    return kept.decode(errors="ignore")
