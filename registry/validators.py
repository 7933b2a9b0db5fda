"""The validators of event types, built when they are first needed and kept ready."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from registry.checking.validator import BatchValidator
from registry.descriptors import build_pool
from registry.errors import EventTypeNotFound, SchemaVersionNotFound
from registry.names import close_names, shown
from registry.ready import ReadySchemas, ReadyVersion

if TYPE_CHECKING:
    from collections.abc import Iterable

    from registry.lineages import Lineages
    from registry.threads import Threads


class Validators:
    """Validators of versions that are not deleted. They are built on a thread, one at a time."""

    def __init__(self, lineages: Lineages, threads: Threads) -> None:
        self._lineages = lineages
        self._threads = threads
        self._ready = ReadySchemas()
        self.building = asyncio.Lock()
        """Held while one is built; and while a version is hidden, so that none of it is kept behind that."""
        self.dropped = 0
        """How often validators were let go of because their versions were hidden."""

    def cached(self, subject: str, version: int, type_name: str) -> BatchValidator | None:
        """Answers a validator that is ready, at the price of a look-up; None if it must be built."""
        return self._ready.validator(subject, version, type_name)

    def drop(self, subject: str, versions: Iterable[int]) -> None:
        """Lets go of the validators of versions."""
        self.dropped += 1
        for version in versions:
            self._ready.drop(subject, version)

    async def get(self, subject: str, version: int, type_name: str) -> BatchValidator:
        """Answers the validator of an event type in a version, and builds it if it is not ready.

        Raises:
            SubjectNotFound, SchemaVersionNotFound: No such version, or it was deleted; there is no version 0.
            EventTypeNotFound: The version has no such type.
        """
        async with self.building:
            validator = self._ready.validator(subject, version, type_name)
            if validator is None:
                ready = await self._make_ready(subject, version)
                _check_type(ready, type_name)
                validator = await self._threads.build(BatchValidator, ready.pool, type_name, version)
                self._ready.keep_validator(ready, type_name, validator)
            return validator

    async def _make_ready(self, subject: str, version: int) -> ReadyVersion:
        ready = self._ready.version(subject, version)
        if ready is None:
            if version == 0:
                raise SchemaVersionNotFound(subject, version, self._lineages.latest_version(subject))
            schema = await self._lineages.get_live(subject, version)
            pool = await self._threads.build(build_pool, schema.descriptor_set)
            size = len(schema.descriptor_set)
            ready = ReadyVersion(subject, version, frozenset(schema.types), size, pool)
            self._ready.keep_version(ready)
        return ready


def _check_type(ready: ReadyVersion, type_name: str) -> None:
    if type_name not in ready.types:
        where = f"version {ready.version} of subject {ready.subject!r}"
        raise EventTypeNotFound(shown(type_name), where, close_names(type_name, sorted(ready.types)))
