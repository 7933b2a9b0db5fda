"""Groups, their progress and their dead letters, kept in tables of the embedded engine's file.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog

from gateway.entries import append_time_of
from gateway.groups.store import Kept, Write
from gateway.groups.values import Progress
from gateway.log import StoredBatch, StoredKind
from gateway.sqlite.group_rows import (
    definition_text,
    dump,
    loose_text,
    read_definition,
    read_failed,
    read_key,
    read_letter,
    read_loose,
    read_parked,
)
from gateway.sqlite.group_saving import as_changes, number, remove_letters, save
from gateway.sqlite.group_tables import prepare_tables, sweep
from registry.errors import TidegateError
from registry.sqlite_access import SqliteAccess

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from gateway.groups.values import DeadLetter, Definition

_GROUPS: Final = """
SELECT id, name, create_time, etag, definition, position, lost_through, loose FROM group_definition
"""
_INSERT: Final = """
INSERT INTO group_definition (name, create_time, etag, definition, position, lost_through, loose)
VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_UPDATE: Final = "UPDATE group_definition SET etag = ?, definition = ? WHERE name = ? AND etag = ?"
_LETTERS: Final = """
SELECT l.sequence, l.dead, l.entry, k.topic, k.type, k.schema_version
FROM group_letter AS l JOIN group_letter_kind AS k ON k.id = l.kind
WHERE l.group_id = (SELECT id FROM group_definition WHERE name = ?)
"""
_ID: Final = "SELECT id FROM group_definition WHERE name = ?"
_REDRIVEN: Final = """
SELECT r.sequence, k.topic, k.type, k.schema_version, r.entry
FROM group_redriven AS r JOIN group_letter_kind AS k ON k.id = r.kind
WHERE r.group_id = (SELECT id FROM group_definition WHERE name = ?)
    AND r.sequence IN (SELECT value FROM json_each(?))
ORDER BY r.sequence
"""
_KINDS: Final = """
SELECT topic, type, schema_version FROM group_letter_kind AS k
WHERE EXISTS (SELECT 1 FROM group_letter WHERE kind = k.id)
    OR EXISTS (SELECT 1 FROM group_redriven WHERE kind = k.id)
"""

_log = structlog.get_logger("tidegate.groups")


class SqliteGroupStore:
    """A ``GroupStore`` in tables whose names start with ``group_``."""

    def __init__(self, access: SqliteAccess) -> None:
        self._access = access

    @classmethod
    async def open(cls, path: Path) -> SqliteGroupStore:
        """Opens the file at ``path``, makes the tables if need be, and removes what deleted groups left.

        Raises:
            StorageFailed, StorageFull, StorageReadOnly: The file can't be opened or written.
        """
        access = SqliteAccess(path)
        store = cls(access)
        await access.open(store._prepare)
        await store._sweep()
        return store

    async def load(self) -> list[Kept]:
        """Answers all groups."""
        return await self._access.run(self._load)

    async def put(self, group: Definition, expected_etag: str, progress: Progress | None = None) -> bool:
        """Stores a group if the stored one's etag is ``expected_etag`` ('' for none); tells if it did."""
        if expected_etag:
            return await self._access.run(self._update, group, expected_etag)
        return await self._access.run(self._insert, group, progress or Progress())

    async def delete(self, name: str, expected_etag: str) -> bool:
        """Deletes a group if its etag is the expected one; tells if it did. What it had goes in slices."""
        if not await self._access.run(self._delete, name, expected_etag):
            return False
        await self._sweep()
        return True

    async def save(self, writes: Sequence[Write]) -> None:
        """Writes down progress and dead letters of several groups: all or nothing."""
        if writes:
            await self._access.run(self._save, writes)

    async def letters(
        self, group: str, *, after: int, limit: int, max_bytes: int, among: Collection[int] | None = None
    ) -> list[DeadLetter]:
        """Answers dead letters with sequences above ``after``, by sequence; one at least, if there are."""
        return await self._access.run(self._letters, group, after, limit, max_bytes, among)

    async def find_letters(self, group: str, sequences: Collection[int]) -> list[DeadLetter]:
        """Answers those of the named dead letters that there are, by sequence."""
        return await self._access.run(self._letters, group, 0, len(sequences), 2**63, sequences)

    async def redriven(self, group: str, sequences: Collection[int]) -> list[StoredBatch]:
        """Answers those of the named events that are kept since they were redriven, as batches of one."""
        return await self._access.run(self._redriven, group, sequences)

    async def remove_letters(self, group: str, sequences: Collection[int]) -> int:
        """Removes dead letters for good; answers how many there were."""
        return await self._access.run(self._remove_letters, group, list(sequences))

    async def count_letters(self, group: str, above: int = 0) -> int:
        """Answers how many dead letters have sequences above one."""
        return await self._access.run(self._count_letters, group, above)

    async def letter_kinds(self) -> frozenset[StoredKind]:
        """Answers of which topics, event types and schema versions events are kept, of any group."""
        return await self._access.run(self._kinds)

    async def close(self) -> None:
        """Waits for calls under way and closes the connection."""
        await self._access.close()

    @property
    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection = self._access.database.conn
        return connection

    def _prepare(self) -> None:
        with self._access.writing():
            prepare_tables(self._access.database)

    def _load(self) -> list[Kept]:
        definitions: dict[int, Definition] = {}
        groups: dict[int, Progress] = {}
        for at, name, created, etag, text, position, lost, loose in self._connection.execute(_GROUPS):
            groups[at] = Progress(position, read_loose(loose), lost_through=lost)
            definitions[at] = read_definition(name, created, etag, text)
        for at, key, sequence in self._rows("group_key", groups):
            groups[at].keys[read_key(key)] = sequence
        for at, key, parked in self._rows("group_parked", groups):
            groups[at].parked[read_key(key)] = read_parked(parked)
        for at, first, failed in self._rows("group_failed", groups):
            groups[at].failed[first] = read_failed(first, failed)
        redriven: dict[int, list[int]] = {at: [] for at in groups}
        for at, sequence in self._rows("group_redriven", groups, "group_id, sequence"):
            redriven[at].append(sequence)
        return [Kept(definitions[at], groups[at], tuple(sorted(redriven[at]))) for at in groups]

    def _rows(self, table: str, groups: Collection[int], columns: str = "*") -> list[Any]:
        found = self._connection.execute(f"SELECT {columns} FROM {table}")  # noqa: S608 - no value of anybody's
        return [row for row in found if row[0] in groups]

    def _insert(self, group: Definition, progress: Progress) -> bool:
        created = group.create_time.isoformat()
        row = (group.name, created, group.etag, definition_text(group))
        changes = as_changes(progress)
        with self._access.writing():
            standing = (progress.position, progress.lost_through, loose_text(progress.loose))
            if not self._connection.execute(_INSERT, (*row, *standing)).rowcount:
                return False
            for round_ in number(self._connection, [Write(group.name, created, changes, ())]):
                save(self._connection, round_)
        return True

    def _update(self, group: Definition, expected_etag: str) -> bool:
        values = (group.etag, definition_text(group), group.name, expected_etag)
        with self._access.writing():
            return self._connection.execute(_UPDATE, values).rowcount == 1

    def _delete(self, name: str, expected_etag: str) -> bool:
        with self._access.writing():
            found = self._connection.execute(f"{_ID} AND etag = ?", (name, expected_etag)).fetchone()
            if found is None:
                return False
            self._connection.execute("DELETE FROM group_definition WHERE id = ?", found)
            self._connection.execute("INSERT INTO group_gone (id) VALUES (?)", found)
        return True

    async def _sweep(self) -> None:
        """Removes what deleted groups left; what can't be removed now goes when the store is opened again."""
        try:
            while await self._access.run(self._sweep_some):
                pass
        except TidegateError as error:
            _log.warning("what a deleted group left is removed at the next start", error=str(error))

    def _sweep_some(self) -> bool:
        if not self._connection.execute("SELECT count(*) FROM group_gone").fetchone()[0]:
            return False
        with self._access.writing():
            return sweep(self._access.database)

    def _save(self, writes: Sequence[Write]) -> None:
        with self._access.writing():
            for round_ in number(self._connection, writes):
                save(self._connection, round_)

    def _letters(
        self, group: str, after: int, limit: int, max_bytes: int, among: Collection[int] | None
    ) -> list[DeadLetter]:
        which, value = "> ?", str(after)
        if among is not None:  # not both: SQLite would look through all that are above
            which, value = "IN (SELECT value FROM json_each(?))", dump([it for it in among if it > after])
        cursor = self._connection.execute(
            f"{_LETTERS} AND l.sequence {which} ORDER BY l.sequence LIMIT ?", (group, value, limit)
        )
        letters: list[DeadLetter] = []
        for sequence, dead, entry, *kind in cursor:
            max_bytes -= len(dead) + len(entry)
            if letters and max_bytes < 0:
                break
            letters.append(read_letter(sequence, dead, entry, StoredKind(*kind)))
        cursor.close()
        return letters

    def _redriven(self, group: str, sequences: Collection[int]) -> list[StoredBatch]:
        found = self._connection.execute(_REDRIVEN, (group, dump(list(sequences))))
        return [
            StoredBatch(sequence, 1, topic, kind, version, append_time_of(entry), 0, entry)
            for sequence, topic, kind, version, entry in found
        ]

    def _remove_letters(self, group: str, sequences: list[int]) -> int:
        with self._access.writing():
            found = self._connection.execute(_ID, (group,)).fetchone()
            if found is None:
                return 0
            removed = remove_letters(self._connection, found[0], sequences)
            statement = "UPDATE group_definition SET letters = letters - ? WHERE id = ?"
            self._connection.execute(statement, (removed, found[0]))
        return removed

    def _count_letters(self, group: str, above: int) -> int:
        if above <= 0:
            return self._number("SELECT letters FROM group_definition WHERE name = ?", (group,))
        counted = f"SELECT count(*) FROM group_letter WHERE group_id = ({_ID}) AND sequence > ?"  # noqa: S608
        return self._number(counted, (group, above))

    def _number(self, statement: str, values: tuple[object, ...]) -> int:
        found = self._connection.execute(statement, values).fetchone()
        return int(found[0]) if found else 0

    def _kinds(self) -> frozenset[StoredKind]:
        return frozenset(StoredKind(*row) for row in self._connection.execute(_KINDS))
