"""What Buf's annotations and our findings are about, as keys that both can be turned into.

Buf names an element by a few words of its sentence, we by its full name. A key is what both know: the
message's or enum's last name and the number of what is in it, or the name within its package.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from google.protobuf import descriptor_pb2 as pb

    from registry.compat.finding import Finding

_SENTENCES = (
    r'Extension "(?P<number>\d+)".* on message "(?P<scope>[^"]*)"',
    r'[Ff]ield "(?P<number>\d+)".* on message "(?P<scope>[^"]*)"',
    r'Message "(?P<scope>[^"]*)" had required field "(?P<number>\d+)"',
    r'num value "(?P<number>-?\d+)" on enum "(?P<scope>[^"]*)"',
    r'RPC "(?P<member>[^"]*)" on service "(?P<scope>[^"]*)"',
    r'oneof "(?P<member>[^"]*)" on message "(?P<scope>[^"]*)"',
    r'range ".*" on (?:message|enum) "(?P<scope>[^"]*)"',
    r'reserved name ".*" on (?:message|enum) "(?P<scope>[^"]*)"',
    r'(?:Previously present \w+|Enum|Message) "(?P<scope>[^"]*)"',
)
_BY_NESTED_NAME = re.compile(r"(PACKAGE_)?(MESSAGE|ENUM|SERVICE|EXTENSION)_NO_DELETE")
_BY_FILE = re.compile(r"FILE_SAME_.*|MESSAGE_NO_REMOVE_STANDARD_DESCRIPTOR_ACCESSOR")


def buf_key(rule_id: str, file: str, message: str) -> str:
    """Answers what an annotation is about."""
    if _BY_FILE.fullmatch(rule_id):
        return file
    for sentence in _SENTENCES:
        if match := re.search(sentence, message):
            named = match.groupdict()
            number, member = named.get("number"), named.get("member")
            return named["scope"] + (f"#{number}" if number else f".{member}" if member else "")
    raise AssertionError(message)


class Keys:
    """The keys of what two sides declare; where both declare it, the old side says, but for the file."""

    def __init__(self, old: Iterable[pb.FileDescriptorProto], new: Iterable[pb.FileDescriptorProto]) -> None:
        self._keys: dict[str, str] = {}
        self._files: dict[str, str] = {}
        self._nested_names: dict[str, str] = {}
        for file in (*new, *old):
            self._file(file)

    def key(self, finding: Finding) -> str:
        """Answers what a finding is about."""
        if _BY_FILE.fullmatch(finding.rule_id):
            return self._files.get(finding.path, finding.path)
        if _BY_NESTED_NAME.fullmatch(finding.rule_id):
            return self._nested_names[finding.path]
        return self._keys.get(finding.path, finding.path)

    def _file(self, file: pb.FileDescriptorProto) -> None:
        prefix = f"{file.package}." if file.package else ""
        for message in file.message_type:
            self._message(file, prefix, message.name, message)
        for enum in file.enum_type:
            self._enum(prefix, enum.name, enum)
        self._extensions(prefix, "", file.extension)
        for service in file.service:
            self._nested_names[f"{prefix}{service.name}"] = service.name
            for method in service.method:
                self._keys[f"{prefix}{service.name}.{method.name}"] = f"{service.name}.{method.name}"

    def _message(
        self, file: pb.FileDescriptorProto, prefix: str, name: str, message: pb.DescriptorProto
    ) -> None:
        path = prefix + name
        self._keys[path], self._nested_names[path] = message.name, name
        self._files.setdefault(path, file.name)
        entries: Mapping[str, pb.DescriptorProto] = {
            f".{path}.{it.name}": it for it in message.nested_type if it.options.map_entry
        }
        for field in message.field:
            self._keys[f"{path}.{field.name}"] = f"{message.name}#{field.number}"
            if field.type_name in entries:
                for part in entries[field.type_name].field:
                    key = f"{entries[field.type_name].name}#{part.number}"
                    self._keys[f"{path}.{field.name}.{part.name}"] = key
        for oneof in message.oneof_decl:
            self._keys.setdefault(f"{path}.{oneof.name}", f"{message.name}.{oneof.name}")
        for nested in message.nested_type:
            self._message(file, prefix, f"{name}.{nested.name}", nested)
        for enum in message.enum_type:
            self._enum(prefix, f"{name}.{enum.name}", enum)
        self._extensions(prefix, f"{name}.", message.extension)

    def _enum(self, prefix: str, name: str, enum: pb.EnumDescriptorProto) -> None:
        self._keys[prefix + name], self._nested_names[prefix + name] = enum.name, name
        for value in enum.value:
            self._keys[f"{prefix}{name}.{value.name}"] = f"{enum.name}#{value.number}"

    def _extensions(self, prefix: str, scope: str, fields: Iterable[pb.FieldDescriptorProto]) -> None:
        for field in fields:
            path = f"{prefix}{scope}{field.name}"
            self._keys[path] = f"{field.extendee[1:]}#{field.number}"
            self._nested_names[path] = f"{scope}{field.name}"
