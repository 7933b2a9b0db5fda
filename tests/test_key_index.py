"""What the embedded engine promises of its index of keys, beyond the suite of all engines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import sqlite3
import struct
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.entries import keyed_events, keys_of
from gateway.errors import KeysNotIndexed
from gateway.log import Append, NewBatch
from gateway.sqlite import key_index, key_opening, key_places, key_reader, key_tables, key_upkeep
from gateway.sqlite.log import SqliteLog
from tests.key_model import STEPS, compare, complete, keyed, opened
from tests.log_model import names, opener, read_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from gateway.selection import Selection

SMALL = {
    "RECENT_RECORDS": 4,
    "FANOUT": 2,
    "SLICE_BYTES": 100,
    "ROW_BYTES": 200,
    "RECORD_BYTES": 100,
    "COLLIDE": False,
}
CRASHES = 40 if os.environ.get("TIDEGATE_TEST_PROFILE") == "long" else 2
A, EVER = names("a"), 2**62


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    """A log whose topic ``a`` indexes its keys."""
    log = await SqliteLog.open(tmp_path / "log.db")
    await log.index_keys(frozenset({"a"}))
    yield log
    await log.close()


async def sequences(log: SqliteLog, key: str, selection: Selection = A) -> list[int] | None:
    """The sequences of a key's events by way of the index, None if it can't be used."""
    page = await log.read_key(selection, key, 1, EVER, backwards=False, max_events=10_000, max_bytes=1 << 20)
    return None if page is None else [batch.first_sequence for batch in page.batches]


async def scanned(log: SqliteLog, key: str) -> list[int]:
    """The sequences of a key's events, found by looking at all of them."""
    return [
        batch.first_sequence + index
        for batch in await read_all(log, A)
        for index, event in enumerate(opened(batch).events)
        if event.key == key
    ]


async def rows(log: SqliteLog) -> dict[int, int]:
    """How many rows each run of the index has, once nothing more is to be done."""
    await log._threads.on_writer(lambda _: None)
    while log._writer._keeping_up:
        await log._threads.on_writer(lambda _: None)
    found: dict[int, int] = {}
    query = "SELECT run, count(*) FROM log_key GROUP BY run"
    await log._threads.on_writer(lambda connection: found.update(connection.execute(query)))
    return found


@given(
    steps=STEPS,
    sizes=st.fixed_dictionaries(
        {
            "RECENT_RECORDS": st.sampled_from((1, 3, 10)),
            "FANOUT": st.sampled_from((2, 3)),
            "SLICE_BYTES": st.sampled_from((1, 200, 10_000)),
            "ROW_BYTES": st.sampled_from((1, 100, 1_000)),
            "RECORD_BYTES": st.sampled_from((1, 100, 10_000)),
            "COLLIDE": st.booleans(),
        }
    ),
)
@settings(deadline=None)
def test_the_index_is_what_a_dict_would_be(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]], sizes: dict[str, Any]
) -> None:
    """Whatever is appended, switched, trimmed, merged and reopened, each key has its events; in order."""
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch, sizes)
        asyncio.run(compare(opener("sqlite", tmp_path_factory.mktemp("log")), steps))


def shrink(patch: pytest.MonkeyPatch, sizes: dict[str, Any]) -> None:
    """Makes everything so small that a few events exercise all of it; or all keys collide."""
    patch.setattr(key_index, "RECENT_RECORDS", sizes["RECENT_RECORDS"])
    patch.setattr(key_upkeep, "FANOUT", sizes["FANOUT"])
    patch.setattr(key_upkeep, "SLICE_BYTES", sizes["SLICE_BYTES"])
    patch.setattr(key_tables, "ROW_BYTES", sizes["ROW_BYTES"])
    patch.setattr(key_reader, "RECORD_BYTES", sizes["RECORD_BYTES"])
    if sizes["COLLIDE"]:
        patch.setattr(key_places.xxhash, "xxh3_64_intdigest", lambda *_: 7 << 52 | 7)


def test_other_bytes_that_look_like_a_hash_are_no_place() -> None:
    """A hash is found where records begin alone, wherever else its bytes stand."""
    hashed = 0x0102030401020304
    shared = key_places.SHARED.pack(9, 70, 50)
    pack = key_places.RECORD.pack
    records = pack(hashed >> 32, shared, 0x01020304, 0x01020304, 5) + pack(hashed, shared, 2, 30, 20)
    assert records.count(struct.pack(">Q", hashed)) >= 2
    (place,) = key_places.find_records(records, hashed, {9}, 0, EVER)
    assert place == key_places.Place(72, 70, 60, 20, 0)
    assert list(key_places.find_records(records, hashed, {8}, 0, EVER)) == []


@given(
    st.lists(st.tuples(st.text(max_size=9), st.integers(0, 300) | st.just(70_000)), min_size=1, max_size=9)
)
def test_events_are_found_where_they_stand(events: list[tuple[str, int]]) -> None:
    """Each event's bytes are where the index says, of whatever size it is."""
    for key, size in events:
        batch = keyed("a", *[key for key, _ in events], source="s", size=size)
        found = keyed_events(batch.data)
        fields = [
            batch.data[found.begin + end - size : found.begin + end]
            for end, size in zip(found.ends, found.sizes, strict=True)
        ]
        assert keys_of(fields) == found.keys
        assert found.keys == [key.encode() for key, _ in events]
        assert (found.begin + found.ends[-1], found.has_source) == (len(batch.data), True)
    with pytest.raises(ValueError, match="not canonical"):
        keyed_events(batch.data + b"\x12\x01T")


async def test_a_file_without_the_index_is_opened_and_gets_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of before gets the index's tables when a topic wants one, and what it stores is indexed."""
    monkeypatch.setattr(key_opening, "PAGE_BYTES", 100)
    log = await SqliteLog.open(tmp_path / "log.db")
    for _ in range(20):
        await log.append(Append((keyed("a", "k", "other"), keyed("b", "k"))))
    await log.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "log.db")) as file:
        assert not file.execute("SELECT * FROM sqlite_schema WHERE name GLOB 'log_key*'").fetchall()
    log = await SqliteLog.open(tmp_path / "log.db")
    await log.index_keys(frozenset({"a"}))
    assert await sequences(log, "k") is None
    with pytest.raises(KeysNotIndexed, match="still indexing"):
        await log.append(Append((keyed("a", "k"),), expected_keys={("a", "k"): 58}))
    await complete(log, "a")
    assert await sequences(log, "k") == list(range(1, 60, 3))
    await log.append(Append((keyed("a", "k"),), expected_keys={("a", "k"): 58}))
    await log.close()


async def test_indexing_goes_on_after_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that is closed while it indexes what it stores goes on when it is opened, and misses nothing."""
    monkeypatch.setattr(key_opening, "PAGE_BYTES", 100)
    shrink(monkeypatch, SMALL)
    log = await SqliteLog.open(tmp_path / "log.db")
    for _ in range(60):
        await log.append(Append((keyed("a", "k", "other"),)))
    await log.index_keys(frozenset({"a"}))
    openings = 0
    while not log.has_indexed_keys("a"):
        await log.append(Append((keyed("a", "k"),)))
        await asyncio.sleep(0.002)
        await log.close()
        log = await SqliteLog.open(tmp_path / "log.db")
        openings += 1
        assert await sequences(log, "k") in (None, await scanned(log, "k"))
        assert openings < 100
    assert openings > 1
    assert await sequences(log, "k") == await scanned(log, "k")
    await log.close()
    log = await SqliteLog.open(tmp_path / "log.db")
    assert await sequences(log, "k") == await scanned(log, "k")  # at once: it is not indexed again
    await log.close()


async def test_what_a_program_without_the_index_appended_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that an earlier version wrote to meanwhile is read from where the index ends, in runs."""
    shrink(monkeypatch, SMALL)
    log = await SqliteLog.open(tmp_path / "log.db")
    await log.index_keys(frozenset({"a"}))
    await log.append(Append((keyed("a", "k"),)))
    await log.close()
    with monkeypatch.context() as earlier:
        earlier.setattr(key_tables, "exists", lambda _: False)
        log = await SqliteLog.open(tmp_path / "log.db")
        for _ in range(10):
            await log.append(Append((keyed("a", "k", "other"), keyed("b", "k"))))
        await log.close()
    log = await SqliteLog.open(tmp_path / "log.db")
    assert await sequences(log, "k") == await scanned(log, "k")
    assert log._keys._index.recent.count < sum(run.count for run in log._keys._index.runs)
    await log.close()


async def test_removed_events_leave_the_index(log: SqliteLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a topic that is trimmed empty, or switched off, no row is left; of others everything is."""
    shrink(monkeypatch, SMALL)
    await log.index_keys(frozenset({"a", "b"}))
    for _ in range(30):
        await log.append(Append((keyed("a", "k", "other"), keyed("b", "k"))))
    before = sum((await rows(log)).values())
    while (await log.trim("a", keep_bytes=0)).more:
        pass
    await log.trim("")
    assert 0 < sum((await rows(log)).values()) < before
    assert await sequences(log, "k") == []
    assert await sequences(log, "k", names("b")) == list(range(3, 91, 3))
    await log.index_keys(frozenset({"a"}))
    await log.trim("")
    assert await rows(log) == {}


async def test_an_index_that_cannot_be_written_stops_nobody(
    log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While a run can't be written, events are appended and found; it is written when it can be again."""
    shrink(monkeypatch, SMALL)
    await log._threads.on_writer(
        lambda connection: connection.execute("ALTER TABLE log_key RENAME TO elsewhere")
    )
    for _ in range(6):
        await log.append(Append((keyed("a", "k", "other"),)))
    assert await sequences(log, "k") == list(range(1, 12, 2))
    assert not log._keys._index.runs
    await log._threads.on_writer(
        lambda connection: connection.execute("ALTER TABLE elsewhere RENAME TO log_key")
    )
    await log.append(Append((keyed("a", "k", "other"),)))
    assert await rows(log)
    assert await sequences(log, "k") == list(range(1, 14, 2))


async def test_a_topic_without_an_index_is_never_looked_into(log: SqliteLog) -> None:
    """What is appended to topics without an index is passed on unread, whatever it is."""
    await log.append(Append((keyed("a", "k"),)))
    await log.append(Append((NewBatch("b", "T", 1, 3, b"no batch at all"),)))
    assert await sequences(log, "k") == [1]


_CRASHING = """
    import asyncio, random, sys
    import pytest
    from gateway.log import Append, NewBatch
    from gateway.sqlite.log import SqliteLog
    from tests.key_model import keyed
    from tests.test_key_index import SMALL, shrink

    async def main():
        with pytest.MonkeyPatch.context() as patch:
            shrink(patch, SMALL)
            log = await SqliteLog.open(sys.argv[1])
            await log.index_keys(frozenset({"a"}))
            chance = random.Random(int(sys.argv[2]))
            while True:
                keys = [f"k{chance.randrange(6)}" for _ in range(3)]
                await log.append(Append((keyed("a", *keys),)))
                if chance.random() < 0.02:
                    await log.trim("a", keep_bytes=20_000)
                print("appended", flush=True)

    asyncio.run(main())
"""


async def test_kill_leaves_a_right_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed at any moment of writing and merging, the index answers what a look at all events does."""
    shrink(monkeypatch, SMALL)
    chance = random.Random(7)
    for crash in range(CRASHES):
        command = [sys.executable, "-c", textwrap.dedent(_CRASHING), str(tmp_path / "log.db"), str(crash)]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(chance.randrange(5, 120)):
            assert await process.stdout.readline()
        await asyncio.sleep(chance.random() / 200)
        process.kill()
        await process.communicate()
        log = await SqliteLog.open(tmp_path / "log.db")
        for key in [f"k{number}" for number in range(6)]:
            assert await sequences(log, key) == await scanned(log, key)
        assert (await rows(log)).keys() == {run.id for run in log._keys._index.runs}
        await log.close()
