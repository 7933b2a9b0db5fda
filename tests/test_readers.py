"""Readers: who reads which versions, as the gateway remembers it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegate import Gap
from tidegate.aio import AsyncClient
from tidegate.errors import IncompatibleVersion
from tidegate.v1 import event_service_pb2 as pb
from tidegate.v1.schema_service_pb2 import UpdateSubjectRequest

from gateway import readers as readers_module
from gateway.errors import StorageFull
from gateway.readers import FORGOTTEN_AFTER, Readers
from gateway.roster import MOST_NAMES, ReaderKey, Roster, Unwritten, key_of
from gateway.sqlite.reader_store import SqliteReaderStore
from registry.schema import Reader
from tests.shop import (
    ORDERS,
    PAID,
    PAYMENTS,
    PLACED,
    SCHEMA,
    SCHEMA_2,
    SUBJECT,
    Shop,
    Subscription,
    batch,
    order,
    wait_until,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    StartShop = Callable[..., AbstractAsyncContextManager[Shop]]

DAY_0 = datetime(2026, 1, 1, tzinfo=UTC)
ALIVE = timedelta(days=1)
RETYPED = {
    "shop/v1/order.proto": SCHEMA["shop/v1/order.proto"].replace(
        "int64 amount_cents = 2;", "string note = 2;"
    )
}
NO_PROMISE = UpdateSubjectRequest(
    subject={"name": SUBJECT, "compatibility": {"direction": "COMPATIBILITY_DIRECTION_NONE"}},
    update_mask={"paths": ["compatibility"]},
)
OTHER = {"other/v1/note.proto": 'syntax = "proto3"; package other.v1; message Note { string text = 1; }'}


def read_as(client_name: str, **versions: int) -> pb.ReaderInfo:
    """Says who reads, and with which versions it was built."""
    built_with = [{"subject": subject, "version": version} for subject, version in versions.items()]
    return pb.ReaderInfo(client_name=client_name, built_with=built_with)


def remembered(shop: Shop, subject: str = SUBJECT) -> list[Reader]:
    """The readers of a subject that the gateway remembers."""
    return list(shop.gateway._readers.of_subject(subject))


def briefly(readers: list[Reader]) -> list[tuple[Any, ...]]:
    """Readers without their times."""
    return [(it.client_name, it.version, it.topics, it.types, it.alive) for it in readers]


async def opened(shop: Shop, *names: str, **fields: Any) -> Subscription:
    """Subscribes and waits until the stream is open."""
    subscription = shop.subscribe(*names, **fields)
    await subscription.next("opened")
    return subscription


async def ended(shop: Shop, subscription: Subscription) -> None:
    """Ends a subscription, and waits until the gateway knows."""
    subscription.call.cancel()
    await wait_until(lambda: _is_open(shop, 0))


async def _is_open(shop: Shop, count: int) -> bool:
    return len(shop.gateway._subscriber._open) == count


async def test_a_reader_is_remembered(shop: Shop) -> None:
    """A reader with a name and a version is listed with its topics and types, while it is there and after."""
    before = datetime.now(UTC)
    subscription = await opened(shop, ORDERS, PAYMENTS, types=[PLACED], reader=read_as("billing", shop=1))
    assert briefly(remembered(shop)) == [("billing", 1, (ORDERS, PAYMENTS), (PLACED,), True)]
    await ended(shop, subscription)
    (reader,) = remembered(shop)
    assert reader.alive
    assert before <= reader.last_seen_time <= datetime.now(UTC)


async def test_who_names_no_version_or_no_name_is_not_remembered(shop: Shop) -> None:
    """A reader is remembered only with a name, and only under versions that it names: others are guesses."""
    for info in (read_as("billing"), read_as("", shop=1), None):
        await opened(shop, ORDERS, reader=info)
    assert remembered(shop) == []


async def test_only_subjects_that_are_read_count(shop: Shop) -> None:
    """Of the versions that a reader names, those count whose topics or types its subscription has."""
    await shop.register(SCHEMA_2)
    await shop.register(OTHER, "other")
    info = read_as("billing", shop=2, other=1)
    await opened(shop, ORDERS, reader=info)
    assert briefly(remembered(shop)) == [("billing", 2, (ORDERS,), (), True)]
    assert remembered(shop, "other") == []
    await shop.create_topic("other.notes", subject="other")
    await opened(shop, "*.notes", reader=read_as("notes", shop=1, other=1))
    await opened(shop, ">", types=["other.v1.Note"], reader=read_as("all", shop=1, other=1))
    assert briefly(remembered(shop, "other")) == [
        ("all", 1, (">",), ("other.v1.Note",), True),
        ("notes", 1, ("*.notes",), (), True),
    ]
    assert [reader.client_name for reader in remembered(shop)] == ["billing"]


@pytest.mark.parametrize(
    ("info", "reason", "field", "words"),
    [
        (read_as("billing", nothing=1), "INVALID_REQUEST", "reader.built_with", "'nothing' does not exist"),
        (read_as("billing", shop=7), "SCHEMA_VERSION_NOT_FOUND", None, "version 7"),
        (read_as("", shop=7), "SCHEMA_VERSION_NOT_FOUND", None, "version 7"),
        (read_as("billing", shop=0), "INVALID_REQUEST", "reader.built_with[0].version", "must name"),
        (
            pb.ReaderInfo(built_with=2 * [{"subject": SUBJECT, "version": 1}]),
            "INVALID_REQUEST",
            "reader.built_with[1].subject",
            "named twice",
        ),
        (
            pb.ReaderInfo(built_with=101 * [{"subject": SUBJECT, "version": 1}]),
            "INVALID_REQUEST",
            "reader.built_with",
            "at most 100",
        ),
        (read_as("é" * 128), "INVALID_REQUEST", "reader.client_name", "256 bytes; at most 255"),
        (read_as("bill\ning"), "INVALID_REQUEST", "reader.client_name", "can't be printed"),
    ],
)
def test_what_a_reader_says_is_checked(
    module_shop: Any, info: pb.ReaderInfo, reason: str, field: str | None, words: str
) -> None:
    """A reader that is no such, or names what does not exist, is refused, with the field and the words."""

    async def use(shop: Shop) -> None:
        refusal = await shop.subscribe(ORDERS, reader=info).refused()
        assert refusal.reason == reason
        assert refusal.fields == ([field] if field else [])
        assert words in refusal.message

    module_shop(use)


async def test_the_client_library_says_who_reads(shop: Shop) -> None:
    """A subscription of the client library tells the gateway its reader's name and versions."""
    async with AsyncClient(shop.gateway.address) as client:
        reading = client.subscribe(
            ORDERS, client_name="billing", built_with={"shop": 1}, until_caught_up=True
        )
        async with reading as subscription:
            assert [event async for event in subscription] == []
        async with client.subscribe(ORDERS, until_caught_up=True) as subscription:
            assert [event async for event in subscription] == []
    assert [(it.client_name, it.version) for it in remembered(shop)] == [("billing", 1)]


async def test_the_client_library_tells_what_a_reader_can_not_read(shop: Shop) -> None:
    """Events that can't be read as the version that a reader was built with fail it, or are told as a gap."""
    await shop.place("a")
    await shop.schemas.UpdateSubject(NO_PROMISE)
    assert await shop.register(SCHEMA | RETYPED) == 2
    await shop.publish(batch(ORDERS, b"\x12\x01x", version=2))
    await shop.publish(batch(ORDERS, order("b"), version=1))
    gaps: list[Gap] = []
    async with AsyncClient(shop.gateway.address) as client:
        options: dict[str, Any] = {"start": 1, "until_caught_up": True, "built_with": {"shop": 1}}
        async with client.subscribe(ORDERS, on_gap=gaps.append, **options) as reading:
            assert [event.sequence async for event in reading] == [1, 3]
        assert gaps == [Gap(2, 2, (ORDERS,), "INCOMPATIBLE_VERSION")]
        with pytest.raises(IncompatibleVersion, match="can't read"):
            async with client.subscribe(ORDERS, **options) as reading:
                assert [event.sequence async for event in reading] == [1]


async def test_readers_outlive_the_gateway(start_shop: StartShop) -> None:
    """A gateway that starts again remembers who read before, and since when they are gone."""
    async with start_shop() as shop:
        await opened(shop, ORDERS, reader=read_as("billing", shop=1))
        gone = await opened(shop, PAYMENTS, types=[PAID], reader=read_as("audit", shop=1))
        gone.call.cancel()
        await wait_until(lambda: _is_open(shop, 1))
        known = remembered(shop)
    async with start_shop() as shop:
        again = remembered(shop)
        assert briefly(again) == briefly(known)
        assert again[0].last_seen_time == known[0].last_seen_time
        assert known[1].last_seen_time <= again[1].last_seen_time <= datetime.now(UTC)


async def test_who_comes_is_written_down_at_once(shop: Shop, tmp_path: Path) -> None:
    """A gateway that is killed remembers the readers that had come a few seconds before."""
    await opened(shop, ORDERS, reader=read_as("billing", shop=1))
    store = await SqliteReaderStore.open(tmp_path / "log.db")

    async def is_written() -> bool:
        return [key_of(reader) for reader in await store.load()] == [("billing", SUBJECT, 1)]

    await wait_until(is_written)
    await store.close()


class FullDisk:
    """A store whose first writes fail, as on a full disk."""

    def __init__(self, failures: int) -> None:
        self.left = failures
        self.kept: dict[ReaderKey, Reader] = {}

    async def load(self) -> list[Reader]:
        """Answers all readers."""
        return list(self.kept.values())

    async def save(self, unwritten: Unwritten) -> None:
        """Stores and removes readers, or fails."""
        if self.left:
            self.left -= 1
            raise StorageFull("log.db", "database or disk is full")
        for key in unwritten.gone:
            self.kept.pop(key, None)
        self.kept |= {key_of(reader): reader for reader in unwritten.readers}


async def test_a_full_disk_loses_no_reader(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be written down is tried again, until it can."""
    monkeypatch.setattr(readers_module, "SEEN_SECONDS", 0.05)
    monkeypatch.setattr(readers_module, "PAUSE_SECONDS", 0.01)
    store = FullDisk(failures=3)
    readers = Readers(store, shop.gateway._readers._topics, 60)
    running = asyncio.create_task(readers.run())
    with readers.reading([reader("billing", 1, DAY_0)]):
        await wait_until(lambda: _wrote(store))
    running.cancel()
    assert set(store.kept) == {("billing", SUBJECT, 1)}


async def _wrote(store: FullDisk) -> bool:
    return bool(store.kept)


async def test_a_store_keeps_what_it_is_given(tmp_path: Path) -> None:
    """A store answers the readers that were saved last and not removed since, whatever their names are."""
    store = await SqliteReaderStore.open(tmp_path / "log.db")
    kept = [
        reader("bill'ing ✓", 1, DAY_0, topics=(ORDERS, ">"), types=(PAID,)),
        reader("b", 2**32 - 1, DAY_0),
    ]
    await store.save(Unwritten([*kept, reader("c", 1, DAY_0)], []))
    await store.save(Unwritten([replace(kept[1], types=(PLACED,))], [ReaderKey("c", SUBJECT, 1)]))
    await store.close()
    again = await SqliteReaderStore.open(tmp_path / "log.db")
    assert sorted(await again.load(), key=key_of) == [replace(kept[1], types=(PLACED,)), kept[0]]
    await again.close()


def reader(
    client_name: str, version: int, seen: datetime, topics: tuple[str, ...] = (), types: tuple[str, ...] = ()
) -> Reader:
    """A reader of the shop, which is not alive."""
    return Reader(client_name, SUBJECT, version, topics, types, seen, alive=False)


@dataclass
class Model:
    """What a roster must remember, written plainly: of each reader its open streams and what is known."""

    streams: dict[ReaderKey, int] = field(default_factory=dict)
    known: dict[ReaderKey, Reader] = field(default_factory=dict)

    def arrive(self, new: Reader) -> None:
        """A stream of a reader opened."""
        key = key_of(new)
        if self.streams.get(key):
            old = self.known[key]
            types = sorted({*old.types, *new.types}) if old.types and new.types else ()
            new = replace(new, topics=tuple(sorted({*old.topics, *new.topics})), types=tuple(types))
        self.known[key] = new
        self.streams[key] = self.streams.get(key, 0) + 1
        for other in self.others(key):
            if not self.streams[other]:
                self.drop(other)

    def leave(self, key: ReaderKey, now: datetime) -> None:
        """A stream of a reader closed."""
        self.streams[key] -= 1
        self.known[key] = replace(self.known[key], last_seen_time=now)
        if not self.streams[key] and any(self.streams[other] for other in self.others(key)):
            self.drop(key)

    def others(self, key: ReaderKey) -> list[ReaderKey]:
        """The other versions of a reader."""
        return [it for it in self.known if it[:2] == key[:2] and it != key]

    def drop(self, key: ReaderKey) -> None:
        """A reader is forgotten."""
        del self.known[key], self.streams[key]

    def listed(self, now: datetime) -> list[Reader]:
        """What is to be listed."""
        return [
            replace(self.known[key], last_seen_time=now, alive=True)
            if self.streams[key]
            else replace(self.known[key], alive=now - self.known[key].last_seen_time <= ALIVE)
            for key in sorted(self.known)
        ]


STEP = st.tuples(
    st.sampled_from(["arrive", "arrive", "leave", "leave", "forget", "restart", "write"]),
    st.sampled_from(["a", "b"]),
    st.integers(1, 2),
    st.sets(st.sampled_from([ORDERS, PAYMENTS, ">"]), min_size=1),
    st.sets(st.sampled_from([PLACED, PAID])),
    st.integers(0, 40 * 24),
)


@given(st.lists(STEP, max_size=40))
def test_a_roster_is_its_model(steps: list[tuple[Any, ...]]) -> None:
    """A roster remembers what its rules say, and what it has written down is what it remembers."""
    roster, model, now, written = Roster(), Model(), DAY_0, {}
    for step, name, version, topics, types, hours in steps:
        key = ReaderKey(name, SUBJECT, version)
        now += timedelta(hours=hours)
        if step == "arrive":
            new = reader(name, version, now, tuple(sorted(topics)), tuple(sorted(types)))
            roster.arrive(new)
            model.arrive(new)
        elif step == "leave" and model.streams.get(key):
            roster.leave(key, now)
            model.leave(key, now)
        elif step == "forget":
            roster.forget(now - FORGOTTEN_AFTER)
            for old in [it for it in model.known if not model.streams[it]]:
                if model.known[old].last_seen_time < now - FORGOTTEN_AFTER:
                    model.drop(old)
        elif step == "restart":
            roster.see(now)
            write(roster, written)
            assert set(written) == set(model.known)
            roster = Roster()
            roster.load(written.values())
            model.known = {
                it: replace(known, last_seen_time=now) if model.streams[it] else known
                for it, known in model.known.items()
            }
            model.streams = dict.fromkeys(model.known, 0)
        elif step == "write":
            write(roster, written)
            assert {it: (known.topics, known.types) for it, known in written.items()} == {
                it: (known.topics, known.types) for it, known in model.known.items()
            }
        assert roster.of_subject(SUBJECT, now, ALIVE) == model.listed(now)
        assert roster.of_subject("other", now, ALIVE) == []


def write(roster: Roster, written: dict[ReaderKey, Reader]) -> None:
    """Writes down what changed, after a first try that fails."""
    roster.give_back(roster.take_unwritten(2))
    while any(unwritten := roster.take_unwritten(2)):
        for key in unwritten.gone:
            written.pop(key, None)
        written |= {key_of(it): it for it in unwritten.readers}


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), max_size=100), st.integers(1, 10))
def test_a_roster_stays_within_its_bounds(arrivals: list[tuple[int, int]], most: int) -> None:
    """However many come, no more are remembered than may be: those that came last, within the bytes."""
    by_count, by_bytes = Roster(most_readers=most), Roster(most_bytes=most * 1_000)
    for index, (number, topics) in enumerate(arrivals):
        new = reader(f"{number}", 1, DAY_0 + timedelta(hours=index), tuple("x" * 100 for _ in range(topics)))
        for roster in (by_count, by_bytes):
            roster.arrive(new)
        if number % 2:
            by_count.leave(key_of(new), new.last_seen_time)
    latest = list(dict.fromkeys(f"{number}" for number, _ in reversed(arrivals)))[:most]
    now = DAY_0 + timedelta(days=10)
    assert {it.client_name for it in by_count.of_subject(SUBJECT, now, ALIVE)} == set(latest)
    assert by_bytes._bytes <= most * 1_000
    assert by_bytes._bytes == sum(entry.weight for entry in by_bytes._entries.values())


def test_of_a_reader_few_names_are_kept() -> None:
    """A reader that asks for more types than are kept counts as asking for all; of topics some are kept."""
    many = tuple(f"t{number:03}" for number in range(MOST_NAMES + 1))
    roster = Roster()
    roster.arrive(reader("a", 1, DAY_0, topics=many, types=many))
    (kept,) = roster.of_subject(SUBJECT, DAY_0, ALIVE)
    assert (kept.topics, kept.types) == (many[:MOST_NAMES], ())
