"""Sets of texts and of bytes: what they must be, how long, and what they start, end with and contain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from registry.compat.allowed import Anything

if TYPE_CHECKING:
    from collections.abc import Iterable

    from registry.compat.allowed import Allowed

LONGEST = 2**64 - 1
_BYTES_A_CHARACTER = 4
_SPANS_SHOWN = 3


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
