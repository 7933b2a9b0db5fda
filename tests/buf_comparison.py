"""Drawn schemas, their mutations, and what Buf and we say of them: where one says what the other doesn't."""

from __future__ import annotations

import re
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2 as pb

from registry.compat.catalogue import RULES
from registry.compat.engine import compare, judge
from registry.compat.finding import Side
from registry.compat.promise import Direction, Promise, Surface, Verdict
from registry.compiling.compiler import compile_descriptor_set
from registry.errors import InvalidSchema
from registry.printer import print_files
from registry.supplied import is_supplied_name
from tests.buf_breaking import Annotation, BufFails, Elements, breaking, rules_of
from tests.schema_drawing import Drawing
from tests.schema_mutations import Refused, mutate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from registry.compat.finding import Finding
    from tests.schema_surgery import Files

CATEGORIES = {Surface.WIRE: ("WIRE",), Surface.WIRE_JSON: ("WIRE", "WIRE_JSON"), Surface.SOURCE: ("FILE",)}
_CASE = re.compile(r"\bc(\d+)\b")


@dataclass(slots=True)
class Case:
    """One schema and its mutation, and what both say of it."""

    mutations: tuple[str, ...]
    old: list[pb.FileDescriptorProto]
    new: list[pb.FileDescriptorProto]
    ours: list[Finding] = field(default_factory=list)
    theirs: list[Annotation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Difference:
    """What one of us says and the other doesn't.

    Attributes:
        only: Who says it: ``buf`` or ``tidegate``.
        about: ``finding``, or the surface that it says is broken.
        rule_id: By which rule.
        element: Of which element.
        text: In which words.
        beside: The rules that the other one finds broken on the same element.
    """

    only: str
    about: str
    rule_id: str
    element: str
    text: str
    beside: frozenset[str]


def draw(seeds: Iterable[int]) -> dict[int, Case]:
    cases = {}
    for seed in seeds:
        random = Random(seed)
        drawing = Drawing(random, f"c{seed}")
        old = deepcopy(drawing.files)
        with suppress(Refused):
            cases[seed] = Case(mutate(drawing, random.choice((1, 1, 1, 2, 3))), old, drawing.files)
    return cases


def compiled(files: dict[int, list[pb.FileDescriptorProto]]) -> bytes:
    """Compiles the files of many cases at once, and drops those that protoc refuses."""
    while True:
        together = pb.FileDescriptorSet(file=[file for own in files.values() for file in own])
        try:
            return compile_descriptor_set(together.SerializeToString()).descriptor_set
        except InvalidSchema as refused:
            for violation in refused.violations:
                files.pop(case_of(violation.field), None)


def case_of(text: str) -> int:
    """Answers the number of the case that a path, name or sentence is about."""
    found = _CASE.search(text)
    assert found is not None, f"no case is named in {text!r}"
    return int(found[1])


def held_against_each_other(cases: dict[int, Case]) -> None:
    """Lets both compare all cases, and deals out what they find; drops cases that one of us can't take."""
    drawn = len(cases)
    before, after, annotations = said_by_buf(cases)
    assert len(cases) * 10 >= drawn * 9, "too many mutations can't be compared"
    for annotation in annotations:
        cases[case_of(annotation.file or annotation.message)].theirs.append(annotation)
    for finding in compare(side("old", before), side("new", after)):
        cases[case_of(finding.path)].ours.append(finding)


def said_by_buf(cases: dict[int, Case]) -> tuple[bytes, bytes, list[Annotation]]:
    """Answers the descriptor sets before and after, and what Buf says; drops cases that can't be compared."""
    new = {seed: case.new for seed, case in cases.items()}
    after = compiled(new)
    before = compiled({seed: cases[seed].old for seed in new})
    for seed in cases.keys() - new.keys():
        del cases[seed]
    try:
        return before, after, breaking(before, after)
    except BufFails as failure:
        for file in failure.files:
            cases.pop(case_of(file), None)
        return said_by_buf(cases)


def side(name: str, descriptor_set: bytes) -> Side:
    """Answers a compiled set as one side of a comparison."""
    files = pb.FileDescriptorSet.FromString(descriptor_set).file
    return Side(name, descriptor_set, frozenset(it.name for it in files if not is_supplied_name(it.name)))


Said = tuple[str, tuple[str, ...], str]
"""A rule, the keys that its element may have, and the words."""


def differences(case: Case) -> list[Difference]:
    """Answers what one of us says of a case and the other doesn't: findings, then broken surfaces."""
    elements = Elements(case.old, case.new)
    ours = [(it.rule_id, elements.keys(it), it.change) for it in case.ours if RULES[it.rule_id].buf]
    theirs: list[Said] = [(it.rule_id, (it.element,), it.message) for it in case.theirs]
    found = [*_missing("tidegate", "finding", ours, theirs), *_missing("buf", "finding", theirs, ours)]
    for surface, categories in CATEGORIES.items():
        rules = {rule for it in categories for rule in rules_of()[it]}
        judged = judge(case.ours, Promise(Direction.FULL, surface))
        we_break = [
            (it.rule_id, elements.keys(it), it.change) for it, verdict in judged if verdict is Verdict.BREAKS
        ]
        they_break = [it for it in theirs if it[0] in rules]
        if not (we_break and they_break):
            found += [_difference("tidegate", surface.value, it, theirs) for it in we_break]
            found += [_difference("buf", surface.value, it, ours) for it in they_break]
    return found


def _missing(only: str, about: str, those: list[Said], others: list[Said]) -> list[Difference]:
    said = {(rule, key) for rule, keys, _ in others for key in keys}
    missing = [it for it in those if not any((it[0], key) in said for key in it[1])]
    return [_difference(only, about, it, others) for it in missing]


def _difference(only: str, about: str, it: Said, others: list[Said]) -> Difference:
    rule, elements, text = it
    beside = frozenset(rule for rule, keys, _ in others if not set(keys).isdisjoint(elements))
    return Difference(only, about, rule, elements[0], text, beside)


def shown(seed: int, case: Case, left: list[Difference]) -> str:
    """Answers a case with the differences that are left, for people."""
    head = [f"case {seed}: {', '.join(case.mutations)}", *map(str, left)]
    return "\n".join([*head, "--- OLD", shown_files(case.old), "--- NEW", shown_files(case.new)])


def shown_files(files: Files) -> str:
    """Answers files as Protobuf text."""
    texts = print_files(compiled({0: files}), frozenset(file.name for file in files))
    return "\n".join(f"--- {name}\n{text}" for name, text in texts.items())
