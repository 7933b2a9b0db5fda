"""Subjects with asyncio: their settings, the deployment's defaults, what was changed, and who reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.protobuf import field_mask_pb2

from tidegate.schema_values import UNCHANGED, Unchanged, compatibility_message, enum_value
from tidegate.v1 import schema_pb2, schema_service_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tidegate.connection import Connection
    from tidegate.schema_values import Direction, Mode, Surface


class AsyncSubjectAdmin:
    """The half of ``AsyncAdmin`` that is about subjects."""

    _connection: Connection

    async def list_subjects(self, *, show_deleted: bool = False) -> AsyncIterator[schema_pb2.Subject]:
        """Yields the subjects by name."""
        request = schema_service_pb2.ListSubjectsRequest(show_deleted=show_deleted)
        async for page in self._connection.pages(
            "SchemaService/ListSubjects", request, schema_service_pb2.ListSubjectsResponse
        ):
            for subject in page.subjects:
                yield subject

    async def get_subject(self, name: str) -> schema_service_pb2.GetSubjectResponse:
        """Answers a subject, also a deleted one, with the versions of other subjects that refer to it.

        Raises:
            SubjectNotFound: There is none of that name.
        """
        request = schema_service_pb2.GetSubjectRequest(name=name)
        return await self._connection.call(
            "SchemaService/GetSubject", request, schema_service_pb2.GetSubjectResponse
        )

    async def update_subject(
        self,
        name: str,
        *,
        direction: Direction | Unchanged = UNCHANGED,
        surface: Surface | Unchanged = UNCHANGED,
        default_compatibility: bool = False,
        mode: Mode | Unchanged = UNCHANGED,
        block_on_readers: bool | Unchanged = UNCHANGED,
        etag: str = "",
        message: str = "",
    ) -> schema_pb2.Subject:
        """Changes what is given of a subject's settings; makes one without versions if there is none.

        Args:
            name: The subject's name.
            direction: Who must be able to read what.
            surface: Which encodings.
            default_compatibility: Promise what the deployment's defaults say, instead of ``direction`` and
                ``surface``.
            mode: Who may add versions.
            block_on_readers: Whether a version is refused while a reader that it would break is alive.
            etag: The state that it must be in.
            message: Why; recorded with the change.

        Raises:
            SubjectChanged: It is not in the state that ``etag`` names any more.
        """
        subject = schema_pb2.Subject(name=name, etag=etag)
        mask = field_mask_pb2.FieldMask()
        if default_compatibility:
            mask.paths.append("compatibility")
        if not isinstance(direction, Unchanged):
            subject.compatibility.direction = enum_value(schema_pb2.CompatibilityDirection, direction)
            mask.paths.append("compatibility.direction")
        if not isinstance(surface, Unchanged):
            subject.compatibility.surface = enum_value(schema_pb2.CompatibilitySurface, surface)
            mask.paths.append("compatibility.surface")
        if not isinstance(mode, Unchanged):
            subject.mode = enum_value(schema_pb2.SubjectMode, mode)
            mask.paths.append("mode")
        if not isinstance(block_on_readers, Unchanged):
            subject.block_on_readers = block_on_readers
            mask.paths.append("block_on_readers")
        request = schema_service_pb2.UpdateSubjectRequest(subject=subject, update_mask=mask, message=message)
        answer = await self._connection.call(
            "SchemaService/UpdateSubject", request, schema_service_pb2.UpdateSubjectResponse
        )
        return answer.subject

    async def get_schema_defaults(self) -> schema_pb2.Compatibility:
        """Answers what subjects promise that say nothing themselves."""
        answer = await self._connection.call(
            "SchemaService/GetSchemaDefaults",
            schema_service_pb2.GetSchemaDefaultsRequest(),
            schema_service_pb2.GetSchemaDefaultsResponse,
        )
        return answer.compatibility

    async def update_schema_defaults(
        self, *, direction: Direction | None = None, surface: Surface | None = None, message: str = ""
    ) -> schema_pb2.Compatibility:
        """Changes what subjects promise that say nothing themselves; what is None stays as it is."""
        request = schema_service_pb2.UpdateSchemaDefaultsRequest(
            compatibility=compatibility_message(direction, surface), message=message
        )
        answer = await self._connection.call(
            "SchemaService/UpdateSchemaDefaults", request, schema_service_pb2.UpdateSchemaDefaultsResponse
        )
        return answer.compatibility

    async def list_schema_changes(self, subject: str = "") -> AsyncIterator[schema_pb2.SchemaChange]:
        """Yields what was changed of a subject, or of the whole registry, the latest first."""
        request = schema_service_pb2.ListSchemaChangesRequest(subject=subject)
        async for page in self._connection.pages(
            "SchemaService/ListSchemaChanges", request, schema_service_pb2.ListSchemaChangesResponse
        ):
            for change in page.changes:
                yield change

    async def list_readers(self, subject: str) -> AsyncIterator[schema_pb2.Reader]:
        """Yields the readers of a subject by client name, with the version that each was built with."""
        request = schema_service_pb2.ListReadersRequest(subject=subject)
        async for page in self._connection.pages(
            "SchemaService/ListReaders", request, schema_service_pb2.ListReadersResponse
        ):
            for reader in page.readers:
                yield reader
