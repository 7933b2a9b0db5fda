"""How long the Python client waits between attempts."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import TYPE_CHECKING

import grpc
import pytest
import tidegate
from tidegate.connection import Backoff
from tidegate.v1 import event_service_pb2 as pb
from tidegate.v1 import event_service_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

OPENED = pb.SubscribeResponse(opened={"position": 0})
CAUGHT_UP = pb.SubscribeResponse(caught_up={"position": 0})
BEAT = pb.SubscribeResponse(heartbeat={"position": 0})


def test_waits_grow_and_are_spread() -> None:
    """Each wait is up to twice as long as the one before, to a limit, and no two clients wait alike."""
    many = [Backoff(0.1, 5.0) for _ in range(200)]
    for ceiling in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0):
        delays = [backoff.next_delay() for backoff in many]
        assert all(ceiling / 2 <= delay <= ceiling for delay in delays)
        assert len(set(delays)) > 190
        assert max(delays) - min(delays) > ceiling / 4
    many[0].reset()
    assert many[0].next_delay() <= 0.1
    for _ in range(2_000):  # far more than a float could double
        assert many[1].next_delay() <= 5.0


class Breaking(event_service_pb2_grpc.EventServiceServicer):
    """A gateway whose streams break right behind some frames."""

    def __init__(self, *frames: pb.SubscribeResponse) -> None:
        self.frames = frames
        self.opened: list[float] = []

    async def Subscribe(  # noqa: N802 - the contract's name
        self, _: pb.SubscribeRequest, context: grpc.aio.ServicerContext[object, object]
    ) -> AsyncIterator[pb.SubscribeResponse]:
        """Answers the frames, and breaks."""
        self.opened.append(asyncio.get_running_loop().time())
        for frame in self.frames:
            yield frame
        await context.abort(grpc.StatusCode.UNAVAILABLE, "broken")


@asynccontextmanager
async def serving(breaking: Breaking) -> AsyncIterator[str]:
    """Serves it; answers where."""
    server = grpc.aio.server()
    event_service_pb2_grpc.add_EventServiceServicer_to_server(breaking, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@pytest.mark.parametrize(
    ("frames", "grows"), [((), True), ((OPENED, CAUGHT_UP), True), ((OPENED, CAUGHT_UP, BEAT), False)]
)
async def test_streams_that_open_and_break_are_tried_ever_more_seldom(
    frames: tuple[pb.SubscribeResponse, ...], *, grows: bool
) -> None:
    """That a stream opens is no reason to come back at once when it breaks; that it goes on is one."""
    breaking = Breaking(*frames)
    async with serving(breaking) as address, tidegate.AsyncClient(address) as client:
        subscription = client.subscribe("shop.orders")
        with suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                await anext(subscription)
        await subscription.close()
    assert len(breaking.opened) < 7 if grows else len(breaking.opened) > 8


async def test_a_draining_gateway_is_left_alone_for_as_long_as_it_says() -> None:
    """Who is told that the gateway stops, and when to come back, does not come back sooner."""
    draining = pb.SubscribeResponse(draining={"position": 0, "reconnect_after": {"nanos": 700_000_000}})
    breaking = Breaking(OPENED, BEAT, draining)
    async with serving(breaking) as address, tidegate.AsyncClient(address) as client:
        subscription = client.subscribe("shop.orders")
        with suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                await anext(subscription)
        await subscription.close()
    assert len(breaking.opened) >= 2
    assert all(later - sooner >= 0.7 for sooner, later in pairwise(breaking.opened))
