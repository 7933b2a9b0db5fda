"""Schemas with asyncio: registers, tries, reads, compares and deletes them."""

# ruff: noqa: A002 - `type` is the contract's word

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from tidegate.schema_values import compatibility_message, enum_value
from tidegate.v1 import backtest_pb2, schema_pb2, schema_service_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable

    from tidegate.connection import Connection
    from tidegate.schema_values import Direction, Surface

View = Literal["canonical", "typed"]
"""What ``read_schema`` answers besides the version."""
Sources = Mapping[str, str]
"""From the name that others import to the text."""


class SchemaCheck(NamedTuple):
    """What a check found.

    Attributes:
        report: What the schema would change, and whom it breaks.
        backtest: What stored events make of it; None if no backtest was asked for.
    """

    report: schema_service_pb2.CheckReport
    backtest: backtest_pb2.BacktestReport | None


class AsyncSchemaAdmin:
    """The half of ``AsyncAdmin`` that is about schema versions."""

    _connection: Connection

    async def register_schema(
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
        """Registers a schema under ``subject``, which makes the subject if it is new.

        A schema that equals a version of the subject answers that version.

        Args:
            subject: The subject's name.
            files: .proto sources: from the name that others import to the text; or paths of files to read,
                whose names are then relative to ``root``.
            descriptor_set: Instead of ``files``, what ``protoc --include_imports --descriptor_set_out``
                writes.
            root: The folder that imports are relative to (protoc's ``-I``), where ``files`` are paths.
            references: Other subjects whose files it imports, with their versions; 0 is the latest one.
            message: Why; recorded with the change.
            version: The version's number; only for a subject in mode IMPORT.

        Raises:
            InvalidSchema: It does not compile; the violations give file, line and column.
            IncompatibleSchema: It breaks what the subject promises; one violation a finding.
            ReadersAffected: It breaks readers that are alive, and the subject refuses that.
            EventTypeTaken: One of its messages belongs to another subject.
            EventTypeNeeded: A topic accepts a message that it has no more.
            SubjectReadOnly, SchemaDeleted: The subject takes no versions, or not this one.
        """
        answer = await self.register(
            subject,
            files=files,
            descriptor_set=descriptor_set,
            root=root,
            references=references,
            message=message,
            version=version,
        )
        return answer.schema

    async def register(
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
        request = schema_service_pb2.RegisterSchemaRequest(
            subject=subject, references=_references(references), message=message, version=version
        )
        _put_schema(request, files, descriptor_set, Path(root))
        return await self._connection.call(
            "SchemaService/RegisterSchema", request, schema_service_pb2.RegisterSchemaResponse
        )

    async def check_schema(
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
        """Tries a schema without registering it: what it changes, whom it breaks, and the proof.

        The schema is given as to ``register_schema``. Cancelling the call ends a backtest.

        Args:
            subject: The subject's name; it need not exist.
            files: See ``register_schema``.
            descriptor_set: See ``register_schema``.
            root: See ``register_schema``.
            references: See ``register_schema``.
            against: The version to compare with, 0 for the latest one, or all of them. None means: what a
                registration would be held against.
            direction: Who must be able to read what; None means what the subject promises.
            surface: Which encodings; None means what the subject promises.
            backtest: Which stored events to try it on.
            on_progress: Called about once a second while a backtest runs.

        Raises:
            InvalidSchema, EventTypeTaken: It could not be registered, whatever the subject promises.
            SubjectNotFound, SchemaVersionNotFound, TopicNotFound: What is named does not exist.
        """
        request = schema_service_pb2.CheckSchemaRequest(
            subject=subject, references=_references(references), backtest=backtest
        )
        _put_schema(request, files, descriptor_set, Path(root))
        if against == "all":
            request.all_versions = True
        elif against is not None:
            request.version = against
        if direction or surface:
            request.compatibility.CopyFrom(compatibility_message(direction, surface))
        report, found = schema_service_pb2.CheckReport(), None
        async for part in self._connection.stream(
            "SchemaService/CheckSchema",
            request,
            schema_service_pb2.CheckSchemaResponse,
            endless=backtest is not None,
        ):
            match part.WhichOneof("part"):
                case "report":
                    report = part.report
                case "progress" if on_progress:
                    on_progress(part.progress)
                case "backtest":
                    found = part.backtest
        return SchemaCheck(report, found)

    async def get_schema(
        self, subject: str = "", *, type: str = "", version: int = 0
    ) -> schema_pb2.SchemaVersion:
        """Answers one version of a subject, or of the one that an event type belongs to, with descriptors.

        A deleted version is answered only if its number is named.

        Raises:
            SubjectNotFound, EventTypeNotFound, SchemaVersionNotFound: It does not exist.
        """
        return (await self.read_schema(subject, type=type, version=version)).schema

    async def read_schema(
        self,
        subject: str = "",
        *,
        type: str = "",
        version: int = 0,
        view: View | None = None,
        types: Iterable[str] = (),
    ) -> schema_service_pb2.GetSchemaResponse:
        """As ``get_schema``; the answer also has the versions that it references, and what ``view`` asks for.

        Args:
            subject: The subject's name; or else
            type: An event type of it.
            version: The version; 0 means the latest one.
            view: ``canonical``: its files, printed from its descriptors. ``typed``: all files that protoc
                needs to make stubs of typed streams.
            types: Only the typed streams of these event types; all, if empty.

        Raises:
            SubjectNotFound, EventTypeNotFound, SchemaVersionNotFound: It does not exist.
        """
        if bool(subject) == bool(type):
            raise TypeError("give either a subject or an event type")
        request = schema_service_pb2.GetSchemaRequest(version=version, types=types)
        if subject:
            request.subject = subject
        else:
            request.type = type
        if view:
            request.view = enum_value(schema_service_pb2.SchemaView, view.upper())
        return await self._connection.call(
            "SchemaService/GetSchema", request, schema_service_pb2.GetSchemaResponse
        )

    async def list_schemas(
        self, subject: str, *, show_deleted: bool = False
    ) -> AsyncIterator[schema_pb2.SchemaVersion]:
        """Yields the versions of a subject, oldest first, without descriptors and sources."""
        request = schema_service_pb2.ListSchemasRequest(subject=subject, show_deleted=show_deleted)
        async for page in self._connection.pages(
            "SchemaService/ListSchemas", request, schema_service_pb2.ListSchemasResponse
        ):
            for schema in page.schemas:
                yield schema

    async def diff_schemas(
        self, subject: str, *, old: int = 0, new: int = 0
    ) -> schema_service_pb2.DiffSchemasResponse:
        """Answers the difference of two versions: by structure, as text, and what it means for readers.

        Args:
            subject: The subject's name.
            old: The older version; 0 means the one before ``new``.
            new: The newer version; 0 means the latest one.

        Raises:
            SubjectNotFound, SchemaVersionNotFound: It does not exist.
        """
        request = schema_service_pb2.DiffSchemasRequest(subject=subject, old_version=old, new_version=new)
        return await self._connection.call(
            "SchemaService/DiffSchemas", request, schema_service_pb2.DiffSchemasResponse
        )

    async def delete_schema(
        self, subject: str, version: int = 0, *, purge: bool = False, message: str = ""
    ) -> None:
        """Hides a version, or the whole subject; with ``purge`` removes for good what was hidden before.

        Raises:
            SchemaNeeded: A stored event, a topic or another schema needs it; the facts name some.
            SubjectReadOnly, SubjectNotFound, SchemaVersionNotFound: As they say.
        """
        request = schema_service_pb2.DeleteSchemaRequest(
            subject=subject, version=version, purge=purge, message=message
        )
        await self._connection.call(
            "SchemaService/DeleteSchema", request, schema_service_pb2.DeleteSchemaResponse
        )

    async def restore_schema(
        self, subject: str, version: int = 0, *, message: str = ""
    ) -> schema_pb2.Subject:
        """Makes a hidden version seen again, or the subject with the versions that were deleted with it.

        Raises:
            SubjectReadOnly, SubjectNotFound, SchemaVersionNotFound: As they say.
        """
        request = schema_service_pb2.RestoreSchemaRequest(subject=subject, version=version, message=message)
        answer = await self._connection.call(
            "SchemaService/RestoreSchema", request, schema_service_pb2.RestoreSchemaResponse
        )
        return answer.subject


def _put_schema(
    request: schema_service_pb2.RegisterSchemaRequest | schema_service_pb2.CheckSchemaRequest,
    files: Sources | Iterable[str | Path] | None,
    descriptor_set: bytes | None,
    root: Path,
) -> None:
    if (files is None) == (descriptor_set is None):
        raise TypeError("give either files or descriptor_set")
    if descriptor_set is not None:
        request.descriptor_set = descriptor_set
    else:
        request.sources.files.update(_read_sources(files or {}, root))


def _read_sources(files: Sources | Iterable[str | Path], root: Path) -> dict[str, str]:
    if isinstance(files, Mapping):
        return dict(files)
    texts = {}
    for file in map(Path, files):
        path = file if file.is_absolute() else root / file
        texts[path.resolve().relative_to(root.resolve()).as_posix()] = path.read_text(encoding="utf-8")
    return texts


def _references(references: Mapping[str, int] | None) -> list[schema_pb2.SchemaReference]:
    return [
        schema_pb2.SchemaReference(subject=subject, version=version)
        for subject, version in (references or {}).items()
    ]
