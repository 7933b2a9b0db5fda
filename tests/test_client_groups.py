"""Members of groups in the Python client, against a real gateway: what is said of events, and what breaks."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest
import tidegate
from tidegate import EARLIEST, GroupSettings, NewEvent, connection, errors

from tests.shop import PATIENCE, wait_until
from tests.test_client_connection import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PLACED = "shop.v1.OrderPlaced"
AT_ONCE = GroupSettings(min_backoff=0.0, max_backoff=0.0)


@pytest.fixture
async def client(shop) -> AsyncIterator[tidegate.AsyncClient]:
    """A client of a gateway that has the shop's topics."""
    async with tidegate.AsyncClient(shop.gateway.address) as client:
        yield client


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    """Breaks connections as it is told."""
    async with Proxy() as proxy:
        yield proxy


def placed(number: int, key: str = "") -> NewEvent:
    """An order with a number."""
    identity = str(number).encode()
    return NewEvent(b"\x0a" + bytes([len(identity)]) + identity, type=PLACED, key=key or f"k{number}")


async def publish(client: tidegate.AsyncClient, *numbers: int, key: str = "") -> None:
    """Publishes orders, each with a key of its own unless one is given."""
    await client.publish("shop.orders", [placed(number, key) for number in numbers])


def join(client: tidegate.AsyncClient, group: str = "g", **options) -> tidegate.AsyncGroupSubscription:
    """Joins a group of all orders."""
    return client.join(group, "shop.orders", **{"start": EARLIEST, "settings": AT_ONCE} | options)


async def take(subscription: tidegate.AsyncGroupSubscription, count: int) -> list[tidegate.Delivery]:
    """The next events."""
    async with asyncio.timeout(PATIENCE):
        return [await anext(subscription) for _ in range(count)]


async def rest(client: tidegate.AsyncClient, group: str = "g") -> list[int]:
    """The numbers of all orders that the group still has to deal with, which are acknowledged with that."""
    numbers = []
    async with asyncio.timeout(PATIENCE), client.join(group, until_caught_up=True) as subscription:
        async for event in subscription:
            numbers.append(int(event.message.order_id))
            event.ack()
    return sorted(numbers)


async def test_each_word_has_its_effect(client: tidegate.AsyncClient) -> None:
    """Ack settles, nack brings an event again as a second attempt, release as the first, reject ends it."""
    await publish(client, 1, 2, 3, 4)
    async with join(client) as subscription:
        first = {event.message.order_id: event for event in await take(subscription, 4)}
        first["1"].ack()
        first["2"].nack("later")
        first["3"].reject("never")
        first["4"].release()
        assert all(event.settled for event in first.values())
        again = {event.message.order_id: event for event in await take(subscription, 2)}
        assert {number: event.attempt for number, event in again.items()} == {"2": 2, "4": 1}
        for event in again.values():
            event.ack()
        first["1"].nack("the first word counts")
        await subscription.flush()
        (letter,) = [letter async for letter in client.list_dead_letters("g")]
        assert (letter.sequence, letter.reason, letter.attempt_count) == (3, "never", 1)
        group = await client.get_group("g")
        assert (group.stats.in_flight_events, group.stats.retrying_events) == (0, 0)
    assert await rest(client) == []


async def test_all_before_an_event_is_acknowledged_with_it(client: tidegate.AsyncClient) -> None:
    """ack_through settles what was given out before, but for what another word settled."""
    await publish(client, *range(1, 11))
    async with join(client) as subscription:
        events = await take(subscription, 8)
        events[2].release()
        subscription.ack_through(events[5])
    # Behind it: two in hand, two unread; before it, the one that was given back.
    assert await rest(client) == [*sorted(int(events[at].message.order_id) for at in (2, 6, 7)), 9, 10]


async def test_closing_sends_what_was_said_and_gives_back_the_rest(client: tidegate.AsyncClient) -> None:
    """A member that leaves has its words heard; what it had not read costs no attempt, what it had does."""
    await publish(client, 1, 2, 3, 4)
    subscription = join(client)
    one, two = await take(subscription, 2)
    one.ack()
    await subscription.close()
    with pytest.raises(RuntimeError, match="closed"):
        two.ack()
    async with join(client) as successor:
        attempts = {event.message.order_id: event.attempt for event in await take(successor, 3)}
    assert attempts == {"2": 2, "3": 1, "4": 1}
    assert (await client.get_group("g")).stats.members == []


async def test_what_is_late_is_told(client: tidegate.AsyncClient) -> None:
    """An acknowledgement after the lease ended changes nothing, and the program hears of it."""
    late: list[int] = []
    await publish(client, 1)
    settings = GroupSettings(lease=0.3, min_backoff=0.0)
    async with (
        join(client, settings=settings, on_late=lambda each: late.extend(each.sequences)) as slow,
        join(client, settings=settings) as other,
    ):
        (event,) = await take(slow, 1)
        (again,) = await take(other, 1)
        assert (again.sequence, again.attempt) == (event.sequence, 2)
        event.nack("too late")
        await slow.flush()
        assert (late, slow.late_count) == ([1], 1)
        again.ack()
        await other.flush()
    assert await rest(client) == []


async def test_an_extended_lease_holds(client: tidegate.AsyncClient) -> None:
    """An event in hand whose lease is extended does not come again, to nobody, for as long as it takes."""
    await publish(client, 1)
    settings = GroupSettings(lease=0.4, min_backoff=0.0)
    async with join(client, settings=settings) as subscription, join(client, settings=settings) as other:
        (event,) = await take(subscription, 1)
        waiting = asyncio.ensure_future(anext(other))
        for _ in range(8):
            await asyncio.sleep(0.15)
            event.extend()
        event.ack()
        await subscription.flush()
        assert subscription.late_count == 0
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_no_break_loses_or_doubles_an_event(
    client: tidegate.AsyncClient, shop, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over connections that are cut again and again, each event is yielded once, in order by key."""
    monkeypatch.setattr(connection.Backoff, "next_delay", lambda _self: 0.01)
    proxy.target = shop.gateway.address
    for key in "abcde":
        await publish(client, *range(1, 61), key=key)
    seen: dict[str, list[int]] = {}

    async def cut() -> None:
        while True:
            await asyncio.sleep(0.07)
            proxy.cut()

    async with tidegate.AsyncClient(proxy.address) as shaky:
        cutting = asyncio.ensure_future(cut())
        async with asyncio.timeout(PATIENCE), join(shaky, max_in_flight=50) as subscription:
            count = 0
            async for event in subscription:
                seen.setdefault(event.key, []).append(int(event.message.order_id))
                event.ack()
                count += 1
                if count == 300:
                    break
                if not count % 10:
                    await asyncio.sleep(0.005)
            cutting.cancel()
            await asyncio.gather(cutting, return_exceptions=True)
            await subscription.flush()
    assert proxy.connections > 3
    assert seen == {key: list(range(1, 61)) for key in "abcde"}
    assert await rest(client) == []


async def test_a_member_outlives_its_gateway(
    start_shop, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gateway that is started again is joined again; what was acknowledged before does not come back."""
    monkeypatch.setattr(connection.Backoff, "next_delay", lambda _self: 0.01)
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(tidegate.AsyncClient(proxy.address))
        async with start_shop() as shop:
            proxy.target = shop.gateway.address
            await publish(client, 1, 2)
            subscription = await stack.enter_async_context(join(client))
            one, two = await take(subscription, 2)
            before = subscription.member_id
            one.ack()
        async with start_shop() as shop:
            proxy.target = shop.gateway.address
            await publish(client, 3)
            (three,) = await take(subscription, 1)
            assert three.message.order_id == "3"
            assert subscription.member_id != before
            # It was in hand all the time, and its word counts.
            two.ack()
            three.ack()
            await subscription.flush()

            async def is_settled() -> bool:
                return not (await client.get_group("g")).stats.lag_events

            await wait_until(is_settled)


async def test_what_can_not_be_healed_is_raised(client: tidegate.AsyncClient) -> None:
    """A group that is not there, that differs, or that is deleted at work: each has its own error."""
    with pytest.raises(errors.GroupNotFound):
        await take(client.join("nowhere"), 1)
    await publish(client, 1)
    with pytest.raises(errors.GroupNotFound):  # noqa: PT012 - closing raises: nobody hears the acknowledgement
        async with join(client) as subscription:
            (event,) = await take(subscription, 1)
            with pytest.raises(errors.GroupDiffers):
                await take(join(client, types=[PLACED]), 1)
            await client.delete_group("g", force=True)
            with pytest.raises(errors.GroupNotFound):
                await take(subscription, 1)
            event.ack()


async def test_without_an_event_loop_it_is_the_same(client: tidegate.AsyncClient) -> None:
    """The blocking client joins, iterates, settles and leaves, as the other one does."""
    await publish(client, 1, 2, 3)

    def work() -> list[str]:
        with tidegate.Client(client.server) as blocking:
            options = {"start": EARLIEST, "settings": AT_ONCE, "until_caught_up": True}
            with blocking.join("g", "shop.orders", **options) as subscription:
                seen = []
                for event in subscription:
                    seen.append(event.message.order_id)
                    event.nack() if event.attempt == 1 else event.ack()
                return seen

    assert sorted(await asyncio.to_thread(work)) == ["1", "1", "2", "2", "3", "3"]
    assert await rest(client) == []
