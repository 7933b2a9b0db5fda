"""Which elements of a list changed places: as few as possible, the others kept their order."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def rising(numbers: Sequence[int]) -> list[int]:
    """Answers the indexes of a longest run of rising numbers, none twice in ``numbers``; n log n."""
    ends: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for index, number in enumerate(numbers):
        length = bisect_left(ends, number)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1], last[length : length + 1] = [number], [index]
    run = []
    index = last[-1] if last else -1
    while index >= 0:
        run.append(index)
        index = before[index]
    return run[::-1]


def moved(places: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Answers which of the (old, new) places are out of order."""
    ordered = sorted(places)
    kept = set(rising([new for _, new in ordered]))
    return [place for index, place in enumerate(ordered) if index not in kept]
