"""Which changes of a schema are refused: cases in folders, Buf and Protobuf itself as oracles."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import descriptor_pb2 as pb
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from registry.compat.engine import compare
from registry.compat.finding import Finding, Side
from registry.compat.shape import Numbers, Span
from registry.compiling.compiler import compile_sources
from registry.descriptors import build_pool
from tests.generated_schemas import Schema, schemas

if TYPE_CHECKING:
    from collections.abc import Iterable

CASES = sorted(path.parent for path in Path(__file__).parent.glob("compat/*/before.proto"))
Kind = pb.FieldDescriptorProto

# Buf's WIRE rules look at both directions and at source; ours at what a reader of old data meets.
STRICTER_IN_BUF = {
    # A field that moves alone into a new oneof loses nothing, and an enum is read as an integer.
    "compatible": {"FIELD_SAME_ONEOF", "FIELD_WIRE_COMPATIBLE_TYPE"},
    # Buf names a field that becomes required under two rules.
    "required_fields": {"FIELD_WIRE_COMPATIBLE_CARDINALITY"},
    # Buf takes required for a cardinality of its own, where editions' features say it.
    "editions": {"FIELD_WIRE_COMPATIBLE_CARDINALITY"},
    # Buf takes a map for a repeated message of another type.
    "field_cardinality": {"FIELD_WIRE_COMPATIBLE_TYPE"},
}
STRICTER_HERE = {"MESSAGE_NO_DELETE", "EXTENSION_NO_DELETE", "ENUM_SAME_TYPE", "MESSAGE_SAME_REQUIRED_FIELDS"}


@cache
def compiled(moment: str) -> pb.FileDescriptorSet:
    sources = {f"{case.name}/case.proto": (case / f"{moment}.proto").read_text() for case in CASES}
    return pb.FileDescriptorSet.FromString(compile_sources(sources).descriptor_set)


def found_between(old: pb.FileDescriptorSet, new: pb.FileDescriptorSet) -> list[Finding]:
    own = frozenset(file.name for file in (*old.file, *new.file))
    return compare(Side("old", old.SerializeToString(), own), Side("new", new.SerializeToString(), own))


def only(case: str, files: pb.FileDescriptorSet) -> pb.FileDescriptorSet:
    return pb.FileDescriptorSet(file=[file for file in files.file if file.package == case])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_findings_of_a_case_are_those_that_it_names(case: Path) -> None:
    """The comments at the head of `after.proto` are the findings: rule and path, and nothing else."""
    expected = [
        line[3:].split() for line in (case / "after.proto").read_text().splitlines() if line[:2] == "//"
    ]
    found = found_between(only(case.name, compiled("before")), only(case.name, compiled("after")))
    assert sorted([it.rule_id, it.path] for it in found) == sorted(expected)
    assert all(finding.suggestion for finding in found), "a finding says a way out"


def test_buf_finds_the_same_rules_broken(tmp_path: Path) -> None:
    """Buf's WIRE rules agree with ours case by case, but for the differences that this file names."""
    ours: dict[str, set[str]] = {}
    for finding in found_between(compiled("before"), compiled("after")):
        ours.setdefault(finding.path.partition(".")[0], set()).add(finding.rule_id)
    theirs = {case.name: set[str]() for case in CASES if case.name != "message_set"}  # Buf refuses those
    for broken in run_buf(tmp_path):
        theirs[broken["path"].partition("/")[0]].add(broken["type"])
    for case, rules in theirs.items():
        stricter = STRICTER_IN_BUF.get(case, set())
        assert rules - stricter == ours.get(case, set()) - (STRICTER_HERE - rules), case
        assert stricter <= rules, f"the difference at {case} is gone"


def run_buf(folder: Path) -> Iterable[dict[str, str]]:
    for moment in ("before", "after"):
        files = [file for file in compiled(moment).file if file.package != "message_set"]
        (folder / f"{moment}.binpb").write_bytes(pb.FileDescriptorSet(file=files).SerializeToString())
    command = [Path(sys.executable).with_name("buf"), "breaking", "after.binpb", "--against", "before.binpb"]
    config = json.dumps({"version": "v2", "breaking": {"use": ["WIRE"]}})
    run = subprocess.run(
        [*command, "--config", config, "--error-format", "json"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert run.stdout, run.stderr
    return [json.loads(line) for line in run.stdout.splitlines()]


@given(schemas())
def test_a_schema_is_compatible_with_itself(schema: Schema) -> None:
    """Nothing is found between a schema and itself, whatever it declares."""
    files = pb.FileDescriptorSet(file=schema.files)
    assert found_between(files, files) == []


SCALARS = (
    Kind.TYPE_INT32, Kind.TYPE_INT64, Kind.TYPE_UINT32, Kind.TYPE_UINT64, Kind.TYPE_BOOL, Kind.TYPE_SINT32,
    Kind.TYPE_SINT64, Kind.TYPE_FIXED32, Kind.TYPE_SFIXED32, Kind.TYPE_FIXED64, Kind.TYPE_SFIXED64,
    Kind.TYPE_DOUBLE, Kind.TYPE_FLOAT, Kind.TYPE_STRING, Kind.TYPE_BYTES,
)  # fmt: skip
TEXTS = (Kind.TYPE_STRING, Kind.TYPE_BYTES)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[pb.FileDescriptorSet, pb.FileDescriptorSet]:
    """Draws a message of few fields, and what it became after one to three edits."""
    old: dict[int, pb.FieldDescriptorProto] = {}
    for number in draw(st.sets(st.integers(1, 5), min_size=1)):
        old[number] = draw(fields(number))
    new = dict(old)
    for number in draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)):
        edited = pb.FieldDescriptorProto()
        edited.CopyFrom(new.get(number) or draw(fields(number)))
        match draw(st.sampled_from(("type", "label", "oneof", "remove"))):
            case "type":
                edited.type = draw(st.sampled_from(SCALARS))
            case "label":
                edited = draw(fields(number))
                edited.type = new[number].type if number in new else edited.type
            case "oneof" if edited.label == Kind.LABEL_OPTIONAL:
                edited.oneof_index = 0
            case "remove" if number in new:
                del new[number]
                continue
        new[number] = edited
    return _file(old, set()), _file(new, {it for it in old if it not in new and draw(st.booleans())})


@st.composite
def fields(draw: st.DrawFn, number: int) -> pb.FieldDescriptorProto:
    field = pb.FieldDescriptorProto(name=f"f{number}", number=number, type=draw(st.sampled_from(SCALARS)))
    field.label = draw(st.sampled_from((Kind.LABEL_OPTIONAL, Kind.LABEL_REPEATED)))
    if field.label == Kind.LABEL_OPTIONAL and draw(st.booleans()):
        field.oneof_index = 0
    return field


def _file(declared: dict[int, pb.FieldDescriptorProto], reserved: set[int]) -> pb.FileDescriptorSet:
    file = pb.FileDescriptorProto(name="e.proto", package="e", syntax="proto2")
    message = file.message_type.add(name="E", field=[declared[number] for number in sorted(declared)])
    if any(field.HasField("oneof_index") for field in message.field):
        message.oneof_decl.add(name="choice")
    for number in sorted(reserved):
        message.reserved_range.add(start=number, end=number + 1)
    return pb.FileDescriptorSet(file=[file])


@given(pairs(), st.data())
def test_compatible_readers_read_what_was_written(
    pair: tuple[pb.FileDescriptorSet, pb.FileDescriptorSet], data: st.DataObject
) -> None:
    """Where nothing is found, the new version reads the old one's data without losing a field of both."""
    old, new = pair
    if found_between(old, new):
        return
    written, read = (
        GetMessageClass(build_pool(it.SerializeToString()).FindMessageTypeByName("e.E")) for it in pair
    )
    sent = written()
    for field in sent.DESCRIPTOR.fields:
        value: Any = 1 if field.type not in TEXTS else b"1" if field.type == Kind.TYPE_BYTES else "1"
        if field.is_repeated:
            getattr(sent, field.name).extend([value] * data.draw(st.integers(0, 2)))
        elif data.draw(st.booleans()):
            setattr(sent, field.name, value)
    received = read.FromString(sent.SerializePartialToString())
    for field, value in sent.ListFields():
        if field.number in received.DESCRIPTOR.fields_by_number:
            assert plain(getattr(received, field.name)) == plain(value)


def plain(value: Any) -> object:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (str, int, float)):
        return value
    return [plain(item) for item in value]


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
