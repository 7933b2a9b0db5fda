"""Running a function on a group's events in threads: the face of ``AsyncWorker`` without an event loop."""

from __future__ import annotations

import asyncio
import queue
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeAlias

from tidegate.worker import STOP_SIGNALS, AsyncWorker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tidegate.deliveries import Delivery
    from tidegate.loop_thread import LoopThread
    from tidegate.worker import WorkerProgress

    Handler: TypeAlias = Callable[[Delivery], object]
    Settle: TypeAlias = Callable[[BaseException | None], None]


class Worker:
    """Runs a function on each event of a group, in threads.

    Made by ``Client.worker``::

        def charge(event: Delivery) -> None:
            payments.charge(event.message.order_id, event.message.amount_cents)

        with Client() as client:
            client.worker("billing", charge, topics="shop.orders", types=[OrderPlaced]).run()

    All that is said of ``AsyncWorker`` holds. ``concurrency`` is the number of threads, which live as long as
    the worker: what a handler keeps in thread-local storage stays. A thread can't be interrupted: a handler
    that is over its ``timeout`` has its event tried again, but its thread, and the events of its key, wait
    for it to return. What does not return within ``grace`` seconds of stopping is left behind, and ends with
    the process.
    """

    def __init__(self, thread: LoopThread, worker: AsyncWorker, threads: HandlerThreads) -> None:
        self._thread = thread
        self._worker = worker
        self._threads = threads

    @property
    def progress(self) -> WorkerProgress:
        """How far it is."""
        return self._worker.progress

    def stop(self) -> None:
        """Has ``run`` end: nothing more is begun, and what runs gets ``grace`` seconds.

        Called again, it does not wait for them. Any thread may call it.
        """
        self._thread.call_soon(self._worker.stop)

    def run(self, *, handle_signals: bool = True) -> None:
        """Works until it is stopped, by ``stop`` or by SIGTERM or SIGINT; see ``AsyncWorker.run``."""
        try:
            with _stopping_on_signals(self.stop if handle_signals else None):
                self._thread.run(self._worker.run(handle_signals=False))
        finally:
            self._threads.end()


class HandlerThreads:
    """Runs a blocking handler in daemon threads, which are started when they are needed."""

    def __init__(self, handler: Handler, *, count: int, timeout: float | None) -> None:
        self._handler = handler
        self._count = count
        self._timeout = timeout
        self._jobs: queue.SimpleQueue[tuple[Delivery, Settle] | None] = queue.SimpleQueue()
        self._threads = 0
        self._idle = 0

    async def handle(self, event: Delivery) -> None:
        """Runs the handler, and answers when its thread is free again."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[None] = loop.create_future()

        def settle(error: BaseException | None) -> None:
            if answer.cancelled():
                return
            if error is None:
                answer.set_result(None)
            else:
                answer.set_exception(error)

        self._start_thread()
        self._jobs.put((event, lambda error: _tell(loop, settle, error)))
        await self._wait(event, answer)

    def end(self) -> None:
        """Ends the threads, each when its handler returns."""
        for _ in range(self._threads):
            self._jobs.put(None)

    async def _wait(self, event: Delivery, answer: asyncio.Future[None]) -> None:
        done, _ = await asyncio.wait({answer}, timeout=self._timeout)
        if not done:
            # The thread goes on, and so the event's key must wait; the group need not.
            message = f"the handler did not return within {self._timeout} s"
            event.nack(f"TimeoutError: {message}")
            await asyncio.wait({answer})
            raise TimeoutError(message)
        answer.result()

    def _start_thread(self) -> None:
        if self._threads < self._count:
            self._threads += 1
            threading.Thread(target=self._work, name="tidegate-worker", daemon=True).start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            event, settle = job
            error: BaseException | None = None
            try:
                self._handler(event)
            except Exception as raised:  # noqa: BLE001 - whatever a handler raises is told to the group
                error = raised
            except BaseException as raised:  # noqa: BLE001 - it must not end the thread of the event loop
                error = RuntimeError(f"the handler raised {type(raised).__name__}")
                error.__cause__ = raised
            settle(error)


def _tell(loop: asyncio.AbstractEventLoop, settle: Settle, error: BaseException | None) -> None:
    if isinstance(error, StopIteration):  # a future can't hold one
        stopped = error
        error = RuntimeError("the handler raised StopIteration")
        error.__cause__ = stopped
    if not loop.is_closed():
        loop.call_soon_threadsafe(settle, error)


@contextmanager
def _stopping_on_signals(stop: Callable[[], object] | None) -> Iterator[None]:
    """Has SIGTERM and SIGINT call a function, if this is the main thread; puts back what was there before."""
    if stop is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, lambda *_: stop()) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
