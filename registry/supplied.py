"""The files that the registry supplies itself: google/* and buf/validate/*, as installed packages carry them.

Whatever a schema sends under these names is ignored in favour of them, so that a timestamp is a
timestamp and a rule is a rule in every schema.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2
from protovalidate._gen.buf.validate import validate_pb

if TYPE_CHECKING:
    from collections.abc import Mapping

VALIDATE_FILE = "buf/validate/validate.proto"
DESCRIPTOR_FILE = "google/protobuf/descriptor.proto"
_OWN_FOLDERS = ("google/", "buf/validate/")
_OWN_PACKAGES = ("google", "buf.validate")
_RESERVED_PACKAGES = (*_OWN_PACKAGES, "tidegate")
_SOURCES = ("google.protobuf", "google.type", "google.rpc", "google.rpc.context", "google.api")


@cache
def supplied_files() -> Mapping[str, bytes]:
    """Answers the supplied files: serialized ``FileDescriptorProto`` by file name."""
    modules = (
        import_module(f"{package}.{module.name}")
        for package in _SOURCES
        for module in iter_modules(import_module(package).__path__)
        if module.name.endswith("_pb2")
    )
    files = {module.DESCRIPTOR.name: bytes(module.DESCRIPTOR.serialized_pb) for module in modules}
    return files | {VALIDATE_FILE: validate_pb.desc().proto.to_binary()}


@cache
def supplied_set() -> bytes:
    """Answers the supplied files as one serialized ``FileDescriptorSet``."""
    result = descriptor_pb2.FileDescriptorSet()
    for data in supplied_files().values():
        result.file.add().MergeFromString(data)
    return result.SerializeToString()


def is_supplied_name(name: str) -> bool:
    """Tells whether a file of this name is the registry's to supply, whether it has it or not."""
    return name.startswith(_OWN_FOLDERS)


def is_reserved_package(package: str) -> bool:
    """Tells whether schemas of users can't declare anything in ``package``."""
    return any(package == own or package.startswith(f"{own}.") for own in _RESERVED_PACKAGES)
