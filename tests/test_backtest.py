"""Backtests: a schema that is not registered yet, tried on what is stored."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tidegate.v1 import event_pb2
from tidegate.v1.subscription_pb2 import Batches

from gateway import backtest
from gateway.backtest import Backtester, Progress
from gateway.errors import Draining, TopicNotFound
from gateway.history import Wanted, find_history
from gateway.log import Append, NewBatch
from gateway.selection import Selection
from gateway.sqlite.log import SqliteLog
from gateway.sqlite.topic_store import SqliteTopicStore
from gateway.topics import Topics
from registry.checking import trial_process
from registry.checking.trial import RULES_COUNTED, Trial
from registry.checking.tried import Report, RuleFailures, Sample
from registry.checking.wire import length_delimited
from registry.compiling.compiler import Compiled, compile_sources
from registry.errors import InvalidRequest, InvalidSchema, LimitExceeded, Violation
from tests.shop import ORDERS, PAID, PATIENCE, PAYMENTS, PLACED, SCHEMA, STAMPED, SUBJECT, order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

NO_STAMP = {"shop/v1/order.proto": SCHEMA["shop/v1/order.proto"]}
CHANGED = {
    "shop/v1/order.proto": """
        syntax = "proto3";
        package shop.v1;
        import "buf/validate/validate.proto";
        message OrderPlaced {
          string order_id = 1 [(buf.validate.field).string.max_len = 3];
          bytes amount_cents = 2;
        }
        message OrderPaid {
          option (buf.validate.message).cel = {
            id: "round", message: "must be round", expression: "this.amount_cents % 10 == 0"
          };
          string order_id = 1 [(buf.validate.field).string = {min_len: 2, prefix: "p"}];
          int64 amount_cents = 3;
        }
    """
}


class Bench:
    """A log, its topics, and a backtester over them."""

    def __init__(self, log: SqliteLog, topics: Topics) -> None:
        self.log = log
        self.topics = topics
        self.backtester = Backtester(log, topics)

    async def store(self, *data: bytes, topic: str = ORDERS, kind: str = PLACED, version: int = 1) -> int:
        """Appends a batch; answers its first sequence."""
        events = [event_pb2.Event(data=each) for each in data]
        encoded = event_pb2.EventBatch(topic=topic, type=kind, events=events).SerializeToString()
        (placed,) = await self.log.append(Append((NewBatch(topic, kind, version, len(data), encoded),)))
        return placed.first_sequence

    async def run(self, compiled: Compiled, topic: str = ORDERS, **fields: Any) -> Report:
        """Runs a backtest to its end."""
        async with asyncio.timeout(PATIENCE):
            *progress, report = [it async for it in self.start(compiled, topic, **fields)]
        assert all(isinstance(it, Progress) for it in progress)
        assert isinstance(report, Report)
        return report

    def start(self, compiled: Compiled, topic: str = ORDERS, **fields: Any) -> Any:
        """Starts a backtest."""
        return self.backtester.run(SUBJECT, compiled, Wanted(topic, **fields))


@asynccontextmanager
async def open_bench(folder: Path) -> AsyncIterator[Bench]:
    """Opens a log with the shop's topics."""
    log = await SqliteLog.open(folder / "log.db", tail_bytes=1)
    store = await SqliteTopicStore.open(folder / "log.db")
    topics = Topics(store, 100)
    for name in (ORDERS, PAYMENTS):
        await topics.create(name, SUBJECT)
    yield Bench(log, topics)
    await store.close()
    await log.close()


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A log with the shop's topics."""
    async with open_bench(tmp_path) as bench:
        yield bench


@pytest.fixture(scope="module")
def same() -> Compiled:
    """The shop's schema as it is."""
    return compile_sources(SCHEMA)


@pytest.fixture(scope="module")
def changed() -> Compiled:
    """The shop's schema, without a type and with fields that are renumbered, tightened or of another type."""
    return compile_sources(CHANGED)


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")


def children() -> set[int]:
    """The processes that this one has started and that are not gone."""
    lists = Path("/proc/self/task").glob("*/children")
    return {int(child) for each in lists for child in each.read_text().split()}


async def test_a_report_says_what_is_wrong_with_stored_events(bench: Bench, changed: Compiled) -> None:
    """A report counts each kind of fault and each rule, and shows events with each, as a rejection would."""
    placed = await bench.store(order("abc", 0), order("abc", 5), order("abcd", 0), order("abcd", 5))
    stamped = await bench.store(b"\x0a\x01x", kind=STAMPED)
    paid = await bench.store(order("p1", 0), order("q", 7), kind=PAID, version=2)
    report = await bench.run(changed)
    assert report == Report(
        examined=7,
        passed=2,
        unparsable=0,
        with_unknown_fields=3,
        breaking_rules=3,
        without_type=1,
        rules=(
            RuleFailures("string.max_len", "data.order_id", 2),
            RuleFailures("string.min_len", "data.order_id", 1),
            RuleFailures("string.prefix", "data.order_id", 1),
        ),
        samples=(
            sample(placed + 1, AMOUNT),
            sample(placed + 2, LONG_ID),
            sample(placed + 3, AMOUNT, LONG_ID),
            sample(stamped, Violation("type", f"the schema has no event type '{STAMPED}'"), kind=STAMPED),
            sample(paid + 1, UNKNOWN, SHORT_ID, PREFIX, kind=PAID, version=2),
        ),
        first_sequence=placed,
        last_sequence=paid + 1,
    )


AMOUNT = Violation(
    "data.amount_cents",
    "unknown field: number 2 is encoded as a varint, which shop.v1.OrderPlaced.amount_cents is not",
)
LONG_ID = Violation("data.order_id", "must be at most 3 characters", "string.max_len")
UNKNOWN = Violation("data", "unknown field 2: shop.v1.OrderPaid has no such field")
SHORT_ID = Violation("data.order_id", "must be at least 2 characters", "string.min_len")
PREFIX = Violation("data.order_id", "does not have prefix `p`", "string.prefix")


def sample(sequence: int, *violations: Violation, kind: str = PLACED, version: int = 1) -> Sample:
    """An event at fault."""
    return Sample(sequence, kind, version, violations)


def trial_of(compiled: Compiled) -> Trial:
    """A trial in this process."""
    return Trial(compiled.descriptor_set, compiled.types)


def take(trial: Trial, *data: bytes, kind: str = PLACED, first: int = 1) -> Report:
    """Tries a batch, and answers the report so far."""
    events = b"".join(length_delimited(16, event_pb2.Event(data=each).SerializeToString()) for each in data)
    entry = event_pb2.EventBatch(first_sequence=first, schema_version=1).SerializeToString() + events
    for _ in trial.take(kind, len(data), length_delimited(1, entry)):
        pass
    return trial.report()


def test_what_lacks_a_required_field_is_unparsable(same: Compiled) -> None:
    """Data that lacks required fields counts as unparsable, and data that does not parse too."""
    report = take(trial_of(same), b"", b"\x0a", b"\x0a\x01x", b"\x12\x01x\x18\x01", kind=STAMPED)
    assert (report.examined, report.passed, report.unparsable, report.with_unknown_fields) == (4, 1, 3, 1)
    assert [[each.description for each in it.violations] for it in report.samples] == [
        ["required field 1 is missing"],
        ["does not parse as shop.v1.Stamped: the number at byte 1 is cut off"],
        ["unknown field 3: shop.v1.Stamped has no such field", "required field 1 is missing"],
    ]


def test_rules_that_can_not_be_evaluated_count() -> None:
    """An event on which a rule can't be evaluated breaks the rules, and is told apart from a broken rule."""
    source = CHANGED["shop/v1/order.proto"].replace("% 10 == 0", "/ this.amount_cents == 1")
    report = take(trial_of(compile_sources({"shop/v1/order.proto": source})), order("p1", 0), kind=PAID)
    assert (report.breaking_rules, report.rules) == (1, (RuleFailures("", "data", 1),))
    assert "can't be evaluated" in report.samples[0].violations[0].description


def test_the_first_events_of_each_fault_are_shown(changed: Compiled) -> None:
    """However many events have one fault, rare faults are shown too; of all of them the first, 20 in all."""
    trial = trial_of(changed)
    take(trial, *[order("x", 1)] * 5_000)
    report = take(trial, *[order("long", 0)] * 3, order("x", 1), first=7_000)
    assert (report.with_unknown_fields, report.rules[0].events) == (5_001, 3)
    assert [it.sequence for it in report.samples] == [*range(1, 18), 7_000, 7_001, 7_002]


def test_paths_without_end_are_bounded() -> None:
    """Rules are counted by path, but not by more paths than a report could ever need."""
    source = """
        syntax = "proto3";
        package t;
        import "buf/validate/validate.proto";
        message Node { Node a = 1; Node b = 2; int32 n = 3 [(buf.validate.field).int32.gt = 0]; }
    """
    trial = trial_of(compile_sources({"t.proto": source}))

    def tree(depth: int) -> bytes:
        below = tree(depth - 1) if depth else b""
        return length_delimited(1, below) + length_delimited(2, below) if depth else b"\x18\x00"

    report = take(trial, *(length_delimited(1 + number % 2, tree(9)) for number in range(30)), kind="t.Node")
    assert report.breaking_rules == 30
    assert len(report.rules) == 100
    assert len(trial._rules) <= RULES_COUNTED


def test_counts_are_those_of_single_events(changed: Compiled) -> None:
    """Whatever runs and batches events come in, rules fail as often as when each event comes alone."""
    random = Random(1)
    texts = ("", "p", "q", "p1", "p12", "p123", "q123")
    events = [order(random.choice(texts), random.choice((0, 0, 0, 0, 5))) for _ in range(700)]
    for kind in (PLACED, PAID):
        whole, single, clean = trial_of(changed), trial_of(changed), [order("p1", 0)] * 130
        for first in range(0, len(events), 100):
            take(whole, *clean, *events[first : first + 100], kind=kind)
        for event in itertools.chain(events, clean * 7):
            take(single, event, kind=kind)
        one, other = whole.report(), single.report()
        assert 910 < one.passed < 1_400
        assert one.rules == other.rules
        assert [getattr(one, name) for name in COUNTS] == [getattr(other, name) for name in COUNTS]


COUNTS = ("examined", "passed", "unparsable", "with_unknown_fields", "breaking_rules", "without_type")
BATCHES = st.lists(
    st.tuples(st.sampled_from([ORDERS, PAYMENTS]), st.sampled_from([PLACED, PAID]), st.integers(1, 9)),
    max_size=12,
)


@given(
    batches=BATCHES,
    last=st.one_of(st.none(), st.integers(1, 60)),
    start=st.integers(1, 60),
    end=st.integers(0, 60),
    types=st.sampled_from([(), (PLACED,), (PLACED, PAID)]),
    keep_bytes=st.sampled_from([None, None, 200]),
)
def test_a_range_is_exact(
    tmp_path_factory: pytest.TempPathFactory,
    batches: list[tuple[str, str, int]],
    last: int | None,
    start: int,
    end: int,
    types: tuple[str, ...],
    keep_bytes: int | None,
) -> None:
    """A backtest reads the events that were asked for, neither more nor less, however batches lie."""

    async def check(bench: Bench) -> None:
        kept = await fill(bench, batches, keep_bytes)
        head = sum(count for _, _, count in batches)
        expected = [it for it, kind in kept if it <= (end or head) and (not types or kind in types)]
        if last is None:
            first = min(start, head + 1)
            wanted = Wanted(ORDERS, from_sequence=first, end_sequence=end, types=types)
            expected = [it for it in expected if it >= first]
        else:
            wanted = Wanted(ORDERS, last_events=last, end_sequence=end, types=types)
            expected = expected[-last:]
        topic = bench.topics.get(ORDERS)
        history = await find_history(bench.log, topic, wanted)
        assert await bench.log.count(*history) == len(expected)
        assert await read(backtest._Backtest(bench.log, bench.topics, topic, history, None)) == expected

    async def run() -> None:
        async with open_bench(tmp_path_factory.mktemp("log")) as bench:
            await check(bench)

    asyncio.run(run())


async def fill(
    bench: Bench, batches: list[tuple[str, str, int]], keep_bytes: int | None
) -> list[tuple[int, str]]:
    """Stores batches; answers the sequences that are kept of the topic that is tried, and their types."""
    stored: list[tuple[int, str]] = []
    for topic, kind, count in batches:
        first = await bench.store(*[b""] * count, topic=topic, kind=kind)
        stored += [(first + index, kind) for index in range(count) if topic == ORDERS]
    if keep_bytes is None:
        return stored
    trimmed = await bench.log.trim(ORDERS, keep_bytes=keep_bytes)
    return [it for it in stored if it[0] > trimmed.through]


async def read(reading: backtest._Backtest) -> list[int]:
    """Reads what a backtest would hand over; answers the sequences."""
    found: list[int] = []
    async for batches, _ in reading._read():
        for batch in batches:
            (entry,) = Batches.FromString(batch.entry).batches
            assert (entry.first_sequence, len(entry.events)) == (batch.first_sequence, batch.count)
            found += range(batch.first_sequence, batch.last_sequence + 1)
    return found


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"topic": ""}, InvalidRequest, "backtest.topic: must name the topic"),
        ({"topic": "shop.ordres"}, TopicNotFound, "Close to it: shop.orders"),
        ({"topic": "other"}, InvalidRequest, "topic 'other' is of subject 'another', not of 'shop'"),
        ({"last_events": 0}, InvalidRequest, "backtest.last_events: must be at least 1"),
        ({"from_sequence": 0}, InvalidRequest, "backtest.from_sequence: must be at least 1"),
        (
            {"from_sequence": 3},
            InvalidRequest,
            "lies in the future: the last event of the log has sequence 1",
        ),
        ({"from_sequence": 3, "end_sequence": 2}, InvalidRequest, "2 lies before from_sequence"),
        ({"types": ("t",) * 101}, InvalidRequest, "names 101 types; at most 100"),
    ],
)
async def test_what_can_not_be_tried_is_refused(
    bench: Bench, same: Compiled, fields: dict[str, Any], error: type[Exception], words: str
) -> None:
    """A backtest that contradicts itself, or whose topic is not there, is refused with field and words."""
    await bench.topics.create("other", "another")
    await bench.store(order("a"))
    with pytest.raises(error) as refusal:
        await bench.run(same, **{"topic": ORDERS} | fields)
    assert words in str(refusal.value)


async def test_nothing_stored_is_nothing_examined(bench: Bench, same: Compiled) -> None:
    """Where there is nothing to try, the report is empty."""
    assert await bench.run(same) == Report()
    await bench.store(order("a"), topic=PAYMENTS)
    assert await bench.run(same, from_sequence=2) == Report()
    assert await bench.run(same, last_events=9, types=(PAID,)) == Report()


async def slow(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stores a history of many small pages, and lets backtests say often how far they are."""
    monkeypatch.setattr(backtest, "PROGRESS_SECONDS", 0.02)
    monkeypatch.setattr(backtest, "PAGE_BYTES", 1_000)
    for _ in range(40):
        await bench.store(*[order("a", 0)] * 100)


async def test_progress_rises_to_the_total(
    bench: Bench, same: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Progress tells how many events were looked at and how many there are; it never falls."""
    await slow(bench, monkeypatch)
    *progress, report = [it async for it in bench.start(same, last_events=3_950)]
    assert progress
    assert {it.total for it in progress} == {report.examined} == {3_950}
    assert all(it.position == it.examined + 50 for it in progress)
    assert sorted(it.examined for it in progress) == [it.examined for it in progress]


@needs_proc
@pytest.mark.parametrize("way", ["close", "cancel"])
async def test_a_backtest_that_is_ended_leaves_nothing_behind(
    bench: Bench, same: Compiled, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """A backtest whose caller goes ends at once: its process, its reading, and its turn."""
    await slow(bench, monkeypatch)
    before, threads, tasks = children(), threading.active_count(), len(asyncio.all_tasks())
    started = asyncio.Event()

    async def run() -> None:
        async with aclosing(bench.start(same)) as parts:
            async for _ in parts:
                started.set()
                if way == "close":
                    return

    running = asyncio.create_task(run())
    await started.wait()
    if way == "cancel":
        assert len(children() - before) == 1
        running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert children() == before
    assert len(asyncio.all_tasks()) == tasks
    assert threading.active_count() <= threads + 3  # the loop keeps threads for the next to come
    assert bench.backtester._running == 0


async def test_a_few_backtests_run_at_once(
    bench: Bench, same: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One backtest too many is refused with the limit and a way out; when one has ended, the next may run."""
    await slow(bench, monkeypatch)
    async with aclosing(bench.start(same)) as one, aclosing(bench.start(same)) as other:
        await anext(one)
        await anext(other)
        with pytest.raises(LimitExceeded, match=r"try again .* is 3, over the limit backtests_at_once = 2"):
            await bench.run(same)
        await one.aclose()
        assert (await bench.run(same)).passed == 4_000


async def test_a_stopping_gateway_ends_backtests(
    bench: Bench, same: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the gateway stops, backtests end, those under way and those that come."""
    await slow(bench, monkeypatch)
    parts = bench.start(same)
    await anext(parts)
    bench.backtester.drain()
    with pytest.raises(Draining):
        await anext(parts)
    with pytest.raises(Draining):
        await bench.run(same)


class Meanwhile:
    """A log in which something happens when the second page is read."""

    def __init__(self, log: SqliteLog, happening: Callable[[], Awaitable[object]]) -> None:
        self._log = log
        self._happening = happening
        self._pages = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    async def read(self, *args: Any, **settings: Any) -> Any:
        """Reads on, or lets it happen first."""
        self._pages += 1
        if self._pages == 2:
            await self._happening()
        return await self._log.read(*args, **settings)


async def test_what_retention_removes_meanwhile_was_not_examined(
    bench: Bench, same: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A report counts what was looked at, not what was there when the backtest began."""
    await slow(bench, monkeypatch)
    log = Meanwhile(bench.log, lambda: bench.log.trim(ORDERS, keep_bytes=10_000))
    bench.backtester = Backtester(log, bench.topics)  # type: ignore[arg-type]
    report = await bench.run(same)
    kept = (await bench.log.bounds(Selection(frozenset({ORDERS})))).topics[ORDERS]
    assert kept.trimmed_through
    assert report.examined == report.passed == kept.event_count + 100
    assert (report.first_sequence, report.last_sequence) == (1, 4_000)


async def test_a_topic_that_is_deleted_meanwhile_is_missed(
    bench: Bench, same: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backtest whose topic is deleted under way fails, also if the topic is made anew."""
    await slow(bench, monkeypatch)

    async def replace_topic() -> None:
        await bench.topics.delete(ORDERS, "", _nothing)
        await bench.topics.create(ORDERS, SUBJECT)

    bench.backtester = Backtester(Meanwhile(bench.log, replace_topic), bench.topics)  # type: ignore[arg-type]
    with pytest.raises(TopicNotFound):
        await bench.run(same)


async def _nothing() -> None:
    """Lets a topic be deleted whatever it holds."""


@needs_proc
async def test_a_candidate_can_not_take_for_ever(
    bench: Bench, changed: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A schema that takes too long on a run of batches ends its own process, with words, and nothing else."""
    monkeypatch.setattr(trial_process, "STEP_SECONDS", 0.002)
    before = children()
    await bench.store(*[order("abc", 0)] * 10_000)
    with pytest.raises(InvalidSchema, match=r"takes more than 0\.002 s to check; simplify it"):
        await bench.run(changed)
    assert children() == before


async def test_a_candidate_can_not_take_all_memory(
    bench: Bench, same: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A schema that needs more memory than it may take ends its own process, with words."""
    monkeypatch.setattr(trial_process, "MEMORY_BYTES", 4 * 1024 * 1024)
    await bench.store(order("a"))
    with pytest.raises(InvalidSchema, match=r"takes more than 4,194,304 bytes of memory"):
        await bench.run(same)


@needs_proc
async def test_a_crash_of_the_process_is_told(
    bench: Bench, same: Compiled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that crashes, or that the system ends, fails its backtest and nothing else."""
    await slow(bench, monkeypatch)
    for name, words in ((signal.SIGSEGV, "crash"), (signal.SIGKILL, "lack of memory")):
        before, parts = children(), bench.start(same)
        await anext(parts)
        (process,) = children() - before
        os.kill(process, name)
        with pytest.raises(InvalidSchema, match=words):
            [it async for it in parts]
        assert children() == before


KILLED = """
import asyncio, os
from registry.checking.trial_process import try_schema
from registry.compiling.compiler import Compiled

async def main():
    async with try_schema(Compiled(b"", (), "")) as trial:
        await trial.put("t.T", 1, b"")
        await trial.done()
        print(trial._process.pid, flush=True)
        os.kill(os.getpid(), 9)

asyncio.run(main())
"""


@needs_proc
def test_the_process_ends_with_a_gateway_that_is_killed() -> None:
    """A gateway that is killed leaves no process behind."""
    run = subprocess.run([sys.executable, "-c", KILLED], capture_output=True, text=True, check=False)
    assert run.returncode == -signal.SIGKILL, run.stderr
    process, deadline = Path(f"/proc/{int(run.stdout)}/stat"), time.monotonic() + PATIENCE
    # One that has ended stays as a zombie (Z) until the system's first process takes note.
    while process.exists() and process.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.02)
