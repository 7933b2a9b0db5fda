"""Where a group starts, or is moved to: a position in the log. Imports nothing of gRPC or of the stubs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.errors import SequenceOutOfRange
from registry.errors import InvalidRequest

if TYPE_CHECKING:
    from gateway.log import Bounds, EventLog
    from gateway.selection import Selection

FUTURE_SECONDS: Final = 60
"""How far in the future a time may lie: clocks differ. It then means: what is appended from now on."""
_NANOS: Final = 1_000_000_000


class Start(NamedTuple):
    """Where to start: at a sequence, at a time (ns), at the earliest event, or else at the head."""

    from_sequence: int | None = None
    from_time: int | None = None
    earliest: bool = False


async def find_position(log: EventLog, selection: Selection, start: Start) -> int:
    """Answers the position to go on behind.

    Raises:
        InvalidRequest: The sequence is 0, or the time lies in the future.
        SequenceOutOfRange: The sequence lies in the future.
        StorageFailed: The log can't be read.
    """
    if start.from_time is not None and start.from_time > time.time_ns() + FUTURE_SECONDS * _NANOS:
        raise InvalidRequest("from_time", "lies in the future: a group starts in the log, or at its head")
    bounds = await log.bounds(selection, start.from_time)
    if start.from_sequence is not None:
        return _before(start.from_sequence, bounds.head)
    if start.from_time is not None:
        return bounds.position
    return _before_first(bounds) if start.earliest else bounds.head


def _before(sequence: int, head: int) -> int:
    if sequence < 1:
        raise InvalidRequest("from_sequence", "must be at least 1; sequences begin there")
    if sequence > head + 1:
        raise SequenceOutOfRange("from_sequence", sequence, head + 1)
    return sequence - 1


def _before_first(bounds: Bounds) -> int:
    """Answers the position before the oldest event that is kept; the head, if none is."""
    firsts = [topic.first_sequence for topic in bounds.topics.values() if topic.batch_count]
    return min(firsts) - 1 if firsts else bounds.head
