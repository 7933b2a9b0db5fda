"""What calls to a gateway raise: one exception a reason of the contract's catalogue.

``tidegate.v1.error_pb2.ErrorReason`` is the catalogue; ``tests/test_client_errors.py`` holds it and the
classes here equal. Imports gRPC and the generated stubs, nothing else of the client.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import grpc
from google.rpc import error_details_pb2, status_pb2

from tidegate.v1 import error_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DOMAIN = "tidegate"
_PREFIX = "ERROR_REASON_"
_DETAILS_KEY = "grpc-status-details-bin"
_STATUS_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Violation:
    """One field at fault: its path, what is wrong with it, and the broken rule's id if there is one."""

    field: str
    description: str
    rule_id: str = ""

    def __str__(self) -> str:
        rule = f" [{self.rule_id}]" if self.rule_id else ""
        return f"{self.field}: {self.description}{rule}"


class TidegateError(Exception):
    """The gateway refused, or could not be asked. ``str()`` says what is wrong and what to do.

    A reason that this version of the client does not know yet arrives as this class itself.

    Attributes:
        reason: The reason's name in the catalogue, such as ``INVALID_EVENT``; empty if it has none.
        code: The gRPC status code.
        message: The sentence for people.
        facts: The facts of the reason, as text under their names.
        violations: The fields at fault, at most 100.
    """

    _reason: ClassVar[str] = ""
    _code: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        code: grpc.StatusCode | None = None,
        facts: Mapping[str, str] | None = None,
        violations: Iterable[Violation] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = self._reason if reason is None else reason
        self.code = self._code if code is None else code
        self.facts = dict(facts or {})
        self.violations = tuple(violations)

    @property
    def is_transient(self) -> bool:
        """Whether the same request may succeed later without anybody changing it."""
        return self.code is grpc.StatusCode.UNAVAILABLE


class Unreachable(TidegateError):
    """No gateway answered: nothing listens there, the connection broke, or the time was up.

    Whether a request that was under way was carried out is not known.
    """

    _code = grpc.StatusCode.UNAVAILABLE


class InvalidRequest(TidegateError):
    """The request is malformed: a field is missing, malformed, or not the caller's to set."""


class InvalidEvent(TidegateError):
    """At least one event failed its schema; ``violations`` name event, field and rule.

    On the future of a publisher's event the violations are this event's alone, and their paths begin
    at the event (``data.amount_cents``).
    """


class InvalidSchema(TidegateError):
    """The schema does not compile, breaks a limit, or carries a rule that can't be used."""


class RequestIdReused(TidegateError):
    """The request_id was used before, with other bytes."""


class TopicNotFound(TidegateError):
    """No topic of that name."""


class EventTypeNotFound(TidegateError):
    """The schema version has no message of that name."""


class SubjectNotFound(TidegateError):
    """No subject of that name."""


class SchemaVersionNotFound(TidegateError):
    """The subject has no such version."""


class TopicAlreadyExists(TidegateError):
    """A topic of that name exists."""


class EventTypeNotAccepted(TidegateError):
    """The topic accepts other event types only."""


class IncompatibleSchema(TidegateError):
    """The schema breaks the promise of its subject; one violation a finding."""


class EventTypeTaken(TidegateError):
    """A message of that full name belongs to another subject."""


class TopicNotEmpty(TidegateError):
    """The topic still holds events, and ``force`` was not set."""


class TopicChanged(TidegateError):
    """The topic was changed since its etag was read."""


class UnexpectedSequence(TidegateError):
    """A topic's last sequence is not the expected one: read again, decide again."""


class StreamStopped(TidegateError):
    """An earlier request of the stream was rejected, so this one was not tried."""


class SequenceOutOfRange(TidegateError):
    """The position lies outside of the log."""


class EventsRemoved(TidegateError):
    """Retention removed events that the subscription would have delivered."""


class LimitExceeded(TidegateError):
    """The request is over a limit of the gateway's configuration; the facts name it."""


class StorageFull(TidegateError):
    """The gateway's disk is full; nothing of the request was stored."""


class StorageReadOnly(TidegateError):
    """The gateway's log can be read but not written."""


class StorageFailed(TidegateError):
    """The gateway's log failed; whether the request was stored is not known."""


class Draining(TidegateError):
    """The gateway is stopping: connect again."""


class SubjectReadOnly(TidegateError):
    """The subject takes no versions: its mode is READ_ONLY."""


class SubjectChanged(TidegateError):
    """The subject's settings were changed since its etag was read."""


class SchemaDeleted(TidegateError):
    """The schema equals a version that was deleted, or names one: restore it."""


class SchemaNeeded(TidegateError):
    """A stored event, a topic or a reference needs what was to be deleted."""


class EventTypeNeeded(TidegateError):
    """A topic needs an event type that the schema does not have any more."""


class ReadersAffected(TidegateError):
    """The schema would break readers that are alive, and the subject refuses that."""


class IncompatibleVersion(TidegateError):
    """The next event was written with a schema version that the reader's can't read."""


class InvalidFilter(TidegateError):
    """A filter does not compile, is not a bool, or may cost too much; the violation names the column."""


class GroupNotFound(TidegateError):
    """No group of that name."""


class GroupAlreadyExists(TidegateError):
    """A group of that name exists."""


class GroupChanged(TidegateError):
    """The group was changed since its etag was read."""


class GroupDiffers(TidegateError):
    """A subscription says something else than its group has; the facts name the field and both values."""


class GroupInUse(TidegateError):
    """The group has members or dead letters, and ``force`` was not set."""


class DeadLetterNotFound(TidegateError):
    """The group has no dead letter of that sequence."""


class KeyNotParked(TidegateError):
    """The key is not parked."""


class EventNotHeld(TidegateError):
    """The event is neither a dead letter of the group nor one that failed and is not settled."""


class KeysNotIndexed(TidegateError):
    """The topic does not index its keys, or is still busy indexing those that it had before."""


class Internal(TidegateError):
    """A fault of the gateway; its log has the details."""


def _name_of(reason: str) -> str:
    return "".join(word.capitalize() for word in reason.split("_"))


def _catalogue() -> dict[str, type[TidegateError]]:
    """Joins each reason of the contract to its class, and gives the class its reason and status code."""
    classes = {cls.__name__: cls for cls in TidegateError.__subclasses__()}
    joined = {}
    status_code: Any = error_pb2.status_code  # its stub says FieldDescriptor, which no index accepts
    for value in error_pb2.ErrorReason.DESCRIPTOR.values:
        reason = value.name.removeprefix(_PREFIX)
        cls = classes.get(_name_of(reason))
        if cls is not None:
            cls._reason = reason
            cls._code = _STATUS_CODES[value.GetOptions().Extensions[status_code]]
            joined[reason] = cls
    return joined


BY_REASON: Mapping[str, type[TidegateError]] = _catalogue()
"""From a reason's name to its class."""


def error_of_message(message: error_pb2.Error) -> TidegateError:
    """Makes the exception of an error that came inside of a stream."""
    try:
        reason = error_pb2.ErrorReason.Name(message.reason).removeprefix(_PREFIX)
    except ValueError:
        reason = str(message.reason)
    violations = (Violation(v.field, v.description, v.rule_id) for v in message.field_violations)
    code = _STATUS_CODES.get(message.code, grpc.StatusCode.UNKNOWN)
    return _error(reason, message.message, code, dict(message.metadata), tuple(violations))


def error_of_call(error: grpc.aio.AioRpcError, server: str) -> TidegateError:
    """Makes the exception of a call that failed; ``server`` is the address that it went to."""
    message = error.details() or ""
    info, violations = _details(error.trailing_metadata())
    if info is not None:
        return _error(info.reason, message, error.code(), dict(info.metadata), violations)
    if error.code() is grpc.StatusCode.UNAVAILABLE:
        return Unreachable(
            f"can't reach a gateway at {server}: {message}. Start one with "
            f"`tidegate serve --listen {server}`, or name the address of one that runs."
        )
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Unreachable(f"the gateway at {server} gave no answer in time: {message}", code=error.code())
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        message = f"what answers at {server} is no Tidegate gateway, or an older one: {message}"
    return TidegateError(
        message or f"the call to {server} failed with {error.code().name}", code=error.code()
    )


def _error(
    reason: str,
    message: str,
    code: grpc.StatusCode,
    facts: dict[str, str],
    violations: tuple[Violation, ...],
) -> TidegateError:
    cls = BY_REASON.get(reason, TidegateError)
    return cls(message, reason=reason, code=code, facts=facts, violations=violations)


def _details(
    metadata: Iterable[tuple[str, Any]] | None,
) -> tuple[error_details_pb2.ErrorInfo | None, tuple[Violation, ...]]:
    info: error_details_pb2.ErrorInfo | None = None
    violations: tuple[Violation, ...] = ()
    for packed in _packed_details(metadata):
        if packed.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            candidate = error_details_pb2.ErrorInfo.FromString(packed.value)
            info = candidate if candidate.domain == _DOMAIN else info
        elif packed.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            bad = error_details_pb2.BadRequest.FromString(packed.value)
            violations = tuple(Violation(v.field, v.description, v.reason) for v in bad.field_violations)
    return info, violations


def _packed_details(metadata: Iterable[tuple[str, Any]] | None) -> Iterable[Any]:
    for key, value in metadata or ():
        if key == _DETAILS_KEY:
            return list(status_pb2.Status.FromString(value).details)
    return ()
