from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StatusCode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STATUS_CODE_UNSPECIFIED: _ClassVar[StatusCode]
    STATUS_CODE_INVALID_ARGUMENT: _ClassVar[StatusCode]
    STATUS_CODE_NOT_FOUND: _ClassVar[StatusCode]
    STATUS_CODE_ALREADY_EXISTS: _ClassVar[StatusCode]
    STATUS_CODE_RESOURCE_EXHAUSTED: _ClassVar[StatusCode]
    STATUS_CODE_FAILED_PRECONDITION: _ClassVar[StatusCode]
    STATUS_CODE_ABORTED: _ClassVar[StatusCode]
    STATUS_CODE_OUT_OF_RANGE: _ClassVar[StatusCode]
    STATUS_CODE_INTERNAL: _ClassVar[StatusCode]
    STATUS_CODE_UNAVAILABLE: _ClassVar[StatusCode]

class ErrorReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ERROR_REASON_UNSPECIFIED: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_REQUEST: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_EVENT: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_SCHEMA: _ClassVar[ErrorReason]
    ERROR_REASON_REQUEST_ID_REUSED: _ClassVar[ErrorReason]
    ERROR_REASON_TOPIC_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_EVENT_TYPE_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_SUBJECT_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_SCHEMA_VERSION_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_TOPIC_ALREADY_EXISTS: _ClassVar[ErrorReason]
    ERROR_REASON_EVENT_TYPE_NOT_ACCEPTED: _ClassVar[ErrorReason]
    ERROR_REASON_INCOMPATIBLE_SCHEMA: _ClassVar[ErrorReason]
    ERROR_REASON_EVENT_TYPE_TAKEN: _ClassVar[ErrorReason]
    ERROR_REASON_TOPIC_NOT_EMPTY: _ClassVar[ErrorReason]
    ERROR_REASON_TOPIC_CHANGED: _ClassVar[ErrorReason]
    ERROR_REASON_UNEXPECTED_SEQUENCE: _ClassVar[ErrorReason]
    ERROR_REASON_STREAM_STOPPED: _ClassVar[ErrorReason]
    ERROR_REASON_SEQUENCE_OUT_OF_RANGE: _ClassVar[ErrorReason]
    ERROR_REASON_EVENTS_REMOVED: _ClassVar[ErrorReason]
    ERROR_REASON_LIMIT_EXCEEDED: _ClassVar[ErrorReason]
    ERROR_REASON_STORAGE_FULL: _ClassVar[ErrorReason]
    ERROR_REASON_STORAGE_READ_ONLY: _ClassVar[ErrorReason]
    ERROR_REASON_STORAGE_FAILED: _ClassVar[ErrorReason]
    ERROR_REASON_DRAINING: _ClassVar[ErrorReason]
    ERROR_REASON_INTERNAL: _ClassVar[ErrorReason]
    ERROR_REASON_SUBJECT_READ_ONLY: _ClassVar[ErrorReason]
    ERROR_REASON_SUBJECT_CHANGED: _ClassVar[ErrorReason]
    ERROR_REASON_SCHEMA_DELETED: _ClassVar[ErrorReason]
    ERROR_REASON_SCHEMA_NEEDED: _ClassVar[ErrorReason]
    ERROR_REASON_EVENT_TYPE_NEEDED: _ClassVar[ErrorReason]
    ERROR_REASON_READERS_AFFECTED: _ClassVar[ErrorReason]
    ERROR_REASON_INCOMPATIBLE_VERSION: _ClassVar[ErrorReason]
    ERROR_REASON_INVALID_FILTER: _ClassVar[ErrorReason]
    ERROR_REASON_GROUP_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_GROUP_ALREADY_EXISTS: _ClassVar[ErrorReason]
    ERROR_REASON_GROUP_CHANGED: _ClassVar[ErrorReason]
    ERROR_REASON_GROUP_DIFFERS: _ClassVar[ErrorReason]
    ERROR_REASON_GROUP_IN_USE: _ClassVar[ErrorReason]
    ERROR_REASON_DEAD_LETTER_NOT_FOUND: _ClassVar[ErrorReason]
    ERROR_REASON_KEY_NOT_PARKED: _ClassVar[ErrorReason]
    ERROR_REASON_EVENT_NOT_HELD: _ClassVar[ErrorReason]
    ERROR_REASON_KEYS_NOT_INDEXED: _ClassVar[ErrorReason]
STATUS_CODE_UNSPECIFIED: StatusCode
STATUS_CODE_INVALID_ARGUMENT: StatusCode
STATUS_CODE_NOT_FOUND: StatusCode
STATUS_CODE_ALREADY_EXISTS: StatusCode
STATUS_CODE_RESOURCE_EXHAUSTED: StatusCode
STATUS_CODE_FAILED_PRECONDITION: StatusCode
STATUS_CODE_ABORTED: StatusCode
STATUS_CODE_OUT_OF_RANGE: StatusCode
STATUS_CODE_INTERNAL: StatusCode
STATUS_CODE_UNAVAILABLE: StatusCode
ERROR_REASON_UNSPECIFIED: ErrorReason
ERROR_REASON_INVALID_REQUEST: ErrorReason
ERROR_REASON_INVALID_EVENT: ErrorReason
ERROR_REASON_INVALID_SCHEMA: ErrorReason
ERROR_REASON_REQUEST_ID_REUSED: ErrorReason
ERROR_REASON_TOPIC_NOT_FOUND: ErrorReason
ERROR_REASON_EVENT_TYPE_NOT_FOUND: ErrorReason
ERROR_REASON_SUBJECT_NOT_FOUND: ErrorReason
ERROR_REASON_SCHEMA_VERSION_NOT_FOUND: ErrorReason
ERROR_REASON_TOPIC_ALREADY_EXISTS: ErrorReason
ERROR_REASON_EVENT_TYPE_NOT_ACCEPTED: ErrorReason
ERROR_REASON_INCOMPATIBLE_SCHEMA: ErrorReason
ERROR_REASON_EVENT_TYPE_TAKEN: ErrorReason
ERROR_REASON_TOPIC_NOT_EMPTY: ErrorReason
ERROR_REASON_TOPIC_CHANGED: ErrorReason
ERROR_REASON_UNEXPECTED_SEQUENCE: ErrorReason
ERROR_REASON_STREAM_STOPPED: ErrorReason
ERROR_REASON_SEQUENCE_OUT_OF_RANGE: ErrorReason
ERROR_REASON_EVENTS_REMOVED: ErrorReason
ERROR_REASON_LIMIT_EXCEEDED: ErrorReason
ERROR_REASON_STORAGE_FULL: ErrorReason
ERROR_REASON_STORAGE_READ_ONLY: ErrorReason
ERROR_REASON_STORAGE_FAILED: ErrorReason
ERROR_REASON_DRAINING: ErrorReason
ERROR_REASON_INTERNAL: ErrorReason
ERROR_REASON_SUBJECT_READ_ONLY: ErrorReason
ERROR_REASON_SUBJECT_CHANGED: ErrorReason
ERROR_REASON_SCHEMA_DELETED: ErrorReason
ERROR_REASON_SCHEMA_NEEDED: ErrorReason
ERROR_REASON_EVENT_TYPE_NEEDED: ErrorReason
ERROR_REASON_READERS_AFFECTED: ErrorReason
ERROR_REASON_INCOMPATIBLE_VERSION: ErrorReason
ERROR_REASON_INVALID_FILTER: ErrorReason
ERROR_REASON_GROUP_NOT_FOUND: ErrorReason
ERROR_REASON_GROUP_ALREADY_EXISTS: ErrorReason
ERROR_REASON_GROUP_CHANGED: ErrorReason
ERROR_REASON_GROUP_DIFFERS: ErrorReason
ERROR_REASON_GROUP_IN_USE: ErrorReason
ERROR_REASON_DEAD_LETTER_NOT_FOUND: ErrorReason
ERROR_REASON_KEY_NOT_PARKED: ErrorReason
ERROR_REASON_EVENT_NOT_HELD: ErrorReason
ERROR_REASON_KEYS_NOT_INDEXED: ErrorReason
STATUS_CODE_FIELD_NUMBER: _ClassVar[int]
status_code: _descriptor.FieldDescriptor

class Error(_message.Message):
    __slots__ = ("code", "reason", "message", "metadata", "field_violations")
    class MetadataEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    METADATA_FIELD_NUMBER: _ClassVar[int]
    FIELD_VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    code: StatusCode
    reason: ErrorReason
    message: str
    metadata: _containers.ScalarMap[str, str]
    field_violations: _containers.RepeatedCompositeFieldContainer[FieldViolation]
    def __init__(self, code: _Optional[_Union[StatusCode, str]] = ..., reason: _Optional[_Union[ErrorReason, str]] = ..., message: _Optional[str] = ..., metadata: _Optional[_Mapping[str, str]] = ..., field_violations: _Optional[_Iterable[_Union[FieldViolation, _Mapping]]] = ...) -> None: ...

class FieldViolation(_message.Message):
    __slots__ = ("field", "description", "rule_id")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    RULE_ID_FIELD_NUMBER: _ClassVar[int]
    field: str
    description: str
    rule_id: str
    def __init__(self, field: _Optional[str] = ..., description: _Optional[str] = ..., rule_id: _Optional[str] = ...) -> None: ...
