"""The registry: register, compile, check, compare, store; and validators, kept ready.

The line of a registration is ``Registry.register``, read from top to bottom.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from registry.checking.validator import BatchValidator
from registry.compat.engine import compare, judge
from registry.compat.finding import Side
from registry.compat.promise import DEFAULT_PROMISE, Verdict
from registry.compiling.admission import check_limit
from registry.compiling.compiler import Compiled, compile_descriptor_set, compile_sources
from registry.descriptors import build_pool
from registry.errors import (
    EventTypeNotFound,
    EventTypeTaken,
    IncompatibleSchema,
    InvalidRequest,
    SchemaVersionNotFound,
    SubjectNotFound,
    Violation,
)
from registry.names import close_names, shown
from registry.ready import ReadySchemas, ReadyVersion
from registry.schema import SchemaLimits, SchemaVersion, Subject, check_subject_name
from registry.store import VersionConflict
from registry.supplied import is_supplied_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from registry.store import SchemaStore

COMPILATIONS_AT_ONCE = 2
"""How many schemas are compiled at the same time; each may take ``SchemaLimits.compile_bytes``."""
HIGHEST_VERSION = 2**32 - 1
_PAGE = 1_000
_T = TypeVar("_T")
_DEFAULT_LIMITS = SchemaLimits()


class Registry:
    """Subjects and their schema versions, over a ``SchemaStore``. Used from one event loop.

    Work that takes time runs on threads of its own: two compile, one builds validators. Work whose
    caller is gone still takes its turn there, so that nobody can start more of it by going away.
    """

    def __init__(self, store: SchemaStore, limits: SchemaLimits = _DEFAULT_LIMITS) -> None:
        self._store = store
        self._limits = limits
        self._latest: dict[str, int] = {}
        self._ready = ReadySchemas()
        self._compiling = ThreadPoolExecutor(COMPILATIONS_AT_ONCE, "tidegate-compile")
        self._building = ThreadPoolExecutor(1, "tidegate-build")
        self._one_build = asyncio.Lock()

    async def open(self) -> None:
        """Reads which subjects there are; everything else is read when it is needed."""
        after = ""
        while subjects := await self._store.list_subjects(after=after, limit=_PAGE):
            self._latest.update((subject.name, subject.latest_version) for subject in subjects)
            after = subjects[-1].name

    async def register(
        self, subject: str, *, sources: Mapping[str, str] | None = None, descriptor_set: bytes | None = None
    ) -> tuple[SchemaVersion, bool]:
        """Makes a schema the subject's next version, or answers the version that equals it.

        Exactly one of ``sources`` and ``descriptor_set`` is given. Any number of registrations may
        run at once: each version is compatible with the one before it.

        Returns:
            The version, and whether this call made it.

        Raises:
            InvalidRequest: The subject's name is malformed, or no schema is given.
            InvalidSchema: The schema does not compile, or is over a limit, or has a bad rule.
            EventTypeTaken: One of its messages belongs to another subject.
            IncompatibleSchema: It breaks the subject's promise.
        """
        check_subject_name(subject)
        if sources is not None:
            check_limit("max_files", len(sources), self._limits.max_files, "files")
            sources = dict(sources)
        compiled = await self._compile(sources, descriptor_set)
        while True:
            latest, existing = await self._place(subject, compiled)
            if existing is not None:
                return existing, False
            schema = SchemaVersion(
                subject=subject,
                version=latest + 1,
                types=compiled.types,
                create_time=datetime.now(UTC),
                fingerprint=compiled.fingerprint,
                descriptor_set=compiled.descriptor_set,
                sources=sources,
            )
            try:
                await self._store.add(schema)
            except VersionConflict:
                continue
            self._note(subject, schema.version)
            return schema, True

    async def get(self, subject: str, version: int = 0) -> SchemaVersion:
        """Answers a version, whole; 0 means the latest one.

        Raises:
            SubjectNotFound: No such subject.
            SchemaVersionNotFound: The subject has no such version.
        """
        latest = await self._current(subject)
        known = 0 <= version <= HIGHEST_VERSION
        found = await self._store.get(subject, version or latest) if known else None
        if found is None:
            raise SchemaVersionNotFound(subject, version, latest)
        return found

    async def get_by_type(self, type_name: str, version: int = 0) -> SchemaVersion:
        """Answers a version of the subject that an event type belongs to; 0 means the latest one.

        Raises:
            EventTypeNotFound: The type belongs to no subject.
            SchemaVersionNotFound: Its subject has no such version.
        """
        owner = (await self._store.owners([type_name])).get(type_name)
        if owner is None:
            similar = await self._store.similar_types(shown(type_name))
            raise EventTypeNotFound(shown(type_name), "the registry", close_names(type_name, similar))
        return await self.get(owner, version)

    async def list_versions(self, subject: str, *, after: int, limit: int) -> list[SchemaVersion]:
        """Answers at most ``limit`` versions above ``after``, oldest first, without their descriptors.

        Raises:
            SubjectNotFound: No such subject.
        """
        await self._current(subject)
        return await self._store.list_versions(subject, after=min(after, HIGHEST_VERSION), limit=limit)

    async def list_subjects(self, *, after: str, limit: int) -> list[Subject]:
        """Answers at most ``limit`` subjects whose names sort behind ``after``, by name."""
        return await self._store.list_subjects(after=after, limit=limit)

    def latest_version(self, subject: str) -> int:
        """Answers the number of the subject's latest version, from memory.

        Raises:
            SubjectNotFound: No such subject.
        """
        try:
            return self._latest[subject]
        except KeyError:
            raise SubjectNotFound(shown(subject), close_names(subject, self._latest)) from None

    def cached_validator(self, subject: str, version: int, type_name: str) -> BatchValidator | None:
        """Answers a validator that is ready, at the price of a look-up; None if it must be built."""
        return self._ready.validator(subject, version, type_name)

    async def validator(self, subject: str, version: int, type_name: str) -> BatchValidator:
        """Answers the validator of an event type in a version, and builds it if it is not ready.

        Building runs on a thread, one at a time.

        Raises:
            SubjectNotFound, SchemaVersionNotFound: No such version; there is no version 0.
            EventTypeNotFound: The version has no such type.
        """
        async with self._one_build:
            validator = self._ready.validator(subject, version, type_name)
            if validator is None:
                ready = await self._make_ready(subject, version)
                self._check_type(ready, type_name)
                validator = await self._build(BatchValidator, ready.pool, type_name, version)
                self._ready.keep_validator(ready, type_name, validator)
            return validator

    async def _make_ready(self, subject: str, version: int) -> ReadyVersion:
        ready = self._ready.version(subject, version)
        if ready is None:
            if version == 0:
                raise SchemaVersionNotFound(subject, version, self.latest_version(subject))
            schema = await self.get(subject, version)
            pool = await self._build(build_pool, schema.descriptor_set)
            size = len(schema.descriptor_set)
            ready = ReadyVersion(subject, version, frozenset(schema.types), size, pool)
            self._ready.keep_version(ready)
        return ready

    def _check_type(self, ready: ReadyVersion, type_name: str) -> None:
        if type_name not in ready.types:
            where = f"version {ready.version} of subject {ready.subject!r}"
            raise EventTypeNotFound(shown(type_name), where, close_names(type_name, sorted(ready.types)))

    async def _build(self, function: Callable[..., _T], *arguments: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._building, function, *arguments)

    async def _compile(self, sources: Mapping[str, str] | None, descriptor_set: bytes | None) -> Compiled:
        loop = asyncio.get_running_loop()
        if sources is not None and descriptor_set is None:
            return await loop.run_in_executor(self._compiling, compile_sources, sources, self._limits)
        if descriptor_set is not None and sources is None:
            return await loop.run_in_executor(
                self._compiling, compile_descriptor_set, descriptor_set, self._limits
            )
        raise InvalidRequest("schema", "exactly one of `sources` and `descriptor_set` is required")

    async def _place(self, subject: str, compiled: Compiled) -> tuple[int, SchemaVersion | None]:
        """Answers the latest version to append to (0: none), or the version that equals the schema."""
        existing = await self._store.get(subject, compiled.fingerprint)
        if existing is not None:
            self._note(subject, existing.version)
            return 0, existing
        await self._check_owners(subject, compiled)
        latest = await self._stored_latest(subject)
        if latest:
            await self._check_compatible(subject, latest, compiled)
        return latest, None

    async def _check_owners(self, subject: str, compiled: Compiled) -> None:
        owners = await self._store.owners(compiled.types)
        for type_name, owner in sorted(owners.items()):
            if owner != subject:
                raise EventTypeTaken(type_name, subject, owner)

    async def _check_compatible(self, subject: str, latest: int, compiled: Compiled) -> None:
        before = await self.get(subject, latest)
        findings = await self._build(_compare, before.descriptor_set, compiled.descriptor_set)
        if findings:
            raise IncompatibleSchema(subject, latest, str(DEFAULT_PROMISE), findings)

    async def _stored_latest(self, subject: str) -> int:
        """Answers the subject's latest version as the store has it now; 0 if there is none."""
        known = self._latest.get(subject, 0)
        while versions := await self._store.list_versions(subject, after=known, limit=_PAGE):
            known = versions[-1].version
        return known

    async def _current(self, subject: str) -> int:
        latest = await self._stored_latest(subject)
        if latest:
            self._note(subject, latest)
        return self.latest_version(subject)

    def _note(self, subject: str, version: int) -> None:
        self._latest[subject] = max(version, self._latest.get(subject, 0))


def _compare(old: bytes, new: bytes) -> list[Violation]:
    sides = (Side(name, files, _own_files(files)) for name, files in (("old", old), ("new", new)))
    judged = judge(compare(*sides), DEFAULT_PROMISE)
    return [
        Violation(it.path, f"{it.change}; {it.suggestion}", it.rule_id)
        for it, verdict in judged
        if verdict is Verdict.BREAKS
    ]


def _own_files(descriptor_set: bytes) -> frozenset[str]:
    files = FileDescriptorSet.FromString(descriptor_set).file
    return frozenset(file.name for file in files if not is_supplied_name(file.name))
