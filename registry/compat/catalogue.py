"""Every rule, as data: what it holds, and what breaking it does, by way and surface, with the reason.

A finding's verdicts are those of its rule, or milder; never worse. ``docs/compatibility.md`` is rendered
from here, so a cell's ``why`` is a sentence for people.
"""

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
    """

    id: str
    title: str
    buf: bool
    lineage: bool
    cells: Mapping[tuple[Way, Surface], Cell]


def cells_of(
    wire: Mapping[Way, Cell], wire_json: Mapping[Way, Cell], source: Cell | None = None
) -> dict[tuple[Way, Surface], Cell]:
    """Answers the six cells of a rule.

    Nobody compiles new code against old stubs, so FORWARD SOURCE is FORWARD WIRE_JSON.
    """
    cells = {(way, Surface.WIRE): wire[way] for way in Way}
    cells |= {(way, Surface.WIRE_JSON): wire_json[way] for way in Way}
    cells[Way.FORWARD, Surface.SOURCE] = wire_json[Way.FORWARD]
    cells[Way.BACKWARD, Surface.SOURCE] = source or wire_json[Way.BACKWARD]
    return cells


def both(verdict: Verdict, why: str) -> dict[Way, Cell]:
    """Answers the same cell for both ways."""
    return dict.fromkeys(Way, Cell(verdict, why))


def _all(rule_id: str, title: str, why: str, *, buf: bool = True, lineage: bool = False) -> Rule:
    row = both(Verdict.BREAKS, why)
    return Rule(rule_id, title, buf, lineage, cells_of(row, row))


_STRUCTURE = (
    _all("MESSAGE_NO_DELETE", "event types stay declared", "Stored events name their type.", lineage=True),
    _all(
        "MESSAGE_SAME_MESSAGE_SET_WIRE_FORMAT",
        "a message keeps its encoding",
        "A MessageSet is encoded in another way.",
    ),
    _all(
        "EXTENSION_NO_DELETE",
        "extensions stay declared",
        "Another schema could give its number another meaning.",
        lineage=True,
    ),
    _all(
        "FIELD_NO_DELETE_UNLESS_NUMBER_RESERVED",
        "numbers of removed fields stay reserved",
        "A later version could give the number another meaning.",
        lineage=True,
    ),
    _all(
        "MESSAGE_SAME_REQUIRED_FIELDS",
        "required fields stay as they are",
        "Readers refuse events that lack a field that they require.",
    ),
    _all(
        "FIELD_WIRE_COMPATIBLE_CARDINALITY",
        "a field keeps its cardinality",
        "Values would be lost or misread.",
    ),
    _all("FIELD_WIRE_COMPATIBLE_TYPE", "a field keeps a type of its encoding", "Values would be misread."),
    _all(
        "FIELD_SAME_ONEOF",
        "fields stay where they are",
        "Fields that could be set together would push each other out.",
    ),
    _all("ENUM_SAME_TYPE", "an enum stays open or closed", "Numbers without a name would be lost."),
    _all(
        "ENUM_VALUE_NO_DELETE_UNLESS_NUMBER_RESERVED",
        "numbers of removed enum values stay reserved",
        "A later version could give the number another meaning.",
        lineage=True,
    ),
    _all(
        "RESERVED_MESSAGE_NO_DELETE",
        "what is reserved in a message stays reserved",
        "Data of removed fields would be read as another field.",
        lineage=True,
    ),
    _all(
        "RESERVED_ENUM_NO_DELETE",
        "what is reserved in an enum stays reserved",
        "Data of removed values would be read as another value.",
        lineage=True,
    ),
)


def _rule(rule_id: str, title: str, *, backward: str = "", forward: str = "") -> Rule:
    """Answers a rule about ``buf.validate`` rules, whatever the encoding: a reason breaks a way."""
    row = {
        Way.BACKWARD: Cell(
            Verdict.BREAKS if backward else Verdict.FINE,
            backward or "Whatever the old version lets through, the new one does, too.",
        ),
        Way.FORWARD: Cell(
            Verdict.BREAKS if forward else Verdict.FINE,
            forward or "Whatever the new version lets through, the old one does, too.",
        ),
    }
    return Rule(rule_id, title, buf=False, lineage=False, cells=cells_of(row, row))


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

RULES: Mapping[str, Rule] = {rule.id: rule for rule in (*_STRUCTURE, *_VALIDATE)}
