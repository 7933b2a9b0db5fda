"""How much memory a gateway holds: with many idle subscribers, and with one that is stuck."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tests.bench import flights
from tests.bench.processes import Side
from tests.bench.publisher import Amount, publish
from tests.bench.report import Row
from tests.bench.servers import gateway_server
from tests.bench.subscriber import count, get_stuck, time_deliveries

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.servers import Place

PART = "Memory of the gateway"
IDLE = 1_000
FLAT = 1.1
"""How much more a gateway may hold in the second half of the traffic than in the first, as a factor."""
_MB = 1e6


def measure(place: Place, size: float) -> Iterator[Row]:
    """Measures both cases; ``size`` bytes flow past the stuck subscriber."""
    yield _idle(place)
    yield _stuck(place, size)


def _idle(place: Place) -> Row:
    processes = 2
    with gateway_server(place) as gateway, contextlib.ExitStack() as sides:
        before = gateway.side.resident_bytes()
        streams = IDLE // processes
        readers = [
            sides.enter_context(Side(time_deliveries, gateway.address, streams)) for _ in range(processes)
        ]
        for reader in readers:
            reader.answer()
        after = gateway.side.resident_bytes()
    facts = {"MB_before": before / _MB, "kB_each": (after - before) / IDLE / 1e3}
    return Row(PART, f"{IDLE:,} idle subscribers", "MB", after / _MB, facts=facts)


def _stuck(place: Place, size: float) -> Row:
    flow = flights.flow(1_000)
    with (
        gateway_server(place) as gateway,
        Side(count, gateway.address, flights.REJECT, flow.events, False) as healthy,  # noqa: FBT003
        Side(get_stuck, gateway.address) as stuck,
    ):
        healthy.answer()
        stuck.answer()
        before = gateway.side.resident_bytes()
        with Side(publish, gateway.address, flow, Amount(bytes=size), False) as publisher:  # noqa: FBT003
            held = []
            while not publisher.answers(0.05):
                held.append(gateway.side.resident_bytes())
            sent = publisher.answer()
        healthy.tell(sent.events)
        healthy.answer()
        held.append(gateway.side.resident_bytes())
    half = len(held) // 2
    first, second = max(held[: half + 1]), max(held[half:])
    return Row(
        PART,
        f"one stuck subscriber while {sent.bytes / 1e9:.2g} GB flow past",
        "MB",
        max(held) / _MB,
        target=f"flat: 2nd half at most {FLAT} of the 1st",
        met=second <= FLAT * first,
        facts={"MB_before": before / _MB, "1st_half": first / _MB, "2nd_half": second / _MB},
        samples={"MB": [size / _MB for size in held[:: max(1, len(held) // 50)]]},
    )
