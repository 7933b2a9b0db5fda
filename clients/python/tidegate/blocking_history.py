"""Reading stored events without an event loop: the face of ``AsyncHistory``."""

# ruff: noqa: A002 - `filter` is the contract's word

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from tidegate.cursor import Start

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from tidegate.aio import AsyncClient
    from tidegate.history import AsyncHistory, EventType, Page
    from tidegate.loop_thread import LoopThread
    from tidegate.received import Event


class History:
    """Stored events: ``for event in client.read_events(...)``, or page by page with ``pages``."""

    def __init__(self, thread: LoopThread, history: AsyncHistory) -> None:
        self._thread = thread
        self._history = history
        self._events: Iterator[Event] | None = None

    def pages(self) -> Iterator[Page]:
        """Yields the pages, the first one first."""
        return self._thread.iterate(self._history.pages())

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        if self._events is None:
            self._events = (event for page in self.pages() for event in page)
        return next(self._events)


class HistoryReading:
    """The part of ``Admin`` that reads stored events; see ``AsyncHistoryReading``."""

    _thread: LoopThread
    _client: AsyncClient

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
    ) -> History:
        """Reads stored events, and ends: ``for event in client.read_events("shop.orders", key="A1")``."""
        return History(
            self._thread,
            self._client.read_events(
                topics,
                types=types,
                key=key,
                filter=filter,
                type_filters=type_filters,
                start=start,
                end=end,
                backwards=backwards,
                fields=fields,
                schema_version=schema_version,
                page_size=page_size,
            ),
        )
