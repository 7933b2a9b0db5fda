"""TopicService: the topics over gRPC."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from tidegate.v1 import topic_pb2
from tidegate.v1 import topic_service_pb2 as pb
from tidegate.v1.topic_service_pb2_grpc import TopicServiceServicer

from gateway.errors import TopicAlreadyExists, TopicNotEmpty
from gateway.log import TopicBounds
from gateway.paging import fill_page, make_token, page_size, read_token
from gateway.selection import Selection, is_topic_name, matching
from registry.errors import EventTypeNotFound, InvalidRequest
from registry.names import close_names, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    import grpc

    from gateway.log import EventLog
    from gateway.retention import Retention
    from gateway.topics import Topic, Topics
    from registry.registry import Registry

    Context = grpc.aio.ServicerContext[Any, Any]

MIN_AGE, MAX_AGE = timedelta(seconds=1), timedelta(days=36_500)
_GATEWAY_FIELDS = ("create_time", "update_time", "stats")
_MUTABLE = ("types", "unknown_fields", "retention", "retention.max_age", "retention.max_bytes", "index_keys")


class TopicService(TopicServiceServicer):
    """The RPCs of ``tidegate.v1.TopicService``."""

    def __init__(self, topics: Topics, registry: Registry, log: EventLog, retention: Retention) -> None:
        self._topics = topics
        self._registry = registry
        self._log = log
        self._retention = retention

    async def CreateTopic(self, request: pb.CreateTopicRequest, _: Context) -> pb.CreateTopicResponse:  # noqa: N802
        """Makes a topic."""
        asked = request.topic
        if not is_topic_name(asked.name):
            raise InvalidRequest(
                "topic.name",
                f"{asked.name!r} is no topic name: levels of letters, digits, _ and -, separated by dots, "
                f"at most 255 characters, such as shop.orders",
            )
        if not asked.subject:
            raise InvalidRequest("topic.subject", "must name the subject whose schema checks the events")
        for name in _GATEWAY_FIELDS:
            if asked.HasField(name):
                raise InvalidRequest(f"topic.{name}", "is set by the gateway alone; leave it out")
        if asked.etag:
            raise InvalidRequest("topic.etag", "is set by the gateway alone; leave it out")
        if asked.name in self._topics:  # not yet deleted: there is nothing to remove, nor may be
            raise TopicAlreadyExists(asked.name)
        if (await self._bounds(asked.name)).batch_count:
            await self._retention.remove_orphan(asked.name)
        async with self._registry.changing(asked.subject):  # it and its types stay until the topic is there
            topic = await self._topics.create(
                asked.name,
                asked.subject,
                await self._types(asked.subject, asked.types),
                allow_unknown=_allow_unknown(asked),
                max_age=_max_age(asked),
                max_bytes=asked.retention.max_bytes,
                index_keys=asked.index_keys,
            )
        await self._index_keys()
        return pb.CreateTopicResponse(topic=await self._with_stats(topic))

    async def GetTopic(self, request: pb.GetTopicRequest, _: Context) -> pb.GetTopicResponse:  # noqa: N802
        """Answers a topic with its stats."""
        topic = self._topics.get(request.name)
        return pb.GetTopicResponse(topic=await self._with_stats(topic))

    async def ListTopics(self, request: pb.ListTopicsRequest, _: Context) -> pb.ListTopicsResponse:  # noqa: N802
        """Lists a page of the topics, by name."""
        selection = matching(request.pattern)
        after, size = read_token(request.page_token), page_size(request.page_size)
        found = [
            topic for topic in self._topics.all() if topic.name > after and selection.has_topic(topic.name)
        ]
        page = fill_page(map(_topic, found), size)
        token = make_token(page[-1].name) if len(found) > len(page) else ""
        return pb.ListTopicsResponse(topics=page, next_page_token=token)

    async def UpdateTopic(self, request: pb.UpdateTopicRequest, _: Context) -> pb.UpdateTopicResponse:  # noqa: N802
        """Changes the fields of a topic that the mask names."""
        asked, current = request.topic, self._topics.get(request.topic.name)
        paths = set(request.update_mask.paths)
        if not paths or not paths <= set(_MUTABLE):
            raise InvalidRequest("update_mask", f"must name fields to change, of {', '.join(_MUTABLE)}")
        changes = _changes(asked, paths)
        async with self._registry.changing(current.subject):  # its types stay until the topic names them
            if "types" in paths:
                changes["types"] = await self._types(current.subject, asked.types)
            topic = await self._topics.update(current.name, asked.etag, **changes)
        await self._index_keys()
        return pb.UpdateTopicResponse(topic=await self._with_stats(topic))

    async def DeleteTopic(self, request: pb.DeleteTopicRequest, _: Context) -> pb.DeleteTopicResponse:  # noqa: N802
        """Deletes a topic, first its settings, so that nothing is published meanwhile, then its events."""
        topic = self._topics.get(request.name)

        async def require_empty() -> None:
            if not request.force:
                await self._log.trim(topic.name)  # removes nothing, behind all that was published before
                await self._require_empty(topic.name)

        if not request.force:
            await self._require_empty(topic.name)
        await self._topics.delete(topic.name, request.etag, require_empty)
        await self._index_keys()
        await self._retention.remove_orphan(topic.name)
        return pb.DeleteTopicResponse()

    async def _index_keys(self) -> None:
        """Tells the log which topics have an index now; if that fails, the next change or start does."""
        await self._log.index_keys(self._topics.with_index())

    async def _require_empty(self, name: str) -> None:
        events = (await self._bounds(name)).event_count
        if events:
            raise TopicNotEmpty(name, events)

    async def _with_stats(self, topic: Topic) -> topic_pb2.Topic:
        bounds = await self._bounds(topic.name)
        return _topic(topic, bounds, keys_indexed=self._log.has_indexed_keys(topic.name))

    async def _bounds(self, name: str) -> TopicBounds:
        bounds = await self._log.bounds(Selection(frozenset((name,))))
        return bounds.topics.get(name, TopicBounds())

    async def _types(self, subject: str, types: Iterable[str]) -> tuple[str, ...]:
        """Answers the types, each once; the text of a name is kept once too, however many topics have it.

        Raises:
            SubjectNotFound: There is no such subject, or it was deleted.
            SchemaVersionNotFound: It has no versions.
            EventTypeNotFound: A type is none of its latest version.
        """
        latest = await self._registry.get(subject)
        known = frozenset(latest.types)
        asked = tuple(dict.fromkeys(types))
        for event_type in asked:
            if event_type not in known:
                where = f"version {latest.version} of subject {subject!r}"
                raise EventTypeNotFound(shown(event_type), where, close_names(event_type, latest.types))
        return tuple(map(sys.intern, asked))


def _changes(asked: topic_pb2.Topic, paths: set[str]) -> dict[str, Any]:
    """Answers the settings that the paths name, but for the types."""
    changes: dict[str, Any] = {}
    if "unknown_fields" in paths:
        changes["allow_unknown"] = _allow_unknown(asked)
    if paths & {"retention", "retention.max_age"}:
        changes["max_age"] = _max_age(asked)
    if "index_keys" in paths:
        changes["index_keys"] = asked.index_keys
    if paths & {"retention", "retention.max_bytes"}:
        changes["max_bytes"] = asked.retention.max_bytes
    return changes


def _allow_unknown(asked: topic_pb2.Topic) -> bool:
    if asked.unknown_fields not in topic_pb2.UnknownFields.values():
        raise InvalidRequest("topic.unknown_fields", f"{asked.unknown_fields} is no value of UnknownFields")
    return asked.unknown_fields == topic_pb2.UNKNOWN_FIELDS_ALLOW


def _max_age(asked: topic_pb2.Topic) -> timedelta | None:
    if not asked.retention.HasField("max_age"):
        return None
    seconds = asked.retention.max_age.seconds + asked.retention.max_age.nanos / 1e9
    if not MIN_AGE.total_seconds() <= seconds <= MAX_AGE.total_seconds():
        raise InvalidRequest("topic.retention.max_age", f"is {seconds:g} s; must be 1 s to 100 years")
    return timedelta(seconds=seconds)


def _topic(topic: Topic, bounds: TopicBounds | None = None, *, keys_indexed: bool = False) -> topic_pb2.Topic:
    allow = topic_pb2.UNKNOWN_FIELDS_ALLOW if topic.allow_unknown else topic_pb2.UNKNOWN_FIELDS_REJECT
    answer = topic_pb2.Topic(
        name=topic.name,
        subject=topic.subject,
        types=topic.types,
        unknown_fields=allow,
        etag=topic.etag,
        index_keys=topic.index_keys,
    )
    answer.create_time.FromDatetime(topic.create_time)
    answer.update_time.FromDatetime(topic.update_time)
    if topic.max_age:
        answer.retention.max_age.FromTimedelta(topic.max_age)
    if topic.max_bytes:
        answer.retention.max_bytes = topic.max_bytes
    if bounds:
        answer.stats.CopyFrom(_stats(bounds))
        answer.stats.keys_indexed = keys_indexed
    return answer


def _stats(bounds: TopicBounds) -> topic_pb2.TopicStats:
    return topic_pb2.TopicStats(
        first_sequence=bounds.first_sequence,
        last_sequence=bounds.last_sequence,
        event_count=bounds.event_count,
        batch_count=bounds.batch_count,
        size_bytes=bounds.size_bytes,
        removed_through=bounds.trimmed_through,
    )
