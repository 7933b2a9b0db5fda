"""The dry run of a registration: what it would do, to whom."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from registry.compat.promise import Verdict
from registry.errors import SubjectNotFound
from registry.report import FINDINGS_EXPLAINED, CheckReport
from registry.schema import check_subject_name

if TYPE_CHECKING:
    from registry.candidates import Candidates, Prepared
    from registry.checks import Checks
    from registry.compat.promise import Promise
    from registry.lineages import Lineages
    from registry.registration import Registration
    from registry.schema import Candidate, SchemaReference, Subject
    from registry.store import SchemaStore

REFERRING_LISTED = 100
"""How many versions that refer to a subject are listed at most."""


class DryRun:
    """Tells what would become of candidates."""

    def __init__(
        self,
        store: SchemaStore,
        lineages: Lineages,
        candidates: Candidates,
        checks: Checks,
        registration: Registration,
    ) -> None:
        self._store = store
        self._lineages = lineages
        self._candidates = candidates
        self._checks = checks
        self._registration = registration

    async def check(
        self,
        name: str,
        candidate: Candidate,
        *,
        against: int | None,
        all_versions: bool,
        promise: Promise | None,
    ) -> CheckReport:
        """Tells what a registration would do; see ``Registry.check``."""
        check_subject_name(name)
        prepared = await self._candidates.prepare(name, candidate)
        await self._registration.check_owners(name, prepared)
        subject = await self._lineages.find_subject(name)
        if subject is None:
            if against is not None:
                raise SubjectNotFound(name)
            return await self._added(name, prepared, promise or await self._checks.promise_of(None))
        existing = await self._registration.existing(subject, prepared)
        asked = against is not None or all_versions or promise is not None
        held = promise or await self._checks.promise_of(subject)
        if existing is not None and not asked:
            report = CheckReport(prepared.compiled, held, referenced_by=await self._referring(name))
        else:
            report = await self._held(subject, prepared, held, against, all_versions=all_versions)
        return replace(
            report,
            equal_version=existing.version if existing else 0,
            filters=await self._checks.broken_filters(prepared, name),
        )

    async def _held(
        self,
        subject: Subject,
        prepared: Prepared,
        promise: Promise,
        against: int | None,
        *,
        all_versions: bool,
    ) -> CheckReport:
        comparison = await self._checks.hold(
            prepared, subject, promise, against=against, all_versions=all_versions
        )
        findings = comparison.findings(FINDINGS_EXPLAINED)
        readers = await self._checks.affected(prepared, subject, promise)
        before = await self._checks.types(subject)
        report = await self._added(subject.name, prepared, promise)
        return replace(
            report,
            against=tuple(comparison.against),
            findings=await self._checks.explain(prepared, subject.name, findings),
            breaking_count=comparison.count(Verdict.BREAKS),
            notice_count=comparison.count(Verdict.NOTICE),
            readers=tuple(readers),
            added_types=tuple(sorted(set(prepared.compiled.types) - before)),
            removed_types=tuple(sorted(before.difference(prepared.compiled.types))),
            blocked_by_readers=subject.block_on_readers and any(it.reader.alive for it in readers),
        )

    async def _added(self, name: str, prepared: Prepared, promise: Promise) -> CheckReport:
        """Answers the report of a candidate that is compared with nothing."""
        types = prepared.compiled.types
        needed = self._checks.in_need(name, types)
        return CheckReport(
            compiled=prepared.compiled,
            promise=promise,
            referenced_by=await self._referring(name),
            added_types=types,
            topics_in_need=tuple(sorted({topic for topics in needed.values() for topic in topics})),
        )

    async def _referring(self, name: str) -> tuple[SchemaReference, ...]:
        return tuple(await self._store.referencing(name, 0, limit=REFERRING_LISTED))
