"""Workers of the Python client against a real gateway: order, long work, failures, and how they stop."""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
import sys
import threading
from collections import defaultdict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import tidegate
from tidegate import EARLIEST, GroupSettings

from tests.shop import PATIENCE, wait_until
from tests.test_client_groups import AT_ONCE, publish

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OPTIONS: dict[str, Any] = {"topics": "shop.orders", "start": EARLIEST, "settings": AT_ONCE}


@pytest.fixture
async def client(shop) -> AsyncIterator[tidegate.AsyncClient]:
    """A client of a gateway that has the shop's topics."""
    async with tidegate.AsyncClient(shop.gateway.address) as client:
        yield client


@asynccontextmanager
async def running(worker: tidegate.AsyncWorker) -> AsyncIterator[None]:
    """Runs a worker meanwhile; it must end well when it is stopped."""
    run = asyncio.ensure_future(worker.run(handle_signals=False))
    try:
        yield
    finally:
        worker.stop()
        await asyncio.wait_for(run, PATIENCE)


async def settled(client: tidegate.AsyncClient, group: str = "g") -> None:
    """Waits until the group has nothing left to deal with."""

    async def is_settled() -> bool:
        return not (await client.get_group(group)).stats.lag_events

    await wait_until(is_settled)


async def test_keys_run_at_once_and_each_in_order(client: tidegate.AsyncClient) -> None:
    """As many handlers run as are allowed, of one key never two, and each key's events come in order."""
    for key in "abcdef":
        await publish(client, *range(1, 11), key=key)
    seen: dict[str, list[int]] = defaultdict(list)
    busy: set[str] = set()
    most = 0

    async def handle(event: tidegate.Delivery) -> None:
        nonlocal most
        assert event.key not in busy
        busy.add(event.key)
        most = max(most, len(busy))
        await asyncio.sleep(0.005)
        seen[event.key].append(int(event.message.order_id))
        busy.remove(event.key)

    worker = client.worker("g", handle, concurrency=4, **OPTIONS)
    async with running(worker):
        await wait_until(lambda: _holds(worker.progress.done == 60))
        await settled(client)
    assert seen == {key: list(range(1, 11)) for key in "abcdef"}
    assert most == 4
    assert worker.progress.failed == 0


async def _holds(value: bool) -> bool:  # noqa: FBT001 - what it answers
    return value


async def test_failures_are_tried_again_with_their_traceback(client: tidegate.AsyncClient) -> None:
    """What a handler raises is the reason of the attempt; after the last, or Reject, it is a dead letter."""
    await publish(client, 1, 2, 3)

    async def handle(event: tidegate.Delivery) -> None:
        number = event.message.order_id
        if number == "1":
            raise tidegate.Reject("no such customer")
        if number == "2" or event.attempt == 1:
            raise ZeroDivisionError(f"order {number}")

    settings = GroupSettings(min_backoff=0.0, max_backoff=0.0, max_attempts=3)
    worker = client.worker("g", handle, **OPTIONS | {"settings": settings})
    async with running(worker):
        await wait_until(lambda: _holds(worker.progress.done == 1 and worker.progress.failed == 4))
        await settled(client)
    letters = {letter.sequence: letter async for letter in client.list_dead_letters("g")}
    assert letters.keys() == {1, 2}
    assert (letters[1].reason, letters[1].attempt_count) == ("no such customer", 1)
    assert letters[2].attempt_count == 3
    assert letters[2].reason.startswith("Traceback (most recent call last):")
    assert "in handle" in letters[2].reason
    assert letters[2].reason.endswith("ZeroDivisionError: order 2")


async def test_long_work_keeps_its_events_and_a_timeout_ends_it(client: tidegate.AsyncClient) -> None:
    """A handler may take longer than the lease, without a second delivery; one over its timeout fails."""
    await publish(client, 1, 2, key="a")
    settings = GroupSettings(lease=0.3, min_backoff=0.0, max_backoff=0.0)
    attempts: list[tuple[str, int]] = []

    async def handle(event: tidegate.Delivery) -> None:
        attempts.append((event.message.order_id, event.attempt))
        if event.message.order_id == "1":
            await asyncio.sleep(1.0)
        elif event.attempt == 1:
            await asyncio.sleep(PATIENCE)

    worker = client.worker("g", handle, timeout=1.5, **OPTIONS | {"settings": settings})
    async with running(worker):
        await wait_until(lambda: _holds(worker.progress.done == 2))
    assert attempts == [("1", 1), ("2", 1), ("2", 2)]
    assert (worker.progress.late, worker.progress.failed) == (0, 1)


async def test_stopping_finishes_what_runs_and_gives_back_the_rest(client: tidegate.AsyncClient) -> None:
    """A stopped worker begins nothing; what runs is settled, what was read only costs no attempt."""
    await publish(client, *range(1, 21))
    begun, end = asyncio.Event(), asyncio.Event()

    async def handle(_event: tidegate.Delivery) -> None:
        begun.set()
        await end.wait()

    worker = client.worker("g", handle, concurrency=2, **OPTIONS)
    async with running(worker):
        await begun.wait()
        worker.stop()
        async with client.join("g") as successor, asyncio.timeout(PATIENCE):
            others = [await anext(successor) for _ in range(18)]
            assert {event.attempt for event in others} == {1}
            assert worker.progress.running == 2
            for event in others:
                event.ack()
        end.set()
        await wait_until(lambda: _holds(worker.progress.done == 2))
    await settled(client)
    with pytest.raises(RuntimeError, match="runs once"):
        await worker.run()


async def test_what_does_not_end_in_time_is_tried_again(client: tidegate.AsyncClient) -> None:
    """A handler that outlasts the grace is ended; its event is the group's at once, with the reason."""
    await publish(client, 1)
    begun = asyncio.Event()

    async def handle(_event: tidegate.Delivery) -> None:
        begun.set()
        await asyncio.sleep(PATIENCE)

    options: dict[str, Any] = OPTIONS | {"settings": GroupSettings(max_attempts=1)}
    worker = client.worker("g", handle, grace=0.1, **options)
    async with running(worker):
        await begun.wait()
    await settled(client)
    (letter,) = [letter async for letter in client.list_dead_letters("g")]
    assert letter.reason == "the worker was stopped before the handler was done"


async def test_threads_work_like_tasks(client: tidegate.AsyncClient) -> None:
    """The blocking worker runs plain functions in threads, retries what raises, and stops from anywhere."""
    await publish(client, *range(1, 7))
    threads: set[str] = set()
    gate = threading.Barrier(3)

    def handle(event: tidegate.Delivery) -> None:
        threads.add(str(threading.get_ident()))
        if event.attempt == 1:
            gate.wait(PATIENCE)  # three run at once, or this breaks
            raise KeyError(event.message.order_id)

    def work() -> tidegate.WorkerProgress:
        with tidegate.Client(client.server) as blocking:
            worker = blocking.worker("g", handle, concurrency=3, **OPTIONS)
            stopper = threading.Thread(target=lambda: (done.wait(PATIENCE), worker.stop()))
            stopper.start()
            worker.run()
            stopper.join()
            return worker.progress

    done = threading.Event()
    running_ = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await wait_until(lambda: _exists(client))
        await settled(client)
    finally:
        done.set()
    progress = await running_
    assert (progress.done, progress.failed, len(threads)) == (6, 6, 3)


async def test_what_threads_raise_is_told_with_its_traceback(
    client: tidegate.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a blocking handler, too, the reason is the traceback, whatever is raised and whatever it says."""
    caplog.set_level(logging.CRITICAL, "tidegate")  # a report of tests can't hold what no UTF-8 can say
    await publish(client, 1, 2, 3)

    def handle(event: tidegate.Delivery) -> None:
        number = event.message.order_id
        if number == "1":
            raise StopIteration(number)
        if number == "2":
            sys.exit(number)
        raise ValueError(f"\udcff {number}\0")  # what no UTF-8 can say

    def work() -> None:
        with tidegate.Client(client.server) as blocking:
            settings = GroupSettings(max_attempts=1)
            options: dict[str, Any] = OPTIONS | {"settings": settings}
            blocking.worker("g", handle, **options, until_caught_up=True).run()

    await asyncio.wait_for(asyncio.to_thread(work), PATIENCE)
    reasons = {letter.sequence: letter.reason async for letter in client.list_dead_letters("g")}
    assert reasons.keys() == {1, 2, 3}
    for sequence, end in {1: "StopIteration", 2: "SystemExit", 3: "ValueError: ? 3\0"}.items():
        assert reasons[sequence].startswith("Traceback (most recent call last):")
        assert "in handle" in reasons[sequence]
        assert end in reasons[sequence]


async def _exists(client: tidegate.AsyncClient) -> bool:
    return bool([group async for group in client.list_groups("g")])


PROGRAM = """
import asyncio, sys, tidegate

async def handle(event):
    print(event.message.order_id, flush=True)
    await asyncio.sleep(0.3)

async def main():
    async with tidegate.AsyncClient(sys.argv[1]) as client:
        await client.worker("g", handle, "shop.orders", start=tidegate.EARLIEST, concurrency=1).run()
    print("ended well", flush=True)

asyncio.run(main())
"""


BLOCKING_PROGRAM = """
import sys, time, tidegate

def handle(event):
    print(event.message.order_id, flush=True)
    time.sleep(0.3)

with tidegate.Client(sys.argv[1]) as client:
    client.worker("g", handle, "shop.orders", start=tidegate.EARLIEST, concurrency=1).run()
print("ended well", flush=True)
"""


@pytest.mark.parametrize("program", [PROGRAM, BLOCKING_PROGRAM], ids=["async", "blocking"])
async def test_sigterm_ends_a_program_cleanly(client: tidegate.AsyncClient, program: str) -> None:
    """A process that gets SIGTERM finishes its event, gives back the others at once, and exits with 0."""
    await publish(client, 1, 2, 3)
    command = [sys.executable, "-c", program, client.server]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: ASYNC220
        try:
            first = await asyncio.to_thread(process.stdout.readline)
            process.send_signal(signal.SIGTERM)
            said, _ = await asyncio.wait_for(asyncio.to_thread(process.communicate), PATIENCE)
        finally:
            process.kill()
    assert (said, process.returncode) == ("ended well\n", 0)
    left = sorted({1, 2, 3} - {int(first)})
    async with client.join("g") as successor, asyncio.timeout(PATIENCE):
        others = [await anext(successor) for _ in left]
    assert sorted(int(event.message.order_id) for event in others) == left
    assert {event.attempt for event in others} == {1}
