"""What a rule is: a promise about one kind of change, and what breaking it does, with reasons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry.compat.promise import Surface, Verdict, Way

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Cell:
    """What breaking a rule does at most to one way over one surface, and why."""

    verdict: Verdict
    why: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        id: Buf's id, where Buf has the rule.
        title: What it holds, a phrase: ``a field keeps its number``.
        buf: Whether Buf has it.
        lineage: Whether it is about the history of the subject, which holds whatever the direction, rather
            than about who reads what.
        cells: By way and surface; all six are there.
        implied_by: Rules whose finding on the same element says all that this one's does.
    """

    id: str
    title: str
    buf: bool
    lineage: bool
    cells: Mapping[tuple[Way, Surface], Cell]
    implied_by: frozenset[str] = frozenset()


Row = Cell | tuple[Cell, Cell]
"""The cells of one surface: of both ways, or of BACKWARD and of FORWARD."""

Ways = tuple[Verdict, Verdict]
"""What happens BACKWARD, and FORWARD."""


def fine(why: str) -> Cell:
    """Nobody notices."""
    return Cell(Verdict.FINE, why)


def notice(why: str) -> Cell:
    """Somebody sees something else."""
    return Cell(Verdict.NOTICE, why)


def breaks(why: str) -> Cell:
    """Reading fails, loses or changes what was written."""
    return Cell(Verdict.BREAKS, why)


_SAME_BYTES = fine("The same bytes are written and read.")
_SAME_JSON = fine("The same JSON is written and read.")


def rule(
    rule_id: str,
    title: str,
    *,
    wire: Row = _SAME_BYTES,
    json: Row | None = None,
    source: Cell | None = None,
    buf: bool = True,
    lineage: bool = False,
    implied_by: tuple[str, ...] = (),
) -> Rule:
    """Answers a rule. A wider surface contains the narrower ones, so what is not given is as there.

    Nobody compiles new code against old stubs, so FORWARD SOURCE is FORWARD WIRE_JSON.
    """
    of_wire = _both(wire)
    of_json = _both(json or (_SAME_JSON if wire is _SAME_BYTES else wire))
    cells = {(way, Surface.WIRE): of_wire[way] for way in Way}
    cells |= {(way, Surface.WIRE_JSON): of_json[way] for way in Way}
    cells[Way.FORWARD, Surface.SOURCE] = of_json[Way.FORWARD]
    cells[Way.BACKWARD, Surface.SOURCE] = source or of_json[Way.BACKWARD]
    return Rule(rule_id, title, buf, lineage, cells, frozenset(implied_by))


def _both(row: Row) -> dict[Way, Cell]:
    backward, forward = row if isinstance(row, tuple) else (row, row)
    return {Way.BACKWARD: backward, Way.FORWARD: forward}
