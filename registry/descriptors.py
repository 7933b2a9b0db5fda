"""What the registry reads from descriptors: canonical form, event types, size, private pools.

Pure functions over Protobuf's own descriptor messages. What comes from users is first walked in the
sandbox (``registry/compiling/sandbox.py``); elsewhere these functions see what passed there.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    Edition,
    FeatureSet,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    SourceCodeInfo,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from registry.supplied import DESCRIPTOR_FILE, is_supplied_name, supplied_files

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from google.protobuf.message import Message


def parse_set(data: bytes) -> FileDescriptorSet:
    """Parses a descriptor set that anybody may have sent.

    Raises:
        google.protobuf.message.DecodeError: It is none, or a text in it is no UTF-8. Protobuf itself lets
            that pass in descriptors, and answers bytes where everybody expects a string.
    """
    _strict_set().FromString(data)
    return FileDescriptorSet.FromString(data)


def _strict_set() -> type[Message]:
    """Answers the class of a descriptor set whose strings are checked: descriptor.proto as an edition."""
    file = FileDescriptorProto.FromString(supplied_files()[DESCRIPTOR_FILE])
    file.syntax, file.edition = "editions", Edition.EDITION_2023
    features = file.options.features
    features.utf8_validation = FeatureSet.VERIFY
    features.enum_type = FeatureSet.CLOSED
    for message in file.message_type:
        for member in (message, *message.nested_type):
            for field in member.field:
                if field.label == FieldDescriptorProto.LABEL_REQUIRED:
                    field.label = FieldDescriptorProto.LABEL_OPTIONAL
                field.options.ClearField("packed")
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName(FileDescriptorSet.DESCRIPTOR.full_name))


def build_pool(descriptor_set: bytes) -> DescriptorPool:
    """Builds a private pool of a schema version's descriptor set, with the registry's own google/* and buf/*.

    Takes what ``Compiled.descriptor_set`` holds; anything else may raise TypeError or ValueError.
    """
    files = FileDescriptorSet.FromString(descriptor_set).file
    return _pool({file.name: file for file in files}, [file.name for file in files])


def _pool(files: Mapping[str, FileDescriptorProto], names: Iterable[str]) -> DescriptorPool:
    pool = DescriptorPool()
    added: set[str] = set()
    waiting = list(reversed(list(names)))
    while waiting:
        name = waiting[-1]
        file = _preferred(name, files)
        missing = [] if name in added else [other for other in file.dependency if other not in added]
        if missing:
            waiting.extend(missing)
            continue
        waiting.pop()
        if name not in added:
            pool.AddSerializedFile(file.SerializeToString())
            added.add(name)
    return pool


def _preferred(name: str, files: Mapping[str, FileDescriptorProto]) -> FileDescriptorProto:
    own = supplied_files().get(name)
    if own is not None:
        return FileDescriptorProto.FromString(own)
    return files[name]


def in_import_order(files: Iterable[FileDescriptorProto]) -> list[FileDescriptorProto]:
    """Sorts files so that each follows those that it imports, and by name where imports leave it open.

    The files must be complete and free of cycles.
    """
    by_name = {file.name: file for file in files}
    ordered: dict[str, FileDescriptorProto] = {}
    waiting = sorted(by_name, reverse=True)
    while waiting:
        name = waiting[-1]
        missing = sorted((other for other in by_name[name].dependency if other not in ordered), reverse=True)
        if missing and name not in ordered:
            waiting.extend(missing)
        else:
            ordered.setdefault(waiting.pop(), by_name[name])
    return list(ordered.values())


def canonical_files(files: Iterable[FileDescriptorProto]) -> list[FileDescriptorProto]:
    """Answers the files in import order and canonical form: no positions, no comments, options sorted.

    Options that the schema defines itself are read as what they are declared to be: written in
    another order they still are the same.

    Raises:
        google.protobuf.message.DecodeError: An option's bytes are not of its declared type.
    """
    ordered = in_import_order(files)
    by_name = {file.name: file for file in ordered}
    pool = _pool(by_name, [DESCRIPTOR_FILE, *by_name])
    factory = GetMessageClass(pool.FindMessageTypeByName(FileDescriptorProto.DESCRIPTOR.full_name))
    return [_canonical(file, factory) for file in ordered]


def _canonical(file: FileDescriptorProto, factory: type) -> FileDescriptorProto:
    bare = FileDescriptorProto()
    bare.CopyFrom(file)
    bare.ClearField("source_code_info")
    message = factory()
    message.MergeFromString(bare.SerializePartialToString())
    return FileDescriptorProto.FromString(message.SerializePartialToString(deterministic=True))


def fingerprint(files: Iterable[FileDescriptorProto], referenced: Container[str] = ()) -> str:
    """Answers the identity of canonical files: SHA-256 over the schema's own, whatever their order.

    Files that the registry supplies don't count: a newer release of them is no other schema. Those of other
    subjects do, and are told from own ones.

    Args:
        files: The files.
        referenced: The names of those that belong to other subjects.
    """
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: (file.name in referenced, file.name)):
        if not is_supplied_name(file.name):
            data = file.SerializePartialToString(deterministic=True)
            digest.update(b"referenced" if file.name in referenced else b"")
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def own_names(descriptor_set: bytes) -> tuple[str, ...]:
    """Answers the names of the files that the registry does not supply, sorted."""
    files = FileDescriptorSet.FromString(descriptor_set).file
    return tuple(sorted(file.name for file in files if not is_supplied_name(file.name)))


def source_info(files: Iterable[FileDescriptorProto]) -> bytes:
    """Answers the files' positions and comments: a serialized ``FileDescriptorSet`` of them alone.

    Places that no source could have are left out: a descriptor set may have been written by anybody.
    """
    result = FileDescriptorSet()
    for file in files:
        bare = FileDescriptorProto(name=file.name)
        bare.source_code_info.location.extend(it for it in file.source_code_info.location if _is_place(it))
        if bare.source_code_info.location:
            result.file.append(bare)
    return result.SerializePartialToString()


def _is_place(location: SourceCodeInfo.Location) -> bool:
    return len(location.span) in {3, 4} and min(location.span) >= 0 and min(location.path, default=0) >= 0


def message_types(files: Iterable[FileDescriptorProto]) -> list[str]:
    """Answers the full names of the messages that can be event types, sorted.

    All messages, nested ones included; not the entries of maps, not the bodies of groups, not what
    the registry supplies.
    """
    return sorted(
        name
        for file in files
        if not is_supplied_name(file.name)
        for name in _names(file.package, file.message_type, _groups(file.extension))
    )


def _names(scope: str, messages: Iterable[DescriptorProto], groups: set[str]) -> Iterator[str]:
    for message in messages:
        if message.options.map_entry:
            continue
        name = f"{scope}.{message.name}" if scope else message.name
        if f".{name}" not in groups:
            yield name
        yield from _names(name, message.nested_type, _groups([*message.field, *message.extension]))


def _groups(fields: Iterable[FieldDescriptorProto]) -> set[str]:
    return {
        field.type_name
        for field in fields
        if field.type == FieldDescriptorProto.TYPE_GROUP
        and field.type_name.lower().endswith(f".{field.name}")
    }
