"""Which stored events somebody names: a range of a topic, or its last events. Imports nothing of gRPC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from gateway.selection import Selection
from registry.errors import InvalidRequest

if TYPE_CHECKING:
    from gateway.log import EventLog
    from gateway.topics import Topic

MAX_TYPES = 100
"""How many event types may be named."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which stored events a schema is tried on.

    Attributes:
        topic: The topic's name.
        last_events: The last so many events of the topic and the types, up to ``end_sequence``.
        from_sequence: From this sequence on; at most one of the two is given. Without either, all.
        end_sequence: Up to this sequence, inclusive; 0 means up to the head when the backtest starts.
        types: Event types; empty means all.
    """

    topic: str
    last_events: int | None = None
    from_sequence: int | None = None
    end_sequence: int = 0
    types: tuple[str, ...] = ()


class History(NamedTuple):
    """What is read: events of a selection behind ``start``, up to ``end``."""

    selection: Selection
    start: int
    end: int


def require_range(wanted: Wanted) -> None:
    """Refuses a range that contradicts itself.

    Raises:
        InvalidRequest: Naming the field.
    """
    if not wanted.topic:
        raise InvalidRequest("backtest.topic", "must name the topic whose events the schema is tried on")
    if wanted.last_events is not None and wanted.last_events < 1:
        raise InvalidRequest("backtest.last_events", "must be at least 1")
    if wanted.from_sequence is not None and wanted.from_sequence < 1:
        raise InvalidRequest("backtest.from_sequence", "must be at least 1; sequences begin there")
    if 0 < wanted.end_sequence < (wanted.from_sequence or 0):
        raise InvalidRequest("backtest.end_sequence", f"{wanted.end_sequence} lies before from_sequence")
    if len(wanted.types) > MAX_TYPES:
        raise InvalidRequest(
            "backtest.types", f"names {len(wanted.types):,} types; at most {MAX_TYPES} are allowed"
        )


async def find_history(log: EventLog, topic: Topic, wanted: Wanted) -> History:
    """Finds where the wanted events of a topic begin and end.

    Raises:
        InvalidRequest: They lie in the future.
        StorageFailed: Of the log.
    """
    selection = Selection(frozenset((topic.name,)), types=frozenset(wanted.types))
    head = (await log.bounds(selection)).head
    end = min(wanted.end_sequence or head, head)
    if wanted.from_sequence is not None:
        if wanted.from_sequence > head + 1:
            raise InvalidRequest(
                "backtest.from_sequence",
                f"{wanted.from_sequence} lies in the future: the last event of the log has sequence {head}",
            )
        return History(selection, wanted.from_sequence - 1, end)
    if wanted.last_events is not None:
        return History(selection, await _position_before_last(log, selection, wanted.last_events, end), end)
    return History(selection, 0, end)


async def _position_before_last(log: EventLog, selection: Selection, wanted: int, end: int) -> int:
    """Answers the position behind which the last ``wanted`` events up to ``end`` lie; 0 if there are fewer.

    Counts no sequence more than a few times, so that it is cheap also where counting means reading.
    """
    counted, high, width = 0, end, wanted
    while counted < wanted:  # a range holds at most as many events as sequences
        if high == 0:
            return 0
        low = max(0, high - width)
        found = await log.count(selection, low, high)
        if counted + found >= wanted:
            break
        counted, high, width = counted + found, low, 2 * width
    while high - low > 1:
        middle = (low + high) // 2
        found = await log.count(selection, middle, high)
        if counted + found >= wanted:
            low = middle
        else:
            counted, high = counted + found, middle
    return low
