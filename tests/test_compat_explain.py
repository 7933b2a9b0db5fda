"""How findings are shown: events that prove them, and places in the sources."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random
from time import process_time
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
from registry.compiling.compiler import compile_descriptor_set, compile_sources
from registry.descriptors import build_pool
from tests.compat_cases import CASES, Case, side_of
from tests.rule_pairs import Oracle, Ruled, ruled_pairs, schema_of
from tests.schema_drawing import Drawing
from tests.schema_mutations import Refused, mutate

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    fields = [
        it and it.field(of, n) for it, of in ((writer, written), (reader, read)) for n in target.numbers
    ]
    values = [value_of(it) for it in fields]
    are_enums = all(it and it.enum_type for it in values)
    reasons = {
        "the message requires itself, so that there is none": required_payload(written) is None,
        "a required field is never unset": finding.rule_id == "FIELD_SAME_DEFAULT"
        and any(it and it.is_required for it in fields),
        "messages of other names may have the same fields": "TYPE" in finding.rule_id
        and all(it and it.message_type for it in values),
        "enums of other names may have the same numbers": "TYPE" in finding.rule_id and are_enums,
        "keys of maps are texts in JSON": "JSON" in finding.rule_id and finding.path.endswith(".key"),
        "the field that has the enum has another type now": finding.rule_id.startswith("ENUM_")
        and not are_enums,
        "there is no extension to lose": "MESSAGE_SET" in finding.rule_id
        and not writer.extension_numbers(written),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def value_of(field: Any) -> Any:
    """Answers the value of a map, and any other field itself."""
    entry = field and field.message_type
    return entry.fields_by_name["value"] if entry and entry.GetOptions().map_entry else field


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
    """An event about a rule passes its writer's protovalidate, not its reader's; numbers always have one."""
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


SHOP = {
    "shop/order.proto": """syntax = "proto3";
package shop;
import "buf/validate/validate.proto";
option go_package = "example.com/old";
message Order {
  reserved 7, 9 to 11;
  reserved "gone";
  string id = 1;
  int64 total = 2;
  int32 quantity = 3 [(buf.validate.field).int32.gte = 1];
  map<string, int32> parts = 4;
  message Line { Status status = 1; }
  oneof payment { string card = 5; string cash = 6; }
}
enum Status { STATUS_UNSPECIFIED = 0; STATUS_OPEN = 1;
              STATUS_DONE = 2; }
message Gone { int32 a = 1; }
service Shop { rpc Buy(Order) returns (Order); }
""",
}
EDITS = {
    'option go_package = "example.com/old";': 'option go_package = "example.com/new";',
    "  reserved 7, 9 to 11;\n": "  reserved 9 to 11;\n",
    "  string id = 1;\n": "  string id = 1;\n  int32 again = 7;\n",
    "  int64 total = 2;": "  int64 sum = 2;",
    "int32.gte = 1]": "int32.gte = 10]",
    "map<string, int32> parts": "map<string, bool> parts",
    "string cash = 6; }": "}",
    "STATUS_OPEN = 1": "STATUS_OPENED = 1",
    "message Gone { int32 a = 1; }\n": "",
    "rpc Buy(Order) returns (Order)": "rpc Buy(Order) returns (stream Order)",
}
PLACES = {
    ("FILE_SAME_GO_PACKAGE", "shop/order.proto"): ("option go_package", "option go_package"),
    ("RESERVED_MESSAGE_NO_DELETE", "shop.Order"): ("7, 9 to 11;", "int32 again = 7;"),
    ("FIELD_SAME_NAME", "shop.Order.total"): ("int64 total = 2;", "int64 sum = 2;"),
    ("RULE_TIGHTENED", "shop.Order.quantity"): ("(buf.validate.field).int32.gte = 1", "(buf.validate.field)"),
    ("FIELD_SAME_TYPE", "shop.Order.parts.value"): ("map<string, int32> parts", "map<string, bool> parts"),
    ("FIELD_NO_DELETE", "shop.Order.cash"): ("string cash = 6;", "message Order {"),
    ("ENUM_VALUE_SAME_NAME", "shop.Status.STATUS_OPEN"): ("STATUS_OPEN = 1;", "STATUS_OPENED = 1;"),
    ("MESSAGE_NO_DELETE", "shop.Gone"): ("message Gone {", "package shop;"),
    ("RPC_SAME_SERVER_STREAMING", "shop.Shop.Buy"): ("rpc Buy(Order)", "rpc Buy(Order)"),
    ("FIELD_NO_ADD", "shop.Order.again"): (None, "int32 again = 7;"),
}


def source_side(name: str, sources: dict[str, str]) -> Side:
    compiled = compile_sources(sources)
    return Side(name, compiled.descriptor_set, frozenset(compiled.own_files), sources, compiled.source_info)


@cache
def shops() -> tuple[Side, Side]:
    text = SHOP["shop/order.proto"]
    for old, new in EDITS.items():
        assert old in text
        text = text.replace(old, new)
    return source_side("version 1", SHOP), source_side("version 2", {"shop/order.proto": text})


def test_findings_say_where() -> None:
    """A finding names line and column in both versions: of the element, or of what would hold it."""
    old, new = shops()
    shown = {(it.rule_id, it.path): it for it in explain(compare(old, new), old, new)}
    for key, places in PLACES.items():
        for side, text, place in zip(
            (old, new), places, (shown[key].old_place, shown[key].new_place), strict=True
        ):
            assert (place is None) is (text is None), (key, place)
            if text is not None and place is not None and side.sources:
                line = side.sources[place.file].splitlines()[place.line - 1]
                assert line[place.column - 1 :].startswith(text), (key, place)
                assert place.text == line.strip()


def test_without_sources_a_place_is_a_file() -> None:
    """A schema that was registered as descriptors still says in which file an element stands."""
    bare = [replace(it, sources=None, source_info=b"") for it in shops()]
    for it in explain(compare(*bare), *bare):
        assert it.new_place == Place("shop/order.proto")
        assert it.old_place in (None, Place("shop/order.proto"))


def test_hostile_schemas_are_explained_cheaply() -> None:
    """Names of methods, enums of 20,000 values, recursion and long texts cost little and stay small."""
    values = "".join(f"V{it} = {it};" for it in range(1, 20_000))
    long = "x" * 3_000
    body = """
message A { A a = 1; %s ListFields = 2; int32 SerializePartialToString = 3; int32 DESCRIPTOR = 4; }
message B { B b = 1; map<string, B> m = 2; %s c = 3; E e = 4; string %s = 5; }
message C { %s f = 1; message FromString {} }
enum E { V0 = 0; %s }
message W {
%s
}
"""
    sides = []
    for name, kind in (("1", "int64"), ("2", "int32")):
        wide = "".join(f"{kind} f{it} = {it + 1};" for it in range(2_000))
        parts = (
            kind,
            kind,
            f"n{name}",
            kind,
            values if name == "1" else values.replace("V19999 ", "V_LAST "),
            wide,
        )
        text = 'syntax = "proto3";\npackage h;\n' + f"// {long}" + body % parts
        sides.append(source_side(name, {"h.proto": text}))
    started = process_time()
    shown = explain(compare(*sides), *sides)
    assert process_time() - started < 8
    assert sum(bool(it.counter_examples) for it in shown) <= EXAMPLES_SHOWN
    assert {it.path for it in shown if it.counter_examples} >= {"h.B.c", "h.E.V19999"}
    for it in shown:
        for example in it.counter_examples:
            assert all(len(text) <= 2_000 for text in (example.written, example.payload, example.read))
        assert all(len(place.text) <= 500 for place in (it.old_place, it.new_place) if place)


def test_bytes_in_the_place_of_rules_hurt_nobody() -> None:
    """A schema that imports no rules may have anything in their place, and is compared and explained."""
    for garbage in (b"\xba\x48\x01\xff", b"\xba\x48\x03\x1a\x01\x08", b"\xba\x48\x04\xba\x01\x01\xff"):
        schema = pb.FileDescriptorSet.FromString(
            compile_sources({"g.proto": 'syntax = "proto3"; message G { string a = 1; }'}).descriptor_set
        )
        schema.file[0].message_type[0].field[0].options.MergeFromString(garbage)
        compiled = compile_descriptor_set(schema.SerializeToString())
        old = Side("1", compiled.descriptor_set, frozenset(compiled.own_files))
        rules = "[(buf.validate.field).string.min_len = 1]"
        text = (
            f'syntax = "proto3"; import "buf/validate/validate.proto"; message G {{ string a = 1 {rules}; }}'
        )
        new = source_side("2", {"g.proto": text})
        for sides in ((old, new), (new, old)):
            assert [it.path for it in explain(compare(*sides), *sides)] == ["G.a"]
