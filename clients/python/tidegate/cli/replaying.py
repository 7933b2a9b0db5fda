"""How a replay goes: when each event is due, what is published with what, and what is there already. Pure.

Its rules:

1. An event is published with its id, key, time, data and attributes, and ``replayed_from`` that says where it
   came from: ``topic/sequence``. Where it has no id or time of its own, it gets those that it goes by: its
   sequence, and the time when it was appended.
2. What the target has of the source already is left out.
3. Events are published in their order; those that are due together in one request, which the gateway takes
   only if the target still ends where it was last looked at. Whoever publishes there in between, be it
   another run of the same replay, makes it look again.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from tidegate.v1 import event_pb2, event_service_pb2

if TYPE_CHECKING:
    from datetime import datetime

    from tidegate.cli.values import Speed
    from tidegate.received import Batch, Event

ATTRIBUTE: Final = "replayed_from"
"""The attribute that says where an event was replayed from."""
MOST_EVENTS: Final = 1_000
"""Events of a request."""
MOST_BYTES: Final = 512 * 1024
"""Bytes of a request, from which on it takes no further event; the gateway takes 1 MiB a batch."""
_LONGEST_SEQUENCE: Final = 19


class Replayed:
    """Which events of the source the target has: 8 bytes for each."""

    def __init__(self) -> None:
        self._sequences = array("Q")

    def add(self, attribute: str) -> None:
        """Takes what an event of the target says; what is no place in a log is somebody else's attribute."""
        text = attribute.rpartition("/")[2]
        if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_SEQUENCE):
            return
        sequence = int(text)
        if not self._sequences or sequence > self._sequences[-1]:
            self._sequences.append(sequence)
        elif sequence not in self:
            self._sequences.insert(bisect_left(self._sequences, sequence), sequence)

    def __contains__(self, sequence: int) -> bool:
        at = bisect_left(self._sequences, sequence)
        return at < len(self._sequences) and self._sequences[at] == sequence

    def __len__(self) -> int:
        return len(self._sequences)


class Pace:
    """Says how many seconds after the beginning each event is due."""

    def __init__(self, speed: Speed) -> None:
        self._speed = speed
        self._first: datetime | None = None
        self._count = 0

    def next_due(self, append_time: datetime) -> float:
        """Answers when the next event is due, which was appended at a time."""
        if self._speed.per_second is not None:
            due = self._count / self._speed.per_second
        elif self._speed.factor is not None:
            self._first = self._first or append_time
            due = max(0.0, (append_time - self._first).total_seconds()) / self._speed.factor
        else:
            due = 0.0
        self._count += 1
        return due


class Way:
    """How much of its way through the source a replay has come, in sequences. Its end is fixed at first."""

    def __init__(self, end: int | None = None) -> None:
        """Takes the last sequence that is wanted; None: the log's head."""
        self._first = 0
        self._last = end

    def come(self, sequence: int, head: int) -> tuple[int, int]:
        """Answers how much of how much is done once the event at ``sequence`` is, of a log with this head."""
        if not self._first:
            self._first, self._last = sequence, min(head, self._last or head)
        return sequence - self._first + 1, max(sequence, self._last or 0) - self._first + 1


class Pending:
    """Events that go out together, as batches of the target."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._events: list[tuple[Batch, Event]] = []
        self._bytes = 0

    def add(self, batch: Batch, event: Event) -> None:
        """Takes an event, which stands in a batch of the source."""
        self._events.append((batch, event))
        self._bytes += event.envelope.ByteSize()

    def leave_out(self, replayed: Replayed) -> None:
        """Forgets what the target has by now."""
        kept = [(batch, event) for batch, event in self._events if event.sequence not in replayed]
        self._events = kept

    @property
    def is_full(self) -> bool:
        """Whether it is to go out before another event is taken."""
        return len(self._events) >= MOST_EVENTS or self._bytes >= MOST_BYTES

    def __len__(self) -> int:
        return len(self._events)

    def request(self, request_id: str, last_sequence: int) -> event_service_pb2.PublishRequest:
        """Answers the request that publishes them, if the target's last sequence is as given (rule 3)."""
        request = event_service_pb2.PublishRequest(request_id=request_id)
        request.expected_positions.add(topic=self._target, expected_last_sequence=last_sequence)
        last: Batch | None = None
        for batch, event in self._events:
            if last is None or not _is_alike(batch, last):
                request.batches.add(
                    topic=self._target,
                    type=batch.type,
                    schema_version=batch.schema_version,
                    source=batch.source,
                )
            last = batch
            request.batches[-1].events.append(replay_of(batch, event))
        return request


def replay_of(batch: Batch, event: Event) -> event_pb2.Event:
    """Answers an event as it is published again (rule 1)."""
    again = event_pb2.Event()
    again.CopyFrom(event.envelope)
    again.id = event.id
    if not again.HasField("time"):
        again.time.CopyFrom(batch.envelope.append_time)
    again.attributes[ATTRIBUTE] = f"{batch.topic}/{event.sequence}"
    return again


def _is_alike(one: Batch, other: Batch) -> bool:
    return (one.type, one.schema_version, one.source) == (other.type, other.schema_version, other.source)
