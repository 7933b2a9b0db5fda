"""What the registry refuses, one exception a fact.

An exception's public attributes are its facts: they reach the caller as ``ErrorInfo.metadata``, so
they are named for people. ``reason`` is the value of ``tidegate.v1.ErrorReason`` without its prefix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry.compat.finding import Finding

VIOLATIONS_LISTED = 100
"""How many field violations an error lists at most; it counts the others."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One field at fault: its path in the request, what is wrong, and the rule's id if there is one."""

    field: str
    description: str
    rule_id: str = ""


class TidegateError(Exception):
    """A refusal with a reason from the catalogue. ``str()`` says what is wrong and what to do."""

    reason: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str, violations: Sequence[Violation] = ()) -> None:
        super().__init__(message)
        self._violations = tuple(violations[:VIOLATIONS_LISTED])

    @property
    def violations(self) -> tuple[Violation, ...]:
        """The fields at fault, at most ``VIOLATIONS_LISTED``."""
        return self._violations

    def facts(self) -> dict[str, str]:
        """Answers the public attributes as text, under their names."""
        return {name: _text(value) for name, value in vars(self).items() if not name.startswith("_")}


def _text(value: object) -> str:
    if isinstance(value, (tuple, list, frozenset, set)):
        return ", ".join(sorted(map(str, value)) if isinstance(value, (frozenset, set)) else map(str, value))
    return str(value)


class InvalidRequest(TidegateError):
    """The request is malformed: a field is missing, malformed, or not the caller's to set."""

    reason = "INVALID_REQUEST"

    def __init__(self, field: str, description: str) -> None:
        super().__init__(f"{field}: {description}", [Violation(field, description)])
        self.field = field


class LimitExceeded(TidegateError):
    """The request is over a limit; the message names the limit, its value and the request's."""

    reason = "LIMIT_EXCEEDED"

    def __init__(self, limit: str, maximum: int, actual: int, what: str, field: str = "") -> None:
        message = f"{what} is {actual:,}, over the limit {limit} = {maximum:,}"
        super().__init__(message, [Violation(field, message)] if field else ())
        self.limit = limit
        self.maximum = maximum
        self.actual = actual


class InvalidSchema(TidegateError):
    """The schema does not compile, breaks a limit, or carries a rule that can't be used.

    Each violation's field is a position (``shop/v1/order.proto:12:5``), a descriptor's full name, or
    a limit's name.
    """

    reason = "INVALID_SCHEMA"

    def __init__(self, problems: Sequence[Violation]) -> None:
        first = problems[0]
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{first.field}: {first.description}{more}", problems)


class IncompatibleSchema(TidegateError):
    """The schema breaks the promise of its subject; one violation a finding.

    Args:
        subject: The subject.
        promise: What it promises.
        findings: What breaks the promise, the first ones.
        count: How many findings there are.
    """

    reason = "INCOMPATIBLE_SCHEMA"

    def __init__(self, subject: str, promise: str, findings: Sequence[Finding], count: int) -> None:
        violations = [
            Violation(it.path, f"{it.change}: {it.effect}; {it.suggestion}", it.rule_id) for it in findings
        ]
        against = findings[0].against_version
        super().__init__(
            f"the schema is not {promise} compatible with version {against} of subject {subject!r}: "
            f"{violations[0].field}: {violations[0].description}"
            + (f" (and {count - 1:,} more)" if count > 1 else ""),
            violations,
        )
        self.subject = subject
        self.against_version = against
        self.promise = promise
        self.findings = count
        self._explained = tuple(findings)

    @property
    def explained(self) -> tuple[Finding, ...]:
        """The findings, at most ``VIOLATIONS_LISTED``, with their places and proofs."""
        return self._explained


class SubjectReadOnly(TidegateError):
    """The subject takes no versions."""

    reason = "SUBJECT_READ_ONLY"

    def __init__(self, subject: str) -> None:
        super().__init__(
            f"subject {subject!r} is READ_ONLY: no version can be added, deleted or restored. "
            f"Set its mode to READ_WRITE first."
        )
        self.subject = subject


class SubjectChanged(TidegateError):
    """The subject's settings were changed since its etag was read."""

    reason = "SUBJECT_CHANGED"

    def __init__(self, subject: str, etag: str) -> None:
        super().__init__(
            f"subject {subject!r} was changed since it was read. Read it again; its etag is {etag!r}."
        )
        self.subject = subject
        self.etag = etag


class SchemaDeleted(TidegateError):
    """The schema equals a version that was deleted, or belongs to a subject that was."""

    reason = "SCHEMA_DELETED"

    def __init__(self, subject: str, version: int) -> None:
        what = f"version {version} of subject {subject!r}" if version else f"subject {subject!r}"
        super().__init__(f"{what} was deleted. Restore it with RestoreSchema, or purge it first.")
        self.subject = subject
        self.version = version


class SchemaNeeded(TidegateError):
    """A stored event, a topic or a reference needs what was to be deleted."""

    reason = "SCHEMA_NEEDED"

    def __init__(self, subject: str, version: int, needed_by: Sequence[str]) -> None:
        what = f"version {version} of subject {subject!r}" if version else f"subject {subject!r}"
        super().__init__(f"{what} can't be removed: it is needed by {'; '.join(needed_by)}.")
        self.subject = subject
        self.version = version
        self.needed_by = tuple(needed_by)


class EventTypeNeeded(TidegateError):
    """A topic needs an event type that the schema does not have any more."""

    reason = "EVENT_TYPE_NEEDED"

    def __init__(self, subject: str, type_name: str, topics: Sequence[str]) -> None:
        super().__init__(
            f"the schema has no event type {type_name} any more, but topic {', '.join(topics)} accepts it. "
            f"Keep the message, or take the type from the topic's types first."
        )
        self.subject = subject
        self.type = type_name
        self.topics = tuple(topics)


class ReadersAffected(TidegateError):
    """The schema would break readers that are alive, and the subject refuses that."""

    reason = "READERS_AFFECTED"

    def __init__(self, subject: str, readers: Sequence[str]) -> None:
        super().__init__(
            f"the schema would break readers of subject {subject!r} that are alive: {', '.join(readers)}. "
            f"Move them to a version that can read it, or set block_on_readers of the subject to false."
        )
        self.subject = subject
        self.readers = tuple(readers)


class EventTypeTaken(TidegateError):
    """A message of that full name belongs to another subject."""

    reason = "EVENT_TYPE_TAKEN"

    def __init__(self, type_name: str, subject: str, owner: str) -> None:
        super().__init__(
            f"message {type_name} can't be registered under subject {subject!r}: it belongs to subject "
            f"{owner!r}. Refer to that subject instead of sending its file: --reference {owner}[@VERSION]; "
            f"or give this copy a package of its own."
        )
        self.type = type_name
        self.subject = subject
        self.owner = owner


def _hint(near: Sequence[str], what: str) -> str:
    return f" Close to it: {', '.join(near)}." if near else f" There is no {what} of a similar name."


class SubjectNotFound(TidegateError):
    """No subject of that name."""

    reason = "SUBJECT_NOT_FOUND"

    def __init__(self, subject: str, near: Sequence[str] = (), *, deleted: bool = False) -> None:
        super().__init__(
            f"subject {subject!r} was deleted. Restore it with RestoreSchema."
            if deleted
            else f"subject {subject!r} does not exist.{_hint(near, 'subject')}"
        )
        self.subject = subject
        self.near = tuple(near)


class SchemaVersionNotFound(TidegateError):
    """The subject has no such version."""

    reason = "SCHEMA_VERSION_NOT_FOUND"

    def __init__(self, subject: str, version: int, latest_version: int, *, deleted: bool = False) -> None:
        wrong = (
            f"version {version} of subject {subject!r} was deleted"
            if deleted
            else (f"subject {subject!r} has no version {version or ''}".rstrip())
        )
        latest = f"its latest version is {latest_version}" if latest_version else "it has none"
        super().__init__(f"{wrong}; {latest}.")
        self.subject = subject
        self.version = version
        self.latest_version = latest_version


class EventTypeNotFound(TidegateError):
    """The schema version has no message of that name."""

    reason = "EVENT_TYPE_NOT_FOUND"

    def __init__(self, type_name: str, where: str, near: Sequence[str] = ()) -> None:
        super().__init__(f"{where} has no event type {type_name!r}.{_hint(near, 'event type')}")
        self.type = type_name
        self.near = tuple(near)


class InvalidEvents(TidegateError):
    """At least one event failed its schema; one violation an event at fault.

    ``events_at_fault`` is exact unless ``at_least`` is set: then the check stopped counting.
    """

    reason = "INVALID_EVENT"

    def __init__(
        self, violations: Sequence[Violation], events_at_fault: int, *, at_least: bool = False
    ) -> None:
        first = violations[0]
        count = f"{'at least ' if at_least else ''}{events_at_fault:,}"
        plural = "event fails its" if events_at_fault == 1 and not at_least else "events fail their"
        super().__init__(f"{count} {plural} schema: {first.field}: {first.description}", violations)
        self.events_at_fault = events_at_fault
        self.at_least = at_least


class StorageFull(TidegateError):
    """The disk is full; nothing of the request was stored."""

    reason = "STORAGE_FULL"

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(
            f"the log {path} can't grow: {detail}. Nothing of this request was stored. Free disk "
            f"space; publishing then goes on by itself."
        )
        self.path = path


class StorageReadOnly(TidegateError):
    """The log's file can be read but not written."""

    reason = "STORAGE_READ_ONLY"

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(
            f"the log {path} can't be written: {detail}. Nothing of this request was stored. "
            f"Make the file and its folder writable."
        )
        self.path = path


class StorageFailed(TidegateError):
    """The log can't be read or written; whether an append took place is not known."""

    reason = "STORAGE_FAILED"

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(
            f"the log {path} failed: {detail}. Whether this request was stored is not known: "
            f"retry it with the same request_id."
        )
        self.path = path
