"""Which file names a schema may use: they become paths in a folder, and import paths in any language."""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from registry.errors import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable

PATH_LENGTH = 255
"""Bytes of a file name with its folders: what the smallest common file system takes for one name."""


def path_problems(names: Iterable[str]) -> list[Violation]:
    """Answers what is wrong with the file names of one schema; nothing if all can be used together.

    A name is a relative path with forward slashes, such as ``shop/v1/order.proto``. No two may fall
    together where upper and lower case are one, and none may be the folder of another.
    """
    problems: list[Violation] = []
    folded: dict[str, str] = {}
    for name, count in Counter(names).items():
        wrong = _wrong(name) if count == 1 else "stands in the schema more than once"
        other = folded.setdefault(_fold(name), name)
        if wrong is None and other != name:
            wrong = f"differs from {other!r} by upper and lower case only; rename one"
        if wrong is not None:
            problems.append(Violation(_shown(name), wrong))
    return problems + [
        Violation(_shown(folded[parent]), f"is a file, and also the folder of {below!r}; rename one")
        for below in folded.values()
        for parent in _parents(_fold(below))
        if parent in folded
    ]


def _wrong(name: str) -> str | None:
    if not name:
        return "a file has no name"
    if not name.endswith(".proto"):
        return "is no file name: it must end in .proto"
    if len(name.encode("utf-8", "surrogatepass")) > PATH_LENGTH:
        return f"is a file name of more than {PATH_LENGTH} bytes"
    if name[0] in "/-@" or any(level in ("", ".", "..") for level in name.split("/")):
        return "is no relative path: no leading `/`, `-` or `@`, no empty level, no `.` and no `..`"
    if any(char in '\\:*?"<>|' or unicodedata.category(char)[0] == "C" for char in name):
        return r"""is a file name with `\`, `:`, `*`, `?`, `"`, `<`, `>`, `|` or a control character"""
    return None


def _shown(name: str) -> str:
    """Makes a hostile name fit for an error message."""
    text = name[:PATH_LENGTH].encode("unicode_escape").decode("ascii") if not name.isprintable() else name
    return text[:PATH_LENGTH] or "(empty file name)"


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _parents(name: str) -> list[str]:
    levels = name.split("/")
    return ["/".join(levels[:count]) for count in range(1, len(levels))]
