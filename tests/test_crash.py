"""Crashes: whatever moment a gateway is killed at, what it acknowledged is there once, in order and whole."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import sys
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import grpc
import pytest
from tidegate.v1 import event_service_pb2 as pb

from tests.shop import ORDERS, PATIENCE, PAYMENTS, RETURNS, Delivered, Shop, batch, order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LONG = os.environ.get("TIDEGATE_TEST_PROFILE") == "long"
ROUNDS = 400 if LONG else 20
PUBLISHERS = 4
_SERVE = """
import sys
from gateway.app import run
from gateway.config import Config
config = Config(listen="127.0.0.1:0", engine=sys.argv[1], log_level="error")
run(config, lambda address: print(address, flush=True))
"""


@asynccontextmanager
async def gateway_process(folder: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A gateway in a process of its own; killed at the end, if it still lives."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _SERVE, f"sqlite://{folder}/log.db", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        address = (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode().strip()
        assert address, "the gateway did not start"
        yield process, address
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@dataclass
class Sent:
    """One request, of two batches to two topics, and what is known of it."""

    request_id: str
    topics: tuple[str, str]
    names: tuple[str, ...]
    answer: list[int] | None = None

    def request(self) -> pb.PublishRequest:
        """The request, the same bytes each time."""
        half = len(self.names) // 2
        batches = [
            batch(self.topics[0], *map(order, self.names[:half])),
            batch(self.topics[1], *map(order, self.names[half:])),
        ]
        return pb.PublishRequest(request_id=self.request_id, batches=batches)

    def events(self, first: int) -> list[Delivered]:
        """What must be in the log if it stands at a sequence."""
        half = len(self.names) // 2
        return [
            Delivered(first + index, self.topics[index >= half], order(name))
            for index, name in enumerate(self.names)
        ]


@dataclass
class Publisher:
    """Publishes one request after another; retries the one that a crash left open, with its id."""

    name: str
    random: random.Random
    sent: list[Sent] = field(default_factory=list)

    async def publish(self, shop: Shop) -> None:
        """Publishes until the gateway is gone."""
        while True:
            if not self.sent or self.sent[-1].answer is not None:
                self.sent.append(self._next())
            open_one = self.sent[-1]
            try:
                response = await shop.stub.Publish(open_one.request())
            except grpc.aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.UNAVAILABLE:
                    return
                raise
            open_one.answer = [result.first_sequence for result in response.results]

    def _next(self) -> Sent:
        number = len(self.sent)
        names = [f"{self.name}-{number}-{index}" for index in range(self.random.choice([2, 2, 6, 40]))]
        topics = self.random.sample([ORDERS, PAYMENTS, RETURNS], 2)
        return Sent(f"{self.name}-{number}", (topics[0], topics[1]), tuple(names))


async def run_and_kill(folder: Path, publishers: list[Publisher], delay: float) -> None:
    """Starts a gateway, loads it, and kills it in the midst of that."""
    async with gateway_process(folder) as (process, address), grpc.aio.insecure_channel(address) as channel:
        load = [asyncio.create_task(publisher.publish(Shop(channel))) for publisher in publishers]
        await asyncio.sleep(delay)
        process.send_signal(signal.SIGKILL)
        await process.wait()
        await asyncio.wait_for(asyncio.gather(*load), PATIENCE)


async def stored(folder: Path) -> list[Delivered]:
    """All events, as a gateway started anew delivers them."""
    async with gateway_process(folder) as (_, address), grpc.aio.insecure_channel(address) as channel:
        return await Shop(channel).everything()


def check(events: list[Delivered], publishers: list[Publisher]) -> None:
    """Holds what is stored against what was sent and acknowledged."""
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    by_data = {event.data: event.sequence for event in events}
    assert not [data for data, count in Counter(event.data for event in events).items() if count > 1]
    expected = 0
    for publisher in publishers:
        before = 0
        for sent in publisher.sent:
            found = [name for name in sent.names if order(name) in by_data]
            if sent.answer is None:
                assert len(found) in (0, len(sent.names)), f"half of {sent.request_id} is stored"
                if not found:
                    continue
            first = by_data[order(sent.names[0])]
            assert events[first - 1 : first - 1 + len(sent.names)] == sent.events(first)
            if sent.answer is not None:
                assert sent.answer == [first, first + len(sent.names) // 2]
            assert first > before
            before, expected = first, expected + len(sent.names)
    assert expected == len(events)


@pytest.mark.timeout(3600 if LONG else 120)
async def test_a_killed_gateway_loses_repeats_and_halves_nothing(tmp_path: Path, stocked: Path) -> None:
    """Killed again and again at random moments under load, a gateway has each acknowledged request once.

    Whole, in the order of its publisher, and where it was acknowledged to be; a request that was open is
    there whole or not at all, and its retry with the same id after the crash makes it once.
    """
    shutil.copytree(stocked, tmp_path, dirs_exist_ok=True)
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    publishers = [Publisher(f"p{number}", chance) for number in range(PUBLISHERS)]
    for number in range(1, ROUNDS + 1):
        await run_and_kill(tmp_path, publishers, chance.uniform(0.0, 0.5))
        if number % 10 == 0:
            check(await stored(tmp_path), publishers)
    acknowledged = sum(sent.answer is not None for publisher in publishers for sent in publisher.sent)
    assert acknowledged > ROUNDS


async def test_a_stopped_gateway_keeps_what_it_acknowledged(tmp_path: Path, stocked: Path) -> None:
    """SIGTERM under load ends the process in time, with status 0, and nothing acknowledged is lost."""
    shutil.copytree(stocked, tmp_path, dirs_exist_ok=True)
    publishers = [Publisher(f"p{number}", random.Random(number)) for number in range(PUBLISHERS)]
    async with gateway_process(tmp_path) as (process, address), grpc.aio.insecure_channel(address) as channel:
        shop = Shop(channel)
        load = [asyncio.create_task(publisher.publish(shop)) for publisher in publishers]
        readers = [shop.subscribe(">", start_position=pb.START_POSITION_EARLIEST) for _ in range(3)]
        seen = [await reader.events(200) for reader in readers]
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 15) == 0
        await asyncio.wait_for(asyncio.gather(*load), PATIENCE)
        for reader, events in zip(readers, seen, strict=True):
            rest, draining = await reader.until("draining")
            assert (events + rest)[-1].sequence == draining.position
    events = await stored(tmp_path)
    check(events, publishers)
    assert all(found[:200] == events[:200] for found in seen)
