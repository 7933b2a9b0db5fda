"""Whether a typed stream costs what the generic one does: both in turns, at one gateway, with one topic."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from tests.bench import flights, publisher, subscriber
from tests.bench.processes import Side
from tests.bench.publisher import Amount, publish
from tests.bench.report import Row
from tests.bench.servers import gateway_server
from tests.bench.subscriber import count
from tests.bench.throughput import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.servers import Place, Server

PART = "Typed streams: published and delivered, beside the generic ones"
AT_LEAST = 0.95
"""The share of the generic rate to be reached: what the same measurement differs by from run to run."""
_SERVICE = "/tidegate.typed.v1.bench.v1.DepartedService"
METHODS = {
    "generic": (publisher.METHOD, subscriber.METHOD),
    "typed": (f"{_SERVICE}/PublishDepartedStream", f"{_SERVICE}/SubscribeDeparted"),
}


def measure(place: Place, rounds: int, seconds: float) -> Iterator[Row]:
    """Measures batches of several sizes; an event a batch shows what a batch costs."""
    for events in (1, 100, 1_000):
        runs: dict[str, list[Run]] = {"generic": [], "typed": []}
        with gateway_server(place) as gateway:
            for number in range(rounds):
                for kind in sorted(METHODS, reverse=bool(number % 2)):
                    runs[kind].append(_run(gateway, events, seconds, *METHODS[kind]))
        yield _row(events, runs)


def _run(server: Server, events: int, seconds: float, publishing: str, subscribing: str) -> Run:
    flow = flights.flow(events)
    with Side(count, server.address, flights.REJECT, events, False, subscribing) as reader:  # noqa: FBT003
        reader.answer()
        before = server.side.cpu_seconds()
        with Side(publish, server.address, flow, Amount(seconds), False, publishing) as writer:  # noqa: FBT003
            sent = writer.answer()
        reader.tell(sent.events)
        rate = reader.answer().rate
        return Run(rate, (server.side.cpu_seconds() - before) * 1e6 / sent.events)


def _row(events: int, runs: dict[str, list[Run]]) -> Row:
    rates = {kind: [run.rate for run in found] for kind, found in runs.items()}
    generic, typed = (statistics.median(rates[kind]) for kind in ("generic", "typed"))
    processor = {kind: statistics.median(run.cpu for run in found) for kind, found in runs.items()}
    return Row(
        PART,
        "one event a batch" if events == 1 else f"batches of {events:,}",
        "events/s",
        typed,
        target=f"at least {AT_LEAST:g} of the generic stream",
        met=typed >= AT_LEAST * generic,
        facts={
            "generic": generic,
            "of_generic": typed / generic,
            "µs_of_processor_an_event": processor["typed"],
            "generic_µs": processor["generic"],
        },
        samples=rates,
    )
