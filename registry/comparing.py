"""Holds a candidate against one version after another, and keeps what matters. Pure, and bounded."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from registry.compat.engine import compare, explain, judge
from registry.compat.promise import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from registry.compat.finding import Finding, Side
    from registry.compat.promise import Promise
    from registry.schema import SchemaVersion

FINDINGS_KEPT = 20_000
"""How many findings of a kind are kept while versions are compared; others are only counted."""
_Key = tuple[str, str, str]
_Kept = tuple["Finding", int]


class Comparison:
    """What a candidate changes against some versions.

    What it changes against several in the same words counts once, against the latest of them.
    """

    def __init__(self, candidate: Side, promise: Promise) -> None:
        self._candidate = candidate
        self._promise = promise
        self._kept: dict[Verdict, dict[_Key, _Kept]] = {Verdict.BREAKS: {}, Verdict.NOTICE: {}}
        self._more = {Verdict.BREAKS: 0, Verdict.NOTICE: 0}
        self.against: list[int] = []
        """The versions that it was held against, as they came."""

    def add(self, versions: Iterable[SchemaVersion]) -> None:
        """Holds the candidate against versions, which come oldest first."""
        for version in versions:
            self.against.append(version.version)
            for finding, verdict in judge(compare(version.side(), self._candidate), self._promise):
                self._keep(finding, verdict, version.version)

    def count(self, verdict: Verdict) -> int:
        """Answers how many findings there are of a kind, kept or not."""
        return len(self._kept[verdict]) + self._more[verdict]

    def findings(self, limit: int, *, breaking_only: bool = False) -> list[Finding]:
        """Answers at most ``limit`` findings: those that break the promise first, then by path."""
        kinds = (Verdict.BREAKS,) if breaking_only else (Verdict.BREAKS, Verdict.NOTICE)
        ordered = (it for kind in kinds for it in sorted(self._kept[kind].values(), key=_place))
        return [_against(*it) for it in islice(ordered, limit)]

    def notices(self, version: int, limit: int) -> list[Finding]:
        """Answers at most ``limit`` findings against one version that don't break the promise, by path."""
        notices = (it for it in self._kept[Verdict.NOTICE].values() if it[1] == version)
        return [_against(*it) for it in sorted(notices, key=_place)[:limit]]

    def _keep(self, finding: Finding, verdict: Verdict, version: int) -> None:
        kept, key = self._kept[verdict], (finding.rule_id, finding.path, finding.change)
        if key in kept or len(kept) < FINDINGS_KEPT:
            kept[key] = (finding, version)
        else:
            self._more[verdict] += 1


def explain_for(findings: Sequence[Finding], old: SchemaVersion, candidate: Side) -> list[Finding]:
    """Answers findings against one version with their places and proofs, in the same order."""
    return explain(findings, old.side(), candidate)


def _against(finding: Finding, version: int) -> Finding:
    return replace(finding, against_version=version)


def _place(kept: _Kept) -> tuple[str, str, int]:
    finding, version = kept
    return finding.path, finding.rule_id, -version
