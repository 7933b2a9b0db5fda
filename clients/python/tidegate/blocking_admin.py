"""Schemas, subjects and topics for programs without an event loop: the face of ``AsyncAdmin``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate.blocking_schema_admin import SchemaAdmin
from tidegate.blocking_subject_admin import SubjectAdmin
from tidegate.schema_values import UNCHANGED, Unchanged

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import timedelta

    from tidegate.admin import UnknownFields
    from tidegate.aio import AsyncClient
    from tidegate.loop_thread import LoopThread
    from tidegate.v1 import topic_pb2


class Admin(SchemaAdmin, SubjectAdmin):
    """The administrative half of ``Client``; see ``AsyncAdmin`` for arguments and errors."""

    _thread: LoopThread
    _client: AsyncClient

    def create_topic(
        self,
        name: str,
        *,
        subject: str,
        types: Iterable[str] = (),
        unknown_fields: UnknownFields = "reject",
        retain_age: timedelta | None = None,
        retain_bytes: int | None = None,
        index_keys: bool = False,
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
                index_keys=index_keys,
            )
        )

    def get_topic(self, name: str) -> topic_pb2.Topic:
        """Answers a topic with its stats."""
        return self._thread.run(self._client.get_topic(name))

    def list_topics(self, pattern: str = "") -> Iterator[topic_pb2.Topic]:
        """Yields the topics by name, without stats; only those that ``pattern`` matches."""
        return self._thread.iterate(self._client.list_topics(pattern))

    def update_topic(
        self,
        name: str,
        *,
        types: Iterable[str] | Unchanged = UNCHANGED,
        unknown_fields: UnknownFields | Unchanged = UNCHANGED,
        retain_age: timedelta | Unchanged | None = UNCHANGED,
        retain_bytes: int | Unchanged | None = UNCHANGED,
        index_keys: bool | Unchanged = UNCHANGED,
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
                index_keys=index_keys,
                etag=etag,
            )
        )

    def delete_topic(self, name: str, *, force: bool = False, etag: str = "") -> None:
        """Deletes a topic; one that holds events only with ``force``, and its events with it."""
        self._thread.run(self._client.delete_topic(name, force=force, etag=etag))
