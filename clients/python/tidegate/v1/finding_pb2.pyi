from tidegate.v1 import schema_pb2 as _schema_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FindingSeverity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINDING_SEVERITY_UNSPECIFIED: _ClassVar[FindingSeverity]
    FINDING_SEVERITY_NOTICE: _ClassVar[FindingSeverity]
    FINDING_SEVERITY_BREAKS: _ClassVar[FindingSeverity]

class FindingAudience(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FINDING_AUDIENCE_UNSPECIFIED: _ClassVar[FindingAudience]
    FINDING_AUDIENCE_OLD_READERS: _ClassVar[FindingAudience]
    FINDING_AUDIENCE_NEW_READERS: _ClassVar[FindingAudience]
    FINDING_AUDIENCE_JSON_READERS: _ClassVar[FindingAudience]
    FINDING_AUDIENCE_GENERATED_CODE: _ClassVar[FindingAudience]
    FINDING_AUDIENCE_OLD_PRODUCERS: _ClassVar[FindingAudience]

class EventEncoding(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_ENCODING_UNSPECIFIED: _ClassVar[EventEncoding]
    EVENT_ENCODING_BINARY: _ClassVar[EventEncoding]
    EVENT_ENCODING_JSON: _ClassVar[EventEncoding]
FINDING_SEVERITY_UNSPECIFIED: FindingSeverity
FINDING_SEVERITY_NOTICE: FindingSeverity
FINDING_SEVERITY_BREAKS: FindingSeverity
FINDING_AUDIENCE_UNSPECIFIED: FindingAudience
FINDING_AUDIENCE_OLD_READERS: FindingAudience
FINDING_AUDIENCE_NEW_READERS: FindingAudience
FINDING_AUDIENCE_JSON_READERS: FindingAudience
FINDING_AUDIENCE_GENERATED_CODE: FindingAudience
FINDING_AUDIENCE_OLD_PRODUCERS: FindingAudience
EVENT_ENCODING_UNSPECIFIED: EventEncoding
EVENT_ENCODING_BINARY: EventEncoding
EVENT_ENCODING_JSON: EventEncoding

class Finding(_message.Message):
    __slots__ = ("rule_id", "path", "severity", "change", "audiences", "effect", "suggestion", "old_position", "new_position", "counter_examples", "against_version", "breaks")
    RULE_ID_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    AUDIENCES_FIELD_NUMBER: _ClassVar[int]
    EFFECT_FIELD_NUMBER: _ClassVar[int]
    SUGGESTION_FIELD_NUMBER: _ClassVar[int]
    OLD_POSITION_FIELD_NUMBER: _ClassVar[int]
    NEW_POSITION_FIELD_NUMBER: _ClassVar[int]
    COUNTER_EXAMPLES_FIELD_NUMBER: _ClassVar[int]
    AGAINST_VERSION_FIELD_NUMBER: _ClassVar[int]
    BREAKS_FIELD_NUMBER: _ClassVar[int]
    rule_id: str
    path: str
    severity: FindingSeverity
    change: str
    audiences: _containers.RepeatedScalarFieldContainer[FindingAudience]
    effect: str
    suggestion: str
    old_position: SourcePosition
    new_position: SourcePosition
    counter_examples: _containers.RepeatedCompositeFieldContainer[CounterExample]
    against_version: int
    breaks: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, rule_id: _Optional[str] = ..., path: _Optional[str] = ..., severity: _Optional[_Union[FindingSeverity, str]] = ..., change: _Optional[str] = ..., audiences: _Optional[_Iterable[_Union[FindingAudience, str]]] = ..., effect: _Optional[str] = ..., suggestion: _Optional[str] = ..., old_position: _Optional[_Union[SourcePosition, _Mapping]] = ..., new_position: _Optional[_Union[SourcePosition, _Mapping]] = ..., counter_examples: _Optional[_Iterable[_Union[CounterExample, _Mapping]]] = ..., against_version: _Optional[int] = ..., breaks: _Optional[_Iterable[str]] = ...) -> None: ...

class SourcePosition(_message.Message):
    __slots__ = ("file", "line", "column", "text")
    FILE_FIELD_NUMBER: _ClassVar[int]
    LINE_FIELD_NUMBER: _ClassVar[int]
    COLUMN_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    file: str
    line: int
    column: int
    text: str
    def __init__(self, file: _Optional[str] = ..., line: _Optional[int] = ..., column: _Optional[int] = ..., text: _Optional[str] = ...) -> None: ...

class CounterExample(_message.Message):
    __slots__ = ("type", "reader", "encoding", "written", "payload", "read", "error")
    TYPE_FIELD_NUMBER: _ClassVar[int]
    READER_FIELD_NUMBER: _ClassVar[int]
    ENCODING_FIELD_NUMBER: _ClassVar[int]
    WRITTEN_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_FIELD_NUMBER: _ClassVar[int]
    READ_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    type: str
    reader: FindingAudience
    encoding: EventEncoding
    written: str
    payload: str
    read: str
    error: str
    def __init__(self, type: _Optional[str] = ..., reader: _Optional[_Union[FindingAudience, str]] = ..., encoding: _Optional[_Union[EventEncoding, str]] = ..., written: _Optional[str] = ..., payload: _Optional[str] = ..., read: _Optional[str] = ..., error: _Optional[str] = ...) -> None: ...

class AffectedReader(_message.Message):
    __slots__ = ("reader", "findings")
    READER_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    reader: _schema_pb2.Reader
    findings: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, reader: _Optional[_Union[_schema_pb2.Reader, _Mapping]] = ..., findings: _Optional[_Iterable[str]] = ...) -> None: ...
