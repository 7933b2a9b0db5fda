"""How rules evolve: verdicts against protovalidate itself, cases in words, and what it costs."""

from __future__ import annotations

import re
from time import process_time
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from registry.compat.engine import compare, judge
from registry.compat.finding import Side
from registry.compat.promise import Direction, Promise, Surface, Verdict, Way
from registry.compat.validate_rules import compare_rules
from registry.compiling.compiler import compile_sources
from tests.compat_cases import CASES, Case
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


RULE_CASES = [case for case in CASES if case.name.startswith("rule_")]
NEW_FIELD = re.compile(r"on a new field: `(.*\]);`")


def test_what_rules_suggest_breaks_nothing() -> None:
    """A new field that a finding suggests can be pasted beside the old one, and then nothing is refused."""
    pasted = {}
    for case in RULE_CASES:
        for it in compare_rules(case.side("before"), case.side("after")):
            match = NEW_FIELD.search(it.suggestion)
            if match:
                pasted[f"{case.name}_{len(pasted)}"] = (case, it, f"{match[1]};")
    assert len(pasted) > 20
    old = {name: renamed(case, name) for name, (case, _, _) in pasted.items()}
    new = {name: with_field(old[name], it.path, line) for name, (_, it, line) in pasted.items()}
    sides = [
        side(version, compile_sources({f"{name}.proto": text for name, text in texts.items()}).descriptor_set)
        for version, texts in (("1", old), ("2", new))
    ]
    assert compare_rules(*sides) == []


SUGGESTED = re.compile(r"(?:add|on a new field:) `([^`]* = [0-9]+[^`]*;)`")


def order(*fields: str) -> str:
    """A message of these fields."""
    imports = 'import "buf/validate/validate.proto";'
    return f'syntax = "proto3"; package o; {imports} message Order {{ {" ".join(fields)} }}'


def test_all_that_is_suggested_can_be_written_at_once() -> None:
    """New fields that findings suggest, of types and of rules, get in nobody's way: not in JSON either."""
    rule = "(buf.validate.field).int32"
    rest = "int32 tS_tring = 7; reserved 9 to 12;"
    before = order(
        "int32 t = 1; int32 u = 2; int32 v = 3;", f"int32 w = 4 [{rule}.gt = 0]; int32 x = 5;", rest
    )
    after = order(
        "string t = 1; string u = 2; repeated int32 v = 3;",
        f"int32 w = 4 [{rule}.gt = 2]; int32 x = 5 [{rule}.lt = 9];",
        rest,
    )
    old, new = (side("1", compile_sources({"e.proto": it}).descriptor_set) for it in (before, after))
    pasted = [SUGGESTED.search(it.suggestion) for it in compare(old, new)]
    fields = {it[1] for it in pasted if it}
    assert len(fields) == 5
    merged = before.removesuffix("}") + " ".join(fields) + "}"
    result = side("2", compile_sources({"e.proto": merged}).descriptor_set)
    judged = judge(compare(old, result), Promise(Direction.FULL, Surface.SOURCE))
    assert {(it.rule_id, verdict) for it, verdict in judged} == {("FIELD_NO_ADD", Verdict.NOTICE)}


def test_a_message_without_a_number_left_is_told_so() -> None:
    """Where all numbers are taken or reserved, nothing is suggested that could not be declared."""
    old, new = (
        side("1", compile_sources({"e.proto": order(f"{it} t = 1;", "reserved 2 to max;")}).descriptor_set)
        for it in ("int32", "string")
    )
    (finding,) = (it for it in compare(old, new) if it.rule_id == "FIELD_WIRE_COMPATIBLE_TYPE")
    assert finding.suggestion == (
        "keep `int32 t = 1;`; no number is left for another field, so declare another message that has it"
    )


def renamed(case: Case, package: str) -> str:
    (text,) = case.sources("before").values()
    return re.sub(rf"\b{case.name}\b(?!/)", package, text)


def with_field(text: str, path: str, line: str) -> str:
    """Adds a field to the message of an element; types of the schema itself are named within it."""
    _, message, _ = path.split(".")
    line = re.sub(r"\brule_\w+\.(?=[A-Z])", "", line)
    return text.replace(f"message {message} {{\n", f"message {message} {{\n  {line}\n")


def test_directions_mirror() -> None:
    """What breaks new readers breaks old ones if the versions change places, under the mirrored rule."""
    mirrored = {
        "RULE_ADDED": "RULE_REMOVED",
        "RULE_TIGHTENED": "RULE_LOOSENED",
        "RULE_CHANGED": "RULE_CHANGED",
    }
    mirrored |= {after: before for before, after in mirrored.items()}
    for case in RULE_CASES:
        there, back = (
            {(it.path, it.rule_id): it for it in compare_rules(*sides)}
            for sides in (
                (case.side("before"), case.side("after")),
                (case.side("after"), case.side("before")),
            )
        )
        assert {(path, mirrored[rule_id]) for path, rule_id in there} == back.keys()
        for (path, rule_id), it in there.items():
            ways = {way: breaks([it], way) for way in Way}
            other = back[path, mirrored[rule_id]]
            assert [breaks([other], way) for way in (Way.FORWARD, Way.BACKWARD)] == list(ways.values())


def test_schemas_without_rules_cost_nothing() -> None:
    """Where nobody imports the rules nothing is read, and equal files are not looked at."""
    plain = compile_sources({"p.proto": 'syntax = "proto3"; message P { int32 a = 1; }'}).descriptor_set
    ruled = RULE_CASES[0].side("before")
    started = process_time()
    for _ in range(2_000):
        assert compare_rules(side("1", plain), side("2", plain)) == []
        assert compare_rules(ruled, ruled) == []
    assert process_time() - started < 4
