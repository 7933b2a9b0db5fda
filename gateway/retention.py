"""Retention: removes what topics no longer keep, slice by slice, so that publishing never waits for it."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

import structlog

from gateway.selection import EVERYTHING
from registry.errors import TidegateError

if TYPE_CHECKING:
    from gateway.log import EventLog, TopicBounds
    from gateway.topics import Topic, Topics

INTERVAL = 1.0
"""Seconds between two looks at all topics."""

_log = structlog.get_logger("tidegate.retention")


class Retention:
    """Trims the log to what the topics' settings keep, and what belongs to no topic any more."""

    def __init__(self, log: EventLog, topics: Topics) -> None:
        self._log = log
        self._topics = topics

    async def run(self) -> None:
        """Looks at all topics about once a second, until cancelled; a failing disk is tried again."""
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                await self.trim_all()
            except TidegateError as error:
                _log.warning("retention failed; trying again", error=str(error), **error.facts())
            except Exception:  # noqa: BLE001 - whatever it is, it must not end retention for good
                _log.exception("retention failed; trying again")

    async def trim_all(self) -> None:
        """Removes all that is to be removed now, and gives some of the free space back."""
        for name, bounds in (await self._log.bounds(EVERYTHING)).topics.items():
            if name in self._topics:
                await self._trim(self._topics.get(name), bounds)
            elif bounds.batch_count:
                await self.remove_orphan(name)
        await self._log.trim("")  # removes nothing: that gives free space back

    async def remove_orphan(self, name: str) -> None:
        """Removes all events of a topic that doesn't exist; leaves those of one that does, or comes to.

        Nothing is awaited between the look at the topics and the call of ``trim``, which takes effect
        before whatever is appended later: so no event of a topic of the same name made meanwhile is lost.

        Raises:
            StorageFull, StorageReadOnly, StorageFailed.
        """
        more = True
        while more and name not in self._topics:
            more = (await self._log.trim(name, keep_bytes=0)).more

    async def _trim(self, topic: Topic, bounds: TopicBounds) -> None:
        before = time.time_ns() - int(topic.max_age.total_seconds() * 1e9) if topic.max_age else None
        keep = topic.max_bytes or None
        more = bounds.batch_count > 0 and (before is not None or bounds.size_bytes > (keep or math.inf))
        while more:
            more = (await self._log.trim(topic.name, before_time=before, keep_bytes=keep)).more
