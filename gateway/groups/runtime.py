"""One group at work: serves its members, lets time pass for it, and has its progress written down.

The thin shell around ``state``, which decides everything. Imports nothing of gRPC or of the stubs.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway.errors import EventNotHeld, GroupNotFound, KeyNotParked
from gateway.frames import Gap, Subscribing, WarningFrame, WarningKind
from gateway.gaps import Gaps
from gateway.groups.feeder import Feeder
from gateway.groups.member_stream import MemberStream
from gateway.groups.payloads import Payloads
from gateway.groups.report import Report
from gateway.groups.state import GroupState
from gateway.groups.store import Write
from gateway.groups.values import DeadLetter, Seeked
from gateway.log import Bounds
from gateway.selection import EVERYTHING
from gateway.topic_choice import select
from registry.errors import LimitExceeded, StorageFailed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence

    from gateway.frames import Frame
    from gateway.groups.payloads import Budget, Portion
    from gateway.groups.redriven import Redriven
    from gateway.groups.sieving import GroupSieve
    from gateway.groups.values import Changes, Dead, Definition, Progress, Settled, Settlement, Span
    from gateway.log import EventLog
    from gateway.reader_guard import ReaderGuard
    from gateway.selection import Selection
    from gateway.sieves import Failures, Sieve

SEQUENCES_NAMED: Final = 200_000
"""How many sequences one acknowledgement may name, those of spans counted one by one."""
WATCH_SECONDS: Final = 5.0
"""How long it takes at most until a member is noticed that has not taken what waits for a lease's time."""


class GroupRuntime:
    """One group at work. Used from one event loop.

    Attributes:
        definition: What it is.
        state: What it does.
        payloads: The bytes of its events.
        report: Tells how it stands.
    """

    def __init__(
        self,
        definition: Definition,
        progress: Progress,
        *,
        log: EventLog,
        budget: Budget,
        sieve: GroupSieve,
        redriven: Redriven,
        removed: Bounds | None,
        dirty: Callable[[GroupRuntime], None],
        flush: Callable[[], Awaitable[None]],
    ) -> None:
        """Goes on where ``progress`` says.

        Args:
            definition: What it is.
            progress: How far it is.
            log: What it reads.
            budget: How much of that all groups may keep.
            sieve: Which events it delivers.
            redriven: Its redriven events that are not settled.
            removed: What was stored when it was made, if that was just now.
            dirty: Called when there is something to write down: ``collect`` then answers it.
            flush: Writes down what is dirty, and answers when that is durable.
        """
        self.definition = definition
        self.state = GroupState(definition.settings, progress)
        self.payloads = Payloads(log, budget, lambda: self.state.settled_through)
        self._log = log
        self._redriven = redriven
        self._dirty = dirty
        self._flush = flush
        self._streams: dict[str, MemberStream] = {}
        self._was_settled = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._watch: asyncio.TimerHandle | None = None
        self._changes: Changes | None = None
        self._done: Sequence[int] = ()
        self._feeder = Feeder(
            log,
            self.state,
            self.payloads,
            _selection_of(definition),
            sieve,
            removed=removed,
            stirred=self.stir,
            lost=self._tell_lost,
            failed=self._tell_failed,
        )
        self._feeding: asyncio.Task[None] | None = None
        self._gaps = Gaps(Subscribing((), from_sequence=1), Bounds(0, 0, {}))
        self._told_lost = 0
        self._clock = time.time() - time.monotonic()
        self.report = Report(log, self.state, self._feeder, self.now)
        self._closing = False
        self._deleted = False

    # Members.

    @property
    def selection(self) -> Selection:
        """What it reads of the log."""
        return self._feeder.selection

    @property
    def redriven_count(self) -> int:
        """How many redriven events are not settled."""
        return len(self._redriven)

    @property
    def member_count(self) -> int:
        """How many members read now."""
        return len(self._streams)

    async def frames(
        self,
        wanted: Subscribing,
        guard: ReaderGuard | None = None,
        projection: Sieve | None = None,
    ) -> AsyncGenerator[Frame, None]:
        """Answers the frames of a new member, until it is closed, or the group is, or the gateway drains.

        Args:
            wanted: What the member asks for.
            guard: Knows which events it can read.
            projection: In which form it gets them.

        Raises:
            GroupNotFound: The group was deleted meanwhile.
            StorageFailed: The log can't be read.
        """
        if self._deleted:
            raise GroupNotFound(self.definition.name)
        stream = MemberStream(self, uuid.uuid4().hex, wanted, guard, projection)
        self._streams[stream.id] = stream
        self.state.join(stream.id, wanted.client_name, wanted.max_in_flight, self.now())
        if self._feeding is None:
            self._feeding = asyncio.create_task(self._feeder.run())
        if self._closing:
            stream.drain()
        self.stir()
        if self._watch is None:
            self._watch_members()
        counts = True
        try:
            async for frame in stream.frames():
                yield frame
        except StorageFailed:  # which says nothing of the member's events
            counts = False
            raise
        finally:
            self._leave(stream, counts=counts)

    def _leave(self, stream: MemberStream, *, counts: bool) -> None:
        del self._streams[stream.id]
        if not self._streams:
            self.payloads.clear()
        if not self._closing:  # otherwise nobody could take its events, and its last words count
            self.state.leave(stream.id, self.now(), counts=counts)
            self.stir()

    def settle(self, member_id: str, settlements: Sequence[Settlement], *, leaving: bool = False) -> Settled:
        """Takes what a member says of events; takes effect at once, and is written down within 100 ms.

        One that is ``leaving`` is given no further events: what it gives back goes to others.

        Raises:
            LimitExceeded: It names too many sequences.
        """
        named = sum(last - first + 1 for settlement in settlements for first, last in settlement.spans)
        if named > SEQUENCES_NAMED:
            what = "the number of sequences named, those of ranges counted one by one,"
            raise LimitExceeded("sequences_named", SEQUENCES_NAMED, named, what, "settlements")
        if leaving:
            self.state.retire(member_id)
        settled = self.state.settle(member_id, settlements, self.now())
        self.stir()
        return settled

    # Operators.

    async def update(self, definition: Definition, sieve: GroupSieve) -> None:
        """Goes on as a new definition says, which is stored already."""
        self.definition = definition
        self.state.settings = definition.settings
        self._feeder.follow(_selection_of(definition), sieve)
        self.state.awake.update(self.state.member_ids)
        self.stir()

    async def seek(self, position: int, *, dry_run: bool) -> Seeked:
        """Goes on behind another position, or only tells what that would mean; durable when it answers.

        Raises:
            StorageFailed: The log can't be read.
        """
        state, here = self.state, self.state.position
        low, high = min(position, here), max(position, here)
        between = await self._log.count(self.selection, low, high)
        open_before = state.unsettled_through(position)
        open_all = state.unsettled_through(here)
        forwards = position >= here
        repeated = 0 if forwards else max(0, between - (open_all - open_before))
        skipped = open_all + between if forwards else open_before
        if not dry_run:
            self.state.seek(position)
            self._feeder.interrupt()
            for stream in self._streams.values():
                stream.tell(_moved(position))
            self.stir()
            await self._flush()
        return Seeked(position, repeated, skipped)

    async def release_key(self, key: str, letter: DeadLetter | None) -> int:
        """Lets a parked key go on, its dead letter first; answers that one's sequence, 0 if there is none.

        Durable when it answers.

        Raises:
            KeyNotParked: The key is not parked.
        """
        sequence = self.state.parked_behind(key)
        if sequence is None:
            raise KeyNotParked(self.definition.name, key)
        if letter is not None and letter.dead.sequence == sequence:
            self._redriven.add(sequence)
            self.state.redrive(sequence, key)
        else:
            self.state.release(key)
        self.stir()
        await self._flush()
        return sequence if letter is not None else 0

    async def skip(self, sequence: int) -> str:
        """Gives an event up; answers its key, which goes on behind it. Durable when it answers.

        Raises:
            EventNotHeld: It is neither what a key is parked behind nor a failed event that is not settled.
        """
        key = self.state.skip(sequence, self.now())
        if key is None:
            raise EventNotHeld(self.definition.name, sequence)
        self.stir()
        await self._flush()
        return key

    async def redrive(self, letters: Iterable[DeadLetter]) -> None:
        """Delivers dead letters of this group again; they are none any more. Durable when it answers."""
        for letter in letters:
            self._redriven.add(letter.dead.sequence)
            self.state.redrive(letter.dead.sequence, letter.dead.key)
        self.stir()
        await self._flush()

    # Ending.

    def drain(self) -> None:
        """Ends the streams of all members, which are told to come back, and of those that come."""
        self._closing = True
        for stream in self._streams.values():
            stream.drain()

    async def close(self, *, deleted: bool = False) -> None:
        """Ends all streams, with GroupNotFound if the group was deleted; reads no more."""
        self._closing, self._deleted = True, deleted
        for stream in self._streams.values():
            stream.end_deleted() if deleted else stream.drain()
        for timer in (self._timer, self._watch):
            if timer is not None:
                timer.cancel()
        if self._feeding is not None:
            await self._feeder.close(self._feeding)

    # Writing down.

    async def collect(self) -> Write | None:
        """Answers what is to be written down since it was last asked, None if that is nothing.

        Raises:
            StorageFailed: The log can't be read, where the events are that were given up; ask again.
        """
        if self._changes is None:
            if not self.state.is_dirty:
                return None
            self._changes, self._done = self.state.changes(), self._redriven.done(self.state.holds)
        changes, done = self._changes, self._done
        letters = [letter for dead in changes.dead if (letter := await self._letter(dead))]
        self._changes = None
        self._redriven.forget(done)
        return Write(self.definition.name, self.definition.create_time.isoformat(), changes, letters, done)

    async def _letter(self, dead: Dead) -> DeadLetter | None:
        """Answers an event that was given up, None if retention has removed it by now."""
        async with aclosing(self.portions(((dead.sequence, dead.sequence),), EVERYTHING)) as portions:
            async for excerpts, _ in portions:
                for excerpt in excerpts:
                    batch = excerpt.batch
                    entry = self.payloads.entry(excerpt)
                    return DeadLetter(dead, batch.topic, batch.type, batch.schema_version, entry)
        self.state.note_lost(dead.sequence)
        return None

    # What its streams need.

    def now(self) -> float:
        """Answers the time in seconds since the epoch, which never falls."""
        return self._clock + time.monotonic()

    @property
    def is_settled(self) -> bool:
        """Whether all that the log has for the group is settled."""
        return self._feeder.at_head and self.state.is_settled

    async def portions(
        self, spans: Sequence[Span], selection: Selection | None = None
    ) -> AsyncGenerator[Portion, None]:
        """Answers the events of some spans, which rise, and what of them is not there any more.

        Raises:
            StorageFailed: The log can't be read.
        """
        async with aclosing(self.payloads.portions(selection or self.selection, spans)) as portions:
            async for portion in portions:
                yield await self._redriven.fill(portion) if portion.lost else portion

    async def lose(self, member_id: str, epoch: int, spans: Sequence[Span]) -> None:
        """Notes that events which a member was to get are not in the log any more, and tells all members."""
        for first, last in spans:
            self.state.lose(member_id, epoch, first, last)
        first, last = spans[0][0], spans[-1][1]
        gap = self._gaps.find(first - 1, await self._log.bounds(self.selection))
        if gap is None and last > self._told_lost:  # of a topic that was deleted
            gap = Gap(first, last, ())
        if gap is not None:
            through = max(last, min(gap.last_sequence, self.state.position))
            self._told_lost = max(self._told_lost, through)
            self._tell_lost(replace(gap, last_sequence=through))

    def stir(self) -> None:
        """Follows what the state decided: wakes members and the reading, sets the clock, writes down."""
        awake = self.state.awake
        while awake:
            stream = self._streams.get(awake.pop())
            if stream is not None:
                stream.wake()
        self._look_whether_settled()
        self._feeder.want()
        self._set_timer()
        if self.state.is_dirty:
            self._dirty(self)

    def _look_whether_settled(self) -> None:
        """Wakes all members once everything is settled, so that they say so."""
        settled = self.is_settled
        if settled and not self._was_settled:
            for stream in self._streams.values():
                stream.wake()
        self._was_settled = settled

    def _set_timer(self) -> None:
        due = self.state.next_time()
        if self._timer is not None:
            if due is not None and self._timer_due <= due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None and not self._closing:
            loop = asyncio.get_running_loop()
            self._timer_due = due
            self._timer = loop.call_later(max(0.0, due - self.now()), self._pass_time)

    def _watch_members(self) -> None:
        """Looks from time to time for members that do not take what waits for them, and has others take it.

        Such a one does not read its stream: it may have nothing that a lease could end of.
        """
        loop, self._watch = asyncio.get_running_loop(), None
        patience = self.state.settings.lease
        stuck = [it for it in self._streams.values() if it.asked_at and loop.time() - it.asked_at >= patience]
        for stream in stuck:
            self.state.mute(stream.id, self.now())
        if stuck:
            self.stir()
        if self._streams and not self._closing:
            self._watch = loop.call_later(min(patience, WATCH_SECONDS), self._watch_members)

    def _pass_time(self) -> None:
        self._timer = None
        for expired in self.state.expire(self.now()):
            stream = self._streams.get(expired.member_id)
            if stream is not None:
                stream.tell_expired(expired)
        self.stir()

    def _tell_lost(self, gap: Gap) -> None:
        for stream in self._streams.values():
            stream.tell(gap)

    def _tell_failed(self, failures: Failures) -> None:
        for stream in self._streams.values():
            stream.tell_failed(failures)


def _selection_of(definition: Definition) -> Selection:
    return select(definition.topics, definition.types)


def _moved(position: int) -> WarningFrame:
    return WarningFrame(
        WarningKind.GROUP_MOVED,
        f"the group was moved behind sequence {position}: what this member had is the group's again",
    )
