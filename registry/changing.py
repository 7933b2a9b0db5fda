"""Changing subjects one change after another, whoever else changes them at the same time."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakValueDictionary

from registry.store import Conflict

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from registry.lineages import Lineages
    from registry.schema import Subject
    from registry.store import Edit, SchemaStore
    from registry.validators import Validators

_T = TypeVar("_T")


class Changing:
    """Runs changes of subjects. Those of one subject wait for each other; other processes conflict."""

    def __init__(self, store: SchemaStore, lineages: Lineages, validators: Validators) -> None:
        self._store = store
        self._lineages = lineages
        self._validators = validators
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def lock(self, subject: str) -> asyncio.Lock:
        """Answers the lock that is held while a subject changes."""
        return self._locks.setdefault(subject, asyncio.Lock())

    async def run(self, subject: str, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """Runs ``attempt``, which reads, decides and applies, until nobody else was faster."""
        async with self.lock(subject):
            while True:
                with suppress(Conflict):
                    return await attempt()

    async def apply(self, edit: Edit) -> Subject:
        """Makes a change, and answers the subject as it is now. What has begun is done, cancelled or not.

        Raises:
            Conflict: Somebody else was faster.
        """
        return await asyncio.shield(self._apply(edit))

    async def _apply(self, edit: Edit) -> Subject:
        gone = (*edit.delete_times, *edit.purged)
        async with self._validators.building if gone else nullcontext():
            subject = await self._store.apply(edit)
            self._lineages.note(subject)
            if gone:
                self._validators.drop(subject.name, gone)
            return subject


def now() -> datetime:
    """Answers the time, as it is recorded."""
    return datetime.now(UTC)
