"""Backtests: a schema that is not registered yet, tried on events that are stored.

The gateway only reads pages of the log and hands them over; they are checked in a process of its own, which
yields the processor to everybody else. It takes a page when it is through with another, so a gateway that is
busy backtests slowly, and holds two pages at most. Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from gateway.cutting import part
from gateway.errors import Draining, TopicNotFound
from gateway.history import find_history, require_range
from registry.checking.trial_process import try_schema
from registry.errors import InvalidRequest, LimitExceeded
from registry.names import shown

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from gateway.history import History, Wanted
    from gateway.log import EventLog, StoredBatch
    from gateway.topics import Topic, Topics
    from registry.checking.trial_process import TrialProcess
    from registry.checking.tried import Report
    from registry.compiling.compiler import Compiled

BACKTESTS_AT_ONCE = 2
"""How many backtests run at the same time; each takes up to ``trial_process.MEMORY_BYTES``."""
PAGE_BYTES = 256 * 1024
"""How much is read and handed over at once, besides a batch that is larger by itself."""
READING_SHARE = 0.04
"""The share of its time in which a gateway reads for a backtest while others publish."""
LONGEST_PAUSE = 1.0
"""Seconds between two pages at most."""
PROGRESS_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backtest is.

    Attributes:
        examined: Events looked at.
        total: Events that it will look at, as far as is known: retention may remove some before.
        position: The sequence that it has come to.
    """

    examined: int
    total: int
    position: int


class Backtester:
    """Runs backtests, a few at a time."""

    def __init__(self, log: EventLog, topics: Topics) -> None:
        self._log = log
        self._topics = topics
        self._running = 0
        self._draining = False

    def require(self, subject: str, wanted: Wanted) -> Topic:
        """Answers the topic that a backtest of a subject's schema reads, if it can be run at all.

        Raises:
            InvalidRequest: It contradicts itself, or the topic is of another subject.
            TopicNotFound: There is no such topic.
        """
        require_range(wanted)
        topic = self._topics.get(wanted.topic)
        if topic.subject != subject:
            raise InvalidRequest(
                "backtest.topic",
                f"topic {topic.name!r} is of subject {topic.subject!r}, not of {shown(subject)!r}",
            )
        return topic

    async def run(
        self, subject: str, compiled: Compiled, wanted: Wanted
    ) -> AsyncGenerator[Progress | Report, None]:
        """Tries a schema: answers progress about once a second, and last the report.

        Closing it ends the backtest and its process.

        Raises:
            InvalidRequest: As ``require``; or the range lies in the future.
            TopicNotFound: As ``require``; or the topic was deleted meanwhile.
            InvalidSchema: The schema takes too much time or memory.
            LimitExceeded: Too many backtests run.
            StorageFailed, Draining: As of the log.
        """
        topic = self.require(subject, wanted)
        if self._running == BACKTESTS_AT_ONCE:
            what = "the number of backtests at once (try again when one of them has ended)"
            raise LimitExceeded("backtests_at_once", BACKTESTS_AT_ONCE, self._running + 1, what)
        self._running += 1
        try:
            history = await find_history(self._log, topic, wanted)
            async with try_schema(compiled) as trial:
                backtest = _Backtest(self._log, self._topics, topic, history, trial)
                async with aclosing(self._follow(backtest)) as parts:
                    async for each in parts:
                        yield each
        finally:
            self._running -= 1

    def drain(self) -> None:
        """Ends all backtests, those that run and those that come."""
        self._draining = True

    async def _follow(self, backtest: _Backtest) -> AsyncGenerator[Progress | Report, None]:
        running = asyncio.ensure_future(backtest.run())
        try:
            while not (await asyncio.wait((running,), timeout=PROGRESS_SECONDS))[0]:
                if self._draining:
                    raise Draining
                yield await backtest.progress()
            yield running.result()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


class _Page(NamedTuple):
    """What was handed over at once: so many runs of events, which lie up to ``through``."""

    runs: int
    events: int
    through: int


class _Pace:
    """Leaves the gateway to those who publish: while they do, reading takes a small share of its time."""

    def __init__(self) -> None:
        self._head: int | None = None
        self._pause = 0.0
        self._started = 0.0

    async def wait(self) -> None:
        """Waits until the next page may be read."""
        await asyncio.sleep(self._pause)
        self._started = time.perf_counter()

    def note(self, head: int) -> None:
        """Notes that the page was read, and where the head of the log was then."""
        took = time.perf_counter() - self._started
        is_quiet = self._head is None or head == self._head
        self._pause = 0.0 if is_quiet else min(LONGEST_PAUSE, took / READING_SHARE - took)
        self._head = head


class _Backtest:
    """One backtest under way."""

    def __init__(
        self, log: EventLog, topics: Topics, topic: Topic, history: History, trial: TrialProcess
    ) -> None:
        self._log = log
        self._topics = topics
        self._topic = topic
        self._history = history
        self._trial = trial
        self._handed_over: deque[_Page] = deque()
        self._examined = 0
        self._position = history.start
        self._first = self._last = 0

    async def run(self) -> Report:
        """Hands all pages over, each while the one before it is checked, and answers the report."""
        async for batches, through in self._read():
            self._handed_over.append(await self._hand_over(batches, through))
            if len(self._handed_over) > 1:
                await self._settle()
        while self._handed_over:
            await self._settle()
        report = await self._trial.report()
        return replace(report, first_sequence=self._first, last_sequence=self._last)

    async def progress(self) -> Progress:
        """Answers how far it is."""
        examined, position = self._examined, self._position
        left = await self._log.count(self._history.selection, position, self._history.end)
        return Progress(examined, examined + left, position)

    async def _read(self) -> AsyncGenerator[tuple[list[StoredBatch], int], None]:
        selection, position, end = self._history
        pace = _Pace()
        while position < end:
            await pace.wait()
            page = await self._log.read(selection, position, max_bytes=PAGE_BYTES, deadline=0.0)
            pace.note(page.head)
            self._require_topic()
            batches = [
                part(batch, position + 1, end) for batch in page.batches if batch.first_sequence <= end
            ]
            position = min(page.through, end)
            yield batches, position

    def _require_topic(self) -> None:
        """Refuses to go on with a topic that was deleted, and perhaps made anew: its events are gone."""
        if self._topics.get(self._topic.name).create_time != self._topic.create_time:
            raise TopicNotFound(self._topic.name)

    async def _hand_over(self, batches: list[StoredBatch], through: int) -> _Page:
        runs: dict[str, list[StoredBatch]] = {}
        for batch in batches:
            runs.setdefault(batch.type, []).append(batch)
        for type_name, run in runs.items():
            count = sum([batch.count for batch in run])
            await self._trial.put(type_name, count, b"".join([batch.entry for batch in run]))
        if batches:
            self._first = self._first or batches[0].first_sequence
            self._last = batches[-1].last_sequence
        return _Page(len(runs), sum([batch.count for batch in batches]), through)

    async def _settle(self) -> None:
        """Waits until the first page that was handed over is through."""
        page = self._handed_over.popleft()
        for _ in range(page.runs):
            await self._trial.done()
        self._examined += page.events
        self._position = page.through
