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

class UnknownFields(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    UNKNOWN_FIELDS_UNSPECIFIED: _ClassVar[UnknownFields]
    UNKNOWN_FIELDS_REJECT: _ClassVar[UnknownFields]
    UNKNOWN_FIELDS_ALLOW: _ClassVar[UnknownFields]
UNKNOWN_FIELDS_UNSPECIFIED: UnknownFields
UNKNOWN_FIELDS_REJECT: UnknownFields
UNKNOWN_FIELDS_ALLOW: UnknownFields

class Topic(_message.Message):
    __slots__ = ("name", "subject", "types", "unknown_fields", "retention", "create_time", "update_time", "etag", "stats", "index_keys")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    UNKNOWN_FIELDS_FIELD_NUMBER: _ClassVar[int]
    RETENTION_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    UPDATE_TIME_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    INDEX_KEYS_FIELD_NUMBER: _ClassVar[int]
    name: str
    subject: str
    types: _containers.RepeatedScalarFieldContainer[str]
    unknown_fields: UnknownFields
    retention: Retention
    create_time: _timestamp_pb2.Timestamp
    update_time: _timestamp_pb2.Timestamp
    etag: str
    stats: TopicStats
    index_keys: bool
    def __init__(self, name: _Optional[str] = ..., subject: _Optional[str] = ..., types: _Optional[_Iterable[str]] = ..., unknown_fields: _Optional[_Union[UnknownFields, str]] = ..., retention: _Optional[_Union[Retention, _Mapping]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., update_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., etag: _Optional[str] = ..., stats: _Optional[_Union[TopicStats, _Mapping]] = ..., index_keys: _Optional[bool] = ...) -> None: ...

class TopicStats(_message.Message):
    __slots__ = ("first_sequence", "last_sequence", "event_count", "batch_count", "size_bytes", "removed_through", "keys_indexed")
    FIRST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EVENT_COUNT_FIELD_NUMBER: _ClassVar[int]
    BATCH_COUNT_FIELD_NUMBER: _ClassVar[int]
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    REMOVED_THROUGH_FIELD_NUMBER: _ClassVar[int]
    KEYS_INDEXED_FIELD_NUMBER: _ClassVar[int]
    first_sequence: int
    last_sequence: int
    event_count: int
    batch_count: int
    size_bytes: int
    removed_through: int
    keys_indexed: bool
    def __init__(self, first_sequence: _Optional[int] = ..., last_sequence: _Optional[int] = ..., event_count: _Optional[int] = ..., batch_count: _Optional[int] = ..., size_bytes: _Optional[int] = ..., removed_through: _Optional[int] = ..., keys_indexed: _Optional[bool] = ...) -> None: ...

class Retention(_message.Message):
    __slots__ = ("max_age", "max_bytes")
    MAX_AGE_FIELD_NUMBER: _ClassVar[int]
    MAX_BYTES_FIELD_NUMBER: _ClassVar[int]
    max_age: _duration_pb2.Duration
    max_bytes: int
    def __init__(self, max_age: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., max_bytes: _Optional[int] = ...) -> None: ...
