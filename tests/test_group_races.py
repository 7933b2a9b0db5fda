"""Groups where two things meet: changes while the log is read, joins while a group goes, disks that fail."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from tidegate.v1 import group_service_pb2 as pb

from gateway.errors import GroupNotFound
from gateway.frames import Subscribing
from registry.errors import StorageFailed
from tests.group_desk import Desk
from tests.members import NONE, PARK_KEY, create_group, group_stats, join, keyed, seconds
from tests.shop import ORDERS, PAID, PAYMENTS, Shop, batch, order, refusal, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    StartShop = Callable[..., AbstractAsyncContextManager[Shop]]

G = "g"


class Log:
    """The log of a gateway, of which calls can be held up, or fail."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self.open = asyncio.Event()
        self.open.set()
        self.held = asyncio.Event()
        self.broken = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def bounds(self, *args: Any) -> Any:
        """Answers the bounds, once it may."""
        if not self.open.is_set():
            self.held.set()
            await self.open.wait()
        return await self._log.bounds(*args)

    async def read(self, *args: Any, **fields: Any) -> Any:
        """Reads, if nothing is broken."""
        if self.broken:
            raise StorageFailed("read", "the disk is gone")
        return await self._log.read(*args, **fields)


def runtime_of(shop: Shop) -> Any:
    """The group at work."""
    return shop.gateway._groups.get(G).runtime


async def test_a_change_of_topics_counts_for_what_is_being_read(shop: Shop) -> None:
    """Topics that are added while the group reads the log count from the position at which they were."""
    await create_group(shop, G, ORDERS)
    await shop.publish(batch(ORDERS, order("a")), batch(PAYMENTS, order("b"), type=PAID))
    feeder = runtime_of(shop)._feeder
    feeder._removed = None  # as after a restart: between reading and delivering it asks for the bounds
    log = feeder._log = Log(feeder._log)
    log.open.clear()
    member = await join(shop, G)
    await log.held.wait()  # what was read has orders alone
    await Desk(shop).update(["topics"], G, topics=[ORDERS, PAYMENTS])
    log.open.set()
    assert sorted(it.sequence for it in await member.events(2)) == [1, 2]


async def test_what_retention_takes_from_keys_that_wait_is_told(shop: Shop) -> None:
    """Events of a parked key that retention takes are told of as lost when the key is released."""
    await create_group(shop, G, dead_letters=PARK_KEY)
    for name in ("1", "2", "3"):
        await shop.publish(keyed(("a", name)))
    member = await join(shop, G)
    await member.say("reject", await member.events(1))
    await member.until("caught_up")
    await shop.publish(keyed(("b", "4")))
    await member.ack(*await member.events(1))
    through = await shop.keep(ORDERS, 1)
    assert through >= 3
    desk = Desk(shop)
    await desk.purge(G, all=True)
    await desk.stub.ReleaseKey(pb.ReleaseKeyRequest(group=G, key="a"))
    gap = await member.until("gap")
    assert gap.last_sequence >= 3
    assert (await group_stats(shop, G)).lost_through >= 3


async def test_what_retention_takes_before_anybody_reads_is_told(shop: Shop) -> None:
    """What a new group was to deliver and retention took first is told as lost; what went before is not."""
    await shop.publish(keyed(("a", "1")))
    await shop.publish(keyed(("a", "2")))
    removed = await shop.keep(ORDERS, 1)
    await create_group(shop, G)
    await shop.publish(keyed(("a", "3")), keyed(("b", "4")))
    through = await shop.keep(ORDERS, 1)
    assert through > removed
    member = await join(shop, G)
    gap = await member.until("gap")
    assert (gap.first_sequence > removed, gap.last_sequence) == (True, through)
    assert (await group_stats(shop, G)).lost_through == through


async def test_what_retention_takes_from_a_member_is_told(start_shop: StartShop) -> None:
    """Events that were a group's and are gone when it is to deliver them again are told to its members."""
    async with start_shop() as shop:
        await create_group(shop, G)
        for name in ("1", "2", "3"):
            await shop.publish(keyed(("a", name)))
        member = await join(shop, G)
        await member.events(1)
        through = await shop.keep(ORDERS, 1)
    async with start_shop() as shop:
        member = await join(shop, G)
        gap = await member.until("gap")
        assert (gap.first_sequence, gap.last_sequence, list(gap.topics)) == (1, through, [ORDERS])
        await member.until("caught_up")
        assert (await group_stats(shop, G)).lost_through == through


async def test_what_goes_with_a_topic_is_told(start_shop: StartShop) -> None:
    """Events that were a group's when their topic was deleted are told as lost, like those of retention."""
    async with start_shop() as shop:
        await create_group(shop, G)
        await shop.publish(keyed(("a", "1"), ("b", "2")))
        member = await join(shop, G)
        await member.events(2)
        await shop.delete_topic(ORDERS, force=True)
    async with start_shop() as shop:
        member = await join(shop, G)
        assert (await member.until("gap")).last_sequence == 2
        await member.until("caught_up")
        assert (await group_stats(shop, G)).lost_through == 2


async def test_who_joins_while_a_group_is_deleted_is_told(shop: Shop) -> None:
    """A member that found its group before it was deleted is told that it is gone, and nothing goes on."""
    await create_group(shop, G)
    runtime = runtime_of(shop)
    await Desk(shop).delete(G)
    with pytest.raises(GroupNotFound):
        async for _ in runtime.frames(Subscribing((ORDERS,), group=G)):
            pass
    assert runtime._feeding is None


async def test_a_member_that_does_not_read_keeps_nothing_from_others(shop: Shop) -> None:
    """What waits for a member that does not take it goes to others after a lease, and is no attempt."""
    await create_group(shop, G, lease=seconds(0.3))
    async with aclosing(runtime_of(shop).frames(Subscribing((ORDERS,), group=G))) as stuck:
        opened = await anext(stuck)
        other = await join(shop, G)
        await shop.publish(keyed(*[(f"k{number}", str(number)) for number in range(40)]))
        got = []
        while len(got) < 40:
            got += await other.events(1)
            await other.ack(got[-1])
        assert sorted((event.sequence, event.attempt) for event in got) == [(at, 1) for at in range(1, 41)]
        silent = {each.member_id for each in (await group_stats(shop, G)).members if each.silent}
        assert silent == {opened.member_id}


async def test_a_log_that_can_not_be_read_is_no_attempt(shop: Shop) -> None:
    """Events that could not be sent, since the disk failed, were not tried."""
    await create_group(shop, G, retry={"max_attempts": 2})
    await shop.publish(keyed(("a", "1"), ("b", "2")))
    runtime = runtime_of(shop)
    payloads = runtime.payloads
    payloads.keep = lambda _: None
    log = payloads._log = Log(payloads._log)
    log.broken = True
    for _ in range(3):
        member = await join(shop, G)
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await member.events(1)
        assert refusal(failed.value).reason == "STORAGE_FAILED"
    log.broken = False
    member = await join(shop, G)
    assert {(it.sequence, it.attempt) for it in await member.events(2)} == {(1, 1), (2, 1)}


async def test_what_was_taken_of_a_topic_is_not_lost_with_it(start_shop: StartShop) -> None:
    """Events that wait when their topic is taken from a group are delivered, and nothing counts as lost."""
    async with start_shop() as shop:
        await create_group(shop, G, ORDERS, PAYMENTS, ordering=NONE)
        await shop.publish(batch(ORDERS, order("a")), batch(PAYMENTS, order("b"), type=PAID))
        member = await join(shop, G)
        await member.events(2)
        await Desk(shop).update(["topics"], G, topics=[ORDERS])
    async with start_shop() as shop:
        member = await join(shop, G)
        assert sorted(it.sequence for it in await member.events(2)) == [1, 2]
        assert (await group_stats(shop, G)).lost_through == 0


async def test_what_a_group_keeps_of_the_log_is_bounded(shop: Shop) -> None:
    """However much of what a group read is not settled, it keeps 64 MB of it; the rest is read again."""
    await create_group(shop, G)
    await shop.publish(*[keyed((f"k{number}", str(number))) for number in range(3)])
    member = await join(shop, G)
    got = await member.events(3)
    payloads = runtime_of(shop).payloads
    kept = payloads._kept(1)
    assert kept
    entry = bytes(1024 * 1024)
    for number in range(200):
        payloads.keep([kept._replace(first_sequence=1_000 + number, entry=entry)])
        assert payloads._bytes <= 65 * len(entry)
    assert payloads._kept(1) is None
    await member.say("release", got)
    assert sorted(event.data for event in await member.events(3)) == sorted(event.data for event in got)


async def test_a_group_without_members_keeps_no_events_in_memory(shop: Shop) -> None:
    """What a group read is let go of when its last member leaves."""
    await create_group(shop, G)
    await shop.publish(keyed(("a", "1"), ("b", "2")))
    member = await join(shop, G)
    await member.ack(*await member.events(2))
    assert runtime_of(shop).payloads._bytes
    member.leave()

    async def gone() -> bool:
        return not runtime_of(shop).payloads._bytes

    await wait_until(gone)
