"""Groups moved, released, skipped and changed over sockets, and what is on disk when it is said to be."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from tidegate.v1 import acknowledgement_pb2 as acks
from tidegate.v1 import dead_letter_pb2, subscription_pb2
from tidegate.v1 import event_service_pb2 as events
from tidegate.v1 import group_service_pb2 as pb

from gateway.app import Gateway
from tests.conftest import config_in
from tests.group_desk import Desk
from tests.members import (
    EARLIEST,
    NONE,
    PARK_KEY,
    Member,
    create_group,
    group_stats,
    group_stub,
    join,
    keyed,
    seconds,
)
from tests.shop import ORDERS, PAID, PATIENCE, PAYMENTS, PLACED, Shop, batch, order, refusal, refused
from tests.typed_stubs import reflected_stub

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    StartShop = Callable[..., AbstractAsyncContextManager[Shop]]

G = "g"
LATEST = events.START_POSITION_LATEST
AT_ONCE = {"min_backoff": seconds(0), "max_backoff": seconds(0)}


def spans(ranges: Iterable[Any]) -> list[tuple[int, int]]:
    """Ranges of an answer as pairs."""
    return [(it.first, it.last) for it in ranges]


async def numbered(shop: Shop, count: int, topic: str = ORDERS) -> None:
    """Publishes orders, each with a key of its own."""
    await shop.publish(keyed(*[(f"k{n}", str(n)) for n in range(count)], topic=topic))


@pytest.mark.parametrize("settings", [{}, {"ordering": NONE}])
async def test_a_group_is_moved(shop: Shop, settings: dict[str, Any]) -> None:
    """A dry run tells what a move would mean; a move takes what is in flight and goes there."""
    await create_group(shop, G, **settings)
    desk = Desk(shop)
    await numbered(shop, 20)
    member = await join(shop, G)
    got = sorted(await member.events(20))
    await member.ack(*got[:10])
    await member.say("reject", got[10:12])
    told = await desk.seek(G, from_sequence=6, dry_run=True)
    assert (told.position, told.repeated_events, told.dropped_dead_letters) == (5, 7, 2)
    assert (await group_stats(shop, G)).in_flight_events == 8
    assert len(await desk.letters(G)) == 2
    moved = await desk.seek(G, from_sequence=6)
    assert moved == told
    warning = await member.until("warning")
    assert warning.kind == subscription_pb2.WARNING_KIND_GROUP_MOVED
    again = await member.events(15)
    assert sorted(it.sequence for it in again) == list(range(6, 21))
    assert {it.attempt for it in again} == {1}
    assert await desk.letters(G) == []
    late = await member.ack(*got[12:])
    assert (late.applied_count, spans(late.late)) == (0, [(13, 20)])
    skipped = await desk.seek(G, start_position=LATEST)
    assert (skipped.position, skipped.skipped_events) == (20, 15)
    await member.nothing()
    assert (await group_stats(shop, G)).lag_events == 0


async def test_where_a_group_can_go(shop: Shop) -> None:
    """A group goes to either end, to a sequence and to a time; elsewhere it is refused and stays."""
    await shop.publish(keyed(("a", "1")))
    await asyncio.sleep(0.02)
    (placed,) = await shop.publish(keyed(("b", "2"), ("c", "3")))
    opened = await shop.everything(ORDERS)
    assert [it.sequence for it in opened] == [1, 2, 3]
    await create_group(shop, G, start=LATEST)
    desk = Desk(shop)
    assert (await desk.stats(G)).position == 3
    frame = await shop.subscribe(ORDERS, from_sequence=placed.first_sequence).next("opened")
    assert frame.position == 1
    stream = shop.subscribe(ORDERS, from_sequence=2)
    await stream.next("opened")
    time = (await stream.next("batches")).batches[0].append_time
    for target, position in (
        ({"start_position": EARLIEST}, 0),
        ({"from_sequence": 4}, 3),
        ({"from_sequence": 1}, 0),
        ({"from_time": time}, 1),
        ({"from_time": Timestamp(seconds=1)}, 0),
        ({"start_position": LATEST}, 3),
    ):
        assert (await desk.seek(G, **target, dry_run=True)).position == position, target
        assert (await desk.seek(G, **target)).position == position, target
        assert (await desk.stats(G)).position == position
    for target, reason, path in (
        ({}, "INVALID_REQUEST", "target"),
        ({"from_sequence": 0}, "INVALID_REQUEST", "from_sequence"),
        ({"from_sequence": 5}, "SEQUENCE_OUT_OF_RANGE", "from_sequence"),
        ({"start_position": 7}, "INVALID_REQUEST", "start_position"),
        ({"from_time": Timestamp(nanos=-1)}, "INVALID_REQUEST", "from_time"),
    ):
        found = await refused(desk.seek(G, **target))
        assert (found.reason, found.fields) == (reason, [path])
    assert (await desk.stats(G)).position == 3


async def test_skipping_lets_a_key_go_on(shop: Shop) -> None:
    """SkipEvent gives up an event that fails, or leaves a dead letter one; either way its key goes on."""
    await create_group(shop, G, retry={"min_backoff": seconds(3600), "max_backoff": seconds(3600)})
    await shop.publish(keyed(("a", "1"), ("a", "2"), ("b", "3"), ("b", "4")))
    member = await join(shop, G)
    got = {it.sequence: it for it in await member.events(2)}
    await member.say("nack", [got[1]], reason="not yet")
    await member.nothing()
    desk = Desk(shop)
    (retrying,) = (await desk.stats(G)).retrying
    assert (retrying.sequence, retrying.key, retrying.attempts) == (1, "a", 1)
    assert retrying.reason == "not yet"
    skipped = await desk.stub.SkipEvent(pb.SkipEventRequest(group=G, sequence=1))
    assert skipped.key == "a"
    assert [it.sequence for it in await member.events(1)] == [2]
    (letter,) = await desk.letters(G)
    assert (letter.sequence, letter.cause) == (1, dead_letter_pb2.DEAD_LETTER_CAUSE_SKIPPED)
    assert letter.reason == "not yet"
    await desk.update(["settings.dead_letters"], G, settings={"dead_letters": PARK_KEY})
    await member.say("reject", [got[3]])
    await member.nothing()
    skipped = await desk.stub.SkipEvent(pb.SkipEventRequest(group=G, sequence=3))
    assert skipped.key == "b"
    assert [it.sequence for it in await member.events(1)] == [4]
    assert [it.sequence for it in await desk.letters(G)] == [1, 3]
    for sequence in (1, 2, 3, 99):
        found = await refused(desk.stub.SkipEvent(pb.SkipEventRequest(group=G, sequence=sequence)))
        assert (found.code, found.reason) == ("FAILED_PRECONDITION", "EVENT_NOT_HELD"), sequence


async def test_releasing_lets_a_key_go_on(shop: Shop) -> None:
    """ReleaseKey tries a parked key's event again; if that was purged, the key goes on behind it."""
    await create_group(shop, G, dead_letters=PARK_KEY)
    await shop.publish(keyed(("a", "1"), ("a", "2"), ("b", "3"), ("b", "4")))
    member = await join(shop, G)
    await member.say("reject", await member.events(2), reason="no")
    await member.nothing()
    desk = Desk(shop)
    stats = await desk.stats(G)
    assert [(it.key, it.sequence, it.reason) for it in stats.parked_keys] == [("a", 1, "no"), ("b", 3, "no")]
    assert stats.parked_key_count == 2
    assert all(it.park_time.seconds for it in stats.parked_keys)
    released = await desk.stub.ReleaseKey(pb.ReleaseKeyRequest(group=G, key="a"))
    assert released.sequence == 1
    (first,) = await member.events(1)
    assert (first.sequence, first.attempt) == (1, 1)
    await member.ack(first)
    assert [it.sequence for it in await member.events(1)] == [2]
    assert await desk.purge(G, selection={"sequences": [3]}) == 1
    assert [it.key for it in (await desk.stats(G)).parked_keys] == ["b"]
    released = await desk.stub.ReleaseKey(pb.ReleaseKeyRequest(group=G, key="b"))
    assert released.sequence == 0
    assert [it.sequence for it in await member.events(1)] == [4]
    found = await refused(desk.stub.ReleaseKey(pb.ReleaseKeyRequest(group=G, key="b")))
    assert (found.code, found.reason, found.facts["key"]) == ("FAILED_PRECONDITION", "KEY_NOT_PARKED", "b")


async def test_what_becomes_of_acknowledgements(shop: Shop) -> None:
    """Each sequence that an acknowledgement names is counted once: as applied, settled before, or late."""
    await create_group(shop, G, retry={"max_attempts": 9, **AT_ONCE})
    await numbered(shop, 12)
    member = await join(shop, G)
    got = sorted(await member.events(12))
    epoch = got[0].epoch
    answer = await Desk(shop).acknowledge(
        member.id,
        {
            "lease_epoch": epoch,
            "sequences": {"singles": [1, 2], "ranges": [{"first": 3, "last": 4}]},
            "ack": {},
        },
        {"lease_epoch": epoch, "sequences": {"singles": [4, 5]}, "reject": {"reason": "r"}},
        {"lease_epoch": epoch + 7, "sequences": {"singles": [6]}, "ack": {}},
        {"lease_epoch": epoch, "sequences": {"singles": [7]}, "extend": {}},
        {"lease_epoch": epoch, "sequences": {"ranges": [{"first": 12, "last": 14}]}, "ack": {}},
        name=G,
    )
    assert answer.applied_count == 4 + 1 + 1 + 1
    assert spans(answer.settled_before) == [(4, 4)]
    assert spans(answer.late) == [(6, 6), (13, 14)]
    answer = await Desk(shop).acknowledge(
        "nobody",
        {"lease_epoch": epoch, "sequences": {"ranges": [{"first": 1, "last": 7}]}, "ack": {}},
        name=G,
    )
    assert (answer.applied_count, spans(answer.settled_before), spans(answer.late)) == (0, [(1, 5)], [(6, 7)])
    answer = await member.say("release", [got[8]])
    assert answer.applied_count == 1
    (again,) = await member.events(1)
    assert (again.sequence, again.attempt) == (got[8].sequence, 1)
    assert (await member.say("nack", [again], delay=seconds(0.2))).applied_count == 1
    (again,) = await member.events(1)
    assert (again.sequence, again.attempt) == (got[8].sequence, 2)
    assert (await member.ack_through(again)).applied_count == 4  # 6 to 9
    wide = {"lease_epoch": epoch, "sequences": {"ranges": [{"first": 1, "last": 2**62}]}, "ack": {}}
    found = await refused(Desk(shop).acknowledge(member.id, wide, name=G))
    assert found.reason == "LIMIT_EXCEEDED"


@pytest.mark.parametrize("verb", ["ack", "reject"])
async def test_saying_the_same_again_is_told_so_while_a_key_is_behind(shop: Shop, verb: str) -> None:
    """Who settles events again is told that they were settled, also while a key is far behind or parked."""
    await create_group(shop, G, dead_letters=PARK_KEY)
    await shop.publish(keyed(("parked", "1"), *[("behind", str(n)) for n in range(1_500)]))
    await shop.publish(keyed(*[(f"k{n}", str(n)) for n in range(20)], ("parked", "2"), ("", "3"), ("", "4")))
    member = await join(shop, G)
    parked, *_, last = got = sorted(await member.events(24))
    assert (parked.sequence, last.sequence) == (1, 1_524)
    await member.say("reject", [parked])
    settled = got[2:]
    assert (await member.say(verb, settled)).applied_count == len(settled)
    for again in (await member.say(verb, settled), await member.ack(*settled)):
        assert (again.applied_count, spans(again.late)) == (0, [])
        assert spans(again.settled_before) == [(1_502, 1_521), (1_523, 1_524)]
    never_had = {
        "lease_epoch": last.epoch,
        "sequences": {"ranges": [{"first": 1_400, "last": 1_400}]},
        "ack": {},
    }
    answer = await Desk(shop).acknowledge(member.id, never_had, name=G)
    assert spans(answer.late) == [(1_400, 1_400)]


async def test_all_up_to_here_is_told_of_what_was_taken_meanwhile(shop: Shop) -> None:
    """Who settles all up to an event is told once what of it is late: a lease ended, or the group moved."""
    await create_group(shop, G, ordering=NONE, lease=seconds(1))
    await shop.publish(batch(ORDERS, *map(order, "abcdef")))
    slow = await join(shop, G, max_in_flight=4)
    had = await slow.events(4)
    other = await join(shop, G)
    await other.ack(*await other.events(2))
    again = await other.events(4)
    assert [it.sequence for it in again] == [1, 2, 3, 4]
    await other.ack(again[0])
    answer = await slow.ack_through(had[2])
    assert (answer.applied_count, spans(answer.settled_before), spans(answer.late)) == (0, [(1, 1)], [(2, 3)])
    answer = await slow.ack_through(had[3])
    assert (answer.applied_count, spans(answer.settled_before), spans(answer.late)) == (0, [], [(4, 4)])
    assert not (await slow.ack_through(had[3])).late
    await Desk(shop).seek(G, from_sequence=3)
    answer = await other.ack_through(again[3])
    assert (answer.applied_count, spans(answer.settled_before), spans(answer.late)) == (0, [(2, 2)], [(3, 4)])


async def test_a_change_takes_effect_at_once(shop: Shop) -> None:
    """What is changed of a group holds for what is delivered from then on, without a member joining anew."""
    await create_group(shop, G, ORDERS, max_in_flight=2)
    desk = Desk(shop)
    await numbered(shop, 4)
    member = await join(shop, G)
    await member.events(2)
    await member.nothing()
    await desk.update(["settings.max_in_flight"], G, settings={"max_in_flight": 100})
    await member.events(2)
    await desk.update(["topics", "types"], G, topics=["shop.*"], types=[PAID])
    await shop.publish(batch(ORDERS, order("x")), batch(PAYMENTS, order("y"), type=PAID))
    (event,) = await member.events(1)
    assert (event.sequence, event.data) == (6, order("y"))
    await desk.update(["settings.retry.max_attempts"], G, settings={"retry": {"max_attempts": 1}})
    await member.say("nack", [event], reason="no")
    assert [it.sequence for it in await desk.letters(G)] == [6]


async def test_a_typed_stream_serves_groups(shop: Shop) -> None:
    """A member may read through a typed service, which makes a group of its type, if need be."""
    await shop.publish(batch(ORDERS, order("a", 7)), batch(PAYMENTS, order("b"), type=PAID))
    stub = await reflected_stub(shop.channel, "tidegate.typed.v1.shop.v1.OrderPlacedService")
    request = stub.message("tidegate.v1.SubscribeRequest", group=G, start_position=EARLIEST)
    call = stub.call("SubscribeOrderPlaced")(request)
    opened = await asyncio.wait_for(call.read(), PATIENCE)
    assert opened.opened.member_id
    frame = await asyncio.wait_for(call.read(), PATIENCE)
    (event,) = frame.batches.batches[0].events
    assert (event.data.order_id, event.data.amount_cents) == ("a", 7)
    assert (frame.batches.lease_epoch > 0, frame.batches.attempt) == (True, 1)
    settlement = acks.Settlement(lease_epoch=frame.batches.lease_epoch, through=1, ack={})
    assert (await Desk(shop).acknowledge(opened.opened.member_id, settlement, name=G)).applied_count == 1
    made = await Desk(shop).get(G)
    assert (list(made.topics), list(made.types)) == ([">"], [PLACED])
    await create_group(shop, "all")
    call = stub.call("SubscribeOrderPlaced")(stub.message("tidegate.v1.SubscribeRequest", group="all"))
    with pytest.raises(grpc.aio.AioRpcError) as refused_:
        await asyncio.wait_for(call.read(), PATIENCE)
    found = refusal(refused_.value)
    assert (found.reason, found.facts["field"], found.facts["has"]) == ("GROUP_DIFFERS", "types", "all")


async def test_members_count_as_readers(shop: Shop) -> None:
    """A member that says what it was built with is a reader of the group's topics and types."""
    await create_group(shop, G)
    reader = {"client_name": "billing", "built_with": [{"subject": "shop", "version": 1}]}
    await join(shop, G, reader=reader)
    found = shop.gateway._readers.of_subject("shop")
    assert [(it.client_name, it.version, it.topics, it.alive) for it in found] == [
        ("billing", 1, (ORDERS,), True)
    ]


async def test_acknowledged_is_on_disk_within_100_ms(shop: Shop, tmp_path: Path) -> None:
    """A copy of the file, taken 100 ms after an acknowledgement, knows of it: as after a kill."""
    await create_group(shop, G)
    await numbered(shop, 50)
    member = await join(shop, G)
    got = sorted(await member.events(50))
    await member.ack(*got[:20])
    await asyncio.sleep(0.05)
    await member.ack(*got[20:40])
    await member.say("reject", got[40:43])
    await asyncio.sleep(0.1)
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("log.db", "log.db-wal"):
        shutil.copy(tmp_path / name, copy / name)
    async with (
        Gateway(config_in(copy)) as gateway,
        grpc.aio.insecure_channel(gateway.address) as channel,
    ):
        other = Shop(channel, gateway)
        again = await (await join(other, G)).events(7)
        assert sorted(it.sequence for it in again) == list(range(44, 51))
        assert [it.sequence for it in await Desk(other).letters(G)] == [41, 42, 43]


async def test_repairs_are_on_disk_when_they_answer(shop: Shop, tmp_path: Path) -> None:
    """A copy of the file, taken when a move, a redrive, a release or a skip has answered, knows of it."""
    settings = {
        "dead_letters": PARK_KEY,
        "retry": {"min_backoff": seconds(3600), "max_backoff": seconds(3600)},
    }
    for name in ("moved", "redriven", "released", "skipped"):
        await create_group(shop, name, **settings)
    await shop.publish(keyed(("a", "1"), ("a", "2"), ("b", "3")))
    for name in ("redriven", "released", "skipped"):
        member = await join(shop, name)
        got = {it.sequence: it for it in await member.events(2)}
        await member.say("reject", [got[1]])
        await member.say("nack", [got[3]])
        member.leave()
    desk = Desk(shop)
    copies: dict[str, Path] = {}

    async def then_copy(name: str, change: Any) -> None:
        await change
        copies[name] = tmp_path / name
        copies[name].mkdir()
        for file in ("log.db", "log.db-wal"):
            shutil.copy(tmp_path / file, copies[name] / file)

    await then_copy("moved", desk.seek("moved", from_sequence=3))
    await then_copy("redriven", desk.redrive("redriven", all=True))
    await then_copy("released", desk.stub.ReleaseKey(pb.ReleaseKeyRequest(group="released", key="a")))
    await then_copy("skipped", desk.stub.SkipEvent(pb.SkipEventRequest(group="skipped", sequence=3)))
    for name, copy in copies.items():
        async with (
            Gateway(config_in(copy)) as gateway,
            grpc.aio.insecure_channel(gateway.address) as channel,
        ):
            other = Shop(channel, gateway)
            stats = await group_stats(other, name)
            letters = [it.sequence for it in await Desk(other).letters(name)]
            parked = [it.key for it in stats.parked_keys]
            retrying = [it.sequence for it in stats.retrying]
        assert (name, stats.position if name == "moved" else 0, letters, parked, retrying) in [
            ("moved", 2, [], [], []),
            ("redriven", 0, [], [], [3]),
            ("released", 0, [], [], [3]),
            ("skipped", 0, [1, 3], ["a"], []),
        ]


async def test_last_words_of_members_are_taken(start_shop: StartShop) -> None:
    """What a member acknowledges while the gateway stops is taken: it does not come again."""
    async with start_shop() as shop:
        await create_group(shop, G)
        await numbered(shop, 10)
        member = await join(shop, G)
        got = sorted(await member.events(10))
        stopping = asyncio.create_task(shop.gateway._drain())
        await member.until("draining")
        assert (await member.ack(*got[:6])).applied_count == 6
        await stopping
    async with start_shop() as shop:
        again = await (await join(shop, G)).events(4)
        assert sorted((it.sequence, it.attempt) for it in again) == [(7, 1), (8, 1), (9, 1), (10, 1)]


async def test_a_disk_that_fails_holds_up_nobody(start_shop: StartShop) -> None:
    """While progress can't be written groups go on; what must be durable is refused; then all is written."""
    async with start_shop() as shop:
        await create_group(shop, G)
        await numbered(shop, 30)
        member = await join(shop, G)
        access = shop.gateway._groups._store._access
        connection = access.database.conn
        await access.run(lambda: connection.execute("PRAGMA query_only = ON").fetchall())
        got = sorted(await member.events(30))
        await member.ack(*got[:25])
        desk = Desk(shop)
        found = await refused(desk.seek(G, start_position=EARLIEST))
        assert (found.code, found.reason) == ("FAILED_PRECONDITION", "STORAGE_READ_ONLY")
        assert (await desk.stats(G)).in_flight_events == 5
        await member.ack(*got[25:28])
        await access.run(lambda: connection.execute("PRAGMA query_only = OFF").fetchall())
    async with start_shop() as shop:
        again = await (await join(shop, G)).events(2)
        assert sorted(it.sequence for it in again) == [29, 30]


async def test_many_groups_are_written_down_together(shop: Shop) -> None:
    """Many groups with few events each are written down together, and all of them are found again."""
    await asyncio.gather(*(create_group(shop, f"g{number}") for number in range(40)))
    await numbered(shop, 3)
    members = await asyncio.gather(*(join(shop, f"g{number}") for number in range(40)))
    for member in members:
        await member.ack(*await member.events(3))
    await shop.gateway._groups.flush.now()
    stored = await shop.gateway._groups._store.load()
    assert {(it.definition.name, it.progress.position) for it in stored} == {(f"g{n}", 3) for n in range(40)}
    assert not any(it.progress.keys or it.progress.failed for it in stored)
    found = await group_stub(shop).ListGroups(pb.ListGroupsRequest(page_size=1_000))
    assert len(found.groups) == 40


async def test_a_deleted_group_begins_anew(shop: Shop) -> None:
    """A group that is deleted while it works, and made again, has nothing of the old one."""
    await create_group(shop, G)
    await numbered(shop, 5)
    member = await join(shop, G)
    await member.ack(*await member.events(5))
    await Desk(shop).delete(G, force=True)
    again = await Member(shop.channel, G, topics=[ORDERS], start_position=EARLIEST).open()
    assert len(await again.events(5)) == 5
    assert again.id != member.id
