"""Checkpoints: moving what is committed from the write-ahead log into the file, beside the writer.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.sqlite_file import LogFile
    from gateway.sqlite_writer import Writer

INTERVAL: Final = 0.25
"""Seconds between looks at how far the write-ahead log has grown."""
CHECKPOINT_BYTES: Final = 16 << 20
"""How much is appended between two checkpoints."""
RESTART_PAGES: Final = 512
"""From how many pages on the write-ahead log is begun anew: 32 MiB."""
LEFT_PAGES: Final = 64
"""How many pages the writer may be stopped for: 4 MiB, some milliseconds."""
_RESTART_WAIT_MS: Final = 20


class Checkpointer:
    """A thread that checkpoints while the writer goes on.

    The write-ahead log can only begin anew when all of it is in the file, which under a steady load
    never happens by itself: the last bit is done by the writer, between two groups.
    """

    def __init__(self, file: LogFile, writer: Writer) -> None:
        self._writer = writer
        self._connection = file.connect(cache_bytes=1 << 20)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tidegate-checkpoint", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread. Blocks."""
        self._stopped.set()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        done = 0
        while not self._stopped.wait(INTERVAL):
            written = self._writer.written
            if written - done < CHECKPOINT_BYTES:
                continue
            # A failure is the writer's to tell, when it meets it; here the next round tries again.
            with contextlib.suppress(sqlite3.Error):
                self._checkpoint()
                done = written

    def _checkpoint(self) -> None:
        for _ in range(4):
            _, pages, moved = self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if pages - moved <= LEFT_PAGES:
                break
        if pages >= RESTART_PAGES:
            self._writer.run(_restart)


def _restart(connection: sqlite3.Connection) -> None:
    """Moves the rest and begins the write-ahead log anew, if no reader stands in the way."""
    with contextlib.suppress(sqlite3.Error):
        connection.execute(f"PRAGMA busy_timeout = {_RESTART_WAIT_MS}")
        connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
    connection.execute("PRAGMA busy_timeout = 10000")
