"""Publishing: every batch of a request is checked against its schema, then all are appended as one.

The write half of the gateway. It never knows that subscribers exist.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from gateway import wire
from gateway.errors import Draining, TopicNotFound
from gateway.log import Append, NewBatch, RequestKey
from registry.errors import InvalidRequest, LimitExceeded, TidegateError
from registry.names import shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.config import Config
    from gateway.log import Chain, EventLog, Placed
    from gateway.topics import Topic, Topics
    from gateway.wire import BatchHeader, PublishRequest
    from registry.checking.validator import BatchValidator
    from registry.registry import Registry
    from registry.typed import TypedService

MAX_REQUEST_ID_BYTES = 128
TURN_BYTES = 256 * 1024
"""Bytes of batches after whose check other work gets a turn: checking holds the event loop."""


class Publisher:
    """Takes publish requests into the log.

    Requests that are under way hold at most ``max_pending_bytes``; those above wait their turn, in order,
    until ``max_waiting_bytes`` wait: then requests are refused.
    """

    def __init__(self, log: EventLog, topics: Topics, registry: Registry, config: Config) -> None:
        self._log = log
        self._topics = topics
        self._registry = registry
        self._limits = config
        self._pending = _ByteBudget(config.max_pending_bytes, config.max_waiting_bytes)
        self._draining = False

    def parse(self, raw: bytes) -> PublishRequest:
        """Reads a request, without looking into its batches.

        Raises:
            InvalidRequest, LimitExceeded: It is malformed or too large.
        """
        limits = self._limits
        return wire.parse_publish_request(
            raw, max_bytes=limits.max_request_bytes, max_batches=limits.max_batches
        )

    async def publish(
        self,
        request: PublishRequest,
        caller: str,
        chain: Chain | None = None,
        typed: TypedService | None = None,
    ) -> asyncio.Future[tuple[Placed, ...]]:
        """Checks a request and queues it for the log; the answer is there when it is durable.

        Requests that are given one after the other are appended in that order.

        Args:
            request: The request, its batches still bytes.
            caller: The identity that the request_id belongs to.
            chain: Ties the request to those before it: after a failed one it is not appended.
            typed: The typed service that the request was made to: it says the batches' type and version.

        Raises:
            InvalidRequest, InvalidEvents, LimitExceeded, RequestIdReused, TopicNotFound, EventTypeNotFound,
            EventTypeNotAccepted, SchemaVersionNotFound, Draining: Nothing was appended.
            Whatever ``EventLog.append`` raises: From the awaited answer.
        """
        _require_complete(request)
        await self._pending.acquire(request.size)
        try:
            answer = await self._submit(request, caller, chain, typed)
        except BaseException:
            self._pending.release(request.size)
            raise
        answer.add_done_callback(partial(self._settle, request.size))
        return answer

    async def drain(self) -> None:
        """Refuses what comes from now on, and answers when all that was taken is durable or refused."""
        self._draining = True
        await self._pending.empty()

    def _settle(self, size: int, answer: asyncio.Future[tuple[Placed, ...]]) -> None:
        self._pending.release(size)
        error = None if answer.cancelled() else answer.exception()
        if isinstance(error, TidegateError):
            forget_origin(error)

    async def _submit(
        self, request: PublishRequest, caller: str, chain: Chain | None, typed: TypedService | None
    ) -> asyncio.Future[tuple[Placed, ...]]:
        if self._draining:
            raise Draining
        key = _request_key(request, caller, typed) if request.request_id else None
        if key and (known := await self._log.recall(key)) is not None:
            answer = asyncio.get_running_loop().create_future()
            answer.set_result(known)
            return answer
        held_against: dict[str, Topic] = {}
        deletions = self._registry.deletions
        batches = await self._check_all(request.batches, held_against, typed)
        while deletions != self._registry.deletions:
            deletions = self._registry.deletions
            await self._require_versions(batches, held_against)
        for name in (*request.expected, *[topic for topic, _ in request.expected_keys]):
            self._topics.get(name)
        for topic in held_against.values():
            self._require_there(topic)
        # Nothing is awaited in between: what is deleted from here on is deleted with these events.
        append = Append(tuple(batches), key, request.expected, request.expected_keys, chain)
        return asyncio.ensure_future(self._log.append(append))

    async def _require_versions(self, batches: Sequence[NewBatch], held_against: dict[str, Topic]) -> None:
        """Refuses what was checked against a version that was deleted meanwhile.

        Who wants to remove it for good asks the log whether it is needed: nothing of it may come behind that.
        """
        kinds = {(batch.topic, batch.schema_version, batch.type) for batch in batches}
        for topic, version, event_type in sorted(kinds):
            await self._validator(held_against[topic].subject, version, event_type)

    def _require_there(self, topic: Topic) -> None:
        """Refuses what was checked for a topic that was deleted meanwhile, and perhaps made anew."""
        if self._topics.accepting(topic.name).create_time != topic.create_time:
            raise TopicNotFound(topic.name)

    async def _check_all(
        self, batches: Sequence[bytes], held_against: dict[str, Topic], typed: TypedService | None
    ) -> list[NewBatch]:
        checked: list[NewBatch] = []
        held = 0
        for index, data in enumerate(batches):
            checked.append(await self._check(data, f"batches[{index}]", held_against, typed))
            held += len(data)
            if held > TURN_BYTES:
                held = 0
                await asyncio.sleep(0)
        return checked

    async def _check(
        self, data: bytes, path: str, held_against: dict[str, Topic], typed: TypedService | None
    ) -> NewBatch:
        """Answers the batch as it is to be stored, if all its events hold against their schema.

        Notes the topic in ``held_against``, as it was when a batch of the request was first held against it.
        """
        header = wire.parse_batch_header(data, path)
        if typed:
            header = _completed(header, typed, path)
        self._require_batch_in_limits(header, data, path)
        topic = self._topics.accepting(header.topic)
        held_against.setdefault(header.topic, topic)
        topic.require_accepted(header.type)
        version = header.schema_version or self._registry.latest_version(topic.subject)
        validator = await self._validator(topic.subject, version, header.type)
        checked = validator.check(data, allow_unknown=topic.allow_unknown, path=path)
        return NewBatch(header.topic, header.type, version, checked.count, checked.data)

    async def _validator(self, subject: str, version: int, event_type: str) -> BatchValidator:
        cached = self._registry.cached_validator(subject, version, event_type)
        return cached or await self._registry.validator(subject, version, event_type)

    def _require_batch_in_limits(self, header: BatchHeader, data: bytes, path: str) -> None:
        limits = self._limits
        _require("max_batch_bytes", limits.max_batch_bytes, len(data), "the batch's size", path)
        _require(
            "max_batch_events",
            limits.max_batch_events,
            header.events,
            "the number of events",
            f"{path}.events",
        )
        _require(
            "max_key_bytes", limits.max_key_bytes, len(header.source.encode()), "the source", f"{path}.source"
        )
        if not header.topic:
            raise InvalidRequest(f"{path}.topic", "must name a topic")
        if not header.type:
            raise InvalidRequest(f"{path}.type", "must name the event type, such as shop.v1.OrderPlaced")
        if not header.events:
            raise InvalidRequest(f"{path}.events", "must hold at least one event")
        if header.largest_event > min(limits.max_id_bytes, limits.max_key_bytes, limits.max_attributes_bytes):
            self._require_events_in_limits(data, path)

    def _require_events_in_limits(self, data: bytes, path: str) -> None:
        """Measures event by event; called only where an event is larger than the smallest of the limits."""
        limits = self._limits
        for index, sizes in enumerate(wire.event_sizes(data)):
            event = f"{path}.events[{index}]"
            _require("max_id_bytes", limits.max_id_bytes, sizes.id, "the id's size", f"{event}.id")
            _require("max_key_bytes", limits.max_key_bytes, sizes.key, "the key's size", f"{event}.key")
            _require(
                "max_attributes_bytes",
                limits.max_attributes_bytes,
                sizes.attributes,
                "the attributes' size",
                f"{event}.attributes",
            )


def _require_complete(request: PublishRequest) -> None:
    if not request.batches:
        raise InvalidRequest("batches", "must hold at least one batch")
    if len(request.request_id.encode()) > MAX_REQUEST_ID_BYTES:
        raise InvalidRequest("request_id", f"must have at most {MAX_REQUEST_ID_BYTES} bytes")


def _completed(header: BatchHeader, typed: TypedService, path: str) -> BatchHeader:
    """Answers a header with the type and the version that a typed service says."""
    if header.type not in ("", typed.type):
        raise InvalidRequest(
            f"{path}.type",
            f"is {shown(header.type)!r}, but this service is for {typed.type} alone: leave it out, or "
            f"publish to the service of that type",
        )
    if header.schema_version not in (0, typed.version):
        raise InvalidRequest(
            f"{path}.schema_version",
            f"is {header.schema_version}, but this service is for version {typed.version} alone: leave it "
            f"out, or publish to the service of that version",
        )
    return wire.BatchHeader(
        header.topic, typed.type, typed.version, header.source, header.events, header.largest_event
    )


def _require(limit: str, maximum: int, actual: int, what: str, field: str) -> None:
    if actual > maximum:
        raise LimitExceeded(limit, maximum, actual, f"{what} of {field}" if field else what, field)


def forget_origin(error: TidegateError) -> None:
    """Drops what an error remembers of where it was raised, and with that the request's bytes."""
    error.__traceback__ = error.__cause__ = error.__context__ = None


def _request_key(request: PublishRequest, caller: str, typed: TypedService | None) -> RequestKey:
    """Names a request by its content: what stands in it, not how its outer message was encoded."""
    digest = hashlib.sha256()
    for batch in request.batches:
        digest.update(len(batch).to_bytes(8, "big"))
        digest.update(batch)
    digest.update(repr(sorted(request.expected.items())).encode())
    if request.expected_keys:
        digest.update(repr(sorted(request.expected_keys.items())).encode())
    if typed:
        digest.update(f"{typed.type} {typed.version}".encode())
    return RequestKey(caller, request.request_id, digest.digest())


@dataclass(slots=True)
class _Turn:
    size: int
    granted: asyncio.Future[None]


class _ByteBudget:
    """Lets bytes in, in order, while their sum is within a maximum; one that is larger goes in alone."""

    def __init__(self, maximum: int, most_waiting: int) -> None:
        self._maximum = maximum
        self._most_waiting = most_waiting
        self._used = 0
        self._waiting_bytes = 0
        self._waiting: deque[_Turn] = deque()
        self._emptied: list[asyncio.Future[None]] = []

    async def acquire(self, size: int) -> None:
        """Waits until ``size`` more bytes fit, behind all who wait already.

        Raises:
            LimitExceeded: Too many bytes wait already.
        """
        if not self._waiting and self._fits(size):
            self._used += size
            return
        _require(
            "max_waiting_bytes",
            self._most_waiting,
            self._waiting_bytes + size,
            "the size of the publish requests that wait their turn",
            "",
        )
        turn = _Turn(size, asyncio.get_running_loop().create_future())
        self._waiting.append(turn)
        self._waiting_bytes += size
        try:
            await turn.granted
        except asyncio.CancelledError:
            self._give_up(turn)
            raise

    def release(self, size: int) -> None:
        """Gives ``size`` bytes back."""
        self._used -= size
        self._admit()
        if not self._used:
            for waiter in self._emptied:
                if not waiter.done():
                    waiter.set_result(None)
            self._emptied.clear()

    async def empty(self) -> None:
        """Waits until nothing is held."""
        while self._used:
            waiter = asyncio.get_running_loop().create_future()
            self._emptied.append(waiter)
            await waiter

    def _fits(self, size: int) -> bool:
        return not self._used or self._used + size <= self._maximum

    def _admit(self) -> None:
        while self._waiting and self._fits(self._waiting[0].size):
            turn = self._waiting.popleft()
            self._waiting_bytes -= turn.size
            if not turn.granted.cancelled():
                self._used += turn.size
                turn.granted.set_result(None)

    def _give_up(self, turn: _Turn) -> None:
        if turn.granted.done() and not turn.granted.cancelled():
            self.release(turn.size)
        elif turn in self._waiting:
            self._waiting.remove(turn)
            self._waiting_bytes -= turn.size
            self._admit()
