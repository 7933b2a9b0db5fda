"""Readers, kept in a table of the embedded engine's file."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from registry.schema import Reader
from registry.sqlite_access import SqliteAccess

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.roster import Unwritten

_KEY = ("client_name", "subject", "version")
_REMOVE = "DELETE FROM reader WHERE client_name = ? AND subject = ? AND version = ?"
_STORE = """
INSERT OR REPLACE INTO reader (client_name, subject, version, topics, types, last_seen_time)
VALUES (?, ?, ?, ?, ?, ?)
"""


class SqliteReaderStore:
    """A ``ReaderStore`` in the table ``reader``.

    Any call may raise ``StorageFailed``, and ``save`` also ``StorageFull`` and ``StorageReadOnly``; nothing
    of it was stored then.
    """

    def __init__(self, access: SqliteAccess) -> None:
        self._access = access

    @classmethod
    async def open(cls, path: Path) -> SqliteReaderStore:
        """Opens the file at ``path`` and makes the table if need be.

        Raises:
            StorageFailed, StorageFull, StorageReadOnly: The file can't be opened or written.
        """
        access = SqliteAccess(path)
        store = cls(access)
        await access.open(store._prepare)
        return store

    async def load(self) -> list[Reader]:
        """Answers all readers, none of them alive."""
        return await self._access.run(self._load)

    async def save(self, unwritten: Unwritten) -> None:
        """Stores readers, new ones or changed ones, and removes others: all or nothing."""
        await self._access.run(self._save, unwritten)

    async def close(self) -> None:
        """Waits for calls under way and closes the connection."""
        await self._access.close()

    def _prepare(self) -> None:
        columns = {"version": int, "client_name": str, "subject": str, "topics": str, "types": str}
        table = self._access.database.table("reader")
        table.create(columns | {"last_seen_time": str}, pk=_KEY, if_not_exists=True)

    def _load(self) -> list[Reader]:
        return [_reader(row) for row in self._access.database.table("reader").rows]

    def _save(self, unwritten: Unwritten) -> None:
        connection = self._access.database.conn
        with self._access.writing():
            connection.executemany(_REMOVE, unwritten.gone)
            connection.executemany(_STORE, map(_row, unwritten.readers))


def _row(reader: Reader) -> tuple[object, ...]:
    names = (json.dumps(reader.topics), json.dumps(reader.types))
    return (
        reader.client_name,
        reader.subject,
        reader.version,
        *names,
        reader.last_seen_time.isoformat(),
    )


def _reader(row: dict[str, Any]) -> Reader:
    return Reader(
        row["client_name"],
        row["subject"],
        row["version"],
        tuple(json.loads(row["topics"])),
        tuple(json.loads(row["types"])),
        datetime.fromisoformat(row["last_seen_time"]).astimezone(UTC),
        alive=False,
    )
