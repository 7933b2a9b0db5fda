"""Who needs schemas: topics that accept their types, events that are kept, readers, and filters.

What the registry asks before it lets a version come or go. Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.selection import Selection
from registry.uses import TopicUse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence

    from gateway.live_filters import LiveFilters
    from gateway.log import EventLog, StoredKind
    from gateway.readers import Readers
    from gateway.topics import Topics
    from registry.schema import Reader
    from registry.uses import LiveFilter

    FindLetters = Callable[[str], Awaitable[Collection[StoredKind]]]

STORED_NAMED = 20
"""How many topics that hold events are named."""


class GatewayUses:
    """Answers for the topics, the log and the readers of a gateway: ``registry.uses.SchemaUses``."""

    def __init__(
        self,
        topics: Topics,
        log: EventLog,
        readers: Readers,
        filters: LiveFilters,
        letters: FindLetters,
    ) -> None:
        """Takes who answers of which topics and versions of a subject there are dead letters."""
        self._topics = topics
        self._log = log
        self._readers = readers
        self._filters = filters
        self._letters = letters

    def topics(self, subject: str) -> Sequence[TopicUse]:
        """Answers the topics of a subject, by name."""
        return [TopicUse(topic.name, topic.types) for topic in self._topics.of_subject(subject)]

    async def stored(self, subject: str, version: int) -> Sequence[str]:
        """Answers the topics, at most ``STORED_NAMED``, that hold events of a version; 0 means of any.

        Dead letters count, whether or not the topic holds their events any more.

        Raises:
            StorageFailed, StorageFull, StorageReadOnly: The log can't be read, or groups not written down.
        """
        names = frozenset(topic.name for topic in self._topics.of_subject(subject))
        kinds = set(await self._log.kinds(Selection(names))) if names else set()
        kinds.update(await self._letters(subject))
        return sorted({kind.topic for kind in kinds if version in {0, kind.schema_version}})[:STORED_NAMED]

    def readers(self, subject: str) -> Sequence[Reader]:
        """Answers the readers of a subject, by client name."""
        return self._readers.of_subject(subject)

    def filters(self, subject: str) -> Sequence[LiveFilter]:
        """Answers the live filters that read data of a subject, each once."""
        return self._filters.of_subject(subject)
