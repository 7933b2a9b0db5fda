"""What a stream tells besides events, as plain values, and who is told of it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from tidegate.v1 import subscription_pb2

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

_log = logging.getLogger("tidegate")


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that were not delivered.

    Attributes:
        first_sequence: The first that may be missing.
        last_sequence: The last that is missing.
        topics: The topics concerned.
        cause: ``RETENTION``: they were removed before; or ``INCOMPATIBLE_VERSION``: they were written with a
            schema version that can't be read as the one that the reader was built with. Those are in the log.
    """

    first_sequence: int
    last_sequence: int
    topics: tuple[str, ...]
    cause: str = "RETENTION"


@dataclass(frozen=True, slots=True)
class StreamWarning:
    """Something that a reader should know; its stream goes on.

    Attributes:
        kind: ``FILTER_FAILED``, ``LEASE_EXPIRED``, ``GROUP_STALLED`` or ``GROUP_MOVED``; more may come.
        message: One sentence for people: what happened and what to do.
        event_count: How many events it concerns, 0 if it is not about events.
        first_sequence: The first of them.
        last_sequence: The last of them.
    """

    kind: str
    message: str
    event_count: int = 0
    first_sequence: int = 0
    last_sequence: int = 0


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """The reader is at the head of the log; of a group, all that is in the log is settled."""

    position: int


@dataclass(frozen=True, slots=True)
class Late:
    """Events whose settlement came too late: they are the group's again, and are given out anew.

    Attributes:
        sequences: Which ones.
    """

    sequences: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lag:
    """How far behind the head of the log a reader was at the last heartbeat.

    Attributes:
        time: How long ago the reader's position was the head.
        batches: Batches of the whole log, over all topics, behind the reader's position.
        head_sequence: The last sequence of the whole log.
    """

    time: timedelta
    batches: int
    head_sequence: int


Notice: TypeAlias = Gap | StreamWarning | CaughtUp


@dataclass(frozen=True, slots=True)
class Listeners:
    """Functions of the program that are told of notices; what nobody listens to is logged, if it matters."""

    on_gap: Callable[[Gap], object] | None = None
    on_caught_up: Callable[[int], object] | None = None
    on_warning: Callable[[StreamWarning], object] | None = None
    on_late: Callable[[Late], object] | None = None

    def tell(self, notice: Notice | Late) -> None:
        """Tells who wants to know."""
        match notice:
            case Gap():
                self._tell_gap(notice)
            case CaughtUp():
                if self.on_caught_up:
                    self.on_caught_up(notice.position)
            case StreamWarning():
                if self.on_warning:
                    self.on_warning(notice)
                else:
                    _log.warning("%s: %s", notice.kind, notice.message)
            case Late():
                if self.on_late:
                    self.on_late(notice)
                else:
                    _log.warning("settled too late, and given out again: %s", _shorten(notice.sequences))

    def _tell_gap(self, gap: Gap) -> None:
        what = "were removed" if gap.cause == "RETENTION" else "could not be"
        _log.warning("events %d to %d %s before they were read", gap.first_sequence, gap.last_sequence, what)
        if self.on_gap:
            self.on_gap(gap)


def gap_of(frame: subscription_pb2.Gap) -> Gap:
    """Answers what a frame says."""
    is_unreadable = frame.cause == subscription_pb2.GAP_CAUSE_INCOMPATIBLE_VERSION
    cause = "INCOMPATIBLE_VERSION" if is_unreadable else "RETENTION"
    return Gap(frame.first_sequence, frame.last_sequence, tuple(frame.topics), cause)


def warning_of(frame: subscription_pb2.Warning) -> StreamWarning:
    """Answers what a frame says; kinds of a newer gateway have their number as name."""
    try:
        kind = subscription_pb2.WarningKind.Name(frame.kind).removeprefix("WARNING_KIND_")
    except ValueError:
        kind = str(frame.kind)
    return StreamWarning(kind, frame.message, frame.event_count, frame.first_sequence, frame.last_sequence)


def _shorten(sequences: tuple[int, ...]) -> str:
    named = ", ".join(map(str, sequences[:10]))
    more = len(sequences) - 10
    return f"{named} and {more:,} more" if more > 0 else named
