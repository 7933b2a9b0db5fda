"""A gateway's life: how it starts, what it tells of itself, how it bears its clients, and how it stops."""

from __future__ import annotations

import asyncio
import sqlite3
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import structlog
import structlog.testing
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from tidegate.v1 import event_service_pb2 as pb

from gateway.app import SERVICES, CannotListen, CannotOpenLog, Gateway
from tests.conftest import config_in
from tests.shop import ORDERS, PATIENCE, PAYMENTS, Shop, Subscription, batch, order, refused, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    StartShop = Callable[..., AbstractAsyncContextManager[Shop]]

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
EARLIEST = pb.START_POSITION_EARLIEST


async def test_health_tells_serving(shop: Shop) -> None:
    """Every service, and the gateway as a whole, is SERVING; an unknown service is NOT_FOUND."""
    health = health_pb2_grpc.HealthStub(shop.channel)
    for service in ("", *SERVICES):
        assert (await health.Check(health_pb2.HealthCheckRequest(service=service))).status == SERVING
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await health.Check(health_pb2.HealthCheckRequest(service="nothing"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_health_tells_draining(start_shop: StartShop) -> None:
    """While a gateway drains it answers NOT_SERVING, also to who watches, and refuses other calls."""
    async with start_shop(drain_seconds=2.0) as shop:
        health = health_pb2_grpc.HealthStub(shop.channel)
        watching = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watching.read()).status == SERVING
        stuck = await stuck_subscription(shop)
        stopping = asyncio.create_task(shop.gateway.__aexit__(None, None, None))
        assert (await watching.read()).status == NOT_SERVING
        assert (await health.Check(health_pb2.HealthCheckRequest())).status == NOT_SERVING
        for call in (shop.place("late"), shop.topic(ORDERS), shop.subscribe(ORDERS).frame()):
            found = await refused(call)
            assert (found.code, found.reason) == ("UNAVAILABLE", "DRAINING")
        begun = time.monotonic()
        await asyncio.wait_for(stopping, PATIENCE)
        assert time.monotonic() - begun < 4
        stuck.call.cancel()


async def stuck_subscription(shop: Shop) -> Subscription:
    """A subscription that is not read on, with more to send than all windows between take."""
    large = batch(PAYMENTS, *[order("x" * 100)] * 5_000)
    stuck = shop.subscribe(PAYMENTS, start_position=EARLIEST)
    await stuck.next("opened")
    for _ in range(20):
        await shop.publish(large)
    return stuck


async def test_watchers_of_health_do_not_hold_up_the_stop(start_shop: StartShop) -> None:
    """A gateway with nothing under way stops at once, however long it may take and whoever watches it."""
    async with start_shop(drain_seconds=60.0) as shop:
        health = health_pb2_grpc.HealthStub(shop.channel)
        watching = health.Watch(health_pb2.HealthCheckRequest())
        assert (await watching.read()).status == SERVING
        await shop.place("a")
        begun = time.monotonic()
        await shop.gateway.__aexit__(None, None, None)
        assert time.monotonic() - begun < 5


async def test_a_stuck_subscriber_does_not_hold_up_the_stop_for_long(start_shop: StartShop) -> None:
    """A gateway stops within its time although a subscriber takes nothing, and nothing is lost."""
    async with start_shop(drain_seconds=0.5) as shop:
        await stuck_subscription(shop)
        begun = time.monotonic()
        await shop.gateway.__aexit__(None, None, None)
        assert time.monotonic() - begun < 5
    async with start_shop() as shop:
        assert await shop.head() == 100_000


async def test_reflection_describes_the_services(shop: Shop) -> None:
    """Reflection lists the services, and gives the files of each with everything that they import."""
    stub = reflection_pb2_grpc.ServerReflectionStub(shop.channel)

    async def ask(**question: Any) -> Any:
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(**question)]))
        return await asyncio.wait_for(call.read(), PATIENCE)

    listed = {each.name for each in (await ask(list_services="")).list_services_response.service}
    assert listed >= {*SERVICES, "grpc.health.v1.Health"}
    for service in SERVICES:
        answer = (await ask(file_containing_symbol=service)).file_descriptor_response
        files = map(descriptor_pb2.FileDescriptorProto.FromString, answer.file_descriptor_proto)
        assert any(each.package == "tidegate.v1" and each.service for each in files)


async def test_a_taken_port_is_said(start_gateway: Any, tmp_path: Path) -> None:
    """A gateway whose port is taken does not start, and says which and what to do."""
    other = tmp_path / "other"
    other.mkdir()
    async with start_gateway() as first:
        with pytest.raises(CannotListen, match=rf"{first.address}.*port 0"):
            async with Gateway(config_in(other, listen=first.address)):
                pass
    async with Gateway(config_in(other)):
        pass


async def test_a_second_gateway_on_a_file_is_refused(start_gateway: Any) -> None:
    """A second gateway on the same file does not start, and says why; the first one is not disturbed."""
    async with start_gateway() as first, grpc.aio.insecure_channel(first.address) as channel:
        with pytest.raises(CannotOpenLog, match=r"log\.db.*(in use|locked|process)"):
            async with start_gateway():
                pass
        await Shop(channel).open()
        assert await Shop(channel).place("a") == 1
    async with start_gateway():
        pass


@pytest.mark.parametrize("kind", ["no database", "another database", "a format to come", "no folder"])
async def test_a_file_that_is_no_log_is_refused(tmp_path: Path, kind: str, start_gateway: Any) -> None:
    """A gateway does not start on a file that is no log of its format: it names the file and leaves it."""
    file = tmp_path / "log.db"
    if kind == "no database":
        file.write_bytes(b"something else, and long enough to be taken for a database " * 100)
    elif kind == "another database":
        with sqlite3.connect(file) as connection:
            connection.execute("CREATE TABLE other (x)")
        connection.close()
    elif kind == "a format to come":
        async with start_gateway():
            pass
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA user_version = 999")
        connection.close()
    before = file.read_bytes() if file.exists() else b""
    folder = tmp_path / "missing" if kind == "no folder" else tmp_path
    with pytest.raises(CannotOpenLog) as caught:
        async with Gateway(config_in(folder)):
            pass
    assert str(folder / "log.db") in str(caught.value)
    if kind == "a format to come":
        assert "999" in str(caught.value)
    assert (file.read_bytes() if file.exists() else b"") == before


async def test_everything_is_there_after_a_restart(start_shop: StartShop) -> None:
    """Events, topics, schema versions and positions are the same after a restart, and sequences go on."""
    async with start_shop() as shop:
        await shop.place("a", "b")
        await shop.create_topic("shop.more")
        before, more = await shop.everything(), await shop.topic("shop.more")
    async with start_shop() as shop:
        assert await shop.everything() == before
        assert await shop.topic("shop.more") == more
        assert await shop.place("c", topic="shop.more") == 3


async def test_five_hundred_idle_subscribers(shop: Shop) -> None:
    """Hundreds of subscribers of other topics cost a publisher nothing to speak of, and all are served."""
    idle = [shop.subscribe(PAYMENTS) for _ in range(500)]
    for subscription in idle:
        await subscription.until("caught_up")
    live = shop.subscribe(ORDERS)
    await live.until("caught_up")
    delays = []
    for number in range(50):
        begun = time.perf_counter()
        await shop.place(f"{number}")
        await live.events(1)
        delays.append(time.perf_counter() - begun)
    assert sorted(delays)[25] < 0.1
    await shop.place("for all", topic=PAYMENTS)
    events = await asyncio.gather(*(subscription.events(1) for subscription in idle))
    assert {tuple(found) for found in events} == {((51, PAYMENTS, order("for all")),)}


async def test_a_stuck_subscriber_beside_a_healthy_one(start_shop: StartShop) -> None:
    """While one subscriber takes nothing, another gets all events at once, and memory stays bounded."""
    tail = 4 * 1024 * 1024
    async with start_shop(tail_bytes=tail) as shop, grpc.aio.insecure_channel(shop.gateway.address) as other:
        stuck = await stuck_subscription(shop)
        healthy = Shop(other).subscribe(PAYMENTS)
        await healthy.until("caught_up")
        large = batch(PAYMENTS, *[order("x" * 100)] * 1_000)
        delays = []
        tracemalloc.start()
        try:
            for number in range(100):
                begun = time.perf_counter()
                await shop.publish(large)
                await healthy.events(1_000)
                delays.append(time.perf_counter() - begun)
                if number == 40:
                    before, _ = tracemalloc.get_traced_memory()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert sorted(delays)[50] < 0.5
        assert after - before < tail  # 6 MB flowed past meanwhile
        assert len(await stuck.events(150_000)) >= 150_000


async def test_clients_that_leave_are_forgotten(shop: Shop) -> None:
    """Streams whose clients lose their connection leave nothing behind in the gateway."""
    async with grpc.aio.insecure_channel(shop.gateway.address) as leaving:
        for _ in range(20):
            await Shop(leaving).subscribe(ORDERS).until("caught_up")
            stream = Shop(leaving).stub.PublishStream()
            await stream.write(pb.PublishStreamRequest(batches=[batch(ORDERS, order("x"))]))
            await stream.read()
        assert len(shop.gateway._subscriber._open) == 20

    await wait_until(lambda: nothing_open(shop.gateway))
    await shop.place("after")


async def test_clients_that_leave_are_no_faults_of_the_gateway(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    """Calls that end at any moment, in the midst of what they read and write, are not logged as failures."""
    for _ in range(5):
        await shop.publish(batch(PAYMENTS, *[order("x" * 100)] * 5_000))
    with structlog.testing.capture_logs() as logs:
        for delay in (0.0, 0.001, 0.003, 0.01, 0.03):
            async with grpc.aio.insecure_channel(shop.gateway.address) as leaving:
                other = Shop(leaving)
                reading = [other.subscribe(PAYMENTS, start_position=EARLIEST) for _ in range(4)]
                await reading[0].events(1)
                stream = other.stub.PublishStream()
                await stream.write(pb.PublishStreamRequest(batches=[batch(ORDERS, b"\xff")] * 10))
                unary = [asyncio.ensure_future(other.place(f"{number}")) for number in range(10)]
                await asyncio.sleep(delay)
            await asyncio.gather(*unary, return_exceptions=True)
        await wait_until(lambda: nothing_open(shop.gateway))
    assert [entry for entry in logs if entry["log_level"] in ("warning", "error", "critical")] == []
    assert caplog.messages == []


async def nothing_open(gateway: Gateway) -> bool:
    """Tells whether no stream of a client is left in the gateway."""
    return not (gateway._subscriber._open or gateway._events._streams or gateway._limits._open)
