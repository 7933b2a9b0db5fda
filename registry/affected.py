"""Which readers a candidate would break: those whose version can't read what would be written. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.compat.catalogue import RULES
from registry.compat.engine import compare, judge, reachable
from registry.compat.promise import Direction, Promise, Verdict

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from registry.compat.finding import Finding, Side
    from registry.compat.promise import Surface
    from registry.schema import SchemaVersion

FINDINGS_NAMED = 20
"""How many findings are named for a reader."""


class ReaderVersion:
    """What a candidate breaks for those who were built with one version."""

    def __init__(self, version: SchemaVersion, candidate: Side, surface: Surface) -> None:
        self._side = version.side()
        judged = judge(compare(self._side, candidate), Promise(Direction.FORWARD, surface))
        self._findings = [
            finding
            for finding, verdict in judged
            if verdict is Verdict.BREAKS and not RULES[finding.rule_id].lineage
        ]

    def broken(self, types: Iterable[str]) -> tuple[str, ...]:
        """Answers what breaks a reader of some types, or of all: the first ones, as ``RULE_ID path``."""
        findings = self._findings
        if types and findings:
            declared, held = reachable(self._side, types)
            findings = [it for it in findings if _owner(it, declared) in held]
        return tuple(f"{it.rule_id} {it.path}" for it in findings[:FINDINGS_NAMED])


def _owner(finding: Finding, declared: Container[str]) -> str:
    """Answers the message or enum that a finding is about."""
    name = finding.path
    while name and name not in declared:
        name = name.rpartition(".")[0]
    return name
