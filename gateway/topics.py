"""The topics of the deployment: their settings, in memory, over a store that keeps them.

Knows nothing of events: what is stored of a topic is the log's to say.
"""

from __future__ import annotations

import asyncio
import difflib
import secrets
from bisect import bisect
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from gateway.errors import EventTypeNotAccepted, TopicAlreadyExists, TopicChanged, TopicNotFound
from gateway.selection import is_topic_name
from registry.errors import LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

NEIGHBOURS = 20
"""How many names on either side of a wrong one are compared with it."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic's settings.

    Attributes:
        name: Its name.
        subject: The subject whose versions check its events.
        types: The event types that it accepts; empty means all of its subject.
        allow_unknown: Whether data may have fields that its schema version doesn't know.
        max_age: How long events are kept; None means for ever.
        max_bytes: How many bytes are kept; 0 means all.
        create_time: When it was created.
        update_time: When it was last changed.
        etag: Names this state of it.
        index_keys: Whether its keys are indexed.
    """

    name: str
    subject: str
    types: tuple[str, ...]
    allow_unknown: bool
    max_age: timedelta | None
    max_bytes: int
    create_time: datetime
    update_time: datetime
    etag: str
    index_keys: bool = False

    def require_accepted(self, event_type: str) -> None:
        """Raises ``EventTypeNotAccepted`` unless the topic accepts events of ``event_type``."""
        if self.types and event_type not in self.types:
            raise EventTypeNotAccepted(self.name, event_type, self.types)


class TopicStore(Protocol):
    """Keeps topics; several gateways may share one, so every change compares and sets."""

    async def load(self) -> list[Topic]:
        """Answers all topics."""
        ...

    async def put(self, topic: Topic, expected_etag: str) -> bool:
        """Stores ``topic`` if the stored one's etag is ``expected_etag`` ('' for none); tells if it did."""
        ...

    async def delete(self, name: str, expected_etag: str) -> bool:
        """Deletes a topic if the stored one's etag is ``expected_etag``; tells if it did."""
        ...


class Topics:
    """All topics, by name. Reading is a look-up in memory; changes go through the store, one by one."""

    def __init__(self, store: TopicStore, maximum: int) -> None:
        self._store = store
        self._maximum = maximum
        self._topics: dict[str, Topic] = {}
        self._spellings: _Spellings | None = None
        self._closing: set[str] = set()
        self._changing = asyncio.Lock()

    async def open(self) -> None:
        """Loads the topics from the store."""
        self._topics = {topic.name: topic for topic in await self._store.load()}

    def __contains__(self, name: str) -> bool:
        return name in self._topics

    def all(self) -> list[Topic]:
        """Answers all topics by name."""
        return sorted(self._topics.values(), key=lambda topic: topic.name)

    def with_index(self) -> frozenset[str]:
        """Answers the names of the topics whose keys are to be indexed."""
        return frozenset(topic.name for topic in self._topics.values() if topic.index_keys)

    def of_subject(self, subject: str) -> list[Topic]:
        """Answers the topics of a subject by name."""
        return [topic for topic in self.all() if topic.subject == subject]

    def get(self, name: str) -> Topic:
        """Answers a topic.

        Raises:
            TopicNotFound: There is none of that name; names those that are close.
        """
        topic = self._topics.get(name)
        if topic is None:
            self._spellings = self._spellings or _Spellings(self._topics)
            raise TopicNotFound(name, self._spellings.near(name))
        return topic

    def accepting(self, name: str) -> Topic:
        """Answers a topic that takes events.

        Raises:
            TopicNotFound: There is none of that name, or it is being deleted.
        """
        if name in self._closing:
            raise TopicNotFound(name)
        return self.get(name)

    async def create(
        self,
        name: str,
        subject: str,
        types: Iterable[str] = (),
        *,
        allow_unknown: bool = False,
        max_age: timedelta | None = None,
        max_bytes: int = 0,
        index_keys: bool = False,
    ) -> Topic:
        """Makes a topic.

        Raises:
            TopicAlreadyExists: There is one of that name.
            LimitExceeded: There are as many topics as may be.
        """
        now = datetime.now(UTC)
        topic = Topic(
            name,
            subject,
            tuple(types),
            allow_unknown,
            max_age,
            max_bytes,
            now,
            now,
            _new_etag(),
            index_keys,
        )
        async with self._changing:
            if name in self._topics:
                raise TopicAlreadyExists(name)
            if len(self._topics) >= self._maximum:
                raise LimitExceeded(
                    "max_topics", self._maximum, len(self._topics) + 1, "the number of topics"
                )
            if not await self._store.put(topic, ""):
                raise TopicAlreadyExists(name)
            self._topics[name] = topic
            self._spellings = None
        return topic

    async def update(self, name: str, etag: str, **changes: Any) -> Topic:
        """Changes fields of a topic; an empty ``etag`` means: whatever its state.

        Raises:
            TopicNotFound: There is none of that name.
            TopicChanged: Its state is another than ``etag``.
        """
        async with self._changing:
            current = self._current(name, etag)
            topic = replace(current, update_time=datetime.now(UTC), etag=_new_etag(), **changes)
            if not await self._store.put(topic, current.etag):
                raise TopicChanged(name, current.etag)
            self._topics[name] = topic
        return topic

    async def delete(self, name: str, etag: str, require_empty: Callable[[], Awaitable[None]]) -> None:
        """Deletes a topic's settings; an empty ``etag`` means: whatever its state.

        Args:
            name: Its name.
            etag: The state that it must have.
            require_empty: Asked when the topic takes no more events; what it raises keeps the topic.

        Raises:
            TopicNotFound: There is none of that name.
            TopicChanged: Its state is another than ``etag``.
        """
        async with self._changing:
            current = self._current(name, etag)
            self._closing.add(name)
            try:
                await require_empty()
                if not await self._store.delete(name, current.etag):
                    raise TopicChanged(name, current.etag)
                self._topics.pop(name, None)
                self._spellings = None
            finally:
                self._closing.discard(name)

    def _current(self, name: str, etag: str) -> Topic:
        topic = self.get(name)
        if etag and etag != topic.etag:
            raise TopicChanged(name, topic.etag)
        return topic


class _Spellings:
    """Finds names that are close to a wrong one, at a cost that hardly grows with their number.

    Keeps them in two orders, in which names that begin or end alike stand side by side.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._forwards = sorted(names)
        self._backwards = sorted(name[::-1] for name in self._forwards)

    def near(self, name: str) -> list[str]:
        """Answers at most three names, the closest first."""
        if not is_topic_name(name):
            return []
        alike = set(_around(self._forwards, name))
        alike.update(found[::-1] for found in _around(self._backwards, name[::-1]))
        return difflib.get_close_matches(name, alike, n=3)


def _around(names: list[str], name: str) -> list[str]:
    place = bisect(names, name)
    return names[max(0, place - NEIGHBOURS) : place + NEIGHBOURS]


def _new_etag() -> str:
    return secrets.token_hex(8)
