"""The files that server reflection shows, by name: the gateway's own, and those of schema versions.

Pure; imports neither gRPC nor generated stubs.

Two subjects may both have a ``common.proto``, and two versions of one subject certainly do. So the files of
a version are shown under a folder of their own, ``tidegate/schemas/<subject>/v<N>/``, and their imports are
rewritten; what the registry supplies (``google/``, ``buf/validate/``) keeps its name.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from registry.descriptors import build_pool
from registry.supplied import is_supplied_name, supplied_set
from registry.typed_files import service_files
from registry.typed_messages import IMPORTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto

    from registry.schema import SchemaVersion

FOLDER: Final = "tidegate/schemas/"
"""Where the files of schema versions are shown."""
_SHOWN: Final = re.compile(rf"{FOLDER}([^/]+)/v([0-9]{{1,10}})/")


def version_of_file(name: str) -> tuple[str, int] | None:
    """Answers the subject and the version that a file of that name is shown of; None if it is of none."""
    found = _SHOWN.match(name)
    return (found[1], int(found[2])) if found else None


class OwnFiles:
    """The gateway's own files, and what the registry supplies."""

    def __init__(self, files: Iterable[bytes]) -> None:
        own = FileDescriptorSet.FromString(supplied_set())
        own.file.extend(map(FileDescriptorProto.FromString, files))
        self._files = {file.name: file for file in own.file}
        self._pool = build_pool(own.SerializeToString())

    def file(self, name: str) -> FileDescriptorProto | None:
        """Answers the file of a name."""
        return self._files.get(name)

    def declaring(self, symbol: str) -> str | None:
        """Answers which file declares a symbol."""
        for name in (symbol, symbol.rpartition(".")[0]):  # the pool doesn't know methods, but their services
            with suppress(KeyError):
                return self._pool.FindFileContainingSymbol(name).name
        return None

    def extensions(self, extended: str) -> dict[int, str]:
        """Answers the numbers of the extensions of a message, each with the file that declares it."""
        return _extensions_of(extended, self._files)


class SchemaFiles:
    """The files of one schema version and of its typed services, as reflection shows them."""

    def __init__(self, schema: SchemaVersion) -> None:
        self.subject, self.version = schema.subject, schema.version
        self.size = len(schema.descriptor_set)
        """Bytes of its descriptors."""
        self._folder = f"{FOLDER}{schema.subject}/v{schema.version}/"
        self._typed = {self._folder + file.name: file for file in service_files(schema)}
        self._of_symbol = {
            symbol: name
            for name, file in self._typed.items()
            for symbol in (file.service.name.full, *file.messages)
        } | {file.service.type: self._folder + file.declared_in for file in self._typed.values()}
        files = FileDescriptorSet.FromString(schema.descriptor_set).file
        self._files = {
            self._folder + file.name: self._moved(file) for file in files if not is_supplied_name(file.name)
        }

    def file(self, name: str) -> FileDescriptorProto | None:
        """Answers the file that is shown under a name."""
        if typed := self._typed.get(name):
            return self._moved(typed.descriptor(), staying=IMPORTS)
        return self._files.get(name)

    def declaring(self, symbol: str) -> str | None:
        """Answers which file declares a message or a typed service, or one of its members."""
        while symbol and symbol not in self._of_symbol:
            symbol = symbol.rpartition(".")[0]
        return self._of_symbol.get(symbol)

    def extensions(self, extended: str) -> dict[int, str]:
        """Answers the numbers of the extensions of a message, each with the file that declares it."""
        return _extensions_of(extended, self._files)

    def _moved(self, file: FileDescriptorProto, staying: Sequence[str] = ()) -> FileDescriptorProto:
        """Renames a file into the folder, and so its imports, but for what is supplied or stays."""
        file.name = self._folder + file.name
        for imports in (file.dependency, file.option_dependency):
            for index, name in enumerate(imports):
                if name not in staying and not is_supplied_name(name):
                    imports[index] = self._folder + name
        return file


def _extensions_of(extended: str, files: Mapping[str, FileDescriptorProto]) -> dict[int, str]:
    return {
        field.number: name
        for name, file in files.items()
        for field in _extensions(file)
        if field.extendee == f".{extended}"
    }


def _extensions(scope: FileDescriptorProto | DescriptorProto) -> Iterator[FieldDescriptorProto]:
    yield from scope.extension
    nested = scope.message_type if isinstance(scope, FileDescriptorProto) else scope.nested_type
    for message in nested:
        yield from _extensions(message)
