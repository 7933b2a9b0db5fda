import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GroupOrdering(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    GROUP_ORDERING_UNSPECIFIED: _ClassVar[GroupOrdering]
    GROUP_ORDERING_BY_KEY: _ClassVar[GroupOrdering]
    GROUP_ORDERING_NONE: _ClassVar[GroupOrdering]

class DeadLetterPolicy(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DEAD_LETTER_POLICY_UNSPECIFIED: _ClassVar[DeadLetterPolicy]
    DEAD_LETTER_POLICY_SKIP: _ClassVar[DeadLetterPolicy]
    DEAD_LETTER_POLICY_PARK_KEY: _ClassVar[DeadLetterPolicy]
GROUP_ORDERING_UNSPECIFIED: GroupOrdering
GROUP_ORDERING_BY_KEY: GroupOrdering
GROUP_ORDERING_NONE: GroupOrdering
DEAD_LETTER_POLICY_UNSPECIFIED: DeadLetterPolicy
DEAD_LETTER_POLICY_SKIP: DeadLetterPolicy
DEAD_LETTER_POLICY_PARK_KEY: DeadLetterPolicy

class Group(_message.Message):
    __slots__ = ("name", "topics", "types", "filter", "type_filters", "settings", "create_time", "update_time", "etag", "stats")
    class TypeFiltersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    TYPE_FILTERS_FIELD_NUMBER: _ClassVar[int]
    SETTINGS_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    name: str
    topics: _containers.RepeatedScalarFieldContainer[str]
    types: _containers.RepeatedScalarFieldContainer[str]
    filter: str
    type_filters: _containers.ScalarMap[str, str]
    settings: GroupSettings
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    stats: GroupStats
    def __init__(self, name: _Optional[str] = ..., topics: _Optional[_Iterable[str]] = ..., types: _Optional[_Iterable[str]] = ..., filter: _Optional[str] = ..., type_filters: _Optional[_Mapping[str, str]] = ..., settings: _Optional[_Union[GroupSettings, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., stats: _Optional[_Union[GroupStats, _Mapping]] = ...) -> None: ...

class GroupSettings(_message.Message):
    __slots__ = ("ordering", "max_in_flight", "max_in_flight_per_member", "lease", "retry", "dead_letters")
    ORDERING_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_PER_MEMBER_FIELD_NUMBER: _ClassVar[int]
    LEASE_FIELD_NUMBER: _ClassVar[int]
    RETRY_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTERS_FIELD_NUMBER: _ClassVar[int]
    ordering: GroupOrdering
    max_in_flight: int
    max_in_flight_per_member: int
    lease: _duration_pb2.Duration
    retry: RetryPolicy
    dead_letters: DeadLetterPolicy
    def __init__(self, ordering: _Optional[_Union[GroupOrdering, str]] = ..., max_in_flight: _Optional[int] = ..., max_in_flight_per_member: _Optional[int] = ..., lease: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., retry: _Optional[_Union[RetryPolicy, _Mapping]] = ..., dead_letters: _Optional[_Union[DeadLetterPolicy, str]] = ...) -> None: ...

class RetryPolicy(_message.Message):
    __slots__ = ("min_backoff", "max_backoff", "multiplier", "max_attempts")
    MIN_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    MAX_BACKOFF_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    MAX_ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    min_backoff: _duration_pb2.Duration
    max_backoff: _duration_pb2.Duration
    multiplier: float
    max_attempts: int
    def __init__(self, min_backoff: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_backoff: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., multiplier: _Optional[float] = ..., max_attempts: _Optional[int] = ...) -> None: ...

class GroupStats(_message.Message):
    __slots__ = ("position", "head_sequence", "members", "in_flight_events", "retrying_events", "lag_events", "lag", "oldest_unsettled_sequence", "retrying", "parked_key_count", "parked_keys", "dead_letter_count", "stalled", "lost_through")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    HEAD_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_EVENTS_FIELD_NUMBER: _ClassVar[int]
    RETRYING_EVENTS_FIELD_NUMBER: _ClassVar[int]
    LAG_EVENTS_FIELD_NUMBER: _ClassVar[int]
    LAG_FIELD_NUMBER: _ClassVar[int]
    OLDEST_UNSETTLED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RETRYING_FIELD_NUMBER: _ClassVar[int]
    PARKED_KEY_COUNT_FIELD_NUMBER: _ClassVar[int]
    PARKED_KEYS_FIELD_NUMBER: _ClassVar[int]
    DEAD_LETTER_COUNT_FIELD_NUMBER: _ClassVar[int]
    STALLED_FIELD_NUMBER: _ClassVar[int]
    LOST_THROUGH_FIELD_NUMBER: _ClassVar[int]
    position: int
    head_sequence: int
    members: _containers.RepeatedCompositeFieldContainer[Member]
    in_flight_events: int
    retrying_events: int
    lag_events: int
    lag: _duration_pb2.Duration
    oldest_unsettled_sequence: int
    retrying: _containers.RepeatedCompositeFieldContainer[RetryingEvent]
    parked_key_count: int
    parked_keys: _containers.RepeatedCompositeFieldContainer[ParkedKey]
    dead_letter_count: int
    stalled: str
    lost_through: int
    def __init__(self, position: _Optional[int] = ..., head_sequence: _Optional[int] = ..., members: _Optional[_Iterable[_Union[Member, _Mapping]]] = ..., in_flight_events: _Optional[int] = ..., retrying_events: _Optional[int] = ..., lag_events: _Optional[int] = ..., lag: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., oldest_unsettled_sequence: _Optional[int] = ..., retrying: _Optional[_Iterable[_Union[RetryingEvent, _Mapping]]] = ..., parked_key_count: _Optional[int] = ..., parked_keys: _Optional[_Iterable[_Union[ParkedKey, _Mapping]]] = ..., dead_letter_count: _Optional[int] = ..., stalled: _Optional[str] = ..., lost_through: _Optional[int] = ...) -> None: ...

class Member(_message.Message):
    __slots__ = ("member_id", "client_name", "in_flight_events", "max_in_flight", "join_time", "silent")
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    IN_FLIGHT_EVENTS_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    JOIN_TIME_FIELD_NUMBER: _ClassVar[int]
    SILENT_FIELD_NUMBER: _ClassVar[int]
    member_id: str
    client_name: str
    in_flight_events: int
    max_in_flight: int
    join_time: _timestamp_pb2.Timestamp
    silent: bool
    def __init__(self, member_id: _Optional[str] = ..., client_name: _Optional[str] = ..., in_flight_events: _Optional[int] = ..., max_in_flight: _Optional[int] = ..., join_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., silent: _Optional[bool] = ...) -> None: ...

class RetryingEvent(_message.Message):
    __slots__ = ("sequence", "key", "attempts", "reason", "retry_time")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    ATTEMPTS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RETRY_TIME_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    key: str
    attempts: int
    reason: str
    retry_time: _timestamp_pb2.Timestamp
    def __init__(self, sequence: _Optional[int] = ..., key: _Optional[str] = ..., attempts: _Optional[int] = ..., reason: _Optional[str] = ..., retry_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ParkedKey(_message.Message):
    __slots__ = ("key", "sequence", "park_time", "reason")
    KEY_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    PARK_TIME_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    key: str
    sequence: int
    park_time: _timestamp_pb2.Timestamp
    reason: str
    def __init__(self, key: _Optional[str] = ..., sequence: _Optional[int] = ..., park_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., reason: _Optional[str] = ...) -> None: ...
