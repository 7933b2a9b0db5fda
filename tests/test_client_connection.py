"""The client when things break: cut connections, restarts, silence, nobody there."""

import asyncio
import contextlib
import random
import socket
import time
from datetime import UTC, datetime, timedelta

import pytest
import tidegate
from tidegate import EARLIEST, LATEST, connection, errors
from tidegate.outgoing import NewEvent

PAID = "shop.v1.OrderPaid"


class Proxy:
    """Forwards TCP to a gateway, and breaks as it is told."""

    def __init__(self):
        self.target = ""
        self.address = ""
        self.connections = 0
        self.sent_down = 0
        self.cut_after = None  # answers how many bytes of either direction a new connection lives for
        self.is_frozen = False
        self._writers = set()
        self._tasks = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_):
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self):
        """Breaks all connections at once, with whatever they hold."""
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader, writer):
        self._tasks.add(asyncio.current_task())
        self.connections += 1
        budget = [self.cut_after() if self.cut_after else None]
        self._writers.add(writer)
        try:
            host, port = self.target.split(":")
            up_reader, up_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.transport.abort()
            return
        self._writers.add(up_writer)
        pumps = [
            asyncio.ensure_future(self._pump(reader, up_writer, budget)),
            asyncio.ensure_future(self._pump(up_reader, writer, budget, down=True)),
        ]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for each in (writer, up_writer):
            each.transport.abort()
            self._writers.discard(each)
        await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, reader, writer, budget, *, down=False):
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 14):
                if self.is_frozen:
                    continue
                if budget[0] is not None:
                    data = data[: budget[0]]
                    budget[0] -= len(data)
                self.sent_down += len(data) if down else 0
                writer.write(data)
                await writer.drain()
                if budget[0] == 0:
                    return  # in the middle of a frame, as a rule


@pytest.fixture
async def proxy():
    async with Proxy() as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Shortens the waits between attempts, so that many breaks fit into a test."""
    monkeypatch.setattr(connection.Backoff, "next_delay", lambda _self: 0.01)


@contextlib.asynccontextmanager
async def two_clients(one, other):
    """Two clients with a connection each."""
    async with tidegate.AsyncClient(one) as first, tidegate.AsyncClient(other) as second:
        yield first, second


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def paid(number):
    """An event that says which one it is."""
    data = b"\x0a" + bytes([len(str(number))]) + str(number).encode() + b"\x10\x01"
    return NewEvent(data, type=PAID, key=f"k{number % 5}", id=str(number))


async def publish_all(client, count, *, before=None, **settings):
    """Publishes ``count`` events one after the other; answers where each stands."""
    async with client.publisher(max_batch_events=20, **settings) as publisher:
        futures = []
        for number in range(count):
            if before:
                await before(number)
            futures.append(await publisher.publish("shop.orders", paid(number)))
    return [future.result().sequence for future in futures]


async def read_ids(client, count, **options):
    """The ids of the first ``count`` events, in the order in which they come."""
    ids, sequences = [], []
    subscription = client.subscribe("shop.orders", start=EARLIEST, heartbeat_interval=0.5, **options)
    async for event in subscription:
        ids.append(int(event.id))
        sequences.append(event.sequence)
        if len(ids) == count:
            break
    await subscription.close()
    assert sequences == sorted(set(sequences))
    return ids


@pytest.mark.parametrize("seed", range(3))
async def test_connections_that_break_all_the_time_lose_and_repeat_nothing(shop, proxy, seed):
    """Over connections cut in the middle of frames: what is published is what is received, in order, once."""
    chance = random.Random(seed)
    proxy.target = shop.gateway.address
    proxy.cut_after = lambda: chance.randrange(2_000, 30_000)
    count = 3000
    async with Proxy() as other, tidegate.AsyncClient(proxy.address) as publishing:
        other.target = proxy.target
        # Some connections must live long enough for a whole frame of a reader that fell behind.
        other.cut_after = lambda: chance.choice([5_000, 20_000, 500_000])
        async with tidegate.AsyncClient(other.address) as reading:
            reader = asyncio.ensure_future(read_ids(reading, count))
            sequences = await publish_all(publishing, count)
            ids = await reader
    assert ids == list(range(count))
    assert sequences == list(range(1, count + 1))
    assert proxy.connections > 10


async def test_a_gateway_that_restarts_under_load_loses_and_repeats_nothing(start_shop, proxy):
    """A publisher and a subscriber outlive restarts of their gateway, on another port each time."""
    count, restarts = 2000, 4
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(contextlib.AsyncExitStack())

        async def restart(number):
            nonlocal running
            if number % (count // restarts) == 0:
                await running.aclose()
                running = await stack.enter_async_context(contextlib.AsyncExitStack())
                proxy.target = (await running.enter_async_context(start_shop())).gateway.address
            elif number % 10 == 0:
                await asyncio.sleep(0)

        await restart(0)
        async with (
            tidegate.AsyncClient(proxy.address) as publishing,
            tidegate.AsyncClient(proxy.address) as reading,
        ):
            reader = asyncio.ensure_future(read_ids(reading, count))
            sequences = await publish_all(publishing, count, before=restart)
            ids = await reader
    assert ids == list(range(count))
    assert sequences == sorted(set(sequences))


async def test_poison_and_breaks_together_keep_the_order_of_keys(shop, proxy):
    """Bad events among good ones, over connections that break: the good ones stand once, in order."""
    chance = random.Random(7)
    proxy.target = shop.gateway.address
    proxy.cut_after = lambda: chance.choice([chance.randrange(2_000, 30_000)] * 4 + [500_000])
    bad = set(chance.sample(range(1500), 40))
    async with tidegate.AsyncClient(proxy.address) as client:
        async with client.publisher(max_batch_events=20) as publisher:
            futures = []
            for number in range(1500):
                event = paid(number)
                if number in bad:
                    event = NewEvent(b"\x10\x00", type=PAID, key=event.key, id=event.id)
                futures.append(await publisher.publish("shop.orders", event))
        assert {number for number, future in enumerate(futures) if future.exception()} == bad
        ids = await read_ids(client, 1500 - len(bad))
    assert ids == [number for number in range(1500) if number not in bad]


async def test_latest_resumes_where_it_was(shop, proxy):
    """A reader at the head that loses its connection gets what was published while it was away."""
    proxy.target = shop.gateway.address
    async with (
        tidegate.AsyncClient(proxy.address) as client,
        tidegate.AsyncClient(shop.gateway.address) as direct,
    ):
        await direct.publish("shop.orders", paid(0))
        opened = asyncio.Event()
        subscription = client.subscribe(
            "shop.orders", start=LATEST, on_caught_up=lambda _position: opened.set()
        )
        following = asyncio.ensure_future(anext(subscription))
        await opened.wait()
        proxy.target = f"127.0.0.1:{free_port()}"
        proxy.cut()
        await direct.publish("shop.orders", paid(1))
        proxy.target = shop.gateway.address
        assert (await following).id == "1"
        await subscription.close()


async def test_a_time_to_come_is_waited_for_over_breaks(shop, proxy):
    """A reader from a time in the future that loses its connection gets nothing from before that time."""
    proxy.target = shop.gateway.address
    async with two_clients(proxy.address, shop.gateway.address) as (client, direct):
        await direct.publish("shop.orders", paid(0))
        opened, start = asyncio.Event(), datetime.now(UTC) + timedelta(seconds=1)
        subscription = client.subscribe(
            "shop.orders", start=start, on_caught_up=lambda _position: opened.set()
        )
        following = asyncio.ensure_future(anext(subscription))
        await opened.wait()
        opened.clear()
        proxy.cut()
        await opened.wait()
        await direct.publish("shop.orders", paid(1))
        await asyncio.sleep((start - datetime.now(UTC)).total_seconds() + 0.05)
        await direct.publish("shop.orders", paid(2))
        assert (await following).id == "2"
        await subscription.close()


async def test_a_silent_stream_is_opened_anew(shop, proxy):
    """A connection over which not even heartbeats come any more is given up after three of them."""
    proxy.target = shop.gateway.address
    async with (
        tidegate.AsyncClient(proxy.address) as client,
        tidegate.AsyncClient(shop.gateway.address) as direct,
    ):
        opened = asyncio.Event()
        subscription = client.subscribe(
            "shop.orders", heartbeat_interval=0.1, on_caught_up=lambda _position: opened.set()
        )
        following = asyncio.ensure_future(anext(subscription))
        await opened.wait()
        proxy.is_frozen = True
        await direct.publish("shop.orders", paid(1))
        await asyncio.wait({following}, timeout=0.5)
        assert not following.done()
        proxy.is_frozen = False
        assert (await following).id == "1"
        await subscription.close()


async def test_a_slow_reader_is_not_sent_more_than_it_takes(shop, proxy):
    """A reader that stops reading holds the stream back: memory does not grow with the log."""
    proxy.target = shop.gateway.address
    async with (
        tidegate.AsyncClient(proxy.address) as client,
        tidegate.AsyncClient(shop.gateway.address) as direct,
    ):
        large = NewEvent(b"\x0a\x80\x80\x04" + b"x" * (1 << 16) + b"\x10\x01", type=PAID)
        async with direct.publisher() as publisher:
            for _ in range(640):
                await publisher.publish("shop.orders", large)
        subscription = client.subscribe("shop.orders", start=EARLIEST, until_caught_up=True)
        await anext(subscription)
        for _ in range(50):
            await client.get_topic("shop.orders")
        held = proxy.sent_down
        assert held < 20 << 20
        assert len([event async for event in subscription]) == 639
        assert proxy.sent_down > 40 << 20


async def test_nobody_there_is_told_at_once():
    """A call to an address where nothing listens fails soon, with the address and what to do."""
    address = f"127.0.0.1:{free_port()}"
    async with tidegate.AsyncClient(address) as client:
        began = time.monotonic()
        with pytest.raises(errors.Unreachable, match=address) as caught:
            await client.get_topic("shop.orders")
        assert "tidegate serve" in str(caught.value)
        with pytest.raises(errors.Unreachable):
            await client.create_topic("a", subject="b")
        assert time.monotonic() - began < 20


async def test_streams_to_nobody_are_given_up(monkeypatch):
    """A publisher and a subscription that never reached a gateway fail in the end, with the same words."""
    monkeypatch.setattr("tidegate.sender.CONNECT_TIMEOUT", 0.2)
    monkeypatch.setattr("tidegate.frame_stream.CONNECT_TIMEOUT", 0.2)
    address = f"127.0.0.1:{free_port()}"
    async with tidegate.AsyncClient(address) as client:
        async with client.publisher() as publisher:
            future = await publisher.publish("shop.orders", paid(1))
        with pytest.raises(errors.Unreachable, match=address):
            await future
        with pytest.raises(errors.Unreachable, match=address):
            await anext(client.subscribe("shop.orders"))


async def test_an_event_fails_when_its_time_is_up(shop, proxy):
    """A publisher that loses its gateway fails events after the given time, and works again afterwards."""
    proxy.target = shop.gateway.address
    async with tidegate.AsyncClient(proxy.address) as client, client.publisher(timeout=0.5) as publisher:
        await (await publisher.publish("shop.orders", paid(1)))
        proxy.target = f"127.0.0.1:{free_port()}"
        proxy.cut()
        with pytest.raises(errors.Unreachable):
            await (await publisher.publish("shop.orders", paid(2)))
        proxy.target = shop.gateway.address
        async with asyncio.timeout(20):
            while True:
                future = await publisher.publish("shop.orders", paid(3))
                await asyncio.wait({future})
                if future.exception() is None:
                    break
        ids = await read_ids(client, 2)
    assert ids[0] == 1
    assert set(ids[1:]) <= {2, 3}


async def test_a_frozen_gateway_does_not_hold_events_for_ever(shop, proxy):
    """Events that are sent but never answered fail when their time is up."""
    proxy.target = shop.gateway.address
    async with tidegate.AsyncClient(proxy.address) as client, client.publisher(timeout=1.0) as publisher:
        await (await publisher.publish("shop.orders", paid(1)))
        proxy.is_frozen = True
        with pytest.raises(errors.Unreachable):
            await (await publisher.publish("shop.orders", paid(2)))


async def test_a_cancelled_close_fails_what_is_left():
    """Leaving a publisher that can't reach its gateway may be interrupted; its events then fail."""
    async with tidegate.AsyncClient(f"127.0.0.1:{free_port()}") as client:
        publisher = client.publisher()
        future = await publisher.publish("shop.orders", paid(1))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await publisher.close()
        with pytest.raises(RuntimeError, match="closed before"):
            await future


async def test_what_is_no_gateway_is_told(proxy):
    """A server that speaks no gRPC is reported with its address."""

    async def nonsense(_reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, tidegate.AsyncClient(address) as client:
        with pytest.raises(errors.Unreachable, match=address):
            await client.get_topic("x")
