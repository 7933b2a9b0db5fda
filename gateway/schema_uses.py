"""Who needs schemas: topics that accept their types, events that are stored or dead letters, and readers.

What the registry asks before it lets a version come or go. Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.selection import Selection
from registry.errors import EventTypeNotFound, SchemaVersionNotFound
from registry.uses import TopicUse

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from gateway.groups.groups import Groups
    from gateway.log import EventLog, StoredKind
    from gateway.readers import Readers
    from gateway.topics import Topics
    from registry.schema import Reader

    FindOwner = Callable[[StoredKind], Awaitable[str]]

STORED_NAMED = 20
"""How many topics that hold events are named."""


class GatewayUses:
    """Answers for the topics, the log and the readers of a gateway: ``registry.uses.SchemaUses``."""

    def __init__(
        self, topics: Topics, log: EventLog, readers: Readers, groups: Groups, owner: FindOwner
    ) -> None:
        """Takes who answers the subject of a dead letter whose topic is not there any more."""
        self._topics = topics
        self._log = log
        self._readers = readers
        self._groups = groups
        self._owner = owner

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
        kinds |= {kind for kind in await self._groups.letter_kinds() if await self._is_of(kind, subject)}
        return sorted({kind.topic for kind in kinds if version in {0, kind.schema_version}})[:STORED_NAMED]

    async def _is_of(self, kind: StoredKind, subject: str) -> bool:
        """Tells whether dead letters of a kind need the subject; their topic may be another one's by now."""
        try:
            return await self._owner(kind) == subject
        except (EventTypeNotFound, SchemaVersionNotFound):
            return False

    def readers(self, subject: str) -> Sequence[Reader]:
        """Answers the readers of a subject, by client name."""
        return self._readers.of_subject(subject)
