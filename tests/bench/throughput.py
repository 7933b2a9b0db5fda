"""How many events a second get through, from a publisher to its subscribers."""

from __future__ import annotations

import contextlib
import statistics
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.bench import flights
from tests.bench.processes import Side
from tests.bench.publisher import Amount, publish
from tests.bench.report import Row
from tests.bench.servers import bare_server, gateway_server
from tests.bench.subscriber import count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.servers import Place, Server

PART = "Throughput: checked, on disk, delivered"


@dataclass(frozen=True, slots=True)
class Case:
    """One way to publish and subscribe.

    Attributes:
        name: For the report.
        events: Events a batch.
        topic: Decides what is checked.
        subscribers: Each in its own process.
        request_ids: Whether each request carries a request_id.
        at_least: The share of bare to be reached, 0 if there is no target.
    """

    name: str
    events: int
    topic: str = flights.REJECT
    subscribers: int = 1
    request_ids: bool = False
    at_least: float = 0.0


CASES = (
    Case("one event a message", 1, at_least=1.0),
    Case("batches of 10", 10),
    Case("batches of 100", 100),
    Case("batches of 1,000", 1_000, at_least=0.35),
    Case("batches of 10,000", 10_000),
    Case("1,000, unknown fields allowed", 1_000, topic=flights.ALLOW, at_least=0.45),
    Case("1,000, seven rules", 1_000, topic=flights.RULES),
    Case("1,000, request_ids", 1_000, request_ids=True),
    Case("1,000, four subscribers", 1_000, subscribers=4),
)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run reached.

    Attributes:
        rate: Events a second, over all subscribers.
        cpu: Microseconds of the server's processor time for each published event.
    """

    rate: float
    cpu: float


def measure(place: Place, rounds: int, seconds: float, cases: tuple[Case, ...] = CASES) -> Iterator[Row]:
    """Measures each case, bare and Tidegate in turns, and answers its row when it is done."""
    for case in cases:
        bare: list[Run] = []
        tidegate: list[Run] = []
        with bare_server(place) as relay, gateway_server(place) as gateway:
            for _ in range(rounds):
                bare.append(run(relay, case, seconds))
                tidegate.append(run(gateway, case, seconds))
        yield _row(case, bare, tidegate)


def _row(case: Case, bare: list[Run], tidegate: list[Run]) -> Row:
    rates = {"bare": [run.rate for run in bare], "tidegate": [run.rate for run in tidegate]}
    row = Row(
        PART,
        case.name,
        "events/s",
        statistics.median(rates["tidegate"]),
        statistics.median(rates["bare"]),
        facts={
            "µs_of_processor_an_event": statistics.median(run.cpu for run in tidegate),
            "bare": statistics.median(run.cpu for run in bare),
        },
        samples=rates,
    )
    if not case.at_least:
        return row
    return replace(row, target=f"at least {case.at_least:g} of bare", met=(row.ratio or 0) >= case.at_least)


def run(server: Server, case: Case, seconds: float) -> Run:
    """Publishes for so many seconds to new subscribers, and counts what they get."""
    flow = flights.flow(case.events, topic=case.topic, bare=server.bare)
    ids = case.request_ids and not server.bare
    with contextlib.ExitStack() as sides:
        readers = [
            sides.enter_context(Side(count, server.address, case.topic, case.events, False))  # noqa: FBT003
            for _ in range(case.subscribers)
        ]
        for reader in readers:
            reader.answer()
        before = server.side.cpu_seconds()
        sent = sides.enter_context(Side(publish, server.address, flow, Amount(seconds), ids)).answer()
        for reader in readers:
            reader.tell(sent.events)
        counted = [reader.answer() for reader in readers]
        cpu = (server.side.cpu_seconds() - before) * 1e6 / sent.events
    return Run(sum(each.rate for each in counted), cpu)
