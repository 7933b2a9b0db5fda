"""Who is to be asked what it takes. Plain state.

Nobody is asked without need, and no wake-up is lost: of members that wait for the same thing one is woken,
and whoever is asked passes the wake-up on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Waking:
    """Members by what they wait for.

    Attributes:
        awake: Those that are to be asked.
    """

    def __init__(self) -> None:
        self.awake: set[str] = set()
        self._idle: dict[str, None] = {}
        self._blocked: dict[str, None] = {}
        self._behind: dict[str, None] = {}

    @property
    def has_idle(self) -> bool:
        """Whether anybody could have more than there was."""
        return bool(self._idle)

    def call(self, members: Iterable[str]) -> None:
        """Has members asked."""
        self.awake.update(members)

    def drop(self, member_id: str) -> None:
        """Forgets what a member waits for: it is asked now, or is a member no more."""
        self.awake.discard(member_id)
        self._idle.pop(member_id, None)
        self._blocked.pop(member_id, None)
        self._behind.pop(member_id, None)

    def wait_for_events(self, member_id: str) -> None:
        """Notes that a member could have more than there was."""
        self._idle[member_id] = None

    def wait_for_room(self, member_id: str) -> None:
        """Notes that a member got nothing because the group had as much as it may."""
        self._blocked[member_id] = None

    def wait_behind(self, member_id: str) -> None:
        """Notes that a member must settle what it has first: what comes next is tried alone."""
        self._behind[member_id] = None

    def call_behind(self) -> None:
        """Has members asked that wait behind an event which is tried alone: it waits no more."""
        self.call(self._behind)

    def pass_on(self, *, has_room: bool, has_loose: bool) -> None:
        """Wakes one of those that wait for room in the group, and one of those that wait for any event."""
        if has_room and self._blocked:
            self.awake.add(next(iter(self._blocked)))
        if has_loose and self._idle:
            self.awake.add(next(iter(self._idle)))

    def clear(self, members: Iterable[str]) -> None:
        """Forgets who waits for what, and has all members asked."""
        self._idle, self._blocked, self._behind = {}, {}, {}
        self.awake.update(members)
