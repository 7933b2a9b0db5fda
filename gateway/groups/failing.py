"""What becomes of events whose attempts fail: one more, or the dead letters (rules 5 and 7 of ``state``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.groups.values import Cause, Dead, DeadLetterPolicy, Outcome, Parked

if TYPE_CHECKING:
    from gateway.groups.runs import Run
    from gateway.groups.tracking import Tracking
    from gateway.groups.unsettled import Unsettled
    from gateway.groups.values import Attempt, Settings


class Failing:
    """Decides about events that no member has any more, as ``settings`` say at the time."""

    def __init__(self, settings: Settings, unsettled: Unsettled, tracking: Tracking) -> None:
        self.settings = settings
        self._unsettled = unsettled
        self._tracking = tracking

    def fail(self, run: Run, attempt: Attempt, delay: float | None = None) -> None:
        """Notes that an attempt failed.

        Only a run that its member called failed has to wait: for ``delay``, or for its back-off.
        """
        run.note(attempt)
        if attempt.outcome is Outcome.REJECTED:
            self.give_up(run, Cause.REJECTED, attempt.time)
        elif run.attempt_count >= self.settings.max_attempts:
            self.give_up(run, Cause.MAX_ATTEMPTS, attempt.time)
        elif attempt.outcome is Outcome.NACKED:
            wait = self.settings.backoff(run.attempt_count) if delay is None else delay
            self._unsettled.retry(run, attempt.time + wait, waits=True)
        else:
            self._unsettled.retry(run, attempt.time, waits=False)

    def give_up(self, run: Run, cause: Cause, now: float) -> None:
        """Makes dead letters of events; parks their key, if that is to be and they were not skipped."""
        for sequence in range(run.first, run.last + 1):
            dead = Dead(sequence, run.key_name, now, cause, run.attempt_count, run.attempts)
            self._tracking.dead[sequence] = dead
        parks = self.settings.dead_letters is DeadLetterPolicy.PARK_KEY and cause is not Cause.SKIPPED
        if parks and run.key is not None:
            reason = run.attempts[-1].reason if run.attempts else ""
            self._unsettled.park(run, Parked(run.first, now, reason))
        else:
            self._unsettled.settle((run,))
