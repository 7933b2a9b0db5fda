"""Schemas that are put into a store directly: two hundred versions would take minutes to compile."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

from gateway.sqlite.log import SqliteLog
from registry.descriptors import canonical_files, fingerprint, message_types
from registry.schema import Author, Change, ChangeKind, SchemaVersion, Subject
from registry.sqlite_store import SqliteSchemaStore
from registry.store import Edit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from registry.compat.promise import Promise

FIELDS = 8
"""Fields of each message."""


def make_file(package: str, messages: int) -> FileDescriptorProto:
    """Makes a file of so many messages, each of which but the first has the one before it in a field."""
    file = FileDescriptorProto(name=f"{package.replace('.', '/')}.proto", package=package, syntax="proto3")
    for index in range(messages):
        message = file.message_type.add(name=f"M{index}")
        for number in range(1, FIELDS):
            message.field.add(name=f"f{number}", number=number, type=number % 6 + 3, label=1)
        if index:
            message.field.add(
                name="before", number=FIELDS, type=11, label=1, type_name=f".{package}.M{index - 1}"
            )
    return file


def grow(file: FileDescriptorProto, number: int) -> None:
    """Adds a field of that number to the file's first message."""
    kind = FieldDescriptorProto.TYPE_INT64
    file.message_type[0].field.add(name=f"f{number}", number=number, type=kind, label=1)


def make_version(subject: str, version: int, files: Sequence[FileDescriptorProto]) -> SchemaVersion:
    """Makes a version of files as the registry would after compiling them."""
    canonical = canonical_files(files)
    return SchemaVersion(
        subject=subject,
        version=version,
        types=tuple(message_types(canonical)),
        create_time=datetime.now(UTC),
        fingerprint=fingerprint(canonical),
        descriptor_set=FileDescriptorSet(file=canonical).SerializePartialToString(deterministic=True),
        own_files=tuple(sorted(file.name for file in canonical)),
    )


async def store_versions(
    log: Path, versions: Iterable[SchemaVersion], promise: Promise | None = None
) -> None:
    """Makes a log and puts versions into it, which come subject by subject in rising order."""
    await (await SqliteLog.open(log, tail_bytes=1)).close()
    store = await SqliteSchemaStore.open(log)
    try:
        subject: Subject | None = None
        for schema in versions:
            before = subject if subject and subject.name == schema.subject else None
            subject = await store.apply(_edit(before, schema, promise))
    finally:
        await store.close()


def _edit(before: Subject | None, schema: SchemaVersion, promise: Promise | None) -> Edit:
    number, now = schema.version, schema.create_time
    after = Subject(schema.subject, number, now, promise, etag=f"{number}", highest_version=number)
    change = Change(ChangeKind.REGISTER, schema.subject, number, Author("bench"), "", now)
    return Edit(before, after, change, added=schema)
