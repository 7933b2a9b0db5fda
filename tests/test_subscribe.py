"""Subscribe: where streams start and end, what they leave out, and what they say of themselves."""

from __future__ import annotations

import asyncio
import itertools
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tidegate.v1 import event_service_pb2 as pb

from tests.shop import (
    NEVER,
    ORDERS,
    PAID,
    PATIENCE,
    PAYMENTS,
    RETURNS,
    Delivered,
    Shop,
    batch,
    events_of,
    order,
    refusal,
    refused,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    StartShop = Callable[..., AbstractAsyncContextManager[Shop]]

EARLIEST, LATEST = pb.START_POSITION_EARLIEST, pb.START_POSITION_LATEST
SKIP = pb.ON_GAP_SKIP
OFTEN = Duration(nanos=100_000_000)


async def stock(shop: Shop) -> list[Delivered]:
    """Ten events: 1-3 and 7-9 of orders, 4-6 of payments, 10 of returns."""
    for topic, names in ((ORDERS, "abc"), (PAYMENTS, "def"), (ORDERS, "ghi"), (RETURNS, "j")):
        await shop.place(*names, topic=topic)
    topics = [ORDERS] * 3 + [PAYMENTS] * 3 + [ORDERS] * 3 + [RETURNS]
    return [
        Delivered(sequence, topic, order(name))
        for sequence, topic, name in zip(range(1, 11), topics, "abcdefghij", strict=True)
    ]


async def test_earliest_then_live(shop: Shop) -> None:
    """EARLIEST delivers what is kept, says CaughtUp once, and goes on with what is appended."""
    stored = await stock(shop)
    subscription = shop.subscribe(">", start_position=EARLIEST)
    opened = await subscription.next("opened")
    assert (opened.position, opened.head_sequence) == (0, 10)
    assert opened.heartbeat_interval == NEVER
    events, caught_up = await subscription.until("caught_up")
    assert (events, caught_up.position) == (stored, 10)
    await shop.place("k")
    frame = await subscription.frame()
    assert frame is not None
    assert frame.batches.batches[0].first_sequence == 11


@pytest.mark.parametrize(
    "start", [{"start_position": LATEST}, {}, {"start_position": pb.START_POSITION_UNSPECIFIED}]
)
async def test_latest_is_what_comes_from_now_on(shop: Shop, start: dict[str, Any]) -> None:
    """LATEST, which is also the default, delivers just what is appended after Opened."""
    await stock(shop)
    subscription = shop.subscribe(ORDERS, **start)
    assert (await subscription.next("opened")).position == 10
    await shop.place("k", topic=PAYMENTS)
    await shop.place("l")
    assert await subscription.events(1) == [(12, ORDERS, order("l"))]


async def test_a_sequence_is_where_it_starts(shop: Shop) -> None:
    """from_sequence starts just there, also in the middle of a batch and just behind the head."""
    stored = await stock(shop)
    for first in range(1, 12):
        subscription = shop.subscribe(">", from_sequence=first)
        assert (await subscription.next("opened")).position == first - 1
        events, _ = await subscription.until("caught_up")
        assert events == stored[first - 1 :]


async def test_an_end_is_where_it_ends(shop: Shop) -> None:
    """end_sequence is the last one delivered, also in the middle of a batch; then the stream is OK."""
    stored = await stock(shop)
    for first, last in itertools.combinations_with_replacement(range(1, 11), 2):
        subscription = shop.subscribe(">", from_sequence=first, end_sequence=last)
        await subscription.next("opened")
        events = [event for frame in await subscription.rest() for event in events_of(frame)]
        assert events == stored[first - 1 : last]


async def test_an_end_may_lie_in_the_future(shop: Shop) -> None:
    """A stream whose end is still to come goes on live, cuts the batch there and ends."""
    await stock(shop)
    subscription = shop.subscribe(ORDERS, end_sequence=12)
    await subscription.next("opened")
    await shop.place("k", "l", "m", "n")
    assert [event for frame in await subscription.rest() for event in events_of(frame)] == [
        (11, ORDERS, order("k")),
        (12, ORDERS, order("l")),
    ]


async def test_an_end_among_other_topics_ends_the_stream(shop: Shop) -> None:
    """A stream ends at its end also if the event there is of a topic that it leaves out."""
    stored = await stock(shop)
    subscription = shop.subscribe(PAYMENTS, start_position=EARLIEST, end_sequence=8)
    await subscription.next("opened")
    assert [event for frame in await subscription.rest() for event in events_of(frame)] == stored[3:6]


async def test_a_time_is_where_it_starts(shop: Shop) -> None:
    """from_time starts at the first event that was appended then or later, to the nanosecond."""
    await stock(shop)
    subscription = shop.subscribe(">", start_position=EARLIEST, end_sequence=10)
    batches = [found for frame in await subscription.rest() for found in frame.batches.batches]
    times = [found.append_time.ToNanoseconds() for found in batches]
    for found, moment in zip(batches, times, strict=True):
        first = next(b.first_sequence for b, t in zip(batches, times, strict=True) if t >= moment)
        assert await _first_from(shop, moment) == first <= found.first_sequence
        behind = [b.first_sequence for b, t in zip(batches, times, strict=True) if t >= moment + 1]
        assert await _first_from(shop, moment + 1) == (behind[0] if behind else None)
    assert await _first_from(shop, 0) == 1


async def _first_from(shop: Shop, moment: int) -> int | None:
    from_time = Timestamp()
    from_time.FromNanoseconds(moment)
    subscription = shop.subscribe(">", from_time=from_time)
    events, _ = await subscription.until("caught_up")
    subscription.call.cancel()
    return events[0].sequence if events else None


async def test_a_time_in_the_future_is_waited_for(shop: Shop) -> None:
    """from_time in the future passes over what is appended before it; the last years there are count too."""
    soon = Timestamp()
    soon.FromNanoseconds(time.time_ns() + 600_000_000)
    subscription = shop.subscribe(ORDERS, from_time=soon)
    await subscription.next("opened")
    far = shop.subscribe(ORDERS, from_time=Timestamp(seconds=253_402_300_799))
    assert (await far.next("opened")).position == 0
    published = 0
    while time.time_ns() < soon.ToNanoseconds() + 50_000_000:
        published = await shop.place("x")
    (first, *_) = await subscription.events(1)
    assert 1 < first.sequence <= published


@pytest.mark.parametrize(
    ("patterns", "wanted"),
    [
        (["shop.*"], {ORDERS, PAYMENTS, "shop.late"}),
        (["shop.>"], {ORDERS, PAYMENTS, RETURNS, "shop.late", "shop.eu.late"}),
        (["shop.*.late", "shop.payments"], {PAYMENTS, "shop.eu.late"}),
        (["*.*.returns", "shop.*.returns", RETURNS], {RETURNS}),
        ([ORDERS, PAYMENTS], {ORDERS, PAYMENTS}),
        ([">"], {ORDERS, PAYMENTS, RETURNS, "shop.late", "shop.eu.late"}),
    ],
)
async def test_patterns_match_also_topics_that_come_later(
    shop: Shop, patterns: list[str], wanted: set[str]
) -> None:
    """A subscription delivers just the topics that a name or pattern matches, each event once."""
    await stock(shop)
    subscription = shop.subscribe(
        *patterns, start_position=EARLIEST, end_sequence=12, heartbeat_interval=OFTEN
    )
    history, _ = await subscription.until("caught_up")
    for topic in ("shop.late", "shop.eu.late"):
        await shop.create_topic(topic)
        await shop.place("x", topic=topic)
    live = [event for frame in await subscription.rest() for event in events_of(frame)]
    everything = await shop.everything()
    assert history + live == [event for event in everything if event.topic in wanted]


async def test_other_types_are_passed_over(shop: Shop) -> None:
    """A subscription with types delivers their batches only, and its position passes the others."""
    await shop.publish(
        batch(ORDERS, order("a")), batch(ORDERS, order("b"), type=PAID), batch(ORDERS, order("c"))
    )
    subscription = shop.subscribe(ORDERS, start_position=EARLIEST, types=[PAID])
    events, caught_up = await subscription.until("caught_up")
    assert (events, caught_up.position) == ([(2, ORDERS, order("b"))], 3)
    await shop.publish(batch(ORDERS, order("d")), batch(ORDERS, order("e"), type=PAID))
    assert await subscription.events(1) == [(5, ORDERS, order("e"))]


async def test_heartbeats_come_at_their_interval(shop: Shop) -> None:
    """Heartbeats come at their interval, with events flowing or not, and pass what is left out."""
    subscription = shop.subscribe(ORDERS, heartbeat_interval=OFTEN)
    assert (await subscription.next("opened")).heartbeat_interval.nanos == 100_000_000
    await subscription.next("caught_up")
    begun = time.monotonic()
    for _ in range(5):
        beat = await subscription.next("heartbeat")
        assert (beat.position, beat.head_sequence, beat.lag_batches) == (0, 0, 0)
        assert beat.lag.ToNanoseconds() == 0
        assert abs(beat.time.ToNanoseconds() / 1e9 - time.time()) < 5
    assert 0.4 <= time.monotonic() - begun < 5
    await shop.place("a", "b", topic=PAYMENTS)
    beats = [await subscription.next("heartbeat") for _ in range(2)]
    assert (beats[1].position, beats[1].head_sequence, beats[1].lag_batches) == (2, 2, 0)


async def test_a_reader_behind_is_told_its_lag(shop: Shop) -> None:
    """Heartbeats of a reader that is behind say by how much, counted from when it was last at the head."""
    subscription = shop.subscribe(PAYMENTS, heartbeat_interval=OFTEN)
    await shop.place("first", topic=PAYMENTS)
    for _ in range(6):  # a time without events, which is no lag
        await subscription.until("heartbeat")
    begun = time.time()
    for _ in range(20):
        await shop.publish(batch(PAYMENTS, *[order("x" * 100)] * 5_000))
    await asyncio.sleep(0.2)
    seen, beats = 0, []
    while seen < 100_000:
        frame = await subscription.frame()
        assert frame is not None
        seen += len(events_of(frame))
        beats += [frame.heartbeat] if frame.WhichOneof("frame") == "heartbeat" else []
    _, last = await subscription.until("heartbeat")
    behind = [beat for beat in beats if beat.lag_batches]
    assert behind
    for beat in behind:
        assert beat.position < beat.head_sequence
        assert 0 < beat.lag.ToNanoseconds() / 1e9 < beat.time.ToNanoseconds() / 1e9 - begun + 0.15
    assert (last.position, last.lag_batches, last.lag.ToNanoseconds()) == (100_001, 0, 0)


async def test_caught_up_comes_once_each_time(shop: Shop) -> None:
    """CaughtUp comes once when the head is reached, and not again while the reader stays there."""
    await stock(shop)
    subscription = shop.subscribe(">", start_position=EARLIEST, heartbeat_interval=OFTEN)
    await subscription.until("caught_up")
    kinds = []
    for _ in range(4):
        await shop.place("x")
        frame = await subscription.frame()
        assert frame is not None
        kinds.append(frame.WhichOneof("frame"))
    assert "caught_up" not in kinds


BAD_SUBSCRIPTIONS: dict[str, tuple[dict[str, Any], str, str, str, str]] = {
    "no topics": ({"topics": []}, "INVALID_ARGUMENT", "INVALID_REQUEST", "topics", "at least one"),
    "an unknown topic": ({"topics": ["shop.ordres"]}, "NOT_FOUND", "TOPIC_NOT_FOUND", "", "shop.orders"),
    "a malformed pattern": (
        {"topics": [ORDERS, "shop.>.x"]},
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        "topics[1]",
        "levels",
    ),
    "an empty topic": ({"topics": [""]}, "INVALID_ARGUMENT", "INVALID_REQUEST", "topics[0]", "levels"),
    "a sequence in the future": (
        {"from_sequence": 12},
        "OUT_OF_RANGE",
        "SEQUENCE_OUT_OF_RANGE",
        "from_sequence",
        "is 11",
    ),
    "a sequence beyond all": (
        {"from_sequence": 2**64 - 1},
        "OUT_OF_RANGE",
        "SEQUENCE_OUT_OF_RANGE",
        "from_sequence",
        "is 11",
    ),
    "sequence 0": (
        {"from_sequence": 0},
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        "from_sequence",
        "at least 1",
    ),
    "an end before the start": (
        {"from_sequence": 6, "end_sequence": 5},
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        "end_sequence",
        "sequence 6",
    ),
    "an end before the latest": (
        {"end_sequence": 10},
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        "end_sequence",
        "sequence 11",
    ),
    "a heartbeat too often": (
        {"heartbeat_interval": Duration(nanos=99_000_000)},
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        "heartbeat_interval",
        "100 ms to 1 hour",
    ),
    "a heartbeat too seldom": (
        {"heartbeat_interval": Duration(seconds=3601)},
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        "heartbeat_interval",
        "100 ms to 1 hour",
    ),
    "a time that is none": (
        {"from_time": Timestamp(seconds=-1)},
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        "from_time",
        "1970",
    ),
    "an end of the log that is none": (
        {"start_position": 9},
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        "start_position",
        "9",
    ),
    "a type that can't be": (
        {"types": [PAID, "shop.v1.*"]},
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        "types[1]",
        "full message names",
    ),
    "a way with gaps that is none": ({"on_gap": 9}, "INVALID_ARGUMENT", "INVALID_REQUEST", "on_gap", "9"),
}


@pytest.mark.parametrize("case", BAD_SUBSCRIPTIONS)
async def test_bad_subscriptions_are_refused_clearly(shop: Shop, case: str) -> None:
    """Each bad request ends at once with its status, reason, field and words that say the bounds."""
    fields, code, reason, path, words = BAD_SUBSCRIPTIONS[case]
    await stock(shop)
    request = pb.SubscribeRequest(**{"topics": [ORDERS]} | fields)
    call = shop.stub.Subscribe(request)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await asyncio.wait_for(call.read(), PATIENCE)
    found = refusal(caught.value)
    assert (found.code, found.reason, "".join(found.fields)) == (code, reason, path)
    assert words in found.message


async def test_bytes_that_are_no_subscription_are_refused(shop: Shop) -> None:
    """Bytes that are no SubscribeRequest are INVALID_ARGUMENT."""
    call = shop.channel.unary_stream("/tidegate.v1.EventService/Subscribe")(b"\xff\xff")
    found = await refused(call.read())
    assert (found.code, found.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")


async def test_a_gap_is_said_or_fails_the_stream(shop: Shop) -> None:
    """Where retention removed events, ON_GAP_SKIP says so and goes on, ON_GAP_FAIL ends naming the range."""
    for name in "abcdef":
        await shop.place(name)
    await shop.place("p", topic=PAYMENTS)
    size = (await shop.topic(ORDERS)).stats.size_bytes
    through = await shop.keep(ORDERS, size // 2)
    assert 3 <= through <= 4

    skipping = shop.subscribe("shop.*", from_sequence=2, on_gap=SKIP)
    await skipping.next("opened")
    gap = await skipping.next("gap")
    assert (gap.first_sequence, gap.last_sequence, list(gap.topics)) == (2, through, [ORDERS])
    events, _ = await skipping.until("caught_up")
    assert [event.sequence for event in events] == list(range(through + 1, 8))

    failing = await shop.subscribe(ORDERS, from_sequence=2).refused()
    assert (failing.code, failing.reason) == ("OUT_OF_RANGE", "EVENTS_REMOVED")
    assert failing.facts["last_sequence"] == str(through)
    assert f"Start at {through + 1}" in failing.message

    kept = list(range(through + 1, 7))
    starts: list[tuple[dict[str, Any], list[int]]] = [
        ({"start_position": EARLIEST}, kept),
        ({"from_sequence": through + 1}, kept),
        ({"start_position": LATEST}, []),
    ]
    for start, wanted in starts:
        events, _ = await shop.subscribe(ORDERS, **start).until("caught_up")
        assert [event.sequence for event in events] == wanted
    events, _ = await shop.subscribe(PAYMENTS, from_sequence=1).until("caught_up")
    assert [event.sequence for event in events] == [7]


async def test_a_time_before_what_is_kept_is_a_gap(shop: Shop) -> None:
    """from_time before the oldest kept event is a gap; at or after it there is none."""
    before = Timestamp()
    before.FromNanoseconds(time.time_ns())
    for name in "abcd":
        await shop.place(name)
    through = await shop.keep(ORDERS, (await shop.topic(ORDERS)).stats.size_bytes // 2)
    assert (await shop.subscribe(ORDERS, from_time=before).refused()).reason == "EVENTS_REMOVED"
    subscription = shop.subscribe(ORDERS, from_time=before, on_gap=SKIP)
    await subscription.next("opened")
    assert (await subscription.next("gap")).last_sequence == through
    kept = (await subscription.next("batches")).batches[0]
    events, _ = await shop.subscribe(ORDERS, from_time=kept.append_time).until("caught_up")
    assert events[0].sequence == kept.first_sequence == through + 1


async def test_retention_by_age_leaves_gaps_too(shop: Shop) -> None:
    """Events older than a topic's max_age go, and a reader from before learns of it."""
    await shop.create_topic("shop.brief", retention={"max_age": Duration(seconds=1)})
    await shop.place("a", topic="shop.brief")

    async def gone() -> bool:
        return not (await shop.topic("shop.brief")).stats.event_count

    await wait_until(gone)
    stats = (await shop.topic("shop.brief")).stats
    assert (stats.last_sequence, stats.removed_through, stats.first_sequence) == (1, 1, 0)
    assert (await shop.subscribe("shop.brief", from_sequence=1).refused()).reason == "EVENTS_REMOVED"
    await shop.place("b", topic="shop.brief")
    events, _ = await shop.subscribe("shop.brief", start_position=EARLIEST).until("caught_up")
    assert [event.sequence for event in events] == [2]


@pytest.mark.parametrize("on_gap", [SKIP, pb.ON_GAP_FAIL])
async def test_retention_overtakes_a_slow_reader(start_shop: StartShop, on_gap: Any) -> None:
    """A reader that retention overtakes in mid-stream is told the gap, and gets everything outside of it."""
    async with start_shop(tail_bytes=64 * 1024) as shop:
        payload = order("x" * 100)
        await shop.publish(*[batch(ORDERS, *[payload] * 500)] * 10)
        slow = shop.subscribe(ORDERS, start_position=EARLIEST, on_gap=on_gap)
        await slow.next("opened")
        seen = await slow.events(500)
        for _ in range(12):  # far more than the stream's windows and pages hold
            await shop.publish(*[batch(ORDERS, *[payload] * 5000)] * 4)
        await shop.keep(ORDERS, 100_000)
        await shop.place("last")
        gaps, why = [], ""
        try:
            while seen[-1].data != order("last"):
                frame = await slow.frame()
                assert frame is not None
                gaps += [frame.gap] if frame.WhichOneof("frame") == "gap" else []
                seen += events_of(frame)
        except grpc.aio.AioRpcError as error:
            why = refusal(error).reason
        sequences = [event.sequence for event in seen]
        if on_gap == SKIP:
            (gap,) = gaps
            last = sequences[-1] + 1
            assert sequences == [*range(1, gap.first_sequence), *range(gap.last_sequence + 1, last)]
        else:
            assert (why, gaps) == ("EVENTS_REMOVED", [])
            assert sequences == list(range(1, len(sequences) + 1))


async def test_a_deleted_topic_ends_its_subscriptions(shop: Shop) -> None:
    """A subscription by name ends with TOPIC_NOT_FOUND when its topic is deleted; one by pattern goes on."""
    await stock(shop)
    named = shop.subscribe(ORDERS, heartbeat_interval=OFTEN)
    matching = shop.subscribe("shop.*")
    await named.next("opened")
    await matching.next("opened")
    await shop.delete_topic(ORDERS, force=True)
    assert (await named.refused()).reason == "TOPIC_NOT_FOUND"
    await shop.place("x", topic=PAYMENTS)
    assert await matching.events(1) == [(11, PAYMENTS, order("x"))]


async def test_a_draining_gateway_says_so(start_shop: StartShop) -> None:
    """A stopping gateway sends Draining with the reader's position, and ends with UNAVAILABLE."""
    async with start_shop() as shop:
        await stock(shop)
        subscriptions = [shop.subscribe(ORDERS, start_position=start) for start in (EARLIEST, LATEST)]
        for subscription in subscriptions:
            await subscription.until("caught_up")
        begun = time.monotonic()
        await shop.gateway.__aexit__(None, None, None)
        assert time.monotonic() - begun < 3
        for subscription in subscriptions:
            draining = await subscription.next("draining")
            assert draining.position == 10
            assert draining.reconnect_after.ToNanoseconds() > 0
            found = await subscription.refused()
            assert (found.code, found.reason) == ("UNAVAILABLE", "DRAINING")


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from([ORDERS, PAYMENTS, RETURNS]), st.integers(1, 4)),
        st.tuples(
            st.just("subscribe"),
            st.sampled_from([(ORDERS,), ("shop.*",), (">",), (ORDERS, RETURNS), ("shop.eu.>", PAYMENTS)]),
            st.one_of(st.sampled_from([EARLIEST, LATEST]), st.floats(0, 1)),
        ),
        st.tuples(st.just("pause"), st.sampled_from([0.0, 0.001, 0.004]), st.just(None)),
    ),
    min_size=3,
    max_size=25,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(_STEPS)
def test_every_subscriber_sees_its_events_once_and_in_order(module_shop: Any, steps: list[Any]) -> None:
    """However publishes and starts of subscriptions interleave, each sees just its events from its start on.

    History and live, from the file and from memory: nothing is skipped or repeated where they meet.
    """

    async def run(shop: Shop) -> None:
        calls, publishing = [], []
        for kind, what, how in [*steps, ("publish", ORDERS, 1)]:
            if kind == "publish":
                publishing.append(asyncio.ensure_future(shop.place(*"x" * how, topic=what)))
            elif kind == "pause":
                await asyncio.sleep(what)
            else:
                calls.append((what, shop.subscribe(*what, **await _start(shop, how))))
        await asyncio.gather(*publishing)
        end = await shop.head()
        await shop.publish(*(batch(topic, order("end")) for topic in (ORDERS, PAYMENTS, RETURNS)))
        everything = await shop.everything()
        for names, subscription in calls:
            opened = await subscription.next("opened")
            wanted = [
                e for e in everything if opened.position < e.sequence <= end and _matches(names, e.topic)
            ]
            seen = await _until_behind(subscription, end)
            assert [event for event in seen if event.sequence <= end] == wanted
            subscription.call.cancel()

    module_shop(run)


async def _start(shop: Shop, how: float) -> dict[str, Any]:
    """Where a subscription starts: at an end of the log, or so far into it."""
    if isinstance(how, float):
        return {"from_sequence": 1 + round(how * await shop.head())}
    return {"start_position": how}


def _matches(names: tuple[str, ...], topic: str) -> bool:
    deep = topic == RETURNS
    return (
        topic in names or ">" in names or ("shop.*" in names and not deep) or ("shop.eu.>" in names and deep)
    )


async def _until_behind(subscription: Any, end: int) -> list[Delivered]:
    seen: list[Delivered] = []
    while not seen or seen[-1].sequence <= end:
        seen += await subscription.events(1)
    return seen


async def test_an_event_far_back_in_a_large_commit_wakes_its_reader(start_shop: StartShop) -> None:
    """A reader at the head gets its event at once, also if thousands of others were committed with it."""
    async with start_shop(max_batches=5_000) as shop:
        subscription = shop.subscribe(PAYMENTS)
        await subscription.until("caught_up")
        await shop.publish(*[batch(ORDERS, order("x"))] * 4_000, batch(PAYMENTS, order("y")))
        assert await subscription.events(1) == [(4_001, PAYMENTS, order("y"))]
