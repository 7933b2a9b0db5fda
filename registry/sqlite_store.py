"""Subjects and schema versions in a SQLite file, which may be the log's own."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from registry.schema import SchemaReference
from registry.sqlite_access import SqliteAccess
from registry.sqlite_rows import (
    change_row,
    micros,
    read_change,
    read_subject,
    read_version,
    subject_row,
    version_row,
)
from registry.sqlite_tables import UnknownSchemaFormat, prepare_tables
from registry.store import Conflict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlite_utils import Database

    from registry.schema import Change, SchemaVersion, Subject
    from registry.store import Edit

READ_BYTES = 16 * 1024 * 1024
"""Behind how many bytes of descriptors a listing of versions ends."""
_TYPES_A_QUERY = 500
_SIMILAR = 300
_HIGHEST = "\U0010ffff"


class SqliteSchemaStore:
    """A ``SchemaStore`` in one SQLite file, on a connection of its own.

    Calls run one after another on threads, never on the event loop. A call that finds the file
    locked by another writer waits for up to 10 s. Any call may raise ``StorageFailed``, and ``apply``
    ``StorageFull`` and ``StorageReadOnly`` too; nothing of it was stored then.
    """

    def __init__(self, access: SqliteAccess) -> None:
        self._access = access

    @classmethod
    async def open(cls, path: str | Path) -> SqliteSchemaStore:
        """Opens the file at ``path``, which is made if need be, and makes the tables if need be.

        Raises:
            UnknownSchemaFormat: A later release wrote the tables.
            StorageFailed, StorageFull, StorageReadOnly: The file can't be opened or written.
        """
        access = SqliteAccess(path)
        store = cls(access)
        await access.open(store._prepare)
        return store

    async def close(self) -> None:
        """Waits for calls under way and closes the connection."""
        await self._access.close()

    async def apply(self, edit: Edit) -> Subject:
        """Makes one change, and records it; see ``SchemaStore.apply``."""
        return await self._access.run(self._apply, edit)

    async def subject(self, name: str) -> Subject | None:
        """Answers a subject; see ``SchemaStore.subject``."""
        return await self._access.run(self._subject, name)

    async def list_subjects(self, *, after: str, limit: int, show_deleted: bool) -> list[Subject]:
        """Answers a page of subjects; see ``SchemaStore.list_subjects``."""
        return await self._access.run(self._list_subjects, after, limit, _seen(show_deleted=show_deleted))

    async def get(self, subject: str, reference: int | str) -> SchemaVersion | None:
        """Answers one version, whole; see ``SchemaStore.get``."""
        return await self._access.run(self._get, subject, reference)

    async def list_versions(
        self, subject: str, *, after: int, limit: int, show_deleted: bool, descriptors: bool = False
    ) -> list[SchemaVersion]:
        """Answers a page of versions; see ``SchemaStore.list_versions``."""
        large = "descriptor_set" if descriptors else "x''"
        seen = _seen(show_deleted=show_deleted)
        return await self._access.run(self._list_versions, subject, after, limit, seen, large)

    async def owners(self, types: Sequence[str]) -> dict[str, str]:
        """Answers the types' subjects; see ``SchemaStore.owners``."""
        return await self._access.run(self._owners, types)

    async def similar_types(self, type_name: str) -> list[str]:
        """Answers types of the same last name or package; see ``SchemaStore.similar_types``."""
        return await self._access.run(self._similar_types, type_name)

    async def referencing(self, subject: str, version: int, *, limit: int) -> list[SchemaReference]:
        """Answers the versions that refer to a version; see ``SchemaStore.referencing``."""
        return await self._access.run(self._referencing, subject, version, limit)

    async def changes(self, subject: str | None, *, before: int, limit: int) -> list[Change]:
        """Answers a page of changes; see ``SchemaStore.changes``."""
        return await self._access.run(self._changes, subject, before, limit)

    @property
    def _db(self) -> Database:
        return self._access.database

    def _prepare(self) -> None:
        with self._access.writing():
            prepare_tables(self._db, self._access.path)

    def _apply(self, edit: Edit) -> Subject:
        with self._access.writing():
            self._require_unchanged(edit)
            self._db.table("schema_changes").insert(change_row(edit.change))
            (number,) = self._db.execute("SELECT max(number) FROM schema_changes").fetchone()
            subject = replace(edit.after, revision=number)
            self._db.table("schema_subjects").upsert(subject_row(subject), pk="name")
            if edit.added is not None:
                self._add(edit.added)
            self._hide(edit)
            if edit.purged:
                self._purge(edit)
        return subject

    def _require_unchanged(self, edit: Edit) -> None:
        stored = self._subject(edit.after.name)
        if (stored and stored.revision) != (edit.before and edit.before.revision):
            raise Conflict

    def _add(self, schema: SchemaVersion) -> None:
        owned = self._owners(schema.types)
        if any(owner != schema.subject for owner in owned.values()):
            raise Conflict
        if any(self._get_row(schema.subject, key) for key in (schema.version, schema.fingerprint)):
            raise Conflict
        for reference in schema.references:
            row = self._get_row(reference.subject, reference.version)
            if row is None or row["delete_time"] is not None:
                raise Conflict
        self._db.table("schema_versions").insert(version_row(schema))
        self._db.table("schema_types").insert_all(
            {"name": name, "subject": schema.subject, "last_name": _last_name(name)}
            for name in schema.types
            if name not in owned
        )
        self._db.table("schema_references").insert_all(
            {
                "subject": schema.subject,
                "version": schema.version,
                "referenced": reference.subject,
                "referenced_version": reference.version,
            }
            for reference in schema.references
        )

    def _hide(self, edit: Edit) -> None:
        name = edit.after.name
        for version, time in edit.delete_times.items():
            if time is not None and self._referencing(name, version, 1):
                raise Conflict
            self._db.execute(
                "UPDATE schema_versions SET delete_time = ? WHERE subject = ? AND version = ?",
                [None if time is None else micros(time), name, version],
            )

    def _purge(self, edit: Edit) -> None:
        name, gone = edit.after.name, set[str]()
        for version in edit.purged:
            row = self._get_row(name, version)
            if row is None or self._referencing(name, version, 1):
                raise Conflict
            gone.update(json.loads(row["types"]))
            for table in ("schema_versions", "schema_references"):
                sql = f"DELETE FROM {table} WHERE subject = ? AND version = ?"  # noqa: S608 - constants
                self._db.execute(sql, [name, version])
        for row in self._db.query("SELECT types FROM schema_versions WHERE subject = ?", [name]):
            gone.difference_update(json.loads(row["types"]))
        self._db.conn.executemany("DELETE FROM schema_types WHERE name = ?", [(it,) for it in gone])

    def _subject(self, name: str) -> Subject | None:
        rows = self._db.query("SELECT * FROM schema_subjects WHERE name = ?", [name])
        return next(map(read_subject, rows), None)

    def _list_subjects(self, after: str, limit: int, seen: str) -> list[Subject]:
        sql = (
            f"SELECT * FROM schema_subjects WHERE name > ? AND NOT purged {seen} "  # noqa: S608 - a constant
            "ORDER BY name LIMIT ?"
        )
        return [read_subject(row) for row in self._db.query(sql, [after, limit])]

    def _get(self, subject: str, reference: int | str) -> SchemaVersion | None:
        row = self._get_row(subject, reference)
        return None if row is None else self._version(row)

    def _get_row(self, subject: str, reference: int | str) -> dict[str, Any] | None:
        column = "version" if isinstance(reference, int) else "fingerprint"
        sql = f"SELECT * FROM schema_versions WHERE subject = ? AND {column} = ?"  # noqa: S608 - a constant
        return next(iter(self._db.query(sql, [subject, reference])), None)

    def _version(self, row: dict[str, Any]) -> SchemaVersion:
        sql = (
            "SELECT referenced, referenced_version FROM schema_references "
            "WHERE subject = ? AND version = ? ORDER BY referenced, referenced_version"
        )
        found = self._db.execute(sql, [row["subject"], row["version"]])
        return read_version(row, [SchemaReference(*each) for each in found])

    def _list_versions(
        self, subject: str, after: int, limit: int, seen: str, descriptors: str
    ) -> list[SchemaVersion]:
        sql = (
            f"SELECT subject, version, types, create_time, fingerprint, {descriptors} AS descriptor_set, "  # noqa: S608
            "NULL AS sources, own_files, x'' AS source_info, delete_time FROM schema_versions "
            f"WHERE subject = ? AND version > ? {seen} ORDER BY version LIMIT ?"
        )
        versions, size = [], 0
        with closing(self._db.query(sql, [subject, after, limit])) as rows:
            for row in rows:
                versions.append(self._version(row))
                size += len(row["descriptor_set"])
                if size >= READ_BYTES:
                    break
        return versions

    def _owners(self, types: Sequence[str]) -> dict[str, str]:
        owners: dict[str, str] = {}
        for start in range(0, len(types), _TYPES_A_QUERY):
            some = list(types[start : start + _TYPES_A_QUERY])
            marks = ",".join("?" * len(some))
            sql = f"SELECT name, subject FROM schema_types WHERE name IN ({marks})"  # noqa: S608 - question marks
            owners |= {row["name"]: row["subject"] for row in self._db.query(sql, some)}
        return owners

    def _similar_types(self, type_name: str) -> list[str]:
        last, package = _last_name(type_name), type_name.rpartition(".")[0]
        if not last:
            return []
        ranges = [(last, f"{last}\0"), (last[:3], f"{last[:3]}{_HIGHEST}")]
        found: set[str] = set()
        for column, first, end in (
            *(("last_name", *bounds) for bounds in ranges),
            # `/` follows `.` in code points: the range is that of the package.
            ("name", f"{package}.", f"{package}/"),
        ):
            where = f"{column} >= ? AND {column} < ?"
            sql = f"SELECT name FROM schema_types WHERE {where} LIMIT ?"  # noqa: S608 - constants
            found.update(row["name"] for row in self._db.query(sql, [first, end, _SIMILAR]))
        return sorted(found)

    def _referencing(self, subject: str, version: int, limit: int) -> list[SchemaReference]:
        sql = (
            "SELECT DISTINCT subject, version FROM schema_references "
            "WHERE referenced = ? AND (? = 0 OR referenced_version = ?) ORDER BY subject, version LIMIT ?"
        )
        return [SchemaReference(*row) for row in self._db.execute(sql, [subject, version, version, limit])]

    def _changes(self, subject: str | None, before: int, limit: int) -> list[Change]:
        where = "" if subject is None else "AND subject = :subject"
        sql = f"SELECT * FROM schema_changes WHERE number < :before {where} ORDER BY number DESC LIMIT :limit"  # noqa: S608
        values = {"subject": subject, "before": before, "limit": limit}
        return [read_change(row) for row in self._db.query(sql, values)]


def _seen(*, show_deleted: bool) -> str:
    return "" if show_deleted else "AND delete_time IS NULL"


def _last_name(type_name: str) -> str:
    return type_name.rpartition(".")[2].lower()


__all__ = ["SqliteSchemaStore", "UnknownSchemaFormat"]
