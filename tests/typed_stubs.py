"""Stubs of typed services as a user has them: made by plain protoc from what the gateway answers."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import grpc


def protoc(folder: Path, names: list[str], *arguments: str) -> None:
    """Runs protoc on files in ``folder``; fails with what protoc says."""
    done = subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{folder}", *arguments, *names],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def compile_files(folder: Path, files: Mapping[str, str], *arguments: str) -> FileDescriptorSet:
    """Compiles files with protoc, and answers their descriptors with all imports."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    protoc(folder, sorted(files), "--include_imports", f"--descriptor_set_out={folder}/out.binpb", *arguments)
    return FileDescriptorSet.FromString((folder / "out.binpb").read_bytes())


@dataclass(frozen=True)
class TypedStub:
    """A client of one typed service, from its descriptors: classes and calls as generated code has them."""

    pool: DescriptorPool
    service: str
    channel: grpc.aio.Channel

    def message(self, name: str) -> Any:
        """The class of a message, by full name or by its name in the service's package."""
        if "." not in name:
            name = f"{self.service.rpartition('.')[0]}.{name}"
        return GetMessageClass(self.pool.FindMessageTypeByName(name))

    def call(self, name: str) -> Any:
        """The method of that name, to be called with a message of its input."""
        method = self.pool.FindServiceByName(self.service).methods_by_name[name]
        takes, answers = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        kind = "_".join(
            "stream" if streaming else "unary"
            for streaming in (method.client_streaming, method.server_streaming)
        )
        return getattr(self.channel, kind)(
            f"/{self.service}/{name}",
            request_serializer=takes.SerializePartialToString,
            response_deserializer=answers.FromString,
        )


def pool_of(files: FileDescriptorSet) -> DescriptorPool:
    """A private pool of the files."""
    pool = DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool
