"""What subscribers send and are sent, between the contract's messages and plain values."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tidegate.v1 import event_service_pb2 as pb
from tidegate.v1 import subscription_pb2 as frames

from gateway.frames import (
    DEFAULT_HEARTBEAT,
    MAX_HEARTBEAT,
    MIN_HEARTBEAT,
    CaughtUp,
    DrainingFrame,
    FellBehind,
    Frame,
    Gap,
    Heartbeat,
    Opened,
    Subscribing,
    WarningFrame,
)
from gateway.group_settings import read_settings
from registry.errors import InvalidRequest
from registry.names import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.duration_pb2 import Duration
    from google.protobuf.timestamp_pb2 import Timestamp
    from tidegate.v1.schema_pb2 import SchemaReference

    from registry.typed import TypedService

ALL_TOPICS = ">"
MAX_CLIENT_NAME, MAX_BUILT_WITH = 255, 100
"""Bytes of a reader's name, and schema versions that it names."""
LATEST_TIME = 2**63 - 1
"""The last time that the log can name, in nanoseconds: it lies in the year 2262."""


def read_subscribing(raw: bytes, typed: TypedService | None = None) -> Subscribing:
    """Reads a ``SubscribeRequest``, to EventService or to a typed service.

    Raises:
        InvalidRequest: It does not parse, or a field has a value that it can't have.
    """
    wanted = _subscribing(raw)
    return _typed(wanted, typed) if typed else wanted


def encode_frame(frame: Frame) -> bytes:
    """Answers a frame as a ``SubscribeResponse``; one of batches is one already."""
    return frame if isinstance(frame, bytes) else _encode(frame)


def _subscribing(raw: bytes) -> Subscribing:
    try:
        request = pb.SubscribeRequest.FromString(raw)
    except Exception as error:  # DecodeError, or what protobuf raises for invalid UTF-8
        raise InvalidRequest("request", "the bytes are no SubscribeRequest") from error
    start = request.WhichOneof("start")
    if request.start_position not in pb.StartPosition.values():
        raise InvalidRequest("start_position", f"{request.start_position} is no value of StartPosition")
    if request.on_gap not in pb.OnGap.values():
        raise InvalidRequest("on_gap", f"{request.on_gap} is no value of OnGap")
    require = _require_group if request.group else _require_no_group
    require(request)
    return Subscribing(
        topics=tuple(request.topics),
        types=tuple(request.types),
        from_sequence=request.from_sequence if start == "from_sequence" else None,
        from_time=nanoseconds(request.from_time, "from_time") if start == "from_time" else None,
        earliest=request.start_position == pb.START_POSITION_EARLIEST,
        end_sequence=request.end_sequence,
        skip_gaps=request.on_gap == pb.ON_GAP_SKIP,
        heartbeat=_heartbeat(request.heartbeat_interval)
        if request.HasField("heartbeat_interval")
        else DEFAULT_HEARTBEAT,
        client_name=_client_name(request.reader.client_name),
        built_with=_built_with(request.reader.built_with),
        filter=request.filter,
        type_filters=dict(request.type_filters),
        read_mask=tuple(request.read_mask.paths),
        as_json=request.as_json,
        schema_version=request.schema_version,
        group=request.group,
        max_in_flight=request.max_in_flight,
        group_settings=read_settings(request.group_settings, "group_settings."),
    )


def _require_group(request: pb.SubscribeRequest) -> None:
    """Refuses what a member of a group can't ask for."""
    what = "can't be set together with group"
    if request.end_sequence:
        raise InvalidRequest(
            "end_sequence", f"{what}: a group has no end. Close the stream when you have had enough."
        )
    if request.on_gap:
        raise InvalidRequest(
            "on_gap",
            f"{what}: it goes on behind what retention removed, and says so with a Gap. Leave it out.",
        )


def _require_no_group(request: pb.SubscribeRequest) -> None:
    """Refuses what only a member of a group can ask for."""
    if request.max_in_flight:
        raise InvalidRequest("max_in_flight", "is for members of a group: name one, or leave it out")
    if request.HasField("group_settings"):
        raise InvalidRequest("group_settings", "are a group's: name one, or leave them out")


def _client_name(name: str) -> str:
    if (size := len(name.encode())) > MAX_CLIENT_NAME:
        raise InvalidRequest(
            "reader.client_name", f"has {size:,} bytes; at most {MAX_CLIENT_NAME} are allowed"
        )
    if not name.isprintable():
        raise InvalidRequest("reader.client_name", "holds characters that can't be printed")
    return name


def _built_with(references: Sequence[SchemaReference]) -> dict[str, int]:
    if len(references) > MAX_BUILT_WITH:
        raise InvalidRequest(
            "reader.built_with", f"names {len(references):,} versions; at most {MAX_BUILT_WITH} are allowed"
        )
    built_with: dict[str, int] = {}
    for index, reference in enumerate(references):
        path = f"reader.built_with[{index}]"
        if not reference.version:
            raise InvalidRequest(f"{path}.version", "must name the version that the reader was built with")
        if reference.subject in built_with:
            raise InvalidRequest(f"{path}.subject", f"subject {shown(reference.subject)!r} is named twice")
        built_with[reference.subject] = reference.version
    return built_with


def _typed(wanted: Subscribing, typed: TypedService) -> Subscribing:
    """Answers what is wanted of a typed service; it has no other type than its own."""
    for index, event_type in enumerate(wanted.types):
        if event_type != typed.type:
            raise InvalidRequest(
                f"types[{index}]",
                f"is {shown(event_type)!r}, but this service is for {typed.type} alone: leave it out, or "
                f"subscribe with tidegate.v1.EventService",
            )
    if wanted.as_json:
        raise InvalidRequest(
            "as_json", "can't be set here, where data is declared: subscribe with tidegate.v1.EventService"
        )
    return replace(
        wanted,
        topics=wanted.topics or (() if wanted.group else (ALL_TOPICS,)),
        typed=True,
        types=(typed.type,),
        built_with={typed.subject: typed.version},
    )


def nanoseconds(moment: Timestamp, field: str) -> int:
    """Answers a time in nanoseconds since the epoch, at most ``LATEST_TIME``.

    Raises:
        InvalidRequest: ``field`` is no time.
    """
    if not (0 <= moment.nanos < 1_000_000_000 and 0 <= moment.seconds < 253_402_300_800):
        raise InvalidRequest(field, "must be a time from 1970-01-01 to 9999-12-31")
    return min(moment.seconds * 1_000_000_000 + moment.nanos, LATEST_TIME)


def _heartbeat(interval: Duration) -> float:
    seconds = interval.seconds + interval.nanos / 1e9
    if not MIN_HEARTBEAT <= seconds <= MAX_HEARTBEAT:
        raise InvalidRequest("heartbeat_interval", f"is {seconds:g} s; must be 100 ms to 1 hour")
    return seconds


def _encode(
    frame: Opened | Heartbeat | CaughtUp | FellBehind | WarningFrame | Gap | DrainingFrame,
) -> bytes:
    response = pb.SubscribeResponse()
    match frame:
        case Opened():
            _encode_opened(frame, response.opened)
        case FellBehind():
            response.fell_behind.position = frame.position
            response.fell_behind.head_sequence = frame.head
        case WarningFrame():
            _encode_warning(frame, response.warning)
        case Heartbeat():
            _encode_heartbeat(frame, response.heartbeat)
        case CaughtUp():
            response.caught_up.SetInParent()
            response.caught_up.position = frame.position
        case Gap():
            response.gap.first_sequence = frame.first_sequence
            response.gap.last_sequence = frame.last_sequence
            response.gap.topics.extend(frame.topics)
            response.gap.cause = frames.GapCause.Value(f"GAP_CAUSE_{frame.cause.name}")  # type: ignore[assignment]
        case DrainingFrame():
            response.draining.position = frame.position
            response.draining.reconnect_after.FromMicroseconds(round(frame.reconnect_after * 1e6))
    return response.SerializeToString()


def _encode_opened(frame: Opened, opened: frames.Opened) -> None:
    opened.position = frame.position
    opened.head_sequence = frame.head
    opened.heartbeat_interval.FromMicroseconds(round(frame.heartbeat * 1e6))
    if frame.member_id:
        opened.member_id = frame.member_id
        opened.lease.FromMicroseconds(round(frame.lease * 1e6))
        opened.max_in_flight = frame.max_in_flight


def _encode_warning(frame: WarningFrame, warning: frames.Warning) -> None:
    warning.kind = frames.WarningKind.Value(f"WARNING_KIND_{frame.kind.name}")  # type: ignore[assignment]
    warning.message = frame.message
    warning.event_count = frame.events
    warning.first_sequence = frame.first_sequence
    warning.last_sequence = frame.last_sequence


def _encode_heartbeat(frame: Heartbeat, heartbeat: frames.Heartbeat) -> None:
    heartbeat.position = frame.position
    heartbeat.head_sequence = frame.head
    heartbeat.lag.FromNanoseconds(round(frame.lag * 1e9))
    heartbeat.lag_batches = frame.lag_batches
    heartbeat.time.FromNanoseconds(frame.now)
