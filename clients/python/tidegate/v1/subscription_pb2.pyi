import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from tidegate.v1 import event_pb2 as _event_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class WarningKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WARNING_KIND_UNSPECIFIED: _ClassVar[WarningKind]
    WARNING_KIND_FILTER_FAILED: _ClassVar[WarningKind]
    WARNING_KIND_LEASE_EXPIRED: _ClassVar[WarningKind]
    WARNING_KIND_GROUP_STALLED: _ClassVar[WarningKind]
    WARNING_KIND_GROUP_MOVED: _ClassVar[WarningKind]
    WARNING_KIND_DATA_WITHHELD: _ClassVar[WarningKind]

class GapCause(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GAP_CAUSE_UNSPECIFIED: _ClassVar[GapCause]
    GAP_CAUSE_RETENTION: _ClassVar[GapCause]
    GAP_CAUSE_INCOMPATIBLE_VERSION: _ClassVar[GapCause]
WARNING_KIND_UNSPECIFIED: WarningKind
WARNING_KIND_FILTER_FAILED: WarningKind
WARNING_KIND_LEASE_EXPIRED: WarningKind
WARNING_KIND_GROUP_STALLED: WarningKind
WARNING_KIND_GROUP_MOVED: WarningKind
WARNING_KIND_DATA_WITHHELD: WarningKind
GAP_CAUSE_UNSPECIFIED: GapCause
GAP_CAUSE_RETENTION: GapCause
GAP_CAUSE_INCOMPATIBLE_VERSION: GapCause

class Opened(_message.Message):
    __slots__ = ("position", "head_sequence", "heartbeat_interval", "member_id", "lease", "max_in_flight")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    HEAD_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    position: int
    head_sequence: int
    heartbeat_interval: _duration_pb2.Duration
    member_id: str
    lease: _duration_pb2.Duration
    max_in_flight: int
    def __init__(self, position: _Optional[int] = ..., head_sequence: _Optional[int] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., member_id: _Optional[str] = ..., lease: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_in_flight: _Optional[int] = ...) -> None: ...

class Batches(_message.Message):
    __slots__ = ("batches", "lease_epoch", "attempt")
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    LEASE_EPOCH_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    batches: _containers.RepeatedCompositeFieldContainer[_event_pb2.EventBatch]
    lease_epoch: int
    attempt: int
    def __init__(self, batches: _Optional[_Iterable[_Union[_event_pb2.EventBatch, _Mapping]]] = ..., lease_epoch: _Optional[int] = ..., attempt: _Optional[int] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("position", "head_sequence", "lag", "lag_batches", "time")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    HEAD_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    LAG_BATCHES_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    position: int
    head_sequence: int
    lag: _duration_pb2.Duration
    lag_batches: int
    time: _timestamp_pb2.Timestamp
    def __init__(self, position: _Optional[int] = ..., head_sequence: _Optional[int] = ..., lag: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., lag_batches: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class CaughtUp(_message.Message):
    __slots__ = ("position",)
    POSITION_FIELD_NUMBER: _ClassVar[int]
    position: int
    def __init__(self, position: _Optional[int] = ...) -> None: ...

class FellBehind(_message.Message):
    __slots__ = ("position", "head_sequence")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    HEAD_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    position: int
    head_sequence: int
    def __init__(self, position: _Optional[int] = ..., head_sequence: _Optional[int] = ...) -> None: ...

class Warning(_message.Message):
    __slots__ = ("kind", "message", "event_count", "first_sequence", "last_sequence")
    KIND_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    kind: WarningKind
    message: str
    event_count: int
    first_sequence: int
    last_sequence: int
    def __init__(self, kind: _Optional[_Union[WarningKind, str]] = ..., message: _Optional[str] = ..., event_count: _Optional[int] = ..., first_sequence: _Optional[int] = ..., last_sequence: _Optional[int] = ...) -> None: ...

class Gap(_message.Message):
    __slots__ = ("first_sequence", "last_sequence", "topics", "cause")
    FIRST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    CAUSE_FIELD_NUMBER: _ClassVar[int]
    first_sequence: int
    last_sequence: int
    topics: _containers.RepeatedScalarFieldContainer[str]
    cause: GapCause
    def __init__(self, first_sequence: _Optional[int] = ..., last_sequence: _Optional[int] = ..., topics: _Optional[_Iterable[str]] = ..., cause: _Optional[_Union[GapCause, str]] = ...) -> None: ...

class Draining(_message.Message):
    __slots__ = ("position", "reconnect_after")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    RECONNECT_AFTER_FIELD_NUMBER: _ClassVar[int]
    position: int
    reconnect_after: _duration_pb2.Duration
    def __init__(self, position: _Optional[int] = ..., reconnect_after: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...
