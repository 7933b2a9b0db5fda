"""An event loop in a thread of its own, for clients without one."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

_Result = TypeVar("_Result")
_END = object()

_forks = 0


def _count_fork() -> None:
    global _forks  # noqa: PLW0603 - a process is forked as a whole
    _forks += 1


# Asking the system for the process's number, once an event, would cost more than the event.
os.register_at_fork(after_in_child=_count_fork)


async def _close(items: AsyncGenerator[Any, Any]) -> None:
    await items.aclose()


class LoopThread:
    """Runs coroutines for other threads until it is stopped.

    The thread is a daemon: it never keeps a process alive. A forked child has neither the thread nor a
    gRPC that works: calls there are refused.
    """

    def __init__(self) -> None:
        self._forks = _forks
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="tidegate", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, _Result], timeout: float | None = None) -> _Result:
        """Runs a coroutine and waits for it; an interrupted wait (Ctrl-C, ``timeout``) cancels it.

        Raises:
            RuntimeError: In a forked child, in the thread itself, or once it is stopped.
        """
        try:
            self.check()
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise
        try:
            return future.result(timeout)
        except BaseException:
            future.cancel()
            raise

    def iterate(self, items: AsyncIterator[_Result]) -> Iterator[_Result]:
        """Yields what ``items`` yields, each as it is asked for."""

        async def following() -> Any:
            return await anext(items, _END)

        try:
            while (item := self.run(following())) is not _END:
                yield item
        except GeneratorExit:
            # Left early: what is under way ends. The garbage collector may do this in any thread.
            if isinstance(items, AsyncGenerator) and not self._loop.is_closed():
                asyncio.run_coroutine_threadsafe(_close(items), self._loop)
            raise

    def call_soon(self, function: Callable[[], object]) -> None:
        """Has the thread call a function soon."""
        self.check()
        self._loop.call_soon_threadsafe(function)

    def check(self) -> None:
        """Refuses use where it can't work.

        Raises:
            RuntimeError: In a forked child, in the thread itself, or once it is stopped.
        """
        if self._forks != _forks:
            raise RuntimeError("this client was made before the process forked: make one in each process")
        if threading.current_thread() is self._thread:
            raise RuntimeError(
                "a callback must not wait for the client that calls it: hand the work to a thread"
            )
        if self._loop.is_closed() or not self._thread.is_alive():
            raise RuntimeError("the client is closed")

    def stop(self) -> None:
        """Stops the thread and waits for its end. Does nothing in a forked child, or a second time."""
        if self._forks != _forks or not self._thread.is_alive():
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._finish()

    def _finish(self) -> None:
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
