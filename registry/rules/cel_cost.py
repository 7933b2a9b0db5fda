"""How much a CEL expression may cost, as bounds in the sizes of what it reads.

A ``Bound`` is a linear form: a constant, and a factor for each variable whose value's size counts
(``this``, and the variables of the comprehensions around). Whatever can't be bounded linearly raises
``Unbounded``. Imports no other module of the registry.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class Unbounded(Exception):
    """The expression may cost more than linear time or memory. ``str()`` says where and why."""


@dataclass(frozen=True, slots=True)
class Bound:
    """At most ``constant`` plus, for each variable, its factor times the size of its value.

    Sizes count bytes of the encoded value, and at least one for each element of a list or map.
    """

    constant: float = 0
    factors: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_constant(self) -> bool:
        """Whether the bound is the same for every event."""
        return not self.factors

    @property
    def weight(self) -> float:
        """The constant and all factors together: a rank, to compare bounds by."""
        return self.constant + sum(self.factors.values())

    def __add__(self, other: Bound) -> Bound:
        names = self.factors.keys() | other.factors.keys()
        factors = {name: self.factors.get(name, 0) + other.factors.get(name, 0) for name in names}
        return Bound(self.constant + other.constant, factors)

    def at_least(self, other: Bound) -> Bound:
        """The larger of the two, variable by variable."""
        names = self.factors.keys() | other.factors.keys()
        factors = {name: max(self.factors.get(name, 0), other.factors.get(name, 0)) for name in names}
        return Bound(max(self.constant, other.constant), factors)

    def scaled(self, factor: float) -> Bound:
        """This bound, ``factor`` times."""
        return Bound(self.constant * factor, {name: it * factor for name, it in self.factors.items()})

    def times(self, other: Bound, what: str) -> Bound:
        """The product, of which one side must be constant.

        Raises:
            Unbounded: Both sides grow with the event: the product would be quadratic.
        """
        if not (self.is_constant or other.is_constant):
            raise Unbounded(what)
        return self.scaled(other.constant) if other.is_constant else other.scaled(self.constant)

    def over(self, variable: str, elements: Bound, count: Bound, what: str) -> Bound:
        """The sum of this bound over the ``count`` values that ``variable`` takes from ``elements``.

        The values together are as large as ``elements``, and not more in number, so what is linear in
        each of them is linear in that; what concerns other variables is paid again for each value.

        Raises:
            Unbounded: What is paid again grows with the event, and so does the count.
        """
        again = Bound(0, {name: it for name, it in self.factors.items() if name != variable})
        own = self.constant + self.factors.get(variable, 0)
        return elements.scaled(own) + again.times(count, what)


ONE = Bound(1)
"""What takes the same time whatever the event's size."""
