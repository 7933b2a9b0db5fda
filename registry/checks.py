"""What a candidate would do: to the promise of its subject, to readers, to topics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.affected import ReaderVersion
from registry.comparing import Comparison, explain_for
from registry.errors import SchemaVersionNotFound
from registry.filters.affected import broken_filters
from registry.report import READERS_LISTED, VERSIONS_EXPLAINED, AffectedReader

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from registry.candidates import Prepared
    from registry.compat.finding import Finding
    from registry.compat.promise import Promise
    from registry.lineages import Lineages
    from registry.report import AffectedFilter
    from registry.schema import Reader, Subject
    from registry.threads import Threads
    from registry.uses import SchemaUses


class Checks:
    """Holds candidates against what is there."""

    def __init__(self, lineages: Lineages, uses: SchemaUses, threads: Threads) -> None:
        self._lineages = lineages
        self._uses = uses
        self._threads = threads

    async def promise_of(self, subject: Subject | None) -> Promise:
        """Answers what holds for a subject: its own promise, or the deployment's."""
        return (subject and subject.promise) or await self._lineages.defaults()

    async def hold(
        self,
        prepared: Prepared,
        subject: Subject,
        promise: Promise,
        *,
        against: int | None = None,
        all_versions: bool = False,
    ) -> Comparison:
        """Holds a candidate against what a registration would be held against, or against what is asked for.

        That is the latest version; under a transitive promise all that are not deleted.

        Raises:
            SchemaVersionNotFound: There is no such version as ``against``.
        """
        comparison = Comparison(prepared.side(), promise)
        if against is None and (all_versions or promise.direction.transitive):
            async for page in self._lineages.pages(subject.name):
                await self._threads.compare(comparison.add, page)
        elif against or subject.latest_version:
            schema = await self._lineages.get(subject.name, against or subject.latest_version)
            await self._threads.compare(comparison.add, [schema])
        return comparison

    async def types(self, subject: Subject) -> set[str]:
        """Answers the event types of a subject's latest version."""
        latest = await self._lineages.summary(subject.name, subject.latest_version)
        return set(latest.types) if latest else set()

    async def explain(
        self, prepared: Prepared, subject: str, findings: Sequence[Finding]
    ) -> tuple[Finding, ...]:
        """Answers findings in the same order, with places and proofs those against the first versions."""
        explained = dict(enumerate(findings))
        for version in list(dict.fromkeys(it.against_version for it in findings))[:VERSIONS_EXPLAINED]:
            some = {place: it for place, it in enumerate(findings) if it.against_version == version}
            schema = await self._lineages.get(subject, version)
            told = await self._threads.compare(explain_for, list(some.values()), schema, prepared.side())
            explained |= zip(some, told, strict=True)
        return tuple(explained.values())

    async def affected(self, prepared: Prepared, subject: Subject, promise: Promise) -> list[AffectedReader]:
        """Answers the readers that a candidate would break, at most so many: those that are alive first."""
        readers = self._uses.readers(subject.name)
        broken: list[AffectedReader] = []
        for version in sorted({reader.version for reader in readers}):
            judged = await self._reader_version(prepared, subject, promise, version)
            if judged is not None:
                own = [reader for reader in readers if reader.version == version]
                broken += await self._threads.compare(_broken, judged, own)
        return sorted(broken, key=lambda it: _first(it.reader))[:READERS_LISTED]

    async def _reader_version(
        self, prepared: Prepared, subject: Subject, promise: Promise, version: int
    ) -> ReaderVersion | None:
        try:
            schema = await self._lineages.get(subject.name, version)
        except SchemaVersionNotFound:
            return None  # purged: nothing that it could read is stored any more
        return await self._threads.compare(ReaderVersion, schema, prepared.side(), promise.surface)

    async def broken_filters(self, prepared: Prepared, subject: str) -> tuple[AffectedFilter, ...]:
        """Answers the live filters that would not compile with a candidate, at most so many."""
        filters = self._uses.filters(subject)
        if not filters:
            return ()
        return await self._threads.compare(broken_filters, prepared.compiled, filters)

    def in_need(self, subject: str, types: Iterable[str]) -> dict[str, list[str]]:
        """Answers the event types that topics accept and that are not among ``types``, with the topics."""
        needed: dict[str, list[str]] = {}
        for use in self._uses.topics(subject):
            for type_name in sorted(set(use.types).difference(types)):
                needed.setdefault(type_name, []).append(use.topic)
        return needed


def _broken(version: ReaderVersion, readers: Iterable[Reader]) -> list[AffectedReader]:
    broken = sorted((it for it in readers if version.breaks(it.types)), key=_first)
    return [AffectedReader(it, version.told(it.types)) for it in broken[:READERS_LISTED]]


def _first(reader: Reader) -> tuple[bool, str, int]:
    return not reader.alive, reader.client_name, reader.version
