"""Statements of Protobuf text with their options and comments."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from registry.printing.aggregates import Aggregates, flat
from registry.printing.options import Option, options_of
from registry.printing.text import NO_COMMENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from registry.printing.comments import Comments, Path
    from registry.printing.names import Names
    from registry.printing.text import Comment, Lines


class Statements:
    """Writes statements to the lines of one file.

    Options are of classes that know those of the schema itself. A path is that of an element in its file,
    as ``SourceCodeInfo`` describes it.
    """

    def __init__(self, names: Names, comments: Comments, lines: Lines) -> None:
        """Takes how elements are called in the file, its comments, and where to write."""
        self.names = names
        self.comments = comments
        self.lines = lines
        self._aggregates = Aggregates(lines, names)

    def options(self, options: Any, scope: str, path: Path) -> None:
        """Writes the options of a file or of what has a body, a statement each."""
        found = options_of(options, scope, self.names)
        self.unsayable(found)
        said = (it for it in found if not it.unsayable)
        for number, several in groupby(said, key=lambda it: it.number):
            self.lines.before(self.comments.within((*path, number)).in_front())
            for option in several:
                self._aggregates.write(f"option {option.name} = ", option.value, ";")
        self.lines.blank()

    def unsayable(self, options: Iterable[Option]) -> None:
        """Writes as comments which options have no text."""
        for option in options:
            if option.unsayable:
                self.lines.line(f"// Not in the Protobuf language: {option.unsayable}.")

    def statement(
        self,
        head: str,
        options: Any = None,
        *,
        scope: str = "",
        first: Iterable[Option] = (),
        end: str = ";",
        comment: Comment = NO_COMMENT,
    ) -> None:
        """Writes a statement, its options in brackets, the ``first`` ones in front, up to its ``end``."""
        found = [*first, *(options_of(options, scope, self.names) if options else ())]
        said = [it for it in found if not it.unsayable]
        self.lines.before(comment)
        self.unsayable(found)
        short = self._brackets(said, self.lines.room - len(head) - 4)
        if short or not said:
            self.lines.statement(f"{head}{f' [{short}]' if short else ''}{end}", comment)
        elif len(said) == 1:
            start = f"{head} [{said[0].name} = "
            self._aggregates.write(start, said[0].value, f"]{end}", comment)
        else:
            self._list(head, said, end, comment)

    def _list(self, head: str, options: Sequence[Option], end: str, comment: Comment) -> None:
        self.lines.open(f"{head} [")
        for option in options:
            tail = "" if option is options[-1] else ","
            self._aggregates.write(f"{option.name} = ", option.value, tail)
        self.lines.close(f"]{end}", comment)

    def _brackets(self, options: Sequence[Option], room: int) -> str:
        """Answers options in one line; empty if they don't fit, or there are none."""
        texts: list[str] = []
        for option in options:
            value = option.value
            text = value if isinstance(value, str) else flat(value, self.names, room)
            texts.append(f"{option.name} = {text}")
            room -= len(texts[-1])
            if room < 0 or not text:
                return ""
        return ", ".join(texts)
