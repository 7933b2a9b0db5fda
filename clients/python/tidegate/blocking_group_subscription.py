"""Reading and settling a group's events from threads: the face of ``AsyncGroupSubscription``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from tidegate.deliveries import Delivery, DeliveryBatch
    from tidegate.group_subscription import AsyncGroupSubscription
    from tidegate.loop_thread import LoopThread
    from tidegate.notices import Lag


class GroupSubscription:
    """Yields a group's events that are this member's to deal with; each is to be settled.

    Made by ``Client.join``; use it with ``with``, which leaves the group well::

        with client.join("billing", "shop.orders") as deliveries:
            for event in deliveries:
                charge(event.message)
                event.ack()

    Guarantees as ``AsyncGroupSubscription``. One thread at a time iterates; any may settle events, and any
    may ``close``, which ends the iteration.
    """

    def __init__(self, thread: LoopThread, subscription: AsyncGroupSubscription) -> None:
        self._thread = thread
        self._subscription = subscription
        self._batch: DeliveryBatch | None = None
        self._events: Iterator[Delivery] = iter(())
        self.group = subscription.group
        """The group's name."""

    @property
    def member_id(self) -> str:
        """The name of this member, which changes when it reconnects; empty before it joined."""
        return self._subscription.member_id

    @property
    def position(self) -> int | None:
        """How far the group has read the log; None before it was joined."""
        return self._subscription.position

    @property
    def caught_up(self) -> bool:
        """Whether all that was in the log was settled at least once since this member joined."""
        return self._subscription.caught_up

    @property
    def lag(self) -> Lag | None:
        """How far behind the head the group's reading was at the last heartbeat; None before one was."""
        return self._subscription.lag

    @property
    def lease(self) -> float:
        """How many seconds a member has for an event."""
        return self._subscription.lease

    @property
    def late_count(self) -> int:
        """How many events were settled too late since this object was made."""
        return self._subscription.late_count

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Delivery:
        self._subscription.touch()
        while True:
            for event in self._events:
                if event.begin():
                    return event
            self._batch = self._thread.run(self._subscription.next_unread())
            if self._batch is None:
                raise StopIteration
            self._events = iter(self._batch)

    def batches(self) -> Iterator[DeliveryBatch]:
        """Yields whole batches: a faster way to the same events."""
        while (batch := self.next_batch()) is not None:
            yield batch

    def next_batch(self) -> DeliveryBatch | None:
        """Answers the next batch, or what is left of the one that is being iterated; None at the end."""
        batch, self._batch, self._events = self._batch, None, iter(())
        while True:
            given = batch.given() if batch is not None else ()
            if given:
                return given
            batch = self._thread.run(self._subscription.next_unread())
            if batch is None:
                return None

    def ack_through(self, event: Delivery) -> None:
        """Acknowledges an event and all that were yielded before it and that no word settled."""
        self._subscription.ack_through(event)

    def flush(self) -> None:
        """Returns when the gateway has heard what was said before; see ``AsyncGroupSubscription.flush``."""
        self._thread.run(self._subscription.flush())

    def leave(self) -> None:
        """Takes no further events: what is not read goes to others at once. Those in hand can be settled."""
        self._thread.run(self._subscription.leave())

    def close(self) -> None:
        """Leaves the group; see ``AsyncGroupSubscription``. Iterating then ends, too."""
        self._thread.run(self._subscription.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
