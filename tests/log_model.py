"""A model of the log in plain Python, and what holds a real log to it."""

from __future__ import annotations

import itertools
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st

from gateway.entries import Sealer
from gateway.errors import UnexpectedSequence
from gateway.log import Append, EventLog, NewBatch, Page, RequestKey, StoredBatch, TopicBounds
from gateway.selection import EVERYTHING, Selection
from gateway.sqlite.log import SqliteLog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    OpenLog = Callable[..., AbstractAsyncContextManager[EventLog]]

MEBIBYTE = 1 << 20
ENGINES = ["sqlite"]


def opener(engine: str, folder: Path) -> OpenLog:
    """Answers what opens the log of ``folder``, again and again."""
    assert engine == "sqlite"

    @asynccontextmanager
    async def open_log(**options: Any) -> AsyncIterator[EventLog]:
        log = await SqliteLog.open(folder / "log.db", **options)
        try:
            yield log
        finally:
            await log.close()

    return open_log


def new(
    topic: str = "shop.orders", count: int = 1, data: bytes = b"", *, kind: str = "T", version: int = 1
) -> NewBatch:
    return NewBatch(topic, kind, version, count, data)


def one(*args: Any, **values: Any) -> Append:
    return Append((new(*args, **values),))


def names(*topics: str, types: tuple[str, ...] = ()) -> Selection:
    return Selection(names=frozenset(topics), types=frozenset(types))


def key(name: str, digest: bytes = b"d" * 16, caller: str = "") -> RequestKey:
    return RequestKey(caller, name, digest)


async def look(log: EventLog, selection: Selection, after: int, max_bytes: int = MEBIBYTE) -> Page:
    """Reads without waiting."""
    return await log.read(selection, after, max_bytes=max_bytes, deadline=0)


async def read_all(
    log: EventLog, selection: Selection, after: int = 0, max_bytes: int = MEBIBYTE
) -> list[StoredBatch]:
    """Reads to the head, and holds every page to the promises of pages."""
    found: list[StoredBatch] = []
    while True:
        page = await look(log, selection, after, max_bytes)
        check_page(page, selection, after, max_bytes)
        found += page.batches
        after = page.through
        if after >= page.head:
            return found


async def read_all_back(
    log: EventLog, selection: Selection, before: int, max_bytes: int = MEBIBYTE
) -> list[StoredBatch]:
    """Reads to the beginning, and holds every page to the promises of pages."""
    found: list[StoredBatch] = []
    while before > 1:
        page = await log.read_back(selection, before, max_bytes=max_bytes)
        ends = [before, *[batch.first_sequence for batch in page.batches]]
        assert all(a > b for a, b in itertools.pairwise(ends))
        assert page.before <= ends[-1]
        assert page.before < before
        assert len(page.batches) <= 1 or sum(len(batch.entry) for batch in page.batches) <= max_bytes
        found += page.batches
        before = page.before
    return found


def check_page(page: Page, selection: Selection, after: int, max_bytes: int) -> None:
    ends = [after, *[batch.last_sequence for batch in page.batches]]
    assert all(a < b for a, b in itertools.pairwise(ends))
    assert all(a.last_sequence < b.first_sequence for a, b in itertools.pairwise(page.batches))
    assert page.through >= ends[-1]
    assert page.through > after or page.through == page.head
    assert len(page.batches) <= 1 or sum(len(batch.entry) for batch in page.batches) <= max_bytes
    assert all(selection.has_topic(batch.topic) and selection.has_type(batch.type) for batch in page.batches)
    if page.through == page.head:
        assert page.ordinal == page.head_ordinal
    elif page.batches and page.through == ends[-1]:
        assert page.ordinal == page.batches[-1].ordinal


# The model: what a log is, in plain Python.

TOPICS = ("a", "b", "a.x", "a.y.z")
SELECTIONS = (
    EVERYTHING,
    names("a"),
    names("a", "b"),
    Selection(patterns=("a.>",)),
    Selection(names=frozenset({"b"}), patterns=("a.*",), types=frozenset({"U"})),
    names("a", types=("T", "U")),
    names("nobody"),
)


@dataclass
class Model:
    """All batches ever appended, and how far each topic is trimmed."""

    batches: list[StoredBatch] = field(default_factory=list)
    trimmed: dict[str, int] = field(default_factory=dict)
    requests: dict[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def head(self) -> int:
        """The last sequence."""
        return self.batches[-1].last_sequence if self.batches else 0

    def kept(self, topic: str | None = None) -> list[StoredBatch]:
        """What was not trimmed, of one topic or of all."""
        return [
            batch
            for batch in self.batches
            if topic in {None, batch.topic} and batch.last_sequence > self.trimmed.get(batch.topic, 0)
        ]

    def bounds(self, topic: str) -> TopicBounds:
        """What the log must say of a topic."""
        ever = [batch for batch in self.batches if batch.topic == topic]
        kept = self.kept(topic)
        gone = [batch for batch in ever if batch not in kept]
        return TopicBounds(
            first_sequence=kept[0].first_sequence if kept else 0,
            last_sequence=ever[-1].last_sequence,
            event_count=sum(batch.count for batch in kept),
            batch_count=len(kept),
            size_bytes=sum(len(batch.entry) for batch in kept),
            trimmed_through=gone[-1].last_sequence if gone else 0,
            trimmed_time=gone[-1].append_time if gone else 0,
        )


_NEW = st.builds(
    new,
    st.sampled_from(TOPICS),
    st.integers(1, 5),
    st.binary(max_size=200).map(lambda data: b"\x0a" + data),
    kind=st.sampled_from("TU"),
    version=st.integers(1, 2),
)
_APPEND = st.tuples(
    st.just("append"),
    st.lists(_NEW, min_size=1, max_size=6),
    st.none() | st.sampled_from(("r1", "r2", "r3")),
    st.none() | st.tuples(st.sampled_from(TOPICS), st.booleans()),
)
_READ = st.tuples(
    st.just("read"), st.sampled_from(SELECTIONS), st.floats(0, 1), st.sampled_from((1, 300, 2000, MEBIBYTE))
)
_TRIM = st.tuples(
    st.just("trim"), st.sampled_from(TOPICS), st.none() | st.floats(0, 1.2), st.none() | st.integers(0, 800)
)
STEPS = st.lists(
    _APPEND | _APPEND | _READ | _READ | _TRIM | st.tuples(st.just("reopen")) | st.tuples(st.just("bounds")),
    max_size=40,
)


async def compare(open_log: OpenLog, steps: list[tuple[Any, ...]], tail_bytes: int) -> None:
    """Takes the steps on a log and on the model, and compares."""
    model = Model()
    pending = [
        *steps,
        ("bounds",),
        ("read", EVERYTHING, 0.0, 700),
        ("reopen",),
        ("bounds",),
        ("read", EVERYTHING, 0.0, 1),
    ]
    while pending:
        async with open_log(tail_bytes=tail_bytes) as log:
            while pending:
                step, *values = pending.pop(0)
                if step == "reopen":
                    break
                await _STEP[step](log, model, *values)


async def _append(
    log: EventLog,
    model: Model,
    batches: list[NewBatch],
    request: str | None,
    expected: tuple[str, bool] | None,
) -> None:
    last = {topic: model.bounds(topic).last_sequence for topic in {batch.topic for batch in model.batches}}
    expectation = {expected[0]: last.get(expected[0], 0) + (not expected[1])} if expected else {}
    append = Append(tuple(batches), key(request) if request else None, expectation)
    if request in model.requests:
        assert await log.append(append) == model.requests[request]
        return
    if expected and not expected[1]:
        with pytest.raises(UnexpectedSequence):
            await log.append(append)
        return
    placed = await log.append(append)
    found = await read_all(log, EVERYTHING, model.head)
    assert len(found) == len(placed) == len(batches)
    for stored, place, batch in zip(found, placed, batches, strict=True):
        assert stored.first_sequence == place.first_sequence > model.head
        assert (stored.topic, stored.type, stored.schema_version, stored.count) == (
            batch.topic, batch.type, batch.schema_version, batch.count,
        )  # fmt: skip
        assert stored.ordinal == len(model.batches) + 1
        assert not model.batches or stored.append_time >= model.batches[-1].append_time
        sealer = Sealer(batch.topic, batch.type, batch.schema_version)
        assert stored.entry == sealer.seal(batch.data, stored.first_sequence, stored.append_time)
        model.batches.append(stored)
    if request:
        model.requests[request] = placed


async def _read(log: EventLog, model: Model, selection: Selection, part: float, max_bytes: int) -> None:
    after = int(model.head * part)
    found = await read_all(log, selection, after, max_bytes)
    wanted = [
        batch
        for batch in model.batches
        if batch.last_sequence > after and selection.has_topic(batch.topic) and selection.has_type(batch.type)
    ]
    kept = set(model.kept())
    assert set(found) <= set(wanted)
    # What was trimmed may still be in memory; what is kept must be there.
    assert [batch for batch in found if batch in kept] == [batch for batch in wanted if batch in kept]
    back = [
        batch
        for batch in model.batches
        if batch.first_sequence <= after
        and selection.has_topic(batch.topic)
        and selection.has_type(batch.type)
        and batch in kept
    ]
    assert await read_all_back(log, selection, after + 1, max_bytes) == back[::-1]
    for through in (model.head + 1, (after + model.head) // 2, after):
        counted = sum(
            max(0, min(batch.last_sequence, through) - max(batch.first_sequence - 1, after))
            for batch in wanted
            if batch in kept
        )
        assert await log.count(selection, after, through) == counted


async def _trim(log: EventLog, model: Model, topic: str, part: float | None, keep_bytes: int | None) -> None:
    kept = model.kept(topic)
    times = [batch.append_time for batch in model.batches]
    before = None if part is None or not times else int(times[0] + part * (times[-1] + 1 - times[0]))
    size = sum(len(batch.entry) for batch in kept)
    for batch in kept:
        late = before is not None and batch.append_time < before
        if not late and (keep_bytes is None or size <= keep_bytes):
            break
        size -= len(batch.entry)
        model.trimmed[topic] = batch.last_sequence
    more, removed = True, 0
    while more:
        trimmed = await log.trim(topic, before_time=before, keep_bytes=keep_bytes)
        more, removed = trimmed.more, removed + trimmed.batches
    assert removed == len(kept) - len(model.kept(topic))
    assert trimmed.through == model.trimmed.get(topic, 0)


async def _bounds(log: EventLog, model: Model) -> None:
    bounds = await log.bounds(EVERYTHING)
    assert (bounds.head, bounds.head_ordinal) == (model.head, len(model.batches))
    assert bounds.topics == {topic: model.bounds(topic) for topic in {batch.topic for batch in model.batches}}
    for selection in SELECTIONS:
        assert await log.kinds(selection) == {
            (batch.topic, batch.type, batch.schema_version)
            for batch in model.kept()
            if selection.has_topic(batch.topic) and selection.has_type(batch.type)
        }
    for batch in model.kept():
        at = await log.bounds(names("a"), batch.append_time)
        first = next(other for other in model.kept() if other.append_time >= batch.append_time)
        assert at.position == first.first_sequence - 1


_STEP: dict[str, Any] = {"append": _append, "read": _read, "trim": _trim, "bounds": _bounds}
