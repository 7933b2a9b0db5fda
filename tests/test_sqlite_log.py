"""What the embedded engine promises beyond the suite of all engines: its file, and its failures."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings

from gateway.errors import CannotOpenLog, StorageFailed, StorageFull, StorageReadOnly
from gateway.log import Append, Placed
from gateway.selection import EVERYTHING, Selection
from gateway.sqlite import kinds, requests
from gateway.sqlite.checkpoint import FORCED_BYTES
from gateway.sqlite.file import JOURNAL_BYTES
from gateway.sqlite.log import SqliteLog
from tests.log_model import MEBIBYTE, STEPS, compare, key, look, names, new, one, opener, read_all

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

LONG = os.environ.get("TIDEGATE_TEST_PROFILE") == "long"
CRASHES = 40 if LONG else 5
NOBODY = 65534
EXAMPLES = 1000 if LONG else 25


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[SqliteLog]:
    """An empty log, with little memory so that readers go to the file."""
    log = await SqliteLog.open(tmp_path / "log.db", tail_bytes=0)
    yield log
    await log.close()


async def on_writer(log: SqliteLog, job: Callable[[sqlite3.Connection], Any]) -> None:
    """Runs something on the writer's own connection, between two groups."""
    done = threading.Event()

    def run(connection: sqlite3.Connection) -> None:
        job(connection)
        done.set()

    log._writer.run(run)
    assert await asyncio.to_thread(done.wait, 10)


def empty_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Moves everything into the file; a checkpoint that is under way goes first."""
    while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
        time.sleep(0.001)


@given(steps=STEPS)
@settings(max_examples=EXAMPLES)
def test_kind_by_kind_reads_the_same(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[Any, ...]]
) -> None:
    """A selection that is looked up kind by kind finds what the model says, as a scan does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinds, "_SPARSE", 0)
        asyncio.run(compare(opener("sqlite", tmp_path_factory.mktemp("log")), steps, 0))


async def test_a_rare_topic_is_not_searched_for_in_all_of_the_log(log: SqliteLog) -> None:
    """One page answers the few batches of two rare topics, however much of others lies between them."""
    rare = [await log.append(one("rare.a"))]
    for _ in range(12):
        await log.append(Append(tuple(new("busy") for _ in range(1000))))
    rare.append(await log.append(one("rare.b")))
    page = await look(log, Selection(patterns=("rare.*",)), 0)
    assert [batch.first_sequence for batch in page.batches] == [placed[0].first_sequence for placed in rare]
    assert page.through == page.head


async def test_thousands_of_topics_cost_little_to_ask_about(log: SqliteLog) -> None:
    """Where all of 10,000 topics begin and end is known at once, also after a few of them have changed."""
    for first in range(0, 10_000, 1_000):
        await log.append(Append(tuple(new(f"many.t{number}") for number in range(first, first + 1_000))))
    assert len((await log.bounds(EVERYTHING)).topics) == 10_000
    begun = time.process_time()
    for number in range(20):
        await log.append(one(f"many.t{number}", count=2))
        topics = (await log.bounds(EVERYTHING)).topics
        assert topics[f"many.t{number}"].event_count == 3
        assert len((await log.bounds(names(f"many.t{number}", "none"))).topics) == 1
    assert time.process_time() - begun < 1.0


async def test_what_selections_chose_is_remembered_within_bounds(
    log: SqliteLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Selections are remembered up to a number of kinds in all, and answer the same when they are not."""
    monkeypatch.setattr(kinds, "CACHED", 10)
    known = kinds.Kinds([])
    await log.append(Append(tuple(new(f"t{number}") for number in range(8))))
    known.learn(log._kinds._kinds.values())
    for _ in range(3):
        for selection in (EVERYTHING, names("t1"), names("t1", "t2"), names("none")):
            expected = {name[0] for name in known._kinds if selection.has_topic(name[0])}
            assert {name[0] for name in known.selected(selection).values()} == expected
            assert sum(len(chosen) + 1 for chosen in known._selected.values()) <= 10


async def test_many_kinds_are_merged_in_order(log: SqliteLog) -> None:
    """More kinds than one statement can merge are still read and trimmed oldest first."""
    await log.append(Append(tuple(new("a", version=1 + number * 7 % 1000) for number in range(2000))))
    await log.append(Append(tuple(new("b") for _ in range(17_000))))
    batches = await read_all(log, names("a"), max_bytes=10_000)
    assert [batch.schema_version for batch in batches] == [1 + number * 7 % 1000 for number in range(2000)]
    through, more = 0, True
    while more:
        trimmed = await log.trim("a", keep_bytes=0)
        assert trimmed.through == through + trimmed.batches
        through, more = trimmed.through, trimmed.more
    assert through == 2000


async def test_pages_bound_memory_where_small_batches_turn_large(log: SqliteLog) -> None:
    """A page keeps to its bytes where thousands of small batches are followed by large ones."""
    await log.append(Append(tuple(new() for _ in range(3000))))
    large = [log.append(one(data=bytes(300_000))) for _ in range(20)]
    await asyncio.gather(*large)
    assert len(await read_all(log, EVERYTHING, max_bytes=MEBIBYTE)) == 3020
    assert len(await read_all(log, EVERYTHING, max_bytes=1000)) == 3020


# The file


async def test_a_second_opening_is_refused(tmp_path: Path, log: SqliteLog) -> None:
    """A log in use is refused, naming the file and the process that has it; also by another name."""
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "log.db")
    for path in (tmp_path / "log.db", link):
        with pytest.raises(CannotOpenLog, match=rf"log\.db: in use by process {os.getpid()}"):
            await SqliteLog.open(path)


async def test_the_lock_goes_with_its_log(tmp_path: Path) -> None:
    """A closed log can be opened again, also by another process, and closing twice is fine."""
    log = await SqliteLog.open(tmp_path / "log.db")
    await asyncio.gather(log.close(), log.close())
    await log.close()
    await (await SqliteLog.open(tmp_path / "log.db")).close()


async def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    """No database, a stranger's database, another format, a folder, a missing folder: each is named."""
    (tmp_path / "text.db").write_text("not a database, by far, and long enough to be sure about it" * 20)
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE t (x)")
    await (await SqliteLog.open(tmp_path / "later.db")).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "later.db")) as later:
        later.execute("PRAGMA user_version = 99")
    cases = {
        "text.db": "no SQLite database",
        "other.db": "no Tidegate log",
        "later.db": "format 99; this version of Tidegate reads format 1",
        "": "this is a folder",
        "missing/log.db": "folder .*missing does not exist",
    }
    for name, message in cases.items():
        with pytest.raises(CannotOpenLog, match=message):
            await SqliteLog.open(tmp_path / name)
    assert "CREATE" not in (tmp_path / "text.db").read_text()


@contextlib.contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Gives up the right of root to write everywhere, in a folder of its own."""
    if os.geteuid() != 0:
        yield
        return
    os.chown(folder, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_what_cannot_be_written_is_refused() -> None:
    """A read-only file and a read-only folder are refused at once."""
    with tempfile.TemporaryDirectory() as name, as_nobody(Path(name)):
        folder = Path(name)
        await (await SqliteLog.open(folder / "log.db")).close()
        (folder / "log.db").chmod(0o444)
        with pytest.raises(CannotOpenLog, match=r"readonly.*Make the file and its folder"):
            await SqliteLog.open(folder / "log.db")
        await asyncio.to_thread(folder.chmod, 0o555)
        with pytest.raises(CannotOpenLog, match="Make the folder writable"):
            await SqliteLog.open(folder / "other.db")
        (folder / "log.db").chmod(0o000)
        with pytest.raises(CannotOpenLog, match="readable and writable"):
            await SqliteLog.open(folder / "log.db")
        await asyncio.to_thread(folder.chmod, 0o755)


async def test_the_write_ahead_log_is_bounded(tmp_path: Path) -> None:
    """Under a steady load with readers the write-ahead log stays within its bound."""
    log = await SqliteLog.open(tmp_path / "log.db", tail_bytes=0)
    data = os.urandom(500_000)
    largest = 0

    async def follow() -> None:
        after = 0
        while after < 512:
            after = (await log.read(EVERYTHING, after, max_bytes=MEBIBYTE)).through

    reader = asyncio.create_task(follow())
    for _ in range(64):
        await asyncio.gather(*[log.append(one(data=data)) for _ in range(8)])
        largest = max(largest, (tmp_path / "log.db-wal").stat().st_size)
    await reader
    await log.close()
    assert largest <= FORCED_BYTES + JOURNAL_BYTES
    assert not (tmp_path / "log.db-wal").exists()


async def test_space_is_given_back(tmp_path: Path, log: SqliteLog) -> None:
    """After trimming the file shrinks little by little, while what is kept stays readable."""
    await asyncio.gather(*[log.append(one("big", data=bytes(200_000))) for _ in range(200)])
    await log.append(one("kept"))
    while (await log.trim("big", keep_bytes=0)).more:
        pass
    await on_writer(log, empty_write_ahead_log)
    before = (tmp_path / "log.db").stat().st_size
    for _ in range(100):
        await log.trim("big", keep_bytes=0)
    await on_writer(log, empty_write_ahead_log)
    assert (tmp_path / "log.db").stat().st_size < before / 3
    assert [batch.topic for batch in await read_all(log, EVERYTHING)] == ["kept"]


# Requests


async def test_requests_are_forgotten_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The window keeps the last requests, on disk as in memory, and outlives the events themselves."""
    monkeypatch.setattr(requests, "REMEMBERED_LEAST", 10)
    monkeypatch.setattr(requests, "REMEMBERED_TIME", 0)
    log = await SqliteLog.open(tmp_path / "log.db")
    for number in range(100):
        await log.append(Append((new(),), key(str(number))))
    await log.trim("shop.orders", keep_bytes=0)
    recalled = [await log.recall(key(str(number))) for number in range(100)]
    assert recalled[:88] == [None] * 88
    assert None not in recalled[-10:]
    await log.close()
    log = await SqliteLog.open(tmp_path / "log.db")
    assert [await log.recall(key(str(number))) for number in range(100)] == recalled
    await log.close()


def test_records_of_requests_survive_packing() -> None:
    """A row of requests reads as it was written, whatever their names hold."""
    made = [
        (
            key("ä" * 64, b"\0" * 16, "ünï"),
            (Placed(2**62, 1, 2**32 - 1), Placed(2**62 + 1, 10_000, 1)),
        ),
        (key("x", b"\xff" * 32), (Placed(1, 3, 1),)),
    ]
    packed = b"".join(requests.pack(request, placed) for request, placed in made)
    assert list(requests.unpack(packed)) == [
        (request.caller, request.request_id, request.digest, placed) for request, placed in made
    ]


# Failures


async def test_a_full_file_loses_nothing(log: SqliteLog) -> None:
    """When the file can't grow, whole appends are refused; when it can again, appending goes on."""
    (first,) = await log.append(one(data=b"first"))
    await on_writer(log, lambda connection: connection.execute("PRAGMA max_page_count = 1"))
    refused = [log.append(Append((new("new"), new("b", data=bytes(1_000_000))), key("r"))) for _ in range(3)]
    for result in await asyncio.gather(*refused, return_exceptions=True):
        assert isinstance(result, StorageFull)
        assert "log.db can't grow" in str(result)
    assert len(await read_all(log, EVERYTHING)) == 1
    await on_writer(log, lambda connection: connection.execute("PRAGMA max_page_count = 1073741823"))
    second = await log.append(Append((new("new"), new("b", data=bytes(1_000_000))), key("r")))
    assert second[0].first_sequence == first.first_sequence + 1
    assert [batch.topic for batch in await read_all(log, EVERYTHING)] == ["shop.orders", "new", "b"]


async def test_a_read_only_log_can_be_read(log: SqliteLog) -> None:
    """When the file can't be written, appends and trims say so, and reads go on."""
    await log.append(one())
    await on_writer(log, lambda connection: connection.execute("PRAGMA query_only = ON"))
    with pytest.raises(StorageReadOnly, match="can't be written"):
        await log.append(one())
    with pytest.raises(StorageReadOnly):
        await log.trim("shop.orders", keep_bytes=0)
    assert len(await read_all(log, EVERYTHING)) == 1
    await on_writer(log, lambda connection: connection.execute("PRAGMA query_only = OFF"))
    await log.append(one())
    assert len(await read_all(log, EVERYTHING)) == 2


async def test_a_failing_disk_loses_nothing(log: SqliteLog) -> None:
    """When the system refuses a write, the append fails, nothing of it is there, and later ones succeed."""
    await log.append(one("a", data=bytes(100_000)))
    before, ignored = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, before[1]))
        with pytest.raises((StorageFailed, StorageFull)):
            await log.append(one("a", data=bytes(2_000_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    await log.append(one("a", data=bytes(2_000_000)))
    assert [batch.first_sequence for batch in await read_all(log, EVERYTHING)] == [1, 2]


async def test_a_surprise_in_the_writer_reaches_the_caller(log: SqliteLog) -> None:
    """An append that can't be placed at all fails with what is wrong with it, and the writer goes on."""
    with pytest.raises(UnicodeEncodeError):
        await log.append(one("\ud800"))
    assert await log.append(one())


async def test_a_busy_file_is_waited_for(tmp_path: Path, log: SqliteLog) -> None:
    """An append waits while another connection of the same file writes, and then succeeds."""
    with contextlib.closing(sqlite3.connect(tmp_path / "log.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = asyncio.ensure_future(log.append(one()))
        await asyncio.sleep(0.05)
        assert not answer.done()
        other.execute("ROLLBACK")
        await answer


_APPENDER = textwrap.dedent(
    """
    import asyncio, random, sys
    from gateway.log import Append, NewBatch, RequestKey
    from gateway.sqlite.log import SqliteLog

    async def append(log, number):
        size = random.choice((10, 1_000, 90_000))
        data = b"\\x82\\x01" + number.to_bytes(8, "big") + bytes(size)
        batches = tuple(NewBatch(random.choice("abc"), "T", 1, random.randint(1, 9), data) for _ in range(3))
        placed = await log.append(Append(batches, RequestKey("", str(number), b"0" * 16)))
        print(number, *[place.first_sequence for place in placed], flush=True)

    async def main():
        log = await SqliteLog.open(sys.argv[1])
        print("ready", flush=True)
        number = int(sys.argv[2])
        while True:
            await asyncio.gather(*[append(log, number + n) for n in range(16)])
            await log.trim("c", keep_bytes=100_000)
            number += 16

    asyncio.run(main())
    """
)


async def test_kill_loses_nothing(tmp_path: Path) -> None:
    """Killed at any moment, the log holds each acknowledged append whole and once, and no half of another."""
    path = tmp_path / "log.db"
    told: dict[int, list[int]] = {}
    for round_ in range(CRASHES):
        told |= await asyncio.to_thread(_kill_while_appending, path, 1_000_000 * round_)
        log = await SqliteLog.open(path)
        batches = await read_all(log, EVERYTHING)
        bounds = await log.bounds(EVERYTHING)
        for number in random.sample(sorted(told), min(50, len(told))):
            placed = await log.recall(key(str(number), b"0" * 16))
            assert placed is not None
            assert [place.first_sequence for place in placed] == told[number]
        await log.close()
        _check_survivors(told, batches, bounds.topics["c"].trimmed_through)
        for name, topic in bounds.topics.items():
            kept = [batch for batch in batches if batch.topic == name]
            assert topic.batch_count == len(kept)
            assert topic.size_bytes == sum(len(batch.entry) for batch in kept)
            assert topic.event_count == sum(batch.count for batch in kept)
    assert told


def _kill_while_appending(path: Path, begin: int) -> dict[int, list[int]]:
    command = [sys.executable, "-c", _APPENDER, str(path), str(begin)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, cwd=Path(__file__).parent.parent, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        timer = threading.Timer(random.uniform(0.02, 0.5), child.kill)
        timer.start()
        lines = child.stdout.read().splitlines(keepends=True)
        timer.join()
    told = [line.split() for line in lines if line.endswith("\n")]
    return {int(number): [int(sequence) for sequence in sequences] for number, *sequences in told}


def _check_survivors(told: dict[int, list[int]], batches: list[Any], trimmed: int) -> None:
    found: dict[int, list[int]] = {}
    for batch in batches:
        at = batch.entry.index(b"\x82\x01") + 2
        found.setdefault(int.from_bytes(batch.entry[at : at + 8], "big"), []).append(batch.first_sequence)
    for number, sequences in told.items():
        kept = [first for first in found.get(number, ()) if first > trimmed]
        # Of topic "c" the older ones are trimmed; which those are is not told.
        assert set(found.get(number, ())) <= set(sequences)
        assert kept == [first for first in sequences if first > trimmed]
    for number, sequences in found.items():
        if number not in told and min(sequences) > trimmed:
            assert len(sequences) == 3


async def test_names_are_found_after_a_reopening(tmp_path: Path) -> None:
    """Kinds first seen in one run are read, summed and appended to in the next."""
    for round_ in range(3):
        log = await SqliteLog.open(tmp_path / "log.db")
        for version in range(1, 4):
            await log.append(one(f"t{round_}", 2, version=version))
            await log.append(one("t0", 2, version=version))
        bounds = await log.bounds(names("t0"))
        assert bounds.topics["t0"].event_count == 6 * (round_ + 2)
        assert len(await read_all(log, names(f"t{round_}"))) == (6 if round_ == 0 else 3)
        await log.close()
