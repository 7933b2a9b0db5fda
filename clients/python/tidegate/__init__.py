"""Tidegate's Python client: publish typed events and subscribe to them.

Names are loaded when they are first used, so that the command line starts without gRPC.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import extend_path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegate.aio import AsyncClient
    from tidegate.blocking_group_subscription import GroupSubscription
    from tidegate.blocking_publisher import Publisher
    from tidegate.blocking_subscription import Subscription
    from tidegate.blocking_worker import Worker
    from tidegate.client import Client
    from tidegate.cursor import Start
    from tidegate.deliveries import Delivery, DeliveryBatch
    from tidegate.errors import TidegateError
    from tidegate.group_settings import GroupSettings
    from tidegate.group_subscription import AsyncGroupSubscription
    from tidegate.notices import Gap, Lag, Late, StreamWarning
    from tidegate.outbox import Published
    from tidegate.outgoing import NewEvent
    from tidegate.publisher import AsyncPublisher
    from tidegate.received import Batch, Event
    from tidegate.schema_admin import SchemaCheck
    from tidegate.schema_values import UNCHANGED
    from tidegate.subscription import AsyncSubscription
    from tidegate.worker import AsyncWorker, Reject, WorkerProgress

    EARLIEST = Start.EARLIEST
    LATEST = Start.LATEST

__version__ = "0.1.0"

__path__ = extend_path(__path__, __name__)
"""Stubs of typed streams are ``tidegate.typed…``, in whatever folder ``tidegate stubs`` wrote them to."""

__all__ = [
    "EARLIEST",
    "LATEST",
    "UNCHANGED",
    "AsyncClient",
    "AsyncGroupSubscription",
    "AsyncPublisher",
    "AsyncSubscription",
    "AsyncWorker",
    "Batch",
    "Client",
    "Delivery",
    "DeliveryBatch",
    "Event",
    "Gap",
    "GroupSettings",
    "GroupSubscription",
    "Lag",
    "Late",
    "NewEvent",
    "Published",
    "Publisher",
    "Reject",
    "SchemaCheck",
    "Start",
    "StreamWarning",
    "Subscription",
    "TidegateError",
    "Worker",
    "WorkerProgress",
]

_HOMES = {
    "AsyncClient": "aio",
    "GroupSubscription": "blocking_group_subscription",
    "Publisher": "blocking_publisher",
    "Subscription": "blocking_subscription",
    "Worker": "blocking_worker",
    "Client": "client",
    "Start": "cursor",
    "Delivery": "deliveries",
    "DeliveryBatch": "deliveries",
    "TidegateError": "errors",
    "GroupSettings": "group_settings",
    "AsyncGroupSubscription": "group_subscription",
    "Gap": "notices",
    "Lag": "notices",
    "Late": "notices",
    "StreamWarning": "notices",
    "Published": "outbox",
    "NewEvent": "outgoing",
    "AsyncPublisher": "publisher",
    "Batch": "received",
    "Event": "received",
    "SchemaCheck": "schema_admin",
    "UNCHANGED": "schema_values",
    "AsyncSubscription": "subscription",
    "AsyncWorker": "worker",
    "Reject": "worker",
    "WorkerProgress": "worker",
}


def __getattr__(name: str) -> Any:
    if name in ("EARLIEST", "LATEST"):
        value: Any = getattr(import_module("tidegate.cursor").Start, name)
    elif name in _HOMES:
        value = getattr(import_module(f"tidegate.{_HOMES[name]}"), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
