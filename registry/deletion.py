"""Hiding versions and subjects, removing them for good, and bringing back what is hidden.

What is hidden still decodes what is stored, and keeps its number, its types and its references. A version
that another one refers to is never hidden, so that references always lead to what is there.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from registry.changing import now
from registry.errors import (
    EventTypeNeeded,
    InvalidRequest,
    SchemaNeeded,
    SchemaVersionNotFound,
    SubjectReadOnly,
)
from registry.schema import Change, ChangeKind, SubjectMode
from registry.settings import made_anew
from registry.store import Edit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from registry.changing import Changing
    from registry.lineages import Lineages
    from registry.schema import Author, SchemaReference, SchemaVersion, Subject
    from registry.store import SchemaStore
    from registry.uses import SchemaUses

NAMED = 20
"""How many versions an error names that are in need of another one, and a record that are concerned."""


class Deletion:
    """Deletes and restores, where nobody needs what would go."""

    def __init__(self, store: SchemaStore, lineages: Lineages, changing: Changing, uses: SchemaUses) -> None:
        self._store = store
        self._lineages = lineages
        self._changing = changing
        self._uses = uses

    async def delete(self, name: str, version: int, author: Author, *, purge: bool) -> None:
        """Hides a version, or all of a subject; or removes for good; see ``Registry.delete``."""

        async def attempt() -> None:
            subject, versions = await self._read(name)
            if purge and version:
                await self._purge_version(subject, versions, version, author)
            elif purge:
                await self._purge_subject(subject, versions, author)
            elif version:
                await self._hide_version(subject, versions, version, author)
            else:
                await self._hide_subject(subject, versions, author)

        await self._changing.run(name, attempt)

    async def restore(self, name: str, version: int, author: Author) -> Subject:
        """Makes a hidden version, or a subject, seen again; see ``Registry.restore``."""

        async def attempt() -> Subject:
            subject, versions = await self._read(name)
            if version:
                return await self._restore_version(subject, versions, version, author)
            return await self._restore_subject(subject, versions, author)

        return await self._changing.run(name, attempt)

    async def _read(self, name: str) -> tuple[Subject, Sequence[SchemaVersion]]:
        subject = await self._lineages.any_subject(name)
        if subject.mode is SubjectMode.READ_ONLY:
            raise SubjectReadOnly(name)
        return subject, await self._lineages.all_versions(name, show_deleted=True)

    async def _hide_version(
        self, subject: Subject, versions: Sequence[SchemaVersion], version: int, author: Author
    ) -> None:
        schema = _find(subject, versions, version)
        if schema.delete_time is not None:
            return
        await self._require_unreferenced(subject.name, version)
        left = [it for it in versions if it.delete_time is None and it is not schema]
        self._require_types(subject, version, left)
        change = Change(ChangeKind.DELETE, subject.name, version, author, "", now())
        after = replace(subject, latest_version=left[-1].version if left else 0)
        await self._changing.apply(Edit(subject, after, change, delete_times={version: change.time}))

    def _require_types(self, subject: Subject, version: int, left: Sequence[SchemaVersion]) -> None:
        """Checks that what is the latest of ``left`` has what topics of the subject accept."""
        types = set(left[-1].types) if left else set[str]()
        needed_by = [
            f"topic {use.topic}"
            for use in self._uses.topics(subject.name)
            if not left or not types.issuperset(use.types)
        ]
        if needed_by:
            raise SchemaNeeded(subject.name, version, needed_by)

    async def _hide_subject(
        self, subject: Subject, versions: Sequence[SchemaVersion], author: Author
    ) -> None:
        if subject.delete_time is not None:
            return
        self._require_types(subject, 0, [])
        await self._require_unreferenced(subject.name, 0)
        live = [it.version for it in versions if it.delete_time is None]
        change = Change(ChangeKind.DELETE, subject.name, 0, author, _told(live), _behind(versions))
        after = replace(subject, latest_version=0, delete_time=change.time)
        await self._changing.apply(
            Edit(subject, after, change, delete_times=dict.fromkeys(live, change.time))
        )

    async def _purge_version(
        self, subject: Subject, versions: Sequence[SchemaVersion], version: int, author: Author
    ) -> None:
        if _find(subject, versions, version).delete_time is None:
            raise _not_deleted(f"version {version} of subject {subject.name!r}")
        await self._require_unused(subject.name, version)
        change = Change(ChangeKind.PURGE, subject.name, version, author, "", now())
        await self._changing.apply(Edit(subject, subject, change, purged=(version,)))

    async def _purge_subject(
        self, subject: Subject, versions: Sequence[SchemaVersion], author: Author
    ) -> None:
        if subject.delete_time is None:
            raise _not_deleted(f"subject {subject.name!r}")
        self._require_types(subject, 0, [])
        await self._require_unused(subject.name, 0)
        numbers = tuple(it.version for it in versions)
        change = Change(ChangeKind.PURGE, subject.name, 0, author, _told(numbers), now())
        after = replace(made_anew(subject.name, subject), purged=True)
        await self._changing.apply(Edit(subject, after, change, purged=numbers))

    async def _restore_version(
        self, subject: Subject, versions: Sequence[SchemaVersion], version: int, author: Author
    ) -> Subject:
        schema = _find(subject, versions, version)
        if subject.delete_time is not None:
            raise InvalidRequest("version", f"subject {subject.name!r} was deleted as a whole: restore that")
        if schema.delete_time is None:
            return subject
        if version > subject.latest_version:
            for use in self._uses.topics(subject.name):
                for missing in sorted(set(use.types).difference(schema.types)):
                    raise EventTypeNeeded(subject.name, missing, [use.topic])
        change = Change(ChangeKind.RESTORE, subject.name, version, author, "", now())
        after = replace(subject, latest_version=max(version, subject.latest_version))
        return await self._changing.apply(Edit(subject, after, change, delete_times={version: None}))

    async def _restore_subject(
        self, subject: Subject, versions: Sequence[SchemaVersion], author: Author
    ) -> Subject:
        if subject.delete_time is None:
            return subject
        hidden = [it.version for it in versions if it.delete_time == subject.delete_time]
        change = Change(ChangeKind.RESTORE, subject.name, 0, author, _told(hidden), now())
        after = replace(subject, latest_version=max(hidden, default=0), delete_time=None)
        return await self._changing.apply(
            Edit(subject, after, change, delete_times=dict.fromkeys(hidden, None))
        )

    async def _require_unreferenced(self, name: str, version: int) -> None:
        found = await self._store.referencing(name, version, limit=NAMED)
        if found:
            raise SchemaNeeded(name, version, [await self._named(it) for it in found])

    async def _named(self, reference: SchemaReference) -> str:
        schema = await self._lineages.summary(reference.subject, reference.version)
        hidden = " (deleted, but not purged)" if schema and schema.delete_time else ""
        return f"version {reference.version} of subject {reference.subject!r}{hidden}"

    async def _require_unused(self, name: str, version: int) -> None:
        await self._require_unreferenced(name, version)
        topics = await self._uses.stored(name, version)
        if topics:
            raise SchemaNeeded(name, version, [f"events stored in topic {topic}" for topic in topics])


def _find(subject: Subject, versions: Iterable[SchemaVersion], version: int) -> SchemaVersion:
    found = next((it for it in versions if it.version == version), None)
    if found is None:
        raise SchemaVersionNotFound(subject.name, version, subject.latest_version)
    return found


def _not_deleted(what: str) -> InvalidRequest:
    return InvalidRequest("purge", f"{what} is not deleted: delete it first, then purge it")


def _behind(versions: Iterable[SchemaVersion]) -> datetime:
    """Answers a time that no version was deleted at: it tells what is hidden with the subject."""
    moment = timedelta(microseconds=1)
    return max([now(), *(it.delete_time + moment for it in versions if it.delete_time is not None)])


def _told(versions: Sequence[int]) -> str:
    if not versions:
        return "no version"
    more = f" and {len(versions) - NAMED:,} more" if len(versions) > NAMED else ""
    plural = "s" if len(versions) > 1 else ""
    return f"version{plural} {', '.join(map(str, versions[:NAMED]))}{more}"
