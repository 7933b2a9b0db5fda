"""The files that the registry supplies itself: google/* and buf/validate/*, as installed packages carry them.

Whatever a schema sends under these names is ignored in favour of them, so that a timestamp is a
timestamp and a rule is a rule in every schema.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import FileDescriptorSet

if TYPE_CHECKING:
    from collections.abc import Mapping

VALIDATE_FILE = "buf/validate/validate.proto"
DESCRIPTOR_FILE = "google/protobuf/descriptor.proto"
_OWN_FOLDERS = ("google/", "buf/validate/")
_OWN_PACKAGES = ("google", "buf.validate")
_RESERVED_PACKAGES = (*_OWN_PACKAGES, "tidegate")
_SOURCES = ("google.protobuf", "google.type", "google.rpc", "google.rpc.context", "google.api")


_taken: dict[str, bytes] = {}


def supplied_files() -> Mapping[str, bytes]:
    """Answers the supplied files: serialized ``FileDescriptorProto`` by file name."""
    return _taken or _installed()


@cache
def supplied_set() -> bytes:
    """Answers the supplied files as one serialized ``FileDescriptorSet``."""
    result = FileDescriptorSet()
    for data in supplied_files().values():
        result.file.add().MergeFromString(data)
    return result.SerializeToString()


def take_supplied(supplied: bytes) -> None:
    """Makes this process supply what another one's ``supplied_set`` answers.

    For a short-lived process: to import all that has these files takes longer than to compile a schema.
    """
    _taken.update(
        (file.name, file.SerializeToString()) for file in FileDescriptorSet.FromString(supplied).file
    )


@cache
def _installed() -> Mapping[str, bytes]:
    from protovalidate._gen.buf.validate import validate_pb  # noqa: PLC0415 - see take_supplied

    modules = (
        import_module(f"{package}.{module.name}")
        for package in _SOURCES
        for module in iter_modules(import_module(package).__path__)
        if module.name.endswith("_pb2")
    )
    files = {module.DESCRIPTOR.name: bytes(module.DESCRIPTOR.serialized_pb) for module in modules}
    return files | {VALIDATE_FILE: validate_pb.desc().proto.to_binary()}


def is_supplied_name(name: str) -> bool:
    """Tells whether a file of this name is the registry's to supply, whether it has it or not."""
    return name.startswith(_OWN_FOLDERS)


def is_reserved_package(package: str) -> bool:
    """Tells whether schemas of users can't declare anything in ``package``."""
    return any(package == own or package.startswith(f"{own}.") for own in _RESERVED_PACKAGES)
