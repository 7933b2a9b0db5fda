"""What the gateway refuses, one exception a fact; those of the registry are its errors too.

See ``registry.errors`` for how facts and violations reach the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry.errors import StorageFailed as StorageFailed  # noqa: PLC0414 - an error of the gateway too
from registry.errors import StorageFull as StorageFull  # noqa: PLC0414
from registry.errors import StorageReadOnly as StorageReadOnly  # noqa: PLC0414
from registry.errors import TidegateError, Violation

if TYPE_CHECKING:
    from collections.abc import Sequence


class RequestIdReused(TidegateError):
    """The request_id was used before, with other bytes."""

    reason = "REQUEST_ID_REUSED"

    def __init__(self, request_id: str) -> None:
        description = (
            f"request_id {request_id!r} was used before with other content. Use a new id for a new request; "
            f"repeat a request byte for byte to retry it."
        )
        super().__init__(description, [Violation("request_id", description)])
        self.request_id = request_id


class TopicNotFound(TidegateError):
    """No topic of that name."""

    reason = "TOPIC_NOT_FOUND"

    def __init__(self, topic: str, near: Sequence[str] = ()) -> None:
        hint = f"Close to it: {', '.join(near)}." if near else "There is no topic of a similar name."
        super().__init__(f"topic {topic!r} does not exist. {hint}")
        self.topic = topic
        self.near = tuple(near)


class TopicAlreadyExists(TidegateError):
    """A topic of that name exists."""

    reason = "TOPIC_ALREADY_EXISTS"

    def __init__(self, topic: str) -> None:
        super().__init__(f"topic {topic!r} exists already. Change it with UpdateTopic.")
        self.topic = topic


class TopicNotEmpty(TidegateError):
    """The topic still holds events, and ``force`` was not set."""

    reason = "TOPIC_NOT_EMPTY"

    def __init__(self, topic: str, event_count: int) -> None:
        super().__init__(
            f"topic {topic!r} holds {_count(event_count, 'event')}. Set force to delete it with them."
        )
        self.topic = topic
        self.event_count = event_count


class TopicChanged(TidegateError):
    """The topic was changed since its etag was read."""

    reason = "TOPIC_CHANGED"

    def __init__(self, topic: str, etag: str) -> None:
        super().__init__(
            f"topic {topic!r} was changed since it was read. Read it again; its etag is {etag!r}."
        )
        self.topic = topic
        self.etag = etag


class EventTypeNotAccepted(TidegateError):
    """The topic accepts other event types only."""

    reason = "EVENT_TYPE_NOT_ACCEPTED"

    def __init__(self, topic: str, type_name: str, accepted: Sequence[str]) -> None:
        super().__init__(
            f"topic {topic!r} does not accept event type {type_name!r}. It accepts: {', '.join(accepted)}."
        )
        self.topic = topic
        self.type = type_name
        self.accepted = tuple(accepted)


class UnexpectedSequence(TidegateError):
    """A topic's last sequence is not the expected one."""

    reason = "UNEXPECTED_SEQUENCE"

    def __init__(self, topic: str, expected: int, actual: int, key: str = "") -> None:
        of_key = f" and key {key!r}" if key else ""
        super().__init__(
            f"the last sequence of topic {topic!r}{of_key} is {actual}, not {expected}. "
            f"Read what was appended since, decide again, and retry with {actual}."
        )
        self.topic = topic
        self.key = key
        self.expected_last_sequence = expected
        self.last_sequence = actual


class StreamStopped(TidegateError):
    """An earlier request of the stream was rejected and stop_on_error was set."""

    reason = "STREAM_STOPPED"

    def __init__(self) -> None:
        super().__init__("not tried: an earlier request of this stream was rejected and stop_on_error is set")


class SequenceOutOfRange(TidegateError):
    """The position lies outside of the log."""

    reason = "SEQUENCE_OUT_OF_RANGE"

    def __init__(self, field: str, sequence: int, highest: int) -> None:
        description = (
            f"sequence {sequence} lies in the future: the highest one to start at is {highest}, "
            f"which is the next to be appended"
        )
        super().__init__(f"{field}: {description}", [Violation(field, description)])
        self.sequence = sequence
        self.highest = highest


class EventsRemoved(TidegateError):
    """Retention removed events that the reader asked for."""

    reason = "EVENTS_REMOVED"

    def __init__(self, first_sequence: int, last_sequence: int, topics: Sequence[str]) -> None:
        super().__init__(
            f"retention removed events of {', '.join(topics)} between sequences {first_sequence} and "
            f"{last_sequence}. Start at {last_sequence + 1}, or set on_gap to ON_GAP_SKIP to go on behind it."
        )
        self.first_sequence = first_sequence
        self.last_sequence = last_sequence
        self.topics = tuple(topics)


class IncompatibleVersion(TidegateError):
    """The next event was written with a schema version that the reader's can't read."""

    reason = "INCOMPATIBLE_VERSION"

    def __init__(self, type_name: str, reader_version: int, version: int, sequence: int) -> None:
        super().__init__(
            f"the event at sequence {sequence} is a {type_name} of schema version {version}, which a reader "
            f"built with version {reader_version} can't read. Build the reader with version {version}, or "
            f"set on_gap to ON_GAP_SKIP to go on behind such events."
        )
        self.type = type_name
        self.reader_version = reader_version
        self.version = version
        self.sequence = sequence
        self.position = sequence - 1


class InvalidFilter(TidegateError):
    """A filter does not compile, is not a bool, or may cost too much."""

    reason = "INVALID_FILTER"

    def __init__(self, field: str, description: str) -> None:
        super().__init__(f"{field}: {description}", [Violation(field, description)])
        self.field = field


class GroupNotFound(TidegateError):
    """No group of that name."""

    reason = "GROUP_NOT_FOUND"

    def __init__(self, group: str, near: Sequence[str] = (), way_out: str = "") -> None:
        hint = f"Close to it: {', '.join(near)}." if near else "There is no group of a similar name."
        super().__init__(f"group {group!r} does not exist. {hint}{way_out}")
        self.group = group
        self.near = tuple(near)


class GroupAlreadyExists(TidegateError):
    """A group of that name exists."""

    reason = "GROUP_ALREADY_EXISTS"

    def __init__(self, group: str) -> None:
        super().__init__(f"group {group!r} exists already. Change it with UpdateGroup.")
        self.group = group


class GroupChanged(TidegateError):
    """The group was changed since its etag was read."""

    reason = "GROUP_CHANGED"

    def __init__(self, group: str, etag: str) -> None:
        super().__init__(
            f"group {group!r} was changed since it was read. Read it again; its etag is {etag!r}."
        )
        self.group = group
        self.etag = etag


class GroupDiffers(TidegateError):
    """A subscription says something else than its group has."""

    reason = "GROUP_DIFFERS"

    def __init__(self, group: str, field: str, has: str, says: str) -> None:
        description = (
            f"group {group!r} has {has}, but the subscription says {says}. Leave the field out to take what "
            f"the group has, or change the group with UpdateGroup"
        )
        super().__init__(f"{field}: {description}", [Violation(field, description)])
        self.group = group
        self.field = field
        self.has = has
        self.says = says


class GroupInUse(TidegateError):
    """The group has members or dead letters, and ``force`` was not set."""

    reason = "GROUP_IN_USE"

    def __init__(self, group: str, members: int, dead_letters: int) -> None:
        super().__init__(
            f"group {group!r} has {_count(members, 'member')} and {_count(dead_letters, 'dead letter')}. "
            f"Set force to delete it all the same."
        )
        self.group = group
        self.members = members
        self.dead_letters = dead_letters


class DeadLetterNotFound(TidegateError):
    """The group has no dead letter of that sequence."""

    reason = "DEAD_LETTER_NOT_FOUND"

    def __init__(self, group: str, sequence: int) -> None:
        super().__init__(
            f"group {group!r} has no dead letter of sequence {sequence}. ListDeadLetters tells those it has."
        )
        self.group = group
        self.sequence = sequence


class KeyNotParked(TidegateError):
    """The key is not parked."""

    reason = "KEY_NOT_PARKED"

    def __init__(self, group: str, key: str) -> None:
        super().__init__(f"key {key!r} of group {group!r} is not parked. GetGroup tells which keys are.")
        self.group = group
        self.key = key


class EventNotHeld(TidegateError):
    """The event is neither a dead letter of the group nor one that failed and is not settled."""

    reason = "EVENT_NOT_HELD"

    def __init__(self, group: str, sequence: int) -> None:
        super().__init__(
            f"group {group!r} holds nothing up for the event at sequence {sequence}: it is neither a dead "
            f"letter nor one that failed and is not settled. GetGroup tells which are."
        )
        self.group = group
        self.sequence = sequence


class KeysNotIndexed(TidegateError):
    """The topic does not index its keys, or is still busy indexing those that it had before."""

    reason = "KEYS_NOT_INDEXED"

    def __init__(self, topic: str, *, building: bool = False) -> None:
        super().__init__(
            f"topic {topic!r} is still indexing the keys of stored events: try again in a moment."
            if building
            else f"topic {topic!r} does not index its keys. Set its index_keys."
        )
        self.topic = topic
        self.building = building


class Draining(TidegateError):
    """The gateway is stopping."""

    reason = "DRAINING"

    def __init__(self) -> None:
        super().__init__("the gateway is stopping; connect again in a moment")


class CannotOpenLog(Exception):
    """The log can't be opened: its engine or file is unusable. Ends the start of the gateway.

    ``str()`` names the file, what is wrong with it and what to do.
    """


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun if number == 1 else noun + 's'}"
