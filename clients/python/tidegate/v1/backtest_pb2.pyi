from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Backtest(_message.Message):
    __slots__ = ("topic", "last_events", "from_sequence", "end_sequence", "types")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    LAST_EVENTS_FIELD_NUMBER: _ClassVar[int]
    FROM_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    END_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    topic: str
    last_events: int
    from_sequence: int
    end_sequence: int
    types: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, topic: _Optional[str] = ..., last_events: _Optional[int] = ..., from_sequence: _Optional[int] = ..., end_sequence: _Optional[int] = ..., types: _Optional[_Iterable[str]] = ...) -> None: ...

class BacktestProgress(_message.Message):
    __slots__ = ("examined", "total", "position")
    EXAMINED_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    examined: int
    total: int
    position: int
    def __init__(self, examined: _Optional[int] = ..., total: _Optional[int] = ..., position: _Optional[int] = ...) -> None: ...

class BacktestReport(_message.Message):
    __slots__ = ("examined", "passed", "unparsable", "with_unknown_fields", "breaking_rules", "without_type", "rules", "samples", "first_sequence", "last_sequence")
    EXAMINED_FIELD_NUMBER: _ClassVar[int]
    PASSED_FIELD_NUMBER: _ClassVar[int]
    UNPARSABLE_FIELD_NUMBER: _ClassVar[int]
    WITH_UNKNOWN_FIELDS_FIELD_NUMBER: _ClassVar[int]
    BREAKING_RULES_FIELD_NUMBER: _ClassVar[int]
    WITHOUT_TYPE_FIELD_NUMBER: _ClassVar[int]
    RULES_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    examined: int
    passed: int
    unparsable: int
    with_unknown_fields: int
    breaking_rules: int
    without_type: int
    rules: _containers.RepeatedCompositeFieldContainer[RuleFailures]
    samples: _containers.RepeatedCompositeFieldContainer[BacktestSample]
    first_sequence: int
    last_sequence: int
    def __init__(self, examined: _Optional[int] = ..., passed: _Optional[int] = ..., unparsable: _Optional[int] = ..., with_unknown_fields: _Optional[int] = ..., breaking_rules: _Optional[int] = ..., without_type: _Optional[int] = ..., rules: _Optional[_Iterable[_Union[RuleFailures, _Mapping]]] = ..., samples: _Optional[_Iterable[_Union[BacktestSample, _Mapping]]] = ..., first_sequence: _Optional[int] = ..., last_sequence: _Optional[int] = ...) -> None: ...

class RuleFailures(_message.Message):
    __slots__ = ("rule_id", "field", "events")
    RULE_ID_FIELD_NUMBER: _ClassVar[int]
    FIELD_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    rule_id: str
    field: str
    events: int
    def __init__(self, rule_id: _Optional[str] = ..., field: _Optional[str] = ..., events: _Optional[int] = ...) -> None: ...

class BacktestSample(_message.Message):
    __slots__ = ("sequence", "type", "schema_version", "violations")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    VIOLATIONS_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    type: str
    schema_version: int
    violations: _containers.RepeatedCompositeFieldContainer[BacktestViolation]
    def __init__(self, sequence: _Optional[int] = ..., type: _Optional[str] = ..., schema_version: _Optional[int] = ..., violations: _Optional[_Iterable[_Union[BacktestViolation, _Mapping]]] = ...) -> None: ...

class BacktestViolation(_message.Message):
    __slots__ = ("field", "description", "rule_id")
    FIELD_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    RULE_ID_FIELD_NUMBER: _ClassVar[int]
    field: str
    description: str
    rule_id: str
    def __init__(self, field: _Optional[str] = ..., description: _Optional[str] = ..., rule_id: _Optional[str] = ...) -> None: ...
