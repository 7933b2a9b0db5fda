"""How findings are shown: events that prove them, and places in the sources."""

from __future__ import annotations

import subprocess
import sys
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import descriptor_pb2 as pb
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from registry.compat.catalogue import RULES
from registry.compat.engine import compare
from registry.compat.example_targets import Schema
from registry.compat.example_values import required_payload
from registry.compat.explain import EXAMPLES_SHOWN, explain
from registry.compat.finding import Audience, Encoding, Finding, Place, Side
from registry.compat.promise import Surface, Verdict, Way
from registry.descriptors import build_pool
from registry.supplied import supplied_set
from tests.compat_cases import CASES, Case, side_of
from tests.rule_pairs import Oracle, Ruled, ruled_pairs, schema_of
from tests.schema_drawing import Drawing
from tests.schema_mutations import Refused, mutate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from registry.compat.example_targets import Target
    from registry.compat.finding import CounterExample

WITHOUT_EVENTS = ("RPC_", "MESSAGE_SAME_JSON_FORMAT", "ENUM_SAME_JSON_FORMAT", "RULE_")
NUMBERS = ("int32", "sint64", "uint32", "enum", "bool", "double")


def breaks_of(finding: Finding) -> Iterator[tuple[Way, Audience]]:
    """Answers the ways in which a finding about reading breaks on WIRE or WIRE_JSON, and who reads then."""
    if RULES[finding.rule_id].lineage or finding.rule_id.startswith(WITHOUT_EVENTS):
        return
    for way, audience in ((Way.BACKWARD, Audience.NEW_READERS), (Way.FORWARD, Audience.OLD_READERS)):
        if any(finding.cells[way, it] is Verdict.BREAKS for it in (Surface.WIRE, Surface.WIRE_JSON)):
            yield way, audience


def unshowable(finding: Finding, writer: Schema, reader: Schema) -> str:
    """Answers why no event can show a finding; empty if one could."""
    targets = reader.targets(finding.path) or writer.targets(finding.path)
    if not targets:
        return "no message has the enum"
    reasons = [_unshowable(finding, it, writer, reader) for it in targets]
    return "" if "" in reasons else reasons[0]


def _unshowable(finding: Finding, target: Target, writer: Schema, reader: Schema) -> str:
    written, read = writer.message(target.message), reader.message(target.message)
    if written is None or read is None:
        return "no message of both sides has it"
    if required_payload(written) is None:
        return "the message requires itself, so that there is none"
    fields = [
        it and it.field(of, n) for it, of in ((writer, written), (reader, read)) for n in target.numbers
    ]
    if finding.rule_id == "FIELD_SAME_DEFAULT" and any(it and it.is_required for it in fields):
        return "a required field is never unset"
    if "TYPE" in finding.rule_id and all(it and it.message_type for it in fields):
        return "messages of other names may have the same fields"
    if finding.rule_id.startswith("ENUM_") and not all(it and it.enum_type for it in fields):
        return "the field that has the enum has another type now"
    if "MESSAGE_SET" in finding.rule_id and not writer.extension_numbers(written):
        return "there is no extension to lose"
    return ""


def assert_shown(old: Side, new: Side) -> None:
    found = [it for it in compare(old, new) if list(breaks_of(it))]
    schemas = {Way.BACKWARD: (Schema(old), Schema(new)), Way.FORWARD: (Schema(new), Schema(old))}
    for finding in explain(found[:EXAMPLES_SHOWN], old, new):
        assert len(finding.counter_examples) <= 2
        for way, audience in breaks_of(finding):
            shown = [it for it in finding.counter_examples if it.reader is audience]
            assert shown or unshowable(finding, *schemas[way]), (way, finding)
        for it in finding.counter_examples:
            assert_real(it, *schemas[Way.BACKWARD if it.reader is Audience.NEW_READERS else Way.FORWARD])


def assert_real(example: CounterExample, writer: Schema, reader: Schema) -> None:
    """Decodes the payload again: the writer's side takes it, the reader's fails or says something else."""
    written, read = decoded(example, writer), decoded(example, reader)
    assert written is not None
    if example.error:
        assert read is None or not read.IsInitialized()
    else:
        assert read is not None
        assert example.read
        assert example.read != example.written or example.encoding is Encoding.JSON


def decoded(example: CounterExample, schema: Schema) -> Any:
    message: Any = schema.message(example.type)
    try:
        if example.encoding is Encoding.BINARY:
            return GetMessageClass(message).FromString(bytes.fromhex(example.payload))
        return json_format.Parse(example.payload, GetMessageClass(message)(), descriptor_pool=schema.pool)
    except (DecodeError, json_format.ParseError):
        return None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_cases_are_shown_by_events(case: Case) -> None:
    """Each finding of the cases that breaks readers has an event that is really lost, refused or misread."""
    assert_shown(case.side("before"), case.side("after"))


@given(st.integers(0, 10**9))
def test_whatever_breaks_reading_is_shown_by_an_event(seed: int) -> None:
    """Of drawn schemas, too, each break has an event that one side writes and the other can't read alike."""
    drawing = Drawing(Random(seed), "t")
    old = side_of("version 1", drawing.files)
    try:
        mutate(drawing, 2)
        new = side_of("version 2", drawing.files)
        build_pool(old.descriptor_set)
        build_pool(new.descriptor_set)
    except (Refused, TypeError):  # upb does not take everything that is drawn
        return
    assert_shown(old, new)


@given(st.lists(ruled_pairs(), min_size=1, max_size=8))
def test_events_about_rules_pass_one_side_alone(pairs: list[tuple[Ruled, Ruled]]) -> None:
    """An event about a rule passes its writer's protovalidate, and not its reader's; numbers always have one."""
    schemas = [schema_of(fields) for fields in zip(*pairs, strict=True)]
    old, new = (Side(name, it, frozenset({"e.proto"})) for name, it in zip("12", schemas, strict=True))
    oracles = {Audience.NEW_READERS: tuple(map(Oracle, schemas))}
    oracles[Audience.OLD_READERS] = oracles[Audience.NEW_READERS][::-1]
    for finding in explain(compare(old, new), old, new):
        if not finding.rule_id.startswith("RULE_"):
            continue
        index = int(finding.path.split(".")[1][1:])
        for it in finding.counter_examples:
            writer, reader = oracles[it.reader]
            payload = bytes.fromhex(it.payload)
            assert writer.accepts(index, payload)
            assert not reader.accepts(index, payload)
            assert it.error
        if pairs[index][0].kind in NUMBERS:
            ways = {key.split()[0] for key in finding.breaks()}
            assert len(finding.counter_examples) == len(ways), finding
