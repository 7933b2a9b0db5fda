"""Which part of the log a reader wants: topic names and patterns, and event types."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from registry.errors import InvalidRequest

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


@dataclass(slots=True)
class _Branch:
    """Patterns that begin alike, as a tree: a branch is what they share, and where they part.

    Costs little to make and to keep, whatever the patterns: a regular expression of a hundred of them may
    take half a second and a megabyte.

    Attributes:
        shared: The levels that all of them go on with.
        ends: Whether one of them ends behind these.
        open: Whether one of them goes on with ``>`` behind these.
        branches: Those that go on with another level, by that level.
    """

    shared: tuple[str, ...]
    ends: bool
    open: bool
    branches: dict[str, _Branch]

    def fits(self, levels: list[str], at: int) -> bool:
        """Tells whether the levels of a topic's name fit one of the patterns, from the level ``at`` on."""
        behind = at + len(self.shared)
        if len(levels) < behind:
            return False
        for wanted in self.shared:
            if wanted not in ("*", levels[at]):
                return False
            at += 1
        if len(levels) == behind:
            return self.ends
        if self.open:
            return True
        return any(
            branch.fits(levels, behind + 1)
            for level in (levels[behind], "*")
            if (branch := self.branches.get(level)) is not None
        )


def _branch(patterns: set[tuple[str, ...]]) -> _Branch:
    """Makes the tree of patterns, given as their levels; as deep as patterns part, not as they are long."""
    shared = _shared(min(patterns), max(patterns))
    rests = {pattern[len(shared) :] for pattern in patterns}
    parted: dict[str, set[tuple[str, ...]]] = {}
    for rest in rests - {(), (">",)}:
        parted.setdefault(rest[0], set()).add(rest[1:])
    branches = {level: _branch(below) for level, below in parted.items()}
    return _Branch(shared, () in rests, (">",) in rests, branches)


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    """Answers the levels that both begin with; a last ``>`` stands for itself."""
    length = 0
    for level, same in zip(one, other, strict=False):
        if level != same or level == ">":
            break
        length += 1
    return one[:length]


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
    _tree: _Branch | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.patterns:
            tree = _branch({tuple(pattern.split(".")) for pattern in self.patterns})
            object.__setattr__(self, "_tree", tree)

    def has_topic(self, topic: str) -> bool:
        """Tells whether events of ``topic`` are wanted, as far as the topic decides it."""
        return topic in self.names or (self._tree is not None and self._tree.fits(topic.split("."), 0))

    def has_type(self, event_type: str) -> bool:
        """Tells whether events of ``event_type`` are wanted, as far as the type decides it."""
        return not self.types or event_type in self.types


EVERYTHING = Selection(patterns=(">",))
"""All topics, all event types."""


def matching(pattern: str) -> Selection:
    """Answers the selection of a listing: what a name or pattern matches, or everything if it is empty.

    Raises:
        InvalidRequest: It is neither.
    """
    if not pattern:
        return EVERYTHING
    if is_topic_name(pattern):
        return Selection(frozenset((pattern,)))
    if not is_topic_pattern(pattern):
        raise InvalidRequest(
            "pattern", f"{pattern!r} is neither a name nor a pattern such as shop.* or shop.>"
        )
    return Selection(patterns=(pattern,))
