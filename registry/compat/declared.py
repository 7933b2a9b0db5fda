"""Reads the shape of one file from its ``FileDescriptorProto``, and of nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FeatureSet,
    FieldDescriptorProto,
    FieldOptions,
    FileDescriptorProto,
    FileOptions,
    MethodOptions,
    OneofDescriptorProto,
    ServiceDescriptorProto,
)

from registry.compat.features import file_features, syntax_of
from registry.compat.shape import (
    Cardinality,
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
    _Inheriting = DescriptorProto | EnumDescriptorProto | FieldDescriptorProto | OneofDescriptorProto

FILE_OPTIONS = (
    "java_package", "java_outer_classname", "java_multiple_files", "java_generic_services", "go_package",
    "objc_class_prefix", "csharp_namespace", "swift_prefix", "php_class_prefix", "php_namespace",
    "php_metadata_namespace", "ruby_package", "optimize_for", "cc_generic_services", "py_generic_services",
    "cc_enable_arenas",
)  # fmt: skip
"""The options of a file that decide what code is generated from it."""

_TYPES = {number: name.removeprefix("TYPE_").lower() for name, number in FieldDescriptorProto.Type.items()}
_JS_TYPES = {number: name for name, number in FieldOptions.JSType.items()}
_C_TYPES = {number: name for name, number in FieldOptions.CType.items()}
_NO_NUMBERS = Numbers()
_NO_OPTIONS = FieldOptions()


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
    _java_checks: bool | None = None

    def shape(self) -> FileShape:
        file = self.file
        self._syntax = syntax_of(file)
        if self._syntax != "editions" or file.options.HasField("java_string_check_utf8"):
            self._java_checks = file.options.java_string_check_utf8
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
        features = _resolved(inherited, message)
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
        of_oneofs = [_resolved(features, it) for it in message.oneof_decl]
        for it in message.field:
            entry = entries.get(it.type_name)
            path = f"{scope}.{it.name}"
            oneof = ""
            inherited = features
            if it.HasField("oneof_index"):
                inherited = of_oneofs[it.oneof_index]
                oneof = "" if it.proto3_optional else message.oneof_decl[it.oneof_index].name
            yield it.number, self._field(path, it, inherited, oneof=oneof, is_map=entry is not None)
            if entry is not None:
                self._entry(path, it.type_name[1:], entry, _resolved(features, it))

    def _entry(self, path: str, name: str, entry: DescriptorProto, features: Features) -> None:
        fields = {
            it.number: self._field(
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
            self.extensions[path] = self._field(path, it, features)

    def _field(
        self,
        path: str,
        it: FieldDescriptorProto,
        inherited: Features,
        *,
        oneof: str = "",
        is_map: bool = False,
        label: str = "",
    ) -> FieldShape:
        options = it.options if it.HasField("options") else _NO_OPTIONS
        features = inherited.overridden(options.features) if options.HasField("features") else inherited
        kind = _TYPES[it.type]
        if kind == "message" and not (is_map or label) and _is_delimited(features):
            kind = "group"
        verified = features.utf8_validation == FeatureSet.VERIFY
        java_verify = features.java_verify if self._java_checks is None else self._java_checks
        has_ctype = options.HasField("ctype")
        return FieldShape(
            path=path,
            name=it.name,
            label=label or it.name,
            number=it.number,
            type=kind,
            type_name=it.type_name[1:],
            cardinality=Cardinality.MAP if is_map else _cardinality(it, kind, features),
            oneof=oneof,
            json_name=it.json_name if it.HasField("json_name") else _json_name(it.name),
            default=it.default_value if it.HasField("default_value") else None,
            verified=verified,
            jstype=_JS_TYPES[options.jstype],
            cpp_string=_C_TYPES[options.ctype] if has_ctype else features.cpp_string_type,
            java_verified=verified or java_verify,
            extendee=it.extendee[1:],
        )

    def _enums(self, scope: str, enums: Iterable[EnumDescriptorProto], inherited: Features) -> None:
        for name, enum in _scoped(scope, enums):
            features = _resolved(inherited, enum)
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


def _resolved(inherited: Features, element: _Inheriting) -> Features:
    """Answers the features of an element; most give none, and then nothing is made."""
    if element.HasField("options") and element.options.HasField("features"):
        return inherited.overridden(element.options.features)
    return inherited


def _is_entry(message: DescriptorProto) -> bool:
    return message.HasField("options") and message.options.map_entry


def _is_delimited(features: Features) -> bool:
    return features.message_encoding == FeatureSet.DELIMITED


def _cardinality(it: FieldDescriptorProto, kind: str, features: Features) -> Cardinality:
    if it.label == FieldDescriptorProto.LABEL_REPEATED:
        return Cardinality.REPEATED
    if it.label == FieldDescriptorProto.LABEL_REQUIRED:
        return Cardinality.REQUIRED
    if it.HasField("oneof_index") or it.extendee:
        return Cardinality.EXPLICIT
    if features.field_presence == FeatureSet.LEGACY_REQUIRED:
        return Cardinality.REQUIRED
    has_presence = kind in ("message", "group") or features.field_presence == FeatureSet.EXPLICIT
    return Cardinality.EXPLICIT if has_presence else Cardinality.IMPLICIT


def _json_name(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(it[:1].upper() + it[1:] for it in others)


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
