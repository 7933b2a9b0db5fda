"""What of its selection a group delivers, and how: everything as it is, or what a sieve says."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.log import StoredBatch
    from gateway.sieves import Failures
    from registry.errors import TidegateError


class GroupSieve(Protocol):
    """Which events of a batch are delivered."""

    async def prepare(self, batches: Sequence[StoredBatch]) -> None:
        """Makes ready what ``matches`` is asked of."""
        ...

    def matches(self, batch: StoredBatch) -> Sequence[int] | None:
        """Answers the indexes of the events that are delivered, rising; None means all."""
        ...

    def take_failures(self) -> Failures | None:
        """Answers on which events the filter failed since this was last asked."""
        ...


class Everything:
    """Delivers all events."""

    async def prepare(self, batches: Sequence[StoredBatch]) -> None:
        """Has nothing to make ready."""

    def matches(self, batch: StoredBatch) -> Sequence[int] | None:  # noqa: ARG002
        """Answers that all are."""
        return None

    def take_failures(self) -> Failures | None:
        """Answers that there are none."""
        return None


class Unusable:
    """Stands for a stored filter that can't be used any more: the group waits until it is given another."""

    def __init__(self, error: TidegateError) -> None:
        """Takes what is wrong with the filter."""
        self._error = error

    async def prepare(self, batches: Sequence[StoredBatch]) -> NoReturn:  # noqa: ARG002
        """Raises what is wrong with the filter."""
        raise self._error

    def matches(self, batch: StoredBatch) -> NoReturn:  # noqa: ARG002
        """Raises what is wrong with the filter."""
        raise self._error

    def take_failures(self) -> Failures | None:
        """Answers that there are none."""
        return None

    def close(self) -> None:
        """Has nothing to end."""
