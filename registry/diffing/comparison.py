"""Two schemas compared: what both declare, element by element."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from registry.diffing.difference import DifferenceKind, Differences
from registry.diffing.matching import match
from registry.diffing.order import moved
from registry.diffing.said import Speaker

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Sequence

    from registry.diffing.outline import Outline
    from registry.diffing.said import Said

    Key = Callable[[Any], Hashable]

ADDED, REMOVED, CHANGED = DifferenceKind.ADDED, DifferenceKind.REMOVED, DifferenceKind.CHANGED
MOVED, COMMENT = DifferenceKind.MOVED, DifferenceKind.COMMENT


@dataclass(frozen=True, slots=True)
class Listed:
    """A list of elements of one kind.

    Attributes:
        items: Their descriptors.
        path: The full name of the one at an index.
        said: What is said of it.
    """

    items: Sequence[Any]
    path: Callable[[int], str]
    said: Callable[[int], Said]


class Comparison:
    """What all comparisons of one pair of schemas share.

    Attributes:
        old, new: The schemas.
        new_names: The new full name of each old element that is still there.
        old_says, new_says: Say the elements of either side.
        found: The differences so far.
    """

    def __init__(self, old: Outline, new: Outline) -> None:
        """Takes the schemas, and finds out which elements are the same."""
        self.old, self.new = old, new
        self.new_names = match(old, new)
        self.old_names = {now: before for before, now in self.new_names.items()}
        self.old_says, self.new_says = Speaker(old, self.new_names), Speaker(new)
        self.found = Differences()
        self._comments = old.knows_comments and new.knows_comments

    def element(self, element: str, path: str, old: Said, new: Said) -> None:
        """Compares one element: itself, its options, its comments."""
        if old.compared != new.compared:
            self.found.add(CHANGED, element, path, old.shown, new.shown)
        for name in old.leaves.keys() | new.leaves.keys():
            self._leaf(path, old.leaves.get(name), new.leaves.get(name))
        if self._comments and old.comment != new.comment:
            self.found.add(COMMENT, element, path, str(old.comment), str(new.comment))

    def _leaf(self, path: str, old: tuple[Any, str] | None, new: tuple[Any, str] | None) -> None:
        if new is None and old is not None:
            self.found.add(REMOVED, old[0].element, path, old=str(old[0]))
        elif old is None and new is not None:
            self.found.add(ADDED, new[0].element, path, new=str(new[0]))
        elif old is not None and new is not None and old[1] != new[1]:
            self.found.add(CHANGED, new[0].element, path, str(old[0]), str(new[0]))

    def lists(self, element: str, old: Listed, new: Listed, keys: Sequence[Key]) -> list[tuple[int, int]]:
        """Compares two lists of one kind of elements; answers which is which.

        Args:
            element: Their kind.
            old: The list as it was.
            new: The list as it is.
            keys: Of an element. What has the same key is the same element, the first keys first.
        """
        pairs, gone, come = paired(old.items, new.items, keys)
        for before, now in pairs:
            self.element(element, new.path(now), old.said(before), new.said(now))
        for index in gone:
            self.found.add(REMOVED, element, old.path(index), old=old.said(index).shown)
        for index in come:
            self.found.add(ADDED, element, new.path(index), new=new.said(index).shown)
        self.order(element, ((before, now, new.path(now)) for before, now in pairs))
        return pairs

    def order(self, element: str, places: Iterable[tuple[int, int, str]]) -> None:
        """Compares the order of a list: old place, new place and path of what both sides have."""
        paths = {(old, new): path for old, new, path in places}
        for old, new in moved(list(paths)):
            self.found.add(MOVED, element, paths[old, new], f"position {old + 1}", f"position {new + 1}")


def paired(
    old: Sequence[Any], new: Sequence[Any], keys: Sequence[Key]
) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """Answers which of ``new`` is which of ``old``, and what is left of either."""
    left, right = dict(enumerate(old)), dict(enumerate(new))
    pairs: list[tuple[int, int]] = []
    for key in keys:
        found: dict[Hashable, int] = {}
        for index, each in right.items():
            found.setdefault(key(each), index)
        for index, each in list(left.items()):
            other = found.pop(key(each), None)
            if other is not None:
                pairs.append((index, other))
                del left[index], right[other]
    return sorted(pairs), list(left), list(right)
