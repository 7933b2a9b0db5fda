"""Compares files: what stands above their declarations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from registry.diffing.comparison import ADDED, CHANGED, REMOVED, Listed
from registry.diffing.said import Said
from registry.printing import declarations as say
from registry.printing.literals import quoted

if TYPE_CHECKING:
    from registry.diffing.comparison import Comparison


def compare_files(both: Comparison) -> None:
    """Compares the files, by name."""
    old, new = both.old, both.new
    for name in old.files.keys() - new.files.keys():
        both.found.add(REMOVED, "file", name, old=_words(old.files[name]))
    for name in new.files.keys() - old.files.keys():
        both.found.add(ADDED, "file", name, new=_words(new.files[name]))
    for name in old.files.keys() & new.files.keys():
        _compare(both, name)


def _words(file: Any) -> str:
    """Answers what a file holds."""
    counts = {
        "message": len(file.message_type),
        "enum": len(file.enum_type),
        "extension": len(file.extension),
        "service": len(file.service),
    }
    words = [f"{count} {what}{'s' if count > 1 else ''}" for what, count in counts.items() if count]
    return ", ".join(words) or "nothing"


def _compare(both: Comparison, name: str) -> None:
    old, new = both.old.files[name], both.new.files[name]
    for element, line in (("syntax", say.syntax_line), ("package", _package)):
        both.element(element, name, _said(line(old)), _said(line(new)))
    was, now = (
        Said("", "", says.leaves(file.options), outline.head_comment(name))
        for says, file, outline in (
            (both.old_says, old, both.old),
            (both.new_says, new, both.new),
        )
    )
    both.element("file", name, was, now)
    both.lists("import", _imports(old), _imports(new), [lambda it: it])


def _said(line: str) -> Said:
    return Said(line, line)


def _package(file: Any) -> str:
    return f"package {file.package};" if file.package else ""


def _imports(file: Any) -> Listed:
    return Listed(
        file.dependency,
        lambda _: str(file.name),
        lambda index: _said(f"import {say.import_kind(file, index)}{quoted(file.dependency[index])};"),
    )


def compare_rest(both: Comparison) -> None:
    """Names files that differ where no other difference says how."""
    if both.found.structural:
        return
    for name in sorted(both.old.files):
        old, new = (
            outline.files[name].SerializePartialToString(deterministic=True)
            for outline in (both.old, both.new)
        )
        if old != new:
            words = "the same, but for what no .proto text shows"
            both.found.add(CHANGED, "file", name, _words(both.old.files[name]), words)
