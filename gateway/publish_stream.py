"""PublishStream: requests pipelined through the publisher, answers in their order and coalesced."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from gateway.errors import Draining, StreamStopped
from gateway.log import Chain
from gateway.publisher import forget_origin
from registry.errors import TidegateError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.log import Placed
    from gateway.publisher import Publisher
    from registry.typed import TypedService

UNANSWERED = 1_000
"""Requests of one stream that may wait for their answers, and likewise the fields at fault that these
will list; then the stream is not read on."""

Outcome = tuple["Placed", ...] | TidegateError
"""What became of one request."""


class PublishStream:
    """One stream of publish requests.

    Requests are checked and queued one after the other, in their order, without waiting for the disk.
    Whenever the oldest unanswered request is settled, one write answers it and all settled ones behind it.
    """

    def __init__(
        self,
        publisher: Publisher,
        caller: str,
        read: Callable[[], Awaitable[bytes | None]],
        write: Callable[[list[Outcome]], Awaitable[None]],
        typed: TypedService | None = None,
    ) -> None:
        self._publisher = publisher
        self._caller = caller
        self._read = read
        self._write = write
        self._typed = typed
        self._unanswered: deque[asyncio.Future[tuple[Placed, ...]] | TidegateError] = deque()
        self._settled = _Signal()
        self._room = _Signal()
        self._violations = 0
        self._complete = False
        self._chain: Chain | None = None
        self._stopped = False
        self._reading: asyncio.Task[None] | None = None
        self._draining = False

    async def run(self) -> None:
        """Serves the stream until its requests end and each is answered.

        Raises:
            Draining: ``drain`` ended it; what was taken has been answered.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._answer_all())
                self._reading = tasks.create_task(self._take_all())
        except ExceptionGroup as failures:  # the first one ended the stream; what came of that says nothing
            raise failures.exceptions[0] from None
        if self._draining:
            raise Draining

    def drain(self) -> None:
        """Takes no further request; ends the stream when those that were taken are answered."""
        self._draining = True
        if self._reading:
            self._reading.cancel()

    async def _take_all(self) -> None:
        try:
            first = True
            while (raw := await self._read()) is not None:
                self._unanswered.append(await self._take(raw, first=first))
                first = False
                if isinstance(error := self._unanswered[-1], TidegateError):
                    self._violations += len(error.violations)
                    self._settled.set()
                while len(self._unanswered) + self._violations >= UNANSWERED:
                    await self._room.wait()
        finally:
            self._complete = True
            self._settled.set()

    async def _take(self, raw: bytes, *, first: bool) -> asyncio.Future[tuple[Placed, ...]] | TidegateError:
        """Queues one request; answers its placements to come, or why it is rejected."""
        try:
            request = self._publisher.parse(raw)
            if first and request.stop_on_error:
                self._chain = Chain()
            if self._stopped:
                raise StreamStopped
            answer = await self._publisher.publish(request, self._caller, self._chain, self._typed)
        except TidegateError as error:  # those queued before it stay good: their chain is not broken
            self._stopped = self._chain is not None
            forget_origin(error)  # it may wait long for a client that doesn't read
            return error
        answer.add_done_callback(self._settled.set)
        return answer

    async def _answer_all(self) -> None:
        while True:
            outcomes = self._take_settled()
            if outcomes:
                self._room.set()
                await self._write(outcomes)
            elif self._complete and not self._unanswered:
                return
            else:
                await self._settled.wait()

    def _take_settled(self) -> list[Outcome]:
        """Answers the outcomes of the oldest requests that are settled, up to the first that is not."""
        outcomes: list[Outcome] = []
        unanswered = self._unanswered
        while unanswered:
            oldest = unanswered[0]
            if isinstance(oldest, TidegateError):
                self._violations -= len(oldest.violations)
                outcomes.append(oldest)
            elif oldest.done():
                outcomes.append(_outcome(oldest))
            else:
                break
            unanswered.popleft()
        return outcomes


def _outcome(settled: asyncio.Future[tuple[Placed, ...]]) -> Outcome:
    error = settled.exception()
    if error is None:
        return settled.result()
    if isinstance(error, TidegateError):
        return error
    raise error


class _Signal:
    """Wakes one waiter; set before the wait it lets the wait pass."""

    def __init__(self) -> None:
        self._is_set = False
        self._waiter: asyncio.Future[None] | None = None

    def set(self, _: object = None) -> None:
        self._is_set = True
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    async def wait(self) -> None:
        if not self._is_set:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        self._is_set = False
