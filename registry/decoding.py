"""Schema versions whose data is read: loaded when they are first needed, hidden ones too, and kept ready."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from registry.descriptors import build_pool
from registry.errors import EventTypeNotFound
from registry.filters.event_message import envelope_message, typed_message
from registry.filters.expression import BadFilter
from registry.filters.program import Program
from registry.names import shown
from registry.ready import ReadySchemas, ReadyVersion

if TYPE_CHECKING:
    from registry.lineages import Lineages
    from registry.schema import SchemaVersion
    from registry.threads import Threads

LOADED_BYTES: Final = 64 * 1024 * 1024
"""What the loaded descriptors that are kept take, by ``ReadyVersion.weight``."""
PROGRAMS_KEPT: Final = 512
"""How many compiled filters are kept, and what is wrong with those that don't compile."""
_Key = tuple[str, int, str]


class Decoding:
    """Answers what is needed to read stored events of any version. A version never changes."""

    def __init__(self, lineages: Lineages, threads: Threads) -> None:
        self._lineages = lineages
        self._threads = threads
        self._ready = ReadySchemas(loaded_bytes_kept=LOADED_BYTES)
        self._programs: OrderedDict[_Key, Program | BadFilter] = OrderedDict()
        self._loading = asyncio.Lock()

    async def owner(self, type_name: str) -> str:
        """Answers the subject that an event type belongs to.

        Raises:
            EventTypeNotFound: The type belongs to no subject.
        """
        return await self._lineages.owner(type_name)

    def latest_version(self, subject: str) -> int:
        """Answers the number of a subject's latest version, from memory.

        Raises:
            SubjectNotFound, SchemaVersionNotFound: There is none.
        """
        return self._lineages.latest_version(subject)

    async def version(self, subject: str, version: int) -> ReadyVersion:
        """Answers a version with its pool.

        Raises:
            SubjectNotFound, SchemaVersionNotFound: There is no such version; hidden ones are there.
        """
        async with self._loading:
            ready = self._ready.version(subject, version)
            if ready is None:
                schema = await self._lineages.get(subject, version)
                pool = await self._threads.build(build_pool, schema.descriptor_set)
                size = len(schema.descriptor_set)
                ready = ReadyVersion(subject, schema.version, frozenset(schema.types), size, pool)
                self._ready.keep_version(ready)
            return ready

    async def latest_with(self, type_name: str) -> SchemaVersion:
        """Answers the latest version that has an event type, hidden ones last; without what is large.

        Raises:
            EventTypeNotFound: No version has it.
        """
        subject = await self.owner(type_name)
        found = await self._lineages.all_versions(subject, show_deleted=True)
        having = [it for it in found if type_name in it.types]
        if not having:
            raise EventTypeNotFound(shown(type_name), f"subject {subject!r}")
        return max(having, key=lambda it: (it.delete_time is None, it.version))

    async def program(self, type_name: str, version: int, text: str) -> Program:
        """Answers a filter, compiled for events of a type and version, or without a type for any.

        Raises:
            BadFilter: It can't be used for these.
            EventTypeNotFound, SubjectNotFound, SchemaVersionNotFound: There is no such type or version.
        """
        key = (type_name, version, text)
        program = self._programs.get(key)
        if program is None:
            program = self._programs[key] = await self._compile(*key)
            if len(self._programs) > PROGRAMS_KEPT:
                self._programs.popitem(last=False)
        else:
            self._programs.move_to_end(key)
        if isinstance(program, BadFilter):
            raise BadFilter(str(program))
        return program

    async def _compile(self, type_name: str, version: int, text: str) -> Program | BadFilter:
        message = envelope_message()
        if type_name:
            ready = await self.version(await self.owner(type_name), version)
            message = typed_message(ready.pool, type_name, version)
        try:
            return Program(message, text)
        except BadFilter as error:
            return error
