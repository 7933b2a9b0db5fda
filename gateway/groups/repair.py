"""What operators do to a group: move it, give dead letters back to it, purge them, let keys go on.

One at a time for each group, since they read dead letters and then decide; and each is on disk before it
answers. Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.errors import DeadLetterNotFound, Draining, GroupNotFound
from gateway.groups.dead_letters import READ_AT_ONCE
from gateway.groups.positions import find_position
from gateway.selection import EVERYTHING
from gateway.topic_choice import select

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from gateway.groups.dead_letters import Choice, DeadLetters, LetterReader, Stretch
    from gateway.groups.groups import Groups, Running
    from gateway.groups.positions import Start
    from gateway.groups.store import GroupStore
    from gateway.groups.values import Seeked
    from gateway.log import EventLog

MOST_REDRIVEN: Final = 10_000
"""With how many redriven events that are not settled a group gets no more of them: they stay dead letters
until members have settled some."""
LOOK_SECONDS: Final = 0.05
"""How often to look whether a group has room for more."""
TELL_SECONDS: Final = 1.0
"""How often a redrive says how far it is."""
_PACE_SECONDS: Final = 0.2


class Moved(NamedTuple):
    """What a move to another position means, with the dead letters that are dropped."""

    seeked: Seeked
    dropped: int


class Redriven(NamedTuple):
    """How far a redrive is: how many of how many."""

    done: int
    total: int


class Repair:
    """Changes groups and their dead letters."""

    def __init__(self, groups: Groups, store: GroupStore, letters: DeadLetters, log: EventLog) -> None:
        self._groups = groups
        self._store = store
        self._letters = letters
        self._log = log
        self._draining = False

    def drain(self) -> None:
        """Ends what takes long, with ``Draining``."""
        self._draining = True

    async def seek(self, name: str, start: Start, *, dry_run: bool) -> Moved:
        """Moves a group to another position, or only tells what that would mean.

        Raises:
            InvalidRequest, GroupNotFound, SequenceOutOfRange, StorageFailed, StorageFull, StorageReadOnly.
        """
        async with self._changing(name) as group:
            definition = group.definition
            selection = select(definition.topics, definition.types)
            position = await find_position(self._log, selection, start)
            dropped = await self._store.count_letters(name, position)
            return Moved(await group.runtime.seek(position, dry_run=dry_run), dropped)

    async def release_key(self, name: str, key: str) -> int:
        """Lets a parked key go on; answers the event that is tried again, 0 if there is none.

        Raises:
            GroupNotFound, KeyNotParked, StorageFailed, StorageFull, StorageReadOnly.
        """
        async with self._changing(name) as group:
            sequence = group.runtime.state.parked_behind(key) or 0
            letters = await self._store.find_letters(name, (sequence,)) if sequence else []
            return await group.runtime.release_key(key, letters[0] if letters else None)

    async def skip(self, name: str, sequence: int) -> str:
        """Gives an event up; answers the key that goes on behind it.

        Raises:
            GroupNotFound, EventNotHeld, StorageFailed, StorageFull, StorageReadOnly.
        """
        async with self._changing(name) as group:
            return await group.runtime.skip(sequence)

    async def purge(self, name: str, choice: Choice, *, dry_run: bool) -> int:
        """Removes dead letters for good; answers how many, or how many it would be.

        Raises:
            GroupNotFound, DeadLetterNotFound, InvalidFilter, StorageFailed, StorageFull, StorageReadOnly.
        """
        reader, last = await self._begin(name, choice)
        if dry_run:
            return await reader.count(last)
        purged, after, more = 0, 0, True
        while more:
            async with self._changing(name):
                stretch = await _below(reader, after, last)
                sequences = [letter.dead.sequence for letter in stretch.letters]
                purged += await self._store.remove_letters(name, sequences) if sequences else 0
            after, more = stretch.through, stretch.looked > 0
        return purged

    async def redrive(
        self, name: str, choice: Choice, rate: float, *, dry_run: bool
    ) -> AsyncGenerator[Redriven, None]:
        """Gives dead letters to their group again; tells how far it is, first, once a second, and last.

        Each is given once, also if it fails again meanwhile: they go by rising sequences.

        Args:
            name: The group.
            choice: Which ones.
            rate: How many a second at most; 0 means as fast as the group takes them.
            dry_run: Only tell how many there are.

        Raises:
            GroupNotFound, DeadLetterNotFound, InvalidFilter, StorageFailed, StorageFull, StorageReadOnly,
            Draining.
        """
        reader, last = await self._begin(name, choice)
        total = await reader.count(last)
        yield Redriven(0, total)
        if dry_run:
            return
        pace = _Pace(rate)
        done, after, more = 0, 0, True
        while more:
            if self._draining:
                raise Draining
            if await pace.wait(done, lambda: self._has_room(name)):
                stretch = await self._redrive_some(name, reader, after, last, pace.share)
                after, more = stretch.through, stretch.looked > 0
                done += len(stretch.letters)
            if not more or pace.is_time_to_tell():
                yield Redriven(done, max(total, done))

    async def _redrive_some(
        self, name: str, reader: LetterReader, after: int, last: int, limit: int
    ) -> Stretch:
        async with self._changing(name) as group:
            stretch = await _below(reader, after, last, limit)
            if stretch.letters:
                await group.runtime.redrive(stretch.letters)
        return stretch

    def _has_room(self, name: str) -> bool:
        return self._groups.get(name).runtime.redriven_count < MOST_REDRIVEN

    async def _begin(self, name: str, choice: Choice) -> tuple[LetterReader, int]:
        """Answers a reader of a choice of letters, and the last sequence that is meant: the head's."""
        reader = await self._letters.reader(name, choice)
        async with self._changing(name):
            await self._require_named(name, choice)
        return reader, (await self._log.bounds(EVERYTHING)).head

    async def _require_named(self, name: str, choice: Choice) -> None:
        sequences = sorted(choice.sequences or ())
        for begin in range(0, len(sequences), READ_AT_ONCE):
            asked = sequences[begin : begin + READ_AT_ONCE]
            found = {letter.dead.sequence for letter in await self._store.find_letters(name, asked)}
            for sequence in asked:
                if sequence not in found:
                    raise DeadLetterNotFound(name, sequence)

    @asynccontextmanager
    async def _changing(self, name: str) -> AsyncIterator[Running]:
        """Holds a group for a change; what changed before is on disk then."""
        group = self._groups.get(name)
        async with group.changing:
            if self._groups.get(name) is not group:
                raise GroupNotFound(name)
            await self._groups.flush.now()
            yield group


class _Pace:
    """How fast a redrive goes."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._loop = asyncio.get_running_loop()
        self._start = self._told = self._loop.time()
        self.share = max(1, min(READ_AT_ONCE, int(rate * _PACE_SECONDS))) if rate else READ_AT_ONCE
        """How many to take at once."""

    async def wait(self, done: int, has_room: Callable[[], bool]) -> bool:
        """Waits until the next ones may go, for as long as nothing is to be told; tells if they may."""
        due = self._start + done / self._rate if self._rate else self._start
        tell = self._told + TELL_SECONDS
        if due > self._loop.time():
            await asyncio.sleep(min(due, tell) - self._loop.time())
        while not (room := has_room()) and self._loop.time() < tell:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(LOOK_SECONDS)
        return room and due <= self._loop.time()

    def is_time_to_tell(self) -> bool:
        """Tells whether a second has gone by since it last was."""
        if self._loop.time() < self._told + TELL_SECONDS:
            return False
        self._told = self._loop.time()
        return True


async def _below(reader: LetterReader, after: int, last: int, limit: int = READ_AT_ONCE) -> Stretch:
    """Reads a stretch that ends at ``last``."""
    stretch = await reader.read(after, limit=limit)
    if stretch.through <= last:
        return stretch
    letters = [letter for letter in stretch.letters if letter.dead.sequence <= last]
    return stretch._replace(letters=letters, looked=0)
