"""Where a member of a group stands, and how it joins again after a break: a pure object.

A group knows its place itself, so there is nothing to resume from; what else a cursor knows is the same. Its
rules, besides those of ``cursor``:

1. The first stream says what the group is to be, in case that there is none. Those after it only name it: it
   may have been changed, or deleted, since.
2. The position is how far the group has read the log, and falls when the group is moved.
3. Events are not cut by their sequence: one that is tried again lies behind others. ``settling`` knows which
   are new.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.cursor import Cursor, seconds_of

if TYPE_CHECKING:
    from tidegate.v1 import event_service_pb2, subscription_pb2

DEFAULT_LEASE = 30.0
"""Seconds that a member has for an event, where the gateway does not say."""
_DEFINITION = ("topics", "types", "filter", "type_filters", "group_settings", "start")


class GroupCursor(Cursor):
    """The state of one member over all its streams. See the module's rules.

    Attributes:
        member_id: Its present name, empty before the first stream is open.
        lease: How many seconds it has for an event.
        max_in_flight: How many events it may have.
    """

    member_id = ""
    lease = DEFAULT_LEASE
    max_in_flight = 0

    def next_request(self) -> event_service_pb2.SubscribeRequest:
        """Answers what to ask a new stream for (rule 1)."""
        self.reconnect_after = None
        if self.member_id:
            for field in _DEFINITION:
                self._request.ClearField(field)
        return self._request

    def advance(self, position: int) -> None:
        """Notes how far the group has read (rule 2)."""
        self.position = position

    def _take_opened(self, opened: subscription_pb2.Opened) -> None:
        super()._take_opened(opened)
        self.caught_up = False
        self.member_id = opened.member_id
        self.lease = seconds_of(opened.lease) or DEFAULT_LEASE
        self.max_in_flight = opened.max_in_flight
