"""Schemas, subjects and topics for programs without an event loop: the face of ``AsyncAdmin``."""

# ruff: noqa: A002 - `id` and `type` are the contract's words

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from tidegate.admin import UNCHANGED, Unchanged

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
    from datetime import timedelta
    from pathlib import Path

    from tidegate.admin import UnknownFields
    from tidegate.aio import AsyncClient
    from tidegate.loop_thread import LoopThread
    from tidegate.v1 import schema_pb2, schema_service_pb2, topic_pb2

_Item = TypeVar("_Item")


class Admin:
    """The administrative half of ``Client``; see ``AsyncAdmin`` for arguments and errors."""

    _thread: LoopThread
    _client: AsyncClient

    def register_schema(
        self,
        subject: str,
        *,
        files: Mapping[str, str] | Iterable[str | Path] | None = None,
        descriptor_set: bytes | None = None,
        root: str | Path = ".",
    ) -> schema_pb2.SchemaVersion:
        """Registers a schema under ``subject``, which makes the subject if it is new."""
        return self.register(subject, files=files, descriptor_set=descriptor_set, root=root).schema

    def register(
        self,
        subject: str,
        *,
        files: Mapping[str, str] | Iterable[str | Path] | None = None,
        descriptor_set: bytes | None = None,
        root: str | Path = ".",
    ) -> schema_service_pb2.RegisterSchemaResponse:
        """As ``register_schema``; the answer also says whether the version was ``created``."""
        return self._thread.run(
            self._client.register(subject, files=files, descriptor_set=descriptor_set, root=root)
        )

    def get_schema(self, subject: str = "", *, type: str = "", version: int = 0) -> schema_pb2.SchemaVersion:
        """Answers one version of a subject, or of the subject that an event type belongs to."""
        return self._thread.run(self._client.get_schema(subject, type=type, version=version))

    def list_schemas(self, subject: str) -> Iterator[schema_pb2.SchemaVersion]:
        """Yields the versions of a subject, oldest first, without descriptors and sources."""
        return self._iterate(self._client.list_schemas(subject))

    def list_subjects(self) -> Iterator[schema_pb2.Subject]:
        """Yields the subjects by name."""
        return self._iterate(self._client.list_subjects())

    def create_topic(
        self,
        name: str,
        *,
        subject: str,
        types: Iterable[str] = (),
        unknown_fields: UnknownFields = "reject",
        retain_age: timedelta | None = None,
        retain_bytes: int | None = None,
    ) -> topic_pb2.Topic:
        """Makes a topic."""
        return self._thread.run(
            self._client.create_topic(
                name,
                subject=subject,
                types=types,
                unknown_fields=unknown_fields,
                retain_age=retain_age,
                retain_bytes=retain_bytes,
            )
        )

    def get_topic(self, name: str) -> topic_pb2.Topic:
        """Answers a topic with its stats."""
        return self._thread.run(self._client.get_topic(name))

    def list_topics(self, pattern: str = "") -> Iterator[topic_pb2.Topic]:
        """Yields the topics by name, without stats; only those that ``pattern`` matches."""
        return self._iterate(self._client.list_topics(pattern))

    def update_topic(
        self,
        name: str,
        *,
        types: Iterable[str] | Unchanged = UNCHANGED,
        unknown_fields: UnknownFields | Unchanged = UNCHANGED,
        retain_age: timedelta | Unchanged | None = UNCHANGED,
        retain_bytes: int | Unchanged | None = UNCHANGED,
        etag: str = "",
    ) -> topic_pb2.Topic:
        """Changes what is given of a topic, from the next publish on; None takes a limit away."""
        return self._thread.run(
            self._client.update_topic(
                name,
                types=types,
                unknown_fields=unknown_fields,
                retain_age=retain_age,
                retain_bytes=retain_bytes,
                etag=etag,
            )
        )

    def delete_topic(self, name: str, *, force: bool = False, etag: str = "") -> None:
        """Deletes a topic; one that holds events only with ``force``, and its events with it."""
        self._thread.run(self._client.delete_topic(name, force=force, etag=etag))

    def _iterate(self, items: AsyncIterator[_Item]) -> Iterator[_Item]:
        async def following() -> Any:
            return await anext(items, _END)

        while (item := self._thread.run(following())) is not _END:
            yield item


_END = object()
