"""What settlements answer about events that they name and take no effect on. Plain state, no rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gateway.groups.unsettled import Unsettled
    from gateway.groups.values import Span


class Sequences:
    """Sequences, as few spans as can be if they come in order."""

    def __init__(self) -> None:
        self._spans: list[Span] = []

    def add(self, sequence: int) -> None:
        """Takes a sequence."""
        if self._spans and self._spans[-1][1] == sequence - 1:
            self._spans[-1] = (self._spans[-1][0], sequence)
        else:
            self._spans.append((sequence, sequence))

    def all(self) -> tuple[Span, ...]:
        """Answers the spans."""
        return tuple(self._spans)


class Missed:
    """Events that a member named and does not have: ``before`` are settled, ``late`` are not."""

    def __init__(self) -> None:
        self.before = Sequences()
        self.late = Sequences()

    def tell(self, spans: Iterable[Span], unsettled: Unsettled) -> None:
        """Looks what became of events."""
        for first, last in spans:
            for sequence in range(first, last + 1):
                (self.late if unsettled.is_open(sequence) else self.before).add(sequence)
