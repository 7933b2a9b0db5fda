"""The bytes that groups keep of what they read: found again whatever was let go, and bounded together."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from tidegate.v1 import event_pb2

from gateway.entries import OpenEntry
from gateway.groups.payloads import Budget, Payloads
from gateway.selection import EVERYTHING
from gateway.sqlite.log import SqliteLog
from tests.log_model import one, read_all

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.groups.values import Span

BATCHES, EVENTS, EVENT_BYTES = 40, 25, 1_000
LAST = BATCHES * EVENTS


async def open_log(folder: Path) -> SqliteLog:
    """A log of 40 batches; the data of each event is its sequence."""
    log = await SqliteLog.open(folder / "log.db")
    for first in range(1, LAST, EVENTS):
        events = [event_pb2.Event(data=b"%0*d" % (EVENT_BYTES, first + index)) for index in range(EVENTS)]
        await log.append(one(count=EVENTS, data=event_pb2.EventBatch(events=events).SerializeToString()))
    return log


async def events_in(payloads: Payloads, spans: list[Span]) -> list[int]:
    """The sequences of what payloads answer for spans, as the events themselves say."""
    found: list[int] = []
    async for portion in payloads.portions(EVERYTHING, spans):
        assert not portion.lost
        for excerpt in portion.excerpts:
            events = OpenEntry(payloads.entry(excerpt)).events
            found += [int(event_pb2.Event.FromString(event).data) for event in events]
    return found


def draw_spans(chance: random.Random) -> list[Span]:
    """Spans that rise, some within a batch and some over several."""
    ends = sorted(chance.sample(range(1, LAST + 1), 8))
    return list(zip(ends[::2], ends[1::2], strict=True))


@pytest.mark.parametrize("seed", range(5))
async def test_events_are_found_whatever_was_let_go(tmp_path: Path, seed: int) -> None:
    """Groups that share a small budget answer every event they are asked for, and keep no more than that."""
    chance = random.Random(seed)
    log = await open_log(tmp_path)
    try:
        pages = await read_all(log, EVERYTHING)
        budget, settled = Budget(10 * EVENTS * EVENT_BYTES), [0, 0, 0]
        groups = [Payloads(log, budget, lambda number=number: settled[number]) for number in range(3)]
        for _ in range(120):
            number = chance.randrange(3)
            begin = chance.randrange(BATCHES)
            groups[number].keep(pages[begin : begin + chance.randint(1, 3)])
            settled[number] = chance.choice([settled[number], chance.randrange(LAST)])
            spans = draw_spans(chance)
            found = await events_in(groups[number], spans)
            assert found == [at for first, last in spans for at in range(first, last + 1)]
            if chance.random() < 0.05:
                groups[number].clear()
            kept = [sum(len(batch.entry) for batch in group._batches.values()) for group in groups]
            assert kept == [group._bytes for group in groups]
            assert (budget.used, budget.groups) == (sum(kept), sum(map(bool, kept)))
            assert sum(kept) < budget.total + len(groups) * 300_000
    finally:
        await log.close()


async def test_what_is_settled_is_let_go_first(tmp_path: Path) -> None:
    """A group over its part of the budget lets go of what is settled, and keeps what is not."""
    log = await open_log(tmp_path)
    try:
        pages = await read_all(log, EVERYTHING)
        payloads = Payloads(log, Budget(10 * EVENTS * EVENT_BYTES), lambda: 20 * EVENTS + 7)
        for page in pages[:25]:
            payloads.keep([page])
        assert [batch.first_sequence for batch in payloads._batches.values()] == [
            page.first_sequence for page in pages[20:25]
        ]
    finally:
        await log.close()
