"""Dead letters over sockets: listed, shown, given back and purged, and never in two states."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from tidegate.v1 import dead_letter_pb2
from tidegate.v1 import group_service_pb2 as pb
from tidegate.v1 import schema_service_pb2 as schemas

from tests.group_desk import Desk
from tests.members import NONE, PARK_KEY, create_group, group_stats, join, keyed, seconds
from tests.shop import (
    ORDERS,
    PAID,
    PATIENCE,
    PAYMENTS,
    PLACED,
    SCHEMA_2,
    SUBJECT,
    Shop,
    batch,
    order,
    refused,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.members import Got

    StartShop = Callable[..., AbstractAsyncContextManager[Shop]]

G = "g"
AT_ONCE = {"min_backoff": seconds(0), "max_backoff": seconds(0)}
REJECTED = dead_letter_pb2.DEAD_LETTER_CAUSE_REJECTED


async def reject(shop: Shop, count: int, *, group: str = G, reason: str = "bad {}") -> list[Got]:
    """Publishes orders with keys of their own, and has a member reject them, each with its reason."""
    member = await join(shop, group, reader={"client_name": "billing"})
    first = 1 + await shop.head()
    await shop.publish(keyed(*[(f"k{first + n}", str(first + n)) for n in range(count)]))
    got = await member.events(count)
    for event in got:
        await member.say("reject", [event], reason=reason.format(event.sequence))
    member.leave()

    async def gone() -> bool:
        return not (await group_stats(shop, group)).members

    await wait_until(gone)
    return sorted(got)


@pytest.fixture
async def desk(shop: Shop) -> Desk:
    """A group without settings of note, that begins with the first event."""
    await create_group(shop, G, "shop.>")
    return Desk(shop)


async def test_a_dead_letter_tells_all_that_was_tried(desk: Desk) -> None:
    """A dead letter has the event, when and why it was given up, each attempt, and its data as JSON."""
    before = time.time()
    (event,) = await reject(desk.shop, 1)
    (listed,) = await desk.letters(G)
    assert (listed.sequence, listed.cause, listed.reason) == (event.sequence, REJECTED, "bad 1")
    assert (listed.attempt_count, listed.key_parked, listed.data_json) == (1, False, "")
    assert before - 1 <= listed.dead_time.seconds <= time.time() + 1
    (attempt,) = listed.attempts
    assert (attempt.client_name, attempt.reason) == ("billing", "bad 1")
    assert attempt.outcome == dead_letter_pb2.ATTEMPT_OUTCOME_REJECTED
    assert attempt.member_id
    assert (listed.batch.topic, listed.batch.type, listed.batch.schema_version) == (ORDERS, PLACED, 1)
    assert listed.batch.first_sequence == event.sequence
    assert listed.batch.append_time.seconds > 0
    (stored,) = listed.batch.events
    assert (stored.key, stored.data) == ("k1", event.data)
    shown = await desk.letter(event.sequence, G)
    assert json.loads(shown.data_json) == {"order_id": "1", "amount_cents": "1"}
    shown.data_json = ""
    assert shown == listed
    assert (await group_stats(desk.shop, G)).dead_letter_count == 1


async def test_each_is_decoded_with_its_own_version(desk: Desk) -> None:
    """The data of a dead letter is shown as the version says that the event was written with."""
    shop = desk.shop
    await shop.publish(batch(ORDERS, order("a")))
    await shop.register(SCHEMA_2)
    await shop.publish(batch(ORDERS, order("b", note="new")))
    member = await join(shop, G)
    got = await member.events(2)
    await member.say("reject", got)
    assert json.loads((await desk.letter(1, G)).data_json) == {"order_id": "a", "amount_cents": "1"}
    shown = await desk.letter(2, G)
    assert json.loads(shown.data_json)["note"] == "new"
    assert shown.batch.schema_version == 2


async def test_dead_letters_are_listed_page_by_page(desk: Desk) -> None:
    """Listing answers each chosen dead letter once, by sequence, whatever the size of a page."""
    shop = desk.shop
    await reject(shop, 20)
    await shop.publish(*[batch(PAYMENTS, order(f"p{n}"), type=PAID) for n in range(5)])
    member = await join(shop, G)
    await member.say("reject", await member.events(5), reason="unpaid")
    everything = list(range(1, 26))
    choices: list[tuple[dict[str, Any], list[int]]] = [
        ({}, everything),
        ({"type": PAID}, everything[20:]),
        ({"type": PLACED}, everything[:20]),
        ({"type": "shop.v1.Nothing"}, []),
        ({"reason": "bad 1"}, [1, *range(10, 20)]),
        ({"reason": "unpaid", "type": PLACED}, []),
        ({"sequences": [3, 24, 99, 3]}, [3, 24]),
        ({"sequences": [3, 24], "type": PAID}, [24]),
    ]
    for selection, wanted in choices:
        for size in (0, 1, 7, 1_000):
            found = [it.sequence for it in await desk.letters(G, page_size=size, **selection)]
            assert found == wanted, (selection, size)
        if "sequences" not in selection:
            chosen = {"selection": selection} if selection else {"all": True}
            assert await desk.purge(G, **chosen, dry_run=True) == len(wanted)


async def test_a_page_is_no_larger_than_clients_take(desk: Desk) -> None:
    """Pages of large dead letters, and of long reasons, end before the message is larger than 4 MiB."""
    shop = desk.shop
    await desk.update(["settings.retry"], G, settings={"retry": {"max_attempts": 40, **AT_ONCE}})
    for _ in range(9):
        await shop.publish(batch(ORDERS, b"\x0a\x80\x80\x20" + b"y" * (512 * 1024)))
    member = await join(shop, G)
    for _ in range(40):
        await member.say("nack", await member.events(9), reason="é" * 2_048)
    pages, token = [], ""
    while True:
        page = await desk.stub.ListDeadLetters(pb.ListDeadLettersRequest(group=G, page_token=token))
        pages.append(len(page.dead_letters))
        assert page.ByteSize() < 4 * 1024 * 1024 - 100_000
        token = page.next_page_token
        if not token:
            break
    assert sum(pages) == 9
    assert len(pages) <= 3


async def test_what_is_looked_through_for_a_page_is_bounded(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of a choice that leaves out very many may be empty, and there are more; all are found."""
    monkeypatch.setattr("gateway.groups.dead_letters.READ_AT_ONCE", 3)
    monkeypatch.setattr("gateway.groups.dead_letters.LOOKED_THROUGH", 6)
    await reject(desk.shop, 20)
    request = pb.ListDeadLettersRequest(group=G, selection={"reason": "bad 20"})
    page = await desk.stub.ListDeadLetters(request)
    assert (len(page.dead_letters), bool(page.next_page_token)) == (0, True)
    assert [it.sequence for it in await desk.letters(G, reason="bad 20")] == [20]
    assert [it.sequence for it in await desk.letters(G, reason="bad 2")] == [2, 20]


async def test_redriven_events_are_delivered_again(desk: Desk) -> None:
    """Chosen dead letters are given to the group again, as if they had never failed."""
    shop = desk.shop
    await reject(shop, 10)
    assert await desk.redrive(G, selection={"sequences": [2, 5]}, dry_run=True) == [(0, 2)]
    assert len(await desk.letters(G)) == 10
    steps = await desk.redrive(G, selection={"sequences": [2, 5]})
    assert (steps[0], steps[-1]) == ((0, 2), (2, 2))
    member = await join(shop, G)
    got = await member.events(2)
    assert {(it.sequence, it.attempt) for it in got} == {(2, 1), (5, 1)}
    await member.ack(*got)
    await member.nothing()
    assert [it.sequence for it in await desk.letters(G)] == [1, 3, 4, 6, 7, 8, 9, 10]
    assert (await desk.redrive(G, selection={"reason": "bad 1"}))[-1] == (2, 2)
    assert {it.sequence for it in await member.events(2)} == {1, 10}
    assert (await desk.redrive(G, all=True))[-1] == (6, 6)
    assert {it.sequence for it in await member.events(6)} == {3, 4, 6, 7, 8, 9}
    assert await desk.letters(G) == []
    assert (await desk.redrive(G, all=True))[-1] == (0, 0)


async def test_a_redrive_is_to_its_own_group_alone(desk: Desk) -> None:
    """What a group redrives or purges comes to no other group, and is not published again."""
    shop = desk.shop
    await create_group(shop, "other")
    await reject(shop, 5)
    other = await join(shop, "other")
    got = sorted(await other.events(5))
    await other.say("reject", got[:3], reason="no")
    await other.ack(*got[3:])
    assert (await desk.redrive(G, all=True))[-1] == (5, 5)
    assert {it.sequence for it in await (await join(shop, G)).events(5)} == {1, 2, 3, 4, 5}
    await other.nothing()
    assert [it.sequence for it in await desk.letters("other")] == [1, 2, 3]
    assert len(await shop.everything(ORDERS)) == 5
    assert await desk.purge("other", all=True) == 3
    assert (await group_stats(shop, G)).in_flight_events == 5


async def test_nothing_is_redriven_twice(desk: Desk) -> None:
    """Redrives that are under way together, and purges beside them, take each dead letter once."""
    shop = desk.shop
    await reject(shop, 60)
    member = await join(shop, G)
    results = await asyncio.gather(
        *(desk.redrive(G, all=True) for _ in range(3)),
        desk.redrive(G, selection={"reason": "bad"}),
        desk.purge(G, selection={"reason": "bad 1"}),
    )
    purged = results.pop()
    redriven = sum(steps[-1][0] for steps in results)  # type: ignore[index]
    assert redriven + int(purged) == 60  # type: ignore[call-overload]
    got = await member.events(redriven)
    assert len({it.sequence for it in got}) == redriven
    await member.nothing()


async def test_an_event_that_fails_again_is_not_redriven_again(desk: Desk) -> None:
    """A redrive ends, also if what it gives back fails at once and is a dead letter again."""
    shop = desk.shop
    await reject(shop, 30)
    member = await join(shop, G)
    running = asyncio.create_task(desk.redrive(G, all=True, events_per_second=100))
    for _ in range(30):
        await member.say("reject", await member.events(1), reason="again")
    assert (await asyncio.wait_for(running, PATIENCE))[-1] == (30, 30)
    await member.nothing()
    letters = await desk.letters(G)
    assert [it.sequence for it in letters] == list(range(1, 31))
    assert {(it.reason, it.attempt_count) for it in letters} == {("again", 1)}


async def test_a_redrive_has_a_rate(desk: Desk) -> None:
    """A redrive gives back no more a second than it was told, says how far it is, and ends with its call."""
    shop = desk.shop
    await reject(shop, 60)
    start = time.monotonic()
    steps = await desk.redrive(G, all=True, events_per_second=40)
    assert 1.0 < time.monotonic() - start < 4.0
    assert steps[-1] == (60, 60)
    assert len(steps) >= 3
    await reject(shop, 50)
    call = desk.stub.RedriveDeadLetters(pb.RedriveDeadLettersRequest(group=G, all=True, events_per_second=20))
    await call.read()
    await asyncio.sleep(0.3)
    call.cancel()
    left = len(await desk.letters(G))
    assert 30 <= left < 50
    await asyncio.sleep(0.3)
    assert len(await desk.letters(G)) == left


async def test_what_is_redriven_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A redrive waits while the group holds as many as it may, goes on as they are settled, and says so."""
    monkeypatch.setattr("gateway.groups.repair.MOST_REDRIVEN", 10)
    monkeypatch.setattr("gateway.groups.repair.READ_AT_ONCE", 10)
    shop = desk.shop
    await reject(shop, 35)
    call = desk.stub.RedriveDeadLetters(pb.RedriveDeadLettersRequest(group=G, all=True))
    assert ((await call.read()).total_count, (await call.read()).redriven_count) == (35, 10)
    assert len(await desk.letters(G)) == 25
    member = await join(shop, G)
    for _ in range(35):
        await member.ack(*await member.events(1))
    told = 10
    while (step := await call.read()) is not grpc.aio.EOF:
        told = step.redriven_count
    assert told == 35


async def test_purged_is_gone(desk: Desk) -> None:
    """Chosen dead letters are purged for good, or counted only, and are not delivered again."""
    shop = desk.shop
    await reject(shop, 12)
    assert await desk.purge(G, selection={"sequences": [1, 2]}, dry_run=True) == 2
    assert await desk.purge(G, selection={"sequences": [1, 2]}) == 2
    assert await desk.purge(G, selection={"reason": "bad 1"}) == 3
    assert [it.sequence for it in await desk.letters(G)] == list(range(3, 10))
    found = await refused(desk.letter(1, G))
    assert (found.code, found.reason, found.facts["sequence"]) == ("NOT_FOUND", "DEAD_LETTER_NOT_FOUND", "1")
    assert await desk.purge(G, all=True) == 7
    assert (await group_stats(shop, G)).dead_letter_count == 0
    await (await join(shop, G)).nothing()


BAD_CHOICES: dict[str, tuple[dict[str, Any], str, str]] = {
    "nothing": ({}, "selection", "set all"),
    "an empty selection": ({"selection": {}}, "selection", "set all"),
    "both": ({"selection": {"type": PAID}, "all": True}, "all", "contradicts"),
    "very many": ({"selection": {"sequences": range(1, 10_002)}}, "selection.sequences", "10,000"),
}


async def test_bad_choices_are_refused_clearly(desk: Desk) -> None:
    """Who changes dead letters says which; those that are named one by one are there, or nothing is done."""
    await reject(desk.shop, 2)
    for call in (desk.redrive, desk.purge):
        for case, (fields, path, words) in BAD_CHOICES.items():
            found = await refused(call(G, **fields))
            assert (found.reason, found.fields) == ("INVALID_REQUEST", [path]), case
            assert words in found.message, case
        found = await refused(call(G, selection={"sequences": [1, 7]}))
        assert (found.reason, found.facts["sequence"]) == ("DEAD_LETTER_NOT_FOUND", "7")
    for rate in (-1, float("nan"), float("inf")):
        found = await refused(desk.redrive(G, all=True, events_per_second=rate))
        assert found.fields == ["events_per_second"]
    assert len(await desk.letters(G)) == 2
    found = await refused(
        desk.stub.ListDeadLetters(pb.ListDeadLettersRequest(group=G, page_token="nonsense"))  # noqa: S106
    )
    assert found.fields == ["page_token"]


async def test_a_redriven_event_releases_its_key(shop: Shop) -> None:
    """Redriving what a key is parked behind lets the key go on, that event first."""
    await create_group(shop, G, dead_letters=PARK_KEY)
    desk = Desk(shop)
    await shop.publish(keyed(("a", "1"), ("a", "2"), ("b", "3")))
    member = await join(shop, G)
    got = {it.sequence: it for it in await member.events(2)}
    await member.say("reject", [got[1]], reason="no")
    await member.ack(got[3])
    await member.nothing()
    (letter,) = await desk.letters(G)
    assert letter.key_parked
    assert (await desk.letter(1, G)).key_parked
    await desk.redrive(G, selection={"sequences": [1]})
    (again,) = await member.events(1)
    assert (again.sequence, again.attempt) == (1, 1)
    await member.nothing()
    await member.ack(again)
    assert [it.sequence for it in await member.events(1)] == [2]
    assert (await group_stats(shop, G)).parked_key_count == 0


async def test_dead_letters_outlive_restarts_and_retention(start_shop: StartShop) -> None:
    """Dead letters are what they were after a restart, and after retention took their events from the log."""
    async with start_shop() as shop:
        await create_group(shop, G)
        await reject(shop, 5)
        before = await Desk(shop).letters(G)
    async with start_shop() as shop:
        desk = Desk(shop)
        assert await desk.letters(G) == before
        await shop.keep(ORDERS, 1)
        assert await desk.letters(G) == before
        assert (await desk.letter(3, G)).data_json


async def test_redriven_events_need_no_log(start_shop: StartShop) -> None:
    """What is redriven is delivered although retention took it from the log, over restarts, until settled.

    Meanwhile the schema version that it needs can't be purged; it may also fail and be a dead letter again.
    """
    async with start_shop() as shop:
        await create_group(shop, G, retry={"max_attempts": 3, **AT_ONCE})
        got = await reject(shop, 4)
        member = await join(shop, G)
        await shop.publish(batch(ORDERS, order("without"), order("a key")))
        await member.say("reject", await member.events(2))
        await shop.keep(ORDERS, 1)
    async with start_shop() as shop:
        desk = Desk(shop)
        assert (await desk.redrive(G, all=True))[-1] == (6, 6)
        member = await join(shop, G)
        again = sorted(await member.events(6))
        assert [it.data for it in again] == [*[it.data for it in got], order("without"), order("a key")]
        assert {it.attempt for it in again} == {1}
        await member.ack(again[0], again[4])
        await member.say("nack", [again[1]])
        (second,) = await member.events(1)
        assert (second.sequence, second.attempt, second.data) == (again[1].sequence, 2, again[1].data)
        await member.say("reject", [again[2]], reason="still")
        (letter,) = await desk.letters(G)
        assert letter.batch.events[0].data == again[2].data
    async with start_shop() as shop:
        desk = Desk(shop)
        await shop.register(SCHEMA_2)
        await shop.delete_topic(ORDERS, force=True)
        await desk.purge(G, all=True)
        await shop.schemas.DeleteSchema(schemas.DeleteSchemaRequest(subject=SUBJECT, version=1))
        purge = schemas.DeleteSchemaRequest(subject=SUBJECT, version=1, purge=True)
        assert (await refused(shop.schemas.DeleteSchema(purge))).reason == "SCHEMA_NEEDED"
        member = await join(shop, G)
        left = sorted(await member.events(3))
        assert [it.sequence for it in left] == [again[at].sequence for at in (1, 3, 5)]
        await member.ack(*left)
        await shop.schemas.DeleteSchema(purge)
        kept = await shop.gateway._groups._store.load()
        assert [it.redriven for it in kept] == [()]


async def test_a_schema_version_that_a_dead_letter_needs_stays(shop: Shop) -> None:
    """A version can't be purged while a dead letter has data of it, also when log and topic are gone."""
    await create_group(shop, G)
    await reject(shop, 1)
    await shop.register(SCHEMA_2)
    await shop.delete_topic(ORDERS, force=True)
    await shop.schemas.DeleteSchema(schemas.DeleteSchemaRequest(subject=SUBJECT, version=1))
    purge = schemas.DeleteSchemaRequest(subject=SUBJECT, version=1, purge=True)
    found = await refused(shop.schemas.DeleteSchema(purge))
    assert found.reason == "SCHEMA_NEEDED"
    assert ORDERS in found.facts["needed_by"]
    desk = Desk(shop)
    assert (await desk.letter(1, G)).data_json
    await desk.purge(G, all=True)
    await shop.schemas.DeleteSchema(purge)


async def test_a_group_with_dead_letters_is_deleted_only_by_force(desk: Desk) -> None:
    """Without force a group with members or dead letters stays; with it everything of it goes."""
    shop = desk.shop
    member = await join(shop, G)
    found = await refused(desk.delete(G))
    assert (found.code, found.reason, found.facts["members"]) == ("FAILED_PRECONDITION", "GROUP_IN_USE", "1")
    member.leave()
    await reject(shop, 3)
    found = await refused(desk.delete(G))
    assert (found.reason, found.facts["members"], found.facts["dead_letters"]) == ("GROUP_IN_USE", "0", "3")
    await desk.delete(G, force=True)
    assert await desk.names() == []
    await create_group(shop, G)
    assert await desk.letters(G) == []


async def test_a_stopping_gateway_ends_redrives(start_shop: StartShop) -> None:
    """A redrive with a rate does not keep a gateway from stopping; it ends with DRAINING."""
    async with start_shop() as shop:
        await create_group(shop, G, ordering=NONE)
        await reject(shop, 50)
        request = pb.RedriveDeadLettersRequest(group=G, all=True, events_per_second=1)
        call = Desk(shop).stub.RedriveDeadLetters(request)
        await call.read()
        start = time.monotonic()
        stopping = asyncio.create_task(shop.gateway._drain())
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        await stopping
        assert time.monotonic() - start < 3
