"""Running a function on a group's events with asyncio: the usual way to consume them."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import threading
import traceback
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from tidegate.deliveries import shorten
from tidegate.key_order import KeyOrder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tidegate.deliveries import Delivery
    from tidegate.group_subscription import AsyncGroupSubscription
    from tidegate.notices import Lag

    AsyncHandler: TypeAlias = Callable[[Delivery], Awaitable[object]]

_log = logging.getLogger("tidegate")

CONCURRENCY = 10
"""How many events are dealt with at once."""
GRACE = 15.0
"""Seconds that what runs gets to finish when the worker stops; orchestrators kill after 30."""
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""Which signals stop a worker."""


class Reject(Exception):
    """Raised by a handler: the event will never work, and goes to the dead letters. ``str()`` is why."""


@dataclass(frozen=True, slots=True)
class WorkerProgress:
    """How far a worker is.

    Attributes:
        done: Events that were dealt with.
        failed: Events whose handler raised, or ran out of time: they are tried again.
        rejected: Events that went to the dead letters at once.
        late: Events that were settled too late: the lease had ended, and they come again.
        running: Events that a handler has now.
        waiting: Events that were read and wait for a handler.
        lag: How far behind the head the group's reading is; None before the first heartbeat.
    """

    done: int
    failed: int
    rejected: int
    late: int
    running: int
    waiting: int
    lag: Lag | None


class AsyncWorker:
    """Runs a function on each event of a group.

    Made by ``AsyncClient.worker``::

        async def charge(event: Delivery) -> None:
            await payments.charge(event.message.order_id, event.message.amount_cents)

        async with AsyncClient() as client:
            worker = client.worker("billing", charge, topics="shop.orders", types=[OrderPlaced])
            await worker.run()  # until SIGTERM or Ctrl-C

    When the handler returns, the event is acknowledged. When it raises, the event is tried again as the
    group's retry policy says, with the traceback as reason, and goes to the dead letters after the policy's
    last attempt; at once, if it raises ``Reject``. A handler may also settle its event itself. As many as
    ``concurrency`` run at once; events of one key never do, and come in order. Leases of all that was read
    are extended, however long a handler takes: give a ``timeout`` if one may hang.

    Each event is dealt with at least once, so a handler must bear to see one twice: after a crash, or where a
    lease ended although it was extended (a gateway that was away for longer).

    Connections that break are made again. ``run`` ends when ``stop`` is called, or the process gets SIGTERM
    or SIGINT: the worker then takes no more, gives back what no handler has begun, waits at most ``grace``
    seconds for those that run, and leaves the group. It raises what trying again can't heal, such as
    GroupNotFound.
    """

    def __init__(
        self,
        subscription: AsyncGroupSubscription,
        handler: AsyncHandler,
        *,
        concurrency: int = CONCURRENCY,
        timeout: float | None = None,
        grace: float = GRACE,
    ) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, not {concurrency}")
        if timeout is not None and timeout <= 0:
            raise ValueError(f"timeout must be above 0 seconds, not {timeout}")
        if grace < 0:
            raise ValueError(f"grace must be at least 0 seconds, not {grace}")
        subscription.keep_leases()
        self._subscription = subscription
        self._handler = handler
        self._concurrency = concurrency
        self._timeout = timeout
        self._grace = grace
        self._order: KeyOrder[Delivery] = KeyOrder()
        self._ready: asyncio.Queue[Delivery | None] = asyncio.Queue()
        self._started = False
        self._stopping = asyncio.Event()
        self._hurrying = asyncio.Event()
        self._running: dict[Delivery, None] = {}
        self._done = self._failed = self._rejected = 0

    @property
    def progress(self) -> WorkerProgress:
        """How far it is."""
        return WorkerProgress(
            self._done,
            self._failed,
            self._rejected,
            self._subscription.late_count,
            len(self._running),
            self._ready.qsize() + self._order.waiting,
            self._subscription.lag,
        )

    @property
    def subscription(self) -> AsyncGroupSubscription:
        """The member of the group that it reads as."""
        return self._subscription

    def stop(self) -> None:
        """Has ``run`` end: nothing more is begun, and what runs gets ``grace`` seconds.

        Called again, it does not wait for them. To be called in the event loop.
        """
        if self._stopping.is_set():
            self._hurrying.set()
        self._stopping.set()

    async def run(self, *, handle_signals: bool = True) -> None:
        """Works until it is stopped, by ``stop`` or by SIGTERM or SIGINT; a second one does not wait.

        Args:
            handle_signals: Whether signals stop it. They can only be heard in the main thread.

        Raises:
            TidegateError: What trying again can't heal, such as GroupNotFound or GroupDiffers.
            RuntimeError: It has run before.
        """
        if self._started:
            raise RuntimeError("a worker runs once: make another one")
        self._started = True
        with _stopping_on_signals(self.stop if handle_signals else None):
            await self._run()

    async def _run(self) -> None:
        reading = asyncio.ensure_future(self._read())
        handlers = [asyncio.create_task(self._work()) for _ in range(self._concurrency)]
        stopped = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({reading, stopped, *handlers}, return_when=asyncio.FIRST_COMPLETED)
            await self._finish(handlers)
        finally:
            for task in (reading, stopped, *handlers):
                task.cancel()
            results = await asyncio.gather(reading, *handlers, return_exceptions=True)
            await self._subscription.close()
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
                raise result

    async def _finish(self, handlers: list[asyncio.Task[None]]) -> None:
        """Takes no more, and waits for what runs."""
        self._stopping.set()
        leaving = asyncio.ensure_future(self._subscription.leave())
        for _ in handlers:
            self._ready.put_nowait(None)
        hurried = asyncio.ensure_future(self._hurrying.wait())
        finished = asyncio.ensure_future(asyncio.wait(handlers))
        await asyncio.wait({hurried, finished}, timeout=self._grace, return_when=asyncio.FIRST_COMPLETED)
        for task in (leaving, hurried, finished):
            task.cancel()
        await asyncio.gather(leaving, hurried, finished, return_exceptions=True)
        if self._running:
            _log.warning("%d handlers did not end in time: their events are tried again", len(self._running))

    async def _read(self) -> None:
        """Takes what is delivered, and lets begin what may."""
        while (batch := await self._subscription.next_unread()) is not None:
            for event in batch:
                if self._order.add(event.key, event):
                    self._ready.put_nowait(event)

    async def _work(self) -> None:
        while not self._stopping.is_set():
            event = await self._ready.get()
            while event is not None and not self._stopping.is_set():
                # It may be the gateway's again, if it waited for long.
                if event.begin():
                    await self._handle(event)
                event = self._order.done(event.key)
                await asyncio.sleep(0)  # a handler that never waits must not keep all else from running

    async def _handle(self, event: Delivery) -> None:
        self._running[event] = None
        try:
            async with asyncio.timeout(self._timeout) as limit:
                await self._handler(event)
        except Reject as rejection:
            self._rejected += 1
            event.reject(str(rejection) or "rejected")
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is told to the group
            self._fail(event, error, timed_out=limit.expired())
        except asyncio.CancelledError as error:
            if not _is_cancelled():  # something that the handler waited for was
                self._fail(event, error)
                return
            event.nack("the worker was stopped before the handler was done", delay=0.0)
            raise
        else:
            self._done += 1
            event.ack()
        finally:
            del self._running[event]

    def _fail(self, event: Delivery, error: BaseException, *, timed_out: bool = False) -> None:
        self._failed += 1
        _log.warning("the handler failed on %r", event, exc_info=error)
        if timed_out:
            event.nack(f"TimeoutError: the handler did not return within {self._timeout} s")
            return
        # The first frame is this module's.
        trace = error.__traceback__.tb_next if error.__traceback__ else None
        lines = traceback.format_exception(type(error), error, trace)
        event.nack(shorten("".join(lines).strip(), keep_end=True))


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


@contextmanager
def _stopping_on_signals(stop: Callable[[], object] | None) -> Iterator[None]:
    """Has SIGTERM and SIGINT call a function, where that is possible; puts back what was there before."""
    if stop is None or sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            if handler is not None:
                signal.signal(number, handler)
