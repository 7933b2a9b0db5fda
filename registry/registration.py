"""Registering: compile, compare, store. And the dry run of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from registry.changing import now
from registry.compat.promise import Verdict
from registry.errors import (
    VIOLATIONS_LISTED,
    EventTypeNeeded,
    EventTypeTaken,
    IncompatibleSchema,
    InvalidRequest,
    LimitExceeded,
    ReadersAffected,
    SchemaDeleted,
    SubjectReadOnly,
)
from registry.lineages import HIGHEST_VERSION
from registry.report import NOTICES_ANSWERED, Registered
from registry.schema import Change, ChangeKind, SchemaVersion, SubjectMode, check_subject_name
from registry.settings import made_anew
from registry.store import Edit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from registry.candidates import Candidates, Prepared
    from registry.changing import Changing
    from registry.checks import Checks
    from registry.compat.finding import Finding
    from registry.compat.promise import Promise
    from registry.schema import Author, Candidate, Subject
    from registry.store import SchemaStore

_TYPES_TOLD = 5


class Registration:
    """Makes candidates versions of subjects, or tells what would become of them."""

    def __init__(
        self, store: SchemaStore, candidates: Candidates, checks: Checks, changing: Changing
    ) -> None:
        self._store = store
        self._candidates = candidates
        self._checks = checks
        self._changing = changing

    async def register(self, name: str, candidate: Candidate, author: Author, version: int) -> Registered:
        """Makes a candidate the subject's next version; see ``Registry.register``."""
        check_subject_name(name)
        prepared = await self._candidates.prepare(name, candidate)
        registered = await self._changing.run(name, lambda: self._place(name, prepared, author, version))
        if not registered.created:
            return registered
        return replace(registered, filters=await self._checks.broken_filters(prepared, name))

    async def _place(self, name: str, prepared: Prepared, author: Author, version: int) -> Registered:
        before = await self._store.subject(name)
        subject = made_anew(name, before) if before is None or before.purged else before
        existing = await self.existing(subject, prepared)
        if existing is not None:
            return Registered(_as_asked(existing, version), created=False)
        number = _next_number(subject, version)
        await self._candidates.resolve(prepared.references)
        await self.check_owners(name, prepared)
        notices = await self._hold_promise(subject, prepared)
        schema = _version(name, number, prepared)
        change = Change(ChangeKind.REGISTER, name, number, author, await self._told(subject, schema), now())
        after = replace(subject, latest_version=number, highest_version=number)
        await self._changing.apply(Edit(before, after, change, added=schema))
        return Registered(schema, created=True, notices=notices)

    async def existing(self, subject: Subject, prepared: Prepared) -> SchemaVersion | None:
        """Answers the version that a candidate equals.

        Raises:
            SchemaDeleted: It was deleted, or the whole subject was.
        """
        if subject.delete_time is not None:
            raise SchemaDeleted(subject.name, 0)
        existing = await self._store.get(subject.name, prepared.compiled.fingerprint)
        if existing is not None and existing.delete_time is not None:
            raise SchemaDeleted(subject.name, existing.version)
        return existing

    async def check_owners(self, name: str, prepared: Prepared) -> None:
        """Raises ``EventTypeTaken`` if a message of the candidate belongs to another subject."""
        owners = await self._store.owners(prepared.compiled.types)
        for type_name, owner in sorted(owners.items()):
            if owner != name:
                raise EventTypeTaken(type_name, name, owner)

    async def _hold_promise(self, subject: Subject, prepared: Prepared) -> tuple[Finding, ...]:
        """Answers what somebody will notice, though it breaks no promise.

        Raises:
            IncompatibleSchema, EventTypeNeeded, ReadersAffected: It may not become a version.
        """
        if subject.mode is SubjectMode.IMPORT:
            self._check_topics(subject.name, prepared)
            return ()
        promise = await self._checks.promise_of(subject)
        comparison = await self._checks.hold(prepared, subject, promise)
        broken = comparison.findings(VIOLATIONS_LISTED, breaking_only=True)
        if broken:
            explained = await self._checks.explain(prepared, subject.name, broken)
            raise IncompatibleSchema(subject.name, str(promise), explained, comparison.count(Verdict.BREAKS))
        self._check_topics(subject.name, prepared)
        await self._check_readers(subject, prepared, promise)
        notices = comparison.notices(subject.latest_version, NOTICES_ANSWERED)
        return await self._checks.explain(prepared, subject.name, notices)

    def _check_topics(self, name: str, prepared: Prepared) -> None:
        for type_name, topics in self._checks.in_need(name, prepared.compiled.types).items():
            raise EventTypeNeeded(name, type_name, topics)

    async def _check_readers(self, subject: Subject, prepared: Prepared, promise: Promise) -> None:
        if not subject.block_on_readers:
            return
        affected = await self._checks.affected(prepared, subject, promise)
        alive = [
            f"{it.reader.client_name} (version {it.reader.version})" for it in affected if it.reader.alive
        ]
        if alive:
            raise ReadersAffected(subject.name, alive)

    async def _told(self, subject: Subject, schema: SchemaVersion) -> str:
        """Answers what a registration does, in words."""
        before = await self._checks.types(subject)
        added, removed = set(schema.types) - before, before - set(schema.types)
        refers = [f"{it.subject}@{it.version}" for it in schema.references]
        told = (_listed("adds", added), _listed("removes", removed), _listed("refers to", refers))
        return "; ".join(filter(None, told))


def _as_asked(existing: SchemaVersion, version: int) -> SchemaVersion:
    if version not in {0, existing.version}:
        raise InvalidRequest(
            "version", f"can't be {version}: the schema is version {existing.version} already"
        )
    return existing


def _next_number(subject: Subject, version: int) -> int:
    """Answers the number of the next version.

    Raises:
        SubjectReadOnly: There is none.
        InvalidRequest: One is given that may not be, or that doesn't rise, or none where there must be.
        LimitExceeded: All numbers are used up.
    """
    highest = subject.highest_version
    if subject.mode is SubjectMode.READ_ONLY:
        raise SubjectReadOnly(subject.name)
    if subject.mode is not SubjectMode.IMPORT:
        if version:
            raise InvalidRequest("version", "is for subjects in mode IMPORT; leave it out")
        if highest == HIGHEST_VERSION:
            raise LimitExceeded("highest_version", HIGHEST_VERSION, highest + 1, "the next version's number")
        return highest + 1
    if not highest < version <= HIGHEST_VERSION:
        raise InvalidRequest(
            "version",
            f"is required in mode IMPORT, and must be above {highest} and at most {HIGHEST_VERSION}",
        )
    return version


def _version(name: str, number: int, prepared: Prepared) -> SchemaVersion:
    compiled = prepared.compiled
    return SchemaVersion(
        subject=name,
        version=number,
        types=compiled.types,
        create_time=now(),
        fingerprint=compiled.fingerprint,
        descriptor_set=compiled.descriptor_set,
        sources=prepared.sources,
        own_files=compiled.own_files,
        references=prepared.references,
        source_info=compiled.source_info,
    )


def _listed(verb: str, names: Iterable[str]) -> str:
    """Answers ``adds a, b and 3 more``; nothing without names."""
    ordered = sorted(names)
    more = f" and {len(ordered) - _TYPES_TOLD:,} more" if len(ordered) > _TYPES_TOLD else ""
    return f"{verb} {', '.join(ordered[:_TYPES_TOLD])}{more}" if ordered else ""
