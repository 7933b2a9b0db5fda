"""The main job of Tidegate on real flights; README.md beside this file says what there is to see.

Usage: ``python demo.py``, or ``python demo.py --full`` for a whole year. Ends with 1 if a count differs from
the file. Its processes and files are gone when it ends, however it ends.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dataset import PACKAGE, WEEK, read_week, read_year
from processes import DemoError, running_gateway
from screen import Screen
from story import Story
from tidegate import AsyncClient
from tidegate.errors import TidegateError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dataset import Flight

WATCHABLE = 1_500
"""Flights a second on a terminal: fast enough for a week's, and slow enough to see them counted."""
INTERRUPTED = 130


async def show(screen: Screen, flights: Sequence[Flight], pace: int | None) -> bool:
    """Tells the story with a gateway of its own; answers whether every count is right."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    for ending in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(ending, task.cancel if task else sys.exit)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-demo-")))
        address = await stack.enter_async_context(running_gateway(folder))
        screen.say("gateway ready", f"on {address}, its log in {folder}")
        client = await stack.enter_async_context(AsyncClient(address))
        story = Story(screen, client, flights, pace=pace, folder=folder, processes=stack)
        return await story.tell()


def main() -> int:
    """Runs the demo; answers the exit code."""
    is_full = sys.argv[1:] == ["--full"]
    if sys.argv[1:] and not is_full:
        print(f"usage: {sys.argv[0]} [--full]", file=sys.stderr)
        return 2
    screen, started = Screen(), time.monotonic()
    flights = read_year() if is_full else read_week()
    screen.say("flights from New York", f"{len(flights):,} of 2013, in {PACKAGE if is_full else WEEK.name}")
    pace = WATCHABLE if sys.stdout.isatty() and not is_full else None
    with suppress(KeyboardInterrupt, asyncio.CancelledError):
        try:
            is_equal = asyncio.run(show(screen, flights, pace))
        except (DemoError, TidegateError) as error:
            print(f"The demo failed: {error}", file=sys.stderr)
            return 1
        verdict = "every count equals the file's" if is_equal else "A COUNT DIFFERS FROM THE FILE'S"
        screen.say("done", f"{verdict}; {time.monotonic() - started:.0f} s")
        return 0 if is_equal else 1
    return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
