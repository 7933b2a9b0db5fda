"""Schemas for programs without an event loop: the face of ``AsyncSchemaAdmin``."""

# ruff: noqa: A002 - `type` is the contract's word

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from tidegate.aio import AsyncClient
    from tidegate.loop_thread import LoopThread
    from tidegate.schema_admin import SchemaCheck, Sources, View
    from tidegate.schema_values import Direction, Surface
    from tidegate.v1 import backtest_pb2, schema_pb2, schema_service_pb2


class SchemaAdmin:
    """The half of ``Admin`` about schema versions; see ``AsyncSchemaAdmin`` for arguments and errors."""

    _thread: LoopThread
    _client: AsyncClient

    def register_schema(
        self,
        subject: str,
        *,
        files: Sources | Iterable[str | Path] | None = None,
        descriptor_set: bytes | None = None,
        root: str | Path = ".",
        references: Mapping[str, int] | None = None,
        message: str = "",
        version: int = 0,
    ) -> schema_pb2.SchemaVersion:
        """Registers a schema under ``subject``, which makes the subject if it is new."""
        answer = self.register(
            subject,
            files=files,
            descriptor_set=descriptor_set,
            root=root,
            references=references,
            message=message,
            version=version,
        )
        return answer.schema

    def register(
        self,
        subject: str,
        *,
        files: Sources | Iterable[str | Path] | None = None,
        descriptor_set: bytes | None = None,
        root: str | Path = ".",
        references: Mapping[str, int] | None = None,
        message: str = "",
        version: int = 0,
    ) -> schema_service_pb2.RegisterSchemaResponse:
        """As ``register_schema``; the answer also says whether the version was ``created``, and notices."""
        return self._thread.run(
            self._client.register(
                subject,
                files=files,
                descriptor_set=descriptor_set,
                root=root,
                references=references,
                message=message,
                version=version,
            )
        )

    def check_schema(
        self,
        subject: str,
        *,
        files: Sources | Iterable[str | Path] | None = None,
        descriptor_set: bytes | None = None,
        root: str | Path = ".",
        references: Mapping[str, int] | None = None,
        against: int | Literal["all"] | None = None,
        direction: Direction | None = None,
        surface: Surface | None = None,
        backtest: backtest_pb2.Backtest | None = None,
        on_progress: Callable[[backtest_pb2.BacktestProgress], object] | None = None,
    ) -> SchemaCheck:
        """Tries a schema without registering it; ``on_progress`` is called on the client's own thread."""
        return self._thread.run(
            self._client.check_schema(
                subject,
                files=files,
                descriptor_set=descriptor_set,
                root=root,
                references=references,
                against=against,
                direction=direction,
                surface=surface,
                backtest=backtest,
                on_progress=on_progress,
            )
        )

    def get_schema(self, subject: str = "", *, type: str = "", version: int = 0) -> schema_pb2.SchemaVersion:
        """Answers one version of a subject, or of the subject that an event type belongs to."""
        return self._thread.run(self._client.get_schema(subject, type=type, version=version))

    def read_schema(
        self,
        subject: str = "",
        *,
        type: str = "",
        version: int = 0,
        view: View | None = None,
        types: Iterable[str] = (),
    ) -> schema_service_pb2.GetSchemaResponse:
        """As ``get_schema``; the answer also has its references, and what ``view`` asks for."""
        return self._thread.run(
            self._client.read_schema(subject, type=type, version=version, view=view, types=types)
        )

    def list_schemas(self, subject: str, *, show_deleted: bool = False) -> Iterator[schema_pb2.SchemaVersion]:
        """Yields the versions of a subject, oldest first, without descriptors and sources."""
        return self._thread.iterate(self._client.list_schemas(subject, show_deleted=show_deleted))

    def diff_schemas(
        self, subject: str, *, old: int = 0, new: int = 0
    ) -> schema_service_pb2.DiffSchemasResponse:
        """Answers the difference of two versions: by structure, as text, and what it means for readers."""
        return self._thread.run(self._client.diff_schemas(subject, old=old, new=new))

    def delete_schema(
        self, subject: str, version: int = 0, *, purge: bool = False, message: str = ""
    ) -> None:
        """Hides a version, or the whole subject; with ``purge`` removes for good what was hidden before."""
        self._thread.run(self._client.delete_schema(subject, version, purge=purge, message=message))

    def restore_schema(self, subject: str, version: int = 0, *, message: str = "") -> schema_pb2.Subject:
        """Makes a hidden version seen again, or the subject with the versions that were deleted with it."""
        return self._thread.run(self._client.restore_schema(subject, version, message=message))
