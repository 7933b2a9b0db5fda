"""Who needs schemas: what the registry asks of those above it, before it lets a version come or go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry.schema import Reader


@dataclass(frozen=True, slots=True)
class TopicUse:
    """A topic of a subject, and the event types that it accepts; empty means all of the subject."""

    topic: str
    types: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LiveFilter:
    """A filter of an open subscription or of a group that reads the data of events of a type.

    Attributes:
        group: The group that has it; empty if a subscription does.
        client_name: What the subscribing program calls itself; may be empty.
        type: The event type.
        text: The filter.
    """

    group: str
    client_name: str
    type: str
    text: str


class SchemaUses(Protocol):
    """Answers who needs the versions and types of a subject."""

    def topics(self, subject: str) -> Sequence[TopicUse]:
        """Answers the topics of a subject, by name."""
        ...

    async def stored(self, subject: str, version: int) -> Sequence[str]:
        """Answers the topics, at most 20, that hold events of a version; version 0 means of any."""
        ...

    def readers(self, subject: str) -> Sequence[Reader]:
        """Answers the readers of a subject, by client name."""
        ...

    def filters(self, subject: str) -> Sequence[LiveFilter]:
        """Answers the live filters that read data of a subject, each once."""
        ...


class NoUses:
    """A registry that stands alone: nobody needs anything."""

    def topics(self, subject: str) -> Sequence[TopicUse]:  # noqa: ARG002
        """Answers none."""
        return ()

    async def stored(self, subject: str, version: int) -> Sequence[str]:  # noqa: ARG002
        """Answers none."""
        return ()

    def readers(self, subject: str) -> Sequence[Reader]:  # noqa: ARG002
        """Answers none."""
        return ()

    def filters(self, subject: str) -> Sequence[LiveFilter]:  # noqa: ARG002
        """Answers none."""
        return ()
