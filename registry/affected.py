"""Which readers a candidate would break: those whose version can't read what would be written. Pure."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from registry.compat.catalogue import RULES
from registry.compat.engine import compare, judge
from registry.compat.promise import Direction, Promise, Verdict
from registry.compat.reach import closure, holders, holdings
from registry.compat.reading import read_shape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from registry.compat.finding import Side
    from registry.compat.promise import Surface
    from registry.compat.shape import Shape
    from registry.schema import SchemaVersion

FINDINGS_NAMED = 20
"""How many findings are named for a reader."""


class ReaderVersion:
    """What a candidate breaks for those who were built with one version."""

    def __init__(self, version: SchemaVersion, candidate: Side, surface: Surface) -> None:
        judged = judge(compare(version.side(), candidate), Promise(Direction.FORWARD, surface))
        self._findings = [
            finding
            for finding, verdict in judged
            if verdict is Verdict.BREAKS and not RULES[finding.rule_id].lineage
        ]
        shape = read_shape(version.side())
        self._owners = [_owner(it.path, shape) for it in self._findings]
        self._held = holdings(shape)
        self._holders = closure(self._owners, holders(self._held))

    def breaks(self, types: Iterable[str]) -> bool:
        """Tells whether a reader of some types, or of all if there are none, is broken."""
        return bool(self._findings) and (not types or not self._holders.isdisjoint(types))

    def told(self, types: Iterable[str]) -> tuple[str, ...]:
        """Answers what breaks such a reader: the first findings, as ``RULE_ID path``."""
        held = closure(types or self._owners, self._held)
        found = (it for it, owner in zip(self._findings, self._owners, strict=True) if owner in held)
        return tuple(f"{it.rule_id} {it.path}" for it in islice(found, FINDINGS_NAMED))


def _owner(path: str, shape: Shape) -> str:
    """Answers the message or enum that an element is, or belongs to."""
    while path and path not in shape.messages and path not in shape.enums:
        path = path.rpartition(".")[0]
    return path
