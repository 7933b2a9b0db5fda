"""Lines of Protobuf text: indentation, blank lines, comments, and an end to how much there can be."""

from __future__ import annotations

import io
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from registry.errors import LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Iterable

WIDTH = 100
"""Characters after which a line is broken, where it can be."""


@dataclass(slots=True)
class Allowance:
    """How many characters of text may still be written: small descriptors can make long texts.

    Attributes:
        maximum: The limit.
        used: How many were written.
    """

    maximum: int
    used: int = 0

    def spend(self, characters: int) -> None:
        """Counts ``characters``.

        Raises:
            LimitExceeded: There were too many.
        """
        self.used += characters
        if self.used > self.maximum:
            what = "the text of the schema (its descriptor set is shorter)"
            raise LimitExceeded("max_text_characters", self.maximum, self.used, what)


@dataclass(frozen=True, slots=True)
class Comment:
    """The comments of one element, as protoc attaches them; each is its lines."""

    detached: tuple[tuple[str, ...], ...] = ()
    leading: tuple[str, ...] = ()
    trailing: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.detached or self.leading or self.trailing)

    def __add__(self, other: Comment) -> Comment:
        return Comment(
            self.detached + other.detached, self.leading + other.leading, self.trailing + other.trailing
        )

    @property
    def lines(self) -> int:
        """How many lines it has."""
        return len(self.leading) + len(self.trailing) + sum(map(len, self.detached))

    def __str__(self) -> str:
        paragraphs = (*self.detached, self.leading, self.trailing)
        return " / ".join(" ".join(line.strip() for line in it) for it in paragraphs if it)

    def in_front(self) -> Comment:
        """Answers the same with what trails standing in front, for what stands in one line with others."""
        return Comment(self.detached, self.leading + self.trailing)


NO_COMMENT = Comment()


class _Gap(IntEnum):
    """Whether an empty line comes before the next line."""

    NONE = 0
    FAIR = 1
    """For the eye: not at the edges of blocks."""
    NEEDED = 2
    """Without it a comment would belong to something else."""


class Lines:
    """The lines of one file, indented by how many blocks are open."""

    def __init__(self, allowance: Allowance) -> None:
        """Takes how much may be written."""
        self._text = io.StringIO()
        self._allowance = allowance
        self._depth = 0
        self._gap = _Gap.NONE
        self._fresh = True

    def __str__(self) -> str:
        return self._text.getvalue()

    @property
    def room(self) -> int:
        """How many characters fit the line to come."""
        return max(WIDTH - 2 * self._depth, WIDTH // 4)

    def line(self, text: str) -> None:
        """Writes a line."""
        line = f"{'  ' * self._depth}{text}\n"
        self._allowance.spend(len(line))
        if self._text.tell() and (self._gap is _Gap.NEEDED or (self._gap is _Gap.FAIR and not self._fresh)):
            self._text.write("\n")
        self._text.write(line)
        self._gap, self._fresh = _Gap.NONE, False

    def blank(self) -> None:
        """Leaves a line empty, but at the edges of blocks."""
        self._gap = max(self._gap, _Gap.FAIR)

    def open(self, head: str, comment: Comment = NO_COMMENT) -> None:
        """Opens a block behind ``head``."""
        self.line(f"{head}{_beside(comment)}")
        self._depth += 1
        self._below(comment)
        self._fresh = True

    def close(self, tail: str, comment: Comment = NO_COMMENT) -> None:
        """Closes the innermost block."""
        self._depth -= 1
        self._gap = _Gap.NONE
        self.statement(tail, comment)

    def statement(self, text: str, comment: Comment = NO_COMMENT) -> None:
        """Writes a line and what trails it; one that ends with a brace opens a block."""
        if text.endswith("{"):
            self.open(text, comment)
            return
        self.line(f"{text}{_beside(comment)}")
        self._below(comment)

    def before(self, comment: Comment) -> None:
        """Writes the comments that stand in front of an element."""
        for paragraph in comment.detached:
            self._gap = _Gap.NEEDED
            self._comment(paragraph)
            self._gap = _Gap.NEEDED
        self._comment(comment.leading)

    def _comment(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.line(f"//{line}")

    def _below(self, comment: Comment) -> None:
        """Writes a comment of several lines: it belongs to what is above if a blank line is below it."""
        if len(comment.trailing) > 1:
            self._comment(comment.trailing)
            self._gap = _Gap.NEEDED


def _beside(comment: Comment) -> str:
    return f"  //{comment.trailing[0]}" if len(comment.trailing) == 1 else ""
