"""What the verdicts about data promise, held to Protobuf itself: what is read of what was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import descriptor_pb2 as pb
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from registry.compat.catalogue import RULES
from registry.compat.engine import compare, readable
from registry.compat.promise import Surface, Verdict, Way
from registry.compat.reading import read_shape
from registry.compat.shape import Cardinality
from registry.descriptors import build_pool
from tests.compat_cases import side_of
from tests.generated_schemas import Schema, schemas

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.descriptor import FieldDescriptor

    from registry.compat.finding import Side
    from registry.compat.shape import FieldShape

Kind = pb.FieldDescriptorProto
Pair = tuple[pb.FileDescriptorProto, pb.FileDescriptorProto]
SCALARS = (
    Kind.TYPE_INT32, Kind.TYPE_INT64, Kind.TYPE_UINT32, Kind.TYPE_UINT64, Kind.TYPE_BOOL, Kind.TYPE_SINT32,
    Kind.TYPE_SINT64, Kind.TYPE_FIXED32, Kind.TYPE_SFIXED32, Kind.TYPE_FIXED64, Kind.TYPE_SFIXED64,
    Kind.TYPE_DOUBLE, Kind.TYPE_FLOAT, Kind.TYPE_STRING, Kind.TYPE_BYTES,
)  # fmt: skip
SPECIAL = (Kind.TYPE_ENUM, Kind.TYPE_MESSAGE)


def pool_of(side: Side) -> Any:
    return build_pool(side.descriptor_set)


@given(schemas())
def test_shapes_agree_with_the_pool(schema: Schema) -> None:
    """Types, cardinality, presence, closed enums and checked text are as Protobuf's own pool has them."""
    side = side_of("version 1", schema.files)
    shape, pool = read_shape(side), pool_of(side)
    for name, message in shape.messages.items():
        descriptor = pool.FindMessageTypeByName(name)
        assert message.is_entry == descriptor.GetOptions().map_entry
        assert {it.name for it in descriptor.fields} == {it.name for it in message.fields.values()}
        for field in descriptor.fields:
            agree(message.fields[field.number], field)
        assert message.oneofs == {it.name for it in descriptor.oneofs if not is_synthetic(it)}
    for name, enum in shape.enums.items():
        descriptor = pool.FindEnumTypeByName(name)
        assert (enum.closed, enum.first) == (descriptor.is_closed, descriptor.values[0].number)
    for (extendee, number), field in shape.extensions.items():
        agree(field, pool.FindExtensionByNumber(pool.FindMessageTypeByName(extendee), number))


def is_synthetic(oneof: Any) -> bool:
    proto = pb.DescriptorProto()
    oneof.containing_type.CopyToProto(proto)
    return any(it.proto3_optional and it.oneof_index == oneof.index for it in proto.field)


def agree(shape: FieldShape, field: FieldDescriptor) -> None:
    named = field.message_type or field.enum_type
    assert shape.type == Kind.Type.Name(field.type).removeprefix("TYPE_").lower()
    assert shape.type_name == (named.full_name if named else "")
    is_map = field.is_repeated and field.message_type and field.message_type.GetOptions().map_entry
    assert (shape.cardinality is Cardinality.MAP) == bool(is_map)
    assert shape.cardinality.is_many == field.is_repeated
    assert shape.is_required == field.is_required
    in_entry = field.containing_type.GetOptions().map_entry
    if not in_entry and not field.is_repeated:
        assert (shape.cardinality is not Cardinality.IMPLICIT) == field.has_presence
    assert shape.oneof == (field.containing_oneof.name if shape.oneof and field.containing_oneof else "")
    if not field.is_extension:
        assert shape.json_name == field.json_name
    if field.type == Kind.TYPE_STRING and not field.is_extension and not in_entry:
        assert shape.verified == refuses_bad_text(field)


def refuses_bad_text(field: FieldDescriptor) -> bool:
    tag = field.number << 3 | 2
    data = bytearray()
    while tag > 0x7F:
        data.append(tag & 0x7F | 0x80)
        tag >>= 7
    try:
        GetMessageClass(field.containing_type).FromString(bytes(data) + bytes([tag]) + b"\x01\xff")
    except DecodeError:
        return True
    return False


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    """Draws a message of few fields, and what it became after one to three edits."""
    old: dict[int, Kind] = {}
    for number in draw(st.sets(st.integers(1, 5), min_size=1)):
        old[number] = draw(fields(number))
    new = dict(old)
    for number in draw(st.lists(st.integers(1, 6), min_size=1, max_size=3)):
        edited = Kind()
        edited.CopyFrom(new.get(number) or draw(fields(number)))
        match draw(st.sampled_from(("type", "label", "oneof", "remove", "name"))):
            case "type":
                set_type(edited, draw(st.sampled_from((*SCALARS, *SPECIAL))))
            case "label":
                edited = draw(fields(number))
                set_type(edited, new[number].type if number in new else edited.type)
            case "oneof" if edited.label == Kind.LABEL_OPTIONAL:
                edited.oneof_index = 0
            case "name":
                edited.name = f"g{number}"
            case "remove" if number in new:
                del new[number]
                continue
        new[number] = edited
    reserved = {it for it in old if it not in new and draw(st.booleans())}
    closed = draw(st.booleans()), draw(st.booleans())
    return file_of(old, set(), closed=closed[0]), file_of(new, reserved, closed=closed[1])


@st.composite
def fields(draw: st.DrawFn, number: int) -> Kind:
    field = Kind(name=f"f{number}", number=number)
    set_type(field, draw(st.sampled_from((*SCALARS, *SPECIAL))))
    field.label = draw(st.sampled_from((Kind.LABEL_OPTIONAL, Kind.LABEL_REPEATED)))
    if field.label == Kind.LABEL_OPTIONAL and draw(st.booleans()):
        field.oneof_index = 0
    return field


def set_type(field: Kind, kind: int) -> None:
    field.type = Kind.Type.ValueType(kind)
    field.type_name = {Kind.TYPE_ENUM: ".e.Color", Kind.TYPE_MESSAGE: ".e.E"}.get(kind, "")
    if not field.type_name:
        field.ClearField("type_name")


def file_of(declared: dict[int, Kind], reserved: set[int], *, closed: bool) -> pb.FileDescriptorProto:
    file = pb.FileDescriptorProto(name="e.proto", package="e", syntax="editions", edition=pb.EDITION_2023)
    message = file.message_type.add(name="E", field=[declared[number] for number in sorted(declared)])
    if any(field.HasField("oneof_index") for field in message.field):
        message.oneof_decl.add(name="choice")
    for number in sorted(reserved):
        message.reserved_range.add(start=number, end=number + 1)
    enum = file.enum_type.add(name="Color")
    if closed:
        enum.options.features.enum_type = pb.FeatureSet.CLOSED
    for number, name in enumerate(("RED", "GREEN")):
        enum.value.add(name=name, number=number)
    return file


def values(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from((0, 1) if field.enum_type.is_closed else (0, 1, 7, -1))
    kind = Kind.Type.Name(field.type).removeprefix("TYPE_").lower()
    other = {
        "double": st.floats(width=32, allow_nan=False),
        "float": st.floats(width=32, allow_nan=False),
        "string": st.text(max_size=3),
        "bytes": st.binary(max_size=3),
        "bool": st.booleans(),
    }
    return other[kind] if kind in other else integers(kind)


def integers(kind: str) -> st.SearchStrategy[int]:
    bits = 32 if "32" in kind else 64
    if kind.startswith(("uint", "fixed")):
        return st.integers(0, 2**bits - 1)
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def fill(message: Message, data: st.DataObject, depth: int = 0) -> None:
    for field in message.DESCRIPTOR.fields:
        if not data.draw(st.booleans()):
            continue
        if field.message_type is not None:
            inner = getattr(message, field.name)
            if depth < 1:
                fill(inner.add() if field.is_repeated else inner, data, depth + 1)
        elif field.is_repeated:
            getattr(message, field.name).extend(data.draw(st.lists(values(field), max_size=2)))
        else:
            setattr(message, field.name, data.draw(values(field)))


def classes(pair: Pair) -> tuple[type[Message], type[Message]]:
    sides = (side_of("version 1", [file]) for file in pair)
    old, new = (GetMessageClass(pool_of(side).FindMessageTypeByName("e.E")) for side in sides)
    return old, new


def breaks(pair: Pair, way: Way, surface: Surface) -> bool:
    old, new = side_of("version 1", [pair[0]]), side_of("version 2", [pair[1]])
    return any(it.cells[way, surface] is Verdict.BREAKS for it in compare(old, new))


def read_binary(written: Message, reader: type[Message]) -> Message:
    return reader.FromString(written.SerializePartialToString())


def read_json(written: Message, reader: type[Message]) -> Message:
    return json_format.Parse(json_format.MessageToJson(written), reader(), ignore_unknown_fields=True)


def hold_round_trips(
    pair: Pair, data: st.DataObject, surface: Surface, read: Callable[[Message, type[Message]], Message]
) -> None:
    for way in Way:
        if breaks(pair, way, surface):
            continue
        old, new = classes(pair)
        writer, reader = (old, new) if way is Way.BACKWARD else (new, old)
        sent = writer()
        fill(sent, data)
        same_values(sent, read(sent, reader))


def same_values(sent: Message, received: Message) -> None:
    """Holds that each value of a field that both know is read, though perhaps as a list of one."""
    known = received.DESCRIPTOR.fields_by_number
    for field, value in sent.ListFields():
        if field.number not in known:
            continue
        got = getattr(received, known[field.number].name)
        sent_values, got_values = listed(value, field), listed(got, known[field.number])
        assert len(sent_values) == len(got_values)
        for one, other in zip(sent_values, got_values, strict=True):
            if isinstance(one, Message):
                same_values(one, other)
            else:
                assert plain(one) == plain(other)


def listed(value: Any, field: FieldDescriptor) -> list[Any]:
    return list(value) if field.is_repeated else [value]


def plain(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


@given(pairs(), st.data())
def test_binary_data_is_read_as_written(pair: Pair, data: st.DataObject) -> None:
    """Where nothing breaks a way on WIRE, its readers read each value of fields that they know, unchanged."""
    hold_round_trips(pair, data, Surface.WIRE, read_binary)


@given(pairs(), st.data())
def test_json_is_read_as_written(pair: Pair, data: st.DataObject) -> None:
    """The same on WIRE_JSON for readers of ProtoJSON that skip names which they don't know."""
    hold_round_trips(pair, data, Surface.WIRE_JSON, read_json)


@given(pairs())
def test_what_is_readable_breaks_no_reading(pair: Pair) -> None:
    """A type is not readable if reading its message breaks BACKWARD on WIRE, and only if something does."""
    old, new = (side_of(name, [file]) for name, file in zip(("version 1", "version 2"), pair, strict=True))
    found = [it for it in compare(old, new) if not RULES[it.rule_id].lineage]
    broken = {it.path for it in found if it.cells[Way.BACKWARD, Surface.WIRE] is Verdict.BREAKS}
    if readable(old, new, "e.E"):
        assert not any(path.startswith("e.E.") for path in broken)
    else:
        assert broken


def test_only_what_a_type_holds_counts_for_it() -> None:
    """A type stays readable while another one breaks, unless it holds that one; no type, no reading."""
    old, new = pb.FileDescriptorProto(name="a.proto", package="a", syntax="proto3"), pb.FileDescriptorProto()
    for name, held in (("Alone", ""), ("Inner", ""), ("Outer", "Inner"), ("Outermost", "Outer")):
        message = old.message_type.add(name=name)
        if held:
            field = message.field.add(
                name="held", number=1, label=Kind.LABEL_REPEATED, type_name=f".a.{held}"
            )
            field.type = Kind.TYPE_MESSAGE
        message.field.add(name="x", number=2, label=Kind.LABEL_OPTIONAL, type=Kind.TYPE_INT32)
    new.CopyFrom(old)
    new.message_type[1].field[0].type = Kind.TYPE_STRING
    sides = side_of("version 1", [old]), side_of("version 2", [new])
    read = {it.name: readable(*sides, f"a.{it.name}") for it in old.message_type}
    assert read == {"Alone": True, "Inner": False, "Outer": False, "Outermost": False}
    assert not readable(*sides, "a.Missing")


@given(schemas())
def test_equal_files_share_a_shape(schema: Schema) -> None:
    """A file that two versions have in common is read once."""
    first, second = (read_shape(side_of(name, schema.files)) for name in ("version 1", "version 2"))
    assert all(file is second.files[name] for name, file in first.files.items())


@pytest.mark.timeout(60)
def test_huge_changes_take_no_more_than_their_size() -> None:
    """A message of thousands of fields, all of them changed, is compared in seconds."""
    count = 8_000
    old = pb.FileDescriptorProto(name="a.proto", package="a", syntax="proto2")
    message, enum = old.message_type.add(name="M"), old.enum_type.add(name="E")
    message.oneof_decl.add(name="choice")
    for number in range(1, count + 1):
        field = message.field.add(name=f"f_{number}", number=number, label=1, type=Kind.TYPE_ENUM)
        field.type_name, field.oneof_index = ".a.E", 0
        message.reserved_range.add(start=10**6 + number * 2, end=10**6 + number * 2 + 1)
        enum.value.add(name=f"V_{number}", number=number)
    message.reserved_range.add(start=10**8, end=2**29)
    new = pb.FileDescriptorProto()
    new.CopyFrom(old)
    new.enum_type.add(name="F").CopyFrom(old.enum_type[0])
    new.enum_type[1].name = "F"
    for field in new.message_type[0].field:
        field.type_name, field.default_value = ".a.F", "V_7"
        field.ClearField("oneof_index")
    del new.message_type[0].oneof_decl[:], new.message_type[0].reserved_range[:]
    found = compare(side_of("version 1", [old]), side_of("version 2", [new]))
    assert len(found) > 4 * count


def test_references_count_where_both_sides_have_them() -> None:
    """A file of a reference may go without a word; what changes in one is found as if it were one's own."""
    own, other = (pb.FileDescriptorProto(name=f"{it}.proto", package=it, syntax="proto3") for it in "ab")
    for name in ("Kept", "Gone"):
        message = other.message_type.add(name=name)
        message.field.add(name="x", number=1, label=Kind.LABEL_OPTIONAL, type=Kind.TYPE_INT32)
    changed = pb.FileDescriptorProto()
    changed.CopyFrom(other)
    changed.message_type[0].field[0].type = Kind.TYPE_STRING
    del changed.message_type[1]
    old = side_of("version 1", [other, own], own={"a.proto"})
    assert compare(old, side_of("version 2", [own], own={"a.proto"})) == []
    found = compare(old, side_of("version 2", [changed, own], own={"a.proto"}))
    assert {it.path for it in found} == {"b.Kept.x"}
    assert "FIELD_WIRE_COMPATIBLE_TYPE" in {it.rule_id for it in found}


def test_features_of_languages_are_read_without_their_files() -> None:
    """C++'s type of text and Java's checks are known though nothing here declares them as features."""
    file = file_of({1: Kind(name="f1", number=1, label=1, type=Kind.TYPE_STRING)}, set(), closed=False)
    file.options.features.utf8_validation = pb.FeatureSet.NONE
    plain_field = read_shape(side_of("version 1", [file])).messages["e.E"].fields[1]
    # pb.cpp is extension 1000 and its string_type = CORD; pb.java is 1001 and its utf8_validation = VERIFY.
    file.options.features.MergeFromString(b"\xc2\x3e\x02\x10\x02\xca\x3e\x02\x10\x02")
    field = read_shape(side_of("version 2", [file])).messages["e.E"].fields[1]
    assert (plain_field.cpp_string, plain_field.java_verified) == ("STRING", False)
    assert (field.cpp_string, field.java_verified, field.verified) == ("CORD", True, False)
