"""Which part of the log a reader wants: topic names and patterns, and event types."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

TOPIC_NAME_LENGTH = 255
_LEVEL = r"[A-Za-z0-9_-]+"
_NAME = re.compile(rf"{_LEVEL}(?:\.{_LEVEL})*")
_PATTERN = re.compile(rf"(?:(?:{_LEVEL}|\*)\.)*(?:{_LEVEL}|\*|>)")


def is_topic_name(text: str) -> bool:
    """Tells whether ``text`` is a well-formed topic name: levels of letters, digits, ``_``, ``-``."""
    return len(text) <= TOPIC_NAME_LENGTH and _NAME.fullmatch(text) is not None


def is_topic_pattern(text: str) -> bool:
    """Tells whether ``text`` is a well-formed pattern with at least one ``*`` level or a ``>`` end."""
    return len(text) <= TOPIC_NAME_LENGTH and _PATTERN.fullmatch(text) is not None and not is_topic_name(text)


def _expression(pattern: str) -> str:
    levels = [_LEVEL if level == "*" else re.escape(level) for level in pattern.split(".")]
    if levels[-1] == ">":
        levels[-1] = rf"{_LEVEL}(?:\.{_LEVEL})*"
    return r"\.".join(levels)


@dataclass(frozen=True, slots=True)
class Selection:
    """The topics and event types that a reader wants. Immutable, comparable, cheap to ask.

    Attributes:
        names: Topics by name.
        patterns: Patterns: ``shop.*`` matches one level, ``shop.>`` one or more levels below.
        types: Event types; empty means all.
    """

    names: frozenset[str] = frozenset()
    patterns: tuple[str, ...] = ()
    types: frozenset[str] = frozenset()
    _compiled: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.patterns:
            expression = "|".join(map(_expression, self.patterns))
            object.__setattr__(self, "_compiled", re.compile(expression))

    def has_topic(self, topic: str) -> bool:
        """Tells whether events of ``topic`` are wanted, as far as the topic decides it."""
        return topic in self.names or (
            self._compiled is not None and self._compiled.fullmatch(topic) is not None
        )

    def has_type(self, event_type: str) -> bool:
        """Tells whether events of ``event_type`` are wanted, as far as the type decides it."""
        return not self.types or event_type in self.types


EVERYTHING = Selection(patterns=(">",))
"""All topics, all event types."""
