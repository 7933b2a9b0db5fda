"""The registry: register, compile, check, compare, store; and what is needed to check data, kept ready."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from registry.compat import PROMISE, find_breaks
from registry.compiler import Compiled, compile_descriptor_set, compile_sources
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
from registry.schema import SchemaLimits, SchemaVersion, Subject, check_subject_name
from registry.store import VersionConflict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.descriptor_pool import DescriptorPool

    from registry.store import SchemaStore
    from registry.validator import BatchValidator

COMPILATIONS_AT_ONCE = 2
"""How many schemas are compiled at the same time; each may take ``SchemaLimits.compile_bytes``."""
VALIDATORS_KEPT = 256
"""How many validators are kept ready: each takes about 1.1 MB if its type has rules."""
DESCRIPTOR_BYTES_KEPT = 32 * 1024 * 1024
"""Serialized size of the descriptors kept ready; loaded they take up to 30 times as much."""
_PAGE = 1_000
_DEFAULT_LIMITS = SchemaLimits()


@dataclass(slots=True)
class _Loaded:
    """A schema version that is ready to check data."""

    schema: SchemaVersion
    pool: DescriptorPool
    validators: set[str] = field(default_factory=set)


class Registry:
    """Subjects and their schema versions, over a ``SchemaStore``. Used from one event loop."""

    def __init__(self, store: SchemaStore, limits: SchemaLimits = _DEFAULT_LIMITS) -> None:
        self._store = store
        self._limits = limits
        self._latest: dict[str, int] = {}
        self._loaded: OrderedDict[tuple[str, int], _Loaded] = OrderedDict()
        self._validators: OrderedDict[tuple[str, int, str], BatchValidator] = OrderedDict()
        self._compiling = asyncio.Semaphore(COMPILATIONS_AT_ONCE)
        self._building = asyncio.Lock()

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
        found = await self._store.get(subject, version or latest) if 0 <= version <= 2**32 else None
        if found is None:
            raise SchemaVersionNotFound(subject, version, latest)
        self._note(subject, found.version)
        return found

    async def get_by_type(self, type_name: str, version: int = 0) -> SchemaVersion:
        """Answers a version of the subject that an event type belongs to; 0 means the latest one.

        Raises:
            EventTypeNotFound: The type belongs to no subject.
            SchemaVersionNotFound: Its subject has no such version.
        """
        owner = (await self._store.owners([type_name])).get(type_name)
        if owner is None:
            similar = await self._store.similar_types(type_name)
            raise EventTypeNotFound(type_name, "the registry", get_close_matches(type_name, similar))
        return await self.get(owner, version)

    async def list_versions(self, subject: str, *, after: int, limit: int) -> list[SchemaVersion]:
        """Answers at most ``limit`` versions above ``after``, oldest first, without their descriptors.

        Raises:
            SubjectNotFound: No such subject.
        """
        await self._current(subject)
        return await self._store.list_versions(subject, after=after, limit=limit)

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
            raise SubjectNotFound(subject, get_close_matches(subject, self._latest)) from None

    def cached_validator(self, subject: str, version: int, type_name: str) -> BatchValidator | None:
        """Answers a validator that is ready, at the price of a look-up; None if it must be built."""
        validator = self._validators.get((subject, version, type_name))
        if validator is not None:
            self._validators.move_to_end((subject, version, type_name))
            self._loaded.move_to_end((subject, version))
        return validator

    async def validator(self, subject: str, version: int, type_name: str) -> BatchValidator:
        """Answers the validator of an event type in a version (1, 2, ...), and builds it if need be.

        Building runs on a thread, one at a time.

        Raises:
            SubjectNotFound, SchemaVersionNotFound: No such version.
            EventTypeNotFound: The version has no such type.
        """
        async with self._building:
            ready = self.cached_validator(subject, version, type_name)
            if ready is not None:
                return ready
            loaded = await self._load(subject, version)
            types = loaded.schema.types
            if type_name not in types:
                where = f"version {version} of subject {subject!r}"
                raise EventTypeNotFound(type_name, where, get_close_matches(type_name, types))
            built = await asyncio.to_thread(_build_validator, loaded.pool, type_name, version)
            self._keep(loaded, type_name, built)
            return built

    async def _compile(self, sources: Mapping[str, str] | None, descriptor_set: bytes | None) -> Compiled:
        async with self._compiling:
            if sources is not None and descriptor_set is None:
                return await asyncio.to_thread(compile_sources, sources, self._limits)
            if descriptor_set is not None and sources is None:
                return await asyncio.to_thread(compile_descriptor_set, descriptor_set, self._limits)
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
        for type_name, owner in owners.items():
            if owner != subject:
                raise EventTypeTaken(type_name, subject, owner)

    async def _check_compatible(self, subject: str, latest: int, compiled: Compiled) -> None:
        before = await self.get(subject, latest)
        findings = await asyncio.to_thread(_compare, before.descriptor_set, compiled.descriptor_set)
        if findings:
            raise IncompatibleSchema(subject, latest, PROMISE, findings)

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

    async def _load(self, subject: str, version: int) -> _Loaded:
        loaded = self._loaded.get((subject, version))
        if loaded is None:
            if version < 1:
                raise SchemaVersionNotFound(subject, version, self.latest_version(subject))
            schema = await self.get(subject, version)
            pool = await asyncio.to_thread(build_pool, schema.descriptor_set)
            loaded = self._loaded[subject, version] = _Loaded(schema, pool)
        return loaded

    def _keep(self, loaded: _Loaded, type_name: str, validator: BatchValidator) -> None:
        key = loaded.schema.subject, loaded.schema.version
        loaded.validators.add(type_name)
        self._loaded.move_to_end(key)
        self._validators[(*key, type_name)] = validator
        while len(self._validators) > VALIDATORS_KEPT:
            subject, version, dropped = self._validators.popitem(last=False)[0]
            self._loaded[subject, version].validators.discard(dropped)
        while len(self._loaded) > 1 and self._kept_bytes() > DESCRIPTOR_BYTES_KEPT:
            (subject, version), dropped_version = self._loaded.popitem(last=False)
            for dropped in dropped_version.validators:
                del self._validators[subject, version, dropped]

    def _kept_bytes(self) -> int:
        return sum(len(loaded.schema.descriptor_set) for loaded in self._loaded.values())


def _compare(old: bytes, new: bytes) -> list[Violation]:
    findings = find_breaks(FileDescriptorSet.FromString(old), FileDescriptorSet.FromString(new))
    return [Violation(finding.path, finding.message, finding.rule_id) for finding in findings]


def _build_validator(pool: DescriptorPool, type_name: str, version: int) -> BatchValidator:
    from registry.validator import BatchValidator  # noqa: PLC0415

    return BatchValidator(pool, type_name, version)
