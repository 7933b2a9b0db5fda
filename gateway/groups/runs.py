"""Runs of events that are not settled, and the leases under which members have them. Plain state."""

from __future__ import annotations

from enum import Enum
from operator import attrgetter
from typing import TYPE_CHECKING

from gateway.groups.values import ATTEMPTS_KEPT, UNSAID, Failed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.groups.keys import Key
    from gateway.groups.values import Attempt, Span

FIRST = attrgetter("first")


class Phase(Enum):
    """Where a run is."""

    READY = "READY"
    """It waits for a member."""
    LEASED = "LEASED"
    """A member has it."""
    WAITING = "WAITING"
    """It failed, and waits for its time."""
    GONE = "GONE"
    """It is settled, or a dead letter."""


class Run:
    """Events that follow each other and share one fate; just one, if it has a key.

    Attributes:
        first, last: Their sequences.
        key: Their key; None if they have none or the group does not order by key.
        phase: Where they are.
        lease: The lease under which a member has them, or had them last.
        expires: When that ends, if it was extended; 0 means: when the lease does.
        due: When they are tried again.
        attempt_count: How many attempts failed.
        attempts: Those of them that are remembered.
        redriven: Whether they came back from the dead letters.
    """

    __slots__ = (
        "attempt_count",
        "attempts",
        "due",
        "expires",
        "first",
        "key",
        "last",
        "lease",
        "phase",
        "redriven",
    )

    def __init__(self, first: int, last: int, key: Key | None = None) -> None:
        self.first = first
        self.last = last
        self.key = key
        self.phase = Phase.READY
        self.lease: Lease | None = None
        self.expires = self.due = 0.0
        self.attempt_count = 0
        self.attempts: tuple[Attempt, ...] = ()
        self.redriven = False

    @property
    def size(self) -> int:
        """How many sequences it spans."""
        return self.last - self.first + 1

    @property
    def key_name(self) -> str:
        """Its key; empty if it has none."""
        return self.key.name if self.key is not None else ""

    @property
    def is_tried(self) -> bool:
        """Whether somebody has it, or an attempt at it failed: nothing comes before it."""
        return self.attempt_count > 0 or self.phase is Phase.LEASED

    def is_tried_alone(self, max_attempts: int) -> bool:
        """Whether there is one attempt left, and whoever made the last one said nothing of it."""
        return 0 < self.attempt_count >= max_attempts - 1 and self.attempts[-1].outcome in UNSAID

    def part(self, first: int, last: int) -> Run:
        """Answers a run of some of its events, which are as they are here."""
        run = Run(first, last, self.key)
        run.phase, run.lease, run.expires, run.due = self.phase, self.lease, self.expires, self.due
        run.attempt_count, run.attempts, run.redriven = self.attempt_count, self.attempts, self.redriven
        return run

    def note(self, attempt: Attempt) -> None:
        """Notes an attempt that failed; of very many, the first ones and the last ones."""
        self.attempt_count += 1
        kept = (*self.attempts, attempt)
        if len(kept) > 2 * ATTEMPTS_KEPT:
            kept = (*kept[:ATTEMPTS_KEPT], *kept[ATTEMPTS_KEPT + 1 :])
        self.attempts = kept

    def remember(self, failed: Failed) -> None:
        """Takes up what ``as_failed`` answered."""
        self.due, self.redriven = failed.due, failed.redriven
        self.attempt_count, self.attempts = failed.attempt_count, failed.attempts

    def as_failed(self) -> Failed:
        """Answers what must be remembered of it."""
        return Failed(
            self.first, self.last, self.key_name, self.due, self.attempt_count, self.attempts, self.redriven
        )


class Lease:
    """What was given to a member at once.

    Attributes:
        member_id: The member.
        epoch: Names the lease within its group.
        expires: When it ends, for what is not extended.
        runs: What the member has of it still, by first sequence.
    """

    __slots__ = ("epoch", "expires", "member_id", "runs")

    def __init__(self, member_id: str, epoch: int, expires: float) -> None:
        self.member_id = member_id
        self.epoch = epoch
        self.expires = expires
        self.runs: dict[int, Run] = {}

    @property
    def ends(self) -> float:
        """When the first of its runs is to be taken back."""
        return min((self.ends_of(run) for run in self.runs.values()), default=self.expires)

    def ends_of(self, run: Run) -> float:
        """Answers when one of its runs is to be taken back."""
        return max(run.expires, self.expires)


def spans_of(runs: Iterable[Run]) -> tuple[Span, ...]:
    """Answers what runs span, in order."""
    spans: list[Span] = []
    end = -1
    for run in sorted(runs, key=FIRST):
        if run.first == end + 1:
            spans[-1] = (spans[-1][0], run.last)
        else:
            spans.append((run.first, run.last))
        end = run.last
    return tuple(spans)
