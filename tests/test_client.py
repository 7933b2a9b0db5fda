"""The asyncio client against a real gateway: publishing, subscribing, administration."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import pytest
import tidegate
from tidegate import EARLIEST, LATEST, NewEvent, errors

from tests.shop import SCHEMA_2


@pytest.fixture
async def gateway(shop):
    return shop.gateway


@pytest.fixture
async def client(gateway):
    async with tidegate.AsyncClient(gateway.address) as client:
        yield client


@pytest.fixture
async def paid(client):
    """The class of OrderPaid, as protoc would have generated it."""
    return await client.message_class("shop.v1.OrderPaid", 1)


@pytest.fixture
async def placed(client):
    return await client.message_class("shop.v1.OrderPlaced", 1)


async def read(client, *, start=EARLIEST, topics="shop.>", **options):
    """Everything from ``start`` to the head."""
    subscription = client.subscribe(topics, start=start, until_caught_up=True, **options)
    return [event async for event in subscription]


async def test_one_message_is_published_and_read(client, paid):
    """One call publishes a typed message; the reader gets it with everything that was said about it."""
    before = datetime.now(UTC)
    published = await client.publish(
        "shop.orders",
        paid(order_id="o1", amount_cents=250),
        key="o1",
        id="e1",
        time=datetime(2013, 1, 1, 5, 15, 30, 123456, tzinfo=UTC),
        attributes={"trace": "t1", "a": "b"},
        source="urn:shop",
    )
    assert published == tidegate.Published("shop.orders", 1, 1)
    (event,) = await read(client, types=[paid])
    assert (event.topic, event.sequence, event.type, event.schema_version) == (
        "shop.orders",
        1,
        "shop.v1.OrderPaid",
        1,
    )
    assert (event.id, event.key, event.source, event.attributes) == (
        "e1",
        "o1",
        "urn:shop",
        {"trace": "t1", "a": "b"},
    )
    assert event.time == datetime(2013, 1, 1, 5, 15, 30, 123456, tzinfo=UTC)
    assert before <= event.append_time <= datetime.now(UTC)
    assert type(event.message) is paid
    assert event.message is event.message
    assert (event.message.order_id, event.message.amount_cents) == ("o1", 250)
    assert event.data == paid(order_id="o1", amount_cents=250).SerializeToString()


async def test_id_and_time_are_filled_in(client, paid):
    """An event without id and time gets a UUIDv7 and the present."""
    before = datetime.now(UTC)
    await client.publish("shop.orders", paid(order_id="o", amount_cents=1))
    (event,) = await read(client)
    assert len(event.id) == 36
    assert event.id[14] == "7"
    assert before - timedelta(milliseconds=1) <= event.time <= datetime.now(UTC)


async def test_several_messages_are_published_as_one(client, paid, placed):
    """Messages of several types go in order, all of them or none."""
    messages = [paid(order_id="a", amount_cents=1), placed(order_id="a"), paid(order_id="b", amount_cents=2)]
    published = await client.publish("shop.orders", messages, key="k")
    assert [each.sequence for each in published] == [1, 2, 3]
    with pytest.raises(errors.InvalidEvent) as caught:
        await client.publish("shop.orders", [placed(order_id="c"), paid(order_id="c", amount_cents=-1)])
    assert caught.value.violations[0].field == "batches[1].events[0].data.amount_cents"
    assert caught.value.violations[0].rule_id == "int64.gt"
    assert [event.message.order_id for event in await read(client)] == ["a", "a", "b"]
    assert await client.publish("shop.orders", []) == []


async def test_bytes_and_new_events_are_published(client, paid):
    """Bytes go with their type; a NewEvent says everything itself."""
    data = paid(order_id="o", amount_cents=5).SerializeToString()
    await client.publish("shop.orders", data, type="shop.v1.OrderPaid")
    events = [NewEvent(data, type="shop.v1.OrderPaid", key=key, id=f"id-{key}") for key in "xy"]
    await client.publish("shop.orders", events)
    assert [(event.key, event.data) for event in await read(client)] == [("", data), ("x", data), ("y", data)]


async def test_misuse_is_told_before_anything_is_sent(client, paid):
    """What can't be right is refused in words that say how it is right."""
    message = paid(order_id="o", amount_cents=5)
    with pytest.raises(TypeError, match="name their event type"):
        await client.publish("shop.orders", b"")
    with pytest.raises(TypeError, match="not dict"):
        await client.publish("shop.orders", [{"order_id": "o"}])
    with pytest.raises(ValueError, match="leave type out"):
        await client.publish("shop.orders", message, type="shop.v1.OrderPlaced")
    with pytest.raises(ValueError, match="no time zone"):
        await client.publish("shop.orders", message, time=datetime(2013, 1, 1))  # noqa: DTZ001 - the mistake
    with pytest.raises(ValueError, match="id names one event"):
        await client.publish("shop.orders", [message], id="x")
    with pytest.raises(TypeError, match="leave them out"):
        await client.publish("shop.orders", NewEvent(message), key="k")
    with pytest.raises(ValueError, match="at most 600"):
        client.publisher(timeout=3600)
    assert await read(client) == []


async def test_expected_sequence_and_request_id(client, paid):
    """Optimistic concurrency is refused with the facts; a repeated request id is appended once."""
    message = paid(order_id="o", amount_cents=5)
    await client.publish("shop.orders", message, expected_last_sequence=0)
    with pytest.raises(errors.UnexpectedSequence) as caught:
        await client.publish("shop.orders", message, expected_last_sequence=0)
    assert caught.value.facts["last_sequence"] == "1"
    same = {"id": "e", "time": datetime(2013, 1, 1, tzinfo=UTC), "request_id": "r"}
    first = await client.publish("shop.orders", message, **same)
    assert await client.publish("shop.orders", message, **same) == first
    with pytest.raises(errors.RequestIdReused):
        await client.publish("shop.orders", message, **same | {"id": "other"})
    assert len(await read(client)) == 2


async def test_a_publisher_gives_each_event_its_future(client, paid):
    """Each event's future says where the event stands; what is read is what was published, in order."""
    async with client.publisher(source="urn:test", max_batch_events=50) as publisher:
        futures = [
            await publisher.publish("shop.orders", paid(order_id=str(i), amount_cents=i + 1), key=str(i % 3))
            for i in range(1000)
        ]
    sequences = [(await future).sequence for future in futures]
    assert sequences == list(range(1, 1001))
    events = await read(client)
    assert [(event.sequence, event.message.order_id) for event in events] == [
        (i + 1, str(i)) for i in range(1000)
    ]


async def test_a_bad_event_fails_alone(client, paid):
    """Events that fail their schema fail with their own violations; all others are stored, in order."""
    async with client.publisher(max_batch_events=100) as publisher:
        futures = [
            await publisher.publish("shop.orders", paid(order_id=str(i), amount_cents=i % 10), key="k")
            for i in range(2000)
        ]
    bad = [future for i, future in enumerate(futures) if i % 10 == 0]
    for future in bad:
        error = future.exception()
        assert isinstance(error, errors.InvalidEvent)
        assert [violation.field for violation in error.violations] == ["data.amount_cents"]
        assert "int64.gt" in str(error)
    stored = [int(event.message.order_id) for event in await read(client)]
    assert stored == [i for i in range(2000) if i % 10]
    assert [(await future).sequence for i, future in enumerate(futures) if i % 10] == list(range(1, 1801))


async def test_a_batch_over_the_gateways_limit_is_halved(start_shop):
    """A gateway with smaller limits than the publisher gets smaller batches, still in order."""
    async with start_shop(max_batch_events=7) as shop, tidegate.AsyncClient(shop.gateway.address) as client:
        paid = await client.message_class("shop.v1.OrderPaid")
        async with client.publisher() as publisher:
            for i in range(100):
                await publisher.publish("shop.orders", paid(order_id=str(i), amount_cents=1), key="k")
        assert [int(event.message.order_id) for event in await read(client)] == list(range(100))


async def test_a_publisher_reports_other_errors_on_the_futures(client, paid):
    """An unknown topic fails its events alone, by its name; an event that is too large is refused at once."""
    async with client.publisher(max_batch_bytes=100_000) as publisher:
        wrong = await publisher.publish("shop.order", paid(order_id="o", amount_cents=1))
        right = await publisher.publish("shop.orders", paid(order_id="o", amount_cents=1))
        with pytest.raises(errors.LimitExceeded, match="max_batch_bytes = 100,000"):
            await publisher.publish("shop.orders", paid(order_id="o" * 100_000, amount_cents=1))
        with pytest.raises(errors.TopicNotFound, match=r"shop\.orders"):
            await wrong
        assert (await right).sequence == 1
    with pytest.raises(RuntimeError, match="closed"):
        await publisher.publish("shop.orders", paid(order_id="o", amount_cents=1))


async def test_publishing_waits_for_room(client, paid):
    """A publisher never holds more than max_pending_bytes, however fast it is fed."""
    async with client.publisher(max_pending_bytes=10_000, max_batch_events=20) as publisher:
        for i in range(500):
            await publisher.publish("shop.orders", paid(order_id=str(i).zfill(100), amount_cents=1))
            assert publisher._outbox.pending_bytes <= 10_000
    assert len(await read(client)) == 500


async def test_flush_waits_for_what_was_handed_in(client, paid):
    """After a flush everything handed in before is settled, even where batches would wait for long."""
    async with client.publisher(max_delay=60.0) as publisher:
        futures = [await publisher.publish("shop.orders", paid(order_id="o", amount_cents=n)) for n in (1, 0)]
        await publisher.flush()
        assert [future.done() for future in futures] == [True, True]
        assert isinstance(futures[1].exception(), errors.InvalidEvent)
        await publisher.flush()


async def test_a_subscription_starts_where_it_is_told(client, paid):
    """EARLIEST, a sequence, a time and LATEST; and ends at the last sequence that it is told."""
    for i in range(1, 6):
        await client.publish("shop.orders", paid(order_id=str(i), amount_cents=1))
    events = await read(client)
    assert [event.sequence for event in events] == [1, 2, 3, 4, 5]
    assert [event.sequence for event in await read(client, start=4)] == [4, 5]
    by_time = await read(client, start=events[2].append_time)
    assert by_time[-1].sequence == 5
    assert by_time[0].sequence <= 3
    assert await read(client, start=LATEST) == []
    some = [event.sequence async for event in client.subscribe("shop.orders", start=2, end_sequence=4)]
    assert some == [2, 3, 4]


async def test_a_live_subscription_gets_what_comes(client, paid):
    """A reader at the head is told so, and then gets each event as it is published."""
    caught_up = asyncio.Event()
    subscription = client.subscribe("shop.*", on_caught_up=lambda _position: caught_up.set())
    following = asyncio.ensure_future(anext(subscription))
    await caught_up.wait()
    assert subscription.caught_up
    await client.publish("shop.orders", paid(order_id="live", amount_cents=1))
    event = await following
    assert event.message.order_id == "live"
    assert subscription.position == event.sequence
    await subscription.close()
    assert [event async for event in subscription] == []


async def test_types_choose_and_decode(client, paid, placed):
    """Types by class or by name select events; a class decodes them, a name gets the gateway's schema."""
    await client.publish("shop.orders", [paid(order_id="a", amount_cents=1), placed(order_id="b")])
    (event,) = await read(client, types=[placed])
    assert type(event.message) is placed
    (event,) = await read(client, types=["shop.v1.OrderPaid"])
    assert event.message.DESCRIPTOR.full_name == "shop.v1.OrderPaid"
    assert len(await read(client, types=[paid, "shop.v1.OrderPlaced"])) == 2


async def test_each_event_is_decoded_with_its_own_version(client, placed):
    """Events of two schema versions, side by side, are each decoded with the version that they name."""
    await client.publish("shop.orders", placed(order_id="old"))
    assert (await client.register_schema("shop", files=SCHEMA_2)).version == 2
    placed2 = await client.message_class("shop.v1.OrderPlaced")
    await client.publish("shop.orders", placed2(order_id="new", note="n"))
    await client.publish("shop.orders", placed(order_id="pinned"), schema_version=1)
    events = await read(client)
    assert [event.schema_version for event in events] == [1, 2, 1]
    assert [hasattr(event.message, "note") for event in events] == [False, True, False]


async def test_batches_and_events_mix(client, paid):
    """Batches and single events are two ways through the same stream: nothing is lost in changing over."""
    for first in range(0, 30, 10):
        await client.publish(
            "shop.orders", [paid(order_id=str(first + i), amount_cents=1) for i in range(10)]
        )
    subscription = client.subscribe("shop.orders", start=EARLIEST, until_caught_up=True)
    assert (await anext(subscription)).sequence == 1
    assert (await anext(subscription)).sequence == 2
    rest = await subscription.next_batch()
    assert (len(rest), rest.first_sequence, rest.last_sequence) == (8, 3, 10)
    assert [event.sequence for event in rest] == list(range(3, 11))
    assert (rest.topic, rest.type, rest.schema_version) == ("shop.orders", "shop.v1.OrderPaid", 1)
    assert (await anext(subscription)).sequence == 11
    assert subscription.position == 11
    assert [len(batch) async for batch in subscription.batches()] == [9, 10]
    assert subscription.position == 30


async def test_iterating_can_be_interrupted(client, paid):
    """A wait that times out or a loop that is left loses nothing: the next one goes on where it was."""
    subscription = client.subscribe("shop.orders", start=EARLIEST)
    for i in range(1, 20):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(subscription)
        await client.publish("shop.orders", [paid(order_id="o", amount_cents=1)] * 2)
        async for event in subscription:
            assert event.sequence == 2 * i - 1
            break
        assert (await anext(subscription)).sequence == 2 * i
    await subscription.close()


async def test_heartbeats_tell_the_lag(client, paid):
    """A reader learns how far behind it is from heartbeats alone."""
    await client.publish("shop.orders", paid(order_id="o", amount_cents=1))
    subscription = client.subscribe("shop.orders", start=EARLIEST, heartbeat_interval=0.1)
    await anext(subscription)
    waiting = asyncio.ensure_future(anext(subscription))
    async with asyncio.timeout(10):
        while subscription.lag is None:  # noqa: ASYNC110 - set by the reading beside
            await asyncio.sleep(0.01)
    assert (subscription.lag.time, subscription.lag.batches, subscription.lag.head_sequence) == (
        timedelta(0),
        0,
        1,
    )
    waiting.cancel()
    await subscription.close()


async def test_a_gap_fails_is_skipped_or_told(client, paid):
    """Where retention removed events a reader gets the error, goes on, or is told, as it chose."""
    for i in range(20):
        await client.publish("shop.orders", paid(order_id=str(i).zfill(1000), amount_cents=1))
    await client.update_topic("shop.orders", retain_bytes=5000)
    async with asyncio.timeout(30):
        while not (await client.get_topic("shop.orders")).stats.removed_through:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    with pytest.raises(errors.EventsRemoved):
        await read(client, start=1)
    gaps = []
    told = await read(client, start=1, on_gap=gaps.append)
    assert gaps[0].first_sequence == 1
    assert gaps[-1].last_sequence == told[0].sequence - 1
    assert gaps[0].topics == ("shop.orders",)
    skipped = await read(client, start=1, on_gap="skip")
    assert (
        [event.sequence for event in skipped]
        == [event.sequence for event in told]
        == list(range(told[0].sequence, 21))
    )


async def test_errors_that_reconnecting_cannot_heal_are_raised(client):
    """A topic that does not exist, a sequence in the future, a malformed pattern: typed errors, at once."""
    with pytest.raises(errors.TopicNotFound, match=r"shop\.orders"):
        await read(client, topics="shop.order")
    with pytest.raises(errors.SequenceOutOfRange):
        await read(client, start=99)
    with pytest.raises(errors.InvalidRequest):
        await read(client, topics="shop..orders")


async def test_topics_are_administered(client):
    """Topics are made, read, listed, changed and deleted with plain arguments."""
    made = await client.create_topic(
        "shop.audit",
        subject="shop",
        types=["shop.v1.OrderPaid"],
        unknown_fields="allow",
        retain_age=timedelta(days=7),
    )
    assert (made.name, list(made.types), made.retention.max_age.seconds) == (
        "shop.audit",
        ["shop.v1.OrderPaid"],
        604800,
    )
    assert {topic.name async for topic in client.list_topics()} >= {"shop.audit", "shop.orders"}
    assert [topic.name async for topic in client.list_topics("shop.audit")] == ["shop.audit"]
    changed = await client.update_topic(
        "shop.audit", types=[], retain_age=None, retain_bytes=10**6, etag=made.etag
    )
    assert (list(changed.types), changed.retention.HasField("max_age"), changed.retention.max_bytes) == (
        [],
        False,
        10**6,
    )
    with pytest.raises(errors.TopicChanged):
        await client.update_topic("shop.audit", unknown_fields="reject", etag=made.etag)
    with pytest.raises(errors.TopicAlreadyExists):
        await client.create_topic("shop.audit", subject="shop")
    await client.delete_topic("shop.audit")
    with pytest.raises(errors.TopicNotFound):
        await client.get_topic("shop.audit")


async def test_schemas_are_administered(client, tmp_path):
    """Schemas are registered from texts, files and descriptor sets, and read back by subject and by type."""
    (tmp_path / "crew" / "v1").mkdir(parents=True)
    file = tmp_path / "crew" / "v1" / "crew.proto"
    file.write_text('syntax = "proto3"; package crew.v1; message Joined { string name = 1; }')
    by_path = await client.register("crew", files=["crew/v1/crew.proto"], root=tmp_path)
    assert by_path.created
    assert not (await client.register("crew", files={"crew/v1/crew.proto": file.read_text()})).created
    read_back = await client.get_schema("crew")
    assert list(read_back.sources.files) == ["crew/v1/crew.proto"]
    assert not (await client.register("crew", descriptor_set=read_back.descriptor_set)).created
    assert (await client.get_schema(type="crew.v1.Joined", version=1)).subject == "crew"
    assert [subject.name async for subject in client.list_subjects()] == ["crew", "shop"]
    assert [schema.version async for schema in client.list_schemas("crew")] == [1]
    with pytest.raises(errors.InvalidSchema, match=r"bad\.proto:1"):
        await client.register_schema("crew", files={"bad.proto": "nonsense"})
    with pytest.raises(errors.SubjectNotFound):
        await client.get_schema("crw")
    with pytest.raises(TypeError, match="either"):
        await client.register_schema("crew")


async def test_listings_go_over_pages(client):
    """A listing yields everything, however many pages it takes."""
    for i in range(120):
        await client.create_topic(f"many.t{i:03}", subject="shop")
    assert [topic.name async for topic in client.list_topics("many.*")] == [
        f"many.t{i:03}" for i in range(120)
    ]


async def test_a_closed_client_says_so(gateway):
    """A client that is closed refuses, and closing it flushes its publishers and ends its subscriptions."""
    client = tidegate.AsyncClient(gateway.address)
    await client.close()
    with pytest.raises(RuntimeError, match="the client is closed"):
        await client.get_topic("shop.orders")


async def test_closing_the_client_flushes_and_ends(gateway, client, paid):
    """Closing a client flushes its publishers and ends the iteration of its subscriptions."""
    other = tidegate.AsyncClient(gateway.address)
    publisher = other.publisher(max_delay=60.0)
    future = await publisher.publish("shop.orders", paid(order_id="o", amount_cents=1))
    subscription = other.subscribe("shop.orders", start=EARLIEST)
    assert subscription.position is None
    await other.close()
    assert (await future).sequence == 1
    assert [event async for event in subscription] == []


async def test_a_failure_that_nobody_looks_at_is_logged(client, paid, caplog):
    """A future whose exception nobody asks for makes itself heard."""
    async with client.publisher() as publisher:
        future = await publisher.publish("shop.orders", paid(order_id="o"))
    with caplog.at_level(logging.ERROR):
        del future
    assert "never retrieved" in caplog.text
