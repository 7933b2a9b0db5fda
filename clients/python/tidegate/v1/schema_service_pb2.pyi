from google.protobuf import field_mask_pb2 as _field_mask_pb2
from tidegate.v1 import backtest_pb2 as _backtest_pb2
from tidegate.v1 import finding_pb2 as _finding_pb2
from tidegate.v1 import schema_pb2 as _schema_pb2
from tidegate.v1 import schema_diff_pb2 as _schema_diff_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SchemaView(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCHEMA_VIEW_UNSPECIFIED: _ClassVar[SchemaView]
    SCHEMA_VIEW_CANONICAL: _ClassVar[SchemaView]
    SCHEMA_VIEW_TYPED: _ClassVar[SchemaView]
SCHEMA_VIEW_UNSPECIFIED: SchemaView
SCHEMA_VIEW_CANONICAL: SchemaView
SCHEMA_VIEW_TYPED: SchemaView

class RegisterSchemaRequest(_message.Message):
    __slots__ = ("subject", "sources", "descriptor_set", "references", "message", "version")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTOR_SET_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    subject: str
    sources: _schema_pb2.ProtoSources
    descriptor_set: bytes
    references: _containers.RepeatedCompositeFieldContainer[_schema_pb2.SchemaReference]
    message: str
    version: int
    def __init__(self, subject: _Optional[str] = ..., sources: _Optional[_Union[_schema_pb2.ProtoSources, _Mapping]] = ..., descriptor_set: _Optional[bytes] = ..., references: _Optional[_Iterable[_Union[_schema_pb2.SchemaReference, _Mapping]]] = ..., message: _Optional[str] = ..., version: _Optional[int] = ...) -> None: ...

class RegisterSchemaResponse(_message.Message):
    __slots__ = ("schema", "created", "notices", "filters")
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    CREATED_FIELD_NUMBER: _ClassVar[int]
    NOTICES_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    schema: _schema_pb2.SchemaVersion
    created: bool
    notices: _containers.RepeatedCompositeFieldContainer[_finding_pb2.Finding]
    filters: _containers.RepeatedCompositeFieldContainer[AffectedFilter]
    def __init__(self, schema: _Optional[_Union[_schema_pb2.SchemaVersion, _Mapping]] = ..., created: _Optional[bool] = ..., notices: _Optional[_Iterable[_Union[_finding_pb2.Finding, _Mapping]]] = ..., filters: _Optional[_Iterable[_Union[AffectedFilter, _Mapping]]] = ...) -> None: ...

class CheckSchemaRequest(_message.Message):
    __slots__ = ("subject", "sources", "descriptor_set", "references", "version", "all_versions", "compatibility", "backtest")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    SOURCES_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTOR_SET_FIELD_NUMBER: _ClassVar[int]
    REFERENCES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    ALL_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    COMPATIBILITY_FIELD_NUMBER: _ClassVar[int]
    BACKTEST_FIELD_NUMBER: _ClassVar[int]
    subject: str
    sources: _schema_pb2.ProtoSources
    descriptor_set: bytes
    references: _containers.RepeatedCompositeFieldContainer[_schema_pb2.SchemaReference]
    version: int
    all_versions: bool
    compatibility: _schema_pb2.Compatibility
    backtest: _backtest_pb2.Backtest
    def __init__(self, subject: _Optional[str] = ..., sources: _Optional[_Union[_schema_pb2.ProtoSources, _Mapping]] = ..., descriptor_set: _Optional[bytes] = ..., references: _Optional[_Iterable[_Union[_schema_pb2.SchemaReference, _Mapping]]] = ..., version: _Optional[int] = ..., all_versions: _Optional[bool] = ..., compatibility: _Optional[_Union[_schema_pb2.Compatibility, _Mapping]] = ..., backtest: _Optional[_Union[_backtest_pb2.Backtest, _Mapping]] = ...) -> None: ...

class CheckSchemaResponse(_message.Message):
    __slots__ = ("report", "progress", "backtest")
    REPORT_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    BACKTEST_FIELD_NUMBER: _ClassVar[int]
    report: CheckReport
    progress: _backtest_pb2.BacktestProgress
    backtest: _backtest_pb2.BacktestReport
    def __init__(self, report: _Optional[_Union[CheckReport, _Mapping]] = ..., progress: _Optional[_Union[_backtest_pb2.BacktestProgress, _Mapping]] = ..., backtest: _Optional[_Union[_backtest_pb2.BacktestReport, _Mapping]] = ...) -> None: ...

class CheckReport(_message.Message):
    __slots__ = ("compatible", "compatibility", "against_versions", "findings", "breaking_count", "notice_count", "equal_version", "readers", "referenced_by", "added_types", "removed_types", "topics_in_need", "blocked_by_readers", "filters")
    COMPATIBLE_FIELD_NUMBER: _ClassVar[int]
    COMPATIBILITY_FIELD_NUMBER: _ClassVar[int]
    AGAINST_VERSIONS_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    BREAKING_COUNT_FIELD_NUMBER: _ClassVar[int]
    NOTICE_COUNT_FIELD_NUMBER: _ClassVar[int]
    EQUAL_VERSION_FIELD_NUMBER: _ClassVar[int]
    READERS_FIELD_NUMBER: _ClassVar[int]
    REFERENCED_BY_FIELD_NUMBER: _ClassVar[int]
    ADDED_TYPES_FIELD_NUMBER: _ClassVar[int]
    REMOVED_TYPES_FIELD_NUMBER: _ClassVar[int]
    TOPICS_IN_NEED_FIELD_NUMBER: _ClassVar[int]
    BLOCKED_BY_READERS_FIELD_NUMBER: _ClassVar[int]
    FILTERS_FIELD_NUMBER: _ClassVar[int]
    compatible: bool
    compatibility: _schema_pb2.Compatibility
    against_versions: _containers.RepeatedScalarFieldContainer[int]
    findings: _containers.RepeatedCompositeFieldContainer[_finding_pb2.Finding]
    breaking_count: int
    notice_count: int
    equal_version: int
    readers: _containers.RepeatedCompositeFieldContainer[_finding_pb2.AffectedReader]
    referenced_by: _containers.RepeatedCompositeFieldContainer[_schema_pb2.SchemaReference]
    added_types: _containers.RepeatedScalarFieldContainer[str]
    removed_types: _containers.RepeatedScalarFieldContainer[str]
    topics_in_need: _containers.RepeatedScalarFieldContainer[str]
    blocked_by_readers: bool
    filters: _containers.RepeatedCompositeFieldContainer[AffectedFilter]
    def __init__(self, compatible: _Optional[bool] = ..., compatibility: _Optional[_Union[_schema_pb2.Compatibility, _Mapping]] = ..., against_versions: _Optional[_Iterable[int]] = ..., findings: _Optional[_Iterable[_Union[_finding_pb2.Finding, _Mapping]]] = ..., breaking_count: _Optional[int] = ..., notice_count: _Optional[int] = ..., equal_version: _Optional[int] = ..., readers: _Optional[_Iterable[_Union[_finding_pb2.AffectedReader, _Mapping]]] = ..., referenced_by: _Optional[_Iterable[_Union[_schema_pb2.SchemaReference, _Mapping]]] = ..., added_types: _Optional[_Iterable[str]] = ..., removed_types: _Optional[_Iterable[str]] = ..., topics_in_need: _Optional[_Iterable[str]] = ..., blocked_by_readers: _Optional[bool] = ..., filters: _Optional[_Iterable[_Union[AffectedFilter, _Mapping]]] = ...) -> None: ...

class AffectedFilter(_message.Message):
    __slots__ = ("group", "client_name", "type", "filter", "error")
    GROUP_FIELD_NUMBER: _ClassVar[int]
    CLIENT_NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    FILTER_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    group: str
    client_name: str
    type: str
    filter: str
    error: str
    def __init__(self, group: _Optional[str] = ..., client_name: _Optional[str] = ..., type: _Optional[str] = ..., filter: _Optional[str] = ..., error: _Optional[str] = ...) -> None: ...

class GetSchemaRequest(_message.Message):
    __slots__ = ("subject", "type", "version", "view", "types")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    TYPES_FIELD_NUMBER: _ClassVar[int]
    subject: str
    type: str
    version: int
    view: SchemaView
    types: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, subject: _Optional[str] = ..., type: _Optional[str] = ..., version: _Optional[int] = ..., view: _Optional[_Union[SchemaView, str]] = ..., types: _Optional[_Iterable[str]] = ...) -> None: ...

class GetSchemaResponse(_message.Message):
    __slots__ = ("schema", "canonical", "typed", "typed_services", "closure")
    class TypedServicesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SCHEMA_FIELD_NUMBER: _ClassVar[int]
    CANONICAL_FIELD_NUMBER: _ClassVar[int]
    TYPED_FIELD_NUMBER: _ClassVar[int]
    TYPED_SERVICES_FIELD_NUMBER: _ClassVar[int]
    CLOSURE_FIELD_NUMBER: _ClassVar[int]
    schema: _schema_pb2.SchemaVersion
    canonical: _schema_pb2.ProtoSources
    typed: _schema_pb2.ProtoSources
    typed_services: _containers.ScalarMap[str, str]
    closure: _containers.RepeatedCompositeFieldContainer[_schema_pb2.SchemaVersion]
    def __init__(self, schema: _Optional[_Union[_schema_pb2.SchemaVersion, _Mapping]] = ..., canonical: _Optional[_Union[_schema_pb2.ProtoSources, _Mapping]] = ..., typed: _Optional[_Union[_schema_pb2.ProtoSources, _Mapping]] = ..., typed_services: _Optional[_Mapping[str, str]] = ..., closure: _Optional[_Iterable[_Union[_schema_pb2.SchemaVersion, _Mapping]]] = ...) -> None: ...

class ListSchemasRequest(_message.Message):
    __slots__ = ("subject", "page_size", "page_token", "show_deleted")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SHOW_DELETED_FIELD_NUMBER: _ClassVar[int]
    subject: str
    page_size: int
    page_token: str
    show_deleted: bool
    def __init__(self, subject: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., show_deleted: _Optional[bool] = ...) -> None: ...

class ListSchemasResponse(_message.Message):
    __slots__ = ("schemas", "next_page_token")
    SCHEMAS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    schemas: _containers.RepeatedCompositeFieldContainer[_schema_pb2.SchemaVersion]
    next_page_token: str
    def __init__(self, schemas: _Optional[_Iterable[_Union[_schema_pb2.SchemaVersion, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListSubjectsRequest(_message.Message):
    __slots__ = ("page_size", "page_token", "show_deleted")
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    SHOW_DELETED_FIELD_NUMBER: _ClassVar[int]
    page_size: int
    page_token: str
    show_deleted: bool
    def __init__(self, page_size: _Optional[int] = ..., page_token: _Optional[str] = ..., show_deleted: _Optional[bool] = ...) -> None: ...

class ListSubjectsResponse(_message.Message):
    __slots__ = ("subjects", "next_page_token")
    SUBJECTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    subjects: _containers.RepeatedCompositeFieldContainer[_schema_pb2.Subject]
    next_page_token: str
    def __init__(self, subjects: _Optional[_Iterable[_Union[_schema_pb2.Subject, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class DiffSchemasRequest(_message.Message):
    __slots__ = ("subject", "old_version", "new_version")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    OLD_VERSION_FIELD_NUMBER: _ClassVar[int]
    NEW_VERSION_FIELD_NUMBER: _ClassVar[int]
    subject: str
    old_version: int
    new_version: int
    def __init__(self, subject: _Optional[str] = ..., old_version: _Optional[int] = ..., new_version: _Optional[int] = ...) -> None: ...

class DiffSchemasResponse(_message.Message):
    __slots__ = ("old_version", "new_version", "differences", "difference_count", "text", "findings")
    OLD_VERSION_FIELD_NUMBER: _ClassVar[int]
    NEW_VERSION_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCES_FIELD_NUMBER: _ClassVar[int]
    DIFFERENCE_COUNT_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    FINDINGS_FIELD_NUMBER: _ClassVar[int]
    old_version: int
    new_version: int
    differences: _containers.RepeatedCompositeFieldContainer[_schema_diff_pb2.SchemaDifference]
    difference_count: int
    text: str
    findings: _containers.RepeatedCompositeFieldContainer[_finding_pb2.Finding]
    def __init__(self, old_version: _Optional[int] = ..., new_version: _Optional[int] = ..., differences: _Optional[_Iterable[_Union[_schema_diff_pb2.SchemaDifference, _Mapping]]] = ..., difference_count: _Optional[int] = ..., text: _Optional[str] = ..., findings: _Optional[_Iterable[_Union[_finding_pb2.Finding, _Mapping]]] = ...) -> None: ...

class DeleteSchemaRequest(_message.Message):
    __slots__ = ("subject", "version", "purge", "message")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    PURGE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    subject: str
    version: int
    purge: bool
    message: str
    def __init__(self, subject: _Optional[str] = ..., version: _Optional[int] = ..., purge: _Optional[bool] = ..., message: _Optional[str] = ...) -> None: ...

class DeleteSchemaResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class RestoreSchemaRequest(_message.Message):
    __slots__ = ("subject", "version", "message")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    subject: str
    version: int
    message: str
    def __init__(self, subject: _Optional[str] = ..., version: _Optional[int] = ..., message: _Optional[str] = ...) -> None: ...

class RestoreSchemaResponse(_message.Message):
    __slots__ = ("subject",)
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    subject: _schema_pb2.Subject
    def __init__(self, subject: _Optional[_Union[_schema_pb2.Subject, _Mapping]] = ...) -> None: ...

class GetSubjectRequest(_message.Message):
    __slots__ = ("name",)
    NAME_FIELD_NUMBER: _ClassVar[int]
    name: str
    def __init__(self, name: _Optional[str] = ...) -> None: ...

class GetSubjectResponse(_message.Message):
    __slots__ = ("subject", "referenced_by")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    REFERENCED_BY_FIELD_NUMBER: _ClassVar[int]
    subject: _schema_pb2.Subject
    referenced_by: _containers.RepeatedCompositeFieldContainer[_schema_pb2.SchemaReference]
    def __init__(self, subject: _Optional[_Union[_schema_pb2.Subject, _Mapping]] = ..., referenced_by: _Optional[_Iterable[_Union[_schema_pb2.SchemaReference, _Mapping]]] = ...) -> None: ...

class UpdateSubjectRequest(_message.Message):
    __slots__ = ("subject", "update_mask", "message")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    UPDATE_MASK_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    subject: _schema_pb2.Subject
    update_mask: _field_mask_pb2.FieldMask
    message: str
    def __init__(self, subject: _Optional[_Union[_schema_pb2.Subject, _Mapping]] = ..., update_mask: _Optional[_Union[_field_mask_pb2.FieldMask, _Mapping]] = ..., message: _Optional[str] = ...) -> None: ...

class UpdateSubjectResponse(_message.Message):
    __slots__ = ("subject",)
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    subject: _schema_pb2.Subject
    def __init__(self, subject: _Optional[_Union[_schema_pb2.Subject, _Mapping]] = ...) -> None: ...

class GetSchemaDefaultsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class GetSchemaDefaultsResponse(_message.Message):
    __slots__ = ("compatibility",)
    COMPATIBILITY_FIELD_NUMBER: _ClassVar[int]
    compatibility: _schema_pb2.Compatibility
    def __init__(self, compatibility: _Optional[_Union[_schema_pb2.Compatibility, _Mapping]] = ...) -> None: ...

class UpdateSchemaDefaultsRequest(_message.Message):
    __slots__ = ("compatibility", "message")
    COMPATIBILITY_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    compatibility: _schema_pb2.Compatibility
    message: str
    def __init__(self, compatibility: _Optional[_Union[_schema_pb2.Compatibility, _Mapping]] = ..., message: _Optional[str] = ...) -> None: ...

class UpdateSchemaDefaultsResponse(_message.Message):
    __slots__ = ("compatibility",)
    COMPATIBILITY_FIELD_NUMBER: _ClassVar[int]
    compatibility: _schema_pb2.Compatibility
    def __init__(self, compatibility: _Optional[_Union[_schema_pb2.Compatibility, _Mapping]] = ...) -> None: ...

class ListSchemaChangesRequest(_message.Message):
    __slots__ = ("subject", "page_size", "page_token")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    subject: str
    page_size: int
    page_token: str
    def __init__(self, subject: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSchemaChangesResponse(_message.Message):
    __slots__ = ("changes", "next_page_token")
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    changes: _containers.RepeatedCompositeFieldContainer[_schema_pb2.SchemaChange]
    next_page_token: str
    def __init__(self, changes: _Optional[_Iterable[_Union[_schema_pb2.SchemaChange, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class ListReadersRequest(_message.Message):
    __slots__ = ("subject", "page_size", "page_token")
    SUBJECT_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    subject: str
    page_size: int
    page_token: str
    def __init__(self, subject: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListReadersResponse(_message.Message):
    __slots__ = ("readers", "next_page_token")
    READERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    readers: _containers.RepeatedCompositeFieldContainer[_schema_pb2.Reader]
    next_page_token: str
    def __init__(self, readers: _Optional[_Iterable[_Union[_schema_pb2.Reader, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...
