"""The message that ``event`` is in a filter: a synthetic twin of ``Event`` with the facts of its batch.

The fields of ``Event`` have their numbers of the contract, so that a stored batch parses as twins at once;
``data`` is declared as the event type, in the private pool of one schema version. The batch's facts have
numbers of their own, which no stored event has: its envelope is checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.descriptor import FieldDescriptor as Kind
from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from registry.checking.envelope import add_field, message_class, new_file
from registry.supplied import supplied_files

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor
    from google.protobuf.descriptor_pb2 import FileDescriptorProto

PACKAGE: Final = "tidegate.filter"
"""The reserved package of all twins; no schema of a user may declare it."""

BATCH_FIELDS: Final = frozenset({"topic", "event_type", "source", "schema_version", "append_time"})
"""What is the same for all events of a batch."""
ENVELOPE_FIELDS: Final = BATCH_FIELDS | {"id", "key", "time", "attributes", "sequence"}
"""What can be known of an event without decoding its data."""
DATA: Final = "data"

_TIMESTAMP: Final = "google.protobuf.Timestamp"
_TIMESTAMP_FILE: Final = "google/protobuf/timestamp.proto"
_FACTS: Final = {
    "topic": Kind.TYPE_STRING,
    "event_type": Kind.TYPE_STRING,
    "source": Kind.TYPE_STRING,
    "sequence": Kind.TYPE_INT64,
    "schema_version": Kind.TYPE_INT32,
    "append_time": Kind.TYPE_MESSAGE,
}
"""Signed integers, since whoever writes a filter writes ``event.sequence > 5``, and not ``5u``."""
_FIRST_FACT: Final = 101


@dataclass(frozen=True, slots=True)
class EventMessage:
    """What ``event`` is.

    Attributes:
        descriptor: Of the twin of ``Event``.
        batch: The class of a twin of ``EventBatch`` with these events and ``source``.
        has_data: Whether it has ``data``.
    """

    descriptor: Descriptor
    batch: Any
    has_data: bool

    @property
    def pool(self) -> DescriptorPool:
        """The pool that it is declared in."""
        return self.descriptor.file.pool


@cache
def envelope_message() -> EventMessage:
    """Answers what ``event`` is where nothing is known of its data: everything else."""
    return _event_message(DescriptorPool(), f"{PACKAGE}.envelope", None)


def typed_message(pool: DescriptorPool, type_name: str, schema_version: int) -> EventMessage:
    """Answers what ``event`` is for an event type in a schema version.

    Args:
        pool: Holds the files of the version, and nothing of another; the twins are added to it.
        type_name: The full name of a message of the pool.
        schema_version: The version; 0 if it has none yet.

    Raises:
        KeyError: The pool has no such message.
    """
    descriptor = pool.FindMessageTypeByName(type_name)
    flat = type_name.replace("_", "_u").replace(".", "_d")
    return _event_message(pool, f"{PACKAGE}.v{schema_version}.{flat}", descriptor)


def _event_message(pool: DescriptorPool, package: str, data: Descriptor | None) -> EventMessage:
    _supply_timestamp(pool)
    files = {_TIMESTAMP_FILE, *([data.file.name] if data else [])}
    batch = message_class(pool, _twins(package, files, data), "Batch")
    return EventMessage(pool.FindMessageTypeByName(f"{package}.Event"), batch, data is not None)


def _supply_timestamp(pool: DescriptorPool) -> None:
    try:
        pool.FindFileByName(_TIMESTAMP_FILE)
    except KeyError:
        pool.AddSerializedFile(supplied_files()[_TIMESTAMP_FILE])


def _twins(package: str, files: set[str], data: Descriptor | None) -> FileDescriptorProto:
    file = new_file(package, files)
    file.options.features.field_presence = file.options.features.IMPLICIT
    batch, event = file.message_type.add(name="Batch"), file.message_type.add(name="Event")
    add_field(batch, "source", 4, Kind.TYPE_STRING)
    _repeat(add_field(batch, "events", 16, Kind.TYPE_MESSAGE, f"{package}.Event"))
    add_field(event, "id", 1, Kind.TYPE_STRING)
    add_field(event, "key", 2, Kind.TYPE_STRING)
    if data is not None:
        add_field(event, DATA, 3, Kind.TYPE_MESSAGE, data.full_name)
    add_field(event, "time", 4, Kind.TYPE_MESSAGE, _TIMESTAMP)
    _repeat(add_field(event, "attributes", 5, Kind.TYPE_MESSAGE, f"{package}.Event.AttributesEntry"))
    entry = event.nested_type.add(name="AttributesEntry")
    entry.options.map_entry = True
    add_field(entry, "key", 1, Kind.TYPE_STRING)
    add_field(entry, "value", 2, Kind.TYPE_STRING)
    for number, (name, kind) in enumerate(_FACTS.items(), _FIRST_FACT):
        add_field(event, name, number, kind, _TIMESTAMP if kind == Kind.TYPE_MESSAGE else "")
    return file


def _repeat(field: FieldDescriptorProto) -> None:
    field.label = FieldDescriptorProto.LABEL_REPEATED
