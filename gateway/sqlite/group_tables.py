"""The tables of ``SqliteGroupStore``.

A group's rows carry its number, which is never given twice: what is left of a group that was deleted, or is
written for it too late, can't become another one's. Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sqlite_utils import Database

SWEPT_AT_ONCE: Final = 2_000
"""How many rows of a deleted group one transaction removes: whoever publishes waits for it."""

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS group_definition (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        create_time TEXT NOT NULL,
        etag TEXT NOT NULL,
        definition TEXT NOT NULL,
        position INTEGER NOT NULL,
        lost_through INTEGER NOT NULL,
        loose TEXT NOT NULL,
        letters INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE IF NOT EXISTS group_key (
        group_id INTEGER, key TEXT, sequence INTEGER NOT NULL, PRIMARY KEY (group_id, key)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS group_parked (
        group_id INTEGER, key TEXT, parked TEXT NOT NULL, PRIMARY KEY (group_id, key)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS group_failed (
        group_id INTEGER, first INTEGER, failed TEXT NOT NULL,
        PRIMARY KEY (group_id, first)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS group_letter_kind (
        id INTEGER PRIMARY KEY, topic TEXT NOT NULL, type TEXT NOT NULL, schema_version INTEGER NOT NULL,
        UNIQUE (topic, type, schema_version))""",
    # With a rowid: what is large stays out of the indexes, so that counting reads little.
    """CREATE TABLE IF NOT EXISTS group_letter (
        id INTEGER PRIMARY KEY,
        group_id INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        dead TEXT NOT NULL,
        entry BLOB NOT NULL,
        UNIQUE (group_id, sequence))""",
    "CREATE INDEX IF NOT EXISTS group_letter_by_kind ON group_letter (kind)",
    """CREATE TABLE IF NOT EXISTS group_redriven (
        id INTEGER PRIMARY KEY,
        group_id INTEGER NOT NULL,
        sequence INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        entry BLOB NOT NULL,
        UNIQUE (group_id, sequence))""",
    "CREATE INDEX IF NOT EXISTS group_redriven_by_kind ON group_redriven (kind)",
    "CREATE TABLE IF NOT EXISTS group_gone (id INTEGER PRIMARY KEY)",
)
_OWN: Final = {
    "group_letter": "id",
    "group_redriven": "id",
    "group_key": "group_id, key",
    "group_parked": "group_id, key",
    "group_failed": "group_id, first",
}
"""The tables of what belongs to a group, with their keys."""


def prepare_tables(database: Database) -> None:
    """Makes the tables in a file that has none. To be called in a write transaction."""
    for statement in _TABLES:
        database.execute(statement)


def sweep(database: Database) -> bool:
    """Removes some rows of groups that were deleted; tells if there may be more.

    To be called in a write transaction.
    """
    gone = database.execute("SELECT min(id) FROM group_gone").fetchone()[0]
    if gone is None:
        return False
    for table, key in _OWN.items():
        removed = database.execute(
            f"DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE group_id = ? LIMIT ?)",  # noqa: S608
            (gone, SWEPT_AT_ONCE),
        ).rowcount
        if removed:
            return True
    database.execute("DELETE FROM group_gone WHERE id = ?", (gone,))
    return True
