"""How large a schema is, held against ``SchemaLimits``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from registry.errors import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto

    from registry.schema import SchemaLimits

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(slots=True)
class _Walk:
    limits: SchemaLimits
    elements: int = 0
    problems: list[Violation] = field(default_factory=list)

    def count(self, scope: str, names: Iterable[str]) -> None:
        """Counts elements of a scope and looks at their names."""
        for name in names:
            self.elements += 1
            if _IDENTIFIER.fullmatch(name) is None:
                self.problems.append(Violation(scope or "schema", f"{name[:100]!r} is no identifier"))
            elif len(scope) + 1 + len(name) > self.limits.max_name_length:
                self.problems.append(
                    Violation(
                        "max_name_length",
                        f"{scope[:50]}…{name[:50]} has {len(scope) + 1 + len(name):,} characters with its package; "
                        f"at most {self.limits.max_name_length:,} are allowed",
                    )
                )

    def messages(self, scope: str, messages: Iterable[DescriptorProto], depth: int) -> None:
        for message in messages:
            self.count(scope, [message.name])
            name = f"{scope}.{message.name}"
            if depth > self.limits.max_depth:
                self.problems.append(
                    Violation(
                        "max_depth",
                        f"{name} is declared {depth} levels deep; at most {self.limits.max_depth} are allowed",
                    )
                )
                return
            self.count(name, (it.name for it in message.field))
            self.count(name, (it.name for it in message.extension))
            self.count(name, (it.name for it in message.oneof_decl))
            self.enums(name, message.enum_type)
            self.messages(name, message.nested_type, depth + 1)

    def enums(self, scope: str, enums: Iterable[EnumDescriptorProto]) -> None:
        for enum in enums:
            self.count(scope, [enum.name])
            self.count(scope, (it.name for it in enum.value))

    def file(self, file: FileDescriptorProto) -> None:
        scope = file.package
        if scope:
            self.count("", scope.split("."))
        self.messages(scope, file.message_type, 1)
        self.enums(scope, file.enum_type)
        self.count(scope, (it.name for it in file.extension))
        for service in file.service:
            self.count(scope, [service.name])
            self.count(scope, (it.name for it in service.method))


def measure_problems(files: Sequence[FileDescriptorProto], limits: SchemaLimits) -> list[Violation]:
    """Answers where the files are over a limit of depth, name length or number of elements.

    Names that are no identifiers are named too: a descriptor set can carry what no source could.
    """
    walk = _Walk(limits)
    for file in files:
        walk.file(file)
    if walk.elements > limits.max_elements:
        walk.problems.append(
            Violation(
                "max_elements",
                f"the schema has {walk.elements:,} messages, fields, enums and other elements; "
                f"at most {limits.max_elements:,} are allowed",
            )
        )
    return walk.problems
