"""What rules ask of a value, as sets of allowed values and as conditions. Pure values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.compat.allowed import Allowed


@dataclass(frozen=True, slots=True)
class Condition:
    """A rule that can't be reckoned with: it is met wherever an equal one is.

    Attributes:
        name: What it is about: ``pattern``, ``cel``, ...
        text: What it demands.
        at_most: Set if a smaller one of the name implies it too: nanoseconds from now.
    """

    name: str
    text: str
    at_most: int | None = None

    def follows(self, given: frozenset[Condition]) -> bool:
        """Tells whether it is met wherever those that are given are."""
        return self in given or (
            self.at_most is not None
            and any(
                it.name == self.name and it.at_most is not None and it.at_most <= self.at_most for it in given
            )
        )


@dataclass(frozen=True, slots=True)
class Aspect:
    """Rules that are looked at together.

    Attributes:
        rules: Their values as text, by name: ``{"int32.gte": "1"}``.
        allowed: The values that pass, as far as they can be reckoned with.
        conditions: What else must be met.
    """

    rules: Mapping[str, str]
    allowed: Allowed
    conditions: frozenset[Condition] = frozenset()


@dataclass(frozen=True, slots=True)
class Demand:
    """What rules ask of a value.

    Attributes:
        aspects: The rules, by what they are about.
        allowed: The values that pass all of them, as far as they can be reckoned with.
        conditions: What else must be met, with all that follows from it.
        required: Whether it must be there.
        spares_zero: Whether a value that is zero, or empty, is not looked at.
        ignored: Whether rules are there and don't count.
        parts: Demands on its elements: ``repeated.items``, ``map.keys``, ``map.values``.
    """

    aspects: Mapping[str, Aspect]
    allowed: Allowed
    conditions: frozenset[Condition] = frozenset()
    required: bool = False
    spares_zero: bool = False
    ignored: bool = False
    parts: Mapping[str, Demand] = field(default_factory=dict)

    def meets(self, aspect: Aspect, *, nonzero: bool = False) -> bool:
        """Tells whether all values (other than zero, if asked) that pass here pass an aspect."""
        allowed = self.allowed.without_zero() if nonzero else self.allowed
        return allowed.is_empty or (
            allowed.within(aspect.allowed) and all(it.follows(self.conditions) for it in aspect.conditions)
        )

    def takes_zero(self) -> bool | None:
        """Tells whether zero passes the rules about values; None if that can't be told here."""
        if not self.allowed.has_zero:
            return False
        return None if self.conditions else True
