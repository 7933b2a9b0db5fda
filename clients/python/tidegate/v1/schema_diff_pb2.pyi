from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SchemaDifferenceKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SCHEMA_DIFFERENCE_KIND_UNSPECIFIED: _ClassVar[SchemaDifferenceKind]
    SCHEMA_DIFFERENCE_KIND_ADDED: _ClassVar[SchemaDifferenceKind]
    SCHEMA_DIFFERENCE_KIND_REMOVED: _ClassVar[SchemaDifferenceKind]
    SCHEMA_DIFFERENCE_KIND_CHANGED: _ClassVar[SchemaDifferenceKind]
    SCHEMA_DIFFERENCE_KIND_MOVED: _ClassVar[SchemaDifferenceKind]
    SCHEMA_DIFFERENCE_KIND_COMMENT: _ClassVar[SchemaDifferenceKind]
SCHEMA_DIFFERENCE_KIND_UNSPECIFIED: SchemaDifferenceKind
SCHEMA_DIFFERENCE_KIND_ADDED: SchemaDifferenceKind
SCHEMA_DIFFERENCE_KIND_REMOVED: SchemaDifferenceKind
SCHEMA_DIFFERENCE_KIND_CHANGED: SchemaDifferenceKind
SCHEMA_DIFFERENCE_KIND_MOVED: SchemaDifferenceKind
SCHEMA_DIFFERENCE_KIND_COMMENT: SchemaDifferenceKind

class SchemaDifference(_message.Message):
    __slots__ = ("kind", "element", "path", "old", "new")
    KIND_FIELD_NUMBER: _ClassVar[int]
    ELEMENT_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    OLD_FIELD_NUMBER: _ClassVar[int]
    NEW_FIELD_NUMBER: _ClassVar[int]
    kind: SchemaDifferenceKind
    element: str
    path: str
    old: str
    new: str
    def __init__(self, kind: _Optional[_Union[SchemaDifferenceKind, str]] = ..., element: _Optional[str] = ..., path: _Optional[str] = ..., old: _Optional[str] = ..., new: _Optional[str] = ...) -> None: ...
