"""A unified diff of two texts, in time that is bounded whatever they are.

Lines that stand once in both texts hold them together; between them, as far as the allowance of work
goes, a longest common subsequence is found; the rest counts as replaced.
"""

from __future__ import annotations

from itertools import chain, pairwise
from typing import TYPE_CHECKING

from registry.diffing.order import rising

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CONTEXT = 3
_DEPTH = 8
_CELLS_AT_ONCE = 100_000
_CELLS = 2_000_000
"""Comparisons of two lines, in all; some tenths of a second."""

Span = tuple[int, int, int, int]
"""Lines ``[a:b]`` of the old text and ``[c:d]`` of the new one, as (a, b, c, d)."""


def unified(old: str, new: str, old_name: str, new_name: str) -> Iterator[str]:
    """Answers the lines of a unified diff with three lines of context; none if the texts are the same."""
    left, right = _split(old), _split(new)
    for index, hunk in enumerate(_hunks(_changes(left, right))):
        if not index:
            yield f"--- {old_name}"
            yield f"+++ {new_name}"
        yield from _hunk(left, right, hunk)


def _split(text: str) -> list[str]:
    return text.removesuffix("\n").split("\n") if text else []


def _changes(left: Sequence[str], right: Sequence[str]) -> list[Span]:
    """Answers which lines are replaced by which, in order."""
    changes: list[Span] = []
    at, other = 0, 0
    for one, two in chain(_Alignment(left, right).pairs(), [(len(left), len(right))]):
        if (at, other) != (one, two):
            changes.append((at, one, other, two))
        at, other = one + 1, two + 1
    return changes


class _Alignment:
    """Finds out which lines are the same."""

    def __init__(self, left: Sequence[str], right: Sequence[str]) -> None:
        self._left, self._right = left, right
        self._cells = _CELLS

    def pairs(self) -> list[tuple[int, int]]:
        """Answers the lines that are the same, rising on both sides."""
        found: list[tuple[int, int]] = []
        waiting = [((0, len(self._left), 0, len(self._right)), 0)]
        while waiting:
            span, depth = waiting.pop()
            inner = self._trimmed(span, found)
            anchors = self._anchors(inner) if depth < _DEPTH else []
            if not anchors:
                found += self._common(inner)
                continue
            found += anchors
            a, b, c, d = inner
            ends = [(a - 1, c - 1), *anchors, (b, d)]
            for (one, two), (three, four) in pairwise(ends):
                if three - one > 1 and four - two > 1:
                    waiting.append(((one + 1, three, two + 1, four), depth + 1))
        return sorted(found)

    def _trimmed(self, span: Span, found: list[tuple[int, int]]) -> Span:
        """Answers what is left when lines that are the same at both ends are found."""
        a, b, c, d = span
        while a < b and c < d and self._left[a] == self._right[c]:
            found.append((a, c))
            a, c = a + 1, c + 1
        while a < b and c < d and self._left[b - 1] == self._right[d - 1]:
            b, d = b - 1, d - 1
            found.append((b, d))
        return a, b, c, d

    def _anchors(self, span: Span) -> list[tuple[int, int]]:
        """Answers a longest run of lines that stand once on each side."""
        a, b, c, d = span
        left, right = _once(self._left, a, b), _once(self._right, c, d)
        both = [(at, right[line]) for line, at in left.items() if line in right]
        return [both[index] for index in rising([other for _, other in both])]

    def _common(self, span: Span) -> list[tuple[int, int]]:
        """Answers a longest common subsequence; nothing if it takes too much work."""
        a, b, c, d = span
        cells = (b - a) * (d - c)
        if not cells or cells > min(_CELLS_AT_ONCE, self._cells):
            return []
        self._cells -= cells
        lengths = [[0] * (d - c + 1) for _ in range(b - a + 1)]
        for i in range(b - a - 1, -1, -1):
            for j in range(d - c - 1, -1, -1):
                same = self._left[a + i] == self._right[c + j]
                lengths[i][j] = (
                    lengths[i + 1][j + 1] + 1 if same else max(lengths[i + 1][j], lengths[i][j + 1])
                )
        return self._walk(a, c, lengths)

    def _walk(self, a: int, c: int, lengths: list[list[int]]) -> list[tuple[int, int]]:
        found = []
        i = j = 0
        while lengths[i][j]:
            if self._left[a + i] == self._right[c + j]:
                found.append((a + i, c + j))
                i, j = i + 1, j + 1
            elif lengths[i + 1][j] >= lengths[i][j + 1]:
                i += 1
            else:
                j += 1
        return found


def _once(lines: Sequence[str], start: int, end: int) -> dict[str, int]:
    """Answers where the lines stand that stand once, in order."""
    places: dict[str, int] = {}
    for index in range(start, end):
        places[lines[index]] = -1 if lines[index] in places else index
    return {line: index for line, index in places.items() if index >= 0}


def _hunks(changes: Sequence[Span]) -> Iterator[list[Span]]:
    """Groups changes that are so close that their contexts touch."""
    hunk: list[Span] = []
    for change in changes:
        if hunk and change[0] - hunk[-1][1] > 2 * _CONTEXT:
            yield hunk
            hunk = []
        hunk.append(change)
    if hunk:
        yield hunk


def _hunk(left: Sequence[str], right: Sequence[str], changes: Sequence[Span]) -> Iterator[str]:
    before = min(_CONTEXT, changes[0][0])
    after = min(_CONTEXT, len(left) - changes[-1][1])
    a, c = changes[0][0] - before, changes[0][2] - before
    b, d = changes[-1][1] + after, changes[-1][3] + after
    yield f"@@ -{_range(a, b)} +{_range(c, d)} @@"
    at = a
    for one, two, three, four in changes:
        yield from (f" {line}" for line in left[at:one])
        yield from (f"-{line}" for line in left[one:two])
        yield from (f"+{line}" for line in right[three:four])
        at = two
    yield from (f" {line}" for line in left[at:b])


def _range(start: int, end: int) -> str:
    """Answers lines as hunks count them: from 1 on, and an empty range by the line before it."""
    length = end - start
    return f"{start + 1 if length else start}{'' if length == 1 else f',{length}'}"
