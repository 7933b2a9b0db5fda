"""Compiling schemas: what is the same, what is refused, and that hostile ones cost bounded time."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf import descriptor_pb2 as pb
from google.protobuf import descriptor_pool
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.compiling.compiler import Compiled, compile_descriptor_set, compile_sources
from registry.compiling.paths import path_problems
from registry.descriptors import build_pool
from registry.errors import InvalidSchema
from registry.schema import SchemaLimits
from registry.supplied import supplied_files
from tests.generated_schemas import Schema, schemas

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

FEW = settings(max_examples=max(settings().max_examples // 8, 1))
"""Each example takes a process or two."""
Kind = pb.FieldDescriptorProto

ORDER = """
syntax = "proto3";
package shop.v1;
import "buf/validate/validate.proto";
import "google/protobuf/timestamp.proto";
import "google/rpc/status.proto";
import "google/type/money.proto";
import "shop/v1/item.proto";
message Order {
  string id = 1 [(buf.validate.field).string.min_len = 1];
  repeated Item items = 2;
  google.type.Money total = 3;
  google.protobuf.Timestamp time = 4;
  google.rpc.Status status = 5;
  map<string, Item> by_name = 6;
  message Note {
    string text = 1;
  }
}
"""
ITEM = """
edition = "2023";
package shop.v1;
message Item {
  string name = 1 [features.field_presence = LEGACY_REQUIRED];
  Part part = 2 [features.message_encoding = DELIMITED];
  message Part {}
}
"""
LEGACY = """
syntax = "proto2";
package shop.v1;
message Legacy {
  required int32 x = 1 [default = 7];
  optional group Body = 2 {
    optional int32 y = 1;
    optional group Inner = 2 {}
    message Named {}
  }
  extensions 100 to max;
}
extend Legacy {
  repeated group Extra = 100 {}
}
"""
SHOP = {"shop/v1/order.proto": ORDER, "shop/v1/item.proto": ITEM, "shop/v1/legacy.proto": LEGACY}


def refusal(act: Any, *arguments: Any) -> InvalidSchema:
    with pytest.raises(InvalidSchema) as caught:
        act(*arguments)
    return caught.value


def fields_of(error: InvalidSchema) -> list[str]:
    return [violation.field for violation in error.violations]


@pytest.fixture(scope="module")
def shop() -> Compiled:
    return compile_sources(SHOP)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files; nothing may be left in it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert not list(tmp_path.glob("tidegate-*"))


def test_messages_are_the_event_types(shop: Compiled) -> None:
    """All messages of the user's files are types: nested ones too, map entries and group bodies not."""
    assert shop.types == (
        "shop.v1.Item",
        "shop.v1.Item.Part",
        "shop.v1.Legacy",
        "shop.v1.Legacy.Body.Named",
        "shop.v1.Order",
        "shop.v1.Order.Note",
    )


def test_imports_stand_in_front(shop: Compiled) -> None:
    """The descriptor set is complete, and each file follows those that it imports."""
    seen: set[str] = set()
    for file in pb.FileDescriptorSet.FromString(shop.descriptor_set).file:
        assert set(file.dependency) <= seen
        assert not file.HasField("source_code_info")
        seen.add(file.name)
    assert {*SHOP, "google/type/money.proto", "buf/validate/validate.proto"} <= seen


def test_pools_are_private(shop: Compiled) -> None:
    """A schema is loaded into a pool of its own, never into the default one; a second pool is another one."""
    one, other = build_pool(shop.descriptor_set), build_pool(shop.descriptor_set)
    assert one.FindMessageTypeByName("shop.v1.Order") is not other.FindMessageTypeByName("shop.v1.Order")
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindFileByName("shop/v1/order.proto")  # type: ignore[no-untyped-call]


def test_comments_and_order_of_files_are_no_difference(shop: Compiled) -> None:
    """The same descriptors have the same identity, whatever the order of files, comments and spaces."""
    commented = {
        name: "// A comment.\n" + text.replace(";\n", ";   // another\n\n")
        for name, text in reversed(SHOP.items())
    }
    assert compile_sources(commented) == shop


def comments_in(compiled: Compiled) -> dict[str, set[str]]:
    """Answers the comments of a schema's own files."""
    files = pb.FileDescriptorSet.FromString(compiled.source_info).file
    assert all([it.name for it, _ in file.ListFields()] == ["name", "source_code_info"] for file in files)
    return {
        file.name: {it.leading_comments.strip() for it in file.source_code_info.location} - {""}
        for file in files
    }


def test_positions_and_comments_of_own_files_are_kept_apart() -> None:
    """They come with sources and with sets that have them, of own files alone, and make no other schema."""
    files = {
        "a.proto": 'syntax = "proto3"; import "google/protobuf/any.proto";\n// Of M.\nmessage M {}',
        "b.proto": 'syntax = "proto3";\n// Of N.\nmessage N {}',
    }
    compiled = compile_sources(files)
    assert compiled.own_files == ("a.proto", "b.proto")
    assert comments_in(compiled) == {"a.proto": {"Of M."}, "b.proto": {"Of N."}}
    sent = pb.FileDescriptorSet.FromString(compiled.descriptor_set)
    without = compile_descriptor_set(sent.SerializeToString())
    assert (without, without.source_info, without.own_files) == (compiled, b"", compiled.own_files)
    infos = {it.name: it for it in pb.FileDescriptorSet.FromString(compiled.source_info).file}
    for file in sent.file:
        if file.name in infos:
            file.source_code_info.CopyFrom(infos[file.name].source_code_info)
    assert comments_in(compile_descriptor_set(sent.SerializeToString())) == comments_in(compiled)


def test_positions_that_no_source_could_have_are_dropped() -> None:
    """What is kept of a set's positions are places: three or four numbers, none below zero."""
    file = a_message()
    for span in ([0, 0, 1], [0, 0, 0, 1], [], [1], [0, 0, -1], [0] * 5):
        file.source_code_info.location.add(span=span, leading_comments=str(span))
    file.source_code_info.location.add(span=[0, 0, 1], path=[4, -1], leading_comments="bad path")
    compiled = compile_descriptor_set(pb.FileDescriptorSet(file=[file]).SerializeToString())
    assert comments_in(compiled) == {file.name: {"[0, 0, 1]", "[0, 0, 0, 1]"}}


def test_megabytes_of_comments_hurt_nobody() -> None:
    """Comments are kept while they fit; positions that are over the limit are left out, not refused."""
    large = f'syntax = "proto3";\n/* {"x" * 9_000_000} */ message M {{}}'
    compiled = compile_sources({"a.proto": large})
    assert len(compiled.source_info) > 9_000_000
    assert len(compiled.descriptor_set) < 100
    fields = "".join(f"int32 f{number}={number};" for number in range(1, 61))
    many = {"a.proto": f'syntax = "proto3"; message M {{ {fields} }}'}
    limits = SchemaLimits(max_bytes=2_000)
    assert len(compile_sources(many).source_info) > limits.max_bytes
    assert compile_sources(many, limits) == compile_sources(many)
    assert compile_sources(many, limits).source_info == b""


WITH_SMALL_FILES = """
import resource, sys
from pathlib import Path
from registry.compiling.protoc import run_protoc
folder = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
(folder / "none.binpb").touch()
run_protoc(["a.proto"], sources=folder, sets=[folder / "none.binpb"], compiled=folder / "out.binpb")
"""


def test_comments_that_cannot_be_written_are_left_out(tmp_path: Path) -> None:
    """Where descriptors fit and comments don't, descriptors are written."""
    (tmp_path / "a.proto").write_text(f'syntax = "proto3"; /* {"x" * 200_000} */ message M {{}}')
    subprocess.run([sys.executable, "-c", WITH_SMALL_FILES, str(tmp_path)], check=True, timeout=60)
    (file,) = pb.FileDescriptorSet.FromString((tmp_path / "out.binpb").read_bytes()).file
    assert [it.name for it in file.message_type] == ["M"]
    assert not file.HasField("source_code_info")


def test_a_set_is_the_same_schema_as_its_sources(shop: Compiled) -> None:
    """A descriptor set in any order, without JSON names and imports that we supply, is the same schema."""
    files = pb.FileDescriptorSet.FromString(shop.descriptor_set)
    own = [file for file in files.file if file.name in SHOP]
    Random(7).shuffle(own)
    for file in own:
        for message in file.message_type:
            for field in message.field:
                field.ClearField("json_name")
    assert compile_descriptor_set(pb.FileDescriptorSet(file=own).SerializeToString()) == shop


def as_protoc_has_it(files: Sequence[pb.FileDescriptorProto]) -> bytes:
    """Sorts fields: protoc wants those of a oneof next to each other."""
    for file in files:
        for message in file.message_type:
            message.field.sort(key=lambda field: field.HasField("oneof_index"))
    return pb.FileDescriptorSet(file=files).SerializeToString()


@FEW
@given(schemas(), st.randoms())
def test_compiling_is_idempotent(schema: Schema, random: Random) -> None:
    """What a set compiles to compiles to itself, whatever the order of files."""
    files = list(schema.files)
    random.shuffle(files)
    compiled = compile_descriptor_set(as_protoc_has_it(files))
    assert compile_descriptor_set(compiled.descriptor_set) == compiled


OPTIONS = """
syntax = "proto2";
package custom;
import "google/protobuf/descriptor.proto";
message Deep {
  optional string a = 1;
  optional string b = 2;
  required int32 must = 3;
  map<string, int32> m = 4;
}
extend google.protobuf.FieldOptions { optional Deep deep = 50001; optional int32 plain = 50002; }
message M { optional int32 x = 1 [%s]; }
"""


def test_options_of_the_schema_are_part_of_its_identity() -> None:
    """Custom options count, in whatever order they are written."""
    one = '(plain) = 5, (deep) = {a: "x" b: "y" must: 1 m: {key: "k" value: 1} m: {key: "j" value: 2}}'
    same = '(deep) = {m: {key: "j" value: 2} m: {key: "k" value: 1} must: 1 b: "y" a: "x"}, (plain) = 5'
    other = one.replace("(plain) = 5", "(plain) = 6")
    first, second, third = (compile_sources({"o.proto": OPTIONS % text}) for text in (one, same, other))
    assert first == second
    assert first.fingerprint != third.fingerprint


def test_supplied_files_are_always_ours(shop: Compiled) -> None:
    """What is sent under google/* and buf/validate/* names is ignored for what the registry supplies."""
    fake = 'syntax = "proto3"; package google.protobuf; message Timestamp { string hacked = 1; }'
    assert compile_sources(SHOP | {"google/protobuf/timestamp.proto": fake}) == shop
    files = pb.FileDescriptorSet.FromString(shop.descriptor_set)
    for file in files.file:
        if file.name == "google/protobuf/timestamp.proto":
            file.message_type[0].field[0].name = "hacked"
    assert compile_descriptor_set(files.SerializeToString()) == shop
    seconds = (
        build_pool(files.SerializeToString()).FindMessageTypeByName("google.protobuf.Timestamp").fields[0]
    )
    assert seconds.name == "seconds"


def test_every_supplied_file_can_be_imported() -> None:
    """A schema may import each file that the registry supplies."""
    imports = "".join(f'import "{name}";' for name in supplied_files())
    compiled = compile_sources({"all.proto": f'syntax = "proto3"; package all; {imports} message M {{}}'})
    assert compiled.types == ("all.M",)


NESTED = "".join(f"message M{depth} {{" for depth in range(1_000)) + "}" * 1_000
AGGREGATE = (
    'syntax = "proto2"; import "google/protobuf/descriptor.proto"; message A { optional A a = 1; } '
    "extend google.protobuf.FieldOptions { optional A o = 50000; } "
    "message O { optional int32 x = 1 [(o) = {" + "a {" * 20_000 + "}" * 20_000 + "}]; }"
)

SOURCES: dict[str, tuple[dict[str, str], str]] = {
    "syntax": ({"a.proto": 'syntax = "proto3";\nmessage A { strin x = 1; }'}, "a.proto:2:13"),
    "text": ({"a.proto": "hello"}, "a.proto:1:1"),
    "missing import": ({"a.proto": 'syntax = "proto3";\nimport "no.proto";'}, "a.proto:2:1"),
    "cycle": (
        {"a.proto": 'syntax="proto3"; import "b.proto";', "b.proto": 'syntax="proto3"; import "a.proto";'},
        "a.proto:1:18",
    ),
    "file of the machine": ({"a.proto": 'syntax = "proto3"; import "/etc/passwd";'}, "a.proto:1:20"),
    "file of the sandbox": ({"a.proto": 'syntax = "proto3"; import "../job.json";'}, "a.proto:1:20"),
    "itself": ({"a.proto": 'syntax = "proto3"; import "a.proto";'}, "a.proto:1:20"),
    "duplicate": ({"a.proto": 'syntax = "proto3"; message A {} message A {}'}, "a.proto:1:41"),
    "twice in two files": (
        {"a.proto": 'syntax = "proto3"; message A {}', "b.proto": 'syntax = "proto3"; message A {}'},
        "b.proto:1:28",
    ),
    "reused number": (
        {"a.proto": 'syntax = "proto3"; message A { int32 x = 1; int32 y = 1; }'},
        "a.proto:1:55",
    ),
    "nesting": ({"a.proto": f'syntax = "proto3"; {NESTED}'}, "a.proto:1:413"),
    "crash": ({"a.proto": AGGREGATE}, "schema"),
    "edition 2024": ({"a.proto": 'edition = "2024"; message A {}'}, "a.proto"),
    "edition 2999": ({"a.proto": 'edition = "2999"; message A {}'}, "a.proto:1:11"),
    "reserved package": ({"a.proto": 'syntax = "proto3"; package tidegate.typed; message A {}'}, "a.proto"),
    "google's package": ({"a.proto": 'syntax = "proto3"; package google.type; message A {}'}, "a.proto"),
    "google's name": ({"google/type/mine.proto": 'syntax = "proto3";'}, "google/type/mine.proto"),
    "up and out": ({"../a.proto": ""}, "../a.proto"),
    "absolute": ({"/etc/a.proto": ""}, "/etc/a.proto"),
    "nothing": ({}, "schema"),
    "reserved folder": ({"tidegate/a.proto": 'syntax = "proto3";'}, "tidegate/a.proto"),
    "too many types": (
        {"a.proto": 'syntax = "proto3";' + "".join(f"message M{index} {{}}" for index in range(5_001))},
        "max_types",
    ),
    "10,000 files": ({f"f{index}.proto": "" for index in range(10_000)}, "max_files"),
    "50 MB": ({"a.proto": " " * 50_000_000}, "max_bytes"),
    "half a surrogate": ({"a.proto": 'syntax = "proto3"; // \ud800'}, "a.proto"),
    "rule that is none": (
        {
            "a.proto": 'syntax = "proto3"; import "buf/validate/validate.proto"; message A { int32 x = 1 '
            '[(buf.validate.field).cel = {id: "x.y" expression: "this +"}]; }'
        },
        "A.x",
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_bad_sources_are_refused_where_they_are_wrong(name: str) -> None:
    """Sources that can't be are refused with a position, a name or a limit, and soon."""
    sources, place = SOURCES[name]
    started = time.monotonic()
    error = refusal(compile_sources, sources)
    assert time.monotonic() - started < 20
    assert fields_of(error)[0] == place, error.violations
    assert "tidegate-schema" not in str(error.violations), "an error names the user's files, not ours"


def a_file(**members: Any) -> pb.FileDescriptorProto:
    return pb.FileDescriptorProto(**{"name": "a.proto", "syntax": "proto3"} | members)


def a_message(*fields: dict[str, Any], **members: Any) -> pb.FileDescriptorProto:
    numbered = [
        pb.FieldDescriptorProto(**{"name": f"f{at}", "number": at, "type": 5, "label": 1} | field)
        for at, field in enumerate(fields, 1)
    ]
    return a_file(message_type=[pb.DescriptorProto(name="A", field=numbered)], **members)


def deep(depth: int) -> pb.FileDescriptorProto:
    message = pb.DescriptorProto(name="A")
    for _ in range(depth):
        message = pb.DescriptorProto(name="A", nested_type=[message])
    return a_file(message_type=[message])


SETS: dict[str, list[pb.FileDescriptorProto]] = {
    "no file": [],
    "only ours": [a_file(name="google/protobuf/any.proto")],
    "no name": [a_file(name="")],
    "option for a name": [a_file(name="--descriptor_set_in=x.proto")],
    "same name twice": [a_file(), a_file()],
    "dangling type": [a_message({"type": 11, "type_name": ".Nope"})],
    "message for an enum": [a_message({"type": 14, "type_name": ".A"})],
    "type without name": [a_message({"type": 11})],
    "type unknown": [a_message({"type": 5, "type_name": ".A"})],
    "number zero": [a_message({"number": 0})],
    "number below zero": [a_message({"number": -1})],
    "number too high": [a_message({"number": 2**29})],
    "number of protoc's own": [a_message({"number": 19_500})],
    "number twice": [a_message({}, {"number": 1})],
    "name twice": [a_message({}, {"name": "f1"})],
    "no identifier": [a_message({"name": "a b"})],
    "no identifier, nor text": [a_message({"name": "\x00\x1b"})],
    "default that is none": [a_message({"default_value": "x"}, syntax="proto2")],
    "oneof that is not there": [a_message({"oneof_index": 3})],
    "map entry by hand": [
        a_file(message_type=[pb.DescriptorProto(name="E", options=pb.MessageOptions(map_entry=True))])
    ],
    "itself": [a_file(dependency=["a.proto"])],
    "cycle": [a_file(dependency=["b.proto"]), a_file(name="b.proto", dependency=["a.proto"])],
    "file of the machine": [a_file(dependency=["/etc/passwd"])],
    "file of the sandbox": [a_file(dependency=["../job.json"])],
    "missing import": [a_file(dependency=["b.proto"])],
    "public dependency that is not there": [a_file(public_dependency=[7])],
    "syntax": [a_file(syntax="proto9")],
    "edition 2024": [a_file(syntax="editions", edition=pb.EDITION_2024)],
    "package": [a_file(package="a..b")],
    "reserved package": [a_file(package="tidegate.v1")],
    "31 levels": [deep(30)],
    "90 levels": [deep(90)],
    "long name": [a_file(message_type=[pb.DescriptorProto(name="A" * 1_000)])],
    "enum without values": [a_file(enum_type=[pb.EnumDescriptorProto(name="E")])],
    "extension of nothing": [a_file(syntax="proto2", extension=[Kind(name="x", number=1, type=5, label=1)])],
    "too many elements": [a_file(message_type=[pb.DescriptorProto() for _ in range(60_000)])],
    "option of ours, malformed": [
        a_message(
            {"options": pb.FieldOptions.FromString(b"\xba\x48\x03\x99\x99\x99")},
            dependency=["buf/validate/validate.proto"],
        )
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", SETS)
def test_sets_that_protoc_would_never_write_are_refused(name: str) -> None:
    """A descriptor set is checked as severely as sources are."""
    sent = pb.FileDescriptorSet(file=SETS[name]).SerializePartialToString()
    error = refusal(compile_descriptor_set, sent)
    assert all(violation.field and violation.description for violation in error.violations)
    assert all(len(violation.field) < 1_000 for violation in error.violations)


def test_bytes_that_are_no_set_are_refused() -> None:
    """Garbage is said to be garbage; a set over the limit is not even looked at."""
    assert fields_of(refusal(compile_descriptor_set, b"\xff" * 100)) == ["descriptor_set"]
    assert fields_of(refusal(compile_descriptor_set, bytes(50_000_000))) == ["max_bytes"]


@pytest.mark.parametrize("text", [b"a.proto", b"pack", b"A", b"f1", b"json", b"text"])
def test_text_that_is_no_utf_8_is_refused(text: bytes) -> None:
    """Wherever a descriptor holds text, it is UTF-8: elsewhere it would arrive as bytes, not as a string."""
    field = {"type": 9, "default_value": "text", "json_name": "json"}
    sent = pb.FileDescriptorSet(file=[a_message(field, package="pack", syntax="proto2")]).SerializeToString()
    assert compile_descriptor_set(sent).types == ("pack.A",)
    at = sent.index(bytes((len(text),)) + text) + 1
    broken = sent[:at] + b"\xff" * len(text) + sent[at + len(text) :]
    assert fields_of(refusal(compile_descriptor_set, broken)) == ["descriptor_set"]


def test_a_bomb_of_empty_messages_costs_no_more_than_its_limits() -> None:
    """A set that takes a hundred times its bytes once parsed ends its own process, and no other."""
    limits = SchemaLimits(compile_bytes=400 * 1024 * 1024)
    error = refusal(compile_descriptor_set, b"\x0a\x00" * 5_000_000, limits)
    assert fields_of(error) in (["compile_bytes"], ["schema"], ["descriptor_set"])


def test_a_compilation_that_takes_too_long_is_ended() -> None:
    """A compilation is ended when its time is over, and the limit is named."""
    slow = 'syntax = "proto3";' + "".join(f"message M{index} {{}}" for index in range(400_000))
    started = time.monotonic()
    error = refusal(compile_sources, {"a.proto": slow}, SchemaLimits(compile_seconds=1))
    assert fields_of(error) == ["compile_seconds"]
    assert time.monotonic() - started < 5


def test_limits_name_their_value_and_what_was_sent() -> None:
    """A schema over a limit is told the limit, its value and its own."""
    limits = SchemaLimits(max_files=1, max_elements=2)
    two = {"a.proto": 'syntax = "proto3";', "b.proto": 'syntax = "proto3";'}
    assert "2 files; at most 1" in str(refusal(compile_sources, two, limits))
    fields = {"a.proto": 'syntax = "proto3"; message A { int32 x = 1; int32 y = 2; }'}
    assert "more than 2" in str(refusal(compile_sources, fields, limits))


def mutated(data: bytes, random: Random) -> bytes:
    sent = bytearray(data)
    for _ in range(random.randint(1, 8)):
        at = random.randrange(len(sent))
        match random.randrange(4):
            case 0:
                sent[at] ^= 1 << random.randrange(8)
            case 1:
                sent[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                del sent[at : at + random.randint(1, 20)]
            case _:
                sent[at:at] = sent[at : at + random.randint(1, 40)]
    return bytes(sent or b"\x00")


@FEW
@given(schemas(), st.randoms(use_true_random=False))
def test_mutated_sets_are_refused_or_sound(schema: Schema, random: Random) -> None:
    """Any bytes are either refused or a schema that loads here and compiles to itself."""
    sent = mutated(as_protoc_has_it(schema.files), random)
    try:
        compiled = compile_descriptor_set(sent)
    except InvalidSchema:
        return
    pool = build_pool(compiled.descriptor_set)
    assert all(pool.FindMessageTypeByName(name) for name in compiled.types)
    assert compile_descriptor_set(compiled.descriptor_set) == compiled


@pytest.mark.parametrize(
    "names",
    [
        ["a"], ["a.proto/"], ["./a.proto"], ["a//b.proto"], ["a/../b.proto"], ["C:\\a.proto"], ["c:a.proto"],
        ["a\\b.proto"], ["a\nb.proto"], ["a\x00.proto"], ["a\u202eb.proto"], ["-I.proto"], ["@args.proto"],
        ["x" * 300 + ".proto"], ["Order.proto", "order.proto"], ["a.proto", "a.proto/b.proto"],
        ["\u00e9.proto", "e\u0301.proto"], ["\ud800.proto"],
    ],
)  # fmt: skip
def test_file_names_that_could_mislead_are_refused(names: list[str]) -> None:
    """A file name is a relative path that means the same everywhere, and stands alone."""
    assert path_problems(names)


@given(st.lists(st.from_regex(r"\A([a-z0-9_]{1,9}/){0,3}[a-z0-9_]{1,9}\.proto\Z"), unique=True))
def test_ordinary_file_names_are_taken(names: list[str]) -> None:
    """Lower-case paths are fine together."""
    assert path_problems(names) == []
