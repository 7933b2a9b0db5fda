"""The SQLite file of a log: its lock, its format, its connections, and what its errors mean.

Imports nothing of gRPC or of the generated stubs.

Other modules keep tables of their own in the same file, on connections of their own; all table names
here start with ``log_``. ``log_batch.meta`` is packed, not spread over columns, so that a reader gets the
values of thousands of rows as one value of one row: a row that Python's ``sqlite3`` steps over costs a
release of the interpreter's lock, and under load as much waiting for it.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.errors import CannotOpenLog
from registry.sqlite_access import BUSY_SECONDS, storage_error

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from registry.errors import TidegateError

FORMAT: Final = 1
"""The format version that this code reads and writes (``PRAGMA user_version``)."""
APPLICATION: Final = 0x54494445
"""What ``PRAGMA application_id`` says of a Tidegate log: ``TIDE``."""
PAGE_SIZE: Final = 65_536
"""Bytes a page: the largest, which halves the time of a durable append of 100 kB against 4,096."""
JOURNAL_BYTES: Final = 64 << 20
"""What the file of the write-ahead log is cut to after a burst."""

META: Final = struct.Struct("<qqqqqqIII")
"""``log_batch.meta``: first_sequence, append_time, ordinal; of the batch's kind through this batch: events,
batches and bytes ever appended; count, kind, bytes of the entry."""

_SCHEMA: Final = """
CREATE TABLE log_kind (
    id INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    type TEXT NOT NULL,
    schema_version INTEGER NOT NULL,
    trimmed_through INTEGER NOT NULL DEFAULT 0,
    trimmed_time INTEGER NOT NULL DEFAULT 0,
    trimmed_ordinal INTEGER NOT NULL DEFAULT 0,
    trimmed_events INTEGER NOT NULL DEFAULT 0,
    trimmed_batches INTEGER NOT NULL DEFAULT 0,
    trimmed_size INTEGER NOT NULL DEFAULT 0,
    UNIQUE (topic, type, schema_version)
);
CREATE TABLE log_batch (
    first_sequence INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    meta BLOB NOT NULL,
    entry BLOB NOT NULL
);
CREATE INDEX log_batch_by_kind ON log_batch (kind);
CREATE TABLE log_request (
    ordinal INTEGER PRIMARY KEY,
    append_time INTEGER NOT NULL,
    records BLOB NOT NULL
);
"""


class LogFile:
    """An open log file, locked against every other process until ``close``.

    The lock is a ``flock`` on ``<path>.lock``: exclusive locking by SQLite itself would lock out the
    readers of this process.
    """

    def __init__(self, path: str | Path) -> None:
        """Locks the file; makes it if it is missing or empty; checks its format.

        Raises:
            CannotOpenLog: It is in use, is no log, has another format, or can't be read and written.
        """
        self.path = Path(path).resolve()
        self._check_folder()
        self._lock = _lock(self.path)
        try:
            self._prepare()
        except BaseException:
            os.close(self._lock)
            raise

    def connect(self, *, cache_bytes: int = 8 << 20) -> sqlite3.Connection:
        """Opens a connection for use by one thread at a time; it commits by itself unless told otherwise."""
        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA cache_size = -{cache_bytes // 1024}")
            connection.execute("PRAGMA secure_delete = OFF")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}")
        except BaseException:
            connection.close()
            raise
        return connection

    def failure(self, error: sqlite3.Error) -> TidegateError:
        """Answers the error that tells a caller of the log what ``error`` means."""
        return storage_error(str(self.path), error)

    def close(self) -> None:
        """Releases the lock. All connections must be closed before."""
        os.close(self._lock)

    def _check_folder(self) -> None:
        folder = self.path.parent
        if not folder.is_dir():
            raise CannotOpenLog(
                f"{self.path}: the folder {folder} does not exist. Create it, or name another."
            )
        if self.path.is_dir():
            raise CannotOpenLog(f"{self.path}: this is a folder. Name a file in it.")

    def _prepare(self) -> None:
        try:
            connection = self.connect()
            try:
                self._check_or_create(connection)
            finally:
                connection.close()
        except sqlite3.Error as error:
            raise CannotOpenLog(f"{self.path}: {_advice(error)}") from error

    def _check_or_create(self, connection: sqlite3.Connection) -> None:
        application, version = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
        )
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if (application, version, tables) == (0, 0, 0):
            _create(connection)
        elif application != APPLICATION:
            raise CannotOpenLog(
                f"{self.path}: this is a SQLite database, but no Tidegate log. Name another file."
            )
        elif version != FORMAT:
            raise CannotOpenLog(
                f"{self.path}: the log has format {version}; this version of Tidegate reads format {FORMAT}. "
                f"Run the version that wrote it, or a later one."
            )
        else:
            _prove_writable(connection)


def transact(connection: sqlite3.Connection, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
    """Runs statements in one transaction, or undoes them all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        for sql, values in statements:
            connection.execute(sql, values)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _lock(path: Path) -> int:
    name = f"{path}.lock"
    try:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise CannotOpenLog(f"{name}: {error.strerror}. Make the folder writable.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        os.close(descriptor)
        by = f"process {holder}" if holder else "another process"
        raise CannotOpenLog(f"{path}: in use by {by}. Stop it first, or name another file.") from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    connection.execute("PRAGMA journal_mode = WAL")
    # One transaction: a file that was half made would be refused as a stranger's.
    connection.executescript(
        f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA application_id = {APPLICATION}; "
        f"PRAGMA user_version = {FORMAT}; COMMIT;"
    )


def _prove_writable(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    # BEGIN IMMEDIATE alone would be content with reading; the first write tells.
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(f"PRAGMA user_version = {FORMAT}")
    finally:
        connection.execute("ROLLBACK")


def _advice(error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_NOTADB:
        return "this is no SQLite database. Name another file."
    if code in {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}:
        return f"{error}. Make the file and its folder readable and writable."
    if code == sqlite3.SQLITE_FULL:
        return f"{error}. Free disk space."
    return f"{error}. Restore the file from a backup, or name another."
