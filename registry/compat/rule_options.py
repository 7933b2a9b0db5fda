"""Reads serialized ``buf.validate`` options, and what else of a schema counts with them; shows rules."""

from __future__ import annotations

import json
from functools import cache, cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from google.protobuf import text_encoding, text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from registry.compat.rule_carriers import is_supplied, read_rule_file
from registry.descriptors import build_pool
from registry.supplied import VALIDATE_FILE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from google.protobuf.descriptor_pool import DescriptorPool

    from registry.compat.rule_carriers import RuleFile


class Declared:
    """What a schema declares beside the rules and rules depend on; read when first asked for."""

    def __init__(self, files: Sequence[bytes]) -> None:
        self._files = files

    def _read(self) -> Iterator[RuleFile]:
        return (read_rule_file(file) for file in self._files if not is_supplied(file))

    @cached_property
    def enums(self) -> Mapping[str, frozenset[int]]:
        """Numbers that have a name, by the enum's full name."""
        return {name: it for file in self._read() for name, it in file.enums.items()}

    @cached_property
    def predefined(self) -> Mapping[tuple[str, int], tuple[str, bytes]]:
        """The rules that the schema defines itself; see ``RuleFile``."""
        return {key: it for file in self._read() for key, it in file.predefined.items()}


@cache
def standard_pool() -> DescriptorPool:
    """Answers a pool of ``buf.validate`` alone."""
    alone = FileDescriptorSet(file=[FileDescriptorProto(name=VALIDATE_FILE)])
    return build_pool(alone.SerializeToString())


@lru_cache(maxsize=1024)
def read_options(kind: str, options: bytes) -> Any | None:
    """Answers the rules in serialized options, None if there are none, or bytes that are no rules.

    Those pass registration only in a schema that does not import the rules.

    Args:
        kind: ``field``, ``message``, ``oneof`` or ``predefined``.
        options: Serialized ``FieldOptions``, ``MessageOptions`` or ``OneofOptions``.
    """
    pool = standard_pool()
    extension: Any = pool.FindExtensionByName(f"buf.validate.{kind}")
    try:
        read = GetMessageClass(extension.containing_type).FromString(options)
    except DecodeError:
        return None
    return read.Extensions[extension] if read.HasExtension(extension) else None


@cache
def no_rules() -> Any:
    """Answers the rules of a field that has none."""
    return GetMessageClass(standard_pool().FindMessageTypeByName("buf.validate.FieldRules"))()


def set_rules(typed: Any) -> set[str]:
    """Answers the names of the rules that are set in a message such as ``Int32Rules``."""
    return {descriptor.name for descriptor, _ in typed.ListFields()}


def said(kind: str, typed: Any, names: Iterable[str]) -> dict[str, str]:
    """Answers the rules among ``names`` that are set, as text."""
    return {
        f"{kind}.{descriptor.name}": shown_rule(value, many=descriptor.is_repeated)
        for descriptor, value in typed.ListFields()
        if descriptor.name in names
    }


def shown_rule(value: Any, *, many: bool) -> str:
    """Answers a rule's value as it would stand in the source."""
    if many:
        return f"[{', '.join(shown_rule(it, many=False) for it in value)}]"
    if hasattr(value, "DESCRIPTOR"):
        return "{" + text_format.MessageToString(value, as_one_line=True) + "}"
    if isinstance(value, bytes):
        return f'"{text_encoding.CEscape(value, as_utf8=False)}"'
    return json.dumps(value, ensure_ascii=False)
