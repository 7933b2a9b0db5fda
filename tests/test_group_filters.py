"""Filters of groups, of dead letters, and the form in which members get events."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from tidegate.v1 import event_service_pb2 as events
from tidegate.v1 import group_service_pb2 as pb
from tidegate.v1 import subscription_pb2
from tidegate.v1 import topic_service_pb2 as topics

from tests.group_desk import Desk
from tests.members import NONE, create_group, group_stats, join, keyed, seconds
from tests.shop import (
    ORDERS,
    PAID,
    PAYMENTS,
    PLACED,
    SCHEMA_2,
    SUBJECT,
    Shop,
    batch,
    order,
    refused,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    StartShop = Callable[..., AbstractAsyncContextManager[Shop]]

G = "g"
EARLIEST = events.START_POSITION_EARLIEST
ABOVE_7 = "event.data.amount_cents > 7"


def orders(count: int) -> list[bytes]:
    """Data of orders whose amounts rise from 1."""
    return [order(f"o{number}", number) for number in range(1, count + 1)]


def live(shop: Shop) -> list[tuple[str, str, str]]:
    """The live filters that read the shop's data."""
    found = shop.gateway._groups._filters._sieves._live.of_subject(SUBJECT)
    return [(it.group, it.type, it.text) for it in found]


async def test_a_group_delivers_what_its_filter_lets_through(start_shop: StartShop) -> None:
    """A group delivers the events that its filter holds of, with or without order, also after a restart."""
    async with start_shop() as shop:
        desk = Desk(shop)
        fields = {"types": [PLACED], "filter": ABOVE_7, "start_position": EARLIEST}
        await desk.create("keyed", **fields)
        await desk.create("loose", **fields, settings={"ordering": NONE})
        assert (await desk.get("keyed")).filter == ABOVE_7
        await shop.publish(batch(ORDERS, *orders(10)), batch(ORDERS, order("x"), type=PAID))
        for name in ("keyed", "loose"):
            member = await join(shop, name)
            got = await member.events(3)
            assert [it.sequence for it in sorted(got)] == [8, 9, 10]
            assert {it.data for it in got} == set(orders(10)[7:])
            await member.ack(*got)
            await member.nothing()
            stats = await desk.stats(name)
            assert (stats.position, stats.lag_events, stats.oldest_unsettled_sequence) == (11, 0, 0)
        assert live(shop) == [("keyed", PLACED, ABOVE_7), ("loose", PLACED, ABOVE_7)]
    async with start_shop() as shop:
        await shop.publish(batch(ORDERS, *orders(8)))
        member = await join(shop, "keyed")
        assert [it.sequence for it in await member.events(1)] == [19]
        await Desk(shop).delete("loose", force=True)
        assert live(shop) == [("keyed", PLACED, ABOVE_7)]


async def test_bad_filters_are_refused_clearly(shop: Shop) -> None:
    """A filter that does not compile is refused with its field and column, and nothing is made or changed."""
    desk = Desk(shop)
    unknown = "event.data.amount > 7"
    for fields, reason, path in (
        ({"types": [PLACED], "filter": unknown}, "INVALID_FILTER", "group.filter"),
        ({"filter": "event.key =="}, "INVALID_FILTER", "group.filter"),
        ({"filter": "event.key"}, "INVALID_FILTER", "group.filter"),
        (
            {"types": [PLACED, PAID], "type_filters": {PLACED: unknown}},
            "INVALID_FILTER",
            f"group.type_filters[{PLACED}]",
        ),
        ({"type_filters": {PLACED: "true"}}, "INVALID_REQUEST", f"group.type_filters[{PLACED}]"),
        (
            {"types": [PLACED], "type_filters": {PLACED: "true"}, "filter": "true"},
            "INVALID_REQUEST",
            "group.type_filters",
        ),
    ):
        found = await refused(desk.create(G, **fields))
        assert (found.code, found.reason, found.fields) == ("INVALID_ARGUMENT", reason, [path])
    found = await shop.subscribe(ORDERS, group=G, filter="nonsense", types=[PLACED]).refused()
    assert (found.reason, found.fields) == ("INVALID_FILTER", ["filter"])
    assert await desk.names() == []
    made = await desk.create(G, types=[PLACED], filter=ABOVE_7)
    found = await refused(desk.update(["filter"], G, filter=unknown))
    assert (found.reason, found.fields) == ("INVALID_FILTER", ["group.filter"])
    found = await refused(desk.update(["types"], G, types=[PLACED, PAID]))
    assert found.reason == "INVALID_FILTER"
    assert (await desk.get(G)).etag == made.etag
    assert live(shop) == [(G, PLACED, ABOVE_7)]


async def test_a_new_filter_takes_effect_at_once(shop: Shop) -> None:
    """A changed filter decides what is read from then on, also while a member waits at the head."""
    desk = Desk(shop)
    await desk.create(G, types=[PLACED], filter=ABOVE_7)
    member = await join(shop, G)
    await shop.publish(batch(ORDERS, *orders(8)))
    assert [it.sequence for it in await member.events(1)] == [8]
    await desk.update(["filter"], G, filter="event.data.amount_cents < 3")
    assert live(shop) == [(G, PLACED, "event.data.amount_cents < 3")]
    await shop.publish(batch(ORDERS, *orders(8)))
    assert sorted(it.sequence for it in await member.events(2)) == [9, 10]
    await desk.update(["filter", "type_filters"], G, type_filters={PLACED: "event.data.amount_cents == 5"})
    await shop.publish(batch(ORDERS, *orders(8)))
    assert [it.sequence for it in await member.events(1)] == [21]
    await desk.update(["type_filters"], G)
    await shop.publish(batch(ORDERS, *orders(2)))
    assert sorted(it.sequence for it in await member.events(2)) == [25, 26]
    assert live(shop) == []


async def test_members_are_told_where_a_filter_fails(shop: Shop) -> None:
    """Events on which the filter fails are not delivered, and members are warned with the first and last."""
    desk = Desk(shop)
    failing = "10 / (event.data.amount_cents - 3) < 100"
    await desk.create(G, types=[PLACED], filter=failing, start_position=EARLIEST)
    await shop.publish(batch(ORDERS, *orders(5)))
    member = await join(shop, G)
    assert sorted(it.sequence for it in await member.events(4)) == [1, 2, 4, 5]
    warning = await member.until("warning")
    assert warning.kind == subscription_pb2.WARNING_KIND_FILTER_FAILED
    assert (warning.event_count, warning.first_sequence, warning.last_sequence) == (1, 3, 3)
    assert "zero" in warning.message


async def test_a_subscription_says_the_filter_that_the_group_has(shop: Shop) -> None:
    """A member may repeat the group's filter; another one is refused with both."""
    await Desk(shop).create(G, types=[PLACED], filter=ABOVE_7)
    member = await join(shop, G, filter=ABOVE_7, types=[PLACED])
    member.leave()
    found = await shop.subscribe(group=G, filter="true").refused()
    assert (found.reason, found.facts["field"]) == ("GROUP_DIFFERS", "filter")
    assert (found.facts["has"], found.facts["says"]) == (ABOVE_7, "true")
    found = await shop.subscribe(group=G, type_filters={PLACED: "true"}).refused()
    assert (found.facts["field"], found.facts["has"]) == ("type_filters", "none")


async def test_members_get_events_in_the_form_that_they_ask_for(shop: Shop) -> None:
    """One member may read JSON, another some fields, a third an old version; keys and leases are the same."""
    await create_group(shop, G, ordering=NONE)
    await shop.register(SCHEMA_2)
    forms: dict[str, tuple[dict[str, Any], Callable[[bytes], object], object]] = {
        "JSON": ({"as_json": True}, json.loads, {"order_id": "a", "amount_cents": "7", "note": "n"}),
        "one field": ({"read_mask": {"paths": ["order_id"]}}, bytes, order("a", 0)),
        "version 1": ({"schema_version": 1}, bytes, order("a", 7)),
        "as it is": ({}, bytes, order("a", 7, "n")),
    }
    for name, (fields, read, wanted) in forms.items():
        member = await join(shop, G, **fields)
        await shop.publish(batch(ORDERS, *[order("a", 7, "n")] * 50))
        got = await member.events(50)
        assert [read(it.data) for it in got] == [wanted] * 50, name
        sequences = [it.sequence for it in got]
        assert sequences == list(range(sequences[0], sequences[0] + 50)), name
        assert (await member.ack(*got)).applied_count == 50
        member.leave()
    for fields, path in (({"read_mask": {"paths": ["nothing"]}}, "read_mask"), ({"schema_version": 9}, "")):
        found = await shop.subscribe(group=G, **fields).refused()
        assert found.fields == ([path] if path else [])


async def test_large_json_comes_in_frames_that_clients_take(shop: Shop) -> None:
    """Data that is ten times as large in JSON comes in several frames, all under one lease."""
    enum = f"enum W {{ {'Z' * 200} = 0; }}"
    text = f'syntax = "proto3"; package w; message Wide {{ repeated W w = 1; }} {enum}'
    await shop.register({"wide.proto": text}, "wide")
    request = {"name": "wide", "subject": "wide"}
    await shop.topics.CreateTopic(topics.CreateTopicRequest(topic=request))
    await create_group(shop, G, "wide", ordering=NONE)
    data = b"\x0a\xf0\x2e" + bytes(6_000)  # 1.2 MB as JSON
    await shop.publish(batch("wide", *[data] * 20, type="w.Wide"))
    member = await join(shop, G, as_json=True)
    got = await member.events(20)
    assert [it.sequence for it in got] == list(range(1, 21))
    assert len({it.epoch for it in got}) == 1
    assert len(json.loads(got[-1].data)["w"]) == 6_000
    assert (await member.ack(*got)).applied_count == 20


async def test_dead_letters_are_chosen_by_filter(shop: Shop) -> None:
    """A filter chooses dead letters by key and time, and with a type by data, whatever becomes of them."""
    await create_group(shop, G, "shop.>")
    desk = Desk(shop)
    await shop.publish(keyed(("k1", "a"), ("k2", "b")), batch(ORDERS, *orders(10)))
    await shop.publish(batch(PAYMENTS, *orders(3), type=PAID))
    member = await join(shop, G)
    await member.say("reject", await member.events(15))
    assert [it.sequence for it in await desk.letters(G, filter='event.key == "k2"')] == [2]
    for size in (1, 100):
        found = await desk.letters(G, size, filter=ABOVE_7, type=PLACED)
        assert [it.sequence for it in found] == [10, 11, 12]
    assert len(await desk.letters(G, filter="event.append_time > timestamp('2020-01-01T00:00:00Z')")) == 15
    assert await desk.letters(G, filter="event.append_time < timestamp('2020-01-01T00:00:00Z')") == []
    failing = {"filter": "10 / (event.data.amount_cents - 2) > 1", "type": PAID}
    assert [it.sequence for it in await desk.letters(G, **failing)] == [15]
    assert live(shop) == []
    assert await desk.purge(G, selection={"filter": ABOVE_7, "type": PLACED}) == 3
    assert (await desk.redrive(G, selection={"filter": "event.sequence < 3"}))[-1] == (2, 2)
    assert sorted(it.sequence for it in await member.events(2)) == [1, 2]
    for selection in ({"filter": ABOVE_7}, {"filter": "nonsense", "type": PLACED}):
        for call in (
            desk.stub.ListDeadLetters(pb.ListDeadLettersRequest(group=G, selection=selection)),
            desk.redrive(G, selection=selection),
            desk.purge(G, selection=selection),
        ):
            found_ = await refused(call)
            assert (found_.reason, found_.fields) == ("INVALID_FILTER", ["selection.filter"])


async def test_a_group_with_a_filter_goes_on_after_failures(shop: Shop) -> None:
    """Events that pass are retried as any; a key's next event that passes waits for the one before."""
    desk = Desk(shop)
    settings = {"retry": {"min_backoff": seconds(0), "max_backoff": seconds(0)}}
    await desk.create(
        G, types=[PLACED], filter='event.key != "x"', start_position=EARLIEST, settings=settings
    )
    await shop.publish(keyed(("a", "1"), ("x", "2"), ("a", "3"), ("b", "4")))
    member = await join(shop, G)
    got = {it.sequence: it for it in await member.events(2)}
    assert set(got) == {1, 4}
    await member.say("nack", [got[1]])
    (again,) = await member.events(1)
    assert (again.sequence, again.attempt) == (1, 2)
    await member.ack(again)
    assert [it.sequence for it in await member.events(1)] == [3]


async def test_a_filter_that_fits_no_schema_any_more_stalls_the_group(
    start_shop: StartShop, tmp_path: Path
) -> None:
    """A group whose stored filter can't be used says so to members and operators, and takes another one."""
    async with start_shop() as shop:
        await Desk(shop).create(
            G, types=[PLACED], filter="event.data.amount_cents > 5", start_position=EARLIEST
        )
        await shop.publish(batch(ORDERS, order("a", 7), order("b", 1), type=PLACED))
    with closing(sqlite3.connect(tmp_path / "log.db")) as file, file:
        file.execute("UPDATE group_definition SET definition = replace(definition, 'amount_cents', 'gone')")
    async with start_shop() as shop:
        member = await join(shop, "g", heartbeat_interval=seconds(1))
        warning = await member.until("warning")
        assert warning.kind == subscription_pb2.WARNING_KIND_GROUP_STALLED
        stats = await group_stats(shop, "g")
        for told in (warning.message, stats.stalled):
            assert "can't read on" in told
            assert "gone" in told
        await member.nothing()
        await Desk(shop).update(["filter"], "g", filter="event.data.amount_cents > 5")
        assert [event.data for event in await member.events(1)] == [order("a", 7)]
        assert not (await group_stats(shop, "g")).stalled
