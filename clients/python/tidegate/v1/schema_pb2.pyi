import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CompatibilityDirection(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPATIBILITY_DIRECTION_UNSPECIFIED: _ClassVar[CompatibilityDirection]
    COMPATIBILITY_DIRECTION_NONE: _ClassVar[CompatibilityDirection]
    COMPATIBILITY_DIRECTION_BACKWARD: _ClassVar[CompatibilityDirection]
    COMPATIBILITY_DIRECTION_BACKWARD_TRANSITIVE: _ClassVar[CompatibilityDirection]
    COMPATIBILITY_DIRECTION_FORWARD: _ClassVar[CompatibilityDirection]
    COMPATIBILITY_DIRECTION_FORWARD_TRANSITIVE: _ClassVar[CompatibilityDirection]
    COMPATIBILITY_DIRECTION_FULL: _ClassVar[CompatibilityDirection]
    COMPATIBILITY_DIRECTION_FULL_TRANSITIVE: _ClassVar[CompatibilityDirection]

class CompatibilitySurface(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPATIBILITY_SURFACE_UNSPECIFIED: _ClassVar[CompatibilitySurface]
    COMPATIBILITY_SURFACE_WIRE: _ClassVar[CompatibilitySurface]
    COMPATIBILITY_SURFACE_WIRE_JSON: _ClassVar[CompatibilitySurface]
    COMPATIBILITY_SURFACE_SOURCE: _ClassVar[CompatibilitySurface]

class SubjectMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SUBJECT_MODE_UNSPECIFIED: _ClassVar[SubjectMode]
    SUBJECT_MODE_READ_WRITE: _ClassVar[SubjectMode]
    SUBJECT_MODE_READ_ONLY: _ClassVar[SubjectMode]
    SUBJECT_MODE_IMPORT: _ClassVar[SubjectMode]

class SchemaChangeKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCHEMA_CHANGE_KIND_UNSPECIFIED: _ClassVar[SchemaChangeKind]
    SCHEMA_CHANGE_KIND_REGISTER: _ClassVar[SchemaChangeKind]
    SCHEMA_CHANGE_KIND_DELETE: _ClassVar[SchemaChangeKind]
    SCHEMA_CHANGE_KIND_PURGE: _ClassVar[SchemaChangeKind]
    SCHEMA_CHANGE_KIND_RESTORE: _ClassVar[SchemaChangeKind]
    SCHEMA_CHANGE_KIND_CONFIGURE: _ClassVar[SchemaChangeKind]
COMPATIBILITY_DIRECTION_UNSPECIFIED: CompatibilityDirection
COMPATIBILITY_DIRECTION_NONE: CompatibilityDirection
COMPATIBILITY_DIRECTION_BACKWARD: CompatibilityDirection
COMPATIBILITY_DIRECTION_BACKWARD_TRANSITIVE: CompatibilityDirection
COMPATIBILITY_DIRECTION_FORWARD: CompatibilityDirection
COMPATIBILITY_DIRECTION_FORWARD_TRANSITIVE: CompatibilityDirection
COMPATIBILITY_DIRECTION_FULL: CompatibilityDirection
COMPATIBILITY_DIRECTION_FULL_TRANSITIVE: CompatibilityDirection
COMPATIBILITY_SURFACE_UNSPECIFIED: CompatibilitySurface
COMPATIBILITY_SURFACE_WIRE: CompatibilitySurface
COMPATIBILITY_SURFACE_WIRE_JSON: CompatibilitySurface
COMPATIBILITY_SURFACE_SOURCE: CompatibilitySurface
SUBJECT_MODE_UNSPECIFIED: SubjectMode
SUBJECT_MODE_READ_WRITE: SubjectMode
SUBJECT_MODE_READ_ONLY: SubjectMode
SUBJECT_MODE_IMPORT: SubjectMode
SCHEMA_CHANGE_KIND_UNSPECIFIED: SchemaChangeKind
SCHEMA_CHANGE_KIND_REGISTER: SchemaChangeKind
SCHEMA_CHANGE_KIND_DELETE: SchemaChangeKind
SCHEMA_CHANGE_KIND_PURGE: SchemaChangeKind
SCHEMA_CHANGE_KIND_RESTORE: SchemaChangeKind
SCHEMA_CHANGE_KIND_CONFIGURE: SchemaChangeKind

class Subject(_message.Message):
    __slots__ = ("name", "latest_version", "create_time", "compatibility", "default_compatibility", "mode", "block_on_readers", "etag", "delete_time")
    NAME_FIELD_NUMBER: _ClassVar[int]
    LATEST_VERSION_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    COMPATIBILITY_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_COMPATIBILITY_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    BLOCK_ON_READERS_FIELD_NUMBER: _ClassVar[int]
    ETAG_FIELD_NUMBER: _ClassVar[int]
    DELETE_TIME_FIELD_NUMBER: _ClassVar[int]
    name: str
    latest_version: int
    create_time: _timestamp_pb2.Timestamp
    compatibility: Compatibility
    default_compatibility: bool
    mode: SubjectMode
    block_on_readers: bool
    etag: str
    delete_time: _timestamp_pb2.Timestamp
    def __init__(self, name: _Optional[str] = ..., latest_version: _Optional[int] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., compatibility: _Optional[_Union[Compatibility, _Mapping]] = ..., default_compatibility: _Optional[bool] = ..., mode: _Optional[_Union[SubjectMode, str]] = ..., block_on_readers: _Optional[bool] = ..., etag: _Optional[str] = ..., delete_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Compatibility(_message.Message):
    __slots__ = ("direction", "surface")
    DIRECTION_FIELD_NUMBER: _ClassVar[int]
    SURFACE_FIELD_NUMBER: _ClassVar[int]
    direction: CompatibilityDirection
    surface: CompatibilitySurface
    def __init__(self, direction: _Optional[_Union[CompatibilityDirection, str]] = ..., surface: _Optional[_Union[CompatibilitySurface, str]] = ...) -> None: ...

class SchemaVersion(_message.Message):
    __slots__ = ("subject", "version", "types", "create_time", "fingerprint", "descriptor_set", "sources", "references", "delete_time")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    CREATE_TIME_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTOR_SET_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    DELETE_TIME_FIELD_NUMBER: _ClassVar[int]
    subject: str
    version: int
    types: _containers.RepeatedScalarFieldContainer[str]
    create_time: _timestamp_pb2.Timestamp
    fingerprint: str
    descriptor_set: bytes
    sources: ProtoSources
    references: _containers.RepeatedCompositeFieldContainer[SchemaReference]
    delete_time: _timestamp_pb2.Timestamp
    def __init__(self, subject: _Optional[str] = ..., version: _Optional[int] = ..., types: _Optional[_Iterable[str]] = ..., create_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., fingerprint: _Optional[str] = ..., descriptor_set: _Optional[bytes] = ..., sources: _Optional[_Union[ProtoSources, _Mapping]] = ..., references: _Optional[_Iterable[_Union[SchemaReference, _Mapping]]] = ..., delete_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SchemaReference(_message.Message):
    __slots__ = ("subject", "version")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    subject: str
    version: int
    def __init__(self, subject: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class ProtoSources(_message.Message):
    __slots__ = ("files",)
    class FilesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    FILES_FIELD_NUMBER: _ClassVar[int]
    files: _containers.ScalarMap[str, str]
    def __init__(self, files: _Optional[_Mapping[str, str]] = ...) -> None: ...

class SchemaChange(_message.Message):
    __slots__ = ("number", "time", "caller", "kind", "subject", "version", "message", "detail")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    CALLER_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    number: int
    time: _timestamp_pb2.Timestamp
    caller: str
    kind: SchemaChangeKind
    subject: str
    version: int
    message: str
    detail: str
    def __init__(self, number: _Optional[int] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., caller: _Optional[str] = ..., kind: _Optional[_Union[SchemaChangeKind, str]] = ..., subject: _Optional[str] = ..., version: _Optional[int] = ..., message: _Optional[str] = ..., detail: _Optional[str] = ...) -> None: ...

class Reader(_message.Message):
    __slots__ = ("client_name", "subject", "version", "topics", "types", "last_seen_time", "alive")
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    LAST_SEEN_TIME_FIELD_NUMBER: _ClassVar[int]
    ALIVE_FIELD_NUMBER: _ClassVar[int]
    client_name: str
    subject: str
    version: int
    topics: _containers.RepeatedScalarFieldContainer[str]
    types: _containers.RepeatedScalarFieldContainer[str]
    last_seen_time: _timestamp_pb2.Timestamp
    alive: bool
    def __init__(self, client_name: _Optional[str] = ..., subject: _Optional[str] = ..., version: _Optional[int] = ..., topics: _Optional[_Iterable[str]] = ..., types: _Optional[_Iterable[str]] = ..., last_seen_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., alive: _Optional[bool] = ...) -> None: ...
