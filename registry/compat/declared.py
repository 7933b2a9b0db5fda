"""Reads the shape of one file from its ``FileDescriptorProto``, and of nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FeatureSet,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileOptions,
    MethodOptions,
    ServiceDescriptorProto,
)

from registry.compat.declared_fields import FieldReader
from registry.compat.features import file_features, resolved, syntax_of
from registry.compat.shape import (
    EnumShape,
    FieldShape,
    FileShape,
    MessageShape,
    MethodShape,
    Numbers,
    Span,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from registry.compat.features import Features

    _Declared = TypeVar("_Declared", DescriptorProto, EnumDescriptorProto, ServiceDescriptorProto)

FILE_OPTIONS = (
    "java_package", "java_outer_classname", "java_multiple_files", "java_generic_services", "go_package",
    "objc_class_prefix", "csharp_namespace", "swift_prefix", "php_class_prefix", "php_namespace",
    "php_metadata_namespace", "ruby_package", "optimize_for", "cc_generic_services", "py_generic_services",
    "cc_enable_arenas",
)  # fmt: skip
"""The options of a file that decide what code is generated from it."""

_NO_NUMBERS = Numbers()


def read_file(file: FileDescriptorProto) -> FileShape:
    """Answers the shape of a compiled file."""
    return _Reader(file).shape()


@dataclass(slots=True)
class _Reader:
    file: FileDescriptorProto
    messages: dict[str, MessageShape] = field(default_factory=dict)
    enums: dict[str, EnumShape] = field(default_factory=dict)
    extensions: dict[str, FieldShape] = field(default_factory=dict)
    _syntax: str = ""
    _field: FieldReader = field(default_factory=FieldReader)

    def shape(self) -> FileShape:
        file = self.file
        self._syntax = syntax_of(file)
        if self._syntax != "editions" or file.options.HasField("java_string_check_utf8"):
            self._field = FieldReader(java_checks=file.options.java_string_check_utf8)
        features = file_features(file)
        self._messages(file.package, file.message_type, features, _bodies(file.extension))
        self._enums(file.package, file.enum_type, features)
        self._extensions(file.package, file.extension, features)
        services = {name: _methods(name, it) for name, it in _scoped(file.package, file.service)}
        return FileShape(
            name=file.name,
            package=file.package,
            syntax=self._syntax,
            options=_file_options(file.options),
            messages=self.messages,
            enums=self.enums,
            services=services,
            extensions=self.extensions,
        )

    def _messages(
        self, scope: str, messages: Iterable[DescriptorProto], inherited: Features, bodies: set[str]
    ) -> None:
        for name, message in _scoped(scope, messages):
            self._message(name, message, inherited, is_type=f".{name}" not in bodies)

    def _message(self, name: str, message: DescriptorProto, inherited: Features, *, is_type: bool) -> None:
        features = resolved(inherited, message)
        nested = [it for it in message.nested_type if not _is_entry(it)]
        entries = {f".{name}.{it.name}": it for it in message.nested_type if _is_entry(it)}
        self.messages[name] = MessageShape(
            name=name,
            fields=dict(self._fields(name, message, features, entries)),
            oneofs=_oneofs(message),
            reserved=_numbers((it.start, it.end - 1) for it in message.reserved_range),
            reserved_names=frozenset(message.reserved_name),
            extendable=_numbers((it.start, it.end - 1) for it in message.extension_range),
            message_set=message.options.message_set_wire_format,
            json_allowed=features.json_format == FeatureSet.ALLOW,
            accessor=not message.options.no_standard_descriptor_accessor,
            is_entry=False,
            is_type=is_type,
            package=self.file.package,
            syntax=self._syntax,
        )
        bodies = _bodies([*message.field, *message.extension]) if nested else set()
        self._messages(name, nested, features, bodies)
        self._enums(name, message.enum_type, features)
        self._extensions(name, message.extension, features)

    def _fields(
        self, scope: str, message: DescriptorProto, features: Features, entries: dict[str, DescriptorProto]
    ) -> Iterator[tuple[int, FieldShape]]:
        of_oneofs = [resolved(features, it) for it in message.oneof_decl]
        for it in message.field:
            entry = entries.get(it.type_name)
            path = f"{scope}.{it.name}"
            oneof = ""
            inherited = features
            if it.HasField("oneof_index"):
                inherited = of_oneofs[it.oneof_index]
                oneof = "" if it.proto3_optional else message.oneof_decl[it.oneof_index].name
            yield it.number, self._field.read(path, it, inherited, oneof=oneof, is_map=entry is not None)
            if entry is not None:
                self._entry(path, it.type_name[1:], entry, resolved(features, it))

    def _entry(self, path: str, name: str, entry: DescriptorProto, features: Features) -> None:
        fields = {
            it.number: self._field.read(
                f"{path}.{it.name}", it, features, label=f"{path.rpartition('.')[2]}.{it.name}"
            )
            for it in entry.field
        }
        none = _NO_NUMBERS
        json_allowed = features.json_format == FeatureSet.ALLOW
        self.messages[name] = MessageShape(
            name, fields, frozenset(), none, frozenset(), none,
            message_set=False, json_allowed=json_allowed, accessor=True, is_entry=True, is_type=False,
            package=self.file.package, syntax=self._syntax,
        )  # fmt: skip

    def _extensions(self, scope: str, extensions: Iterable[FieldDescriptorProto], features: Features) -> None:
        for it in extensions:
            path = f"{scope}.{it.name}" if scope else it.name
            self.extensions[path] = self._field.read(path, it, features)

    def _enums(self, scope: str, enums: Iterable[EnumDescriptorProto], inherited: Features) -> None:
        for name, enum in _scoped(scope, enums):
            features = resolved(inherited, enum)
            names: dict[int, list[str]] = {}
            for value in enum.value:
                names.setdefault(value.number, []).append(value.name)
            self.enums[name] = EnumShape(
                name=name,
                values={number: tuple(its) for number, its in names.items()},
                numbers={value.name: value.number for value in enum.value},
                first=next(iter(names), 0),
                reserved=_numbers((it.start, it.end) for it in enum.reserved_range),
                reserved_names=frozenset(enum.reserved_name),
                closed=features.enum_type == FeatureSet.CLOSED,
                json_allowed=features.json_format == FeatureSet.ALLOW,
                syntax=self._syntax,
            )


def _is_entry(message: DescriptorProto) -> bool:
    return message.HasField("options") and message.options.map_entry


def _oneofs(message: DescriptorProto) -> frozenset[str]:
    synthetic = {it.oneof_index for it in message.field if it.proto3_optional}
    return frozenset(it.name for index, it in enumerate(message.oneof_decl) if index not in synthetic)


def _numbers(spans: Iterable[tuple[int, int]]) -> Numbers:
    listed = [Span(first, last) for first, last in spans]
    return Numbers(listed) if listed else _NO_NUMBERS


def _scoped(scope: str, items: Iterable[_Declared]) -> Iterator[tuple[str, _Declared]]:
    for item in items:
        yield f"{scope}.{item.name}" if scope else item.name, item


def _bodies(fields: Iterable[FieldDescriptorProto]) -> set[str]:
    """Answers the messages that are but bodies of groups: nobody publishes those."""
    return {
        it.type_name
        for it in fields
        if it.type == FieldDescriptorProto.TYPE_GROUP and it.type_name.lower().endswith(f".{it.name}")
    }


def _methods(scope: str, service: ServiceDescriptorProto) -> dict[str, MethodShape]:
    return {
        it.name: MethodShape(
            path=f"{scope}.{it.name}",
            request=it.input_type[1:],
            response=it.output_type[1:],
            client_streaming=it.client_streaming,
            server_streaming=it.server_streaming,
            idempotency=MethodOptions.IdempotencyLevel.Name(it.options.idempotency_level),
        )
        for it in service.method
    }


def _file_options(options: FileOptions) -> dict[str, str]:
    texts = {name: getattr(options, name) for name in FILE_OPTIONS}
    texts["optimize_for"] = FileOptions.OptimizeMode.Name(options.optimize_for)
    return {name: str(value).lower() if isinstance(value, bool) else value for name, value in texts.items()}
