"""Tidegate's Python client: publish typed events and subscribe to them.

Names are loaded when they are first used, so that the command line starts without gRPC.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import extend_path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidegate.aio import AsyncClient
    from tidegate.blocking_publisher import Publisher
    from tidegate.blocking_subscription import Subscription
    from tidegate.client import Client
    from tidegate.cursor import Gap, Lag, Start
    from tidegate.errors import TidegateError
    from tidegate.outbox import Published
    from tidegate.outgoing import NewEvent
    from tidegate.publisher import AsyncPublisher
    from tidegate.received import Batch, Event
    from tidegate.schema_admin import SchemaCheck
    from tidegate.schema_values import UNCHANGED
    from tidegate.subscription import AsyncSubscription

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
    "AsyncPublisher",
    "AsyncSubscription",
    "Batch",
    "Client",
    "Event",
    "Gap",
    "Lag",
    "NewEvent",
    "Published",
    "Publisher",
    "SchemaCheck",
    "Start",
    "Subscription",
    "TidegateError",
]

_HOMES = {
    "UNCHANGED": "schema_values",
    "AsyncClient": "aio",
    "Publisher": "blocking_publisher",
    "Subscription": "blocking_subscription",
    "Client": "client",
    "Gap": "cursor",
    "Lag": "cursor",
    "Start": "cursor",
    "TidegateError": "errors",
    "Published": "outbox",
    "NewEvent": "outgoing",
    "AsyncPublisher": "publisher",
    "Batch": "received",
    "Event": "received",
    "SchemaCheck": "schema_admin",
    "AsyncSubscription": "subscription",
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
