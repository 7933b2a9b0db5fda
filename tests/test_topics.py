"""Topics: made, changed, listed and deleted, with what becomes of their events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st
from tidegate.v1 import event_service_pb2 as pb
from tidegate.v1 import topic_pb2
from tidegate.v1 import topic_service_pb2 as topics

from gateway.topics import _Spellings
from tests.shop import (
    ORDERS,
    PAID,
    PAYMENTS,
    PLACED,
    RETURNS,
    SUBJECT,
    Shop,
    batch,
    expect,
    order,
    refusal,
    refused,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    StartShop = Callable[..., AbstractAsyncContextManager[Shop]]


async def names(shop: Shop, **fields: Any) -> list[str]:
    """The names that listing page by page answers."""
    found: list[str] = []
    token = ""
    while True:
        request = topics.ListTopicsRequest(page_token=token, **fields)
        page = await shop.topics.ListTopics(request)
        assert not any(topic.HasField("stats") for topic in page.topics)
        found += [topic.name for topic in page.topics]
        token = page.next_page_token
        if not token:
            return found


async def test_a_topic_is_as_it_was_asked_for(start_shop: StartShop) -> None:
    """A topic's settings are those asked for, also after a restart; the gateway adds times and etag."""
    retention = {"max_age": Duration(seconds=3600), "max_bytes": 10_000}
    allow = topic_pb2.UNKNOWN_FIELDS_ALLOW
    async with start_shop() as shop:
        made = await shop.create_topic("shop.new", types=[PAID], unknown_fields=allow, retention=retention)
        assert (made.name, made.subject, list(made.types)) == ("shop.new", SUBJECT, [PAID])
        assert (made.unknown_fields, made.retention.max_bytes) == (allow, 10_000)
        assert made.retention.max_age.seconds == 3600
        assert made.create_time == made.update_time
        assert made.etag
        plain = await shop.topic(ORDERS)
        assert plain.unknown_fields == topic_pb2.UNKNOWN_FIELDS_REJECT
        assert not plain.HasField("retention")
    async with start_shop() as shop:
        again = await shop.topic("shop.new")
        assert again.HasField("stats")
        again.ClearField("stats")
        made.ClearField("stats")
        assert again == made


BAD_TOPICS: dict[str, tuple[dict[str, Any], str, str, str, str]] = {
    "no name": ({"name": ""}, "INVALID_ARGUMENT", "INVALID_REQUEST", "topic.name", "levels"),
    "a bad name": ({"name": "shop..x"}, "INVALID_ARGUMENT", "INVALID_REQUEST", "topic.name", "levels"),
    "a long name": ({"name": "x" * 256}, "INVALID_ARGUMENT", "INVALID_REQUEST", "topic.name", "255"),
    "a pattern": ({"name": "shop.*"}, "INVALID_ARGUMENT", "INVALID_REQUEST", "topic.name", "levels"),
    "no subject": ({"subject": ""}, "INVALID_ARGUMENT", "INVALID_REQUEST", "topic.subject", "must name"),
    "an unknown subject": ({"subject": "shp"}, "NOT_FOUND", "SUBJECT_NOT_FOUND", "", "shop"),
    "an unknown type": (
        {"types": [PLACED, "shop.v1.OrderPad"]},
        "NOT_FOUND",
        "EVENT_TYPE_NOT_FOUND",
        "",
        PAID,
    ),
    "a name that is taken": ({"name": ORDERS}, "ALREADY_EXISTS", "TOPIC_ALREADY_EXISTS", "", "UpdateTopic"),
    "an age of nothing": (
        {"retention": {"max_age": Duration(nanos=1)}},
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        "topic.retention.max_age",
        "1 s to 100 years",
    ),
    "a kind of unknown fields that is none": (
        {"unknown_fields": 9},
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        "topic.unknown_fields",
        "9",
    ),
    "an etag": ({"etag": "e"}, "INVALID_ARGUMENT", "INVALID_REQUEST", "topic.etag", "gateway alone"),
    "a time": (
        {"create_time": Timestamp(seconds=1)},
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        "topic.create_time",
        "gateway alone",
    ),
    "stats": ({"stats": {}}, "INVALID_ARGUMENT", "INVALID_REQUEST", "topic.stats", "gateway alone"),
}


@pytest.mark.parametrize("case", BAD_TOPICS)
async def test_bad_topics_are_refused_clearly(shop: Shop, case: str) -> None:
    """Each bad topic is refused with its status, reason, field and words that help, and is not made."""
    fields, code, reason, path, words = BAD_TOPICS[case]
    request = topics.CreateTopicRequest(topic={"name": "shop.new", "subject": SUBJECT} | fields)
    found = await refused(shop.topics.CreateTopic(request))
    assert (found.code, found.reason, "".join(found.fields)) == (code, reason, path)
    assert words in found.message
    assert await names(shop) == sorted([ORDERS, PAYMENTS, RETURNS])


async def test_what_is_not_there_is_not_found(shop: Shop) -> None:
    """Reading, changing and deleting a topic that is not there is NOT_FOUND, naming close ones."""
    for call in (
        shop.topic("shop.ordres"),
        shop.update_topic("shop.ordres", ["types"]),
        shop.delete_topic("shop.ordres"),
    ):
        found = await refused(call)
        assert (found.code, found.reason) == ("NOT_FOUND", "TOPIC_NOT_FOUND")
        assert ORDERS in found.message


async def test_listing(shop: Shop) -> None:
    """Listing answers every matching topic once, by name, whatever the size of a page."""
    for number in range(7):
        await shop.create_topic(f"more.t{number}")
    everything = sorted([ORDERS, PAYMENTS, RETURNS, *(f"more.t{number}" for number in range(7))])
    for size in (0, 1, 3, 10, 1_000_000):
        assert await names(shop, page_size=size) == everything
    assert await names(shop, pattern="shop.>", page_size=2) == sorted([ORDERS, PAYMENTS, RETURNS])
    assert await names(shop, pattern="shop.*") == [ORDERS, PAYMENTS]
    assert await names(shop, pattern=ORDERS) == [ORDERS]
    for field, value in (("pattern", "shop.>.x"), ("page_token", "nonsense"), ("page_token", "YWZ0ZXI")):
        found = await refused(shop.topics.ListTopics(topics.ListTopicsRequest(**{field: value})))
        assert (found.code, found.fields) == ("INVALID_ARGUMENT", [field])


async def test_changes_take_effect_with_the_next_publish(shop: Shop) -> None:
    """A change of types or of unknown fields holds for the next publish; only what the mask names changes."""
    first = await shop.topic(ORDERS)
    await shop.update_topic(ORDERS, ["types"], types=[PAID], unknown_fields=topic_pb2.UNKNOWN_FIELDS_ALLOW)
    found = await refused(shop.publish(batch(ORDERS, order("a"))))
    assert (found.reason, found.facts["accepted"]) == ("EVENT_TYPE_NOT_ACCEPTED", PAID)
    changed = await shop.topic(ORDERS)
    assert changed.unknown_fields == topic_pb2.UNKNOWN_FIELDS_REJECT
    assert changed.etag != first.etag
    await shop.update_topic(
        ORDERS, ["types", "unknown_fields"], unknown_fields=topic_pb2.UNKNOWN_FIELDS_ALLOW
    )
    await shop.publish(batch(ORDERS, order("a", note="new")))


async def test_a_change_of_an_old_state_is_refused(shop: Shop) -> None:
    """With an etag, a change or deletion is taken just if nobody changed the topic meanwhile."""
    etag = (await shop.topic(ORDERS)).etag
    newer = (await shop.update_topic(ORDERS, ["types"], types=[PAID], etag=etag)).etag
    for call in (
        shop.update_topic(ORDERS, ["types"], types=[PLACED], etag=etag),
        shop.delete_topic(ORDERS, etag=etag),
    ):
        found = await refused(call)
        assert (found.code, found.reason, found.facts["etag"]) == ("ABORTED", "TOPIC_CHANGED", newer)
    await shop.delete_topic(ORDERS, etag=newer)


@pytest.mark.parametrize("paths", [[], ["name"], ["types", "subject"], ["retention.nothing"]])
async def test_a_change_must_say_what(shop: Shop, paths: list[str]) -> None:
    """A change names fields that can be changed, else it is refused naming those."""
    found = await refused(shop.update_topic(ORDERS, paths))
    assert (found.code, found.fields) == ("INVALID_ARGUMENT", ["update_mask"])
    assert "retention.max_bytes" in found.message


async def test_changes_at_once_all_count(shop: Shop) -> None:
    """Changes of different fields that are under way together, without etags, all hold in the end."""
    results = await asyncio.gather(
        shop.update_topic(ORDERS, ["types"], types=[PAID]),
        shop.update_topic(ORDERS, ["retention.max_bytes"], retention={"max_bytes": 5_000_000}),
        shop.update_topic(ORDERS, ["retention.max_age"], retention={"max_age": Duration(seconds=99)}),
    )
    assert len({topic.etag for topic in results}) == 3
    topic = await shop.topic(ORDERS)
    assert (list(topic.types), topic.retention.max_bytes) == ([PAID], 5_000_000)
    assert topic.retention.max_age.seconds == 99


async def test_a_topic_with_events_is_deleted_only_by_force(shop: Shop) -> None:
    """Without force a topic that holds events stays; with it, topic and events go and others stay."""
    await shop.place("a", "b")
    await shop.place("c", topic=PAYMENTS)
    found = await refused(shop.delete_topic(ORDERS))
    assert (found.code, found.reason, found.facts["event_count"]) == (
        "FAILED_PRECONDITION",
        "TOPIC_NOT_EMPTY",
        "2",
    )
    await shop.delete_topic(ORDERS, force=True)
    assert [event.topic for event in await shop.everything()] == [PAYMENTS]
    assert (await refused(shop.place("d"))).reason == "TOPIC_NOT_FOUND"


async def test_a_name_used_again_starts_empty_and_remembers(shop: Shop) -> None:
    """A topic made anew shows none of its predecessor's events, but its last sequence outlives them."""
    await shop.place("a", "b")
    await shop.delete_topic(ORDERS, force=True)
    await shop.create_topic(ORDERS)
    stats = (await shop.topic(ORDERS)).stats
    assert (stats.event_count, stats.last_sequence, stats.removed_through) == (0, 2, 2)
    assert await shop.everything(ORDERS) == []
    assert (
        await refused(shop.publish(batch(ORDERS, order("c")), expected_positions=expect(shop__orders=0)))
    ).reason == "UNEXPECTED_SEQUENCE"
    await shop.publish(batch(ORDERS, order("c")), expected_positions=expect(shop__orders=2))
    assert await shop.everything(ORDERS) == [(3, ORDERS, order("c"))]


async def test_a_name_used_again_at_once_loses_nothing(shop: Shop) -> None:
    """A topic made anew while its predecessor's many events are being removed loses none of its own."""
    for _ in range(3):
        await shop.publish(*[batch(ORDERS, order("old"))] * 1_000)
    deleting = asyncio.ensure_future(shop.delete_topic(ORDERS, force=True))
    while True:
        try:
            await shop.create_topic(ORDERS)
            break
        except grpc.aio.AioRpcError as error:
            assert refusal(error).reason == "TOPIC_ALREADY_EXISTS"  # noqa: PT017
    placed = [await shop.place("new") for _ in range(20)]
    await deleting
    await asyncio.sleep(1.2)  # retention looks at all topics once a second: it must not see an orphan
    assert [event.sequence for event in await shop.everything(ORDERS)] == placed


async def test_stats_say_what_is_kept(shop: Shop) -> None:
    """Stats count the kept events, batches and bytes, and say what retention removed."""
    assert (await shop.topic(ORDERS)).stats == topic_pb2.TopicStats()
    for name in "abcdefgh":
        await shop.publish(batch(ORDERS, order(name), order(name)))
    stats = (await shop.topic(ORDERS)).stats
    assert (stats.first_sequence, stats.last_sequence, stats.event_count, stats.batch_count) == (1, 16, 16, 8)
    through = await shop.keep(ORDERS, stats.size_bytes * 9 // 16)
    kept = (await shop.topic(ORDERS)).stats
    assert (through, kept.first_sequence, kept.last_sequence) == (8, 9, 16)
    assert (kept.event_count, kept.batch_count) == (8, 4)
    assert kept.size_bytes == pytest.approx(stats.size_bytes / 2, rel=0.1)  # times differ in length


async def test_retention_keeps_up_with_publishing(shop: Shop) -> None:
    """While a topic with a limit of bytes is published to all the time, what it keeps stays near it."""
    await shop.create_topic("shop.small", retention={"max_bytes": 50_000})
    largest = 0
    for _ in range(30):
        await shop.publish(batch("shop.small", *[order("x" * 100)] * 100))
        largest = max(largest, (await shop.topic("shop.small")).stats.size_bytes)
        await asyncio.sleep(0.05)

    async def small() -> bool:
        return (await shop.topic("shop.small")).stats.size_bytes <= 50_000

    await wait_until(small)
    assert largest < 400_000


async def test_limits_beyond_all_numbers_are_harmless(shop: Shop) -> None:
    """The largest numbers of the contract are taken as what they are: limits that are never reached."""
    for_ever = {"max_bytes": 2**64 - 1, "max_age": Duration(seconds=10**9)}
    await shop.create_topic("shop.vast", retention=for_ever)
    await shop.create_topic("shop.tiny", retention={"max_bytes": 1})
    await shop.place("a", topic="shop.vast")
    await shop.place("b", topic="shop.tiny")

    async def trimmed() -> bool:
        return (await shop.topic("shop.tiny")).stats.event_count == 0

    await wait_until(trimmed)
    assert (await shop.topic("shop.vast")).stats.event_count == 1
    request = pb.PublishRequest(batches=[batch("shop.vast", order("c"))])
    assert (await shop.stub.Publish(request)).results[0].first_sequence == 3


@given(st.sets(st.text("abcde", min_size=1, max_size=8), min_size=1, max_size=60), st.data())
def test_a_name_with_one_slip_finds_its_topic(known: set[str], data: st.DataObject) -> None:
    """Of a name of six or more characters with one wrong one, the right name is among the close ones."""
    name = data.draw(st.sampled_from(sorted(known)).map(lambda found: f"shop.orders.{found}"))
    place = data.draw(st.integers(0, len(name) - 1))
    slip = name[:place] + "z" + name[place + 1 :]
    near = _Spellings(f"shop.orders.{found}" for found in known).near(slip)
    assert len(near) <= 3
    assert name in near or len(near) == 3
