"""Differences as plain values, and what collects them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

LISTED = 10_000
"""How many differences are kept; the others are counted."""
_SHOWN = 1_000
"""Characters of an element's text that are kept."""


class DifferenceKind(Enum):
    """What happened to an element."""

    ADDED = "ADDED"
    REMOVED = "REMOVED"
    CHANGED = "CHANGED"
    MOVED = "MOVED"
    """It is the same in another file, or at another place among its like."""
    COMMENT = "COMMENT"
    """Only its comment is another."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference.

    Attributes:
        kind: What happened.
        element: What kind of element: ``file``, ``package``, ``syntax``, ``import``, ``message``, ``field``,
            ``oneof``, ``enum``, ``enum value``, ``extension``, ``extension range``, ``reserved``,
            ``service``, ``method``, ``option``, or ``rule``.
        path: Full name of the element, or of what has it, as the new version has it; as the old one has it if
            it was removed. The file's name, if it is about a file.
        old: What it was: Protobuf text in one line, or words; empty if it was added.
        new: What it is; empty if it was removed.
    """

    kind: DifferenceKind
    element: str
    path: str
    old: str = ""
    new: str = ""

    @property
    def _order(self) -> tuple[bool, str, str, str, str, str]:
        comment = self.kind is DifferenceKind.COMMENT
        return comment, self.path, self.element, self.kind.value, self.old, self.new


class Differences:
    """Collects differences, the first ones by path if there are too many."""

    def __init__(self) -> None:
        self._kept: list[Difference] = []
        self.count = 0
        self.structural = 0

    def add(self, kind: DifferenceKind, element: str, path: str, old: str = "", new: str = "") -> None:
        """Adds one."""
        self._kept.append(Difference(kind, element, path, _short(old), _short(new)))
        self.count += 1
        self.structural += kind is not DifferenceKind.COMMENT
        if len(self._kept) > 2 * LISTED:
            self._kept = self.sorted()

    def sorted(self) -> list[Difference]:
        """Answers what was kept, by path, comments last."""
        return sorted(self._kept, key=lambda it: it._order)[:LISTED]  # noqa: SLF001 - one module


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
