"""Subjects and schema versions in a SQLite file, which may be the log's own."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from registry.schema import SchemaVersion, Subject
from registry.sqlite_access import SqliteAccess
from registry.store import VersionConflict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlite_utils import Database

FORMAT = 1
"""The version of the tables below; a file of another one is refused."""
_TYPES_A_QUERY = 500
_SIMILAR = 300
_HIGHEST = "\U0010ffff"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class UnknownSchemaFormat(Exception):
    """The file's schema tables were written by another release. ``str()`` says what to do."""

    def __init__(self, path: str, found: int) -> None:
        super().__init__(
            f"{path} holds schemas in format {found}; this release reads format {FORMAT}. "
            f"Open it with the release that wrote it."
        )


class SqliteSchemaStore:
    """A ``SchemaStore`` in one SQLite file, on a connection of its own.

    Calls run one after another on threads, never on the event loop. A call that finds the file
    locked by another writer waits for up to 10 s. Any call may raise ``StorageFailed``, and ``add``
    ``StorageFull`` and ``StorageReadOnly`` too; nothing of it was stored then.
    """

    def __init__(self, access: SqliteAccess) -> None:
        self._access = access

    @classmethod
    async def open(cls, path: str | Path) -> SqliteSchemaStore:
        """Opens the file at ``path``, which is made if need be, and makes the tables if need be.

        Raises:
            UnknownSchemaFormat: Another release wrote the tables.
            StorageFailed, StorageFull, StorageReadOnly: The file can't be opened or written.
        """
        access = SqliteAccess(path)
        store = cls(access)
        await access.open(store._prepare)
        return store

    async def close(self) -> None:
        """Waits for calls under way and closes the connection."""
        await self._access.close()

    async def add(self, schema: SchemaVersion) -> None:
        """Appends a version; see ``SchemaStore.add``."""
        await self._access.run(self._add, schema)

    async def get(self, subject: str, reference: int | str) -> SchemaVersion | None:
        """Answers one version, whole; see ``SchemaStore.get``."""
        return await self._access.run(self._get, subject, reference)

    async def owners(self, types: Sequence[str]) -> dict[str, str]:
        """Answers the types' subjects; see ``SchemaStore.owners``."""
        return await self._access.run(self._owners, types)

    async def similar_types(self, type_name: str) -> list[str]:
        """Answers types of the same last name or package; see ``SchemaStore.similar_types``."""
        return await self._access.run(self._similar_types, type_name)

    async def list_versions(self, subject: str, *, after: int, limit: int) -> list[SchemaVersion]:
        """Answers a page of versions; see ``SchemaStore.list_versions``."""
        return await self._access.run(self._list_versions, subject, after, limit)

    async def list_subjects(self, *, after: str, limit: int) -> list[Subject]:
        """Answers a page of subjects; see ``SchemaStore.list_subjects``."""
        return await self._access.run(self._list_subjects, after, limit)

    @property
    def _db(self) -> Database:
        return self._access.database

    def _prepare(self) -> None:
        with self._access.writing():
            self._db.table("schema_format").create({"version": int}, pk="version", if_not_exists=True)
            found = [row["version"] for row in self._db.table("schema_format").rows]
            if found and found != [FORMAT]:
                raise UnknownSchemaFormat(self._access.path, found[0])
            if not found:
                self._create_tables()

    def _create_tables(self) -> None:
        self._db.table("schema_subjects").create(
            {"name": str, "latest_version": int, "create_time": int},
            pk="name",
            not_null={"latest_version", "create_time"},
        )
        self._db.table("schema_versions").create(
            {
                "subject": str,
                "version": int,
                "types": str,
                "create_time": int,
                "fingerprint": str,
                "descriptor_set": bytes,
                "sources": str,
            },
            pk=("subject", "version"),
            not_null={"types", "create_time", "fingerprint", "descriptor_set"},
        )
        self._db.table("schema_versions").create_index(["subject", "fingerprint"], unique=True)
        self._db.table("schema_types").create(
            {"name": str, "subject": str, "last_name": str}, pk="name", not_null={"subject"}
        )
        self._db.table("schema_types").create_index(["last_name"])
        self._db.table("schema_format").insert({"version": FORMAT})

    def _add(self, schema: SchemaVersion) -> None:
        with self._access.writing():
            self._advance(schema)
            owned = self._owners(schema.types)
            if any(owner != schema.subject for owner in owned.values()):
                raise VersionConflict
            if self._get_row(schema.subject, schema.fingerprint) is not None:
                raise VersionConflict
            self._db.table("schema_versions").insert(_row(schema))
            self._db.table("schema_types").insert_all(
                {"name": name, "subject": schema.subject, "last_name": _last_name(name)}
                for name in schema.types
                if name not in owned
            )

    def _advance(self, schema: SchemaVersion) -> None:
        """Makes the version the subject's latest one; the first one makes the subject."""
        values = {"subject": schema.subject, "version": schema.version, "time": _micros(schema.create_time)}
        if schema.version == 1:
            sql = "INSERT INTO schema_subjects VALUES (:subject, 1, :time) ON CONFLICT DO NOTHING"
        else:
            sql = (
                "UPDATE schema_subjects SET latest_version = :version "
                "WHERE name = :subject AND latest_version = :version - 1"
            )
        if self._db.execute(sql, values).rowcount != 1:
            raise VersionConflict

    def _get(self, subject: str, reference: int | str) -> SchemaVersion | None:
        row = self._get_row(subject, reference)
        return None if row is None else _schema(row)

    def _get_row(self, subject: str, reference: int | str) -> dict[str, Any] | None:
        column = "version" if isinstance(reference, int) else "fingerprint"
        sql = f"SELECT * FROM schema_versions WHERE subject = ? AND {column} = ?"  # noqa: S608 - a constant
        return next(iter(self._db.query(sql, [subject, reference])), None)

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

    def _list_versions(self, subject: str, after: int, limit: int) -> list[SchemaVersion]:
        sql = (
            "SELECT subject, version, types, create_time, fingerprint, x'' AS descriptor_set, "
            "NULL AS sources "
            "FROM schema_versions WHERE subject = ? AND version > ? ORDER BY version LIMIT ?"
        )
        return [_schema(row) for row in self._db.query(sql, [subject, after, limit])]

    def _list_subjects(self, after: str, limit: int) -> list[Subject]:
        sql = "SELECT * FROM schema_subjects WHERE name > ? ORDER BY name LIMIT ?"
        rows = self._db.query(sql, [after, limit])
        return [Subject(row["name"], row["latest_version"], _time(row["create_time"])) for row in rows]


def _row(schema: SchemaVersion) -> dict[str, Any]:
    return {
        "subject": schema.subject,
        "version": schema.version,
        "types": json.dumps(schema.types),
        "create_time": _micros(schema.create_time),
        "fingerprint": schema.fingerprint,
        "descriptor_set": schema.descriptor_set,
        "sources": None if schema.sources is None else json.dumps(dict(schema.sources)),
    }


def _schema(row: dict[str, Any]) -> SchemaVersion:
    return SchemaVersion(
        subject=row["subject"],
        version=row["version"],
        types=tuple(json.loads(row["types"])),
        create_time=_time(row["create_time"]),
        fingerprint=row["fingerprint"],
        descriptor_set=row["descriptor_set"],
        sources=None if row["sources"] is None else json.loads(row["sources"]),
    )


def _micros(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


def _time(micros: int) -> datetime:
    return _EPOCH + micros * _MICROSECOND


def _last_name(type_name: str) -> str:
    return type_name.rpartition(".")[2].lower()
