"""Stubs of typed services as users have them: from protoc, or from what server reflection shows."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha import reflection_pb2

from tests.shop import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
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


async def reflect(
    channel: grpc.aio.Channel, *questions: Mapping[str, Any], version: str = "v1"
) -> list[reflection_pb2.ServerReflectionResponse]:
    """Asks server reflection, all questions in one stream."""
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )(reflection_pb2.ServerReflectionRequest(**question) for question in questions)
    async with asyncio.timeout(PATIENCE):
        return [answer async for answer in call]


async def reflected_files(channel: grpc.aio.Channel, symbol: str) -> dict[str, FileDescriptorProto]:
    """The file that declares a symbol and what it imports, by name; what the answer lacks is asked for."""
    (answer,) = await reflect(channel, {"file_containing_symbol": symbol})
    found: dict[str, FileDescriptorProto] = {}
    while True:
        assert answer.HasField("file_descriptor_response"), answer
        files = map(FileDescriptorProto.FromString, answer.file_descriptor_response.file_descriptor_proto)
        found |= {file.name: file for file in files}
        missing = {name for file in found.values() for name in file.dependency} - found.keys()
        if not missing:
            return found
        (answer,) = await reflect(channel, {"file_by_filename": missing.pop()})


def pool_of(files: Iterable[FileDescriptorProto]) -> DescriptorPool:
    """A private pool of files, in whatever order they come."""
    pool = DescriptorPool()
    waiting = {file.name: file for file in files}
    while waiting:
        ready = [file for file in waiting.values() if waiting.keys().isdisjoint(file.dependency)]
        assert ready, waiting.keys()
        for file in ready:
            pool.Add(waiting.pop(file.name))
    return pool


@dataclass(frozen=True)
class TypedStub:
    """A client of one typed service: classes and calls as generated code has them."""

    pool: DescriptorPool
    service: str
    channel: grpc.aio.Channel

    def message(self, name: str, **fields: Any) -> Any:
        """A message of the service's package, or one by its full name."""
        if "." not in name:
            name = f"{self.service.rpartition('.')[0]}.{name}"
        return GetMessageClass(self.pool.FindMessageTypeByName(name))(**fields)

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


async def reflected_stub(channel: grpc.aio.Channel, service: str) -> TypedStub:
    """A client of a typed service, made of what reflection shows."""
    files = await reflected_files(channel, service)
    return TypedStub(pool_of(files.values()), service, channel)
