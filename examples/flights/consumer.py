"""Counts flights with the client library: each event is decoded with the schema version that it names.

Usage: ``python consumer.py HOST:PORT TOPIC earliest``, or a time such as ``2013-01-04T12:00:00Z`` instead.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from typing import TYPE_CHECKING

from tally import Report, Tally
from tidegate import EARLIEST, AsyncClient

if TYPE_CHECKING:
    from tidegate import AsyncSubscription

REPORT_INTERVAL = 0.1


class Counter:
    """Counts what a subscription yields."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.sequence = 0

    async def count(self, subscription: AsyncSubscription) -> None:
        """Counts flights for as long as they come."""
        async for event in subscription:
            departed = event.type == "flights.v1.Departed"
            delay = event.message.delay_minutes if departed else None
            self.tally.add(event.message.carrier, delay, event.schema_version)
            self.sequence = event.sequence

    async def report(self) -> None:
        """Says on stdout how far the counting is, whenever there is news."""
        reported = 0
        while True:
            await asyncio.sleep(REPORT_INTERVAL)
            if self.sequence != reported:
                print(Report(self.sequence, self.tally).to_line(), flush=True)
                reported = self.sequence


async def main() -> None:
    """Counts until the process is ended."""
    server, topic, start = sys.argv[1:]
    counter = Counter()
    async with AsyncClient(server) as client, asyncio.TaskGroup() as tasks:
        position = EARLIEST if start == "earliest" else datetime.fromisoformat(start)
        tasks.create_task(counter.count(client.subscribe(topic, start=position)))
        tasks.create_task(counter.report())


if __name__ == "__main__":
    asyncio.run(main())
