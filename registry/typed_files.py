"""The files of typed services: as .proto text for people and protoc, as descriptors for reflection. Pure."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from keyword import iskeyword
from typing import TYPE_CHECKING, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

from registry.descriptors import message_types
from registry.typed import suffixes, typed_services
from registry.typed_messages import HEAD, IMPORTS, MESSAGES, METHODS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from google.protobuf.descriptor_pb2 import DescriptorProto, MethodDescriptorProto

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


_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class TypedFile:
    """The file of one typed service.

    Attributes:
        service: The service.
        name: The file's name.
        messages: The full names of the service's messages, in the order of ``typed_messages.MESSAGES``.
        declared_in: The name of the file that declares its event type.
    """

    service: TypedService
    name: str
    messages: tuple[str, ...]
    declared_in: str

    def text(self) -> str:
        """Answers it as text."""
        words = _words(self.service) | {
            message.role: name.rpartition(".")[2]
            for message, name in zip(MESSAGES, self.messages, strict=True)
        }
        return "\n".join(line.rstrip() for line in _lines(self, words)) + "\n"

    def descriptor(self) -> FileDescriptorProto:
        """Answers it as protoc describes it, without positions and comments."""
        words = _words(self.service) | {
            message.role: f".{name}" for message, name in zip(MESSAGES, self.messages, strict=True)
        }
        file = FileDescriptorProto(
            name=self.name, package=self.service.name.scope, dependency=self.imports, syntax="proto3"
        )
        file.options.java_multiple_files = True
        for message, name in zip(MESSAGES, self.messages, strict=True):
            _describe(message, file.message_type.add(name=name.rpartition(".")[2]), name, words)
        declared = file.service.add(name=f"{self.service.name.name}Service")
        for method in METHODS:
            _describe_method(method, declared.method.add(), words)
        return file

    @property
    def imports(self) -> list[str]:
        """The names of the files that it imports."""
        return sorted((*IMPORTS, self.declared_in))


def typed_files(schema: SchemaVersion, types: Collection[str] = ()) -> dict[str, str]:
    """Answers the texts of the files of a version's typed services by name; of some types only, if named."""
    return {
        file.name: file.text() for file in service_files(schema) if not types or file.service.type in types
    }


def service_files(schema: SchemaVersion) -> list[TypedFile]:
    """Answers the files of a version's typed services, in the order of its types."""
    services = typed_services(schema)
    declared_in = declaring_files(schema)
    taken = {name for service in services for name in (service.name.full, *service.name.scopes())}
    names: set[str] = set()
    return [
        TypedFile(
            service, _file_name(service, names), _message_names(service, taken), declared_in[service.type]
        )
        for service in services
    ]


def declaring_files(schema: SchemaVersion) -> dict[str, str]:
    """Answers the name of the file that declares each event type of a version."""
    files = FileDescriptorSet.FromString(schema.descriptor_set).file
    return {type_name: file.name for file in files for type_name in message_types([file])}


def _file_name(service: TypedService, taken: set[str]) -> str:
    """Names a service's file; no two differ by upper and lower case only, and Python can import each."""
    folder = "/".join(f"{word}_" if iskeyword(word) else word for word in service.name.scope.split("."))
    stem = f"{folder}/{_HUMP.sub('_', service.name.name).lower()}_service"
    files = (f"{stem}{suffix}.proto" for suffix in suffixes())
    file = next(file for file in files if file.lower() not in taken)
    taken.add(file.lower())
    return file


def _message_names(service: TypedService, taken: set[str]) -> tuple[str, ...]:
    """Names a service's messages; they don't travel, so any that are free will do."""
    forms = [f"{service.name.scope}.{message.name.format(name=service.name.name)}" for message in MESSAGES]
    choices = (tuple(f"{form}{suffix}" for form in forms) for suffix in suffixes())
    names = next(names for names in choices if taken.isdisjoint(names))
    taken.update(names)
    return names


def _words(service: TypedService) -> dict[str, str]:
    """Answers what the texts of the table are filled in with, besides the messages' names."""
    return {
        "name": service.name.name,
        "type": service.type,
        "data": f".{service.type}",
        "version": str(service.version),
        "subject": service.subject,
    }


def _describe_method(method: Method, made: MethodDescriptorProto, words: dict[str, str]) -> None:
    made.name = method.name.format_map(words)
    made.input_type, made.output_type = method.takes.format_map(words), method.answers.format_map(words)
    if method.client_streaming:
        made.client_streaming = True
    if method.server_streaming:
        made.server_streaming = True


def _describe(message: Message, made: DescriptorProto, full_name: str, words: dict[str, str]) -> None:
    if message.oneof:
        made.oneof_decl.add(name=message.oneof)
    for field in message.fields:
        label, _, kind = field.type.format_map(words).rpartition(" ")
        described = made.field.add(
            name=field.name,
            number=field.number,
            label=FieldDescriptorProto.LABEL_OPTIONAL,
            json_name=_json_name(field.name),
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
            json_name=name,
        )
    field.label, field.type_name = FieldDescriptorProto.LABEL_REPEATED, f".{full_name}.{entry.name}"


def _json_name(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.title() for word in others)


def _lines(file: TypedFile, words: dict[str, str]) -> Iterator[str]:
    name = file.service.name
    for number, paragraph in enumerate(HEAD):
        if number:
            yield "//"
        yield from _comment(paragraph.format_map(words), "")
    yield from ("", 'syntax = "proto3";', "", f"package {name.scope};", "")
    yield from (f'import "{imported}";' for imported in file.imports)
    yield from ("", "option java_multiple_files = true;", "")
    yield from _comment(f"Where events of type {file.service.type} go in and come out.", "")
    yield f"service {name.name}Service {{"
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
