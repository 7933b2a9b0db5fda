"""What GetSchema answers as ``typed``: all files that protoc needs to make stubs of typed streams."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import tidegate.v1
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from registry.descriptors import in_import_order
from registry.errors import EventTypeNotFound, LimitExceeded
from registry.names import close_names, shown
from registry.printer import print_files
from registry.supplied import is_supplied_name, supplied_set
from registry.typed import typed_services
from registry.typed_files import typed_files

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from importlib.resources.abc import Traversable

    from registry.schema import SchemaVersion

MAX_TYPES = 500
"""How many typed services one answer holds: 3 MB."""
CONTRACT_FOLDER = "tidegate/v1"
"""Where the contract's files are, as others import them."""
_FOR_TYPED_STREAMS = (
    "acknowledgement",
    "error",
    "event",
    "event_service",
    "group",
    "schema",
    "subscription",
)
_BROUGHT_ALONG = "google/protobuf/"


def typed_view(schema: SchemaVersion, own: Mapping[str, str], types: Collection[str] = ()) -> dict[str, str]:
    """Answers the files, by the names under which they import each other.

    Args:
        schema: The version.
        own: Its own files and those of the versions that it references.
        types: Only the typed services of these event types; empty means all.

    Raises:
        EventTypeNotFound: One of the types is none of the version.
        LimitExceeded: There are more than ``MAX_TYPES``.
    """
    _require(schema, types)
    return {**own, **_supplied_files(schema), **contract_files(), **typed_files(schema, types)}


def typed_service_names(schema: SchemaVersion, types: Collection[str] = ()) -> dict[str, str]:
    """Answers the full names of a version's typed services by event type; of some types only, if named."""
    services = typed_services(schema)
    return {service.type: service.name.full for service in services if not types or service.type in types}


@cache
def contract_files() -> Mapping[str, str]:
    """Answers the contract's files that typed services import, directly and further on, by name."""
    folder = _contract_folder()
    return {
        f"{CONTRACT_FOLDER}/{name}.proto": (folder / f"{name}.proto").read_text(encoding="utf-8")
        for name in _FOR_TYPED_STREAMS
    }


def _contract_folder() -> Traversable:
    """Answers where the contract is: beside its stubs, if installed; under ``proto/``, in a checkout."""
    installed = files(tidegate.v1)
    if (installed / "event.proto").is_file():
        return installed
    return Path(str(tidegate.v1.__file__)).parents[4] / "proto" / CONTRACT_FOLDER


def _require(schema: SchemaVersion, types: Collection[str]) -> None:
    wanted = len(types or schema.types)
    if wanted > MAX_TYPES:
        raise LimitExceeded("max_types", MAX_TYPES, wanted, "the number of event types", "types")
    for event_type in types:
        if event_type not in schema.types:
            where = f"version {schema.version} of subject {schema.subject!r}"
            raise EventTypeNotFound(shown(event_type), where, close_names(event_type, schema.types))


def _supplied_files(schema: SchemaVersion) -> dict[str, str]:
    """Answers the files that the registry supplies to a version, but for those that protoc brings along."""
    names = (file.name for file in FileDescriptorSet.FromString(schema.descriptor_set).file)
    supplied = (name for name in names if is_supplied_name(name) and not name.startswith(_BROUGHT_ALONG))
    return {name: _supplied_file(name) for name in supplied}


@cache
def _supplied_file(name: str) -> str:
    return print_files(_ordered_supplied_set(), [name])[name]


@cache
def _ordered_supplied_set() -> bytes:
    files_ = FileDescriptorSet.FromString(supplied_set()).file
    return FileDescriptorSet(file=in_import_order(files_)).SerializeToString()
