"""What a schema may not declare, however well it compiles: others' names, newer editions, too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf.descriptor_pb2 import Edition

from registry.compiling.measure import measure_problems
from registry.compiling.paths import path_problems
from registry.errors import InvalidSchema, Violation
from registry.names import shown
from registry.supplied import is_reserved_package, is_supplied_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.descriptor_pb2 import FileDescriptorProto

    from registry.schema import SchemaLimits

NEWEST_EDITION = Edition.EDITION_2023
RESERVED_FOLDER = "tidegate/"


def check_names(names: Sequence[str], limits: SchemaLimits) -> None:
    """Checks the names of a schema's own files, before anything is done with them.

    Raises:
        InvalidSchema: There are none, too many, or some that can't be used.
    """
    if not names:
        refuse([Violation("schema", "holds no file but those that the registry supplies anyway")])
    check_limit("max_files", len(names), limits.max_files, "files")
    refuse(path_problems(names))
    refuse([Violation(name, wrong) for name in names if (wrong := _name_problem(name))])


def check_files(files: Sequence[FileDescriptorProto], limits: SchemaLimits) -> None:
    """Checks what a schema's own files declare.

    Raises:
        InvalidSchema: A reserved package, an edition that is too new, or more than the limits allow.
    """
    refuse([Violation(file.name, wrong) for file in files if (wrong := _declared_problem(file))])
    refuse(measure_problems(files, limits))


def check_limit(limit: str, actual: int, maximum: int, what: str) -> None:
    """Checks one number against its limit.

    Raises:
        InvalidSchema: It is over the limit.
    """
    if actual > maximum:
        refuse([Violation(limit, f"the schema has {actual:,} {what}; at most {maximum:,} are allowed")])


def refuse(problems: Sequence[Violation]) -> None:
    """Raises ``InvalidSchema`` if there are problems."""
    if problems:
        raise InvalidSchema(problems)


def _name_problem(name: str) -> str:
    if is_supplied_name(name):
        return "google/* and buf/validate/* are the registry's to supply, and it has no such file; move it"
    if name.startswith(RESERVED_FOLDER):
        return f"the folder {RESERVED_FOLDER} is reserved; move the file"
    return ""


def _declared_problem(file: FileDescriptorProto) -> str:
    if is_reserved_package(file.package):
        return f"package {shown(file.package)} is reserved; rename the package"
    if file.edition > NEWEST_EDITION:
        return f"edition {_year(file.edition)} is newer than 2023, the newest that is supported"
    return ""


def _year(edition: int) -> str:
    value = Edition.DESCRIPTOR.values_by_number.get(edition)
    return value.name.removeprefix("EDITION_") if value else f"number {edition}"
