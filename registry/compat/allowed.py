"""Sets of values that rules allow, exact enough to tell whether one lies within another. Pure values.

Whatever has an order (numbers, enums, durations, timestamps, counts) is in ``allowed_order``, texts and
bytes are in ``allowed_text``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Allowed(Protocol):
    """A set of values of one family, such as whole numbers or texts."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no value in it."""
        ...

    @property
    def has_zero(self) -> bool:
        """Whether the value of a field that nobody set is in it."""
        ...

    def without_zero(self) -> Allowed:
        """Answers the set of the others."""
        ...

    def within(self, other: Allowed) -> bool:
        """Tells whether all of its values are in ``other``; False also if that can't be told."""
        ...

    def beyond(self, other: Allowed) -> str:
        """Answers in words which of its values are not in ``other``; empty if words would not help."""
        ...


@dataclass(frozen=True, slots=True)
class Anything:
    """All values of a family that no rule here speaks about."""

    is_empty: bool = False
    has_zero: bool = True

    def without_zero(self) -> Allowed:
        """Answers itself: nothing more is known of it."""
        return self

    def within(self, other: Allowed) -> bool:
        """Tells whether the other has no bounds either."""
        return isinstance(other, Anything)

    def beyond(self, other: Allowed) -> str:  # noqa: ARG002 - the protocol's
        """Answers nothing."""
        return ""


@dataclass(frozen=True, slots=True)
class Paths:
    """Field masks: the paths below which they may name fields, and those below which they may not."""

    only: frozenset[str] | None = None
    never: frozenset[str] = frozenset()
    exactly: tuple[str, ...] | None = None
    is_empty: bool = False

    @property
    def has_zero(self) -> bool:
        """Whether the empty mask is in it."""
        return not self.exactly

    def without_zero(self) -> Paths:
        """Answers itself: a superset of the others."""
        return self

    def within(self, other: Allowed) -> bool:
        """Tells whether all of its masks are in ``other``; not exact where both name many paths."""
        if not isinstance(other, Paths):
            return isinstance(other, Anything)
        if self.exactly is not None:
            return other.exactly in {None, self.exactly} and all(map(other.has, self.exactly))
        if other.exactly is not None:
            return False
        fits = other.only is None or (
            self.only is not None and all(_below(it, other.only) for it in self.only)
        )
        return fits and all(_below(it, self.never) for it in other.never)

    def has(self, path: str) -> bool:
        """Tells whether a mask may name a path."""
        return (self.only is None or _below(path, self.only)) and not _below(path, self.never)

    def beyond(self, other: Allowed) -> str:  # noqa: ARG002 - the protocol's
        """Answers nothing."""
        return ""


def _below(path: str, roots: frozenset[str]) -> bool:
    return any(path == root or path.startswith(f"{root}.") for root in roots)
