"""What is done to descriptors under mutation: walking, renaming, and mending what an edit left behind.

Edits may be rough: a type is gone that fields still name, a oneof has no members, a default is none of its
type. ``mend`` cuts and completes until protoc takes the files, or nearly always takes them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from google.protobuf import descriptor_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Kind = pb.FieldDescriptorProto
Holder = pb.FileDescriptorProto | pb.DescriptorProto
Files = list[pb.FileDescriptorProto]
T = TypeVar("T", pb.DescriptorProto, pb.EnumDescriptorProto)

NAMED = (Kind.TYPE_MESSAGE, Kind.TYPE_GROUP, Kind.TYPE_ENUM)
SCALARS = tuple(it for it in Kind.Type.values() if it not in NAMED)
TEXTS = (Kind.TYPE_STRING, Kind.TYPE_BYTES)
LONG = (Kind.TYPE_INT64, Kind.TYPE_UINT64, Kind.TYPE_SINT64, Kind.TYPE_FIXED64, Kind.TYPE_SFIXED64)
KEYS = tuple(it for it in SCALARS if it not in {Kind.TYPE_DOUBLE, Kind.TYPE_FLOAT, Kind.TYPE_BYTES})
EMPTY, TIME = ".google.protobuf.Empty", ".google.protobuf.Timestamp"
_SUPPLIED = {EMPTY: "google/protobuf/empty.proto", TIME: "google/protobuf/timestamp.proto"}


@dataclass(frozen=True, slots=True)
class Declared(Generic[T]):
    """A message or enum: its full name with a leading dot, where it stands, and itself."""

    name: str
    file: pb.FileDescriptorProto
    holder: Holder
    element: T


def messages(files: Iterable[pb.FileDescriptorProto]) -> list[Declared[pb.DescriptorProto]]:
    """Answers all messages but the entries of maps."""
    return [it for file in files for it in _nested(file, file, f".{file.package}")]


def _nested(
    file: pb.FileDescriptorProto, holder: Holder, scope: str
) -> Iterator[Declared[pb.DescriptorProto]]:
    for message in nested(holder):
        if not message.options.map_entry:
            name = f"{scope}.{message.name}"
            yield Declared(name, file, holder, message)
            yield from _nested(file, message, name)


def nested(holder: Holder) -> Any:
    """Answers the list of messages that a file or message declares; changes to it count."""
    return holder.message_type if isinstance(holder, pb.FileDescriptorProto) else holder.nested_type


def enums(files: Iterable[pb.FileDescriptorProto]) -> list[Declared[pb.EnumDescriptorProto]]:
    """Answers all enums."""
    return [
        Declared(f"{scope}.{enum.name}", file, holder, enum)
        for file, holder, scope in _holders(files)
        for enum in holder.enum_type
    ]


def _holders(files: Iterable[pb.FileDescriptorProto]) -> list[tuple[pb.FileDescriptorProto, Holder, str]]:
    found: list[tuple[pb.FileDescriptorProto, Holder, str]] = [(it, it, f".{it.package}") for it in files]
    return found + [(it.file, it.element, it.name) for it in messages(file for file, _, _ in found)]


def extensions(files: Iterable[pb.FileDescriptorProto]) -> list[tuple[pb.FileDescriptorProto, Holder, Kind]]:
    """Answers all extensions, each with its file and what declares it."""
    return [(file, holder, field) for file, holder, _ in _holders(files) for field in holder.extension]


def map_entry(message: pb.DescriptorProto, field: Kind) -> pb.DescriptorProto | None:
    """Answers what a map field's entries are; None if it is no map."""
    for inner in message.nested_type:
        if inner.options.map_entry and field.type_name.endswith(f".{message.name}.{inner.name}"):
            return inner
    return None


def all_fields(files: Iterable[pb.FileDescriptorProto]) -> Iterator[tuple[pb.FileDescriptorProto, Kind]]:
    """Answers every field there is: of messages, of the entries of maps, and extensions."""
    for file, holder, _ in _holders(files):
        for field in holder.extension:
            yield file, field
        if isinstance(holder, pb.DescriptorProto):
            for message in (holder, *(it for it in holder.nested_type if it.options.map_entry)):
                for field in message.field:
                    yield file, field


def rename_type(files: Files, old: str, new: str) -> None:
    """Lets all that names a type, or a type within it, name its new name."""

    def renamed(name: str) -> str:
        return new + name.removeprefix(old) if name == old or name.startswith(f"{old}.") else name

    for _, field in all_fields(files):
        if field.type_name:
            field.type_name = renamed(field.type_name)
        if field.extendee:
            field.extendee = renamed(field.extendee)
    for method in (method for file in files for service in file.service for method in service.method):
        method.input_type, method.output_type = renamed(method.input_type), renamed(method.output_type)


def set_syntax(file: pb.FileDescriptorProto, syntax: str) -> None:
    """Declares a file's syntax; ``mend`` does what follows from it."""
    file.syntax = syntax
    file.ClearField("edition")
    if syntax == "editions":
        file.edition = pb.EDITION_2023


def mend(files: Files) -> None:
    """Makes the files what protoc takes."""
    types = {it.name: it for it in messages(files)}
    for it in types.values():
        _forget_synthetic(it.element)
        _mend_groups(it)
    kinds = {it.name: it for it in enums(files)}
    for enum in kinds.values():
        _mend_enum(enum.file, enum.element)
    for file, field in all_fields(files):
        _mend_type(file, field, types.keys(), kinds)
    for it in types.values():
        _mend_message(it.file, it.element)
    for file, holder, _ in _holders(files):
        _mend_extensions(file, holder, types)
    for method in (method for file in files for service in file.service for method in service.method):
        for side in ("input_type", "output_type"):
            if getattr(method, side) not in types:
                setattr(method, side, EMPTY)
    for file in files:
        _mend_imports(file, {it.name: it.file.name for it in (*types.values(), *kinds.values())})


def _mend_enum(file: pb.FileDescriptorProto, enum: pb.EnumDescriptorProto) -> None:
    if file.syntax != "editions":
        enum.options.ClearField("features")
    if not enum.value:
        enum.value.add(name=f"{enum.name}_ZERO", number=0)
    if is_open(file, enum) and enum.value[0].number != 0:
        if all(it.number != 0 for it in enum.value):
            enum.value.add(name=f"{enum.name}_ZERO", number=0)
        enum.value.sort(key=lambda it: it.number != 0)
    numbers = [it.number for it in enum.value]
    enum.options.ClearField("allow_alias")
    if len(set(numbers)) < len(numbers):
        enum.options.allow_alias = True
    names = {it.name for it in enum.value}
    _keep(enum.reserved_name, lambda it: it not in names)
    _keep(enum.reserved_range, lambda it: not any(it.start <= n <= it.end for n in numbers))
    _forget_empty_options(enum)


def is_open(file: pb.FileDescriptorProto, enum: pb.EnumDescriptorProto) -> bool:
    """Answers whether an enum takes numbers that it doesn't name."""
    if file.syntax == "editions":
        return pb.FeatureSet.CLOSED not in (enum.options.features.enum_type, file.options.features.enum_type)
    return file.syntax == "proto3"


def _mend_type(
    file: pb.FileDescriptorProto,
    field: Kind,
    types: Iterable[str],
    kinds: dict[str, Declared[pb.EnumDescriptorProto]],
) -> None:
    if field.type == Kind.TYPE_ENUM:
        enum = kinds.get(field.type_name)
        if enum is None or (file.syntax == "proto3" and not is_open(enum.file, enum.element)):
            field.type = Kind.TYPE_INT32
            field.ClearField("default_value")
        else:
            if field.default_value not in {value.name for value in enum.element.value}:
                field.ClearField("default_value")
            if not is_open(enum.file, enum.element) and _implicit(field):
                field.options.ClearField("features")
    elif field.type in NAMED:
        field.ClearField("default_value")
        if field.type_name not in types and not field.type_name.endswith("Entry"):
            field.type, field.type_name = Kind.TYPE_MESSAGE, TIME
    if field.type not in NAMED:
        field.ClearField("type_name")
    _mend_options(file, field)


def _mend_options(file: pb.FileDescriptorProto, field: Kind) -> None:
    _mend_syntax(file, field)
    _mend_features(field)
    if file.syntax == "editions" or not _may_pack(field):
        field.options.ClearField("packed")
    if file.syntax == "proto3" or field.label == Kind.LABEL_REPEATED or _implicit(field) or _implicit(file):
        field.ClearField("default_value")
    if field.type not in LONG:
        field.options.ClearField("jstype")
    if field.type not in TEXTS:
        field.options.ClearField("ctype")
    _forget_empty_options(field)


def _forget_empty_options(element: Any) -> None:
    if not element.options.ListFields():
        element.ClearField("options")


def _may_pack(field: Kind) -> bool:
    return field.label == Kind.LABEL_REPEATED and field.type not in {*TEXTS, *NAMED[:2]}


def _implicit(element: Any) -> bool:
    return element.options.features.field_presence == pb.FeatureSet.IMPLICIT


def _mend_syntax(file: pb.FileDescriptorProto, field: Kind) -> None:
    """Says in the words of the file's syntax what was said in those of another one."""
    if field.type == Kind.TYPE_GROUP and file.syntax != "proto2":
        field.type = Kind.TYPE_MESSAGE
        field.options.features.message_encoding = pb.FeatureSet.DELIMITED
    if field.label == Kind.LABEL_REQUIRED and file.syntax != "proto2":
        field.label = Kind.LABEL_OPTIONAL
        field.options.features.field_presence = pb.FeatureSet.LEGACY_REQUIRED
    if file.syntax != "editions":
        field.options.ClearField("features")
    if file.syntax != "proto3":
        field.ClearField("proto3_optional")


def _mend_features(field: Kind) -> None:
    features = field.options.features
    if not _may_pack(field):
        features.ClearField("repeated_field_encoding")
    if field.label == Kind.LABEL_REPEATED or field.HasField("oneof_index") or field.HasField("extendee"):
        features.ClearField("field_presence")
        field.ClearField("proto3_optional")
    if field.type in NAMED[:2] and _implicit(field):
        features.ClearField("field_presence")
    if field.type != Kind.TYPE_STRING:
        features.ClearField("utf8_validation")
    if field.type not in NAMED[:2] or field.type_name.endswith("Entry"):
        features.ClearField("message_encoding")
    if not features.ListFields():
        field.options.ClearField("features")


def _mend_message(file: pb.FileDescriptorProto, message: pb.DescriptorProto) -> None:
    numbers = {field.number for field in message.field}
    names = {field.name for field in message.field}
    if file.syntax != "editions":
        message.options.ClearField("features")
    _keep(message.extension_range, lambda it: file.syntax != "proto3" and not _has_any(it, numbers))
    spans = list(message.extension_range)
    _keep(message.reserved_range, lambda it: not (_has_any(it, numbers) or _overlaps(it, spans)))
    _keep(message.reserved_name, lambda it: it not in names)
    used = {field.type_name.rpartition(".")[2] for field in message.field}
    _keep(message.nested_type, lambda it: not it.options.map_entry or it.name in used)
    _mend_oneofs(message)
    _forget_empty_options(message)


def _has_any(span: Any, numbers: Iterable[int]) -> bool:
    return any(span.start <= number < span.end for number in numbers)


def _overlaps(span: Any, others: Iterable[Any]) -> bool:
    return any(span.start < it.end and it.start < span.end for it in others)


def _mend_groups(it: Declared[pb.DescriptorProto]) -> None:
    """Makes groups messages unless they are declared beside their field, and named like it."""
    for field in (*it.element.field, *it.element.extension, *it.file.extension):
        own = field.type_name == f"{it.name}.{field.name.capitalize()}"
        if field.type == Kind.TYPE_GROUP and not (own and field in list(it.element.field)):
            field.type = Kind.TYPE_MESSAGE


def _forget_synthetic(message: pb.DescriptorProto) -> None:
    """Takes optional fields of proto3 out of the oneofs that protoc puts them in, each into its own."""
    for field in message.field:
        if field.HasField("oneof_index") and message.oneof_decl[field.oneof_index].name.startswith("_"):
            field.ClearField("oneof_index")


def _mend_oneofs(message: pb.DescriptorProto) -> None:
    """Drops oneofs without members, and puts those of proto3's optional fields behind the others."""
    was = [it.name for it in message.oneof_decl]
    member = {field.name: was[field.oneof_index] for field in message.field if field.HasField("oneof_index")}
    for field in message.field:
        if field.proto3_optional:
            member[field.name] = f"_{field.name}"
    real = [name for name in was if name in member.values() and not name.startswith("_")]
    order = real + [name for name in member.values() if name.startswith("_")]
    del message.oneof_decl[:]
    for name in order:
        message.oneof_decl.add(name=name)
    for field in message.field:
        field.ClearField("oneof_index")
        if field.name in member:
            field.label = Kind.LABEL_OPTIONAL
            field.oneof_index = order.index(member[field.name])
    first: dict[str, int] = {}
    for index, field in enumerate(message.field):
        first.setdefault(member.get(field.name, field.name), index)
    message.field.sort(key=lambda it: first[member.get(it.name, it.name)])


def _mend_extensions(
    file: pb.FileDescriptorProto, holder: Holder, types: dict[str, Declared[pb.DescriptorProto]]
) -> None:
    spans = {it.name: it.element.extension_range for it in types.values()}
    _keep(
        holder.extension,
        lambda it: (
            file.syntax != "proto3"
            and any(_has_any(span, [it.number]) for span in spans.get(it.extendee, ()))
        ),
    )
    for field in holder.extension:
        field.ClearField("json_name")
        if field.label == Kind.LABEL_REQUIRED:
            field.label = Kind.LABEL_OPTIONAL


def _mend_imports(file: pb.FileDescriptorProto, declared_in: dict[str, str]) -> None:
    names = [
        method_type for s in file.service for m in s.method for method_type in (m.input_type, m.output_type)
    ]
    names += [name for _, field in all_fields([file]) for name in (field.type_name, field.extendee)]
    needed = {_SUPPLIED.get(name) or declared_in.get(name) for name in names} - {None, file.name}
    del file.dependency[:]
    file.dependency.extend(sorted(it for it in needed if it))
    file.ClearField("public_dependency")


def _keep(items: Any, wanted: Callable[[Any], bool]) -> None:
    """Drops what is not wanted from a repeated field, and leaves the others the objects that they are."""
    for index in reversed(range(len(items))):
        if not wanted(items[index]):
            del items[index]
