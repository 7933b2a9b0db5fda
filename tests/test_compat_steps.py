"""What a promise between neighbouring versions says of versions that are further apart."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import pytest

from registry.compat.engine import compare, judge
from registry.compat.promise import Direction, Promise, Surface, Verdict
from tests.buf_comparison import case_of, compiled, shown_files, side
from tests.schema_drawing import Drawing
from tests.schema_mutations import Refused, mutate

if TYPE_CHECKING:
    from google.protobuf import descriptor_pb2 as pb

    from registry.compat.finding import Finding

    Step = list[pb.FileDescriptorProto]

PROMISES = [
    Promise(it, surface) for it in map(Direction, ("BACKWARD", "FORWARD", "FULL")) for surface in Surface
]


def draw_steps(seed: int, count: int) -> list[Step]:
    """Answers a schema and what ``count`` mutations made of it, one after another."""
    drawing = Drawing(Random(seed), f"c{seed}")
    steps = [deepcopy(drawing.files)]
    for _ in range(count):
        mutate(drawing, 1)
        steps.append(deepcopy(drawing.files))
    return steps


def broken(old: bytes, new: bytes) -> dict[tuple[int, Promise], list[Finding]]:
    """Answers what breaks each promise, by schema."""
    found: dict[tuple[int, Promise], list[Finding]] = {}
    findings = compare(side("old", old), side("new", new))
    for promise in PROMISES:
        for finding, verdict in judge(findings, promise):
            if verdict is Verdict.BREAKS:
                found.setdefault((case_of(finding.path), promise), []).append(finding)
    return found


def is_another_enum(finding: Finding) -> bool:
    """Tells whether it is the one exception: an enum was renamed first and changed later, or the reverse.

    A renamed enum is known again by its values, which must not change in the same breath.
    """
    types = finding.change.removeprefix("type changed from ").split(" to ")
    return finding.rule_id == "FIELD_WIRE_COMPATIBLE_TYPE" and all(".E" in it for it in types)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_steps_that_keep_a_promise_keep_it_together() -> None:
    """Where each of three steps keeps a promise, the last version keeps it with the first one."""
    for start in range(0, 4_000, 200):
        drawn: dict[int, list[Step]] = {}
        for seed in range(start, start + 200):
            try:
                drawn[seed] = draw_steps(seed, 3)
            except Refused:
                continue
        hold_together(drawn)


def hold_together(drawn: dict[int, list[Step]]) -> None:
    for moment in range(4):
        files = {seed: steps[moment] for seed, steps in drawn.items()}
        compiled(files)
        drawn = {seed: drawn[seed] for seed in files}  # what protoc takes at every step
    sets = [compiled({seed: steps[moment] for seed, steps in drawn.items()}) for moment in range(4)]
    steps = [broken(old, new) for old, new in pairwise(sets)]
    for (seed, promise), findings in broken(sets[0], sets[3]).items():
        if not any((seed, promise) in step for step in steps):
            left = [it for it in findings if not is_another_enum(it)]
            assert not left, "\n".join([str(promise), *map(str, left), *map(shown_files, drawn[seed])])
