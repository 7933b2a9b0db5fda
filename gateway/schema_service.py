"""SchemaService: the registry over gRPC."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.v1 import schema_pb2
from tidegate.v1 import schema_service_pb2 as pb
from tidegate.v1.schema_service_pb2_grpc import SchemaServiceServicer

from gateway.paging import fill_page, make_token, page_size, read_token
from registry.errors import InvalidRequest
from registry.schema import Candidate

if TYPE_CHECKING:
    import grpc

    from registry.registry import Registry
    from registry.schema import SchemaVersion, Subject

    Context = grpc.aio.ServicerContext[Any, Any]


class SchemaService(SchemaServiceServicer):
    """The RPCs of ``tidegate.v1.SchemaService``."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def RegisterSchema(  # noqa: N802
        self, request: pb.RegisterSchemaRequest, _: Context
    ) -> pb.RegisterSchemaResponse:
        """Makes a schema the subject's next version, or answers the version that equals it."""
        match request.WhichOneof("schema"):
            case "sources":
                candidate = Candidate(sources=request.sources.files)
            case "descriptor_set":
                candidate = Candidate(descriptor_set=request.descriptor_set)
            case _:
                raise InvalidRequest("schema", "must be set: either sources or descriptor_set")
        registered = await self._registry.register(request.subject, candidate)
        return pb.RegisterSchemaResponse(schema=_summary(registered.schema), created=registered.created)

    async def GetSchema(self, request: pb.GetSchemaRequest, _: Context) -> pb.GetSchemaResponse:  # noqa: N802
        """Answers one version, with its descriptors and sources."""
        match request.WhichOneof("lineage"):
            case "subject":
                schema = await self._registry.get(request.subject, request.version)
            case "type":
                schema = await self._registry.get_by_type(request.type, request.version)
            case _:
                raise InvalidRequest("lineage", "must be set: either subject or type")
        answer = _summary(schema)
        answer.descriptor_set = schema.descriptor_set
        if schema.sources is not None:
            answer.sources.files.update(schema.sources)
        return pb.GetSchemaResponse(schema=answer)

    async def ListSchemas(self, request: pb.ListSchemasRequest, _: Context) -> pb.ListSchemasResponse:  # noqa: N802
        """Lists a page of the versions of a subject, oldest first."""
        after = read_token(request.page_token) or "0"
        if not (after.isdecimal() and len(after) < 10):
            raise InvalidRequest("page_token", "must be a next_page_token of an earlier answer")
        size = page_size(request.page_size)
        found = await self._registry.list_versions(request.subject, after=int(after), limit=size + 1)
        page = fill_page(map(_summary, found), size)
        token = make_token(str(page[-1].version)) if len(found) > len(page) else ""
        return pb.ListSchemasResponse(schemas=page, next_page_token=token)

    async def ListSubjects(self, request: pb.ListSubjectsRequest, _: Context) -> pb.ListSubjectsResponse:  # noqa: N802
        """Lists a page of the subjects, by name."""
        size = page_size(request.page_size)
        found = await self._registry.list_subjects(after=read_token(request.page_token), limit=size + 1)
        token = make_token(found[size - 1].name) if len(found) > size else ""
        return pb.ListSubjectsResponse(subjects=map(_subject, found[:size]), next_page_token=token)


def _summary(schema: SchemaVersion) -> schema_pb2.SchemaVersion:
    """Answers a version without its descriptors and sources."""
    answer = schema_pb2.SchemaVersion(
        subject=schema.subject, version=schema.version, types=schema.types, fingerprint=schema.fingerprint
    )
    answer.create_time.FromDatetime(schema.create_time)
    return answer


def _subject(subject: Subject) -> schema_pb2.Subject:
    answer = schema_pb2.Subject(name=subject.name, latest_version=subject.latest_version)
    answer.create_time.FromDatetime(subject.create_time)
    return answer
