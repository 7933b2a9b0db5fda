"""Subjects for programs without an event loop: the face of ``AsyncSubjectAdmin``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.schema_values import UNCHANGED, Unchanged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidegate.aio import AsyncClient
    from tidegate.loop_thread import LoopThread
    from tidegate.schema_values import Direction, Mode, Surface
    from tidegate.v1 import schema_pb2, schema_service_pb2


class SubjectAdmin:
    """The half of ``Admin`` that is about subjects; see ``AsyncSubjectAdmin`` for arguments and errors."""

    _thread: LoopThread
    _client: AsyncClient

    def list_subjects(self, *, show_deleted: bool = False) -> Iterator[schema_pb2.Subject]:
        """Yields the subjects by name."""
        return self._thread.iterate(self._client.list_subjects(show_deleted=show_deleted))

    def get_subject(self, name: str) -> schema_service_pb2.GetSubjectResponse:
        """Answers a subject, also a deleted one, with the versions of other subjects that refer to it."""
        return self._thread.run(self._client.get_subject(name))

    def update_subject(
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
        """Changes what is given of a subject's settings; makes one without versions if there is none."""
        return self._thread.run(
            self._client.update_subject(
                name,
                direction=direction,
                surface=surface,
                default_compatibility=default_compatibility,
                mode=mode,
                block_on_readers=block_on_readers,
                etag=etag,
                message=message,
            )
        )

    def get_schema_defaults(self) -> schema_pb2.Compatibility:
        """Answers what subjects promise that say nothing themselves."""
        return self._thread.run(self._client.get_schema_defaults())

    def update_schema_defaults(
        self, *, direction: Direction | None = None, surface: Surface | None = None, message: str = ""
    ) -> schema_pb2.Compatibility:
        """Changes what subjects promise that say nothing themselves; what is None stays as it is."""
        return self._thread.run(
            self._client.update_schema_defaults(direction=direction, surface=surface, message=message)
        )

    def list_schema_changes(self, subject: str = "") -> Iterator[schema_pb2.SchemaChange]:
        """Yields what was changed of a subject, or of the whole registry, the latest first."""
        return self._thread.iterate(self._client.list_schema_changes(subject))

    def list_readers(self, subject: str) -> Iterator[schema_pb2.Reader]:
        """Yields the readers of a subject by client name, with the version that each was built with."""
        return self._thread.iterate(self._client.list_readers(subject))
