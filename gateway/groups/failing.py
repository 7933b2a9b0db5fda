"""What becomes of events whose attempts fail: another one, or the dead letters (rules 5 and 7)."""

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

        Only one that the member called failed has to wait: for ``delay``, or for its back-off.
        """
        run.note(attempt)
        outcome, now = attempt.outcome, attempt.time
        if outcome is Outcome.REJECTED:
            self.give_up(run, Cause.REJECTED, now)
        elif run.attempt_count >= self.settings.max_attempts:
            self.give_up(run, Cause.MAX_ATTEMPTS, now)
        else:
            waits = outcome is Outcome.NACKED
            wait = self.settings.backoff(run.attempt_count) if delay is None else delay
            self._unsettled.retry(run, now + wait if waits else now, waits=waits)

    def give_up(self, run: Run, cause: Cause, now: float) -> None:
        """Makes dead letters of events; parks their key, if that is to be and they were not skipped."""
        self._tracking.dead += [
            Dead(sequence, run.key_name, now, cause, run.attempt_count, run.attempts)
            for sequence in range(run.first, run.last + 1)
        ]
        parks = self.settings.dead_letters is DeadLetterPolicy.PARK_KEY and cause is not Cause.SKIPPED
        if parks and run.key is not None:
            reason = run.attempts[-1].reason if run.attempts else ""
            self._unsettled.park(run, Parked(run.first, now, reason))
        else:
            self._unsettled.settle((run,))
