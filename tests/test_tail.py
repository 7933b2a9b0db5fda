"""The tail: what it keeps, what it answers, and whom it wakes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from gateway.log import StoredBatch
from gateway.selection import EVERYTHING, Selection
from gateway.tail import SCANNED, Tail
from tests.log_model import MEBIBYTE, names

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest


def batches(tail: Tail, shapes: Sequence[tuple[str, str, int, int]]) -> list[StoredBatch]:
    """Batches that follow the head of ``tail``: topic, type, count, size of each."""
    made = []
    head, ordinal = tail.head, tail.head_ordinal
    for topic, event_type, count, size in shapes:
        ordinal += 1
        made.append(StoredBatch(head + 1, count, topic, event_type, 1, ordinal, ordinal, bytes(size)))
        head += count
    return made


_SHAPES = st.lists(
    st.tuples(
        st.sampled_from(("a", "b", "a.b")), st.sampled_from("TU"), st.integers(1, 4), st.integers(1, 50)
    ),
    max_size=8,
)
_SELECTIONS = st.sampled_from(
    (EVERYTHING, names("a"), names("a", "b", types=("T",)), Selection(patterns=("a.*",)), names("c"))
)


@given(
    commits=st.lists(_SHAPES, max_size=12),
    capacity=st.integers(0, 400),
    selection=_SELECTIONS,
    after=st.integers(0, 60),
    max_bytes=st.integers(1, 300),
)
def test_pages_of_the_tail(
    commits: list[list[tuple[str, str, int, int]]],
    capacity: int,
    selection: Selection,
    after: int,
    max_bytes: int,
) -> None:
    """A page holds what a walk over all batches finds, as much as fits; memory keeps to the capacity."""
    tail = Tail(5, 0, capacity=capacity)
    every: list[StoredBatch] = []
    for shapes in commits:
        added = batches(tail, shapes)
        every += added
        tail.add(added)
    kept = tail._batches[tail._begin :]
    assert sum(len(batch.entry) for batch in kept) <= capacity or len(kept) == 1
    assert tail.covers(tail.head)
    if after < 5 or not tail.covers(after):
        assert after < tail.head
        return
    wanted = [
        batch
        for batch in every
        if batch.last_sequence > after and selection.has_topic(batch.topic) and selection.has_type(batch.type)
    ]
    page = tail.page(selection, after, max_bytes)
    assert list(page.batches) == wanted[: len(page.batches)]
    size = sum(len(batch.entry) for batch in page.batches)
    assert size <= max_bytes or len(page.batches) == 1
    if len(page.batches) < len(wanted):
        assert page.batches
        assert size + len(wanted[len(page.batches)].entry) > max_bytes
        assert (page.through, page.ordinal) == (page.batches[-1].last_sequence, page.batches[-1].ordinal)
    else:
        assert (page.through, page.ordinal) == (max(after, tail.head), tail.head_ordinal)


def test_a_page_looks_through_a_bounded_number() -> None:
    """A selection that nothing matches gets ahead a bounded number of batches at a time."""
    tail = Tail(0, 0, capacity=MEBIBYTE)
    tail.add(batches(tail, [("a", "T", 1, 1)] * (3 * SCANNED)))
    positions, after = [], 0
    while after < tail.head:
        after = tail.page(names("b"), after, 100).through
        positions.append(after)
    assert positions == [SCANNED, 2 * SCANNED, 3 * SCANNED]


async def test_readers_that_left_are_forgotten() -> None:
    """Nothing is left of readers that were woken, cancelled or ran into their deadline."""
    tail = Tail(0, 0, capacity=MEBIBYTE)
    loop = asyncio.get_running_loop()
    woken = asyncio.create_task(tail.wait(names("a", "b"), 100, loop.time() + 60))
    cancelled = [asyncio.create_task(tail.wait(names(f"c{n}"), 100, None)) for n in range(100)]
    late = asyncio.create_task(tail.wait(Selection(patterns=("d.*",)), 100, loop.time() + 0.01))
    await asyncio.sleep(0)
    for task in cancelled:
        task.cancel()
    assert (await late).batches == ()
    tail.add(batches(tail, [("a", "T", 1, 1)]))
    assert (await woken).batches
    tail.add(batches(tail, [("a", "T", 1, 1)]))
    await asyncio.gather(*cancelled, return_exceptions=True)
    assert not tail._waiters
    assert not tail._by_name
    assert not tail._by_pattern


async def test_a_pattern_is_asked_once_a_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many commits and readers there are, a shared pattern is matched against a topic once."""
    asked: list[str] = []
    has_topic = Selection.has_topic

    def count(selection: Selection, topic: str) -> bool:
        asked.append(topic)
        return has_topic(selection, topic)

    tail = Tail(0, 0, capacity=MEBIBYTE)
    readers = [asyncio.create_task(tail.wait(Selection(patterns=("x.*",)), 100, None)) for _ in range(50)]
    await asyncio.sleep(0)
    monkeypatch.setattr(Selection, "has_topic", count)
    for _ in range(50):
        tail.add(batches(tail, [("other", "T", 1, 1)]))
    assert asked == ["other"]
    for reader in readers:
        reader.cancel()
    await asyncio.gather(*readers, return_exceptions=True)


async def test_readers_of_one_selection_share_their_page() -> None:
    """What a commit holds for a selection is looked up once: all who wait for it get the same page."""
    tail = Tail(0, 0, capacity=MEBIBYTE)
    readers = [asyncio.create_task(tail.wait(names("a"), 100, None)) for _ in range(10)]
    await asyncio.sleep(0)
    tail.add(batches(tail, [("b", "T", 1, 1), ("a", "T", 2, 60), ("a", "T", 2, 60)]))
    pages = await asyncio.gather(*readers)
    assert all(page is pages[0] for page in pages)
    assert pages[0] is not None
    assert (pages[0].through, pages[0].head) == (3, 5)
    assert tail.page(names("a"), 3, 100) is tail.page(names("a"), 3, 100)


async def test_a_failed_tail_ends_all_waits() -> None:
    """Closing tells every reader that waits."""
    tail = Tail(0, 0, capacity=MEBIBYTE)
    readers = [asyncio.create_task(tail.wait(names(f"a{n % 3}"), 100, None)) for n in range(9)]
    await asyncio.sleep(0)
    tail.fail(ValueError("closed"))
    results = await asyncio.gather(*readers, return_exceptions=True)
    assert [type(result) for result in results] == [ValueError] * 9
