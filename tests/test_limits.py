"""Limits: each has a name, and what is over it is refused with the limit's value and the request's."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from tidegate.v1 import event_pb2
from tidegate.v1 import event_service_pb2 as pb

from gateway.config import MIB
from gateway.publisher import _ByteBudget
from registry.errors import LimitExceeded
from tests.shop import (
    NEVER,
    ORDERS,
    PATIENCE,
    PAYMENTS,
    PLACED,
    RETURNS,
    Shop,
    batch,
    order,
    refused,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    StartShop = Callable[..., AbstractAsyncContextManager[Shop]]

GOOD = order("good")


def event(**fields: Any) -> event_pb2.EventBatch:
    """A batch whose second event has these fields."""
    events = [event_pb2.Event(data=GOOD), event_pb2.Event(data=GOOD, **fields)]
    return event_pb2.EventBatch(topic=ORDERS, type=PLACED, events=events)


OVER: dict[str, tuple[int, list[event_pb2.EventBatch], int, str]] = {
    "max_request_bytes": (2_000, [batch(ORDERS, *[GOOD] * 100), batch(ORDERS, *[GOOD] * 100)], 0, ""),
    "max_batches": (2, [batch(ORDERS, GOOD)] * 3, 3, "batches"),
    "max_batch_bytes": (500, [batch(ORDERS, GOOD), batch(ORDERS, *[GOOD] * 60)], 0, "batches[1]"),
    "max_batch_events": (10, [batch(ORDERS, *[b""] * 11)], 11, "batches[0].events"),
    "max_id_bytes": (16, [event(id="é" * 9)], 18, "batches[0].events[1].id"),
    "max_key_bytes": (16, [batch(ORDERS, GOOD), event(key="k" * 17)], 17, "batches[1].events[1].key"),
    "max_attributes_bytes": (64, [event(attributes={"a": "x" * 70})], 0, "batches[0].events[1].attributes"),
}


@pytest.mark.parametrize("limit", OVER)
async def test_what_is_over_a_limit_is_refused(start_shop: StartShop, limit: str) -> None:
    """A request over a limit is RESOURCE_EXHAUSTED, names limit, value and place, and leaves nothing."""
    value, batches, actual, path = OVER[limit]
    async with start_shop(**{limit: value}) as shop:
        found = await refused(shop.publish(*batches))
        assert (found.code, found.reason) == ("RESOURCE_EXHAUSTED", "LIMIT_EXCEEDED")
        assert (found.facts["limit"], found.facts["maximum"]) == (limit, str(value))
        assert int(found.facts["actual"]) > value
        assert actual in (0, int(found.facts["actual"]))
        assert "".join(found.fields) == path
        assert f"{limit} = {value:,}" in found.message
        assert await shop.head() == 0


async def test_what_is_just_within_the_limits_is_taken(start_shop: StartShop) -> None:
    """A request that stands at its limits to the byte is taken and delivered whole."""
    async with start_shop(max_batches=2, max_batch_events=10, max_id_bytes=8, max_key_bytes=8) as shop:
        full = event_pb2.EventBatch(topic=ORDERS, type=PLACED, source="s" * 8)
        full.events.extend([event_pb2.Event(id="i" * 8, key="k" * 8, data=GOOD)] * 10)
        await shop.publish(full, full)
        assert len(await shop.everything()) == 20
    exact = batch(ORDERS, GOOD)
    async with start_shop(max_batch_bytes=exact.ByteSize()) as shop:
        await shop.publish(exact)


async def test_a_source_counts_as_a_key(start_shop: StartShop) -> None:
    """A batch's source is bounded as keys are."""
    async with start_shop(max_key_bytes=8) as shop:
        found = await refused(shop.publish(batch(ORDERS, GOOD, source="s" * 9)))
        assert (found.facts["limit"], found.fields) == ("max_key_bytes", ["batches[0].source"])


async def test_the_largest_batch_reaches_a_default_client(start_shop: StartShop) -> None:
    """A batch of the largest size that can be configured is delivered to a client with default limits."""
    async with start_shop(max_batch_bytes=3 * MIB) as shop:
        data = b"\x0a\xf8\x07" + b"x" * 1_016
        events = 3 * MIB // (len(data) + 8)
        full = batch(ORDERS, *[data] * events)
        assert 3 * MIB - 10_000 < full.ByteSize() <= 3 * MIB
        await shop.publish(full)
        subscription = shop.subscribe(ORDERS, from_sequence=1, end_sequence=events)
        assert len(await subscription.events(events)) == events


async def test_too_many_topics(start_shop: StartShop) -> None:
    """There are as many topics as the limit says, and room again when one is deleted; also when many race."""
    async with start_shop(max_topics=5) as shop:
        calls = [shop.create_topic(f"more.t{number}") for number in range(10)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(not isinstance(result, BaseException) for result in results) == 2
        found = await refused(shop.create_topic("more"))
        assert (found.reason, found.facts["limit"], found.facts["actual"]) == (
            "LIMIT_EXCEEDED",
            "max_topics",
            "6",
        )
        await shop.delete_topic(ORDERS)
        await shop.create_topic("more")


async def test_too_many_topics_of_a_subscription(start_shop: StartShop) -> None:
    """A subscription names as many topics, and as many types, as the limit says."""
    async with start_shop(max_subscription_topics=2) as shop:
        for request, path in (
            (pb.SubscribeRequest(topics=[ORDERS, PAYMENTS, RETURNS]), "topics"),
            (pb.SubscribeRequest(topics=[ORDERS], types=["a", "b", "c"]), "types"),
        ):
            found = await refused(shop.stub.Subscribe(request).read())
            assert (found.reason, found.fields) == ("LIMIT_EXCEEDED", [path])
            assert "max_subscription_topics = 2" in found.message


async def test_too_many_streams(start_shop: StartShop) -> None:
    """As many streams are open as the limit says; unary calls go on, and a stream that ends makes room."""
    async with start_shop(max_streams=3) as shop:
        open_ones = [shop.subscribe(ORDERS) for _ in range(2)]
        for subscription in open_ones:
            await subscription.next("opened")
        publishing = shop.stub.PublishStream()
        await publishing.write(pb.PublishStreamRequest(batches=[batch(ORDERS, GOOD)]))
        assert (await publishing.read()).results[0].published.results[0].first_sequence == 1
        for call in (shop.subscribe(ORDERS).call, shop.stub.PublishStream()):
            found = await refused(call.read())
            assert (found.code, found.facts["limit"]) == ("RESOURCE_EXHAUSTED", "max_streams")
        await shop.place("still")
        open_ones[0].call.cancel()

        async def room() -> bool:
            try:
                return await shop.subscribe(ORDERS).frame() is not None
            except grpc.aio.AioRpcError:
                return False

        await wait_until(room)


async def test_what_is_larger_than_grpc_takes(shop: Shop) -> None:
    """A message beyond what the gateway receives at all is refused, and harms nothing."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await shop.publish(batch(ORDERS, b"\x0a" + b"x" * (65 * MIB)))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    await shop.place("after")


async def test_a_refusal_fits_the_headers_of_any_client(shop: Shop) -> None:
    """However long and strange what a request names, its refusal arrives and stays below 8 KiB."""
    for topic in ("x" * 1_000_000, "ü" * 100_000, "%\n\x00" * 10_000, "\U0001f40b" * 100_000):
        calls = [
            shop.publish(batch(topic, GOOD)),
            shop.publish(batch(ORDERS, GOOD, type=topic)),
            shop.publish(batch(ORDERS, *[b"\xff"] * 1_000)),
            shop.create_topic(topic),
            shop.topic(topic),
            shop.subscribe(topic).frame(),
            shop.publish(
                batch(ORDERS, GOOD),
                expected_positions=[pb.ExpectedPosition(topic=topic, expected_last_sequence=1)],
            ),
        ]
        for call in calls:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await asyncio.wait_for(call, PATIENCE)
            trailers = dict(caught.value.trailing_metadata() or ())
            details = base64.b64encode(trailers["grpc-status-details-bin"])
            message = caught.value.details() or ""
            encoded = sum(1 if " " <= c <= "~" and c != "%" else 3 * len(c.encode()) for c in message)
            assert len(details) + encoded < 7_500
            assert caught.value.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT)


async def test_requests_share_their_bytes_and_wait_their_turn(start_shop: StartShop) -> None:
    """With room for two requests at a time hundreds are taken in the end; too many at once are refused."""
    one = batch(ORDERS, *[GOOD] * 100)
    size = pb.PublishRequest(batches=[one]).ByteSize()
    async with start_shop(max_pending_bytes=2 * size, max_waiting_bytes=1000 * size) as shop:
        results = await asyncio.gather(*(shop.publish(one) for _ in range(300)))
        assert sorted(result[0].first_sequence for result in results) == list(range(1, 30_001, 100))
        stream = shop.subscribe(ORDERS, heartbeat_interval=NEVER)
        assert (await stream.next("opened")).head_sequence == 30_000
    async with start_shop(max_pending_bytes=1, max_waiting_bytes=1) as shop:
        calls = [shop.publish(one) for _ in range(50)]
        results = await asyncio.gather(*calls, return_exceptions=True)
        taken = [result for result in results if not isinstance(result, BaseException)]
        assert taken
        assert await shop.head() == 30_000 + 100 * len(taken)
        await shop.publish(one)


async def test_a_budget_of_bytes() -> None:
    """A budget lets in what fits, in order, one that is too large alone, and gives back what was given up."""
    budget = _ByteBudget(10, 20)
    await budget.acquire(6)
    order_of_entry: list[int] = []

    async def enter(number: int, size: int) -> None:
        await budget.acquire(size)
        order_of_entry.append(number)

    waiting = [asyncio.create_task(enter(number, size)) for number, size in enumerate((8, 1, 11))]
    await asyncio.sleep(0)
    with pytest.raises(LimitExceeded, match="max_waiting_bytes = 20"):
        await budget.acquire(1)
    waiting[0].cancel()
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.sleep(0)
    assert order_of_entry == [1]
    budget.release(6)
    budget.release(1)
    await asyncio.wait_for(waiting[2], PATIENCE)
    assert order_of_entry == [1, 2]
    emptied = asyncio.create_task(budget.empty())
    await asyncio.sleep(0)
    assert not emptied.done()
    budget.release(11)
    await asyncio.wait_for(emptied, PATIENCE)
