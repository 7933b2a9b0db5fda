"""Groups over real sockets: who gets which event, what becomes of it, and what survives what."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from tidegate.v1 import dead_letter_pb2, subscription_pb2
from tidegate.v1 import event_service_pb2 as events_pb
from tidegate.v1 import group_service_pb2 as groups

from tests.group_desk import Desk
from tests.members import (
    BY_KEY,
    EARLIEST,
    NONE,
    PARK_KEY,
    Member,
    create_group,
    dead_letters,
    group_stats,
    group_stub,
    join,
    keyed,
    seconds,
)
from tests.shop import ORDERS, PATIENCE, Shop, batch, order, refusal, wait_until
from tests.test_client_connection import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    StartShop = Callable[..., AbstractAsyncContextManager[Shop]]

LATEST = events_pb.START_POSITION_LATEST
AT_ONCE = {"min_backoff": seconds(0), "max_backoff": seconds(0)}


async def test_a_key_waits_for_its_event_and_others_do_not(shop: Shop) -> None:
    """The next event of a key comes when the one before it is settled; other keys go on."""
    await create_group(shop, "g")
    await shop.publish(keyed(("a", "1"), ("a", "2"), ("b", "3"), ("", "4"), ("", "5")))
    member = await join(shop, "g")
    first = await member.events(4)
    assert sorted(event.sequence for event in first) == [1, 3, 4, 5]
    await member.nothing()
    answer = await member.ack(*(event for event in first if event.sequence == 1))
    assert (answer.applied_count, list(answer.late)) == (1, [])
    assert [(event.sequence, event.key) for event in await member.events(1)] == [(2, "a")]


async def test_without_order_batches_come_whole_and_are_settled_through(shop: Shop) -> None:
    """A group without an order is given batches as they are, and settles all up to one event at once."""
    await create_group(shop, "g", ordering=NONE)
    await shop.publish(batch(ORDERS, *map(order, "abcdef")))
    member = await join(shop, "g")
    events = await member.events(6)
    assert [event.sequence for event in events] == [1, 2, 3, 4, 5, 6]
    assert (await member.ack_through(events[3])).applied_count == 4
    stats = await group_stats(shop, "g")
    assert (stats.in_flight_events, stats.oldest_unsettled_sequence) == (2, 5)


async def test_a_broken_stream_gives_its_events_back_at_once(shop: Shop) -> None:
    """What a member had when its stream broke comes to another as a second attempt; its word is late then."""
    await create_group(shop, "g", lease=seconds(3600))
    await shop.publish(keyed(*[(f"k{n}", str(n)) for n in range(20)]))
    one = await join(shop, "g")
    had = await one.events(20)
    two = await join(shop, "g")
    await two.nothing()
    one.leave()
    got = await two.events(20)
    assert {event.sequence for event in got} == {event.sequence for event in had}
    assert {event.attempt for event in got} == {2}
    answer = await one.ack(*had)
    assert (answer.applied_count, [(span.first, span.last) for span in answer.late]) == (0, [(1, 20)])
    await two.ack(*got)
    answer = await one.ack(*had)
    assert [(span.first, span.last) for span in answer.settled_before] == [(1, 20)]


async def test_a_silent_member_loses_its_events_and_is_told(shop: Shop) -> None:
    """A lease that ends without a word gives the events to others, and the member a warning."""
    await create_group(shop, "g", lease=seconds(0.3))
    silent, other = await join(shop, "g"), await join(shop, "g")
    await shop.publish(keyed(*[(f"k{n}", str(n)) for n in range(50)]))
    seen: dict[int, int] = {}
    while len(seen) < 50:
        (event,) = await other.events(1)
        seen[event.sequence] = event.attempt
        await other.ack(event)
    assert set(seen.values()) == {1, 2}
    warning = await silent.until("warning")
    assert warning.kind == subscription_pb2.WARNING_KIND_LEASE_EXPIRED
    assert warning.event_count == sum(attempt == 2 for attempt in seen.values())
    stats = await group_stats(shop, "g")
    assert [member.silent for member in stats.members if member.member_id == silent.id] == [True]


async def test_an_extended_lease_holds(shop: Shop) -> None:
    """Who extends the lease of an event keeps it for as long as it goes on, and no longer."""
    await create_group(shop, "g", lease=seconds(0.5))
    await shop.publish(keyed(("a", "1")))
    member = await join(shop, "g")
    (event,) = await member.events(1)
    other = await join(shop, "g")
    for _ in range(6):
        await asyncio.sleep(0.2)
        assert (await member.say("extend", [event])).applied_count == 1
    (again,) = await other.events(1)
    assert (again.sequence, again.attempt) == (1, 2)
    assert (await member.say("extend", [event])).applied_count == 0


async def test_failed_events_come_again_and_end_as_dead_letters(shop: Shop) -> None:
    """An event that fails max_attempts times is a dead letter with every attempt; its key goes on."""
    await create_group(shop, "g", retry={"max_attempts": 3, **AT_ONCE})
    await shop.publish(keyed(("a", "1"), ("a", "2")))
    member = await join(shop, "g", reader={"client_name": "billing"})
    for attempt in (1, 2, 3):
        (event,) = await member.events(1)
        assert (event.sequence, event.attempt) == (1, attempt)
        await member.say("nack", [event], reason=f"no {attempt}")
    (event,) = await member.events(1)
    assert (event.sequence, event.attempt) == (2, 1)
    await member.say("reject", [event], reason="never")

    async def both() -> bool:
        return len(await dead_letters(shop, "g")) == 2

    await wait_until(both)
    first, second = await dead_letters(shop, "g")
    assert (first.sequence, first.cause) == (1, dead_letter_pb2.DEAD_LETTER_CAUSE_MAX_ATTEMPTS)
    assert [each.reason for each in first.attempts] == ["no 1", "no 2", "no 3"]
    assert {each.client_name for each in first.attempts} == {"billing"}
    assert first.batch.events[0].data == order("1")
    assert (second.sequence, second.cause) == (2, dead_letter_pb2.DEAD_LETTER_CAUSE_REJECTED)
    assert (await group_stats(shop, "g")).dead_letter_count == 2


async def test_one_poison_event_parks_its_key_and_nothing_else(shop: Shop) -> None:
    """Of 100 keys with one poison event 99 flow to the end; the parked one goes on in order when released."""
    keys, rounds = [f"k{n}" for n in range(100)], 10
    pairs = [(key, f"{key}.{turn}") for turn in range(rounds) for key in keys]
    await create_group(shop, "g", retry={"max_attempts": 2, **AT_ONCE}, dead_letters=PARK_KEY)
    for at in range(0, len(pairs), 250):
        await shop.publish(keyed(*pairs[at : at + 250]))
    member = await join(shop, "g")
    done: dict[str, list[bytes]] = {key: [] for key in keys}
    poison = order("k7.3")
    while sum(map(len, done.values())) < 99 * rounds + 3:
        (event,) = await member.events(1)
        if event.data == poison:
            await member.say("nack", [event], reason="poison")
        else:
            done[event.key].append(event.data)
            await member.ack(event)
    stats = await group_stats(shop, "g")
    assert [(parked.key, parked.reason) for parked in stats.parked_keys] == [("k7", "poison")]
    await member.nothing()
    await group_stub(shop).ReleaseKey(groups.ReleaseKeyRequest(group="g", key="k7"))
    while sum(map(len, done.values())) < 100 * rounds:
        (event,) = await member.events(1)
        done[event.key].append(event.data)
        await member.ack(event)
    assert done == {key: [order(f"{key}.{turn}") for turn in range(rounds)] for key in keys}
    assert await dead_letters(shop, "g") == []


@pytest.mark.parametrize("ordering", [BY_KEY, NONE])
async def test_what_kills_each_consumer_takes_nothing_along(shop: Shop, ordering: Any) -> None:
    """An event that each consumer dies of ends as the only dead letter: what was beside it is settled."""
    await create_group(shop, "g", ordering=ordering, retry={"max_attempts": 3, **AT_ONCE})
    await shop.publish(keyed(*[(f"k{n}", str(n)) for n in range(40)]))
    poison, settled = 17, set[int]()

    async def is_over() -> bool:
        return len(settled) == 39 and bool(await dead_letters(shop, "g"))

    while not await is_over():
        member = await join(shop, "g")
        while not await is_over():
            stats = await group_stats(shop, "g")
            events = await member.events(max(1, stats.in_flight_events))
            if poison in {event.sequence for event in events}:
                break
            await member.ack(*events)
            settled |= {event.sequence for event in events}
        member.leave()
        await wait_until(lambda: nobody(shop))
    (letter,) = await dead_letters(shop, "g")
    assert (letter.sequence, len(letter.attempts)) == (poison, 3)
    assert settled == set(range(1, 41)) - {poison}


async def test_a_group_full_of_events_that_wait_says_so(shop: Shop) -> None:
    """When all that a group may hold failed and waits for long, it tells that, and goes on when moved."""
    await create_group(shop, "g", ordering=NONE, max_in_flight=100_000, max_in_flight_per_member=100_000)
    for _ in range(11):
        await shop.publish(batch(ORDERS, *[order("x")] * 10_000))
    member = await join(shop, "g")
    failed = 0
    while failed < 100_000:
        events = await member.events(1)
        events += await member.events(9_999)
        failed += (await member.say("nack", events, delay=seconds(3_600))).applied_count
    stats = await group_stats(shop, "g")
    assert (stats.retrying_events, stats.lag_events) == (100_000, 110_000)
    assert "wait for the next attempt" in stats.stalled
    assert "100,000" in stats.stalled
    seek = groups.SeekGroupRequest(name="g", start_position=events_pb.START_POSITION_LATEST)
    await group_stub(shop).SeekGroup(seek)
    assert not (await group_stats(shop, "g")).stalled


async def nobody(shop: Shop) -> bool:
    """Whether the group has no members."""
    return not (await group_stats(shop, "g")).members


async def test_a_group_with_too_many_parked_keys_stalls_and_says_so(shop: Shop) -> None:
    """With 10,000 parked keys a group gives nothing out, says so to all, and goes on once one is released."""
    most = 10_000
    await create_group(shop, "g", max_in_flight_per_member=most, dead_letters=PARK_KEY)
    for at in range(0, most, 2_000):
        await shop.publish(keyed(*[(f"k{n}", str(n)) for n in range(at, at + 2_000)]))
    member = await join(shop, "g")
    events = await member.events(most)
    await member.say("reject", events[1:], reason="no")
    assert (await group_stats(shop, "g")).stalled == ""
    await member.say("reject", events[:1], reason="no")
    await shop.publish(keyed(("another", "1")))
    warning = await member.until("warning")
    assert (warning.kind, "10,000 keys are parked" in warning.message) == (
        subscription_pb2.WARNING_KIND_GROUP_STALLED,
        True,
    )
    await member.nothing()
    stats = await group_stats(shop, "g")
    assert (stats.parked_key_count, len(stats.parked_keys), stats.in_flight_events) == (most, 100, 0)
    assert "10,000 keys are parked" in stats.stalled
    await group_stub(shop).SkipEvent(groups.SkipEventRequest(group="g", sequence=events[0].sequence))
    (event,) = await member.events(1)
    assert event.key == "another"
    assert (await group_stats(shop, "g")).stalled == ""


async def test_how_far_a_group_is_behind_is_told(shop: Shop) -> None:
    """GetGroup tells what is not settled in events and seconds, by its oldest, whether it was read or not."""
    await create_group(shop, "g")
    await shop.publish(keyed(("a", "1"), ("a", "2")))
    await asyncio.sleep(0.4)
    await shop.publish(keyed(("b", "3"), ("c", "4"), ("c", "5")))

    async def told() -> tuple[int, int, int, bool]:
        stats = await group_stats(shop, "g")
        lag = stats.lag.ToNanoseconds() / 1e9
        return stats.lag_events, stats.oldest_unsettled_sequence, stats.in_flight_events, 0.4 < lag < PATIENCE

    assert await told() == (5, 1, 0, True)
    member = await join(shop, "g")
    first = {event.sequence: event for event in await member.events(3)}
    assert await told() == (5, 1, 3, True)
    await member.ack(first[3], first[4])
    await member.events(1)
    assert await told() == (3, 1, 2, True)
    await member.ack(first[1])
    (second,) = await member.events(1)
    await member.ack(second)
    assert await told() == (1, 5, 1, False)
    await member.ack_through(second._replace(sequence=5, epoch=second.epoch))
    assert await told() == (0, 0, 0, False)


async def test_the_lag_counts_what_waits_behind_a_key(shop: Shop) -> None:
    """Events of a key that are too many to be held are counted one by one, also when a move is tried."""
    await create_group(shop, "g")
    for _ in range(3):
        await shop.publish(keyed(*[("a", str(number)) for number in range(1_000)]))
    await shop.publish(keyed(("b", "1")))
    member = await join(shop, "g")
    one, other = await member.events(2)
    stats = await group_stats(shop, "g")
    assert (stats.position, stats.lag_events) == (3_001, 3_001)
    await member.ack(one, other)
    await member.events(1)
    assert (await group_stats(shop, "g")).lag_events == 2_999
    desk = Desk(shop)
    assert (await desk.seek("g", start_position=LATEST, dry_run=True)).skipped_events == 2_999
    assert (await desk.seek("g", start_position=EARLIEST, dry_run=True)).repeated_events == 2


async def test_of_very_many_only_some_are_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """GetGroup lists so many members and failed events, and counts all that failed."""
    monkeypatch.setattr("gateway.groups.report.MEMBERS_TOLD", 2)
    monkeypatch.setattr("gateway.groups.report.RETRYING_TOLD", 3)
    await create_group(shop, "g")
    await shop.publish(keyed(*[(f"k{n}", str(n)) for n in range(5)]))
    member = await join(shop, "g", max_in_flight=5)
    await member.say("nack", await member.events(5), reason="no", delay=seconds(3600))
    members = [member.id, *[(await join(shop, "g")).id for _ in range(3)]]
    stats = await group_stats(shop, "g")
    assert [each.member_id for each in stats.members] == sorted(members)[:2]
    assert ([each.sequence for each in stats.retrying], stats.retrying_events) == ([1, 2, 3], 5)


async def test_what_is_acknowledged_survives_a_restart(start_shop: StartShop) -> None:
    """After a restart the group goes on where it was: nothing settled comes again, nothing else is lost."""
    settled: set[int] = set()
    async with start_shop() as shop:
        await create_group(shop, "g", retry={"max_attempts": 5, **AT_ONCE})
        await shop.publish(keyed(*[(f"k{n % 30}", str(n)) for n in range(300)]))
        member = await join(shop, "g")
        for _ in range(100):
            (event,) = await member.events(1)
            if event.sequence % 7 == 0 and event.attempt == 1:
                await member.say("nack", [event], reason="once")
            else:
                await member.ack(event)
                settled.add(event.sequence)
    async with start_shop() as shop:
        member = await join(shop, "g")
        order_of_key: dict[str, int] = {}
        while len(settled) < 300:
            (event,) = await member.events(1)
            assert event.sequence not in settled
            assert order_of_key.get(event.key, 0) < event.sequence
            order_of_key[event.key] = event.sequence
            settled.add(event.sequence)
            await member.ack(event)
        await member.until("caught_up")
        stats = await group_stats(shop, "g")
        assert (stats.lag_events, stats.oldest_unsettled_sequence, stats.position) == (0, 0, 300)


async def test_members_come_and_go_and_no_key_is_reordered(shop: Shop) -> None:
    """While members join, leave and break, each key's events are settled in order, each once."""
    await create_group(shop, "g", lease=seconds(30))
    pairs = [(f"k{n % 40}", str(n)) for n in range(2_000)]
    settled: dict[str, list[int]] = {}
    done = asyncio.Event()

    async def work(lives: int) -> None:
        member = await join(shop, "g", max_in_flight=25)
        for _ in range(lives):
            (event,) = await member.events(1)
            if (await member.ack(event)).applied_count:
                settled.setdefault(event.key, []).append(event.sequence)
            if sum(map(len, settled.values())) == len(pairs):
                done.set()
        member.leave()

    async def keep_working(number: int) -> None:
        for life in itertools.count():
            await work(20 + 13 * ((number + life) % 5))

    workers = [asyncio.create_task(keep_working(number)) for number in range(6)]
    for at in range(0, len(pairs), 200):
        await shop.publish(keyed(*pairs[at : at + 200]))
    async with asyncio.timeout(60):
        await done.wait()
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    assert settled == {f"k{k}": [n + 1 for n in range(2_000) if n % 40 == k] for k in range(40)}


@pytest.mark.parametrize("seed", range(2))
async def test_streams_that_are_cut_in_a_frame_lose_and_reorder_nothing(shop: Shop, seed: int) -> None:
    """Over connections cut in the middle of frames, each event is settled once, in the order of its key."""
    chance, keys, count = random.Random(seed), 30, 1_500
    await create_group(shop, "g", retry={"max_attempts": 1_000})
    pairs = [(f"k{n % keys}", f"{n:04}" * 30) for n in range(count)]
    for at in range(0, count, 300):
        await shop.publish(keyed(*pairs[at : at + 300]))
    settled: dict[str, list[int]] = {f"k{key}": [] for key in range(keys)}
    done = asyncio.Event()

    async def work(address: str) -> None:
        async with grpc.aio.insecure_channel(address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            member = await Member(channel, "g", max_in_flight=20).open()
            while True:
                (event,) = await member.events(1)
                # Said over a connection that holds, so that each answer is heard.
                said = {"lease_epoch": event.epoch, "sequences": {"singles": [event.sequence]}, "ack": {}}
                if (await Desk(shop).acknowledge(member.id, said, name="g")).applied_count:
                    settled[event.key].append(event.sequence)
                if sum(map(len, settled.values())) == count:
                    done.set()

    async def keep_working(address: str) -> None:
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError, AssertionError):
                await work(address)

    async with Proxy() as proxy:
        proxy.target = shop.gateway.address
        proxy.cut_after = lambda: chance.randrange(2_000, 30_000)
        workers = [asyncio.create_task(keep_working(proxy.address)) for _ in range(4)]
        try:
            await asyncio.wait_for(done.wait(), 60)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
    assert proxy.connections > 20
    assert settled == {f"k{key}": [n + 1 for n in range(count) if n % keys == key] for key in range(keys)}
    stats = await group_stats(shop, "g")
    assert (stats.lag_events, stats.dead_letter_count) == (0, 0)


async def test_flow_is_bounded_by_what_a_member_may_have(shop: Shop) -> None:
    """A member has at most max_in_flight events, and the group as many as it may, whatever waits."""
    await create_group(shop, "g", ordering=NONE, max_in_flight=15)
    await shop.publish(batch(ORDERS, *[order(str(n)) for n in range(100)]))
    one, two = await join(shop, "g", max_in_flight=10), await join(shop, "g", max_in_flight=10)
    both = [asyncio.ensure_future(each.events(5)) for each in (one, two)]
    got = await asyncio.gather(*both)
    assert sum(map(len, got)) == 10
    stats = await group_stats(shop, "g")
    assert stats.in_flight_events == 15
    assert all(member.in_flight_events <= 10 for member in stats.members)


async def test_a_group_is_made_by_the_first_who_names_it(shop: Shop) -> None:
    """The first Subscribe makes the group as it says; one that says something else is told what differs."""
    await shop.place("a")
    member = await Member(
        shop.channel, "made", topics=[ORDERS], start_position=EARLIEST, group_settings={"lease": seconds(7)}
    ).open()
    assert (member.opened.lease.seconds, member.opened.max_in_flight) == (7, 1_000)
    assert len(await member.events(1)) == 1
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await Member(shop.channel, "made", topics=["shop.>"]).open()
    refusal_ = refusal(refused.value)
    assert (refusal_.reason, refusal_.facts["field"]) == ("GROUP_DIFFERS", "topics")
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await Member(shop.channel, "unmade").open()
    assert refusal(refused.value).reason == "GROUP_NOT_FOUND"


async def test_the_first_who_names_a_group_says_where_it_starts(shop: Shop) -> None:
    """A group that Subscribe makes, or CreateGroup, begins where that says, and at the head by default."""
    await shop.publish(keyed(("a", "1"), ("b", "2")))
    await asyncio.sleep(0.02)
    between = Timestamp()
    between.FromNanoseconds(time.time_ns())
    await asyncio.sleep(0.02)
    await shop.publish(keyed(("c", "3")))
    for number, (start, first) in enumerate(
        (
            ({"start_position": EARLIEST}, 1),
            ({"from_sequence": 2}, 2),
            ({"from_time": between}, 3),
            ({"from_sequence": 4}, 4),
            ({"start_position": LATEST}, 4),
            ({}, 4),
        )
    ):
        made = {"name": f"made{number}", "topics": [ORDERS]}
        await group_stub(shop).CreateGroup(groups.CreateGroupRequest(group=made, **start))
        assert (await group_stats(shop, f"made{number}")).position == first - 1
        member = await Member(shop.channel, f"named{number}", topics=[ORDERS], **start).open()
        assert member.opened.position == first - 1
        if first < 4:
            got = await member.events(4 - first)
            assert sorted(event.sequence for event in got) == list(range(first, 4))
        await member.nothing(0.05)


async def test_a_thousand_members_share_the_work(shop: Shop) -> None:
    """With a thousand members each event is settled once, and those who leave are not missed."""
    await create_group(shop, "g")
    async with grpc.aio.insecure_channel(shop.gateway.address) as other:
        members = [Member(channel, "g") for channel in (shop.channel, other) for _ in range(500)]
        await asyncio.gather(*(member.open() for member in members))
        for member in members[::10]:
            member.leave()
        for at in range(0, 3_000, 500):
            await shop.publish(keyed(*[(f"k{n}", str(n)) for n in range(at, at + 500)]))
        settled: list[int] = []
        done = asyncio.Event()

        async def work(member: Member) -> None:
            while not done.is_set():
                (event,) = await member.events(1)
                await member.ack(event)
                settled.append(event.sequence)
                if len(settled) == 3_000:
                    done.set()

        workers = [asyncio.create_task(work(member)) for number, member in enumerate(members) if number % 10]
        async with asyncio.timeout(PATIENCE * 2):
            await done.wait()
        assert sorted(settled) == list(range(1, 3_001))
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)


async def test_a_member_of_a_deleted_group_is_told(shop: Shop) -> None:
    """The streams of a group's members end with GROUP_NOT_FOUND when it is deleted."""
    await create_group(shop, "g")
    member = await join(shop, "g")
    await group_stub(shop).DeleteGroup(groups.DeleteGroupRequest(name="g", force=True))
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        await member.events(1)
    assert refusal(ended.value).reason == "GROUP_NOT_FOUND"


async def test_a_stopping_gateway_tells_its_members(start_shop: StartShop) -> None:
    """A draining gateway tells members to come back, and what they had is no failed attempt."""
    async with start_shop() as shop:
        await create_group(shop, "g", ordering=BY_KEY)
        await shop.publish(keyed(("a", "1"), ("b", "2")))
        member = await join(shop, "g")
        await member.events(2)
        stopping = asyncio.create_task(shop.gateway._drain())
        draining = await member.until("draining")
        assert draining.reconnect_after.seconds >= 1
        await stopping
    async with start_shop() as shop:
        member = await join(shop, "g")
        assert {event.attempt for event in await member.events(2)} == {1}
