"""Every rule, as data: what it holds, and what breaking it does, by way and surface, with the reason.

A finding's verdicts are those of its rule, or milder; never worse. ``docs/compatibility.md`` is rendered
from here, so a cell's ``why`` is a sentence for people.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from registry.compat.data_rules import DATA_RULES
from registry.compat.lineage_rules import LINEAGE_RULES
from registry.compat.promise import Surface, Verdict, Way
from registry.compat.rule import Cell, Rule, rule
from registry.compat.source_rules import SOURCE_RULES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.compat.rule import Ways

__all__ = ["ANY", "RULES", "Cell", "Rule", "verdicts"]


def _rule(rule_id: str, title: str, *, backward: str = "", forward: str = "") -> Rule:
    """Answers a rule about ``buf.validate`` rules, whatever the encoding: a reason breaks a way."""
    row = (
        Cell(
            Verdict.BREAKS if backward else Verdict.FINE,
            backward or "Whatever the old version lets through, the new one does, too.",
        ),
        Cell(
            Verdict.BREAKS if forward else Verdict.FINE,
            forward or "Whatever the new version lets through, the old one does, too.",
        ),
    )
    return rule(rule_id, title, wire=row, buf=False)


_REFUSED = "Stored events, and those of producers that know the old rules alone, are refused by the new ones."
_ADMITTED = "Readers that rely on the old rules meet values that these refuse."
_VALIDATE = (
    _rule("RULE_ADDED", "values that were taken need no new rule to pass", backward=_REFUSED),
    _rule("RULE_TIGHTENED", "a rule keeps taking the values that it took", backward=_REFUSED),
    _rule("RULE_LOOSENED", "a rule keeps refusing the values that it refused", forward=_ADMITTED),
    _rule("RULE_REMOVED", "what a rule refused stays refused", forward=_ADMITTED),
    _rule(
        "RULE_CHANGED",
        "a rule is not replaced by another one",
        backward=_REFUSED,
        forward=_ADMITTED,
    ),
)

RULES: Mapping[str, Rule] = {it.id: it for it in (*DATA_RULES, *LINEAGE_RULES, *SOURCE_RULES, *_VALIDATE)}


ANY: Ways = (Verdict.BREAKS, Verdict.BREAKS)
"""Bounds that leave a rule as it is."""


def verdicts(
    rule_id: str, *, ways: Ways = ANY, data: Ways = ANY, wire: Ways = ANY
) -> Mapping[tuple[Way, Surface], Verdict]:
    """Answers what a finding of a rule does: as the rule says, or milder where it is bounded.

    Each bound is for BACKWARD and for FORWARD: ``ways`` of all surfaces, ``data`` of all but source code,
    ``wire`` of binary data.
    """
    found = {}
    for (way, surface), cell in RULES[rule_id].cells.items():
        at = list(Way).index(way)
        bounds = [ways[at]]
        if not (surface is Surface.SOURCE and way is Way.BACKWARD):
            bounds.append(data[at])
        if surface is Surface.WIRE:
            bounds.append(wire[at])
        found[way, surface] = min(cell.verdict, *bounds)
    return MappingProxyType(found)
