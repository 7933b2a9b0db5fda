"""The files of typed services: as .proto text for people and protoc, as descriptors for reflection. Pure."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from registry.typed import declaring_files, typed_services
from registry.typed_messages import HEAD, IMPORTS, MESSAGES, METHODS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from google.protobuf.descriptor_pb2 import DescriptorProto

    from registry.schema import SchemaVersion
    from registry.typed import TypedService
    from registry.typed_messages import Field, Message, Method

_WIDTH: Final = 105
_SCALARS: Final = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
    "bool": FieldDescriptorProto.TYPE_BOOL,
}


def typed_files(schema: SchemaVersion, types: Collection[str] = ()) -> dict[str, str]:
    """Answers the .proto texts of a version's typed services by file name; of some types only, if named.

    Each imports ``typed_messages.IMPORTS`` and the file that declares its event type.
    """
    declared_in = declaring_files(schema)
    return {
        service.file: write_file(service, declared_in[service.type])
        for service in typed_services(schema)
        if not types or service.type in types
    }


def write_file(service: TypedService, declared_in: str) -> str:
    """Answers a service's file as text; ``declared_in`` is the file that declares its event type."""
    words = _words(service) | {
        message.role: name.rpartition(".")[2]
        for message, name in zip(MESSAGES, service.messages, strict=True)
    }
    return "\n".join(line.rstrip() for line in _lines(service, declared_in, words)) + "\n"


def describe_file(service: TypedService, declared_in: str) -> FileDescriptorProto:
    """Answers the same as descriptors, as protoc writes them, without positions and comments."""
    words = _words(service) | {
        message.role: f".{name}" for message, name in zip(MESSAGES, service.messages, strict=True)
    }
    file = FileDescriptorProto(
        name=service.file, package=service.name.scope, dependency=_imports(declared_in), syntax="proto3"
    )
    file.options.java_multiple_files = True
    for message, name in zip(MESSAGES, service.messages, strict=True):
        _describe(message, file.message_type.add(name=name.rpartition(".")[2]), name, words)
    declared = file.service.add(name=f"{service.name.name}Service")
    for method in METHODS:
        made = declared.method.add(name=method.name.format_map(words))
        made.input_type, made.output_type = method.takes.format_map(words), method.answers.format_map(words)
        if method.client_streaming:
            made.client_streaming = True
        if method.server_streaming:
            made.server_streaming = True
    return file


def _words(service: TypedService) -> dict[str, str]:
    """Answers what the texts of the table are filled in with, besides the messages' names."""
    return {
        "name": service.name.name,
        "type": service.type,
        "data": f".{service.type}",
        "version": str(service.version),
        "subject": service.subject,
    }


def _imports(declared_in: str) -> list[str]:
    return sorted((*IMPORTS, declared_in))


def _describe(message: Message, made: DescriptorProto, full_name: str, words: dict[str, str]) -> None:
    if message.oneof:
        made.oneof_decl.add(name=message.oneof)
    for field in message.fields:
        label, _, kind = field.type.format_map(words).rpartition(" ")
        described = made.field.add(
            name=field.name, number=field.number, label=FieldDescriptorProto.LABEL_OPTIONAL
        )
        if kind in _SCALARS:
            described.type = _SCALARS[kind]
        else:
            described.type, described.type_name = FieldDescriptorProto.TYPE_MESSAGE, kind
        if label == "repeated":
            described.label = FieldDescriptorProto.LABEL_REPEATED
        elif label == "optional":
            described.proto3_optional, described.oneof_index = True, len(made.oneof_decl)
            made.oneof_decl.add(name=f"_{field.name}")
        elif label.startswith("map<"):
            _describe_map(described, made, full_name)
        elif message.oneof:
            described.oneof_index = 0


def _describe_map(field: FieldDescriptorProto, made: DescriptorProto, full_name: str) -> None:
    """Makes a field a map of texts."""
    entry = made.nested_type.add(name=f"{field.name.title()}Entry")
    entry.options.map_entry = True
    for number, name in enumerate(("key", "value"), 1):
        entry.field.add(
            name=name,
            number=number,
            label=FieldDescriptorProto.LABEL_OPTIONAL,
            type=FieldDescriptorProto.TYPE_STRING,
        )
    field.label, field.type_name = FieldDescriptorProto.LABEL_REPEATED, f".{full_name}.{entry.name}"


def _lines(service: TypedService, declared_in: str, words: dict[str, str]) -> Iterator[str]:
    for number, paragraph in enumerate(HEAD):
        if number:
            yield "//"
        yield from _comment(paragraph.format_map(words), "")
    yield from ("", 'syntax = "proto3";', "", f"package {service.name.scope};", "")
    yield from (f'import "{name}";' for name in _imports(declared_in))
    yield from ("", "option java_multiple_files = true;", "")
    yield from _comment(f"Where events of type {service.type} go in and come out.", "")
    yield f"service {service.name.name}Service {{"
    for method in METHODS:
        yield from _method_lines(method, words)
    yield "}"
    for message in MESSAGES:
        yield ""
        yield from _message_lines(message, words)


def _method_lines(method: Method, words: dict[str, str]) -> Iterator[str]:
    takes, answers = (
        f"{'stream ' * streaming}{kind.format_map(words)}"
        for kind, streaming in (
            (method.takes, method.client_streaming),
            (method.answers, method.server_streaming),
        )
    )
    yield from _comment(method.comment.format_map(words), "  ")
    yield f"  rpc {method.name.format_map(words)}({takes}) returns ({answers});"


def _message_lines(message: Message, words: dict[str, str]) -> Iterator[str]:
    indent = "  "
    yield from _comment(message.comment.format_map(words), "")
    yield f"message {words[message.role]} {{"
    if message.oneof:
        indent = "    "
        yield from ("  // What it says.", f"  oneof {message.oneof} {{")
    for field in message.fields:
        yield from _field_lines(field, words, indent)
    if message.oneof:
        yield "  }"
    yield "}"


def _field_lines(field: Field, words: dict[str, str], indent: str) -> Iterator[str]:
    yield from _comment(field.comment.format_map(words), indent)
    yield f"{indent}{field.type.format_map(words)} {field.name} = {field.number};"


def _comment(text: str, indent: str) -> list[str]:
    prefix = f"{indent}// "
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=prefix,
        subsequent_indent=prefix,
        break_long_words=False,
        break_on_hyphens=False,
    )
