"""Filtered subscriptions: what comes, what does not, and how the reader is told of its place."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tidegate.v1 import event_service_pb2 as pb
from tidegate.v1 import subscription_pb2 as frames
from tidegate.v1.event_pb2 import EventBatch

from gateway.filter import Filter
from tests.shop import (
    NEVER,
    ORDERS,
    PAID,
    PATIENCE,
    PAYMENTS,
    PLACED,
    SCHEMA_2,
    Delivered,
    Shop,
    Subscription,
    batch,
    events_of,
    order,
)
from tests.test_reader_guard import promise_nothing

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from gateway.filter import Condition
    from gateway.log import StoredBatch
    from registry.filters.program import Outcome

    StartShop = Callable[..., AbstractAsyncContextManager[Shop]]

EARLIEST = pb.START_POSITION_EARLIEST
OFTEN = Duration(nanos=100_000_000)
FAILED = frames.WARNING_KIND_FILTER_FAILED


def filtered(shop: Shop, text: str, *topics: str, **fields: Any) -> Subscription:
    """A subscription from the beginning to orders that pass a filter."""
    fields = {"start_position": EARLIEST, "types": [PLACED], "filter": text} | fields
    if "from_sequence" in fields:
        del fields["start_position"]
    return shop.subscribe(*(topics or (ORDERS,)), **fields)


async def stock(shop: Shop, *amounts: int) -> list[Delivered]:
    """Publishes an order of each amount, in one batch."""
    (placed,) = await shop.publish(batch(ORDERS, *[order("o", amount) for amount in amounts]))
    return [
        Delivered(sequence, ORDERS, order("o", amount))
        for sequence, amount in enumerate(amounts, placed.first_sequence)
    ]


async def test_a_filter_delivers_what_it_holds_of_with_its_sequences(shop: Shop) -> None:
    """What passes comes in order, each event with its own sequence; a batch of which all passes is whole."""
    stored = [*await stock(shop, *range(10)), *await stock(shop, 9, 8)]
    subscription = filtered(shop, "event.data.amount_cents > 7")
    events, caught_up = await subscription.until("caught_up")
    assert events == [each for each in stored if each.data in {order("o", 8), order("o", 9)}]
    assert caught_up.position == 12


async def test_a_reader_of_nothing_moves_on(shop: Shop) -> None:
    """Where nothing passes, CaughtUp comes, and heartbeats say a position behind all that was looked at."""
    await stock(shop, 1, 2, 3)
    subscription = filtered(shop, "event.data.amount_cents > 7", heartbeat_interval=OFTEN)
    events, caught_up = await subscription.until("caught_up")
    assert (events, caught_up.position) == ([], 3)
    await stock(shop, 4, 5)
    beats = [(await subscription.until("heartbeat"))[1] for _ in range(2)]
    assert (beats[1].position, beats[1].lag_batches) == (5, 0)


@pytest.mark.parametrize(("begin", "end"), [(1, 10), (3, 7), (4, 4), (9, 10), (8, 8)])
async def test_a_part_of_a_batch_is_filtered_like_the_whole(shop: Shop, begin: int, end: int) -> None:
    """A stream that begins and ends inside of a batch delivers what of its part passes, and ends there."""
    stored = await stock(shop, *[number % 3 for number in range(10)])
    found = await filtered(shop, "event.data.amount_cents == 0", from_sequence=begin, end_sequence=end).rest()
    assert [event for frame in found for event in events_of(frame)] == [
        each for each in stored[begin - 1 : end] if each.data == order("o", 0)
    ]


_BATCHES = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=5), min_size=1, max_size=6)
_FILTERS = {
    "event.data.amount_cents > 1": lambda event, _: event > 1,
    "event.sequence % 2 == 0": lambda _, sequence: sequence % 2 == 0,
    "event.sequence % 2 == 0 && event.data.amount_cents != 2": lambda e, s: s % 2 == 0 and e != 2,
    "6 / event.data.amount_cents == 3": lambda event, _: event == 2,
    "event.topic == 'shop.eu.returns'": lambda *_: False,
    "event.topic == 'shop.orders'": lambda *_: True,
}


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_BATCHES, st.sampled_from(sorted(_FILTERS)), st.integers(0, 8), st.integers(0, 8))
def test_a_filtered_stream_is_the_whole_one_without_what_does_not_pass(
    module_shop: Any, batches: list[list[int]], text: str, skip: int, short: int
) -> None:
    """Wherever it begins and ends: history and live are filtered alike, in order, once."""

    async def run(shop: Shop) -> None:
        first = await shop.head() + 1
        live = filtered(shop, text, from_sequence=first)
        await live.next("opened")
        amounts = [amount for each in batches for amount in each]
        for each in batches:
            await stock(shop, *each)
        last = len(amounts) - 1
        begin, end = first + min(skip, last), first + max(min(skip, last), last - short)
        wanted = [
            (sequence, order("o", amount))
            for sequence, amount in enumerate(amounts, first)
            if _FILTERS[text](amount, sequence)
        ]
        found = await filtered(shop, text, from_sequence=begin, end_sequence=end).rest()
        seen = [(event.sequence, event.data) for frame in found for event in events_of(frame)]
        assert seen == [each for each in wanted if begin <= each[0] <= end]
        assert [(it.sequence, it.data) for it in await live.events(len(wanted))] == wanted
        live.call.cancel()

    module_shop(run)


async def test_filters_by_type_leave_other_types_whole(shop: Shop) -> None:
    """Each type has its own filter, over its own data; of a type without one everything comes."""
    paid = order("p", 5)  # the fields of both types are the same
    await shop.publish(
        batch(ORDERS, order("a", 1), order("b", 5)),
        batch(PAYMENTS, paid, order("q", 1), type=PAID),
    )
    subscription = filtered(
        shop, "", ">", types=[PLACED, PAID], type_filters={PLACED: "event.data.amount_cents > 2"}
    )
    events, _ = await subscription.until("caught_up")
    assert [event.sequence for event in events] == [2, 3, 4]


async def test_a_filter_over_several_types_sees_the_envelope(shop: Shop) -> None:
    """Without one type named, events are told apart by what stands around their data."""
    await shop.publish(
        batch(ORDERS, order("a"), source="till/1"), batch(PAYMENTS, order("p"), type=PAID, source="till/2")
    )
    subscription = filtered(shop, f"event.event_type == '{PAID}' || event.source == 'x'", ">", types=[])
    events, _ = await subscription.until("caught_up")
    assert [event.topic for event in events] == [PAYMENTS]


async def test_a_failing_filter_warns_and_goes_on(shop: Shop) -> None:
    """Events on which it fails don't come; one warning an interval says how many, which ones, and why."""
    await stock(shop, 1, 0, 2, 0, 3)
    subscription = filtered(shop, "6 / event.data.amount_cents == 3", heartbeat_interval=NEVER)
    events, warning = await subscription.until("warning")
    assert [event.sequence for event in events] == [3]
    assert (warning.kind, warning.event_count) == (FAILED, 2)
    assert (warning.first_sequence, warning.last_sequence) == (2, 4)
    assert "divide by zero" in warning.message
    await subscription.next("caught_up")
    for amounts, passing in (((0, 2), 7), ((2,), 8)):
        await stock(shop, *amounts)
        frame = await subscription.frame()
        assert frame is not None  # and no other warning yet
        assert [event.sequence for event in events_of(frame)] == [passing]
    beats = filtered(shop, "6 / event.data.amount_cents == 3", heartbeat_interval=OFTEN, from_sequence=6)
    _, warning = await beats.until("warning")
    assert (warning.event_count, warning.first_sequence, warning.last_sequence) == (1, 6, 6)
    await stock(shop, 0)
    _, warning = await beats.until("warning")
    assert (warning.event_count, warning.first_sequence, warning.last_sequence) == (1, 9, 9)


async def test_a_stream_that_ends_says_what_it_failed_on(shop: Shop) -> None:
    """Before the end the reader is warned of all that it was not yet told of."""
    subscription = filtered(
        shop, "6 / event.data.amount_cents == 3", end_sequence=3, heartbeat_interval=NEVER
    )
    await stock(shop, 0)
    _, warning = await subscription.until("warning")
    assert (warning.event_count, warning.last_sequence) == (1, 1)
    await stock(shop, 0, 0)
    (warning,) = [frame.warning for frame in await subscription.rest() if frame.HasField("warning")]
    assert (warning.event_count, warning.first_sequence, warning.last_sequence) == (2, 2, 3)


async def test_another_version_is_never_read_by_field_number(shop: Shop) -> None:
    """Where versions swap the numbers of fields, each event is read as its own version wrote it."""
    await promise_nothing(shop, "swap")
    text = 'syntax = "proto3"; package swap; message Sold {{ int64 price = {}; int64 cost = {}; }}'
    for numbers in ((1, 2), (2, 1)):
        await shop.register({"swap.proto": text.format(*numbers)}, subject="swap")
    await shop.create_topic("swap", subject="swap")
    cheap, dear = b"\x08\x01\x10\x09", b"\x08\x09\x10\x01"
    for version in (1, 2, 1, 2):
        await shop.publish(batch("swap", cheap, dear, type="swap.Sold", version=version))
    subscription = filtered(shop, "event.data.price > event.data.cost", "swap", types=["swap.Sold"])
    events, _ = await subscription.until("caught_up")
    assert [(event.sequence, event.data) for event in events] == [
        (2, dear),
        (3, cheap),
        (6, dear),
        (7, cheap),
    ]


async def test_a_version_that_a_filter_does_not_fit_does_not_pass(shop: Shop) -> None:
    """Events of versions without the field are no matches, and counted as failures with the reason."""
    await stock(shop, 1)
    assert await shop.register(SCHEMA_2) == 2
    await shop.publish(batch(ORDERS, order("b", note="hello")), batch(ORDERS, order("c"), version=1))
    subscription = filtered(shop, "event.data.note == 'hello'")
    events, warning = await subscription.until("warning")
    assert [event.sequence for event in events] == [2]
    assert (warning.event_count, warning.first_sequence, warning.last_sequence) == (2, 1, 3)
    assert f"version 1 of {PLACED}" in warning.message
    assert "note" in warning.message


async def test_what_many_share_is_computed_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty subscriptions with one filter have each batch decided once, not twenty times."""
    subscriptions = [filtered(shop, "event.data.amount_cents % 2 == 1") for _ in range(20)]
    for subscription in subscriptions:
        await subscription.until("caught_up")
    decided: list[int] = []
    original = Filter._decide

    async def decide(self: Filter, condition: Condition, batch_: StoredBatch) -> Outcome:
        decided.append(batch_.first_sequence)
        return await original(self, condition, batch_)

    monkeypatch.setattr(Filter, "_decide", decide)
    await asyncio.gather(*[stock(shop, 1, 2, 3) for _ in range(10)])
    for subscription in subscriptions:
        assert len(await subscription.events(20)) == 20
    assert sorted(decided) == [1 + 3 * number for number in range(10)]


async def test_a_filter_is_live_as_long_as_its_stream(shop: Shop) -> None:
    """A filter is known while its stream is open, and forgotten with it, also if the stream never opened."""
    live = shop.gateway._subscriber._sieves._live
    await filtered(shop, "event.data.amount_cents > 1", from_sequence=99).refused()
    assert not live.of_subject("shop")
    subscription = filtered(shop, "event.data.amount_cents > 1", reader={"client_name": "billing"})
    await subscription.until("caught_up")
    (found,) = live.of_subject("shop")
    assert (found.client_name, found.type, found.text) == ("billing", PLACED, "event.data.amount_cents > 1")
    subscription.call.cancel()
    async with asyncio.timeout(PATIENCE):
        while live.of_subject("shop"):  # noqa: ASYNC110 - there is nothing here that could tell
            await asyncio.sleep(0.01)


async def test_a_gap_is_told_of_what_would_have_been_delivered_only(shop: Shop) -> None:
    """Events that a reader can't read are no gap if the filter leaves them out anyway."""
    await promise_nothing(shop, "v")
    for kind in ("int32", "string"):
        text = f'syntax = "proto3"; package v; message Seen {{ {kind} what = 1; }}'
        await shop.register({"v.proto": text}, subject="v")
    await shop.create_topic("v", subject="v")
    for version, data in ((1, b"\x08\x05"), (2, b"\x0a\x04word"), (2, b"\x0a\x04verb"), (1, b"\x08\x06")):
        event = {"data": data, "key": data[-4:].decode() if version == 2 else "number"}
        await shop.publish(EventBatch(topic="v", type="v.Seen", schema_version=version, events=[event]))
    reader = {"built_with": [{"subject": "v", "version": 1}]}
    found = await filtered(
        shop, "event.key != 'verb'", "v", types=[], reader=reader, end_sequence=4, on_gap=pb.ON_GAP_SKIP
    ).rest()
    gaps = [(frame.gap.first_sequence, frame.gap.last_sequence) for frame in found if frame.HasField("gap")]
    assert gaps == [(2, 2)]
    assert [event.sequence for frame in found for event in events_of(frame)] == [1, 4]


async def test_a_filtered_stream_drains(start_shop: StartShop) -> None:
    """A stopping gateway tells a filtered stream its position, past what did not pass."""
    async with start_shop() as shop:
        await stock(shop, 1, 9, 1)
        subscription = filtered(shop, "event.data.amount_cents > 7")
        await subscription.until("caught_up")
        await shop.gateway.__aexit__(None, None, None)
        assert (await subscription.next("draining")).position == 3


async def test_others_have_their_turn_while_a_filter_works(shop: Shop) -> None:
    """While much history is put through a slow filter, calls of others are answered in between."""
    for _ in range(6):
        await shop.publish(batch(ORDERS, *[order("x" * 60, 1)] * 10_000))
    text = "event.data.order_id.matches('^[a-z]*y$') || event.data.order_id.matches('^(x|z)*y')"
    subscription = filtered(shop, text)
    reading = asyncio.ensure_future(subscription.until("caught_up"))
    loop, longest, answered = asyncio.get_running_loop(), 0.0, 0
    while not reading.done():
        asked = loop.time()
        await shop.topic(PAYMENTS)
        longest, answered = max(longest, loop.time() - asked), answered + 1
    events, _ = await reading
    assert not events
    assert answered > 20
    assert longest < 0.3


SLOW = f"[{', '.join(['1'] * 190)}].map(x, x + 1).exists(x, x == event.data.amount_cents)"
"""A filter that takes some milliseconds an event."""


async def test_a_slow_filter_does_not_silence_its_stream(shop: Shop) -> None:
    """Heartbeats come at their interval also while a filter works on one batch for many times as long."""
    await stock(shop, *[0] * 1_000)
    subscription = filtered(shop, SLOW, heartbeat_interval=OFTEN)
    await subscription.next("opened")
    loop, beats, longest = asyncio.get_running_loop(), 0, 0.0
    heard = loop.time()
    while (frame := await subscription.frame()) and frame.WhichOneof("frame") == "heartbeat":
        assert (frame.heartbeat.position, frame.heartbeat.head_sequence) == (0, 1_000)
        assert frame.heartbeat.lag_batches == 1
        longest, heard, beats = max(longest, loop.time() - heard), loop.time(), beats + 1
    assert frame is not None
    assert frame.caught_up.position == 1_000
    assert beats >= 3
    assert longest < 1.0


async def test_a_slow_filter_does_not_hold_up_a_stopping_gateway(start_shop: StartShop) -> None:
    """A gateway that stops while a filter works says Draining at once, with the position before the page."""
    async with start_shop() as shop:
        await stock(shop, *[0] * 5_000)
        subscription = filtered(shop, SLOW, heartbeat_interval=OFTEN)
        await subscription.until("heartbeat")
        begun = asyncio.get_running_loop().time()
        await shop.gateway.__aexit__(None, None, None)
        assert asyncio.get_running_loop().time() - begun < 3
        _, draining = await subscription.until("draining")
        assert draining.position == 0


async def test_a_reader_that_falls_behind_is_told_and_told_when_it_is_back(shop: Shop) -> None:
    """FellBehind comes once, when what it reads lay there for over a second; then CaughtUp comes again."""
    subscription = shop.subscribe(ORDERS)
    await subscription.until("caught_up")
    large = [order("x" * 100)] * 8_000
    for _ in range(12):  # more than gRPC takes from a gateway whose reader does not read
        await shop.publish(batch(ORDERS, *large))
    await asyncio.sleep(1.2)
    events, fell_behind = await subscription.until("fell_behind")
    assert fell_behind.head_sequence == 96_000
    assert fell_behind.position == len(events)
    kinds = []
    while "caught_up" not in kinds:
        frame = await subscription.frame()
        assert frame is not None
        kinds.append(frame.WhichOneof("frame"))
    assert set(kinds) == {"batches", "caught_up"}


async def test_a_reader_that_keeps_up_is_never_told_that_it_is_behind(shop: Shop) -> None:
    """Large commits, one after another, are no reason to say anything to a reader that reads them."""
    subscription = shop.subscribe(ORDERS)
    await subscription.until("caught_up")
    large = batch(ORDERS, *[order("x" * 100)] * 8_000)
    kinds, seen = [], 0
    for _ in range(4):
        await shop.publish(large, large, large)
        while seen < 24_000:
            frame = await subscription.frame()
            assert frame is not None
            kinds.append(frame.WhichOneof("frame"))
            seen += len(events_of(frame))
        seen = 0
    assert set(kinds) == {"batches"}
    assert all(one == other for one, other in pairwise(kinds))
