"""Server reflection, v1 and v1alpha: the gateway's own services, and the typed services of its topics.

Typed services are listed for the types that topics accept, in the latest version of their subject; those of
any version, and event types themselves, are answered when they are asked for by name.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from functools import cached_property
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Final

import grpc
import tidegate.v1
from google.protobuf import text_format
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2 as pb

from gateway.reflected_files import OwnFiles, SchemaFiles, version_of_file
from gateway.status import status_code
from gateway.typed_service import find_service, services_of
from registry.errors import EventTypeNotFound, SchemaVersionNotFound, SubjectNotFound, TidegateError
from registry.typed import possible_services

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from gateway.topics import Topics
    from registry.registry import Registry
    from registry.schema import SchemaVersion

    Context = grpc.aio.ServicerContext[Any, Any]
    Files = OwnFiles | SchemaFiles

SERVICES: Final = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
REQUEST_BYTES: Final = 16 * 1024
"""A request is hardly more than a name."""
ANSWER_BYTES: Final = 3 * 1024 * 1024
"""How large an answer becomes, besides a file that is larger by itself: default clients take 4 MiB. Files
that a client misses in it, it asks for by name."""
KEPT_BYTES: Final = 8 * 1024 * 1024
"""Bytes of descriptors of the schema versions that are kept at hand, besides the last one."""
_MEMBER_LEVELS = 3


class Reflection:
    """The RPC of server reflection in both versions, whose messages are the same bytes."""

    def __init__(self, services: Iterable[str], topics: Topics, registry: Registry) -> None:
        self._services = (*services, *SERVICES)
        self._topics = topics
        self._registry = registry
        self._kept: OrderedDict[tuple[str, int], SchemaFiles] = OrderedDict()
        self._making = asyncio.Lock()

    @cached_property
    def _own(self) -> OwnFiles:
        return OwnFiles(_own_files())

    def handlers(self) -> tuple[grpc.GenericRpcHandler, ...]:
        """Answers the handlers of both versions."""
        method: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(self.answer_all)
        return tuple(
            grpc.method_handlers_generic_handler(service, {"ServerReflectionInfo": method})
            for service in SERVICES
        )

    async def answer_all(self, _: object, context: Context) -> None:
        """Answers the requests of a stream, one after the other."""
        while True:
            raw: Any = await context.read()
            if raw is grpc.aio.EOF:
                return
            await context.write((await self._answer(raw)).SerializeToString())

    async def _answer(self, raw: bytes) -> pb.ServerReflectionResponse:
        request = _parse(raw)
        if request is None:
            return _refusal(grpc.StatusCode.INVALID_ARGUMENT, "the bytes are no ServerReflectionRequest")
        try:
            answer = await self._reply(request)
        except TidegateError as error:
            answer = _refusal(status_code(error.reason), str(error))
        answer.valid_host = request.host
        answer.original_request.CopyFrom(request)
        return answer

    async def _reply(self, request: pb.ServerReflectionRequest) -> pb.ServerReflectionResponse:
        match request.WhichOneof("message_request"):
            case "list_services":
                return _listed([*self._services, *[name async for name in self._typed_services()]])
            case "file_by_filename":
                name = request.file_by_filename
                return self._show(await self._holding(name), name)
            case "file_containing_symbol":
                symbol = request.file_containing_symbol.removeprefix(".")
                files = await self._declaring(symbol)
                return self._show(files, files.declaring(symbol))
            case "file_containing_extension":
                asked = request.file_containing_extension
                files = await self._declaring(asked.containing_type)
                return self._show(files, files.extensions(asked.containing_type).get(asked.extension_number))
            case "all_extension_numbers_of_type":
                extended = request.all_extension_numbers_of_type
                return _numbers(await self._declaring(extended), extended)
            case _:
                return _refusal(grpc.StatusCode.INVALID_ARGUMENT, "the request asks for nothing known here")

    async def _typed_services(self) -> AsyncIterator[str]:
        """Answers the names of the typed services of all topics, by subject."""
        accepted: dict[str, set[str]] = {}
        for topic in self._topics.all():
            accepted.setdefault(topic.subject, set()).update(topic.types or ("",))
        for subject, types in accepted.items():
            try:
                latest = self._registry.latest_version(subject)
                versions = await self._registry.list_versions(subject, after=latest - 1, limit=1)
            except SubjectNotFound:
                continue
            for schema in versions:
                for service in await services_of(schema):
                    if "" in types or service.type in types:
                        yield service.name.full

    async def _declaring(self, symbol: str) -> Files:
        """Answers the files in which a symbol is declared, if it is anywhere."""
        if self._own.declaring(symbol):
            return self._own
        for name in possible_services(symbol):
            try:
                service = await find_service(self._registry, name)
            except (EventTypeNotFound, SchemaVersionNotFound):
                continue
            files = await self._files(service.subject, service.version)
            if files.declaring(symbol):
                return files
        for levels in range(_MEMBER_LEVELS + 1):
            try:
                schema = await self._registry.get_by_type(symbol.rsplit(".", levels)[0])
            except EventTypeNotFound:
                continue
            return await self._files(schema.subject, schema.version)
        return self._own

    async def _holding(self, name: str) -> Files:
        """Answers the files among which one of that name is, if it is anywhere."""
        version = version_of_file(name)
        return await self._files(*version) if version else self._own

    async def _files(self, subject: str, version: int) -> SchemaFiles:
        kept = self._kept.get((subject, version))
        if kept:
            self._kept.move_to_end((subject, version))
        return kept or await self._made(await self._registry.get(subject, version))

    async def _made(self, schema: SchemaVersion) -> SchemaFiles:
        """Makes the files of a version, which are kept; on a thread, one at a time: it may take 0.2 s."""
        async with self._making:
            files = await asyncio.to_thread(SchemaFiles, schema)
        self._kept[files.subject, files.version] = files
        while len(self._kept) > 1 and sum(kept.size for kept in self._kept.values()) > KEPT_BYTES:
            self._kept.popitem(last=False)
        return files

    def _show(self, files: Files, name: str | None) -> pb.ServerReflectionResponse:
        """Answers a file and what it imports, directly and further on, the file itself first."""
        response = pb.FileDescriptorResponse()
        room = ANSWER_BYTES
        for file in self._with_imports(files, name or ""):
            data = file.SerializePartialToString()
            room -= len(data) + 8
            if room < 0 and response.file_descriptor_proto:
                break
            response.file_descriptor_proto.append(data)
        if not response.file_descriptor_proto:
            return _refusal(grpc.StatusCode.NOT_FOUND, "there is no such symbol or file here")
        return pb.ServerReflectionResponse(file_descriptor_response=response)

    def _with_imports(self, files: Files, name: str) -> Iterator[FileDescriptorProto]:
        waiting = deque([name])
        seen = {name}
        while waiting:
            name = waiting.popleft()
            file = files.file(name) or self._own.file(name)
            if file is not None:
                yield file
                waiting += [imported for imported in file.dependency if imported not in seen]
                seen.update(file.dependency)


def _parse(raw: bytes) -> pb.ServerReflectionRequest | None:
    if len(raw) > REQUEST_BYTES:
        return None
    try:
        return pb.ServerReflectionRequest.FromString(raw)
    except Exception:  # noqa: BLE001 - DecodeError, or what protobuf raises for invalid UTF-8
        return None


def _refusal(code: grpc.StatusCode, sentence: str) -> pb.ServerReflectionResponse:
    error = pb.ErrorResponse(error_code=code.value[0], error_message=sentence)
    return pb.ServerReflectionResponse(error_response=error)


def _listed(names: Iterable[str]) -> pb.ServerReflectionResponse:
    response = pb.ListServiceResponse()
    room = ANSWER_BYTES
    for name in names:
        room -= len(name) + 8
        if room < 0:
            break
        response.service.add(name=name)
    return pb.ServerReflectionResponse(list_services_response=response)


def _numbers(files: Files, extended: str) -> pb.ServerReflectionResponse:
    if not files.declaring(extended):
        return _refusal(grpc.StatusCode.NOT_FOUND, "there is no such message here")
    response = pb.ExtensionNumberResponse(
        base_type_name=extended, extension_number=sorted(files.extensions(extended))
    )
    return pb.ServerReflectionResponse(all_extension_numbers_response=response)


def _own_files() -> Iterator[bytes]:
    """Answers the descriptors of the contract, and of the services that gRPC itself defines."""
    for module in iter_modules(tidegate.v1.__path__):
        if module.name.endswith("_pb2"):
            yield import_module(f"tidegate.v1.{module.name}").DESCRIPTOR.serialized_pb
    yield health_pb2.DESCRIPTOR.serialized_pb
    yield pb.DESCRIPTOR.serialized_pb
    yield _reflection_v1()


def _reflection_v1() -> bytes:
    """Answers the descriptors of v1: those of v1alpha under another name."""
    alpha = text_format.MessageToString(FileDescriptorProto.FromString(pb.DESCRIPTOR.serialized_pb))
    file: FileDescriptorProto = text_format.Parse(alpha.replace("v1alpha", "v1"), FileDescriptorProto())
    file.options.ClearField("deprecated")
    return file.SerializeToString()
