"""Schemas that no well-meaning tool writes: each named for what is wrong with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from google.protobuf import descriptor_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Kind = pb.FieldDescriptorProto
STRING, INT32, MESSAGE, ENUM, GROUP = (
    Kind.TYPE_STRING, Kind.TYPE_INT32, Kind.TYPE_MESSAGE, Kind.TYPE_ENUM, Kind.TYPE_GROUP,
)  # fmt: skip
OPTIONAL, REQUIRED, REPEATED = Kind.LABEL_OPTIONAL, Kind.LABEL_REQUIRED, Kind.LABEL_REPEATED
LAST = 2**29 - 1


def file(name: str = "x.proto", syntax: str = "proto3", package: str = "x", **parts: Any) -> Any:
    return pb.FileDescriptorProto(name=name, syntax=syntax, package=package, **parts)


def message(*fields: Any, name: str = "M", **parts: Any) -> Any:
    return pb.DescriptorProto(name=name, field=fields, **parts)


def field(name: str = "f", number: int = 1, label: Any = OPTIONAL, type: Any = INT32, **parts: Any) -> Any:  # noqa: A002
    return Kind(name=name, number=number, label=label, type=type, **parts)


def one(*fields: Any, syntax: str = "proto3", **parts: Any) -> Any:
    """A file with one message of these fields; ``parts`` are the message's."""
    return file(syntax=syntax, message_type=[message(*fields, **parts)])


def entry(*fields: Any, name: str = "FEntry") -> Any:
    return message(*fields, name=name, options=pb.MessageOptions(map_entry=True))


def mapped(*fields: Any, name: str = "FEntry", **parts: Any) -> Any:
    whole = field(label=REPEATED, type=MESSAGE, type_name=f".x.M.{name}")
    return one(whole, nested_type=[entry(*fields, name=name)], **parts)


KEY, VALUE = field("key", 1, type=STRING), field("value", 2)


def _nested(levels: int) -> Any:
    inner = message(name="M")
    for _ in range(levels - 1):
        inner = message(name="M", nested_type=[inner])
    return file(message_type=[inner])


def _uninterpreted(parts: int, value: str = "1") -> Any:
    names = [pb.UninterpretedOption.NamePart(name_part="x", is_extension=False) for _ in range(parts)]
    option = pb.UninterpretedOption(name=names, aggregate_value=value)
    return file(options=pb.FileOptions(uninterpreted_option=[option]), message_type=[message()])


def _unknown_options(payload: bytes) -> Any:
    options = pb.MessageOptions()
    options.MergeFromString(payload)
    return file(message_type=[message(options=options)])


def _located(*locations: Any, count: int = 1) -> Any:
    info = pb.SourceCodeInfo(location=[*locations] * count)
    return file(message_type=[message(field())], source_code_info=info)


def _location(path: list[int], span: list[int], comment: str = "c") -> Any:
    return pb.SourceCodeInfo.Location(
        path=path, span=span, leading_comments=comment, trailing_comments=comment
    )


def _features(**features: Any) -> Any:
    options = pb.FieldOptions(features=pb.FeatureSet(**features))
    return file(syntax="editions", edition=pb.EDITION_2023, message_type=[message(field(options=options))])


def _garbage_features() -> Any:
    options = pb.FieldOptions()
    options.MergeFromString(b"\xaa\x01\x04\x08\x63\x10\x63")
    return file(syntax="editions", edition=pb.EDITION_2023, message_type=[message(field(options=options))])


def _cycle(length: int) -> list[Any]:
    return [file(f"c{i}.proto", dependency=[f"c{(i + 1) % length}.proto"]) for i in range(length)]


def _public_chain(length: int) -> list[Any]:
    first = file("c0.proto", message_type=[message()])
    names = [f"c{i}.proto" for i in range(length)]
    others = [file(f"c{i}.proto", dependency=[names[i - 1]], public_dependency=[0]) for i in range(1, length)]
    last = message(field(type=MESSAGE, type_name=".x.M"), name="L")
    return [first, *others, file("last.proto", dependency=[names[-1]], message_type=[last])]


def _all_import_all(count: int) -> list[Any]:
    return [
        file(f"f{i}.proto", package=f"p{i}", dependency=[f"f{j}.proto" for j in range(i)],
             message_type=[message(field())])
        for i in range(count)
    ]  # fmt: skip


SETS: dict[str, Callable[[], Any]] = {
    "a type that nobody declares": lambda: one(field(type=MESSAGE, type_name=".x.Nothing")),
    "a type without a leading dot": lambda: one(field(type=MESSAGE, type_name="M")),
    "a type that is a package": lambda: one(field(type=MESSAGE, type_name=".x")),
    "a type that is a field": lambda: one(field(type=MESSAGE, type_name=".x.M.f")),
    "a type of dots": lambda: one(field(type=MESSAGE, type_name="....")),
    "a message as an enum": lambda: one(field(type=ENUM, type_name=".x.M")),
    "no type": lambda: one(Kind(name="f", number=1, label=OPTIONAL)),
    "no label": lambda: one(Kind(name="f", number=1, type=INT32)),
    "no number": lambda: one(Kind(name="f", label=OPTIONAL, type=INT32)),
    "no name": lambda: one(Kind(number=1, label=OPTIONAL, type=INT32)),
    "a name for a scalar's type": lambda: one(field(type_name=".x.M")),
    "a number twice": lambda: one(field(), field("g")),
    "a name twice": lambda: one(field(), field(number=2)),
    "a message twice": lambda: file(message_type=[message(), message()]),
    "a file twice": lambda: [one(field()), one(field("g"))],
    "a message in two files": lambda: [one(field()), file("y.proto", message_type=[message()])],
    "a number of 0": lambda: one(field(number=0)),
    "a negative number": lambda: one(field(number=-1)),
    "a huge number": lambda: one(field(number=2**31 - 1)),
    "a reserved number": lambda: one(field(number=19_000)),
    "the last number": lambda: one(field(number=LAST)),
    "a file that imports itself": lambda: file(dependency=["x.proto"], message_type=[message()]),
    "two files that import each other": lambda: _cycle(2),
    "a circle of 900 files": lambda: _cycle(900),
    "a chain of 900 public imports": lambda: _public_chain(900),
    "300 files that import all before them": lambda: _all_import_all(300),
    "an import twice": lambda: [file("y.proto"), file(dependency=["y.proto", "y.proto"])],
    "an import that is missing": lambda: file(dependency=["y.proto"]),
    "an import with a strange name": lambda: file(dependency=['../../"\n.proto']),
    "a missing file of google": lambda: file(dependency=["google/protobuf/nothing.proto"]),
    "a public import that is none": lambda: file(public_dependency=[7, -1]),
    "a weak import that is none": lambda: file(weak_dependency=[-(2**31)]),
    "a default that is no number": lambda: one(field(default_value="abc"), syntax="proto2"),
    "a default over the range": lambda: one(field(default_value=str(2**40)), syntax="proto2"),
    "a default of a message": lambda: one(
        field(type=MESSAGE, type_name=".x.M", default_value="{}"), syntax="proto2"),
    "a default of a list": lambda: one(field(label=REPEATED, default_value="1"), syntax="proto2"),
    "a default in proto3": lambda: one(field(default_value="1")),
    "a default that ends in a backslash": lambda: one(
        field(type=Kind.TYPE_BYTES, default_value="\\"), syntax="proto2"),
    "a default with any escapes": lambda: one(
        field(type=Kind.TYPE_BYTES, default_value='\\x4g\\777"\n\\'), syntax="proto2"),
    "a default with controls": lambda: one(
        field(type=STRING, default_value='\0\n\x7f"\\\u202e*/ //'), syntax="proto2"),
    "a default too small for a float": lambda: one(
        field(type=Kind.TYPE_FLOAT, default_value="1e-45"), syntax="proto2"),
    "a default too large for a float": lambda: one(
        field(type=Kind.TYPE_FLOAT, default_value="1e300"), syntax="proto2"),
    "a default that is nan with a sign": lambda: one(
        field(type=Kind.TYPE_DOUBLE, default_value="-nan"), syntax="proto2"),
    "a default of megabytes": lambda: one(
        field(type=STRING, default_value="é" * 4_000_000), syntax="proto2"),
    "required in proto3": lambda: one(field(label=REQUIRED)),
    "required in an edition": lambda: file(
        syntax="editions", edition=pb.EDITION_2023, message_type=[message(field(label=REQUIRED))]),
    "a required extension": lambda: file(
        syntax="proto2", message_type=[message(extension_range=[{"start": 1, "end": 9}])],
        extension=[field(label=REQUIRED, extendee=".x.M")]),
    "a list in a oneof": lambda: one(field(label=REPEATED, oneof_index=0), oneof_decl=[{"name": "o"}]),
    "a oneof that is not there": lambda: one(field(oneof_index=3)),
    "a oneof with a negative index": lambda: one(field(oneof_index=-1), oneof_decl=[{"name": "o"}]),
    "a oneof without fields": lambda: one(field(), oneof_decl=[{"name": "o"}]),
    "a oneof in pieces": lambda: one(
        field(oneof_index=0), field("g", 2), field("h", 3, oneof_index=0), oneof_decl=[{"name": "o"}]),
    "optional without its oneof": lambda: one(field(proto3_optional=True)),
    "optional in a oneof of two": lambda: one(
        field(proto3_optional=True, oneof_index=0), field("g", 2, oneof_index=0), oneof_decl=[{"name": "o"}]),
    "optional in proto2": lambda: one(
        field(proto3_optional=True, oneof_index=0), syntax="proto2", oneof_decl=[{"name": "_f"}]),
    "a map": lambda: mapped(KEY, VALUE),
    "a map of another name": lambda: mapped(KEY, VALUE, name="Entry"),
    "a map without values": lambda: mapped(KEY),
    "a map with three fields": lambda: mapped(KEY, VALUE, field("more", 3)),
    "a map by float": lambda: mapped(field("key", 1, type=Kind.TYPE_FLOAT), VALUE),
    "a map by message": lambda: mapped(field("key", 1, type=MESSAGE, type_name=".x.M"), VALUE),
    "a map of lists": lambda: mapped(KEY, field("value", 2, REPEATED)),
    "a map of itself": lambda: mapped(KEY, field("value", 2, type=MESSAGE, type_name=".x.M.FEntry")),
    "a map of other numbers": lambda: mapped(field("key", 2, type=STRING), field("value", 1)),
    "a map that is no list": lambda: one(
        field(type=MESSAGE, type_name=".x.M.FEntry"), nested_type=[entry(KEY, VALUE)]),
    "a map entry for two": lambda: one(
        *(field(name, n, REPEATED, MESSAGE, type_name=".x.M.FEntry") for n, name in enumerate("fg", 1)),
        nested_type=[entry(KEY, VALUE)]),
    "a map entry for nobody": lambda: one(field(), nested_type=[entry(KEY, VALUE)]),
    "a map entry outside": lambda: file(message_type=[
        message(field(label=REPEATED, type=MESSAGE, type_name=".x.FEntry")), entry(KEY, VALUE)]),
    "a group of nothing": lambda: one(field(type=GROUP), syntax="proto2"),
    "a group of its own message": lambda: one(field(type=GROUP, type_name=".x.M"), syntax="proto2"),
    "a group in proto3": lambda: one(
        field("g", type=GROUP, type_name=".x.M.G"), nested_type=[message(name="G")]),
    "a group of a map entry": lambda: one(
        field("fentry", type=GROUP, type_name=".x.M.FEntry"), syntax="proto2",
        nested_type=[entry(KEY, VALUE)]),
    "a MessageSet with fields": lambda: one(
        field(), syntax="proto2", options=pb.MessageOptions(message_set_wire_format=True)),
    "a MessageSet of numbers": lambda: file(
        syntax="proto2", extension=[field(number=4, extendee=".x.M")], message_type=[message(
            extension_range=[{"start": 4, "end": 2**31 - 1}],
            options=pb.MessageOptions(message_set_wire_format=True))]),
    "an extension of nothing": lambda: file(syntax="proto2", extension=[field(extendee=".x.N")]),
    "an extension without a range": lambda: file(
        syntax="proto2", message_type=[message()], extension=[field(extendee=".x.M")]),
    "an extension that is a field": lambda: one(field(extendee=".x.M"), syntax="proto2"),
    "an extension of a timestamp": lambda: file(
        syntax="proto2", dependency=["google/protobuf/timestamp.proto"],
        extension=[field(number=7, extendee=".google.protobuf.Timestamp")]),
    "an option with the number of a rule": lambda: file(
        syntax="proto2", dependency=["google/protobuf/descriptor.proto"], message_type=[message(field())],
        extension=[field(number=1159, extendee=".google.protobuf.FieldOptions")]),
    "an option with the number of a rule, beside rules": lambda: file(
        syntax="proto2", dependency=["google/protobuf/descriptor.proto", "buf/validate/validate.proto"],
        message_type=[message(field())],
        extension=[field(number=1159, extendee=".google.protobuf.FieldOptions")]),
    "ranges that overlap": lambda: one(
        extension_range=[{"start": 1, "end": 9}, {"start": 5, "end": 20}], syntax="proto2"),
    "ranges backwards": lambda: one(
        extension_range=[{"start": 9, "end": 1}], reserved_range=[{"start": -5, "end": -9}], syntax="proto2"),
    "ranges over the end": lambda: one(reserved_range=[{"start": 1, "end": 2**31 - 1}]),
    "reserved names that are none": lambda: one(field(), reserved_name=['"', "\n", "f f", ""]),
    "reserved names of an edition that are none": lambda: file(
        syntax="editions", edition=pb.EDITION_2023, message_type=[message(reserved_name=["; }", "a b"])]),
    "an enum without values": lambda: file(enum_type=[{"name": "E"}]),
    "an enum that begins at 1": lambda: file(
        enum_type=[{"name": "E", "value": [{"name": "A", "number": 1}]}]),
    "an enum with a value of any name": lambda: file(enum_type=[
        {"name": "E", "value": [{"name": "reserved", "number": 0}, {"name": "option", "number": 1}]}]),
    "an enum that reserves what it has": lambda: file(enum_type=[{
        "name": "E", "value": [{"name": "A", "number": 0}],
        "reserved_range": [{"start": -9, "end": 2**31 - 1}]}]),
    "JSON names that are the same": lambda: one(field(json_name="x"), field("g", 2, json_name="x")),
    "a JSON name of controls": lambda: one(field(json_name='\0\n"\\\u2028')),
    "a JSON name like an extension's": lambda: one(field(json_name="[x.y]")),
    "an empty JSON name": lambda: one(field(json_name="")),
    "a name that is none": lambda: file(message_type=[message(name="a b;}")]),
    "an empty name": lambda: file(message_type=[message(name="")]),
    "a name with a dot": lambda: file(message_type=[message(name="a.b")]),
    "a name of another alphabet": lambda: file(message_type=[message(name="Bestellung_ü")]),
    "a name of 100,000 characters": lambda: file(message_type=[message(name="x" * 100_000)]),
    "a package of dots": lambda: file(package="..", message_type=[message()]),
    "a package of 250 parts": lambda: file(
        package=".".join("a" * 250),
        message_type=[message(field(type=MESSAGE, type_name=f"{'.a' * 250}.M"))]),
    "a package of ours": lambda: file(package="tidegate.typed.v1", message_type=[message()]),
    "a package of google": lambda: file(package="google.protobuf", message_type=[message(name="Timestamp")]),
    "a file of ours": lambda: file(name="tidegate/v1/event.proto", message_type=[message()]),
    "a file of google": lambda: file(name="google/protobuf/timestamp.proto", message_type=[message()]),
    "a file of google that is none": lambda: file(name="google/mine.proto", message_type=[message()]),
    "file names that climb": lambda: file(name="../../../etc/x.proto", message_type=[message()]),
    "file names for a shell": lambda: file(name="-I.proto", message_type=[message()]),
    "a message called tidegate": lambda: file(package="", message_type=[message(field(), name="tidegate")]),
    "a message called google": lambda: file(
        package="", dependency=["google/protobuf/timestamp.proto"], message_type=[message(name="google")]),
    "a message called buf": lambda: file(package="", message_type=[message(field(), name="buf")]),
    "a value called tidegate": lambda: file(
        package="", message_type=[message(field())],
        enum_type=[{"name": "E", "value": [{"name": "tidegate", "number": 0}]}]),
    "a service called google": lambda: file(
        package="", message_type=[message(field())], service=[{"name": "google"}]),
    "types called like ours": lambda: file(message_type=[
        message(field(), name=name) for name in
        ("EventBatch", "Event", "MService", "SubscribeMRequest", "PublishMRequest", "M")]),
    "a method of nothing": lambda: file(service=[
        {"name": "S", "method": [{"name": "R", "input_type": ".x.N", "output_type": ""}]}]),
    "syntax of tomorrow": lambda: file(syntax="proto4", message_type=[message()]),
    "an edition of tomorrow": lambda: file(syntax="editions", edition=99_999, message_type=[message()]),
    "an edition of nobody": lambda: file(syntax="editions", message_type=[message()]),
    "an edition in proto3": lambda: file(syntax="proto3", edition=pb.EDITION_2023, message_type=[message()]),
    "an edition of the dawn": lambda: file(
        syntax="editions", edition=pb.EDITION_LEGACY, message_type=[message()]),
    "features that are unknown": lambda: _features(field_presence=0, enum_type=0, utf8_validation=0),
    "features for something else": lambda: _features(
        enum_type=2, message_encoding=2, repeated_field_encoding=1),
    "features of any number": _garbage_features,
    "features in proto2": lambda: one(
        field(options=pb.FieldOptions(features=pb.FeatureSet(field_presence=2))), syntax="proto2"),
    "29 levels": lambda: _nested(29),
    "31 levels": lambda: _nested(31),
    "95 levels": lambda: _nested(95),
    "an option of 20,000 parts": lambda: _uninterpreted(20_000),
    "an option that nobody declares": lambda: _uninterpreted(1, "a: 1"),
    "an option of braces": lambda: _uninterpreted(1, "a {" * 500_000),
    "options that nobody knows": lambda: _unknown_options(b"\x8a\xb5\x18\x04abcd" * 200_000),
    "options like rules": lambda: _unknown_options(b"\xba\x48\x04abcd"),
    "options of groups": lambda: _unknown_options(b"\x8b\xb5\x18" * 60 + b"\x8c\xb5\x18" * 60),
    "places that are none": lambda: _located(
        _location([-1, 2**31 - 1], [-7, -8, -9]), _location([], []), _location([4] * 5000, [1]),
        _location([4, 0], [2**31 - 1] * 4)),
    "places of a million lines": lambda: _located(_location([4, 0], [1_000_000, 0, 1])),
    "50,000 comments on one place": lambda: _located(_location([4, 0], [0, 0, 1]), count=50_000),
    "comments that end comments": lambda: _located(
        _location([4, 0], [0, 0, 1], "*/ message Evil {} /*\n\0\r message Evil {}\n\u2028message Evil {}")),
    "comments of megabytes": lambda: _located(_location([4, 0, 2, 0], [0, 0, 1], "c\n" * 1_000_000)),
    "a comment of one line of megabytes": lambda: _located(_location([4, 0], [0, 0, 1], "c" * 4_000_000)),
    "40,000 fields": lambda: file(message_type=[
        message(*(field(f"f{i}", i) for i in range(1, 1001)), name=f"M{n}") for n in range(40)]),
    "49,000 values": lambda: file(enum_type=[
        {"name": "E", "value": [{"name": f"V{i}", "number": i} for i in range(49_000)]}]),
    "20,000 reserved ranges": lambda: one(
        reserved_range=[{"start": 2 * i + 1, "end": 2 * i + 2} for i in range(20_000)]),
    "60,000 messages": lambda: file(message_type=[message(name=f"M{i}") for i in range(60_000)]),
    "nothing": list,
    "a file without a name": pb.FileDescriptorProto,
}  # fmt: skip

_HEAD = 'syntax = "proto3"; package x; '
_OPTION = """syntax = "proto2"; package x; import "google/protobuf/descriptor.proto";
message T { optional T t = 1; repeated T ts = 2; repeated int32 %s = 3; map<string, T> m = 4;
  optional string s = 5; }
extend google.protobuf.MessageOptions { optional T o = 50001; repeated T os = 50002; }
"""
_LONG = "n" * 400

SOURCES: dict[str, Callable[[], dict[str, str]]] = {
    "9 MB of a comment": lambda: {"x.proto": f"/*{'c' * 9_000_000}*/ {_HEAD} message M {{}}"},
    "a million comments": lambda: {"x.proto": "// c\n\n" * 1_000_000 + _HEAD + "message M {}"},
    "comments between all": lambda: {
        "x.proto": _HEAD + "message M {"
        + "".join(f"// c\nint32 f{i} = {i}; // d\n" for i in range(1, 3000)) + "}"},
    "a comment that is open": lambda: {"x.proto": "/*" * 1_000_000},
    "braces": lambda: {"x.proto": _HEAD + "message M {" * 100_000},
    "brackets": lambda: {"x.proto": _HEAD + "message M { int32 a = 1 [" + "(" * 1_000_000},
    "a text without end": lambda: {"x.proto": 'syntax = "' + "x" * 9_000_000},
    "controls": lambda: {"x.proto": _HEAD + "message M { \0\x01\x1b[31m }"},
    "another text altogether": lambda: {"x.proto": "<html>" * 10_000},
    "a byte order mark": lambda: {"x.proto": "\ufeff" + _HEAD + "message M {}"},
    "nothing at all": lambda: {"x.proto": ""},
    "an option as deep as it goes": lambda: {
        "x.proto": _OPTION % "i" + "message M { option (o) = {" + "t {" * 90 + "}" * 90 + "}; }"},
    "an option that is deeper": lambda: {
        "x.proto": _OPTION % "i" + "message M { option (o) = {" + "t {" * 20_000 + "}" * 20_000 + "}; }"},
    "an option of 200,000 messages": lambda: {
        "x.proto": _OPTION % "i" + "message M { option (o) = {" + "ts {} " * 200_000 + "}; }"},
    "an option of a million numbers": lambda: {
        "x.proto": _OPTION % "i" + "message M { option (o) = { i: [" + "1," * 1_000_000 + "1] }; }"},
    "an option that is long to say": lambda: {
        "x.proto": _OPTION % _LONG + "message M { option (o) = {"
        + f"ts {{ {_LONG}: 1 }} " * 20_000 + "}; }"},
    "an option of 50,000 keys": lambda: {
        "x.proto": _OPTION % "i" + "message M { option (o) = {"
        + "".join(f'm {{ key: "{i}" value {{}} }} ' for i in range(50_000)) + "}; }"},
    "an option said 20,000 times": lambda: {
        "x.proto": _OPTION % "i" + "message M { " + 'option (os) = { s: "x" }; ' * 20_000 + "}"},
    "rules without sense": lambda: {
        "x.proto": 'syntax = "proto3"; package x; import "buf/validate/validate.proto"; message M { '
        "int32 a = 1 [(buf.validate.field).string.min_len = 1]; }"},
    "a rule that doubles": lambda: {
        "x.proto": 'syntax = "proto3"; package x; import "buf/validate/validate.proto"; message M { '
        'option (buf.validate.message).cel = { id: "a" expression: "' + "['z']" + ".map(x,x+x)" * 30
        + '.size() > 0" }; int32 a = 1; }'},
    "50,000 rules": lambda: {
        "x.proto": 'syntax = "proto3"; package x; import "buf/validate/validate.proto"; message M { '
        "int32 a = 1 [" + ",".join(
            f'(buf.validate.field).cel = {{id: "r{i}" expression: "this > {i}"}}'
            for i in range(50_000)) + "]; }"},
    "names that hide each other": lambda: {
        "x.proto": 'syntax = "proto3"; package a.a.a; '
        "message a { message a { message a { a x = 1; .a.a.a.a y = 2; "
        ".a.a.a.a.a z = 3; } a x = 1; } a x = 1; .a.a.a.a y = 2; }"},
    "20,000 fields of hidden names": lambda: {
        "x.proto": f'syntax = "proto3"; package {".".join("a" * 90)}; message a {{ message a {{}} }} '
        + "".join(f"message M{n} {{" + "".join(
            f"{'.a' * 91} f{i} = {i};" for i in range(1, 1001)) + "}" for n in range(20))},
    "1,000 files": lambda: {
        f"f{i}.proto": f'syntax = "proto3"; package p{i}; message M {{}}' for i in range(1_000)},
}  # fmt: skip


def hostile_schemas() -> Iterator[tuple[str, bool, bytes]]:
    """Answers all of them: a name, whether it is a descriptor set, and it or the JSON of its sources."""
    for name, build in SETS.items():
        made = build()
        files = made if isinstance(made, list) else [made]
        yield name, True, pb.FileDescriptorSet(file=files).SerializePartialToString()
    yield "5,000 levels", True, _raw_levels(5_000)
    yield "the same name, 2,000 levels", True, _raw_levels(2_000)
    yield "no UTF-8", True, b"\x0a\x06\x0a\x04\xff\xfe\xfd\xfc"
    yield "no message", True, b"\xff" * 1000
    yield "empty files", True, b"\x0a\x00" * 5_000
    for name, sources in SOURCES.items():
        yield name, False, json.dumps(sources()).encode()


def _raw_levels(levels: int) -> bytes:
    """Messages in messages, deeper than Protobuf itself would write."""
    inner = b"\x0a\x01M"
    for _ in range(levels):
        inner = b"\x0a\x01M\x1a" + _varint(len(inner)) + inner
    body = b"\x0a\x07x.proto\x22" + _varint(len(inner)) + inner
    return b"\x0a" + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
