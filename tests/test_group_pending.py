"""A group far behind a real log, in a gateway of its own process: what it holds, and what a crash costs."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
from tidegate.v1 import acknowledgement_pb2 as acks
from tidegate.v1 import event_service_pb2 as pb
from tidegate.v1 import event_service_pb2_grpc
from tidegate.v1 import group_service_pb2 as groups

from gateway.log import Append, NewBatch
from gateway.sqlite.log import SqliteLog
from tests.members import PARK_KEY, create_group, group_stats, group_stub
from tests.shop import NEVER, ORDERS, PLACED, Shop, batch, order
from tests.test_crash import gateway_process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LONG = os.environ.get("TIDEGATE_TEST_PROFILE") == "long"
PENDING = 10_000_000 if LONG else 150_000
KEYS = 1_000
POISONED = range(10)
"""Keys whose first event nobody can work on: of all events one in a hundred waits behind them."""
MEMBERS = 8
BATCH = 10_000
MEMORY = 150 * 1024 * 1024
"""What a gateway may take more than it had before: far less than the events, and nothing for each of them."""


async def store(folder: Path) -> None:
    """Appends all events to a log that no gateway has open; sequence N has the key N modulo 1,000."""
    made = batch(ORDERS, *[order("o")] * BATCH, type=PLACED)
    for index, event in enumerate(made.events, 1):
        event.key = f"k{index % KEYS}"
    new = NewBatch(ORDERS, PLACED, 1, BATCH, made.SerializeToString())
    log = await SqliteLog.open(folder / "log.db")
    try:
        for _ in range(0, PENDING, 5 * BATCH):
            await log.append(Append((new,) * 5))
    finally:
        await log.close()


def stored_progress(folder: Path) -> int:
    """Answers how many bytes of progress are written down, of all groups."""
    total = 0
    with sqlite3.connect(folder / "log.db") as file:
        for table in ("group_definition", "group_key", "group_parked", "group_failed"):
            total += sum(len(str(value)) for row in file.execute(f"SELECT * FROM {table}") for value in row)  # noqa: S608
    return total


class Work:
    """What members do together, and what they know of each key: which event of it is next."""

    def __init__(self) -> None:
        self.next = {key: key or KEYS for key in range(KEYS)}
        self.count = 0
        self._poisoned = set(POISONED)
        self._released: set[int] = set()
        self._restarted: set[int] = set()

    def restart(self) -> None:
        """Expects that of each key what was settled last comes again."""
        self._restarted = set(self.next) - set(POISONED)

    def release(self) -> None:
        """Expects that the keys that were parked go on, each with the event that it was parked behind."""
        self._released = set(POISONED)

    async def read(self, stub: Any) -> None:
        """Is one member, until its stream breaks."""
        call = stub.Subscribe(pb.SubscribeRequest(group="g", heartbeat_interval=NEVER))
        member = (await call.read()).opened.member_id
        while (frame := await call.read()) is not grpc.aio.EOF:
            good, bad = acks.Settlement(ack=acks.Ack()), acks.Settlement(reject=acks.Reject(reason="poison"))
            for found in frame.batches.batches:
                offsets = found.offsets or range(len(found.events))
                for offset, event in zip(offsets, found.events, strict=True):
                    sequence = found.first_sequence + offset
                    settlement = good if self._take(sequence, event.key) else bad
                    settlement.lease_epoch = frame.batches.lease_epoch
                    settlement.sequences.singles.append(sequence)
            said = [settlement for settlement in (good, bad) if settlement.lease_epoch]
            if said:
                request = pb.AcknowledgeRequest(group="g", member_id=member, settlements=said)
                answer = await stub.Acknowledge(request)
                assert not answer.late
                assert not answer.settled_before

    def _take(self, sequence: int, name: str) -> bool:
        """Takes one event, which must be the next of its key; tells whether it can be worked on."""
        key = sequence % KEYS
        assert name == f"k{key}"
        if key in self._released:
            self._released.discard(key)
            assert sequence == (key or KEYS)
            return True
        if key in self._restarted:
            self._restarted.discard(key)
            assert sequence <= self.next[key]
            self.count -= (self.next[key] - sequence) // KEYS
        else:
            assert sequence == self.next[key]
        self.next[key] = sequence + KEYS
        self.count += 1
        if key in self._poisoned:
            self._poisoned.discard(key)
            return False
        return True


@asynccontextmanager
async def working(shop: Shop, work: Work) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Has members work, until the context ends."""
    stub = event_service_pb2_grpc.EventServiceStub(shop.channel)
    members = [asyncio.create_task(work.read(stub)) for _ in range(MEMBERS)]
    try:
        yield members
    finally:
        for member in members:
            member.cancel()
        await asyncio.gather(*members, return_exceptions=True)


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[Any, Shop]]:
    """A gateway in a process of its own."""
    async with gateway_process(folder) as (process, address), grpc.aio.insecure_channel(address) as channel:
        yield process, Shop(channel)


def memory_of(process: Any) -> int:
    """Answers how much memory a process has, in bytes."""
    return int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def settle(process: Any, members: list[asyncio.Task[None]], work: Work, count: int) -> None:
    """Waits until so many events are settled; the gateway's memory must not rise with them."""
    before, seen, quiet = memory_of(process), work.count, 0
    while work.count < count:
        await asyncio.sleep(0.2)
        for member in members:
            if member.done():
                member.result()
        assert memory_of(process) - before < MEMORY
        quiet = quiet + 1 if seen == work.count else 0
        seen = work.count
        assert quiet < 100, f"{seen:,} of {count:,} events are settled, and no more come"


async def test_millions_pending_behind_parked_keys_stay_small(tmp_path: Path, stocked: Path) -> None:
    """With ten of 1,000 keys parked all others flow, also over a crash; and the group stays small."""
    shutil.copytree(stocked, tmp_path, dirs_exist_ok=True)
    await store(tmp_path)
    work = Work()
    parked = (PENDING // KEYS - 1) * len(POISONED)
    async with serving(tmp_path) as (process, shop):
        await create_group(shop, "g", dead_letters=PARK_KEY)
        async with working(shop, work) as members:
            await settle(process, members, work, PENDING // 2)
            process.send_signal(signal.SIGKILL)
            await process.wait()
    assert stored_progress(tmp_path) < 50 * KEYS
    work.restart()
    async with serving(tmp_path) as (process, shop):
        async with working(shop, work) as members:
            await settle(process, members, work, PENDING - parked)
            await asyncio.sleep(0.5)
            stats = await group_stats(shop, "g")
            assert (stats.in_flight_events, stats.parked_key_count) == (0, len(POISONED))
            assert stored_progress(tmp_path) < 2_000
            work.release()
            for key in POISONED:
                await group_stub(shop).ReleaseKey(groups.ReleaseKeyRequest(group="g", key=f"k{key}"))
            await settle(process, members, work, PENDING)
        stats = await group_stats(shop, "g")
        assert (stats.lag_events, stats.parked_key_count, stats.position) == (0, 0, PENDING)
