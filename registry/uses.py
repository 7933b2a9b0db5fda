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
