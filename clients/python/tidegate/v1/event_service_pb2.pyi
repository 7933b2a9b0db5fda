import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import field_mask_pb2 as _field_mask_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from tidegate.v1 import acknowledgement_pb2 as _acknowledgement_pb2
from tidegate.v1 import error_pb2 as _error_pb2
from tidegate.v1 import event_pb2 as _event_pb2
from tidegate.v1 import group_pb2 as _group_pb2
from tidegate.v1 import schema_pb2 as _schema_pb2
from tidegate.v1 import subscription_pb2 as _subscription_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StartPosition(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    START_POSITION_UNSPECIFIED: _ClassVar[StartPosition]
    START_POSITION_EARLIEST: _ClassVar[StartPosition]
    START_POSITION_LATEST: _ClassVar[StartPosition]

class OnGap(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ON_GAP_UNSPECIFIED: _ClassVar[OnGap]
    ON_GAP_FAIL: _ClassVar[OnGap]
    ON_GAP_SKIP: _ClassVar[OnGap]

class ReadOrder(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    READ_ORDER_UNSPECIFIED: _ClassVar[ReadOrder]
    READ_ORDER_FORWARDS: _ClassVar[ReadOrder]
    READ_ORDER_BACKWARDS: _ClassVar[ReadOrder]
START_POSITION_UNSPECIFIED: StartPosition
START_POSITION_EARLIEST: StartPosition
START_POSITION_LATEST: StartPosition
ON_GAP_UNSPECIFIED: OnGap
ON_GAP_FAIL: OnGap
ON_GAP_SKIP: OnGap
READ_ORDER_UNSPECIFIED: ReadOrder
READ_ORDER_FORWARDS: ReadOrder
READ_ORDER_BACKWARDS: ReadOrder

class PublishRequest(_message.Message):
    __slots__ = ("request_id", "batches", "expected_positions")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_POSITIONS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    batches: _containers.RepeatedCompositeFieldContainer[_event_pb2.EventBatch]
    expected_positions: _containers.RepeatedCompositeFieldContainer[ExpectedPosition]
    def __init__(self, request_id: _Optional[str] = ..., batches: _Optional[_Iterable[_Union[_event_pb2.EventBatch, _Mapping]]] = ..., expected_positions: _Optional[_Iterable[_Union[ExpectedPosition, _Mapping]]] = ...) -> None: ...

class ExpectedPosition(_message.Message):
    __slots__ = ("topic", "expected_last_sequence", "key")
    TOPIC_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    topic: str
    expected_last_sequence: int
    key: str
    def __init__(self, topic: _Optional[str] = ..., expected_last_sequence: _Optional[int] = ..., key: _Optional[str] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[PublishResult]
    def __init__(self, results: _Optional[_Iterable[_Union[PublishResult, _Mapping]]] = ...) -> None: ...

class PublishResult(_message.Message):
    __slots__ = ("first_sequence", "count", "schema_version")
    FIRST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    first_sequence: int
    count: int
    schema_version: int
    def __init__(self, first_sequence: _Optional[int] = ..., count: _Optional[int] = ..., schema_version: _Optional[int] = ...) -> None: ...

class PublishStreamRequest(_message.Message):
    __slots__ = ("request_id", "batches", "expected_positions", "stop_on_error")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    EXPECTED_POSITIONS_FIELD_NUMBER: _ClassVar[int]
    STOP_ON_ERROR_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    batches: _containers.RepeatedCompositeFieldContainer[_event_pb2.EventBatch]
    expected_positions: _containers.RepeatedCompositeFieldContainer[ExpectedPosition]
    stop_on_error: bool
    def __init__(self, request_id: _Optional[str] = ..., batches: _Optional[_Iterable[_Union[_event_pb2.EventBatch, _Mapping]]] = ..., expected_positions: _Optional[_Iterable[_Union[ExpectedPosition, _Mapping]]] = ..., stop_on_error: _Optional[bool] = ...) -> None: ...

class PublishStreamResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[PublishStreamResult]
    def __init__(self, results: _Optional[_Iterable[_Union[PublishStreamResult, _Mapping]]] = ...) -> None: ...

class PublishStreamResult(_message.Message):
    __slots__ = ("published", "error")
    PUBLISHED_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    published: PublishResponse
    error: _error_pb2.Error
    def __init__(self, published: _Optional[_Union[PublishResponse, _Mapping]] = ..., error: _Optional[_Union[_error_pb2.Error, _Mapping]] = ...) -> None: ...

class SubscribeRequest(_message.Message):
    __slots__ = ("topics", "start_position", "from_sequence", "from_time", "types", "end_sequence", "on_gap", "heartbeat_interval", "reader", "group", "max_in_flight", "filter", "read_mask", "as_json", "schema_version", "type_filters", "group_settings")
    class TypeFiltersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    START_POSITION_FIELD_NUMBER: _ClassVar[int]
    FROM_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    FROM_TIME_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    END_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ON_GAP_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    READER_FIELD_NUMBER: _ClassVar[int]
    GROUP_FIELD_NUMBER: _ClassVar[int]
    MAX_IN_FLIGHT_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    AS_JSON_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    TYPE_FILTERS_FIELD_NUMBER: _ClassVar[int]
    GROUP_SETTINGS_FIELD_NUMBER: _ClassVar[int]
    topics: _containers.RepeatedScalarFieldContainer[str]
    start_position: StartPosition
    from_sequence: int
    from_time: _timestamp_pb2.Timestamp
    types: _containers.RepeatedScalarFieldContainer[str]
    end_sequence: int
    on_gap: OnGap
    heartbeat_interval: _duration_pb2.Duration
    reader: ReaderInfo
    group: str
    max_in_flight: int
    filter: str
    read_mask: _field_mask_pb2.FieldMask
    as_json: bool
    schema_version: int
    type_filters: _containers.ScalarMap[str, str]
    group_settings: _group_pb2.GroupSettings
    def __init__(self, topics: _Optional[_Iterable[str]] = ..., start_position: _Optional[_Union[StartPosition, str]] = ..., from_sequence: _Optional[int] = ..., from_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., types: _Optional[_Iterable[str]] = ..., end_sequence: _Optional[int] = ..., on_gap: _Optional[_Union[OnGap, str]] = ..., heartbeat_interval: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., reader: _Optional[_Union[ReaderInfo, _Mapping]] = ..., group: _Optional[str] = ..., max_in_flight: _Optional[int] = ..., filter: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., as_json: _Optional[bool] = ..., schema_version: _Optional[int] = ..., type_filters: _Optional[_Mapping[str, str]] = ..., group_settings: _Optional[_Union[_group_pb2.GroupSettings, _Mapping]] = ...) -> None: ...

class ReaderInfo(_message.Message):
    __slots__ = ("client_name", "built_with")
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    BUILT_WITH_FIELD_NUMBER: _ClassVar[int]
    client_name: str
    built_with: _containers.RepeatedCompositeFieldContainer[_schema_pb2.SchemaReference]
    def __init__(self, client_name: _Optional[str] = ..., built_with: _Optional[_Iterable[_Union[_schema_pb2.SchemaReference, _Mapping]]] = ...) -> None: ...

class SubscribeResponse(_message.Message):
    __slots__ = ("opened", "batches", "heartbeat", "caught_up", "gap", "draining", "fell_behind", "warning")
    OPENED_FIELD_NUMBER: _ClassVar[int]
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    CAUGHT_UP_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    DRAINING_FIELD_NUMBER: _ClassVar[int]
    FELL_BEHIND_FIELD_NUMBER: _ClassVar[int]
    WARNING_FIELD_NUMBER: _ClassVar[int]
    opened: _subscription_pb2.Opened
    batches: _subscription_pb2.Batches
    heartbeat: _subscription_pb2.Heartbeat
    caught_up: _subscription_pb2.CaughtUp
    gap: _subscription_pb2.Gap
    draining: _subscription_pb2.Draining
    fell_behind: _subscription_pb2.FellBehind
    warning: _subscription_pb2.Warning
    def __init__(self, opened: _Optional[_Union[_subscription_pb2.Opened, _Mapping]] = ..., batches: _Optional[_Union[_subscription_pb2.Batches, _Mapping]] = ..., heartbeat: _Optional[_Union[_subscription_pb2.Heartbeat, _Mapping]] = ..., caught_up: _Optional[_Union[_subscription_pb2.CaughtUp, _Mapping]] = ..., gap: _Optional[_Union[_subscription_pb2.Gap, _Mapping]] = ..., draining: _Optional[_Union[_subscription_pb2.Draining, _Mapping]] = ..., fell_behind: _Optional[_Union[_subscription_pb2.FellBehind, _Mapping]] = ..., warning: _Optional[_Union[_subscription_pb2.Warning, _Mapping]] = ...) -> None: ...

class AcknowledgeRequest(_message.Message):
    __slots__ = ("group", "member_id", "settlements", "leaving")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    MEMBER_ID_FIELD_NUMBER: _ClassVar[int]
    SETTLEMENTS_FIELD_NUMBER: _ClassVar[int]
    LEAVING_FIELD_NUMBER: _ClassVar[int]
    group: str
    member_id: str
    settlements: _containers.RepeatedCompositeFieldContainer[_acknowledgement_pb2.Settlement]
    leaving: bool
    def __init__(self, group: _Optional[str] = ..., member_id: _Optional[str] = ..., settlements: _Optional[_Iterable[_Union[_acknowledgement_pb2.Settlement, _Mapping]]] = ..., leaving: _Optional[bool] = ...) -> None: ...

class AcknowledgeResponse(_message.Message):
    __slots__ = ("applied_count", "settled_before", "late")
    APPLIED_COUNT_FIELD_NUMBER: _ClassVar[int]
    SETTLED_BEFORE_FIELD_NUMBER: _ClassVar[int]
    LATE_FIELD_NUMBER: _ClassVar[int]
    applied_count: int
    settled_before: _containers.RepeatedCompositeFieldContainer[_acknowledgement_pb2.SequenceRange]
    late: _containers.RepeatedCompositeFieldContainer[_acknowledgement_pb2.SequenceRange]
    def __init__(self, applied_count: _Optional[int] = ..., settled_before: _Optional[_Iterable[_Union[_acknowledgement_pb2.SequenceRange, _Mapping]]] = ..., late: _Optional[_Iterable[_Union[_acknowledgement_pb2.SequenceRange, _Mapping]]] = ...) -> None: ...

class ReadEventsRequest(_message.Message):
    __slots__ = ("topics", "types", "key", "filter", "type_filters", "from_sequence", "end_sequence", "from_time", "end_time", "order", "page_size", "page_token", "read_mask", "as_json", "schema_version")
    class TypeFiltersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    TOPICS_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    KEY_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    TYPE_FILTERS_FIELD_NUMBER: _ClassVar[int]
    FROM_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    END_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    FROM_TIME_FIELD_NUMBER: _ClassVar[int]
    END_TIME_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    READ_MASK_FIELD_NUMBER: _ClassVar[int]
    AS_JSON_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_VERSION_FIELD_NUMBER: _ClassVar[int]
    topics: _containers.RepeatedScalarFieldContainer[str]
    types: _containers.RepeatedScalarFieldContainer[str]
    key: str
    filter: str
    type_filters: _containers.ScalarMap[str, str]
    from_sequence: int
    end_sequence: int
    from_time: _timestamp_pb2.Timestamp
    end_time: _timestamp_pb2.Timestamp
    order: ReadOrder
    page_size: int
    page_token: str
    read_mask: _field_mask_pb2.FieldMask
    as_json: bool
    schema_version: int
    def __init__(self, topics: _Optional[_Iterable[str]] = ..., types: _Optional[_Iterable[str]] = ..., key: _Optional[str] = ..., filter: _Optional[str] = ..., type_filters: _Optional[_Mapping[str, str]] = ..., from_sequence: _Optional[int] = ..., end_sequence: _Optional[int] = ..., from_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., order: _Optional[_Union[ReadOrder, str]] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., read_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., as_json: _Optional[bool] = ..., schema_version: _Optional[int] = ...) -> None: ...

class ReadEventsResponse(_message.Message):
    __slots__ = ("batches", "next_page_token", "head_sequence", "removed_through", "filter_failures")
    BATCHES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    HEAD_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REMOVED_THROUGH_FIELD_NUMBER: _ClassVar[int]
    FILTER_FAILURES_FIELD_NUMBER: _ClassVar[int]
    batches: _containers.RepeatedCompositeFieldContainer[_event_pb2.EventBatch]
    next_page_token: str
    head_sequence: int
    removed_through: int
    filter_failures: int
    def __init__(self, batches: _Optional[_Iterable[_Union[_event_pb2.EventBatch, _Mapping]]] = ..., next_page_token: _Optional[str] = ..., head_sequence: _Optional[int] = ..., removed_through: _Optional[int] = ..., filter_failures: _Optional[int] = ...) -> None: ...
