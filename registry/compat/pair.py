"""Two shapes side by side, and findings about them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from registry.compat.catalogue import ANY, RULES, verdicts
from registry.compat.finding import Audience, Finding
from registry.compat.promise import Surface, Verdict, Way

if TYPE_CHECKING:
    from collections.abc import Mapping

    from registry.compat.rule import Ways
    from registry.compat.shape import FileShape, Shape

    Cells = Mapping[tuple[Way, Surface], Verdict]


@dataclass(frozen=True, slots=True)
class Pair:
    """The old shape and the new one; ``within`` remembers which enums are known to hold another's values."""

    old: Shape
    new: Shape
    within: dict[tuple[str, str], Ways] = field(default_factory=dict)

    @property
    def changed(self) -> list[FileShape]:
        """The files of the old side that the new side lacks or has otherwise."""
        files = self.new.files
        return [file for name, file in self.old.files.items() if files.get(name) is not file]

    def new_readers(self, what: str) -> str:
        """Answers what those see who read with the new version what was written with the old one."""
        return f"readers on {self.new.name} {what} in events written with {self.old.name}"

    def old_readers(self, what: str) -> str:
        """Answers what those see who read with the old version what is written with the new one."""
        return f"readers still on {self.old.name} {what} in events written with {self.new.name}"

    def all_readers(self, what: str) -> str:
        """Answers what both see."""
        reverse = f"those still on {self.old.name} in events written with {self.new.name}"
        return f"{self.new_readers(what)}, and {reverse}"

    def by_way(self, what: str, ways: Ways) -> str:
        """Answers what those see to whom more happens than to the others."""
        backward, forward = ways
        if backward is forward:
            return self.all_readers(what)
        return self.new_readers(what) if backward > forward else self.old_readers(what)


def found(
    rule_id: str,
    path: str,
    change: str,
    effect: str,
    suggestion: str,
    *,
    ways: Ways = ANY,
    data: Ways = ANY,
    wire: Ways = ANY,
) -> Finding:
    """Answers a finding of a rule; see ``verdicts`` for what makes it milder than its rule."""
    cells, audiences = _weighed(rule_id, ways, data, wire)
    return Finding(rule_id, path, change, cells, audiences, effect, suggestion)


def json_not_held(rule_id: str, path: str) -> Finding:
    """Answers that JSON of a message or enum was held to work and is a best effort now."""
    effect = "names may clash in JSON, and nobody is told"
    return found(rule_id, path, "JSON is a best effort now", effect, "set `features.json_format = ALLOW`")


@cache
def _weighed(rule_id: str, ways: Ways, data: Ways, wire: Ways) -> tuple[Cells, tuple[Audience, ...]]:
    """Answers what a finding does and who notices: of few kinds there may be very many."""
    cells = verdicts(rule_id, ways=ways, data=data, wire=wire)
    return cells, _audiences(rule_id, cells)


def _audiences(rule_id: str, cells: Cells) -> tuple[Audience, ...]:
    """Answers who notices: readers of binary data by way, and those who notice more than they do."""
    audiences = {
        Audience.OLD_READERS: cells[Way.FORWARD, Surface.WIRE] > Verdict.FINE,
        Audience.NEW_READERS: cells[Way.BACKWARD, Surface.WIRE] > Verdict.FINE,
        Audience.JSON_READERS: any(cells[w, Surface.WIRE_JSON] > cells[w, Surface.WIRE] for w in Way),
        Audience.GENERATED_CODE: _is_about_source(rule_id, cells),
    }
    return tuple(audience for audience, notices in audiences.items() if notices)


def _is_about_source(rule_id: str, cells: Cells) -> bool:
    rules = RULES[rule_id].cells
    differs = rules[Way.BACKWARD, Surface.SOURCE] is not rules[Way.BACKWARD, Surface.WIRE_JSON]
    return differs and cells[Way.BACKWARD, Surface.SOURCE] > Verdict.FINE
