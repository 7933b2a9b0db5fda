"""Reads shapes from serialized descriptors, file by file, and keeps those of files that it met lately."""

from __future__ import annotations

from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from registry.compat.declared import read_file
from registry.compat.shape import Shape
from registry.supplied import is_supplied_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message

    from registry.compat.finding import Side
    from registry.compat.shape import EnumShape, FieldShape, FileShape, MessageShape

KEPT_BYTES = 8 * 1024 * 1024
"""How many bytes of serialized files are kept as shapes, which take some ten times as much."""


def read_shape(side: Side) -> Shape:
    """Answers the shape of a side's own files, and of those of its references; not of supplied ones."""
    messages: dict[str, MessageShape] = {}
    enums: dict[str, EnumShape] = {}
    extensions: dict[tuple[str, int], FieldShape] = {}
    files: dict[str, FileShape] = {}
    for file in filter(None, map(_kept.file, split_files(side.descriptor_set))):
        messages.update(file.messages)
        enums.update(file.enums)
        extensions.update(((it.extendee, it.number), it) for it in file.extensions.values())
        files[file.name] = file
    return Shape(side.name, side.own_files & files.keys(), files, messages, enums, extensions)


def split_files(descriptor_set: bytes) -> Sequence[bytes]:
    """Answers the serialized files of a serialized descriptor set, which are not parsed for that."""
    split: Any = _split_set().FromString(descriptor_set)
    files: Sequence[bytes] = split.file
    return files


class _KeptFiles:
    """Shapes by the bytes of their file, the latest ones last. Safe to use from several threads.

    What is equal in two versions of a file is the same object, so that comparisons pass it by at a glance.
    """

    def __init__(self) -> None:
        self._shapes: dict[bytes, FileShape | None] = {}
        self._latest: dict[str, FileShape] = {}
        self._bytes = 0
        self._lock = Lock()

    def file(self, data: bytes) -> FileShape | None:
        """Answers the shape of a serialized file; None for those that the registry supplies."""
        with self._lock:
            if data in self._shapes:
                self._shapes[data] = shape = self._shapes.pop(data)
                return shape
        shape = _read(data)
        if shape and (before := self._latest.get(shape.name)):
            shape = shape.sharing(before)
        with self._lock:
            self._keep(data, shape)
        return shape

    def _keep(self, data: bytes, shape: FileShape | None) -> None:
        if shape:
            self._latest[shape.name] = shape
        if data not in self._shapes:
            self._shapes[data] = shape
            self._bytes += len(data)
        while self._bytes > KEPT_BYTES:
            oldest = next(iter(self._shapes))
            gone = self._shapes.pop(oldest)
            self._bytes -= len(oldest)
            if gone and self._latest.get(gone.name) is gone:
                del self._latest[gone.name]


_kept = _KeptFiles()


def _read(data: bytes) -> FileShape | None:
    file = FileDescriptorProto.FromString(data)
    return None if is_supplied_name(file.name) else read_file(file)


@cache
def _split_set() -> type[Message]:
    """Answers a twin of ``FileDescriptorSet`` that leaves its files as bytes."""
    file = FileDescriptorProto(name="split.proto", syntax="proto2")
    field = file.message_type.add(name="Split").field.add(name="file", number=1)
    field.label, field.type = FieldDescriptorProto.LABEL_REPEATED, FieldDescriptorProto.TYPE_BYTES
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName("Split"))
