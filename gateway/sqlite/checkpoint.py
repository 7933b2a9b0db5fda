"""Checkpoints: moving what is committed from the write-ahead log into the file, beside the writer.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import TYPE_CHECKING, Final

from gateway.sqlite.file import PAGE_SIZE
from registry.sqlite_access import BUSY_SECONDS

if TYPE_CHECKING:
    from gateway.sqlite.file import LogFile
    from gateway.sqlite.writer import Writer

RESTART_BYTES: Final = 32 << 20
"""From what size on the write-ahead log is begun anew."""
FORCED_BYTES: Final = 128 << 20
"""From what size on that is done even if appends must wait for it: the disk can't keep up with them."""
LEFT_BYTES: Final = 4 << 20
"""How much the writer may otherwise be stopped for; some milliseconds."""
_PASSES: Final = 4
_RESTART_WAIT: Final = 0.02


class Checkpointer:
    """A thread that checkpoints while the writer goes on, whenever the writer has written enough.

    The write-ahead log can only begin anew when all of it is in the file, which under a steady load
    never happens by itself: the last bit is done by the writer, between two groups.
    """

    def __init__(self, file: LogFile, writer: Writer) -> None:
        self._writer = writer
        self._connection = file.connect(cache_bytes=1 << 20)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="tidegate-checkpoint", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread. Blocks."""
        self._closed = True
        self._writer.checkpoint_due.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while self._writer.checkpoint_due.wait() and not self._closed:
            self._writer.checkpoint_due.clear()
            # A failure is the writer's to tell, when it meets it; here the next round tries again.
            with contextlib.suppress(sqlite3.Error):
                self._checkpoint()

    def _checkpoint(self) -> None:
        for _ in range(_PASSES):
            _, pages, moved = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            left = (pages - moved) * PAGE_SIZE
            if left <= LEFT_BYTES:
                break
        size = pages * PAGE_SIZE
        if size >= FORCED_BYTES or (size >= RESTART_BYTES and left <= LEFT_BYTES):
            restarted = threading.Event()
            self._writer.run(lambda connection: _restart(connection, restarted))
            while not restarted.wait(0.1) and not self._closed:
                pass


def _restart(connection: sqlite3.Connection, restarted: threading.Event) -> None:
    """Moves the rest and begins the write-ahead log anew, unless a reader stands in the way for long."""
    connection.execute(f"PRAGMA busy_timeout = {int(_RESTART_WAIT * 1000)}")
    with contextlib.suppress(sqlite3.Error):
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
    restarted.set()
