"""The shape in which all events of a batch merge into one.

Repeated messages are declared as single ones, and in Protobuf the occurrences of a single message
merge. One parse call then checks all events, while it builds one small tree of messages in which
every unknown field of every event is found. There are no oneofs, maps or required fields in it: nothing
that an event brought may be dropped by a later one, or be missed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor import FieldDescriptor as Kind
from google.protobuf.descriptor_pb2 import FeatureSet, FieldDescriptorProto

from registry.checking.envelope import (
    add_attribute,
    add_field,
    add_header,
    add_timestamp,
    message_class,
    new_file,
    package_of,
)
from registry.checking.fields import checks_text, is_message_set, known_fields

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

_LAST_NUMBER = 2**31 - 1


def merged_frame(pool: DescriptorPool, types: list[Descriptor], schema_version: int) -> type[Message]:
    """Builds the delivered frame (``batches.batches.events.data``) in which all events merge.

    It accepts the bytes of an event exactly if the event type does. It is nested as deep as what
    subscribers of typed streams parse, so that it refuses what they could not read; within other frames
    (``frame``, as ``registry.checking.envelope.padded`` wraps it) it lies deeper.

    Args:
        pool: Holds the types; the frame is added to it.
        types: The event type and all that is reachable from it.
        schema_version: The version of the pool's files.
    """
    enums = [field.enum_type for kind in types for field in known_fields(kind)]
    imports = {enum.file.name for enum in enums if enum is not None and enum.is_closed}
    file = new_file(package_of("merged", types[0], schema_version), imports)
    names = {kind.full_name: f"Data{index}" for index, kind in enumerate(types)}
    for kind in types:
        _add_merged(file, kind, names)
    _add_envelope(file, types[0])
    return message_class(pool, file, "Frame")


def _add_envelope(file: FileDescriptorProto, event_type: Descriptor) -> None:
    timestamp, attribute = add_timestamp(file), add_attribute(file)
    frame, batches, batch, event = (
        file.message_type.add(name=name) for name in ("Frame", "Batches", "EventBatch", "Event")
    )
    add_field(frame, "frame", 1, Kind.TYPE_MESSAGE, f"{file.package}.Frame")
    add_field(frame, "batches", 2, Kind.TYPE_MESSAGE, f"{file.package}.Batches")
    add_field(batches, "batches", 1, Kind.TYPE_MESSAGE, f"{file.package}.EventBatch")
    add_header(batch, Kind.TYPE_BYTES, 0)
    add_field(batch, "append_time", 6, Kind.TYPE_MESSAGE, timestamp)
    add_field(batch, "events", 16, Kind.TYPE_MESSAGE, f"{file.package}.Event")
    add_field(event, "id", 1, Kind.TYPE_BYTES)
    add_field(event, "key", 2, Kind.TYPE_BYTES)
    data = add_field(event, "data", 3, Kind.TYPE_MESSAGE, f"{file.package}.Data0")
    data.label = _label(event_type)
    add_field(event, "time", 4, Kind.TYPE_MESSAGE, timestamp)
    add_field(event, "attributes", 5, Kind.TYPE_MESSAGE, attribute)


def _add_merged(file: FileDescriptorProto, kind: Descriptor, names: dict[str, str]) -> None:
    message = file.message_type.add(name=names[kind.full_name])
    if is_message_set(kind):
        message.options.message_set_wire_format = True
        message.extension_range.add(start=4, end=_LAST_NUMBER)
    for field in known_fields(kind):
        merged = _declare(file, message, field)
        if field.message_type is not None:
            _as_message(merged, field, f".{file.package}.{names[field.message_type.full_name]}")
        elif field.type == Kind.TYPE_STRING:
            merged.type = merged.TYPE_STRING if checks_text(field) else merged.TYPE_BYTES
        else:
            _as_scalar(merged, field)


def _declare(
    file: FileDescriptorProto, message: DescriptorProto, field: FieldDescriptor
) -> FieldDescriptorProto:
    """Adds a field of the same number; an extension becomes a plain field, except in a MessageSet."""
    if not message.options.message_set_wire_format:
        return add_field(message, f"field{field.number}", field.number, field.type)
    return file.extension.add(
        name=f"{message.name.lower()}_{field.number}",
        number=field.number,
        label=FieldDescriptorProto.LABEL_OPTIONAL,
        extendee=f".{file.package}.{message.name}",
    )


def _as_message(merged: FieldDescriptorProto, field: FieldDescriptor, type_name: str) -> None:
    merged.type, merged.type_name = FieldDescriptorProto.TYPE_MESSAGE, type_name
    if field.type == Kind.TYPE_GROUP:
        merged.options.features.message_encoding = FeatureSet.DELIMITED
    if field.message_type is not None:
        merged.label = _label(field.message_type)


def _as_scalar(merged: FieldDescriptorProto, field: FieldDescriptor) -> None:
    if field.enum_type is not None and field.enum_type.is_closed:
        merged.type_name = f".{field.enum_type.full_name}"
    elif field.enum_type is not None:
        merged.type = FieldDescriptorProto.TYPE_INT32
    # A packed run is only known as such in a repeated field.
    if field.is_repeated and field.type != Kind.TYPE_BYTES:
        merged.label = FieldDescriptorProto.LABEL_REPEATED


def _label(descriptor: Descriptor) -> FieldDescriptorProto.Label.ValueType:
    """The payloads of a MessageSet replace each other where other messages merge: keep all of them."""
    if is_message_set(descriptor):
        return FieldDescriptorProto.LABEL_REPEATED
    return FieldDescriptorProto.LABEL_OPTIONAL
