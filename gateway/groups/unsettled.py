"""All events of a group that are not settled, and how each goes on: to wait, to be tried again, or to go.

Keyed and loose events side by side (``keys``, ``loose``), what must be remembered of those that failed
(``retries``), and what of all this is to be written down (``tracking``). Whoever is to be asked because
something waits for him now is called (``waking``). Members and leases are no matter of this module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gateway.groups.keys import Keys
from gateway.groups.loose import Loose
from gateway.groups.recent import Recent
from gateway.groups.retries import Retries
from gateway.groups.runs import Phase, Run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gateway.groups.bounds import Bounds
    from gateway.groups.keys import Key
    from gateway.groups.slots import Share, Slots
    from gateway.groups.tracking import Tracking
    from gateway.groups.values import Failed, Parked, Progress, Span
    from gateway.groups.waking import Waking


class Taken(NamedTuple):
    """What a member is given.

    Attributes:
        runs: The events.
        is_alone: Whether that is one that is tried alone.
        is_stopped: Whether one that is tried alone comes next.
    """

    runs: list[Run]
    is_alone: bool = False
    is_stopped: bool = False


class Unsettled:
    """The events that are not settled; ``position`` is how far the log was taken."""

    def __init__(
        self, progress: Progress, bounds: Bounds, slots: Slots, tracking: Tracking, waking: Waking
    ) -> None:
        """Goes on where ``progress`` says."""
        self._bounds, self._slots, self._tracking, self._waking = bounds, slots, tracking, waking
        self._odd = 0
        self.clear(progress.position)
        self._restore(progress)

    def clear(self, position: int) -> None:
        """Forgets all, and goes on behind a position."""
        self.position = position
        self.keys = Keys(position, self._bounds, self._tracking.keys)
        self.loose = Loose(self._note_cut)
        self.settled = Recent(self._bounds.remembered)
        self.retries = Retries(self._tracking.failed)

    @property
    def pending(self) -> int:
        """How many are held."""
        return self.loose.events + self.keys.pending

    @property
    def count(self) -> int:
        """How many there are, held or not, parked keys left out; see ``Keys.unsettled``."""
        return self.loose.events + self.keys.unsettled

    @property
    def is_settled(self) -> bool:
        """Whether there are none, parked keys left out."""
        return not self.loose and len(self.keys) == len(self.keys.parked)

    @property
    def oldest(self) -> int:
        """The first one, parked keys left out; 0 if there are none."""
        firsts = (self.loose.first, self.keys.oldest)
        return min(filter(None, firsts), default=0)

    def through(self, position: int) -> int:
        """Answers how many there are up to a position; below the group's, one a key of what is read again."""
        if position >= self.position:
            return self.loose.events + self.keys.count
        spans = (span for span in self.loose.spans() if span[0] <= position)
        return sum(min(last, position) - first + 1 for first, last in spans) + self.keys.known_through(
            position
        )

    def find(self, sequence: int) -> Run | None:
        """Answers the run that an event is in, if it is held and not buffered."""
        key = self.keys.find(sequence)
        if key is None:
            return self.loose.find(sequence)
        return next((run for run in (key.head, *key.redriven) if run and run.first == sequence), None)

    def is_open(self, sequence: int) -> bool:
        """Tells whether an event is not settled.

        May be wrong about what was settled long ago, where keys are spilled; not about the rest.
        """
        if sequence > self.position or self.keys.find(sequence) or self.loose.find(sequence):
            return True
        return 0 < self.keys.sweeps.floor <= sequence and sequence not in self.settled

    # They come.

    def offer(self, events: Iterable[tuple[int, str]]) -> None:
        """Takes events above all that were taken, as sequences and keys."""
        ready, keyless = self.keys.offer(events)
        self._waking.call(self._slots.put(ready))
        if keyless:
            self.offer_spans((sequence, sequence) for sequence in keyless)

    def offer_spans(self, spans: Iterable[Span]) -> None:
        """Takes events above all that were taken, without keys."""
        for first, last in spans:
            self.loose.add(first, last)
        self._tracking.loose = True

    def sweep(self, events: Iterable[tuple[int, str]], through: int) -> None:
        """Takes what was read again for keys, up to a position."""
        room = self._bounds.look_ahead - self.pending
        ready = self.keys.sweep(events, min(through, self.position), room)
        self._waking.call(self._slots.put(ready))
        self.keys.end_sweep(self.position)

    def sweep_from(self) -> int | None:
        """Answers behind which position the log is to be read again for keys, None if it need not be."""
        while (behind := self.keys.sweep_from()) is not None and behind >= self.position:
            self.keys.end_sweep(self.position)
        return behind

    # They are given out.

    def take(self, share: Share, room: int, max_attempts: int, *, idle: bool) -> Taken:
        """Answers what waits for a member: loose runs and keys, each half if there are both.

        An event that is tried alone waits until the member is ``idle``, and what comes behind it with it.
        """
        if room <= 0:
            return Taken([])
        for those in (self.loose, share):
            if _is_next_alone(those, max_attempts):
                return Taken([those.take_next()], is_alone=True) if idle else Taken([], is_stopped=True)
        if not share.ready:
            runs = self.loose.take(room, max_attempts)
        else:
            self._odd = 1 - self._odd
            runs = self.loose.take((room + self._odd) // 2, max_attempts)
            left = room - sum(run.size for run in runs)
            heads = share.take(left, max_attempts)
            runs += heads + self.loose.take(left - len(heads), max_attempts)
        return Taken(
            runs, is_stopped=any(_is_next_alone(those, max_attempts) for those in (self.loose, share))
        )

    # They come back.

    def put_back(self, runs: Sequence[Run]) -> None:
        """Has runs wait for a member, in front of others."""
        for run in reversed(runs):
            run.phase = Phase.READY
            if run.key is None:
                self.loose.make_ready(run)
                continue
            self.keys.step_back(run.key)
            self.keys.promote(run.key)
            self._waking.call(self._slots.put((run.key,)))

    def retry(self, run: Run, due: float, *, waits: bool) -> None:
        """Has a run that failed tried again: when it is due, or at once."""
        run.due = due
        self.retries.note(run)
        if waits:
            self.retries.wait(run)
        else:
            self.put_back((run,))

    # They go.

    def settle(self, runs: Sequence[Run]) -> None:
        """Takes runs away: they are settled. Their keys go on."""
        if self.retries:
            for run in runs:
                self.retries.forget(run)
        if self.keys:  # otherwise nothing is spilled, nor will be down here
            self.settled.add(runs)
        ready = self.keys.settle(runs)
        if ready:
            self._waking.call(self._slots.put(ready))
        for run in runs:
            if run.key is None:
                self.loose.remove(run)
                self._tracking.loose = True

    def park(self, run: Run, parked: Parked) -> None:
        """Takes a run away and parks its key."""
        self.retries.forget(run)
        self.settled.add((run,))
        self.keys.park(run, parked, self.position + 1)
        self._tracking.parked.add(run.key_name)

    def unpark(self, name: str) -> None:
        """Lets a parked key go on."""
        key = self.keys.parked.get(name)
        if key is not None:
            self.keys.unpark(key)
            self._tracking.parked.add(name)
            self._promote(key)

    def revive(self, sequence: int, name: str) -> None:
        """Takes back a dead letter."""
        run = Run(sequence, sequence)
        run.redriven = True
        if name:
            key = self.keys.revive(run, name)
            self.retries.note(run)
            self.keys.step_back(key)
            self._promote(key)
        else:
            self.loose.insert(run)
            self._tracking.loose = True

    def _promote(self, key: Key) -> None:
        if self.keys.promote(key):
            self._waking.call(self._slots.put((key,)))

    def _note_cut(self, run: Run, rest: Run) -> None:
        """Notes that a run was cut in two: what is known of the whole is known of both."""
        if run.attempt_count:
            self.retries.note(run)
            self.retries.note(rest)
        if rest.phase is Phase.WAITING:
            self.retries.wait(rest)

    # They outlive the gateway.

    def _restore(self, progress: Progress) -> None:
        """Takes what was written down."""
        for first, last in progress.loose:
            self.loose.add(first, last)
        for name, first in progress.keys.items():
            self.keys.restore(name, first, progress.parked.get(name))
        for failed in progress.failed.values():
            self._restore_failed(failed)
        for key in list(self.keys):
            self._promote(key)

    def _restore_failed(self, failed: Failed) -> None:
        if not failed.key:
            whole = self.loose.find(failed.first)
            if whole is None:
                return
            run = self.loose.cut_out(whole, failed.first, min(failed.last, whole.last))
            run.remember(failed)
        else:
            run = Run(failed.first, failed.last)
            run.remember(failed)
            if run.attempt_count:
                self.keys.restore_head(run, failed.key)
            else:
                self.keys.revive(run, failed.key)
        self.retries.restore(run)
        if run.attempt_count:
            self.retries.wait(run)


def _is_next_alone(those: Loose | Share, max_attempts: int) -> bool:
    run = those.next
    return run is not None and run.is_tried_alone(max_attempts)
