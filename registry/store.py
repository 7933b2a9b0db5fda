"""Where subjects and schema versions are kept: the interface, one module an engine beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from registry.schema import Change, SchemaReference, SchemaVersion, Subject

DEFAULTS = ""
"""The name under which the deployment's defaults are kept, as a subject that has a promise alone."""


class Conflict(Exception):
    """Somebody else changed what an edit was made from, or took what it takes: read again, decide again."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change of a subject, with all that it does.

    Attributes:
        before: The subject as it was read; None if there was none, not even a purged one.
        after: What becomes of it.
        change: What is recorded.
        added: A new version.
        delete_times: Versions by number that are hidden (when), or seen again (None).
        purged: Numbers of the versions that are removed for good.
    """

    before: Subject | None
    after: Subject
    change: Change
    added: SchemaVersion | None = None
    delete_times: Mapping[int, datetime | None] = field(default_factory=dict)
    purged: tuple[int, ...] = ()


class SchemaStore(Protocol):
    """Durable lineages of schema versions, shared by all who open the same store.

    Methods may be called concurrently, from one event loop or several. What ``apply`` has answered
    outlives the process, and is seen by every later call, whoever makes it.
    """

    async def apply(self, edit: Edit) -> Subject:
        """Makes one change, and records it under the next number: all or nothing.

        Types of versions that are purged are nobody's as soon as no version of the subject has them.

        Returns:
            The subject as it is now, with its revision.

        Raises:
            Conflict: The subject's revision is not that of ``before``. Or the added version has a type of
                another subject, or a number or fingerprint that the subject has, or refers to a version
                that is deleted or not there. Or a version that is hidden or purged is referred to.
        """
        ...

    async def subject(self, name: str) -> Subject | None:
        """Answers a subject, also one that is deleted or purged; None if there never was one."""
        ...

    async def list_subjects(self, *, after: str, limit: int, show_deleted: bool) -> list[Subject]:
        """Answers subjects whose names sort behind ``after``, by name (code points); no purged ones."""
        ...

    async def get(self, subject: str, reference: int | str) -> SchemaVersion | None:
        """Answers the version with that number (int) or fingerprint (str), whole; None if there is none."""
        ...

    async def list_versions(
        self, subject: str, *, after: int, limit: int, show_deleted: bool, descriptors: bool = False
    ) -> list[SchemaVersion]:
        """Answers versions above ``after``, oldest first, without sources and positions.

        With ``descriptors`` they have those, and the answer also ends, behind one version at least, before
        it takes much memory.
        """
        ...

    async def owners(self, types: Sequence[str]) -> dict[str, str]:
        """Answers to which subject each of ``types`` belongs; types of nobody are left out."""
        ...

    async def similar_types(self, type_name: str) -> list[str]:
        """Answers at most 1,000 types that somebody could have meant by ``type_name``, in no order."""
        ...

    async def referencing(self, subject: str, version: int, *, limit: int) -> list[SchemaReference]:
        """Answers the versions that refer to a version, sorted; version 0 means any of the subject."""
        ...

    async def changes(self, subject: str | None, *, before: int, limit: int) -> list[Change]:
        """Answers changes with numbers below ``before``, the latest first; of one subject, or of all."""
        ...
