"""What retention removed in front of a reader. Pure: it is told what is stored, and asks nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.frames import Gap

if TYPE_CHECKING:
    from gateway.frames import Subscribing
    from gateway.log import Bounds, TopicBounds


class Gaps:
    """Knows what retention removed in front of a reader, and what of it the reader was told."""

    def __init__(self, wanted: Subscribing, bounds: Bounds) -> None:
        trimmed = {name: topic for name, topic in bounds.topics.items() if topic.trimmed_through}
        self._told = {
            name: topic.trimmed_through for name, topic in trimmed.items() if not _is_lost(topic, wanted)
        }
        lost_time = wanted.from_time is not None and len(self._told) < len(trimmed)
        self._floor = 0 if lost_time else None

    def possible(self, position: int, trimmed: int) -> bool:
        """Tells whether a reader behind ``position`` may have lost something; cheap."""
        return trimmed > position or self._floor is not None

    def find(self, position: int, bounds: Bounds) -> Gap | None:
        """Answers what a reader behind ``position`` lost since it was last told."""
        floor = position if self._floor is None else self._floor
        self._floor = None
        lost = {
            name: topic.trimmed_through
            for name, topic in bounds.topics.items()
            if topic.trimmed_through > max(floor, self._told.get(name, 0))
        }
        self._told |= lost
        return Gap(floor + 1, max(lost.values()), tuple(sorted(lost))) if lost else None


def _is_lost(topic: TopicBounds, wanted: Subscribing) -> bool:
    """Tells whether what was trimmed of a topic before a subscription opened may belong to it.

    Of a start at a sequence that is decided by comparing with the position; a start at either end of
    the log asks for nothing that is gone.
    """
    if wanted.from_time is not None:
        return topic.trimmed_time >= wanted.from_time
    return wanted.from_sequence is not None
