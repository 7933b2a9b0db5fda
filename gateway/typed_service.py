"""Typed services: the RPCs of EventService, for one event type and schema version each.

Their messages are the same bytes as EventService's, so its handlers serve them: nothing is decoded or
encoded here. No service is set up: a call's own name says its type and version.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import grpc

from registry.errors import EventTypeNotFound
from registry.names import close_names, shown
from registry.typed import PACKAGE, parse_service_name, typed_services

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gateway.event_service import EventService
    from registry.registry import Registry
    from registry.schema import SchemaVersion
    from registry.typed import ServiceName, TypedService

    Context = grpc.aio.ServicerContext[Any, Any]

_PREFIX = f"/{PACKAGE}."
SERVICES_KEPT = 1_000
"""How many typed services are kept known, so that a publish to them costs no look-up in the registry."""
NAMED_AT_ONCE = 200
"""How many services are named in one go: in about 2 ms, for which the event loop is held."""


class TypedServices(grpc.GenericRpcHandler):
    """Answers the handlers of all typed services."""

    def __init__(self, events: EventService, registry: Registry) -> None:
        self._events = events
        self._registry = registry
        self._known: OrderedDict[ServiceName, TypedService] = OrderedDict()
        self._handler = lru_cache(SERVICES_KEPT)(self._make_handler)

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        """Answers the handler of a method of a typed service, whether or not there is such a service."""
        path = str(handler_call_details.method)
        return self._handler(path) if path.startswith(_PREFIX) else None

    def _make_handler(self, path: str) -> grpc.RpcMethodHandler[Any, Any]:
        service, _, method = path[1:].rpartition("/")
        name = parse_service_name(service)
        if name is None:
            return _unimplemented(
                f"there is no service {shown(service)!r}. Typed services are called "
                f"{PACKAGE}.v<version>.<package>.<Type>Service; server reflection lists them."
            )
        publish, publish_stream, subscribe = name.methods
        if method == publish:
            return grpc.unary_unary_rpc_method_handler(self._publishing(name))
        if method == publish_stream:
            return grpc.stream_stream_rpc_method_handler(self._publishing_stream(name))
        if method == subscribe:
            return grpc.unary_stream_rpc_method_handler(self._subscribing(name))
        near = close_names(method, name.methods)
        hint = f"Close to it: {', '.join(near)}." if near else f"It has {', '.join(name.methods)}."
        return _unimplemented(f"service {shown(service)} has no method {shown(method)!r}. {hint}")

    def _publishing(self, name: ServiceName) -> Callable[[bytes, Context], Awaitable[bytes]]:
        async def publish(raw: bytes, context: Context) -> bytes:
            typed = self._known.get(name) or await self._resolve(name)
            return await self._events.publish(raw, context, typed)

        return publish

    def _publishing_stream(self, name: ServiceName) -> Callable[[object, Context], Awaitable[None]]:
        async def publish_stream(requests: object, context: Context) -> None:
            await self._events.publish_stream(requests, context, await self._resolve(name))

        return publish_stream

    def _subscribing(self, name: ServiceName) -> Callable[[bytes, Context], Awaitable[None]]:
        async def subscribe(raw: bytes, context: Context) -> None:
            await self._events.subscribe(raw, context, await self._resolve(name))

        return subscribe

    async def _resolve(self, name: ServiceName) -> TypedService:
        """Answers the service of a name, as the registry has it now.

        Raises:
            EventTypeNotFound, SchemaVersionNotFound: There is none.
        """
        self._known[name] = found = await find_service(self._registry, name)
        if len(self._known) > SERVICES_KEPT:
            self._known.popitem(last=False)
        return found


async def find_service(registry: Registry, name: ServiceName) -> TypedService:
    """Answers the typed service of a name.

    Raises:
        EventTypeNotFound, SchemaVersionNotFound: There is none.
    """
    refusal: EventTypeNotFound | None = None
    for outer in name.outer_types():
        try:
            schema = await registry.get_by_type(outer, name.version)
        except EventTypeNotFound as error:
            refusal = error
            continue
        for service in await services_of(schema):
            if service.name == name:
                return service
        where = f"version {schema.version} of subject {schema.subject!r}"
        refusal = EventTypeNotFound(shown(outer), where, close_names(outer, schema.types))
    raise refusal or EventTypeNotFound(shown(name.name), "the registry")


async def services_of(schema: SchemaVersion) -> list[TypedService]:
    """Answers the typed services of a version; to name very many takes a turn on a thread."""
    if len(schema.types) > NAMED_AT_ONCE:
        return await asyncio.to_thread(typed_services, schema)
    return typed_services(schema)


def _unimplemented(sentence: str) -> grpc.RpcMethodHandler[Any, Any]:
    async def refuse(_: object, context: Context) -> None:
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, sentence)

    return grpc.stream_stream_rpc_method_handler(refuse)
