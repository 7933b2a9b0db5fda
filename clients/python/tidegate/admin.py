"""Schemas, subjects, topics, groups and stored events with asyncio; what is about topics stands here.

Answers are the contract's own messages (``tidegate.v1``): typed by their stubs, documented in ``proto/``, and
never a second model that must be kept in step with the first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from google.protobuf import field_mask_pb2

from tidegate.dead_letter_admin import AsyncDeadLetterAdmin
from tidegate.group_admin import AsyncGroupAdmin
from tidegate.history import AsyncHistoryReading
from tidegate.schema_admin import AsyncSchemaAdmin
from tidegate.schema_values import UNCHANGED, Unchanged
from tidegate.subject_admin import AsyncSubjectAdmin
from tidegate.v1 import topic_pb2, topic_service_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from datetime import timedelta

UnknownFields = Literal["reject", "allow"]
"""What happens to events with fields that their schema version doesn't know."""


class AsyncAdmin(
    AsyncSchemaAdmin, AsyncSubjectAdmin, AsyncGroupAdmin, AsyncDeadLetterAdmin, AsyncHistoryReading
):
    """The administrative half of ``AsyncClient``."""

    async def create_topic(
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
        """Makes a topic.

        Args:
            name: Levels of letters, digits, ``_`` and ``-``, separated by dots.
            subject: The subject whose versions check the events.
            types: The event types that it accepts; all of its subject, if empty.
            unknown_fields: What happens to events with fields that their schema version doesn't know.
            retain_age: How long events are kept; for ever, if None.
            retain_bytes: How many bytes of events are kept; all, if None.
            index_keys: Whether to keep an index of keys: the history of a key is then read quickly, and
                ``publish`` can expect where a key stands.

        Raises:
            TopicAlreadyExists, SubjectNotFound, EventTypeNotFound, InvalidRequest: As they say.
        """
        topic = topic_pb2.Topic(
            name=name,
            subject=subject,
            types=types,
            unknown_fields=_unknown_fields(unknown_fields),
            index_keys=index_keys,
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
        async for page in self._connection.pages(
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
        index_keys: bool | Unchanged = UNCHANGED,
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
        if not isinstance(index_keys, Unchanged):
            topic.index_keys = index_keys
            mask.paths.append("index_keys")
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


def _unknown_fields(policy: UnknownFields) -> Any:
    return topic_pb2.UnknownFields.Value(f"UNKNOWN_FIELDS_{policy.upper()}")


def _retain(topic: topic_pb2.Topic, age: timedelta | None, size: int | None) -> None:
    if age is not None:
        topic.retention.max_age.FromTimedelta(age)
    if size is not None:
        topic.retention.max_bytes = size
