"""What a comparison of two schemas finds: cases in folders, Buf as an oracle, and properties."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from google.protobuf import descriptor_pb2 as pb
from hypothesis import given
from hypothesis import strategies as st

from registry.compat.catalogue import RULES
from registry.compat.engine import compare, judge
from registry.compat.promise import Direction, Promise, Surface, Verdict, Way
from registry.compat.reading import read_shape
from registry.compat.shape import Numbers, Span
from tests.buf_elements import Keys, buf_key
from tests.compat_cases import CASES, Case, as_expected, compiled, side_of
from tests.generated_schemas import Schema, schemas
from tests.schema_drawing import Drawing
from tests.schema_mutations import Refused, mutate

if TYPE_CHECKING:
    from registry.compat.finding import Finding, Side

BUF = Path(sys.executable).with_name("buf")
DATA_SURFACES = (Surface.WIRE, Surface.WIRE_JSON)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_case_finds_what_it_expects(case: Case) -> None:
    """Each case finds the rules, elements and broken promises that its `expected.json` names, no others."""
    found = [as_expected(it) for it in compare(case.side("before"), case.side("after"))]
    assert found == case.expected()["findings"]


def test_each_rule_has_a_case() -> None:
    """Each rule about structure has a folder of its name, in which it finds something."""
    found = {case.name: {it["rule"] for it in case.expected()["findings"]} for case in CASES}
    about_structure = {rule_id for rule_id in RULES if not rule_id.startswith("RULE_")}
    assert {it for it in about_structure if it not in found.get(it.lower(), ())} == set()


def test_findings_say_everything() -> None:
    """Each finding has a change, an effect, a suggestion, and at least one who notices."""
    for case in CASES:
        for it in compare(case.side("before"), case.side("after")):
            assert all((it.change, it.effect, it.suggestion, it.audiences)), it


def test_buf_finds_the_same(tmp_path: Path) -> None:
    """Case by case Buf finds the same rules broken at the same elements, or the case says why not.

    What we find beyond that breaks no promise to new readers: Buf asks about them alone.
    """
    theirs: dict[str, Counter[tuple[str, str]]] = {case.name: Counter() for case in CASES}
    for broken in run_buf(tmp_path):
        words = re.split(r"[^a-z0-9_]", broken.get("path", broken["message"]))
        name = next(it for it in words if it in theirs)
        theirs[name][broken["type"], buf_key(broken["type"], broken.get("path", ""), broken["message"])] += 1
    for case in CASES:
        keys = Keys(case.files("before"), case.files("after"))
        found = compare(case.side("before"), case.side("after"))
        ours = {(it.rule_id, keys.key(it)): it for it in found if RULES[it.rule_id].buf}
        known = {(it["rule"], it["element"]): it["only"] for it in case.expected().get("differences", ())}
        only_here = {
            key for key, it in ours.items() if key not in theirs[case.name] and breaks_new_readers(it)
        }
        only_there = theirs[case.name].keys() - ours.keys()
        assert only_here == {key for key, only in known.items() if only == "tidegate"}, case.name
        assert only_there == {key for key, only in known.items() if only == "buf"}, case.name


def breaks_new_readers(finding: Finding) -> bool:
    return any(it.startswith("BACKWARD") for it in finding.breaks())


def run_buf(folder: Path) -> list[dict[str, str]]:
    for moment in ("before", "after"):
        # Buf refuses MessageSets.
        files = [file for file in compiled(moment).file if "message_set" not in file.name]
        (folder / f"{moment}.binpb").write_bytes(pb.FileDescriptorSet(file=files).SerializeToString())
    config = json.dumps({"version": "v2", "breaking": {"use": ["FILE", "PACKAGE", "WIRE_JSON", "WIRE"]}})
    command = [BUF, "breaking", "after.binpb", "--against", "before.binpb", "--config", config]
    run = subprocess.run(
        [*command, "--error-format", "json"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.stdout, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_cells_are_whole() -> None:
    """Each rule has six cells with a sentence each, and a wider surface is never milder than a narrow one."""
    for rule in RULES.values():
        assert rule.cells.keys() == {(way, surface) for way in Way for surface in Surface}
        assert all(cell.why.endswith(".") for cell in rule.cells.values()), rule.id
        for way in Way:
            verdicts = [rule.cells[way, surface].verdict for surface in Surface]
            assert verdicts == sorted(verdicts), rule.id
        assert rule.implied_by <= RULES.keys()


def drawn(seed: int, *, mutations: int = 2) -> tuple[Side, Side]:
    """Answers a drawn schema, and what it became after some mutations."""
    drawing = Drawing(Random(seed), "t")
    old = side_of("version 1", drawing.files)
    try:
        mutate(drawing, mutations)
    except Refused:
        return old, old
    return old, side_of("version 2", drawing.files)


SEEDS = st.integers(0, 10**9)


@given(schemas())
def test_a_schema_is_compatible_with_itself(schema: Schema) -> None:
    """Nothing is found between a schema and itself, whatever it declares."""
    side = side_of("version 1", schema.files)
    assert compare(side, side) == []


@given(SEEDS)
def test_a_finding_is_no_worse_than_its_rule(seed: int) -> None:
    """A finding's verdicts are those of its rule's cells or milder, and somebody notices it."""
    for it in compare(*drawn(seed)):
        cells = RULES[it.rule_id].cells
        assert it.cells.keys() == cells.keys()
        assert all(verdict <= cells[key].verdict for key, verdict in it.cells.items())
        assert any(it.cells.values())
        assert it.audiences


@given(SEEDS)
def test_full_is_backward_and_forward(seed: int) -> None:
    """FULL is broken exactly if BACKWARD or FORWARD is, NONE never; transitive ones as their own, each."""
    for it in compare(*drawn(seed)):
        for surface in Surface:
            broken = {way: it.verdict(Promise(way, surface)) is Verdict.BREAKS for way in Direction}
            assert broken[Direction.FULL] == (broken[Direction.BACKWARD] or broken[Direction.FORWARD])
            assert not broken[Direction.NONE]
            for way in (Direction.BACKWARD, Direction.FORWARD, Direction.FULL):
                assert broken[Direction(f"{way.value}_TRANSITIVE")] == broken[way]


@given(SEEDS)
def test_rules_about_reading_mirror(seed: int) -> None:
    """What breaks new readers of old data breaks old readers of new data if the versions change places."""
    old, new = drawn(seed)
    there, back = compare(old, new), compare(new, old)
    extensions = {it.path for side in (old, new) for it in read_shape(side).extensions.values()}
    for surface in DATA_SURFACES:
        for way, other in ((Way.BACKWARD, Way.FORWARD), (Way.FORWARD, Way.BACKWARD)):
            assert broken_by(there, way, surface, extensions) == broken_by(back, other, surface, extensions)


def broken_by(findings: list[Finding], way: Way, surface: Surface, extensions: set[str]) -> set[str]:
    """Answers which declarations are broken, without what may have another name on the other side."""
    return {
        "an extension" if it.path in extensions else ".".join(it.path.split(".")[:2])
        for it in findings
        if it.cells[way, surface] is Verdict.BREAKS and not RULES[it.rule_id].lineage
    }


@given(SEEDS)
def test_judged_findings_keep_the_verdict(seed: int) -> None:
    """What is left out as implied takes no verdict away, and what breaks the promise comes first."""
    findings = compare(*drawn(seed))
    for surface in Surface:
        promise = Promise(Direction.FULL, surface)
        judged = judge(findings, promise)
        worst = {it.path: it.verdict(promise) for it in sorted(findings, key=lambda it: it.verdict(promise))}
        shown = {it.path: verdict for it, verdict in sorted(judged, key=lambda it: it[1])}
        assert shown == {path: verdict for path, verdict in worst.items() if verdict is not Verdict.FINE}
        assert [-verdict for _, verdict in judged] == sorted(-verdict for _, verdict in judged)


SPANS = st.lists(
    st.tuples(st.integers(-20, 20), st.integers(0, 6)).map(lambda it: Span(it[0], it[0] + it[1]))
)


@given(SPANS, SPANS)
def test_numbers_are_sets(some: list[Span], others: list[Span]) -> None:
    """Sets of numbers answer as Python's own sets of the same numbers do."""
    left, right = (
        {n for span in spans for n in range(span.first, span.last + 1)} for spans in (some, others)
    )
    numbers = Numbers(some)
    assert {n for n in range(-30, 40) if n in numbers} == left
    assert {
        n for span in numbers.without(Numbers(others)) for n in range(span.first, span.last + 1)
    } == left - right
    assert numbers.first_free(-5) == next(n for n in range(-5, 40) if n not in left)
