"""What is different between two versions of a schema: by structure, and as text. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.diffing.comparison import Comparison
from registry.diffing.declarations import compare_declarations
from registry.diffing.difference import Difference, DifferenceKind
from registry.diffing.files import compare_files, compare_rest
from registry.diffing.outline import Outline
from registry.diffing.unified import unified
from registry.errors import LimitExceeded
from registry.printer import print_files

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry.compat.finding import Side

__all__ = ["Diff", "Difference", "DifferenceKind", "diff"]

MAX_TEXT_BYTES = 1024 * 1024
"""How much of a text is answered; it says so if there is more."""


@dataclass(frozen=True, slots=True)
class Diff:
    """The difference of two schemas.

    Attributes:
        differences: By path, comments last; the first 10,000. Empty exactly if the canonical descriptors of
            both sides' own files are equal, and, as far as both are known, the comments.
        count: How many there are, listed or not.
        text: A unified diff of the canonical texts of each file, comments included where they are known.
    """

    differences: tuple[Difference, ...]
    count: int
    text: str


def diff(old: Side, new: Side) -> Diff:
    """Answers what is different between two schemas.

    An element that has another name, but its number or its content, is one that changed.
    """
    both = Comparison(Outline(old), Outline(new))
    compare_files(both)
    compare_declarations(both)
    compare_rest(both)
    return Diff(tuple(both.found.sorted()), both.found.count, _text(old, new))


def _text(old: Side, new: Side) -> str:
    kept: list[str] = []
    room = MAX_TEXT_BYTES
    for line in _lines(old, new):
        room -= len(line.encode()) + 1
        if room < 0:
            return "".join(kept) + "… and more: this is the first MiB\n"
        kept.append(f"{line}\n")
    return "".join(kept)


def _lines(old: Side, new: Side) -> Iterator[str]:
    # Comments that only one side has are no difference that anybody made.
    known = bool(old.source_info and new.source_info)
    try:
        left, right = (
            print_files(it.descriptor_set, it.own_files, it.source_info if known else b"")
            for it in (old, new)
        )
    except LimitExceeded as error:
        yield f"No text: {error}"
        return
    for name in sorted(left.keys() | right.keys()):
        names = (
            f"{name}\t{side.name}" if name in texts else "/dev/null"
            for side, texts in ((old, left), (new, right))
        )
        yield from unified(left.get(name, ""), right.get(name, ""), *names)
