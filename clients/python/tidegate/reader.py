"""Iterating over what is delivered, with asyncio: by events, or faster by batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Self, TypeVar

from tidegate.received import Batch, Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import TracebackType

BatchT = TypeVar("BatchT", bound=Batch)
EventT = TypeVar("EventT", bound=Event)


class Reader(Generic[EventT, BatchT]):
    """What all that is read has in common. One task at a time iterates; it may stop and take up again."""

    def __init__(self) -> None:
        self._batch: BatchT | None = None
        self._events: Iterator[EventT] = iter(())
        self._given: int | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> EventT:
        event = next(self._events, None)
        while event is None:
            self._given = None
            self._batch = await self._next_batch()
            self._events = self._iterate(self._batch)
            event = next(self._events, None)
        self._given = event.sequence
        return event

    async def batches(self) -> AsyncIterator[BatchT]:
        """Yields whole batches: a faster way to the same events."""
        while (batch := await self.next_batch()) is not None:
            yield batch

    async def next_batch(self) -> BatchT | None:
        """Answers the next batch, or what is left of the one that is being iterated; None at the end."""
        batch, given = self._batch, self._given
        self._batch, self._given, self._events = None, None, iter(())
        if batch is not None and given is not None:
            rest = self._rest(batch, given)
            if rest is not None:
                return rest
        try:
            return await self._next_batch()
        except StopAsyncIteration:
            return None

    async def close(self) -> None:
        """Ends the stream. Iterating then ends, too."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _next_batch(self) -> BatchT:
        """Answers the next batch that has events; raises ``StopAsyncIteration`` at the end."""
        raise NotImplementedError

    def _iterate(self, batch: BatchT) -> Iterator[EventT]:
        raise NotImplementedError

    def _rest(self, batch: BatchT, given: int) -> BatchT | None:
        """Answers what is left of a batch behind the event that was given last; None if nothing is."""
        raise NotImplementedError
