"""Writing down what changed: of all groups together, by one task, behind everybody's back.

Imports nothing of gRPC or of the generated stubs.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from registry.errors import TidegateError

if TYPE_CHECKING:
    from gateway.groups.store import GroupStore, Write

FLUSH_SECONDS: Final = 0.08
"""How long to wait between two writes: what changes meanwhile goes together. With the time that a write
takes, what a member acknowledged is on disk within 100 ms."""
RETRY_SECONDS: Final = 1.0
"""How long to wait before a disk that failed is tried again."""

_log = structlog.get_logger("tidegate.groups")


class Changing(Protocol):
    """A group whose progress changes."""

    async def collect(self) -> Write | None:
        """Answers what changed since this was last asked, None if nothing did.

        If it raises, nothing counts as asked for.
        """
        ...


class Flush:
    """Writes down what changed of groups. Used from one event loop.

    What was taken from a group and could not be written stays here, in front of what changes later, and is
    written first: a group is not asked again before that. So nothing is lost and memory stays bounded.
    """

    def __init__(self, store: GroupStore) -> None:
        self._store = store
        self._dirty: dict[Changing, None] = {}
        self._taken: list[Write] = []
        self._changed = asyncio.Event()
        self._writing = asyncio.Lock()

    def mark(self, group: Changing) -> None:
        """Notes that a group's progress changed; cheap."""
        self._dirty[group] = None
        self._changed.set()

    def forget(self, group: Changing) -> None:
        """Lets go of a group that was deleted."""
        self._dirty.pop(group, None)

    async def now(self) -> None:
        """Writes down all that had changed when it was called.

        Raises:
            StorageFailed, StorageFull, StorageReadOnly: It is not written; it is tried again.
        """
        async with self._writing:
            try:
                await self._write()
                await self._take()
                await self._write()
            finally:
                if self._taken or self._dirty:
                    self._changed.set()

    async def try_now(self) -> bool:
        """Does the same, but if the disk fails, logs that; tells if all is written."""
        try:
            await self.now()
        except TidegateError as error:
            _log.warning("progress of groups is not written down; trying again", error=str(error))
        except Exception:  # noqa: BLE001 - whatever it is, it must not end the writing for good
            _log.exception("progress of groups is not written down; trying again")
        else:
            return True
        return False

    async def run(self) -> None:
        """Writes whenever something changed, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await asyncio.sleep(FLUSH_SECONDS if await self.try_now() else RETRY_SECONDS)

    async def _write(self) -> None:
        if self._taken:
            await self._store.save(self._taken)
            self._taken = []

    async def _take(self) -> None:
        """Asks all groups that changed; one that fails does not keep the others from being asked."""
        failure: Exception | None = None
        for group in list(self._dirty):
            del self._dirty[group]
            try:
                write = await group.collect()
            except BaseException as error:
                self._dirty[group] = None
                if not isinstance(error, Exception):
                    raise
                failure = error
                continue
            if write is not None:
                self._taken.append(write)
        if failure is not None:
            await self._write()
            raise failure
