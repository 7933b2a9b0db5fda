"""A model of events by key in plain Python, and what holds a log's index of keys to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st
from tidegate.v1 import event_pb2, event_service_pb2

from gateway.errors import KeysNotIndexed, UnexpectedSequence
from gateway.log import Append, EventLog, NewBatch, StoredBatch
from gateway.selection import Selection
from tests.log_model import names

if TYPE_CHECKING:
    from tests.log_model import OpenLog

TOPICS = ("a", "b", "b.x")
KEYS = ("k", "other", "größer", "x" * 300)
SELECTIONS = (names("a"), names("a", "b"), Selection(patterns=(">",)), names("a", "b", types=("T",)))
PATIENCE = 20.0


def keyed(topic: str, *keys: str, kind: str = "T", source: str = "", size: int = 3) -> NewBatch:
    """A batch with an event of each key; an event's id says the place that it has in its batch."""
    events = [
        event_pb2.Event(id=str(place), key=key, data=bytes(size), attributes={"key": key})
        for place, key in enumerate(keys)
    ]
    batch = event_pb2.EventBatch(topic=topic, type=kind, source=source, events=events)
    return NewBatch(topic, kind, 1, len(keys), batch.SerializeToString(deterministic=True))


def opened(batch: StoredBatch) -> event_pb2.EventBatch:
    """The batch that an entry holds."""
    (found,) = event_service_pb2.ReadEventsResponse.FromString(batch.entry).batches
    return found


async def complete(log: EventLog, *topics: str) -> None:
    """Waits until all keys of topics are indexed."""
    async with asyncio.timeout(PATIENCE):
        while not all(log.has_indexed_keys(topic) for topic in topics):  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.001)


class Model:
    """All events, by sequence: topic, type, key and what they must be answered as; and what is indexed."""

    def __init__(self) -> None:
        self.events: dict[int, tuple[str, str, str, event_pb2.EventBatch]] = {}
        self.batches: list[tuple[int, int, str, int]] = []
        self.indexed: frozenset[str] = frozenset()

    def learn(self, batch: NewBatch, first_sequence: int, size: int) -> None:
        """Takes a batch that was appended."""
        whole = event_pb2.EventBatch.FromString(batch.data)
        for index, event in enumerate(whole.events):
            alone = event_pb2.EventBatch(
                topic=batch.topic,
                type=batch.type,
                schema_version=1,
                source=whole.source,
                first_sequence=first_sequence + index,
                events=[event],
            )
            self.events[first_sequence + index] = (batch.topic, batch.type, event.key, alone)
        self.batches.append((first_sequence, batch.count, batch.topic, size))

    def of_key(self, selection: Selection, key: str, first: int, last: int) -> list[int]:
        """The sequences of a key, rising."""
        return [
            sequence
            for sequence, (topic, kind, has, _) in sorted(self.events.items())
            if selection.has_topic(topic)
            and selection.has_type(kind)
            and has == key
            and first <= sequence <= last
        ]

    def trim(self, topic: str, batches: int) -> None:
        """Removes the oldest batches of a topic."""
        for batch in [batch for batch in self.batches if batch[2] == topic][:batches]:
            self.batches.remove(batch)
            for sequence in range(batch[0], batch[0] + batch[1]):
                del self.events[sequence]

    @property
    def head(self) -> int:
        """The last sequence that is kept; good enough as an end of ranges."""
        return max(self.events, default=0)


_BATCH = st.builds(
    lambda topic, keys, kind, source, size: keyed(topic, *keys, kind=kind, source=source, size=size),
    st.sampled_from(TOPICS),
    st.lists(st.sampled_from(("", *KEYS)), min_size=1, max_size=12),
    st.sampled_from("TU"),
    st.sampled_from(("", "urn:s")),
    st.sampled_from((0, 3, 200)),
)
_READ = st.tuples(
    st.just("read"),
    st.sampled_from(SELECTIONS),
    st.sampled_from((*KEYS, "nobody's")),
    st.floats(0, 1),
    st.floats(0, 1),
    st.booleans(),
    st.sampled_from((1, 2, 5, 1000)),
    st.sampled_from((1, 500, 1 << 20)),
)
_EXPECT = st.tuples(
    st.just("expect"), st.sampled_from(TOPICS), st.sampled_from(KEYS), st.booleans(), st.booleans()
)
STEPS = st.lists(
    st.tuples(st.just("append"), st.lists(_BATCH, min_size=1, max_size=4))
    | st.tuples(st.just("append"), st.lists(_BATCH, min_size=1, max_size=4))
    | _READ
    | _READ
    | _EXPECT
    | st.tuples(st.just("switch"), st.frozensets(st.sampled_from(TOPICS)))
    | st.tuples(st.just("trim"), st.sampled_from(TOPICS), st.integers(0, 6))
    | st.tuples(st.just("reopen")),
    max_size=40,
)


async def compare(open_log: OpenLog, steps: list[tuple[Any, ...]]) -> None:
    """Takes the steps on a log and on the model, and compares."""
    model = Model()
    reads = [
        ("read", SELECTIONS[2], key, 0.0, 1.0, backwards, 1000, 1 << 20)
        for key in KEYS
        for backwards in (False, True)
    ]
    pending = [("switch", frozenset(TOPICS[:2])), *steps, *reads, ("reopen",), *reads]
    while pending:
        async with open_log() as log:
            while pending:
                step, *values = pending.pop(0)
                if step == "reopen":
                    break
                await _STEP[step](log, model, *values)


async def _append(log: EventLog, model: Model, batches: list[NewBatch]) -> None:
    placed = await log.append(Append(tuple(batches)))
    for batch, place in zip(batches, placed, strict=True):
        page = await log.read(Selection(patterns=(">",)), place.first_sequence - 1, max_bytes=1)
        model.learn(batch, place.first_sequence, len(page.batches[0].entry))


async def _read(
    log: EventLog,
    model: Model,
    selection: Selection,
    key: str,
    begin: float,
    end: float,
    backwards: bool,  # noqa: FBT001
    limit: int,
    size: int,
) -> None:
    held = {topic for topic, _, _, _ in model.events.values() if selection.has_topic(topic)}
    first, last = sorted((1 + int(begin * model.head), 1 + int(end * model.head)))
    if held <= model.indexed:
        await complete(log, *held)
    found, position = [], last if backwards else first
    while first <= position <= last:
        low, high = (first, position) if backwards else (position, last)
        page = await log.read_key(
            selection, key, low, high, backwards=backwards, max_events=limit, max_bytes=size
        )
        if page is None:
            assert not held <= model.indexed
            return
        assert len(page.batches) <= limit
        found += page.batches
        position = page.reached - 1 if backwards else page.reached + 1
    wanted = model.of_key(selection, key, first, last)
    assert [batch.first_sequence for batch in found] == (wanted[::-1] if backwards else wanted)
    for batch in found:
        answer = opened(batch)
        answer.ClearField("append_time")
        assert answer == model.events[batch.first_sequence][3]
        assert batch[1:5] == (1, answer.topic, answer.type, 1)


async def _expect(
    log: EventLog,
    model: Model,
    topic: str,
    key: str,
    right: bool,  # noqa: FBT001
    twice: bool,  # noqa: FBT001
) -> None:
    if topic in model.indexed:
        await complete(log, topic)
    last = max(model.of_key(names(topic), key, 0, 2**63), default=0)
    batch = keyed(topic, "other", key, kind="E")
    append = Append((batch,), expected_keys={(topic, key): last + (not right)})
    answers = [log.append(append) for _ in range(1 + twice)]
    results = await asyncio.gather(*answers, return_exceptions=True)
    if topic not in model.indexed:
        assert all(isinstance(result, KeysNotIndexed) for result in results)
        return
    if right:
        (place,) = results.pop(0)  # type: ignore[misc]
        page = await log.read(names(topic), place.first_sequence - 1, max_bytes=1)
        model.learn(batch, place.first_sequence, len(page.batches[0].entry))
        last = place.first_sequence + 1
    for result in results:
        assert isinstance(result, UnexpectedSequence)
        assert (result.topic, result.key, result.last_sequence) == (topic, key, last)


async def _switch(log: EventLog, model: Model, topics: frozenset[str]) -> None:
    await log.index_keys(topics)
    model.indexed = topics


async def _trim(log: EventLog, model: Model, topic: str, batches: int) -> None:
    sizes = [batch[3] for batch in model.batches if batch[2] == topic]
    more = True
    while more:
        more = (await log.trim(topic, keep_bytes=sum(sizes[batches:]))).more
    model.trim(topic, batches)


_STEP: dict[str, Any] = {
    "append": _append, "read": _read, "expect": _expect, "switch": _switch, "trim": _trim,
}  # fmt: skip
