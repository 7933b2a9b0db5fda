"""The shapes in which a batch of events is parsed: synthetic twins of ``EventBatch``.

On the wire an embedded message is a length and its bytes, so one batch can be read as several types.
Each twin is made for one question, and one parse call in C answers it for all events of a batch:

* ``VERBATIM`` takes everything inside an event as bytes and requires ``data``. What it parses and
  serializes to the same bytes has its envelope in order and the data of every event present.
* ``NORMAL`` is ``EventBatch`` as the contract has it; what it serializes is the normal form.
* ``SPLIT`` has the bytes of each event, whatever they are; the header is unknown to it.
* The typed batch declares ``data`` as the event type, for checks that need each event by itself.
* The merged frame (``registry.checking.merged``) has all events in one.

``tests/test_validator.py`` holds the twins equal to ``proto/``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor as Kind

from registry.checking.wire import varint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

PACKAGE: Final = "tidegate.check"
"""The reserved package of all twins; no schema of a user may declare it."""

FRAME_LEVELS: Final = 4
"""How deep ``data`` lies in a delivered frame: frame, batches, batch, event."""

DEEPEST: Final = 100
"""How many messages deep parsers go, in most languages; the outermost one does not count."""

_IMPLICIT = descriptor_pb2.FeatureSet.IMPLICIT
_REQUIRED = descriptor_pb2.FeatureSet.LEGACY_REQUIRED
_REPEATED = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED
_OPTIONAL = descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL


def new_file(name: str, dependencies: Iterable[str] = ()) -> FileDescriptorProto:
    """Begins an edition 2023 file, whose package has the given name."""
    return descriptor_pb2.FileDescriptorProto(
        name=f"{name.replace('.', '/')}.proto",
        package=name,
        syntax="editions",
        edition=descriptor_pb2.EDITION_2023,
        dependency=sorted(dependencies),
    )


def add_field(
    message: DescriptorProto, name: str, number: int, kind: int, type_name: str = "", *, presence: int = 0
) -> FieldDescriptorProto:
    """Adds a single field to a message; ``presence`` is a feature, 0 its default."""
    field = message.field.add(name=name, number=number, label=_OPTIONAL)
    field.type = kind  # type: ignore[assignment]
    if type_name:
        field.type_name = f".{type_name}"
    if presence:
        field.options.features.field_presence = presence  # type: ignore[assignment]
    return field


def add_header(batch: DescriptorProto, text: int, presence: int) -> None:
    """Adds the fields of ``EventBatch`` that hold neither events nor times; ``text`` is their text type."""
    add_field(batch, "topic", 1, text, presence=presence)
    add_field(batch, "type", 2, text, presence=presence)
    add_field(batch, "schema_version", 3, Kind.TYPE_UINT32, presence=presence)
    add_field(batch, "source", 4, text, presence=presence)
    add_field(batch, "first_sequence", 5, Kind.TYPE_UINT64, presence=presence)
    add_field(batch, "offsets", 7, Kind.TYPE_UINT32).label = _REPEATED


def add_timestamp(file: FileDescriptorProto) -> str:
    """Adds the twin of ``google.protobuf.Timestamp`` and answers its full name."""
    timestamp = file.message_type.add(name="Timestamp")
    add_field(timestamp, "seconds", 1, Kind.TYPE_INT64, presence=_IMPLICIT)
    add_field(timestamp, "nanos", 2, Kind.TYPE_INT32, presence=_IMPLICIT)
    return f"{file.package}.Timestamp"


def add_attribute(file: FileDescriptorProto) -> str:
    """Adds an entry of attributes, whose order is kept as published, and answers its full name."""
    attribute = file.message_type.add(name="Attribute")
    add_field(attribute, "key", 1, Kind.TYPE_STRING)
    add_field(attribute, "value", 2, Kind.TYPE_STRING)
    return f"{file.package}.Attribute"


def _plain(pool: DescriptorPool, *, opaque: bool) -> type[Message]:
    """Builds the twin with ``data`` as bytes; if ``opaque``, times and attributes are bytes too."""
    file = new_file("tidegate.v1")
    batch, event = file.message_type.add(name="EventBatch"), file.message_type.add(name="Event")
    inner = Kind.TYPE_BYTES if opaque else Kind.TYPE_MESSAGE
    timestamp, attribute = ("", "") if opaque else (add_timestamp(file), add_attribute(file))
    add_header(batch, Kind.TYPE_STRING, _IMPLICIT)
    add_field(batch, "append_time", 6, inner, timestamp)
    add_field(batch, "events", 16, Kind.TYPE_MESSAGE, f"{file.package}.Event").label = _REPEATED
    add_field(event, "id", 1, Kind.TYPE_STRING, presence=_IMPLICIT)
    add_field(event, "key", 2, Kind.TYPE_STRING, presence=_IMPLICIT)
    add_field(event, "data", 3, Kind.TYPE_BYTES, presence=_REQUIRED)
    add_field(event, "time", 4, inner, timestamp)
    add_field(event, "attributes", 5, inner, attribute).label = _REPEATED
    return message_class(pool, file, "EventBatch")


def _split() -> type[Message]:
    file = new_file("tidegate.v1")
    add_field(file.message_type.add(name="EventBatch"), "events", 16, Kind.TYPE_BYTES).label = _REPEATED
    return message_class(descriptor_pool.DescriptorPool(), file, "EventBatch")


def message_class(pool: DescriptorPool, file: FileDescriptorProto, name: str) -> type[Message]:
    """Answers the class of a message of ``file``, which is added to the pool unless it is there."""
    try:
        pool.FindFileByName(file.name)
    except KeyError:
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{name}"))


_NORMAL_POOL = descriptor_pool.DescriptorPool()
VERBATIM: Final = _plain(descriptor_pool.DescriptorPool(), opaque=True)
SPLIT: Final = _split()
NORMAL: Final = _plain(_NORMAL_POOL, opaque=False)
BATCH: Final = _NORMAL_POOL.FindMessageTypeByName("tidegate.v1.EventBatch")
EVENT: Final = _NORMAL_POOL.FindMessageTypeByName("tidegate.v1.Event")


def package_of(what: str, descriptor: Descriptor, schema_version: int) -> str:
    """Names a twin's package so that one name is one class, whatever the version and the event type.

    protovalidate caches by full name over all pools. Dots are escaped, for a nested event type's package
    would otherwise lie within its parent's.
    """
    flat = descriptor.full_name.replace("_", "_u").replace(".", "_d")
    return f"{PACKAGE}.{what}.v{schema_version}.{flat}"


def typed_batch(pool: DescriptorPool, descriptor: Descriptor, schema_version: int) -> type[Message]:
    """Builds the batch of which each event's ``data`` is of the event type; it knows no other fields."""
    file = new_file(package_of("typed", descriptor, schema_version), (descriptor.file.name,))
    batch, event = file.message_type.add(name="EventBatch"), file.message_type.add(name="Event")
    add_field(batch, "events", 16, Kind.TYPE_MESSAGE, f"{file.package}.Event").label = _REPEATED
    add_field(event, "data", 3, Kind.TYPE_MESSAGE, descriptor.full_name)
    return message_class(pool, file, "EventBatch")


def framed(batch: bytes) -> bytes:
    """Wraps a batch's bytes as the only entry of a delivered frame."""
    head = b"\x0a" + varint(len(batch))
    return b"".join((b"\x12", varint(len(head) + len(batch)), head, batch))


def padded(frame: bytes, levels: int) -> bytes:
    """Wraps a frame in further frames, so that all in it lies ``levels`` deeper."""
    heads, length = [], len(frame)
    for _ in range(levels):
        heads.append(b"\x0a" + varint(length))
        length += len(heads[-1])
    return b"".join((*reversed(heads), frame))
