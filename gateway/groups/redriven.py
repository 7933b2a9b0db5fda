"""Redriven events that are not settled: what is kept of them, for the log may not have them any more.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.groups.payloads import Excerpt, Portion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gateway.groups.store import GroupStore
    from gateway.groups.values import Span


class Redriven:
    """The redriven events of one group, by sequence; their bytes are in the store."""

    def __init__(self, store: GroupStore, group: str, sequences: Iterable[int] = ()) -> None:
        self._store = store
        self._group = group
        self._sequences = set(sequences)

    def __len__(self) -> int:
        return len(self._sequences)

    def add(self, sequence: int) -> None:
        """Notes that a dead letter is one no more."""
        self._sequences.add(sequence)

    async def fill(self, portion: Portion) -> Portion:
        """Answers a portion of events with what is kept of those that the log lacks.

        Raises:
            StorageFailed: The store can't be read.
        """
        wanted = [
            sequence
            for first, last in portion.lost
            for sequence in range(first, last + 1)
            if sequence in self._sequences
        ]
        if not wanted:
            return portion
        found = await self._store.redriven(self._group, wanted)
        excerpts = [*portion.excerpts, *(Excerpt(batch, (0,)) for batch in found)]
        excerpts.sort(key=lambda excerpt: excerpt.batch.first_sequence)
        return Portion(excerpts, _without(portion.lost, {batch.first_sequence for batch in found}))

    def done(self, holds: Callable[[int], bool]) -> list[int]:
        """Answers those that the group does not hold any more."""
        return [sequence for sequence in self._sequences if not holds(sequence)]

    def forget(self, sequences: Iterable[int]) -> None:
        """Lets go of some."""
        self._sequences.difference_update(sequences)


def _without(spans: Iterable[Span], found: set[int]) -> list[Span]:
    left: list[Span] = []
    for first, last in spans:
        at = first
        for sequence in sorted(it for it in found if first <= it <= last):
            if at < sequence:
                left.append((at, sequence - 1))
            at = sequence + 1
        if at <= last:
            left.append((at, last))
    return left
