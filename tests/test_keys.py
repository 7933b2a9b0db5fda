"""Keys over sockets: a key's history through the index, and expectations of where a key stands."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from tidegate import AsyncClient, Client, errors
from tidegate.v1 import event_pb2
from tidegate.v1 import event_service_pb2 as pb

from tests.shop import ORDERS, PLACED, SUBJECT, Shop, order, refusal, refused, wait_until
from tests.test_read_events import history

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from gateway.app import Gateway

    StartShop = Callable[..., AbstractAsyncContextManager[Shop]]

INDEXED = "shop.indexed"


def of_keys(*keys: str, topic: str = INDEXED) -> event_pb2.EventBatch:
    """A batch with an event of each key."""
    events = [event_pb2.Event(key=key, data=order(f"o-{key}")) for key in keys]
    return event_pb2.EventBatch(topic=topic, type=PLACED, events=events)


def expecting(key: str, sequence: int, topic: str = INDEXED) -> list[pb.ExpectedPosition]:
    """The position that a key must have."""
    return [pb.ExpectedPosition(topic=topic, key=key, expected_last_sequence=sequence)]


async def is_indexed(shop: Shop, topic: str = INDEXED) -> bool:
    """Whether all keys of a topic are indexed."""
    return (await shop.topic(topic)).stats.keys_indexed


async def of_key(shop: Shop, key: str, *topics: str, **fields: Any) -> list[int]:
    """The sequences of a key's history."""
    return [event.sequence for event in await history(shop, *topics, key=key, **fields)]


@pytest.mark.parametrize("order_", [pb.READ_ORDER_FORWARDS, pb.READ_ORDER_BACKWARDS])
async def test_a_history_is_the_same_with_and_without_the_index(shop: Shop, order_: Any) -> None:
    """Of topics with an index, without one, and of both, a key's history is answered alike."""
    await shop.create_topic(INDEXED, index_keys=True)
    chance = random.Random(1)
    stored: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    topics: dict[int, str] = {}
    for _ in range(80):
        topic = chance.choice((INDEXED, ORDERS))
        keys = [chance.choice("abc") for _ in range(chance.choice((1, 5, 30)))]
        (placed,) = await shop.publish(of_keys(*keys, topic=topic))
        for index, key in enumerate(keys):
            stored[key].append(placed.first_sequence + index)
            topics[placed.first_sequence + index] = topic
    for named in ((INDEXED,), (ORDERS,), (INDEXED, ORDERS), ("shop.>",)):
        for key, sequences in stored.items():
            wanted = [each for each in sequences if topics[each] in named or named == ("shop.>",)]
            wanted = wanted if order_ == pb.READ_ORDER_FORWARDS else wanted[::-1]
            for size in (7, 1_000):
                assert await of_key(shop, key, *named, order=order_, page_size=size) == wanted
            some = [each for each in wanted if 200 <= each <= 500]
            found = await of_key(shop, key, *named, order=order_, from_sequence=200, end_sequence=500)
            assert found == some
    assert await of_key(shop, "nobody's", INDEXED) == []
    assert await of_key(shop, "a", INDEXED, types=["shop.v1.OrderPaid"]) == []


async def test_an_index_is_switched_on_and_off(start_shop: StartShop) -> None:
    """An index that is switched on covers what is stored; switched off it is gone; a restart keeps it."""
    async with start_shop() as shop:
        await shop.create_topic(INDEXED)
        for _ in range(20):
            await shop.publish(of_keys("a", "b"))
        assert not (await shop.topic(INDEXED)).index_keys
        refused_as = await refused(shop.publish(of_keys("a"), expected_positions=expecting("a", 39)))
        assert (refused_as.code, refused_as.reason) == ("FAILED_PRECONDITION", "KEYS_NOT_INDEXED")
        assert refused_as.facts == {"topic": INDEXED, "building": "False"}
        assert (await shop.update_topic(INDEXED, ["index_keys"], index_keys=True)).index_keys
        await wait_until(lambda: is_indexed(shop))
        await shop.publish(of_keys("a"), expected_positions=expecting("a", 39))
    async with start_shop() as shop:
        assert (await shop.topic(INDEXED)).index_keys
        assert await is_indexed(shop)
        assert await of_key(shop, "a", INDEXED) == [*range(1, 41, 2), 41]
        await shop.publish(of_keys("a"), expected_positions=expecting("a", 41))
        await shop.update_topic(INDEXED, ["index_keys"])
        assert not await is_indexed(shop)
        assert (await of_key(shop, "a", INDEXED))[-2:] == [41, 42]
        refused_as = await refused(shop.publish(of_keys("a"), expected_positions=expecting("a", 42)))
        assert refused_as.reason == "KEYS_NOT_INDEXED"


async def test_a_topic_made_anew_knows_nothing_of_the_one_before(shop: Shop) -> None:
    """A topic that is deleted and made again has no event of its keys, with the index and without."""
    await shop.create_topic(INDEXED, index_keys=True)
    await shop.publish(of_keys("a", "a"))
    await shop.delete_topic(INDEXED, force=True)
    await shop.create_topic(INDEXED, index_keys=True)
    assert await is_indexed(shop)
    await shop.publish(of_keys("a"), expected_positions=expecting("a", 0))
    assert await of_key(shop, "a", INDEXED) == [3]
    await shop.delete_topic(INDEXED, force=True)
    await shop.create_topic(INDEXED)
    refused_as = await refused(shop.publish(of_keys("a"), expected_positions=expecting("a", 0)))
    assert refused_as.reason == "KEYS_NOT_INDEXED"


async def test_an_unexpected_sequence_names_the_key(shop: Shop) -> None:
    """A refusal says of which topic and key the last event is another, and which."""
    await shop.create_topic(INDEXED, index_keys=True)
    await shop.publish(of_keys("a", "b"))
    refused_as = await refused(shop.publish(of_keys("a"), expected_positions=expecting("a", 0)))
    assert (refused_as.code, refused_as.reason) == ("ABORTED", "UNEXPECTED_SEQUENCE")
    assert refused_as.facts == {
        "topic": INDEXED, "key": "a", "expected_last_sequence": "0", "last_sequence": "1",
    }  # fmt: skip
    both = [pb.ExpectedPosition(topic=INDEXED, expected_last_sequence=2), *expecting("a", 1)]
    await shop.publish(of_keys("a"), expected_positions=[*both, *expecting("b", 2)])
    refused_as = await refused(shop.publish(of_keys("a"), expected_positions=expecting("a", 3) * 2))
    assert (refused_as.reason, refused_as.fields) == ("INVALID_REQUEST", ["expected_positions[1].topic"])
    refused_as = await refused(shop.publish(of_keys("a"), expected_positions=expecting("a", 3, "shop.none")))
    assert refused_as.reason == "TOPIC_NOT_FOUND"


async def test_a_repeated_request_is_the_same_only_with_the_same_key(shop: Shop) -> None:
    """A request_id with another expectation of a key is another request; a repetition is answered alike."""
    await shop.create_topic(INDEXED, index_keys=True)
    first = await shop.publish(of_keys("a"), request_id="r", expected_positions=expecting("a", 0))
    assert await shop.publish(of_keys("a"), request_id="r", expected_positions=expecting("a", 0)) == first
    again = shop.publish(of_keys("a"), request_id="r", expected_positions=expecting("b", 0))
    assert (await refused(again)).reason == "REQUEST_ID_REUSED"


async def test_of_all_who_expect_the_same_one_wins(shop: Shop) -> None:
    """Writers that race for an aggregate get in one after the other: no event is based on another past."""
    await shop.create_topic(INDEXED, index_keys=True)

    async def write(times: int) -> None:
        while times:
            last = max(await of_key(shop, "k", INDEXED), default=0)
            try:
                await shop.publish(of_keys("k", f"after-{last}"), expected_positions=expecting("k", last))
            except grpc.aio.AioRpcError as error:
                if refusal(error).reason != "UNEXPECTED_SEQUENCE":
                    raise
            else:
                times -= 1

    await asyncio.gather(*[write(8) for _ in range(4)])
    events = await history(shop, INDEXED)
    assert [event.key for event in events[1::2]] == [f"after-{last}" for last in (0, *range(1, 63, 2))]


async def test_the_client_expects_where_a_key_stands(shop: Shop) -> None:
    """The Python client makes topics with an index, and expects the sequence of a key."""
    async with AsyncClient(shop.gateway.address) as client:
        assert (await client.create_topic(INDEXED, subject=SUBJECT, index_keys=True)).index_keys
        sent = {"type": PLACED, "key": "a"}
        first = await client.publish(INDEXED, order("a"), **sent, expected_key_sequence=0)
        second = await client.publish(INDEXED, order("a"), **sent, expected_key_sequence=first.sequence)
        with pytest.raises(errors.UnexpectedSequence, match="key 'a' is 2, not 1"):
            await client.publish(INDEXED, order("a"), **sent, expected_key_sequence=first.sequence)
        with pytest.raises(ValueError, match="say key="):
            await client.publish(INDEXED, order("a"), type=PLACED, expected_key_sequence=0)
        assert not (await client.update_topic(INDEXED, index_keys=False)).index_keys
        with pytest.raises(errors.KeysNotIndexed):
            await client.publish(INDEXED, order("a"), **sent, expected_key_sequence=second.sequence)


def test_the_blocking_client_expects_where_a_key_stands(module_gateway: Gateway) -> None:
    """The client without an event loop takes the same."""
    with Client(module_gateway.address) as client, pytest.raises(errors.TopicNotFound):
        client.publish(INDEXED, b"", type=PLACED, key="a", expected_key_sequence=0)
