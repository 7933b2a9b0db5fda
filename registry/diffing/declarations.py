"""Compares what files declare: messages, enums, extensions and services, and in which order."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from registry.diffing.comparison import ADDED, MOVED, REMOVED
from registry.diffing.members import compare_enum, compare_message, compare_service
from registry.diffing.outline import ENTRY, ENUM, EXTENSION, MESSAGE
from registry.diffing.said import Said
from registry.printing.names import within

if TYPE_CHECKING:
    from collections.abc import Container

    from registry.diffing.comparison import Comparison
    from registry.diffing.outline import Declared, Outline
    from registry.diffing.said import Speaker


def compare_declarations(both: Comparison) -> None:
    """Compares everything that the files declare."""
    for name, it in both.old.declared.items():
        if name not in both.new_names and not _implied(it, both.old, both.new_names):
            both.found.add(REMOVED, it.kind, name, old=_line(it, both.old_says))
    for name, it in both.new.declared.items():
        if name in both.old_names:
            _compare(both, both.old.declared[both.old_names[name]], it)
        elif not _implied(it, both.new, both.old_names):
            both.found.add(ADDED, it.kind, name, new=_line(it, both.new_says))
    _compare_order(both)


def _implied(it: Declared, outline: Outline, kept: Container[str]) -> bool:
    """Tells whether an element comes or goes with another one: the message around it, or its field."""
    return it.kind == ENTRY or it.name in outline.group_bodies or bool(it.parent and it.parent not in kept)


def _line(it: Declared, says: Speaker) -> str:
    return says.extension(it).shown if it.kind == EXTENSION else f"{it.kind} {it.simple_name}"


def _compare(both: Comparison, old: Declared, new: Declared) -> None:
    if new.kind == ENTRY:
        return
    if new.kind == EXTENSION:
        both.element(EXTENSION, new.name, both.old_says.extension(old), both.new_says.extension(new))
    else:
        _compare_head(both, old, new)
        compare = {MESSAGE: compare_message, ENUM: compare_enum}.get(new.kind, compare_service)
        compare(both, old, new)
    if old.file != new.file and not (new.parent and new.parent == both.new_names.get(old.parent)):
        both.found.add(MOVED, new.kind, new.name, old.file, new.file)


def _compare_head(both: Comparison, old: Declared, new: Declared) -> None:
    """Compares the name, unless what is around it explains it; options; and the comment."""
    moved = new.name not in {old.name, _expected(both, old)}
    near = old.name.rpartition(".")[0] == new.name.rpartition(".")[0]
    shown = [f"{it.kind} {it.simple_name if near else it.name}" for it in (old, new)]
    both.element(
        new.kind,
        new.name,
        *(
            Said(line, line if moved else "", says.leaves(it.element.options), says.comment(it))
            for line, says, it in zip(shown, (both.old_says, both.new_says), (old, new), strict=True)
        ),
    )


def _expected(both: Comparison, old: Declared) -> str:
    """Answers what an element is called now if only what is around it changed its name."""
    if old.parent:
        return within(both.new_names.get(old.parent, old.parent), old.simple_name)
    file = both.new.files.get(old.file)
    return within(file.package, old.simple_name) if file else old.name


def _compare_order(both: Comparison) -> None:
    lists: dict[tuple[str, str, str], list[tuple[int, int, str]]] = defaultdict(list)
    for before, now in both.new_names.items():
        old, new = both.old.declared[before], both.new.declared[now]
        if old.file == new.file and both.new_names.get(old.parent, "") == new.parent:
            kind = MESSAGE if new.kind == ENTRY else new.kind
            lists[new.file, new.parent, kind].append((old.index, new.index, new.name))
    for (_, _, kind), places in lists.items():
        both.order(kind, places)
