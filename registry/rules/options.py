"""Reads the ``buf.validate`` options of descriptors, and makes copies of files without them.

Descriptors hand out options of the default pool, which knows no extension: they are read again with the
message classes of a pool that does. Imports ``descriptors`` and ``supplied`` of the registry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from registry.descriptors import build_pool
from registry.errors import InvalidSchema, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from google.protobuf.descriptor import FileDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool

VALIDATE_FILE = "buf/validate/validate.proto"


class RuleOptions:
    """The ``buf.validate`` options of one schema version's descriptors.

    Reads them with the schema's own pool, which knows its predefined rules. A pool without
    validate.proto may still hold rules, as bytes that protovalidate would read: then our copy reads them.
    """

    def __init__(self, pool: DescriptorPool) -> None:
        try:
            pool.FindFileByName(VALIDATE_FILE)
            self._pool = pool
        except KeyError:
            alone = FileDescriptorSet(file=[FileDescriptorProto(name=VALIDATE_FILE)])
            self._pool = build_pool(alone.SerializeToString())

    def of(self, carrier: Descriptor | FieldDescriptor) -> Any | None:
        """The MessageRules or FieldRules of a message or field, None if it has none.

        Raises:
            InvalidSchema: The option's bytes are no rules.
        """
        if isinstance(carrier, FieldDescriptor):
            return self._read(carrier, "FieldOptions", "field")
        return self._read(carrier, "MessageOptions", "message")

    def predefined(self) -> Iterator[tuple[FieldDescriptor, Any]]:
        """The extensions of the standard rules that the schema's pool defines, with their PredefinedRules."""
        for kind in self._pool.FindMessageTypeByName("buf.validate.FieldRules").fields:
            if kind.message_type is not None and kind.message_type.is_extendable:
                for extension in self._pool.FindAllExtensions(kind.message_type):
                    rules = self._read(extension, "FieldOptions", "predefined")
                    if rules is not None:
                        yield extension, rules

    def file_with_rules_of(self, file: FileDescriptor, keep: Callable[[str], bool]) -> bytes:
        """A copy of the file in which only messages and fields that ``keep`` accepts carry rules."""
        copy = self._class("FileDescriptorProto").FromString(file.serialized_pb)
        for message in copy.message_type:
            self._strip(message, file.package, keep)
        data: bytes = copy.SerializePartialToString()
        return data

    def _strip(self, message: Any, parent: str, keep: Callable[[str], bool]) -> None:
        name = f"{parent}.{message.name}".lstrip(".")
        for nested in message.nested_type:
            self._strip(nested, name, keep)
        if not keep(name):
            message.options.ClearExtension(self._extension("message"))
        for field in message.field:
            if not keep(f"{name}.{field.name}"):
                field.options.ClearExtension(self._extension("field"))

    def _read(self, carrier: Any, options: str, extension: str) -> Any | None:
        unread = carrier.GetOptions().SerializePartialToString()
        if not unread:
            return None
        try:
            read = self._class(options).FromString(unread)
        except DecodeError as error:
            problem = f"its buf.validate options can't be read: {error}"
            raise InvalidSchema([Violation(carrier.full_name, problem)]) from error
        key = self._extension(extension)
        return read.Extensions[key] if read.HasExtension(key) else None

    def _class(self, name: str) -> Any:
        return GetMessageClass(self._pool.FindMessageTypeByName(f"google.protobuf.{name}"))

    def _extension(self, name: str) -> Any:
        return self._pool.FindExtensionByName(f"buf.validate.{name}")
