r"""Reads regular expressions of RE2's syntax into trees, as far as their cost depends on it.

Takes patterns that RE2 itself accepts; of others it makes some tree or raises ``UnreadablePattern``. Where a
construct has no simple form here it stands for more than it means, never for less: ``\pL`` for any
character, ``\b`` for nothing. Imports no other module of the registry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Ranges = tuple[tuple[int, int], ...]
"""Characters, as inclusive ranges of code points, in no order."""

LAST_CHARACTER = 0x10FFFF
ANY: Ranges = ((0, LAST_CHARACTER),)
NEVER: Ranges = ()
"""Matches no character: what follows it is never reached within a text."""

_DIGIT: Ranges = ((48, 57),)
_WORD: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: Ranges = ((9, 10), (12, 13), (32, 32))
_NAMED = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_CONTROLS = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}
_FLAGS = re.compile(r"\(\?([a-zA-Z]+)(?:-[a-zA-Z]*)?[:)]")
_GROUP = re.compile(r"\(\?(?:P?<\w+>|[a-zA-Z-]*:)")
_SET_FLAGS = re.compile(r"\(\?[a-zA-Z-]*\)")
_COUNT = re.compile(r"\{(\d+)(,?)(\d*)\}")
_HEX = re.compile(r"x(?:\{([0-9A-Fa-f]+)\}|([0-9A-Fa-f]{2}))")
_OCTAL = re.compile(r"[0-7]{1,3}")
_PROPERTY = re.compile(r"[pP](?:\{[^}]*\}|.)")
_CLASS_NAME = re.compile(r"\[:\^?\w+:\]")
_NESTING = 100
_STACKED = 10


class UnreadablePattern(Exception):
    """The pattern is none of RE2's, or nests too deeply."""


@dataclass(frozen=True, slots=True)
class Characters:
    """One character out of ``ranges``."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Start:
    """The start of the text."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """One part after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """``part`` from ``least`` to ``most`` times; ``most`` is None where there is no end."""

    part: Node
    least: int
    most: int | None


Node = Characters | Start | Sequence | Choice | Repeat
NOTHING = Sequence(())


@dataclass(frozen=True, slots=True)
class Pattern:
    """``tree``, and whether it says exactly where a match may end (``ends``)."""

    tree: Node
    ends: bool


def parse_pattern(text: str) -> Pattern:
    """Reads a pattern.

    Raises:
        UnreadablePattern: The pattern is none of RE2's, or nests deeper than 100 groups.
    """
    reader = _Reader(text)
    tree = reader.choice(0)
    if not reader.done:
        raise UnreadablePattern(f"unexpected ) at character {reader.position}")
    return Pattern(tree, not reader.approximate)


class _Reader:
    """Reads one pattern from left to right."""

    def __init__(self, text: str) -> None:
        self._text = text
        flags = "".join(_FLAGS.findall(text))
        self._folds = "i" in flags
        self._multiline = "m" in flags
        self.position = 0
        self.approximate = False

    @property
    def done(self) -> bool:
        return self.position >= len(self._text)

    def choice(self, depth: int) -> Node:
        if depth > _NESTING:
            raise UnreadablePattern(f"groups nest deeper than {_NESTING}")
        parts = [self._sequence(depth)]
        while self._take("|"):
            parts.append(self._sequence(depth))
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def _sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while not self.done and self._text[self.position] not in "|)":
            parts.append(self._repeated(self._atom(depth)))
        return Sequence(tuple(parts))

    def _repeated(self, part: Node) -> Node:
        for _ in range(_STACKED):
            if self.done:
                return part
            count = self._match(_COUNT)
            if count:
                least = int(count[1])
                part = Repeat(part, least, int(count[3]) if count[3] else None if count[2] else least)
            elif self._text[self.position] in "*+?":
                sign = self._next()
                part = Repeat(part, int(sign == "+"), 1 if sign == "?" else None)
            else:
                return part
            self._take("?")
        raise UnreadablePattern("repetition operators follow each other")

    def _atom(self, depth: int) -> Node:
        if self._match(_SET_FLAGS):
            return NOTHING
        if self._match(_GROUP) or self._take("("):
            inner = self.choice(depth + 1)
            if not self._take(")"):
                raise UnreadablePattern("missing )")
            return inner
        character = self._next()
        if character in "^$":
            return self._start() if character == "^" else self._end()
        if character in ".[":
            return Characters(ANY if character == "." else self._class())
        return self._escaped() if character == "\\" else self._literal(ord(character))

    def _start(self) -> Node:
        return NOTHING if self._multiline else Start()

    def _end(self) -> Node:
        return self._anywhere() if self._multiline else Characters(NEVER)

    def _anywhere(self) -> Node:
        self.approximate = True
        return NOTHING

    def _escaped(self) -> Node:
        following = self._text[self.position : self.position + 1]
        if following == "Q":
            return self._quoted()
        if following in ("b", "B", "A", "z", "C"):
            self.position += 1
            alone: dict[str, Node] = {"A": Start(), "z": Characters(NEVER), "C": Characters(ANY)}
            return alone.get(following) or self._anywhere()
        ranges = self._escape()
        single = len(ranges) == 1 and ranges[0][0] == ranges[0][1]
        return self._literal(ranges[0][0]) if single else Characters(ranges)

    def _quoted(self) -> Node:
        text, _, _ = self._text[self.position + 1 :].partition("\\E")
        self.position = min(len(self._text), self.position + 1 + len(text) + 2)
        return Sequence(tuple(self._literal(ord(it)) for it in text))

    def _literal(self, code: int) -> Characters:
        return Characters(self._folded(((code, code),)))

    def _folded(self, ranges: Ranges) -> Ranges:
        """With the flag i, a letter stands for both of its cases; any other letter for any character."""
        if not self._folds:
            return ranges
        if any(last > 127 for _, last in ranges):
            return ANY
        letters = {code for first, last in ranges for code in range(first, last + 1)}
        both = {ord(it) for code in letters for it in (chr(code).lower(), chr(code).upper())}
        return tuple((code, code) for code in sorted(both))

    def _escape(self) -> Ranges:
        """What a backslash and what follows stands for, in a class or out of it."""
        hexadecimal = self._match(_HEX)
        if hexadecimal:
            code = min(int(hexadecimal[1] or hexadecimal[2], 16), LAST_CHARACTER)
            return ((code, code),)
        octal = self._match(_OCTAL)
        if octal:
            return ((int(octal[0], 8),) * 2,)
        if self._match(_PROPERTY):
            return ANY
        character = self._next()
        if character.lower() in _NAMED:
            named = _NAMED[character.lower()]
            return named if character.islower() else complement(named)
        code = _CONTROLS.get(character, ord(character))
        return ((code, code),)

    def _class(self) -> Ranges:
        negated, ranges, first = self._take("^"), list[tuple[int, int]](), True
        while first or not self._take("]"):
            first = False
            if self._match(_CLASS_NAME):
                return self._class_rest()
            low = self._class_part()
            if (
                len(low) == 1
                and self._text[self.position : self.position + 1] == "-"
                and self._range_goes_on()
            ):
                self.position += 1
                low = ((low[0][0], self._class_part()[0][1]),)
            ranges.extend(low)
        found = self._folded(tuple(ranges))
        return complement(found) if negated and ANY[0] not in found else ANY if negated else found

    def _class_rest(self) -> Ranges:
        """A class with [:alpha:] and the like stands for any character."""
        while self._next() != "]":
            if self._text[self.position - 1] == "\\":
                self._next()
        return ANY

    def _range_goes_on(self) -> bool:
        return self._text[self.position + 1 : self.position + 2] not in ("]", "")

    def _class_part(self) -> Ranges:
        character = self._next()
        return self._escape() if character == "\\" else ((ord(character),) * 2,)

    def _next(self) -> str:
        if self.done:
            raise UnreadablePattern("it ends too early")
        self.position += 1
        return self._text[self.position - 1]

    def _take(self, character: str) -> bool:
        if self._text[self.position : self.position + 1] != character:
            return False
        self.position += 1
        return True

    def _match(self, form: re.Pattern[str]) -> re.Match[str] | None:
        found = form.match(self._text, self.position)
        if found:
            self.position = found.end()
        return found


def complement(ranges: Ranges) -> Ranges:
    """All other characters."""
    found, free = [], 0
    for first, last in sorted(ranges):
        if first > free:
            found.append((free, first - 1))
        free = max(free, last + 1)
    return (*found, (free, LAST_CHARACTER)) if free <= LAST_CHARACTER else tuple(found)
