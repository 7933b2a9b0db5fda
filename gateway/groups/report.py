"""How one group stands: what its members' streams say of it, and what operators are told.

Changes nothing. Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import time
from itertools import islice
from typing import TYPE_CHECKING, Final

from gateway.groups.values import Stats

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.groups.feeder import Feeder
    from gateway.groups.state import GroupState
    from gateway.log import EventLog

RETRY_TOLD: Final = 10.0
"""For how many seconds all that a group holds must wait until it is told that it stalls."""
MEMBERS_TOLD: Final = 1_000
"""How many members are told of."""
RETRYING_TOLD: Final = 100
"""How many failed events, and how many parked keys, are told of."""
_NANOS: Final = 1_000_000_000


class Report:
    """Tells how a group stands, which ``state`` and ``feeder`` know; ``now`` answers the group's time."""

    def __init__(self, log: EventLog, state: GroupState, feeder: Feeder, now: Callable[[], float]) -> None:
        self._log = log
        self._state = state
        self._feeder = feeder
        self._now = now

    @property
    def stalled(self) -> str:
        """Why no further events are delivered; empty if they are."""
        state, trouble = self._state, self._feeder.trouble
        if state.stalled:
            return state.stalled
        if trouble:
            return f"it can't read on, and tries again each second: {trouble}"
        due = state.next_time() if state.is_full_of_failed else None
        if due is None or due - self._now() < RETRY_TOLD:
            return ""
        return (
            f"it holds as many events as it may, {state.pending:,}, and all of them wait for the next "
            f"attempt at one that failed, the first for {due - self._now():.0f} s. "
            f"Skip such events, or move the group"
        )

    async def head(self) -> int:
        """Answers the head of the log."""
        return (await self._log.bounds(self._feeder.selection)).head

    async def standing(self) -> tuple[int, int, int]:
        """Answers the head, how many batches lie behind the position, and when that was the head, in ns."""
        bounds = await self._log.bounds(self._feeder.selection)
        return bounds.head, max(0, bounds.head_ordinal - self._feeder.ordinal), self._feeder.read_time

    async def stats(self) -> Stats:
        """Answers how the group stands.

        Raises:
            StorageFailed: The log can't be read.
        """
        state, selection = self._state, self._feeder.selection
        bounds = await self._log.bounds(selection)
        unread = await self._log.count(selection, state.position, bounds.head)
        oldest, since = await self._oldest()
        retrying = state.retrying
        return Stats(
            position=state.position,
            head=bounds.head,
            members=tuple(state.members()[:MEMBERS_TOLD]),
            in_flight=state.in_flight,
            retrying_count=len(retrying),
            lag_events=state.unsettled + unread,
            lag=max(0.0, (time.time_ns() - since) / _NANOS) if oldest else 0.0,
            oldest=oldest,
            retrying=tuple(retrying[:RETRYING_TOLD]),
            parked_count=state.parked_count,
            parked=tuple(islice(state.parked, RETRYING_TOLD)),
            stalled=self.stalled,
            lost_through=state.lost_through,
        )

    async def _oldest(self) -> tuple[int, int]:
        """Answers the oldest event that is not settled and when it was appended (ns); zeros if all are."""
        oldest, after = self._state.oldest, self._state.position
        page = await self._log.read(
            self._feeder.selection, oldest - 1 if oldest else after, max_bytes=1, deadline=0.0
        )
        if not page.batches:
            return oldest, time.time_ns()
        return oldest or max(page.batches[0].first_sequence, after + 1), page.batches[0].append_time
