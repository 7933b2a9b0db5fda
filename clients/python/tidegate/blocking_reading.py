"""Reading events without an event loop: the face of ``AsyncReading``."""

# ruff: noqa: A002 - `filter` is the contract's word

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tidegate.blocking_group_subscription import GroupSubscription
from tidegate.blocking_subscription import Subscription
from tidegate.blocking_worker import HandlerThreads, Worker
from tidegate.cursor import Start
from tidegate.worker import CONCURRENCY, GRACE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from typing import Unpack

    from tidegate.aio import AsyncClient
    from tidegate.blocking_worker import Handler
    from tidegate.loop_thread import LoopThread
    from tidegate.notices import StreamWarning
    from tidegate.reading import EventType, Joining, OnGap


class Reading:
    """The half of ``Client`` that reads streams; see ``AsyncReading`` for arguments and errors.

    Functions that are told of something (``on_gap``, ``on_warning``…) are called in the client's own thread:
    they must not block, nor call the client.
    """

    _thread: LoopThread
    _client: AsyncClient

    def subscribe(
        self,
        topics: str | Iterable[str],
        *,
        start: Start | int | datetime = Start.LATEST,
        types: Iterable[EventType] = (),
        filter: str = "",
        type_filters: Mapping[EventType, str] | None = None,
        fields: Iterable[str] = (),
        schema_version: int = 0,
        end_sequence: int = 0,
        until_caught_up: bool = False,
        on_gap: OnGap = "fail",
        on_caught_up: Callable[[int], object] | None = None,
        on_warning: Callable[[StreamWarning], object] | None = None,
        heartbeat_interval: float = 10.0,
        client_name: str = "",
        built_with: Mapping[str, int] | None = None,
    ) -> Subscription:
        """Reads topics from a position on: ``for event in client.subscribe("shop.orders")``.

        See ``AsyncClient.subscribe``.
        """

        async def subscribe() -> Any:
            return self._client.subscribe(
                topics,
                start=start,
                types=types,
                filter=filter,
                type_filters=type_filters,
                fields=fields,
                schema_version=schema_version,
                end_sequence=end_sequence,
                until_caught_up=until_caught_up,
                on_gap=on_gap,
                on_caught_up=on_caught_up,
                on_warning=on_warning,
                heartbeat_interval=heartbeat_interval,
                client_name=client_name,
                built_with=built_with,
            )

        return Subscription(self._thread, self._thread.run(subscribe()))

    def join(
        self, group: str, topics: str | Iterable[str] = (), **joining: Unpack[Joining]
    ) -> GroupSubscription:
        """Reads a group's events as one of its members, and settles them; makes the group if there is none.

        See ``AsyncClient.join``.
        """

        async def join() -> Any:
            return self._client.join(group, topics, **joining)

        return GroupSubscription(self._thread, self._thread.run(join()))

    def worker(
        self,
        group: str,
        handler: Handler,
        topics: str | Iterable[str] = (),
        *,
        concurrency: int = CONCURRENCY,
        timeout: float | None = None,
        grace: float = GRACE,
        **joining: Unpack[Joining],
    ) -> Worker:
        """Makes a worker, which runs a handler in threads on each event of a group.

        See ``AsyncClient.worker``; the handler is a plain function, and ``client.worker(...).run()`` runs it.
        """
        threads = HandlerThreads(handler, count=concurrency, timeout=timeout)

        async def make() -> Any:
            return self._client.worker(
                group, threads.handle, topics, concurrency=concurrency, grace=grace, **joining
            )

        return Worker(self._thread, self._thread.run(make()), threads)
