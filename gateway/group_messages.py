"""Groups, dead letters and settlements, between the contract's messages and plain values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tidegate.v1 import dead_letter_pb2, event_pb2, group_pb2
from tidegate.v1 import event_service_pb2 as events
from tidegate.v1 import group_service_pb2 as pb

from gateway.entries import batch_of
from gateway.group_settings import read_settings, settings_message
from gateway.groups.dead_letters import Choice, last_reason
from gateway.groups.definitions import Asked
from gateway.groups.positions import Start
from gateway.subscription_messages import nanoseconds
from registry.errors import InvalidRequest

if TYPE_CHECKING:
    from google.protobuf.timestamp_pb2 import Timestamp

    from gateway.groups.values import Attempt, DeadLetter, Definition, MemberStats, Stats

MOST_SEQUENCES: Final = 10_000
"""How many dead letters may be named one by one."""
_GATEWAY_FIELDS: Final = ("create_time", "update_time", "stats")


def read_group(group: group_pb2.Group) -> Asked:
    """Answers what a message says that a group is.

    Raises:
        InvalidRequest: A setting has a value that it can't have.
    """
    return Asked(
        name=group.name,
        topics=tuple(group.topics),
        types=tuple(group.types),
        filter=group.filter,
        type_filters=dict(group.type_filters),
        settings=read_settings(group.settings, "group.settings."),
    )


def require_new(group: group_pb2.Group) -> None:
    """Raises ``InvalidRequest`` if a new group says what only the gateway says."""
    for name in _GATEWAY_FIELDS:
        if group.HasField(name):
            raise InvalidRequest(f"group.{name}", "is set by the gateway alone; leave it out")
    if group.etag:
        raise InvalidRequest("group.etag", "is set by the gateway alone; leave it out")


def read_start(request: pb.CreateGroupRequest | pb.SeekGroupRequest) -> Start:
    """Answers where a group is to start or go on.

    Raises:
        InvalidRequest: It is no value that a start can have.
    """
    known = events.StartPosition.values()
    if request.start_position not in known:
        raise InvalidRequest("start_position", f"{request.start_position} is no value of StartPosition")
    return Start(
        from_sequence=request.from_sequence if request.HasField("from_sequence") else None,
        from_time=nanoseconds(request.from_time, "from_time") if request.HasField("from_time") else None,
        earliest=request.start_position == events.START_POSITION_EARLIEST,
    )


def read_choice(selection: pb.DeadLetterSelection) -> Choice:
    """Answers which dead letters a selection means.

    Raises:
        InvalidRequest: It names too many.
    """
    if len(selection.sequences) > MOST_SEQUENCES:
        raise InvalidRequest(
            "selection.sequences",
            f"names {len(selection.sequences):,} events; at most {MOST_SEQUENCES:,} are allowed. Name them "
            f"by type, filter or reason, or in several requests.",
        )
    sequences = frozenset(selection.sequences) if selection.sequences else None
    return Choice(sequences, selection.type, selection.filter, selection.reason)


def read_required_choice(request: pb.RedriveDeadLettersRequest | pb.PurgeDeadLettersRequest) -> Choice:
    """Answers which dead letters are to be changed: a selection that says something, or all.

    Raises:
        InvalidRequest: It is neither, or both.
    """
    choice = read_choice(request.selection)
    says = choice != Choice()
    if says and request.all:
        raise InvalidRequest("all", "contradicts the selection: set one of the two")
    if not says and not request.all:
        raise InvalidRequest(
            "selection", "must say which dead letters: sequences, type, filter or reason; or set all"
        )
    return choice


def group_message(definition: Definition) -> group_pb2.Group:
    """Answers a group as a message, without stats."""
    message = group_pb2.Group(
        name=definition.name,
        topics=definition.topics,
        types=definition.types,
        filter=definition.filter,
        type_filters=definition.type_filters,
        settings=settings_message(definition.settings),
        etag=definition.etag,
    )
    message.create_time.FromDatetime(definition.create_time)
    message.update_time.FromDatetime(definition.update_time)
    return message


def stats_message(stats: Stats, dead_letters: int) -> group_pb2.GroupStats:
    """Answers how a group stands."""
    message = group_pb2.GroupStats(
        position=stats.position,
        head_sequence=stats.head,
        members=map(_member_message, stats.members),
        in_flight_events=stats.in_flight,
        retrying_events=stats.retrying_count,
        lag_events=stats.lag_events,
        oldest_unsettled_sequence=stats.oldest,
        parked_key_count=stats.parked_count,
        dead_letter_count=dead_letters,
        stalled=stats.stalled,
        lost_through=stats.lost_through,
    )
    message.lag.FromNanoseconds(max(0, round(stats.lag * 1e9)))
    for failed in stats.retrying:
        retrying = message.retrying.add(
            sequence=failed.first,
            key=failed.key,
            attempts=failed.attempt_count,
            reason=failed.attempts[-1].reason if failed.attempts else "",
        )
        _set_time(retrying.retry_time, failed.due)
    for key, parked in stats.parked:
        held = message.parked_keys.add(key=key, sequence=parked.sequence, reason=parked.reason)
        _set_time(held.park_time, parked.time)
    return message


def letter_message(
    letter: DeadLetter, *, key_parked: bool, data_json: str = ""
) -> dead_letter_pb2.DeadLetter:
    """Answers a dead letter as a message."""
    dead = letter.dead
    message = dead_letter_pb2.DeadLetter(
        sequence=dead.sequence,
        batch=event_pb2.EventBatch.FromString(batch_of(letter.entry)),
        data_json=data_json,
        cause=dead_letter_pb2.DeadLetterCause.Value(f"DEAD_LETTER_CAUSE_{dead.cause.value}"),  # type: ignore[arg-type]
        reason=last_reason(letter),
        attempts=map(_attempt_message, dead.attempts),
        attempt_count=dead.attempt_count,
        key_parked=key_parked,
    )
    _set_time(message.dead_time, dead.time)
    return message


def _member_message(member: MemberStats) -> group_pb2.Member:
    message = group_pb2.Member(
        member_id=member.member_id,
        client_name=member.client_name,
        in_flight_events=member.in_flight,
        max_in_flight=member.max_in_flight,
        silent=member.silent,
    )
    _set_time(message.join_time, member.joined)
    return message


def _attempt_message(attempt: Attempt) -> dead_letter_pb2.Attempt:
    message = dead_letter_pb2.Attempt(
        member_id=attempt.member_id,
        client_name=attempt.client_name,
        outcome=dead_letter_pb2.AttemptOutcome.Value(f"ATTEMPT_OUTCOME_{attempt.outcome.value}"),  # type: ignore[arg-type]
        reason=attempt.reason,
    )
    _set_time(message.time, attempt.time)
    return message


def _set_time(timestamp: Timestamp, seconds: float) -> None:
    timestamp.FromNanoseconds(round(seconds * 1e9))
