"""The comments of a file by the path of what they belong to, from its source code info."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from registry.printing.text import NO_COMMENT, Comment

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Path = tuple[int, ...]
_CONTROLS = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_LONGEST_PATH = 100


MOST_LINES = 100_000
"""How many lines of comments of one schema are read; the rest is left out."""


def comments_of(source_info: bytes) -> dict[str, Comments]:
    """Answers the comments of files by name, from a serialized ``FileDescriptorSet`` of their positions."""
    left = MOST_LINES
    found = {}
    for file in FileDescriptorSet.FromString(source_info).file:
        found[file.name] = Comments(file.source_code_info.location, left)
        left -= found[file.name].lines
    return found


class Comments:
    """Comments by path, as ``SourceCodeInfo`` describes paths.

    A statement that declares several elements has a path without an index, and others have the same: its
    comments are kept with the first of those elements, too.
    """

    def __init__(self, locations: Iterable[Any] = (), most_lines: int = MOST_LINES) -> None:
        """Takes the locations of a file, in order, and how many lines may be read."""
        self.lines = 0
        self._exact: dict[Path, list[Comment]] = {}
        self._below: dict[Path, list[Comment]] = {}
        self._heads: dict[Path, list[Comment]] = {}
        statement: Path = ()
        waiting = NO_COMMENT
        for location in locations:
            path = tuple(location.path)
            if waiting and len(path) == len(statement) + 1 and path[:-1] == statement:
                self._heads.setdefault(path, []).append(waiting)
                waiting = NO_COMMENT
            comment = _comment(location, most_lines - self.lines)
            self.lines += comment.lines
            if comment and len(path) <= _LONGEST_PATH:
                self._exact.setdefault(path, []).append(comment)
                for length in range(len(path)):
                    self._below.setdefault(path[:length], []).append(comment)
                statement, waiting = path, comment if len(path) % 2 else NO_COMMENT

    def at(self, path: Path) -> Comment:
        """Answers the comments of exactly this path."""
        return _joined(self._exact.get(path, ()))

    def head(self, path: Path) -> Comment:
        """Answers the comments of the statement whose first element has this path."""
        return _joined(self._heads.get(path, ()))

    def within(self, path: Path) -> Comment:
        """Answers the comments of this path and of all below it."""
        return _joined([*self._exact.get(path, ()), *self._below.get(path, ())])


def _joined(comments: Sequence[Comment]) -> Comment:
    if len(comments) < 2:
        return comments[0] if comments else NO_COMMENT
    return Comment(
        tuple(paragraph for it in comments for paragraph in it.detached),
        tuple(line for it in comments for line in it.leading),
        tuple(line for it in comments for line in it.trailing),
    )


def _comment(location: Any, most: int) -> Comment:
    """Answers the comments of a location; none if they have more lines than ``most``."""
    texts = [*location.leading_detached_comments, location.leading_comments, location.trailing_comments]
    if not any(texts) or sum(text.count("\n") + 1 for text in texts) > most:
        return NO_COMMENT
    *detached, leading, trailing = map(_lines, texts)
    return Comment(tuple(filter(None, detached)), leading, trailing)


def _lines(text: str) -> tuple[str, ...]:
    """Answers the lines of a comment, without spaces at their ends and what could pass for something else."""
    if not text:
        return ()
    lines = text.removesuffix("\n").split("\n")
    return tuple(_CONTROLS.sub("\ufffd", line.rstrip()) for line in lines)
