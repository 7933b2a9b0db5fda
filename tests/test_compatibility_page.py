"""docs/compatibility.md: its commands print what it shows, and its verdicts are those of today."""

from __future__ import annotations

import difflib
import re
from functools import cache
from typing import TYPE_CHECKING

import pytest

from docs.generate_compatibility import PAGE, generated
from registry.compat.engine import compare, judge
from registry.compat.finding import Side
from registry.compat.promise import DEFAULT_PROMISE, Verdict
from registry.compiling.compiler import compile_sources
from tests.buf_breaking import breaking

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROW = re.compile(r"^\| ([^|]+) \| (breaks|passes) \| (breaks|passes) \| [^|]+ \| [^|]+ \|$", re.MULTILINE)
ROWS = _ROW.findall(PAGE.read_text(encoding="utf-8"))

CHANGES = {
    "another package": ("message A {}", "message A {}"),
    "an event type gets another name": ("message A {}", "message B {}"),
    "a field gets another number": ("message A { int32 a = 1; }", "message A { int32 a = 2; }"),
    "a field gets another number, the old one is reserved": (
        "message A { int32 a = 1; }",
        "message A { reserved 1; int32 a = 2; }",
    ),
    "a field is removed, its number is free": ("message A { int32 a = 1; }", "message A {}"),
    "`int64` becomes `int32`": ("message A { int64 a = 1; }", "message A { int32 a = 1; }"),
    "`int32` becomes `int64`": ("message A { int32 a = 1; }", "message A { int64 a = 1; }"),
    "`bytes` becomes `string`": ("message A { bytes a = 1; }", "message A { string a = 1; }"),
    "`string` becomes `bytes`": ("message A { string a = 1; }", "message A { bytes a = 1; }"),
    "an integer becomes an enum": (
        "enum E { Z = 0; } message A { int32 a = 1; }",
        "enum E { Z = 0; } message A { E a = 1; }",
    ),
    "a field alone moves into a new oneof": (
        "message A { int32 a = 1; }",
        "message A { oneof o { int32 a = 1; } }",
    ),
}


@cache
def verdicts() -> dict[str, tuple[str, str]]:
    """Answers what we and Buf say of each change: all are files of one schema."""
    old, new = (compile_sources(dict(_sources(side))).descriptor_set for side in (0, 1))
    own = frozenset(f"c{number}.proto" for number in range(len(CHANGES)))
    judged = judge(compare(Side("old", old, own), Side("new", new, own)), DEFAULT_PROMISE)
    ours = [it.path for it, verdict in judged if verdict is Verdict.BREAKS]
    bufs = [it.file for it in breaking(old, new, ["WIRE"])]
    return {change: (_verdict(number, ours), _verdict(number, bufs)) for number, change in enumerate(CHANGES)}


def _sources(side: int) -> Iterator[tuple[str, str]]:
    for number, (change, bodies) in enumerate(CHANGES.items()):
        package = f"c{number}.v{side if change == 'another package' else 0}"
        yield f"c{number}.proto", f'syntax = "proto3"; package {package};\n{bodies[side]}'


def _verdict(number: int, places: list[str]) -> str:
    return "breaks" if any(it.startswith(f"c{number}.") for it in places) else "passes"


def test_the_page_is_what_its_script_writes() -> None:
    """Every command of the page prints what stands below it, and the table is that of the rules."""
    page = PAGE.read_text(encoding="utf-8")
    now = generated(page)
    changed = "\n".join(difflib.unified_diff(page.splitlines(), now.splitlines(), "page", "now", lineterm=""))
    assert not changed, f"run `make docs`:\n{changed}"


@pytest.mark.parametrize(("change", "ours", "bufs"), ROWS)
def test_verdicts_on_the_page_are_true(change: str, ours: str, bufs: str) -> None:
    """The page says of each change what we and Buf answer to it."""
    assert verdicts()[change] == (ours, bufs)


def test_the_page_compares_what_is_tried() -> None:
    """No change on the page goes untried, and none is tried that the page leaves out."""
    assert {change for change, *_ in ROWS} == CHANGES.keys()
