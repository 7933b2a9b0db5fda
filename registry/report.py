"""What the registry answers about a candidate, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from registry.compat.finding import Finding
    from registry.compat.promise import Promise
    from registry.compiling.compiler import Compiled
    from registry.schema import Reader, SchemaReference, SchemaVersion
    from registry.uses import LiveFilter

FINDINGS_EXPLAINED = 1_000
"""How many findings a report lists at most; it counts the others."""
VERSIONS_EXPLAINED = 10
"""Against how many versions findings are explained: loading a version takes longer than comparing it."""
READERS_LISTED = 100
"""How many readers that a candidate would break are listed at most."""
FILTERS_LISTED = 100
"""How many live filters that a candidate would break are listed at most."""
FILTERS_TRIED = 2_000
"""How many live filters are tried on a candidate at most: about a millisecond each."""
NOTICES_ANSWERED = 100
"""How many notices a registration answers at most."""


@dataclass(frozen=True, slots=True)
class AffectedReader:
    """A reader that a candidate would break, and its findings as ``RULE_ID path``, at most 20."""

    reader: Reader
    findings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AffectedFilter:
    """A live filter that would not compile with a candidate, and why."""

    live: LiveFilter
    error: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a schema would change.

    Attributes:
        compiled: The candidate, compiled.
        promise: What it was held against.
        against: The versions that it was compared with, ascending.
        findings: What breaks the promise first, then by path; at most ``FINDINGS_EXPLAINED``. Those against
            the first ``VERSIONS_EXPLAINED`` versions that are named there have places and proofs.
        breaking_count: How many findings break the promise, listed or not.
        notice_count: How many don't.
        equal_version: The version of the subject that it equals; 0 if none does.
        readers: The readers that it would break, those that are alive first; at most ``READERS_LISTED``.
        referenced_by: The versions of other subjects that import files of this subject, at most 100.
        added_types: Event types that it would add, sorted.
        removed_types: Event types that it would remove, sorted.
        topics_in_need: Topics that need one of the removed types.
        blocked_by_readers: Whether the subject refuses it because of readers that are alive.
        filters: The live filters that would not compile with it, those of groups first; at most
            ``FILTERS_LISTED``.
    """

    compiled: Compiled
    promise: Promise
    against: tuple[int, ...] = ()
    findings: tuple[Finding, ...] = ()
    breaking_count: int = 0
    notice_count: int = 0
    equal_version: int = 0
    readers: tuple[AffectedReader, ...] = ()
    referenced_by: tuple[SchemaReference, ...] = ()
    added_types: tuple[str, ...] = ()
    removed_types: tuple[str, ...] = ()
    topics_in_need: tuple[str, ...] = ()
    blocked_by_readers: bool = False
    filters: tuple[AffectedFilter, ...] = ()


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of a registration.

    Attributes:
        schema: The version.
        created: Whether this registration made it.
        notices: What changed against the version before it without breaking the promise, at most
            ``NOTICES_ANSWERED``; empty if it was there.
        filters: The live filters that don't compile with it, as in ``CheckReport``; empty if it was there.
    """

    schema: SchemaVersion
    created: bool
    notices: tuple[Finding, ...] = ()
    filters: tuple[AffectedFilter, ...] = ()
