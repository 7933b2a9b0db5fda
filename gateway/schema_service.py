"""SchemaService: the registry over gRPC."""

# ruff: noqa: N802 - methods have the names that the contract gives them

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tidegate.v1 import schema_service_pb2 as pb
from tidegate.v1.schema_service_pb2_grpc import SchemaServiceServicer

from gateway.event_service import caller
from gateway.paging import fill_page, make_token, page_size, read_number, read_token
from gateway.schema_messages import (
    change_message,
    compatibility_message,
    filter_messages,
    finding_message,
    read_candidate,
    read_promise,
    reader_message,
    reference_message,
    subject_message,
    summary_message,
    version_message,
)
from gateway.subject_settings import read_settings
from registry.compat.promise import Verdict
from registry.errors import InvalidRequest
from registry.schema import Author

if TYPE_CHECKING:
    import grpc
    from tidegate.v1 import schema_pb2

    from gateway.schema_trial import SchemaTrial
    from gateway.schema_views import SchemaViews
    from registry.registry import Registry
    from registry.schema import SchemaVersion, Subject
    from registry.uses import SchemaUses

    Context = grpc.aio.ServicerContext[Any, Any]

MAX_MESSAGE_BYTES = 1_024
"""How long the reason for a change may be."""
LAST_NUMBER = 2**63 - 1
"""Above the number of every change."""
ALL_REFERENCES = 100
"""How many versions that refer to a subject are answered."""


class SchemaService(SchemaServiceServicer):
    """The RPCs of ``tidegate.v1.SchemaService``."""

    def __init__(self, registry: Registry, uses: SchemaUses, views: SchemaViews, trial: SchemaTrial) -> None:
        self._registry = registry
        self._uses = uses
        self._views = views
        self._trial = trial

    async def RegisterSchema(
        self, request: pb.RegisterSchemaRequest, context: Context
    ) -> pb.RegisterSchemaResponse:
        """Makes a schema the subject's next version, or answers the version that equals it."""
        registered = await self._registry.register(
            request.subject,
            read_candidate(request),
            author=_author(context, request.message),
            version=request.version,
        )
        return pb.RegisterSchemaResponse(
            schema=summary_message(registered.schema),
            created=registered.created,
            notices=[finding_message(notice, Verdict.NOTICE) for notice in registered.notices],
            filters=filter_messages(registered.filters),
        )

    async def CheckSchema(self, request: pb.CheckSchemaRequest, context: Context) -> None:
        """Writes the report, and then what a backtest says, if one was asked for."""
        async for part in self._trial.run(request):
            await context.write(part)

    async def GetSchema(self, request: pb.GetSchemaRequest, _: Context) -> pb.GetSchemaResponse:
        """Answers one version, with its descriptors and sources, and what else the view asks for."""
        match request.WhichOneof("lineage"):
            case "subject":
                schema = await self._registry.get(request.subject, request.version)
            case "type":
                schema = await self._registry.get_by_type(request.type, request.version)
            case _:
                raise InvalidRequest("lineage", "must be set: either subject or type")
        answer = await self._views.view(schema, request.view, request.types)
        answer.schema.CopyFrom(version_message(schema))
        return answer

    async def ListSchemas(self, request: pb.ListSchemasRequest, _: Context) -> pb.ListSchemasResponse:
        """Lists a page of the versions of a subject, oldest first."""
        size = page_size(request.page_size)
        found = await self._registry.list_versions(
            request.subject,
            after=read_number(request.page_token),
            limit=size + 1,
            show_deleted=request.show_deleted,
        )
        page = fill_page(map(summary_message, found), size)
        token = make_token(str(page[-1].version)) if len(found) > len(page) else ""
        return pb.ListSchemasResponse(schemas=page, next_page_token=token)

    async def DiffSchemas(self, request: pb.DiffSchemasRequest, _: Context) -> pb.DiffSchemasResponse:
        """Answers the difference of two versions of a subject."""
        new = await self._registry.get(request.subject, request.new_version)
        old = await self._registry.get(request.subject, request.old_version or await self._before(new))
        return await self._views.diff(old, new, await self._registry.promise_of(request.subject))

    async def DeleteSchema(
        self, request: pb.DeleteSchemaRequest, context: Context
    ) -> pb.DeleteSchemaResponse:
        """Hides a version, or a subject; or removes it for good."""
        await self._registry.delete(
            request.subject, request.version, purge=request.purge, author=_author(context, request.message)
        )
        return pb.DeleteSchemaResponse()

    async def RestoreSchema(
        self, request: pb.RestoreSchemaRequest, context: Context
    ) -> pb.RestoreSchemaResponse:
        """Makes a hidden version, or subject, seen again."""
        subject = await self._registry.restore(
            request.subject, request.version, author=_author(context, request.message)
        )
        return pb.RestoreSchemaResponse(subject=await self._subject(subject))

    async def ListSubjects(self, request: pb.ListSubjectsRequest, _: Context) -> pb.ListSubjectsResponse:
        """Lists a page of the subjects, by name."""
        size = page_size(request.page_size)
        found = await self._registry.list_subjects(
            after=read_token(request.page_token), limit=size + 1, show_deleted=request.show_deleted
        )
        default = await self._registry.defaults()
        token = make_token(found[size - 1].name) if len(found) > size else ""
        page = [subject_message(subject, default) for subject in found[:size]]
        return pb.ListSubjectsResponse(subjects=page, next_page_token=token)

    async def GetSubject(self, request: pb.GetSubjectRequest, _: Context) -> pb.GetSubjectResponse:
        """Answers a subject, and who refers to it."""
        subject = await self._registry.get_subject(request.name)
        referring = await self._registry.referencing(request.name, limit=ALL_REFERENCES)
        return pb.GetSubjectResponse(
            subject=await self._subject(subject), referenced_by=map(reference_message, referring)
        )

    async def UpdateSubject(
        self, request: pb.UpdateSubjectRequest, context: Context
    ) -> pb.UpdateSubjectResponse:
        """Changes the settings of a subject that the mask names."""
        asked, author = request.subject, _author(context, request.message)
        subject = await self._registry.update_subject(
            asked.name, etag=asked.etag, author=author, **read_settings(request)
        )
        return pb.UpdateSubjectResponse(subject=await self._subject(subject))

    async def GetSchemaDefaults(
        self, _request: pb.GetSchemaDefaultsRequest, _: Context
    ) -> pb.GetSchemaDefaultsResponse:
        """Answers what subjects promise that say nothing themselves."""
        defaults = await self._registry.defaults()
        return pb.GetSchemaDefaultsResponse(compatibility=compatibility_message(defaults))

    async def UpdateSchemaDefaults(
        self, request: pb.UpdateSchemaDefaultsRequest, context: Context
    ) -> pb.UpdateSchemaDefaultsResponse:
        """Changes what subjects promise that say nothing themselves."""
        if not request.HasField("compatibility"):
            raise InvalidRequest("compatibility", "is required")
        current = await self._registry.defaults()
        promise = read_promise(request.compatibility, "compatibility", current)
        defaults = await self._registry.update_defaults(promise, _author(context, request.message))
        return pb.UpdateSchemaDefaultsResponse(compatibility=compatibility_message(defaults))

    async def ListSchemaChanges(
        self, request: pb.ListSchemaChangesRequest, _: Context
    ) -> pb.ListSchemaChangesResponse:
        """Lists a page of what was changed, the latest first."""
        size = page_size(request.page_size)
        before = read_number(request.page_token) or LAST_NUMBER
        found = await self._registry.changes(request.subject, before=before, limit=size + 1)
        page = fill_page(map(change_message, found), size)
        token = make_token(str(page[-1].number)) if len(found) > len(page) else ""
        return pb.ListSchemaChangesResponse(changes=page, next_page_token=token)

    async def ListReaders(self, request: pb.ListReadersRequest, _: Context) -> pb.ListReadersResponse:
        """Lists a page of the readers of a subject, by client name."""
        size = page_size(request.page_size)
        await self._registry.get_subject(request.subject)  # must be there
        after = read_number(request.page_token)
        found = self._uses.readers(request.subject)[after:]
        page = fill_page(map(reader_message, found), size)
        token = make_token(str(after + len(page))) if len(found) > len(page) else ""
        return pb.ListReadersResponse(readers=page, next_page_token=token)

    async def _subject(self, subject: Subject) -> schema_pb2.Subject:
        return subject_message(subject, await self._registry.defaults())

    async def _before(self, schema: SchemaVersion) -> int:
        """Answers the version before one.

        Raises:
            InvalidRequest: There is none.
        """
        before, page = 0, 1_000
        while versions := await self._registry.list_versions(schema.subject, after=before, limit=page):
            earlier = [each.version for each in versions if each.version < schema.version]
            before = max(earlier, default=before)
            if len(earlier) < page:
                break
        if not before:
            raise InvalidRequest(
                "old_version",
                f"must be set: version {schema.version} of subject {schema.subject!r} is the first one, "
                f"there is none before it to compare with",
            )
        return before


def _author(context: Context, message: str) -> Author:
    """Answers who calls, and why: the identity that the transport proved, else the address.

    Raises:
        InvalidRequest: The reason is too long.
    """
    size = len(message.encode())
    if size > MAX_MESSAGE_BYTES:
        raise InvalidRequest("message", f"has {size:,} bytes; at most {MAX_MESSAGE_BYTES:,} are allowed")
    address = unquote(context.peer()).partition(":")[2]
    return Author(caller(context) or address, message)
