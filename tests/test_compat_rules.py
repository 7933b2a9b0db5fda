"""How rules evolve: verdicts against protovalidate itself, cases in words, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from registry.compat.finding import Side
from registry.compat.promise import Surface, Way
from registry.compat.validate_rules import compare_rules
from tests.rule_pairs import Oracle, Ruled, ruled_pairs, schema_of

if TYPE_CHECKING:
    from registry.compat.finding import Finding

NUMBERS = ("int32", "sint64", "uint32", "enum", "bool", "double")
PAIRS = st.lists(ruled_pairs(), min_size=1, max_size=12)


def side(name: str, descriptor_set: bytes) -> Side:
    return Side(name, descriptor_set, frozenset({"e.proto"}))


def breaks(findings: list[Finding], way: Way) -> bool:
    return any(it.cells.get((way, Surface.WIRE)) == 2 for it in findings)


@given(PAIRS)
def test_verdicts_about_rules_are_those_of_protovalidate(pairs: list[tuple[Ruled, Ruled]]) -> None:
    """A way breaks exactly if an event that one version's protovalidate takes is refused by the other's."""
    schemas = [schema_of(fields) for fields in zip(*pairs, strict=True)]
    old, new = (Oracle(it) for it in schemas)
    findings = compare_rules(side("version 1", schemas[0]), side("version 2", schemas[1]))
    for index, (before, after) in enumerate(pairs):
        own = [it for it in findings if it.path.startswith(f"e.M{index}.")]
        for way, writer, reader in ((Way.BACKWARD, old, new), (Way.FORWARD, new, old)):
            events = writer.written(index, before.values)
            refused = [it for it in events if writer.accepts(index, it) and not reader.accepts(index, it)]
            assert not refused or breaks(own, way), (way, before, after, refused)
            if before.kind in NUMBERS:  # of texts and lists there are more than anybody can try
                assert refused or not breaks(own, way), (way, before, after, own)
