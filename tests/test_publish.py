"""Publish: what is taken is checked, whole and in order; what is refused says why and leaves nothing."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tidegate.v1 import event_pb2, topic_pb2
from tidegate.v1 import event_service_pb2 as pb

from tests.shop import (
    ORDERS,
    PAID,
    PATIENCE,
    PAYMENTS,
    PLACED,
    RETURNS,
    SCHEMA_2,
    STAMPED,
    Shop,
    batch,
    expect,
    order,
    refusal,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    StartShop = Callable[..., AbstractAsyncContextManager[Shop]]

GOOD = order("good")
UNKNOWN = order("new", note="a field of version 2")


@dataclass(frozen=True)
class Bad:
    """A bad input, and what its refusal must say."""

    batches: list[event_pb2.EventBatch]
    code: str
    reason: str
    fields: list[str]
    words: list[str]
    rules: list[str] = field(default_factory=list)
    request: dict[str, Any] = field(default_factory=dict)


def invalid(
    batches: list[event_pb2.EventBatch], fields: list[str], *words: str, rules: list[str] | None = None
) -> Bad:
    return Bad(batches, "INVALID_ARGUMENT", "INVALID_EVENT", fields, list(words), rules or [])


def malformed(batches: list[event_pb2.EventBatch], path: str, *words: str, **request: Any) -> Bad:
    return Bad(batches, "INVALID_ARGUMENT", "INVALID_REQUEST", [path], list(words), request=request)


def with_events(*events: event_pb2.Event) -> event_pb2.EventBatch:
    return event_pb2.EventBatch(topic=ORDERS, type=PLACED, events=events)


BAD_INPUTS = {
    "data that is no message": invalid(
        [batch(ORDERS, GOOD, b"\xff\xff")], ["batches[0].events[1].data"], "does not parse", PLACED
    ),
    "data cut off": invalid([batch(ORDERS, GOOD[:-1])], ["batches[0].events[0].data"], "does not parse"),
    "absent data": invalid(
        [batch(ORDERS, GOOD), with_events(event_pb2.Event(data=GOOD), event_pb2.Event(id="x"))],
        ["batches[1].events[1].data"],
        "absent",
    ),
    "a missing required field": invalid(
        [batch(ORDERS, b"\x12\x01x", type=STAMPED)], ["batches[0].events[0].data.code"], "required"
    ),
    "invalid UTF-8": invalid(
        [batch(ORDERS, b"\x0a\x02\xc3\x28")], ["batches[0].events[0].data.order_id"], "UTF-8"
    ),
    "an unknown field": invalid(
        [batch(ORDERS, GOOD, UNKNOWN)], ["batches[0].events[1].data"], "3", "version 1"
    ),
    "a rule broken": invalid(
        [batch(ORDERS, order("a", 5), order("b", -5), type=PAID)],
        ["batches[0].events[1].data.amount_cents"],
        "greater than 0",
        rules=["int64.gt"],
    ),
    "two events at fault": invalid(
        [batch(ORDERS, b"\xff", GOOD, order("x", note="n"))],
        ["batches[0].events[0].data", "batches[0].events[2].data"],
        "2 events fail",
    ),
    "an unknown topic": Bad(
        [batch(ORDERS, GOOD), batch("shop.ordres", GOOD)],
        "NOT_FOUND",
        "TOPIC_NOT_FOUND",
        [],
        ["'shop.ordres'", "shop.orders"],
    ),
    "an unknown type": Bad(
        [batch(ORDERS, GOOD, type="shop.v1.OrderPlacd")],
        "NOT_FOUND",
        "EVENT_TYPE_NOT_FOUND",
        [],
        ["'shop.v1.OrderPlacd'", PLACED],
    ),
    "an unknown version": Bad(
        [batch(ORDERS, GOOD, version=7)],
        "NOT_FOUND",
        "SCHEMA_VERSION_NOT_FOUND",
        [],
        ["version 7", "latest version is 1"],
    ),
    "a type that the topic does not accept": Bad(
        [batch("shop.narrow", GOOD)],
        "FAILED_PRECONDITION",
        "EVENT_TYPE_NOT_ACCEPTED",
        [],
        ["'shop.narrow'", PLACED, f"accepts: {PAID}"],
    ),
    "a sequence of its own": malformed(
        [batch(ORDERS, GOOD, first_sequence=1)], "batches[0].first_sequence", "gateway alone"
    ),
    "a time of its own": malformed(
        [batch(ORDERS, GOOD), batch(ORDERS, GOOD, append_time={"seconds": 1})],
        "batches[1].append_time",
        "gateway alone",
    ),
    "offsets": malformed([batch(ORDERS, GOOD, offsets=[0])], "batches[0].offsets", "gateway alone"),
    "no batches": malformed([], "batches", "at least one"),
    "no events": malformed([batch(ORDERS)], "batches[0].events", "at least one"),
    "no topic": malformed([batch("", GOOD)], "batches[0].topic", "must name a topic"),
    "no type": malformed([batch(ORDERS, GOOD, type="")], "batches[0].type", "must name the event type"),
    "a long request_id": malformed([batch(ORDERS, GOOD)], "request_id", "128", request_id="x" * 129),
    "an expectation without a sequence": malformed(
        [batch(ORDERS, GOOD)],
        "expected_positions[0].expected_last_sequence",
        "must be set",
        expected_positions=[pb.ExpectedPosition(topic=ORDERS)],
    ),
    "an expectation of no topic": Bad(
        [batch(ORDERS, GOOD)],
        "NOT_FOUND",
        "TOPIC_NOT_FOUND",
        [],
        ["'shop.nothing'"],
        request={"expected_positions": expect(shop__nothing=0)},
    ),
    "an expectation that does not hold": Bad(
        [batch(ORDERS, GOOD)],
        "ABORTED",
        "UNEXPECTED_SEQUENCE",
        [],
        [ORDERS, "not 7"],
        request={"expected_positions": expect(shop__orders=7)},
    ),
}


@pytest.mark.parametrize("case", BAD_INPUTS)
async def test_bad_input_is_refused_clearly_and_leaves_nothing(shop: Shop, case: str) -> None:
    """Each bad input gets its status, reason, paths, rules and helpful words, and nothing of it is stored."""
    await shop.create_topic("shop.narrow", types=[PAID])
    first = await shop.place("before")
    bad = BAD_INPUTS[case]
    found = await refused(shop.publish(*bad.batches, **bad.request))
    assert (found.code, found.reason) == (bad.code, bad.reason)
    assert found.fields == bad.fields
    for word in bad.words:
        assert word in found.message + " ".join(found.descriptions)
    if bad.rules:
        assert found.rules == bad.rules
    assert await shop.head() == first
    assert [event.sequence for event in await shop.everything()] == [first]
    assert (await shop.publish(batch(ORDERS, GOOD)))[0].first_sequence == first + 1


async def test_bytes_that_are_no_request_are_refused(shop: Shop) -> None:
    """Bytes that are no PublishRequest, and batches that are no EventBatch, are INVALID_ARGUMENT."""
    publish = shop.channel.unary_unary("/tidegate.v1.EventService/Publish")
    found = await refused(publish(b"\xff\xff\xff"))
    assert (found.code, found.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    found = await refused(publish(b"\x12\x03\xff\xff\xff"))
    assert (found.code, found.reason, found.fields) == ("INVALID_ARGUMENT", "INVALID_EVENT", ["batches[0]"])
    assert await shop.head() == 0


async def test_at_most_a_hundred_violations_are_listed(shop: Shop) -> None:
    """Of ten thousand bad events as many as fit are named, and the message says that there are more."""
    found = await refused(shop.publish(batch(ORDERS, *[b"\xff"] * 10_000)))
    assert found.reason == "INVALID_EVENT"
    assert found.message.startswith("at least ")
    assert found.facts["at_least"] == "True"
    assert 5 <= len(found.fields) <= 100
    assert found.fields[:2] == ["batches[0].events[0].data", "batches[0].events[1].data"]
    assert await shop.head() == 0


async def test_a_request_is_stored_in_order_and_whole(shop: Shop) -> None:
    """Batches of several topics take consecutive sequences in their order and are delivered as they came."""
    placed = await shop.publish(
        batch(ORDERS, order("a"), order("b")),
        batch(PAYMENTS, order("c"), type=PAID),
        batch(ORDERS, b"", source="//till/7"),
    )
    assert [(p.first_sequence, p.count, p.schema_version) for p in placed] == [
        (1, 2, 1),
        (3, 1, 1),
        (4, 1, 1),
    ]
    assert await shop.everything() == [
        (1, ORDERS, order("a")),
        (2, ORDERS, order("b")),
        (3, PAYMENTS, order("c")),
        (4, ORDERS, b""),
    ]


async def test_a_delivered_batch_says_all_about_itself(shop: Shop) -> None:
    """A delivered batch names topic, type, version, sequence and time, and its events are untouched."""
    events = [
        event_pb2.Event(id="1", key="k", data=order("a"), attributes={"trace": "t", "b": "c"}),
        event_pb2.Event(data=b"", time={"seconds": 5}),
    ]
    sent = event_pb2.EventBatch(topic=ORDERS, type=PLACED, source="//till", events=events)
    before = time.time()
    await shop.publish(sent)
    subscription = shop.subscribe(ORDERS, start_position=pb.START_POSITION_EARLIEST)
    await subscription.next("opened")
    (found,) = (await subscription.next("batches")).batches
    assert before - 1 <= found.append_time.ToNanoseconds() / 1e9 <= time.time() + 1
    assert (found.first_sequence, found.schema_version) == (1, 1)
    for name in ("first_sequence", "schema_version", "append_time"):
        found.ClearField(name)
    assert found == sent


async def test_version_0_is_the_latest_and_is_written_down(shop: Shop) -> None:
    """A batch of version 0 is checked against the latest version; answer and stored batch name it."""
    assert (await refused(shop.publish(batch(ORDERS, UNKNOWN)))).reason == "INVALID_EVENT"
    assert await shop.register(SCHEMA_2) == 2
    assert [p.schema_version for p in await shop.publish(batch(ORDERS, UNKNOWN))] == [2]
    assert [p.schema_version for p in await shop.publish(batch(ORDERS, GOOD, version=1))] == [1]
    assert (await refused(shop.publish(batch(ORDERS, UNKNOWN, version=1)))).reason == "INVALID_EVENT"
    subscription = shop.subscribe(ORDERS, start_position=pb.START_POSITION_EARLIEST)
    await subscription.next("opened")
    assert [b.schema_version for b in (await subscription.next("batches")).batches] == [2, 1]


async def test_unknown_fields_pass_where_the_topic_allows_them(shop: Shop) -> None:
    """A topic that allows unknown fields stores and delivers them untouched."""
    await shop.create_topic("shop.lenient", unknown_fields=topic_pb2.UNKNOWN_FIELDS_ALLOW)
    await shop.publish(batch("shop.lenient", UNKNOWN))
    assert await shop.everything() == [(1, "shop.lenient", UNKNOWN)]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    st.lists(
        st.lists(
            st.tuples(
                st.sampled_from([ORDERS, PAYMENTS, RETURNS, "none"]),
                st.lists(st.sampled_from([GOOD, order("b"), b"\xff"]), min_size=1, max_size=3),
            ),
            min_size=1,
            max_size=4,
        ),
        max_size=6,
    )
)
def test_a_request_is_all_or_nothing(module_shop: Callable[[Any], Any], requests: list[Any]) -> None:
    """Of any requests just those are stored in which every batch is good, each whole and in order."""

    async def run(shop: Shop) -> None:
        head = await shop.head()
        expected = []
        for request in requests:
            good = all(topic != "none" and b"\xff" not in data for topic, data in request)
            try:
                placed = await shop.publish(*(batch(topic, *data) for topic, data in request))
            except grpc.aio.AioRpcError:
                assert not good
                continue
            assert good
            assert placed[0].first_sequence == head + len(expected) + 1
            expected += [(topic, each) for topic, data in request for each in data]
        found = [(event.topic, event.data) for event in await shop.everything() if event.sequence > head]
        assert found == expected

    module_shop(run)


async def test_a_retry_answers_the_first_result(shop: Shop) -> None:
    """The same request under the same id is stored once; its retries answer the first result."""
    first = await shop.publish(batch(ORDERS, GOOD), batch(PAYMENTS, GOOD), request_id="r1")
    await shop.place("between")
    assert await shop.publish(batch(ORDERS, GOOD), batch(PAYMENTS, GOOD), request_id="r1") == first
    assert await shop.head() == 3


async def test_an_id_is_not_for_another_request(shop: Shop) -> None:
    """An id that was used is refused for other events, another topic or other expectations."""
    await shop.publish(batch(ORDERS, GOOD), request_id="r1")
    for other in (
        shop.publish(batch(ORDERS, order("other")), request_id="r1"),
        shop.publish(batch(PAYMENTS, GOOD), request_id="r1"),
        shop.publish(batch(ORDERS, GOOD), batch(ORDERS, GOOD), request_id="r1"),
        shop.publish(batch(ORDERS, GOOD), request_id="r1", expected_positions=expect(shop__orders=1)),
    ):
        found = await refused(other)
        assert (found.code, found.reason, found.fields) == (
            "INVALID_ARGUMENT",
            "REQUEST_ID_REUSED",
            ["request_id"],
        )
        assert "'r1'" in found.message
    assert await shop.head() == 1


async def test_a_retry_is_known_after_a_restart(start_shop: StartShop) -> None:
    """A gateway that starts again on the same file still answers a retry with the first result."""
    async with start_shop() as shop:
        first = await shop.publish(batch(ORDERS, GOOD), batch(RETURNS, GOOD), request_id="r1")
    async with start_shop() as shop:
        assert await shop.publish(batch(ORDERS, GOOD), batch(RETURNS, GOOD), request_id="r1") == first
        found = await refused(shop.publish(batch(ORDERS, GOOD), request_id="r1"))
        assert found.reason == "REQUEST_ID_REUSED"
        assert await shop.head() == 2


async def test_duplicates_at_once_are_stored_once(shop: Shop) -> None:
    """Twenty copies of one request that are under way together are stored once, and all get that result."""
    results = await asyncio.gather(*(shop.publish(batch(ORDERS, GOOD), request_id="r1") for _ in range(20)))
    assert all(result == results[0] for result in results)
    assert await shop.head() == 1


async def test_failures_are_not_remembered(shop: Shop) -> None:
    """An id whose request was rejected, by the check or by the log, can be used again."""
    assert (await refused(shop.publish(batch(ORDERS, b"\xff"), request_id="r1"))).reason == "INVALID_EVENT"
    found = await refused(
        shop.publish(batch(ORDERS, GOOD), request_id="r1", expected_positions=expect(shop__orders=9))
    )
    assert found.reason == "UNEXPECTED_SEQUENCE"
    assert (await shop.publish(batch(ORDERS, GOOD), request_id="r1"))[0].first_sequence == 1


async def test_a_retry_needs_nothing_of_what_is_gone(shop: Shop) -> None:
    """A retry answers the first result although the topic was deleted and the schema moved on meanwhile."""
    first = await shop.publish(batch(ORDERS, GOOD), request_id="r1")
    await shop.register(SCHEMA_2)
    await shop.delete_topic(ORDERS, force=True)
    assert await shop.publish(batch(ORDERS, GOOD), request_id="r1") == first


async def test_expected_positions(shop: Shop) -> None:
    """A request is taken just if each topic stands where it expects; 0 means that it never had an event."""
    (placed,) = await shop.publish(batch(ORDERS, GOOD, GOOD), expected_positions=expect(shop__orders=0))
    found = await refused(shop.publish(batch(ORDERS, GOOD), expected_positions=expect(shop__orders=0)))
    assert (found.code, found.reason) == ("ABORTED", "UNEXPECTED_SEQUENCE")
    assert found.facts["last_sequence"] == "2"
    assert found.facts["expected_last_sequence"] == "0"
    await shop.publish(
        batch(PAYMENTS, GOOD),
        batch(ORDERS, GOOD),
        expected_positions=expect(shop__orders=placed.first_sequence + 1, shop__payments=0),
    )
    found = await refused(
        shop.publish(batch(ORDERS, GOOD), expected_positions=expect(shop__orders=4, shop__payments=2))
    )
    assert found.facts["topic"] == PAYMENTS
    await shop.publish(batch(RETURNS, GOOD), expected_positions=expect(shop__orders=4))
    found = await refused(
        shop.publish(batch(ORDERS, GOOD), expected_positions=expect(shop__orders=2**64 - 1))
    )
    assert found.reason == "UNEXPECTED_SEQUENCE"
    assert await shop.head() == 5


async def test_one_of_many_racers_wins(shop: Shop) -> None:
    """Of many requests at once that expect the same position exactly one is taken, round after round."""
    last = 0
    for name in "abcde":
        racers = [
            shop.publish(batch(ORDERS, order(name)), expected_positions=expect(shop__orders=last))
            for _ in range(20)
        ]
        results = await asyncio.gather(*racers, return_exceptions=True)
        won = [result for result in results if not isinstance(result, BaseException)]
        lost = [refusal(result).reason for result in results if isinstance(result, grpc.aio.AioRpcError)]
        assert len(won) == 1
        assert lost == ["UNEXPECTED_SEQUENCE"] * 19
        last = won[0][0].first_sequence
    assert [event.data for event in await shop.everything()] == [order(name) for name in "abcde"]


async def test_a_cancelled_request_does_no_harm(shop: Shop) -> None:
    """Calls that clients give up at any moment are stored whole or not at all, and others are served."""
    for delay in (0, 0, 0.001, 0.002, 0.004):
        call = shop.stub.Publish(
            pb.PublishRequest(batches=[batch(ORDERS, *[GOOD] * 50), batch(PAYMENTS, *[GOOD] * 50)])
        )
        await asyncio.sleep(delay)
        call.cancel()
    await shop.place("after")
    await asyncio.wait_for(shop.gateway._publisher._pending.empty(), PATIENCE)
    events = await shop.everything()
    assert len(events) % 100 == 1
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
