"""Sets of values that rules allow, exact enough to tell whether one lies within another. Pure values.

Whatever has an order (numbers, enums, durations, timestamps, counts) is a set of whole numbers, its
places on a scale; texts and bytes are what they must be, hold, start and end with.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from math import inf, isnan
from typing import TYPE_CHECKING, Any, Protocol

from registry.compat.shape import Numbers, Span

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST = 2**64 - 1
_NONE = Numbers()
_SPANS_SHOWN = 3
_BYTES_A_CHARACTER = 4


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


@dataclass(frozen=True, slots=True)
class Text:
    """Texts, or bytes, whose length then counts bytes.

    Attributes:
        empty: The empty text, or bytes.
        only: The values that it may have; None for any.
        length: The least and the largest number of characters.
        size: The least and the largest number of bytes.
        prefix: What it starts with.
        suffix: What it ends with.
        part: What it contains.
        never: What it does not contain; None if that doesn't matter.
        but: Values that it does not have.
    """

    empty: Any = ""
    only: frozenset[Any] | None = None
    length: tuple[int, int] = (0, LONGEST)
    size: tuple[int, int] = (0, LONGEST)
    prefix: Any = ""
    suffix: Any = ""
    part: Any = ""
    never: Any = None
    but: frozenset[Any] = frozenset()

    @property
    def is_empty(self) -> bool:
        """Whether there is no value in it."""
        return self.length[0] > self.length[1] or self.size[0] > self.size[1] or self.only == frozenset()

    @property
    def has_zero(self) -> bool:
        """Whether the empty text is in it."""
        return self.has(self.empty)

    def has(self, value: Any) -> bool:
        """Tells whether a value is in it."""
        return (
            (self.only is None or value in self.only)
            and value not in self.but
            and self.length[0] <= len(value) <= self.length[1]
            and self.size[0] <= _size(value) <= self.size[1]
            and value.startswith(self.prefix)
            and value.endswith(self.suffix)
            and self.part in value
            and not (self.never is not None and self.never in value)
        )

    def settled(self) -> Text:
        """Answers the same set with everything said that follows: lengths from sizes and parts, ..."""
        if self.only is not None:
            return replace(self, only=frozenset(value for value in self.only if self.has(value)))
        held = (self.prefix, self.suffix, self.part)
        if self.never is not None and any(self.never in it for it in held):
            return replace(self, only=frozenset())
        least = max(self.length[0], *map(len, held), -(-self.size[0] // _BYTES_A_CHARACTER))
        most = min(self.length[1], self.size[1])
        size = (max(self.size[0], least, *map(_size, held)), min(self.size[1], _BYTES_A_CHARACTER * most))
        settled = replace(self, length=(least, most), size=size)
        longest = max(held, key=len)
        if most == len(longest):
            return replace(settled, only=frozenset({longest} if settled.has(longest) else ()))
        return settled

    def without_zero(self) -> Text:
        """Answers the set of the others."""
        if self.only is not None:
            return replace(self, only=self.only - {self.empty})
        return replace(self, length=(max(1, self.length[0]), self.length[1])).settled()

    def within(self, other: Allowed) -> bool:
        """Tells whether all of its values are in ``other``. Exact if it is ``settled``."""
        if not isinstance(other, Text) or not isinstance(other.empty, type(self.empty)):
            return isinstance(other, Anything)
        if self.is_empty:
            return True
        if self.only is not None:
            return all(other.has(value) for value in self.only)
        return other.only is None and self._implies(other)

    def _implies(self, other: Text) -> bool:
        return (
            other.length[0] <= self.length[0]
            and self.length[1] <= other.length[1]
            and other.size[0] <= self.size[0]
            and self.size[1] <= other.size[1]
            and self.prefix.startswith(other.prefix)
            and self.suffix.endswith(other.suffix)
            and any(other.part in held for held in (self.prefix, self.suffix, self.part))
            and (other.never is None or (self.never is not None and self.never in other.never))
            and not any(self.has(value) for value in other.but)
        )

    def beyond(self, other: Allowed) -> str:
        """Answers in words which of its values are not in ``other``: ``"a", "b"``."""
        if not isinstance(other, Text):
            return ""
        if self.only is not None:
            return _listed(value for value in self.only if not other.has(value))
        if other.but and self.within(replace(other, but=frozenset())):
            return _listed(value for value in other.but if self.has(value))
        if other.only is not None:
            return f"other than {_listed(other.only)}"
        characters = "bytes" if isinstance(self.empty, bytes) else "characters"
        return _beyond_span(self.length, other.length, characters) or _beyond_span(
            self.size, other.size, "bytes"
        )


def _beyond_span(some: tuple[int, int], other: tuple[int, int], unit: str) -> str:
    words = [f"fewer than {other[0]}" if other[0] > 1 else "no"] if some[0] < other[0] else []
    words += [f"more than {other[1]}"] if some[1] > other[1] else []
    return f"of {' or '.join(words)} {unit}" if words else ""


def _size(value: str | bytes) -> int:
    return len(value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value)


def _listed(values: Iterable[Any]) -> str:
    shown = sorted(map(shown_value, values))
    return ", ".join(shown[:_SPANS_SHOWN]) + (" and others" if len(shown) > _SPANS_SHOWN else "")


def shown_value(value: Any) -> str:
    """Answers a text or bytes as people write it, cut where it is long."""
    text = value.hex() if isinstance(value, bytes) else value
    text = f"{text[:60]}…" if len(text) > 60 else text
    return f"0x{text}" if isinstance(value, bytes) else f'"{text}"'


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
