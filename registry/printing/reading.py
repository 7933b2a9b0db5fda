"""Descriptors as messages that know the options that the schema itself declares."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message_factory import GetMessageClass

from registry.descriptors import build_pool
from registry.supplied import DESCRIPTOR_FILE


def read_files(descriptor_set: bytes) -> list[Any]:
    """Parses the files of a compiled schema.

    Answers ``FileDescriptorProto``s of a class of their own, in the order of the set.
    """
    named = FileDescriptorSet(file=[FileDescriptorProto(name=DESCRIPTOR_FILE)])
    pool = build_pool(named.SerializeToString() + descriptor_set)
    kind = pool.FindMessageTypeByName(FileDescriptorSet.DESCRIPTOR.full_name)
    files: Any = GetMessageClass(kind).FromString(descriptor_set)
    return list(files.file)
