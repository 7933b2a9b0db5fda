"""Sets of values with an order, as whole numbers: their places on a scale. Pure values."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from math import inf, isnan
from typing import TYPE_CHECKING, Any

from registry.compat.allowed import Anything
from registry.compat.shape import Numbers, Span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from registry.compat.allowed import Allowed

_NONE = Numbers()
_SPANS_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Scale:
    """Where the values of a type lie among the whole numbers. Zero lies at 0.

    Attributes:
        family: Scales of one family give a value the same place.
        least: The place of the smallest value.
        most: The place of the largest.
        form: How a place is shown: ``int``, ``float``, ``double``, ``seconds`` or ``count``.
        nan: Whether there is a place for NaN, behind the largest value.
    """

    family: str
    least: int
    most: int
    form: str = "int"
    nan: bool = False

    def everything(self) -> Ordered:
        """Answers all of its values."""
        return Ordered(self, Numbers([Span(self.least, self.most + self.nan)]))

    def place(self, value: Any) -> int:
        """Answers a value's place. Messages are durations and timestamps."""
        if self.form == "seconds":
            return int(value.seconds) * 10**9 + int(value.nanos)
        if self.nan:
            return self.most + 1 if isnan(value) else _float_place(value, *_FLOATS[self.form])
        return int(value)

    def show(self, place: int) -> str:
        """Answers the value at a place, as people write it."""
        if self.form == "seconds":
            seconds, nanos = divmod(abs(place), 10**9)
            digits = f"{seconds}.{nanos:09}".rstrip("0").rstrip(".")
            return f"{'-' if place < 0 else ''}{digits}s"
        if self.nan:
            return "NaN" if place > self.most else f"{_float_at(place, *_FLOATS[self.form]):g}"
        return str(place)

    def at(self, place: int) -> float:
        """Answers the number at a place."""
        if not self.nan:
            return place
        return float("nan") if place > self.most else _float_at(place, *_FLOATS[self.form])


_FLOATS = {"float": ("<f", "<i", 31), "double": ("<d", "<q", 63)}


def _float_place(value: float, form: str, whole: str, bits: int) -> int:
    place: int = struct.unpack(whole, struct.pack(form, value))[0]
    return place if place >= 0 else -(place + (1 << bits))


def _float_at(place: int, form: str, whole: str, bits: int) -> float:
    pattern = place if place >= 0 else -place - (1 << bits)
    value: float = struct.unpack(form, struct.pack(whole, pattern))[0]
    return value


def float_scale(form: str) -> Scale:
    """Answers the scale of ``float`` or ``double``, on which neighbours lie one apart."""
    most = _float_place(inf, *_FLOATS[form])
    return Scale(form, -most, most, form, nan=True)


@dataclass(frozen=True, slots=True)
class Ordered:
    """Values with an order."""

    scale: Scale
    numbers: Numbers

    @property
    def is_empty(self) -> bool:
        """Whether there is no value in it."""
        return not self.numbers.without(_NONE)

    @property
    def has_zero(self) -> bool:
        """Whether zero is in it."""
        return 0 in self.numbers

    def without_zero(self) -> Ordered:
        """Answers the set of the others."""
        return self.but([0])

    def but(self, places: Iterable[int]) -> Ordered:
        """Answers the set without some places."""
        return Ordered(self.scale, Numbers(self.numbers.without(Numbers(Span(it, it) for it in places))))

    def only(self, spans: Iterable[Span]) -> Ordered:
        """Answers those of its values that lie in ``spans``."""
        gone = self.numbers.without(Numbers(spans))
        return Ordered(self.scale, Numbers(self.numbers.without(Numbers(gone))))

    def within(self, other: Allowed) -> bool:
        """Tells whether all of its values that the other's type has are in ``other``."""
        if not isinstance(other, Ordered) or self.scale.family != other.scale.family:
            return isinstance(other, Anything) or (isinstance(other, Ordered) and other.is_everything)
        return not self._outside(other)

    @property
    def is_everything(self) -> bool:
        """Whether all values of the type are in it."""
        return not self.scale.everything().numbers.without(self.numbers)

    def beyond(self, other: Allowed) -> str:
        """Answers in words which of its values are not in ``other``: ``1 to 9, 12 or more``."""
        if not isinstance(other, Ordered) or self.scale.family != other.scale.family:
            return ""
        spans = self._outside(other)
        words = ", ".join(self._show(span, other.scale) for span in spans[:_SPANS_SHOWN])
        words += " and others" if len(spans) > _SPANS_SHOWN else ""
        if self.scale.family != "count":
            return words
        return f"of {words} element{'' if words == '1' else 's'}"

    def _outside(self, other: Ordered) -> list[Span]:
        least, most = other.scale.least, other.scale.most + other.scale.nan
        outside = self.numbers.without(other.numbers)
        return [Span(max(it.first, least), min(it.last, most)) for it in outside if _meet(it, least, most)]

    def _show(self, span: Span, other: Scale) -> str:
        scale = self.scale
        first, last = (scale.show(it) for it in (span.first, min(span.last, scale.most)))
        nan = " or NaN" if scale.nan and span.last > scale.most > span.first else ""
        if span.first == span.last:
            return scale.show(span.first)
        if span.last >= min(scale.most, other.most):
            everything = span.first <= max(scale.least, other.least)
            return f"any value{nan}" if everything else f"{first} or more{nan}"
        if span.first <= max(scale.least, other.least):
            return f"{last} or less"
        return f"{first} to {last}"


def _meet(span: Span, least: int, most: int) -> bool:
    return span.first <= most and span.last >= least
