"""Reading stored events with asyncio, a page at a time: what of ``AsyncAdmin`` is about the log itself."""

# ruff: noqa: A002 - `filter` is the contract's word

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Self

from tidegate.cursor import Start, check_time
from tidegate.group_settings import filters_by_name, set_fields, type_name
from tidegate.received import Batch, Event
from tidegate.schemas import Decoders, SchemaCache
from tidegate.v1 import event_service_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
    from datetime import datetime

    from google.protobuf.message import Message

    from tidegate.connection import Connection

    EventType = type[Message] | str

_log = logging.getLogger("tidegate")


class Page:
    """One page of stored events. Iterates over events; may be empty although there are more pages.

    Attributes:
        batches: The events, as runs of one topic, event type and schema version.
        head_sequence: The last sequence of the whole log.
        removed_through: All events of the topics up to this one were removed by retention; 0: none was.
        filter_failures: On how many events of this page the filter failed: they are left out.
        is_last: Whether there are no more pages.
    """

    __slots__ = ("batches", "filter_failures", "head_sequence", "is_last", "removed_through")

    def __init__(self, answer: event_service_pb2.ReadEventsResponse, batches: list[Batch]) -> None:
        self.batches = batches
        self.head_sequence = answer.head_sequence
        self.removed_through = answer.removed_through
        self.filter_failures = answer.filter_failures
        self.is_last = not answer.next_page_token

    def __len__(self) -> int:
        return sum(map(len, self.batches))

    def __iter__(self) -> Iterator[Event]:
        for batch in self.batches:
            yield from batch


class AsyncHistory:
    """Stored events: ``async for event in client.read_events(...)``, or page by page with ``pages``."""

    def __init__(
        self, connection: Connection, request: event_service_pb2.ReadEventsRequest, decoders: Decoders
    ) -> None:
        self._connection = connection
        self._request = request
        self._decoders = decoders
        self._events: AsyncIterator[Event] | None = None

    async def pages(self) -> AsyncIterator[Page]:
        """Yields the pages, the first one first.

        Raises:
            TidegateError: A page could not be had; its class says why.
        """
        request = event_service_pb2.ReadEventsRequest()
        request.CopyFrom(self._request)
        async for answer in self._connection.pages(
            "EventService/ReadEvents", request, event_service_pb2.ReadEventsResponse
        ):
            if answer.filter_failures:
                _log.warning("the filter failed on %d events: they are left out", answer.filter_failures)
            yield Page(
                answer,
                [
                    Batch(batch, await self._decoders.find(batch.type, batch.schema_version))
                    for batch in answer.batches
                ],
            )

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        if self._events is None:
            self._events = self._iterate()
        return await anext(self._events)

    async def _iterate(self) -> AsyncIterator[Event]:
        async for page in self.pages():
            for event in page:
                yield event


class AsyncHistoryReading:
    """The part of ``AsyncAdmin`` that reads stored events."""

    _connection: Connection
    _schemas: SchemaCache

    def read_events(
        self,
        topics: str | Iterable[str],
        *,
        types: Iterable[EventType] = (),
        key: str | None = None,
        filter: str = "",
        type_filters: Mapping[EventType, str] | None = None,
        start: Start | int | datetime = Start.EARLIEST,
        end: int | datetime | None = None,
        backwards: bool = False,
        fields: Iterable[str] = (),
        schema_version: int = 0,
        page_size: int = 0,
    ) -> AsyncHistory:
        """Reads stored events, and ends: ``async for event in client.read_events("shop.orders", key="A1")``.

        Nothing is read before it is asked for, and nothing is held but a page (3 MiB). What is appended
        meanwhile is not read.

        Args:
            topics: Names or patterns.
            types: Event types to read; all, if empty. Classes are what ``event.message`` is made of.
            key: Only events of this key; quick for topics with ``index_keys``.
            filter: Only events that this CEL expression holds of; see ``subscribe``.
            type_filters: A filter a type; see ``subscribe``.
            start: Only events from here on: ``EARLIEST``, a sequence, or a time (by ``append_time``).
            end: Only events up to here: a sequence (inclusive), or a time (exclusive); all, if None.
            backwards: Whether to read from new to old.
            fields: Which fields of the data to read; all, if empty.
            schema_version: Read data as this version knows it; 0: as it was stored.
            page_size: Events a page, at most 10,000; 0: as the gateway likes.

        Raises:
            TidegateError: While iterating; its class says why.
        """
        kinds = [types] if isinstance(types, str) else list(types)
        request = event_service_pb2.ReadEventsRequest(
            topics=[topics] if isinstance(topics, str) else topics,
            types=map(type_name, kinds),
            key=key,
            filter=filter,
            type_filters=filters_by_name(type_filters),
            order=event_service_pb2.READ_ORDER_BACKWARDS
            if backwards
            else event_service_pb2.READ_ORDER_FORWARDS,
            schema_version=schema_version,
            page_size=page_size,
        )
        set_fields(request.read_mask, fields)
        _set_range(request, start, end)
        classes = {type_name(kind): kind for kind in kinds if not isinstance(kind, str)}
        return AsyncHistory(self._connection, request, Decoders(self._schemas, classes))


def _set_range(
    request: event_service_pb2.ReadEventsRequest, start: Start | int | datetime, end: int | datetime | None
) -> None:
    if start is Start.LATEST:
        raise ValueError("nothing is stored behind LATEST: start at EARLIEST, a sequence or a time")
    if isinstance(start, int):
        request.from_sequence = start
    elif not isinstance(start, Start):
        request.from_time.FromDatetime(check_time(start))
    if isinstance(end, int):
        if end < 1:
            raise ValueError(f"end must be at least 1, not {end}")
        request.end_sequence = end
    elif end is not None:
        request.end_time.FromDatetime(check_time(end))
