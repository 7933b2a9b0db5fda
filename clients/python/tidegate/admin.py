"""Schemas, subjects and topics with asyncio.

Answers are the contract's own messages (``tidegate.v1``): typed by their stubs, documented in ``proto/``, and
never a second model that must be kept in step with the first.
"""

# ruff: noqa: A002 - `id` and `type` are the contract's words

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from google.protobuf import field_mask_pb2

from tidegate.v1 import (
    schema_pb2,
    schema_service_pb2,
    topic_pb2,
    topic_service_pb2,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from datetime import timedelta

    from tidegate.connection import Connection

UnknownFields = Literal["reject", "allow"]
"""What happens to events with fields that their schema version doesn't know."""


class Unchanged:
    """Says that a field stays as it is, where None means that it is taken away."""

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED: Final = Unchanged()
"""The field stays as it is."""


class AsyncAdmin:
    """The administrative half of ``AsyncClient``."""

    _connection: Connection

    async def register_schema(
        self,
        subject: str,
        *,
        files: Mapping[str, str] | Iterable[str | Path] | None = None,
        descriptor_set: bytes | None = None,
        root: str | Path = ".",
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

        Raises:
            InvalidSchema: It does not compile; the violations give file, line and column.
            IncompatibleSchema: It breaks what the subject promises; one violation a finding.
            EventTypeTaken: One of its messages belongs to another subject.
        """
        answer = await self.register(subject, files=files, descriptor_set=descriptor_set, root=root)
        return answer.schema

    async def register(
        self,
        subject: str,
        *,
        files: Mapping[str, str] | Iterable[str | Path] | None = None,
        descriptor_set: bytes | None = None,
        root: str | Path = ".",
    ) -> schema_service_pb2.RegisterSchemaResponse:
        """As ``register_schema``; the answer also says whether the version was ``created``."""
        if (files is None) == (descriptor_set is None):
            raise TypeError("give either files or descriptor_set")
        request = schema_service_pb2.RegisterSchemaRequest(subject=subject)
        if descriptor_set is not None:
            request.descriptor_set = descriptor_set
        else:
            request.sources.files.update(_sources(files or {}, Path(root)))
        return await self._connection.call(
            "SchemaService/RegisterSchema", request, schema_service_pb2.RegisterSchemaResponse
        )

    async def get_schema(
        self, subject: str = "", *, type: str = "", version: int = 0
    ) -> schema_pb2.SchemaVersion:
        """Answers one version of a subject, or of the one that an event type belongs to, with descriptors.

        Raises:
            SubjectNotFound, EventTypeNotFound, SchemaVersionNotFound: It does not exist.
        """
        if bool(subject) == bool(type):
            raise TypeError("give either a subject or an event type")
        request = schema_service_pb2.GetSchemaRequest(version=version)
        if subject:
            request.subject = subject
        else:
            request.type = type
        answer = await self._connection.call(
            "SchemaService/GetSchema", request, schema_service_pb2.GetSchemaResponse
        )
        return answer.schema

    async def list_schemas(self, subject: str) -> AsyncIterator[schema_pb2.SchemaVersion]:
        """Yields the versions of a subject, oldest first, without descriptors and sources."""
        request = schema_service_pb2.ListSchemasRequest(subject=subject)
        async for page in self._pages(
            "SchemaService/ListSchemas", request, schema_service_pb2.ListSchemasResponse
        ):
            for schema in page.schemas:
                yield schema

    async def list_subjects(self) -> AsyncIterator[schema_pb2.Subject]:
        """Yields the subjects by name."""
        request = schema_service_pb2.ListSubjectsRequest()
        async for page in self._pages(
            "SchemaService/ListSubjects", request, schema_service_pb2.ListSubjectsResponse
        ):
            for subject in page.subjects:
                yield subject

    async def create_topic(
        self,
        name: str,
        *,
        subject: str,
        types: Iterable[str] = (),
        unknown_fields: UnknownFields = "reject",
        retain_age: timedelta | None = None,
        retain_bytes: int | None = None,
    ) -> topic_pb2.Topic:
        """Makes a topic.

        Args:
            name: Levels of letters, digits, ``_`` and ``-``, separated by dots.
            subject: The subject whose versions check the events.
            types: The event types that it accepts; all of its subject, if empty.
            unknown_fields: What happens to events with fields that their schema version doesn't know.
            retain_age: How long events are kept; for ever, if None.
            retain_bytes: How many bytes of events are kept; all, if None.

        Raises:
            TopicAlreadyExists, SubjectNotFound, EventTypeNotFound, InvalidRequest: As they say.
        """
        topic = topic_pb2.Topic(
            name=name, subject=subject, types=types, unknown_fields=_unknown_fields(unknown_fields)
        )
        _retain(topic, retain_age, retain_bytes)
        request = topic_service_pb2.CreateTopicRequest(topic=topic)
        answer = await self._connection.call(
            "TopicService/CreateTopic", request, topic_service_pb2.CreateTopicResponse
        )
        return answer.topic

    async def get_topic(self, name: str) -> topic_pb2.Topic:
        """Answers a topic with its stats.

        Raises:
            TopicNotFound: There is none of that name.
        """
        request = topic_service_pb2.GetTopicRequest(name=name)
        answer = await self._connection.call(
            "TopicService/GetTopic", request, topic_service_pb2.GetTopicResponse
        )
        return answer.topic

    async def list_topics(self, pattern: str = "") -> AsyncIterator[topic_pb2.Topic]:
        """Yields the topics by name, without stats; only those that ``pattern`` matches (``shop.>``)."""
        request = topic_service_pb2.ListTopicsRequest(pattern=pattern)
        async for page in self._pages(
            "TopicService/ListTopics", request, topic_service_pb2.ListTopicsResponse
        ):
            for topic in page.topics:
                yield topic

    async def update_topic(
        self,
        name: str,
        *,
        types: Iterable[str] | Unchanged = UNCHANGED,
        unknown_fields: UnknownFields | Unchanged = UNCHANGED,
        retain_age: timedelta | Unchanged | None = UNCHANGED,
        retain_bytes: int | Unchanged | None = UNCHANGED,
        etag: str = "",
    ) -> topic_pb2.Topic:
        """Changes what is given of a topic, from the next publish on; None takes a limit away.

        Raises:
            TopicNotFound: There is none of that name.
            TopicChanged: It is not in the state that ``etag`` names any more.
        """
        topic = topic_pb2.Topic(name=name, etag=etag)
        mask = field_mask_pb2.FieldMask()
        if not isinstance(types, Unchanged):
            topic.types.extend(types)
            mask.paths.append("types")
        if not isinstance(unknown_fields, Unchanged):
            topic.unknown_fields = _unknown_fields(unknown_fields)
            mask.paths.append("unknown_fields")
        if not isinstance(retain_age, Unchanged):
            _retain(topic, retain_age, None)
            mask.paths.append("retention.max_age")
        if not isinstance(retain_bytes, Unchanged):
            _retain(topic, None, retain_bytes)
            mask.paths.append("retention.max_bytes")
        request = topic_service_pb2.UpdateTopicRequest(topic=topic, update_mask=mask)
        answer = await self._connection.call(
            "TopicService/UpdateTopic", request, topic_service_pb2.UpdateTopicResponse
        )
        return answer.topic

    async def delete_topic(self, name: str, *, force: bool = False, etag: str = "") -> None:
        """Deletes a topic; one that holds events only with ``force``, and its events with it.

        Raises:
            TopicNotFound, TopicNotEmpty, TopicChanged: As they say.
        """
        request = topic_service_pb2.DeleteTopicRequest(name=name, force=force, etag=etag)
        await self._connection.call(
            "TopicService/DeleteTopic", request, topic_service_pb2.DeleteTopicResponse
        )

    async def _pages(self, method: str, request: Any, answer: Any) -> AsyncIterator[Any]:
        while True:
            page = await self._connection.call(method, request, answer)
            yield page
            request.page_token = page.next_page_token
            if not request.page_token:
                return


def _sources(files: Mapping[str, str] | Iterable[str | Path], root: Path) -> dict[str, str]:
    if isinstance(files, Mapping):
        return dict(files)
    texts = {}
    for file in map(Path, files):
        path = file if file.is_absolute() else root / file
        texts[path.resolve().relative_to(root.resolve()).as_posix()] = path.read_text(encoding="utf-8")
    return texts


def _unknown_fields(policy: UnknownFields) -> Any:
    return topic_pb2.UnknownFields.Value(f"UNKNOWN_FIELDS_{policy.upper()}")


def _retain(topic: topic_pb2.Topic, age: timedelta | None, size: int | None) -> None:
    if age is not None:
        topic.retention.max_age.FromTimedelta(age)
    if size is not None:
        topic.retention.max_bytes = size
