"""Reading events from threads: the face of ``AsyncSubscription`` for programs without an event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from tidegate.loop_thread import LoopThread
    from tidegate.notices import Lag
    from tidegate.received import Batch, Event
    from tidegate.subscription import AsyncSubscription


class Subscription:
    """Yields events in sequence order: ``for event in subscription``.

    Made by ``Client.subscribe``. Guarantees as ``AsyncSubscription``; one thread at a time iterates, and any
    other may ``close`` it, which ends the iteration. Waiting for events ends with Ctrl-C, too.
    """

    def __init__(self, thread: LoopThread, subscription: AsyncSubscription) -> None:
        self._thread = thread
        self._subscription = subscription
        self._batch: Batch | None = None
        self._events: Iterator[Event] = iter(())
        self._given: int | None = None

    @property
    def position(self) -> int | None:
        """The last sequence that the reader is through: ``start=position + 1`` goes on behind it."""
        return self._given if self._given is not None else self._subscription.position

    @property
    def caught_up(self) -> bool:
        """Whether the reader has reached the head of the log since it began."""
        return self._subscription.caught_up

    @property
    def lag(self) -> Lag | None:
        """How far behind the head the reader was at the last heartbeat that was read; None before one was."""
        return self._subscription.lag

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        event = next(self._events, None)
        while event is None:
            self._given = None
            self._batch = self._thread.run(self._subscription.next_batch())
            if self._batch is None:
                raise StopIteration
            self._events = iter(self._batch)
            event = next(self._events, None)
        self._given = event.sequence
        return event

    def batches(self) -> Iterator[Batch]:
        """Yields whole batches: a faster way to the same events."""
        while (batch := self.next_batch()) is not None:
            yield batch

    def next_batch(self) -> Batch | None:
        """Answers the next batch, or what is left of the one that is being iterated; None at the end."""
        batch, given = self._batch, self._given
        self._batch, self._given, self._events = None, None, iter(())
        if batch is not None and given is not None and given < batch.last_sequence:
            return batch.after(given)
        return self._thread.run(self._subscription.next_batch())

    def close(self) -> None:
        """Ends the stream. Iterating then ends, too, once the batch in hand is through."""
        self._thread.run(self._subscription.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
