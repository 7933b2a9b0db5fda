"""Reading subjects and their versions: what is stored, what is hidden, and which version is the latest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.compat.promise import DEFAULT_PROMISE
from registry.errors import EventTypeNotFound, LimitExceeded, SchemaVersionNotFound, SubjectNotFound
from registry.names import close_names, shown
from registry.store import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from registry.compat.promise import Promise
    from registry.schema import SchemaReference, SchemaVersion, Subject
    from registry.store import SchemaStore

HIGHEST_VERSION = 2**32 - 1
CLOSURE_VERSIONS = 1_000
"""How many versions a schema may refer to, directly and further on."""
CLOSURE_BYTES = 64 * 1024 * 1024
"""How many bytes of descriptors and sources they may have."""
_PAGE = 1_000


class Lineages:
    """Subjects and their versions, over a ``SchemaStore``; which are the latest is in memory."""

    def __init__(self, store: SchemaStore) -> None:
        self._store = store
        self._latest: dict[str, int] = {}

    async def open(self) -> None:
        """Reads which subjects there are; everything else is read when it is needed."""
        after = ""
        while subjects := await self._store.list_subjects(after=after, limit=_PAGE, show_deleted=False):
            for subject in subjects:
                self.note(subject)
            after = subjects[-1].name

    def note(self, subject: Subject) -> None:
        """Remembers the latest version of a subject, as it was just read or written."""
        if subject.delete_time is None and not subject.purged:
            self._latest[subject.name] = subject.latest_version
        else:
            self._latest.pop(subject.name, None)

    def latest_version(self, subject: str) -> int:
        """Answers the number of a subject's latest version, from memory.

        Raises:
            SubjectNotFound: No such subject, or it was deleted.
            SchemaVersionNotFound: It has no version that is not deleted.
        """
        latest = self._latest.get(subject)
        if latest is None:
            raise SubjectNotFound(shown(subject), close_names(subject, self._latest))
        if not latest:
            raise SchemaVersionNotFound(subject, 0, 0)
        return latest

    async def find_subject(self, name: str) -> Subject | None:
        """Answers a subject as it is now, deleted or not; None if there is none."""
        subject = await self._store.subject(name)
        if subject is None or name == DEFAULTS:
            return None
        self.note(subject)
        return None if subject.purged else subject

    async def any_subject(self, name: str) -> Subject:
        """Answers a subject as it is now, deleted or not.

        Raises:
            SubjectNotFound: There is none of that name.
        """
        subject = await self.find_subject(name)
        if subject is None:
            raise SubjectNotFound(shown(name), close_names(name, self._latest))
        return subject

    async def subject(self, name: str) -> Subject:
        """Answers a subject as it is now.

        Raises:
            SubjectNotFound: There is none of that name, or it was deleted.
        """
        subject = await self.any_subject(name)
        if subject.delete_time is not None:
            raise SubjectNotFound(name, deleted=True)
        return subject

    async def defaults(self) -> Promise:
        """Answers what subjects promise that say nothing themselves."""
        kept = await self._store.subject(DEFAULTS)
        return (kept and kept.promise) or DEFAULT_PROMISE

    async def get(self, subject: str, version: int = 0) -> SchemaVersion:
        """Answers a version, whole; 0 means the latest one. A deleted one is answered if its number is named.

        Raises:
            SubjectNotFound: No such subject; or it was deleted, and the latest version was asked for.
            SchemaVersionNotFound: The subject has no such version.
        """
        lineage = await (self.any_subject(subject) if version else self.subject(subject))
        wanted = version or lineage.latest_version
        found = await self._store.get(subject, wanted) if 0 < wanted <= HIGHEST_VERSION else None
        if found is None:
            raise SchemaVersionNotFound(subject, version, lineage.latest_version)
        return found

    async def get_live(self, subject: str, version: int = 0) -> SchemaVersion:
        """Answers a version that is not deleted, whole; 0 means the latest one.

        Raises:
            SubjectNotFound: No such subject, or it was deleted.
            SchemaVersionNotFound: The subject has no such version, or it was deleted.
        """
        lineage = await self.subject(subject)
        found = await self.get(subject, version)
        if found.delete_time is not None:
            raise SchemaVersionNotFound(subject, version, lineage.latest_version, deleted=True)
        return found

    async def get_by_type(self, type_name: str, version: int = 0) -> SchemaVersion:
        """Answers a version of the subject that an event type belongs to; 0 means the latest one.

        Raises:
            EventTypeNotFound: The type belongs to no subject.
            SubjectNotFound, SchemaVersionNotFound: As ``get``.
        """
        return await self.get(await self.owner(type_name), version)

    async def owner(self, type_name: str) -> str:
        """Answers the subject that an event type belongs to.

        Raises:
            EventTypeNotFound: The type belongs to no subject.
        """
        owner = (await self._store.owners([type_name])).get(type_name)
        if owner is None:
            similar = await self._store.similar_types(shown(type_name))
            raise EventTypeNotFound(shown(type_name), "the registry", close_names(type_name, similar))
        return owner

    async def list_versions(
        self, subject: str, *, after: int, limit: int, show_deleted: bool
    ) -> list[SchemaVersion]:
        """Answers at most ``limit`` versions above ``after``, oldest first, without what is large.

        Raises:
            SubjectNotFound: No such subject, or it was deleted and deleted ones were not asked for.
        """
        await (self.any_subject(subject) if show_deleted else self.subject(subject))
        after = min(after, HIGHEST_VERSION)
        return await self._store.list_versions(subject, after=after, limit=limit, show_deleted=show_deleted)

    async def all_versions(self, subject: str, *, show_deleted: bool = False) -> list[SchemaVersion]:
        """Answers all versions of a subject, oldest first, without what is large."""
        versions: list[SchemaVersion] = []
        while page := await self._store.list_versions(
            subject, after=versions[-1].version if versions else 0, limit=_PAGE, show_deleted=show_deleted
        ):
            versions += page
        return versions

    async def summary(self, subject: str, version: int) -> SchemaVersion | None:
        """Answers a version without what is large, deleted or not; None if there is none of that number."""
        before = max(version - 1, 0)
        found = await self._store.list_versions(subject, after=before, limit=1, show_deleted=True)
        return found[0] if found and found[0].version == version else None

    async def pages(self, subject: str) -> AsyncIterator[list[SchemaVersion]]:
        """Yields the versions that are not deleted with their descriptors, oldest first, in pages."""
        after = 0
        while page := await self._store.list_versions(
            subject, after=after, limit=_PAGE, show_deleted=False, descriptors=True
        ):
            yield page
            after = page[-1].version

    async def closure(self, references: Iterable[SchemaReference]) -> Sequence[SchemaVersion]:
        """Answers the versions that are referred to, directly and further on, whole, sorted by reference.

        Raises:
            LimitExceeded: They are too many, or too large.
            SubjectNotFound, SchemaVersionNotFound: One of them is not there.
        """
        found: dict[SchemaReference, SchemaVersion] = {}
        waiting, size = sorted(references, reverse=True), 0
        while waiting:
            reference = waiting.pop()
            if reference in found:
                continue
            schema = await self.get(reference.subject, reference.version)
            found[reference] = schema
            waiting.extend(schema.references)
            size += len(schema.descriptor_set) + sum(map(len, (schema.sources or {}).values()))
            _check_closure(len(found), size)
        return [found[reference] for reference in sorted(found)]


def _check_closure(versions: int, size: int) -> None:
    what = "of the versions that are referred to, directly and further on,"
    if versions > CLOSURE_VERSIONS:
        raise LimitExceeded(
            "closure_versions", CLOSURE_VERSIONS, versions, f"the number {what}", "references"
        )
    if size > CLOSURE_BYTES:
        raise LimitExceeded("closure_bytes", CLOSURE_BYTES, size, f"the size {what}", "references")
