"""What the Python client can say of what it wants to read: filters, fields, versions, histories."""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import tidegate
from tidegate import EARLIEST, LATEST, NewEvent, StreamWarning, connection, errors
from tidegate.received import Batch

from gateway import subscriber
from tests.shop import ORDERS, PAID, PATIENCE, PLACED, SCHEMA_2, order, wait_until
from tests.test_client_connection import Proxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from gateway.frames import Subscribing
    from gateway.log import Bounds


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


def placed(number: int, *, key: str = "", kind: str = PLACED) -> NewEvent:
    """An order whose amount is its number."""
    return NewEvent(order(f"o{number}", number), type=kind, key=key or f"k{number}", id=str(number))


async def stored(client: tidegate.AsyncClient, **options: Any) -> list[tidegate.Event]:
    """All orders that are stored, as a subscription with these options delivers them."""
    subscription = client.subscribe(ORDERS, start=EARLIEST, until_caught_up=True, **options)
    async with asyncio.timeout(PATIENCE):
        return [event async for event in subscription]


def numbers(events: list[tidegate.Event]) -> list[int]:
    """The numbers of orders."""
    return [int(event.id) for event in events]


async def test_filters_say_which_events_come(client: tidegate.AsyncClient) -> None:
    """One filter over one type, filters by type, and what is wrong with one, with its column."""
    await client.publish(ORDERS, [placed(n, kind=PAID if n % 2 else PLACED) for n in range(1, 11)])
    paid = await client.message_class(PAID)
    assert numbers(await stored(client, types=[paid], filter="event.data.amount_cents > 4")) == [5, 7, 9]
    assert numbers(await stored(client, filter='event.key in ["k2", "k3"]')) == [2, 3]
    by_type = {PLACED: "event.data.amount_cents == 6", paid: "event.data.amount_cents < 4"}
    assert numbers(await stored(client, types=[PLACED, paid], type_filters=by_type)) == [1, 3, 6]
    with pytest.raises(errors.InvalidFilter, match=r"column 11: undefined field 'amount'") as refused:
        await stored(client, types=[PLACED], filter="event.data.amount > 4")
    assert refused.value.violations[0].field == "filter"


async def test_fields_and_versions_say_how_events_come(client: tidegate.AsyncClient) -> None:
    """Fields that were not asked for are left out at the gateway; a pinned version never sees newer ones."""
    await client.publish(ORDERS, placed(1))
    await client.register_schema("shop", files=SCHEMA_2)
    await client.publish(ORDERS, NewEvent(order("o2", 2, "a note"), type=PLACED, id="2"))
    projected = await stored(client, types=[PLACED], fields=["amount_cents"])
    assert [(e.message.order_id, e.message.amount_cents) for e in projected] == [("", 1), ("", 2)]
    with pytest.raises(errors.InvalidRequest, match="nothing"):
        await stored(client, types=[PLACED], fields=["nothing"])
    as_stored, pinned = await stored(client), await stored(client, schema_version=1)
    assert [event.schema_version for event in as_stored] == [1, 2]
    assert [event.schema_version for event in pinned] == [1, 1]
    assert as_stored[1].message.note == "a note"
    assert b"a note" not in pinned[1].data


async def test_a_filter_that_fails_is_told(
    client: tidegate.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Events on which a filter fails are not delivered; the program is told how many, or they are logged."""
    await client.publish(ORDERS, [placed(n) for n in range(4)])
    fails = {"types": [PLACED], "filter": "6 / event.data.amount_cents > 2", "heartbeat_interval": 0.1}
    warnings: list[StreamWarning] = []
    assert numbers(await stored(client, on_warning=warnings.append, **fails)) == [1, 2]
    assert [(w.kind, w.event_count, w.first_sequence) for w in warnings] == [("FILTER_FAILED", 1, 1)]
    with caplog.at_level(logging.WARNING, "tidegate"):
        await stored(client, **fails)
    assert "FILTER_FAILED" in caplog.text


@pytest.mark.parametrize("seed", range(2))
async def test_filtered_streams_that_break_lose_and_repeat_nothing(
    client: tidegate.AsyncClient, shop, proxy: Proxy, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over connections that are cut in mid-frame, each event of sparse batches comes once, in order."""
    monkeypatch.setattr(connection.Backoff, "next_delay", lambda _self: 0.01)
    chance = random.Random(seed)
    proxy.target = shop.gateway.address
    proxy.cut_after = lambda: chance.choice([4_000, 8_000, 16_000, 64_000])
    count, sparse = 3_000, False
    wanted = {n for n in range(1, count + 1) if n % 7 in (1, 2, 4)}

    async def publish() -> None:
        for first in range(1, count + 1, 50):
            await client.publish(ORDERS, [placed(n) for n in range(first, first + 50)])

    seen: list[int] = []
    async with tidegate.AsyncClient(proxy.address) as shaky, asyncio.timeout(PATIENCE):
        subscription = shaky.subscribe(
            ORDERS,
            start=EARLIEST,
            types=[PLACED],
            filter="event.data.amount_cents % 7 in [1, 2, 4]",
            heartbeat_interval=0.5,
        )
        publishing = asyncio.ensure_future(publish())
        while len(seen) < len(wanted):
            batch = await subscription.next_batch()
            assert isinstance(batch, Batch)
            sparse = sparse or bool(batch.envelope.offsets)
            for event in batch:
                assert event.sequence == int(event.id)
                seen.append(event.sequence)
        await publishing
        await subscription.close()
    assert seen == sorted(wanted)
    assert sparse
    assert proxy.connections > 3


async def test_what_does_not_pass_is_not_scanned_twice(
    start_shop: Any, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader of nothing goes on behind all that was looked at for it, over breaks and restarts."""
    monkeypatch.setattr(connection.Backoff, "next_delay", lambda _self: 0.01)
    started: list[int | None] = []
    original = subscriber._start

    def start(wanted: Subscribing, bounds: Bounds) -> int:
        started.append(wanted.from_sequence)
        return original(wanted, bounds)

    monkeypatch.setattr(subscriber, "_start", start)
    async with start_shop() as shop, tidegate.AsyncClient(proxy.address) as client:
        proxy.target = shop.gateway.address
        filter_ = {"types": [PLACED], "filter": "event.data.amount_cents > 90", "heartbeat_interval": 0.1}
        subscription = client.subscribe(ORDERS, start=EARLIEST, **filter_)
        following = asyncio.ensure_future(anext(subscription))
        await client.publish(ORDERS, [placed(n) for n in range(1, 51)])
        await wait_until(lambda: _holds(subscription.position == 50))
        proxy.cut()
        await wait_until(lambda: _holds(len(started) == 2))
        await client.publish(ORDERS, [placed(n) for n in range(51, 61)])
        await wait_until(lambda: _holds(subscription.position == 60))
        await shop.gateway.__aexit__(None, None, None)
        async with start_shop() as again:
            proxy.target = again.gateway.address
            await client.publish(ORDERS, placed(99))
            async with asyncio.timeout(PATIENCE):
                assert (await following).sequence == 61
        await subscription.close()
    assert started[:2] == [None, 51]
    assert set(started[2:]) == {61}


async def _holds(value: bool) -> bool:  # noqa: FBT001 - what it answers
    return value


async def test_histories_are_read_in_both_directions(client: tidegate.AsyncClient) -> None:
    """Ranges by sequence and by time, keys, filters and fields; page by page, or as one."""
    await client.update_topic(ORDERS, index_keys=True)
    for first in (1, 11):
        await client.publish(ORDERS, [placed(n, key=f"k{n % 3}") for n in range(first, first + 10)])
        between = datetime.now(UTC)
        await asyncio.sleep(0.01)

    async def read(**options: Any) -> list[int]:
        return [int(event.id) async for event in client.read_events(ORDERS, **options)]

    everything = list(range(1, 21))
    assert await read() == everything
    assert await read(backwards=True, page_size=3) == everything[::-1]
    assert await read(start=5, end=8) == [5, 6, 7, 8]
    assert await read(start=5, end=8, backwards=True) == [8, 7, 6, 5]
    assert await read(key="k1", end=8) == [1, 4, 7]
    assert await read(start=between) == []
    assert await read(end=between - timedelta(days=1)) == []
    assert await read(types=[PLACED], filter="event.data.amount_cents > 18") == [19, 20]
    pages = [page async for page in client.read_events(ORDERS, page_size=8).pages()]
    assert [len(page) for page in pages] == [8, 8, 4]
    assert [page.is_last for page in pages] == [False, False, True]
    assert pages[0].head_sequence == 20
    (only,) = [
        e async for e in client.read_events(ORDERS, start=3, end=3, types=[PLACED], fields=["order_id"])
    ]
    assert (only.message.order_id, only.message.amount_cents, only.key) == ("o3", 0, "k0")
    with pytest.raises(ValueError, match="behind LATEST"):
        client.read_events(ORDERS, start=LATEST)
    with pytest.raises(ValueError, match="no time zone"):
        client.read_events(ORDERS, end=datetime(2013, 1, 1))  # noqa: DTZ001 - the mistake


async def test_histories_tell_what_a_filter_failed_on(
    client: tidegate.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Events on which a filter fails are left out of a page, which says how many they are."""
    await client.publish(ORDERS, [placed(n) for n in range(4)])
    history = client.read_events(ORDERS, types=[PLACED], filter="6 / event.data.amount_cents > 2")
    with caplog.at_level(logging.WARNING, "tidegate"):
        (page,) = [page async for page in history.pages()]
    assert (len(page), page.filter_failures) == (2, 1)
    assert "the filter failed on 1 event" in caplog.text


async def test_what_an_aggregate_decided_on_is_expected(client: tidegate.AsyncClient) -> None:
    """An event of a key is only taken if the key still ends where the decision was made."""
    await client.update_topic(ORDERS, index_keys=True)

    async def is_indexed() -> bool:
        return (await client.get_topic(ORDERS)).stats.keys_indexed

    await wait_until(is_indexed)
    first = await client.publish(ORDERS, placed(1, key="A"), expected_key_sequence=0)
    await client.publish(ORDERS, placed(2, key="B"))
    third = await client.publish(ORDERS, placed(3, key="A"), expected_key_sequence=first.sequence)
    with pytest.raises(errors.UnexpectedSequence):
        await client.publish(ORDERS, placed(4, key="A"), expected_key_sequence=first.sequence)
    both = [placed(5, key="A"), placed(6, key="A")]
    await client.publish(ORDERS, both, expected_key_sequence=third.sequence)
    with pytest.raises(ValueError, match="one key"):
        await client.publish(ORDERS, [placed(7, key="A"), placed(8, key="B")], expected_key_sequence=0)


async def test_without_an_event_loop_it_is_the_same(client: tidegate.AsyncClient) -> None:
    """The blocking client filters, projects and reads histories, and leaves one early without harm."""
    await client.publish(ORDERS, [placed(n) for n in range(1, 8)])

    def read() -> list[list[int]]:
        with tidegate.Client(client.server) as blocking:
            filtered = blocking.subscribe(
                ORDERS,
                start=EARLIEST,
                until_caught_up=True,
                types=[PLACED],
                filter="event.data.amount_cents > 5",
                fields=["order_id"],
            )
            history = blocking.read_events(ORDERS, backwards=True, page_size=2)
            left_early = next(iter(blocking.read_events(ORDERS, page_size=2).pages()))
            return [numbers(list(filtered)), numbers(list(history)), numbers(list(left_early))]

    assert await asyncio.to_thread(read) == [[6, 7], [7, 6, 5, 4, 3, 2, 1], [1, 2]]
