"""What of its selection a group delivers, and how: everything as it is, or what a sieve says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.log import StoredBatch


class GroupSieve(Protocol):
    """Which events of a batch are delivered."""

    async def prepare(self, batches: Sequence[StoredBatch]) -> None:
        """Makes ready what ``matches`` is asked of."""
        ...

    def matches(self, batch: StoredBatch) -> Sequence[int] | None:
        """Answers the indexes of the events that are delivered, rising; None means all."""
        ...


class Everything:
    """Delivers all events."""

    async def prepare(self, batches: Sequence[StoredBatch]) -> None:
        """Has nothing to make ready."""

    def matches(self, batch: StoredBatch) -> Sequence[int] | None:  # noqa: ARG002
        """Answers that all are."""
        return None
