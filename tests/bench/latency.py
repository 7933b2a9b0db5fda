"""How long an event takes from its publisher to its subscribers, at light load."""

from __future__ import annotations

import contextlib
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.bench.processes import Side
from tests.bench.publisher import publish_paced
from tests.bench.report import Row, percentile
from tests.bench.servers import bare_server, gateway_server
from tests.bench.subscriber import time_deliveries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.servers import Place, Server

PART = "Latency: publish to delivery"
P50_MS = 2.5
"""What the median is to stay below, with one subscriber."""


@dataclass(frozen=True, slots=True)
class Audience:
    """So many subscribers, over so many processes, and the events a second that are light load for them."""

    subscribers: int
    processes: int
    rate: float


AUDIENCES = (Audience(1, 1, 50.0), Audience(100, 2, 10.0), Audience(1_000, 2, 1.0))


def measure(place: Place, rounds: int, seconds: float) -> Iterator[Row]:
    """Measures each audience, bare and Tidegate in turns; the percentiles are over all rounds."""
    for audience in AUDIENCES:
        bare, tidegate = array("q"), array("q")
        with bare_server(place) as relay, gateway_server(place) as gateway:
            for _ in range(rounds):
                bare += _run(relay, audience, seconds)
                tidegate += _run(gateway, audience, seconds)
        yield from _rows(audience, bare, tidegate)


def _rows(audience: Audience, bare: array[int], tidegate: array[int]) -> Iterator[Row]:
    who = "1 subscriber" if audience.subscribers == 1 else f"{audience.subscribers:,} subscribers"
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        aim = audience.subscribers == 1 and name == "p50"
        figure = percentile(tidegate, share) / 1e6
        yield Row(
            PART,
            f"{who}, {name}",
            "ms",
            figure,
            percentile(bare, share) / 1e6,
            target=f"below {P50_MS} ms" if aim else "",
            met=figure < P50_MS if aim else None,
            facts={"events_a_second": audience.rate, "deliveries": len(tidegate)},
        )


def _run(server: Server, audience: Audience, seconds: float) -> array[int]:
    streams = audience.subscribers // audience.processes
    with contextlib.ExitStack() as sides:
        readers = [
            sides.enter_context(Side(time_deliveries, server.address, streams))
            for _ in range(audience.processes)
        ]
        for reader in readers:
            reader.answer()
        publisher = sides.enter_context(
            Side(publish_paced, server.address, audience.rate, seconds, server.bare)
        )
        events = publisher.answer()
        took = array("q")
        for reader in readers:
            reader.tell(events)
        for reader in readers:
            took += reader.answer()
    return took
