"""Readers: which programs read events, and the schema versions that they were built with.

A reader is known by the name that it gives itself; each of its subscriptions is noted under the subjects that
it reads, if it names its version of them. What is remembered of them is in ``roster``, and is written to a
store behind the subscriptions' back. Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import structlog

from gateway.roster import Roster, key_of
from gateway.selection import Selection, is_topic_name, is_topic_pattern
from registry.errors import TidegateError
from registry.schema import Reader

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from gateway.frames import Subscribing
    from gateway.roster import Unwritten
    from gateway.topics import Topics

FORGOTTEN_AFTER = timedelta(days=90)
"""How long ago a reader was seen that is forgotten."""
SEEN_SECONDS = 60.0
"""How often it is written down that readers are still there."""
PAUSE_SECONDS = 1.0
"""How long to wait between two writes: what changes meanwhile goes together."""
WRITTEN_AT_ONCE = 500
"""How many readers one transaction writes: publishing waits for it."""

_log = structlog.get_logger("tidegate.readers")


class ReaderStore(Protocol):
    """Keeps readers."""

    async def load(self) -> list[Reader]:
        """Answers all readers, none of them alive."""
        ...

    async def save(self, unwritten: Unwritten) -> None:
        """Stores readers, new ones or changed ones, and removes others: all or nothing."""
        ...


class Readers:
    """All readers, in memory, over a store. Used from one event loop; no subscription waits for the store."""

    def __init__(self, store: ReaderStore, topics: Topics, alive_seconds: float) -> None:
        """Begins empty; ``alive_seconds`` is how long a reader counts as alive that is not connected."""
        self._store = store
        self._topics = topics
        self._alive = timedelta(seconds=alive_seconds)
        self._roster = Roster()
        self._changed = asyncio.Event()

    async def open(self) -> None:
        """Loads the readers from the store."""
        self._roster.load(await self._store.load())

    def of_subject(self, subject: str) -> list[Reader]:
        """Answers the readers of a subject, by client name and version."""
        return self._roster.of_subject(subject, _now(), self._alive)

    def find(self, wanted: Subscribing, types: Mapping[str, Collection[str]]) -> list[Reader]:
        """Answers as what a subscription reads: once for each subject that it has to do with.

        Args:
            wanted: What the subscription asks for.
            types: The event types of each version that it names, by subject.
        """
        return list(self._find(wanted, types)) if wanted.client_name and types else []

    @contextmanager
    def reading(self, readers: Sequence[Reader]) -> Iterator[None]:
        """Counts the readers of a subscription as connected for as long as the block takes."""
        for reader in readers:
            self._roster.arrive(reader)
            self._changed.set()
        try:
            yield
        finally:
            for reader in readers:
                self._roster.leave(key_of(reader), _now())

    async def run(self) -> None:
        """Writes down who comes, and once a minute who is there and who left, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._roster.see(_now())
            self._roster.forget(_now() - FORGOTTEN_AFTER)
            look = loop.time() + SEEN_SECONDS
            while loop.time() < look:
                self._changed.clear()
                await self._try_to_write()
                await asyncio.sleep(PAUSE_SECONDS)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), max(0.0, look - loop.time()))

    async def close(self) -> None:
        """Writes down what is not written yet."""
        self._roster.see(_now())
        await self._try_to_write()

    def _find(self, wanted: Subscribing, types: Mapping[str, Collection[str]]) -> Iterator[Reader]:
        topics, patterns = self._topics_of(wanted)
        for subject, known in types.items():
            own = tuple(sorted(set(wanted.types).intersection(known)))
            read = topics.get(subject) or (patterns if own else ())
            if read and (own or not wanted.types):
                version = wanted.built_with[subject]
                yield Reader(
                    wanted.client_name, subject, version, tuple(sorted(read)), own, _now(), alive=True
                )

    def _topics_of(self, wanted: Subscribing) -> tuple[Mapping[str, Collection[str]], tuple[str, ...]]:
        """Answers the topics and matching patterns of a subscription by subject, and all its patterns."""
        patterns = tuple(filter(is_topic_pattern, wanted.topics))
        found: dict[str, set[str]] = {}
        for name in filter(is_topic_name, wanted.topics):
            found.setdefault(self._topics.get(name).subject, set()).add(name)
        selection = Selection(patterns=patterns)
        for topic in self._topics.all() if patterns else ():
            if selection.has_topic(topic.name):
                found.setdefault(topic.subject, set()).update(patterns)
        return found, patterns

    async def _try_to_write(self) -> None:
        """Writes all that changed; what can't be written is tried again with the next change."""
        while any(unwritten := self._roster.take_unwritten(WRITTEN_AT_ONCE)):
            try:
                await self._store.save(unwritten)
            except asyncio.CancelledError:
                self._roster.give_back(unwritten)
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the writing for good
                self._roster.give_back(unwritten)
                _log.warning(
                    "readers were not written down; trying again",
                    error=str(error),
                    exc_info=not isinstance(error, TidegateError),
                )
                return


def _now() -> datetime:
    return datetime.now(UTC)
