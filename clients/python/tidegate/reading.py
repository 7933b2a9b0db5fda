"""Reading events with asyncio: what of ``AsyncClient`` makes subscriptions, members of groups and workers."""

# ruff: noqa: A002 - `filter` is the contract's word

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

from tidegate.cursor import Cursor, Start
from tidegate.group_cursor import GroupCursor
from tidegate.group_settings import GroupSettings, filters_by_name, set_fields, set_seconds, type_name
from tidegate.group_subscription import AsyncGroupSubscription
from tidegate.notices import Gap, Listeners
from tidegate.subscription import AsyncSubscription
from tidegate.v1 import event_service_pb2
from tidegate.worker import CONCURRENCY, GRACE, AsyncWorker

if TYPE_CHECKING:
    import weakref
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from typing import Unpack

    from google.protobuf.message import Message

    from tidegate.connection import Connection
    from tidegate.notices import Late, StreamWarning
    from tidegate.schemas import SchemaCache
    from tidegate.worker import AsyncHandler

    OnGap = Literal["fail", "skip"] | Callable[[Gap], object]
    EventType = type[Message] | str

READ_AHEAD = 10
"""How many events a worker may have for each that it can deal with at once."""


class Joining(TypedDict, total=False):
    """How a member joins its group: the keyword arguments of ``AsyncClient.join``, explained there."""

    start: Start | int | datetime
    types: Iterable[EventType]
    filter: str
    type_filters: Mapping[EventType, str] | None
    settings: GroupSettings | None
    max_in_flight: int
    fields: Iterable[str]
    schema_version: int
    until_caught_up: bool
    on_gap: Callable[[Gap], object] | None
    on_caught_up: Callable[[int], object] | None
    on_warning: Callable[[StreamWarning], object] | None
    on_late: Callable[[Late], object] | None
    heartbeat_interval: float
    client_name: str
    built_with: Mapping[str, int] | None


class AsyncReading:
    """The half of ``AsyncClient`` that reads streams."""

    _connection: Connection
    _schemas: SchemaCache
    _subscriptions: weakref.WeakSet[AsyncSubscription | AsyncGroupSubscription]

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
    ) -> AsyncSubscription:
        """Reads topics from a position on: ``async for event in client.subscribe("shop.orders")``.

        Args:
            topics: Names or patterns: ``shop.*`` matches one level, ``shop.>`` all below.
            start: ``EARLIEST``, ``LATEST``, a sequence (inclusive), or a time (by ``append_time``).
            types: Event types to deliver; all, if empty. Generated classes are what ``event.message`` is made
                of; types by name get classes from the gateway's schema.
            filter: Which events to deliver: a CEL expression over ``event`` (``event.key == "A1"``), and with
                one event type in ``types`` over ``event.data`` (``event.data.amount_cents > 1000``). The
                gateway evaluates it. An event on which it fails is not delivered, and ``on_warning`` is told.
            type_filters: A filter a type, over ``event.data`` as well; of ``types`` without one all events
                are delivered. Not with ``filter``.
            fields: Which fields of the data to deliver, such as ``("order_id", "customer.name")``; the others
                are left out at the gateway. All, if empty.
            schema_version: Deliver data as this version of the topics' subject knows it; 0: as it was stored.
            end_sequence: The last sequence to deliver; 0 means: never end.
            until_caught_up: End once everything that was in the log has been delivered.
            on_gap: Where retention removed events that would have been delivered: ``"fail"`` raises
                ``EventsRemoved``, ``"skip"`` goes on behind them, a function is told of the ``Gap`` first.
                Likewise, with ``IncompatibleVersion``, where events can't be read as ``built_with`` says.
            on_caught_up: Told of the position each time that the reader reaches the head.
            on_warning: Told of what the gateway warns of; without it, that is logged.
            heartbeat_interval: Seconds between heartbeats, 0.1 to 3600. A stream that is silent for three of
                them is given up and opened anew.
            client_name: Names the program, alike in all its instances and after a restart, so that a check of
                a schema can tell that it would break it. Remembered only with ``built_with``.
            built_with: The schema versions that the program was built with, by subject: ``{"shop": 3}``.
        """
        classes, names = _split_types(types)
        request = _request(heartbeat_interval, client_name, built_with, fields, schema_version)
        request.topics.extend([topics] if isinstance(topics, str) else topics)
        request.types.extend(names)
        request.end_sequence = end_sequence
        request.on_gap = event_service_pb2.ON_GAP_FAIL if on_gap == "fail" else event_service_pb2.ON_GAP_SKIP
        _filter(request, filter, type_filters)
        subscription = AsyncSubscription(
            self._connection,
            Cursor(request, start, until_caught_up=until_caught_up),
            self._schemas,
            classes,
            Listeners(on_gap if callable(on_gap) else None, on_caught_up, on_warning),
        )
        self._subscriptions.add(subscription)
        return subscription

    def join(
        self,
        group: str,
        topics: str | Iterable[str] = (),
        *,
        start: Start | int | datetime = Start.LATEST,
        types: Iterable[EventType] = (),
        filter: str = "",
        type_filters: Mapping[EventType, str] | None = None,
        settings: GroupSettings | None = None,
        max_in_flight: int = 0,
        fields: Iterable[str] = (),
        schema_version: int = 0,
        until_caught_up: bool = False,
        on_gap: Callable[[Gap], object] | None = None,
        on_caught_up: Callable[[int], object] | None = None,
        on_warning: Callable[[StreamWarning], object] | None = None,
        on_late: Callable[[Late], object] | None = None,
        heartbeat_interval: float = 10.0,
        client_name: str = "",
        built_with: Mapping[str, int] | None = None,
    ) -> AsyncGroupSubscription:
        """Reads a group's events as one of its members, and settles them; makes the group if there is none.

        With ``topics``, the call says all of what the group is to be: if there is one that differs,
        ``GroupDiffers`` is raised. Without, the group must exist.

        Args:
            group: The group's name.
            topics: Names or patterns. May be left out of a group that exists.
            start: Where a new group starts: ``EARLIEST``, ``LATEST``, a sequence (inclusive), or a time. A
                group that exists knows its place.
            types: The group's event types; all, if empty. Generated classes are what ``event.message`` is
                made of. Without ``topics``, classes say that alone, and select nothing.
            filter: The group's filter; see ``subscribe``.
            type_filters: The group's filters by type; see ``subscribe``.
            settings: How a new group shares out events; the gateway's defaults, if None.
            max_in_flight: Events that this member may have unsettled; 0: as many as the group allows.
            fields: Which fields of the data to deliver; see ``subscribe``.
            schema_version: As ``subscribe``; an event that can't be read so counts as failed.
            until_caught_up: End once everything that was in the log is settled, by whichever member.
            on_gap: Told where retention removed events before they were settled; logged in any case.
            on_caught_up: Told of the position each time that everything in the log is settled.
            on_warning: Told of what the gateway warns of; without it, that is logged.
            on_late: Told of events that were settled too late; without it, they are logged.
            heartbeat_interval: As ``subscribe``.
            client_name: Names the program: shown with the group's members and with each attempt.
            built_with: As ``subscribe``.
        """
        classes, names = _split_types(types)
        request = _request(heartbeat_interval, client_name, built_with, fields, schema_version)
        request.group = group
        request.max_in_flight = max_in_flight
        if topics:
            request.topics.extend([topics] if isinstance(topics, str) else topics)
            request.types.extend(names)
            request.group_settings.CopyFrom((settings or GroupSettings()).message())
            _filter(request, filter, type_filters)
        elif filter or type_filters or settings or len(names) > len(classes):
            raise ValueError(
                "what a group is to be is said as a whole: name topics, too, or leave out filters, settings "
                "and the names of types"
            )
        subscription = AsyncGroupSubscription(
            self._connection,
            GroupCursor(request, start, until_caught_up=until_caught_up),
            self._schemas,
            classes,
            Listeners(on_gap, on_caught_up, on_warning, on_late),
            group=group,
        )
        self._subscriptions.add(subscription)
        return subscription

    def worker(
        self,
        group: str,
        handler: AsyncHandler,
        topics: str | Iterable[str] = (),
        *,
        concurrency: int = CONCURRENCY,
        timeout: float | None = None,
        grace: float = GRACE,
        **joining: Unpack[Joining],
    ) -> AsyncWorker:
        """Makes a worker, which runs a handler on each event of a group: ``await client.worker(...).run()``.

        Args:
            group: The group's name.
            handler: An ``async`` function that takes a ``Delivery``.
            topics: Names or patterns. May be left out of a group that exists.
            concurrency: How many handlers run at once.
            timeout: Seconds that a handler may take for an event; as long as it likes, if None.
            grace: Seconds that handlers get to finish when the worker stops.
            joining: The keyword arguments of ``join``. ``max_in_flight`` is ten times ``concurrency``, unless
                it is given.
        """
        joining.setdefault("max_in_flight", READ_AHEAD * concurrency)
        subscription = self.join(group, topics, **joining)
        return AsyncWorker(subscription, handler, concurrency=concurrency, timeout=timeout, grace=grace)


def _request(
    heartbeat_interval: float,
    client_name: str,
    built_with: Mapping[str, int] | None,
    fields: Iterable[str],
    schema_version: int,
) -> event_service_pb2.SubscribeRequest:
    request = event_service_pb2.SubscribeRequest(schema_version=schema_version)
    request.reader.client_name = client_name
    for subject, version in (built_with or {}).items():
        request.reader.built_with.add(subject=subject, version=version)
    set_seconds(request.heartbeat_interval, heartbeat_interval)
    set_fields(request.read_mask, fields)
    return request


def _filter(
    request: event_service_pb2.SubscribeRequest, filter: str, type_filters: Mapping[EventType, str] | None
) -> None:
    request.filter = filter
    request.type_filters.update(filters_by_name(type_filters))


def _split_types(types: Iterable[EventType]) -> tuple[dict[str, type[Message]], list[str]]:
    """Answers the classes by the names of their types, and the names of all types."""
    listed = [types] if isinstance(types, str) else list(types)
    classes = {type_name(each): each for each in listed if not isinstance(each, str)}
    return classes, [type_name(each) for each in listed]
