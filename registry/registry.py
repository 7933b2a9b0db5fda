"""The registry: what is asked of it, and which part answers.

``register`` and ``check`` begin in ``registration``, ``delete`` and ``restore`` in ``deletion``, settings in
``settings``. What is read comes from ``lineages``; what events are checked with from ``validators``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from registry.candidates import Candidates
from registry.changing import Changing
from registry.checks import Checks
from registry.decoding import Decoding
from registry.deletion import Deletion
from registry.dry_run import DryRun
from registry.lineages import Lineages
from registry.readability import Readability
from registry.registration import Registration
from registry.schema import Author, SchemaLimits
from registry.settings import Settings
from registry.threads import Threads
from registry.uses import NoUses
from registry.validators import Validators

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from registry.checking.validator import BatchValidator
    from registry.compat.promise import Promise
    from registry.report import CheckReport, Registered
    from registry.schema import Candidate, Change, SchemaReference, SchemaVersion, Subject
    from registry.store import SchemaStore
    from registry.uses import SchemaUses

_DEFAULT_LIMITS = SchemaLimits()
_NOBODY = Author()
_NO_USES = NoUses()


class Registry:
    """Subjects and their schema versions, over a ``SchemaStore``. Used from one event loop.

    Work that takes time runs on threads of its own. Any number of calls may run at once: each outcome is
    as if they had come one after the other.

    Args:
        store: Keeps everything.
        limits: What a schema may cost.
        uses: Who needs schemas.
    """

    def __init__(
        self, store: SchemaStore, limits: SchemaLimits = _DEFAULT_LIMITS, uses: SchemaUses = _NO_USES
    ) -> None:
        threads = Threads()
        self._store = store
        self._lineages = Lineages(store)
        self._validators = Validators(self._lineages, threads)
        self._readability = Readability(self._lineages, threads)
        self.decoding = Decoding(self._lineages, threads)
        """What stored events are read with."""
        self._changing = Changing(store, self._lineages, self._validators)
        self._checks = Checks(self._lineages, uses, threads)
        candidates = Candidates(self._lineages, limits, threads)
        self._registration = Registration(store, candidates, self._checks, self._changing)
        self._dry_run = DryRun(store, self._lineages, candidates, self._checks, self._registration)
        self._settings = Settings(store, self._lineages, self._changing)
        self._deletion = Deletion(store, self._lineages, self._changing, uses)

    async def open(self) -> None:
        """Reads which subjects there are; everything else is read when it is needed."""
        await self._lineages.open()

    async def register(
        self, subject: str, candidate: Candidate, *, author: Author = _NOBODY, version: int = 0
    ) -> Registered:
        """Makes a schema the subject's next version, or answers the version that equals it.

        Args:
            subject: The subject's name; the first registration makes it.
            candidate: The schema.
            author: Who, and why.
            version: The version's number, in mode IMPORT and only there.

        Raises:
            InvalidRequest: The subject's name or the version is not one that may be, or no schema is given.
            InvalidSchema: The schema does not compile, or is over a limit, or has a bad rule.
            EventTypeTaken: One of its messages belongs to another subject.
            IncompatibleSchema: It breaks the subject's promise.
            EventTypeNeeded: It lacks an event type that a topic accepts.
            ReadersAffected: It would break a reader that is alive, and the subject refuses that.
            SchemaDeleted: It equals a deleted version, or the subject was deleted.
            SubjectReadOnly: The subject takes no versions.
            SubjectNotFound, SchemaVersionNotFound: What it refers to is not there.
            LimitExceeded: What it refers to is too much.
        """
        return await self._registration.register(subject, candidate, author, version)

    async def check(
        self,
        subject: str,
        candidate: Candidate,
        *,
        against: int | None = None,
        all_versions: bool = False,
        promise: Promise | None = None,
    ) -> CheckReport:
        """Tells what a registration would do, without doing it.

        Args:
            subject: The subject's name. It need not exist.
            candidate: The schema.
            against: The version to compare with, deleted or not; 0 for the latest one. None: what a
                registration would be held against.
            all_versions: Whether to compare with all versions that are not deleted.
            promise: What to hold it against, instead of what the subject promises.

        Raises:
            InvalidRequest, InvalidSchema, EventTypeTaken, SchemaDeleted: As ``register``.
            SubjectNotFound, SchemaVersionNotFound, LimitExceeded: As ``register``; or there is no such
                version to compare with.
        """
        return await self._dry_run.check(
            subject, candidate, against=against, all_versions=all_versions, promise=promise
        )

    async def get(self, subject: str, version: int = 0) -> SchemaVersion:
        """Answers a version, whole; 0 means the latest one. A deleted one is answered if its number is named.

        Raises:
            SubjectNotFound: No such subject; or it was deleted, and the latest version was asked for.
            SchemaVersionNotFound: The subject has no such version.
        """
        return await self._lineages.get(subject, version)

    async def get_by_type(self, type_name: str, version: int = 0) -> SchemaVersion:
        """Answers a version of the subject that an event type belongs to; 0 means the latest one.

        Raises:
            EventTypeNotFound: The type belongs to no subject.
            SubjectNotFound, SchemaVersionNotFound: As ``get``.
        """
        return await self._lineages.get_by_type(type_name, version)

    async def closure(self, schema: SchemaVersion) -> Sequence[SchemaVersion]:
        """Answers the versions that a version refers to, directly and further on, by subject and number."""
        return await self._lineages.closure(schema.references)

    async def list_versions(
        self, subject: str, *, after: int, limit: int, show_deleted: bool = False
    ) -> list[SchemaVersion]:
        """Answers at most ``limit`` versions above ``after``, oldest first, without what is large.

        Raises:
            SubjectNotFound: No such subject, or it was deleted and deleted ones were not asked for.
        """
        return await self._lineages.list_versions(
            subject, after=after, limit=limit, show_deleted=show_deleted
        )

    async def list_subjects(self, *, after: str, limit: int, show_deleted: bool = False) -> list[Subject]:
        """Answers at most ``limit`` subjects whose names sort behind ``after``, by name."""
        return await self._store.list_subjects(after=after, limit=limit, show_deleted=show_deleted)

    async def get_subject(self, name: str) -> Subject:
        """Answers a subject, deleted or not.

        Raises:
            SubjectNotFound: No such subject.
        """
        return await self._lineages.any_subject(name)

    async def update_subject(
        self, name: str, *, etag: str = "", author: Author = _NOBODY, **changes: Any
    ) -> Subject:
        """Changes ``promise``, ``mode`` or ``block_on_readers`` of a subject; makes it if there is none.

        ``direction`` or ``surface`` change a part of the promise. An empty etag fits any state.

        Raises:
            InvalidRequest: The name is malformed, or mode IMPORT is asked for too late.
            SubjectChanged: Its state is another than ``etag``.
            SubjectNotFound: It was deleted; or there is none, and an etag was given.
        """
        return await self._settings.update(name, etag, author, changes)

    async def defaults(self) -> Promise:
        """Answers what subjects promise that say nothing themselves."""
        return await self._lineages.defaults()

    async def update_defaults(self, promise: Promise, author: Author = _NOBODY) -> Promise:
        """Changes what subjects promise that say nothing themselves."""
        return await self._settings.update_defaults(promise, author)

    async def promise_of(self, subject: str) -> Promise:
        """Answers the promise that holds for a subject, or would if there is none of that name."""
        return await self._checks.promise_of(await self._lineages.find_subject(subject))

    async def delete(
        self, subject: str, version: int = 0, *, purge: bool = False, author: Author = _NOBODY
    ) -> None:
        """Hides a version, or with 0 the whole subject; or removes what is hidden for good.

        What is hidden still decodes events that are stored. What is hidden already stays as it is. Numbers
        of what was removed are never given again.

        Raises:
            SubjectNotFound, SchemaVersionNotFound: There is no such thing.
            SubjectReadOnly: The subject's mode forbids it.
            SchemaNeeded: A topic, a stored event or a reference needs it.
            InvalidRequest: It is to be removed for good, but was not hidden before.
        """
        await self._deletion.delete(subject, version, author, purge=purge)

    async def restore(self, subject: str, version: int = 0, *, author: Author = _NOBODY) -> Subject:
        """Makes a hidden version seen again, or with 0 the subject and what was hidden with it.

        Whether a restored version keeps the promise is not checked: it did when it was registered.

        Raises:
            SubjectNotFound, SchemaVersionNotFound: There is no such thing.
            SubjectReadOnly: The subject's mode forbids it.
            EventTypeNeeded: It would be the latest version, and lacks an event type that a topic accepts.
            InvalidRequest: The whole subject is hidden, and only a version was named.
        """
        return await self._deletion.restore(subject, version, author)

    async def changes(self, subject: str = "", *, before: int, limit: int) -> list[Change]:
        """Answers at most ``limit`` changes with numbers below ``before``, the latest first.

        Of one subject; or, without a name, of all and of the defaults.
        """
        return await self._store.changes(subject or None, before=before, limit=limit)

    async def referencing(self, subject: str, version: int = 0, limit: int = 100) -> list[SchemaReference]:
        """Answers at most ``limit`` versions that refer to a version, or with 0 to any of the subject."""
        return await self._store.referencing(subject, version, limit=limit)

    async def readable(self, subject: str, writer_version: int, reader_version: int, type_name: str) -> bool:
        """Tells whether binary events of a type, written with one version, can be read with another one.

        The answer is remembered.

        Raises:
            SubjectNotFound, SchemaVersionNotFound: One of the versions is not there.
        """
        return await self._readability.readable(subject, writer_version, reader_version, type_name)

    def changing(self, subject: str) -> asyncio.Lock:
        """Answers the lock that is held while a subject or its versions change.

        Who begins to need them, such as a new topic, makes sure that they are there and begins under it.
        """
        return self._changing.lock(subject)

    def latest_version(self, subject: str) -> int:
        """Answers the number of the subject's latest version, from memory.

        Raises:
            SubjectNotFound: No such subject, or it was deleted.
            SchemaVersionNotFound: It has no version that is not deleted.
        """
        return self._lineages.latest_version(subject)

    @property
    def deletions(self) -> int:
        """How often versions were deleted so far: who checks events notices that one was meanwhile."""
        return self._validators.dropped

    def cached_validator(self, subject: str, version: int, type_name: str) -> BatchValidator | None:
        """Answers a validator that is ready, at the price of a look-up; None if it must be built."""
        return self._validators.cached(subject, version, type_name)

    async def validator(self, subject: str, version: int, type_name: str) -> BatchValidator:
        """Answers the validator of an event type in a version, and builds it if it is not ready.

        Building runs on a thread, one at a time.

        Raises:
            SubjectNotFound, SchemaVersionNotFound: No such version, or it was deleted; there is no version 0.
            EventTypeNotFound: The version has no such type.
        """
        return await self._validators.get(subject, version, type_name)
