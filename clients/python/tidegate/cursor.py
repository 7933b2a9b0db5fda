"""Where a subscription stands, and how it goes on after a break: a pure object.

No clock, no I/O: ``subscription`` hands it the frames of its streams. Its rules:

1. The first stream starts where the user said. ``Opened`` says which position that is; from then on every
   new stream starts behind the position, so also one from LATEST or from a time resumes without loss.
2. The position is the highest of: the position of Opened, of Heartbeat, of CaughtUp; the last sequence
   delivered; the last sequence of a Gap. It never falls.
3. Events at or below the position are cut: nothing is delivered twice.
4. The subscription is finished once the position reaches the end, or, with ``until_caught_up``, at the first
   CaughtUp.
5. It is caught up from CaughtUp to FellBehind.
6. Of a start at a time that was still to come, what is appended before it is left out on every stream: those
   after the first start behind a position, and say no time.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

from tidegate.notices import CaughtUp, Lag, gap_of, warning_of
from tidegate.v1 import event_service_pb2

if TYPE_CHECKING:
    from tidegate.notices import Notice
    from tidegate.v1 import event_pb2, subscription_pb2

_SILENT_INTERVALS = 3


class Start(Enum):
    """An end of the log to start at."""

    EARLIEST = event_service_pb2.START_POSITION_EARLIEST
    """The oldest event that is still kept."""
    LATEST = event_service_pb2.START_POSITION_LATEST
    """Only what is appended from now on."""


class Cursor:
    """The state of one subscription over all its streams. See the module's rules."""

    def __init__(
        self,
        request: event_service_pb2.SubscribeRequest,
        start: Start | int | datetime,
        *,
        until_caught_up: bool,
    ) -> None:
        self._request = request
        self._until_caught_up = until_caught_up
        set_start(request, start)
        self._from_time = (request.from_time.seconds, request.from_time.nanos)
        self.position: int | None = None
        self.caught_up = False
        self.lag: Lag | None = None
        self.finished = False
        self.reconnect_after: float | None = None
        self.silence = _SILENT_INTERVALS * seconds_of(request.heartbeat_interval)

    def next_request(self) -> event_service_pb2.SubscribeRequest:
        """Answers what to ask a new stream for (rule 1)."""
        self.reconnect_after = None
        if self.position is not None:
            self._request.from_sequence = self.position + 1
        return self._request

    def take(self, frame: event_service_pb2.SubscribeResponse) -> subscription_pb2.Batches | Notice | None:
        """Takes a frame; answers what it holds for the user: batches to be cut at ``after``, or a notice."""
        match frame.WhichOneof("frame"):
            case "batches":
                return frame.batches
            case "opened":
                self._take_opened(frame.opened)
            case "heartbeat":
                self._take_heartbeat(frame.heartbeat)
            case "caught_up":
                return self._take_caught_up(frame.caught_up)
            case "fell_behind":
                self.caught_up = False
                self.advance(frame.fell_behind.position)
            case "gap":
                self.advance(frame.gap.last_sequence)
                return gap_of(frame.gap)
            case "warning":
                return warning_of(frame.warning)
            case "draining":
                self.advance(frame.draining.position)
                self.reconnect_after = seconds_of(frame.draining.reconnect_after)
            case _:
                pass  # a frame of a newer gateway
        return None

    def wants(self, delivered: event_pb2.EventBatch) -> bool:
        """Tells whether a batch was appended at the time to start at, or later (rule 6)."""
        return (delivered.append_time.seconds, delivered.append_time.nanos) >= self._from_time

    def advance(self, position: int) -> None:
        """Notes that everything up to ``position`` was delivered or left out (rules 2 and 4)."""
        if self.position is None or position > self.position:
            self.position = position
        end = self._request.end_sequence
        self.finished = self.finished or bool(end and self.position >= end)

    @property
    def has_end(self) -> bool:
        """Whether the gateway may end the stream because everything was delivered."""
        return bool(self._request.end_sequence)

    def _take_opened(self, opened: subscription_pb2.Opened) -> None:
        self.advance(opened.position)
        if opened.HasField("heartbeat_interval"):
            self.silence = _SILENT_INTERVALS * seconds_of(opened.heartbeat_interval)

    def _take_caught_up(self, frame: subscription_pb2.CaughtUp) -> CaughtUp:
        self.caught_up = True
        self.finished = self.finished or self._until_caught_up
        self.advance(frame.position)
        return CaughtUp(frame.position)

    def _take_heartbeat(self, beat: subscription_pb2.Heartbeat) -> None:
        self.advance(beat.position)
        self.lag = Lag(beat.lag.ToTimedelta(), beat.lag_batches, beat.head_sequence)


def set_start(request: Any, start: Start | int | datetime) -> None:
    """Sets where to start, in a request that has ``start_position``, ``from_sequence`` and ``from_time``.

    Raises:
        TypeError, ValueError: It is no start.
    """
    if isinstance(start, Start):
        request.start_position = start.value
    elif isinstance(start, datetime):
        request.from_time.FromDatetime(check_time(start))
    elif isinstance(start, int) and not isinstance(start, bool):
        if start < 0:
            raise ValueError(f"start must be at least 0, not {start}")
        request.from_sequence = start
    else:
        raise TypeError(f"start is EARLIEST, LATEST, a sequence or a datetime, not {start!r}")


def check_time(time: datetime) -> datetime:
    """Answers a time that has a time zone.

    Raises:
        ValueError: It has none.
    """
    if time.tzinfo is None:
        raise ValueError(f"{time} has no time zone: say datetime(..., tzinfo=UTC) or .astimezone()")
    return time


def seconds_of(duration: Any) -> float:
    """Answers a Duration in seconds."""
    return float(duration.seconds + duration.nanos / 1e9)
