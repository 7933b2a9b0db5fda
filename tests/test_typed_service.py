"""Typed services over a real socket: they publish and deliver what EventService does, byte for byte."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegate.v1 import event_pb2
from tidegate.v1 import event_service_pb2 as pb

from tests.shop import (
    NEVER,
    ORDERS,
    PAID,
    PAYMENTS,
    PLACED,
    RETURNS,
    SCHEMA_2,
    Subscription,
    batch,
    order,
    refused,
)
from tests.typed_stubs import reflected_stub

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.shop import Shop

V1, V2 = (f"tidegate.typed.v{version}.shop.v1.OrderPlacedService" for version in (1, 2))


def request_of(*orders: dict[str, Any], topic: str = ORDERS, **fields: Any) -> dict[str, Any]:
    """What a typed publish request with one batch holds."""
    return {"batches": [{"topic": topic, "events": [{"data": data} for data in orders], **fields}]}


async def publish(shop: Shop, service: str, **request: Any) -> Any:
    """Publishes to a typed service of orders."""
    stub = await reflected_stub(shop.channel, service)
    return await stub.call("PublishOrderPlaced")(stub.message("PublishOrderPlacedRequest", **request))


async def subscribe(shop: Shop, service: str, *topics: str, **fields: Any) -> Subscription:
    """Subscribes to a typed service of orders, from the beginning."""
    stub = await reflected_stub(shop.channel, service)
    fields = {"start_position": pb.START_POSITION_EARLIEST} | fields
    request = stub.message("tidegate.v1.SubscribeRequest", topics=topics, **fields)
    return Subscription(stub.call("SubscribeOrderPlaced")(request))


async def raw_frames(shop: Shop, method: str, **fields: Any) -> list[bytes]:
    """The batch frames of a subscription to all that is stored now, as bytes."""
    head = await shop.head()
    request = pb.SubscribeRequest(
        start_position=pb.START_POSITION_EARLIEST, end_sequence=head, heartbeat_interval=NEVER, **fields
    )
    frames = [frame async for frame in shop.channel.unary_stream(method)(request.SerializeToString())]
    return [frame for frame in frames if pb.SubscribeResponse.FromString(frame).HasField("batches")]


async def test_a_typed_stream_delivers_typed_events(shop: Shop) -> None:
    """Orders published to their typed service arrive typed, in order, with their version and sequence."""
    answer = await publish(shop, V1, **request_of({"order_id": "A", "amount_cents": 7}, {"order_id": "B"}))
    assert (answer.results[0].first_sequence, answer.results[0].count, answer.results[0].schema_version) == (
        1,
        2,
        1,
    )
    subscription = await subscribe(shop, V1, ORDERS)
    assert (await subscription.next("opened")).head_sequence == 2
    (delivered,) = (await subscription.next("batches")).batches
    assert (delivered.topic, delivered.type, delivered.schema_version) == (ORDERS, PLACED, 1)
    assert [(event.data.order_id, event.data.amount_cents) for event in delivered.events] == [
        ("A", 7),
        ("B", 0),
    ]
    await subscription.next("caught_up")


_EVENT = st.fixed_dictionaries(
    {"id": st.text(max_size=4), "key": st.text(max_size=4)},
    optional={
        "time": st.just({"seconds": 5}),
        "attributes": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=3),
    },
)
_ORDER = st.fixed_dictionaries(
    {}, optional={"order_id": st.text(max_size=5), "amount_cents": st.integers(-(2**63), 2**63 - 1)}
)
_EVENTS = st.lists(st.tuples(_EVENT, _ORDER), min_size=1, max_size=5)


def test_a_typed_publish_stores_what_a_generic_one_does(module_shop: Callable[..., None]) -> None:
    """The same events, published to either service, are stored as the same bytes but for place and time."""

    @given(_EVENTS)
    def same(events: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
        async def both(shop: Shop) -> None:
            stub = await reflected_stub(shop.channel, V1)
            typed = [{**event, "data": data} for event, data in events]
            await publish(shop, V1, batches=[{"topic": RETURNS, "events": typed}])
            plain = [
                {**event, "data": stub.message(PLACED, **data).SerializePartialToString()}
                for event, data in events
            ]
            await shop.publish(event_pb2.EventBatch(topic=RETURNS, type=PLACED, events=plain))
            head = await shop.head()
            delivered = [
                found
                for frame in await raw_frames(shop, "/tidegate.v1.EventService/Subscribe", topics=[RETURNS])
                for found in pb.SubscribeResponse.FromString(frame).batches.batches
            ][-2:]
            assert delivered[-1].first_sequence + len(events) - 1 == head
            for found in delivered:
                found.ClearField("first_sequence")
                found.ClearField("append_time")
            assert delivered[0].SerializeToString(deterministic=True) == delivered[1].SerializeToString(
                deterministic=True
            )

        module_shop(both)

    same()


async def test_a_typed_stream_is_the_generic_one(shop: Shop) -> None:
    """A typed subscription sends the very bytes that EventService sends of the same type and topics."""
    await shop.publish(batch(ORDERS, order("A"), order("B")), batch(PAYMENTS, order("P", 5), type=PAID))
    await shop.publish(batch(ORDERS, b"", order("C", 2**62)), batch(RETURNS, order("R")))
    for topics in ([ORDERS], [ORDERS, RETURNS], ["shop.>"], [">"]):
        generic = await raw_frames(shop, "/tidegate.v1.EventService/Subscribe", topics=topics, types=[PLACED])
        assert generic
        assert await raw_frames(shop, f"/{V1}/SubscribeOrderPlaced", topics=topics) == generic
        assert await raw_frames(shop, f"/{V1}/SubscribeOrderPlaced", topics=topics, types=[PLACED]) == generic
    assert await raw_frames(shop, f"/{V1}/SubscribeOrderPlaced") == generic


async def test_a_topic_of_several_types_has_a_typed_stream_each(shop: Shop) -> None:
    """Each type's stream has its events alone; together they are the topic."""
    await shop.publish(
        *(
            batch(ORDERS, order(name, 1), type=kind)
            for name, kind in zip("abcd", 2 * [PLACED, PAID], strict=True)
        )
    )
    sequences = {}
    for name in ("OrderPlaced", "OrderPaid", "Stamped"):
        frames = await raw_frames(
            shop, f"/tidegate.typed.v1.shop.v1.{name}Service/Subscribe{name}", topics=[ORDERS]
        )
        parsed = [
            found for frame in frames for found in pb.SubscribeResponse.FromString(frame).batches.batches
        ]
        sequences[name] = [(found.first_sequence, found.type) for found in parsed]
    assert sequences == {
        "OrderPlaced": [(1, PLACED), (3, PLACED)],
        "OrderPaid": [(2, PAID), (4, PAID)],
        "Stamped": [],
    }


async def test_a_service_keeps_its_version(shop: Shop) -> None:
    """Stubs of version 1 go on as before when there is a version 2: they publish, and read both."""
    stub = await reflected_stub(shop.channel, V1)
    assert await shop.register(SCHEMA_2) == 2
    request = stub.message("PublishOrderPlacedRequest", **request_of({"order_id": "A"}))
    assert (await stub.call("PublishOrderPlaced")(request)).results[0].schema_version == 1
    assert (await publish(shop, V2, **request_of({"order_id": "B", "note": "new"}))).results[
        0
    ].schema_version == 2
    subscription = await subscribe(shop, V1, ORDERS)
    events = [
        event
        for frame in (await subscription.frame(), await subscription.frame())
        for found in frame.batches.batches
        for event in found.events
    ]
    assert [event.data.order_id for event in events] == ["A", "B"]


async def test_a_typed_service_takes_its_type_and_version_alone(shop: Shop) -> None:
    """What names another type or version is refused, with the field and the way out; its own may be named."""
    await shop.register(SCHEMA_2)
    for fields in ({}, {"type": PLACED}, {"schema_version": 1}, {"type": PLACED, "schema_version": 1}):
        assert (await publish(shop, V1, **request_of({"order_id": "A"}, **fields))).results
    other = await refused(publish(shop, V1, **request_of({"order_id": "A"}, type=PAID)))
    assert (other.reason, other.fields) == ("INVALID_REQUEST", ["batches[0].type"])
    assert f"for {PLACED} alone" in other.message
    newer = await refused(publish(shop, V1, **request_of({"order_id": "A"}, schema_version=2)))
    assert (newer.reason, newer.fields) == ("INVALID_REQUEST", ["batches[0].schema_version"])
    subscription = await subscribe(shop, V1, ORDERS, types=[PLACED, PAID])
    wrong = await subscription.refused()
    assert (wrong.reason, wrong.fields) == ("INVALID_REQUEST", ["types[1]"])


async def test_a_typed_publish_is_checked_like_any(shop: Shop) -> None:
    """Rules, limits and topics hold for typed events, and refusals name the same paths."""
    stub = await reflected_stub(shop.channel, "tidegate.typed.v1.shop.v1.OrderPaidService")
    request = stub.message("PublishOrderPaidRequest", **request_of({"order_id": "A", "amount_cents": 0}))
    bad = await refused(stub.call("PublishOrderPaid")(request))
    assert (bad.reason, bad.fields) == ("INVALID_EVENT", ["batches[0].events[0].data.amount_cents"])
    missing = await refused(publish(shop, V1, **request_of({}, topic="shop.nowhere")))
    assert missing.reason == "TOPIC_NOT_FOUND"
    await shop.update_topic(ORDERS, ["types"], types=[PAID])
    unaccepted = await refused(publish(shop, V1, **request_of({})))
    assert unaccepted.reason == "EVENT_TYPE_NOT_ACCEPTED"


async def test_typed_requests_have_the_limits_of_generic_ones(shop: Shop) -> None:
    """A typed publish may be as large as a generic one, and every other typed request only small."""
    batches = [
        {"topic": ORDERS, "events": [{"data": {"order_id": "x" * 90_000}} for _ in range(10)]}
        for _ in range(3)
    ]
    assert len((await publish(shop, V1, batches=batches)).results) == 3
    large = await refused((await subscribe(shop, V1, "x" * 1_100_000)).call.read())
    assert (large.reason, large.facts["limit"]) == ("LIMIT_EXCEEDED", "max_call_bytes")


async def test_a_typed_publish_stream_answers_in_order(shop: Shop) -> None:
    """Pipelined typed requests are answered in order, a rejected one in its place."""
    stub = await reflected_stub(shop.channel, V1)
    requests = [
        stub.message("PublishOrderPlacedStreamRequest", **request_of({"order_id": str(index)}, **fields))
        for index, fields in enumerate(({}, {"type": PAID}, {}))
    ]
    call = stub.call("PublishOrderPlacedStream")(iter(requests))
    results = [result async for response in call for result in response.results]
    outcomes = [result.WhichOneof("outcome") for result in results]
    assert outcomes == ["published", "error", "published"]
    assert results[1].error.field_violations[0].field == "batches[0].type"


async def test_a_typed_retry_is_known(shop: Shop) -> None:
    """A request_id with the same bytes appends once; to the service of another version they are others."""
    await shop.register(SCHEMA_2)
    request = {"request_id": "r1", **request_of({"order_id": "A"})}
    first = await publish(shop, V1, **request)
    assert (await publish(shop, V1, **request)).SerializeToString() == first.SerializeToString()
    assert await shop.head() == 1
    assert (await refused(publish(shop, V2, **request))).reason == "REQUEST_ID_REUSED"


@pytest.mark.parametrize(
    ("path", "code", "said"),
    [
        (f"{V1}/PublishOrder", "UNIMPLEMENTED", "Close to it: PublishOrderPlaced"),
        (f"{V1}/Subscribe", "UNIMPLEMENTED", "SubscribeOrderPlaced"),
        (
            "tidegate.typed.v1.shop.v1.OrderPlaceService/PublishOrderPlace",
            "NOT_FOUND",
            f"Close to it: {PLACED}",
        ),
        (
            "tidegate.typed.v1.shop.v1.OrderPlaced_XService/PublishOrderPlaced_X",
            "NOT_FOUND",
            "has no event type",
        ),
        ("tidegate.typed.v9.shop.v1.OrderPlacedService/SubscribeOrderPlaced", "NOT_FOUND", "no version 9"),
        (
            "tidegate.typed.shop.v1.OrderPlacedService/SubscribeOrderPlaced",
            "UNIMPLEMENTED",
            "tidegate.typed.v<version>",
        ),
        ("tidegate.typed.v1.OrderPlaced/" + "x" * 2_000, "UNIMPLEMENTED", "there is no service"),
        ("tidegate.v1.EventService/Nothing", "UNIMPLEMENTED", ""),
    ],
)
async def test_what_is_not_there_is_said(shop: Shop, path: str, code: str, said: str) -> None:
    """A wrong service, version or method is refused with what was meant or where to look."""
    with pytest.raises(grpc.aio.AioRpcError) as refusal:
        await shop.channel.unary_unary(f"/{path}")(b"")
    assert refusal.value.code().name == code
    assert said in refusal.value.details()


async def test_types_of_any_place_and_syntax_are_served(shop: Shop) -> None:
    """Nested types, types without a package and proto2 types with required fields have their services."""
    nested = 'syntax = "proto3"; message Outer { int32 n = 1; message In_ner { Outer o = 1; } }'
    await shop.register({"nested.proto": nested}, subject="nested")
    await shop.create_topic("nested", subject="nested")
    stub = await reflected_stub(shop.channel, "tidegate.typed.v1.Outer_In_nerService")
    events = [{"data": {"o": {"n": 5}}}]
    await stub.call("PublishOuter_In_ner")(
        stub.message("PublishOuter_In_nerRequest", batches=[{"topic": "nested", "events": events}])
    )
    stub = await reflected_stub(shop.channel, "tidegate.typed.v1.shop.v1.StampedService")
    request = stub.message("PublishStampedRequest", **request_of({}))
    lacking = await refused(stub.call("PublishStamped")(request))
    assert (lacking.reason, lacking.fields) == ("INVALID_EVENT", ["batches[0].events[0].data.code"])
    request = stub.message("PublishStampedRequest", **request_of({"code": "c"}))
    assert (await stub.call("PublishStamped")(request)).results[0].count == 1
    everything = await shop.everything()
    assert [event.data for event in everything] == [b"\n\x02\x08\x05", b"\n\x01c"]


async def test_typed_streams_drain_like_any(start_shop: Any) -> None:
    """A stopping gateway ends typed streams with Draining, and publish streams behind what they sent."""
    async with start_shop() as shop:
        subscription = await subscribe(shop, V1, ORDERS)
        await subscription.until("caught_up")
        stub = await reflected_stub(shop.channel, V1)
        stream = stub.call("PublishOrderPlacedStream")()
        await stream.write(stub.message("PublishOrderPlacedStreamRequest", **request_of({"order_id": "A"})))
        assert (await asyncio.wait_for(stream.read(), 10)).results[0].published.results
        stopping = asyncio.create_task(shop.gateway.__aexit__(None, None, None))
        await subscription.until("draining")
        assert (await subscription.refused()).reason == "DRAINING"
        assert (await refused(stream.read())).reason == "DRAINING"
        await stopping
