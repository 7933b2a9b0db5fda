"""Rows of the schema tables as values, and back."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from registry.compat.promise import Direction, Promise, Surface
from registry.schema import Author, Change, ChangeKind, SchemaReference, SchemaVersion, Subject, SubjectMode

if TYPE_CHECKING:
    from collections.abc import Iterable

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def subject_row(subject: Subject) -> dict[str, Any]:
    """Answers the row of a subject, by column."""
    promise = subject.promise
    return {
        "name": subject.name,
        "latest_version": subject.latest_version,
        "create_time": micros(subject.create_time),
        "direction": None if promise is None else promise.direction.value,
        "surface": None if promise is None else promise.surface.value,
        "mode": subject.mode.value,
        "block_on_readers": subject.block_on_readers,
        "etag": subject.etag,
        "delete_time": None if subject.delete_time is None else micros(subject.delete_time),
        "highest_version": subject.highest_version,
        "revision": subject.revision,
        "purged": subject.purged,
    }


def read_subject(row: dict[str, Any]) -> Subject:
    """Answers a subject from its row."""
    own = row["direction"] is not None
    return Subject(
        name=row["name"],
        latest_version=row["latest_version"],
        create_time=_time(row["create_time"]),
        promise=Promise(Direction(row["direction"]), Surface(row["surface"])) if own else None,
        mode=SubjectMode(row["mode"]),
        block_on_readers=bool(row["block_on_readers"]),
        etag=row["etag"],
        delete_time=_optional_time(row["delete_time"]),
        highest_version=row["highest_version"],
        revision=row["revision"],
        purged=bool(row["purged"]),
    )


def version_row(schema: SchemaVersion) -> dict[str, Any]:
    """Answers the row of a version, by column; its references have rows of their own."""
    return {
        "subject": schema.subject,
        "version": schema.version,
        "types": json.dumps(schema.types),
        "create_time": micros(schema.create_time),
        "fingerprint": schema.fingerprint,
        "descriptor_set": schema.descriptor_set,
        "sources": None if schema.sources is None else json.dumps(dict(schema.sources)),
        "own_files": json.dumps(schema.own_files),
        "source_info": zlib.compress(schema.source_info) if schema.source_info else b"",
        "delete_time": None if schema.delete_time is None else micros(schema.delete_time),
    }


def read_version(row: dict[str, Any], references: Iterable[SchemaReference]) -> SchemaVersion:
    """Answers a version from its row."""
    return SchemaVersion(
        subject=row["subject"],
        version=row["version"],
        types=tuple(json.loads(row["types"])),
        create_time=_time(row["create_time"]),
        fingerprint=row["fingerprint"],
        descriptor_set=row["descriptor_set"],
        sources=None if row["sources"] is None else json.loads(row["sources"]),
        own_files=tuple(json.loads(row["own_files"])),
        references=tuple(references),
        source_info=zlib.decompress(row["source_info"]) if row["source_info"] else b"",
        delete_time=_optional_time(row["delete_time"]),
    )


def change_row(change: Change) -> dict[str, Any]:
    """Answers the row of a change, by column, without its number."""
    return {
        "kind": change.kind.value,
        "subject": change.subject,
        "version": change.version,
        "caller": change.author.caller,
        "message": change.author.message,
        "detail": change.detail,
        "time": micros(change.time),
    }


def read_change(row: dict[str, Any]) -> Change:
    """Answers a change from its row."""
    return Change(
        kind=ChangeKind(row["kind"]),
        subject=row["subject"],
        version=row["version"],
        author=Author(row["caller"], row["message"]),
        detail=row["detail"],
        time=_time(row["time"]),
        number=row["number"],
    )


def micros(time: datetime) -> int:
    """Answers a time as it is stored: microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND


def _time(since: int) -> datetime:
    return _EPOCH + since * _MICROSECOND


def _optional_time(since: int | None) -> datetime | None:
    return None if since is None else _time(since)
