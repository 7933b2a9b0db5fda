"""The chapter about groups: two workers share the flights; one is killed, and the other goes on with all."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from events import key_of
from processes import REACH_SECONDS, START_SECONDS, DemoError, running
from tidegate import EARLIEST, GroupSettings
from worker import MOST_HOURS

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import AsyncIterator, Callable, Sequence

    from dataset import Flight
    from screen import Screen
    from tidegate import AsyncClient
    from tidegate.v1.dead_letter_pb2 import DeadLetter
    from tidegate.v1.group_pb2 import GroupStats

GROUP = "vouchers"
# What a worker has when it is killed counts as tried once, and the last attempt is then made alone: one event
# after the other. So a worker may have no more than are soon through.
SETTINGS = GroupSettings(ordering="BY_KEY", max_in_flight_per_member=100, max_attempts=2, min_backoff=0.05)
LOOK_INTERVAL = 0.02


class Dealt(NamedTuple):
    """What a worker says of an event that it dealt with."""

    attempt: int
    key: str


class Worker:
    """A worker in a process of its own, as the demo sees it.

    Attributes:
        dealt: What it dealt with, by sequence.
        killed: Whether it was killed.
        lines: How many lines it wrote; more than ``dealt`` has if it dealt with an event twice.
    """

    def __init__(self, name: str, changed: Callable[[Worker], None]) -> None:
        self.name = name
        self.dealt: dict[int, Dealt] = {}
        self.killed = False
        self.lines = 0
        self._changed = changed
        self._process: Process | None = None

    @property
    def failed(self) -> bool:
        """Whether it ended, and was not killed."""
        return self._process is not None and self._process.returncode is not None and not self.killed

    @asynccontextmanager
    async def running(self, server: str) -> AsyncIterator[Worker]:
        """Runs it for as long as the context lasts; then all is known that it said."""
        command = (sys.executable, str(Path(__file__).with_name("worker.py")), server, GROUP, self.name)
        async with running(*command) as self._process:
            listener = asyncio.create_task(self._listen(self._process))
            yield self
        await listener

    def kill(self) -> None:
        """Ends it in the middle of whatever it does."""
        if self._process is not None and not self.killed:
            self.killed = True
            self._process.kill()

    async def _listen(self, process: Process) -> None:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        async for line in process.stdout:
            sequence, attempt, key = line.decode().split()
            self.dealt[int(sequence)] = Dealt(int(attempt), key)
            self.lines += 1
            self._changed(self)


class Sharing:
    """Tells the chapter.

    Args:
        topic: Where the flights are.
        flights: All that were published there.
    """

    def __init__(self, screen: Screen, client: AsyncClient, topic: str, flights: Sequence[Flight]) -> None:
        self._screen = screen
        self._client = client
        self._topic = topic
        self._flights = flights
        workers = (Worker(name, self._count) for name in ("worker 1", "worker 2"))
        self._killed, self._other = workers

    async def tell(self) -> bool:
        """Answers whether each flight was dealt with, and no oftener than it may be, or is a dead letter.

        Raises:
            DemoError: A worker ended by itself, or the work has no end.
        """
        await self._client.create_group(GROUP, self._topic, settings=SETTINGS)
        limits = f"{SETTINGS.max_attempts} attempts, {SETTINGS.max_in_flight_per_member} events a worker"
        self._screen.say("group created", f"{GROUP}, of {self._topic}: in order by key, {limits}")
        total = len(self._flights)
        with self._screen.counting({self._killed.name: total, self._other.name: total}):
            async with self._other.running(self._client.server):
                await self._work_together()
                await self._wait(lambda stats: not stats.lag_events, REACH_SECONDS)
        return await self._compare()

    async def _work_together(self) -> None:
        """Has both share the flights until half of them are dealt with, and one is killed."""
        async with self._killed.running(self._client.server):
            await self._wait(lambda stats: len(stats.members) == 2, START_SECONDS)
            # Not sooner: whoever is there first would be far before the other one is.
            await self._client.seek_group(GROUP, EARLIEST)
            self._screen.say("two workers joined", "and the group was sent to the earliest event")
            await self._wait(lambda _: self._killed.killed, REACH_SECONDS)

    async def _wait(self, holds: Callable[[GroupStats], bool], seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not holds(await self._stats()):
                    for worker in (self._killed, self._other):
                        if worker.failed:
                            raise DemoError(f"{worker.name} ended after {len(worker.dealt):,} flights")
                    await asyncio.sleep(LOOK_INTERVAL)
        except TimeoutError:
            raise DemoError(f"the group {GROUP} is not where it should be after {seconds} s") from None

    async def _stats(self) -> GroupStats:
        return (await self._client.get_group(GROUP)).stats

    def _count(self, worker: Worker) -> None:
        self._screen.count(worker.name, len(worker.dealt))
        count = len(self._killed.dealt) + len(self._other.dealt)
        if worker is self._killed and not worker.killed and count >= len(self._flights) // 2:
            worker.kill()
            self._screen.say(f"{worker.name} killed", f"by SIGKILL, after {count:,} flights of both")

    async def _compare(self) -> bool:
        """Shows what became of the flights, and compares it with the file."""
        first, second = self._killed.dealt, self._other.dealt
        twice, dealt = first.keys() & second.keys(), first | second
        why = f"{self._killed.name} was killed before it acknowledged them"
        self._screen.say("dealt with twice", f"{len(twice)}: {why}")
        letters = [letter async for letter in self._client.list_dead_letters(GROUP)]
        self._show_first(letters)
        unsettled = (await self._stats()).lag_events
        self._screen.say(
            "in the group",
            f"{len(dealt):,} flights dealt with, {len(letters)} given up, {unsettled} unsettled; "
            f"in the file {len(self._flights):,} flights",
        )
        dead = Counter(letter.batch.events[0].key for letter in letters)
        too_late = (flight for flight in self._flights if (flight.delay or 0) > MOST_HOURS * 60)
        return (
            Counter(key for _, key in dealt.values()) + dead == Counter(map(key_of, self._flights))
            and dead == Counter(map(key_of, too_late))
            and not unsettled
            # A second attempt is made at what the group was told nothing of; and once is enough for that.
            and all(second[sequence].attempt == 2 for sequence in twice)
            and self._killed.lines + self._other.lines == len(first) + len(second)
        )

    def _show_first(self, letters: Sequence[DeadLetter]) -> None:
        for letter in letters[:1]:
            name = "dead letter" if len(letters) == 1 else f"dead letter 1 of {len(letters)}"
            key, reason = letter.batch.events[0].key, letter.reason.rpartition("\n")[2]
            self._screen.say(name, f"{key}, {letter.attempt_count} attempts, {reason}")
