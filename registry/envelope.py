"""The shapes in which a batch of events is parsed: synthetic twins of ``EventBatch``.

On the wire an embedded message is a length and its bytes, so one batch can be read as several types.
Each twin is made for one question, and one parse call in C answers it for all events of a batch:

* ``VERBATIM`` takes everything inside an event as bytes and requires ``data``. What it parses and
  serializes to the same bytes has its envelope in order and the data of every event present.
* ``NORMAL`` is ``EventBatch`` as the contract has it; what it serializes is the normal form.
* The *merged* frame declares repeated messages as single ones. In Protobuf the occurrences of a single
  message merge, so the whole batch is checked while only one small tree of messages is built, in which
  every unknown field of every event is found. It has no oneofs, maps or required fields: nothing that
  an event brought can be dropped by a later one.
* The *typed* batch declares ``data`` as the event type, for checks that need each event by itself.

Nothing here imports more than Protobuf. ``tests/test_validator.py`` holds the twins equal to ``proto/``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor as Kind
from google.protobuf.message import DecodeError, Message

from registry.wire import length_delimited, varint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import Descriptor, FieldDescriptor
    from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool

PACKAGE: Final = "tidegate.check"
"""The reserved package of all twins; no schema of a user may declare it."""

FRAME_LEVELS: Final = 4
"""How deep ``data`` lies in a delivered frame: frame, batches, batch, event."""

_IMPLICIT = descriptor_pb2.FeatureSet.IMPLICIT
_REQUIRED = descriptor_pb2.FeatureSet.LEGACY_REQUIRED
_REPEATED = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
_OPTIONAL = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL
_INVALID_UTF8 = b"\xff"


def _file(name: str, dependencies: Iterable[str] = ()) -> FileDescriptorProto:
    return descriptor_pb2.FileDescriptorProto(
        name=f"{name.replace('.', '/')}.proto",
        package=name,
        syntax="editions",
        edition=descriptor_pb2.EDITION_2023,
        dependency=sorted(dependencies),
    )


def _add(
    message: DescriptorProto, name: str, number: int, kind: int, type_name: str = "", *, presence: int = 0
) -> FieldDescriptorProto:
    field = message.field.add(name=name, number=number, label=_OPTIONAL)
    field.type = kind  # type: ignore[assignment]
    if type_name:
        field.type_name = f".{type_name}"
    if presence:
        field.options.features.field_presence = presence  # type: ignore[assignment]
    return field


def _add_header(batch: DescriptorProto, text: int, presence: int) -> None:
    _add(batch, "topic", 1, text, presence=presence)
    _add(batch, "type", 2, text, presence=presence)
    _add(batch, "schema_version", 3, Kind.TYPE_UINT32, presence=presence)
    _add(batch, "source", 4, text, presence=presence)
    _add(batch, "first_sequence", 5, Kind.TYPE_UINT64, presence=presence)
    _add(batch, "offsets", 7, Kind.TYPE_UINT32).label = _REPEATED


def _add_timestamp(file: FileDescriptorProto) -> str:
    timestamp = file.message_type.add(name="Timestamp")
    _add(timestamp, "seconds", 1, Kind.TYPE_INT64, presence=_IMPLICIT)
    _add(timestamp, "nanos", 2, Kind.TYPE_INT32, presence=_IMPLICIT)
    return f"{file.package}.Timestamp"


def _add_attribute(file: FileDescriptorProto) -> str:
    attribute = file.message_type.add(name="Attribute")
    _add(attribute, "key", 1, Kind.TYPE_STRING)
    _add(attribute, "value", 2, Kind.TYPE_STRING)
    return f"{file.package}.Attribute"


def _plain(pool: DescriptorPool, *, opaque: bool) -> type[Message]:
    """Builds the twin with ``data`` as bytes; if ``opaque``, times and attributes are bytes too."""
    file = _file("tidegate.v1")
    batch, event = file.message_type.add(name="EventBatch"), file.message_type.add(name="Event")
    inner = Kind.TYPE_BYTES if opaque else Kind.TYPE_MESSAGE
    timestamp, attribute = ("", "") if opaque else (_add_timestamp(file), _add_attribute(file))
    _add_header(batch, Kind.TYPE_STRING, _IMPLICIT)
    _add(batch, "append_time", 6, inner, timestamp)
    _add(batch, "events", 16, Kind.TYPE_MESSAGE, f"{file.package}.Event").label = _REPEATED
    _add(event, "id", 1, Kind.TYPE_STRING, presence=_IMPLICIT)
    _add(event, "key", 2, Kind.TYPE_STRING, presence=_IMPLICIT)
    _add(event, "data", 3, Kind.TYPE_BYTES, presence=_REQUIRED)
    _add(event, "time", 4, inner, timestamp)
    _add(event, "attributes", 5, inner, attribute).label = _REPEATED
    return _message_class(pool, file, "EventBatch")


def _message_class(pool: DescriptorPool, file: FileDescriptorProto, name: str) -> type[Message]:
    """Answers the class of a message of ``file``, which is added to the pool unless it is there."""
    try:
        pool.FindFileByName(file.name)
    except KeyError:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{name}"))


_NORMAL_POOL = descriptor_pool.DescriptorPool()
VERBATIM: Final = _plain(descriptor_pool.DescriptorPool(), opaque=True)
NORMAL: Final = _plain(_NORMAL_POOL, opaque=False)
BATCH: Final = _NORMAL_POOL.FindMessageTypeByName("tidegate.v1.EventBatch")
EVENT: Final = _NORMAL_POOL.FindMessageTypeByName("tidegate.v1.Event")


def _package(what: str, descriptor: Descriptor, schema_version: int) -> str:
    """Names a twin's package so that one name is one class, whatever the version and the event type.

    protovalidate caches by full name over all pools. Dots are escaped, for a nested event type's package
    would otherwise lie within its parent's.
    """
    flat = descriptor.full_name.replace("_", "_u").replace(".", "_d")
    return f"{PACKAGE}.{what}.v{schema_version}.{flat}"


def typed_batch(pool: DescriptorPool, descriptor: Descriptor, schema_version: int) -> type[Message]:
    """Builds the batch of which each event's ``data`` is of the event type; it knows no other fields."""
    file = _file(_package("typed", descriptor, schema_version), (descriptor.file.name,))
    batch, event = file.message_type.add(name="EventBatch"), file.message_type.add(name="Event")
    _add(batch, "events", 16, Kind.TYPE_MESSAGE, f"{file.package}.Event").label = _REPEATED
    _add(event, "data", 3, Kind.TYPE_MESSAGE, descriptor.full_name)
    return _message_class(pool, file, "EventBatch")


def merged_frame(pool: DescriptorPool, descriptor: Descriptor, schema_version: int) -> type[Message]:
    """Builds the delivered frame (``batches.batches.events.data``) in which all events merge into one.

    It is nested as deep as what subscribers of typed streams parse, so that it refuses what they could
    not read. It accepts the bytes of an event exactly if the event type does.
    """
    types = reachable(descriptor)
    enums = [field.enum_type for kind in types for field in fields(kind)]
    imports = {enum.file.name for enum in enums if enum is not None and enum.is_closed}
    imports |= {kind.file.name for kind in types if is_message_set(kind)}
    file = _file(_package("merged", descriptor, schema_version), imports)
    names = {
        kind.full_name: kind.full_name if is_message_set(kind) else f"{file.package}.Data{index}"
        for index, kind in enumerate(types)
    }
    for kind in types:
        if not is_message_set(kind):
            _add_merged(file, kind, names)
    _add_merged_envelope(file, names[descriptor.full_name], _merged_label(descriptor))
    return _message_class(pool, file, "Frame")


def _add_merged_envelope(
    file: FileDescriptorProto, data: str, label: FieldDescriptorProto.Label.ValueType
) -> None:
    timestamp, attribute = _add_timestamp(file), _add_attribute(file)
    frame, batches, batch, event = (
        file.message_type.add(name=name) for name in ("Frame", "Batches", "EventBatch", "Event")
    )
    _add(frame, "batches", 2, Kind.TYPE_MESSAGE, f"{file.package}.Batches")
    _add(batches, "batches", 1, Kind.TYPE_MESSAGE, f"{file.package}.EventBatch")
    _add_header(batch, Kind.TYPE_BYTES, 0)
    _add(batch, "append_time", 6, Kind.TYPE_MESSAGE, timestamp)
    _add(batch, "events", 16, Kind.TYPE_MESSAGE, f"{file.package}.Event")
    _add(event, "id", 1, Kind.TYPE_BYTES)
    _add(event, "key", 2, Kind.TYPE_BYTES)
    _add(event, "data", 3, Kind.TYPE_MESSAGE, data).label = label
    _add(event, "time", 4, Kind.TYPE_MESSAGE, timestamp)
    _add(event, "attributes", 5, Kind.TYPE_MESSAGE, attribute)


def _add_merged(file: FileDescriptorProto, kind: Descriptor, names: dict[str, str]) -> None:
    message = file.message_type.add(name=names[kind.full_name].rpartition(".")[2])
    for field in fields(kind):
        merged = _add(message, f"field{field.number}", field.number, field.type)
        if field.message_type:
            merged.type_name = f".{names[field.message_type.full_name]}"
            if field.type == Kind.TYPE_GROUP:
                merged.type = descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE
                merged.options.features.message_encoding = descriptor_pb2.FeatureSet.DELIMITED
            merged.label = _merged_label(field.message_type)
        elif field.type == Kind.TYPE_STRING:
            if not checks_text(field):
                merged.type = descriptor_pb2.FieldDescriptorProto.TYPE_BYTES
        else:
            _add_scalar(merged, field)


def _add_scalar(merged: FieldDescriptorProto, field: FieldDescriptor) -> None:
    if field.enum_type is not None and field.enum_type.is_closed:
        merged.type_name = f".{field.enum_type.full_name}"
    elif field.enum_type is not None:
        merged.type = descriptor_pb2.FieldDescriptorProto.TYPE_INT32
    # A packed run is only known as such in a repeated field.
    if field.is_repeated and field.type != Kind.TYPE_BYTES:
        merged.label = _REPEATED


def _merged_label(descriptor: Descriptor) -> FieldDescriptorProto.Label.ValueType:
    """Payloads of a MessageSet keep their own oneofs, so its occurrences must not merge."""
    return _REPEATED if is_message_set(descriptor) else _OPTIONAL


def checks_text(field: FieldDescriptor) -> bool:
    """Tells by trying whether the parser checks a string field's UTF-8: syntax and features decide it."""
    probe = message_factory.GetMessageClass(field.containing_type)  # type: ignore[arg-type]
    try:
        probe.FromString(length_delimited(field.number, _INVALID_UTF8))
    except DecodeError:
        return True
    return False


def framed(batch: bytes) -> bytes:
    """Wraps a batch's bytes as the only entry of a delivered frame."""
    head = b"\x0a" + varint(len(batch))
    return b"".join((b"\x12", varint(len(head) + len(batch)), head, batch))


def is_message_set(descriptor: Descriptor) -> bool:
    """Tells whether the message has the wire format of a MessageSet."""
    return bool(descriptor.GetOptions().message_set_wire_format)


def fields(descriptor: Descriptor) -> list[FieldDescriptor]:
    """Answers the fields that a parser knows of the message: its own and its pool's extensions of it."""
    known = list(descriptor.fields)
    if descriptor.is_extendable:
        known += descriptor.file.pool.FindAllExtensions(descriptor)
    return known


def reachable(descriptor: Descriptor) -> list[Descriptor]:
    """Answers the message and all messages that can stand below it, entries of maps included."""
    found = {descriptor.full_name: descriptor}
    queue = [descriptor]
    for kind in queue:
        for field in fields(kind):
            below = field.message_type
            if below is not None and below.full_name not in found:
                found[below.full_name] = below
                queue.append(below)
    return queue


def can_nest(descriptor: Descriptor, levels: int) -> bool:
    """Tells whether messages can lie ``levels`` deep below the message; recursive ones always can."""
    frontier = {descriptor.full_name: descriptor}
    for _ in range(levels):
        below = (field.message_type for kind in frontier.values() for field in fields(kind))
        frontier = {kind.full_name: kind for kind in below if kind is not None}
    return bool(frontier)
