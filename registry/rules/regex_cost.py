"""How many steps RE2 takes for each character of a text, bounded from the pattern.

RE2 makes a deterministic automaton as it reads, one step a character, and gives that up where the
automaton gets too large: then each character takes a step for each place in the pattern that could be the
current one (``a.{900}b``: 20 s for 1 MB). So a pattern is fine if its automaton is small, or if it has
few places. Imports ``regex_syntax`` of the registry.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from math import inf

from registry.rules.regex_syntax import (
    NOTHING,
    Characters,
    Choice,
    Node,
    Pattern,
    Repeat,
    Sequence,
    Start,
    parse_pattern,
)

FEW_PLACES = 64
"""How many places a pattern may have whatever its automaton."""

_MOST_PLACES = 3000
_AUTOMATON_STATES = 1500
_AUTOMATON_WORK = 200_000


def steps_a_character(pattern: str) -> float:
    """Bounds the steps a character; infinite where neither bound holds.

    Raises:
        UnreadablePattern: The pattern is none of RE2's.
    """
    parsed = parse_pattern(pattern)
    count = _places(parsed.tree)
    if count <= _MOST_PLACES and _is_small(parsed):
        return 1
    return max(1, count) if count <= FEW_PLACES else inf


def _places(node: Node) -> int:
    """How many characters the pattern has once its repetitions are written out."""
    if isinstance(node, Characters):
        return 1
    if isinstance(node, Repeat):
        return _places(node.part) * max(1, node.most if node.most is not None else node.least)
    return 0 if isinstance(node, Start) else sum(map(_places, node.parts))


@dataclass(frozen=True, slots=True)
class _Part:
    """A piece of the pattern: the places it may start and end at, as bits; whether it may be empty."""

    empty: bool
    first: int = 0
    last: int = 0


@dataclass(slots=True)
class _Places:
    """The pattern's places, the characters that each takes and the places that may follow it."""

    ranges: list[tuple[tuple[int, int], ...]] = field(default_factory=list)
    follow: list[int] = field(default_factory=list)

    def add(self, node: Node) -> _Part:
        if isinstance(node, Characters):
            self.ranges.append(node.ranges)
            self.follow.append(0)
            place = 1 << (len(self.ranges) - 1)
            return _Part(empty=False, first=place, last=place)
        if isinstance(node, Choice):
            return _either([self.add(part) for part in node.parts])
        if isinstance(node, Repeat):
            return self._repeat(node)
        part = _Part(empty=True)
        for it in reversed(node.parts if isinstance(node, Sequence) else ()):
            part = self._join(self.add(it), part)
        return part

    def _repeat(self, node: Repeat) -> _Part:
        if node.most is None:
            part = self._loop(self.add(node.part), may_skip=node.least == 0)
            optional = 0
        else:
            part, optional = _Part(empty=True), node.most - node.least
        for _ in range(optional):
            part = _either([self._join(self.add(node.part), part), _Part(empty=True)])
        for _ in range(node.least - (node.most is None and node.least > 0)):
            part = self._join(self.add(node.part), part)
        return part

    def _loop(self, part: _Part, *, may_skip: bool) -> _Part:
        self._link(part.last, part.first)
        return _Part(part.empty or may_skip, part.first, part.last)

    def _join(self, left: _Part, right: _Part) -> _Part:
        self._link(left.last, right.first)
        first = left.first | (right.first if left.empty else 0)
        last = right.last | (left.last if right.empty else 0)
        return _Part(left.empty and right.empty, first, last)

    def _link(self, ends: int, starts: int) -> None:
        for place in _bits(ends if starts else 0):
            self.follow[place] |= starts


def _either(parts: list[_Part]) -> _Part:
    whole = _Part(empty=False)
    for part in parts:
        whole = _Part(whole.empty or part.empty, whole.first | part.first, whole.last | part.last)
    return whole


def _bits(mask: int) -> list[int]:
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


def _is_small(pattern: Pattern) -> bool:
    """Whether the automaton that finds the pattern anywhere in a text stays within its limits."""
    places = _Places()
    whole = places.add(pattern.tree)
    if whole.empty and pattern.ends:
        return True
    restart = 0 if _is_anchored(pattern.tree) else whole.first
    takes = _takes(places.ranges)
    # A match ends the search, unless the pattern says more of its end than is known here.
    ends = whole.last if pattern.ends else 0
    seen, waiting, work = {whole.first}, [whole.first], 0
    while waiting:
        reached = waiting.pop()
        for taken in takes:
            state = reached & taken
            work += 1 + state.bit_count()
            following = 0 if state & ends else _after(places, state) | restart
            if following not in seen:
                seen.add(following)
                waiting.append(following)
        if len(seen) > _AUTOMATON_STATES or work > _AUTOMATON_WORK:
            return False
    return True


def _after(places: _Places, state: int) -> int:
    following = 0
    for place in _bits(state):
        following |= places.follow[place]
    return following


def _takes(ranges: list[tuple[tuple[int, int], ...]]) -> set[int]:
    """For each kind of character that the pattern tells apart, the places that take it."""
    borders = sorted({border for first, last in chain(*ranges) for border in (first, last + 1)})
    return {
        sum(1 << place for place, taken in enumerate(ranges) if any(low <= it <= high for low, high in taken))
        for it in borders
    }


def _is_anchored(node: Node) -> bool:
    """Whether a match can only begin where the text does."""
    if isinstance(node, Choice):
        return all(map(_is_anchored, node.parts))
    if isinstance(node, Sequence):
        parts = [part for part in node.parts if part != NOTHING]
        return bool(parts) and _is_anchored(parts[0])
    return isinstance(node, Start)
