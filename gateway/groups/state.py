"""What a group does: a pure object, without I/O and without a clock. Times are passed in and never fall.

Its rules:

1. An event of the group is *unsettled* until it is acknowledged, is given up (a dead letter), or was lost to
   retention. It is taken from the log once, in order, by ``offer`` and ``advance``; ``position`` is how far.
2. An unsettled event waits for a member, or is with exactly one member under a lease, or failed and waits for
   its time. Who has an event under a lease can settle it by naming member and epoch; nobody else can.
3. In a group that orders by key, of each key only the first unsettled event is given to a member, and a key's
   next event is not before that one is settled. Events that come back from the dead letters come first.
4. A key's events go to the member that owns its slot. Slots move when members come and go; an event that
   somebody has stays with him.
5. A lease ends after its time, if it is not extended, or when its member leaves. The events then wait for a
   member again, at once. That counts as a failed attempt, unless the group itself stops.
6. A member of which a lease ended is *silent* until it says anything. Its slots go to the others until it is
   time to try it again, and then it has one event at most. Who owns no slots gets nothing.
7. An event that failed waits for its back-off, and after ``max_attempts`` failures is given up. If its key is
   then to be parked, the key's later events wait until the key is released or the event is skipped.
8. What is held in memory is bounded: ``LOOK_AHEAD`` events, and a few for each key; see ``keys``. With
   ``MOST_PARKED`` parked keys the group stalls: it gives nothing out until keys are released.
"""

from __future__ import annotations

import heapq
from itertools import chain, count
from typing import TYPE_CHECKING, Final, NamedTuple

from gateway.groups.keys import BUFFERED, Keys
from gateway.groups.loose import Loose
from gateway.groups.members import Member
from gateway.groups.runs import Lease, Phase, Run, run_of
from gateway.groups.slots import Slots, slot_of
from gateway.groups.tracking import Tracking
from gateway.groups.values import (
    Attempt,
    Cause,
    Dead,
    DeadLetterPolicy,
    Ordering,
    Outcome,
    Parked,
    Progress,
    Settled,
    Verb,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.groups.values import Changes, Failed, MemberStats, Settings, Settlement, Span

LOOK_AHEAD: Final = 100_000
"""How many events are held that are not settled, besides one for each key."""
READ_AHEAD: Final = 2_000
"""How many events that nobody waits for are held ready, so that members need not wait for the log."""
MOST_PARKED: Final = 10_000
"""With how many parked keys a group stalls."""
TAKEN_AT_ONCE: Final = 10_000
"""How many events a member is given at once."""


class Bounds(NamedTuple):
    """How much a group may hold; see the constants of the same names."""

    look_ahead: int = LOOK_AHEAD
    read_ahead: int = READ_AHEAD
    buffered: int = BUFFERED
    most_parked: int = MOST_PARKED


BOUNDS: Final = Bounds()


class Delivery(NamedTuple):
    """What a member is given at once.

    Attributes:
        epoch: Names the lease.
        attempt: Which attempt it is at each of them: 1 for the first.
        spans: The events, in order.
    """

    epoch: int
    attempt: int
    spans: tuple[Span, ...]


class Expired(NamedTuple):
    """Events that were taken from a member because its lease ended."""

    member_id: str
    spans: tuple[Span, ...]


class GroupState:
    """One group. See the module's rules.

    Attributes:
        position: How far it has taken the log.
        lost_through: The last event that retention removed before it was settled; 0 if there is none.
        in_flight: How many events are with members.
        awake: Members that may get something now, or may settle more: to be asked with ``take``.
    """

    def __init__(self, settings: Settings, progress: Progress, bounds: Bounds = BOUNDS) -> None:
        """Goes on where ``progress`` says; nobody is a member."""
        self._settings = settings
        self.position = progress.position
        self.lost_through = progress.lost_through
        self.in_flight = 0
        self.awake: set[str] = set()
        self._members: dict[str, Member] = {}
        self._idle: dict[str, None] = {}
        self._blocked: dict[str, None] = {}
        self._slots = Slots()
        self._loose = Loose(self._note_cut)
        self._bounds = bounds
        self._keys = Keys(bounds.buffered)
        self._failed: dict[int, Run] = {}
        self._leases: list[tuple[float, int, Lease]] = []
        self._waiting: list[tuple[float, int, Run]] = []
        self._epochs = count(1)
        self._order = count()
        self._tracking = Tracking(progress.keys, progress.failed, progress.parked)
        self._restore(progress)

    @property
    def settings(self) -> Settings:
        """How it shares out events; may be changed at any time, but for the ordering."""
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = settings
        for member in self._members.values():
            member.allow(settings.max_in_flight_per_member)
        self.awake |= self._members.keys()

    # Members.

    def join(self, member_id: str, client_name: str, max_in_flight: int, now: float) -> None:
        """Takes a new member, which may have so many events, but no more than the settings allow."""
        member = self._members[member_id] = Member(member_id, client_name, max_in_flight, now)
        member.allow(self.settings.max_in_flight_per_member)
        self._give_slots(member)
        self.awake.add(member_id)

    def leave(self, member_id: str, now: float, *, counts: bool = True) -> None:
        """Lets a member go: what it has waits for others, at once (rule 5).

        With ``counts``, its events failed once more.
        """
        member = self._members.pop(member_id, None)
        if member is None:
            return
        self._move_slots(away_from=member)
        for lease in reversed(list(member.leases.values())):
            for run in reversed(list(lease.runs.values())):
                self._end(run, member)
                if counts:
                    self._fail(run, self._attempt(member, now, Outcome.STREAM_BROKE, "the stream broke"), now)
                else:
                    self._make_ready(run)
        for those in (self._idle, self._blocked):
            those.pop(member_id, None)
        self._revive_silent(now)
        self._wake_waiting()
        self.awake.discard(member_id)

    def most_in_flight(self, member_id: str) -> int:
        """Answers how many events a member may have."""
        return self._members[member_id].max_in_flight

    @property
    def member_ids(self) -> list[str]:
        """Those who are members."""
        return list(self._members)

    # What comes from the log.

    def room(self) -> int:
        """Answers how many events may be offered; 0 if none are wanted now."""
        if not self._members or self.stalled:
            return 0
        room = self._bounds.look_ahead - self.pending
        if self._idle or self._ready_count() < self._bounds.read_ahead:
            return max(0, room)
        return 0

    @property
    def pending(self) -> int:
        """How many unsettled events are held."""
        return self._loose.events + self._keys.pending

    def offer(self, events: Iterable[tuple[int, str]]) -> None:
        """Takes events of the log behind ``position``, as sequences and keys, in order."""
        if self.settings.ordering is Ordering.NONE:
            for sequence, _ in events:
                self._loose.add(sequence, sequence)
            self._touch_loose()
            return
        touched = self._tracking.keys
        for sequence, name in events:
            if not name:
                self._loose.add(sequence, sequence)
                self._tracking.loose = True
                continue
            touched.add(name)
            key = self._keys.take(sequence, name)
            if key is not None:
                self._promote(key.name)
        self._wake_idle()

    def offer_spans(self, spans: Iterable[Span]) -> None:
        """Takes events of the log behind ``position``, without keys, in order."""
        for first, last in spans:
            self._loose.add(first, last)
        self._touch_loose()

    def advance(self, position: int) -> None:
        """Notes that all events of the group up to a position were offered."""
        if position > self.position:
            self.position = position
            self._tracking.moved = True

    def sweep_from(self) -> int | None:
        """Answers behind which position the log is to be read again for keys, None if that isn't needed."""
        if not self._members or self.stalled:
            return None
        behind = self._keys.sweep_from()
        if behind is not None and behind >= self.position:
            self.sweep((), self.position)
            behind = self._keys.sweep_from()
        return behind

    def sweep(self, events: Iterable[tuple[int, str]], through: int) -> None:
        """Takes what was read again behind ``sweep_from``: sequences and keys, in order, up to a position."""
        found = self._keys.sweep(events, min(through, self.position), self._bounds.look_ahead - self.pending)
        for key in found:
            self._promote(key.name)
        for key in self._keys.end_sweep(self.position):
            self._tracking.keys.add(key.name)
            self._keys.look_at(key)

    def lose(self, member_id: str, epoch: int, first: int, last: int) -> None:
        """Notes that events which a member was about to be sent are in the log no more: they are settled."""
        for run in self._held(self._members.get(member_id), epoch, first, last):
            self._settle(run, self._members[member_id])
        self.note_lost(last)

    def note_lost(self, through: int) -> None:
        """Notes that retention removed events before they were settled."""
        if through > self.lost_through:
            self.lost_through = through
            self._tracking.moved = True

    # What members get, and what they say.

    def take(self, member_id: str, now: float, most: int = TAKEN_AT_ONCE) -> list[Delivery]:
        """Gives a member what waits for it, at most so many events; empty if it is to wait (rules 2 to 4)."""
        member = self._members[member_id]
        self.awake.discard(member_id)
        self._idle.pop(member_id, None)
        room = min(member.room, self.settings.max_in_flight - self.in_flight, most)
        if self.stalled or member.room <= 0 or not self._slots.owns(member_id):
            self._wake_waiting()
            return []
        if room <= 0:
            self._blocked[member_id] = None
            return []
        leases: dict[int, Lease] = {}
        left = room
        for run in self._next_runs(member, room):
            lease = leases.get(run.attempt_count)
            if lease is None:
                lease = Lease(member_id, next(self._epochs), now + self.settings.lease)
                leases[run.attempt_count] = lease
            run.phase, run.lease, run.expires = Phase.LEASED, lease, 0.0
            lease.runs[run.first] = run
            left -= run.size
        self._hand_over(member, leases, room - left)
        if left > 0:
            self._idle[member_id] = None
        elif member.room > 0:
            self.awake.add(member_id)
        self._wake_waiting()
        return [
            Delivery(lease.epoch, attempts + 1, _spans(lease.runs.values()))
            for attempts, lease in leases.items()
        ]

    def settle(self, member_id: str, settlements: Iterable[Settlement], now: float) -> Settled:
        """Takes what a member says of events, in order (rule 2).

        A span of sequences costs as much as it has sequences: whoever calls bounds them.
        """
        member = self._members.get(member_id)
        applied, before, late = 0, _Spans(), _Spans()
        for settlement in settlements:
            if settlement.through is not None:
                held = self._held_through(member, settlement.epoch, settlement.through)
                applied += self._apply(held, member, settlement, now)
                continue
            for first, last in settlement.spans:
                held = self._held(member, settlement.epoch, first, last)
                taken = [(run.first, run.last) for run in held]
                applied += self._apply(held, member, settlement, now)
                self._tell(first, last, taken, before, late)
        if member is not None:
            self._hear_of(member)
        return Settled(applied, before.all(), late.all())

    def expire(self, now: float) -> list[Expired]:
        """Ends leases whose time has come, and lets those events try again whose wait is over."""
        expired = self._expire_leases(now)
        while self._waiting and self._waiting[0][0] <= now:
            due, _, run = heapq.heappop(self._waiting)
            if run.phase is Phase.WAITING and run.due == due:
                self._make_ready(run)
        self._revive_silent(now)
        self._wake_idle()
        return expired

    def next_time(self) -> float | None:
        """Answers when ``expire`` is to be called, None if nothing waits for its time."""
        while self._leases and not self._leases[0][2].runs:
            heapq.heappop(self._leases)
        while self._waiting and not _is_current(self._waiting[0]):
            heapq.heappop(self._waiting)
        times = [heap[0][0] for heap in (self._leases, self._waiting) if heap]
        times += [
            member.back_at
            for member in self._members.values()
            if member.expiries and not self._slots.owns(member.id)
        ]
        return min(times, default=None)

    # What operators do.

    def seek(self, position: int) -> None:
        """Goes on behind another position: all else is forgotten, and who has events has them no more."""
        for member in self._members.values():
            member.leases.clear()
            member.in_flight = 0
        self.position, self.in_flight = position, 0
        self._loose, self._keys = Loose(self._note_cut), Keys(self._bounds.buffered)
        self._slots.clear()
        self._idle, self._blocked = {}, {}
        self._failed, self._leases, self._waiting = {}, [], []
        self._tracking.forget_all(position)
        self.awake |= self._members.keys()

    def parked_behind(self, name: str) -> int | None:
        """Answers the event that a key is parked behind, None if it is not parked."""
        key = self._keys.parked.get(name)
        return key.parked.sequence if key is not None and key.parked is not None else None

    def release(self, name: str) -> None:
        """Lets a parked key go on (rule 7); whoever wants its event to be tried again redrives it first."""
        key = self._keys.parked.get(name)
        if key is None:
            return
        self._keys.unpark(key)
        self._tracking.parked.add(name)
        self._tracking.keys.add(name)
        self._promote(name)
        self.awake |= self._members.keys()

    def redrive(self, sequence: int, name: str) -> None:
        """Takes back a dead letter: its event is unsettled as if it had never failed, and comes first."""
        self._tracking.revive(sequence)
        run = Run(sequence, sequence, name if self.settings.ordering is Ordering.BY_KEY else "")
        run.redriven = True
        if not run.key:
            self._loose.insert(run)
            self._touch_loose()
            return
        self._note_failed(run)
        key = self._keys.make(run.key)
        self._keys.own(run, key)
        key.revive(run)
        if self.parked_behind(run.key) == sequence:
            self.release(run.key)
        else:
            self._promote(run.key)

    def skip(self, sequence: int, now: float) -> str | None:
        """Gives an event up that failed, or lets the key go on that is parked behind it; answers the key.

        None if it is neither.
        """
        for name in self._keys.parked:
            if self.parked_behind(name) == sequence:
                self.release(name)
                return name
        run = self._find(sequence)
        if run is None or not run.attempt_count:
            return None
        if not run.key:
            run = self._loose.cut_out(run, sequence, sequence)
        if run.phase is Phase.LEASED and run.lease is not None:
            self._end(run, self._members[run.lease.member_id])
        self._give_up(run, Cause.SKIPPED, now)
        return run.key

    # How it stands.

    @property
    def stalled(self) -> str:
        """Why nothing is given out; empty if it is."""
        if len(self._keys.parked) >= self._bounds.most_parked:
            return (
                f"{len(self._keys.parked):,} keys are parked; the limit is {self._bounds.most_parked:,}. Release some, "
                f"skip the events that they are parked behind, or move the group"
            )
        return ""

    @property
    def is_settled(self) -> bool:
        """Whether nothing up to ``position`` is unsettled, parked keys left out."""
        return not self._loose and len(self._keys) == len(self._keys.parked)

    @property
    def oldest(self) -> int:
        """The first sequence that is not settled, parked keys left out; 0 if all are."""
        firsts = (key.oldest for key in self._keys if not key.parked)
        return min(filter(None, chain((self._loose.first,), firsts)), default=0)

    @property
    def held_count(self) -> int:
        """How many events that failed, or came back from the dead letters, are not settled."""
        return len(self._failed)

    @property
    def retrying(self) -> list[Failed]:
        """Events that failed and are not settled, those with most attempts first."""
        runs = sorted(self._failed.values(), key=lambda run: (-run.attempt_count, run.first))
        return [run.as_failed() for run in runs if run.attempt_count]

    @property
    def parked(self) -> Iterator[tuple[str, Parked]]:
        """The keys that are parked, those parked first in front."""
        return ((name, key.parked) for name, key in self._keys.parked.items() if key.parked)

    @property
    def parked_count(self) -> int:
        """How many keys are parked."""
        return len(self._keys.parked)

    def members(self) -> list[MemberStats]:
        """Answers how the members stand, by id."""
        return [member.stats() for _, member in sorted(self._members.items())]

    def unsettled_through(self, position: int) -> int:
        """Answers how many events that are held, up to a position, are not settled."""
        spans = sum(
            min(last, position) - first + 1 for first, last in self._loose.spans() if first <= position
        )
        return spans + sum(
            1 for key in self._keys if key.first_unsettled is not None and key.first_unsettled <= position
        )

    # What must outlive the gateway.

    @property
    def is_dirty(self) -> bool:
        """Whether anything changed since ``changes`` was asked."""
        return self._tracking.is_dirty

    def changes(self) -> Changes:
        """Answers what changed since it was last asked: to be written down."""
        return self._tracking.take(self.position, self.lost_through, self._keys, self._loose)

    def _restore(self, progress: Progress) -> None:
        for first, last in progress.loose:
            self._loose.add(first, last)
        for name, first in progress.keys.items():
            key = self._keys.make(name)
            parked = progress.parked.get(name)
            if parked is not None:
                self._keys.park(key, parked, first)
            else:
                self._keys.spill(key, first)
        for failed in sorted(
            progress.failed.values(), key=lambda failed: (-failed.attempt_count, failed.first)
        ):
            self._restore_failed(failed)

    def _restore_failed(self, failed: Failed) -> None:
        run = run_of(failed)
        if not failed.key:
            whole = self._loose.find(failed.first)
            if whole is None:
                return
            run = self._loose.cut_out(whole, failed.first, min(failed.last, whole.last))
            run.phase, run.due = Phase.WAITING, failed.due
            run.attempt_count, run.attempts = failed.attempt_count, failed.attempts
        else:
            key = self._keys.make(failed.key)
            self._keys.own(run, key)
            if not run.attempt_count:
                key.revive(run)
            else:
                key.head = run
                if not run.redriven:
                    self._keys.spill(key, failed.first + 1)
        self._failed[run.first] = run
        if run.attempt_count:
            self._wait(run)
        else:
            run.phase = Phase.READY
            self._promote(run.key)

    # Runs on their way.

    def _next_runs(self, member: Member, room: int) -> Iterator[Run]:
        """Answers what waits for a member: loose runs and keys, each about half if there are both."""
        taken = 0
        while taken < (room + 1) // 2 and (run := self._loose.take(room - taken)):
            taken += run.size
            yield run
        while taken < room and (name := self._slots.next(member.id)) is not None:
            key = self._keys.get(name)
            if key is not None and key.head is not None and key.head.phase is Phase.READY:
                taken += 1
                yield key.head
        while taken < room and (run := self._loose.take(room - taken)):
            taken += run.size
            yield run

    def _hand_over(self, member: Member, leases: dict[int, Lease], events: int) -> None:
        member.in_flight += events
        self.in_flight += events
        for lease in leases.values():
            member.leases[lease.epoch] = lease
            heapq.heappush(self._leases, (lease.expires, lease.epoch, lease))

    def _held(self, member: Member | None, epoch: int, first: int, last: int) -> list[Run]:
        """Answers what a member has of a span under an epoch, as runs of their own."""
        lease = member.leases.get(epoch) if member else None
        if lease is None:
            return []
        keyed = (lease.runs.get(at) for at in range(first, last + 1)) if self._is_keyed else ()
        found = [run for run in keyed if run is not None and run.key]
        within = [run for run in self._loose.within(first, last) if run.lease is lease]
        return found + [
            self._loose.cut_out(run, max(first, run.first), min(last, run.last))
            for run in within
            if run.phase is Phase.LEASED
        ]

    def _held_through(self, member: Member | None, epoch: int, through: int) -> list[Run]:
        """Answers what a member has up to a sequence under epochs up to one."""
        found = []
        for lease in member.leases.values() if member else ():
            if lease.epoch <= epoch:
                found += [run for run in lease.runs.values() if run.first <= through]
        return [run if run.last <= through else self._loose.cut_out(run, run.first, through) for run in found]

    @property
    def _is_keyed(self) -> bool:
        return self.settings.ordering is Ordering.BY_KEY

    def _note_cut(self, run: Run, rest: Run) -> None:
        """Notes that a run was cut in two: what is known of the whole is known of both."""
        if run.attempt_count:
            self._note_failed(run)
            self._note_failed(rest)
        if rest.phase is Phase.WAITING:
            self._wait(rest)

    def _wait(self, run: Run) -> None:
        heapq.heappush(self._waiting, (run.due, next(self._order), run))

    def _apply(self, held: list[Run], member: Member | None, settlement: Settlement, now: float) -> int:
        """Does with runs that a member has what it says; answers how many events they are."""
        if member is None:
            return 0
        for run in held:
            if settlement.verb is Verb.EXTEND:
                self._extend(run, now)
                continue
            if settlement.verb is Verb.ACK:
                self._settle(run, member)
                continue
            self._end(run, member)
            if settlement.verb is Verb.RELEASE:
                self._make_ready(run)
                continue
            outcome = Outcome.NACKED if settlement.verb is Verb.NACK else Outcome.REJECTED
            attempt = self._attempt(member, now, outcome, settlement.reason)
            if settlement.verb is Verb.NACK:
                self._fail(run, attempt, now, settlement.delay)
            else:
                run.note(attempt)
                self._give_up(run, Cause.REJECTED, now)
        return sum(run.size for run in held)

    def _settle(self, run: Run, member: Member) -> None:
        self._end(run, member)
        self._remove(run)

    def _end(self, run: Run, member: Member) -> None:
        """Takes a run from a member."""
        member.drop(run)
        self.in_flight -= run.size
        self.awake.add(member.id)
        self._wake_waiting()

    def _extend(self, run: Run, now: float) -> None:
        run.expires = max(run.expires, now + self.settings.lease)

    def _remove(self, run: Run) -> None:
        """Notes that a run is settled; its key goes on."""
        if self._failed.pop(run.first, None):
            self._tracking.failed[run.first] = None
        if not run.key:
            self._loose.remove(run)
            self._tracking.loose = True
            return
        run.phase = Phase.GONE
        self._keys.forget(run.first)
        self._tracking.keys.add(run.key)
        key = self._keys.get(run.key)
        if key is None:
            return
        if key.head is run:
            key.head = None
        elif run in key.redriven:
            key.redriven.remove(run)
        self._promote(run.key)

    def _promote(self, name: str) -> None:
        """Has a key's next event wait for a member; reads on for the key, or forgets it."""
        key = self._keys.get(name)
        if key is None:
            return
        run = key.promote()
        if run is not None:
            self._keys.own(run, key)
            run.phase = Phase.READY
            self._put(run)
        self._keys.look_at(key)

    def _put(self, run: Run) -> None:
        owner = self._slots.put(slot_of(run.key), run.key)
        if owner:
            self.awake.add(owner)

    def _make_ready(self, run: Run) -> None:
        run.phase = Phase.READY
        if run.key:
            self._put(run)
            key = self._keys.get(run.key)
            if key is not None and key.redriven:
                key.step_back()
                self._promote(run.key)
        else:
            self._loose.make_ready(run)
            self._wake_idle()

    # Failing.

    def _attempt(self, member: Member, now: float, outcome: Outcome, reason: str) -> Attempt:
        return Attempt(member.id, member.client_name, now, outcome, reason)

    def _fail(self, run: Run, attempt: Attempt, now: float, delay: float | None = None) -> None:
        """Notes that a run failed; only one that its member called failed has to wait (rules 5 and 7)."""
        run.note(attempt)
        if run.attempt_count >= self.settings.max_attempts:
            self._give_up(run, Cause.MAX_ATTEMPTS, now)
            return
        if attempt.outcome is Outcome.NACKED:
            wait = self.settings.backoff(run.attempt_count) if delay is None else delay
            run.phase, run.due = Phase.WAITING, now + wait
            self._wait(run)
        else:
            run.due = now
            self._make_ready(run)
        self._note_failed(run)

    def _note_failed(self, run: Run) -> None:
        self._failed[run.first] = run
        self._tracking.failed[run.first] = run

    def _give_up(self, run: Run, cause: Cause, now: float) -> None:
        self._tracking.dead += [
            Dead(sequence, run.key, now, cause, run.attempt_count, run.attempts)
            for sequence in range(run.first, run.last + 1)
        ]
        parks = self.settings.dead_letters is DeadLetterPolicy.PARK_KEY and cause is not Cause.SKIPPED
        key = self._keys.get(run.key) if run.key else None
        if parks and key is not None and not key.parked:
            reason = run.attempts[-1].reason if run.attempts else ""
            if key.head is run:
                key.head = None
            self._keys.park(key, Parked(run.first, now, reason), self.position + 1)
            self._tracking.parked.add(run.key)
        self._remove(run)

    # Time.

    def _expire_leases(self, now: float) -> list[Expired]:
        expired: dict[str, list[Run]] = {}
        while self._leases and self._leases[0][0] <= now:
            _, epoch, lease = heapq.heappop(self._leases)
            over = [run for run in lease.runs.values() if max(run.expires, lease.expires) <= now]
            member = self._members.get(lease.member_id)
            if member is None:
                continue
            for run in reversed(over):
                self._end(run, member)
                attempt = self._attempt(
                    member, now, Outcome.LEASE_EXPIRED, "the lease ended without a word from the member"
                )
                self._fail(run, attempt, now)
            if over:
                expired.setdefault(member.id, []).extend(over)
            if lease.runs:
                ends = min(max(run.expires, lease.expires) for run in lease.runs.values())
                heapq.heappush(self._leases, (ends, epoch, lease))
        for member_id in expired:
            self._fall_silent(self._members[member_id], now)
        return [Expired(member_id, _spans(runs)) for member_id, runs in expired.items()]

    def _fall_silent(self, member: Member, now: float) -> None:
        member.fall_silent(now, self.settings.lease)
        if any(not other.expiries for other in self._members.values()):
            self._move_slots(away_from=member)
            self._idle.pop(member.id, None)
            self._wake_waiting()

    def _revive_silent(self, now: float) -> None:
        """Gives slots to silent members whose time has come, and to all if nobody else is there (rule 6)."""
        all_silent = all(member.expiries for member in self._members.values())
        for member in self._members.values():
            if member.expiries and (all_silent or member.back_at <= now) and not self._slots.owns(member.id):
                self._give_slots(member)

    def _hear_of(self, member: Member) -> None:
        if member.expiries:
            member.expiries = 0
            self._give_slots(member)
            self.awake.add(member.id)

    def _give_slots(self, member: Member) -> None:
        """Gives a member its share; all that silent ones own, if it is not silent."""
        if not self._slots.owns(member.id):
            self._slots.add(member.id)
        if not member.expiries:
            for other in self._members.values():
                if other.expiries and self._slots.owns(other.id):
                    self._slots.remove(other.id)
        self.awake |= self._slots.waiting_for()
        self.awake.add(member.id)
        self._wake_waiting()

    def _move_slots(self, away_from: Member) -> None:
        self._slots.remove(away_from.id)
        self.awake |= self._slots.waiting_for()

    # Waking.

    def _touch_loose(self) -> None:
        self._tracking.loose = True
        self._wake_idle()

    def _ready_count(self) -> int:
        return self.pending - self.in_flight - len(self._failed)

    def _wake_idle(self) -> None:
        """Wakes one of those that wait for anything; who takes wakes the next."""
        if self._idle and self._loose.has_ready:
            self.awake.add(next(iter(self._idle)))

    def _wake_waiting(self) -> None:
        """Wakes one of those that could have nothing because the group had as much as it may."""
        if self._blocked and self.in_flight < self.settings.max_in_flight:
            member_id = next(iter(self._blocked))
            del self._blocked[member_id]
            self.awake.add(member_id)
        self._wake_idle()

    # Telling.

    def _find(self, sequence: int) -> Run | None:
        key = self._keys.of(sequence)
        if key is None:
            return self._loose.find(sequence)
        if key.head is not None and key.head.first == sequence:
            return key.head
        return next((run for run in key.redriven if run.first == sequence), None)

    def _tell(self, first: int, last: int, taken: list[Span], before: _Spans, late: _Spans) -> None:
        """Tells of what a settlement named and did not take effect on, whether it was settled before."""
        spilled: int | None = None
        for begin, end in _others(first, last, taken):
            if spilled is None:
                spilled = min((key.spilled for key in self._keys if key.spilled), default=self.position + 1)
            for sequence in range(begin, end + 1):
                is_open = (
                    sequence > self.position or sequence >= spilled or self._keys.of(sequence) is not None
                )
                (late if is_open or self._loose.find(sequence) else before).add(sequence)


class _Spans:
    """Sequences, as few spans as can be if they come in order."""

    def __init__(self) -> None:
        self._spans: list[Span] = []

    def add(self, sequence: int) -> None:
        """Takes a sequence."""
        if self._spans and self._spans[-1][1] == sequence - 1:
            self._spans[-1] = (self._spans[-1][0], sequence)
        else:
            self._spans.append((sequence, sequence))

    def all(self) -> tuple[Span, ...]:
        """Answers the spans."""
        return tuple(self._spans)


def _spans(runs: Iterable[Run]) -> tuple[Span, ...]:
    """Answers what runs span, in order."""
    spans: list[Span] = []
    for first, last in sorted((run.first, run.last) for run in runs):
        if spans and spans[-1][1] == first - 1:
            spans[-1] = (spans[-1][0], last)
        else:
            spans.append((first, last))
    return tuple(spans)


def _others(first: int, last: int, taken: list[Span]) -> Iterator[Span]:
    """Answers what a span has besides some spans within it."""
    for begin, end in sorted(taken):
        if first < begin:
            yield first, begin - 1
        first = max(first, end + 1)
    if first <= last:
        yield first, last


def _is_current(waiting: tuple[float, int, Run]) -> bool:
    due, _, run = waiting
    return run.phase is Phase.WAITING and run.due == due
