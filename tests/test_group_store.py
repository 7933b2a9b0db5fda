"""The store of groups: what it holds is what a naive one would, whatever comes in which order."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.entries import Sealer
from gateway.groups.store import Kept, Write
from gateway.groups.values import (
    Attempt,
    Cause,
    Changes,
    Dead,
    DeadLetter,
    DeadLetterPolicy,
    Definition,
    Failed,
    Ordering,
    Outcome,
    Parked,
    Progress,
    Settings,
)
from gateway.log import StoredKind
from gateway.sqlite.file import LogFile
from gateway.sqlite.group_store import SqliteGroupStore
from registry.errors import StorageFull

if TYPE_CHECKING:
    from collections.abc import Iterable

START = datetime(2026, 3, 1, 12, 0, 0, 123, UTC)
SEQUENCES = st.integers(1, 12) | st.integers(1, 2**63 - 1)
TEXTS = st.sampled_from(["", "a", "b", 'é"\\\n', "nul\0in", "\x1b0", "\0", "\x1b", "12"]) | st.text(
    max_size=5
)
TIMES = st.floats(0, 4e9)
ATTEMPTS = st.lists(st.builds(Attempt, TEXTS, TEXTS, TIMES, st.sampled_from(Outcome), TEXTS), max_size=3).map(
    tuple
)
SEALERS = {kind: Sealer(f"topic{kind}", "shop.v1.T", kind) for kind in (1, 2, 3)}
PARKED = st.builds(Parked, SEQUENCES, TIMES, TEXTS)


def definition(name: str, created: int = 0, **fields: Any) -> Definition:
    """A group, created some seconds after the start."""
    time = START + timedelta(seconds=created)
    known: dict[str, Any] = {
        "topics": ("shop.orders", "shop.>"),
        "types": ("shop.v1.OrderPaid",),
        "filter": "event.key == 'ä'",
        "type_filters": {"shop.v1.OrderPaid": "true"},
        "settings": Settings(Ordering.NONE, lease=0.25, dead_letters=DeadLetterPolicy.PARK_KEY),
    }
    return Definition(name=name, create_time=time, update_time=time, etag=f"e{created}", **known | fields)


def letter(sequence: int, attempts: tuple[Attempt, ...] = (), key: str = "k", kind: int = 1) -> DeadLetter:
    """A dead letter, whose entry tells its sequence and kind."""
    dead = Dead(sequence, key, 17.25, Cause.REJECTED, len(attempts), attempts)
    entry = SEALERS[kind].seal(b"", sequence, 5)
    return DeadLetter(dead, f"topic{kind}", "shop.v1.T", kind, entry)


def failed(first: int) -> st.SearchStrategy[Failed]:
    """Failed events that begin at a sequence."""
    return st.builds(
        Failed, st.just(first), SEQUENCES, TEXTS, TIMES, st.integers(0, 99), ATTEMPTS, st.booleans()
    )


@st.composite
def changes(draw: st.DrawFn) -> tuple[Changes, list[DeadLetter], list[int]]:
    """Anything that a machine may say that it changed, with letters of what it gave up, and what is done."""
    spans = st.lists(st.tuples(SEQUENCES, SEQUENCES), max_size=4).map(tuple)
    letters = draw(
        st.lists(
            st.builds(letter, SEQUENCES, ATTEMPTS, TEXTS, st.integers(1, 3)),
            max_size=5,
            unique_by=lambda it: it.dead.sequence,
        )
    )
    firsts = draw(st.lists(SEQUENCES, max_size=3, unique=True))
    changed = Changes(
        draw(SEQUENCES),
        draw(SEQUENCES),
        forget=draw(st.booleans()),
        loose=draw(st.none() | spans),
        keys=draw(st.dictionaries(TEXTS, st.none() | SEQUENCES, max_size=6)),
        parked=draw(st.dictionaries(TEXTS, st.none() | PARKED, max_size=3)),
        failed={first: draw(st.none() | failed(first)) for first in firsts},
        dead=[it.dead for it in letters],
        revived=draw(st.lists(SEQUENCES, max_size=3)),
        revived_above=draw(st.none() | SEQUENCES),
    )
    return changed, letters, draw(st.lists(SEQUENCES, max_size=3))


@dataclass
class Naive:
    """A group as a dictionary would hold it."""

    definition: Definition
    progress: Progress
    letters: dict[int, DeadLetter] = field(default_factory=dict)
    redriven: dict[int, DeadLetter] = field(default_factory=dict)

    def save(self, changes: Changes, dead: Iterable[DeadLetter], done: Iterable[int]) -> None:
        """Takes over what changed."""
        progress = self.progress
        if changes.forget:
            progress.keys, progress.parked, progress.failed = {}, {}, {}
        above = changes.revived_above
        above_it = {it for it in self.letters if above is not None and it > above}
        again = {it.dead.sequence for it in dead}
        revived = [it for it in changes.revived if it in self.letters and it not in above_it | again]
        self.redriven |= {it: self.letters[it] for it in revived}
        self.redriven = {it: kept for it, kept in self.redriven.items() if it not in done}
        gone = set(changes.revived) | above_it
        self.letters = {it: kept for it, kept in self.letters.items() if it not in gone}
        progress.position, progress.lost_through = changes.position, changes.lost_through
        progress.loose = progress.loose if changes.loose is None else changes.loose
        for name in ("keys", "parked", "failed"):
            merged = getattr(progress, name) | getattr(changes, name)
            setattr(progress, name, {key: value for key, value in merged.items() if value is not None})
        self.letters |= {it.dead.sequence: it for it in dead}


NAMES = st.sampled_from(["one", "two", "three"])
STEPS = st.lists(
    st.one_of(
        st.tuples(
            st.just("save"), st.lists(st.tuples(NAMES, st.integers(0, 3), changes()), min_size=1, max_size=4)
        ),
        st.tuples(st.just("make"), NAMES),
        st.tuples(st.just("delete"), NAMES),
        st.tuples(st.just("change"), NAMES),
        st.tuples(st.just("purge"), NAMES, st.lists(SEQUENCES, max_size=4)),
        st.tuples(st.just("reopen")),
    ),
    max_size=12,
)


class Run:
    """A store beside a naive one, step by step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.groups: dict[str, Naive] = {}
        self.created = 0

    async def run(self, steps: list[Any]) -> None:
        """Runs the steps and compares after each."""
        self.store = await SqliteGroupStore.open(self.path)
        try:
            for name, *arguments in [("make", "one"), *steps]:
                await getattr(self, name)(*arguments)
                await self.compare()
            await self.reopen()
            await self.compare()
        finally:
            await self.store.close()

    async def make(self, name: str) -> None:
        """Makes a group, if there is none of that name."""
        self.created += 1
        made = definition(name, self.created)
        progress = Progress(5, ((1, 2), (4, 4)), {"k": 1}, {"k": Parked(1, 2.5, "r")}, {}, 3)
        assert await self.store.put(made, "", deepcopy(progress)) == (name not in self.groups)
        self.groups.setdefault(name, Naive(made, progress))

    async def delete(self, name: str) -> None:
        """Deletes a group, if there is one."""
        assert not await self.store.delete(name, "other")
        found = self.groups.pop(name, None)
        assert await self.store.delete(name, found.definition.etag if found else "e1") == (found is not None)

    async def change(self, name: str) -> None:
        """Changes what a group is, if there is one."""
        self.created += 1
        made = definition(name, self.created, topics=(f"t{self.created}",))
        assert not await self.store.put(made, "other")
        if found := self.groups.get(name):
            made = replace(made, create_time=found.definition.create_time)
            assert await self.store.put(made, found.definition.etag)
            found.definition = made

    async def save(self, writes: list[tuple[str, int, tuple[Changes, list[DeadLetter], list[int]]]]) -> None:
        """Saves for groups that there are, and for such as there were, or that were made anew since."""
        given = []
        for name, age, (changed, dead, done) in writes:
            found = self.groups.get(name)
            created = found.definition.create_time if found else START
            created -= timedelta(days=age // 3)
            given.append(Write(name, created.isoformat(), changed, dead, done))
            if found and created == found.definition.create_time:
                found.save(changed, dead, done)
        await self.store.save(given)
        if len({name for name, _, _ in writes}) == len(writes):
            await self.store.save(given)  # as after a failure that was none

    async def purge(self, name: str, sequences: list[int]) -> None:
        """Removes dead letters."""
        letters = self.groups[name].letters if name in self.groups else {}
        gone = {it for it in sequences if letters.pop(it, None)}
        assert await self.store.remove_letters(name, sequences) == len(gone)

    async def reopen(self) -> None:
        """Closes the store and opens it again."""
        await self.store.close()
        self.store = await SqliteGroupStore.open(self.path)

    async def compare(self) -> None:
        """Holds all that the store answers against the naive one."""
        stored = {it.definition.name: it for it in await self.store.load()}
        assert stored == {
            name: Kept(it.definition, it.progress, tuple(sorted(it.redriven)))
            for name, it in self.groups.items()
        }
        for name in ("one", "two", "three"):
            letters = self.groups[name].letters if name in self.groups else {}
            ordered = [letters[it] for it in sorted(letters)]
            assert await self.store.letters(name, after=0, limit=100, max_bytes=10**9) == ordered
            assert await self.store.count_letters(name) == len(ordered)
            assert await self.store.count_letters(name, 6) == sum(it.dead.sequence > 6 for it in ordered)
            assert await self.store.find_letters(name, [1, 2, 3, 2**62]) == [
                it for it in ordered if it.dead.sequence in {1, 2, 3}
            ]
            redriven = self.groups[name].redriven if name in self.groups else {}
            found = await self.store.redriven(name, [1, 2, 3, 4, 2**62])
            assert [
                (it.first_sequence, it.count, it.topic, it.type, it.schema_version, it.entry) for it in found
            ] == [(at, 1, *redriven[at][1:]) for at in sorted(redriven) if at < 5]
        kept = [(*it.letters.values(), *it.redriven.values()) for it in self.groups.values()]
        letters_ = [it for letters in kept for it in letters]
        kinds = {StoredKind(it.topic, it.type, it.schema_version) for it in letters_}
        assert await self.store.letter_kinds() == kinds


@given(STEPS)
def test_the_store_holds_what_a_naive_one_would(steps: list[Any]) -> None:
    """Whatever is made, saved, purged and deleted in any order, the store answers what a dictionary would.

    What belongs to a group of another time is passed over, and saving the same again changes nothing.
    """
    with TemporaryDirectory() as folder:
        asyncio.run(Run(Path(folder) / "log.db").run(steps))


async def test_letters_come_page_by_page(tmp_path: Path) -> None:
    """Pages of dead letters follow each other, as large as asked for; a choice leaves out others."""
    store = await SqliteGroupStore.open(tmp_path / "log.db")
    made = definition("g")
    assert await store.put(made, "", Progress())
    dead = [letter(sequence) for sequence in range(10, 1_000, 10)]
    changed = Changes(0, 0, dead=[it.dead for it in dead])
    await store.save([Write("g", made.create_time.isoformat(), changed, dead)])
    found: list[DeadLetter] = []
    for limit, room in ((1, 10**6), (7, 10**6), (1_000, 1), (1_000, 500), (1_000, 10**6)):
        page = await store.letters(
            "g", after=found[-1].dead.sequence if found else 0, limit=limit, max_bytes=room
        )
        assert 1 <= len(page) <= limit
        found += page
    assert found == dead
    among = await store.letters("g", after=20, limit=2, max_bytes=10**6, among=[10, 20, 30, 31, 40, 50])
    assert [it.dead.sequence for it in among] == [30, 40]
    await store.close()


async def test_of_two_gateways_one_changes_a_group(tmp_path: Path) -> None:
    """Two stores over one file that make, change and delete the same group at once: of each, one does."""
    stores = [await SqliteGroupStore.open(tmp_path / "log.db") for _ in range(2)]
    one, other = definition("g", 1), definition("g", 2)
    assert sorted(await asyncio.gather(stores[0].put(one, ""), stores[1].put(other, ""))) == [False, True]
    ((made, *_),) = await stores[0].load()
    newer = [replace(made, etag=f"new{number}") for number in range(2)]
    changed = await asyncio.gather(*(s.put(new, made.etag) for s, new in zip(stores, newer, strict=True)))
    assert sorted(changed) == [False, True]
    ((made, *_),) = await stores[1].load()
    assert made == newer[changed.index(True)]
    assert sorted(await asyncio.gather(*(s.delete("g", made.etag) for s in stores))) == [False, True]
    for store in stores:
        assert await store.load() == []
        await store.close()


async def test_a_group_made_anew_has_nothing_of_the_old_one(tmp_path: Path) -> None:
    """A deleted group's rows go, also those whose removal a kill cut short; the new one begins empty."""
    path = tmp_path / "log.db"
    store = await SqliteGroupStore.open(path)
    old = definition("g", 1)
    await store.put(old, "", Progress(9, ((1, 1),), {"k": 3}, {"k": Parked(3, 1.0, "r")}))
    dead = [letter(sequence) for sequence in range(1, 5_000)]
    write = Write("g", old.create_time.isoformat(), Changes(9, 0, dead=[it.dead for it in dead]), dead)
    await store.save([write])
    assert store._delete("g", old.etag)  # the kill: what follows in delete() is not done
    await store.put(definition("g", 2), "", Progress(20))
    await store.save([write])
    assert [it.progress for it in await store.load()] == [Progress(20)]
    assert await store.letters("g", after=0, limit=10, max_bytes=10**6) == []
    await store.close()
    store = await SqliteGroupStore.open(path)
    await store.close()
    with sqlite3.connect(path) as connection:
        for table in ("group_letter", "group_key", "group_parked", "group_gone"):
            assert connection.execute(f"SELECT * FROM {table}").fetchall() == []  # noqa: S608
    connection.close()


async def test_a_full_disk_leaves_what_was(tmp_path: Path) -> None:
    """A save that the disk has no room for stores nothing of itself, and works once there is room."""
    path = tmp_path / "log.db"
    store = await SqliteGroupStore.open(path)
    made = definition("g")
    await store.put(made, "", Progress(1, keys={"a": 1}))
    connection = store._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    await store._access.run(connection.execute, f"PRAGMA max_page_count = {pages}")
    dead = [replace_entry(letter(sequence), 100_000) for sequence in range(1, 50)]
    changed = Changes(7, 0, forget=True, keys={"b": 5}, dead=[it.dead for it in dead])
    write = Write("g", made.create_time.isoformat(), changed, dead)
    with pytest.raises(StorageFull):
        await store.save([write])
    assert await store.load() == [Kept(made, Progress(1, keys={"a": 1}))]
    assert await store.count_letters("g") == 0
    await store._access.run(connection.execute, "PRAGMA max_page_count = 1000000")
    await store.save([write])
    assert await store.load() == [Kept(made, Progress(7, keys={"b": 5}))]
    assert await store.count_letters("g") == 49
    await store.close()


def replace_entry(dead: DeadLetter, size: int) -> DeadLetter:
    """The letter with an entry of some bytes."""
    return dead._replace(entry=bytes(size))


async def test_a_log_of_before_there_were_groups_opens(tmp_path: Path, stocked: Path) -> None:
    """A file without the tables gets them, and nothing else of it changes."""
    path = tmp_path / "log.db"
    shutil.copy(stocked / "log.db", path)
    with sqlite3.connect(path) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in [name for name in tables if name.startswith("group_")]:
            connection.execute(f"DROP TABLE {table}")
    connection.close()
    LogFile(path).close()
    store = await SqliteGroupStore.open(path)
    assert await store.load() == []
    assert await store.put(definition("g"), "", Progress(3))
    await store.close()
    LogFile(path).close()
