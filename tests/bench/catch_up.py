"""How fast a new subscriber reads a long history."""

from __future__ import annotations

import asyncio
import os
import random
import statistics
from typing import TYPE_CHECKING

from gateway.log import Append, NewBatch
from gateway.sqlite.log import SqliteLog
from tests.bench import flights
from tests.bench.processes import Side
from tests.bench.report import Row
from tests.bench.servers import new_log, open_gateway, set_up
from tests.bench.subscriber import count

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection
    from pathlib import Path

    from tests.bench.servers import Place

PART = "Catch-up: reading what is stored"
TARGETS = {1_000: 2_000_000, 1: 300_000}
"""Events a second to reach, by the events of a stored batch."""
_STORED_AT_ONCE = 2_000


def measure(place: Place, rounds: int, events: int) -> Iterator[Row]:
    """Measures a history of ``events`` events, stored in batches of 1,000 and one a batch."""
    for events_a_batch in TARGETS:
        with new_log(place) as log:
            with open_gateway(place, log) as gateway:
                set_up(gateway.address)
            with Side(store, str(log), events // events_a_batch, events_a_batch) as storer:
                storer.answer()
            with open_gateway(place, log) as gateway:
                rates = [_read(gateway.address, events, events_a_batch) for _ in range(rounds)]
            yield _row(rates, events, events_a_batch, log)


def _row(rates: list[float], events: int, events_a_batch: int, log: Path) -> Row:
    rate, target = statistics.median(rates), TARGETS[events_a_batch]
    stored = "one a batch" if events_a_batch == 1 else f"in batches of {events_a_batch:,}"
    return Row(
        PART,
        f"{events / 1e6:g} million events, stored {stored}",
        "events/s",
        rate,
        target=f"at least {target:,}",
        met=rate >= target,
        facts={"bytes_on_disk_an_event": log.stat().st_size / events},
        samples={"tidegate": rates},
    )


def _read(address: str, events: int, events_a_batch: int) -> float:
    with Side(count, address, flights.REJECT, events_a_batch, True) as reader:  # noqa: FBT003
        reader.answer()
        reader.tell(events)
        return reader.answer().rate


async def store(pipe: Connection, path: str, batches: int, events_a_batch: int) -> None:
    """Appends so many batches straight to a log, which no gateway has open, and says when it is done."""
    chance = random.Random(2013)
    kinds = [
        NewBatch(made.topic, made.type, 1, events_a_batch, made.SerializeToString())
        for made in (flights.batch(chance, events_a_batch) for _ in range(max(4, 1_000 // events_a_batch)))
    ]
    at_once = max(1, _STORED_AT_ONCE // events_a_batch)
    log = await SqliteLog.open(path)
    try:
        left = batches
        while left:
            appended = min(left, at_once)
            await log.append(Append(tuple(kinds[index % len(kinds)] for index in range(appended))))
            left -= appended
    finally:
        await log.close()
    await asyncio.to_thread(os.sync)  # what is being written back must not slow the readers
    pipe.send("stored")
