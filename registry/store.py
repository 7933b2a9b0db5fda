"""Where subjects and schema versions are kept: the interface, one module an engine beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry.schema import SchemaVersion, Subject


class VersionConflict(Exception):
    """Somebody else appended that version, or took one of its types: read again, decide again."""


class SchemaStore(Protocol):
    """Durable, append-only lineages of schema versions, shared by all who open the same store.

    Methods may be called concurrently, from one event loop or several. What ``add`` has answered
    outlives the process, and is seen by every later call, whoever makes it.
    """

    async def add(self, schema: SchemaVersion) -> None:
        """Appends a version to its subject; version 1 makes the subject. All or nothing.

        Raises:
            VersionConflict: The subject's latest version is not ``schema.version - 1``, or one of
                ``schema.types`` belongs to another subject, or the subject has the fingerprint.
        """
        ...

    async def get(self, subject: str, reference: int | str) -> SchemaVersion | None:
        """Answers the version with that number (int) or fingerprint (str), whole; None if there is none."""
        ...

    async def owners(self, types: Sequence[str]) -> dict[str, str]:
        """Answers to which subject each of ``types`` belongs; types of nobody are left out."""
        ...

    async def similar_types(self, type_name: str) -> list[str]:
        """Answers at most 1,000 types that somebody could have meant by ``type_name``, in no order."""
        ...

    async def list_versions(self, subject: str, *, after: int, limit: int) -> list[SchemaVersion]:
        """Answers versions above ``after``, oldest first, without descriptors and sources."""
        ...

    async def list_subjects(self, *, after: str, limit: int) -> list[Subject]:
        """Answers subjects whose names sort behind ``after``, by name (code points)."""
        ...
