"""Compares two schema versions: what changed, whom it breaks under a promise, and who can read what. Pure.

The line of a check is ``compare``, then ``judge``, then ``explain`` for those findings that are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.compat.catalogue import RULES
from registry.compat.defaults import compare_first_values
from registry.compat.enums import compare_enums
from registry.compat.explain import explain
from registry.compat.fields import compare_extensions
from registry.compat.files import compare_files
from registry.compat.messages import compare_messages
from registry.compat.pair import Pair
from registry.compat.promise import Surface, Verdict, Way
from registry.compat.reach import closure, holdings
from registry.compat.reading import read_shape
from registry.compat.services import compare_services
from registry.compat.validate_rules import compare_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from registry.compat.finding import Finding, Side
    from registry.compat.promise import Promise


__all__ = ["compare", "explain", "judge", "readable"]


def compare(old: Side, new: Side) -> list[Finding]:
    """Answers everything that changed from ``old`` to ``new`` and that somebody may notice, by path.

    Files of references count with the messages that both sides have; nothing of theirs can be missed.
    """
    pair = Pair(read_shape(old), read_shape(new))
    findings = [*_structure(pair), *compare_rules(old, new)]
    return sorted(findings, key=lambda it: (it.path, it.rule_id))


def judge(findings: Iterable[Finding], promise: Promise) -> list[tuple[Finding, Verdict]]:
    """Answers the findings that matter under a promise: those that break it first, then by path.

    What nobody notices on the promise's surface is left out, and what another finding on the same element
    says as well.
    """
    noticed = [(it, verdict) for it in findings if (verdict := it.verdict(promise)) is not Verdict.FINE]
    shown = {(it.path, it.rule_id): verdict for it, verdict in noticed}
    judged = [(it, verdict) for it, verdict in noticed if not _is_implied(it, verdict, shown)]
    return sorted(judged, key=lambda it: (-it[1], it[0].path, it[0].rule_id))


def readable(writer: Side, reader: Side, type_name: str) -> bool:
    """Tells whether binary events of a type, written with one version, can be read with another one.

    Rules of ``buf.validate``, and those about the history of a subject, don't count.
    """
    pair = Pair(read_shape(writer), read_shape(reader))
    if type_name not in pair.new.messages:
        return False
    held = closure([type_name], holdings(pair.old))
    messages = held & pair.old.messages.keys()
    enums = held - messages
    findings = (
        *compare_messages(pair, messages),
        *compare_enums(pair, enums),
        *compare_extensions(pair, messages),
        *compare_first_values(pair, messages),
    )
    return not any(_fails_to_read(it) for it in findings)


def _structure(pair: Pair) -> Iterator[Finding]:
    yield from compare_files(pair)
    for file in pair.changed:
        yield from compare_messages(pair, file.messages)
        yield from compare_enums(pair, file.enums)
    yield from compare_services(pair)
    yield from compare_extensions(pair)
    yield from compare_first_values(pair, pair.old.messages)


def _fails_to_read(finding: Finding) -> bool:
    breaks = finding.cells[Way.BACKWARD, Surface.WIRE] is Verdict.BREAKS
    return breaks and not RULES[finding.rule_id].lineage


def _is_implied(finding: Finding, verdict: Verdict, shown: Mapping[tuple[str, str], Verdict]) -> bool:
    by = RULES[finding.rule_id].implied_by
    return any(shown.get((finding.path, rule_id), Verdict.FINE) >= verdict for rule_id in by)
