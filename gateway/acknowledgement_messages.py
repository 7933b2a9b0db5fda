"""What members say of events: Acknowledge, between its bytes and plain values. Hot: it makes few objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tidegate.v1 import acknowledgement_pb2
from tidegate.v1 import event_service_pb2 as pb

from gateway.group_settings import seconds
from gateway.groups.values import LONGEST_WAIT, REASON_BYTES, Settled, Settlement, Span, Verb
from registry.errors import InvalidRequest, LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_SETTLEMENTS: Final = 10_000
"""How many settlements one request may have."""
_VERBS: Final = {verb.value.lower(): verb for verb in Verb}


class Acknowledging(NamedTuple):
    """What somebody says: a member of a group, of events; and whether it takes no further ones."""

    group: str
    member_id: str
    settlements: list[Settlement]
    leaving: bool


def read_acknowledging(raw: bytes) -> Acknowledging:
    """Reads an ``AcknowledgeRequest``.

    Raises:
        InvalidRequest: It does not parse, or a field is missing or has a value that it can't have.
        LimitExceeded: It has too many settlements.
    """
    try:
        request = pb.AcknowledgeRequest.FromString(raw)
    except Exception as error:  # DecodeError, or what protobuf raises for invalid UTF-8
        raise InvalidRequest("request", "the bytes are no AcknowledgeRequest") from error
    if not request.group:
        raise InvalidRequest("group", "must name the group")
    if not request.member_id:
        raise InvalidRequest("member_id", "must be the member_id of the stream's Opened frame")
    settlements = request.settlements
    if not settlements and not request.leaving:
        raise InvalidRequest("settlements", "must hold at least one, unless leaving is set")
    if len(settlements) > MOST_SETTLEMENTS:
        raise LimitExceeded(
            "max_settlements", MOST_SETTLEMENTS, len(settlements), "the number of settlements", "settlements"
        )
    read = [_settlement(message, index) for index, message in enumerate(settlements)]
    return Acknowledging(request.group, request.member_id, read, request.leaving)


def encode_settled(settled: Settled) -> bytes:
    """Answers an ``AcknowledgeResponse``."""
    response = pb.AcknowledgeResponse(applied_count=settled.applied)
    if settled.before:
        response.settled_before.extend(_ranges(settled.before))
    if settled.late:
        response.late.extend(_ranges(settled.late))
    return response.SerializeToString()


def _settlement(message: acknowledgement_pb2.Settlement, index: int) -> Settlement:
    outcome = message.WhichOneof("outcome")
    if outcome is None:
        raise _invalid(index, "outcome", "must be set: ack, nack, reject, extend or release")
    verb = _VERBS[outcome]
    spans, through = _events(message, index)
    if verb is Verb.NACK or verb is Verb.REJECT:
        return _failure(message, index, Settlement(message.lease_epoch, verb, spans, through))
    return Settlement(message.lease_epoch, verb, spans, through)


def _events(message: acknowledgement_pb2.Settlement, index: int) -> tuple[tuple[Span, ...], int | None]:
    match message.WhichOneof("events"):
        case "through":
            return (), message.through
        case "sequences":
            singles = message.sequences.singles
            spans = tuple(zip(singles, singles, strict=True))
            if message.sequences.ranges:
                spans += _spans(message.sequences, index)
            if spans:
                return spans, None
    raise _invalid(index, "events", "must be set: sequences, at least one, or through")


def _spans(sequences: acknowledgement_pb2.Sequences, index: int) -> tuple[Span, ...]:
    spans = tuple([(it.first, it.last) for it in sequences.ranges])
    for at, (first, last) in enumerate(spans):
        if last < first:
            raise _invalid(index, f"sequences.ranges[{at}]", f"ends at {last}, before it begins at {first}")
    return spans


def _failure(message: acknowledgement_pb2.Settlement, index: int, settlement: Settlement) -> Settlement:
    if settlement.verb is Verb.REJECT:
        return settlement._replace(reason=_kept(message.reject.reason))
    delay = None
    if message.nack.HasField("delay"):
        delay = seconds(message.nack.delay, f"settlements[{index}].nack.delay")
        if delay > LONGEST_WAIT:
            raise _invalid(index, "nack.delay", f"is {delay:g} s; must be at most 24 hours")
    return settlement._replace(reason=_kept(message.nack.reason), delay=delay)


def _kept(reason: str) -> str:
    """Answers how much of a reason is kept."""
    if len(reason) * 4 <= REASON_BYTES or len(data := reason.encode()) <= REASON_BYTES:
        return reason
    return data[:REASON_BYTES].decode(errors="ignore")


def _invalid(index: int, field: str, description: str) -> InvalidRequest:
    return InvalidRequest(f"settlements[{index}].{field}", description)


def _ranges(spans: Iterable[Span]) -> list[acknowledgement_pb2.SequenceRange]:
    make = acknowledgement_pb2.SequenceRange
    return [make(first=first, last=last) for first, last in spans]
