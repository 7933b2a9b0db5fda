"""Our findings and verdicts against Buf's, on drawn schemas and drawn mutations of them.

Each difference must be one of `tests/compat/known_differences.toml`, which says why it is there.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
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
from tests.schema_surgery import Kind, enums, extensions, is_open, messages

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from registry.compat.finding import Finding
    from tests.schema_surgery import Declared, Files

KNOWN = Path(__file__).parent / "compat" / "known_differences.toml"
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


@dataclass(frozen=True, slots=True)
class Known:
    """A difference that is meant to be, as the file describes it."""

    only: str
    reason: str
    about: str = ""
    rule: str = ""
    text: str = ""
    beside: str = ""
    when: str = ""

    def covers(self, it: Difference, case: Case) -> bool:
        """Tells whether a difference of a case is this one."""
        return (
            self.only == it.only
            and _matches(self.about, it.about)
            and _matches(self.rule, it.rule_id)
            and (not self.text or re.search(self.text, it.text) is not None)
            and (not self.beside or any(_matches(self.beside, rule) for rule in it.beside))
            and (not self.when or CONDITIONS[self.when](case, it))
        )


def _matches(pattern: str, text: str) -> bool:
    return not pattern or re.fullmatch(pattern, text) is not None


@cache
def known_differences() -> tuple[Known, ...]:
    entries = tomllib.loads(KNOWN.read_text(encoding="utf-8"))["difference"]
    return tuple(Known(**entry) for entry in entries)


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
    files = pb.FileDescriptorSet.FromString(descriptor_set).file
    return Side(name, descriptor_set, frozenset(it.name for it in files if not is_supplied_name(it.name)))


Said = tuple[str, tuple[str, ...], str]
"""A rule, the keys that its element may have, and the words."""


def differences(case: Case) -> list[Difference]:
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


def file_is_gone(case: Case, _: Difference) -> bool:
    return not {file.name for file in case.old} <= {file.name for file in case.new}


def last_of_its_kind_is_gone(case: Case, it: Difference) -> bool:
    listed = {
        "PACKAGE_EXTENSION_NO_DELETE": lambda files: [
            (file, field.name) for file, _, field in extensions(files)
        ],
        "PACKAGE_ENUM_NO_DELETE": lambda files: [(found.file, found.element.name) for found in enums(files)],
        "PACKAGE_SERVICE_NO_DELETE": lambda files: [(file, s.name) for file in files for s in file.service],
    }[it.rule_id]
    package = next(file.package for file, name in listed(case.old) if name == it.element)
    return all(file.package != package for file, _ in listed(case.new))


def required_by_feature(case: Case, it: Difference) -> bool:
    found = (field_of(files, it.element) for files in (case.old, case.new))
    return any(f and f.options.features.field_presence == pb.FeatureSet.LEGACY_REQUIRED for f in found)


def default_keeps_its_name(case: Case, it: Difference) -> bool:
    old, new = (field_of(files, it.element) for files in (case.old, case.new))
    return old is not None and new is not None and old.default_value == new.default_value != ""


def nobody_is_pushed_out(case: Case, it: Difference) -> bool:
    """Tells whether of the fields that both versions have, the same ones exclude each other."""
    name = it.element.partition("#")[0]
    exclusive: list[dict[int, str]] = []
    for files in (case.old, case.new):
        message = next(found.element for found in messages(files) if found.element.name == name)
        exclusive.append({
            field.number: message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else ""
            for field in message.field
        })  # fmt: skip
    old, new = exclusive
    pairs = combinations(sorted(old.keys() & new.keys()), 2)
    return all((old[a] == old[b] != "") == (new[a] == new[b] != "") for a, b in pairs)


def no_number_is_lost(case: Case, it: Difference) -> bool:
    """Tells whether a field is an enum or integer on both sides, and each side takes the other's numbers."""
    old, new = (numbers_of(files, it.element) for files in (case.old, case.new))
    return old is not None and new is not None and not (old - new or new - old)


def enum_has_the_same_values(case: Case, it: Difference) -> bool:
    old, new = (enum_of(files, it.element) for files in (case.old, case.new))
    return old is not None and new is not None and list(old.element.value) == list(new.element.value)


def names_are_added(case: Case, it: Difference) -> bool:
    old, new = names_of(case, it)
    return set(old) < set(new)


def first_names_are_known(case: Case, it: Difference) -> bool:
    old, new = names_of(case, it)
    return old[0] in new and new[0] in old


def json_name_stays(case: Case, it: Difference) -> bool:
    return "FIELD_SAME_JSON_NAME" not in {rule.rule_id for rule in case.theirs if rule.element == it.element}


CONDITIONS: dict[str, Callable[[Case, Difference], bool]] = {
    it.__name__: it
    for it in (
        file_is_gone,
        last_of_its_kind_is_gone,
        required_by_feature,
        default_keeps_its_name,
        nobody_is_pushed_out,
        no_number_is_lost,
        enum_has_the_same_values,
        names_are_added,
        first_names_are_known,
        json_name_stays,
    )
}

ANY_NUMBER = frozenset({"any"})


def field_of(files: Files, key: str) -> pb.FieldDescriptorProto | None:
    """Answers the field, extension, or part of a map's entry that has a key."""
    name, _, number = key.partition("#")
    own = [field for *_, field in extensions(files) if field.name == name]
    for it in messages(files):
        for message in (it.element, *it.element.nested_type):
            own += [field for field in message.field if (message.name, str(field.number)) == (name, number)]
    return own[0] if own else None


def names_of(case: Case, it: Difference) -> list[list[str]]:
    """Answers the names of an enum's number in both versions."""
    name, _, number = it.element.partition("#")
    found = [[enum.element for enum in enums(files)] for files in (case.old, case.new)]
    return [
        [
            value.name
            for enum in side
            if enum.name == name
            for value in enum.value
            if str(value.number) == number
        ]
        for side in found
    ]


def enum_of(files: Files, key: str) -> Declared[pb.EnumDescriptorProto] | None:
    field = field_of(files, key)
    return next((it for it in enums(files) if field is not None and it.name == field.type_name), None)


def numbers_of(files: Files, key: str) -> frozenset[object] | None:
    """Answers the numbers that an enum or integer takes; None if it is neither."""
    enum, field = enum_of(files, key), field_of(files, key)
    if enum is not None:
        closed = not is_open(enum.file, enum.element)
        return frozenset(it.number for it in enum.element.value) if closed else ANY_NUMBER
    integers = (Kind.TYPE_INT32, Kind.TYPE_INT64, Kind.TYPE_UINT32, Kind.TYPE_UINT64, Kind.TYPE_BOOL)
    return ANY_NUMBER if field is not None and field.type in integers else None


def unknown(case: Case, met: Counter[Known]) -> list[Difference]:
    """Answers the differences that no entry covers, and counts those that one does."""
    left = []
    for difference in differences(case):
        known = next((it for it in known_differences() if it.covers(difference, case)), None)
        if known is None:
            left.append(difference)
        else:
            met[known] += 1
    return left


def shown(seed: int, case: Case, left: list[Difference]) -> str:
    lines = [f"case {seed}: {', '.join(case.mutations)}", *map(str, left)]
    for moment, files in (("OLD", case.old), ("NEW", case.new)):
        texts = print_files(compiled({seed: files}), frozenset(file.name for file in files))
        lines += [f"--- {moment} {name}\n{text}" for name, text in texts.items()]
    return "\n".join(lines)


def hold(seeds: range) -> tuple[Counter[Known], set[str]]:
    """Draws and compares, and fails with the schemas if there is a difference that nobody knows.

    Answers the differences that were met, and the rules that Buf found broken.
    """
    met: Counter[Known] = Counter()
    rules: set[str] = set()
    for start in seeds[::400]:
        cases = draw(range(start, min(start + 400, seeds.stop)))
        held_against_each_other(cases)
        left = {seed: found for seed, case in cases.items() if (found := unknown(case, met))}
        assert not left, "\n\n".join(shown(seed, cases[seed], found) for seed, found in [*left.items()][:3])
        rules.update(it.rule_id for case in cases.values() for it in case.theirs)
    return met, rules


def test_findings_and_verdicts_are_bufs() -> None:
    """Each rule of Buf's is broken where Buf says, and so is each surface, or we know why not."""
    _, rules = hold(range(2_400, 3_200))
    assert set().union(*rules_of().values()) - rules == set(), "rules that no mutation breaks"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_findings_and_verdicts_are_bufs_at_length() -> None:
    """The same over tens of thousands of schemas, where each known difference is met, too."""
    met, _ = hold(range(10_000, 40_000))
    assert [known for known in known_differences() if not met[known]] == []
