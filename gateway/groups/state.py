"""What a group does: a pure object, without I/O and without a clock. Times are passed in and never fall.

Its rules:

1. An event of the group is *unsettled* until it is acknowledged, is given up (a dead letter), or was lost to
   retention. It is taken from the log once, in order, by ``offer`` and ``advance``; ``position`` is how far.
2. An unsettled event waits for a member, or is with exactly one member under a lease, or failed and waits for
   its time. Who has an event under a lease can settle it by naming member and epoch; nobody else can.
3. In a group that orders by key, of each key only the first unsettled event is given to a member, and a key's
   next event is not before that one is settled. Events that come back from the dead letters come first, but
   not before one that somebody has, or failed at.
4. A key's events go to the member that owns its slot. Slots move when members come and go; an event that
   somebody has stays with him.
5. A lease ends after its time, if it is not extended, or when its member leaves. The events then wait for a
   member again, at once. That counts as a failed attempt, unless the group itself stops.
6. A member of which a lease ended is *silent* until it says anything. Its slots go to the others until it is
   time to try it again, and then it has one event at most. Who has no share of the slots gets nothing.
7. An event that failed waits for its back-off, and after ``max_attempts`` failures is given up. If its key is
   then to be parked, the key's later events wait until the key is released or the event is skipped.
8. The last attempt at an event is made alone if whoever made the one before said nothing of it: the member
   has nothing else meanwhile. So an event that kills its consumers takes no others along to the dead letters.
9. What is held in memory is bounded: ``Bounds.look_ahead`` events, and a few for each key; see ``keys``. With
   ``Bounds.most_parked`` parked keys the group stalls: it gives nothing out until keys are released.

Where they are kept: what is not settled in ``unsettled`` (with ``keys``, ``sweep``, ``loose``, ``retries``),
who reads in ``members`` (with ``slots``), who has what in ``leases``, who is to be asked in ``waking``, what
is to be written down in ``tracking``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.groups.bounds import BOUNDS, TAKEN_AT_ONCE, Bounds
from gateway.groups.failing import Failing
from gateway.groups.leases import Delivery, Expired
from gateway.groups.members import Member
from gateway.groups.naming import named
from gateway.groups.runs import Phase, spans_of
from gateway.groups.standing import Standing
from gateway.groups.telling import Missed
from gateway.groups.values import Cause, Ordering, Outcome, Settled, Settlement, Verb

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.groups.runs import Run
    from gateway.groups.values import Changes, Progress, Settings, Span

__all__ = ["Delivery", "Expired", "GroupState"]


class GroupState(Standing):
    """One group. See the module's rules, and ``Standing`` for what can be asked of it."""

    def __init__(self, settings: Settings, progress: Progress, bounds: Bounds = BOUNDS) -> None:
        """Goes on where ``progress`` says; nobody is a member."""
        super().__init__(progress, bounds)
        self._settings = settings
        self._failing = Failing(settings, self._unsettled, self._tracking)

    @property
    def settings(self) -> Settings:
        """How it shares out events; may be changed at any time, but for the ordering."""
        return self._settings

    @settings.setter
    def settings(self, settings: Settings) -> None:
        self._settings = self._failing.settings = settings
        for member in self._members:
            member.allow(settings.max_in_flight_per_member)
        self._waking.call(self.member_ids)

    # Members.

    def join(self, member_id: str, client_name: str, max_in_flight: int, now: float) -> None:
        """Takes a new member, which may have so many events, but no more than the settings allow."""
        member = Member(member_id, client_name, max_in_flight, now)
        member.allow(self.settings.max_in_flight_per_member)
        self._members.join(member)
        self._waking.call((member_id,))
        self._slots_moved()

    def leave(self, member_id: str, now: float, *, counts: bool = True) -> None:
        """Lets a member go: what it has waits for others, at once (rule 5).

        With ``counts``, its events failed once more.
        """
        member = self._members.get(member_id)
        if member is None:
            return
        self._members.leave(member, now)
        held = member.give_back()
        self.in_flight -= member.in_flight
        if counts:
            attempt = member.attempt(now, Outcome.STREAM_BROKE, "the stream broke")
            for run in reversed(held):
                self._failing.fail(run, attempt)
        else:
            self._unsettled.put_back(held)
        self._waking.drop(member_id)
        self._slots_moved()
        self._pass_on()

    def retire(self, member_id: str) -> None:
        """Gives a member no further events: it settles what it has before it leaves."""
        member = self._members.get(member_id)
        if member is not None:
            self._members.retire(member)
            self._waking.drop(member_id)
            self._slots_moved()
            self._pass_on()

    def mute(self, member_id: str, now: float) -> None:
        """Treats a member as silent that does not take what waits for it, until it does (rule 6)."""
        member = self._members.get(member_id)
        if member is not None and not member.expiries and not member.is_leaving:
            self._members.fall_silent(member, now, self.settings.lease)
            member.is_mute = True
            self._slots_moved()
            self._pass_on()

    # What comes from the log.

    def room(self) -> int:
        """Answers how many events may be offered; 0 if none are wanted now."""
        if not self._members or self.stalled:
            return 0
        pending = self.pending
        ready = pending - self.in_flight - len(self._unsettled.retries)
        if self._waking.has_idle or ready < self._bounds.read_ahead:
            return max(0, self._bounds.look_ahead - pending)
        return 0

    def offer(self, events: Sequence[tuple[int, str]]) -> None:
        """Takes the events of the log behind ``position`` up to the last of these: sequences and keys."""
        if self.settings.ordering is Ordering.NONE:
            self.offer_spans([(sequence, sequence) for sequence, _ in events])
        elif events:
            self._unsettled.offer(events)
            self.advance(events[-1][0])
            self._pass_on()

    def offer_spans(self, spans: Sequence[Span]) -> None:
        """Takes the events of the log behind ``position`` up to the last of these, which have no keys."""
        if spans:
            self._unsettled.offer_spans(spans)
            self.advance(spans[-1][1])
            self._pass_on()

    def advance(self, position: int) -> None:
        """Notes that there are no further events up to a position."""
        if position > self.position:
            self._unsettled.position = position
            self._tracking.moved = True

    def sweep_from(self) -> int | None:
        """Answers behind which position the log is to be read again for keys, None if that isn't needed.

        What it answers is below ``position``: what is there can be read at once.
        """
        if not self._members or self.stalled:
            return None
        return self._unsettled.sweep_from()

    def sweep(self, events: Iterable[tuple[int, str]], through: int) -> None:
        """Takes what was read again behind ``sweep_from``: sequences and keys, in order, up to a position."""
        self._unsettled.sweep(events, through)

    def lose(self, member_id: str, epoch: int, first: int, last: int) -> None:
        """Notes that events which a member was about to be sent are in the log no more: they are settled."""
        member = self._members.get(member_id)
        if member is not None:
            lost = Settlement(epoch, Verb.ACK, ((first, last),))
            runs, _ = named(member, lost, self._unsettled.loose)
            self._take_back(runs, member)
            self._unsettled.settle(runs)
            self._pass_on()
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
        self._waking.drop(member_id)
        if member.is_mute:
            self._hear_of(member)
        deliveries: list[Delivery] = []
        share = self._members.slots.share(member_id)
        if share is not None and member.room > 0 and not self.stalled:
            room = min(member.room, self.settings.max_in_flight - self.in_flight, most)
            taken = self._unsettled.take(share, room, self.settings.max_attempts, idle=not member.in_flight)
            deliveries = self._leases.grant(member, taken.runs, now + self.settings.lease)
            count = _count(taken.runs)
            member.in_flight += count
            self.in_flight += count
            if taken.is_alone:
                member.is_alone = True
                self._waking.call_behind()
            elif room <= 0:
                self._waking.wait_for_room(member_id)
            elif taken.is_stopped:
                self._waking.wait_behind(member_id)
            elif count < room:
                self._waking.wait_for_events(member_id)
            elif member.room > 0:
                self._waking.call((member_id,))
        self._pass_on()
        return deliveries

    def settle(self, member_id: str, settlements: Iterable[Settlement], now: float) -> Settled:
        """Takes what a member says of events, in order (rule 2).

        A span of sequences costs as much as it has sequences: whoever calls bounds them.
        """
        member = self._members.get(member_id)
        applied, missed = 0, Missed()
        for settlement in settlements:
            if member is None:
                missed.tell(settlement.spans, self._unsettled)
                continue
            runs, others = named(member, settlement, self._unsettled.loose)
            applied += self._apply(runs, member, settlement, now)
            if others:
                missed.tell(others, self._unsettled)
        if member is not None and member.expiries:
            self._hear_of(member)
        self._pass_on()
        return Settled(applied, missed.before.all(), missed.late.all())

    def expire(self, now: float) -> list[Expired]:
        """Ends leases whose time has come, and lets those events try again whose wait is over."""
        expired: dict[str, list[Run]] = {}
        for lease, over in self._leases.ended(now):
            member = self._members[lease.member_id]
            member.note_taken(lease.epoch, over)
            for run in over:
                member.drop(run)
            self._take_back(over, member)
            reason = "the lease ended without a word from the member"
            attempt = member.attempt(now, Outcome.LEASE_EXPIRED, reason)
            for run in reversed(over):
                self._failing.fail(run, attempt)
            expired.setdefault(member.id, []).extend(over)
        for member_id in expired:
            self._members.fall_silent(self._members[member_id], now, self.settings.lease)
        self._unsettled.put_back(self._unsettled.retries.pop_due(now))
        if self._members.revive_silent(now) or expired:
            self._slots_moved()
        self._pass_on()
        return [Expired(member_id, spans_of(runs)) for member_id, runs in expired.items()]

    def _apply(self, runs: list[Run], member: Member, settlement: Settlement, now: float) -> int:
        """Does with runs that a member had what it says; answers how many events they are."""
        if settlement.verb is Verb.EXTEND:
            for run in runs:
                run.expires = max(run.expires, now + self.settings.lease)
            return _count(runs)
        count = self._take_back(runs, member)
        if settlement.verb is Verb.ACK:
            self._unsettled.settle(runs)
        elif settlement.verb is Verb.RELEASE:
            self._unsettled.put_back(runs)
        else:
            outcome = Outcome.NACKED if settlement.verb is Verb.NACK else Outcome.REJECTED
            attempt = member.attempt(now, outcome, settlement.reason)
            for run in runs:
                self._failing.fail(run, attempt, settlement.delay)
        return count

    def _take_back(self, runs: Sequence[Run], member: Member) -> int:
        """Notes that a member has runs no more; answers how many events they are."""
        count = _count(runs)
        if count:
            member.in_flight -= count
            member.is_alone = member.is_alone and member.in_flight > 0
            self.in_flight -= count
            self._waking.call((member.id,))
        return count

    def _hear_of(self, member: Member) -> None:
        """Notes that a member, which was silent, is not."""
        self._members.hear_of(member)
        self._waking.call((member.id,))
        self._slots_moved()

    def _slots_moved(self) -> None:
        self._waking.call(self._members.slots.waited_for())

    def _pass_on(self) -> None:
        self._waking.pass_on(
            has_room=self.in_flight < self.settings.max_in_flight, has_loose=self._unsettled.loose.has_ready
        )

    # What operators do.

    def seek(self, position: int) -> None:
        """Goes on behind another position: all else is forgotten, and who has events has them no more."""
        for member in self._members:
            for epoch, lease in member.leases.items():
                member.note_taken(epoch, lease.runs.values())
            member.leases.clear()
            member.in_flight, member.is_alone = 0, False
        self.in_flight = 0
        self._leases.clear()
        self._members.slots.clear()
        self._unsettled.clear(position)
        self._tracking.forget_all(position)
        self._waking.clear(self.member_ids)

    def release(self, name: str) -> None:
        """Lets a parked key go on (rule 7); whoever wants its event to be tried again redrives it first."""
        was_stalled = self.stalled
        self._unsettled.unpark(name)
        if was_stalled:
            self._waking.call(self.member_ids)

    def redrive(self, sequence: int, name: str) -> None:
        """Takes back a dead letter: its event is unsettled as if it had never failed, and comes first."""
        if self._unsettled.find(sequence) is not None or self._tracking.is_revived(sequence):
            return
        name = name if self.settings.ordering is Ordering.BY_KEY else ""
        self._tracking.revive(sequence)
        self._unsettled.revive(sequence, name)
        if self.parked_behind(name) == sequence:
            self.release(name)
        self._pass_on()

    def skip(self, sequence: int, now: float) -> str | None:
        """Gives an event up that failed, or lets the key go on that is parked behind it; answers the key.

        None if it is neither.
        """
        for name in self._unsettled.keys.parked:
            if self.parked_behind(name) == sequence:
                self.release(name)
                return name
        run = self._unsettled.find(sequence)
        if run is None or not run.attempt_count:
            return None
        if run.key is None:
            run = self._unsettled.loose.cut_out(run, sequence, sequence)
        if run.phase is Phase.LEASED and run.lease is not None:
            member = self._members[run.lease.member_id]
            member.note_taken(run.lease.epoch, (run,))
            member.drop(run)
            self._take_back((run,), member)
        self._failing.give_up(run, Cause.SKIPPED, now)
        self._waking.call_behind()
        self._pass_on()
        return run.key_name

    # What must outlive the gateway.

    def changes(self) -> Changes:
        """Answers what changed since it was last asked: to be written down."""
        return self._tracking.take(
            self.position, self.lost_through, self._unsettled.keys, self._unsettled.loose
        )


def _count(runs: Sequence[Run]) -> int:
    return sum([run.last - run.first + 1 for run in runs])
