"""Decides what the passengers of each flight get: a worker of a group, which may have many like it.

Usage: ``python worker.py HOST:PORT GROUP NAME``. Each event that it dealt with is a line on stdout: its
sequence, the attempt, and its key.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING

from tidegate import AsyncClient

if TYPE_CHECKING:
    from tidegate import Delivery

MOST_HOURS = 12
SECONDS = 0.001


async def decide(event: Delivery) -> None:
    """Deals with one event; raises what the group is told, and keeps with the event."""
    departed = event.type == "flights.v1.Departed"
    if departed and event.message.delay_minutes > MOST_HOURS * 60:
        hours = event.message.delay_minutes // 60
        raise LookupError(f"no rule says what passengers get for {hours} hours of delay")
    await asyncio.sleep(SECONDS)  # here a database would be asked, or another service
    sys.stdout.write(f"{event.sequence} {event.attempt} {event.key}\n")  # the effect: all of a line, or none
    sys.stdout.flush()


async def main() -> None:
    """Works until the process is ended; SIGTERM lets it finish what it has begun."""
    server, group, name = sys.argv[1:]
    logging.getLogger("tidegate").setLevel(logging.ERROR)  # why a handler failed, the group will tell
    async with AsyncClient(server) as client:
        await client.worker(group, decide, client_name=name).run()


if __name__ == "__main__":
    asyncio.run(main())
