"""Which element of the new version is which of the old one, renamed ones included."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from registry.diffing.outline import ENUM, EXTENSION, MESSAGE, SERVICE
from registry.printing.names import within

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from registry.diffing.outline import Declared, Outline


def match(old: Outline, new: Outline) -> dict[str, str]:
    """Answers the new full name of each old element that is still there.

    The same name is the same element. Then counts the place: in a file whose package changed, or in a message
    that has another name. Then what is in it, where no other element of either version has the same.
    """
    matching = _Matching(old, new)
    matching.by_name(lambda it: it.name)
    matching.by_name(matching.in_new_package)
    matching.by_name(matching.in_new_parent)
    matching.by_content(lambda it: (it.kind, it.simple_name, _content(it)))
    matching.by_content(lambda it: (it.kind, _content(it)))
    matching.by_name(matching.in_new_parent)
    return matching.found


class _Matching:
    """What was found so far, and what is left to be found."""

    def __init__(self, old: Outline, new: Outline) -> None:
        self._old, self._new = old, new
        self._taken: set[str] = set()
        self.found: dict[str, str] = {}

    def by_name(self, new_name: Callable[[Declared], str]) -> None:
        """Matches what is called in the new version as ``new_name`` answers."""
        for name, it in self._old.declared.items():
            wanted = "" if name in self.found else new_name(it)
            other = self._new.declared.get(wanted)
            if other and other.kind == it.kind and wanted not in self._taken:
                self._take(name, wanted)

    def by_content(self, content: Callable[[Declared], Hashable]) -> None:
        """Matches what has the same content on both sides, once on each; no content is none."""
        left, right = (
            self._by_content(outline, done, content)
            for outline, done in ((self._old, self.found), (self._new, self._taken))
        )
        for key, names in left.items():
            others = right.get(key, [])
            if len(names) == len(others) == 1:
                self._take(names[0], others[0])

    @staticmethod
    def _by_content(
        outline: Outline, done: Iterable[str], content: Callable[[Declared], Hashable]
    ) -> dict[Hashable, list[str]]:
        found: dict[Hashable, list[str]] = defaultdict(list)
        for name in outline.declared.keys() - set(done):
            it = outline.declared[name]
            if _content(it):
                found[content(it)].append(name)
        return found

    def in_new_package(self, it: Declared) -> str:
        """Answers its name in the package that its file has now."""
        file = self._new.files.get(it.file)
        package = self._old.files[it.file].package
        if file is None or file.package == package:
            return ""
        return within(file.package, it.name[len(package) + 1 :] if package else it.name)

    def in_new_parent(self, it: Declared) -> str:
        """Answers its name in what became of the message around it."""
        parent = self.found.get(it.parent, "")
        return within(parent, it.simple_name) if parent else ""

    def _take(self, old: str, new: str) -> None:
        self.found[old] = new
        self._taken.add(new)


def _content(it: Declared) -> tuple[Hashable, ...]:
    """Answers what an element consists of, but for what may be called otherwise, too."""
    element = it.element
    if it.kind == MESSAGE:
        return tuple(sorted((each.number, each.name, each.label, each.type) for each in element.field))
    if it.kind == ENUM:
        return tuple(sorted((each.number, each.name) for each in element.value))
    if it.kind == SERVICE:
        methods = ((each.name, each.client_streaming, each.server_streaming) for each in element.method)
        return tuple(sorted(methods))
    return (element.extendee, element.number) if it.kind == EXTENSION else ()
