"""One group at work: reads the log for it, serves its members, and has its progress written down.

The thin shell around ``state``, which decides everything. Imports nothing of gRPC or of the stubs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from gateway.frames import Frame, Subscribing
    from gateway.groups.store import GroupStore, Write
    from gateway.groups.values import DeadLetter, Definition, Progress, Seeked, Settled, Settlement, Stats
    from gateway.log import EventLog
    from gateway.topics import Topics


class GroupRuntime:
    """One group at work. Used from one event loop."""

    def __init__(
        self,
        definition: Definition,
        progress: Progress,
        *,
        letters: GroupStore,
        log: EventLog,
        topics: Topics,
        sieves: object,
        save: Callable[[GroupRuntime], None],
    ) -> None:
        self.definition = definition
        self._parts = (progress, letters, log, topics, sieves, save)

    @property
    def member_count(self) -> int:
        """How many members read now."""
        return 0

    @property
    def held_count(self) -> int:
        """How many events that failed, or were redriven, and are not settled it holds in memory."""
        raise NotImplementedError

    def parked_behind(self, key: str) -> int:
        """Answers the event that a key is parked behind, 0 if it is not parked."""
        return 0

    def frames(self, wanted: Subscribing) -> AsyncGenerator[Frame, None]:
        """Answers the frames of a new member, until it is closed, the group is deleted, or ``drain``."""
        raise NotImplementedError

    def settle(self, member_id: str, settlements: Sequence[Settlement]) -> Settled:
        """Takes what a member says of events; takes effect at once, and is written down within 100 ms."""
        raise NotImplementedError

    async def stats(self) -> Stats:
        """Answers how the group stands."""
        raise NotImplementedError

    async def update(self, definition: Definition) -> None:
        """Goes on as a new definition says, which is stored already."""
        self.definition = definition

    async def seek(self, position: int, *, dry_run: bool) -> Seeked:
        """Goes on behind another position, or only tells what that would mean; durable when it answers."""
        raise NotImplementedError

    async def release_key(self, key: str) -> int:
        """Lets a parked key go on; answers the event that is tried again, 0 if that was purged. Durable.

        Raises:
            KeyNotParked: The key is not parked.
        """
        raise NotImplementedError

    async def skip(self, sequence: int) -> str:
        """Gives an event up; answers its key, which goes on behind it. Durable.

        Raises:
            EventNotHeld: It is neither what a key is parked behind nor a failed event that is not settled.
        """
        raise NotImplementedError

    async def redrive(self, letters: Sequence[DeadLetter]) -> None:
        """Delivers dead letters of this group again; they are none any more. Durable."""
        raise NotImplementedError

    async def unwritten(self) -> Write | None:
        """Answers what changed since this was last asked, None if nothing did; see ``Flush``."""
        return None

    def drain(self) -> None:
        """Ends the streams of all members with a ``DrainingFrame``; what they settle is still taken."""

    async def close(self, *, deleted: bool = False) -> None:
        """Ends the streams of all members, with GroupNotFound if the group was deleted."""
