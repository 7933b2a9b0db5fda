"""The tables of ``SqliteSchemaStore``: how they are made, and brought up to the present format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from registry.descriptors import own_names

if TYPE_CHECKING:
    from sqlite_utils import Database

FORMAT = 2
"""The version of the tables below; a file of a later one is refused, one of an earlier one is extended."""
_FORMAT_1 = (
    """CREATE TABLE schema_subjects (
        name TEXT PRIMARY KEY, latest_version INTEGER NOT NULL, create_time INTEGER NOT NULL)""",
    """CREATE TABLE schema_versions (
        subject TEXT, version INTEGER, types TEXT NOT NULL, create_time INTEGER NOT NULL,
        fingerprint TEXT NOT NULL, descriptor_set BLOB NOT NULL, sources TEXT,
        PRIMARY KEY (subject, version))""",
    "CREATE UNIQUE INDEX schema_fingerprints ON schema_versions (subject, fingerprint)",
    "CREATE TABLE schema_types (name TEXT PRIMARY KEY, subject TEXT NOT NULL, last_name TEXT)",
    "CREATE INDEX schema_last_names ON schema_types (last_name)",
)
_FORMAT_2 = (
    "ALTER TABLE schema_subjects ADD COLUMN direction TEXT",
    "ALTER TABLE schema_subjects ADD COLUMN surface TEXT",
    "ALTER TABLE schema_subjects ADD COLUMN mode TEXT NOT NULL DEFAULT 'READ_WRITE'",
    "ALTER TABLE schema_subjects ADD COLUMN block_on_readers INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE schema_subjects ADD COLUMN etag TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE schema_subjects ADD COLUMN delete_time INTEGER",
    "ALTER TABLE schema_subjects ADD COLUMN highest_version INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE schema_subjects ADD COLUMN revision INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE schema_subjects ADD COLUMN purged INTEGER NOT NULL DEFAULT 0",
    "UPDATE schema_subjects SET etag = lower(hex(randomblob(8))), highest_version = latest_version",
    "ALTER TABLE schema_versions ADD COLUMN own_files TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE schema_versions ADD COLUMN source_info BLOB NOT NULL DEFAULT x''",
    "ALTER TABLE schema_versions ADD COLUMN delete_time INTEGER",
    """CREATE TABLE schema_references (
        subject TEXT, version INTEGER, referenced TEXT, referenced_version INTEGER,
        PRIMARY KEY (subject, version, referenced, referenced_version)) WITHOUT ROWID""",
    "CREATE INDEX schema_referenced ON schema_references (referenced, referenced_version)",
    """CREATE TABLE schema_changes (
        number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, subject TEXT NOT NULL,
        version INTEGER NOT NULL, caller TEXT NOT NULL, message TEXT NOT NULL, detail TEXT NOT NULL,
        time INTEGER NOT NULL)""",
    "CREATE INDEX schema_changes_of_subjects ON schema_changes (subject, number)",
)


class UnknownSchemaFormat(Exception):
    """The file's schema tables were written by another release. ``str()`` says what to do."""

    def __init__(self, path: str, found: int) -> None:
        super().__init__(
            f"{path} holds schemas in format {found}; this release reads formats up to {FORMAT}. "
            f"Open it with the release that wrote it, or a later one."
        )


def prepare_tables(database: Database, path: str) -> None:
    """Makes the tables in a file that has none, and extends those of an earlier format.

    To be called in a write transaction, so that either all of it is done or nothing.

    Raises:
        UnknownSchemaFormat: A later release wrote them.
    """
    database.execute("CREATE TABLE IF NOT EXISTS schema_format (version INTEGER PRIMARY KEY)")
    found = next((version for (version,) in database.execute("SELECT version FROM schema_format")), 0)
    if found not in range(FORMAT + 1):
        raise UnknownSchemaFormat(path, found)
    for statement in (*_FORMAT_1, *_FORMAT_2) if found == 0 else _FORMAT_2 if found == 1 else ():
        database.execute(statement)
    if found == 1:
        _fill_own_files(database)
    if found != FORMAT:
        database.execute("DELETE FROM schema_format")
        database.execute("INSERT INTO schema_format VALUES (?)", [FORMAT])


def _fill_own_files(database: Database) -> None:
    """Format 1 knew no references: all files that the registry does not supply were a version's own."""
    for (row,) in database.execute("SELECT rowid FROM schema_versions").fetchall():
        (data,) = database.execute(
            "SELECT descriptor_set FROM schema_versions WHERE rowid = ?", [row]
        ).fetchone()
        names = json.dumps(own_names(data))
        database.execute("UPDATE schema_versions SET own_files = ? WHERE rowid = ?", [names, row])
